//! Many packets at once: AES-CBC and HMAC over the lanes of vector registers, chosen when the process starts.
//!
//! CBC encryption and hashing wait for themselves most of the time: one packet leaves the processor idle, and packets
//! side by side do not. Sealing and opening give the same octets with every choice of [`Units`].

#![cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "what kernels need, where there are none"))]

mod cbc;
mod hmac;
#[cfg(not(target_arch = "x86_64"))]
mod other;
mod stitch;
mod sum;
#[cfg(target_arch = "x86_64")]
mod x86;

use core::fmt;
use std::sync::OnceLock;

use zeroize::{Zeroize, ZeroizeOnDrop};

use self::cbc::{Rounds, Schedule};
use self::hmac::Message;
#[cfg(not(target_arch = "x86_64"))]
use self::other as units;
pub use self::sum::{sum_copied, sum_of};
use self::units::{AesNi, Avx2, Avx512, Ifma, ShaNi, Vaes256, Vaes512};
#[cfg(target_arch = "x86_64")]
use self::x86 as units;
use crate::dh::digits::{Digits, Modulus};

/// The octets of SPI and sequence number.
const HEADER: usize = 8;

/// The octets of AES's initialisation vector.
const IV: usize = 16;

/// How many packets go through the kernels together: enough for every lane, few enough for the nearer caches.
pub(crate) const BATCH: usize = 64;

/// The environment variable that keeps a process from using all that its processor has: the name of a [`Level`].
pub const VARIABLE: &str = "SEKISHO_LANES";

/// How much of a processor is used.
#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Debug)]
pub enum Level {
    /// What every processor has, packet by packet.
    Portable,
    /// AES-NI, the SHA instructions, AVX2 and VAES on its registers, so far as they are there.
    AesNi,
    /// AVX-512 and VAES on its registers as well, so far as they are there.
    Avx512,
}

impl Level {
    /// Reads a level's name: `portable`, `aesni` or `avx512`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "portable" => Some(Self::Portable),
            "aesni" => Some(Self::AesNi),
            "avx512" => Some(Self::Avx512),
            _ => None,
        }
    }
}

/// The units of the processor that sealing and opening use.
#[derive(Copy, Clone, Debug)]
pub struct Units {
    aes: Option<AesNi>,
    vaes256: Option<Vaes256>,
    vaes512: Option<Vaes512>,
    sha: Option<ShaNi>,
    avx2: Option<Avx2>,
    avx512: Option<Avx512>,
}

impl Units {
    const NONE: Self = Self { aes: None, vaes256: None, vaes512: None, sha: None, avx2: None, avx512: None };

    /// Those that this process uses: all there are, or those up to the level in [`VARIABLE`], which is read once.
    #[must_use]
    pub fn in_use() -> Self {
        static IN_USE: OnceLock<Units> = OnceLock::new();
        *IN_USE.get_or_init(|| {
            let name = std::env::var(VARIABLE).ok();
            Self::up_to(name.as_deref().and_then(Level::from_name).unwrap_or(Level::Avx512))
        })
    }

    /// Those of this processor, up to a level.
    #[must_use]
    pub fn up_to(level: Level) -> Self {
        let aes = AesNi::detect();
        if level == Level::Portable || aes.is_none() {
            return Self::NONE;
        }
        let below = Self { aes, vaes256: Vaes256::detect(), sha: ShaNi::detect(), avx2: Avx2::detect(), ..Self::NONE };
        match level {
            Level::Portable | Level::AesNi => below,
            Level::Avx512 => Self { vaes512: Vaes512::detect(), avx512: Avx512::detect(), ..below },
        }
    }

    /// The level they come to.
    #[must_use]
    pub const fn level(self) -> Level {
        match self {
            Self { aes: None, .. } => Level::Portable,
            Self { vaes512: None, avx512: None, .. } => Level::AesNi,
            _ => Level::Avx512,
        }
    }

    /// The unit that hashes packets in ones and twos, when it knows the hash.
    fn narrow(self, digest: Digest) -> Option<ShaNi> {
        self.sha.filter(|sha| sha.knows(digest))
    }

    /// How many of so many messages go through the wide hash kernels; the rest are hashed in ones and twos.
    ///
    /// From where on half-empty lanes are better was measured. Eight lanes of SHA-1 outdo the
    /// SHA instructions, eight of SHA-256 do not.
    fn wide(self, digest: Digest, messages: usize) -> usize {
        let (lanes, worth) = match (self.avx512, self.avx2, self.narrow(digest), digest) {
            (Some(_), _, Some(_), Digest::Sha256) => (16, 10),
            (Some(_), _, Some(_), _) => (16, 6),
            (Some(_), _, None, _) => (16, 3),
            (None, Some(_), Some(_), Digest::Sha1) => (8, 6),
            (None, Some(_), None, _) => (8, 3),
            _ => return 0,
        };
        let over = messages % lanes;
        if over < worth { messages - over } else { messages }
    }
}

/// The unit that multiplies long numbers, eight of their digits at a time.
#[derive(Copy, Clone, Debug)]
pub(crate) struct LongDigits(Ifma);

impl LongDigits {
    /// The processor's, if it has one and this process uses it.
    pub(crate) fn in_use() -> Option<Self> {
        if Units::in_use().level() == Level::Avx512 { Ifma::detect().map(Self) } else { None }
    }

    /// `to = to * by / 2^(416 N)` modulo the prime, or the square of `to` for want of another factor.
    pub(crate) fn multiply<const N: usize>(self, to: &mut Digits<N>, by: Option<&Digits<N>>, modulus: &Modulus) {
        self.0.multiply(to, by, modulus);
    }

    /// Copies one number of a table in a time that does not depend on which.
    pub(crate) fn choose<const N: usize>(self, to: &mut Digits<N>, table: &[Digits<N>], number: u64) {
        self.0.choose(to, table, number);
    }
}

impl fmt::Display for Units {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (self.aes.is_some(), "AES-NI"),
            (self.sha.is_some(), "SHA-NI"),
            (self.avx2.is_some(), "AVX2"),
            (self.vaes256.is_some() || self.vaes512.is_some(), "VAES"),
            (self.avx512.is_some(), "AVX-512"),
        ];
        if self.aes.is_none() {
            return f.write_str("portable");
        }
        let mut gap = "";
        for (_, name) in names.iter().filter(|(there, _)| *there) {
            write!(f, "{gap}{name}")?;
            gap = " ";
        }
        Ok(())
    }
}

/// A hash that the kernels know.
#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Debug)]
pub(crate) enum Digest {
    Md5,
    Sha1,
    Sha256,
}

impl Digest {
    /// The octets of the whole digest.
    const fn output_len(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// The octets of ESP's ICV (RFC 2403, RFC 2404, RFC 4868).
    const fn icv_len(self) -> usize {
        match self {
            Self::Md5 | Self::Sha1 => 12,
            Self::Sha256 => 16,
        }
    }

    /// Writes a chaining value as octets.
    fn octets(self, words: &[u32; 8]) -> [u8; 32] {
        let mut out = [0; 32];
        for (to, word) in out.as_chunks_mut().0.iter_mut().zip(words) {
            *to = match self {
                Self::Md5 => word.to_le_bytes(),
                Self::Sha1 | Self::Sha256 => word.to_be_bytes(),
            };
        }
        out
    }

    const fn length_field(self, bits: u64) -> [u8; 8] {
        match self {
            Self::Md5 => bits.to_le_bytes(),
            Self::Sha1 | Self::Sha256 => bits.to_be_bytes(),
        }
    }
}

/// HMAC's chaining values after the padded key.
pub(crate) struct Pads {
    pub(crate) digest: Digest,
    pub(crate) inner: [u32; 8],
    pub(crate) outer: [u32; 8],
}

/// The keys of an SA as the kernels want them.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Keys {
    schedule: Schedule,
    #[zeroize(skip)]
    digest: Digest,
    inner: [u32; 8],
    outer: [u32; 8],
}

/// Those of a place that holds no packet.
static NO_KEYS: Keys = Keys { schedule: Schedule::ZERO, digest: Digest::Sha1, inner: [0; 8], outer: [0; 8] };

impl Keys {
    /// Expands an AES key for encryption; `None` when the processor has no kernels for it, or it is no AES key.
    pub(crate) fn sealing(aes_key: &[u8], pads: Pads) -> Option<Self> {
        Some(Self {
            schedule: AesNi::detect()?.expand(aes_key)?,
            digest: pads.digest,
            inner: pads.inner,
            outer: pads.outer,
        })
    }

    /// Expands an AES key for decryption; `None` when the processor has no kernels for it, or it is no AES key.
    pub(crate) fn opening(aes_key: &[u8], pads: Pads) -> Option<Self> {
        let mut keys = Self::sealing(aes_key, pads)?;
        AesNi::detect()?.invert(&mut keys.schedule);
        Some(keys)
    }

    /// Decrypts a packet in place, from its SPI to before its ICV; whether it could be done.
    pub(crate) fn decrypt(&self, units: Units, message: &mut [u8]) -> bool {
        let Some((iv, text)) = message.get_mut(HEADER..).and_then(<[u8]>::split_first_chunk_mut) else {
            return false;
        };
        let (blocks, []) = text.as_chunks_mut() else {
            return false;
        };
        match (units.vaes512, units.vaes256, units.aes) {
            (Some(vaes), ..) => vaes.decrypt(&self.schedule, iv, blocks),
            (None, Some(vaes), _) => vaes.decrypt(&self.schedule, iv, blocks),
            (None, None, Some(aes)) => aes.decrypt(&self.schedule, iv, blocks),
            (None, None, None) => return false,
        }
        true
    }
}

/// A packet to seal, whole from SPI to ICV.
struct Packet<'a> {
    /// Brings like packets together, the longer ones first.
    order: u32,
    keys: &'a Keys,
    octets: &'a mut [u8],
}

impl<'a> Packet<'a> {
    fn new(keys: &'a Keys, octets: &'a mut [u8]) -> Self {
        let length = u32::try_from(octets.len()).unwrap_or(u32::MAX).min(0x0fff_ffff);
        let order = (keys.digest as u32) << 30 | (keys.schedule.rounds as u32) << 28 | (0x0fff_ffff - length);
        Self { order, keys, octets }
    }

    /// What the ICV covers.
    fn message(&self) -> &[u8] {
        let covered = self.octets.len().saturating_sub(self.keys.digest.icv_len());
        self.octets.get(..covered).unwrap_or_default()
    }

    fn message_mut(&mut self) -> &mut [u8] {
        let covered = self.octets.len().saturating_sub(self.keys.digest.icv_len());
        self.octets.get_mut(..covered).unwrap_or_default()
    }

    fn iv(&self) -> Option<[u8; IV]> {
        self.octets.get(HEADER..)?.first_chunk().copied()
    }

    /// What there is to encrypt.
    fn job(&mut self) -> Option<cbc::Job<'_>> {
        let keys = self.keys;
        let (iv, text) = self.message_mut().get_mut(HEADER..)?.split_first_chunk_mut()?;
        Some(cbc::Job { schedule: &keys.schedule, iv, blocks: text.as_chunks_mut().0 })
    }

    fn put_icv(&mut self, words: &[u32; 8]) {
        let octets = self.keys.digest.octets(words);
        // A copy whose length is known makes no call.
        match (self.octets.last_chunk_mut::<12>(), octets.first_chunk::<12>(), self.keys.digest) {
            (Some(icv), Some(octets), Digest::Md5 | Digest::Sha1) => *icv = *octets,
            _ => {
                if let (Some(icv), Some(octets)) = (self.octets.last_chunk_mut::<16>(), octets.first_chunk()) {
                    *icv = *octets;
                }
            }
        }
    }
}

/// Packets to seal, `N` at a time.
pub(crate) struct Sealing<'a, const N: usize> {
    units: Units,
    packets: [Packet<'a>; N],
    held: usize,
}

impl<'a, const N: usize> Sealing<'a, N> {
    pub(crate) fn new(units: Units) -> Self {
        const { assert!(N > 0 && N <= BATCH, "a batch holds a packet and no more than fit") };
        Self { units, packets: core::array::from_fn(|_| Packet { order: 0, keys: &NO_KEYS, octets: &mut [] }), held: 0 }
    }

    /// Takes a packet that lacks only encryption and ICV; the units have AES, and the packet room for all its parts.
    pub(crate) fn push(&mut self, keys: &'a Keys, octets: &'a mut [u8]) {
        if self.held == N {
            self.seal();
        }
        if let Some(place) = self.packets.get_mut(self.held) {
            *place = Packet::new(keys, octets);
            self.held += 1;
        }
    }

    /// Seals the packets taken.
    pub(crate) fn seal(&mut self) {
        let units = self.units;
        let packets = self.packets.get_mut(..self.held).unwrap_or_default();
        packets.sort_unstable_by_key(|packet| packet.order);
        for like in packets.chunk_by_mut(|a, b| a.keys.digest == b.keys.digest) {
            let Some(digest) = like.first().map(|packet| packet.keys.digest) else {
                continue;
            };
            let like = Self::seal_even(units, digest, like);
            match (units.aes, units.narrow(digest)) {
                (Some(aes), Some(sha)) => {
                    let (wide, narrow) = like.split_at_mut(units.wide(digest, like.len()));
                    Self::seal_wide(units, digest, wide);
                    seal_narrow(aes, sha, digest, narrow);
                }
                _ => Self::seal_wide(units, digest, like),
            }
        }
        self.held = 0;
    }

    /// Seals packets of about one length, as many at a time as there are lanes, and gives back the rest.
    ///
    /// No lane waits for another then, and what has been encrypted is still in the nearest cache when it is hashed.
    fn seal_even<'b>(units: Units, digest: Digest, packets: &'b mut [Packet<'a>]) -> &'b mut [Packet<'a>] {
        let lanes = match (units.avx512, units.vaes256, digest) {
            (Some(_), ..) => 16,
            (None, Some(_), Digest::Sha1) => 8,
            _ => return packets,
        };
        let groups = packets.chunks_exact(lanes).take_while(|some| even(some)).count();
        let (evens, rest) = packets.split_at_mut(groups * lanes);
        for some in evens.chunks_exact_mut(lanes) {
            match (units.avx512, units.vaes512, units.vaes256, digest) {
                (Some(_), Some(vaes), _, Digest::Sha1) => {
                    if let Some(sixteen) = some.first_chunk_mut::<16>() {
                        stitch::seal_many(units, sixteen, |rounds, table, lanes| {
                            vaes.stitch_sha1(rounds, table, lanes)
                        });
                    }
                }
                (None, _, Some(vaes), Digest::Sha1) => {
                    if let Some(eight) = some.first_chunk_mut::<8>() {
                        stitch::seal_many(units, eight, |rounds, table, lanes| vaes.stitch_sha1(rounds, table, lanes));
                    }
                }
                _ => Self::seal_wide(units, digest, some),
            }
        }
        rest
    }

    /// Encrypts packets, then authenticates them.
    fn seal_wide(units: Units, digest: Digest, packets: &mut [Packet<'_>]) {
        for like in packets.chunk_by_mut(|a, b| a.keys.schedule.rounds == b.keys.schedule.rounds) {
            encrypt(units, like);
        }
        let mut digests = [[0; 8]; N];
        let digests = digests.get_mut(..packets.len()).unwrap_or_default();
        let message = |at: usize| {
            packets.get(at).map(|packet| Message {
                text: packet.message(),
                before: hmac::BLOCK,
                inner: &packet.keys.inner,
                outer: &packet.keys.outer,
            })
        };
        authenticate(units, digest, message, digests);
        for (packet, digest) in packets.iter_mut().zip(digests) {
            packet.put_icv(digest);
        }
    }
}

/// Whether packets, the longer ones first, are of about one length, and their keys take the same number of rounds.
fn even(packets: &[Packet<'_>]) -> bool {
    let (Some(first), Some(last)) = (packets.first(), packets.last()) else {
        return false;
    };
    first.keys.schedule.rounds == last.keys.schedule.rounds && last.octets.len() * 8 >= first.octets.len() * 7
}

/// Encrypts packets whose keys take the same number of rounds.
fn encrypt(units: Units, packets: &mut [Packet<'_>]) {
    let Some(rounds) = packets.first().map(|packet| packet.keys.schedule.rounds) else {
        return;
    };
    let count = packets.len();
    encrypt_jobs(units, rounds, count, packets.iter_mut().filter_map(Packet::job));
}

/// Encrypts so many texts.
fn encrypt_jobs<'a>(units: Units, rounds: Rounds, count: usize, jobs: impl Iterator<Item = cbc::Job<'a>>) {
    match (units.aes, units.vaes512, units.vaes256) {
        (Some(aes), ..) if count == 1 => {
            for job in jobs {
                aes.encrypt_one(job.schedule, &mut u128::from_ne_bytes(*job.iv), job.blocks);
            }
        }
        (_, Some(vaes), _) => cbc::encrypt(jobs, |table, lanes, blocks| vaes.encrypt(rounds, table, lanes, blocks)),
        // Sixteen lanes of which half are idle are slower than eight.
        (_, None, Some(vaes)) if count > 8 => {
            cbc::encrypt(jobs, |table, lanes, blocks| vaes.encrypt(rounds, table, lanes, blocks))
        }
        (Some(aes), None, _) => cbc::encrypt(jobs, |table, lanes, blocks| aes.encrypt(rounds, table, lanes, blocks)),
        (None, None, _) => {}
    }
}

/// Seals packets in ones and twos.
fn seal_narrow(aes: AesNi, sha: ShaNi, digest: Digest, packets: &mut [Packet<'_>]) {
    let mut rest = packets;
    while !rest.is_empty() {
        let rounds = |packet: &Packet<'_>| packet.keys.schedule.rounds;
        rest = match rest {
            [a, b, ..] if rounds(a) == rounds(b) => {
                let Some((pair, rest)) = rest.split_first_chunk_mut::<2>() else {
                    return;
                };
                stitch::seal(aes, sha, digest, pair);
                rest
            }
            [one, rest @ ..] => {
                stitch::seal(aes, sha, digest, core::array::from_mut(one));
                rest
            }
            [] => return,
        };
    }
}

/// Computes the authenticators of as many messages as there is room in `out`.
fn authenticate<'a>(
    units: Units,
    digest: Digest,
    message: impl Fn(usize) -> Option<Message<'a>>,
    out: &mut [[u32; 8]],
) {
    let share = units.wide(digest, out.len());
    let Some((wide, narrow)) = out.split_at_mut_checked(share) else {
        return;
    };
    let first = |at: usize| if at < share { message(at) } else { None };
    match (units.avx512, units.avx2) {
        _ if share == 0 => {}
        (Some(avx512), _) => {
            hmac::authenticate(digest, first, wide, |chains, work| avx512.hash(digest, chains, work));
        }
        (None, Some(avx2)) => {
            hmac::authenticate(digest, first, wide, |chains, work| avx2.hash(digest, chains, work));
        }
        (None, None) => {}
    }
    let last = |at: usize| message(share + at);
    match units.narrow(digest) {
        _ if narrow.is_empty() => {}
        Some(sha) => authenticate_narrow(sha, digest, last, narrow),
        None => hmac::authenticate(digest, last, narrow, |chains, work| hmac::plain(digest, chains, work)),
    }
}

/// Computes authenticators in ones and twos.
fn authenticate_narrow<'a>(
    sha: ShaNi,
    digest: Digest,
    message: impl Fn(usize) -> Option<Message<'a>>,
    out: &mut [[u32; 8]],
) {
    let (mut done, mut left) = (0, out);
    while !left.is_empty() {
        let rest = |at: usize| message(done + at);
        let count = if left.len() > 1 && hmac::alike(rest, 2) { 2 } else { 1 };
        let (some, others) = left.split_at_mut(count);
        if count == 2 {
            hmac::together::<2>(digest, rest, some, |chains, work| sha.hash(digest, chains, work));
        } else {
            hmac::together::<1>(digest, rest, some, |chains, work| sha.hash(digest, chains, work));
        }
        (done, left) = (done + count, others);
    }
}

/// A packet to authenticate.
#[derive(Copy, Clone)]
struct Sealed<'a> {
    order: u32,
    slot: usize,
    keys: &'a Keys,
    message: &'a [u8],
}

/// The authenticators of `N` packets, by the number each was given.
pub(crate) struct Authenticators<'a, const N: usize> {
    packets: [Sealed<'a>; N],
    held: usize,
}

impl<'a, const N: usize> Authenticators<'a, N> {
    pub(crate) fn new() -> Self {
        const { assert!(N > 0 && N <= BATCH, "a batch holds a packet and no more than fit") };
        let none = Sealed { order: 0, slot: 0, keys: &NO_KEYS, message: &[] };
        Self { packets: [none; N], held: 0 }
    }

    /// Takes what the ICV of a packet covers, as number `slot` of those below `N`.
    pub(crate) fn push(&mut self, slot: usize, keys: &'a Keys, message: &'a [u8]) {
        if let Some(place) = self.packets.get_mut(self.held) {
            let length = u32::try_from(message.len()).unwrap_or(u32::MAX).min(0x0fff_ffff);
            *place = Sealed { order: (keys.digest as u32) << 30 | (0x0fff_ffff - length), slot, keys, message };
            self.held += 1;
        }
    }

    /// Computes the authenticator of every packet taken; others are zeros.
    pub(crate) fn compute(mut self, units: Units) -> [[u8; 32]; N] {
        let mut out = [[0; 32]; N];
        let packets = self.packets.get_mut(..self.held).unwrap_or_default();
        packets.sort_unstable_by_key(|packet| packet.order);
        for like in packets.chunk_by(|a, b| a.keys.digest == b.keys.digest) {
            let Some(digest) = like.first().map(|packet| packet.keys.digest) else {
                continue;
            };
            let mut digests = [[0; 8]; N];
            let digests = digests.get_mut(..like.len()).unwrap_or_default();
            let message = |at: usize| {
                like.get(at).map(|packet| Message {
                    text: packet.message,
                    before: hmac::BLOCK,
                    inner: &packet.keys.inner,
                    outer: &packet.keys.outer,
                })
            };
            authenticate(units, digest, message, digests);
            for (packet, words) in like.iter().zip(digests) {
                if let Some(to) = out.get_mut(packet.slot) {
                    *to = digest.octets(words);
                }
            }
        }
        out
    }
}

#[cfg(test)]
impl Units {
    /// Every choice that this processor can make, and those that lesser ones would.
    fn choices() -> Vec<Self> {
        let all = Self::up_to(Level::Avx512);
        let below = Self::up_to(Level::AesNi);
        vec![
            Self::NONE,
            all,
            below,
            Self { sha: None, ..all },
            Self { vaes512: None, ..all },
            Self { vaes256: None, vaes512: None, sha: None, ..all },
            Self { avx512: None, ..all },
            Self { sha: None, ..below },
            Self { vaes256: None, ..below },
            Self { avx2: None, ..below },
            Self { vaes256: None, avx2: None, sha: None, ..below },
        ]
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

    use super::*;
    use crate::esp::{EspAuth, EspCipher, Ivs, Open, OpenError, OpenKey, Seal, SealKey, Suite, open_with, seal_with};

    /// The suites that have kernels, and some that have none.
    const SUITES: [(EspCipher, EspAuth); 12] = [
        (EspCipher::Aes128, EspAuth::HmacSha1_96),
        (EspCipher::Aes192, EspAuth::HmacSha1_96),
        (EspCipher::Aes256, EspAuth::HmacSha1_96),
        (EspCipher::Aes128, EspAuth::HmacSha256_128),
        (EspCipher::Aes192, EspAuth::HmacSha256_128),
        (EspCipher::Aes256, EspAuth::HmacSha256_128),
        (EspCipher::Aes128, EspAuth::HmacMd5_96),
        (EspCipher::Aes192, EspAuth::HmacMd5_96),
        (EspCipher::Aes256, EspAuth::HmacMd5_96),
        (EspCipher::Aes256, EspAuth::HmacSha512_256),
        (EspCipher::TripleDes, EspAuth::HmacSha1_96),
        (EspCipher::Null, EspAuth::HmacSha256_128),
    ];

    struct Chance(ChaCha20Rng);

    impl Chance {
        fn below(&mut self, bound: usize) -> usize {
            self.0.next_u32() as usize % bound
        }

        fn octets(&mut self, len: usize) -> Vec<u8> {
            let mut octets = vec![0; len];
            self.0.fill_bytes(&mut octets);
            octets
        }
    }

    /// A packet before sealing, at some distance from the start of its buffer, with octets behind it.
    #[derive(Clone)]
    struct Case {
        sa: usize,
        payload_len: usize,
        from: usize,
        len: usize,
        buffer: Vec<u8>,
    }

    struct Sa {
        suite: Suite,
        /// Expanded for one packet at a time, and for many.
        seal: [SealKey; 2],
        open: [OpenKey; 2],
    }

    impl Sa {
        fn seal(&self, units: Units) -> &SealKey {
            &self.seal[usize::from(units.level() > Level::Portable)]
        }

        fn open(&self, units: Units) -> &OpenKey {
            &self.open[usize::from(units.level() > Level::Portable)]
        }
    }

    fn sas(chance: &mut Chance) -> Vec<Sa> {
        (0..3 * SUITES.len())
            .map(|at| {
                let (cipher, auth) = SUITES[at % SUITES.len()];
                let suite = Suite { cipher, auth };
                let keymat = chance.octets(suite.key_material_len());
                let of = [Units::NONE, Units::up_to(Level::Avx512)];
                Sa {
                    suite,
                    seal: of.map(|units| SealKey::for_units(units, suite, &keymat).unwrap()),
                    open: of.map(|units| OpenKey::for_units(units, suite, &keymat).unwrap()),
                }
            })
            .collect()
    }

    /// Packets of one SA, of one suite, or of all; of one size, of about one, or of every size.
    fn cases(chance: &mut Chance, sas: &[Sa], count: usize, shape: usize) -> Vec<Case> {
        let (first, size) = (chance.below(sas.len()), chance.below(2000));
        (0..count)
            .map(|_| {
                let sa = match shape % 3 {
                    0 => first,
                    1 => first % SUITES.len() + SUITES.len() * chance.below(3),
                    _ => chance.below(sas.len()),
                };
                let payload_len = match shape / 3 % 4 {
                    0 => size,
                    1 => [64, 576, 1400][chance.below(3)],
                    // The lanes of a kernel end one after another.
                    2 => size - chance.below(size / 8 + 1),
                    _ => chance.below(2000),
                };
                let len = sas[sa].suite.padded_len(payload_len);
                let from = chance.below(64);
                let behind = chance.below(64);
                let buffer = chance.octets(from + len + behind);
                Case { sa, payload_len, from, len, buffer }
            })
            .collect()
    }

    fn sealed(units: Units, sas: &[Sa], cases: &[Case]) -> Vec<Case> {
        let mut cases = cases.to_vec();
        let mut batch: Vec<Seal<'_>> = cases
            .iter_mut()
            .map(|case| Seal {
                key: sas[case.sa].seal(units),
                packet: &mut case.buffer[case.from..case.from + case.len],
                payload_len: case.payload_len,
                next_header: case.sa as u8,
            })
            .collect();
        seal_with(units, &mut batch, &mut Ivs::new([6; 32]));
        cases
    }

    fn opened(units: Units, sas: &[Sa], cases: &[Case]) -> Vec<(Case, Result<crate::esp::Opened, OpenError>)> {
        let mut cases = cases.to_vec();
        let mut batch: Vec<Open<'_>> = cases
            .iter_mut()
            .map(|case| Open {
                key: sas[case.sa].open(units),
                packet: &mut case.buffer[case.from..case.from + case.len],
                result: Err(OpenError::NotTried),
            })
            .collect();
        open_with(units, &mut batch);
        let results: Vec<_> = batch.iter().map(|item| item.result).collect();
        cases.into_iter().zip(results).collect()
    }

    /// Seals, spoils some, opens; with every choice of units the buffers are those of the portable way, to the octets
    /// around the packets.
    fn agrees(chance: &mut Chance, sas: &[Sa], count: usize, shape: usize) {
        let clear = cases(chance, sas, count, shape);
        let expected = sealed(Units::NONE, sas, &clear);
        let mut spoilt = expected.clone();
        for case in &mut spoilt {
            match chance.below(8) {
                0 => case.buffer[case.from + case.len - 1 - chance.below(12)] ^= 1 << chance.below(8),
                1 => case.buffer[case.from + chance.below(case.len)] ^= 1 << chance.below(8),
                2 => case.len -= chance.below(case.len),
                _ => {}
            }
        }
        let expected_open = opened(Units::NONE, sas, &spoilt);
        for units in Units::choices() {
            let told = format!("{units}, {count} packets of shape {shape}");
            for (at, (case, expected)) in sealed(units, sas, &clear).iter().zip(&expected).enumerate() {
                assert!(case.buffer == expected.buffer, "{told}: {at} ({})", sas[case.sa].suite);
            }
            for (at, (found, expected)) in opened(units, sas, &spoilt).iter().zip(&expected_open).enumerate() {
                let suite = sas[found.0.sa].suite;
                assert_eq!(found.1, expected.1, "{told}: {at} ({suite})");
                assert!(found.0.buffer == expected.0.buffer, "{told}: {at} ({suite})");
                if found.1 == Err(OpenError::BadIcv) {
                    assert!(found.0.buffer == spoilt[at].buffer, "{told}: {at} ({suite})");
                }
            }
        }
    }

    #[test]
    fn batches_of_every_shape_come_out_the_same_with_every_choice_of_units() {
        let mut chance = Chance(ChaCha20Rng::from_seed([1; 32]));
        let sas = sas(&mut chance);
        for count in 1..=64 {
            agrees(&mut chance, &sas, count, count);
            agrees(&mut chance, &sas, count, count / 9);
        }
        for count in [8, 16, 32, 65, 100, 128, 200] {
            for shape in 6..12 {
                agrees(&mut chance, &sas, count, shape);
            }
        }
    }

    #[test]
    fn payloads_of_every_length_come_out_the_same_with_every_choice_of_units() {
        let mut chance = Chance(ChaCha20Rng::from_seed([2; 32]));
        let sas = sas(&mut chance);
        for (sa, found) in sas.iter().enumerate().take(SUITES.len()) {
            let clear: Vec<Case> = (0..300)
                .map(|payload_len| {
                    let len = found.suite.padded_len(payload_len);
                    Case { sa, payload_len, from: payload_len % 64, len, buffer: chance.octets(payload_len % 64 + len) }
                })
                .collect();
            let expected = sealed(Units::NONE, &sas, &clear);
            for units in Units::choices() {
                for size in [1, 2, 20] {
                    for (clear, expected) in clear.chunks(size).zip(expected.chunks(size)) {
                        // The vectors begin anew with every call, so the control does as well.
                        let (sealed, control) = (sealed(units, &sas, clear), sealed(Units::NONE, &sas, clear));
                        for (case, control) in sealed.iter().zip(&control) {
                            assert!(case.buffer == control.buffer, "{units} {} {}", found.suite, case.payload_len);
                        }
                        for (case, result) in opened(units, &sas, expected) {
                            assert_eq!(result.unwrap().len, case.payload_len, "{units} {}", found.suite);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn one_bad_icv_in_a_full_batch_fails_its_own_packet_only() {
        let mut chance = Chance(ChaCha20Rng::from_seed([3; 32]));
        let sas = sas(&mut chance);
        for units in Units::choices() {
            for shape in [0, 5] {
                let count = 33;
                let clear = cases(&mut chance, &sas, count, shape);
                let good = sealed(units, &sas, &clear);
                for bad in 0..count {
                    let mut spoilt = good.clone();
                    let end = spoilt[bad].from + spoilt[bad].len;
                    spoilt[bad].buffer[end - 1] ^= 0x80;
                    for (at, (case, result)) in opened(units, &sas, &spoilt).into_iter().enumerate() {
                        if at == bad {
                            assert_eq!(result, Err(OpenError::BadIcv), "{units} {bad}");
                        } else {
                            assert_eq!(result.unwrap().len, case.payload_len, "{units} {bad} {at}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn levels_have_names_and_units_tell_theirs() {
        for (name, level) in [("portable", Level::Portable), ("aesni", Level::AesNi), ("avx512", Level::Avx512)] {
            assert_eq!(Level::from_name(name), Some(level));
            assert!(Units::up_to(level).level() <= level);
        }
        assert_eq!(Level::from_name("sse"), None);
        assert_eq!(Units::up_to(Level::Portable).to_string(), "portable");
        let all = Units::up_to(Level::Avx512);
        assert_eq!(all.to_string().contains("AVX-512"), all.avx512.is_some());
        assert_eq!(all.to_string().starts_with("AES-NI"), all.aes.is_some());
    }
}

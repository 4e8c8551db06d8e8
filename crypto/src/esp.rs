//! ESP transforms over batches of packets in place: CBC or CTR with a truncated HMAC, or GCM (RFC 4303).
//!
//! A packet lies in one buffer: SPI, sequence number, initialisation vector, payload, padding, pad length, next header
//! and ICV (RFC 4303 §2). Key schedules and HMAC pads are computed once per SA; nothing is allocated per packet.

mod counter;
mod mac;
mod suite;

use core::fmt;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use zeroize::Zeroize;

use self::counter::{Ctr, Gcm};
use self::mac::Hmac;
pub use self::suite::{EspAuth, EspCipher, Suite};
use crate::cipher::{Decryptor, Encryptor};
use crate::lanes::{self, Level, Pads, Units};
use crate::{CipherError, IkeCipher, equal};

/// The octets of SPI and sequence number.
const HEADER: usize = 8;

/// The octets of pad length and next header.
const TRAILER: usize = 2;

/// How many packets of one length are opened together.
const EVEN: usize = 16;

/// The octets of keystream [`Ivs`] makes at a time.
const REFILL: usize = 4096;

/// A truncated HMAC under one key.
enum Mac {
    Md5(Hmac<mac::Md5, 64>),
    Sha1(Hmac<mac::Sha1, 64>),
    Sha256(Hmac<mac::Sha256, 64>),
    Sha384(Hmac<mac::Sha384, 128>),
    Sha512(Hmac<mac::Sha512, 128>),
}

impl Mac {
    /// Hashes the pads; `None` when the cipher authenticates.
    fn new(auth: EspAuth, key: &[u8]) -> Option<Self> {
        Some(match auth {
            EspAuth::HmacMd5_96 => Self::Md5(Hmac::new(key)),
            EspAuth::HmacSha1_96 => Self::Sha1(Hmac::new(key)),
            EspAuth::HmacSha256_128 | EspAuth::HmacSha256_96 => Self::Sha256(Hmac::new(key)),
            EspAuth::HmacSha384_192 => Self::Sha384(Hmac::new(key)),
            EspAuth::HmacSha512_256 => Self::Sha512(Hmac::new(key)),
            EspAuth::None => return None,
        })
    }

    /// What the kernels need of it; `None` when they do not know the hash.
    fn pads(&self) -> Option<Pads> {
        match self {
            Self::Md5(hmac) => Some(hmac.pads()),
            Self::Sha1(hmac) => Some(hmac.pads()),
            Self::Sha256(hmac) => Some(hmac.pads()),
            Self::Sha384(_) | Self::Sha512(_) => None,
        }
    }

    /// The whole authenticator; an ICV is as many octets of it as the ICV is long.
    fn compute(&self, message: &[u8]) -> [u8; 64] {
        match self {
            Self::Md5(hmac) => hmac.mac(message),
            Self::Sha1(hmac) => hmac.mac(message),
            Self::Sha256(hmac) => hmac.mac(message),
            Self::Sha384(hmac) => hmac.mac(message),
            Self::Sha512(hmac) => hmac.mac(message),
        }
    }
}

/// A cipher under one key; `C` is what CBC needs for the direction.
enum Cipher<C> {
    Null,
    Cbc(C),
    Ctr(Ctr),
    Gcm(Gcm),
}

impl<C> Cipher<C> {
    /// Expands a key with salt, if the cipher has one; `None` when it has not the cipher's length.
    fn new(cipher: EspCipher, key: &[u8], cbc: fn(IkeCipher, &[u8]) -> Result<C, CipherError>) -> Option<Self> {
        match (cipher.block_cipher(), cipher) {
            (Some(cipher), _) => cbc(cipher, key).ok().map(Self::Cbc),
            (None, EspCipher::Null) => Some(Self::Null),
            (None, cipher) if cipher.authenticates() => Gcm::new(key).map(Self::Gcm),
            (None, _) => Ctr::new(key).map(Self::Ctr),
        }
    }
}

/// Cuts KEYMAT into encryption key and authentication key; `None` when it has not the suite's length, or the suite
/// would leave packets without authentication.
///
/// "the encryption key(s) MUST be taken from the first (left-most, high-order) bits and the authentication key(s) MUST
/// be taken from the remaining bits" (RFC 2401 §4.6.2).
fn split(suite: Suite, keymat: &[u8]) -> Option<(&[u8], &[u8])> {
    if !suite.is_sound() || keymat.len() != suite.key_material_len() {
        return None;
    }
    keymat.split_at_checked(suite.cipher.key_len())
}

/// Keys for one packet at a time, of every suite; `C` is what CBC needs for the direction.
///
/// Apart from the SA, whose keys for many packets at once lie where its packets pass.
struct Single<C> {
    cipher: Cipher<C>,
    /// `None` when the cipher authenticates.
    mac: Option<Mac>,
}

/// The expanded keys of an SA in the one form that is used of them: a server holds thousands.
#[allow(clippy::large_enum_variant, reason = "nearly all are in the largest one, and no packet is to go another step")]
enum Form<C> {
    Single(Box<Single<C>>),
    Lanes(lanes::Keys),
}

impl<C> Form<C> {
    /// Expands KEYMAT for these units, with the kernels' own `expand` where they know the suite.
    fn new(
        units: Units,
        suite: Suite,
        keymat: &[u8],
        cbc: fn(IkeCipher, &[u8]) -> Result<C, CipherError>,
        expand: fn(&[u8], Pads) -> Option<lanes::Keys>,
    ) -> Option<Self> {
        let (encryption, authentication) = split(suite, keymat)?;
        let mac = Mac::new(suite.auth, authentication);
        let pads = match suite.cipher {
            _ if units.level() == Level::Portable => None,
            // The kernels' ICV of SHA-256 has 128 bits.
            _ if suite.auth == EspAuth::HmacSha256_96 => None,
            EspCipher::Aes128 | EspCipher::Aes192 | EspCipher::Aes256 => mac.as_ref().and_then(Mac::pads),
            _ => None,
        };
        if let Some(keys) = pads.and_then(|pads| expand(encryption, pads)) {
            return Some(Self::Lanes(keys));
        }
        Some(Self::Single(Box::new(Single { cipher: Cipher::new(suite.cipher, encryption, cbc)?, mac })))
    }

    /// Those for one packet at a time, if they are in use.
    fn single(&self) -> Option<&Single<C>> {
        match self {
            Self::Single(single) => Some(single),
            Self::Lanes(_) => None,
        }
    }

    /// Those for many packets at once, if they are in use.
    fn lanes(&self) -> Option<&lanes::Keys> {
        match self {
            Self::Single(_) => None,
            Self::Lanes(keys) => Some(keys),
        }
    }
}

/// The expanded keys of an outbound SA.
pub struct SealKey {
    suite: Suite,
    form: Form<Encryptor>,
}

impl SealKey {
    /// Expands KEYMAT; `None` when it has not [`Suite::key_material_len`] octets or the suite is not sound.
    #[must_use]
    pub fn new(suite: Suite, keymat: &[u8]) -> Option<Self> {
        Self::for_units(Units::in_use(), suite, keymat)
    }

    /// Expands KEYMAT for [`seal_with`] and these units.
    #[must_use]
    pub fn for_units(units: Units, suite: Suite, keymat: &[u8]) -> Option<Self> {
        let form = Form::new(units, suite, keymat, Encryptor::new, lanes::Keys::sealing)?;
        Some(Self { suite, form })
    }

    /// The transforms the key is for.
    #[must_use]
    pub const fn suite(&self) -> Suite {
        self.suite
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealKey({})", self.suite)
    }
}

/// The expanded keys of an inbound SA.
pub struct OpenKey {
    suite: Suite,
    form: Form<Decryptor>,
}

impl OpenKey {
    /// Expands KEYMAT; `None` when it has not [`Suite::key_material_len`] octets or the suite is not sound.
    #[must_use]
    pub fn new(suite: Suite, keymat: &[u8]) -> Option<Self> {
        Self::for_units(Units::in_use(), suite, keymat)
    }

    /// Expands KEYMAT for [`open_with`] and these units.
    #[must_use]
    pub fn for_units(units: Units, suite: Suite, keymat: &[u8]) -> Option<Self> {
        let form = Form::new(units, suite, keymat, Decryptor::new, lanes::Keys::opening)?;
        Some(Self { suite, form })
    }

    /// The transforms the key is for.
    #[must_use]
    pub const fn suite(&self) -> Suite {
        self.suite
    }
}

impl fmt::Debug for OpenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenKey({})", self.suite)
    }
}

/// Unpredictable initialisation vectors, from a generator of this process: a system call for each would cost more
/// than sealing the packet.
pub struct Ivs {
    generator: ChaCha20Rng,
    keystream: Box<[u8; REFILL]>,
    used: usize,
}

impl Ivs {
    /// Seeds the generator, with octets that nobody can guess.
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Self {
        Self { generator: ChaCha20Rng::from_seed(seed), keystream: Box::new([0; REFILL]), used: REFILL }
    }

    /// Fills `out` with octets that cannot be predicted from those before.
    pub fn fill(&mut self, out: &mut [u8]) {
        if out.len() > REFILL - self.used {
            if out.len() > REFILL {
                self.generator.fill_bytes(out);
                return;
            }
            self.generator.fill_bytes(self.keystream.as_mut_slice());
            self.used = 0;
        }
        let end = self.used + out.len();
        let fresh = self.keystream.get(self.used..end).unwrap_or_default();
        // The vector of AES-CBC is nearly all that is asked for, and copied without a call when its length is known.
        match (out.first_chunk_mut::<16>(), fresh.first_chunk::<16>()) {
            (Some(to), Some(from)) if fresh.len() == 16 => *to = *from,
            _ => out.iter_mut().zip(fresh).for_each(|(to, from)| *to = *from),
        }
        self.used = end;
    }
}

impl fmt::Debug for Ivs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ivs(..)")
    }
}

/// One packet to seal in place.
///
/// The packet is [`Suite::padded_len`] octets long. SPI and sequence number are written already, and the payload lies
/// at [`Suite::payload_offset`]; the rest is space.
#[derive(Debug)]
pub struct Seal<'a> {
    /// The keys of the SA.
    pub key: &'a SealKey,
    /// The packet from SPI to ICV.
    pub packet: &'a mut [u8],
    /// The octets of payload.
    pub payload_len: usize,
    /// The protocol of the payload.
    pub next_header: u8,
}

impl Seal<'_> {
    /// Whether the packet has the length its payload asks for; the first comparison keeps the sum from overflowing.
    const fn fits(&self) -> bool {
        self.payload_len <= self.packet.len() && self.packet.len() == self.key.suite.padded_len(self.payload_len)
    }
}

/// Seals every packet of a batch: padding, initialisation vector, encryption, then the ICV.
///
/// A packet whose length does not fit its payload is a fault of the caller; it is wiped, SPI and all, so that nothing
/// leaves in the clear.
pub fn seal(batch: &mut [Seal<'_>], ivs: &mut Ivs) {
    seal_with(Units::in_use(), batch, ivs);
}

/// Seals every packet of a batch with the units given, which the keys were expanded for: the same octets as [`seal`].
pub fn seal_with(units: Units, batch: &mut [Seal<'_>], ivs: &mut Ivs) {
    match batch.len() {
        0 | 1 => seal_some::<1>(units, batch, ivs),
        2..=8 => seal_some::<8>(units, batch, ivs),
        _ => seal_some::<{ lanes::BATCH }>(units, batch, ivs),
    }
}

/// Seals a batch, `N` packets at a time where kernels can.
fn seal_some<const N: usize>(units: Units, batch: &mut [Seal<'_>], ivs: &mut Ivs) {
    let many = units.level() > Level::Portable;
    let mut sealing = lanes::Sealing::<N>::new(units);
    for item in batch {
        if prepare(item, ivs).is_none() {
            item.packet.zeroize();
            continue;
        }
        match item.key.form.lanes() {
            Some(keys) if many => sealing.push(keys, item.packet),
            _ => {
                if encrypt(item).is_none() {
                    item.packet.zeroize();
                }
            }
        }
    }
    sealing.seal();
}

/// Writes padding, trailer and initialisation vector; `None` when the lengths do not fit.
fn prepare(item: &mut Seal<'_>, ivs: &mut Ivs) -> Option<()> {
    if !item.fits() {
        return None;
    }
    let suite = item.key.suite;
    let (message, _) = cut_icv(item.packet, suite)?;
    let (header, rest) = message.split_first_chunk_mut::<HEADER>()?;
    let [.., a, b, c, d] = *header;
    let sequence = [a, b, c, d];
    let (iv, inner) = rest.split_at_mut_checked(suite.cipher.iv_len())?;
    let (padding, [pad_length, next_header]) = inner.get_mut(item.payload_len..)?.split_last_chunk_mut()?;
    let mut octets = 0;
    for pad in padding {
        octets += 1;
        *pad = octets;
    }
    *pad_length = octets;
    *next_header = item.next_header;
    match &item.key.form {
        Form::Lanes(_) => ivs.fill(iv),
        Form::Single(single) => match single.cipher {
            Cipher::Null => {}
            Cipher::Cbc(_) => ivs.fill(iv),
            Cipher::Ctr(_) | Cipher::Gcm(_) => counter::write_iv(iv, sequence, ivs)?,
        },
    }
    Some(())
}

/// Encrypts a packet and writes its ICV; `None` when the lengths do not fit.
fn encrypt(item: &mut Seal<'_>) -> Option<()> {
    let suite = item.key.suite;
    let single = item.key.form.single()?;
    if let Cipher::Gcm(gcm) = &single.cipher {
        return gcm.seal(item.packet);
    }
    let (message, icv) = cut_icv(item.packet, suite)?;
    let (iv, inner) = message.get_mut(HEADER..)?.split_at_mut_checked(suite.cipher.iv_len())?;
    match &single.cipher {
        Cipher::Cbc(cbc) => cbc.encrypt(iv, inner).ok()?,
        Cipher::Ctr(ctr) => ctr.apply(iv, inner)?,
        Cipher::Null | Cipher::Gcm(_) => {}
    }
    let authenticator = single.mac.as_ref()?.compute(message);
    icv.iter_mut().zip(authenticator).for_each(|(to, from)| *to = from);
    Some(())
}

/// One packet to open in place.
#[derive(Debug)]
pub struct Open<'a> {
    /// The keys of the SA.
    pub key: &'a OpenKey,
    /// The packet from SPI to ICV; after opening, its payload lies there in the clear.
    pub packet: &'a mut [u8],
    /// What came of it; `Err(OpenError::NotTried)` until [`open`].
    pub result: Result<Opened, OpenError>,
}

/// Where the payload of an opened packet lies.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub struct Opened {
    /// Its first octet, counted from the SPI.
    pub start: usize,
    /// Its length, in octets.
    pub len: usize,
    /// Its protocol.
    pub next_header: u8,
}

/// Why a packet was not opened.
#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Debug)]
pub enum OpenError {
    /// [`open`] has not seen it.
    NotTried,
    /// It has no room for header, initialisation vector, one block and ICV.
    TooShort,
    /// What is encrypted is not whole blocks.
    BadLength,
    /// It was not made with this key, or was changed on its way.
    BadIcv,
    /// Its padding is not 1, 2, 3 and so on, or longer than the packet (RFC 4303 §2.4).
    BadPadding,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotTried => "the packet has not been opened",
            Self::TooShort => "the packet is too short for its SA",
            Self::BadLength => "the encrypted part is not whole blocks",
            Self::BadIcv => "the packet is not authentic",
            Self::BadPadding => "the padding is not as ESP prescribes",
        })
    }
}

impl core::error::Error for OpenError {}

/// Opens every packet of a batch: all ICVs first, in constant time, then decryption of what is authentic.
///
/// A packet that is not authentic stays as it was, but with a cipher that authenticates its inside is wiped.
pub fn open(batch: &mut [Open<'_>]) {
    open_with(Units::in_use(), batch);
}

/// Opens every packet of a batch with the units given, which the keys were expanded for: the same octets and results as
/// [`open`].
pub fn open_with(units: Units, batch: &mut [Open<'_>]) {
    match batch.len() {
        0 | 1 => open_some::<1>(units, batch),
        2..=8 => open_some::<8>(units, batch),
        _ => open_some::<{ lanes::BATCH }>(units, batch),
    }
}

/// Opens a batch, `N` packets at a time where kernels can.
fn open_some<const N: usize>(units: Units, batch: &mut [Open<'_>]) {
    let many = units.level() > Level::Portable;
    // Packets of one length fill the lanes by themselves, and a few are still near when they are decrypted.
    let even = batch.iter().zip(batch.iter().skip(1)).all(|(a, b)| a.packet.len() == b.packet.len());
    for batch in batch.chunks_mut(if even { N.min(EVEN) } else { N }) {
        let mut authenticators = lanes::Authenticators::<N>::new();
        for (slot, item) in batch.iter_mut().enumerate() {
            item.result = measure(item);
            if let (Ok(_), Some(keys), true) = (item.result, item.key.form.lanes(), many) {
                let covered = item.packet.len() - item.key.suite.icv_len();
                authenticators.push(slot, keys, item.packet.get(..covered).unwrap_or_default());
            }
        }
        let authenticators = authenticators.compute(units);
        for (item, expected) in batch.iter_mut().zip(&authenticators) {
            let keys = item.key.form.lanes().filter(|_| many);
            if item.result.is_ok() && !authentic(item, keys.map(|_| expected)) {
                item.result = Err(OpenError::BadIcv);
            }
            if item.result.is_ok() {
                item.result = decrypt(item, units, keys);
            }
        }
    }
}

/// Checks lengths; the result is that of a packet whose inside has not been read.
fn measure(item: &mut Open<'_>) -> Result<Opened, OpenError> {
    let suite = item.key.suite;
    let start = suite.payload_offset();
    let block = suite.cipher.block_len();
    let (message, _) = cut_icv(item.packet, suite).ok_or(OpenError::TooShort)?;
    let len = message.len().checked_sub(start).filter(|len| *len >= block).ok_or(OpenError::TooShort)?;
    if len % block != 0 {
        return Err(OpenError::BadLength);
    }
    Ok(Opened { start, len, next_header: 0 })
}

/// Whether a packet's ICV is its authenticator, which is computed unless it is at hand.
///
/// A cipher that authenticates finds out while it decrypts.
fn authentic(item: &mut Open<'_>, authenticator: Option<&[u8; 32]>) -> bool {
    let Some((message, icv)) = cut_icv(item.packet, item.key.suite) else {
        return false;
    };
    match authenticator {
        Some(expected) => expected.get(..icv.len()).is_some_and(|expected| equal(expected, icv)),
        None => item.key.form.single().is_some_and(|single| {
            single.mac.as_ref().is_none_or(|mac| {
                let expected = mac.compute(message);
                expected.get(..icv.len()).is_some_and(|expected| equal(expected, icv))
            })
        }),
    }
}

/// Decrypts an authentic packet, or finds with a cipher that authenticates that it is not, and reads its trailer.
fn decrypt(item: &mut Open<'_>, units: Units, keys: Option<&lanes::Keys>) -> Result<Opened, OpenError> {
    let suite = item.key.suite;
    let start = suite.payload_offset();
    let single = item.key.form.single();
    if let Some(Single { cipher: Cipher::Gcm(gcm), .. }) = single {
        gcm.open(item.packet).ok_or(OpenError::BadIcv)?;
    }
    let (message, _) = cut_icv(item.packet, suite).ok_or(OpenError::TooShort)?;
    if let Some(keys) = keys
        && !keys.decrypt(units, message)
    {
        return Err(OpenError::BadLength);
    }
    let (iv, inner) = message
        .get_mut(HEADER..)
        .and_then(|rest| rest.split_at_mut_checked(suite.cipher.iv_len()))
        .ok_or(OpenError::TooShort)?;
    match single.map(|single| &single.cipher) {
        Some(Cipher::Cbc(cbc)) => cbc.decrypt(iv, inner).map_err(|_| OpenError::BadLength)?,
        Some(Cipher::Ctr(ctr)) => ctr.apply(iv, inner).ok_or(OpenError::TooShort)?,
        Some(Cipher::Null | Cipher::Gcm(_)) | None => {}
    }
    let (rest, [pad_length, next_header]) = inner.split_last_chunk::<TRAILER>().ok_or(OpenError::TooShort)?;
    let len = rest.len().checked_sub(usize::from(*pad_length)).ok_or(OpenError::BadPadding)?;
    let padding = rest.get(len..).ok_or(OpenError::BadPadding)?;
    if !padding.iter().zip(1..=u8::MAX).all(|(pad, count)| *pad == count) {
        return Err(OpenError::BadPadding);
    }
    Ok(Opened { start, len, next_header: *next_header })
}

/// Cuts a packet into what the ICV covers and the ICV.
fn cut_icv(packet: &mut [u8], suite: Suite) -> Option<(&mut [u8], &mut [u8])> {
    let covered = packet.len().checked_sub(suite.icv_len())?;
    packet.split_at_mut_checked(covered)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use aes::cipher::{BlockCipherEncrypt, KeyInit};

    use super::*;
    use crate::Hash;
    use crate::testing::hex;

    const CIPHERS: [EspCipher; 8] = [
        EspCipher::Null,
        EspCipher::TripleDes,
        EspCipher::Aes128,
        EspCipher::Aes192,
        EspCipher::Aes256,
        EspCipher::Aes128Ctr,
        EspCipher::Aes192Ctr,
        EspCipher::Aes256Ctr,
    ];
    const GCM: [EspCipher; 3] = [EspCipher::Aes128Gcm, EspCipher::Aes192Gcm, EspCipher::Aes256Gcm];
    const AUTHS: [EspAuth; 6] = [
        EspAuth::HmacMd5_96,
        EspAuth::HmacSha1_96,
        EspAuth::HmacSha256_128,
        EspAuth::HmacSha256_96,
        EspAuth::HmacSha384_192,
        EspAuth::HmacSha512_256,
    ];
    const USUAL: Suite = Suite { cipher: EspCipher::Aes128, auth: EspAuth::HmacSha1_96 };

    fn suites() -> impl Iterator<Item = Suite> {
        let gcm = GCM.map(|cipher| Suite { cipher, auth: EspAuth::None });
        CIPHERS.into_iter().flat_map(|cipher| AUTHS.map(|auth| Suite { cipher, auth })).chain(gcm)
    }

    fn keymat(suite: Suite) -> Vec<u8> {
        (1..).take(suite.key_material_len()).collect()
    }

    fn payload(len: usize) -> Vec<u8> {
        (0..=250).cycle().take(len).collect()
    }

    /// A generator whose next vector is known.
    fn known_iv(iv: &[u8]) -> Ivs {
        let mut ivs = Ivs::new([0; 32]);
        ivs.keystream[..iv.len()].copy_from_slice(iv);
        ivs.used = 0;
        ivs
    }

    /// A packet ready to seal: SPI 0x0123abcd, sequence number 7.
    fn unsealed(suite: Suite, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0xee; suite.padded_len(payload.len())];
        packet[..8].copy_from_slice(&[0x01, 0x23, 0xab, 0xcd, 0, 0, 0, 7]);
        packet[suite.payload_offset()..][..payload.len()].copy_from_slice(payload);
        packet
    }

    fn sealed(suite: Suite, keymat: &[u8], payload: &[u8], ivs: &mut Ivs) -> Vec<u8> {
        let key = SealKey::new(suite, keymat).unwrap();
        let mut packet = unsealed(suite, payload);
        seal(&mut [Seal { key: &key, packet: &mut packet, payload_len: payload.len(), next_header: 17 }], ivs);
        packet
    }

    fn opened(key: &OpenKey, packet: &mut [u8]) -> Result<Opened, OpenError> {
        let mut batch = [Open { key, packet, result: Err(OpenError::NotTried) }];
        open(&mut batch);
        batch[0].result
    }

    /// One block by a cipher that works on single blocks.
    fn block_by_hand(cipher: EspCipher, key: &[u8], block: &[u8]) -> Vec<u8> {
        if cipher == EspCipher::TripleDes {
            // E(k3, D(k2, E(k1, x))) with single DES.
            use des::cipher::BlockCipherDecrypt;
            let des = |at: usize| des::Des::new_from_slice(&key[8 * at..][..8]).unwrap();
            let mut x = block.try_into().unwrap();
            des(0).encrypt_block(&mut x);
            des(1).decrypt_block(&mut x);
            des(2).encrypt_block(&mut x);
            return x.to_vec();
        }
        let mut x = block.try_into().unwrap();
        match key.len() {
            16 => aes::Aes128::new_from_slice(key).unwrap().encrypt_block(&mut x),
            24 => aes::Aes192::new_from_slice(key).unwrap().encrypt_block(&mut x),
            _ => aes::Aes256::new_from_slice(key).unwrap().encrypt_block(&mut x),
        }
        x.to_vec()
    }

    fn exclusive_or(a: &[u8], b: &[u8]) -> Vec<u8> {
        a.iter().zip(b).map(|(a, b)| a ^ b).collect()
    }

    /// The encrypted part from the definitions of CBC and counter mode and single blocks.
    fn encrypted_by_hand(cipher: EspCipher, key: &[u8], iv: &[u8], clear: &[u8]) -> Vec<u8> {
        if cipher == EspCipher::Null {
            return clear.to_vec();
        }
        if cipher.block_cipher().is_none() {
            let (key, salt) = key.split_at(key.len() - 4);
            // GCM takes the first count for the ICV.
            let first = if cipher.authenticates() { 2u32 } else { 1 };
            return clear
                .chunks(16)
                .zip(first..)
                .flat_map(|(clear, count)| {
                    let counter = [salt, iv, &count.to_be_bytes()].concat();
                    exclusive_or(clear, &block_by_hand(cipher, key, &counter))
                })
                .collect();
        }
        let mut before = iv.to_vec();
        let mut out = Vec::new();
        for clear in clear.chunks(iv.len()) {
            before = block_by_hand(cipher, key, &exclusive_or(clear, &before));
            out.extend_from_slice(&before);
        }
        out
    }

    /// The ICV of GCM from its definition: multiplication bit by bit, the polynomial's highest coefficient last.
    fn tag_by_hand(cipher: EspCipher, key: &[u8], iv: &[u8], header: &[u8], sealed: &[u8]) -> Vec<u8> {
        let (key, salt) = key.split_at(key.len() - 4);
        let number = |octets: &[u8]| {
            let mut padded = [0; 16];
            padded[..octets.len()].copy_from_slice(octets);
            u128::from_be_bytes(padded)
        };
        let times = |x: u128, mut y: u128| {
            let mut product = 0;
            for bit in (0..128).rev() {
                if x >> bit & 1 == 1 {
                    product ^= y;
                }
                y = y >> 1 ^ if y & 1 == 1 { 0xe1 << 120 } else { 0 };
            }
            product
        };
        let h = number(&block_by_hand(cipher, key, &[0; 16]));
        let lengths = (header.len() as u128 * 8) << 64 | (sealed.len() as u128 * 8);
        let blocks = header.chunks(16).chain(sealed.chunks(16)).map(number).chain([lengths]);
        let hash = blocks.fold(0, |hash, block| times(hash ^ block, h));
        let counter = [salt, iv, &[0, 0, 0, 1]].concat();
        exclusive_or(&hash.to_be_bytes(), &block_by_hand(cipher, key, &counter))
    }

    fn sealed_by_hand(suite: Suite, keymat: &[u8], iv: &[u8], payload: &[u8]) -> Vec<u8> {
        let (encryption, authentication) = keymat.split_at(suite.cipher.key_len());
        let mut inner = payload.to_vec();
        let mut pads = 0;
        let block = if suite.cipher.block_cipher().is_some() { iv.len() } else { 4 };
        while !(inner.len() + 2).is_multiple_of(block) {
            pads += 1;
            inner.push(pads);
        }
        inner.extend([pads, 17]);
        let mut packet = vec![0x01, 0x23, 0xab, 0xcd, 0, 0, 0, 7];
        packet.extend_from_slice(iv);
        packet.extend(encrypted_by_hand(suite.cipher, encryption, iv, &inner));
        let (hash, icv_len) = match suite.auth {
            EspAuth::HmacMd5_96 => (Hash::Md5, 12),
            EspAuth::HmacSha1_96 => (Hash::Sha1, 12),
            EspAuth::HmacSha256_128 => (Hash::Sha256, 16),
            EspAuth::HmacSha256_96 => (Hash::Sha256, 12),
            EspAuth::HmacSha384_192 => (Hash::Sha384, 24),
            EspAuth::HmacSha512_256 => (Hash::Sha512, 32),
            EspAuth::None => {
                let (header, sealed) = (&packet[..8], &packet[16..]);
                let tag = tag_by_hand(suite.cipher, encryption, iv, header, sealed);
                packet.extend_from_slice(&tag);
                return packet;
            }
        };
        let mac = hash.mac(authentication, &[&packet]);
        packet.extend_from_slice(&mac[..icv_len]);
        packet
    }

    #[test]
    fn every_suite_seals_what_independent_primitives_build() {
        for suite in suites() {
            let keymat = keymat(suite);
            let mut iv: Vec<u8> = (0xf0..=0xff).take(suite.cipher.iv_len()).collect();
            if iv.len() == 8 && suite.cipher != EspCipher::TripleDes {
                iv[4..].copy_from_slice(&[0, 0, 0, 7]);
            }
            for len in [0, 1, 2, 5, 6, 13, 14, 15, 16, 37, 40, 100, 111, 112, 113, 576, 1424] {
                let packet = sealed(suite, &keymat, &payload(len), &mut known_iv(&iv));
                assert_eq!(packet, sealed_by_hand(suite, &keymat, &iv, &payload(len)), "{suite} {len}");
            }
        }
    }

    /// The packets were made with the `enc` command of OpenSSL 3.0 and the `hmac` module of Python.
    #[test]
    fn packets_are_those_of_another_implementation() {
        for (cipher, auth, expected) in [
            (
                EspCipher::TripleDes,
                EspAuth::HmacMd5_96,
                "0123abcd00000007f0f1f2f3f4f5f6f722cece17fc1ce856375f86b224cd44213621fb3285a6be3bc276fa4c92b6460f
                 0ebfd6e35cd9873a2469ffb8d2c5846ca7eb5c07",
            ),
            (
                EspCipher::Aes128,
                EspAuth::HmacSha1_96,
                "0123abcd00000007f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff94716fe0a363031bb6b0bbfec46333139d94560e4f3fc5bb
                 04ed9d8cc6c43874cf2dec5a051662de80240eb859aaab77d6f490b3ef942325c0599039",
            ),
            (
                EspCipher::Aes192,
                EspAuth::HmacSha384_192,
                "0123abcd00000007f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff32f7f1c175814f23c5537b97d59cefbb7ab749e0677b7f21
                 f909d88e49792f3a0b75b6f7e614b52a04a6cea6d0aa6f9ec6f964d8f35401a8e726dd88f803e8a5d376723f0bdd21e6",
            ),
            (
                EspCipher::Aes256,
                EspAuth::HmacSha256_128,
                "0123abcd00000007f0f1f2f3f4f5f6f7f8f9fafbfcfdfeffe56a84a8b9a7dd415f68f2b2d58b05e6e75454ac8eebf929
                 6e0496fdafe5af495811627d183d8c758f7eee761e5b2bd7af60019c561cfabaadce192a0ffed96d",
            ),
            (
                EspCipher::Null,
                EspAuth::HmacSha512_256,
                "0123abcd000000077468697274792d736576656e206f6374657473206f6620706c61696e207061796c6f616421010111
                 d079b722f7e3efd311536bea7cba71f224d23ea4d44819e3ff8f6efa5d4c7221",
            ),
        ] {
            let suite = Suite { cipher, auth };
            let iv: Vec<u8> = (0xf0..=0xff).take(cipher.iv_len()).collect();
            let text = b"thirty-seven octets of plain payload!";
            let mut packet = sealed(suite, &keymat(suite), text, &mut known_iv(&iv));
            assert_eq!(packet, hex(expected), "{suite}");
            let start = suite.payload_offset();
            let key = OpenKey::new(suite, &keymat(suite)).unwrap();
            assert_eq!(opened(&key, &mut packet), Ok(Opened { start, len: 37, next_header: 17 }));
            assert_eq!(packet[start..start + 37], *text);
        }
    }

    /// RFC 3602 §4, cases 5 to 8; the RFC gives no ICV.
    #[test]
    fn the_sample_packets_of_rfc_3602_are_sealed_and_opened() {
        let ping = "08090a0b 0c0d0e0f 10111213 14151617 18191a1b 1c1d1e1f 20212223 24252627 28292a2b 2c2d2e2f
                    30313233 34353637";
        for (key, head, iv, clear, next_header, encrypted) in [
            (
                "90d382b4 10eeba7a d938c46c ec1a82bf",
                "00004321 00000001",
                "e96e8c08 ab465763 fd098d45 dd3ff893",
                format!("08000ebd a70a0000 8e9c083d b95b0700 {ping}"),
                1,
                "f663c25d 325c18c6 a9453e19 4e120849 a4870b66 cc6b9965 330013b4 898dc856
                 a4699e52 3a55db08 0b59ec3a 8e4b7e52 775b07d1 db34ed9c 538ab50c 551b874a
                 a269add0 47ad2d59 13ac19b7 cfbad4a6",
            ),
            (
                "90d382b4 10eeba7a d938c46c ec1a82bf",
                "00004321 00000008",
                "69d08df7 d203329d b093fc49 24e5bd80",
                "0800b5e8 a80a0500 a69c083d 0b660e00 77777777 77777777 77777777".to_owned(),
                1,
                "f5199588 1ec4e0c4 488987ce 742e8109 689bb379 d2d750c0 d915dca3 46a89f75",
            ),
            (
                "01234567 89abcdef 01234567 89abcdef",
                "00008765 00000002",
                "f4e76524 4f6407ad f13dc138 0f673f37",
                format!("45000054 09040000 4001f988 c0a87b03 c0a87bc8 08009f76 a90a0100 b49c083d 02a20400 {ping}"),
                4,
                "773b5241 a4c44922 5e4f3ce5 ed611b0c 237ca96c f74a9301 3c1b0ea1 a0cf70f8
                 e4ecaec7 8ac53aad 7a0f022b 859243c6 47752e94 a859352b 8a4d4d2d ecd136e5
                 c177f132 ad3fbfb2 201ac990 4c74ee0a 109e0ca1 e4dfe9d5 a100b842 f1c22f0d",
            ),
            (
                "01234567 89abcdef 01234567 89abcdef",
                "00008765 00000005",
                "85d47224 b5f3dd5d 2101d4ea 8dffab22",
                "45000044 090c0000 4001f990 c0a87b03 c0a87bc8 0800d63c aa0a0200 c69c083d a3de0300
                 ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff"
                    .to_owned(),
                4,
                "15b92683 819596a8 047232cc 00f7048f e45318e1 1f8a0f62 ede3c3fc 61203bb5
                 0f980a08 c9843fd3 a1b06d5c 07ff9639 b7eb7dfb 3512e5de 435e7207 ed971ef3
                 d2726d9b 5ef6affc 6d17a0de cbb13892",
            ),
        ] {
            let keymat = [hex(key), vec![5; 20]].concat();
            let clear = hex(&clear);
            let mut expected = [hex(head), hex(iv), hex(encrypted)].concat();
            let icv = Hash::Sha1.mac(&[5; 20], &[&expected]);
            expected.extend_from_slice(&icv[..12]);
            let mut packet = [hex(head), vec![0; 16], clear.clone()].concat();
            packet.resize(USUAL.padded_len(clear.len()), 0);
            let key = SealKey::new(USUAL, &keymat).unwrap();
            seal(
                &mut [Seal { key: &key, packet: &mut packet, payload_len: clear.len(), next_header }],
                &mut known_iv(&hex(iv)),
            );
            assert_eq!(packet, expected);
            let key = OpenKey::new(USUAL, &keymat).unwrap();
            let found = opened(&key, &mut packet).unwrap();
            assert_eq!(found, Opened { start: 24, len: clear.len(), next_header });
            assert_eq!(packet[24..24 + clear.len()], clear);
        }
    }

    /// RFC 2202 and RFC 4868 §2.7.2, through the precomputed pads.
    #[test]
    fn the_precomputed_authenticators_are_those_of_their_rfcs() {
        let count: Vec<u8> = (1..=32).collect();
        let count_384 = hex("0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20
                             0a0b0c0d0e0f10111213141516171819");
        let jefe = b"what do ya want for nothing?";
        let cases: [(EspAuth, &[u8], &[u8], &str); 13] = [
            (EspAuth::HmacMd5_96, &[0x0b; 16], b"Hi There", "9294727a3638bb1c13f48ef8158bfc9d"),
            (EspAuth::HmacMd5_96, &[0xaa; 16], &[0xdd; 50], "56be34521d144c88dbb8c733f0e8b3f6"),
            (EspAuth::HmacMd5_96, &[0x0c; 16], b"Test With Truncation", "56461ef2342edc00f9bab995"),
            (EspAuth::HmacSha1_96, &[0x0b; 20], b"Hi There", "b617318655057264e28bc0b6fb378c8ef146be00"),
            (EspAuth::HmacSha1_96, &[0xaa; 20], &[0xdd; 50], "125d7342b9ac11cd91a39af48aa17b4f63f175d3"),
            (EspAuth::HmacSha1_96, &[0x0c; 20], b"Test With Truncation", "4c1a03424b55e07fe7f27be1"),
            (EspAuth::HmacSha256_128, &[0x0b; 32], b"Hi There", "198a607eb44bfbc69903a0f1cf2bbdc5"),
            (EspAuth::HmacSha256_128, b"JefeJefeJefeJefeJefeJefeJefeJefe", jefe, "167f928588c5cc2eef8e3093caa0e87c"),
            (EspAuth::HmacSha256_128, &count, &[0xcd; 50], "372efcf9b40b35c2115b1346903d2ef4"),
            (EspAuth::HmacSha384_192, &[0x0b; 48], b"Hi There", "b6a8d5636f5c6a7224f9977dcf7ee6c7fb6d0c48cbdee973"),
            (EspAuth::HmacSha384_192, &count_384, &[0xcd; 50], "5b540085c6e6358096532b2493609ed1cb298f774f87bb5c"),
            (
                EspAuth::HmacSha512_256,
                &[0x0b; 64],
                b"Hi There",
                "637edc6e01dce7e6742a99451aae82df23da3e92439e590e43e761b33e910fb8",
            ),
            (
                EspAuth::HmacSha512_256,
                &[0xaa; 64],
                &[0xdd; 50],
                "2ee7acd783624ca9398710f3ee05ae41b9f9b0510c87e49e586cc9bf961733d8",
            ),
        ];
        for (auth, key, data, expected) in cases {
            let expected = hex(expected);
            assert_eq!(Mac::new(auth, key).unwrap().compute(data)[..expected.len()], expected, "{auth:?}");
        }
    }

    #[test]
    fn precomputed_authenticators_agree_for_every_length_around_a_block() {
        let hashes = [Hash::Md5, Hash::Sha1, Hash::Sha256, Hash::Sha256, Hash::Sha384, Hash::Sha512];
        for (auth, hash) in AUTHS.into_iter().zip(hashes) {
            let key = payload(auth.key_len());
            let mac = Mac::new(auth, &key).unwrap();
            for len in 0..400 {
                let expected = hash.mac(&key, &[&payload(len)]);
                assert_eq!(mac.compute(&payload(len))[..expected.len()], expected, "{auth:?} {len}");
            }
        }
    }

    fn comes_back(suite: Suite, lens: impl Iterator<Item = usize>) {
        let (seal_key, open_key) =
            (SealKey::new(suite, &keymat(suite)).unwrap(), OpenKey::new(suite, &keymat(suite)).unwrap());
        let mut ivs = Ivs::new([7; 32]);
        for len in lens {
            let payload = payload(len);
            let mut packet = unsealed(suite, &payload);
            let item = Seal { key: &seal_key, packet: &mut packet, payload_len: len, next_header: 17 };
            seal(&mut [item], &mut ivs);
            let start = suite.payload_offset();
            assert_eq!(opened(&open_key, &mut packet), Ok(Opened { start, len, next_header: 17 }), "{suite} {len}");
            assert_eq!(packet[start..start + len], payload, "{suite} {len}");
        }
    }

    #[test]
    fn the_keys_of_an_sa_are_held_in_one_form() {
        let most = size_of::<lanes::Keys>() + 32;
        assert!(size_of::<SealKey>() <= most && size_of::<OpenKey>() <= most);
        for units in [Units::up_to(Level::Portable), Units::in_use()] {
            let key = SealKey::for_units(units, USUAL, &keymat(USUAL)).unwrap();
            assert_ne!(key.form.single().is_some(), key.form.lanes().is_some());
            assert_eq!(key.form.lanes().is_some(), units.level() > Level::Portable);
        }
    }

    #[test]
    fn payloads_of_every_length_come_back_with_the_usual_suite() {
        comes_back(USUAL, 0..=1500);
    }

    #[test]
    fn payloads_come_back_with_every_suite() {
        for suite in suites() {
            comes_back(suite, (0..70).chain((70..1500).step_by(97)));
        }
    }

    #[test]
    fn a_batch_may_mix_suites_keys_and_lengths() {
        let keys: Vec<(SealKey, OpenKey)> = suites()
            .map(|suite| (SealKey::new(suite, &keymat(suite)).unwrap(), OpenKey::new(suite, &keymat(suite)).unwrap()))
            .collect();
        let mut packets: Vec<Vec<u8>> =
            keys.iter().enumerate().map(|(at, (key, _))| unsealed(key.suite(), &payload(at * 31))).collect();
        let mut batch: Vec<Seal<'_>> = keys
            .iter()
            .zip(&mut packets)
            .enumerate()
            .map(|(at, ((key, _), packet))| Seal { key, packet, payload_len: at * 31, next_header: at as u8 })
            .collect();
        seal(&mut batch, &mut Ivs::new([1; 32]));
        packets[3][9] ^= 1;
        let mut batch: Vec<Open<'_>> = keys
            .iter()
            .zip(&mut packets)
            .map(|((_, key), packet)| Open { key, packet, result: Err(OpenError::NotTried) })
            .collect();
        open(&mut batch);
        for (at, item) in batch.iter().enumerate() {
            if at == 3 {
                assert_eq!(item.result, Err(OpenError::BadIcv));
                continue;
            }
            let found = item.result.unwrap();
            assert_eq!((found.len, found.next_header), (at * 31, at as u8));
            assert_eq!(item.packet[found.start..found.start + found.len], payload(at * 31));
        }
    }

    #[test]
    fn a_change_of_any_octet_is_noticed_and_nothing_is_decrypted() {
        for suite in suites() {
            let key = OpenKey::new(suite, &keymat(suite)).unwrap();
            let packet = sealed(suite, &keymat(suite), &payload(60), &mut Ivs::new([2; 32]));
            for at in 0..packet.len() {
                let mut changed = packet.clone();
                changed[at] ^= 1 << (at % 8);
                let mut before = changed.clone();
                if suite.cipher.authenticates() {
                    before[16..].fill(0);
                }
                assert_eq!(opened(&key, &mut changed), Err(OpenError::BadIcv), "{suite} {at}");
                assert_eq!(changed, before);
            }
            let mut other = keymat(suite);
            *other.last_mut().unwrap() ^= 1;
            let key = OpenKey::new(suite, &other).unwrap();
            assert_eq!(opened(&key, &mut packet.clone()), Err(OpenError::BadIcv));
        }
    }

    #[test]
    fn packets_cut_or_lengthened_are_refused_whatever_their_length() {
        for suite in suites() {
            let key = OpenKey::new(suite, &keymat(suite)).unwrap();
            let packet = sealed(suite, &keymat(suite), &payload(40), &mut Ivs::new([3; 32]));
            for len in 0..packet.len() + 40 {
                let mut changed = packet.clone();
                changed.resize(len, 0);
                let inner = len.checked_sub(suite.payload_offset() + suite.icv_len());
                let expected = match inner {
                    Some(inner) if inner >= suite.cipher.block_len() => {
                        if inner % suite.cipher.block_len() != 0 {
                            Err(OpenError::BadLength)
                        } else if len == packet.len() {
                            Ok(Opened { start: suite.payload_offset(), len: 40, next_header: 17 })
                        } else {
                            Err(OpenError::BadIcv)
                        }
                    }
                    _ => Err(OpenError::TooShort),
                };
                assert_eq!(opened(&key, &mut changed), expected, "{suite} {len}");
            }
        }
    }

    /// Makes an authentic packet whose part to encrypt is given whole.
    fn with_inner(suite: Suite, inner: &[u8]) -> Vec<u8> {
        let keymat = keymat(suite);
        let (encryption, authentication) = keymat.split_at(suite.cipher.key_len());
        let iv = vec![9; suite.cipher.iv_len()];
        let mut packet = vec![1; 8];
        packet.extend_from_slice(&iv);
        packet.extend(encrypted_by_hand(suite.cipher, encryption, &iv, inner));
        let hash = if suite.auth == EspAuth::HmacSha1_96 { Hash::Sha1 } else { Hash::Md5 };
        let icv = hash.mac(authentication, &[&packet]);
        packet.extend_from_slice(&icv[..12]);
        packet
    }

    #[test]
    fn padding_that_is_not_one_two_three_is_refused() {
        let null = Suite { cipher: EspCipher::Null, auth: EspAuth::HmacMd5_96 };
        for suite in [USUAL, null] {
            let key = OpenKey::new(suite, &keymat(suite)).unwrap();
            let check = |inner: [u8; 16]| opened(&key, &mut with_inner(suite, &inner)).map(|found| found.len);
            assert_eq!(check([8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 0, 4]), Ok(14));
            assert_eq!(check([8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 1, 2, 3, 3, 4]), Ok(11));
            // The whole of it is padding: a dummy packet has next header 59.
            assert_eq!(check([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 14, 59]), Ok(0));
            for bad in [
                [8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 0, 0, 0, 3, 4],
                [8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 1, 2, 4, 3, 4],
                [8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 0, 1, 2, 3, 4],
                [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 4],
                [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 4],
                [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255, 4],
            ] {
                assert_eq!(check(bad), Err(OpenError::BadPadding), "{bad:?}");
            }
        }
    }

    #[test]
    fn more_padding_than_needed_is_accepted_up_to_255_octets() {
        let key = OpenKey::new(USUAL, &keymat(USUAL)).unwrap();
        let mut inner = vec![7; 15];
        inner.extend(1..=255);
        inner.extend([255, 4]);
        let found = opened(&key, &mut with_inner(USUAL, &inner)).unwrap();
        assert_eq!((found.len, found.next_header), (15, 4));
    }

    #[test]
    fn a_packet_of_the_wrong_length_is_wiped_and_its_neighbours_are_sealed() {
        let key = SealKey::new(USUAL, &keymat(USUAL)).unwrap();
        let len = USUAL.padded_len(30);
        let mut packets = [vec![1; len], vec![1; len - 1], vec![1; len]];
        let mut batch: Vec<Seal<'_>> = packets
            .iter_mut()
            .zip([30, 30, usize::MAX])
            .map(|(packet, payload_len)| Seal { key: &key, packet, payload_len, next_header: 17 })
            .collect();
        seal(&mut batch, &mut Ivs::new([4; 32]));
        assert_eq!(packets[1], vec![0; len - 1]);
        assert_eq!(packets[2], vec![0; len]);
        let key = OpenKey::new(USUAL, &keymat(USUAL)).unwrap();
        assert_eq!(opened(&key, &mut packets[0]).unwrap().len, 30);
    }

    #[test]
    fn key_material_of_the_wrong_length_makes_no_key() {
        for suite in suites() {
            let keymat = payload(suite.key_material_len() + 1);
            for len in [0, suite.key_material_len() - 1, suite.key_material_len() + 1] {
                assert!(SealKey::new(suite, &keymat[..len]).is_none() && OpenKey::new(suite, &keymat[..len]).is_none());
            }
        }
    }

    #[test]
    fn keys_and_generators_are_not_told_by_debug() {
        let (key, ivs) = (SealKey::new(USUAL, &keymat(USUAL)).unwrap(), Ivs::new([5; 32]));
        assert_eq!(format!("{key:?} {ivs:?}"), "SealKey(AES-CBC-128 HMAC-SHA-1-96) Ivs(..)");
    }

    #[test]
    fn lengths_follow_from_the_suite() {
        assert_eq!((USUAL.key_material_len(), USUAL.payload_offset()), (36, 24));
        // 8 + 16 + 1424 + 12: the packet of 1400 octets inside L2TP and PPP.
        assert_eq!(USUAL.padded_len(1422), 1460);
        assert_eq!(USUAL.padded_len(1423), 1476);
        for suite in suites() {
            for payload_len in 0..200 {
                let len = suite.padded_len(payload_len);
                assert!(suite.max_payload(len) >= payload_len);
                assert_eq!(suite.padded_len(suite.max_payload(len)), len);
                assert!(suite.max_payload(len - 1) < payload_len.max(1));
            }
        }
        assert_eq!(USUAL.max_payload(0), 0);
    }

    #[test]
    fn vectors_do_not_repeat_across_refills_and_follow_from_the_seed() {
        let (mut ivs, mut same, mut other) = (Ivs::new([1; 32]), Ivs::new([1; 32]), Ivs::new([2; 32]));
        let mut seen = std::collections::BTreeSet::new();
        for turn in 0..2000 {
            let [mut a, mut b, mut c] = [[0u8; 16]; 3];
            // Eight octets now and then, so that a refill does not always fall on a boundary.
            let len = if turn % 3 == 0 { 8 } else { 16 };
            ivs.fill(&mut a[..len]);
            same.fill(&mut b[..len]);
            other.fill(&mut c[..len]);
            assert_eq!(a, b);
            assert_ne!(a, c);
            assert!(seen.insert(a));
        }
        let mut long = vec![0; 3 * REFILL];
        ivs.fill(&mut long);
        assert!(long.chunks(16).all(|chunk| chunk.iter().any(|octet| *octet != 0)));
        ivs.fill(&mut []);
    }

    #[test]
    fn a_suite_without_authentication_or_with_two_makes_no_key() {
        for (cipher, auth) in [
            (EspCipher::Aes128, EspAuth::None),
            (EspCipher::Aes128Ctr, EspAuth::None),
            (EspCipher::Null, EspAuth::None),
            (EspCipher::Aes128Gcm, EspAuth::HmacSha1_96),
        ] {
            let suite = Suite { cipher, auth };
            let keymat = keymat(suite);
            assert!(SealKey::new(suite, &keymat).is_none() && OpenKey::new(suite, &keymat).is_none());
        }
    }

    #[test]
    fn no_nonce_of_a_counter_mode_occurs_twice_in_an_sa() {
        for suite in suites().filter(|suite| suite.payload_offset() == 16 && suite.cipher != EspCipher::TripleDes) {
            let key = SealKey::new(suite, &keymat(suite)).unwrap();
            let mut ivs = Ivs::new([6; 32]);
            for sequence in [1u32, 2, 0x0100_0000, u32::MAX] {
                let mut packet = unsealed(suite, &payload(5));
                packet[4..8].copy_from_slice(&sequence.to_be_bytes());
                let item = Seal { key: &key, packet: &mut packet, payload_len: 5, next_header: 17 };
                seal(&mut [item], &mut ivs);
                assert_eq!(packet[12..16], sequence.to_be_bytes(), "{suite}");
            }
        }
    }
}

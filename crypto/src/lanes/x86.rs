//! What an x86 processor can do: a value of each type proves that its instructions may be used.
#![allow(unsafe_code, reason = "vector instructions are called behind a check of the processor")]

#[allow(clippy::needless_range_loop, reason = "iterators would hide the unrolling that registers need")]
mod aesni;
#[allow(clippy::needless_range_loop, reason = "iterators would hide the unrolling that registers need")]
mod avx2;
#[allow(clippy::needless_range_loop, reason = "iterators would hide the unrolling that registers need")]
mod avx512;
#[allow(clippy::needless_range_loop, reason = "iterators would hide the unrolling that registers need")]
mod shani;
mod wide;

use core::arch::x86_64::__m128i;

use super::Digest;
use super::cbc::{self, Lanes, Rounds, Schedule, Table};
use super::hmac::{Block, Chains};
use super::stitch::Lane;

/// The blocks that idle lanes share: enough for a kernel to run through, and to stay in the cache.
const SPARE: usize = 16;

/// A number as the vector of its octets in memory.
#[inline(always)]
const fn vector(number: u128) -> __m128i {
    // SAFETY: both types are 16 octets, of which any value is valid.
    unsafe { core::mem::transmute(number) }
}

/// The octets of a vector as they lie in memory, as a number.
#[inline(always)]
const fn number(vector: __m128i) -> u128 {
    // SAFETY: both types are 16 octets, of which any value is valid.
    unsafe { core::mem::transmute(vector) }
}

/// Where each lane goes on after `done` blocks, and how many blocks lie at each of these places: no more than are left.
///
/// Idle lanes are given the spare ones, so that a kernel need not tell lanes apart.
#[inline]
fn starts<const L: usize>(
    lanes: &mut Lanes<'_, L>,
    done: usize,
    blocks: usize,
    spare: &mut [cbc::Block; SPARE],
) -> ([*mut cbc::Block; L], usize) {
    let spare = spare.as_mut_ptr();
    let mut at = [spare; L];
    let mut count = blocks - done;
    for (at, lane) in at.iter_mut().zip(&mut lanes.blocks) {
        match lane.get_mut(done..) {
            Some(left) if !left.is_empty() => {
                count = count.min(left.len());
                *at = left.as_mut_ptr();
            }
            _ => count = count.min(SPARE),
        }
    }
    (at, count)
}

macro_rules! rounds {
    ($rounds:expr, $call:ident($($argument:expr),*)) => {
        match $rounds {
            Rounds::Ten => $call::<10>($($argument),*),
            Rounds::Twelve => $call::<12>($($argument),*),
            Rounds::Fourteen => $call::<14>($($argument),*),
        }
    };
}

/// AES-NI.
#[derive(Copy, Clone, Debug)]
pub(super) struct AesNi(());

impl AesNi {
    pub(super) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("aes") && is_x86_feature_detected!("avx")).then_some(Self(()))
    }

    /// Expands a key of 16, 24 or 32 octets for encryption.
    pub(super) fn expand(self, key: &[u8]) -> Option<Schedule> {
        let mut schedule = Schedule { rounds: Rounds::of_key(key.len())?, ..Schedule::ZERO };
        // SAFETY: the processor has the instructions, as `self` proves.
        unsafe { aesni::expand(key, &mut schedule) };
        Some(schedule)
    }

    /// Turns a key for encryption into one for decryption.
    pub(super) fn invert(self, schedule: &mut Schedule) {
        // SAFETY: the processor has the instructions, as `self` proves.
        unsafe { aesni::invert(schedule) }
    }

    pub(super) fn encrypt(self, rounds: Rounds, table: &Table<8>, lanes: &mut Lanes<'_, 8>, blocks: usize) {
        use aesni::encrypt;
        // SAFETY: the processor has the instructions, as `self` proves.
        unsafe { rounds!(rounds, encrypt(table, lanes, blocks)) }
    }

    pub(super) fn encrypt_one(self, schedule: &Schedule, chain: &mut u128, blocks: &mut [cbc::Block]) {
        use aesni::encrypt_one;
        // SAFETY: the processor has the instructions, as `self` proves.
        unsafe { rounds!(schedule.rounds, encrypt_one(schedule, chain, blocks)) }
    }

    pub(super) fn decrypt(self, schedule: &Schedule, iv: &cbc::Block, blocks: &mut [cbc::Block]) {
        use aesni::decrypt;
        // SAFETY: the processor has the instructions, as `self` proves.
        unsafe { rounds!(schedule.rounds, decrypt(schedule, iv, blocks)) }
    }
}

/// AES on registers of 256 bits.
#[derive(Copy, Clone, Debug)]
pub(super) struct Vaes256(());

impl Vaes256 {
    pub(super) fn detect() -> Option<Self> {
        (Avx2::detect().is_some() && is_x86_feature_detected!("vaes")).then_some(Self(()))
    }

    pub(super) fn encrypt(self, rounds: Rounds, table: &Table<16>, lanes: &mut Lanes<'_, 16>, blocks: usize) {
        use avx2::encrypt;
        // SAFETY: the processor has the instructions, as `self` proves.
        unsafe { rounds!(rounds, encrypt(table, lanes, blocks)) }
    }

    /// Goes as many steps with each lane as the shortest has left: AES-CBC of what follows the octets that SHA-1 takes.
    pub(super) fn stitch_sha1(self, rounds: Rounds, table: &Table<8>, lanes: &mut [Lane<'_>; 8]) {
        use avx2::stitch_sha1;
        // SAFETY: the processor has the instructions, as `self` proves.
        unsafe { rounds!(rounds, stitch_sha1(table, lanes)) }
    }

    pub(super) fn decrypt(self, schedule: &Schedule, iv: &cbc::Block, blocks: &mut [cbc::Block]) {
        use avx2::decrypt;
        // SAFETY: the processor has the instructions, as `self` proves.
        unsafe { rounds!(schedule.rounds, decrypt(schedule, iv, blocks)) }
    }
}

/// AES on registers of 512 bits.
#[derive(Copy, Clone, Debug)]
pub(super) struct Vaes512(());

impl Vaes512 {
    pub(super) fn detect() -> Option<Self> {
        (Avx512::detect().is_some() && is_x86_feature_detected!("avx512vl") && is_x86_feature_detected!("vaes"))
            .then_some(Self(()))
    }

    pub(super) fn encrypt(self, rounds: Rounds, table: &Table<16>, lanes: &mut Lanes<'_, 16>, blocks: usize) {
        use avx512::encrypt;
        // SAFETY: the processor has the instructions, as `self` proves.
        unsafe { rounds!(rounds, encrypt(table, lanes, blocks)) }
    }

    pub(super) fn decrypt(self, schedule: &Schedule, iv: &cbc::Block, blocks: &mut [cbc::Block]) {
        use avx512::decrypt;
        // SAFETY: the processor has the instructions, as `self` proves.
        unsafe { rounds!(schedule.rounds, decrypt(schedule, iv, blocks)) }
    }
}

/// The SHA instructions, with AES-NI.
#[derive(Copy, Clone, Debug)]
pub(super) struct ShaNi(());

impl ShaNi {
    pub(super) fn detect() -> Option<Self> {
        (AesNi::detect().is_some() && is_x86_feature_detected!("sha")).then_some(Self(()))
    }

    /// Whether there are instructions for the hash.
    pub(super) const fn knows(self, digest: Digest) -> bool {
        match digest {
            Digest::Md5 => false,
            Digest::Sha1 | Digest::Sha256 => true,
        }
    }

    pub(super) fn hash<const K: usize>(
        self,
        digest: Digest,
        chains: &mut Chains<K>,
        at: &[&[Block]; K],
        blocks: usize,
    ) {
        // SAFETY: the processor has the instructions, as `self` proves.
        unsafe {
            match digest {
                Digest::Md5 => {}
                Digest::Sha1 => shani::sha1(chains, at, blocks),
                Digest::Sha256 => shani::sha256(chains, at, blocks),
            }
        }
    }

    /// Goes as many steps with each lane as the shortest has left; their keys take the same number of rounds.
    pub(super) fn stitch<const K: usize>(self, digest: Digest, rounds: Rounds, lanes: &mut [Lane<'_>; K]) {
        use shani::{stitch_sha1, stitch_sha256};
        // SAFETY: the processor has the instructions, as `self` proves.
        unsafe {
            match (digest, rounds) {
                (Digest::Md5, _) => {}
                (Digest::Sha1, Rounds::Ten) => stitch_sha1::<K, 10>(lanes),
                (Digest::Sha1, Rounds::Twelve) => stitch_sha1::<K, 12>(lanes),
                (Digest::Sha1, Rounds::Fourteen) => stitch_sha1::<K, 14>(lanes),
                (Digest::Sha256, Rounds::Ten) => stitch_sha256::<K, 10>(lanes),
                (Digest::Sha256, Rounds::Twelve) => stitch_sha256::<K, 12>(lanes),
                (Digest::Sha256, Rounds::Fourteen) => stitch_sha256::<K, 14>(lanes),
            }
        }
    }
}

/// AVX2.
#[derive(Copy, Clone, Debug)]
pub(super) struct Avx2(());

impl Avx2 {
    pub(super) fn detect() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Self(()))
    }

    pub(super) fn hash(self, digest: Digest, chains: &mut Chains<8>, at: &[&[Block]; 8], blocks: usize) {
        // SAFETY: the processor has the instructions, as `self` proves.
        unsafe {
            match digest {
                Digest::Md5 => avx2::md5(chains, at, blocks),
                Digest::Sha1 => avx2::sha1(chains, at, blocks),
                Digest::Sha256 => avx2::sha256(chains, at, blocks),
            }
        }
    }
}

/// AVX-512 with octets and words.
#[derive(Copy, Clone, Debug)]
pub(super) struct Avx512(());

impl Avx512 {
    pub(super) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw")).then_some(Self(()))
    }

    pub(super) fn hash(self, digest: Digest, chains: &mut Chains<16>, at: &[&[Block]; 16], blocks: usize) {
        // SAFETY: the processor has the instructions, as `self` proves.
        unsafe {
            match digest {
                Digest::Md5 => avx512::md5(chains, at, blocks),
                Digest::Sha1 => avx512::sha1(chains, at, blocks),
                Digest::Sha256 => avx512::sha256(chains, at, blocks),
            }
        }
    }
}

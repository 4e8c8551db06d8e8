//! What an x86 processor can do: a value of each type proves that its instructions may be used.
#![allow(unsafe_code, reason = "vector instructions are called behind a check of the processor")]

#[allow(clippy::needless_range_loop, reason = "iterators would hide the unrolling that registers need")]
mod aesni;
#[allow(clippy::needless_range_loop, reason = "iterators would hide the unrolling that registers need")]
mod avx2;
#[allow(clippy::needless_range_loop, reason = "iterators would hide the unrolling that registers need")]
mod avx512;
#[allow(clippy::needless_range_loop, reason = "iterators would hide the unrolling that registers need")]
mod ifma;
#[allow(clippy::needless_range_loop, reason = "iterators would hide the unrolling that registers need")]
mod shani;
mod wide;

use core::arch::x86_64::{__m128i, __m512i, _mm512_loadu_si512, _mm512_storeu_si512};

use super::Digest;
use super::cbc::{self, Lanes, Rounds, Schedule, Table};
use super::hmac::{Chains, Work};
use super::stitch::Lane;
use super::sum::Line;
use crate::dh::digits::{Digits, Modulus};

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

#[inline]
#[target_feature(enable = "avx512f")]
fn load_digits(digits: &[u64; 8]) -> __m512i {
    // SAFETY: 64 octets may be read there, and the instruction asks for no alignment.
    unsafe { _mm512_loadu_si512(digits.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store_digits(digits: &mut [u64; 8], vector: __m512i) {
    // SAFETY: 64 octets may be written there, and the instruction asks for no alignment.
    unsafe { _mm512_storeu_si512(digits.as_mut_ptr().cast(), vector) }
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

/// Sums of 16-bit words by an instruction that multiplies words with a sign and adds two and two: by one, and with their
/// highest bit turned, which takes 2^15 from each.
macro_rules! sums {
    (
        $features:literal, $per_line:literal, $load:ident, $store:ident, $set16:ident, $xor:ident, $madd:ident,
        $add32:ident, $zero:ident
    ) => {
        #[inline]
        #[target_feature(enable = $features)]
        fn add_line(sums: &mut [Vector; $per_line], line: &Line) {
            let (one, turned) = ($set16(1), $set16(i16::MIN));
            for at in 0..$per_line {
                // SAFETY: so many vectors fill the line, and the instruction asks for no alignment.
                let words = unsafe { $load(line.as_ptr().cast::<Vector>().add(at).cast()) };
                sums[at] = $add32(sums[at], $madd($xor(words, turned), one));
            }
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn total(sums: [Vector; $per_line], lines: usize) -> u64 {
            let mut all = [[0i32; 16 / $per_line]; $per_line];
            for at in 0..$per_line {
                // SAFETY: the array is as long as the vector, and the instruction asks for no alignment.
                unsafe { $store(all[at].as_mut_ptr().cast(), sums[at]) };
            }
            let sum: i64 = all.as_flattened().iter().map(|sum| i64::from(*sum)).sum();
            (sum + ((lines as i64 * 32) << 15)).cast_unsigned()
        }

        #[target_feature(enable = $features)]
        pub(super) fn sum_of(lines: &[Line]) -> u64 {
            let mut sums = [$zero(); $per_line];
            for line in lines {
                add_line(&mut sums, line);
            }
            total(sums, lines.len())
        }

        #[target_feature(enable = $features)]
        pub(super) fn sum_copied(to: &mut [Line], from: &[Line]) -> u64 {
            let mut sums = [$zero(); $per_line];
            for (to, from) in to.iter_mut().zip(from) {
                *to = *from;
                add_line(&mut sums, from);
            }
            total(sums, to.len().min(from.len()))
        }
    };
}
use sums;

macro_rules! rounds {
    ($rounds:expr, $call:ident($($argument:expr),*)) => {
        match $rounds {
            Rounds::Ten => $call::<10>($($argument),*),
            Rounds::Twelve => $call::<12>($($argument),*),
            Rounds::Fourteen => $call::<14>($($argument),*),
        }
    };
}

/// AES-CBC and SHA-1 of so many packets, a quarter of them in each of four vectors of the cipher.
///
/// Who expands it brings what `wide` wants, `gather` and `scatter` of blocks, a round of AES, and `keep_order`.
macro_rules! stitch_many {
    ($features:literal, $lanes:literal) => {
        /// AES-CBC with `R` rounds and SHA-1: a step hashes 64 octets of each packet, and encrypts 64 that come later,
        /// a turn of the cipher after every few rounds of the hash, so that each fills the other's waits.
        #[target_feature(enable = $features)]
        pub(super) fn stitch_sha1<const R: usize>(table: &Table<$lanes>, lanes: &mut [Lane<'_>; $lanes]) {
            wide::align_stack();
            let (mut first, mut steps) = (AHEAD, usize::MAX);
            let mut chains = Chains::<$lanes>::ZERO;
            let mut ciphers = [0; $lanes];
            let (mut at, mut to) = ([core::ptr::null_mut::<Block>(); $lanes], [core::ptr::null_mut(); $lanes]);
            for i in 0..$lanes {
                first = first.min(lanes[i].blocks_left());
                chains.set(i, &lanes[i].hash);
                ciphers[i] = lanes[i].chain;
                (at[i], to[i]) = lanes[i].places();
            }
            let mut state = [load_lanes(&ciphers[..]); 4];
            for group in 1..4 {
                state[group] = load_lanes(&ciphers[group * $lanes / 4..]);
            }
            // SAFETY: every lane has so many blocks left.
            unsafe { encrypt_blocks::<R>(table, &mut state, &to, first) };
            for i in 0..$lanes {
                to[i] = to[i].wrapping_add(first);
                lanes[i].encrypted += first;
                steps = steps.min(lanes[i].steps_left());
            }
            let [h0, h1, h2, h3, h4, ..] = &mut chains.0;
            let (mut a, mut b, mut c, mut d, mut e) = (load(h0), load(h1), load(h2), load(h3), load(h4));
            for step in 0..steps {
                let mut w = {
                    let mut texts: [&[Block]; $lanes] = [&[]; $lanes];
                    for i in 0..$lanes {
                        // SAFETY: `steps_left` tells that there are as many times 64 octets. The reference is used for
                        // loads only that are over before those after it are written.
                        texts[i] = core::slice::from_ref(unsafe { &*at[i].wrapping_add(step) });
                    }
                    words(&texts, 0)
                };
                for word in &mut w {
                    *word = swap_octets(*word);
                }
                macro_rules! encrypt {
                    ($t:expr) => {
                        // Sixteen times; a block has R + 1 turns, of which the first takes in the text, and the last
                        // puts it out.
                        let time = ($t) / 5;
                        let turns = time * 4 * (R + 1) / 16..(time + 1) * 4 * (R + 1) / 16;
                        for turn in turns {
                            let (block, turn) = (turn / (R + 1), turn % (R + 1));
                            for group in 0..4 {
                                let lane = group * $lanes / 4;
                                let key = load_lanes(&table.0[turn][lane..]);
                                if turn == 0 {
                                    // SAFETY: `steps_left` tells that there are as many times four blocks.
                                    let text = unsafe { gather(&to[lane..], 4 * step + block) };
                                    state[group] = xor3(state[group], text, key);
                                } else if turn < R {
                                    state[group] = aes(state[group], key);
                                } else {
                                    state[group] = aes_last(state[group], key);
                                    // SAFETY: as above.
                                    unsafe { scatter(&to[lane..], 4 * step + block, state[group]) };
                                }
                            }
                        }
                        keep_order(&mut state, &mut a);
                    };
                }
                sha1_eighty!(encrypt, w, a b c d e);
            }
            store(h0, a);
            store(h1, b);
            store(h2, c);
            store(h3, d);
            store(h4, e);
            let mut last = usize::MAX;
            for i in 0..$lanes {
                lanes[i].hash = chains.get(i);
                lanes[i].steps += steps;
                lanes[i].encrypted += 4 * steps;
                to[i] = to[i].wrapping_add(4 * steps);
                last = last.min(lanes[i].blocks_left());
            }
            // SAFETY: every lane has so many blocks left.
            unsafe { encrypt_blocks::<R>(table, &mut state, &to, last) };
            for group in 0..4 {
                store_lanes(&mut ciphers[group * $lanes / 4..], state[group]);
            }
            for i in 0..$lanes {
                lanes[i].encrypted += last;
                lanes[i].chain = ciphers[i];
            }
        }

        /// So many blocks of AES-CBC with `R` rounds of every packet.
        ///
        /// # Safety
        /// There are as many to read and write.
        #[inline]
        #[target_feature(enable = $features)]
        unsafe fn encrypt_blocks<const R: usize>(
            table: &Table<$lanes>,
            state: &mut [Vector; 4],
            to: &[*mut cbc::Block; $lanes],
            blocks: usize,
        ) {
            for block in 0..blocks {
                for group in 0..4 {
                    let lane = group * $lanes / 4;
                    // SAFETY: the caller's promise.
                    let text = unsafe { gather(&to[lane..], block) };
                    state[group] = xor3(state[group], text, load_lanes(&table.0[0][lane..]));
                }
                for round in 1..R {
                    for group in 0..4 {
                        state[group] = aes(state[group], load_lanes(&table.0[round][group * $lanes / 4..]));
                    }
                }
                for group in 0..4 {
                    let lane = group * $lanes / 4;
                    state[group] = aes_last(state[group], load_lanes(&table.0[R][lane..]));
                    // SAFETY: the caller's promise.
                    unsafe { scatter(&to[lane..], block, state[group]) };
                }
            }
        }
    };
}

use stitch_many;

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

    /// AES-CBC and SHA-1, as [`stitch::seal_many`](super::stitch::seal_many) wants it.
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

    /// AES-CBC and SHA-1, as [`stitch::seal_many`](super::stitch::seal_many) wants it.
    pub(super) fn stitch_sha1(self, rounds: Rounds, table: &Table<16>, lanes: &mut [Lane<'_>; 16]) {
        use avx512::stitch_sha1;
        // SAFETY: the processor has the instructions, as `self` proves.
        unsafe { rounds!(rounds, stitch_sha1(table, lanes)) }
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

    pub(super) fn hash<const K: usize>(self, digest: Digest, chains: &mut Chains<K>, work: &Work<'_, K>) {
        // SAFETY: the processor has the instructions, as `self` proves.
        unsafe {
            match digest {
                Digest::Md5 => {}
                Digest::Sha1 => shani::sha1(chains, work),
                Digest::Sha256 => shani::sha256(chains, work),
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

    pub(super) fn hash(self, digest: Digest, chains: &mut Chains<8>, work: &Work<'_, 8>) {
        // SAFETY: the processor has the instructions, as `self` proves.
        unsafe {
            match digest {
                Digest::Md5 => avx2::md5(chains, work),
                Digest::Sha1 => avx2::sha1(chains, work),
                Digest::Sha256 => avx2::sha256(chains, work),
            }
        }
    }

    /// The sum of words; see [`super::sum`].
    pub(super) fn sum_of(self, lines: &[Line]) -> u64 {
        // SAFETY: the processor has the instructions, as `self` proves.
        unsafe { avx2::sum_of(lines) }
    }

    /// The same while they are copied.
    pub(super) fn sum_copied(self, to: &mut [Line], from: &[Line]) -> u64 {
        // SAFETY: the processor has the instructions, as `self` proves.
        unsafe { avx2::sum_copied(to, from) }
    }
}

/// AVX-512 with octets and words.
#[derive(Copy, Clone, Debug)]
pub(super) struct Avx512(());

impl Avx512 {
    pub(super) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw")).then_some(Self(()))
    }

    pub(super) fn hash(self, digest: Digest, chains: &mut Chains<16>, work: &Work<'_, 16>) {
        // SAFETY: the processor has the instructions, as `self` proves.
        unsafe {
            match digest {
                Digest::Md5 => avx512::md5(chains, work),
                Digest::Sha1 => avx512::sha1(chains, work),
                Digest::Sha256 => avx512::sha256(chains, work),
            }
        }
    }

    /// The sum of words; see [`super::sum`].
    pub(super) fn sum_of(self, lines: &[Line]) -> u64 {
        // SAFETY: the processor has the instructions, as `self` proves.
        unsafe { avx512::sum_of(lines) }
    }

    /// The same while they are copied.
    pub(super) fn sum_copied(self, to: &mut [Line], from: &[Line]) -> u64 {
        // SAFETY: the processor has the instructions, as `self` proves.
        unsafe { avx512::sum_copied(to, from) }
    }
}

/// AVX-512 with products of digits of 52 bits.
#[derive(Copy, Clone, Debug)]
pub(super) struct Ifma(());

impl Ifma {
    pub(super) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512ifma")).then_some(Self(()))
    }

    pub(super) fn multiply<const N: usize>(self, to: &mut Digits<N>, by: Option<&Digits<N>>, modulus: &Modulus) {
        // SAFETY: the processor has the instructions, as `self` proves.
        unsafe { ifma::multiply(to, by, modulus) }
    }

    pub(super) fn choose<const N: usize>(self, to: &mut Digits<N>, table: &[Digits<N>], number: u64) {
        // SAFETY: the processor has the instructions, as `self` proves.
        unsafe { ifma::choose(to, table, number) }
    }
}

//! SHA-1 and SHA-256 with the SHA instructions, messages side by side; and sealing that hashes a packet while it
//! encrypts the octets that follow.
//!
//! AVX stays off in this file: the SHA instructions have no AVX form, and mixed with 256-bit moves, which the compiler
//! likes for pairs, each costs a change of the processor's state (measured: a hundredfold the time).

use core::arch::x86_64::*;

use super::super::cbc::Schedule;
use super::super::hmac::{Block, Chains};
use super::super::stitch::{FIRST, Lane};
use super::wide::SHA256;
use super::{number, vector};

/// Sixteen octets of a block.
#[inline]
#[target_feature(enable = "sse4.1")]
fn load<const AT: usize>(block: &Block) -> __m128i {
    const { assert!(AT + 16 <= 64, "a block has 64 octets") };
    // SAFETY: `AT` and sixteen octets after it lie in the block, and the instruction asks for no alignment.
    unsafe { _mm_loadu_si128(block.as_ptr().add(AT).cast()) }
}

/// What there is to do between groups of rounds for whoever hashes only.
macro_rules! nothing {
    ($group:literal) => {};
}

/// Four rounds of SHA-1 of every message, then what else there is to do.
macro_rules! sha1_group {
    ($group:literal, $k:literal, $also:ident, $a:ident $b:ident, $w:ident) => {
        for i in 0..K {
            let e = _mm_sha1nexte_epu32($b[i], $w[i]);
            $b[i] = $a[i];
            $a[i] = _mm_sha1rnds4_epu32::<$k>($a[i], e);
        }
        $also!($group);
    };
    ($group:literal, $k:literal, $also:ident, $a:ident $b:ident, $w:ident $x:ident $y:ident $z:ident) => {
        for i in 0..K {
            $w[i] = _mm_sha1msg2_epu32(_mm_xor_si128(_mm_sha1msg1_epu32($w[i], $x[i]), $y[i]), $z[i]);
        }
        sha1_group!($group, $k, $also, $a $b, $w);
    };
}

/// One block of SHA-1 for each of `K` messages: `a` is the first four words, `e` the fifth.
macro_rules! sha1_block {
    ($texts:expr, $also:ident, $a:ident, $e:ident) => {
        let order = _mm_set_epi64x(0x0001_0203_0405_0607, 0x0809_0a0b_0c0d_0e0f);
        let zero = [_mm_setzero_si128(); K];
        let (mut w0, mut w1, mut w2, mut w3) = (zero, zero, zero, zero);
        for i in 0..K {
            w0[i] = _mm_shuffle_epi8(load::<0>($texts[i]), order);
            w1[i] = _mm_shuffle_epi8(load::<16>($texts[i]), order);
            w2[i] = _mm_shuffle_epi8(load::<32>($texts[i]), order);
            w3[i] = _mm_shuffle_epi8(load::<48>($texts[i]), order);
        }
        let (mut a, mut b) = ($a, zero);
        for i in 0..K {
            b[i] = a[i];
            a[i] = _mm_sha1rnds4_epu32::<0>(a[i], _mm_add_epi32($e[i], w0[i]));
        }
        $also!(0);
        sha1_group!(1, 0, $also, a b, w1);
        sha1_group!(2, 0, $also, a b, w2);
        sha1_group!(3, 0, $also, a b, w3);
        sha1_group!(4, 0, $also, a b, w0 w1 w2 w3);
        sha1_group!(5, 1, $also, a b, w1 w2 w3 w0);
        sha1_group!(6, 1, $also, a b, w2 w3 w0 w1);
        sha1_group!(7, 1, $also, a b, w3 w0 w1 w2);
        sha1_group!(8, 1, $also, a b, w0 w1 w2 w3);
        sha1_group!(9, 1, $also, a b, w1 w2 w3 w0);
        sha1_group!(10, 2, $also, a b, w2 w3 w0 w1);
        sha1_group!(11, 2, $also, a b, w3 w0 w1 w2);
        sha1_group!(12, 2, $also, a b, w0 w1 w2 w3);
        sha1_group!(13, 2, $also, a b, w1 w2 w3 w0);
        sha1_group!(14, 2, $also, a b, w2 w3 w0 w1);
        sha1_group!(15, 3, $also, a b, w3 w0 w1 w2);
        sha1_group!(16, 3, $also, a b, w0 w1 w2 w3);
        sha1_group!(17, 3, $also, a b, w1 w2 w3 w0);
        sha1_group!(18, 3, $also, a b, w2 w3 w0 w1);
        sha1_group!(19, 3, $also, a b, w3 w0 w1 w2);
        for i in 0..K {
            $e[i] = _mm_sha1nexte_epu32(b[i], $e[i]);
            $a[i] = _mm_add_epi32($a[i], a[i]);
        }
    };
}

/// Four rounds of SHA-256 of every message, then what else there is to do.
macro_rules! sha256_group {
    ($group:literal, $also:ident, $a:ident $b:ident, $w:ident) => {
        let constants = _mm_set_epi32(
            SHA256[4 * $group + 3].cast_signed(),
            SHA256[4 * $group + 2].cast_signed(),
            SHA256[4 * $group + 1].cast_signed(),
            SHA256[4 * $group].cast_signed(),
        );
        for i in 0..K {
            let input = _mm_add_epi32($w[i], constants);
            $b[i] = _mm_sha256rnds2_epu32($b[i], $a[i], input);
            $a[i] = _mm_sha256rnds2_epu32($a[i], $b[i], _mm_shuffle_epi32::<0x0e>(input));
        }
        $also!($group);
    };
    ($group:literal, $also:ident, $a:ident $b:ident, $w:ident $x:ident $y:ident $z:ident) => {
        for i in 0..K {
            let sum = _mm_add_epi32(_mm_sha256msg1_epu32($w[i], $x[i]), _mm_alignr_epi8::<4>($z[i], $y[i]));
            $w[i] = _mm_sha256msg2_epu32(sum, $z[i]);
        }
        sha256_group!($group, $also, $a $b, $w);
    };
}

/// One block of SHA-256 for each of `K` messages: `a` is the words A, B, E, F, and `e` is C, D, G, H.
macro_rules! sha256_block {
    ($texts:expr, $also:ident, $a:ident, $e:ident) => {
        let order = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
        let zero = [_mm_setzero_si128(); K];
        let (mut w0, mut w1, mut w2, mut w3) = (zero, zero, zero, zero);
        for i in 0..K {
            w0[i] = _mm_shuffle_epi8(load::<0>($texts[i]), order);
            w1[i] = _mm_shuffle_epi8(load::<16>($texts[i]), order);
            w2[i] = _mm_shuffle_epi8(load::<32>($texts[i]), order);
            w3[i] = _mm_shuffle_epi8(load::<48>($texts[i]), order);
        }
        let (mut a, mut b) = ($a, $e);
        sha256_group!(0, $also, a b, w0);
        sha256_group!(1, $also, a b, w1);
        sha256_group!(2, $also, a b, w2);
        sha256_group!(3, $also, a b, w3);
        sha256_group!(4, $also, a b, w0 w1 w2 w3);
        sha256_group!(5, $also, a b, w1 w2 w3 w0);
        sha256_group!(6, $also, a b, w2 w3 w0 w1);
        sha256_group!(7, $also, a b, w3 w0 w1 w2);
        sha256_group!(8, $also, a b, w0 w1 w2 w3);
        sha256_group!(9, $also, a b, w1 w2 w3 w0);
        sha256_group!(10, $also, a b, w2 w3 w0 w1);
        sha256_group!(11, $also, a b, w3 w0 w1 w2);
        sha256_group!(12, $also, a b, w0 w1 w2 w3);
        sha256_group!(13, $also, a b, w1 w2 w3 w0);
        sha256_group!(14, $also, a b, w2 w3 w0 w1);
        sha256_group!(15, $also, a b, w3 w0 w1 w2);
        for i in 0..K {
            $a[i] = _mm_add_epi32($a[i], a[i]);
            $e[i] = _mm_add_epi32($e[i], b[i]);
        }
    };
}

#[inline]
#[target_feature(enable = "sse4.1")]
fn four(a: u32, b: u32, c: u32, d: u32) -> __m128i {
    _mm_set_epi32(a.cast_signed(), b.cast_signed(), c.cast_signed(), d.cast_signed())
}

/// The words of a vector, from its highest.
#[inline]
#[target_feature(enable = "sse4.1")]
fn words(from: __m128i) -> [u32; 4] {
    [
        _mm_extract_epi32::<3>(from).cast_unsigned(),
        _mm_extract_epi32::<2>(from).cast_unsigned(),
        _mm_extract_epi32::<1>(from).cast_unsigned(),
        _mm_extract_epi32::<0>(from).cast_unsigned(),
    ]
}

/// Chaining values as the instructions of SHA-1 want them.
#[inline]
#[target_feature(enable = "sse4.1")]
fn sha1_in(h: &[u32; 8]) -> (__m128i, __m128i) {
    (four(h[0], h[1], h[2], h[3]), four(h[4], 0, 0, 0))
}

#[inline]
#[target_feature(enable = "sse4.1")]
fn sha1_out(a: __m128i, e: __m128i) -> [u32; 8] {
    let ([a, b, c, d], [e, ..]) = (words(a), words(e));
    [a, b, c, d, e, 0, 0, 0]
}

/// Chaining values as the instructions of SHA-256 want them.
#[inline]
#[target_feature(enable = "sse4.1")]
fn sha256_in(h: &[u32; 8]) -> (__m128i, __m128i) {
    (four(h[0], h[1], h[4], h[5]), four(h[2], h[3], h[6], h[7]))
}

#[inline]
#[target_feature(enable = "sse4.1")]
fn sha256_out(a: __m128i, e: __m128i) -> [u32; 8] {
    let ([a, b, e, f], [c, d, g, h]) = (words(a), words(e));
    [a, b, c, d, e, f, g, h]
}

/// Where a lane without blocks reads.
static ZEROS: Block = [0; 64];

macro_rules! hash {
    ($(#[$doc:meta])* $name:ident, $block:ident, $words_in:ident, $words_out:ident) => {
        $(#[$doc])*
        #[target_feature(enable = "sha,sse4.1")]
        pub(super) fn $name<const K: usize>(chains: &mut Chains<K>, at: &[&[Block]; K], blocks: usize) {
            let (mut a, mut e) = ([_mm_setzero_si128(); K], [_mm_setzero_si128(); K]);
            for i in 0..K {
                let mut words = [0; 8];
                for (word, row) in words.iter_mut().zip(&chains.0) {
                    *word = row[i];
                }
                (a[i], e[i]) = $words_in(&words);
            }
            for block in 0..blocks {
                let mut texts = [&ZEROS; K];
                for i in 0..K {
                    if let Some(text) = at[i].get(block) {
                        texts[i] = text;
                    }
                }
                $block!(texts, nothing, a, e);
            }
            for i in 0..K {
                for (word, row) in $words_out(a[i], e[i]).iter().zip(&mut chains.0) {
                    row[i] = *word;
                }
            }
        }
    };
}

hash!(
    /// SHA-1 of `K` messages.
    sha1, sha1_block, sha1_in, sha1_out
);
hash!(
    /// SHA-256 of `K` messages.
    sha256, sha256_block, sha256_in, sha256_out
);

/// Encryption and hash of `K` packets: a step hashes 64 octets, and encrypts the 64 that begin `FIRST` octets after
/// them. The two chains of work are independent of each other, so that each fills the other's waits.
macro_rules! stitch {
    ($(#[$doc:meta])* $name:ident, $block:ident, $groups:literal, $words_in:ident, $words_out:ident) => {
        $(#[$doc])*
        #[target_feature(enable = "aes,sha,sse4.1")]
        pub(super) fn $name<const K: usize, const R: usize>(lanes: &mut [Lane<'_>; K]) {
            const NONE: &Schedule = &Schedule::ZERO;
            let mut steps = usize::MAX;
            let (mut a, mut e, mut state) =
                ([_mm_setzero_si128(); K], [_mm_setzero_si128(); K], [_mm_setzero_si128(); K]);
            let mut keys = [&NONE.keys; K];
            let mut at = [core::ptr::null_mut::<u8>(); K];
            for i in 0..K {
                let lane = &mut lanes[i];
                steps = steps.min(lane.steps_left());
                (a[i], e[i]) = $words_in(&lane.hash);
                state[i] = vector(lane.chain);
                keys[i] = &lane.schedule.keys;
                at[i] = lane.message.as_mut_ptr().wrapping_add(64 * lane.steps);
            }
            for _ in 0..steps {
                let mut texts = [&ZEROS; K];
                for i in 0..K {
                    // SAFETY: `steps_left` tells that there are as many times 64 octets, and `FIRST` and 64 after
                    // them. The reference is used for loads only that are over before those after it are written.
                    texts[i] = unsafe { &*at[i].cast() };
                }
                macro_rules! encrypt {
                    ($group:literal) => {
                        // So many groups are a block, and R + 1 turns: the first takes in the text, the last puts
                        // it out.
                        let (block, part) = ($group / ($groups / 4), $group % ($groups / 4));
                        let turns = part * (R + 1) / ($groups / 4)..(part + 1) * (R + 1) / ($groups / 4);
                        for turn in turns {
                            for i in 0..K {
                                let text = at[i].wrapping_add(FIRST + 16 * block).cast();
                                let key = vector(keys[i][turn]);
                                if turn == 0 {
                                    // SAFETY: as `steps_left` tells.
                                    let text = unsafe { _mm_loadu_si128(text) };
                                    state[i] = _mm_xor_si128(_mm_xor_si128(text, key), state[i]);
                                } else if turn < R {
                                    state[i] = _mm_aesenc_si128(state[i], key);
                                } else {
                                    state[i] = _mm_aesenclast_si128(state[i], key);
                                    // SAFETY: as `steps_left` tells.
                                    unsafe { _mm_storeu_si128(text, state[i]) };
                                }
                            }
                        }
                    };
                }
                $block!(texts, encrypt, a, e);
                for i in 0..K {
                    at[i] = at[i].wrapping_add(64);
                }
            }
            for i in 0..K {
                lanes[i].hash = $words_out(a[i], e[i]);
                lanes[i].chain = number(state[i]);
                lanes[i].steps += steps;
            }
        }
    };
}

stitch!(
    /// AES-CBC with `R` rounds and SHA-1.
    stitch_sha1, sha1_block, 20, sha1_in, sha1_out
);
stitch!(
    /// AES-CBC with `R` rounds and SHA-256.
    stitch_sha256, sha256_block, 16, sha256_in, sha256_out
);

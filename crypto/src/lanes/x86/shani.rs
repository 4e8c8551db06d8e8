//! SHA-1 and SHA-256 with the SHA instructions, messages side by side; and sealing that hashes a packet while it
//! encrypts the octets that follow.
//!
//! AVX stays off in this file: the SHA instructions have no AVX form, and mixed with 256-bit moves, which the compiler
//! likes for pairs, each costs a change of the processor's state (measured: a hundredfold the time).

use core::arch::x86_64::*;

use super::super::HEADER;
use super::super::cbc::{self, Schedule};
use super::super::hmac::{Block, Chains, Work};
use super::super::stitch::Lane;
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

/// How the octets of a vector become words of SHA-1.
#[inline]
#[target_feature(enable = "sse4.1")]
fn sha1_order() -> __m128i {
    _mm_set_epi64x(0x0001_0203_0405_0607, 0x0809_0a0b_0c0d_0e0f)
}

/// How the octets of a vector become words of SHA-256.
#[inline]
#[target_feature(enable = "sse4.1")]
fn sha256_order() -> __m128i {
    _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203)
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
}

/// The words 16 to 31, four at a time, from the sixteen before them.
///
/// `SHA1MSG2` would do most of it, but some processors make many operations of it, and stop for them.
#[inline]
#[target_feature(enable = "sha,sse4.1")]
fn sha1_early(w: __m128i, x: __m128i, y: __m128i, z: __m128i) -> __m128i {
    // Words lie from the highest element down. The fourth wants the first, which is at hand only now: it is added with
    // its own turn.
    let mixed = _mm_xor_si128(_mm_xor_si128(_mm_sha1msg1_epu32(w, x), y), _mm_slli_si128::<4>(z));
    let first = _mm_srli_si128::<12>(mixed);
    let turned = _mm_or_si128(_mm_add_epi32(mixed, mixed), _mm_srli_epi32::<31>(mixed));
    _mm_xor_si128(_mm_xor_si128(turned, _mm_slli_epi32::<2>(first)), _mm_srli_epi32::<30>(first))
}

/// The words from 32 on, four at a time: what the rule for a word comes to when it is put into itself, which is to mix
/// those 6, 16, 28 and 32 before and to turn by two.
#[inline]
#[target_feature(enable = "ssse3")]
fn sha1_late(by_32: __m128i, by_28: __m128i, by_16: __m128i, by_8: __m128i, by_4: __m128i) -> __m128i {
    let by_6 = _mm_alignr_epi8::<8>(by_8, by_4);
    let mixed = _mm_xor_si128(_mm_xor_si128(_mm_xor_si128(by_32, by_28), by_16), by_6);
    _mm_or_si128(_mm_slli_epi32::<2>(mixed), _mm_srli_epi32::<30>(mixed))
}

/// One block of SHA-1 for each of `K` messages, whose words are given: `a` is the first four words, `e` the fifth.
macro_rules! sha1_block {
    ($words:expr, $also:ident, $a:ident, $e:ident) => {
        let zero = [_mm_setzero_si128(); K];
        let [mut w0, mut w1, mut w2, mut w3] = $words;
        let (mut w4, mut w5, mut w6, mut w7) = (zero, zero, zero, zero);
        let (mut a, mut b) = ($a, zero);
        macro_rules! early {
            ($group:literal, $k:literal, $new:ident, $w:ident $x:ident $y:ident $z:ident) => {
                for i in 0..K {
                    $new[i] = sha1_early($w[i], $x[i], $y[i], $z[i]);
                }
                sha1_group!($group, $k, $also, a b, $new);
            };
        }
        macro_rules! late {
            ($group:literal, $k:literal, $w:ident $x:ident $y:ident $z:ident $last:ident) => {
                for i in 0..K {
                    $w[i] = sha1_late($w[i], $x[i], $y[i], $z[i], $last[i]);
                }
                sha1_group!($group, $k, $also, a b, $w);
            };
        }
        for i in 0..K {
            b[i] = a[i];
            a[i] = _mm_sha1rnds4_epu32::<0>(a[i], _mm_add_epi32($e[i], w0[i]));
        }
        $also!(0);
        sha1_group!(1, 0, $also, a b, w1);
        sha1_group!(2, 0, $also, a b, w2);
        sha1_group!(3, 0, $also, a b, w3);
        early!(4, 0, w4, w0 w1 w2 w3);
        early!(5, 1, w5, w1 w2 w3 w4);
        early!(6, 1, w6, w2 w3 w4 w5);
        early!(7, 1, w7, w3 w4 w5 w6);
        late!(8, 1, w0 w1 w4 w6 w7);
        late!(9, 1, w1 w2 w5 w7 w0);
        late!(10, 2, w2 w3 w6 w0 w1);
        late!(11, 2, w3 w4 w7 w1 w2);
        late!(12, 2, w4 w5 w0 w2 w3);
        late!(13, 2, w5 w6 w1 w3 w4);
        late!(14, 2, w6 w7 w2 w4 w5);
        late!(15, 3, w7 w0 w3 w5 w6);
        late!(16, 3, w0 w1 w4 w6 w7);
        late!(17, 3, w1 w2 w5 w7 w0);
        late!(18, 3, w2 w3 w6 w0 w1);
        late!(19, 3, w3 w4 w7 w1 w2);
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

/// One block of SHA-256 for each of `K` messages, whose words are given: `a` is the words A, B, E, F of the chaining
/// value, and `e` is C, D, G, H.
macro_rules! sha256_block {
    ($words:expr, $also:ident, $a:ident, $e:ident) => {
        let [mut w0, mut w1, mut w2, mut w3] = $words;
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

/// The words of the block that closes a digest of SHA-1 after the block of a padded key: mark, zeros, length in bits.
#[inline]
#[target_feature(enable = "sse4.1")]
fn sha1_closed(a: __m128i, e: __m128i) -> [__m128i; 4] {
    let marked = _mm_or_si128(e, four(0, 0x8000_0000, 0, 0));
    [a, marked, _mm_setzero_si128(), four(0, 0, 0, (64 + 20) * 8)]
}

/// The same for SHA-256.
#[inline]
#[target_feature(enable = "sse4.1")]
fn sha256_closed(a: __m128i, e: __m128i) -> [__m128i; 4] {
    let first = _mm_shuffle_epi32::<0xb1>(_mm_unpackhi_epi64(a, e));
    let last = _mm_shuffle_epi32::<0xb1>(_mm_unpacklo_epi64(a, e));
    [first, last, four(0, 0, 0, 0x8000_0000), four((64 + 32) * 8, 0, 0, 0)]
}

/// Where a lane without blocks reads.
static ZEROS: Block = [0; 64];

macro_rules! hash {
    ($(#[$doc:meta])* $name:ident, $block:ident, $order:ident, $words_in:ident, $closed:ident, $words_out:ident) => {
        $(#[$doc])*
        #[target_feature(enable = "sha,sse4.1")]
        pub(super) fn $name<const K: usize>(chains: &mut Chains<K>, work: &Work<'_, K>) {
            let (mut a, mut e) = ([_mm_setzero_si128(); K], [_mm_setzero_si128(); K]);
            for i in 0..K {
                (a[i], e[i]) = $words_in(&chains.get(i));
            }
            let blocks = work.blocks + work.ends;
            for block in 0..blocks + usize::from(work.outer.is_some()) {
                let mut words = [[_mm_setzero_si128(); K]; 4];
                match work.outer {
                    Some(outer) if block == blocks => {
                        for i in 0..K {
                            [words[0][i], words[1][i], words[2][i], words[3][i]] = $closed(a[i], e[i]);
                            (a[i], e[i]) = $words_in(&outer.get(i));
                        }
                    }
                    _ => {
                        let (at, block) = work.block(block);
                        for i in 0..K {
                            let text = at[i].get(block).unwrap_or(&ZEROS);
                            words[0][i] = _mm_shuffle_epi8(load::<0>(text), $order());
                            words[1][i] = _mm_shuffle_epi8(load::<16>(text), $order());
                            words[2][i] = _mm_shuffle_epi8(load::<32>(text), $order());
                            words[3][i] = _mm_shuffle_epi8(load::<48>(text), $order());
                        }
                    }
                }
                $block!(words, nothing, a, e);
            }
            for i in 0..K {
                chains.set(i, &$words_out(a[i], e[i]));
            }
        }
    };
}

hash!(
    /// SHA-1 of `K` messages.
    sha1, sha1_block, sha1_order, sha1_in, sha1_closed, sha1_out
);
hash!(
    /// SHA-256 of `K` messages.
    sha256, sha256_block, sha256_order, sha256_in, sha256_closed, sha256_out
);

/// Encryption and hash of `K` packets: a step hashes 64 octets, and encrypts 64 that come later. The two chains of work
/// are independent of each other, so that each fills the other's waits.
///
/// Blocks of the cipher lie 8 octets after those of the hash. What was written a moment ago is quickly read again only
/// as it was written, so it is read by blocks of the cipher, and what the hash wants cut out of them.
macro_rules! stitch {
    ($(#[$doc:meta])* $name:ident, $block:ident, $spread:literal, $order:ident, $words_in:ident, $words_out:ident) => {
        $(#[$doc])*
        #[target_feature(enable = "aes,sha,sse4.1")]
        pub(super) fn $name<const K: usize, const R: usize>(lanes: &mut [Lane<'_>; K]) {
            const NONE: &Schedule = &Schedule::ZERO;
            let mut steps = usize::MAX;
            let zero = [_mm_setzero_si128(); K];
            let (mut a, mut e, mut state, mut last, mut before) = (zero, zero, zero, zero, zero);
            let mut keys = [&NONE.keys; K];
            let mut at = [core::ptr::null_mut::<Block>(); K];
            let mut to = [core::ptr::null_mut::<cbc::Block>(); K];
            for i in 0..K {
                let lane = &mut lanes[i];
                steps = steps.min(lane.steps_before_last());
                (a[i], e[i]) = $words_in(&lane.hash);
                last[i] = vector(lane.chain);
                keys[i] = &lane.schedule.keys;
                (at[i], to[i]) = lane.places();
                before[i] = vector(lane.before());
            }
            if steps == 0 {
                return;
            }
            for i in 0..K {
                // SAFETY: `steps_before_last` tells that there is a block.
                let text = unsafe { _mm_loadu_si128(to[i].cast()) };
                state[i] = _mm_xor_si128(_mm_xor_si128(text, vector(keys[i][0])), last[i]);
            }
            for _ in 0..steps {
                let mut words = [[_mm_setzero_si128(); K]; 4];
                for i in 0..K {
                    for block in 0..4 {
                        // SAFETY: `steps_before_last` tells that there are as many times 64 octets to hash, and as
                        // many to encrypt more than 8 octets after them; this is a block that begins 8 octets after a
                        // quarter of the first.
                        let next = unsafe { _mm_loadu_si128(at[i].wrapping_byte_add(HEADER + 16 * block).cast()) };
                        words[block][i] = _mm_shuffle_epi8(_mm_alignr_epi8::<8>(next, before[i]), $order());
                        before[i] = next;
                    }
                }
                macro_rules! encrypt {
                    ($group:literal) => {
                        // A block has R turns; the last puts it out, and takes in the text of the next, which so
                        // need not wait for it.
                        let turns = usize::min($group, $spread) * 4 * R / $spread
                            ..usize::min($group + 1, $spread) * 4 * R / $spread;
                        for turn in turns {
                            let (block, round) = (turn / R, turn % R + 1);
                            for i in 0..K {
                                let key = vector(keys[i][round]);
                                if round < R {
                                    state[i] = _mm_aesenc_si128(state[i], key);
                                } else {
                                    // SAFETY: `steps_before_last` tells that there is a block after these.
                                    let next = unsafe { _mm_loadu_si128(to[i].wrapping_add(block + 1).cast()) };
                                    let next = _mm_xor_si128(_mm_xor_si128(next, vector(keys[i][0])), key);
                                    last[i] = _mm_aesenclast_si128(state[i], key);
                                    state[i] = _mm_aesenclast_si128(state[i], next);
                                    // SAFETY: as `steps_before_last` tells.
                                    unsafe { _mm_storeu_si128(to[i].wrapping_add(block).cast(), last[i]) };
                                }
                            }
                        }
                    };
                }
                $block!(words, encrypt, a, e);
                for i in 0..K {
                    (at[i], to[i]) = (at[i].wrapping_add(1), to[i].wrapping_add(4));
                }
            }
            for i in 0..K {
                lanes[i].hash = $words_out(a[i], e[i]);
                lanes[i].chain = number(last[i]);
                lanes[i].steps += steps;
                lanes[i].encrypted += 4 * steps;
            }
        }
    };
}

stitch!(
    /// AES-CBC with `R` rounds and SHA-1.
    stitch_sha1, sha1_block, 14, sha1_order, sha1_in, sha1_out
);
stitch!(
    /// AES-CBC with `R` rounds and SHA-256.
    stitch_sha256, sha256_block, 16, sha256_order, sha256_in, sha256_out
);

//! Eight messages at once in AVX2 registers: MD5, SHA-1 and SHA-256; AES-CBC of sixteen with VAES on 256 bits; and both
//! of eight, one filling the other's waits.

use core::arch::x86_64::*;

use super::super::cbc::{self, Lanes, Schedule, Table};
use super::super::hmac::{Block, Chains, Work};
use super::super::stitch::{AHEAD, Lane};
use super::super::sum::Line;
use super::wide::{
    self, kernels, md5_four, md5_round, md5_sixteen, nothing, sha1_eighty, sha1_five, sha1_round, sha1_twenty,
    sha256_eight, sha256_round,
};
use super::{SPARE, starts, stitch_many, sums};

type Vector = __m256i;

kernels!("avx2", 8);
sums!(
    "avx2",
    2,
    _mm256_loadu_si256,
    _mm256_storeu_si256,
    _mm256_set1_epi16,
    _mm256_xor_si256,
    _mm256_madd_epi16,
    _mm256_add_epi32,
    _mm256_setzero_si256
);
stitch_many!("avx2,vaes", 8);

#[inline]
#[target_feature(enable = "avx2")]
fn load(words: &[u32; 8]) -> Vector {
    // SAFETY: 32 octets may be read there, and the instruction asks for no alignment.
    unsafe { _mm256_loadu_si256(words.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store(words: &mut [u32; 8], vector: Vector) {
    // SAFETY: 32 octets may be written there, and the instruction asks for no alignment.
    unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), vector) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn splat(word: u32) -> Vector {
    _mm256_set1_epi32(word.cast_signed())
}

#[inline]
#[target_feature(enable = "avx2")]
fn add(a: Vector, b: Vector) -> Vector {
    _mm256_add_epi32(a, b)
}

#[inline]
#[target_feature(enable = "avx2")]
fn xor(a: Vector, b: Vector) -> Vector {
    _mm256_xor_si256(a, b)
}

#[inline]
#[target_feature(enable = "avx2")]
fn xor3(a: Vector, b: Vector, c: Vector) -> Vector {
    xor(xor(a, b), c)
}

/// `b` where `a` is one, else `c`.
#[inline]
#[target_feature(enable = "avx2")]
fn choose(a: Vector, b: Vector, c: Vector) -> Vector {
    xor(c, _mm256_and_si256(a, xor(b, c)))
}

/// `a` where `c` is one, else `b`.
#[inline]
#[target_feature(enable = "avx2")]
fn choose_by_last(a: Vector, b: Vector, c: Vector) -> Vector {
    choose(c, a, b)
}

#[inline]
#[target_feature(enable = "avx2")]
fn majority(a: Vector, b: Vector, c: Vector) -> Vector {
    _mm256_or_si256(_mm256_and_si256(a, b), _mm256_and_si256(c, _mm256_or_si256(a, b)))
}

/// `b ^ (a | !c)`.
#[inline]
#[target_feature(enable = "avx2")]
fn or_not(a: Vector, b: Vector, c: Vector) -> Vector {
    xor(b, _mm256_or_si256(a, xor(c, _mm256_set1_epi32(-1))))
}

/// Turns every word left by `L` bits; `R` is 32 less `L`.
#[inline]
#[target_feature(enable = "avx2")]
fn rol<const L: i32, const R: i32>(a: Vector) -> Vector {
    _mm256_or_si256(_mm256_slli_epi32::<L>(a), _mm256_srli_epi32::<R>(a))
}

#[inline]
#[target_feature(enable = "avx2")]
fn shr<const N: i32>(a: Vector) -> Vector {
    _mm256_srli_epi32::<N>(a)
}

#[inline]
#[target_feature(enable = "avx2")]
fn swap_octets(a: Vector) -> Vector {
    let order = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
    _mm256_shuffle_epi8(a, _mm256_broadcastsi128_si256(order))
}

/// Word `i` of the block of every lane, for every `i`.
#[inline]
#[target_feature(enable = "avx2")]
fn words(at: &[&[Block]; 8], block: usize) -> [Vector; 16] {
    let zero = _mm256_setzero_si256();
    let mut out = [zero; 16];
    for half in 0..2 {
        let mut rows = [zero; 8];
        // No closure here: it would be a function without the features, and called for every row.
        for (row, lane) in rows.iter_mut().zip(at) {
            if let Some(octets) = lane.get(block) {
                // SAFETY: a block has 64 octets, of which this is the first or the second half, and the instruction
                // asks for no alignment.
                *row = unsafe { _mm256_loadu_si256(octets.as_ptr().add(32 * half).cast()) };
            }
        }
        let mut pairs = [zero; 8];
        for i in 0..4 {
            pairs[2 * i] = _mm256_unpacklo_epi32(rows[2 * i], rows[2 * i + 1]);
            pairs[2 * i + 1] = _mm256_unpackhi_epi32(rows[2 * i], rows[2 * i + 1]);
        }
        let mut fours = [zero; 8];
        for i in 0..2 {
            fours[4 * i] = _mm256_unpacklo_epi64(pairs[4 * i], pairs[4 * i + 2]);
            fours[4 * i + 1] = _mm256_unpackhi_epi64(pairs[4 * i], pairs[4 * i + 2]);
            fours[4 * i + 2] = _mm256_unpacklo_epi64(pairs[4 * i + 1], pairs[4 * i + 3]);
            fours[4 * i + 3] = _mm256_unpackhi_epi64(pairs[4 * i + 1], pairs[4 * i + 3]);
        }
        for i in 0..4 {
            out[8 * half + i] = _mm256_permute2x128_si256::<0x20>(fours[i], fours[4 + i]);
            out[8 * half + 4 + i] = _mm256_permute2x128_si256::<0x31>(fours[i], fours[4 + i]);
        }
    }
    out
}

/// Two values of 128 bits as one vector.
#[inline]
#[target_feature(enable = "avx2")]
fn load_lanes(values: &[u128]) -> Vector {
    let Some(values) = values.first_chunk::<2>() else {
        return _mm256_setzero_si256();
    };
    // SAFETY: 32 octets may be read there, and the instruction asks for no alignment.
    unsafe { _mm256_loadu_si256(values.as_ptr().cast()) }
}

/// Keeps the compiler from moving what comes before these vectors are made behind it, or what comes after before it:
/// it knows nothing of two chains of work that fill each other's waits.
#[inline]
#[target_feature(enable = "avx2")]
fn keep_order(state: &mut [Vector; 4], a: &mut Vector) {
    let [s0, s1, s2, s3] = state;
    // SAFETY: no instruction is written.
    unsafe {
        core::arch::asm!(
            "/* {} {} {} {} {} */",
            inout(ymm_reg) * s0,
            inout(ymm_reg) * s1,
            inout(ymm_reg) * s2,
            inout(ymm_reg) * s3,
            inout(ymm_reg) * a,
            options(nomem, nostack, preserves_flags)
        );
    }
}

/// Writes a vector as two values of 128 bits.
#[inline]
#[target_feature(enable = "avx2")]
fn store_lanes(values: &mut [u128], vector: Vector) {
    if let Some(values) = values.first_chunk_mut::<2>() {
        // SAFETY: 32 octets may be written there, and the instruction asks for no alignment.
        unsafe { _mm256_storeu_si256(values.as_mut_ptr().cast(), vector) }
    }
}

#[inline]
#[target_feature(enable = "avx2,vaes")]
fn aes(state: Vector, key: Vector) -> Vector {
    _mm256_aesenc_epi128(state, key)
}

#[inline]
#[target_feature(enable = "avx2,vaes")]
fn aes_last(state: Vector, key: Vector) -> Vector {
    _mm256_aesenclast_epi128(state, key)
}

/// The block at each of two places.
///
/// # Safety
/// 16 octets may be read at each.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn gather(at: &[*mut cbc::Block], block: usize) -> Vector {
    // SAFETY: the caller's promise; the instructions ask for no alignment.
    unsafe {
        let low = _mm256_castsi128_si256(_mm_loadu_si128(at[0].add(block).cast()));
        _mm256_inserti128_si256::<1>(low, _mm_loadu_si128(at[1].add(block).cast()))
    }
}

/// Writes two blocks to as many places.
///
/// # Safety
/// 16 octets may be written at each.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn scatter(at: &[*mut cbc::Block], block: usize, from: Vector) {
    // SAFETY: the caller's promise; the instructions ask for no alignment.
    unsafe {
        _mm_storeu_si128(at[0].add(block).cast(), _mm256_castsi256_si128(from));
        _mm_storeu_si128(at[1].add(block).cast(), _mm256_extracti128_si256::<1>(from));
    }
}

/// AES-CBC encryption with `R` rounds of sixteen packets.
#[target_feature(enable = "avx2,vaes")]
pub(super) fn encrypt<const R: usize>(table: &Table<16>, lanes: &mut Lanes<'_, 16>, blocks: usize) {
    let mut spare = [[0; 16]; SPARE];
    let mut state = [_mm256_setzero_si256(); 8];
    for pair in 0..8 {
        state[pair] = load_lanes(&lanes.chains[2 * pair..]);
    }
    let mut done = 0;
    while done < blocks {
        let (at, count) = starts(lanes, done, blocks, &mut spare);
        for block in 0..count {
            for pair in 0..8 {
                // SAFETY: `starts` gives places with `count` blocks each.
                let text = unsafe { gather(&at[2 * pair..], block) };
                state[pair] = xor3(state[pair], text, load_lanes(&table.0[0][2 * pair..]));
            }
            for round in 1..R {
                for pair in 0..8 {
                    state[pair] = _mm256_aesenc_epi128(state[pair], load_lanes(&table.0[round][2 * pair..]));
                }
            }
            for pair in 0..8 {
                state[pair] = _mm256_aesenclast_epi128(state[pair], load_lanes(&table.0[R][2 * pair..]));
                // SAFETY: `starts` gives places with `count` blocks each.
                unsafe { scatter(&at[2 * pair..], block, state[pair]) };
            }
        }
        done += count.max(1);
    }
    for pair in 0..8 {
        store_lanes(&mut lanes.chains[2 * pair..], state[pair]);
    }
}

/// AES-CBC decryption with `R` rounds of one packet, sixteen blocks at a time.
#[target_feature(enable = "avx2,vaes")]
pub(super) fn decrypt<const R: usize>(schedule: &Schedule, iv: &cbc::Block, blocks: &mut [cbc::Block]) {
    let mut before = *iv;
    let (sixteens, rest) = blocks.as_chunks_mut::<16>();
    for sixteen in sixteens {
        let last = sixteen[15];
        decrypt_sixteen::<R>(&schedule.keys, before, sixteen);
        before = last;
    }
    if !rest.is_empty() {
        let mut sixteen = [[0; 16]; 16];
        sixteen[..rest.len()].copy_from_slice(rest);
        decrypt_sixteen::<R>(&schedule.keys, before, &mut sixteen);
        rest.copy_from_slice(&sixteen[..rest.len()]);
    }
}

/// Decrypts sixteen blocks after one.
#[inline]
#[target_feature(enable = "avx2,vaes")]
fn decrypt_sixteen<const R: usize>(keys: &[u128; 15], before: cbc::Block, blocks: &mut [cbc::Block; 16]) {
    let mut state = [_mm256_setzero_si256(); 8];
    let mut chain = [_mm256_setzero_si256(); 8];
    let key = load_lanes(&[keys[0]; 2]);
    let mut tail = before;
    for (pair, [first, second]) in blocks.as_chunks::<2>().0.iter().enumerate() {
        let (a, b) = (u128::from_ne_bytes(*first), u128::from_ne_bytes(*second));
        state[pair] = xor(load_lanes(&[a, b]), key);
        chain[pair] = load_lanes(&[u128::from_ne_bytes(tail), a]);
        tail = *second;
    }
    for round in 1..R {
        let key = load_lanes(&[keys[round]; 2]);
        for pair in &mut state {
            *pair = _mm256_aesdec_epi128(*pair, key);
        }
    }
    let key = load_lanes(&[keys[R]; 2]);
    for (pair, to) in blocks.as_chunks_mut::<2>().0.iter_mut().enumerate() {
        let clear = _mm256_aesdeclast_epi128(state[pair], xor(key, chain[pair]));
        // SAFETY: 32 octets may be written there, and the instruction asks for no alignment.
        unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), clear) };
    }
}

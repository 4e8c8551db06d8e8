//! Sixteen messages at once in AVX-512 registers: hashes, AES-CBC with VAES, and both, one filling the other's waits.

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

type Vector = __m512i;

kernels!("avx512f,avx512bw", 16);
sums!(
    "avx512f,avx512bw",
    1,
    _mm512_loadu_si512,
    _mm512_storeu_si512,
    _mm512_set1_epi16,
    _mm512_xor_si512,
    _mm512_madd_epi16,
    _mm512_add_epi32,
    _mm512_setzero_si512
);
stitch_many!("avx512f,avx512bw,avx512vl,vaes", 16);

#[inline]
#[target_feature(enable = "avx512f")]
fn load(words: &[u32; 16]) -> Vector {
    // SAFETY: 64 octets may be read there, and the instruction asks for no alignment.
    unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(words: &mut [u32; 16], vector: Vector) {
    // SAFETY: 64 octets may be written there, and the instruction asks for no alignment.
    unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), vector) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn splat(word: u32) -> Vector {
    _mm512_set1_epi32(word.cast_signed())
}

#[inline]
#[target_feature(enable = "avx512f")]
fn add(a: Vector, b: Vector) -> Vector {
    _mm512_add_epi32(a, b)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn xor(a: Vector, b: Vector) -> Vector {
    _mm512_xor_si512(a, b)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn xor3(a: Vector, b: Vector, c: Vector) -> Vector {
    _mm512_ternarylogic_epi32::<0x96>(a, b, c)
}

/// `b` where `a` is one, else `c`.
#[inline]
#[target_feature(enable = "avx512f")]
fn choose(a: Vector, b: Vector, c: Vector) -> Vector {
    _mm512_ternarylogic_epi32::<0xca>(a, b, c)
}

/// `a` where `c` is one, else `b`.
#[inline]
#[target_feature(enable = "avx512f")]
fn choose_by_last(a: Vector, b: Vector, c: Vector) -> Vector {
    _mm512_ternarylogic_epi32::<0xe4>(a, b, c)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn majority(a: Vector, b: Vector, c: Vector) -> Vector {
    _mm512_ternarylogic_epi32::<0xe8>(a, b, c)
}

/// `b ^ (a | !c)`.
#[inline]
#[target_feature(enable = "avx512f")]
fn or_not(a: Vector, b: Vector, c: Vector) -> Vector {
    _mm512_ternarylogic_epi32::<0x39>(a, b, c)
}

/// Turns every word left by `L` bits; `R` is 32 less `L`.
#[inline]
#[target_feature(enable = "avx512f")]
fn rol<const L: i32, const R: i32>(a: Vector) -> Vector {
    _mm512_rol_epi32::<L>(a)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn shr<const N: u32>(a: Vector) -> Vector {
    _mm512_srli_epi32::<N>(a)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn swap_octets(a: Vector) -> Vector {
    let order = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
    _mm512_shuffle_epi8(a, _mm512_broadcast_i32x4(order))
}

/// Word `i` of the block of every lane, for every `i`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn words(at: &[&[Block]; 16], block: usize) -> [Vector; 16] {
    let zero = _mm512_setzero_si512();
    let mut rows = [zero; 16];
    for (row, lane) in rows.iter_mut().zip(at) {
        if let Some(block) = lane.get(block) {
            // SAFETY: a block has 64 octets, and the instruction asks for no alignment.
            *row = unsafe { _mm512_loadu_si512(block.as_ptr().cast()) };
        }
    }
    let mut pairs = [zero; 16];
    for i in 0..8 {
        pairs[2 * i] = _mm512_unpacklo_epi32(rows[2 * i], rows[2 * i + 1]);
        pairs[2 * i + 1] = _mm512_unpackhi_epi32(rows[2 * i], rows[2 * i + 1]);
    }
    let mut fours = [zero; 16];
    for i in 0..4 {
        fours[4 * i] = _mm512_unpacklo_epi64(pairs[4 * i], pairs[4 * i + 2]);
        fours[4 * i + 1] = _mm512_unpackhi_epi64(pairs[4 * i], pairs[4 * i + 2]);
        fours[4 * i + 2] = _mm512_unpacklo_epi64(pairs[4 * i + 1], pairs[4 * i + 3]);
        fours[4 * i + 3] = _mm512_unpackhi_epi64(pairs[4 * i + 1], pairs[4 * i + 3]);
    }
    for i in 0..4 {
        let a = _mm512_shuffle_i32x4::<0x88>(fours[i], fours[4 + i]);
        let b = _mm512_shuffle_i32x4::<0xdd>(fours[i], fours[4 + i]);
        let c = _mm512_shuffle_i32x4::<0x88>(fours[8 + i], fours[12 + i]);
        let d = _mm512_shuffle_i32x4::<0xdd>(fours[8 + i], fours[12 + i]);
        rows[i] = _mm512_shuffle_i32x4::<0x88>(a, c);
        rows[4 + i] = _mm512_shuffle_i32x4::<0x88>(b, d);
        rows[8 + i] = _mm512_shuffle_i32x4::<0xdd>(a, c);
        rows[12 + i] = _mm512_shuffle_i32x4::<0xdd>(b, d);
    }
    rows
}

/// Four values of 128 bits as one vector.
#[inline]
#[target_feature(enable = "avx512f")]
fn load_lanes(values: &[u128]) -> Vector {
    let Some(values) = values.first_chunk::<4>() else {
        return _mm512_setzero_si512();
    };
    // SAFETY: 64 octets may be read there, and the instruction asks for no alignment.
    unsafe { _mm512_loadu_si512(values.as_ptr().cast()) }
}

/// Keeps the compiler from moving what comes before these vectors are made behind it, or what comes after before it:
/// it knows nothing of two chains of work that fill each other's waits.
#[inline]
#[target_feature(enable = "avx512f")]
fn keep_order(state: &mut [Vector; 4], a: &mut Vector) {
    let [s0, s1, s2, s3] = state;
    // SAFETY: no instruction is written.
    unsafe {
        core::arch::asm!(
            "/* {} {} {} {} {} */",
            inout(zmm_reg) * s0,
            inout(zmm_reg) * s1,
            inout(zmm_reg) * s2,
            inout(zmm_reg) * s3,
            inout(zmm_reg) * a,
            options(nomem, nostack, preserves_flags)
        );
    }
}

/// Writes a vector as four values of 128 bits.
#[inline]
#[target_feature(enable = "avx512f")]
fn store_lanes(values: &mut [u128], vector: Vector) {
    if let Some(values) = values.first_chunk_mut::<4>() {
        // SAFETY: 64 octets may be written there, and the instruction asks for no alignment.
        unsafe { _mm512_storeu_si512(values.as_mut_ptr().cast(), vector) }
    }
}

#[inline]
#[target_feature(enable = "avx512f,vaes")]
fn aes(state: Vector, key: Vector) -> Vector {
    _mm512_aesenc_epi128(state, key)
}

#[inline]
#[target_feature(enable = "avx512f,vaes")]
fn aes_last(state: Vector, key: Vector) -> Vector {
    _mm512_aesenclast_epi128(state, key)
}

/// The block at each of four places.
///
/// # Safety
/// 16 octets may be read at each.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn gather(at: &[*mut cbc::Block], block: usize) -> Vector {
    // SAFETY: the caller's promise; the instructions ask for no alignment.
    unsafe {
        let a = _mm512_castsi128_si512(_mm_loadu_si128(at[0].add(block).cast()));
        let a = _mm512_inserti32x4::<1>(a, _mm_loadu_si128(at[1].add(block).cast()));
        let b = _mm256_castsi128_si256(_mm_loadu_si128(at[2].add(block).cast()));
        let b = _mm256_inserti128_si256::<1>(b, _mm_loadu_si128(at[3].add(block).cast()));
        _mm512_inserti64x4::<1>(a, b)
    }
}

/// Writes four blocks to as many places.
///
/// # Safety
/// 16 octets may be written at each.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn scatter(at: &[*mut cbc::Block], block: usize, from: Vector) {
    // SAFETY: the caller's promise; the instructions ask for no alignment.
    unsafe {
        _mm_storeu_si128(at[0].add(block).cast(), _mm512_castsi512_si128(from));
        _mm_storeu_si128(at[1].add(block).cast(), _mm512_extracti32x4_epi32::<1>(from));
        let high = _mm512_extracti64x4_epi64::<1>(from);
        _mm_storeu_si128(at[2].add(block).cast(), _mm256_castsi256_si128(high));
        _mm_storeu_si128(at[3].add(block).cast(), _mm256_extracti128_si256::<1>(high));
    }
}

/// AES-CBC encryption with `R` rounds of sixteen packets.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes")]
pub(super) fn encrypt<const R: usize>(table: &Table<16>, lanes: &mut Lanes<'_, 16>, blocks: usize) {
    let mut spare = [[0; 16]; SPARE];
    let mut state = [_mm512_setzero_si512(); 4];
    for group in 0..4 {
        state[group] = load_lanes(&lanes.chains[4 * group..]);
    }
    let mut done = 0;
    while done < blocks {
        let (at, count) = starts(lanes, done, blocks, &mut spare);
        for block in 0..count {
            for group in 0..4 {
                // SAFETY: `starts` gives places with `count` blocks each.
                let text = unsafe { gather(&at[4 * group..], block) };
                state[group] = xor3(state[group], text, load_lanes(&table.0[0][4 * group..]));
            }
            for round in 1..R {
                for group in 0..4 {
                    state[group] = _mm512_aesenc_epi128(state[group], load_lanes(&table.0[round][4 * group..]));
                }
            }
            for group in 0..4 {
                state[group] = _mm512_aesenclast_epi128(state[group], load_lanes(&table.0[R][4 * group..]));
                // SAFETY: `starts` gives places with `count` blocks each.
                unsafe { scatter(&at[4 * group..], block, state[group]) };
            }
        }
        done += count.max(1);
    }
    for group in 0..4 {
        store_lanes(&mut lanes.chains[4 * group..], state[group]);
    }
}

/// AES-CBC decryption with `R` rounds of one packet, sixteen blocks at a time.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes")]
pub(super) fn decrypt<const R: usize>(schedule: &Schedule, iv: &cbc::Block, blocks: &mut [cbc::Block]) {
    let mut keys = [_mm512_setzero_si512(); 15];
    for round in 0..=R {
        keys[round] = load_lanes(&[schedule.keys[round]; 4]);
    }
    let mut before = load_lanes(&[u128::from_ne_bytes(*iv); 4]);
    for part in blocks.chunks_mut(16) {
        let at: *mut i64 = part.as_mut_ptr().cast();
        let mut masks = [0xff; 4];
        if part.len() < 16 {
            for vector in 0..4 {
                let held = part.len().saturating_sub(4 * vector).min(4);
                masks[vector] = ((1_u16 << (2 * held)) - 1) as u8;
            }
        }
        let mut text = [_mm512_setzero_si512(); 4];
        for vector in 0..4 {
            // SAFETY: the mask has a bit for those octets only that lie in `part`; others are not touched.
            text[vector] = unsafe { _mm512_maskz_loadu_epi64(masks[vector], at.wrapping_add(8 * vector)) };
        }
        let chain = [
            _mm512_alignr_epi64::<6>(text[0], before),
            _mm512_alignr_epi64::<6>(text[1], text[0]),
            _mm512_alignr_epi64::<6>(text[2], text[1]),
            _mm512_alignr_epi64::<6>(text[3], text[2]),
        ];
        before = text[3];
        for vector in 0..4 {
            text[vector] = xor(text[vector], keys[0]);
        }
        for round in 1..R {
            for vector in 0..4 {
                text[vector] = _mm512_aesdec_epi128(text[vector], keys[round]);
            }
        }
        for vector in 0..4 {
            let clear = _mm512_aesdeclast_epi128(text[vector], xor(keys[R], chain[vector]));
            // SAFETY: the mask has a bit for those octets only that lie in `part`; others are not touched.
            unsafe { _mm512_mask_storeu_epi64(at.wrapping_add(8 * vector), masks[vector], clear) };
        }
    }
}

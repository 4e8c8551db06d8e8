//! AES-CBC with AES-NI: eight packets at once, one packet, and eight blocks of a packet to decrypt.

use core::arch::x86_64::*;

use super::super::cbc::{Block, Lanes, Schedule, Table};
use super::{SPARE, number, starts, vector};

/// Expands a key; `None` when it is not 16, 24 or 32 octets (FIPS 197 §5.2).
#[target_feature(enable = "aes,avx")]
pub(super) fn expand(key: &[u8], schedule: &mut Schedule) {
    let words_of_key = key.len() / 4;
    let mut words = [0_u32; 60];
    for (word, octets) in words.iter_mut().zip(key.as_chunks().0) {
        *word = u32::from_le_bytes(*octets);
    }
    let mut constant = 1;
    for at in words_of_key..4 * (schedule.rounds.count() + 1) {
        let mut turned = words[at - 1];
        if at % words_of_key == 0 {
            turned = substitute(turned).rotate_right(8) ^ constant;
            constant = (constant << 1) ^ if constant & 0x80 == 0 { 0 } else { 0x11b };
        } else if words_of_key > 6 && at % words_of_key == 4 {
            turned = substitute(turned);
        }
        words[at] = words[at - words_of_key] ^ turned;
    }
    for (key, words) in schedule.keys.iter_mut().zip(words.as_chunks::<4>().0) {
        let mut octets = [0; 16];
        for (to, word) in octets.as_chunks_mut().0.iter_mut().zip(words) {
            *to = word.to_le_bytes();
        }
        *key = u128::from_ne_bytes(octets);
    }
    zeroize::Zeroize::zeroize(&mut words);
}

/// The substitution of the key schedule: the instruction's first word, with no constant.
#[inline]
#[target_feature(enable = "aes,avx")]
fn substitute(word: u32) -> u32 {
    let words = _mm_set1_epi32(word.cast_signed());
    _mm_cvtsi128_si32(_mm_aeskeygenassist_si128::<0>(words)).cast_unsigned()
}

/// Turns an expanded key into that of the equivalent inverse cipher (FIPS 197 §5.3.5).
#[target_feature(enable = "aes,avx")]
pub(super) fn invert(schedule: &mut Schedule) {
    let rounds = schedule.rounds.count();
    if let Some(keys) = schedule.keys.get_mut(..=rounds) {
        keys.reverse();
        for key in &mut keys[1..rounds] {
            *key = number(_mm_aesimc_si128(vector(*key)));
        }
    }
}

/// AES-CBC encryption with `R` rounds of eight packets.
#[target_feature(enable = "aes,avx")]
pub(super) fn encrypt<const R: usize>(table: &Table<8>, lanes: &mut Lanes<'_, 8>, blocks: usize) {
    let mut spare = [[0; 16]; SPARE];
    let mut state = [_mm_setzero_si128(); 8];
    for lane in 0..8 {
        state[lane] = vector(lanes.chains[lane]);
    }
    let mut done = 0;
    while done < blocks {
        let (at, count) = starts(lanes, done, blocks, &mut spare);
        for block in 0..count {
            for lane in 0..8 {
                // SAFETY: `starts` gives places with `count` blocks each.
                let text = unsafe { _mm_loadu_si128(at[lane].add(block).cast()) };
                state[lane] = _mm_xor_si128(_mm_xor_si128(text, vector(table.0[0][lane])), state[lane]);
            }
            for round in 1..R {
                for lane in 0..8 {
                    state[lane] = _mm_aesenc_si128(state[lane], vector(table.0[round][lane]));
                }
            }
            for lane in 0..8 {
                state[lane] = _mm_aesenclast_si128(state[lane], vector(table.0[R][lane]));
                // SAFETY: `starts` gives places with `count` blocks each.
                unsafe { _mm_storeu_si128(at[lane].add(block).cast(), state[lane]) };
            }
        }
        done += count.max(1);
    }
    for lane in 0..8 {
        lanes.chains[lane] = number(state[lane]);
    }
}

#[inline]
#[target_feature(enable = "avx")]
fn load(block: &Block) -> __m128i {
    // SAFETY: 16 octets may be read there, and the instruction asks for no alignment.
    unsafe { _mm_loadu_si128(block.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx")]
fn store(block: &mut Block, from: __m128i) {
    // SAFETY: 16 octets may be written there, and the instruction asks for no alignment.
    unsafe { _mm_storeu_si128(block.as_mut_ptr().cast(), from) }
}

/// AES-CBC encryption with `R` rounds of one packet.
#[target_feature(enable = "aes,avx")]
pub(super) fn encrypt_one<const R: usize>(schedule: &Schedule, chain: &mut u128, blocks: &mut [Block]) {
    let keys = &schedule.keys;
    let mut state = vector(*chain);
    for block in blocks {
        state = _mm_xor_si128(_mm_xor_si128(load(block), vector(keys[0])), state);
        for round in 1..R {
            state = _mm_aesenc_si128(state, vector(keys[round]));
        }
        state = _mm_aesenclast_si128(state, vector(keys[R]));
        store(block, state);
    }
    *chain = number(state);
}

/// AES-CBC decryption with `R` rounds of one packet, eight blocks at a time.
#[target_feature(enable = "aes,avx")]
pub(super) fn decrypt<const R: usize>(schedule: &Schedule, iv: &Block, blocks: &mut [Block]) {
    let keys = &schedule.keys;
    let mut before = load(iv);
    let (eights, rest) = blocks.as_chunks_mut::<8>();
    for eight in eights {
        before = decrypt_eight::<R>(keys, before, eight);
    }
    if !rest.is_empty() {
        let mut eight = [[0; 16]; 8];
        eight[..rest.len()].copy_from_slice(rest);
        decrypt_eight::<R>(keys, before, &mut eight);
        rest.copy_from_slice(&eight[..rest.len()]);
    }
}

/// Decrypts eight blocks after one; gives the last of them as it was.
#[inline]
#[target_feature(enable = "aes,avx")]
fn decrypt_eight<const R: usize>(keys: &[u128; 15], before: __m128i, blocks: &mut [Block; 8]) -> __m128i {
    let mut state = [_mm_setzero_si128(); 8];
    for i in 0..8 {
        state[i] = _mm_xor_si128(load(&blocks[i]), vector(keys[0]));
    }
    for round in 1..R {
        for block in &mut state {
            *block = _mm_aesdec_si128(*block, vector(keys[round]));
        }
    }
    let mut before = before;
    for i in 0..8 {
        let text = load(&blocks[i]);
        let last = _mm_xor_si128(vector(keys[R]), before);
        store(&mut blocks[i], _mm_aesdeclast_si128(state[i], last));
        before = text;
    }
    before
}

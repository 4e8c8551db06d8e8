//! Montgomery's multiplication for the primes of the MODP groups: eight digits of 52 bits in a vector (AVX-512 IFMA).

use core::arch::x86_64::*;

use super::{load_digits as load, store_digits as store};
use crate::dh::digits::{DIGIT, Digits, Modulus};

type Vector = __m512i;

/// Does a block for each number, as constants: registers cannot be counted through.
macro_rules! each {
    ($q:ident in [$($number:literal)*] $body:block) => { $({ const $q: usize = $number; $body })* };
}

/// `to = to * by / 2^(416 N)` modulo the prime, or the square of `to`; the result is below twice the prime if the factors
/// are, and each of its digits has 52 bits.
///
/// Product and reduction each gather lower and upper halves of what digits come to in sums of their own, `t` and `u`, of
/// which no lane overflows: 160 halves at most are added to one.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn multiply<const N: usize>(to: &mut Digits<N>, by: Option<&Digits<N>>, modulus: &Modulus) {
    let by = by.unwrap_or(to);
    let zero = _mm512_setzero_si512();
    let (mut t, mut u) = ([zero; 11], [zero; 11]);
    product(&mut t, &mut u, to, by);
    reduce::<N>(&mut t, &mut u, modulus);
    let mut sums = [zero; N];
    for j in 0..N {
        sums[j] = _mm512_add_epi64(t[N + j], u[N + j]);
    }
    carry(to, sums);
}

/// All products of two digits. The factor is moved up by a digit at a time, so that one of its digits after the other
/// stands where digit `r` of a vector of the other factor wants it; upper halves belong one digit higher.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn product<const N: usize>(t: &mut [Vector; 11], u: &mut [Vector; 11], a: &Digits<N>, b: &Digits<N>) {
    let zero = _mm512_setzero_si512();
    let mut moved = [zero; 6];
    for j in 0..N {
        moved[j] = load(&a.0[j]);
    }
    for q in 0..N {
        let digit = splat(b.0[q][0]);
        for j in 0..N {
            t[q + j] = _mm512_madd52lo_epu64(t[q + j], moved[j], digit);
        }
    }
    for r in 1..8 {
        for j in 0..N {
            moved[N - j] = _mm512_alignr_epi64::<7>(moved[N - j], moved[N - j - 1]);
        }
        moved[0] = _mm512_alignr_epi64::<7>(moved[0], zero);
        for q in 0..N {
            let (digit, below) = (splat(b.0[q][r]), splat(b.0[q][r - 1]));
            for j in 0..N + 1 {
                t[q + j] = _mm512_madd52lo_epu64(t[q + j], moved[j], digit);
                u[q + j] = _mm512_madd52hi_epu64(u[q + j], moved[j], below);
            }
        }
    }
    for q in 0..N {
        let below = splat(b.0[q][7]);
        for j in 0..N {
            u[q + j + 1] = _mm512_madd52hi_epu64(u[q + j + 1], load(&a.0[j]), below);
        }
    }
}

/// Adds multiples of the prime that bring the lower half to zero; what is left is the upper half of `t + u`.
///
/// A digit `m` at the lower end, times the prime, is `m (p + 1)` less `m`: since the prime ends in 64 ones, the first
/// leaves this digit alone, and the second makes it zero. So nothing has to be computed to find the multiple, but the
/// next digit can be read only when `m` has come to it, which is the path that everything waits for: what else is to be
/// done with `m` is put off until that of the next one is under way.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn reduce<const N: usize>(t: &mut [Vector; 11], u: &mut [Vector; 11], modulus: &Modulus) {
    let (zero, one) = (_mm512_setzero_si512(), splat(1));
    let [before_last, last, over] = &modulus.last;
    let mut carry = zero;
    each!(Q in [0 1 2 3 4] {
        if Q < N {
            let mut m = _mm512_permutexvar_epi64(zero, _mm512_add_epi64(t[Q], _mm512_add_epi64(u[Q], carry)));
            let mut before = zero;
            let mut lane = one;
            // How many there are the compiler does not know. Laid out one behind the other they would not fit the registers.
            for rows in modulus.rows.windows(2) {
                let [near, far] = rows else { continue };
                carry = _mm512_srli_epi64::<52>(m);
                t[Q] = _mm512_madd52lo_epu64(t[Q], m, load(&far.0[0]));
                for j in 0..N + 1 {
                    u[Q + j] = _mm512_madd52hi_epu64(u[Q + j], before, load(&far.0[j]));
                }
                let next = _mm512_permutexvar_epi64(lane, _mm512_add_epi64(t[Q], _mm512_add_epi64(u[Q], carry)));
                lane = _mm512_add_epi64(lane, one);
                for j in 1..N + 1 {
                    t[Q + j] = _mm512_madd52lo_epu64(t[Q + j], before, load(&near.0[j]));
                }
                (before, m) = (m, next);
            }
            carry = _mm512_srli_epi64::<52>(m);
            for j in 1..N + 1 {
                t[Q + j] = _mm512_madd52lo_epu64(t[Q + j], before, load(&before_last.0[j]));
                u[Q + j] = _mm512_madd52hi_epu64(u[Q + j], before, load(&last.0[j]));
                t[Q + j] = _mm512_madd52lo_epu64(t[Q + j], m, load(&last.0[j]));
                u[Q + j] = _mm512_madd52hi_epu64(u[Q + j], m, load(&over.0[j]));
            }
        }
    });
    t[N] = _mm512_mask_add_epi64(t[N], 1, t[N], carry);
}

/// Brings digits to 52 bits each; the highest has room for what comes to it.
#[inline]
#[target_feature(enable = "avx512f")]
fn carry<const N: usize>(to: &mut Digits<N>, sums: [Vector; N]) {
    let (zero, mask) = (_mm512_setzero_si512(), splat(DIGIT));
    let (mut over, mut digits) = ([zero; N], [zero; N]);
    for j in 0..N {
        over[j] = _mm512_srli_epi64::<52>(sums[j]);
        digits[j] = _mm512_and_si512(sums[j], mask);
    }
    // From here on no digit carries more than one, which an addition of bits brings to where it ends.
    let (mut full, mut ones) = (0u64, 0u64);
    for j in 0..N {
        let below = if j == 0 { zero } else { over[j - 1] };
        digits[j] = _mm512_add_epi64(digits[j], _mm512_alignr_epi64::<7>(over[j], below));
        full |= u64::from(_mm512_cmpgt_epu64_mask(digits[j], mask)) << (8 * j);
        ones |= u64::from(_mm512_cmpeq_epu64_mask(digits[j], mask)) << (8 * j);
    }
    let carries = ((full << 1) + ones) ^ ones;
    for j in 0..N {
        let sum = _mm512_mask_add_epi64(digits[j], (carries >> (8 * j)) as u8, digits[j], splat(1));
        store(&mut to.0[j], _mm512_and_si512(sum, mask));
    }
}

/// Copies the number of a table, by a look at all of them.
#[target_feature(enable = "avx512f")]
pub(super) fn choose<const N: usize>(to: &mut Digits<N>, table: &[Digits<N>], number: u64) {
    let (wanted, one) = (splat(number), splat(1));
    let mut at = _mm512_setzero_si512();
    let mut chosen = [at; N];
    for digits in table {
        let is_it = _mm512_cmpeq_epi64_mask(at, wanted);
        for j in 0..N {
            chosen[j] = _mm512_mask_mov_epi64(chosen[j], is_it, load(&digits.0[j]));
        }
        at = _mm512_add_epi64(at, one);
    }
    for j in 0..N {
        store(&mut to.0[j], chosen[j]);
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn splat(digit: u64) -> Vector {
    _mm512_set1_epi64(digit.cast_signed())
}

//! Diffie-Hellman in the groups of IKE: MODP (RFC 2409 §6, RFC 3526) with short exponents, and elliptic curves.
#![allow(
    unsafe_code,
    reason = "the big numbers come from a C library; `power` and what is in `fixed` are the only doors to it"
)]

pub(crate) mod digits;
mod fixed;
mod primes;

use core::fmt;
use core::ptr::{self, NonNull};
use std::alloc::{Layout, handle_alloc_error};
use std::sync::OnceLock;

use aws_lc_sys as sys;
use serde::{Deserialize, Serialize};

use self::digits::Powers;
use self::fixed::Fixed;
use crate::Secret;
use crate::ecp::{self, Curve, X25519_LEN};

/// A Diffie-Hellman group; every MODP group has the generator 2.
#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Hash, Debug, Serialize, Deserialize)]
#[repr(u16)]
pub enum Group {
    /// 1024 bits (RFC 2409 §6.2).
    Modp1024 = 2,
    /// 1536 bits (RFC 3526 §2).
    Modp1536 = 5,
    /// 2048 bits (RFC 3526 §3).
    Modp2048 = 14,
    /// 3072 bits (RFC 3526 §4).
    Modp3072 = 15,
    /// 4096 bits (RFC 3526 §5).
    Modp4096 = 16,
    /// 6144 bits (RFC 3526 §6).
    Modp6144 = 17,
    /// 8192 bits (RFC 3526 §7).
    Modp8192 = 18,
    /// The curve P-256 (RFC 5903 §3.1).
    Ecp256 = 19,
    /// The curve P-384 (RFC 5903 §3.2).
    Ecp384 = 20,
    /// The curve P-521 (RFC 5903 §3.3).
    Ecp521 = 21,
    /// Curve25519 (RFC 8031).
    Curve25519 = 31,
}

/// The arithmetic of a group.
enum Kind {
    Modp(&'static [u8]),
    Ecp(Curve),
    Curve25519,
}

impl Group {
    /// Names the group of an IKE group description attribute's value.
    #[must_use]
    pub const fn from_ike(number: u16) -> Option<Self> {
        match number {
            2 => Some(Self::Modp1024),
            5 => Some(Self::Modp1536),
            14 => Some(Self::Modp2048),
            15 => Some(Self::Modp3072),
            16 => Some(Self::Modp4096),
            17 => Some(Self::Modp6144),
            18 => Some(Self::Modp8192),
            19 => Some(Self::Ecp256),
            20 => Some(Self::Ecp384),
            21 => Some(Self::Ecp521),
            31 => Some(Self::Curve25519),
            _ => None,
        }
    }

    /// The value of the IKE group description attribute.
    #[must_use]
    pub const fn to_ike(self) -> u16 {
        self as u16
    }

    /// The length of a public value, in octets: a number as long as the prime, or both coordinates of a point, of
    /// which Curve25519 sends one.
    #[must_use]
    pub const fn public_len(self) -> usize {
        match self.kind() {
            Kind::Modp(prime) => prime.len(),
            Kind::Ecp(curve) => 2 * curve.field_len(),
            Kind::Curve25519 => X25519_LEN,
        }
    }

    /// The length of the shared secret, in octets: of a point it is one coordinate (RFC 5903 §7).
    #[must_use]
    pub const fn shared_len(self) -> usize {
        match self.kind() {
            Kind::Modp(prime) => prime.len(),
            Kind::Ecp(curve) => curve.field_len(),
            Kind::Curve25519 => X25519_LEN,
        }
    }

    /// Whether a public value may be used as far as that can be seen without arithmetic: it has the group's length and,
    /// with a prime, `1 < y < p - 1` (RFC 6989 §2.1). Whether a point is on its curve, [`KeyPair::shared`] finds out.
    #[must_use]
    pub fn may_be_public(self, value: &[u8]) -> bool {
        value.len() == self.public_len()
            && match self.kind() {
                Kind::Modp(prime) => is_between(prime, value),
                Kind::Ecp(_) | Kind::Curve25519 => true,
            }
    }

    const fn kind(self) -> Kind {
        Kind::Modp(match self {
            Self::Modp1024 => &primes::MODP_1024,
            Self::Modp1536 => &primes::MODP_1536,
            Self::Modp2048 => &primes::MODP_2048,
            Self::Modp3072 => &primes::MODP_3072,
            Self::Modp4096 => &primes::MODP_4096,
            Self::Modp6144 => &primes::MODP_6144,
            Self::Modp8192 => &primes::MODP_8192,
            Self::Ecp256 => return Kind::Ecp(Curve::P256),
            Self::Ecp384 => return Kind::Ecp(Curve::P384),
            Self::Ecp521 => return Kind::Ecp(Curve::P521),
            Self::Curve25519 => return Kind::Curve25519,
        })
    }

    /// What is computed once of a prime; there is none of a curve.
    fn fixed(self) -> Option<&'static Fixed> {
        static KEPT: [OnceLock<Fixed>; 7] = [const { OnceLock::new() }; 7];
        let Kind::Modp(prime) = self.kind() else { return None };
        let at = match self {
            Self::Modp1024 => 0,
            Self::Modp1536 => 1,
            Self::Modp2048 => 2,
            Self::Modp3072 => 3,
            Self::Modp4096 => 4,
            Self::Modp6144 => 5,
            _ => 6,
        };
        KEPT.get(at).map(|kept| Fixed::of(kept, prime, self.exponent_len()))
    }

    /// The same arithmetic by this processor's own means, where there are any for the prime.
    fn powers(self) -> Option<&'static Powers> {
        static KEPT: [OnceLock<Option<Powers>>; 3] = [const { OnceLock::new() }; 3];
        let Kind::Modp(prime) = self.kind() else { return None };
        let at = match self {
            Self::Modp1024 => 0,
            Self::Modp1536 => 1,
            Self::Modp2048 => 2,
            _ => return None,
        };
        let power_of_two = |exponent: u16| power(&[2], &exponent.to_be_bytes(), prime, None);
        KEPT.get(at)?.get_or_init(|| Powers::new(prime, self.exponent_len(), power_of_two)).as_ref()
    }

    /// The length of an exponent or scalar, in octets. With a prime it is within the sizes of RFC 3526 §8, which names
    /// twice the group's strength; on a curve it is that of the order.
    const fn exponent_len(self) -> usize {
        match self {
            Self::Modp1024 | Self::Modp1536 | Self::Modp2048 | Self::Ecp256 | Self::Curve25519 => 32,
            Self::Modp3072 => 40,
            Self::Modp4096 | Self::Ecp384 => 48,
            Self::Modp6144 => 56,
            Self::Modp8192 => 64,
            Self::Ecp521 => 66,
        }
    }
}

/// A peer's public value that must not be used (RFC 6989 §2.1).
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub enum BadPublic {
    /// It is not as long as the group's public values (RFC 2409 §5).
    Length {
        /// The octets offered.
        len: usize,
    },
    /// It is not greater than 1 and less than p - 1.
    Range,
    /// It is not a point of the curve, or one of too small an order (RFC 6989 §2.3).
    Point,
}

impl fmt::Display for BadPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { len } => write!(f, "a public value of {len} octets does not fit the group"),
            Self::Range => f.write_str("the public value is not between 1 and the group's prime minus 1"),
            Self::Point => f.write_str("the public value is not a point that the group's curve can use"),
        }
    }
}

impl core::error::Error for BadPublic {}

/// One side's secret exponent and public value.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeyPair {
    group: Group,
    exponent: Secret<Vec<u8>>,
    public: Vec<u8>,
}

impl KeyPair {
    /// Makes a pair from 64 octets that nobody can guess; the same octets make the same pair.
    #[must_use]
    pub fn generate(group: Group, entropy: &[u8; 64]) -> Self {
        let (exponent, public) = match group.kind() {
            Kind::Modp(prime) => {
                let mut exponent = Secret::new(entropy.iter().copied().take(group.exponent_len()).collect::<Vec<u8>>());
                // The highest bit is set, so that every exponent of a group has the same length and none is small.
                if let Some(highest) = exponent.expose_mut().first_mut() {
                    *highest |= 0x80;
                }
                let public = if let Some(powers) = group.powers() {
                    powers.power_of_two(exponent.expose())
                } else if let Some(fixed) = group.fixed() {
                    fixed.power(exponent.expose())
                } else {
                    power(&[2], exponent.expose(), prime, None)
                };
                (exponent, public)
            }
            Kind::Ecp(curve) => curve.generate(entropy),
            Kind::Curve25519 => {
                let (scalar, _) = entropy.split_first_chunk().unwrap_or((&[0; X25519_LEN], &[]));
                let public = ecp::x25519_public(scalar).to_vec();
                (Secret::new(scalar.to_vec()), public)
            }
        };
        Self { group, exponent, public }
    }

    /// The group the pair belongs to.
    #[must_use]
    pub const fn group(&self) -> Group {
        self.group
    }

    /// The public value, of [`Group::public_len`] octets: a number padded with zeros on the left, or coordinates.
    #[must_use]
    pub fn public(&self) -> &[u8] {
        &self.public
    }

    /// Computes the shared secret, padded with zeros on the left to [`Group::shared_len`] octets.
    ///
    /// # Errors
    /// When the peer's value `y` has not the length of the group, or does not satisfy `1 < y < p - 1`: in a group of a
    /// safe prime these are the checks RFC 6989 §2.1 asks for. When the peer's point is not on the curve, or brings
    /// the secret to zero on Curve25519.
    pub fn shared(&self, peer: &[u8]) -> Result<Secret<Vec<u8>>, BadPublic> {
        if peer.len() != self.group.public_len() {
            return Err(BadPublic::Length { len: peer.len() });
        }
        match self.group.kind() {
            Kind::Modp(prime) => self.shared_modp(prime, peer),
            Kind::Ecp(curve) => curve.shared(self.exponent.expose(), peer).ok_or(BadPublic::Point),
            Kind::Curve25519 => match (self.exponent.expose().first_chunk(), peer.first_chunk()) {
                (Some(scalar), Some(peer)) => ecp::x25519(scalar, peer).ok_or(BadPublic::Point),
                _ => Err(BadPublic::Point),
            },
        }
    }

    fn shared_modp(&self, prime: &'static [u8], peer: &[u8]) -> Result<Secret<Vec<u8>>, BadPublic> {
        if !is_between(prime, peer) {
            return Err(BadPublic::Range);
        }
        let exponent = self.exponent.expose();
        Ok(Secret::new(match self.group.powers() {
            Some(powers) => powers.power(peer, exponent),
            None => power(peer, exponent, prime, self.group.fixed()),
        }))
    }
}

/// Whether `1 < value < prime - 1`; both are equally long.
fn is_between(prime: &[u8], value: &[u8]) -> bool {
    // The lengths are equal, hence the order of the octets is that of the numbers. A prime is odd: p - 1 has the
    // same octets but for the last bit.
    let above_one = match value.split_last() {
        Some((last, rest)) => *last > 1 || rest.iter().any(|octet| *octet != 0),
        None => false,
    };
    let below_last = match (value.split_last(), prime.split_last()) {
        (Some((a, high_a)), Some((p, high_p))) => high_a < high_p || (high_a == high_p && *a < p - 1),
        _ => false,
    };
    above_one && below_last
}

/// A number of the C library, wiped when freed.
pub(crate) struct Number(NonNull<sys::BIGNUM>);

impl Number {
    /// The number, for as long as this value lives.
    pub(crate) const fn as_ptr(&self) -> *mut sys::BIGNUM {
        self.0.as_ptr()
    }

    pub(crate) fn from_octets(octets: &[u8]) -> Self {
        // SAFETY: the pointer and the length are those of one slice; a null third argument asks for a new number,
        // which belongs to the value made here.
        Self(allocated(unsafe { sys::BN_bin2bn(octets.as_ptr(), octets.len(), ptr::null_mut()) }))
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        // SAFETY: the number was made by the library, is owned by this value alone and is freed once.
        unsafe { sys::BN_clear_free(self.0.as_ptr()) }
    }
}

/// Scratch space of the C library.
struct Scratch(NonNull<sys::BN_CTX>);

impl Scratch {
    fn new() -> Self {
        // SAFETY: the function has no preconditions; what it returns belongs to the value made here.
        Self(allocated(unsafe { sys::BN_CTX_new() }))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // SAFETY: the scratch space was made by the library, is owned by this value alone and is freed once.
        unsafe { sys::BN_CTX_free(self.0.as_ptr()) }
    }
}

/// Computes `base^exponent mod prime` in a time that does not depend on the exponent's bits, as long as the prime is.
///
/// The base must be less than the prime. Like any allocation in Rust, one that fails ends the process.
fn power(base: &[u8], exponent: &[u8], prime: &'static [u8], fixed: Option<&Fixed>) -> Vec<u8> {
    let scratch = Scratch::new();
    let (base, exponent, modulus) =
        (Number::from_octets(base), Number::from_octets(exponent), Number::from_octets(prime));
    let result = Number::from_octets(&[]);
    let mut out = vec![0; prime.len()];
    // SAFETY: all five pointers are to live objects of the library; `result` is distinct from the inputs and borrowed
    // by nothing else. A null Montgomery context asks the library to make its own and free it; another is the prime's.
    let computed = unsafe {
        sys::BN_mod_exp_mont_consttime(
            result.0.as_ptr(),
            base.0.as_ptr(),
            exponent.0.as_ptr(),
            modulus.0.as_ptr(),
            scratch.0.as_ptr(),
            fixed.map_or(ptr::null(), |fixed| fixed.modulus.as_ptr()),
        )
    };
    // SAFETY: `out` has room for the length given; the library writes exactly so many octets, or none when the number
    // is longer, which one reduced by the prime is not.
    let written = unsafe { sys::BN_bn2bin_padded(out.as_mut_ptr(), out.len(), result.0.as_ptr()) };
    if computed != 1 || written != 1 {
        // The modulus is an odd constant and the base is below it: what remains is want of memory.
        handle_alloc_error(Layout::new::<sys::BIGNUM>());
    }
    out
}

/// What the C library made; like any allocation in Rust, one that fails ends the process.
pub(crate) fn allocated<T>(pointer: *mut T) -> NonNull<T> {
    match NonNull::new(pointer) {
        Some(pointer) => pointer,
        None => handle_alloc_error(Layout::new::<sys::BIGNUM>()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::Hash;
    use crate::testing::hex;

    const CURVES: [Group; 4] = [Group::Ecp256, Group::Ecp384, Group::Ecp521, Group::Curve25519];
    const ALL: [Group; 7] = [
        Group::Modp1024,
        Group::Modp1536,
        Group::Modp2048,
        Group::Modp3072,
        Group::Modp4096,
        Group::Modp6144,
        Group::Modp8192,
    ];

    fn prime(group: Group) -> &'static [u8] {
        match group.kind() {
            Kind::Modp(prime) => prime,
            Kind::Ecp(_) | Kind::Curve25519 => &[],
        }
    }

    fn entropy(first: u8) -> [u8; 64] {
        core::array::from_fn(|at| first + at as u8)
    }

    /// A number in 32-bit digits, the highest first: four of them before the binary point, the others behind it.
    struct Fixed(Vec<u32>);

    impl Fixed {
        const WHOLE: usize = 4;

        fn integer(value: u32, digits: usize) -> Self {
            let mut out = vec![0; digits];
            out[Self::WHOLE - 1] = value;
            Self(out)
        }

        fn divide(&mut self, by: u32) {
            let mut rest = 0u64;
            for digit in &mut self.0 {
                let part = rest << 32 | u64::from(*digit);
                *digit = (part / u64::from(by)) as u32;
                rest = part % u64::from(by);
            }
        }

        fn add(&mut self, other: &Self) {
            let mut carry = false;
            for (digit, more) in self.0.iter_mut().zip(&other.0).rev() {
                let (sum, one) = digit.overflowing_add(*more);
                let (sum, two) = sum.overflowing_add(u32::from(carry));
                (*digit, carry) = (sum, one | two);
            }
        }

        fn subtract(&mut self, other: &Self) {
            let mut borrow = false;
            for (digit, less) in self.0.iter_mut().zip(&other.0).rev() {
                let (rest, one) = digit.overflowing_sub(*less);
                let (rest, two) = rest.overflowing_sub(u32::from(borrow));
                (*digit, borrow) = (rest, one | two);
            }
        }

        /// `factor * arctan(1 / of)`, by Gregory's series.
        fn arctan(factor: u32, of: u32, digits: usize) -> Self {
            let mut power = Self::integer(factor, digits);
            power.divide(of);
            let mut sum = Self(power.0.clone());
            let mut odd = 1;
            while power.0.iter().any(|digit| *digit != 0) {
                power.divide(of * of);
                odd += 2;
                let mut term = Self(power.0.clone());
                term.divide(odd);
                if odd % 4 == 3 { sum.subtract(&term) } else { sum.add(&term) }
            }
            sum
        }
    }

    #[test]
    fn powers_of_the_generator_come_out_as_by_the_library() {
        for group in [Group::Modp1024, Group::Modp1536, Group::Modp2048, Group::Modp3072, Group::Modp8192] {
            let Kind::Modp(prime) = group.kind() else { continue };
            let fixed = group.fixed().unwrap();
            let len = group.exponent_len();
            let mut exponents = vec![vec![0; len], vec![0xff; len], vec![0x80; len]];
            let apart = if group == Group::Modp1024 { 1 } else { 61 };
            exponents.extend((0..8 * len).step_by(apart).map(|bit| {
                let mut exponent = vec![0; len];
                exponent[bit / 8] = 1 << (bit % 8);
                exponent
            }));
            exponents.extend(
                (1..20).map(|n: u8| (0..len).map(|at| (at as u8).wrapping_mul(n.wrapping_mul(37)) ^ n).collect()),
            );
            for exponent in exponents {
                let expected = power(&[2], &exponent, prime, None);
                assert_eq!(fixed.power(&exponent), expected, "{group:?} {exponent:02x?}");
                assert_eq!(power(&[2], &exponent, prime, Some(fixed)), expected, "{group:?} {exponent:02x?}");
            }
        }
    }

    /// Numbers whose digits are all zero but one, or all ones, are where a carry goes furthest.
    #[test]
    fn powers_by_long_digits_come_out_as_by_the_library() {
        for group in [Group::Modp1024, Group::Modp1536, Group::Modp2048] {
            let Some(powers) = group.powers() else { continue };
            let (prime, len) = (prime(group), group.exponent_len());
            let mut exponents = vec![vec![0; len], vec![0xff; len], vec![0x80; len], vec![1; len]];
            exponents.extend((0..8 * len).step_by(7).map(|bit| {
                let mut exponent = vec![0; len];
                exponent[bit / 8] = 1 << (bit % 8);
                exponent
            }));
            let small = |last: u8| [vec![0; prime.len() - 1], vec![last]].concat();
            let near = |less: u8| [&prime[..prime.len() - 1], &[prime[prime.len() - 1] - less]].concat();
            let mut bases =
                vec![small(1), small(2), near(1), near(2), [vec![0x7f], vec![0xff; prime.len() - 1]].concat()];
            bases.extend((0..8 * prime.len() - 64).step_by(52).map(|bit| {
                let mut base = vec![0; prime.len()];
                base[prime.len() - 1 - bit / 8] = 1 << (bit % 8);
                base
            }));
            // Numbers of no pattern, each made of the one before.
            let mut state = vec![group.to_ike() as u8; 32];
            let mut chance = |octets: usize| -> Vec<u8> {
                let blocks = (0..octets.div_ceil(32)).flat_map(|_| {
                    state = Hash::Sha256.digest(&[&state]);
                    state.clone()
                });
                blocks.take(octets).collect()
            };
            for _ in 0..200 {
                exponents.push(chance(len));
                let mut base = chance(prime.len());
                base[0] &= 0x7f;
                bases.push(base);
            }
            for (at, exponent) in exponents.iter().enumerate() {
                let expected = power(&[2], exponent, prime, None);
                assert_eq!(powers.power_of_two(exponent), expected, "{group:?} {exponent:02x?}");
                let base = &bases[at % bases.len()];
                let expected = power(base, exponent, prime, None);
                assert_eq!(powers.power(base, exponent), expected, "{group:?} {base:02x?} {exponent:02x?}");
            }
            let first_power = [vec![0; len - 1], vec![1]].concat();
            for base in &bases {
                assert_eq!(powers.power(base, &first_power), *base, "{group:?}");
                let exponent = &exponents[exponents.len() - 1];
                let expected = power(base, exponent, prime, None);
                assert_eq!(powers.power(base, exponent), expected, "{group:?} {base:02x?}");
            }
        }
    }

    #[test]
    fn what_may_be_public_is_seen_without_arithmetic_as_with_it() {
        for group in [Group::Modp1024, Group::Modp2048] {
            let pair = KeyPair::generate(group, &[7; 64]);
            let Kind::Modp(prime) = group.kind() else { continue };
            let near = |below: u8| [&prime[..prime.len() - 1], &[prime[prime.len() - 1] - below]].concat();
            let small = |last: u8| [vec![0; prime.len() - 1], vec![last]].concat();
            let values = [small(0), small(1), small(2), near(0), near(1), near(2), vec![5; 3], vec![5; 300]];
            let expected = [false, false, true, false, false, true, false, false];
            for (value, expected) in values.iter().zip(expected) {
                assert_eq!(group.may_be_public(value), expected, "{group:?} {value:02x?}");
                assert_eq!(pair.shared(value).is_ok(), expected, "{group:?} {value:02x?}");
            }
        }
    }

    /// Checks a prime against `2^n - 2^(n-64) - 1 + 2^64 * ([2^(n-130) pi] + c)`, which in octets is: eight of 0xff,
    /// `[2^(n-130) pi] + c - 1` in n - 128 bits, and eight of 0xff (the -1 borrows from what stands above them).
    #[test]
    fn the_primes_are_made_of_the_digits_of_pi() {
        // Machin: pi = 16 arctan(1/5) - 4 arctan(1/239).
        let digits = 8192 / 32 + 8;
        let mut pi = Fixed::arctan(16, 5, digits);
        pi.subtract(&Fixed::arctan(4, 239, digits));
        for (group, c) in ALL.into_iter().zip([129_093, 741_804, 124_476, 1_690_314, 240_904, 929_484, 4_743_158]) {
            let prime = prime(group);
            let bits = prime.len() * 8;
            // The highest 128 bits are those before the point; what lies behind the first n - 130 bits is cut off.
            let words = Fixed::WHOLE + (bits - 130) / 32 + 1;
            let mut middle = Fixed(pi.0[..words].to_vec());
            // n - 130 is 30 more than a multiple of 32: two bits too many came along.
            assert_eq!((bits - 130) % 32, 30);
            let mut carry = 0;
            for digit in &mut middle.0 {
                let low = *digit & 3;
                *digit = *digit >> 2 | carry << 30;
                carry = low;
            }
            middle.add(&{
                let mut c_alone = Fixed(vec![0; words]);
                *c_alone.0.last_mut().unwrap() = c - 1;
                c_alone
            });
            let octets: Vec<u8> = middle.0.iter().flat_map(|digit| digit.to_be_bytes()).collect();
            let (high, middle) = octets.split_at(octets.len() - (bits - 128) / 8);
            assert!(high.iter().all(|octet| *octet == 0), "{group:?}");
            assert_eq!(prime[..8], [0xff; 8], "{group:?}");
            assert_eq!(&prime[8..prime.len() - 8], middle, "{group:?}");
            assert_eq!(prime[prime.len() - 8..], [0xff; 8], "{group:?}");
        }
    }

    /// The expected digests were computed with the integers of another language.
    #[test]
    fn public_values_and_shared_secrets_are_the_known_ones() {
        for (group, public, shared) in [
            (
                Group::Modp1024,
                "f21719bdd86d6dbe058c6f08739fa5be13e7725398bad9e283f3819c70991406",
                "a60e0a92d46dd02b72337a16e0739166568845044dab8f9521e3a0aca6f52d19",
            ),
            (
                Group::Modp1536,
                "6484731a114b589aebe5e6ee2868208281872da2b17e9191cb47607a64abcd8c",
                "0649a6961baa828836fc0c4747400de208f13b151dd0e313f8f5e632afd7b907",
            ),
            (
                Group::Modp2048,
                "d14007b52a5854fbcf2786230aa3c8f1b91bb6aff80337f899c3c2049e4e5d85",
                "b3b158a6ff8e22952450523bccf7763e123ed74269095baad984ba85e775bffc",
            ),
            (
                Group::Modp3072,
                "114abdf1431dd5ba0421fc6eaf37dae325bf226509195f89d905bd14cad09065",
                "0305c609771c8acd6952ae85194760b78a81f93dddc74aa7912b12eadfb62b4f",
            ),
            (
                Group::Modp4096,
                "ae55fb73b4594a05059f5a29bc6d3fdb818297564599e4b1810a5a95ed3212e3",
                "403762e0bbb8dd1fb3a4bdc973247fc91fab8ab7ffe6c1b65c09001d9370779e",
            ),
            (
                Group::Modp6144,
                "b6ae0b663f660ffe0cd72adb437b82b88b8af65199d85c74701a0a0944136da9",
                "9addc97ea3a94b58d2fc1e247cb51a3315cc20f3116523ffc8137147f5a34282",
            ),
            (
                Group::Modp8192,
                "84cb7385b54f841d26125eebeeb61aa7828f8a011cd504c61aba558d9d41a86a",
                "a05049b4a9b2644b9bac8ec398e76dbecd0349354f53d7debfaf9b95f8196478",
            ),
        ] {
            let (ours, theirs) = (KeyPair::generate(group, &entropy(0)), KeyPair::generate(group, &entropy(0x80)));
            assert_eq!(ours.public().len(), group.public_len());
            assert_eq!(Hash::Sha256.digest(&[ours.public()]), hex(public), "{group:?}");
            let secret = ours.shared(theirs.public()).unwrap();
            assert_eq!(secret.expose().len(), group.public_len());
            assert_eq!(Hash::Sha256.digest(&[secret.expose()]), hex(shared), "{group:?}");
            assert_eq!(secret, theirs.shared(ours.public()).unwrap(), "{group:?}: both sides agree");
        }
    }

    #[test]
    fn a_public_value_is_padded_with_zeros_on_the_left() {
        // Found by search: 2 to the power of this exponent is less than 2^1016 modulo the prime.
        let mut entropy = [0; 64];
        entropy[28..32].copy_from_slice(&1649u32.to_be_bytes());
        let pair = KeyPair::generate(Group::Modp1024, &entropy);
        assert_eq!((pair.public().len(), pair.public()[0]), (128, 0));
        let other = KeyPair::generate(Group::Modp1024, &[9; 64]);
        assert_eq!(pair.shared(other.public()).unwrap(), other.shared(pair.public()).unwrap());
    }

    #[test]
    fn degenerate_public_values_are_refused() {
        for group in ALL {
            let pair = KeyPair::generate(group, &entropy(3));
            let prime = prime(group);
            let small = |value: u8| {
                let mut octets = vec![0; prime.len()];
                *octets.last_mut().unwrap() = value;
                octets
            };
            let near = |less: u8| {
                let mut octets = prime.to_vec();
                *octets.last_mut().unwrap() -= less;
                octets
            };
            for bad in [small(0), small(1), near(1), near(0), vec![0xff; prime.len()]] {
                assert_eq!(pair.shared(&bad).unwrap_err(), BadPublic::Range, "{group:?}");
            }
            assert!(pair.shared(&small(2)).is_ok() && pair.shared(&near(2)).is_ok(), "{group:?}");
            for len in [0, 1, prime.len() - 1, prime.len() + 1] {
                assert_eq!(pair.shared(&vec![2; len]).unwrap_err(), BadPublic::Length { len });
            }
        }
    }

    #[test]
    fn the_same_entropy_makes_the_same_pair_and_other_entropy_another() {
        let [one, same, other] = [1, 1, 2].map(|first| KeyPair::generate(Group::Modp2048, &entropy(first)));
        assert_eq!(one.public(), same.public());
        assert_ne!(one.public(), other.public());
        assert!(!format!("{one:?}").contains("exponent: Secret(["));
        assert_eq!(one.group(), Group::Modp2048);
    }

    #[test]
    fn numbers_name_groups() {
        for group in ALL.into_iter().chain(CURVES) {
            assert_eq!(Group::from_ike(group.to_ike()), Some(group));
        }
        // 1 is the 768-bit group, 3 and 4 are over GF(2^n), 22 to 24 have subgroups (RFC 5114), 25 is P-192.
        assert_eq!([0, 1, 3, 4, 22, 23, 24, 25, 32].map(Group::from_ike), [None; 9]);
    }

    /// The scalars were derived and multiplied by the HKDF and the curves of another library.
    #[test]
    fn pairs_on_curves_are_the_known_ones_and_agree() {
        for (group, public) in CURVES.into_iter().zip([
            "456ca9a3087fa36b8aa02605f8c7034958df22a2f58445d2fe79108a466f9b36",
            "0b25dd93474f0a1e1094e6f7028eef79c37a717a780427cbcd46036f22a02b42",
            "e172449c55d133ea6d23f1ee1500063cedc3d65de1bc69cebc71bf13d48d1d20",
            "eedd883da0a9451593dc0a38e583fb770fa27dbbed209c20404e075e68c4f0c9",
        ]) {
            let (ours, theirs) = (KeyPair::generate(group, &entropy(0)), KeyPair::generate(group, &entropy(0x80)));
            assert_eq!(ours.public().len(), group.public_len());
            assert_eq!(Hash::Sha256.digest(&[ours.public()]), hex(public), "{group:?}");
            let secret = ours.shared(theirs.public()).unwrap();
            assert_eq!(secret.expose().len(), group.shared_len());
            assert_eq!(ours.exponent.expose().len(), group.exponent_len());
            assert_eq!(secret, theirs.shared(ours.public()).unwrap(), "{group:?}");
        }
    }

    #[test]
    fn what_is_no_point_of_the_curve_is_refused() {
        for group in CURVES {
            let pair = KeyPair::generate(group, &entropy(3));
            for len in [0, 1, group.public_len() - 1, group.public_len() + 1] {
                assert_eq!(pair.shared(&vec![2; len]).unwrap_err(), BadPublic::Length { len });
            }
            assert_eq!(pair.shared(&vec![0; group.public_len()]).unwrap_err(), BadPublic::Point);
            if group != Group::Curve25519 {
                let mut other = KeyPair::generate(group, &entropy(4)).public().to_vec();
                *other.last_mut().unwrap() ^= 1;
                assert_eq!(pair.shared(&other).unwrap_err(), BadPublic::Point);
            }
        }
    }
}

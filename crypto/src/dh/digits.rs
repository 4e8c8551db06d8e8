//! Powers modulo the smaller primes in digits of 52 bits, where the processor multiplies eight of these at a time.

#![cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "what a kernel reads, where there is none"))]

use zeroize::Zeroize;

use crate::lanes::LongDigits;

/// All bits of a digit.
pub(crate) const DIGIT: u64 = (1 << BITS) - 1;
const BITS: usize = 52;

/// Bits of the exponent that are taken at a time.
const WINDOW: usize = 5;
/// The numbers that they stand for.
const ENTRIES: usize = 1 << WINDOW;
/// Tables of powers of the generator: each halves what is left to square.
const TABLES: usize = 2;

/// A number of up to `8 N` digits, the lowest first.
#[derive(Clone)]
#[repr(C, align(64))]
pub(crate) struct Digits<const N: usize>(pub(crate) [[u64; 8]; N]);

impl<const N: usize> Digits<N> {
    const ZERO: Self = Self([[0; 8]; N]);

    /// From octets with the highest first, for which there must be digits.
    fn from_octets(octets: &[u8]) -> Self {
        let mut out = Self::ZERO;
        for (at, octet) in octets.iter().rev().enumerate() {
            let (digit, shift) = (8 * at / BITS, 8 * at % BITS);
            let parts = u128::from(*octet) << shift;
            let digits = out.0.as_flattened_mut().iter_mut().skip(digit);
            for (to, part) in digits.zip([parts as u64 & DIGIT, (parts >> BITS) as u64]) {
                *to |= part;
            }
        }
        out
    }

    /// So many octets, the highest first.
    fn to_octets(&self, len: usize) -> Vec<u8> {
        let digits = self.0.as_flattened();
        let digit = |at: usize| u128::from(digits.get(at).copied().unwrap_or_default());
        let octet = |at: usize| {
            let (number, shift) = (8 * at / BITS, 8 * at % BITS);
            ((digit(number) | digit(number + 1) << BITS) >> shift) as u8
        };
        (0..len).rev().map(octet).collect()
    }
}

impl<const N: usize> Zeroize for Digits<N> {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

/// `(p + 1) / 2^52`, so many digits higher.
#[derive(Clone)]
#[repr(C, align(64))]
pub(crate) struct Row(pub(crate) [[u64; 8]; 6]);

/// A prime `p` that ends in 64 ones, as reduction wants it.
pub(crate) struct Modulus {
    /// Nothing, and what is 1 to 7 digits higher.
    pub(crate) rows: Box<[Row]>,
    /// What is 7, 8 and 9 digits higher.
    pub(crate) last: [Row; 3],
}

impl Modulus {
    fn new<const N: usize>(prime: &[u8]) -> Self {
        let mut number = Digits::<N>::from_octets(prime);
        let digits = number.0.as_flattened_mut();
        // Its 64 ones and one more: the lowest digit comes to zero, and the one above to no more than it can hold.
        if let [_, above, ..] = digits {
            *above += 1;
        }
        let row = |higher: usize| {
            let mut row = Row([[0; 8]; 6]);
            let places = row.0.as_flattened_mut().iter_mut().skip(higher);
            places.zip(digits.iter().skip(1)).for_each(|(to, digit)| *to = *digit);
            row
        };
        let nothing = Row([[0; 8]; 6]);
        Self { rows: core::iter::once(nothing).chain((1..8).map(row)).collect(), last: [7, 8, 9].map(row) }
    }
}

/// A prime with the powers of its generator 2 that are computed once, in Montgomery's form with `R = 2^(416 N)`.
struct Prime<const N: usize> {
    unit: LongDigits,
    modulus: Modulus,
    /// R².
    enter: Digits<N>,
    /// R.
    one: Digits<N>,
    /// How far apart the bits are that are taken together, and how many of these lie in one part.
    columns: usize,
    part: usize,
    /// For each part and each choice of [`WINDOW`] bits the product of the powers that they stand for.
    products: Vec<Digits<N>>,
    len: usize,
}

impl<const N: usize> Prime<N> {
    /// `power_of_two` is asked for two powers of 2 modulo the prime.
    fn new(unit: LongDigits, prime: &[u8], exponent_len: usize, power_of_two: impl Fn(u16) -> Vec<u8>) -> Self {
        let bits = (8 * N * BITS) as u16;
        let columns = (8 * exponent_len).div_ceil(WINDOW);
        let mut new = Self {
            unit,
            modulus: Modulus::new::<N>(prime),
            enter: Digits::from_octets(&power_of_two(2 * bits)),
            one: Digits::from_octets(&power_of_two(bits)),
            columns,
            part: columns.div_ceil(TABLES),
            products: Vec::new(),
            len: prime.len(),
        };
        new.products = new.products();
        new
    }

    fn products(&self) -> Vec<Digits<N>> {
        let mut power = self.one.clone();
        let two = Digits::from_octets(&[2]);
        self.multiply(&mut power, &self.enter_with(&two));
        let mut rows = Vec::with_capacity(WINDOW);
        for _ in 0..WINDOW {
            rows.push(power.clone());
            (0..self.columns).for_each(|_| self.square(&mut power));
        }
        let mut products = Vec::with_capacity(TABLES * ENTRIES);
        for _ in 0..TABLES {
            for choice in 0..ENTRIES {
                let mut product = self.one.clone();
                for (_, row) in rows.iter().enumerate().filter(|(at, _)| choice >> at & 1 == 1) {
                    self.multiply(&mut product, row);
                }
                products.push(product);
            }
            rows.iter_mut().for_each(|row| (0..self.part).for_each(|_| self.square(row)));
        }
        products
    }

    fn multiply(&self, to: &mut Digits<N>, by: &Digits<N>) {
        self.unit.multiply(to, Some(by), &self.modulus);
    }

    fn square(&self, to: &mut Digits<N>) {
        self.unit.multiply(to, None, &self.modulus);
    }

    fn enter_with(&self, number: &Digits<N>) -> Digits<N> {
        let mut out = number.clone();
        self.multiply(&mut out, &self.enter);
        out
    }

    /// Takes a number out of Montgomery's form. It is below the prime: it comes to no more than that, and to the prime
    /// itself only if it was a multiple of it, which no power is.
    fn leave(&self, power: &mut Digits<N>) -> Vec<u8> {
        self.multiply(power, &Digits::from_octets(&[1]));
        power.to_octets(self.len)
    }

    /// `base^exponent`, both with the highest octet first.
    fn power(&self, base: &[u8], exponent: &[u8]) -> Vec<u8> {
        let base = self.enter_with(&Digits::from_octets(base));
        let mut table = Vec::with_capacity(ENTRIES);
        let mut entry = self.one.clone();
        for _ in 0..ENTRIES {
            table.push(entry.clone());
            self.multiply(&mut entry, &base);
        }
        let (mut power, mut factor) = (self.one.clone(), Digits::ZERO);
        let windows = (8 * exponent.len()).div_ceil(WINDOW);
        for window in (0..windows).rev() {
            self.unit.choose(&mut factor, &table, choice(exponent, window * WINDOW, 1));
            if window + 1 == windows {
                power.clone_from(&factor);
                continue;
            }
            (0..WINDOW).for_each(|_| self.square(&mut power));
            self.multiply(&mut power, &factor);
        }
        let out = self.leave(&mut power);
        power.zeroize();
        factor.zeroize();
        out
    }

    /// `2^exponent` (the comb of Lim and Lee, CRYPTO '94).
    fn power_of_two(&self, exponent: &[u8]) -> Vec<u8> {
        let (mut power, mut factor) = (self.one.clone(), Digits::ZERO);
        for column in (0..self.part).rev() {
            self.square(&mut power);
            for (part, table) in self.products.chunks(ENTRIES).enumerate() {
                let column = column + part * self.part;
                if column < self.columns {
                    self.unit.choose(&mut factor, table, choice(exponent, column, self.columns));
                    self.multiply(&mut power, &factor);
                }
            }
        }
        let out = self.leave(&mut power);
        power.zeroize();
        factor.zeroize();
        out
    }
}

/// [`WINDOW`] bits of an exponent, the first one and others so far apart; none lies above the highest octet.
fn choice(exponent: &[u8], first: usize, apart: usize) -> u64 {
    (0..WINDOW).fold(0, |choice, at| {
        let bit = first + at * apart;
        let octet = exponent.len().checked_sub(1 + bit / 8).and_then(|at| exponent.get(at));
        choice | u64::from(octet.copied().unwrap_or_default() >> (bit % 8) & 1) << at
    })
}

/// Powers modulo one prime.
pub(super) struct Powers(Size);

/// As many digits as a prime of 1024, 1536 or 2048 bits needs.
enum Size {
    Bits1024(Prime<3>),
    Bits1536(Prime<4>),
    Bits2048(Prime<5>),
}

impl Powers {
    /// Those of a prime, for exponents of so many octets: none where the processor or the prime is not made for it.
    ///
    /// `power_of_two` is asked for two powers of 2 modulo the prime.
    pub(super) fn new(prime: &[u8], exponent_len: usize, power_of_two: impl Fn(u16) -> Vec<u8>) -> Option<Self> {
        let unit = LongDigits::in_use()?;
        Some(Self(match prime.len() {
            128 => Size::Bits1024(Prime::new(unit, prime, exponent_len, power_of_two)),
            192 => Size::Bits1536(Prime::new(unit, prime, exponent_len, power_of_two)),
            256 => Size::Bits2048(Prime::new(unit, prime, exponent_len, power_of_two)),
            _ => return None,
        }))
    }

    /// `base^exponent` in a time that does not depend on the exponent's bits, as long as the prime is; the base is
    /// less than the prime, and not zero.
    pub(super) fn power(&self, base: &[u8], exponent: &[u8]) -> Vec<u8> {
        match &self.0 {
            Size::Bits1024(prime) => prime.power(base, exponent),
            Size::Bits1536(prime) => prime.power(base, exponent),
            Size::Bits2048(prime) => prime.power(base, exponent),
        }
    }

    /// `2^exponent` for an exponent as long as it was said to be, like [`Powers::power`].
    pub(super) fn power_of_two(&self, exponent: &[u8]) -> Vec<u8> {
        match &self.0 {
            Size::Bits1024(prime) => prime.power_of_two(exponent),
            Size::Bits1536(prime) => prime.power_of_two(exponent),
            Size::Bits2048(prime) => prime.power_of_two(exponent),
        }
    }
}

//! Powers of the generator: what does not depend on the exponent is computed once a group (the comb of Lim and Lee,
//! CRYPTO '94), which leaves a quarter of the multiplications.
#![allow(
    unsafe_code,
    reason = "the big numbers come from a C library; the methods of this file are the only doors to it"
)]

use core::ptr::NonNull;
use std::alloc::{Layout, handle_alloc_error};
use std::sync::OnceLock;

use aws_lc_sys as sys;
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use super::{Number, Scratch, allocated};

/// Bits of the exponent that are taken at a time.
const ROWS: usize = 5;
/// The products that they stand for.
const ENTRIES: usize = 1 << ROWS;

/// A prime prepared for multiplication after Montgomery.
pub(super) struct Modulus(NonNull<sys::BN_MONT_CTX>);

// SAFETY: the value has no ties to a thread.
unsafe impl Send for Modulus {}
// SAFETY: from its making on it is only read.
unsafe impl Sync for Modulus {}

impl Modulus {
    fn new(prime: &'static [u8], scratch: &Scratch) -> Self {
        let prime = Number::from_octets(prime);
        // SAFETY: both pointers are to live objects of the library; what it makes belongs to the value made here.
        Self(allocated(unsafe { sys::BN_MONT_CTX_new_for_modulus(prime.as_ptr(), scratch.0.as_ptr()) }))
    }

    /// As the library wants it, for as long as this value lives.
    pub(super) const fn as_ptr(&self) -> *const sys::BN_MONT_CTX {
        self.0.as_ptr()
    }

    /// `to = a * b`, all of them in Montgomery's form; they may be the same number.
    fn multiply(&self, to: &Number, a: &Number, b: &Number, scratch: &Scratch) {
        // SAFETY: all five pointers are to live objects of the library, which allows the result to be a factor.
        let done = unsafe {
            sys::BN_mod_mul_montgomery(to.as_ptr(), a.as_ptr(), b.as_ptr(), self.as_ptr(), scratch.0.as_ptr())
        };
        must(done);
    }

    fn enter(&self, number: &Number, scratch: &Scratch) {
        // SAFETY: all pointers are to live objects of the library, which allows the result to be the argument.
        must(unsafe { sys::BN_to_montgomery(number.as_ptr(), number.as_ptr(), self.as_ptr(), scratch.0.as_ptr()) });
    }

    fn leave(&self, number: &Number, scratch: &Scratch) {
        // SAFETY: all pointers are to live objects of the library, which allows the result to be the argument.
        must(unsafe { sys::BN_from_montgomery(number.as_ptr(), number.as_ptr(), self.as_ptr(), scratch.0.as_ptr()) });
    }
}

impl Drop for Modulus {
    fn drop(&mut self) {
        // SAFETY: the context was made by the library, is owned by this value alone and is freed once.
        unsafe { sys::BN_MONT_CTX_free(self.0.as_ptr()) }
    }
}

/// The numbers fit their modulus: what remains is want of memory.
fn must(done: core::ffi::c_int) {
    if done != 1 {
        handle_alloc_error(Layout::new::<sys::BIGNUM>());
    }
}

impl Number {
    /// Takes the place of what the number was, from octets whose last one is the highest.
    fn set(&mut self, octets: &[u8]) {
        // SAFETY: pointer and length are those of one slice; the number is a live one, and grows as it must.
        allocated(unsafe { sys::BN_le2bn(octets.as_ptr(), octets.len(), self.as_ptr()) });
    }

    /// Its octets, the last one the highest; there is room for them.
    fn write(&self, out: &mut [u8]) {
        // SAFETY: `out` has room for the length given; the library writes exactly so many octets, or none.
        must(unsafe { sys::BN_bn2le_padded(out.as_mut_ptr(), out.len(), self.as_ptr()) });
    }
}

/// A prime, and products of powers of 2 under it.
pub(super) struct Fixed {
    pub(super) modulus: Modulus,
    /// How far apart the bits are that are taken together.
    columns: usize,
    /// For each choice of [`ROWS`] bits the product of `2^(2^(row * columns))`, in Montgomery's form, octets of a number
    /// with the highest last.
    products: Box<[u8]>,
    len: usize,
}

impl Fixed {
    /// That of a prime, for exponents of so many octets; made when it is first asked for.
    pub(super) fn of(kept: &'static OnceLock<Self>, prime: &'static [u8], exponent_len: usize) -> &'static Self {
        kept.get_or_init(|| Self::new(prime, exponent_len))
    }

    fn new(prime: &'static [u8], exponent_len: usize) -> Self {
        let scratch = Scratch::new();
        let modulus = Modulus::new(prime, &scratch);
        let (columns, len) = ((8 * exponent_len).div_ceil(ROWS), prime.len());
        let mut rows = Vec::with_capacity(ROWS);
        let power = Number::from_octets(&[2]);
        modulus.enter(&power, &scratch);
        for _ in 0..ROWS {
            let mut octets = vec![0; len];
            power.write(&mut octets);
            let mut row = Number::from_octets(&[]);
            row.set(&octets);
            rows.push(row);
            for _ in 0..columns {
                modulus.multiply(&power, &power, &power, &scratch);
            }
        }
        let mut products = vec![0; ENTRIES * len].into_boxed_slice();
        for (choice, place) in products.chunks_exact_mut(len).enumerate() {
            let product = Number::from_octets(&[1]);
            modulus.enter(&product, &scratch);
            for (at, row) in rows.iter().enumerate() {
                if choice >> at & 1 == 1 {
                    modulus.multiply(&product, &product, row, &scratch);
                }
            }
            product.write(place);
        }
        Self { modulus, columns, products, len }
    }

    /// `2^exponent`, the exponent's first octet the highest, in a time that does not depend on its bits.
    pub(super) fn power(&self, exponent: &[u8]) -> Vec<u8> {
        let scratch = Scratch::new();
        let mut octets = vec![0; self.len];
        let (mut power, mut factor) = (Number::from_octets(&[]), Number::from_octets(&[]));
        for column in (0..self.columns).rev() {
            self.choose(self.choice(exponent, column), &mut octets);
            if column + 1 == self.columns {
                power.set(&octets);
                continue;
            }
            factor.set(&octets);
            self.modulus.multiply(&power, &power, &power, &scratch);
            self.modulus.multiply(&power, &power, &factor, &scratch);
        }
        octets.zeroize();
        self.modulus.leave(&power, &scratch);
        let mut out = vec![0; self.len];
        power.write(&mut out);
        out.reverse();
        out
    }

    /// The bits of this column.
    fn choice(&self, exponent: &[u8], column: usize) -> u8 {
        (0..ROWS).fold(0, |choice, row| {
            let bit = column + row * self.columns;
            let octet = exponent.len().checked_sub(1 + bit / 8).and_then(|at| exponent.get(at));
            choice | (octet.copied().unwrap_or_default() >> (bit % 8) & 1) << row
        })
    }

    /// The product for a choice, by a look at all of them.
    fn choose(&self, choice: u8, out: &mut [u8]) {
        out.fill(0);
        for (number, product) in (0..).zip(self.products.chunks_exact(self.len)) {
            let mask = 0u8.wrapping_sub(choice.ct_eq(&number).unwrap_u8());
            out.iter_mut().zip(product).for_each(|(to, from)| *to |= *from & mask);
        }
    }
}

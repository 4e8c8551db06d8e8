//! Arithmetic under the field's names: hashes, ciphers, Diffie-Hellman, ESP transforms, CHAP.
//!
//! Nothing here knows a protocol's state, asks for chance or does I/O; callers bring keys, octets and entropy.

pub mod chap;
mod cipher;
mod dh;
mod ecp;
pub mod esp;
pub mod lanes;
pub mod mppe;
mod prefetch;
mod prf;
mod secret;

pub use cipher::{CipherError, IkeCipher};
pub use dh::{BadPublic, Group, KeyPair};
pub use prefetch::prefetch;
pub use prf::Hash;
pub use secret::{Secret, equal};

#[cfg(test)]
mod testing {
    #![allow(clippy::unwrap_used, reason = "tests")]

    /// Reads hexadecimal digits, with blanks anywhere between octets.
    pub(crate) fn hex(text: &str) -> Vec<u8> {
        let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        assert!(digits.len().is_multiple_of(2), "an octet has two digits");
        (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
    }
}

//! The engine's only source of chance: seeded once by the world outside, so that a run can be repeated.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng};

/// A cryptographic random generator (ChaCha20).
pub struct Rng(ChaCha20Rng);

impl Rng {
    /// A generator that yields the same octets for the same seed.
    pub fn new(seed: [u8; 32]) -> Self {
        Self(ChaCha20Rng::from_seed(seed))
    }

    /// Fills `out` with random octets.
    pub fn fill(&mut self, out: &mut [u8]) {
        self.0.fill_bytes(out);
    }

    /// A random number.
    pub fn u16(&mut self) -> u16 {
        self.0.next_u32() as u16
    }

    /// A random number.
    pub fn u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// A random number.
    pub fn u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// `N` random octets.
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        self.fill(&mut out);
        out
    }

    /// An identifier that is not zero.
    pub fn nonzero_u16(&mut self) -> u16 {
        loop {
            let id = self.u16();
            if id != 0 {
                return id;
            }
        }
    }
}

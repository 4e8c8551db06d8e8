//! The chance of the simulated world: a small generator that a scene's number seeds (splitmix64), or octets that somebody
//! else has chosen.

use std::collections::VecDeque;

/// A generator that yields the same numbers for the same seed. It keeps no secrets.
#[derive(Clone, Debug)]
pub struct Rng {
    state: u64,
    /// What is drawn as long as there is some: a choice takes one octet, or as many as it needs.
    octets: VecDeque<u8>,
}

impl Rng {
    /// A generator for a seed.
    pub fn new(seed: u64) -> Self {
        let state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5345_4b49_5348_4f21;
        Self { state, octets: VecDeque::new() }
    }

    /// A generator that yields these octets first, then what their number seeds.
    pub fn of_octets(octets: &[u8]) -> Self {
        Self { octets: octets.iter().copied().collect(), ..Self::new(octets.len() as u64) }
    }

    /// Whether there are octets left that somebody has chosen.
    pub fn has_octets(&self) -> bool {
        !self.octets.is_empty()
    }

    /// The next octets as a number, as many as one below `n` needs.
    fn chosen(&mut self, n: u64) -> Option<u64> {
        let mut number = u64::from(self.octets.pop_front()?);
        let mut reach = 256;
        while reach < n {
            number = number << 8 | u64::from(self.octets.pop_front().unwrap_or(0));
            reach = reach.saturating_mul(256);
        }
        Some(number)
    }

    /// A number.
    pub fn u64(&mut self) -> u64 {
        if let Some(number) = self.chosen(u64::MAX) {
            return number;
        }
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        if n == 0 {
            return 0;
        }
        match self.chosen(n) {
            Some(number) => number % n,
            None => self.u64() % n,
        }
    }

    /// Whether something with this chance, in per mille, happens.
    pub fn happens(&mut self, per_mille: u32) -> bool {
        self.below(1000) < u64::from(per_mille)
    }

    /// Octets.
    pub fn bytes(&mut self, n: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(n);
        while out.len() < n {
            out.extend_from_slice(&self.u64().to_be_bytes());
        }
        out.truncate(n);
        out
    }

    /// A fixed number of octets.
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        for b in &mut out {
            *b = (self.u64() >> 24) as u8;
        }
        out
    }
}

//! The anti-replay window of an inbound ESP SA: which sequence numbers were seen (RFC 4303 §3.4.3).

use serde::{Deserialize, Serialize};

/// Words of the bitmap; a power of two, so that a ring index is a mask.
const WORDS: usize = 32;

/// The window of sequence numbers that are told apart, as a ring of words that is never shifted (RFC 6479 §2).
///
/// One word is always being cleared ahead of the window, so the window is one word shorter than the bitmap.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReplayState {
    top: u32,
    bits: [u64; WORDS],
}

impl Default for ReplayState {
    fn default() -> Self {
        Self { top: 0, bits: [0; WORDS] }
    }
}

/// What became of a sequence number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seen {
    /// Higher than every number before it.
    Newest,
    /// Inside the window, for the first time.
    Late,
    /// Seen before, zero, or left of the window.
    Replayed,
}

impl ReplayState {
    /// How many sequence numbers, counted back from the highest, are told apart.
    pub const WINDOW: u32 = (WORDS as u32 - 1) * 64;

    /// The highest sequence number that was accepted; 0 if none was.
    #[must_use]
    pub fn top(&self) -> u32 {
        self.top
    }

    fn place(sequence: u32) -> (usize, u64) {
        ((sequence / 64) as usize % WORDS, 1 << (sequence % 64))
    }

    /// Whether a packet with this number could still be accepted; nothing is recorded before its ICV is known to be good.
    #[must_use]
    pub fn is_fresh(&self, sequence: u32) -> bool {
        if sequence > self.top {
            return true;
        }
        let (word, bit) = Self::place(sequence);
        sequence != 0 && self.top - sequence < Self::WINDOW && self.bits[word] & bit == 0
    }

    /// Records the number of a packet whose ICV was good.
    #[must_use]
    pub fn accept(&mut self, sequence: u32) -> Seen {
        if !self.is_fresh(sequence) {
            return Seen::Replayed;
        }
        let newest = sequence > self.top;
        if newest {
            let (from, to) = (self.top / 64, sequence / 64);
            for block in from + 1..=to.min(from.saturating_add(WORDS as u32)) {
                self.bits[block as usize % WORDS] = 0;
            }
            self.top = sequence;
        }
        let (word, bit) = Self::place(sequence);
        self.bits[word] |= bit;
        if newest { Seen::Newest } else { Seen::Late }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;
    use crate::rng::Rng;
    use std::collections::BTreeSet;

    /// The window as the RFC words it, without any cleverness.
    #[derive(Default)]
    struct Naive {
        top: u32,
        seen: BTreeSet<u32>,
    }

    impl Naive {
        fn accept(&mut self, sequence: u32) -> bool {
            let outside = sequence == 0 || sequence <= self.top && self.top - sequence >= ReplayState::WINDOW;
            if outside || !self.seen.insert(sequence) {
                return false;
            }
            self.top = self.top.max(sequence);
            true
        }
    }

    #[test]
    fn the_ring_decides_as_a_plain_set_does() {
        for seed in 0..40u8 {
            let mut rng = Rng::new([seed; 32]);
            let (mut ring, mut naive) = (ReplayState::default(), Naive::default());
            let mut around = if seed % 4 == 0 { u32::MAX - 20_000 } else { 1 };
            for _ in 0..4_000 {
                let spread = [1, 70, 3_000, 100][rng.u32() as usize % 4];
                around = around.saturating_add(rng.u32() % 3 * (rng.u32() % spread));
                let sequence = around.saturating_sub(rng.u32() % (2 * spread));
                let fresh = ring.is_fresh(sequence);
                let seen = ring.accept(sequence);
                assert_eq!(seen != Seen::Replayed, naive.accept(sequence), "seed {seed} sequence {sequence}");
                assert_eq!(fresh, seen != Seen::Replayed);
                assert_eq!(ring.top(), naive.top);
            }
        }
    }

    #[test]
    fn zero_is_never_a_sequence_number() {
        assert_eq!(ReplayState::default().accept(0), Seen::Replayed);
    }

    #[test]
    fn a_jump_over_everything_forgets_everything() {
        let mut ring = ReplayState::default();
        assert_eq!(ring.accept(5), Seen::Newest);
        assert_eq!(ring.accept(u32::MAX), Seen::Newest);
        assert_eq!(ring.accept(5), Seen::Replayed);
        assert_eq!(ring.accept(u32::MAX - ReplayState::WINDOW + 1), Seen::Late);
        assert_eq!(ring.accept(u32::MAX - ReplayState::WINDOW), Seen::Replayed);
        assert_eq!(ring.accept(u32::MAX), Seen::Replayed);
    }

    #[test]
    fn the_window_is_at_least_1024_numbers() {
        let mut ring = ReplayState::default();
        assert_eq!(ring.accept(2_000), Seen::Newest);
        assert_eq!(ring.accept(2_000 - 1_023), Seen::Late);
    }
}

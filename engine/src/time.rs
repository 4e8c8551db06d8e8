//! How anything waits or tries again: instants, retry policies, retransmission. No other file does time arithmetic.

use core::time::Duration;
use serde::{Deserialize, Serialize};

/// A moment, in nanoseconds since an origin that the world outside chooses.
///
/// The engine never asks for the time; it is told. Being a number, an instant can be stored in a session record.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Instant(pub u64);

impl Instant {
    /// The moment `later` after this one; the end of time if that cannot be told.
    #[must_use]
    pub fn after(self, later: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(later.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Whether `deadline` has come.
    #[must_use]
    pub fn reached(self, deadline: Self) -> bool {
        self >= deadline
    }
}

/// A policy of trying again: when first, how the pause grows, its largest value, and how often in all.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Retry {
    /// Pause after the first sending.
    pub first: Duration,
    /// The pause is multiplied by this each time (1: constant).
    pub factor: u32,
    /// Longest pause.
    pub cap: Duration,
    /// How often the message is sent in all, the first time included.
    pub tries: u32,
}

impl Retry {
    /// The pause after sending number `sent` (counted from 1).
    #[must_use]
    pub fn pause(&self, sent: u32) -> Duration {
        let grown = self.factor.checked_pow(sent.saturating_sub(1)).and_then(|f| self.first.checked_mul(f));
        grown.unwrap_or(self.cap).min(self.cap.max(self.first))
    }
}

/// A message that is sent again until it is answered or the policy gives up.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Retransmit<M> {
    message: M,
    retry: Retry,
    sent: u32,
    due: Instant,
}

/// What a retransmission timer says when asked.
#[derive(PartialEq, Eq, Debug)]
#[must_use]
pub enum Fire<'a, M> {
    /// Its time has not come.
    NotYet,
    /// Send this again.
    Again(&'a M),
    /// The last try went unanswered.
    GaveUp,
}

impl<M> Retransmit<M> {
    /// The message has just been sent for the first time.
    pub fn new(message: M, retry: Retry, now: Instant) -> Self {
        Self { message, retry, sent: 1, due: now.after(retry.pause(1)) }
    }

    /// When to call [`Self::fire`] next.
    pub fn due(&self) -> Instant {
        self.due
    }

    /// The message that waits for its answer.
    pub fn message(&self) -> &M {
        &self.message
    }

    /// How often the message has been sent.
    pub fn sent(&self) -> u32 {
        self.sent
    }

    /// Goes on with another message in its place, at the times of this one.
    pub fn replace(&mut self, message: M) {
        self.message = message;
    }

    /// Looks whether the message must be sent again.
    pub fn fire(&mut self, now: Instant) -> Fire<'_, M> {
        if !now.reached(self.due) {
            return Fire::NotYet;
        }
        if self.sent >= self.retry.tries {
            return Fire::GaveUp;
        }
        self.sent += 1;
        self.due = now.after(self.retry.pause(self.sent));
        Fire::Again(&self.message)
    }
}

/// The earlier of two deadlines, where either may be missing.
#[must_use]
pub fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_the_cap_and_the_last_try_gives_up() {
        let retry = Retry { first: Duration::from_secs(1), factor: 2, cap: Duration::from_secs(8), tries: 6 };
        let mut now = Instant(0);
        let mut r = Retransmit::new("SCCRP", retry, now);
        let mut at = vec![];
        loop {
            now = r.due();
            match r.fire(now) {
                Fire::NotYet => unreachable!("it is due"),
                Fire::Again(m) => {
                    assert_eq!(*m, "SCCRP");
                    at.push(now.since(Instant(0)).as_secs());
                }
                Fire::GaveUp => break,
            }
        }
        assert_eq!(at, [1, 3, 7, 15, 23]);
        assert_eq!(now.since(Instant(0)).as_secs(), 31);
    }

    #[test]
    fn nothing_fires_before_its_time() {
        let retry = Retry { first: Duration::from_secs(3), factor: 1, cap: Duration::from_secs(3), tries: 2 };
        let mut r = Retransmit::new((), retry, Instant(0));
        assert_eq!(r.fire(Instant(2_999_999_999)), Fire::NotYet);
        assert_eq!(r.fire(Instant(3_000_000_000)), Fire::Again(&()));
    }
}

//! What the server answers inside the tunnel: DHCPINFORM, router solicitations and what belongs to them, DHCPv6.

pub(crate) mod dhcpinform;
pub(crate) mod dhcpv6;
pub(crate) mod router;

use crate::time::Instant;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// How fast one client's questions of one kind are answered; those beyond it are dropped.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Pace {
    every: Duration,
    burst: u32,
    /// When all that was taken is paid back.
    paid: Instant,
}

impl Pace {
    /// One answer every `every`, and `burst` at once.
    pub(crate) fn new(every: Duration, burst: u32) -> Self {
        Self { every, burst, paid: Instant::default() }
    }

    /// Whether one more answer may be given.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let paid = self.paid.max(now);
        let may = paid.since(now) <= self.every.saturating_mul(self.burst.saturating_sub(1));
        if may {
            self.paid = paid.after(self.every);
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_answered_and_then_one_at_a_time() {
        let mut pace = Pace::new(Duration::from_secs(1), 3);
        let at = |seconds: u64| Instant(seconds * 1_000_000_000);
        assert_eq!((0..10).filter(|_| pace.take(at(5))).count(), 3);
        assert!(!pace.take(Instant(5_900_000_000)));
        assert!(pace.take(at(6)) && !pace.take(at(6)));
        assert_eq!((0..10).filter(|_| pace.take(at(60))).count(), 3);
    }
}

//! Datagrams that the kernel hands over merged (UDP_GRO), where that is worth it.
//!
//! Equal datagrams that follow each other come out of a socket as one, for a tenth of what they cost one by one. But the
//! kernel merges only what has a UDP checksum, and RFC 3948 §2.1 wants ESP to have none; those it hands over a little
//! slower then. So a socket merges from when much comes in, as long as much of that is merged.

use crate::udp::{BATCH, Received, Udp};
use engine::time::Instant;
use std::time::Duration;

/// So many at once, and it is tried.
const MANY: usize = BATCH / 8;
/// So many datagrams show whether it is worth it.
const TRIED: usize = 256;
/// When it was not, and the socket does not become empty, it ends all the same after so many calls.
const PATIENCE: u32 = 256;
/// When it was not, it is tried again after so long.
const AGAIN: Duration = Duration::from_secs(60);

/// Whether one socket merges.
#[derive(Debug, Default)]
pub(crate) struct Merging {
    on: bool,
    /// What has come since it was last looked at.
    seen: Received,
    /// Since it was found out that it is not worth it, so much has been received; 0: it is worth it.
    useless: u32,
    /// When it may be tried.
    again: Instant,
}

impl Merging {
    /// Whether what is received now may be merged.
    pub(crate) fn is_on(&self) -> bool {
        self.on
    }

    /// So much came out of the socket at once. True where it merges no longer.
    pub(crate) fn had(&mut self, socket: &Udp, received: Received, now: Instant) -> bool {
        if !self.on {
            if received.datagrams >= MANY && now.reached(self.again) {
                self.again = now.after(AGAIN);
                // A kernel before 5.0 has nothing of the kind.
                self.on = socket.merge(true).is_ok();
                (self.seen, self.useless) = (Received::default(), 0);
            }
            return false;
        }
        self.seen.datagrams += received.datagrams;
        self.seen.packets += received.packets;
        if self.seen.datagrams >= TRIED {
            let is_useless = self.seen.packets * 2 < self.seen.datagrams * 3;
            self.useless = if is_useless { self.useless.max(1) } else { 0 };
            self.seen = Received::default();
        }
        self.useless += u32::from(self.useless > 0);
        // While something waits it may be merged, and could not be told apart any more: that would be lost.
        let may_end = !received.is_full || self.useless > PATIENCE;
        if self.useless > 0 && may_end && socket.merge(false).is_ok() {
            self.on = false;
            self.again = now.after(AGAIN);
            return true;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::udp::MERGED;

    const ONE_BY_ONE: Received = Received { datagrams: MANY, packets: MANY, is_full: false };

    fn merged(datagrams: usize, packets: usize) -> Received {
        Received { datagrams, packets, is_full: datagrams == MERGED }
    }

    fn at(seconds: u64) -> Instant {
        Instant(Duration::from_secs(seconds).as_nanos() as u64)
    }

    #[test]
    fn a_socket_merges_while_it_has_much_that_can_be_merged() {
        let socket = Udp::bind(0).unwrap();
        let mut merging = Merging::default();
        assert!(!merging.had(&socket, merged(MANY - 1, MANY - 1), at(1)));
        assert!(!merging.is_on());
        assert!(!merging.had(&socket, ONE_BY_ONE, at(1)));
        assert!(merging.is_on());
        for _ in 0..1000 {
            assert!(!merging.had(&socket, merged(MERGED, MERGED * 2), at(2)));
            assert!(!merging.had(&socket, merged(1, 1), at(2)));
        }
        assert!(merging.is_on());
    }

    #[test]
    fn a_socket_whose_peers_send_no_checksums_merges_no_longer_once_it_is_empty() {
        let socket = Udp::bind(0).unwrap();
        let mut merging = Merging::default();
        merging.had(&socket, ONE_BY_ONE, at(1));
        for _ in 0..TRIED / MERGED + 100 {
            assert!(!merging.had(&socket, merged(MERGED, MERGED), at(2)));
        }
        assert!(merging.had(&socket, merged(MERGED - 1, MERGED), at(3)));
        assert!(!merging.is_on());
        // Not tried again at once.
        merging.had(&socket, ONE_BY_ONE, at(62));
        assert!(!merging.is_on());
        merging.had(&socket, ONE_BY_ONE, at(63));
        assert!(merging.is_on());
        // Nor does one that is never empty.
        let calls = (0..1000).take_while(|_| !merging.had(&socket, merged(MERGED, MERGED), at(64))).count();
        assert!(!merging.is_on() && calls < 2 * TRIED, "{calls} calls");
    }
}

//! Packets on an SA that is still being agreed on: where we renew a pair, the client may send on the new one before its
//! message 2 is here, from which we have the keys. They wait for it.

use super::{Arrival, Encap, Spi, Verdict, Worker};
use crate::time::Instant;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

/// How many packets wait in all, and on one SA.
const MOST: usize = 512;
const MOST_OF_ONE: usize = 128;
/// What has waited for longer than this is of no use to anybody.
const KEPT_FOR: Duration = Duration::from_secs(3);
/// How many SAs are awaited at most, and for how long.
const MOST_AWAITED: usize = 16_384;
const AWAITED_FOR: Duration = Duration::from_secs(60);

struct Packet {
    since: Instant,
    spi: Spi,
    bytes: Vec<u8>,
    peer: SocketAddr,
    local: Option<IpAddr>,
    encap: Encap,
}

/// All such SAs and packets, in the order of their coming.
#[derive(Default)]
pub(super) struct Early {
    awaited: BTreeMap<Spi, Instant>,
    queue: VecDeque<Packet>,
}

impl Early {
    /// An inbound SA with this SPI of ours is being agreed on.
    pub(super) fn await_spi(&mut self, spi: Spi, now: Instant) {
        if self.awaited.len() >= MOST_AWAITED {
            self.awaited.retain(|_, since| now.since(*since) < AWAITED_FOR);
        }
        if self.awaited.len() < MOST_AWAITED {
            self.awaited.insert(spi, now);
        }
    }

    /// Keeps a packet on an SA that is awaited, if there is room; whether it did.
    pub(super) fn keep(&mut self, spi: Spi, arrival: &Arrival<'_>, now: Instant) -> bool {
        if self.awaited.get(&spi).is_none_or(|since| now.since(*since) >= AWAITED_FOR) {
            return false;
        }
        while self.queue.front().is_some_and(|packet| now.since(packet.since) > KEPT_FOR) {
            self.queue.pop_front();
        }
        let of_one = self.queue.iter().filter(|packet| packet.spi == spi).count();
        let has_room = self.queue.len() < MOST && of_one < MOST_OF_ONE;
        if has_room {
            let (peer, local, encap) = (arrival.peer, arrival.local, arrival.encap);
            self.queue.push_back(Packet { since: now, spi, bytes: arrival.bytes.to_vec(), peer, local, encap });
        }
        has_room
    }

    /// The SA is there: takes out what waited for it.
    fn release(&mut self, spi: Spi, now: Instant) -> Vec<Packet> {
        if self.awaited.remove(&spi).is_none() {
            return vec![];
        }
        let (free, kept): (VecDeque<_>, _) = self.queue.drain(..).partition(|packet| packet.spi == spi);
        self.queue = kept;
        free.into_iter().filter(|packet| now.since(packet.since) <= KEPT_FOR).collect()
    }
}

impl Worker {
    /// A pair is whole, and whether it is trusted has been said: what came on it before goes its way.
    pub(super) fn receive_early(&mut self, spi: Spi, now: Instant) {
        for mut packet in self.early.release(spi, now) {
            let mut batch = [Arrival::new(&mut packet.bytes, packet.peer, packet.local, packet.encap)];
            self.inbound(&mut batch, now);
            let [Arrival { bytes, verdict, .. }] = batch;
            if let Verdict::Ip(place) = verdict
                && let Some(ip) = bytes.get(place)
            {
                self.replies.push_back(ip.to_vec());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPI: Spi = Spi(0x1234_5600);

    fn keep(early: &mut Early, spi: Spi, now: Instant) -> bool {
        let (peer, local) = (SocketAddr::from(([203, 0, 113, 1], 4500)), IpAddr::from([198, 51, 100, 1]));
        early.keep(spi, &Arrival::new(&mut [0; 100], peer, local, Encap::Udp), now)
    }

    fn at(seconds: u64) -> Instant {
        Instant(seconds * 1_000_000_000)
    }

    #[test]
    fn only_what_is_awaited_is_kept_and_given_out_once_and_not_for_long() {
        let mut early = Early::default();
        assert!(!keep(&mut early, SPI, at(1)));
        early.await_spi(SPI, at(1));
        assert!(keep(&mut early, SPI, at(1)) && keep(&mut early, SPI, at(4)) && !keep(&mut early, Spi(7), at(4)));
        assert_eq!(early.release(SPI, at(5)).len(), 1);
        assert!(!keep(&mut early, SPI, at(5)) && early.release(SPI, at(5)).is_empty());
        early.await_spi(SPI, at(5));
        assert!(!keep(&mut early, SPI, at(65)));
    }

    #[test]
    fn whoever_sends_much_too_early_fills_no_more_than_its_share() {
        let mut early = Early::default();
        for n in 0..10 {
            early.await_spi(Spi(n), at(1));
            assert_eq!(
                (0..1000).filter(|_| keep(&mut early, Spi(n), at(1))).count(),
                if n < 4 { MOST_OF_ONE } else { 0 }
            );
        }
        (0..100_000).for_each(|n| early.await_spi(Spi(n), at(1)));
        assert_eq!(early.awaited.len(), MOST_AWAITED);
    }
}

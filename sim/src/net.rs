//! The network between clients and server: delay, loss, duplication, reordering, and NAT boxes (RFC 4787).

use crate::peer::{Carrier, Outer};
use crate::rng::Rng;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::collections::BTreeMap;

/// What a link does to packets. Chances are per mille.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    /// One-way delay.
    pub delay: Duration,
    /// Up to so much more, at random: this alone reorders.
    pub jitter: Duration,
    /// Chance of loss.
    pub loss: u32,
    /// Chance of a second copy.
    pub duplicate: u32,
    /// Chance that a packet takes much longer than those behind it.
    pub reorder: u32,
}

impl Default for Faults {
    fn default() -> Self {
        Self { delay: Duration::from_millis(10), jitter: Duration::ZERO, loss: 0, duplicate: 0, reorder: 0 }
    }
}

impl Faults {
    /// After which delays copies of a packet arrive.
    pub fn copies(&self, rng: &mut Rng) -> Vec<Duration> {
        let mut out = vec![];
        if !rng.happens(self.loss) {
            out.push(self.one(rng));
        }
        if rng.happens(self.duplicate) {
            out.push(self.one(rng));
        }
        out
    }

    fn one(&self, rng: &mut Rng) -> Duration {
        let jitter = Duration::from_nanos(rng.below(self.jitter.as_nanos() as u64 + 1));
        let late = if rng.happens(self.reorder) { self.delay * 3 } else { Duration::ZERO };
        self.delay + jitter + late
    }
}

/// A NAT box: address- and port-dependent filtering is not modelled, endpoint-independent mapping is.
#[derive(Debug)]
pub struct Nat {
    outside: IpAddr,
    next_port: u16,
    /// Client and inner port to outer port.
    mappings: BTreeMap<(usize, u16), u16>,
}

impl Nat {
    /// A box with this outer address.
    pub fn new(outside: IpAddr) -> Self {
        Self { outside, next_port: 40_000, mappings: BTreeMap::new() }
    }

    /// A packet of client `who` on its way out; `None` for what has no ports.
    pub fn outward(&mut self, who: usize, mut packet: Outer) -> Option<Outer> {
        if packet.carrier == Carrier::Esp {
            return None;
        }
        let next = &mut self.next_port;
        let port = *self.mappings.entry((who, packet.from.port())).or_insert_with(|| {
            *next += 1;
            *next
        });
        packet.from = SocketAddr::new(self.outside, port);
        Some(packet)
    }

    /// Which client a packet from outside is for, and on which inner port.
    pub fn inward(&self, packet: &Outer) -> Option<(usize, u16)> {
        self.mappings.iter().find(|(_, outer)| **outer == packet.to.port()).map(|(inner, _)| *inner)
    }

    /// The box forgets all mappings, as after a restart: every client gets new ports.
    pub fn forget(&mut self) {
        self.mappings.clear();
        self.next_port += 100;
    }

    /// What was mapped for one client is another's.
    pub fn hand_over(&mut self, from: usize, to: usize) {
        let old: Vec<_> = self.mappings.iter().filter(|((who, _), _)| *who == from).map(|(k, v)| (*k, *v)).collect();
        for ((who, inner), outer) in old {
            self.mappings.remove(&(who, inner));
            self.mappings.insert((to, inner), outer);
        }
    }

    /// Its outer address.
    pub fn outside(&self) -> IpAddr {
        self.outside
    }

    /// It gets another outer address.
    pub fn renumber(&mut self, outside: IpAddr) {
        self.outside = outside;
        self.forget();
    }
}

//! What must hold, after every step and at the end.

use crate::packet;
use crate::world::{MARK, World, echo_head};
use core::time::Duration;
use engine::path::{ClientId, Spi, Update};
use std::collections::BTreeSet;

impl World {
    /// No sequence number may be used twice, or after a higher one (RFC 4303 §2.2).
    pub(crate) fn watch_sequence(&mut self, esp: &[u8]) {
        let (Some(spi), Some(sequence)) = (wire::esp::spi_of(esp), wire::esp::sequence_of(esp)) else {
            return;
        };
        let highest = self.highest.entry(spi).or_default();
        assert!(sequence > *highest, "SPI {spi:08x}: {sequence} after {highest}");
        *highest = sequence;
    }

    /// The control messages of a tunnel are numbered without a gap, and a ZLB takes up no number (RFC 2661 §5.8). Seen
    /// here before the network loses some: a gap alone looks to the client like a loss, for as long as it lives.
    pub(crate) fn watch_control(&mut self, update: &Update) {
        let (client, peer_port, l2tp) = match update {
            Update::Seal { client, peer_port, l2tp, .. } => (client.0, *peer_port, l2tp),
            Update::Gone { client } => return self.numbered.retain(|(of, ..), _| *of != client.0),
            _ => return,
        };
        let Ok((header, payload)) = wire::l2tp::Header::decode(l2tp) else {
            return;
        };
        let Some(ns) = header.ns.filter(|_| header.control) else { return };
        // Of a tunnel that was taken over, what it says first has the number that is due. A client may have begun a second
        // tunnel under the id of its first, which still has something to say: then either's number may be due.
        let begins = ns == 0 && !payload.is_empty();
        let due = self.numbered.entry((client, peer_port, header.tunnel_id)).or_default();
        if due.is_empty() || (begins && !due.contains(&0)) {
            due.push(ns);
        }
        match due.iter_mut().find(|due| **due == ns) {
            Some(due) if !payload.is_empty() => *due = due.wrapping_add(1),
            Some(_) => {}
            None => {
                let again = due.iter().any(|due| (ns.wrapping_sub(*due) as i16) < 0);
                assert!(again, "an Ns is skipped: {ns} where {due:?} is due, client {client}");
            }
        }
    }

    /// A client without an SA that it is trusted on is told nothing: what would have been said then counts as lost.
    pub(crate) fn forget_untold(&mut self) {
        let worker = &self.worker;
        let trusted = |client| worker.snapshot(client).is_some_and(|state| state.inbound.iter().any(|sa| sa.trusted));
        self.numbered.retain(|(client, ..), _| trusted(ClientId(*client)));
    }

    /// An inner packet comes out of the tunnel once, however often the network delivers it.
    pub(crate) fn watch_inner(&mut self, ip: &[u8]) {
        let Some((_, _, payload)) = packet::read_udp(ip) else {
            return;
        };
        let Some(rest) = payload.strip_prefix(MARK) else { return };
        let number = |at: usize| rest.get(at..at + 8).and_then(|b| b.try_into().ok()).map(u64::from_be_bytes);
        if let (Some(n), Some(whose)) = (number(0), number(8))
            && rest.starts_with(&echo_head(n, whose))
        {
            assert!(self.heard.insert((whose, n)), "echo {n} of client {whose} came out of ESP twice");
        }
    }

    /// What comes out of a tunnel comes from the address, or the prefix, of a client that is up.
    pub(crate) fn watch_source(&self, ip: &[u8]) {
        let lent = match (wire::ip::Ipv4::new(ip), wire::ip::Ipv6::new(ip)) {
            (Some(ip), _) => self.routes.contains(&ip.source()),
            (None, Some(ip)) => {
                self.prefixes.iter().any(|prefix| (prefix.to_bits() ^ ip.source().to_bits()) >> 64 == 0)
            }
            (None, None) => false,
        };
        assert!(lent, "the host is given what no client may send: {ip:02x?}");
    }

    /// What must hold after every step.
    pub(crate) fn check(&self) {
        if let Some((at, reason)) = self.engine.poll_timeout() {
            let late = self.now.since(at);
            assert!(late < Duration::from_secs(1), "a deadline lies {late:?} in the past: {reason:?}");
        }
        assert_eq!(
            self.routes.len(),
            self.engine.clients_up(),
            "a route without its client, or a client without its route"
        );
    }

    /// What must hold between one input and the next, but costs more to look at: every SA of the data path has its owner
    /// in the engine, nothing was told that could not be obeyed, and nothing is lent but to a client.
    pub fn check_thoroughly(&self) {
        let totals = self.worker.totals();
        assert_eq!(totals.refused_updates, 0, "the data path could not obey");
        assert_eq!(totals.lost_notes, 0, "the data path could not tell");
        let owned: BTreeSet<(u32, u32)> = self.engine.pairs().collect();
        let mut installed = BTreeSet::new();
        for id in self.engine.client_ids() {
            let Some(state) = self.worker.snapshot(id) else {
                continue;
            };
            installed.extend(state.inbound.iter().map(|sa| (id.0, sa.spi.0)));
            let paired: BTreeSet<Spi> = state.outbound.iter().map(|sa| sa.paired).collect();
            let inbound: BTreeSet<Spi> = state.inbound.iter().map(|sa| sa.spi).collect();
            assert_eq!(paired, inbound, "half a pair");
            let trusted: BTreeSet<Spi> = state.inbound.iter().filter(|sa| sa.trusted).map(|sa| sa.spi).collect();
            let active: Vec<Spi> = state.outbound.iter().filter(|sa| sa.active).map(|sa| sa.paired).collect();
            // One that the client has never used waits while the client may have taken up one that nobody has vouched for.
            let used = state.inbound.iter().any(|sa| sa.trusted && sa.used);
            let may_wait = !used && trusted.len() < state.inbound.len();
            let one = usize::from(!trusted.is_empty());
            assert!(active.len() == one || (may_wait && active.is_empty()), "not one active SA");
            assert!(active.iter().all(|spi| trusted.contains(spi)), "an SA that nobody has vouched for is active");
        }
        assert_eq!(owned, installed, "the engine's pairs and the data path's SAs differ");
        assert_eq!(self.worker.sas(), (owned.len(), owned.len()), "SAs of the data path that no client has");
        assert!(self.worker.len() <= self.engine.client_ids().count(), "a client that only the data path knows");
        assert!(self.engine.addresses_lent() >= self.routes.len(), "an address that is routed and not lent");
        assert!(self.engine.addresses_lent() <= self.engine.client_ids().count(), "an address that nobody has");
    }

    /// Whether nothing is left: no client, no route, no loan, nothing to wait for. Says what is.
    pub fn quiet(&self) -> Result<(), String> {
        let left = [
            ("clients", self.engine.client_ids().count()),
            ("clients of the data path", self.worker.len()),
            ("SAs of the data path", self.worker.sas().0 + self.worker.sas().1),
            ("routes", self.routes.len()),
            ("addresses lent", self.engine.addresses_lent()),
            ("unfinished exchanges", self.engine.half_open()),
            ("streams", self.engine.streams()),
            ("deadlines", usize::from(self.engine.poll_timeout().is_some())),
        ];
        match left.iter().find(|(_, n)| *n > 0) {
            None => Ok(()),
            Some((what, n)) => Err(format!("{n} {what}: {:?}", self.engine.poll_timeout())),
        }
    }
}

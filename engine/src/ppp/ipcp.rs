//! IPCP: the client's address and its name servers (RFC 1332, RFC 1877).

use super::negotiation::{Fault, Judgement, Options};
use crate::rng::Rng;
use core::net::Ipv4Addr;
use serde::{Deserialize, Serialize};
use wire::ppp::Opt;

/// Option numbers (RFC 1332 §3, RFC 1877 §1).
mod kind {
    pub(super) const ADDRESS: u8 = 3;
    pub(super) const DNS_1: u8 = 129;
    pub(super) const NBNS_1: u8 = 130;
    pub(super) const DNS_2: u8 = 131;
    pub(super) const NBNS_2: u8 = 132;
}

/// How often a client that asks for no address is told that it should.
const MAX_HINTS: u8 = 2;

/// The options of IPCP, ours and the peer's.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Ipcp {
    /// Our address, while we ask for it.
    ours: Option<Ipv4Addr>,
    assigned: Ipv4Addr,
    dns: Vec<Ipv4Addr>,
    nbns: Vec<Ipv4Addr>,
    peer_mru: u16,
    hints: u8,
}

impl Ipcp {
    /// The options at the start: `ours` is what we ask for, `assigned` is what the client gets; name servers are given
    /// to those who ask, as far as there are any.
    pub(super) fn new(
        ours: Option<Ipv4Addr>,
        assigned: Ipv4Addr,
        dns: Vec<Ipv4Addr>,
        nbns: Vec<Ipv4Addr>,
        peer_mru: u16,
    ) -> Self {
        Self { ours, assigned, dns, nbns, peer_mru, hints: 0 }
    }

    /// What this option of the client must be; nothing for one that is not wanted.
    fn value(&self, kind: u8) -> Option<Ipv4Addr> {
        match kind {
            kind::ADDRESS => Some(self.assigned),
            kind::DNS_1 => self.dns.first().copied(),
            kind::DNS_2 => self.dns.get(1).copied(),
            kind::NBNS_1 => self.nbns.first().copied(),
            kind::NBNS_2 => self.nbns.get(1).copied(),
            _ => None,
        }
    }
}

fn option(kind: u8, address: Ipv4Addr) -> Opt {
    Opt { kind, data: address.octets().to_vec() }
}

impl Options for Ipcp {
    /// Our address and nothing else: Apple rejects name servers in the server's request.
    fn request(&self) -> Vec<Opt> {
        self.ours.map(|ours| option(kind::ADDRESS, ours)).into_iter().collect()
    }

    fn judge(&mut self, asked: &[Opt], _rng: &mut Rng) -> Judgement {
        let (mut naks, mut rejects) = (Vec::new(), Vec::new());
        for wish in asked {
            match self.value(wish.kind) {
                Some(value) if wish.data == value.octets() => {}
                Some(value) => naks.push(option(wish.kind, value)),
                None => rejects.push(wish.clone()),
            }
        }
        if !rejects.is_empty() {
            return Judgement::Reject(rejects);
        }
        if !asked.iter().any(|wish| wish.kind == kind::ADDRESS) && self.hints < MAX_HINTS {
            // RFC 1661 §5.3 lets a Nak name an option that the peer should ask for.
            self.hints += 1;
            naks.push(option(kind::ADDRESS, self.assigned));
        }
        if naks.is_empty() { Judgement::Ack } else { Judgement::Nak(naks) }
    }

    /// The peer has another address for us, which we do not take: then we go without the option.
    fn on_nak(&mut self, wanted: &[Opt], _rng: &mut Rng) -> Result<(), Fault> {
        self.on_reject(wanted)
    }

    fn on_reject(&mut self, refused: &[Opt]) -> Result<(), Fault> {
        if refused.iter().any(|o| o.kind == kind::ADDRESS) {
            self.ours = None;
        }
        Ok(())
    }

    /// A rejected address ends the call of every known client, or sends it round in circles.
    fn may_reject(kind: u8) -> bool {
        kind != kind::ADDRESS
    }

    fn peer_mru(&self) -> u16 {
        self.peer_mru
    }
}

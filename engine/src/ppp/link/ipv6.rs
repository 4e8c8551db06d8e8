//! IPv6 in a link: IPV6CP runs beside IPCP, and what becomes of it is never the link's end.

use super::{Link, Stage};
use crate::ppp::ipv6cp::Ipv6cp;
use crate::ppp::negotiation::{Negotiation, Step};
use crate::ppp::{Ipv6Up, Log, Output};
use crate::rng::Rng;
use crate::time::Instant;
use wire::ppp::{Packet, Protocol};

impl Link {
    /// Whether IPv6 packets can flow.
    pub fn is_ipv6_up(&self) -> bool {
        matches!(&self.stage, Stage::Network { ipv6cp: Some(ipv6cp), .. } if ipv6cp.is_opened())
    }

    /// IPV6CP as it waits for the client to begin: who knows nothing of IPv6 is not asked, and every client that does
    /// begins by itself. It is made when that happens: thousands never do.
    fn new_ipv6cp(&self, now: Instant) -> Option<Box<Negotiation<Ipv6cp>>> {
        let options = Ipv6cp::new(self.identifier?, self.lcp.options.peer.mru);
        let mut ipv6cp = Negotiation::new(options, self.settings.ipcp, true);
        // Being passive, it says nothing here.
        ipv6cp.start(now, &mut Vec::new());
        Some(Box::new(ipv6cp))
    }

    /// A frame of IPV6CP or IPv6; rejected where IPv6 is not wanted.
    pub(super) fn on_ipv6_frame(&mut self, protocol: Protocol, payload: &[u8], rng: &mut Rng, now: Instant) {
        if protocol == Protocol::Ipv6cp && matches!(self.stage, Stage::Network { ipv6cp: None, .. }) {
            let new = self.new_ipv6cp(now);
            if let Stage::Network { ipv6cp, .. } = &mut self.stage {
                *ipv6cp = new;
            }
        }
        match &mut self.stage {
            Stage::Network { ipv6cp: Some(ipv6cp), .. } => {
                // Data before IPV6CP is open is dropped (RFC 5072 §3).
                let (Protocol::Ipv6cp, Ok(packet)) = (protocol, Packet::decode(payload)) else {
                    return;
                };
                let mut steps = Vec::new();
                ipv6cp.receive(&packet, rng, now, &mut steps);
                self.log_packet(false, Protocol::Ipv6cp, payload);
                self.settle_ipv6cp(steps, now);
            }
            Stage::Network { ipv6cp: None, .. } | Stage::Address { .. } if self.identifier.is_none() => {
                self.on_unknown_protocol(protocol, payload)
            }
            // Before authentication is complete, network protocols are dropped (RFC 1661 §3.4), and data before IPV6CP.
            Stage::Establish
            | Stage::Network { ipv6cp: None, .. }
            | Stage::Authenticate(_)
            | Stage::Refused { .. }
            | Stage::Address { .. }
            | Stage::Finished => {}
        }
    }

    /// The client does not want IPV6CP after all, and is not offered it again.
    pub(super) fn on_ipv6cp_rejected(&mut self) {
        self.ipv6_down();
        self.identifier = None;
        if let Stage::Network { ipv6cp, .. } = &mut self.stage {
            *ipv6cp = None;
        }
    }

    /// When IPV6CP wants to be called.
    pub(super) fn ipv6_due(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Network { ipv6cp, .. } => ipv6cp.as_ref().and_then(|ipv6cp| ipv6cp.poll_timeout()),
            _ => None,
        }
    }

    /// The moment may have come for IPV6CP.
    pub(super) fn on_ipv6_timer(&mut self, now: Instant) {
        let Stage::Network { ipv6cp: Some(ipv6cp), .. } = &mut self.stage else {
            return;
        };
        let mut steps = Vec::new();
        ipv6cp.handle_timeout(now, &mut steps);
        self.settle_ipv6cp(steps, now);
    }

    fn settle_ipv6cp(&mut self, steps: Vec<Step>, now: Instant) {
        for step in steps {
            match step {
                Step::Send(packet) => self.send(Protocol::Ipv6cp, &packet),
                Step::LayerUp => self.on_ipv6_up(),
                Step::LayerDown => self.outputs.push_back(Output::Ipv6Down),
                // It waits for the client to begin again.
                Step::LayerStarted | Step::LayerFinished => {}
                Step::Failed(_) => {
                    let mut last = Vec::new();
                    if let Stage::Network { ipv6cp: Some(ipv6cp), .. } = &mut self.stage {
                        ipv6cp.close(now, &mut last);
                    }
                    for step in last {
                        match step {
                            Step::Send(packet) => self.send(Protocol::Ipv6cp, &packet),
                            Step::LayerDown => self.outputs.push_back(Output::Ipv6Down),
                            Step::LayerUp | Step::LayerStarted | Step::LayerFinished | Step::Failed(_) => {}
                        }
                    }
                }
            }
        }
    }

    fn on_ipv6_up(&mut self) {
        let Stage::Network { ipv6cp: Some(ipv6cp), .. } = &self.stage else {
            return;
        };
        let up = Ipv6Up {
            our_identifier: ipv6cp.options.ours(),
            peer_identifier: ipv6cp.options.peer(),
            peer_mru: self.lcp.options.peer.mru,
        };
        self.log(Log::Ipv6cpUp { local: up.our_identifier, remote: up.peer_identifier });
        self.outputs.push_back(Output::Ipv6Up(up));
    }

    /// The network phase ends, and IPv6 with it.
    pub(super) fn ipv6_down(&mut self) {
        if self.is_ipv6_up() {
            self.outputs.push_back(Output::Ipv6Down);
        }
    }
}

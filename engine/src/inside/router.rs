//! The router at our end of a client's link, as IPv6 has it: advertisements, solicitations, echoes (RFC 4861, RFC 4862).

use super::{Pace, dhcpv6};
use crate::rng::Rng;
use crate::time::Instant;
use core::net::Ipv6Addr;
use core::time::Duration;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use wire::inside::dhcpv6::{CLIENT_PORT, SERVER_PORT};
use wire::inside::icmpv6::{Message, Type};
use wire::inside::nd::{
    NdOption, NeighbourAdvertisement, NeighbourSolicitation, RouterAdvertisement, RouterSolicitation,
};
use wire::inside::{ICMPV6, ipv6_packet, udp_for_ipv6};
use wire::ip::{Ipv6, UDP, Udp};

/// Every node of the link (RFC 4291 §2.7.1).
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// What neighbour discovery sets and asks for, so that nothing comes from behind a router (RFC 4861 §6.1.1).
const ND_HOPS: u8 = 255;
/// What other packets of ours have, and what hosts are told to use.
const HOPS: u8 = 64;

/// Pauses after the first advertisements (RFC 4861 §6.2.4: three, at most 16 s apart).
const FIRST_PAUSES: [Duration; 2] = [Duration::from_secs(4), Duration::from_secs(16)];
/// The least and the greatest pause between later ones (RFC 4861 §6.2.1), in seconds.
const PAUSE: core::ops::Range<u32> = 200..300;
/// How long we are a router to go by, and name servers may be used, in seconds: several pauses.
const LIFETIME: u16 = 1800;
/// How long addresses made of the prefix are valid and preferred, in seconds; each advertisement begins anew.
const VALID: u32 = 86_400;
const PREFERRED: u32 = 14_400;
/// Packets that may wait to be sent.
const MAX_OUTPUTS: usize = 32;

/// What stands on the link.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Facts {
    /// Our interface identifier.
    pub(crate) our_identifier: u64,
    /// Our link-local address.
    pub(crate) link_local: Ipv6Addr,
    /// Our address within the client's prefix.
    pub(crate) global: Option<Ipv6Addr>,
    /// The client's /64; without one nothing is advertised.
    pub(crate) prefix: Option<Ipv6Addr>,
    /// The largest packet that fits, in octets.
    pub(crate) mtu: u16,
    /// Name servers.
    pub(crate) dns: Vec<Ipv6Addr>,
    /// The domain.
    pub(crate) domain: Option<String>,
}

/// Our end of one link.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Router {
    facts: Facts,
    /// When the next advertisement is due that nobody has asked for.
    due: Option<Instant>,
    sent: usize,
    advertisements: Pace,
    others: Pace,
    outputs: VecDeque<Vec<u8>>,
}

impl Router {
    /// The link has come up: the first advertisement goes out.
    pub(crate) fn start(facts: Facts, rng: &mut Rng, now: Instant) -> Self {
        let mut router = Self {
            due: facts.prefix.map(|_| now),
            facts,
            sent: 0,
            advertisements: Pace::new(Duration::from_secs(1), 10),
            others: Pace::new(Duration::from_millis(20), 50),
            outputs: VecDeque::new(),
        };
        router.handle_timeout(rng, now);
        router
    }

    /// The next packet for the client.
    pub(crate) fn poll_output(&mut self) -> Option<Vec<u8>> {
        self.outputs.pop_front()
    }

    /// When to call [`Self::handle_timeout`].
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// The moment asked for has come.
    pub(crate) fn handle_timeout(&mut self, rng: &mut Rng, now: Instant) {
        if !self.due.is_some_and(|due| now.reached(due)) {
            return;
        }
        self.send_router_advertisement(ALL_NODES);
        let drawn = PAUSE.start + rng.u32() % (PAUSE.end - PAUSE.start);
        let pause = FIRST_PAUSES.get(self.sent).copied();
        self.due = Some(now.after(pause.unwrap_or_else(|| Duration::from_secs(u64::from(drawn)))));
        self.sent = self.sent.saturating_add(1);
    }

    /// The client sent this IPv6 packet to the link.
    pub(crate) fn handle_packet(&mut self, packet: &[u8], now: Instant) {
        let Some(ip) = Ipv6::new(packet) else { return };
        match ip.next_header() {
            ICMPV6 => self.on_icmpv6(&ip, now),
            UDP => self.on_udp(&ip, now),
            _ => {}
        }
    }

    fn on_icmpv6(&mut self, ip: &Ipv6<'_>, now: Instant) {
        let Ok(message) = Message::decode(ip.source(), ip.destination(), ip.payload()) else {
            return;
        };
        // RFC 4861 §6.1.1 and §7.1.1: these three hold for every solicitation.
        let is_valid = ip.hop_limit() == ND_HOPS && message.code == 0 && !ip.source().is_multicast();
        match message.kind {
            Type::RouterSolicitation if is_valid => self.on_router_solicitation(ip, &message, now),
            Type::NeighbourSolicitation if is_valid => self.on_neighbour_solicitation(ip, &message, now),
            Type::EchoRequest => self.on_echo_request(ip, &message, now),
            _ => {}
        }
    }

    /// On a link of two there is nobody to disturb: the answer leaves at once, and to the client alone if it can.
    fn on_router_solicitation(&mut self, ip: &Ipv6<'_>, message: &Message<'_>, now: Instant) {
        let Ok(solicitation) = RouterSolicitation::decode(message.body) else {
            return;
        };
        if ip.source().is_unspecified() && names_sender(&solicitation.options) {
            return;
        }
        if self.facts.prefix.is_some() && self.advertisements.take(now) {
            let to = if ip.source().is_unspecified() { ALL_NODES } else { ip.source() };
            self.send_router_advertisement(to);
        }
    }

    fn on_neighbour_solicitation(&mut self, ip: &Ipv6<'_>, message: &Message<'_>, now: Instant) {
        let Ok(solicitation) = NeighbourSolicitation::decode(message.body) else {
            return;
        };
        if !self.is_ours(solicitation.target) || !self.others.take(now) {
            return;
        }
        // RFC 4861 §7.2.4: who has no address yet is told through all nodes, and is not said to have asked.
        let (to, solicited) = if ip.source().is_unspecified() { (ALL_NODES, false) } else { (ip.source(), true) };
        let advertisement = NeighbourAdvertisement {
            router: true,
            solicited,
            overriding: true,
            target: solicitation.target,
            options: Vec::new(),
        };
        self.send_icmpv6(Type::NeighbourAdvertisement, (solicitation.target, to), ND_HOPS, &advertisement.encode());
    }

    fn on_echo_request(&mut self, ip: &Ipv6<'_>, message: &Message<'_>, now: Instant) {
        let from = ip.source();
        if from.is_multicast() || from.is_unspecified() || ip.total_len() > usize::from(self.facts.mtu) {
            return;
        }
        if self.others.take(now) {
            let ours = if self.is_ours(ip.destination()) { ip.destination() } else { self.facts.link_local };
            self.send_icmpv6(Type::EchoReply, (ours, from), HOPS, message.body);
        }
    }

    fn on_udp(&mut self, ip: &Ipv6<'_>, now: Instant) {
        let (from, Some(udp)) = (ip.source(), Udp::new(ip.payload())) else {
            return;
        };
        if udp.destination_port != SERVER_PORT || !from.is_unicast_link_local() {
            return;
        }
        // Over IPv6 the checksum is no choice (RFC 8200 §8.1).
        if wire::inside::transport_checksum_ipv6(from, ip.destination(), UDP, ip.payload()) != 0 {
            return;
        }
        let facts = dhcpv6::Facts {
            our_identifier: self.facts.our_identifier,
            dns: &self.facts.dns,
            domain: self.facts.domain.as_deref(),
        };
        let Some(reply) = dhcpv6::answer(udp.payload, facts).filter(|_| self.others.take(now)) else {
            return;
        };
        let ours = self.facts.link_local;
        // RFC 8415 §7.2 has clients listen on 546, whatever port they send from.
        let datagram = udp_for_ipv6((ours, SERVER_PORT), (from, CLIENT_PORT), &reply);
        let packet = datagram.and_then(|datagram| ipv6_packet(ours, from, UDP, HOPS, &datagram));
        self.send(packet);
    }

    fn is_ours(&self, address: Ipv6Addr) -> bool {
        address == self.facts.link_local || Some(address) == self.facts.global
    }

    fn send_router_advertisement(&mut self, to: Ipv6Addr) {
        let Some(prefix) = self.facts.prefix else { return };
        let mut options = vec![
            NdOption::Prefix { prefix, bits: 64, on_link: true, autonomous: true, valid: VALID, preferred: PREFERRED },
            NdOption::Mtu(self.facts.mtu.into()),
        ];
        if !self.facts.dns.is_empty() {
            options.push(NdOption::DnsServers { lifetime: LIFETIME.into(), servers: self.facts.dns.clone() });
        }
        if let Some(domain) = &self.facts.domain {
            options.push(NdOption::DnsSearch { lifetime: LIFETIME.into(), names: vec![domain.clone()] });
        }
        let advertisement = RouterAdvertisement {
            hop_limit: HOPS,
            managed: false,
            other: !self.facts.dns.is_empty(),
            lifetime: LIFETIME,
            reachable_ms: 0,
            retransmit_ms: 0,
            options,
        };
        let ends = (self.facts.link_local, to);
        self.send_icmpv6(Type::RouterAdvertisement, ends, ND_HOPS, &advertisement.encode());
    }

    fn send_icmpv6(&mut self, kind: Type, (from, to): (Ipv6Addr, Ipv6Addr), hops: u8, body: &[u8]) {
        self.send(Message { kind, code: 0, body }.packet(from, to, hops));
    }

    fn send(&mut self, packet: Option<Vec<u8>>) {
        if self.outputs.len() < MAX_OUTPUTS {
            self.outputs.extend(packet);
        }
    }
}

fn names_sender(options: &[NdOption]) -> bool {
    options.iter().any(|o| matches!(o, NdOption::SourceLinkLayer(_)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;
    use wire::inside::dhcpv6 as wire_dhcpv6;

    const OURS: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 7);
    const GLOBAL: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x200, 0, 0, 0, 0, 7);
    const THEIRS: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 9);
    const PREFIX: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x200, 0, 0, 0, 0, 0);
    const DNS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x100, 0, 0, 0, 0, 0x10);
    const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
    const START: Instant = Instant(1_000_000_000);

    fn facts() -> Facts {
        Facts {
            our_identifier: 7,
            link_local: OURS,
            global: Some(GLOBAL),
            prefix: Some(PREFIX),
            mtu: 1400,
            dns: vec![DNS],
            domain: Some("lan.test".to_owned()),
        }
    }

    fn router() -> (Router, Rng) {
        let mut rng = Rng::new([5; 32]);
        let mut router = Router::start(facts(), &mut rng, START);
        assert!(router.poll_output().is_some() && router.poll_output().is_none());
        (router, rng)
    }

    /// What the router says to a message of ICMPv6: kind, from, to, hops, body.
    fn ask(router: &mut Router, kind: Type, ends: (Ipv6Addr, Ipv6Addr), hops: u8, body: &[u8]) -> Option<Answer> {
        let packet = Message { kind, code: 0, body }.packet(ends.0, ends.1, hops).unwrap();
        router.handle_packet(&packet, START);
        let answer = router.poll_output().map(read);
        assert_eq!(router.poll_output(), None, "one question, one answer");
        answer
    }

    type Answer = (Type, Ipv6Addr, Ipv6Addr, u8, Vec<u8>);

    fn read(packet: Vec<u8>) -> Answer {
        let ip = Ipv6::new(&packet).unwrap();
        let message = Message::decode(ip.source(), ip.destination(), ip.payload()).unwrap();
        assert_eq!(message.code, 0);
        (message.kind, ip.source(), ip.destination(), ip.hop_limit(), message.body.to_vec())
    }

    #[test]
    fn a_solicitation_is_answered_with_prefix_mtu_and_name_servers() {
        let (mut router, _) = router();
        let (kind, from, to, hops, body) =
            ask(&mut router, Type::RouterSolicitation, (THEIRS, ALL_ROUTERS), 255, &[0; 4]).unwrap();
        assert_eq!((kind, from, to, hops), (Type::RouterAdvertisement, OURS, THEIRS, 255));
        let told = RouterAdvertisement::decode(&body).unwrap();
        assert_eq!((told.managed, told.other, told.lifetime, told.hop_limit), (false, true, 1800, 64));
        assert!(matches!(
            told.options.as_slice(),
            [
                NdOption::Prefix { prefix: PREFIX, bits: 64, autonomous: true, .. },
                NdOption::Mtu(1400),
                NdOption::DnsServers { .. },
                NdOption::DnsSearch { .. }
            ]
        ));
        let nobody = Ipv6Addr::UNSPECIFIED;
        let (_, _, to, ..) = ask(&mut router, Type::RouterSolicitation, (nobody, ALL_ROUTERS), 255, &[0; 4]).unwrap();
        assert_eq!(to, ALL_NODES);
    }

    #[test]
    fn solicitations_that_the_rfc_discards_are_not_answered() {
        let (mut router, _) = router();
        let mut from =
            |source, hops, body: &[u8]| ask(&mut router, Type::RouterSolicitation, (source, ALL_ROUTERS), hops, body);
        assert_eq!(from(THEIRS, 254, &[0; 4]), None, "from behind a router");
        assert_eq!(from(THEIRS, 255, &[0; 3]), None, "too short");
        assert_eq!(from(THEIRS, 255, &[0, 0, 0, 0, 1, 0, 0, 0]), None, "an option of no length");
        let named = [0, 0, 0, 0, 1, 1, 1, 2, 3, 4, 5, 6];
        assert_eq!(from(Ipv6Addr::UNSPECIFIED, 255, &named), None);
        assert!(from(THEIRS, 255, &named).is_some());
        let mut packet = Message { kind: Type::RouterSolicitation, code: 0, body: &[0; 4] }
            .packet(THEIRS, ALL_ROUTERS, 255)
            .unwrap();
        packet[42] ^= 1;
        router.handle_packet(&packet, START);
        assert_eq!(router.poll_output(), None, "a wrong checksum");
    }

    #[test]
    fn advertisements_come_by_themselves_soon_at_first_and_then_every_few_minutes() {
        let (mut router, mut rng) = router();
        let mut pauses = vec![];
        let mut now = START;
        for _ in 0..20 {
            let due = router.poll_timeout().unwrap();
            router.handle_timeout(&mut rng, Instant(due.0 - 1));
            assert_eq!(router.poll_output(), None, "not before its time");
            router.handle_timeout(&mut rng, due);
            let (kind, _, to, ..) = read(router.poll_output().unwrap());
            assert_eq!((kind, to), (Type::RouterAdvertisement, ALL_NODES));
            pauses.push(due.since(now).as_secs());
            now = due;
        }
        assert_eq!(pauses[..2], [4, 16]);
        assert!(pauses[2..].iter().all(|p| (200..300).contains(p)), "{pauses:?}");
        assert!(pauses[2..].iter().any(|p| *p != pauses[2]), "not all at once for all links");
    }

    #[test]
    fn without_a_prefix_nothing_is_advertised_but_the_link_answers() {
        let mut rng = Rng::new([5; 32]);
        let bare = Facts { prefix: None, global: None, ..facts() };
        let mut router = Router::start(bare, &mut rng, START);
        assert_eq!((router.poll_output(), router.poll_timeout()), (None, None));
        assert_eq!(ask(&mut router, Type::RouterSolicitation, (THEIRS, ALL_ROUTERS), 255, &[0; 4]), None);
        assert!(ask(&mut router, Type::EchoRequest, (THEIRS, OURS), 64, &[1, 2, 3, 4]).is_some());
    }

    #[test]
    fn a_ping_of_any_address_of_ours_comes_back() {
        let (mut router, _) = router();
        for (to, from) in [(OURS, OURS), (GLOBAL, GLOBAL), (ALL_NODES, OURS), (ALL_ROUTERS, OURS)] {
            let answer = ask(&mut router, Type::EchoRequest, (THEIRS, to), 64, &[0, 1, 0, 2, 9]).unwrap();
            assert_eq!(answer, (Type::EchoReply, from, THEIRS, 64, vec![0, 1, 0, 2, 9]));
        }
        assert_eq!(ask(&mut router, Type::EchoRequest, (Ipv6Addr::UNSPECIFIED, OURS), 64, &[0; 4]), None);
        assert_eq!(ask(&mut router, Type::EchoRequest, (THEIRS, OURS), 64, &[0; 1400]), None, "too large");
        assert_eq!(ask(&mut router, Type::EchoReply, (THEIRS, OURS), 64, &[0; 4]), None);
    }

    #[test]
    fn who_looks_for_our_address_finds_it() {
        let (mut router, _) = router();
        let body = |target| NeighbourSolicitation { target, options: vec![] }.encode();
        let many = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, 7);
        for (from, to, solicited) in [(THEIRS, THEIRS, true), (Ipv6Addr::UNSPECIFIED, ALL_NODES, false)] {
            let answer = ask(&mut router, Type::NeighbourSolicitation, (from, many), 255, &body(OURS)).unwrap();
            assert_eq!((answer.0, answer.1, answer.2, answer.3), (Type::NeighbourAdvertisement, OURS, to, 255));
            let told = NeighbourAdvertisement::decode(&answer.4).unwrap();
            assert_eq!((told.router, told.solicited, told.target), (true, solicited, OURS));
        }
        assert_eq!(ask(&mut router, Type::NeighbourSolicitation, (THEIRS, many), 255, &body(THEIRS)), None);
        assert_eq!(ask(&mut router, Type::NeighbourSolicitation, (THEIRS, many), 64, &body(OURS)), None);
    }

    #[test]
    fn a_request_of_information_is_answered_to_the_port_of_clients() {
        let (mut router, _) = router();
        let request = wire_dhcpv6::Message {
            kind: wire_dhcpv6::MessageType::InformationRequest,
            transaction: [1, 2, 3],
            options: vec![(wire_dhcpv6::OptionCode::OptionRequest, vec![0, 23])],
        };
        let to = wire_dhcpv6::SERVERS;
        let datagram = udp_for_ipv6((THEIRS, 546), (to, 547), &request.encode()).unwrap();
        let packet = ipv6_packet(THEIRS, to, UDP, 1, &datagram).unwrap();
        router.handle_packet(&packet, START);
        let reply = router.poll_output().unwrap();
        let ip = Ipv6::new(&reply).unwrap();
        assert_eq!((ip.source(), ip.destination()), (OURS, THEIRS));
        let udp = Udp::new(ip.payload()).unwrap();
        assert_eq!((udp.source_port, udp.destination_port), (547, 546));
        let told = wire_dhcpv6::Message::decode(udp.payload).unwrap();
        assert_eq!(told.option(wire_dhcpv6::OptionCode::DnsServers).unwrap(), DNS.octets());
        let mut wrong = packet;
        wrong[46] ^= 1;
        router.handle_packet(&wrong, START);
        assert_eq!(router.poll_output(), None, "a wrong checksum");
    }

    #[test]
    fn a_client_that_asks_without_end_is_answered_at_a_bounded_rate() {
        let (mut router, _) = router();
        let solicitation = Message { kind: Type::RouterSolicitation, code: 0, body: &[0; 4] };
        let packet = solicitation.packet(THEIRS, ALL_ROUTERS, 255).unwrap();
        let mut answers = 0;
        for _ in 0..1000 {
            router.handle_packet(&packet, START);
            answers += usize::from(router.poll_output().is_some());
        }
        assert_eq!(answers, 10);
        let echo = Message { kind: Type::EchoRequest, code: 0, body: &[0; 4] }.packet(THEIRS, OURS, 64).unwrap();
        (0..1000).for_each(|_| router.handle_packet(&echo, START));
        assert_eq!(core::iter::from_fn(|| router.poll_output()).count(), MAX_OUTPUTS);
    }

    #[test]
    fn random_octets_do_no_harm() {
        let (mut router, mut rng) = router();
        for _ in 0..20_000 {
            let mut packet = vec![0; rng.u32() as usize % 100];
            rng.fill(&mut packet);
            if let [first, _, _, _, high, low, next, ..] = packet.as_mut_slice() {
                (*first, *high, *low) = (0x60, 0, *low % 60);
                *next = [58, 17, 0][usize::from(*next) % 3];
            }
            router.handle_packet(&packet, START);
            while router.poll_output().is_some() {}
        }
    }
}

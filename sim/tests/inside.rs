//! What clients ask inside the tunnel: DHCPINFORM, IPV6CP, router advertisements, and IPv6 to and fro.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use core::net::{Ipv4Addr, Ipv6Addr};
use core::time::Duration;
use sim::{Manner, World, config};
use wire::inside::dhcp::{self, DhcpOption, OptionCode, decode_routes};
use wire::inside::icmpv6::{Message, Type};
use wire::inside::nd::{NdOption, RouterAdvertisement};
use wire::inside::{ipv6_packet, udp_for_ipv6};
use wire::ip::{Ipv4, Ipv6, UDP, Udp, ipv4_header, udp_header};
use wire::ppp::{Code, Opt, Packet, Protocol, decode_options, encode_options};

const IPV6: &[&str] = &[
    "ipv6 lan1 address 2001:db8:100::1/64",
    "dns server 192.168.100.10 2001:db8:100::10",
    "dns domain lan.test",
    "pp select anonymous\n ppp ipv6cp use on\n ipv6 pp remote prefix pool 2001:db8:200::/56",
];
const FAR: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x100, 0, 0, 0, 0, 0x10);
const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

/// A client that is up, whose PPP frames the scene speaks by hand from here on.
struct Link {
    world: World,
    who: usize,
    read: usize,
}

impl Link {
    fn up(extra: &[&str]) -> Self {
        let mut world = World::new(config(4, extra), 77);
        let who = world.add(Manner::default());
        world.connect(who);
        world.run_for(Duration::from_secs(1));
        world.vanish(who);
        world.watch = true;
        world.crossings.clear();
        Self { world, who, read: 0 }
    }

    /// Sends a frame, and gives what comes back within a tenth of a second.
    fn ask(&mut self, protocol: Protocol, payload: &[u8]) -> Vec<(Protocol, Vec<u8>)> {
        let now = self.world.now();
        for packet in self.world.peers[self.who].carry(protocol, payload, now) {
            self.world.inject(packet);
        }
        self.world.run_for(Duration::from_millis(100));
        self.heard()
    }

    fn heard(&mut self) -> Vec<(Protocol, Vec<u8>)> {
        let news: Vec<_> = self.world.crossings[self.read..].iter().map(|c| c.packet.clone()).collect();
        self.read += news.len();
        let peer = &mut self.world.peers[self.who];
        news.iter().filter_map(|packet| peer.read_frame(packet)).collect()
    }

    /// Opens IPV6CP with the identifier 9; gives ours and what was sent when it was open.
    fn open_ipv6(&mut self) -> (u64, Vec<(Protocol, Vec<u8>)>) {
        let options = encode_options(&[Opt { kind: 1, data: 9_u64.to_be_bytes().to_vec() }]);
        let answers = self.ask(Protocol::Ipv6cp, &Packet::encode(Code::ConfigureRequest, 1, &options));
        let request = answers.iter().find(|(p, b)| *p == Protocol::Ipv6cp && b[0] == 1).expect("a Configure-Request");
        let packet = Packet::decode(&request.1).unwrap();
        let ours = decode_options(packet.data).unwrap()[0].data.clone();
        let sent = self.ask(Protocol::Ipv6cp, &Packet::encode(Code::ConfigureAck, packet.id, packet.data));
        (u64::from_be_bytes(ours.try_into().unwrap()), sent)
    }

    /// An ICMPv6 message and the first answer to it: kind, source, body.
    fn icmpv6(&mut self, kind: Type, ends: (Ipv6Addr, Ipv6Addr), body: &[u8]) -> Option<(Type, Ipv6Addr, Vec<u8>)> {
        let packet = Message { kind, code: 0, body }.packet(ends.0, ends.1, 255).unwrap();
        self.ask(Protocol::Ipv6, &packet).iter().find_map(icmpv6_in)
    }
}

fn icmpv6_in((protocol, packet): &(Protocol, Vec<u8>)) -> Option<(Type, Ipv6Addr, Vec<u8>)> {
    let ip = Ipv6::new(packet).filter(|_| *protocol == Protocol::Ipv6)?;
    let message = Message::decode(ip.source(), ip.destination(), ip.payload()).ok()?;
    Some((message.kind, ip.source(), message.body.to_vec()))
}

fn link_local(identifier: u64) -> Ipv6Addr {
    Ipv6Addr::from_bits(0xfe80_u128 << 112 | u128::from(identifier))
}

fn prefix_in(body: &[u8]) -> Option<Ipv6Addr> {
    RouterAdvertisement::decode(body).unwrap().options.iter().find_map(|o| match o {
        NdOption::Prefix { prefix, bits: 64, autonomous: true, .. } => Some(*prefix),
        _ => None,
    })
}

#[test]
fn a_client_makes_its_address_of_the_advertised_prefix_and_reaches_the_lan() {
    let mut link = Link::up(IPV6);
    let (ours, sent) = link.open_ipv6();
    let advertised = sent.iter().find_map(icmpv6_in).expect("an advertisement at once");
    assert_eq!((advertised.0, advertised.1), (Type::RouterAdvertisement, link_local(ours)));
    let (kind, from, body) = link.icmpv6(Type::RouterSolicitation, (link_local(9), ALL_ROUTERS), &[0; 4]).unwrap();
    assert_eq!((kind, from), (Type::RouterAdvertisement, link_local(ours)));
    let told = RouterAdvertisement::decode(&body).unwrap();
    assert!(told.lifetime > 0 && !told.managed && told.other);
    assert!(told.options.contains(&NdOption::Mtu(1400)));
    assert!(told.options.iter().any(|o| matches!(o, NdOption::DnsServers { servers, .. } if servers == &[FAR])));
    let prefix = prefix_in(&body).unwrap();
    assert_eq!(link.world.prefixes.iter().copied().collect::<Vec<_>>(), [prefix]);
    assert!(link.world.told(&format!("Prefix: {prefix}/64")), "{:?}", link.world.log());

    let own = Ipv6Addr::from_bits(prefix.to_bits() | 9);
    let datagram = |from: Ipv6Addr, to: Ipv6Addr| {
        let segment = udp_for_ipv6((from, 9), (to, 9), b"hello").unwrap();
        ipv6_packet(from, to, UDP, 64, &segment).unwrap()
    };
    let before = link.world.totals().ip;
    link.ask(Protocol::Ipv6, &datagram(own, FAR));
    assert_eq!(link.world.totals().ip.in_packets, before.in_packets + 1, "it went to the host");
    link.ask(Protocol::Ipv6, &datagram(FAR, FAR));
    assert_eq!(link.world.totals().ip.in_packets, before.in_packets + 1, "another's address did not");
    link.world.tun_receives(&datagram(FAR, own));
    link.world.run_for(Duration::from_millis(100));
    assert!(link.heard().contains(&(Protocol::Ipv6, datagram(FAR, own))));
    link.world.run_for(Duration::from_secs(2));
    let shown = link.world.command("show status tunnel 1");
    let octets = datagram(FAR, own).len();
    let six = format!("               (IPv6) 1 packet [{octets} octets]\n");
    assert_eq!(shown.matches(&six).count(), 2, "{shown}");
    link.world.check_thoroughly();
}

#[test]
fn a_ping_of_our_link_local_address_comes_back() {
    let mut link = Link::up(IPV6);
    let (ours, _) = link.open_ipv6();
    let ends = (link_local(9), link_local(ours));
    let (kind, from, body) = link.icmpv6(Type::EchoRequest, ends, b"\0\x01\0\x02abc").unwrap();
    assert_eq!((kind, from, &body[..]), (Type::EchoReply, link_local(ours), &b"\0\x01\0\x02abc"[..]));
}

#[test]
fn advertisements_come_by_themselves() {
    let mut link = Link::up(IPV6);
    link.open_ipv6();
    link.world.run_for(Duration::from_secs(25));
    let all = link.heard();
    let count = all.iter().filter_map(icmpv6_in).filter(|m| m.0 == Type::RouterAdvertisement).count();
    assert_eq!(count, 2, "after 4 s and 16 s more");
}

#[test]
fn without_ipv6_its_frames_are_rejected() {
    let mut link = Link::up(&["pp select anonymous\n ppp ipv6cp use off"]);
    for (protocol, payload) in [(Protocol::Ipv6cp, vec![1, 1, 0, 4]), (Protocol::Ipv6, vec![0x60; 40])] {
        let answers = link.ask(protocol, &payload);
        let rejected = |(p, b): &(Protocol, Vec<u8>)| *p == Protocol::Lcp && b[0] == u8::from(Code::ProtocolReject);
        assert!(answers.iter().any(rejected), "{answers:?}");
    }
}

#[test]
fn a_prefix_is_given_back_with_the_call() {
    let mut link = Link::up(IPV6);
    link.open_ipv6();
    assert_eq!(link.world.prefixes.len(), 1);
    link.ask(Protocol::Lcp, &Packet::encode(Code::TerminateRequest, 99, &[]));
    link.world.run_for(Duration::from_secs(5));
    assert!(link.world.prefixes.is_empty());
    link.world.check_thoroughly();
}

#[test]
fn ipv6_survives_a_restart_of_the_server() {
    let mut link = Link::up(IPV6);
    let (ours, _) = link.open_ipv6();
    let before = link.world.prefixes.clone();
    assert_eq!(link.world.restart_from_records(), Ok(1));
    assert_eq!(link.world.prefixes, before);
    let (_, from, body) = link.icmpv6(Type::RouterSolicitation, (link_local(9), ALL_ROUTERS), &[0; 4]).unwrap();
    assert_eq!((from, prefix_in(&body)), (link_local(ours), before.first().copied()));
}

/// A DHCPINFORM as Windows and Apple send it; gives the answer.
fn inform(link: &mut Link, list: &[u8]) -> Option<dhcp::Message> {
    let inside = link.world.peers[link.who].inside().unwrap();
    let message = dhcp::Message {
        op: dhcp::Op::Request,
        htype: 8,
        hlen: 6,
        hops: 0,
        xid: 1,
        secs: 0,
        flags: 0,
        ciaddr: inside,
        yiaddr: Ipv4Addr::UNSPECIFIED,
        siaddr: Ipv4Addr::UNSPECIFIED,
        giaddr: Ipv4Addr::UNSPECIFIED,
        chaddr: [0; 16],
        options: vec![
            DhcpOption::new(OptionCode::MessageType, [8]),
            DhcpOption::new(OptionCode::ParameterRequestList, list),
        ],
    };
    let payload = message.encode();
    let mut segment = udp_header(68, 67, payload.len()).unwrap().to_vec();
    segment.extend(payload);
    let mut packet = ipv4_header(inside, Ipv4Addr::BROADCAST, UDP, segment.len()).unwrap().to_vec();
    packet.extend(segment);
    let answers = link.ask(Protocol::Ipv4, &packet);
    answers.iter().filter(|(p, _)| *p == Protocol::Ipv4).find_map(|(_, packet)| {
        let ip = Ipv4::new(packet)?;
        let udp = Udp::new(ip.payload())?;
        assert_eq!((ip.destination(), udp.source_port, udp.destination_port), (inside, 67, 68));
        assert_eq!(ip.source(), Ipv4Addr::new(192, 168, 100, 1));
        dhcp::Message::decode(udp.payload).ok()
    })
}

/// Trap 94 of the clients' list.
#[test]
fn a_dhcpinform_inside_the_link_is_answered_with_routes_and_names() {
    let mut link = Link::up(IPV6);
    let reply = inform(&mut link, &[6, 44, 43, 1, 249, 15]).expect("an answer");
    assert_eq!((u8::from(reply.options[0].code), &reply.options[0].data[..]), (53, &[5][..]), "the type comes first");
    assert_eq!(reply.option(OptionCode::ServerIdentifier).unwrap(), [192, 168, 100, 1]);
    assert_eq!(reply.option(OptionCode::SubnetMask).unwrap(), [255, 255, 255, 0]);
    assert_eq!(reply.option(OptionCode::DomainNameServer).unwrap(), [192, 168, 100, 10]);
    assert_eq!(reply.option(OptionCode::DomainName).unwrap(), b"lan.test");
    let routes = decode_routes(&reply.option(OptionCode::MicrosoftRoutes).unwrap()).unwrap();
    assert_eq!((routes.len(), routes[0].network, routes[0].bits), (1, Ipv4Addr::new(192, 168, 100, 0), 24));
    assert_eq!(reply.option(OptionCode::ClasslessRoutes), reply.option(OptionCode::MicrosoftRoutes));
    assert!(reply.yiaddr.is_unspecified() && reply.option(OptionCode::LeaseTime).is_none());
    let answered = (0..20).filter(|_| inform(&mut link, &[6]).is_some()).count();
    assert!((4..=7).contains(&answered), "{answered} of 20 in two seconds");
    link.world.check_thoroughly();
}

/// Trap 95 of the clients' list.
#[test]
fn what_clients_shout_in_the_first_second_is_dropped_without_a_word() {
    let mut link = Link::up(IPV6);
    link.open_ipv6();
    let told = link.world.log().len();
    let inside = link.world.peers[link.who].inside().unwrap();
    for (to, port) in [([224, 0, 0, 251], 5353), ([224, 0, 0, 252], 5355), ([255; 4], 1900)] {
        let segment = [&udp_header(port, port, 4).unwrap()[..], b"shout"].concat();
        let header = ipv4_header(inside, to.into(), UDP, segment.len()).unwrap();
        assert_eq!(link.ask(Protocol::Ipv4, &[&header[..], &segment].concat()), [], "{to:?}");
    }
    for (to, port) in [("ff02::fb", 5353), ("ff02::1:3", 5355), ("ff02::c", 1900)] {
        let to = to.parse().unwrap();
        let segment = udp_for_ipv6((link_local(9), port), (to, port), b"shout").unwrap();
        let packet = ipv6_packet(link_local(9), to, UDP, 1, &segment).unwrap();
        assert_eq!(link.ask(Protocol::Ipv6, &packet), [], "{to}");
    }
    assert_eq!(link.world.log().len(), told);
}

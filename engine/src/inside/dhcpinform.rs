//! DHCPINFORM inside the link: a client that has its address by IPCP asks for everything else (RFC 2131 §3.4).
//!
//! Windows and Apple learn from the answer which networks lie behind the tunnel, so that the rest of their traffic can
//! stay outside (docs/interop.md).

use core::net::Ipv4Addr;
use wire::inside::dhcp::{
    CLIENT_PORT, DhcpOption, Message, MessageType, Op, OptionCode, Route, SERVER_PORT, encode_routes,
};
use wire::ip::{Ipv4, UDP, Udp, ipv4_header, transport_checksum_ipv4, udp_header};

/// NetBIOS names are asked of the server first, then of the link (RFC 2132 §8.7).
const HYBRID_NODE: u8 = 8;

/// What a client is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Facts {
    /// The address that it has.
    pub(crate) client: Ipv4Addr,
    /// Ours.
    pub(crate) server: Ipv4Addr,
    /// The length of the mask of the client's network; 32 where it is in no network of ours.
    pub(crate) mask_bits: u8,
    /// Name servers.
    pub(crate) dns: Vec<Ipv4Addr>,
    /// NetBIOS name servers.
    pub(crate) wins: Vec<Ipv4Addr>,
    /// The domain.
    pub(crate) domain: Option<String>,
    /// Networks behind us, with the lengths of their masks.
    pub(crate) networks: Vec<(Ipv4Addr, u8)>,
}

/// The answer to an IP packet with a DHCP message, as an IP packet; nothing for anything but a DHCPINFORM of the
/// client's own. Addresses are never lent this way.
pub(crate) fn answer(packet: &[u8], facts: &Facts) -> Option<Vec<u8>> {
    let ip = Ipv4::new(packet)?;
    let udp = Udp::new(ip.payload())?;
    let ports = (udp.source_port, udp.destination_port) == (CLIENT_PORT, SERVER_PORT);
    if ip.protocol() != UDP || ip.fragment_offset() != 0 || ip.more_fragments() || !ports {
        return None;
    }
    let asked = Message::decode(udp.payload).ok()?;
    let own = asked.ciaddr == facts.client || asked.ciaddr.is_unspecified();
    let for_us = asked.option(OptionCode::ServerIdentifier).is_none_or(|id| id == facts.server.octets());
    if asked.op != Op::Request
        || asked.message_type() != Some(MessageType::Inform)
        || !own
        || !for_us
        || !asked.giaddr.is_unspecified()
    {
        return None;
    }
    let reply = Message {
        op: Op::Reply,
        hops: 0,
        secs: 0,
        // RFC 2131 §4.3.5: no address and no lease, whatever the client sent here.
        yiaddr: Ipv4Addr::UNSPECIFIED,
        siaddr: Ipv4Addr::UNSPECIFIED,
        options: options(&asked, facts),
        ..asked
    };
    datagram(facts, &reply.encode())
}

/// The options of the answer: the type first, because Apple looks for it nowhere else, and the server (RFC 2131 §4.3.1),
/// then what was asked for and is there to tell.
fn options(asked: &Message, facts: &Facts) -> Vec<DhcpOption> {
    let list = asked.option(OptionCode::ParameterRequestList);
    let wants = |code: OptionCode| list.as_ref().is_none_or(|list| list.contains(&u8::from(code)));
    let mask = u32::MAX.checked_shl(32_u32.saturating_sub(u32::from(facts.mask_bits))).unwrap_or(0);
    let mut options = vec![
        DhcpOption::new(OptionCode::MessageType, [u8::from(MessageType::Ack)]),
        DhcpOption::addresses(OptionCode::ServerIdentifier, &[facts.server]),
        DhcpOption::addresses(OptionCode::SubnetMask, &[Ipv4Addr::from(mask)]),
    ];
    if wants(OptionCode::DomainNameServer) && !facts.dns.is_empty() {
        options.push(DhcpOption::addresses(OptionCode::DomainNameServer, &facts.dns));
    }
    if let Some(domain) = &facts.domain {
        if wants(OptionCode::DomainName) {
            options.push(DhcpOption::new(OptionCode::DomainName, domain.as_bytes()));
        }
        let search = wire::inside::encode_names([domain.as_str()]);
        if wants(OptionCode::DomainSearch) && !search.is_empty() {
            options.push(DhcpOption::new(OptionCode::DomainSearch, search));
        }
    }
    if !facts.wins.is_empty() {
        if wants(OptionCode::NetbiosNameServer) {
            options.push(DhcpOption::addresses(OptionCode::NetbiosNameServer, &facts.wins));
        }
        if wants(OptionCode::NetbiosNodeType) {
            options.push(DhcpOption::new(OptionCode::NetbiosNodeType, [HYBRID_NODE]));
        }
    }
    let routes = routes(facts);
    // Some versions of Windows ask for one number and read the other.
    if (wants(OptionCode::MicrosoftRoutes) || wants(OptionCode::ClasslessRoutes)) && !routes.is_empty() {
        options.push(DhcpOption::new(OptionCode::MicrosoftRoutes, routes.clone()));
        options.push(DhcpOption::new(OptionCode::ClasslessRoutes, routes));
    }
    options
}

/// The networks behind us as routes; never the default route, which Apple computes with a shift by 32.
fn routes(facts: &Facts) -> Vec<u8> {
    let routes: Vec<Route> = facts
        .networks
        .iter()
        .filter(|(_, bits)| (1..=32).contains(bits))
        .map(|(network, bits)| Route { network: *network, bits: *bits, router: facts.server })
        .collect();
    encode_routes(&routes)
}

/// The reply goes to the client's address whatever its broadcast flag says: on this link it has one.
fn datagram(facts: &Facts, payload: &[u8]) -> Option<Vec<u8>> {
    let mut segment = udp_header(SERVER_PORT, CLIENT_PORT, payload.len())?.to_vec();
    segment.extend_from_slice(payload);
    let sum = transport_checksum_ipv4(facts.server, facts.client, UDP, &segment);
    let sum = if sum == 0 { u16::MAX } else { sum };
    segment.iter_mut().skip(6).zip(sum.to_be_bytes()).for_each(|(place, octet)| *place = octet);
    let mut packet = ipv4_header(facts.server, facts.client, UDP, segment.len())?.to_vec();
    packet.append(&mut segment);
    Some(packet)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;
    use wire::inside::dhcp::decode_routes;

    const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 168, 100, 200);
    const SERVER: Ipv4Addr = Ipv4Addr::new(192, 168, 100, 1);
    const DNS: Ipv4Addr = Ipv4Addr::new(192, 168, 100, 10);

    fn facts() -> Facts {
        Facts {
            client: CLIENT,
            server: SERVER,
            mask_bits: 24,
            dns: vec![DNS],
            wins: vec![Ipv4Addr::new(192, 168, 100, 11)],
            domain: Some("lan.test".to_owned()),
            networks: vec![(Ipv4Addr::new(192, 168, 100, 0), 24), (Ipv4Addr::new(10, 0, 0, 0), 8)],
        }
    }

    /// As Apple sends it: from its own address, UDP checksum 0.
    fn inform(list: Option<&[u8]>) -> Message {
        let mut options = vec![
            DhcpOption::new(OptionCode::MessageType, [8]),
            DhcpOption::new(OptionCode::ClientIdentifier, [8, 0, 0, 0, 1, 0, 0]),
        ];
        options.extend(list.map(|list| DhcpOption::new(OptionCode::ParameterRequestList, list)));
        Message {
            op: Op::Request,
            htype: 8,
            hlen: 6,
            hops: 0,
            xid: 1,
            secs: 2,
            flags: 0,
            ciaddr: CLIENT,
            yiaddr: Ipv4Addr::UNSPECIFIED,
            siaddr: Ipv4Addr::UNSPECIFIED,
            giaddr: Ipv4Addr::UNSPECIFIED,
            chaddr: [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0],
            options,
        }
    }

    fn packet(message: &Message) -> Vec<u8> {
        let payload = message.encode();
        let mut segment = udp_header(CLIENT_PORT, SERVER_PORT, payload.len()).unwrap().to_vec();
        segment.extend(payload);
        let header = ipv4_header(CLIENT, Ipv4Addr::BROADCAST, UDP, segment.len()).unwrap();
        [&header[..], &segment].concat()
    }

    fn ask(message: &Message) -> Option<Message> {
        let reply = answer(&packet(message), &facts())?;
        let ip = Ipv4::new(&reply).unwrap();
        assert!(ip.has_right_checksum());
        assert_eq!((ip.source(), ip.destination(), ip.header_len()), (SERVER, CLIENT, 20));
        assert_eq!(transport_checksum_ipv4(SERVER, CLIENT, UDP, ip.payload()), 0);
        let udp = Udp::new(ip.payload()).unwrap();
        assert_eq!((udp.source_port, udp.destination_port), (67, 68));
        let reply = Message::decode(udp.payload).unwrap();
        assert_eq!((reply.op, reply.xid, reply.ciaddr), (Op::Reply, 1, message.ciaddr));
        assert!(reply.yiaddr.is_unspecified(), "never a lease");
        assert_eq!(reply.option(OptionCode::LeaseTime), None);
        assert_eq!(reply.chaddr, message.chaddr);
        Some(reply)
    }

    fn codes(message: &Message) -> Vec<u8> {
        message.options.iter().map(|o| o.code.into()).collect()
    }

    #[test]
    fn apple_is_told_the_type_first_and_the_routes() {
        let reply = ask(&inform(Some(&[6, 44, 43, 1, 249, 15]))).unwrap();
        assert_eq!(codes(&reply), [53, 54, 1, 6, 15, 44, 249, 121]);
        assert_eq!(reply.message_type(), Some(MessageType::Ack));
        assert_eq!(reply.option(OptionCode::SubnetMask).unwrap(), [255, 255, 255, 0]);
        assert_eq!(reply.option(OptionCode::DomainName).unwrap(), b"lan.test");
        let routes = decode_routes(&reply.option(OptionCode::MicrosoftRoutes).unwrap()).unwrap();
        let told: Vec<_> = routes.iter().map(|r| (r.network, r.bits, r.router)).collect();
        assert_eq!(told, facts().networks.iter().map(|n| (n.0, n.1, SERVER)).collect::<Vec<_>>());
    }

    #[test]
    fn windows_is_told_both_numbers_of_the_routes_and_the_search_list() {
        let reply = ask(&inform(Some(&[1, 3, 6, 15, 31, 33, 43, 44, 46, 47, 119, 121, 249, 252]))).unwrap();
        assert_eq!(codes(&reply), [53, 54, 1, 6, 15, 119, 44, 46, 249, 121]);
        assert_eq!(reply.option(OptionCode::DomainSearch).unwrap(), b"\x03lan\x04test\x00");
        assert_eq!(reply.option(OptionCode::MicrosoftRoutes), reply.option(OptionCode::ClasslessRoutes));
        assert_eq!(reply.option(OptionCode::Router), None, "no default gateway");
        let all = ask(&inform(None)).unwrap();
        assert_eq!(codes(&all), [53, 54, 1, 6, 15, 119, 44, 46, 249, 121], "who names nothing gets all");
    }

    #[test]
    fn what_is_not_there_is_not_told_and_never_a_default_route() {
        let bare = Facts {
            mask_bits: 32,
            dns: vec![],
            wins: vec![],
            domain: None,
            networks: vec![(Ipv4Addr::UNSPECIFIED, 0)],
            ..facts()
        };
        let reply = answer(&packet(&inform(None)), &bare).unwrap();
        let reply = Message::decode(&reply[28..]).unwrap();
        assert_eq!(codes(&reply), [53, 54, 1]);
        assert_eq!(reply.option(OptionCode::SubnetMask).unwrap(), [255; 4]);
    }

    #[test]
    fn a_client_without_an_address_in_the_message_and_with_the_broadcast_flag_is_answered_too() {
        let mut message = inform(None);
        message.ciaddr = Ipv4Addr::UNSPECIFIED;
        message.flags = 0x8000;
        assert_eq!(ask(&message).unwrap().flags, 0x8000);
    }

    #[test]
    fn only_a_dhcpinform_of_the_clients_own_is_answered() {
        for kind in [1, 2, 3, 4, 5, 6, 7, 9] {
            let mut message = inform(None);
            message.options[0] = DhcpOption::new(OptionCode::MessageType, [kind]);
            assert!(ask(&message).is_none(), "{kind}");
        }
        let mut changes: Vec<Message> = vec![inform(None); 5];
        changes[0].ciaddr = Ipv4Addr::new(192, 168, 100, 201);
        changes[1].giaddr = Ipv4Addr::new(192, 168, 100, 2);
        changes[2].op = Op::Reply;
        changes[3].options.clear();
        changes[4].options.push(DhcpOption::addresses(OptionCode::ServerIdentifier, &[DNS]));
        for (at, message) in changes.iter().enumerate() {
            assert!(ask(message).is_none(), "{at}");
        }
        let good = packet(&inform(None));
        for length in 0..good.len() {
            assert_eq!(answer(&good[..length], &facts()), None);
        }
        let mut fragment = good.clone();
        fragment[6] = 0x20;
        assert_eq!(answer(&fragment, &facts()), None);
        let mut other_port = good;
        other_port[23] = 69;
        assert_eq!(answer(&other_port, &facts()), None);
    }
}

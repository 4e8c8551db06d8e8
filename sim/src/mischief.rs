//! What people of bad will say where their session is in order, what a host may send them, and what an operator changes
//! meanwhile: by chance, but of the right form often enough to get past the first look.

use crate::packet;
use crate::rng::Rng;
use crate::world::HOST;
use core::net::{Ipv4Addr, Ipv6Addr};
use wire::inside::icmpv6::{Message, Type};
use wire::inside::{dhcp, dhcpv6, ipv6_packet, udp_for_ipv6};
use wire::ip::UDP;
use wire::l2tp::{Avp, AvpType};
use wire::ppp::{Code, Opt, Packet, Protocol, encode_frame, encode_options};

/// The server's address inside.
const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 168, 100, 1);
const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
const ALL_DHCP: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);
/// A host of IPv6 behind the server.
const HOST6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x100, 0, 0, 0, 0, 0x10);

/// What is served beside the usual where people are of bad will.
pub(crate) const SERVED: [&str; 10] = [
    "ipsec ike remote name 1 client1 fqdn",
    "ipv6 lan1 address 2001:db8:100::1/64",
    "dns server 192.168.100.10 2001:db8:100::10",
    "dns domain lan.test",
    "dns notice order dhcp server",
    "ip filter 1 pass * * * * *",
    "ip filter 2 reject * 192.168.100.10 udp * 7",
    "ip filter 3 restrict * * tcpfin",
    "ip filter dynamic 4 * * ftp",
    "ip filter dynamic 5 * * udp",
];

/// What an operator says, and where; a line that does not go with the others is refused.
pub(crate) const LINES: [(&str, &[&str]); 4] = [
    (
        "pp select anonymous",
        &[
            "pp auth request pap",
            "pp auth request chap",
            "pp auth request mschap-v2",
            "no pp enable anonymous",
            "pp enable anonymous",
            "ip pp remote address pool 192.168.100.240-192.168.100.241",
            "ip pp remote address pool 192.168.100.200-192.168.100.250",
            "ip pp mtu 1280",
            "ip pp mtu 600",
            "ppp ipv6cp use on",
            "ppp ipv6cp use off",
            "ipv6 pp remote prefix pool 2001:db8:200::/56",
            "no ipv6 pp remote prefix",
            "ppp ipcp msext off",
            "no pp auth username second",
        ],
    ),
    (
        "pp select anonymous",
        &[
            "ip pp secure filter in 1 dynamic 5",
            "ip pp secure filter in 2 1",
            "ip pp secure filter in 3 1 dynamic 4 5",
            "ip pp secure filter out 3 1 dynamic 4 5",
            "ip pp secure filter out 1 dynamic 5",
            "no ip pp secure filter in",
            "no ip pp secure filter out",
        ],
    ),
    (
        "tunnel select 1",
        &[
            "l2tp keepalive use off",
            "l2tp tunnel auth on secret",
            "tunnel disable 1",
            "tunnel enable 1",
            "ipsec ike pre-shared-key 1 text another",
            "ipsec sa policy 1 1 esp aes256-cbc sha256-hmac",
            "ipsec ike keepalive use 1 on dpd 5 2",
            "ipsec ike duration ipsec-sa 1 300 rekey 70%",
            "ipsec ike duration ike-sa 1 300 rekey 70%",
            "ip tunnel tcp mss limit off",
        ],
    ),
    (
        "no tunnel select",
        &[
            "no l2tp service on",
            "l2tp service on",
            "no ipsec transport 1",
            "clear account all",
            "no ip filter 1",
            "ipsec refresh sa",
            "ipsec auto refresh off",
            "disconnect all",
            "no dns server",
            "syslog notice on",
        ],
    ),
];

/// Changes some octets, cuts some off or puts some in.
pub fn mutated(rng: &mut Rng, octets: &mut Vec<u8>) {
    match rng.below(6) {
        0 => {
            let at = rng.below(octets.len() as u64 + 1) as usize;
            octets.truncate(at);
        }
        1 => {
            let n = rng.below(64) as usize;
            let more = rng.bytes(n);
            octets.extend(more);
        }
        2 => {
            let at = rng.below(octets.len() as u64 + 1) as usize;
            let n = rng.below(16) as usize;
            let more = rng.bytes(n);
            octets.splice(at..at, more);
        }
        3 if octets.len() > 4 => {
            // A length or a type: an extreme value somewhere.
            let at = rng.below(octets.len() as u64 - 1) as usize;
            let value = [0u16, 1, 3, 4, 0x7fff, 0x8000, 0xffff][rng.below(7) as usize];
            octets[at..at + 2].copy_from_slice(&value.to_be_bytes());
        }
        _ => {
            for _ in 0..=rng.below(4) {
                if !octets.is_empty() {
                    let at = rng.below(octets.len() as u64) as usize;
                    octets[at] ^= 1 << rng.below(8);
                }
            }
        }
    }
}

fn one<T: Copy>(rng: &mut Rng, of: &[T]) -> T {
    of[rng.below(of.len() as u64) as usize]
}

/// So many octets of one kind, at most `most`: chance has better use for its octets.
fn filling(rng: &mut Rng, most: u64) -> Vec<u8> {
    let (length, octet) = (rng.below(most + 1) as usize, rng.below(256) as u8);
    vec![octet; length]
}

/// A PPP frame of a client that has this address inside, and perhaps this prefix.
pub(crate) fn frame(rng: &mut Rng, inside: Ipv4Addr, prefix: Option<Ipv6Addr>) -> Vec<u8> {
    let (protocol, mut payload) = match rng.below(8) {
        0 | 1 => (Protocol::Ipv4, of_client(rng, inside)),
        2 | 3 => (Protocol::Ipv6, of_client_v6(rng, prefix)),
        4 => (Protocol::Lcp, control(rng, &[1, 2, 3, 5, 7, 8, 13, 17])),
        5 => (Protocol::Ipcp, control(rng, &[1, 2, 3, 129, 130, 131, 132])),
        6 => (Protocol::Ipv6cp, control(rng, &[1, 2])),
        _ => {
            let others =
                [Protocol::Chap, Protocol::Pap, Protocol::Eap, Protocol::Lqr, Protocol::Multilink, Protocol::Acscp];
            let number = rng.below(0x10000) as u16;
            let all = [&others[..], &[Protocol::VjCompressed, Protocol::from(0x80fd), Protocol::from(number)]].concat();
            (one(rng, &all), control(rng, &[1, 2, 4]))
        }
    };
    if rng.happens(300) {
        mutated(rng, &mut payload);
    }
    encode_frame(protocol, &payload)
}

/// A packet of LCP or one of its like, with some of these options where it has any.
fn control(rng: &mut Rng, kinds: &[u8]) -> Vec<u8> {
    let code = Code::from(rng.below(16) as u8);
    let id = rng.below(8) as u8;
    let data = if rng.happens(200) {
        filling(rng, 40)
    } else {
        let options: Vec<Opt> = (0..rng.below(4))
            .map(|_| {
                let (kind, length, octet) = (one(rng, kinds), one(rng, &[0, 1, 2, 3, 4, 8]), rng.below(256) as u8);
                Opt { kind, data: vec![octet; length] }
            })
            .collect();
        encode_options(&options)
    };
    Packet::encode(code, id, &data)
}

fn tcp(rng: &mut Rng) -> Vec<u8> {
    let (from, to) = (one(rng, &[1025u16, 20, 80]), one(rng, &[21u16, 80, 7, 1025]));
    let options =
        one(rng, &[&[][..], &[2, 4, 5, 180], &[1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0], &[2, 0, 0, 0], &[5, 250, 0, 0]]);
    let flags = rng.below(64) as u8;
    let offset = if rng.happens(50) { rng.below(16) as u8 } else { (5 + options.len() / 4) as u8 };
    let mut segment = [&from.to_be_bytes()[..], &to.to_be_bytes()].concat();
    segment.extend_from_slice(&[0, 0, 0, rng.below(256) as u8, 0, 0, 0, 1, offset << 4, flags, 0x20, 0, 0, 0, 0, 0]);
    segment.extend_from_slice(options);
    segment.extend(filling(rng, 1400));
    segment
}

/// What a client may send to somebody of IPv4.
fn of_client(rng: &mut Rng, inside: Ipv4Addr) -> Vec<u8> {
    let source =
        if rng.happens(100) { one(rng, &[HOST, ROUTER, Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST]) } else { inside };
    let to = one(rng, &[HOST, ROUTER, Ipv4Addr::BROADCAST, Ipv4Addr::new(192, 168, 100, 201), Ipv4Addr::LOCALHOST]);
    match rng.below(6) {
        0 => inform(rng, source),
        1 => packet::udp(
            (source, one(rng, &[9u16, 68, 53])),
            (to, one(rng, &[7u16, 53, 67, 500, 1701])),
            &filling(rng, 1600),
        ),
        2 => packet::ipv4(source, to, 6, 0x4000, &tcp(rng)),
        3 => {
            let echo = [&[one(rng, &[8u8, 0, 3, 5]), 0, 0, 0, 0, 1, 0, 1][..], &filling(rng, 1500)].concat();
            packet::ipv4(source, to, 1, 0, &echo)
        }
        4 => {
            let flags = one(rng, &[0x2000u16, 0x2001, 0x0001, 0x00b9, 0x1fff, 0x3fff]);
            packet::ipv4(source, to, one(rng, &[6u8, 17, 1]), flags, &filling(rng, 1480))
        }
        _ => packet::ipv4(source, to, rng.below(256) as u8, 0, &filling(rng, 64)),
    }
}

fn inform(rng: &mut Rng, inside: Ipv4Addr) -> Vec<u8> {
    let kind = one(rng, &[8u8, 8, 8, 1, 3, 7]);
    let asked = one(rng, &[&[6u8, 15, 121, 249][..], &[], &[43, 44, 46, 47, 6, 15, 252, 119], &[121; 255]]);
    let message = dhcp::Message {
        op: one(rng, &[1u8, 1, 1, 2]).into(),
        htype: 8,
        hlen: one(rng, &[0, 6, 16, 255]),
        hops: 0,
        xid: rng.below(256) as u32,
        secs: 0,
        flags: 0,
        ciaddr: one(rng, &[inside, inside, Ipv4Addr::UNSPECIFIED, HOST]),
        yiaddr: Ipv4Addr::UNSPECIFIED,
        siaddr: Ipv4Addr::UNSPECIFIED,
        giaddr: Ipv4Addr::UNSPECIFIED,
        chaddr: [0; 16],
        options: vec![
            dhcp::DhcpOption::new(53.into(), [kind]),
            dhcp::DhcpOption::new(55.into(), asked),
            dhcp::DhcpOption::new(one(rng, &[61, 12, 60, 81, 82]).into(), filling(rng, 300)),
        ],
    };
    let to = one(rng, &[Ipv4Addr::BROADCAST, ROUTER, HOST]);
    packet::udp((inside, 68), (to, 67), &message.encode())
}

/// What a client may send to somebody of IPv6.
fn of_client_v6(rng: &mut Rng, prefix: Option<Ipv6Addr>) -> Vec<u8> {
    let local = Ipv6Addr::from_bits(0xfe80_u128 << 112 | 9);
    let own = prefix.map_or(local, |prefix| Ipv6Addr::from_bits(prefix.to_bits() | 9));
    let from = one(rng, &[local, local, own, own, Ipv6Addr::UNSPECIFIED, HOST6]);
    let to = one(rng, &[ALL_ROUTERS, ALL_DHCP, HOST6, Ipv6Addr::from_bits(0xfe80_u128 << 112 | 1), own]);
    let made = match rng.below(5) {
        0 | 1 => {
            let kind = Type::from(one(rng, &[133u8, 134, 135, 136, 137, 128, 128, 1, 2, 3, 130, 143]));
            let target = one(rng, &[own, local, HOST6]).octets();
            let options = one(rng, &[&[][..], &[1, 1, 0, 0, 0, 0, 0, 1], &[1, 0], &[25, 3, 0, 0, 0, 0, 0, 9]]);
            let body = [&[0; 4][..], if rng.happens(700) { &target } else { &[] }, options].concat();
            let body = if kind == Type::RouterSolicitation { [&[0; 4][..], options].concat() } else { body };
            Message { kind, code: 0, body: &body }.packet(from, to, one(rng, &[255, 255, 64]))
        }
        2 => {
            let kind = dhcpv6::MessageType::from(one(rng, &[11u8, 11, 1, 3, 5, 6, 8, 9, 13]));
            let association = [&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0][..], &filling(rng, 30)].concat();
            let options = vec![
                (1.into(), vec![0, 3, 0, 1, 2, 2, 2, 2, 2, 2]),
                (6.into(), one(rng, &[&[0u8, 23, 0, 24][..], &[], &[0], &[0, 32, 0, 23]]).to_vec()),
                (one(rng, &[3u16, 25, 4, 14]).into(), association),
                (one(rng, &[2u16, 8, 20, 16]).into(), filling(rng, 20)),
            ];
            let message = dhcpv6::Message { kind, transaction: [1, 2, rng.below(256) as u8], options };
            udp_for_ipv6((from, 546), (to, 547), &message.encode()).and_then(|s| ipv6_packet(from, to, UDP, 64, &s))
        }
        3 => udp_for_ipv6((from, 9), (to, 7), &filling(rng, 1500)).and_then(|s| ipv6_packet(from, to, UDP, 64, &s)),
        _ => {
            // Extension headers, one behind the other: hop-by-hop, routing, fragment, destination; then nothing.
            let mut rest = filling(rng, 40);
            let mut next = one(rng, &[6u8, 17, 58, 59]);
            for _ in 0..rng.below(4) {
                let kind = one(rng, &[0u8, 43, 44, 60]);
                rest = [&[next, if rng.happens(100) { 255 } else { 0 }, 0, 1, 0, 0, 0, 1], &rest[..]].concat();
                next = kind;
            }
            ipv6_packet(from, to, next, 64, &rest)
        }
    };
    made.unwrap_or_default()
}

/// What a host behind the server may send to a client, or whatever else the host's own table sends into the device.
pub(crate) fn of_host(rng: &mut Rng, inside: Ipv4Addr, prefix: Option<Ipv6Addr>) -> Vec<u8> {
    let own = prefix.map_or(HOST6, |prefix| Ipv6Addr::from_bits(prefix.to_bits() | 9));
    let flags = one(rng, &[0u16, 0, 0x4000, 0x2000, 0x00b9]);
    let mut made = match rng.below(5) {
        0 => packet::ipv4(HOST, inside, 17, flags, &packet::udp((HOST, 7), (inside, 9), &filling(rng, 3000))[20..]),
        1 => packet::ipv4(HOST, inside, 6, flags, &tcp(rng)),
        2 => packet::ipv4(HOST, inside, one(rng, &[1u8, 47, 50, 58]), flags, &filling(rng, 100)),
        3 => ipv6_packet(HOST6, own, one(rng, &[6, 17, 58, 44]), 64, &filling(rng, 2000)).unwrap_or_default(),
        _ => filling(rng, 60),
    };
    if rng.happens(300) {
        mutated(rng, &mut made);
    }
    made
}

/// The AVPs of a control message, of any type.
pub(crate) fn avps(rng: &mut Rng) -> Vec<u8> {
    let kind = rng.below(18) as u16;
    let mut avps = vec![Avp::u16(AvpType::MessageType, kind)];
    for _ in 0..rng.below(5) {
        let (which, octets) = (AvpType::from(rng.below(50) as u16), filling(rng, 12));
        let avp = Avp::bytes(which, &octets);
        avps.push(Avp { mandatory: rng.happens(500), hidden: rng.happens(50), ..avp });
    }
    let mut octets = wire::l2tp::encode_avps(&avps);
    if rng.happens(300) {
        mutated(rng, &mut octets);
    }
    octets
}

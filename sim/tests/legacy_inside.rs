//! What clients ask inside a PPTP call is answered as it is for L2TP: DHCPINFORM, IPv6, packets that are too large.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use core::net::Ipv4Addr;
use core::time::Duration;
use sim::legacy::{Exchange, config};
use sim::peer::legacy::Manner;
use wire::inside::dhcp::{self, DhcpOption, OptionCode};
use wire::inside::icmpv6::{Message, Type};
use wire::ip::{Ipv4, Ipv6, UDP, ipv4_header, udp_header};
use wire::ppp::{Code, Opt, Packet, Protocol, encode_frame, encode_options};

const HOST: Ipv4Addr = Ipv4Addr::new(192, 168, 100, 10);

fn up() -> (Exchange, usize, Ipv4Addr) {
    let extra = ["ipv6 lan1 address 2001:db8:100::1/64", "dns domain lan.test"];
    let pp = ["ppp ccp no-encryption reject", "ppp ipv6cp use on", "ipv6 pp remote prefix pool 2001:db8:200::/56"];
    let mut x = Exchange::new(config(2, &pp, &extra), 21);
    let who = x.add(Manner::default());
    x.connect(who);
    let inside = x.clients[who].inside().unwrap();
    (x, who, inside)
}

#[test]
fn a_dhcpinform_is_answered_encrypted() {
    let (mut x, who, inside) = up();
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
            DhcpOption::new(OptionCode::ParameterRequestList, [6, 15]),
        ],
    };
    let payload = message.encode();
    let segment = [&udp_header(68, 67, payload.len()).unwrap()[..], &payload].concat();
    let packet = [&ipv4_header(inside, Ipv4Addr::BROADCAST, UDP, segment.len()).unwrap()[..], &segment].concat();
    x.act(who, |client, now| client.send_ip(&packet, now));
    x.run_for(Duration::from_secs(1));
    let (_, answer) = x.inner.last().expect("an answer");
    let ip = Ipv4::new(answer).unwrap();
    let reply = dhcp::Message::decode(&ip.payload()[8..]).unwrap();
    assert_eq!(reply.option(OptionCode::DomainName).unwrap(), b"lan.test");
    assert_eq!(x.clients[who].plain_seen, 0);
}

#[test]
fn ipv6_is_negotiated_and_advertised_encrypted() {
    let (mut x, who, _) = up();
    let ask = |x: &mut Exchange, packet: &[u8]| {
        let frame = encode_frame(Protocol::Ipv6cp, packet);
        x.act(who, |client, _| client.send_frame(&frame));
        x.run_for(Duration::from_millis(100));
    };
    let options = encode_options(&[Opt { kind: 1, data: 9_u64.to_be_bytes().to_vec() }]);
    ask(&mut x, &Packet::encode(Code::ConfigureRequest, 1, &options));
    let request = x.clients[who].frames.iter().find(|(p, b)| *p == Protocol::Ipv6cp && b[0] == 1).unwrap().1.clone();
    let packet = Packet::decode(&request).unwrap();
    ask(&mut x, &Packet::encode(Code::ConfigureAck, packet.id, packet.data));
    let (_, packet) = x.inner.last().expect("an advertisement");
    let ip = Ipv6::new(packet).unwrap();
    let message = Message::decode(ip.source(), ip.destination(), ip.payload()).unwrap();
    assert_eq!(message.kind, Type::RouterAdvertisement);
    assert_eq!(x.world.prefixes.len(), 1);
    x.act(who, |client, _| client.hang_up());
    x.run_for(Duration::from_secs(60));
    assert_eq!(x.world.quiet(), Ok(()));
    assert_eq!(x.world.prefixes.len(), 0);
}

#[test]
fn what_is_too_large_is_cut_or_its_sender_told() {
    let (mut x, who, inside) = up();
    let large = sim::packet::ipv4(HOST, inside, UDP, 0, &[7; 2000]);
    x.world.tun_receives(&large);
    x.run_for(Duration::from_millis(500));
    let pieces: Vec<usize> = x.inner.iter().map(|(_, ip)| ip.len()).collect();
    assert_eq!(pieces.len(), 2);
    assert!(pieces.iter().all(|len| *len <= 1400), "{pieces:?}");
    let unbreakable = sim::packet::ipv4(HOST, inside, UDP, 0x4000, &[7; 2000]);
    let before = (x.inner.len(), x.came_out);
    x.world.tun_receives(&unbreakable);
    x.run_for(Duration::from_millis(500));
    // The ICMP message is for the host.
    assert_eq!((x.inner.len(), x.came_out), (before.0, before.1 + 1));
    assert!(x.reaches(who));
}

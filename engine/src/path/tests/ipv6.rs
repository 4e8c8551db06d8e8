//! IPv6 through the worker: whose address is whose, sizes, and what becomes a note.

use super::*;
use wire::inside::icmpv6::{Message, Type};
use wire::inside::{ipv6_packet, transport_checksum_ipv6, udp_for_ipv6};
use wire::ip::Ipv6;

const PREFIX: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x200, 0, 0, 0, 0, 0);
const THEIRS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x200, 0, 1, 2, 3, 4);
const THEIR_LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 1, 2, 3, 4);
const FAR: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x100, 0, 0, 0, 0, 0x10);
const OURS: u64 = 7;

fn with_ipv6() -> SessionPath {
    SessionPath { ipv6: Some(Ipv6Path { prefix: Some(PREFIX), our_identifier: OURS, mss: None }), ..session() }
}

fn ours() -> Ipv6Addr {
    link_local(OURS)
}

fn datagram(from: Ipv6Addr, to: Ipv6Addr, len: usize) -> Vec<u8> {
    let segment = udp_for_ipv6((from, 9), (to, 53), &vec![0x55; len]).unwrap();
    ipv6_packet(from, to, 17, 64, &segment).unwrap()
}

fn icmp(kind: Type, from: Ipv6Addr, to: Ipv6Addr) -> Vec<u8> {
    let body = [0; 20];
    Message { kind, code: 0, body: &body }.packet(from, to, 255).unwrap()
}

impl Mirror {
    fn send_ipv6(&mut self, ip: &[u8]) -> Vec<u8> {
        self.send_ppp(&[&[0xff, 0x03, 0x00, 0x57], ip].concat())
    }
}

#[test]
fn an_ipv6_packet_of_the_client_goes_to_the_tun_and_its_answer_comes_back() {
    for (acfc, pfc, header) in [
        (false, false, &[0xff, 3, 0, 0x57][..]),
        (true, false, &[0, 0x57]),
        (false, true, &[0xff, 3, 0x57]),
        (true, true, &[0x57]),
    ] {
        let (mut worker, mut mirror) =
            worker_with(AES_SHA1, SessionPath { acfc, pfc, length_bit: true, ..with_ipv6() });
        let (there, back) = (datagram(THEIRS, FAR, 100), datagram(FAR, THEIRS, 100));
        let frames = [vec![0x57], vec![0xff, 3, 0x57], vec![0, 0x57], vec![0xff, 3, 0, 0x57]];
        let sent: Vec<_> = frames.iter().map(|f| mirror.send_ppp(&[&f[..], &there].concat())).collect();
        let got = arrive(&mut worker, sent);
        assert!(got.iter().all(|(_, ip)| ip.as_ref() == Some(&there)), "{got:?}");
        let esp = depart(&mut worker, core::slice::from_ref(&back)).remove(0).unwrap();
        let (_, _, payload) = mirror.receive(&esp);
        assert_eq!(usize::from(word_at(&payload, 4)), payload.len());
        assert_eq!(payload[16..], [header, &back].concat());
        let counters = worker.counters(FIRST).unwrap();
        assert_eq!((counters.in_packets, counters.out_packets), (4, 1));
    }
}

#[test]
fn a_client_may_use_no_source_but_those_of_its_prefix() {
    let (mut worker, mut mirror) = worker_with(AES_SHA1, with_ipv6());
    for (source, why) in [
        (Ipv6Addr::new(0x2001, 0xdb8, 0x200, 1, 0, 0, 0, 1), Drop::SpoofedSource),
        (FAR, Drop::SpoofedSource),
        (Ipv6Addr::LOCALHOST, Drop::SpoofedSource),
        (THEIR_LINK_LOCAL, Drop::Multicast),
        (Ipv6Addr::UNSPECIFIED, Drop::Multicast),
    ] {
        let esp = mirror.send_ipv6(&datagram(source, FAR, 9));
        assert_eq!(arrive_one(&mut worker, esp), Verdict::Dropped(why), "{source}");
    }
    let bare = Ipv6Path { prefix: None, our_identifier: OURS, mss: None };
    let (mut worker, mut mirror) = worker_with(AES_SHA1, SessionPath { ipv6: Some(bare), ..session() });
    let esp = mirror.send_ipv6(&datagram(THEIRS, FAR, 9));
    assert_eq!(arrive_one(&mut worker, esp), Verdict::Dropped(Drop::NotUp));
}

#[test]
fn ipv6_before_ipv6cp_is_open_is_a_frame_for_the_engine() {
    let (mut worker, mut mirror) = worker();
    let ppp = [&[0xff, 3, 0, 0x57][..], &datagram(THEIRS, FAR, 9)].concat();
    assert_eq!(arrive_one(&mut worker, mirror.send_ppp(&ppp)), Verdict::Noted);
    assert_eq!(notes_but_traffic(&mut worker), [Note::Frame { client: FIRST, ppp }]);
    assert_eq!(depart(&mut worker, &[datagram(FAR, THEIRS, 9)]), [Err(Out::Dropped(Drop::NoClient))]);
}

#[test]
fn what_the_engine_answers_on_the_link_becomes_a_note_and_the_rest_is_dropped() {
    let (mut worker, mut mirror) = worker_with(AES_SHA1, with_ipv6());
    let nobody = Ipv6Addr::UNSPECIFIED;
    let ours_global = with_ipv6().ipv6.unwrap().our_global().unwrap();
    let dhcpv6 = |to, port| {
        let segment = udp_for_ipv6((THEIR_LINK_LOCAL, 546), (to, port), &[11, 1, 2, 3]).unwrap();
        ipv6_packet(THEIR_LINK_LOCAL, to, 17, 1, &segment).unwrap()
    };
    let servers = wire::inside::dhcpv6::SERVERS;
    let asked = [
        icmp(Type::RouterSolicitation, THEIR_LINK_LOCAL, ALL_ROUTERS),
        icmp(Type::RouterSolicitation, nobody, ALL_ROUTERS),
        icmp(Type::NeighbourSolicitation, THEIR_LINK_LOCAL, "ff02::1:ff00:7".parse().unwrap()),
        icmp(Type::NeighbourSolicitation, THEIR_LINK_LOCAL, ours()),
        icmp(Type::EchoRequest, THEIR_LINK_LOCAL, ours()),
        icmp(Type::EchoRequest, THEIRS, ours_global),
        icmp(Type::EchoRequest, THEIR_LINK_LOCAL, ALL_NODES),
        dhcpv6(servers, 547),
    ];
    for packet in asked {
        assert_eq!(arrive_one(&mut worker, mirror.send_ipv6(&packet)), Verdict::Noted);
        assert_eq!(notes_but_traffic(&mut worker), [Note::Inside { client: FIRST, packet }]);
    }
    let others = [
        icmp(Type::from(143), THEIR_LINK_LOCAL, "ff02::16".parse().unwrap()),
        icmp(Type::RouterAdvertisement, THEIR_LINK_LOCAL, ALL_NODES),
        icmp(Type::EchoRequest, FAR, ours()),
        icmp(Type::EchoRequest, THEIR_LINK_LOCAL, link_local(8)),
        icmp(Type::EchoRequest, THEIR_LINK_LOCAL, FAR),
        dhcpv6("ff02::fb".parse().unwrap(), 5353),
        dhcpv6(servers, 546),
    ];
    for packet in others {
        let verdict = arrive_one(&mut worker, mirror.send_ipv6(&packet));
        assert_eq!(verdict, Verdict::Dropped(Drop::Multicast), "{packet:x?}");
    }
    assert_eq!(notes_but_traffic(&mut worker), []);
    let flood = (0..150).map(|_| mirror.send_ipv6(&icmp(Type::EchoRequest, THEIR_LINK_LOCAL, ours()))).collect();
    arrive(&mut worker, flood);
    assert!(notes_but_traffic(&mut worker).len() <= 100);
}

#[test]
fn a_packet_that_is_too_large_is_answered_from_our_address_in_the_clients_prefix() {
    let (mut worker, mirror) = worker_with(AES_SHA1, with_ipv6());
    let (large, fits) = (datagram(FAR, THEIRS, 1400 - 47), datagram(FAR, THEIRS, 1400 - 48));
    assert_eq!(depart(&mut worker, core::slice::from_ref(&large)), [Err(Out::Dropped(Drop::TooBig))]);
    let answer = worker.poll_reply().unwrap();
    let ip = Ipv6::new(&answer).unwrap();
    assert_eq!((ip.source(), ip.destination()), ("2001:db8:200::7".parse().unwrap(), FAR));
    let message = Message::decode(ip.source(), FAR, ip.payload()).unwrap();
    assert_eq!((message.kind, &message.body[..4]), (Type::PacketTooBig, &1400_u32.to_be_bytes()[..]));
    assert_eq!(message.body[4..], large[..1232]);
    let esp = depart(&mut worker, core::slice::from_ref(&fits)).remove(0).unwrap();
    assert_eq!(mirror.receive_ip(&esp), fits);
}

#[test]
fn a_small_mru_does_not_go_below_what_ipv6_needs() {
    let (mut worker, mirror) = worker_with(AES_SHA1, SessionPath { mru: 576, ..with_ipv6() });
    let packet = datagram(FAR, THEIRS, 1280 - 48);
    let esp = depart(&mut worker, core::slice::from_ref(&packet)).remove(0).unwrap();
    assert_eq!(mirror.receive_ip(&esp), packet);
    assert!(depart(&mut worker, &[datagram(FAR, THEIRS, 1280 - 47)]).remove(0).is_err());
}

#[test]
fn the_mss_of_ipv6_connections_is_lowered_both_ways() {
    let syn = |from: Ipv6Addr, to: Ipv6Addr, mss: u16| {
        let mut segment = vec![0xc0, 0, 1, 0xbb, 0, 0, 0, 1, 0, 0, 0, 0, 0x60, 2, 0x20, 0, 0, 0, 0, 0, 2, 4];
        segment.extend(mss.to_be_bytes());
        let sum = transport_checksum_ipv6(from, to, 6, &segment);
        put(&mut segment, 16, sum.to_be_bytes());
        ipv6_packet(from, to, 6, 64, &segment).unwrap()
    };
    let path = Ipv6Path { mss: Some(1340), ..with_ipv6().ipv6.unwrap() };
    let (mut worker, mut mirror) = worker_with(AES_SHA1, SessionPath { ipv6: Some(path), ..session() });
    let esp = mirror.send_ipv6(&syn(THEIRS, FAR, 1440));
    assert_eq!(arrive(&mut worker, vec![esp]).remove(0).1, Some(syn(THEIRS, FAR, 1340)));
    let esp = depart(&mut worker, &[syn(FAR, THEIRS, 1440)]).remove(0).unwrap();
    assert_eq!(mirror.receive_ip(&esp), syn(FAR, THEIRS, 1340));
}

#[test]
fn the_engines_own_packets_leave_in_the_session() {
    let (mut worker, mirror) = worker_with(AES_SHA1, with_ipv6());
    for (packet, protocol) in [(to_client(20), 0x21), (datagram(ours(), THEIR_LINK_LOCAL, 20), 0x57)] {
        let client = FIRST;
        worker.apply(Update::SealIp { client, packet: packet.clone() }, NOW);
        let sealed = worker.poll_sealed().unwrap();
        let (_, _, payload) = mirror.receive(&sealed.bytes);
        assert_eq!(usize::from(word_at(&payload, 4)), payload.len());
        assert_eq!(payload[14..], [&[0xff, 3, 0, protocol], &packet[..]].concat());
    }
    let client = ClientId(99);
    worker.apply(Update::SealIp { client, packet: to_client(9) }, NOW);
    assert_eq!(worker.totals().refused_updates, 1);
}

#[test]
fn a_prefix_is_forgotten_with_its_session_and_survives_a_restart() {
    let (mut worker, mirror) = worker_with(AES_SHA1, with_ipv6());
    let packet = datagram(FAR, THEIRS, 9);
    let state = worker.snapshot(FIRST).unwrap();
    let mut other = Worker::new([9; 32]);
    other.restore(state, 1000);
    let esp = depart(&mut other, core::slice::from_ref(&packet)).remove(0).unwrap();
    assert_eq!(mirror.receive_ip(&esp), packet);
    worker.apply(Update::Session(session()), NOW);
    assert_eq!(depart(&mut worker, core::slice::from_ref(&packet)), [Err(Out::Dropped(Drop::NoClient))]);
    worker.apply(Update::Session(with_ipv6()), NOW);
    assert!(depart(&mut worker, core::slice::from_ref(&packet)).remove(0).is_ok());
    worker.apply(Update::SessionGone { client: FIRST }, NOW);
    assert_eq!(depart(&mut worker, &[packet]), [Err(Out::Dropped(Drop::NoClient))]);
}

#[test]
fn broken_ipv6_packets_are_refused() {
    let (mut worker, mut mirror) = worker_with(AES_SHA1, with_ipv6());
    let whole = datagram(THEIRS, FAR, 30);
    for length in 0..whole.len() {
        let esp = mirror.send_ipv6(&whole[..length]);
        assert_eq!(arrive_one(&mut worker, esp), Verdict::Dropped(Drop::BadIp), "{length}");
    }
    let padded = [&whole[..], &[0; 9]].concat();
    let esp = mirror.send_ipv6(&padded);
    assert_eq!(arrive(&mut worker, vec![esp]).remove(0).1, Some(whole));
}

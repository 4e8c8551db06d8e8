//! ESP and IP: the input as a datagram on port 4500; its first two octets as a limit, the rest as an IP packet.
#![no_main]

use std::net::Ipv4Addr;

use libfuzzer_sys::fuzz_target;
use wire::esp::{self, Encapsulated};
use wire::ip::{self, Ipv4, Ipv6, Udp};

fuzz_target!(|data: &[u8]| {
    match esp::classify(data) {
        Encapsulated::Keepalive => assert_eq!(data, [esp::KEEPALIVE]),
        Encapsulated::Isakmp(message) => assert_eq!(message.len() + 4, data.len()),
        Encapsulated::Esp => {
            assert!(esp::spi_of(data).is_some_and(|spi| spi >= esp::FIRST_SPI) && esp::sequence_of(data).is_some());
        }
        Encapsulated::Junk => assert!(data.len() <= esp::HEADER_LEN || esp::spi_of(data) < Some(esp::FIRST_SPI)),
    }
    let Some((limit, packet)) = data.split_first_chunk::<2>() else {
        return;
    };
    let limit = u16::from_be_bytes(*limit);
    ip::version(packet);
    ip::checksum(packet);
    if let Some(view) = Ipv4::new(packet) {
        ipv4(&view, packet, limit);
    }
    if let Some(view) = Ipv6::new(packet) {
        assert_eq!(view.total_len(), view.payload_len() + ip::IPV6_HEADER_LEN);
    }
    clamp(packet, limit);
});

fn ipv4(view: &Ipv4<'_>, packet: &[u8], limit: u16) {
    assert_eq!(Some(view.source()), ip::ipv4_source(packet));
    assert_eq!(Some(view.destination()), ip::ipv4_destination(packet));
    if let Some(udp) = Udp::new(view.payload()) {
        assert!(udp.payload.len() + ip::UDP_HEADER_LEN <= view.payload().len());
    }
    let mut together = Vec::new();
    let mut lent = false;
    ip::fragment_ipv4(packet, usize::from(limit), &mut |header, data| {
        lent = true;
        assert!(header.len() + data.len() <= usize::from(limit));
        let fragment = [header, data].concat();
        assert_eq!(Ipv4::new(&fragment).map(|view| view.payload()), Some(data));
        together.extend_from_slice(data);
    });
    assert!(!lent || together == view.payload());
    if let Some(answer) = ip::icmp_too_big(packet, limit, Ipv4Addr::new(192, 0, 2, 1)) {
        let answer = Ipv4::new(&answer).expect("an answer is a packet");
        assert!(answer.total_len() <= 576 && answer.destination() == view.source() && answer.has_right_checksum());
        assert_eq!(ip::checksum(answer.payload()), 0);
    }
}

fn clamp(packet: &[u8], mss: u16) {
    let right = |bytes: &[u8]| {
        Ipv4::new(bytes).is_some_and(|view| {
            ip::transport_checksum_ipv4(view.source(), view.destination(), ip::TCP, view.payload()) == 0
        })
    };
    let mut clamped = packet.to_vec();
    if ip::clamp_mss(&mut clamped, mss) {
        assert_eq!(right(packet), right(&clamped), "a right checksum stays right");
        assert!(!ip::clamp_mss(&mut clamped, mss));
    } else {
        assert_eq!(clamped, packet);
    }
}

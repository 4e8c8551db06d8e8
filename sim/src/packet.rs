//! IP packets that the simulated clients and the host behind the server exchange.

use core::net::Ipv4Addr;

/// A UDP datagram in IPv4 with DF clear, payload as given.
pub fn udp(from: (Ipv4Addr, u16), to: (Ipv4Addr, u16), payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len() + 8).expect("a datagram's length");
    let mut segment = Vec::with_capacity(payload.len() + 8);
    segment.extend_from_slice(&from.1.to_be_bytes());
    segment.extend_from_slice(&to.1.to_be_bytes());
    segment.extend_from_slice(&length.to_be_bytes());
    segment.extend_from_slice(&[0, 0]);
    segment.extend_from_slice(payload);
    let sum = wire::ip::transport_checksum_ipv4(from.0, to.0, 17, &segment);
    segment[6..8].copy_from_slice(&sum.to_be_bytes());
    ipv4(from.0, to.0, 17, 0, &segment)
}

/// An IPv4 packet without options. `flags`: the two octets of flags and fragment offset.
pub fn ipv4(from: Ipv4Addr, to: Ipv4Addr, protocol: u8, flags: u16, payload: &[u8]) -> Vec<u8> {
    let total = u16::try_from(payload.len() + 20).expect("a packet's length");
    let mut p = vec![0x45, 0];
    p.extend_from_slice(&total.to_be_bytes());
    p.extend_from_slice(&[0x12, 0x34]);
    p.extend_from_slice(&flags.to_be_bytes());
    p.extend_from_slice(&[64, protocol, 0, 0]);
    p.extend_from_slice(&from.octets());
    p.extend_from_slice(&to.octets());
    let sum = wire::ip::checksum(&p);
    p[10..12].copy_from_slice(&sum.to_be_bytes());
    p.extend_from_slice(payload);
    p
}

/// The datagram that a UDP echo answers with; `None` for anything else.
pub fn echo(packet: &[u8]) -> Option<Vec<u8>> {
    let (from, to, payload) = read_udp(packet)?;
    Some(udp(to, from, payload))
}

/// An address and a port.
pub type Place = (Ipv4Addr, u16);

/// Source, destination and payload of a UDP datagram in an unfragmented IPv4 packet.
pub fn read_udp(packet: &[u8]) -> Option<(Place, Place, &[u8])> {
    let ip = wire::ip::Ipv4::new(packet)?;
    if ip.protocol() != 17 {
        return None;
    }
    let segment = packet.get(ip.header_len()..ip.total_len())?;
    let port = |at: usize| Some(u16::from_be_bytes(segment.get(at..at + 2)?.try_into().ok()?));
    Some(((ip.source(), port(0)?), (ip.destination(), port(2)?), segment.get(8..)?))
}

//! What clients ask inside the tunnel: DHCP, ICMPv6 with neighbour discovery, DHCPv6, and the IPv6 packets around them.

pub mod dhcp;
pub mod dhcpv6;
pub mod icmpv6;
pub mod nd;

use crate::error::{Error, Why};
use crate::ip::{IPV6_HEADER_LEN, checksum};
use crate::reader::{Reader, Writer};
use core::net::Ipv6Addr;

/// The protocol number of ICMPv6.
pub const ICMPV6: u8 = 58;

/// Names that one list may hold.
const MAX_NAMES: usize = 32;
/// Octets of a label at most, RFC 1035 §2.3.4.
const MAX_LABEL: usize = 63;
/// Octets of an encoded name at most, RFC 1035 §2.3.4.
const MAX_NAME: usize = 255;

/// An IPv6 packet without extension headers, RFC 8200 §3; `None` where the payload exceeds 65,535 octets.
pub fn ipv6_packet(
    source: Ipv6Addr,
    destination: Ipv6Addr,
    next_header: u8,
    hop_limit: u8,
    payload: &[u8],
) -> Option<Vec<u8>> {
    let length = u16::try_from(payload.len()).ok()?;
    let mut packet = Vec::with_capacity(payload.len().saturating_add(IPV6_HEADER_LEN));
    packet.extend_from_slice(&[0x60, 0, 0, 0]);
    packet.extend_from_slice(&length.to_be_bytes());
    packet.extend_from_slice(&[next_header, hop_limit]);
    packet.extend_from_slice(&source.octets());
    packet.extend_from_slice(&destination.octets());
    packet.extend_from_slice(payload);
    Some(packet)
}

/// The checksum of a segment over IPv6 with its pseudo header, RFC 8200 §8.1.
///
/// 0 over a segment that holds its right checksum; over one whose checksum field is 0, the value to write there (for
/// UDP a 0 is written as `0xffff`).
pub fn transport_checksum_ipv6(source: Ipv6Addr, destination: Ipv6Addr, protocol: u8, segment: &[u8]) -> u16 {
    let length = u32::try_from(segment.len()).unwrap_or(u32::MAX);
    let mut whole = Vec::with_capacity(segment.len().saturating_add(40));
    whole.extend_from_slice(&source.octets());
    whole.extend_from_slice(&destination.octets());
    whole.extend_from_slice(&length.to_be_bytes());
    whole.extend_from_slice(&[0, 0, 0, protocol]);
    whole.extend_from_slice(segment);
    checksum(&whole)
}

/// A UDP datagram for IPv6, where the checksum is no choice (RFC 8200 §8.1).
pub fn udp_for_ipv6(
    (source, source_port): (Ipv6Addr, u16),
    (destination, destination_port): (Ipv6Addr, u16),
    payload: &[u8],
) -> Option<Vec<u8>> {
    let header = crate::ip::udp_header(source_port, destination_port, payload.len())?;
    let mut writer = Writer::new();
    writer.bytes(&header);
    writer.bytes(payload);
    let sum = transport_checksum_ipv6(source, destination, crate::ip::UDP, &writer.clone().into_vec());
    writer.patch_u16(6, if sum == 0 { 0xffff } else { sum });
    Some(writer.into_vec())
}

/// Domain names one behind the other, without compression pointers (RFC 1035 §3.1, RFC 3397 §2, RFC 8106 §5.2).
///
/// A name that cannot be encoded, because a label is empty or too long, is left out.
pub fn encode_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<u8> {
    let mut all = Vec::new();
    for name in names.into_iter().take(MAX_NAMES) {
        if let Some(encoded) = encode_name(name) {
            all.extend_from_slice(&encoded);
        }
    }
    all
}

fn encode_name(name: &str) -> Option<Vec<u8>> {
    let mut encoded = Vec::new();
    for label in name.trim_end_matches('.').split('.') {
        let length = u8::try_from(label.len()).ok()?;
        if label.is_empty() || label.len() > MAX_LABEL {
            return None;
        }
        encoded.push(length);
        encoded.extend_from_slice(label.as_bytes());
    }
    encoded.push(0);
    (encoded.len() <= MAX_NAME).then_some(encoded)
}

/// The names of such a list; an empty name is padding and left out (RFC 8106 §5.2). Compression pointers are refused.
pub fn decode_names(layer: &'static str, bytes: &[u8]) -> Result<Vec<String>, Error> {
    let mut reader = Reader::new(layer, bytes);
    let mut names = Vec::new();
    while !reader.is_empty() {
        let mut name = String::new();
        loop {
            let length = usize::from(reader.u8("label length")?);
            if length == 0 {
                break;
            }
            if length > MAX_LABEL {
                return Err(reader.error("label length", Why::Length(length)));
            }
            if !name.is_empty() {
                name.push('.');
            }
            name.push_str(&String::from_utf8_lossy(reader.take(length, "label")?));
            if name.len() > MAX_NAME.saturating_mul(4) {
                return Err(reader.error("name", Why::Length(name.len())));
            }
        }
        if name.is_empty() {
            continue;
        }
        if names.len() >= MAX_NAMES {
            return Err(reader.error("names", Why::TooMany(MAX_NAMES)));
        }
        names.push(name);
    }
    Ok(names)
}

/// Addresses one behind the other; an odd rest is left out.
pub(crate) fn ipv6_addresses(bytes: &[u8]) -> Vec<Ipv6Addr> {
    let (addresses, _) = bytes.as_chunks::<16>();
    addresses.iter().map(|octets| Ipv6Addr::from(*octets)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;
    use crate::ip::{Ipv6, UDP, Udp};

    #[test]
    fn names_survive_a_round_trip_and_impossible_ones_are_left_out() {
        let long = "a".repeat(64);
        let encoded = encode_names(["example.com", "", "a..b", &long, "lan.test."]);
        assert_eq!(encoded, b"\x07example\x03com\x00\x03lan\x04test\x00");
        assert_eq!(decode_names("test", &encoded).unwrap(), ["example.com", "lan.test"]);
        assert_eq!(decode_names("test", b"\x01a\x00\x00\x00\x00").unwrap(), ["a"], "padding");
        for broken in [&b"\xc0\x00"[..], b"\x05abc", b"\x01a"] {
            assert!(decode_names("test", broken).is_err(), "{broken:x?}");
        }
        assert!(decode_names("test", &b"\x01a\x00".repeat(33)).is_err(), "too many");
        assert!(decode_names("test", &b"\x01a".repeat(10_000)).is_err(), "a name without end");
    }

    #[test]
    fn octets_of_any_kind_are_read_or_refused_and_never_more() {
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        for round in 0..20_000_usize {
            let mut bytes: Vec<u8> = (0..round % 400).map(|_| next()).collect();
            if let Some(cookie) = bytes.get_mut(236..240) {
                cookie.copy_from_slice(&dhcp::COOKIE);
            }
            if let Ok(message) = dhcp::Message::decode(&bytes) {
                assert_eq!(dhcp::Message::decode(&message.encode()).unwrap().options, message.options);
            }
            if let Ok(message) = dhcpv6::Message::decode(&bytes) {
                assert_eq!(message.encode(), bytes);
            }
            let _ = (dhcp::decode_routes(&bytes), decode_names("test", &bytes));
            let _ = (nd::RouterSolicitation::decode(&bytes), nd::RouterAdvertisement::decode(&bytes));
            let _ = (nd::NeighbourSolicitation::decode(&bytes), nd::NeighbourAdvertisement::decode(&bytes));
            let _ = icmpv6::too_big(&bytes, 1280, Ipv6Addr::LOCALHOST);
        }
    }

    #[test]
    fn a_datagram_over_ipv6_has_a_right_checksum() {
        let (from, to) = ("fe80::1".parse().unwrap(), "ff02::1:2".parse().unwrap());
        let segment = udp_for_ipv6((from, 547), (to, 546), b"seven").unwrap();
        assert_eq!(transport_checksum_ipv6(from, to, UDP, &segment), 0);
        let packet = ipv6_packet(from, to, UDP, 64, &segment).unwrap();
        let view = Ipv6::new(&packet).unwrap();
        assert_eq!((view.source(), view.destination(), view.hop_limit()), (from, to, 64));
        let udp = Udp::new(view.payload()).unwrap();
        assert_eq!((udp.source_port, udp.destination_port, udp.payload), (547, 546, &b"seven"[..]));
        assert_eq!(ipv6_packet(from, to, UDP, 64, &vec![0; 65_536]), None);
    }
}

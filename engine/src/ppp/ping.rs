//! ICMP echo as a sign of life: the question (RFC 792). The answer is traffic of the client, like any packet of it.

use core::net::Ipv4Addr;
use wire::ip::{ICMP, checksum, ipv4_header};

/// Octets of the IPv4 and the ICMP header.
const HEADERS: usize = 28;
/// The identifier of our echoes.
const IDENTIFIER: u16 = 0x5e6b;

/// An echo request of so many octets with its headers.
pub(super) fn request(from: Ipv4Addr, to: Ipv4Addr, sequence: u16, length: u16) -> Option<Vec<u8>> {
    let data = usize::from(length).saturating_sub(HEADERS);
    let head = |sum: u16| {
        let mut octets = vec![8, 0];
        for field in [sum, IDENTIFIER, sequence] {
            octets.extend(field.to_be_bytes());
        }
        octets.resize(octets.len() + data, 0);
        octets
    };
    let message = head(checksum(&head(0)));
    let header = ipv4_header(from, to, ICMP, message.len())?;
    Some([&header[..], &message].concat())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;
    use wire::ip::Ipv4;

    #[test]
    fn a_request_is_a_whole_packet_of_its_length() {
        let (from, to) = (Ipv4Addr::new(192, 168, 100, 1), Ipv4Addr::new(192, 168, 100, 200));
        for length in [0, 28, 64, 1500] {
            let packet = request(from, to, 7, length).unwrap();
            let ip = Ipv4::new(&packet).unwrap();
            assert_eq!((ip.source(), ip.destination(), ip.protocol()), (from, to, ICMP));
            assert_eq!((packet.len(), ip.total_len()), (usize::from(length.max(28)), packet.len()));
            // The sum over a message with its checksum is nothing.
            assert_eq!((checksum(&packet[20..]), packet[20], packet[27]), (0, 8, 7));
        }
    }
}

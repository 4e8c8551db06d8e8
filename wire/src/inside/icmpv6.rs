//! ICMPv6 messages with their checksum (RFC 4443), and the answer to a packet that is too big.

use super::{ICMPV6, ipv6_packet, transport_checksum_ipv6};
use crate::error::{Error, Why};
use crate::ip::Ipv6;
use crate::number::number;
use crate::reader::{Reader, Writer};
use core::net::Ipv6Addr;

/// Octets of the packet that an error quotes at most, so that it stays within the least MTU, RFC 4443 §3.2.
const QUOTE: usize = 1280 - 40 - 8;
/// Hops of what we send ourselves, RFC 4861 §6.2.1.
const HOPS: u8 = 64;

number! {
    /// What a message is about.
    pub enum Type: u8 {
        /// The packet did not arrive.
        DestinationUnreachable = 1,
        /// The packet is larger than a link takes.
        PacketTooBig = 2,
        /// The packet's hops were used up.
        TimeExceeded = 3,
        /// The packet's header is wrong.
        ParameterProblem = 4,
        /// Please answer.
        EchoRequest = 128,
        /// The answer.
        EchoReply = 129,
        /// Which routers are there? RFC 4861 §4.1.
        RouterSolicitation = 133,
        /// A router is there, RFC 4861 §4.2.
        RouterAdvertisement = 134,
        /// Who has this address? RFC 4861 §4.3.
        NeighbourSolicitation = 135,
        /// This address is mine, RFC 4861 §4.4.
        NeighbourAdvertisement = 136,
        /// Go another way, RFC 4861 §4.5.
        Redirect = 137,
    }
}

/// A message, RFC 4443 §2.1.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |     Type      |     Code      |          Checksum             |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                         Message Body                          |
/// ```
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub struct Message<'a> {
    /// What it is about.
    pub kind: Type,
    /// More about it.
    pub code: u8,
    /// Everything behind the checksum.
    pub body: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads a message from `source` to `destination`; the checksum must be right.
    pub fn decode(source: Ipv6Addr, destination: Ipv6Addr, segment: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new("ICMPv6", segment);
        let kind = reader.u8("type")?.into();
        let code = reader.u8("code")?;
        let sum = reader.u16("checksum")?;
        if transport_checksum_ipv6(source, destination, ICMPV6, segment) != 0 {
            return Err(reader.error("checksum", Why::Value(sum.into())));
        }
        Ok(Self { kind, code, body: reader.rest() })
    }

    /// The whole IPv6 packet; `None` where it is too long for one.
    pub fn packet(&self, source: Ipv6Addr, destination: Ipv6Addr, hop_limit: u8) -> Option<Vec<u8>> {
        let mut writer = Writer::new();
        writer.bytes(&[self.kind.into(), self.code, 0, 0]);
        writer.bytes(self.body);
        let sum = transport_checksum_ipv6(source, destination, ICMPV6, &writer.clone().into_vec());
        writer.patch_u16(2, sum);
        ipv6_packet(source, destination, ICMPV6, hop_limit, &writer.into_vec())
    }
}

/// The answer to a packet that does not fit, RFC 4443 §3.2, from `from` and with the `mtu` that would.
///
/// `None` where the packet must not be answered (RFC 4443 §2.4): an ICMPv6 error or redirect, or from nobody in
/// particular. A multicast destination is no reason for silence, by the same section.
pub fn too_big(packet: &[u8], mtu: u32, from: Ipv6Addr) -> Option<Vec<u8>> {
    let view = Ipv6::new(packet)?;
    let source = view.source();
    if source.is_multicast() || source.is_unspecified() || source.is_loopback() {
        return None;
    }
    if view.next_header() == ICMPV6 {
        let kind = *view.payload().first()?;
        if kind < 128 || Type::from(kind) == Type::Redirect {
            return None;
        }
    }
    let quote = packet.get(..view.total_len().min(QUOTE))?;
    let mut body = mtu.to_be_bytes().to_vec();
    body.extend_from_slice(quote);
    let message = Message { kind: Type::PacketTooBig, code: 0, body: &body };
    message.packet(from, source, HOPS)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;

    const HERE: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 1);
    const THERE: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 2);

    #[test]
    fn a_message_survives_a_round_trip_and_a_wrong_checksum_is_seen() {
        let message = Message { kind: Type::EchoRequest, code: 0, body: &[0, 1, 0, 2, 3, 4, 5] };
        let packet = message.packet(HERE, THERE, 64).unwrap();
        let view = Ipv6::new(&packet).unwrap();
        assert_eq!((view.next_header(), view.hop_limit()), (ICMPV6, 64));
        assert_eq!(Message::decode(HERE, THERE, view.payload()).unwrap(), message);
        assert!(Message::decode(THERE, THERE, view.payload()).is_err());
        assert!(Message::decode(HERE, THERE, &[128, 0, 0]).is_err());
    }

    #[test]
    fn a_packet_too_big_is_answered_with_the_mtu_and_a_quote() {
        let big = ipv6_packet(HERE, THERE, 17, 60, &[5; 1400]).unwrap();
        let answer = too_big(&big, 1360, THERE).unwrap();
        assert_eq!(answer.len(), 1280);
        let view = Ipv6::new(&answer).unwrap();
        assert_eq!((view.source(), view.destination()), (THERE, HERE));
        let message = Message::decode(THERE, HERE, view.payload()).unwrap();
        assert_eq!((message.kind, message.code), (Type::PacketTooBig, 0));
        assert_eq!(message.body[..4], 1360_u32.to_be_bytes());
        assert_eq!(message.body[4..], big[..1232]);
    }

    #[test]
    fn errors_and_strangers_are_not_answered() {
        let icmp = |kind| ipv6_packet(HERE, THERE, ICMPV6, 60, &[kind, 0, 0, 0, 0, 0, 0, 0]).unwrap();
        assert!(too_big(&icmp(128), 1280, THERE).is_some(), "an echo request");
        for kind in [1, 2, 3, 4, 127, 137] {
            assert_eq!(too_big(&icmp(kind), 1280, THERE), None);
        }
        assert_eq!(too_big(&ipv6_packet(HERE, THERE, ICMPV6, 60, &[]).unwrap(), 1280, THERE), None);
        for source in [Ipv6Addr::UNSPECIFIED, Ipv6Addr::LOCALHOST, "ff02::1".parse().unwrap()] {
            assert_eq!(too_big(&ipv6_packet(source, THERE, 17, 60, &[0; 8]).unwrap(), 1280, THERE), None);
        }
        assert_eq!(too_big(&[0x60; 39], 1280, THERE), None);
    }
}

//! Enhanced GRE, as PPTP carries PPP frames in it.

use crate::error::{Error, Why};
use crate::reader::{Reader, Writer, length_u16};

/// The IP protocol number of GRE, RFC 2784 §1.
pub const IP_PROTOCOL: u8 = 47;

/// The most octets that [`Header::encode`] writes before the payload.
pub const MAX_HEADER_LEN: usize = 16;

/// PPP in the field of Ethernet types, RFC 2637 §4.1.
const PPP: u16 = 0x880b;

const CHECKSUM: u16 = 0x8000;
const ROUTING: u16 = 0x4000;
const KEY: u16 = 0x2000;
const SEQUENCE: u16 = 0x1000;
const ACKNOWLEDGMENT: u16 = 0x0080;
const VERSION: u16 = 0x0007;
const VERSION_1: u16 = 1;

/// The header of an enhanced GRE packet, RFC 2637 §4.1.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |C|R|K|S|s|Recur|A| Flags | Ver |         Protocol Type         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |    Key (HW) Payload Length    |       Key (LW) Call ID        |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                  Sequence Number (Optional)                   |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |               Acknowledgment Number (Optional)                |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub struct Header {
    /// The receiver's name for the call.
    pub call_id: u16,
    /// The packet's own number; there whenever there is a payload.
    pub sequence: Option<u32>,
    /// The highest number that the sender has received in order.
    pub acknowledgment: Option<u32>,
}

impl Header {
    /// Reads the header and returns it with the payload, cut to the length that the header tells.
    ///
    /// Anything but version 1 with PPP and a key is an error, and so are a checksum and routes, which RFC 2637 §4.1
    /// does not have, and a payload without a number.
    pub fn decode(packet: &[u8]) -> Result<(Self, &[u8]), Error> {
        let mut reader = Reader::new("GRE header", packet);
        let start = reader.clone();
        let flags = reader.u16("flags")?;
        if flags & VERSION != VERSION_1 || flags & (CHECKSUM | ROUTING) != 0 || flags & KEY == 0 {
            return Err(start.error("flags", Why::Value(u64::from(flags))));
        }
        let before = reader.clone();
        let protocol = reader.u16("protocol type")?;
        if protocol != PPP {
            return Err(before.error("protocol type", Why::Value(u64::from(protocol))));
        }
        let before = reader.clone();
        let length = usize::from(reader.u16("payload length")?);
        let call_id = reader.u16("call id")?;
        let sequence = if flags & SEQUENCE == 0 { None } else { Some(reader.u32("sequence number")?) };
        let acknowledgment =
            if flags & ACKNOWLEDGMENT == 0 { None } else { Some(reader.u32("acknowledgment number")?) };
        let Some(payload) = reader.rest().get(..length).filter(|payload| sequence.is_some() || payload.is_empty())
        else {
            return Err(before.error("payload length", Why::Length(length)));
        };
        Ok((Self { call_id, sequence, acknowledgment }, payload))
    }

    /// Writes the packet; a payload is written only behind a number.
    pub fn encode(&self, payload: &[u8]) -> Vec<u8> {
        let payload = if self.sequence.is_some() { payload } else { &[] };
        let mut flags = KEY | VERSION_1;
        if self.sequence.is_some() {
            flags |= SEQUENCE;
        }
        if self.acknowledgment.is_some() {
            flags |= ACKNOWLEDGMENT;
        }
        let mut writer = Writer::new();
        writer.u16(flags);
        writer.u16(PPP);
        writer.u16(length_u16(payload.len()));
        writer.u16(self.call_id);
        for number in self.sequence.into_iter().chain(self.acknowledgment) {
            writer.u32(number);
        }
        writer.bytes(payload);
        writer.into_vec()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn packets_are_read_as_they_were_written() {
        for sequence in [None, Some(0), Some(u32::MAX)] {
            for acknowledgment in [None, Some(7)] {
                let header = Header { call_id: 0x1234, sequence, acknowledgment };
                let payload: &[u8] = if sequence.is_some() { b"frame" } else { b"" };
                let packet = header.encode(b"frame");
                assert_eq!(Header::decode(&packet).unwrap(), (header, payload));
                assert!(packet.len() <= MAX_HEADER_LEN + payload.len());
            }
        }
    }

    #[test]
    fn the_octets_are_those_of_the_drawing() {
        let header = Header { call_id: 2, sequence: Some(3), acknowledgment: Some(4) };
        let right = [0x30, 0x81, 0x88, 0x0b, 0, 1, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 9];
        assert_eq!(header.encode(&[9]), right);
        let header = Header { call_id: 2, sequence: None, acknowledgment: Some(4) };
        assert_eq!(header.encode(&[]), [0x20, 0x81, 0x88, 0x0b, 0, 0, 0, 2, 0, 0, 0, 4]);
    }

    #[test]
    fn what_lies_behind_the_payload_is_cut_off() {
        let header = Header { call_id: 2, sequence: Some(3), acknowledgment: None };
        let packet = [header.encode(b"ab"), vec![0; 30]].concat();
        assert_eq!(Header::decode(&packet).unwrap().1, b"ab");
    }

    #[test]
    fn other_kinds_of_gre_and_headers_cut_short_are_refused() {
        let good = Header { call_id: 2, sequence: Some(3), acknowledgment: Some(4) }.encode(&[9]);
        for cut in 0..good.len() {
            assert!(Header::decode(&good[..cut]).is_err(), "{cut}");
        }
        for (at, octet) in [(0, 0xb0), (0, 0x70), (0, 0x10), (1, 0x80), (1, 0x82), (2, 0x08), (3, 0), (5, 2)] {
            let mut bad = good.clone();
            bad[at] = octet;
            assert!(Header::decode(&bad).is_err(), "{at}: {octet:02x}");
        }
        assert!(Header::decode(&[0x20, 0x81, 0x88, 0x0b, 0, 1, 0, 2, 0, 0, 0, 4, 9]).is_err(), "no number");
    }
}

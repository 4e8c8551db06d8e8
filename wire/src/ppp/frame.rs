//! PPP frames as L2TP carries them: address, control, protocol, payload.

use crate::error::{Error, Why};
use crate::number::number;
use crate::reader::{Reader, Writer};

/// The address and control octets of an uncompressed frame: all stations, unnumbered information; RFC 1662 §3.1.
const ADDRESS_CONTROL: [u8; 2] = [0xff, 0x03];

number! {
    /// What a frame carries, RFC 1661 §2.
    pub enum Protocol: u16 {
        Ipv4 = 0x0021,
        VjCompressed = 0x002d,
        VjUncompressed = 0x002f,
        Multilink = 0x003d,
        Ipv6 = 0x0057,
        Ipcp = 0x8021,
        Ipv6cp = 0x8057,
        /// Apple Client/Server Control Protocol.
        Acscp = 0x8235,
        Lcp = 0xc021,
        Pap = 0xc023,
        /// Link Quality Report.
        Lqr = 0xc025,
        Chap = 0xc223,
        Eap = 0xc227,
    }
}

/// Reads a frame: with or without address and control, with a protocol of one or two octets, whatever was agreed.
///
/// ```text
/// +----------+----------+----------+-------------+---------+
/// | Address  | Control  | Protocol | Information | Padding |
/// | 11111111 | 00000011 | 8/16 bits|      *      |    *    |
/// +----------+----------+----------+-------------+---------+
/// ```
///
/// RFC 1661 §2, §6.5 (protocol field compression) and §6.6 (address and control field compression). A protocol number
/// is odd, and the first of two octets even, so that both forms can be told apart.
pub fn decode_frame(frame: &[u8]) -> Result<(Protocol, &[u8]), Error> {
    let mut reader = Reader::new("PPP frame", frame);
    if frame.starts_with(&ADDRESS_CONTROL) {
        reader.take(ADDRESS_CONTROL.len(), "address and control")?;
    }
    let start = reader.clone();
    let first = reader.u8("protocol")?;
    let number = if first & 1 == 1 { u16::from(first) } else { u16::from_be_bytes([first, reader.u8("protocol")?]) };
    // A lone 0xff is the address field without its control octet, never a protocol.
    if number & 1 == 0 || number == 0x00ff {
        return Err(start.error("protocol", Why::Value(u64::from(number))));
    }
    Ok((Protocol::from(number), reader.rest()))
}

/// Writes a frame, always with address and control and with two octets of protocol.
pub fn encode_frame(protocol: Protocol, payload: &[u8]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.bytes(&ADDRESS_CONTROL);
    writer.u16(protocol.into());
    writer.bytes(payload);
    writer.into_vec()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn compressed_and_uncompressed_frames_are_read_alike() {
        for head in [&[0xff, 3, 0, 0x21][..], &[0xff, 3, 0x21], &[0, 0x21], &[0x21]] {
            let frame = [head, b"data"].concat();
            assert_eq!(decode_frame(&frame).unwrap(), (Protocol::Ipv4, &b"data"[..]), "{head:02x?}");
        }
        assert_eq!(decode_frame(&[0xc0, 0x21]).unwrap(), (Protocol::Lcp, &[][..]));
    }

    #[test]
    fn what_cannot_be_a_protocol_is_an_error() {
        for frame in [&[][..], &[0xff], &[0xff, 3], &[0xff, 4, 0, 0x21], &[0], &[0xc0], &[0xc0, 0x20]] {
            assert!(decode_frame(frame).is_err(), "{frame:02x?}");
        }
    }

    #[test]
    fn frames_are_written_in_full() {
        assert_eq!(encode_frame(Protocol::Ipv4, &[9]), [0xff, 3, 0, 0x21, 9]);
        assert_eq!(encode_frame(Protocol::Unknown(0x8281), &[]), [0xff, 3, 0x82, 0x81]);
    }
}

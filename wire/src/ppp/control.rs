//! The packets of LCP and the NCPs: code, id, length, and configuration options.

use crate::error::{Error, Why};
use crate::number::number;
use crate::reader::{Reader, Writer, at_most, length_u16};

/// Options of one packet that are read; a packet with more is refused.
pub const MAX_OPTIONS: usize = 64;

/// The most octets of data that an option can have.
pub const MAX_OPTION_DATA: usize = 253;

/// Octets in front of a packet's data.
const HEADER_LEN: usize = 4;

/// The most octets of data that a packet can have.
const MAX_DATA: usize = 65_531;

number! {
    /// What a packet does, RFC 1661 §5 and RFC 1570 §2.
    pub enum Code: u8 {
        ConfigureRequest = 1,
        ConfigureAck = 2,
        ConfigureNak = 3,
        ConfigureReject = 4,
        TerminateRequest = 5,
        TerminateAck = 6,
        CodeReject = 7,
        ProtocolReject = 8,
        EchoRequest = 9,
        EchoReply = 10,
        DiscardRequest = 11,
        Identification = 12,
        TimeRemaining = 13,
    }
}

/// One packet of LCP, an NCP, PAP or CHAP, RFC 1661 §5; PAP and CHAP number their codes themselves.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |     Code      |  Identifier   |            Length             |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |    Data ...
/// +-+-+-+-+
/// ```
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub struct Packet<'a> {
    /// What the packet does.
    pub code: Code,
    /// Which request an answer belongs to.
    pub id: u8,
    /// What follows, without padding.
    pub data: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads a packet; octets behind its length are padding, and a length beyond the payload is an error.
    pub fn decode(payload: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new("PPP packet", payload);
        let code = Code::from(reader.u8("code")?);
        let id = reader.u8("identifier")?;
        let before_length = reader.clone();
        let length = usize::from(reader.u16("length")?);
        let data = length.checked_sub(HEADER_LEN).and_then(|data_len| reader.rest().get(..data_len));
        match data {
            Some(data) => Ok(Self { code, id, data }),
            None => Err(before_length.error("length", Why::Length(length))),
        }
    }

    /// Writes a packet; more data than its length can tell is cut.
    pub fn encode(code: Code, id: u8, data: &[u8]) -> Vec<u8> {
        let data = at_most(data, MAX_DATA);
        let mut writer = Writer::new();
        writer.u8(code.into());
        writer.u8(id);
        writer.u16(length_u16(data.len().saturating_add(HEADER_LEN)));
        writer.bytes(data);
        writer.into_vec()
    }
}

/// One configuration option, RFC 1661 §5 and §6.
///
/// ```text
///  0                   1
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |     Type      |    Length     |   Data ...
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct Opt {
    /// The option's number; each protocol has its own.
    pub kind: u8,
    /// Its value, at most [`MAX_OPTION_DATA`] octets.
    pub data: Vec<u8>,
}

/// Reads options to the end of a packet's data, at most [`MAX_OPTIONS`].
pub fn decode_options(data: &[u8]) -> Result<Vec<Opt>, Error> {
    let mut reader = Reader::new("PPP options", data);
    let mut options = Vec::new();
    while !reader.is_empty() {
        if options.len() == MAX_OPTIONS {
            return Err(reader.error("list of options", Why::TooMany(MAX_OPTIONS)));
        }
        let kind = reader.u8("type")?;
        let before_length = reader.clone();
        let length = usize::from(reader.u8("length")?);
        let Some(data_len) = length.checked_sub(2) else {
            return Err(before_length.error("length", Why::Length(length)));
        };
        options.push(Opt { kind, data: reader.take(data_len, "data")?.to_vec() });
    }
    Ok(options)
}

/// Writes options one behind another; data of more than [`MAX_OPTION_DATA`] octets is cut.
pub fn encode_options(options: &[Opt]) -> Vec<u8> {
    let mut writer = Writer::new();
    for option in options {
        let data = at_most(&option.data, MAX_OPTION_DATA);
        writer.u8(option.kind);
        writer.u8(u8::try_from(data.len().saturating_add(2)).unwrap_or(u8::MAX));
        writer.bytes(data);
    }
    writer.into_vec()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn padding_behind_a_packet_is_cut_off() {
        let packet = Packet { code: Code::EchoRequest, id: 7, data: &[1, 2, 3, 4] };
        let mut bytes = Packet::encode(packet.code, packet.id, packet.data);
        assert_eq!(bytes, [9, 7, 0, 8, 1, 2, 3, 4]);
        bytes.extend_from_slice(&[0; 5]);
        assert_eq!(Packet::decode(&bytes).unwrap(), packet);
    }

    #[test]
    fn an_impossible_packet_length_is_an_error() {
        for length in [0, 3, 9, 255] {
            let error = Packet::decode(&[9, 7, 0, length, 1, 2, 3, 4]).unwrap_err();
            assert_eq!((error.offset, error.why), (2, Why::Length(usize::from(length))));
        }
    }

    #[test]
    fn an_option_must_hold_its_own_header() {
        assert_eq!(decode_options(&[7, 2, 8, 2]).unwrap().len(), 2);
        assert_eq!(decode_options(&[7, 2, 8, 1]).unwrap_err().why, Why::Length(1));
        assert_eq!(decode_options(&[7, 2, 8, 0]).unwrap_err().why, Why::Length(0));
        assert_eq!(decode_options(&[7, 3]).unwrap_err().why, Why::Truncated);
        assert_eq!(decode_options(&[7]).unwrap_err().why, Why::Truncated);
        assert_eq!(decode_options(&[7, 2].repeat(65)).unwrap_err().why, Why::TooMany(64));
    }

    #[test]
    fn an_option_too_long_for_its_length_is_cut() {
        let bytes = encode_options(&[Opt { kind: 1, data: vec![5; 300] }]);
        assert_eq!(decode_options(&bytes).unwrap(), [Opt { kind: 1, data: vec![5; 253] }]);
    }
}

//! Attribute value pairs: what control messages are made of.

use crate::error::{Error, Why};
use crate::number::number;
use crate::reader::{Reader, Writer, at_most};

/// AVPs of one message that are read; a message with more is refused.
pub const MAX_AVPS: usize = 64;

/// The longest value that an AVP can have, in octets.
pub const MAX_VALUE: usize = 1017;

const MANDATORY: u16 = 0x8000;
const HIDDEN: u16 = 0x4000;
const RESERVED: u16 = 0x3c00;
const LENGTH: u16 = 0x03ff;
const HEADER_LEN: usize = 6;

number! {
    /// The kind of an AVP of the IETF (vendor 0), RFC 2661 §4.4, RFC 3145 and RFC 3308.
    pub enum AvpType: u16 {
        MessageType = 0,
        ResultCode = 1,
        ProtocolVersion = 2,
        FramingCapabilities = 3,
        BearerCapabilities = 4,
        TieBreaker = 5,
        FirmwareRevision = 6,
        HostName = 7,
        VendorName = 8,
        AssignedTunnelId = 9,
        ReceiveWindowSize = 10,
        Challenge = 11,
        Q931CauseCode = 12,
        ChallengeResponse = 13,
        AssignedSessionId = 14,
        CallSerialNumber = 15,
        MinimumBps = 16,
        MaximumBps = 17,
        BearerType = 18,
        FramingType = 19,
        CalledNumber = 21,
        CallingNumber = 22,
        SubAddress = 23,
        TxConnectSpeed = 24,
        PhysicalChannelId = 25,
        InitialReceivedLcpConfReq = 26,
        LastSentLcpConfReq = 27,
        LastReceivedLcpConfReq = 28,
        ProxyAuthenType = 29,
        ProxyAuthenName = 30,
        ProxyAuthenChallenge = 31,
        ProxyAuthenId = 32,
        ProxyAuthenResponse = 33,
        CallErrors = 34,
        Accm = 35,
        RandomVector = 36,
        PrivateGroupId = 37,
        RxConnectSpeed = 38,
        SequencingRequired = 39,
        /// RFC 3145 §2.
        PppDisconnectCause = 46,
        /// Control Connection DS, RFC 3308 §3.1.
        ControlDs = 47,
        /// Session DS, RFC 3308 §4.1.
        SessionDs = 48,
    }
}

/// One attribute value pair, RFC 2661 §4.1.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |M|H| rsvd  |      Length       |           Vendor ID           |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |         Attribute Type        |        Attribute Value...
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///                     [until Length is reached]...                |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct Avp {
    /// Whether a receiver that does not know the AVP must give up the session or tunnel.
    pub mandatory: bool,
    /// Whether the value is hidden under the tunnel secret, RFC 2661 §4.3.
    pub hidden: bool,
    /// The vendor that defined it, 0 for the IETF.
    pub vendor: u16,
    /// The kind. Decoding names it only if the vendor is 0 and no reserved bit is set; everything else is
    /// `Unknown(number)`, since RFC 2661 §4.1 wants an AVP with a reserved bit treated as unrecognised.
    pub kind: AvpType,
    /// The value, at most [`MAX_VALUE`] octets.
    pub value: Vec<u8>,
}

impl Avp {
    /// A mandatory AVP of two octets.
    pub fn u16(kind: AvpType, value: u16) -> Self {
        Self::bytes(kind, &value.to_be_bytes())
    }

    /// A mandatory AVP of four octets.
    pub fn u32(kind: AvpType, value: u32) -> Self {
        Self::bytes(kind, &value.to_be_bytes())
    }

    /// A mandatory AVP of these octets.
    pub fn bytes(kind: AvpType, value: &[u8]) -> Self {
        Self { mandatory: true, hidden: false, vendor: 0, kind, value: value.to_vec() }
    }

    /// The same AVP with the M bit clear.
    #[must_use]
    pub fn optional(self) -> Self {
        Self { mandatory: false, ..self }
    }

    /// The value, if it has exactly two octets.
    pub fn as_u16(&self) -> Option<u16> {
        self.value.as_slice().try_into().ok().map(u16::from_be_bytes)
    }

    /// The value, if it has exactly four octets.
    pub fn as_u32(&self) -> Option<u32> {
        self.value.as_slice().try_into().ok().map(u32::from_be_bytes)
    }
}

/// The first AVP of the IETF of this kind.
pub fn find(avps: &[Avp], kind: AvpType) -> Option<&Avp> {
    avps.iter().find(|avp| avp.vendor == 0 && avp.kind == kind)
}

/// Reads AVPs to the end of a control message's payload, at most [`MAX_AVPS`].
pub fn decode_avps(payload: &[u8]) -> Result<Vec<Avp>, Error> {
    let mut reader = Reader::new("L2TP AVP", payload);
    let mut avps = Vec::new();
    while !reader.is_empty() {
        if avps.len() == MAX_AVPS {
            return Err(reader.error("list of AVPs", Why::TooMany(MAX_AVPS)));
        }
        let start = reader.clone();
        let flags = reader.u16("flags and length")?;
        let length = usize::from(flags & LENGTH);
        let Some(value_len) = length.checked_sub(HEADER_LEN) else {
            return Err(start.error("length", Why::Length(length)));
        };
        let vendor = reader.u16("vendor id")?;
        let number = reader.u16("attribute type")?;
        let value = reader.take(value_len, "attribute value")?.to_vec();
        let known = vendor == 0 && flags & RESERVED == 0;
        let kind = if known { AvpType::from(number) } else { AvpType::Unknown(number) };
        avps.push(Avp { mandatory: flags & MANDATORY != 0, hidden: flags & HIDDEN != 0, vendor, kind, value });
    }
    Ok(avps)
}

/// Writes AVPs one behind another; a value of more than [`MAX_VALUE`] octets is cut.
pub fn encode_avps(avps: &[Avp]) -> Vec<u8> {
    let mut writer = Writer::new();
    for avp in avps {
        let value = at_most(&avp.value, MAX_VALUE);
        let length = u16::try_from(value.len().saturating_add(HEADER_LEN)).unwrap_or(LENGTH);
        let mandatory = if avp.mandatory { MANDATORY } else { 0 };
        let hidden = if avp.hidden { HIDDEN } else { 0 };
        writer.u16(mandatory | hidden | length);
        writer.u16(avp.vendor);
        writer.u16(avp.kind.into());
        writer.bytes(value);
    }
    writer.into_vec()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn avps_are_written_as_rfc_2661_draws_them() {
        let avps = [Avp::u16(AvpType::MessageType, 1), Avp::u32(AvpType::BearerType, 2).optional()];
        let bytes = encode_avps(&avps);
        assert_eq!(bytes, [0x80, 8, 0, 0, 0, 0, 0, 1, 0, 10, 0, 0, 0, 18, 0, 0, 0, 2]);
        assert_eq!(decode_avps(&bytes).unwrap(), avps);
        assert_eq!((avps[0].as_u16(), avps[0].as_u32()), (Some(1), None));
        assert_eq!((avps[1].as_u16(), avps[1].as_u32()), (None, Some(2)));
    }

    #[test]
    fn an_avp_must_hold_its_own_header() {
        for length in 0..6 {
            assert_eq!(decode_avps(&[0x80, length, 0, 0, 0, 0]).unwrap_err().why, Why::Length(usize::from(length)));
        }
        assert!(decode_avps(&[0x80, 6, 0, 0, 0, 0]).is_ok());
        assert_eq!(decode_avps(&[0x80, 7, 0, 0, 0, 0]).unwrap_err().why, Why::Truncated);
    }

    #[test]
    fn reserved_bits_and_vendors_make_an_avp_unrecognised() {
        let bytes = [0x84, 8, 0, 0, 0, 9, 0, 1, 0x80, 8, 1, 55, 0, 9, 0, 1];
        for avp in decode_avps(&bytes).unwrap() {
            assert_eq!((avp.kind, avp.mandatory), (AvpType::Unknown(9), true));
            assert_eq!(find(&[avp], AvpType::AssignedTunnelId), None);
        }
    }

    #[test]
    fn more_avps_than_the_bound_are_refused() {
        let bytes = [0, 6, 0, 0, 0, 7].repeat(MAX_AVPS + 1);
        assert_eq!(decode_avps(&bytes).unwrap_err().why, Why::TooMany(MAX_AVPS));
    }

    #[test]
    fn a_value_too_long_for_its_length_is_cut() {
        let bytes = encode_avps(&[Avp::bytes(AvpType::HostName, &[b'x'; 2000])]);
        assert_eq!(decode_avps(&bytes).unwrap()[0].value.len(), MAX_VALUE);
    }
}

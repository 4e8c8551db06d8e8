//! Control messages: their types, and the code with which they end something.

use crate::error::Error;
use crate::l2tp::avp::MAX_VALUE;
use crate::number::number;
use crate::reader::{Reader, Writer, at_most};

number! {
    /// The type of a control message, RFC 2661 §3.2; a message without AVPs is a ZLB, an acknowledgement only.
    pub enum MessageType: u16 {
        /// Start-Control-Connection-Request.
        Sccrq = 1,
        /// Start-Control-Connection-Reply.
        Sccrp = 2,
        /// Start-Control-Connection-Connected.
        Scccn = 3,
        /// Stop-Control-Connection-Notification.
        StopCcn = 4,
        Hello = 6,
        /// Outgoing-Call-Request.
        Ocrq = 7,
        /// Outgoing-Call-Reply.
        Ocrp = 8,
        /// Outgoing-Call-Connected.
        Occn = 9,
        /// Incoming-Call-Request.
        Icrq = 10,
        /// Incoming-Call-Reply.
        Icrp = 11,
        /// Incoming-Call-Connected.
        Iccn = 12,
        /// Call-Disconnect-Notify.
        Cdn = 14,
        /// WAN-Error-Notify.
        Wen = 15,
        /// Set-Link-Info.
        Sli = 16,
    }
}

/// The value of a Result Code AVP, RFC 2661 §4.4.2.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |          Result Code          |        Error Code (opt)       |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// | Error Message (opt) ...
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct ResultCode {
    /// Why the session or tunnel ends.
    pub result: u16,
    /// The general error, if the sender told one.
    pub error: Option<u16>,
    /// A text for people; what is not UTF-8 is replaced, and NULs at the end are left out.
    pub message: String,
}

impl ResultCode {
    /// Reads the AVP's value; one octet of an error code is taken for none.
    ///
    /// Apple's clients write the code in little-endian order, so that 1 arrives as 256: a code whose low octet is zero
    /// is read the other way round, since no code of RFC 2661 is above 255.
    pub fn decode(value: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new("Result Code AVP", value);
        let told = reader.u16("result code")?;
        let result = if told & 0xff == 0 { told.swap_bytes() } else { told };
        let error = reader.u16("error code").ok();
        let message = if error.is_some() { reader.rest() } else { &[] };
        let message = String::from_utf8_lossy(message).trim_end_matches('\0').to_owned();
        Ok(Self { result, error, message })
    }

    /// Writes the AVP's value, always with an error code (0 where there is none), because some clients read four octets.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.u16(self.result);
        writer.u16(self.error.unwrap_or(0));
        writer.bytes(at_most(self.message.as_bytes(), MAX_VALUE.saturating_sub(4)));
        writer.into_vec()
    }
}

/// The value of a PPP Disconnect Cause Code AVP, RFC 3145 §2.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
///                                 +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///                                 |       Disconnect Code         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |    Control Protocol Number    |   Direction   | Message...
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct DisconnectCause {
    /// Why PPP ended, RFC 3145 §3.
    pub code: u16,
    /// The PPP protocol that caused it, 0 for none.
    pub protocol: u16,
    /// Whose doing it is: 0 of neither side, 1 of the peer, 2 of the side that writes.
    pub direction: u8,
    /// A text for people; what is not UTF-8 is replaced, and NULs at the end are left out.
    pub message: String,
}

impl DisconnectCause {
    /// Reads the AVP's value.
    pub fn decode(value: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new("PPP Disconnect Cause Code AVP", value);
        let code = reader.u16("disconnect code")?;
        let protocol = reader.u16("control protocol number")?;
        let direction = reader.u8("direction")?;
        let message = String::from_utf8_lossy(reader.rest()).trim_end_matches('\0').to_owned();
        Ok(Self { code, protocol, direction, message })
    }

    /// Writes the AVP's value.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.u16(self.code);
        writer.u16(self.protocol);
        writer.u8(self.direction);
        writer.bytes(at_most(self.message.as_bytes(), MAX_VALUE.saturating_sub(5)));
        writer.into_vec()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_disconnect_cause_is_read_as_it_is_written_and_has_five_octets_at_least() {
        let cause =
            DisconnectCause { code: 16, protocol: 0xc223, direction: 1, message: "name or password".to_owned() };
        assert_eq!(cause.encode(), b"\0\x10\xc2\x23\x01name or password");
        assert_eq!(DisconnectCause::decode(&cause.encode()).unwrap(), cause);
        for len in 0..5 {
            assert!(DisconnectCause::decode(cause.encode().get(..len).unwrap()).is_err());
        }
        let bare = DisconnectCause { message: String::new(), ..cause };
        assert_eq!(DisconnectCause::decode(&bare.encode()).unwrap(), bare);
    }

    #[test]
    fn a_result_code_may_end_after_each_field() {
        let code = |result, error, message: &str| ResultCode { result, error, message: message.to_owned() };
        assert_eq!(ResultCode::decode(&[0, 6]).unwrap(), code(6, None, ""));
        assert_eq!(ResultCode::decode(&[0, 6, 0]).unwrap(), code(6, None, ""));
        assert_eq!(ResultCode::decode(&[0, 2, 0, 4]).unwrap(), code(2, Some(4), ""));
        assert_eq!(ResultCode::decode(b"\0\x02\0\x04no room").unwrap(), code(2, Some(4), "no room"));
        assert_eq!(ResultCode::decode(b"\0\x02\0\x04\xff").unwrap(), code(2, Some(4), "\u{fffd}"));
        assert!(ResultCode::decode(&[0]).is_err());
    }

    #[test]
    fn an_error_code_is_always_written() {
        let code = ResultCode { result: 6, error: None, message: String::new() };
        assert_eq!(code.encode(), [0, 6, 0, 0]);
    }

    #[test]
    fn a_little_endian_code_is_turned_round() {
        assert_eq!(ResultCode::decode(&[3, 0, 0, 0, 0, 0, 0, 0]).unwrap().result, 3);
        assert_eq!(ResultCode::decode(&[0, 0]).unwrap().result, 0);
    }
}

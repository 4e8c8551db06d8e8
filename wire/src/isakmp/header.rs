//! The ISAKMP header: cookies, exchange, flags, message id, length.

use crate::error::{Error, Why};
use crate::isakmp::PayloadType;
use crate::number::number;
use crate::reader::{Reader, Writer};

/// One side's cookie: half of the name of an ISAKMP security association, RFC 2408 §2.5.3.
#[derive(Copy, Clone, Default, Eq, PartialEq, Ord, PartialOrd, Hash, Debug)]
pub struct Cookie(pub [u8; 8]);

impl Cookie {
    /// The responder's cookie in the first message, before there is one.
    pub const ZERO: Self = Self([0; 8]);

    /// Whether this is the cookie of a side that has not spoken.
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }
}

number! {
    /// The exchange a message belongs to, RFC 2408 §3.1 and RFC 2409 appendix A.
    pub enum ExchangeType: u8 {
        Base = 1,
        /// Identity Protection in RFC 2408, Main Mode in RFC 2409.
        MainMode = 2,
        AuthenticationOnly = 3,
        Aggressive = 4,
        Informational = 5,
        /// ISAKMP configuration method: XAUTH and Mode Config.
        Transaction = 6,
        QuickMode = 32,
        NewGroupMode = 33,
    }
}

/// The flags of an ISAKMP header, RFC 2408 §3.1.
#[derive(Copy, Clone, Default, Eq, PartialEq, Ord, PartialOrd, Hash, Debug)]
pub struct Flags(pub u8);

impl Flags {
    /// Everything behind the header is encrypted.
    pub const ENCRYPTION: Self = Self(1);
    /// The other side waits for an Informational exchange with CONNECTED.
    pub const COMMIT: Self = Self(2);
    /// An Informational exchange that is authenticated, not encrypted.
    pub const AUTH_ONLY: Self = Self(4);

    /// Whether all bits of `other` are set.
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// The header of every ISAKMP message, RFC 2408 §3.1.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// !                          Initiator                            !
/// !                            Cookie                             !
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// !                          Responder                            !
/// !                            Cookie                             !
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// !  Next Payload ! MjVer ! MnVer ! Exchange Type !     Flags     !
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// !                          Message ID                           !
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// !                            Length                             !
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub struct Header {
    /// The initiator's cookie; never zero in an honest message.
    pub initiator: Cookie,
    /// The responder's cookie; zero in the first message.
    pub responder: Cookie,
    /// The kind of the first payload.
    pub next: PayloadType,
    /// Major version in the high four bits, minor in the low; IKEv1 is `0x10`.
    pub version: u8,
    /// The exchange this message belongs to.
    pub exchange: ExchangeType,
    /// Encryption, commit, authentication only.
    pub flags: Flags,
    /// Zero in phase 1, random in phase 2.
    pub message_id: u32,
    /// Octets of header and body.
    pub length: u32,
}

impl Header {
    /// Octets of the header.
    pub const LEN: usize = 28;

    /// The version of IKEv1: major 1, minor 0.
    pub const VERSION: u8 = 0x10;

    /// Reads the header and returns it with the body, cut to the length that the header tells.
    ///
    /// A length beyond the datagram, or shorter than the header, is an error, RFC 2408 §5.2.
    pub fn decode(datagram: &[u8]) -> Result<(Self, &[u8]), Error> {
        let mut reader = Reader::new("ISAKMP header", datagram);
        let initiator = Cookie(reader.array("initiator cookie")?);
        let responder = Cookie(reader.array("responder cookie")?);
        let next = PayloadType::from(reader.u8("next payload")?);
        let version = reader.u8("version")?;
        let exchange = ExchangeType::from(reader.u8("exchange type")?);
        let flags = Flags(reader.u8("flags")?);
        let message_id = reader.u32("message id")?;
        let length = reader.u32("length")?;
        let header = Self { initiator, responder, next, version, exchange, flags, message_id, length };
        let told = usize::try_from(length).unwrap_or(usize::MAX);
        let body = told.checked_sub(Self::LEN).and_then(|body_len| reader.rest().get(..body_len));
        match body {
            Some(body) => Ok((header, body)),
            None => Err(Error { layer: "ISAKMP header", field: "length", offset: 24, why: Why::Length(told) }),
        }
    }

    /// Writes the header and the body; the length field is computed, whatever [`Self::length`] says.
    pub fn encode(&self, body: &[u8]) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.bytes(&self.initiator.0);
        writer.bytes(&self.responder.0);
        writer.u8(self.next.into());
        writer.u8(self.version);
        writer.u8(self.exchange.into());
        writer.u8(self.flags.0);
        writer.u32(self.message_id);
        writer.u32(u32::try_from(Self::LEN.saturating_add(body.len())).unwrap_or(u32::MAX));
        writer.bytes(body);
        writer.into_vec()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn header() -> Header {
        Header {
            initiator: Cookie([1; 8]),
            responder: Cookie::ZERO,
            next: PayloadType::Sa,
            version: Header::VERSION,
            exchange: ExchangeType::MainMode,
            flags: Flags::default(),
            message_id: 0,
            length: 33,
        }
    }

    #[test]
    fn a_header_is_read_as_it_was_written() {
        let bytes = header().encode(b"hello");
        assert_eq!(bytes.len(), 33);
        assert_eq!(Header::decode(&bytes).unwrap(), (header(), &b"hello"[..]));
    }

    #[test]
    fn octets_behind_the_length_are_cut_off() {
        let mut bytes = header().encode(b"hello");
        bytes.extend_from_slice(b"padding");
        assert_eq!(Header::decode(&bytes).unwrap().1, b"hello");
    }

    #[test]
    fn a_length_beyond_the_datagram_or_within_the_header_is_an_error() {
        for length in [0, 27, 34, u32::MAX] {
            let mut bytes = header().encode(b"hello");
            bytes[24..28].copy_from_slice(&length.to_be_bytes());
            let error = Header::decode(&bytes).unwrap_err();
            assert_eq!((error.field, error.offset), ("length", 24));
        }
    }

    #[test]
    fn flags_are_asked_for_by_name() {
        let flags = Flags(3);
        assert!(flags.has(Flags::ENCRYPTION) && flags.has(Flags::COMMIT) && !flags.has(Flags::AUTH_ONLY));
    }
}

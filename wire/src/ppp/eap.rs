//! EAP (RFC 3748) inside PPP, and MS-CHAPv2 as one of its types.

use crate::error::{Error, Why};
use crate::number::number;
use crate::reader::{Reader, Writer};

number! {
    /// The type of an EAP Request or Response (RFC 3748 §5).
    pub enum EapType: u8 {
        /// Who are you?
        Identity = 1,
        /// A text for the user.
        Notification = 2,
        /// Not this type: the types that are wanted follow.
        Nak = 3,
        /// MS-CHAPv2.
        MsChapV2 = 26,
    }
}

/// The data of an EAP Request or Response (RFC 3748 §4.1), behind code, identifier and length.
///
/// ```text
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-
/// |     Type      |  Type-Data ...
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-
/// ```
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct Eap {
    /// What kind of question or answer it is.
    pub kind: EapType,
    /// What belongs to it.
    pub data: Vec<u8>,
}

impl Eap {
    /// Reads the data of a Request or Response.
    pub fn decode(data: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new("EAP", data);
        let kind = EapType::from(reader.u8("Type")?);
        Ok(Self { kind, data: reader.rest().to_vec() })
    }

    /// Writes the data of a Request or Response.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.u8(self.kind.into());
        writer.bytes(&self.data);
        writer.into_vec()
    }
}

number! {
    /// What a packet of EAP-MSCHAPv2 is (draft-kamath-pppext-eap-mschapv2-02 §2).
    pub enum MsChapOp: u8 {
        /// The server's challenge.
        Challenge = 1,
        /// The client's answer.
        Response = 2,
        /// The answer is right.
        Success = 3,
        /// It is not.
        Failure = 4,
        /// The client wants another password.
        ChangePassword = 7,
    }
}

/// The data of EAP's type 26. A client that has understood Success or Failure sends the first octet alone.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |    OpCode     |  MS-CHAPv2-ID |          MS-Length            |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |  Data ...
/// +-+-+-+-+-+-
/// ```
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct EapMsChap {
    /// What it is.
    pub op: MsChapOp,
    /// Identifier and data, as those of a CHAP packet; none in the short form.
    pub body: Option<(u8, Vec<u8>)>,
}

impl EapMsChap {
    /// Reads the data of EAP's type 26.
    pub fn decode(data: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new("EAP-MSCHAPv2", data);
        let op = MsChapOp::from(reader.u8("OpCode")?);
        if reader.is_empty() {
            return Ok(Self { op, body: None });
        }
        let id = reader.u8("MS-CHAPv2-ID")?;
        let length = usize::from(reader.u16("MS-Length")?);
        if length != data.len() {
            return Err(reader.error("MS-Length", Why::Length(length)));
        }
        Ok(Self { op, body: Some((id, reader.rest().to_vec())) })
    }

    /// Writes the data of EAP's type 26.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.u8(self.op.into());
        if let Some((id, data)) = &self.body {
            writer.u8(*id);
            writer.u16(u16::try_from(data.len().saturating_add(4)).unwrap_or(u16::MAX));
            writer.bytes(data);
        }
        writer.into_vec()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn an_identity_and_a_nak_are_a_type_and_what_follows() {
        let identity = Eap { kind: EapType::Identity, data: b"taro".to_vec() };
        assert_eq!(identity.encode(), b"\x01taro");
        assert_eq!(Eap::decode(&identity.encode()).unwrap(), identity);
        assert_eq!(Eap::decode(&[3, 13]).unwrap(), Eap { kind: EapType::Nak, data: vec![13] });
        assert!(Eap::decode(&[]).is_err());
    }

    #[test]
    fn mschapv2_in_eap_has_a_length_of_its_own_and_a_short_form() {
        let challenge = EapMsChap { op: MsChapOp::Challenge, body: Some((7, vec![1, 2])) };
        assert_eq!(challenge.encode(), [1, 7, 0, 6, 1, 2]);
        assert_eq!(EapMsChap::decode(&challenge.encode()).unwrap(), challenge);
        let short = EapMsChap { op: MsChapOp::Success, body: None };
        assert_eq!(short.encode(), [3]);
        assert_eq!(EapMsChap::decode(&[3]).unwrap(), short);
        for bad in [&[][..], &[2, 7], &[2, 7, 0], &[2, 7, 0, 9, 1], &[2, 7, 0, 4, 1]] {
            assert!(EapMsChap::decode(bad).is_err(), "{bad:?}");
        }
    }
}

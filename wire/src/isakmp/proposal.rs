//! The Security Association payload: proposals, transforms and their attributes.

use crate::error::{Error, Why};
use crate::isakmp::attribute::Attribute;
use crate::isakmp::payload::{next_payload, write_generic};
use crate::isakmp::{PayloadType, Protocol};
use crate::reader::{Reader, Writer, at_most};

/// Proposals of one payload that are read; a payload with more is refused.
pub const MAX_PROPOSALS: usize = 32;

/// Transforms of one proposal that are read; a proposal with more is refused.
pub const MAX_TRANSFORMS: usize = 128;

/// The only situation in use: associations are told apart by identity, RFC 2407 §4.2.1.
pub const SITUATION_IDENTITY_ONLY: u32 = 1;

/// The transform id of every phase 1 transform, KEY_IKE, RFC 2407 §4.4.2.1.
pub const TRANSFORM_KEY_IKE: u8 = 1;

/// SIT_SECRECY and SIT_INTEGRITY: labels would follow, RFC 2407 §4.6.1.
const LABELLED: u32 = 6;

/// What may protect the traffic to come, RFC 2407 §4.6.1.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// !  Next Payload !   RESERVED    !        Payload Length         !
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// !                Domain of Interpretation (IPSEC)               !
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// !                       Situation (bitmap)                      !
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct SecurityAssociation {
    /// The domain of interpretation, 1 for IPsec.
    pub doi: u32,
    /// The situation; labelled situations are refused in decoding.
    pub situation: u32,
    /// The proposals in order of preference; those of one number belong together.
    pub proposals: Vec<Proposal>,
}

/// One way to protect traffic, RFC 2408 §3.5.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ! Next Payload  !   RESERVED    !         Payload Length        !
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// !  Proposal #   !  Protocol-Id  !    SPI Size   !# of Transforms!
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// !                        SPI (variable)                         !
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct Proposal {
    /// The proposal's number; several proposals of one number are meant together.
    pub number: u8,
    /// The protocol proposed.
    pub protocol: Protocol,
    /// The proposer's SPI, at most 255 octets; in phase 1 mostly none.
    pub spi: Vec<u8>,
    /// The transforms in order of preference, of which one is chosen.
    pub transforms: Vec<Transform>,
}

/// One set of algorithms, RFC 2408 §3.6.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ! Next Payload  !   RESERVED    !         Payload Length        !
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// !  Transform #  !  Transform-Id !           RESERVED2           !
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ~                        SA Attributes                          ~
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct Transform {
    /// The transform's number within its proposal.
    pub number: u8,
    /// KEY_IKE in phase 1, [`crate::isakmp::EspTransform`] for ESP.
    pub id: u8,
    /// The attributes in the order in which they were sent.
    pub attributes: Vec<Attribute>,
}

impl SecurityAssociation {
    /// Reads the payload's body; octets behind the last proposal are ignored.
    pub fn decode(body: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new("SA payload", body);
        let doi = reader.u32("DOI")?;
        let situation = reader.u32("situation")?;
        if situation & LABELLED != 0 {
            return Err(reader.error("situation", Why::Value(u64::from(situation))));
        }
        let mut proposals = Vec::new();
        let mut kind = PayloadType::Proposal;
        while kind != PayloadType::None {
            if proposals.len() == MAX_PROPOSALS {
                return Err(reader.error("list of proposals", Why::TooMany(MAX_PROPOSALS)));
            }
            if kind != PayloadType::Proposal {
                return Err(reader.error("next payload", Why::Value(u64::from(u8::from(kind)))));
            }
            let (proposal, next) = next_payload(&mut reader, kind)?;
            proposals.push(Proposal::decode(proposal.body)?);
            kind = next;
        }
        Ok(Self { doi, situation, proposals })
    }

    /// Writes the payload's body; proposals and transforms beyond what decoding accepts are left out.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.u32(self.doi);
        writer.u32(self.situation);
        let mut left = self.proposals.len().min(MAX_PROPOSALS);
        for proposal in self.proposals.iter().take(MAX_PROPOSALS) {
            left = left.saturating_sub(1);
            let next = if left == 0 { PayloadType::None } else { PayloadType::Proposal };
            write_generic(&mut writer, next, &proposal.encode());
        }
        writer.into_vec()
    }
}

impl Proposal {
    /// Reads the body of a Proposal payload; the number of transforms it tells must be true.
    fn decode(body: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new("Proposal payload", body);
        let number = reader.u8("proposal number")?;
        let protocol = Protocol::from(reader.u8("protocol")?);
        let spi_size = usize::from(reader.u8("SPI size")?);
        let count = reader.u8("number of transforms")?;
        if usize::from(count) > MAX_TRANSFORMS {
            return Err(reader.error("list of transforms", Why::TooMany(MAX_TRANSFORMS)));
        }
        let spi = reader.take(spi_size, "SPI")?.to_vec();
        let mut transforms = Vec::new();
        let mut kind = if reader.is_empty() { PayloadType::None } else { PayloadType::Transform };
        while kind == PayloadType::Transform && transforms.len() < usize::from(count) {
            let (transform, next) = next_payload(&mut reader, kind)?;
            transforms.push(Transform::decode(transform.body)?);
            kind = next;
        }
        if kind != PayloadType::None || transforms.len() != usize::from(count) {
            return Err(reader.error("number of transforms", Why::Value(u64::from(count))));
        }
        Ok(Self { number, protocol, spi, transforms })
    }

    /// Writes the body of a Proposal payload.
    fn encode(&self) -> Vec<u8> {
        let spi = at_most(&self.spi, usize::from(u8::MAX));
        let count = self.transforms.len().min(MAX_TRANSFORMS);
        let mut writer = Writer::new();
        writer.u8(self.number);
        writer.u8(self.protocol.into());
        writer.u8(u8::try_from(spi.len()).unwrap_or(u8::MAX));
        writer.u8(u8::try_from(count).unwrap_or(u8::MAX));
        writer.bytes(spi);
        let mut left = count;
        for transform in self.transforms.iter().take(count) {
            left = left.saturating_sub(1);
            let next = if left == 0 { PayloadType::None } else { PayloadType::Transform };
            write_generic(&mut writer, next, &transform.encode());
        }
        writer.into_vec()
    }
}

impl Transform {
    /// The first attribute of this kind.
    pub fn attribute(&self, kind: impl Into<u16>) -> Option<&Attribute> {
        let kind = kind.into();
        self.attributes.iter().find(|attribute| attribute.kind == kind)
    }

    /// Reads the body of a Transform payload.
    fn decode(body: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new("Transform payload", body);
        let number = reader.u8("transform number")?;
        let id = reader.u8("transform id")?;
        reader.u16("reserved")?;
        Ok(Self { number, id, attributes: Attribute::decode_all(reader.rest())? })
    }

    /// Writes the body of a Transform payload.
    fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.u8(self.number);
        writer.u8(self.id);
        writer.u16(0);
        writer.bytes(&Attribute::encode_all(&self.attributes));
        writer.into_vec()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::isakmp::{EncapsulationMode, EspTransform, IpsecAttribute};

    fn sa(transforms: usize) -> SecurityAssociation {
        let transform = |number: usize| Transform {
            number: u8::try_from(number).unwrap(),
            id: EspTransform::AesCbc.into(),
            attributes: vec![
                Attribute::short(IpsecAttribute::EncapsulationMode, EncapsulationMode::UdpTransport),
                Attribute::long(IpsecAttribute::LifeDuration, 3600),
            ],
        };
        SecurityAssociation {
            doi: 1,
            situation: SITUATION_IDENTITY_ONLY,
            proposals: vec![Proposal {
                number: 1,
                protocol: Protocol::Esp,
                spi: vec![1, 2, 3, 4],
                transforms: (1..=transforms).map(transform).collect(),
            }],
        }
    }

    #[test]
    fn a_proposal_is_written_as_rfc_2408_draws_it() {
        let bytes = sa(1).encode();
        assert_eq!(
            bytes,
            [
                0, 0, 0, 1, 0, 0, 0, 1, // DOI, situation
                0, 0, 0, 32, 1, 3, 4, 1, 1, 2, 3, 4, // proposal
                0, 0, 0, 20, 1, 12, 0, 0, // transform
                0x80, 4, 0, 4, 0, 2, 0, 4, 0, 0, 0x0e, 0x10, // attributes
            ]
        );
        assert_eq!(SecurityAssociation::decode(&bytes).unwrap(), sa(1));
    }

    #[test]
    fn an_attribute_is_found_by_its_number() {
        let transform = &sa(1).proposals[0].transforms[0];
        assert_eq!(transform.attribute(IpsecAttribute::LifeDuration).unwrap().as_u64(), Some(3600));
        assert_eq!(transform.attribute(6_u16), None);
    }

    #[test]
    fn a_wrong_number_of_transforms_is_an_error() {
        for told in [0, 1, 3] {
            let mut bytes = sa(2).encode();
            bytes[15] = told;
            let error = SecurityAssociation::decode(&bytes).unwrap_err();
            assert_eq!(error.field, "number of transforms", "{told}");
        }
    }

    #[test]
    fn a_transform_among_proposals_is_an_error() {
        let mut bytes = sa(1).encode();
        bytes[8] = 3;
        assert_eq!(SecurityAssociation::decode(&bytes).unwrap_err().why, Why::Value(3));
    }

    #[test]
    fn labelled_situations_are_refused() {
        let mut bytes = sa(1).encode();
        bytes[7] = 3;
        assert_eq!(SecurityAssociation::decode(&bytes).unwrap_err().field, "situation");
    }

    #[test]
    fn lists_are_bounded() {
        assert!(SecurityAssociation::decode(&sa(MAX_TRANSFORMS).encode()).is_ok());
        let mut bytes = sa(1).encode();
        bytes[15] = 129;
        assert_eq!(SecurityAssociation::decode(&bytes).unwrap_err().why, Why::TooMany(MAX_TRANSFORMS));
        let mut bytes = vec![0, 0, 0, 1, 0, 0, 0, 1];
        bytes.extend([2, 0, 0, 8, 1, 3, 0, 0].repeat(MAX_PROPOSALS + 1));
        assert_eq!(SecurityAssociation::decode(&bytes).unwrap_err().why, Why::TooMany(MAX_PROPOSALS));
    }

    #[test]
    fn octets_behind_the_last_proposal_are_ignored() {
        let mut bytes = sa(1).encode();
        bytes.extend([1, 2, 3]);
        assert_eq!(SecurityAssociation::decode(&bytes).unwrap(), sa(1));
    }
}

//! Data attributes: what a transform is made of, and the numbers that IKE and the IPsec DOI give them.

use crate::error::{Error, Why};
use crate::number::number;
use crate::reader::{Reader, Writer, at_most, length_u16};

/// Attributes of one transform that are read; a transform with more is refused.
pub const MAX_ATTRIBUTES: usize = 64;

/// The bit that tells the short form, RFC 2408 §3.3.
const FORMAT: u16 = 0x8000;

number! {
    /// Attributes of a phase 1 transform, RFC 2409 appendix A.
    pub enum IkeAttribute: u16 {
        EncryptionAlgorithm = 1,
        HashAlgorithm = 2,
        AuthenticationMethod = 3,
        GroupDescription = 4,
        GroupType = 5,
        GroupPrime = 6,
        GroupGeneratorOne = 7,
        GroupGeneratorTwo = 8,
        GroupCurveA = 9,
        GroupCurveB = 10,
        LifeType = 11,
        LifeDuration = 12,
        Prf = 13,
        KeyLength = 14,
        FieldSize = 15,
        GroupOrder = 16,
    }
}

number! {
    /// Attributes of a phase 2 transform, RFC 2407 §4.5.
    pub enum IpsecAttribute: u16 {
        LifeType = 1,
        LifeDuration = 2,
        GroupDescription = 3,
        EncapsulationMode = 4,
        AuthenticationAlgorithm = 5,
        KeyLength = 6,
        KeyRounds = 7,
        CompressDictionarySize = 8,
        CompressPrivateAlgorithm = 9,
    }
}

number! {
    /// Phase 1 ciphers, RFC 2409 appendix A and RFC 3602 §5.1.
    pub enum IkeEncryption: u16 {
        DesCbc = 1,
        IdeaCbc = 2,
        BlowfishCbc = 3,
        Rc5Cbc = 4,
        TripleDesCbc = 5,
        CastCbc = 6,
        AesCbc = 7,
    }
}

number! {
    /// Phase 1 hashes, RFC 2409 appendix A and RFC 4868 §4.
    pub enum IkeHash: u16 {
        Md5 = 1,
        Sha1 = 2,
        Tiger = 3,
        Sha256 = 4,
        Sha384 = 5,
        Sha512 = 6,
    }
}

number! {
    /// Phase 1 authentication methods, RFC 2409 appendix A and the XAUTH draft.
    pub enum AuthenticationMethod: u16 {
        PreSharedKey = 1,
        DssSignature = 2,
        RsaSignature = 3,
        RsaEncryption = 4,
        RevisedRsaEncryption = 5,
        /// Pre-shared key, then a name and password of the initiator.
        XauthInitiatorPreShared = 65001,
    }
}

number! {
    /// What a life duration counts, RFC 2407 §4.5 and RFC 2409 appendix A alike.
    pub enum LifeType: u16 {
        Seconds = 1,
        Kilobytes = 2,
    }
}

number! {
    /// How ESP carries packets, RFC 2407 §4.5, RFC 3947 §5.1 and its drafts.
    pub enum EncapsulationMode: u16 {
        Tunnel = 1,
        Transport = 2,
        UdpTunnel = 3,
        UdpTransport = 4,
        /// UDP-encapsulated tunnel mode of draft-ietf-ipsec-nat-t-ike-00 to -03.
        UdpTunnelDraft = 61443,
        /// UDP-encapsulated transport mode of draft-ietf-ipsec-nat-t-ike-00 to -03.
        UdpTransportDraft = 61444,
    }
}

number! {
    /// How ESP packets are authenticated, RFC 2407 §4.5 and RFC 4868 §4.
    pub enum AuthenticationAlgorithm: u16 {
        HmacMd5 = 1,
        HmacSha1 = 2,
        DesMac = 3,
        Kpdk = 4,
        HmacSha256 = 5,
        HmacSha384 = 6,
        HmacSha512 = 7,
    }
}

number! {
    /// ESP ciphers: the transform id of a phase 2 transform, RFC 2407 §4.4.4 and RFC 3602 §5.2.
    pub enum EspTransform: u8 {
        DesIv64 = 1,
        Des = 2,
        TripleDes = 3,
        Rc5 = 4,
        Idea = 5,
        Cast = 6,
        Blowfish = 7,
        Null = 11,
        AesCbc = 12,
        AesCtr = 13,
        AesGcm16 = 20,
    }
}

/// One attribute, RFC 2408 §3.3.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// !A!       Attribute Type        !    AF=0  Attribute Length     !
/// !F!                             !    AF=1  Attribute Value      !
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// .                   AF=0  Attribute Value                       .
/// .                   AF=1  Not Transmitted                       .
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct Attribute {
    /// The attribute's number, 15 bits: [`IkeAttribute`] or [`IpsecAttribute`].
    pub kind: u16,
    /// The value in the form in which it was sent.
    pub value: AttributeValue,
}

/// The value of an attribute; its form survives a round trip, because a chosen transform is sent back unchanged.
#[derive(Clone, Eq, PartialEq, Debug)]
pub enum AttributeValue {
    /// The short form: two octets.
    Short(u16),
    /// The long form: as many octets as its length tells.
    Long(Vec<u8>),
}

impl Attribute {
    /// An attribute in the short form.
    pub fn short(kind: impl Into<u16>, value: impl Into<u16>) -> Self {
        Self { kind: kind.into(), value: AttributeValue::Short(value.into()) }
    }

    /// An attribute in the long form with four octets, as most clients write a life duration.
    pub fn long(kind: impl Into<u16>, value: u32) -> Self {
        Self { kind: kind.into(), value: AttributeValue::Long(value.to_be_bytes().to_vec()) }
    }

    /// The value as a number in network order; `None` for more than eight octets. No octets are 0.
    pub fn as_u64(&self) -> Option<u64> {
        self.value.as_u64()
    }

    /// Reads attributes to the end of the bytes, at most [`MAX_ATTRIBUTES`].
    pub fn decode_all(bytes: &[u8]) -> Result<Vec<Self>, Error> {
        let mut reader = Reader::new("data attributes", bytes);
        let mut attributes = Vec::new();
        while !reader.is_empty() {
            if attributes.len() == MAX_ATTRIBUTES {
                return Err(reader.error("attribute", Why::TooMany(MAX_ATTRIBUTES)));
            }
            let kind = reader.u16("attribute type")?;
            let second = reader.u16("attribute value")?;
            let value = if kind & FORMAT == 0 {
                AttributeValue::Long(reader.take(usize::from(second), "attribute value")?.to_vec())
            } else {
                AttributeValue::Short(second)
            };
            attributes.push(Self { kind: kind & !FORMAT, value });
        }
        Ok(attributes)
    }

    /// Writes attributes one behind another.
    pub fn encode_all(attributes: &[Self]) -> Vec<u8> {
        let mut writer = Writer::new();
        for attribute in attributes {
            let kind = attribute.kind & !FORMAT;
            match &attribute.value {
                AttributeValue::Short(value) => {
                    writer.u16(kind | FORMAT);
                    writer.u16(*value);
                }
                AttributeValue::Long(value) => {
                    let value = at_most(value, usize::from(u16::MAX));
                    writer.u16(kind);
                    writer.u16(length_u16(value.len()));
                    writer.bytes(value);
                }
            }
        }
        writer.into_vec()
    }
}

impl AttributeValue {
    /// The value as a number in network order; `None` for more than eight octets. No octets are 0.
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Short(value) => Some(u64::from(*value)),
            Self::Long(octets) if octets.len() <= 8 => {
                Some(octets.iter().fold(0, |number, octet| (number << 8) | u64::from(*octet)))
            }
            Self::Long(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn both_forms_survive_a_round_trip_in_their_order() {
        let bytes = [0x80, 0x0b, 0, 1, 0, 0x0c, 0, 4, 0, 0, 0x70, 0x80, 0x80, 1, 0, 7];
        let attributes = Attribute::decode_all(&bytes).unwrap();
        assert_eq!(
            attributes,
            [
                Attribute::short(IkeAttribute::LifeType, LifeType::Seconds),
                Attribute::long(IkeAttribute::LifeDuration, 28800),
                Attribute::short(IkeAttribute::EncryptionAlgorithm, IkeEncryption::AesCbc),
            ]
        );
        assert_eq!(Attribute::encode_all(&attributes), bytes);
    }

    #[test]
    fn a_value_of_up_to_eight_octets_is_a_number() {
        assert_eq!(AttributeValue::Short(7).as_u64(), Some(7));
        assert_eq!(AttributeValue::Long(vec![]).as_u64(), Some(0));
        assert_eq!(AttributeValue::Long(vec![1, 0]).as_u64(), Some(256));
        assert_eq!(AttributeValue::Long(vec![0xff; 8]).as_u64(), Some(u64::MAX));
        assert_eq!(AttributeValue::Long(vec![0; 9]).as_u64(), None);
    }

    #[test]
    fn more_attributes_than_the_bound_are_refused() {
        let bytes = [0x80, 1, 0, 7].repeat(MAX_ATTRIBUTES + 1);
        assert_eq!(Attribute::decode_all(&bytes).unwrap_err().why, Why::TooMany(MAX_ATTRIBUTES));
        assert!(Attribute::decode_all(&bytes[4..]).is_ok());
    }
}

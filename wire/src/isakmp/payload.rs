//! The chain of payloads, and the payloads that say who, what is wrong, and what is over.

use crate::error::{Error, Why};
use crate::number::number;
use crate::reader::{Reader, Writer, at_most, length_u16};

/// Payloads of one message that are read; a message with more is refused.
pub const MAX_PAYLOADS: usize = 64;

/// SPIs of one Delete payload that are read; a payload with more is refused.
pub const MAX_DELETED: usize = 256;

/// The IPsec domain of interpretation, RFC 2407 §4.1.
pub const DOI_IPSEC: u32 = 1;

/// Octets of the generic payload header.
const GENERIC_LEN: usize = 4;

/// The longest payload body that the length field can tell.
const MAX_BODY: usize = 65_531;

number! {
    /// The kind of a payload, RFC 2408 §3.1, RFC 3947 §9 and what its drafts used before.
    pub enum PayloadType: u8 {
        None = 0,
        Sa = 1,
        Proposal = 2,
        Transform = 3,
        KeyExchange = 4,
        Identification = 5,
        Certificate = 6,
        CertificateRequest = 7,
        Hash = 8,
        Signature = 9,
        Nonce = 10,
        Notification = 11,
        Delete = 12,
        VendorId = 13,
        /// NAT-D as some drafts before RFC 3947 numbered it.
        NatDOld = 15,
        /// NAT-OA as some drafts before RFC 3947 numbered it.
        NatOaOld = 16,
        NatD = 20,
        NatOa = 21,
        /// NAT-D of draft-ietf-ipsec-nat-t-ike-00 to -03.
        NatDDraft = 130,
        /// NAT-OA of draft-ietf-ipsec-nat-t-ike-00 to -03.
        NatOaDraft = 131,
        /// A piece of a larger message, as Microsoft and Cisco defined it.
        Fragment = 132,
    }
}

number! {
    /// The security protocol that a proposal, a notification or a Delete is about, RFC 2407 §4.4.1.
    pub enum Protocol: u8 {
        Isakmp = 1,
        Ah = 2,
        Esp = 3,
        IpComp = 4,
    }
}

number! {
    /// How an identity is written, RFC 2407 §4.6.2.1.
    pub enum IdType: u8 {
        Ipv4 = 1,
        Fqdn = 2,
        UserFqdn = 3,
        Ipv4Subnet = 4,
        Ipv6 = 5,
        Ipv6Subnet = 6,
        Ipv4Range = 7,
        Ipv6Range = 8,
        DerAsn1Dn = 9,
        DerAsn1Gn = 10,
        KeyId = 11,
    }
}

number! {
    /// What a notification tells, RFC 2408 §3.14.1, RFC 2407 §4.6.3 and RFC 3706 §5.3.
    pub enum NotifyType: u16 {
        InvalidPayloadType = 1,
        DoiNotSupported = 2,
        SituationNotSupported = 3,
        InvalidCookie = 4,
        InvalidMajorVersion = 5,
        InvalidMinorVersion = 6,
        InvalidExchangeType = 7,
        InvalidFlags = 8,
        InvalidMessageId = 9,
        InvalidProtocolId = 10,
        InvalidSpi = 11,
        InvalidTransformId = 12,
        AttributesNotSupported = 13,
        NoProposalChosen = 14,
        BadProposalSyntax = 15,
        PayloadMalformed = 16,
        InvalidKeyInformation = 17,
        InvalidIdInformation = 18,
        InvalidCertEncoding = 19,
        InvalidCertificate = 20,
        CertTypeUnsupported = 21,
        InvalidCertAuthority = 22,
        InvalidHashInformation = 23,
        AuthenticationFailed = 24,
        InvalidSignature = 25,
        AddressNotification = 26,
        NotifySaLifetime = 27,
        CertificateUnavailable = 28,
        UnsupportedExchangeType = 29,
        UnequalPayloadLengths = 30,
        Connected = 16384,
        ResponderLifetime = 24576,
        ReplayStatus = 24577,
        InitialContact = 24578,
        RUThere = 36136,
        RUThereAck = 36137,
    }
}

/// One payload of a message as it stands there, RFC 2408 §3.2.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ! Next Payload  !   RESERVED    !         Payload Length        !
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub struct Raw<'a> {
    /// What the payload is, told by the header in front of it.
    pub kind: PayloadType,
    /// The octets behind the generic header.
    pub body: &'a [u8],
    /// Where its generic header begins within the bytes given to [`chain`].
    pub start: usize,
    /// Where the payload ends within the bytes given to [`chain`].
    pub end: usize,
}

/// Reads one payload and the kind of the next; the reader stands behind it afterwards.
pub(super) fn next_payload<'a>(reader: &mut Reader<'a>, kind: PayloadType) -> Result<(Raw<'a>, PayloadType), Error> {
    let start = reader.offset();
    let mut ahead = reader.clone();
    let next = PayloadType::from(ahead.u8("next payload")?);
    ahead.u8("reserved")?;
    let length = usize::from(ahead.u16("payload length")?);
    let Some(body_len) = length.checked_sub(GENERIC_LEN) else {
        return Err(reader.error("payload length", Why::Length(length)));
    };
    let body = ahead.take(body_len, "payload")?;
    *reader = ahead;
    Ok((Raw { kind, body, start, end: reader.offset() }, next))
}

/// Reads the payloads of a message, from the kind in its header to the one that names no next.
///
/// What stands behind the last payload is ignored: it is padding of an encrypted message, and racoon fills it with
/// random octets. At most [`MAX_PAYLOADS`] are read.
pub fn chain(first: PayloadType, bytes: &[u8]) -> Result<Vec<Raw<'_>>, Error> {
    let mut reader = Reader::new("ISAKMP payload chain", bytes);
    let mut payloads = Vec::new();
    let mut kind = first;
    while kind != PayloadType::None {
        if payloads.len() == MAX_PAYLOADS {
            return Err(reader.error("payload", Why::TooMany(MAX_PAYLOADS)));
        }
        let (payload, next) = next_payload(&mut reader, kind)?;
        payloads.push(payload);
        kind = next;
    }
    Ok(payloads)
}

/// Writes payloads one behind another with their generic headers; the first kind belongs into the message's header.
///
/// A body that no length field can tell (more than 65,531 octets) is cut.
pub fn encode_chain(payloads: &[(PayloadType, Vec<u8>)]) -> Vec<u8> {
    let mut writer = Writer::new();
    let mut following = payloads.iter().skip(1);
    for (_, body) in payloads {
        let next = following.next().map_or(PayloadType::None, |(kind, _)| *kind);
        write_generic(&mut writer, next, body);
    }
    writer.into_vec()
}

/// Writes one payload: generic header and body.
pub(super) fn write_generic(writer: &mut Writer, next: PayloadType, body: &[u8]) {
    let body = at_most(body, MAX_BODY);
    writer.u8(next.into());
    writer.u8(0);
    writer.u16(length_u16(body.len().saturating_add(GENERIC_LEN)));
    writer.bytes(body);
}

/// Who somebody is, or which traffic is meant, RFC 2407 §4.6.2.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// !  Next Payload !   RESERVED    !        Payload Length         !
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// !   ID Type     !  Protocol ID  !             Port              !
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ~                     Identification Data                       ~
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct Identification {
    /// How the data is written.
    pub kind: IdType,
    /// The IP protocol, 0 for any.
    pub protocol: u8,
    /// The port, 0 for any.
    pub port: u16,
    /// Address, name or other identity.
    pub data: Vec<u8>,
}

impl Identification {
    /// Reads the payload's body.
    pub fn decode(body: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new("Identification payload", body);
        let kind = IdType::from(reader.u8("ID type")?);
        let protocol = reader.u8("protocol")?;
        let port = reader.u16("port")?;
        Ok(Self { kind, protocol, port, data: reader.rest().to_vec() })
    }

    /// Writes the payload's body.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.u8(self.kind.into());
        writer.u8(self.protocol);
        writer.u16(self.port);
        writer.bytes(&self.data);
        writer.into_vec()
    }
}

/// Something worth telling about a security association, RFC 2408 §3.14.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ! Next Payload  !   RESERVED    !         Payload Length        !
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// !              Domain of Interpretation  (DOI)                  !
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// !  Protocol-ID  !   SPI Size    !      Notify Message Type      !
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ~                Security Parameter Index (SPI)                 ~
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ~                       Notification Data                       ~
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct Notification {
    /// The domain of interpretation; 1 for IPsec, 0 for ISAKMP itself.
    pub doi: u32,
    /// The protocol of the association meant.
    pub protocol: Protocol,
    /// The association's SPI, both cookies for ISAKMP, or nothing; at most 255 octets.
    pub spi: Vec<u8>,
    /// What is told.
    pub kind: NotifyType,
    /// More about it, for example attributes or a sequence number.
    pub data: Vec<u8>,
}

impl Notification {
    /// Reads the payload's body.
    pub fn decode(body: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new("Notification payload", body);
        let doi = reader.u32("DOI")?;
        let protocol = Protocol::from(reader.u8("protocol")?);
        let spi_size = usize::from(reader.u8("SPI size")?);
        let kind = NotifyType::from(reader.u16("notify message type")?);
        let spi = reader.take(spi_size, "SPI")?.to_vec();
        Ok(Self { doi, protocol, spi, kind, data: reader.rest().to_vec() })
    }

    /// Writes the payload's body; an SPI of more than 255 octets is cut.
    pub fn encode(&self) -> Vec<u8> {
        let spi = at_most(&self.spi, usize::from(u8::MAX));
        let mut writer = Writer::new();
        writer.u32(self.doi);
        writer.u8(self.protocol.into());
        writer.u8(u8::try_from(spi.len()).unwrap_or(u8::MAX));
        writer.u16(self.kind.into());
        writer.bytes(spi);
        writer.bytes(&self.data);
        writer.into_vec()
    }
}

/// Security associations that the sender has taken away, RFC 2408 §3.15.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ! Next Payload  !   RESERVED    !         Payload Length        !
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// !              Domain of Interpretation  (DOI)                  !
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// !  Protocol-Id  !   SPI Size    !           # of SPIs           !
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ~               Security Parameter Index(es) (SPI)              ~
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct Delete {
    /// The domain of interpretation.
    pub doi: u32,
    /// The protocol of the associations.
    pub protocol: Protocol,
    /// Their SPIs, all of one length; both cookies for ISAKMP. At most [`MAX_DELETED`].
    pub spis: Vec<Vec<u8>>,
}

impl Delete {
    /// Reads the payload's body; SPIs of no octets are an error where there are any.
    pub fn decode(body: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new("Delete payload", body);
        let doi = reader.u32("DOI")?;
        let protocol = Protocol::from(reader.u8("protocol")?);
        let spi_size = usize::from(reader.u8("SPI size")?);
        let count = usize::from(reader.u16("number of SPIs")?);
        if count > MAX_DELETED {
            return Err(reader.error("list of SPIs", Why::TooMany(MAX_DELETED)));
        }
        if count > 0 && spi_size == 0 {
            return Err(reader.error("SPI", Why::Length(0)));
        }
        let mut spis = Vec::new();
        for _ in 0..count {
            spis.push(reader.take(spi_size, "SPI")?.to_vec());
        }
        Ok(Self { doi, protocol, spis })
    }

    /// Writes the payload's body; the first SPI says how long they are, and others of another length are left out.
    pub fn encode(&self) -> Vec<u8> {
        let spi_size = u8::try_from(self.spis.first().map_or(0, Vec::len)).unwrap_or(u8::MAX);
        let alike = || self.spis.iter().take(MAX_DELETED).filter(|spi| spi.len() == usize::from(spi_size));
        let mut writer = Writer::new();
        writer.u32(self.doi);
        writer.u8(self.protocol.into());
        writer.u8(spi_size);
        writer.u16(length_u16(alike().count()));
        for spi in alike() {
            writer.bytes(spi);
        }
        writer.into_vec()
    }
}

/// An address as its owner saw it before a NAT changed it, RFC 3947 §5.2.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// | Next Payload  |    RESERVED   |        Payload length         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |     ID Type   |   RESERVED    |           RESERVED            |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |           IPv4 (4 octets) or IPv6 (16 octets) address         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct NatOa {
    /// IPv4 or IPv6.
    pub kind: IdType,
    /// The address.
    pub data: Vec<u8>,
}

impl NatOa {
    /// Reads the payload's body; Android 4.0 leaves rubbish in the reserved octets, so they are not looked at.
    pub fn decode(body: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new("NAT-OA payload", body);
        let kind = IdType::from(reader.u8("ID type")?);
        reader.take(3, "reserved")?;
        Ok(Self { kind, data: reader.rest().to_vec() })
    }

    /// Writes the payload's body.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.u8(self.kind.into());
        writer.bytes(&[0; 3]);
        writer.bytes(&self.data);
        writer.into_vec()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_chain_ends_where_no_next_payload_is_named() {
        let bytes = [5, 0, 0, 6, 1, 2, 0, 0, 0, 4, 0xde, 0xad, 0xbe];
        let payloads = chain(PayloadType::Nonce, &bytes).unwrap();
        assert_eq!(
            payloads,
            [
                Raw { kind: PayloadType::Nonce, body: &[1, 2], start: 0, end: 6 },
                Raw { kind: PayloadType::Identification, body: &[], start: 6, end: 10 },
            ]
        );
        assert_eq!(chain(PayloadType::None, &bytes).unwrap(), []);
    }

    #[test]
    fn a_chain_that_does_not_fit_is_an_error() {
        for bytes in [&[][..], &[0, 0, 0], &[0, 0, 0, 3], &[0, 0, 0, 5], &[5, 0, 0, 4], &[5, 0, 0, 4, 0, 0, 0]] {
            assert!(chain(PayloadType::Nonce, bytes).is_err(), "{bytes:?}");
        }
        let error = chain(PayloadType::Nonce, &[5, 0, 0, 4, 0, 0, 0, 3]).unwrap_err();
        assert_eq!((error.offset, error.why), (4, Why::Length(3)));
    }

    #[test]
    fn more_payloads_than_the_bound_are_refused() {
        let bytes = [13, 0, 0, 4].repeat(MAX_PAYLOADS + 1);
        assert_eq!(chain(PayloadType::VendorId, &bytes).unwrap_err().why, Why::TooMany(MAX_PAYLOADS));
    }

    #[test]
    fn a_written_chain_names_each_next_payload() {
        let payloads = [(PayloadType::Hash, vec![7; 2]), (PayloadType::NatD, vec![]), (PayloadType::NatD, vec![9])];
        assert_eq!(encode_chain(&payloads), [20, 0, 0, 6, 7, 7, 20, 0, 0, 4, 0, 0, 0, 5, 9]);
        assert_eq!(encode_chain(&[]), []);
    }

    #[test]
    fn a_body_too_long_for_its_length_is_cut() {
        let bytes = encode_chain(&[(PayloadType::Nonce, vec![1; 70_000])]);
        assert_eq!(chain(PayloadType::Nonce, &bytes).unwrap()[0].body.len(), 65_531);
    }

    #[test]
    fn the_initial_contact_of_both_cookies_is_written_as_rfc_2407_draws_it() {
        let notification = Notification {
            doi: DOI_IPSEC,
            protocol: Protocol::Isakmp,
            spi: (1..=16).collect(),
            kind: NotifyType::InitialContact,
            data: vec![],
        };
        let bytes = notification.encode();
        assert_eq!(bytes[..8], [0, 0, 0, 1, 1, 16, 0x60, 0x02]);
        assert_eq!(Notification::decode(&bytes).unwrap(), notification);
        assert!(Notification::decode(&bytes[..23]).is_err(), "half an SPI");
    }

    #[test]
    fn a_delete_of_several_spis_is_read_whole() {
        let delete = Delete { doi: 1, protocol: Protocol::Esp, spis: vec![vec![1, 2, 3, 4], vec![5, 6, 7, 8]] };
        let bytes = delete.encode();
        assert_eq!(bytes, [0, 0, 0, 1, 3, 4, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(Delete::decode(&bytes).unwrap(), delete);
        assert!(Delete::decode(&bytes[..15]).is_err());
    }

    #[test]
    fn a_delete_cannot_name_spis_without_octets_or_without_end() {
        assert_eq!(Delete::decode(&[0, 0, 0, 1, 3, 0, 0xff, 0xff]).unwrap_err().why, Why::TooMany(MAX_DELETED));
        assert_eq!(Delete::decode(&[0, 0, 0, 1, 3, 0, 0, 2]).unwrap_err().why, Why::Length(0));
        assert!(Delete::decode(&[0, 0, 0, 1, 3, 0, 0, 0]).unwrap().spis.is_empty());
    }

    #[test]
    fn dirty_reserved_octets_of_a_nat_oa_are_not_looked_at() {
        let clean = NatOa { kind: IdType::Ipv4, data: vec![192, 168, 1, 2] };
        assert_eq!(NatOa::decode(&[1, 17, 6, 165, 192, 168, 1, 2]).unwrap(), clean);
        assert_eq!(clean.encode(), [1, 0, 0, 0, 192, 168, 1, 2]);
    }
}

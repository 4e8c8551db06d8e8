//! One received control message: its AVPs made plain and judged (RFC 2661 §4).

use core::fmt;
use crypto::{Hash, Secret};
use wire::l2tp::{Avp, AvpType, MessageType, decode_avps};

/// General error codes (RFC 2661 §4.4.2).
pub(super) mod error {
    pub(in crate::l2tp) const NONE: u16 = 0;
    pub(in crate::l2tp) const LENGTH: u16 = 2;
    pub(in crate::l2tp) const VALUE: u16 = 3;
    pub(in crate::l2tp) const RESOURCES: u16 = 4;
    pub(in crate::l2tp) const UNKNOWN_MANDATORY_AVP: u16 = 8;
}

/// What is wrong with a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    /// It does not begin with a Message Type, or its AVPs do not fit into it.
    Unreadable,
    /// Its type is not known and must be.
    UnknownMessage(u16),
    /// An AVP is not known, or cannot be revealed, and its M bit is set.
    UnknownAvp { vendor: u16, kind: u16 },
    /// An AVP has a length that its type forbids, and its M bit is set.
    Length(AvpType),
    /// An AVP has a value that its type forbids, and its M bit is set.
    Value(AvpType),
    /// An AVP that the message needs is not there.
    Missing(AvpType),
}

impl Fault {
    /// The general error code of RFC 2661 §4.4.2.
    pub(super) fn error(&self) -> u16 {
        match self {
            Self::Unreadable | Self::Length(_) => error::LENGTH,
            Self::Value(_) | Self::Missing(_) => error::VALUE,
            Self::UnknownMessage(_) | Self::UnknownAvp { .. } => error::UNKNOWN_MANDATORY_AVP,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable => write!(f, "unreadable message"),
            Self::UnknownMessage(kind) => write!(f, "unknown message type {kind}"),
            Self::UnknownAvp { vendor, kind } => write!(f, "unknown mandatory AVP {kind} of vendor {vendor}"),
            Self::Length(kind) => write!(f, "wrong length of AVP {}", u16::from(*kind)),
            Self::Value(kind) => write!(f, "wrong value of AVP {}", u16::from(*kind)),
            Self::Missing(kind) => write!(f, "missing AVP {}", u16::from(*kind)),
        }
    }
}

/// A control message whose type could be read.
#[derive(Clone, Debug)]
pub(super) struct Received {
    pub(super) kind: MessageType,
    /// The AVPs as they came, for the log.
    pub(super) raw: Vec<Avp>,
    /// The AVPs that are known, well formed and plain.
    avps: Vec<Avp>,
    /// The first thing that forbids to act on the message.
    pub(super) fault: Option<Fault>,
}

impl Received {
    /// Reads the AVPs of a message that is not a ZLB.
    pub(super) fn read(payload: &[u8], secret: Option<&Secret<String>>) -> Result<Self, Fault> {
        let (raw, cut) = match decode_avps(payload) {
            Ok(avps) => (avps, false),
            // A broken tail must not hide what the message is: a StopCCN or CDN is obeyed all the same.
            Err(_) => (first_avp(payload).ok_or(Fault::Unreadable)?, true),
        };
        let first = raw.first().filter(|avp| avp.vendor == 0 && avp.kind == AvpType::MessageType && !avp.hidden);
        let first = first.ok_or(Fault::Unreadable)?;
        let kind = MessageType::from(first.as_u16().ok_or(Fault::Unreadable)?);
        let unknown = match kind {
            MessageType::Unknown(n) if first.mandatory => Some(Fault::UnknownMessage(n)),
            _ => None,
        };
        let (avps, fault) = judge(&raw, secret);
        let fault = unknown.or(if cut { Some(Fault::Unreadable) } else { fault });
        Ok(Self { kind, raw, avps, fault })
    }

    /// The first AVP of a type.
    pub(super) fn find(&self, kind: AvpType) -> Option<&Avp> {
        self.avps.iter().find(|avp| avp.kind == kind)
    }

    /// The first AVP of a type, as a number of two octets.
    pub(super) fn u16(&self, kind: AvpType) -> Option<u16> {
        self.find(kind)?.as_u16()
    }

    /// The first AVP of a type, or the fault that it is not there.
    pub(super) fn need(&self, kind: AvpType) -> Result<&Avp, Fault> {
        self.find(kind).ok_or(Fault::Missing(kind))
    }
}

/// The Message Type AVP alone, which has a length of 8 (RFC 2661 §4.4.1).
fn first_avp(payload: &[u8]) -> Option<Vec<Avp>> {
    decode_avps(payload.get(..8)?).ok()
}

/// Separates what can be used from what must be ignored, and finds what is fatal (RFC 2661 §4.1, §7.1).
fn judge(raw: &[Avp], secret: Option<&Secret<String>>) -> (Vec<Avp>, Option<Fault>) {
    let mut plain = Vec::with_capacity(raw.len());
    let mut fault = None;
    let mut vector: Option<&[u8]> = None;
    for avp in raw {
        let found = match examine(avp, vector, secret) {
            Ok(avp) => {
                plain.push(avp);
                None
            }
            Err(found) => found,
        };
        if avp.vendor == 0 && avp.kind == AvpType::RandomVector && !avp.hidden {
            vector = Some(&avp.value);
        }
        fault = fault.or(found);
    }
    (plain, fault)
}

/// One AVP made plain; else the fault that it is, if it cannot just be ignored.
fn examine(avp: &Avp, vector: Option<&[u8]>, secret: Option<&Secret<String>>) -> Result<Avp, Option<Fault>> {
    let kind = u16::from(avp.kind);
    let unknown = avp.mandatory.then_some(Fault::UnknownAvp { vendor: avp.vendor, kind });
    // The vendor comes before the type: type 1 of Microsoft is no Result Code.
    if avp.vendor != 0 || matches!(avp.kind, AvpType::Unknown(_)) {
        return Err(unknown);
    }
    let value = match (avp.hidden, vector, secret) {
        (false, _, _) => avp.value.clone(),
        (true, Some(vector), Some(secret)) => reveal(kind, &avp.value, vector, secret).ok_or(unknown)?,
        (true, _, _) => return Err(unknown),
    };
    let avp = Avp { value, hidden: false, ..avp.clone() };
    match check(&avp) {
        None => Ok(avp),
        Some(malformed) => Err(avp.mandatory.then_some(malformed)),
    }
}

/// What a type says about its value (RFC 2661 §4.4).
fn check(avp: &Avp) -> Option<Fault> {
    let len = avp.value.len();
    let fits = match avp.kind {
        AvpType::MessageType
        | AvpType::ProtocolVersion
        | AvpType::FirmwareRevision
        | AvpType::AssignedTunnelId
        | AvpType::ReceiveWindowSize
        | AvpType::AssignedSessionId => len == 2,
        AvpType::FramingCapabilities
        | AvpType::BearerCapabilities
        | AvpType::CallSerialNumber
        | AvpType::MinimumBps
        | AvpType::MaximumBps
        | AvpType::BearerType
        | AvpType::FramingType
        | AvpType::TxConnectSpeed
        | AvpType::PhysicalChannelId
        | AvpType::RxConnectSpeed => len == 4,
        AvpType::TieBreaker => len == 8,
        AvpType::ChallengeResponse => len == 16,
        AvpType::ResultCode => len >= 2,
        AvpType::PppDisconnectCause => len >= 5,
        AvpType::Challenge | AvpType::RandomVector => len >= 1,
        _ => true,
    };
    let zero = matches!(avp.kind, AvpType::AssignedTunnelId | AvpType::AssignedSessionId | AvpType::ReceiveWindowSize)
        && avp.as_u16() == Some(0);
    match (fits, zero) {
        (false, _) => Some(Fault::Length(avp.kind)),
        (true, true) => Some(Fault::Value(avp.kind)),
        (true, false) => None,
    }
}

/// Reverses the hiding of a value (RFC 2661 §4.3).
///
/// ```text
/// b1 = MD5(AV + S + RV)   p1 = c(1) xor b1
/// bi = MD5(S  + c(i-1))   pi = c(i) xor bi
/// ```
fn reveal(kind: u16, hidden: &[u8], vector: &[u8], secret: &Secret<String>) -> Option<Vec<u8>> {
    let secret = secret.expose().as_bytes();
    let mut pad = Hash::Md5.digest(&[&kind.to_be_bytes(), secret, vector]);
    let mut plain = Vec::with_capacity(hidden.len());
    for chunk in hidden.chunks(16) {
        plain.extend(chunk.iter().zip(&pad).map(|(c, b)| c ^ b));
        pad = Hash::Md5.digest(&[secret, chunk]);
    }
    let (length, rest) = plain.split_first_chunk::<2>()?;
    Some(rest.get(..usize::from(u16::from_be_bytes(*length)))?.to_vec())
}

/// The CHAP-style response to a challenge; `message` is the one that carries the response (RFC 2661 §5.1.1, §4.4.3).
pub(super) fn challenge_response(message: MessageType, secret: &Secret<String>, challenge: &[u8]) -> Vec<u8> {
    let [_, id] = u16::from(message).to_be_bytes();
    Hash::Md5.digest(&[&[id], secret.expose().as_bytes(), challenge])
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;
    use wire::l2tp::encode_avps;

    /// The other direction of [`reveal`], written from RFC 2661 §4.3.
    pub(in crate::l2tp) fn hide(avp: &Avp, vector: &[u8], secret: &str, padding: usize) -> Avp {
        let mut p = u16::try_from(avp.value.len()).unwrap().to_be_bytes().to_vec();
        p.extend_from_slice(&avp.value);
        p.extend(std::iter::repeat_n(0xa5, padding));
        let mut b = Hash::Md5.digest(&[&u16::from(avp.kind).to_be_bytes(), secret.as_bytes(), vector]);
        let mut value: Vec<u8> = vec![];
        for chunk in p.chunks(16) {
            let c: Vec<u8> = chunk.iter().zip(&b).map(|(p, b)| p ^ b).collect();
            b = Hash::Md5.digest(&[secret.as_bytes(), &c]);
            value.extend(c);
        }
        Avp { hidden: true, value, ..avp.clone() }
    }

    fn icrq(more: &[Avp]) -> Vec<u8> {
        let mut avps = vec![Avp::u16(AvpType::MessageType, 10), Avp::u16(AvpType::AssignedSessionId, 7)];
        avps.extend_from_slice(more);
        encode_avps(&avps)
    }

    fn foreign(vendor: u16, kind: u16, mandatory: bool) -> Avp {
        Avp { mandatory, hidden: false, vendor, kind: kind.into(), value: vec![0; 16] }
    }

    #[test]
    fn hidden_values_of_any_length_are_revealed_with_the_secret() {
        let secret = Secret::new("sesame".to_string());
        let vector = [9; 16];
        for len in [1, 13, 14, 15, 30, 200] {
            let clear = Avp::bytes(AvpType::CallingNumber, &vec![b'7'; len]);
            let payload = icrq(&[Avp::bytes(AvpType::RandomVector, &vector), hide(&clear, &vector, "sesame", len % 5)]);
            let read = Received::read(&payload, Some(&secret)).unwrap();
            assert_eq!(read.fault, None);
            assert_eq!(read.find(AvpType::CallingNumber).unwrap().value, clear.value);
        }
    }

    #[test]
    fn a_hidden_avp_belongs_to_the_vector_right_before_it() {
        let secret = Secret::new("sesame".to_string());
        let clear = [Avp::bytes(AvpType::CallingNumber, b"0451"), Avp::bytes(AvpType::CalledNumber, b"110")];
        let mut avps = vec![];
        for (avp, vector) in clear.iter().zip([b"first", b"other"]) {
            avps.extend([Avp::bytes(AvpType::RandomVector, vector), hide(avp, vector, "sesame", 0)]);
        }
        let read = Received::read(&icrq(&avps), Some(&secret)).unwrap();
        assert_eq!(read.fault, None);
        for avp in clear {
            assert_eq!(read.find(avp.kind).unwrap().value, avp.value);
        }
    }

    #[test]
    fn a_hidden_avp_without_secret_or_vector_is_unknown() {
        let clear = Avp::bytes(AvpType::CallingNumber, b"0451");
        let hidden = hide(&clear, b"rv", "sesame", 0);
        let secret = Secret::new("sesame".to_string());
        let unknown = Some(Fault::UnknownAvp { vendor: 0, kind: 22 });
        let with_vector = icrq(&[Avp::bytes(AvpType::RandomVector, b"rv"), hidden.clone()]);
        assert_eq!(Received::read(&with_vector, None).unwrap().fault, unknown);
        assert_eq!(Received::read(&icrq(core::slice::from_ref(&hidden)), Some(&secret)).unwrap().fault, unknown);
        let late = icrq(&[hidden.optional(), Avp::bytes(AvpType::RandomVector, b"rv")]);
        let late = Received::read(&late, Some(&secret)).unwrap();
        assert_eq!(late.fault, None);
        assert!(late.find(AvpType::CallingNumber).is_none());
    }

    #[test]
    fn a_vendors_type_1_is_no_result_code() {
        let read = Received::read(&icrq(&[foreign(311, 1, false)]), None).unwrap();
        assert_eq!(read.fault, None);
        assert!(read.find(AvpType::ResultCode).is_none());
    }

    #[test]
    fn unknown_avps_are_ignored_or_fatal_by_their_m_bit() {
        for (vendor, kind) in [(0, 999), (9, 2)] {
            assert_eq!(Received::read(&icrq(&[foreign(vendor, kind, false)]), None).unwrap().fault, None);
            let fault = Received::read(&icrq(&[foreign(vendor, kind, true)]), None).unwrap().fault.unwrap();
            assert_eq!(fault, Fault::UnknownAvp { vendor, kind });
            assert_eq!(fault.error(), 8);
        }
    }

    #[test]
    fn a_malformed_avp_is_ignored_or_fatal_by_its_m_bit() {
        let short = Avp::u16(AvpType::TxConnectSpeed, 9);
        assert_eq!(
            Received::read(&icrq(core::slice::from_ref(&short)), None).unwrap().fault,
            Some(Fault::Length(AvpType::TxConnectSpeed))
        );
        let read = Received::read(&icrq(&[short.optional()]), None).unwrap();
        assert_eq!(read.fault, None);
        assert!(read.find(AvpType::TxConnectSpeed).is_none());
    }

    #[test]
    fn a_broken_tail_does_not_hide_the_message_type() {
        let mut payload = encode_avps(&[Avp::u16(AvpType::MessageType, 4)]);
        payload.extend_from_slice(&[0x80, 200, 0, 0, 0, 1, 0]);
        let read = Received::read(&payload, None).unwrap();
        assert_eq!((read.kind, read.fault), (MessageType::StopCcn, Some(Fault::Unreadable)));
        assert_eq!(Received::read(&[0x80], None).unwrap_err(), Fault::Unreadable);
        assert_eq!(
            Received::read(&encode_avps(&[Avp::u16(AvpType::AssignedSessionId, 4)]), None).unwrap_err(),
            Fault::Unreadable
        );
    }

    #[test]
    fn the_response_to_a_challenge_is_that_of_chap() {
        let secret = Secret::new("secret".to_string());
        let response = challenge_response(MessageType::Scccn, &secret, b"challenge");
        assert_eq!(response, Hash::Md5.digest(&[b"\x03secretchallenge"]));
    }
}

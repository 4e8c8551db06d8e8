//! How a client proves who it is: PAP (RFC 1334), CHAP (RFC 1994), MS-CHAP (RFC 2433) and MS-CHAPv2 (RFC 2759).

use crate::rng::Rng;
use crate::time::{Fire, Instant, Retransmit, Retry};
use core::net::Ipv4Addr;
use core::time::Duration;
use crypto::Secret;
use crypto::chap::Shared;
use serde::{Deserialize, Serialize};
use wire::ppp::{ChapValue, Code, Packet, PapReply, PapRequest, Protocol};

/// Longest user name taken, in octets: the operator's language has names of 64 characters, and a domain may stand before.
pub(super) const MAX_NAME: usize = 256;

/// The codes of PAP and CHAP, which share their numbers with LCP but not their meaning.
mod code {
    pub(super) const CHALLENGE: u8 = 1;
    pub(super) const RESPONSE: u8 = 2;
    pub(super) const SUCCESS: u8 = 3;
    pub(super) const FAILURE: u8 = 4;
    pub(super) const PAP_REQUEST: u8 = 1;
    pub(super) const PAP_ACK: u8 = 2;
    pub(super) const PAP_NAK: u8 = 3;
}

const REFUSED: &str = "Authentication failed";
const WELCOME: &str = "Authentication succeeded";

/// A way to authenticate.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Method {
    /// The password itself.
    Pap,
    /// CHAP with MD5.
    ChapMd5,
    /// MS-CHAP of the first version.
    MsChapV1,
    /// MS-CHAP of the second version, where the server proves itself too.
    MsChapV2,
}

impl Method {
    /// The value of LCP's Authentication-Protocol option (RFC 1661 §6.2): protocol, then CHAP's algorithm.
    pub fn to_option(self) -> Vec<u8> {
        match self {
            Self::Pap => vec![0xc0, 0x23],
            Self::ChapMd5 => vec![0xc2, 0x23, 5],
            Self::MsChapV1 => vec![0xc2, 0x23, 0x80],
            Self::MsChapV2 => vec![0xc2, 0x23, 0x81],
        }
    }

    /// The method that an Authentication-Protocol option names.
    pub fn from_option(data: &[u8]) -> Option<Self> {
        match data {
            [0xc0, 0x23] => Some(Self::Pap),
            [0xc2, 0x23, 5] => Some(Self::ChapMd5),
            [0xc2, 0x23, 0x80] => Some(Self::MsChapV1),
            [0xc2, 0x23, 0x81] => Some(Self::MsChapV2),
            _ => None,
        }
    }

    /// The field's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pap => "PAP",
            Self::ChapMd5 => "CHAP",
            Self::MsChapV1 => "MS-CHAP",
            Self::MsChapV2 => "MS-CHAPv2",
        }
    }

    /// The protocol that carries it.
    pub fn protocol(self) -> Protocol {
        match self {
            Self::Pap => Protocol::Pap,
            Self::ChapMd5 | Self::MsChapV1 | Self::MsChapV2 => Protocol::Chap,
        }
    }
}

/// What an Authentication-Protocol option asks for, in words.
pub(crate) fn describe(data: &[u8]) -> String {
    match (Method::from_option(data), data) {
        (Some(method), _) => method.name().to_owned(),
        (None, [0xc2, 0x27, ..]) => "EAP".to_owned(),
        (None, [0xc2, 0x23, algorithm, ..]) => format!("CHAP with algorithm {algorithm}"),
        (None, &[high, low, ..]) => format!("protocol 0x{high:02x}{low:02x}"),
        (None, _) => "nothing readable".to_owned(),
    }
}

/// What a client said to prove who it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Attempt {
    /// The name as it was sent.
    pub user: Vec<u8>,
    /// The proof.
    pub proof: Proof,
}

/// The proof that belongs to a name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Proof {
    /// PAP.
    Pap {
        /// The password as it was sent.
        password: Secret<Vec<u8>>,
    },
    /// CHAP with MD5 (RFC 1994 §4.1).
    ChapMd5 {
        /// Identifier of the challenge.
        id: u8,
        /// Our challenge.
        challenge: Vec<u8>,
        /// The peer's answer.
        response: [u8; 16],
    },
    /// MS-CHAP of the first version (RFC 2433 §4).
    MsChapV1 {
        /// Our challenge.
        challenge: [u8; 8],
        /// The answer made from the LAN Manager hash, which is never enough.
        lm_response: Vec<u8>,
        /// The answer made from the NT hash.
        nt_response: Vec<u8>,
        /// Whether the peer means the NT answer.
        use_nt: bool,
    },
    /// MS-CHAP of the second version (RFC 2759 §4).
    MsChapV2 {
        /// Our challenge.
        challenge: [u8; 16],
        /// The peer's challenge.
        peer_challenge: [u8; 16],
        /// The peer's answer.
        nt_response: [u8; 24],
        /// The name as it was sent, which is part of what is hashed.
        name: Vec<u8>,
    },
}

/// The judgement of an [`Attempt`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Verdict {
    /// The client may come in.
    Accept {
        /// The user's name, as the operator wrote it (under the wild card: as the client sent it).
        user: String,
        /// MS-CHAPv2: the server's own proof, "S=" and 40 hexadecimal digits.
        authenticator_response: Option<String>,
        /// The address that belongs to this user alone.
        address: Option<Ipv4Addr>,
        /// What MS-CHAP leaves to both sides, for whoever has a use for it.
        shared: Option<Shared>,
    },
    /// The client may not come in.
    Reject {
        /// What was wrong; the client is not told.
        why: Why,
    },
}

/// Why an attempt was rejected.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Why {
    /// No such user.
    UnknownUser,
    /// The proof does not fit the password.
    WrongPassword,
    /// The client is already connected, and once is all it may.
    AlreadyConnected,
    /// Only the LAN Manager answer was sent, which proves too little.
    LanManagerOnly,
}

/// Timer and counter of one method.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AuthLimits {
    /// Pause before a challenge is sent again; in PAP, the beat of our patience.
    pub restart: Duration,
    /// How often a challenge is sent in all.
    pub tries: u32,
}

/// What the authenticator wants done.
#[derive(Debug)]
#[must_use]
pub(super) enum AuthStep {
    /// Nothing.
    Nothing,
    /// Send this packet of the method's protocol.
    Send(Vec<u8>),
    /// Have this judged.
    Judge(Attempt),
    /// The client does not answer.
    NoAnswer,
}

/// The authenticator's side of one method.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Authenticator {
    method: Method,
    id: u8,
    challenge: Vec<u8>,
    state: Progress,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Progress {
    /// Waits for the client; what waits for an answer is the challenge (in PAP, nothing is sent).
    Waiting(Retransmit<Vec<u8>>),
    /// The proof is being judged.
    Judging { id: u8, user: Vec<u8> },
    /// The outcome, to be told again to whoever asks again.
    Told { code: u8, data: Vec<u8> },
}

impl Authenticator {
    /// Begins, with the first packet to send if the method has one. `name` is ours and must not be empty: pppd looks up
    /// its secrets by it.
    pub(super) fn start(
        method: Method,
        name: &str,
        limits: AuthLimits,
        rng: &mut Rng,
        now: Instant,
    ) -> (Self, AuthStep) {
        let challenge = match method {
            Method::Pap => Vec::new(),
            Method::MsChapV1 => rng.array::<8>().to_vec(),
            Method::ChapMd5 | Method::MsChapV2 => rng.array::<16>().to_vec(),
        };
        let [id] = rng.array::<1>();
        let packet = match method {
            Method::Pap => Vec::new(),
            _ => {
                let body = ChapValue { value: challenge.clone(), name: name.as_bytes().to_vec() };
                encode(code::CHALLENGE, id, &body.encode())
            }
        };
        let step = if packet.is_empty() { AuthStep::Nothing } else { AuthStep::Send(packet.clone()) };
        let retry = Retry { first: limits.restart, factor: 1, cap: limits.restart, tries: limits.tries };
        (Self { method, id, challenge, state: Progress::Waiting(Retransmit::new(packet, retry, now)) }, step)
    }

    /// The method.
    pub(super) fn method(&self) -> Method {
        self.method
    }

    /// The name the client gave, while its proof is being judged.
    pub(super) fn judging(&self) -> Option<&[u8]> {
        match &self.state {
            Progress::Judging { user, .. } => Some(user),
            Progress::Waiting(_) | Progress::Told { .. } => None,
        }
    }

    /// A packet of the method's protocol arrived.
    pub(super) fn receive(&mut self, packet: &Packet<'_>) -> AuthStep {
        let number = u8::from(packet.code);
        let expected = match self.method {
            Method::Pap => number == code::PAP_REQUEST,
            _ => number == code::RESPONSE && packet.id == self.id,
        };
        if !expected {
            return AuthStep::Nothing;
        }
        match &self.state {
            Progress::Judging { .. } => AuthStep::Nothing,
            Progress::Told { code, data } => AuthStep::Send(encode(*code, packet.id, data)),
            Progress::Waiting(_) => {
                let Some(attempt) = self.attempt(packet) else {
                    return AuthStep::Nothing;
                };
                self.state = Progress::Judging { id: packet.id, user: attempt.user.clone() };
                AuthStep::Judge(attempt)
            }
        }
    }

    fn attempt(&self, packet: &Packet<'_>) -> Option<Attempt> {
        let attempt = match self.method {
            Method::Pap => {
                let request = PapRequest::decode(packet.data).ok()?;
                Attempt { user: request.name, proof: Proof::Pap { password: Secret::new(request.password) } }
            }
            Method::ChapMd5 => {
                let body = ChapValue::decode(packet.data).ok()?;
                let response = body.value.try_into().ok()?;
                let challenge = self.challenge.clone();
                Attempt { user: body.name, proof: Proof::ChapMd5 { id: packet.id, challenge, response } }
            }
            Method::MsChapV1 => {
                // LM answer of 24 octets, NT answer of 24, one octet of flags (RFC 2433 §4).
                let body = ChapValue::decode(packet.data).ok()?;
                let value: [u8; 49] = body.value.try_into().ok()?;
                let (lm, rest) = value.split_at(24);
                let (nt, flags) = rest.split_at(24);
                let proof = Proof::MsChapV1 {
                    challenge: self.challenge.as_slice().try_into().ok()?,
                    lm_response: lm.to_vec(),
                    nt_response: nt.to_vec(),
                    use_nt: flags.first() == Some(&1),
                };
                Attempt { user: body.name, proof }
            }
            Method::MsChapV2 => {
                // Peer challenge of 16 octets, 8 of zero, NT answer of 24, one octet of flags (RFC 2759 §4).
                let body = ChapValue::decode(packet.data).ok()?;
                let value: [u8; 49] = body.value.try_into().ok()?;
                let proof = Proof::MsChapV2 {
                    challenge: self.challenge.as_slice().try_into().ok()?,
                    peer_challenge: value.get(..16)?.try_into().ok()?,
                    nt_response: value.get(24..48)?.try_into().ok()?,
                    name: body.name.clone(),
                };
                Attempt { user: body.name, proof }
            }
        };
        (attempt.user.len() <= MAX_NAME).then_some(attempt)
    }

    /// The verdict is there: the packet that tells the client. Nothing if no verdict was waited for.
    pub(super) fn tell(&mut self, verdict: &Verdict, rng: &mut Rng) -> Option<Vec<u8>> {
        let Progress::Judging { id, .. } = self.state else {
            return None;
        };
        let (code, data) = match (self.method, verdict) {
            (Method::Pap, Verdict::Accept { .. }) => (code::PAP_ACK, PapReply { message: WELCOME.into() }.encode()),
            (Method::Pap, Verdict::Reject { .. }) => (code::PAP_NAK, PapReply { message: REFUSED.into() }.encode()),
            (Method::MsChapV2, Verdict::Accept { authenticator_response, .. }) => {
                let proof = authenticator_response.as_deref().unwrap_or_default();
                (code::SUCCESS, format!("{proof} M={WELCOME}").into_bytes())
            }
            (Method::ChapMd5 | Method::MsChapV1, Verdict::Accept { .. }) => (code::SUCCESS, WELCOME.into()),
            (Method::ChapMd5, Verdict::Reject { .. }) => (code::FAILURE, REFUSED.into()),
            // RFC 2433 §5: error 691, no retry, a challenge nobody will use, version of the password change protocol.
            (Method::MsChapV1, Verdict::Reject { .. }) => {
                (code::FAILURE, format!("E=691 R=0 C={} V=2", upper_hex(&rng.array::<8>())).into_bytes())
            }
            (Method::MsChapV2, Verdict::Reject { .. }) => {
                let challenge = upper_hex(&rng.array::<16>());
                (code::FAILURE, format!("E=691 R=0 C={challenge} V=3 M={REFUSED}").into_bytes())
            }
        };
        let packet = encode(code, id, &data);
        self.state = Progress::Told { code, data };
        Some(packet)
    }

    /// What a CHAP client was told, once more for one that may not have heard it; a PAP client asks again by itself.
    pub(super) fn repeat(&self) -> Option<Vec<u8>> {
        match (&self.state, self.method) {
            (Progress::Told { code, data }, Method::ChapMd5 | Method::MsChapV1 | Method::MsChapV2) => {
                Some(encode(*code, self.id, data))
            }
            _ => None,
        }
    }

    /// When [`Self::handle_timeout`] wants to be called.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            Progress::Waiting(challenge) => Some(challenge.due()),
            Progress::Judging { .. } | Progress::Told { .. } => None,
        }
    }

    /// The challenge may have to be sent again.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> AuthStep {
        let Progress::Waiting(challenge) = &mut self.state else {
            return AuthStep::Nothing;
        };
        match challenge.fire(now) {
            Fire::NotYet => AuthStep::Nothing,
            Fire::Again(packet) if packet.is_empty() => AuthStep::Nothing,
            Fire::Again(packet) => AuthStep::Send(packet.clone()),
            Fire::GaveUp => AuthStep::NoAnswer,
        }
    }
}

fn encode(number: u8, id: u8, data: &[u8]) -> Vec<u8> {
    super::negotiation::encode(Code::from(number), id, data)
}

fn upper_hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02X}")).collect()
}

/// A name or text of the peer for people to read: UTF-8 or else Latin-1, at most 64 characters, no control characters.
pub(crate) fn printable(octets: &[u8]) -> String {
    let shown = |c: char| if c.is_control() { '?' } else { c };
    match core::str::from_utf8(octets) {
        Ok(text) => text.chars().take(64).map(shown).collect(),
        Err(_) => octets.iter().take(64).map(|octet| shown(char::from(*octet))).collect(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

    use super::*;

    const LIMITS: AuthLimits = AuthLimits { restart: Duration::from_secs(3), tries: 3 };

    #[test]
    fn a_challenge_is_sent_again_until_the_tries_are_used_up() {
        let mut now = Instant(0);
        let (mut auth, step) = Authenticator::start(Method::MsChapV2, "RTX", LIMITS, &mut Rng::new([1; 32]), now);
        let AuthStep::Send(first) = step else { panic!("a challenge") };
        let body = ChapValue::decode(Packet::decode(&first).unwrap().data).unwrap();
        assert_eq!((body.value.len(), body.name.as_slice()), (16, b"RTX".as_slice()));
        for _ in 0..2 {
            now = auth.poll_timeout().unwrap();
            assert!(matches!(auth.handle_timeout(now), AuthStep::Send(again) if again == first));
        }
        now = auth.poll_timeout().unwrap();
        assert!(matches!(auth.handle_timeout(now), AuthStep::NoAnswer));
        assert_eq!(now, Instant(9_000_000_000));
    }

    #[test]
    fn a_response_of_the_wrong_size_or_with_an_endless_name_is_no_response() {
        for (value, name) in [(vec![0; 48], vec![b'a']), (vec![0; 49], vec![b'a'; MAX_NAME + 1])] {
            let (mut auth, _) =
                Authenticator::start(Method::MsChapV2, "RTX", LIMITS, &mut Rng::new([1; 32]), Instant(0));
            let data = ChapValue { value, name }.encode();
            let packet = Packet { code: Code::from(code::RESPONSE), id: auth.id, data: &data };
            assert!(matches!(auth.receive(&packet), AuthStep::Nothing));
        }
    }

    #[test]
    fn names_are_shown_without_control_characters_and_cut() {
        assert_eq!(printable("tarō\n".as_bytes()), "tarō?");
        assert_eq!(printable(b"J\xf6rg"), "Jörg");
        assert_eq!(printable(&[b'a'; 300]).len(), 64);
    }

    #[test]
    fn every_method_survives_its_option() {
        for method in [Method::Pap, Method::ChapMd5, Method::MsChapV1, Method::MsChapV2] {
            assert_eq!(Method::from_option(&method.to_option()), Some(method));
        }
        assert_eq!(describe(&[0xc2, 0x27]), "EAP");
        assert_eq!(describe(&[0xc2, 0x23, 6]), "CHAP with algorithm 6");
        assert_eq!(describe(&[0x12, 0x34]), "protocol 0x1234");
    }
}

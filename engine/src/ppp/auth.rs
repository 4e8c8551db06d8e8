//! How a client proves who it is: PAP (RFC 1334), CHAP (RFC 1994), MS-CHAP (RFC 2433), MS-CHAPv2 (RFC 2759), and that in EAP.

use crate::rng::Rng;
use crate::time::{Fire, Instant, Retransmit, Retry};
use core::net::Ipv4Addr;
use core::time::Duration;
use crypto::Secret;
use crypto::chap::Shared;
use serde::{Deserialize, Serialize};
use wire::ppp::{ChapValue, Code, Eap, EapMsChap, EapType, MsChapOp, Packet, PapReply, PapRequest, Protocol};

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
    /// RFC 2759 §7.
    pub(super) const CHANGE_PASSWORD: u8 = 7;
    pub(super) const EAP_REQUEST: u8 = 1;
    pub(super) const EAP_RESPONSE: u8 = 2;
    pub(super) const EAP_SUCCESS: u8 = 3;
    pub(super) const EAP_FAILURE: u8 = 4;
}

const REFUSED: &str = "Authentication failed";
/// The same where no password would be taken just now.
const LATER: &str = "Too many wrong passwords, try again later";
const WELCOME: &str = "Authentication succeeded";

/// What the client is told of a refusal.
const fn refusal(why: Why) -> &'static str {
    match why {
        Why::TooMany { .. } => LATER,
        Why::UnknownUser | Why::WrongPassword | Why::NoPassword | Why::AlreadyConnected | Why::LanManagerOnly => {
            REFUSED
        }
    }
}

/// How often a client may try again in the same call after a wrong answer (RFC 2759 §6, `R=1`), and how long its user has
/// to type (clients.md, trap 84).
const RETRIES: u8 = 2;
const RETRY_WITHIN: Duration = Duration::from_secs(60);
/// An EAP request is repeated so (RFC 3748 §4.3 leaves the numbers to us).
const EAP_AGAIN: Retry = Retry { first: Duration::from_secs(3), factor: 1, cap: Duration::from_secs(3), tries: 5 };
/// The password cannot be changed here: the configuration is the operator's (RFC 2759 §6, ERROR_CHANGING_PASSWORD).
const NO_CHANGE: &str = "E=709 R=0 C=";

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
    /// MS-CHAPv2 in EAP; never asked for unless the client suggests it (clients.md, trap 80).
    EapMsChapV2,
}

impl Method {
    /// The value of LCP's Authentication-Protocol option (RFC 1661 §6.2): protocol, then CHAP's algorithm.
    pub fn to_option(self) -> Vec<u8> {
        match self {
            Self::Pap => vec![0xc0, 0x23],
            Self::ChapMd5 => vec![0xc2, 0x23, 5],
            Self::MsChapV1 => vec![0xc2, 0x23, 0x80],
            Self::MsChapV2 => vec![0xc2, 0x23, 0x81],
            Self::EapMsChapV2 => vec![0xc2, 0x27],
        }
    }

    /// The method that an Authentication-Protocol option names.
    pub fn from_option(data: &[u8]) -> Option<Self> {
        match data {
            [0xc0, 0x23] => Some(Self::Pap),
            [0xc2, 0x23, 5] => Some(Self::ChapMd5),
            [0xc2, 0x23, 0x80] => Some(Self::MsChapV1),
            [0xc2, 0x23, 0x81] => Some(Self::MsChapV2),
            [0xc2, 0x27] => Some(Self::EapMsChapV2),
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
            Self::EapMsChapV2 => "EAP-MSCHAPv2",
        }
    }

    /// The protocol that carries it.
    pub fn protocol(self) -> Protocol {
        match self {
            Self::Pap => Protocol::Pap,
            Self::ChapMd5 | Self::MsChapV1 | Self::MsChapV2 => Protocol::Chap,
            Self::EapMsChapV2 => Protocol::Eap,
        }
    }
}

/// What an Authentication-Protocol option asks for, in words.
pub(crate) fn describe(data: &[u8]) -> String {
    match (Method::from_option(data), data) {
        (Some(method), _) => method.name().to_owned(),
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
    /// The user has an empty password, which proves nothing (RFC 1994 §2.3).
    NoPassword,
    /// The client is already connected, and once is all it may.
    AlreadyConnected,
    /// Only the LAN Manager answer was sent, which proves too little.
    LanManagerOnly,
    /// There were too many wrong passwords, so this one was not looked at; the next is in so many seconds.
    TooMany {
        /// Seconds.
        seconds: u32,
    },
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
    /// Send this; the client has heard that it may come in.
    Done(Vec<u8>),
    /// The client wants another type of EAP, with this number.
    OtherType(u8),
    /// The client does not answer.
    NoAnswer,
}

/// The authenticator's side of one method.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Authenticator {
    method: Method,
    id: u8,
    challenge: Vec<u8>,
    name: Vec<u8>,
    retries: u8,
    state: Progress,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Progress {
    /// Waits for the client; what waits for an answer is the challenge (in PAP, nothing is sent).
    Waiting(Retransmit<Vec<u8>>),
    /// The proof is being judged.
    Judging { id: u8, user: Vec<u8>, answer: Vec<u8> },
    /// The answer was wrong, and the user may type another one; the first answer and the outcome, for who repeats it.
    Retrying { answer: Vec<u8>, told: Vec<u8>, until: Instant },
    /// EAP: the outcome is told and must be confirmed before EAP itself ends.
    Confirming { request: Retransmit<Vec<u8>>, op: MsChapOutcome },
    /// The outcome, to be told again to whoever asks again.
    Told { code: u8, data: Vec<u8> },
}

/// What MS-CHAPv2 inside EAP has come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
enum MsChapOutcome {
    Success,
    Failure,
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
        let retry = Retry { first: limits.restart, factor: 1, cap: limits.restart, tries: limits.tries };
        Self::ask(method, name, retry, rng, now)
    }

    /// The same with this patience.
    pub(super) fn ask(method: Method, name: &str, retry: Retry, rng: &mut Rng, now: Instant) -> (Self, AuthStep) {
        let challenge = new_challenge(method, rng);
        let [id] = rng.array::<1>();
        let packet = match method {
            Method::Pap => Vec::new(),
            Method::EapMsChapV2 => eap_request(id, EapType::Identity, Vec::new()),
            Method::ChapMd5 | Method::MsChapV1 | Method::MsChapV2 => chap_challenge(id, &challenge, name.as_bytes()),
        };
        let step = if packet.is_empty() { AuthStep::Nothing } else { AuthStep::Send(packet.clone()) };
        let state = Progress::Waiting(Retransmit::new(packet, retry, now));
        (Self { method, id, challenge, name: name.as_bytes().to_vec(), retries: RETRIES, state }, step)
    }

    /// The challenge with another identifier and another value (RFC 1994 §4.1), for which the client's answer to the one
    /// before is none. Nothing where no answer is waited for, and where a challenge is not what the client was sent.
    pub(super) fn ask_anew(&mut self, rng: &mut Rng) -> Option<Vec<u8>> {
        let Progress::Waiting(request) = &mut self.state else { return None };
        if matches!(self.method, Method::Pap | Method::EapMsChapV2) {
            return None;
        }
        self.id = self.id.wrapping_add(1);
        self.challenge = new_challenge(self.method, rng);
        let packet = chap_challenge(self.id, &self.challenge, &self.name);
        request.replace(packet.clone());
        Some(packet)
    }

    /// The method.
    pub(super) fn method(&self) -> Method {
        self.method
    }

    /// The name the client gave, while its proof is being judged.
    pub(super) fn judging(&self) -> Option<&[u8]> {
        match &self.state {
            Progress::Judging { user, .. } => Some(user),
            Progress::Waiting(_) | Progress::Retrying { .. } | Progress::Confirming { .. } | Progress::Told { .. } => {
                None
            }
        }
    }

    /// Whether the client may try again.
    pub(super) fn is_retrying(&self) -> bool {
        matches!(self.state, Progress::Retrying { .. })
    }

    /// Whether the client still has to say that it has heard the outcome.
    pub(super) fn is_confirming(&self) -> bool {
        matches!(self.state, Progress::Confirming { .. })
    }

    /// A packet of the method's protocol arrived.
    pub(super) fn receive(&mut self, packet: &Packet<'_>, rng: &mut Rng, now: Instant) -> AuthStep {
        if self.method == Method::EapMsChapV2 {
            return self.receive_eap(packet, now);
        }
        let number = u8::from(packet.code);
        if number == code::CHANGE_PASSWORD && matches!(self.method, Method::MsChapV1 | Method::MsChapV2) {
            let version = if self.method == Method::MsChapV1 { 2 } else { 3 };
            let data = format!("{NO_CHANGE}{} V={version}", upper_hex(&rng.array::<16>()));
            return AuthStep::Send(encode(code::FAILURE, packet.id, data.as_bytes()));
        }
        if let Progress::Retrying { answer, told, .. } = &self.state {
            if number != code::RESPONSE {
                return AuthStep::Nothing;
            }
            // RFC 2759 §9.1: the identifier is incremented for each retry; what is the same was sent again.
            if packet.id == self.id && packet.data == answer.as_slice() {
                return AuthStep::Send(encode(code::FAILURE, packet.id, told));
            }
            if packet.id != self.id && packet.id != self.id.wrapping_add(1) {
                return AuthStep::Nothing;
            }
            self.id = packet.id;
            return self.judge(packet);
        }
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
            Progress::Retrying { .. } | Progress::Confirming { .. } => AuthStep::Nothing,
            Progress::Waiting(_) => self.judge(packet),
        }
    }

    fn judge(&mut self, packet: &Packet<'_>) -> AuthStep {
        let Some(attempt) = self.attempt(packet) else { return AuthStep::Nothing };
        // Only MS-CHAP lets a client try again; a password of PAP is not kept.
        let repeats = matches!(self.method, Method::MsChapV1 | Method::MsChapV2);
        let answer = if repeats { packet.data.to_vec() } else { Vec::new() };
        let user = attempt.user.clone();
        self.state = Progress::Judging { id: packet.id, user, answer };
        AuthStep::Judge(attempt)
    }

    /// A packet of EAP (RFC 3748 §4).
    fn receive_eap(&mut self, packet: &Packet<'_>, now: Instant) -> AuthStep {
        if u8::from(packet.code) != code::EAP_RESPONSE || packet.id != self.id {
            return AuthStep::Nothing;
        }
        let Ok(answer) = Eap::decode(packet.data) else { return AuthStep::Nothing };
        match (&self.state, answer.kind) {
            (Progress::Waiting(_), EapType::Identity) => {
                self.id = self.id.wrapping_add(1);
                let value = ChapValue { value: self.challenge.clone(), name: self.name.clone() }.encode();
                let request = self.eap_mschap(MsChapOp::Challenge, value);
                self.state = Progress::Waiting(Retransmit::new(request.clone(), EAP_AGAIN, now));
                AuthStep::Send(request)
            }
            (Progress::Waiting(_), EapType::Nak) => AuthStep::OtherType(answer.data.first().copied().unwrap_or(0)),
            (Progress::Waiting(_), EapType::MsChapV2) => {
                let Ok(EapMsChap { op: MsChapOp::Response, body: Some((_, value)) }) = EapMsChap::decode(&answer.data)
                else {
                    return AuthStep::Nothing;
                };
                self.judge(&Packet { code: packet.code, id: packet.id, data: &value })
            }
            (Progress::Confirming { op, .. }, EapType::MsChapV2) => {
                let (code, is_done) = match op {
                    MsChapOutcome::Success => (code::EAP_SUCCESS, true),
                    MsChapOutcome::Failure => (code::EAP_FAILURE, false),
                };
                self.state = Progress::Told { code, data: Vec::new() };
                let packet = encode(code, self.id, &[]);
                if is_done { AuthStep::Done(packet) } else { AuthStep::Send(packet) }
            }
            (Progress::Told { code, .. }, _) => AuthStep::Send(encode(*code, self.id, &[])),
            _ => AuthStep::Nothing,
        }
    }

    fn eap_mschap(&self, op: MsChapOp, value: Vec<u8>) -> Vec<u8> {
        let data = EapMsChap { op, body: Some((self.id, value)) }.encode();
        eap_request(self.id, EapType::MsChapV2, data)
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
            Method::MsChapV2 | Method::EapMsChapV2 => {
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
    pub(super) fn tell(&mut self, verdict: &Verdict, rng: &mut Rng, now: Instant) -> Option<Vec<u8>> {
        let Progress::Judging { id, answer, .. } = &self.state else {
            return None;
        };
        let (id, answer) = (*id, answer.clone());
        if self.method == Method::EapMsChapV2 {
            return Some(self.tell_eap(verdict, rng, now));
        }
        if let Verdict::Reject { why: Why::WrongPassword | Why::UnknownUser | Why::NoPassword } = verdict
            && self.retries > 0
            && matches!(self.method, Method::MsChapV1 | Method::MsChapV2)
        {
            self.retries -= 1;
            let told = if self.method == Method::MsChapV1 {
                self.challenge = rng.array::<8>().to_vec();
                format!("E=691 R=1 C={} V=2", upper_hex(&self.challenge))
            } else {
                self.challenge = rng.array::<16>().to_vec();
                format!("E=691 R=1 C={} V=3 M={REFUSED}", upper_hex(&self.challenge))
            };
            let told = told.into_bytes();
            let packet = encode(code::FAILURE, id, &told);
            self.state = Progress::Retrying { answer, told, until: now.after(RETRY_WITHIN) };
            return Some(packet);
        }
        let (code, data) = match (self.method, verdict) {
            (Method::Pap, Verdict::Accept { .. }) => (code::PAP_ACK, PapReply { message: WELCOME.into() }.encode()),
            (Method::Pap, Verdict::Reject { why }) => {
                (code::PAP_NAK, PapReply { message: refusal(*why).into() }.encode())
            }
            (Method::MsChapV2 | Method::EapMsChapV2, Verdict::Accept { authenticator_response, .. }) => {
                (code::SUCCESS, welcome(authenticator_response.as_deref()))
            }
            (Method::ChapMd5 | Method::MsChapV1, Verdict::Accept { .. }) => (code::SUCCESS, WELCOME.into()),
            (Method::ChapMd5, Verdict::Reject { why }) => (code::FAILURE, refusal(*why).into()),
            // RFC 2433 §5: error 691, no retry, a challenge nobody will use, version of the password change protocol.
            (Method::MsChapV1, Verdict::Reject { .. }) => {
                (code::FAILURE, format!("E=691 R=0 C={} V=2", upper_hex(&rng.array::<8>())).into_bytes())
            }
            (Method::MsChapV2 | Method::EapMsChapV2, Verdict::Reject { why }) => {
                let challenge = upper_hex(&rng.array::<16>());
                (code::FAILURE, format!("E=691 R=0 C={challenge} V=3 M={}", refusal(*why)).into_bytes())
            }
        };
        let packet = encode(code, id, &data);
        self.state = Progress::Told { code, data };
        Some(packet)
    }

    /// The outcome within EAP; EAP's own follows when the client has confirmed it.
    fn tell_eap(&mut self, verdict: &Verdict, rng: &mut Rng, now: Instant) -> Vec<u8> {
        let (op, outcome, text) = match verdict {
            Verdict::Accept { authenticator_response, .. } => {
                (MsChapOp::Success, MsChapOutcome::Success, welcome(authenticator_response.as_deref()))
            }
            Verdict::Reject { why } => {
                let text = format!("E=691 R=0 C={} V=3 M={}", upper_hex(&rng.array::<16>()), refusal(*why));
                (MsChapOp::Failure, MsChapOutcome::Failure, text.into_bytes())
            }
        };
        self.id = self.id.wrapping_add(1);
        let packet = self.eap_mschap(op, text);
        self.state = Progress::Confirming { request: Retransmit::new(packet.clone(), EAP_AGAIN, now), op: outcome };
        packet
    }

    /// What a CHAP client was told, once more for one that may not have heard it; a PAP client asks again by itself.
    pub(super) fn repeat(&self) -> Option<Vec<u8>> {
        match (&self.state, self.method) {
            (
                Progress::Told { code, data },
                Method::ChapMd5 | Method::MsChapV1 | Method::MsChapV2 | Method::EapMsChapV2,
            ) => Some(encode(*code, self.id, data)),
            _ => None,
        }
    }

    /// When [`Self::handle_timeout`] wants to be called.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            Progress::Waiting(request) | Progress::Confirming { request, .. } => Some(request.due()),
            Progress::Retrying { until, .. } => Some(*until),
            Progress::Judging { .. } | Progress::Told { .. } => None,
        }
    }

    /// The challenge may have to be sent again.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> AuthStep {
        let request = match &mut self.state {
            Progress::Waiting(request) | Progress::Confirming { request, .. } => request,
            Progress::Retrying { until, .. } if now.reached(*until) => return AuthStep::NoAnswer,
            Progress::Retrying { .. } | Progress::Judging { .. } | Progress::Told { .. } => return AuthStep::Nothing,
        };
        match request.fire(now) {
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

fn new_challenge(method: Method, rng: &mut Rng) -> Vec<u8> {
    match method {
        Method::Pap => Vec::new(),
        Method::MsChapV1 => rng.array::<8>().to_vec(),
        Method::ChapMd5 | Method::MsChapV2 | Method::EapMsChapV2 => rng.array::<16>().to_vec(),
    }
}

fn chap_challenge(id: u8, value: &[u8], name: &[u8]) -> Vec<u8> {
    encode(code::CHALLENGE, id, &ChapValue { value: value.to_vec(), name: name.to_vec() }.encode())
}

/// What a client is told that may come in: the server's own proof first (RFC 2759 §5).
fn welcome(proof: Option<&str>) -> Vec<u8> {
    format!("{} M={WELCOME}", proof.unwrap_or_default()).into_bytes()
}

fn eap_request(id: u8, kind: EapType, data: Vec<u8>) -> Vec<u8> {
    encode(code::EAP_REQUEST, id, &Eap { kind, data }.encode())
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
            assert!(matches!(auth.receive(&packet, &mut Rng::new([2; 32]), Instant(0)), AuthStep::Nothing));
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
        for method in [Method::Pap, Method::ChapMd5, Method::MsChapV1, Method::MsChapV2, Method::EapMsChapV2] {
            assert_eq!(Method::from_option(&method.to_option()), Some(method));
        }
        assert_eq!(describe(&[0xc2, 0x27]), "EAP-MSCHAPv2");
        assert_eq!(describe(&[0xc2, 0x23, 6]), "CHAP with algorithm 6");
        assert_eq!(describe(&[0x12, 0x34]), "protocol 0x1234");
    }
}

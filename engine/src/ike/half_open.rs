//! An exchange of phase 1 that is not authenticated yet, in Main or Aggressive Mode: what both have in common.

use super::aggressive::Claim;
use super::keys::{Cookies, Keys};
use super::main_mode::MOST_REPEATS;
use super::natt::{Found, Variant};
use super::proposal::{self, Phase1};
use super::sa::Sa;
use super::{Computed, Endpoint, Job, Message, Refusal};
use crate::rng::Rng;
use crate::time::Instant;
use core::time::Duration;
use crypto::Secret;
use std::collections::BTreeSet;
use wire::isakmp::{PayloadType, Raw, SecurityAssociation, vendor};

/// How long an exchange may stay half open; longer than any client goes on trying.
pub const HALF_OPEN_LIFE: Duration = Duration::from_secs(60);
/// Wrong guesses at a key in one exchange before it is forgotten.
const MOST_GUESSES: u32 = 5;
/// Vendor IDs that are looked at in one message.
const MOST_VENDOR_IDS: usize = 40;

/// What the configuration says about phase 1.
pub struct Policy<'a> {
    /// Words of `ipsec ike refuse`.
    pub refused: &'a BTreeSet<String>,
    /// With `ipsec ike negotiate-strictly`: what alone is taken, in words; empty: anything.
    pub only: &'a BTreeSet<String>,
    /// `ipsec ike nat-traversal on` for a gateway that may serve this client.
    pub nat_traversal: bool,
    /// `force=on`: the client is made to believe that it is behind a NAT.
    pub force: bool,
    /// `ipsec ike duration isakmp-sa`: the longest life.
    pub life: Option<Duration>,
}

/// What the client's vendor IDs tell.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Traits {
    pub(super) natt: Option<Variant>,
    pub(super) dpd: bool,
    pub(super) initial_contact: bool,
    /// It takes fragments of ISAKMP messages.
    pub(super) fragments: bool,
    /// It may cut the ICV of HMAC-SHA-256 to 96 bits: an Android of old (clients.md, trap 46).
    pub(super) truncates: bool,
}

impl Traits {
    /// What the vendor IDs of a client's first message tell.
    pub(super) fn of(payloads: &[Raw<'_>], offer: &SecurityAssociation, policy: &Policy<'_>) -> Self {
        let vendor_ids: Vec<Vec<u8>> = payloads
            .iter()
            .filter(|p| p.kind == PayloadType::VendorId)
            .take(MOST_VENDOR_IDS)
            .map(|p| p.body.to_vec())
            .collect();
        let has = |id: &[u8]| vendor_ids.iter().any(|v| v.starts_with(id));
        Self {
            natt: Variant::choose(&vendor_ids).filter(|_| policy.nat_traversal),
            dpd: has(&vendor::DPD),
            initial_contact: has(&vendor::INITIAL_CONTACT),
            fragments: has(&vendor::FRAGMENTATION),
            truncates: has(&vendor::FRAGMENTATION)
                && has(&vendor::NAT_T_DRAFT_00)
                && proposal::is_group_2_with_sha_2(offer),
        }
    }

    /// Our own: only what the client announced itself, so that the answer is not larger than the question.
    pub(super) fn vendor_ids(&self) -> Vec<(PayloadType, Vec<u8>)> {
        let natt = self.natt.map(|v| v.vendor_id().to_vec());
        let dpd = self.dpd.then(|| vendor::DPD.to_vec());
        let fragments = self.fragments.then(|| vendor::FRAGMENTATION.to_vec());
        natt.into_iter().chain(dpd).chain(fragments).map(|id| (PayloadType::VendorId, id)).collect()
    }
}

/// What is known after the client's public value has come.
pub(super) struct Exchanged {
    pub(super) nonces: (Vec<u8>, Vec<u8>),
    pub(super) initiator_public: Vec<u8>,
    pub(super) found: Found,
}

pub(super) enum State {
    /// Message 2 was sent.
    AwaitKeyExchange,
    /// The shared secret is being computed.
    Computing(Exchanged),
    /// Message 4 was sent.
    AwaitIdentity { of: Exchanged, public: Vec<u8>, shared: Secret<Vec<u8>> },
    /// Aggressive Mode: keys are being computed, for message 2.
    Claimed(Box<Claim>),
    /// Aggressive Mode: message 2 was sent.
    AwaitProof { claim: Box<Claim>, public: Vec<u8>, shared: Secret<Vec<u8>>, keys: Box<Keys> },
}

/// One exchange that has not been authenticated yet.
pub struct HalfOpen {
    pub(super) cookies: Cookies,
    pub(super) endpoint: Endpoint,
    pub(super) chosen: Phase1,
    /// The body of the client's SA payload, as it came: it goes into both hashes.
    pub(super) sa_body: Vec<u8>,
    /// The body of our answer to it.
    pub(super) answer: Vec<u8>,
    pub(super) traits: Traits,
    pub(super) state: State,
    pub(super) begun: Instant,
    pub(super) request: Vec<u8>,
    pub(super) reply: Vec<u8>,
    pub(super) repeats: u32,
    pub(super) guesses: u32,
    /// The life of the SA, if it is shorter than the client asked for.
    pub(super) shortened: Option<Duration>,
}

/// Which key a client has shown.
pub enum Shown {
    /// The one at this place in the list given.
    Key(usize),
    /// That of these gateways, which it has named.
    Gateways(Vec<u32>),
}

/// What comes of a message.
pub enum Step {
    /// Send this to the client.
    Send(Vec<u8>),
    /// Have this computed, then call [`HalfOpen::computed`].
    Compute(Job),
    /// The client has proved that it knows a key.
    Established {
        /// The ISAKMP SA, and what is sent last in it.
        sa: Box<Sa>,
        /// Which of the keys.
        shown: Shown,
        /// The client says that it remembers no older SA.
        initial_contact: bool,
    },
    /// Nothing to do: a repeat too many, or one that is being worked on.
    Nothing,
}

impl HalfOpen {
    /// The cookies of the exchange.
    pub fn cookies(&self) -> Cookies {
        self.cookies
    }

    /// Where its last message came from and to.
    pub fn endpoint(&self) -> Endpoint {
        self.endpoint
    }

    /// When to forget it.
    pub fn expires(&self) -> Instant {
        self.begun.after(HALF_OPEN_LIFE)
    }

    /// The client has shown that it receives what we send.
    pub fn is_reachable(&self) -> bool {
        !matches!(self.state, State::AwaitKeyExchange | State::Claimed(_) | State::AwaitProof { .. })
    }

    /// The client takes fragments.
    pub fn takes_fragments(&self) -> bool {
        self.traits.fragments
    }

    /// What was agreed on.
    pub fn chosen(&self) -> &Phase1 {
        &self.chosen
    }

    /// If `datagram` repeats what has been answered: the stored answer, within a limit, sent to where it came from now.
    pub fn repeat(&mut self, datagram: &[u8], endpoint: Endpoint) -> Option<Step> {
        if self.request != datagram {
            return None;
        }
        self.endpoint = endpoint;
        self.repeats += 1;
        if self.repeats > MOST_REPEATS || matches!(self.state, State::Computing(_) | State::Claimed(_)) {
            return Some(Step::Nothing);
        }
        Some(Step::Send(self.reply.clone()))
    }

    /// Takes message 3 or 5 of Main Mode or message 3 of Aggressive Mode, whichever is due.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or proves no key; the exchange then goes on waiting.
    pub fn handle(
        &mut self,
        message: Message<'_>,
        keys: &[Secret<Vec<u8>>],
        policy: &Policy<'_>,
        ticket: u64,
        rng: &mut Rng,
        now: Instant,
    ) -> Result<Step, Refusal> {
        match &self.state {
            State::AwaitKeyExchange => self.on_key_exchange(message, policy, ticket, rng),
            State::Computing(_) | State::Claimed(_) => Ok(Step::Nothing),
            State::AwaitIdentity { .. } => self.on_identity(message, keys, now),
            State::AwaitProof { .. } => self.on_proof(message, now),
        }
    }

    /// The shared secret is there: message 4 of Main Mode or message 2 of Aggressive Mode.
    ///
    /// # Errors
    ///
    /// If the client's public value was no acceptable one.
    pub fn computed(&mut self, result: Computed, policy: &Policy<'_>) -> Result<Step, Refusal> {
        match core::mem::replace(&mut self.state, State::AwaitKeyExchange) {
            State::Computing(of) => self.answer_key_exchange(of, result, policy),
            State::Claimed(claim) => self.answer_claim(claim, result, policy),
            other @ (State::AwaitKeyExchange | State::AwaitIdentity { .. } | State::AwaitProof { .. }) => {
                self.state = other;
                Ok(Step::Nothing)
            }
        }
    }

    /// The computation was not taken on: the client's repeat of its message will be taken as if it were the first.
    /// Whether all of the exchange is to be forgotten for that.
    #[must_use]
    pub fn not_computed(&mut self) -> bool {
        if matches!(self.state, State::Computing(_)) {
            self.state = State::AwaitKeyExchange;
            self.request.clear();
        }
        matches!(self.state, State::Claimed(_))
    }

    /// The message of Main Mode that has not come; nothing where one came and was told of.
    pub fn awaited(&self) -> Option<u8> {
        match self.state {
            State::AwaitKeyExchange => Some(3),
            State::AwaitIdentity { .. } if self.guesses == 0 => Some(5),
            State::AwaitIdentity { .. } | State::Computing(_) | State::Claimed(_) | State::AwaitProof { .. } => None,
        }
    }

    /// Whether so many wrong proofs came that the exchange should be forgotten.
    pub fn is_spent(&self) -> bool {
        self.guesses >= MOST_GUESSES
    }
}

/// The offer of a client's first message: its SA payload, which must come first.
pub(super) fn offered(payloads: &[Raw<'_>]) -> Result<(Vec<u8>, SecurityAssociation), Refusal> {
    let sa = payloads.first().filter(|p| p.kind == PayloadType::Sa).ok_or(Refusal::Missing("SA"))?;
    Ok((sa.body.to_vec(), SecurityAssociation::decode(sa.body)?))
}

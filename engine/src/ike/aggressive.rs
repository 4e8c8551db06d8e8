//! Aggressive Mode with a pre-shared key, as the responder (RFC 2409 §5.4): three messages, the key by the client's name.
//!
//! Message 2 holds a proof made with the key, in the clear and for whoever asks under a known name: a key that can be
//! guessed can be tried at leisure. It is therefore served only to names that the configuration holds.

use super::half_open::{Exchanged, HalfOpen, Policy, Shown, State, Step, Traits, offered};
use super::keys::{Cookies, Ingredients, Keys};
use super::lifetime;
use super::main_mode::{MOST_SLIPS, NONCE, find, in_the_clear, is_initial_contact, responder_cookie};
use super::natt::{self, Found};
use super::proposal;
use super::sa::{self, Sa};
use super::slip;
use super::{BAD_PUBLIC, Computed, Endpoint, Job, Message, Refusal};
use crate::rng::Rng;
use crate::time::Instant;
use crypto::{Group, Secret};
use wire::isakmp::{ExchangeType, Flags, Header, Identification, PayloadType, Proposal, SecurityAssociation, chain};

/// Those of the configuration that go by the name that the client has given.
pub struct Party {
    /// Their gateways.
    pub gateways: Vec<u32>,
    /// The key that they share.
    pub key: Secret<Vec<u8>>,
    /// Our identity towards the client, as the body of a payload.
    pub own: Vec<u8>,
}

/// What a client has said in its first message.
pub struct Claim {
    party: Party,
    of: Exchanged,
    /// The body of its identity payload: it goes into both hashes.
    identity: Vec<u8>,
    /// Where that message came from and to: a client may compute its NAT-D from those ports or from those of message 3.
    first: Endpoint,
}

/// The identity that a client's first message holds.
///
/// # Errors
///
/// If the message cannot be read, or holds none.
pub fn claimed(message: &Message<'_>) -> Result<Identification, Refusal> {
    let payloads = chain(message.header.next, message.body)?;
    let id = find(&payloads, PayloadType::Identification).ok_or(Refusal::Missing("identity"))?;
    Ok(Identification::decode(id)?)
}

/// The offers with a group of which the public value may be: the group cannot be negotiated (RFC 2409 §5).
fn with_group_of(offer: &SecurityAssociation, public: &[u8]) -> SecurityAssociation {
    let fits = |t: &wire::isakmp::Transform| {
        let group = proposal::group_of(t);
        group.is_none_or(|g: Group| g.public_len() == public.len())
    };
    let proposals = offer.proposals.iter().map(|p| Proposal {
        spi: p.spi.clone(),
        transforms: p.transforms.iter().filter(|t| fits(t)).cloned().collect(),
        ..*p
    });
    SecurityAssociation { proposals: proposals.collect(), ..*offer }
}

impl HalfOpen {
    /// Takes message 1: SA, KE, nonce and identity. What is to be computed comes to message 2.
    ///
    /// # Errors
    ///
    /// If the message cannot be read or nothing that it offers is allowed.
    pub fn begin_aggressive(
        message: Message<'_>,
        party: Party,
        policy: &Policy<'_>,
        ticket: u64,
        rng: &mut Rng,
        now: Instant,
    ) -> Result<(Self, Job), Refusal> {
        let Message { header, body, datagram, endpoint } = message;
        let payloads = chain(header.next, body)?;
        let (sa_body, offer) = offered(&payloads)?;
        let public = find(&payloads, PayloadType::KeyExchange).ok_or(Refusal::Missing("key exchange"))?;
        let nonce = find(&payloads, PayloadType::Nonce).ok_or(Refusal::Missing("nonce"))?;
        let identity = find(&payloads, PayloadType::Identification).ok_or(Refusal::Missing("identity"))?;
        if !(8..=256).contains(&nonce.len()) {
            return Err(Refusal::Unacceptable("the nonce is not 8 to 256 octets long"));
        }
        let (mut chosen, answer) =
            proposal::choose_phase1(&with_group_of(&offer, public), policy.refused, policy.only)?;
        if public.len() != chosen.group.public_len() {
            return Err(Refusal::Unacceptable("the public value has not the length of the agreed group"));
        }
        if !chosen.group.may_be_public(public) {
            return Err(Refusal::Unacceptable(BAD_PUBLIC));
        }
        // Nothing of message 2 is protected, so the client is not told.
        let shortened = lifetime::shorten(&mut chosen.life, policy.life);
        let mut ours = vec![0; NONCE];
        rng.fill(&mut ours);
        let mut entropy = [0; 64];
        rng.fill(&mut entropy);
        let group = chosen.group;
        let of =
            Exchanged { nonces: (nonce.to_vec(), ours), initiator_public: public.to_vec(), found: Found::default() };
        let claim = Claim { party, of, identity: identity.to_vec(), first: endpoint };
        let this = Self {
            cookies: Cookies { initiator: header.initiator.0, responder: responder_cookie(rng) },
            endpoint,
            chosen,
            sa_body,
            answer: answer.encode(),
            traits: Traits::of(&payloads, &offer, policy),
            state: State::Claimed(Box::new(claim)),
            begun: now,
            request: datagram.to_vec(),
            reply: vec![],
            repeats: 0,
            guesses: 0,
            shortened,
        };
        Ok((this, Job { ticket, group, peer_public: public.to_vec(), entropy: Secret::new(entropy), own_pair: false }))
    }

    /// The shared secret is there: message 2.
    pub(super) fn answer_claim(
        &mut self,
        claim: Box<Claim>,
        result: Computed,
        policy: &Policy<'_>,
    ) -> Result<Step, Refusal> {
        let Some(shared) = result.shared else {
            return Err(Refusal::Unacceptable(BAD_PUBLIC));
        };
        let public = result.public;
        let keys = self.keys_of(&claim, &public, &shared, claim.party.key.expose());
        let (cky_i, cky_r) = (&self.cookies.initiator[..], &self.cookies.responder[..]);
        let own = claim.party.own.clone();
        let proof = keys.identity_hash(&[&public, &claim.of.initiator_public, cky_r, cky_i, &self.sa_body, &own]);
        let mut reply = vec![
            (PayloadType::Sa, self.answer.clone()),
            (PayloadType::KeyExchange, public.clone()),
            (PayloadType::Nonce, claim.of.nonces.1.clone()),
            (PayloadType::Identification, own),
            (PayloadType::Hash, proof),
        ];
        reply.extend(self.traits.vendor_ids());
        reply.extend(self.nat_detection(policy));
        self.reply = in_the_clear(&self.cookies, ExchangeType::Aggressive, 0, &reply);
        self.state = State::AwaitProof { claim, public, shared, keys: Box::new(keys) };
        Ok(Step::Send(self.reply.clone()))
    }

    fn keys_of(&self, claim: &Claim, public: &[u8], shared: &Secret<Vec<u8>>, psk: &[u8]) -> Keys {
        let nonces = (claim.of.nonces.0.as_slice(), claim.of.nonces.1.as_slice());
        let publics = (claim.of.initiator_public.as_slice(), public);
        let (hash, cipher, cookies) = (self.chosen.hash, self.chosen.cipher, self.cookies);
        Keys::derive(psk, &Ingredients { hash, cipher, cookies, nonces, publics, shared })
    }

    /// Message 3: the client's proof, enciphered or, from Android, in the clear (clients.md, trap 21).
    pub(super) fn on_proof(&mut self, message: Message<'_>, now: Instant) -> Result<Step, Refusal> {
        let Message { header, body, datagram, endpoint } = message;
        let State::AwaitProof { claim, public, shared, keys } = &self.state else { return Ok(Step::Nothing) };
        let Some((nat_d, last_block, initial_contact)) = self.proves(header, body, claim, public, keys) else {
            self.guesses += 1;
            let near = || {
                let mut near = slip::near(claim.party.key.expose()).into_iter().take(MOST_SLIPS * 4);
                let fits = |k: &Secret<Vec<u8>>| {
                    let keys = self.keys_of(claim, public, shared, k.expose());
                    self.proves(header, body, claim, public, &keys).is_some()
                };
                near.find(|(_, k)| fits(k)).map(|(slip, _)| slip)
            };
            let slip = if self.guesses == 1 { near() } else { None };
            return Err(Refusal::WrongKey { slip });
        };
        let natt = self.traits.natt.filter(|_| !nat_d.is_empty());
        let mut found = Found::default();
        if natt.is_some() {
            let payloads: Vec<&[u8]> = nat_d.iter().map(Vec::as_slice).collect();
            let seen = |e: Endpoint| natt::detect(self.chosen.hash, &self.cookies, &payloads, e.local, e.peer);
            let (before, here) = (seen(claim.first), seen(endpoint));
            found = Found { client: before.client && here.client, server: before.server && here.server };
            // Who has gone to port 4500 has found a NAT by our hashes (RFC 3947 §4).
            found.client |= endpoint.local.port() != claim.first.local.port() && !found.any();
        }
        let identity = Identification::decode(&claim.identity)?;
        let sa = Sa::new(sa::Birth {
            cookies: self.cookies,
            endpoint,
            keys: (**keys).clone(),
            last_block,
            chosen: self.chosen.clone(),
            offer: self.answer.clone(),
            natt,
            found,
            dpd: self.traits.dpd,
            fragments: self.traits.fragments,
            truncates: self.traits.truncates,
            identity: (identity.kind.into(), identity.data),
            aggressive: true,
            last_request: datagram.to_vec(),
            last_reply: vec![],
            now,
        });
        let shown = Shown::Gateways(claim.party.gateways.clone());
        let initial_contact = self.traits.initial_contact || initial_contact;
        Ok(Step::Established { sa: Box::new(sa), shown, initial_contact })
    }

    /// What message 3 says, if it proves these keys: NAT-D, the IV that phase 2 begins from, INITIAL-CONTACT.
    fn proves(
        &self,
        header: &Header,
        body: &[u8],
        claim: &Claim,
        public: &[u8],
        keys: &Keys,
    ) -> Option<(Vec<Vec<u8>>, Vec<u8>, bool)> {
        let first_iv = keys.main_mode_iv();
        let (plain, last_block) = if header.flags.has(Flags::ENCRYPTION) {
            keys.decrypt(body, &first_iv)?
        } else {
            (body.to_vec(), first_iv)
        };
        let payloads = chain(header.next, &plain).ok()?;
        let proof = find(&payloads, PayloadType::Hash)?;
        let (cky_i, cky_r) = (&self.cookies.initiator[..], &self.cookies.responder[..]);
        let parts = [&claim.of.initiator_public, public, cky_i, cky_r, self.sa_body.as_slice(), &claim.identity];
        if !crypto::equal(proof, &keys.identity_hash(&parts)) {
            return None;
        }
        let is_nat_d = |kind| self.traits.natt.is_some_and(|v| v.nat_d() == kind);
        let nat_d = payloads.iter().filter(|p| is_nat_d(p.kind)).map(|p| p.body.to_vec()).collect();
        Some((nat_d, last_block, payloads.iter().any(is_initial_contact)))
    }

    /// A message of phase 2 has come where message 3 of Aggressive Mode is due: that was lost, and message 2 once more
    /// makes the client repeat it.
    pub fn remind(&mut self, message: &Message<'_>) -> Result<Step, Refusal> {
        if !matches!(self.state, State::AwaitProof { .. }) {
            return Ok(Step::Nothing);
        }
        match message.header.exchange {
            // What could a client tell of an exchange that it has not ended, but that it does not like our proof?
            ExchangeType::Informational => Err(Refusal::WrongKey { slip: None }),
            ExchangeType::QuickMode => {
                let reply = self.reply.clone();
                self.repeats += 1;
                let within = self.repeats <= super::main_mode::MOST_REPEATS;
                Ok(if within { Step::Send(reply) } else { Step::Nothing })
            }
            ExchangeType::Base
            | ExchangeType::MainMode
            | ExchangeType::AuthenticationOnly
            | ExchangeType::Aggressive
            | ExchangeType::Transaction
            | ExchangeType::NewGroupMode
            | ExchangeType::Unknown(_) => Ok(Step::Nothing),
        }
    }

    /// The exchange that it belongs to: the type of its messages.
    pub fn exchange(&self) -> ExchangeType {
        match self.state {
            State::AwaitKeyExchange | State::Computing(_) | State::AwaitIdentity { .. } => ExchangeType::MainMode,
            State::Claimed(_) | State::AwaitProof { .. } => ExchangeType::Aggressive,
        }
    }
}

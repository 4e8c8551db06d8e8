//! Main Mode with a pre-shared key, as the responder (RFC 2409 §5, §5.4): from a client's first message to its proof.

use super::half_open::{Exchanged, HalfOpen, Policy, Shown, State, Step, Traits, offered};
use super::keys::{Cookies, Ingredients, Keys};
use super::lifetime;
use super::natt::{self, Found};
use super::proposal;
use super::sa::{self, Sa};
use super::{BAD_PUBLIC, Computed, Job, Message, Refusal};
use crate::rng::Rng;
use crate::time::Instant;
use core::net::IpAddr;
use crypto::Secret;
use wire::isakmp::{
    Cookie, ExchangeType, Flags, Header, IdType, Identification, Notification, NotifyType, PayloadType, Protocol, Raw,
    chain, encode_chain,
};

/// Length of our nonces, octets (RFC 2409 §5 allows 8 to 256).
pub(super) const NONCE: usize = 32;
/// How often a stored answer is repeated, so that nobody can use us to multiply traffic.
pub(super) const MOST_REPEATS: u32 = 20;
/// Configured keys whose near misses are tried on one client.
pub(super) const MOST_SLIPS: usize = 4;

/// A message 5 that makes sense.
struct Proved {
    keys: Keys,
    iv: Vec<u8>,
    identity: Identification,
    initial_contact: bool,
}

impl HalfOpen {
    /// Takes a client's first message. Gives the exchange and message 2.
    ///
    /// # Errors
    ///
    /// If the message cannot be read or nothing that it offers is allowed.
    pub fn begin(
        message: Message<'_>,
        policy: &Policy<'_>,
        rng: &mut Rng,
        now: Instant,
    ) -> Result<(Self, Vec<u8>), Refusal> {
        let Message { header, body, datagram, endpoint } = message;
        let payloads = chain(header.next, body)?;
        let (sa_body, offer) = offered(&payloads)?;
        let (mut chosen, answer) = proposal::choose_phase1(&offer, policy.refused, policy.only)?;
        let shortened = lifetime::shorten(&mut chosen.life, policy.life);
        let traits = Traits::of(&payloads, &offer, policy);
        let cookies = Cookies { initiator: header.initiator.0, responder: responder_cookie(rng) };
        let answer = answer.encode();
        let mut reply = vec![(PayloadType::Sa, answer.clone())];
        reply.extend(traits.vendor_ids());
        let reply = in_the_clear(&cookies, ExchangeType::MainMode, 0, &reply);
        let this = Self {
            cookies,
            endpoint,
            chosen,
            sa_body,
            answer,
            traits,
            state: State::AwaitKeyExchange,
            begun: now,
            request: datagram.to_vec(),
            reply: reply.clone(),
            repeats: 0,
            guesses: 0,
            shortened,
        };
        Ok((this, reply))
    }

    /// Message 3: KE, Nonce and NAT-D (RFC 2409 §5.4, RFC 3947 §3.2).
    pub(super) fn on_key_exchange(
        &mut self,
        message: Message<'_>,
        policy: &Policy<'_>,
        ticket: u64,
        rng: &mut Rng,
    ) -> Result<Step, Refusal> {
        let Message { header, body, datagram, endpoint } = message;
        let payloads = chain(header.next, body)?;
        let public = find(&payloads, PayloadType::KeyExchange).ok_or(Refusal::Missing("key exchange"))?;
        let nonce = find(&payloads, PayloadType::Nonce).ok_or(Refusal::Missing("nonce"))?;
        if public.len() != self.chosen.group.public_len() {
            return Err(Refusal::Unacceptable("the public value has not the length of the agreed group"));
        }
        // Before any arithmetic, and before the exchange has changed: whoever put it in between has done nothing.
        if !self.chosen.group.may_be_public(public) {
            return Err(Refusal::Unacceptable(BAD_PUBLIC));
        }
        if !(8..=256).contains(&nonce.len()) {
            return Err(Refusal::Unacceptable("the nonce is not 8 to 256 octets long"));
        }
        let mut found = Found::default();
        if let Some(variant) = self.traits.natt {
            let nat_d: Vec<&[u8]> = payloads.iter().filter(|p| p.kind == variant.nat_d()).map(|p| p.body).collect();
            if nat_d.is_empty() {
                self.traits.natt = None;
            }
            found = natt::detect(self.chosen.hash, &self.cookies, &nat_d, endpoint.local, endpoint.peer);
            found.client |= policy.force && self.traits.natt.is_some();
        }
        let mut ours = vec![0; NONCE];
        rng.fill(&mut ours);
        let mut entropy = [0; 64];
        rng.fill(&mut entropy);
        self.endpoint = endpoint;
        self.request = datagram.to_vec();
        self.repeats = 0;
        self.state =
            State::Computing(Exchanged { nonces: (nonce.to_vec(), ours), initiator_public: public.to_vec(), found });
        Ok(Step::Compute(Job {
            ticket,
            group: self.chosen.group,
            peer_public: public.to_vec(),
            entropy: Secret::new(entropy),
            own_pair: false,
        }))
    }

    /// The shared secret is there: message 4.
    pub(super) fn answer_key_exchange(
        &mut self,
        of: Exchanged,
        result: Computed,
        policy: &Policy<'_>,
    ) -> Result<Step, Refusal> {
        let Some(shared) = result.shared else {
            return Err(Refusal::Unacceptable(BAD_PUBLIC));
        };
        let mut reply =
            vec![(PayloadType::KeyExchange, result.public.clone()), (PayloadType::Nonce, of.nonces.1.clone())];
        reply.extend(self.nat_detection(policy));
        self.reply = in_the_clear(&self.cookies, ExchangeType::MainMode, 0, &reply);
        self.state = State::AwaitIdentity { of, public: result.public, shared };
        Ok(Step::Send(self.reply.clone()))
    }

    /// NAT-D payloads: the client's address, then ours, as they look from here (RFC 3947 §3.2).
    pub(super) fn nat_detection(&self, policy: &Policy<'_>) -> Vec<(PayloadType, Vec<u8>)> {
        let Some(variant) = self.traits.natt else { return vec![] };
        let mut theirs = natt::hash(self.chosen.hash, &self.cookies, self.endpoint.peer);
        if policy.force {
            // The client's own address only: one that thinks the server is behind a NAT may refuse (Windows).
            theirs.iter_mut().for_each(|b| *b = !*b);
        }
        let ours = natt::hash(self.chosen.hash, &self.cookies, self.endpoint.local);
        vec![(variant.nat_d(), theirs), (variant.nat_d(), ours)]
    }

    /// Message 5: the client's identity and proof, and our own in message 6.
    pub(super) fn on_identity(
        &mut self,
        message: Message<'_>,
        keys: &[Secret<Vec<u8>>],
        now: Instant,
    ) -> Result<Step, Refusal> {
        let Message { header, body, datagram, endpoint } = message;
        if !header.flags.has(Flags::ENCRYPTION) {
            return Err(Refusal::Unacceptable("an unencrypted message where the client's identity is due"));
        }
        let State::AwaitIdentity { of, public, .. } = &self.state else {
            return Ok(Step::Nothing);
        };
        if !body.len().is_multiple_of(self.chosen.cipher.block_len()) {
            return Err(Refusal::Unacceptable("an encrypted message that is not whole blocks"));
        }
        for (place, psk) in keys.iter().enumerate() {
            let Some(Proved { keys, mut iv, identity, initial_contact }) = self.prove(header, body, psk.expose())
            else {
                continue;
            };
            let (cky_i, cky_r) = (&self.cookies.initiator[..], &self.cookies.responder[..]);
            let ours = own_identity(endpoint.local.ip());
            let proof = keys.identity_hash(&[public, &of.initiator_public, cky_r, cky_i, &self.sa_body, &ours]);
            let mut reply = vec![(PayloadType::Identification, ours), (PayloadType::Hash, proof)];
            reply.extend(self.responder_lifetime());
            let sealed = keys.encrypt(encode_chain(&reply), &mut iv);
            let reply = sa::encrypted(&self.cookies, ExchangeType::MainMode, 0, PayloadType::Identification, &sealed);
            let sa = Sa::new(sa::Birth {
                cookies: self.cookies,
                endpoint,
                keys,
                last_block: iv,
                chosen: self.chosen.clone(),
                offer: self.answer.clone(),
                natt: self.traits.natt,
                found: of.found,
                dpd: self.traits.dpd,
                fragments: self.traits.fragments,
                truncates: self.traits.truncates,
                identity: (identity.kind.into(), identity.data),
                aggressive: false,
                last_request: datagram.to_vec(),
                last_reply: reply,
                now,
            });
            return Ok(Step::Established { sa: Box::new(sa), shown: Shown::Key(place), initial_contact });
        }
        self.guesses += 1;
        // Once for an exchange: a client repeats its message, and the answer would be the same.
        let slip = (self.guesses == 1)
            .then(|| {
                let mut near = keys.iter().take(MOST_SLIPS).flat_map(|psk| super::slip::near(psk.expose()));
                near.find(|(_, key)| self.prove(header, body, key.expose()).is_some()).map(|(slip, _)| slip)
            })
            .flatten();
        Err(Refusal::WrongKey { slip })
    }

    /// The notification of a shorter life than the client asked for: under the cipher, and only if it is shorter.
    fn responder_lifetime(&self) -> Option<(PayloadType, Vec<u8>)> {
        let life = self.shortened?;
        let spi = [self.cookies.initiator, self.cookies.responder].concat();
        Some((PayloadType::Notification, lifetime::notification(Protocol::Isakmp, spi, (Some(life), None))))
    }

    /// What message 5 says, if it was made with this key.
    fn prove(&self, header: &Header, body: &[u8], psk: &[u8]) -> Option<Proved> {
        let State::AwaitIdentity { of, public, shared } = &self.state else { return None };
        let keys = Keys::derive(
            psk,
            &Ingredients {
                hash: self.chosen.hash,
                cipher: self.chosen.cipher,
                cookies: self.cookies,
                nonces: (&of.nonces.0, &of.nonces.1),
                publics: (&of.initiator_public, public),
                shared,
            },
        );
        let (plain, iv) = keys.decrypt(body, &keys.main_mode_iv())?;
        let payloads = chain(header.next, &plain).ok()?;
        let id = payloads.first().filter(|p| p.kind == PayloadType::Identification)?;
        let proof = find(&payloads, PayloadType::Hash)?;
        let (cky_i, cky_r) = (&self.cookies.initiator[..], &self.cookies.responder[..]);
        let expected = keys.identity_hash(&[&of.initiator_public, public, cky_i, cky_r, &self.sa_body, id.body]);
        if !crypto::equal(proof, &expected) {
            return None;
        }
        let identity = Identification::decode(id.body).ok()?;
        let initial_contact = self.traits.initial_contact || payloads.iter().any(is_initial_contact);
        Some(Proved { keys, iv, identity, initial_contact })
    }
}

/// A responder cookie: random, never zero.
pub(super) fn responder_cookie(rng: &mut Rng) -> [u8; 8] {
    loop {
        let cookie = rng.array::<8>();
        if !Cookie(cookie).is_zero() {
            return cookie;
        }
    }
}

/// Our identity: the address that the client's packets came to, protocol and port 0 (RFC 2407 §4.6.2).
pub(crate) fn own_identity(local: IpAddr) -> Vec<u8> {
    let (kind, data) = match local {
        IpAddr::V4(a) => (IdType::Ipv4, a.octets().to_vec()),
        IpAddr::V6(a) => (IdType::Ipv6, a.octets().to_vec()),
    };
    Identification { kind, protocol: 0, port: 0, data }.encode()
}

/// The body of the first payload of a kind.
pub(super) fn find<'a>(payloads: &[Raw<'a>], kind: PayloadType) -> Option<&'a [u8]> {
    payloads.iter().find(|p| p.kind == kind).map(|p| p.body)
}

/// Whether a payload is the notification INITIAL-CONTACT (RFC 2407 §4.6.3.3).
pub(super) fn is_initial_contact(raw: &Raw<'_>) -> bool {
    raw.kind == PayloadType::Notification
        && Notification::decode(raw.body).is_ok_and(|n| n.kind == NotifyType::InitialContact)
}

/// A message in the clear.
pub(super) fn in_the_clear(
    cookies: &Cookies,
    exchange: ExchangeType,
    id: u32,
    payloads: &[(PayloadType, Vec<u8>)],
) -> Vec<u8> {
    let next = payloads.first().map_or(PayloadType::None, |p| p.0);
    let header = Header {
        initiator: cookies.initiator(),
        responder: cookies.responder(),
        next,
        version: 0x10,
        exchange,
        flags: Flags(0),
        message_id: id,
        length: 0,
    };
    header.encode(&encode_chain(payloads))
}

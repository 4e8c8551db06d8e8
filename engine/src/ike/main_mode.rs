//! Main Mode with a pre-shared key, as the responder (RFC 2409 §5, §5.4): from a client's first message to its proof.

use super::keys::{Cookies, Ingredients, Keys};
use super::natt::{self, Found, Variant};
use super::proposal::{self, Phase1};
use super::sa::{self, Sa};
use super::{Computed, Endpoint, Job, Message, Refusal};
use crate::rng::Rng;
use crate::time::Instant;
use core::net::IpAddr;
use core::time::Duration;
use crypto::Secret;
use std::collections::BTreeSet;
use wire::isakmp::{
    Cookie, ExchangeType, Flags, Header, IdType, Identification, Notification, NotifyType, PayloadType, Raw,
    SecurityAssociation, chain, encode_chain, vendor,
};

/// Length of our nonces, octets (RFC 2409 §5 allows 8 to 256).
pub(super) const NONCE: usize = 32;
/// How long an exchange may stay half open; longer than any client goes on trying.
pub const HALF_OPEN_LIFE: Duration = Duration::from_secs(60);
/// How often a stored answer is repeated, so that nobody can use us to multiply traffic.
pub(super) const MOST_REPEATS: u32 = 20;
/// Wrong guesses at a key in one exchange before it is forgotten.
const MOST_GUESSES: u32 = 5;
/// Configured keys whose near misses are tried on one client.
const MOST_SLIPS: usize = 4;
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
}

/// What the client's vendor IDs tell.
#[derive(Clone, Copy, Default, Debug)]
struct Traits {
    natt: Option<Variant>,
    dpd: bool,
    initial_contact: bool,
}

/// What is known after the client's public value has come.
struct Exchanged {
    nonces: (Vec<u8>, Vec<u8>),
    initiator_public: Vec<u8>,
    found: Found,
}

enum State {
    /// Message 2 was sent.
    AwaitKeyExchange,
    /// The shared secret is being computed.
    Computing(Exchanged),
    /// Message 4 was sent.
    AwaitIdentity { of: Exchanged, public: Vec<u8>, shared: Secret<Vec<u8>> },
}

/// A message 5 that makes sense.
struct Proved {
    keys: Keys,
    iv: Vec<u8>,
    identity: Identification,
    initial_contact: bool,
}

/// One exchange that has not been authenticated yet.
pub struct MainMode {
    cookies: Cookies,
    endpoint: Endpoint,
    chosen: Phase1,
    /// The body of the client's SA payload, as it came: it goes into both hashes.
    sa_body: Vec<u8>,
    /// The body of our answer to it.
    answer: Vec<u8>,
    traits: Traits,
    state: State,
    begun: Instant,
    request: Vec<u8>,
    reply: Vec<u8>,
    repeats: u32,
    guesses: u32,
}

/// What comes of a message.
pub enum Step {
    /// Send this to the client.
    Send(Vec<u8>),
    /// Have this computed, then call [`MainMode::computed`].
    Compute(Job),
    /// The client has proved that it knows a key: `key` is its place in the list given.
    Established {
        /// The ISAKMP SA, and message 6 in it.
        sa: Box<Sa>,
        /// Which of the keys.
        key: usize,
        /// The client says that it remembers no older SA.
        initial_contact: bool,
    },
    /// Nothing to do: a repeat too many, or one that is being worked on.
    Nothing,
}

impl MainMode {
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
        let sa = payloads.first().filter(|p| p.kind == PayloadType::Sa).ok_or(Refusal::Missing("SA"))?;
        let offer = SecurityAssociation::decode(sa.body)?;
        let (chosen, answer) = proposal::choose_phase1(&offer, policy.refused, policy.only)?;
        let vendor_ids: Vec<Vec<u8>> = payloads
            .iter()
            .filter(|p| p.kind == PayloadType::VendorId)
            .take(MOST_VENDOR_IDS)
            .map(|p| p.body.to_vec())
            .collect();
        let has = |id: &[u8]| vendor_ids.iter().any(|v| v.starts_with(id));
        let traits = Traits {
            natt: Variant::choose(&vendor_ids).filter(|_| policy.nat_traversal),
            dpd: has(&vendor::DPD),
            initial_contact: has(&vendor::INITIAL_CONTACT),
        };
        let cookies = Cookies { initiator: header.initiator.0, responder: responder_cookie(rng) };
        // Only what the client announced itself is announced, so that the answer is never larger than the question.
        let answer = answer.encode();
        let mut reply = vec![(PayloadType::Sa, answer.clone())];
        reply.extend(traits.natt.map(|v| (PayloadType::VendorId, v.vendor_id().to_vec())));
        if traits.dpd {
            reply.push((PayloadType::VendorId, vendor::DPD.to_vec()));
        }
        let reply = in_the_clear(&cookies, ExchangeType::MainMode, 0, &reply);
        let this = Self {
            cookies,
            endpoint,
            chosen,
            sa_body: sa.body.to_vec(),
            answer,
            traits,
            state: State::AwaitKeyExchange,
            begun: now,
            request: datagram.to_vec(),
            reply: reply.clone(),
            repeats: 0,
            guesses: 0,
        };
        Ok((this, reply))
    }

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
        !matches!(self.state, State::AwaitKeyExchange)
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
        if self.repeats > MOST_REPEATS || matches!(self.state, State::Computing(_)) {
            return Some(Step::Nothing);
        }
        Some(Step::Send(self.reply.clone()))
    }

    /// Takes message 3 or 5, whichever is due.
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
            State::Computing(_) => Ok(Step::Nothing),
            State::AwaitIdentity { .. } => self.on_identity(message, keys, now),
        }
    }

    /// Message 3: KE, Nonce and NAT-D (RFC 2409 §5.4, RFC 3947 §3.2).
    fn on_key_exchange(
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
        }))
    }

    /// The computation was not taken on: the client's repeat of message 3 will be taken as if it were the first.
    pub fn not_computed(&mut self) {
        if matches!(self.state, State::Computing(_)) {
            self.state = State::AwaitKeyExchange;
            self.request.clear();
        }
    }

    /// The shared secret is there: message 4.
    ///
    /// # Errors
    ///
    /// If the client's public value was no acceptable one.
    pub fn computed(&mut self, result: Computed, policy: &Policy<'_>) -> Result<Step, Refusal> {
        let State::Computing(of) = core::mem::replace(&mut self.state, State::AwaitKeyExchange) else {
            return Ok(Step::Nothing);
        };
        let Some(shared) = result.shared else {
            return Err(Refusal::Unacceptable("the Diffie-Hellman public value is not acceptable"));
        };
        let mut reply =
            vec![(PayloadType::KeyExchange, result.public.clone()), (PayloadType::Nonce, of.nonces.1.clone())];
        if let Some(variant) = self.traits.natt {
            let mut theirs = natt::hash(self.chosen.hash, &self.cookies, self.endpoint.peer);
            if policy.force {
                // The client's own address only: one that thinks the server is behind a NAT may refuse (Windows).
                theirs.iter_mut().for_each(|b| *b = !*b);
            }
            reply.push((variant.nat_d(), theirs));
            reply.push((variant.nat_d(), natt::hash(self.chosen.hash, &self.cookies, self.endpoint.local)));
        }
        self.reply = in_the_clear(&self.cookies, ExchangeType::MainMode, 0, &reply);
        self.state = State::AwaitIdentity { of, public: result.public, shared };
        Ok(Step::Send(self.reply.clone()))
    }

    /// Message 5: the client's identity and proof, and our own in message 6.
    fn on_identity(&mut self, message: Message<'_>, keys: &[Secret<Vec<u8>>], now: Instant) -> Result<Step, Refusal> {
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
            let sealed =
                keys.encrypt(encode_chain(&[(PayloadType::Identification, ours), (PayloadType::Hash, proof)]), &mut iv);
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
                identity: (identity.kind.into(), identity.data),
                last_request: datagram.to_vec(),
                last_reply: reply,
                now,
            });
            return Ok(Step::Established { sa: Box::new(sa), key: place, initial_contact });
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

    /// Whether so many wrong proofs came that the exchange should be forgotten.
    pub fn is_spent(&self) -> bool {
        self.guesses >= MOST_GUESSES
    }
}

/// A responder cookie: random, never zero.
fn responder_cookie(rng: &mut Rng) -> [u8; 8] {
    loop {
        let cookie = rng.array::<8>();
        if !Cookie(cookie).is_zero() {
            return cookie;
        }
    }
}

/// Our identity: the address that the client's packets came to, protocol and port 0 (RFC 2407 §4.6.2).
pub(super) fn own_identity(local: IpAddr) -> Vec<u8> {
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
fn in_the_clear(cookies: &Cookies, exchange: ExchangeType, id: u32, payloads: &[(PayloadType, Vec<u8>)]) -> Vec<u8> {
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

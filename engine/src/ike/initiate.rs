//! Exchanges that the server starts, to renew SAs that a client lets run out: Main Mode and Quick Mode as the initiator.

use super::keys::{Cookies, Ingredients, Keys};
use super::lifetime;
use super::main_mode::{NONCE, find, own_identity};
use super::natt::{self, Found, Variant};
use super::proposal::{Phase1, Value};
use super::quick_mode::Agreed;
use super::sa::{self, Birth, Output, Sa};
use super::{BAD_PUBLIC, Computed, Endpoint, Job, Message, Refusal};
use crate::rng::Rng;
use crate::time::{Fire, Instant, Retransmit, Retry, earliest};
use core::time::Duration;
use crypto::esp::Suite;
use crypto::{Group, Secret};
use serde::{Deserialize, Serialize};
use wire::isakmp::{
    Attribute, ExchangeType, Flags, Header, Notification, PayloadType, Proposal, Protocol, SecurityAssociation,
    Transform, chain, encode_chain, vendor,
};

/// How a message of ours is repeated until it is answered (RFC 2408 §5.1 leaves it to us).
pub(crate) const PERSISTENCE: Retry =
    Retry { first: Duration::from_secs(1), factor: 2, cap: Duration::from_secs(8), tries: 6 };
/// How long to go on sending on the old pair, unless the client uses the new one or deletes the old one first: a hundredth
/// of the life, half of what the old pair has left, within these bounds. A client whose message 3 was lost (strongSwan
/// takes a pair into use only then) repeats message 2 after four seconds.
const PATIENCE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
/// Why an answer is not taken.
const NOT_OFFERED: &str = "the client answered with a proposal that was not offered";
/// The shortest life that a client's RESPONDER-LIFETIME makes.
const SHORTEST: Duration = Duration::from_secs(20);
/// How long the end of an exchange is remembered, to answer repeats.
const MEMORY: Duration = Duration::from_secs(30);

/// A Diffie-Hellman private value, to be used for the public value first and for the shared secret later.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Private {
    group: Group,
    entropy: Secret<Vec<u8>>,
}

impl Private {
    fn new(group: Group, rng: &mut Rng) -> Self {
        let mut entropy = vec![0; 64];
        rng.fill(&mut entropy);
        Self { group, entropy: Secret::new(entropy) }
    }

    /// The computation; without a peer's value it comes to our own public value alone.
    fn job(&self, ticket: u64, peer_public: &[u8]) -> Job {
        let mut entropy = [0; 64];
        for (to, from) in entropy.iter_mut().zip(self.entropy.expose()) {
            *to = *from;
        }
        let peer_public = peer_public.to_vec();
        Job { ticket, group: self.group, peer_public, entropy: Secret::new(entropy), own_pair: true }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Stage {
    /// Our public value is being computed.
    Generating,
    /// Message 1 was sent.
    AwaitProposal,
    /// Message 3 was sent.
    AwaitKeyExchange,
    /// The shared secret is being computed.
    Computing { nonce: Vec<u8>, public: Vec<u8> },
    /// Message 5 was sent.
    AwaitIdentity { keys: Box<Keys>, peer_public: Vec<u8>, iv: Vec<u8> },
}

/// A Main Mode of the server's own, in place of an ISAKMP SA that comes to its end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Renewal {
    cookies: Cookies,
    endpoint: Endpoint,
    chosen: Phase1,
    natt: Option<Variant>,
    dpd: bool,
    found: Found,
    psk: Secret<Vec<u8>>,
    sa_body: Vec<u8>,
    nonce: Vec<u8>,
    private: Private,
    public: Vec<u8>,
    stage: Stage,
    ticket: u64,
    retry: Retry,
    sent: Option<Retransmit<Vec<u8>>>,
    seen: Vec<u8>,
}

/// What comes of a step of a [`Renewal`].
pub enum Step {
    /// Send this to the client.
    Send(Vec<u8>),
    /// Have this computed, then call [`Renewal::computed`].
    Compute(Job),
    /// The new ISAKMP SA.
    Established(Box<Sa>),
    /// Nothing to do.
    Nothing,
}

impl Renewal {
    /// Begins to renew `old`, with the same algorithms; what it sends is repeated as `retry` says. The first thing to do is a
    /// computation.
    pub fn begin(
        old: &Sa,
        endpoint: Endpoint,
        psk: Secret<Vec<u8>>,
        (ticket, retry): (u64, Retry),
        rng: &mut Rng,
    ) -> (Self, Job) {
        let (chosen, sa_body) = old.chosen();
        let (chosen, sa_body) = (chosen.clone(), sa_body.to_vec());
        let private = Private::new(chosen.group, rng);
        let mut nonce = vec![0; NONCE];
        rng.fill(&mut nonce);
        let job = private.job(ticket, &[]);
        let this = Self {
            cookies: Cookies { initiator: rng.array(), responder: [0; 8] },
            endpoint,
            sa_body,
            chosen,
            natt: old.natt,
            dpd: old.has_dpd(),
            found: Found::default(),
            psk,
            nonce,
            private,
            public: vec![],
            stage: Stage::Generating,
            ticket,
            retry,
            sent: None,
            seen: vec![],
        };
        (this, job)
    }

    /// Whether a message belongs to this exchange.
    pub fn owns(&self, header: &Header) -> bool {
        header.exchange == ExchangeType::MainMode
            && header.initiator.0 == self.cookies.initiator
            && (self.cookies.responder == [0; 8] || header.responder.0 == self.cookies.responder)
    }

    /// Whether it waits for this computation.
    pub fn waits_for(&self, ticket: u64) -> bool {
        self.ticket == ticket && matches!(self.stage, Stage::Generating | Stage::Computing { .. })
    }

    /// Our cookie, by which the client's answers are told.
    pub fn initiator(&self) -> [u8; 8] {
        self.cookies.initiator
    }

    fn send(&mut self, message: Vec<u8>, now: Instant) -> Step {
        self.sent = Some(Retransmit::new(message.clone(), self.retry, now));
        Step::Send(message)
    }

    fn clear(&self, payloads: &[(PayloadType, Vec<u8>)]) -> Vec<u8> {
        let header = Header {
            initiator: self.cookies.initiator(),
            responder: self.cookies.responder(),
            next: payloads.first().map_or(PayloadType::None, |p| p.0),
            version: 0x10,
            exchange: ExchangeType::MainMode,
            flags: Flags(0),
            message_id: 0,
            length: 0,
        };
        header.encode(&encode_chain(payloads))
    }

    /// A computation has ended.
    ///
    /// # Errors
    ///
    /// If the client's public value is not acceptable.
    pub fn computed(&mut self, result: Computed, now: Instant) -> Result<Step, Refusal> {
        match self.stage.clone() {
            Stage::Generating => {
                self.public = result.public;
                self.stage = Stage::AwaitProposal;
                let mut payloads = vec![(PayloadType::Sa, self.sa_body.clone())];
                if self.dpd {
                    payloads.push((PayloadType::VendorId, vendor::DPD.to_vec()));
                }
                payloads.extend(self.natt.map(|v| (PayloadType::VendorId, v.vendor_id().to_vec())));
                let message = self.clear(&payloads);
                Ok(self.send(message, now))
            }
            Stage::Computing { nonce, public } => {
                let shared = result.shared.ok_or(Refusal::Unacceptable(BAD_PUBLIC))?;
                Ok(self.prove(&nonce, public, &shared, now))
            }
            Stage::AwaitProposal | Stage::AwaitKeyExchange | Stage::AwaitIdentity { .. } => Ok(Step::Nothing),
        }
    }

    /// Message 5: our identity and proof.
    fn prove(&mut self, nonce: &[u8], peer_public: Vec<u8>, shared: &Secret<Vec<u8>>, now: Instant) -> Step {
        let keys = Keys::derive(
            self.psk.expose(),
            &Ingredients {
                hash: self.chosen.hash,
                cipher: self.chosen.cipher,
                cookies: self.cookies,
                nonces: (&self.nonce, nonce),
                publics: (&self.public, &peer_public),
                shared,
            },
        );
        let id = own_identity(self.endpoint.local.ip());
        let (cky_i, cky_r) = (&self.cookies.initiator[..], &self.cookies.responder[..]);
        let proof = keys.identity_hash(&[&self.public, &peer_public, cky_i, cky_r, &self.sa_body, &id]);
        let mut iv = keys.main_mode_iv();
        let sealed =
            keys.encrypt(encode_chain(&[(PayloadType::Identification, id), (PayloadType::Hash, proof)]), &mut iv);
        let message = sa::encrypted(&self.cookies, ExchangeType::MainMode, 0, PayloadType::Identification, &sealed);
        self.stage = Stage::AwaitIdentity { keys: Box::new(keys), peer_public, iv };
        self.send(message, now)
    }

    /// Takes an answer of the client.
    ///
    /// # Errors
    ///
    /// If it cannot be read or proves nothing; the exchange then goes on waiting.
    pub fn handle(&mut self, message: Message<'_>, now: Instant) -> Result<Step, Refusal> {
        let Message { header, body, datagram, .. } = message;
        if self.seen == datagram {
            return Ok(Step::Nothing);
        }
        let step = match self.stage.clone() {
            Stage::AwaitProposal => self.on_proposal(header, body, now)?,
            Stage::AwaitKeyExchange => self.on_key_exchange(header, body)?,
            Stage::AwaitIdentity { keys, peer_public, iv } => {
                self.on_identity(header, body, &keys, &peer_public, &iv, now)?
            }
            Stage::Generating | Stage::Computing { .. } => return Ok(Step::Nothing),
        };
        self.seen = datagram.to_vec();
        Ok(step)
    }

    /// Message 2, and our message 3.
    fn on_proposal(&mut self, header: &Header, body: &[u8], now: Instant) -> Result<Step, Refusal> {
        let payloads = chain(header.next, body)?;
        let answer = SecurityAssociation::decode(find(&payloads, PayloadType::Sa).ok_or(Refusal::Missing("SA"))?)?;
        if !is_as_offered(&SecurityAssociation::decode(&self.sa_body)?, &answer) {
            return Err(Refusal::Unacceptable(NOT_OFFERED));
        }
        self.cookies.responder = header.responder.0;
        let announced = |id: &[u8]| payloads.iter().any(|p| p.kind == PayloadType::VendorId && p.body.starts_with(id));
        self.natt = self.natt.filter(|v| announced(&v.vendor_id()));
        self.dpd &= announced(&vendor::DPD);
        let mut out = vec![(PayloadType::KeyExchange, self.public.clone()), (PayloadType::Nonce, self.nonce.clone())];
        if let Some(v) = self.natt {
            out.push((v.nat_d(), natt::hash(self.chosen.hash, &self.cookies, self.endpoint.peer)));
            out.push((v.nat_d(), natt::hash(self.chosen.hash, &self.cookies, self.endpoint.local)));
        }
        self.stage = Stage::AwaitKeyExchange;
        let message = self.clear(&out);
        Ok(self.send(message, now))
    }

    /// Message 4.
    fn on_key_exchange(&mut self, header: &Header, body: &[u8]) -> Result<Step, Refusal> {
        let payloads = chain(header.next, body)?;
        let public = find(&payloads, PayloadType::KeyExchange).ok_or(Refusal::Missing("key exchange"))?;
        let nonce = find(&payloads, PayloadType::Nonce).ok_or(Refusal::Missing("nonce"))?;
        if public.len() != self.chosen.group.public_len() || !(8..=256).contains(&nonce.len()) {
            return Err(Refusal::Unacceptable("a public value or nonce of a wrong length"));
        }
        if let Some(v) = self.natt {
            let d: Vec<&[u8]> = payloads.iter().filter(|p| p.kind == v.nat_d()).map(|p| p.body).collect();
            self.found = natt::detect(self.chosen.hash, &self.cookies, &d, self.endpoint.local, self.endpoint.peer);
        }
        self.stage = Stage::Computing { nonce: nonce.to_vec(), public: public.to_vec() };
        self.sent = None;
        Ok(Step::Compute(self.private.job(self.ticket, public)))
    }

    /// Message 6: the client's identity and proof.
    fn on_identity(
        &self,
        header: &Header,
        body: &[u8],
        keys: &Keys,
        peer_public: &[u8],
        iv: &[u8],
        now: Instant,
    ) -> Result<Step, Refusal> {
        let (plain, last_block) =
            keys.decrypt(body, iv).ok_or(Refusal::Unacceptable("an encrypted message that is not whole blocks"))?;
        let payloads = chain(header.next, &plain)?;
        let id = find(&payloads, PayloadType::Identification).ok_or(Refusal::Missing("identity"))?;
        let proof = find(&payloads, PayloadType::Hash).ok_or(Refusal::Missing("hash"))?;
        let (cky_i, cky_r) = (&self.cookies.initiator[..], &self.cookies.responder[..]);
        let expected = keys.identity_hash(&[peer_public, &self.public, cky_r, cky_i, &self.sa_body, id]);
        if !crypto::equal(proof, &expected) {
            return Err(Refusal::BadHash);
        }
        let identity = wire::isakmp::Identification::decode(id)?;
        Ok(Step::Established(Box::new(Sa::new(Birth {
            cookies: self.cookies,
            endpoint: self.endpoint,
            keys: keys.clone(),
            last_block,
            chosen: self.chosen.clone(),
            offer: self.sa_body.clone(),
            natt: self.natt,
            found: self.found,
            dpd: self.dpd,
            fragments: false,
            truncates: false,
            identity: (identity.kind.into(), identity.data),
            aggressive: false,
            last_request: vec![],
            last_reply: vec![],
            now,
        }))))
    }

    /// When something must be sent again.
    pub fn due(&self) -> Option<Instant> {
        self.sent.as_ref().map(Retransmit::due)
    }

    /// Sends again what is due; `None` if the client does not answer and the exchange is given up.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Step> {
        let Some(sent) = &mut self.sent else { return Some(Step::Nothing) };
        match sent.fire(now) {
            Fire::NotYet => Some(Step::Nothing),
            Fire::Again(m) => Some(Step::Send(m.clone())),
            Fire::GaveUp => None,
        }
    }
}

/// What a Quick Mode of ours must be like: as the client's that made the pair which it renews. Clients of one kind have the
/// same.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Terms {
    /// Cipher and integrity algorithm.
    pub suite: Suite,
    /// The transform as the client offered it: its id and attributes.
    pub transform: (u8, Vec<(u16, Value)>),
    /// The group, with perfect forward secrecy.
    pub pfs: Option<Group>,
    /// How long the pair lives.
    pub life: Duration,
    /// Kilobytes that it may carry.
    pub kilobytes: Option<u64>,
    /// The algorithms in words.
    pub words: String,
    /// ESP goes in UDP.
    pub udp: bool,
    /// The encapsulation attribute that means it.
    pub udp_mode: u64,
}

impl Terms {
    /// The SA payload that offers the same again, with a new SPI.
    fn offer(&self, spi: u32) -> SecurityAssociation {
        let attributes = self.transform.1.iter().map(|(kind, v)| v.attribute(*kind)).collect();
        let transforms = vec![Transform { number: 1, id: self.transform.0, attributes }];
        let spi = spi.to_be_bytes().to_vec();
        let proposals = vec![Proposal { number: 1, protocol: Protocol::Esp, spi, transforms }];
        SecurityAssociation { doi: 1, situation: 1, proposals }
    }

    /// The client's SPI in its answer, if that is what was offered.
    fn answered(&self, answer: &SecurityAssociation) -> Option<u32> {
        let [Proposal { spi, .. }] = &answer.proposals[..] else { return None };
        let spi = spi.as_slice().try_into().ok().map(u32::from_be_bytes)?;
        (spi != 0 && is_as_offered(&self.offer(spi), answer)).then_some(spi)
    }
}

/// Whether an answer is the one proposal of an offer with its one transform, as RFC 2408 §4.2 and RFC 2409 §5 ask.
///
/// "If the initiator of an exchange notices that attribute values have changed or attributes have been added or deleted from
/// an offer made, that response MUST be rejected": their order may be another, and a value may be written in either form.
fn is_as_offered(offer: &SecurityAssociation, answer: &SecurityAssociation) -> bool {
    let same = |a: &Attribute, b: &Attribute| {
        a.kind == b.kind && (a.value == b.value || a.as_u64().is_some() && a.as_u64() == b.as_u64())
    };
    let ([offer], [answer]) = (&offer.proposals[..], &answer.proposals[..]) else { return false };
    let ([wanted], [given]) = (&offer.transforms[..], &answer.transforms[..]) else { return false };
    let mut left: Vec<&Attribute> = given.attributes.iter().collect();
    for attribute in &wanted.attributes {
        let Some(at) = left.iter().position(|other| same(attribute, other)) else { return false };
        left.swap_remove(at);
    }
    offer.protocol == answer.protocol && wanted.id == given.id && left.is_empty()
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum State {
    Generating(Private),
    AwaitAnswer(Option<Private>),
    Computing { private: Private, answered: Answered },
    Done,
}

/// What message 2 says.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Answered {
    outbound: u32,
    nonce: Vec<u8>,
    public: Vec<u8>,
    iv: Vec<u8>,
    /// Narrower limits of the client's own.
    limits: lifetime::Limits,
}

/// A Quick Mode of the server's own.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Start {
    cookies: Cookies,
    terms: Terms,
    /// Bodies of the identity payloads of the client's Quick Mode: the client's and ours.
    ids: Vec<Vec<u8>>,
    inbound: u32,
    nonce: Vec<u8>,
    nat_oa: Vec<(u8, Vec<u8>)>,
    state: State,
    ticket: u64,
    retry: Retry,
    iv: Vec<u8>,
    sent: Option<Retransmit<Vec<u8>>>,
    /// Message 2 as it came, and what answers its repeats.
    answer: Option<(Vec<u8>, Vec<u8>)>,
    /// When to send on the new pair, should the client not have done so first.
    switch: Option<Instant>,
    ends: Instant,
}

/// What a Quick Mode of ours takes from the ISAKMP SA that it runs in.
pub(super) struct Within<'a> {
    pub(super) keys: &'a Keys,
    pub(super) last_block: &'a [u8],
    pub(super) id: u32,
}

impl Start {
    /// Begins; what to do first is in `out`.
    pub(super) fn begin(
        within: &Within<'_>,
        cookies: Cookies,
        (terms, ids): (Terms, Vec<Vec<u8>>),
        nat_oa: Vec<(u8, Vec<u8>)>,
        (inbound, ticket, retry): (u32, u64, Retry),
        rng: &mut Rng,
        now: Instant,
        out: &mut Vec<Output>,
    ) -> Self {
        let mut nonce = vec![0; NONCE];
        rng.fill(&mut nonce);
        let private = terms.pfs.map(|g| Private::new(g, rng));
        let mut this = Self {
            cookies,
            terms,
            ids,
            inbound,
            nonce,
            nat_oa,
            state: State::Done,
            ticket,
            retry,
            iv: vec![],
            sent: None,
            answer: None,
            switch: None,
            ends: now.after(MEMORY),
        };
        match private {
            Some(private) => {
                out.push(Output::Compute(private.job(ticket, &[])));
                this.state = State::Generating(private);
            }
            None => this.ask(within, None, None, now, out),
        }
        this
    }

    /// Message 1.
    fn ask(
        &mut self,
        within: &Within<'_>,
        private: Option<Private>,
        public: Option<Vec<u8>>,
        now: Instant,
        out: &mut Vec<Output>,
    ) {
        let offer = self.terms.offer(self.inbound);
        let mut payloads = vec![(PayloadType::Sa, offer.encode()), (PayloadType::Nonce, self.nonce.clone())];
        payloads.extend(public.map(|p| (PayloadType::KeyExchange, p)));
        // The client's own identities, the other way round: we are the initiator.
        payloads.extend(self.ids.iter().rev().map(|body| (PayloadType::Identification, body.clone())));
        payloads.extend(self.nat_oa.iter().rev().map(|(kind, body)| (PayloadType::from(*kind), body.clone())));
        let hash = within.keys.message_hash(&[&within.id.to_be_bytes(), &encode_chain(&payloads)]);
        payloads.insert(0, (PayloadType::Hash, hash));
        let mut iv = within.keys.exchange_iv(within.last_block, within.id);
        let sealed = within.keys.encrypt(encode_chain(&payloads), &mut iv);
        self.iv = iv;
        let message = sa::encrypted(&self.cookies, ExchangeType::QuickMode, within.id, PayloadType::Hash, &sealed);
        self.state = State::AwaitAnswer(private);
        self.sent = Some(Retransmit::new(message.clone(), self.retry, now));
        out.push(Output::Send(message));
    }

    /// Takes message 2, or a repeat of it.
    pub(super) fn handle(
        &mut self,
        within: &Within<'_>,
        message: Message<'_>,
        now: Instant,
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        let Message { header, body, datagram, .. } = message;
        if let Some((seen, reply)) = &self.answer {
            if seen == datagram {
                out.push(Output::Send(reply.clone()));
            }
            return Ok(());
        }
        let State::AwaitAnswer(private) = &self.state else { return Ok(()) };
        let private = private.clone();
        let answered = self.read(within, header, body)?;
        self.sent = None;
        match private {
            None => self.confirm(within, &answered, None, datagram, now, out),
            Some(private) => {
                out.push(Output::Compute(private.job(self.ticket, &answered.public)));
                self.state = State::Computing { private, answered };
                self.answer = Some((datagram.to_vec(), vec![]));
            }
        }
        Ok(())
    }

    fn read(&self, within: &Within<'_>, header: &Header, body: &[u8]) -> Result<Answered, Refusal> {
        let (plain, iv) = within
            .keys
            .decrypt(body, &self.iv)
            .ok_or(Refusal::Unacceptable("an encrypted message that is not whole blocks"))?;
        let payloads = chain(header.next, &plain)?;
        let first = payloads.first().filter(|p| p.kind == PayloadType::Hash).ok_or(Refusal::Missing("hash"))?;
        let end = payloads.last().map_or(first.end, |p| p.end);
        let rest = plain.get(first.end..end).ok_or(Refusal::Missing("hash"))?;
        let expected = within.keys.message_hash(&[&within.id.to_be_bytes(), &self.nonce, rest]);
        if !crypto::equal(first.body, &expected) {
            return Err(Refusal::BadHash);
        }
        let sa = SecurityAssociation::decode(find(&payloads, PayloadType::Sa).ok_or(Refusal::Missing("SA"))?)?;
        let outbound = self.terms.answered(&sa).ok_or(Refusal::Unacceptable(NOT_OFFERED))?;
        let nonce = find(&payloads, PayloadType::Nonce).ok_or(Refusal::Missing("nonce"))?.to_vec();
        if !(8..=256).contains(&nonce.len()) {
            return Err(Refusal::Unacceptable("the nonce is not 8 to 256 octets long"));
        }
        let public = find(&payloads, PayloadType::KeyExchange).unwrap_or_default().to_vec();
        let notes = payloads.iter().filter(|p| p.kind == PayloadType::Notification);
        let told = notes.filter_map(|p| Notification::decode(p.body).ok()).map(|n| lifetime::told(&n));
        let limits = told.fold((None, None), |all, one| (one.0.or(all.0), one.1.or(all.1)));
        Ok(Answered { outbound, nonce, public, iv, limits })
    }

    /// The pair is agreed: it is installed and message 3 confirms it. It is sent on once the client has used it, or
    /// after a moment.
    fn confirm(
        &mut self,
        within: &Within<'_>,
        answered: &Answered,
        shared: Option<&Secret<Vec<u8>>>,
        datagram: &[u8],
        now: Instant,
        out: &mut Vec<Output>,
    ) {
        lifetime::shorten(&mut self.terms.life, answered.limits.0.map(|life| life.max(SHORTEST)));
        let mut most = self.terms.kilobytes.unwrap_or(u64::MAX);
        if lifetime::shorten(&mut most, answered.limits.1).is_some() {
            self.terms.kilobytes = Some(most);
        }
        let nonces = (self.nonce.as_slice(), answered.nonce.as_slice());
        let suite = self.terms.suite;
        let len = suite.key_material_len();
        let keys = within.keys;
        let agreed = Agreed {
            initiated: true,
            inbound: self.inbound,
            outbound: answered.outbound,
            suite,
            keys_in: keys.keymat(shared, self.inbound, nonces, len),
            keys_out: keys.keymat(shared, answered.outbound, nonces, len),
            udp: self.terms.udp,
            life: self.terms.life,
            kilobytes: self.terms.kilobytes,
            terms: self.terms.clone(),
            ids: self.ids.clone(),
        };
        let id = within.id.to_be_bytes();
        let hash = keys.message_hash(&[&[0], &id, &self.nonce, &answered.nonce]);
        let mut iv = answered.iv.clone();
        let sealed = keys.encrypt(encode_chain(&[(PayloadType::Hash, hash)]), &mut iv);
        let message = sa::encrypted(&self.cookies, ExchangeType::QuickMode, within.id, PayloadType::Hash, &sealed);
        self.answer = Some((datagram.to_vec(), message.clone()));
        self.state = State::Done;
        self.ends = now.after(MEMORY);
        out.push(Output::Install(Box::new(agreed)));
        out.push(Output::Send(message));
        // Responders may take the new SA into use only when message 3 has come and been worked on.
        let patience = (self.terms.life / 100).clamp(PATIENCE.0, PATIENCE.1);
        self.switch = Some(now.after(patience));
    }

    /// A computation has ended.
    pub(super) fn computed(
        &mut self,
        within: &Within<'_>,
        result: Computed,
        now: Instant,
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        match self.state.clone() {
            State::Generating(private) => {
                self.ask(within, Some(private), Some(result.public), now, out);
                Ok(())
            }
            State::Computing { answered, .. } => {
                let shared = result.shared.ok_or(Refusal::Unacceptable(BAD_PUBLIC))?;
                let seen = self.answer.take().map(|a| a.0).unwrap_or_default();
                self.confirm(within, &answered, Some(&shared), &seen, now, out);
                Ok(())
            }
            State::AwaitAnswer(_) | State::Done => Ok(()),
        }
    }

    /// Whether it waits for this computation.
    pub(super) fn waits_for(&self, ticket: u64) -> bool {
        self.ticket == ticket && matches!(self.state, State::Generating(_) | State::Computing { .. })
    }

    /// The computation that it waits for.
    pub(super) fn pending_job(&self) -> Option<Job> {
        match &self.state {
            State::Generating(private) => Some(private.job(self.ticket, &[])),
            State::Computing { private, answered } => Some(private.job(self.ticket, &answered.public)),
            State::AwaitAnswer(_) | State::Done => None,
        }
    }

    /// The client sends on the new pair: so may we.
    pub(super) fn saw_use(&mut self, spi: u32) {
        if self.inbound == spi {
            self.switch = None;
        }
    }

    /// Whether it is still on its way.
    pub(super) fn is_open(&self) -> bool {
        !matches!(self.state, State::Done)
    }

    /// When something is due.
    pub(super) fn due(&self) -> Option<Instant> {
        match self.state {
            State::Done => earliest(self.switch, Some(self.ends)),
            State::Generating(_) | State::AwaitAnswer(_) | State::Computing { .. } => {
                self.sent.as_ref().map(Retransmit::due)
            }
        }
    }

    /// Sends again what is due; `false` if the exchange can be forgotten.
    pub(super) fn handle_timeout(&mut self, now: Instant, out: &mut Vec<Output>) -> bool {
        if matches!(self.state, State::Done) {
            if self.switch.is_some_and(|at| now.reached(at)) {
                self.switch = None;
                out.push(Output::Confirmed(self.inbound));
            }
            return !now.reached(self.ends);
        }
        let Some(sent) = &mut self.sent else { return true };
        match sent.fire(now) {
            Fire::NotYet => true,
            Fire::Again(m) => {
                out.push(Output::Send(m.clone()));
                true
            }
            Fire::GaveUp => false,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
    use super::*;
    use crypto::esp::{EspAuth, EspCipher};

    fn terms() -> Terms {
        let attributes = vec![
            (1, Value::Short(1)),
            (2, Value::Long(vec![0, 0, 0x0e, 0x10])),
            (4, Value::Short(2)),
            (6, Value::Short(128)),
            (5, Value::Short(2)),
        ];
        Terms {
            suite: Suite { cipher: EspCipher::Aes128, auth: EspAuth::HmacSha1_96 },
            transform: (12, attributes),
            pfs: None,
            life: Duration::from_secs(3600),
            kilobytes: None,
            words: String::new(),
            udp: false,
            udp_mode: 4,
        }
    }

    /// The offer with one attribute changed to, or added as, another value.
    fn with(terms: &Terms, (kind, value): (u16, Value)) -> SecurityAssociation {
        let mut changed = terms.clone();
        changed.transform.1.retain(|(other, _)| *other != kind);
        changed.transform.1.push((kind, value));
        changed.offer(1000)
    }

    #[test]
    fn an_answer_with_another_suite_group_or_mode_is_not_taken() {
        let terms = terms();
        assert_eq!(terms.answered(&terms.offer(1000)), Some(1000));
        for other in [(6, Value::Short(256)), (5, Value::Short(5)), (4, Value::Short(4)), (3, Value::Short(14))] {
            assert_eq!(terms.answered(&with(&terms, other.clone())), None, "{other:?}");
        }
        assert_eq!(terms.answered(&terms.offer(0)), None);
        let mut other = terms.offer(1000);
        other.proposals[0].transforms[0].id = 3;
        assert_eq!(terms.answered(&other), None);
        let mut two = terms.offer(1000);
        two.proposals.extend(terms.offer(1001).proposals);
        assert_eq!(terms.answered(&two), None);
    }

    #[test]
    fn an_answer_with_another_life_or_one_attribute_more_or_less_was_taken_in_phase_2() {
        let terms = terms();
        let life = |value| with(&terms, (2, value));
        assert_eq!(terms.answered(&life(Value::Long(vec![0, 0, 0x0e, 0x11]))), None);
        assert_eq!(terms.answered(&with(&terms, (0x1234, Value::Short(1)))), None);
        for at in 0..5 {
            let mut less = terms.offer(1000);
            less.proposals[0].transforms[0].attributes.remove(at);
            assert_eq!(terms.answered(&less), None, "{at}");
        }
        // SoftEther puts them in an order of its own, and a value may be short or long.
        assert_eq!(terms.answered(&life(Value::Short(3600))), Some(1000));
    }

    #[test]
    fn an_answer_with_another_transform_is_not_taken_in_phase_1() {
        let attributes = |life: u32, cipher: u16| {
            let short: [(u16, u16); 6] = [(1, cipher), (14, 128), (2, 2), (4, 14), (3, 1), (11, 1)];
            let mut all: Vec<Attribute> = short.iter().map(|(kind, value)| Attribute::short(*kind, *value)).collect();
            all.push(Attribute::long(12_u16, life));
            all
        };
        let answer = |attributes| {
            let transforms = vec![Transform { number: 1, id: 1, attributes }];
            let proposals = vec![Proposal { number: 1, protocol: Protocol::Isakmp, spi: vec![], transforms }];
            SecurityAssociation { doi: 1, situation: 1, proposals }
        };
        let offer = answer(attributes(28_800, 7));
        let mut rng = Rng::new([1; 32]);
        let place = "192.0.2.1:500".parse().unwrap();
        let endpoint = Endpoint { local: place, peer: place };
        let old = sa(endpoint, offer.encode());
        let (mut renewal, job) =
            Renewal::begin(&old, endpoint, Secret::new(b"psk".to_vec()), (1, PERSISTENCE), &mut rng);
        let computed = Computed { ticket: job.ticket, public: vec![1; 256], shared: None };
        let Ok(Step::Send(first)) = renewal.computed(computed, Instant(0)) else { panic!("message 1") };
        let initiator = Header::decode(&first).unwrap().0.initiator;
        let hand = |renewal: &mut Renewal, answer: &SecurityAssociation| {
            let header = Header {
                initiator,
                responder: wire::isakmp::Cookie([2; 8]),
                next: PayloadType::Sa,
                version: 0x10,
                exchange: ExchangeType::MainMode,
                flags: Flags(0),
                message_id: 0,
                length: 0,
            };
            let datagram = header.encode(&encode_chain(&[(PayloadType::Sa, answer.encode())]));
            let (header, body) = Header::decode(&datagram).unwrap();
            renewal.handle(Message { header: &header, body, datagram: &datagram, endpoint }, Instant(0))
        };
        let mut longer = attributes(28_800, 7);
        longer.push(Attribute::short(0x1234_u16, 1_u16));
        let shorter = attributes(28_800, 7).split_off(1);
        for other in [attributes(28_801, 7), attributes(28_800, 5), longer, shorter] {
            let refused = hand(&mut renewal, &answer(other.clone()));
            assert!(matches!(refused, Err(Refusal::Unacceptable(NOT_OFFERED))), "{other:?}");
        }
        let mut turned = attributes(28_800, 7);
        turned.reverse();
        assert!(matches!(hand(&mut renewal, &answer(turned)), Ok(Step::Send(_))));
    }

    fn sa(endpoint: Endpoint, offer: Vec<u8>) -> Sa {
        let shared = Secret::new(vec![5; 32]);
        let cookies = Cookies { initiator: [1; 8], responder: [2; 8] };
        let (hash, cipher) = (crypto::Hash::Sha1, crypto::IkeCipher::Aes128);
        let nonces: (&[u8], &[u8]) = (&[3; 16], &[4; 16]);
        let ingredients = Ingredients { hash, cipher, cookies, nonces, publics: nonces, shared: &shared };
        let keys = Keys::derive(b"psk", &ingredients);
        Sa::new(Birth {
            cookies,
            endpoint,
            keys,
            last_block: vec![9; 16],
            chosen: Phase1 { cipher, hash, group: Group::Modp2048, life: Duration::from_secs(28_800) },
            offer,
            natt: None,
            found: Found::default(),
            dpd: true,
            fragments: false,
            truncates: false,
            identity: (1, vec![]),
            aggressive: false,
            last_request: vec![],
            last_reply: vec![],
            now: Instant(0),
        })
    }
}

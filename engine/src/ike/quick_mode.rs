//! Quick Mode as the responder (RFC 2409 §5.5): a pair of ESP SAs in transport mode, with or without a new secret.

use super::initiate::Terms;
use super::keys::{Cookies, Keys};
use super::lifetime;
use super::main_mode::{MOST_REPEATS, NONCE, find};
use super::natt::Variant;
use super::proposal::{self, Phase2};
use super::sa::{self, Output, Policy};
use super::{BAD_PUBLIC, Computed, Endpoint, Job, Message, Refusal};
use crate::rng::Rng;
use crate::time::{Fire, Instant, Retransmit, Retry};
use core::net::IpAddr;
use core::time::Duration;
use crypto::esp::Suite;
use crypto::{Group, Secret};
use serde::{Deserialize, Serialize};
use wire::isakmp::{
    ExchangeType, Flags, Header, IdType, Identification, NatOa, NotifyType, PayloadType, Protocol, SecurityAssociation,
    chain, encode_chain,
};

/// Message 2 is sent again if message 3 stays out: a few times, more slowly each time. RFC 2408 §5.1 leaves the timer
/// to us; the client repeats message 1 as well.
const CONFIRMATION: Retry = Retry { first: Duration::from_secs(2), factor: 2, cap: Duration::from_secs(8), tries: 4 };
/// UDP, in identities.
const UDP: u8 = 17;
/// The port of L2TP (RFC 2661 §8.1).
const L2TP: u16 = 1701;

/// A pair of ESP SAs that was agreed on.
#[derive(Clone, Debug)]
pub struct Agreed {
    /// We have begun the exchange.
    pub initiated: bool,
    /// Our SPI: of packets that come in.
    pub inbound: u32,
    /// The client's SPI: of packets that go out.
    pub outbound: u32,
    /// Cipher and integrity algorithm.
    pub suite: Suite,
    /// Key material for packets that come in.
    pub keys_in: Secret<Vec<u8>>,
    /// Key material for packets that go out.
    pub keys_out: Secret<Vec<u8>>,
    /// ESP goes in UDP (RFC 3948).
    pub udp: bool,
    /// How long the pair lives.
    pub life: Duration,
    /// Kilobytes that it may carry, if the client says so.
    pub kilobytes: Option<u64>,
    /// On what terms to renew it.
    pub terms: Terms,
    /// Bodies of the identity payloads of the client's Quick Mode: the client's and ours.
    pub ids: Vec<Vec<u8>>,
}

impl Agreed {
    /// What it is, in words; not its keys.
    pub fn made(&self) -> String {
        let Self { inbound, outbound, terms: Terms { words, .. }, .. } = self;
        let pfs = if self.terms.pfs.is_some() { "with" } else { "without" };
        let life = self.life.as_secs();
        format!("{words}, life {life} s, SPI {inbound:08x} in, {outbound:08x} out, {pfs} PFS")
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum State {
    /// A shared secret is being computed for perfect forward secrecy.
    Computing(Box<(Exchange, Pending)>),
    /// Message 2 was sent.
    AwaitConfirmation(Box<(Exchange, Retransmit<Vec<u8>>)>),
    /// Message 3, or traffic on the new SA, has come.
    Done,
}

/// What waits for a computation.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Pending {
    ticket: u64,
    group: Group,
    peer_public: Vec<u8>,
    entropy: Secret<Vec<u8>>,
}

/// One Quick Mode; at its end only what answers a repeated message 1 is left of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Quick {
    state: State,
    inbound: u32,
    /// The digest of message 1, by which its repeats are known.
    request: Vec<u8>,
    reply: Vec<u8>,
    repeats: u32,
    begun: Instant,
}

/// What a Quick Mode knows while it runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Exchange {
    cookies: Cookies,
    chosen: Phase2,
    offer: (u32, u32),
    inbound: u32,
    udp: bool,
    udp_mode: u64,
    nonces: (Vec<u8>, Vec<u8>),
    ids: Vec<Vec<u8>>,
    nat_oa: Vec<(u8, Vec<u8>)>,
    /// Limits that are narrower than the client's.
    shortened: lifetime::Limits,
    /// The client has set the commit bit: it is told that the SAs are installed (clients.md, trap 44).
    commit: bool,
    iv: Vec<u8>,
}

/// Why a first message was not taken.
pub(super) enum Failure {
    /// It was not authentic: nothing is answered.
    Silent(Refusal),
    /// It was authentic, so the client is told.
    Told(Refusal, NotifyType),
}

impl From<Refusal> for Failure {
    fn from(r: Refusal) -> Self {
        Self::Silent(r)
    }
}

impl From<wire::Error> for Failure {
    fn from(e: wire::Error) -> Self {
        Self::Silent(e.into())
    }
}

/// What is agreed inside a first message that has proved authentic.
struct Request {
    offer: SecurityAssociation,
    nonce: Vec<u8>,
    public: Option<Vec<u8>>,
    ids: Vec<Vec<u8>>,
    next_iv: Vec<u8>,
}

/// Deciphers message 1 and checks HASH(1).
fn read(keys: &Keys, last_block: &[u8], header: &Header, body: &[u8]) -> Result<Request, Failure> {
    if !header.flags.has(Flags::ENCRYPTION) {
        return Err(Refusal::Unacceptable("Quick Mode in the clear").into());
    }
    let iv = keys.exchange_iv(last_block, header.message_id);
    let (plain, next_iv) =
        keys.decrypt(body, &iv).ok_or(Refusal::Unacceptable("an encrypted message that is not whole blocks"))?;
    let payloads = chain(header.next, &plain)?;
    let first = payloads.first().filter(|p| p.kind == PayloadType::Hash).ok_or(Refusal::Missing("hash"))?;
    let end = payloads.last().map_or(first.end, |p| p.end);
    let rest = plain.get(first.end..end).ok_or(Refusal::Missing("hash"))?;
    if !crypto::equal(first.body, &keys.message_hash(&[&header.message_id.to_be_bytes(), rest])) {
        return Err(Refusal::BadHash.into());
    }
    let told = |what| Failure::Told(Refusal::Missing(what), NotifyType::PayloadMalformed);
    let sa = find(&payloads, PayloadType::Sa).ok_or_else(|| told("SA"))?;
    let offer = SecurityAssociation::decode(sa).map_err(|e| Failure::Told(e.into(), NotifyType::PayloadMalformed))?;
    let nonce = find(&payloads, PayloadType::Nonce).ok_or_else(|| told("nonce"))?.to_vec();
    let public = find(&payloads, PayloadType::KeyExchange).map(<[u8]>::to_vec);
    let ids =
        payloads.iter().filter(|p| p.kind == PayloadType::Identification).take(2).map(|p| p.body.to_vec()).collect();
    Ok(Request { offer, nonce, public, ids, next_iv })
}

/// Whether the identities are those of L2TP: the client's may have any port, ours must be UDP 1701 (RFC 3193 §4).
fn check_ids(ids: &[Vec<u8>]) -> Result<(), Failure> {
    let refuse = |what| Failure::Told(Refusal::Unacceptable(what), NotifyType::InvalidIdInformation);
    let [client, server] = ids else {
        return if ids.is_empty() { Ok(()) } else { Err(refuse("one identity without the other in Quick Mode")) };
    };
    let read = |body: &[u8]| Identification::decode(body).map_err(|_| refuse("an identity that cannot be read"));
    let (client, server) = (read(client)?, read(server)?);
    if matches!(server.kind, IdType::Ipv4Subnet | IdType::Ipv6Subnet | IdType::Ipv4Range | IdType::Ipv6Range) {
        return Err(refuse(
            "the client asks for a network, not for L2TP: it is set to plain IPsec; choose L2TP/IPsec with a pre-shared key",
        ));
    }
    let udp = |id: &Identification| id.protocol == UDP || id.protocol == 0;
    if !udp(&client) || !udp(&server) || (server.port != L2TP && server.port != 0) {
        return Err(refuse("the client asks for something else than UDP port 1701"));
    }
    Ok(())
}

/// What a Quick Mode takes from the ISAKMP SA that it runs in.
pub(super) struct Within<'a> {
    pub(super) keys: &'a Keys,
    pub(super) cookies: Cookies,
    pub(super) last_block: &'a [u8],
    pub(super) natt: Option<Variant>,
    pub(super) endpoint: Endpoint,
}

impl Quick {
    /// Takes message 1. `policy` tells what may be agreed.
    pub(super) fn begin(
        within: &Within<'_>,
        message: Message<'_>,
        policy: &Policy<'_>,
        rng: &mut Rng,
        now: Instant,
    ) -> Result<(Self, Vec<Output>), Failure> {
        let Message { header, body, datagram, .. } = message;
        let request = read(within.keys, within.last_block, header, body)?;
        check_ids(&request.ids)?;
        policy.served.map_err(|why| Failure::Told(Refusal::Unacceptable(why), NotifyType::NoProposalChosen))?;
        if !(8..=256).contains(&request.nonce.len()) {
            let refusal = Refusal::Unacceptable("the nonce is not 8 to 256 octets long");
            return Err(Failure::Told(refusal, NotifyType::PayloadMalformed));
        }
        let mut chosen = proposal::choose_phase2(&request.offer, &policy.wanted)
            .map_err(|r| Failure::Told(r, NotifyType::NoProposalChosen))?;
        let (longest, most) = policy.longest;
        let life = lifetime::shorten(&mut chosen.life, longest);
        let kilobytes = lifetime::shorten(chosen.kilobytes.get_or_insert(u64::MAX), most);
        chosen.kilobytes = chosen.kilobytes.filter(|k| *k < u64::MAX);
        let mut nonce = vec![0; NONCE];
        rng.fill(&mut nonce);
        let udp = chosen.in_udp(&policy.wanted);
        let exchange = Exchange {
            cookies: within.cookies,
            offer: (request.offer.doi, request.offer.situation),
            inbound: policy.spi,
            udp,
            udp_mode: policy.wanted.udp_mode,
            nonces: (request.nonce, nonce),
            ids: request.ids,
            nat_oa: original_addresses(within.natt, within.endpoint).filter(|_| udp).unwrap_or_default(),
            shortened: (life, kilobytes),
            commit: header.flags.has(Flags::COMMIT),
            iv: request.next_iv,
            chosen,
        };
        let mut this = Self {
            state: State::Done,
            inbound: policy.spi,
            request: sa::digest(datagram),
            reply: vec![],
            repeats: 0,
            begun: now,
        };
        match (exchange.chosen.pfs, request.public) {
            (None, _) => {
                let outputs = this.answer(exchange, within.keys, header.message_id, None, now);
                Ok((this, outputs))
            }
            (Some(group), Some(peer_public)) if group.may_be_public(&peer_public) => {
                let mut entropy = vec![0; 64];
                rng.fill(&mut entropy);
                let pending = Pending { ticket: policy.ticket, group, peer_public, entropy: Secret::new(entropy) };
                let job = pending.job();
                this.state = State::Computing(Box::new((exchange, pending)));
                Ok((this, vec![Output::Compute(job)]))
            }
            (Some(_), _) => Err(Failure::Told(
                Refusal::Unacceptable("perfect forward secrecy is asked for without a fitting public value"),
                NotifyType::InvalidKeyInformation,
            )),
        }
    }

    /// Agrees: the pair of SAs, then message 2 that tells the client of it.
    fn answer(
        &mut self,
        mut exchange: Exchange,
        keys: &Keys,
        id: u32,
        pfs: Option<(Vec<u8>, Secret<Vec<u8>>)>,
        now: Instant,
    ) -> Vec<Output> {
        let agreed = exchange.agreed(keys, pfs.as_ref().map(|(_, shared)| shared));
        self.reply = exchange.message_2(keys, id, pfs.map(|(public, _)| public));
        let repeat = Retransmit::new(self.reply.clone(), CONFIRMATION, now);
        self.state = State::AwaitConfirmation(Box::new((exchange, repeat)));
        vec![Output::Install(Box::new(agreed)), Output::Send(self.reply.clone())]
    }

    /// Takes another message of the exchange; says whether it was authentic and new.
    pub(super) fn handle(&mut self, keys: &Keys, message: Message<'_>, out: &mut Vec<Output>) -> Result<bool, Refusal> {
        let Message { header, body, datagram, .. } = message;
        if self.request == sa::digest(datagram) {
            self.repeats += 1;
            if self.repeats <= MOST_REPEATS && !self.reply.is_empty() {
                out.push(Output::Send(self.reply.clone()));
            }
            return Ok(false);
        }
        match &self.state {
            State::Computing(_) | State::Done => Ok(false),
            State::AwaitConfirmation(running) => {
                let (exchange, _) = &**running;
                let (plain, _) = keys
                    .decrypt(body, &exchange.iv)
                    .ok_or(Refusal::Unacceptable("an encrypted message that is not whole blocks"))?;
                let payloads = chain(header.next, &plain)?;
                let proof = find(&payloads, PayloadType::Hash).ok_or(Refusal::Missing("hash"))?;
                let id = header.message_id.to_be_bytes();
                if !crypto::equal(proof, &keys.message_hash(&[&[0], &id, &exchange.nonces.0, &exchange.nonces.1])) {
                    return Err(Refusal::BadHash);
                }
                let commit = exchange.commit;
                self.state = State::Done;
                out.push(Output::Confirmed(self.inbound));
                if commit || header.flags.has(Flags::COMMIT) {
                    out.push(Output::Connected { id: header.message_id, spi: self.inbound });
                }
                Ok(true)
            }
        }
    }

    /// The shared secret for perfect forward secrecy is there.
    pub(super) fn computed(
        &mut self,
        keys: &Keys,
        id: u32,
        result: Computed,
        now: Instant,
    ) -> Result<Vec<Output>, Refusal> {
        let shared = result.shared.ok_or(Refusal::Unacceptable(BAD_PUBLIC))?;
        let State::Computing(running) = core::mem::replace(&mut self.state, State::Done) else {
            return Ok(vec![]);
        };
        Ok(self.answer(running.0, keys, id, Some((result.public, shared)), now))
    }

    /// Whether it waits for this computation.
    pub(super) fn waits_for(&self, ticket: u64) -> bool {
        matches!(&self.state, State::Computing(running) if running.1.ticket == ticket)
    }

    /// The computation that it waits for.
    pub(super) fn pending_job(&self) -> Option<Job> {
        match &self.state {
            State::Computing(running) => Some(running.1.job()),
            State::AwaitConfirmation(_) | State::Done => None,
        }
    }

    /// When it began.
    pub(super) fn begun(&self) -> Instant {
        self.begun
    }

    /// Traffic on the new inbound SA says the same as message 3.
    pub(super) fn saw_use(&mut self, spi: u32) {
        if self.inbound == spi && matches!(self.state, State::AwaitConfirmation(_)) {
            self.state = State::Done;
        }
    }

    /// When message 2 must be sent again.
    pub(super) fn due(&self) -> Option<Instant> {
        match &self.state {
            State::AwaitConfirmation(running) => Some(running.1.due()),
            State::Computing(_) | State::Done => None,
        }
    }

    /// Message 2 once more, if it is time.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Option<Vec<u8>> {
        let State::AwaitConfirmation(running) = &mut self.state else {
            return None;
        };
        match running.1.fire(now) {
            Fire::NotYet => None,
            Fire::Again(m) => Some(m.clone()),
            Fire::GaveUp => {
                // The pair stays: the client may use it all the same.
                self.state = State::Done;
                None
            }
        }
    }
}

impl Exchange {
    /// The pair of SAs.
    fn agreed(&self, keys: &Keys, shared: Option<&Secret<Vec<u8>>>) -> Agreed {
        let nonces = (self.nonces.0.as_slice(), self.nonces.1.as_slice());
        let len = self.chosen.suite.key_material_len();
        Agreed {
            initiated: false,
            inbound: self.inbound,
            outbound: self.chosen.spi,
            suite: self.chosen.suite,
            keys_in: keys.keymat(shared, self.inbound, nonces, len),
            keys_out: keys.keymat(shared, self.chosen.spi, nonces, len),
            udp: self.udp,
            life: self.chosen.life,
            kilobytes: self.chosen.kilobytes,
            terms: self.terms(),
            ids: self.ids.clone(),
        }
    }

    /// Message 2, with our public value for perfect forward secrecy.
    fn message_2(&mut self, keys: &Keys, id: u32, public: Option<Vec<u8>>) -> Vec<u8> {
        let mut payloads = vec![
            (PayloadType::Sa, self.chosen.answer(self.offer, self.inbound).encode()),
            (PayloadType::Nonce, self.nonces.1.clone()),
        ];
        payloads.extend(public.map(|public| (PayloadType::KeyExchange, public)));
        payloads.extend(self.ids.iter().map(|body| (PayloadType::Identification, body.clone())));
        payloads.extend(self.nat_oa.iter().map(|(kind, body)| (PayloadType::from(*kind), body.clone())));
        if self.shortened != (None, None) {
            let spi = self.inbound.to_be_bytes().to_vec();
            let body = lifetime::notification(Protocol::Esp, spi, self.shortened);
            payloads.push((PayloadType::Notification, body));
        }
        let hash = keys.message_hash(&[&id.to_be_bytes(), &self.nonces.0, &encode_chain(&payloads)]);
        payloads.insert(0, (PayloadType::Hash, hash));
        let sealed = keys.encrypt(encode_chain(&payloads), &mut self.iv);
        sa::encrypted(&self.cookies, ExchangeType::QuickMode, id, PayloadType::Hash, &sealed)
    }

    /// On what terms the pair may be renewed: the client's own.
    fn terms(&self) -> Terms {
        let answer = self.chosen.answer(self.offer, self.inbound);
        let id = answer.proposals.first().and_then(|p| p.transforms.first()).map_or(0, |t| t.id);
        Terms {
            suite: self.chosen.suite,
            transform: (id, self.chosen.answer.2.clone()),
            pfs: self.chosen.pfs,
            life: self.chosen.life,
            kilobytes: self.chosen.kilobytes,
            words: self.chosen.words(),
            udp: self.udp,
            udp_mode: self.udp_mode,
        }
    }
}

impl Pending {
    fn job(&self) -> Job {
        let mut entropy = [0; 64];
        for (to, from) in entropy.iter_mut().zip(self.entropy.expose()) {
            *to = *from;
        }
        Job {
            ticket: self.ticket,
            group: self.group,
            peer_public: self.peer_public.clone(),
            entropy: Secret::new(entropy),
            own_pair: false,
        }
    }
}

/// NAT-OA payloads: the client's address and ours as they look from here (RFC 3947 §5.2).
pub(super) fn original_addresses(natt: Option<Variant>, endpoint: Endpoint) -> Option<Vec<(u8, Vec<u8>)>> {
    let body = |ip: IpAddr| match ip {
        IpAddr::V4(a) => NatOa { kind: IdType::Ipv4, data: a.octets().to_vec() }.encode(),
        IpAddr::V6(a) => NatOa { kind: IdType::Ipv6, data: a.octets().to_vec() }.encode(),
    };
    let kind: u8 = natt?.nat_oa().into();
    Some(vec![(kind, body(endpoint.peer.ip())), (kind, body(endpoint.local.ip()))])
}

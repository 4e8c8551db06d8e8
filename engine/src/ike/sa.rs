//! An established ISAKMP SA: what its messages are enciphered with, and which exchanges of phase 2 run in it.

use super::informational::{self, News};
use super::initiate::{self, Start, Terms};
use super::keys::{Cookies, Keys};
use super::main_mode::MOST_REPEATS;
use super::natt::{Found, Variant};
use super::proposal::{self, Phase1};
use super::quick_mode::{self, Quick};
use super::{Computed, Endpoint, Job, Message, Refusal};
use crate::rng::Rng;
use crate::time::{Instant, Retry};
use command::Rekey;
use core::time::Duration;
use crypto::Hash;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use wire::isakmp::{ExchangeType, Flags, Header, PayloadType, encode_chain};

/// Exchanges of Quick Mode that one SA keeps at once.
const MOST_QUICK: usize = 16;
/// Message ids that are remembered lest a captured message work twice; no client comes near it in the life of an SA.
const MOST_SEEN: usize = 1024;
/// How long the end of a Quick Mode is remembered, to answer repeats.
const QUICK_MEMORY: Duration = Duration::from_secs(60);
/// The part of a life after which the server renews what the client has not: late enough that no client is overtaken
/// (clients.md, trap 39).
const NEAR_END: (u32, u32) = (98, 100);
/// An ISAKMP SA outlives what was agreed by this, so that a Delete on the last second is still read.
const GRACE: Duration = Duration::from_secs(30);

/// When a life is so near its end that the server renews; none if it never does.
#[must_use]
pub fn near_end(life: Duration, rekey: Rekey) -> Option<Duration> {
    match rekey {
        Rekey::Late => Some(life * NEAR_END.0 / NEAR_END.1),
        Rekey::Percent(percent) => Some(life * u32::from(percent) / 100),
        Rekey::Off => None,
    }
}

/// All that an ISAKMP SA is born with.
pub struct Birth {
    /// Its cookies.
    pub cookies: Cookies,
    /// The two ends.
    pub endpoint: Endpoint,
    /// Its keys.
    pub keys: Keys,
    /// The last cipher block of phase 1.
    pub last_block: Vec<u8>,
    /// What was agreed on.
    pub chosen: Phase1,
    /// The body of the SA payload that says so.
    pub offer: Vec<u8>,
    /// The variant of NAT traversal.
    pub natt: Option<Variant>,
    /// Where NATs are.
    pub found: Found,
    /// The client does dead peer detection (RFC 3706).
    pub dpd: bool,
    /// It takes fragments of ISAKMP messages.
    pub fragments: bool,
    /// It may cut the ICV of HMAC-SHA-256 to 96 bits.
    pub truncates: bool,
    /// The client's identity: its type's number and its octets.
    pub identity: (u8, Vec<u8>),
    /// It came about by Aggressive Mode.
    pub aggressive: bool,
    /// The client's last message of phase 1 as it came.
    pub last_request: Vec<u8>,
    /// Our answer to that; empty if there is none.
    pub last_reply: Vec<u8>,
    /// The moment.
    pub now: Instant,
}

/// A probe of ours that awaits its answer (RFC 3706 §5.3).
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Probe {
    sequence: u32,
}

/// An established ISAKMP SA.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sa {
    cookies: Cookies,
    endpoint: Endpoint,
    pub(super) keys: Keys,
    last_block: Vec<u8>,
    born: Instant,
    expires: Instant,
    renew_at: Instant,
    chosen: Phase1,
    offer: Vec<u8>,
    pub(super) natt: Option<Variant>,
    pub(super) found: Found,
    dpd: bool,
    fragments: bool,
    truncates: bool,
    identity: (u8, Vec<u8>),
    aggressive: bool,
    /// The digest of the client's last message of phase 1, by which its repeats are known.
    last_request: Vec<u8>,
    last_reply: Vec<u8>,
    repeats: u32,
    /// Boxed, as nearly always there is none, and a map that has held one keeps its room for eleven.
    quick: BTreeMap<u32, Box<Quick>>,
    /// Message ids of exchanges that have changed something.
    seen: VecDeque<u32>,
    started: BTreeMap<u32, Box<Start>>,
    probe_sequence: u32,
    probe: Option<Probe>,
}

/// What comes of a message within the SA, in this order.
pub enum Output {
    /// Send this to the client.
    Send(Vec<u8>),
    /// Have this computed, then call [`Sa::computed`].
    Compute(Job),
    /// A pair of ESP SAs was agreed on: install both, the outbound one inactive. Comes before the message that tells
    /// the client.
    Install(Box<quick_mode::Agreed>),
    /// The client has confirmed the pair with this inbound SPI: send on it.
    Confirmed(u32),
    /// The client waits to hear that the pair of this Quick Mode is installed.
    Connected {
        /// The message id of the Quick Mode.
        id: u32,
        /// Our inbound SPI.
        spi: u32,
    },
    /// The client tells something.
    News(News),
    /// A proposal of phase 2 was refused; the client has been told.
    Refused(Refusal),
}

/// What Quick Mode is held to.
pub struct Policy<'a> {
    /// What the proposals must fit.
    pub wanted: proposal::Wanted<'a>,
    /// Whether an `ipsec transport` covers this client's tunnel, and a tunnel is free.
    pub served: Result<(), &'static str>,
    /// `ipsec ike duration ipsec-sa`: the longest life, and the most kilobytes.
    pub longest: (Option<Duration>, Option<u64>),
    /// The SPI that the inbound SA would get.
    pub spi: u32,
    /// Names the exchange if something must be computed.
    pub ticket: u64,
    /// Whether the client is told of a refusal (`ipsec ike send info`).
    pub tells: bool,
}

/// What a message is known by when it comes again: it may be long, and thousands of SAs remember one.
pub(super) fn digest(datagram: &[u8]) -> Vec<u8> {
    Hash::Sha256.digest(&[datagram])
}

impl Sa {
    /// The SA that Main Mode ends with.
    pub fn new(b: Birth) -> Self {
        Self {
            cookies: b.cookies,
            endpoint: b.endpoint,
            keys: b.keys,
            last_block: b.last_block,
            born: b.now,
            expires: b.now.after(b.chosen.life).after(GRACE),
            renew_at: b.now.after(near_end(b.chosen.life, Rekey::Late).unwrap_or(b.chosen.life)),
            chosen: b.chosen,
            offer: b.offer,
            natt: b.natt,
            found: b.found,
            dpd: b.dpd,
            fragments: b.fragments,
            truncates: b.truncates,
            identity: b.identity,
            aggressive: b.aggressive,
            last_request: digest(&b.last_request),
            last_reply: b.last_reply,
            repeats: 0,
            quick: BTreeMap::new(),
            seen: VecDeque::new(),
            started: BTreeMap::new(),
            probe_sequence: 0,
            probe: None,
        }
    }

    /// Its cookies.
    pub fn cookies(&self) -> Cookies {
        self.cookies
    }

    /// The two ends.
    pub fn endpoint(&self) -> Endpoint {
        self.endpoint
    }

    /// The client was heard from elsewhere.
    pub fn move_to(&mut self, endpoint: Endpoint) {
        self.endpoint = endpoint;
    }

    /// The client's identity: its type's number and its octets.
    pub fn identity(&self) -> &(u8, Vec<u8>) {
        &self.identity
    }

    /// What was agreed, in words.
    pub fn algorithms(&self) -> String {
        self.chosen.words()
    }

    /// What it is, in words; not its keys.
    pub fn made(&self) -> String {
        let hex = |cookie: &[u8]| cookie.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
        let (initiator, responder) = (hex(&self.cookies.initiator), hex(&self.cookies.responder));
        let life = self.chosen.life.as_secs();
        format!("{}, life {life} s, cookies {initiator} {responder}", self.chosen.words())
    }

    /// Which of the agreed algorithms are weak.
    pub fn weak(&self) -> Vec<String> {
        proposal::weak_words(&self.chosen).iter().map(|w| (*w).to_owned()).collect()
    }

    /// What was agreed, and the body of the SA payload that says so.
    pub(super) fn chosen(&self) -> (&Phase1, &[u8]) {
        (&self.chosen, &self.offer)
    }

    /// When the server renews it, if the client has not done so by then.
    pub fn renew_at(&self) -> Instant {
        self.renew_at
    }

    /// Follows `ipsec ike duration isakmp-sa … rekey`.
    pub fn renew_as(&mut self, rekey: Rekey) {
        self.renew_at = near_end(self.chosen.life, rekey).map_or(self.expires, |life| self.born.after(life));
    }

    /// A renewal is tried: no other before this moment.
    pub fn renew_later(&mut self, at: Instant) {
        self.renew_at = at;
    }

    /// Where NATs are.
    pub fn found(&self) -> Found {
        self.found
    }

    /// When it was established.
    pub fn born(&self) -> Instant {
        self.born
    }

    /// How much of the life that was agreed is left.
    pub fn life_left(&self, now: Instant) -> Duration {
        self.born.after(self.chosen.life).since(now)
    }

    /// When it ends.
    pub fn expires(&self) -> Instant {
        self.expires
    }

    /// Whether the client takes fragments of ISAKMP messages.
    pub fn takes_fragments(&self) -> bool {
        self.fragments
    }

    /// Whether the client may cut the ICV of HMAC-SHA-256 to 96 bits.
    pub fn truncates(&self) -> bool {
        self.truncates
    }

    /// Whether the client answers dead peer detection.
    pub fn has_dpd(&self) -> bool {
        self.dpd
    }

    /// It came about by Aggressive Mode: the server does not renew it, since clients that named themselves take no Main
    /// Mode.
    pub fn is_aggressive(&self) -> bool {
        self.aggressive
    }

    /// Message 6 of Main Mode; Aggressive Mode ends with the client's own message, and this is empty.
    pub fn last_reply(&self) -> &[u8] {
        &self.last_reply
    }

    /// The attribute value that means UDP encapsulation in the variant spoken.
    pub fn udp_mode(&self) -> u64 {
        self.natt.map_or(4, Variant::udp_transport)
    }

    /// Takes a message of this SA. What it came to is put into `out`.
    ///
    /// # Errors
    ///
    /// If it cannot be read or its hash is wrong: nothing has changed then.
    pub fn handle(
        &mut self,
        message: Message<'_>,
        policy: &Policy<'_>,
        rng: &mut Rng,
        now: Instant,
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        let Message { header, body, datagram, .. } = message;
        match header.exchange {
            ExchangeType::MainMode | ExchangeType::Aggressive => {
                let repeated = !self.last_reply.is_empty() && self.last_request == digest(datagram);
                if repeated && self.repeats < MOST_REPEATS {
                    self.repeats += 1;
                    out.push(Output::Send(self.last_reply.clone()));
                }
                Ok(())
            }
            ExchangeType::QuickMode => self.on_quick_mode(message, policy, rng, now, out),
            ExchangeType::Informational => self.on_informational(header, body, rng, out),
            ExchangeType::Base
            | ExchangeType::AuthenticationOnly
            | ExchangeType::Transaction
            | ExchangeType::NewGroupMode
            | ExchangeType::Unknown(_) => Err(Refusal::Exchange(header.exchange.into())),
        }
    }

    fn on_quick_mode(
        &mut self,
        message: Message<'_>,
        policy: &Policy<'_>,
        rng: &mut Rng,
        now: Instant,
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        let Message { header, endpoint, .. } = message;
        let id = header.message_id;
        if id == 0 {
            return Err(Refusal::Unacceptable("Quick Mode with message id 0"));
        }
        if let Some(quick) = self.quick.get_mut(&id) {
            let mut told = vec![];
            let done = quick.handle(&self.keys, message, &mut told)?;
            if done {
                self.endpoint = endpoint;
            }
            for output in told {
                out.push(match output {
                    Output::Connected { id, spi } => Output::Send(self.connected(id, spi)),
                    other => other,
                });
            }
            return Ok(());
        }
        if let Some(start) = self.started.get_mut(&id) {
            let within = initiate::Within { keys: &self.keys, last_block: &self.last_block, id };
            return start.handle(&within, message, now, out);
        }
        if self.seen.contains(&id) {
            return Err(Refusal::Unacceptable("a Quick Mode that ended long ago comes once more"));
        }
        self.forget_quick(now);
        let within = quick_mode::Within {
            keys: &self.keys,
            cookies: self.cookies,
            last_block: &self.last_block,
            natt: self.natt,
            endpoint,
        };
        let started = Quick::begin(&within, message, policy, rng, now);
        match started {
            Ok((quick, outputs)) => {
                self.endpoint = endpoint;
                self.saw(id);
                self.quick.insert(id, Box::new(quick));
                out.extend(outputs);
                Ok(())
            }
            Err(quick_mode::Failure::Silent(refusal)) => Err(refusal),
            Err(quick_mode::Failure::Told(refusal, kind)) => {
                self.endpoint = endpoint;
                if policy.tells {
                    let note = informational::notify_refusal(kind, header);
                    out.push(Output::Send(self.informational(PayloadType::Notification, note, rng)));
                }
                out.push(Output::Refused(refusal));
                Ok(())
            }
        }
    }

    fn saw(&mut self, id: u32) {
        if self.seen.len() >= MOST_SEEN {
            self.seen.pop_front();
        }
        self.seen.push_back(id);
    }

    /// Makes room: what ended long ago, then what is oldest.
    fn forget_quick(&mut self, now: Instant) {
        self.quick.retain(|_, q| now.since(q.begun()) < QUICK_MEMORY);
        while self.quick.len() >= MOST_QUICK {
            let Some(oldest) = self.quick.iter().min_by_key(|(_, q)| q.begun()).map(|(id, _)| *id) else {
                break;
            };
            self.quick.remove(&oldest);
        }
    }

    fn on_informational(
        &mut self,
        header: &Header,
        body: &[u8],
        rng: &mut Rng,
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        if !header.flags.has(Flags::ENCRYPTION) {
            // Anybody could have sent it (RFC 2409 §5.7): it changes nothing.
            return Err(Refusal::Unacceptable("an informational message in the clear is not acted on"));
        }
        let iv = self.keys.exchange_iv(&self.last_block, header.message_id);
        let news = informational::read(&self.keys, header, body, &iv)?;
        // To ask and to answer whether one is there may be repeated; what changes something counts once.
        let changes = |n: &News| matches!(n, News::DeleteEsp(_) | News::DeleteIsakmp(_) | News::InitialContact);
        if news.iter().any(changes) {
            if self.seen.contains(&header.message_id) {
                return Ok(());
            }
            self.saw(header.message_id);
        }
        for n in news {
            match n {
                News::AreYouThere(sequence) => {
                    let note = informational::r_u_there_ack(&self.cookies, sequence);
                    out.push(Output::News(News::AreYouThere(sequence)));
                    out.push(Output::Send(self.informational(PayloadType::Notification, note, rng)));
                }
                News::IAmHere(sequence) => {
                    if self.probe.take_if(|p| p.sequence == sequence).is_some() {
                        out.push(Output::News(News::IAmHere(sequence)));
                    }
                }
                other @ (News::DeleteEsp(_) | News::DeleteIsakmp(_) | News::InitialContact | News::Other(_)) => {
                    out.push(Output::News(other));
                }
            }
        }
        Ok(())
    }

    /// A Diffie-Hellman result for a Quick Mode of this SA.
    pub fn computed(&mut self, result: Computed, now: Instant, out: &mut Vec<Output>) {
        if let Some(id) = self.started.iter().find(|(_, s)| s.waits_for(result.ticket)).map(|(id, _)| *id) {
            let within = initiate::Within { keys: &self.keys, last_block: &self.last_block, id };
            let done = self.started.get_mut(&id).map(|s| s.computed(&within, result, now, out));
            if let Some(Err(refusal)) = done {
                self.started.remove(&id);
                out.push(Output::Refused(refusal));
            }
            return;
        }
        let id = self.quick.iter().find(|(_, q)| q.waits_for(result.ticket)).map(|(id, _)| *id);
        let Some(quick) = id.and_then(|id| self.quick.get_mut(&id)) else {
            return;
        };
        match quick.computed(&self.keys, id.unwrap_or(0), result, now) {
            Ok(outputs) => out.extend(outputs),
            Err(refusal) => {
                id.map(|id| self.quick.remove(&id));
                out.push(Output::Refused(refusal));
            }
        }
    }

    /// A computation was not taken on: its Quick Mode is forgotten, and the client's repeat begins another.
    pub fn not_computed(&mut self, ticket: u64) {
        self.quick.retain(|_, q| !q.waits_for(ticket));
        self.started.retain(|_, s| !s.waits_for(ticket));
    }

    /// Computations that were asked for and not answered: asked for again after a take-over.
    pub fn pending_jobs(&self) -> Vec<Job> {
        let own = self.started.values().filter_map(|s| s.pending_job());
        self.quick.values().filter_map(|q| q.pending_job()).chain(own).collect()
    }

    /// When message 2 of a Quick Mode must be sent again, or the SA ends.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let due = self.quick.values().filter_map(|q| q.due()).chain(self.started.values().filter_map(|s| s.due()));
        Some(due.fold(self.expires, Instant::min))
    }

    /// Sends again what is due, and forgets what ended long ago.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Vec<Output>) {
        self.quick.retain(|_, q| now.since(q.begun()) < QUICK_MEMORY);
        for quick in self.quick.values_mut() {
            out.extend(quick.handle_timeout(now).map(Output::Send));
        }
        self.started.retain(|_, s| s.handle_timeout(now, out));
    }

    /// Starts a Quick Mode of our own, on a client's terms and with its identity payloads.
    pub fn start_quick(
        &mut self,
        (terms, ids): (&Terms, &[Vec<u8>]),
        endpoint: Endpoint,
        (spi, ticket, retry): (u32, u64, Retry),
        rng: &mut Rng,
        now: Instant,
        out: &mut Vec<Output>,
    ) {
        let id = self.free_id(rng);
        let within = initiate::Within { keys: &self.keys, last_block: &self.last_block, id };
        let nat_oa = quick_mode::original_addresses(self.natt, endpoint).filter(|_| terms.udp).unwrap_or_default();
        let start = Start::begin(
            &within,
            self.cookies,
            (terms.clone(), ids.to_vec()),
            nat_oa,
            (spi, ticket, retry),
            rng,
            now,
            out,
        );
        self.started.insert(id, Box::new(start));
    }

    /// A message id that no exchange of phase 2 has: its IV follows from it, so none may serve twice (RFC 2409 §5.5, §5.7).
    fn free_id(&self, rng: &mut Rng) -> u32 {
        loop {
            let id = rng.u32();
            if id != 0 && !self.quick.contains_key(&id) && !self.started.contains_key(&id) {
                return id;
            }
        }
    }

    /// Whether a Quick Mode of our own is on its way.
    pub fn is_renewing(&self) -> bool {
        self.started.values().any(|s| s.is_open())
    }

    /// The first packet on a new inbound SA has come: its Quick Mode needs no more confirmation.
    pub fn saw_use(&mut self, spi: u32) {
        for q in self.quick.values_mut() {
            q.saw_use(spi);
        }
        for s in self.started.values_mut() {
            s.saw_use(spi);
        }
    }

    /// An encrypted message of an Informational exchange with one payload.
    pub fn informational(&self, kind: PayloadType, body: Vec<u8>, rng: &mut Rng) -> Vec<u8> {
        self.informational_as(self.free_id(rng), kind, body)
    }

    fn informational_as(&self, id: u32, kind: PayloadType, body: Vec<u8>) -> Vec<u8> {
        let rest = encode_chain(&[(kind, body.clone())]);
        let hash = self.keys.message_hash(&[&id.to_be_bytes(), &rest]);
        let mut iv = self.keys.exchange_iv(&self.last_block, id);
        let sealed = self.keys.encrypt(encode_chain(&[(PayloadType::Hash, hash), (kind, body)]), &mut iv);
        encrypted(&self.cookies, ExchangeType::Informational, id, PayloadType::Hash, &sealed)
    }

    /// CONNECTED for a Quick Mode whose client has set the commit bit: under that exchange's own message id, since "the
    /// Message ID field of the Informational Exchange MUST contain the Message ID of the original ISAKMP Phase 2 SA
    /// negotiation" (RFC 2408 §3.1).
    fn connected(&self, id: u32, spi: u32) -> Vec<u8> {
        let body = informational::connected(spi);
        self.informational_as(id, PayloadType::Notification, body)
    }

    /// A Delete for ESP SAs of ours.
    pub fn delete_esp(&self, spis: &[u32], rng: &mut Rng) -> Vec<u8> {
        self.informational(PayloadType::Delete, informational::delete_esp(spis), rng)
    }

    /// A Delete for this SA itself.
    pub fn delete_isakmp(&self, rng: &mut Rng) -> Vec<u8> {
        self.informational(PayloadType::Delete, informational::delete_isakmp(&self.cookies), rng)
    }

    /// Asks whether the client is there (RFC 3706 §5.3).
    pub fn probe(&mut self, rng: &mut Rng) -> Vec<u8> {
        if self.probe_sequence == 0 {
            self.probe_sequence = rng.u32() >> 1;
        }
        if self.probe.is_none() {
            self.probe_sequence = self.probe_sequence.wrapping_add(1);
        }
        self.probe = Some(Probe { sequence: self.probe_sequence });
        let note = informational::r_u_there(&self.cookies, self.probe_sequence);
        self.informational(PayloadType::Notification, note, rng)
    }
}

/// A message whose body is enciphered.
pub(super) fn encrypted(
    cookies: &Cookies,
    exchange: ExchangeType,
    id: u32,
    next: PayloadType,
    sealed: &[u8],
) -> Vec<u8> {
    let header = Header {
        initiator: cookies.initiator(),
        responder: cookies.responder(),
        next,
        version: 0x10,
        exchange,
        flags: Flags::ENCRYPTION,
        message_id: id,
        length: 0,
    };
    header.encode(sealed)
}

#[cfg(test)]
mod tests;

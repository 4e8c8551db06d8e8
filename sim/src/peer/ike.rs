//! The client's side of IKEv1: Main and Aggressive Mode, Quick Mode, Delete, fragments, NAT detection.

mod aggressive_mode;
mod informational;
mod main_mode;
mod quick_mode;
mod responder;

use super::words::names;
use super::{Carrier, Layer, Peer, Repeat, Stage};
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use crypto::esp::Suite;
use crypto::{Group, Hash, IkeCipher, KeyPair};
use engine::time::{Instant, earliest};
use wire::isakmp::{
    Attribute, Cookie, Delete, ExchangeType, Flags, Fragment, Header, IdType, Identification, NatOa, Notification,
    NotifyType, PayloadType, Proposal, Protocol, Raw, SecurityAssociation, Transform, chain, encode_chain, vendor,
};

/// Whether this is one of an offer's transforms as it was offered, or with its attributes in another order.
fn was_offered(offer: &Proposal, chosen: &Transform, any_order: bool) -> bool {
    let value = |t: &Transform, kind: u16| t.attribute(kind).and_then(Attribute::as_u64);
    let is_alike = |offered: &Transform| {
        let same = |a: &Attribute| value(offered, a.kind) == value(chosen, a.kind);
        offered.id == chosen.id
            && offered.attributes.len() == chosen.attributes.len()
            && offered.attributes.iter().all(same)
    };
    offer.transforms.iter().any(|offered| offered == chosen || any_order && is_alike(offered))
}

/// A Main Mode under way.
struct Phase1 {
    cky_i: [u8; 8],
    cky_r: [u8; 8],
    sa_body: Vec<u8>,
    nonce: Vec<u8>,
    agreed: Option<(IkeCipher, Hash, Group)>,
    pair: Option<KeyPair>,
    keys: Option<Keys>,
    publics: (Vec<u8>, Vec<u8>),
    natt: Option<Natt>,
    nat: bool,
    last: Vec<u8>,
    last_port: u16,
    repeat: Repeat,
}

/// Keys of an ISAKMP SA.
#[derive(Clone)]
struct Keys {
    cipher: IkeCipher,
    hash: Hash,
    skeyid: Vec<u8>,
    d: Vec<u8>,
    a: Vec<u8>,
    key: Vec<u8>,
    iv: Vec<u8>,
}

/// An established ISAKMP SA.
struct Sa {
    cky_i: [u8; 8],
    cky_r: [u8; 8],
    keys: Keys,
    last_block: Vec<u8>,
    nat: bool,
    natt: Option<Natt>,
    last_reply: Vec<u8>,
    /// The number of its next Quick Mode, where they are counted.
    next_id: u32,
    /// When its life is over.
    ends: Instant,
}

/// The numbers of a variant of NAT traversal.
#[derive(Clone, Copy)]
struct Natt {
    nat_d: PayloadType,
    nat_oa: PayloadType,
    mode: u16,
}

impl Natt {
    /// The highest variant of a server's list.
    fn choose(answered: &[&[u8]]) -> Option<Self> {
        let rfc = Self { nat_d: PayloadType::NatD, nat_oa: PayloadType::NatOa, mode: 4 };
        let draft = Self { nat_d: PayloadType::NatDDraft, nat_oa: PayloadType::NatOaDraft, mode: 61444 };
        let known = [
            (vendor::NAT_T_RFC3947, rfc),
            (vendor::NAT_T_DRAFT_03, draft),
            (vendor::NAT_T_DRAFT_02, draft),
            (vendor::NAT_T_DRAFT_02_NEWLINE, draft),
        ];
        known.iter().find(|(id, _)| answered.contains(&id.as_slice())).map(|(_, numbers)| *numbers)
    }
}

/// A Quick Mode under way.
struct Quick {
    id: u32,
    /// What was offered, with an SPI for each proposal.
    offer: SecurityAssociation,
    nonce: Vec<u8>,
    pair: Option<(Group, KeyPair)>,
    iv: Vec<u8>,
    last: Vec<u8>,
    reply: Option<(Vec<u8>, Vec<u8>)>,
    repeat: Repeat,
}

/// The client's IKE.
#[derive(Default)]
pub(super) struct Ike {
    phase1: Option<Phase1>,
    sa: Option<Sa>,
    old: Vec<Sa>,
    quick: Option<Quick>,
    /// Quick Modes that are done, in case their message 2 comes again.
    done: Vec<Quick>,
    /// When old pairs and old ISAKMP SAs are deleted.
    delete: (Option<Instant>, Option<Instant>),
    /// It has said INITIAL-CONTACT in this connection.
    pub(super) contacted: bool,
    called: Option<responder::Called>,
    answer: Option<responder::Answer>,
    /// Message 2 of Aggressive Mode, and where to and how it was answered.
    third: Option<(Vec<u8>, u16, Vec<u8>)>,
    /// When each phase is to be renewed.
    plan: (Option<Instant>, Option<Instant>),
    fragment_id: u16,
    /// Fragments that have come, by the id of their message.
    fragments: std::collections::BTreeMap<u16, std::collections::BTreeMap<u8, (bool, Vec<u8>)>>,
}

impl Ike {
    /// All SAs are forgotten.
    pub(super) fn forget(&mut self) {
        *self = Self { fragment_id: self.fragment_id, ..Self::default() };
    }

    /// Nothing is repeated any more.
    pub(super) fn stop(&mut self) {
        self.phase1 = None;
        self.quick = None;
        self.called = None;
        self.answer = None;
        self.plan = (None, None);
        self.delete = (None, None);
    }

    /// A new phase 1 begins at this moment.
    pub(super) fn begin_at(&mut self, at: Instant) {
        self.plan.0 = Some(at);
    }

    pub(super) fn due(&self) -> Option<Instant> {
        let quick = self.quick.as_ref().filter(|q| q.reply.is_none()).map(|q| q.repeat.due);
        let own = earliest(self.phase1.as_ref().map(|p| p.repeat.due), quick);
        let planned = earliest(earliest(self.plan.0, self.plan.1), earliest(self.delete.0, self.delete.1));
        earliest(earliest(own, planned), self.answer.as_ref().and_then(responder::Answer::due))
    }
}

fn find<'a>(payloads: &[Raw<'a>], kind: PayloadType) -> Option<&'a [u8]> {
    payloads.iter().find(|p| p.kind == kind).map(|p| p.body)
}

fn nat_hash(hash: Hash, cookies: (&[u8; 8], &[u8; 8]), at: SocketAddr) -> Vec<u8> {
    let port = at.port().to_be_bytes();
    match at.ip() {
        IpAddr::V4(a) => hash.digest(&[cookies.0, cookies.1, &a.octets(), &port]),
        IpAddr::V6(a) => hash.digest(&[cookies.0, cookies.1, &a.octets(), &port]),
    }
}

fn address_octets(ip: IpAddr) -> (IdType, Vec<u8>) {
    match ip {
        IpAddr::V4(a) => (IdType::Ipv4, a.octets().to_vec()),
        IpAddr::V6(a) => (IdType::Ipv6, a.octets().to_vec()),
    }
}

impl Keys {
    fn new(psk: &[u8], suite: (IkeCipher, Hash), nonces: (&[u8], &[u8]), cookies: (&[u8], &[u8]), gxy: &[u8]) -> Self {
        let (cipher, hash) = suite;
        let skeyid = hash.mac(psk, &[nonces.0, nonces.1]);
        let d = hash.mac(&skeyid, &[gxy, cookies.0, cookies.1, &[0]]);
        let a = hash.mac(&skeyid, &[&d, gxy, cookies.0, cookies.1, &[1]]);
        let e = hash.mac(&skeyid, &[&a, gxy, cookies.0, cookies.1, &[2]]);
        let mut key = e.clone();
        if key.len() < cipher.key_len() {
            let mut block = hash.mac(&e, &[&[0]]);
            key = block.clone();
            while key.len() < cipher.key_len() {
                block = hash.mac(&e, &[&block]);
                key.extend_from_slice(&block);
            }
        }
        key.truncate(cipher.key_len());
        Self { cipher, hash, skeyid, d, a, key, iv: vec![] }
    }

    fn iv_for(&self, last_block: &[u8], id: u32) -> Vec<u8> {
        let mut iv = self.hash.digest(&[last_block, &id.to_be_bytes()]);
        iv.truncate(self.cipher.block_len());
        iv
    }

    /// Fills up with random octets, more than needed; the last one counts those before it (racoon).
    fn pad(&self, plain: &mut Vec<u8>, random: &[u8]) {
        let block = self.cipher.block_len();
        let count = 2 * block - plain.len() % block;
        plain.extend(random.iter().cycle().take(count - 1));
        plain.push(count as u8 - 1);
    }

    /// Enciphers; gives the octets and the last block.
    fn seal(&self, mut plain: Vec<u8>, iv: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let block = self.cipher.block_len();
        plain.resize(plain.len().next_multiple_of(block), 0);
        let _ = self.cipher.encrypt(&self.key, iv, &mut plain);
        let last = plain[plain.len() - block..].to_vec();
        (plain, last)
    }

    fn open(&self, body: &[u8], iv: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
        let block = self.cipher.block_len();
        if body.is_empty() || !body.len().is_multiple_of(block) {
            return None;
        }
        let mut plain = body.to_vec();
        self.cipher.decrypt(&self.key, iv, &mut plain).ok()?;
        Some((plain, body[body.len() - block..].to_vec()))
    }

    fn keymat(&self, gxy: &[u8], spi: u32, nonces: (&[u8], &[u8]), len: usize) -> Vec<u8> {
        let (mut out, mut block) = (vec![], vec![]);
        while out.len() < len {
            block = self.hash.mac(&self.d, &[&block, gxy, &[3], &spi.to_be_bytes(), nonces.0, nonces.1]);
            out.extend_from_slice(&block);
        }
        out.truncate(len);
        out
    }
}

fn header(cookies: ([u8; 8], [u8; 8]), next: PayloadType, exchange: ExchangeType, flags: u8, id: u32) -> Header {
    Header {
        initiator: Cookie(cookies.0),
        responder: Cookie(cookies.1),
        next,
        version: 0x10,
        exchange,
        flags: Flags(flags),
        message_id: id,
        length: 0,
    }
}

fn clear(cookies: ([u8; 8], [u8; 8]), payloads: &[(PayloadType, Vec<u8>)]) -> Vec<u8> {
    clear_of(ExchangeType::MainMode, cookies, payloads)
}

fn clear_of(exchange: ExchangeType, cookies: ([u8; 8], [u8; 8]), payloads: &[(PayloadType, Vec<u8>)]) -> Vec<u8> {
    header(cookies, payloads[0].0, exchange, 0, 0).encode(&encode_chain(payloads))
}

/// A payload chain that begins with its hash.
fn hashed(next: PayloadType, hash: &[u8], rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(hash.len() + 4).unwrap_or(u16::MAX).to_be_bytes();
    [&[next.into(), 0][..], &length, hash, rest].concat()
}

impl Peer {
    /// The port that IKE starts on: 4500 if that is where the old SA is.
    fn ike_port(&self) -> u16 {
        if self.ike.sa.as_ref().is_some_and(|s| s.nat || self.manner.floats) { 4500 } else { 500 }
    }

    /// Octets to fill up with, if the manner is to take random ones.
    fn filling(&mut self) -> Option<Vec<u8>> {
        self.manner.random_padding.then(|| self.rng.bytes(24))
    }

    /// Sends an ISAKMP message, in fragments if the manner says so, with the marker on port 4500.
    fn send_ike(&mut self, port: u16, message: &[u8]) {
        let message = &self.tampered(Layer::Isakmp, message.to_vec());
        let pieces = match self.manner.fragment {
            Some(most) if message.len() > most => self.fragments(message, most),
            _ => vec![message.to_vec()],
        };
        for piece in pieces {
            let bytes = if port == 4500 { [&wire::esp::NON_ESP_MARKER[..], &piece].concat() } else { piece };
            self.transmit(Carrier::Udp, port, bytes);
        }
    }

    fn fragments(&mut self, message: &[u8], most: usize) -> Vec<Vec<u8>> {
        self.ike.fragment_id += 1;
        let id = self.ike.fragment_id;
        let Ok((mut head, _)) = Header::decode(message) else {
            return vec![];
        };
        head.next = PayloadType::Fragment;
        head.flags = Flags(0);
        let parts: Vec<&[u8]> = message.chunks(most).collect();
        let count = parts.len();
        parts
            .into_iter()
            .enumerate()
            .map(|(i, part)| {
                let f = Fragment { id, number: i as u8 + 1, last: i + 1 == count, data: part.to_vec() };
                head.encode(&encode_chain(&[(PayloadType::Fragment, f.encode())]))
            })
            .collect()
    }

    pub(super) fn on_isakmp(&mut self, bytes: &[u8], port: u16) {
        let Ok((head, body)) = Header::decode(bytes) else {
            return;
        };
        if head.next == PayloadType::Fragment {
            if let Some(whole) = self.assembled(&head, body) {
                self.on_isakmp(&whole, port);
            }
            return;
        }
        match head.exchange {
            ExchangeType::MainMode => self.on_main_mode(&head, body, bytes, port),
            ExchangeType::Aggressive => self.on_aggressive_mode(&head, body, bytes),
            ExchangeType::QuickMode => self.on_quick_mode(&head, body, bytes),
            ExchangeType::Informational => self.on_informational(&head, body),
            _ => {}
        }
    }

    /// The message of which this fragment was the last that was missing.
    fn assembled(&mut self, head: &Header, body: &[u8]) -> Option<Vec<u8>> {
        assert!(self.manner.takes_fragments, "a fragment for a client that has not said that it takes them");
        let payloads = chain(head.next, body).ok()?;
        let part = Fragment::decode(payloads.first()?.body).ok()?;
        self.say(format!("<- fragment {}", part.number));
        let parts = self.ike.fragments.entry(part.id).or_default();
        parts.insert(part.number, (part.last, part.data));
        let count = parts.iter().find(|(_, (last, _))| *last).map(|(number, _)| usize::from(*number))?;
        if parts.len() < count {
            return None;
        }
        let parts = self.ike.fragments.remove(&part.id)?;
        Some(parts.into_values().flat_map(|(_, data)| data).collect())
    }

    pub(super) fn ike_timeout(&mut self) {
        let now = self.now;
        self.renew();
        self.delete_what_is_old();
        self.answer_timeout();
        if let Some(p1) = &mut self.ike.phase1 {
            match p1.repeat.fire(now) {
                Some(true) => {
                    let (port, message) = (p1.last_port, p1.last.clone());
                    self.say("-> main mode once more");
                    self.send_ike(port, &message);
                }
                Some(false) => {}
                None => {
                    self.ike.phase1 = None;
                    if self.stage == Stage::Up {
                        self.say("no answer in main mode: once more from the start");
                        self.begin_main_mode();
                    } else {
                        self.give_up("no answer in main mode");
                    }
                }
            }
        }
        let port = self.ike_port();
        if let Some(q) = self.ike.quick.as_mut().filter(|q| q.reply.is_none()) {
            match q.repeat.fire(now) {
                Some(true) => {
                    let message = q.last.clone();
                    self.say("-> quick mode once more");
                    self.send_ike(port, &message);
                }
                Some(false) => {}
                None => {
                    self.ike.quick = None;
                    if self.stage == Stage::Up && self.ike.phase1.is_none() {
                        self.say("no answer in quick mode: a new phase 1");
                        self.begin_main_mode();
                    } else if self.stage != Stage::Up {
                        self.give_up("no answer in quick mode");
                    }
                }
            }
        }
    }
}

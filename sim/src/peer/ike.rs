//! The client's side of IKEv1: Main Mode, Quick Mode, Delete, fragments, NAT detection.

mod responder;

use super::words::names;
use super::{Carrier, Layer, Peer, Repeat, Stage};
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use crypto::esp::Suite;
use crypto::{Group, Hash, IkeCipher, KeyPair};
use engine::time::{Instant, earliest};
use wire::isakmp::{
    Attribute, AttributeValue, Cookie, Delete, ExchangeType, Flags, Fragment, Header, IdType, Identification, NatOa,
    Notification, NotifyType, PayloadType, Proposal, Protocol, Raw, SecurityAssociation, Transform, chain,
    encode_chain, vendor,
};

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const TRIES: u32 = 7;

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
    natt: bool,
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
    last_reply: Vec<u8>,
}

/// A Quick Mode under way.
struct Quick {
    id: u32,
    spi: u32,
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
    called: Option<responder::Called>,
    answer: Option<responder::Answer>,
    /// When each phase is to be renewed.
    plan: (Option<Instant>, Option<Instant>),
    fragment_id: u16,
}

impl Ike {
    /// Nothing is repeated any more.
    pub(super) fn stop(&mut self) {
        self.phase1 = None;
        self.quick = None;
        self.called = None;
        self.answer = None;
        self.plan = (None, None);
    }

    pub(super) fn due(&self) -> Option<Instant> {
        let quick = self.quick.as_ref().filter(|q| q.reply.is_none()).map(|q| q.repeat.due);
        let own = earliest(self.phase1.as_ref().map(|p| p.repeat.due), quick);
        let planned = earliest(self.plan.0, self.plan.1);
        earliest(earliest(own, planned), self.answer.as_ref().and_then(responder::Answer::due))
    }
}

fn short(kind: u16, v: u16) -> Attribute {
    Attribute {
        kind,
        value: AttributeValue::Short(v),
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
        Self {
            cipher,
            hash,
            skeyid,
            d,
            a,
            key,
            iv: vec![],
        }
    }

    fn iv_for(&self, last_block: &[u8], id: u32) -> Vec<u8> {
        let mut iv = self.hash.digest(&[last_block, &id.to_be_bytes()]);
        iv.truncate(self.cipher.block_len());
        iv
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
        if body.is_empty() || body.len() % block != 0 {
            return None;
        }
        let mut plain = body.to_vec();
        self.cipher.decrypt(&self.key, iv, &mut plain).ok()?;
        Some((plain, body[body.len() - block..].to_vec()))
    }

    fn keymat(&self, gxy: &[u8], spi: u32, nonces: (&[u8], &[u8]), len: usize) -> Vec<u8> {
        let (mut out, mut block) = (vec![], vec![]);
        while out.len() < len {
            block = self
                .hash
                .mac(&self.d, &[&block, gxy, &[3], &spi.to_be_bytes(), nonces.0, nonces.1]);
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
    header(cookies, payloads[0].0, ExchangeType::MainMode, 0, 0).encode(&encode_chain(payloads))
}

/// A payload chain that begins with its hash.
fn hashed(next: PayloadType, hash: &[u8], rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(hash.len() + 4).unwrap_or(u16::MAX).to_be_bytes();
    [&[next.into(), 0][..], &length, hash, rest].concat()
}

impl Peer {
    /// An INITIAL-CONTACT of its own, as Android sends it.
    pub fn initial_contact(&mut self, now: Instant) {
        self.now = now;
        let Some(sa) = &self.ike.sa else { return };
        let spi = [sa.cky_i, sa.cky_r].concat();
        let kind = NotifyType::InitialContact;
        let n = Notification {
            doi: 1,
            protocol: Protocol::Isakmp,
            spi,
            kind,
            data: vec![],
        };
        let id = (self.rng.u64() as u32) | 1;
        self.say("-> INITIAL-CONTACT");
        self.send_informational(id, PayloadType::Notification, n.encode());
    }

    /// The port that IKE starts on: 4500 if that is where the old SA is.
    fn ike_port(&self) -> u16 {
        if self.ike.sa.as_ref().is_some_and(|s| s.nat) {
            4500
        } else {
            500
        }
    }

    pub(super) fn begin_main_mode(&mut self) {
        let cky_i = self.rng.array::<8>();
        let transforms = self
            .manner
            .phase1
            .iter()
            .enumerate()
            .map(|(i, (enc, bits, hash, group))| {
                let mut attributes = vec![short(1, *enc)];
                attributes.extend(bits.map(|b| short(14, b)));
                attributes.extend([
                    short(2, *hash),
                    short(4, *group),
                    short(3, 1),
                    short(11, 1),
                    short(12, self.manner.lives.0),
                ]);
                Transform {
                    number: i as u8 + 1,
                    id: 1,
                    attributes,
                }
            });
        let proposals = vec![Proposal {
            number: 1,
            protocol: Protocol::Isakmp,
            spi: vec![],
            transforms: transforms.collect(),
        }];
        let sa_body = SecurityAssociation {
            doi: 1,
            situation: 1,
            proposals,
        }
        .encode();
        let mut payloads = vec![(PayloadType::Sa, sa_body.clone())];
        payloads.push((PayloadType::VendorId, vendor::DPD.to_vec()));
        if self.manner.natt {
            payloads.push((PayloadType::VendorId, vendor::NAT_T_RFC3947.to_vec()));
        }
        let message = clear((cky_i, [0; 8]), &payloads);
        let port = if self.manner.rekeys_on_500 {
            500
        } else {
            self.ike_port()
        };
        self.ike.phase1 = Some(Phase1 {
            cky_i,
            cky_r: [0; 8],
            sa_body,
            nonce: self.rng.bytes(24),
            agreed: None,
            pair: None,
            keys: None,
            publics: (vec![], vec![]),
            natt: false,
            nat: false,
            last: message.clone(),
            last_port: port,
            repeat: Repeat::new(self.now, FIRST_PAUSE, TRIES),
        });
        self.say(format!("-> main mode 1: {}", names(&payloads)));
        self.send_ike(port, &message);
    }

    /// Sends an ISAKMP message, in fragments if the manner says so, with the marker on port 4500.
    fn send_ike(&mut self, port: u16, message: &[u8]) {
        let message = &self.tampered(Layer::Isakmp, message.to_vec());
        let pieces = match self.manner.fragment {
            Some(most) if message.len() > most => self.fragments(message, most),
            _ => vec![message.to_vec()],
        };
        for piece in pieces {
            let bytes = if port == 4500 {
                [&wire::esp::NON_ESP_MARKER[..], &piece].concat()
            } else {
                piece
            };
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
                let f = Fragment {
                    id,
                    number: i as u8 + 1,
                    last: i + 1 == count,
                    data: part.to_vec(),
                };
                head.encode(&encode_chain(&[(PayloadType::Fragment, f.encode())]))
            })
            .collect()
    }

    pub(super) fn on_isakmp(&mut self, bytes: &[u8], port: u16) {
        let Ok((head, body)) = Header::decode(bytes) else {
            return;
        };
        match head.exchange {
            ExchangeType::MainMode => self.on_main_mode(&head, body, bytes, port),
            ExchangeType::QuickMode => self.on_quick_mode(&head, body, bytes),
            ExchangeType::Informational => self.on_informational(&head, body),
            _ => {}
        }
    }

    fn on_main_mode(&mut self, head: &Header, body: &[u8], bytes: &[u8], port: u16) {
        let ours = |p1: &mut Phase1| {
            head.initiator.0 == p1.cky_i && (p1.cky_r == [0; 8] || head.responder.0 == p1.cky_r)
        };
        let Some(mut p1) = self.ike.phase1.take_if(ours) else {
            self.on_called(head, body, bytes, port);
            return;
        };
        let done = if p1.agreed.is_none() {
            self.on_message_2(&mut p1, head, body)
        } else if p1.keys.is_none() {
            self.on_message_4(&mut p1, head, body)
        } else {
            self.on_message_6(&mut p1, head, body, bytes)
        };
        if done != Some(true) {
            self.ike.phase1 = Some(p1);
        }
    }

    fn next_message(&mut self, p1: &mut Phase1, port: u16, message: Vec<u8>) {
        p1.last = message.clone();
        p1.last_port = port;
        p1.repeat = Repeat::new(self.now, FIRST_PAUSE, TRIES);
        self.send_ike(port, &message);
    }

    fn on_message_2(&mut self, p1: &mut Phase1, head: &Header, body: &[u8]) -> Option<bool> {
        let payloads = chain(head.next, body).ok()?;
        let sa = SecurityAssociation::decode(find(&payloads, PayloadType::Sa)?).ok()?;
        let t = sa.proposals.first()?.transforms.first()?;
        let n = |kind: u16| {
            t.attribute(kind)
                .and_then(Attribute::as_u64)
                .and_then(|v| u16::try_from(v).ok())
        };
        let cipher = IkeCipher::from_ike(n(1)?, n(14))?;
        let (hash, group) = (Hash::from_ike(n(2)?)?, Group::from_ike(n(4)?)?);
        p1.agreed = Some((cipher, hash, group));
        p1.cky_r = head.responder.0;
        p1.natt = payloads
            .iter()
            .any(|p| p.kind == PayloadType::VendorId && p.body == vendor::NAT_T_RFC3947);
        self.say(format!("<- main mode 2: {cipher:?} {hash:?} {group:?}"));
        let pair = KeyPair::generate(group, &self.rng.array::<64>());
        p1.publics.0 = pair.public().to_vec();
        p1.pair = Some(pair);
        let mut out = vec![
            (PayloadType::KeyExchange, p1.publics.0.clone()),
            (PayloadType::Nonce, p1.nonce.clone()),
        ];
        if p1.natt {
            let cookies = (&p1.cky_i, &p1.cky_r);
            let server = SocketAddr::new(self.server, p1.last_port);
            let mut own = nat_hash(hash, cookies, SocketAddr::new(self.address, p1.last_port));
            if self.manner.pretends_nat {
                own = self.rng.bytes(own.len());
            }
            out.push((PayloadType::NatD, nat_hash(hash, cookies, server)));
            out.push((PayloadType::NatD, own));
        }
        let message = clear((p1.cky_i, p1.cky_r), &out);
        self.say(format!("-> main mode 3: {}", names(&out)));
        self.next_message(p1, p1.last_port, message);
        Some(false)
    }

    fn on_message_4(&mut self, p1: &mut Phase1, head: &Header, body: &[u8]) -> Option<bool> {
        let payloads = chain(head.next, body).ok()?;
        let public = find(&payloads, PayloadType::KeyExchange)?;
        let nonce = find(&payloads, PayloadType::Nonce)?;
        let (cipher, hash, _) = p1.agreed?;
        p1.publics.1 = public.to_vec();
        let gxy = p1.pair.as_ref()?.shared(public).ok()?;
        let mut keys = Keys::new(
            &self.manner.psk,
            (cipher, hash),
            (&p1.nonce, nonce),
            (&p1.cky_i, &p1.cky_r),
            gxy.expose(),
        );
        keys.iv = hash.digest(&[&p1.publics.0, &p1.publics.1]);
        keys.iv.truncate(cipher.block_len());
        if p1.natt {
            let d: Vec<&[u8]> = payloads
                .iter()
                .filter(|p| p.kind == PayloadType::NatD)
                .map(|p| p.body)
                .collect();
            let cookies = (&p1.cky_i, &p1.cky_r);
            let own = nat_hash(hash, cookies, SocketAddr::new(self.address, p1.last_port));
            let server = nat_hash(hash, cookies, SocketAddr::new(self.server, p1.last_port));
            p1.nat = self.manner.pretends_nat
                || d.first().is_none_or(|h| *h != own.as_slice())
                || !d.iter().skip(1).any(|h| *h == server.as_slice());
        }
        let found = if p1.nat { " (NAT found)" } else { "" };
        self.say(format!("<- main mode 4: {}{found}", super::words::raw_names(&payloads)));
        let (kind, data) = address_octets(self.address);
        let id = self.tampered(
            Layer::Payloads,
            Identification {
                kind,
                protocol: 17,
                port: 500,
                data,
            }
            .encode(),
        );
        let proof = hash.mac(
            &keys.skeyid,
            &[&p1.publics.0, &p1.publics.1, &p1.cky_i, &p1.cky_r, &p1.sa_body, &id],
        );
        let mut out = vec![(PayloadType::Identification, id), (PayloadType::Hash, proof)];
        if self.manner.initial_contact {
            let n = Notification {
                doi: 1,
                protocol: Protocol::Isakmp,
                spi: [p1.cky_i, p1.cky_r].concat(),
                kind: NotifyType::InitialContact,
                data: vec![],
            };
            out.push((PayloadType::Notification, n.encode()));
        }
        self.say(format!("-> main mode 5: {}", names(&out)));
        let (sealed, last) = keys.seal(encode_chain(&out), &keys.iv.clone());
        keys.iv = last;
        p1.keys = Some(keys);
        let message = header(
            (p1.cky_i, p1.cky_r),
            PayloadType::Identification,
            ExchangeType::MainMode,
            Flags::ENCRYPTION.0,
            0,
        )
        .encode(&sealed);
        let port = if p1.nat { 4500 } else { p1.last_port };
        self.next_message(p1, port, message);
        Some(false)
    }

    fn on_message_6(&mut self, p1: &mut Phase1, head: &Header, body: &[u8], bytes: &[u8]) -> Option<bool> {
        let keys = p1.keys.clone()?;
        let (plain, last_block) = keys.open(body, &keys.iv)?;
        let payloads = chain(head.next, &plain).ok()?;
        let id = find(&payloads, PayloadType::Identification)?;
        let proof = find(&payloads, PayloadType::Hash)?;
        let expected = keys.hash.mac(
            &keys.skeyid,
            &[&p1.publics.1, &p1.publics.0, &p1.cky_r, &p1.cky_i, &p1.sa_body, id],
        );
        if proof != expected.as_slice() {
            return None;
        }
        let identity = Identification::decode(id).ok()?;
        let dialled = address_octets(self.server).1 == identity.data;
        self.say(format!(
            "<- main mode 6: ID {}",
            if dialled {
                "is the address dialled"
            } else {
                "is another address"
            }
        ));
        let sa = Sa {
            cky_i: p1.cky_i,
            cky_r: p1.cky_r,
            keys,
            last_block,
            nat: p1.nat,
            last_reply: bytes.to_vec(),
        };
        let renewed = self.ike.sa.replace(sa).map(|old| self.ike.old.push(old)).is_some();
        if self.manner.renews {
            let life = Duration::from_secs(u64::from(self.manner.lives.0));
            self.ike.plan.0 = Some(self.now.after(life * 4 / 5));
        }
        if self.stage == Stage::Phase1 {
            self.stage = Stage::Phase2;
        }
        if p1.nat && self.keepalive.is_none() {
            self.keepalive = Some(self.now.after(Duration::from_secs(20)));
        }
        if renewed && self.manner.phase1_alone {
            self.delete_old_ike();
        } else {
            self.begin_quick_mode();
        }
        Some(true)
    }

    pub(super) fn begin_quick_mode(&mut self) {
        let spi = (self.rng.u64() as u32) | 0x1000;
        let id = (self.rng.u64() as u32) | 1;
        let pair = self
            .manner
            .pfs
            .and_then(Group::from_ike)
            .map(|g| (g, KeyPair::generate(g, &self.rng.array::<64>())));
        let nonce = self.rng.bytes(16);
        let Some(sa) = &self.ike.sa else { return };
        let mode = if sa.nat { 4 } else { 2 };
        let (pfs, life) = (self.manner.pfs, self.manner.lives.1);
        let transforms = self.manner.phase2.iter().enumerate().map(|(i, (id, bits, auth))| {
            let mut attributes = vec![short(1, 1), short(2, life), short(4, mode), short(5, *auth)];
            attributes.extend(bits.map(|b| short(6, b)));
            attributes.extend(pfs.map(|g| short(3, g)));
            Transform {
                number: i as u8 + 1,
                id: *id,
                attributes,
            }
        });
        let proposals = vec![Proposal {
            number: 1,
            protocol: Protocol::Esp,
            spi: spi.to_be_bytes().to_vec(),
            transforms: transforms.collect(),
        }];
        let mut payloads = vec![
            (
                PayloadType::Sa,
                SecurityAssociation {
                    doi: 1,
                    situation: 1,
                    proposals,
                }
                .encode(),
            ),
            (PayloadType::Nonce, nonce.clone()),
        ];
        payloads.extend(
            pair.as_ref()
                .map(|(_, p)| (PayloadType::KeyExchange, p.public().to_vec())),
        );
        let (kind, data) = address_octets(self.address);
        let (server_kind, server) = address_octets(self.server);
        let id_c = Identification {
            kind,
            protocol: 17,
            port: self.manner.l2tp_port,
            data: data.clone(),
        };
        let id_s = Identification {
            kind: server_kind,
            protocol: 17,
            port: 1701,
            data: server.clone(),
        };
        payloads.push((PayloadType::Identification, id_c.encode()));
        payloads.push((PayloadType::Identification, id_s.encode()));
        if sa.nat {
            payloads.push((PayloadType::NatOa, NatOa { kind, data }.encode()));
            payloads.push((
                PayloadType::NatOa,
                NatOa {
                    kind: server_kind,
                    data: server,
                }
                .encode(),
            ));
        }
        let rest = self.tampered(Layer::Payloads, encode_chain(&payloads));
        let Some(sa) = &self.ike.sa else { return };
        let proof = sa.keys.hash.mac(&sa.keys.a, &[&id.to_be_bytes(), &rest]);
        let (sealed, iv) = sa.keys.seal(
            hashed(PayloadType::Sa, &proof, &rest),
            &sa.keys.iv_for(&sa.last_block, id),
        );
        let message = header(
            (sa.cky_i, sa.cky_r),
            PayloadType::Hash,
            ExchangeType::QuickMode,
            Flags::ENCRYPTION.0,
            id,
        )
        .encode(&sealed);
        let repeat = Repeat::new(self.now, FIRST_PAUSE, TRIES);
        self.ike.quick = Some(Quick {
            id,
            spi,
            nonce,
            pair,
            iv,
            last: message.clone(),
            reply: None,
            repeat,
        });
        let port = self.ike_port();
        self.say(format!("-> quick mode 1: HASH {}", names(&payloads)));
        self.send_ike(port, &message);
    }

    fn on_quick_mode(&mut self, head: &Header, body: &[u8], bytes: &[u8]) {
        let port = self.ike_port();
        let Some(mut q) = self.ike.quick.take_if(|q| q.id == head.message_id) else {
            self.on_asked(head, body, bytes);
            return;
        };
        if let Some((seen, answer)) = &q.reply {
            // Message 2 once more: message 3 was lost.
            if seen == body {
                let answer = answer.clone();
                self.send_ike(port, &answer);
            }
            self.ike.quick = Some(q);
            return;
        }
        if let Some(answer) = self.on_quick_2(&mut q, head, body) {
            q.reply = Some((body.to_vec(), answer.clone()));
            self.say("-> quick mode 3: HASH");
            self.send_ike(port, &answer);
            self.ike.quick = Some(q);
            self.after_quick();
            return;
        }
        self.ike.quick = Some(q);
    }

    fn on_quick_2(&mut self, q: &mut Quick, head: &Header, body: &[u8]) -> Option<Vec<u8>> {
        let sa = self.ike.sa.as_ref()?;
        let (plain, iv) = sa.keys.open(body, &q.iv)?;
        let payloads = chain(head.next, &plain).ok()?;
        let first = payloads.first().filter(|p| p.kind == PayloadType::Hash)?;
        let rest = plain.get(first.end..payloads.last()?.end)?;
        let id = q.id.to_be_bytes();
        if first.body != sa.keys.hash.mac(&sa.keys.a, &[&id, &q.nonce, rest]).as_slice() {
            return None;
        }
        let answer = SecurityAssociation::decode(find(&payloads, PayloadType::Sa)?).ok()?;
        let nonce = find(&payloads, PayloadType::Nonce)?;
        let proposal = answer.proposals.first()?;
        let t = proposal.transforms.first()?;
        let n = |kind: u16| {
            t.attribute(kind)
                .and_then(Attribute::as_u64)
                .and_then(|v| u16::try_from(v).ok())
        };
        let suite = Suite::from_ike(t.id, n(6), n(5))?;
        let outbound = u32::from_be_bytes(proposal.spi.as_slice().try_into().ok()?);
        let gxy = match &q.pair {
            Some((_, pair)) => pair
                .shared(find(&payloads, PayloadType::KeyExchange)?)
                .ok()?
                .expose()
                .clone(),
            None => vec![],
        };
        let len = suite.key_material_len();
        let nonces = (q.nonce.as_slice(), nonce);
        let keys_in = sa.keys.keymat(&gxy, q.spi, nonces, len);
        let keys_out = sa.keys.keymat(&gxy, outbound, nonces, len);
        let udp = matches!(n(4)?, 4 | 61444);
        let proof = sa.keys.hash.mac(&sa.keys.a, &[&[0], &id, &q.nonce, nonce]);
        let (sealed, _) = sa.keys.seal(encode_chain(&[(PayloadType::Hash, proof)]), &iv);
        let message = header(
            (sa.cky_i, sa.cky_r),
            PayloadType::Hash,
            ExchangeType::QuickMode,
            Flags::ENCRYPTION.0,
            q.id,
        )
        .encode(&sealed);
        self.esp.install(q.spi, outbound, suite, (&keys_in, &keys_out), udp);
        let words = super::words::raw_names(&payloads);
        let in_udp = if udp { " in UDP" } else { "" };
        self.say(format!(
            "<- quick mode 2: {words} ({:?} {:?}{in_udp})",
            suite.cipher, suite.auth
        ));
        Some(message)
    }

    /// Notes when the newest pair is to be renewed.
    fn plan_esp(&mut self) {
        if self.manner.renews {
            let life = Duration::from_secs(u64::from(self.manner.lives.1));
            self.ike.plan.1 = Some(self.now.after(life * 4 / 5));
        }
    }

    /// Renews what is due, if nothing of the kind runs.
    fn renew(&mut self) {
        let now = self.now;
        if self.ike.plan.0.take_if(|due| now >= *due).is_some() && self.ike.phase1.is_none() {
            self.begin_main_mode();
        }
        if self.ike.plan.1.take_if(|due| now >= *due).is_some() {
            self.renew_esp();
        }
    }

    /// A new pair; under a new phase 1 if there is none.
    pub(super) fn renew_esp(&mut self) {
        if self.ike.sa.is_some() {
            self.begin_quick_mode();
        } else if self.ike.phase1.is_none() {
            self.begin_main_mode();
        }
    }

    fn after_quick(&mut self) {
        self.plan_esp();
        if self.esp.pairs() > 1 && self.manner.deletes_old {
            let old = self.esp.forget_old();
            self.delete(Protocol::Esp, old.iter().map(|s| s.to_be_bytes().to_vec()).collect());
        }
        self.delete_old_ike();
        if self.stage == Stage::Phase2 {
            self.begin_l2tp();
        }
    }

    /// Deletes older ISAKMP SAs, each within itself.
    fn delete_old_ike(&mut self) {
        for old in core::mem::take(&mut self.ike.old) {
            let spi = [old.cky_i, old.cky_r].concat();
            let new = self.ike.sa.replace(old);
            self.delete(Protocol::Isakmp, vec![spi]);
            self.ike.sa = new;
        }
    }

    /// Deletes the ISAKMP SA and keeps the ESP SAs, as a client does whose phase 1 has run out.
    pub fn delete_ike(&mut self, now: Instant) {
        self.now = now;
        let Some(spi) = self.ike.sa.as_ref().map(|sa| [sa.cky_i, sa.cky_r].concat()) else {
            return;
        };
        self.delete(Protocol::Isakmp, vec![spi]);
        self.ike.sa = None;
    }

    /// A Delete within the SA that is current.
    pub(super) fn delete(&mut self, protocol: Protocol, spis: Vec<Vec<u8>>) {
        let id = (self.rng.u64() as u32) | 1;
        let body = Delete { doi: 1, protocol, spis }.encode();
        self.say(format!("-> delete {protocol:?}"));
        self.send_informational(id, PayloadType::Delete, body);
    }

    fn send_informational(&mut self, id: u32, kind: PayloadType, body: Vec<u8>) {
        let port = self.ike_port();
        let rest = self.tampered(Layer::Payloads, encode_chain(&[(kind, body)]));
        let Some(sa) = &self.ike.sa else { return };
        let proof = sa.keys.hash.mac(&sa.keys.a, &[&id.to_be_bytes(), &rest]);
        let (sealed, _) = sa
            .keys
            .seal(hashed(kind, &proof, &rest), &sa.keys.iv_for(&sa.last_block, id));
        let message = header(
            (sa.cky_i, sa.cky_r),
            PayloadType::Hash,
            ExchangeType::Informational,
            Flags::ENCRYPTION.0,
            id,
        )
        .encode(&sealed);
        self.send_ike(port, &message);
    }

    /// Asks whether the server is there (RFC 3706).
    pub fn probe(&mut self, sequence: u32, now: Instant) {
        self.now = now;
        let Some(sa) = &self.ike.sa else { return };
        let n = Notification {
            doi: 1,
            protocol: Protocol::Isakmp,
            spi: [sa.cky_i, sa.cky_r].concat(),
            kind: NotifyType::RUThere,
            data: sequence.to_be_bytes().to_vec(),
        };
        let id = (self.rng.u64() as u32) | 1;
        self.say("-> R-U-THERE");
        self.send_informational(id, PayloadType::Notification, n.encode());
    }

    pub(super) fn delete_all(&mut self) {
        let spis = self
            .esp
            .inbound_spis()
            .iter()
            .map(|s| s.to_be_bytes().to_vec())
            .collect();
        self.delete(Protocol::Esp, spis);
        if let Some(sa) = &self.ike.sa {
            let spi = [sa.cky_i, sa.cky_r].concat();
            self.delete(Protocol::Isakmp, vec![spi]);
        }
        self.esp.clear();
        self.ike = Ike::default();
        self.keepalive = None;
    }

    fn on_informational(&mut self, head: &Header, body: &[u8]) {
        if !head.flags.has(Flags::ENCRYPTION) {
            let told = chain(head.next, body)
                .ok()
                .and_then(|c| find(&c, PayloadType::Notification).and_then(|b| Notification::decode(b).ok()));
            if let Some(n) = told {
                self.say(format!("<- notify in the clear {:?}", n.kind));
                if n.kind == NotifyType::NoProposalChosen && self.stage == Stage::Phase1 {
                    self.ike.phase1 = None;
                    self.end("no proposal chosen");
                }
            }
            return;
        }
        let name = (head.initiator.0, head.responder.0);
        let Some(sa) = self.ike.sa.as_ref().filter(|s| (s.cky_i, s.cky_r) == name) else {
            return;
        };
        let Some((plain, _)) = sa.keys.open(body, &sa.keys.iv_for(&sa.last_block, head.message_id)) else {
            return;
        };
        let Ok(payloads) = chain(head.next, &plain) else { return };
        let Some(first) = payloads.first().filter(|p| p.kind == PayloadType::Hash) else {
            return;
        };
        let Some(rest) = payloads.last().and_then(|l| plain.get(first.end..l.end)) else {
            return;
        };
        if first.body
            != sa
                .keys
                .hash
                .mac(&sa.keys.a, &[&head.message_id.to_be_bytes(), rest])
                .as_slice()
        {
            return;
        }
        let sa_reply = sa.last_reply.len();
        debug_assert!(sa_reply > 0, "message 6 was kept");
        for p in &payloads {
            if p.kind == PayloadType::Delete {
                if let Ok(d) = Delete::decode(p.body) {
                    self.on_delete(&d);
                }
            } else if p.kind == PayloadType::Notification {
                if let Ok(n) = Notification::decode(p.body) {
                    self.on_notification(&n);
                }
            }
        }
    }

    fn on_delete(&mut self, d: &Delete) {
        self.say(format!("<- delete {:?}", d.protocol));
        match d.protocol {
            Protocol::Esp => {
                for spi in d
                    .spis
                    .iter()
                    .filter_map(|s| s.as_slice().try_into().ok().map(u32::from_be_bytes))
                {
                    self.esp.deleted(spi);
                }
                let waits = self.ike.quick.as_ref().is_some_and(|q| q.reply.is_none()) || self.ike.phase1.is_some();
                if self.esp.pairs() == 0 && self.stage == Stage::Up && self.manner.renews && !waits {
                    self.renew_esp();
                }
            }
            Protocol::Isakmp => {
                let current = self.ike.sa.as_ref().map(|sa| [sa.cky_i, sa.cky_r].concat());
                if current.is_some_and(|spi| d.spis.contains(&spi)) {
                    self.ike.sa = None;
                    self.end("the server deleted the ISAKMP SA");
                }
            }
            Protocol::Ah | Protocol::IpComp | Protocol::Unknown(_) => {}
        }
    }

    fn on_notification(&mut self, n: &Notification) {
        self.say(format!("<- notify {:?}", n.kind));
        let quick_refused = matches!(n.kind, NotifyType::NoProposalChosen | NotifyType::InvalidIdInformation);
        if quick_refused && self.stage == Stage::Phase2 {
            self.ike.quick = None;
            self.end("quick mode was refused");
        }
        if n.kind == NotifyType::RUThere {
            let id = (self.rng.u64() as u32) | 1;
            let answer = Notification {
                kind: NotifyType::RUThereAck,
                ..n.clone()
            };
            self.send_informational(id, PayloadType::Notification, answer.encode());
        }
    }

    pub(super) fn ike_timeout(&mut self) {
        let now = self.now;
        self.renew();
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

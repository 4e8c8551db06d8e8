//! The client as a responder: a server that renews what the client has let run out starts these exchanges.

use super::{Keys, Natt, Peer, Repeat, Sa, address_octets, clear, find, hashed, header, nat_hash};
use crate::peer::Stage;
use crate::peer::words::raw_names;
use core::net::SocketAddr;
use core::time::Duration;
use crypto::esp::Suite;
use crypto::{Group, Hash, IkeCipher};
use engine::time::Instant;
use wire::isakmp::{
    Attribute, ExchangeType, Flags, Header, Identification, PayloadType, Proposal, SecurityAssociation, Transform,
    chain, encode_chain, vendor,
};

/// A Main Mode that the server has started.
pub(super) struct Called {
    cky_i: [u8; 8],
    cky_r: [u8; 8],
    sa_body: Vec<u8>,
    suite: (IkeCipher, Hash, Group),
    natt: bool,
    publics: (Vec<u8>, Vec<u8>),
    keys: Option<Keys>,
    nat: bool,
    request: Vec<u8>,
    reply: Vec<u8>,
}

/// A pair of SAs that waits for message 3.
struct Agreed {
    inbound: u32,
    outbound: u32,
    suite: Suite,
    keys: (Vec<u8>, Vec<u8>),
    udp: bool,
}

/// A Quick Mode that the server has started; message 2 is repeated until message 3 comes.
pub(super) struct Answer {
    cookies: ([u8; 8], [u8; 8]),
    id: u32,
    nonces: (Vec<u8>, Vec<u8>),
    iv: Vec<u8>,
    request: Vec<u8>,
    reply: Vec<u8>,
    pair: Option<Agreed>,
    repeat: Repeat,
}

impl Answer {
    pub(super) fn due(&self) -> Option<Instant> {
        self.pair.is_some().then_some(self.repeat.due)
    }
}

fn number(t: &Transform, kind: u16) -> Option<u16> {
    t.attribute(kind).and_then(Attribute::as_u64).and_then(|v| u16::try_from(v).ok())
}

/// The offer cut down to its first proposal and transform; the SPI replaced.
fn first_of(offer: &SecurityAssociation, spi: &[u8]) -> Option<SecurityAssociation> {
    let p = offer.proposals.first()?;
    let transforms = vec![p.transforms.first()?.clone()];
    let proposals = vec![Proposal { number: p.number, protocol: p.protocol, spi: spi.to_vec(), transforms }];
    Some(SecurityAssociation { doi: offer.doi, situation: offer.situation, proposals })
}

impl Peer {
    /// A message of a Main Mode that the client has not started; answers to where it came to.
    pub(super) fn on_called(&mut self, head: &Header, body: &[u8], bytes: &[u8], port: u16) {
        if !self.manner.answers || self.stage != Stage::Up {
            return;
        }
        if let Some(called) = self.ike.called.as_ref().filter(|c| c.request == bytes) {
            let reply = called.reply.clone();
            self.send_ike(port, &reply);
            return;
        }
        let reply = if head.responder.is_zero() {
            self.called_1(head, body)
        } else {
            let Some(called) = self.ike.called.take_if(|c| c.cky_i == head.initiator.0 && c.cky_r == head.responder.0)
            else {
                return;
            };
            if called.keys.is_none() {
                self.called_3(called, head, body, port)
            } else {
                self.called_5(called, head, body)
            }
        };
        if let (Some(reply), Some(called)) = (reply, &mut self.ike.called) {
            called.request = bytes.to_vec();
            called.reply = reply.clone();
            self.send_ike(port, &reply);
        }
    }

    fn called_1(&mut self, head: &Header, body: &[u8]) -> Option<Vec<u8>> {
        let payloads = chain(head.next, body).ok()?;
        self.say(format!("<- main mode 1: {} (the server's own)", raw_names(&payloads)));
        let sa_body = find(&payloads, PayloadType::Sa)?.to_vec();
        let answer = first_of(&SecurityAssociation::decode(&sa_body).ok()?, &[])?;
        let t = answer.proposals.first()?.transforms.first()?;
        let cipher = IkeCipher::from_ike(number(t, 1)?, number(t, 14))?;
        let suite = (cipher, Hash::from_ike(number(t, 2)?)?, Group::from_ike(number(t, 4)?)?);
        let natt = payloads.iter().any(|p| p.kind == PayloadType::VendorId && p.body == vendor::NAT_T_RFC3947);
        let cky_r = self.rng.array::<8>();
        let mut out = vec![(PayloadType::Sa, answer.encode()), (PayloadType::VendorId, vendor::DPD.to_vec())];
        if natt {
            out.push((PayloadType::VendorId, vendor::NAT_T_RFC3947.to_vec()));
        }
        self.ike.called = Some(Called {
            cky_i: head.initiator.0,
            cky_r,
            sa_body,
            suite,
            natt,
            publics: (vec![], vec![]),
            keys: None,
            nat: false,
            request: vec![],
            reply: vec![],
        });
        Some(clear((head.initiator.0, cky_r), &out))
    }

    fn called_3(&mut self, mut c: Called, head: &Header, body: &[u8], port: u16) -> Option<Vec<u8>> {
        let payloads = chain(head.next, body).ok()?;
        let public = find(&payloads, PayloadType::KeyExchange)?;
        let nonce = find(&payloads, PayloadType::Nonce)?;
        let (cipher, hash, group) = c.suite;
        let pair = crate::pairs::pair(group, &self.rng.array::<64>());
        let ours = self.rng.bytes(20);
        let shared = pair.shared(public).ok()?;
        c.publics = (public.to_vec(), pair.public().to_vec());
        let cookies = (&c.cky_i, &c.cky_r);
        let mut keys =
            Keys::new(&self.manner.psk, (cipher, hash), (nonce, &ours), (cookies.0, cookies.1), shared.expose());
        keys.iv = hash.digest(&[&c.publics.0, &c.publics.1]);
        keys.iv.truncate(cipher.block_len());
        c.keys = Some(keys);
        let mut out = vec![(PayloadType::KeyExchange, c.publics.1.clone()), (PayloadType::Nonce, ours)];
        if c.natt {
            let d: Vec<&[u8]> = payloads.iter().filter(|p| p.kind == PayloadType::NatD).map(|p| p.body).collect();
            let own = nat_hash(hash, cookies, SocketAddr::new(self.address, port));
            let server = nat_hash(hash, cookies, SocketAddr::new(self.server, port));
            c.nat = self.manner.pretends_nat
                || d.first().is_none_or(|h| *h != own.as_slice())
                || !d.iter().skip(1).any(|h| *h == server.as_slice());
            out.push((PayloadType::NatD, server));
            out.push((PayloadType::NatD, if self.manner.pretends_nat { self.rng.bytes(own.len()) } else { own }));
        }
        let message = clear((c.cky_i, c.cky_r), &out);
        self.ike.called = Some(c);
        Some(message)
    }

    fn called_5(&mut self, mut c: Called, head: &Header, body: &[u8]) -> Option<Vec<u8>> {
        let mut keys = c.keys.clone()?;
        let (plain, iv) = keys.open(body, &keys.iv)?;
        let payloads = chain(head.next, &plain).ok()?;
        let (id, proof) = (find(&payloads, PayloadType::Identification)?, find(&payloads, PayloadType::Hash)?);
        let (i, r) = (&c.publics.0, &c.publics.1);
        if proof != keys.hash.mac(&keys.skeyid, &[i, r, &c.cky_i, &c.cky_r, &c.sa_body, id]).as_slice() {
            return None;
        }
        let (kind, data) = address_octets(self.address);
        let own = Identification { kind, protocol: 17, port: 500, data }.encode();
        let proof = keys.hash.mac(&keys.skeyid, &[r, i, &c.cky_r, &c.cky_i, &c.sa_body, &own]);
        let chain = encode_chain(&[(PayloadType::Identification, own), (PayloadType::Hash, proof)]);
        let (sealed, last_block) = keys.seal(chain, &iv);
        keys.iv.clone_from(&last_block);
        let cookies = (c.cky_i, c.cky_r);
        let reply = header(cookies, PayloadType::Identification, ExchangeType::MainMode, Flags::ENCRYPTION.0, 0)
            .encode(&sealed);
        self.say("-> main mode 6: the server has renewed phase 1");
        let sa = Sa {
            cky_i: c.cky_i,
            cky_r: c.cky_r,
            keys,
            last_block,
            nat: c.nat,
            natt: Natt::choose(&[&vendor::NAT_T_RFC3947]),
            last_reply: reply.clone(),
            next_id: 1,
            ends: self.now.after(Duration::from_secs(u64::from(self.manner.lives.0))),
        };
        if let Some(old) = self.ike.sa.replace(sa) {
            self.ike.old.push(old);
        }
        c.request.clear();
        self.ike.called = Some(c);
        Some(reply)
    }

    /// A message of a Quick Mode that the client has not started.
    pub(super) fn on_asked(&mut self, head: &Header, body: &[u8], bytes: &[u8]) {
        if !self.manner.answers {
            return;
        }
        let port = self.ike_port();
        match self.ike.answer.take_if(|a| a.id == head.message_id) {
            Some(a) if a.request == bytes => {
                let reply = a.reply.clone();
                self.ike.answer = Some(a);
                self.send_ike(port, &reply);
            }
            Some(mut a) => {
                self.asked_3(&mut a, head, body);
                self.ike.answer = Some(a);
            }
            None => {
                if let Some(a) = self.asked_1(head, body, bytes) {
                    let reply = a.reply.clone();
                    if self.manner.sends_before_message_2 {
                        // The message leaves when it would be repeated.
                        self.take_into_use(&a);
                        self.ike.answer = Some(a);
                        return;
                    }
                    self.ike.answer = Some(a);
                    self.send_ike(port, &reply);
                }
            }
        }
    }

    fn asked_1(&mut self, head: &Header, body: &[u8], bytes: &[u8]) -> Option<Answer> {
        let cookies = (head.initiator.0, head.responder.0);
        let id = head.message_id;
        let spi = (self.rng.u64() as u32) | 0x1000;
        let (entropy, ours) = (self.rng.array::<64>(), self.rng.bytes(16));
        let sa = self.ike.sa.iter().chain(&self.ike.old).find(|s| (s.cky_i, s.cky_r) == cookies)?;
        let (plain, iv) = sa.keys.open(body, &sa.keys.iv_for(&sa.last_block, id))?;
        let payloads = chain(head.next, &plain).ok()?;
        let first = payloads.first().filter(|p| p.kind == PayloadType::Hash)?;
        let rest = plain.get(first.end..payloads.last()?.end)?;
        if first.body != sa.keys.hash.mac(&sa.keys.a, &[&id.to_be_bytes(), rest]).as_slice() {
            return None;
        }
        let offer = SecurityAssociation::decode(find(&payloads, PayloadType::Sa)?).ok()?;
        let answer = first_of(&offer, &spi.to_be_bytes())?;
        let outbound = u32::from_be_bytes(offer.proposals.first()?.spi.as_slice().try_into().ok()?);
        let t = answer.proposals.first()?.transforms.first()?.clone();
        let suite = self.esp_suite(Suite::from_ike(t.id, number(&t, 6), number(&t, 5))?);
        let nonce = find(&payloads, PayloadType::Nonce)?.to_vec();
        let mut out = vec![(PayloadType::Sa, answer.encode()), (PayloadType::Nonce, ours.clone())];
        let mut gxy = vec![];
        if let (Some(group), Some(public)) = (number(&t, 3), find(&payloads, PayloadType::KeyExchange)) {
            let pair = crate::pairs::pair(Group::from_ike(group)?, &entropy);
            gxy.clone_from(pair.shared(public).ok()?.expose());
            out.push((PayloadType::KeyExchange, pair.public().to_vec()));
        }
        let ids = payloads.iter().filter(|p| p.kind == PayloadType::Identification);
        out.extend(ids.map(|p| (p.kind, p.body.to_vec())));
        let rest = encode_chain(&out);
        let proof = sa.keys.hash.mac(&sa.keys.a, &[&id.to_be_bytes(), &nonce, &rest]);
        let (sealed, iv) = sa.keys.seal(hashed(PayloadType::Sa, &proof, &rest), &iv);
        let len = suite.key_material_len();
        let nonces = (nonce.as_slice(), ours.as_slice());
        let keys_in = sa.keys.keymat(&gxy, spi, nonces, len);
        let keys_out = sa.keys.keymat(&gxy, outbound, nonces, len);
        let reply =
            header(cookies, PayloadType::Hash, ExchangeType::QuickMode, Flags::ENCRYPTION.0, id).encode(&sealed);
        let udp = matches!(number(&t, 4)?, 4 | 61444);
        self.say(format!("<- quick mode 1: {} (the server's own)", raw_names(&payloads)));
        Some(Answer {
            cookies,
            id,
            nonces: (nonce, ours),
            iv,
            request: bytes.to_vec(),
            reply,
            pair: Some(Agreed { inbound: spi, outbound, suite, keys: (keys_in, keys_out), udp }),
            repeat: Repeat::new(self.now, self.manner.ike_schedule),
        })
    }

    fn asked_3(&mut self, a: &mut Answer, head: &Header, body: &[u8]) {
        let cookies = a.cookies;
        let Some(sa) = self.ike.sa.iter().chain(&self.ike.old).find(|s| (s.cky_i, s.cky_r) == cookies) else {
            return;
        };
        let Some((plain, _)) = sa.keys.open(body, &a.iv) else {
            return;
        };
        let Ok(payloads) = chain(head.next, &plain) else { return };
        let expected = sa.keys.hash.mac(&sa.keys.a, &[&[0], &a.id.to_be_bytes(), &a.nonces.0, &a.nonces.1]);
        if find(&payloads, PayloadType::Hash) != Some(expected.as_slice()) {
            return;
        }
        if a.pair.is_none() {
            return;
        }
        self.say("<- quick mode 3: the server has renewed phase 2");
        if !self.manner.sends_before_message_2 {
            self.take_into_use(a);
        }
        a.pair = None;
        self.plan_esp();
    }

    fn take_into_use(&mut self, a: &Answer) {
        if let Some(Agreed { inbound, outbound, suite, keys, udp }) = &a.pair {
            self.esp.install(*inbound, *outbound, *suite, (&keys.0, &keys.1), *udp);
        }
    }

    pub(super) fn answer_timeout(&mut self) {
        let now = self.now;
        let Some(answer) = self.ike.answer.as_mut().filter(|a| a.pair.is_some()) else {
            return;
        };
        match answer.repeat.fire(now) {
            Some(true) => {
                let reply = answer.reply.clone();
                let port = self.ike_port();
                self.send_ike(port, &reply);
            }
            Some(false) => {}
            None => self.ike.answer = None,
        }
    }
}

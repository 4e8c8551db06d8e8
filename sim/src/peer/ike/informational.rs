//! Informational exchanges: Delete, notifications, dead peer detection.

use super::*;

impl Peer {
    /// An INITIAL-CONTACT of its own, as Android sends it.
    pub fn initial_contact(&mut self, now: Instant) {
        self.now = now;
        let Some(sa) = &self.ike.sa else { return };
        let spi = [sa.cky_i, sa.cky_r].concat();
        let kind = NotifyType::InitialContact;
        let n = Notification { doi: 1, protocol: Protocol::Isakmp, spi, kind, data: vec![] };
        let id = (self.rng.u64() as u32) | 1;
        self.say("-> INITIAL-CONTACT");
        self.send_informational(id, PayloadType::Notification, n.encode());
    }

    /// A notification of its own about the ISAKMP SA.
    pub fn notify(&mut self, kind: NotifyType, data: &[u8], now: Instant) {
        self.now = now;
        let Some(sa) = &self.ike.sa else { return };
        let spi = [sa.cky_i, sa.cky_r].concat();
        let n = Notification { doi: 1, protocol: Protocol::Isakmp, spi, kind, data: data.to_vec() };
        let id = (self.rng.u64() as u32) | 1;
        self.say(format!("-> notify {kind:?}"));
        self.send_informational(id, PayloadType::Notification, n.encode());
    }

    /// Deletes older ISAKMP SAs, each within itself.
    pub(super) fn delete_old_ike(&mut self) {
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
    pub(in crate::peer) fn delete(&mut self, protocol: Protocol, spis: Vec<Vec<u8>>) {
        let id = (self.rng.u64() as u32) | 1;
        let body = Delete { doi: 1, protocol, spis }.encode();
        self.say(format!("-> delete {protocol:?}"));
        self.send_informational(id, PayloadType::Delete, body);
    }

    pub(super) fn send_informational(&mut self, id: u32, kind: PayloadType, body: Vec<u8>) {
        let port = self.ike_port();
        let rest = self.tampered(Layer::Payloads, encode_chain(&[(kind, body)]));
        let random = self.filling();
        let Some(sa) = &self.ike.sa else { return };
        let proof = sa.keys.hash.mac(&sa.keys.a, &[&id.to_be_bytes(), &rest]);
        let mut plain = hashed(kind, &proof, &rest);
        if let Some(random) = &random {
            sa.keys.pad(&mut plain, random);
        }
        let (sealed, _) = sa.keys.seal(plain, &sa.keys.iv_for(&sa.last_block, id));
        let message =
            header((sa.cky_i, sa.cky_r), PayloadType::Hash, ExchangeType::Informational, Flags::ENCRYPTION.0, id)
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

    pub(in crate::peer) fn delete_all(&mut self) {
        let spis = self.esp.inbound_spis().iter().map(|s| s.to_be_bytes().to_vec()).collect();
        self.delete(Protocol::Esp, spis);
        if let Some(sa) = &self.ike.sa {
            let spi = [sa.cky_i, sa.cky_r].concat();
            self.delete(Protocol::Isakmp, vec![spi]);
        }
        self.esp.clear();
        self.ike = Ike::default();
        self.keepalive = None;
    }

    pub(super) fn on_informational(&mut self, head: &Header, body: &[u8]) {
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
        if first.body != sa.keys.hash.mac(&sa.keys.a, &[&head.message_id.to_be_bytes(), rest]).as_slice() {
            return;
        }
        let sa_reply = sa.last_reply.len();
        debug_assert!(sa_reply > 0, "message 6 was kept");
        for p in &payloads {
            if p.kind == PayloadType::Delete {
                if let Ok(d) = Delete::decode(p.body) {
                    self.on_delete(&d);
                }
            } else if p.kind == PayloadType::Notification
                && let Ok(n) = Notification::decode(p.body)
            {
                self.on_notification(&n);
            }
        }
    }

    pub(super) fn on_delete(&mut self, d: &Delete) {
        self.say(format!("<- delete {:?}", d.protocol));
        match d.protocol {
            Protocol::Esp => {
                for spi in d.spis.iter().filter_map(|s| s.as_slice().try_into().ok().map(u32::from_be_bytes)) {
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
                    // It does not go on acknowledging Hellos on older SAs.
                    self.give_up("the server deleted the ISAKMP SA");
                }
            }
            Protocol::Ah | Protocol::IpComp | Protocol::Unknown(_) => {}
        }
    }

    pub(super) fn on_notification(&mut self, n: &Notification) {
        self.say(format!("<- notify {:?}", n.kind));
        let quick_refused = matches!(n.kind, NotifyType::NoProposalChosen | NotifyType::InvalidIdInformation);
        if quick_refused && self.stage == Stage::Phase2 {
            self.ike.quick = None;
            self.end("quick mode was refused");
        }
        if n.kind == NotifyType::RUThere && self.manner.answers_probes {
            let id = (self.rng.u64() as u32) | 1;
            let answer = Notification { kind: NotifyType::RUThereAck, ..n.clone() };
            self.send_informational(id, PayloadType::Notification, answer.encode());
        }
    }
}

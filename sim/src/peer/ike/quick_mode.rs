//! Quick Mode as the initiator (RFC 2409 §5.5), and when it is due.

use super::*;

impl Peer {
    pub(in crate::peer) fn begin_quick_mode(&mut self) {
        let spi = (self.rng.u64() as u32) | 0x1000;
        let id = (self.rng.u64() as u32) | 1;
        let pair =
            self.manner.pfs.and_then(Group::from_ike).map(|g| (g, KeyPair::generate(g, &self.rng.array::<64>())));
        let nonce = self.rng.bytes(16);
        let Some(sa) = &self.ike.sa else { return };
        let mode = if sa.nat { 4 } else { 2 };
        let (pfs, life, kilobytes) = (self.manner.pfs, self.manner.lives.1, self.manner.kilobytes);
        let transforms = self.manner.phase2.iter().enumerate().map(|(i, (id, bits, auth))| {
            let mut attributes = vec![short(1, 1), short(2, life), short(4, mode), short(5, *auth)];
            attributes.extend(bits.map(|b| short(6, b)));
            attributes.extend(pfs.map(|g| short(3, g)));
            attributes.extend(kilobytes.iter().flat_map(|k| [short(1, 2), Attribute::long(2_u16, *k)]));
            Transform { number: i as u8 + 1, id: *id, attributes }
        });
        let proposals = vec![Proposal {
            number: 1,
            protocol: Protocol::Esp,
            spi: spi.to_be_bytes().to_vec(),
            transforms: transforms.collect(),
        }];
        let mut payloads = vec![
            (PayloadType::Sa, SecurityAssociation { doi: 1, situation: 1, proposals }.encode()),
            (PayloadType::Nonce, nonce.clone()),
        ];
        payloads.extend(pair.as_ref().map(|(_, p)| (PayloadType::KeyExchange, p.public().to_vec())));
        let (kind, data) = address_octets(self.address);
        let (server_kind, server) = address_octets(self.server);
        let id_c = Identification { kind, protocol: 17, port: self.manner.l2tp_port, data: data.clone() };
        let id_s = Identification { kind: server_kind, protocol: 17, port: 1701, data: server.clone() };
        payloads.push((PayloadType::Identification, id_c.encode()));
        payloads.push((PayloadType::Identification, id_s.encode()));
        if sa.nat {
            payloads.push((PayloadType::NatOa, NatOa { kind, data }.encode()));
            payloads.push((PayloadType::NatOa, NatOa { kind: server_kind, data: server }.encode()));
        }
        let rest = self.tampered(Layer::Payloads, encode_chain(&payloads));
        let Some(sa) = &self.ike.sa else { return };
        let proof = sa.keys.hash.mac(&sa.keys.a, &[&id.to_be_bytes(), &rest]);
        let (sealed, iv) = sa.keys.seal(hashed(PayloadType::Sa, &proof, &rest), &sa.keys.iv_for(&sa.last_block, id));
        let commit = if self.manner.commit { Flags::COMMIT.0 } else { 0 };
        let flags = Flags::ENCRYPTION.0 | commit;
        let message =
            header((sa.cky_i, sa.cky_r), PayloadType::Hash, ExchangeType::QuickMode, flags, id).encode(&sealed);
        let repeat = Repeat::new(self.now, FIRST_PAUSE, TRIES);
        self.ike.quick = Some(Quick { id, spi, nonce, pair, iv, last: message.clone(), reply: None, repeat });
        let port = self.ike_port();
        self.say(format!("-> quick mode 1: HASH {}", names(&payloads)));
        self.send_ike(port, &message);
    }

    pub(super) fn on_quick_mode(&mut self, head: &Header, body: &[u8], bytes: &[u8]) {
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

    pub(super) fn on_quick_2(&mut self, q: &mut Quick, head: &Header, body: &[u8]) -> Option<Vec<u8>> {
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
        let n = |kind: u16| t.attribute(kind).and_then(Attribute::as_u64).and_then(|v| u16::try_from(v).ok());
        let suite = self.esp_suite(Suite::from_ike(t.id, n(6), n(5))?);
        let outbound = u32::from_be_bytes(proposal.spi.as_slice().try_into().ok()?);
        let gxy = match &q.pair {
            Some((_, pair)) => pair.shared(find(&payloads, PayloadType::KeyExchange)?).ok()?.expose().clone(),
            None => vec![],
        };
        let len = suite.key_material_len();
        let nonces = (q.nonce.as_slice(), nonce);
        let keys_in = sa.keys.keymat(&gxy, q.spi, nonces, len);
        let keys_out = sa.keys.keymat(&gxy, outbound, nonces, len);
        let udp = matches!(n(4)?, 4 | 61444);
        let proof = sa.keys.hash.mac(&sa.keys.a, &[&[0], &id, &q.nonce, nonce]);
        let (sealed, _) = sa.keys.seal(encode_chain(&[(PayloadType::Hash, proof)]), &iv);
        let message =
            header((sa.cky_i, sa.cky_r), PayloadType::Hash, ExchangeType::QuickMode, Flags::ENCRYPTION.0, q.id)
                .encode(&sealed);
        self.esp.install(q.spi, outbound, suite, (&keys_in, &keys_out), udp);
        for n in payloads.iter().filter(|p| p.kind == PayloadType::Notification) {
            if let Ok(n) = Notification::decode(n.body) {
                self.on_notification(&n);
            }
        }
        let words = crate::peer::words::raw_names(&payloads);
        let in_udp = if udp { " in UDP" } else { "" };
        self.say(format!("<- quick mode 2: {words} ({:?} {:?}{in_udp})", suite.cipher, suite.auth));
        Some(message)
    }

    /// The suite as its kernel has it.
    pub(super) fn esp_suite(&self, agreed: Suite) -> Suite {
        agreed.shortened().filter(|_| self.manner.short_icv).unwrap_or(agreed)
    }

    /// Notes when the newest pair is to be renewed.
    pub(super) fn plan_esp(&mut self) {
        if self.manner.renews {
            let life = Duration::from_secs(u64::from(self.manner.lives.1));
            self.ike.plan.1 = Some(self.now.after(life * 4 / 5));
        }
    }

    /// Renews what is due, if nothing of the kind runs.
    pub(super) fn renew(&mut self) {
        let now = self.now;
        if self.ike.plan.0.take_if(|due| now >= *due).is_some() && self.ike.phase1.is_none() {
            self.begin_main_mode();
        }
        if self.ike.plan.1.take_if(|due| now >= *due).is_some() {
            self.renew_esp();
        }
    }

    /// A new pair; under a new phase 1 if there is none.
    pub(in crate::peer) fn renew_esp(&mut self) {
        if self.ike.sa.is_some() {
            self.begin_quick_mode();
        } else if self.ike.phase1.is_none() {
            self.begin_main_mode();
        }
    }

    pub(super) fn after_quick(&mut self) {
        self.plan_esp();
        if self.esp.pairs() > 1 && self.manner.deletes_old {
            let old = self.esp.forget_old();
            self.delete(Protocol::Esp, old.iter().map(|s| s.to_be_bytes().to_vec()).collect());
        }
        self.delete_old_ike();
        if self.stage == Stage::Phase2 && !self.manner.stops_at_esp {
            self.begin_l2tp();
        }
    }
}

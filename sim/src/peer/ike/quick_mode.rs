//! Quick Mode as the initiator (RFC 2409 §5.5), and when it is due.

use super::*;

impl Peer {
    pub(in crate::peer) fn begin_quick_mode(&mut self) {
        let first = (self.rng.u64() as u32) | 0x1000;
        let random = (self.rng.u64() as u32) | 1;
        let pair =
            self.manner.pfs.and_then(Group::from_ike).map(|g| (g, crate::pairs::pair(g, &self.rng.array::<64>())));
        let nonce = self.rng.bytes(self.manner.nonces.1);
        let Some(sa) = &mut self.ike.sa else { return };
        let id = if self.manner.counts_message_ids { sa.next_id } else { random };
        sa.next_id += 1;
        let natt = sa.natt.filter(|_| sa.nat);
        let mut offer = self.manner.second_offer(natt.map_or(2, |n| n.mode));
        for (n, proposal) in (0..).zip(&mut offer.proposals) {
            proposal.spi = first.wrapping_add(n).to_be_bytes().to_vec();
        }
        let mut payloads = vec![(PayloadType::Sa, offer.encode()), (PayloadType::Nonce, nonce.clone())];
        payloads.extend(pair.as_ref().map(|(_, p)| (PayloadType::KeyExchange, p.public().to_vec())));
        let (kind, data) = address_octets(self.address);
        let (server_kind, server) = address_octets(self.server);
        let port = self.manner.quick_port.unwrap_or(self.manner.l2tp_port);
        let id_c = Identification { kind, protocol: 17, port, data: data.clone() };
        let id_s = Identification { kind: server_kind, protocol: 17, port: 1701, data: server.clone() };
        payloads.push((PayloadType::Identification, id_c.encode()));
        payloads.push((PayloadType::Identification, id_s.encode()));
        if let Some(Natt { nat_oa, .. }) = natt {
            let mut own = NatOa { kind, data }.encode();
            if self.manner.dirty_nat_oa {
                own[1..4].copy_from_slice(&[0x5a, 0xa5, 0xff]);
            }
            payloads.push((nat_oa, own));
            if !self.manner.one_nat_oa {
                payloads.push((nat_oa, NatOa { kind: server_kind, data: server }.encode()));
            }
        }
        let random = self.filling();
        let rest = self.tampered(Layer::Payloads, encode_chain(&payloads));
        let Some(sa) = &self.ike.sa else { return };
        let proof = sa.keys.hash.mac(&sa.keys.a, &[&id.to_be_bytes(), &rest]);
        let mut plain = hashed(PayloadType::Sa, &proof, &rest);
        if let Some(random) = &random {
            sa.keys.pad(&mut plain, random);
        }
        let (sealed, iv) = sa.keys.seal(plain, &sa.keys.iv_for(&sa.last_block, id));
        let commit = if self.manner.commit { Flags::COMMIT.0 } else { 0 };
        let flags = Flags::ENCRYPTION.0 | commit;
        let message =
            header((sa.cky_i, sa.cky_r), PayloadType::Hash, ExchangeType::QuickMode, flags, id).encode(&sealed);
        let repeat = Repeat::new(self.now, self.manner.ike_schedule);
        self.ike.quick = Some(Quick { id, offer, nonce, pair, iv, last: message.clone(), reply: None, repeat });
        let port = self.ike_port();
        self.say(format!("-> quick mode 1: HASH {}", names(&payloads)));
        self.send_ike(port, &message);
    }

    pub(super) fn on_quick_mode(&mut self, head: &Header, body: &[u8], bytes: &[u8]) {
        let port = self.ike_port();
        // Message 2 once more: message 3 was lost.
        let again = |q: &&Quick| q.id == head.message_id && q.reply.as_ref().is_some_and(|(seen, _)| seen == body);
        if let Some(q) = self.ike.done.iter().find(again) {
            let answer = q.reply.as_ref().map(|(_, answer)| answer.clone()).unwrap_or_default();
            self.send_ike(port, &answer);
            return;
        }
        let Some(mut q) = self.ike.quick.take_if(|q| q.id == head.message_id) else {
            self.on_asked(head, body, bytes);
            return;
        };
        if let Some(answer) = self.on_quick_2(&mut q, head, body) {
            q.reply = Some((body.to_vec(), answer.clone()));
            self.say("-> quick mode 3: HASH");
            self.send_ike(port, &answer);
            self.ike.done.push(q);
            if self.ike.done.len() > 4 {
                self.ike.done.remove(0);
            }
            self.after_quick();
            return;
        }
        self.ike.quick = Some(q);
    }

    pub(super) fn on_quick_2(&mut self, q: &mut Quick, head: &Header, body: &[u8]) -> Option<Vec<u8>> {
        let random = self.filling();
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
        let any_order = self.manner.any_order;
        let mut offers = q.offer.proposals.iter();
        let offered = offers.find(|p| p.number == proposal.number && was_offered(p, t, any_order));
        let Some(spi) = offered.and_then(|p| p.spi.as_slice().try_into().ok()).map(u32::from_be_bytes) else {
            self.say("<- quick mode 2 with a transform that was not offered so");
            return None;
        };
        let n = |kind: u16| t.attribute(kind).and_then(Attribute::as_u64).and_then(|v| u16::try_from(v).ok());
        let suite = self.esp_suite(Suite::from_ike(t.id, n(6), n(5))?);
        let outbound = u32::from_be_bytes(proposal.spi.as_slice().try_into().ok()?);
        let gxy = match &q.pair {
            Some((_, pair)) => pair.shared(find(&payloads, PayloadType::KeyExchange)?).ok()?.expose().clone(),
            None => vec![],
        };
        let len = suite.key_material_len();
        let nonces = (q.nonce.as_slice(), nonce);
        let keys_in = sa.keys.keymat(&gxy, spi, nonces, len);
        let keys_out = sa.keys.keymat(&gxy, outbound, nonces, len);
        let udp = matches!(n(4)?, 4 | 61444);
        let proof = sa.keys.hash.mac(&sa.keys.a, &[&[0], &id, &q.nonce, nonce]);
        let mut plain = encode_chain(&[(PayloadType::Hash, proof)]);
        if let Some(random) = &random {
            sa.keys.pad(&mut plain, random);
        }
        let (sealed, _) = sa.keys.seal(plain, &iv);
        let message =
            header((sa.cky_i, sa.cky_r), PayloadType::Hash, ExchangeType::QuickMode, Flags::ENCRYPTION.0, q.id)
                .encode(&sealed);
        self.esp.install(spi, outbound, suite, (&keys_in, &keys_out), udp);
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
            self.ike.plan.1 = Some(self.now.after(self.manner.renewal.1.unwrap_or(life * 4 / 5)));
        }
    }

    /// Renews what is due, if nothing of the kind runs.
    pub(super) fn renew(&mut self) {
        let now = self.now;
        // An ISAKMP SA that was not renewed goes by its age, without a word.
        self.ike.sa.take_if(|sa| !self.manner.renews_phase1 && now >= sa.ends);
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
            self.ike.delete.0 = Some(self.now.after(self.manner.keeps_old.0));
        }
        self.ike.delete.1 = Some(self.now.after(self.manner.keeps_old.1));
        self.delete_what_is_old();
        if self.stage == Stage::Phase2 && !self.manner.stops_at_esp {
            self.begin_l2tp();
            if self.manner.quick_twice {
                self.begin_quick_mode();
            }
        }
    }

    /// Deletes old pairs and old ISAKMP SAs whose time has come.
    pub(super) fn delete_what_is_old(&mut self) {
        let now = self.now;
        if self.ike.delete.0.take_if(|due| now >= *due).is_some() && self.esp.pairs() > 1 {
            let old = self.esp.forget_old();
            self.delete(Protocol::Esp, old.iter().map(|s| s.to_be_bytes().to_vec()).collect());
        }
        if self.ike.delete.1.take_if(|due| now >= *due).is_some() {
            self.delete_old_ike();
        }
    }

    /// Renews a pair that has carried as much as the client lets it.
    pub(in crate::peer) fn renew_what_is_used_up(&mut self) {
        let used_up = self.manner.renews_after_octets.is_some_and(|most| self.esp.carried() >= most);
        if used_up && self.stage == Stage::Up && self.ike.quick.is_none() && self.ike.phase1.is_none() {
            self.renew_esp();
        }
    }
}

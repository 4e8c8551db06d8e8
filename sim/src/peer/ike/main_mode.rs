//! Main Mode as the initiator (RFC 2409 §5.4).

use super::*;

fn is_natt(id: &[u8]) -> bool {
    let plain = [vendor::NAT_T_RFC3947, vendor::NAT_T_DRAFT_02, vendor::NAT_T_DRAFT_02_NEWLINE, vendor::NAT_T_DRAFT_03];
    plain.iter().any(|known| known == id)
}

impl Peer {
    /// Main Mode, or Aggressive Mode by its manner.
    pub(in crate::peer) fn begin_main_mode(&mut self) {
        if self.manner.aggressive.is_some() {
            return self.begin_aggressive_mode();
        }
        let cky_i = self.rng.array::<8>();
        let sa_body = self.phase1_offer();
        let mut payloads = vec![(PayloadType::Sa, sa_body.clone())];
        payloads.extend(self.announced());
        let message = clear((cky_i, [0; 8]), &payloads);
        let port = if self.manner.rekeys_on_500 { 500 } else { self.ike_port() };
        self.ike.phase1 = Some(Phase1 {
            cky_i,
            cky_r: [0; 8],
            sa_body,
            nonce: self.rng.bytes(self.manner.nonces.0),
            agreed: None,
            pair: None,
            keys: None,
            publics: (vec![], vec![]),
            natt: None,
            nat: false,
            last: message.clone(),
            last_port: port,
            repeat: Repeat::new(self.now, self.manner.ike_schedule),
        });
        self.say(format!("-> main mode 1: {}", names(&payloads)));
        self.send_ike(port, &message);
    }

    /// The vendor IDs of its first message.
    pub(super) fn announced(&self) -> Vec<(PayloadType, Vec<u8>)> {
        // Windows says INITIAL-CONTACT in a vendor ID, but only while it has no SA with this server.
        let remembers = self.ike.sa.is_some();
        let sent = |id: &&Vec<u8>| {
            (self.manner.natt || !is_natt(id)) && !(remembers && id.as_slice() == vendor::INITIAL_CONTACT)
        };
        let mut ids: Vec<Vec<u8>> = self.manner.vendor_ids.iter().filter(sent).cloned().collect();
        if self.manner.takes_fragments || self.manner.android {
            ids.push([&vendor::FRAGMENTATION[..], &[0x80, 0, 0, 0]].concat());
        }
        if self.manner.android {
            ids.push(vendor::NAT_T_DRAFT_00.to_vec());
        }
        ids.into_iter().map(|id| (PayloadType::VendorId, id)).collect()
    }

    /// The body of the SA payload of its first message.
    pub(super) fn phase1_offer(&self) -> Vec<u8> {
        self.manner.first_offer().encode()
    }

    pub(super) fn on_main_mode(&mut self, head: &Header, body: &[u8], bytes: &[u8], port: u16) {
        let ours =
            |p1: &mut Phase1| head.initiator.0 == p1.cky_i && (p1.cky_r == [0; 8] || head.responder.0 == p1.cky_r);
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

    pub(super) fn next_message(&mut self, p1: &mut Phase1, port: u16, message: Vec<u8>) {
        p1.last = message.clone();
        p1.last_port = port;
        p1.repeat = Repeat::new(self.now, self.manner.ike_schedule);
        self.send_ike(port, &message);
    }

    pub(super) fn on_message_2(&mut self, p1: &mut Phase1, head: &Header, body: &[u8]) -> Option<bool> {
        let payloads = chain(head.next, body).ok()?;
        self.suits(&payloads, &[PayloadType::Sa, PayloadType::VendorId])?;
        let sa = SecurityAssociation::decode(find(&payloads, PayloadType::Sa)?).ok()?;
        let t = sa.proposals.first()?.transforms.first()?;
        let offered = SecurityAssociation::decode(&p1.sa_body).ok()?;
        if !offered.proposals.iter().any(|p| was_offered(p, t, self.manner.any_order)) {
            self.say("<- main mode 2 with a transform that was not offered so");
            return None;
        }
        let n = |kind: u16| t.attribute(kind).and_then(Attribute::as_u64).and_then(|v| u16::try_from(v).ok());
        let cipher = IkeCipher::from_ike(n(1)?, n(14))?;
        let (hash, group) = (Hash::from_ike(n(2)?)?, Group::from_ike(n(4)?)?);
        p1.agreed = Some((cipher, hash, group));
        p1.cky_r = head.responder.0;
        let vendor_ids: Vec<&[u8]> =
            payloads.iter().filter(|p| p.kind == PayloadType::VendorId).map(|p| p.body).collect();
        p1.natt = Natt::choose(&vendor_ids).filter(|_| self.manner.natt);
        self.say(format!("<- main mode 2: {cipher:?} {hash:?} {group:?}"));
        let pair = crate::pairs::pair(group, &self.rng.array::<64>());
        p1.publics.0 = pair.public().to_vec();
        p1.pair = Some(pair);
        let mut out = vec![(PayloadType::KeyExchange, p1.publics.0.clone()), (PayloadType::Nonce, p1.nonce.clone())];
        if let Some(Natt { nat_d, .. }) = p1.natt {
            let cookies = (&p1.cky_i, &p1.cky_r);
            let server = SocketAddr::new(self.server, p1.last_port);
            let mut own = nat_hash(hash, cookies, SocketAddr::new(self.address, p1.last_port));
            if self.manner.pretends_nat {
                own = self.rng.bytes(own.len());
            }
            out.push((nat_d, nat_hash(hash, cookies, server)));
            out.push((nat_d, own));
        }
        let message = clear((p1.cky_i, p1.cky_r), &out);
        self.say(format!("-> main mode 3: {}", names(&out)));
        self.next_message(p1, p1.last_port, message);
        Some(false)
    }

    /// Whether an answer holds nothing but payloads of these kinds, where the manner looks at that.
    fn suits(&mut self, payloads: &[Raw<'_>], kinds: &[PayloadType]) -> Option<()> {
        let strange = payloads.iter().find(|p| !kinds.contains(&p.kind)).filter(|_| self.manner.strict_answers);
        let Some(strange) = strange else { return Some(()) };
        self.say(format!("<- ignored for its {:?}", strange.kind));
        None
    }

    pub(super) fn on_message_4(&mut self, p1: &mut Phase1, head: &Header, body: &[u8]) -> Option<bool> {
        let payloads = chain(head.next, body).ok()?;
        let kinds = [PayloadType::KeyExchange, PayloadType::Nonce, PayloadType::VendorId, PayloadType::NatD];
        self.suits(&payloads, &kinds)?;
        let public = find(&payloads, PayloadType::KeyExchange)?;
        let nonce = find(&payloads, PayloadType::Nonce)?;
        let (cipher, hash, _) = p1.agreed?;
        p1.publics.1 = public.to_vec();
        let gxy = p1.pair.as_ref()?.shared(public).ok()?;
        let mut keys =
            Keys::new(&self.manner.psk, (cipher, hash), (&p1.nonce, nonce), (&p1.cky_i, &p1.cky_r), gxy.expose());
        keys.iv = hash.digest(&[&p1.publics.0, &p1.publics.1]);
        keys.iv.truncate(cipher.block_len());
        if let Some(Natt { nat_d, .. }) = p1.natt {
            let d: Vec<&[u8]> = payloads.iter().filter(|p| p.kind == nat_d).map(|p| p.body).collect();
            let cookies = (&p1.cky_i, &p1.cky_r);
            let own = nat_hash(hash, cookies, SocketAddr::new(self.address, p1.last_port));
            let server = nat_hash(hash, cookies, SocketAddr::new(self.server, p1.last_port));
            p1.nat = self.manner.pretends_nat
                || d.first().is_none_or(|h| *h != own.as_slice())
                || !d.iter().skip(1).any(|h| *h == server.as_slice());
        }
        let found = if p1.nat { " (NAT found)" } else { "" };
        self.say(format!("<- main mode 4: {}{found}", crate::peer::words::raw_names(&payloads)));
        let (kind, data) = address_octets(self.address);
        let (protocol, port) = self.manner.identity;
        let mut id = self.tampered(Layer::Payloads, Identification { kind, protocol, port, data }.encode());
        if self.manner.nameless {
            id.clear();
        }
        let proof = hash.mac(&keys.skeyid, &[&p1.publics.0, &p1.publics.1, &p1.cky_i, &p1.cky_r, &p1.sa_body, &id]);
        let mut out = vec![(PayloadType::Identification, id), (PayloadType::Hash, proof)];
        if self.manner.nameless {
            out.remove(0);
        }
        let first = out.first().map_or(PayloadType::None, |payload| payload.0);
        // Only a client that has no SA yet remembers nothing.
        if self.manner.initial_contact && self.ike.sa.is_none() && !self.ike.contacted {
            self.ike.contacted = true;
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
        let mut plain = encode_chain(&out);
        if let Some(random) = self.filling() {
            keys.pad(&mut plain, &random);
        }
        let (sealed, last) = keys.seal(plain, &keys.iv.clone());
        keys.iv = last;
        p1.keys = Some(keys);
        let message =
            header((p1.cky_i, p1.cky_r), first, ExchangeType::MainMode, Flags::ENCRYPTION.0, 0).encode(&sealed);
        let port = if p1.nat || self.manner.floats { 4500 } else { p1.last_port };
        self.next_message(p1, port, message);
        Some(false)
    }

    pub(super) fn on_message_6(&mut self, p1: &mut Phase1, head: &Header, body: &[u8], bytes: &[u8]) -> Option<bool> {
        let keys = p1.keys.clone()?;
        let (plain, last_block) = keys.open(body, &keys.iv)?;
        let payloads = chain(head.next, &plain).ok()?;
        let kinds = [PayloadType::Identification, PayloadType::Hash, PayloadType::VendorId, PayloadType::Notification];
        self.suits(&payloads, &kinds)?;
        let id = find(&payloads, PayloadType::Identification)?;
        let proof = find(&payloads, PayloadType::Hash)?;
        let expected =
            keys.hash.mac(&keys.skeyid, &[&p1.publics.1, &p1.publics.0, &p1.cky_r, &p1.cky_i, &p1.sa_body, id]);
        if proof != expected.as_slice() {
            return None;
        }
        for n in payloads.iter().filter(|p| p.kind == PayloadType::Notification) {
            if let Ok(n) = Notification::decode(n.body) {
                self.on_notification(&n);
            }
        }
        let identity = Identification::decode(id).ok()?;
        let dialled = address_octets(self.server).1 == identity.data;
        self.say(format!(
            "<- main mode 6: ID {}",
            if dialled { "is the address dialled" } else { "is another address" }
        ));
        let sa = Sa {
            cky_i: p1.cky_i,
            cky_r: p1.cky_r,
            keys,
            last_block,
            nat: p1.nat,
            natt: p1.natt,
            last_reply: bytes.to_vec(),
            next_id: 1,
            ends: self.now.after(self.manner.life()),
        };
        self.established(sa);
        Some(true)
    }

    /// Phase 1 has come to its end.
    pub(super) fn established(&mut self, sa: Sa) {
        let nat = sa.nat;
        let life = self.manner.life();
        let renewed = self.ike.sa.replace(sa).map(|old| self.ike.old.push(old)).is_some();
        if self.manner.renews && self.manner.renews_phase1 {
            self.ike.plan.0 = Some(self.now.after(self.manner.renewal.0.unwrap_or(life * 4 / 5)));
        }
        if self.manner.initial_contact_alone && !self.ike.contacted {
            self.ike.contacted = true;
            self.initial_contact(self.now);
        }
        if self.stage == Stage::Phase1 {
            self.stage = Stage::Phase2;
        }
        if nat && self.keepalive.is_none() && self.manner.keeps_alive {
            self.keepalive = Some(self.now.after(Duration::from_secs(20)));
        }
        if renewed && self.manner.phase1_alone {
            self.ike.delete.1 = Some(self.now.after(self.manner.keeps_old.1));
            self.delete_what_is_old();
        } else {
            self.begin_quick_mode();
        }
    }
}

//! Aggressive Mode as the initiator (RFC 2409 §5.4).

use super::*;

impl Peer {
    /// Message 1: everything at once, with the group of the first offer.
    pub(super) fn begin_aggressive_mode(&mut self) {
        let cky_i = self.rng.array::<8>();
        let sa_body = self.phase1_offer();
        let nonce = self.rng.bytes(16);
        let group = self.manner.phase1.first().and_then(|offer| Group::from_ike(offer.3));
        let Some(group) = group else { return };
        let pair = crate::pairs::pair(group, &self.rng.array::<64>());
        let public = pair.public().to_vec();
        let mut payloads = vec![
            (PayloadType::Sa, sa_body.clone()),
            (PayloadType::KeyExchange, public.clone()),
            (PayloadType::Nonce, nonce.clone()),
            (PayloadType::Identification, self.own_name()),
        ];
        payloads.extend(self.announced());
        let message = clear_of(ExchangeType::Aggressive, (cky_i, [0; 8]), &payloads);
        let port = if self.manner.rekeys_on_500 { 500 } else { self.ike_port() };
        self.ike.phase1 = Some(Phase1 {
            cky_i,
            cky_r: [0; 8],
            sa_body,
            nonce,
            agreed: None,
            pair: Some(pair),
            keys: None,
            publics: (public, vec![]),
            natt: None,
            nat: false,
            last: message.clone(),
            last_port: port,
            repeat: Repeat::new(self.now, self.manner.ike_schedule),
        });
        self.say(format!("-> aggressive mode 1: {}", names(&payloads)));
        self.send_ike(port, &message);
    }

    fn own_name(&self) -> Vec<u8> {
        let (kind, data) = self.manner.aggressive.clone().unwrap_or_default();
        Identification { kind: IdType::from(kind), protocol: 0, port: 0, data }.encode()
    }

    /// Message 2, for the first time or once more.
    pub(super) fn on_aggressive_mode(&mut self, head: &Header, body: &[u8], bytes: &[u8]) {
        if let Some((seen, port, answer)) = self.ike.third.clone().filter(|(seen, ..)| seen == bytes) {
            debug_assert_eq!(seen, bytes);
            self.say("-> aggressive mode 3 once more");
            self.send_ike(port, &answer);
            return;
        }
        let ours = |p1: &mut Phase1| head.initiator.0 == p1.cky_i && p1.cky_r == [0; 8];
        let Some(mut p1) = self.ike.phase1.take_if(ours) else { return };
        if self.on_aggressive_2(&mut p1, head, body, bytes).is_none() {
            self.say("aggressive mode 2 proves nothing");
            self.ike.phase1 = Some(p1);
        }
    }

    fn on_aggressive_2(&mut self, p1: &mut Phase1, head: &Header, body: &[u8], bytes: &[u8]) -> Option<()> {
        let payloads = chain(head.next, body).ok()?;
        let answer = SecurityAssociation::decode(find(&payloads, PayloadType::Sa)?).ok()?;
        let t = answer.proposals.first()?.transforms.first()?;
        let n = |kind: u16| t.attribute(kind).and_then(Attribute::as_u64).and_then(|v| u16::try_from(v).ok());
        let (cipher, hash) = (IkeCipher::from_ike(n(1)?, n(14))?, Hash::from_ike(n(2)?)?);
        let public = find(&payloads, PayloadType::KeyExchange)?;
        let nonce = find(&payloads, PayloadType::Nonce)?;
        let id = find(&payloads, PayloadType::Identification)?;
        let cky_r = head.responder.0;
        let gxy = p1.pair.as_ref()?.shared(public).ok()?;
        let cookies = (&p1.cky_i[..], &cky_r[..]);
        let mut keys = Keys::new(&self.manner.psk, (cipher, hash), (&p1.nonce, nonce), cookies, gxy.expose());
        let expected = hash.mac(&keys.skeyid, &[public, &p1.publics.0, &cky_r, &p1.cky_i, &p1.sa_body, id]);
        if find(&payloads, PayloadType::Hash)? != expected.as_slice() {
            return None;
        }
        keys.iv = hash.digest(&[&p1.publics.0, public]);
        keys.iv.truncate(cipher.block_len());
        let seen = |ip, cky_r: &[u8; 8]| nat_hash(hash, (&p1.cky_i, cky_r), SocketAddr::new(ip, p1.last_port));
        let told: Vec<&[u8]> = payloads.iter().filter(|p| p.kind == PayloadType::VendorId).map(|p| p.body).collect();
        let variant = Natt::choose(&told).filter(|_| self.manner.natt);
        let natt = variant.is_some();
        let nat_d = variant.map_or(PayloadType::NatD, |v| v.nat_d);
        let (own, server) = (seen(self.address, &cky_r), seen(self.server, &cky_r));
        let d: Vec<&[u8]> = payloads.iter().filter(|p| p.kind == nat_d).map(|p| p.body).collect();
        let nat = natt && (d.first().is_none_or(|h| *h != own.as_slice()) || !d.iter().skip(1).any(|h| *h == server));
        let found = if nat { " (NAT found)" } else { "" };
        let told = Identification::decode(id).ok()?;
        self.say(format!("<- aggressive mode 2: ID {:?} {}{found}", told.kind, told.data.escape_ascii()));
        let proof = hash.mac(&keys.skeyid, &[&p1.publics.0, public, &p1.cky_i, &cky_r, &p1.sa_body, &self.own_name()]);
        let mut out = vec![(PayloadType::Hash, proof)];
        if natt {
            out.extend([(nat_d, server), (nat_d, own)]);
        }
        let (message, last_block) = if self.manner.clear_proof {
            (clear_of(ExchangeType::Aggressive, (p1.cky_i, cky_r), &out), keys.iv.clone())
        } else {
            let (sealed, last) = keys.seal(encode_chain(&out), &keys.iv.clone());
            let flags = Flags::ENCRYPTION.0;
            let head = header((p1.cky_i, cky_r), PayloadType::Hash, ExchangeType::Aggressive, flags, 0);
            (head.encode(&sealed), last)
        };
        let port = if nat { 4500 } else { p1.last_port };
        self.say(format!("-> aggressive mode 3: {}", names(&out)));
        self.send_ike(port, &message);
        self.ike.third = Some((bytes.to_vec(), port, message));
        let sa = Sa {
            cky_i: p1.cky_i,
            cky_r,
            keys,
            last_block,
            nat,
            natt: variant,
            last_reply: bytes.to_vec(),
            next_id: 1,
            ends: self.now.after(self.manner.life()),
        };
        self.established(sa);
        Some(())
    }
}

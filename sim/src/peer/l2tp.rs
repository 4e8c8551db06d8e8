//! The client's side of L2TP: a LAC with one tunnel, and the session that it speaks on.

use super::{Peer, Repeat, Stage};
use engine::time::{Instant, earliest};
use std::collections::VecDeque;
use wire::l2tp::{Avp, AvpType, Header, MessageType, decode_avps, encode_avps};

/// The client's tunnel.
pub(super) struct Lac {
    tunnel: u16,
    session: u16,
    peer_tunnel: u16,
    peer_session: u16,
    ns: u16,
    nr: u16,
    /// Messages that wait for their acknowledgement, with number and session; the first is in flight.
    queue: VecDeque<(u16, u16, Vec<Avp>)>,
    repeat: Option<Repeat>,
    /// Ours, if the tunnel has a secret.
    challenge: Vec<u8>,
    /// The message in flight has been sent more than once.
    repeated: bool,
    /// When the next Hello is due.
    hello: Option<Instant>,
}

impl Lac {
    pub(super) fn due(&self) -> Option<Instant> {
        earliest(self.repeat.as_ref().map(|r| r.due), self.hello)
    }

    /// One that has the same ids and nothing under way.
    pub(super) fn same_ids(&self) -> Self {
        let &Self { tunnel, session, peer_tunnel, peer_session, ns, nr, .. } = self;
        Self {
            tunnel,
            session,
            peer_tunnel,
            peer_session,
            ns,
            nr,
            queue: VecDeque::new(),
            repeat: None,
            challenge: vec![],
            repeated: false,
            hello: None,
        }
    }

    /// Nothing is sent by itself any more; what comes is still acknowledged.
    pub(super) fn stop(&mut self) {
        self.repeat = None;
        self.hello = None;
        self.queue.clear();
    }

    /// Another session in place of this one; gives the ids of this one, ours and the server's.
    pub(super) fn exchange_session(&mut self, (session, peer): (u16, u16)) -> (u16, u16) {
        (core::mem::replace(&mut self.session, session), core::mem::replace(&mut self.peer_session, peer))
    }

    pub(super) fn data_ids(&self) -> Option<(u16, u16)> {
        (self.peer_session != 0).then_some((self.peer_tunnel, self.peer_session))
    }
}

impl Peer {
    /// The header of the next control message that it would send, with its call's session.
    pub fn next_control(&self) -> Option<Header> {
        let lac = self.l2tp.as_ref()?;
        Some(Header { tunnel_id: lac.peer_tunnel, session_id: lac.peer_session, ..control(lac.ns, lac.nr) })
    }

    /// Sends a control message of these AVPs with the number that is due, of its call or of none, and does not care
    /// whether it arrives.
    pub fn say_control(&mut self, avps: &[u8], of_call: bool, now: Instant) {
        self.now = now;
        let Some(header) = self.next_control() else { return };
        if let Some(lac) = &mut self.l2tp {
            lac.ns = lac.ns.wrapping_add(1);
        }
        let session_id = if of_call { header.session_id } else { 0 };
        self.send_l2tp(&Header { session_id, ..header }.encode(avps));
    }
}

/// The header of a control message outside of any tunnel.
fn control(ns: u16, nr: u16) -> Header {
    Header {
        control: true,
        length: Some(0),
        tunnel_id: 0,
        session_id: 0,
        ns: Some(ns),
        nr: Some(nr),
        offset: None,
        priority: false,
    }
}

fn kind_of(avps: &[Avp]) -> Option<MessageType> {
    avps.first().and_then(Avp::as_u16).map(MessageType::from)
}

fn value(avps: &[Avp], kind: AvpType) -> Option<u16> {
    avps.iter().find(|a| a.vendor == 0 && a.kind == kind).and_then(Avp::as_u16)
}

/// The AVPs of a template, with the ids of this tunnel and session.
fn fill(template: &[Avp], tunnel: u16, session: u16) -> Vec<Avp> {
    let mut avps = template.to_vec();
    for avp in avps.iter_mut().filter(|a| a.vendor == 0) {
        match avp.kind {
            AvpType::AssignedTunnelId => avp.value = tunnel.to_be_bytes().to_vec(),
            AvpType::AssignedSessionId => avp.value = session.to_be_bytes().to_vec(),
            _ => {}
        }
    }
    avps
}

/// A Result Code without an error.
fn result(kind: u16) -> Avp {
    let code = wire::l2tp::ResultCode { result: kind, error: Some(0), message: String::new() };
    Avp::bytes(AvpType::ResultCode, &code.encode())
}

/// What proves that a side knows the tunnel's secret, in a message of this type (RFC 2661 §4.2).
fn proof(kind: MessageType, secret: &[u8], challenge: &[u8]) -> Vec<u8> {
    crypto::chap::md5_response(u16::from(kind) as u8, secret, challenge).to_vec()
}

impl Peer {
    pub(super) fn begin_l2tp(&mut self) {
        self.stage = Stage::L2tp;
        let rising = if self.manner.rising_ids { self.tunnels } else { 0 };
        let tunnel = self.manner.tunnel_id.map_or_else(|| (self.rng.u64() as u16) | 1, |id| id.wrapping_add(rising));
        self.tunnels = self.tunnels.wrapping_add(1);
        let session = (self.rng.u64() as u16) | 1;
        let challenge = if self.manner.l2tp_secret.is_some() { self.rng.bytes(32) } else { vec![] };
        self.l2tp = Some(Lac {
            tunnel,
            session,
            peer_tunnel: 0,
            peer_session: 0,
            ns: 0,
            nr: 0,
            queue: VecDeque::new(),
            repeat: None,
            challenge: challenge.clone(),
            repeated: false,
            hello: None,
        });
        let mut names = [
            Avp::u32(AvpType::FramingCapabilities, if self.manner.android { 2 } else { 3 }),
            Avp::bytes(AvpType::HostName, self.manner.host_name.as_bytes()),
        ];
        if self.manner.android {
            names.reverse();
        }
        let [second, third] = names;
        if self.manner.wakes_with_hello {
            // Unreliable ones, on tunnel 0: only to make IPsec begin. Most die in the client.
            let hello = Header { tunnel_id: 0, session_id: 0, ..control(0, 0) };
            let avps = encode_avps(&[Avp::u16(AvpType::MessageType, MessageType::Hello.into())]);
            self.send_l2tp(&hello.encode(&avps));
        }
        let plain = [
            Avp::u16(AvpType::MessageType, MessageType::Sccrq.into()),
            Avp::u16(AvpType::ProtocolVersion, 0x0100),
            second,
            third,
            Avp::u16(AvpType::AssignedTunnelId, tunnel),
            Avp::u16(AvpType::ReceiveWindowSize, self.manner.window),
        ];
        let mut avps = fill(self.manner.sccrq.as_deref().unwrap_or(&plain), tunnel, session);
        if !challenge.is_empty() {
            avps.push(Avp::bytes(AvpType::Challenge, &challenge));
        }
        self.send_control(avps);
    }

    pub(super) fn send_hello(&mut self) {
        self.send_control(vec![Avp::u16(AvpType::MessageType, MessageType::Hello.into())]);
    }

    fn send_control(&mut self, avps: Vec<Avp>) {
        let Some(lac) = &mut self.l2tp else { return };
        let ns = lac.ns;
        lac.ns = lac.ns.wrapping_add(1);
        let session = match kind_of(&avps) {
            Some(MessageType::Iccn | MessageType::Cdn) => lac.peer_session,
            _ => 0,
        };
        lac.queue.push_back((ns, session, avps.clone()));
        if lac.queue.len() == 1 {
            lac.repeat = Some(Repeat::new(self.now, self.manner.l2tp_schedule));
            lac.repeated = false;
            self.send_first();
        } else if self.manner.icrq_at_once && kind_of(&avps) == Some(MessageType::Icrq) {
            self.send_numbered(ns, session, &avps);
        }
    }

    /// Sends the message at the head of the queue.
    fn send_first(&mut self) {
        let first = self.l2tp.as_ref().and_then(|lac| lac.queue.front().cloned());
        let Some((ns, session, avps)) = first else { return };
        self.send_numbered(ns, session, &avps);
    }

    fn send_numbered(&mut self, ns: u16, session: u16, avps: &[Avp]) {
        let Some(lac) = &self.l2tp else { return };
        let header = Header { tunnel_id: lac.peer_tunnel, session_id: session, ..control(ns, lac.nr) };
        self.say(format!("-> {}", super::words::avps(avps)));
        self.send_l2tp(&header.encode(&encode_avps(avps)));
    }

    fn send_zlb(&mut self) {
        let Some(lac) = &self.l2tp else { return };
        let header = Header { tunnel_id: lac.peer_tunnel, ..control(lac.ns, lac.nr) };
        self.send_l2tp(&header.encode(&[]));
    }

    pub(super) fn on_l2tp(&mut self, message: &[u8]) {
        let Ok((header, payload)) = Header::decode(message) else {
            return;
        };
        self.on_line_of(header.session_id, |peer| peer.on_l2tp_here(&header, payload, message));
    }

    fn on_l2tp_here(&mut self, header: &Header, payload: &[u8], message: &[u8]) {
        let Some(lac) = &mut self.l2tp else { return };
        if header.tunnel_id != lac.tunnel {
            return;
        }
        if !header.control {
            if header.session_id == lac.session {
                let frame = payload.to_vec();
                self.on_frame(&frame);
            }
            return;
        }
        let (Some(ns), Some(nr)) = (header.ns, header.nr) else {
            return;
        };
        // mtpd knows one form of the header only, and looks whether the datagram ends where the message does.
        if message.get(..2) != Some(&[0xc8, 0x02]) || header.length.map(usize::from) != Some(message.len()) {
            self.say("<- a control message with other flags or octets behind it");
            return;
        }
        if self.manner.one_at_a_time && nr != lac.ns && !payload.is_empty() {
            self.say("<- ignored: not all of its own is acknowledged");
            return;
        }
        let before = lac.queue.len();
        while lac.queue.front().is_some_and(|(sent, ..)| nr.wrapping_sub(*sent) as i16 > 0) {
            lac.queue.pop_front();
        }
        let acknowledged = lac.queue.len() != before;
        if acknowledged {
            lac.repeat = (!lac.queue.is_empty()).then(|| Repeat::new(self.now, self.manner.l2tp_schedule));
            lac.repeated = false;
        }
        let more = acknowledged && !lac.queue.is_empty();
        if payload.is_empty() {
            if more {
                self.send_first();
            }
            return;
        }
        if ns != lac.nr {
            // A repetition is acknowledged, the future is not kept.
            if (ns.wrapping_sub(lac.nr) as i16) < 0 {
                self.send_zlb();
            }
            return;
        }
        lac.nr = lac.nr.wrapping_add(1);
        if more {
            self.send_first();
        }
        let Ok(avps) = decode_avps(payload) else { return };
        if let Some(kind) = kind_of(&avps) {
            self.say(format!("<- {}", super::words::avps(&avps)));
            let strange = |a: &&Avp| a.mandatory && (a.vendor != 0 || matches!(a.kind, AvpType::Unknown(_)));
            if let Some(strange) = avps.iter().find(strange) {
                let strange = format!("{:?} of vendor {}", strange.kind, strange.vendor);
                self.end(&format!("the server demands the AVP {strange}"));
                return;
            }
            self.on_l2tp_message(kind, &avps);
        }
    }

    /// What an SCCRP must hold for a client to go on; gives what goes into the SCCCN beside its type.
    fn on_sccrp(&mut self, avps: &[Avp]) -> Option<Vec<Avp>> {
        let needed =
            [AvpType::ProtocolVersion, AvpType::FramingCapabilities, AvpType::HostName, AvpType::AssignedTunnelId];
        if let Some(missing) = needed.iter().find(|kind| !avps.iter().any(|a| a.vendor == 0 && a.kind == **kind)) {
            self.end(&format!("an SCCRP without {missing:?}"));
            return None;
        }
        let value = |kind| avps.iter().find(|a| a.vendor == 0 && a.kind == kind).map(|a| a.value.clone());
        let (asked, answered) = (value(AvpType::Challenge), value(AvpType::ChallengeResponse));
        let ours = self.l2tp.as_ref().map(|lac| lac.challenge.clone()).unwrap_or_default();
        let Some(secret) = self.manner.l2tp_secret.clone() else {
            if asked.is_some() {
                self.say("<- a challenge, and there is no secret to answer it with");
            }
            return Some(vec![]);
        };
        if answered != Some(proof(MessageType::Sccrp, &secret, &ours)) {
            self.end("the server does not know the tunnel's secret");
            return None;
        }
        let answer = |c: Vec<u8>| Avp::bytes(AvpType::ChallengeResponse, &proof(MessageType::Scccn, &secret, &c));
        Some(asked.map(answer).into_iter().collect())
    }

    fn on_l2tp_message(&mut self, kind: MessageType, avps: &[Avp]) {
        match kind {
            MessageType::Sccrp => {
                let Some(more) = self.on_sccrp(avps) else { return };
                let Some(lac) = &mut self.l2tp else { return };
                lac.peer_tunnel = value(avps, AvpType::AssignedTunnelId).unwrap_or(0);
                lac.hello = self.manner.hellos.map(|every| self.now.after(every));
                let mut connected = vec![Avp::u16(AvpType::MessageType, MessageType::Scccn.into())];
                connected.extend(more);
                self.send_control(connected);
                self.send_icrq();
            }
            MessageType::Icrp => {
                if let Some(lac) = &mut self.l2tp {
                    lac.peer_session = value(avps, AvpType::AssignedSessionId).unwrap_or(0);
                }
                let plain = vec![
                    Avp::u16(AvpType::MessageType, MessageType::Iccn.into()),
                    Avp::u32(AvpType::TxConnectSpeed, 100_000_000),
                    Avp::u32(AvpType::FramingType, 3),
                ];
                self.send_control(self.manner.iccn.clone().unwrap_or(plain));
                self.begin_ppp();
            }
            MessageType::Hello if !self.manner.answers_hellos && self.stage == Stage::Up => {
                self.say("a Hello that it leaves unanswered");
            }
            MessageType::Hello => self.send_zlb(),
            MessageType::Cdn if self.lines.are_several() => {
                self.send_zlb();
                self.end_line("the server sent Cdn");
            }
            MessageType::StopCcn | MessageType::Cdn => {
                self.send_zlb();
                self.end(&format!("the server sent {kind:?}"));
            }
            _ => self.send_zlb(),
        }
    }

    /// Asks for the session.
    pub(super) fn send_icrq(&mut self) {
        let Some(lac) = &self.l2tp else { return };
        let (tunnel, session) = (lac.tunnel, lac.session);
        let plain = [
            Avp::u16(AvpType::MessageType, MessageType::Icrq.into()),
            Avp::u16(AvpType::AssignedSessionId, session),
            Avp::u32(AvpType::CallSerialNumber, 1),
        ];
        self.send_control(fill(self.manner.icrq.as_deref().unwrap_or(&plain), tunnel, session));
    }

    /// Ends the session, and waits for the acknowledgement.
    pub(super) fn send_cdn(&mut self) {
        let Some(lac) = &self.l2tp else { return };
        let cdn = [
            Avp::u16(AvpType::MessageType, MessageType::Cdn.into()),
            result(3),
            Avp::u16(AvpType::AssignedSessionId, lac.session),
        ];
        self.send_control(cdn.to_vec());
    }

    pub(super) fn l2tp_timeout(&mut self) {
        let now = self.now;
        let Some(lac) = &mut self.l2tp else { return };
        if lac.hello.is_some_and(|due| now >= due) {
            lac.hello = self.manner.hellos.map(|every| now.after(every));
            self.send_control(vec![Avp::u16(AvpType::MessageType, MessageType::Hello.into())]);
        }
        let Some(lac) = &mut self.l2tp else { return };
        let Some(repeat) = &mut lac.repeat else { return };
        match repeat.fire(now) {
            Some(true) => {
                let first_time = !lac.repeated;
                lac.repeated = true;
                let unanswered = lac.peer_tunnel == 0;
                self.send_first();
                if unanswered && !first_time && self.manner.quick_twice {
                    self.begin_quick_mode();
                }
            }
            Some(false) => {}
            None => {
                if self.manner.quick_twice && lac.peer_tunnel == 0 {
                    self.delete_all();
                }
                // The tunnel is cleared (RFC 2661 §5.8): from here on nothing is acknowledged, no Hello either.
                self.l2tp = None;
                self.end("L2TP was not answered");
            }
        }
    }

    pub(super) fn stop_l2tp(&mut self) {
        self.end_ppp();
        let Some(lac) = &self.l2tp else { return };
        let (tunnel, session) = (lac.tunnel, lac.session);
        let cdn = vec![
            Avp::u16(AvpType::MessageType, MessageType::Cdn.into()),
            result(3),
            Avp::u16(AvpType::AssignedSessionId, session),
        ];
        // An Android of old says none.
        let cdn = if self.manner.android { vec![] } else { cdn };
        let stop = vec![
            Avp::u16(AvpType::MessageType, MessageType::StopCcn.into()),
            Avp::u16(AvpType::AssignedTunnelId, tunnel),
            result(6),
        ];
        let cdn = self.manner.cdn.clone().unwrap_or(cdn);
        let stop = self.manner.stop_ccn.clone().unwrap_or(stop);
        // Each would wait for an acknowledgement: a client that leaves does not.
        for message in [cdn, stop].iter().filter(|m| !m.is_empty()) {
            let Some(lac) = &mut self.l2tp else { return };
            let whose = if kind_of(message) == Some(MessageType::Cdn) { lac.peer_session } else { 0 };
            lac.queue.clear();
            let ns = lac.ns;
            lac.ns = lac.ns.wrapping_add(1);
            self.send_numbered(ns, whose, &fill(message, tunnel, session));
        }
        if let Some(lac) = &mut self.l2tp {
            lac.stop();
        }
    }
}

//! The client's side of L2TP: a LAC with one tunnel and one session.

use super::{Peer, Repeat, Stage};
use core::time::Duration;
use engine::time::Instant;
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
    /// Messages that wait for their acknowledgement; the first is in flight.
    queue: VecDeque<(u16, Vec<Avp>)>,
    repeat: Option<Repeat>,
}

impl Lac {
    pub(super) fn due(&self) -> Option<Instant> {
        self.repeat.as_ref().map(|r| r.due)
    }

    /// One that has the same ids and nothing under way.
    pub(super) fn same_ids(&self) -> Self {
        let &Self { tunnel, session, peer_tunnel, peer_session, ns, nr, .. } = self;
        Self { tunnel, session, peer_tunnel, peer_session, ns, nr, queue: VecDeque::new(), repeat: None }
    }

    /// Nothing is sent by itself any more; what comes is still acknowledged.
    pub(super) fn stop(&mut self) {
        self.repeat = None;
        self.queue.clear();
    }

    pub(super) fn data_ids(&self) -> Option<(u16, u16)> {
        (self.peer_session != 0).then_some((self.peer_tunnel, self.peer_session))
    }
}

fn kind_of(avps: &[Avp]) -> Option<MessageType> {
    avps.first().and_then(Avp::as_u16).map(MessageType::from)
}

fn value(avps: &[Avp], kind: AvpType) -> Option<u16> {
    avps.iter().find(|a| a.vendor == 0 && a.kind == kind).and_then(Avp::as_u16)
}

impl Peer {
    pub(super) fn begin_l2tp(&mut self) {
        self.stage = Stage::L2tp;
        let tunnel = self.manner.tunnel_id.unwrap_or_else(|| (self.rng.u64() as u16) | 1);
        self.l2tp = Some(Lac {
            tunnel,
            session: (self.rng.u64() as u16) | 1,
            peer_tunnel: 0,
            peer_session: 0,
            ns: 0,
            nr: 0,
            queue: VecDeque::new(),
            repeat: None,
        });
        let mut names = [
            Avp::u32(AvpType::FramingCapabilities, if self.manner.android { 2 } else { 3 }),
            Avp::bytes(AvpType::HostName, self.manner.host_name.as_bytes()),
        ];
        if self.manner.android {
            names.reverse();
        }
        let [second, third] = names;
        let avps = vec![
            Avp::u16(AvpType::MessageType, MessageType::Sccrq.into()),
            Avp::u16(AvpType::ProtocolVersion, 0x0100),
            second,
            third,
            Avp::u16(AvpType::AssignedTunnelId, tunnel),
            Avp::u16(AvpType::ReceiveWindowSize, self.manner.window),
        ];
        self.send_control(avps);
    }

    pub(super) fn send_hello(&mut self) {
        self.send_control(vec![Avp::u16(AvpType::MessageType, MessageType::Hello.into())]);
    }

    fn send_control(&mut self, avps: Vec<Avp>) {
        let Some(lac) = &mut self.l2tp else { return };
        let ns = lac.ns;
        lac.ns = lac.ns.wrapping_add(1);
        lac.queue.push_back((ns, avps));
        if lac.queue.len() == 1 {
            lac.repeat = Some(Repeat::new(self.now, Duration::from_secs(1), 6));
            self.send_first();
        }
    }

    /// Sends the message at the head of the queue.
    fn send_first(&mut self) {
        let Some(lac) = &self.l2tp else { return };
        let Some((ns, avps)) = lac.queue.front().cloned() else {
            return;
        };
        let kind = kind_of(&avps);
        let session = match kind {
            Some(MessageType::Iccn | MessageType::Cdn) => lac.peer_session,
            _ => 0,
        };
        let header = Header {
            control: true,
            length: Some(0),
            tunnel_id: lac.peer_tunnel,
            session_id: session,
            ns: Some(ns),
            nr: Some(lac.nr),
            offset: None,
            priority: false,
        };
        if kind.is_some() {
            self.say(format!("-> {}", super::words::avps(&avps)));
        }
        self.send_l2tp(&header.encode(&encode_avps(&avps)));
    }

    fn send_zlb(&mut self) {
        let Some(lac) = &self.l2tp else { return };
        let header = Header {
            control: true,
            length: Some(0),
            tunnel_id: lac.peer_tunnel,
            session_id: 0,
            ns: Some(lac.ns),
            nr: Some(lac.nr),
            offset: None,
            priority: false,
        };
        self.send_l2tp(&header.encode(&[]));
    }

    pub(super) fn on_l2tp(&mut self, message: &[u8]) {
        let Ok((header, payload)) = Header::decode(message) else {
            return;
        };
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
        let before = lac.queue.len();
        while lac.queue.front().is_some_and(|(sent, _)| nr.wrapping_sub(*sent) as i16 > 0) {
            lac.queue.pop_front();
        }
        let acknowledged = lac.queue.len() != before;
        if acknowledged {
            lac.repeat = (!lac.queue.is_empty()).then(|| Repeat::new(self.now, Duration::from_secs(1), 6));
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
            self.on_l2tp_message(kind, &avps);
        }
    }

    fn on_l2tp_message(&mut self, kind: MessageType, avps: &[Avp]) {
        match kind {
            MessageType::Sccrp => {
                let session = {
                    let Some(lac) = &mut self.l2tp else { return };
                    lac.peer_tunnel = value(avps, AvpType::AssignedTunnelId).unwrap_or(0);
                    lac.session
                };
                self.send_control(vec![Avp::u16(AvpType::MessageType, MessageType::Scccn.into())]);
                self.send_control(vec![
                    Avp::u16(AvpType::MessageType, MessageType::Icrq.into()),
                    Avp::u16(AvpType::AssignedSessionId, session),
                    Avp::u32(AvpType::CallSerialNumber, 1),
                ]);
            }
            MessageType::Icrp => {
                if let Some(lac) = &mut self.l2tp {
                    lac.peer_session = value(avps, AvpType::AssignedSessionId).unwrap_or(0);
                }
                self.send_control(vec![
                    Avp::u16(AvpType::MessageType, MessageType::Iccn.into()),
                    Avp::u32(AvpType::TxConnectSpeed, 100_000_000),
                    Avp::u32(AvpType::FramingType, 3),
                ]);
                self.begin_ppp();
            }
            MessageType::Hello => self.send_zlb(),
            MessageType::StopCcn | MessageType::Cdn => {
                self.send_zlb();
                self.end(&format!("the server sent {kind:?}"));
            }
            _ => self.send_zlb(),
        }
    }

    pub(super) fn l2tp_timeout(&mut self) {
        let now = self.now;
        let Some(lac) = &mut self.l2tp else { return };
        let Some(repeat) = &mut lac.repeat else { return };
        match repeat.fire(now) {
            Some(true) => self.send_first(),
            Some(false) => {}
            None => {
                lac.repeat = None;
                self.end("L2TP was not answered");
            }
        }
    }

    pub(super) fn stop_l2tp(&mut self) {
        self.end_ppp();
        let Some(lac) = &self.l2tp else { return };
        let (tunnel, session) = (lac.tunnel, lac.session);
        let result = |kind| {
            let code = wire::l2tp::ResultCode { result: kind, error: Some(0), message: String::new() };
            Avp::bytes(AvpType::ResultCode, &code.encode())
        };
        let says_cdn = !self.manner.android;
        if says_cdn {
            self.send_control(vec![
                Avp::u16(AvpType::MessageType, MessageType::Cdn.into()),
                result(3),
                Avp::u16(AvpType::AssignedSessionId, session),
            ]);
        }
        self.send_control(vec![
            Avp::u16(AvpType::MessageType, MessageType::StopCcn.into()),
            Avp::u16(AvpType::AssignedTunnelId, tunnel),
            result(6),
        ]);
        // The second would wait for the first's acknowledgement: a client that leaves does not.
        if says_cdn {
            if let Some(lac) = &mut self.l2tp {
                lac.queue.pop_front();
            }
            self.send_first();
        }
        if let Some(lac) = &mut self.l2tp {
            lac.queue.clear();
            lac.repeat = None;
        }
    }
}

//! The session of a tunnel: ICRQ to CDN (RFC 2661 §7.4.2).

use super::message::{Fault, Received, error};
use super::reliable::Kind;
use super::tunnel::{STATE_TIMER, State, Tunnel, message_type, peer_reason};
use super::{Down, L2tpLog, Output, cause, cdn};
use crate::rng::Rng;
use crate::time::Instant;
use core::time::Duration;
use serde::{Deserialize, Serialize};
use wire::l2tp::{Avp, AvpType, DisconnectCause, Header, MessageType, ResultCode};

/// How long a tunnel outlives its last session: the client may dial again on it (RFC 2661 §7.6).
const REDIAL: Duration = Duration::from_secs(10);

/// States of an incoming call as seen by the LNS.
///
/// RFC 2661 §7.4.2:
///
/// ```text
/// State           Event              Action            New State
/// idle            Receive ICRQ,      Send ICRP         wait-connect
///                 acceptable
/// idle            Receive ICRQ,      Send CDN,         idle
///                 not acceptable     Clean up
/// idle            Receive ICRP       Send CDN          idle
///                                    Clean up
/// idle            Receive ICCN       Clean up          idle
/// wait-connect    Receive ICCN       Prepare for       established
///                 acceptable         data
/// wait-connect    Receive ICCN       Send CDN,         idle
///                 not acceptable     Clean up
/// wait-connect    Receive ICRQ,      Send CDN          idle
///                 ICRP               Clean up
/// idle,           Receive CDN        Clean up          idle
/// wait-connect,
/// established
/// wait-connect    Local              Send CDN,         idle
/// established     Close request      Clean up
/// established     Receive ICRQ,      Send CDN          idle
///                 ICRP, ICCN         Clean up
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) enum Session {
    /// There is none, and an ICRQ is awaited.
    Idle { call: Call, until: Instant },
    /// ICRP is sent, ICCN awaited.
    WaitConnect { local: u16, peer: u16, until: Instant },
    /// It carries data.
    Established { local: u16, peer: u16, sequencing: bool },
}

/// Which call of a tunnel is awaited.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) enum Call {
    First,
    Another,
}

impl Session {
    /// The tunnel is up, its first call must come.
    pub(super) fn awaited(now: Instant) -> Self {
        Self::Idle { call: Call::First, until: now.after(STATE_TIMER) }
    }

    fn over(now: Instant) -> Self {
        Self::Idle { call: Call::Another, until: now.after(REDIAL) }
    }

    /// The local and the peer's session id.
    pub(super) fn ids(&self) -> Option<(u16, u16)> {
        match *self {
            Self::Idle { .. } => None,
            Self::WaitConnect { local, peer, .. } | Self::Established { local, peer, .. } => Some((local, peer)),
        }
    }

    /// The state in the router's words.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Idle { .. } => "idle",
            Self::WaitConnect { .. } => "wait_connect",
            Self::Established { .. } => "established",
        }
    }

    /// When the state ends by itself.
    pub(super) fn until(&self) -> Option<Instant> {
        match *self {
            Self::Idle { until, .. } | Self::WaitConnect { until, .. } => Some(until),
            Self::Established { .. } => None,
        }
    }

    /// The message that must come.
    pub(super) fn waiting_for(&self) -> Option<MessageType> {
        match self {
            Self::Idle { call: Call::First, .. } => Some(MessageType::Icrq),
            Self::WaitConnect { .. } => Some(MessageType::Iccn),
            Self::Idle { call: Call::Another, .. } | Self::Established { .. } => None,
        }
    }

    fn is_local(&self, id: u16) -> bool {
        self.ids().is_some_and(|(local, _)| local == id)
    }

    fn is_peer(&self, id: u16) -> bool {
        self.ids().is_some_and(|(_, peer)| peer == id)
    }
}

impl Tunnel {
    /// Ends the session with a CDN, which says why PPP ended; the tunnel stays a short time for another call.
    pub fn close_session(&mut self, result: u16, cause: &DisconnectCause, now: Instant) {
        let code = code(result, error::NONE, &cause.message);
        let told = Avp::bytes(AvpType::PppDisconnectCause, &cause.encode()).optional();
        self.end_session(Down::Local, code, Some(told), now);
    }

    /// Any message of a session but CDN.
    pub(super) fn on_session_message(&mut self, header: &Header, received: &Received, rng: &mut Rng, now: Instant) {
        if self.session().is_none() {
            if !matches!(received.kind, MessageType::Wen | MessageType::Sli) {
                self.on_out_of_place(received.kind, now);
            }
            return;
        }
        if let Some(fault) = &received.fault {
            return self.on_session_fault(header, received, fault, rng, now);
        }
        match received.kind {
            MessageType::Icrq => self.on_icrq(received, rng, now),
            MessageType::Iccn => self.on_iccn(header, received, now),
            // RFC 2661 §6.13, §6.14: errors of a WAN and character maps of async lines, neither of which is here.
            MessageType::Wen | MessageType::Sli => {}
            _ => self.on_unwanted(header, received, rng, now),
        }
    }

    /// The Call Serial Number is not looked at: clients send 0, random and no increasing values.
    fn on_icrq(&mut self, icrq: &Received, rng: &mut Rng, now: Instant) {
        let Some(peer) = icrq.u16(AvpType::AssignedSessionId) else {
            let fault = Fault::Missing(AvpType::AssignedSessionId);
            return self.on_session_fault_of(0, &fault, rng, now);
        };
        match self.session() {
            Some(Session::Idle { .. }) => {
                let local = rng.nonzero_u16();
                let until = now.after(STATE_TIMER);
                self.state = State::Established(Session::WaitConnect { local, peer, until });
                let icrp = [message_type(MessageType::Icrp), Avp::u16(AvpType::AssignedSessionId, local)];
                self.send(peer, &icrp, Kind::Plain, now);
            }
            Some(session) if session.is_peer(peer) => self.on_session_out_of_place(now),
            _ => {
                let code = code(cdn::NO_FACILITIES, error::RESOURCES, "one session a tunnel");
                self.refuse_call(peer, &code, rng, now);
            }
        }
    }

    fn on_iccn(&mut self, header: &Header, iccn: &Received, now: Instant) {
        match self.session() {
            Some(&Session::WaitConnect { local, peer, .. }) if header.session_id == local => {
                let sequencing = iccn.find(AvpType::SequencingRequired).is_some();
                self.state = State::Established(Session::Established { local, peer, sequencing });
                self.last_data = now;
                self.flush(now);
                self.log(L2tpLog::SessionEstablished { number: self.settings.number, id: local });
                self.output(Output::SessionUp { local, peer });
            }
            Some(Session::Established { local, .. }) if header.session_id == *local => {
                self.on_session_out_of_place(now);
            }
            _ => {}
        }
    }

    /// Whatever its codes look like, a CDN that names the session is obeyed (Apple's Result Code is malformed).
    pub(super) fn on_cdn(&mut self, header: &Header, received: &Received, now: Instant) {
        let Some(session) = self.session() else { return };
        let assigned = received.u16(AvpType::AssignedSessionId);
        if !session.is_local(header.session_id) && !assigned.is_some_and(|id| session.is_peer(id)) {
            return;
        }
        let Some((local, _)) = session.ids() else { return };
        self.state = State::Established(Session::over(now));
        self.flush(now);
        if let Some(cause) = cause::of(received) {
            self.log(L2tpLog::PppEnded { number: self.settings.number, id: local, cause });
        }
        self.session_is_down(local, peer_reason(received));
    }

    /// ICRP, OCRQ, OCRP, OCCN: this server places no calls and takes no orders to place some.
    fn on_unwanted(&mut self, header: &Header, received: &Received, rng: &mut Rng, now: Instant) {
        if self.session().is_some_and(|session| session.is_local(header.session_id)) {
            return self.on_session_out_of_place(now);
        }
        if let Some(peer) = received.u16(AvpType::AssignedSessionId) {
            self.refuse_call(peer, &code(cdn::NEVER_FACILITIES, error::NONE, ""), rng, now);
        }
    }

    fn on_session_out_of_place(&mut self, now: Instant) {
        self.end_session(Down::Misbehaviour, code(cdn::ERROR, error::VALUE, "message out of place"), None, now);
    }

    /// RFC 2661 §4.1: "the session associated with this message MUST be terminated".
    fn on_session_fault(&mut self, header: &Header, received: &Received, fault: &Fault, rng: &mut Rng, now: Instant) {
        if self.session().is_some_and(|session| session.is_local(header.session_id)) {
            self.log(L2tpLog::Refused(fault.to_string()));
            let code = code(cdn::ERROR, fault.error(), &fault.to_string());
            return self.end_session(Down::Misbehaviour, code, None, now);
        }
        let asks =
            matches!(received.kind, MessageType::Icrq | MessageType::Ocrq | MessageType::Icrp | MessageType::Ocrp);
        if asks {
            // Before a session id is known, the header bears 0 (RFC 2661 §4.4.4).
            let peer = received.u16(AvpType::AssignedSessionId).unwrap_or(0);
            self.on_session_fault_of(peer, fault, rng, now);
        }
    }

    fn on_session_fault_of(&mut self, peer: u16, fault: &Fault, rng: &mut Rng, now: Instant) {
        self.log(L2tpLog::Refused(fault.to_string()));
        self.refuse_call(peer, &code(cdn::ERROR, fault.error(), &fault.to_string()), rng, now);
    }

    /// Refuses a call that never became a session; RFC 2661 §6.12 wants an Assigned Session ID all the same.
    fn refuse_call(&mut self, peer: u16, code: &ResultCode, rng: &mut Rng, now: Instant) {
        let local = loop {
            let id = rng.nonzero_u16();
            if self.local_session_id() != Some(id) {
                break id;
            }
        };
        self.send(peer, &cdn_avps(local, code), Kind::Plain, now);
    }

    fn end_session(&mut self, why: Down, code: ResultCode, cause: Option<Avp>, now: Instant) {
        let Some((local, peer)) = self.session().and_then(Session::ids) else {
            return;
        };
        self.state = State::Established(Session::over(now));
        let avps: Vec<Avp> = cdn_avps(local, &code).into_iter().chain(cause).collect();
        self.send(peer, &avps, Kind::Plain, now);
        self.session_is_down(local, why);
    }

    /// The CDN that goes before a StopCCN.
    pub(super) fn queue_cdn(&mut self, code: &ResultCode) {
        if let Some((local, peer)) = self.session().and_then(Session::ids) {
            self.queue(peer, &cdn_avps(local, code), Kind::Plain);
        }
    }

    pub(super) fn session_is_down(&mut self, local: u16, why: Down) {
        self.log(L2tpLog::SessionDisconnected { number: self.settings.number, id: local });
        self.output(Output::SessionDown { why });
    }
}

fn code(result: u16, error: u16, text: &str) -> ResultCode {
    ResultCode { result, error: Some(error), message: text.into() }
}

fn cdn_avps(local: u16, code: &ResultCode) -> [Avp; 3] {
    [
        message_type(MessageType::Cdn),
        Avp::u16(AvpType::AssignedSessionId, local),
        Avp::bytes(AvpType::ResultCode, &code.encode()),
    ]
}

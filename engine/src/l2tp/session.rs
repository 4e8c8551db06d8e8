//! The sessions of a tunnel: ICRQ to CDN (RFC 2661 §7.4.2).

use super::message::{Fault, Received, error};
use super::reliable::Kind;
use super::tunnel::{STATE_TIMER, State, Tunnel, message_type, peer_reason};
use super::{Down, L2tpLog, Output, cause, cdn};
use crate::rng::Rng;
use crate::time::{Instant, earliest};
use core::time::Duration;
use serde::{Deserialize, Serialize};
use wire::l2tp::{Avp, AvpType, DisconnectCause, Header, MessageType, ResultCode};

/// How long a tunnel outlives its last session: the client may dial again on it (RFC 2661 §7.6).
const REDIAL: Duration = Duration::from_secs(10);

/// An incoming call as seen by the LNS, from the ICRQ on.
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
struct Session {
    local: u16,
    peer: u16,
    stage: Stage,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
enum Stage {
    /// ICRP is sent, ICCN awaited.
    WaitConnect { until: Instant },
    /// It carries data.
    Established { sequencing: bool },
}

impl Session {
    /// The state in the router's words.
    fn word(&self) -> &'static str {
        match self.stage {
            Stage::WaitConnect { .. } => "wait_connect",
            Stage::Established { .. } => "established",
        }
    }

    /// When the state ends by itself.
    fn until(&self) -> Option<Instant> {
        match self.stage {
            Stage::WaitConnect { until } => Some(until),
            Stage::Established { .. } => None,
        }
    }

    fn is_up(&self) -> bool {
        matches!(self.stage, Stage::Established { .. })
    }
}

/// Which call of a tunnel without a session is awaited.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
enum Awaited {
    First,
    Another,
}

/// The sessions of a tunnel that is up, oldest first.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Sessions {
    all: Vec<Session>,
    /// While there is none: which ICRQ is awaited, and how long.
    awaited: Option<(Awaited, Instant)>,
    /// That there is no room for one more has been told.
    full_told: bool,
}

impl Sessions {
    /// The tunnel is up, its first call must come.
    pub(super) fn awaited(now: Instant) -> Self {
        Self { all: vec![], awaited: Some((Awaited::First, now.after(STATE_TIMER))), full_told: false }
    }

    fn begin(&mut self, local: u16, peer: u16, now: Instant) {
        self.awaited = None;
        // One is what nearly every tunnel has: a vector that grows by itself makes room for four.
        self.all.reserve_exact(1);
        self.all.push(Session { local, peer, stage: Stage::WaitConnect { until: now.after(STATE_TIMER) } });
    }

    fn end(&mut self, local: u16, now: Instant) {
        self.all.retain(|session| session.local != local);
        if self.all.is_empty() && self.awaited.is_none() {
            self.awaited = Some((Awaited::Another, now.after(REDIAL)));
        }
    }

    fn find(&self, local: u16) -> Option<&Session> {
        self.all.iter().find(|session| session.local == local)
    }

    fn of_peer(&self, peer: u16) -> Option<&Session> {
        self.all.iter().find(|session| session.peer == peer)
    }

    /// The local and the peer's id of each.
    pub(super) fn ids(&self) -> impl Iterator<Item = (u16, u16)> + '_ {
        self.all.iter().map(|session| (session.local, session.peer))
    }

    /// The state of one in the router's words.
    pub(super) fn word(&self, local: u16) -> &'static str {
        self.find(local).map_or("idle", Session::word)
    }

    /// Whether one carries data.
    pub(super) fn is_any_up(&self) -> bool {
        self.all.iter().any(Session::is_up)
    }

    /// Whether the client wants data of this one numbered.
    pub(super) fn sequencing(&self, local: u16) -> bool {
        self.find(local).is_some_and(|session| session.stage == Stage::Established { sequencing: true })
    }

    /// When the state of the tunnel or of a session ends by itself.
    pub(super) fn until(&self) -> Option<Instant> {
        let awaited = self.awaited.map(|(_, until)| until);
        self.all.iter().map(Session::until).fold(awaited, earliest)
    }

    /// A session beside others whose ICCN has not come in time; a tunnel that has no other ends as a whole.
    pub(super) fn late_beside_others(&self, now: Instant) -> Option<u16> {
        let is_late = |session: &&Session| session.until().is_some_and(|until| now.reached(until));
        self.all.iter().find(is_late).filter(|_| self.all.len() > 1).map(|session| session.local)
    }

    /// The message that must come.
    pub(super) fn waiting_for(&self) -> Option<MessageType> {
        match self.awaited {
            Some((Awaited::First, _)) => Some(MessageType::Icrq),
            Some((Awaited::Another, _)) => None,
            None => self.all.iter().any(|session| !session.is_up()).then_some(MessageType::Iccn),
        }
    }
}

impl Tunnel {
    /// Ends the session of this local id with a CDN, which says why PPP ended; the tunnel stays a short time for another
    /// call.
    pub fn close_session(&mut self, local: u16, result: u16, cause: &DisconnectCause, now: Instant) {
        let code = code(result, error::NONE, &cause.message);
        let told = Avp::bytes(AvpType::PppDisconnectCause, &cause.encode()).optional();
        self.end_session(local, Down::Local, code, Some(told), now);
    }

    /// The local id of the session that a message names: in its header, or by the client's own id (clients.md: Apple's CDN
    /// has no other).
    pub(super) fn named_session(&self, header: &Header, received: &Received) -> Option<u16> {
        let sessions = self.sessions()?;
        let assigned = received.u16(AvpType::AssignedSessionId);
        let named = sessions.find(header.session_id).or_else(|| sessions.of_peer(assigned?));
        named.map(|session| session.local)
    }

    /// Any message of a session but CDN.
    pub(super) fn on_session_message(&mut self, header: &Header, received: &Received, rng: &mut Rng, now: Instant) {
        if self.sessions().is_none() {
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
        let State::Established(sessions) = &mut self.state else { return };
        if let Some(local) = sessions.of_peer(peer).map(|session| session.local) {
            return self.on_session_out_of_place(local, now);
        }
        if sessions.all.len() >= usize::from(self.settings.sessions) {
            if !core::mem::replace(&mut sessions.full_told, true) {
                self.log(L2tpLog::Full { number: self.settings.number, sessions: self.settings.sessions });
            }
            let code = code(cdn::NO_FACILITIES, error::RESOURCES, "no more sessions in this tunnel");
            return self.refuse_call(peer, &code, rng, now);
        }
        let local = self.free_session_id(rng);
        if let State::Established(sessions) = &mut self.state {
            sessions.begin(local, peer, now);
        }
        let icrp = [message_type(MessageType::Icrp), Avp::u16(AvpType::AssignedSessionId, local)];
        self.send(peer, &icrp, Kind::Plain, now);
    }

    fn free_session_id(&self, rng: &mut Rng) -> u16 {
        loop {
            let id = rng.nonzero_u16();
            if self.sessions().is_none_or(|sessions| sessions.find(id).is_none()) {
                return id;
            }
        }
    }

    fn on_iccn(&mut self, header: &Header, iccn: &Received, now: Instant) {
        let State::Established(sessions) = &mut self.state else { return };
        let Some(session) = sessions.all.iter_mut().find(|session| session.local == header.session_id) else { return };
        let (local, peer) = (session.local, session.peer);
        if session.is_up() {
            return self.on_session_out_of_place(local, now);
        }
        session.stage = Stage::Established { sequencing: iccn.find(AvpType::SequencingRequired).is_some() };
        self.last_data = now;
        self.flush(now);
        self.log(L2tpLog::SessionEstablished { number: self.settings.number, id: local });
        self.output(Output::SessionUp { local, peer });
    }

    /// Whatever its codes look like, a CDN that names the session is obeyed (Apple's Result Code is malformed).
    pub(super) fn on_cdn(&mut self, header: &Header, received: &Received, now: Instant) {
        let Some(local) = self.named_session(header, received) else { return };
        self.forget_session(local, now);
        self.flush(now);
        if let Some(cause) = cause::of(received) {
            self.log(L2tpLog::PppEnded { number: self.settings.number, id: local, cause });
        }
        self.session_is_down(local, peer_reason(received));
    }

    /// ICRP, OCRQ, OCRP, OCCN: this server places no calls and takes no orders to place some.
    fn on_unwanted(&mut self, header: &Header, received: &Received, rng: &mut Rng, now: Instant) {
        if self.sessions().is_some_and(|sessions| sessions.find(header.session_id).is_some()) {
            return self.on_session_out_of_place(header.session_id, now);
        }
        if let Some(peer) = received.u16(AvpType::AssignedSessionId) {
            self.refuse_call(peer, &code(cdn::NEVER_FACILITIES, error::NONE, ""), rng, now);
        }
    }

    fn on_session_out_of_place(&mut self, local: u16, now: Instant) {
        self.end_session(local, Down::Misbehaviour, code(cdn::ERROR, error::VALUE, "message out of place"), None, now);
    }

    /// The ICCN of a call beside others has not come.
    pub(super) fn on_late_session(&mut self, local: u16, now: Instant) {
        self.log(L2tpLog::StateTimer { waiting: MessageType::Iccn });
        self.end_session(local, Down::StateTimer, code(cdn::TIMED_OUT, error::NONE, ""), None, now);
    }

    /// RFC 2661 §4.1: "the session associated with this message MUST be terminated".
    fn on_session_fault(&mut self, header: &Header, received: &Received, fault: &Fault, rng: &mut Rng, now: Instant) {
        if self.sessions().is_some_and(|sessions| sessions.find(header.session_id).is_some()) {
            self.log(L2tpLog::Refused(fault.to_string()));
            let code = code(cdn::ERROR, fault.error(), &fault.to_string());
            return self.end_session(header.session_id, Down::Misbehaviour, code, None, now);
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
        let local = self.free_session_id(rng);
        self.send(peer, &cdn_avps(local, code), Kind::Plain, now);
    }

    fn end_session(&mut self, local: u16, why: Down, code: ResultCode, cause: Option<Avp>, now: Instant) {
        let Some(peer) = self.sessions().and_then(|sessions| sessions.find(local)).map(|session| session.peer) else {
            return;
        };
        self.forget_session(local, now);
        let avps: Vec<Avp> = cdn_avps(local, &code).into_iter().chain(cause).collect();
        self.send(peer, &avps, Kind::Plain, now);
        self.session_is_down(local, why);
    }

    fn forget_session(&mut self, local: u16, now: Instant) {
        if let State::Established(sessions) = &mut self.state {
            sessions.end(local, now);
        }
    }

    /// The CDNs that go before a StopCCN.
    pub(super) fn queue_cdns(&mut self, code: &ResultCode) {
        for (local, peer) in self.session_ids().collect::<Vec<_>>() {
            self.queue(peer, &cdn_avps(local, code), Kind::Plain);
        }
    }

    pub(super) fn session_is_down(&mut self, local: u16, why: Down) {
        self.log(L2tpLog::SessionDisconnected { number: self.settings.number, id: local });
        self.output(Output::SessionDown { local, why });
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

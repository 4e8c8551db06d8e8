//! The control connection: SCCRQ to StopCCN, HELLO, and the four verbs of the machine (RFC 2661 §7.2).

use super::log::{Slip, name, printable, received_lines, sent_lines};
use super::message::{Fault, Received, challenge_response, error};
use super::opening::{check_sccrq, read_sccrq, sccrp};
use super::reliable::{Arrival, Kind, Leaving, Reliable};
use super::session::Sessions;
use super::{Down, L2tpLog, Output, Refusal, Settings, cause, cdn, stop};
use crate::rng::Rng;
use crate::time::{Instant, Retry, earliest};
use core::time::Duration;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use wire::l2tp::{Avp, AvpType, Header, MessageType, ResultCode, encode_avps};

/// How long an SCCCN, ICRQ or ICCN is waited for.
pub(super) const STATE_TIMER: Duration = Duration::from_secs(60);

/// How long after a StopCCN its repetitions are acknowledged: "a full retransmission cycle" (RFC 2661 §5.7).
const REACKNOWLEDGE: Duration = Duration::from_secs(31);

/// What a HELLO uses where no keepalive is configured; none is sent then.
const NO_KEEPALIVE: (Duration, u32) = (Duration::from_secs(60), 1);

/// States of the control connection as seen by the receiver of the SCCRQ.
///
/// RFC 2661 §7.2.1, the rows that concern it:
///
/// ```text
/// State           Event             Action               New State
/// idle            Receive SCCRQ,    Send SCCRP           wait-ctl-conn
///                 acceptable
/// idle            Receive SCCRQ,    Send StopCCN,        idle
///                 not acceptable    Clean up
/// wait-ctl-conn   Receive SCCCN,    Send tunnel-open     established
///                 acceptable        event to waiting
///                                   sessions
/// wait-ctl-conn   Receive SCCCN,    Send StopCCN,        idle
///                 not acceptable    Clean up
/// wait-ctl-conn   Receive SCCRP,    Send StopCCN,        idle
///                 SCCRQ             Clean up
/// established     Admin             Send StopCCN         idle
///                 Tunnel Close      Clean up
/// established     Receive SCCRQ,    Send StopCCN         idle
///                 SCCRP, SCCCN      Clean up
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) enum State {
    /// SCCRP is sent, SCCCN awaited.
    WaitCtlConn { challenge: Option<[u8; 16]>, until: Instant },
    /// The tunnel is up, with sessions or without.
    Established(Sessions),
    /// StopCCN is sent and not yet acknowledged.
    Closing,
    /// StopCCN was received; only its repetitions are acknowledged.
    Closed { until: Instant },
    /// Nothing is left to do.
    Finished,
}

/// One L2TP control connection of an LNS, with its sessions.
///
/// The caller hands in what arrives from the client and its own clock, and takes outputs until there are none. Outputs
/// are not part of a stored tunnel: take them all before it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tunnel {
    pub(super) settings: Settings,
    pub(super) local_tunnel_id: u16,
    pub(super) peer_tunnel_id: u16,
    pub(super) peer_port: u16,
    pub(super) peer_hostname: String,
    pub(super) peer_vendor: String,
    pub(super) state: State,
    pub(super) reliable: Reliable,
    /// When the SCCRQ came, or after it the SCCCN.
    pub(super) state_since: Instant,
    /// When the client was heard last.
    pub(super) last_heard: Instant,
    /// When data went last, in either direction.
    pub(super) last_data: Instant,
    #[serde(skip)]
    outputs: VecDeque<Output>,
}

impl Tunnel {
    /// A valid SCCRQ opens a tunnel and is answered by an SCCRP.
    pub fn accept(
        message: &[u8],
        local_tunnel_id: u16,
        peer_port: u16,
        settings: Settings,
        rng: &mut Rng,
        now: Instant,
    ) -> Result<Self, Refusal> {
        let received = read_sccrq(message, &settings)?;
        let checked = match check_sccrq(&received, &settings) {
            Ok(checked) => checked,
            Err(refused) => return Err(refused.refusal(&received, local_tunnel_id, &settings)),
        };
        let text = |kind| received.find(kind).map(|avp| printable(&avp.value)).unwrap_or_default();
        let hello = keepalive_policy(&settings);
        let mut tunnel = Self {
            local_tunnel_id,
            peer_tunnel_id: checked.peer_tunnel_id,
            peer_port,
            peer_hostname: text(AvpType::HostName),
            peer_vendor: text(AvpType::VendorName),
            state: State::WaitCtlConn { challenge: None, until: now.after(STATE_TIMER) },
            reliable: Reliable::after_first(checked.peer_window, hello),
            state_since: now,
            last_heard: now,
            last_data: now,
            outputs: VecDeque::new(),
            settings,
        };
        tunnel.log_received(&received, "idle");
        tunnel.log(L2tpLog::Connected { number: tunnel.settings.number, peer: tunnel.settings.peer });
        let challenge = tunnel.settings.secret.is_some().then(|| rng.array::<16>());
        tunnel.state = State::WaitCtlConn { challenge, until: now.after(STATE_TIMER) };
        let sccrp = sccrp(&tunnel.settings, local_tunnel_id, challenge, received.find(AvpType::Challenge));
        tunnel.send(0, &sccrp, Kind::Plain, now);
        Ok(tunnel)
    }

    /// Goes on under other settings, as far as they do not belong to what has been agreed on: keepalive, disconnect timer,
    /// log.
    pub fn reconfigure(&mut self, settings: &Settings, now: Instant) {
        if settings.idle != self.settings.idle {
            self.last_data = now;
            self.settings.idle = settings.idle;
        }
        if settings.keepalive != self.settings.keepalive {
            self.settings.keepalive = settings.keepalive;
            self.reliable.keep_alive_by(keepalive_policy(settings));
        }
        self.settings.sessions = settings.sessions;
        self.settings.log_messages = settings.log_messages;
        self.settings.log_keepalive = settings.log_keepalive;
    }

    /// Takes a whole control message of the client.
    pub fn handle_control(&mut self, message: &[u8], rng: &mut Rng, now: Instant) {
        // RFC 2661 §7.1: "A control message with a malformed header should be discarded."
        let Ok((header, payload)) = Header::decode(message) else {
            return;
        };
        let (true, Some(ns), Some(nr)) = (header.control, header.ns, header.nr) else {
            return;
        };
        if self.is_finished() {
            return;
        }
        if header.tunnel_id == 0 && !self.on_tunnel_zero(payload, now) {
            return;
        }
        if header.tunnel_id != 0 && header.tunnel_id != self.local_tunnel_id {
            return;
        }
        self.saw_traffic(false, now);
        self.on_nr(nr, payload.is_empty(), now);
        if !payload.is_empty() && self.reliable.receive(ns, message) == Arrival::InOrder {
            self.on_message(&header, payload, rng, now);
            self.on_held(rng, now);
        }
        if self.reliable.is_full() {
            // Only a client that asks for much and acknowledges nothing comes here.
            let error = ResultCode { result: stop::ERROR, error: Some(error::RESOURCES), message: String::new() };
            self.shut(Down::Misbehaviour, None, error, now);
        }
        self.flush(now);
        if self.state == State::Closing && self.reliable.is_quiet() {
            // The client has cleaned up and repeats nothing, so there is nothing to acknowledge any more.
            self.finish();
        }
    }

    /// Notes that the client was heard; `data` if it was anything but L2TP control.
    pub fn saw_traffic(&mut self, data: bool, now: Instant) {
        self.last_heard = self.last_heard.max(now);
        self.reliable.peer_lives(now);
        if data {
            self.sent_data(now);
        }
    }

    /// Notes that data went to the client.
    pub fn sent_data(&mut self, now: Instant) {
        self.last_data = self.last_data.max(now);
    }

    /// Ends the tunnel and its sessions: CDN and StopCCN leave at once, with a result code of [`stop`].
    pub fn close(&mut self, result: u16, error: u16, text: &str, now: Instant) {
        if !self.is_open() {
            return;
        }
        let call = if error == error::NONE { cdn::ADMINISTRATIVE } else { cdn::ERROR };
        self.shut(Down::Local, Some(call), ResultCode { result, error: Some(error), message: text.into() }, now);
    }

    /// Ends the tunnel and its sessions without a word to the client, who has begun anew under the same tunnel id.
    pub fn forget(&mut self) {
        if self.is_finished() {
            return;
        }
        if self.is_open() {
            self.drop_sessions(Down::Replaced);
            self.output(Output::TunnelDown { why: Down::Replaced });
        }
        self.finish();
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, _rng: &mut Rng, now: Instant) {
        self.fire_retransmission(now);
        self.fire_state_timer(now);
        if self.idle_due().is_some_and(|due| now.reached(due)) {
            self.log(L2tpLog::DisconnectTimer { id: self.local_tunnel_id });
            self.shut(Down::Idle, Some(cdn::ADMINISTRATIVE), plain(stop::GENERAL), now);
        }
        if self.hello_due().is_some_and(|due| now.reached(due)) {
            self.send(0, &[message_type(MessageType::Hello)], Kind::Hello, now);
        }
        self.flush(now);
    }

    /// The next thing that the tunnel wants done.
    pub fn poll_output(&mut self) -> Option<Output> {
        crate::queue::take(&mut self.outputs)
    }

    /// When to call [`Self::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        let state = match &self.state {
            State::WaitCtlConn { until, .. } | State::Closed { until } => Some(*until),
            State::Established(sessions) => sessions.until(),
            State::Closing => None,
            State::Finished => return None,
        };
        [self.reliable.due(), state, self.idle_due(), self.hello_due()].into_iter().fold(None, earliest)
    }
}

/// What arrives.
impl Tunnel {
    /// A message on tunnel 0; whether it is to be handled like one on this tunnel.
    ///
    /// An SCCRQ comes so, a StopCCN may (RFC 2661 §4.4.3, Assigned Tunnel ID), and HELLOs of Apple's do that only wake
    /// their IPsec.
    fn on_tunnel_zero(&mut self, payload: &[u8], now: Instant) -> bool {
        let Ok(received) = Received::read(payload, self.settings.secret.as_ref()) else {
            return false;
        };
        let named = received.u16(AvpType::AssignedTunnelId) == Some(self.peer_tunnel_id);
        match received.kind {
            MessageType::StopCcn => named,
            MessageType::Sccrq if named && self.repeats(self.peer_tunnel_id, now) => {
                self.on_repeated_sccrq(now);
                false
            }
            _ => false,
        }
    }

    /// The client has missed the SCCRP, or its acknowledgement of it crosses ours.
    fn on_repeated_sccrq(&mut self, now: Instant) {
        self.saw_traffic(false, now);
        let waiting = matches!(self.state, State::WaitCtlConn { .. });
        match self.reliable.repeat_front().filter(|_| waiting) {
            Some(sccrp) => self.emit(&sccrp),
            None => {
                self.reliable.owe_ack();
                self.flush(now);
            }
        }
    }

    fn on_nr(&mut self, nr: u16, zlb: bool, now: Instant) {
        let hello = self.reliable.acknowledge(nr, now);
        if hello && zlb && self.settings.log_keepalive {
            self.log(L2tpLog::RecvZlb { peer: self.settings.peer });
        }
    }

    /// Messages that came before their turn, and whose turn has come.
    fn on_held(&mut self, rng: &mut Rng, now: Instant) {
        while let Some(message) = self.reliable.take_held() {
            if let Ok((header, payload)) = Header::decode(&message) {
                self.on_message(&header, payload, rng, now);
            }
        }
    }

    /// A message in its order, once.
    fn on_message(&mut self, header: &Header, payload: &[u8], rng: &mut Rng, now: Instant) {
        let received = match Received::read(payload, self.settings.secret.as_ref()) {
            Ok(received) => received,
            Err(fault) => return self.on_fault(&fault, now),
        };
        if matches!(self.state, State::Closed { .. } | State::Finished) {
            return;
        }
        let state = match received.kind {
            MessageType::Icrq
            | MessageType::Icrp
            | MessageType::Iccn
            | MessageType::Ocrq
            | MessageType::Ocrp
            | MessageType::Occn
            | MessageType::Cdn
            | MessageType::Wen
            | MessageType::Sli => self.named_session(header, &received).map_or("idle", |id| self.session_word(id)),
            _ => self.state_word(),
        };
        self.log_received(&received, state);
        match (received.kind, &received.fault) {
            (MessageType::StopCcn, _) => self.on_stopccn(&received, now),
            _ if self.state == State::Closing => {}
            (MessageType::Cdn, _) => self.on_cdn(header, &received, now),
            (
                MessageType::Icrq
                | MessageType::Icrp
                | MessageType::Iccn
                | MessageType::Ocrq
                | MessageType::Ocrp
                | MessageType::Occn
                | MessageType::Wen
                | MessageType::Sli,
                _,
            ) => self.on_session_message(header, &received, rng, now),
            (_, Some(fault)) => self.on_fault(fault, now),
            (MessageType::Scccn, None) => self.on_scccn(&received, now),
            (MessageType::Sccrq | MessageType::Sccrp, None) => self.on_out_of_place(received.kind, now),
            // RFC 2661 §4.4.1: an unknown message without its M bit may be ignored; a HELLO wants only its acknowledgement.
            (MessageType::Hello | MessageType::Unknown(_), None) => {}
        }
    }

    fn on_scccn(&mut self, scccn: &Received, now: Instant) {
        let State::WaitCtlConn { challenge, .. } = &self.state else {
            return self.on_out_of_place(MessageType::Scccn, now);
        };
        if let (Some(challenge), Some(secret)) = (challenge, &self.settings.secret) {
            let right = challenge_response(MessageType::Scccn, secret, challenge);
            let proof = scccn.find(AvpType::ChallengeResponse);
            if !proof.is_some_and(|proof| crypto::equal(&proof.value, &right)) {
                self.log(L2tpLog::AuthenticationError { id: self.local_tunnel_id });
                let slip = if proof.is_some() { Slip::Differs } else { Slip::NotThere };
                self.log_slip(slip);
                return self.shut(Down::Authentication, None, plain(stop::NOT_AUTHORIZED), now);
            }
        }
        self.state = State::Established(Sessions::awaited(now));
        self.state_since = now;
        // Android sends its ICRQ only when the SCCCN is acknowledged.
        self.flush(now);
        self.log(L2tpLog::TunnelEstablished { number: self.settings.number, id: self.local_tunnel_id });
    }

    /// Whatever its codes look like, a StopCCN of the client is obeyed (Apple's Result Code is malformed).
    fn on_stopccn(&mut self, stopccn: &Received, now: Instant) {
        let why = peer_reason(stopccn);
        let was_open = self.is_open();
        // It does not go on from our proof: it knows another secret (xl2tpd says that with a general error).
        let is_refused = matches!(why, Down::Peer { result: stop::ERROR | stop::NOT_AUTHORIZED, .. });
        if is_refused && matches!(self.state, State::WaitCtlConn { challenge: Some(_), .. }) {
            self.log_slip(Slip::Refuses);
        }
        self.reliable.clear();
        self.flush(now);
        if was_open {
            self.drop_sessions(why);
            self.output(Output::TunnelDown { why });
        }
        self.log(L2tpLog::TunnelDisconnected { number: self.settings.number, id: self.local_tunnel_id });
        self.state = State::Closed { until: now.after(REACKNOWLEDGE) };
    }

    /// RFC 2661 §7.1: a message "received in an improper sequence" clears the control connection.
    pub(super) fn on_out_of_place(&mut self, kind: MessageType, now: Instant) {
        self.log(L2tpLog::Refused(format!("{} out of place", name(kind))));
        let text = format!("{} in {}", name(kind), self.state_word());
        let result = ResultCode { result: stop::STATE_MACHINE, error: Some(error::NONE), message: text };
        self.shut(Down::Misbehaviour, None, result, now);
    }

    /// A message that concerns the whole tunnel and cannot be acted upon (RFC 2661 §4.1, §7.1).
    fn on_fault(&mut self, fault: &Fault, now: Instant) {
        if !self.is_open() {
            return;
        }
        self.log(L2tpLog::Refused(fault.to_string()));
        let result = ResultCode { result: stop::ERROR, error: Some(fault.error()), message: fault.to_string() };
        self.shut(Down::Misbehaviour, None, result, now);
    }
}

/// What leaves.
impl Tunnel {
    pub(super) fn sessions(&self) -> Option<&Sessions> {
        match &self.state {
            State::Established(sessions) => Some(sessions),
            State::WaitCtlConn { .. } | State::Closing | State::Closed { .. } | State::Finished => None,
        }
    }

    pub(super) fn output(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(super) fn log(&mut self, line: L2tpLog) {
        self.output(Output::Log(line));
    }

    /// Queues a message and sends what may leave.
    pub(super) fn send(&mut self, session_id: u16, avps: &[Avp], kind: Kind, now: Instant) {
        self.queue(session_id, avps, kind);
        self.flush(now);
    }

    /// Queues a message. A full queue takes none, and ends the tunnel before anybody misses it.
    pub(super) fn queue(&mut self, session_id: u16, avps: &[Avp], kind: Kind) {
        self.reliable.push(session_id, encode_avps(avps), kind);
    }

    /// Sends what the window lets leave, and the acknowledgement if nothing carries it.
    pub(super) fn flush(&mut self, now: Instant) {
        while let Some(leaving) = self.reliable.next_leaving(now) {
            self.emit(&leaving);
        }
        if let Some(zlb) = self.reliable.take_zlb() {
            self.emit(&zlb);
        }
    }

    pub(super) fn emit(&mut self, leaving: &Leaving) {
        self.log_sent(leaving);
        let message = encode(self.peer_tunnel_id, leaving);
        self.output(Output::Send(message));
    }

    /// Takes the tunnel down from this side; `call` is the result code of the CDN, if one shall leave before.
    pub(super) fn shut(&mut self, why: Down, call: Option<u16>, result: ResultCode, now: Instant) {
        if !self.is_open() {
            return;
        }
        if why == Down::StateTimer {
            self.tell_silence();
        }
        self.log(L2tpLog::Disconnecting { number: self.settings.number, id: self.local_tunnel_id });
        self.reliable.drop_unsent();
        // RFC 2661 §5.7: "it is not necessary to clear each session individually". A small window has no room for it.
        let sessions: Vec<u16> = self.session_ids().map(|(local, _)| local).collect();
        if let Some(call) = call.filter(|_| self.reliable.has_room(1 + sessions.len())) {
            let code = ResultCode { result: call, ..result.clone() };
            self.queue_cdns(&code);
        }
        self.state = State::Closing;
        let avps = [
            message_type(MessageType::StopCcn),
            Avp::u16(AvpType::AssignedTunnelId, self.local_tunnel_id),
            Avp::bytes(AvpType::ResultCode, &result.encode()),
        ];
        self.send(0, &avps, Kind::Stop, now);
        for local in sessions {
            self.session_is_down(local, why);
        }
        self.output(Output::TunnelDown { why });
    }

    /// The sessions end with their tunnel.
    pub(super) fn drop_sessions(&mut self, why: Down) {
        for (local, _) in self.session_ids().collect::<Vec<_>>() {
            self.session_is_down(local, why);
        }
    }

    /// Nothing is left to do; that a tunnel is gone has been logged already where the client closed it.
    pub(super) fn finish(&mut self) {
        if !matches!(self.state, State::Closed { .. }) {
            self.log(L2tpLog::TunnelDisconnected { number: self.settings.number, id: self.local_tunnel_id });
        }
        self.reliable.clear();
        self.state = State::Finished;
    }

    /// The client went silent; where it was asked for a proof, that may be why.
    pub(super) fn tell_silence(&mut self) {
        if matches!(self.state, State::WaitCtlConn { challenge: Some(_), .. }) {
            self.log_slip(Slip::Silent);
        }
    }

    fn log_slip(&mut self, slip: Slip) {
        let Settings { number, peer, .. } = self.settings;
        self.log(L2tpLog::WrongSecret { number, peer, slip });
    }

    fn log_received(&mut self, received: &Received, state: &'static str) {
        let peer = self.settings.peer;
        if received.kind == MessageType::Hello {
            if self.settings.log_keepalive {
                self.log(L2tpLog::RecvHello { peer });
            }
        } else if self.settings.log_messages {
            self.outputs.extend(received_lines(received, state, &self.settings).into_iter().map(Output::Log));
        }
    }

    fn log_sent(&mut self, leaving: &Leaving) {
        let peer = self.settings.peer;
        if leaving.kind == Kind::Hello {
            if self.settings.log_keepalive && self.is_open() {
                self.log(L2tpLog::KeepaliveSet);
                self.log(L2tpLog::KeepaliveSent { peer });
            }
            return;
        }
        if !self.settings.log_messages {
            return;
        }
        let lines = sent_lines(leaving, &self.settings);
        self.outputs.extend(lines.into_iter().map(Output::Log));
    }
}

pub(super) fn message_type(message: MessageType) -> Avp {
    Avp::u16(AvpType::MessageType, message.into())
}

/// A result code without an error; the error code is there all the same, since xl2tpd wants 10 octets.
pub(super) fn plain(result: u16) -> ResultCode {
    ResultCode { result, error: Some(error::NONE), message: String::new() }
}

/// The codes of a StopCCN or CDN of the client.
pub(super) fn peer_reason(received: &Received) -> Down {
    let code = received.find(AvpType::ResultCode).and_then(|avp| ResultCode::decode(&avp.value).ok());
    Down::Peer {
        result: code.as_ref().map_or(0, |code| code.result),
        error: code.and_then(|code| code.error).unwrap_or(0),
        ppp: cause::of(received).map(|cause| (cause.code, cause.direction)),
    }
}

pub(super) fn encode(peer_tunnel_id: u16, leaving: &Leaving) -> Vec<u8> {
    let header = Header {
        control: true,
        length: None,
        tunnel_id: peer_tunnel_id,
        session_id: leaving.session_id,
        ns: Some(leaving.ns),
        nr: Some(leaving.nr),
        offset: None,
        priority: false,
    };
    header.encode(&leaving.body)
}

/// How a HELLO is repeated (`l2tp keepalive use`).
fn keepalive_policy(settings: &Settings) -> Retry {
    let (interval, count) = settings.keepalive.unwrap_or(NO_KEEPALIVE);
    Retry { first: interval, factor: 1, cap: interval, tries: count }
}

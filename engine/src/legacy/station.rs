//! PPTP's control connections (RFC 2637 §2 and §3): what clients say in TCP, which calls they have, and how long they may idle.

use super::call::Call;
use super::log::Told;
use crate::carrier::{Ring, Station, StationOutput, StreamEvent, StreamId, Surroundings};
use crate::ike::Endpoint;
use crate::rng::Rng;
use crate::time::{Instant, earliest};
use command::Config;
use command::legacy::Tunnel;
use core::fmt::Write as _;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use wire::legacy::pptp::{self, Message, OutgoingCallReply, OutgoingCallRequest, Start, VERSION};

/// Control connections, in all and from one address: many clients may share a NAT.
pub(super) const MOST_STREAMS: usize = 512;
pub(super) const MOST_STREAMS_PER_SOURCE: usize = 32;
/// Calls of one control connection.
pub(super) const MOST_CALLS: usize = 32;
/// Calls that one address may begin within a minute, and addresses that are remembered for it: each call is a guess at a
/// password, and lines in the log.
pub(super) const MOST_BEGUN: u32 = 60;
const MOST_CALLERS: usize = 1024;
const MINUTE: Duration = Duration::from_secs(60);
/// How long a client may take to introduce itself, to send the rest of a message, or to be without a call.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
pub(super) const WITHOUT_CALL: Duration = Duration::from_secs(30);
/// How long a client may take to close a connection whose end has been agreed on.
const GOODBYE: Duration = Duration::from_secs(3);
/// The pause between Echo-Requests once one was missed (yamaha.md §3.7).
const AFTER_MISS: Duration = Duration::from_secs(1);
/// A refusal is told once for a source within this time, and so many sources are remembered.
const TELL_AGAIN: Duration = Duration::from_secs(60);
const MOST_TOLD: usize = 256;
/// The speed of a line that is not there, in bits a second.
const SPEED: u32 = 100_000_000;

/// Result codes of RFC 2637 §2.2, §2.8, §2.13.
mod result {
    pub(super) const SUCCESS: u8 = 1;
    pub(super) const BAD_VERSION: u8 = 5;
    pub(super) const ADMINISTRATIVE: u8 = 3;
    pub(super) const REQUESTED: u8 = 4;
    pub(super) const DO_NOT_ACCEPT: u8 = 7;
    /// General error: no resource.
    pub(super) const NO_RESOURCE: u8 = 4;
    /// The reason of a Stop-Control-Connection-Request: shutting down.
    pub(super) const SHUTDOWN: u8 = 3;
}

/// A call of a control connection.
struct Entry {
    peer_call_id: u16,
    client: u32,
    settings: Tunnel,
}

/// Where a control connection stands (RFC 2637 §3.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// The client has not introduced itself.
    Idle,
    Established,
    /// The end was agreed on; the stream is closed soon.
    Stopping,
}

struct Connection {
    peer: SocketAddr,
    local: SocketAddr,
    state: State,
    /// When it is closed, unless something happens.
    until: Option<Instant>,
    /// A message that is not complete, and when it must be.
    partial: Vec<u8>,
    partial_until: Option<Instant>,
    host: String,
    vendor: String,
    calls: BTreeMap<u16, Entry>,
    echo: Echo,
}

/// Looks whether the client is there.
#[derive(Default)]
struct Echo {
    due: Option<Instant>,
    waiting: bool,
    missed: u32,
    id: u32,
    heard: Instant,
}

/// All of PPTP's control connections.
pub(super) struct Pptp {
    config: command::legacy::Pptp,
    streams: BTreeMap<StreamId, Connection>,
    /// The call that the engine has been told of and not answered yet.
    ringing: Option<(StreamId, u16, OutgoingCallRequest, Tunnel, Instant)>,
    told: BTreeMap<IpAddr, Instant>,
    /// Since when how many calls were begun.
    begun: BTreeMap<IpAddr, (Instant, u32)>,
    outputs: VecDeque<StationOutput>,
}

impl Pptp {
    pub(super) fn new(config: command::legacy::Pptp) -> Self {
        Self {
            config,
            streams: BTreeMap::new(),
            ringing: None,
            told: BTreeMap::new(),
            begun: BTreeMap::new(),
            outputs: VecDeque::new(),
        }
    }

    fn tell(&mut self, told: &Told) {
        self.outputs.push_back(StationOutput::Event(told.event()));
    }

    /// Tells of something that a stranger can cause at will, once a minute for a source.
    fn tell_seldom(&mut self, peer: IpAddr, told: &Told, now: Instant) {
        if self.told.get(&peer).is_some_and(|since| now.since(*since) < TELL_AGAIN) {
            return;
        }
        if self.told.len() >= MOST_TOLD {
            self.told.retain(|_, since| now.since(*since) < TELL_AGAIN);
        }
        if self.told.len() < MOST_TOLD {
            self.told.insert(peer, now);
            self.tell(told);
        }
    }

    /// Whether an address may begin one more call.
    fn may_begin(&mut self, peer: IpAddr, now: Instant) -> bool {
        if self.begun.len() >= MOST_CALLERS {
            self.begun.retain(|_, (since, _)| now.since(*since) < MINUTE);
        }
        if self.begun.len() >= MOST_CALLERS && !self.begun.contains_key(&peer) {
            return false;
        }
        let (since, count) = self.begun.entry(peer).or_insert((now, 0));
        if now.since(*since) >= MINUTE {
            (*since, *count) = (now, 0);
        }
        *count += 1;
        *count <= MOST_BEGUN
    }

    /// Whether messages with this client are logged: its tunnels say so, or any does while it has none.
    fn logs(&self, stream: StreamId, is_echo: bool) -> bool {
        let wanted = |t: &Tunnel| if is_echo { t.keepalive_log } else { t.syslog };
        let calls = self.streams.get(&stream).map(|c| &c.calls);
        match calls.filter(|calls| !calls.is_empty()) {
            Some(calls) => calls.values().any(|entry| wanted(&entry.settings)),
            None => self.config.tunnels.iter().any(wanted),
        }
    }

    fn send(&mut self, stream: StreamId, message: &Message) {
        let Some(connection) = self.streams.get(&stream) else { return };
        let peer = connection.peer;
        if self.logs(stream, is_echo(message)) {
            self.tell(&Told::Sent { peer, what: words(message) });
        }
        self.outputs.push_back(StationOutput::Send { stream, bytes: message.encode() });
    }

    fn open(&mut self, stream: StreamId, peer: SocketAddr, local: SocketAddr, now: Instant) {
        // The port stays open, since it is the start that opens it.
        if !self.config.service {
            return self.outputs.push_back(StationOutput::Close { stream });
        }
        let of_source = self.streams.values().filter(|c| c.peer.ip() == peer.ip()).count();
        if self.streams.len() >= MOST_STREAMS || of_source >= MOST_STREAMS_PER_SOURCE {
            let why = "too many control connections".to_owned();
            self.tell_seldom(peer.ip(), &Told::Refused { peer, why }, now);
            self.outputs.push_back(StationOutput::Close { stream });
            return;
        }
        let connection = Connection {
            peer,
            local,
            state: State::Idle,
            until: Some(now.after(PATIENCE)),
            partial: Vec::new(),
            partial_until: None,
            host: String::new(),
            vendor: String::new(),
            calls: BTreeMap::new(),
            echo: Echo { heard: now, ..Echo::default() },
        };
        self.streams.insert(stream, connection);
    }

    /// A connection is over: its calls are, too.
    fn drop_stream(&mut self, stream: StreamId, why: &str) {
        let Some(connection) = self.streams.remove(&stream) else { return };
        for (call, entry) in connection.calls {
            let tunnel = entry.settings.number;
            self.tell(&Told::Ended { tunnel, call, why: why.to_owned() });
            self.outputs.push_back(StationOutput::Hangup { client: entry.client, why: format!("PPTP: {why}") });
        }
    }

    fn close(&mut self, stream: StreamId, why: &str) {
        self.drop_stream(stream, why);
        self.outputs.push_back(StationOutput::Close { stream });
    }

    fn on_octets(&mut self, stream: StreamId, octets: &[u8], mut cx: Surroundings<'_>) {
        let Some(connection) = self.streams.get_mut(&stream).filter(|c| c.state != State::Stopping) else { return };
        let peer = connection.peer;
        let mut rest = [core::mem::take(&mut connection.partial).as_slice(), octets].concat();
        loop {
            let message = match pptp::length(&rest) {
                Ok(Some(length)) if rest.len() >= length => {
                    let left = rest.split_off(length);
                    Message::decode(&core::mem::replace(&mut rest, left))
                }
                Ok(_) => break,
                Err(error) => Err(error),
            };
            match message {
                Ok(message) => self.on_message(stream, message, &mut cx),
                Err(error) => {
                    self.tell_seldom(peer.ip(), &Told::Refused { peer, why: error.to_string() }, cx.now);
                    return self.close(stream, "a message of the client could not be read");
                }
            }
            // One call is begun at a time, and the engine answers before the next message is looked at.
            if self.ringing.is_some() {
                break;
            }
        }
        if let Some(connection) = self.streams.get_mut(&stream) {
            let begun = connection.partial_until.filter(|_| !octets.is_empty());
            let until = begun.unwrap_or_else(|| cx.now.after(PATIENCE));
            connection.partial_until = (!rest.is_empty()).then_some(until);
            connection.partial = rest;
        }
    }

    fn on_message(&mut self, stream: StreamId, message: Message, cx: &mut Surroundings<'_>) {
        let Some(connection) = self.streams.get_mut(&stream) else { return };
        let peer = connection.peer;
        connection.partial_until = None;
        connection.heard(cx.now);
        let established = connection.state == State::Established;
        if self.logs(stream, is_echo(&message)) {
            self.tell(&Told::Received { peer, what: words(&message) });
        }
        match message {
            Message::StartRequest(start) => self.on_start(stream, &start, cx.now),
            Message::StopRequest { .. } => {
                self.send(stream, &Message::StopReply { result: result::SUCCESS, error: 0 });
                self.end_calls(stream, "the client closed the control connection");
                if let Some(connection) = self.streams.get_mut(&stream) {
                    connection.state = State::Stopping;
                    connection.until = Some(cx.now.after(GOODBYE));
                }
            }
            Message::StopReply { .. } => self.close(stream, "the control connection was closed"),
            Message::EchoRequest { id } => {
                self.send(stream, &Message::EchoReply { id, result: result::SUCCESS, error: 0 });
            }
            Message::OutgoingCallRequest(call) if established => self.on_outgoing_call(stream, call, cx),
            Message::CallClearRequest { call_id } if established => self.on_clear(stream, call_id),
            Message::CallDisconnectNotify { call_id, .. } if established => self.on_clear(stream, call_id),
            // Character maps and errors of a serial line, which is not there; incoming calls, which nobody makes here.
            Message::EchoReply { .. }
            | Message::OutgoingCallRequest(_)
            | Message::CallClearRequest { .. }
            | Message::CallDisconnectNotify { .. }
            | Message::StartReply(_)
            | Message::OutgoingCallReply(_)
            | Message::WanErrorNotify { .. }
            | Message::SetLinkInfo { .. }
            | Message::Unknown { .. } => {}
        }
    }

    fn on_start(&mut self, stream: StreamId, start: &Start, now: Instant) {
        let wrong_version = start.version >> 8 != VERSION >> 8;
        let reply = Start {
            version: VERSION,
            result: if wrong_version { result::BAD_VERSION } else { result::SUCCESS },
            error: 0,
            framing: 3,
            bearer: 3,
            channels: u16::try_from(self.config.tunnels.len()).unwrap_or(u16::MAX),
            firmware: 0x0100,
            host: self.config.hostname.as_deref().unwrap_or("sekisho").as_bytes().to_vec(),
            vendor: self.config.vendorname.as_bytes().to_vec(),
        };
        self.send(stream, &Message::StartReply(reply));
        if wrong_version {
            return self.close(stream, "the client speaks another version of PPTP");
        }
        if let Some(connection) = self.streams.get_mut(&stream) {
            connection.host = printable(&start.host);
            connection.vendor = printable(&start.vendor);
            if connection.state == State::Idle {
                connection.state = State::Established;
                connection.until = Some(now.after(WITHOUT_CALL));
            }
        }
    }

    fn on_outgoing_call(&mut self, stream: StreamId, call: OutgoingCallRequest, cx: &mut Surroundings<'_>) {
        let Some(connection) = self.streams.get(&stream) else { return };
        let (peer, local) = (connection.peer, connection.local);
        // The same id again while the call stands: the client has forgotten it.
        let old = connection.calls.iter().find(|(_, entry)| entry.peer_call_id == call.call_id).map(|(id, _)| *id);
        if let Some(old) = old {
            self.end_call(stream, old, "the client dialled again");
        }
        if !self.may_begin(peer.ip(), cx.now) {
            let why = format!("more than {MOST_BEGUN} calls within a minute");
            self.tell_seldom(peer.ip(), &Told::Refused { peer, why }, cx.now);
            return self.send(stream, &not_accepted(call.call_id));
        }
        let crowded = self.streams.get(&stream).is_some_and(|c| c.calls.len() >= MOST_CALLS);
        let fits = |t: &&Tunnel| (cx.is_free)(t.number) && t.remote.is_none_or(|remote| remote == peer.ip());
        let Some(tunnel) = self.config.tunnels.iter().find(fits).filter(|_| !crowded).cloned() else {
            let tunnels = self.config.tunnels.len();
            self.tell_seldom(peer.ip(), &Told::NoTunnel { peer: peer.ip(), tunnels }, cx.now);
            return self.send(stream, &not_accepted(call.call_id));
        };
        let call_id = self.free_call_id(cx.rng);
        self.tell(&Told::Connected { tunnel: tunnel.number, peer: peer.ip() });
        let ring = Ring {
            endpoint: Endpoint { peer, local },
            tunnel: tunnel.number,
            sessions: (call_id, call.call_id),
            window: call.window,
            carrier: Box::new(Call::new(tunnel.clone(), peer.ip(), cx.now)),
        };
        self.ringing = Some((stream, call_id, call, tunnel, cx.now));
        self.outputs.push_back(StationOutput::Ring(ring));
    }

    fn free_call_id(&self, rng: &mut Rng) -> u16 {
        loop {
            let id = rng.nonzero_u16();
            if !self.streams.values().any(|c| c.calls.contains_key(&id)) {
                return id;
            }
        }
    }

    /// The client names its own id; RFC 2637 §2.12.
    fn on_clear(&mut self, stream: StreamId, peer_call_id: u16) {
        let Some(connection) = self.streams.get(&stream) else { return };
        let found = connection.calls.iter().find(|(_, entry)| entry.peer_call_id == peer_call_id).map(|(id, _)| *id);
        if let Some(call_id) = found {
            self.end_call(stream, call_id, "the client hung up");
        }
    }

    fn end_call(&mut self, stream: StreamId, call_id: u16, why: &str) {
        let Some(entry) = self.streams.get_mut(&stream).and_then(|c| c.calls.remove(&call_id)) else { return };
        self.disconnected(stream, call_id, result::REQUESTED);
        self.tell(&Told::Ended { tunnel: entry.settings.number, call: call_id, why: why.to_owned() });
        self.outputs.push_back(StationOutput::Hangup { client: entry.client, why: format!("PPTP: {why}") });
    }

    fn end_calls(&mut self, stream: StreamId, why: &str) {
        let calls: Vec<u16> = self.streams.get(&stream).map(|c| c.calls.keys().copied().collect()).unwrap_or_default();
        for call_id in calls {
            self.end_call(stream, call_id, why);
        }
    }

    fn disconnected(&mut self, stream: StreamId, call_id: u16, result: u8) {
        let (error, cause, statistics) = (0, 0, Vec::new());
        self.send(stream, &Message::CallDisconnectNotify { call_id, result, error, cause, statistics });
    }

    fn on_echo_timer(&mut self, stream: StreamId, now: Instant) {
        let Some(connection) = self.streams.get_mut(&stream) else { return };
        if !connection.echo.due.is_some_and(|due| now.reached(due)) {
            return;
        }
        let Some((interval, count)) = connection.keepalive() else {
            connection.echo.due = None;
            return;
        };
        let echo = &mut connection.echo;
        if echo.waiting {
            echo.missed += 1;
        }
        if echo.missed >= count {
            let (peer, seconds) = (connection.peer, now.since(connection.echo.heard).as_secs());
            self.tell(&Told::Silent { peer, seconds });
            return self.close(stream, "the client does not answer Echo-Requests");
        }
        echo.due = Some(now.after(if echo.waiting { AFTER_MISS } else { interval.min(PATIENCE) }));
        echo.waiting = true;
        echo.id = echo.id.wrapping_add(1);
        let id = echo.id;
        self.send(stream, &Message::EchoRequest { id });
    }
}

impl Connection {
    /// The shortest keepalive of its calls.
    fn keepalive(&self) -> Option<(Duration, u32)> {
        let all = self.calls.values().filter_map(|entry| entry.settings.keepalive);
        all.min().map(|(interval, count)| (Duration::from_secs(u64::from(interval)), count))
    }

    /// A message of the client came.
    fn heard(&mut self, now: Instant) {
        let due = self.keepalive().map(|(interval, _)| now.after(interval));
        self.echo = Echo { due, waiting: false, missed: 0, id: self.echo.id, heard: now };
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let idle = self.until.filter(|_| self.calls.is_empty());
        earliest(earliest(idle, self.partial_until), self.echo.due)
    }
}

/// The answer to a call that is not taken.
fn not_accepted(peer_call_id: u16) -> Message {
    let (result, error) = (result::DO_NOT_ACCEPT, result::NO_RESOURCE);
    Message::OutgoingCallReply(OutgoingCallReply { peer_call_id, result, error, ..OutgoingCallReply::default() })
}

fn is_echo(message: &Message) -> bool {
    matches!(message, Message::EchoRequest { .. } | Message::EchoReply { .. })
}

/// A message's name, and what tells it from others of the kind.
fn words(message: &Message) -> String {
    match message {
        Message::StartRequest(start) => {
            let (host, vendor) = (printable(&start.host), printable(&start.vendor));
            format!("Start-Control-Connection-Request host '{host}' vendor '{vendor}'")
        }
        Message::StartReply(start) => format!("Start-Control-Connection-Reply result {}", start.result),
        Message::StopRequest { reason } => format!("Stop-Control-Connection-Request reason {reason}"),
        Message::StopReply { result, .. } => format!("Stop-Control-Connection-Reply result {result}"),
        Message::EchoRequest { id } => format!("Echo-Request {id}"),
        Message::EchoReply { id, .. } => format!("Echo-Reply {id}"),
        Message::OutgoingCallRequest(call) => {
            format!("Outgoing-Call-Request call {} window {}", call.call_id, call.window)
        }
        Message::OutgoingCallReply(reply) => {
            format!("Outgoing-Call-Reply call {} peer's {} result {}", reply.call_id, reply.peer_call_id, reply.result)
        }
        Message::CallClearRequest { call_id } => format!("Call-Clear-Request call {call_id}"),
        Message::CallDisconnectNotify { call_id, result, .. } => {
            format!("Call-Disconnect-Notify call {call_id} result {result}")
        }
        Message::WanErrorNotify { peer_call_id, .. } => format!("WAN-Error-Notify call {peer_call_id}"),
        Message::SetLinkInfo { peer_call_id, .. } => format!("Set-Link-Info call {peer_call_id}"),
        Message::Unknown { kind, .. } => format!("message {kind}"),
    }
}

/// A name of the client for people to read.
fn printable(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

impl Pptp {
    /// Ends every connection in good order.
    fn close_all(&mut self, why: &str) {
        let all: Vec<StreamId> = self.streams.keys().copied().collect();
        for stream in all {
            self.send(stream, &Message::StopRequest { reason: result::SHUTDOWN });
            self.close(stream, why);
        }
    }
}

impl Station for Pptp {
    fn announce(&mut self, serving: bool) {
        if serving {
            self.tell(&Told::Opened);
            return self.tell(&Told::Warning);
        }
        self.close_all("the server stops");
        self.tell(&Told::Closed);
    }

    fn follow(&mut self, config: &Config) {
        let before = core::mem::replace(&mut self.config, command::legacy::pptp(config));
        match (before.service, self.config.service) {
            (true, false) => {
                self.close_all("pptp service is off");
                self.tell(&Told::Closed);
            }
            (false, true) => self.announce(true),
            _ => {}
        }
    }

    fn handle_stream(&mut self, stream: StreamId, event: StreamEvent<'_>, cx: Surroundings<'_>) {
        match event {
            StreamEvent::Opened { peer, local } => self.open(stream, peer, local, cx.now),
            StreamEvent::Octets(octets) => self.on_octets(stream, octets, cx),
            StreamEvent::Closed => self.drop_stream(stream, "the control connection was cut"),
        }
    }

    fn began(&mut self, client: u32) -> Option<StreamId> {
        let (stream, call_id, call, settings, now) = self.ringing.take()?;
        let tunnel = settings.number;
        let connection = self.streams.get_mut(&stream)?;
        connection.calls.insert(call_id, Entry { peer_call_id: call.call_id, client, settings });
        connection.until = None;
        connection.heard(now);
        let reply = OutgoingCallReply {
            call_id,
            peer_call_id: call.call_id,
            result: result::SUCCESS,
            error: 0,
            cause: 0,
            speed: SPEED,
            window: self.config.window,
            delay: 0,
            channel: 0,
        };
        self.send(stream, &Message::OutgoingCallReply(reply));
        self.tell(&Told::Established { tunnel, call: call_id });
        Some(stream)
    }

    fn ended(&mut self, client: u32, why: &str, now: Instant) {
        let found = self.streams.iter().find_map(|(stream, connection)| {
            connection.calls.iter().find(|(_, entry)| entry.client == client).map(|(call, _)| (*stream, *call))
        });
        let Some((stream, call)) = found else { return };
        let Some(connection) = self.streams.get_mut(&stream) else { return };
        let Some(entry) = connection.calls.remove(&call) else { return };
        connection.until = Some(now.after(WITHOUT_CALL));
        self.disconnected(stream, call, result::ADMINISTRATIVE);
        self.tell(&Told::Ended { tunnel: entry.settings.number, call, why: why.to_owned() });
    }

    fn handle_timeout(&mut self, now: Instant) {
        let all: Vec<StreamId> = self.streams.keys().copied().collect();
        for stream in all {
            self.on_echo_timer(stream, now);
            let Some(connection) = self.streams.get(&stream) else { continue };
            let over = |at: Option<Instant>| at.is_some_and(|at| now.reached(at));
            if over(connection.partial_until) {
                self.close(stream, "the client did not send the rest of a message");
            } else if connection.calls.is_empty() && over(connection.until) {
                self.close(stream, "the control connection had no call");
            }
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.streams.values().filter_map(Connection::poll_timeout).min()
    }

    fn poll_output(&mut self) -> Option<StationOutput> {
        self.outputs.pop_front()
    }

    fn show(&self, word: &str, call_lines: &dyn Fn(u32) -> String) -> Option<String> {
        if word != "pptp" {
            return None;
        }
        let mut out = String::new();
        let calls: usize = self.streams.values().map(|c| c.calls.len()).sum();
        let _ = writeln!(out, "------------------- PPTP INFORMATION -------------------");
        let _ = writeln!(out, "  Number of control table using");
        let _ = writeln!(out, "    Control Connection: {}, Call: {calls}", self.streams.len());
        for connection in self.streams.values() {
            let _ = writeln!(out, "Control Connection Information");
            let _ = writeln!(out, "  State: {:?}", connection.state);
            let _ = writeln!(out, "  Local IP Address: {}", connection.local.ip());
            let _ = writeln!(out, "  Remote IP Address: {}", connection.peer.ip());
            let _ = writeln!(out, "  Local Port: {}", connection.local.port());
            let _ = writeln!(out, "  Remote Port: {}", connection.peer.port());
            let _ = writeln!(out, "  Vendor: {}", connection.vendor);
            let _ = writeln!(out, "  Hostname: {}", connection.host);
            for (call, entry) in &connection.calls {
                let _ = writeln!(out, "  TUNNEL[{}] Call Information", entry.settings.number);
                let _ = writeln!(out, "    Local Call ID: {call}");
                let _ = writeln!(out, "    Remote Call ID: {}", entry.peer_call_id);
                out.push_str(&call_lines(entry.client));
            }
        }
        Some(out)
    }

    fn streams(&self) -> usize {
        self.streams.len()
    }
}

//! A simulated PPTP client, written on `wire` and `crypto` alone: control connection, enhanced GRE, PPP with CCP, MPPE.

use crate::rng::Rng;
use core::net::Ipv4Addr;
use core::time::Duration;
use crypto::chap::{self, Shared};
use crypto::mppe::{Side, Stream, Strength, start_keys};
use engine::time::{Instant, earliest};
use std::collections::VecDeque;
use wire::legacy::ccp::{self, Bits, CCP, COMPRESSED};
use wire::legacy::gre::Header;
use wire::legacy::pptp::{self, Message, OutgoingCallRequest, Start};
use wire::ppp::{ChapValue, Code, Opt, Packet, PapRequest, Protocol};
use wire::ppp::{decode_frame, decode_options, encode_frame, encode_options};

const PAUSE: Duration = Duration::from_secs(3);
/// What it asks for without state: a new key for each packet.
pub const STATELESS: u32 = Bits::STATELESS;

/// How it behaves.
#[derive(Clone, Debug)]
pub struct Manner {
    /// Its name.
    pub user: String,
    /// Its password.
    pub password: String,
    /// The bits of MPPE that it takes; 0 rejects CCP altogether.
    pub mppe: u32,
    /// Its name for its call.
    pub call_id: u16,
    /// Whether it answers Echo-Requests.
    pub answers: bool,
    /// Whether it acknowledges what it receives.
    pub acknowledges: bool,
    /// Whether it asks for compression first, as pppd does.
    pub compresses: bool,
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            user: "vpnuser".to_owned(),
            password: "vpn-Passw0rd".to_owned(),
            mppe: Bits::STATELESS | Bits::BITS_128,
            call_id: 7,
            answers: true,
            acknowledges: true,
            compresses: false,
        }
    }
}

/// What it wants to send.
#[derive(Debug)]
pub enum Out {
    /// Octets in the control connection.
    Stream(Vec<u8>),
    /// The control connection's end.
    Close,
    /// A GRE packet.
    Gre(Vec<u8>),
}

/// A control protocol's two sides.
#[derive(Default)]
struct Side2 {
    id: u8,
    ours: Vec<Opt>,
    acked: bool,
    acking: bool,
}

impl Side2 {
    fn is_open(&self) -> bool {
        self.acked && self.acking
    }
}

/// MPPE as the client does it, in both directions.
pub struct Keys {
    bits: u32,
    send: Stream,
    receive: Stream,
    sent: u16,
    expected: u16,
    waiting: bool,
    flush: bool,
}

impl Keys {
    /// What two sides begin with that have agreed on these bits after MS-CHAP.
    pub fn new(bits: u32, shared: &Shared) -> Self {
        let strength = if bits & Bits::BITS_128 != 0 {
            Strength::Bits128
        } else if bits & Bits::BITS_56 != 0 {
            Strength::Bits56
        } else {
            Strength::Bits40
        };
        let (send, receive) = start_keys(shared, strength, Side::Client);
        Self {
            bits,
            send: Stream::new(send, strength),
            receive: Stream::new(receive, strength),
            sent: 0,
            expected: 0,
            waiting: false,
            flush: false,
        }
    }

    /// The server has asked to begin anew.
    pub fn flush(&mut self) {
        self.flush = true;
    }

    /// Encrypts an IP packet; what comes out stands behind protocol 00fd.
    pub fn seal(&mut self, packet: &[u8]) -> Vec<u8> {
        let stateless = self.bits & STATELESS != 0;
        let flag = self.sent & 0xff == 0xff;
        let flushed = stateless || flag || self.flush;
        if stateless || flag {
            self.send.change_key();
        } else if self.flush {
            self.send.rewind();
        }
        self.flush = false;
        let header = ccp::Header { flushed, encrypted: true, count: self.sent };
        self.sent = (self.sent + 1) % ccp::COUNTS;
        let protocol = if packet.first().is_some_and(|first| first >> 4 == 6) { 0x57 } else { 0x21 };
        let mut octets = [&[0, protocol][..], packet].concat();
        self.send.apply(&mut octets);
        [&header.encode()[..], &octets].concat()
    }

    /// Decrypts what stood behind protocol 00fd: an IP packet, nothing if it is none, or the wish that the server begin
    /// anew.
    pub fn open(&mut self, payload: &[u8]) -> Result<Option<Vec<u8>>, ResetRequest> {
        let (header, octets) = ccp::Header::decode(payload).expect("a header");
        let stateless = self.bits & STATELESS != 0;
        let in_step = header.count == self.expected;
        if !stateless && (!in_step || self.waiting) && !header.flushed {
            self.waiting = true;
            return Err(ResetRequest);
        }
        let mut count = self.expected;
        loop {
            if stateless || count & 0xff == 0xff {
                self.receive.change_key();
            }
            if count == header.count {
                break;
            }
            count = (count + 1) % ccp::COUNTS;
        }
        if !stateless && header.flushed {
            self.receive.rewind();
            self.waiting = false;
        }
        self.expected = (header.count + 1) % ccp::COUNTS;
        let mut octets = octets.to_vec();
        self.receive.apply(&mut octets);
        match octets.as_slice() {
            [0, 0x21 | 0x57, packet @ ..] => Ok(Some(packet.to_vec())),
            _ => Ok(None),
        }
    }
}

/// Packets are missing, and what follows cannot be read.
#[derive(Debug)]
pub struct ResetRequest;

/// The client.
pub struct Dialer {
    /// How it behaves.
    pub manner: Manner,
    /// Where it is.
    pub address: Ipv4Addr,
    rng: Rng,
    now: Instant,
    out: VecDeque<Out>,
    inner: VecDeque<Vec<u8>>,
    stream: Vec<u8>,
    /// Our id and the server's, once the call stands.
    call: Option<(u16, u16)>,
    next: u32,
    highest: Option<u32>,
    lcp: Side2,
    ipcp: Side2,
    ccp: Side2,
    auth: Option<(u16, u8)>,
    shared: Option<Shared>,
    authenticated: bool,
    keys: Option<Keys>,
    inside: Option<Ipv4Addr>,
    due: Option<Instant>,
    tries: u32,
    /// What it has seen, one line a thing.
    pub dialogue: Vec<String>,
    /// Why it is over.
    pub ended: Option<String>,
    /// IP packets in the clear that came.
    pub plain_seen: u64,
    /// Packets that could not be decrypted.
    pub unreadable: u64,
    /// The highest number that the server has acknowledged.
    pub acknowledged: Option<u32>,
    /// Frames of protocols that it leaves to the scene.
    pub frames: Vec<(Protocol, Vec<u8>)>,
}

fn option(kind: u8, data: &[u8]) -> Opt {
    Opt { kind, data: data.to_vec() }
}

impl Dialer {
    /// A client at an address.
    pub fn new(manner: Manner, address: Ipv4Addr, seed: u64) -> Self {
        Self {
            manner,
            address,
            rng: Rng::new(seed),
            now: Instant(0),
            out: VecDeque::new(),
            inner: VecDeque::new(),
            stream: vec![],
            call: None,
            next: 0,
            highest: None,
            lcp: Side2::default(),
            ipcp: Side2::default(),
            ccp: Side2::default(),
            auth: None,
            shared: None,
            authenticated: false,
            keys: None,
            inside: None,
            due: None,
            tries: 0,
            dialogue: vec![],
            ended: None,
            plain_seen: 0,
            unreadable: 0,
            acknowledged: None,
            frames: vec![],
        }
    }

    /// Opens the control connection.
    pub fn dial(&mut self, now: Instant) {
        self.now = now;
        let start =
            Start { version: pptp::VERSION, framing: 1, bearer: 1, host: b"dialer".to_vec(), ..Start::default() };
        self.control(&Message::StartRequest(start));
    }

    fn control(&mut self, message: &Message) {
        self.dialogue.push(format!("-> {:?}", message.kind()));
        self.out.push_back(Out::Stream(message.encode()));
    }

    /// Sends octets in the control connection, whatever they are.
    pub fn send_octets(&mut self, octets: &[u8]) {
        self.out.push_back(Out::Stream(octets.to_vec()));
    }

    /// Hangs up in good order.
    pub fn hang_up(&mut self) {
        if let Some((ours, _)) = self.call.take() {
            self.control(&Message::CallClearRequest { call_id: ours });
        }
        self.control(&Message::StopRequest { reason: 1 });
        self.due = None;
    }

    /// The control connection breaks.
    pub fn cut(&mut self) {
        self.out.push_back(Out::Close);
        self.due = None;
    }

    /// Whether IP flows.
    pub fn is_up(&self) -> bool {
        let encrypted = self.manner.mppe == 0 || self.keys.is_some();
        self.ended.is_none() && self.ipcp.is_open() && encrypted && self.inside.is_some()
    }

    /// Its inside address.
    pub fn inside(&self) -> Option<Ipv4Addr> {
        self.inside.filter(|_| self.is_up())
    }

    /// The server's name for the call.
    pub fn server_call(&self) -> Option<u16> {
        self.call.map(|(_, server)| server)
    }

    /// What was agreed on for encryption.
    pub fn agreed(&self) -> Option<u32> {
        self.keys.as_ref().map(|keys| keys.bits)
    }

    /// The next thing to send.
    pub fn poll_out(&mut self) -> Option<Out> {
        self.out.pop_front()
    }

    /// The next IP packet out of the tunnel.
    pub fn poll_inner(&mut self) -> Option<Vec<u8>> {
        self.inner.pop_front()
    }

    /// When it wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        earliest(self.due, None)
    }

    fn end(&mut self, why: &str) {
        self.dialogue.push(format!("ended: {why}"));
        self.ended.get_or_insert_with(|| why.to_owned());
        self.due = None;
    }

    /// Octets of the control connection.
    pub fn on_stream(&mut self, octets: &[u8], now: Instant) {
        self.now = now;
        self.stream.extend_from_slice(octets);
        while let Ok(Some(length)) = pptp::length(&self.stream) {
            if self.stream.len() < length {
                return;
            }
            let rest = self.stream.split_off(length);
            let message = Message::decode(&core::mem::replace(&mut self.stream, rest)).expect("the server's message");
            self.dialogue.push(format!("<- {:?}", message.kind()));
            self.on_message(message);
        }
    }

    /// The control connection was closed.
    pub fn on_close(&mut self) {
        self.end("the control connection was closed");
    }

    fn on_message(&mut self, message: Message) {
        match message {
            Message::StartReply(start) if start.result == 1 => {
                let call = OutgoingCallRequest {
                    call_id: self.manner.call_id,
                    maximum_speed: 100_000_000,
                    bearer: 3,
                    framing: 3,
                    window: 3,
                    ..OutgoingCallRequest::default()
                };
                self.control(&Message::OutgoingCallRequest(call));
            }
            Message::OutgoingCallReply(reply) if reply.result == 1 && reply.peer_call_id != self.manner.call_id => {
                self.end("the answer to another's call");
            }
            Message::OutgoingCallReply(reply) if reply.result == 1 => {
                self.call = Some((reply.peer_call_id, reply.call_id));
                self.lcp.id = 1;
                self.lcp.ours = vec![option(1, &1400_u16.to_be_bytes()), option(5, &self.rng.array::<4>())];
                self.request(Protocol::Lcp);
            }
            Message::OutgoingCallReply(reply) => self.end(&format!("not accepted: {}", reply.result)),
            Message::EchoRequest { id } if self.manner.answers => {
                self.control(&Message::EchoReply { id, result: 1, error: 0 });
            }
            Message::CallDisconnectNotify { .. } => self.end("the server hung up"),
            Message::StopRequest { .. } => self.end("the server stops"),
            _ => {}
        }
    }

    fn send_frame_of(&mut self, protocol: Protocol, packet: &[u8]) {
        self.send_frame(&encode_frame(protocol, packet));
    }

    /// Sends a PPP frame in GRE, whatever it is.
    pub fn send_frame(&mut self, frame: &[u8]) {
        let Some((_, server)) = self.call else { return };
        let acknowledgment = self.highest.filter(|_| self.manner.acknowledges);
        let header = Header { call_id: server, sequence: Some(self.next), acknowledgment };
        self.next = self.next.wrapping_add(1);
        self.out.push_back(Out::Gre(header.encode(frame)));
    }

    /// Sends an IP packet through the tunnel.
    pub fn send_ip(&mut self, packet: &[u8], now: Instant) {
        self.now = now;
        let Some(keys) = &mut self.keys else { return self.send_frame_of(Protocol::Ipv4, packet) };
        let payload = keys.seal(packet);
        self.send_frame_of(COMPRESSED, &payload);
    }

    /// Sends an IP packet in the clear, whatever was agreed.
    pub fn send_plain(&mut self, packet: &[u8]) {
        self.send_frame_of(Protocol::Ipv4, packet);
    }

    /// A GRE packet of the server.
    pub fn on_gre(&mut self, packet: &[u8], now: Instant) {
        self.now = now;
        let (header, frame) = Header::decode(packet).expect("the server's packet");
        assert_eq!(header.call_id, self.manner.call_id, "another's call");
        self.acknowledged = header.acknowledgment.or(self.acknowledged);
        let Some(sequence) = header.sequence else { return };
        if self.highest.is_some_and(|highest| sequence.wrapping_sub(highest).wrapping_sub(1) > u32::MAX / 2) {
            return;
        }
        self.highest = Some(sequence);
        if self.manner.acknowledges
            && let Some((_, server)) = self.call
        {
            let header = Header { call_id: server, sequence: None, acknowledgment: self.highest };
            self.out.push_back(Out::Gre(header.encode(&[])));
        }
        let (protocol, payload) = decode_frame(frame).expect("a frame");
        let payload = payload.to_vec();
        match protocol {
            Protocol::Ipv4 => {
                self.plain_seen += 1;
                self.inner.push_back(payload);
            }
            COMPRESSED => self.on_encrypted(&payload),
            Protocol::Lcp => self.on_lcp(&payload),
            Protocol::Ipcp | CCP => self.on_control(protocol, &payload),
            Protocol::Chap => self.on_chap(&payload),
            Protocol::Pap => self.on_verdict(payload.first() == Some(&2)),
            other => self.frames.push((other, payload)),
        }
    }

    fn on_encrypted(&mut self, payload: &[u8]) {
        let Some(keys) = &mut self.keys else {
            self.unreadable += 1;
            return;
        };
        match keys.open(payload) {
            Ok(Some(packet)) => self.inner.push_back(packet),
            Ok(None) => self.unreadable += 1,
            Err(ResetRequest) => {
                self.unreadable += 1;
                self.send_frame_of(CCP, &Packet::encode(ccp::RESET_REQUEST, 9, &[]));
            }
        }
    }

    fn side(&mut self, protocol: Protocol) -> &mut Side2 {
        match protocol {
            Protocol::Lcp => &mut self.lcp,
            Protocol::Ipcp => &mut self.ipcp,
            _ => &mut self.ccp,
        }
    }

    fn request(&mut self, protocol: Protocol) {
        let side = self.side(protocol);
        let packet = Packet::encode(Code::ConfigureRequest, side.id, &encode_options(&side.ours));
        self.due = Some(self.now.after(PAUSE));
        self.send_frame_of(protocol, &packet);
    }

    fn on_lcp(&mut self, payload: &[u8]) {
        let Ok(packet) = Packet::decode(payload) else { return };
        match packet.code {
            Code::EchoRequest => {
                let reply = Packet::encode(Code::EchoReply, packet.id, packet.data);
                self.send_frame_of(Protocol::Lcp, &reply);
            }
            Code::TerminateRequest => {
                let reply = Packet::encode(Code::TerminateAck, packet.id, &[]);
                self.send_frame_of(Protocol::Lcp, &reply);
                self.end("the server terminated PPP");
            }
            _ => self.on_control(Protocol::Lcp, payload),
        }
    }

    fn on_control(&mut self, protocol: Protocol, payload: &[u8]) {
        let Ok(packet) = Packet::decode(payload) else { return };
        let (code, id) = (packet.code, packet.id);
        if protocol == CCP && self.manner.mppe == 0 {
            let rejected = [&u16::from(CCP).to_be_bytes()[..], payload].concat();
            return self.send_frame_of(Protocol::Lcp, &Packet::encode(Code::ProtocolReject, 77, &rejected));
        }
        if protocol != Protocol::Lcp && !self.authenticated {
            return;
        }
        if code == ccp::RESET_REQUEST {
            if let Some(keys) = &mut self.keys {
                keys.flush();
            }
            return;
        }
        let options = decode_options(packet.data).unwrap_or_default();
        match code {
            Code::ConfigureRequest => self.on_request(protocol, id, packet.data, &options),
            Code::ConfigureAck | Code::ConfigureNak | Code::ConfigureReject => {
                self.on_answer(protocol, code, id, &options)
            }
            _ => {}
        }
    }

    fn on_request(&mut self, protocol: Protocol, id: u8, data: &[u8], options: &[Opt]) {
        if protocol == Protocol::Lcp {
            self.auth = options
                .iter()
                .find(|o| o.kind == 3)
                .map(|o| (u16::from_be_bytes([o.data[0], o.data[1]]), o.data.get(2).copied().unwrap_or(0)));
        }
        if protocol == CCP {
            let Some(Bits(asked)) = options.iter().find_map(Bits::of) else { return };
            if asked != self.manner.mppe {
                let nak = encode_options(&[Bits(self.manner.mppe).option()]);
                return self.send_frame_of(CCP, &Packet::encode(Code::ConfigureNak, id, &nak));
            }
        }
        self.side(protocol).acking = true;
        self.send_frame_of(protocol, &Packet::encode(Code::ConfigureAck, id, data));
        self.advance();
    }

    fn on_answer(&mut self, protocol: Protocol, code: Code, id: u8, options: &[Opt]) {
        let allowed = self.manner.mppe;
        let side = self.side(protocol);
        if id != side.id || side.acked {
            return;
        }
        match code {
            Code::ConfigureAck => side.acked = true,
            Code::ConfigureReject => side.ours.retain(|o| !options.iter().any(|r| r.kind == o.kind)),
            _ => {
                for o in &mut side.ours {
                    let better = options.iter().find(|n| n.kind == o.kind);
                    // What it does not take it asks for again.
                    if let Some(better) =
                        better.filter(|n| protocol != CCP || Bits::of(n).is_some_and(|b| b.0 == allowed))
                    {
                        o.data.clone_from(&better.data);
                    }
                }
            }
        }
        if code != Code::ConfigureAck {
            side.id += 1;
            return self.request(protocol);
        }
        if protocol == Protocol::Ipcp {
            let address =
                self.ipcp.ours.iter().find(|o| o.kind == 3).and_then(|o| <[u8; 4]>::try_from(o.data.as_slice()).ok());
            self.inside = address.map(Ipv4Addr::from);
        }
        self.advance();
    }

    fn advance(&mut self) {
        if self.lcp.is_open() && !self.authenticated && matches!(self.auth, Some((0xc023, _))) {
            let request = PapRequest {
                name: self.manner.user.clone().into_bytes(),
                password: self.manner.password.clone().into_bytes(),
            };
            self.send_frame_of(Protocol::Pap, &Packet::encode(Code::from(1), 1, &request.encode()));
        }
        if self.ccp.is_open() && self.keys.is_none() && self.manner.mppe != 0 {
            let bits = self.manner.mppe;
            let shared = self.shared.as_ref().expect("keys of MS-CHAP");
            self.keys = Some(Keys::new(bits, shared));
        }
        if self.is_up() {
            self.due = None;
        }
    }

    fn on_chap(&mut self, payload: &[u8]) {
        let Ok(packet) = Packet::decode(payload) else { return };
        match u8::from(packet.code) {
            1 => self.on_challenge(packet.id, packet.data),
            3 => self.on_verdict(true),
            4 => self.on_verdict(false),
            _ => {}
        }
    }

    fn on_challenge(&mut self, id: u8, data: &[u8]) {
        let Ok(challenge) = ChapValue::decode(data) else { return };
        if self.authenticated {
            return;
        }
        let (user, password) = (self.manner.user.clone(), self.manner.password.clone());
        let hash = chap::nt_password_hash(&password);
        let value = match self.auth.map(|auth| auth.1) {
            Some(5) => chap::md5_response(id, password.as_bytes(), &challenge.value).to_vec(),
            Some(0x80) => {
                let c = <[u8; 8]>::try_from(challenge.value.as_slice()).expect("eight octets");
                self.shared = Some(chap::mschapv1_shared(&password, &c));
                [&[0; 24][..], &chap::mschapv1_nt_response(&c, &hash), &[1]].concat()
            }
            _ => {
                let c = <[u8; 16]>::try_from(challenge.value.as_slice()).expect("sixteen octets");
                let peer = [9; 16];
                let response = chap::mschapv2_nt_response(&c, &peer, user.as_bytes(), &hash);
                self.shared = Some(chap::mschapv2_shared(&hash, &response));
                [&peer[..], &[0; 8], &response, &[0]].concat()
            }
        };
        let body = ChapValue { value, name: user.into_bytes() }.encode();
        self.send_frame_of(Protocol::Chap, &Packet::encode(Code::from(2), id, &body));
    }

    fn on_verdict(&mut self, good: bool) {
        if !good {
            return self.end("authentication failed");
        }
        if self.authenticated {
            return;
        }
        self.authenticated = true;
        if self.manner.mppe != 0 {
            self.ccp.id = 1;
            self.ccp.ours = vec![Bits(self.manner.mppe).option()];
            if self.manner.compresses {
                self.ccp.ours.push(option(26, &[0x78, 0]));
            }
            self.request(CCP);
        }
        self.ipcp.id = 1;
        self.ipcp.ours = vec![option(3, &[0; 4])];
        self.request(Protocol::Ipcp);
    }

    /// The moment asked for has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        if self.due.is_none_or(|due| now < due) {
            return;
        }
        self.due = None;
        self.tries += 1;
        if self.tries > 20 {
            return self.end("PPP was not answered");
        }
        if !self.lcp.acked {
            return self.request(Protocol::Lcp);
        }
        if self.authenticated && !self.ccp.acked && self.manner.mppe != 0 {
            self.request(CCP);
        }
        if self.authenticated && !self.ipcp.acked {
            self.request(Protocol::Ipcp);
        }
        self.due = (!self.is_up()).then(|| now.after(PAUSE));
    }

    /// A new Configure-Request of CCP, though it is open.
    pub fn renegotiate_ccp(&mut self) {
        self.ccp.id += 1;
        self.request(CCP);
        self.due = None;
    }
}

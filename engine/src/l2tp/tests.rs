//! A scripted client against the tunnel: dialogues, losses, windows, authentication, keepalive, what real clients send.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use super::message::tests::hide;
use super::*;
use crate::rng::Rng;
use crate::time::Instant;
use crypto::Hash;
use std::collections::VecDeque;
use wire::l2tp::{Avp, DisconnectCause, ResultCode, decode_avps, encode_avps};

pub(super) fn at(seconds: u64) -> Instant {
    millis(seconds * 1000)
}

fn millis(ms: u64) -> Instant {
    Instant(ms * 1_000_000)
}

pub(super) fn rng() -> Rng {
    Rng::new([7; 32])
}

pub(super) fn settings() -> Settings {
    Settings {
        number: 1,
        peer: IpAddr::from([203, 0, 113, 1]),
        hostname: "RTX1200".into(),
        secret: None,
        keepalive: None,
        idle: None,
        log_messages: true,
        log_keepalive: true,
        sessions: 3,
        receive_window: RECEIVE_WINDOW,
    }
}

fn with_secret(secret: &str) -> Settings {
    Settings { secret: Some(Secret::new(secret.into())), ..settings() }
}

fn name_of(payload: &[u8]) -> String {
    match decode_avps(payload).unwrap().first() {
        Some(avp) => log::name(avp.as_u16().unwrap().into()),
        None => "ZLB".into(),
    }
}

/// A message of the server in short: its name, and the codes of its Result Code.
pub(super) fn describe(message: &[u8]) -> String {
    let (_, payload) = Header::decode(message).unwrap();
    let mut words = name_of(payload);
    if let Some(code) = decode_avps(payload).unwrap().iter().find(|avp| avp.kind == AvpType::ResultCode) {
        assert!(code.value.len() >= 4, "xl2tpd wants an error code");
        let code = ResultCode::decode(&code.value).unwrap();
        words += &format!(" {}/{}", code.result, code.error.unwrap());
    }
    words
}

/// The script of a client: it keeps count of Ns and Nr, and knows the ids.
#[derive(Clone)]
pub(super) struct Lac {
    window: u16,
    ns: u16,
    nr: u16,
    tunnel: u16,
    session: u16,
    peer_tunnel: u16,
    pub(super) peer_session: u16,
}

impl Lac {
    pub(super) fn new(window: u16) -> Self {
        Self { window, ns: 0, nr: 0, tunnel: 61471, session: 6819, peer_tunnel: 0, peer_session: 0 }
    }

    /// The next message, or a ZLB if there are no AVPs.
    pub(super) fn message(&mut self, session: u16, avps: &[Avp]) -> Vec<u8> {
        let message = self.encode(session, self.ns, avps);
        self.ns = self.ns.wrapping_add(u16::from(!avps.is_empty()));
        message
    }

    fn encode(&self, session_id: u16, ns: u16, avps: &[Avp]) -> Vec<u8> {
        let header = Header {
            control: true,
            length: None,
            tunnel_id: self.peer_tunnel,
            session_id,
            ns: Some(ns),
            nr: Some(self.nr),
            offset: None,
            priority: false,
        };
        header.encode(&encode_avps(avps))
    }

    fn sccrq_avps(&self) -> Vec<Avp> {
        vec![
            Avp::u16(AvpType::MessageType, 1),
            Avp::u16(AvpType::ProtocolVersion, 0x0100),
            Avp::bytes(AvpType::HostName, b"anonymous"),
            Avp::u32(AvpType::FramingCapabilities, 2),
            Avp::u16(AvpType::AssignedTunnelId, self.tunnel),
            Avp::u16(AvpType::ReceiveWindowSize, self.window),
        ]
    }

    pub(super) fn sccrq(&mut self) -> Vec<u8> {
        let avps = self.sccrq_avps();
        self.message(0, &avps)
    }

    pub(super) fn scccn(&mut self) -> Vec<u8> {
        self.message(0, &[Avp::u16(AvpType::MessageType, 3)])
    }

    pub(super) fn icrq(&mut self) -> Vec<u8> {
        let id = self.session;
        self.message(
            0,
            &[
                Avp::u16(AvpType::MessageType, 10),
                Avp::u16(AvpType::AssignedSessionId, id),
                Avp::u32(AvpType::CallSerialNumber, 1_548_737_386),
            ],
        )
    }

    pub(super) fn iccn(&mut self) -> Vec<u8> {
        let avps = [
            Avp::u16(AvpType::MessageType, 12),
            Avp::u32(AvpType::TxConnectSpeed, 100_000_000),
            Avp::u32(AvpType::FramingType, 3),
        ];
        self.message(self.peer_session, &avps)
    }

    pub(super) fn cdn(&mut self) -> Vec<u8> {
        let avps = [
            Avp::u16(AvpType::MessageType, 14),
            Avp::bytes(AvpType::ResultCode, &[0, 3]),
            Avp::u16(AvpType::AssignedSessionId, self.session),
        ];
        self.message(self.peer_session, &avps)
    }

    pub(super) fn stopccn(&mut self) -> Vec<u8> {
        let avps = [
            Avp::u16(AvpType::MessageType, 4),
            Avp::u16(AvpType::AssignedTunnelId, self.tunnel),
            Avp::bytes(AvpType::ResultCode, &[0, 6]),
        ];
        self.message(0, &avps)
    }

    fn zlb(&mut self) -> Vec<u8> {
        self.message(0, &[])
    }

    /// Reads what the server sent, so that the next message acknowledges it; the descriptions of all.
    fn read(&mut self, message: &[u8]) -> String {
        let (header, payload) = Header::decode(message).unwrap();
        assert_eq!(message.get(..2), Some(&[0xc8, 0x02][..]));
        assert_eq!(header.tunnel_id, self.tunnel);
        let avps = decode_avps(payload).unwrap();
        let find = |kind| avps.iter().find(|avp: &&Avp| avp.kind == kind).and_then(Avp::as_u16);
        if !payload.is_empty() && header.ns == Some(self.nr) {
            self.nr = self.nr.wrapping_add(1);
            match name_of(payload).as_str() {
                "SCCRP" => self.peer_tunnel = find(AvpType::AssignedTunnelId).unwrap(),
                "ICRP" => {
                    assert_eq!(header.session_id, self.session);
                    self.peer_session = find(AvpType::AssignedSessionId).unwrap();
                }
                _ => {}
            }
        }
        describe(message)
    }

    /// Takes all outputs: what was sent and told, in short; log lines are left out.
    pub(super) fn take(&mut self, tunnel: &mut Tunnel) -> Vec<String> {
        let mut told = vec![];
        while let Some(output) = tunnel.poll_output() {
            told.push(match output {
                Output::Send(message) => self.read(&message),
                Output::SessionUp { local, peer } => {
                    assert_eq!((local, peer), (self.peer_session, self.session));
                    "session up".into()
                }
                Output::SessionDown { why, .. } => format!("session down {why:?}"),
                Output::TunnelDown { why } => format!("tunnel down {why:?}"),
                Output::Log(_) => continue,
            });
        }
        told
    }
}

fn log_of(tunnel: &mut Tunnel, lac: &mut Lac) -> Vec<String> {
    let mut lines = vec![];
    while let Some(output) = tunnel.poll_output() {
        match output {
            Output::Log(line) => lines.push(line.to_string().trim().to_string()),
            Output::Send(message) => drop(lac.read(&message)),
            Output::SessionUp { .. } | Output::SessionDown { .. } | Output::TunnelDown { .. } => {}
        }
    }
    lines
}

fn accept(lac: &mut Lac, settings: Settings) -> Tunnel {
    Tunnel::accept(&lac.sccrq(), 32882, 1701, settings, &mut rng(), at(0)).unwrap()
}

fn hand(tunnel: &mut Tunnel, message: &[u8], now: Instant) {
    tunnel.handle_control(message, &mut rng(), now);
}

/// A tunnel with its session up.
fn connected(window: u16, settings: Settings) -> (Tunnel, Lac) {
    let mut lac = Lac::new(window);
    let mut tunnel = accept(&mut lac, settings);
    assert_eq!(lac.take(&mut tunnel), ["SCCRP"]);
    hand(&mut tunnel, &lac.scccn(), at(0));
    assert_eq!(lac.take(&mut tunnel), ["ZLB"]);
    hand(&mut tunnel, &lac.icrq(), at(0));
    assert_eq!(lac.take(&mut tunnel), ["ICRP"]);
    hand(&mut tunnel, &lac.iccn(), at(0));
    assert_eq!(lac.take(&mut tunnel), ["ZLB", "session up"]);
    (tunnel, lac)
}

/// Lets time pass until `end`, and gathers what the tunnel sends and tells with the second of it.
fn wait(tunnel: &mut Tunnel, lac: &mut Lac, end: Instant) -> Vec<String> {
    let mut told = vec![];
    while let Some(due) = tunnel.poll_timeout().filter(|due| *due <= end) {
        tunnel.handle_timeout(&mut rng(), due);
        told.extend(lac.take(tunnel).into_iter().map(|what| format!("{} {what}", due.0 / 1_000_000_000)));
        assert!(tunnel.poll_timeout().is_none_or(|next| next > due), "a deadline in the past");
    }
    told
}

#[test]
fn the_whole_dialogue_is_logged_in_the_words_of_the_router() {
    let mut lac = Lac::new(1);
    let mut tunnel = accept(&mut lac, settings());
    let mut lines = log_of(&mut tunnel, &mut lac);
    for step in 0..4 {
        let message = match step {
            0 => lac.scccn(),
            1 => lac.icrq(),
            2 => lac.iccn(),
            _ => lac.stopccn(),
        };
        hand(&mut tunnel, &message, at(0));
        lines.extend(log_of(&mut tunnel, &mut lac));
    }
    let expected = "recv message AVPs :
        (0)message type SCCRQ
        (2)protocol version 1 revision 0
        (7)hostname anonymous
        (3)framing capability Abit:1 Sbit:0
        (9)assigned tunnel id 61471
        (10)receive window size 1
        recv SCCRQ in idle from 203.0.113.1
        TUNNEL[1] connected from 203.0.113.1
        send message AVPs :
        set (0)message type SCCRP
        set (2)protocol version 1 revision 0
        set (3)framing capability sync
        set (4)bearer capability 0
        set (6)firmware revision 0x100
        set (7)hostname RTX1200
        set (8)vendorname Sekisho
        set (9)assigned tunnel id 32882
        set (10)receive window size 4
        send SCCRP to 203.0.113.1
        recv message AVPs :
        (0)message type SCCCN
        recv SCCCN in wait_ctl_conn from 203.0.113.1
        send ZLB to 203.0.113.1
        TUNNEL[1] tunnel 32882 established
        recv message AVPs :
        (0)message type ICRQ
        (14)assigned session id 6819
        (15)call serial number 1548737386
        recv ICRQ in idle from 203.0.113.1
        send message AVPs :
        set (0)message type ICRP
        set (14)assigned session id 16892
        send ICRP to 203.0.113.1
        recv message AVPs :
        (0)message type ICCN
        (24)tx connect speed 100Mbit/s
        (19)framing type 3
        recv ICCN in wait_connect from 203.0.113.1
        send ZLB to 203.0.113.1
        TUNNEL[1] session 16892 established
        recv message AVPs :
        (0)message type StopCCN
        (9)assigned StopCCN tunnel id 61471
        (1)result code 6
        recv StopCCN in established from 203.0.113.1
        send ZLB to 203.0.113.1
        TUNNEL[1] disconnect session 16892 complete
        TUNNEL[1] disconnect tunnel 32882 complete"
        .replace("16892", &lac.peer_session.to_string());
    let expected: Vec<&str> = expected.lines().map(str::trim).collect();
    assert_eq!(lines, expected);
}

#[test]
fn without_l2tp_syslog_only_the_life_of_the_tunnel_is_logged() {
    let mut lac = Lac::new(1);
    let mut tunnel = accept(&mut lac, Settings { log_messages: false, log_keepalive: false, ..settings() });
    let mut lines = log_of(&mut tunnel, &mut lac);
    for message in [Lac::scccn, Lac::icrq, Lac::iccn, Lac::stopccn] {
        let message = message(&mut lac);
        hand(&mut tunnel, &message, at(0));
        lines.extend(log_of(&mut tunnel, &mut lac));
    }
    let session = lac.peer_session;
    let expected = [
        "TUNNEL[1] connected from 203.0.113.1".to_string(),
        "TUNNEL[1] tunnel 32882 established".into(),
        format!("TUNNEL[1] session {session} established"),
        format!("TUNNEL[1] disconnect session {session} complete"),
        "TUNNEL[1] disconnect tunnel 32882 complete".into(),
    ];
    assert_eq!(lines, expected);
}

/// A client with retransmission of its own, on a link where chosen messages are lost.
struct Link {
    lac: Lac,
    tunnel: Option<Tunnel>,
    now: u64,
    queue: VecDeque<(u16, u16, Vec<Avp>)>,
    resend: u64,
    /// How many messages have gone to the server and to the client.
    count: [usize; 2],
    lost: Vec<(usize, usize)>,
    to_server: VecDeque<(u64, Vec<u8>)>,
    to_client: VecDeque<(u64, Vec<u8>)>,
    acknowledged: u16,
    told: Vec<&'static str>,
}

impl Link {
    fn new(window: u16, lost: &[(usize, usize)]) -> Self {
        let mut lac = Lac::new(window);
        lac.ns = 1;
        let queue = VecDeque::from([(0, 0, lac.sccrq_avps())]);
        Self {
            lac,
            tunnel: None,
            now: 0,
            queue,
            resend: 0,
            count: [0, 0],
            lost: lost.to_vec(),
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            acknowledged: 0,
            told: vec![],
        }
    }

    fn is_lost(&mut self, direction: usize) -> bool {
        self.count[direction] += 1;
        self.lost.contains(&(direction, self.count[direction] - 1))
    }

    fn queue(&mut self, session: u16, avps: Vec<Avp>) {
        self.queue.push_back((self.lac.ns, session, avps));
        self.lac.ns += 1;
        self.resend = self.now;
    }

    fn client_sends(&mut self, message: Vec<u8>) {
        if !self.is_lost(0) {
            self.to_server.push_back((self.now + 20, message));
        }
    }

    fn client_receives(&mut self, message: &[u8]) {
        let (header, payload) = Header::decode(message).unwrap();
        let nr = header.nr.unwrap();
        while self.queue.front().is_some_and(|(ns, ..)| *ns < nr) {
            self.queue.pop_front();
            self.resend = self.now;
        }
        let fresh = !payload.is_empty() && header.ns == Some(self.lac.nr);
        let words = self.lac.read(message);
        match words.as_str() {
            "SCCRP" if fresh => self.queue(0, vec![Avp::u16(AvpType::MessageType, 3)]),
            "ICRP" if fresh => {
                let session = self.lac.peer_session;
                let speed = Avp::u32(AvpType::TxConnectSpeed, 1);
                self.queue(session, vec![Avp::u16(AvpType::MessageType, 12), speed]);
            }
            _ => {}
        }
        let connected = self.lac.peer_tunnel != 0 && self.queue.is_empty() && self.lac.ns == 2;
        if connected {
            let id = Avp::u16(AvpType::AssignedSessionId, self.lac.session);
            self.queue(0, vec![Avp::u16(AvpType::MessageType, 10), id]);
        }
        if !payload.is_empty() && (self.queue.is_empty() || !fresh) {
            let zlb = self.lac.zlb();
            self.client_sends(zlb);
        }
    }

    fn server_receives(&mut self, message: &[u8]) {
        let now = millis(self.now);
        self.acknowledged = self.acknowledged.max(Header::decode(message).unwrap().0.nr.unwrap());
        match &mut self.tunnel {
            Some(tunnel) => tunnel.handle_control(message, &mut rng(), now),
            None => self.tunnel = Tunnel::accept(message, 5, 1701, settings(), &mut rng(), now).ok(),
        }
    }

    fn step(&mut self) {
        self.now += 10;
        while self.to_server.front().is_some_and(|(due, _)| *due <= self.now) {
            let (_, message) = self.to_server.pop_front().unwrap();
            self.server_receives(&message);
        }
        while self.to_client.front().is_some_and(|(due, _)| *due <= self.now) {
            let (_, message) = self.to_client.pop_front().unwrap();
            self.client_receives(&message);
        }
        if self.now >= self.resend {
            self.resend = self.now + 2000;
            if let Some((ns, session, avps)) = self.queue.front().cloned() {
                let message = self.lac.encode(session, ns, &avps);
                self.client_sends(message);
            }
        }
        let Some(mut tunnel) = self.tunnel.take() else { return };
        if tunnel.poll_timeout().is_some_and(|due| due <= millis(self.now)) {
            tunnel.handle_timeout(&mut rng(), millis(self.now));
        }
        while let Some(output) = tunnel.poll_output() {
            match output {
                Output::Send(message) => {
                    let (header, payload) = Header::decode(&message).unwrap();
                    let ahead = header.ns.unwrap() - self.acknowledged;
                    assert!(payload.is_empty() || ahead < self.lac.window, "the window is overrun");
                    if !self.is_lost(1) {
                        self.to_client.push_back((self.now + 20, message));
                    }
                }
                Output::SessionUp { .. } => self.told.push("up"),
                Output::SessionDown { .. } => self.told.push("down"),
                Output::TunnelDown { .. } => self.told.push("tunnel down"),
                Output::Log(_) => {}
            }
        }
        self.tunnel = Some(tunnel);
    }

    fn run(&mut self, until: u64, done: impl Fn(&Self) -> bool) {
        while !done(self) {
            assert!(self.now < until, "not done in time, lost {:?}", self.lost);
            self.step();
        }
    }
}

/// Connects and disconnects with these losses; the counts of messages in both directions.
fn life(window: u16, lost: &[(usize, usize)]) -> [usize; 2] {
    let mut link = Link::new(window, lost);
    link.run(30_000, |link| link.told == ["up"] && link.queue.is_empty());
    let id = Avp::u16(AvpType::AssignedTunnelId, link.lac.tunnel);
    link.queue(0, vec![Avp::u16(AvpType::MessageType, 4), id]);
    link.run(60_000, |link| link.queue.is_empty());
    assert_eq!(link.told, ["up", "down", "tunnel down"]);
    link.run(100_000, |link| link.tunnel.as_ref().unwrap().is_finished());
    link.count
}

#[test]
fn any_single_loss_in_either_direction_is_overcome() {
    for window in [1, 4] {
        let counts = life(window, &[]);
        for direction in [0, 1] {
            for message in 0..counts[direction] {
                life(window, &[(direction, message)]);
            }
        }
    }
}

#[test]
fn any_two_losses_are_overcome() {
    let [up, down] = life(1, &[]);
    let all: Vec<_> = (0..up + 2).map(|n| (0, n)).chain((0..down + 2).map(|n| (1, n))).collect();
    for first in &all {
        for second in &all {
            life(1, &[*first, *second]);
        }
    }
}

#[test]
fn a_lost_sccrp_is_sent_again_until_the_peer_answers_or_the_last_try_is_over() {
    let mut lac = Lac::new(4);
    let mut tunnel = accept(&mut lac, settings());
    assert_eq!(lac.take(&mut tunnel), ["SCCRP"]);
    let told = wait(&mut tunnel, &mut lac, at(200));
    assert_eq!(told, ["1 SCCRP", "3 SCCRP", "7 SCCRP", "15 SCCRP", "23 SCCRP", "31 tunnel down Unanswered"]);
    assert!(tunnel.is_finished());
}

#[test]
fn a_repeated_sccrq_is_answered_by_the_stored_sccrp_and_opens_nothing() {
    let mut lac = Lac::new(8);
    let sccrq = lac.clone().sccrq();
    let mut tunnel = accept(&mut lac, settings());
    let first = sent(&mut tunnel);
    assert_eq!(assigned_tunnel_id(&sccrq, None), Some(61471));
    assert!(tunnel.repeats(61471, at(1)) && !tunnel.repeats(61472, at(1)));
    hand(&mut tunnel, &sccrq, millis(500));
    assert_eq!(sent(&mut tunnel), first);
    lac.read(&first[0]);
    hand(&mut tunnel, &lac.scccn(), at(1));
    lac.take(&mut tunnel);
    hand(&mut tunnel, &sccrq, at(2));
    assert_eq!(lac.take(&mut tunnel), ["ZLB"]);
    assert!(!tunnel.repeats(61471, at(100)));
}

#[test]
fn a_tunnel_whose_id_the_client_uses_anew_is_forgotten_without_a_word() {
    let (mut tunnel, mut lac) = connected(4, settings());
    assert!(tunnel.repeats(61471, at(5)) && !tunnel.repeats(61471, at(30)));
    tunnel.forget();
    assert_eq!(lac.take(&mut tunnel), ["session down Replaced", "tunnel down Replaced"]);
    assert!(tunnel.is_finished() && tunnel.poll_timeout().is_none());
}

fn sent(tunnel: &mut Tunnel) -> Vec<Vec<u8>> {
    let outputs = core::iter::from_fn(|| tunnel.poll_output());
    outputs.filter_map(|output| if let Output::Send(message) = output { Some(message) } else { None }).collect()
}

#[test]
fn an_icrq_that_overtakes_the_scccn_is_held_until_it_comes() {
    let mut lac = Lac::new(4);
    let mut tunnel = accept(&mut lac, settings());
    lac.take(&mut tunnel);
    let scccn = lac.scccn();
    let icrq = lac.icrq();
    hand(&mut tunnel, &icrq, at(0));
    assert_eq!(lac.take(&mut tunnel), [""; 0]);
    hand(&mut tunnel, &scccn, at(0));
    assert_eq!(lac.take(&mut tunnel), ["ZLB", "ICRP"]);
    hand(&mut tunnel, &lac.iccn(), at(0));
    assert_eq!(lac.take(&mut tunnel), ["ZLB", "session up"]);
}

#[test]
fn a_repeated_message_is_acknowledged_and_not_handled_again() {
    let (mut tunnel, mut lac) = connected(4, settings());
    let stale = lac.encode(0, 1, &[Avp::u16(AvpType::MessageType, 3)]);
    hand(&mut tunnel, &stale, at(1));
    assert_eq!(lac.take(&mut tunnel), ["ZLB"]);
    assert!(tunnel.is_session_up());
}

#[test]
fn a_window_of_one_lets_the_hello_wait_for_the_answer_to_the_icrp() {
    let keepalive = Some((Duration::from_secs(2), 6));
    let mut lac = Lac::new(1);
    let mut tunnel = accept(&mut lac, Settings { keepalive, ..settings() });
    lac.take(&mut tunnel);
    hand(&mut tunnel, &lac.scccn(), at(0));
    hand(&mut tunnel, &lac.icrq(), at(0));
    lac.take(&mut tunnel);
    let told = wait(&mut tunnel, &mut lac, at(20));
    assert_eq!(told, ["1 ICRP", "3 ICRP", "7 ICRP", "15 ICRP"]);
    hand(&mut tunnel, &lac.iccn(), at(20));
    assert_eq!(lac.take(&mut tunnel), ["ZLB", "session up"]);
    assert_eq!(wait(&mut tunnel, &mut lac, at(22)), ["22 HELLO"]);
}

#[test]
fn a_tunnel_outlives_the_wrap_around_of_both_sequence_numbers() {
    let (mut tunnel, mut lac) = connected(1, Settings { log_keepalive: false, ..alive(10, 6) });
    for round in 1..=66_000 {
        let now = at(round * 10);
        tunnel.handle_timeout(&mut rng(), now);
        assert_eq!(lac.take(&mut tunnel), ["HELLO"]);
        hand(&mut tunnel, &lac.message(0, &[Avp::u16(AvpType::MessageType, 6)]), now);
        assert_eq!(lac.take(&mut tunnel), ["ZLB"]);
    }
    assert!(tunnel.is_session_up() && tunnel.nr() < 1000 && tunnel.ns() < 1000);
}

#[test]
fn a_client_that_asks_and_never_acknowledges_is_put_out() {
    let (mut tunnel, mut lac) = connected(4, settings());
    let nr = lac.nr;
    let mut told = vec![];
    for id in 100..300 {
        (lac.nr, lac.session) = (nr, id);
        let icrq = lac.message(0, &[Avp::u16(AvpType::MessageType, 10), Avp::u16(AvpType::AssignedSessionId, id)]);
        hand(&mut tunnel, &icrq, at(1));
        told.extend(lac.take(&mut tunnel));
    }
    assert!(told.contains(&"tunnel down Misbehaviour".to_string()));
    assert!(told.len() < 300);
}

#[test]
fn tunnel_authentication_proves_both_sides() {
    let mut lac = Lac::new(4);
    let mut avps = lac.sccrq_avps();
    avps.push(Avp::bytes(AvpType::Challenge, b"client challenge"));
    let sccrq = lac.message(0, &avps);
    let mut tunnel = Tunnel::accept(&sccrq, 32882, 1701, with_secret("sesame"), &mut rng(), at(0)).unwrap();
    let sccrp = sent(&mut tunnel).remove(0);
    lac.read(&sccrp);
    let avps = decode_avps(Header::decode(&sccrp).unwrap().1).unwrap();
    let kinds: Vec<u16> = avps.iter().map(|avp| avp.kind.into()).collect();
    assert_eq!(kinds, [0, 2, 3, 4, 6, 7, 8, 9, 10, 11, 13]);
    assert_eq!(avps[10].value, Hash::Md5.digest(&[b"\x02", b"sesame", b"client challenge"]));
    let proof = Hash::Md5.digest(&[b"\x03", b"sesame", &avps[9].value]);
    let scccn = [Avp::u16(AvpType::MessageType, 3), Avp::bytes(AvpType::ChallengeResponse, &proof)];
    hand(&mut tunnel, &lac.message(0, &scccn), at(0));
    assert_eq!(lac.take(&mut tunnel), ["ZLB"]);
    assert_eq!(tunnel.state_word(), "established");
}

#[test]
fn without_tunnel_authentication_the_sccrp_has_exactly_the_avps_of_the_router() {
    let mut lac = Lac::new(4);
    let mut tunnel = accept(&mut lac, settings());
    let sccrp = sent(&mut tunnel).remove(0);
    let avps = decode_avps(Header::decode(&sccrp).unwrap().1).unwrap();
    let kinds: Vec<(u16, bool)> = avps.iter().map(|avp| (avp.kind.into(), avp.mandatory)).collect();
    let expected =
        [(0, true), (2, true), (3, true), (4, true), (6, false), (7, true), (8, false), (9, true), (10, true)];
    assert_eq!(kinds, expected);
    // Android wants the length to be that of the datagram, and the first AVP to be a plain mandatory Message Type.
    assert_eq!(usize::from(u16::from_be_bytes([sccrp[2], sccrp[3]])), sccrp.len());
    assert_eq!(sccrp[12..20], [0x80, 0x08, 0, 0, 0, 0, 0, 2]);
}

#[test]
fn a_wrong_or_missing_response_is_an_authentication_error() {
    for proof in [Some(vec![0; 16]), None] {
        let is_other = proof.is_some();
        let mut lac = Lac::new(4);
        let mut tunnel = accept(&mut lac, with_secret("sesame"));
        lac.take(&mut tunnel);
        let mut scccn = vec![Avp::u16(AvpType::MessageType, 3)];
        scccn.extend(proof.map(|proof: Vec<u8>| Avp::bytes(AvpType::ChallengeResponse, &proof)));
        hand(&mut tunnel, &lac.message(0, &scccn), at(0));
        let mut copy = tunnel.clone();
        assert_eq!(lac.take(&mut tunnel), ["StopCCN 4/0", "tunnel down Authentication"]);
        let lines = log_of(&mut copy, &mut lac);
        let info = lines.iter().position(|line| line == "authentication error tunnel 32882").unwrap();
        assert!(lines[info + 1].starts_with("TUNNEL[1] 203.0.113.1 is refused: "), "{}", lines[info + 1]);
        assert!(lines[info + 1].contains("'l2tp tunnel auth'"), "{}", lines[info + 1]);
        assert_eq!(lines[info + 1].contains("differs"), is_other);
        assert_eq!(lines[info + 2], "TUNNEL[1] disconnecting tunnel 32882");
        hand(&mut tunnel, &lac.zlb(), at(1));
        assert!(tunnel.is_finished());
    }
}

#[test]
fn a_challenge_that_cannot_be_answered_is_refused() {
    let sccrq = fixture("android/sccrq-secret.constructed.hex");
    let refusal = Tunnel::accept(&sccrq, 9, 1701, settings(), &mut rng(), at(0)).unwrap_err();
    assert_eq!(refusal.reason, Reason::NoSecret);
    let reply = refusal.reply.unwrap();
    assert_eq!(describe(&reply), "StopCCN 4/0");
    let (header, _) = Header::decode(&reply).unwrap();
    assert_eq!((header.tunnel_id, header.ns, header.nr), (0x29d8, Some(0), Some(1)));
    assert!(refusal.log.iter().any(|line| line.to_string() == "authentication error tunnel 9"));
    assert!(refusal.log.iter().any(|line| line.to_string().contains("'l2tp tunnel auth on SECRET'")));
}

#[test]
fn a_client_that_does_not_accept_our_proof_is_told_of_as_one_with_another_secret() {
    for (result, told) in [(4, true), (2, true), (6, false)] {
        let mut lac = Lac::new(4);
        let mut tunnel = accept(&mut lac, with_secret("sesame"));
        lac.take(&mut tunnel);
        let code = ResultCode { result, error: Some(0), message: String::new() };
        let stopccn = [
            Avp::u16(AvpType::MessageType, 4),
            Avp::u16(AvpType::AssignedTunnelId, 61471),
            Avp::bytes(AvpType::ResultCode, &code.encode()),
        ];
        hand(&mut tunnel, &lac.message(0, &stopccn), at(0));
        let lines = log_of(&mut tunnel, &mut lac);
        assert_eq!(
            lines.iter().any(|line| line.contains("differs from that of 'l2tp tunnel auth'")),
            told,
            "{lines:?}"
        );
    }
}

#[test]
fn why_the_clients_ppp_ended_is_read_from_its_cdn_and_told_in_words() {
    let cause = DisconnectCause { code: 8, protocol: 0xc021, direction: 0, message: "no echo\u{7}".into() };
    for (value, told) in [(cause.encode(), true), (vec![0, 8], false)] {
        let (mut tunnel, mut lac) = connected(4, settings());
        let code = ResultCode { result: 2, error: Some(6), message: String::new() };
        let cdn = [
            Avp::u16(AvpType::MessageType, 14),
            Avp::bytes(AvpType::ResultCode, &code.encode()),
            Avp::u16(AvpType::AssignedSessionId, lac.session),
            Avp::bytes(AvpType::PppDisconnectCause, &value).optional(),
        ];
        let to = only_session(&tunnel).unwrap().0;
        hand(&mut tunnel, &lac.message(to, &cdn), at(0));
        let down = Down::Peer { result: 2, error: 6, ppp: told.then_some((8, 0)) };
        assert!(lac.take(&mut tunnel.clone()).contains(&format!("session down {down:?}")));
        let lines = log_of(&mut tunnel, &mut lac);
        let words = "the client says why PPP ended: its LCP echoes had no answer (code 8) 'no echo?'";
        assert_eq!(lines.iter().any(|line| line.ends_with(words)), told, "{lines:?}");
        let ended = "client hung up, result code 2, error code 6";
        assert_eq!(down.to_string(), format!("{ended}{}", if told { ", its LCP echoes had no answer" } else { "" }));
    }
}

#[test]
fn a_client_may_have_a_whole_window_on_its_way_in_any_order() {
    // All orders in which four messages may come, by Heap's method.
    fn orders(items: &mut [usize; 4], n: usize, all: &mut Vec<[usize; 4]>) {
        if n <= 1 {
            return all.push(*items);
        }
        for i in 0..n {
            orders(items, n - 1, all);
            items.swap(if n.is_multiple_of(2) { i } else { 0 }, n - 1);
        }
    }
    let mut all = vec![];
    orders(&mut [0, 1, 2, 3], 4, &mut all);
    all.sort_unstable();
    all.dedup();
    assert_eq!((all.len(), usize::from(RECEIVE_WINDOW)), (24, 4));
    for order in all {
        let mut lac = Lac::new(4);
        let mut tunnel = accept(&mut lac, settings());
        let sccrp = sent(&mut tunnel).remove(0);
        let avps = decode_avps(Header::decode(&sccrp).unwrap().1).unwrap();
        let told = avps.iter().find(|avp| avp.kind == AvpType::ReceiveWindowSize).and_then(Avp::as_u16);
        assert_eq!(told, Some(RECEIVE_WINDOW));
        lac.read(&sccrp);
        let mut messages = vec![lac.scccn(), lac.icrq()];
        messages.extend([(); 2].map(|()| lac.message(0, &[Avp::u16(AvpType::MessageType, 6)])));
        for n in order {
            hand(&mut tunnel, &messages[n], at(0));
        }
        assert!(lac.take(&mut tunnel).contains(&"ICRP".to_string()), "{order:?}");
        assert_eq!((tunnel.nr(), tunnel.state_word()), (5, "established"), "{order:?}");
    }
}

#[test]
fn a_hidden_tunnel_id_is_revealed_with_the_secret() {
    let mut lac = Lac::new(4);
    let mut avps = lac.sccrq_avps();
    let vector = [3; 16];
    avps[4] = hide(&avps[4], &vector, "sesame", 5);
    avps.insert(4, Avp::bytes(AvpType::RandomVector, &vector));
    let sccrq = lac.message(0, &avps);
    let tunnel = Tunnel::accept(&sccrq, 9, 1701, with_secret("sesame"), &mut rng(), at(0)).unwrap();
    assert_eq!(tunnel.peer_id(), 61471);
    assert_eq!(assigned_tunnel_id(&sccrq, Some(&Secret::new("sesame".into()))), Some(61471));
    let refusal = Tunnel::accept(&sccrq, 9, 1701, settings(), &mut rng(), at(0)).unwrap_err();
    assert_eq!(describe(&refusal.reply.unwrap()), "StopCCN 2/8");
}

/// A message of the server: its name, the session id of its header, its AVPs; what all have in common is looked at here.
fn anatomy(lac: &Lac, message: &[u8]) -> (String, u16, Vec<Avp>) {
    let (header, payload) = Header::decode(message).unwrap();
    // Type, length and sequence bits, version 2; neither offset nor priority nor a reserved bit.
    assert_eq!(message[..2], [0xc8, 0x02]);
    assert_eq!(header.tunnel_id, lac.tunnel);
    let avps = decode_avps(payload).unwrap();
    if let Some(first) = avps.first() {
        assert_eq!(first.kind, AvpType::MessageType);
    }
    // Firmware, vendor name and why PPP ended go without M; all else that is sent here has it, and nothing is hidden.
    let optional = [AvpType::FirmwareRevision, AvpType::VendorName, AvpType::PppDisconnectCause];
    assert!(avps.iter().all(|avp| avp.mandatory != optional.contains(&avp.kind) && !avp.hidden && avp.vendor == 0));
    (name_of(payload), header.session_id, avps)
}

#[test]
fn all_that_we_send_has_the_bits_ids_and_avps_that_the_rfc_asks_for() {
    let mut lac = Lac::new(4);
    let mut tunnel = accept(&mut lac, Settings { log_messages: false, ..alive(10, 6) });
    let mut seen = vec![];
    let mut note = |lac: &mut Lac, tunnel: &mut Tunnel| {
        for message in sent(tunnel) {
            let (name, session, avps) = anatomy(lac, &message);
            let kinds: Vec<u16> = avps.iter().map(|avp| avp.kind.into()).collect();
            if name == "StopCCN" {
                assert_eq!(avps[1].as_u16(), Some(32882), "the id that was assigned first");
            }
            lac.read(&message);
            seen.push((name, session, kinds));
        }
    };
    note(&mut lac, &mut tunnel);
    hand(&mut tunnel, &lac.scccn(), at(0));
    note(&mut lac, &mut tunnel);
    hand(&mut tunnel, &lac.icrq(), at(0));
    note(&mut lac, &mut tunnel);
    hand(&mut tunnel, &lac.iccn(), at(0));
    tunnel.handle_timeout(&mut rng(), at(10));
    note(&mut lac, &mut tunnel);
    hand(&mut tunnel, &lac.zlb(), at(10));
    let cause = DisconnectCause { code: 14, protocol: 0xc223, direction: 2, message: "over".into() };
    tunnel.close_session(lac.peer_session, 3, &cause, at(11));
    note(&mut lac, &mut tunnel);
    hand(&mut tunnel, &lac.zlb(), at(11));
    tunnel.close(stop::SHUTDOWN, 0, "", at(12));
    note(&mut lac, &mut tunnel);
    let expected: [(&str, u16, &[u16]); 7] = [
        ("SCCRP", 0, &[0, 2, 3, 4, 6, 7, 8, 9, 10]),
        ("ZLB", 0, &[]),
        ("ICRP", 6819, &[0, 14]),
        ("ZLB", 0, &[]),
        ("HELLO", 0, &[0]),
        ("CDN", 6819, &[0, 14, 1, 46]),
        ("StopCCN", 0, &[0, 9, 1]),
    ];
    let seen: Vec<_> = seen.iter().map(|(name, session, kinds)| (name.as_str(), *session, kinds.as_slice())).collect();
    assert_eq!(seen, expected);
}

#[test]
fn who_names_no_id_is_refused_under_0_and_an_id_of_0_is_not_taken() {
    let mut lac = Lac::new(4);
    let base = lac.sccrq_avps();
    let mut none = base.clone();
    none.remove(4);
    let mut zero = base;
    zero[4] = Avp::u16(AvpType::AssignedTunnelId, 0);
    for avps in [none, zero] {
        let sccrq = Lac::new(4).message(0, &avps);
        let refusal = Tunnel::accept(&sccrq, 9, 1701, settings(), &mut rng(), at(0)).map(|_| ()).unwrap_err();
        let reply = refusal.reply.unwrap();
        assert_eq!((describe(&reply).as_str(), Header::decode(&reply).unwrap().0.tunnel_id), ("StopCCN 2/3", 0));
    }
    let mut tunnel = accept(&mut lac, settings());
    lac.take(&mut tunnel);
    hand(&mut tunnel, &lac.scccn(), at(0));
    lac.take(&mut tunnel);
    let icrq = Avp::u16(AvpType::MessageType, 10);
    for avps in [vec![icrq.clone()], vec![icrq, Avp::u16(AvpType::AssignedSessionId, 0)]] {
        hand(&mut tunnel, &lac.message(0, &avps), at(0));
        let reply = sent(&mut tunnel).remove(0);
        lac.read(&reply);
        assert_eq!((describe(&reply).as_str(), Header::decode(&reply).unwrap().0.session_id), ("CDN 2/3", 0));
    }
}

#[test]
fn an_unacceptable_sccrq_is_answered_by_a_stopccn_or_not_at_all() {
    let base = Lac::new(4).sccrq_avps();
    let refuse = |avps: &[Avp]| {
        let message = Lac::new(4).message(0, avps);
        Tunnel::accept(&message, 9, 1701, settings(), &mut rng(), at(0)).map(|_| ()).unwrap_err()
    };
    let mut version = base.clone();
    version[1] = Avp::u16(AvpType::ProtocolVersion, 0x0200);
    let refusal = refuse(&version);
    assert_eq!(
        (refusal.reason.clone(), describe(&refusal.reply.unwrap()).as_str()),
        (Reason::Version, "StopCCN 5/256")
    );
    for missing in [1, 2, 3, 4] {
        let mut avps = base.clone();
        avps.remove(missing);
        assert_eq!(describe(&refuse(&avps).reply.unwrap()), "StopCCN 2/3");
    }
    let mut window = base.clone();
    window[5] = Avp::u16(AvpType::ReceiveWindowSize, 0);
    assert_eq!(describe(&refuse(&window).reply.unwrap()), "StopCCN 2/3");
    let mut foreign = base;
    foreign.push(Avp { mandatory: true, hidden: false, vendor: 9, kind: 1.into(), value: vec![] });
    assert_eq!(describe(&refuse(&foreign).reply.unwrap()), "StopCCN 2/8");
    foreign[6].mandatory = false;
    let message = Lac::new(4).message(0, &foreign);
    assert!(Tunnel::accept(&message, 9, 1701, settings(), &mut rng(), at(0)).is_ok());
    let hello = fixture("apple/hello-trigger.constructed.hex");
    let refusal = Tunnel::accept(&hello, 9, 1701, settings(), &mut rng(), at(0)).unwrap_err();
    assert_eq!((refusal.reason, refusal.reply), (Reason::NotSccrq, None));
}

fn alive(interval: u64, count: u32) -> Settings {
    Settings { keepalive: Some((Duration::from_secs(interval), count)), log_messages: true, ..settings() }
}

#[test]
fn an_answered_keepalive_is_logged_in_the_words_of_the_router() {
    let (mut tunnel, mut lac) = connected(1, alive(10, 6));
    assert_eq!(tunnel.poll_timeout(), Some(at(10)));
    tunnel.handle_timeout(&mut rng(), at(10));
    let mut lines = log_of(&mut tunnel, &mut lac);
    hand(&mut tunnel, &lac.zlb(), at(10));
    lines.extend(log_of(&mut tunnel, &mut lac));
    assert_eq!(
        lines,
        ["set (0)message type HELLO", "keepalive HELLO send to 203.0.113.1", "recv ZLB from 203.0.113.1"]
    );
    assert_eq!(tunnel.poll_timeout(), Some(at(20)));
}

#[test]
fn an_unanswered_keepalive_counts_down_and_ends_the_tunnel_in_the_words_of_the_router() {
    let (mut tunnel, mut lac) = connected(1, alive(10, 6));
    let mut lines = vec![];
    let mut hellos = vec![];
    while tunnel.is_open() {
        let due = tunnel.poll_timeout().unwrap();
        tunnel.handle_timeout(&mut rng(), due);
        hellos.extend(sent(&mut tunnel.clone()));
        lines.extend(log_of(&mut tunnel, &mut lac));
    }
    let mut expected = vec![];
    for count in (1..=6).rev() {
        expected.push("set (0)message type HELLO".to_string());
        expected.push("keepalive HELLO send to 203.0.113.1".into());
        expected.push(format!("keepalive timeout count={count}"));
    }
    // The page prints the line of `disconnecting` without its TUNNEL[n], its own table with it.
    expected.extend(
        [
            "keepalive timer expired tunnel 32882",
            "TUNNEL[1] disconnecting tunnel 32882",
            "send Message AVPs :",
            "set (0)message type StopCCN",
            "set (9)assigned tunnel id 32882",
            "set (1)resultcode 2",
            "send StopCCN to 203.0.113.1",
        ]
        .map(String::from),
    );
    expected.push(format!("TUNNEL[1] disconnect session {} complete", lac.peer_session));
    assert_eq!(lines, expected);
    let ns: Vec<u16> = hellos.iter().map(|hello| Header::decode(hello).unwrap().0.ns.unwrap()).collect();
    assert_eq!(ns, [2, 2, 2, 2, 2, 2, 3], "a HELLO is repeated with the same Ns");
}

#[test]
fn the_keepalive_gives_up_after_its_own_time_and_not_after_31_s() {
    let (mut tunnel, mut lac) = connected(4, alive(10, 6));
    let told = wait(&mut tunnel, &mut lac, at(70));
    let expected = [
        "10 HELLO",
        "20 HELLO",
        "30 HELLO",
        "40 HELLO",
        "50 HELLO",
        "60 HELLO",
        "70 StopCCN 2/0",
        "70 session down Keepalive",
        "70 tunnel down Keepalive",
    ];
    assert_eq!(told, expected);
    assert!(!tunnel.is_finished());
    wait(&mut tunnel, &mut lac, at(101));
    assert!(tunnel.is_finished());
}

#[test]
fn traffic_postpones_the_hello_and_starts_its_count_anew() {
    let (mut tunnel, mut lac) = connected(4, alive(10, 2));
    tunnel.saw_traffic(true, at(8));
    assert_eq!(wait(&mut tunnel, &mut lac, at(17)), [""; 0]);
    assert_eq!(wait(&mut tunnel, &mut lac, at(29)), ["18 HELLO", "28 HELLO"]);
    // macOS under load: data flows and no HELLO is answered.
    for second in 29..200 {
        tunnel.saw_traffic(true, at(second));
        assert_eq!(wait(&mut tunnel, &mut lac, at(second)), [""; 0]);
    }
    assert_eq!(wait(&mut tunnel, &mut lac, at(209)), ["209 HELLO"]);
    hand(&mut tunnel, &lac.zlb(), at(210));
    assert_eq!(wait(&mut tunnel, &mut lac, at(220)), ["220 HELLO"]);
}

#[test]
fn a_hello_of_the_client_is_acknowledged_at_once() {
    let (mut tunnel, mut lac) = connected(4, settings());
    hand(&mut tunnel, &lac.message(0, &[Avp::u16(AvpType::MessageType, 6)]), at(1));
    assert_eq!(log_of(&mut tunnel, &mut lac), ["recv HELLO from 203.0.113.1", "send ZLB to 203.0.113.1"]);
}

#[test]
fn what_never_comes_is_named_in_the_log() {
    for (missing, steps) in [("SCCCN", 0), ("ICRQ", 1), ("ICCN", 2)] {
        let mut lac = Lac::new(4);
        let mut tunnel = accept(&mut lac, settings());
        lac.take(&mut tunnel);
        for step in 0..steps {
            let message = if step == 0 { lac.scccn() } else { lac.icrq() };
            hand(&mut tunnel, &message, at(0));
            lac.take(&mut tunnel);
        }
        hand(&mut tunnel, &lac.zlb(), at(0));
        assert_eq!(tunnel.poll_timeout(), Some(at(60)));
        tunnel.handle_timeout(&mut rng(), at(60));
        let mut copy = tunnel.clone();
        let lines = log_of(&mut tunnel, &mut lac);
        assert_eq!(lines[0], format!("state timer expired for waiting {missing}"));
        assert_eq!(lines[1], "TUNNEL[1] disconnecting tunnel 32882");
        let told = lac.take(&mut copy);
        assert_eq!(told.first().unwrap(), "StopCCN 1/0");
        assert_eq!(told.last().unwrap(), "tunnel down StateTimer");
    }
}

#[test]
fn without_data_the_disconnect_timer_ends_the_tunnel() {
    let (mut tunnel, mut lac) = connected(8, Settings { idle: Some(Duration::from_secs(60)), ..settings() });
    tunnel.saw_traffic(false, at(50));
    assert_eq!(tunnel.poll_timeout(), Some(at(60)));
    tunnel.sent_data(at(50));
    assert_eq!(tunnel.poll_timeout(), Some(at(110)));
    tunnel.saw_traffic(true, at(100));
    tunnel.handle_timeout(&mut rng(), at(160));
    let lines = log_of(&mut tunnel.clone(), &mut lac.clone());
    assert_eq!(lines[..2], ["disconnect timer expired tunnel 32882", "TUNNEL[1] disconnecting tunnel 32882"]);
    assert_eq!(lac.take(&mut tunnel), ["CDN 3/0", "StopCCN 1/0", "session down Idle", "tunnel down Idle"]);
}

#[test]
fn a_shutdown_sends_cdn_and_stopccn_at_once_and_repeats_them_until_they_are_acknowledged() {
    let (mut tunnel, mut lac) = connected(4, settings());
    tunnel.close(stop::SHUTDOWN, 0, "", at(1));
    assert_eq!(lac.take(&mut tunnel), ["CDN 3/0", "StopCCN 6/0", "session down Local", "tunnel down Local"]);
    assert_eq!(wait(&mut tunnel, &mut lac, at(4)), ["2 CDN 3/0", "2 StopCCN 6/0", "4 CDN 3/0", "4 StopCCN 6/0"]);
    hand(&mut tunnel, &lac.zlb(), at(5));
    assert_eq!(log_of(&mut tunnel, &mut lac), ["TUNNEL[1] disconnect tunnel 32882 complete"]);
    assert!(tunnel.is_finished() && tunnel.poll_timeout().is_none());
}

#[test]
fn a_shutdown_towards_a_window_of_one_or_a_full_one_sends_the_stopccn_alone() {
    let (mut tunnel, mut lac) = connected(1, settings());
    tunnel.close(stop::SHUTDOWN, 0, "", at(1));
    assert_eq!(lac.take(&mut tunnel), ["StopCCN 6/0", "session down Local", "tunnel down Local"]);
    let mut lac = Lac::new(1);
    let mut tunnel = accept(&mut lac, settings());
    lac.take(&mut tunnel);
    tunnel.close(stop::SHUTDOWN, 0, "", at(0));
    assert_eq!(lac.take(&mut tunnel), ["StopCCN 6/0", "tunnel down Local"]);
}

#[test]
fn a_stopccn_that_nobody_acknowledges_is_given_up() {
    let (mut tunnel, mut lac) = connected(1, settings());
    tunnel.close(stop::GENERAL, 0, "", at(0));
    lac.take(&mut tunnel);
    assert_eq!(wait(&mut tunnel, &mut lac, at(100)).len(), 5);
    assert!(tunnel.is_finished());
}

#[test]
fn stopccns_that_cross_are_both_acknowledged() {
    let (mut tunnel, mut lac) = connected(4, settings());
    let theirs = lac.stopccn();
    tunnel.close(stop::GENERAL, 0, "", at(0));
    lac.take(&mut tunnel);
    hand(&mut tunnel, &theirs, at(0));
    assert_eq!(lac.take(&mut tunnel), ["ZLB"]);
    hand(&mut tunnel, &theirs, at(30));
    assert_eq!(lac.take(&mut tunnel), ["ZLB"]);
    wait(&mut tunnel, &mut lac, at(31));
    assert!(tunnel.is_finished());
}

#[test]
fn after_a_stopccn_its_repetitions_are_acknowledged_for_a_retransmission_cycle() {
    let (mut tunnel, mut lac) = connected(4, settings());
    let stopccn = lac.stopccn();
    hand(&mut tunnel, &stopccn, at(0));
    let down = Down::Peer { result: 6, error: 0, ppp: None };
    assert_eq!(
        lac.take(&mut tunnel),
        ["ZLB".to_string(), format!("session down {down:?}"), format!("tunnel down {down:?}")]
    );
    hand(&mut tunnel, &stopccn, at(20));
    assert_eq!(lac.take(&mut tunnel), ["ZLB"]);
    assert_eq!(tunnel.poll_timeout(), Some(at(31)));
    wait(&mut tunnel, &mut lac, at(31));
    assert!(tunnel.is_finished());
    hand(&mut tunnel, &stopccn, at(32));
    assert_eq!(lac.take(&mut tunnel), [""; 0]);
}

#[test]
fn after_the_last_cdn_the_client_may_dial_again_for_a_while() {
    let (mut tunnel, mut lac) = connected(4, settings());
    hand(&mut tunnel, &lac.cdn(), at(0));
    assert_eq!(
        lac.take(&mut tunnel),
        ["ZLB".to_string(), format!("session down {:?}", Down::Peer { result: 3, error: 0, ppp: None })]
    );
    lac.session = 6820;
    hand(&mut tunnel, &lac.icrq(), at(5));
    assert_eq!(lac.take(&mut tunnel), ["ICRP"]);
    hand(&mut tunnel, &lac.iccn(), at(5));
    assert_eq!(lac.take(&mut tunnel), ["ZLB", "session up"]);
    hand(&mut tunnel, &lac.cdn(), at(6));
    lac.take(&mut tunnel);
    assert_eq!(wait(&mut tunnel, &mut lac, at(16)), ["16 StopCCN 1/0", "16 tunnel down Local"]);
}

#[test]
fn closing_the_session_leaves_the_tunnel_a_while() {
    let (mut tunnel, mut lac) = connected(1, settings());
    let cause = DisconnectCause { code: 17, protocol: 0x8021, direction: 0, message: "no answer in IPCP".into() };
    tunnel.close_session(only_session(&tunnel).unwrap().0, cdn::ADMINISTRATIVE, &cause, at(0));
    let message = sent(&mut tunnel.clone()).remove(0);
    assert_eq!(lac.take(&mut tunnel), ["CDN 3/0", "session down Local"]);
    // RFC 3145 §2: "it MUST NOT be marked Mandatory".
    let avps = decode_avps(Header::decode(&message).unwrap().1).unwrap();
    assert_eq!((avps[3].kind, avps[3].mandatory), (AvpType::PppDisconnectCause, false));
    assert_eq!(DisconnectCause::decode(&avps[3].value).unwrap(), cause);
    hand(&mut tunnel, &lac.zlb(), at(0));
    assert_eq!(wait(&mut tunnel, &mut lac, at(10)), ["10 StopCCN 1/0", "10 tunnel down Local"]);
}

/// The session that is the only one.
fn only_session(tunnel: &Tunnel) -> Option<(u16, u16)> {
    let ids: Vec<_> = tunnel.session_ids().collect();
    assert!(ids.len() <= 1);
    ids.first().copied()
}

/// Opens one more session of this id of the client's; ours.
fn one_more(tunnel: &mut Tunnel, lac: &mut Lac, id: u16, now: Instant) -> u16 {
    lac.session = id;
    hand(tunnel, &lac.icrq(), now);
    assert_eq!(lac.take(tunnel), ["ICRP"]);
    hand(tunnel, &lac.iccn(), now);
    assert_eq!(lac.take(tunnel), ["ZLB", "session up"]);
    tunnel.session_ids().find(|(_, peer)| *peer == id).unwrap().0
}

#[test]
fn a_second_call_stands_beside_the_first_and_each_ends_alone() {
    let (mut tunnel, mut lac) = connected(4, settings());
    let (first, _) = only_session(&tunnel).unwrap();
    let second = one_more(&mut tunnel, &mut lac, 6820, at(0));
    assert_ne!(first, second);
    hand(&mut tunnel, &lac.cdn(), at(1));
    let mut downs = vec![];
    while let Some(output) = tunnel.poll_output() {
        downs.extend(matches!(output, Output::SessionDown { local, .. } if local == second).then_some(second));
    }
    assert_eq!((downs, tunnel.session_ids().collect::<Vec<_>>()), (vec![second], vec![(first, 6819)]));
    assert!(tunnel.is_session_up());
    // A tunnel with a session left waits for no other call.
    assert!(wait(&mut tunnel, &mut lac, at(30)).iter().all(|line| !line.contains("StopCCN")));
}

#[test]
fn we_can_end_one_session_of_several() {
    let (mut tunnel, mut lac) = connected(4, settings());
    let (first, _) = only_session(&tunnel).unwrap();
    let second = one_more(&mut tunnel, &mut lac, 6820, at(0));
    let cause = DisconnectCause { code: 1, protocol: 0, direction: 0, message: "disconnect".into() };
    tunnel.close_session(first, cdn::ADMINISTRATIVE, &cause, at(1));
    let message = sent(&mut tunnel).remove(0);
    assert_eq!((describe(&message).as_str(), Header::decode(&message).unwrap().0.session_id), ("CDN 3/0", 6819));
    assert_eq!(only_session(&tunnel), Some((second, 6820)));
}

#[test]
fn all_sessions_end_with_their_tunnel() {
    let (mut tunnel, mut lac) = connected(4, settings());
    one_more(&mut tunnel, &mut lac, 6820, at(0));
    let down = "session down Local";
    let mut closed = (tunnel.clone(), lac.clone());
    closed.0.close(stop::SHUTDOWN, 0, "", at(1));
    assert_eq!(closed.1.take(&mut closed.0), ["CDN 3/0", "CDN 3/0", "StopCCN 6/0", down, down, "tunnel down Local"]);
    hand(&mut tunnel, &lac.stopccn(), at(1));
    let downs = lac.take(&mut tunnel).iter().filter(|line| line.starts_with("session down")).count();
    assert_eq!(downs, 2);
}

#[test]
fn more_calls_than_a_tunnel_may_have_are_refused_and_told_of_once() {
    let (mut tunnel, mut lac) = connected(4, settings());
    one_more(&mut tunnel, &mut lac, 6820, at(0));
    one_more(&mut tunnel, &mut lac, 6821, at(0));
    let mut told = 0;
    for id in [6822, 6823] {
        lac.session = id;
        hand(&mut tunnel, &lac.icrq(), at(0));
        told += log_of(&mut tunnel.clone(), &mut lac.clone()).iter().filter(|line| line.contains("3 at most")).count();
        let refusal = sent(&mut tunnel).remove(0);
        let (header, payload) = Header::decode(&refusal).unwrap();
        assert_eq!((describe(&refusal).as_str(), header.session_id), ("CDN 4/4", id));
        let ours = decode_avps(payload).unwrap()[1].as_u16().unwrap();
        assert!(ours != 0 && tunnel.session_ids().all(|(local, _)| local != ours));
        lac.nr += 1;
    }
    assert_eq!((told, tunnel.session_ids().count()), (1, 3));
}

#[test]
fn a_call_that_comes_to_nothing_does_not_take_the_others_along() {
    let (mut tunnel, mut lac) = connected(4, settings());
    lac.session = 6820;
    hand(&mut tunnel, &lac.icrq(), at(0));
    assert_eq!(lac.take(&mut tunnel), ["ICRP"]);
    hand(&mut tunnel, &lac.zlb(), at(0));
    assert_eq!(wait(&mut tunnel, &mut lac, at(60)), ["60 CDN 10/0", "60 session down StateTimer"]);
    assert_eq!(only_session(&tunnel).map(|(_, peer)| peer), Some(6819));
}

#[test]
fn one_session_may_be_numbered_and_another_not() {
    let (mut tunnel, mut lac) = connected(4, settings());
    let (first, _) = only_session(&tunnel).unwrap();
    lac.session = 6820;
    hand(&mut tunnel, &lac.icrq(), at(0));
    lac.take(&mut tunnel);
    let avps = [Avp::u16(AvpType::MessageType, 12), Avp::bytes(AvpType::SequencingRequired, &[])];
    let session = lac.peer_session;
    hand(&mut tunnel, &lac.message(session, &avps), at(0));
    assert!(tunnel.sequencing_required(session) && !tunnel.sequencing_required(first));
}

#[test]
fn hellos_of_apples_on_tunnel_0_are_ignored() {
    let (mut tunnel, mut lac) = connected(4, settings());
    let hello = fixture("apple/hello-trigger.constructed.hex");
    hand(&mut tunnel, &hello, at(1));
    assert_eq!(lac.take(&mut tunnel), [""; 0]);
    assert_eq!(tunnel.nr(), 4);
}

#[test]
fn a_stopccn_on_tunnel_0_that_names_the_tunnel_is_obeyed() {
    let mut lac = Lac::new(4);
    let mut tunnel = accept(&mut lac, settings());
    let stopccn = lac.stopccn();
    hand(&mut tunnel, &stopccn, at(0));
    assert_eq!(lac.take(&mut tunnel)[1], "ZLB");
    assert!(!tunnel.is_open());
}

#[test]
fn what_is_not_for_this_tunnel_or_is_no_control_message_changes_nothing() {
    let (mut tunnel, mut lac) = connected(4, settings());
    let mut other = lac.clone();
    other.peer_tunnel ^= 1;
    hand(&mut tunnel, &other.stopccn(), at(1));
    hand(&mut tunnel, &fixture("linux/xl2tpd-data-lcp.hex"), at(1));
    hand(&mut tunnel, &[], at(1));
    hand(&mut tunnel, &[0xc8, 2, 0, 200, 0, 0], at(1));
    assert_eq!(lac.take(&mut tunnel), [""; 0]);
    assert!(tunnel.is_session_up());
}

#[test]
fn a_stored_tunnel_goes_on_as_if_nothing_had_happened() {
    let (mut tunnel, mut lac) = connected(4, Settings { keepalive: alive(10, 6).keepalive, ..with_secret_unused() });
    tunnel.handle_timeout(&mut rng(), at(10));
    assert_eq!(lac.take(&mut tunnel), ["HELLO"]);
    let record = postcard::to_allocvec(&tunnel).unwrap();
    let mut restored: Tunnel = postcard::from_bytes(&record).unwrap();
    assert_eq!(restored.poll_timeout(), tunnel.poll_timeout());
    let stopccn = lac.stopccn();
    hand(&mut tunnel, &stopccn, at(11));
    hand(&mut restored, &stopccn, at(11));
    assert_eq!(sent(&mut restored), sent(&mut tunnel));
}

fn with_secret_unused() -> Settings {
    Settings { secret: None, ..settings() }
}

#[test]
fn no_octets_of_a_client_make_the_tunnel_fail() {
    let mut random = Rng::new([1; 32]);
    let (template, lac) = connected(4, settings());
    for _ in 0..3000 {
        let mut tunnel = template.clone();
        let mut lac = lac.clone();
        for _ in 0..4 {
            let mut message = match random.u16() % 5 {
                0 => lac.icrq(),
                1 => lac.cdn(),
                2 => lac.stopccn(),
                3 => lac.iccn(),
                _ => lac.scccn(),
            };
            for _ in 0..random.u16() % 4 {
                let at = usize::from(random.u16()) % message.len();
                message[at] = random.u16() as u8;
            }
            message.truncate(message.len() - usize::from(random.u16() % 3));
            tunnel.handle_control(&message, &mut random, at(1));
        }
        while tunnel.poll_output().is_some() {}
        let mut now = at(1);
        for _ in 0..200 {
            let Some(due) = tunnel.poll_timeout() else { break };
            assert!(due > now || now == at(1));
            now = due.max(now);
            tunnel.handle_timeout(&mut random, now);
        }
    }
}

/// The octets of a fixture file: hexadecimal, with comment lines.
fn fixture(name: &str) -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let digits: String = text.lines().filter(|line| !line.starts_with('#')).collect();
    let octet = |pair: &[u8]| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.as_bytes().chunks(2).map(octet).collect()
}

/// A message of a fixture, with the ids and the Nr that it would have had towards this server.
fn addressed(mut message: Vec<u8>, tunnel: u16, session: Option<u16>, nr: u16) -> Vec<u8> {
    message[4..6].copy_from_slice(&tunnel.to_be_bytes());
    if let Some(session) = session {
        message[6..8].copy_from_slice(&session.to_be_bytes());
    }
    message[10..12].copy_from_slice(&nr.to_be_bytes());
    message
}

fn kinds(tunnel: &mut Tunnel) -> Vec<String> {
    sent(tunnel).iter().map(|message| describe(message)).collect()
}

#[test]
fn android_connects_and_leaves_with_a_stopccn() {
    let sccrq = fixture("android/sccrq.constructed.hex");
    let mut tunnel = Tunnel::accept(&sccrq, 7, 1701, settings(), &mut rng(), at(0)).unwrap();
    assert_eq!((tunnel.peer_id(), tunnel.peer_hostname()), (0x8a9f, "anonymous"));
    assert_eq!(kinds(&mut tunnel), ["SCCRP"]);
    hand(&mut tunnel, &addressed(fixture("android/scccn.constructed.hex"), 7, None, 1), at(0));
    assert_eq!(kinds(&mut tunnel), ["ZLB"]);
    hand(&mut tunnel, &addressed(fixture("android/icrq.constructed.hex"), 7, None, 1), at(0));
    assert_eq!(kinds(&mut tunnel), ["ICRP"]);
    let (local, peer) = only_session(&tunnel).unzip();
    assert_eq!(peer, Some(0xac53));
    hand(&mut tunnel, &addressed(fixture("android/iccn.constructed.hex"), 7, local, 2), at(0));
    assert_eq!(kinds(&mut tunnel), ["ZLB"]);
    assert!(tunnel.is_session_up());
    hand(&mut tunnel, &addressed(fixture("android/stopccn.constructed.hex"), 7, None, 2), at(9));
    let mut outputs = vec![];
    while let Some(output) = tunnel.poll_output() {
        outputs.push(output);
    }
    assert!(outputs.contains(&Output::TunnelDown { why: Down::Peer { result: 6, error: 0, ppp: None } }));
}

#[test]
fn apple_connects_without_waiting_and_its_malformed_cdn_and_stopccn_are_obeyed() {
    let sccrq = fixture("apple/sccrq.constructed.hex");
    let mut tunnel = Tunnel::accept(&sccrq, 7, 50001, settings(), &mut rng(), at(0)).unwrap();
    assert_eq!((tunnel.peer_id(), tunnel.peer_hostname(), tunnel.peer_port()), (1, "iPhone", 50001));
    sent(&mut tunnel);
    let icrq = addressed(fixture("apple/icrq.constructed.hex"), 7, None, 1);
    let scccn = addressed(fixture("apple/scccn.constructed.hex"), 7, None, 1);
    hand(&mut tunnel, &icrq, at(0));
    hand(&mut tunnel, &scccn, at(0));
    assert_eq!(kinds(&mut tunnel), ["ZLB", "ICRP"]);
    let local = only_session(&tunnel).map(|(local, _)| local);
    hand(&mut tunnel, &addressed(fixture("apple/iccn.constructed.hex"), 7, local, 2), at(0));
    assert!(tunnel.is_session_up());
    hand(&mut tunnel, &addressed(fixture("apple/cdn.constructed.hex"), 7, local, 2), at(1));
    assert_eq!(only_session(&tunnel), None);
    hand(&mut tunnel, &addressed(fixture("apple/stopccn.constructed.hex"), 7, None, 2), at(1));
    assert!(!tunnel.is_open());
}

#[test]
fn windows_is_accepted_with_its_optional_avps_and_its_correlation_id() {
    for sccrq in ["windows/sccrq-win10.constructed.hex", "windows/sccrq-xp.hex"] {
        let mut tunnel = Tunnel::accept(&fixture(sccrq), 7, 1701, settings(), &mut rng(), at(0)).unwrap();
        assert_eq!(tunnel.peer_vendor(), "Microsoft");
        sent(&mut tunnel);
        let mut lac = Lac { tunnel: tunnel.peer_id(), peer_tunnel: 7, ns: 1, nr: 1, ..Lac::new(8) };
        hand(&mut tunnel, &lac.scccn(), at(0));
        let mut icrq = encode_avps(&[
            Avp::u16(AvpType::MessageType, 10),
            Avp::u16(AvpType::AssignedSessionId, 1),
            Avp::u32(AvpType::CallSerialNumber, 0),
            Avp::u32(AvpType::BearerType, 2),
        ]);
        icrq.extend(fixture("windows/avp-correlation-id.constructed.hex"));
        let icrq = addressed(
            Header {
                control: true,
                length: None,
                tunnel_id: 7,
                session_id: 0,
                ns: Some(2),
                nr: Some(1),
                offset: None,
                priority: false,
            }
            .encode(&icrq),
            7,
            None,
            1,
        );
        hand(&mut tunnel, &icrq, at(0));
        assert_eq!(kinds(&mut tunnel), ["ZLB", "ICRP"]);
    }
}

#[test]
fn xl2tpd_is_accepted() {
    let sccrq = fixture("linux/xl2tpd-sccrq.hex");
    let mut tunnel = Tunnel::accept(&sccrq, 7, 1701, settings(), &mut rng(), at(0)).unwrap();
    assert_eq!((tunnel.peer_hostname(), tunnel.peer_vendor()), ("M2M", "xelerance.com"));
    sent(&mut tunnel);
    let mut lac = Lac { tunnel: tunnel.peer_id(), peer_tunnel: 7, ns: 1, nr: 1, ..Lac::new(8) };
    hand(&mut tunnel, &lac.scccn(), at(0));
    let icrq = fixture("linux/xl2tpd-icrq-avps.hex");
    hand(&mut tunnel, &lac.message(0, &decode_avps(&icrq).unwrap()), at(0));
    assert_eq!(kinds(&mut tunnel), ["ZLB", "ICRP"]);
    assert_eq!(only_session(&tunnel).map(|(_, peer)| peer), Some(0xf20d));
}

//! Conversations between a link and clients of several manners, packet by packet.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod asked;
mod ipv6;

use super::*;
use crate::rng::Rng;
use crate::time::Instant;
use crypto::{Secret, chap};
use std::collections::VecDeque;
use wire::ppp::{
    ChapValue, Eap, EapMsChap, EapType, MsChapOp, Opt, Packet, PapRequest, decode_frame, decode_options, encode_frame,
    encode_options,
};

const OURS: Ipv4Addr = Ipv4Addr::new(192, 168, 100, 1);
const THEIRS: Ipv4Addr = Ipv4Addr::new(192, 168, 100, 10);
const DNS: Ipv4Addr = Ipv4Addr::new(192, 168, 100, 53);
const ALL: [Method; 5] = [Method::MsChapV2, Method::MsChapV1, Method::ChapMd5, Method::Pap, Method::EapMsChapV2];

fn seconds(s: u64) -> Duration {
    Duration::from_secs(s)
}

fn settings(auth: &[Method]) -> Settings {
    let limits = Limits { restart: seconds(3), max_configure: 10, max_terminate: 2, max_failure: 10 };
    let patience = AuthLimits { restart: seconds(3), tries: 10 };
    Settings {
        our_address: OURS,
        dns: vec![DNS],
        wins: vec![],
        mtu: 1258,
        auth: auth.to_vec(),
        challenge_name: "RTX".to_owned(),
        mru: Some(1792),
        magic: true,
        accm: false,
        acfc: false,
        pfc: false,
        silent: false,
        lcp: limits,
        ipcp: limits,
        ipcp_address: true,
        ipcp_msext: true,
        ipv6cp: false,
        pap: patience,
        chap: patience,
        keepalive: None,
        pings: vec![],
        log_packets: false,
        log_keepalives: false,
    }
}

fn packet(protocol: Protocol, code: u8, id: u8, data: &[u8]) -> Vec<u8> {
    encode_frame(protocol, &Packet::encode(Code::from(code), id, data))
}

fn opt(kind: u8, data: &[u8]) -> Opt {
    Opt { kind, data: data.to_vec() }
}

fn kinds(data: &[u8]) -> Vec<u8> {
    decode_options(data).unwrap().iter().map(|o| o.kind).collect()
}

/// A frame taken apart: protocol, code, identifier, data.
type Parts = (Protocol, u8, u8, Vec<u8>);

fn parts(frame: &[u8]) -> Parts {
    let (protocol, payload) = decode_frame(frame).unwrap();
    let packet = Packet::decode(payload).unwrap();
    (protocol, packet.code.into(), packet.id, packet.data.to_vec())
}

/// Octets of a fixture, behind its comments.
fn fixture(text: &str) -> Vec<u8> {
    let hex: String = text.lines().filter(|line| !line.starts_with('#')).collect();
    hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

macro_rules! fixture {
    ($name:literal) => {
        fixture(include_str!(concat!("../../../fixtures/", $name, ".hex")))
    };
}

/// A link driven by hand: every step exports it and goes on with what was imported.
struct Bench {
    link: Link,
    rng: Rng,
    now: Instant,
}

impl Bench {
    fn new(settings: Settings) -> Self {
        let mut rng = Rng::new([1; 32]);
        let now = Instant(1_000_000_000);
        Self { link: Link::start(settings.into(), &mut rng, now), rng, now }
    }

    fn export_and_import(&mut self) {
        let record = postcard::to_allocvec(&self.link).unwrap();
        self.link = postcard::from_bytes(&record).unwrap();
    }

    fn outputs(&mut self) -> Vec<Output> {
        self.export_and_import();
        core::iter::from_fn(|| self.link.poll_output()).collect()
    }

    /// The packets that the link wants sent.
    fn sent(&mut self) -> Vec<Parts> {
        self.outputs()
            .iter()
            .filter_map(|o| if let Output::Send(frame) = o { Some(parts(frame)) } else { None })
            .collect()
    }

    fn give(&mut self, frame: &[u8]) {
        self.link.handle_frame(frame, &mut self.rng, self.now);
    }

    /// Gives a frame and returns the packets sent for it.
    fn answer(&mut self, frame: &[u8]) -> Vec<Parts> {
        self.give(frame);
        self.sent()
    }

    fn wait(&mut self, pause: Duration) -> Vec<Output> {
        let end = self.now.after(pause);
        let mut all = self.outputs();
        while let Some(due) = self.link.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.link.handle_timeout(&mut self.rng, self.now);
            all.extend(self.outputs());
        }
        self.now = end;
        all
    }

    /// Acknowledges the link's Configure-Request.
    fn acknowledge(&mut self, request: &Parts) -> Vec<Parts> {
        self.answer(&packet(request.0, 2, request.2, &request.3))
    }

    /// LCP with a client that asks for nothing; returns what is sent when it is open.
    fn open_lcp(&mut self) -> Vec<Parts> {
        let request = self.sent().remove(0);
        self.answer(&packet(Protocol::Lcp, 1, 1, &[]));
        self.acknowledge(&request)
    }

    /// LCP and PAP; returns what is sent when IPCP begins.
    fn open_ipcp(&mut self) -> Vec<Parts> {
        self.open_lcp();
        let request = PapRequest { name: b"taro".to_vec(), password: b"himitsu".to_vec() }.encode();
        self.give(&packet(Protocol::Pap, 1, 1, &request));
        assert!(matches!(self.outputs().as_slice(), [Output::Authenticate(_)]));
        let verdict =
            Verdict::Accept { user: "taro".to_owned(), authenticator_response: None, address: None, shared: None };
        self.link.authorise(verdict, &mut self.rng, self.now);
        assert!(self.outputs().iter().any(|o| matches!(o, Output::NeedAddress { user, .. } if user == "taro")));
        self.link.assign(Some(THEIRS), self.now);
        self.sent()
    }

    /// A link that is up.
    fn up(settings: Settings) -> Self {
        let mut bench = Self::new(settings);
        let request = bench.open_ipcp().remove(0);
        bench.acknowledge(&request);
        bench.give(&packet(Protocol::Ipcp, 1, 1, &encode_options(&[opt(3, &THEIRS.octets())])));
        assert!(bench.outputs().iter().any(|o| matches!(o, Output::NetworkUp(_))));
        bench
    }
}

fn cause_in(outputs: &[Output]) -> Option<Cause> {
    outputs.iter().find_map(|o| if let Output::Finished { cause } = o { Some(cause.clone()) } else { None })
}

/// A client that answers by itself.
struct Client {
    accepts: Vec<Method>,
    lcp: Vec<Opt>,
    ipcp: Vec<Opt>,
    user: &'static str,
    password: &'static str,
    /// Repeats its Response (Windows, old pppd) or waits for the server (new pppd).
    repeats_response: bool,
    id: u8,
    method: Option<Method>,
    lcp_request: Option<Vec<u8>>,
    lcp_theirs: bool,
    response: Option<Vec<u8>>,
    is_in: bool,
    refused: Option<Vec<u8>>,
    ipcp_request: Option<Vec<u8>>,
    out: VecDeque<Vec<u8>>,
}

impl Client {
    fn new(accepts: &[Method], password: &'static str) -> Self {
        let mut client = Self {
            accepts: accepts.to_vec(),
            lcp: vec![opt(1, &1400u16.to_be_bytes()), opt(5, &[1, 2, 3, 4]), opt(7, &[]), opt(8, &[]), opt(13, &[6])],
            ipcp: [3, 129, 130, 131, 132].map(|kind| opt(kind, &[0; 4])).to_vec(),
            user: "taro",
            password,
            repeats_response: true,
            id: 0,
            method: None,
            lcp_request: None,
            lcp_theirs: false,
            response: None,
            is_in: false,
            refused: None,
            ipcp_request: None,
            out: VecDeque::new(),
        };
        client.request_lcp();
        client
    }

    fn request_lcp(&mut self) {
        self.id += 1;
        let frame = packet(Protocol::Lcp, 1, self.id, &encode_options(&self.lcp));
        self.lcp_request = Some(frame.clone());
        self.out.push_back(frame);
    }

    fn request_ipcp(&mut self) {
        self.id += 1;
        let frame = packet(Protocol::Ipcp, 1, self.id, &encode_options(&self.ipcp));
        self.ipcp_request = Some(frame.clone());
        self.out.push_back(frame);
    }

    /// Its timer of three seconds: what is not answered is sent again.
    fn repeat(&mut self) {
        let response = self.response.as_ref().filter(|_| self.repeats_response || self.method == Some(Method::Pap));
        self.out.extend(self.lcp_request.as_ref().or(response).or(self.ipcp_request.as_ref()).cloned());
    }

    fn receive(&mut self, frame: &[u8]) {
        let (protocol, code, id, data) = parts(frame);
        match (protocol, code) {
            (Protocol::Lcp, 1) => self.on_lcp_request(id, &data),
            (Protocol::Lcp | Protocol::Ipcp, 2..=4) => self.on_answer(protocol, code, id, &data),
            (Protocol::Lcp, 5) => self.out.push_back(packet(protocol, 6, id, &[])),
            (Protocol::Chap, 1) if self.is_open() => self.on_challenge(id, &data),
            (Protocol::Chap, 3) | (Protocol::Pap, 2) if self.response.take().is_some() => {
                if self.method == Some(Method::MsChapV2) {
                    assert!(data.starts_with(b"S=") && data.len() > 42, "{data:?}");
                }
                self.is_in = true;
                self.request_ipcp();
            }
            (Protocol::Chap, 4) | (Protocol::Pap, 3) => {
                // Its user does not try again, though it might.
                if data.windows(3).any(|w| w == b"R=1") {
                    self.out.push_back(packet(Protocol::Lcp, 5, 99, b""));
                }
                self.refused = Some(data);
            }
            (Protocol::Eap, 1) if self.is_open() => self.on_eap(id, &data),
            (Protocol::Eap, 3) if self.response.take().is_some() => {
                self.is_in = true;
                self.request_ipcp();
            }
            (Protocol::Ipcp, 1) if self.is_in => self.out.push_back(packet(protocol, 2, id, &data)),
            _ => {}
        }
    }

    fn is_open(&self) -> bool {
        self.lcp_theirs && self.lcp_request.is_none()
    }

    fn on_lcp_request(&mut self, id: u8, data: &[u8]) {
        let options = decode_options(data).unwrap();
        let method = options.iter().find(|o| o.kind == 3).and_then(|o| Method::from_option(&o.data)).unwrap();
        if self.accepts.contains(&method) {
            self.method = Some(method);
            self.lcp_theirs = true;
            self.out.push_back(packet(Protocol::Lcp, 2, id, data));
            self.on_open();
        } else {
            let wish = self.accepts.first().map_or_else(|| vec![0xc2, 0x27], |m| m.to_option());
            self.out.push_back(packet(Protocol::Lcp, 3, id, &encode_options(&[opt(3, &wish)])));
        }
    }

    fn on_answer(&mut self, protocol: Protocol, code: u8, id: u8, data: &[u8]) {
        let is_lcp = protocol == Protocol::Lcp;
        let waiting = if is_lcp { &mut self.lcp_request } else { &mut self.ipcp_request };
        if waiting.take_if(|frame| parts(frame).2 == id).is_none() {
            return;
        }
        let wishes = if is_lcp { &mut self.lcp } else { &mut self.ipcp };
        let named = decode_options(data).unwrap();
        match code {
            2 if is_lcp => return self.on_open(),
            2 => return,
            3 => wishes
                .iter_mut()
                .for_each(|w| w.data = named.iter().find(|n| n.kind == w.kind).unwrap_or(w).data.clone()),
            _ => wishes.retain(|w| named.iter().all(|n| n.kind != w.kind)),
        }
        if is_lcp { self.request_lcp() } else { self.request_ipcp() }
    }

    fn on_open(&mut self) {
        if self.is_open() && self.method == Some(Method::Pap) && self.response.is_none() {
            let request = PapRequest { name: self.user.into(), password: self.password.into() }.encode();
            let frame = packet(Protocol::Pap, 1, 1, &request);
            self.response = Some(frame.clone());
            self.out.push_back(frame);
        }
    }

    fn on_eap(&mut self, id: u8, data: &[u8]) {
        let request = Eap::decode(data).unwrap();
        let answer = match request.kind {
            EapType::Identity => Eap { kind: EapType::Identity, data: self.user.into() },
            EapType::MsChapV2 => {
                let asked = EapMsChap::decode(&request.data).unwrap();
                let (number, body) = asked.body.unwrap();
                let data = match asked.op {
                    MsChapOp::Challenge => {
                        let value = self.value_for(number, ChapValue::decode(&body).unwrap().value);
                        let body = ChapValue { value, name: self.user.into() }.encode();
                        EapMsChap { op: MsChapOp::Response, body: Some((number, body)) }
                    }
                    MsChapOp::Failure => {
                        self.refused = Some(body);
                        EapMsChap { op: MsChapOp::Failure, body: None }
                    }
                    op => {
                        assert!(body.starts_with(b"S=") && body.len() > 42, "{body:?}");
                        EapMsChap { op, body: None }
                    }
                };
                Eap { kind: EapType::MsChapV2, data: data.encode() }
            }
            _ => Eap { kind: EapType::Nak, data: vec![26] },
        };
        let frame = packet(Protocol::Eap, 2, id, &answer.encode());
        self.response = Some(frame.clone());
        self.out.push_back(frame);
    }

    fn on_challenge(&mut self, id: u8, data: &[u8]) {
        let body = ChapValue::decode(data).unwrap();
        assert!(!body.name.is_empty());
        let value = self.value_for(id, body.value);
        let frame = packet(Protocol::Chap, 2, id, &ChapValue { value, name: self.user.into() }.encode());
        if !self.is_in {
            self.response = Some(frame.clone());
        }
        self.out.push_back(frame);
    }

    /// The answer to a challenge.
    fn value_for(&self, id: u8, challenge: Vec<u8>) -> Vec<u8> {
        match self.method.unwrap() {
            Method::Pap => Vec::new(),
            Method::ChapMd5 => chap::md5_response(id, self.password.as_bytes(), &challenge).to_vec(),
            Method::MsChapV1 => {
                let hash = chap::nt_password_hash(self.password);
                let nt = chap::mschapv1_nt_response(&challenge.try_into().unwrap(), &hash);
                [&[0; 24], nt.as_slice(), &[1]].concat()
            }
            Method::MsChapV2 | Method::EapMsChapV2 => {
                let hash = chap::nt_password_hash(self.password);
                let challenge: [u8; 16] = challenge.try_into().unwrap();
                let nt = chap::mschapv2_nt_response(&challenge, &[9; 16], self.user.as_bytes(), &hash);
                [[9; 16].as_slice(), &[0; 8], &nt, &[0]].concat()
            }
        }
    }
}

/// What happens to one frame of a conversation, counted over both directions.
#[derive(Clone, Copy)]
enum Fate {
    Lost(usize),
    Doubled(usize),
    Nothing,
}

struct Outcome {
    ups: Vec<Up>,
    downs: usize,
    cause: Option<Cause>,
    frames: usize,
    client: Client,
    took: Duration,
}

/// Lets a link and a client talk for a minute.
fn converse(settings: Settings, mut client: Client, fate: Fate) -> Outcome {
    let users =
        [command::User { name: "taro".to_owned(), password: "himitsu".to_owned().into(), address: None, prefix: None }];
    let mut bench = Bench::new(settings);
    let begin = bench.now;
    let mut tick = begin.after(seconds(3));
    let (mut ups, mut downs, mut cause, mut frames, mut took) = (vec![], 0, None, 0, seconds(60));
    let mut copies = |_: &[u8]| {
        frames += 1;
        match fate {
            Fate::Lost(n) if n == frames - 1 => 0,
            Fate::Doubled(n) if n == frames - 1 => 2,
            _ => 1,
        }
    };
    while bench.now.since(begin) < seconds(60) {
        loop {
            let outputs = bench.outputs();
            let from_client: Vec<Vec<u8>> = client.out.drain(..).collect();
            if outputs.is_empty() && from_client.is_empty() {
                break;
            }
            for output in outputs {
                match output {
                    Output::Send(frame) => (0..copies(&frame)).for_each(|_| client.receive(&frame)),
                    Output::Authenticate(attempt) => {
                        let verdict = crate::aaa::check(&users, &attempt);
                        bench.link.authorise(verdict, &mut bench.rng, bench.now);
                    }
                    Output::NeedAddress { .. } => bench.link.assign(Some(THEIRS), bench.now),
                    Output::NetworkUp(up) => {
                        took = bench.now.since(begin);
                        ups.push(up);
                    }
                    Output::NetworkDown => downs += 1,
                    Output::Ipv6Up(_) | Output::Ipv6Down => {}
                    Output::Finished { cause: why } => cause = Some(why),
                    Output::SendIp(_) | Output::Log(_) => {}
                }
            }
            for frame in from_client {
                (0..copies(&frame)).for_each(|_| bench.give(&frame));
            }
        }
        let due = bench.link.poll_timeout().unwrap_or(tick).min(tick).max(bench.now);
        bench.now = due;
        bench.link.handle_timeout(&mut bench.rng, due);
        if due == tick {
            client.repeat();
            tick = due.after(seconds(3));
        }
    }
    Outcome { ups, downs, cause, frames, client, took }
}

#[test]
fn every_method_lets_the_right_password_in() {
    for method in ALL {
        let outcome = converse(settings(&[method]), Client::new(&[method], "himitsu"), Fate::Nothing);
        let [up] = outcome.ups.as_slice() else { panic!("{method:?}: {:?}", outcome.cause) };
        assert_eq!((up.address, up.our_address, up.peer_mru), (THEIRS, OURS, 1400));
        assert_eq!((up.user.as_str(), up.acfc, up.pfc, up.dns.as_slice()), ("taro", false, false, [DNS].as_slice()));
        assert_eq!((outcome.downs, outcome.took), (0, seconds(0)));
        assert_eq!(outcome.client.ipcp, [opt(3, &THEIRS.octets()), opt(129, &DNS.octets())]);
    }
}

/// MS-CHAPv2 up to the answer to a wrong password: the Failure's identifier and text.
fn mistyped(bench: &mut Bench) -> (u8, String) {
    let challenge = bench.open_lcp().into_iter().find(|p| p.0 == Protocol::Chap).unwrap();
    let wrong = response(&ChapValue::decode(&challenge.3).unwrap().value, "wrong");
    bench.give(&packet(Protocol::Chap, 2, challenge.2, &wrong));
    assert!(matches!(bench.outputs().as_slice(), [Output::Authenticate(_)]));
    bench.link.authorise(Verdict::Reject { why: Why::WrongPassword }, &mut bench.rng, bench.now);
    let failure = bench.sent().remove(0);
    // What was said before is answered as before.
    assert_eq!(bench.answer(&packet(Protocol::Chap, 2, challenge.2, &wrong)), std::slice::from_ref(&failure));
    (failure.2, String::from_utf8(failure.3).unwrap())
}

fn response(challenge: &[u8], password: &str) -> Vec<u8> {
    let hash = chap::nt_password_hash(password);
    let nt = chap::mschapv2_nt_response(&challenge.try_into().unwrap(), &[9; 16], b"taro", &hash);
    let value = [[9; 16].as_slice(), &[0; 8], &nt, &[0]].concat();
    ChapValue { value, name: b"taro".to_vec() }.encode()
}

fn challenge_in(failure: &str) -> Vec<u8> {
    let digits = failure.split("C=").nth(1).unwrap().as_bytes();
    let digit = |d: u8| (d as char).to_digit(16).unwrap() as u8;
    digits[..32].chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

#[test]
fn trap_84_who_mistyped_may_try_again_in_the_same_call_with_the_challenge_of_the_failure() {
    let mut bench = Bench::new(settings(&[Method::MsChapV2]));
    let (id, failure) = mistyped(&mut bench);
    assert!(failure.starts_with("E=691 R=1 C="), "{failure}");
    // The user takes half a minute to type.
    assert!(cause_in(&bench.wait(seconds(30))).is_none());
    let right = response(&challenge_in(&failure), "himitsu");
    bench.give(&packet(Protocol::Chap, 2, id.wrapping_add(1), &right));
    let outputs = bench.outputs();
    let [Output::Authenticate(attempt)] = outputs.as_slice() else { panic!("{outputs:?}") };
    assert!(
        matches!(&attempt.proof, Proof::MsChapV2 { challenge, .. } if challenge.as_slice() == challenge_in(&failure))
    );
    let verdict =
        Verdict::Accept { user: "taro".to_owned(), authenticator_response: None, address: None, shared: None };
    bench.link.authorise(verdict, &mut bench.rng, bench.now);
    let outputs = bench.outputs();
    assert!(outputs.iter().any(|o| matches!(o, Output::NeedAddress { .. })), "{outputs:?}");
    bench.link.assign(Some(THEIRS), bench.now);
    assert!(cause_in(&bench.wait(seconds(1))).is_none());
}

#[test]
fn after_three_wrong_answers_the_call_ends_and_so_it_does_without_another_answer() {
    let mut bench = Bench::new(settings(&[Method::MsChapV2]));
    let (mut id, mut failure) = mistyped(&mut bench);
    for may_retry in [true, false] {
        id = id.wrapping_add(1);
        bench.give(&packet(Protocol::Chap, 2, id, &response(&challenge_in(&failure), "wrong")));
        assert!(matches!(bench.outputs().as_slice(), [Output::Authenticate(_)]));
        bench.link.authorise(Verdict::Reject { why: Why::WrongPassword }, &mut bench.rng, bench.now);
        failure = String::from_utf8(bench.sent().remove(0).3).unwrap();
        assert_eq!(failure.contains(" R=1 "), may_retry, "{failure}");
    }
    let wrong = Some(Cause::WrongPassword { user: "taro".to_owned() });
    assert_eq!(cause_in(&bench.wait(seconds(30))), wrong);
    let mut bench = Bench::new(settings(&[Method::MsChapV2]));
    let _ = mistyped(&mut bench);
    assert_eq!(cause_in(&bench.wait(seconds(120))), wrong);
}

#[test]
fn a_password_cannot_be_changed_here_and_the_client_is_told() {
    for (method, version) in [(Method::MsChapV2, " V=3"), (Method::MsChapV1, " V=2")] {
        let mut bench = Bench::new(settings(&[method]));
        bench.open_lcp();
        let answer = bench.answer(&packet(Protocol::Chap, 7, 9, &[0; 582])).remove(0);
        assert_eq!((answer.0, answer.1, answer.2), (Protocol::Chap, 4, 9));
        let text = String::from_utf8(answer.3).unwrap();
        assert!(text.starts_with("E=709 R=0 C=") && text.ends_with(version), "{text}");
    }
}

#[test]
fn trap_80_eap_is_never_asked_for_first_and_spoken_when_the_client_suggests_it() {
    let both = [Method::MsChapV2, Method::EapMsChapV2];
    let outcome = converse(settings(&both), Client::new(&[Method::EapMsChapV2], "himitsu"), Fate::Nothing);
    assert_eq!((outcome.ups.len(), outcome.client.method), (1, Some(Method::EapMsChapV2)));
    let outcome = converse(settings(&both), Client::new(&both, "himitsu"), Fate::Nothing);
    assert_eq!((outcome.ups.len(), outcome.client.method), (1, Some(Method::MsChapV2)));
    let outcome = converse(settings(&both), Client::new(&[Method::Pap], "himitsu"), Fate::Nothing);
    let Some(Cause::MethodRefused { wanted, .. }) = outcome.cause else { panic!("{:?}", outcome.cause) };
    assert_eq!(wanted, ["PAP"]);
}

#[test]
fn a_client_that_wants_another_type_of_eap_is_told_off_and_the_cause_names_it() {
    let mut bench = Bench::new(settings(&[Method::EapMsChapV2]));
    let identity = bench.open_lcp().into_iter().find(|p| p.0 == Protocol::Eap).unwrap();
    let challenge = bench.answer(&packet(Protocol::Eap, 2, identity.2, b"\x01taro")).remove(0);
    bench.give(&packet(Protocol::Eap, 2, challenge.2, &[3, 13]));
    let Some(Cause::MethodRefused { wanted, .. }) = cause_in(&bench.wait(seconds(30))) else { panic!("no cause") };
    assert_eq!(wanted, ["EAP type 13"]);
}

#[test]
fn every_method_keeps_the_wrong_password_and_the_unknown_user_out() {
    for method in ALL {
        let outcome = converse(settings(&[method]), Client::new(&[method], "wrong"), Fate::Nothing);
        assert_eq!(outcome.cause, Some(Cause::WrongPassword { user: "taro".to_owned() }), "{method:?}");
        assert!(outcome.ups.is_empty());
        let text = String::from_utf8(outcome.client.refused.unwrap()).unwrap();
        match method {
            Method::MsChapV2 => {
                assert!(text.starts_with("E=691 R=1 C=") && text.ends_with(" V=3 M=Authentication failed"), "{text}");
                assert_eq!(text.len(), "E=691 R=1 C= V=3 M=Authentication failed".len() + 32);
            }
            Method::EapMsChapV2 => assert!(text.starts_with("E=691 R=0 C="), "{text}"),
            Method::MsChapV1 => assert!(text.starts_with("E=691 R=1 C=") && text.ends_with(" V=2"), "{text}"),
            Method::ChapMd5 | Method::Pap => assert!(text.ends_with("Authentication failed"), "{text}"),
        }
        let mut client = Client::new(&[method], "himitsu");
        client.user = "jiro";
        let outcome = converse(settings(&[method]), client, Fate::Nothing);
        assert_eq!(outcome.cause, Some(Cause::UnknownUser { user: "jiro".to_owned() }), "{method:?}");
    }
}

#[test]
fn the_loss_of_any_one_message_does_not_keep_a_client_out() {
    for method in ALL {
        for repeats_response in [true, false] {
            let client = || Client { repeats_response, ..Client::new(&[method], "himitsu") };
            let frames = converse(settings(&[method]), client(), Fate::Nothing).frames;
            assert!(frames > 10);
            for n in 0..frames {
                let outcome = converse(settings(&[method]), client(), Fate::Lost(n));
                assert_eq!(outcome.ups.len(), 1, "{method:?}, message {n}: {:?}", outcome.cause);
                assert_eq!((outcome.downs, outcome.cause), (0, None), "{method:?}, message {n}");
                assert!(outcome.took <= seconds(9), "{method:?}, message {n}: {:?}", outcome.took);
            }
        }
    }
}

#[test]
fn a_doubled_message_changes_nothing() {
    for method in ALL {
        let frames = converse(settings(&[method]), Client::new(&[method], "himitsu"), Fate::Nothing).frames;
        for n in 0..frames {
            let outcome = converse(settings(&[method]), Client::new(&[method], "himitsu"), Fate::Doubled(n));
            assert_eq!((outcome.ups.len(), outcome.downs, outcome.cause), (1, 0, None), "{method:?}, message {n}");
        }
    }
}

#[test]
fn chap_pap_goes_on_to_pap_and_follows_a_hint() {
    let both = [Method::ChapMd5, Method::Pap];
    let outcome = converse(settings(&both), Client::new(&[Method::Pap], "himitsu"), Fate::Nothing);
    assert_eq!((outcome.ups.len(), outcome.client.method), (1, Some(Method::Pap)));
    let three = [Method::MsChapV2, Method::Pap, Method::ChapMd5];
    let outcome = converse(settings(&three), Client::new(&[Method::ChapMd5], "himitsu"), Fate::Nothing);
    assert_eq!((outcome.ups.len(), outcome.client.method), (1, Some(Method::ChapMd5)));

    let mut bench = Bench::new(settings(&both));
    let (_, _, id, _) = bench.sent().remove(0);
    let again = bench.answer(&packet(Protocol::Lcp, 4, id, &encode_options(&[opt(3, &[0xc2, 0x23, 5])])));
    assert!(decode_options(&again[0].3).unwrap().contains(&opt(3, &[0xc0, 0x23])), "a rejected CHAP leads to PAP");
}

#[test]
fn a_client_that_refuses_every_method_is_told_apart() {
    let outcome = converse(settings(&[Method::MsChapV2]), Client::new(&[], "himitsu"), Fate::Nothing);
    let cause = outcome.cause.unwrap();
    assert_eq!(
        cause,
        Cause::MethodRefused { wanted: vec!["EAP-MSCHAPv2".to_owned()], allowed: vec!["MS-CHAPv2".to_owned()] }
    );
    assert_eq!(
        cause.to_string(),
        "Authentication failed, the client wants EAP-MSCHAPv2, 'pp auth request' allows MS-CHAPv2"
    );
}

#[test]
fn without_a_method_nobody_comes_in() {
    let mut bench = Bench::new(settings(&[]));
    assert_eq!(cause_in(&bench.outputs()), Some(Cause::NoMethod));
    assert!(bench.link.is_finished());
}

#[test]
fn our_first_request_asks_for_mru_authentication_and_magic_and_comes_again_after_a_second() {
    let mut bench = Bench::new(settings(&[Method::MsChapV2]));
    let first = bench.sent().remove(0);
    let options = decode_options(&first.3).unwrap();
    assert_eq!(options[0], opt(1, &1258u16.to_be_bytes()));
    assert_eq!(options[1], opt(3, &[0xc2, 0x23, 0x81]));
    assert_eq!((options[2].kind, options.len()), (5, 3));
    assert!(bench.wait(Duration::from_millis(999)).is_empty());
    let again: Vec<Output> = bench.wait(Duration::from_millis(1));
    assert!(matches!(again.as_slice(), [Output::Send(frame)] if parts(frame) == first));
}

#[test]
fn a_silent_client_gets_ten_requests() {
    let mut bench = Bench::new(settings(&[Method::MsChapV2]));
    let outputs = bench.wait(seconds(60));
    let sent = outputs.iter().filter(|o| matches!(o, Output::Send(_))).count();
    assert_eq!((sent, cause_in(&outputs)), (10, Some(Cause::NoAnswer { phase: Phase::Lcp })));
}

#[test]
fn silent_waits_for_the_client() {
    let mut bench = Bench::new(Settings { silent: true, ..settings(&[Method::Pap]) });
    assert!(bench.wait(seconds(60)).is_empty());
    let sent = bench.answer(&packet(Protocol::Lcp, 1, 1, &[]));
    assert_eq!(sent.iter().map(|p| p.1).collect::<Vec<_>>(), [1, 2]);
    let outputs = bench.wait(seconds(600));
    assert_eq!(cause_in(&outputs), Some(Cause::NoAnswer { phase: Phase::Lcp }));
}

#[test]
fn windows_callback_and_compression_are_rejected_and_nothing_else() {
    let mut bench = Bench::new(settings(&[Method::MsChapV2]));
    bench.sent();
    let answer = bench.answer(&fixture!("windows/lcp-confreq-1.constructed"));
    assert_eq!((answer[0].1, kinds(&answer[0].3)), (4, vec![7, 8, 13]));

    let mut bench = Bench::new(Settings { acfc: true, pfc: true, ..settings(&[Method::MsChapV2]) });
    let request = bench.sent().remove(0);
    let answer = bench.answer(&fixture!("windows/lcp-confreq-1.constructed"));
    assert_eq!((answer[0].1, answer[0].3.as_slice()), (4, [13, 3, 6].as_slice()));
    let second = fixture!("windows/lcp-confreq-2.constructed");
    let answer = bench.answer(&second);
    assert_eq!((answer[0].1, &answer[0].3), (2, &parts(&second).3));
    assert_eq!(bench.acknowledge(&request)[0].0, Protocol::Chap);

    for name in [fixture!("windows/lcp-ident-1.constructed"), fixture!("windows/lcp-ident-2.constructed")] {
        bench.give(&name);
        let outputs = bench.outputs();
        assert!(matches!(outputs.as_slice(), [Output::Log(Log::Identification { text })] if text.starts_with("MSRAS")));
    }
}

#[test]
fn windows_network_protocols_are_rejected_but_ipcp() {
    let mut bench = Bench::new(settings(&[Method::Pap]));
    bench.open_ipcp();
    for frame in [fixture!("windows/ccp-confreq.constructed"), fixture!("windows/ipv6cp-confreq-win10")] {
        let whole = frame.strip_prefix(&[0xff, 3]).unwrap_or(&frame).to_vec();
        let answer = bench.answer(&frame);
        assert_eq!((answer.len(), answer[0].0, answer[0].1, &answer[0].3), (1, Protocol::Lcp, 8, &whole));
    }
    let answer = bench.answer(&fixture!("windows/ipcp-confreq.constructed"));
    assert_eq!((answer[0].1, kinds(&answer[0].3)), (4, vec![130, 131, 132]));
    let rest = [opt(3, &[0; 4]), opt(129, &[0; 4])];
    let answer = bench.answer(&packet(Protocol::Ipcp, 1, 9, &encode_options(&rest)));
    let values = [opt(3, &THEIRS.octets()), opt(129, &DNS.octets())];
    assert_eq!((answer[0].1, answer[0].3.as_slice()), (3, encode_options(&values).as_slice()));
    let answer = bench.answer(&packet(Protocol::Ipcp, 1, 10, &encode_options(&values)));
    assert_eq!(answer[0].1, 2);
}

#[test]
fn the_number_in_windows_terminate_request_is_told() {
    let mut bench = Bench::new(settings(&[Method::Pap]));
    bench.open_ipcp();
    assert_eq!(bench.answer(&fixture!("windows/ipcp-termreq-738"))[0].1, 6);
    assert_eq!(bench.answer(&fixture!("windows/lcp-termreq-0"))[0].1, 6);
    let cause = cause_in(&bench.wait(seconds(10))).unwrap();
    assert_eq!(cause, Cause::PeerTerminated { phase: Phase::Ipcp, text: String::new(), windows_error: Some(738) });
    assert_eq!(cause.to_string(), "the client ended the call (Windows error 738, no address was assigned)");
}

#[test]
fn a_client_that_hangs_up_takes_the_network_down_at_once() {
    let mut bench = Bench::up(settings(&[Method::Pap]));
    bench.give(&packet(Protocol::Lcp, 5, 7, b"User request"));
    let outputs = bench.outputs();
    assert!(matches!(&outputs[0], Output::NetworkDown));
    assert!(matches!(&outputs[1], Output::Send(frame) if parts(frame) == (Protocol::Lcp, 6, 7, vec![])));
    let cause = cause_in(&bench.wait(seconds(3))).unwrap();
    assert_eq!(cause.to_string(), "the client ended the call (User request)");
}

#[test]
fn apple_gets_its_answers() {
    let mut bench = Bench::new(settings(&[Method::Pap]));
    let request = bench.sent().remove(0);
    let answer = bench.answer(&fixture!("apple/lcp-confreq.constructed"));
    assert_eq!((answer[0].1, kinds(&answer[0].3)), (4, vec![7, 8]));
    let answer = bench.answer(&packet(Protocol::Lcp, 1, 2, &[]));
    assert_eq!((answer[0].1, answer[0].3.len()), (2, 0), "an empty request is fine");
    bench.acknowledge(&request);

    let mut bench = Bench::new(settings(&[Method::Pap]));
    bench.open_ipcp();
    let frame = fixture!("apple/acscp-confreq");
    let answer = bench.answer(&frame);
    assert_eq!((answer[0].0, answer[0].1, &answer[0].3), (Protocol::Lcp, 8, &frame));
    let answer = bench.answer(&fixture!("apple/ipcp-confreq.constructed"));
    assert_eq!((answer[0].1, kinds(&answer[0].3)), (4, vec![131]));
    // Echo-Request with magic number zero, as after a rejected one.
    let answer = bench.answer(&packet(Protocol::Lcp, 9, 3, &[0, 0, 0, 0, 1, 2]));
    let magic = decode_options(&request.3).unwrap().remove(2).data;
    assert_eq!((answer[0].1, answer[0].2, &answer[0].3), (10, 3, &[magic.as_slice(), &[1, 2]].concat()));
}

#[test]
fn android_is_refused_header_compression_only() {
    let mut bench = Bench::new(settings(&[Method::Pap]));
    bench.open_ipcp();
    let answer = bench.answer(&fixture!("android/ipcp-confreq.constructed"));
    assert_eq!((answer[0].1, kinds(&answer[0].3)), (4, vec![2, 131]));
    let frame = fixture!("android/ccp-confreq");
    assert_eq!(bench.answer(&frame)[0].3, frame);
    let l2tp = fixture!("android/data-lcp-confreq.constructed");
    let mut bench = Bench::new(Settings { acfc: true, pfc: true, ..settings(&[Method::Pap]) });
    bench.sent();
    assert_eq!(bench.answer(&l2tp[6..])[0].1, 2, "MRU, ACCM, magic, PFC and ACFC are all fine");
}

#[test]
fn that_no_octet_is_escaped_is_asked_for_where_it_is_wanted_and_once() {
    let mut bench = Bench::new(Settings { accm: true, ..settings(&[Method::Pap]) });
    let first = bench.sent().remove(0);
    let asked = decode_options(&first.3).unwrap();
    assert!(asked.iter().any(|o| (o.kind, o.data.as_slice()) == (2, &[0; 4][..])), "{asked:?}");
    // A client that would have others escaped is not asked again.
    let again = bench.answer(&packet(Protocol::Lcp, 3, first.2, &encode_options(&[opt(2, &[0xff; 4])]))).remove(0);
    assert!(again.1 == 1 && !kinds(&again.3).contains(&2), "{again:?}");
    let mut bench = Bench::new(settings(&[Method::Pap]));
    assert!(!kinds(&bench.sent()[0].3).contains(&2));
}

#[test]
fn compressed_headers_are_rejected() {
    let mut bench = Bench::new(settings(&[Method::Pap]));
    bench.open_ipcp();
    // Van Jacobson, 16 slots, slot ids compressed (RFC 1332 §4).
    let asked = [opt(2, &[0, 0x2d, 15, 1]), opt(3, &[10, 0, 0, 9])];
    let answer = bench.answer(&packet(Protocol::Ipcp, 1, 1, &encode_options(&asked)));
    assert_eq!((answer[0].1, kinds(&answer[0].3)), (4, vec![2]));
}

#[test]
fn an_address_is_never_rejected_and_the_obsolete_option_always() {
    let limits = Limits { restart: seconds(3), max_configure: 10, max_terminate: 2, max_failure: 2 };
    let mut bench = Bench::new(Settings { ipcp: limits, ..settings(&[Method::Pap]) });
    bench.open_ipcp();
    let both = [opt(1, &[0; 8]), opt(3, &[10, 0, 0, 9])];
    let answer = bench.answer(&packet(Protocol::Ipcp, 1, 1, &encode_options(&both)));
    assert_eq!((answer[0].1, kinds(&answer[0].3)), (4, vec![1]));
    for id in 2..4 {
        let answer = bench.answer(&packet(Protocol::Ipcp, 1, id, &encode_options(&[opt(3, &[10, 0, 0, 9])])));
        assert_eq!((answer[0].1, answer[0].3.as_slice()), (3, encode_options(&[opt(3, &THEIRS.octets())]).as_slice()));
    }
    bench.give(&packet(Protocol::Ipcp, 1, 4, &encode_options(&[opt(3, &[10, 0, 0, 9])])));
    let outputs = bench.wait(seconds(30));
    assert_eq!(
        cause_in(&outputs),
        Some(Cause::NegotiationFailed { phase: Phase::Ipcp, fault: Some(Fault::Insists(3)) })
    );
}

#[test]
fn network_protocols_before_authentication_are_dropped() {
    let mut bench = Bench::new(settings(&[Method::ChapMd5]));
    bench.open_lcp();
    for frame in [
        fixture!("windows/ipcp-confreq.constructed"),
        fixture!("windows/ccp-confreq.constructed"),
        fixture!("apple/acscp-confreq"),
        packet(Protocol::Pap, 1, 1, &PapRequest { name: vec![], password: vec![] }.encode()),
    ] {
        assert!(bench.answer(&frame).is_empty());
    }
}

#[test]
fn a_response_counts_only_when_lcp_is_open_and_with_the_right_identifier() {
    let mut bench = Bench::new(settings(&[Method::ChapMd5]));
    let response =
        |id| packet(Protocol::Chap, 2, id, &ChapValue { value: vec![0; 16], name: b"taro".to_vec() }.encode());
    bench.sent();
    (0..=255).for_each(|id| bench.give(&response(id)));
    assert!(bench.outputs().is_empty());
    let mut bench = Bench::new(settings(&[Method::ChapMd5]));
    let (_, _, id, _) = bench.open_lcp().remove(0);
    bench.give(&response(id.wrapping_add(1)));
    assert!(bench.outputs().is_empty());
    bench.give(&response(id));
    bench.give(&response(id));
    assert!(matches!(bench.outputs().as_slice(), [Output::Authenticate(_)]), "once only");
}

#[test]
fn a_repeated_response_gets_the_same_answer() {
    for is_right in [true, false] {
        let mut bench = Bench::new(settings(&[Method::MsChapV2]));
        let (_, _, id, _) = bench.open_lcp().remove(0);
        let response =
            packet(Protocol::Chap, 2, id, &ChapValue { value: vec![0; 49], name: b"taro".to_vec() }.encode());
        bench.give(&response);
        assert!(matches!(bench.outputs().as_slice(), [Output::Authenticate(_)]));
        let proof = Some(format!("S={}", "0".repeat(40)));
        let verdict = if is_right {
            Verdict::Accept {
                user: "taro".to_owned(),
                authenticator_response: proof,
                address: Some(THEIRS),
                shared: None,
            }
        } else {
            Verdict::Reject { why: Why::WrongPassword }
        };
        bench.link.authorise(verdict, &mut bench.rng, bench.now);
        let told = bench.sent().remove(0);
        assert_eq!((told.0, told.1), (Protocol::Chap, if is_right { 3 } else { 4 }));
        assert_eq!(bench.answer(&response), core::slice::from_ref(&told));
        if is_right {
            bench.link.assign(Some(THEIRS), bench.now);
            bench.sent();
            assert_eq!(bench.answer(&response), [told]);
        }
    }
}

#[test]
fn after_a_failure_the_client_may_hang_up_itself_and_gets_no_second_guess() {
    let mut bench = Bench::new(settings(&[Method::Pap]));
    let request = bench.sent().remove(0);
    bench.answer(&packet(Protocol::Lcp, 1, 1, &[]));
    bench.acknowledge(&request);
    bench.give(&packet(Protocol::Pap, 1, 1, &PapRequest { name: b"a".to_vec(), password: vec![] }.encode()));
    bench.outputs();
    bench.link.authorise(Verdict::Reject { why: Why::UnknownUser }, &mut bench.rng, bench.now);
    assert_eq!(bench.sent()[0].1, 3);
    assert!(bench.wait(Duration::from_millis(1900)).is_empty());
    // It begins anew instead: LCP goes round once more, and then it is over.
    let again = bench.answer(&packet(Protocol::Lcp, 1, 2, &encode_options(&[opt(2, &[0; 4])])));
    let sent = bench.acknowledge(again.iter().find(|p| p.1 == 1).unwrap());
    assert_eq!(sent.iter().map(|p| (p.0, p.1)).collect::<Vec<_>>(), [(Protocol::Lcp, 5)]);
    assert_eq!(cause_in(&bench.wait(seconds(10))), Some(Cause::UnknownUser { user: "a".to_owned() }));
}

#[test]
fn an_empty_pool_ends_the_call_with_a_terminate_request() {
    let mut bench = Bench::new(settings(&[Method::Pap]));
    bench.open_lcp();
    bench.give(&packet(Protocol::Pap, 1, 1, &PapRequest { name: b"taro".to_vec(), password: vec![] }.encode()));
    bench.outputs();
    let verdict =
        Verdict::Accept { user: "taro".to_owned(), authenticator_response: None, address: None, shared: None };
    bench.link.authorise(verdict, &mut bench.rng, bench.now);
    bench.outputs();
    bench.link.assign(None, bench.now);
    let terminate = bench.sent().remove(0);
    assert_eq!((terminate.0, terminate.1), (Protocol::Lcp, 5));
    bench.give(&packet(Protocol::Lcp, 6, terminate.2, &[]));
    assert_eq!(cause_in(&bench.outputs()), Some(Cause::PoolEmpty));
}

#[test]
fn lcp_negotiated_anew_asks_for_the_password_again_and_keeps_the_address() {
    let mut bench = Bench::up(settings(&[Method::Pap]));
    bench.give(&packet(Protocol::Lcp, 1, 2, &[]));
    let outputs = bench.outputs();
    assert!(matches!(&outputs[0], Output::NetworkDown));
    let sent: Vec<Parts> =
        outputs.iter().filter_map(|o| if let Output::Send(f) = o { Some(parts(f)) } else { None }).collect();
    assert_eq!(sent.iter().map(|p| p.1).collect::<Vec<_>>(), [1, 2]);
    bench.acknowledge(&sent[0]);
    bench.give(&packet(Protocol::Pap, 1, 2, &PapRequest { name: b"taro".to_vec(), password: vec![] }.encode()));
    assert!(matches!(bench.outputs().as_slice(), [Output::Authenticate(_)]));
    let verdict =
        Verdict::Accept { user: "taro".to_owned(), authenticator_response: None, address: None, shared: None };
    bench.link.authorise(verdict, &mut bench.rng, bench.now);
    let outputs = bench.outputs();
    assert!(!outputs.iter().any(|o| matches!(o, Output::NeedAddress { .. })));
    assert!(outputs.iter().any(|o| matches!(o, Output::Send(f) if parts(f).0 == Protocol::Ipcp)));
}

#[test]
fn a_repeated_configure_request_does_not_take_an_open_link_down() {
    let mut bench = Bench::up(settings(&[Method::Pap]));
    let answer = bench.answer(&packet(Protocol::Lcp, 1, 1, &[]));
    assert_eq!(answer, [(Protocol::Lcp, 2, 1, vec![])]);
    assert!(bench.link.is_up());
}

#[test]
fn ipcp_negotiated_anew_takes_the_network_down_and_up() {
    let mut bench = Bench::up(settings(&[Method::Pap]));
    bench.give(&packet(Protocol::Ipcp, 1, 2, &encode_options(&[opt(3, &THEIRS.octets())])));
    let outputs = bench.outputs();
    assert!(matches!(&outputs[0], Output::NetworkDown));
    let Output::Send(frame) = &outputs[1] else { panic!("a request of our own") };
    bench.give(&packet(Protocol::Ipcp, 2, parts(frame).2, &parts(frame).3));
    assert!(bench.outputs().iter().any(|o| matches!(o, Output::NetworkUp(_))));
}

#[test]
fn echo_finds_a_dead_client_and_any_traffic_is_a_sign_of_life() {
    let keepalive = Keepalive { interval: seconds(30), retry_interval: seconds(1), count: 6, lcp: true };
    let mut bench = Bench::up(Settings { keepalive: Some(keepalive), ..settings(&[Method::Pap]) });
    for _ in 0..10 {
        assert!(bench.wait(seconds(29)).is_empty());
        bench.link.saw_traffic(bench.now);
    }
    assert!(bench.wait(seconds(29)).is_empty());
    let echo = bench.wait(seconds(1));
    let [Output::Send(frame)] = echo.as_slice() else { panic!("{echo:?}") };
    assert_eq!(parts(frame).1, 9);
    bench.give(&packet(Protocol::Lcp, 10, parts(frame).2, &[0; 4]));
    assert!(bench.wait(seconds(29)).is_empty());
    let outputs = bench.wait(seconds(8));
    let echoes = outputs.iter().filter(|o| matches!(o, Output::Send(f) if parts(f).1 == 9)).count();
    assert_eq!((echoes, cause_in(&outputs)), (6, Some(Cause::EchoTimeout)));
    assert!(outputs.iter().any(|o| matches!(o, Output::NetworkDown)) && bench.link.is_finished());
}

#[test]
fn closing_is_orderly_with_and_without_an_answer() {
    let mut bench = Bench::up(settings(&[Method::Pap]));
    bench.link.close("Disconnected by the operator", bench.now);
    let outputs = bench.outputs();
    assert!(matches!(&outputs[0], Output::NetworkDown));
    let Output::Send(frame) = &outputs[1] else { panic!("a Terminate-Request") };
    assert_eq!(parts(frame).1, 5);
    let outputs = bench.wait(seconds(6));
    assert_eq!(outputs.iter().filter(|o| matches!(o, Output::Send(_))).count(), 1, "two in all");
    assert_eq!(cause_in(&outputs), Some(Cause::Closed { why: "Disconnected by the operator".to_owned() }));
    bench.give(&packet(Protocol::Lcp, 1, 1, &[]));
    assert!(bench.outputs().is_empty());
}

#[test]
fn unknown_codes_and_protocols_are_rejected_within_the_clients_mru() {
    let mut bench = Bench::new(settings(&[Method::Pap]));
    let request = bench.sent().remove(0);
    bench.answer(&packet(Protocol::Lcp, 1, 1, &encode_options(&[opt(1, &128u16.to_be_bytes())])));
    bench.acknowledge(&request);
    let answer = bench.answer(&packet(Protocol::Lcp, 77, 5, &[0xaa; 300]));
    assert_eq!((answer[0].1, answer[0].3.len()), (7, 124));
    assert_eq!(answer[0].3[..5], [77, 5, 1, 48, 0xaa]);
    bench.give(&packet(Protocol::Pap, 1, 1, &PapRequest { name: b"t".to_vec(), password: vec![] }.encode()));
    bench.outputs();
    let verdict = Verdict::Accept { user: "t".to_owned(), authenticator_response: None, address: None, shared: None };
    bench.link.authorise(verdict, &mut bench.rng, bench.now);
    bench.link.assign(Some(THEIRS), bench.now);
    bench.outputs();
    let answer = bench.answer(&encode_frame(Protocol::Acscp, &[0xbb; 300]));
    assert_eq!((answer[0].1, answer[0].3.len()), (8, 124));
    assert_eq!(answer[0].3[..3], [0x82, 0x35, 0xbb]);
}

#[test]
fn a_client_without_ipcp_is_let_go_with_the_reason() {
    let mut bench = Bench::new(settings(&[Method::Pap]));
    bench.open_ipcp();
    bench.give(&packet(Protocol::Lcp, 8, 1, &[0x80, 0x21, 1, 1, 0, 4]));
    let cause = cause_in(&bench.wait(seconds(10))).unwrap();
    assert_eq!(cause.to_string(), "the client does not do IPCP");
}

#[test]
fn lines_have_the_routers_words() {
    let user = "taro".to_owned();
    assert_eq!(Log::CallDetected { user: user.clone() }.to_string(), "Call detected from user 'taro'");
    assert_eq!(
        Log::IpcpUp { local: OURS, remote: THEIRS }.to_string(),
        "PPP/IPCP up  (Local: 192.168.100.1, Remote: 192.168.100.10)"
    );
    assert_eq!(
        Log::Disconnected { cause: Cause::WrongPassword { user } }.to_string(),
        "Disconnected, cause [PPP: Authentication failed, wrong password for user 'taro']"
    );
    let log = Log::Packet { sent: true, protocol: 0xc021, code: 1, id: 3, state: State::ReqSent };
    assert_eq!((log.to_string().as_str(), log.level()), ("SEND LCP ConfReq id 3 in REQSENT", Level::Debug));
}

#[test]
fn passwords_are_not_shown() {
    let attempt = Attempt { user: b"taro".to_vec(), proof: Proof::Pap { password: Secret::new(b"himitsu".to_vec()) } };
    let shown = format!("{:?}", Output::Authenticate(attempt));
    assert!(!shown.contains("himitsu") && !shown.contains("104, 105, 109"), "{shown}");
}

#[test]
fn noise_neither_breaks_a_link_nor_makes_it_talk_without_end() {
    for seed in 0..40 {
        let mut noise = Rng::new([seed; 32]);
        let mut bench = Bench::new(Settings { log_packets: seed % 2 == 0, ..settings(&ALL) });
        for _ in 0..400 {
            let protocols = [0xc021, 0xc021, 0x8021, 0xc223, 0xc023, 0x80fd, noise.u16()];
            let protocol = protocols[usize::from(noise.u16()) % protocols.len()];
            let mut data = vec![0; usize::from(noise.u16() % 40)];
            noise.fill(&mut data);
            // Options that mostly hang together, so that the noise gets past the first check.
            if noise.u16().is_multiple_of(2) {
                data = encode_options(&[opt((noise.u16() % 10) as u8, &data)]);
            }
            let code = (noise.u16() % 16) as u8;
            bench.give(&packet(Protocol::from(protocol), code, (noise.u16() % 8) as u8, &data));
            let outputs = bench.outputs();
            assert!(outputs.len() <= 12, "{outputs:?}");
            for output in outputs {
                match output {
                    Output::Authenticate(_) => {
                        let verdict = Verdict::Accept {
                            user: String::new(),
                            authenticator_response: None,
                            address: None,
                            shared: None,
                        };
                        bench.link.authorise(verdict, &mut bench.rng, bench.now);
                    }
                    Output::NeedAddress { .. } => bench.link.assign(Some(THEIRS), bench.now),
                    _ => {}
                }
            }
            let pause = Duration::from_millis(u64::from(noise.u16() % 500));
            assert!(bench.wait(pause).len() <= 40);
        }
        let outputs = bench.wait(seconds(1000));
        assert!(
            outputs.len() <= 100 && bench.link.poll_timeout().is_none() == bench.link.is_finished()
                || bench.link.is_up()
        );
    }
}

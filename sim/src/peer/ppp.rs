//! The client's side of PPP: LCP, authentication in whatever way is asked, IPCP.

use super::{Alphabet, Peer, Stage};
use core::net::Ipv4Addr;
use core::time::Duration;
use engine::time::{Instant, earliest};
use std::collections::VecDeque;
use wire::ppp::{ChapValue, Code, Opt, Packet, PapRequest, Protocol, decode_options, encode_frame, encode_options};

const PAUSE: Duration = Duration::from_secs(3);
/// Answers that it remembers.
const MOST_ANSWERS: usize = 10;

/// The peer's challenge and the server's (RFC 2759 §8.1).
type Challenges = ([u8; 16], [u8; 16]);

/// One control protocol: what was asked and what was agreed.
#[derive(Default)]
struct Side {
    id: u8,
    ours: Vec<Opt>,
    acked: bool,
    acking: bool,
}

/// A protocol beside IPCP.
struct Other {
    protocol: Protocol,
    side: Side,
    left: u32,
    over: bool,
}

/// The client's PPP.
pub(super) struct Client {
    lcp: Side,
    ipcp: Side,
    others: Vec<Other>,
    /// The number of the last packet, where one counter serves all protocols.
    counter: u8,
    auth: Option<(u16, u8)>,
    authenticated: bool,
    address: Option<Ipv4Addr>,
    dns: Vec<Ipv4Addr>,
    due: Option<Instant>,
    /// Before its own first request it hears nothing.
    deaf: bool,
    tries: u32,
    pub(super) challenge: Option<Challenges>,
    /// The last answers by identifier, and what they were made of.
    answers: VecDeque<(u8, Challenges)>,
    echo_id: u8,
    echo_due: Option<Instant>,
    echoes_missed: u32,
    /// Another try with the DHCPINFORM.
    inform: Option<(Instant, u32)>,
}

impl Client {
    pub(super) fn due(&self) -> Option<Instant> {
        earliest(earliest(self.due, self.echo_due), self.inform.map(|i| i.0))
    }

    /// One that has come as far as this one, with nothing under way.
    pub(super) fn same_method(&self) -> Self {
        Self {
            lcp: Side { acked: true, acking: true, ..Side::default() },
            ipcp: Side::default(),
            auth: self.auth,
            authenticated: true,
            address: self.address,
            dns: vec![],
            due: None,
            tries: 0,
            challenge: None,
            answers: VecDeque::new(),
            echo_id: 0,
            others: vec![],
            counter: self.counter,
            deaf: false,
            echo_due: None,
            echoes_missed: 0,
            inform: None,
        }
    }

    /// Nothing is sent by itself any more.
    pub(super) fn stop(&mut self) {
        self.due = None;
        self.echo_due = None;
        self.inform = None;
    }

    pub(super) fn address(&self) -> Option<Ipv4Addr> {
        self.address
    }
    pub(super) fn dns(&self) -> Vec<Ipv4Addr> {
        self.dns.clone()
    }

    /// The number of the next request of a protocol that has had this one.
    fn next_id(&mut self, last: u8, one_counter: bool) -> u8 {
        self.counter = self.counter.wrapping_add(1);
        if one_counter { self.counter } else { last.wrapping_add(1) }
    }
}

fn option(kind: u8, data: &[u8]) -> Opt {
    Opt { kind, data: data.to_vec() }
}

fn address_of(o: &Opt) -> Option<Ipv4Addr> {
    <[u8; 4]>::try_from(o.data.as_slice()).ok().map(Ipv4Addr::from)
}

/// A number of Windows behind its magic number in a Terminate-Request.
const WINDOWS_ERROR: [u8; 4] = [0, 0x3c, 0xcd, 0x74];

impl Peer {
    pub(super) fn begin_ppp(&mut self) {
        self.stage = Stage::Ppp;
        let magic = self.rng.array::<4>();
        let plain: Vec<Opt> =
            self.manner.mru.iter().map(|m| option(1, &m.to_be_bytes())).chain([option(5, &magic)]).collect();
        let mut ours = self.manner.lcp.clone().unwrap_or(plain);
        for o in ours.iter_mut().filter(|o| o.kind == 5) {
            o.data = magic.to_vec();
        }
        let delay = self.manner.lcp_delay;
        self.ppp = Some(Client {
            lcp: Side { id: 1, ours, ..Side::default() },
            ipcp: Side::default(),
            others: vec![],
            counter: 1,
            auth: None,
            authenticated: false,
            address: None,
            dns: vec![],
            due: Some(self.now.after(delay)),
            deaf: !delay.is_zero(),
            tries: 0,
            challenge: None,
            answers: VecDeque::new(),
            echo_id: 0,
            echo_due: None,
            echoes_missed: 0,
            inform: None,
        });
        if delay.is_zero() {
            self.send_request(Protocol::Lcp);
        }
    }

    /// The magic number that is agreed on, or none.
    fn magic(&self) -> Vec<u8> {
        let agreed = self.ppp.as_ref().and_then(|p| p.lcp.ours.iter().find(|o| o.kind == 5));
        agreed.map_or_else(|| vec![0; 4], |o| o.data.clone())
    }

    fn send_ppp(&mut self, protocol: Protocol, packet: &[u8]) {
        let frame = encode_frame(protocol, packet);
        self.send_data(&frame);
    }

    fn send_request(&mut self, protocol: Protocol) {
        let now = self.now;
        let Some(ppp) = &mut self.ppp else { return };
        let side = if protocol == Protocol::Lcp { &ppp.lcp } else { &ppp.ipcp };
        let packet = Packet::encode(Code::ConfigureRequest, side.id, &encode_options(&side.ours));
        ppp.due = Some(now.after(PAUSE));
        let words = super::words::ppp(protocol, &packet);
        self.say(format!("-> {words}"));
        self.send_ppp(protocol, &packet);
    }

    pub(super) fn on_ppp(&mut self, protocol: Protocol, payload: &[u8]) {
        let Some(ppp) = &self.ppp else { return };
        if ppp.deaf {
            self.say(format!("<- {protocol:?}, overlooked"));
            return;
        }
        let Ok(packet) = Packet::decode(payload) else { return };
        let (code, id, data) = (packet.code, packet.id, packet.data.to_vec());
        match protocol {
            // Before it is let in, a client drops IPCP (RFC 1661 §3.4).
            Protocol::Ipcp if self.ppp.as_ref().is_some_and(|p| p.ipcp.id == 0) => {}
            Protocol::Lcp | Protocol::Ipcp => self.on_control(protocol, code, id, &data),
            Protocol::Chap => self.on_chap(u8::from(code), id, &data),
            Protocol::Pap => self.on_pap(u8::from(code)),
            other => self.on_other(other, code, id, &data, payload),
        }
    }

    /// A packet of another protocol: one that the client speaks, or it is rejected once it may be.
    fn on_other(&mut self, protocol: Protocol, code: Code, id: u8, data: &[u8], payload: &[u8]) {
        let speaks = self.manner.others.iter().any(|(spoken, _)| *spoken == protocol);
        self.say(format!("<- {}", super::words::ppp(protocol, payload)));
        if !speaks {
            let opened = self.ppp.as_ref().is_some_and(|p| p.authenticated);
            if opened && code == Code::ConfigureRequest {
                let number = u16::from(protocol).to_be_bytes();
                let body = [&number[..], payload].concat();
                self.send_ppp(Protocol::Lcp, &Packet::encode(Code::ProtocolReject, 200, &body));
            }
            return;
        }
        match code {
            Code::ConfigureRequest => self.send_ppp(protocol, &Packet::encode(Code::ConfigureAck, id, data)),
            Code::TerminateRequest => self.send_ppp(protocol, &Packet::encode(Code::TerminateAck, id, &[])),
            _ => {}
        }
        let options = decode_options(data).unwrap_or_default();
        let Some(other) = ppp_other(&mut self.ppp, protocol).filter(|o| o.side.id == id) else {
            return;
        };
        match code {
            Code::ConfigureAck => other.side.acked = true,
            Code::ConfigureNak => {
                for o in &mut other.side.ours {
                    if let Some(better) = options.iter().find(|n| n.kind == o.kind) {
                        o.data.clone_from(&better.data);
                    }
                }
                self.request_other(protocol);
            }
            Code::ConfigureReject => {
                other.side.ours.retain(|o| !options.iter().any(|r| r.kind == o.kind));
                if other.side.ours.is_empty() {
                    // Windows: nothing that both could do, error 732.
                    other.over = true;
                    let body = [&self.magic()[..], &WINDOWS_ERROR, &732u32.to_be_bytes()].concat();
                    self.send_ppp(protocol, &Packet::encode(Code::TerminateRequest, id.wrapping_add(1), &body));
                } else {
                    self.request_other(protocol);
                }
            }
            _ => {}
        }
    }

    /// Sends the request of a protocol beside IPCP under a new number.
    fn request_other(&mut self, protocol: Protocol) {
        let one_counter = self.manner.one_counter;
        let Some(ppp) = &mut self.ppp else { return };
        let last = ppp.others.iter().find(|o| o.protocol == protocol).map_or(0, |o| o.side.id);
        let id = ppp.next_id(last, one_counter);
        let Some(other) = ppp.others.iter_mut().find(|o| o.protocol == protocol) else { return };
        other.side.id = id;
        let packet = Packet::encode(Code::ConfigureRequest, id, &encode_options(&other.side.ours));
        self.say(format!("-> {}", super::words::ppp(protocol, &packet)));
        self.send_ppp(protocol, &packet);
    }

    fn on_control(&mut self, protocol: Protocol, code: Code, id: u8, data: &[u8]) {
        match code {
            Code::EchoRequest => {
                self.send_ppp(protocol, &Packet::encode(Code::EchoReply, id, data));
                return;
            }
            Code::EchoReply => {
                if let Some(ppp) = &mut self.ppp {
                    ppp.echoes_missed = 0;
                }
                return;
            }
            Code::ProtocolReject => {
                let number = data.get(..2).and_then(|d| d.try_into().ok()).map_or(0, u16::from_be_bytes);
                let rejected = Protocol::from(number);
                self.say(format!("<- {rejected:?} is rejected"));
                if let Some(other) = ppp_other(&mut self.ppp, rejected) {
                    other.over = true;
                }
                return;
            }
            Code::TerminateRequest => {
                self.say(format!("<- {protocol:?} Terminate-Request"));
                self.send_ppp(protocol, &Packet::encode(Code::TerminateAck, id, &[]));
                self.end("the server terminated PPP");
                return;
            }
            _ => {}
        }
        self.say(format!("<- {}", super::words::ppp(protocol, &Packet::encode(code, id, data))));
        match code {
            Code::ConfigureRequest => self.on_configure_request(protocol, id, data),
            Code::ConfigureAck | Code::ConfigureNak | Code::ConfigureReject => {
                self.on_configure_answer(protocol, code, id, data);
            }
            _ => {}
        }
    }

    fn on_configure_request(&mut self, protocol: Protocol, id: u8, data: &[u8]) {
        let Ok(options) = decode_options(data) else { return };
        let Some(ppp) = &mut self.ppp else { return };
        if protocol == Protocol::Lcp {
            let asked = options.iter().find(|o| o.kind == 3).and_then(|o| {
                let (head, tail) = o.data.split_at_checked(2)?;
                Some((u16::from_be_bytes(head.try_into().ok()?), tail.first().copied().unwrap_or(0)))
            });
            if let (Some(asked), Some(best)) =
                (asked.filter(|m| !self.manner.methods.contains(m)), self.manner.methods.first())
            {
                let algorithm = (best.0 == 0xc223).then_some(best.1);
                let better = [&best.0.to_be_bytes()[..], algorithm.as_slice()].concat();
                self.say(format!("-> another method than {asked:04x?}"));
                let body = encode_options(&[option(3, &better)]);
                self.send_ppp(protocol, &Packet::encode(Code::ConfigureNak, id, &body));
                return;
            }
            ppp.auth = asked;
            ppp.lcp.acking = true;
        } else {
            // No client takes name servers or header compression from the server's own request.
            let strange: Vec<Opt> = options.iter().filter(|o| o.kind != 3).cloned().collect();
            if !strange.is_empty() {
                self.send_ppp(protocol, &Packet::encode(Code::ConfigureReject, id, &encode_options(&strange)));
                return;
            }
            ppp.ipcp.acking = true;
        }
        self.send_ppp(protocol, &Packet::encode(Code::ConfigureAck, id, data));
        self.advance();
    }

    fn on_configure_answer(&mut self, protocol: Protocol, code: Code, id: u8, data: &[u8]) {
        let Ok(options) = decode_options(data) else { return };
        let Some(ppp) = &mut self.ppp else { return };
        let side = if protocol == Protocol::Lcp { &mut ppp.lcp } else { &mut ppp.ipcp };
        if id != side.id {
            return;
        }
        if protocol == Protocol::Ipcp && code == Code::ConfigureReject && options.iter().any(|o| o.kind == 3) {
            self.end("no address: IPCP was refused");
            return;
        }
        match code {
            Code::ConfigureAck => side.acked = true,
            Code::ConfigureReject => side.ours.retain(|o| !options.iter().any(|r| r.kind == o.kind)),
            _ => {
                for o in &mut side.ours {
                    if let Some(better) = options.iter().find(|n| n.kind == o.kind) {
                        o.data.clone_from(&better.data);
                    }
                }
            }
        }
        if code != Code::ConfigureAck {
            let last = side.id;
            let id = ppp.next_id(last, self.manner.one_counter);
            let side = if protocol == Protocol::Lcp { &mut ppp.lcp } else { &mut ppp.ipcp };
            side.id = id;
            self.send_request(protocol);
            return;
        }
        if protocol == Protocol::Ipcp {
            ppp.address = ppp.ipcp.ours.iter().find(|o| o.kind == 3).and_then(address_of);
            ppp.dns = ppp.ipcp.ours.iter().filter(|o| matches!(o.kind, 129 | 131)).filter_map(address_of).collect();
        }
        self.advance();
    }

    /// Goes on to the next phase when the one before is agreed on.
    fn advance(&mut self) {
        let Some(ppp) = &mut self.ppp else { return };
        if ppp.lcp.acked && ppp.lcp.acking && ppp.ipcp.id == 0 {
            self.lcp_is_open();
            let Some(ppp) = &mut self.ppp else { return };
            match ppp.auth {
                Some((0xc023, _)) if !ppp.authenticated => self.send_pap(),
                Some(_) if !ppp.authenticated => ppp.due = None,
                _ => self.begin_ipcp(),
            }
            return;
        }
        if ppp.ipcp.acked && ppp.ipcp.acking && self.stage == Stage::Ppp {
            ppp.due = None;
            let line = format!("up: {} DNS {:?}", ppp.address.unwrap_or(Ipv4Addr::UNSPECIFIED), ppp.dns);
            self.say(line);
            self.stage = Stage::Up;
            self.inform(5);
            self.due_for_others();
        }
    }

    /// What a client says of itself as soon as LCP is open; once.
    fn lcp_is_open(&mut self) {
        let now = self.now;
        let Some(ppp) = self.ppp.as_mut().filter(|p| !p.authenticated && p.challenge.is_none() && p.echo_due.is_none())
        else {
            return;
        };
        let mut words: Vec<Vec<u8>> = vec![];
        if self.manner.identifies && ppp.echo_id == 0 {
            ppp.echo_id = 1;
            words = ["MSRASV5.20", "MSRAS-0-HOSTNAME"].map(|w| w.as_bytes().to_vec()).to_vec();
            words.push(self.rng.bytes(16));
        }
        if self.manner.echoes_once && ppp.echo_id == 0 {
            self.echo(now);
        }
        if let (Some((every, _)), Some(ppp)) = (self.manner.echoes, &mut self.ppp) {
            ppp.echo_due = Some(now.after(every));
        }
        for (id, word) in (2..).zip(words) {
            let body = [&self.magic()[..], &word].concat();
            self.send_ppp(Protocol::Lcp, &Packet::encode(Code::Identification, id, &body));
        }
    }

    fn begin_ipcp(&mut self) {
        let one_counter = self.manner.one_counter;
        let Some(ppp) = &mut self.ppp else { return };
        ppp.others = self
            .manner
            .others
            .iter()
            .map(|(protocol, options)| Other {
                protocol: *protocol,
                side: Side { ours: options.clone(), ..Side::default() },
                left: 10,
                over: false,
            })
            .collect();
        let protocols: Vec<Protocol> = ppp.others.iter().map(|o| o.protocol).collect();
        for protocol in protocols {
            self.request_other(protocol);
        }
        let Some(ppp) = &mut self.ppp else { return };
        ppp.ipcp.id = ppp.next_id(0, one_counter);
        ppp.ipcp.ours.clone_from(&self.manner.ipcp);
        self.send_request(Protocol::Ipcp);
    }

    /// While another protocol is not through, its request is sent every three seconds, ten times.
    fn due_for_others(&mut self) {
        let Some(ppp) = &mut self.ppp else { return };
        if ppp.others.iter().any(|o| !o.over && !o.side.acked && o.left > 0) {
            ppp.due = Some(self.now.after(PAUSE));
        }
    }

    /// A DHCPINFORM, and so many more if no answer comes.
    fn inform(&mut self, left: u32) {
        let now = self.now;
        let Some(mut packet) = self.manner.inform.clone() else { return };
        let Some(ppp) = &mut self.ppp else { return };
        ppp.inform = (left > 1).then(|| (now.after(PAUSE), left - 1));
        let Some(address) = ppp.address else { return };
        packet[12..16].copy_from_slice(&address.octets());
        packet[10..12].copy_from_slice(&[0, 0]);
        let sum = wire::ip::checksum(&packet[..20]);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
        // UDP without a checksum, as Apple sends it.
        packet[26..28].copy_from_slice(&[0, 0]);
        packet[40..44].copy_from_slice(&address.octets());
        self.say("-> DHCPINFORM");
        self.send_ppp(Protocol::Ipv4, &packet);
    }

    /// A DHCP message of the server.
    pub(super) fn on_dhcp(&mut self, packet: &[u8]) {
        if let Some((_, (_, 68), payload)) = crate::packet::read_udp(packet) {
            self.say("<- DHCP");
            self.informed.push(payload.to_vec());
            if let Some(ppp) = &mut self.ppp {
                ppp.inform = None;
            }
        }
    }

    /// The password as octets, for PAP and CHAP.
    fn password_octets(&self) -> Vec<u8> {
        let password = &self.manner.password;
        match self.manner.alphabet {
            Alphabet::Unicode | Alphabet::Widened => password.clone().into_bytes(),
            Alphabet::Latin1 => password.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect(),
        }
    }

    /// The password as MS-CHAP hashes it: a text whose characters are what becomes of it.
    pub(super) fn password_text(&self) -> String {
        match self.manner.alphabet {
            Alphabet::Unicode => self.manner.password.clone(),
            Alphabet::Latin1 | Alphabet::Widened => self.password_octets().into_iter().map(char::from).collect(),
        }
    }

    /// The name as it is sent.
    fn full_name(&self) -> Vec<u8> {
        let domain = self.manner.domain.iter().map(|d| format!("{d}\\"));
        domain.chain([self.manner.user.clone()]).collect::<String>().into_bytes()
    }

    fn send_pap(&mut self) {
        let request = PapRequest { name: self.full_name(), password: self.password_octets() };
        self.say("-> PAP");
        let packet = Packet::encode(Code::from(1), 1, &request.encode());
        let now = self.now;
        if let Some(ppp) = &mut self.ppp {
            ppp.due = Some(now.after(PAUSE));
        }
        self.send_ppp(Protocol::Pap, &packet);
    }

    fn on_pap(&mut self, code: u8) {
        self.on_verdict(code == 2);
    }

    fn on_verdict(&mut self, good: bool) {
        let Some(ppp) = &mut self.ppp else { return };
        if !good {
            self.end("authentication failed");
            return;
        }
        if !ppp.authenticated {
            ppp.authenticated = true;
            self.say("<- authenticated");
            self.advance();
        }
    }

    fn on_chap(&mut self, code: u8, id: u8, data: &[u8]) {
        match code {
            1 => self.on_challenge(id, data),
            3 => {
                if !self.proves_itself(id, data) {
                    self.end("the server did not prove that it knows the password");
                    return;
                }
                self.on_verdict(true);
            }
            4 => {
                // Its user does not try again, though it might: it hangs up.
                if data.windows(3).any(|w| w == b"R=1") {
                    self.send_ppp(Protocol::Lcp, &Packet::encode(Code::TerminateRequest, 251, &[]));
                }
                self.on_verdict(false);
            }
            _ => {}
        }
    }

    /// MS-CHAPv2 is mutual: the server's proof must be right (RFC 2759 §8.7). It is held against the answer of its
    /// identifier, as pppd does, or against the last one.
    fn proves_itself(&self, id: u8, message: &[u8]) -> bool {
        let Some(ppp) = &self.ppp else { return false };
        let (Some((0xc223, 0x81)), Some(last)) = (ppp.auth, ppp.challenge) else {
            return true;
        };
        let of_id = ppp.answers.iter().rfind(|(answered, _)| *answered == id).map(|(_, made_of)| *made_of);
        let Some((peer, server)) = (if self.manner.answers_anew { Some(last) } else { of_id }) else { return false };
        let hash = crypto::chap::nt_password_hash(&self.password_text());
        let user = self.manner.user.as_bytes();
        let response = crypto::chap::mschapv2_nt_response(&server, &peer, user, &hash);
        let expected = crypto::chap::mschapv2_authenticator_response(&hash, &response, &peer, &server, user);
        message.starts_with(expected.as_bytes())
    }

    fn on_challenge(&mut self, id: u8, data: &[u8]) {
        let Ok(challenge) = ChapValue::decode(data) else { return };
        // pppd looks the secret up by the challenger's name.
        if challenge.name.is_empty() {
            self.say("<- CHAP challenge of nobody");
            return;
        }
        self.say("<- CHAP challenge");
        let user = self.manner.user.clone().into_bytes();
        let password = self.password_text();
        let algorithm = self.ppp.as_ref().and_then(|p| p.auth).map(|a| a.1);
        let value = match algorithm {
            Some(5) => crypto::chap::md5_response(id, &self.password_octets(), &challenge.value).to_vec(),
            Some(0x80) => {
                let Ok(c) = <[u8; 8]>::try_from(challenge.value.as_slice()) else {
                    return;
                };
                let hash = crypto::chap::nt_password_hash(&password);
                let response = crypto::chap::mschapv1_nt_response(&c, &hash);
                [&[0; 24][..], &response, &[1]].concat()
            }
            Some(0x81) => {
                let Ok(c) = <[u8; 16]>::try_from(challenge.value.as_slice()) else {
                    return;
                };
                // The same challenge again gets the same answer, or a repeated Success would not fit.
                let of_id = |p: &Client| p.answers.iter().rfind(|a| a.0 == id && a.1.1 == c).map(|a| a.1.0);
                let again = self.ppp.as_ref().and_then(of_id).filter(|_| !self.manner.answers_anew);
                let peer = again.unwrap_or_else(|| self.rng.array::<16>());
                let hash = crypto::chap::nt_password_hash(&password);
                let response = crypto::chap::mschapv2_nt_response(&c, &peer, &user, &hash);
                if let Some(ppp) = &mut self.ppp {
                    ppp.challenge = Some((peer, c));
                    ppp.answers.push_back((id, (peer, c)));
                    if ppp.answers.len() > MOST_ANSWERS {
                        ppp.answers.pop_front();
                    }
                }
                [&peer[..], &[0; 8], &response, &[0]].concat()
            }
            _ => return,
        };
        let body = ChapValue { value, name: self.full_name() }.encode();
        self.say("-> CHAP response");
        self.send_ppp(Protocol::Chap, &Packet::encode(Code::from(2), id, &body));
    }

    pub(super) fn ppp_timeout(&mut self) {
        let now = self.now;
        self.echo_timeout();
        let inform = self.ppp.as_mut().and_then(|p| p.inform.take_if(|(due, _)| now >= *due));
        if let Some((_, left)) = inform {
            self.inform(left);
        }
        let Some(ppp) = &mut self.ppp else { return };
        if ppp.due.is_none_or(|due| now < due) {
            return;
        }
        if self.stage == Stage::Up {
            self.others_once_more();
            return;
        }
        ppp.deaf = false;
        ppp.tries += 1;
        if ppp.tries > 20 {
            ppp.due = None;
            self.end("PPP was not answered");
            return;
        }
        if !(ppp.lcp.acked && ppp.lcp.acking) {
            self.send_request(Protocol::Lcp);
        } else if !ppp.authenticated && matches!(ppp.auth, Some((0xc023, _))) {
            self.send_pap();
        } else if ppp.ipcp.id != 0 {
            self.send_request(Protocol::Ipcp);
        } else {
            ppp.due = None;
        }
    }

    fn others_once_more(&mut self) {
        let Some(ppp) = &mut self.ppp else { return };
        ppp.due = None;
        let mut again = vec![];
        for other in ppp.others.iter_mut().filter(|o| !o.over && !o.side.acked && o.left > 0) {
            other.left -= 1;
            again.push(other.protocol);
        }
        for protocol in again {
            self.request_other(protocol);
        }
        self.due_for_others();
    }

    fn echo_timeout(&mut self) {
        let now = self.now;
        let Some((every, most)) = self.manner.echoes else { return };
        let Some(ppp) = self.ppp.as_mut().filter(|p| p.echo_due.is_some_and(|due| now >= due)) else { return };
        ppp.echo_due = Some(now.after(every));
        if ppp.echoes_missed >= most {
            self.say("its echoes are not answered");
            self.hang_up(now);
            return;
        }
        ppp.echoes_missed += 1;
        self.echo(now);
    }

    /// An LCP Echo-Request, without a magic number.
    pub fn echo(&mut self, now: Instant) {
        self.now = now;
        let Some(ppp) = &mut self.ppp else { return };
        ppp.echo_id = ppp.echo_id.wrapping_add(1);
        let id = ppp.echo_id;
        self.send_ppp(Protocol::Lcp, &Packet::encode(Code::EchoRequest, id, &[0; 4]));
    }

    pub(super) fn end_ppp(&mut self) {
        let mut data = self.manner.goodbye.clone();
        if data.get(4..8) == Some(&WINDOWS_ERROR) {
            data[..4].copy_from_slice(&self.magic());
        }
        if self.ppp.take().is_some() {
            self.send_ppp(Protocol::Lcp, &Packet::encode(Code::TerminateRequest, 250, &data));
        }
    }
}

/// A protocol beside IPCP that has been begun.
fn ppp_other(ppp: &mut Option<Client>, protocol: Protocol) -> Option<&mut Other> {
    ppp.as_mut()?.others.iter_mut().find(|o| o.protocol == protocol)
}

//! The client's side of PPP: LCP, authentication in whatever way is asked, IPCP.

use super::{Peer, Stage};
use core::net::Ipv4Addr;
use core::time::Duration;
use engine::time::Instant;
use wire::ppp::{ChapValue, Code, Opt, Packet, PapRequest, Protocol, decode_options, encode_frame, encode_options};

const PAUSE: Duration = Duration::from_secs(3);

/// One control protocol: what was asked and what was agreed.
#[derive(Default)]
struct Side {
    id: u8,
    ours: Vec<Opt>,
    acked: bool,
    acking: bool,
}

/// The client's PPP.
pub(super) struct Client {
    lcp: Side,
    ipcp: Side,
    auth: Option<(u16, u8)>,
    authenticated: bool,
    address: Option<Ipv4Addr>,
    dns: Vec<Ipv4Addr>,
    due: Option<Instant>,
    tries: u32,
    challenge: Option<([u8; 16], [u8; 16])>,
    echo_id: u8,
}

impl Client {
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
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
            echo_id: 0,
        }
    }

    /// Nothing is sent by itself any more.
    pub(super) fn stop(&mut self) {
        self.due = None;
    }

    pub(super) fn address(&self) -> Option<Ipv4Addr> {
        self.address
    }
    pub(super) fn dns(&self) -> Vec<Ipv4Addr> {
        self.dns.clone()
    }
}

fn option(kind: u8, data: &[u8]) -> Opt {
    Opt { kind, data: data.to_vec() }
}

fn address_of(o: &Opt) -> Option<Ipv4Addr> {
    <[u8; 4]>::try_from(o.data.as_slice()).ok().map(Ipv4Addr::from)
}

impl Peer {
    pub(super) fn begin_ppp(&mut self) {
        self.stage = Stage::Ppp;
        let mut ours = vec![];
        ours.extend(self.manner.mru.map(|m| option(1, &m.to_be_bytes())));
        ours.push(option(5, &self.rng.array::<4>()));
        self.ppp = Some(Client {
            lcp: Side { id: 1, ours, ..Side::default() },
            ipcp: Side::default(),
            auth: None,
            authenticated: false,
            address: None,
            dns: vec![],
            due: None,
            tries: 0,
            challenge: None,
            echo_id: 0,
        });
        self.send_request(Protocol::Lcp);
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
        if self.ppp.is_none() {
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
            other => self.say(format!("<- {other:?}")),
        }
    }

    fn on_control(&mut self, protocol: Protocol, code: Code, id: u8, data: &[u8]) {
        match code {
            Code::EchoRequest => {
                self.send_ppp(protocol, &Packet::encode(Code::EchoReply, id, data));
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
            ppp.auth = asked;
            ppp.lcp.acking = true;
        } else {
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
            side.id = side.id.wrapping_add(1);
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
        }
    }

    fn begin_ipcp(&mut self) {
        let Some(ppp) = &mut self.ppp else { return };
        ppp.ipcp.id = 1;
        ppp.ipcp.ours = vec![option(3, &[0; 4]), option(129, &[0; 4]), option(131, &[0; 4])];
        self.send_request(Protocol::Ipcp);
    }

    fn send_pap(&mut self) {
        let request = PapRequest {
            name: self.manner.user.clone().into_bytes(),
            password: self.manner.password.clone().into_bytes(),
        };
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
                if !self.proves_itself(data) {
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

    /// MS-CHAPv2 is mutual: the server's proof must be right (RFC 2759 §8.7).
    fn proves_itself(&self, message: &[u8]) -> bool {
        let Some(ppp) = &self.ppp else { return false };
        let (Some((0xc223, 0x81)), Some((peer, server))) = (ppp.auth, ppp.challenge) else {
            return true;
        };
        let hash = crypto::chap::nt_password_hash(&self.manner.password);
        let user = self.manner.user.as_bytes();
        let response = crypto::chap::mschapv2_nt_response(&server, &peer, user, &hash);
        let expected = crypto::chap::mschapv2_authenticator_response(&hash, &response, &peer, &server, user);
        message.starts_with(expected.as_bytes())
    }

    fn on_challenge(&mut self, id: u8, data: &[u8]) {
        let Ok(challenge) = ChapValue::decode(data) else { return };
        self.say("<- CHAP challenge");
        let user = self.manner.user.clone().into_bytes();
        let password = self.manner.password.clone();
        let algorithm = self.ppp.as_ref().and_then(|p| p.auth).map(|a| a.1);
        let value = match algorithm {
            Some(5) => crypto::chap::md5_response(id, password.as_bytes(), &challenge.value).to_vec(),
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
                let again = self.ppp.as_ref().and_then(|p| p.challenge).filter(|(_, server)| *server == c);
                let peer = again.map_or_else(|| self.rng.array::<16>(), |a| a.0);
                let hash = crypto::chap::nt_password_hash(&password);
                let response = crypto::chap::mschapv2_nt_response(&c, &peer, &user, &hash);
                if let Some(ppp) = &mut self.ppp {
                    ppp.challenge = Some((peer, c));
                }
                [&peer[..], &[0; 8], &response, &[0]].concat()
            }
            _ => return,
        };
        let body = ChapValue { value, name: user }.encode();
        self.say("-> CHAP response");
        self.send_ppp(Protocol::Chap, &Packet::encode(Code::from(2), id, &body));
    }

    pub(super) fn ppp_timeout(&mut self) {
        let now = self.now;
        let Some(ppp) = &mut self.ppp else { return };
        if ppp.due.is_none_or(|due| now < due) {
            return;
        }
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

    /// An LCP Echo-Request.
    pub fn echo(&mut self, now: Instant) {
        self.now = now;
        let Some(ppp) = &mut self.ppp else { return };
        ppp.echo_id = ppp.echo_id.wrapping_add(1);
        let id = ppp.echo_id;
        self.send_ppp(Protocol::Lcp, &Packet::encode(Code::EchoRequest, id, &[0; 4]));
    }

    pub(super) fn end_ppp(&mut self) {
        if self.ppp.take().is_some() {
            self.send_ppp(Protocol::Lcp, &Packet::encode(Code::TerminateRequest, 250, b"User request"));
        }
    }
}

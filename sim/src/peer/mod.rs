//! A simulated L2TP/IPsec client, written on `wire` and `crypto` alone, so that it cannot be wrong in the engine's way.

mod esp;
mod ike;
mod inside;
mod l2tp;
pub mod legacy;
mod lines;
mod manner;
pub mod manners;
mod ppp;
mod words;

pub use manner::{Alphabet, Manner, Phase1Offer, Phase2Offer, Schedule};

use crate::rng::Rng;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;
use engine::time::{Instant, earliest};
use std::collections::VecDeque;

/// What carries a packet in the outer network.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Carrier {
    /// A UDP datagram.
    Udp,
    /// IP protocol 50; ports do not matter.
    Esp,
}

/// A packet of the outer network.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outer {
    /// What carries it.
    pub carrier: Carrier,
    /// Where it comes from.
    pub from: SocketAddr,
    /// Where it goes.
    pub to: SocketAddr,
    /// What it carries.
    pub bytes: Vec<u8>,
}

impl Outer {
    /// Whether it is an ISAKMP message.
    pub fn is_isakmp(&self) -> bool {
        self.carrier == Carrier::Udp
            && (self.to.port() == 500
                || self.from.port() == 500
                || matches!(wire::esp::classify(&self.bytes), wire::esp::Encapsulated::Isakmp(_)))
    }

    /// Whether it is ESP, in UDP or not.
    pub fn is_esp(&self) -> bool {
        self.carrier == Carrier::Esp
            || (!self.is_isakmp() && matches!(wire::esp::classify(&self.bytes), wire::esp::Encapsulated::Esp))
    }
}

/// Where a tampering client changes what it sends: before encryption, and before what authenticates it is computed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Layer {
    /// A whole ISAKMP message as it leaves.
    Isakmp,
    /// The payloads of an ISAKMP message that a hash then covers.
    Payloads,
    /// The UDP datagram inside ESP.
    Datagram,
    /// An L2TP message, control or data.
    L2tp,
    /// A PPP frame.
    Frame,
}

/// Changes octets on their way out.
pub type Tamper = Box<dyn FnMut(Layer, &mut Vec<u8>) + Send>;

/// Where a client stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Stage {
    /// Nothing has been started.
    Idle,
    /// Main Mode runs.
    Phase1,
    /// Quick Mode runs.
    Phase2,
    /// L2TP is set up.
    L2tp,
    /// PPP is negotiated.
    Ppp,
    /// IP flows.
    Up,
    /// It ended, and why.
    Ended(String),
}

/// A message that is repeated until something stops it.
struct Repeat {
    due: Instant,
    left: &'static [u16],
}

impl Repeat {
    fn new(now: Instant, schedule: Schedule) -> Self {
        let mut this = Self { due: now, left: schedule };
        this.next();
        this
    }

    /// Sets the next moment; `None` if there is none.
    fn next(&mut self) -> Option<()> {
        let (pause, left) = self.left.split_first()?;
        self.left = left;
        self.due = self.due.after(Duration::from_secs(u64::from(*pause)));
        Some(())
    }

    /// Whether to send again; `None` when the tries are used up.
    fn fire(&mut self, now: Instant) -> Option<bool> {
        if now < self.due {
            return Some(false);
        }
        self.due = now;
        self.next().map(|()| true)
    }
}

/// One client.
pub struct Peer {
    manner: Manner,
    rng: Rng,
    address: IpAddr,
    server: IpAddr,
    stage: Stage,
    ike: ike::Ike,
    esp: esp::Esp,
    l2tp: Option<l2tp::Lac>,
    lines: lines::Lines,
    ppp: Option<ppp::Client>,
    out: VecDeque<Outer>,
    inner: VecDeque<Vec<u8>>,
    /// The decrypted conversation, one line a message.
    dialogue: Vec<(Instant, String)>,
    now: Instant,
    keepalive: Option<Instant>,
    tamper: Option<Tamper>,
    /// When its patience ends: for the first answer, and for all.
    patience: (Option<Instant>, Option<Instant>),
    /// Tunnels that it has begun.
    tunnels: u16,
    /// DHCP messages of the server.
    informed: Vec<Vec<u8>>,
}

impl Peer {
    /// A client at `address` that dials `server`.
    pub fn new(manner: Manner, address: IpAddr, server: IpAddr, seed: u64) -> Self {
        Self {
            rng: Rng::new(seed),
            ike: ike::Ike::default(),
            esp: esp::Esp::new(seed),
            manner,
            address,
            server,
            stage: Stage::Idle,
            l2tp: None,
            lines: lines::Lines::default(),
            ppp: None,
            out: VecDeque::new(),
            inner: VecDeque::new(),
            dialogue: vec![],
            now: Instant(0),
            keepalive: None,
            tamper: None,
            patience: (None, None),
            tunnels: 0,
            informed: vec![],
        }
    }

    /// From here on, everything that it sends goes through `tamper` first.
    pub fn set_tamper(&mut self, tamper: Option<Tamper>) {
        self.tamper = tamper;
    }

    /// Whether what it sends is changed.
    pub fn is_tampering(&self) -> bool {
        self.tamper.is_some()
    }

    fn tampered(&mut self, layer: Layer, mut octets: Vec<u8>) -> Vec<u8> {
        if let Some(tamper) = &mut self.tamper {
            tamper(layer, &mut octets);
        }
        octets
    }

    /// How it behaves.
    pub fn manner_mut(&mut self) -> &mut Manner {
        &mut self.manner
    }

    /// Begins to connect.
    pub fn dial(&mut self, now: Instant) {
        self.now = now;
        self.stage = Stage::Phase1;
        let (first, whole) = self.manner.patience;
        self.patience = (first.map(|d| now.after(d)), whole.map(|d| now.after(d)));
        self.ike.contacted = false;
        self.begin_main_mode();
    }

    /// The DHCP messages that the server sent it.
    pub fn informed(&self) -> &[Vec<u8>] {
        &self.informed
    }

    /// It is in another network all of a sudden: its SAs are dropped without a Delete, and three seconds later it makes
    /// new ones under the same L2TP tunnel (Apple).
    pub fn change_network(&mut self, address: IpAddr, now: Instant) {
        self.now = now;
        self.say(format!("changes to the network of {address}"));
        self.address = address;
        self.esp.clear();
        self.keepalive = None;
        let contacted = self.ike.contacted;
        self.ike = ike::Ike::default();
        self.ike.contacted = contacted;
        self.ike.begin_at(now.after(Duration::from_secs(3)));
    }

    /// Where it stands.
    pub fn stage(&self) -> &Stage {
        &self.stage
    }

    /// Whether IP flows.
    pub fn is_up(&self) -> bool {
        self.stage == Stage::Up
    }

    /// The inside address that the server gave it.
    pub fn inside(&self) -> Option<Ipv4Addr> {
        self.ppp.as_ref().and_then(|p| p.address())
    }

    /// The DNS servers that the server gave it.
    pub fn dns(&self) -> Vec<Ipv4Addr> {
        self.ppp.as_ref().map(|p| p.dns()).unwrap_or_default()
    }

    /// Its own outer address.
    pub fn outer(&self) -> IpAddr {
        self.address
    }

    /// It gets another outer address, as a phone that leaves the house.
    pub fn move_to(&mut self, address: IpAddr) {
        self.address = address;
    }

    /// The decrypted conversation.
    pub fn dialogue(&self) -> &[(Instant, String)] {
        &self.dialogue
    }

    /// How many pairs of ESP SAs it holds.
    pub fn pairs(&self) -> usize {
        self.esp.pairs()
    }

    /// Packets that came twice or too late, or were no good.
    pub fn rejected(&self) -> u64 {
        self.esp.rejected
    }

    /// Its outbound SPI and the sequence number that it used last.
    pub fn outbound(&self) -> Option<(u32, u32)> {
        self.esp.outbound()
    }

    fn say(&mut self, line: impl Into<String>) {
        self.dialogue.push((self.now, line.into()));
    }

    fn end(&mut self, why: &str) {
        if !matches!(self.stage, Stage::Ended(_)) {
            self.say(format!("ended: {why}"));
            self.stage = Stage::Ended(why.to_owned());
            self.keepalive = None;
            self.patience = (None, None);
            self.ike.stop();
            if let Some(l2tp) = &mut self.l2tp {
                l2tp.stop();
            }
            if let Some(ppp) = &mut self.ppp {
                ppp.stop();
            }
        }
    }

    /// The server is not there: everything is forgotten without a word.
    fn give_up(&mut self, why: &str) {
        self.esp.clear();
        self.l2tp = None;
        self.end(why);
    }

    /// The next packet for the outer network.
    pub fn poll_transmit(&mut self) -> Option<Outer> {
        self.out.pop_front()
    }

    /// The next IP packet out of the tunnel.
    pub fn poll_inner(&mut self) -> Option<Vec<u8>> {
        self.inner.pop_front()
    }

    /// Sends an IP packet through the tunnel.
    pub fn send_ip(&mut self, packet: &[u8], now: Instant) {
        self.now = now;
        let frame = wire::ppp::encode_frame(wire::ppp::Protocol::Ipv4, packet);
        self.send_data(&frame);
    }

    /// Sends a PPP frame through the session, whatever it is.
    pub fn send_frame(&mut self, frame: &[u8], now: Instant) {
        self.now = now;
        self.send_data(frame);
    }

    fn send_data(&mut self, frame: &[u8]) {
        let frame = &self.tampered(Layer::Frame, frame.to_vec());
        let Some((tunnel, session)) = self.l2tp.as_ref().and_then(|l| l.data_ids()) else {
            return;
        };
        let header = wire::l2tp::Header {
            control: false,
            length: self.manner.length_bit.then_some(0),
            tunnel_id: tunnel,
            session_id: session,
            ns: None,
            nr: None,
            offset: None,
            priority: false,
        };
        let bytes = header.encode(frame);
        self.send_l2tp(&bytes);
    }

    /// Sends an L2TP message in UDP in ESP.
    fn send_l2tp(&mut self, message: &[u8]) {
        let message = &self.tampered(Layer::L2tp, message.to_vec());
        let mut udp = Vec::with_capacity(message.len() + 8);
        udp.extend_from_slice(&self.manner.l2tp_port.to_be_bytes());
        udp.extend_from_slice(&1701u16.to_be_bytes());
        udp.extend_from_slice(&u16::try_from(message.len() + 8).unwrap_or(u16::MAX).to_be_bytes());
        // A checksum over addresses that a NAT has since changed: the server must not mind.
        udp.extend_from_slice(&[0xbe, 0xef]);
        udp.extend_from_slice(message);
        let udp = self.tampered(Layer::Datagram, udp);
        let Some((bytes, udp_encapsulated)) = self.esp.seal(&udp) else {
            return;
        };
        let (carrier, port) = if udp_encapsulated { (Carrier::Udp, 4500) } else { (Carrier::Esp, 0) };
        self.transmit(carrier, port, bytes);
        self.renew_what_is_used_up();
    }

    fn transmit(&mut self, carrier: Carrier, port: u16, bytes: Vec<u8>) {
        let from = SocketAddr::new(self.address, port);
        let to = SocketAddr::new(self.server, port);
        self.out.push_back(Outer { carrier, from, to, bytes });
    }

    /// Takes a packet of the outer network.
    pub fn handle_packet(&mut self, packet: &Outer, now: Instant) {
        self.now = now;
        self.patience.0 = None;
        match (packet.carrier, packet.to.port()) {
            (Carrier::Udp, 4500) => match wire::esp::classify(&packet.bytes) {
                wire::esp::Encapsulated::Isakmp(message) => {
                    let message = message.to_vec();
                    self.on_isakmp(&message, 4500);
                }
                wire::esp::Encapsulated::Esp => self.on_esp(&packet.bytes),
                wire::esp::Encapsulated::Keepalive | wire::esp::Encapsulated::Junk => {}
            },
            (Carrier::Udp, port) => self.on_isakmp(&packet.bytes, port),
            (Carrier::Esp, _) => self.on_esp(&packet.bytes),
        }
    }

    fn on_esp(&mut self, bytes: &[u8]) {
        let Some(udp) = self.esp.open(bytes) else { return };
        self.renew_what_is_used_up();
        let (Some(ports), Some(message)) = (udp.get(..4), udp.get(8..)) else {
            return;
        };
        if ports != [&1701u16.to_be_bytes()[..], &self.manner.l2tp_port.to_be_bytes()[..]].concat() {
            self.say("a datagram with wrong ports inside ESP");
            return;
        }
        // A checksum over addresses that a NAT has changed could not be right: none is wanted.
        if udp.get(6..8) != Some(&[0, 0]) {
            self.say("a datagram with a checksum inside ESP");
            return;
        }
        let message = message.to_vec();
        self.on_l2tp(&message);
    }

    /// A data frame of the session.
    fn on_frame(&mut self, frame: &[u8]) {
        let Ok((protocol, payload)) = wire::ppp::decode_frame(frame) else {
            return;
        };
        if protocol == wire::ppp::Protocol::Ipv4 {
            self.on_dhcp(payload);
            self.inner.push_back(payload.to_vec());
            return;
        }
        let payload = payload.to_vec();
        self.on_ppp(protocol, &payload);
    }

    /// The moment asked for has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        let impatient = self.patience.0.is_some_and(|due| now >= due)
            || self.patience.1.is_some_and(|due| now >= due && self.stage != Stage::Up);
        if impatient {
            self.patience = (None, None);
            self.give_up("its patience is over");
        }
        if self.stage == Stage::Up {
            self.patience = (None, None);
        }
        self.ike_timeout();
        self.l2tp_timeout();
        self.on_each_line(Self::ppp_timeout);
        if self.keepalive.is_some_and(|due| now >= due) {
            self.keepalive = Some(now.after(Duration::from_secs(20)));
            self.transmit(Carrier::Udp, 4500, vec![0xff]);
        }
    }

    /// When it wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let mut next = self.ike.due();
        next = earliest(next, self.l2tp.as_ref().and_then(l2tp::Lac::due));
        next = earliest(next, self.ppp.as_ref().and_then(ppp::Client::due));
        next = earliest(next, self.lines.due());
        next = earliest(next, earliest(self.patience.0, self.patience.1));
        earliest(next, self.keepalive)
    }

    /// Hangs up in good order: PPP, L2TP, then both kinds of SA.
    pub fn hang_up(&mut self, now: Instant) {
        self.now = now;
        self.stop_l2tp();
        if self.manner.deletes_at_end {
            self.delete_all();
        } else {
            self.esp.clear();
            self.ike = ike::Ike::default();
            self.keepalive = None;
        }
        self.end("hung up");
    }

    /// Hangs up the call alone and keeps the SAs.
    pub fn hang_up_call(&mut self, now: Instant) {
        self.now = now;
        self.stop_l2tp();
        self.l2tp = None;
        self.stage = Stage::L2tp;
    }

    /// Dials again over the SAs that are there.
    pub fn redial(&mut self, now: Instant) {
        self.now = now;
        self.ppp = None;
        self.begin_l2tp();
    }

    /// Whether it goes on sending on its oldest pair of SAs, though it has a newer one.
    pub fn stay_on_old(&mut self, stay: bool) {
        self.esp.stay_on_old(stay);
    }

    /// Deletes all pairs, the newest too: a client that breaks before it makes.
    pub fn delete_esp(&mut self, now: Instant) {
        self.now = now;
        let all = self.esp.forget_all();
        self.delete(wire::isakmp::Protocol::Esp, all.iter().map(|s| s.to_be_bytes().to_vec()).collect());
    }

    /// A Delete for these ESP SAs, whether it has them or not.
    pub fn delete_these(&mut self, spis: &[u32], now: Instant) {
        self.now = now;
        self.delete(wire::isakmp::Protocol::Esp, spis.iter().map(|s| s.to_be_bytes().to_vec()).collect());
    }

    /// The SPIs of the pairs that it holds, its inbound ones.
    pub fn inbound_spis(&self) -> Vec<u32> {
        self.esp.inbound_spis()
    }

    /// Deletes all pairs but the newest.
    pub fn delete_old_esp(&mut self, now: Instant) {
        self.now = now;
        let old = self.esp.forget_old();
        self.delete(wire::isakmp::Protocol::Esp, old.iter().map(|s| s.to_be_bytes().to_vec()).collect());
    }

    /// Starts a new phase 2.
    pub fn rekey_esp(&mut self, now: Instant) {
        self.now = now;
        self.renew_esp();
    }

    /// Makes everything under its tunnel anew, without a word about what was: a telephone that has changed its network
    /// (clients.md, trap 42).
    pub fn renew_all(&mut self, now: Instant) {
        self.now = now;
        self.esp.clear();
        self.ike.forget();
        self.begin_main_mode();
    }

    /// Pretends that another client's session is its own, by the ids that only they can know; with `user`, it answers
    /// challenges with that name and password.
    pub fn pretend(&mut self, other: &Self, user: Option<(&str, &str)>) {
        self.l2tp = other.l2tp.as_ref().map(l2tp::Lac::same_ids);
        self.ppp = other.ppp.as_ref().filter(|_| user.is_some()).map(ppp::Client::same_method);
        if let Some((name, password)) = user {
            self.manner.user = name.to_owned();
            self.manner.password = password.to_owned();
        }
    }

    /// Sends a HELLO of its tunnel.
    pub fn hello(&mut self, now: Instant) {
        self.now = now;
        self.send_hello();
    }

    /// Starts a new phase 1, and a phase 2 within it.
    pub fn rekey_ike(&mut self, now: Instant) {
        self.now = now;
        self.begin_main_mode();
    }
}

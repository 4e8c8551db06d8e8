//! One engine, one worker, a host behind them, and any number of clients: stepped by a virtual clock until quiet.

use crate::lan::DhcpServer;
use crate::net::{Faults, Nat};
use crate::packet;
use crate::peer::{Carrier, Manner, Outer, Peer};
use crate::rng::Rng;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::time::Duration;
use engine::event::Event;
use engine::ike::{Computed, Endpoint};
use engine::path::{self, Arrival, Departure, Encap, HEADROOM, TAILROOM, Update, Verdict, Worker};
use engine::status::Reply;
use engine::time::{Instant, earliest};
use engine::{Engine, HostChange, Input, Outbox, Output};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The server's outer address.
pub const SERVER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
/// The server's outer address of IPv6.
pub const SERVER6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
/// The host behind the server, which echoes UDP.
pub const HOST: Ipv4Addr = Ipv4Addr::new(192, 168, 100, 10);
/// The address that clients behind a NAT all have.
pub const HOME: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 2);
/// The port of the echo.
pub(crate) const ECHO: u16 = 7;
/// How long a Diffie-Hellman computation takes here.
const COMPUTING: Duration = Duration::from_millis(3);
/// Marks what must never be seen outside in the clear.
pub(crate) const MARK: &[u8] = b"plain as day";
/// What PPP says of the user of most scenes, which must not be seen there either.
const USER: &[u8] = b"vpnuser";
const PASSWORD: &[u8] = b"vpn-Passw0rd";

/// Which way a packet crosses the outer network.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Way {
    /// To the server.
    ToServer,
    /// To this client.
    ToClient(usize),
    /// From the server to an address where nobody is.
    ToNobody,
}

/// A packet that was seen on the outer network, as it looks there.
#[derive(Clone, Debug)]
pub struct Crossing {
    /// When it set out.
    pub at: Instant,
    /// Which way.
    pub way: Way,
    /// The packet.
    pub packet: Outer,
}

/// Says which packets are lost.
pub type Filter = Box<dyn FnMut(Way, &Outer) -> bool>;

/// Changes a packet on its way.
pub type Change = Box<dyn FnOnce(&mut Vec<u8>)>;

pub(crate) enum Delivery {
    Server(Outer),
    Peer(usize, Outer),
    Lan(Vec<u8>),
    Dhcp(Vec<u8>),
    Computed(Computed),
}

/// Where a client is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    Direct,
    Behind(usize),
    /// Switched off: nothing comes or goes.
    Gone,
}

/// Echoes that a client has asked for and got.
#[derive(Default, Debug, Clone)]
pub struct Echoes {
    pub(crate) next: u64,
    /// Numbers that came back.
    pub back: BTreeSet<u64>,
    /// When which was asked for.
    pub asked: BTreeMap<u64, Instant>,
    /// How long the slowest one that came back took.
    pub slowest: Duration,
}

/// The world.
pub struct World {
    pub(crate) now: Instant,
    pub(crate) rng: Rng,
    pub(crate) seed: u64,
    pub(crate) config: command::Config,
    /// The heart.
    pub engine: Engine,
    pub(crate) worker: Worker,
    /// All clients, by their number.
    pub peers: Vec<Peer>,
    pub(crate) places: Vec<Place>,
    pub(crate) nats: Vec<Nat>,
    /// What the network does.
    pub faults: Faults,
    pub(crate) queue: BTreeMap<(Instant, u64), Delivery>,
    order: u64,
    crossed: u64,
    lose: BTreeSet<u64>,
    change: BTreeMap<u64, Change>,
    /// Loses what it says yes to.
    pub filter: Option<Filter>,
    /// Whether [`Self::crossings`] are recorded.
    pub watch: bool,
    /// What has crossed the outer network while it was watched.
    pub crossings: Vec<Crossing>,
    /// All that was told.
    pub events: Vec<(Instant, Event)>,
    /// The DHCP server of the LAN, where there is one.
    pub dhcp: Option<DhcpServer>,
    /// Addresses that are routed to clients.
    pub routes: BTreeSet<Ipv4Addr>,
    /// IPv6 prefixes that are routed to clients.
    pub prefixes: BTreeSet<Ipv6Addr>,
    /// Echoes by client.
    pub echoes: Vec<Echoes>,
    pub(crate) highest: BTreeMap<u32, u32>,
    pub(crate) heard: BTreeSet<(u64, u64)>,
    /// The Ns that the next new control message of each tunnel has, by client, port and the client's tunnel id.
    pub(crate) numbered: BTreeMap<(u32, u16, u16), Vec<u16>>,
    pub(crate) replies: Vec<Reply>,
    pub(crate) restarts: u64,
    /// Key pairs made before anybody asked for them.
    made_ahead: u64,
    /// What the operator has selected.
    pub(crate) selected: command::Scope,
    /// What the engine wants of those who carry calls otherwise than by ESP.
    pub(crate) asides: VecDeque<Output>,
    /// Packets of the host for which ESP has no client.
    pub(crate) strays: VecDeque<Vec<u8>>,
}

/// What an echo has behind its mark: its number, whose it is, and what both come to. Who changes octets of his own on their
/// way makes no echo of another number.
pub(crate) fn echo_head(number: u64, whose: u64) -> [u8; 24] {
    let mut head = [0; 24];
    let sum = Rng::new(number ^ whose.rotate_left(32)).u64();
    for (place, part) in head.chunks_exact_mut(8).zip([number, whose, sum]) {
        place.copy_from_slice(&part.to_be_bytes());
    }
    head
}

pub(crate) fn seed32(seed: u64) -> [u8; 32] {
    Rng::new(seed).array()
}

impl World {
    /// A world with a configuration; the same seed gives the same story.
    pub fn new(config: command::Config, seed: u64) -> Self {
        let now = Instant(1_000_000_000);
        let mut this = Self {
            now,
            rng: Rng::new(seed),
            seed,
            engine: Engine::new(config.clone(), seed32(seed)),
            config,
            worker: Worker::new(seed32(seed ^ 1)),
            peers: vec![],
            places: vec![],
            nats: vec![],
            faults: Faults::default(),
            queue: BTreeMap::new(),
            order: 0,
            crossed: 0,
            lose: BTreeSet::new(),
            change: BTreeMap::new(),
            filter: None,
            watch: false,
            crossings: vec![],
            events: vec![],
            dhcp: None,
            routes: BTreeSet::new(),
            prefixes: BTreeSet::new(),
            echoes: vec![],
            highest: BTreeMap::new(),
            heard: BTreeSet::new(),
            numbered: BTreeMap::new(),
            replies: vec![],
            restarts: 0,
            made_ahead: 0,
            selected: command::Scope::Global,
            asides: VecDeque::new(),
            strays: VecDeque::new(),
        };
        this.input(Input::Started);
        this
    }

    /// The time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Puts a client into the world, with an address of its own.
    pub fn add(&mut self, manner: Manner) -> usize {
        let n = self.peers.len();
        let [high, low] = u16::try_from(n + 10).expect("few clients").to_be_bytes();
        let address = Ipv4Addr::new(100, 64, high, low);
        self.add_at(manner, address.into(), Place::Direct)
    }

    /// Puts a client into the world at an address that somebody has been promised.
    pub fn add_from(&mut self, address: IpAddr, manner: Manner) -> usize {
        self.add_at(manner, address, Place::Direct)
    }

    /// Puts a client into the world that dials over IPv6.
    pub fn add_over_ipv6(&mut self, manner: Manner) -> usize {
        let n = u16::try_from(self.peers.len() + 10).expect("few clients");
        let address = Ipv6Addr::new(0x2001, 0xdb8, 0x64, 0, 0, 0, 0, n);
        self.add_at(manner, address.into(), Place::Direct)
    }

    /// Puts a NAT box into the world.
    pub fn add_nat(&mut self) -> usize {
        let n = self.nats.len();
        self.nats.push(Nat::new(Ipv4Addr::new(203, 0, 113, u8::try_from(n + 200).expect("few boxes")).into()));
        n
    }

    /// Puts a client behind a NAT box. All have the same address there, as if each were behind a box of its own that
    /// hides behind this one.
    pub fn add_behind(&mut self, nat: usize, manner: Manner) -> usize {
        self.add_at(manner, HOME.into(), Place::Behind(nat))
    }

    /// Puts a client into the world, behind a NAT box of its own if it is to be `natted`.
    pub fn add_natted(&mut self, natted: bool, manner: Manner) -> usize {
        if natted {
            let nat = self.add_nat();
            self.add_behind(nat, manner)
        } else {
            self.add(manner)
        }
    }

    /// Puts a client into the world that is reached at the address of another.
    pub fn add_like(&mut self, other: usize, manner: Manner) -> usize {
        let (place, address) = (self.places[other], self.peers[other].outer());
        self.add_at(manner, address, place)
    }

    pub(crate) fn add_at(&mut self, manner: Manner, address: IpAddr, place: Place) -> usize {
        let n = self.peers.len();
        let seed = self.seed.wrapping_mul(1000).wrapping_add(n as u64);
        let server = if address.is_ipv4() { SERVER.into() } else { SERVER6.into() };
        self.peers.push(Peer::new(manner, address, server, seed));
        self.places.push(place);
        self.echoes.push(Echoes::default());
        n
    }

    /// The NAT box.
    pub fn nat(&mut self, n: usize) -> &mut Nat {
        &mut self.nats[n]
    }

    /// A client vanishes without a word, and another takes its place and its address: the same person dials again.
    pub fn replace(&mut self, who: usize, manner: Manner) -> usize {
        let (place, address) = (self.places[who], self.peers[who].outer());
        self.places[who] = Place::Gone;
        let n = self.add_at(manner, address, place);
        if let Place::Behind(nat) = place {
            self.nats[nat].forget();
        }
        n
    }

    /// The same, but behind a NAT box whose mappings last: the new client is seen on the old one's ports.
    pub fn replace_in_place(&mut self, who: usize, manner: Manner) -> usize {
        let (place, address) = (self.places[who], self.peers[who].outer());
        self.places[who] = Place::Gone;
        let n = self.add_at(manner, address, place);
        if let Place::Behind(nat) = place {
            self.nats[nat].hand_over(who, n);
        }
        n
    }

    /// A client goes to another network, behind this NAT box.
    pub fn move_behind(&mut self, who: usize, nat: usize) {
        self.places[who] = Place::Behind(nat);
    }

    /// Whether a client is still connected to the network.
    pub fn is_there(&self, who: usize) -> bool {
        self.places[who] != Place::Gone
    }

    /// A client vanishes without a word.
    pub fn vanish(&mut self, who: usize) {
        self.places[who] = Place::Gone;
    }

    /// The packet that crosses the outer network as number `n` from now on (from 1) is lost.
    pub fn lose(&mut self, n: u64) {
        self.lose.insert(self.crossed + n);
    }

    /// The packet that crosses the outer network as number `n` from now on (from 1) is changed on its way.
    pub fn change(&mut self, n: u64, change: Change) {
        self.change.insert(self.crossed + n, change);
    }

    /// A packet reaches the server out of nowhere.
    pub fn inject(&mut self, packet: Outer) {
        self.server_receives(packet);
        self.check();
    }

    /// The engine is handed an input by hand.
    pub fn offer(&mut self, input: Input<'_>) {
        self.input(input);
        self.drain_worker();
        self.check();
    }

    /// How many packets have crossed the outer network.
    pub fn crossed(&self) -> u64 {
        self.crossed
    }

    /// Acts on a client and sends what comes of it.
    pub fn act(&mut self, who: usize, act: impl FnOnce(&mut Peer, Instant)) {
        let now = self.now;
        act(&mut self.peers[who], now);
        self.drain_peer(who);
    }

    /// Dials.
    pub fn dial(&mut self, who: usize) {
        self.act(who, |p, now| p.dial(now));
    }

    /// Lets the time pass.
    pub fn run_for(&mut self, d: Duration) {
        let end = self.now.after(d);
        while self.step(end) {}
        self.now = end;
    }

    /// Lets the time pass until something is so, at most `d`; says whether it is.
    pub fn run_until(&mut self, d: Duration, mut so: impl FnMut(&Self) -> bool) -> bool {
        let end = self.now.after(d);
        loop {
            if so(self) {
                return true;
            }
            if !self.step(end) {
                self.now = end;
                return so(self);
            }
        }
    }

    /// Takes the earliest of all that is due, up to `end`.
    fn step(&mut self, end: Instant) -> bool {
        let queue = self.queue.first_key_value().map(|((at, _), _)| *at);
        let engine = self.engine.poll_timeout().map(|t| t.0);
        let worker = self.worker.poll_timeout();
        let peers = (0..self.peers.len())
            .filter(|n| self.places[*n] != Place::Gone)
            .filter_map(|n| self.peers[n].poll_timeout())
            .min();
        let Some(at) = earliest(earliest(queue, engine), earliest(worker, peers)) else {
            return false;
        };
        if at > end {
            return false;
        }
        self.now = self.now.max(at);
        if queue == Some(at) {
            if let Some((_, delivery)) = self.queue.pop_first() {
                self.deliver(delivery);
            }
        } else if engine == Some(at) {
            self.input(Input::Timeout);
        } else if worker == Some(at) {
            self.worker.handle_timeout(self.now);
            self.drain_worker();
        } else {
            for n in 0..self.peers.len() {
                if self.places[n] != Place::Gone && self.peers[n].poll_timeout() == Some(at) {
                    self.act(n, |p, now| p.handle_timeout(now));
                }
            }
        }
        self.check();
        true
    }

    fn schedule(&mut self, after: Duration, delivery: Delivery) {
        self.order += 1;
        self.queue.insert((self.now.after(after), self.order), delivery);
    }

    fn deliver(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::Server(p) => self.server_receives(p),
            Delivery::Peer(n, p) => {
                if self.places[n] != Place::Gone {
                    self.act(n, |peer, now| peer.handle_packet(&p, now));
                    self.take_inner(n);
                }
            }
            Delivery::Lan(p) => self.tun_receives(&p),
            Delivery::Dhcp(bytes) => self.input(Input::Dhcp { lan: "lan1", bytes: &bytes }),
            Delivery::Computed(c) => self.input(Input::Computed(c)),
        }
    }

    fn take_inner(&mut self, n: usize) {
        while let Some(ip) = self.peers[n].poll_inner() {
            let Some((_, _, payload)) = packet::read_udp(&ip) else {
                continue;
            };
            if let Some(number) = payload.strip_prefix(MARK).and_then(|p| p.get(..8)) {
                if self.peers[n].is_tampering() {
                    continue;
                }
                let number = u64::from_be_bytes(number.try_into().expect("eight octets"));
                let whose = payload.get(MARK.len() + 8..MARK.len() + 16).unwrap_or_default();
                assert_eq!(whose, (n as u64).to_be_bytes(), "a client got another's packet");
                let echoes = &mut self.echoes[n];
                assert!(echoes.back.insert(number), "an echo came back to client {n} twice");
                let took = echoes.asked.get(&number).map(|asked| self.now.since(*asked));
                echoes.slowest = echoes.slowest.max(took.unwrap_or_default());
            }
        }
    }

    /// A packet sets out over the outer network.
    fn cross(&mut self, to: Delivery) {
        self.crossed += 1;
        let (way, mut p) = match &to {
            Delivery::Server(p) => (Way::ToServer, p.clone()),
            Delivery::Peer(n, p) => (Way::ToClient(*n), p.clone()),
            Delivery::Lan(_) | Delivery::Dhcp(_) | Delivery::Computed(_) => unreachable!("outer packets only"),
        };
        if self.watch {
            self.crossings.push(Crossing { at: self.now, way, packet: p.clone() });
        }
        for secret in [MARK, USER, PASSWORD] {
            let shown = p.bytes.windows(secret.len()).any(|w| w == secret);
            assert!(!shown, "{:?} in the clear on the outer network", secret.escape_ascii().to_string());
        }
        assert!(p.to.port() != 1701 && p.from.port() != 1701, "L2TP outside ESP");
        if self.lose.remove(&self.crossed) {
            return;
        }
        if self.filter.as_mut().is_some_and(|f| f(way, &p)) {
            return;
        }
        if let Some(change) = self.change.remove(&self.crossed) {
            change(&mut p.bytes);
        }
        for after in self.faults.copies(&mut self.rng) {
            let copy = match &to {
                Delivery::Peer(n, _) => Delivery::Peer(*n, p.clone()),
                _ => Delivery::Server(p.clone()),
            };
            self.schedule(after, copy);
        }
    }

    pub(crate) fn drain_peer(&mut self, n: usize) {
        while let Some(p) = self.peers[n].poll_transmit() {
            match self.places[n] {
                Place::Gone => {}
                Place::Direct => self.cross(Delivery::Server(p)),
                Place::Behind(nat) => {
                    if let Some(p) = self.nats[nat].outward(n, p) {
                        self.cross(Delivery::Server(p));
                    }
                }
            }
        }
    }

    fn server_sends(&mut self, mut p: Outer) {
        if p.carrier == Carrier::Esp || (p.from.port() == 4500 && wire::esp::spi_of(&p.bytes).is_some_and(|s| s > 255))
        {
            self.watch_sequence(&p.bytes);
        }
        let to = p.to.ip();
        if let Some(nat) = self.nats.iter().position(|n| n.outside() == to) {
            if let Some((n, port)) = self.nats[nat].inward(&p) {
                p.to = SocketAddr::new(self.peers[n].outer(), port);
                self.cross(Delivery::Peer(n, p));
            }
            return;
        }
        let direct =
            (0..self.peers.len()).rev().find(|n| self.places[*n] == Place::Direct && self.peers[*n].outer() == to);
        if let Some(n) = direct {
            self.cross(Delivery::Peer(n, p));
        } else if self.watch {
            self.crossings.push(Crossing { at: self.now, way: Way::ToNobody, packet: p });
        }
    }

    fn server_receives(&mut self, p: Outer) {
        let endpoint = Endpoint { local: p.to, peer: p.from };
        if p.carrier == Carrier::Udp {
            if p.to.port() == 500 {
                return self.input(Input::Isakmp { endpoint, bytes: &p.bytes });
            }
            match wire::esp::classify(&p.bytes) {
                wire::esp::Encapsulated::Isakmp(m) => return self.input(Input::Isakmp { endpoint, bytes: m }),
                wire::esp::Encapsulated::Esp => {}
                wire::esp::Encapsulated::Keepalive | wire::esp::Encapsulated::Junk => return,
            }
        }
        let encap = if p.carrier == Carrier::Udp { Encap::Udp } else { Encap::Raw };
        let mut bytes = p.bytes;
        let mut batch = [Arrival::new(&mut bytes, p.from, p.to.ip(), encap)];
        self.worker.inbound(&mut batch, self.now);
        let ip = match &batch[0].verdict {
            Verdict::Ip(_) => batch[0].ip().map(<[u8]>::to_vec),
            _ => None,
        };
        if let Some(ip) = &ip {
            self.watch_source(ip);
            self.tun_takes(ip);
        }
        self.drain_worker();
    }

    /// An IP packet comes out of the tunnel.
    fn tun_takes(&mut self, ip: &[u8]) {
        self.watch_inner(ip);
        if let Some(answer) = packet::echo(ip) {
            self.schedule(Duration::from_millis(1), Delivery::Lan(answer));
        }
    }

    /// A packet of the host for a client.
    pub fn tun_receives(&mut self, ip: &[u8]) {
        let mut slot = vec![0; HEADROOM + ip.len() + TAILROOM];
        slot[HEADROOM..HEADROOM + ip.len()].copy_from_slice(ip);
        let mut batch = [Departure::new(&mut slot, HEADROOM, ip.len())];
        self.worker.outbound(&mut batch, self.now);
        if batch[0].result == path::Out::Dropped(path::Drop::NoClient) {
            self.strays.push_back(ip.to_vec());
        }
        let sent = match (&batch[0].result, batch[0].esp()) {
            (path::Out::Sealed { peer, local, encap, .. }, Some(bytes)) => {
                Some(outer(*encap, *local, *peer, bytes.to_vec()))
            }
            _ => None,
        };
        if let Some(p) = sent {
            self.server_sends(p);
        }
        self.drain_worker();
    }

    fn drain_worker(&mut self) {
        self.drain_sealed();
        while let Some(ip) = self.worker.poll_reply() {
            self.tun_takes(&ip);
        }
        while let Some(note) = self.worker.poll_note() {
            self.input(Input::Note(note));
        }
    }

    fn drain_sealed(&mut self) {
        while let Some(s) = self.worker.poll_sealed() {
            self.server_sends(outer(s.encap, s.local, s.peer, s.bytes));
        }
    }

    pub(crate) fn input(&mut self, input: Input<'_>) {
        let mut out = Outbox::new();
        self.engine.handle(input, self.now, &mut out);
        self.drain_box(out);
    }

    pub(crate) fn drain_box(&mut self, mut out: Outbox) {
        let outputs: Vec<Output> = out.drain().collect();
        for output in outputs {
            match output {
                Output::Send { endpoint, bytes } => {
                    let bytes = if endpoint.local.port() == 4500 {
                        [&wire::esp::NON_ESP_MARKER[..], &bytes].concat()
                    } else {
                        bytes
                    };
                    self.server_sends(Outer { carrier: Carrier::Udp, from: endpoint.local, to: endpoint.peer, bytes });
                }
                Output::Keepalive { endpoint } => {
                    let p = Outer { carrier: Carrier::Udp, from: endpoint.local, to: endpoint.peer, bytes: vec![0xff] };
                    self.server_sends(p);
                }
                Output::Path(update) => {
                    self.watch_control(&update);
                    let ends = matches!(
                        update,
                        Update::Retire { .. }
                            | Update::RetireOutbound { .. }
                            | Update::Distrust { .. }
                            | Update::Adopt { .. }
                    );
                    self.worker.apply(update, self.now);
                    if ends {
                        self.forget_untold();
                    }
                    self.drain_sealed();
                    while let Some(ip) = self.worker.poll_reply() {
                        self.tun_takes(&ip);
                    }
                }
                aside @ (Output::Aside(_) | Output::Stream { .. } | Output::Close { .. }) => {
                    self.asides.push_back(aside)
                }
                Output::Event(e) => self.events.push((self.now, e)),
                Output::Host(HostChange::ClientUp { address, .. }) => {
                    assert!(self.routes.insert(address), "{address} was lent twice");
                }
                Output::Host(HostChange::ClientDown { address }) => {
                    assert!(self.routes.remove(&address), "{address} was not lent");
                }
                Output::Host(HostChange::PrefixUp { prefix }) => {
                    assert!(self.prefixes.insert(prefix), "{prefix} was lent twice");
                }
                Output::Host(HostChange::PrefixDown { prefix }) => {
                    assert!(self.prefixes.remove(&prefix), "{prefix} was not lent");
                }
                Output::Dhcp { lan, bytes, .. } => {
                    assert_eq!(lan, "lan1", "no other LAN is behind the server");
                    let now = self.now;
                    if let Some(answer) = self.dhcp.as_mut().and_then(|dhcp| dhcp.handle(&bytes, now)) {
                        self.schedule(Duration::from_millis(1), Delivery::Dhcp(answer));
                    }
                }
                Output::Compute(job) => {
                    // A pair made ahead stands in wherever one may.
                    self.made_ahead += 1;
                    let entropy = [&self.made_ahead.to_be_bytes()[..], &[0xa5; 56]].concat();
                    let entropy = entropy.as_slice().try_into().expect("64 octets");
                    let result = job.run(|group| Some(crate::pairs::pair(group, entropy)));
                    self.schedule(COMPUTING, Delivery::Computed(result));
                }
                Output::Reply(reply) => self.replies.push(reply),
            }
        }
    }
}

fn outer(encap: Encap, local: IpAddr, peer: SocketAddr, bytes: Vec<u8>) -> Outer {
    let (carrier, from, to) = match encap {
        Encap::Udp => (Carrier::Udp, SocketAddr::new(local, 4500), peer),
        Encap::Raw => (Carrier::Esp, SocketAddr::new(local, 0), SocketAddr::new(peer.ip(), 0)),
    };
    Outer { carrier, from, to, bytes }
}

//! One engine, one worker, a host behind them, and any number of clients: stepped by a virtual clock until quiet.

use crate::net::{Faults, Nat};
use crate::packet;
use crate::peer::{Carrier, Manner, Outer, Peer, Stage};
use crate::rng::Rng;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;
use engine::event::Event;
use engine::ike::{Computed, Endpoint};
use engine::path::{self, Arrival, ClientId, Departure, Encap, HEADROOM, TAILROOM, Verdict, Worker};
use engine::record::{JUMP, Refused};
use engine::time::{Instant, earliest};
use engine::{Engine, HostChange, Input, Outbox, Output};
use std::collections::{BTreeMap, BTreeSet};

/// The server's outer address.
pub const SERVER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
/// The host behind the server, which echoes UDP.
pub const HOST: Ipv4Addr = Ipv4Addr::new(192, 168, 100, 10);
/// The address that clients behind a NAT all have.
pub const HOME: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 2);
/// The port of the echo.
const ECHO: u16 = 7;
/// How long a Diffie-Hellman computation takes here.
const COMPUTING: Duration = Duration::from_millis(3);
/// Marks what must never be seen outside in the clear.
const MARK: &[u8] = b"plain as day";

/// A configuration with so many tunnels: the key is `sim-psk`, the user `vpnuser`, the password `vpn-Passw0rd`.
pub fn config(tunnels: u32, extra: &[&str]) -> command::Config {
    let text = format!(
        "ip lan1 address 192.168.100.1/24\nip lan1 proxyarp on\npp select anonymous\n pp bind tunnel1-tunnel{tunnels}\n \
         pp auth request mschap-v2\n pp auth username vpnuser vpn-Passw0rd\n pp auth username second Second-2\n \
         ppp ipcp ipaddress on\n ppp ipcp msext on\n ppp ccp type none\n \
         ip pp remote address pool 192.168.100.200-192.168.100.250\n ip pp mtu 1400\n pp enable anonymous\n\
         tunnel select 1\n tunnel template 2-{tunnels}\n tunnel encapsulation l2tp\n ipsec tunnel 1\n  \
         ipsec sa policy 1 1 esp aes-cbc sha-hmac\n  ipsec ike keepalive use 1 off\n  \
         ipsec ike nat-traversal 1 on\n  ipsec ike pre-shared-key 1 text sim-psk\n  ipsec ike remote address 1 any\n \
         l2tp tunnel disconnect time off\n l2tp keepalive use on\n l2tp syslog on\n ip tunnel tcp mss limit auto\n \
         tunnel enable 1\nipsec auto refresh on\nipsec transport 1 1 udp 1701\n\
         ipsec transport template 1 2-{tunnels}\ndns server 192.168.100.10\ndns notice order msext server\n\
         {}\nl2tp service on\n",
        extra.join("\n")
    );
    let (config, problems) = command::parse(&text);
    let errors: Vec<_> = problems
        .iter()
        .filter(|p| p.severity == command::Severity::Error)
        .collect();
    assert!(errors.is_empty(), "the scene's configuration: {errors:?}");
    config
}

enum Delivery {
    Server(Outer),
    Peer(usize, Outer),
    Lan(Vec<u8>),
    Computed(Computed),
}

/// Where a client is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    Direct,
    Behind(usize),
    /// Switched off: nothing comes or goes.
    Gone,
}

/// Echoes that a client has asked for and got.
#[derive(Default, Debug, Clone)]
pub struct Echoes {
    next: u64,
    /// Numbers that came back.
    pub back: BTreeSet<u64>,
    /// When which was asked for.
    pub asked: BTreeMap<u64, Instant>,
}

/// The world.
pub struct World {
    now: Instant,
    rng: Rng,
    seed: u64,
    config: command::Config,
    /// The heart.
    pub engine: Engine,
    worker: Worker,
    /// All clients, by their number.
    pub peers: Vec<Peer>,
    places: Vec<Place>,
    nats: Vec<Nat>,
    /// What the network does.
    pub faults: Faults,
    queue: BTreeMap<(Instant, u64), Delivery>,
    order: u64,
    crossed: u64,
    lose: BTreeSet<u64>,
    /// All that was told.
    pub events: Vec<(Instant, Event)>,
    /// Addresses that are routed to clients.
    pub routes: BTreeSet<Ipv4Addr>,
    /// Echoes by client.
    pub echoes: Vec<Echoes>,
    highest: BTreeMap<u32, u32>,
    replies: Vec<String>,
}

fn seed32(seed: u64) -> [u8; 32] {
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
            events: vec![],
            routes: BTreeSet::new(),
            echoes: vec![],
            highest: BTreeMap::new(),
            replies: vec![],
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
        let address = Ipv4Addr::new(203, 0, 113, u8::try_from(n + 10).expect("few clients"));
        self.add_at(manner, address.into(), Place::Direct)
    }

    /// Puts a NAT box into the world.
    pub fn add_nat(&mut self) -> usize {
        let n = self.nats.len();
        self.nats.push(Nat::new(
            Ipv4Addr::new(203, 0, 113, u8::try_from(n + 200).expect("few boxes")).into(),
        ));
        n
    }

    /// Puts a client behind a NAT box. All have the same address there, as if each were behind a box of its own that
    /// hides behind this one.
    pub fn add_behind(&mut self, nat: usize, manner: Manner) -> usize {
        self.add_at(manner, HOME.into(), Place::Behind(nat))
    }

    fn add_at(&mut self, manner: Manner, address: IpAddr, place: Place) -> usize {
        let n = self.peers.len();
        let seed = self.seed.wrapping_mul(1000).wrapping_add(n as u64);
        self.peers.push(Peer::new(manner, address, SERVER.into(), seed));
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

    /// A client vanishes without a word.
    pub fn vanish(&mut self, who: usize) {
        self.places[who] = Place::Gone;
    }

    /// The packet that crosses the outer network as number `n` from now on (from 1) is lost.
    pub fn lose(&mut self, n: u64) {
        self.lose.insert(self.crossed + n);
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

    /// Dials and waits until the client is up.
    pub fn connect(&mut self, who: usize) {
        self.dial(who);
        let up = self.run_until(Duration::from_secs(90), |w| w.peers[who].is_up());
        assert!(
            up,
            "client {who} is not up but {:?}:\n{}",
            self.peers[who].stage(),
            self.story(who)
        );
    }

    /// Asks the host behind the server for an echo of `size` octets; [`Echoes::back`] tells whether it came.
    pub fn echo(&mut self, who: usize, size: usize) -> u64 {
        let Some(inside) = self.peers[who].inside() else {
            return u64::MAX;
        };
        let e = &mut self.echoes[who];
        let n = e.next;
        e.next += 1;
        e.asked.insert(n, self.now);
        let mut payload = [MARK, &n.to_be_bytes()[..]].concat();
        payload.resize(size.max(payload.len()), 0x55);
        let ip = packet::udp((inside, 9), (HOST, ECHO), &payload);
        self.act(who, |p, now| p.send_ip(&ip, now));
        n
    }

    /// Asks for an echo and waits for it.
    pub fn reaches(&mut self, who: usize) -> bool {
        let n = self.echo(who, 100);
        self.run_until(Duration::from_secs(2), |w| w.echoes[who].back.contains(&n))
    }

    /// How many echoes did not come back.
    pub fn lost_echoes(&self, who: usize) -> usize {
        let e = &self.echoes[who];
        e.asked.len() - e.back.len()
    }

    /// A client's dialogue, and what the server told, for a failure's message.
    pub fn story(&self, who: usize) -> String {
        let mut lines: Vec<(Instant, String)> = self.peers[who]
            .dialogue()
            .iter()
            .map(|(t, l)| (*t, format!("  client {l}")))
            .collect();
        lines.extend(self.events.iter().map(|(t, e)| (*t, format!("  server {e}"))));
        lines.sort_by_key(|l| l.0);
        let start = Instant(1_000_000_000);
        lines
            .iter()
            .map(|(t, l)| format!("{:9.3} {l}\n", t.since(start).as_secs_f64()))
            .collect()
    }

    /// The server's log, one line an event.
    pub fn log(&self) -> Vec<String> {
        self.events.iter().map(|(_, e)| e.to_string()).collect()
    }

    /// Whether some line of the log contains these words.
    pub fn told(&self, words: &str) -> bool {
        self.log().iter().any(|l| l.contains(words))
    }

    /// An operator's line; gives the answer.
    pub fn command(&mut self, line: &str) -> String {
        let request = command::parse_request(line).expect("a request");
        self.input(Input::Request(request));
        self.replies.pop().unwrap_or_default()
    }

    /// The server stops in good order.
    pub fn shut_down(&mut self) {
        self.input(Input::Shutdown);
    }

    /// The server's whole state is written to records; a new engine and a new worker go on from them.
    pub fn restart_from_records(&mut self) -> Result<usize, Refused> {
        let ids: Vec<ClientId> = self.engine.client_ids().collect();
        let mut records = vec![];
        for id in ids {
            // A client that has no SA yet is unknown to the worker: it begins anew by itself.
            if let Some(state) = self.worker.snapshot(id) {
                records.extend(self.engine.export(id, state));
            }
        }
        self.engine = Engine::new(self.config.clone(), seed32(self.seed ^ 2));
        self.worker = Worker::new(seed32(self.seed ^ 3));
        self.routes.clear();
        // Results that the old engine asked for come to nobody.
        self.queue.retain(|_, d| !matches!(d, Delivery::Computed(_)));
        let count = records.len();
        for record in records {
            let mut out = Outbox::new();
            let state = self.engine.import(&record, self.now, &mut out)?;
            self.worker.restore(state, JUMP);
            self.drain_box(out);
        }
        Ok(count)
    }

    /// What the data path counted.
    pub fn totals(&self) -> path::Totals {
        self.worker.totals()
    }

    // ---- stepping

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
            Delivery::Computed(c) => self.input(Input::Computed(c)),
        }
    }

    fn take_inner(&mut self, n: usize) {
        while let Some(ip) = self.peers[n].poll_inner() {
            let Some((_, _, payload)) = packet::read_udp(&ip) else {
                continue;
            };
            if let Some(number) = payload.strip_prefix(MARK).and_then(|p| p.get(..8)) {
                let number = u64::from_be_bytes(number.try_into().expect("eight octets"));
                self.echoes[n].back.insert(number);
            }
        }
    }

    /// A packet sets out over the outer network.
    fn cross(&mut self, to: Delivery) {
        self.crossed += 1;
        let (Delivery::Server(p) | Delivery::Peer(_, p)) = &to else {
            unreachable!("outer packets only")
        };
        assert!(
            !p.bytes.windows(MARK.len()).any(|w| w == MARK),
            "a payload in the clear on the outer network"
        );
        assert!(p.to.port() != 1701 && p.from.port() != 1701, "L2TP outside ESP");
        if self.lose.remove(&self.crossed) {
            return;
        }
        let p = p.clone();
        for after in self.faults.copies(&mut self.rng) {
            let copy = match &to {
                Delivery::Peer(n, _) => Delivery::Peer(*n, p.clone()),
                _ => Delivery::Server(p.clone()),
            };
            self.schedule(after, copy);
        }
    }

    fn drain_peer(&mut self, n: usize) {
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
        let direct = (0..self.peers.len())
            .rev()
            .find(|n| self.places[*n] == Place::Direct && self.peers[*n].outer() == to);
        if let Some(n) = direct {
            self.cross(Delivery::Peer(n, p));
        }
    }

    /// No sequence number may be used twice, or after a higher one (RFC 4303 §2.2).
    fn watch_sequence(&mut self, esp: &[u8]) {
        let (Some(spi), Some(sequence)) = (wire::esp::spi_of(esp), wire::esp::sequence_of(esp)) else {
            return;
        };
        let highest = self.highest.entry(spi).or_default();
        assert!(sequence > *highest, "SPI {spi:08x}: {sequence} after {highest}");
        *highest = sequence;
    }

    fn server_receives(&mut self, p: Outer) {
        let endpoint = Endpoint {
            local: p.to,
            peer: p.from,
        };
        if p.carrier == Carrier::Udp {
            if p.to.port() == 500 {
                return self.input(Input::Isakmp {
                    endpoint,
                    bytes: &p.bytes,
                });
            }
            match wire::esp::classify(&p.bytes) {
                wire::esp::Encapsulated::Isakmp(m) => return self.input(Input::Isakmp { endpoint, bytes: m }),
                wire::esp::Encapsulated::Esp => {}
                wire::esp::Encapsulated::Keepalive | wire::esp::Encapsulated::Junk => return,
            }
        }
        let encap = if p.carrier == Carrier::Udp {
            Encap::Udp
        } else {
            Encap::Raw
        };
        let mut bytes = p.bytes;
        let mut batch = [Arrival::new(&mut bytes, p.from, p.to.ip(), encap)];
        self.worker.inbound(&mut batch, self.now);
        let ip = match &batch[0].verdict {
            Verdict::Ip(_) => batch[0].ip().map(<[u8]>::to_vec),
            _ => None,
        };
        if let Some(answer) = ip.and_then(|ip| packet::echo(&ip)) {
            self.schedule(Duration::from_millis(1), Delivery::Lan(answer));
        }
        self.drain_worker();
    }

    /// A packet of the host for a client.
    fn tun_receives(&mut self, ip: &[u8]) {
        let mut slot = vec![0; HEADROOM + ip.len() + TAILROOM];
        slot[HEADROOM..HEADROOM + ip.len()].copy_from_slice(ip);
        let mut batch = [Departure::new(&mut slot, HEADROOM, ip.len())];
        self.worker.outbound(&mut batch, self.now);
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
        while self.worker.poll_reply().is_some() {}
        while let Some(note) = self.worker.poll_note() {
            self.input(Input::Note(note));
        }
    }

    fn drain_sealed(&mut self) {
        while let Some(s) = self.worker.poll_sealed() {
            self.server_sends(outer(s.encap, s.local, s.peer, s.bytes));
        }
    }

    fn input(&mut self, input: Input<'_>) {
        let mut out = Outbox::new();
        self.engine.handle(input, self.now, &mut out);
        self.drain_box(out);
    }

    fn drain_box(&mut self, mut out: Outbox) {
        let outputs: Vec<Output> = out.drain().collect();
        for output in outputs {
            match output {
                Output::Send { endpoint, bytes } => {
                    let bytes = if endpoint.local.port() == 4500 {
                        [&wire::esp::NON_ESP_MARKER[..], &bytes].concat()
                    } else {
                        bytes
                    };
                    self.server_sends(Outer {
                        carrier: Carrier::Udp,
                        from: endpoint.local,
                        to: endpoint.peer,
                        bytes,
                    });
                }
                Output::Keepalive { endpoint } => {
                    let p = Outer {
                        carrier: Carrier::Udp,
                        from: endpoint.local,
                        to: endpoint.peer,
                        bytes: vec![0xff],
                    };
                    self.server_sends(p);
                }
                Output::Path(update) => {
                    self.worker.apply(update, self.now);
                    self.drain_sealed();
                }
                Output::Event(e) => self.events.push((self.now, e)),
                Output::Host(HostChange::ClientUp { address, .. }) => {
                    assert!(self.routes.insert(address), "{address} was lent twice");
                }
                Output::Host(HostChange::ClientDown { address }) => {
                    assert!(self.routes.remove(&address), "{address} was not lent");
                }
                Output::Compute(job) => {
                    let result = job.run();
                    self.schedule(COMPUTING, Delivery::Computed(result));
                }
                Output::Reply(text) => self.replies.push(text),
            }
        }
    }

    /// What must hold after every step.
    fn check(&self) {
        let mut seen = BTreeSet::new();
        for (n, p) in self.peers.iter().enumerate() {
            if self.places[n] != Place::Gone && *p.stage() == Stage::Up {
                if let Some(address) = p.inside() {
                    assert!(seen.insert(address), "two clients have {address}");
                }
            }
        }
        if let Some((at, reason)) = self.engine.poll_timeout() {
            assert!(
                self.now.since(at) < Duration::from_secs(1),
                "a deadline lies {:?} in the past: {reason:?}",
                self.now.since(at)
            );
        }
    }
}

fn outer(encap: Encap, local: IpAddr, peer: SocketAddr, bytes: Vec<u8>) -> Outer {
    let (carrier, from, to) = match encap {
        Encap::Udp => (Carrier::Udp, SocketAddr::new(local, 4500), peer),
        Encap::Raw => (Carrier::Esp, SocketAddr::new(local, 0), SocketAddr::new(peer.ip(), 0)),
    };
    Outer {
        carrier,
        from,
        to,
        bytes,
    }
}

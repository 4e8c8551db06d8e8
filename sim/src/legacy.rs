//! PPTP clients beside the others of a world: their streams and GRE, stepped by the same clock.

use crate::net::Faults;
use crate::packet;
use crate::peer::legacy::{Dialer, Manner, Out};
use crate::rng::Rng;
use crate::world::{ECHO, HOST, MARK, SERVER, World, echo_head};
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;
use engine::carrier::{StreamEvent, StreamId};
use engine::legacy::Worker;
use engine::time::{Instant, earliest};
use engine::{Input, Output};
use std::collections::{BTreeMap, BTreeSet};

/// Something on its way.
enum Wire {
    ToServer(usize, Vec<u8>),
    EndToServer(usize),
    ToClient(usize, Vec<u8>),
    EndToClient(usize),
    GreToServer(Ipv4Addr, Vec<u8>),
    GreToClient(usize, Vec<u8>),
    Lan(Vec<u8>),
}

/// Says which GRE packets are lost: to the server, or to a client.
pub type Filter = Box<dyn FnMut(bool, &[u8]) -> bool>;

/// A world with PPTP clients.
pub struct Exchange {
    /// The world.
    pub world: World,
    worker: Worker,
    /// The clients.
    pub clients: Vec<Dialer>,
    queue: BTreeMap<(Instant, u64), Wire>,
    order: u64,
    rng: Rng,
    /// What the network does to GRE; TCP mends itself.
    pub faults: Faults,
    /// Loses what it says yes to.
    pub filter: Option<Filter>,
    /// Echoes that came back, by client.
    pub back: Vec<BTreeSet<u64>>,
    asked: u64,
    /// IP packets that came out of the tunnels.
    pub came_out: u64,
    /// GRE packets that crossed, as they looked.
    pub crossed: Vec<Vec<u8>>,
    /// What came out at the clients and is no echo.
    pub inner: Vec<(usize, Vec<u8>)>,
}

/// The configuration of scenes, with PPTP tunnels from number 11 on.
pub fn config(tunnels: u32, pp: &[&str], extra: &[&str]) -> command::Config {
    let mut lines: Vec<String> = vec!["pp select anonymous".into()];
    lines.push(format!(" pp bind tunnel1-tunnel2 tunnel11-tunnel{}", 10 + tunnels));
    lines.push(" ppp ccp type mppe-any".into());
    lines.extend(pp.iter().map(|line| format!(" {line}")));
    for number in 11..11 + tunnels {
        lines.push(format!("tunnel select {number}"));
        lines.push(" tunnel encapsulation pptp".into());
        lines.push(" pptp tunnel disconnect time off".into());
        lines.push(" pptp syslog on".into());
        lines.extend(extra.iter().filter_map(|line| line.strip_prefix("tunnel: ")).map(|line| format!(" {line}")));
        lines.push(format!(" tunnel enable {number}"));
    }
    lines.extend(extra.iter().filter(|line| !line.starts_with("tunnel: ")).map(|line| (*line).to_owned()));
    lines.push("pptp service on".into());
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    crate::configuration::config(2, &lines)
}

impl Exchange {
    /// A world with this configuration.
    pub fn new(config: command::Config, seed: u64) -> Self {
        let window = command::legacy::pptp(&config).window;
        let mut this = Self {
            world: World::new(config, seed),
            worker: Worker::new(crate::world::seed32(seed ^ 77), window),
            clients: vec![],
            queue: BTreeMap::new(),
            order: 0,
            rng: Rng::new(seed ^ 99),
            faults: Faults::default(),
            filter: None,
            back: vec![],
            asked: 0,
            came_out: 0,
            crossed: vec![],
            inner: vec![],
        };
        this.drain();
        this
    }

    /// Puts a client in, with an address of its own.
    pub fn add(&mut self, manner: Manner) -> usize {
        let n = u8::try_from(self.clients.len() + 10).expect("few clients");
        self.add_at(manner, Ipv4Addr::new(100, 65, 0, n))
    }

    /// Puts a client in that is seen at this address.
    pub fn add_at(&mut self, manner: Manner, address: Ipv4Addr) -> usize {
        let n = self.clients.len();
        self.clients.push(Dialer::new(manner, address, n as u64 + 1));
        self.back.push(BTreeSet::new());
        n
    }

    /// The stream opens, and the client dials.
    pub fn dial(&mut self, who: usize) {
        self.open(who);
        self.act(who, |client, now| client.dial(now));
    }

    /// The stream opens, and nothing is said in it.
    pub fn open(&mut self, who: usize) {
        let port = 50_000 + u16::try_from(who).expect("few clients");
        let peer = SocketAddr::new(self.clients[who].address.into(), port);
        let local = SocketAddr::new(SERVER.into(), 1723);
        self.input(Input::Stream { stream: StreamId(who as u64), event: StreamEvent::Opened { peer, local } });
    }

    /// Dials and waits until the client is up.
    pub fn connect(&mut self, who: usize) {
        self.dial(who);
        let up = self.run_until(Duration::from_secs(60), |x| x.clients[who].is_up());
        assert!(up, "client {who} is not up: {:#?}\n{:#?}", self.clients[who].dialogue, self.world.log());
        // What both sides said last arrives.
        self.run_for(Duration::from_millis(200));
    }

    /// Acts on a client and sends what comes of it.
    pub fn act(&mut self, who: usize, act: impl FnOnce(&mut Dialer, Instant)) {
        act(&mut self.clients[who], self.world.now());
        while let Some(out) = self.clients[who].poll_out() {
            match out {
                Out::Stream(octets) => self.later(self.faults.delay, Wire::ToServer(who, octets)),
                Out::Close => self.later(self.faults.delay, Wire::EndToServer(who)),
                Out::Gre(packet) => {
                    let from = self.clients[who].address;
                    self.cross(true, &packet, |packet| Wire::GreToServer(from, packet));
                }
            }
        }
        while let Some(ip) = self.clients[who].poll_inner() {
            if let Some((_, _, payload)) = packet::read_udp(&ip)
                && let Some(number) = payload.strip_prefix(MARK).and_then(|p| p.get(..8))
            {
                let number = u64::from_be_bytes(number.try_into().expect("eight octets"));
                assert!(self.back[who].insert(number), "an echo came back twice");
            } else {
                self.inner.push((who, ip));
            }
        }
    }

    fn later(&mut self, after: Duration, wire: Wire) {
        self.order += 1;
        self.queue.insert((self.world.now().after(after), self.order), wire);
    }

    fn cross(&mut self, to_server: bool, packet: &[u8], wire: impl Fn(Vec<u8>) -> Wire) {
        self.crossed.push(packet.to_vec());
        if self.filter.as_mut().is_some_and(|filter| filter(to_server, packet)) {
            return;
        }
        for after in self.faults.copies(&mut self.rng) {
            self.later(after, wire(packet.to_vec()));
        }
    }

    /// A GRE packet reaches the server from anywhere.
    pub fn inject(&mut self, from: Ipv4Addr, packet: &[u8]) {
        let (now, server) = (self.world.now(), IpAddr::V4(SERVER));
        self.worker.inbound(packet, from.into(), server, now);
        self.drain();
    }

    fn input(&mut self, input: Input<'_>) {
        self.world.input(input);
        self.drain();
    }

    /// Moves everything that the engine and the worker want until both are quiet.
    fn drain(&mut self) {
        loop {
            let mut moved = false;
            let now = self.world.now();
            while let Some(output) = self.world.asides.pop_front() {
                moved = true;
                match output {
                    Output::Aside(update) => self.worker.apply(update, now),
                    Output::Stream { stream, bytes } => {
                        self.later(self.faults.delay, Wire::ToClient(stream.0 as usize, bytes));
                    }
                    Output::Close { stream } => self.later(self.faults.delay, Wire::EndToClient(stream.0 as usize)),
                    _ => unreachable!("only what is aside"),
                }
            }
            while let Some(mut packet) = self.world.strays.pop_front() {
                moved = true;
                self.worker.outbound(&mut packet, now);
            }
            while let Some(packet) = self.worker.poll_transmit() {
                moved = true;
                let (call, _) = wire::legacy::gre::Header::decode(&packet.bytes).expect("our own packet");
                let to = self.clients.iter().position(|c| {
                    IpAddr::V4(c.address) == packet.peer && c.manner.call_id == call.call_id && c.ended.is_none()
                });
                if let Some(to) = to {
                    self.cross(false, &packet.bytes, |packet| Wire::GreToClient(to, packet));
                }
            }
            while let Some(ip) = self.worker.poll_inward() {
                moved = true;
                self.came_out += 1;
                if let Some(answer) = packet::echo(&ip) {
                    self.later(Duration::from_millis(1), Wire::Lan(answer));
                }
            }
            while let Some(note) = self.worker.poll_note() {
                moved = true;
                self.world.input(Input::Note(note));
            }
            if !moved {
                return;
            }
        }
    }

    fn deliver(&mut self, wire: Wire) {
        match wire {
            Wire::ToServer(n, octets) => {
                self.input(Input::Stream { stream: StreamId(n as u64), event: StreamEvent::Octets(&octets) });
            }
            Wire::EndToServer(n) => {
                self.input(Input::Stream { stream: StreamId(n as u64), event: StreamEvent::Closed })
            }
            Wire::ToClient(n, octets) => self.act(n, |client, now| client.on_stream(&octets, now)),
            Wire::EndToClient(n) => self.act(n, |client, _| client.on_close()),
            Wire::GreToServer(from, packet) => self.inject(from, &packet),
            Wire::GreToClient(n, packet) => self.act(n, |client, now| client.on_gre(&packet, now)),
            Wire::Lan(ip) => {
                self.world.tun_receives(&ip);
                self.drain();
            }
        }
    }

    /// Lets the time pass until something is so, at most `d`; says whether it is.
    pub fn run_until(&mut self, d: Duration, mut so: impl FnMut(&Self) -> bool) -> bool {
        let end = self.world.now().after(d);
        loop {
            self.drain();
            if so(self) {
                return true;
            }
            let clients = self.clients.iter().filter_map(Dialer::poll_timeout).min();
            let queue = self.queue.first_key_value().map(|((at, _), _)| *at);
            let own = earliest(earliest(clients, queue), self.worker.poll_timeout());
            let own = earliest(own, self.world.engine.poll_timeout().map(|(at, _)| at));
            // The world goes on to the next moment that matters here.
            let until = own.map_or(end, |own| own.min(end));
            let wait = until.since(self.world.now());
            self.world.run_for(wait);
            self.drain();
            let now = self.world.now();
            if own.is_none_or(|own| own > end) {
                return so(self);
            }
            while let Some(entry) = self.queue.first_entry().filter(|entry| now >= entry.key().0) {
                let wire = entry.remove();
                self.deliver(wire);
            }
            if self.worker.poll_timeout().is_some_and(|at| now >= at) {
                self.worker.handle_timeout(now);
                self.drain();
            }
            for n in 0..self.clients.len() {
                if self.clients[n].poll_timeout().is_some_and(|at| now >= at) {
                    self.act(n, |client, now| client.handle_timeout(now));
                }
            }
        }
    }

    /// Lets the time pass.
    pub fn run_for(&mut self, d: Duration) {
        self.run_until(d, |_| false);
    }

    /// Asks the host behind the server for an echo; gives its number.
    pub fn echo(&mut self, who: usize) -> u64 {
        self.asked += 1;
        let number = self.asked;
        let Some(inside) = self.clients[who].inside() else { return number };
        let payload = [MARK, &echo_head(number, who as u64), &[0x55; 400]].concat();
        let ip = packet::udp((inside, 9), (HOST, ECHO), &payload);
        self.act(who, |client, now| client.send_ip(&ip, now));
        number
    }

    /// Whether an echo comes back.
    pub fn reaches(&mut self, who: usize) -> bool {
        let number = self.echo(who);
        self.run_until(Duration::from_secs(2), |x| x.back[who].contains(&number))
    }

    /// How many of so many echoes, a few milliseconds apart, come back.
    pub fn count_echoes(&mut self, who: usize, count: usize) -> usize {
        let before = self.back[who].len();
        for _ in 0..count {
            self.echo(who);
            self.run_for(Duration::from_millis(5));
        }
        self.run_for(Duration::from_secs(1));
        self.back[who].len() - before
    }

    /// What the worker has counted.
    pub fn totals(&self) -> engine::legacy::GreTotals {
        self.worker.totals()
    }

    /// How many calls the worker knows.
    pub fn calls(&self) -> usize {
        self.worker.len()
    }

    /// The lines of the log that contain these words.
    pub fn lines(&self, words: &str) -> Vec<String> {
        self.world.lines(words)
    }

    /// The answer to an operator's line.
    pub fn ask(&mut self, line: &str) -> String {
        let request = command::parse_request(line).expect("a request");
        self.input(Input::Request(request, command::Scope::Global));
        self.world.answer()
    }

    /// The server is told to stop.
    pub fn shut_down(&mut self) {
        self.input(Input::Shutdown);
    }
}

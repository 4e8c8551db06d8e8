//! The swarm: a number becomes a topology, faults and a series of things that happen; what must hold is looked at after each.

use crate::configuration::config;
use crate::lan::{DhcpServer, Temper};
use crate::mischief;
use crate::net::Faults;
use crate::peer::{Carrier, Layer, Manner, Outer, Stage, manners};
use crate::rng::Rng;
use crate::world::{SERVER, Way, World};
use core::cell::RefCell;
use core::net::Ipv4Addr;
use core::time::Duration;
use std::collections::VecDeque;
use std::rc::Rc;
use wire::ppp::{Opt, Protocol};

/// Clients that are alive at once, at most.
const MOST_ALIVE: usize = 6;
/// Things that happen in one run.
const ACTIONS: u64 = 30;

/// A session of a client whose SAs have ended is gone after this.
const LINGER: Duration = Duration::from_secs(60);

/// Packets that somebody on the way remembers.
const MOST_SEEN: usize = 8;

/// The DHCP server of the LAN, in some worlds.
const DHCP: Ipv4Addr = Ipv4Addr::new(192, 168, 100, 2);

/// One run, named by its number.
pub struct Swarm {
    world: World,
    rng: Rng,
    nats: Vec<usize>,
    diary: Vec<String>,
    /// The clients have the manners of real ones.
    real: bool,
    /// They leave it to the server to renew their SAs.
    lazy: bool,
    /// Some clients are of bad will, hosts send what they like, and the operator changes things.
    hostile: bool,
    /// Somebody on the way: packets that were seen last. Nobody is there in the run of a number.
    seen: Option<Rc<RefCell<VecDeque<Outer>>>>,
    /// The configuration that the operator goes back to.
    first: Option<Box<command::Config>>,
}

fn milliseconds(n: u64) -> Duration {
    Duration::from_millis(n)
}

impl Swarm {
    /// The run of this number.
    pub fn new(seed: u64) -> Self {
        Self::of(Rng::new(seed ^ 0x0073_7761_726d), seed, false)
    }

    fn of(mut rng: Rng, seed: u64, hostile: bool) -> Self {
        let tunnels = 2 + rng.below(8) as u32;
        let pool = 1 + rng.below(8);
        let authentication = rng.below(5);
        let mut world = World::new(configuration(tunnels, pool, authentication, hostile), seed);
        if hostile && rng.happens(250) {
            world.command("pp select anonymous");
            world.command("ip pp remote address pool dhcpc lan1");
            let addresses: Vec<Ipv4Addr> = (0..pool as u8).map(|n| [192, 168, 100, 200 + n].into()).collect();
            // A lease whose release is not heard ends before the last client comes.
            let mut dhcp = DhcpServer::new(DHCP, &addresses);
            dhcp.seconds = 600;
            world.dhcp = Some(dhcp);
        }
        let first = hostile.then(|| Box::new(world.config.clone()));
        world.faults = faults(&mut rng);
        let nats = (0..rng.below(3)).map(|_| world.add_nat()).collect();
        Self { world, rng, nats, diary: vec![], real: false, lazy: false, hostile, seen: None, first }
    }

    /// A run whose topology, manners, faults and happenings these octets choose, as long as there are some; with somebody
    /// on the way who sends what he likes.
    pub fn of_octets(octets: &[u8]) -> Self {
        let mut rng = Rng::of_octets(octets);
        let seed = rng.below(256);
        let (real, hostile) = (rng.below(2) == 1, rng.below(2) == 1);
        let mut this = Self { real, lazy: seed % 4 == 3, ..Self::of(rng, seed, hostile) };
        let seen = Rc::new(RefCell::new(VecDeque::new()));
        this.seen = Some(seen.clone());
        this.world.filter = Some(Box::new(move |way, packet| {
            if way == Way::ToServer {
                let mut seen = seen.borrow_mut();
                seen.truncate(MOST_SEEN - 1);
                seen.push_front(packet.clone());
            }
            false
        }));
        this
    }

    /// The same world among clients with the manners of real ones.
    pub fn of_real_clients(seed: u64) -> Self {
        Self { real: true, ..Self::new(seed) }
    }

    /// The same world among clients that leave it to the server to renew their SAs.
    pub fn of_lazy_clients(seed: u64) -> Self {
        Self { lazy: true, ..Self::new(seed) }
    }

    /// The same world with clients of bad will among the others, hosts that send what they like, and an operator who
    /// changes things.
    pub fn of_hostile_clients(seed: u64) -> Self {
        Self { real: seed % 2 == 1, ..Self::of(Rng::new(seed ^ 0x0068_6f73_7469_6c65), seed, true) }
    }

    /// A client like any, or one with the manners of a real one.
    fn manner(&mut self) -> Manner {
        let mut any = manner(&mut self.rng);
        any.renews &= !self.lazy;
        if self.hostile && self.rng.happens(500) {
            any.aggressive = self.rng.happens(150).then(|| (2, b"client1".to_vec()));
            any.others = vec![(Protocol::Ipv6cp, vec![Opt { kind: 1, data: 9_u64.to_be_bytes().to_vec() }])];
        }
        if !self.real {
            return any;
        }
        let mut all = manners::all();
        let real = all.swap_remove(self.rng.below(all.len() as u64) as usize);
        Manner {
            renews: real.renews && any.renews,
            user: any.user,
            password: any.password,
            psk: any.psk,
            pretends_nat: any.pretends_nat,
            answers: any.answers,
            fragment: any.fragment,
            ..real
        }
    }

    /// Lives it through; the world's own checks panic where something is wrong.
    pub fn run(mut self) {
        for _ in 0..ACTIONS {
            if self.seen.is_some() && !self.rng.has_octets() {
                break;
            }
            self.act();
            let pause = match self.rng.below(4) {
                0 => self.rng.below(200),
                1 => self.rng.below(2000),
                2 => self.rng.below(20_000),
                _ => self.rng.below(90_000),
            };
            self.pass(milliseconds(pause));
            self.world.check_thoroughly();
        }
        self.end();
    }

    /// What has happened, for a failure's message.
    pub fn diary(&self) -> String {
        self.diary.join("\n")
    }

    /// Time passes, with some traffic of those who are up.
    fn pass(&mut self, span: Duration) {
        let pieces = 1 + self.rng.below(6) as u32;
        for _ in 0..pieces {
            for n in 0..self.world.peers.len() {
                if self.world.is_there(n) && self.world.peers[n].is_up() && self.rng.happens(500) {
                    let size = 40 + self.rng.below(1300) as usize;
                    self.world.echo(n, size);
                }
            }
            self.world.run_for(span / pieces);
        }
    }

    fn some(&mut self, fits: impl Fn(&World, usize) -> bool) -> Option<usize> {
        let all: Vec<usize> = (0..self.world.peers.len()).filter(|n| fits(&self.world, *n)).collect();
        (!all.is_empty()).then(|| all[self.rng.below(all.len() as u64) as usize])
    }

    fn note(&mut self, what: &str, who: Option<usize>) {
        let line =
            format!("{:9.3} {what} {}", self.world.now().0 as f64 / 1e9, who.map_or(String::new(), |n| n.to_string()));
        if std::env::var_os("SIM_DIARY").is_some() {
            eprintln!("{line}");
        }
        self.diary.push(line);
    }

    fn act(&mut self) {
        let there = |w: &World, n: usize| w.is_there(n);
        let up = |w: &World, n: usize| w.is_there(n) && w.peers[n].is_up();
        let ended = |w: &World, n: usize| w.is_there(n) && matches!(w.peers[n].stage(), Stage::Ended(_));
        let alive = (0..self.world.peers.len()).filter(|n| self.world.is_there(*n)).count();
        let what = self.rng.below(if self.hostile {
            44
        } else if self.seen.is_some() {
            32
        } else {
            24
        });
        match what {
            0..=4 if alive < MOST_ALIVE => {
                let manner = self.manner();
                let n = match self.rng.below(self.nats.len() as u64 + 1) as usize {
                    0 => self.world.add(manner),
                    nat => self.world.add_behind(self.nats[nat - 1], manner),
                };
                let kind = self.world.peers[n].manner_mut().name;
                self.note(&format!("a client ({kind}) dials"), Some(n));
                if self.hostile && self.rng.happens(300) {
                    self.turn_bad(n);
                }
                self.world.dial(n);
            }
            5 => self.with("hangs up", up, |p, now| p.hang_up(now)),
            6 => self.with("hangs up its call", up, |p, now| p.hang_up_call(now)),
            7 => self.with("dials again", ended, |p, now| p.dial(now)),
            8 => {
                if let Some(n) = self.some(there) {
                    self.note("vanishes", Some(n));
                    self.world.vanish(n);
                }
            }
            9 | 10 => {
                if let Some(n) = self.some(there) {
                    let manner = self.manner();
                    self.note("vanishes and comes back as the next", Some(n));
                    let n =
                        if what == 9 { self.world.replace(n, manner) } else { self.world.replace_in_place(n, manner) };
                    self.world.dial(n);
                }
            }
            11 | 12 => self.with("renews phase 2", up, |p, now| p.rekey_esp(now)),
            13 => self.with("renews phase 1", up, |p, now| p.rekey_ike(now)),
            14 => self.with("deletes its phase 1", up, |p, now| p.delete_ike(now)),
            15 => self.with("sends INITIAL-CONTACT", up, |p, now| p.initial_contact(now)),
            16 => self.with("asks whether the server is there", up, |p, now| p.probe(1, now)),
            17 | 18 if !self.nats.is_empty() => {
                let nat = self.nats[self.rng.below(self.nats.len() as u64) as usize];
                if what == 17 {
                    self.note("a NAT forgets", Some(nat));
                    self.world.nat(nat).forget();
                } else {
                    self.note("a NAT gets another address", Some(nat));
                    let last = 1 + self.rng.below(250) as u8;
                    // One box, one address: another block for each.
                    self.world.nat(nat).renumber([203, 1, nat as u8, last].into());
                }
            }
            19 => {
                let line = format!("disconnect anonymous{}", 1 + self.rng.below(4));
                self.note(&line, None);
                self.world.command(&line);
            }
            20 | 21 => {
                self.note("the server goes on from records", None);
                let _ = self.world.restart_from_records().expect("good records");
            }
            22 => {
                self.world.faults = faults(&mut self.rng);
                self.note(&format!("the network changes: {:?}", self.world.faults), None);
            }
            24..=31 if self.seen.is_some() || what < 28 => self.attack(),
            24.. => self.mischief(),
            _ => {
                for line in ["show status l2tp", "show status pp anonymous", "show ipsec sa"] {
                    self.world.command(line);
                }
            }
        }
    }

    /// Somebody sends what was seen on the way once more, perhaps with other octets, or what he makes up.
    fn attack(&mut self) {
        let seen = self.seen.as_ref().map(|seen| seen.borrow().clone()).unwrap_or_default();
        let place = self.rng.below(seen.len() as u64 + 3) as usize;
        let mut packet = seen.get(place).cloned().unwrap_or_else(|| {
            let port = [500, 4500, 0][place - seen.len()];
            let carrier = if port == 0 { Carrier::Esp } else { Carrier::Udp };
            let from = (Ipv4Addr::new(192, 0, 2, 1 + self.rng.below(4) as u8), port).into();
            let length = self.rng.below(300);
            let bytes = (0..length).map(|_| self.rng.below(256) as u8).collect();
            Outer { carrier, from, to: (SERVER, port).into(), bytes }
        });
        for _ in 0..self.rng.below(4) {
            let at = self.rng.below(packet.bytes.len() as u64) as usize;
            let octet = self.rng.below(256) as u8;
            if let Some(place) = packet.bytes.get_mut(at) {
                *place = octet;
            }
        }
        self.note(&format!("somebody sends {} octets from {}", packet.bytes.len(), packet.from), None);
        self.world.inject(packet);
    }

    /// The DHCP server of the LAN, where there is one, behaves like this from here on.
    fn temper(&mut self, temper: Temper) {
        if let Some(dhcp) = &mut self.world.dhcp {
            dhcp.temper = temper;
            self.note(&format!("the DHCP server: {temper:?}"), None);
        }
    }

    /// From here on, a client changes some of what it sends before it is protected.
    fn turn_bad(&mut self, n: usize) {
        let layers = [Layer::Isakmp, Layer::Payloads, Layer::Datagram, Layer::L2tp, Layer::Frame];
        let (layer, often) = (layers[self.rng.below(5) as usize], [0, 50, 300][self.rng.below(3) as usize]);
        self.note(&format!("is of bad will: {often} per mille of its {layer:?}"), Some(n));
        let mut rng = Rng::new(self.rng.below(256));
        self.world.peers[n].set_tamper(Some(Box::new(move |at, octets| {
            if at == layer && rng.happens(often) {
                mischief::mutated(&mut rng, octets);
            }
        })));
    }

    /// Somebody inside says what he likes, or the operator does.
    fn mischief(&mut self) {
        let up = |w: &World, n: usize| w.is_there(n) && w.peers[n].inside().is_some();
        let bad = |w: &World, n: usize| up(w, n) && w.peers[n].is_tampering();
        let prefix = self.world.prefixes.iter().next().copied();
        match self.rng.below(9) {
            8 => {
                let span = Duration::from_secs(60 * self.rng.below(256));
                self.note(&format!("{span:?} pass"), None);
                self.world.run_for(span);
            }
            0 => {
                if let Some(n) = self.some(|w, n| w.is_there(n) && !w.peers[n].is_tampering()) {
                    self.turn_bad(n);
                }
            }
            1..=4 => {
                let Some(n) = self.some(bad) else { return };
                for _ in 0..=self.rng.below(8) {
                    let inside = self.world.peers[n].inside().unwrap_or(Ipv4Addr::UNSPECIFIED);
                    let frame = mischief::frame(&mut self.rng, inside, prefix);
                    self.note(&format!("says {frame:02x?}"), Some(n));
                    self.world.act(n, |p, now| p.send_frame(&frame, now));
                    self.world.run_for(milliseconds(20));
                }
            }
            5 => {
                let Some(n) = self.some(bad) else { return };
                let (avps, of_call) = (mischief::avps(&mut self.rng), self.rng.happens(500));
                self.note(&format!("says by L2TP {avps:02x?}, of its call: {of_call}"), Some(n));
                self.world.act(n, |p, now| p.say_control(&avps, of_call, now));
            }
            6 => {
                let Some(n) = self.some(up) else { return };
                for _ in 0..=self.rng.below(4) {
                    let inside = self.world.peers[n].inside().unwrap_or(Ipv4Addr::UNSPECIFIED);
                    let packet = mischief::of_host(&mut self.rng, inside, prefix);
                    self.note(&format!("is sent {} octets by a host", packet.len()), Some(n));
                    self.world.tun_receives(&packet);
                    self.world.run_for(milliseconds(20));
                }
            }
            7 if self.world.dhcp.is_some() && self.rng.happens(500) => {
                let offering = Temper::Offering(Ipv4Addr::new(192, 168, 100, 200 + self.rng.below(3) as u8));
                let tempers =
                    [Temper::Willing, Temper::Silent, Temper::Fickle, offering, Temper::Stingy, Temper::Garbling];
                let temper = tempers[self.rng.below(6) as usize];
                self.temper(temper);
            }
            7 if self.rng.happens(400) => {
                if let Some(first) = &self.first {
                    self.world.configure(command::Config::clone(first));
                    self.note("the operator takes all back", None);
                }
            }
            _ => {
                let (scope, lines) = mischief::LINES[self.rng.below(mischief::LINES.len() as u64) as usize];
                let line = lines[self.rng.below(lines.len() as u64) as usize];
                let _ = self.world.try_command(scope);
                let answer = self.world.try_command(line);
                self.note(&format!("{line}: {answer:?}"), None);
            }
        }
    }

    fn with(
        &mut self,
        what: &str,
        fits: impl Fn(&World, usize) -> bool,
        act: impl FnOnce(&mut crate::Peer, engine::time::Instant),
    ) {
        if let Some(n) = self.some(fits) {
            self.note(what, Some(n));
            self.world.act(n, act);
        }
    }

    /// After the keepalive has had its time, each session of the server's has a client that is served.
    fn every_session_lives(&mut self) {
        let routes: Vec<_> = self.world.routes.iter().copied().collect();
        for address in routes {
            let all: Vec<usize> = (0..self.world.peers.len())
                .filter(|n| self.world.is_there(*n) && self.world.peers[*n].inside() == Some(address))
                .collect();
            // Who changes what it says may not know itself what it has agreed on.
            let bad = |n: &usize| self.world.peers[*n].is_tampering();
            if all.iter().any(bad) || (all.is_empty() && (0..self.world.peers.len()).any(|n| bad(&n))) {
                continue;
            }
            // One that said INITIAL-CONTACT in the middle of its session may still think that the address is its own.
            let served = all.iter().any(|n| self.world.peers[*n].is_up() && self.world.reaches(*n));
            // A client that has deleted its phase 1 and leaves it to the server to renew what it cannot, or does not heed
            // that the server has shortened a life: its SAs end, and a little later the session.
            if !served && (self.lazy || self.hostile) {
                self.world.run_for(LINGER);
            }
            // Time passes meanwhile, and the session may have come to its end in it.
            let served = served || !self.world.routes.contains(&address);
            let stories = || all.iter().map(|n| format!("client {n}\n{}", self.world.story(*n))).collect::<Vec<_>>();
            assert!(served, "the session of {address} serves nobody\n{}\n{}", self.diary(), stories().join("\n"));
        }
    }

    /// The weather clears up, a last client must get in and be served, then all leave and everything becomes quiet.
    fn end(mut self) {
        self.world.faults = Faults::default();
        self.note("the weather clears up", None);
        if let Some(first) = self.first.take() {
            self.world.configure(*first);
        }
        self.temper(Temper::Willing);
        self.world.run_for(Duration::from_secs(200));
        self.every_session_lives();
        self.note("the end", None);
        for n in 0..self.world.peers.len() {
            if self.world.is_there(n) {
                if self.rng.happens(500) {
                    self.world.act(n, |p, now| p.hang_up(now));
                }
                self.world.vanish(n);
            }
        }
        // Whoever has guessed has waited by then.
        self.world.run_for(Duration::from_secs(1000));
        let last = self.world.add(Manner::default());
        self.note("the last client", Some(last));
        self.world.connect(last);
        assert!(self.world.reaches(last), "the last client is not served\n{}", self.world.story(last));
        self.world.act(last, |p, now| p.hang_up(now));
        self.world.run_for(Duration::from_secs(200));
        assert!(self.world.routes.is_empty(), "routes are left");
        assert_eq!(self.world.engine.addresses_lent(), 0, "addresses are lent to nobody");
        // An ISAKMP SA without anything under it, of a client that vanished, may live for hours.
        self.world.run_for(Duration::from_secs(9 * 3600));
        assert_eq!(self.world.quiet(), Ok(()), "{}", self.diary());
        let calls = self.world.lines("Call detected").len();
        self.note(&format!("quiet after {calls} calls, {} crossings", self.world.crossed()), None);
    }
}

fn faults(rng: &mut Rng) -> Faults {
    if rng.happens(300) {
        return Faults::default();
    }
    Faults {
        delay: milliseconds(1 + rng.below(150)),
        jitter: milliseconds(rng.below(60)),
        loss: [0, 0, 10, 50, 150][rng.below(5) as usize],
        duplicate: [0, 0, 50, 300][rng.below(4) as usize],
        reorder: [0, 0, 50, 200][rng.below(4) as usize],
    }
}

fn manner(rng: &mut Rng) -> Manner {
    let second = rng.happens(300);
    Manner {
        phase1: vec![(7, Some(128), 2, 2)],
        pfs: rng.happens(200).then_some(2),
        user: if second { "second".into() } else { "vpnuser".into() },
        password: match rng.below(10) {
            0 => "guessed".into(),
            _ if second => "Second-2".into(),
            _ => "vpn-Passw0rd".into(),
        },
        psk: if rng.happens(60) { b"guessed".to_vec() } else { b"sim-psk".to_vec() },
        natt: !rng.happens(50),
        pretends_nat: rng.happens(100),
        l2tp_port: if rng.happens(200) { 40_000 + rng.below(1000) as u16 } else { 1701 },
        tunnel_id: rng.happens(300).then_some(1),
        initial_contact: rng.happens(300),
        length_bit: rng.happens(700),
        window: 1 + rng.below(8) as u16,
        mru: rng.happens(700).then(|| 1270 + rng.below(231) as u16),
        fragment: rng.happens(100).then(|| 150 + rng.below(400) as usize),
        deletes_old: rng.happens(600),
        renews: true,
        answers: rng.happens(800),
        rekeys_on_500: rng.happens(200),
        phase1_alone: rng.happens(200),
        lives: ([600, 3600, 28_800][rng.below(3) as usize], [120, 600, 3600][rng.below(3) as usize]),
        ..Manner::default()
    }
}

fn configuration(tunnels: u32, pool: u64, authentication: u64, hostile: bool) -> command::Config {
    let word = ["mschap-v2", "mschap-v2", "chap", "pap", "mschap"][authentication as usize % 5];
    let mut lines = format!(
        "pp select anonymous\n pp auth request {word}\n \
         ip pp remote address pool 192.168.100.200-192.168.100.{}",
        199 + pool
    );
    if !hostile {
        return config(tunnels, &[&lines]);
    }
    lines.push_str("\n ppp ipv6cp use on\n ipv6 pp remote prefix pool 2001:db8:200::/56");
    config(tunnels, &[&mischief::SERVED[..], &[&lines]].concat())
}

//! The load client: thousands of simulated clients over real sockets from one process, with figures as JSON.
//!
//! Each client has an outer address of its own out of a network that is local here (`ip route add local NET dev lo`), so
//! one process in a network namespace is a crowd. `sim/load.sh` makes the namespace, starts the server and calls this.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "development only; a broken run must stop at once"
)]

mod bad;
mod bare;
mod bursts;
mod flood;
mod losses;
mod report;
mod soak;

use bad::Bad;
use bare::Bare;
use engine::time::Instant;
use flood::Flood;
use losses::Losses;
use report::{Connected, Flooded, Shared, Talk, Talked};
use rustix::event::{Timespec, epoll};
use sim::{Carrier, Manner, Outer, Peer, Stage, packet};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const USAGE: &str = "\
load: many L2TP/IPsec clients at once, from one process

  --server ADDRESS      the server's outer address (198.18.0.1)
  --from ADDRESS        the first client's outer address; the others follow it (198.19.0.1)
  --clients N           how many (1000)
  --flight N            how many connect at the same time (32)
  --psk KEY             (sim-psk)
  --user NAME --password WORD   (vpnuser, vpn-Passw0rd)
  --group N             Diffie-Hellman group of phase 1 (14)
  --idle SECONDS        how long all stay connected without traffic (0)
  --echo ADDRESS:PORT   an echo that this process offers behind the server
  --far-echo ADDRESS:PORT   one that is there already, instead
  --traffic RATE:TALKERS:SECONDS   datagrams a second in all, by so many clients, to the echo and back
  --alone SECONDS       what one session carries, to the echo and back, before the others connect and among them; they
                        leave and come again, so that there are three rounds of both
  --share RATE:TALKERS:SECONDS   datagrams a second by one session, as many in all by so many, and by these through a bare
                        loop of the same calls into the kernel, which sim/load.sh has made a device for; in five rounds
  --bursts ROUNDS:N     what the data thread needs for each packet of TCP in each direction when nothing else goes on:
                        the first client's, N super-packets of 46 at once
  --size OCTETS         of each datagram's IP packet (200)
  --storm               all vanish without a word and return at once, but the first tenth, which stays and talks
  --flood RATE:SECONDS  so many packets a second from addresses that nobody has, while half of the clients go and come
                        again and the others talk, and somebody who answers sends public values that must not be used;
                        needs the counter that sim/load.sh makes
  --later SECONDS       after a flood, and when all have left, memory is told once more so much later: after a minute
                        the server has forgotten everything (0)
  --soak MINUTES        clients come, go, vanish, talk and renew short-lived SAs all the time; what the server holds is
                        told twenty times, and must not grow
  --server-pid PID      its CPU time and resident memory are told
  --server-binary PATH  asks the server what it has dropped and what it holds (with SEKISHO_RUN_DIR as it has)
  --give-up SECONDS     a client that is not up by then counts as failed (60)

One JSON object on the standard output.
";

/// A client that has something to do looks again after this at the latest.
const NAP: Duration = Duration::from_millis(50);

/// What was asked for.
struct Wanted {
    server: Ipv4Addr,
    from: Ipv4Addr,
    clients: u32,
    flight: usize,
    psk: String,
    user: String,
    password: String,
    group: u16,
    idle: Duration,
    echo: Option<SocketAddrV4>,
    /// It is this process that echoes.
    echoes: bool,
    traffic: Option<(u64, usize, Duration)>,
    alone: Option<Duration>,
    share: Option<(u64, usize, Duration)>,
    bursts: Option<(u32, usize)>,
    size: usize,
    storm: bool,
    flood: Option<(u64, Duration)>,
    later: Duration,
    soak: Option<Duration>,
    server_pid: Option<u32>,
    server_binary: Option<String>,
    give_up: Duration,
}

fn wanted() -> Result<Wanted, String> {
    let mut wanted = Wanted {
        server: Ipv4Addr::new(198, 18, 0, 1),
        from: Ipv4Addr::new(198, 19, 0, 1),
        clients: 1000,
        flight: 32,
        psk: "sim-psk".to_owned(),
        user: "vpnuser".to_owned(),
        password: "vpn-Passw0rd".to_owned(),
        group: 14,
        idle: Duration::ZERO,
        echo: None,
        echoes: true,
        traffic: None,
        alone: None,
        share: None,
        bursts: None,
        size: 200,
        storm: false,
        flood: None,
        later: Duration::ZERO,
        soak: None,
        server_pid: None,
        server_binary: None,
        give_up: Duration::from_secs(60),
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        if word == "--help" {
            return Err(USAGE.to_owned());
        }
        if word == "--storm" {
            wanted.storm = true;
            continue;
        }
        let value = words.next().ok_or_else(|| format!("{word} needs a value\n\n{USAGE}"))?;
        let wrong = || format!("{word}: {value} is no such value\n\n{USAGE}");
        let seconds = |text: &str| text.parse().map(Duration::from_secs).map_err(|_| wrong());
        match word.as_str() {
            "--server" => wanted.server = value.parse().map_err(|_| wrong())?,
            "--from" => wanted.from = value.parse().map_err(|_| wrong())?,
            "--clients" => wanted.clients = value.parse().map_err(|_| wrong())?,
            "--flight" => wanted.flight = value.parse().map_err(|_| wrong())?,
            "--psk" => wanted.psk = value,
            "--user" => wanted.user = value,
            "--password" => wanted.password = value,
            "--group" => wanted.group = value.parse().map_err(|_| wrong())?,
            "--idle" => wanted.idle = seconds(&value)?,
            "--echo" => wanted.echo = Some(value.parse().map_err(|_| wrong())?),
            "--far-echo" => {
                wanted.echo = Some(value.parse().map_err(|_| wrong())?);
                wanted.echoes = false;
            }
            "--traffic" | "--share" => {
                let parts: Vec<&str> = value.split(':').collect();
                let [rate, talkers, time] = parts[..] else { return Err(wrong()) };
                let talkers = talkers.parse().map_err(|_| wrong())?;
                let asked = Some((rate.parse().map_err(|_| wrong())?, talkers, seconds(time)?));
                if word == "--share" { wanted.share = asked } else { wanted.traffic = asked }
            }
            "--alone" => wanted.alone = Some(seconds(&value)?),
            "--flood" => {
                let (rate, time) = value.split_once(':').ok_or_else(wrong)?;
                wanted.flood = Some((rate.parse().map_err(|_| wrong())?, seconds(time)?));
            }
            "--soak" => wanted.soak = Some(seconds(&value)? * 60),
            "--later" => wanted.later = seconds(&value)?,
            "--bursts" => {
                let (rounds, supers) = value.split_once(':').ok_or_else(wrong)?;
                let supers = supers.parse().ok().filter(|supers| (1..=20).contains(supers)).ok_or_else(wrong)?;
                wanted.bursts = Some((rounds.parse().map_err(|_| wrong())?, supers));
            }
            "--size" => wanted.size = value.parse().map_err(|_| wrong())?,
            "--server-pid" => wanted.server_pid = Some(value.parse().map_err(|_| wrong())?),
            "--server-binary" => wanted.server_binary = Some(value),
            "--give-up" => wanted.give_up = seconds(&value)?,
            _ => return Err(format!("{word} is not known\n\n{USAGE}")),
        }
    }
    let talks = wanted.traffic.is_some() || wanted.alone.is_some() || wanted.share.is_some();
    if talks && wanted.echo.is_none() {
        return Err("--traffic, --alone and --share need --echo".to_owned());
    }
    Ok(wanted)
}

/// One client and its sockets: that of port 500 is open while it connects, so that descriptors suffice for thousands.
struct Client {
    peer: Peer,
    sockets: [Option<UdpSocket>; 2],
    address: Ipv4Addr,
    dialled: Instant,
    /// The earliest entry of it in the agenda, if there is one.
    due: Option<Instant>,
}

/// All clients and what they share.
struct Crowd {
    wanted: Wanted,
    start: std::time::Instant,
    epoll: OwnedFd,
    /// Clients that talk while thousands connect: what they hear does not wait behind what those hear, whose messages
    /// keep this process busy.
    talkers: OwnedFd,
    clients: Vec<Client>,
    agenda: BinaryHeap<Reverse<(Instant, usize)>>,
    /// Numbered datagrams under way, and when each left.
    asked: BTreeMap<u64, Instant>,
    next_number: u64,
    times: Vec<Duration>,
    sent: u64,
    answered: u64,
    /// Those of them that have come to the echo.
    arrived: Arc<AtomicU64>,
    /// Packets that this machine would not send.
    unsent: u64,
    /// While it is `Some`, packets wait here until all of a burst are made.
    burst: Option<Vec<Parcel>>,
    /// How many of those that connect were up when this much memory was resident, kB: what the server needs once is
    /// needed by then.
    after_some: Option<(usize, u64)>,
}

/// A packet that a client's socket is to send.
struct Parcel {
    client: usize,
    /// From port 4500, not 500.
    floated: bool,
    to: SocketAddr,
    bytes: Vec<u8>,
}

/// Datagrams of which nothing is heard for so long are lost.
const LOST: Duration = Duration::from_millis(200);
/// How many clients set out between two looks at the others.
const AT_ONCE: usize = 16;
/// Datagrams a second of those that stay while others connect.
const TALK_RATE: u64 = 500;
/// Those that leave at the same time, at most.
const TALK_BURST: u64 = 32;
/// Packets that are looked at before deadlines have their turn: many of them make the client compute for a millisecond.
const EVENTS: usize = 32;
/// How many one session keeps under way.
const WINDOW: usize = 64;

/// The server gives memory back some seconds after many have gone.
const GONE: Duration = Duration::from_secs(8);
/// What may wait at the echo, octets.
const ECHO_BUFFER: usize = 8 << 20;

/// Rounds of what is compared, one after the other in each.
const ROUNDS: u32 = 5;
/// Rounds for which thousands have to leave and come again.
const FEW_ROUNDS: usize = 3;

/// The host behind the server, on a thread of its own: it answers however busy the clients are, and counts what comes.
fn echo(place: SocketAddrV4, arrived: Arc<AtomicU64>) {
    let socket = UdpSocket::bind(place).expect("the echo's address is here");
    // Whoever answers for thousands must not be what loses their packets.
    rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, ECHO_BUFFER).expect("root may make it as large");
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            arrived.fetch_add(1, Ordering::Relaxed);
            // What cannot be sent is lost like anything on a network.
            let _ = socket.send_to(&buffer[..length], from);
        }
    });
}

impl Crowd {
    fn new(wanted: Wanted) -> Self {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
        let arrived = Arc::new(AtomicU64::new(0));
        if let Some(place) = wanted.echo.filter(|_| wanted.echoes) {
            echo(place, arrived.clone());
        }
        let mut crowd = Self {
            wanted,
            start: std::time::Instant::now(),
            epoll,
            talkers: epoll::create(epoll::CreateFlags::CLOEXEC).unwrap(),
            clients: Vec::new(),
            agenda: BinaryHeap::new(),
            asked: BTreeMap::new(),
            next_number: 0,
            times: Vec::new(),
            sent: 0,
            answered: 0,
            arrived,
            unsent: 0,
            burst: None,
            after_some: None,
        };
        for n in 0..crowd.wanted.clients {
            let client = crowd.client(n);
            crowd.clients.push(client);
        }
        crowd
    }

    fn peer(&self, n: u32, address: Ipv4Addr, life: u64) -> Peer {
        let wanted = &self.wanted;
        let manner = Manner {
            phase1: vec![(7, Some(256), 2, wanted.group)],
            phase2: vec![(12, Some(128), 2)],
            psk: wanted.psk.clone().into_bytes(),
            user: wanted.user.clone(),
            password: wanted.password.clone(),
            pretends_nat: true,
            initial_contact: true,
            any_order: true,
            host_name: format!("load-{n}"),
            renews: wanted.soak.is_some(),
            lives: if wanted.soak.is_some() { soak::LIVES } else { Manner::default().lives },
            ..Manner::default()
        };
        Peer::new(manner, address.into(), wanted.server.into(), (life << 32) | u64::from(n))
    }

    fn client(&self, n: u32) -> Client {
        let address = Ipv4Addr::from(u32::from(self.wanted.from) + n);
        let sockets = [None, Some(self.socket(n, address, 4500))];
        Client { peer: self.peer(n, address, 0), sockets, address, dialled: Instant(0), due: None }
    }

    /// A client's socket, watched.
    fn socket(&self, n: u32, address: Ipv4Addr, port: u16) -> UdpSocket {
        let socket =
            UdpSocket::bind((address, port)).expect("the clients' network is local here, and descriptors suffice");
        socket.set_nonblocking(true).unwrap();
        let data = epoll::EventData::new_u64(u64::from(n) * 2 + u64::from(port == 4500));
        epoll::add(&self.epoll, socket.as_fd(), data, epoll::EventFlags::IN).unwrap();
        socket
    }

    fn now(&self) -> Instant {
        Instant(1_000_000_000).after(self.start.elapsed())
    }

    fn act(&mut self, n: usize, act: impl FnOnce(&mut Peer, Instant)) {
        let now = self.now();
        act(&mut self.clients[n].peer, now);
        self.after(n);
    }

    /// Sends what a client has to send and notes when it wants to be called.
    fn after(&mut self, n: usize) {
        while let Some(packet) = self.clients[n].peer.poll_transmit() {
            let floated = packet.from.port() == 4500;
            self.send(Parcel { client: n, floated, to: packet.to, bytes: packet.bytes });
        }
        while let Some(inner) = self.clients[n].peer.poll_inner() {
            self.hear(&inner);
        }
        let client = &mut self.clients[n];
        let due = client.peer.poll_timeout();
        if let Some(due) = due
            && client.due.is_none_or(|noted| due < noted)
        {
            client.due = Some(due);
            self.agenda.push(Reverse((due, n)));
        }
    }

    fn send(&mut self, parcel: Parcel) {
        if let Some(burst) = &mut self.burst {
            burst.push(parcel);
        } else if let Some(socket) = &self.clients[parcel.client].sockets[usize::from(parcel.floated)] {
            // What cannot be sent is lost like anything on a network.
            self.unsent += u64::from(socket.send_to(&parcel.bytes, parcel.to).is_err());
        }
    }

    /// Does something for which packets are sent, and sends them one right behind the other when it is done: how they
    /// arrive does not depend on how long each takes to make.
    fn burst(&mut self, make: impl FnOnce(&mut Self)) {
        self.burst = Some(Vec::new());
        make(self);
        for parcel in self.burst.take().unwrap_or_default() {
            self.send(parcel);
        }
    }

    /// Waits for packets and deadlines, at most so long, and handles them.
    fn turn(&mut self, most: Duration) {
        let now = self.now();
        while let Some(&Reverse((due, n))) = self.agenda.peek()
            && due <= now
        {
            self.agenda.pop();
            if self.clients[n].due == Some(due) {
                self.clients[n].due = None;
            }
            if self.clients[n].peer.poll_timeout().is_some_and(|due| due <= now) {
                self.clients[n].peer.handle_timeout(now);
            }
            self.after(n);
        }
        let next = self.agenda.peek().map_or(NAP, |Reverse((due, _))| due.since(now)).min(NAP).min(most);
        let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(next.subsec_nanos()) };
        let nothing = epoll::Event { flags: epoll::EventFlags::empty(), data: epoll::EventData::new_u64(0) };
        let mut events = [nothing; 2 * EVENTS];
        let (first, others) = events.split_at_mut(EVENTS);
        let first = epoll::wait(&self.talkers, first, Some(&Timespec::default())).unwrap_or(0);
        let others = epoll::wait(&self.epoll, others, Some(&timeout)).unwrap_or(0);
        let mut buffer = [0; 4096];
        for event in events[..first].iter().chain(&events[EVENTS..EVENTS + others]) {
            let data = event.data.u64();
            let (n, which) = ((data / 2) as usize, (data % 2) as usize);
            while let Some((length, from)) =
                self.clients[n].sockets[which].as_ref().and_then(|socket| socket.recv_from(&mut buffer).ok())
            {
                if from.port() == bare::PORT {
                    let inner = usize::from(u16::from_be_bytes([buffer[2], buffer[3]]));
                    self.hear(&buffer[..inner.min(length)]);
                    continue;
                }
                let to = SocketAddr::new(self.clients[n].address.into(), [500, 4500][which]);
                let packet = Outer { carrier: Carrier::Udp, from, to, bytes: buffer[..length].to_vec() };
                let now = self.now();
                self.clients[n].peer.handle_packet(&packet, now);
                self.after(n);
            }
        }
    }

    /// Lets some clients connect, so many at a time; meanwhile `talkers` ask the echo.
    fn connect(&mut self, who: Vec<usize>, talkers: usize, flight: usize) -> Connected {
        let start = std::time::Instant::now();
        let cpu = self.server_cpu();
        let mut waiting = who.into_iter().rev().collect::<Vec<_>>();
        let total = waiting.len();
        let mut flying: Vec<usize> = Vec::new();
        let mut took = Vec::new();
        let mut failed: BTreeMap<String, u32> = BTreeMap::new();
        let (sent, answered, arrived) = (self.sent, self.answered, self.arrived.load(Ordering::Relaxed));
        let (losses, unsent) = (self.losses(), self.unsent);
        self.times.clear();
        let mut asked = 0;
        while !waiting.is_empty() || !flying.is_empty() {
            // However many may fly, the others are not kept waiting until all have left.
            for _ in 0..flight.saturating_sub(flying.len()).min(AT_ONCE) {
                let Some(n) = waiting.pop() else { break };
                let now = self.now();
                let socket = self.socket(n as u32, self.clients[n].address, 500);
                self.clients[n].sockets[0] = Some(socket);
                self.clients[n].dialled = now;
                self.act(n, Peer::dial);
                flying.push(n);
            }
            let due = (start.elapsed().as_secs_f64() * TALK_RATE as f64) as u64;
            // What was put off, because this process was busy, is not made up for in one go.
            for _ in 0..if talkers > 0 { due.saturating_sub(asked).min(TALK_BURST) } else { 0 } {
                self.ask(self.next_number as usize % talkers);
            }
            asked = due;
            let most = if talkers > 0 { Duration::from_millis(2) } else { NAP };
            self.turn(if waiting.is_empty() || flying.len() >= flight { most } else { Duration::ZERO });
            let now = self.now();
            let (clients, give_up) = (&mut self.clients, self.wanted.give_up);
            flying.retain(|&n| {
                let client = &mut clients[n];
                let time = now.since(client.dialled);
                match client.peer.stage() {
                    Stage::Up => took.push(time),
                    Stage::Ended(why) => *failed.entry(why.clone()).or_default() += 1,
                    stage if time > give_up => *failed.entry(format!("still in {stage:?}")).or_default() += 1,
                    Stage::Idle | Stage::Phase1 | Stage::Phase2 | Stage::L2tp | Stage::Ppp => return true,
                }
                client.sockets[0] = None;
                false
            });
            if self.after_some.is_none() && took.len() >= total / 10 {
                self.after_some = Some((took.len(), self.server_memory()));
            }
        }
        let seconds = start.elapsed();
        if talkers > 0 {
            self.settle();
        }
        Connected {
            total,
            took,
            failed,
            seconds,
            cpu: self.server_cpu() - cpu,
            talk: Talk {
                sent: self.sent - sent,
                arrived: self.arrived.load(Ordering::Relaxed) - arrived,
                answered: self.answered - answered,
                times: std::mem::take(&mut self.times),
                fallen: (0..talkers).filter(|&n| !self.clients[n].peer.is_up()).count(),
                unsent: self.unsent - unsent,
                losses: self.losses().since(&losses),
            },
        }
    }

    /// A client sends a numbered datagram to the echo.
    fn ask(&mut self, n: usize) {
        let (Some(echo), Some(inside)) = (self.wanted.echo, self.clients[n].peer.inside()) else { return };
        let datagram = self.question((inside, 4000), echo);
        self.act(n, |peer, now| peer.send_ip(&datagram, now));
    }

    /// The next numbered datagram to the echo.
    fn question(&mut self, from: (Ipv4Addr, u16), echo: SocketAddrV4) -> Vec<u8> {
        let mut payload = self.next_number.to_be_bytes().to_vec();
        payload.resize(self.wanted.size.saturating_sub(28).max(8), 0x55);
        self.asked.insert(self.next_number, self.now());
        self.next_number += 1;
        self.sent += 1;
        packet::udp(from, (*echo.ip(), echo.port()), &payload)
    }

    /// An answer of the echo has come to a client.
    fn hear(&mut self, inner: &[u8]) {
        let number = packet::read_udp(inner).and_then(|(_, _, payload)| payload.first_chunk::<8>().copied());
        if let Some(left) = number.and_then(|n| self.asked.remove(&u64::from_be_bytes(n))) {
            self.answered += 1;
            self.times.push(self.now().since(left));
        }
    }

    /// Waits for the last answers, as long as any come.
    fn settle(&mut self) {
        let (mut heard, mut seen) = (std::time::Instant::now(), self.answered);
        while !self.asked.is_empty() && heard.elapsed() < Duration::from_secs(1) {
            if self.answered != seen {
                (heard, seen) = (std::time::Instant::now(), self.answered);
            }
            self.turn(NAP);
        }
        self.asked.clear();
    }

    /// All clients from this one on hang up, a thousand a second: a goodbye that the server has no room for is not said
    /// again, and the server would wait for the client in vain.
    fn leave(&mut self, first: usize) {
        let start = std::time::Instant::now();
        for n in first..self.clients.len() {
            self.act(n, Peer::hang_up);
            while start.elapsed().as_millis() < (n - first) as u128 {
                self.turn(Duration::from_millis(1));
            }
        }
    }

    fn rest(&mut self, time: Duration) -> f64 {
        let (start, cpu) = (std::time::Instant::now(), self.server_cpu());
        while start.elapsed() < time {
            self.turn(NAP);
        }
        (self.server_cpu() - cpu) / start.elapsed().as_secs_f64().max(1e-9)
    }

    fn traffic(&mut self, rate: u64, talkers: usize, time: Duration) -> Talked {
        self.talk(rate, talkers, time, Self::ask)
    }

    /// So many datagrams a second by so many clients, each as `ask` sends it.
    fn talk(&mut self, rate: u64, talkers: usize, time: Duration, ask: fn(&mut Self, usize)) -> Talked {
        let up: Vec<usize> = (0..self.clients.len()).filter(|&n| self.clients[n].peer.is_up()).take(talkers).collect();
        let (start, cpu) = (std::time::Instant::now(), self.server_cpu());
        let (sent, answered) = (self.sent, self.answered);
        self.times.clear();
        let mut turn = 0;
        while start.elapsed() < time && !up.is_empty() {
            let due = (start.elapsed().as_secs_f64() * rate as f64) as u64;
            let due = due.saturating_sub(self.sent - sent);
            // A millisecond's worth at once: how many are handled together must not hang on who is how fast.
            let count = if due < rate / 1000 { 0 } else { due.min(64) as usize };
            self.burst(|crowd| (turn..turn + count).for_each(|at| ask(crowd, up[at % up.len()])));
            turn += count;
            self.turn(Duration::from_millis(1));
        }
        let seconds = start.elapsed();
        self.settle();
        Talked {
            talkers: up.len(),
            seconds,
            sent: self.sent - sent,
            answered: self.answered - answered,
            cpu: self.server_cpu() - cpu,
            times: std::mem::take(&mut self.times),
        }
    }

    /// Some clients keep so many datagrams under way as long as this lasts: as many as come through.
    fn pump(&mut self, who: &[usize], window: usize, time: Duration) -> Talked {
        let (start, cpu) = (std::time::Instant::now(), self.server_cpu());
        let (sent, answered) = (self.sent, self.answered);
        let (mut turn, mut seen, mut heard) = (0, self.answered, start);
        self.times.clear();
        while start.elapsed() < time && !who.is_empty() {
            if self.answered != seen {
                (seen, heard) = (self.answered, std::time::Instant::now());
            } else if heard.elapsed() > LOST {
                self.asked.clear();
                heard = std::time::Instant::now();
            }
            while self.asked.len() < window {
                self.ask(who[turn % who.len()]);
                turn += 1;
            }
            self.turn(Duration::from_millis(1));
        }
        let seconds = start.elapsed();
        self.settle();
        Talked {
            talkers: who.len(),
            seconds,
            sent: self.sent - sent,
            answered: self.answered - answered,
            cpu: self.server_cpu() - cpu,
            times: std::mem::take(&mut self.times),
        }
    }

    /// One load offered by one session, the same by many, and the same through nothing but the kernel.
    fn share(&mut self, rate: u64, talkers: usize, time: Duration) -> Shared {
        let each = time / ROUNDS;
        let mut shared = Shared::default();
        for _ in 0..ROUNDS {
            shared.by_one.push(self.traffic(rate, 1, each));
            shared.by_many.push(self.traffic(rate, talkers, each));
            let server = self.wanted.server_pid.expect("--share needs --server-pid");
            let bare = Bare::start(server, self.wanted.from);
            let cpu = bare.cpu();
            let mut talked = self.talk(rate, talkers, each, Self::ask_bare);
            talked.cpu = bare.cpu() - cpu;
            bare.end();
            shared.bare.push(talked);
        }
        shared
    }

    /// A client sends a numbered datagram to the echo, through the bare loop.
    fn ask_bare(&mut self, n: usize) {
        let Some(echo) = self.wanted.echo else { return };
        let datagram = self.question((bare::inside(n), 4000), echo);
        let to = SocketAddr::from((self.wanted.server, bare::PORT));
        self.send(Parcel { client: n, floated: true, to, bytes: bare::wrapped(&datagram) });
    }

    /// All but the first tenth vanish without a word and return at once.
    fn storm(&mut self) -> Connected {
        let stay = self.clients.len() / 10;
        let who: Vec<usize> = (stay..self.clients.len()).collect();
        for &n in &who {
            let address = self.clients[n].address;
            self.clients[n].peer = self.peer(n as u32, address, 1);
            self.clients[n].due = None;
        }
        let talkers = if self.wanted.echo.is_some() { stay } else { 0 };
        for n in 0..talkers {
            let socket = self.clients[n].sockets[1].as_ref().expect("it is open as long as the client is there");
            epoll::delete(&self.epoll, socket).unwrap();
            let data = epoll::EventData::new_u64(n as u64 * 2 + 1);
            epoll::add(&self.talkers, socket, data, epoll::EventFlags::IN).unwrap();
        }
        let flight = who.len();
        self.connect(who, talkers, flight)
    }

    /// Nobody sends so many packets a second, while the second half of the clients vanish and come again, four at a time,
    /// and the first half talks.
    fn flood(&mut self, rate: u64, time: Duration) -> Flooded {
        let stay = self.clients.len() / 2;
        let talkers = if self.wanted.echo.is_some() { stay } else { 0 };
        let (memory, cpu, answered) = (self.server_memory(), self.server_cpu(), flood::answered());
        let flood = Flood::start(self.wanted.server, rate);
        let bad = Bad::start(self.wanted.server, self.wanted.psk.clone().into_bytes());
        let start = std::time::Instant::now();
        let mut rounds: Vec<Connected> = Vec::new();
        while start.elapsed() < time {
            let who: Vec<usize> = (stay..self.clients.len()).collect();
            for &n in &who {
                self.clients[n].peer = self.peer(n as u32, self.clients[n].address, 2 + rounds.len() as u64);
                self.clients[n].due = None;
            }
            rounds.push(self.connect(who, talkers, 4));
        }
        let seconds = start.elapsed();
        let cores = (self.server_cpu() - cpu) / seconds.as_secs_f64();
        let (sent, bad) = (flood.end(), bad.end());
        // What is under way is answered first.
        self.rest(Duration::from_millis(200));
        let answered = flood::answered() - answered;
        let after = self.server_memory();
        self.rest(self.wanted.later);
        Flooded { seconds, sent, bad, answered, rounds, cores, memory: [memory, after, self.server_memory()] }
    }

    /// What was lost so far, anywhere on the way.
    fn losses(&self) -> Losses {
        Losses::so_far(self.wanted.server_pid, self.wanted.server_binary.as_deref())
    }

    /// CPU seconds of the server's threads so far, user and system.
    fn server_cpu(&self) -> f64 {
        let Some(pid) = self.wanted.server_pid else { return 0.0 };
        let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("the server lives");
        threads.flatten().map(|thread| bare::run_time(&format!("{}/schedstat", thread.path().display()))).sum()
    }

    /// Resident memory of the server, kB.
    fn server_memory(&self) -> u64 {
        let Some(pid) = self.wanted.server_pid else { return 0 };
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the server lives");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

fn main() -> std::process::ExitCode {
    let wanted = match wanted() {
        Ok(wanted) => wanted,
        Err(words) => {
            eprintln!("{words}");
            return std::process::ExitCode::from(2);
        }
    };
    let (idle, traffic, storm, flight) = (wanted.idle, wanted.traffic, wanted.storm, wanted.flight);
    let (flooded, alone, share, soak) = (wanted.flood, wanted.alone, wanted.share, wanted.soak);
    let (later, bursts) = (wanted.later, wanted.bursts);
    let mut crowd = Crowd::new(wanted);
    let mut told = Vec::new();
    let mut alone = alone.map(|time| {
        crowd.connect(vec![0], 0, 1);
        (time, vec![crowd.pump(&[0], WINDOW, time)])
    });
    crowd.after_some = None;
    let before = crowd.server_memory();
    let everybody = (usize::from(alone.is_some())..crowd.clients.len()).collect();
    let connected = crowd.connect(everybody, 0, flight);
    let (up, total) = (connected.took.len(), connected.total);
    told.push(format!("\"connect\": {}", connected.json()));
    if !idle.is_zero() {
        let cpu = crowd.rest(idle);
        told.push(format!("\"idle\": {{\"seconds\": {}, \"server_cores\": {cpu:.4}}}", idle.as_secs()));
    }
    // After a minute of idling what is kept for repeated messages is gone.
    let after = crowd.server_memory();
    let each = after.saturating_sub(before) as f64 / up.max(1) as f64;
    let (some, at_some) = crowd.after_some.unwrap_or_default();
    let further = after.saturating_sub(at_some) as f64 / up.saturating_sub(some).max(1) as f64;
    told.push(format!(
        "\"memory_kb\": {{\"before\": {before}, \"after\": {after}, \"each\": {each:.2}, \
         \"each_after_the_first_tenth\": {further:.2}}}"
    ));
    if let Some((time, mut alone)) = alone.take() {
        let mut among = vec![crowd.pump(&[0], WINDOW, time)];
        for life in 1..FEW_ROUNDS as u64 {
            crowd.leave(1);
            crowd.rest(GONE);
            alone.push(crowd.pump(&[0], WINDOW, time));
            for n in 1..crowd.clients.len() {
                crowd.clients[n].peer = crowd.peer(n as u32, crowd.clients[n].address, life);
                crowd.clients[n].due = None;
            }
            let everybody: Vec<usize> = (1..crowd.clients.len()).collect();
            crowd.connect(everybody, 0, flight);
            among.push(crowd.pump(&[0], WINDOW, time));
        }
        let rate = report::median(&among, Talked::rate) / report::median(&alone, Talked::rate).max(1e-9);
        let cost = report::median(&among, Talked::cost) / report::median(&alone, Talked::cost).max(1e-9);
        told.push(format!(
            "\"alone\": {},\n \"among_idle\": {},\n \"among_idle_to_alone\": {{\"rate\": {rate:.3}, \"cost\": {cost:.3}}}",
            report::rounds(alone),
            report::rounds(among)
        ));
    }
    if let Some((rate, talkers, time)) = share {
        told.push(format!("\"share\": {}", crowd.share(rate, talkers, time).json()));
    }
    if let Some((rate, talkers, time)) = traffic {
        let talked = crowd.traffic(rate, talkers, time);
        told.push(format!("\"traffic\": {}", talked.json()));
    }
    let mut all = up == total;
    if let Some((rounds, supers)) = bursts {
        let costs = crowd.bursts(rounds, supers);
        all &= costs.is_well();
        told.push(format!("\"bursts\": {}", costs.json()));
    }
    if storm {
        let connected = crowd.storm();
        all &= connected.took.len() == connected.total;
        told.push(format!("\"storm\": {}", connected.json()));
    }
    if let Some((rate, time)) = flooded {
        let flooded = crowd.flood(rate, time);
        all &= flooded.is_well();
        told.push(format!("\"flood\": {}", flooded.json()));
    }
    if let Some(time) = soak {
        let soaked = crowd.soak(time);
        all &= soaked.is_well();
        told.push(format!("\"soak\": {}", soaked.json()));
    }
    let losses = crowd.losses();
    crowd.leave(0);
    crowd.rest(GONE);
    told.push(format!("\"memory_kb_after_all_left\": {}", crowd.server_memory()));
    told.push(format!("\"counted_while_all_left\": {}", crowd.losses().since(&losses).json()));
    if !later.is_zero() {
        crowd.rest(later);
        told.push(format!("\"memory_kb_later\": {}", crowd.server_memory()));
    }
    println!("{{{}}}", told.join(",\n "));
    if all { std::process::ExitCode::SUCCESS } else { std::process::ExitCode::FAILURE }
}

//! The real binary between two namespaces: what a packet costs it, how much it carries, and what it does when offered more.
//!
//! `cargo bench -p sekisho --bench wire`, as root. The server is held on the first processor, everything else on the
//! second. Beside it stands the bare limit: constant octets received and written through the same kinds of sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a measurement that goes wrong must stop")]
#![allow(dead_code, reason = "of the server's sockets a part is used")]

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../src/tun.rs"]
mod tun;
#[path = "../src/udp.rs"]
mod udp;

use common::client::Client;
use common::field::{Field, OUTSIDE, SERVER};
use common::namespace::Namespace;
use common::server::{Room, Server};
use sim::{Carrier, Manner, packet};
use std::fs;
use std::io::IoSlice;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tun::Tun;
use udp::{BATCH, DATAGRAM, Inbox, Outgoing, Segmentation, Sender, Udp};

/// The host behind the server, at a port where nobody reads.
const SINK: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(192, 168, 100, 10), 9);
/// The octets of an inner packet.
const INNER: usize = 1400;
/// How long one load lasts.
const TURN: Duration = Duration::from_millis(700);
/// Rounds of each load.
const ROUNDS: usize = 5;

fn pin(task: Option<rustix::thread::Pid>, cpu: usize) {
    let mut set = rustix::thread::CpuSet::new();
    set.set(cpu);
    rustix::thread::sched_setaffinity(task, &set).unwrap();
}

/// The threads of a process.
fn tasks(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    tasks.map(|task| task.unwrap().file_name().to_str().unwrap().parse().unwrap()).collect()
}

/// The time that a process has had on processors.
fn time_of(pid: u32) -> Duration {
    let of = |task: u32| {
        let text = fs::read_to_string(format!("/proc/{pid}/task/{task}/schedstat")).unwrap_or_default();
        text.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
    };
    Duration::from_nanos(tasks(pid).into_iter().map(of).sum())
}

fn time_of_this_thread() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

/// A number of the server's own screen, by the line's beginning.
fn counted(room: &Room, place: &Namespace, line: &str) -> u64 {
    let told = room.sekisho(place, &["show", "status", "fastpath"]);
    let found = told.out.lines().find_map(|other| other.strip_prefix(line)).unwrap_or_else(|| panic!("{told:?}"));
    found.trim_start_matches(':').trim().split(' ').next().unwrap().parse().unwrap()
}

/// What came of one load.
#[derive(Clone, Copy, Debug, Default)]
struct Figure {
    offered: f64,
    delivered: f64,
    cpu_ns: f64,
}

/// Sends packets at a rate, in bursts of no more than `burst`; tells how many.
fn blast(socket: &Udp, sender: &mut Sender, packets: &[Vec<u8>], to: SocketAddrV4, rate: f64, burst: usize) -> usize {
    let start = Instant::now();
    let mut sent = 0;
    while sent < packets.len() && start.elapsed() < TURN {
        let due = (start.elapsed().as_secs_f64() * rate) as usize;
        let count = due.saturating_sub(sent).min(burst).min(packets.len() - sent);
        let some = packets[sent..sent + count].iter();
        let some = some.map(|bytes| Outgoing { peer: to, local: Ipv4Addr::UNSPECIFIED, bytes });
        sender.send(socket.as_fd(), some, 0);
        sent += count;
    }
    sent
}

/// A server with a client whose packets can be made ahead.
struct Stage {
    field: Field,
    room: Room,
    server: Server,
    client: Client,
    socket: Udp,
    _sink: UdpSocket,
}

impl Stage {
    fn open() -> Self {
        let (field, room) = (Field::open(), Room::new("wire"));
        let server = room.serve(&field.server);
        for task in tasks(server.pid()) {
            pin(rustix::thread::Pid::from_raw(task as i32), 0);
        }
        let sink = field.host.enter(|| UdpSocket::bind(SINK)).unwrap();
        let manner = Manner { pretends_nat: true, ..Manner::default() };
        let mut client = Client::new(&field.clients, OUTSIDE[0], manner, 1);
        client.connect();
        // Packets leave from another port than the client's own socket: what they say comes from the same client.
        let socket = field.clients.enter(|| Udp::bind(SocketAddrV4::new(OUTSIDE[0], 45000))).unwrap();
        Self { field, room, server, client, socket, _sink: sink }
    }

    /// Packets of the client's, sealed, in order.
    fn sealed(&mut self, count: usize) -> Vec<Vec<u8>> {
        let from = (self.client.inside(), 4000);
        let inner = packet::udp(from, (*SINK.ip(), SINK.port()), &vec![0x55; INNER - 28]);
        (0..count)
            .map(|_| {
                let mut sealed = None;
                self.client.seal(&inner, |outer| {
                    assert_eq!(outer.carrier, Carrier::Udp);
                    sealed = Some(outer.bytes);
                });
                sealed.unwrap()
            })
            .collect()
    }

    /// One load from the client to the host.
    fn up(&mut self, rate: f64) -> Figure {
        let packets = self.sealed((rate * TURN.as_secs_f64()) as usize);
        let written = |stage: &Self| counted(&stage.room, &stage.field.server, "Written to the TUN");
        let (before, time) = (written(self), time_of(self.server.pid()));
        let mut sender = Sender::new(Segmentation::Offload);
        let sent = blast(&self.socket, &mut sender, &packets, SocketAddrV4::new(SERVER, 4500), rate, 44);
        // What lies in the socket is still carried.
        std::thread::sleep(Duration::from_millis(60));
        let cpu = time_of(self.server.pid()) - time;
        figure(sent, written(self) - before, cpu)
    }

    /// One load from the host to the client.
    fn down(&mut self, rate: f64) -> Figure {
        let socket = self.field.host.enter(|| Udp::bind(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0))).unwrap();
        let packets = vec![vec![0x55; INNER - 28]; (rate * TURN.as_secs_f64()) as usize];
        let sent_out = |stage: &Self| counted(&stage.room, &stage.field.server, "Sent in UDP");
        let (before, time) = (sent_out(self), time_of(self.server.pid()));
        let to = SocketAddrV4::new(self.client.inside(), 9);
        let sent = blast(&socket, &mut Sender::new(Segmentation::Offload), &packets, to, rate, 44);
        std::thread::sleep(Duration::from_millis(60));
        let cpu = time_of(self.server.pid()) - time;
        figure(sent, sent_out(self) - before, cpu)
    }
}

fn figure(sent: usize, delivered: u64, cpu: Duration) -> Figure {
    let turn = TURN.as_secs_f64();
    let delivered = delivered as f64;
    Figure { offered: sent as f64 / turn, delivered: delivered / turn, cpu_ns: cpu.as_nanos() as f64 / delivered }
}

/// Constant octets from a socket to a TUN as super-packets, and nothing in between: what the server cannot do without.
fn limit(rate: f64) -> Figure {
    let (server, clients) = (Namespace::new(), Namespace::new());
    server.join(("wan0", "198.18.0.1/24"), &clients, ("eth0", "198.18.0.2/24"));
    let (inbound, tun) = server.enter(|| (Udp::bind(SocketAddrV4::new(SERVER, 4500)).unwrap(), Tun::open().unwrap()));
    server.run(&format!("ip addr add 10.9.0.1/24 dev {}", tun.name()));
    server.run(&format!("ip link set {} up", tun.name()));
    let outbound = clients.enter(|| Udp::bind(SocketAddrV4::new(OUTSIDE[0], 45000))).unwrap();
    let inner = packet::udp((Ipv4Addr::new(10, 9, 0, 9), 4000), (Ipv4Addr::new(10, 9, 0, 1), 9), &vec![0; INNER - 28]);
    let _sink = server.enter(|| UdpSocket::bind("10.9.0.1:9")).unwrap();
    let packets = vec![vec![0x55; 1460]; (rate * TURN.as_secs_f64()) as usize];
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let carrying = scope.spawn(|| {
            pin(None, 0);
            let mut inbox = Inbox::new(BATCH, DATAGRAM);
            let (mut carried, start) = (0, time_of_this_thread());
            while !stop.load(Ordering::Relaxed) {
                let count = inbox.receive(inbound.as_fd()).unwrap();
                carried += count as u64;
                if count > 0 {
                    // A super-packet of as many datagrams: the kernel checks and counts them, and hands them on.
                    let (vnet, headers) = super_packet(&inner, count);
                    let mut parts = vec![IoSlice::new(&vnet), IoSlice::new(&headers)];
                    parts.extend((0..count.min(44)).map(|_| IoSlice::new(&inner[28..])));
                    tun.write(&parts).unwrap();
                } else {
                    let mut fds = [rustix::event::PollFd::new(&inbound, rustix::event::PollFlags::IN)];
                    let nap = rustix::event::Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
                    let _ = rustix::event::poll(&mut fds, Some(&nap));
                }
            }
            (carried, time_of_this_thread() - start)
        });
        let mut sender = Sender::new(Segmentation::Offload);
        let sent = blast(&outbound, &mut sender, &packets, SocketAddrV4::new(SERVER, 4500), rate, 44);
        std::thread::sleep(Duration::from_millis(60));
        stop.store(true, Ordering::Relaxed);
        let (carried, cpu) = carrying.join().unwrap();
        figure(sent, carried, cpu)
    })
}

/// The virtio-net header and the headers of a UDP super-packet of so many datagrams.
fn super_packet(inner: &[u8], count: usize) -> (Vec<u8>, Vec<u8>) {
    let count = count.min(44);
    let payload = count * (inner.len() - 28);
    let mut headers = inner[..28].to_vec();
    headers[2..4].copy_from_slice(&((28 + payload) as u16).to_be_bytes());
    headers[10..12].copy_from_slice(&[0, 0]);
    let sum = wire::ip::checksum(&headers[..20]);
    headers[10..12].copy_from_slice(&sum.to_be_bytes());
    headers[24..26].copy_from_slice(&((8 + payload) as u16).to_be_bytes());
    let segmented = count > 1;
    let numbers = [28, (inner.len() - 28) as u16, 20, 6].map(u16::to_ne_bytes);
    let kind = if segmented { [1, 5] } else { [0, 0] };
    ([&kind[..], numbers.as_flattened()].concat(), headers)
}

fn median(mut figures: Vec<Figure>, key: impl Fn(&Figure) -> f64) -> f64 {
    figures.sort_by(|a, b| key(a).total_cmp(&key(b)));
    key(&figures[figures.len() / 2])
}

fn main() {
    // Cargo's tests of benches pass words; then there is nothing to measure.
    if std::env::args().any(|word| word == "--test") {
        return;
    }
    if !rustix::process::geteuid().is_root() {
        println!("not measured: needs root");
        return;
    }
    pin(None, 1);
    let mut stage = Stage::open();
    println!("octets of an inner packet {INNER}; thousands of packets a second; CPU of the server in ns a packet");
    let mut json = Vec::new();
    let mut most = [0.0_f64; 2];
    for rate in [50e3, 100e3, 200e3, 400e3, 800e3] {
        let mut rounds: [Vec<Figure>; 3] = Default::default();
        for _ in 0..ROUNDS {
            rounds[0].push(stage.up(rate));
            rounds[1].push(stage.down(rate));
            rounds[2].push(limit(rate));
        }
        for (name, figures) in ["up", "down", "bare limit up"].iter().zip(&rounds) {
            let [offered, delivered, cpu] = [
                median(figures.clone(), |f| f.offered),
                median(figures.clone(), |f| f.delivered),
                median(figures.clone(), |f| f.cpu_ns),
            ];
            println!("{name:>14}: offered {:6.1}, delivered {:6.1}, {cpu:5.0} ns", offered / 1e3, delivered / 1e3);
            json.push(serde_json::json!({ "way": name, "offered": offered, "delivered": delivered, "cpu_ns": cpu }));
        }
        for (most, figures) in most.iter_mut().zip(&rounds) {
            *most = most.max(median(figures.clone(), |f| f.delivered));
        }
    }
    let over = most[0] * 2.0;
    let mut delivered = Vec::new();
    let mut times = Vec::new();
    for seed in 0..3 {
        let (loaded, connected) = overloaded(&mut stage, over, seed);
        delivered.push(loaded);
        times.push(connected);
    }
    let share = median(delivered.clone(), |f| f.delivered) / most[0];
    println!(
        "offered {:.0}: delivers {:.0} % of its most; clients connect meanwhile in {times:?}",
        median(delivered, |f| f.offered) / 1e3,
        share * 100.0
    );
    json.push(serde_json::json!({ "way": "overload", "share": share, "connect_s": times.iter().map(Duration::as_secs_f64).collect::<Vec<_>>() }));
    if let Some(file) = std::env::var_os("BENCH_JSON") {
        fs::write(file, format!("{:#}\n", serde_json::Value::from(json))).unwrap();
    }
    stage.server.stop();
}

/// Offers more than is carried, while another client connects.
fn overloaded(stage: &mut Stage, rate: f64, seed: u64) -> (Figure, Duration) {
    let packets = stage.sealed((rate * TURN.as_secs_f64()) as usize);
    let written = |stage: &Stage| counted(&stage.room, &stage.field.server, "Written to the TUN");
    let (before, time) = (written(stage), time_of(stage.server.pid()));
    let stop = AtomicBool::new(false);
    let manner = Manner { pretends_nat: true, user: "second".into(), password: "Second-2".into(), ..Manner::default() };
    let mut second = Client::new(&stage.field.clients, OUTSIDE[1], manner, 100 + seed);
    let socket = &stage.socket;
    let (sent, loaded, connected) = std::thread::scope(|scope| {
        let stop = &stop;
        let load = scope.spawn(move || {
            let mut sender = Sender::new(Segmentation::Offload);
            let to = SocketAddrV4::new(SERVER, 4500);
            let sent = blast(socket, &mut sender, &packets, to, rate, 44);
            // The same again is dropped as a replay, and is load all the same.
            while !stop.load(Ordering::Relaxed) {
                blast(socket, &mut sender, &packets, to, rate, 44);
            }
            sent
        });
        std::thread::sleep(TURN);
        let loaded = (written(stage) - before, time_of(stage.server.pid()) - time);
        let start = Instant::now();
        second.connect();
        let connected = start.elapsed();
        stop.store(true, Ordering::Relaxed);
        (load.join().unwrap(), loaded, connected)
    });
    (figure(sent, loaded.0, loaded.1), connected)
}

//! What the data path costs by itself: bursts of TCP that lie complete before the server when it gets to them.
//!
//! The server has one processor together with this process, which goes first: while it lays a burst into the queues, the
//! server waits, and the processor time that its data thread needs then is that of the burst alone. Behind the server, and
//! at the clients' end of the wire, all is counted and dropped at the device. It is how the prototype of `bench/prototype.sh` is timed.
#![allow(unsafe_code, reason = "SO_NO_CHECK and the order of threads have no safe wrapper")]

use crate::losses::Losses;
use crate::{Crowd, bare};
use rustix::thread::{CpuSet, Pid, sched_setaffinity};
use sim::packet;
use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;
use std::process::Command;
use std::time::Duration;

/// The device through which a host behind the server sends, as `sim/load.sh` has made it, and that host.
const FEEDER: &str = "feed0";
const HOST: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 5);
/// Where the clients' packets go: counted and dropped.
const SINK: Ipv4Addr = Ipv4Addr::new(192, 168, 100, 10);
/// A packet's octets, those of its headers, and what it carries.
const PACKET: usize = 1400;
const HEADERS: usize = 40;
/// Of the link, before them.
const ETHERNET: usize = 14;
const CARRIED: usize = PACKET - HEADERS;
/// Packets that one super-packet stands for.
const SEGMENTS: usize = 46;
/// Super-packets of one round.
const ROUND: usize = 600;
/// What a burst takes at most.
const ENOUGH: Duration = Duration::from_millis(2);
/// Keepalives are heard between rounds.
const PAUSE: Duration = Duration::from_millis(300);

/// Nanoseconds of the data thread for each packet, one figure a round.
#[derive(Default)]
pub(crate) struct Costs {
    down: Vec<f64>,
    up: Vec<f64>,
    /// Packets that were laid before the server, and of them those that came out.
    sent: u64,
    carried: u64,
    /// What everything on the way has counted as lost.
    losses: Losses,
}

impl Costs {
    /// Whether all came through: otherwise the figures mean nothing.
    pub(crate) fn is_well(&self) -> bool {
        self.sent == self.carried
    }

    pub(crate) fn json(&self) -> String {
        let told = |rounds: &[f64]| {
            let mut sorted = rounds.to_vec();
            sorted.sort_by(f64::total_cmp);
            let median = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
            let rounds: Vec<String> = rounds.iter().map(|ns| format!("{ns:.0}")).collect();
            format!("{{\"median_ns\": {median:.0}, \"rounds\": [{}]}}", rounds.join(", "))
        };
        format!(
            "{{\"down\": {}, \"up\": {}, \"sent\": {}, \"carried\": {}, \"lost\": {}}}",
            told(&self.down),
            told(&self.up),
            self.sent,
            self.carried,
            self.losses.json()
        )
    }
}

impl Crowd {
    /// So many rounds in each direction, in bursts of so many super-packets, by the first client.
    pub(crate) fn bursts(&mut self, rounds: u32, supers: usize) -> Costs {
        let server = Server::new(self.wanted.server_pid.expect("--bursts needs --server-pid"));
        let feeder = bare::open_tun(FEEDER);
        let inside = self.clients[0].peer.inside().expect("the first client is connected");
        let super_packet = super_packet(inside);
        let socket = self.clients[0].sockets[1].as_ref().expect("it is open as long as the client is there");
        without_checksum(socket);
        let losses = self.losses();
        let packets = (ROUND / supers * supers * SEGMENTS) as u64;
        let mut costs = Costs::default();
        for _ in 0..rounds {
            let sink = Sink::new("wan1");
            let mut used = 0.0;
            for _ in 0..ROUND / supers {
                used += server.time(|| {
                    for _ in 0..supers {
                        (&feeder).write_all(&super_packet).expect("the device takes super-packets");
                    }
                });
            }
            costs.note(packets, sink.end(false), used, |costs| &mut costs.down);
            self.rest(PAUSE);

            let sink = Sink::new("lan1");
            let mut used = 0.0;
            for _ in 0..ROUND / supers {
                let sealed = self.sealed(inside, supers * SEGMENTS);
                let (to, socket) = (self.wanted.server, self.clients[0].sockets[1].as_ref().unwrap());
                used += server.time(|| {
                    for datagram in &sealed {
                        socket.send_to(datagram, (to, 4500)).expect("the socket's queue has room");
                    }
                });
            }
            costs.note(packets, sink.end(true), used, |costs| &mut costs.up);
            self.rest(PAUSE);
        }
        costs.losses = self.losses().since(&losses);
        costs
    }

    /// One burst of a client's: segments of TCP one after the other, each sealed.
    fn sealed(&mut self, inside: Ipv4Addr, packets: usize) -> Vec<Vec<u8>> {
        let now = self.now();
        let peer = &mut self.clients[0].peer;
        let mut sealed = Vec::with_capacity(packets);
        for n in 0..packets {
            let mut segment = tcp_header((n * CARRIED) as u32);
            segment.resize(PACKET - 20, 0x55);
            let sum = wire::ip::transport_checksum_ipv4(inside, SINK, 6, &segment);
            segment[16..18].copy_from_slice(&sum.to_be_bytes());
            peer.send_ip(&packet::ipv4(inside, SINK, 6, 0x4000, &segment), now);
            sealed.extend(std::iter::from_fn(|| peer.poll_transmit()).map(|packet| packet.bytes));
        }
        sealed
    }
}

impl Costs {
    fn note(&mut self, packets: u64, octets: u64, used: f64, rounds: fn(&mut Self) -> &mut Vec<f64>) {
        self.sent += packets;
        self.carried += octets.div_ceil(PACKET as u64).min(packets);
        rounds(self).push(used * 1e9 / packets as f64);
    }
}

/// The server, and its one data thread.
struct Server {
    /// Tells how long the data thread has had a processor.
    run_time: String,
}

impl Server {
    /// Both are held to the last processor, and what is laid before the server is in that processor's caches, as the packets
    /// of a network card would be.
    fn new(pid: u32) -> Self {
        let threads: Vec<_> = fs::read_dir(format!("/proc/{pid}/task")).expect("the server lives").flatten().collect();
        let name = |path: &std::path::Path| fs::read_to_string(path.join("comm")).unwrap_or_default();
        let data = threads.iter().map(fs::DirEntry::path).find(|path| name(path).trim() == "data");
        let last = std::thread::available_parallelism().map_or(1, usize::from) - 1;
        let mut processor = CpuSet::new();
        processor.set(last);
        for thread in &threads {
            let id = thread.file_name().to_str().and_then(|id| id.parse().ok()).and_then(Pid::from_raw);
            sched_setaffinity(id, &processor).expect("the server's threads may be held to a processor");
        }
        sched_setaffinity(None, &processor).expect("so may this one");
        keep_awake(processor);
        go_first();
        Self { run_time: format!("{}/schedstat", data.expect("the server has a data thread").display()) }
    }

    /// Seconds of the data thread's for what is laid before it.
    fn time(&self, lay: impl FnOnce()) -> f64 {
        let before = bare::run_time(&self.run_time);
        lay();
        std::thread::sleep(ENOUGH);
        bare::run_time(&self.run_time) - before
    }
}

/// From here on this thread runs until it waits: nobody else has its processor meanwhile.
fn go_first() {
    order(libc::SCHED_FIFO, 1);
}

/// Keeps the processor awake, in a thread that has it when nobody else wants it: after a rest the first packets would cost
/// more.
fn keep_awake(processor: CpuSet) {
    std::thread::spawn(move || {
        sched_setaffinity(None, &processor).expect("this thread may be held to a processor");
        order(libc::SCHED_IDLE, 0);
        loop {
            std::hint::spin_loop();
        }
    });
}

fn order(policy: libc::c_int, sched_priority: libc::c_int) {
    let wanted = libc::sched_param { sched_priority };
    // SAFETY: the kernel reads one structure, which outlives the call.
    let done = unsafe { libc::sched_setscheduler(0, policy, &raw const wanted) };
    assert_eq!(done, 0, "root may order threads");
}

/// Drops all that arrives at a device, which has counted it before.
struct Sink {
    device: &'static str,
    before: (u64, u64),
}

impl Sink {
    fn new(device: &'static str) -> Self {
        nft(&format!(
            "table netdev sink {{
                chain in {{ type filter hook ingress device {device} priority 0; policy drop; }}; }}"
        ));
        Self { device, before: received(device) }
    }

    /// The octets of what has arrived: of the packets inside (`clear`), as super-packets or one by one, or of those
    /// around them, each taken for one inside.
    fn end(self, clear: bool) -> u64 {
        std::thread::sleep(ENOUGH);
        let now = received(self.device);
        nft("delete table netdev sink");
        let (packets, octets) = (now.0 - self.before.0, now.1 - self.before.1);
        if clear {
            // Of each packet that went into a larger one, the headers are gone.
            let carried = octets.saturating_sub(packets * (ETHERNET + HEADERS) as u64);
            carried / CARRIED as u64 * PACKET as u64
        } else {
            packets * PACKET as u64
        }
    }
}

/// The packets and octets that a device has received, headers of Ethernet among them.
fn received(device: &str) -> (u64, u64) {
    let told = fs::read_to_string("/proc/net/dev").expect("the kernel tells of its devices");
    let line = told.lines().find_map(|line| line.trim().strip_prefix(device)?.strip_prefix(':'));
    let mut numbers = line.expect("the device is there").split_whitespace().map_while(|word| word.parse().ok());
    let octets = numbers.next().expect("it counts octets");
    (numbers.next().expect("and packets"), octets)
}

fn nft(words: &str) {
    let output = Command::new("nft").arg(words).output().expect("nft is installed");
    assert!(output.status.success(), "nft: {}", String::from_utf8_lossy(&output.stderr));
}

/// A segment's header (RFC 9293 §3.1), its checksum open.
fn tcp_header(sequence: u32) -> Vec<u8> {
    let mut header = [5000_u16.to_be_bytes(), 5201_u16.to_be_bytes()].concat();
    header.extend_from_slice(&sequence.to_be_bytes());
    // Acknowledges 1; five words; ACK; a window.
    header.extend_from_slice(&[0, 0, 0, 1, 0x50, 0x10, 0xff, 0xff, 0, 0, 0, 0]);
    header
}

/// What a host with segmentation offload hands to its device: a header of virtio, and TCP for many packets.
fn super_packet(to: Ipv4Addr) -> Vec<u8> {
    let mut segment = tcp_header(1);
    segment.resize(20 + SEGMENTS * CARRIED, 0x55);
    // The device adds up the segment; what lies there already is the sum of the pseudo header.
    let length = (segment.len() as u16).to_be_bytes();
    let pseudo = [&HOST.octets()[..], &to.octets(), &[0, 6], &length].concat();
    segment[16..18].copy_from_slice(&(!wire::ip::checksum(&pseudo)).to_be_bytes());
    let mut all = vec![1, 1];
    for field in [HEADERS as u16, CARRIED as u16, 20, 16] {
        all.extend_from_slice(&field.to_ne_bytes());
    }
    all.extend_from_slice(&packet::ipv4(HOST, to, 6, 0x4000, &segment));
    all
}

/// Real clients send ESP in UDP without a checksum (RFC 3948 §2.1).
fn without_checksum(socket: &UdpSocket) {
    let on: libc::c_int = 1;
    let size = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the kernel reads one integer, which outlives the call.
    let done = unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_NO_CHECK, (&raw const on).cast(), size)
    };
    assert_eq!(done, 0, "UDP sockets may leave checksums out");
}

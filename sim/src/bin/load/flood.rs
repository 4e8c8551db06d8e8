//! A flood from addresses that nobody has: first messages of phase 1, third ones of exchanges that never were, garbage for
//! ESP in UDP, for ESP and for L2TP, as fast as is asked for.

use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, ipproto};
use sim::rng::Rng;
use sim::{fixture, packet};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The network whose addresses nobody has; the namespace counts what is sent to it and throws it away.
const NOBODY: Ipv4Addr = Ipv4Addr::new(198, 20, 0, 0);
/// IP protocol 50.
const ESP: u8 = 50;
/// How often packets are sent; in between the thread sleeps.
const EVERY: Duration = Duration::from_millis(1);

/// What was sent: packets, and their octets from the IP header on.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sent {
    pub(crate) packets: u64,
    pub(crate) octets: u64,
}

/// A flood under way, on a thread of its own.
pub(crate) struct Flood {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Sent>,
}

impl Flood {
    /// So many packets a second to the server.
    pub(crate) fn start(server: Ipv4Addr, rate: u64) -> Self {
        let flags = SocketFlags::CLOEXEC;
        let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::RAW, flags, Some(ipproto::RAW))
            .expect("a raw socket (root)");
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        let thread = std::thread::spawn(move || {
            let (mut rng, mut sent, start) = (Rng::new(rate), Sent::default(), Instant::now());
            let messages = Messages::new();
            while !told.load(Ordering::Relaxed) {
                let due = (start.elapsed().as_secs_f64() * rate as f64) as u64;
                while sent.packets < due && !told.load(Ordering::Relaxed) {
                    let packet = messages.packet(sent.packets, server, &mut rng);
                    // One that finds no room is lost as on any network, and counts as sent.
                    let to = SocketAddr::from((server, 0));
                    let _ = rustix::net::sendto(&socket, &packet, SendFlags::empty(), &to);
                    sent.packets += 1;
                    sent.octets += packet.len() as u64;
                }
                std::thread::sleep(EVERY);
            }
            sent
        });
        Self { stop, thread }
    }

    /// Ends it; gives what was sent.
    pub(crate) fn end(self) -> Sent {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the flood's thread")
    }
}

struct Messages {
    first: Vec<u8>,
    third: Vec<u8>,
    sccrq: Vec<u8>,
}

impl Messages {
    fn new() -> Self {
        Self {
            first: fixture::fixture("windows/mm1"),
            third: fixture::fixture("android/mm3"),
            sccrq: fixture::fixture("windows/sccrq-xp"),
        }
    }

    /// The packet of this number, from an address of [`NOBODY`].
    fn packet(&self, number: u64, server: Ipv4Addr, rng: &mut Rng) -> Vec<u8> {
        let from = Ipv4Addr::from(u32::from(NOBODY) + rng.below(1 << 16) as u32);
        let port = 1024 + rng.below(60_000) as u16;
        let udp = |to: u16, payload: &[u8]| packet::udp((from, port), (server, to), payload);
        // Cookies of nobody.
        let with_cookies = |message: &[u8], cookies: &[u8]| {
            let mut message = message.to_vec();
            message[..cookies.len()].copy_from_slice(cookies);
            message
        };
        match number % 6 {
            0 | 1 => udp(500, &with_cookies(&self.first, &rng.bytes(8))),
            2 => udp(500, &with_cookies(&self.third, &rng.bytes(16))),
            3 => udp(4500, &rng.bytes(120)),
            4 => packet::ipv4(from, server, ESP, 0, &rng.bytes(120)),
            _ => udp(1701, &self.sccrq),
        }
    }
}

/// Octets, from the IP header on, that the server has sent to nobody: what the namespace's packet filter has counted.
pub(crate) fn answered() -> u64 {
    let told = Command::new("nft").args(["list", "counter", "ip", "flood", "answers"]).output().expect("nft is there");
    let text = String::from_utf8_lossy(&told.stdout);
    let octets = text.split_whitespace().skip_while(|word| *word != "bytes").nth(1);
    octets.and_then(|octets| octets.parse().ok()).expect("sim/load.sh has made the counter")
}

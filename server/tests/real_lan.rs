//! Callers whose addresses a DHCP server of the LAN lends, with the real binary: one written for it, and dnsmasq where it
//! is installed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use common::client::Client;
use common::configuration::configuration;
use common::field::{ECHO, Field, OUTSIDE};
use common::namespace::Namespace;
use common::server::Room;
use engine::time::Instant as Virtual;
use rustix::net::{AddressFamily, SocketType, ipproto, socket, sockopt};
use sim::Manner;
use sim::lan::{DhcpServer, Temper};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use wire::inside::dhcp::MessageType;

/// The lines that ask it.
const ASKING: &str = "pp select anonymous\n ip pp remote address pool dhcpc lan1\n";
const HOST: Ipv4Addr = Ipv4Addr::new(192, 168, 100, 10);
const LENT: Ipv4Addr = Ipv4Addr::new(192, 168, 100, 120);

fn main() -> ExitCode {
    let tests: &[common::Test] = &[
        ("a_caller_has_its_address_from_the_lan", a_caller_has_its_address_from_the_lan),
        ("a_dhcp_server_on_the_same_host_will_do", a_dhcp_server_on_the_same_host_will_do),
        ("without_a_dhcp_server_the_log_says_what_to_do", without_a_dhcp_server_the_log_says_what_to_do),
        ("dnsmasq_lends_renews_and_takes_back", dnsmasq_lends_renews_and_takes_back),
    ];
    common::run_with(tests, |name| name.starts_with("dnsmasq").then_some("dnsmasq"))
}

fn asking(room: &Room) {
    room.configure(&configuration(ASKING));
}

fn wait(what: &str, so: impl Fn() -> bool) {
    let start = Instant::now();
    while !so() {
        assert!(start.elapsed() < Duration::from_secs(10), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn a_caller_has_its_address_from_the_lan() {
    let (field, room) = (Field::open(), Room::new("lan"));
    asking(&room);
    // A lease so short that it is prolonged while the test looks on: after five seconds, and again at T2.
    let lender = Lender::open(&field.host, "eth0", HOST, 10);
    let server = room.serve(&field.server);
    let mut client = Client::new(&field.clients, OUTSIDE[0], Manner::default(), 1);
    client.connect();
    assert_eq!(client.inside(), LENT);
    assert!(client.reaches(ECHO), "{}", client.story());
    let renewed = client.until(Duration::from_secs(9), |_| lender.count(MessageType::Request) >= 2);
    assert!(renewed, "{}", server.log());
    client.rest(Duration::from_secs(4));
    assert!(client.reaches(ECHO) && lender.count(MessageType::Discover) == 1, "{}", server.log());
    client.act(|peer, now| peer.hang_up_call(now));
    let back = client.until(Duration::from_secs(5), |_| lender.count(MessageType::Release) == 1);
    assert!(back, "{}", server.log());
    // Whoever stops the server finds nothing lent either.
    let mut again = Client::new(&field.clients, OUTSIDE[1], Manner::default(), 2);
    again.connect();
    assert_eq!(again.inside(), LENT);
    server.stop();
    wait("given back at the end", || lender.count(MessageType::Release) == 2);
}

fn a_dhcp_server_on_the_same_host_will_do() {
    let (field, room) = (Field::open(), Room::new("ownlan"));
    asking(&room);
    let lender = Lender::open(&field.server, "lan0", Ipv4Addr::new(192, 168, 100, 1), 3600);
    let server = room.serve(&field.server);
    let mut client = Client::new(&field.clients, OUTSIDE[0], Manner::default(), 1);
    client.connect();
    assert_eq!(client.inside(), LENT);
    assert!(client.reaches(ECHO), "{}", client.story());
    client.act(|peer, now| peer.hang_up_call(now));
    let back = client.until(Duration::from_secs(5), |_| lender.count(MessageType::Release) == 1);
    assert!(back, "{}", server.log());
    server.stop();
}

fn without_a_dhcp_server_the_log_says_what_to_do() {
    let (field, room) = (Field::open(), Room::new("nolan"));
    asking(&room);
    let server = room.serve(&field.server);
    let mut client = Client::new(&field.clients, OUTSIDE[0], Manner::default(), 1);
    client.act(|peer, now| peer.dial(now));
    let told =
        client.until(Duration::from_secs(25), |_| server.log().contains("no DHCP server on lan1 lends an address"));
    assert!(told && !client.peer.is_up(), "{}", server.log());
    server.stop();
}

fn dnsmasq_lends_renews_and_takes_back() {
    let (field, room) = (Field::open(), Room::new("dnsmasq"));
    asking(&room);
    let leases = std::env::temp_dir().join(format!("sekisho-dnsmasq-{}", std::process::id()));
    let dnsmasq = Program::dnsmasq(&field.host, leases.to_str().unwrap());
    let server = room.serve(&field.server);
    let mut client = Client::new(&field.clients, OUTSIDE[0], Manner::default(), 1);
    client.act(|peer, now| peer.dial(now));
    assert!(client.until(Duration::from_secs(20), |c| c.peer.is_up()), "{}\n{}", server.log(), client.story());
    assert_eq!(client.inside(), LENT);
    assert!(client.reaches(ECHO), "{}", client.story());
    let held = || std::fs::read_to_string(&leases).unwrap_or_default();
    let first = held();
    assert!(first.contains(&LENT.to_string()), "{first}");
    // Half of two minutes: the least for which dnsmasq lends.
    assert!(client.until(Duration::from_secs(65), |_| held() != first), "{}", server.log());
    assert!(held().contains(&LENT.to_string()) && client.reaches(ECHO), "{}", held());
    client.act(|peer, now| peer.hang_up_call(now));
    let back = client.until(Duration::from_secs(5), |_| !held().contains(&LENT.to_string()));
    assert!(back, "{}\n{}", held(), server.log());
    server.stop();
    drop(dnsmasq);
    let _ = std::fs::remove_file(leases);
}

/// The DHCP server of simulated scenes behind a real socket.
struct Lender {
    server: Arc<Mutex<DhcpServer>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Lender {
    fn open(host: &Namespace, device: &str, address: Ipv4Addr, seconds: u32) -> Self {
        let socket = host.enter(|| {
            let socket = socket(AddressFamily::INET, SocketType::DGRAM, Some(ipproto::UDP)).unwrap();
            sockopt::set_socket_broadcast(&socket, true).unwrap();
            rustix::net::bind(&socket, &SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 67)).unwrap();
            UdpSocket::from(socket)
        });
        // It has no route to anywhere: a broadcast needs one.
        host.run(&format!("ip route add 255.255.255.255 dev {device}"));
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let mut lender = DhcpServer::new(address, &[LENT]);
        (lender.seconds, lender.temper) = (seconds, Temper::Willing);
        let (server, stop) = (Arc::new(Mutex::new(lender)), Arc::new(AtomicBool::new(false)));
        let (held, told) = (server.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            let (start, mut room) = (Instant::now(), [0; 1500]);
            while !told.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut room) else { continue };
                assert_eq!(from.port(), 68);
                let now = Virtual(0).after(start.elapsed());
                if let Some(answer) = held.lock().unwrap().handle(&room[..length], now) {
                    let _ = socket.send_to(&answer, (Ipv4Addr::BROADCAST, 68));
                }
            }
        });
        Self { server, stop, thread: Some(thread) }
    }

    fn count(&self, kind: MessageType) -> usize {
        self.server.lock().unwrap().count(kind)
    }
}

impl Drop for Lender {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A program that is ended with its value.
struct Program(Child);

impl Program {
    fn dnsmasq(host: &Namespace, leases: &str) -> Self {
        let mut command = Command::new("dnsmasq");
        command.args([
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--port=0",
            "--interface=eth0",
            "--bind-interfaces",
        ]);
        command.args(["--dhcp-range=192.168.100.120,192.168.100.120,2m", "--dhcp-authoritative", "--user=root"]);
        command.args([&format!("--dhcp-leasefile={leases}"), "--pid-file="]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(host.enter(|| command.spawn()).unwrap())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

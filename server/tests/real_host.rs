//! The real binary and the machine it runs on: it leaves it as it was, after a kill too, and says why it does not start.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use common::client::{Client, until};
use common::configuration::configuration;
use common::field::{ECHO, Field, OUTSIDE, SERVER};
use common::namespace::assert_same;
use common::server::Room;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, Protocol, RawProtocol, SendFlags, SocketType};
use sim::Manner;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

fn main() -> ExitCode {
    common::run(&[
        ("a_stop_hangs_up_and_leaves_the_host_as_it_was", a_stop_hangs_up_and_leaves_the_host_as_it_was),
        ("what_a_kill_left_is_undone_by_the_next_start", what_a_kill_left_is_undone_by_the_next_start),
        ("a_second_start_is_refused_with_the_process", a_second_start_is_refused_with_the_process),
        ("a_port_in_use_is_told_with_its_holder", a_port_in_use_is_told_with_its_holder),
        ("a_missing_address_stops_the_start", a_missing_address_stops_the_start),
        ("what_is_not_switched_on_is_closed", what_is_not_switched_on_is_closed),
        ("a_server_keeps_no_privilege_that_it_does_not_need", a_server_keeps_no_privilege_that_it_does_not_need),
        ("an_unconfined_server_keeps_all_and_says_so", an_unconfined_server_keeps_all_and_says_so),
        ("a_file_that_others_can_read_is_told_of", a_file_that_others_can_read_is_told_of),
    ])
}

fn a_stop_hangs_up_and_leaves_the_host_as_it_was() {
    let (field, room) = (Field::open(), Room::new("stop"));
    let before = field.server.state();
    let mut server = room.serve(&field.server);
    let mut plain = Client::new(&field.clients, OUTSIDE[0], Manner::default(), 1);
    // All that it gets comes by one socket, in the order in which it was sent.
    let manner =
        Manner { user: "second".to_owned(), password: "Second-2".to_owned(), pretends_nat: true, ..Manner::default() };
    let mut encapsulated = Client::new(&field.clients, OUTSIDE[1], manner, 2);
    plain.connect();
    encapsulated.connect();
    assert!(plain.reaches(ECHO), "{}", plain.story());
    assert_ne!(field.server.state(), before, "the clients' routes stand");
    let start = Instant::now();
    server.tell_to_stop();
    let both = &mut [&mut plain, &mut encapsulated];
    let ended = until(both, Duration::from_secs(1), |c| c.iter().all(|c| c.ended().is_some()));
    assert!(ended, "{}\n{}", both[0].story(), both[1].story());
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    let status = server.wait();
    assert!(status.success(), "{status}");
    let said = encapsulated.until(Duration::from_millis(300), |c| {
        ["<- Cdn", "<- StopCcn", "<- delete Esp", "<- delete Isakmp"].iter().all(|goodbye| c.story().contains(goodbye))
    });
    assert!(said, "{}", encapsulated.story());
    assert_same(&before, &field.server.state());
}

fn what_a_kill_left_is_undone_by_the_next_start() {
    let (field, room) = (Field::open(), Room::new("kill"));
    let before = field.server.state();
    let server = room.serve(&field.server);
    let mut client = Client::new(&field.clients, OUTSIDE[0], Manner::default(), 1);
    client.connect();
    assert!(client.reaches(ECHO), "{}", client.story());
    server.kill();
    assert_ne!(field.server.state(), before, "the kill left something");
    let server = room.serve(&field.server);
    assert!(server.log().contains("an earlier server ended without cleaning up"), "{}", server.log());
    // The same client dials again as if nothing had been.
    let manner = Manner::default();
    drop(client);
    let mut again = Client::new(&field.clients, OUTSIDE[0], manner, 2);
    again.connect();
    assert!(again.reaches(ECHO), "{}", again.story());
    server.stop();
    assert_same(&before, &field.server.state());
}

fn a_second_start_is_refused_with_the_process() {
    let (field, room) = (Field::open(), Room::new("second"));
    let server = room.serve(&field.server);
    let mut client = Client::new(&field.clients, OUTSIDE[0], Manner::default(), 1);
    client.connect();
    let state = field.server.state();
    let process = format!("(process {})", server.pid());
    let told = room.sekisho(&field.server, &["run", "--config", "/nowhere.conf"]);
    assert_ne!(told.status, 0);
    let beside = Room::new("beside");
    for other in [&room, &beside] {
        let told = other.refused(&field.server);
        assert_eq!(told.status, 1, "{told:?}");
        assert!(told.err.contains(&process), "{told:?}");
    }
    assert_same(&state, &field.server.state());
    assert!(client.reaches(ECHO), "{}", client.story());
    server.stop();
}

fn a_port_in_use_is_told_with_its_holder() {
    let (field, room) = (Field::open(), Room::new("port"));
    let before = field.server.state();
    for port in [500, 4500, 1701] {
        let _held = field.server.enter(|| UdpSocket::bind(("198.18.0.1", port))).unwrap();
        let told = room.refused(&field.server);
        assert_eq!(told.status, 1, "{told:?}");
        let process = format!("(process {})", std::process::id());
        assert!(told.err.contains(&format!("UDP port {port} ")), "{told:?}");
        assert!(told.err.contains(&process), "{told:?}");
        assert_eq!(told.err.lines().count(), 1, "{told:?}");
    }
    assert_same(&before, &field.server.state());
}

fn a_missing_address_stops_the_start() {
    let (field, room) = (Field::open(), Room::new("missing"));
    let before = field.server.state();
    room.configure(&configuration("").replace("192.168.100.1/24", "203.0.113.99/24"));
    let told = room.refused(&field.server);
    assert_eq!(told.status, 1, "{told:?}");
    assert!(told.err.contains("this host does not have that address"), "{told:?}");
    assert!(told.err.contains("192.168.100.1/24 on lan0"), "{told:?}");
    assert_same(&before, &field.server.state());
}

/// PPTP is off unless the operator says otherwise: its port is closed, and what belongs to it is not answered.
fn what_is_not_switched_on_is_closed() {
    const GRE: u8 = 47;
    let (field, room) = (Field::open(), Room::new("closed"));
    let server = room.serve(&field.server);
    let refused = field.clients.enter(|| TcpStream::connect_timeout(&(SERVER, 1723).into(), Duration::from_secs(5)));
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    let answer = field.clients.enter(|| {
        let protocol = Some(RawProtocol::new(GRE.into()).unwrap());
        let socket =
            rustix::net::socket(AddressFamily::INET, SocketType::RAW, protocol.map(Protocol::from_raw)).unwrap();
        // Enhanced GRE (RFC 2637 §4.1): protocol 880b, a key, a number, and LCP's Configure-Request as a client begins it.
        let mut packet = vec![0x30, 0x01, 0x88, 0x0b, 0, 14, 0, 1, 0, 0, 0, 0];
        packet.extend([0xff, 0x03, 0xc0, 0x21, 1, 1, 0, 10, 5, 6, 1, 2, 3, 4]);
        let to = SocketAddr::from((SERVER, 0));
        rustix::net::sendto(&socket, &packet, SendFlags::empty(), &to).unwrap();
        let wait = Timespec { tv_sec: 1, tv_nsec: 0 };
        poll(&mut [PollFd::new(&socket, PollFlags::IN)], Some(&wait)).unwrap()
    });
    assert_eq!(answer, 0, "an answer came");
    server.stop();
}

/// What each thread of a process may do, by the kernel's words.
fn statuses(pid: u32) -> Vec<String> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let status = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().path().join("status");
    // A thread that has just ended says nothing.
    threads.filter_map(|entry| std::fs::read_to_string(status(entry)).ok()).collect()
}

fn word<'a>(status: &'a str, label: &str) -> &'a str {
    status.lines().find_map(|line| line.strip_prefix(label)).unwrap_or_default().trim()
}

fn a_server_keeps_no_privilege_that_it_does_not_need() {
    /// CAP_NET_BIND_SERVICE, CAP_NET_ADMIN, CAP_NET_RAW.
    const NEEDED: &str = "0000000000003400";
    let (field, room) = (Field::open(), Room::new("confined"));
    let before = field.server.state();
    let server = room.serve(&field.server);
    let mut client = Client::new(&field.clients, OUTSIDE[0], Manner::default(), 1);
    client.connect();
    assert!(client.reaches(ECHO), "{}", client.story());
    let threads = statuses(server.pid());
    assert!(threads.len() > 3, "{threads:?}");
    for status in &threads {
        for label in ["CapEff:", "CapPrm:", "CapBnd:"] {
            assert_eq!(word(status, label), NEEDED, "{label} of {}", word(status, "Name:"));
        }
        assert_eq!((word(status, "NoNewPrivs:"), word(status, "Seccomp:")), ("1", "2"), "{status}");
    }
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.pid())).unwrap();
    let cores = word(&limits, "Max core file size").split_whitespace().take(2);
    assert!(cores.eq(["0", "0"]), "{limits}");
    assert!(!server.log().contains("not wholly confined"), "{}", server.log());

    // It goes on doing all that it is there for: it changes, saves, reads again, and lets clients in.
    let told = room.sekisho(&field.server, &["exec", "pp select anonymous", "pp auth username third Third-3", "save"]);
    assert_eq!(told.status, 0, "{told:?}");
    let saved = std::fs::read_to_string(room.configuration()).unwrap();
    assert!(saved.contains("pp auth username third"), "{saved}");
    let told = room.sekisho(&field.server, &["reload"]);
    assert_eq!(told.status, 0, "{told:?}");
    let third = Manner { user: "third".to_owned(), password: "Third-3".to_owned(), ..Manner::default() };
    let mut third = Client::new(&field.clients, OUTSIDE[1], third, 2);
    third.connect();
    assert!(third.reaches(ECHO), "{}", third.story());
    assert!(client.reaches(ECHO), "{}", client.story());
    server.stop();
    assert_same(&before, &field.server.state());
}

fn an_unconfined_server_keeps_all_and_says_so() {
    let (field, room) = (Field::open(), Room::new("unconfined"));
    let server = room.serve_unconfined(&field.server);
    assert!(statuses(server.pid()).iter().all(|status| word(status, "Seccomp:") == "0"));
    assert!(server.log().contains("--unconfined"), "{}", server.log());
    server.stop();
}

fn a_file_that_others_can_read_is_told_of() {
    let (field, room) = (Field::open(), Room::new("readable"));
    let server = room.serve(&field.server);
    assert!(!server.log().contains("others can reach it"), "{}", server.log());
    server.stop();
    std::fs::set_permissions(room.configuration(), std::fs::Permissions::from_mode(0o644)).unwrap();
    let server = room.serve(&field.server);
    assert!(server.log().contains("others can reach it (mode 0644)"), "{}", server.log());
    server.stop();
}

//! The real binary while the machine fails it: a full disk, a lost interface, a changed address, a process that is stopped.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use common::client::Client;
use common::configuration::configuration;
use common::field::{ECHO, Field, OUTSIDE};
use common::server::Room;
use rustix::process::Signal;
use sim::Manner;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

fn main() -> ExitCode {
    common::run(&[
        ("a_full_disk_keeps_no_client_out_and_spoils_no_file", a_full_disk_keeps_no_client_out_and_spoils_no_file),
        ("an_interface_may_go_and_come_again", an_interface_may_go_and_come_again),
        ("another_address_is_served_at_once", another_address_is_served_at_once),
        ("a_server_stopped_for_a_minute_goes_on_where_it_was", a_server_stopped_for_a_minute_goes_on_where_it_was),
    ])
}

/// A small disk, mounted as long as this lives.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: &Path) -> Self {
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"]).arg(at).status().unwrap();
        assert!(mounted.success(), "mounted");
        Self(at.to_owned())
    }

    /// Leaves no room on it.
    fn fill(&self) {
        let full = fs::write(self.0.join("filling"), vec![0; 1 << 20]).unwrap_err();
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    }

    fn free(&self) {
        fs::remove_file(self.0.join("filling")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Journal, log and configuration are on one disk, and it is full.
fn a_full_disk_keeps_no_client_out_and_spoils_no_file() {
    let (field, room) = (Field::open(), Room::new("full"));
    let disk = Disk::mount(room.path());
    room.configure(&configuration(""));
    let before = field.server.state();
    let server = room.serve(&field.server);
    disk.fill();
    let mut client = Client::new(&field.clients, OUTSIDE[0], Manner::default(), 1);
    client.connect();
    // The first ARP may be answered late.
    assert!(client.until(Duration::from_secs(5), |c| c.reaches(ECHO)), "{}", client.story());
    let exec = |lines: &[&str]| room.sekisho(&field.server, &[&["exec"], lines].concat());
    let told = exec(&["show log"]);
    assert!(told.out.contains("free some space"), "{told:?}");
    let kept = fs::read_to_string(room.configuration()).unwrap();
    let told = exec(&["syslog debug on", "save"]);
    assert_ne!(told.status, 0, "{told:?}");
    assert!(told.err.contains("No space left on device"), "{told:?}");
    assert_eq!(fs::read_to_string(room.configuration()).unwrap(), kept, "the file is whole");
    disk.free();
    let told = exec(&["save"]);
    assert_eq!(told.status, 0, "{told:?}");
    assert!(fs::read_to_string(room.configuration()).unwrap().contains("syslog debug on"));
    let manner = Manner { user: "second".to_owned(), password: "Second-2".to_owned(), ..Manner::default() };
    let mut second = Client::new(&field.clients, OUTSIDE[1], manner, 2);
    second.connect();
    assert!(second.reaches(ECHO) && client.reaches(ECHO), "{}", second.story());
    server.stop();
    common::namespace::assert_same(&before, &field.server.state());
}

fn an_interface_may_go_and_come_again() {
    let (field, room) = (Field::open(), Room::new("interface"));
    let server = room.serve(&field.server);
    let mut client = Client::new(&field.clients, OUTSIDE[0], Manner::default(), 1);
    client.connect();
    assert!(client.reaches(ECHO), "{}", client.story());
    field.server.run("ip link set wan0 down");
    assert!(!client.reaches(ECHO), "the line is cut");
    client.rest(Duration::from_secs(2));
    field.server.run("ip link set wan0 up");
    assert!(client.until(Duration::from_secs(10), |c| c.reaches(ECHO)), "{}", client.story());
    // Another interface in its place, with the same address.
    field.server.run("ip link del wan0");
    assert!(!client.reaches(ECHO), "the line is gone");
    field.server.join(("wan0", "198.18.0.1/24"), &field.clients, ("eth0", "198.18.0.2/24"));
    assert!(client.until(Duration::from_secs(10), |c| c.reaches(ECHO)), "{}", client.story());
    assert!(!server.log().contains("Disconnected"), "{}", server.log());
    server.stop();
}

fn another_address_is_served_at_once() {
    let (field, room) = (Field::open(), Room::new("address"));
    let server = room.serve(&field.server);
    let mut client = Client::new(&field.clients, OUTSIDE[0], Manner::default(), 1);
    client.connect();
    field.server.run("ip addr add 198.18.0.9/24 dev wan0");
    field.server.run("ip addr del 198.18.0.1/24 dev wan0");
    field.server.run("ip addr replace 198.18.0.9/24 dev wan0");
    assert!(!client.reaches(ECHO), "the address is gone");
    let manner = Manner { user: "second".to_owned(), password: "Second-2".to_owned(), ..Manner::default() };
    let new = Ipv4Addr::new(198, 18, 0, 9);
    let mut other = Client::dialling(&field.clients, OUTSIDE[1].into(), new.into(), manner, 2);
    other.connect();
    assert!(other.reaches(ECHO), "{}", other.story());
    // The old one is there again, and so is whoever had dialled it.
    field.server.run("ip addr add 198.18.0.1/24 dev wan0");
    assert!(client.until(Duration::from_secs(10), |c| c.reaches(ECHO)), "{}", client.story());
    assert!(other.reaches(ECHO), "{}", other.story());
    server.stop();
}

fn a_server_stopped_for_a_minute_goes_on_where_it_was() {
    let (field, room) = (Field::open(), Room::new("stopped"));
    let server = room.serve(&field.server);
    let mut client = Client::new(&field.clients, OUTSIDE[0], Manner::default(), 1);
    client.connect();
    assert!(client.reaches(ECHO), "{}", client.story());
    server.signal(Signal::STOP);
    client.rest(Duration::from_secs(60));
    server.signal(Signal::CONT);
    assert!(client.until(Duration::from_secs(10), |c| c.reaches(ECHO)), "{}\n{}", client.story(), server.log());
    client.rest(Duration::from_secs(3));
    assert!(client.reaches(ECHO), "{}\n{}", client.story(), server.log());
    assert!(!server.log().contains("Disconnected"), "{}", server.log());
    server.stop();
}

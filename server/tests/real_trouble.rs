//! The real binary while the machine fails it: a full disk, a lost interface, a changed address, a process that is stopped.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![allow(unsafe_code, reason = "a file system is told to fail by an ioctl")]

mod common;

use common::client::Client;
use common::configuration::configuration;
use common::field::{ECHO, Field, OUTSIDE};
use common::server::Room;
use rustix::process::Signal;
use sim::Manner;
use std::fs;
use std::io::Read as _;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

fn main() -> ExitCode {
    let tests: &[common::Test] = &[
        (
            "a_full_disk_under_the_log_ended_the_server_when_a_client_left",
            a_full_disk_under_the_log_ended_the_server_when_a_client_left,
        ),
        (
            "a_disk_that_fails_keeps_no_client_out_and_ends_nothing",
            a_disk_that_fails_keeps_no_client_out_and_ends_nothing,
        ),
        ("a_disk_that_becomes_read_only_keeps_no_client_out", a_disk_that_becomes_read_only_keeps_no_client_out),
        (
            "files_that_vanish_are_told_of_and_the_host_is_put_back_all_the_same",
            files_that_vanish_are_told_of_and_the_host_is_put_back_all_the_same,
        ),
        ("a_full_disk_keeps_no_client_out_and_spoils_no_file", a_full_disk_keeps_no_client_out_and_spoils_no_file),
        ("an_interface_may_go_and_come_again", an_interface_may_go_and_come_again),
        ("another_address_is_served_at_once", another_address_is_served_at_once),
        ("a_server_stopped_for_a_minute_goes_on_where_it_was", a_server_stopped_for_a_minute_goes_on_where_it_was),
    ];
    common::run_with(tests, |name| {
        let fails = name.starts_with("a_disk_that");
        fails.then_some("mkfs.ext4")
    })
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

/// A disk of its own in a file beside the room, which can be made to fail.
struct Failing {
    disk: Disk,
    file: PathBuf,
    device: String,
}

impl Failing {
    fn mount(at: &Path) -> Self {
        let file = at.with_extension("disk");
        fs::File::create(&file).unwrap().set_len(8 << 20).unwrap();
        assert!(Command::new("mkfs.ext4").arg("-q").arg(&file).status().unwrap().success(), "made");
        let told = Command::new("losetup").args(["--find", "--show"]).arg(&file).output().unwrap();
        let device = String::from_utf8(told.stdout).unwrap().trim().to_owned();
        let mounted = Command::new("mount").args(["-t", "ext4", "-o", "errors=remount-ro", &device]).arg(at).status();
        let this = Self { disk: Disk(at.to_owned()), file, device };
        assert!(mounted.unwrap().success(), "mounted");
        this
    }

    /// As after the next start of the machine.
    fn mount_again(&self) {
        assert!(Command::new("umount").arg(&self.disk.0).status().unwrap().success(), "unmounted");
        let mounted = Command::new("mount").args(["-t", "ext4", &self.device]).arg(&self.disk.0).status();
        assert!(mounted.unwrap().success(), "mounted again");
    }

    /// From here on nothing can be written, made, renamed or forced onto it: EIO.
    fn fail(&self) {
        const SHUTDOWN: libc::c_ulong = 0x8004_587d;
        const WITHOUT_THE_JOURNAL: u32 = 2;
        let folder = fs::File::open(&self.disk.0).unwrap();
        // SAFETY: EXT4_IOC_SHUTDOWN reads one u32.
        let done = unsafe { libc::ioctl(folder.as_raw_fd(), SHUTDOWN as _, &WITHOUT_THE_JOURNAL) };
        assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
    }

    /// The file system finds a fault in itself and lets nobody write any more: EROFS.
    fn find_a_fault(&self) {
        let name = self.device.trim_start_matches("/dev/");
        fs::write(format!("/sys/fs/ext4/{name}/trigger_fs_error"), "found by a test\n").unwrap();
    }
}

impl Drop for Failing {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.disk.0).status();
        let _ = Command::new("losetup").args(["--detach", &self.device]).status();
        let _ = fs::remove_file(&self.file);
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
    assert_told(&mut client, &field, &room, "free some space");
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

/// `show log` has these words, or will within seconds: the log is written beside everything else, and a disk in trouble
/// may keep it waiting. The client goes on meanwhile.
fn assert_told(client: &mut Client, field: &Field, room: &Room, words: &str) {
    let told = || room.sekisho(&field.server, &["exec", "show log"]);
    let is_told = client.until(Duration::from_secs(10), |_| told().out.contains(words));
    assert!(is_told, "{words} is not among {:?}", told());
}

/// A client hangs up, and the host forgets it.
fn leaves(client: &mut Client, field: &Field) {
    let line = format!("ip route show {}", client.inside());
    client.act(|peer, now| peer.hang_up_call(now));
    assert!(client.until(Duration::from_secs(5), |_| field.server.run(&line).is_empty()), "{}", client.story());
}

/// Journal, log and configuration are on a disk that stops taking anything while a client is there: it leaves, others come,
/// `save` says what is wrong, and the server ends well.
fn with_a_disk_that(breaks: impl FnOnce(&Failing), error: &str, name: &str) {
    let (field, room) = (Field::open(), Room::new(name));
    let disk = Failing::mount(room.path());
    room.configure(&configuration(""));
    let before = field.server.state();
    let server = room.serve(&field.server);
    let mut client = Client::new(&field.clients, OUTSIDE[0], Manner::default(), 1);
    client.connect();
    assert!(client.until(Duration::from_secs(5), |c| c.reaches(ECHO)), "{}", client.story());
    let kept = fs::read_to_string(room.configuration()).unwrap();
    fs::File::open(room.configuration()).unwrap().sync_all().unwrap();
    breaks(&disk);
    leaves(&mut client, &field);
    let manner = Manner { user: "second".to_owned(), password: "Second-2".to_owned(), ..Manner::default() };
    let mut second = Client::new(&field.clients, OUTSIDE[1], manner, 2);
    second.connect();
    assert!(second.until(Duration::from_secs(5), |c| c.reaches(ECHO)), "{}", second.story());
    let exec = |lines: &[&str]| room.sekisho(&field.server, &[&["exec"], lines].concat());
    for words in ["the log cannot be written: ", "cannot write the journal of changes to this host: "] {
        assert_told(&mut second, &field, &room, &format!("{words}{error}"));
    }
    let told = exec(&["syslog debug on", "save"]);
    assert_ne!(told.status, 0, "{told:?}");
    assert!(told.err.contains(error) && told.err.contains("the file is as it was"), "{told:?}");
    assert!(second.reaches(ECHO), "{}", second.story());
    server.stop();
    disk.mount_again();
    assert_eq!(fs::read_to_string(room.configuration()).unwrap(), kept, "the file is whole");
    common::namespace::assert_same(&before, &field.server.state());
}

fn a_disk_that_fails_keeps_no_client_out_and_ends_nothing() {
    with_a_disk_that(Failing::fail, "Input/output error", "failing");
}

fn a_disk_that_becomes_read_only_keeps_no_client_out() {
    with_a_disk_that(Failing::find_a_fault, "Read-only file system", "read-only");
}

/// The journal has no room, and neither has the log that would tell of it.
fn a_full_disk_under_the_log_ended_the_server_when_a_client_left() {
    let (field, room) = (Field::open(), Room::new("full-log"));
    let disk = Disk::mount(room.path());
    room.configure(&configuration(""));
    let server = room.serve_without_a_log(&field.server);
    disk.fill();
    for seed in 1..=2 {
        let mut client = Client::new(&field.clients, OUTSIDE[0], Manner::default(), seed);
        client.connect();
        assert!(client.until(Duration::from_secs(5), |c| c.reaches(ECHO)), "{}", client.story());
        leaves(&mut client, &field);
        for words in
            ["the log cannot be written: No space left", "cannot write the journal of changes to this host: No space"]
        {
            assert_told(&mut client, &field, &room, words);
        }
    }
    disk.free();
    server.stop();
}

/// Somebody removes all that the server keeps: there is nothing to undo after a kill then, but it undoes all itself.
fn files_that_vanish_are_told_of_and_the_host_is_put_back_all_the_same() {
    let (field, room) = (Field::open(), Room::new("vanishing"));
    let before = field.server.state();
    let mut server = room.serve(&field.server);
    let log = PathBuf::from(format!("/proc/{}/fd/2", server.pid()));
    let log = fs::File::open(log).unwrap();
    // One file is written anew.
    fs::remove_file(room.path().join("run/journal")).unwrap();
    fs::remove_file(room.configuration()).unwrap();
    let mut client = Client::new(&field.clients, OUTSIDE[0], Manner::default(), 1);
    client.connect();
    assert!(client.until(Duration::from_secs(5), |c| c.reaches(ECHO)), "{}", client.story());
    let journal = fs::read_to_string(room.path().join("run/journal")).unwrap();
    assert!(journal.contains(&format!(" route {} ", client.inside())), "{journal}");
    let told = room.sekisho(&field.server, &["exec", "save"]);
    assert_eq!(told.status, 0, "{told:?}");
    assert!(fs::read_to_string(room.configuration()).unwrap().contains("l2tp service on"));
    // Without its directory nothing can be.
    fs::remove_dir_all(room.path()).unwrap();
    let manner = Manner { user: "second".to_owned(), password: "Second-2".to_owned(), ..Manner::default() };
    let mut second = Client::new(&field.clients, OUTSIDE[1], manner, 2);
    second.connect();
    assert!(second.until(Duration::from_secs(5), |c| c.reaches(ECHO)) && client.reaches(ECHO), "{}", second.story());
    server.tell_to_stop();
    assert!(server.wait().success());
    let mut told = String::new();
    (&log).read_to_string(&mut told).unwrap();
    assert!(told.contains("cannot write the journal of changes to this host: No such file or directory"), "{told}");
    assert!(told.contains("its directory was taken away"), "{told}");
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

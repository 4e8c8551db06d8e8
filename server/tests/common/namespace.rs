//! A network namespace that lasts as long as its value, and ends even if this process is killed.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A network namespace.
///
/// A process that waits for the end of its input holds it, so that it goes away with this process whatever happens;
/// the devices in it go with it.
pub(crate) struct Namespace {
    holder: Child,
    file: File,
}

impl Namespace {
    /// Makes a namespace; only its loopback is up.
    pub(crate) fn new() -> Self {
        Self::open().unwrap()
    }

    /// Makes a namespace if this machine lets us.
    pub(crate) fn open() -> io::Result<Self> {
        let mut holder = Command::new("unshare")
            .args(["--net", "sh", "-c", "echo ready && exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut line = String::new();
        let told = holder.stdout.take().map(|out| BufReader::new(out).read_line(&mut line));
        let file = match told {
            Some(Ok(_)) if line == "ready\n" => File::open(format!("/proc/{}/ns/net", holder.id())),
            _ => Err(io::Error::other("'unshare --net' is refused")),
        };
        let file = file.inspect_err(|_| end(&mut holder))?;
        let this = Self { holder, file };
        // Without IPv6, no address changes by itself while a test compares.
        for which in ["all", "default"] {
            let path = format!("net/ipv6/conf/{which}/disable_ipv6");
            this.enter(|| drop(fs::write(Path::new("/proc/sys").join(path), "1")));
        }
        this.attempt("ip link set lo up").map_err(io::Error::other)?;
        Ok(this)
    }

    /// The process that holds it, by which others name it.
    pub(crate) fn pid(&self) -> u32 {
        self.holder.id()
    }

    /// Does something inside.
    pub(crate) fn enter<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                let kind = Some(rustix::thread::LinkNameSpaceType::Network);
                rustix::thread::move_into_link_name_space(self.file.as_fd(), kind).unwrap();
                act()
            });
            inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Runs a program with its words inside; gives what it printed, or else what it complained of.
    pub(crate) fn attempt(&self, line: &str) -> Result<String, String> {
        let mut words = line.split_whitespace();
        let mut command = Command::new(words.next().unwrap());
        command.args(words).stdin(Stdio::null());
        let output = self.enter(|| command.output()).map_err(|error| error.to_string())?;
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr).trim().to_owned()) }
    }

    /// Runs a program that must succeed.
    pub(crate) fn run(&self, line: &str) -> String {
        self.attempt(line).unwrap_or_else(|told| panic!("{line}: {told}"))
    }

    /// Writes a system setting (path below `/proc/sys`).
    pub(crate) fn set(&self, path: &str, value: &str) {
        self.enter(|| fs::write(Path::new("/proc/sys").join(path), value)).unwrap();
    }

    /// Joins this namespace and another by a cable; each end gets a device with an address, and is up.
    pub(crate) fn join(&self, own: (&str, &str), other: &Self, others: (&str, &str)) {
        let (name, peer, pid) = (own.0, others.0, other.pid());
        self.run(&format!("ip link add {name} type veth peer name {peer} netns {pid}"));
        for (end, (name, address)) in [(self, own), (other, others)] {
            end.run(&format!("ip addr add {address} dev {name}"));
            end.run(&format!("ip link set {name} up"));
        }
        // The kernel sees the carrier a moment later, and changes addresses and routes then.
        for (end, name) in [(self, own.0), (other, others.0)] {
            let start = Instant::now();
            while !end.run(&format!("ip link show {name}")).contains("state UP") {
                assert!(start.elapsed() < Duration::from_secs(5), "{name} does not come up");
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }

    /// All that a server may have changed: addresses, routes, rules, proxy neighbours, filters and settings.
    pub(crate) fn state(&self) -> String {
        let mut text = String::new();
        for line in ["ip addr", "ip route show table all", "ip rule", "ip neigh show proxy", "nft list ruleset"] {
            let _ = writeln!(text, "# {line}\n{}", self.run(line));
        }
        self.enter(|| settings(Path::new("/proc/sys/net/ipv4"), &mut text));
        text
    }
}

/// Compares two states of a host; only what differs is shown.
#[track_caller]
pub(crate) fn assert_same(before: &str, after: &str) {
    let only = |these: &str, those: &str| {
        let lines: Vec<&str> = these.lines().filter(|line| !those.lines().any(|other| other == *line)).collect();
        lines.join("\n")
    };
    let (gone, new) = (only(before, after), only(after, before));
    assert!(before == after, "gone:\n{gone}\nnew:\n{new}");
}

/// Every setting below a folder that can be read.
fn settings(folder: &Path, text: &mut String) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            settings(&path, text);
        } else if let Ok(value) = fs::read_to_string(&path) {
            let _ = writeln!(text, "{} = {}", path.display(), value.trim());
        }
    }
}

fn end(holder: &mut Child) {
    let _ = holder.kill();
    let _ = holder.wait();
}

impl Drop for Namespace {
    fn drop(&mut self) {
        end(&mut self.holder);
    }
}

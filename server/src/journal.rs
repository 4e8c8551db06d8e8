//! What was changed on the host and how to undo it, written before the change is made, so that nothing stays behind
//! even after a kill.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::Ipv4Addr;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FlockOperation, flock};

use crate::setup::Failure;

/// How many lines of undone changes the file may hold before it is written anew.
const MAX_STALE_LINES: usize = 512;

/// One change to the host, with what is needed to undo it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// The route `address`/32 was added by the interface.
    Route { address: Ipv4Addr, interface: Arc<str> },
    /// A proxy neighbour was added on the interface.
    Proxy { address: Ipv4Addr, interface: Arc<str> },
    /// A file below `/proc/sys` was written.
    Sysctl { path: Box<str>, old: Box<str>, new: Box<str> },
    /// An nftables table of our own was added (family and name).
    NftTable { family: Box<str>, name: Box<str> },
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Route { address, interface } => write!(f, "route {address} {interface}"),
            Self::Proxy { address, interface } => write!(f, "proxy {address} {interface}"),
            Self::Sysctl { path, old, new } => write!(f, "sysctl {path} {old} {new}"),
            Self::NftTable { family, name } => write!(f, "nft {family} {name}"),
        }
    }
}

impl Change {
    /// Reads what `Display` wrote; `None` for a line cut short by a crash.
    fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split(' ').collect();
        match *words.as_slice() {
            ["route", address, interface] => {
                Some(Self::Route { address: address.parse().ok()?, interface: interface.into() })
            }
            ["proxy", address, interface] => {
                Some(Self::Proxy { address: address.parse().ok()?, interface: interface.into() })
            }
            ["sysctl", path, old, new] => Some(Self::Sysctl { path: path.into(), old: old.into(), new: new.into() }),
            ["nft", family, name] => Some(Self::NftTable { family: family.into(), name: name.into() }),
            _ => None,
        }
    }
}

/// The journal of one running server.
///
/// One line a change (`+ NUMBER CHANGE`) and one for each that was undone (`- NUMBER`). A line counts once its
/// newline is written.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    open: BTreeMap<u64, Change>,
    next: u64,
    stale: usize,
    /// A line could not be written: the file does not hold all that stands.
    lacking: bool,
}

impl Journal {
    /// Opens the journal and reads what an earlier process left in it.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let mut text = String::new();
        match File::open(path) {
            Ok(mut file) => {
                let mut octets = Vec::new();
                file.read_to_end(&mut octets)?;
                text = String::from_utf8_lossy(&octets).into_owned();
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let open = read(&text);
        let next = open.keys().next_back().map_or(1, |last| last + 1);
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
        let mut journal = Self { path: path.to_owned(), file, open, next, stale: 0, lacking: false };
        journal.rewrite()?;
        Ok(journal)
    }

    /// Writes a change down before it is made; gives the number under which it is closed.
    pub(crate) fn write(&mut self, change: Change) -> io::Result<u64> {
        let (number, written) = self.keep(change);
        if written.is_err() {
            self.open.remove(&number);
        }
        written.map(|()| number)
    }

    /// The same for a change that is made even if it cannot be written down: this process undoes it, and the file has it
    /// as soon as there is room again.
    pub(crate) fn keep(&mut self, change: Change) -> (u64, io::Result<()>) {
        let number = self.next;
        let line = format!("+ {number} {change}\n");
        self.next += 1;
        self.open.insert(number, change);
        (number, self.append(&line))
    }

    /// Notes that a change has been undone (or was never made).
    pub(crate) fn close(&mut self, number: u64) -> io::Result<()> {
        if self.open.remove(&number).is_none() {
            return Ok(());
        }
        self.stale += 2;
        if self.stale > MAX_STALE_LINES { self.rewrite() } else { self.append(&format!("- {number}\n")) }
    }

    /// The changes that still stand, the latest first: the order in which they have to be undone.
    pub(crate) fn standing(&self) -> Vec<(u64, Change)> {
        self.open.iter().rev().map(|(number, change)| (*number, change.clone())).collect()
    }

    /// One standing change.
    pub(crate) fn change(&self, number: u64) -> Option<Change> {
        self.open.get(&number).cloned()
    }

    /// Removes the file when nothing stands any more.
    pub(crate) fn remove(&mut self) {
        if self.open.is_empty() {
            let _ = fs::remove_file(&self.path);
        }
    }

    fn append(&mut self, line: &str) -> io::Result<()> {
        // Not forced onto the disk: what it tells of, routes and settings of the running kernel, ends with the machine, and
        // what is written outlives the process.
        if self.lacking || self.is_gone() {
            // Half a line may stand at its end, or somebody has removed it.
            return self.rewrite();
        }
        let written = self.file.write_all(line.as_bytes());
        self.lacking = written.is_err();
        written
    }

    /// Replaces the file by one that holds the standing changes only.
    fn rewrite(&mut self) -> io::Result<()> {
        let fresh = self.path.with_extension("new");
        let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&fresh)?;
        for (number, change) in &self.open {
            file.write_all(format!("+ {number} {change}\n").as_bytes())?;
        }
        file.sync_data()?;
        fs::rename(&fresh, &self.path)?;
        self.file = file;
        (self.stale, self.lacking) = (0, false);
        Ok(())
    }

    /// Whether what is written would be found by nobody.
    fn is_gone(&self) -> bool {
        self.file.metadata().is_ok_and(|about| about.nlink() == 0)
    }
}

/// The standing changes of a journal's text.
fn read(text: &str) -> BTreeMap<u64, Change> {
    let mut open = BTreeMap::new();
    for line in text.split_inclusive('\n') {
        // What a crash cut off was not followed by the change itself.
        let Some(line) = line.strip_suffix('\n') else { continue };
        let mut words = line.splitn(3, ' ');
        let sign = words.next();
        let Some(number) = words.next().and_then(|n| n.parse().ok()) else {
            continue;
        };
        match (sign, words.next().and_then(Change::parse)) {
            (Some("+"), Some(change)) => drop(open.insert(number, change)),
            (Some("-"), None) => drop(open.remove(&number)),
            _ => {}
        }
    }
    open
}

/// The lock that keeps a second server out; held as long as the value lives.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

impl Lock {
    /// Takes the lock of a run directory, which is made if it is not there.
    pub(crate) fn take(directory: &Path) -> Result<Self, Failure> {
        let trouble = |error: io::Error| {
            Failure::new(format!(
                "cannot use the directory {}: {error}; make it writable, or name another one in SEKISHO_RUN_DIR",
                directory.display()
            ))
        };
        fs::create_dir_all(directory).map_err(trouble)?;
        fs::set_permissions(directory, fs::Permissions::from_mode(0o700)).map_err(trouble)?;
        let path = directory.join("lock");
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(trouble)?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            let mut pid = String::new();
            let _ = file.read_to_string(&mut pid);
            let pid = pid.trim();
            let (who, how) = if pid.is_empty() {
                (String::new(), "end it first".to_owned())
            } else {
                (format!(" (process {pid})"), format!("end it first with 'kill {pid}'"))
            };
            return Err(Failure::new(format!(
                "a Sekisho server is running already{who}; use it with 'sekisho show status pp anonymous', or {how}"
            )));
        }
        file.set_len(0).map_err(trouble)?;
        writeln!(file, "{}", std::process::id()).map_err(trouble)?;
        Ok(Self { file })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The file stays: to remove it would let two processes lock two different files of one name.
        let _ = self.file.set_len(0);
        // Closing would not do: a program that is being started at this moment may still hold the descriptor.
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;

    fn directory(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("sekisho-journal-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        path
    }

    fn route(n: u8) -> Change {
        Change::Route { address: Ipv4Addr::new(192, 168, 100, n), interface: "sekisho0".into() }
    }

    #[test]
    fn what_a_killed_process_left_is_read_back_latest_first() {
        let dir = directory("left");
        let path = dir.join("journal");
        let sysctl =
            Change::Sysctl { path: "net/ipv4/conf/eth0.7/forwarding".into(), old: "0".into(), new: "1".into() };
        let table = Change::NftTable { family: "ip".into(), name: "sekisho".into() };
        {
            let mut journal = Journal::open(&path).unwrap();
            journal.write(sysctl.clone()).unwrap();
            journal.write(table.clone()).unwrap();
            let gone = journal.write(route(200)).unwrap();
            journal.write(Change::Proxy { address: Ipv4Addr::LOCALHOST, interface: "eth0".into() }).unwrap();
            journal.close(gone).unwrap();
        }
        let journal = Journal::open(&path).unwrap();
        let changes: Vec<Change> = journal.standing().into_iter().map(|(_, change)| change).collect();
        assert_eq!(changes, [Change::Proxy { address: Ipv4Addr::LOCALHOST, interface: "eth0".into() }, table, sysctl]);
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_line_that_a_crash_cut_off_is_passed_over() {
        let text = "+ 1 route 10.0.0.1 sekisho0\n+ 2 route 10.0.0.2 sekisho0\n- 1\n+ 3 route 10.0.0.3 sek";
        let open = read(text);
        assert_eq!(open.len(), 1);
        assert_eq!(open[&2].to_string(), "route 10.0.0.2 sekisho0");
    }

    #[test]
    fn what_found_no_room_on_the_disk_is_written_when_there_is_room_again() {
        let directory = directory("full");
        let path = directory.join("journal");
        let mut journal = Journal::open(&path).unwrap();
        journal.write(route(1)).unwrap();
        journal.file = OpenOptions::new().append(true).open("/dev/full").unwrap();
        let (second, written) = journal.keep(route(2));
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(journal.change(second), Some(route(2)), "this process knows it all the same");
        journal.write(route(3)).unwrap();
        drop(journal);
        let kept: Vec<Change> =
            Journal::open(&path).unwrap().standing().into_iter().map(|(_, change)| change).collect();
        assert_eq!(kept, [route(3), route(2), route(1)]);
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_journal_that_somebody_removed_went_on_in_a_file_without_a_name() {
        let directory = directory("removed");
        let path = directory.join("journal");
        let mut journal = Journal::open(&path).unwrap();
        journal.write(route(1)).unwrap();
        fs::remove_file(&path).unwrap();
        journal.write(route(2)).unwrap();
        let standing = || -> Vec<Change> { read(&fs::read_to_string(&path).unwrap()).into_values().collect() };
        assert_eq!(standing(), [route(1), route(2)]);
        fs::remove_dir_all(&directory).unwrap();
        let (third, written) = journal.keep(route(3));
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(journal.write(route(4)).is_err());
        fs::create_dir(&directory).unwrap();
        journal.close(third).unwrap();
        assert_eq!(standing(), [route(1), route(2)]);
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn the_file_stays_small_when_clients_come_and_go() {
        let dir = directory("small");
        let path = dir.join("journal");
        let mut journal = Journal::open(&path).unwrap();
        journal.write(route(1)).unwrap();
        for _ in 0..2000 {
            let number = journal.write(route(200)).unwrap();
            journal.close(number).unwrap();
        }
        assert!(fs::metadata(&path).unwrap().len() < 40_000);
        assert_eq!(journal.standing().len(), 1);
        drop(journal);
        assert_eq!(Journal::open(&path).unwrap().standing().len(), 1);
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_second_lock_is_refused_and_names_the_holder() {
        let dir = directory("lock");
        let first = Lock::take(&dir).unwrap();
        let refused = Lock::take(&dir).unwrap_err();
        assert_eq!(refused.status, 1);
        let pid = std::process::id();
        assert!(refused.sentence.contains(&format!("(process {pid})")), "{}", refused.sentence);
        assert!(refused.sentence.contains(&format!("'kill {pid}'")), "{}", refused.sentence);
        drop(first);
        Lock::take(&dir).unwrap();
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_lock_given_back_is_free_while_a_child_still_has_its_descriptor() {
        let dir = directory("inherited");
        let first = Lock::take(&dir).unwrap();
        let inherited = first.file.try_clone().unwrap();
        drop(first);
        Lock::take(&dir).unwrap();
        drop(inherited);
        fs::remove_dir_all(dir).unwrap();
    }
}

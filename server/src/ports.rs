//! Before the start: privileges, the TUN device, and the ports, with the name of whoever holds one already.

use std::fmt;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use rustix::thread::CapabilitySet;

use crate::setup::Failure;

/// The UDP ports of the server, with what they are for: IKE, IKE and ESP behind NAT, L2TP.
pub(crate) const PORTS: [(u16, &str); 3] = [(500, "IKE"), (4500, "IKE and ESP through NAT"), (1701, "L2TP")];

/// Where the kernel hands out TUN devices.
const TUN_DEVICE: &str = "/dev/net/tun";

/// Checks that the process may change routes, open raw sockets and bind low ports.
pub(crate) fn check_privileges() -> Result<(), Failure> {
    let sets = rustix::thread::capabilities(None)
        .map_err(|e| Failure::new(format!("cannot ask for this process's privileges: {e}; start it as root")))?;
    let needed = [
        (CapabilitySet::NET_ADMIN, "CAP_NET_ADMIN"),
        (CapabilitySet::NET_RAW, "CAP_NET_RAW"),
        (CapabilitySet::NET_BIND_SERVICE, "CAP_NET_BIND_SERVICE"),
    ];
    let missing: Vec<&str> =
        needed.iter().filter(|(flag, _)| !sets.effective.contains(*flag)).map(|(_, name)| *name).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "this process may not set up a network ({} missing); start it as root, for example with sudo",
        missing.join(", ")
    )))
}

/// Checks that TUN devices can be made.
pub(crate) fn check_tun() -> Result<(), Failure> {
    check_tun_at(Path::new(TUN_DEVICE))
}

fn check_tun_at(path: &Path) -> Result<(), Failure> {
    let shown = path.display();
    let make =
        format!("'mkdir -p /dev/net && mknod {shown} c 10 200'; in a container, start it with '--device {shown}'");
    let kind = match fs::metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Failure::new(format!(
                "{shown} is missing; load it with 'modprobe tun' or make it with {make}"
            )));
        }
        Err(error) => {
            return Err(Failure::new(format!("cannot look at {shown}: {error}; start this program as root")));
        }
    };
    if !kind.is_char_device() {
        return Err(Failure::new(format!("{shown} is not a device; remove it and make it with {make}")));
    }
    match fs::OpenOptions::new().read(true).write(true).open(path) {
        Ok(_) => Ok(()),
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENODEV | libc::ENXIO)) => {
            Err(Failure::new(format!("{shown} is there, but the kernel has no TUN; load it with 'modprobe tun'")))
        }
        Err(error) => Err(Failure::new(format!("cannot open {shown}: {error}; start this program as root"))),
    }
}

/// Checks that nobody else holds one of the server's ports. Nothing stays bound.
pub(crate) fn check_ports() -> Result<(), Failure> {
    for (port, purpose) in PORTS {
        // Without address reuse: a second socket in a reuse group of somebody else would be let in silently.
        match UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(in_use(port, purpose)),
            Err(error) => {
                return Err(Failure::new(format!(
                    "cannot bind UDP port {port} ({purpose}): {error}; start it as root"
                )));
            }
        }
    }
    Ok(())
}

/// The sentence for a port that is taken: who has it and how to make it free.
pub(crate) fn in_use(port: u16, purpose: &str) -> Failure {
    let what = format!("UDP port {port} ({purpose}) is in use");
    Failure::new(match holder(port) {
        Some(holder) => format!("{what} by {holder}; free it with '{}'", holder.remedy()),
        None => format!(
            "{what} by a process that cannot be seen from here; 'ss -lunp sport = :{port}' as root on the host may \
             name it"
        ),
    })
}

/// A process that holds a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) pid: u32,
    /// Its name as the kernel knows it.
    pub(crate) name: String,
    /// What its control group says: the service or container it belongs to.
    pub(crate) group: Option<Group>,
}

/// The unit that a process was started in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Group {
    /// A service of systemd, with its whole name.
    Service(String),
    /// A container of Docker, with the start of its id.
    Docker(String),
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {})", self.name, self.pid)
    }
}

impl Holder {
    /// The command that ends the process in the way it was started.
    pub(crate) fn remedy(&self) -> String {
        match &self.group {
            Some(Group::Service(name)) => format!("systemctl stop {}", name.trim_end_matches(".service")),
            Some(Group::Docker(id)) => format!("docker stop {id}"),
            None => format!("kill {}", self.pid),
        }
    }
}

/// The process that holds a UDP port of this network namespace.
pub(crate) fn holder(port: u16) -> Option<Holder> {
    let mut inodes = Vec::new();
    for table in ["/proc/net/udp", "/proc/net/udp6"] {
        inodes.extend(inodes_of(&fs::read_to_string(table).unwrap_or_default(), port));
    }
    let mut pids: Vec<u32> =
        fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    let pid = pids.into_iter().find(|pid| has_socket(*pid, &inodes))?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned();
    let group = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok().and_then(|text| group_of(&text));
    Some(Holder { pid, name, group })
}

/// The inodes of the sockets that are bound to a port, from the text of `/proc/net/udp`.
fn inodes_of(table: &str, port: u16) -> Vec<u64> {
    let suffix = format!(":{port:04X}");
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let local = words.nth(1)?;
            // sl local rem st queues tr:when retrnsmt uid timeout inode
            local.ends_with(&suffix).then(|| words.nth(7)?.parse().ok()).flatten()
        })
        .collect()
}

fn has_socket(pid: u32, inodes: &[u64]) -> bool {
    let Ok(entries) = fs::read_dir(PathBuf::from(format!("/proc/{pid}/fd"))) else {
        return false;
    };
    entries.flatten().any(|entry| {
        fs::read_link(entry.path()).is_ok_and(|link| {
            let inode = link.to_str().and_then(|text| text.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok());
            inode.is_some_and(|inode| inodes.contains(&inode))
        })
    })
}

/// The service or container of a process, from the text of its `cgroup` file.
fn group_of(text: &str) -> Option<Group> {
    for line in text.lines() {
        let path = line.splitn(3, ':').nth(2).unwrap_or_default();
        for part in path.rsplit('/') {
            let id = part.strip_prefix("docker-").and_then(|rest| rest.strip_suffix(".scope"));
            if let Some(id) = id.and_then(|id| id.get(..12)) {
                return Some(Group::Docker(id.to_owned()));
            }
            // A user's session manager runs whatever the user starts; to stop it would end the session.
            if part.ends_with(".service") && !part.starts_with("user@") {
                return Some(Group::Service(part.to_owned()));
            }
        }
        let id = path.strip_prefix("/docker/").and_then(|id| id.get(..12));
        if let Some(id) = id {
            return Some(Group::Docker(id.to_owned()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;

    #[test]
    fn the_holder_of_a_port_is_found_by_its_socket() {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let holder = holder(socket.local_addr().unwrap().port()).unwrap();
        assert_eq!(holder.pid, std::process::id());
        let sentence = in_use(socket.local_addr().unwrap().port(), "IKE").sentence;
        assert!(sentence.contains(&format!("(process {})", holder.pid)), "{sentence}");
    }

    #[test]
    fn a_free_port_has_no_holder() {
        let port = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        assert_eq!(holder(port), None);
    }

    #[test]
    fn inodes_are_read_from_the_kernels_table() {
        let table = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout \
        inode ref pointer drops\n\
             1234: 00000000:01F4 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 998877 2 \
             0000 0\n\
             1235: 00000000:1194 00000000:01F4 07 00000000:00000000 00:00000000 00000000     0        0 998878 2 \
             0000 0\n";
        assert_eq!(inodes_of(table, 500), [998_877]);
        assert_eq!(inodes_of(table, 4500), [998_878]);
        assert_eq!(inodes_of(table, 1701), Vec::<u64>::new());
    }

    #[test]
    fn the_remedy_names_the_service_or_container() {
        let service = group_of("0::/system.slice/strongswan-starter.service\n");
        let holder = |group| Holder { pid: 7, name: "charon".to_owned(), group };
        assert_eq!(holder(service).remedy(), "systemctl stop strongswan-starter");
        let docker = group_of("0::/system.slice/docker-0123456789abcdef0123.scope\n");
        assert_eq!(holder(docker).remedy(), "docker stop 0123456789ab");
        let plain = group_of("0::/user.slice/user-1000.slice/user@1000.service/app.slice/run-x.scope\n");
        assert_eq!(holder(plain).remedy(), "kill 7");
    }

    #[test]
    fn a_missing_or_false_tun_device_is_told_with_its_remedy() {
        let path = std::env::temp_dir().join(format!("sekisho-no-tun-{}", std::process::id()));
        let missing = check_tun_at(&path).unwrap_err().sentence;
        assert!(missing.contains("is missing; load it with 'modprobe tun'"), "{missing}");
        fs::write(&path, "").unwrap();
        let false_one = check_tun_at(&path).unwrap_err().sentence;
        assert!(false_one.contains("is not a device"), "{false_one}");
        fs::remove_file(path).unwrap();
    }
}

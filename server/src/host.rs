//! The host as the server changes it: routes, proxy neighbours, system settings and the NAT table, each journalled
//! and undone at the end.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::firewall;
use crate::journal::{Change, Journal, Lock};
use crate::log::complain;
use crate::netlink::{Interface, Netlink, Route};
use crate::setup::Failure;

/// How many packets the kernel queues before the TUN device.
const TUN_QUEUE: u32 = 1000;

/// What stands on the host for one connected client.
#[derive(Debug, Clone, Copy, Default)]
struct Client {
    route: Option<u64>,
    proxy: Option<u64>,
}

/// The host this server runs on. Dropping the value undoes every change that was made through it.
#[derive(Debug)]
pub(crate) struct Host {
    netlink: Netlink,
    journal: Journal,
    _lock: Lock,
    tun: Option<(Arc<str>, u32)>,
    forward_tun: bool,
    clients: BTreeMap<Ipv4Addr, Client>,
    /// What could not be done and nobody has been told of.
    troubles: Vec<String>,
}

impl Host {
    /// Takes the lock and opens the journal of a run directory; refused while another server runs.
    pub(crate) fn open(run_dir: &Path) -> Result<Self, Failure> {
        let lock = Lock::take(run_dir)?;
        let path = run_dir.join("journal");
        let journal = Journal::open(&path).map_err(|e| {
            Failure::new(format!("cannot read {}: {e}; remove the file and start again", path.display()))
        })?;
        let netlink =
            Netlink::open().map_err(|e| Failure::new(format!("cannot ask the kernel for its routes: {e}")))?;
        Ok(Self {
            netlink,
            journal,
            _lock: lock,
            tun: None,
            forward_tun: false,
            clients: BTreeMap::new(),
            troubles: vec![],
        })
    }

    /// Undoes what a killed server left behind; the sentence tells what was done, if anything was there.
    pub(crate) fn undo_leftovers(&mut self) -> Option<String> {
        let count = self.journal.standing().len();
        if count == 0 {
            return None;
        }
        let troubles = self.undo();
        let things = if count == 1 { "1 change".to_owned() } else { format!("{count} changes") };
        let mut told = format!("an earlier server ended without cleaning up; {things} to this host undone");
        for trouble in troubles {
            told.push_str("; ");
            told.push_str(&trouble);
        }
        Some(told)
    }

    /// All interfaces with their IPv4 addresses.
    pub(crate) fn interfaces(&mut self) -> io::Result<Vec<Interface>> {
        self.netlink.interfaces()
    }

    /// The interface that holds an address, if this host has it.
    pub(crate) fn interface_of(&mut self, address: Ipv4Addr) -> Option<Interface> {
        holder(&self.netlink.interfaces().ok()?, address).cloned()
    }

    /// The interface whose hosts need a proxy answer for this client address: the one that holds a LAN's address
    /// whose network
    /// contains it, where the configuration says `proxyarp on`.
    pub(crate) fn proxy_interface(&mut self, config: &command::Config, address: Ipv4Addr) -> Option<String> {
        let lan = config.lans.values().filter(|lan| lan.proxyarp).find_map(|lan| {
            let (own, prefix) = lan.address?;
            (own != address && network(own, prefix) == network(address, prefix)).then_some(own)
        })?;
        self.interface_of(lan).map(|interface| interface.name)
    }

    /// Sets the program's own TUN device up.
    pub(crate) fn tun_up(&mut self, name: &str, mtu: u32) -> Result<(), Failure> {
        let trouble = |e: io::Error| Failure::new(format!("cannot set the TUN device {name} up: {e}"));
        let index = self.netlink.index_of(name).map_err(trouble)?;
        self.netlink.set_up(index, mtu, TUN_QUEUE).map_err(trouble)?;
        // The device and its settings vanish together with the process, so there is nothing to journal.
        let switch_on = |setting| fs::write(sysctl_path(&format!("net/ipv4/conf/{name}/{setting}")), "1\n");
        // What the server itself says to the hosts behind it (ICMP) comes out of the device from this host's own address;
        // clients cannot use that, since each one's source address is checked.
        switch_on("accept_local").map_err(trouble)?;
        if self.forward_tun {
            switch_on("forwarding").map_err(trouble)?;
        }
        self.tun = Some((name.into(), index));
        Ok(())
    }

    /// Gives the TUN device an address of `ip pp address` that no interface has, so that clients can reach their end of
    /// the link. It vanishes with the device.
    pub(crate) fn tun_address(&mut self, address: Ipv4Addr) -> Result<(), Failure> {
        let trouble = |e: io::Error| Failure::new(format!("cannot give the TUN device the address {address}: {e}"));
        let Some((_, index)) = self.tun else { return Ok(()) };
        let taken = self.netlink.interfaces().map_err(trouble)?;
        if taken.iter().any(|i| i.addresses.iter().any(|(a, _)| *a == address)) {
            return Ok(());
        }
        self.netlink.add_address(address, index).map_err(trouble)
    }

    /// Lets IPv6 pass through the program's own TUN device, which is not up yet; gives a sentence where this host will
    /// not forward it.
    pub(crate) fn tun_speaks_ipv6(&mut self, name: &str) -> Option<String> {
        // Without an address of its own the kernel says nothing on the links of clients: the router there is the
        // program. The device and its settings vanish together with the process, so there is nothing to journal.
        for (setting, value) in [("addr_gen_mode", "1"), ("accept_ra", "0"), ("disable_ipv6", "0"), ("forwarding", "1")]
        {
            let written = fs::write(sysctl_path(&format!("net/ipv6/conf/{name}/{setting}")), format!("{value}\n"));
            if let Err(error) = written {
                return Some(format!(
                    "IPv6 cannot be used on {name} ({setting}: {error}), so clients have it only up to this server; \
                     switch it on in the kernel, or write 'ppp ipv6cp use off'"
                ));
            }
        }
        read_sysctl("net/ipv6/conf/all/forwarding").is_ok_and(|value| value == "0").then(|| {
            "IPv6 forwarding is off on this host, so clients reach nothing behind it by IPv6; switch it on with \
             'sysctl -w net.ipv6.conf.all.forwarding=1' (and 'accept_ra=2' on interfaces that get their own address by \
             router advertisement)"
                .to_owned()
        })
    }

    /// Routes a client's IPv6 prefix to the TUN device; the route vanishes with the device, so it is not journalled.
    pub(crate) fn prefix_up(&mut self, prefix: Ipv6Addr) -> Result<(), Failure> {
        let Some((_, index)) = self.tun else {
            return Err(Failure::new("the TUN device is not up yet"));
        };
        self.netlink.add_prefix_route(prefix, index).map_err(|error| {
            Failure::new(match error.kind() {
                io::ErrorKind::AlreadyExists => format!(
                    "this host has a route to {prefix}/64 already, so it cannot be lent; give clients another prefix with \
                     'ipv6 pp remote prefix pool'"
                ),
                _ => format!("cannot add the route to {prefix}/64: {error}"),
            })
        })
    }

    /// Takes the route to a client's IPv6 prefix away.
    pub(crate) fn prefix_down(&mut self, prefix: Ipv6Addr) {
        let Some((_, index)) = self.tun else { return };
        if let Err(error) = self.netlink.remove_prefix_route(prefix, index)
            && !is_gone(&error)
        {
            self.troubles.push(format!("could not remove the route to {prefix}/64: {error}"));
        }
    }

    /// Makes a client reachable: a host route to the TUN device and, if `lan` names an interface, a proxy answer to
    /// ARP there.
    pub(crate) fn client_up(&mut self, address: Ipv4Addr, lan: Option<&str>) -> Result<(), Failure> {
        let Some((tun, index)) = self.tun.clone() else {
            return Err(Failure::new("the TUN device is not up yet"));
        };
        let mut client = self.clients.get(&address).copied().unwrap_or_default();
        let mut lacking = Ok(());
        if client.route.is_none() {
            // On a full disk a client is served all the same: the route goes with the device.
            let (number, written) = self.journal.keep(Change::Route { address, interface: tun });
            lacking = written.map_err(unwritten);
            if let Err(error) = self.netlink.add_host_route(address, index) {
                self.forget(number);
                return Err(Failure::new(match error.kind() {
                    io::ErrorKind::AlreadyExists => format!(
                        "this host has a route to {address} already, so it cannot be lent; take the address out of \
                         the pool"
                    ),
                    _ => format!("cannot add the route to {address}: {error}"),
                }));
            }
            client.route = Some(number);
            self.clients.insert(address, client);
        }
        if let (Some(lan), None) = (lan, client.proxy) {
            let (number, written) = self.add_proxy(address, lan)?;
            client.proxy = Some(number);
            lacking = lacking.and(written);
            self.clients.insert(address, client);
        }
        lacking
    }

    /// The number of the change, and whether it could be written down.
    fn add_proxy(&mut self, address: Ipv4Addr, lan: &str) -> Result<(u64, Result<(), Failure>), Failure> {
        // The kernel holds a proxied ARP answer back for up to 0.8 s so that another host may be quicker; a lent
        // address has no other. Where that cannot be written down, the answer is slow.
        let delay = format!("net/ipv4/neigh/{lan}/proxy_delay");
        let quick =
            if read_sysctl(&delay).is_ok_and(|now| now != "0") { self.write_sysctl(&delay, "0") } else { Ok(()) };
        let trouble = |e: io::Error| Failure::new(format!("cannot answer ARP for {address} on {lan}: {e}"));
        let index = self.netlink.index_of(lan).map_err(trouble)?;
        let (number, written) = self.journal.keep(Change::Proxy { address, interface: lan.into() });
        if let Err(error) = self.netlink.add_proxy(address, index) {
            self.forget(number);
            return Err(trouble(error));
        }
        let written = written.map_err(unwritten);
        Ok((number, quick.and(written)))
    }

    /// Takes away what `client_up` made; nothing happens when nothing is there.
    pub(crate) fn client_down(&mut self, address: Ipv4Addr) {
        let Some(client) = self.clients.remove(&address) else {
            return;
        };
        for number in [client.proxy, client.route].into_iter().flatten() {
            let Some(change) = self.journal.change(number) else {
                continue;
            };
            match self.revert(&change) {
                Ok(()) => self.forget(number),
                Err(error) => self.troubles.push(format!("could not undo '{change}': {error}")),
            }
        }
    }

    /// What could not be done since this was last asked, for the log.
    pub(crate) fn troubles(&mut self) -> Vec<String> {
        std::mem::take(&mut self.troubles)
    }

    /// Writes a file below `/proc/sys` (path with slashes, such as `net/ipv4/conf/eth0/forwarding`) and remembers its
    /// old value.
    pub(crate) fn write_sysctl(&mut self, path: &str, value: &str) -> Result<(), Failure> {
        let trouble = |e: io::Error| Failure::new(format!("cannot set {} to {value}: {e}", path.replace('/', ".")));
        let old = read_sysctl(path).map_err(trouble)?;
        if old == value {
            return Ok(());
        }
        let change = Change::Sysctl { path: path.into(), old: old.into(), new: value.into() };
        let number = self.note(change)?;
        fs::write(sysctl_path(path), format!("{value}\n")).map_err(|e| {
            self.forget(number);
            trouble(e)
        })
    }

    /// Lets packets be forwarded between these interfaces and the TUN device.
    ///
    /// It is switched on for each interface by itself: the kernel's global switch would reset the settings of all the
    /// others.
    pub(crate) fn forward(&mut self, interfaces: &[String]) -> Result<(), Failure> {
        self.forward_tun = true;
        for name in interfaces {
            self.write_sysctl(&format!("net/ipv4/conf/{name}/forwarding"), "1")?;
        }
        Ok(())
    }

    /// Translates the clients' addresses (a network) to this host's own wherever they leave by another interface than
    /// the TUN device.
    pub(crate) fn masquerade(&mut self, network: (Ipv4Addr, u8), tun: &str) -> Result<(), Failure> {
        let change = Change::NftTable { family: firewall::TABLE_FAMILY.into(), name: firewall::TABLE.into() };
        let number = self.note(change)?;
        firewall::add_masquerade(network, tun).inspect_err(|_| self.forget(number))
    }

    /// Undoes every change, the latest first; gives a sentence for each that could not be undone.
    pub(crate) fn undo(&mut self) -> Vec<String> {
        let mut troubles = Vec::new();
        for (number, change) in self.journal.standing() {
            match self.revert(&change) {
                Ok(()) => self.forget(number),
                Err(error) => troubles.push(format!("could not undo '{change}': {error}")),
            }
        }
        self.clients.clear();
        self.journal.remove();
        troubles.append(&mut self.troubles);
        troubles
    }

    fn revert(&mut self, change: &Change) -> io::Result<()> {
        let done = match change {
            Change::Route { address, interface } => {
                self.netlink.index_of(interface).and_then(|index| self.netlink.remove_host_route(*address, index))
            }
            Change::Proxy { address, interface } => {
                self.netlink.index_of(interface).and_then(|index| self.netlink.remove_proxy(*address, index))
            }
            // A value that somebody else has set in the meantime is theirs.
            Change::Sysctl { path, old, new } => match read_sysctl(path) {
                Ok(value) if *value == **new => fs::write(sysctl_path(path), format!("{old}\n")),
                Ok(_) => Ok(()),
                Err(error) => Err(error),
            },
            Change::NftTable { family, name } => firewall::remove_table(family, name),
        };
        match done {
            Err(error) if is_gone(&error) => Ok(()),
            other => other,
        }
    }

    fn note(&mut self, change: Change) -> Result<u64, Failure> {
        self.journal.write(change).map_err(unwritten)
    }

    fn forget(&mut self, number: u64) {
        if let Err(error) = self.journal.close(number) {
            self.troubles.push(unwritten(error).to_string());
        }
    }
}

fn unwritten(error: io::Error) -> Failure {
    let remedy = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free some space in its directory",
        io::ErrorKind::ReadOnlyFilesystem => "see why its disk cannot be written to any more",
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => {
            "its directory was taken away: start the server again when nobody minds"
        }
        _ => "look after its disk",
    };
    Failure::new(format!("cannot write the journal of changes to this host: {error}; {remedy}"))
}

impl Drop for Host {
    fn drop(&mut self) {
        for trouble in self.undo() {
            complain(trouble);
        }
    }
}

/// Whether a failed removal means that there was nothing to remove (no such route, neighbour, interface or file).
fn is_gone(error: &io::Error) -> bool {
    let number = error.raw_os_error();
    error.kind() == io::ErrorKind::NotFound
        || [libc::ESRCH, libc::ENOENT, libc::ENODEV, libc::ENXIO].into_iter().any(|gone| number == Some(gone))
}

/// The file of a system setting.
fn sysctl_path(path: &str) -> PathBuf {
    Path::new("/proc/sys").join(path)
}

/// Reads a system setting (path with slashes, below `/proc/sys`).
pub(crate) fn read_sysctl(path: &str) -> io::Result<String> {
    fs::read_to_string(sysctl_path(path)).map(|text| text.trim().to_owned())
}

/// The interface that holds an address.
pub(crate) fn holder(interfaces: &[Interface], address: Ipv4Addr) -> Option<&Interface> {
    interfaces.iter().find(|i| i.addresses.iter().any(|(own, _)| *own == address))
}

/// The default route with the best metric.
pub(crate) fn default_route(routes: &[Route]) -> Option<&Route> {
    routes.iter().filter(|route| route.prefix == 0).min_by_key(|route| route.metric)
}

/// The network address of an address and a prefix length.
pub(crate) fn network(address: Ipv4Addr, prefix: u8) -> Ipv4Addr {
    let mask = u32::MAX.checked_shl(32_u32.saturating_sub(u32::from(prefix))).unwrap_or(0);
    Ipv4Addr::from(u32::from(address) & mask)
}

/// Whether an address cannot be reached from the Internet: private (RFC 1918), shared by a carrier (RFC 6598) or
/// link-local.
pub(crate) fn is_private(address: Ipv4Addr) -> bool {
    let [a, b, ..] = address.octets();
    address.is_private() || address.is_link_local() || address.is_loopback() || (a == 100 && (64..128).contains(&b))
}

/// The directory of lock, journal and control socket.
///
/// A network namespace of its own is a host of its own, so that servers in two of them do not meet.
pub(crate) fn run_dir() -> PathBuf {
    if let Some(directory) = std::env::var_os("SEKISHO_RUN_DIR") {
        return PathBuf::from(directory);
    }
    let name_of = |path: &str| fs::read_link(path).ok().and_then(|link| link.to_str().map(str::to_owned));
    let is_root = fs::metadata("/proc/self").is_ok_and(|about| about.uid() == 0);
    run_dir_in(name_of("/proc/self/ns/net").as_deref(), name_of("/proc/1/ns/net").as_deref(), is_root)
}

/// The run directory for a process in the network namespace `own`, where the host's first process is in `first`.
///
/// Root that may not look at the first process (in a container) counts its namespace as one of its own. Anyone else
/// never may, and is sent to the host's directory, whose refusal tells to be root.
fn run_dir_in(own: Option<&str>, first: Option<&str>, is_root: bool) -> PathBuf {
    let base = PathBuf::from("/run/sekisho");
    match own {
        Some(own) if first != Some(own) && (first.is_some() || is_root) => {
            let number: String = own.chars().filter(char::is_ascii_digit).collect();
            base.join(format!("netns-{number}"))
        }
        _ => base,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;
    use std::process::{Child, Command, Stdio};

    #[test]
    fn without_root_the_hosts_server_is_asked_and_not_one_of_another_namespace() {
        let (host, other) = (Some("net:[1]"), Some("net:[2]"));
        assert_eq!(run_dir_in(host, None, false), Path::new("/run/sekisho"));
        assert_eq!(run_dir_in(host, host, true), Path::new("/run/sekisho"));
        assert_eq!(run_dir_in(other, host, true), Path::new("/run/sekisho/netns-2"));
        assert_eq!(run_dir_in(other, None, true), Path::new("/run/sekisho/netns-2"));
    }

    /// Runs `act` on a thread inside a fresh network namespace with a device `t0` (in the TUN's place) and `l0` (in
    /// the LAN's).
    fn in_a_namespace(name: &str, act: impl FnOnce(&Path) + Send) {
        let script = "ip link add t0 type veth peer name t1 && ip link add l0 type veth peer name l1 && ip addr add \
        192.168.100.1/24 dev l0 \
                      && ip link set l0 up && echo ready && sleep 30";
        let started = Command::new("unshare")
            .args(["--net", "sh", "-c", script])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut child) = started else {
            eprintln!("skipped: 'unshare' is missing");
            return;
        };
        let mut line = [0_u8; 6];
        let ready = io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut line).is_ok();
        if ready {
            let namespace = fs::File::open(format!("/proc/{}/ns/net", child.id())).unwrap();
            let dir = std::env::temp_dir().join(format!("sekisho-host-{name}-{}", std::process::id()));
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let kind = Some(rustix::thread::LinkNameSpaceType::Network);
                    rustix::thread::move_into_link_name_space(std::os::fd::AsFd::as_fd(&namespace), kind).unwrap();
                    act(&dir);
                });
            });
            fs::remove_dir_all(dir).unwrap();
        } else {
            eprintln!("skipped: needs root, 'ip' and veth devices");
        }
        end(child);
    }

    fn end(mut child: Child) {
        let _ = child.kill();
        let _ = child.wait();
    }

    #[test]
    fn the_host_is_as_before_after_clients_and_settings() {
        in_a_namespace("before", |dir| {
            let client = Ipv4Addr::new(192, 168, 100, 200);
            let mut host = Host::open(dir).unwrap();
            let before = (host.netlink.routes().unwrap(), read_sysctl("net/ipv4/conf/l0/forwarding").unwrap());
            assert_eq!(before.1, "0");
            host.forward(&["l0".to_owned()]).unwrap();
            host.tun_up("t0", 1400).unwrap();
            assert_eq!(read_sysctl("net/ipv4/conf/t0/forwarding").unwrap(), "1");
            host.client_up(client, Some("l0")).unwrap();
            host.client_up(client, Some("l0")).unwrap();
            assert_eq!(read_sysctl("net/ipv4/neigh/l0/proxy_delay").unwrap(), "0");
            assert_eq!(host.netlink.proxies().unwrap().len(), 1);
            assert!(host.netlink.routes().unwrap().iter().any(|r| r.destination == client && r.prefix == 32));
            host.client_down(client);
            assert_eq!(host.netlink.proxies().unwrap(), []);
            assert_eq!(host.netlink.routes().unwrap(), before.0);
            host.client_up(client, Some("l0")).unwrap();
            assert_eq!(host.undo(), Vec::<String>::new());
            assert_eq!(host.netlink.proxies().unwrap(), []);
            assert_eq!(host.netlink.routes().unwrap(), before.0);
            assert_eq!(read_sysctl("net/ipv4/conf/l0/forwarding").unwrap(), "0");
            assert_ne!(read_sysctl("net/ipv4/neigh/l0/proxy_delay").unwrap(), "0");
            assert!(!dir.join("journal").exists());
        });
    }

    #[test]
    fn what_a_killed_server_left_is_undone_by_the_next_start() {
        in_a_namespace("killed", |dir| {
            let client = Ipv4Addr::new(192, 168, 100, 201);
            let mut host = Host::open(dir).unwrap();
            let before = host.netlink.routes().unwrap();
            host.tun_up("t0", 1400).unwrap();
            host.client_up(client, Some("l0")).unwrap();
            // A killed process runs no Drop; its locks are gone with it.
            let copy = fs::read(dir.join("journal")).unwrap();
            std::mem::forget(host);
            let second = dir.join("second");
            fs::create_dir_all(&second).unwrap();
            fs::write(second.join("journal"), copy).unwrap();
            let mut next = Host::open(&second).unwrap();
            let told = next.undo_leftovers().unwrap();
            assert_eq!(told, "an earlier server ended without cleaning up; 3 changes to this host undone");
            assert_eq!(next.netlink.routes().unwrap(), before);
            assert_eq!(next.netlink.proxies().unwrap(), []);
            assert_eq!(next.undo_leftovers(), None);
        });
    }

    #[test]
    fn an_address_with_a_route_of_its_own_is_not_lent() {
        in_a_namespace("route", |dir| {
            let client = Ipv4Addr::new(192, 168, 100, 202);
            let mut host = Host::open(dir).unwrap();
            host.tun_up("t0", 1400).unwrap();
            let lan = host.netlink.index_of("l0").unwrap();
            host.netlink.add_host_route(client, lan).unwrap();
            let refused = host.client_up(client, None).unwrap_err();
            assert!(refused.sentence.contains("take the address out of the pool"), "{}", refused.sentence);
            assert_eq!(host.journal.standing(), []);
            host.netlink.remove_host_route(client, lan).unwrap();
        });
    }

    #[test]
    fn the_nat_table_is_there_until_the_end() {
        if !firewall::has_nft() {
            eprintln!("skipped: 'nft' is missing");
            return;
        }
        in_a_namespace("nat", |dir| {
            let mut host = Host::open(dir).unwrap();
            host.masquerade((Ipv4Addr::new(192, 168, 187, 0), 24), "sekisho*").unwrap();
            assert_eq!(firewall::has_nat(), Some(true));
            assert_eq!(host.undo(), Vec::<String>::new());
            assert_eq!(firewall::has_nat(), Some(false));
            // Undone by hand meanwhile: nothing to complain about.
            host.masquerade((Ipv4Addr::new(192, 168, 187, 0), 24), "sekisho*").unwrap();
            firewall::remove_table(firewall::TABLE_FAMILY, firewall::TABLE).unwrap();
            assert_eq!(host.undo(), Vec::<String>::new());
        });
    }

    #[test]
    fn networks_are_cut_by_their_prefix() {
        assert_eq!(network(Ipv4Addr::new(192, 168, 100, 77), 24), Ipv4Addr::new(192, 168, 100, 0));
        assert_eq!(network(Ipv4Addr::new(192, 168, 100, 77), 32), Ipv4Addr::new(192, 168, 100, 77));
        assert_eq!(network(Ipv4Addr::new(192, 168, 100, 77), 0), Ipv4Addr::UNSPECIFIED);
    }

    #[test]
    fn addresses_that_the_internet_cannot_reach_are_private() {
        for address in ["10.0.0.1", "172.16.3.4", "192.168.1.1", "100.64.0.1", "100.127.255.254", "169.254.1.1"] {
            assert!(is_private(address.parse().unwrap()), "{address}");
        }
        for address in ["203.0.113.5", "100.63.0.1", "100.128.0.1", "172.32.0.1"] {
            assert!(!is_private(address.parse().unwrap()), "{address}");
        }
    }
}

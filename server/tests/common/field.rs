//! Where the server stands in these tests: a network that clients come from, and one behind it with a host that echoes.

use super::namespace::Namespace;
use rustix::net::sockopt::{Ipv4PathMtuDiscovery, set_ip_mtu_discover};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// The server's outer address.
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
/// A port of the host behind the server whose answers may be fragmented on their way.
pub(crate) const ECHO: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(192, 168, 100, 10), 7);
/// A port of the same host whose answers may not (DF is set).
pub(crate) const ECHO_WHOLE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(192, 168, 100, 10), 8);

/// The outer addresses of clients.
pub(crate) const OUTSIDE: [Ipv4Addr; 2] = [Ipv4Addr::new(198, 18, 0, 2), Ipv4Addr::new(198, 18, 0, 3)];
/// The outer address of the NAT box.
pub(crate) const NAT: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 254);
/// The addresses of clients behind the NAT box.
pub(crate) const HOME: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 0, 0, 2), Ipv4Addr::new(10, 0, 0, 3)];

/// Namespaces with a server's place, the clients' place and the host behind.
pub(crate) struct Field {
    pub(crate) server: Namespace,
    pub(crate) clients: Namespace,
    pub(crate) host: Namespace,
    _nat: Option<Namespace>,
    echoes: Vec<Echo>,
}

impl Field {
    /// Clients are beside the server ([`OUTSIDE`]).
    pub(crate) fn open() -> Self {
        let (server, clients) = (Namespace::new(), Namespace::new());
        server.join(("wan0", "198.18.0.1/24"), &clients, ("eth0", "198.18.0.2/24"));
        clients.run("ip addr add 198.18.0.3/24 dev eth0");
        Self::with(server, clients, None)
    }

    /// Clients are behind a NAT box ([`HOME`], [`NAT`]).
    pub(crate) fn behind_nat() -> Self {
        let (server, nat, clients) = (Namespace::new(), Namespace::new(), Namespace::new());
        server.join(("wan0", "198.18.0.1/24"), &nat, ("wan0", "198.18.0.254/24"));
        nat.join(("home0", "10.0.0.1/24"), &clients, ("eth0", "10.0.0.2/24"));
        clients.run("ip addr add 10.0.0.3/24 dev eth0");
        clients.run("ip route add default via 10.0.0.1");
        nat.set("net/ipv4/ip_forward", "1");
        nat.run("nft add table ip nat");
        nat.run("nft add chain ip nat out { type nat hook postrouting priority 100 ; }");
        nat.run("nft add rule ip nat out oifname wan0 masquerade");
        Self::with(server, clients, Some(nat))
    }

    fn with(server: Namespace, clients: Namespace, nat: Option<Namespace>) -> Self {
        let host = Namespace::new();
        server.join(("lan0", "192.168.100.1/24"), &host, ("eth0", "192.168.100.10/24"));
        // The host has no route to anywhere else: it finds clients by ARP alone.
        server.set("net/ipv4/ip_forward", "1");
        let echoes = vec![
            Echo::open(&host, ECHO, Ipv4PathMtuDiscovery::DONT),
            Echo::open(&host, ECHO_WHOLE, Ipv4PathMtuDiscovery::WANT),
        ];
        Self { server, clients, host, _nat: nat, echoes }
    }
}

/// A UDP echo on a thread.
struct Echo {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Echo {
    fn open(host: &Namespace, at: SocketAddrV4, cutting: Ipv4PathMtuDiscovery) -> Self {
        let socket = host.enter(|| UdpSocket::bind(at)).unwrap();
        set_ip_mtu_discover(&socket, cutting).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 2048];
            while !told.load(Ordering::Relaxed) {
                if let Ok((length, from)) = socket.recv_from(&mut buffer) {
                    // Too large for what the host knows of the path: lost, as for any sender.
                    let _ = socket.send_to(&buffer[..length], from);
                }
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

//! The simulated client over real sockets: UDP 500 and 4500, and ESP without UDP.

use super::field::SERVER;
use super::namespace::Namespace;
use engine::time::Instant;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, ipproto};
use sim::{Carrier, Manner, Outer, Peer, Stage, packet};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::OwnedFd;
use std::time::Duration;

/// The longest that a client sleeps before it looks again.
const NAP: Duration = Duration::from_millis(20);

/// One client and its sockets.
pub(crate) struct Client {
    pub(crate) peer: Peer,
    address: IpAddr,
    udp: Vec<UdpSocket>,
    esp: OwnedFd,
    start: std::time::Instant,
    asked: u64,
    answered: BTreeSet<u64>,
    /// IP packets that came out of the tunnel.
    pub(crate) inner: Vec<Vec<u8>>,
}

/// A socket on an address and port. An earlier client's may be held for a moment by a process that another test is just
/// about to start, so this is tried for a while.
fn bind(address: IpAddr, port: u16) -> UdpSocket {
    let give_up = std::time::Instant::now() + Duration::from_secs(5);
    loop {
        match UdpSocket::bind((address, port)) {
            Err(e) if e.kind() == std::io::ErrorKind::AddrInUse && std::time::Instant::now() < give_up => {
                std::thread::sleep(Duration::from_millis(20));
            }
            bound => return bound.unwrap(),
        }
    }
}

/// What a client at an address speaks by: ports 500 and 4500, and ESP.
fn sockets(place: &Namespace, address: IpAddr) -> (Vec<UdpSocket>, OwnedFd) {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    place.enter(|| {
        let udp: Vec<UdpSocket> = [500, 4500].into_iter().map(|port| bind(address, port)).collect();
        for socket in &udp {
            socket.set_nonblocking(true).unwrap();
        }
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let esp = rustix::net::socket_with(family, SocketType::RAW, flags, Some(ipproto::ESP)).unwrap();
        rustix::net::bind(&esp, &SocketAddr::new(address, 0)).unwrap();
        (udp, esp)
    })
}

impl Client {
    /// A client at an address of a namespace; its seed tells it from others.
    pub(crate) fn new(place: &Namespace, address: Ipv4Addr, manner: Manner, seed: u64) -> Self {
        Self::dialling(place, address.into(), SERVER.into(), manner, seed)
    }

    /// A client that dials some address of the server, of either family.
    pub(crate) fn dialling(place: &Namespace, address: IpAddr, server: IpAddr, manner: Manner, seed: u64) -> Self {
        let (udp, esp) = sockets(place, address);
        Self {
            peer: Peer::new(manner, address, server, seed),
            address,
            udp,
            esp,
            start: std::time::Instant::now(),
            asked: 0,
            answered: BTreeSet::new(),
            inner: Vec::new(),
        }
    }

    /// It is in another network, at another address of a namespace, all of a sudden.
    pub(crate) fn change_network(&mut self, place: &Namespace, address: Ipv4Addr) {
        (self.udp, self.esp) = sockets(place, address.into());
        self.address = address.into();
        self.act(|peer, now| peer.change_network(address.into(), now));
    }

    /// Its clock.
    fn now(&self) -> Instant {
        Instant(1_000_000_000).after(self.start.elapsed())
    }

    /// Does something with the client, and sends what comes of it.
    pub(crate) fn act(&mut self, act: impl FnOnce(&mut Peer, Instant)) {
        let now = self.now();
        act(&mut self.peer, now);
        self.send();
    }

    /// Dials and waits until it is up.
    pub(crate) fn connect(&mut self) {
        self.act(|peer, now| peer.dial(now));
        let up = self.until(Duration::from_secs(10), |c| c.peer.is_up());
        assert!(up, "the client is not up:\n{}", self.story());
    }

    /// The address that it got.
    pub(crate) fn inside(&self) -> Ipv4Addr {
        self.peer.inside().unwrap()
    }

    /// Whether it ended, and why.
    pub(crate) fn ended(&self) -> Option<&str> {
        match self.peer.stage() {
            Stage::Ended(why) => Some(why),
            Stage::Idle | Stage::Phase1 | Stage::Phase2 | Stage::L2tp | Stage::Ppp | Stage::Up => None,
        }
    }

    /// Sends a numbered datagram of `size` octets through the tunnel to an echo.
    pub(crate) fn ask(&mut self, echo: SocketAddrV4, size: usize) -> u64 {
        self.asked += 1;
        let mut payload = self.asked.to_be_bytes().to_vec();
        payload.resize(size.max(payload.len()), 0x55);
        let datagram = packet::udp((self.inside(), 4000), (*echo.ip(), echo.port()), &payload);
        self.act(|peer, now| peer.send_ip(&datagram, now));
        self.asked
    }

    /// Whether an echo answers within a second.
    pub(crate) fn reaches(&mut self, echo: SocketAddrV4) -> bool {
        let number = self.ask(echo, 100);
        self.until(Duration::from_secs(1), |c| c.answered.contains(&number))
    }

    /// How many of its questions have no answer.
    pub(crate) fn unanswered(&self) -> u64 {
        self.asked - self.answered.len() as u64
    }

    /// Goes on until something is so; says whether it is.
    pub(crate) fn until(&mut self, limit: Duration, mut so: impl FnMut(&mut Self) -> bool) -> bool {
        until(&mut [self], limit, |clients| so(clients[0]))
    }

    /// Goes on for some time.
    pub(crate) fn rest(&mut self, time: Duration) {
        self.until(time, |_| false);
    }

    /// Its dialogue, for a failure's message.
    pub(crate) fn story(&self) -> String {
        let lines: Vec<String> = self.peer.dialogue().iter().map(|(_, line)| line.clone()).collect();
        format!("{:?}\n{}", self.peer.stage(), lines.join("\n"))
    }

    /// Takes what has come, does what is due, and sends.
    fn turn(&mut self) {
        let mut buffer = [0; 4096];
        for n in 0..self.udp.len() {
            while let Ok((length, from)) = self.udp[n].recv_from(&mut buffer) {
                let to = self.udp[n].local_addr().unwrap();
                self.take(Carrier::Udp, from, to, &buffer[..length]);
            }
        }
        while let Ok((length, _, from)) = rustix::net::recvfrom(&self.esp, &mut buffer[..], RecvFlags::empty()) {
            let Some(Ok(from)) = from.map(SocketAddr::try_from) else {
                continue;
            };
            // A raw socket of IPv6 gives no header.
            let header = if self.address.is_ipv4() { usize::from(buffer[0] & 15) * 4 } else { 0 };
            let to = SocketAddr::from((self.address, 0));
            self.take(Carrier::Esp, SocketAddr::new(from.ip(), 0), to, &buffer[header..length]);
        }
        let now = self.now();
        if self.peer.poll_timeout().is_some_and(|due| now >= due) {
            self.peer.handle_timeout(now);
        }
        self.send();
    }

    fn take(&mut self, carrier: Carrier, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let bytes = bytes.to_vec();
        let now = self.now();
        self.peer.handle_packet(&Outer { carrier, from, to, bytes }, now);
        while let Some(packet) = self.peer.poll_inner() {
            if let Some(number) = packet::read_udp(&packet).and_then(|(_, _, payload)| payload.first_chunk::<8>()) {
                self.answered.insert(u64::from_be_bytes(*number));
            }
            self.inner.push(packet);
        }
    }

    fn send(&mut self) {
        while let Some(packet) = self.peer.poll_transmit() {
            // What cannot be sent is lost like anything on a network.
            match packet.carrier {
                Carrier::Udp => {
                    let socket = &self.udp[usize::from(packet.from.port() == 4500)];
                    let _ = socket.send_to(&packet.bytes, packet.to);
                }
                Carrier::Esp => {
                    let _ = rustix::net::sendto(&self.esp, &packet.bytes, SendFlags::empty(), &packet.to);
                }
            }
        }
    }

    fn due(&self) -> Duration {
        let now = self.now();
        self.peer.poll_timeout().map_or(NAP, |due| due.since(now)).min(NAP)
    }
}

/// Several clients go on at once until something is so; says whether it is.
pub(crate) fn until(
    clients: &mut [&mut Client],
    limit: Duration,
    mut so: impl FnMut(&mut [&mut Client]) -> bool,
) -> bool {
    let start = std::time::Instant::now();
    loop {
        for client in clients.iter_mut() {
            client.turn();
        }
        if so(clients) {
            return true;
        }
        if start.elapsed() >= limit {
            return false;
        }
        let nap = clients.iter().map(|client| client.due()).min().unwrap_or(NAP);
        let mut fds: Vec<PollFd<'_>> = Vec::new();
        for client in clients.iter() {
            fds.extend(client.udp.iter().map(|socket| PollFd::new(socket, PollFlags::IN)));
            fds.push(PollFd::new(&client.esp, PollFlags::IN));
        }
        let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(nap.subsec_nanos()) };
        let _ = poll(&mut fds, Some(&timeout));
    }
}

//! The bare limit of the lab: constant bytes through the same kinds of sockets and devices as the server's, and nothing
//! else. What it costs is what the kernel asks of any server in user space there.
#![allow(unsafe_code, reason = "recvmmsg, UDP_SEGMENT and the ioctls of a TUN device have no safe wrapper")]

use serde_json::Value;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::mem::size_of;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

/// Room for what is merged.
const ROOM: usize = 65_536;
/// Merged datagrams of one call, and super-packets of one turn, as the server has them.
const MERGED: usize = 8;
/// Packets of one turn, and most segments of one send.
const BATCH: usize = 64;
/// The largest UDP payload over IPv4.
const LARGEST: usize = 65_507;
/// The header of virtio, and in it the kinds of segmentation: none, and UDP's.
const VNET: usize = 10;
const GSO_UDP: u8 = 5;
/// Of `linux/if_tun.h`: checksums, TSO and USO; the kernel takes USO of both families or none.
const OFFLOADS: libc::c_ulong = 0x01 | 0x02 | 0x04 | 0x20 | 0x40;
/// Headers of IPv4 and UDP.
const HEADERS: usize = 28;
/// Socket buffers, as the server's.
const BUFFER: libc::c_int = 8 << 20;

/// What is forwarded.
struct Job {
    device: String,
    port: u16,
    /// Sender and receiver of the packets inside.
    inside: (Ipv4Addr, SocketAddr),
    /// Their length, octets.
    size: usize,
    /// UDP payload outside, octets.
    length: usize,
}

/// Runs until it is ended: `up`, takes packets from port PORT and writes as many of its own to DEVICE; `down`, reads packets
/// from there and sends as many of its own to whoever came to PORT last. Says `ready` once somebody has come to it.
pub(crate) fn run(words: &[&str]) -> Result<Value, String> {
    let [way, device, port, source, sink, size, length] = words else {
        return Err("bench bare up|down DEVICE PORT SOURCE SINK:PORT SIZE LENGTH".to_owned());
    };
    let number = |word: &str| word.parse::<usize>().map_err(|_| format!("{word}: a number was expected"));
    let address = |word: &str| word.parse().map_err(|_| format!("{word}: an IPv4 address was expected"));
    let sink = sink.parse().map_err(|_| format!("{sink}: ADDRESS:PORT was expected"))?;
    let port = port.parse().map_err(|_| format!("{port}: a port was expected"))?;
    let (size, length) = (number(size)?, number(length)?);
    let job = Job { device: (*device).to_owned(), port, inside: (address(source)?, sink), size, length };
    let mut bare = Bare::new(&job).map_err(|error| format!("{}: {error}", job.device))?;
    match *way {
        "up" => bare.up(),
        "down" => bare.down(&job),
        other => return Err(format!("{other}: up or down was expected")),
    }
    .map_err(|error| error.to_string())
}

struct Bare {
    socket: UdpSocket,
    tun: File,
    peer: SocketAddr,
    /// A super-packet behind its header of virtio.
    packet: Vec<u8>,
    /// Payload of each packet inside.
    payload: usize,
    slots: Vec<Vec<u8>>,
}

impl Bare {
    fn new(job: &Job) -> io::Result<Self> {
        let tun = open_tun(&job.device)?;
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, job.port))?;
        for option in [libc::SO_RCVBUFFORCE, libc::SO_SNDBUFFORCE] {
            set(&socket, libc::SOL_SOCKET, option, BUFFER)?;
        }
        set(&socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DONT)?;
        println!("bound");
        let (_, peer) = socket.recv_from(&mut [0; 64])?;
        set(&socket, libc::SOL_UDP, libc::UDP_GRO, 1)?;
        println!("ready");
        let payload = job.size.saturating_sub(HEADERS);
        Ok(Self { socket, tun, peer, packet: super_packet(job, payload), payload, slots: vec![vec![0; ROOM]; MERGED] })
    }

    fn up(&mut self) -> io::Result<Value> {
        loop {
            let mut count = self.receive()?;
            while count > 0 {
                let segments = count.min((LARGEST / self.payload.max(1)).min(BATCH));
                self.write(segments);
                count -= segments;
            }
        }
    }

    /// Waits for datagrams, and says how many came, merged or not.
    fn receive(&mut self) -> io::Result<usize> {
        let mut controls = [[0_u64; 8]; MERGED];
        let mut iovecs: [libc::iovec; MERGED] =
            std::array::from_fn(|at| libc::iovec { iov_base: self.slots[at].as_mut_ptr().cast(), iov_len: ROOM });
        let mut headers: [libc::mmsghdr; MERGED] = std::array::from_fn(|at| {
            let mut header = empty_header();
            header.msg_hdr.msg_iov = &raw mut iovecs[at];
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_control = controls[at].as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = size_of_val(&controls[at]) as _;
            header
        });
        let (fd, most, flags) = (self.socket.as_raw_fd(), MERGED as libc::c_uint, libc::MSG_WAITFORONE);
        // SAFETY: each header has one iovec over a slot and one control buffer, all of which outlive the call.
        let got = unsafe { libc::recvmmsg(fd, headers.as_mut_ptr(), most, flags as _, std::ptr::null_mut()) };
        if got < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(headers.iter().take(got.unsigned_abs() as usize).map(datagrams).sum())
    }

    /// Hands the kernel so many packets as one.
    fn write(&mut self, segments: usize) {
        let udp = 8 + segments * self.payload;
        let (total, length) = ((20 + udp) as u16, udp as u16);
        self.packet[0] = 1;
        self.packet[1] = if segments > 1 { GSO_UDP } else { 0 };
        self.packet[VNET + 2..VNET + 4].copy_from_slice(&total.to_be_bytes());
        self.packet[VNET + 10..VNET + 12].fill(0);
        let checksum = wire::ip::checksum(&self.packet[VNET..VNET + 20]);
        self.packet[VNET + 10..VNET + 12].copy_from_slice(&checksum.to_be_bytes());
        self.packet[VNET + 24..VNET + 26].copy_from_slice(&length.to_be_bytes());
        // Of the pseudo header alone: the kernel adds the rest.
        let pseudo = [&self.packet[VNET + 12..VNET + 20], &[0, 17], &length.to_be_bytes()].concat();
        self.packet[VNET + 26..VNET + 28].copy_from_slice(&(!wire::ip::checksum(&pseudo)).to_be_bytes());
        let whole = VNET + usize::from(total);
        // What cannot be written is lost like anything on a network.
        let _ = (&self.tun).write(&self.packet[..whole]);
    }

    fn down(&mut self, job: &Job) -> io::Result<Value> {
        let fits = (LARGEST / job.length.max(1)).clamp(1, BATCH);
        let constant = vec![0x5a; fits * job.length];
        set(&self.socket, libc::SOL_UDP, libc::UDP_SEGMENT, job.length as libc::c_int)?;
        loop {
            self.wait()?;
            let mut count = 0;
            for slot in &mut self.slots {
                let Ok(length) = (&self.tun).read(slot) else { break };
                count += packets(&slot[..length]);
                if count >= BATCH {
                    break;
                }
            }
            while count > 0 {
                let segments = count.min(fits);
                // One that cannot be sent is lost.
                let _ = self.socket.send_to(&constant[..segments * job.length], self.peer);
                count -= segments;
            }
        }
    }

    /// Until something waits at the device.
    fn wait(&self) -> io::Result<()> {
        let mut what = libc::pollfd { fd: self.tun.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: the kernel reads and writes one pollfd.
        let done = unsafe { libc::poll(&raw mut what, 1, -1) };
        if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

/// How many datagrams are in what the kernel has handed over.
fn datagrams(header: &libc::mmsghdr) -> usize {
    let length = header.msg_len as usize;
    // SAFETY: the kernel has filled the control buffer that the header points to, and said how far.
    let segment = unsafe {
        let first = libc::CMSG_FIRSTHDR(&raw const header.msg_hdr);
        (!first.is_null() && (*first).cmsg_level == libc::SOL_UDP && (*first).cmsg_type == libc::UDP_GRO)
            .then(|| libc::CMSG_DATA(first).cast::<libc::c_int>().read_unaligned())
    };
    segment.and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0).map_or(1, |n| length.div_ceil(n))
}

/// How many packets are in what was read, behind its header of virtio.
fn packets(read: &[u8]) -> usize {
    let segment = read.get(4..6).map_or(0, |n| usize::from(u16::from_ne_bytes([n[0], n[1]])));
    let headers = if read.get(VNET + 9) == Some(&17) { HEADERS } else { 52 };
    match read.get(1) {
        Some(0) | None => 1,
        Some(_) if segment == 0 => 1,
        Some(_) => read.len().saturating_sub(VNET + headers).div_ceil(segment).max(1),
    }
}

/// Room for as many packets as one may stand for, with the headers of each.
fn super_packet(job: &Job, payload: usize) -> Vec<u8> {
    let mut packet = vec![0; VNET + HEADERS + LARGEST];
    let (source, sink) = job.inside;
    packet[2..4].copy_from_slice(&(HEADERS as u16).to_ne_bytes());
    packet[4..6].copy_from_slice(&(payload as u16).to_ne_bytes());
    packet[6..8].copy_from_slice(&20_u16.to_ne_bytes());
    packet[8..10].copy_from_slice(&6_u16.to_ne_bytes());
    let ip = &mut packet[VNET..];
    (ip[0], ip[8], ip[9]) = (0x45, 64, 17);
    ip[12..16].copy_from_slice(&source.octets());
    if let SocketAddr::V4(sink) = sink {
        ip[16..20].copy_from_slice(&sink.ip().octets());
    }
    ip[20..22].copy_from_slice(&5000_u16.to_be_bytes());
    ip[22..24].copy_from_slice(&sink.port().to_be_bytes());
    packet
}

fn empty_header() -> libc::mmsghdr {
    // SAFETY: mmsghdr is integers and pointers, for all of which zero is a value.
    unsafe { std::mem::zeroed() }
}

fn set(socket: &UdpSocket, level: libc::c_int, name: libc::c_int, value: libc::c_int) -> io::Result<()> {
    let length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the kernel reads one int.
    let done = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), length) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Makes a TUN device, or takes one that is there, with super-packets both ways.
fn open_tun(device: &str) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let tun = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open("/dev/net/tun")?;
    // SAFETY: ifreq is characters, integers and addresses, for all of which zero is a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(device.as_bytes()) {
        *to = *from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI | libc::IFF_VNET_HDR) as _;
    // SAFETY: the kernel reads and writes one ifreq; the argument of the second is a number.
    let done = unsafe {
        libc::ioctl(tun.as_raw_fd(), libc::TUNSETIFF as _, &mut request).min(libc::ioctl(
            tun.as_raw_fd(),
            libc::TUNSETOFFLOAD as _,
            OFFLOADS,
        ))
    };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(tun) }
}

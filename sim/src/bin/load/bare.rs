//! The bare limit of forwarding: a loop that does nothing but what the kernel asks of every server in user space. It takes
//! packets from a UDP socket in batches and writes them to a TUN device as they are, and what it reads there it sends to the
//! peer whose inner address is asked for, in batches. No cipher, no L2TP, no PPP, no counters, no filter.
//!
//! It runs in the server's network namespace, and `sim/load.sh` has made its device there.
#![allow(unsafe_code, reason = "recvmmsg, sendmmsg and the ioctl that opens a TUN device have no safe wrapper")]

use rustix::event::{Timespec, epoll};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;

/// Where it listens.
pub(crate) const PORT: u16 = 4600;
/// The device that `sim/load.sh` has made, and the network that it routes to it.
const DEVICE: &str = "bare0";
const INSIDE: Ipv4Addr = Ipv4Addr::new(10, 65, 0, 1);
/// What a packet in ESP is longer by than the packet in it: AES-CBC and HMAC-SHA-1, UDP, L2TP and PPP.
const OVERHEAD: usize = 64;
/// Packets of one call, and of one turn, as the server has them.
const BATCH: usize = 64;
/// Room for one packet.
const SLOT: usize = 2048;
/// The header of virtio before each packet.
const VNET: usize = 10;

/// A packet's outer form, as a client with this number sends it.
pub(crate) fn wrapped(inner: &[u8]) -> Vec<u8> {
    let mut packet = inner.to_vec();
    packet.resize(inner.len() + OVERHEAD, 0);
    packet
}

/// The inner address of a client.
pub(crate) fn inside(n: usize) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(INSIDE) + n as u32)
}

/// The loop, on a thread of its own.
pub(crate) struct Bare {
    stop: Arc<AtomicBool>,
    /// Its thread's id, once it runs.
    id: Arc<AtomicU32>,
    thread: JoinHandle<()>,
}

impl Bare {
    /// Starts it in the namespace of a process; the clients' outer addresses follow `first`.
    pub(crate) fn start(server_pid: u32, first: Ipv4Addr) -> Self {
        let (stop, id) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let (told, own) = (stop.clone(), id.clone());
        let thread = std::thread::spawn(move || {
            let namespace = File::open(format!("/proc/{server_pid}/ns/net")).expect("the server lives");
            rustix::thread::move_into_link_name_space(
                namespace.as_fd(),
                Some(rustix::thread::LinkNameSpaceType::Network),
            )
            .expect("root may go there");
            // Where the server runs.
            let server = i32::try_from(server_pid).ok().and_then(rustix::thread::Pid::from_raw);
            let processors = rustix::thread::sched_getaffinity(server).expect("the server lives");
            rustix::thread::sched_setaffinity(None, &processors).expect("those are its processors");
            let mut forwarder = Forwarder::new(first);
            own.store(rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs(), Ordering::Release);
            while !told.load(Ordering::Relaxed) {
                forwarder.turn();
            }
        });
        while id.load(Ordering::Acquire) == 0 && !thread.is_finished() {
            std::thread::yield_now();
        }
        Self { stop, id, thread }
    }

    /// The processor time that it has used, seconds.
    pub(crate) fn cpu(&self) -> f64 {
        run_time(&format!("/proc/self/task/{}/schedstat", self.id.load(Ordering::Relaxed)))
    }

    /// Ends it.
    pub(crate) fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the thread of the bare loop");
    }
}

/// Seconds on a processor, out of a file `schedstat`.
pub(crate) fn run_time(path: &str) -> f64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().next().and_then(|ns| ns.parse::<u64>().ok()).unwrap_or_default() as f64 / 1e9
}

struct Forwarder {
    socket: UdpSocket,
    tun: File,
    epoll: std::os::fd::OwnedFd,
    first: u32,
    slots: Vec<[u8; SLOT]>,
    lengths: [usize; BATCH],
}

impl Forwarder {
    fn new(first: Ipv4Addr) -> Self {
        let socket = UdpSocket::bind(("198.18.0.1", PORT)).expect("nobody else has the port");
        socket.set_nonblocking(true).unwrap();
        rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, 8 << 20).unwrap();
        let tun = open_tun(DEVICE);
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
        for (number, fd) in [(0, socket.as_fd()), (1, tun.as_fd())] {
            epoll::add(&epoll, fd, epoll::EventData::new_u64(number), epoll::EventFlags::IN).unwrap();
        }
        Self { socket, tun, epoll, first: u32::from(first), slots: vec![[0; SLOT]; BATCH], lengths: [0; BATCH] }
    }

    /// Each side has one batch.
    fn turn(&mut self) {
        let nothing = epoll::Event { flags: epoll::EventFlags::empty(), data: epoll::EventData::new_u64(0) };
        let mut events = [nothing; 2];
        let wait = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
        let count = epoll::wait(&self.epoll, &mut events[..], Some(&wait)).unwrap_or(0);
        for event in &events[..count] {
            if event.data.u64() == 0 {
                self.inward();
            } else {
                self.outward();
            }
        }
    }

    fn inward(&mut self) {
        let mut iovecs: [libc::iovec; BATCH] = std::array::from_fn(|at| libc::iovec {
            iov_base: self.slots[at][VNET..].as_mut_ptr().cast(),
            iov_len: SLOT - VNET,
        });
        let mut headers = headers(&mut iovecs);
        let flags = libc::MSG_DONTWAIT;
        let (socket, most) = (self.socket.as_raw_fd(), BATCH as libc::c_uint);
        // SAFETY: each header has one iovec over a slot of `self`, which nothing else touches during the call.
        let got = unsafe { libc::recvmmsg(socket, headers.as_mut_ptr(), most, flags as _, std::ptr::null_mut()) };
        for at in 0..usize::try_from(got).unwrap_or(0) {
            let slot = &mut self.slots[at];
            let length = usize::from(u16::from_be_bytes([slot[VNET + 2], slot[VNET + 3]]));
            slot[..VNET].fill(0);
            // What cannot be written is lost like anything on a network.
            let _ = (&self.tun).write(&slot[..(VNET + length).min(SLOT)]);
        }
    }

    fn outward(&mut self) {
        let mut count = 0;
        while count < BATCH
            && let Ok(length) = (&self.tun).read(&mut self.slots[count])
        {
            self.lengths[count] = length;
            count += 1;
        }
        let mut names: [libc::sockaddr_in; BATCH] = std::array::from_fn(|at| {
            let to = u32::from_be_bytes(self.slots[at][VNET + 16..VNET + 20].try_into().unwrap());
            let peer = self.first.wrapping_add(to.wrapping_sub(u32::from(INSIDE)));
            libc::sockaddr_in {
                sin_family: libc::AF_INET as _,
                sin_port: 4500_u16.to_be(),
                sin_addr: libc::in_addr { s_addr: peer.to_be() },
                sin_zero: [0; 8],
            }
        });
        let mut iovecs: [libc::iovec; BATCH] = std::array::from_fn(|at| libc::iovec {
            iov_base: self.slots[at][VNET..].as_mut_ptr().cast(),
            iov_len: (self.lengths[at] + OVERHEAD).clamp(VNET, SLOT) - VNET,
        });
        let mut headers = headers(&mut iovecs);
        for (header, name) in headers.iter_mut().zip(&mut names) {
            header.msg_hdr.msg_name = std::ptr::from_mut(name).cast();
            header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_in>() as _;
        }
        let mut done = 0;
        while done < count {
            let rest = &mut headers[done..count];
            // SAFETY: each header has a name and an iovec over a slot, which live until the call is over.
            let sent =
                unsafe { libc::sendmmsg(self.socket.as_raw_fd(), rest.as_mut_ptr(), rest.len() as libc::c_uint, 0) };
            // One that cannot be sent is lost.
            done += usize::try_from(sent).unwrap_or(1).max(1);
        }
    }
}

fn headers(iovecs: &mut [libc::iovec; BATCH]) -> Vec<libc::mmsghdr> {
    let of = |iovec: &mut libc::iovec| {
        // SAFETY: mmsghdr is integers and pointers, for all of which zero is a value.
        let mut header: libc::mmsghdr = unsafe { std::mem::zeroed() };
        header.msg_hdr.msg_iov = std::ptr::from_mut(iovec);
        header.msg_hdr.msg_iovlen = 1;
        header
    };
    iovecs.iter_mut().map(of).collect()
}

/// A TUN device that `sim/load.sh` has made: packets behind a header of virtio.
pub(crate) fn open_tun(device: &str) -> File {
    let mut options = OpenOptions::new();
    let tun = options.read(true).write(true).custom_flags(libc::O_NONBLOCK).open("/dev/net/tun").expect("TUN devices");
    // SAFETY: ifreq is characters, integers and addresses, for all of which zero is a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(device.as_bytes()) {
        *to = *from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI | libc::IFF_VNET_HDR) as _;
    // SAFETY: the kernel reads and writes one ifreq.
    let done = unsafe { libc::ioctl(tun.as_raw_fd(), libc::TUNSETIFF as _, &mut request) };
    assert_eq!(done, 0, "sim/load.sh has made {device}");
    tun
}

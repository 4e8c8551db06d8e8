//! UDP sockets of both families, in batches: bound plainly, answered from the address that was asked, segmented by the
//! kernel where it agrees.
#![allow(unsafe_code, reason = "recvmmsg, sendmmsg and their control messages have no safe wrapper fit for a tunnel")]

use crate::steer::by_spi_in_udp;
use std::io;
use std::mem::size_of;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;

/// Most datagrams that one call receives.
pub(crate) const BATCH: usize = 64;
/// Room for one datagram of the data path, in octets: an MRU of 1792 with all headers fits.
pub(crate) const DATAGRAM: usize = 2048;
/// Most datagrams that one call receives where the kernel merges them.
pub(crate) const MERGED: usize = 8;

/// Room for one that is merged, in octets.
const MERGED_ROOM: usize = 65_536;

/// Socket buffers, in octets: at 1 Gbit/s some 60 ms.
const SOCKET_BUFFER: libc::c_int = 8 << 20;
/// Most segments in one send, the limit of every kernel that has UDP_SEGMENT.
const SEGMENTS: usize = 64;
/// Largest UDP payload over IPv4, in octets.
const LARGEST: usize = 65_507;
/// Most packets collected before they are handed to the kernel.
const PACKETS: usize = 512;
/// Of `asm-generic/socket.h`, which libc lacks.
const SO_MEMINFO: libc::c_int = 55;
/// How long a peer is remembered as one to whom the kernel would not segment, in nanoseconds.
const PLAIN_FOR: u64 = 60_000_000_000;
/// How often a full socket is waited for, a millisecond each time, before the rest of a batch is dropped.
const PATIENCE: u32 = 5;

/// Whose addresses a socket speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Family {
    /// IPv4 alone.
    V4,
    /// IPv6, and with UDP IPv4 as well, in addresses that are mapped.
    V6,
}

/// A bound UDP socket of IPv6 and IPv4, or of IPv4 where the host knows no IPv6.
#[derive(Debug)]
pub(crate) struct Udp {
    fd: OwnedFd,
    family: Family,
}

impl Udp {
    /// Binds a socket of its own (no address or port reuse, so that a second server cannot slip in beside this one), which
    /// tells to which address each datagram came.
    pub(crate) fn bind(port: u16) -> io::Result<Self> {
        let socket = Self::bind_as(port, false)?;
        socket.tell_addresses(true)?;
        Ok(socket)
    }

    /// Binds the sockets that share one port.
    ///
    /// Nobody else may have the port at this moment, not even one who would share it.
    pub(crate) fn bind_group(port: u16, workers: usize) -> io::Result<Group> {
        drop(Self::bind(port)?);
        let some = |count| (0..count).map(|_| Self::bind_as(port, true)).collect::<io::Result<Vec<_>>>();
        // The kernel numbers them in this order.
        let group = Group {
            firsts: some(workers)?,
            control: Self::bind_as(port, true)?,
            seconds: some(workers)?,
            outs: some(workers)?,
        };
        group.control.tell_addresses(true)?;
        group.outs.iter().try_for_each(Self::deafen)?;
        group.control.tell_apart(&mut by_spi_in_udp(workers, &[]))?;
        Ok(group)
    }

    /// Makes the kernel hand over equal datagrams that follow each other as one, and tell to which address they came; or
    /// neither.
    pub(crate) fn merge(&self, on: bool) -> io::Result<()> {
        set_int(self.fd.as_fd(), libc::SOL_UDP, libc::UDP_GRO, on.into())?;
        self.tell_addresses(on)
    }

    fn tell_addresses(&self, on: bool) -> io::Result<()> {
        tell_addresses(self.fd.as_fd(), self.family, on)
    }

    /// Nothing is heard on it from here on.
    fn deafen(&self) -> io::Result<()> {
        let mut reject = [libc::sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: 0 }];
        attach_filter(self.fd.as_fd(), libc::SO_ATTACH_FILTER, &mut reject)
    }

    /// Gives the kernel the program that says which socket of the group a datagram is for.
    pub(crate) fn tell_apart(&self, program: &mut [libc::sock_filter]) -> io::Result<()> {
        attach_filter(self.fd.as_fd(), libc::SO_ATTACH_REUSEPORT_CBPF, program)
    }

    /// What waits to be received, where the kernel tells.
    pub(crate) fn waiting(&self) -> Option<Waiting> {
        // Of `linux/sock_diag.h`: octets that wait, room for them, and at the end what found no room.
        let mut numbers = [0_u32; 9];
        let mut length = size_of_val(&numbers) as libc::socklen_t;
        // SAFETY: the kernel writes at most `length` octets to numbers that outlive the call.
        let result = unsafe {
            let place = numbers.as_mut_ptr().cast();
            libc::getsockopt(self.fd.as_raw_fd(), libc::SOL_SOCKET, SO_MEMINFO, place, &raw mut length)
        };
        let [octets, room, .., lost] = numbers;
        (result == 0).then_some(Waiting { octets, room, lost })
    }

    fn bind_as(port: u16, shared: bool) -> io::Result<Self> {
        let (fd, family) = socket()?;
        if shared {
            set_int(fd.as_fd(), libc::SOL_SOCKET, libc::SO_REUSEPORT, 1)?;
        }
        // The outer packet may be fragmented: a tunnel does not pass the path's MTU on to the packets inside.
        set_int(fd.as_fd(), libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DONT)?;
        fragment(fd.as_fd(), family)?;
        grow_buffers(fd.as_fd());
        rustix::net::bind(&fd, &any(family, port))?;
        Ok(Self { fd, family })
    }

    /// Whose addresses it speaks.
    pub(crate) fn family(&self) -> Family {
        self.family
    }

    /// Binds a socket whose filter drops everything: the port is taken, and nobody gets an answer, not even ICMP.
    pub(crate) fn deaf(port: u16) -> io::Result<Self> {
        let (fd, family) = socket()?;
        let socket = Self { fd, family };
        socket.deafen()?;
        rustix::net::bind(&socket, &any(family, port))?;
        Ok(socket)
    }
}

/// Sockets that share a port: of each data thread, and of the control thread. As long as one is read, all stay open: the
/// kernel numbers those that there are. Only the control thread's tells to which address a datagram came: where ESP comes
/// to is where its IKE came to, and telling costs something for each.
#[derive(Debug)]
pub(crate) struct Group {
    /// One for each data thread: ESP with its SPIs.
    pub(crate) firsts: Vec<Udp>,
    /// For IKE.
    pub(crate) control: Udp,
    /// One more for each data thread: ESP of SAs that are apart (see [`crate::crowd`]).
    pub(crate) seconds: Vec<Udp>,
    /// What each data thread sends on, and nothing comes to. Nobody waits for it: of a socket that is waited for, the kernel
    /// tells the waiting of every packet that has left.
    pub(crate) outs: Vec<Udp>,
}

/// What waits at a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// Memory that it takes, in octets.
    octets: u32,
    /// Memory that it may take.
    room: u32,
    /// Datagrams that found no room, since the socket was opened.
    pub(crate) lost: u32,
}

impl Waiting {
    /// Whether more waits than can be carried soon.
    pub(crate) fn is_much(self) -> bool {
        self.octets > self.room / 4
    }
}

impl AsFd for Udp {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A socket of both families, or of IPv4 where there is no IPv6.
fn socket() -> io::Result<(OwnedFd, Family)> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, socket_with};
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    if let Ok(fd) = socket_with(AddressFamily::INET6, SocketType::DGRAM, flags, Some(ipproto::UDP)) {
        set_int(fd.as_fd(), libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 0)?;
        return Ok((fd, Family::V6));
    }
    Ok((socket_with(AddressFamily::INET, SocketType::DGRAM, flags, Some(ipproto::UDP))?, Family::V4))
}

/// Every address of a family, with a port.
fn any(family: Family, port: u16) -> SocketAddr {
    match family {
        Family::V4 => SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)),
        Family::V6 => SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)),
    }
}

/// Makes the kernel tell to which address each packet came, or no longer.
pub(crate) fn tell_addresses(fd: BorrowedFd<'_>, family: Family, on: bool) -> io::Result<()> {
    match family {
        Family::V4 => set_int(fd, libc::IPPROTO_IP, libc::IP_PKTINFO, on.into()),
        Family::V6 => set_int(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, on.into()),
    }
}

/// Makes the kernel fragment packets that leave over IPv6.
pub(crate) fn fragment(fd: BorrowedFd<'_>, family: Family) -> io::Result<()> {
    match family {
        Family::V4 => Ok(()),
        Family::V6 => set_int(fd, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_DONT),
    }
}

fn set_option<T>(fd: BorrowedFd<'_>, level: libc::c_int, name: libc::c_int, value: &T) -> io::Result<()> {
    // SAFETY: `value` is a live T and its size is told; the kernel only reads it.
    let result = unsafe {
        libc::setsockopt(fd.as_raw_fd(), level, name, ptr::from_ref(value).cast(), size_of::<T>() as libc::socklen_t)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Gives a socket a program for the kernel.
pub(crate) fn attach_filter(
    fd: BorrowedFd<'_>,
    option: libc::c_int,
    program: &mut [libc::sock_filter],
) -> io::Result<()> {
    // The kernel copies it before the call is over.
    set_option(
        fd,
        libc::SOL_SOCKET,
        option,
        &libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() },
    )
}

/// Sets a socket option whose value is an integer.
pub(crate) fn set_int(fd: BorrowedFd<'_>, level: libc::c_int, name: libc::c_int, value: libc::c_int) -> io::Result<()> {
    set_option(fd, level, name, &value)
}

/// Lets a socket hear and speak on one interface alone.
pub(crate) fn bind_to_device(fd: BorrowedFd<'_>, interface: &str) -> io::Result<()> {
    let mut name = [0_u8; libc::IFNAMSIZ];
    let octets = interface.as_bytes();
    let room = name.get_mut(..octets.len()).filter(|room| room.len() < libc::IFNAMSIZ);
    room.ok_or(io::ErrorKind::InvalidInput)?.copy_from_slice(octets);
    set_option(fd, libc::SOL_SOCKET, libc::SO_BINDTODEVICE, &name)
}

/// Gives a socket large buffers: beyond the system's limit where the process may, else up to it.
pub(crate) fn grow_buffers(fd: BorrowedFd<'_>) {
    for (force, plain) in [(libc::SO_RCVBUFFORCE, libc::SO_RCVBUF), (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF)] {
        if set_int(fd, libc::SOL_SOCKET, force, SOCKET_BUFFER).is_err() {
            // A smaller buffer drops sooner under load and is no reason not to serve.
            let _ = set_int(fd, libc::SOL_SOCKET, plain, SOCKET_BUFFER);
        }
    }
}

/// Room for the control messages of one datagram: IP_PKTINFO or IPV6_PKTINFO, and UDP_SEGMENT when sending, UDP_GRO when
/// receiving.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; 64]);

/// Room for an address of either family.
type Name = libc::sockaddr_in6;
const EMPTY_NAME: Name = libc::sockaddr_in6 {
    sin6_family: 0,
    sin6_port: 0,
    sin6_flowinfo: 0,
    sin6_addr: libc::in6_addr { s6_addr: [0; 16] },
    sin6_scope_id: 0,
};
const EMPTY_IOVEC: libc::iovec = libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 };

fn empty_header() -> libc::mmsghdr {
    // SAFETY: mmsghdr is integers and pointers, for all of which zero is a value.
    unsafe { std::mem::zeroed() }
}

/// One received datagram, in its buffer.
pub(crate) struct Datagram<'a> {
    /// What came; it may be changed in place.
    pub(crate) bytes: &'a mut [u8],
    /// Who sent it.
    pub(crate) peer: SocketAddr,
    /// To which of our addresses it came, where the socket tells (see [`Udp::bind`] and [`Group`]).
    pub(crate) local: Option<IpAddr>,
}

/// What one call has received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Received {
    /// As the kernel has handed them over, maybe merged.
    pub(crate) datagrams: usize,
    /// As they were sent.
    pub(crate) packets: usize,
    /// There was no room for more in one call.
    pub(crate) is_full: bool,
}

/// Buffers for receiving many datagrams in one call.
pub(crate) struct Inbox {
    stride: usize,
    bytes: Box<[u8]>,
    /// For datagrams that are merged; there while they are.
    wide: Option<Box<[u8]>>,
    /// Whether what is held lies there.
    is_wide: bool,
    names: Box<[Name]>,
    controls: Box<[Control]>,
    iovecs: Box<[libc::iovec]>,
    headers: Box<[libc::mmsghdr]>,
    held: usize,
}

// SAFETY: the raw pointers in `iovecs` and `headers` are written at the start of each receive and followed only in it.
unsafe impl Send for Inbox {}

impl Inbox {
    /// Makes room for `count` datagrams of at most `stride` octets.
    pub(crate) fn new(count: usize, stride: usize) -> Self {
        Self {
            stride,
            bytes: vec![0; count * stride].into(),
            wide: None,
            is_wide: false,
            names: vec![EMPTY_NAME; count].into(),
            controls: vec![Control([0; 64]); count].into(),
            iovecs: vec![EMPTY_IOVEC; count].into(),
            headers: vec![empty_header(); count].into(),
            held: 0,
        }
    }

    /// Receives what waits at the socket, as much as there is room for, and says how many datagrams that were.
    ///
    /// Nothing waiting is `Ok(0)`. What was held before is gone.
    pub(crate) fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        self.is_wide = false;
        self.receive_in_slots(socket)
    }

    /// The same from a socket that merges (see [`Udp::merge`]).
    pub(crate) fn receive_merged(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        self.is_wide = true;
        self.receive_in_slots(socket)
    }

    /// Frees the room for what is merged.
    pub(crate) fn merge_no_longer(&mut self) {
        if self.is_wide {
            (self.is_wide, self.held) = (false, 0);
        }
        self.wide = None;
    }

    fn receive_in_slots(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        self.held = 0;
        let slots = if self.is_wide {
            // Pages that nothing is written to take no memory.
            self.wide.get_or_insert_with(|| vec![0; MERGED * MERGED_ROOM].into()).chunks_exact_mut(MERGED_ROOM)
        } else {
            self.bytes.chunks_exact_mut(self.stride)
        };
        let count = slots.len().min(self.headers.len()) as libc::c_uint;
        let rest = self.names.iter_mut().zip(self.controls.iter_mut()).zip(self.iovecs.iter_mut());
        for ((slot, ((name, control), iovec)), header) in slots.zip(rest).zip(self.headers.iter_mut()) {
            *iovec = libc::iovec { iov_base: slot.as_mut_ptr().cast(), iov_len: slot.len() };
            header.msg_len = 0;
            header.msg_hdr.msg_name = ptr::from_mut(name).cast();
            header.msg_hdr.msg_namelen = size_of::<Name>() as libc::socklen_t;
            header.msg_hdr.msg_iov = iovec;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_control = control.0.as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = size_of::<Control>() as _;
            header.msg_hdr.msg_flags = 0;
        }
        loop {
            // SAFETY: each of the first `count` headers points to a name, an iovec with a slot and a control buffer that live in `self`, are not
            // borrowed elsewhere while this call runs, and are as long as the header says.
            let got = unsafe {
                libc::recvmmsg(
                    socket.as_raw_fd(),
                    self.headers.as_mut_ptr(),
                    count,
                    libc::MSG_DONTWAIT as _,
                    ptr::null_mut(),
                )
            };
            if got >= 0 {
                self.held = got as usize;
                return Ok(self.held);
            }
            let error = io::Error::last_os_error();
            match error.kind() {
                io::ErrorKind::Interrupted => {}
                io::ErrorKind::WouldBlock => return Ok(0),
                _ => return Err(error),
            }
        }
    }

    /// The datagrams of the last receive, as they were sent; one that was longer than a slot is left out.
    pub(crate) fn datagrams(&mut self) -> impl Iterator<Item = Datagram<'_>> {
        let most = self.stride;
        let slots = match &mut self.wide {
            Some(wide) if self.is_wide => wide.chunks_exact_mut(MERGED_ROOM),
            _ => self.bytes.chunks_exact_mut(self.stride),
        };
        let all = slots.take(self.held).zip(self.names.iter()).zip(self.headers.iter());
        let whole = all.filter_map(|((slot, name), header)| {
            if header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0 {
                return None;
            }
            let peer = address_of(name)?;
            let bytes = slot.get_mut(..header.msg_len as usize)?;
            Some((bytes, peer, told(&header.msg_hdr)))
        });
        whole.flat_map(move |(bytes, peer, Told { local, segment })| {
            // An empty one is a datagram, too, and has no segments.
            let (empty, bytes) = if bytes.is_empty() { (Some(bytes), Default::default()) } else { (None, bytes) };
            let segment = segment.unwrap_or(bytes.len()).max(1);
            let each = empty.into_iter().chain(bytes.chunks_mut(segment)).filter(move |bytes| bytes.len() <= most);
            each.map(move |bytes| Datagram { bytes, peer, local })
        })
    }
}

/// The address that the kernel has written; one of IPv4 is told as such, also by a socket of IPv6.
fn address_of(name: &Name) -> Option<SocketAddr> {
    match libc::c_int::from(name.sin6_family) {
        libc::AF_INET6 => {
            let port = u16::from_be(name.sin6_port);
            let ip = Ipv6Addr::from(name.sin6_addr.s6_addr);
            Some(match ip.to_ipv4_mapped() {
                Some(ip) => SocketAddr::from((ip, port)),
                // The zone tells one link-local address from another.
                None => SocketAddrV6::new(ip, port, 0, name.sin6_scope_id).into(),
            })
        }
        libc::AF_INET => {
            // SAFETY: the kernel has written a sockaddr_in, which is shorter and less aligned than the room for it.
            let name = unsafe { ptr::from_ref(name).cast::<libc::sockaddr_in>().read_unaligned() };
            let ip = Ipv4Addr::from(u32::from_be(name.sin_addr.s_addr));
            Some(SocketAddr::from((ip, u16::from_be(name.sin_port))))
        }
        _ => None,
    }
}

/// An address in the form of IPv6.
fn mapped(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

/// An address in the form of IPv4, unspecified if it has none.
fn plain(ip: IpAddr) -> Ipv4Addr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip,
        IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
    }
}

/// Writes an address for a socket of a family; gives its length.
fn write_name(name: &mut Name, family: Family, address: SocketAddr) -> libc::socklen_t {
    match family {
        Family::V6 => {
            *name = libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: address.port().to_be(),
                sin6_flowinfo: 0,
                sin6_addr: libc::in6_addr { s6_addr: mapped(address.ip()).octets() },
                sin6_scope_id: if let SocketAddr::V6(address) = address { address.scope_id() } else { 0 },
            };
            size_of::<libc::sockaddr_in6>() as libc::socklen_t
        }
        Family::V4 => {
            let short = libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: address.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from(plain(address.ip())).to_be() },
                sin_zero: [0; 8],
            };
            // SAFETY: a sockaddr_in is shorter and less aligned than the room for a sockaddr_in6.
            unsafe { ptr::from_mut(name).cast::<libc::sockaddr_in>().write_unaligned(short) };
            size_of::<libc::sockaddr_in>() as libc::socklen_t
        }
    }
}

/// What the kernel tells with a datagram.
#[derive(Clone, Copy, Default)]
struct Told {
    /// The address of ours that it came to, from its IP_PKTINFO or IPV6_PKTINFO.
    local: Option<IpAddr>,
    /// The length of each datagram that is merged in it, but that the last may be shorter, in octets; from its UDP_GRO.
    segment: Option<usize>,
}

/// Reads the control messages of a datagram.
fn told(header: &libc::msghdr) -> Told {
    let mut told = Told::default();
    // SAFETY: the header was filled by the kernel and its control buffer lives in the inbox that owns the header; CMSG_FIRSTHDR
    // and CMSG_NXTHDR stay within msg_controllen, and the data is read unaligned and only where its length is that of
    // in_pktinfo, in6_pktinfo or int.
    unsafe {
        let mut at = libc::CMSG_FIRSTHDR(header);
        while let Some(message) = at.as_ref() {
            let holds = |size: usize| message.cmsg_len >= libc::CMSG_LEN(size as u32) as _;
            match (message.cmsg_level, message.cmsg_type) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) if holds(size_of::<libc::in_pktinfo>()) => {
                    let info = libc::CMSG_DATA(at).cast::<libc::in_pktinfo>().read_unaligned();
                    told.local = Some(Ipv4Addr::from(u32::from_be(info.ipi_spec_dst.s_addr)).into());
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) if holds(size_of::<libc::in6_pktinfo>()) => {
                    let info = libc::CMSG_DATA(at).cast::<libc::in6_pktinfo>().read_unaligned();
                    told.local = Some(IpAddr::from(info.ipi6_addr.s6_addr).to_canonical());
                }
                (libc::SOL_UDP, libc::UDP_GRO) if holds(size_of::<libc::c_int>()) => {
                    let segment = libc::CMSG_DATA(at).cast::<libc::c_int>().read_unaligned();
                    told.segment = usize::try_from(segment).ok().filter(|segment| *segment > 0);
                }
                _ => {}
            }
            at = libc::CMSG_NXTHDR(header, at);
        }
    }
    told
}

/// One packet to send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outgoing<'a> {
    /// To whom.
    pub(crate) peer: SocketAddr,
    /// From which of our addresses; unspecified leaves it to the routing table.
    pub(crate) local: IpAddr,
    /// The payload.
    pub(crate) bytes: &'a [u8],
}

/// What became of packets that were to be sent, counted.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Sent {
    /// Packets that the kernel took.
    pub(crate) packets: u64,
    /// Calls into the kernel.
    pub(crate) calls: u64,
    /// Packets that it refused (no route, full queue, forbidden by a firewall).
    pub(crate) refused: u64,
    /// Sends that it would not segment.
    pub(crate) unsegmented: u64,
}

impl Sent {
    /// Counts what another sender has counted, too.
    pub(crate) fn add(&mut self, other: Self) {
        self.packets += other.packets;
        self.calls += other.calls;
        self.refused += other.refused;
        self.unsegmented += other.unsegmented;
    }
}

/// Whether equal packets to one peer may go to the kernel as one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Segmentation {
    /// By UDP_SEGMENT, until it is refused.
    Offload,
    /// Never: the protocol has no offload.
    Never,
}

/// A run of packets that form one message to the kernel.
#[derive(Clone, Copy)]
struct Run {
    peer: SocketAddr,
    local: IpAddr,
    /// Index of its first packet.
    start: usize,
    packets: usize,
    /// Length of each packet but the last, in octets.
    segment: usize,
    /// Length of all, in octets.
    total: usize,
    /// A shorter packet ends a group.
    ended: bool,
}

impl Run {
    fn takes(&self, packet: &Outgoing<'_>, limit: usize) -> bool {
        !self.ended
            && self.peer == packet.peer
            && self.local == packet.local
            && self.packets < SEGMENTS
            && (1..=self.segment).contains(&packet.bytes.len())
            && self.segment < limit
            && self.total + packet.bytes.len() <= LARGEST
    }
}

/// A peer to whom segments of `limit` octets or more are sent one by one until `until`.
#[derive(Clone, Copy)]
struct Plain {
    peer: SocketAddr,
    limit: usize,
    until: u64,
}

/// Room for sending many packets in one call.
pub(crate) struct Sender {
    segmentation: Segmentation,
    family: Family,
    names: Box<[Name]>,
    controls: Box<[Control]>,
    iovecs: Box<[libc::iovec]>,
    headers: Box<[libc::mmsghdr]>,
    groups: Vec<Run>,
    plain: [Plain; 32],
    /// When the last of them is forgotten: mostly there are none, and none is looked for.
    plain_until: u64,
    sent: Sent,
}

// SAFETY: the raw pointers in `iovecs` and `headers` are written and followed within one call of `send` only.
unsafe impl Send for Sender {}

impl Sender {
    /// Makes room for one batch to sockets of a family.
    pub(crate) fn new(segmentation: Segmentation, family: Family) -> Self {
        let nobody = Plain { peer: any(Family::V4, 0), limit: 0, until: 0 };
        Self {
            segmentation,
            family,
            names: vec![EMPTY_NAME; BATCH].into(),
            controls: vec![Control([0; 64]); BATCH].into(),
            iovecs: vec![EMPTY_IOVEC; PACKETS].into(),
            headers: vec![empty_header(); BATCH].into(),
            groups: Vec::with_capacity(BATCH),
            plain: [nobody; 32],
            plain_until: 0,
            sent: Sent::default(),
        }
    }

    /// What became of everything sent so far.
    pub(crate) fn sent(&self) -> Sent {
        self.sent
    }

    /// Sends packets in their order; what the kernel refuses is counted and dropped. `now` is in nanoseconds.
    pub(crate) fn send<'a>(
        &mut self,
        socket: BorrowedFd<'_>,
        packets: impl IntoIterator<Item = Outgoing<'a>>,
        now: u64,
    ) {
        let mut held = 0;
        for packet in packets {
            let limit = self.limit(packet.peer, now);
            let joined = match self.groups.last_mut() {
                Some(group) if held < PACKETS && group.takes(&packet, limit) => {
                    group.packets += 1;
                    group.total += packet.bytes.len();
                    group.ended = packet.bytes.len() < group.segment;
                    true
                }
                _ => false,
            };
            if !joined {
                if self.groups.len() == BATCH || held == PACKETS {
                    self.flush(socket, now);
                    held = 0;
                }
                let Outgoing { peer, local, bytes } = packet;
                let group = Run {
                    peer,
                    local,
                    start: held,
                    packets: 1,
                    segment: bytes.len(),
                    total: bytes.len(),
                    ended: false,
                };
                self.groups.push(group);
            }
            self.iovecs[held] =
                libc::iovec { iov_base: packet.bytes.as_ptr().cast_mut().cast(), iov_len: packet.bytes.len() };
            held += 1;
        }
        self.flush(socket, now);
    }

    /// From which length on packets to this peer go one by one.
    fn limit(&self, peer: SocketAddr, now: u64) -> usize {
        match self.segmentation {
            Segmentation::Never => 0,
            Segmentation::Offload if now >= self.plain_until => usize::MAX,
            Segmentation::Offload => {
                self.plain.iter().find(|p| p.peer == peer && now < p.until).map_or(usize::MAX, |p| p.limit)
            }
        }
    }

    fn remember_plain(&mut self, peer: SocketAddr, limit: usize, now: u64) {
        let same = self.plain.iter().position(|p| p.peer == peer && now < p.until);
        let oldest = || self.plain.iter().enumerate().min_by_key(|(_, p)| p.until).map_or(0, |(i, _)| i);
        let at = same.unwrap_or_else(oldest);
        let limit = if same.is_some() { limit.min(self.plain[at].limit) } else { limit };
        let until = now.saturating_add(PLAIN_FOR);
        self.plain[at] = Plain { peer, limit, until };
        self.plain_until = self.plain_until.max(until);
    }

    /// Hands the collected groups to the kernel.
    fn flush(&mut self, socket: BorrowedFd<'_>, now: u64) {
        (0..self.groups.len()).for_each(|at| self.write_group(at));
        let mut patience = PATIENCE;
        let mut done = 0;
        while done < self.groups.len() {
            match self.send_headers(socket, done, self.groups.len(), &mut patience) {
                Ok(count) => {
                    let taken = self.groups.iter().skip(done).take(count);
                    self.sent.packets += taken.map(|group| group.packets as u64).sum::<u64>();
                    done += count;
                }
                Err(error) => {
                    let group = self.groups[done];
                    done += 1;
                    match refused_segmentation(&error, group.segment) {
                        Some(limit) if group.packets > 1 => {
                            self.sent.unsegmented += 1;
                            self.remember_plain(group.peer, limit, now);
                            self.send_one_by_one(socket, &group, &mut patience);
                            (done..self.groups.len()).for_each(|at| self.write_group(at));
                        }
                        _ => self.sent.refused += group.packets as u64,
                    }
                }
            }
        }
        self.groups.clear();
    }

    /// Fills message header `at` for group `at`.
    fn write_group(&mut self, at: usize) {
        let group = self.groups[at];
        let segment = if group.packets > 1 { u16::try_from(group.segment).ok() } else { None };
        self.write_header(at, &group, segment);
    }

    /// Sends the packets of a group without offload; uses the headers from the first on.
    fn send_one_by_one(&mut self, socket: BorrowedFd<'_>, group: &Run, patience: &mut u32) {
        for at in 0..group.packets {
            let single = Run { start: group.start + at, packets: 1, ..*group };
            self.write_header(at, &single, None);
        }
        let mut done = 0;
        while done < group.packets {
            match self.send_headers(socket, done, group.packets, patience) {
                Ok(count) => {
                    self.sent.packets += count as u64;
                    done += count;
                }
                Err(_) => {
                    self.sent.refused += 1;
                    done += 1;
                }
            }
        }
    }

    /// Fills message header `at` for a group; `segment` asks the kernel to segment.
    fn write_header(&mut self, at: usize, group: &Run, segment: Option<u16>) {
        let name = &mut self.names[at];
        let name_len = write_name(name, self.family, group.peer);
        let header = &mut self.headers[at];
        header.msg_len = 0;
        header.msg_hdr.msg_name = ptr::from_mut(name).cast();
        header.msg_hdr.msg_namelen = name_len;
        header.msg_hdr.msg_iov = &mut self.iovecs[group.start];
        header.msg_hdr.msg_iovlen = group.packets as _;
        header.msg_hdr.msg_flags = 0;
        write_control(&mut header.msg_hdr, &mut self.controls[at], self.family, group.local, segment);
    }

    /// Sends message headers `from..to` and says how many the kernel took (at least one).
    ///
    /// A full socket is waited for while there is patience: the other direction has to be served, too.
    fn send_headers(
        &mut self,
        socket: BorrowedFd<'_>,
        from: usize,
        to: usize,
        patience: &mut u32,
    ) -> io::Result<usize> {
        let headers = &mut self.headers[from..to];
        loop {
            self.sent.calls += 1;
            // SAFETY: each header was filled by `write_header` in this call of `send`: its name and control buffer live in
            // `self`, its iovecs point into slices borrowed for the whole of `send`, and the kernel only reads them.
            let count = unsafe {
                libc::sendmmsg(
                    socket.as_raw_fd(),
                    headers.as_mut_ptr(),
                    headers.len() as libc::c_uint,
                    libc::MSG_DONTWAIT as _,
                )
            };
            if count > 0 {
                return Ok(count as usize);
            }
            let error = io::Error::last_os_error();
            match error.kind() {
                io::ErrorKind::Interrupted => {}
                io::ErrorKind::WouldBlock if *patience > 0 => {
                    *patience -= 1;
                    wait_for_room(socket);
                }
                _ => return Err(error),
            }
        }
    }
}

/// From which packet length on segmentation must not be tried again, if `error` says that the kernel would not do it.
fn refused_segmentation(error: &io::Error, segment: usize) -> Option<usize> {
    match error.raw_os_error() {
        // The segment does not fit the path's MTU: such packets must be fragmented, which UDP_SEGMENT cannot.
        Some(libc::EINVAL | libc::EMSGSIZE) => Some(segment),
        // The device cannot checksum, or the kernel knows no UDP_SEGMENT.
        Some(libc::EIO | libc::EOPNOTSUPP | libc::ENOPROTOOPT) => Some(0),
        _ => None,
    }
}

fn wait_for_room(socket: BorrowedFd<'_>) {
    let mut fds = [rustix::event::PollFd::from_borrowed_fd(socket, rustix::event::PollFlags::OUT)];
    let limit = rustix::event::Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
    // Whatever this says, the next send tells whether there is room.
    let _ = rustix::event::poll(&mut fds, Some(&limit));
}

/// Writes the control messages of one send: the source address, and the segment length.
fn write_control(
    header: &mut libc::msghdr,
    control: &mut Control,
    family: Family,
    local: IpAddr,
    segment: Option<u16>,
) {
    const PKTINFO: u32 = size_of::<libc::in_pktinfo>() as u32;
    const PKTINFO6: u32 = size_of::<libc::in6_pktinfo>() as u32;
    const SEGMENT: u32 = size_of::<u16>() as u32;
    control.0.fill(0);
    header.msg_control = control.0.as_mut_ptr().cast();
    header.msg_controllen = size_of::<Control>() as _;
    // SAFETY: `control` has 64 octets, is aligned like cmsghdr and zeroed; both messages together take no more than that, so
    // CMSG_FIRSTHDR and CMSG_NXTHDR yield pointers into it; the data is written unaligned.
    unsafe {
        let first = libc::CMSG_FIRSTHDR(header);
        // The kernel has room for 36 octets without asking for memory, which is one message without what fills it up at its end.
        let (mut used, spaced) = match family {
            Family::V4 => {
                let info = libc::in_pktinfo {
                    ipi_ifindex: 0,
                    ipi_spec_dst: libc::in_addr { s_addr: u32::from(plain(local)).to_be() },
                    ipi_addr: libc::in_addr { s_addr: 0 },
                };
                (*first).cmsg_level = libc::IPPROTO_IP;
                (*first).cmsg_type = libc::IP_PKTINFO;
                (*first).cmsg_len = libc::CMSG_LEN(PKTINFO) as _;
                libc::CMSG_DATA(first).cast::<libc::in_pktinfo>().write_unaligned(info);
                (libc::CMSG_LEN(PKTINFO), libc::CMSG_SPACE(PKTINFO))
            }
            Family::V6 => {
                let addr = libc::in6_addr { s6_addr: mapped(local).octets() };
                let info = libc::in6_pktinfo { ipi6_addr: addr, ipi6_ifindex: 0 };
                (*first).cmsg_level = libc::IPPROTO_IPV6;
                (*first).cmsg_type = libc::IPV6_PKTINFO;
                (*first).cmsg_len = libc::CMSG_LEN(PKTINFO6) as _;
                libc::CMSG_DATA(first).cast::<libc::in6_pktinfo>().write_unaligned(info);
                (libc::CMSG_LEN(PKTINFO6), libc::CMSG_SPACE(PKTINFO6))
            }
        };
        if let Some(segment) = segment {
            let second = libc::CMSG_NXTHDR(header, first);
            (*second).cmsg_level = libc::SOL_UDP;
            (*second).cmsg_type = libc::UDP_SEGMENT;
            (*second).cmsg_len = libc::CMSG_LEN(SEGMENT) as _;
            libc::CMSG_DATA(second).cast::<u16>().write_unaligned(segment);
            used = spaced + libc::CMSG_SPACE(SEGMENT);
        }
        header.msg_controllen = used as _;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn pair() -> (Udp, Udp) {
        let a = Udp::bind(0).unwrap();
        let b = Udp::bind(0).unwrap();
        (a, b)
    }

    fn port(socket: &Udp) -> u16 {
        SocketAddr::try_from(rustix::net::getsockname(socket).unwrap()).unwrap().port()
    }

    fn to<'a>(socket: &Udp, ip: IpAddr, local: IpAddr, bytes: &'a [u8]) -> Outgoing<'a> {
        Outgoing { peer: SocketAddr::new(ip, port(socket)), local, bytes }
    }

    fn receive_all(socket: &Udp) -> Vec<(SocketAddr, Option<IpAddr>, Vec<u8>)> {
        let mut inbox = Inbox::new(BATCH, DATAGRAM);
        let mut all = vec![];
        while inbox.receive(socket.as_fd()).unwrap() > 0 {
            all.extend(inbox.datagrams().map(|d| (d.peer, d.local, d.bytes.to_vec())));
        }
        all
    }

    #[test]
    fn a_datagram_tells_the_address_that_was_asked_and_the_answer_leaves_from_it() {
        let (server, client) = pair();
        let asked = IpAddr::from([127, 0, 0, 7]);
        let mut sender = Sender::new(Segmentation::Offload, server.family());
        sender.send(client.as_fd(), [to(&server, asked, LOOPBACK, b"question")], 0);
        let got = receive_all(&server);
        let [(peer, local, bytes)] = &got[..] else { panic!("{got:?}") };
        assert_eq!((peer.ip(), *local, &bytes[..]), (LOOPBACK, Some(asked), &b"question"[..]));
        sender.send(server.as_fd(), [Outgoing { peer: *peer, local: asked, bytes: b"answer" }], 0);
        let got = receive_all(&client);
        let [(from, _, bytes)] = &got[..] else { panic!("{got:?}") };
        assert_eq!((from.ip(), &bytes[..]), (asked, &b"answer"[..]));
    }

    #[test]
    fn of_the_sockets_of_a_port_that_for_ike_tells_the_address_asked_and_those_that_merge() {
        let port = port(&Udp::bind(0).unwrap());
        let Group { firsts, control, seconds, outs } = Udp::bind_group(port, 1).unwrap();
        let client = Udp::bind(0).unwrap();
        let mut sender = Sender::new(Segmentation::Never, client.family());
        let asked = IpAddr::from([127, 0, 0, 7]);
        let mut ask = |bytes: &[u8], socket: &Udp| {
            let packet = Outgoing { peer: SocketAddr::new(asked, port), local: LOOPBACK, bytes };
            sender.send(client.as_fd(), [packet], 0);
            let got = receive_all(socket);
            let [(_, local, _)] = &got[..] else { panic!("{got:?}") };
            *local
        };
        let (esp, ike) = ([1, 2, 3, 4, 5], [0, 0, 0, 0, 5]);
        assert_eq!((ask(&esp, &firsts[0]), ask(&ike, &control)), (None, Some(asked)));
        firsts[0].merge(true).unwrap();
        assert_eq!(ask(&esp, &firsts[0]), Some(asked));
        firsts[0].merge(false).unwrap();
        assert_eq!(ask(&esp, &firsts[0]), None);
        assert!([&seconds[0], &outs[0]].into_iter().all(|socket| receive_all(socket).is_empty()));
        // What is sent on the last one comes from the port that was asked.
        let answer = Outgoing { peer: SocketAddr::new(LOOPBACK, self::port(&client)), local: asked, bytes: b"answer" };
        sender.send(outs[0].as_fd(), [answer], 0);
        let got = receive_all(&client);
        assert_eq!(got.iter().map(|(from, ..)| *from).collect::<Vec<_>>(), [SocketAddr::new(asked, port)]);
    }

    #[test]
    fn the_control_message_of_one_packet_took_memory_of_the_kernel_for_each() {
        for (family, most) in [(Family::V4, 28), (Family::V6, 36)] {
            let (mut header, mut control) = (empty_header().msg_hdr, Control([0; 64]));
            write_control(&mut header, &mut control, family, LOOPBACK, None);
            assert_eq!(header.msg_controllen, most, "{family:?}");
            write_control(&mut header, &mut control, family, LOOPBACK, Some(1000));
            assert_eq!(told(&header).local, Some(LOOPBACK), "{family:?}");
            assert!(header.msg_controllen > 36);
        }
    }

    #[test]
    fn datagrams_with_a_checksum_and_without_are_received() {
        let (server, client) = pair();
        let mut sender = Sender::new(Segmentation::Never, client.family());
        for (without, word) in [(0, b"one"), (1, b"two"), (0, b"six")] {
            // Over IPv4 it is sent as zero then, which means that there is none (RFC 3948 §2.1).
            set_int(client.as_fd(), libc::SOL_SOCKET, libc::SO_NO_CHECK, without).unwrap();
            sender.send(client.as_fd(), [to(&server, LOOPBACK, LOOPBACK, word)], 0);
        }
        let got: Vec<_> = receive_all(&server).into_iter().map(|(_, _, bytes)| bytes).collect();
        assert_eq!(got, [b"one", b"two", b"six"]);
    }

    #[test]
    fn names_are_written_and_read_for_both_families() {
        for text in ["192.0.2.1:500", "[2001:db8::1]:4500", "[fe80::1%3]:500"] {
            let address: SocketAddr = text.parse().unwrap();
            let mut name = EMPTY_NAME;
            assert_eq!(write_name(&mut name, Family::V6, address), 28);
            assert_eq!(address_of(&name), Some(address));
        }
        let address: SocketAddr = "192.0.2.1:500".parse().unwrap();
        let mut name = EMPTY_NAME;
        assert_eq!(write_name(&mut name, Family::V4, address), 16);
        assert_eq!(address_of(&name), Some(address));
    }

    #[test]
    fn equal_packets_to_one_peer_go_in_one_call_and_arrive_in_order_with_a_shorter_last() {
        let (server, client) = pair();
        let mut packets = vec![vec![0; 1000]; 40];
        packets.push(vec![0; 300]);
        packets.push(vec![0; 1000]);
        for (at, packet) in packets.iter_mut().enumerate() {
            packet[0] = at as u8;
        }
        let mut sender = Sender::new(Segmentation::Offload, server.family());
        sender.send(server.as_fd(), packets.iter().map(|p| to(&client, LOOPBACK, LOOPBACK, p)), 0);
        assert_eq!(sender.sent(), Sent { packets: 42, calls: 1, refused: 0, unsegmented: 0 });
        let got: Vec<_> = receive_all(&client).into_iter().map(|(_, _, bytes)| bytes).collect();
        assert_eq!(got, packets);
    }

    #[test]
    fn more_than_one_message_may_hold_is_cut_and_nothing_is_lost() {
        let (server, client) = pair();
        let packets: Vec<Vec<u8>> = (0..1300u32).map(|at| at.to_be_bytes().repeat(20)).collect();
        let mut sender = Sender::new(Segmentation::Offload, server.family());
        sender.send(server.as_fd(), packets.iter().map(|p| to(&client, LOOPBACK, LOOPBACK, p)), 0);
        assert_eq!((sender.sent().packets, sender.sent().refused), (1300, 0));
        let got: Vec<_> = receive_all(&client).into_iter().map(|(_, _, bytes)| bytes).collect();
        assert_eq!(got, packets);
    }

    #[test]
    fn packets_of_two_peers_are_not_mixed() {
        let (server, client) = pair();
        let (other, _) = pair();
        let packets: Vec<Vec<u8>> = (0..20u8).map(|at| vec![at; 500]).collect();
        let mut sender = Sender::new(Segmentation::Offload, server.family());
        let both = packets.iter().enumerate().map(|(at, p)| to([&client, &other][at % 2], LOOPBACK, LOOPBACK, p));
        sender.send(server.as_fd(), both, 0);
        let evens: Vec<u8> = receive_all(&client).iter().map(|(_, _, bytes)| bytes[0]).collect();
        assert_eq!(evens, (0..20).step_by(2).collect::<Vec<u8>>());
        assert_eq!(receive_all(&other).len(), 10);
    }

    #[test]
    fn a_kernel_that_will_not_segment_gets_the_packets_one_by_one_and_is_not_asked_again_for_a_while() {
        let (server, client) = pair();
        // The kernel refuses to segment without checksums.
        set_int(server.as_fd(), libc::SOL_SOCKET, libc::SO_NO_CHECK, 1).unwrap();
        let packets = vec![vec![7; 800]; 10];
        let mut sender = Sender::new(Segmentation::Offload, server.family());
        for round in 1..=2 {
            sender.send(server.as_fd(), packets.iter().map(|p| to(&client, LOOPBACK, LOOPBACK, p)), 5);
            assert_eq!(receive_all(&client).len(), 10, "round {round}");
            assert_eq!(sender.sent().unsegmented, 1);
        }
        assert_eq!(sender.limit(to(&client, LOOPBACK, LOOPBACK, b"").peer, 5 + PLAIN_FOR), usize::MAX);
        assert_eq!((sender.sent().packets, sender.sent().refused), (20, 0));
    }

    #[test]
    fn a_refused_packet_does_not_stop_those_behind_it() {
        let (server, client) = pair();
        let nowhere = Outgoing { peer: SocketAddr::new(LOOPBACK, 0), local: LOOPBACK, bytes: b"x" };
        let mut sender = Sender::new(Segmentation::Offload, server.family());
        sender.send(server.as_fd(), [nowhere, to(&client, LOOPBACK, LOOPBACK, b"behind")], 0);
        assert_eq!((sender.sent().packets, sender.sent().refused), (1, 1));
        assert_eq!(receive_all(&client).len(), 1);
    }

    #[test]
    fn a_bound_port_cannot_be_bound_again_and_the_deaf_one_hears_nothing() {
        let (server, client) = pair();
        let taken = Udp::bind(port(&server));
        assert_eq!(taken.unwrap_err().kind(), io::ErrorKind::AddrInUse);
        let deaf = Udp::deaf(0).unwrap();
        let mut sender = Sender::new(Segmentation::Offload, server.family());
        sender.send(client.as_fd(), [to(&deaf, LOOPBACK, LOOPBACK, b"hello")], 0);
        assert_eq!(sender.sent().packets, 1);
        assert!(receive_all(&deaf).is_empty());
    }

    #[test]
    fn merged_datagrams_come_out_as_they_were_sent() {
        let (server, client) = pair();
        server.merge(true).unwrap();
        let mut packets: Vec<Vec<u8>> = (0..40u8).map(|at| vec![at; 1000]).collect();
        packets.extend([vec![40; 300], vec![41; 1000], vec![], vec![42; 7]]);
        let asked = IpAddr::from([127, 0, 0, 7]);
        let mut sender = Sender::new(Segmentation::Offload, client.family());
        sender.send(client.as_fd(), packets.iter().map(|p| to(&server, asked, LOOPBACK, p)), 0);
        let mut inbox = Inbox::new(BATCH, DATAGRAM);
        // The run of 41, the longer one behind it, the empty one and the last.
        assert_eq!(inbox.receive_merged(server.as_fd()).unwrap(), 4);
        let got: Vec<_> = inbox.datagrams().map(|d| (d.local, d.bytes.to_vec())).collect();
        assert_eq!(got, packets.into_iter().map(|packet| (Some(asked), packet)).collect::<Vec<_>>());
        inbox.merge_no_longer();
        assert_eq!(inbox.datagrams().count(), 0);
    }

    #[test]
    fn merged_datagrams_that_are_longer_than_any_of_ours_are_left_out() {
        let (server, client) = pair();
        server.merge(true).unwrap();
        let packets = vec![vec![1; DATAGRAM + 1]; 3];
        let mut sender = Sender::new(Segmentation::Offload, client.family());
        sender.send(client.as_fd(), packets.iter().map(|p| to(&server, LOOPBACK, LOOPBACK, p)), 0);
        sender.send(client.as_fd(), [to(&server, LOOPBACK, LOOPBACK, b"next")], 0);
        let mut inbox = Inbox::new(BATCH, DATAGRAM);
        assert_eq!(inbox.receive_merged(server.as_fd()).unwrap(), 2);
        let got: Vec<_> = inbox.datagrams().map(|d| d.bytes.to_vec()).collect();
        assert_eq!(got, [b"next"]);
    }

    #[test]
    fn a_datagram_longer_than_its_slot_is_left_out() {
        let (server, client) = pair();
        let mut sender = Sender::new(Segmentation::Offload, server.family());
        let long = vec![1; DATAGRAM + 1];
        sender.send(
            client.as_fd(),
            [to(&server, LOOPBACK, LOOPBACK, &long), to(&server, LOOPBACK, LOOPBACK, b"ok")],
            0,
        );
        let got = receive_all(&server);
        assert_eq!(got.len(), 1);
        assert_eq!(got[0].2, b"ok");
    }
}

//! How the kernel gives each data thread what is its own: filters on SPIs for what comes in, and signposts by address for
//! what the TUN hands out.
//!
//! All that is one client's is on one data thread, told by the low octet of our SPIs. Outward a packet bears no SPI, so
//! that the control thread writes down for each address whose it is. Signposts are a help: of two addresses that share one
//! the later is in it, and packets to the other are handed on by the thread that gets them.
#![allow(unsafe_code, reason = "programs for the kernel are loaded, and their table is mapped, by system calls only")]

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU64, Ordering};

/// Signposts of each version of IP.
const SIGNPOSTS: u32 = 1 << 14;
/// Their octets in the kernel, which keeps each on 8.
const TABLE: usize = SIGNPOSTS as usize * 2 * size_of::<AtomicU64>();

/// Of `linux/bpf.h`: calls, the kind of the table, its flag, and the kind of the program.
const BPF_MAP_CREATE: libc::c_int = 0;
const BPF_PROG_LOAD: libc::c_int = 5;
const BPF_MAP_TYPE_ARRAY: u32 = 2;
const BPF_F_MMAPABLE: u32 = 1 << 10;
const BPF_PROG_TYPE_SOCKET_FILTER: u32 = 1;

/// The thread that a client's or an SA's number belongs to: all whose low octets agree are on one.
pub(crate) fn shard(number: u32, workers: usize) -> usize {
    (number & 0xff) as usize % workers.max(1)
}

fn classic(code: u32, k: u32, (so, else_): (u8, u8)) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt: so, jf: else_, k }
}

/// Says which socket of a group of port 4500 a datagram is for: ESP by its SPI is for the first socket of a thread, or for
/// its second where the SA is apart; IKE is for the socket between those.
///
/// Too short a datagram ends the program with 0, as a keepalive does.
pub(crate) fn by_spi_in_udp(workers: usize, apart: &[u32]) -> Vec<libc::sock_filter> {
    let workers = workers.max(1) as u32;
    // The marker of IKE is a number that no SA has.
    let mut program = vec![
        classic(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, (0, 0)),
        classic(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, (0, 1)),
        classic(libc::BPF_RET | libc::BPF_K, workers, (0, 0)),
    ];
    let thread = [
        classic(libc::BPF_LD | libc::BPF_B | libc::BPF_ABS, 3, (0, 0)),
        classic(libc::BPF_ALU | libc::BPF_MOD | libc::BPF_K, workers, (0, 0)),
    ];
    for spi in apart {
        program.push(classic(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, *spi, (0, 4)));
        program.extend(thread);
        program.push(classic(libc::BPF_ALU | libc::BPF_ADD | libc::BPF_K, workers + 1, (0, 0)));
        program.push(classic(libc::BPF_RET | libc::BPF_A, 0, (0, 0)));
    }
    program.extend(thread);
    program.push(classic(libc::BPF_RET | libc::BPF_A, 0, (0, 0)));
    program
}

/// Lets those packets of ESP pass whose SPI is of one thread; `headed`: an IPv4 header stands before it.
pub(crate) fn only_of(number: usize, workers: usize, headed: bool) -> Vec<libc::sock_filter> {
    let mut program = if headed {
        vec![
            classic(libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH, 0, (0, 0)),
            classic(libc::BPF_LD | libc::BPF_B | libc::BPF_IND, 3, (0, 0)),
        ]
    } else {
        vec![classic(libc::BPF_LD | libc::BPF_B | libc::BPF_ABS, 3, (0, 0))]
    };
    program.extend([
        classic(libc::BPF_ALU | libc::BPF_MOD | libc::BPF_K, workers.max(1) as u32, (0, 0)),
        classic(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, number as u32, (0, 1)),
        classic(libc::BPF_RET | libc::BPF_K, u32::MAX, (0, 0)),
        classic(libc::BPF_RET | libc::BPF_K, 0, (0, 0)),
    ]);
    program
}

/// Which thread has the client of an address: read by the kernel for each packet that leaves by the TUN.
#[derive(Debug)]
pub(crate) struct Signposts {
    table: NonNull<AtomicU64>,
}

// SAFETY: the table is shared memory of atomic numbers, which any thread may write.
unsafe impl Send for Signposts {}

impl Signposts {
    fn at(&self, place: u32) -> Option<&AtomicU64> {
        // SAFETY: the table has SIGNPOSTS numbers twice and is mapped for as long as this lives.
        (place < 2 * SIGNPOSTS).then(|| unsafe { self.table.add(place as usize).as_ref() })
    }

    /// Packets to this address are for this thread.
    pub(crate) fn put(&self, address: Ipv4Addr, worker: usize) {
        if let Some(post) = self.at(address.to_bits() % SIGNPOSTS) {
            post.store(worker as u64, Ordering::Relaxed);
        }
    }

    /// Packets to addresses of this prefix of 64 bits are for this thread.
    pub(crate) fn put_prefix(&self, prefix: Ipv6Addr, worker: usize) {
        let low = (prefix.to_bits() >> 64) as u32 % SIGNPOSTS;
        if let Some(post) = self.at(SIGNPOSTS + low) {
            post.store(worker as u64, Ordering::Relaxed);
        }
    }
}

impl Drop for Signposts {
    fn drop(&mut self) {
        // SAFETY: it was mapped with this length, and no reference outlives `self`.
        unsafe { libc::munmap(self.table.as_ptr().cast(), TABLE) };
    }
}

/// The program that reads the signposts for a TUN device.
#[derive(Debug)]
pub(crate) struct Steering {
    program: OwnedFd,
    signposts: Signposts,
}

impl Steering {
    /// Loads it; the process needs CAP_BPF, or CAP_SYS_ADMIN, unless the host lets everybody.
    pub(crate) fn load() -> io::Result<Self> {
        let table = make_table()?;
        let program = load_program(table.as_fd())?;
        // SAFETY: a new mapping of a table of this length.
        let place = unsafe {
            let access = libc::PROT_READ | libc::PROT_WRITE;
            libc::mmap(ptr::null_mut(), TABLE, access, libc::MAP_SHARED, table.as_raw_fd(), 0)
        };
        if place == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let table = NonNull::new(place.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { program, signposts: Signposts { table } })
    }

    /// The program, for the device, and the signposts, for the control thread.
    pub(crate) fn split(self) -> (OwnedFd, Signposts) {
        (self.program, self.signposts)
    }
}

fn make_table() -> io::Result<OwnedFd> {
    // map_type, key_size, value_size, max_entries, map_flags
    bpf(BPF_MAP_CREATE, &[BPF_MAP_TYPE_ARRAY, 4, 8, 2 * SIGNPOSTS, BPF_F_MMAPABLE])
}

/// One instruction of the kernel's machine (`struct bpf_insn`).
fn instruction(code: u8, to: u8, from: u8, offset: i16, value: i32) -> u64 {
    let [low, high] = offset.to_le_bytes();
    let [a, b, c, d] = value.to_le_bytes();
    u64::from_ne_bytes(if cfg!(target_endian = "little") {
        [code, to | from << 4, low, high, a, b, c, d]
    } else {
        [code, to << 4 | from, high, low, d, c, b, a]
    })
}

/// Looks the destination of a packet up: the low bits of an IPv4 address, or of the upper half of an IPv6 address.
fn program(table: BorrowedFd<'_>) -> [u64; 19] {
    let mask = SIGNPOSTS as i32 - 1;
    [
        // r6 = the packet, as loads from it want
        instruction(0xbf, 6, 1, 0, 0),
        // r0 = the version
        instruction(0x30, 0, 0, 0, 0),
        instruction(0x77, 0, 0, 0, 4),
        instruction(0x15, 0, 0, 3, 6),
        // IPv4: r0 = the lower half of the destination
        instruction(0x28, 0, 0, 0, 18),
        instruction(0x57, 0, 0, 0, mask),
        instruction(0x05, 0, 0, 3, 0),
        // IPv6: r0 = the last 16 bits of the destination's upper half
        instruction(0x28, 0, 0, 0, 30),
        instruction(0x57, 0, 0, 0, mask),
        instruction(0x47, 0, 0, 0, SIGNPOSTS as i32),
        // what is looked up stands on the stack
        instruction(0x63, 10, 0, -4, 0),
        instruction(0xbf, 2, 10, 0, 0),
        instruction(0x07, 2, 0, 0, -4),
        instruction(0x18, 1, 1, 0, table.as_raw_fd()),
        0,
        instruction(0x85, 0, 0, 0, 1),
        // r0 = what it points to, if it does
        instruction(0x15, 0, 0, 1, 0),
        instruction(0x79, 0, 0, 0, 0),
        instruction(0x95, 0, 0, 0, 0),
    ]
}

fn load_program(table: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    #[repr(C)]
    struct Load {
        kind: u32,
        count: u32,
        instructions: u64,
        license: u64,
    }
    let program = program(table);
    let load = Load {
        kind: BPF_PROG_TYPE_SOCKET_FILTER,
        count: program.len() as u32,
        instructions: program.as_ptr() as u64,
        license: c"".as_ptr() as u64,
    };
    bpf(BPF_PROG_LOAD, &load)
}

fn bpf<T>(call: libc::c_int, about: &T) -> io::Result<OwnedFd> {
    // SAFETY: the kernel reads what it is told of, and what that points to, which outlives the call, and no more: a shorter
    // structure than it knows is one with zeros behind.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, call, ptr::from_ref(about), size_of::<T>()) };
    let fd = i32::try_from(fd).ok().filter(|fd| *fd >= 0).ok_or_else(io::Error::last_os_error)?;
    // SAFETY: it is new, and nobody else's. The kernel closes it for programs that are started.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;
    use crate::udp::{DATAGRAM, Inbox, Udp};
    use std::net::UdpSocket;

    #[test]
    fn all_that_is_one_clients_is_on_one_thread() {
        for workers in 1..=16 {
            for number in [0, 1, 255, 256, 0x1234_5678, u32::MAX] {
                let shard_of = shard(number, workers);
                assert!(shard_of < workers);
                assert_eq!(shard((number << 8) | (number & 0xff), workers), shard_of);
            }
        }
    }

    #[test]
    fn datagrams_go_to_the_socket_of_their_spi_ike_to_its_own_and_keepalives_to_the_first() {
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let group = Udp::bind_group(port, 3).unwrap();
        // The port is nobody else's, whichever way it is asked for alone.
        assert!(Udp::bind(port).is_err() && Udp::bind_group(port, 2).is_err());
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut inbox = Inbox::new(8, DATAGRAM);
        let esp: Vec<(Vec<u8>, usize)> =
            [0, 1, 2, 3, 100, 255].map(|low| (vec![1, 2, 3, low, 9], low as usize % 3)).into();
        let others = [&[0xff][..], &[1, 2, 3], &[]].map(|other| (other.to_vec(), 0));
        let ike = [&[0, 0, 0, 0, 5, 5, 5, 5][..], &[0; 4]].map(|ike| (ike.to_vec(), 3));
        // Once two SAs are apart, they come to the second sockets of their threads.
        let apart = [0x0102_0302_u32, 0x0102_0364];
        let moved = |(datagram, socket): &(Vec<u8>, usize)| {
            let is_apart = apart.iter().any(|spi| datagram.starts_with(&spi.to_be_bytes()));
            (datagram.clone(), if is_apart { socket + 4 } else { *socket })
        };
        let before: Vec<_> = esp.into_iter().chain(others).chain(ike).collect();
        let after: Vec<_> = before.iter().map(moved).collect();
        for (spis, datagrams) in [(&[][..], &before), (&apart, &after), (&[], &before)] {
            group.control.tell_apart(&mut by_spi_in_udp(3, spis)).unwrap();
            for (datagram, wanted) in datagrams {
                client.send_to(datagram, ("127.0.0.1", port)).unwrap();
                let all = group.firsts.iter().chain([&group.control]).chain(&group.seconds).chain(&group.outs);
                let got: Vec<usize> = all.map(|socket| inbox.receive(socket.as_fd()).unwrap()).collect();
                let expected: Vec<usize> = (0..10).map(|number| usize::from(number == *wanted)).collect();
                assert_eq!(got, expected, "{datagram:?}");
            }
        }
    }

    #[test]
    fn the_kernel_reads_the_signposts_of_both_versions() {
        // Without the right to load programs there is nothing to test.
        let Ok(steering) = Steering::load() else { return };
        let (program, signposts) = steering.split();
        signposts.put(Ipv4Addr::new(10, 1, 2, 3), 1);
        signposts.put_prefix("2001:db8:0:203::".parse().unwrap(), 2);
        let run = |packet: &[u8]| {
            #[repr(C)]
            #[derive(Default)]
            struct Run {
                program: u32,
                result: u32,
                length: u32,
                length_out: u32,
                packet: u64,
                packet_out: u64,
                repeat: u32,
                duration: u32,
            }
            // The kernel's trial run takes off a link header first.
            let framed = [&[0; 14][..], packet].concat();
            let mut about = Run { program: program.as_raw_fd() as u32, ..Run::default() };
            (about.length, about.packet) = (framed.len() as u32, framed.as_ptr() as u64);
            const BPF_PROG_TEST_RUN: libc::c_int = 10;
            // SAFETY: the kernel reads the packet and writes to `about`, both of which outlive the call.
            let done =
                unsafe { libc::syscall(libc::SYS_bpf, BPF_PROG_TEST_RUN, ptr::from_mut(&mut about), size_of::<Run>()) };
            assert_eq!(done, 0, "{}", io::Error::last_os_error());
            about.result
        };
        let mut v4 = vec![0x45; 40];
        v4[16..20].copy_from_slice(&[10, 1, 2, 3]);
        let mut v6 = vec![0x60; 60];
        v6[24..32].copy_from_slice(&[0x20, 1, 0x0d, 0xb8, 0, 0, 2, 3]);
        assert_eq!((run(&v4), run(&v6)), (1, 2));
        v4[19] = 4;
        v6[31] = 4;
        assert_eq!((run(&v4), run(&v6)), (0, 0));
        // Nobody ever writes one so short, and it is for the first.
        assert_eq!(run(&[0x45; 15]), 0);
        signposts.put(Ipv4Addr::new(10, 1, 2, 3), 0);
        v4[19] = 3;
        assert_eq!(run(&v4), 0);
    }
}

//! The TUN device: super-packets of up to 64 KiB in and out, with checksums and segmentation left to whoever comes last.
#![allow(unsafe_code, reason = "a TUN device is made and set up by ioctls only")]

use rustix::io::{Errno, retry_on_intr};
use std::ffi::CStr;
use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;

/// Where TUN devices come from.
pub(crate) const DEVICE: &str = "/dev/net/tun";
/// Room for one read, in octets: the virtio header and the largest IP packet.
pub(crate) const LARGEST_READ: usize = 10 + 65_535;

/// The kernel's name pattern: it puts in the first free number.
const NAME: &CStr = c"sekisho%d";
/// Length of the virtio header before each packet, in octets.
const VNET_HEADER: libc::c_int = 10;

/// `_IOR('T', 224, int)` of `linux/if_tun.h`.
const TUNSETSTEERINGEBPF: u32 = 0x8004_54e0;
const TUN_F_CSUM: libc::c_uint = 0x01;
const TUN_F_TSO4: libc::c_uint = 0x02;
const TUN_F_TSO6: libc::c_uint = 0x04;
const TUN_F_USO4: libc::c_uint = 0x20;
const TUN_F_USO6: libc::c_uint = 0x40;

/// A TUN device of our own; it vanishes when this is dropped.
#[derive(Debug)]
pub(crate) struct Tun {
    file: File,
    name: String,
    segments_udp: bool,
}

impl Tun {
    /// Makes a device named `sekisho` and the first free number; the process needs CAP_NET_ADMIN.
    pub(crate) fn open() -> io::Result<Self> {
        Self::attach(NAME.to_bytes(), 0)
    }

    /// Makes such a device with several queues; `steering` is the program by which the kernel chooses among them.
    ///
    /// Without a program it would follow the queue that a flow was last written to, and order would be lost on the way.
    pub(crate) fn open_queues(queues: usize, steering: BorrowedFd<'_>) -> io::Result<Vec<Self>> {
        let first = Self::attach(NAME.to_bytes(), libc::IFF_MULTI_QUEUE)?;
        let program = steering.as_raw_fd();
        // SAFETY: the kernel reads one int.
        check(unsafe { libc::ioctl(first.file.as_raw_fd(), TUNSETSTEERINGEBPF as _, &program) })?;
        let name = first.name.clone();
        let others = (1..queues).map(|_| Self::attach(name.as_bytes(), libc::IFF_MULTI_QUEUE));
        std::iter::once(Ok(first)).chain(others).collect()
    }

    fn attach(name: &[u8], kind: libc::c_int) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC).open(DEVICE)?;
        let mut request = empty_request();
        for (to, from) in request.ifr_name.iter_mut().zip(name) {
            *to = *from as libc::c_char;
        }
        request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI | libc::IFF_VNET_HDR | kind) as libc::c_short;
        // SAFETY: the kernel reads and writes one ifreq, which `request` is.
        check(unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF as _, &mut request) })?;
        let name: Vec<u8> = request.ifr_name.iter().map(|c| *c as u8).take_while(|c| *c != 0).collect();
        let name = String::from_utf8_lossy(&name).into_owned();

        let size = VNET_HEADER;
        // SAFETY: the kernel reads one int.
        check(unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETVNETHDRSZ as _, &size) })?;
        let tcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
        let offload = |flags: libc::c_uint| {
            // SAFETY: the argument is a number, not a pointer.
            check(unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETOFFLOAD as _, libc::c_ulong::from(flags)) })
        };
        // Kernels before 6.2 know no UDP segmentation on TUN.
        let segments_udp = offload(tcp | TUN_F_USO4 | TUN_F_USO6).is_ok();
        if !segments_udp {
            offload(tcp)?;
        }
        Ok(Self { file, name, segments_udp })
    }

    /// The same device for another thread that writes to it.
    pub(crate) fn again(&self) -> io::Result<Self> {
        Ok(Self { file: self.file.try_clone()?, name: self.name.clone(), segments_udp: self.segments_udp })
    }

    /// The device's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether the kernel takes and gives UDP super-packets.
    pub(crate) fn segments_udp(&self) -> bool {
        self.segments_udp
    }

    /// Reads one super-packet with its virtio header into `buffer`; `Ok(0)`: none is waiting.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        // Without the library's own calls: each asks on both sides whether the thread is to be ended.
        match retry_on_intr(|| rustix::io::read(&self.file, &mut *buffer)) {
            Err(Errno::AGAIN) => Ok(0),
            other => Ok(other?),
        }
    }

    /// Writes one super-packet: its virtio header first, then its parts.
    pub(crate) fn write(&self, parts: &[IoSlice<'_>]) -> io::Result<()> {
        retry_on_intr(|| rustix::io::writev(&self.file, parts))?;
        Ok(())
    }

    /// Writes one packet that stands behind its virtio header.
    pub(crate) fn write_whole(&self, packet: &[u8]) -> io::Result<()> {
        retry_on_intr(|| rustix::io::write(&self.file, packet))?;
        Ok(())
    }
}

impl AsFd for Tun {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

fn empty_request() -> libc::ifreq {
    // SAFETY: ifreq is characters, integers and addresses, for all of which zero is a value.
    unsafe { std::mem::zeroed() }
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;

    #[test]
    fn a_device_has_a_free_number_and_nothing_waits_in_it() {
        // Without the right to make devices there is nothing to test.
        let (Ok(first), Ok(second)) = (Tun::open(), Tun::open()) else {
            return;
        };
        assert!(first.name().starts_with("sekisho") && second.name().starts_with("sekisho"));
        assert_ne!(first.name(), second.name());
        assert_eq!(first.read(&mut [0; 100]).unwrap(), 0);
        // The device is down, so that the kernel takes no packet.
        assert!(first.write(&[IoSlice::new(&[0; 10]), IoSlice::new(&[0x45; 20])]).is_err());
        let _ = first.segments_udp();
    }
}

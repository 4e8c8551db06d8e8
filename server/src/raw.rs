//! The raw socket for ESP without UDP (IP protocol 50), for clients that no NAT stands before.

use crate::steer::only_of;
use crate::udp::{Datagram, Family, Inbox, attach_filter, fragment, grow_buffers, set_int, tell_addresses};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The protocol number of ESP (RFC 4303 §2).
const ESP: u8 = 50;

/// A raw socket that receives every ESP packet of the host that comes over one family.
///
/// While it is open the kernel does not answer ESP with an ICMP "protocol unreachable".
#[derive(Debug)]
pub(crate) struct RawEsp {
    fd: OwnedFd,
    family: Family,
}

impl RawEsp {
    /// Opens the socket; the process needs CAP_NET_RAW.
    pub(crate) fn open(family: Family) -> io::Result<Self> {
        Self::open_protocol(family, ESP)
    }

    /// Opens a socket for each data thread; each gets the packets with its SPIs alone.
    pub(crate) fn open_group(family: Family, workers: usize) -> io::Result<Vec<Self>> {
        if workers <= 1 {
            return Ok(vec![Self::open(family)?]);
        }
        let open = |number| {
            let socket = Self::open(family)?;
            attach_filter(socket.as_fd(), libc::SO_ATTACH_FILTER, &mut only_of(number, workers, family == Family::V4))?;
            Ok(socket)
        };
        (0..workers).map(open).collect()
    }

    /// Opens a socket of the same kind for another protocol.
    pub(crate) fn open_protocol(family: Family, protocol: u8) -> io::Result<Self> {
        let fd = rustix::net::socket_with(
            match family {
                Family::V4 => rustix::net::AddressFamily::INET,
                Family::V6 => rustix::net::AddressFamily::INET6,
            },
            rustix::net::SocketType::RAW,
            rustix::net::SocketFlags::CLOEXEC | rustix::net::SocketFlags::NONBLOCK,
            NonZeroU32::new(u32::from(protocol)).map(rustix::net::Protocol::from_raw),
        )?;
        match family {
            // The header that comes with each packet tells the address.
            Family::V4 => set_int(fd.as_fd(), libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DONT)?,
            Family::V6 => tell_addresses(fd.as_fd(), family, true)?,
        }
        fragment(fd.as_fd(), family)?;
        grow_buffers(fd.as_fd());
        Ok(Self { fd, family })
    }

    /// The ESP packets that `inbox` received last, without their IP headers.
    pub(crate) fn packets<'a>(&self, inbox: &'a mut Inbox) -> impl Iterator<Item = Datagram<'a>> + use<'a> {
        let family = self.family;
        inbox.datagrams().filter_map(move |mut datagram| {
            // Only IPv4 hands the header over.
            if family == Family::V4 {
                let (header, local) = ip_header(datagram.bytes)?;
                datagram.bytes = datagram.bytes.get_mut(header..)?;
                datagram.local = Some(IpAddr::V4(local));
            }
            Some(datagram)
        })
    }
}

impl AsFd for RawEsp {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The length of the IPv4 header at the start of `packet`, and its destination.
fn ip_header(packet: &[u8]) -> Option<(usize, Ipv4Addr)> {
    let first = *packet.first()?;
    let length = usize::from(first & 0x0f) * 4;
    if first >> 4 != 4 || length < 20 || packet.len() < length {
        return None;
    }
    let destination: [u8; 4] = packet.get(16..20)?.try_into().ok()?;
    Some((length, Ipv4Addr::from(destination)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;

    #[test]
    fn the_ip_header_is_taken_off_with_its_options_and_names_the_address_asked() {
        let mut packet = vec![0x46, 0, 0, 28];
        packet.resize(16, 0);
        packet.extend([192, 0, 2, 1]);
        packet.resize(24, 0);
        packet.extend([1, 2, 3, 4]);
        assert_eq!(ip_header(&packet), Some((24, Ipv4Addr::new(192, 0, 2, 1))));
    }

    #[test]
    fn what_is_too_short_for_its_header_is_no_packet() {
        for packet in [&[][..], &[0x45; 19], &[0x4f; 20], &[0x65; 40], &[0x44; 40]] {
            assert_eq!(ip_header(packet), None, "{packet:?}");
        }
    }
}

//! IPv6 of a session: whose address is whose, and what the engine answers itself inside the link.

use super::SessionPath;
use super::sum::word_at;
use core::net::Ipv6Addr;
use serde::{Deserialize, Serialize};
use wire::inside::dhcpv6;
use wire::inside::icmpv6::Type;
use wire::ip::Ipv6;

/// The least MTU of an IPv6 link, in octets (RFC 8200 §5): a client that speaks IPv6 takes it, whatever MRU it names.
pub(super) const LEAST_MTU: u16 = 1280;
const UDP: u8 = 17;

/// What IPV6CP has agreed on, and the prefix that the client was given.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ipv6Path {
    /// The client's /64, if it has one; without it only the link itself is spoken with.
    pub prefix: Option<Ipv6Addr>,
    /// Our interface identifier (RFC 5072 §4.1).
    pub our_identifier: u64,
    /// The MSS that TCP connections over IPv6 are lowered to, both ways.
    pub mss: Option<u16>,
}

impl Ipv6Path {
    /// Our link-local address.
    #[must_use]
    pub fn our_link_local(&self) -> Ipv6Addr {
        link_local(self.our_identifier)
    }

    /// Our address within the client's prefix, from which ICMPv6 errors come.
    #[must_use]
    pub fn our_global(&self) -> Option<Ipv6Addr> {
        let prefix = self.prefix?;
        Some(Ipv6Addr::from_bits(u128::from(upper_half(prefix)) << 64 | u128::from(self.our_identifier)))
    }

    /// Whether an address is within the client's prefix.
    #[must_use]
    pub fn covers(&self, address: Ipv6Addr) -> bool {
        self.prefix.is_some_and(|prefix| upper_half(prefix) == upper_half(address))
    }

    /// Whether a packet concerns the link itself and not what lies behind us.
    pub(super) fn is_for_the_link(&self, ip: &Ipv6<'_>) -> bool {
        let (from, to) = (ip.source(), ip.destination());
        to.is_multicast()
            || to.is_unicast_link_local()
            || from.is_unicast_link_local()
            || from.is_unspecified()
            || self.our_global() == Some(to)
    }

    /// Whether the engine has an answer to a packet that concerns the link: solicitations, echo requests and DHCPv6.
    ///
    /// Everything else that a client says to its link in the first second (MLD, mDNS, LLMNR) is nobody's affair.
    pub(super) fn is_answered(&self, ip: &Ipv6<'_>) -> bool {
        let (from, to) = (ip.source(), ip.destination());
        if !(from.is_unicast_link_local() || from.is_unspecified() || self.covers(from)) {
            return false;
        }
        let ours = to == self.our_link_local() || self.our_global() == Some(to);
        let payload = ip.payload();
        match ip.next_header() {
            wire::inside::ICMPV6 => match payload.first().map(|kind| Type::from(*kind)) {
                Some(Type::RouterSolicitation | Type::NeighbourSolicitation) => ours || to.is_multicast(),
                Some(Type::EchoRequest) => ours || to == ALL_NODES || to == ALL_ROUTERS,
                _ => false,
            },
            UDP => (ours || to == dhcpv6::SERVERS) && word_at(payload, 2) == dhcpv6::SERVER_PORT,
            _ => false,
        }
    }
}

/// Every node of the link (RFC 4291 §2.7.1).
pub const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// Every router of the link.
pub const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

/// The link-local address of an interface identifier (RFC 5072 §5).
#[must_use]
pub fn link_local(identifier: u64) -> Ipv6Addr {
    Ipv6Addr::from_bits(0xfe80_u128 << 112 | u128::from(identifier))
}

/// The first 64 bits of an address, by which clients are told apart.
#[must_use]
pub(super) fn upper_half(address: Ipv6Addr) -> u64 {
    (address.to_bits() >> 64) as u64
}

impl SessionPath {
    /// The largest IPv6 packet that fits, in octets.
    #[must_use]
    pub fn ipv6_mtu(&self) -> u16 {
        self.mru.min(self.mtu).max(LEAST_MTU)
    }
}

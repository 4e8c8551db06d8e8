//! PP interfaces as typed values: who may call, and how PPP speaks with them.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::config::filter::SecureFilter;
use crate::value::Hidden;

/// An interface that a caller's PPP link ends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pp {
    /// Whether callers are let in.
    pub enabled: bool,
    /// A description for people.
    pub description: Option<String>,
    /// Numbers of the tunnels whose calls end here.
    pub bind: BTreeSet<u32>,
    /// How a caller must prove who it is; none lets everybody in.
    pub auth_request: Option<AuthRequest>,
    /// Users known here, by name.
    pub users: Vec<User>,
    /// Whether a second connection of one local user is refused.
    pub multi_connect_prohibit: bool,
    /// Whether addresses are negotiated in IPCP.
    pub ipcp_ipaddress: bool,
    /// Whether name servers are told in IPCP (RFC 1877).
    pub ipcp_msext: bool,
    /// This side's address, where it is not the LAN's.
    pub address: Option<(Ipv4Addr, u8)>,
    /// Addresses lent to callers: first and last of each range, in order.
    pub pool: Vec<(Ipv4Addr, Ipv4Addr)>,
    /// Whether the addresses are those of `dhcp scope` (`pool dhcp`, and `ip pp remote address dhcp` of a numbered one).
    pub from_scopes: bool,
    /// The LAN whose DHCP server is asked for each caller's address (`dhcpc`).
    pub from_lan: Option<String>,
    /// The IPv6 prefix, of at most 64 bits, out of which each caller is given a /64.
    pub prefix_pool: Option<(Ipv6Addr, u8)>,
    /// The caller's address on a numbered interface.
    pub remote_address: Option<Ipv4Addr>,
    /// Largest packet routed into the link, in octets.
    pub mtu: u16,
    /// Limit of TCP's MSS for packets through this interface.
    pub tcp_mss: Mss,
    /// Link control.
    pub lcp: LcpOptions,
    /// IP control.
    pub ipcp: NcpOptions,
    /// Password authentication.
    pub pap: AuthOptions,
    /// Challenge authentication.
    pub chap: AuthOptions,
    /// How to find out whether the caller is there, where that is wanted.
    pub keepalive: Option<Keepalive>,
    /// Whether keepalives are logged; it counts for every interface.
    pub keepalive_log: bool,
    /// Whether IPV6CP is used.
    pub ipv6cp: bool,
    /// What packets of callers are held against.
    pub secure: SecureFilter,
}

impl Default for Pp {
    fn default() -> Self {
        Self {
            enabled: false,
            description: None,
            bind: BTreeSet::new(),
            auth_request: None,
            users: Vec::new(),
            multi_connect_prohibit: false,
            ipcp_ipaddress: false,
            ipcp_msext: false,
            address: None,
            pool: Vec::new(),
            from_scopes: false,
            from_lan: None,
            prefix_pool: None,
            remote_address: None,
            mtu: 1500,
            tcp_mss: Mss::Auto,
            lcp: LcpOptions::default(),
            ipcp: NcpOptions::default(),
            pap: AuthOptions::default(),
            chap: AuthOptions::default(),
            keepalive: None,
            keepalive_log: false,
            ipv6cp: true,
            secure: SecureFilter::default(),
        }
    }
}

/// How a caller must prove who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AuthRequest {
    /// PAP: the password itself.
    Pap,
    /// CHAP with MD5.
    Chap,
    /// MS-CHAP version 1.
    MsChap,
    /// MS-CHAP version 2.
    MsChapV2,
    /// CHAP with MD5 first, PAP where the peer rejects it.
    ChapPap,
}

/// A user who may call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// Name; `*` stands for every name that is not listed.
    pub name: String,
    /// Password.
    pub password: Hidden<String>,
    /// The address that this user is given.
    pub address: Option<Ipv4Addr>,
    /// The IPv6 prefix of 64 bits that this user is given.
    pub prefix: Option<Ipv6Addr>,
}

/// Limit of the MSS option in passing TCP SYNs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mss {
    /// Computed from the interface's MTU and the peer's MRU.
    Auto,
    /// Not touched.
    Off,
    /// This many octets.
    Fixed(u16),
}

/// Options and timers of LCP (RFC 1661 §4.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LcpOptions {
    /// Maximum-Receive-Unit to ask for, in octets; none leaves the option out.
    pub mru: Option<u16>,
    /// Whether a magic number is used.
    pub magic: bool,
    /// Whether address and control field compression is asked for.
    pub acfc: bool,
    /// Whether protocol field compression is asked for.
    pub pfc: bool,
    /// Whether an async control character map is asked for: that of no octet.
    pub accm: bool,
    /// Restart timer, in milliseconds.
    pub restart_ms: u32,
    /// Terminate-Requests sent before giving up.
    pub max_terminate: u32,
    /// Configure-Requests sent before giving up.
    pub max_configure: u32,
    /// Configure-Naks sent before rejecting.
    pub max_failure: u32,
    /// Whether to wait for the peer's Configure-Request.
    pub silent: bool,
}

impl Default for LcpOptions {
    fn default() -> Self {
        Self {
            mru: Some(1792),
            magic: true,
            acfc: false,
            pfc: false,
            accm: false,
            restart_ms: 3000,
            max_terminate: 2,
            max_configure: 10,
            max_failure: 10,
            silent: false,
        }
    }
}

/// Options and timers of IPCP (RFC 1661 §4.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NcpOptions {
    /// Restart timer, in milliseconds.
    pub restart_ms: u32,
    /// Terminate-Requests sent before giving up.
    pub max_terminate: u32,
    /// Configure-Requests sent before giving up.
    pub max_configure: u32,
    /// Configure-Naks sent before rejecting.
    pub max_failure: u32,
    /// Whether Van Jacobson header compression is asked for.
    pub vjc: bool,
}

impl Default for NcpOptions {
    fn default() -> Self {
        Self { restart_ms: 3000, max_terminate: 2, max_configure: 10, max_failure: 10, vjc: false }
    }
}

/// Timer and count of PAP or CHAP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthOptions {
    /// Restart timer, in milliseconds.
    pub restart_ms: u32,
    /// Requests or challenges sent before giving up.
    pub tries: u32,
}

impl Default for AuthOptions {
    fn default() -> Self {
        Self { restart_ms: 3000, tries: 10 }
    }
}

/// Echoes as a sign of life (`pp keepalive`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// Seconds between two echoes.
    pub interval_s: u32,
    /// Seconds between two echoes after one went unanswered.
    pub retry_interval_s: u32,
    /// Unanswered echoes in a row that mean the peer is gone.
    pub count: u32,
    /// Whether LCP asks.
    pub lcp: bool,
    /// Addresses that ICMP asks, each if it is the caller's own, and how long its packets are, in octets.
    pub icmp: Vec<(Ipv4Addr, u16)>,
}

impl Default for Keepalive {
    fn default() -> Self {
        Self { interval_s: 30, retry_interval_s: 1, count: 6, lcp: true, icmp: Vec::new() }
    }
}

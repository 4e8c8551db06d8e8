//! The running configuration as typed values, templates expanded.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use crate::value::Hidden;

/// The name this server gives itself where a router gives its model name.
pub const MODEL: &str = "Sekisho";

/// Everything a configuration text says, with defaults filled in and templates expanded.
///
/// It comes out of [`crate::parse`], and is read only: [`Config::show`] prints the lines that were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// LAN interfaces by name (`lan1`, `lan2/1`, `bridge1`).
    pub lans: BTreeMap<String, Lan>,
    /// Settings for callers that are not known beforehand.
    pub anonymous: Pp,
    /// Numbered interfaces, each for one known caller.
    pub pps: BTreeMap<u32, Pp>,
    /// Tunnel interfaces by number, whatever their state.
    pub tunnels: BTreeMap<u32, Tunnel>,
    /// Security gateways by number, whatever their state.
    pub gateways: BTreeMap<u32, Gateway>,
    /// SA policies by number.
    pub policies: BTreeMap<u32, SaPolicy>,
    /// Transport mode definitions by number.
    pub transports: BTreeMap<u32, Transport>,
    /// Whether L2TP is served at all (`l2tp service`).
    pub l2tp_service: bool,
    /// Whether IPsec runs at all (`ipsec use`).
    pub ipsec_use: bool,
    /// Whether this side may start key exchange (`ipsec auto refresh`); it has no effect on gateways of unknown address.
    pub auto_refresh: bool,
    /// How IKE messages are sent again.
    pub ike_retry: IkeRetry,
    /// What IKE writes to the log, for all gateways.
    pub ike_log: BTreeSet<IkeLog>,
    /// What IKE must not accept: words of `ipsec ike refuse`.
    pub refused: BTreeSet<String>,
    /// Name servers, at most four.
    pub dns_servers: Vec<Ipv4Addr>,
    /// Which name servers a client is told by IPCP, in order.
    pub dns_notice_msext: Vec<DnsSource>,
    /// NetBIOS name servers, at most two.
    pub wins_servers: Vec<Ipv4Addr>,
    /// What is sent to syslog, and where.
    pub syslog: Syslog,
    /// How the console looks.
    pub console: Console,
    pub(crate) script: crate::script::Script,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            lans: BTreeMap::new(),
            anonymous: Pp::default(),
            pps: BTreeMap::new(),
            tunnels: BTreeMap::new(),
            gateways: BTreeMap::new(),
            policies: BTreeMap::new(),
            transports: BTreeMap::new(),
            l2tp_service: false,
            ipsec_use: true,
            auto_refresh: false,
            ike_retry: IkeRetry::default(),
            ike_log: BTreeSet::new(),
            refused: BTreeSet::new(),
            dns_servers: Vec::new(),
            dns_notice_msext: vec![DnsSource::Me, DnsSource::Server],
            wins_servers: Vec::new(),
            syslog: Syslog::default(),
            console: Console::default(),
            script: crate::script::Script::default(),
        }
    }
}

/// A LAN interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lan {
    /// Address and length of the network's mask in bits.
    pub address: Option<(Ipv4Addr, u8)>,
    /// Whether neighbours on the LAN are answered for addresses of clients.
    pub proxyarp: bool,
}

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
    /// Compression or encryption that CCP asks for.
    pub ccp_type: CcpType,
    /// Whether a caller that does not agree to encryption is refused (`ppp ccp no-encryption reject`).
    pub ccp_no_encryption_reject: bool,
    /// This side's address, where it is not the LAN's.
    pub address: Option<(Ipv4Addr, u8)>,
    /// Addresses lent to callers: first and last of each range, in order.
    pub pool: Vec<(Ipv4Addr, Ipv4Addr)>,
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
    /// LCP echo, where it is used.
    pub keepalive: Option<Keepalive>,
    /// Whether IPV6CP is used.
    pub ipv6cp: bool,
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
            ccp_type: CcpType::Stac,
            ccp_no_encryption_reject: false,
            address: None,
            pool: Vec::new(),
            remote_address: None,
            mtu: 1500,
            tcp_mss: Mss::Auto,
            lcp: LcpOptions::default(),
            ipcp: NcpOptions::default(),
            pap: AuthOptions::default(),
            chap: AuthOptions::default(),
            keepalive: None,
            ipv6cp: true,
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
}

/// What CCP asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CcpType {
    /// Nothing: CCP is rejected.
    None,
    /// Stac LZS without history check.
    Stac0,
    /// Stac LZS.
    Stac,
    /// Stac LZS in Cisco's form.
    Cstac,
    /// MPPE with keys of 40 bits.
    Mppe40,
    /// MPPE with keys of 128 bits.
    Mppe128,
    /// MPPE with keys of any length.
    MppeAny,
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
        Self {
            restart_ms: 3000,
            max_terminate: 2,
            max_configure: 10,
            max_failure: 10,
            vjc: false,
        }
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
        Self {
            restart_ms: 3000,
            tries: 10,
        }
    }
}

/// LCP echo as a sign of life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// Seconds between two echoes.
    pub interval_s: u32,
    /// Seconds between two echoes after one went unanswered.
    pub retry_interval_s: u32,
    /// Unanswered echoes in a row that mean the peer is gone.
    pub count: u32,
}

impl Default for Keepalive {
    fn default() -> Self {
        Self {
            interval_s: 30,
            retry_interval_s: 1,
            count: 6,
        }
    }
}

/// A tunnel interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// Whether it may be used.
    pub enabled: bool,
    /// A description for people.
    pub description: Option<String>,
    /// What runs in it.
    pub encapsulation: Encapsulation,
    /// This side's address.
    pub endpoint_local: Option<IpAddr>,
    /// The peer's address, where it is known.
    pub endpoint_remote: Option<IpAddr>,
    /// Number of the SA policy (`ipsec tunnel`).
    pub policy: Option<u32>,
    /// L2TP settings.
    pub l2tp: L2tp,
    /// Largest packet routed into the tunnel, in octets.
    pub mtu: u16,
    /// Limit of TCP's MSS.
    pub mss: Mss,
}

impl Default for Tunnel {
    fn default() -> Self {
        Self {
            enabled: false,
            description: None,
            encapsulation: Encapsulation::Ipsec,
            endpoint_local: None,
            endpoint_remote: None,
            policy: None,
            l2tp: L2tp::default(),
            mtu: 1280,
            mss: Mss::Auto,
        }
    }
}

/// What runs in a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encapsulation {
    /// IPsec in tunnel mode.
    Ipsec,
    /// L2TPv2 over IPsec in transport mode.
    L2tp,
    /// PPTP.
    Pptp,
    /// Anything else of the router's language, which is kept and not served.
    Other,
}

/// L2TP settings of a tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct L2tp {
    /// Shared secret of tunnel authentication, where it is asked for.
    pub auth: Option<Hidden<String>>,
    /// Seconds without data after which the tunnel is cut.
    pub disconnect_time_s: Option<u32>,
    /// Seconds between two HELLOs, and how many unanswered ones mean the peer is gone.
    pub keepalive: Option<(u32, u32)>,
    /// Whether HELLOs are logged.
    pub keepalive_log: bool,
    /// Whether control messages are logged.
    pub syslog: bool,
    /// Host name told to the peer.
    pub hostname: Option<String>,
}

impl Default for L2tp {
    fn default() -> Self {
        Self {
            auth: None,
            disconnect_time_s: Some(60),
            keepalive: Some((10, 6)),
            keepalive_log: false,
            syslog: false,
            hostname: None,
        }
    }
}

/// A security gateway: one peer, or all peers of unknown address, as IKE sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// Number.
    pub id: u32,
    /// Pre-shared key; empty where none is set.
    pub key: Hidden<Vec<u8>>,
    /// Who may be behind it.
    pub remote: Remote,
    /// This side's address.
    pub local_address: Option<IpAddr>,
    /// Whether NAT traversal is negotiated.
    pub nat_traversal: bool,
    /// Seconds between two NAT keepalives.
    pub nat_keepalive_s: Option<u32>,
    /// Whether ESP travels in UDP even without a NAT.
    pub force_encapsulation: bool,
    /// Payload numbers of NAT traversal: 1 as former Yamaha routers, 2 as others.
    pub nat_traversal_type: u8,
    /// Dead peer detection (RFC 3706): seconds between two questions, and how many unanswered ones mean the peer is gone.
    pub dpd: Option<(u32, u32)>,
    /// Whether keepalives are logged.
    pub keepalive_log: bool,
    /// Whether proposals must equal what is set here.
    pub strict: bool,
    /// Cipher of phase 1, compared where `strict`.
    pub encryption: IkeEncryption,
    /// Hash of phase 1, compared where `strict`.
    pub hash: IkeHash,
    /// Groups of phase 1 and, where it differs, phase 2, compared where `strict`.
    pub group: (IkeGroup, Option<IkeGroup>),
    /// Whether phase 2 uses a new Diffie-Hellman exchange, compared where `strict`.
    pub pfs: bool,
    /// Lifetime of an ISAKMP SA, in seconds.
    pub isakmp_lifetime_s: u32,
    /// Lifetime of an IPsec SA, in seconds.
    pub ipsec_lifetime_s: u32,
    /// Lifetime of an IPsec SA, in kilobytes.
    pub ipsec_lifetime_kb: Option<u32>,
    /// Whether delete and notify messages are sent.
    pub send_info: bool,
    /// What IKE writes to the log for this gateway.
    pub log: BTreeSet<IkeLog>,
}

impl Default for Gateway {
    fn default() -> Self {
        Self {
            id: 0,
            key: Hidden::default(),
            remote: Remote::Unset,
            local_address: None,
            nat_traversal: false,
            nat_keepalive_s: Some(300),
            force_encapsulation: false,
            nat_traversal_type: 1,
            dpd: None,
            keepalive_log: true,
            strict: false,
            encryption: IkeEncryption::TripleDes,
            hash: IkeHash::Sha,
            group: (IkeGroup::Modp1024, None),
            pfs: false,
            isakmp_lifetime_s: 28800,
            ipsec_lifetime_s: 28800,
            ipsec_lifetime_kb: None,
            send_info: true,
            log: BTreeSet::new(),
        }
    }
}

/// Who may be behind a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remote {
    /// Not said: nobody.
    Unset,
    /// Any host.
    Any,
    /// One host.
    Address(IpAddr),
    /// One host by name.
    Name(String),
}

/// Cipher of phase 1 (`ipsec ike encryption`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IkeEncryption {
    /// 3DES-CBC.
    TripleDes,
    /// DES-CBC.
    Des,
    /// AES-CBC with 128 bits.
    Aes128,
    /// AES-CBC with 256 bits.
    Aes256,
}

/// Hash of phase 1 (`ipsec ike hash`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IkeHash {
    /// MD5.
    Md5,
    /// SHA-1.
    Sha,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// Diffie-Hellman group (`ipsec ike group`), by its size in bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IkeGroup {
    /// Group 1.
    Modp768,
    /// Group 2.
    Modp1024,
    /// Group 5.
    Modp1536,
    /// Group 14.
    Modp2048,
}

/// What IKE writes to the log (`ipsec ike log`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IkeLog {
    /// One line for each message.
    MessageInfo,
    /// One line for each payload.
    PayloadInfo,
    /// How keys come about; never the keys themselves.
    KeyInfo,
}

/// How IKE messages are sent again (`ipsec ike retry`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IkeRetry {
    /// How many times.
    pub count: u32,
    /// Seconds between two.
    pub interval_s: u32,
}

impl Default for IkeRetry {
    fn default() -> Self {
        Self {
            count: 10,
            interval_s: 5,
        }
    }
}

/// An SA policy (`ipsec sa policy`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaPolicy {
    /// Number.
    pub id: u32,
    /// Number of its gateway.
    pub gateway: u32,
    /// Whether it is an ESP policy; AH is not served.
    pub esp: bool,
    /// Cipher, as its word; what this side would offer.
    pub cipher: Option<String>,
    /// Authentication, as its word; what this side would offer.
    pub authentication: Option<String>,
    /// Whether sequence numbers of arriving packets are checked.
    pub anti_replay: bool,
}

impl Default for SaPolicy {
    fn default() -> Self {
        Self {
            id: 0,
            gateway: 0,
            esp: true,
            cipher: None,
            authentication: None,
            anti_replay: true,
        }
    }
}

/// What travels in transport mode under a policy (`ipsec transport`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transport {
    /// Number of the policy.
    pub policy: u32,
    /// Protocol, as its word; none for every protocol.
    pub protocol: Option<String>,
    /// This side's ports, as written; none for every port.
    pub local_ports: Option<String>,
    /// The peer's ports, as written; none for every port.
    pub peer_ports: Option<String>,
}

/// A source of the name servers that a client is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DnsSource {
    /// None at all.
    None,
    /// This server's own address.
    Me,
    /// The servers of `dns server`.
    Server,
}

/// What is sent to syslog, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Syslog {
    /// Refused packets and the like.
    pub notice: bool,
    /// The life of connections.
    pub info: bool,
    /// Everything else.
    pub debug: bool,
    /// Facility number, 0 to 23.
    pub facility: u8,
    /// Hosts it is sent to, at most four, by address or name.
    pub hosts: Vec<String>,
}

impl Default for Syslog {
    fn default() -> Self {
        Self {
            notice: false,
            info: true,
            debug: false,
            facility: 1,
            hosts: Vec::new(),
        }
    }
}

/// How the console looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Console {
    /// Whether texts are in Japanese.
    pub japanese: bool,
    /// Columns of the screen.
    pub columns: u32,
    /// Lines of the screen; none does not stop.
    pub lines: Option<u32>,
    /// Text before the prompt's sign.
    pub prompt: Option<String>,
    /// Whether log lines appear on the console.
    pub info: bool,
}

impl Default for Console {
    fn default() -> Self {
        Self {
            japanese: false,
            columns: 80,
            lines: Some(24),
            prompt: None,
            info: false,
        }
    }
}

/// The interface that a tunnel's calls end on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PpRef {
    /// The interface of that number.
    Number(u32),
    /// The next free instance of the anonymous interface.
    Anonymous,
}

/// A tunnel that is ready to be served, with all that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct L2tpTunnel {
    /// Number.
    pub number: u32,
    /// Where its calls end.
    pub pp: PpRef,
    /// Its security gateway.
    pub gateway: Gateway,
    /// Its SA policy.
    pub policy: SaPolicy,
    /// Whether an `ipsec transport` for this policy allows UDP from port 1701.
    pub transport: bool,
    /// L2TP settings.
    pub l2tp: L2tp,
    /// Limit of TCP's MSS.
    pub mss: Mss,
    /// The peer's address, where it is known.
    pub endpoint_remote: Option<IpAddr>,
}

impl Transport {
    /// Whether it lets L2TP through: UDP from this side's port 1701.
    pub fn allows_l2tp(&self) -> bool {
        let protocol = self
            .protocol
            .as_deref()
            .is_none_or(|word| matches!(word, "*" | "udp" | "17"));
        let port = self.local_ports.as_deref().is_none_or(|ports| {
            ports.split(',').any(|part| match part.split_once('-') {
                Some((from, to)) => {
                    let from: u16 = from.parse().unwrap_or(0);
                    let to: u16 = to.parse().unwrap_or(u16::MAX);
                    (from..=to).contains(&1701)
                }
                None => matches!(part, "*" | "1701" | "l2tp"),
            })
        });
        protocol && port
    }
}

impl Config {
    /// The settings of an interface, if there are any.
    pub fn pp(&self, which: PpRef) -> Option<&Pp> {
        match which {
            PpRef::Anonymous => Some(&self.anonymous),
            PpRef::Number(number) => self.pps.get(&number),
        }
    }

    /// The interface that a tunnel is bound to: a numbered one before the anonymous one.
    pub fn bound_to(&self, tunnel: u32) -> Option<PpRef> {
        self.pps
            .iter()
            .find(|(_, pp)| pp.bind.contains(&tunnel))
            .map(|(number, _)| PpRef::Number(*number))
            .or_else(|| self.anonymous.bind.contains(&tunnel).then_some(PpRef::Anonymous))
    }

    /// Tunnels that can be served, ascending by number: enabled, of encapsulation `l2tp`, bound to an enabled interface,
    /// with an ESP policy and a gateway that has a key and a remote address.
    pub fn l2tp_tunnels(&self) -> Vec<L2tpTunnel> {
        let mut bound: BTreeMap<u32, PpRef> = self.anonymous.bind.iter().map(|n| (*n, PpRef::Anonymous)).collect();
        for (number, pp) in self.pps.iter().rev() {
            bound.extend(pp.bind.iter().map(|tunnel| (*tunnel, PpRef::Number(*number))));
        }
        let open: BTreeSet<u32> = self
            .transports
            .values()
            .filter(|t| t.allows_l2tp())
            .map(|t| t.policy)
            .collect();
        let mut ready = Vec::new();
        for (number, tunnel) in &self.tunnels {
            if !tunnel.enabled || tunnel.encapsulation != Encapsulation::L2tp {
                continue;
            }
            let Some(pp) = bound.get(number).copied() else { continue };
            if !self.pp(pp).is_some_and(|pp| pp.enabled) {
                continue;
            }
            let Some(policy) = tunnel.policy.and_then(|p| self.policies.get(&p)).filter(|p| p.esp) else {
                continue;
            };
            let Some(gateway) = self.gateways.get(&policy.gateway) else {
                continue;
            };
            if gateway.key.is_empty() || gateway.remote == Remote::Unset {
                continue;
            }
            ready.push(L2tpTunnel {
                number: *number,
                pp,
                gateway: gateway.clone(),
                policy: policy.clone(),
                transport: open.contains(&policy.id),
                l2tp: tunnel.l2tp.clone(),
                mss: tunnel.mss,
                endpoint_remote: tunnel.endpoint_remote,
            });
        }
        ready
    }
}

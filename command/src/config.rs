//! The running configuration as typed values, templates expanded.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use crate::value::Hidden;

pub(crate) mod filter;
mod ipsec;
mod pp;
mod shared;

pub use filter::{
    Addresses, Application, DynamicFilter, Filter, FilterList, FilterTimers, PacketKind, Pattern, SecureFilter,
    Trigger, protocol_name,
};
pub use ipsec::*;
pub use pp::*;
pub use shared::Shared;

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
    pub tunnels: Shared<Tunnel>,
    /// Security gateways by number, whatever their state.
    pub gateways: Shared<Gateway>,
    /// SA policies by number.
    pub policies: Shared<SaPolicy>,
    /// Transport mode definitions by number.
    pub transports: Shared<Transport>,
    /// Whether L2TP is served at all (`l2tp service`).
    pub l2tp_service: bool,
    /// Whether IPsec runs at all (`ipsec use`).
    pub ipsec_use: bool,
    /// Whether this side may start key exchange (`ipsec auto refresh`); it has no effect on gateways of unknown address.
    pub auto_refresh: bool,
    /// How messages of our own IKE exchanges are sent again, where it is said.
    pub ike_retry: Option<IkeRetry>,
    /// What IKE writes to the log, for all gateways.
    pub ike_log: BTreeSet<IkeLog>,
    /// Whether each packet of an unknown SPI is told (`ipsec log illegal-spi`).
    pub log_illegal_spi: bool,
    /// What IKE must not accept: words of `ipsec ike refuse`.
    pub refused: BTreeSet<String>,
    /// Name servers, at most four.
    pub dns_servers: Vec<Ipv4Addr>,
    /// Name servers of IPv6 among those of `dns server`.
    pub dns_servers6: Vec<Ipv6Addr>,
    /// Which name servers a client is told by IPCP, in order.
    pub dns_notice_msext: Vec<DnsSource>,
    /// Which name servers a client is told by DHCP, in order; where this is not written, those of IPCP.
    pub dns_notice_dhcp: Option<Vec<DnsSource>>,
    /// Which name servers a client is told by DHCPv6 and router advertisement, in order; where this is not written, those
    /// of `dns server`.
    pub dns_notice_dhcpv6: Option<Vec<DnsSource>>,
    /// The domain that clients are told (`dns domain`).
    pub dns_domain: Option<String>,
    /// NetBIOS name servers, at most two.
    pub wins_servers: Vec<Ipv4Addr>,
    /// Addresses that DHCP lends, by the scope's number.
    pub dhcp_scopes: BTreeMap<u32, DhcpScope>,
    /// Packet filters by number.
    pub filters: BTreeMap<u32, Filter>,
    /// Dynamic packet filters by number.
    pub dynamic_filters: BTreeMap<u32, DynamicFilter>,
    /// Sets of filters by name.
    pub filter_sets: BTreeMap<String, SecureFilter>,
    /// How long connections of dynamic filters are remembered.
    pub filter_timers: FilterTimers,
    /// What is sent to syslog, and where.
    pub syslog: Syslog,
    /// How the console looks.
    pub console: Console,
    /// Who may log in at the console.
    pub login: Login,
    pub(crate) script: crate::script::Script,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            lans: BTreeMap::new(),
            anonymous: Pp::default(),
            pps: BTreeMap::new(),
            tunnels: Shared::default(),
            gateways: Shared::default(),
            policies: Shared::default(),
            transports: Shared::default(),
            l2tp_service: false,
            ipsec_use: true,
            auto_refresh: false,
            ike_retry: None,
            ike_log: BTreeSet::new(),
            log_illegal_spi: false,
            refused: BTreeSet::new(),
            dns_servers: Vec::new(),
            dns_servers6: Vec::new(),
            dns_notice_msext: vec![DnsSource::Me, DnsSource::Server],
            dns_notice_dhcp: None,
            dns_notice_dhcpv6: None,
            dns_domain: None,
            wins_servers: Vec::new(),
            dhcp_scopes: BTreeMap::new(),
            filters: BTreeMap::new(),
            dynamic_filters: BTreeMap::new(),
            filter_sets: BTreeMap::new(),
            filter_timers: FilterTimers::default(),
            syslog: Syslog::default(),
            console: Console::default(),
            login: Login::default(),
            script: crate::script::Script::default(),
        }
    }
}

/// A LAN interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lan {
    /// Address and length of the network's mask in bits.
    pub address: Option<(Ipv4Addr, u8)>,
    /// IPv6 address and length of the network's prefix in bits.
    pub address6: Option<(Ipv6Addr, u8)>,
    /// Whether neighbours on the LAN are answered for addresses of clients.
    pub proxyarp: bool,
}

/// Addresses of a network that DHCP lends (`dhcp scope`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DhcpScope {
    /// The first address.
    pub first: Ipv4Addr,
    /// The last one.
    pub last: Ipv4Addr,
    /// Length of the network's mask in bits.
    pub bits: u8,
    /// What is left out, first and last of each range.
    pub except: Vec<(Ipv4Addr, Ipv4Addr)>,
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
    /// What packets of the tunnel are held against, if anything was said.
    pub secure: Option<Box<SecureFilter>>,
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
            secure: None,
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
    /// Anything else of the router's language, by its word; a room of its own may serve it.
    Other(&'static str),
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
    /// The form of a datagram.
    pub form: SyslogForm,
    /// The host's name in a datagram, where the form has one.
    pub hostname: Option<String>,
    /// The address that it is sent from.
    pub local_address: Option<IpAddr>,
    /// The port that it is sent from.
    pub source_port: u16,
    /// Whether what operators type is logged.
    pub commands: bool,
}

/// The form of a log datagram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SyslogForm {
    /// The router's own, with neither time nor host.
    #[default]
    Yamaha,
    /// That of RFC 3164.
    Rfc3164,
    /// That of RFC 5424.
    Rfc5424,
}

impl Default for Syslog {
    fn default() -> Self {
        Self {
            notice: false,
            info: true,
            debug: false,
            facility: 1,
            hosts: Vec::new(),
            form: SyslogForm::Yamaha,
            hostname: None,
            local_address: None,
            source_port: 514,
            commands: false,
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
        Self { japanese: false, columns: 80, lines: Some(24), prompt: None, info: false }
    }
}

/// Who may log in at the console, and how long a silent one stays open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// Hash of the password of those who give no name.
    pub password: Option<Hidden<String>>,
    /// Hash of the administrator's password.
    pub administrator: Option<Hidden<String>>,
    /// Users with a name.
    pub users: BTreeMap<String, LoginUser>,
    /// What those may who have no attributes of their own.
    pub others: Allowed,
    /// Seconds without a key until a console is closed; none for never.
    pub timer_s: Option<u32>,
}

impl Default for Login {
    fn default() -> Self {
        Self {
            password: None,
            administrator: None,
            users: BTreeMap::new(),
            others: Allowed::default(),
            timer_s: Some(300),
        }
    }
}

/// A user of the console.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoginUser {
    /// Hash of the password, or the password itself behind `plain:`.
    pub password: Option<Hidden<String>>,
    /// What the user may.
    pub allowed: Allowed,
}

/// What a user of the console may (`user attribute`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// Become administrator.
    pub administrator: bool,
    /// Log in at all.
    pub connection: bool,
    /// Seconds without a key until the console is closed, where they are the user's own.
    pub timer_s: Option<u32>,
}

impl Default for Allowed {
    fn default() -> Self {
        Self { administrator: true, connection: true, timer_s: None }
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
    /// What is set for the tunnel itself.
    pub settings: Arc<Tunnel>,
    /// Its security gateway.
    pub gateway: Arc<Gateway>,
    /// Its SA policy.
    pub policy: Arc<SaPolicy>,
    /// The `ipsec transport` that allows UDP from port 1701 for this policy, if there is one.
    pub transport: Option<Arc<Transport>>,
}

impl Config {
    /// Whether PP keepalives are logged: the switch of one interface is that of all (`pp keepalive log`).
    pub fn logs_pp_keepalives(&self) -> bool {
        self.anonymous.keepalive_log || self.pps.values().any(|pp| pp.keepalive_log)
    }

    /// The settings of an interface, if there are any.
    pub fn pp(&self, which: PpRef) -> Option<&Pp> {
        match which {
            PpRef::Anonymous => Some(&self.anonymous),
            PpRef::Number(number) => self.pps.get(&number),
        }
    }

    /// The filters of an interface for what comes from the client and for what goes to it, where there are any: those of its
    /// set, if it names one. A set that is not there lets nothing pass.
    pub fn filter_lists(&self, secure: &SecureFilter) -> (Option<FilterList>, Option<FilterList>) {
        match &secure.set {
            None => (secure.incoming.clone(), secure.outgoing.clone()),
            Some(name) => match self.filter_sets.get(name) {
                Some(set) => (set.incoming.clone(), set.outgoing.clone()),
                None => (Some(FilterList::default()), Some(FilterList::default())),
            },
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
        let open: BTreeMap<u32, &Arc<Transport>> =
            self.transports.values().filter(|t| t.l2tp).map(|t| (t.policy, t)).collect();
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
            if gateway.key.is_empty() || gateway.remote == Remote::Unset || !gateway.ikev1 {
                continue;
            }
            ready.push(L2tpTunnel {
                number: *number,
                pp,
                settings: tunnel.clone(),
                gateway: gateway.clone(),
                policy: policy.clone(),
                transport: open.get(&policy.id).copied().cloned(),
            });
        }
        ready
    }
}

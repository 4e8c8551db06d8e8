//! One PPP link with a client, of which we are the authenticator: LCP, authentication, IPCP, IPV6CP (RFC 1661).

mod auth;
mod cause;
mod ipcp;
mod ipv6cp;
mod lcp;
mod link;
pub(crate) mod negotiation;
mod ping;
mod rechallenge;

pub use auth::{Attempt, AuthLimits, Method, Proof, Verdict, Why};
pub use cause::{Cause, Phase};
pub use lcp::DEFAULT_MRU;
pub use link::Link;
pub use negotiation::{Action, Cell, Event, Fault, Limits, State, transition};
pub use rechallenge::{Asked, Rechallenge};

use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};
use core::time::Duration;
use serde::{Deserialize, Serialize};
use wire::ppp::{Code, Protocol};

/// What the operator wants of a link.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Settings {
    /// Our address inside the link.
    pub our_address: Ipv4Addr,
    /// Name servers for clients that ask, two at most.
    pub dns: Vec<Ipv4Addr>,
    /// NetBIOS name servers for clients that ask, two at most.
    pub wins: Vec<Ipv4Addr>,
    /// Largest packet inside the link, in octets.
    pub mtu: u16,
    /// How a client may authenticate, in order of preference; nobody comes in if there is none.
    pub auth: Vec<Method>,
    /// Our name in challenges.
    pub challenge_name: String,
    /// The MRU to ask for, in octets, before it is cut to `mtu`; none asks for none.
    pub mru: Option<u16>,
    /// Whether to ask for a magic number.
    pub magic: bool,
    /// Whether to ask that no octet be escaped.
    pub accm: bool,
    /// Whether the client may have address and control fields left out.
    pub acfc: bool,
    /// Whether the client may have protocol fields of one octet.
    pub pfc: bool,
    /// Whether to wait for the client's first Configure-Request.
    pub silent: bool,
    /// Timer and counters of LCP.
    pub lcp: Limits,
    /// Timer and counters of IPCP.
    pub ipcp: Limits,
    /// Whether to tell our own address in IPCP.
    pub ipcp_address: bool,
    /// Whether to give name servers.
    pub ipcp_msext: bool,
    /// Whether the client may have IPv6, too.
    pub ipv6cp: bool,
    /// Timer and counter of PAP.
    pub pap: AuthLimits,
    /// Timer and counter of CHAP.
    pub chap: AuthLimits,
    /// Whether and how to find out that the client is gone.
    pub keepalive: Option<Keepalive>,
    /// Addresses that are asked by ICMP, each if it is the client's own, and the length of its packets in octets.
    pub pings: Vec<(Ipv4Addr, u16)>,
    /// Whether every packet is told to the log.
    pub log_packets: bool,
    /// Whether keepalives are told to the log.
    pub log_keepalives: bool,
}

impl Settings {
    /// What a configuration says of an interface, with what only the caller knows: our address inside the link, the name
    /// servers to give, and our name in challenges.
    pub fn from_pp(
        pp: &command::Pp,
        our_address: Ipv4Addr,
        dns: Vec<Ipv4Addr>,
        wins: Vec<Ipv4Addr>,
        challenge_name: String,
    ) -> Self {
        use command::AuthRequest;
        let millis = |ms: u32| Duration::from_millis(u64::from(ms));
        let seconds = |s: u32| Duration::from_secs(u64::from(s));
        let auth = match pp.auth_request {
            None => Vec::new(),
            Some(AuthRequest::Pap) => vec![Method::Pap],
            Some(AuthRequest::Chap) => vec![Method::ChapMd5],
            Some(AuthRequest::MsChap) => vec![Method::MsChapV1],
            Some(AuthRequest::MsChapV2) => vec![Method::MsChapV2, Method::EapMsChapV2],
            Some(AuthRequest::ChapPap) => vec![Method::ChapMd5, Method::Pap],
        };
        Self {
            our_address,
            dns,
            wins,
            mtu: pp.mtu,
            auth,
            challenge_name,
            mru: pp.lcp.mru,
            magic: pp.lcp.magic,
            accm: pp.lcp.accm,
            acfc: pp.lcp.acfc,
            pfc: pp.lcp.pfc,
            silent: pp.lcp.silent,
            lcp: Limits {
                restart: millis(pp.lcp.restart_ms),
                max_configure: pp.lcp.max_configure,
                max_terminate: pp.lcp.max_terminate,
                max_failure: pp.lcp.max_failure,
            },
            ipcp: Limits {
                restart: millis(pp.ipcp.restart_ms),
                max_configure: pp.ipcp.max_configure,
                max_terminate: pp.ipcp.max_terminate,
                max_failure: pp.ipcp.max_failure,
            },
            ipcp_address: pp.ipcp_ipaddress,
            ipcp_msext: pp.ipcp_msext,
            ipv6cp: pp.ipv6cp,
            pap: AuthLimits { restart: millis(pp.pap.restart_ms), tries: pp.pap.tries },
            chap: AuthLimits { restart: millis(pp.chap.restart_ms), tries: pp.chap.tries },
            keepalive: pp.keepalive.as_ref().map(|k| Keepalive {
                interval: seconds(k.interval_s),
                retry_interval: seconds(k.retry_interval_s),
                count: k.count,
                lcp: k.lcp,
            }),
            pings: pp.keepalive.as_ref().map(|k| k.icmp.clone()).unwrap_or_default(),
            log_packets: false,
            log_keepalives: false,
        }
    }
}

/// Echoes as a sign of life.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Keepalive {
    /// Pause after a sign of life.
    pub interval: Duration,
    /// Pause after a missed reply.
    pub retry_interval: Duration,
    /// Missed replies that end the link.
    pub count: u32,
    /// Whether LCP asks.
    pub lcp: bool,
}

/// What a link wants done.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[must_use]
pub enum Output {
    /// Send this PPP frame, which begins with the octets ff 03.
    Send(Vec<u8>),
    /// Send this IPv4 packet to the client.
    SendIp(Vec<u8>),
    /// Judge this and answer with [`Link::authorise`].
    Authenticate(Attempt),
    /// Lend an address and answer with [`Link::assign`].
    NeedAddress {
        /// The user's name.
        user: String,
        /// The address that belongs to this user alone, by the verdict.
        asked: Option<Ipv4Addr>,
    },
    /// Packets can flow.
    NetworkUp(Up),
    /// Packets cannot flow any more.
    NetworkDown,
    /// IPv6 packets can flow.
    Ipv6Up(Ipv6Up),
    /// IPv6 packets cannot flow any more.
    Ipv6Down,
    /// The link is over; the address can be lent to others.
    Finished {
        /// Why.
        cause: Cause,
    },
    /// Worth telling.
    Log(Log),
}

/// What was agreed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Up {
    /// The client's address.
    pub address: Ipv4Addr,
    /// Our address inside the link.
    pub our_address: Ipv4Addr,
    /// The client's maximum receive unit, in octets.
    pub peer_mru: u16,
    /// The user's name.
    pub user: String,
    /// Frames to the client may come without address and control.
    pub acfc: bool,
    /// Frames to the client may have protocol fields of one octet.
    pub pfc: bool,
    /// The name servers that were offered.
    pub dns: Vec<Ipv4Addr>,
}

/// What IPV6CP agreed on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ipv6Up {
    /// Our interface identifier.
    pub our_identifier: u64,
    /// The client's, if it has one.
    pub peer_identifier: Option<u64>,
    /// The client's maximum receive unit, in octets.
    pub peer_mru: u16,
}

/// How loud a line is, by the router's three levels.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Level {
    /// `syslog debug on`.
    Debug,
    /// `syslog info on`.
    Info,
    /// `syslog notice on`.
    Notice,
}

/// Something worth telling; `Display` gives the router's words behind `PP[..] `.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Log {
    /// The client has proved who it is.
    CallDetected {
        /// The user's name.
        user: String,
    },
    /// IPCP is open.
    IpcpUp {
        /// Our address.
        local: Ipv4Addr,
        /// The client's address.
        remote: Ipv4Addr,
    },
    /// IPV6CP is open.
    Ipv6cpUp {
        /// Our interface identifier.
        local: u64,
        /// The client's, if it has one.
        remote: Option<u64>,
    },
    /// What the client says it is (Windows: version and computer name).
    Identification {
        /// The client's words.
        text: String,
    },
    /// A packet, if `log_packets` is set.
    Packet {
        /// Whether it was sent (else received).
        sent: bool,
        /// The PPP protocol number.
        protocol: u16,
        /// The code in the packet.
        code: u8,
        /// The packet's identifier.
        id: u8,
        /// LCP's state, before a received packet and after a sent one.
        state: State,
    },
    /// A keepalive, if `log_keepalives` is set.
    Keepalive {
        /// How many more may be missed; none for an answer.
        left: Option<u32>,
        /// Whether it is one of ICMP.
        icmp: bool,
    },
    /// The link is over.
    Disconnected {
        /// Why.
        cause: Cause,
    },
}

impl Log {
    /// The level of the line.
    pub fn level(&self) -> Level {
        match self {
            Self::CallDetected { .. } | Self::IpcpUp { .. } | Self::Ipv6cpUp { .. } | Self::Disconnected { .. } => {
                Level::Info
            }
            Self::Identification { .. } | Self::Packet { .. } | Self::Keepalive { .. } => Level::Debug,
        }
    }
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CallDetected { user } => write!(f, "Call detected from user '{user}'"),
            Self::IpcpUp { local, remote } => write!(f, "PPP/IPCP up  (Local: {local}, Remote: {remote})"),
            Self::Ipv6cpUp { local, remote } => {
                write!(f, "PPP/IPV6CP up  (Local: {}, Remote: ", link_local(*local))?;
                match remote {
                    Some(remote) => write!(f, "{})", link_local(*remote)),
                    None => f.write_str("none)"),
                }
            }
            Self::Identification { text } => write!(f, "RECV LCP Ident '{text}'"),
            Self::Packet { sent, protocol, code, id, state } => {
                let direction = if *sent { "SEND" } else { "RECV" };
                let (protocol, packet) = packet_words(*protocol, *code);
                write!(f, "{direction} {protocol} {packet} id {id} in {}", state_word(*state))
            }
            Self::Keepalive { left: Some(left), icmp: false } => {
                write!(f, "keepalive LCP Echo-Request send, count={left}")
            }
            Self::Keepalive { left: Some(left), icmp: true } => write!(f, "keepalive ICMP echo send, count={left}"),
            Self::Keepalive { left: None, .. } => f.write_str("keepalive LCP Echo-Reply recv"),
            Self::Disconnected { cause } => write!(f, "Disconnected, cause [PPP: {cause}]"),
        }
    }
}

/// The address that stands for an interface identifier on the link (RFC 5072 §5).
fn link_local(identifier: u64) -> Ipv6Addr {
    Ipv6Addr::from_bits(0xfe80_u128 << 112 | u128::from(identifier))
}

fn packet_words(protocol: u16, code: u8) -> (String, String) {
    let protocol = Protocol::from(protocol);
    let name = match protocol {
        Protocol::Lcp => "LCP",
        Protocol::Ipcp => "IPCP",
        Protocol::Ipv6cp => "IPV6CP",
        Protocol::Pap => "PAP",
        Protocol::Chap => "CHAP",
        _ => return (format!("0x{:04x}", u16::from(protocol)), format!("code {code}")),
    };
    let words = match (protocol, code) {
        (Protocol::Chap, 1) => "Challenge",
        (Protocol::Chap, 2) => "Response",
        (Protocol::Chap, 3) => "Success",
        (Protocol::Chap, 4) => "Failure",
        (Protocol::Pap, 1) => "AuthReq",
        (Protocol::Pap, 2) => "AuthAck",
        (Protocol::Pap, 3) => "AuthNak",
        _ => match Code::from(code) {
            Code::ConfigureRequest => "ConfReq",
            Code::ConfigureAck => "ConfAck",
            Code::ConfigureNak => "ConfNak",
            Code::ConfigureReject => "ConfRej",
            Code::TerminateRequest => "TermReq",
            Code::TerminateAck => "TermAck",
            Code::CodeReject => "CodeRej",
            Code::ProtocolReject => "ProtRej",
            Code::EchoRequest => "EchoReq",
            Code::EchoReply => "EchoRep",
            Code::DiscardRequest => "DiscReq",
            Code::Identification => "Ident",
            Code::TimeRemaining => "TimeRem",
            _ => return (name.to_owned(), format!("code {code}")),
        },
    };
    (name.to_owned(), words.to_owned())
}

fn state_word(state: State) -> &'static str {
    match state {
        State::Initial => "INITIAL",
        State::Starting => "STARTING",
        State::Closed => "CLOSED",
        State::Stopped => "STOPPED",
        State::Closing => "CLOSING",
        State::Stopping => "STOPPING",
        State::ReqSent => "REQSENT",
        State::AckRcvd => "ACKRCVD",
        State::AckSent => "ACKSENT",
        State::Opened => "OPENED",
    }
}

#[cfg(test)]
mod tests;

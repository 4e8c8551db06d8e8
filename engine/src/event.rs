//! Everything worth telling, and how it is told: one variant a thing, in the router's words where it has some.

use crate::ike::Refusal;
use crate::l2tp::L2tpLog;
use crate::lease::{Grant, Identity, Lost};
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::time::Duration;

/// How urgent a line is: the router's three kinds (yamaha.md §6.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// Filter hits and what an operator should look at; severity 5.
    Notice,
    /// State changes and refusals; severity 6.
    Info,
    /// Dialogues; severity 7.
    Debug,
}

/// The name of a pp interface that serves a call.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, serde::Serialize, serde::Deserialize)]
pub enum Instance {
    /// `ANONYMOUS01`, `ANONYMOUS02`, …
    Anonymous(u32),
    /// A numbered pp.
    Numbered(u32),
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous(n) => write!(f, "PP[ANONYMOUS{n:02}]"),
            Self::Numbered(n) => write!(f, "PP[{n:02}]"),
        }
    }
}

/// How a session went, told at its end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Summary {
    /// Who.
    pub user: Option<String>,
    /// Where from.
    pub peer: SocketAddr,
    /// The inside address.
    pub address: Option<Ipv4Addr>,
    /// How long the call stood.
    pub duration: Duration,
    /// Packets and octets from the client.
    pub received: (u64, u64),
    /// Packets and octets to the client.
    pub sent: (u64, u64),
    /// Why it ended.
    pub cause: String,
}

/// Why a pair was not let carry a tunnel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unproven {
    /// The answer was wrong, or another user's.
    WrongAnswer,
    /// No answer came.
    NoAnswer,
    /// The user came in by PAP, which cannot be asked again.
    Pap,
}

/// How far a client came that went no further (clients.md, trap 100).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Halt {
    /// Message 2 of Main Mode was sent, and nothing came.
    Message3,
    /// Message 4 of Main Mode was sent, and nothing came.
    Message5,
    /// The ISAKMP SA was there, and no Quick Mode began.
    QuickMode,
    /// ESP SAs were there, and no L2TP came.
    Sccrq,
}

/// What became of an address that is asked of a LAN's DHCP server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Loan {
    /// It was lent.
    Granted {
        /// What.
        grant: Grant,
        /// By which name the caller is known there.
        identity: Identity,
    },
    /// There is none, or none any more.
    Lost(Lost),
}

/// Something worth telling.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// L2TP service has begun.
    PortOpened,
    /// L2TP service has ended.
    PortClosed,
    /// A client begins phase 1.
    RespondIsakmp {
        /// The client's outer address.
        peer: IpAddr,
    },
    /// A client's phase 2 was agreed on.
    RespondIpsec {
        /// The client's outer address.
        peer: IpAddr,
        /// The algorithms, in words.
        algorithms: String,
    },
    /// We renew a client's phase 1.
    InitiateIsakmp {
        /// The client's outer address.
        peer: IpAddr,
        /// Our address.
        local: IpAddr,
    },
    /// We renew a client's phase 2.
    InitiateIpsec {
        /// The client's outer address.
        peer: IpAddr,
    },
    /// A client uses algorithms that should be given up.
    Weak {
        /// The client's outer address.
        peer: IpAddr,
        /// The words that would refuse them.
        words: Vec<String>,
    },
    /// A client cuts the ICV of HMAC-SHA-256 to 96 bits.
    ShortIcv {
        /// The client's outer address.
        peer: IpAddr,
    },
    /// A message of IKE was not taken.
    IkeRefused {
        /// Where it came from.
        peer: SocketAddr,
        /// Why.
        why: Refusal,
        /// How many like it were not told since the last one.
        suppressed: u32,
    },
    /// A client went no further, and nothing says why.
    Halted {
        /// Where it was.
        peer: SocketAddr,
        /// How far it had come.
        halt: Halt,
    },
    /// No gateway of the configuration serves this address.
    NoGateway {
        /// The client's outer address.
        peer: IpAddr,
    },
    /// All tunnels that may serve the client are taken.
    NoTunnel {
        /// The client's outer address.
        peer: IpAddr,
        /// How many there are.
        tunnels: usize,
    },
    /// A line that `ipsec ike log` or `ipsec ike keepalive log` asks for.
    Ike {
        /// The words.
        text: String,
    },
    /// A client's first SA is there.
    TunnelUp {
        /// The tunnel interface.
        tunnel: u32,
    },
    /// A client's last SA is gone.
    TunnelDown {
        /// The tunnel interface.
        tunnel: u32,
    },
    /// A line of the L2TP dialogue.
    L2tp(L2tpLog),
    /// What a room that is not known here has to tell, in its own words.
    Aside {
        /// How urgent it is.
        level: Level,
        /// The words.
        text: String,
    },
    /// A client's NAT gave it another address or port.
    Moved {
        /// The tunnel interface.
        tunnel: u32,
        /// From where.
        from: SocketAddr,
        /// To where.
        to: SocketAddr,
    },
    /// SAs that would go on with a tunnel were not let carry it.
    Unproven {
        /// The tunnel interface.
        tunnel: u32,
        /// Whose call it is.
        user: String,
        /// Why.
        why: Unproven,
    },
    /// A user has been authenticated.
    CallDetected {
        /// Which pp.
        instance: Instance,
        /// The name.
        user: String,
    },
    /// Name or password was wrong.
    AuthFailed {
        /// Which pp.
        instance: Instance,
        /// The name as the client gave it.
        user: String,
        /// Why.
        why: crate::ppp::Why,
    },
    /// There were too many wrong passwords.
    Slowed {
        /// Which pp the last one came in on.
        instance: Instance,
        /// Who waits, and for how long.
        wait: crate::guesses::Wait,
    },
    /// The client has its address.
    IpcpUp {
        /// Which pp.
        instance: Instance,
        /// Our side.
        local: Ipv4Addr,
        /// The client's.
        remote: Ipv4Addr,
    },
    /// No address is left for a client.
    PoolEmpty {
        /// Which pp.
        instance: Instance,
        /// Who asked.
        user: String,
    },
    /// What became of an address that is asked of a LAN's DHCP server.
    Lease {
        /// Which pp.
        instance: Instance,
        /// For whom.
        user: String,
        /// The LAN.
        lan: String,
        /// What.
        loan: Loan,
    },
    /// The client has IPv6.
    Ipv6cpUp {
        /// Which pp.
        instance: Instance,
        /// Our link-local address.
        local: Ipv6Addr,
        /// The client's, if it has named one.
        remote: Option<Ipv6Addr>,
        /// The prefix that was lent to it, if there is any.
        prefix: Option<Ipv6Addr>,
    },
    /// No IPv6 prefix is left for a client.
    NoPrefix {
        /// Which pp.
        instance: Instance,
        /// Who wants it.
        user: String,
    },
    /// A detail of PPP.
    Ppp {
        /// Which pp.
        instance: Instance,
        /// The words.
        text: String,
    },
    /// A call has ended.
    Disconnected {
        /// Which pp.
        instance: Instance,
        /// How it went.
        summary: Summary,
    },
    /// A client fell silent and was given up.
    Silent {
        /// The tunnel interface.
        tunnel: u32,
        /// Its outer address.
        peer: SocketAddr,
        /// For how long nothing came.
        seconds: u64,
    },
    /// A packet filter that is told of its fits has fitted, or none has.
    Filtered {
        /// Which pp.
        instance: Instance,
        /// Which way the packet went.
        way: crate::path::Way,
        /// Whether it has passed.
        passed: bool,
        /// The filter's number; none where no filter fitted.
        number: Option<u32>,
        /// The packet.
        sight: crate::path::Sight,
        /// How many more there were since the last that was told.
        untold: u32,
    },
    /// ESP with an SPI that belongs to nobody.
    UnknownSpi {
        /// The SPI.
        spi: u32,
        /// Where it came from.
        peer: IpAddr,
    },
}

impl Event {
    /// How urgent it is.
    pub fn level(&self) -> Level {
        match self {
            Self::L2tp(line) => match line.level() {
                crate::l2tp::Level::Info => Level::Info,
                crate::l2tp::Level::Debug => Level::Debug,
            },
            Self::Filtered { .. } => Level::Notice,
            Self::Aside { level, .. } => *level,
            Self::Ppp { .. } | Self::Ike { .. } | Self::UnknownSpi { .. } => Level::Debug,
            Self::PortOpened
            | Self::PortClosed
            | Self::RespondIsakmp { .. }
            | Self::RespondIpsec { .. }
            | Self::InitiateIsakmp { .. }
            | Self::InitiateIpsec { .. }
            | Self::IkeRefused { .. }
            | Self::Halted { .. }
            | Self::NoGateway { .. }
            | Self::Weak { .. }
            | Self::ShortIcv { .. }
            | Self::NoTunnel { .. }
            | Self::TunnelUp { .. }
            | Self::TunnelDown { .. }
            | Self::Moved { .. }
            | Self::Unproven { .. }
            | Self::CallDetected { .. }
            | Self::AuthFailed { .. }
            | Self::Slowed { .. }
            | Self::IpcpUp { .. }
            | Self::PoolEmpty { .. }
            | Self::Lease { .. }
            | Self::Ipv6cpUp { .. }
            | Self::NoPrefix { .. }
            | Self::Disconnected { .. }
            | Self::Silent { .. } => Level::Info,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PortOpened => f.write_str("[L2TP] opend port 1701/udp"),
            Self::PortClosed => f.write_str("[L2TP] closed port 1701/udp"),
            Self::RespondIsakmp { peer } => write!(f, "[IKE] respond ISAKMP phase to {peer}"),
            Self::RespondIpsec { peer, .. } => write!(f, "[IKE] respond IPsec phase to {peer}"),
            Self::InitiateIsakmp { peer, local } => {
                write!(f, "[IKE] initiate ISAKMP phase to {peer} (local address {local})")
            }
            Self::InitiateIpsec { peer } => write!(f, "[IKE] initiate IPsec phase to {peer}"),
            Self::Weak { peer, words } => write!(
                f,
                "[IKE] {peer} uses weak algorithms ({words}); if no client needs them: ipsec ike refuse {words}",
                words = words.join(" ")
            ),
            Self::ShortIcv { peer } => {
                write!(f, "[IPSEC] {peer} cuts HMAC-SHA-256 to 96 bits, as Android 6 and 7 do: it is served like that")
            }
            Self::IkeRefused { peer, why, suppressed } => {
                match why {
                    Refusal::WrongKey { .. } => write!(
                        f,
                        "[IKE] wrong pre-shared key from {peer}: {why}; enter the key of 'ipsec ike pre-shared-key' in the client again"
                    )?,
                    _ => write!(f, "[IKE] refused {peer}: {why}")?,
                }
                if *suppressed > 0 { write!(f, " ({suppressed} more like it in the last minute)") } else { Ok(()) }
            }
            Self::Halted { peer, halt } => match halt {
                Halt::Message3 => write!(
                    f,
                    "[IKE] {peer} went no further than the proposal: our answers on UDP port 500 do not reach it, \
                     or it does not take what we have chosen"
                ),
                Halt::Message5 => write!(
                    f,
                    "[IKE] {peer} went no further than the exchange of keys: UDP port 4500 does not pass between it \
                     and here, or large messages are lost; let 500 and 4500 through firewalls and NATs"
                ),
                Halt::QuickMode => write!(
                    f,
                    "[IKE] {peer} shows the right key, but began no phase 2: our last message does not reach it, \
                     or it does not take the identity that we give"
                ),
                Halt::Sccrq => write!(
                    f,
                    "[L2TP] {peer} has its SAs, but no L2TP came through them: ESP or UDP port 4500 is held up by a \
                     firewall, or it is Windows and a NAT is between (AssumeUDPEncapsulationContextOnSendRule = 2 there)"
                ),
            },
            Self::NoGateway { peer } => write!(
                f,
                "[IKE] no gateway serves {peer}: 'ipsec ike remote address N any' lets every address in; \
                 see also 'l2tp service', 'tunnel enable', 'pp bind' and 'ipsec ike pre-shared-key'"
            ),
            Self::NoTunnel { peer, tunnels } => write!(
                f,
                "[IKE] no free tunnel for {peer}: all {tunnels} that may serve it are taken; \
                 add tunnels ('tunnel template', 'pp bind', 'ipsec transport template') or 'disconnect anonymousN'"
            ),
            Self::TunnelUp { tunnel } => write!(f, "IP Tunnel[{tunnel}] Up"),
            Self::TunnelDown { tunnel } => write!(f, "IP Tunnel[{tunnel}] Down"),
            Self::L2tp(line) => write!(f, "[L2TP] {line}"),
            Self::Aside { text, .. } => f.write_str(text),
            Self::Moved { tunnel, from, to } => {
                write!(f, "[IKE] TUNNEL[{tunnel}] the client moved from {from} to {to}")
            }
            Self::Unproven { tunnel, user, why } => {
                write!(f, "[L2TP] TUNNEL[{tunnel}] new SAs do not carry the call of user '{user}': ")?;
                f.write_str(match why {
                    Unproven::WrongAnswer => "whoever has made them answered the CHAP challenge wrongly",
                    Unproven::NoAnswer => {
                        "nobody answered the CHAP challenge on them; the old ones go on until they end"
                    }
                    Unproven::Pap => {
                        "the user came in by PAP, which cannot be asked again; when the old ones end, \
                         the client must connect again; 'pp auth request mschap-v2' avoids this"
                    }
                })
            }
            Self::CallDetected { instance, user } => write!(f, "{instance} Call detected from user '{user}'"),
            Self::AuthFailed { instance, user, why } => {
                use crate::ppp::Why;
                write!(f, "{instance} PPP authentication of user '{user}' failed: ")?;
                match why {
                    Why::UnknownUser => write!(
                        f,
                        "there is no such user; add 'pp auth username {user} PASSWORD' or correct the name in the client"
                    ),
                    Why::WrongPassword => write!(
                        f,
                        "wrong password; type the one of 'pp auth username {user}' in the client (mind upper and lower case)"
                    ),
                    Why::NoPassword => write!(
                        f,
                        "the user's password is empty, and nobody comes in without one; give it one with 'pp auth username {user} PASSWORD'"
                    ),
                    Why::AlreadyConnected => write!(
                        f,
                        "connected already, and 'pp auth multi connect prohibit on' lets nobody in twice"
                    ),
                    Why::LanManagerOnly => f.write_str(
                        "the client sent a LAN Manager answer only, which proves too little; use MS-CHAPv2 in the client",
                    ),
                    Why::TooMany { seconds } => write!(
                        f,
                        "not looked at, since there were too many wrong passwords before; try again in {seconds} s"
                    ),
                }
            }
            Self::Slowed { instance, wait } => {
                write!(f, "{instance} {} wrong passwords", wait.wrong)?;
                if let Some(user) = &wait.user {
                    write!(f, " for user '{}'", user.escape_debug())?;
                }
                match &wait.network {
                    Some(network) => write!(f, " from {network}")?,
                    None => f.write_str(" from everywhere")?,
                }
                write!(f, ": no password is looked at there for {} s", wait.seconds)
            }
            Self::IpcpUp { instance, local, remote } => {
                write!(f, "{instance} PPP/IPCP up  (Local: {local}, Remote: {remote})")
            }
            Self::Ipv6cpUp { instance, local, remote, prefix } => {
                write!(f, "{instance} PPP/IPV6CP up  (Local: {local}")?;
                if let Some(remote) = remote {
                    write!(f, ", Remote: {remote}")?;
                }
                if let Some(prefix) = prefix {
                    write!(f, ", Prefix: {prefix}/64")?;
                }
                f.write_str(")")
            }
            Self::NoPrefix { instance, user } => write!(
                f,
                "{instance} no IPv6 prefix is left for user '{user}': shorten the one of 'ipv6 pp remote prefix pool' or \
                 disconnect somebody"
            ),
            Self::PoolEmpty { instance, user } => write!(
                f,
                "{instance} no address is left for user '{user}': enlarge 'ip pp remote address pool' or disconnect somebody"
            ),
            Self::Lease { instance, user, lan, loan } => tell_loan(f, *instance, (user, lan), loan),
            Self::Ppp { instance, text } => write!(f, "{instance} {text}"),
            Self::Disconnected { instance, summary: s } => {
                write!(f, "{instance} Disconnected, cause [{}]", s.cause)?;
                if let Some(user) = &s.user {
                    write!(f, " user='{user}'")?;
                }
                write!(f, " peer={}", s.peer)?;
                if let Some(address) = s.address {
                    write!(f, " address={address}")?;
                }
                write!(
                    f,
                    " duration={}s received={}/{} sent={}/{}",
                    s.duration.as_secs(),
                    s.received.0,
                    s.received.1,
                    s.sent.0,
                    s.sent.1
                )
            }
            Self::Silent { tunnel, peer, seconds } => write!(
                f,
                "[L2TP] TUNNEL[{tunnel}] the client at {peer} fell silent: nothing came for {seconds} s; \
                 it lost its network or was switched off without hanging up"
            ),
            Self::Filtered { instance, way, passed, number, sight, untold } => {
                let verb = if *passed { "Passed" } else { "Rejected" };
                let way = match way {
                    crate::path::Way::In => "IN",
                    crate::path::Way::Out => "OUT",
                };
                match number {
                    Some(number) => write!(f, "{instance} {verb} at {way}({number}) filter: {}", seen(sight))?,
                    None => write!(f, "{instance} {verb} at {way}(default) filter: {}", seen(sight))?,
                }
                if *untold > 0 { write!(f, " ({untold} more before it)") } else { Ok(()) }
            }
            Self::Ike { text } => write!(f, "[IKE] {text}"),
            Self::UnknownSpi { spi, peer } => write!(
                f,
                "[IPSEC] illegal SPI 0x{spi:08x} from {peer}: the client still uses an SA of before a restart; it must connect again"
            ),
        }
    }
}

fn tell_loan(f: &mut fmt::Formatter<'_>, instance: Instance, (user, lan): (&str, &str), loan: &Loan) -> fmt::Result {
    let because = |text: &str| if text.is_empty() { String::new() } else { format!(" ({text})") };
    match loan {
        Loan::Granted { grant: Grant { server, address, seconds }, identity } => {
            write!(f, "{instance} DHCP server {server} on {lan} lends {address} to user '{user}' ({identity}) ")?;
            if *seconds == u32::MAX { f.write_str("for ever") } else { write!(f, "for {seconds} s") }
        }
        Loan::Lost(Lost::Silent) => write!(
            f,
            "{instance} no DHCP server on {lan} lends an address to user '{user}': see that one serves there, has a free \
             address, and is not kept from here by a firewall (UDP 67 and 68); or write 'ip pp remote address pool FIRST-LAST'"
        ),
        Loan::Lost(Lost::Unusable(address, flaw)) => {
            write!(f, "{instance} DHCP on {lan} offers {address} to user '{user}', which cannot be used: {flaw}")
        }
        Loan::Lost(Lost::Refused(server, text)) => write!(
            f,
            "{instance} DHCP server {server} on {lan} refuses user '{user}' what it has offered{}: look into its log",
            because(text)
        ),
        Loan::Lost(Lost::Withdrawn(server, text)) => write!(
            f,
            "{instance} DHCP server {server} on {lan} takes the address of user '{user}' away{}: the call ends, and may \
             begin anew with another address",
            because(text)
        ),
        Loan::Lost(Lost::Expired) => write!(
            f,
            "{instance} no DHCP server on {lan} has prolonged the address of user '{user}' in time, so the call ends: see \
             that one serves there"
        ),
        Loan::Lost(Lost::NoLan) => write!(
            f,
            "{instance} user '{user}' gets no address, since {lan} has none itself: write 'ip {lan} address ADDRESS/MASK', \
             the address that this host has there"
        ),
    }
}

/// A packet as the router writes it: `UDP 192.168.1.1:10395 > 192.168.100.5:53`, `ESP 192.168.1.1 > 192.168.100.5`.
fn seen(sight: &crate::path::Sight) -> String {
    let crate::path::Sight { protocol, source, destination, ports } = sight;
    let word = command::protocol_name(*protocol).map_or_else(|| format!("PROTO={protocol}"), str::to_uppercase);
    match (word.as_str(), ports) {
        ("TCP" | "UDP", Some((from, to))) => format!("{word} {source}:{from} > {destination}:{to}"),
        ("ICMP", Some((kind, code))) => format!("{word} {source} > {destination} : type {kind} code {code}"),
        _ => format!("{word} {source} > {destination}"),
    }
}

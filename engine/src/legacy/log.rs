//! What PPTP has to tell, in words that resemble the router's for L2TP (yamaha.md §6.7).

use crate::event::{Event, Level};
use core::fmt;
use core::net::{IpAddr, SocketAddr};

/// Something worth telling.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Told {
    Opened,
    Closed,
    /// What it means that the service is on.
    Warning,
    Connected {
        tunnel: u32,
        peer: IpAddr,
    },
    Established {
        tunnel: u32,
        call: u16,
    },
    /// Who still uses it.
    User {
        tunnel: u32,
        user: String,
        peer: IpAddr,
    },
    Agreed {
        tunnel: u32,
        words: String,
    },
    NotAgreed {
        tunnel: u32,
        why: String,
    },
    Ended {
        tunnel: u32,
        call: u16,
        why: String,
    },
    NoTunnel {
        peer: IpAddr,
        tunnels: usize,
    },
    Refused {
        peer: SocketAddr,
        why: String,
    },
    Silent {
        peer: SocketAddr,
        seconds: u64,
    },
    Received {
        peer: SocketAddr,
        what: String,
    },
    Sent {
        peer: SocketAddr,
        what: String,
    },
}

impl Told {
    fn level(&self) -> Level {
        match self {
            Self::Received { .. } | Self::Sent { .. } => Level::Debug,
            Self::Opened
            | Self::Closed
            | Self::Warning
            | Self::Connected { .. }
            | Self::Established { .. }
            | Self::User { .. }
            | Self::Agreed { .. }
            | Self::NotAgreed { .. }
            | Self::Ended { .. }
            | Self::NoTunnel { .. }
            | Self::Refused { .. }
            | Self::Silent { .. } => Level::Info,
        }
    }

    pub(super) fn event(&self) -> Event {
        self.event_of("PPTP")
    }

    /// The same, told of a call that this carries.
    pub(super) fn event_of(&self, carrier: &str) -> Event {
        Event::Aside { level: self.level(), text: format!("[{carrier}] {self}") }
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opened => f.write_str("opend port 1723/tcp"),
            Self::Closed => f.write_str("closed port 1723/tcp"),
            Self::Warning => write!(f, "warning: {}", command::legacy::WARNING),
            Self::Connected { tunnel, peer } => write!(f, "TUNNEL[{tunnel}] connected from {peer}"),
            Self::Established { tunnel, call } => write!(f, "TUNNEL[{tunnel}] call {call} established"),
            Self::User { tunnel, user, peer } => write!(
                f,
                "TUNNEL[{tunnel}] user '{user}' at {peer} still uses PPTP, which anybody on the way can break; \
                 let the client use L2TP/IPsec"
            ),
            Self::Agreed { tunnel, words } => write!(f, "TUNNEL[{tunnel}] PPP/CCP up  ({words})"),
            Self::NotAgreed { tunnel, why } => write!(
                f,
                "TUNNEL[{tunnel}] nothing is encrypted: {why}; 'ppp ccp no-encryption reject' would end such calls"
            ),
            Self::Ended { tunnel, call, why } => write!(f, "TUNNEL[{tunnel}] disconnect call {call} complete: {why}"),
            Self::NoTunnel { peer, tunnels } => write!(
                f,
                "no free tunnel for {peer}: {tunnels} may serve PPTP and all of them are taken, or another address's; \
                 add one ('tunnel encapsulation pptp', 'tunnel enable', 'pp bind') or 'disconnect anonymousN'"
            ),
            Self::Refused { peer, why } => write!(f, "refused {peer}: {why}"),
            Self::Silent { peer, seconds } => {
                write!(f, "the client at {peer} fell silent: no answer to Echo-Requests for {seconds} s")
            }
            Self::Received { peer, what } => write!(f, "recv {what} from {peer}"),
            Self::Sent { peer, what } => write!(f, "send {what} to {peer}"),
        }
    }
}

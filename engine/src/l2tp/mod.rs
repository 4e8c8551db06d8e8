//! L2TP as an LNS (RFC 2661): one control connection and its sessions with a client.

mod cause;
mod log;
mod message;
mod opening;
mod reliable;
mod session;
mod status;
mod timers;
mod tunnel;

#[cfg(test)]
mod matrix;
#[cfg(test)]
mod tests;

pub use log::{L2tpLog, Level, Slip};
pub use reliable::{CONTROL, RECEIVE_WINDOW};
pub use tunnel::Tunnel;

use core::fmt;
use core::net::IpAddr;
use core::time::Duration;
use crypto::Secret;
use serde::{Deserialize, Serialize};
use wire::l2tp::{AvpType, Header, MessageType};

/// Result codes of StopCCN (RFC 2661 §4.4.2).
pub mod stop {
    /// General request to clear the control connection.
    pub const GENERAL: u16 = 1;
    /// General error; the error code says which.
    pub const ERROR: u16 = 2;
    /// The requester is not authorized to establish a control channel.
    pub const NOT_AUTHORIZED: u16 = 4;
    /// The protocol version is not supported; the error code is the highest that is.
    pub const VERSION: u16 = 5;
    /// The requester is being shut down.
    pub const SHUTDOWN: u16 = 6;
    /// Finite state machine error.
    pub const STATE_MACHINE: u16 = 7;
}

/// Result codes of CDN (RFC 2661 §4.4.2).
pub mod cdn {
    /// Disconnected for the reason indicated in the error code.
    pub const ERROR: u16 = 2;
    /// Disconnected for administrative reasons.
    pub const ADMINISTRATIVE: u16 = 3;
    /// Lack of facilities, temporary.
    pub const NO_FACILITIES: u16 = 4;
    /// Lack of facilities, permanent.
    pub const NEVER_FACILITIES: u16 = 5;
    /// The call was not established in time.
    pub const TIMED_OUT: u16 = 10;
}

/// What one tunnel is told by the configuration.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Settings {
    /// Number of the tunnel interface, for the log.
    pub number: u32,
    /// The client's address, for the log.
    pub peer: IpAddr,
    /// Host name that is told to the client.
    pub hostname: String,
    /// Shared secret; with one, the client must prove that it knows it (RFC 2661 §5.1.1).
    pub secret: Option<Secret<String>>,
    /// Interval and count of `l2tp keepalive use`.
    pub keepalive: Option<(Duration, u32)>,
    /// `l2tp tunnel disconnect time`.
    pub idle: Option<Duration>,
    /// `l2tp syslog`: every control message is logged.
    pub log_messages: bool,
    /// `l2tp keepalive log`: every HELLO is logged.
    pub log_keepalive: bool,
    /// How many sessions the tunnel may have at once.
    pub sessions: u16,
    /// Receive Window Size that is told to the client, in messages; at least 1, and [`RECEIVE_WINDOW`] at most.
    pub receive_window: u16,
}

/// What a tunnel wants done.
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use]
pub enum Output {
    /// Send this L2TP message to the client.
    Send(Vec<u8>),
    /// A session carries data from here on.
    SessionUp {
        /// The id in what the client sends.
        local: u16,
        /// The id in what is sent to the client.
        peer: u16,
    },
    /// A session that was up, or on its way there, is gone.
    SessionDown {
        /// The id in what the client sent.
        local: u16,
        /// Why.
        why: Down,
    },
    /// The tunnel is of no more use; keep it until [`Tunnel::is_finished`], to acknowledge and to be acknowledged.
    TunnelDown {
        /// Why.
        why: Down,
    },
    /// A line for the log.
    Log(L2tpLog),
}

/// Why a session or a tunnel ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Down {
    /// The client sent CDN or StopCCN; the codes are what it wrote, whatever that means.
    Peer {
        /// Result code, 0 if unreadable.
        result: u16,
        /// Error code, 0 if absent.
        error: u16,
        /// Why its PPP ended, if it said so: code and direction (RFC 3145 §3).
        ppp: Option<(u16, u8)>,
    },
    /// The server asked for it.
    Local,
    /// No HELLO was answered.
    Keepalive,
    /// No data for too long.
    Idle,
    /// A message that was waited for did not come.
    StateTimer,
    /// A message went unanswered through all its tries (RFC 2661 §5.8).
    Unanswered,
    /// The client does not know the tunnel secret.
    Authentication,
    /// The client broke the protocol.
    Misbehaviour,
    /// The client has begun anew.
    Replaced,
}

impl fmt::Display for Down {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer { result, error, ppp } => {
                write!(f, "client hung up, result code {result}")?;
                if *error != 0 {
                    write!(f, ", error code {error}")?;
                }
                match ppp.and_then(|(code, direction)| cause::words(code, direction)) {
                    Some(words) => write!(f, ", {words}"),
                    None => Ok(()),
                }
            }
            Self::Local => write!(f, "closed by the server"),
            Self::Keepalive => write!(f, "no answer to keepalive"),
            Self::Idle => write!(f, "no data for too long"),
            Self::StateTimer => write!(f, "an awaited message did not come"),
            Self::Unanswered => write!(f, "no answer to a control message"),
            Self::Authentication => write!(f, "wrong tunnel secret"),
            Self::Misbehaviour => write!(f, "protocol error of the client"),
            Self::Replaced => write!(f, "the client dialled again"),
        }
    }
}

/// Why a message did not open a tunnel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reason {
    /// It is not an SCCRQ, or not the first message of a connection.
    NotSccrq,
    /// It asks for another version of the protocol.
    Version,
    /// It has a challenge, and no secret is configured.
    NoSecret,
    /// An AVP is missing, malformed or unknown; the text says which.
    Malformed(String),
}

/// An SCCRQ that opens no tunnel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// A StopCCN that tells the client; sent once.
    pub reply: Option<Vec<u8>>,
    /// Lines for the log, in order.
    pub log: Vec<L2tpLog>,
}

/// The tunnel id that a client assigns in an SCCRQ; `None` if `message` is not a readable SCCRQ.
///
/// Together with the client it tells a repeated SCCRQ from another one, see [`Tunnel::repeats`].
pub fn assigned_tunnel_id(message: &[u8], secret: Option<&Secret<String>>) -> Option<u16> {
    let (header, payload) = Header::decode(message).ok()?;
    if !header.control || header.tunnel_id != 0 {
        return None;
    }
    let received = message::Received::read(payload, secret).ok()?;
    if received.kind != MessageType::Sccrq {
        return None;
    }
    received.u16(AvpType::AssignedTunnelId)
}

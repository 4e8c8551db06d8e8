//! Why a link ended, as a sentence that an operator can act on.

use super::auth::{Why, printable};
use super::negotiation::Fault;
use core::fmt;
use serde::{Deserialize, Serialize};

/// Where a link had got to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Phase {
    /// LCP.
    Lcp,
    /// PAP or CHAP.
    Authentication,
    /// IPCP.
    Ipcp,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lcp => "LCP",
            Self::Authentication => "authentication",
            Self::Ipcp => "IPCP",
        })
    }
}

/// Why a link ended; `Display` is a sentence without its full stop.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Cause {
    /// The user exists, the password is another.
    WrongPassword {
        /// The name the client gave.
        user: String,
    },
    /// No such user.
    UnknownUser {
        /// The name the client gave.
        user: String,
    },
    /// The user has an empty password.
    NoPassword {
        /// The name the client gave.
        user: String,
    },
    /// The user is connected already, and may be once only.
    AlreadyConnected {
        /// The name the client gave.
        user: String,
    },
    /// The client answered with a LAN Manager hash only.
    LanManagerOnly {
        /// The name the client gave.
        user: String,
    },
    /// The client will not authenticate in any way that the configuration allows.
    MethodRefused {
        /// What the client said it would do.
        wanted: Vec<String>,
        /// What the configuration allows.
        allowed: Vec<String>,
    },
    /// The configuration has no `pp auth request`, so that nobody may come in.
    NoMethod,
    /// There were too many wrong passwords before this one.
    TooMany {
        /// The name as it came.
        user: String,
    },
    /// There was no address to lend.
    PoolEmpty,
    /// A DHCP server lent none, or has taken it away.
    NoLease {
        /// The LAN whose server was asked.
        lan: String,
        /// Whether the client had one.
        had: bool,
    },
    /// The client ended the link.
    PeerTerminated {
        /// How far it had come.
        phase: Phase,
        /// The client's words, if any.
        text: String,
        /// The number that Windows gives.
        windows_error: Option<u32>,
    },
    /// The client was silent.
    NoAnswer {
        /// How far it had come.
        phase: Phase,
    },
    /// We closed the link.
    Closed {
        /// Why.
        why: String,
    },
    /// The client gave no sign of life.
    EchoTimeout,
    /// The two sides did not agree.
    NegotiationFailed {
        /// In which protocol.
        phase: Phase,
        /// About what; nothing if the client does not do the protocol at all.
        fault: Option<Fault>,
    },
}

impl Cause {
    pub(crate) fn rejected(why: Why, name: &[u8]) -> Self {
        let user = printable(name);
        match why {
            Why::UnknownUser => Self::UnknownUser { user },
            Why::WrongPassword => Self::WrongPassword { user },
            Why::NoPassword => Self::NoPassword { user },
            Why::AlreadyConnected => Self::AlreadyConnected { user },
            Why::LanManagerOnly => Self::LanManagerOnly { user },
            Why::TooMany { .. } => Self::TooMany { user },
        }
    }

    /// Reads the data of a Terminate-Request: Windows puts its magic number, 003ccd74 and an error number there, others a
    /// text or nothing.
    pub(crate) fn peer_terminated(phase: Phase, data: &[u8]) -> Self {
        match data {
            &[_, _, _, _, 0x00, 0x3c, 0xcd, 0x74, a, b, c, d] => Self::PeerTerminated {
                phase,
                text: String::new(),
                windows_error: Some(u32::from_be_bytes([a, b, c, d])),
            },
            text => Self::PeerTerminated { phase, text: printable(text), windows_error: None },
        }
    }

    /// Whether the client could not prove who it is.
    pub fn is_authentication_failure(&self) -> bool {
        matches!(
            self,
            Self::WrongPassword { .. }
                | Self::UnknownUser { .. }
                | Self::NoPassword { .. }
                | Self::TooMany { .. }
                | Self::AlreadyConnected { .. }
                | Self::LanManagerOnly { .. }
                | Self::MethodRefused { .. }
        )
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany { user } => write!(f, "Authentication failed, too many wrong passwords for user '{user}'"),
            Self::WrongPassword { user } => write!(f, "Authentication failed, wrong password for user '{user}'"),
            Self::UnknownUser { user } => write!(f, "Authentication failed, there is no user '{user}'"),
            Self::NoPassword { user } => write!(f, "Authentication failed, user '{user}' has no password"),
            Self::AlreadyConnected { user } => {
                write!(f, "Authentication failed, user '{user}' is connected already and may be only once")
            }
            Self::LanManagerOnly { user } => {
                write!(
                    f,
                    "Authentication failed, the client of user '{user}' proved itself with a LAN Manager hash only"
                )
            }
            Self::MethodRefused { wanted, allowed } => {
                let allowed = allowed.join(" or ");
                if wanted.is_empty() {
                    write!(
                        f,
                        "Authentication failed, the client refused {allowed}; allow in it what 'pp auth request' asks for"
                    )
                } else {
                    let wanted = wanted.join(" or ");
                    write!(f, "Authentication failed, the client wants {wanted}, 'pp auth request' allows {allowed}")
                }
            }
            Self::NoMethod => write!(f, "there is no 'pp auth request', so that no client may come in"),
            Self::PoolEmpty => write!(f, "no address is free for the client, see 'ip pp remote address pool'"),
            Self::NoLease { lan, had: false } => write!(f, "no address could be had by DHCP on {lan}"),
            Self::NoLease { lan, had: true } => write!(f, "the address is not lent any more by DHCP on {lan}"),
            Self::PeerTerminated { phase, text, windows_error } => {
                write!(f, "the client ended the call")?;
                if *phase != Phase::Ipcp {
                    write!(f, " during {phase}")?;
                }
                match windows_error {
                    Some(0) => Ok(()),
                    Some(number) => write!(f, " (Windows error {number}{})", windows_words(*number)),
                    None if text.is_empty() => Ok(()),
                    None => write!(f, " ({text})"),
                }
            }
            Self::NoAnswer { phase: Phase::Lcp } => {
                write!(f, "the client does not answer in LCP; large packets may be lost on the way")
            }
            Self::NoAnswer { phase } => write!(f, "the client does not answer in {phase}"),
            Self::Closed { why } => f.write_str(why),
            Self::EchoTimeout => write!(f, "the client gives no sign of life"),
            Self::NegotiationFailed { phase, fault: None } => write!(f, "the client does not do {phase}"),
            Self::NegotiationFailed { phase, fault: Some(fault) } => write!(f, "no agreement in {phase}, {fault}"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(option) => write!(f, "the client refuses option {option}"),
            Self::Insists(option) => write!(f, "the client insists on its own value of option {option}"),
            Self::NoEnd => write!(f, "the two sides went round in circles"),
        }
    }
}

/// What Windows means by its number, for those numbers that our side can bring about.
fn windows_words(number: u32) -> &'static str {
    match number {
        691 => ", name or password not accepted",
        718 => ", no answer in time",
        720 => ", no network protocol could be opened",
        732 => ", the negotiation did not converge",
        734 => ", the link was terminated",
        738 => ", no address was assigned",
        741 | 742 => {
            ", the client demands an encryption of its own inside the tunnel, which it does not need under IPsec"
        }
        778 => ", the server could not prove who it is",
        _ => "",
    }
}

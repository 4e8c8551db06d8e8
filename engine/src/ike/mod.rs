//! IKEv1 as a responder (RFC 2408, 2409): Main and Aggressive Mode, Quick Mode, Informational exchanges and NAT traversal.

pub mod aggressive;
pub mod fragment;
pub mod half_open;
pub mod informational;
pub mod initiate;
pub mod keys;
mod lifetime;
pub mod main_mode;
pub mod name;
pub mod natt;
pub mod proposal;
pub mod quick_mode;
pub mod sa;
pub mod slip;

use core::net::SocketAddr;
use crypto::Group;
use serde::{Deserialize, Serialize};

/// The two ends of a conversation in the outer network.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Endpoint {
    /// The address and port that the client's packets came to.
    pub local: SocketAddr,
    /// The address and port that they came from: the client's own, or its NAT's.
    pub peer: SocketAddr,
}

/// An ISAKMP message as it came.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    /// Its header.
    pub header: &'a wire::isakmp::Header,
    /// What follows the header, to the length that the header tells.
    pub body: &'a [u8],
    /// All of it: by this a repetition is told.
    pub datagram: &'a [u8],
    /// From where to where.
    pub endpoint: Endpoint,
}

/// A Diffie-Hellman computation: a key pair of our own and the shared secret with the peer's public value.
///
/// It is pure arithmetic that takes up to tens of milliseconds, so the world outside runs it on a thread of its own.
pub struct Job {
    /// Names the exchange that waits for it.
    pub ticket: u64,
    /// The group.
    pub group: Group,
    /// The peer's public value, as it came.
    pub peer_public: Vec<u8>,
    /// Random octets for our private exponent.
    pub entropy: crypto::Secret<[u8; 64]>,
    /// Whether no other key pair may stand in: where we begin an exchange, our public value is sent before the client's
    /// comes, and both computations are of one pair.
    pub own_pair: bool,
}

impl Job {
    /// Does the arithmetic; `made` gives a key pair of the group that was made ahead, if there is one that nobody has had.
    #[must_use]
    pub fn run(self, made: impl FnOnce(Group) -> Option<crypto::KeyPair>) -> Computed {
        let made = if self.own_pair { None } else { made(self.group) };
        let made = made.filter(|pair| pair.group() == self.group);
        let pair = made.unwrap_or_else(|| crypto::KeyPair::generate(self.group, self.entropy.expose()));
        let shared = pair.shared(&self.peer_public).ok();
        Computed { ticket: self.ticket, public: pair.public().to_vec(), shared }
    }
}

/// What a [`Job`] came to.
pub struct Computed {
    /// As in the job.
    pub ticket: u64,
    /// Our public value.
    pub public: Vec<u8>,
    /// The shared secret; `None` if the peer's public value was not acceptable (RFC 6989 §2.1).
    pub shared: Option<crypto::Secret<Vec<u8>>>,
}

/// Why a key exchange ends that a peer has sent a bad public value in.
const BAD_PUBLIC: &str = "the Diffie-Hellman public value is not acceptable";

/// Why a message of a peer was not taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// It could not be read.
    Malformed(wire::Error),
    /// A payload that must be there is missing.
    Missing(&'static str),
    /// A value is out of its bounds.
    Unacceptable(&'static str),
    /// Nothing that was offered is allowed.
    NoProposal {
        /// What the peer offered, in words.
        offered: String,
        /// Which of it would be supported, were it not refused by the configuration: the words to take out.
        refused: Vec<String>,
    },
    /// `ipsec ike negotiate-strictly` keeps out what was offered.
    Strict {
        /// What the peer offered, in words.
        offered: String,
        /// What alone would be taken.
        only: String,
    },
    /// The client asks for user authentication inside IKE or for certificates.
    AuthenticationMethod(u64),
    /// The hash over a message that was decrypted is wrong.
    BadHash,
    /// No pre-shared key that is configured makes sense of the message.
    WrongKey {
        /// How the client's key comes to differ from a configured one, if that is plain.
        slip: Option<slip::Slip>,
    },
    /// Aggressive Mode, and no gateway has a name.
    Aggressive {
        /// How the client names itself: name and type.
        name: String,
    },
    /// Aggressive Mode under a name that no gateway has.
    UnknownName {
        /// How the client names itself: name and type.
        name: String,
    },
    /// An exchange of this kind is not served.
    Exchange(u8),
    /// The message belongs to no exchange that is known.
    Unknown,
    /// A limit has been reached; the peer will try again.
    Busy(&'static str),
}

impl core::fmt::Display for Refusal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Malformed(e) => write!(f, "malformed message: {e}"),
            Self::Missing(what) => write!(f, "the {what} payload is missing"),
            Self::Unacceptable(what) => f.write_str(what),
            Self::NoProposal { offered, refused } if refused.is_empty() => {
                write!(f, "no common proposal; the client offers {offered}, none of which is supported here")
            }
            Self::NoProposal { offered, refused } => write!(
                f,
                "no common proposal; the client offers {offered}; 'ipsec ike refuse' keeps it out: take out {}",
                refused.join(" or ")
            ),
            Self::Strict { offered, only } => write!(
                f,
                "no common proposal; the client offers {offered}; 'ipsec ike negotiate-strictly' takes nothing but {only}"
            ),
            Self::AuthenticationMethod(n) => write!(
                f,
                "the client wants authentication method {n}, only pre-shared key (1) is served: choose \"pre-shared key\" in the client"
            ),
            Self::BadHash => f.write_str("the hash of a decrypted message is wrong"),
            Self::WrongKey { slip: None } => f.write_str(
                "the client's pre-shared key differs from every 'ipsec ike pre-shared-key' that may serve it",
            ),
            Self::WrongKey { slip: Some(slip) } => {
                write!(f, "the client's pre-shared key is that of 'ipsec ike pre-shared-key', but {slip}")
            }
            Self::Aggressive { name } => write!(
                f,
                "the client asks for Aggressive Mode, which is off because it lets anybody on the way try keys offline: \
                 remove the group name or IPsec identifier in the client; if that cannot be, make the key long and random \
                 and write 'ipsec ike remote name N {name}'"
            ),
            Self::UnknownName { name } => write!(
                f,
                "the client asks for Aggressive Mode and names itself {name}, but no 'ipsec ike remote name' has that name: \
                 correct it in the client, or write 'ipsec ike remote name N {name}'"
            ),
            Self::Exchange(n) => write!(f, "exchange type {n} is not served"),
            Self::Unknown => f.write_str("the message belongs to no exchange that is known here"),
            Self::Busy(what) => f.write_str(what),
        }
    }
}

impl From<wire::Error> for Refusal {
    fn from(e: wire::Error) -> Self {
        Self::Malformed(e)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "tests")]
    use super::*;
    use crypto::{KeyPair, Secret};

    #[test]
    fn a_pair_made_ahead_does_not_stand_in_where_our_public_value_is_out_already() {
        let made = |group| Some(KeyPair::generate(group, &[9; 64]));
        let peer = KeyPair::generate(Group::Curve25519, &[1; 64]);
        for own_pair in [true, false] {
            let job = |peer_public: &[u8]| Job {
                ticket: 1,
                group: Group::Curve25519,
                peer_public: peer_public.to_vec(),
                entropy: Secret::new([3; 64]),
                own_pair,
            };
            let own = job(&[]).run(|_| None).public;
            let shared = job(peer.public()).run(made).shared.expect("a good public value");
            let agreed = peer.shared(&own).expect("a good public value");
            assert_eq!(*shared.expose() == *agreed.expose(), own_pair);
        }
    }
}

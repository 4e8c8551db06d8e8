//! All that one session is, as one versioned record: for a restart without a drop, and for a standby.

use crate::client::Client;
use crate::engine::Engine;
use crate::outbox::Outbox;
use crate::path::{ClientId, PathState};
use crate::time::Instant;
use serde::{Deserialize, Serialize};

/// The version of the records that are written. A record of another version is refused, never guessed at.
pub const VERSION: u16 = 11;

/// More packets than can have left on one SA between the writing of a record and its use: the restored SA skips so many
/// sequence numbers, because none may be used twice under one key (RFC 4303 §2.2).
pub const JUMP: u32 = 1 << 20;

/// Why a record was not taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refused {
    /// It is of this version.
    Version(u16),
    /// It cannot be read.
    Unreadable,
    /// Its session is in the tunnel of another client, whose record was not taken before it.
    WithoutTunnel,
    /// What it holds is held by another session here: an address, a tunnel interface or an SPI.
    Taken(&'static str),
}

impl core::fmt::Display for Refused {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Version(v) => write!(f, "the session record is of version {v}; version {VERSION} is read here"),
            Self::Unreadable => f.write_str("the session record cannot be read"),
            Self::WithoutTunnel => f.write_str("the tunnel of the record's session is not here"),
            Self::Taken(what) => write!(f, "another session holds the record's {what}"),
        }
    }
}

/// A record's contents behind its version.
#[derive(Serialize, Deserialize)]
struct Record {
    client: Box<Client>,
    path: PathState,
}

impl Engine {
    /// Writes a client's record; `path` is what its worker knows ([`crate::path::Worker::snapshot`]). It holds keys:
    /// keep it as secret as they are. A call whose stream the kernel holds cannot be taken elsewhere and has no record.
    #[must_use]
    pub fn export(&self, client: ClientId, path: PathState) -> Option<Vec<u8>> {
        let client = self.clients.get(&client.0).filter(|c| c.carrier.is_plain())?.clone();
        let body = postcard::to_allocvec(&Record { client, path }).ok()?;
        Some([&VERSION.to_be_bytes()[..], &body].concat())
    }

    /// Takes a client over from a record. Gives what its worker must restore
    /// ([`crate::path::Worker::restore`] with [`JUMP`]) before anything in `out` is done.
    ///
    /// # Errors
    ///
    /// If the record cannot be used; nothing has changed then.
    pub fn import(&mut self, record: &[u8], now: Instant, out: &mut Outbox) -> Result<PathState, Refused> {
        let (version, body) = record.split_at_checked(2).ok_or(Refused::Unreadable)?;
        let version = u16::from_be_bytes(version.try_into().map_err(|_| Refused::Unreadable)?);
        if version != VERSION {
            return Err(Refused::Version(version));
        }
        let Record { client, path } = postcard::from_bytes(body).map_err(|_| Refused::Unreadable)?;
        self.adopt(client, now, out)?;
        Ok(path)
    }

    /// The clients that can be exported.
    pub fn client_ids(&self) -> impl Iterator<Item = ClientId> + '_ {
        self.clients.keys().map(|id| ClientId(*id))
    }
}

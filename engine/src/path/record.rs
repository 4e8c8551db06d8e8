//! The data path's part of a session record: everything by which another worker can go on with a client.

use super::Held;
use super::table::Endpoint;
use super::{ClientId, Counters, Encap, ReplayState, SessionPath, Spi, Worker};
use crate::time::Instant;
use crypto::Secret;
use crypto::esp::Suite;
use serde::{Deserialize, Serialize};

/// A client's SAs, session, place and counters.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PathState {
    /// Who.
    pub client: ClientId,
    /// Where it is.
    pub endpoint: Option<Endpoint>,
    /// Its session.
    pub session: Option<SessionPath>,
    /// PP interface (0 is the anonymous one) and tunnel interface whose filters hold.
    pub guard: Option<(u32, u32)>,
    /// Whose SAs carry the session, if they are another's; that one is restored first.
    pub beside: Option<ClientId>,
    /// SAs on which it sends, oldest first.
    pub inbound: Vec<InboundState>,
    /// SAs on which we send, oldest first.
    pub outbound: Vec<OutboundState>,
    /// What has passed.
    pub counters: Counters,
    /// Numbers of the next data messages of a session that counts them, ours and the client's.
    pub numbers: (u16, u16),
    /// Packets that wait for an SA to be trusted.
    pub held: Vec<(Instant, Held)>,
}

/// An inbound SA.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InboundState {
    /// Our SPI.
    pub spi: Spi,
    /// Algorithms.
    pub suite: Suite,
    /// Encryption key, then authentication key.
    pub keymat: Secret<Vec<u8>>,
    /// Whether a sequence number counts only once.
    pub anti_replay: bool,
    /// The window.
    pub replay: ReplayState,
    /// The encapsulation that was negotiated.
    pub encap: Encap,
    /// Whether a valid packet has come.
    pub used: bool,
    /// Octets of ESP that have come.
    pub octets: u64,
    /// Where a note of volume is due; `u64::MAX` for never.
    pub volume: u64,
    /// On how many more packets a shorter ICV is tried.
    pub shorten: u8,
    /// Whether it carries the client's session.
    pub trusted: bool,
}

/// An outbound SA.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OutboundState {
    /// The client's SPI.
    pub spi: Spi,
    /// Algorithms.
    pub suite: Suite,
    /// Encryption key, then authentication key.
    pub keymat: Secret<Vec<u8>>,
    /// The number of the next packet; 0 when all are used up.
    pub next: u32,
    /// Whether we send on it.
    pub active: bool,
    /// Our SPI of the inbound SA that was negotiated with it.
    pub paired: Spi,
    /// Octets of ESP that were sent.
    pub octets: u64,
}

impl Worker {
    /// Whose inbound SA this is.
    #[must_use]
    pub fn owner_of(&self, spi: Spi) -> Option<ClientId> {
        let sa = self.table.inbound.get(self.table.place_of_spi(spi.0)?)?;
        self.table.clients.get(sa.client).map(|client| client.id)
    }

    /// Everything about a client, to be handed to another worker.
    #[must_use]
    pub fn snapshot(&self, client: ClientId) -> Option<PathState> {
        self.table.snapshot(client).map(|state| PathState { held: self.hold.snapshot(client), ..state })
    }

    /// Takes over a client, in place of what was known of it.
    ///
    /// `jump` is more than the number of packets that can have been sent on any SA since the snapshot was taken, so that no
    /// sequence number is used twice under one key. An SA that has no numbers left is restored as used up.
    pub fn restore(&mut self, mut state: PathState, jump: u32) {
        for sa in &mut state.outbound {
            sa.next = if sa.next == 0 { 0 } else { sa.next.checked_add(jump).unwrap_or(0) };
        }
        self.hold.restore(state.client, core::mem::take(&mut state.held));
        if !self.table.restore(state) {
            self.totals.refused_updates += 1;
        }
    }
}

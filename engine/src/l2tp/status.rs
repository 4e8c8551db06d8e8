//! What a tunnel tells about itself.

use super::session::Sessions;
use super::tunnel::{State, Tunnel};
use crate::time::Instant;
use core::time::Duration;

/// How long after the SCCCN an SCCRQ can still be a repetition that was under way; later it is a client's new start.
const SCCRQ_UNDER_WAY: Duration = Duration::from_secs(10);

impl Tunnel {
    /// The server's tunnel id: the one in what the client sends.
    pub fn local_id(&self) -> u16 {
        self.local_tunnel_id
    }

    /// The client's tunnel id: the one in what is sent to the client.
    pub fn peer_id(&self) -> u16 {
        self.peer_tunnel_id
    }

    /// The client's UDP port inside ESP.
    pub fn peer_port(&self) -> u16 {
        self.peer_port
    }

    /// How long the client may be silent before it is asked for a sign of life.
    pub fn keepalive(&self) -> Option<Duration> {
        self.settings.keepalive.map(|(interval, _)| interval)
    }

    /// The client's host name, fit for display.
    pub fn peer_hostname(&self) -> &str {
        &self.peer_hostname
    }

    /// The client's vendor name, fit for display.
    pub fn peer_vendor(&self) -> &str {
        &self.peer_vendor
    }

    /// The server's and the client's id of each session that is up or on its way there.
    pub fn session_ids(&self) -> impl Iterator<Item = (u16, u16)> + '_ {
        self.sessions().into_iter().flat_map(Sessions::ids)
    }

    /// Whether a session carries data.
    pub fn is_session_up(&self) -> bool {
        self.sessions().is_some_and(Sessions::is_any_up)
    }

    /// Whether the client demands sequence numbers on the data of this session of ours (RFC 2661 §4.4.6, Sequencing
    /// Required).
    pub fn sequencing_required(&self, local: u16) -> bool {
        self.sessions().is_some_and(|sessions| sessions.sequencing(local))
    }

    /// Whether the tunnel is neither closed nor closing.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::WaitCtlConn { .. } | State::Established(_))
    }

    /// Whether the tunnel has nothing left to do and can be forgotten.
    pub fn is_finished(&self) -> bool {
        self.state == State::Finished
    }

    /// The state of the tunnel in the router's words.
    pub fn state_word(&self) -> &'static str {
        match self.state {
            State::WaitCtlConn { .. } => "wait_ctl_conn",
            State::Established(_) => "established",
            State::Closing | State::Closed { .. } | State::Finished => "idle",
        }
    }

    /// The state of this session of ours in the router's words.
    pub fn session_word(&self, local: u16) -> &'static str {
        self.sessions().map_or("idle", |sessions| sessions.word(local))
    }

    /// Ns of the next message that will be sent.
    pub fn ns(&self) -> u16 {
        self.reliable.ns()
    }

    /// Ns of the next message that is expected.
    pub fn nr(&self) -> u16 {
        self.reliable.nr()
    }

    /// Whether an SCCRQ with this assigned tunnel id is a repetition of the one that opened this tunnel.
    ///
    /// If so, hand it to [`Self::handle_control`]; if not, it asks for another tunnel. Where a client asks for another
    /// one under an id that it has used before, [`Self::forget`] the old one: a StopCCN would hit the new one.
    pub fn repeats(&self, assigned_tunnel_id: u16, now: Instant) -> bool {
        assigned_tunnel_id == self.peer_tunnel_id
            && match self.state {
                State::WaitCtlConn { .. } => true,
                State::Established(_) => now.since(self.state_since) < SCCRQ_UNDER_WAY,
                State::Closing | State::Closed { .. } | State::Finished => false,
            }
    }
}

//! Further sessions in one tunnel (RFC 2661 §5.2): each is a client of its own that has a call and nothing else. Tunnel, SAs
//! and place are those of the client that has opened the tunnel; with them it ends.

use super::claim::Affair;
use super::{Client, Context, Reached, farewell};
use crate::l2tp;
use crate::path::{ClientId, Update};
use crate::ppp;
use crate::time::Instant;
use serde::{Deserialize, Serialize};
use wire::l2tp::DisconnectCause;

/// How many sessions a tunnel on the anonymous interface may have. A numbered interface serves one.
pub(super) const MOST_SESSIONS: u16 = 8;

/// The tunnel that a further session is in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TunnelOf {
    /// The client that has opened it.
    pub(crate) client: u32,
    /// Our id of the session.
    session: u16,
    /// Both ids of the tunnel, and the client's port.
    pub(super) ids: (u16, u16, u16),
    /// Data is numbered.
    pub(super) sequencing: bool,
    /// The client's host name and vendor.
    pub(super) name: (String, String),
}

impl Client {
    /// A client for one more session in the tunnel of `first`; none if that session is gone already.
    pub(crate) fn further(id: u32, first: &Self, sessions: (u16, u16), cx: &mut Context<'_>) -> Option<Self> {
        let t = first.l2tp.as_ref().filter(|t| t.session_ids().any(|ids| ids == sessions))?;
        let mut client = Self::new(id, first.endpoint, vec![], (0, vec![]), cx.now);
        client.tunnel = first.tunnel;
        client.reaches(Reached::L2tp);
        client.tunnel_of = Some(Box::new(TunnelOf {
            client: first.id,
            session: sessions.0,
            ids: (t.local_id(), t.peer_id(), t.peer_port()),
            sequencing: t.sequencing_required(sessions.0),
            name: (t.peer_hostname().to_owned(), t.peer_vendor().to_owned()),
        }));
        cx.path(Update::Beside { client: ClientId(id), of: ClientId(first.id) });
        client.begin_call(sessions, cx);
        Some(client)
    }

    /// The client that has the tunnel which this one's call is in.
    pub(crate) fn tunnel_owner(&self) -> u32 {
        self.tunnel_of.as_ref().map_or(self.id, |of| of.client)
    }

    /// The client that has the call of these ids of ours: this one, or one with a further session in its tunnel.
    pub(crate) fn call_of(&self, tunnel_id: u16, session_id: u16) -> Option<u32> {
        let t = self.l2tp.as_ref().filter(|t| t.local_id() == tunnel_id)?;
        let further = self.further.iter().find(|(session, _)| *session == session_id).map(|(_, client)| *client);
        let own = self.call.as_ref().filter(|call| call.sessions.0 == session_id).map(|_| self.id);
        own.or(further).filter(|_| t.is_open())
    }

    /// A session of the tunnel is up: the first that there is no call for is this client's own.
    pub(super) fn session_up(&mut self, sessions: (u16, u16), cx: &mut Context<'_>) {
        if self.call.is_none() {
            self.begin_call(sessions, cx);
        } else {
            cx.affairs.push(Affair::Further { sessions });
        }
    }

    /// A session of the tunnel is gone.
    pub(super) fn session_down(&mut self, local: u16, why: l2tp::Down, cx: &mut Context<'_>) {
        let why = format!("L2TP: {why}");
        if self.call.as_ref().is_some_and(|call| call.sessions.0 == local) {
            return self.end_call(&why, cx);
        }
        if let Some(at) = self.further.iter().position(|(session, _)| *session == local) {
            let (_, client) = self.further.remove(at);
            cx.affairs.push(Affair::HungUp { client, why });
        }
    }

    /// The tunnel is no more: its sessions end with it.
    pub(super) fn end_all_calls(&mut self, why: &str, cx: &mut Context<'_>) {
        self.end_call(why, cx);
        for (_, client) in core::mem::take(&mut self.further) {
            cx.affairs.push(Affair::HungUp { client, why: why.to_owned() });
        }
    }

    /// This client's call is over: the tunnel that it was in is told, once.
    pub(super) fn leave(&mut self, cause: impl FnOnce() -> DisconnectCause, cx: &mut Context<'_>) {
        if let Some(of) = self.tunnel_of.take() {
            cx.affairs.push(Affair::Left { of: of.client, session: of.session, cause: cause() });
        }
    }

    /// A further session is over on its own account.
    pub(crate) fn further_has_left(&mut self, session: u16, cause: &DisconnectCause, cx: &mut Context<'_>) {
        self.further.retain(|(known, _)| *known != session);
        if let Some(t) = &mut self.l2tp {
            t.close_session(session, l2tp::cdn::ADMINISTRATIVE, cause, cx.now);
        }
    }

    /// Traffic of a further session: the tunnel is not idle.
    pub(crate) fn further_traffic(&mut self, data: bool, sent: bool, now: Instant) {
        if let Some(t) = &mut self.l2tp {
            if data {
                t.saw_traffic(true, now);
            }
            if sent {
                t.sent_data(now);
            }
        }
    }

    /// Ends the call alone, and tells the client; a tunnel with other sessions stays.
    pub(crate) fn hang_up(&mut self, why: &str, cx: &mut Context<'_>) {
        self.disconnect(why, cx);
        self.settle_ppp(cx);
        if let (Some(t), Some(call)) = (&mut self.l2tp, &self.call) {
            t.close_session(call.sessions.0, l2tp::cdn::ADMINISTRATIVE, &closed(why), cx.now);
        }
        self.end_call(why, cx);
    }

    /// Whether its call is in another client's tunnel.
    pub(crate) fn is_further(&self) -> bool {
        self.tunnel_of.is_some()
    }

    /// Whether data of this session is numbered because the client wants it so.
    pub(super) fn numbers_data(&self, session: u16) -> bool {
        match &self.tunnel_of {
            Some(of) => of.sequencing,
            None => self.l2tp.as_ref().is_some_and(|t| t.sequencing_required(session)),
        }
    }
}

/// What the client is told where nothing else says why.
pub(super) fn closed(why: &str) -> DisconnectCause {
    farewell::of(&ppp::Cause::Closed { why: why.to_owned() }, 0)
}

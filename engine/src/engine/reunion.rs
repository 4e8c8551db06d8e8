//! What concerns two clients at once: somebody goes on with a tunnel from elsewhere, or comes in who has left a session behind.

use super::Engine;
use crate::client::{Affair, Client, Context, Older, Place, Reached};
use crate::event::Event;
use crate::outbox::{Outbox, Output};
use crate::path::{ClientId, Encap, Spi, Update};
use crate::time::Instant;

/// All that is one client's is on one data thread, told by the low octet of our SPIs and so of clients' numbers.
const SHARDS: u32 = 256;

impl Engine {
    /// What a client could not settle alone.
    pub(super) fn on_affair(&mut self, id: u32, affair: Affair, now: Instant, out: &mut Outbox) {
        match affair {
            Affair::Arrived => self.on_arrived(id, now, out),
            Affair::Stray { spi, tunnel_id } => self.on_stray_control(id, spi, tunnel_id, now, out),
            Affair::Proven { from, spi, place } => {
                self.on_proven(self.tunnel_owner(id), from, (spi, place), now, out);
            }
            Affair::Unproven { from, spi } if from == self.tunnel_owner(id) => {
                self.with_client(from, now, out, |c, cx| c.drop_pair(spi, cx));
            }
            Affair::Unproven { from, .. } => {
                self.with_client(from, now, out, |c, cx| c.delete_all(cx));
                self.remove_client(from, "it is not the user of the tunnel that it named", now, out);
            }
            Affair::Claimed { from, spi, place } => {
                let further = self.clients.get(&id).map(|c| c.further.clone()).unwrap_or_default();
                let has_user = |id: &u32| self.clients.get(id).is_some_and(|c| c.user().is_some());
                if let Some(asked) = further.into_iter().map(|(_, client)| client).find(has_user) {
                    self.with_client(asked, now, out, |c, cx| c.on_claim((from, spi), place, None, cx));
                }
            }
            Affair::Further { sessions } => self.on_further(id, sessions, now, out),
            Affair::HungUp { client, why } => self.remove_client(client, &why, now, out),
            Affair::Left { of, session, cause } => {
                self.with_client(of, now, out, |c, cx| c.further_has_left(session, &cause, cx));
            }
        }
    }

    /// A data frame came on an SA that does not carry its session.
    pub(super) fn on_stray(
        &mut self,
        (id, spi): (u32, u32),
        place: Place,
        (tunnel_id, session_id): (u16, u16),
        ppp: &[u8],
        now: Instant,
        out: &mut Outbox,
    ) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.reaches(Reached::L2tp);
        }
        let Some(client) = self.clients.get(&id) else { return };
        if let Some(callee) = client.call_of(tunnel_id, session_id) {
            let mut carries = false;
            self.with_client(id, now, out, |c, cx| carries = c.is_trusted(spi) || c.takes_over_unused(spi, cx));
            return self.with_client(callee, now, out, |c, cx| {
                if carries {
                    c.on_frame(ppp, cx);
                } else {
                    c.on_claim((id, spi), place, Some(ppp), cx);
                }
            });
        }
        let callee = self.of_the_same_group(client, tunnel_id).find_map(|c| c.call_of(tunnel_id, session_id));
        if let Some(callee) = callee {
            self.with_client(callee, now, out, |c, cx| c.on_claim((id, spi), place, Some(ppp), cx));
        }
    }

    /// The client that has the tunnel which this one's call is in.
    fn tunnel_owner(&self, id: u32) -> u32 {
        self.clients.get(&id).map_or(id, |c| c.tunnel_owner())
    }

    /// One more session of a client's tunnel is up: it becomes a client of its own.
    fn on_further(&mut self, of: u32, sessions: (u16, u16), now: Instant, out: &mut Outbox) {
        let id = self.next_client.saturating_add(of.wrapping_sub(self.next_client) % SHARDS);
        let Some(first) = self.clients.get(&of) else { return };
        let mut cx = context!(self, now, out);
        let Some(client) = Client::further(id, first, sessions, &mut cx) else { return };
        self.next_client = id.saturating_add(1);
        self.clients.insert(id, Box::new(client));
        if let Some(first) = self.clients.get_mut(&of) {
            first.further.push((sessions.0, id));
        }
        self.with_client(id, now, out, |_, _| {});
    }

    /// Further sessions are where their tunnel is.
    pub(super) fn take_along(&mut self, id: u32) {
        let Some((endpoint, further)) = self.clients.get(&id).map(|c| (c.endpoint, c.further.clone())) else { return };
        for (_, other) in further {
            if let Some(other) = self.clients.get_mut(&other) {
                other.endpoint = endpoint;
            }
        }
    }

    /// A control message came on an SA that does not carry its tunnel.
    fn on_stray_control(&mut self, id: u32, spi: u32, tunnel_id: u16, now: Instant, out: &mut Outbox) {
        let Some(client) = self.clients.get(&id) else { return };
        let place = client.place();
        let has = |c: &Client| c.l2tp.as_ref().is_some_and(|t| t.local_id() == tunnel_id);
        let owner = if has(client) {
            Some(id)
        } else {
            // The id alone may be that of several.
            let mut owners = self.of_the_same_group(client, tunnel_id).map(|c| c.id);
            owners.next().filter(|_| owners.next().is_none())
        };
        if let Some(owner) = owner {
            self.with_client(owner, now, out, |c, cx| c.on_claim((id, spi), place, None, cx));
        }
    }

    /// The clients with this tunnel that a client without one may be: those that have shown the same key.
    fn of_the_same_group<'a>(&'a self, client: &'a Client, tunnel_id: u16) -> impl Iterator<Item = &'a Client> {
        let owners = self.census.with_tunnel_id(tunnel_id).filter_map(|id| self.clients.get(&id));
        let may_be = move |c: &&Client| client.l2tp.is_none() && c.id != client.id && c.gateways == client.gateways;
        owners.map(|owner| &**owner).filter(may_be)
    }

    /// The user of client `id` has answered on a pair that client `from` has made: they are one.
    fn on_proven(&mut self, id: u32, from: u32, (spi, (peer, local)): (u32, Place), now: Instant, out: &mut Outbox) {
        if from != id && !self.merge(id, from, spi, now, out) {
            return;
        }
        self.with_client(id, now, out, |c, cx| c.trust(spi, cx));
        // It may have moved on while it was asked.
        self.on_moved(ClientId(id), peer, local, now, out);
    }

    fn merge(&mut self, id: u32, from: u32, spi: u32, now: Instant, out: &mut Outbox) -> bool {
        let Some(newer) = self.clients.get_mut(&from).filter(|c| c.l2tp.is_none()) else { return false };
        if !newer.pairs.iter().any(|p| p.inbound == spi) {
            return false;
        }
        let (ikes, mut pairs) = (core::mem::take(&mut newer.ikes), core::mem::take(&mut newer.pairs));
        let endpoint = newer.endpoint;
        for p in &mut pairs {
            // Each of its ISAKMP SAs has to be vouched for by itself.
            p.distrust();
            out.push(Output::Path(Update::Distrust { spi: Spi(p.inbound) }));
        }
        let encap = if pairs.last().is_some_and(|p| p.udp) { Encap::Udp } else { Encap::Raw };
        let (client, to) = (ClientId(from), ClientId(id));
        out.push(Output::Path(Update::Peer { client: to, peer: endpoint.peer, local: endpoint.local.ip(), encap }));
        out.push(Output::Path(Update::Adopt { from: client, to }));
        self.remove_client(from, "it is another client's", now, out);
        let Some(older) = self.clients.get(&id) else { return false };
        let old = older.endpoint.peer;
        out.push(Output::Event(Event::Moved { tunnel: older.tunnel.unwrap_or(0), from: old, to: endpoint.peer }));
        if self.by_peer.get(&old) == Some(&id) {
            self.by_peer.remove(&old);
        }
        self.by_peer.insert(endpoint.peer, id);
        self.owners.extend(ikes.iter().map(|sa| (sa.cookies(), id)));
        self.with_client(id, now, out, |c, cx| c.move_in(ikes, pairs, endpoint, cx));
        self.take_along(id);
        true
    }

    /// All tunnels are taken: the client that has been silent for longest, and has missed a keepalive, makes room.
    pub(super) fn free_a_tunnel(&mut self, id: u32, now: Instant, out: &mut Outbox) {
        let Self { census, clients, tunnels, gateways, .. } = self;
        let (Some(client), Some(beat)) = (clients.get(&id), gateways.beat()) else { return };
        let group = client.gateways.clone();
        let gateway = |c: &Client| c.tunnel.and_then(|n| tunnels.get(&n)).map(|t| t.gateway.id);
        let serves = |c: &Client| gateway(c).is_some_and(|gateway| gateways.has(&group, gateway));
        if let Some(older) = census.most_silent(beat, clients, now, |c| c.is_silent(now) && serves(c)) {
            self.end(older, "the client is silent, and its tunnel was needed", now, out);
        }
    }

    /// A user has proved who it is. Older sessions of what looks like the same device end; a device that shows signs of
    /// life on its own is another one.
    fn on_arrived(&mut self, id: u32, now: Instant, out: &mut Outbox) {
        let Some(newer) = self.clients.get(&id) else { return };
        let Some(user) = newer.arriving().map(str::to_owned) else { return };
        let peer = newer.endpoint.peer;
        let alone = newer.pp_of(&self.config, &self.tunnels).is_some_and(|pp| pp.multi_connect_prohibit);
        let found = self.census.beside(&user, id, (alone, self.gateways.beat()), &mut self.clients, now);
        let Some(newer) = self.clients.get(&id) else { return };
        let of_user = |c: &&Client| c.call.as_ref().is_some_and(|call| call.is_of(&user));
        let older = found.iter().filter_map(|id| self.clients.get(id).map(|c| &**c)).filter(of_user);
        let judged: Vec<(u32, Older)> = older.map(|c| (c.id, c.beside(newer, alone, now))).collect();
        let asked: Vec<u32> = judged.iter().filter(|(_, o)| *o == Older::Asked).map(|(c, _)| *c).collect();
        if !asked.is_empty() {
            for older in asked {
                self.with_client(older, now, out, |c, _| c.ask_for_life());
            }
            self.with_client(id, now, out, |c, cx| c.wait_for_older(cx.now));
            return;
        }
        for (older, _) in judged.iter().filter(|(_, o)| *o == Older::Ends) {
            let why = format!("the client came back from {peer}");
            if self.tunnel_owner(*older) == self.tunnel_owner(id) {
                self.with_client(*older, now, out, |c, cx| c.hang_up(&why, cx));
            } else {
                self.end(*older, &why, now, out);
            }
        }
        let stays = judged.iter().any(|(_, o)| *o == Older::Stays);
        self.with_client(id, now, out, |c, cx| if alone && stays { c.turn_away(cx) } else { c.let_in(cx) });
    }
}

//! Whose a tunnel is: SAs of a new phase 1 carry it only after its user was asked on them and has answered.
//!
//! The group's key authenticates no user. What an ISAKMP SA has made belongs to whoever made the ISAKMP SA; one that comes
//! later, from the same place or another, has to show that its owner is the user of the call.

use super::{Call, Client, Context, Pair};
use crate::aaa;
use crate::event::{Event, Unproven};
use crate::guesses::Network;
use crate::ike::Endpoint;
use crate::ike::keys::Cookies;
use crate::ike::sa::Sa;
use crate::outbox::Output;
use crate::path::{Spi, Update};
use crate::ppp::{Asked, Attempt, Rechallenge, Verdict};
use crate::time::{Instant, earliest};
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use serde::{Deserialize, Serialize};
use wire::l2tp::DisconnectCause;

/// Questions that may be open for one call; the oldest goes first.
const MOST_CLAIMS: usize = 4;
/// Pairs that are remembered as refused, so that each is told of once.
const MOST_REFUSED: usize = 16;
/// A refusal is told once for a client within this time.
const TELL_AGAIN: Duration = Duration::from_secs(60);
/// Pairs of one client that nobody has vouched for.
const MOST_DISTRUSTED: usize = 2;

/// Who has just proved who it is may not know that yet: a question that overtook the news would spoil it, for a client
/// holds the outcome against its last answer.
const NEXT_QUESTION: Duration = Duration::from_secs(2);

/// A client's outer address and port, and our address there.
pub(crate) type Place = (SocketAddr, IpAddr);

/// Somebody would go on with the call on a pair of SAs, and was asked who it is.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Claim {
    /// The client that has made the pair: this one, or one that is known by nothing else.
    from: u32,
    /// Our SPI of the pair.
    spi: u32,
    /// Where it was heard last, and our address there.
    place: Place,
    /// The question, once its time has come.
    asked: Option<Rechallenge>,
}

/// What only the engine can do, since it concerns more than one client.
#[derive(Clone, Debug)]
pub(crate) enum Affair {
    /// The user of this client's call has proved who it is; whether an older session of the same user is to end is not
    /// known yet.
    Arrived,
    /// A control message for this tunnel came on a pair that does not carry it.
    Stray { spi: u32, tunnel_id: u16 },
    /// The user of this call has answered on this pair.
    Proven { from: u32, spi: u32, place: Place },
    /// Somebody did not answer rightly, or at all.
    Unproven { from: u32, spi: u32 },
    /// Somebody would go on with a tunnel whose first call is over: the user of another one in it is to be asked.
    Claimed { from: u32, spi: u32, place: Place },
    /// One more session of this client's tunnel is up: our id, and the client's.
    Further { sessions: (u16, u16) },
    /// A further session was ended with or within its tunnel.
    HungUp { client: u32, why: String },
    /// A further session in the tunnel of client `of` is over, and the tunnel does not know it yet.
    Left { of: u32, session: u16, cause: DisconnectCause },
}

impl Client {
    /// The user that is in.
    pub(crate) fn user(&self) -> Option<&str> {
        self.call.as_ref()?.user.as_deref()
    }

    /// Where it is.
    pub(crate) fn place(&self) -> Place {
        (self.endpoint.peer, self.endpoint.local.ip())
    }

    /// Whether a pair carries the tunnel.
    pub(super) fn carries(&self) -> bool {
        self.pairs.iter().any(|p| p.trusted)
    }

    pub(crate) fn is_trusted(&self, spi: u32) -> bool {
        self.pairs.iter().any(|p| p.inbound == spi && p.trusted)
    }

    /// Whether pairs that this ISAKMP SA makes carry the tunnel.
    pub(super) fn owns(&self, cookies: Cookies) -> bool {
        self.owners.contains(&cookies)
    }

    /// An ISAKMP SA that comes before there is anything to take is as good as any other.
    pub(super) fn note_owner(&mut self, cookies: Cookies) {
        if self.l2tp.is_none() && self.pairs.is_empty() {
            self.owners.push(cookies);
        }
        self.owners.retain(|c| self.ikes.iter().any(|sa| sa.cookies() == *c));
    }

    /// Makes room for one more pair that nobody has vouched for.
    pub(super) fn make_room_for_distrusted(&mut self, cx: &mut Context<'_>) {
        let of_strangers = |p: &Pair| !p.trusted;
        if self.pairs.iter().filter(|p| of_strangers(p)).count() >= MOST_DISTRUSTED
            && let Some(at) = self.pairs.iter().position(of_strangers)
        {
            let old = self.pairs.remove(at);
            self.retire(&old, cx);
        }
    }

    /// As long as nobody has come in by the tunnel there is nothing to take: whoever goes on with it owns it from here on,
    /// alone. A client that dials twice at once does so.
    pub(crate) fn takes_over_unused(&mut self, spi: u32, cx: &mut Context<'_>) -> bool {
        let is_unused = self.further.is_empty()
            && self.call.as_ref().is_none_or(|call| call.user.is_none() && call.arrival.is_none());
        let is_own = self.pairs.iter().any(|p| p.inbound == spi);
        if is_unused && is_own {
            self.take_ownership(spi, cx);
        }
        is_unused && is_own
    }

    /// An SCCRQ has opened a tunnel on this pair: whoever has made it owns the tunnel, and nobody else.
    pub(super) fn take_ownership(&mut self, spi: u32, cx: &mut Context<'_>) {
        let Some(cookies) = self.pairs.iter().find(|p| p.inbound == spi).map(|p| p.ike) else { return };
        self.owners = vec![cookies];
        self.claims.clear();
        let mut updates = vec![];
        for p in &mut self.pairs {
            let trusted = p.ike == cookies;
            if p.trusted != trusted {
                p.trusted = trusted;
                let spi = Spi(p.inbound);
                updates.push(if trusted { Update::Trust { spi } } else { Update::Distrust { spi } });
            }
        }
        // What is taken away goes first.
        updates.sort_by_key(|u| matches!(u, Update::Trust { .. }));
        updates.into_iter().for_each(|u| cx.path(u));
    }

    /// Somebody would go on with the call on this pair, which client `from` has made: it is asked, or has answered.
    pub(crate) fn on_claim(
        &mut self,
        (from, spi): (u32, u32),
        place: Place,
        frame: Option<&[u8]>,
        cx: &mut Context<'_>,
    ) {
        if self.refused.contains(&spi) {
            return;
        }
        if self.user().is_none() {
            if !self.further.is_empty() {
                cx.affairs.push(Affair::Claimed { from, spi, place });
            }
            return;
        }
        // Of several pairs that one client has made, its user is asked on the last that it was heard on.
        let Some(at) = self.claims.iter().position(|c| c.from == from) else {
            return self.ask(from, spi, place, cx);
        };
        let Some(claim) = self.claims.get_mut(at) else { return };
        let is_new = claim.spi != spi;
        (claim.spi, claim.place) = (spi, place);
        let Some(question) = &mut claim.asked else { return };
        match frame {
            Some(frame) => match question.receive(frame, cx.rng, cx.now) {
                Asked::Nothing | Asked::GaveUp => {}
                Asked::Send(ppp) => self.seal_on(spi, place, ppp, cx),
                Asked::Judge(attempt) => self.judge(at, &attempt, cx),
            },
            None if is_new => {
                let anew = question.ask_anew(cx.rng);
                anew.into_iter().for_each(|ppp| self.seal_on(spi, place, ppp, cx));
            }
            None => {}
        }
    }

    fn ask(&mut self, from: u32, spi: u32, place: Place, cx: &mut Context<'_>) {
        let Some(call) = &self.call else { return };
        if !call.link.is_let_in() {
            return;
        }
        let asked = if self.next_question.is_some_and(|at| !cx.now.reached(at)) {
            None
        } else {
            let Some((question, ppp)) = call.link.rechallenge(cx.rng, cx.now) else {
                return self.refuse_claim(from, spi, Unproven::Pap, cx);
            };
            self.seal_on(spi, place, ppp, cx);
            Some(question)
        };
        if self.claims.len() >= MOST_CLAIMS {
            self.claims.remove(0);
        }
        self.claims.push(Claim { from, spi, place, asked });
    }

    fn seal_on(&self, spi: u32, place: Place, ppp: Vec<u8>, cx: &mut Context<'_>) {
        cx.path(Update::SealOn { client: self.client_id(), spi: Spi(spi), place, ppp });
    }

    fn judge(&mut self, at: usize, attempt: &Attempt, cx: &mut Context<'_>) {
        let Some(pp) = self.pp(cx) else { return };
        let claim = self.claims.remove(at);
        let (from, spi, place) = (claim.from, claim.spi, claim.place);
        // Who claims to be a user could guess passwords as well as one who comes in.
        let network = Network::of(place.0.ip());
        if cx.guesses.wait(&attempt.user, network, cx.now).is_some() {
            return self.refuse_claim(from, spi, Unproven::WrongAnswer, cx);
        }
        let verdict = aaa::check(&pp.users, attempt);
        if matches!(verdict, Verdict::Reject { .. }) {
            let instance = self.call.as_ref().map(|call| call.instance);
            for wait in cx.guesses.wrong(&attempt.user, network, cx.now) {
                instance.into_iter().for_each(|instance| cx.event(Event::Slowed { instance, wait: wait.clone() }));
            }
        }
        let Some(call) = &mut self.call else { return };
        if !matches!(&verdict, Verdict::Accept { user, .. } if Some(user) == call.user.as_ref()) {
            return self.refuse_claim(from, spi, Unproven::WrongAnswer, cx);
        }
        let Some(mut question) = claim.asked else { return };
        let told = question.tell(&verdict, cx.rng, cx.now);
        call.link.proved_again(question);
        self.next_question = Some(cx.now.after(NEXT_QUESTION));
        if let Some(ppp) = told {
            self.seal_on(spi, place, ppp, cx);
        }
        cx.affairs.push(Affair::Proven { from, spi, place });
    }

    fn refuse_claim(&mut self, from: u32, spi: u32, why: Unproven, cx: &mut Context<'_>) {
        self.claims.retain(|c| c.spi != spi);
        if self.refused.len() >= MOST_REFUSED {
            self.refused.remove(0);
        }
        self.refused.push(spi);
        if self.unproven_told.is_none_or(|told| cx.now.since(told) >= TELL_AGAIN) {
            self.unproven_told = Some(cx.now);
            let user = self.call.as_ref().and_then(|call| call.user.clone()).unwrap_or_default();
            cx.out.push(Output::Event(Event::Unproven { tunnel: self.tunnel.unwrap_or(0), user, why }));
        }
        cx.affairs.push(Affair::Unproven { from, spi });
    }

    /// The user has answered on this pair: what its ISAKMP SA has made, and will make, carries the tunnel.
    pub(crate) fn trust(&mut self, spi: u32, cx: &mut Context<'_>) {
        let Some(cookies) = self.pairs.iter().find(|p| p.inbound == spi).map(|p| p.ike) else { return };
        if !self.owns(cookies) {
            self.owners.push(cookies);
        }
        for p in &mut self.pairs {
            if p.ike == cookies && !p.trusted {
                p.trusted = true;
                cx.path(Update::Trust { spi: Spi(p.inbound) });
            }
        }
        if let Some(p) = self.pairs.iter().find(|p| p.inbound == spi) {
            cx.path(Update::Activate { client: self.client_id(), spi: Spi(p.outbound) });
        }
        self.last_heard = cx.now;
        self.idle_since = cx.now;
    }

    /// Whether its user came in by PAP.
    pub(super) fn cannot_be_asked(&self) -> bool {
        self.call.as_ref().is_some_and(|call| call.link.came_by_pap())
    }

    /// A client by PAP has gone on with a pair that cannot carry the call, and of those that could it has confirmed none
    /// and given up the ISAKMP SAs in which it might yet: it holds none of them.
    pub(super) fn has_left_its_pairs(&self) -> bool {
        let may_be_taken = |p: &Pair| p.confirmed || self.ikes.iter().any(|sa| sa.cookies() == p.ike);
        self.cannot_be_asked() && !self.refused.is_empty() && !self.pairs.iter().any(|p| p.trusted && may_be_taken(p))
    }

    /// Nobody answered for this pair of ours: it is taken down, and the client is told.
    pub(crate) fn drop_pair(&mut self, spi: u32, cx: &mut Context<'_>) {
        let (gone, kept): (Vec<_>, Vec<_>) =
            core::mem::take(&mut self.pairs).into_iter().partition(|p| p.inbound == spi && !p.trusted);
        self.pairs = kept;
        if !gone.is_empty() {
            self.expire(&gone, cx);
        }
    }

    /// The client is elsewhere and has made everything anew there; the worker has its SAs already. What it had before is
    /// of no use to it any more.
    pub(crate) fn move_in(&mut self, ikes: Vec<Sa>, pairs: Vec<Pair>, endpoint: Endpoint, cx: &mut Context<'_>) {
        for p in core::mem::replace(&mut self.pairs, pairs) {
            self.retire(&p, cx);
        }
        self.endpoint = endpoint;
        self.ikes.clear();
        self.owners.clear();
        self.claims.clear();
        for sa in ikes {
            self.add_ike(sa, cx);
        }
        self.keepalive_due = self.nat_keepalive(cx).map(|i| cx.now.after(i));
    }

    /// The other clients that would go on with its call.
    pub(crate) fn claimants(&self) -> impl Iterator<Item = u32> {
        self.claims.iter().map(|claim| claim.from).filter(|from| *from != self.id)
    }

    /// Claims that another client has made are void: it is gone.
    pub(crate) fn forget_claims_of(&mut self, from: u32) {
        self.claims.retain(|c| c.from != from);
    }

    pub(super) fn claims_due(&self) -> Option<Instant> {
        let due = |c: &Claim| c.asked.as_ref().map_or(self.next_question, Rechallenge::poll_timeout);
        self.claims.iter().map(due).fold(None, earliest)
    }

    /// Asks what had to wait, and again what was not answered.
    pub(super) fn on_claims_timer(&mut self, cx: &mut Context<'_>) {
        if self.next_question.is_some_and(|at| cx.now.reached(at)) {
            self.next_question = None;
            let waiting: Vec<_> = self.claims.extract_if(.., |c| c.asked.is_none()).collect();
            waiting.into_iter().for_each(|c| self.ask(c.from, c.spi, c.place, cx));
        }
        let (mut again, mut gave_up) = (vec![], vec![]);
        for claim in &mut self.claims {
            let Some(question) = &mut claim.asked else { continue };
            match question.handle_timeout(cx.rng, cx.now) {
                Asked::Send(ppp) => again.push((claim.spi, claim.place, ppp)),
                Asked::GaveUp => gave_up.push((claim.from, claim.spi)),
                Asked::Nothing | Asked::Judge(_) => {}
            }
        }
        for (spi, place, ppp) in again {
            self.seal_on(spi, place, ppp, cx);
        }
        for (from, spi) in gave_up {
            self.refuse_claim(from, spi, Unproven::NoAnswer, cx);
        }
    }
}

impl Pair {
    /// It carries nothing until it is trusted anew.
    pub(crate) fn distrust(&mut self) {
        self.trusted = false;
    }
}

impl Call {
    /// Whether this user has come in by it.
    pub(crate) fn is_of(&self, user: &str) -> bool {
        self.user.as_deref() == Some(user)
    }
}

//! A user comes in: whether by a device that has left an older session behind, or by one more.

use super::claim::Affair;
use super::{Client, Context};
use crate::aaa;
use crate::event::Event;
use crate::guesses::Network;
use crate::l2tp::Tunnel;
use crate::outbox::Output;
use crate::ppp::{self, Verdict, Why};
use crate::time::Instant;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// How long the older session of what looks like the same device has to show that it lives, and how often it is asked.
const ASKED: [Duration; 2] = [Duration::from_millis(400), Duration::from_millis(600)];
/// A client is silent when it has missed a keepalive by this.
const LATE: Duration = Duration::from_secs(5);

/// A verdict that waits until older sessions of the same user are settled.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Arrival {
    verdict: Verdict,
    /// Since when, how often the older sessions were asked for a sign of life, and till when they have time.
    asked: Option<(Instant, usize, Instant)>,
}

/// What is to become of an older session of the same user.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Older {
    /// It is another device.
    Stays,
    /// It may be the same device, which has lost it.
    Asked,
    /// The device has lost it.
    Ends,
}

impl Client {
    pub(super) fn authenticate(&mut self, attempt: &ppp::Attempt, cx: &mut Context<'_>) {
        let Some(pp) = self.pp(cx) else { return };
        let network = Network::of(self.endpoint.peer.ip());
        if let Some(wait) = cx.guesses.wait(&attempt.user, network, cx.now) {
            let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
            return self.keep_out(&attempt.user, Why::TooMany { seconds }, cx);
        }
        let verdict = aaa::check(&pp.users, attempt);
        let Some(call) = &mut self.call else { return };
        match verdict {
            Verdict::Accept { .. } => {
                cx.guesses.right(&attempt.user, network, cx.now);
                call.arrival = Some(Box::new(Arrival { verdict, asked: None }));
                cx.affairs.push(Affair::Arrived);
            }
            Verdict::Reject { why } => {
                let instance = call.instance;
                self.keep_out(&attempt.user, why, cx);
                for wait in cx.guesses.wrong(&attempt.user, network, cx.now) {
                    cx.event(Event::Slowed { instance, wait });
                }
            }
        }
    }

    /// The name of the user that waits to be let in.
    pub(crate) fn arriving(&self) -> Option<&str> {
        match &self.call.as_ref()?.arrival.as_ref()?.verdict {
            Verdict::Accept { user, .. } => Some(user),
            Verdict::Reject { .. } => None,
        }
    }

    /// Since when older sessions have been asked, and whether their time is over.
    fn has_asked(&self, now: Instant) -> Option<(Instant, bool)> {
        let (since, times, until) = self.call.as_ref()?.arrival.as_ref()?.asked?;
        Some((since, times >= ASKED.len() && now.reached(until)))
    }

    /// Whether it has missed a keepalive.
    pub(crate) fn is_silent(&self, now: Instant) -> bool {
        let beat = self.l2tp.as_ref().and_then(Tunnel::keepalive).map(|interval| interval + LATE);
        beat.is_some_and(|beat| now.since(self.last_heard) > beat)
    }

    /// What its device calls itself in L2TP: host name and vendor.
    pub(crate) fn name(&self) -> Option<(String, String)> {
        match &self.tunnel_of {
            Some(of) => Some(of.name.clone()),
            None => self.l2tp.as_ref().map(|t| (t.peer_hostname().to_owned(), t.peer_vendor().to_owned())),
        }
    }

    /// What is to become of this session, whose user has come in once more as `newer`, and may perhaps be in only once.
    pub(crate) fn beside(&self, newer: &Self, alone: bool, now: Instant) -> Older {
        if !self.can_send() {
            return Older::Ends;
        }
        if !alone && !self.is_silent(now) && self.name() != newer.name() {
            return Older::Stays;
        }
        match newer.has_asked(now) {
            Some((since, _)) if self.last_said >= since => Older::Stays,
            Some((_, true)) => Older::Ends,
            Some((_, false)) | None => Older::Asked,
        }
    }

    /// The older session is asked for a sign of life.
    pub(crate) fn ask_for_life(&mut self) {
        if let Some(call) = &mut self.call {
            call.link.ask_for_life();
        }
    }

    /// Older sessions were asked; notes for how long they have.
    pub(crate) fn wait_for_older(&mut self, now: Instant) {
        let Some(arrival) = self.call.as_mut().and_then(|call| call.arrival.as_mut()) else { return };
        let (since, times) = arrival.asked.map_or((now, 0), |(since, times, _)| (since, times));
        if let Some(pause) = ASKED.get(times) {
            arrival.asked = Some((since, times + 1, now.after(*pause)));
        }
    }

    /// The user comes in.
    pub(crate) fn let_in(&mut self, cx: &mut Context<'_>) {
        let Some(call) = &mut self.call else { return };
        let Some(Arrival { verdict, .. }) = call.arrival.take().map(|arrival| *arrival) else { return };
        if let Verdict::Accept { user, .. } = &verdict {
            call.user = Some(user.clone());
        }
        // Whoever comes in next knows from this that it lives.
        self.last_said = cx.now;
        call.link.authorise(verdict, cx.rng, cx.now);
    }

    /// The user is in already, and once is all that is allowed.
    pub(crate) fn turn_away(&mut self, cx: &mut Context<'_>) {
        let Some(user) = self.arriving().map(str::to_owned) else { return };
        if let Some(call) = &mut self.call {
            call.arrival = None;
        }
        self.keep_out(user.as_bytes(), Why::AlreadyConnected, cx);
    }

    fn keep_out(&mut self, user: &[u8], why: Why, cx: &mut Context<'_>) {
        let Some(call) = &mut self.call else { return };
        let user: String = String::from_utf8_lossy(user).chars().filter(|c| !c.is_control()).collect();
        cx.out.push(Output::Event(Event::AuthFailed { instance: call.instance, user, why }));
        call.link.authorise(Verdict::Reject { why }, cx.rng, cx.now);
    }

    pub(super) fn arrival_due(&self) -> Option<Instant> {
        self.call.as_ref()?.arrival.as_ref()?.asked.map(|(_, _, until)| until)
    }

    pub(super) fn on_arrival_timer(&self, cx: &mut Context<'_>) {
        if self.arrival_due().is_some_and(|due| cx.now.reached(due)) {
            cx.affairs.push(Affair::Arrived);
        }
    }
}

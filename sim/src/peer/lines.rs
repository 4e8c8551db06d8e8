//! Several sessions in one tunnel: a client can speak on one line at a time, and listens on all.

use super::{Peer, Stage, ppp};
use engine::time::{Instant, earliest};

/// A session that the client does not speak on right now.
pub(super) struct Line {
    user: String,
    password: String,
    ids: (u16, u16),
    ppp: Option<ppp::Client>,
    stage: Stage,
}

/// All sessions beside the first; the place of the one that is spoken on is empty.
#[derive(Default)]
pub(super) struct Lines {
    all: Vec<Option<Line>>,
    current: usize,
}

impl Lines {
    /// When a line that is only listened on wants to be looked at.
    pub(super) fn due(&self) -> Option<Instant> {
        self.all.iter().flatten().filter_map(|line| line.ppp.as_ref()?.due()).map(Some).fold(None, earliest)
    }

    /// Whether there is more than one session.
    pub(super) fn are_several(&self) -> bool {
        !self.all.is_empty()
    }

    fn of_session(&self, session: u16) -> Option<usize> {
        self.all.iter().position(|line| line.as_ref().is_some_and(|line| line.ids.0 == session))
    }
}

impl Peer {
    /// Opens one more session in the tunnel for another user, and speaks on it.
    pub fn dial_further(&mut self, user: &str, password: &str, now: Instant) {
        self.now = now;
        let session = (self.rng.u64() as u16) | 1;
        if self.lines.all.is_empty() {
            self.lines.all.push(None);
        }
        let line = Line {
            user: user.to_owned(),
            password: password.to_owned(),
            ids: (session, 0),
            ppp: None,
            stage: Stage::L2tp,
        };
        self.lines.all.push(Some(line));
        self.speak_on(self.lines.all.len() - 1);
        self.send_icrq();
    }

    /// Speaks on this line from here on; the first is 0.
    pub fn speak_on(&mut self, line: usize) {
        let before = self.lines.current;
        let Some(next) = self.lines.all.get_mut(line).and_then(Option::take) else { return };
        let Some(lac) = &mut self.l2tp else { return };
        let left = Line {
            user: core::mem::replace(&mut self.manner.user, next.user),
            password: core::mem::replace(&mut self.manner.password, next.password),
            ids: lac.exchange_session(next.ids),
            ppp: core::mem::replace(&mut self.ppp, next.ppp),
            stage: core::mem::replace(&mut self.stage, next.stage),
        };
        if let Some(place) = self.lines.all.get_mut(before) {
            *place = Some(left);
        }
        self.lines.current = line;
    }

    /// Does something on the line that has this session of ours.
    pub(super) fn on_line_of(&mut self, session: u16, act: impl FnOnce(&mut Self)) {
        let before = self.lines.current;
        if let Some(line) = self.lines.of_session(session) {
            self.speak_on(line);
        }
        act(self);
        self.speak_on(before);
    }

    /// Does something on each line.
    pub(super) fn on_each_line(&mut self, act: impl Fn(&mut Self)) {
        let before = self.lines.current;
        act(self);
        for line in 0..self.lines.all.len() {
            if line != before {
                self.speak_on(line);
                act(self);
            }
        }
        self.speak_on(before);
    }

    /// Ends the session that is spoken on, and no other.
    pub fn hang_up_line(&mut self, now: Instant) {
        self.now = now;
        self.end_ppp();
        self.send_cdn();
        self.end_line("hung up");
    }

    /// The session that is spoken on is over.
    pub(super) fn end_line(&mut self, why: &str) {
        self.say(format!("the session ended: {why}"));
        self.stage = Stage::Ended(why.to_owned());
        if let Some(ppp) = &mut self.ppp {
            ppp.stop();
        }
    }
}

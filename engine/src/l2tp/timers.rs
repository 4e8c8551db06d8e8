//! What is due in a tunnel: retransmission, the keepalive, the waits for messages, the disconnect timer.

use super::reliable::Fired;
use super::tunnel::{State, Tunnel, plain};
use super::{Down, L2tpLog, Output, stop};
use crate::time::Instant;
use wire::l2tp::MessageType;

impl Tunnel {
    pub(super) fn fire_retransmission(&mut self, now: Instant) {
        match self.reliable.fire(now) {
            Fired::NotYet => {}
            Fired::Again(leaving) => self.emit(&leaving),
            Fired::HelloMissed { missed, again } => {
                if self.settings.log_keepalive {
                    let tries = self.settings.keepalive.map_or(1, |(_, count)| count);
                    self.log(L2tpLog::KeepaliveTimeout { count: tries.saturating_sub(missed.saturating_sub(1)) });
                }
                match again {
                    Some(hello) => self.emit(&hello),
                    None => {
                        self.log(L2tpLog::KeepaliveTimer { id: self.local_tunnel_id });
                        self.shut(Down::Keepalive, None, plain(stop::ERROR), now);
                    }
                }
            }
            Fired::GaveUp => self.on_unanswered(),
        }
    }

    /// RFC 2661 §5.8: after several retransmissions "the tunnel and all sessions within MUST be cleared".
    fn on_unanswered(&mut self) {
        if self.state == State::Closing {
            return self.finish();
        }
        if let Some(waiting) = self.waiting_for() {
            self.log(L2tpLog::StateTimer { waiting });
        }
        self.tell_silence();
        self.log(L2tpLog::Disconnecting { number: self.settings.number, id: self.local_tunnel_id });
        self.drop_sessions(Down::Unanswered);
        self.output(Output::TunnelDown { why: Down::Unanswered });
        self.finish();
    }

    pub(super) fn fire_state_timer(&mut self, now: Instant) {
        match &self.state {
            State::Closed { until } => {
                if now.reached(*until) {
                    self.finish();
                }
            }
            State::WaitCtlConn { until, .. } => {
                if now.reached(*until) {
                    self.on_state_timer(now);
                }
            }
            State::Established(sessions) => match sessions.late_beside_others(now) {
                Some(local) => self.on_late_session(local, now),
                None if sessions.until().is_some_and(|until| now.reached(until)) => self.on_state_timer(now),
                None => {}
            },
            State::Closing | State::Finished => {}
        }
    }

    /// The message that was waited for did not come; without one, the tunnel was merely kept for another call.
    fn on_state_timer(&mut self, now: Instant) {
        let why = match self.waiting_for() {
            Some(waiting) => {
                self.log(L2tpLog::StateTimer { waiting });
                Down::StateTimer
            }
            None => Down::Local,
        };
        self.shut(why, None, plain(stop::GENERAL), now);
    }

    fn waiting_for(&self) -> Option<MessageType> {
        match &self.state {
            State::WaitCtlConn { .. } => Some(MessageType::Scccn),
            State::Established(sessions) => sessions.waiting_for(),
            State::Closing | State::Closed { .. } | State::Finished => None,
        }
    }

    pub(super) fn idle_due(&self) -> Option<Instant> {
        let idle = self.settings.idle.filter(|_| self.is_session_up())?;
        Some(self.last_data.after(idle))
    }

    /// A HELLO is due on a silent tunnel; where another message waits for its answer, none is needed.
    pub(super) fn hello_due(&self) -> Option<Instant> {
        let (interval, _) = self.settings.keepalive?;
        let idle = matches!(self.state, State::Established(_)) && self.reliable.is_quiet();
        idle.then(|| self.last_heard.after(interval))
    }
}

//! How CCP comes to an end, one or the other: MPPE with its first keys, or none and why.

use super::ccp::Mppe;
use crate::carrier::Taken;
use crate::path::Protection;
use crate::ppp::negotiation::{Negotiation, Step};
use crate::ppp::{Fault, Limits, Link};
use crate::rng::Rng;
use crate::time::Instant;
use command::legacy::Ccp;
use core::time::Duration;
use crypto::mppe::{Side, Strength, start_keys};
use std::collections::VecDeque;
use wire::legacy::ccp::{Bits, CCP};
use wire::ppp::{Code, Packet, encode_frame};

/// What comes of it.
pub(super) enum Outcome {
    /// A PPP frame to send.
    Send(Vec<u8>),
    /// This was agreed on; the words are for people.
    Agreed(Protection, String),
    /// Nothing will be agreed on, for this reason.
    Without(&'static str),
    /// What was agreed on does not hold any more; the call cannot go on.
    Broken(&'static str),
}

enum State {
    /// CCP has not begun, or has come to nothing.
    Off,
    /// CCP runs.
    Negotiating(Negotiation<Mppe>),
    /// Agreed on; CCP stays open.
    Agreed(Negotiation<Mppe>, String),
}

/// CCP in one call.
pub(super) struct Encryption {
    state: State,
    outcomes: VecDeque<Outcome>,
}

impl Encryption {
    pub(super) fn new() -> Self {
        Self { state: State::Off, outcomes: VecDeque::new() }
    }

    /// The client has come in: CCP begins. Keys are made of its password.
    pub(super) fn start(&mut self, ccp: &Ccp, link: &Link, now: Instant) {
        if ccp.keys.is_empty() {
            return self.without("'ppp ccp type' allows none");
        }
        if link.shared().is_none() {
            return self.without("the authentication makes no keys for it; 'pp auth request mschap-v2' does");
        }
        let limits = Limits {
            restart: Duration::from_millis(u64::from(ccp.restart_ms)),
            max_configure: ccp.max_configure,
            max_terminate: ccp.max_terminate,
            max_failure: ccp.max_failure,
        };
        let mut negotiation = Negotiation::new(Mppe::new(ccp.keys, link.peer_mru()), limits, false);
        let mut steps = Vec::new();
        negotiation.start(now, &mut steps);
        self.state = State::Negotiating(negotiation);
        self.settle(steps, link);
    }

    /// Forgets what was agreed on: LCP is negotiated anew, and keys come with its next authentication.
    pub(super) fn stop(&mut self) {
        self.state = State::Off;
    }

    /// CCP's next outcome.
    pub(super) fn poll_outcome(&mut self) -> Option<Outcome> {
        self.outcomes.pop_front()
    }

    /// Whether it runs or has been agreed on.
    pub(super) fn is_on(&self) -> bool {
        !matches!(self.state, State::Off)
    }

    /// Whether it has been agreed on.
    pub(super) fn is_agreed(&self) -> bool {
        matches!(self.state, State::Agreed(..))
    }

    /// What was agreed on, in words.
    pub(super) fn words(&self) -> &str {
        match &self.state {
            State::Agreed(_, words) => words,
            State::Off | State::Negotiating(_) => "None",
        }
    }

    fn without(&mut self, why: &'static str) {
        self.state = State::Off;
        self.outcomes.push_back(Outcome::Without(why));
    }

    fn broken(&mut self, why: &'static str) {
        self.outcomes.push_back(Outcome::Broken(why));
    }

    fn settle(&mut self, steps: Vec<Step>, link: &Link) {
        for step in steps {
            match step {
                Step::Send(packet) => self.outcomes.push_back(Outcome::Send(encode_frame(CCP, &packet))),
                Step::LayerUp => self.on_up(link),
                // The keys would begin anew, and what was encrypted under them could be laid over what is to come.
                Step::LayerDown => self.broken("CCP was negotiated anew or ended, which is not safe"),
                Step::LayerStarted => {}
                Step::LayerFinished if matches!(self.state, State::Negotiating(_)) => {
                    self.without("the client does not answer in CCP");
                }
                Step::LayerFinished => {}
                Step::Failed(fault) => self.on_fault(fault),
            }
        }
    }

    fn on_fault(&mut self, fault: Fault) {
        if !matches!(self.state, State::Negotiating(_)) {
            return;
        }
        self.without(match fault {
            Fault::Refused(_) => "the client refuses MPPE",
            Fault::Insists(_) => "the client insists on other keys than 'ppp ccp type' allows",
            Fault::NoEnd => "no agreement was reached in CCP",
        });
    }

    fn on_up(&mut self, link: &Link) {
        let State::Negotiating(negotiation) = &self.state else { return };
        let negotiation = negotiation.clone();
        let (Some((send, receive)), Some(shared)) = (negotiation.options.agreed(), link.shared()) else {
            return self.without("the client asks for no MPPE in CCP");
        };
        if send != receive {
            return self.without("the client wants other keys in one direction than in the other");
        }
        let (send_key, receive_key) = start_keys(shared, strength(send), Side::Server);
        let words = words(send);
        self.state = State::Agreed(negotiation, words.clone());
        let how = Protection { bits: send, send: send_key, receive: receive_key };
        self.outcomes.push_back(Outcome::Agreed(how, words));
    }

    /// A packet of CCP.
    pub(super) fn receive(&mut self, payload: &[u8], link: &Link, rng: &mut Rng, now: Instant) -> Taken {
        let (State::Negotiating(negotiation) | State::Agreed(negotiation, _)) = &mut self.state else {
            return Taken::No;
        };
        let Ok(packet) = Packet::decode(payload) else { return Taken::Yes };
        let mut steps = Vec::new();
        negotiation.receive(&packet, rng, now, &mut steps);
        self.settle(steps, link);
        Taken::Yes
    }

    /// The client has sent something encrypted: it is open, and its acknowledgement was lost.
    pub(super) fn peer_is_open(&mut self, link: &Link, now: Instant) {
        if let State::Negotiating(negotiation) = &mut self.state
            && negotiation.options.agreed().is_some()
        {
            let mut steps = Vec::new();
            negotiation.peer_is_open(now, &mut steps);
            self.settle(steps, link);
        }
    }

    /// LCP may say that the client knows nothing of CCP (RFC 1661 §5.7).
    pub(super) fn on_lcp(&mut self, payload: &[u8]) {
        let rejected = Packet::decode(payload).ok().filter(|packet| packet.code == Code::ProtocolReject);
        let number = u16::from(CCP).to_be_bytes();
        if rejected.is_some_and(|packet| packet.data.starts_with(&number)) {
            match self.state {
                State::Negotiating(_) => self.without("the client does not do CCP"),
                State::Agreed(..) => self.broken("the client does not do CCP any more"),
                State::Off => {}
            }
        }
    }

    pub(super) fn handle_timeout(&mut self, link: &Link, now: Instant) {
        if let State::Negotiating(negotiation) | State::Agreed(negotiation, _) = &mut self.state {
            let mut steps = Vec::new();
            negotiation.handle_timeout(now, &mut steps);
            self.settle(steps, link);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Negotiating(negotiation) | State::Agreed(negotiation, _) => negotiation.poll_timeout(),
            State::Off => None,
        }
    }
}

/// The size of keys that agreed bits name.
pub(super) fn strength(bits: u32) -> Strength {
    if bits & Bits::BITS_128 != 0 {
        Strength::Bits128
    } else if bits & Bits::BITS_56 != 0 {
        Strength::Bits56
    } else {
        Strength::Bits40
    }
}

fn words(bits: u32) -> String {
    let state = if bits & Bits::STATELESS == 0 { "stateful" } else { "stateless" };
    format!("MPPE {}bit {state}", strength(bits).bits())
}

//! The option negotiation automaton of RFC 1661 §4, once, for LCP and every network control protocol.

use crate::rng::Rng;
use crate::time::Instant;
use core::time::Duration;
use serde::{Deserialize, Serialize};
use wire::ppp::{Code, Opt, Packet, decode_options, encode_options};

/// The states of RFC 1661 §4.2, numbered as in the table of §4.1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum State {
    /// The lower layer is down and nobody has asked to open.
    Initial,
    /// Asked to open, the lower layer is down.
    Starting,
    /// The lower layer is up, nobody has asked to open.
    Closed,
    /// Gave up or was terminated; waits for the peer.
    Stopped,
    /// We sent Terminate-Request because we were asked to close.
    Closing,
    /// Like Closing, but the end was the peer's or the automaton's doing.
    Stopping,
    /// A Configure-Request was sent.
    ReqSent,
    /// Ours was acknowledged, theirs was not.
    AckRcvd,
    /// Theirs was acknowledged, ours was not.
    AckSent,
    /// Both are acknowledged.
    Opened,
}

/// The events of RFC 1661 §4.3.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// The lower layer is up.
    Up,
    /// The lower layer is down.
    Down,
    /// Administrative open.
    Open,
    /// Administrative close.
    Close,
    /// Time-out with tries left (TO+).
    TimeoutMore,
    /// Time-out with no tries left (TO-).
    TimeoutLast,
    /// An acceptable Configure-Request (RCR+).
    RequestGood,
    /// An unacceptable Configure-Request (RCR-).
    RequestBad,
    /// Configure-Ack (RCA).
    Ack,
    /// Configure-Nak or Configure-Reject (RCN).
    Nak,
    /// Terminate-Request (RTR).
    TerminateRequest,
    /// Terminate-Ack (RTA).
    TerminateAck,
    /// A code that is not known (RUC).
    UnknownCode,
    /// A Code-Reject or Protocol-Reject that can be lived with (RXJ+).
    RejectHarmless,
    /// A Code-Reject or Protocol-Reject of something that is needed (RXJ-).
    RejectFatal,
    /// Echo-Request, Echo-Reply or Discard-Request (RXR).
    Echo,
}

/// The actions of RFC 1661 §4.4, by the names of its table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// This-Layer-Up.
    Tlu,
    /// This-Layer-Down.
    Tld,
    /// This-Layer-Started.
    Tls,
    /// This-Layer-Finished.
    Tlf,
    /// Initialize-Restart-Count.
    Irc,
    /// Zero-Restart-Count.
    Zrc,
    /// Send-Configure-Request.
    Scr,
    /// Send-Configure-Ack.
    Sca,
    /// Send-Configure-Nak or -Reject.
    Scn,
    /// Send-Terminate-Request.
    Str,
    /// Send-Terminate-Ack.
    Sta,
    /// Send-Code-Reject.
    Scj,
    /// Send-Echo-Reply.
    Ser,
}

/// One cell of the table: what to do and where to go; nothing for an event that cannot occur there.
pub type Cell = Option<(&'static [Action], State)>;

const fn go(actions: &'static [Action], state: State) -> Cell {
    Some((actions, state))
}

/// What `event` does in `state`: the table of RFC 1661 §4.1, one row an event, its states in columns 0 to 9.
pub fn transition(state: State, event: Event) -> Cell {
    row(event).get(state as usize).copied().flatten()
}

#[rustfmt::skip]
fn row(event: Event) -> [Cell; 10] {
    use Action::*;
    use State::*;
    const NO: Cell = None;
    match event {
        Event::Up => [go(&[], Closed), go(&[Irc, Scr], ReqSent), NO, NO, NO, NO, NO, NO, NO, NO],
        Event::Down => [
            NO, NO, go(&[], Initial), go(&[Tls], Starting), go(&[], Initial), go(&[], Starting),
            go(&[], Starting), go(&[], Starting), go(&[], Starting), go(&[Tld], Starting),
        ],
        Event::Open => [
            go(&[Tls], Starting), go(&[], Starting), go(&[Irc, Scr], ReqSent), go(&[], Stopped), go(&[], Stopping),
            go(&[], Stopping), go(&[], ReqSent), go(&[], AckRcvd), go(&[], AckSent), go(&[], Opened),
        ],
        Event::Close => [
            go(&[], Initial), go(&[Tlf], Initial), go(&[], Closed), go(&[], Closed), go(&[], Closing), go(&[], Closing),
            go(&[Irc, Str], Closing), go(&[Irc, Str], Closing), go(&[Irc, Str], Closing), go(&[Tld, Irc, Str], Closing),
        ],
        Event::TimeoutMore => [
            NO, NO, NO, NO, go(&[Str], Closing), go(&[Str], Stopping),
            go(&[Scr], ReqSent), go(&[Scr], ReqSent), go(&[Scr], AckSent), NO,
        ],
        Event::TimeoutLast => [
            NO, NO, NO, NO, go(&[Tlf], Closed), go(&[Tlf], Stopped),
            go(&[Tlf], Stopped), go(&[Tlf], Stopped), go(&[Tlf], Stopped), NO,
        ],
        Event::RequestGood => [
            NO, NO, go(&[Sta], Closed), go(&[Irc, Scr, Sca], AckSent), go(&[], Closing), go(&[], Stopping),
            go(&[Sca], AckSent), go(&[Sca, Tlu], Opened), go(&[Sca], AckSent), go(&[Tld, Scr, Sca], AckSent),
        ],
        Event::RequestBad => [
            NO, NO, go(&[Sta], Closed), go(&[Irc, Scr, Scn], ReqSent), go(&[], Closing), go(&[], Stopping),
            go(&[Scn], ReqSent), go(&[Scn], AckRcvd), go(&[Scn], ReqSent), go(&[Tld, Scr, Scn], ReqSent),
        ],
        Event::Ack => [
            NO, NO, go(&[Sta], Closed), go(&[Sta], Stopped), go(&[], Closing), go(&[], Stopping),
            go(&[Irc], AckRcvd), go(&[Scr], ReqSent), go(&[Irc, Tlu], Opened), go(&[Tld, Scr], ReqSent),
        ],
        Event::Nak => [
            NO, NO, go(&[Sta], Closed), go(&[Sta], Stopped), go(&[], Closing), go(&[], Stopping),
            go(&[Irc, Scr], ReqSent), go(&[Scr], ReqSent), go(&[Irc, Scr], AckSent), go(&[Tld, Scr], ReqSent),
        ],
        Event::TerminateRequest => [
            NO, NO, go(&[Sta], Closed), go(&[Sta], Stopped), go(&[Sta], Closing), go(&[Sta], Stopping),
            go(&[Sta], ReqSent), go(&[Sta], ReqSent), go(&[Sta], ReqSent), go(&[Tld, Zrc, Sta], Stopping),
        ],
        Event::TerminateAck => [
            NO, NO, go(&[], Closed), go(&[], Stopped), go(&[Tlf], Closed), go(&[Tlf], Stopped),
            go(&[], ReqSent), go(&[], ReqSent), go(&[], AckSent), go(&[Tld, Scr], ReqSent),
        ],
        Event::UnknownCode => [
            NO, NO, go(&[Scj], Closed), go(&[Scj], Stopped), go(&[Scj], Closing), go(&[Scj], Stopping),
            go(&[Scj], ReqSent), go(&[Scj], AckRcvd), go(&[Scj], AckSent), go(&[Scj], Opened),
        ],
        Event::RejectHarmless => [
            NO, NO, go(&[], Closed), go(&[], Stopped), go(&[], Closing), go(&[], Stopping),
            go(&[], ReqSent), go(&[], ReqSent), go(&[], AckSent), go(&[], Opened),
        ],
        Event::RejectFatal => [
            NO, NO, go(&[Tlf], Closed), go(&[Tlf], Stopped), go(&[Tlf], Closed), go(&[Tlf], Stopped),
            go(&[Tlf], Stopped), go(&[Tlf], Stopped), go(&[Tlf], Stopped), go(&[Tld, Irc, Str], Stopping),
        ],
        Event::Echo => [
            NO, NO, go(&[], Closed), go(&[], Stopped), go(&[], Closing), go(&[], Stopping),
            go(&[], ReqSent), go(&[], AckRcvd), go(&[], AckSent), go(&[Ser], Opened),
        ],
    }
}

/// Timer and counters of one automaton (RFC 1661 §4.6).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Limits {
    /// Restart timer.
    pub restart: Duration,
    /// Max-Configure: how often a Configure-Request is sent without an answer.
    pub max_configure: u32,
    /// Max-Terminate: how often a Terminate-Request is sent without an answer.
    pub max_terminate: u32,
    /// Max-Failure: Configure-Naks sent before they become Configure-Rejects.
    pub max_failure: u32,
}

/// Windows may overlook the first Configure-Request, so it is repeated after this (docs/interop.md).
const FIRST_REPEAT: Duration = Duration::from_secs(1);

/// Configure-Naks and -Rejects taken from the peer before one negotiation is given up.
const MAX_REFUSALS_TAKEN: u32 = 10;

/// Configure-Naks and -Rejects sent to the peer, without one Configure-Ack, before one negotiation is given up.
const MAX_REFUSALS_SENT: u32 = 40;

/// What the options of one protocol mean.
pub(crate) trait Options {
    /// What our Configure-Request asks for at this moment.
    fn request(&self) -> Vec<Opt>;
    /// Judges the peer's Configure-Request; if the answer is an Ack, the values are in force.
    fn judge(&mut self, asked: &[Opt], rng: &mut Rng) -> Judgement;
    /// The peer would rather have these values.
    ///
    /// # Errors
    /// The negotiation cannot go on.
    fn on_nak(&mut self, wanted: &[Opt], rng: &mut Rng) -> Result<(), Fault>;
    /// The peer does not want these options.
    ///
    /// # Errors
    /// The negotiation cannot go on.
    fn on_reject(&mut self, refused: &[Opt]) -> Result<(), Fault>;
    /// Whether this option of the peer may be rejected when Naks have had no effect.
    fn may_reject(kind: u8) -> bool;
    /// The peer's maximum receive unit in octets.
    fn peer_mru(&self) -> u16;
}

/// The answer to a Configure-Request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Judgement {
    /// All is well.
    Ack,
    /// These options are known, but their values should be these.
    Nak(Vec<Opt>),
    /// These options are not wanted.
    Reject(Vec<Opt>),
}

/// Why a negotiation cannot succeed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Fault {
    /// The peer refuses an option that we cannot do without.
    Refused(u8),
    /// The peer insists on a value that we cannot accept.
    Insists(u8),
    /// The two sides did not agree after many rounds.
    NoEnd,
}

/// What a negotiation wants done, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// Send this packet of the negotiated protocol.
    Send(Vec<u8>),
    /// The layer is up.
    LayerUp,
    /// The layer is not up any more.
    LayerDown,
    /// The layer needs the one below.
    LayerStarted,
    /// The layer does not need the one below any more.
    LayerFinished,
    /// There will be no agreement; the owner should close.
    Failed(Fault),
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Sent {
    id: u8,
    options: Vec<u8>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Acknowledged {
    id: u8,
    options: Vec<u8>,
    until: Instant,
}

/// One automaton and the options it negotiates.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Negotiation<O> {
    pub(crate) options: O,
    state: State,
    limits: Limits,
    passive: bool,
    restart_count: u32,
    series_begins: bool,
    due: Option<Instant>,
    last_id: u8,
    /// The Configure-Request that has not been answered; an answer is taken once only, so that a repeated one does no harm.
    unanswered: Option<Sent>,
    /// The peer's Configure-Request that was acknowledged last.
    acknowledged: Option<Acknowledged>,
    naks_sent: u32,
    refusals_sent: u32,
    refusals_taken: u32,
}

impl<O: Options> Negotiation<O> {
    /// An automaton in the Initial state; `passive` waits for the peer's Configure-Request before sending any.
    pub(crate) fn new(options: O, limits: Limits, passive: bool) -> Self {
        Self {
            options,
            state: State::Initial,
            limits,
            passive,
            restart_count: 0,
            series_begins: true,
            due: None,
            last_id: 0,
            unanswered: None,
            acknowledged: None,
            naks_sent: 0,
            refusals_sent: 0,
            refusals_taken: 0,
        }
    }

    /// The state.
    pub(crate) fn state(&self) -> State {
        self.state
    }

    /// Whether both sides have agreed.
    pub(crate) fn is_opened(&self) -> bool {
        self.state == State::Opened
    }

    /// An identifier that was not used for the packet before.
    pub(crate) fn next_id(&mut self) -> u8 {
        self.last_id = self.last_id.wrapping_add(1);
        self.last_id
    }

    /// Opens with the lower layer up: the negotiation begins.
    pub(crate) fn start(&mut self, now: Instant, out: &mut Vec<Step>) {
        self.fire(Event::Open, 0, None, now, out);
        self.fire(Event::Up, 0, None, now, out);
    }

    /// Closes in an orderly way, with a Terminate-Request where there is something to terminate.
    pub(crate) fn close(&mut self, now: Instant, out: &mut Vec<Step>) {
        self.fire(Event::Close, 0, None, now, out);
    }

    /// When [`Self::handle_timeout`] wants to be called.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// The restart timer may have run out.
    pub(crate) fn handle_timeout(&mut self, now: Instant, out: &mut Vec<Step>) {
        if self.due.is_some_and(|due| now.reached(due)) {
            let event = if self.restart_count > 0 { Event::TimeoutMore } else { Event::TimeoutLast };
            self.fire(event, 0, None, now, out);
        }
    }

    /// A packet with a code of 1 to 7 arrived; any other code is answered with Code-Reject.
    pub(crate) fn receive(&mut self, packet: &Packet<'_>, rng: &mut Rng, now: Instant, out: &mut Vec<Step>) {
        match packet.code {
            Code::ConfigureRequest => self.on_configure_request(packet, rng, now, out),
            Code::ConfigureAck => self.on_configure_ack(packet, now, out),
            Code::ConfigureNak | Code::ConfigureReject => self.on_configure_refusal(packet, rng, now, out),
            Code::TerminateRequest => self.fire(Event::TerminateRequest, packet.id, None, now, out),
            Code::TerminateAck => self.fire(Event::TerminateAck, packet.id, None, now, out),
            Code::CodeReject => self.on_code_reject(packet, now, out),
            _ => self.on_unknown_code(packet, now, out),
        }
    }

    fn on_configure_request(&mut self, packet: &Packet<'_>, rng: &mut Rng, now: Instant, out: &mut Vec<Step>) {
        match self.state {
            // The lower layer is down, or we are on our way out: RFC 1661 §4.1 sends nothing.
            State::Initial | State::Starting | State::Closing | State::Stopping => return,
            State::Closed => return self.fire(Event::RequestGood, packet.id, None, now, out),
            State::Stopped | State::ReqSent | State::AckRcvd | State::AckSent | State::Opened => {}
        }
        if self.is_repetition(packet, now) {
            out.push(Step::Send(encode(Code::ConfigureAck, packet.id, packet.data)));
            return;
        }
        let Ok(asked) = decode_options(packet.data) else { return };
        let mut judgement = self.options.judge(&asked, rng);
        if let Judgement::Nak(wanted) = &judgement
            && self.naks_sent >= self.limits.max_failure
        {
            // RFC 1661 §4.6: after Max-Failure Naks they become Rejects.
            let rejected: Vec<Opt> =
                asked.iter().filter(|a| wanted.iter().any(|w| w.kind == a.kind)).cloned().collect();
            match rejected.iter().find(|o| !O::may_reject(o.kind)) {
                Some(o) => return out.push(Step::Failed(Fault::Insists(o.kind))),
                // Nothing but options that we would have liked to be asked for: go on without them.
                None if rejected.is_empty() => judgement = Judgement::Ack,
                None => judgement = Judgement::Reject(rejected),
            }
        }
        let (event, reply) = match judgement {
            Judgement::Ack => {
                let until = now.after(self.limits.restart.saturating_mul(self.limits.max_configure));
                self.acknowledged = Some(Acknowledged { id: packet.id, options: packet.data.to_vec(), until });
                self.naks_sent = 0;
                self.refusals_sent = 0;
                (Event::RequestGood, encode(Code::ConfigureAck, packet.id, packet.data))
            }
            Judgement::Nak(wanted) => {
                self.naks_sent += 1;
                self.refusals_sent += 1;
                (Event::RequestBad, encode(Code::ConfigureNak, packet.id, &encode_options(&wanted)))
            }
            Judgement::Reject(refused) => {
                self.refusals_sent += 1;
                (Event::RequestBad, encode(Code::ConfigureReject, packet.id, &encode_options(&refused)))
            }
        };
        self.fire(event, packet.id, Some(reply), now, out);
        if self.refusals_sent >= MAX_REFUSALS_SENT {
            out.push(Step::Failed(Fault::NoEnd));
        }
    }

    /// Whether this is the acknowledged Configure-Request once more, because our Ack was lost or a packet was doubled.
    ///
    /// By the table it would take the layer down (RCR in Opened), and with it a call that has done nothing wrong.
    fn is_repetition(&self, packet: &Packet<'_>, now: Instant) -> bool {
        self.state == State::Opened
            && self
                .acknowledged
                .as_ref()
                .is_some_and(|a| a.id == packet.id && a.options == packet.data && !now.reached(a.until))
    }

    fn on_configure_ack(&mut self, packet: &Packet<'_>, now: Instant, out: &mut Vec<Step>) {
        if self.is_negotiating() {
            // RFC 1661 §5.2: identifier and options must match what we sent, else the packet is discarded.
            let Some(sent) = self.unanswered.take_if(|s| s.id == packet.id && s.options == packet.data) else {
                return;
            };
            drop(sent);
        }
        self.fire(Event::Ack, packet.id, None, now, out);
    }

    /// The peer does what it may do only when its side is open: so it has acknowledged our request, and that was lost.
    ///
    /// To repeat the request instead would take an open peer down (RFC 1661 §4.1, RCR in Opened), and its routes with it.
    pub(crate) fn peer_is_open(&mut self, now: Instant, out: &mut Vec<Step>) {
        if self.state == State::AckSent
            && let Some(sent) = self.unanswered.take()
        {
            self.fire(Event::Ack, sent.id, None, now, out);
        }
    }

    fn on_configure_refusal(&mut self, packet: &Packet<'_>, rng: &mut Rng, now: Instant, out: &mut Vec<Step>) {
        if !self.is_negotiating() {
            return self.fire(Event::Nak, packet.id, None, now, out);
        }
        let Ok(options) = decode_options(packet.data) else {
            return;
        };
        let Some(sent) = self.unanswered.take_if(|s| s.id == packet.id) else {
            return;
        };
        let asked = decode_options(&sent.options).unwrap_or_default();
        let ours: Vec<Opt> = options.into_iter().filter(|o| asked.iter().any(|a| a.kind == o.kind)).collect();
        self.refusals_taken += 1;
        let outcome = if self.refusals_taken > MAX_REFUSALS_TAKEN {
            Err(Fault::NoEnd)
        } else if packet.code == Code::ConfigureNak {
            self.options.on_nak(&ours, rng)
        } else {
            self.options.on_reject(&ours)
        };
        match outcome {
            Ok(()) => self.fire(Event::Nak, packet.id, None, now, out),
            Err(fault) => out.push(Step::Failed(fault)),
        }
    }

    fn on_code_reject(&mut self, packet: &Packet<'_>, now: Instant, out: &mut Vec<Step>) {
        // RFC 1661 §5.6: without the codes 1 to 7 there is no negotiation; all others can be done without.
        let fatal = packet.data.first().is_some_and(|code| (1..=7).contains(code));
        let event = if fatal { Event::RejectFatal } else { Event::RejectHarmless };
        self.fire(event, packet.id, None, now, out);
    }

    fn on_unknown_code(&mut self, packet: &Packet<'_>, now: Instant, out: &mut Vec<Step>) {
        let mut rejected = encode(packet.code, packet.id, packet.data);
        rejected.truncate(usize::from(self.options.peer_mru()).saturating_sub(4));
        let id = self.next_id();
        self.fire(Event::UnknownCode, packet.id, Some(encode(Code::CodeReject, id, &rejected)), now, out);
    }

    fn is_negotiating(&self) -> bool {
        matches!(self.state, State::ReqSent | State::AckRcvd | State::AckSent | State::Opened)
    }

    /// Puts an event into the table; `id` is the identifier to answer, `reply` what sca, scn, scj or ser would send.
    pub(crate) fn fire(&mut self, event: Event, id: u8, mut reply: Option<Vec<u8>>, now: Instant, out: &mut Vec<Step>) {
        if self.passive && self.state == State::Starting && event == Event::Up {
            // The passive option of RFC 1661 §4.2: wait in Stopped for the peer to begin.
            self.state = State::Stopped;
            return;
        }
        // What cannot occur in a state is discarded: RFC 1661 §4.4, Illegal-Event, has no action to take.
        let Some((actions, next)) = transition(self.state, event) else {
            return;
        };
        self.state = next;
        for action in actions {
            match action {
                Action::Tlu => {
                    self.naks_sent = 0;
                    self.refusals_sent = 0;
                    self.refusals_taken = 0;
                    out.push(Step::LayerUp);
                }
                Action::Tld => out.push(Step::LayerDown),
                Action::Tls => out.push(Step::LayerStarted),
                Action::Tlf => out.push(Step::LayerFinished),
                Action::Irc => {
                    let terminating = matches!(next, State::Closing | State::Stopping);
                    let limits = &self.limits;
                    self.restart_count = if terminating { limits.max_terminate } else { limits.max_configure };
                    self.series_begins = true;
                }
                Action::Zrc => {
                    self.restart_count = 0;
                    self.due = Some(now.after(self.limits.restart));
                }
                Action::Scr => self.send_configure_request(now, out),
                Action::Str => self.send_terminate_request(now, out),
                Action::Sta => out.push(Step::Send(encode(Code::TerminateAck, id, &[]))),
                Action::Sca | Action::Scn | Action::Scj | Action::Ser => out.extend(reply.take().map(Step::Send)),
            }
        }
        if !matches!(self.state, State::Closing | State::Stopping | State::ReqSent | State::AckRcvd | State::AckSent) {
            self.due = None;
        }
    }

    fn send_configure_request(&mut self, now: Instant, out: &mut Vec<Step>) {
        let options = encode_options(&self.options.request());
        // RFC 1661 §5.1: the identifier changes with the options and after a valid reply; a repetition keeps it.
        let id = match &self.unanswered {
            Some(sent) if sent.options == options => sent.id,
            _ => self.next_id(),
        };
        out.push(Step::Send(encode(Code::ConfigureRequest, id, &options)));
        self.unanswered = Some(Sent { id, options });
        let pause = if self.series_begins { self.limits.restart.min(FIRST_REPEAT) } else { self.limits.restart };
        self.series_begins = false;
        self.restart_count = self.restart_count.saturating_sub(1);
        self.due = Some(now.after(pause));
    }

    fn send_terminate_request(&mut self, now: Instant, out: &mut Vec<Step>) {
        let id = self.next_id();
        out.push(Step::Send(encode(Code::TerminateRequest, id, &[])));
        self.restart_count = self.restart_count.saturating_sub(1);
        self.due = Some(now.after(self.limits.restart));
    }
}

/// A packet of code, identifier, length and data (RFC 1661 §5).
pub(crate) fn encode(code: Code, id: u8, data: &[u8]) -> Vec<u8> {
    Packet::encode(code, id, data)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

    use super::*;
    use core::fmt::Write as _;

    const STATES: [State; 10] = [
        State::Initial,
        State::Starting,
        State::Closed,
        State::Stopped,
        State::Closing,
        State::Stopping,
        State::ReqSent,
        State::AckRcvd,
        State::AckSent,
        State::Opened,
    ];

    const EVENTS: [(&str, Event); 16] = [
        ("Up", Event::Up),
        ("Down", Event::Down),
        ("Open", Event::Open),
        ("Close", Event::Close),
        ("TO+", Event::TimeoutMore),
        ("TO-", Event::TimeoutLast),
        ("RCR+", Event::RequestGood),
        ("RCR-", Event::RequestBad),
        ("RCA", Event::Ack),
        ("RCN", Event::Nak),
        ("RTR", Event::TerminateRequest),
        ("RTA", Event::TerminateAck),
        ("RUC", Event::UnknownCode),
        ("RXJ+", Event::RejectHarmless),
        ("RXJ-", Event::RejectFatal),
        ("RXR", Event::Echo),
    ];

    fn cell(state: State, event: Event) -> String {
        let Some((actions, next)) = transition(state, event) else {
            return "-".to_owned();
        };
        let names: Vec<String> = actions.iter().map(|a| format!("{a:?}").to_lowercase()).collect();
        let slash = if names.is_empty() { "" } else { "/" };
        format!("{}{slash}{}", names.join(","), next as u8)
    }

    fn matrix() -> String {
        let mut out = String::from("The automaton of RFC 1661 §4.1: actions/new state, by event and state\n\n      ");
        for state in STATES {
            write!(out, "| {:14}", format!("{} {state:?}", state as u8)).unwrap();
        }
        out = out.trim_end().to_owned();
        for (name, event) in EVENTS {
            let row: String = STATES.iter().map(|state| format!("| {:14}", cell(*state, event))).collect();
            write!(out, "\n{name:6}{}", row.trim_end()).unwrap();
        }
        out.push('\n');
        out
    }

    #[test]
    fn the_whole_table_is_the_one_of_rfc_1661() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/ppp/automaton.txt");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, matrix()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), matrix(), "UPDATE=1 rewrites the snapshot");
    }

    /// A protocol that asks for one option and takes whatever the peer wants, but for odd kinds.
    struct Plain;

    impl Options for Plain {
        fn request(&self) -> Vec<Opt> {
            vec![Opt { kind: 2, data: vec![7] }]
        }
        fn judge(&mut self, asked: &[Opt], _rng: &mut Rng) -> Judgement {
            match asked.iter().find(|o| o.kind % 2 == 1) {
                Some(o) => Judgement::Nak(vec![Opt { kind: o.kind, data: vec![1] }]),
                None => Judgement::Ack,
            }
        }
        fn on_nak(&mut self, _wanted: &[Opt], _rng: &mut Rng) -> Result<(), Fault> {
            Ok(())
        }
        fn on_reject(&mut self, _refused: &[Opt]) -> Result<(), Fault> {
            Ok(())
        }
        fn may_reject(kind: u8) -> bool {
            kind != 3
        }
        fn peer_mru(&self) -> u16 {
            1500
        }
    }

    struct Bench {
        machine: Negotiation<Plain>,
        rng: Rng,
        now: Instant,
    }

    impl Bench {
        fn new() -> (Self, Vec<Step>) {
            let limits =
                Limits { restart: Duration::from_secs(3), max_configure: 10, max_terminate: 2, max_failure: 2 };
            let machine = Negotiation::new(Plain, limits, false);
            let mut bench = Self { machine, rng: Rng::new([0; 32]), now: Instant(0) };
            let mut out = Vec::new();
            bench.machine.start(bench.now, &mut out);
            (bench, out)
        }

        fn give(&mut self, code: Code, id: u8, data: &[u8]) -> Vec<Step> {
            let mut out = Vec::new();
            self.machine.receive(&Packet { code, id, data }, &mut self.rng, self.now, &mut out);
            out
        }
    }

    #[test]
    fn an_ack_counts_once_and_only_if_it_repeats_what_was_asked() {
        let (mut bench, out) = Bench::new();
        assert_eq!(out, [Step::LayerStarted, Step::Send(encode(Code::ConfigureRequest, 1, &[2, 3, 7]))]);
        assert!(bench.give(Code::ConfigureAck, 2, &[2, 3, 7]).is_empty());
        assert!(bench.give(Code::ConfigureAck, 1, &[2, 3, 8]).is_empty());
        assert_eq!(bench.machine.state(), State::ReqSent);
        assert!(bench.give(Code::ConfigureAck, 1, &[2, 3, 7]).is_empty());
        assert_eq!(bench.machine.state(), State::AckRcvd);
        assert!(bench.give(Code::ConfigureAck, 1, &[2, 3, 7]).is_empty());
        assert_eq!(bench.machine.state(), State::AckRcvd);
        assert_eq!(bench.give(Code::ConfigureRequest, 1, &[]).last(), Some(&Step::LayerUp));
        assert!(bench.give(Code::ConfigureAck, 1, &[2, 3, 7]).is_empty());
        assert_eq!((bench.machine.state(), bench.machine.poll_timeout()), (State::Opened, None));
    }

    #[test]
    fn naks_become_rejects_after_max_failure_unless_the_option_is_needed() {
        let (mut bench, _) = Bench::new();
        let nak = encode(Code::ConfigureNak, 1, &[5, 3, 1]);
        for _ in 0..2 {
            assert_eq!(bench.give(Code::ConfigureRequest, 1, &[5, 2]), [Step::Send(nak.clone())]);
        }
        let reject = encode(Code::ConfigureReject, 1, &[5, 2]);
        assert_eq!(bench.give(Code::ConfigureRequest, 1, &[5, 2]), [Step::Send(reject)]);
        assert_eq!(bench.give(Code::ConfigureRequest, 1, &[3, 2]), [Step::Failed(Fault::Insists(3))]);
    }

    #[test]
    fn a_peer_that_never_agrees_is_given_up() {
        let (mut bench, _) = Bench::new();
        let failed =
            (0..60).position(|_| bench.give(Code::ConfigureRequest, 1, &[5, 2]).contains(&Step::Failed(Fault::NoEnd)));
        assert_eq!(failed, Some(39));
        let (mut bench, _) = Bench::new();
        let failed =
            (1..60).position(|id| bench.give(Code::ConfigureNak, id, &[2, 3, 9]).contains(&Step::Failed(Fault::NoEnd)));
        assert_eq!(failed, Some(10));
    }

    #[test]
    fn a_code_that_is_needed_must_not_be_rejected() {
        let (mut bench, _) = Bench::new();
        assert!(bench.give(Code::CodeReject, 1, &[12, 1, 0, 4]).is_empty());
        assert_eq!(bench.give(Code::CodeReject, 1, &[1, 1, 0, 4]), [Step::LayerFinished]);
    }
}

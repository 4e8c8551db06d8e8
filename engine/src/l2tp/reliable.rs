//! Reliable delivery of control messages: Ns, Nr, the peer's window, retransmission (RFC 2661 §5.8).

use crate::time::{Fire, Instant, Retransmit, Retry};
use core::time::Duration;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// How a control message is repeated: after 1, 2, 4, 8, 8 s, five times after the first; 31 s in all (RFC 2661 §5.8).
pub const CONTROL: Retry = Retry { first: Duration::from_secs(1), factor: 2, cap: Duration::from_secs(8), tries: 6 };

/// The window of a peer that names none (RFC 2661 §4.4.3, Receive Window Size).
pub(super) const DEFAULT_WINDOW: u16 = 4;

/// Messages that the client may have on their way to us (RFC 2661 §4.4.3, Receive Window Size): what a peer assumes that
/// is told nothing.
pub const RECEIVE_WINDOW: u16 = DEFAULT_WINDOW;

/// Messages that came before their turn and are kept: all of the window, and of those that send more than that.
const MOST_HELD: usize = 2 * RECEIVE_WINDOW as usize;

/// Messages that wait for their acknowledgement or for room in the peer's window.
const MOST_QUEUED: usize = 32;

/// What a queued message is to the transport.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) enum Kind {
    /// A message like most.
    Plain,
    /// A HELLO: repeated at the pace of the keepalive.
    Hello,
    /// A StopCCN: leaves even if the peer's window is full, for nothing follows it.
    Stop,
}

/// How far a queued message has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
enum Stage {
    Unsent,
    InFlight,
    /// Sent once, taken for lost, and to be sent again when the window lets it.
    Lost,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Item {
    ns: u16,
    session_id: u16,
    body: Vec<u8>,
    kind: Kind,
    stage: Stage,
}

/// A message that must leave.
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use]
pub(super) struct Leaving {
    pub(super) ns: u16,
    pub(super) nr: u16,
    /// The peer's session id, for the header.
    pub(super) session_id: u16,
    /// The AVPs; none for a ZLB acknowledgement.
    pub(super) body: Vec<u8>,
    pub(super) kind: Kind,
    /// Whether it has been sent before.
    pub(super) again: bool,
}

/// What a received sequence number means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(super) enum Arrival {
    /// It is the expected one: handle the message.
    InOrder,
    /// It was received before: an acknowledgement is owed, nothing else.
    Duplicate,
    /// Something before it is missing; it is kept if there is room, else dropped.
    Early,
}

/// What the retransmission timer found.
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use]
pub(super) enum Fired {
    NotYet,
    /// The oldest message leaves again.
    Again(Leaving),
    /// A HELLO had no answer for an interval; it leaves again, or all its tries were in vain.
    HelloMissed {
        missed: u32,
        again: Option<Leaving>,
    },
    /// The last try went unanswered (RFC 2661 §5.8: the tunnel and all its sessions are cleared).
    GaveUp,
}

/// The sequence number state of one control connection.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Reliable {
    /// Ns of the next message that joins the queue.
    next_ns: u16,
    /// Ns that is expected from the peer.
    next_nr: u16,
    peer_window: u16,
    /// Congestion window and its threshold (RFC 2661 Appendix A), never above `peer_window`.
    cwnd: u16,
    threshold: u16,
    /// Acknowledgements since the congestion window grew last, while it grows slowly.
    grown_by: u16,
    queue: VecDeque<Item>,
    held: BTreeMap<u16, Vec<u8>>,
    ack_owed: bool,
    /// Runs for the oldest message in flight.
    timer: Option<Retransmit<()>>,
    hello: Retry,
}

impl Reliable {
    /// The state after the peer's first message, whose Ns is 0, has been received.
    pub(super) fn after_first(peer_window: u16, hello: Retry) -> Self {
        Self {
            next_ns: 0,
            next_nr: 1,
            peer_window,
            cwnd: 1,
            threshold: peer_window,
            grown_by: 0,
            queue: VecDeque::new(),
            held: BTreeMap::new(),
            ack_owed: false,
            timer: None,
            hello,
        }
    }

    /// Ns of the next message that will be sent for the first time.
    pub(super) fn ns(&self) -> u16 {
        self.queue.iter().find(|item| item.stage == Stage::Unsent).map_or(self.next_ns, |item| item.ns)
    }

    /// Ns that is expected from the peer.
    pub(super) fn nr(&self) -> u16 {
        self.next_nr
    }

    /// Whether every message has been acknowledged.
    pub(super) fn is_quiet(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether the peer's window has room for `n` more messages, and nothing stands before them.
    pub(super) fn has_room(&self, n: usize) -> bool {
        self.queue.len() + n <= usize::from(self.peer_window)
    }

    /// Whether far too many messages wait.
    pub(super) fn is_full(&self) -> bool {
        self.queue.len() >= MOST_QUEUED
    }

    /// Queues a message, if there is room for it; there always is for a StopCCN.
    pub(super) fn push(&mut self, session_id: u16, body: Vec<u8>, kind: Kind) {
        if self.is_full() && kind != Kind::Stop {
            return;
        }
        self.queue.push_back(Item { ns: self.next_ns, session_id, body, kind, stage: Stage::Unsent });
        self.next_ns = self.next_ns.wrapping_add(1);
    }

    /// Forgets messages that were never sent.
    pub(super) fn drop_unsent(&mut self) {
        while let Some(item) = self.queue.back().filter(|item| item.stage == Stage::Unsent) {
            self.next_ns = item.ns;
            self.queue.pop_back();
        }
    }

    /// Forgets everything that waits: nobody will acknowledge it.
    pub(super) fn clear(&mut self) {
        // What was never sent takes up no number, not even in the last acknowledgement.
        self.drop_unsent();
        self.queue.clear();
        self.held.clear();
        self.timer = None;
    }

    /// The next message that may leave: in order, within the window.
    pub(super) fn next_leaving(&mut self, now: Instant) -> Option<Leaving> {
        let in_flight = self.queue.iter().filter(|item| item.stage == Stage::InFlight).count();
        let room = in_flight < usize::from(self.cwnd.min(self.peer_window));
        let stopping = self.queue.back().is_some_and(|item| item.kind == Kind::Stop);
        let nr = self.next_nr;
        let item = self.queue.iter_mut().find(|item| item.stage != Stage::InFlight)?;
        if !room && !stopping {
            return None;
        }
        let again = item.stage == Stage::Lost;
        item.stage = Stage::InFlight;
        let leaving = leaving(item, nr, again);
        self.ack_owed = false;
        // A StopCCN has all its tries before it, and nothing else may stay at the slow pace of a HELLO.
        let restart = match leaving.kind {
            Kind::Stop => !again,
            Kind::Plain => !again && in_flight == 1 && self.front_is_hello(),
            Kind::Hello => false,
        };
        if self.timer.is_none() || restart {
            self.start_timer(now);
        }
        Some(leaving)
    }

    /// The acknowledgement that is owed, if nothing else carries it (RFC 2661 §5.8: a ZLB takes up no Ns).
    pub(super) fn take_zlb(&mut self) -> Option<Leaving> {
        if !core::mem::take(&mut self.ack_owed) {
            return None;
        }
        let (ns, nr) = (self.ns(), self.next_nr);
        Some(Leaving { ns, nr, session_id: 0, body: Vec::new(), kind: Kind::Plain, again: false })
    }

    /// The next message that leaves will acknowledge, and if there is none, a ZLB will.
    pub(super) fn owe_ack(&mut self) {
        self.ack_owed = true;
    }

    /// Takes the peer's Nr; true if it acknowledged a HELLO.
    pub(super) fn acknowledge(&mut self, nr: u16, now: Instant) -> bool {
        let Some(front) = self.queue.front() else { return false };
        let acknowledged = usize::from(nr.wrapping_sub(front.ns));
        let sent = self.queue.iter().take_while(|item| item.stage != Stage::Unsent).count();
        if acknowledged == 0 || acknowledged > sent {
            return false;
        }
        let hello = self.queue.drain(..acknowledged).any(|item| item.kind == Kind::Hello);
        if self.queue.is_empty() {
            self.queue = VecDeque::new();
        }
        self.open_congestion_window();
        self.timer = None;
        if self.queue.iter().any(|item| item.stage == Stage::InFlight) {
            self.start_timer(now);
        }
        hello
    }

    /// Judges the Ns of a message that is not a ZLB; one that came early is kept in `message`'s stead.
    pub(super) fn receive(&mut self, ns: u16, message: &[u8]) -> Arrival {
        let ahead = ns.wrapping_sub(self.next_nr);
        if ahead == 0 {
            self.next_nr = self.next_nr.wrapping_add(1);
            self.ack_owed = true;
            return Arrival::InOrder;
        }
        // RFC 2661 §5.8: "in the range of the last received number and the preceding 32767 values, inclusive".
        if ahead >= 0x8000 {
            self.ack_owed = true;
            return Arrival::Duplicate;
        }
        if usize::from(ahead) <= MOST_HELD && self.held.len() < MOST_HELD {
            self.held.entry(ns).or_insert_with(|| message.to_vec());
        }
        Arrival::Early
    }

    /// The kept message whose turn has come.
    pub(super) fn take_held(&mut self) -> Option<Vec<u8>> {
        let message = self.held.remove(&self.next_nr)?;
        self.next_nr = self.next_nr.wrapping_add(1);
        self.ack_owed = true;
        Some(message)
    }

    /// The oldest message once more, at once, because the peer evidently misses it; its timer is not touched.
    pub(super) fn repeat_front(&mut self) -> Option<Leaving> {
        let nr = self.next_nr;
        let front = self.queue.front().filter(|item| item.stage == Stage::InFlight)?;
        let leaving = leaving(front, nr, true);
        self.ack_owed = false;
        Some(leaving)
    }

    /// The peer lives: the tries of a HELLO count from the beginning.
    pub(super) fn peer_lives(&mut self, now: Instant) {
        if self.timer.is_some() && self.only_hello_in_flight() {
            self.start_timer(now);
        }
    }

    /// When to call [`Self::fire`].
    pub(super) fn due(&self) -> Option<Instant> {
        self.timer.as_ref().map(Retransmit::due)
    }

    /// Looks whether the oldest message must be sent again.
    pub(super) fn fire(&mut self, now: Instant) -> Fired {
        let hello = self.only_hello_in_flight();
        let Some(timer) = self.timer.as_mut() else {
            return Fired::NotYet;
        };
        let missed = timer.sent();
        let again = match timer.fire(now) {
            Fire::NotYet => return Fired::NotYet,
            Fire::Again(&()) => true,
            Fire::GaveUp => false,
        };
        match (again, hello) {
            (false, false) => Fired::GaveUp,
            (false, true) => Fired::HelloMissed { missed, again: None },
            (true, true) => Fired::HelloMissed { missed, again: self.repeat_front() },
            (true, false) => {
                self.close_congestion_window();
                self.repeat_front().map_or(Fired::NotYet, Fired::Again)
            }
        }
    }

    /// HELLOs are repeated by another policy from here on.
    pub(super) fn keep_alive_by(&mut self, hello: Retry) {
        self.hello = hello;
    }

    fn front_is_hello(&self) -> bool {
        self.queue.front().is_some_and(|item| item.kind == Kind::Hello)
    }

    fn only_hello_in_flight(&self) -> bool {
        self.front_is_hello() && self.queue.iter().skip(1).all(|item| item.stage == Stage::Unsent)
    }

    fn start_timer(&mut self, now: Instant) {
        let policy = if self.only_hello_in_flight() { self.hello } else { CONTROL };
        self.timer = Some(Retransmit::new((), policy, now));
    }

    /// RFC 2661 Appendix A: one more message an acknowledgement in slow start, one more a round trip after it.
    fn open_congestion_window(&mut self) {
        self.grown_by = if self.cwnd < self.threshold { self.cwnd } else { self.grown_by.saturating_add(1) };
        if self.grown_by >= self.cwnd {
            self.cwnd = self.cwnd.saturating_add(1).min(self.peer_window);
            self.grown_by = 0;
        }
    }

    /// RFC 2661 Appendix A: half the window is remembered, and sending begins anew with the oldest message.
    fn close_congestion_window(&mut self) {
        self.threshold = (self.cwnd / 2).max(1);
        self.cwnd = 1;
        self.grown_by = 0;
        for item in self.queue.iter_mut().skip(1).filter(|item| item.stage == Stage::InFlight) {
            item.stage = Stage::Lost;
        }
    }
}

fn leaving(item: &Item, nr: u16, again: bool) -> Leaving {
    Leaving { ns: item.ns, nr, session_id: item.session_id, body: item.body.clone(), kind: item.kind, again }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;

    const HELLO: Retry = Retry { first: Duration::from_secs(10), factor: 1, cap: Duration::from_secs(10), tries: 3 };

    fn at(seconds: u64) -> Instant {
        Instant(seconds * 1_000_000_000)
    }

    fn push(r: &mut Reliable, name: u8) {
        r.push(0, vec![name], Kind::Plain);
    }

    fn leave(r: &mut Reliable, now: Instant) -> Vec<(u16, u8)> {
        core::iter::from_fn(|| r.next_leaving(now)).map(|l| (l.ns, l.body[0])).collect()
    }

    #[test]
    fn a_window_of_one_never_has_two_messages_in_flight() {
        let mut r = Reliable::after_first(1, HELLO);
        for name in [1, 2, 3] {
            push(&mut r, name);
        }
        assert_eq!(leave(&mut r, at(0)), [(0, 1)]);
        assert_eq!(leave(&mut r, at(0)), []);
        assert_eq!(r.ns(), 1);
        assert!(!r.acknowledge(1, at(0)));
        assert_eq!(leave(&mut r, at(0)), [(1, 2)]);
        r.acknowledge(2, at(0));
        assert_eq!(leave(&mut r, at(0)), [(2, 3)]);
        r.acknowledge(3, at(0));
        assert!(r.is_quiet() && r.due().is_none());
    }

    #[test]
    fn slow_start_opens_up_to_the_window_of_the_peer_and_no_further() {
        let mut r = Reliable::after_first(4, HELLO);
        for name in 0..12 {
            push(&mut r, name);
        }
        let mut bursts = vec![];
        let mut acknowledged = 0;
        while !r.is_quiet() {
            let burst = leave(&mut r, at(0)).len();
            bursts.push(burst);
            for _ in 0..burst {
                acknowledged += 1;
                r.acknowledge(acknowledged, at(0));
            }
        }
        assert_eq!(bursts, [1, 2, 4, 4, 1]);
    }

    #[test]
    fn after_a_loss_the_oldest_leaves_alone_and_the_rest_follow_its_acknowledgement() {
        let mut r = Reliable::after_first(4, HELLO);
        r.cwnd = 4;
        for name in [1, 2, 3] {
            push(&mut r, name);
        }
        assert_eq!(leave(&mut r, at(0)).len(), 3);
        let Fired::Again(first) = r.fire(at(1)) else { panic!("it is due") };
        assert_eq!((first.ns, first.again), (0, true));
        assert_eq!(leave(&mut r, at(1)), []);
        r.acknowledge(1, at(2));
        assert_eq!(leave(&mut r, at(2)), [(1, 2), (2, 3)]);
        r.acknowledge(3, at(2));
        assert!(r.is_quiet());
    }

    #[test]
    fn a_message_is_sent_at_0_1_3_7_15_23_s_and_given_up_at_31_s() {
        let mut r = Reliable::after_first(4, HELLO);
        push(&mut r, 1);
        assert_eq!(leave(&mut r, at(0)).len(), 1);
        let mut seen = vec![];
        loop {
            let now = r.due().unwrap();
            match r.fire(now) {
                Fired::Again(_) => seen.push(now.0 / 1_000_000_000),
                Fired::GaveUp => {
                    assert_eq!(now, at(31));
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(seen, [1, 3, 7, 15, 23]);
    }

    #[test]
    fn a_retransmission_bears_the_old_ns_and_the_newest_nr() {
        let mut r = Reliable::after_first(4, HELLO);
        push(&mut r, 1);
        let first = r.next_leaving(at(0)).unwrap();
        assert_eq!((first.ns, first.nr), (0, 1));
        assert_eq!(r.receive(1, b"ICRQ"), Arrival::InOrder);
        let Fired::Again(again) = r.fire(at(1)) else { panic!("it is due") };
        assert_eq!((again.ns, again.nr, again.body), (0, 2, first.body));
    }

    #[test]
    fn sequence_numbers_wrap_around() {
        let mut r = Reliable::after_first(4, HELLO);
        (r.next_ns, r.next_nr, r.cwnd) = (0xffff, 0xfffe, 4);
        push(&mut r, 1);
        push(&mut r, 2);
        assert_eq!(leave(&mut r, at(0)), [(0xffff, 1), (0, 2)]);
        assert_eq!(r.receive(0xfffe, b"a"), Arrival::InOrder);
        assert_eq!(r.receive(0, b"c"), Arrival::Early);
        assert_eq!(r.receive(0xffff, b"b"), Arrival::InOrder);
        assert_eq!(r.take_held().unwrap(), b"c");
        assert_eq!(r.nr(), 1);
        assert_eq!(r.receive(0xffff, b"b"), Arrival::Duplicate);
        assert_eq!(r.receive(0x8001, b"old"), Arrival::Duplicate);
        r.acknowledge(0, at(0));
        assert!(!r.is_quiet());
        r.acknowledge(1, at(0));
        assert!(r.is_quiet());
    }

    #[test]
    fn an_acknowledgement_of_what_was_never_sent_is_ignored() {
        let mut r = Reliable::after_first(1, HELLO);
        push(&mut r, 1);
        push(&mut r, 2);
        assert_eq!(leave(&mut r, at(0)).len(), 1);
        r.acknowledge(2, at(0));
        r.acknowledge(0, at(0));
        r.acknowledge(40000, at(0));
        assert_eq!(r.queue.len(), 2);
    }

    #[test]
    fn what_comes_early_is_held_up_to_a_bound() {
        let mut r = Reliable::after_first(4, HELLO);
        for ns in 2..200 {
            assert_eq!(r.receive(ns, &[ns as u8]), Arrival::Early);
        }
        assert_eq!(r.held.len(), MOST_HELD);
        assert!(r.take_held().is_none());
        assert_eq!(r.receive(1, &[1]), Arrival::InOrder);
        let followed: Vec<u8> = core::iter::from_fn(|| r.take_held()).map(|m| m[0]).collect();
        assert_eq!(followed, [2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(r.nr(), 10);
    }

    #[test]
    fn a_duplicate_is_acknowledged_by_a_zlb_that_takes_no_ns() {
        let mut r = Reliable::after_first(4, HELLO);
        assert_eq!(r.receive(0, b"SCCRQ"), Arrival::Duplicate);
        let zlb = r.take_zlb().unwrap();
        assert_eq!((zlb.ns, zlb.nr, zlb.body.len()), (0, 1, 0));
        assert!(r.take_zlb().is_none());
        push(&mut r, 1);
        assert_eq!(r.next_leaving(at(0)).unwrap().ns, 0);
    }

    #[test]
    fn an_unanswered_hello_is_repeated_once_an_interval_and_any_sign_of_life_starts_the_count_anew() {
        let mut r = Reliable::after_first(1, HELLO);
        r.push(0, vec![6], Kind::Hello);
        assert_eq!(leave(&mut r, at(0)), [(0, 6)]);
        assert!(matches!(r.fire(at(10)), Fired::HelloMissed { missed: 1, again: Some(l) } if l.ns == 0));
        assert!(matches!(r.fire(at(20)), Fired::HelloMissed { missed: 2, again: Some(_) }));
        r.peer_lives(at(25));
        assert_eq!(r.fire(at(30)), Fired::NotYet);
        assert!(matches!(r.fire(at(35)), Fired::HelloMissed { missed: 1, again: Some(_) }));
        assert!(matches!(r.fire(at(45)), Fired::HelloMissed { missed: 2, again: Some(_) }));
        assert_eq!(r.fire(at(55)), Fired::HelloMissed { missed: 3, again: None });
    }

    #[test]
    fn what_is_forgotten_unsent_leaves_no_gap_before_the_last_acknowledgement() {
        let mut r = Reliable::after_first(1, HELLO);
        push(&mut r, 1);
        push(&mut r, 2);
        assert_eq!(leave(&mut r, at(0)), [(0, 1)]);
        assert_eq!(r.receive(1, b"StopCCN"), Arrival::InOrder);
        r.clear();
        assert_eq!(r.take_zlb().unwrap().ns, 1);
    }

    #[test]
    fn a_stopccn_leaves_although_the_window_is_full_and_has_all_its_tries() {
        let mut r = Reliable::after_first(1, HELLO);
        push(&mut r, 1);
        push(&mut r, 2);
        assert_eq!(leave(&mut r, at(0)), [(0, 1)]);
        r.drop_unsent();
        r.push(0, vec![4], Kind::Stop);
        assert_eq!(leave(&mut r, at(9)), [(1, 4)]);
        assert_eq!(r.due().unwrap(), at(10));
        assert!(matches!(r.fire(at(10)), Fired::Again(l) if l.ns == 0));
        assert_eq!(leave(&mut r, at(10)), [(1, 4)]);
    }
}

//! Enhanced GRE of one call (RFC 2637 §4): numbers, acknowledgements, the window, and packets put back in order.

use crate::time::{Instant, earliest};
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use wire::legacy::gre::Header;

/// How long a packet waits for one that should have come before it.
pub(super) const REORDER: Duration = Duration::from_millis(25);
/// How long an acknowledgement waits for a packet that could carry it, and how many packets it may stand for.
pub(super) const ACKNOWLEDGE: Duration = Duration::from_millis(20);
const ACKNOWLEDGE_AT: u32 = 8;
/// After this time without an acknowledgement, what was sent counts as gone (RFC 2637 §4.4), so that a lost one stops
/// nothing for long.
pub(super) const UNACKNOWLEDGED: Duration = Duration::from_millis(500);
/// A window that is smaller is taken for this: pptp-linux names 3 and means nothing by it (docs/interop.md).
pub(super) const LEAST_WINDOW: u32 = 128;
/// Packets that wait for the window; more are dropped, as on any line that is full.
const MOST_WAITING: usize = 256;
/// A number that is further ahead is no gap but a forgery, or the client of another time.
pub(super) const FARTHEST: u32 = 8192;

/// What was counted of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Counts {
    pub(super) received: u64,
    pub(super) sent: u64,
    /// Numbers that never came.
    pub(super) lost: u64,
    /// Packets that came late and were put in order.
    pub(super) reordered: u64,
    /// Packets that came twice, too late, or from nowhere.
    pub(super) refused: u64,
    /// Packets that found the queue for the window full.
    pub(super) crowded: u64,
}

/// One call's numbers.
pub(super) struct Gre {
    /// The client's name for the call, which our packets carry.
    peer_call_id: u16,
    /// The number of our next packet.
    next: u32,
    /// The oldest of our packets that was not acknowledged.
    unacknowledged: u32,
    window: u32,
    has_acknowledged: bool,
    waiting: VecDeque<Vec<u8>>,
    stuck: Option<Instant>,
    /// The number that should come next, once any has come.
    expected: Option<u32>,
    held: BTreeMap<u32, Vec<u8>>,
    gap: Option<Instant>,
    /// How many packets the next acknowledgement stands for, and when it leaves at the latest.
    owed: u32,
    owed_due: Option<Instant>,
    reorder: usize,
    pub(super) counts: Counts,
}

impl Gre {
    /// A call; `reorder` packets are held at most until one that is missing has come.
    pub(super) fn new(peer_call_id: u16, window: u16, reorder: usize) -> Self {
        Self {
            peer_call_id,
            next: 0,
            unacknowledged: 0,
            window: u32::from(window).max(LEAST_WINDOW),
            has_acknowledged: false,
            waiting: VecDeque::new(),
            stuck: None,
            expected: None,
            held: BTreeMap::new(),
            gap: None,
            owed: 0,
            owed_due: None,
            reorder,
            counts: Counts::default(),
        }
    }

    /// Sends a frame as soon as the window lets it; `out` takes GRE packets.
    pub(super) fn send(&mut self, frame: Vec<u8>, now: Instant, out: &mut impl FnMut(Vec<u8>)) {
        if self.waiting.is_empty() && self.in_flight() < self.window {
            return self.emit(&frame, out);
        }
        if self.waiting.len() >= MOST_WAITING {
            self.counts.crowded += 1;
            return;
        }
        self.waiting.push_back(frame);
        self.stuck.get_or_insert_with(|| now.after(UNACKNOWLEDGED));
    }

    /// Sends a frame of control, which no window holds up.
    pub(super) fn send_control(&mut self, frame: &[u8], out: &mut impl FnMut(Vec<u8>)) {
        self.emit(frame, out);
    }

    fn in_flight(&self) -> u32 {
        self.next.wrapping_sub(self.unacknowledged)
    }

    fn emit(&mut self, frame: &[u8], out: &mut impl FnMut(Vec<u8>)) {
        let header =
            Header { call_id: self.peer_call_id, sequence: Some(self.next), acknowledgment: self.acknowledgment() };
        self.next = self.next.wrapping_add(1);
        self.counts.sent += 1;
        out(header.encode(frame));
    }

    /// The number that is acknowledged by the packet that leaves.
    fn acknowledgment(&mut self) -> Option<u32> {
        let owed = core::mem::take(&mut self.owed);
        self.owed_due = None;
        self.expected.filter(|_| owed > 0).map(|expected| expected.wrapping_sub(1))
    }

    /// A packet of the client came; `deliver` takes frames with their numbers, in order.
    pub(super) fn receive(
        &mut self,
        header: &Header,
        frame: &[u8],
        now: Instant,
        out: &mut impl FnMut(Vec<u8>),
        deliver: &mut impl FnMut(u32, Vec<u8>),
    ) {
        if let Some(number) = header.acknowledgment {
            self.acknowledged(number, now, out);
        }
        let Some(sequence) = header.sequence else { return };
        self.counts.received += 1;
        let expected = *self.expected.get_or_insert(sequence);
        let ahead = sequence.wrapping_sub(expected);
        if ahead > FARTHEST || self.held.contains_key(&sequence) {
            self.counts.refused += 1;
            return;
        }
        if ahead == 0 {
            self.counts.reordered += u64::from(!self.held.is_empty());
            self.hand_on(sequence, frame.to_vec(), deliver);
            self.release(deliver);
        } else {
            self.held.insert(sequence, frame.to_vec());
            while self.held.len() > self.reorder {
                self.skip(deliver);
            }
        }
        self.gap = if self.held.is_empty() { None } else { Some(self.gap.unwrap_or_else(|| now.after(REORDER))) };
        self.owed_due.get_or_insert_with(|| now.after(ACKNOWLEDGE));
        if self.owed >= ACKNOWLEDGE_AT {
            self.acknowledge(out);
        }
    }

    fn hand_on(&mut self, sequence: u32, frame: Vec<u8>, deliver: &mut impl FnMut(u32, Vec<u8>)) {
        self.expected = Some(sequence.wrapping_add(1));
        self.owed += 1;
        deliver(sequence, frame);
    }

    /// Hands on what is held and next.
    fn release(&mut self, deliver: &mut impl FnMut(u32, Vec<u8>)) {
        while let Some((sequence, frame)) = self.expected.and_then(|next| self.held.remove_entry(&next)) {
            self.hand_on(sequence, frame, deliver);
        }
    }

    /// Gives up what is missing before the first packet that is held.
    fn skip(&mut self, deliver: &mut impl FnMut(u32, Vec<u8>)) {
        let Some(expected) = self.expected else { return };
        let Some(first) = self.held.keys().copied().min_by_key(|held| held.wrapping_sub(expected)) else { return };
        self.counts.lost += u64::from(first.wrapping_sub(expected));
        self.expected = Some(first);
        self.release(deliver);
    }

    fn acknowledge(&mut self, out: &mut impl FnMut(Vec<u8>)) {
        if let Some(number) = self.acknowledgment() {
            let header = Header { call_id: self.peer_call_id, sequence: None, acknowledgment: Some(number) };
            out(header.encode(&[]));
        }
    }

    fn acknowledged(&mut self, number: u32, now: Instant, out: &mut impl FnMut(Vec<u8>)) {
        // One that we have not sent, or an old one, tells nothing.
        let count = number.wrapping_add(1).wrapping_sub(self.unacknowledged);
        if count == 0 || count > self.in_flight() {
            return;
        }
        self.has_acknowledged = true;
        self.unacknowledged = number.wrapping_add(1);
        self.stuck = self.stuck.map(|_| now.after(UNACKNOWLEDGED));
        self.drain(out);
    }

    fn drain(&mut self, out: &mut impl FnMut(Vec<u8>)) {
        while self.in_flight() < self.window {
            let Some(frame) = self.waiting.pop_front() else {
                self.stuck = None;
                return;
            };
            self.emit(&frame, out);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        earliest(earliest(self.gap, self.stuck), self.owed_due.filter(|_| self.owed > 0))
    }

    pub(super) fn handle_timeout(
        &mut self,
        now: Instant,
        out: &mut impl FnMut(Vec<u8>),
        deliver: &mut impl FnMut(u32, Vec<u8>),
    ) {
        if self.gap.is_some_and(|due| now.reached(due)) {
            self.skip(deliver);
            self.gap = (!self.held.is_empty()).then(|| now.after(REORDER));
            self.owed_due.get_or_insert(now);
        }
        if self.owed_due.is_some_and(|due| now.reached(due)) {
            self.acknowledge(out);
        }
        if self.stuck.is_some_and(|due| now.reached(due)) {
            // Who never acknowledges anything has no window.
            if !self.has_acknowledged {
                self.window = u32::MAX;
            }
            self.unacknowledged = self.next;
            self.stuck = Some(now.after(UNACKNOWLEDGED));
            self.drain(out);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;

    struct Bench {
        gre: Gre,
        now: Instant,
        sent: Vec<(Header, Vec<u8>)>,
        delivered: Vec<u32>,
    }

    impl Bench {
        fn new(window: u16) -> Self {
            Self { gre: Gre::new(7, window, 32), now: Instant(1), sent: vec![], delivered: vec![] }
        }

        fn take(sent: &mut Vec<(Header, Vec<u8>)>) -> impl FnMut(Vec<u8>) {
            |packet| {
                let (header, payload) = Header::decode(&packet).unwrap();
                sent.push((header, payload.to_vec()));
            }
        }

        fn receive(&mut self, sequence: Option<u32>, acknowledgment: Option<u32>) {
            let header = Header { call_id: 1, sequence, acknowledgment };
            let Self { gre, now, sent, delivered } = self;
            gre.receive(&header, b"x", *now, &mut Self::take(sent), &mut |n, _| delivered.push(n));
        }

        fn send(&mut self, count: usize) {
            for _ in 0..count {
                self.gre.send(vec![1], self.now, &mut Self::take(&mut self.sent));
            }
        }

        fn wait(&mut self) {
            self.now = self.gre.poll_timeout().unwrap().max(self.now);
            let Self { gre, now, sent, delivered } = self;
            gre.handle_timeout(*now, &mut Self::take(sent), &mut |n, _| delivered.push(n));
        }
    }

    #[test]
    fn packets_out_of_order_are_put_in_order_and_doubled_ones_dropped() {
        let mut bench = Bench::new(64);
        for sequence in [0, 2, 2, 3, 1, 1, 0, 4] {
            bench.receive(Some(sequence), None);
        }
        assert_eq!(bench.delivered, [0, 1, 2, 3, 4]);
        assert_eq!((bench.gre.counts.refused, bench.gre.counts.reordered, bench.gre.counts.lost), (3, 1, 0));
    }

    #[test]
    fn what_does_not_come_in_time_is_given_up_and_too_late_afterwards() {
        let mut bench = Bench::new(64);
        for sequence in [0, 2, 5] {
            bench.receive(Some(sequence), None);
        }
        bench.wait();
        bench.wait();
        bench.wait();
        assert_eq!(bench.delivered, [0, 2, 5]);
        bench.receive(Some(1), None);
        assert_eq!((bench.delivered.len(), bench.gre.counts.lost), (3, 3));
    }

    #[test]
    fn no_more_is_held_than_the_bound_and_far_numbers_are_no_gap() {
        let mut bench = Bench::new(64);
        bench.receive(Some(0), None);
        bench.receive(Some(FARTHEST + 2), None);
        assert_eq!(bench.gre.counts.refused, 1);
        for sequence in 2..40 {
            bench.receive(Some(sequence), None);
            assert!(bench.gre.held.len() <= 32);
        }
        assert_eq!(bench.delivered.last(), Some(&39));
    }

    #[test]
    fn numbers_go_on_past_their_end() {
        let mut bench = Bench::new(64);
        for sequence in [u32::MAX - 1, 0, u32::MAX, 1] {
            bench.receive(Some(sequence), None);
        }
        assert_eq!(bench.delivered, [u32::MAX - 1, u32::MAX, 0, 1]);
    }

    #[test]
    fn every_packet_is_acknowledged_in_time_by_another_or_alone() {
        let mut bench = Bench::new(64);
        bench.receive(Some(0), None);
        bench.send(1);
        assert_eq!(bench.sent.last().unwrap().0.acknowledgment, Some(0));
        assert_eq!(bench.gre.poll_timeout(), None);
        bench.receive(Some(1), None);
        bench.wait();
        assert_eq!(bench.sent.last().unwrap().0, Header { call_id: 7, sequence: None, acknowledgment: Some(1) });
        for sequence in 2..10 {
            bench.receive(Some(sequence), None);
        }
        assert_eq!(bench.sent.last().unwrap().0.acknowledgment, Some(9));
        // A number that is missing is never acknowledged, nor is one behind it.
        bench.receive(Some(11), None);
        bench.send(1);
        assert_eq!(bench.sent.last().unwrap().0.acknowledgment, None);
    }

    #[test]
    fn the_window_holds_packets_until_they_are_acknowledged() {
        let mut bench = Bench::new(200);
        bench.send(205);
        assert_eq!(bench.sent.len(), 200);
        bench.receive(None, Some(300));
        assert_eq!(bench.sent.len(), 200, "what was not sent cannot be acknowledged");
        bench.receive(None, Some(2));
        assert_eq!(bench.sent.len(), 203);
        bench.receive(None, Some(1));
        assert_eq!(bench.sent.len(), 203, "an old one");
        bench.receive(None, Some(202));
        let numbers: Vec<u32> = bench.sent.iter().map(|(header, _)| header.sequence.unwrap()).collect();
        assert_eq!(numbers, (0..205).collect::<Vec<_>>());
    }

    #[test]
    fn a_lost_acknowledgement_stops_nothing_for_long_and_who_sends_none_has_no_window() {
        let mut bench = Bench::new(200);
        bench.send(1);
        bench.receive(None, Some(0));
        bench.send(250);
        assert_eq!(bench.sent.len(), 201);
        let before = bench.now;
        bench.wait();
        assert_eq!((bench.sent.len(), bench.now.since(before)), (251, UNACKNOWLEDGED));
        let mut bench = Bench::new(0);
        bench.send(129);
        bench.wait();
        bench.send(1000);
        assert_eq!(bench.sent.len(), 1129);
    }

    #[test]
    fn a_full_queue_drops_what_comes() {
        let mut bench = Bench::new(0);
        bench.send(128 + MOST_WAITING + 5);
        assert_eq!((bench.sent.len(), bench.gre.counts.crowded), (128, 5));
    }
}

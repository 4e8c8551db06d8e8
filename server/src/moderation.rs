//! Whether a data thread lets packets gather before it takes them, as a network card does that moderates its interrupts.
//!
//! To be woken takes longer than to carry a packet. A transfer that waits for acknowledgements has a thread woken for every
//! second packet, thousands of times a second, and hosts beside it, too, since each of its answers leaves alone. So a thread
//! that is woken very often for little rests a moment after each turn, as long as that brings it more at once.

use crate::udp::BATCH;
use engine::time::Instant;
use std::time::Duration;

/// How long it rests after a turn: what a packet may come later by.
pub(crate) const REST: Duration = Duration::from_micros(200);

/// So many turns are looked at together.
const TURNS: u32 = 64;
/// Turns that are no further apart than this in the mean come very often.
const OFTEN: Duration = Duration::from_micros(150);
/// A thread that rests has them further apart than this only where it would wait anyway, or has much to do.
const SELDOM: Duration = Duration::from_micros(400);
/// Fewer packets in a turn after a rest, in the mean, are not worth it.
const WORTH: usize = 2;
/// After so many looks at a thread that rests it does without for one: what comes in larger batches by itself, as a transfer
/// to a client does, would be cut into smaller ones for ever.
const LOOKS: u32 = 16;
/// After a turn with so many packets the next ones are there already.
const MANY: usize = BATCH / 2;

/// Whether one thread rests.
#[derive(Debug, Default)]
pub(crate) struct Moderation {
    on: bool,
    /// The packets of the last turn.
    last: usize,
    /// When the turns began that are looked at, how many they are and their packets.
    since: Instant,
    turns: u32,
    packets: usize,
    /// How often it was looked at while it rested.
    looks: u32,
}

impl Moderation {
    /// Whether the thread rests at all.
    pub(crate) fn is_on(&self) -> bool {
        self.on
    }

    /// Whether it rests now.
    pub(crate) fn rests(&self) -> bool {
        self.on && (1..MANY).contains(&self.last)
    }

    /// A turn that began now has moved so many packets.
    pub(crate) fn had(&mut self, packets: usize, now: Instant) {
        self.last = packets;
        if packets == 0 {
            return;
        }
        self.turns += 1;
        self.packets += packets;
        if self.turns == TURNS {
            let apart = now.since(self.since) / TURNS;
            let is_worth_it = self.packets >= WORTH * TURNS as usize;
            self.looks = if self.on { self.looks + 1 } else { 0 };
            self.on = if self.on { apart <= SELDOM && is_worth_it && self.looks < LOOKS } else { apart <= OFTEN };
            (self.since, self.turns, self.packets) = (now, 0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Turns with so many packets each, so many microseconds apart.
    fn turns(moderation: &mut Moderation, now: &mut Instant, packets: usize, apart: u64) {
        (0..2 * TURNS).for_each(|_| turn(moderation, now, packets, apart));
    }

    fn turn(moderation: &mut Moderation, now: &mut Instant, packets: usize, apart: u64) {
        *now = now.after(Duration::from_micros(apart));
        moderation.had(packets, *now);
    }

    #[test]
    fn a_thread_that_is_woken_for_every_packet_rests_while_that_brings_more_at_once() {
        let (mut moderation, mut now) = (Moderation::default(), Instant(1_000_000_000));
        turns(&mut moderation, &mut now, 1, 500);
        assert!(!moderation.is_on());
        turns(&mut moderation, &mut now, 2, 60);
        assert!(moderation.rests());
        turns(&mut moderation, &mut now, 9, 260);
        assert!(moderation.rests());
        // What comes one by one after rests, too, is not worth them.
        turns(&mut moderation, &mut now, 1, 260);
        assert!(!moderation.is_on());
    }

    #[test]
    fn a_thread_that_rests_tries_now_and_then_whether_packets_come_together_without() {
        let (mut moderation, mut now) = (Moderation::default(), Instant(1_000_000_000));
        turns(&mut moderation, &mut now, 2, 60);
        let rested = (0..100_000)
            .filter(|_| {
                let apart = if moderation.rests() { 260 } else { 60 };
                turn(&mut moderation, &mut now, 9, apart);
                moderation.is_on()
            })
            .count();
        assert!((90_000..99_000).contains(&rested), "{rested}");
        // With rests that would look as if they were worth it.
        let rested = (0..100_000)
            .filter(|_| {
                let (packets, apart) = if moderation.rests() { (9, 260) } else { (25, 700) };
                turn(&mut moderation, &mut now, packets, apart);
                moderation.is_on()
            })
            .count();
        assert!(rested < 2000, "{rested}");
    }

    #[test]
    fn a_thread_does_not_rest_while_packets_wait_or_none_have_come() {
        let (mut moderation, mut now) = (Moderation::default(), Instant(1_000_000_000));
        turns(&mut moderation, &mut now, 2, 60);
        moderation.had(MANY, now);
        assert!(moderation.is_on() && !moderation.rests());
        moderation.had(0, now);
        assert!(moderation.is_on() && !moderation.rests());
        moderation.had(1, now);
        assert!(moderation.rests());
    }

    #[test]
    fn a_thread_whose_packets_come_in_bursts_does_not_rest_after_each() {
        let (mut moderation, mut now) = (Moderation::default(), Instant(1_000_000_000));
        turns(&mut moderation, &mut now, 2, 60);
        turns(&mut moderation, &mut now, 10, 500);
        assert!(!moderation.is_on());
        // Nor one that is busy all the time.
        turns(&mut moderation, &mut now, MANY - 1, 160);
        assert!(!moderation.is_on());
    }
}

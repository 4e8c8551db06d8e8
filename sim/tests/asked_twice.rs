//! A user is asked once more on a new phase 1: on slow ways, and when phase 1 is renewed again before the answer is there.

#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use core::time::Duration;
use sim::{Faults, Manner, World, config};

/// One client, and all packets take so long from here on.
fn far_away(seed: u64, delay: u64, jitter: u64) -> (World, usize) {
    let mut w = World::new(config(4, &[]), seed);
    let c = w.add(Manner { answers_anew: true, ..Manner::default() });
    w.connect(c);
    let (delay, jitter) = (Duration::from_millis(delay), Duration::from_millis(jitter));
    w.faults = Faults { delay, jitter, ..w.faults };
    (w, c)
}

fn is_still_up(w: &mut World, c: usize, what: &str) {
    w.run_for(Duration::from_secs(60));
    assert!(w.peers[c].is_up() && w.reaches(c), "{what}: {}", w.story(c));
    assert_eq!(w.lines("PPP/IPCP up").len(), 1, "{what}: {}", w.story(c));
}

#[test]
fn a_client_that_renewed_phase_1_twice_within_two_seconds_was_asked_twice_at_once_and_hung_up() {
    for seed in 0..60 {
        // A success that is late arrives after the next challenge.
        let (mut w, c) = far_away(seed, 60, 200);
        for _ in 0..4 {
            w.act(c, |p, now| p.rekey_ike(now));
            w.run_for(Duration::from_millis(100 + 40 * (seed % 30)));
        }
        is_still_up(&mut w, c, &format!("seed {seed}"));
    }
}

#[test]
fn a_client_that_is_300_ms_away_answered_the_repeated_question_too_and_hung_up() {
    for delay in (20..1000).step_by(35) {
        let (mut w, c) = far_away(delay, delay, 0);
        w.act(c, |p, now| p.rekey_ike(now));
        is_still_up(&mut w, c, &format!("{delay} ms"));
    }
}

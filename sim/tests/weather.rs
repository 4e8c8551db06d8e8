//! Networks that lose, double, delay and reorder.

use core::time::Duration;
use sim::{Faults, Manner, World, config};

fn lively(seed: u64, natted: bool, faults: Faults) -> (World, usize) {
    let mut w = World::new(config(4, &[]), seed);
    w.faults = faults;
    let manner = Manner { phase1: vec![(7, Some(128), 2, 2)], window: 1 + (seed % 5) as u16, ..Manner::default() };
    let c = w.add_natted(natted, manner);
    (w, c)
}

fn milliseconds(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[test]
fn a_client_connects_over_a_network_that_doubles_every_packet() {
    for seed in 0..20 {
        let faults = Faults { duplicate: 1000, jitter: milliseconds(30), ..Faults::default() };
        let (mut w, c) = lively(seed, seed % 2 == 0, faults);
        w.connect(c);
        w.run_for(Duration::from_secs(5));
        assert_eq!(w.traffic(c, milliseconds(20), Duration::from_secs(5)), 0, "seed {seed}:\n{}", w.story(c));
        // The Delete of the old SA may overtake what the client has just sent on it.
        w.act(c, |p, now| p.rekey_esp(now));
        assert!(w.traffic(c, milliseconds(20), Duration::from_secs(5)) <= 3, "seed {seed}:\n{}", w.story(c));
        w.act(c, |p, now| p.rekey_ike(now));
        assert!(w.traffic(c, milliseconds(20), Duration::from_secs(5)) <= 3, "seed {seed}:\n{}", w.story(c));
        assert_eq!(w.lines("PPP/IPCP up").len(), 1);
        w.check_thoroughly();
    }
}

#[test]
fn a_client_connects_over_a_network_that_reorders() {
    for seed in 0..20 {
        let faults = Faults {
            jitter: milliseconds(80),
            reorder: 300,
            duplicate: 100,
            delay: milliseconds(40),
            ..Faults::default()
        };
        let (mut w, c) = lively(seed, seed % 2 == 0, faults);
        w.connect(c);
        w.run_for(Duration::from_secs(5));
        assert_eq!(w.traffic(c, milliseconds(10), Duration::from_secs(5)), 0, "seed {seed}:\n{}", w.story(c));
        assert!(!w.told("Disconnected"), "seed {seed}:\n{}", w.story(c));
    }
}

/// Connects, then keeps up traffic under loss; the session must stay, and not more echoes be lost than the network loses.
fn endures(loss: u32, seed: u64) {
    let faults = Faults { loss, jitter: milliseconds(20), duplicate: 20, reorder: 20, ..Faults::default() };
    let (mut w, c) = lively(seed, !seed.is_multiple_of(3), faults);
    w.connect(c);
    let address = w.peers[c].inside();
    let minutes = 3;
    for minute in 0..minutes {
        match minute {
            1 => w.act(c, |p, now| p.rekey_esp(now)),
            2 => w.act(c, |p, now| p.rekey_ike(now)),
            _ => {}
        }
        let lost = w.traffic(c, milliseconds(200), Duration::from_secs(60)) as u32;
        // Both ways lose; four standard deviations are allowed, and what a rekeying delays.
        let most = 300 * loss * 2 / 1000 + 4 * f64::from(300 * loss * 2 / 1000).sqrt() as u32 + 8;
        assert!(lost <= most, "{loss} per mille, seed {seed}: {lost} of 300 lost\n{}", w.story(c));
    }
    assert!(w.peers[c].is_up() && w.peers[c].inside() == address, "seed {seed}:\n{}", w.story(c));
    assert!(!w.told("Disconnected"), "seed {seed}:\n{}", w.story(c));
    w.check_thoroughly();
    w.faults = Faults::default();
    w.act(c, |p, now| p.hang_up(now));
    w.run_for(Duration::from_secs(200));
    assert_eq!(w.quiet(), Ok(()), "seed {seed}");
}

#[test]
fn a_session_endures_three_per_cent_of_loss() {
    (0..20).for_each(|seed| endures(30, seed));
}

#[test]
fn a_session_endures_ten_per_cent_of_loss() {
    (100..120).for_each(|seed| endures(100, seed));
}

#[test]
fn an_idle_session_endures_ten_per_cent_of_loss_for_an_hour() {
    for seed in 200..206 {
        let (mut w, c) = lively(seed, true, Faults { loss: 100, ..Faults::default() });
        w.connect(c);
        w.run_for(Duration::from_secs(3500));
        assert!(w.peers[c].is_up(), "seed {seed}:\n{}", w.story(c));
        assert_eq!(w.routes.len(), 1, "seed {seed}:\n{}", w.story(c));
    }
}

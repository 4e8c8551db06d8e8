//! An Android whose kernel cuts HMAC-SHA-256 to 96 bits: found by itself, told once, and never tried on others.

use core::time::Duration;
use sim::{Manner, World, config};

const TOLD: &str = "cuts HMAC-SHA-256 to 96 bits";

/// Android 6 (clients.md 3.1, 3.2).
fn android() -> Manner {
    Manner {
        phase1: vec![(7, Some(256), 4, 2), (7, Some(256), 2, 2), (5, None, 2, 2)],
        phase2: vec![(12, Some(256), 5), (12, Some(256), 2)],
        android: true,
        short_icv: true,
        l2tp_port: 40_000,
        lives: (28_800, 28_800),
        ..Manner::default()
    }
}

fn connected(manner: Manner, seed: u64) -> (World, usize) {
    let mut w = World::new(config(4, &[]), seed);
    let c = w.add_natted(true, manner);
    w.connect(c);
    (w, c)
}

fn unharmed(w: &mut World, c: usize, span: u64) {
    let lost = w.traffic(c, Duration::from_millis(10), Duration::from_secs(span));
    assert_eq!(lost, 0, "{}", w.story(c));
    assert!(w.peers[c].is_up() && !w.told("Disconnected"), "{}", w.story(c));
}

#[test]
fn it_connects_and_renews_without_a_loss_and_is_told_once() {
    let (mut w, c) = connected(android(), 1);
    for n in 0..6 {
        w.act(c, |p, now| if n % 2 == 0 { p.rekey_esp(now) } else { p.rekey_ike(now) });
        unharmed(&mut w, c, 2);
    }
    assert_eq!(w.lines(TOLD).len(), 1, "{}", w.story(c));
    w.check_thoroughly();
}

#[test]
fn renewals_by_the_server_are_as_short() {
    let (mut w, c) = connected(Manner { lives: (300, 60), ..android() }, 2);
    unharmed(&mut w, c, 200);
    assert_eq!(w.lines(TOLD).len(), 1, "{}", w.story(c));
}

#[test]
fn a_restart_from_records_remembers_it() {
    let (mut w, c) = connected(android(), 3);
    assert_eq!(w.restart_from_records(), Ok(1));
    unharmed(&mut w, c, 2);
    w.act(c, |p, now| p.rekey_esp(now));
    unharmed(&mut w, c, 2);
    assert_eq!(w.lines(TOLD).len(), 1, "{}", w.story(c));
}

#[test]
fn an_android_whose_kernel_is_right_is_served_with_128_bits() {
    let (mut w, c) = connected(Manner { short_icv: false, ..android() }, 4);
    unharmed(&mut w, c, 2);
    assert!(!w.told(TOLD), "{}", w.story(c));
}

#[test]
fn it_is_never_tried_on_another_client() {
    let mut w = World::new(config(4, &[]), 5);
    let c = w.add_natted(true, Manner { android: false, ..android() });
    w.dial(c);
    w.run_for(Duration::from_secs(30));
    assert!(!w.peers[c].is_up() && !w.told(TOLD), "{}", w.story(c));
}

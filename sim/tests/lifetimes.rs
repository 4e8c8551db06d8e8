//! Lives of SAs in seconds and kilobytes: the shorter of the two sides counts, and nothing is lost at their end.

use core::time::Duration;
use sim::{Manner, World, config};

/// Kilobytes that a pair may carry: as many as Windows' 250 MB are at a gigabit, at a hundredth of that.
const KILOBYTES: u32 = 2_500;

fn connected(lines: &[&str], manner: Manner, seed: u64) -> (World, usize) {
    let mut w = World::new(config(4, lines), seed);
    let c = w.add_natted(true, manner);
    w.connect(c);
    (w, c)
}

/// Echoes of 1,250 octets each millisecond, both ways: [`KILOBYTES`] in two seconds.
fn full_speed(w: &mut World, c: usize, milliseconds: u64) {
    for _ in 0..milliseconds {
        w.echo(c, 1200);
        w.run_for(Duration::from_millis(1));
    }
}

fn nothing_lost(w: &mut World, c: usize) {
    w.run_for(Duration::from_secs(1));
    assert_eq!(w.lost_echoes(c), 0, "{}", w.story(c));
    assert!(w.peers[c].is_up() && !w.told("Disconnected"), "{}", w.story(c));
    w.check_thoroughly();
}

fn heard(w: &World, c: usize, words: &str) -> usize {
    w.peers[c].dialogue().iter().filter(|(_, l)| l.contains(words)).count()
}

#[test]
fn a_client_that_renews_every_two_seconds_at_full_speed_loses_nothing_and_is_not_overtaken() {
    let (mut w, c) = connected(&[], Manner { kilobytes: Some(KILOBYTES), ..Manner::default() }, 1);
    for _ in 0..5 {
        full_speed(&mut w, c, 1800);
        w.act(c, |p, now| p.rekey_esp(now));
    }
    nothing_lost(&mut w, c);
    assert_eq!(heard(&w, c, "<- quick mode 1"), 0, "{}", w.story(c));
}

#[test]
fn what_a_client_does_not_renew_by_kilobytes_the_server_renews() {
    let (mut w, c) = connected(&[], Manner { kilobytes: Some(KILOBYTES), ..Manner::default() }, 2);
    full_speed(&mut w, c, 10_000);
    nothing_lost(&mut w, c);
    let renewed = heard(&w, c, "<- quick mode 1");
    assert!((4..=6).contains(&renewed), "{renewed} renewals:\n{}", w.story(c));
}

#[test]
fn both_sides_may_renew_at_once() {
    let (mut w, c) = connected(&[], Manner { kilobytes: Some(KILOBYTES), ..Manner::default() }, 3);
    let mut seen = 0;
    for _ in 0..8_000 {
        full_speed(&mut w, c, 1);
        let asked = heard(&w, c, "<- quick mode 1");
        if asked > seen {
            seen = asked;
            w.act(c, |p, now| p.rekey_esp(now));
        }
    }
    assert!(seen >= 2, "{}", w.story(c));
    nothing_lost(&mut w, c);
}

#[test]
fn a_client_that_takes_no_renewal_goes_on_beyond_its_kilobytes() {
    let (mut w, c) = connected(&[], Manner { kilobytes: Some(KILOBYTES), answers: false, ..Manner::default() }, 4);
    full_speed(&mut w, c, 6_000);
    nothing_lost(&mut w, c);
    assert!(w.engine.pairs().count() == 1, "{}", w.story(c));
}

const OURS: [&str; 2] = ["ipsec ike duration ipsec-sa 1 600 2000", "ipsec ike duration isakmp-sa 1 900"];

#[test]
fn a_shorter_life_of_ours_is_told_and_kept() {
    let (mut w, c) = connected(&OURS, Manner::default(), 5);
    assert_eq!(heard(&w, c, "<- notify ResponderLifetime"), 2, "{}", w.story(c));
    for _ in 0..95 {
        w.echo(c, 100);
        w.run_for(Duration::from_secs(10));
    }
    nothing_lost(&mut w, c);
    assert_eq!(heard(&w, c, "<- quick mode 1"), 1, "at 588 s:\n{}", w.story(c));
    assert_eq!(heard(&w, c, "<- main mode 1"), 1, "at 882 s:\n{}", w.story(c));
    // The server's own renewals were told as if the client had begun them, and of phase 1 not at all.
    assert_eq!(w.lines("[IKE] initiate IPsec phase to ").len(), 1, "{}", w.story(c));
    let told = w.lines("[IKE] initiate ISAKMP phase to ");
    assert!(told.len() == 1 && told[0].ends_with("(local address 198.51.100.1)"), "{told:?}");
    assert_eq!(w.lines("respond IPsec phase").len(), 1, "{}", w.story(c));
}

#[test]
fn a_shorter_life_of_the_clients_stays_and_nothing_is_told() {
    let manner = Manner { lives: (800, 300), kilobytes: Some(1000), ..Manner::default() };
    let (w, c) = connected(&OURS, manner, 6);
    assert_eq!(heard(&w, c, "ResponderLifetime"), 0, "{}", w.story(c));
}

#[test]
fn lives_of_20_seconds_under_load_lose_nothing_whoever_renews() {
    for (seed, renews) in [(7, true), (8, false)] {
        let (mut w, c) = connected(&[], Manner { lives: (60, 20), renews, ..Manner::default() }, seed);
        for _ in 0..60_000 {
            w.echo(c, 200);
            w.run_for(Duration::from_millis(2));
        }
        nothing_lost(&mut w, c);
        let (responds, initiates) = (w.lines("respond IPsec phase").len(), w.lines("initiate IPsec phase").len());
        let is_right = if renews { responds >= 6 && initiates == 0 } else { responds == 1 && initiates >= 5 };
        assert!(is_right, "{responds} and {initiates}:\n{}", w.story(c));
    }
}

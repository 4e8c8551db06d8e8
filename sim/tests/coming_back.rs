//! A client vanishes without a word, and comes back or does not.

#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use core::time::Duration;
use sim::{Manner, World, config};

const SOON: Duration = Duration::from_secs(10);

fn manner(initial_contact: bool) -> Manner {
    Manner { initial_contact, ..Manner::default() }
}

fn connected(seed: u64, natted: bool) -> (World, usize) {
    let mut w = World::new(config(4, &[]), seed);
    let c = w.add_natted(natted, manner(false));
    w.connect(c);
    (w, c)
}

fn comes_up(w: &mut World, c: usize) {
    w.dial(c);
    assert!(w.run_until(SOON, |w| w.peers[c].is_up()), "{:?}\n{}", w.peers[c].stage(), w.story(c));
    assert!(w.reaches(c), "{}", w.story(c));
    w.check_thoroughly();
}

#[test]
fn from_the_same_place_it_is_up_at_once_with_the_same_address() {
    for natted in [false, true] {
        for initial_contact in [false, true] {
            let (mut w, old) = connected(1, natted);
            let address = w.peers[old].inside();
            w.run_for(Duration::from_secs(2));
            let new = w.replace_in_place(old, manner(initial_contact));
            comes_up(&mut w, new);
            assert_eq!(w.peers[new].inside(), address, "{}", w.story(new));
            assert_eq!(w.routes.len(), 1);
            assert_eq!(w.lines("Disconnected, cause").len(), 1, "{}", w.story(new));
            w.run_for(Duration::from_secs(300));
            assert!(w.peers[new].is_up() && w.reaches(new), "{}", w.story(new));
            assert_eq!(w.engine.client_ids().count(), 1);
        }
    }
}

#[test]
fn from_a_new_port_of_its_nat_it_is_up_at_once_and_the_old_session_is_given_up() {
    for initial_contact in [false, true] {
        let (mut w, old) = connected(2, true);
        let new = w.replace(old, manner(initial_contact));
        comes_up(&mut w, new);
        w.run_for(Duration::from_secs(180));
        assert_eq!(w.lines("fell silent").len(), 1, "{}", w.story(new));
        assert_eq!(w.routes.len(), 1, "{}", w.story(new));
        assert!(w.reaches(new), "{}", w.story(new));
        assert_eq!(w.engine.client_ids().count(), 1, "{}", w.story(new));
    }
}

#[test]
fn after_it_was_given_up_it_gets_the_same_address_again() {
    let (mut w, old) = connected(3, true);
    let address = w.peers[old].inside();
    w.vanish(old);
    w.run_for(Duration::from_secs(240));
    assert_eq!(w.quiet(), Ok(()), "{}", w.story(old));
    let other = w.add(Manner { user: "second".into(), password: "Second-2".into(), ..Manner::default() });
    comes_up(&mut w, other);
    assert_ne!(w.peers[other].inside(), address, "another user got the address that is remembered");
    let new = w.add_behind(0, manner(false));
    comes_up(&mut w, new);
    assert_eq!(w.peers[new].inside(), address);
}

#[test]
fn one_that_does_not_come_back_is_given_up_by_the_keepalive_and_told_to_have_fallen_silent() {
    for natted in [false, true] {
        let (mut w, c) = connected(4, natted);
        w.run_for(Duration::from_secs(30));
        w.vanish(c);
        w.run_for(Duration::from_secs(90));
        let lines = w.lines("fell silent");
        assert_eq!(lines.len(), 1, "{}", w.story(c));
        let place = if natted { "203.0.113.200:40002" } else { "100.64.0.10:500" };
        assert!(
            lines[0].starts_with(&format!("[L2TP] TUNNEL[1] the client at {place} fell silent: nothing came for "))
                && lines[0].ends_with(" s; it lost its network or was switched off without hanging up"),
            "{lines:?}"
        );
        assert!(w.routes.is_empty(), "{}", w.story(c));
        w.run_for(Duration::from_secs(240));
        assert_eq!(w.quiet(), Ok(()), "{}", w.story(c));
    }
}

#[test]
fn one_that_vanishes_under_traffic_to_it_is_given_up_too() {
    let (mut w, c) = connected(5, true);
    let inside = w.peers[c].inside().expect("it is up");
    w.vanish(c);
    let to_client = sim::packet::udp((sim::world::HOST, 7), (inside, 9), b"are you there");
    for _ in 0..90 {
        w.tun_receives(&to_client);
        w.run_for(Duration::from_secs(1));
    }
    assert!(w.told("fell silent"), "{}", w.story(c));
    assert!(w.routes.is_empty(), "{}", w.story(c));
}

#[test]
fn an_initial_contact_of_its_own_ends_what_was_before() {
    let (mut w, c) = connected(6, true);
    // In the first seconds it would not mean what was agreed under the same phase 1.
    w.run_for(Duration::from_secs(15));
    w.act(c, |p, now| p.initial_contact(now));
    w.run_for(Duration::from_secs(1));
    assert!(w.routes.is_empty(), "{}", w.story(c));
    w.act(c, |p, now| p.rekey_esp(now));
    w.run_for(Duration::from_secs(1));
    w.act(c, |p, now| p.redial(now));
    assert!(w.run_until(SOON, |w| w.peers[c].is_up()), "{}", w.story(c));
    assert!(w.reaches(c), "{}", w.story(c));
}

#[test]
fn ten_times_in_a_row_without_a_word_it_still_has_one_session() {
    let (mut w, mut c) = connected(7, false);
    for n in 0..10 {
        c = w.replace_in_place(c, manner(n % 2 == 0));
        comes_up(&mut w, c);
        assert_eq!((w.routes.len(), w.engine.client_ids().count()), (1, 1), "{}", w.story(c));
    }
}

#[test]
fn with_dead_peer_detection_it_is_given_up_even_without_l2tp_keepalive() {
    let lines =
        ["tunnel select 1\n ipsec ike keepalive use 1 on dpd 10 3\n l2tp keepalive use off\n tunnel select none"];
    let mut w = World::new(config(2, &lines), 8);
    let nat = w.add_nat();
    let c = w.add_behind(nat, manner(false));
    w.connect(c);
    w.run_for(Duration::from_secs(300));
    assert!(w.peers[c].is_up() && w.reaches(c), "{}", w.story(c));
    w.vanish(c);
    w.run_for(Duration::from_secs(60));
    assert!(w.told("fell silent"), "{}", w.story(c));
    w.run_for(Duration::from_secs(60));
    assert_eq!(w.quiet(), Ok(()), "{}", w.story(c));
}

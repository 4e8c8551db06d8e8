//! A NAT that gives a client another port or address in the middle of its session.

#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use core::time::Duration;
use sim::{Manner, Outer, Way, World, config};

fn connected(seed: u64) -> (World, usize, usize) {
    let mut w = World::new(config(4, &[]), seed);
    let nat = w.add_nat();
    let c = w.add_behind(nat, Manner::default());
    w.connect(c);
    (w, nat, c)
}

/// Echoes that were asked for later than `grace` after this moment and did not come back, while traffic goes on.
fn lost_after(w: &mut World, c: usize, grace: Duration) -> usize {
    w.count_echoes_anew(c);
    let settled = w.now().after(grace);
    let _ = w.traffic(c, Duration::from_millis(20), Duration::from_secs(10));
    let e = &w.echoes[c];
    e.asked.iter().filter(|(n, at)| **at > settled && !e.back.contains(n)).count()
}

#[test]
fn traffic_goes_on_at_once_when_the_port_changes() {
    let (mut w, nat, c) = connected(1);
    for _ in 0..5 {
        w.nat(nat).forget();
        assert_eq!(lost_after(&mut w, c, Duration::from_millis(100)), 0, "{}", w.story(c));
    }
    assert_eq!(w.lines("the client moved from").len(), 5, "{}", w.story(c));
    w.check_thoroughly();
}

#[test]
fn traffic_goes_on_at_once_when_the_address_changes() {
    let (mut w, nat, c) = connected(2);
    for n in 1..6u8 {
        w.nat(nat).renumber([203, 0, 113, 100 + n].into());
        assert_eq!(lost_after(&mut w, c, Duration::from_millis(100)), 0, "{}", w.story(c));
    }
    assert!(w.told("moved from 203.0.113.101:"), "{}", w.log().join("\n"));
}

#[test]
fn a_port_that_changes_all_the_time_is_followed_once_a_second() {
    let (mut w, nat, c) = connected(3);
    for _ in 0..50 {
        w.nat(nat).forget();
        let _ = w.traffic(c, Duration::from_millis(50), Duration::from_millis(200));
    }
    assert!(w.lines("the client moved from").len() <= 62, "{}", w.lines("the client moved from").len());
    assert_eq!(lost_after(&mut w, c, Duration::from_secs(2)), 0, "{}", w.story(c));
}

#[test]
fn a_silent_client_whose_port_changes_is_found_again_by_its_next_packet() {
    let (mut w, nat, c) = connected(4);
    w.run_for(Duration::from_secs(5));
    w.nat(nat).forget();
    w.run_for(Duration::from_secs(30));
    assert!(w.reaches(c), "{}", w.story(c));
    w.run_for(Duration::from_secs(300));
    assert!(w.peers[c].is_up() && w.reaches(c), "{}", w.story(c));
}

#[test]
fn phase_2_is_renewed_from_a_new_port() {
    let (mut w, nat, c) = connected(5);
    w.nat(nat).forget();
    w.act(c, |p, now| p.rekey_esp(now));
    w.run_for(Duration::from_secs(2));
    assert!(w.reaches(c), "{}", w.story(c));
    assert_eq!(w.engine.client_ids().count(), 1);
    w.nat(nat).forget();
    w.act(c, |p, now| p.rekey_esp(now));
    // A client is followed once a second at most, and it has moved just before.
    assert_eq!(lost_after(&mut w, c, Duration::from_millis(1200)), 0, "{}", w.story(c));
}

#[test]
fn phase_1_is_renewed_from_a_new_port_under_traffic() {
    let (mut w, nat, c) = connected(6);
    w.nat(nat).forget();
    w.echo(c, 100);
    w.act(c, |p, now| p.rekey_ike(now));
    assert_eq!(lost_after(&mut w, c, Duration::from_millis(100)), 0, "{}", w.story(c));
    assert_eq!(w.engine.client_ids().count(), 1, "{}", w.story(c));
}

#[test]
fn old_packets_replayed_from_elsewhere_move_nothing() {
    let (mut w, _, c) = connected(7);
    w.watch = true;
    let _ = w.traffic(c, Duration::from_millis(50), Duration::from_secs(5));
    w.act(c, |p, now| p.rekey_esp(now));
    let _ = w.traffic(c, Duration::from_millis(50), Duration::from_secs(5));
    w.act(c, |p, now| p.probe(7, now));
    w.act(c, |p, now| p.rekey_ike(now));
    let _ = w.traffic(c, Duration::from_millis(50), Duration::from_secs(5));
    let captured: Vec<Outer> =
        w.crossings.iter().filter(|x| x.way == Way::ToServer).map(|x| x.packet.clone()).collect();
    assert!(captured.iter().filter(|p| p.is_isakmp()).count() > 8);
    // Once at once, once after all short memories have ended.
    for pause in [0, 120] {
        w.run_for(Duration::from_secs(pause));
        for p in &captured {
            w.inject(Outer { from: "192.0.2.66:4500".parse().expect("an address"), ..p.clone() });
        }
        assert_eq!(lost_after(&mut w, c, Duration::ZERO), 0, "after {pause} s:\n{}", w.story(c));
        assert!(!w.told("the client moved"), "after {pause} s:\n{}", w.log().join("\n"));
        w.check_thoroughly();
    }
    let astray =
        w.crossings.iter().filter(|x| x.packet.to.ip().to_string() == "192.0.2.66" && x.packet.is_esp()).count();
    assert_eq!(astray, 0, "ESP went to whoever replayed");
}

#[test]
fn a_captured_initial_contact_and_delete_replayed_later_end_nothing() {
    let (mut w, _, c) = connected(8);
    w.watch = true;
    w.run_for(Duration::from_secs(15));
    w.act(c, |p, now| p.initial_contact(now));
    w.run_for(Duration::from_secs(1));
    w.act(c, |p, now| p.rekey_esp(now));
    w.run_for(Duration::from_secs(1));
    w.act(c, |p, now| p.redial(now));
    assert!(w.run_until(Duration::from_secs(10), |w| w.peers[c].is_up()), "{}", w.story(c));
    let captured: Vec<Outer> = w
        .crossings
        .iter()
        .filter(|x| x.way == Way::ToServer && x.packet.is_isakmp())
        .map(|x| x.packet.clone())
        .collect();
    for _ in 0..3 {
        w.run_for(Duration::from_secs(70));
        captured.iter().for_each(|p| w.inject(p.clone()));
        assert_eq!(lost_after(&mut w, c, Duration::ZERO), 0, "{}", w.story(c));
        w.check_thoroughly();
    }
    assert_eq!(w.lines("Disconnected, cause").len(), 1, "{}", w.story(c));
}

#[test]
fn phase_1_is_renewed_while_the_address_changes_at_any_packet_of_it() {
    for phase1_alone in [false, true] {
        for n in 0..14 {
            let mut w = World::new(config(4, &[]), 11);
            let nat = w.add_nat();
            let c = w.add_behind(nat, Manner { phase1_alone, ..Manner::default() });
            w.connect(c);
            let _ = w.traffic(c, Duration::from_millis(20), Duration::from_secs(2));
            let start = w.crossed();
            w.act(c, |p, now| p.rekey_ike(now));
            w.run_until(Duration::from_secs(1), |w| w.crossed() >= start + n);
            w.nat(nat).renumber("203.0.113.77".parse().expect("an address"));
            assert_eq!(lost_after(&mut w, c, Duration::from_secs(2)), 0, "after packet {n}:\n{}", w.story(c));
            w.run_for(Duration::from_secs(200));
            assert!(w.peers[c].is_up() && w.reaches(c), "after packet {n}:\n{}", w.story(c));
            assert_eq!(w.engine.client_ids().count(), 1, "after packet {n}:\n{}", w.story(c));
        }
    }
}

#[test]
fn a_client_without_nat_that_gets_another_address_is_followed_and_still_told_of_the_end() {
    let mut w = World::new(config(4, &[]), 12);
    let c = w.add(Manner::default());
    w.connect(c);
    w.peers[c].move_to("100.64.9.9".parse().expect("an address"));
    assert_eq!(lost_after(&mut w, c, Duration::ZERO), 0, "{}", w.story(c));
    assert_eq!(w.lines("the client moved from 100.64.0.10:500 to 100.64.9.9:500").len(), 1, "{}", w.story(c));
    w.act(c, |p, now| p.rekey_esp(now));
    assert_eq!(lost_after(&mut w, c, Duration::ZERO), 0, "{}", w.story(c));
    w.shut_down();
    w.run_for(Duration::from_secs(1));
    assert!(w.peers[c].dialogue().iter().any(|(_, l)| l.contains("<- delete Isakmp")), "{}", w.story(c));
}

#[test]
fn force_on_makes_a_client_without_a_nat_send_esp_in_udp() {
    for forced in [false, true] {
        let line = if forced { "ipsec ike nat-traversal 1 on force=on" } else { "" };
        let mut w = World::new(config(4, &[line]), 9);
        let c = w.add_natted(false, Manner::default());
        w.connect(c);
        assert!(w.reaches(c), "{}", w.story(c));
        let found = w.peers[c].dialogue().iter().any(|(_, l)| l.contains("(NAT found)"));
        let in_udp = w.peers[c].dialogue().iter().any(|(_, l)| l.contains("in UDP)"));
        assert_eq!((found, in_udp), (forced, forced), "{}", w.story(c));
    }
}

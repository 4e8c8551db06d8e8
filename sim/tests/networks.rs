//! Bad networks and hard days, with each client's manners: loss, doubled packets, a NAT that changes, restarts, thirty
//! reconnects in a row, lives of twenty seconds under load, proposals longer than a packet.

#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use core::time::Duration;
use sim::{Faults, Manner, World, config, manners};
use wire::isakmp::{Attribute, AttributeValue, SecurityAssociation};

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn milliseconds(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Dials until it is up, as a user does, three times at most.
fn patiently(w: &mut World, c: usize, name: &str) {
    for _ in 0..3 {
        w.dial(c);
        let done = |w: &World| w.peers[c].is_up() || matches!(w.peers[c].stage(), sim::Stage::Ended(_));
        if w.run_until(seconds(90), done) && w.peers[c].is_up() {
            return;
        }
        w.run_for(seconds(1));
    }
    panic!("{name} does not get in:\n{}", w.story(c));
}

#[test]
fn fifteen_per_cent_of_loss_keep_nobody_out_and_end_no_session() {
    for (seed, manner) in (0..).zip(manners::all()) {
        let name = manner.name;
        let mut w = World::new(config(4, &[]), seed);
        w.faults = Faults { loss: 150, jitter: milliseconds(20), reorder: 20, ..Faults::default() };
        // One that ends after a few echoes of its own without an answer would do so by itself here.
        let echoes = manner.echoes.map(|(every, _)| (every, 20));
        let c = w.add_natted(seed % 2 == 0, Manner { echoes, ..manner });
        patiently(&mut w, c, name);
        let address = w.peers[c].inside();
        w.count_echoes_anew(c);
        for minute in 0..4 {
            match minute {
                1 => w.act(c, |p, now| p.rekey_esp(now)),
                2 => w.act(c, |p, now| p.rekey_ike(now)),
                _ => {}
            }
            let _ = w.traffic(c, milliseconds(500), seconds(60));
        }
        assert!(w.peers[c].is_up() && w.peers[c].inside() == address, "{name}:\n{}", w.story(c));
        assert_eq!(w.lines("Disconnected").len(), w.lines("PPP/IPCP up").len() - 1, "{name}:\n{}", w.story(c));
        // Each way loses 15 of 100: 28 of 100 echoes.
        let e = &w.echoes[c];
        let lost = e.asked.len() - e.back.len();
        assert!(lost * 100 < e.asked.len() * 36, "{name}: {lost} of {} echoes lost\n{}", e.asked.len(), w.story(c));
    }
}

#[test]
fn doubled_packets_double_nothing() {
    for (seed, manner) in (0..).zip(manners::all()) {
        let name = manner.name;
        let mut w = World::new(config(4, &[]), seed);
        w.faults = Faults { duplicate: 1000, jitter: milliseconds(30), ..Faults::default() };
        let c = w.add_natted(seed % 2 == 0, manner);
        patiently(&mut w, c, name);
        w.run_for(seconds(5));
        assert_eq!(w.traffic(c, milliseconds(20), seconds(5)), 0, "{name}:\n{}", w.story(c));
        w.act(c, |p, now| p.rekey_esp(now));
        assert!(w.traffic(c, milliseconds(20), seconds(5)) <= 3, "{name}:\n{}", w.story(c));
        w.act(c, |p, now| p.rekey_ike(now));
        assert!(w.traffic(c, milliseconds(20), seconds(8)) <= 3, "{name}:\n{}", w.story(c));
        assert_eq!((w.lines("PPP/IPCP up").len(), w.routes.len()), (1, 1), "{name}:\n{}", w.story(c));
        w.check_thoroughly();
    }
}

#[test]
fn a_nat_that_changes_port_or_address_interrupts_for_a_moment_only() {
    for (seed, manner) in (0..).zip(manners::all()) {
        let name = manner.name;
        let mut w = World::new(config(4, &[]), seed);
        let nat = w.add_nat();
        let c = w.add_behind(nat, manner);
        w.connect(c);
        for round in 0..6u8 {
            if round % 2 == 0 {
                w.nat(nat).forget();
            } else {
                w.nat(nat).renumber([203, 0, 113, 100 + round].into());
            }
            let _ = w.traffic(c, milliseconds(20), seconds(2));
            assert_eq!(w.traffic(c, milliseconds(20), seconds(2)), 0, "{name}, change {round}:\n{}", w.story(c));
            // Keys are renewed from the new place as well.
            w.act(c, |p, now| if round % 3 == 2 { p.rekey_ike(now) } else { p.rekey_esp(now) });
            assert_eq!(w.traffic(c, milliseconds(20), seconds(7)), 0, "{name}, change {round}:\n{}", w.story(c));
        }
        assert_eq!((w.lines("PPP/IPCP up").len(), w.engine.client_ids().count()), (1, 1), "{name}:\n{}", w.story(c));
    }
}

#[test]
fn after_a_restart_that_remembers_nothing_a_client_that_dials_again_is_in_at_once() {
    for (seed, manner) in (0..).zip(manners::all()) {
        let name = manner.name;
        let mut w = World::new(config(4, &[]), seed);
        let c = w.add_natted(seed % 2 == 0, manner.clone());
        w.connect(c);
        w.restart_from_nothing();
        let _ = w.traffic(c, milliseconds(200), seconds(3));
        let c = w.replace_in_place(c, manner);
        w.dial(c);
        assert!(w.run_until(seconds(10), |w| w.peers[c].is_up()), "{name}:\n{}", w.story(c));
        assert!(w.reaches(c), "{name}:\n{}", w.story(c));
        w.check_thoroughly();
    }
}

#[test]
fn thirty_reconnects_in_a_row_leave_one_session() {
    for (seed, manner) in (0..).zip(manners::all()) {
        let name = manner.name;
        let mut w = World::new(config(4, &[]), seed);
        let c = w.add_natted(seed % 2 == 0, manner);
        w.connect(c);
        for n in 0..30 {
            w.act(c, |p, now| p.hang_up(now));
            // Some at once, some after a while.
            w.run_for(milliseconds([0, 50, 1000, 12_000][n % 4]));
            w.dial(c);
            let up = w.run_until(seconds(20), |w| w.peers[c].is_up());
            assert!(up && w.reaches(c), "{name}, time {n}:\n{}", w.story(c));
            assert_eq!(w.routes.len(), 1, "{name}, time {n}:\n{}", w.story(c));
        }
        assert_eq!(w.engine.client_ids().count(), 1, "{name}:\n{}", w.story(c));
        assert_eq!(w.lines("PPP/IPCP up").len(), 31, "{name}");
        w.check_thoroughly();
    }
}

/// The same proposals with another life in seconds.
fn shorter(offer: Option<SecurityAssociation>, kind: u16, life: u16) -> Option<SecurityAssociation> {
    let mut offer = offer?;
    for t in offer.proposals.iter_mut().flat_map(|p| &mut p.transforms) {
        let seconds = t.attributes.iter().position(|a| a.kind == kind && a.as_u64() != Some(250_000));
        match seconds {
            Some(at) => t.attributes[at].value = AttributeValue::Short(life),
            None => t.attributes.extend([Attribute::short(kind - 1, 1u16), Attribute::short(kind, life)]),
        }
    }
    Some(offer)
}

#[test]
fn lives_of_twenty_seconds_under_load_lose_nothing() {
    for (seed, manner) in (0..).zip(manners::all()) {
        let name = manner.name;
        let manner = Manner {
            offer1: shorter(manner.offer1, 12, 20),
            offer2: shorter(manner.offer2, 2, 20),
            lives: (20, 20),
            renewal: (Some(seconds(16)), Some(seconds(15))),
            renews_phase1: true,
            ..manner
        };
        let mut w = World::new(config(4, &[]), seed);
        let c = w.add_natted(seed % 2 == 0, manner);
        w.connect(c);
        assert_eq!(w.traffic(c, milliseconds(10), seconds(300)), 0, "{name}:\n{}", w.story(c));
        assert!(w.lines("respond IPsec phase").len() >= 17, "{name}:\n{}", w.story(c));
        assert!(!w.told("Disconnected"), "{name}:\n{}", w.story(c));
        assert!(w.engine.pairs().count() <= 6, "{name}: {}", w.engine.pairs().count());
        w.check_thoroughly();
    }
}

#[test]
fn lives_of_twenty_seconds_that_the_client_leaves_to_the_server_lose_nothing() {
    for (seed, manner) in (0..).zip(manners::all()) {
        let name = manner.name;
        let manner = Manner {
            offer1: shorter(manner.offer1, 12, 60),
            offer2: shorter(manner.offer2, 2, 20),
            lives: (60, 20),
            renews: false,
            ..manner
        };
        let mut w = World::new(config(4, &[]), seed);
        let c = w.add_natted(seed % 2 == 0, manner);
        w.connect(c);
        assert_eq!(w.traffic(c, milliseconds(10), seconds(200)), 0, "{name}:\n{}", w.story(c));
        assert!(!w.told("Disconnected"), "{name}:\n{}", w.story(c));
        w.check_thoroughly();
    }
}

#[test]
fn proposals_longer_than_a_packet_are_read_whole_or_in_fragments() {
    for fragment in [None, Some(500), Some(1200)] {
        for manner in [manners::windows(), manners::apple(), manners::libreswan()] {
            let name = manner.name;
            let mut manner = Manner { fragment, ..manner };
            if let Some(p) = manner.offer1.as_mut().and_then(|o| o.proposals.first_mut()) {
                // What nobody has comes first: DES in all its forms, up to 120 transforms.
                let good = core::mem::take(&mut p.transforms);
                let mut bad = good[0].clone();
                bad.attributes.retain(|a| a.kind != 14);
                for a in bad.attributes.iter_mut().filter(|a| a.kind == 1) {
                    *a = Attribute::short(1u16, 1u16);
                }
                p.transforms = vec![bad; 120 - good.len()];
                p.transforms.extend(good);
                for (number, t) in (1..).zip(&mut p.transforms) {
                    t.number = number;
                }
            }
            assert!(manner.first_offer().encode().len() > 3000);
            let mut w = World::new(config(2, &[]), 1);
            let c = w.add_natted(true, manner);
            w.connect(c);
            assert!(w.reaches(c), "{name} {fragment:?}:\n{}", w.story(c));
        }
    }
}

//! The server is written to records and another one goes on from them: the client notices nothing.

#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use core::time::Duration;
use sim::{Manner, World, config};

const OFTEN: Duration = Duration::from_millis(7);

fn connected(seed: u64, natted: bool, manner: Manner) -> (World, usize) {
    let mut w = World::new(config(4, &[]), seed);
    let c = w.add_natted(natted, manner);
    w.connect(c);
    (w, c)
}

fn take_over(w: &mut World, clients: usize) {
    w.check_thoroughly();
    assert_eq!(w.restart_from_records(), Ok(clients));
    w.check_thoroughly();
}

/// No new SA of phase 1, the same address, no session ended; nothing was lost, for nothing dies with the old server.
fn unnoticed(w: &mut World, c: usize, what: &str) {
    assert_eq!(w.lost_echoes(c), 0, "{what}:\n{}", w.story(c));
    assert!(w.peers[c].is_up(), "{what}:\n{}", w.story(c));
    assert!(!w.told("Disconnected") && !w.told("Down"), "{what}:\n{}", w.story(c));
    assert_eq!(w.lines("PPP/IPCP up").len(), 1, "{what}:\n{}", w.story(c));
    w.check_thoroughly();
}

#[test]
fn in_the_middle_of_nothing() {
    for natted in [false, true] {
        let (mut w, c) = connected(1, natted, Manner::default());
        let before = (w.peers[c].inside(), w.peers[c].outbound().map(|o| o.0), w.peers[c].dialogue().len());
        for _ in 0..3 {
            w.run_for(Duration::from_secs(1));
            take_over(&mut w, 1);
            let _ = w.traffic(c, OFTEN, Duration::from_secs(5));
            unnoticed(&mut w, c, "idle");
        }
        let after = (w.peers[c].inside(), w.peers[c].outbound().map(|o| o.0), w.peers[c].dialogue().len());
        assert_eq!(before, after, "the client noticed:\n{}", w.story(c));
        assert_eq!(w.lines("respond").len(), 2);
    }
}

#[test]
fn under_traffic_at_any_moment() {
    let (mut w, c) = connected(2, true, Manner::default());
    for _ in 0..100 {
        w.echo(c, 100);
        w.run_for(OFTEN);
        take_over(&mut w, 1);
        w.echo(c, 1000);
    }
    w.run_for(Duration::from_secs(1));
    unnoticed(&mut w, c, "under traffic");
    assert_eq!(w.lines("respond").len(), 2);
}

/// Begins something, takes over after the `n`th packet from there, and goes on; says whether there were so many.
fn at_packet(n: u64, natted: bool, manner: Manner, begin: fn(&mut World, usize)) -> bool {
    let (mut w, c) = connected(3, natted, manner);
    let _ = w.traffic(c, OFTEN, Duration::from_millis(100));
    begin(&mut w, c);
    let (start, begun) = (w.crossed(), w.now());
    while w.crossed() < start + n && w.now().since(begun) < Duration::from_millis(200) {
        w.echo(c, 100);
        w.run_until(OFTEN, |w| w.crossed() >= start + n);
    }
    let reached = w.crossed() >= start + n && w.now().since(begun) < Duration::from_millis(200);
    take_over(&mut w, 1);
    let _ = w.traffic(c, OFTEN, Duration::from_secs(50));
    unnoticed(&mut w, c, &format!("after packet {n}"));
    w.act(c, |p, now| p.rekey_esp(now));
    let _ = w.traffic(c, OFTEN, Duration::from_secs(1));
    unnoticed(&mut w, c, &format!("after packet {n} and another rekeying"));
    assert_eq!(w.peers[c].pairs(), 1, "after packet {n}:\n{}", w.story(c));
    reached
}

#[test]
fn at_every_packet_of_a_rekeying_of_phase_2() {
    for natted in [false, true] {
        let mut n = 0;
        while at_packet(n, natted, Manner::default(), |w, c| w.act(c, |p, now| p.rekey_esp(now))) {
            n += 1;
        }
        assert!(n > 20, "{n} packets");
    }
}

#[test]
fn at_every_packet_of_a_rekeying_of_phase_2_with_a_secret_to_be_computed() {
    let mut n = 0;
    let manner = Manner { pfs: Some(14), ..Manner::default() };
    while at_packet(n, true, manner.clone(), |w, c| w.act(c, |p, now| p.rekey_esp(now))) {
        n += 1;
    }
}

#[test]
fn at_every_packet_of_a_rekeying_of_phase_1() {
    let mut n = 0;
    while at_packet(n, true, Manner::default(), |w, c| w.act(c, |p, now| p.rekey_ike(now))) {
        n += 1;
    }
}

#[test]
fn at_every_packet_of_a_renewal_by_the_server() {
    for lives in [(28_800, 120), (300, 3600)] {
        let life = Duration::from_secs(u64::from(lives.0.min(lives.1)));
        for n in 0..14 {
            let (mut w, c) = connected(9, true, Manner { lives, ..Manner::default() });
            w.watch = true;
            let isakmp = |w: &World| w.crossings.iter().filter(|x| x.packet.is_isakmp()).count();
            let end = w.now().after(life + Duration::from_secs(20));
            while w.now() < end && isakmp(&w) < n {
                w.echo(c, 100);
                w.run_until(Duration::from_secs(1), |w| isakmp(w) >= n);
            }
            take_over(&mut w, 1);
            let _ = w.traffic(c, Duration::from_millis(500), Duration::from_secs(60));
            unnoticed(&mut w, c, &format!("{lives:?}, after ISAKMP packet {n}"));
        }
    }
}

#[test]
fn while_a_secret_is_being_computed() {
    let (mut w, c) = connected(4, true, Manner { pfs: Some(14), ..Manner::default() });
    w.act(c, |p, now| p.rekey_esp(now));
    // Message 1 takes 10 ms to arrive, the computation 3 ms.
    for _ in 0..2 {
        w.run_for(Duration::from_millis(11));
        take_over(&mut w, 1);
    }
    let _ = w.traffic(c, OFTEN, Duration::from_secs(2));
    unnoticed(&mut w, c, "computing");
    assert_eq!(w.lines("respond IPsec phase").len(), 2, "{}", w.story(c));
    assert_eq!(w.peers[c].dialogue().iter().filter(|(_, l)| l.contains("once more")).count(), 0, "{}", w.story(c));
}

#[test]
fn at_every_packet_of_a_connect_after_which_the_client_is_up_all_the_same() {
    let packets = {
        let (w, _) = connected(5, true, Manner::default());
        w.crossed()
    };
    for n in 0..=packets {
        let mut w = World::new(config(4, &[]), 5);
        let nat = w.add_nat();
        let c = w.add_behind(nat, Manner::default());
        w.dial(c);
        w.run_until(Duration::from_secs(5), |w| w.crossed() >= n);
        let _ = w.restart_from_records().expect("the records are good");
        let up = w.run_until(Duration::from_secs(60), |w| w.peers[c].is_up());
        if !up {
            // Before its first SA a client is nobody; it gives up and dials again.
            w.connect(c);
        }
        assert!(w.reaches(c), "after packet {n}:\n{}", w.story(c));
        w.check_thoroughly();
    }
}

#[test]
fn while_a_call_is_ended_by_either_side() {
    for n in 0..12 {
        for by_operator in [false, true] {
            let (mut w, c) = connected(6, true, Manner::default());
            if by_operator {
                w.command("disconnect all");
            } else {
                w.act(c, |p, now| p.hang_up(now));
            }
            let start = w.crossed();
            w.run_until(Duration::from_millis(500), |w| w.crossed() >= start + n);
            let _ = w.restart_from_records().expect("the records are good");
            w.run_for(Duration::from_secs(240));
            if by_operator {
                w.act(c, |p, now| p.hang_up(now));
                w.run_for(Duration::from_secs(120));
            }
            assert_eq!(w.quiet(), Ok(()), "{n}, {by_operator}:\n{}", w.story(c));
        }
    }
}

#[test]
fn with_twenty_clients_each_keeps_its_address_and_tunnel() {
    let mut w = World::new(config(30, &[]), 7);
    let nat = w.add_nat();
    let manner = Manner { phase1: vec![(7, Some(128), 2, 2)], tunnel_id: Some(1), ..Manner::default() };
    let all: Vec<usize> =
        (0..20).map(|n| if n % 2 == 0 { w.add(manner.clone()) } else { w.add_behind(nat, manner.clone()) }).collect();
    for c in &all {
        w.connect(*c);
    }
    let show = |w: &mut World| {
        let text = w.command("show status pp anonymous");
        text.lines()
            .filter(|l| l.contains("PP IP Address") || l.contains("Outside"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let before = show(&mut w);
    take_over(&mut w, 20);
    assert_eq!(show(&mut w), before);
    for c in &all {
        w.echo(*c, 100);
    }
    w.run_for(Duration::from_secs(1));
    assert!(all.iter().all(|c| w.lost_echoes(*c) == 0));
    let late = w.add(manner);
    w.connect(late);
    assert!(w.reaches(late));
}

#[test]
fn a_record_of_another_version_or_a_broken_one_is_refused_and_changes_nothing() {
    let (mut w, c) = connected(8, true, Manner::default());
    let good = w.records();
    let [record] = good.as_slice() else { panic!("one record") };
    for at in 0..2 {
        let mut other = record.clone();
        other[at] ^= 1;
        assert!(w.import(&other).is_err(), "octet {at}");
    }
    for cut in 0..record.len() {
        assert!(w.import(&record[..cut]).is_err(), "cut at {cut}");
    }
    assert!(w.import(record).is_err(), "it is here already");
    assert!(w.reaches(c));
    w.check_thoroughly();
}

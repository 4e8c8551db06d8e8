//! A day in the life of a client: little traffic, hourly and eight-hourly renewals, keepalives.

use core::time::Duration;
use sim::{Manner, World, config};

fn a_day(seed: u64, natted: bool, manner: Manner) {
    let mut w = World::new(config(4, &[]), seed);
    let c = w.add_natted(natted, manner);
    w.connect(c);
    let address = w.peers[c].inside();
    // Renewals come five minutes before the hour is over.
    for round in 0..26 {
        for _ in 0..50 {
            w.echo(c, 100);
            w.run_for(Duration::from_secs(60));
        }
        if round % 8 == 7 {
            w.act(c, |p, now| p.rekey_ike(now));
        } else {
            w.act(c, |p, now| p.rekey_esp(now));
        }
        let lost = w.traffic(c, Duration::from_secs(30), Duration::from_secs(299));
        assert_eq!(lost, 0, "round {round}:\n{}", w.story(c));
        w.check_thoroughly();
    }
    assert_eq!(w.lost_echoes(c), 0, "{}", w.story(c));
    assert!(w.peers[c].is_up() && w.peers[c].inside() == address, "{}", w.story(c));
    assert!(!w.told("Disconnected") && !w.told("Down"), "{}", w.story(c));
    assert_eq!(w.lines("respond ISAKMP phase").len(), 4);
    assert_eq!(w.lines("respond IPsec phase").len(), 27);
}

#[test]
fn behind_a_nat_nothing_is_lost() {
    a_day(1, true, Manner::default());
}

#[test]
fn without_a_nat_nothing_is_lost() {
    a_day(2, false, Manner { pfs: Some(14), ..Manner::default() });
}

#[test]
fn with_old_sas_left_to_their_age_and_phase_1_renewed_on_port_500_nothing_is_lost() {
    a_day(3, true, Manner { deletes_old: false, rekeys_on_500: true, ..Manner::default() });
}

/// The client leaves every renewal to the server.
fn a_lazy_day(seed: u64, natted: bool, manner: Manner) {
    let mut w = World::new(config(4, &[]), seed);
    let c = w.add_natted(natted, manner);
    w.connect(c);
    let address = w.peers[c].inside();
    let lost = w.traffic(c, Duration::from_secs(7), Duration::from_secs(24 * 3600));
    assert_eq!(lost, 0, "{}", w.story(c));
    assert!(w.peers[c].is_up() && w.peers[c].inside() == address, "{}", w.story(c));
    assert!(!w.told("Disconnected") && !w.told("Down"), "{}", w.story(c));
    let renewed = |words: &str| w.peers[c].dialogue().iter().filter(|(_, l)| l.contains(words)).count();
    assert!(renewed("the server has renewed phase 2") >= 23, "{}", w.story(c));
    assert!(renewed("the server has renewed phase 1") >= 2, "{}", w.story(c));
    w.check_thoroughly();
}

#[test]
fn a_client_that_leaves_its_renewals_to_the_server_loses_nothing() {
    a_lazy_day(4, true, Manner::default());
    a_lazy_day(5, false, Manner::default());
    a_lazy_day(6, true, Manner { pfs: Some(14), ..Manner::default() });
}

#[test]
fn a_client_that_renews_by_itself_is_never_overtaken_by_the_server() {
    let mut w = World::new(config(4, &[]), 7);
    let c = w.add(Manner { renews: true, ..Manner::default() });
    w.connect(c);
    assert_eq!(w.traffic(c, Duration::from_secs(7), Duration::from_secs(24 * 3600)), 0, "{}", w.story(c));
    assert!(!w.peers[c].dialogue().iter().any(|(_, l)| l.contains("the server's own")), "{}", w.story(c));
}

//! Clients connect, exchange data and hang up.

use core::time::Duration;
use sim::{Manner, Stage, World, config};

#[test]
fn a_client_without_nat_connects_over_plain_esp() {
    let mut w = World::new(config(4, &[]), 1);
    let c = w.add(Manner::default());
    w.connect(c);
    assert_eq!(
        w.peers[c].inside().map(|a| a.to_string()).as_deref(),
        Some("192.168.100.200")
    );
    assert_eq!(w.peers[c].dns(), [sim::world::HOST]);
    assert!(w.reaches(c), "{}", w.story(c));
}

#[test]
fn a_client_behind_a_nat_connects_over_udp() {
    let mut w = World::new(config(4, &[]), 2);
    let nat = w.add_nat();
    let c = w.add_behind(nat, Manner::default());
    w.connect(c);
    assert!(w.reaches(c), "{}", w.story(c));
}

#[test]
fn a_client_hangs_up_and_leaves_nothing_behind() {
    let mut w = World::new(config(4, &[]), 3);
    let c = w.add(Manner::default());
    w.connect(c);
    w.act(c, |p, now| p.hang_up(now));
    w.run_for(Duration::from_secs(120));
    assert!(matches!(w.peers[c].stage(), Stage::Ended(_)));
    assert!(w.routes.is_empty(), "{}", w.story(c));
    assert!(w.told("IP Tunnel[1] Down"), "{}", w.story(c));
    assert_eq!(w.engine.client_ids().count(), 0);
}

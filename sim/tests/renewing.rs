//! The server renews what a client lets run out, and nobody notices.

use core::time::Duration;
use sim::{Manner, World, config};

/// A client that gives its SAs these lives and never renews them itself.
fn lazy(phase1: u16, phase2: u16) -> Manner {
    Manner { lives: (phase1, phase2), ..Manner::default() }
}

fn echoes_for(w: &mut World, who: usize, seconds: u64) {
    for _ in 0..seconds * 5 {
        w.echo(who, 100);
        w.run_for(Duration::from_millis(200));
    }
    w.run_for(Duration::from_secs(1));
}

#[test]
fn the_server_renews_phase_2_when_the_client_does_not() {
    let mut w = World::new(config(4, &[]), 21);
    let c = w.add(lazy(3600, 60));
    w.connect(c);
    echoes_for(&mut w, c, 200);
    assert_eq!(w.lost_echoes(c), 0, "{}", w.story(c));
    assert!(w.peers[c].dialogue().iter().any(|(_, l)| l.contains("<- quick mode 1")), "{}", w.story(c));
}

#[test]
fn the_server_renews_both_phases_behind_a_nat() {
    let mut w = World::new(config(4, &[]), 22);
    let nat = w.add_nat();
    let c = w.add_behind(nat, lazy(90, 60));
    w.connect(c);
    echoes_for(&mut w, c, 300);
    assert_eq!(w.lost_echoes(c), 0, "{}", w.story(c));
    assert!(w.peers[c].dialogue().iter().any(|(_, l)| l.contains("<- main mode 1")), "{}", w.story(c));
}

#[test]
fn a_renewal_with_perfect_forward_secrecy_keeps_it() {
    let mut w = World::new(config(4, &[]), 23);
    let c = w.add(Manner { pfs: Some(14), ..lazy(3600, 60) });
    w.connect(c);
    echoes_for(&mut w, c, 130);
    assert_eq!(w.lost_echoes(c), 0, "{}", w.story(c));
}

#[test]
fn a_lost_message_of_a_renewal_is_sent_again() {
    for n in 1..=12 {
        let mut w = World::new(config(4, &[]), 100 + n);
        let c = w.add(lazy(90, 60));
        w.connect(c);
        w.run_for(Duration::from_secs(57));
        w.lose(n);
        echoes_for(&mut w, c, 120);
        assert!(w.lost_echoes(c) <= 1, "message {n}: {} lost\n{}", w.lost_echoes(c), w.story(c));
    }
}

#[test]
fn what_a_client_sends_on_a_new_pair_before_its_message_2_is_not_lost() {
    for (seed, natted) in [(24, false), (25, true)] {
        let mut w = World::new(config(4, &[]), seed);
        let c = w.add_natted(natted, Manner { sends_before_message_2: true, ..lazy(3600, 60) });
        w.connect(c);
        echoes_for(&mut w, c, 200);
        assert_eq!(w.lost_echoes(c), 0, "{}", w.story(c));
        assert!(w.peers[c].dialogue().iter().filter(|(_, l)| l.contains("<- quick mode 3")).count() >= 2);
        w.check_thoroughly();
    }
}

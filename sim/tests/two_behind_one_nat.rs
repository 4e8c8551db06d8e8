//! Clients that look alike in everything but their keys, behind one NAT.

use core::time::Duration;
use sim::{Manner, World, config};

fn twins(seed: u64) -> (World, usize, usize) {
    let mut w = World::new(config(4, &[]), seed);
    let nat = w.add_nat();
    let manner = Manner { tunnel_id: Some(1), ..Manner::default() };
    let a = w.add_behind(nat, manner.clone());
    let b = w.add_behind(nat, Manner { user: "second".into(), password: "Second-2".into(), ..manner });
    (w, a, b)
}

#[test]
fn two_clients_with_the_same_address_port_and_tunnel_id_connect_and_do_not_mix() {
    let (mut w, a, b) = twins(1);
    w.dial(a);
    w.dial(b);
    assert!(w.run_until(Duration::from_secs(5), |w| w.peers.iter().all(sim::Peer::is_up)), "{}", w.story(a));
    for _ in 0..100 {
        w.echo(a, 200);
        w.echo(b, 300);
        w.run_for(Duration::from_millis(10));
    }
    w.run_for(Duration::from_secs(1));
    assert_eq!((w.lost_echoes(a), w.lost_echoes(b)), (0, 0));
    w.check_thoroughly();
}

#[test]
fn the_second_connects_while_the_first_is_at_work_and_neither_minds_the_others_rekeying() {
    let (mut w, a, b) = twins(2);
    w.connect(a);
    w.dial(b);
    assert_eq!(w.traffic(a, Duration::from_millis(20), Duration::from_secs(5)), 0);
    assert!(w.peers[b].is_up(), "{}", w.story(b));
    for who in [a, b] {
        w.act(who, |p, now| p.rekey_esp(now));
        w.act(who, |p, now| p.rekey_ike(now));
        for _ in 0..100 {
            w.echo(a, 200);
            w.echo(b, 300);
            w.run_for(Duration::from_millis(20));
        }
    }
    w.run_for(Duration::from_secs(1));
    assert_eq!((w.lost_echoes(a), w.lost_echoes(b)), (0, 0), "{}", w.story(a));
}

#[test]
fn one_hangs_up_and_comes_back_and_the_other_goes_on() {
    let (mut w, a, b) = twins(3);
    w.connect(a);
    w.connect(b);
    w.act(a, |p, now| p.hang_up(now));
    assert_eq!(w.traffic(b, Duration::from_millis(50), Duration::from_secs(60)), 0, "{}", w.story(b));
    w.connect(a);
    assert!(w.reaches(a) && w.reaches(b), "{}", w.story(a));
}

#[test]
fn an_initial_contact_of_one_does_not_touch_the_other() {
    let (mut w, a, b) = twins(4);
    w.connect(a);
    w.peers[b].manner_mut().initial_contact = true;
    w.connect(b);
    assert!(w.reaches(a) && w.reaches(b), "{}", w.story(a));
    w.act(b, |p, now| p.initial_contact(now));
    w.run_for(Duration::from_secs(1));
    assert!(w.reaches(a), "{}", w.story(a));
}

#[test]
fn the_same_user_twice_behind_one_nat_has_two_sessions() {
    let mut w = World::new(config(4, &[]), 5);
    let nat = w.add_nat();
    let manner = Manner { tunnel_id: Some(1), initial_contact: true, ..Manner::default() };
    let (a, b) = (w.add_behind(nat, manner.clone()), w.add_behind(nat, manner));
    w.connect(a);
    w.connect(b);
    assert_ne!(w.peers[a].inside(), w.peers[b].inside());
    assert!(w.reaches(a) && w.reaches(b), "{}", w.story(a));
}

#[test]
fn twenty_clients_behind_one_nat_connect_at_once() {
    let mut w = World::new(config(30, &[]), 6);
    let nat = w.add_nat();
    let manner = Manner { tunnel_id: Some(1), ..Manner::default() };
    let all: Vec<usize> = (0..20).map(|_| w.add_behind(nat, manner.clone())).collect();
    for c in &all {
        w.dial(*c);
    }
    assert!(w.run_until(Duration::from_secs(10), |w| w.peers.iter().all(sim::Peer::is_up)), "{}", w.log().join("\n"));
    assert!(all.iter().all(|c| w.reaches(*c)));
    w.check_thoroughly();
}

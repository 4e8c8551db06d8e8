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

/// It is up with the address that it had, and its old session is gone.
fn has_replaced(w: &mut World, new: usize, address: Option<core::net::Ipv4Addr>) {
    comes_up(w, new);
    assert_eq!(w.peers[new].inside(), address, "{}", w.story(new));
    assert_eq!((w.routes.len(), w.engine.client_ids().count()), (1, 1), "{}", w.story(new));
    assert_eq!(w.lines("Disconnected, cause [the client came back from").len(), 1, "{}", w.story(new));
    w.run_for(Duration::from_secs(300));
    assert!(w.peers[new].is_up() && w.reaches(new), "{}", w.story(new));
    assert!(!w.told("fell silent"), "{}", w.story(new));
}

#[test]
fn from_a_new_port_of_its_nat_it_replaces_its_old_session_at_once_and_keeps_its_address() {
    for initial_contact in [false, true] {
        let (mut w, old) = connected(2, true);
        let address = w.peers[old].inside();
        let new = w.replace(old, manner(initial_contact));
        has_replaced(&mut w, new, address);
    }
}

#[test]
fn from_another_network_it_replaces_its_old_session_at_once_and_keeps_its_address() {
    for pause in [0, 3, 30] {
        for natted in [false, true] {
            let (mut w, old) = connected(11, true);
            let address = w.peers[old].inside();
            w.vanish(old);
            w.run_for(Duration::from_secs(pause));
            let new = w.add_natted(natted, manner(true));
            has_replaced(&mut w, new, address);
        }
    }
}

#[test]
fn a_device_that_takes_the_place_of_a_silent_one_gets_its_address_whatever_its_name_is() {
    let (mut w, old) = connected(12, true);
    let address = w.peers[old].inside();
    w.vanish(old);
    w.run_for(Duration::from_secs(40));
    let new = w.add(Manner { host_name: "another".into(), ..manner(true) });
    has_replaced(&mut w, new, address);
}

#[test]
fn two_devices_of_one_user_are_in_at_the_same_time_even_if_they_look_alike() {
    for name in ["sim", "another"] {
        let (mut w, first) = connected(13, true);
        for n in 0..2 {
            let nat = w.add_nat();
            let more = w.add_behind(nat, Manner { host_name: name.into(), ..manner(n == 0) });
            comes_up(&mut w, more);
            assert!(w.reaches(first), "{}", w.story(first));
        }
        assert_eq!((w.routes.len(), w.engine.client_ids().count()), (3, 3), "{}", w.story(first));
        w.run_for(Duration::from_secs(300));
        assert!((0..3).all(|c| w.reaches(c)), "{}", w.story(first));
        assert!(!w.told("Disconnected"), "{}", w.story(first));
    }
}

#[test]
fn where_a_user_may_be_in_once_a_living_device_keeps_its_place_and_a_dead_one_does_not() {
    let once = ["pp select anonymous\n pp auth multi connect prohibit on\n pp select none"];
    for name in ["sim", "another"] {
        let mut w = World::new(config(4, &once), 14);
        let first = w.add_natted(true, manner(false));
        w.connect(first);
        let address = w.peers[first].inside();
        let second = w.add(Manner { host_name: name.into(), ..manner(false) });
        w.dial(second);
        w.run_for(SOON);
        assert!(!w.peers[second].is_up() && w.reaches(first), "{}", w.story(second));
        assert_eq!(w.lines("connected already, and").len(), 1, "{}", w.story(second));
        // The one that was turned away is forgotten.
        w.run_for(Duration::from_secs(240));
        w.vanish(first);
        let third = w.add(Manner { host_name: name.into(), ..manner(false) });
        has_replaced(&mut w, third, address);
    }
}

#[test]
fn where_all_tunnels_are_taken_one_whose_client_has_missed_a_keepalive_makes_room() {
    let mut w = World::new(config(1, &[]), 17);
    let old = w.add_natted(true, manner(false));
    w.connect(old);
    let address = w.peers[old].inside();
    let other = w.add(Manner { user: "second".into(), password: "Second-2".into(), ..manner(false) });
    w.dial(other);
    w.run_for(Duration::from_secs(20));
    assert!(w.told("no free tunnel") && w.reaches(old), "{}", w.story(other));
    w.vanish(old);
    w.vanish(other);
    w.run_for(Duration::from_secs(30));
    let new = w.add_natted(true, manner(true));
    comes_up(&mut w, new);
    assert_eq!(w.peers[new].inside(), address, "{}", w.story(new));
    assert!(w.told("the client is silent, and its tunnel was needed"), "{}", w.story(new));
}

#[test]
fn a_wrong_password_replaces_nothing() {
    let (mut w, old) = connected(15, true);
    w.vanish(old);
    let new = w.add(Manner { password: "wrong".into(), ..manner(true) });
    w.dial(new);
    w.run_for(SOON);
    assert_eq!(w.routes.len(), 1, "{}", w.story(new));
    assert!(!w.told("Disconnected, cause [the client came back"), "{}", w.story(new));
}

#[test]
fn thirty_reconnects_in_a_row_from_a_new_port_each_leave_one_session() {
    let (mut w, mut c) = connected(16, true);
    let address = w.peers[c].inside();
    for n in 0..30 {
        c = w.replace(c, manner(n % 2 == 0));
        comes_up(&mut w, c);
        assert_eq!(w.peers[c].inside(), address);
        assert_eq!((w.routes.len(), w.engine.client_ids().count()), (1, 1), "{}", w.story(c));
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

/// One whose exchange is pushed out has no answer until it gives up: it goes on with what the server has forgotten.
#[test]
fn when_all_clients_of_many_tunnels_return_at_once_none_pushes_another_out() {
    let returning = 9000;
    let mut w = World::new(config(10_000, &[]), 1);
    let message = sim::fixture::fixture("windows/mm1");
    for n in 0..returning {
        let mut bytes = message.clone();
        bytes[..4].copy_from_slice(&u32::to_be_bytes(n + 1));
        let from = core::net::SocketAddr::new(core::net::Ipv4Addr::from(0xC612_0000 | (n + 1)).into(), 500);
        let to = core::net::SocketAddr::new(sim::world::SERVER.into(), 500);
        w.inject(sim::Outer { carrier: sim::Carrier::Udp, from, to, bytes });
    }
    assert_eq!(w.engine.half_open(), returning as usize);
}

/// The server's clock counts the host's sleep; whatever it shows next, nothing ends but what is over by it.
#[test]
fn a_clock_that_jumps_back_changes_nothing_and_one_that_jumps_ahead_lets_clients_return() {
    let (mut w, c) = connected(1, false);
    let mut out = engine::Outbox::default();
    let back = engine::time::Instant(0);
    w.engine.handle(engine::Input::Timeout, back, &mut out);
    assert_eq!(out.drain().count(), 0, "nothing is due at an earlier time");
    assert!(w.reaches(c), "{}", w.story(c));
    // An hour and a half passes in no time: the pair's life is over, and the clock goes back to what it was.
    let ahead = w.now().after(Duration::from_secs(5400));
    w.engine.handle(engine::Input::Timeout, ahead, &mut out);
    drop(out);
    w.run_for(Duration::from_secs(1));
    w.act(c, |peer, now| peer.hang_up(now));
    w.run_for(Duration::from_secs(40));
    let other = w.add(manner(true));
    w.dial(other);
    assert!(w.run_until(SOON, |w| w.peers[other].is_up()), "{:?}\n{}", w.peers[other].stage(), w.story(other));
    assert!(w.reaches(other), "{}", w.story(other));
}

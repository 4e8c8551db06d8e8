//! The configurations of `examples/`, each served as it stands: what yamaha.md §4.0 says happens, in that order and in
//! those words.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use core::net::Ipv4Addr;
use core::time::Duration;
use sim::{Manner, World};

const FIXED: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);

fn world(text: &str) -> World {
    let (config, problems) = command::parse(text);
    let errors: Vec<_> = problems.iter().filter(|p| p.severity == command::Severity::Error).collect();
    assert!(errors.is_empty(), "{errors:?}");
    World::new(config, 11)
}

fn user(name: &str, password: &str) -> Manner {
    Manner {
        psk: b"pre-shared-key".to_vec(),
        user: name.to_owned(),
        password: password.to_owned(),
        ..Manner::default()
    }
}

/// The lines of the log, with the numbers that the server draws left out.
fn lines(world: &World) -> Vec<String> {
    let drawn = |word: &str| word.len() > 2 && word.bytes().all(|b| b.is_ascii_digit());
    let plain = |line: &String| line.split(' ').map(|w| if drawn(w) { "ID" } else { w }).collect::<Vec<_>>().join(" ");
    world.log().iter().map(plain).collect()
}

/// What is to be told of a connection, in order, from the first message to the end.
fn life(tunnel: u32, pp: &str, peer: &str, user: &str, local: &str, remote: &str) -> Vec<String> {
    vec![
        format!("[IKE] respond ISAKMP phase to {peer}"),
        format!("[IKE] respond IPsec phase to {peer}"),
        format!("IP Tunnel[{tunnel}] Up"),
        format!("[L2TP] TUNNEL[{tunnel}] connected from {peer}"),
        format!("[L2TP] TUNNEL[{tunnel}] tunnel ID established"),
        format!("[L2TP] TUNNEL[{tunnel}] session ID established"),
        format!("{pp} Call detected from user '{user}'"),
        format!("{pp} PPP/IPCP up  (Local: {local}, Remote: {remote})"),
        format!("[L2TP] TUNNEL[{tunnel}] disconnect session ID complete"),
        format!("[L2TP] TUNNEL[{tunnel}] disconnect tunnel ID complete"),
        format!("IP Tunnel[{tunnel}] Down"),
    ]
}

/// Connects, hangs up, and compares what was told.
fn lives(world: &mut World, who: usize, expected: &[String]) {
    world.connect(who);
    world.run_for(Duration::from_secs(2));
    world.act(who, |peer, now| peer.hang_up(now));
    world.run_for(Duration::from_secs(120));
    let told = lines(world);
    let mut rest = told.iter();
    for line in expected {
        assert!(rest.any(|found| found == line), "missing or out of order: {line}\n{}", told.join("\n"));
    }
}

#[test]
fn one_client_with_a_fixed_address_is_served_and_no_other() {
    let mut world = world(include_str!("../../examples/one_fixed_client.conf"));
    let stranger = world.add(user("l2tp-user", "l2tp-pass"));
    world.dial(stranger);
    world.run_for(Duration::from_secs(60));
    assert!(!world.peers[stranger].is_up());
    assert!(world.told("no gateway serves"), "{:?}", world.log());
    let who = world.add_from(FIXED.into(), user("l2tp-user", "l2tp-pass"));
    let expected = life(1, "PP[02]", "203.0.113.1", "l2tp-user", "192.168.100.1", "192.168.100.10");
    lives(&mut world, who, &expected);
}

#[test]
fn several_clients_take_a_tunnel_an_instance_and_an_address_each() {
    let mut world = world(include_str!("../../examples/several_clients.conf"));
    let first = world.add(user("user1", "pass1"));
    let second = world.add(user("user2", "pass2"));
    world.connect(first);
    let peer = world.peers[second].outer().to_string();
    let expected = life(2, "PP[ANONYMOUS02]", &peer, "user2", "192.168.100.1", "192.168.100.11");
    lives(&mut world, second, &expected);
    assert!(world.told("PP[ANONYMOUS01] PPP/IPCP up  (Local: 192.168.100.1, Remote: 192.168.100.10)"));
    // A third finds no place while two are on.
    let second = world.add(user("user2", "pass2"));
    world.connect(second);
    let third = world.add(user("user1", "pass1"));
    world.dial(third);
    world.run_for(Duration::from_secs(60));
    assert!(!world.peers[third].is_up() && world.told("no free tunnel for"), "{:?}", world.log());
}

#[test]
fn one_configuration_serves_clients_with_and_without_a_nat() {
    for natted in [true, false] {
        let mut world = world(include_str!("../../examples/nat_traversal.conf"));
        let who = world.add_natted(natted, user("user1", "pass1"));
        let peer = if natted { world.nat(0).outside().to_string() } else { world.peers[who].outer().to_string() };
        let expected = life(1, "PP[ANONYMOUS01]", &peer, "user1", "192.168.100.1", "192.168.100.10");
        lives(&mut world, who, &expected);
    }
}

#[test]
fn the_l2tp_half_of_a_configuration_with_pptp_is_served_though_it_asks_for_mppe() {
    let mut world = world(include_str!("../../examples/with_pptp.conf"));
    let who = world.add(user("user2", "pass2"));
    let peer = world.peers[who].outer().to_string();
    let expected = life(1, "PP[ANONYMOUS01]", &peer, "user2", "192.168.100.1", "192.168.100.10");
    lives(&mut world, who, &expected);
}

#[test]
fn a_template_serves_its_twenty_places() {
    let mut world = world(include_str!("../../examples/template.conf"));
    let nat = world.add_nat();
    let all: Vec<usize> = (0..20).map(|_| world.add_behind(nat, user("user1", "pass1"))).collect();
    for who in &all[..19] {
        world.connect(*who);
    }
    let peer = world.nat(nat).outside().to_string();
    let expected = life(20, "PP[ANONYMOUS20]", &peer, "user1", "192.168.100.1", "192.168.100.29");
    lives(&mut world, all[19], &expected);
}

#[test]
fn a_published_configuration_serves_with_numbers_of_its_own() {
    let mut world = world(include_str!("../../examples/published.conf"));
    let nat = world.add_nat();
    let who = world.add_behind(nat, user("User001", "password"));
    let peer = world.nat(nat).outside().to_string();
    world.connect(who);
    let told = lines(&world);
    for line in [format!("[L2TP] TUNNEL[33] connected from {peer}"), "IP Tunnel[33] Up".to_owned()] {
        assert!(told.contains(&line), "{line}\n{}", told.join("\n"));
    }
    assert!(world.told("Remote: 10.0.100."), "{told:?}");
}

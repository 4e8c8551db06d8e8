//! Packet filters as an operator writes them, on the traffic of a client that has connected.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use core::time::Duration;
use sim::{Manner, World, config};

/// A client that is up, with lines about filters in the configuration.
fn world(extra: &[&str]) -> (World, usize) {
    let mut world = World::new(config(4, extra), 90);
    let who = world.add(Manner::default());
    world.connect(who);
    (world, who)
}

#[test]
fn what_no_filter_lets_pass_is_discarded_and_told_in_the_routers_words() {
    let (mut world, who) = world(&[
        "syslog notice on",
        "ip filter 100 pass * * tcp",
        "ip filter 101 reject * 192.168.100.10 udp * 7",
        "ip filter 199 pass * * * * *",
        "pp select anonymous\n ip pp secure filter in 100 101 199",
    ]);
    assert!(!world.reaches(who), "{}", world.story(who));
    let lines = world.lines("Rejected at");
    assert!(
        lines[0].starts_with("PP[ANONYMOUS01] Rejected at IN(101) filter: UDP 192.168.100.200:9 > 192.168.100.10:7"),
        "{lines:?}"
    );
}

#[test]
fn what_a_filter_lets_pass_passes_and_nothing_is_told_without_notice() {
    let (mut world, who) = world(&[
        "ip filter 100 pass 192.168.100.0/24 192.168.100.10 udp * 7",
        "ip filter 101 pass 192.168.100.10 * udp 7 *",
        "pp select anonymous\n ip pp secure filter in 100\n ip pp secure filter out 101",
    ]);
    assert!(world.reaches(who), "{}", world.story(who));
    assert!(world.lines("filter:").is_empty());
}

#[test]
fn the_answer_to_what_a_dynamic_filter_let_begin_comes_back() {
    let dynamic = [
        "ip filter 100 reject * *",
        "ip filter dynamic 10 * 192.168.100.10 udp",
        "pp select anonymous\n ip pp secure filter in dynamic 10\n ip pp secure filter out 100",
    ];
    let (mut first, who) = world(&dynamic);
    assert!(first.reaches(who), "{}", first.story(who));
    let without = [
        "ip filter 100 reject * *",
        "ip filter 199 pass * *",
        "pp select anonymous\n ip pp secure filter in 199\n ip pp secure filter out 100",
    ];
    let (mut second, who) = world(&without);
    assert!(!second.reaches(who), "without the dynamic filter the answer is discarded");
}

#[test]
fn filters_of_a_tunnel_and_a_named_set_hold_as_well() {
    let (mut world_of_tunnel, who) = world(&[
        "ip filter 1 reject * * udp * echo",
        "ip filter 2 pass * *",
        "tunnel select 1\n ip tunnel secure filter in 1 2",
    ]);
    assert!(!world_of_tunnel.reaches(who));
    let (mut world_of_set, who) = world(&[
        "ip filter 1 reject * * udp * echo",
        "ip filter 2 pass * *",
        "ip filter set work in 1 2 out 2",
        "pp select anonymous\n ip pp secure filter name work",
    ]);
    assert!(!world_of_set.reaches(who));
    let (mut world_of_other, who) = world(&[
        "ip filter 1 reject * * udp * www",
        "ip filter 2 pass * *",
        "ip filter set work in 1 2 out 2",
        "pp select anonymous\n ip pp secure filter name work",
    ]);
    assert!(world_of_other.reaches(who));
}

#[test]
fn filters_hold_after_a_restart_from_records() {
    let (mut world, who) = world(&["ip filter 1 pass * * tcp", "pp select anonymous\n ip pp secure filter in 1"]);
    assert!(!world.reaches(who));
    assert_eq!(world.restart_from_records(), Ok(1));
    world.run_for(Duration::from_secs(1));
    assert!(!world.reaches(who), "the new worker filters as the old one did");
}

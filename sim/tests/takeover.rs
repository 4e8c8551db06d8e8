//! A tunnel goes on under new SAs if its user has made them, and never for anybody else.

#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use core::time::Duration;
use sim::{Manner, Way, World, config};

const SOON: Duration = Duration::from_secs(5);
const OFTEN: Duration = Duration::from_millis(20);
/// Instead of MS-CHAPv2.
const PAP: &str = "pp select anonymous\n pp auth request pap\n pp select none";

fn connected(seed: u64, extra: &[&str]) -> (World, usize, usize) {
    let mut w = World::new(config(4, extra), seed);
    let nat = w.add_nat();
    let c = w.add_behind(nat, Manner::default());
    w.connect(c);
    (w, nat, c)
}

fn goes_on(w: &mut World, c: usize, grace: Duration) {
    let address = w.peers[c].inside();
    w.act(c, |p, now| p.renew_all(now));
    w.run_for(grace);
    assert!(w.peers[c].is_up() && w.reaches(c), "{}", w.story(c));
    assert_eq!(w.peers[c].inside(), address);
    assert_eq!(w.traffic(c, OFTEN, SOON), 0, "{}", w.story(c));
    assert_eq!((w.engine.client_ids().count(), w.routes.len()), (1, 1), "{}", w.story(c));
    assert_eq!(w.lines("PPP/IPCP up").len(), 1, "{}", w.story(c));
    assert!(!w.told("Disconnected"), "{}", w.story(c));
    w.check_thoroughly();
}

#[test]
fn trap_42_a_telephone_in_another_network_goes_on_with_its_tunnel() {
    for (hello, ping) in [(false, true), (true, false), (true, true)] {
        let (mut w, _, c) = connected(1, &[]);
        for _ in 0..3 {
            let other = w.add_nat();
            w.move_behind(c, other);
            let address = w.peers[c].inside();
            w.act(c, |p, now| p.renew_all(now));
            w.run_for(Duration::from_millis(300));
            if hello {
                w.act(c, |p, now| p.hello(now));
            }
            if ping {
                w.echo(c, 100);
            }
            w.run_for(Duration::from_secs(2));
            assert!(w.reaches(c), "{}", w.story(c));
            assert_eq!(w.peers[c].inside(), address);
            assert_eq!((w.engine.client_ids().count(), w.routes.len()), (1, 1), "{}", w.story(c));
            w.check_thoroughly();
        }
        assert_eq!(w.lines("the client moved from").len(), 3, "{}", w.story(c));
        assert!(!w.told("Disconnected"), "{}", w.story(c));
        w.act(c, |p, now| p.rekey_esp(now));
        assert_eq!(w.traffic(c, OFTEN, SOON), 0, "{}", w.story(c));
        w.run_for(Duration::from_secs(600));
        assert!(w.peers[c].is_up() && w.reaches(c), "{}", w.story(c));
        w.act(c, sim::Peer::hang_up);
        w.run_for(Duration::from_secs(200));
        assert_eq!(w.quiet(), Ok(()), "{}", w.story(c));
    }
}

#[test]
fn what_a_telephone_sends_first_on_its_new_sas_is_held_till_it_has_answered() {
    let (mut w, _, c) = connected(2, &[]);
    let other = w.add_nat();
    w.move_behind(c, other);
    let pairs = w.engine.pairs().count();
    w.act(c, |p, now| p.renew_all(now));
    assert!(w.run_until(SOON, |w| w.engine.pairs().count() > pairs && w.peers[c].pairs() == 1), "{}", w.story(c));
    assert!(w.reaches(c), "{}", w.story(c));
}

#[test]
fn a_client_that_makes_everything_anew_from_the_same_place_goes_on() {
    for natted in [false, true] {
        let mut w = World::new(config(4, &[]), 3);
        let c = w.add_natted(natted, Manner::default());
        w.connect(c);
        for _ in 0..3 {
            goes_on(&mut w, c, Duration::from_secs(2));
        }
        w.run_for(Duration::from_secs(4000));
        w.check_thoroughly();
    }
}

#[test]
fn a_lost_challenge_or_answer_is_made_up_for() {
    for n in 1..30 {
        let (mut w, _, c) = connected(4, &[]);
        let other = w.add_nat();
        w.move_behind(c, other);
        w.act(c, |p, now| p.renew_all(now));
        w.lose(n);
        w.run_for(Duration::from_millis(100));
        for _ in 0..4 {
            w.echo(c, 100);
            w.run_for(Duration::from_secs(1));
        }
        // The packet that is lost may be one of the echo.
        let reached = w.reaches(c) || w.reaches(c);
        assert!(w.peers[c].is_up() && reached, "packet {n}: {}", w.story(c));
        assert_eq!(w.engine.client_ids().count(), 1, "packet {n}: {}", w.story(c));
    }
}

/// The thief has got nothing, and the victim goes on.
fn nothing_stolen(w: &mut World, thief: usize, victim: usize) {
    let inside = w.peers[victim].inside().expect("it is up");
    for _ in 0..5 {
        w.echo(thief, 100);
        w.act(thief, |p, now| p.hello(now));
        w.host_calls(inside);
        w.run_for(Duration::from_millis(500));
        assert!(w.reaches(victim), "{}", w.story(thief));
    }
    w.run_for(Duration::from_secs(30));
    assert!(w.echoes[thief].back.is_empty(), "{}", w.story(thief));
    assert!(w.peers[victim].is_up() && w.reaches(victim), "{}", w.story(victim));
    assert!(!w.told("the client moved") && !w.told("Disconnected"), "{}", w.story(thief));
    w.check_thoroughly();
}

#[test]
fn nobody_with_the_groups_key_and_the_ids_takes_a_tunnel_from_elsewhere() {
    // A thief who says nothing, one with a wrong password, and one who is another user.
    for user in [None, Some(("vpnuser", "wrong")), Some(("second", "Second-2"))] {
        let (mut w, _, victim) = connected(5, &[]);
        let thief = w.add(Manner { stops_at_esp: true, ..Manner::default() });
        w.dial(thief);
        assert!(w.run_until(SOON, |w| w.peers[thief].pairs() == 1));
        w.pretend(thief, victim, user);
        nothing_stolen(&mut w, thief, victim);
        let told = if user.is_some() { "answered the CHAP challenge wrongly" } else { "nobody answered" };
        assert_eq!(w.lines(told).len(), 1, "{}", w.story(thief));
        w.run_for(Duration::from_secs(200));
        assert_eq!(w.engine.client_ids().count(), 1, "{}", w.story(thief));
    }
}

#[test]
fn a_connected_client_that_names_anothers_session_reaches_nothing() {
    let (mut w, _, victim) = connected(6, &[]);
    let thief = w.add(Manner { user: "second".into(), password: "Second-2".into(), ..Manner::default() });
    w.connect(thief);
    w.pretend(thief, victim, Some(("vpnuser", "vpn-Passw0rd")));
    let before = w.totals().dropped(engine::path::Drop::WrongSession);
    let inside = w.peers[victim].inside().expect("it is up");
    for _ in 0..5 {
        w.echo(thief, 100);
        w.host_calls(inside);
        assert!(w.reaches(victim), "{}", w.story(victim));
    }
    assert_eq!(w.totals().dropped(engine::path::Drop::WrongSession) - before, 5);
    assert!(w.echoes[thief].back.is_empty(), "{}", w.story(thief));
    w.check_thoroughly();
}

#[test]
fn nobody_behind_the_same_port_of_the_same_nat_takes_a_tunnel() {
    for user in [None, Some(("vpnuser", "wrong")), Some(("second", "Second-2"))] {
        for natted in [false, true] {
            let mut w = World::new(config(4, &[]), 7);
            let victim = w.add_natted(natted, Manner::default());
            w.connect(victim);
            let inside = w.peers[victim].inside().expect("it is up");
            // The thief sits on the path: what goes to the victim comes to it.
            let thief = w.replace_in_place(victim, Manner { stops_at_esp: true, ..Manner::default() });
            w.dial(thief);
            assert!(w.run_until(SOON, |w| w.peers[thief].pairs() == 1), "{}", w.story(thief));
            w.pretend(thief, victim, user);
            let _ = w.totals();
            let heard = w.totals().ip;
            w.watch = true;
            for _ in 0..10 {
                w.echo(thief, 100);
                w.act(thief, |p, now| p.hello(now));
                w.host_calls(inside);
                w.run_for(Duration::from_millis(500));
            }
            assert_eq!(w.totals().ip.in_packets, heard.in_packets, "{}", w.story(thief));
            assert!(w.echoes[thief].back.is_empty(), "{}", w.story(thief));
            // All that it could read was the question itself, never a packet for the victim.
            let sent = w.crossings.iter().filter(|x| x.way == Way::ToClient(thief) && x.packet.is_esp()).count() as u64;
            let readable = sent.saturating_sub(w.peers[thief].rejected());
            assert!(readable <= 8, "{readable} packets for the thief\n{}", w.story(thief));
            w.check_thoroughly();
        }
    }
}

#[test]
fn a_user_who_came_in_by_pap_keeps_the_old_sas_and_never_gets_new_ones_for_the_tunnel() {
    let (mut w, _, c) = connected(8, &[PAP]);
    // A renewal within the ISAKMP SA that has made the tunnel is the client's own.
    w.act(c, |p, now| p.rekey_esp(now));
    assert_eq!(w.traffic(c, OFTEN, SOON), 0, "{}", w.story(c));
    w.peers[c].manner_mut().deletes_old = false;
    w.act(c, |p, now| p.rekey_ike(now));
    w.run_for(Duration::from_secs(2));
    assert_eq!(w.lines("came in by PAP").len(), 1, "{}", w.story(c));
    assert!(w.reaches(c), "{}", w.story(c));
    let other = w.add_nat();
    w.move_behind(c, other);
    w.act(c, |p, now| p.renew_all(now));
    w.run_for(Duration::from_secs(2));
    assert!(!w.reaches(c), "{}", w.story(c));
    assert_eq!(w.lines("came in by PAP").len(), 1, "{}", w.story(c));
}

#[test]
fn a_session_by_pap_whose_last_sa_is_deleted_ends_at_once_and_the_client_is_told() {
    let (mut w, _, c) = connected(10, &[PAP]);
    w.act(c, |p, now| p.rekey_ike(now));
    w.run_for(Duration::from_secs(1));
    assert!(w.routes.is_empty() && w.told("Disconnected"), "{}", w.story(c));
    assert!(w.peers[c].dialogue().iter().any(|(_, l)| l.contains("<- delete Isakmp")), "{}", w.story(c));
}

#[test]
fn a_delete_that_was_lost_long_ago_kept_a_session_by_pap_that_nobody_could_use() {
    for n in 1..8 {
        let (mut w, _, c) = connected(11, &[PAP]);
        w.lose(n);
        w.act(c, |p, now| p.rekey_esp(now));
        w.run_for(Duration::from_secs(20));
        w.act(c, |p, now| p.rekey_ike(now));
        w.run_for(Duration::from_secs(1));
        assert!(w.routes.is_empty() && w.told("Disconnected"), "packet {n}: {}", w.story(c));
    }
}

#[test]
fn a_pair_that_was_given_up_with_its_isakmp_sa_kept_a_session_by_pap_that_nobody_could_use() {
    let mut given_up = 0;
    for at in 0..80 {
        let (mut w, _, c) = connected(13, &[PAP]);
        // A Quick Mode in the old ISAKMP SA and one in the new: the client goes on with the second alone.
        w.act(c, |p, now| p.rekey_ike(now));
        w.run_for(Duration::from_millis(at));
        w.act(c, |p, now| p.rekey_esp(now));
        w.run_for(Duration::from_secs(1));
        given_up += usize::from(w.lines("respond IPsec phase").len() > 2);
        assert!(w.routes.is_empty() && w.told("Disconnected"), "{at} ms: {}", w.story(c));
    }
    assert!(given_up > 0);
}

#[test]
fn a_session_by_pap_goes_on_with_a_pair_whose_confirmation_was_lost_with_its_isakmp_sa() {
    for n in 1..12 {
        let (mut w, _, c) = connected(14, &[PAP]);
        w.peers[c].manner_mut().phase1_alone = true;
        w.act(c, |p, now| p.rekey_ike(now));
        w.run_for(Duration::from_millis(40));
        w.lose(n);
        w.act(c, |p, now| p.rekey_esp(now));
        w.run_for(SOON);
        assert!(w.peers[c].is_up() && !w.told("Disconnected"), "packet {n}: {}", w.story(c));
        assert!(w.reaches(c) || w.reaches(c), "packet {n}: {}", w.story(c));
    }
}

#[test]
fn the_server_renewed_a_pair_by_pap_in_an_isakmp_sa_that_cannot_carry_it() {
    for deletes_old in [false, true] {
        let (mut w, _, c) = connected(15, &[PAP]);
        let kept = if deletes_old { Duration::ZERO } else { Duration::from_secs(8 * 3600) };
        (w.peers[c].manner_mut().phase1_alone, w.peers[c].manner_mut().keeps_old.1) = (true, kept);
        w.act(c, |p, now| p.rekey_ike(now));
        // Close to the end of the pair: at 98 of 100 parts of its life the server has its turn.
        w.run_for(Duration::from_secs(3600 - 20));
        assert!(w.reaches(c), "{}", w.story(c));
        // Where the ISAKMP SA is still there in which the user came in, that one serves.
        assert_eq!(w.told("initiate IPsec phase"), !deletes_old, "{}", w.story(c));
        w.run_for(Duration::from_secs(120));
        assert_eq!(w.routes.is_empty(), deletes_old, "{}", w.story(c));
        assert!(deletes_old || w.reaches(c), "{}", w.story(c));
    }
}

#[test]
fn the_ids_of_a_session_do_not_survive_it() {
    let (mut w, _, c) = connected(9, &[]);
    let thief = w.add(Manner { stops_at_esp: true, ..Manner::default() });
    w.dial(thief);
    assert!(w.run_until(SOON, |w| w.peers[thief].pairs() == 1));
    w.pretend(thief, c, Some(("vpnuser", "vpn-Passw0rd")));
    w.act(c, sim::Peer::hang_up);
    w.run_for(Duration::from_secs(1));
    w.echo(thief, 100);
    w.act(thief, |p, now| p.hello(now));
    w.run_for(Duration::from_secs(5));
    assert!(w.echoes[thief].back.is_empty() && w.routes.is_empty(), "{}", w.story(thief));
}

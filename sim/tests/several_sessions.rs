//! Several sessions in one tunnel (RFC 2661 §5.2): each has its user, address and end, and goes wherever the tunnel goes.

#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use core::time::Duration;
use sim::{Manner, Stage, World, config};

const OFTEN: Duration = Duration::from_millis(20);
const SOON: Duration = Duration::from_secs(5);
/// Users of further sessions, up to what a tunnel may have.
const USERS: [&str; 8] = ["second", "u3", "u4", "u5", "u6", "u7", "u8", "u9"];

/// A client behind a NAT with so many sessions in its tunnel.
fn with_sessions(seed: u64, sessions: usize, extra: &[&str]) -> (World, usize, usize) {
    let users = "pp select anonymous\n pp auth username u3 Second-2\n pp auth username u4 Second-2\n \
                 pp auth username u5 Second-2\n pp auth username u6 Second-2\n pp auth username u7 Second-2\n \
                 pp auth username u8 Second-2\n pp auth username u9 Second-2\n pp select none";
    let mut w = World::new(config(4, &[&[users], extra].concat()), seed);
    let nat = w.add_nat();
    let c = w.add_behind(nat, Manner::default());
    w.connect(c);
    for user in &USERS[..sessions - 1] {
        further(&mut w, c, user);
    }
    (w, nat, c)
}

fn further(w: &mut World, c: usize, user: &str) {
    w.act(c, |p, now| p.dial_further(user, "Second-2", now));
    w.run_for(SOON);
    assert!(w.peers[c].is_up(), "{}", w.story(c));
}

/// Whether this line carries traffic both ways, and loses none of it.
fn carries(w: &mut World, c: usize, line: usize) -> bool {
    w.peers[c].speak_on(line);
    w.peers[c].is_up() && w.traffic(c, OFTEN, Duration::from_secs(1)) == 0
}

fn both_carry(w: &mut World, c: usize) {
    for line in [1, 0, 1] {
        assert!(carries(w, c, line), "line {line}: {}", w.story(c));
    }
    w.check_thoroughly();
}

#[test]
fn two_users_share_a_tunnel_with_an_address_each() {
    let (mut w, _, c) = with_sessions(1, 2, &[]);
    both_carry(&mut w, c);
    let second = w.peers[c].inside();
    w.peers[c].speak_on(0);
    assert_ne!(w.peers[c].inside(), second);
    assert_eq!((w.routes.len(), w.engine.clients_up(), w.engine.addresses_lent()), (2, 2, 2));
    let screen = w.command("show status l2tp");
    assert!(screen.contains("Tunnel Control: 1, Session Control: 2"), "{screen}");
    assert!(screen.contains("PP Bind: ANONYMOUS[1] ANONYMOUS[2]") && screen.contains("session: 2 session"), "{screen}");
    let screen = w.command("show status pp anonymous");
    assert!(screen.contains("vpnuser") && screen.contains("second"), "{screen}");
    assert_eq!(w.lines("session").iter().filter(|line| line.contains("established")).count(), 2);
}

#[test]
fn the_second_session_ends_alone() {
    let (mut w, _, c) = with_sessions(2, 2, &[]);
    w.act(c, |p, now| p.hang_up_line(now));
    w.run_for(SOON);
    assert!(carries(&mut w, c, 0), "{}", w.story(c));
    assert_eq!((w.routes.len(), w.engine.clients(), w.engine.addresses_lent()), (1, 1, 1));
    // The tunnel stays as long as there is a session, and takes another.
    w.run_for(Duration::from_secs(60));
    further(&mut w, c, "u3");
    assert!(carries(&mut w, c, 2) && carries(&mut w, c, 0), "{}", w.story(c));
    w.check_thoroughly();
}

#[test]
fn the_first_session_ends_alone_and_the_tunnel_lives_on_for_the_second() {
    let (mut w, _, c) = with_sessions(3, 2, &[]);
    w.peers[c].speak_on(0);
    w.act(c, |p, now| p.hang_up_line(now));
    w.run_for(Duration::from_secs(200));
    assert!(carries(&mut w, c, 1), "{}", w.story(c));
    assert_eq!((w.routes.len(), w.engine.clients_up(), w.engine.addresses_lent()), (1, 1, 1));
    w.act(c, |p, now| p.rekey_esp(now));
    assert!(carries(&mut w, c, 1), "{}", w.story(c));
    w.check_thoroughly();
}

#[test]
fn whoever_is_left_is_asked_when_a_new_phase_1_would_go_on_with_the_tunnel() {
    let (mut w, _, c) = with_sessions(4, 2, &[]);
    w.peers[c].speak_on(0);
    w.act(c, |p, now| p.hang_up_line(now));
    w.run_for(SOON);
    w.peers[c].speak_on(1);
    w.act(c, |p, now| p.renew_all(now));
    w.run_for(SOON);
    assert!(carries(&mut w, c, 1), "{}", w.story(c));
    w.check_thoroughly();
}

#[test]
fn a_new_phase_1_goes_on_with_all_sessions() {
    let (mut w, _, c) = with_sessions(5, 2, &[]);
    w.peers[c].speak_on(0);
    w.act(c, |p, now| p.renew_all(now));
    w.run_for(SOON);
    both_carry(&mut w, c);
    w.act(c, |p, now| p.rekey_ike(now));
    w.run_for(SOON);
    both_carry(&mut w, c);
}

#[test]
fn nobody_else_in_the_same_place_takes_a_tunnel_whose_first_session_is_over() {
    for user in [None, Some(("second", "wrong")), Some(("vpnuser", "vpn-Passw0rd"))] {
        let (mut w, _, c) = with_sessions(6, 2, &[]);
        w.peers[c].speak_on(0);
        w.act(c, |p, now| p.hang_up_line(now));
        w.run_for(SOON);
        w.peers[c].speak_on(1);
        let inside = w.peers[c].inside().expect("it is up");
        // The thief sits on the path: what goes to the client comes to it.
        let thief = w.replace_in_place(c, Manner { stops_at_esp: true, ..Manner::default() });
        w.dial(thief);
        assert!(w.run_until(SOON, |w| w.peers[thief].pairs() == 1), "{}", w.story(thief));
        w.pretend(thief, c, user);
        let heard = w.totals().ip;
        for _ in 0..10 {
            w.echo(thief, 100);
            w.act(thief, |p, now| p.hello(now));
            w.host_calls(inside);
            w.run_for(Duration::from_millis(500));
        }
        assert_eq!(w.totals().ip.in_packets, heard.in_packets, "{}", w.story(thief));
        assert!(w.echoes[thief].back.is_empty(), "{}", w.story(thief));
        w.check_thoroughly();
    }
}

#[test]
fn all_sessions_end_with_the_tunnel() {
    let (mut w, _, c) = with_sessions(7, 3, &[]);
    w.act(c, |p, now| p.hang_up(now));
    w.run_for(Duration::from_secs(40));
    assert_eq!((w.routes.len(), w.engine.clients(), w.engine.addresses_lent()), (0, 0, 0), "{}", w.story(c));
    assert_eq!(w.lines("Disconnected").len(), 3, "{}", w.story(c));
    w.check_thoroughly();
}

#[test]
fn a_client_that_falls_silent_loses_all_its_sessions() {
    let (mut w, _, c) = with_sessions(8, 3, &[]);
    w.vanish(c);
    w.run_for(Duration::from_secs(200));
    assert_eq!((w.routes.len(), w.engine.clients(), w.engine.addresses_lent()), (0, 0, 0), "{}", w.story(c));
    w.check_thoroughly();
}

#[test]
fn a_client_that_dead_peer_detection_finds_gone_loses_all_its_sessions_at_once() {
    let dpd = "ipsec ike keepalive use 1 on dpd 10 2\ntunnel select 1\n l2tp keepalive use off\n tunnel select none";
    let (mut w, _, c) = with_sessions(22, 3, &[dpd]);
    w.vanish(c);
    assert!(w.run_until(Duration::from_secs(120), |w| w.told("dead peer detection")), "{}", w.story(c));
    assert_eq!((w.routes.len(), w.engine.clients(), w.engine.addresses_lent()), (0, 0, 0), "{}", w.story(c));
    w.check_thoroughly();
}

#[test]
fn the_operator_ends_one_session_and_the_other_stays() {
    for (ended, stays) in [(2, 0), (1, 1)] {
        let (mut w, _, c) = with_sessions(9, 2, &[]);
        let answer = w.command(&format!("disconnect anonymous{ended}"));
        assert!(answer.contains("disconnected"), "{answer}");
        w.run_for(SOON);
        assert!(carries(&mut w, c, stays), "{}", w.story(c));
        w.peers[c].speak_on(1 - stays);
        assert!(matches!(w.peers[c].stage(), Stage::Ended(_)), "{}", w.story(c));
        assert_eq!(w.routes.len(), 1);
        w.check_thoroughly();
    }
}

#[test]
fn a_user_that_is_taken_out_loses_its_session_and_nobody_else() {
    for (user, stays) in [("second", 0), ("vpnuser", 1)] {
        let (mut w, _, c) = with_sessions(10, 2, &[]);
        w.command("pp select anonymous");
        w.command(&format!("no pp auth username {user}"));
        w.run_for(SOON);
        assert!(carries(&mut w, c, stays), "{}", w.story(c));
        assert_eq!(w.routes.len(), 1, "{}", w.story(c));
        w.check_thoroughly();
    }
}

#[test]
fn a_ninth_session_is_refused_and_told_and_the_others_stay() {
    let (mut w, _, c) = with_sessions(11, 8, &[]);
    w.act(c, |p, now| p.dial_further("u9", "Second-2", now));
    w.run_for(SOON);
    assert!(!w.peers[c].is_up(), "{}", w.story(c));
    assert_eq!(w.lines("a tunnel has 8 at most").len(), 1, "{}", w.story(c));
    for line in 0..8 {
        assert!(carries(&mut w, c, line), "line {line}: {}", w.story(c));
    }
    w.check_thoroughly();
}

#[test]
fn a_wrong_password_ends_its_own_session_only() {
    let (mut w, _, c) = with_sessions(12, 1, &[]);
    w.act(c, |p, now| p.dial_further("second", "wrong", now));
    w.run_for(Duration::from_secs(20));
    assert!(!w.peers[c].is_up(), "{}", w.story(c));
    assert!(carries(&mut w, c, 0), "{}", w.story(c));
    assert_eq!(w.engine.clients(), 1);
    w.check_thoroughly();
}

#[test]
fn one_user_may_have_two_sessions_of_a_tunnel_unless_once_is_all_that_is_allowed() {
    let (mut w, _, c) = with_sessions(13, 1, &[]);
    w.act(c, |p, now| p.dial_further("vpnuser", "vpn-Passw0rd", now));
    w.run_for(SOON);
    both_carry(&mut w, c);
    let (mut w, _, c) =
        with_sessions(14, 1, &["pp select anonymous\n pp auth multi connect prohibit on\n pp select none"]);
    w.act(c, |p, now| p.dial_further("vpnuser", "vpn-Passw0rd", now));
    w.run_for(SOON);
    assert!(!w.peers[c].is_up(), "{}", w.story(c));
    assert!(carries(&mut w, c, 0), "{}", w.story(c));
    w.check_thoroughly();
}

#[test]
fn all_sessions_go_along_when_the_nat_changes_its_port_or_the_client_its_address() {
    let (mut w, _, c) = with_sessions(15, 2, &[]);
    let other = w.add_nat();
    w.move_behind(c, other);
    w.peers[c].speak_on(1);
    w.echo(c, 100);
    w.run_for(SOON);
    both_carry(&mut w, c);
    assert_eq!(w.lines("the client moved from").len(), 1, "{}", w.story(c));
}

#[test]
fn traffic_of_any_session_keeps_the_tunnel_from_being_idle() {
    let (mut w, _, c) =
        with_sessions(16, 2, &["tunnel select 1\n l2tp tunnel disconnect time 60\n tunnel select none"]);
    w.peers[c].speak_on(1);
    for _ in 0..20 {
        assert!(w.reaches(c), "{}", w.story(c));
        w.run_for(Duration::from_secs(10));
    }
    both_carry(&mut w, c);
    w.run_for(Duration::from_secs(90));
    assert!(w.told("disconnect timer expired") && w.engine.clients_up() == 0, "{}", w.story(c));
    w.check_thoroughly();
}

#[test]
fn all_sessions_survive_a_restart_from_records() {
    let (mut w, _, c) = with_sessions(17, 3, &[]);
    assert_eq!(w.restart_from_records(), Ok(3));
    for line in [0, 1, 2] {
        assert!(carries(&mut w, c, line), "line {line}: {}", w.story(c));
    }
    w.peers[c].speak_on(2);
    w.act(c, |p, now| p.hang_up_line(now));
    w.run_for(SOON);
    assert_eq!((w.routes.len(), w.engine.clients(), w.engine.addresses_lent()), (2, 2, 2), "{}", w.story(c));
    w.check_thoroughly();
}

#[test]
fn a_record_of_a_further_session_is_refused_without_its_tunnel() {
    let (mut w, _, c) = with_sessions(18, 2, &[]);
    let further = w.records().pop().expect("a record");
    w.act(c, |p, now| p.hang_up(now));
    w.run_for(Duration::from_secs(40));
    assert_eq!(w.import(&further), Err(engine::record::Refused::WithoutTunnel));
}

#[test]
fn large_packets_of_a_further_session_are_cut_as_those_of_the_first() {
    let (mut w, _, c) = with_sessions(19, 2, &[]);
    for line in [0, 1] {
        w.peers[c].speak_on(line);
        let n = w.echo(c, 1300);
        w.run_for(SOON);
        assert!(w.echoes[c].back.contains(&n), "line {line}: {}", w.story(c));
    }
}

#[test]
fn a_server_that_stops_tells_all_sessions() {
    let (mut w, _, c) = with_sessions(20, 3, &[]);
    w.shut_down();
    w.run_for(SOON);
    assert_eq!((w.routes.len(), w.engine.clients(), w.engine.addresses_lent()), (0, 0, 0));
    assert_eq!(w.lines("Disconnected").len(), 3, "{}", w.story(c));
}

#[test]
fn a_numbered_interface_serves_one_session_and_says_so() {
    let own = "pp select anonymous\n no pp bind\npp select 1\n pp bind tunnel1\n pp auth request mschap-v2\n pp auth username vpnuser vpn-Passw0rd\n \
               pp auth username second Second-2\n ppp ipcp ipaddress on\n \
               ip pp remote address 192.168.100.77\n pp enable 1\npp select none";
    let mut w = World::new(config(1, &[own]), 21);
    let c = w.add(Manner::default());
    w.connect(c);
    w.act(c, |p, now| p.dial_further("second", "Second-2", now));
    w.run_for(SOON);
    assert!(!w.peers[c].is_up() && w.told("numbered pp, which serves one"), "{}", w.story(c));
    assert!(carries(&mut w, c, 0), "{}", w.story(c));
}

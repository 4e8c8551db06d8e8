//! A changed configuration takes effect at once, and ends the sessions of those alone whom it concerns.

use core::time::Duration;
use sim::{Manner, World, config};

const SOON: Duration = Duration::from_secs(3);

/// Two clients, at tunnels 1 and 2.
fn two() -> (World, usize, usize) {
    let mut w = World::new(config(3, &[]), 71);
    let one = w.add(Manner::default());
    let second = Manner { user: "second".into(), password: "Second-2".into(), ..Manner::default() };
    let two = w.add(second);
    w.connect(one);
    w.connect(two);
    assert!(w.reaches(one) && w.reaches(two));
    (w, one, two)
}

fn ends(w: &mut World, who: usize, cause: &str) {
    assert!(w.run_until(SOON, |w| !w.peers[who].is_up()), "client {who} is still up:\n{}", w.story(who));
    assert!(w.told(&format!("Disconnected, cause [{cause}]")), "{:#?}", w.lines("Disconnected"));
}

#[test]
fn a_changed_password_leaves_sessions_and_counts_from_the_next_call_on() {
    let (mut w, one, two) = two();
    w.command("pp select anonymous");
    assert_eq!(w.command("pp auth username vpnuser another-Passw0rd"), "");
    w.run_for(SOON);
    assert!(w.reaches(one) && w.reaches(two));
    w.act(one, |p, now| p.hang_up(now));
    w.run_for(SOON);
    let old = w.add(Manner::default());
    w.dial(old);
    assert!(w.run_until(Duration::from_secs(20), |w| w.told("wrong password; type the one")));
    let new = w.add(Manner { password: "another-Passw0rd".into(), ..Manner::default() });
    w.connect(new);
    assert!(w.reaches(new) && w.reaches(two));
}

#[test]
fn a_users_new_address_is_lent_at_the_next_call() {
    let (mut w, one, _) = two();
    w.command("pp select anonymous");
    w.command("pp auth username vpnuser vpn-Passw0rd 192.168.100.99");
    w.run_for(SOON);
    assert!(w.reaches(one));
    w.act(one, |p, now| p.hang_up(now));
    w.run_for(SOON);
    let again = w.add(Manner::default());
    w.connect(again);
    assert_eq!(w.peers[again].inside().map(|a| a.to_string()), Some("192.168.100.99".to_owned()));
}

#[test]
fn a_user_who_is_taken_out_is_disconnected_and_nobody_else() {
    let (mut w, one, two) = two();
    w.command("pp select anonymous");
    w.command("no pp auth username vpnuser");
    ends(&mut w, one, "the configuration was changed: there is no user 'vpnuser' any more");
    assert!(w.reaches(two));
}

#[test]
fn a_disabled_tunnel_ends_its_client_and_nobody_else_and_can_be_used_again() {
    // Tunnel 1 is the template of the others, and its line with 'enable' is theirs.
    let (mut w, one, two) = two();
    w.command("tunnel disable 2");
    ends(&mut w, two, "tunnel disable 2");
    assert!(w.told("IP Tunnel[2] Down") && !w.told("IP Tunnel[1] Down"));
    assert!(w.reaches(one));
    w.command("tunnel enable 2");
    let again = w.add(Manner::default());
    w.connect(again);
    assert!(w.reaches(again) && w.reaches(one));
}

#[test]
fn a_disabled_interface_ends_all_of_its_calls() {
    let (mut w, one, two) = two();
    w.command("pp disable anonymous");
    ends(&mut w, one, "pp disable anonymous");
    ends(&mut w, two, "pp disable anonymous");
    assert_eq!((w.engine.clients_up(), w.engine.addresses_lent(), w.engine.pairs().count()), (0, 0, 0));
}

#[test]
fn the_service_is_switched_off_and_on() {
    let (mut w, one, two) = two();
    w.command("l2tp service off");
    ends(&mut w, one, "l2tp service off");
    ends(&mut w, two, "l2tp service off");
    assert_eq!(w.lines("closed port 1701/udp"), ["[L2TP] closed port 1701/udp"]);
    let refused = w.add(Manner::default());
    w.dial(refused);
    w.run_for(SOON);
    assert!(w.told("no gateway serves"));
    w.command("l2tp service on");
    assert_eq!(w.lines("opend port").len(), 2);
    let again = w.add(Manner::default());
    w.connect(again);
    assert!(w.reaches(again));
}

#[test]
fn a_gateway_that_is_taken_away_ends_its_client() {
    let (mut w, one, two) = two();
    // What a template gives is taken away at the template.
    let told = w.command("no ipsec ike pre-shared-key 1");
    assert!(told.contains("pre-shared key"), "{told}");
    for who in [one, two] {
        assert!(w.run_until(SOON, |w| !w.peers[who].is_up()));
    }
    assert!(w.told("has no security gateway any more"));
}

#[test]
fn an_open_door_is_not_served() {
    let (mut w, one, two) = two();
    w.command("pp select anonymous");
    let told = w.command("no pp auth request");
    assert!(told.contains("pp auth request"), "{told}");
    ends(&mut w, one, "the configuration was changed: pp anonymous asks for no password, so nobody is let in");
    assert!(w.run_until(SOON, |w| !w.peers[two].is_up()));
    let next = w.add(Manner::default());
    w.dial(next);
    w.run_for(SOON);
    assert!(!w.peers[next].is_up() && w.told("no gateway serves"));
}

#[test]
fn what_does_not_concern_sessions_leaves_them_and_l2tp_takes_its_new_settings() {
    let (mut w, one, two) = two();
    for line in [
        "dns server 192.168.100.11",
        "ipsec ike refuse 3des-cbc",
        "syslog debug on",
        "tunnel select 1",
        "l2tp syslog off",
        "l2tp keepalive use on 60 3",
        "l2tp keepalive log on",
        "pp select anonymous",
        "ip pp mtu 1300",
        "ip pp remote address pool 192.168.100.100-192.168.100.110",
        "ipsec ike pre-shared-key 1 text another",
    ] {
        assert_eq!(w.command(line), "", "{line}");
        w.run_for(Duration::from_secs(1));
        assert!(w.reaches(one) && w.reaches(two), "{line}");
    }
    assert!(!w.told("Disconnected"));
    let before = w.lines("keepalive HELLO send").len();
    w.run_for(Duration::from_secs(130));
    let sent = w.lines("keepalive HELLO send").len() - before;
    assert!((2..=6).contains(&sent), "{sent} HELLOs of two clients in 130 s");
    // The old disconnect timer was off.
    w.command("tunnel select 1");
    w.command("l2tp tunnel disconnect time 30");
    w.run_for(Duration::from_secs(10));
    assert!(w.peers[one].is_up());
    assert!(w.run_until(Duration::from_secs(30), |w| w.told("disconnect timer expired")));
}

#[test]
fn an_operator_ends_single_sas_and_all() {
    let (mut w, one, two) = two();
    assert_eq!(w.command("ipsec sa delete 99"), "error: there is no SA 99; see 'show ipsec sa'\n");
    // 1 is the ISAKMP SA, 2 and 3 are the pair of ESP of the first client.
    assert_eq!(w.command("ipsec sa delete 3"), "SA 3 was ended\n");
    w.run_for(Duration::from_secs(1));
    assert!(!w.reaches(one) && w.reaches(two));
    w.command("ipsec sa delete all");
    assert_eq!(w.engine.pairs().count(), 0);
    ends(&mut w, two, "ipsec sa delete all");
    assert!(w.command("connect 1").starts_with("error: an L2TP/IPsec server calls nobody"));
}

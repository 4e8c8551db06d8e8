//! Each refusal is told in exactly one plain line with its remedy, and disturbs nobody else.
#![allow(clippy::panic, reason = "tests")]

use core::time::Duration;
use sim::{Manner, Stage, World, config};

/// A client is at work; another dials and is refused. Gives the lines that the server told of the second, without the
/// dialogue of L2TP.
fn refused(tunnels: u32, lines: &[&str], manner: Manner) -> Vec<String> {
    let mut w = World::new(config(tunnels, lines), 1);
    let good = w.add(Manner::default());
    w.connect(good);
    let bad = w.add(manner);
    let before = w.events.len();
    w.dial(bad);
    let lost = w.traffic(good, Duration::from_millis(50), Duration::from_secs(60));
    assert_eq!(lost, 0, "the client at work was disturbed:\n{}", w.story(good));
    assert!(matches!(w.peers[bad].stage(), Stage::Ended(_)), "{:?}\n{}", w.peers[bad].stage(), w.story(bad));
    assert_eq!(w.routes.len(), 1, "{}", w.story(bad));
    w.check_thoroughly();
    w.log().into_iter().skip(before).filter(|l| !l.starts_with("[L2TP]")).collect()
}

#[test]
fn a_wrong_pre_shared_key() {
    let told = refused(4, &[], Manner { psk: b"guessed".to_vec(), ..Manner::default() });
    assert_eq!(
        told,
        [
            "[IKE] respond ISAKMP phase to 100.64.0.11",
            "[IKE] wrong pre-shared key from 100.64.0.11:500: the client's pre-shared key differs from every \
             'ipsec ike pre-shared-key' that may serve it; enter the key of 'ipsec ike pre-shared-key' in the client again",
        ]
    );
}

#[test]
fn a_phase_1_without_an_identity_comes_to_nothing() {
    let told = refused(4, &[], Manner { nameless: true, ..Manner::default() });
    let [first, second] = &told[..] else { panic!("{told:?}") };
    assert_eq!(first, "[IKE] respond ISAKMP phase to 100.64.0.11");
    assert!(second.starts_with("[IKE] wrong pre-shared key from 100.64.0.11:500"), "{second}");
}

#[test]
fn a_user_with_an_empty_password_came_in_by_name_alone() {
    for method in ["pap", "chap", "mschap-v2"] {
        let lines = ["pp select anonymous", &format!("pp auth request {method}"), "pp auth username nobody \"\""];
        let told = refused(4, &lines, Manner { user: "nobody".into(), password: String::new(), ..Manner::default() });
        let [.., failed, ended] = &told[..] else { panic!("{told:?}") };
        assert_eq!(
            failed,
            "PP[ANONYMOUS02] PPP authentication of user 'nobody' failed: the user's password is empty, and nobody comes in \
             without one; give it one with 'pp auth username nobody PASSWORD'",
            "{method}"
        );
        let cause = "PP[ANONYMOUS02] Disconnected, cause [Authentication failed, user 'nobody' has no password]";
        assert!(ended.starts_with(cause), "{method}: {ended}");
    }
}

#[test]
fn a_wrong_password() {
    let told = refused(4, &[], Manner { password: "guessed".into(), ..Manner::default() });
    assert_eq!(
        told,
        [
            "[IKE] respond ISAKMP phase to 100.64.0.11",
            "[IKE] respond IPsec phase to 100.64.0.11",
            "IP Tunnel[2] Up",
            "PP[ANONYMOUS02] PPP authentication of user 'vpnuser' failed: wrong password; type the one of \
             'pp auth username vpnuser' in the client (mind upper and lower case)",
            "PP[ANONYMOUS02] Disconnected, cause [Authentication failed, wrong password for user 'vpnuser'] \
             peer=100.64.0.11:500 duration=3s received=0/0 sent=0/0",
        ]
    );
}

#[test]
fn an_unknown_user() {
    let told = refused(4, &[], Manner { user: "nobody".into(), ..Manner::default() });
    assert_eq!(
        told,
        [
            "[IKE] respond ISAKMP phase to 100.64.0.11",
            "[IKE] respond IPsec phase to 100.64.0.11",
            "IP Tunnel[2] Up",
            "PP[ANONYMOUS02] PPP authentication of user 'nobody' failed: there is no such user; \
             add 'pp auth username nobody PASSWORD' or correct the name in the client",
            "PP[ANONYMOUS02] Disconnected, cause [Authentication failed, there is no user 'nobody'] \
             peer=100.64.0.11:500 duration=3s received=0/0 sent=0/0",
        ]
    );
}

#[test]
fn no_common_proposal_of_phase_1_because_its_words_are_refused() {
    let lines = ["ipsec ike refuse 3des-cbc modp1024"];
    let told = refused(4, &lines, Manner { phase1: vec![(5, None, 2, 2)], ..Manner::default() });
    assert_eq!(
        told,
        ["[IKE] refused 100.64.0.11:500: no common proposal; the client offers 3des-cbc sha modp1024; \
          'ipsec ike refuse' keeps it out: take out 3des-cbc and modp1024"]
    );
}

#[test]
fn no_common_proposal_of_phase_1_because_nothing_is_known() {
    // Single DES with MD5 and group 1.
    let told = refused(4, &[], Manner { phase1: vec![(1, None, 1, 1)], ..Manner::default() });
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0].starts_with("[IKE] refused 100.64.0.11:500: no common proposal; the client offers "), "{told:?}");
    assert!(told[0].ends_with(", none of which is supported here"), "{told:?}");
}

#[test]
fn no_common_proposal_of_phase_2_because_its_words_are_refused() {
    let lines = ["ipsec ike refuse 3des-cbc md5"];
    let told = refused(4, &lines, Manner { phase2: vec![(3, None, 1)], ..Manner::default() });
    assert_eq!(
        told,
        [
            "[IKE] respond ISAKMP phase to 100.64.0.11",
            "[IKE] refused 100.64.0.11:500: no common proposal; the client offers 3des-cbc md5-hmac; \
             'ipsec ike refuse' keeps it out: take out 3des-cbc and md5",
        ]
    );
}

#[test]
fn an_empty_pool() {
    let lines = ["pp select anonymous\n ip pp remote address pool 192.168.100.200-192.168.100.200"];
    let manner = Manner { user: "second".into(), password: "Second-2".into(), ..Manner::default() };
    let told = refused(4, &lines, manner);
    assert_eq!(
        told,
        [
            "[IKE] respond ISAKMP phase to 100.64.0.11",
            "[IKE] respond IPsec phase to 100.64.0.11",
            "IP Tunnel[2] Up",
            "PP[ANONYMOUS02] Call detected from user 'second'",
            "PP[ANONYMOUS02] no address is left for user 'second': enlarge 'ip pp remote address pool' or disconnect \
             somebody",
            "PP[ANONYMOUS02] Disconnected, cause [no address is free for the client, see 'ip pp remote address pool'] user='second' \
             peer=100.64.0.11:500 duration=0s received=0/0 sent=0/0",
        ]
    );
}

#[test]
fn no_free_tunnel() {
    let mut w = World::new(config(2, &[]), 2);
    let (a, b, c) = (w.add(Manner::default()), w.add(Manner::default()), w.add(Manner::default()));
    w.connect(a);
    w.connect(b);
    let before = w.events.len();
    w.dial(c);
    assert_eq!(w.traffic(a, Duration::from_millis(50), Duration::from_secs(30)), 0);
    assert!(w.reaches(b));
    let told: Vec<String> = w.log().into_iter().skip(before).filter(|l| !l.starts_with("[L2TP]")).collect();
    assert_eq!(
        told,
        [
            "[IKE] respond ISAKMP phase to 100.64.0.12",
            "[IKE] no free tunnel for 100.64.0.12: all 2 that may serve it are taken; add tunnels ('tunnel template', \
             'pp bind', 'ipsec transport template') or 'disconnect anonymousN'",
        ]
    );
    assert_eq!(w.peers[c].stage(), &Stage::Ended("quick mode was refused".into()), "{}", w.story(c));
    w.act(a, |p, now| p.hang_up(now));
    w.run_for(Duration::from_secs(5));
    w.connect(c);
    assert!(w.reaches(c) && w.reaches(b), "a tunnel that became free is not given to the next");
}

#[test]
fn no_gateway_for_the_address() {
    let lines = [
        "tunnel select 1\n ipsec ike remote address 1 198.51.100.77\ntunnel select 2\n ipsec ike remote address 2 198.51.100.77",
    ];
    let mut w = World::new(config(2, &lines), 3);
    let c = w.add(Manner::default());
    w.dial(c);
    w.run_for(Duration::from_secs(80));
    assert_eq!(
        w.lines("[IKE]").first().map(String::as_str),
        Some(
            "[IKE] no gateway serves 100.64.0.10: 'ipsec ike remote address N any' lets every address in; see also \
             'l2tp service', 'tunnel enable', 'pp bind' and 'ipsec ike pre-shared-key'"
        )
    );
    assert!(w.lines("[IKE]").len() <= 2, "once a minute:\n{}", w.log().join("\n"));
}

#[test]
fn a_client_that_guesses_on_and_on_is_told_once_a_minute() {
    let mut w = World::new(config(4, &[]), 4);
    let _ = w.add(Manner::default());
    for _ in 0..20 {
        let c = w.add_like(0, Manner { psk: b"guessed".to_vec(), ..Manner::default() });
        w.dial(c);
        w.run_for(Duration::from_secs(1));
        w.vanish(c);
    }
    assert_eq!(w.lines("wrong pre-shared key").len(), 1, "{}", w.log().join("\n"));
}

#[test]
fn weak_algorithms_are_told_with_the_line_that_would_refuse_them() {
    let mut w = World::new(config(4, &[]), 5);
    let c = w.add(Manner { phase1: vec![(5, None, 1, 2)], ..Manner::default() });
    w.connect(c);
    assert_eq!(
        w.lines("weak"),
        ["[IKE] 100.64.0.10 uses weak algorithms (3des-cbc md5 modp1024); if no client needs them: \
          ipsec ike refuse 3des-cbc md5 modp1024"]
    );
}

#[test]
fn strict_negotiation_takes_what_is_configured_and_nothing_else() {
    let strict = ["ipsec ike negotiate-strictly 1 on", "ipsec ike encryption 1 aes-cbc", "ipsec ike group 1 modp2048"];
    let offers = |phase1, phase2| Manner { phase1: vec![phase1], phase2: vec![phase2], ..Manner::default() };
    let mut w = World::new(config(2, &strict), 31);
    let other = w.add(offers((7, Some(256), 2, 14), (12, Some(128), 2)));
    w.dial(other);
    w.run_for(Duration::from_secs(5));
    assert!(w.told("'ipsec ike negotiate-strictly' takes nothing but aes-cbc sha modp2048"), "{}", w.story(other));
    let esp = w.add(offers((7, Some(128), 2, 14), (12, Some(256), 2)));
    w.dial(esp);
    w.run_for(Duration::from_secs(5));
    assert!(!w.peers[esp].is_up(), "{}", w.story(esp));
    let same = w.add(offers((7, Some(128), 2, 14), (12, Some(128), 2)));
    w.connect(same);
}

#[test]
fn a_key_with_a_blank_at_its_end_is_told_as_that() {
    let mut w = World::new(config(2, &[]), 32);
    let c = w.add(Manner { psk: b"sim-psk ".to_vec(), ..Manner::default() });
    w.dial(c);
    w.run_for(Duration::from_secs(5));
    assert!(w.told("one of the two has a blank or a line end too many at an end"), "{}", w.story(c));
}

#[test]
fn nobody_is_served_where_the_service_is_off() {
    let mut w = World::new(config(2, &["ipsec use off"]), 33);
    let c = w.add(Manner::default());
    w.dial(c);
    w.run_for(Duration::from_secs(5));
    assert!(w.told("no gateway serves"), "{}", w.story(c));
}

const TUNNEL_SECRET: &str = "tunnel select 1\n l2tp tunnel auth on open-sesame\n tunnel select none";

/// The lines that say why a client with this secret is refused by a server with these lines.
fn refused_by_its_secret(lines: &[&str], secret: Option<&str>) -> Vec<String> {
    let mut w = World::new(config(1, lines), 1);
    let c = w.add(Manner { l2tp_secret: secret.map(|s| s.as_bytes().to_vec()), ..Manner::default() });
    w.dial(c);
    w.run_for(Duration::from_secs(60));
    assert!(!w.peers[c].is_up() && w.routes.is_empty(), "{}", w.story(c));
    w.lines("is refused")
}

#[test]
fn a_wrong_tunnel_secret_names_client_command_and_remedy() {
    let silent = "[L2TP] TUNNEL[1] 100.64.0.10 is refused: nothing came after the challenge of 'l2tp tunnel auth'; it \
                  may have another secret, or none: enter the same in the client";
    let has_none = "[L2TP] TUNNEL[1] 100.64.0.10 is refused: it does not prove that it knows the secret of \
                    'l2tp tunnel auth'; enter the secret in the client, or 'l2tp tunnel auth off' here if it has no \
                    field for one";
    let unasked = "[L2TP] TUNNEL[1] 100.64.0.10 is refused: it has an L2TP secret and here is none; take it out of the \
                   client, or enter the same here: 'l2tp tunnel auth on SECRET'";
    assert_eq!(refused_by_its_secret(&[TUNNEL_SECRET], None), [has_none]);
    assert_eq!(refused_by_its_secret(&[], Some("open-sesame"))[0], unasked);
    // This client finds the server's proof wrong, and says nothing more.
    assert_eq!(refused_by_its_secret(&[TUNNEL_SECRET], Some("open-sesam")), [silent]);
}

#[test]
fn a_client_is_told_in_its_cdn_why_ppp_ended_but_not_whether_name_or_password_was_wrong() {
    let mut told = vec![];
    for manner in [
        Manner { password: "guessed".into(), ..Manner::default() },
        Manner { user: "nobody".into(), ..Manner::default() },
    ] {
        let mut w = World::new(config(1, &[]), 1);
        let c = w.add(manner);
        w.dial(c);
        w.run_for(Duration::from_secs(60));
        let set = w.lines("set (46)");
        assert_eq!(set, ["[L2TP]   set (46)ppp disconnect cause 16 protocol c223 direction 1"], "{}", w.story(c));
        let cdn = w.peers[c].dialogue().iter().find(|(_, line)| line.contains("<- Cdn")).map(|(_, line)| line.clone());
        assert!(cdn.as_ref().is_some_and(|cdn| cdn.contains("PppDisconnectCause")), "{}", w.story(c));
        told.extend(cdn);
    }
    assert_eq!(told[0], told[1]);
}

#[test]
fn why_a_clients_ppp_ended_stands_in_the_log_where_its_cdn_says_so() {
    let cause = wire::l2tp::DisconnectCause { code: 8, protocol: 0xc021, direction: 0, message: String::new() };
    let code = wire::l2tp::ResultCode { result: 2, error: Some(6), message: String::new() };
    let cdn = vec![
        wire::l2tp::Avp::u16(wire::l2tp::AvpType::MessageType, wire::l2tp::MessageType::Cdn.into()),
        wire::l2tp::Avp::bytes(wire::l2tp::AvpType::ResultCode, &code.encode()),
        wire::l2tp::Avp::u16(wire::l2tp::AvpType::AssignedSessionId, 0),
        wire::l2tp::Avp::bytes(wire::l2tp::AvpType::PppDisconnectCause, &cause.encode()).optional(),
    ];
    let mut w = World::new(config(1, &[]), 1);
    let c = w.add(Manner { cdn: Some(cdn), goodbye: vec![], ..Manner::default() });
    w.connect(c);
    w.act(c, |p, now| p.hang_up_call(now));
    w.run_for(Duration::from_secs(5));
    assert!(w.told("the client says why PPP ended: its LCP echoes had no answer (code 8)"), "{}", w.story(c));
}

/// What is told of a client that comes as far as `lost` lets it.
fn halted(lost: impl FnMut(sim::Way, &sim::Outer) -> bool + 'static, manner: Manner) -> Vec<String> {
    let mut w = World::new(config(1, &[]), 1);
    let c = w.add(manner);
    w.filter = Some(Box::new(lost));
    w.dial(c);
    w.run_for(Duration::from_secs(400));
    assert!(!w.peers[c].is_up(), "{}", w.story(c));
    let words = ["went no further", "began no phase 2", "no L2TP came"];
    w.log().into_iter().filter(|line| words.iter().any(|told| line.contains(told))).collect()
}

#[test]
fn where_a_client_goes_no_further_and_nothing_says_why_the_log_says_how_far_it_came() {
    use sim::Way;
    let said = |told: Vec<String>, words: &str| {
        assert!(!told.is_empty() && told.iter().all(|line| line.contains(words)), "{words}: {told:?}");
    };
    // The server's answers on port 500 do not arrive.
    let lost = |way: Way, p: &sim::Outer| matches!(way, Way::ToClient(_)) && p.from.port() == 500;
    said(halted(lost, Manner::default()), "went no further than the proposal");
    // Port 4500 is closed.
    let pretends = || Manner { pretends_nat: true, ..Manner::default() };
    said(halted(|_, p| p.from.port() == 4500, pretends()), "went no further than the exchange of keys");
    // The server's messages on port 4500 do not arrive.
    let lost = |way: Way, p: &sim::Outer| matches!(way, Way::ToClient(_)) && p.from.port() == 4500;
    said(halted(lost, pretends()), "began no phase 2");
    // ESP does not arrive.
    said(halted(|_, p| !p.is_isakmp(), Manner::default()), "no L2TP came through them");
    // What has been refused is told as that alone.
    assert_eq!(halted(|_, _| false, Manner { psk: b"guessed".to_vec(), ..Manner::default() }), [""; 0]);
    assert_eq!(halted(|_, _| false, Manner { mode: Some(4), ..Manner::default() }), [""; 0]);
    assert_eq!(halted(|_, _| false, Manner { password: "guessed".into(), ..Manner::default() }), [""; 0]);
}

/// What RFC 6989 §2.1 forbids is seen before any arithmetic, and whoever slips it in has ended nothing.
#[test]
fn a_bad_public_value_costs_no_arithmetic_and_ends_no_exchange() {
    for last in [0, 1] {
        let mut w = World::new(config(4, &[]), 1);
        let client = w.add(Manner::default());
        let mut spoilt = 0;
        w.peers[client].set_tamper(Some(Box::new(move |layer, octets| {
            // Message 3 begins with the public value: 28 octets of header, 4 of the payload's own.
            if layer == sim::Layer::Isakmp && spoilt == 0 && octets.get(16) == Some(&4) {
                spoilt += 1;
                let length = usize::from(u16::from_be_bytes([octets[30], octets[31]]));
                octets[32..28 + length].fill(0);
                octets[27 + length] = last;
            }
        })));
        w.connect(client);
        let told = w.log();
        let refused = told.iter().find(|line| line.contains("public value is not acceptable"));
        assert!(refused.is_some(), "{told:#?}");
        assert!(w.now().0 > 1_000_000_000, "the client had to send message 3 again");
    }
}

/// Who guesses, so many times one after the other; gives the lines about it.
fn guess(w: &mut World, times: usize, password: &str) -> Vec<String> {
    let before = w.events.len();
    for _ in 0..times {
        let n = w.add(Manner { password: password.into(), ..Manner::default() });
        w.dial(n);
        w.run_until(Duration::from_secs(3), |w| matches!(w.peers[n].stage(), Stage::Ended(_)) || w.peers[n].is_up());
        w.vanish(n);
        w.run_for(Duration::from_millis(100));
    }
    w.log().into_iter().skip(before).filter(|line| line.contains("password")).collect()
}

#[test]
fn who_goes_on_guessing_has_to_wait_and_the_wait_ends_by_itself() {
    let mut w = World::new(config(16, &[]), 1);
    let before = guess(&mut w, 5, "guessed");
    assert!(before.iter().all(|line| !line.contains("looked at")), "{before:?}");
    let sixth = guess(&mut w, 1, "guessed");
    assert!(
        sixth.iter().any(|line| line.ends_with(
            "6 wrong passwords for user 'vpnuser' from 100.64.0.0/24: no password is looked at there for 10 s"
        )),
        "{sixth:?}"
    );
    let right = guess(&mut w, 1, "vpn-Passw0rd");
    assert!(
        right.iter().any(|line| line.contains(
            "PPP authentication of user 'vpnuser' failed: not looked at, since there were too many wrong passwords before"
        )),
        "even the right one: {right:?}"
    );
    // Another user is let in meanwhile, and so is this one when the wait is over.
    let second = Manner { user: "second".into(), password: "Second-2".into(), ..Manner::default() };
    let other = w.add(second);
    w.connect(other);
    w.run_for(Duration::from_secs(10));
    let again = w.add(Manner::default());
    w.connect(again);
}

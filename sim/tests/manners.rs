//! Every client that people have, by its manners: it connects, renews its keys, vanishes and comes back, is refused.

#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use core::time::Duration;
use sim::{Manner, Stage, World, config, manners};

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Each manner, with and without a NAT.
fn each(mut scene: impl FnMut(u64, bool, Manner)) {
    for (seed, manner) in (0..).zip(manners::all()) {
        for natted in [false, true] {
            scene(seed * 2 + u64::from(natted), natted, manner.clone());
        }
    }
}

fn connected(seed: u64, natted: bool, manner: &Manner, extra: &[&str]) -> (World, usize) {
    let mut w = World::new(config(4, extra), seed);
    let c = w.add_natted(natted, manner.clone());
    w.dial(c);
    let up = w.run_until(seconds(60), |w| w.peers[c].is_up());
    assert!(up, "{} (NAT: {natted}) is not up:\n{}", manner.name, w.story(c));
    (w, c)
}

#[test]
fn it_connects_reaches_the_network_and_hangs_up_without_leaving_anything() {
    each(|seed, natted, manner| {
        let (mut w, c) = connected(seed, natted, &manner, &[]);
        let name = manner.name;
        assert!(w.reaches(c), "{name}:\n{}", w.story(c));
        assert_eq!(w.traffic(c, Duration::from_millis(50), seconds(5)), 0, "{name}:\n{}", w.story(c));
        assert_eq!(w.peers[c].dns(), [core::net::Ipv4Addr::new(192, 168, 100, 10)], "{name}:\n{}", w.story(c));
        // It is quick: nothing had to be sent twice, but to Windows, which begins late and deaf.
        let late = if manner.lcp_delay.is_zero() { Duration::ZERO } else { manner.lcp_delay + seconds(2) };
        let up = w.peers[c].dialogue().iter().find(|(_, l)| l.starts_with("up:")).expect("it is up").0;
        let took = up.since(engine::time::Instant(1_000_000_000));
        assert!(took < late + Duration::from_millis(500), "{name} took {took:?}:\n{}", w.story(c));
        w.act(c, |p, now| p.hang_up(now));
        w.run_for(seconds(1));
        assert!(w.routes.is_empty(), "{name}:\n{}", w.story(c));
        // The SAs of a client that does not delete them live until the server has waited for another call.
        w.run_for(seconds(9 * 3600));
        assert_eq!(w.quiet(), Ok(()), "{name}:\n{}", w.story(c));
    });
}

#[test]
fn it_renews_both_phases_under_traffic_without_a_lost_packet() {
    each(|seed, natted, manner| {
        let (mut w, c) = connected(seed, natted, &manner, &[]);
        let address = w.peers[c].inside();
        for round in 0..4 {
            w.act(c, |p, now| if round % 2 == 0 { p.rekey_esp(now) } else { p.rekey_ike(now) });
            let lost = w.traffic(c, Duration::from_millis(10), seconds(8));
            assert_eq!(lost, 0, "{}, round {round}:\n{}", manner.name, w.story(c));
        }
        assert!(w.peers[c].is_up() && w.peers[c].inside() == address, "{}:\n{}", manner.name, w.story(c));
        assert_eq!(w.lines("PPP/IPCP up").len(), 1, "{}", manner.name);
        assert_eq!(w.engine.client_ids().count(), 1, "{}:\n{}", manner.name, w.story(c));
        w.check_thoroughly();
    });
}

#[test]
fn it_vanishes_and_comes_back_from_the_same_port_and_from_another() {
    each(|seed, natted, manner| {
        let (mut w, old) = connected(seed, natted, &manner, &[]);
        let address = w.peers[old].inside();
        w.run_for(seconds(20));
        let new = w.replace_in_place(old, manner.clone());
        w.dial(new);
        let up = w.run_until(seconds(20), |w| w.peers[new].is_up());
        assert!(up && w.reaches(new), "{} from the same port:\n{}", manner.name, w.story(new));
        assert_eq!(w.peers[new].inside(), address, "{}:\n{}", manner.name, w.story(new));
        assert_eq!(w.engine.client_ids().count(), 1, "{}:\n{}", manner.name, w.story(new));
        let third = w.replace(new, manner.clone());
        w.dial(third);
        let up = w.run_until(seconds(20), |w| w.peers[third].is_up());
        assert!(up && w.reaches(third), "{} from another port:\n{}", manner.name, w.story(third));
        w.run_for(seconds(200));
        assert!(w.reaches(third), "{}:\n{}", manner.name, w.story(third));
        assert_eq!((w.routes.len(), w.engine.client_ids().count()), (1, 1), "{}:\n{}", manner.name, w.story(third));
        w.check_thoroughly();
    });
}

/// It dials, is not let in, and nothing is left of it.
fn refused(seed: u64, natted: bool, manner: &Manner, words: &str) {
    let mut w = World::new(config(4, &[]), seed);
    let c = w.add_natted(natted, manner.clone());
    w.dial(c);
    w.run_until(seconds(200), |w| matches!(w.peers[c].stage(), Stage::Ended(_)));
    let name = manner.name;
    assert!(matches!(w.peers[c].stage(), Stage::Ended(_)), "{name} does not give up:\n{}", w.story(c));
    assert!(w.told(words), "{name}: '{words}' is not told:\n{}", w.story(c));
    assert!(w.routes.is_empty(), "{name}:\n{}", w.story(c));
    w.run_for(seconds(9 * 3600));
    assert_eq!(w.quiet(), Ok(()), "{name}:\n{}", w.story(c));
    // The same one with what is right gets in.
    let good = Manner { psk: b"sim-psk".to_vec(), password: "vpn-Passw0rd".to_owned(), ..manner.clone() };
    let c = w.replace(c, good);
    w.dial(c);
    assert!(w.run_until(seconds(60), |w| w.peers[c].is_up()), "{name}:\n{}", w.story(c));
}

#[test]
fn with_a_wrong_key_it_is_refused_and_told_as_that() {
    each(|seed, natted, manner| {
        refused(seed, natted, &Manner { psk: b"sim-psk-of-old".to_vec(), ..manner }, "pre-shared key");
    });
}

#[test]
fn with_a_wrong_password_it_is_refused_and_told_as_that() {
    each(|seed, natted, manner| {
        refused(seed, natted, &Manner { password: "guessed".to_owned(), ..manner }, "password");
    });
}

#[test]
fn its_odd_names_and_passwords_are_understood() {
    let users = [
        ("taro.yamada", "p"),
        ("user@example.com", "with blank and \u{a5}\u{e9}\u{df}"),
        ("\u{5c71}\u{7530}", "\u{79d8}\u{5bc6}123"),
        ("UPPER lower", "\"quoted\" 'word' #1"),
        ("a", "0123456789012345678901234567890123456789012345678901234567890123"),
    ];
    let lines: Vec<String> =
        users.iter().map(|(u, p)| format!(" pp auth username {} {}", quoted(u), quoted(p))).collect();
    let extra = format!("pp select anonymous\n{}\npp select none", lines.join("\n"));
    for (seed, manner) in (0..).zip(manners::all()) {
        for (user, password) in users {
            // What Latin-1 has no letters for an Apple cannot say.
            let narrow = |text: &str| text.chars().all(|c| u32::from(c) < 256);
            if manner.alphabet == sim::Alphabet::Latin1 && !(narrow(user) && narrow(password)) {
                continue;
            }
            let manner = Manner { user: user.to_owned(), password: password.to_owned(), ..manner.clone() };
            let (mut w, c) = connected(seed, true, &manner, &[&extra]);
            assert!(w.reaches(c), "{} as {user}:\n{}", manner.name, w.story(c));
        }
    }
}

/// A word of the command language.
fn quoted(word: &str) -> String {
    format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""))
}

#[test]
fn a_domain_in_front_of_its_name_is_left_out_of_the_hash() {
    for (seed, manner) in (0..).zip(manners::all()) {
        let manner = Manner { domain: Some("EXAMPLE".to_owned()), ..manner };
        let (mut w, c) = connected(seed, false, &manner, &[]);
        assert!(w.reaches(c), "{}:\n{}", manner.name, w.story(c));
    }
}

#[test]
fn it_connects_by_each_method_that_it_accepts() {
    for (seed, manner) in (0..).zip(manners::all()) {
        for (word, method) in
            [("pap", (0xc023, 0)), ("chap", (0xc223, 5)), ("mschap", (0xc223, 0x80)), ("mschap-v2", (0xc223, 0x81))]
        {
            let extra = format!("pp select anonymous\n pp auth request {word}\npp select none");
            if manner.methods.contains(&method) {
                let (mut w, c) = connected(seed, false, &manner, &[&extra]);
                assert!(w.reaches(c), "{} by {word}:\n{}", manner.name, w.story(c));
            }
        }
    }
}

#[test]
fn two_of_a_kind_behind_one_nat_do_not_mix() {
    for (seed, manner) in (0..).zip(manners::all()) {
        let mut w = World::new(config(4, &[]), seed);
        let nat = w.add_nat();
        let manner = Manner { tunnel_id: Some(1), ..manner };
        let second = Manner { user: "second".into(), password: "Second-2".into(), ..manner.clone() };
        let (a, b) = (w.add_behind(nat, manner.clone()), w.add_behind(nat, second));
        w.dial(a);
        w.dial(b);
        let up = w.run_until(seconds(30), |w| w.peers.iter().all(sim::Peer::is_up));
        assert!(up, "{}:\n{}\n{}", manner.name, w.story(a), w.story(b));
        for round in 0..300 {
            w.echo(a, 200);
            w.echo(b, 300);
            w.run_for(Duration::from_millis(20));
            if round == 100 {
                w.act(a, |p, now| p.rekey_esp(now));
            }
            if round == 200 {
                w.act(b, |p, now| p.rekey_ike(now));
            }
        }
        w.run_for(seconds(1));
        assert_eq!((w.lost_echoes(a), w.lost_echoes(b)), (0, 0), "{}:\n{}", manner.name, w.story(a));
        w.check_thoroughly();
    }
}

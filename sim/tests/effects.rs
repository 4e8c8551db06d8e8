//! Lines of the configuration that change what the server does in a corner of a protocol: each has its effect.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use core::time::Duration;
use engine::time::Instant;
use sim::{Manner, Stage, World, config};

/// A client that gives its SAs these lives and never renews them itself.
fn lazy(phase1: u16, phase2: u16) -> Manner {
    Manner { lives: (phase1, phase2), ..Manner::default() }
}

fn up(lines: &[&str], manner: Manner) -> (World, usize) {
    let mut w = World::new(config(1, lines), 5);
    let c = w.add(manner);
    w.connect(c);
    (w, c)
}

/// When lines that hold these words were told.
fn moments(w: &World, words: &str) -> Vec<Instant> {
    w.events.iter().filter(|(_, event)| event.to_string().contains(words)).map(|(at, _)| *at).collect()
}

fn busy(w: &mut World, who: usize, seconds: u64) {
    for _ in 0..seconds {
        w.echo(who, 100);
        w.run_for(Duration::from_secs(1));
    }
}

#[test]
fn ipsec_transport_keeps_out_whoever_comes_from_another_port() {
    let port = ["ipsec transport 1 1 udp 1701 1701"];
    let (mut w, c) = up(&port, Manner::default());
    assert!(w.reaches(c));
    let mut w = World::new(config(1, &port), 6);
    let c = w.add(Manner { l2tp_port: 49_152, ..Manner::default() });
    w.dial(c);
    w.run_for(Duration::from_secs(30));
    assert!(w.routes.is_empty() && w.told("ipsec transport lets no peer in from port 49152"), "{}", w.story(c));
    // A range and several ports let it in again.
    let (mut w, c) =
        up(&["ipsec transport 1 1 udp 1701 1701,49152-65535"], Manner { l2tp_port: 49_152, ..Manner::default() });
    assert!(w.reaches(c));
}

#[test]
fn ipsec_ike_log_tells_messages_payloads_and_which_keys_came_about() {
    let (mut w, c) = up(&["ipsec ike log message-info payload-info key-info"], Manner::default());
    for words in [
        "[IKE] recv Main Mode message from 100.64.0.10:500 (cookies ",
        "[IKE]   payload Sa, ",
        "[IKE] send Main Mode message to 100.64.0.10:500 (cookies ",
        "[IKE]   payload KeyExchange, ",
        "[IKE]   payloads enciphered, ",
        "[IKE] recv Quick Mode message from ",
        "[IKE] add ISAKMP SA with 100.64.0.10: ",
        "[IKE] add IPsec SA with 100.64.0.10: ",
    ] {
        assert!(w.told(words), "{words}\n{}", w.story(c));
    }
    // A line that goes away while the server runs is followed.
    w.command("no ipsec ike log");
    let before = w.events.len();
    w.shut_down();
    let told: Vec<String> = w.log().into_iter().skip(before).filter(|line| line.contains("[IKE] send")).collect();
    assert!(told.is_empty(), "{told:?}");
    // One kind alone, for one gateway alone.
    let (w, c) = up(&["ipsec ike log 1 key-info"], Manner::default());
    assert!(w.told("[IKE] add ISAKMP SA with ") && !w.told("[IKE] recv"), "{}", w.story(c));
    let (w, c) = up(&["ipsec ike log 7 key-info message-info"], Manner::default());
    assert!(!w.told("[IKE] add ISAKMP SA with ") && !w.told("[IKE] recv"), "{}", w.story(c));
}

#[test]
fn ipsec_ike_retry_says_how_our_own_messages_are_repeated() {
    let pauses = |lines: &[&str]| {
        let (mut w, c) = up(lines, lazy(3600, 60));
        busy(&mut w, c, 55);
        w.vanish(c);
        w.run_for(Duration::from_secs(40));
        let sent = moments(&w, "[IKE] send Quick Mode message to");
        // Those of the connect go before.
        let own: Vec<Instant> = sent.into_iter().filter(|at| *at > Instant(50_000_000_000)).collect();
        own.windows(2).map(|pair| pair[1].since(pair[0]).as_millis()).collect::<Vec<_>>()
    };
    assert_eq!(pauses(&["ipsec ike log message-info", "ipsec ike retry 3 2"]), [2000, 2000, 2000]);
    assert_eq!(pauses(&["ipsec ike log message-info"]), [1000, 2000, 4000, 8000, 8000]);
}

#[test]
fn ipsec_ike_send_info_off_tells_clients_nothing_of_what_ends() {
    for (line, told) in [("ipsec ike send info 1 off", false), ("ipsec ike send info 1 on", true)] {
        let (mut w, c) = up(&["ipsec ike log message-info", line], Manner::default());
        w.shut_down();
        w.run_for(Duration::from_secs(5));
        assert_eq!(w.told("[IKE] send Informational message to"), told, "{line}\n{}", w.story(c));
        // A refusal is not told either.
        let mut w =
            World::new(config(1, &["ipsec ike refuse 3des-cbc modp1024", "ipsec ike log message-info", line]), 7);
        let c = w.add(Manner { phase1: vec![(5, None, 2, 2)], ..Manner::default() });
        w.dial(c);
        w.run_for(Duration::from_secs(5));
        assert_eq!(w.told("[IKE] send Informational message to"), told, "{line}\n{}", w.story(c));
    }
}

#[test]
fn ipsec_ike_keepalive_log_tells_dead_peer_detection() {
    let dpd = "ipsec ike keepalive use 1 on dpd 10 3";
    let (mut w, c) = up(&[dpd], Manner::default());
    w.run_for(Duration::from_secs(25));
    assert!(w.told("[IKE] keepalive R-U-THERE send to 100.64.0.10"), "{}", w.story(c));
    assert!(w.told("[IKE] keepalive R-U-THERE-ACK recv from 100.64.0.10"), "{}", w.story(c));
    w.vanish(c);
    w.run_for(Duration::from_secs(50));
    assert!(w.told("[IKE] keepalive timeout count="), "{}", w.story(c));
    let (mut w, c) = up(&[dpd, "ipsec ike keepalive log 1 off"], Manner::default());
    w.run_for(Duration::from_secs(25));
    assert!(!w.told("[IKE] keepalive"), "{}", w.story(c));
}

#[test]
fn pp_keepalive_log_tells_echoes_of_lcp() {
    let lines = "pp select anonymous\n pp keepalive use lcp-echo\n pp keepalive interval 10 retry-interval=2 count=3";
    let (mut w, c) = up(&[&format!("{lines}\n pp keepalive log on")], Manner::default());
    w.run_for(Duration::from_secs(25));
    assert!(w.told("PP[ANONYMOUS01] keepalive LCP Echo-Request send, count=3"), "{}", w.story(c));
    assert!(w.told("PP[ANONYMOUS01] keepalive LCP Echo-Reply recv"), "{}", w.story(c));
    w.vanish(c);
    w.run_for(Duration::from_secs(30));
    assert!(w.told("PP[ANONYMOUS01] keepalive LCP Echo-Request send, count=1"), "{}", w.story(c));
    let (mut w, c) = up(&[lines], Manner::default());
    w.run_for(Duration::from_secs(25));
    assert!(!w.told("keepalive LCP"), "{}", w.story(c));
}

#[test]
fn icmp_echo_watches_over_the_caller_that_has_the_address() {
    // The simulated client does not answer ICMP: whoever is asked is given up, whoever has another address stays.
    let lines = |address: &str| {
        let interval = "pp keepalive interval 10 retry-interval=2 count=3";
        format!(
            "pp select anonymous\n pp keepalive use icmp-echo {address} length=100\n {interval}\n pp keepalive log on"
        )
    };
    let (mut w, c) = up(&[&lines("192.168.100.200")], Manner::default());
    w.run_for(Duration::from_secs(30));
    assert!(w.told("PP[ANONYMOUS01] keepalive ICMP echo send, count=3"), "{}", w.story(c));
    let (mut w, c) = up(&[&lines("192.168.100.222")], Manner::default());
    w.run_for(Duration::from_secs(60));
    assert!(!w.told("keepalive ICMP") && w.reaches(c), "{}", w.story(c));
    // What the client sends is an answer as well as any.
    let (mut w, c) = up(&[&lines("192.168.100.200")], Manner::default());
    busy(&mut w, c, 60);
    assert!(w.reaches(c) && !w.told("Disconnected"), "{}", w.story(c));
    // A client that has gone is found out.
    w.vanish(c);
    w.run_for(Duration::from_secs(30));
    assert!(w.told("keepalive ICMP echo send, count=1") && w.routes.is_empty(), "{}", w.story(c));
}

#[test]
fn forced_reduction_ends_what_was_replaced() {
    let pairs = |line: &str, seconds: u64| {
        let (mut w, c) = up(&[line], Manner { deletes_old: false, ..Manner::default() });
        w.act(c, |p, now| p.rekey_esp(now));
        busy(&mut w, c, seconds);
        assert_eq!(w.lost_echoes(c), 0, "{}", w.story(c));
        w.check_thoroughly();
        w.engine.pairs().count()
    };
    let reduced = "ipsec ike duration ipsec-sa 1 28800 2000000 rekey 75% forced-reduction=30";
    assert_eq!((pairs(reduced, 25), pairs(reduced, 35)), (2, 1));
    assert_eq!(pairs("ipsec ike duration ipsec-sa 1 28800", 35), 2);
}

#[test]
fn rekey_says_when_the_server_renews_what_the_client_has_not() {
    let begun = |line: &str| {
        let (mut w, c) = up(&["ipsec ike log message-info", line], lazy(3600, 100));
        let connected = w.now();
        busy(&mut w, c, 99);
        assert_eq!(w.lost_echoes(c), 0, "{}", w.story(c));
        let own = moments(&w, "[IKE] send Quick Mode message to").into_iter().find(|at| *at > connected);
        own.map(|at| at.since(connected).as_secs())
    };
    assert!(begun("ipsec ike duration ipsec-sa 1 28800 rekey 70%").is_some_and(|s| (66..=71).contains(&s)));
    assert!(begun("ipsec ike duration ipsec-sa 1 28800").is_some_and(|s| (94..=99).contains(&s)));
    let main_modes = |line: &str| {
        let (mut w, c) = up(&["ipsec ike log message-info", line], lazy(90, 3600));
        let connected = w.now();
        busy(&mut w, c, 100);
        moments(&w, "[IKE] send Main Mode message to").into_iter().any(|at| at > connected)
    };
    assert!(main_modes("ipsec ike duration isakmp-sa 1 28800 rekey 80%"));
    assert!(!main_modes("ipsec ike duration isakmp-sa 1 28800 rekey off"));
}

#[test]
fn ppp_lcp_accm_on_disturbs_no_client() {
    let (mut w, c) = up(&["pp select anonymous\n ppp lcp accm on"], Manner::default());
    assert!(w.reaches(c));
    assert!(!matches!(w.peers[c].stage(), Stage::Ended(_)));
}

#[test]
fn calls_are_counted_for_their_tunnel() {
    let (mut w, c) = up(&[], Manner::default());
    w.run_for(Duration::from_secs(60));
    assert!(w.command("show account tunnel").contains("TUNNEL[1]:"), "{}", w.story(c));
    assert!(w.command("show account tunnel 1").contains("Calls in: 1"));
    assert!(w.command("show account tunnel 2").contains("Calls in: 0"));
    w.command("clear account pp anonymous");
    assert!(w.command("show account pp anonymous").contains("Calls in: 0"));
    assert!(w.command("show account tunnel 1").contains("Calls in: 1"));
    w.command("clear account");
    assert!(w.command("show account tunnel 1").contains("Calls in: 0"));
}

#[test]
fn a_tunnel_is_found_by_its_description_and_named_by_its_kind() {
    let lines = "tunnel select 7\n tunnel encapsulation pptp\n description tunnel branch\ntunnel select 8\n tunnel encapsulation ipip";
    let (mut w, _) = up(&[lines], Manner::default());
    let branch = w.command("show status tunnel name=branch");
    assert!(branch.starts_with("TUNNEL[7]: \nDescription: branch\n  Interface type: PPTP\n"), "{branch}");
    assert!(!branch.contains("TUNNEL[1]"), "{branch}");
    assert!(w.command("show status tunnel 8").contains("Interface type: IPIP\n"));
    assert_eq!(w.command("show status tunnel name=other"), "");
}

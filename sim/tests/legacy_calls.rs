//! PPTP calls from the first message to the last: coming up, ending in every way, limits, both kinds of client at once.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use core::net::Ipv4Addr;
use core::time::Duration;
use sim::legacy::{Exchange, config};
use sim::peer::legacy::{Manner, STATELESS};
use std::collections::BTreeSet;
use wire::legacy::ccp::Bits;
use wire::legacy::pptp::{Message, VERSION};

const REQUIRED: &str = "ppp ccp no-encryption reject";

fn exchange(pp: &[&str], extra: &[&str]) -> Exchange {
    Exchange::new(config(4, pp, extra), 1)
}

fn manner(mppe: u32) -> Manner {
    Manner { mppe, ..Manner::default() }
}

#[test]
fn a_client_connects_and_everything_it_says_is_encrypted() {
    let mut x = exchange(&[REQUIRED], &[]);
    let who = x.add(Manner::default());
    x.connect(who);
    assert!(x.reaches(who));
    assert_eq!(x.count_echoes(who, 50), 50);
    let marked = |packet: &Vec<u8>| packet.windows(12).any(|w| w == b"plain as day");
    assert!(!x.crossed.iter().any(marked), "a payload in the clear");
    assert_eq!((x.clients[who].plain_seen, x.totals().plain), (0, 0));
    assert_eq!(x.lines("[PPTP] opend port 1723/tcp").len(), 1);
    assert_eq!(x.lines("[PPTP] TUNNEL[11] connected from 100.65.0.10").len(), 1);
    assert_eq!(x.lines("PPP/CCP up  (MPPE 128bit stateless)").len(), 1);
    assert_eq!(x.lines("user 'vpnuser' at 100.65.0.10 still uses PPTP").len(), 1);
    assert_eq!(x.lines("Call detected from user 'vpnuser'").len(), 1);
}

#[test]
fn every_size_of_key_is_agreed_on_from_both_kinds_of_mschap() {
    for auth in ["mschap-v2", "mschap"] {
        for key in [Bits::BITS_40, Bits::BITS_56, Bits::BITS_128] {
            for bits in [key | STATELESS, key] {
                let mut x = exchange(&[REQUIRED, &format!("pp auth request {auth}")], &[]);
                let who = x.add(manner(bits));
                x.connect(who);
                assert_eq!(x.clients[who].agreed(), Some(bits));
                assert_eq!(x.count_echoes(who, 300), 300, "{auth} {bits:x}");
                assert_eq!((x.totals().undecrypted, x.clients[who].unreadable), (0, 0));
            }
        }
    }
}

#[test]
fn compression_is_rejected_and_encryption_agreed_on_all_the_same() {
    let mut x = exchange(&[REQUIRED], &[]);
    let who = x.add(Manner { compresses: true, ..Manner::default() });
    x.connect(who);
    assert!(x.reaches(who));
}

#[test]
fn without_encryption_a_call_stands_where_that_is_accepted_and_ends_with_its_reason_where_not() {
    let mut x = exchange(&[], &[]);
    let who = x.add(manner(0));
    x.connect(who);
    assert!(x.reaches(who));
    assert_eq!(x.lines("nothing is encrypted: the client does not do CCP").len(), 1);

    let mut x = exchange(&[REQUIRED], &[]);
    let who = x.add(manner(0));
    x.dial(who);
    assert!(x.run_until(Duration::from_secs(30), |x| x.clients[who].ended.is_some()));
    x.run_for(Duration::from_secs(5));
    assert_eq!(x.lines("Disconnected, cause [MPPE is required").len(), 1, "{:#?}", x.world.log());
    assert_eq!((x.came_out, x.clients[who].plain_seen), (0, 0));
    assert_eq!(x.calls(), 0);
}

#[test]
fn keys_that_are_not_allowed_are_never_agreed_to() {
    let mut x = exchange(&[REQUIRED, "ppp ccp type mppe-128"], &[]);
    let who = x.add(manner(STATELESS | Bits::BITS_40));
    x.dial(who);
    x.run_for(Duration::from_secs(90));
    assert!(!x.clients[who].is_up());
    assert_eq!(x.lines("Disconnected, cause [MPPE is required").len(), 1, "{:#?}", x.world.log());
}

#[test]
fn methods_without_keys_let_nobody_in_where_encryption_is_required() {
    for auth in ["pap", "chap"] {
        let mut x = exchange(&[&format!("pp auth request {auth}")], &[]);
        let who = x.add(manner(0));
        x.connect(who);
        assert!(x.reaches(who), "{auth}");
        let mut x = exchange(&[REQUIRED, &format!("pp auth request {auth}")], &[]);
        let who = x.add(manner(0));
        x.dial(who);
        x.run_for(Duration::from_secs(10));
        assert!(!x.clients[who].is_up(), "{auth}");
        assert_eq!(x.lines("the authentication makes no keys").len(), 1, "{auth}");
    }
}

#[test]
fn no_plain_packet_passes_in_either_direction_once_encryption_is_agreed_or_required() {
    let mut x = exchange(&[REQUIRED], &[]);
    let who = x.add(Manner::default());
    x.connect(who);
    let inside = x.clients[who].inside().unwrap();
    let ip = sim::packet::udp((inside, 9), (Ipv4Addr::new(192, 168, 100, 10), 7), b"in the clear");
    let before = x.came_out;
    x.act(who, |client, _| client.send_plain(&ip));
    x.run_for(Duration::from_secs(1));
    assert_eq!((x.came_out, x.totals().plain), (before, 1));
    assert!(x.reaches(who), "the call goes on");
}

#[test]
fn ccp_that_is_negotiated_anew_ends_the_call_and_never_uses_a_key_twice() {
    let mut x = exchange(&[REQUIRED], &[]);
    let who = x.add(Manner::default());
    x.connect(who);
    x.act(who, |client, _| client.renegotiate_ccp());
    x.run_for(Duration::from_secs(10));
    assert_eq!(x.lines("CCP was negotiated anew or ended").len(), 1, "{:#?}", x.world.log());
    assert_eq!(x.calls(), 0);
}

#[test]
fn a_wrong_password_ends_the_call() {
    let mut x = exchange(&[], &[]);
    let who = x.add(Manner { password: "wrong".into(), ..Manner::default() });
    x.dial(who);
    x.run_for(Duration::from_secs(90));
    assert_eq!(x.lines("wrong password").len(), 2);
    assert_eq!(x.calls(), 0);
}

#[test]
fn hanging_up_cutting_the_connection_and_an_operators_word_give_everything_back() {
    for way in ["hang up", "cut", "disconnect", "stop"] {
        let mut x = exchange(&[], &[]);
        let who = x.add(Manner::default());
        x.connect(who);
        match way {
            "hang up" => x.act(who, |client, _| client.hang_up()),
            "cut" => x.act(who, |client, _| client.cut()),
            "disconnect" => drop(x.ask("disconnect anonymous1")),
            _ => x.shut_down(),
        }
        x.run_for(Duration::from_secs(60));
        assert_eq!(x.calls(), 0, "{way}");
        assert_eq!(x.world.quiet(), Ok(()), "{way}");
        assert_eq!(x.lines("Disconnected, cause [").len(), 1, "{way}: {:#?}", x.world.log());
        if way != "stop" {
            let again = x.add(Manner::default());
            x.connect(again);
            assert!(x.reaches(again), "{way}");
        }
    }
}

#[test]
fn several_clients_behind_one_address_are_told_apart_by_their_calls() {
    let mut x = exchange(&[REQUIRED], &[]);
    let address = Ipv4Addr::new(203, 0, 113, 7);
    let all: Vec<usize> = [3, 4, 5].map(|call_id| x.add_at(Manner { call_id, ..Manner::default() }, address)).to_vec();
    for who in &all {
        x.connect(*who);
    }
    for who in &all {
        assert!(x.reaches(*who));
    }
    assert_eq!(x.lines("connected from 203.0.113.7").len(), 3);
}

#[test]
fn both_kinds_of_client_share_pool_users_and_numbers() {
    let mut x = exchange(&["pp auth multi connect prohibit on"], &[]);
    let nat = x.world.add_nat();
    let l2tp = x.world.add_behind(nat, sim::Manner::default());
    x.world.connect(l2tp);
    let refused = x.add(Manner::default());
    x.dial(refused);
    x.run_for(Duration::from_secs(20));
    assert_eq!(x.lines("connected already").len(), 2, "one user is let in once, whatever carries the call");
    let pptp = x.add(Manner { user: "second".into(), password: "Second-2".into(), ..Manner::default() });
    x.connect(pptp);
    assert!(x.reaches(pptp) && x.world.reaches(l2tp));
    assert_ne!(x.world.peers[l2tp].inside(), x.clients[pptp].inside());
    let screen = x.ask("show status pp anonymous");
    assert!(screen.contains("PP[ANONYMOUS01]:") && screen.contains("PP[ANONYMOUS02]:"), "{screen}");
    assert!(screen.contains("Current L2TP session status is Connected."), "{screen}");
    assert!(screen.contains("Current PPTP session status is Connected."), "{screen}");
    assert!(screen.contains("CCP: MPPE 128bit stateless") && screen.contains("CCP: None"), "{screen}");
    let screen = x.ask("show status pptp");
    for word in ["Control Connection: 2, Call: 1", "TUNNEL[11] Call Information", "User: second", "GRE Received: "] {
        assert!(screen.contains(word), "{word}: {screen}");
    }
}

#[test]
fn one_client_behind_a_nat_and_two_without_are_served_at_once_whichever_kind_it_is() {
    for natted in 0..3 {
        let mut x = exchange(&["pp auth username third Third-3"], &[]);
        let nat = x.world.add_nat();
        let l2tp = |user: &str, password: &str| sim::Manner {
            user: user.into(),
            password: password.into(),
            ..sim::Manner::default()
        };
        let two = [l2tp("vpnuser", "vpn-Passw0rd"), l2tp("second", "Second-2")];
        let mut add =
            |at: usize, manner| if at == natted { x.world.add_behind(nat, manner) } else { x.world.add(manner) };
        let two: Vec<usize> = two.into_iter().enumerate().map(|(at, manner)| add(at, manner)).collect();
        let manner = Manner { user: "third".into(), password: "Third-3".into(), ..Manner::default() };
        let core::net::IpAddr::V4(outside) = x.world.nat(nat).outside() else { panic!("IPv4") };
        let pptp = if natted == 2 { x.add_at(manner, outside) } else { x.add(manner) };
        two.iter().for_each(|who| x.world.connect(*who));
        x.connect(pptp);
        assert!(x.reaches(pptp) && two.iter().all(|who| x.world.reaches(*who)), "{natted}");
        let inside: BTreeSet<Ipv4Addr> =
            two.iter().filter_map(|who| x.world.peers[*who].inside()).chain(x.clients[pptp].inside()).collect();
        assert_eq!(inside.len(), 3, "{natted}");
        let pool = |address: &Ipv4Addr| address.octets()[..3] == [192, 168, 100] && address.octets()[3] >= 200;
        assert!(inside.iter().all(pool), "{inside:?}");
        let screen = x.ask("show status pp anonymous");
        let listed = ["PP[ANONYMOUS01]:", "PP[ANONYMOUS02]:", "PP[ANONYMOUS03]:"];
        assert!(listed.iter().all(|name| screen.contains(name)), "{screen}");
    }
}

#[test]
fn when_all_tunnels_are_taken_the_next_caller_is_told_so() {
    let mut x = Exchange::new(config(1, &[], &[]), 1);
    let first = x.add(Manner::default());
    x.connect(first);
    let second = x.add(Manner { user: "second".into(), password: "Second-2".into(), ..Manner::default() });
    x.dial(second);
    x.run_for(Duration::from_secs(5));
    assert_eq!(x.clients[second].ended.as_deref(), Some("not accepted: 7"));
    assert_eq!(x.lines("no free tunnel for 100.65.0.11").len(), 1);
    assert!(x.reaches(first));
}

#[test]
fn a_tunnel_with_a_fixed_end_is_for_that_address_alone() {
    let mut x = Exchange::new(config(1, &[], &["tunnel: tunnel endpoint address 100.65.0.11"]), 1);
    let (first, second) = (x.add(Manner::default()), x.add(Manner::default()));
    x.dial(first);
    x.run_for(Duration::from_secs(2));
    assert_eq!(x.clients[first].ended.as_deref(), Some("not accepted: 7"));
    x.connect(second);
}

#[test]
fn a_silent_client_is_found_out_by_echo_requests_and_an_idle_one_by_its_timer() {
    let mut x = exchange(&[], &["tunnel: pptp keepalive interval 10 4", "tunnel: pptp keepalive log on"]);
    let who = x.add(Manner { answers: false, ..Manner::default() });
    x.connect(who);
    x.run_for(Duration::from_secs(60));
    assert_eq!(x.lines("fell silent: no answer to Echo-Requests").len(), 1, "{:#?}", x.world.log());
    assert_eq!(x.world.quiet(), Ok(()));
    assert!(!x.lines("send Echo-Request 1 to").is_empty());

    let mut x = exchange(&[], &["tunnel: pptp tunnel disconnect time 30"]);
    let who = x.add(Manner::default());
    x.connect(who);
    for _ in 0..4 {
        x.run_for(Duration::from_secs(20));
        assert!(x.reaches(who), "it is in use");
    }
    x.run_for(Duration::from_secs(60));
    assert_eq!(x.lines("nothing was sent for 30 s").len(), 1, "{:#?}", x.world.log());
    assert_eq!(x.calls(), 0);
}

#[test]
fn who_says_nothing_half_of_something_or_nonsense_is_let_go() {
    let mut x = exchange(&[], &[]);
    let good = x.add(Manner::default());
    x.connect(good);
    let (silent, half, nonsense) = (x.add(Manner::default()), x.add(Manner::default()), x.add(Manner::default()));
    for who in [silent, half, nonsense] {
        x.open(who);
    }
    x.act(half, |client, _| client.send_octets(&[0, 156, 0, 1]));
    x.act(nonsense, |client, _| client.send_octets(b"GET / HTTP/1.1\r\n\r\n"));
    x.run_for(Duration::from_secs(1));
    assert!(x.clients[nonsense].ended.is_some());
    assert!(x.clients[silent].ended.is_none() && x.clients[half].ended.is_none());
    x.run_for(Duration::from_secs(11));
    assert!(x.clients[silent].ended.is_some() && x.clients[half].ended.is_some());
    assert_eq!(x.lines("refused 100.65.0.13:50003: PPTP header cannot be read").len(), 1);
    assert!(x.reaches(good), "the others go on");
    // A connection without a call does not stay either.
    let idle = x.add(Manner::default());
    x.open(idle);
    let start = wire::legacy::pptp::Start { version: VERSION, ..Default::default() };
    x.act(idle, |client, _| client.send_octets(&Message::StartRequest(start).encode()));
    x.run_for(Duration::from_secs(1));
    x.clients[idle].ended = None;
}

#[test]
fn octets_in_pieces_and_messages_in_a_row_are_read_alike() {
    let mut x = exchange(&[], &[]);
    let who = x.add(Manner::default());
    x.open(who);
    let start = wire::legacy::pptp::Start { version: VERSION, ..Default::default() };
    let call = wire::legacy::pptp::OutgoingCallRequest { call_id: 7, ..Default::default() };
    let both = [Message::StartRequest(start).encode(), Message::EchoRequest { id: 5 }.encode()].concat();
    for octet in both {
        x.act(who, |client, _| client.send_octets(&[octet]));
    }
    x.run_for(Duration::from_secs(1));
    // The client's own reaction to the reply has begun a call; a second one with the same id takes its place.
    let more = [Message::OutgoingCallRequest(call).encode(), Message::EchoRequest { id: 6 }.encode()].concat();
    x.act(who, |client, _| client.send_octets(&more));
    x.run_for(Duration::from_secs(1));
    let replies = x.clients[who].dialogue.iter().filter(|line| line.as_str() == "<- EchoReply").count();
    assert_eq!(replies, 2, "{:#?}", x.clients[who].dialogue);
    assert_eq!(x.lines("the client dialled again").len(), 2, "{:#?}", x.world.log());
    assert_eq!(x.calls(), 1);
}

#[test]
fn one_source_has_so_many_connections_and_no_more() {
    let mut x = exchange(&[], &[]);
    let address = Ipv4Addr::new(203, 0, 113, 9);
    let all: Vec<usize> = (0..40).map(|_| x.add_at(Manner::default(), address)).collect();
    for who in &all {
        x.open(*who);
    }
    x.run_for(Duration::from_secs(1));
    let away = all.iter().filter(|who| x.clients[**who].ended.is_some()).count();
    assert_eq!(away, 8);
    assert_eq!(x.lines("too many control connections").len(), 1, "told once");
    let other = x.add(Manner::default());
    x.connect(other);
}

#[test]
fn one_source_begins_so_many_calls_a_minute_and_no_more() {
    let mut x = exchange(&[], &[]);
    let who = x.add(Manner { call_id: 9, ..Manner::default() });
    x.open(who);
    let start = wire::legacy::pptp::Start { version: VERSION, ..Default::default() };
    let call = wire::legacy::pptp::OutgoingCallRequest { call_id: 9, ..Default::default() };
    x.act(who, |client, _| client.send_octets(&Message::StartRequest(start).encode()));
    for _ in 0..100 {
        let both =
            [Message::OutgoingCallRequest(call.clone()).encode(), Message::CallClearRequest { call_id: 9 }.encode()];
        x.act(who, |client, _| client.send_octets(&both.concat()));
    }
    x.run_for(Duration::from_secs(2));
    assert!(x.lines("call").iter().filter(|line| line.ends_with("established")).count() <= 60);
    assert_eq!(x.lines("more than 60 calls within a minute").len(), 1);
    let other = x.add(Manner::default());
    x.connect(other);
}

#[test]
fn without_the_service_nothing_is_there() {
    let text = config(2, &[], &[]).show().replace("pptp service on", "pptp service off");
    let (config, problems) = command::parse(&text);
    assert!(problems.iter().all(|p| p.severity != command::Severity::Error));
    let mut x = Exchange::new(config, 1);
    let who = x.add(Manner::default());
    x.dial(who);
    x.run_for(Duration::from_secs(20));
    assert!(x.clients[who].dialogue.iter().all(|line| line.starts_with("->")));
    assert_eq!(x.lines("[PPTP]").len(), 0);
    assert!(x.ask("show status pptp").starts_with("nothing of the kind is served"));
}

#[test]
fn filters_of_the_interface_hold_these_callers_as_well() {
    let filtered = ["ip pp secure filter in 100 199", "ip pp secure filter out 199"];
    let filters = ["ip filter 100 reject * 192.168.100.10 udp * 7", "ip filter 199 pass * *"];
    let mut x = exchange(&filtered, &filters);
    let who = x.add(Manner::default());
    x.connect(who);
    assert!(!x.reaches(who), "what a filter rejects has passed");
    let mut open = exchange(&["ip pp secure filter in 199", "ip pp secure filter out 199"], &filters[1..]);
    let who = open.add(Manner::default());
    open.connect(who);
    assert!(open.reaches(who), "what a filter lets pass has been held");
}

#[test]
fn lines_that_change_while_the_server_runs_count_for_what_begins_from_then_on() {
    let mut x = exchange(&[], &["pptp hostname before"]);
    let who = x.add(Manner::default());
    x.connect(who);
    assert!(x.reaches(who));
    // Off ends every call and lets nobody in; on lets them in again.
    x.world.command("pptp service off");
    x.run_for(Duration::from_secs(10));
    assert!(x.clients[who].ended.is_some() && x.calls() == 0, "{:#?}", x.world.log());
    assert_eq!(x.lines("[PPTP] closed port 1723/tcp").len(), 1);
    let who = x.add(Manner::default());
    x.dial(who);
    x.run_for(Duration::from_secs(10));
    assert_eq!(x.calls(), 0, "{:#?}", x.world.log());
    x.world.command("pptp service on");
    x.world.command("tunnel select 11");
    x.world.command("pptp syslog on");
    let who = x.add(Manner::default());
    x.connect(who);
    assert!(x.reaches(who));
    assert!(!x.lines("[PPTP] recv ").is_empty(), "{:#?}", x.world.log());
}

//! The server ends sessions: all of them when it stops, one when an operator says so.

use core::time::Duration;
use sim::{Manner, Stage, World, config};

fn heard(w: &World, who: usize, words: &str) -> bool {
    w.peers[who].dialogue().iter().any(|(_, l)| l.contains(words))
}

#[test]
fn a_server_that_stops_says_so_to_each_client_at_each_layer() {
    let mut w = World::new(config(4, &[]), 1);
    let nat = w.add_nat();
    let (a, b) = (w.add(Manner::default()), w.add_behind(nat, Manner::default()));
    w.connect(a);
    w.connect(b);
    w.watch = true;
    w.shut_down();
    w.run_for(Duration::from_millis(100));
    for c in [a, b] {
        assert!(matches!(w.peers[c].stage(), Stage::Ended(_)), "{}", w.story(c));
        for words in ["<- Lcp Terminate-Request", "<- StopCcn", "<- delete Esp", "<- delete Isakmp"] {
            assert!(heard(&w, c, words), "{words}:\n{}", w.story(c));
        }
    }
    assert_eq!(w.quiet(), Ok(()));
    assert_eq!(w.lines("Disconnected, cause [the server stops] user='vpnuser'").len(), 2, "{}", w.log().join("\n"));
    assert_eq!(w.log().last().map(String::as_str), Some("[L2TP] closed port 1701/udp"));
    assert_eq!(w.lines("Down").len(), 2);
}

#[test]
fn a_server_that_is_stopping_takes_nobody_in() {
    let mut w = World::new(config(4, &[]), 2);
    let (a, b) = (w.add(Manner::default()), w.add(Manner::default()));
    w.dial(a);
    w.run_for(Duration::from_millis(50));
    w.shut_down();
    w.dial(b);
    w.run_for(Duration::from_secs(100));
    assert_eq!(w.quiet(), Ok(()), "{}", w.story(a));
    assert!(!w.peers[a].is_up() && !w.peers[b].is_up());
}

#[test]
fn an_operator_disconnects_one_and_the_others_stay() {
    let mut w = World::new(config(4, &[]), 3);
    let all: Vec<usize> = (0..3).map(|_| w.add(Manner::default())).collect();
    for c in &all {
        w.connect(*c);
    }
    assert_eq!(w.command("disconnect anonymous2"), "disconnected PP[ANONYMOUS02]\n");
    w.run_for(Duration::from_secs(1));
    assert!(matches!(w.peers[all[1]].stage(), Stage::Ended(_)), "{}", w.story(all[1]));
    assert!(w.told("PP[ANONYMOUS02] Disconnected, cause [disconnected by the administrator] user='vpnuser'"));
    assert!(w.reaches(all[0]) && w.reaches(all[2]));
    assert_eq!(w.routes.len(), 2);
    assert_eq!(
        w.command("disconnect anonymous2"),
        "error: nobody is connected there; see 'show status pp anonymous'\n"
    );
    let late = w.add(Manner::default());
    w.connect(late);
    assert!(w.reaches(late), "{}", w.story(late));
}

#[test]
fn an_operator_disconnects_a_client_that_does_not_answer() {
    let mut w = World::new(config(4, &[]), 4);
    let c = w.add(Manner::default());
    w.connect(c);
    w.vanish(c);
    w.command("disconnect all");
    w.run_for(Duration::from_secs(30));
    assert!(w.routes.is_empty(), "{}", w.story(c));
    w.run_for(Duration::from_secs(240));
    assert_eq!(w.quiet(), Ok(()), "{}", w.story(c));
}

#[test]
fn the_screens_tell_who_is_on() {
    let mut w = World::new(config(4, &[]), 5);
    let c = w.add(Manner::default());
    assert_eq!(w.command("show status pp anonymous"), "PP[ANONYMOUS]: nobody is connected.\n");
    w.connect(c);
    assert!(w.reaches(c));
    w.run_for(Duration::from_secs(60));
    let screen = w.command("show status pp anonymous");
    for words in ["PP[ANONYMOUS01]:", "User: vpnuser", "100.64.0.10", "1 minute", "Remote: 192.168.100.200"] {
        assert!(screen.contains(words), "{words}:\n{screen}");
    }
    let screen = w.command("show status l2tp");
    assert!(screen.contains("Tunnel Control: 1, Session Control: 1") && screen.contains("established"), "{screen}");
    let screen = w.command("show ipsec sa");
    assert!(screen.contains("Total: isakmp:1 send:1 recv:1"), "{screen}");
}

#[test]
fn a_shut_down_in_the_middle_of_a_connect_leaves_nothing_at_any_packet() {
    for n in 0..40 {
        let mut w = World::new(config(4, &[]), 6);
        let nat = w.add_nat();
        let c = w.add_behind(nat, Manner::default());
        w.dial(c);
        w.run_until(Duration::from_secs(1), |w| w.crossed() >= n);
        w.shut_down();
        w.run_for(Duration::from_secs(120));
        assert_eq!(w.quiet(), Ok(()), "after packet {n}:\n{}", w.story(c));
    }
}

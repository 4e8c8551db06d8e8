//! Each single message is lost once, in a connect and in the rekeying of each phase.

use core::time::Duration;
use sim::{Layer, Manner, Way, World, config, manners};

/// How long a connect may take when one packet is lost: the slowest timer is PPP's, of 3 s.
const PATIENCE: Duration = Duration::from_secs(10);

fn world(seed: u64, natted: bool, manner: Manner) -> (World, usize) {
    let mut w = World::new(config(4, &[]), seed);
    let c = w.add_natted(natted, manner);
    (w, c)
}

fn packets_of_a_connect(natted: bool, manner: &Manner) -> u64 {
    let (mut w, c) = world(1, natted, manner.clone());
    w.connect(c);
    w.crossed()
}

/// Connects with something amiss in the network, then looks whether everything works.
fn connects(natted: bool, manner: &Manner, what: &str, amiss: impl FnOnce(&mut World)) {
    let (mut w, c) = world(1, natted, manner.clone());
    amiss(&mut w);
    w.dial(c);
    let up = w.run_until(PATIENCE, |w| w.peers[c].is_up());
    assert!(up, "{what}, NAT {natted}: {:?}\n{}", w.peers[c].stage(), w.story(c));
    w.run_for(Duration::from_secs(5));
    assert!(w.peers[c].is_up() && w.reaches(c), "{what}, NAT {natted}:\n{}", w.story(c));
    assert_eq!(w.routes.len(), 1);
    w.check_thoroughly();
    w.act(c, |p, now| p.hang_up(now));
    w.run_for(Duration::from_secs(180));
    assert_eq!(w.quiet(), Ok(()), "{what}, NAT {natted}");
}

#[test]
fn each_single_packet_of_a_connect_may_be_lost() {
    for natted in [false, true] {
        let manner = Manner::default();
        for n in 1..=packets_of_a_connect(natted, &manner) {
            connects(natted, &manner, &format!("packet {n} lost"), |w| w.lose(n));
        }
    }
}

#[test]
fn each_pair_of_packets_of_a_connect_may_be_lost() {
    let manner = Manner { phase1: vec![(7, Some(128), 2, 2)], ..Manner::default() };
    let total = packets_of_a_connect(true, &manner);
    for a in 1..=total {
        for b in a + 1..=(a + 3).min(total) {
            connects(true, &manner, &format!("packets {a} and {b} lost"), |w| {
                w.lose(a);
                w.lose(b);
            });
        }
    }
}

#[test]
fn each_single_packet_of_a_connect_with_secrecy_and_fragments_may_be_lost() {
    let manner = Manner { pfs: Some(14), fragment: Some(200), ..Manner::default() };
    for n in 1..=packets_of_a_connect(true, &manner) {
        connects(true, &manner, &format!("packet {n} lost"), |w| w.lose(n));
    }
}

#[test]
fn each_single_packet_of_a_connect_by_each_other_way_of_authentication_may_be_lost() {
    for word in ["pap", "chap", "mschap"] {
        let line = format!("pp select anonymous\n pp auth request {word}");
        let manner = Manner { phase1: vec![(7, Some(128), 2, 2)], ..Manner::default() };
        for n in 1..=40 {
            let mut w = World::new(config(2, &[&line]), 1);
            let c = w.add(manner.clone());
            w.lose(n);
            w.dial(c);
            let up = w.run_until(PATIENCE, |w| w.peers[c].is_up());
            if w.crossed() < n {
                break;
            }
            w.run_for(Duration::from_secs(5));
            assert!(up && w.reaches(c), "{word}, packet {n} lost:\n{}", w.story(c));
        }
    }
}

#[test]
fn each_single_packet_of_a_connect_may_be_cut_short_or_garbled() {
    let manner = Manner { phase1: vec![(7, Some(128), 2, 2)], ..Manner::default() };
    for natted in [false, true] {
        for n in 1..=packets_of_a_connect(natted, &manner) {
            connects(natted, &manner, &format!("packet {n} cut"), |w| {
                w.change(n, Box::new(|b| b.truncate(b.len() / 2)));
            });
            connects(natted, &manner, &format!("packet {n} garbled"), |w| {
                w.change(n, Box::new(|b| b.iter_mut().skip(30).for_each(|o| *o = !*o)));
            });
        }
    }
}

/// Rekeys under traffic while the `n`th ISAKMP packet is lost; says whether there was one.
fn rekeys_without(n: u64, natted: bool, manner: Manner, begin: fn(&mut World, usize)) -> bool {
    let (mut w, c) = world(1, natted, manner);
    w.connect(c);
    let (address, crossings) = (w.peers[c].inside(), std::rc::Rc::new(core::cell::Cell::new(0)));
    let count = crossings.clone();
    w.filter = Some(Box::new(move |_, p| {
        count.set(count.get() + u64::from(p.is_isakmp()));
        p.is_isakmp() && count.get() == n
    }));
    begin(&mut w, c);
    let lost = w.traffic(c, Duration::from_millis(50), Duration::from_secs(60));
    assert_eq!(lost, 0, "ISAKMP packet {n} lost, NAT {natted}:\n{}", w.story(c));
    assert!(w.peers[c].is_up() && w.peers[c].inside() == address, "packet {n}:\n{}", w.story(c));
    assert!(!w.told("Disconnected"), "packet {n}:\n{}", w.story(c));
    assert_eq!(w.lines("] PPP/IPCP up").len(), 1);
    w.check_thoroughly();
    crossings.get() >= n
}

fn phase2(w: &mut World, c: usize) {
    w.act(c, |p, now| p.rekey_esp(now));
}

fn phase1(w: &mut World, c: usize) {
    w.act(c, |p, now| p.rekey_ike(now));
}

#[test]
fn each_single_packet_of_a_rekeying_of_phase_2_may_be_lost_and_no_echo_is() {
    for natted in [false, true] {
        for pfs in [None, Some(14)] {
            let manner = Manner { pfs, ..Manner::default() };
            let mut n = 1;
            while rekeys_without(n, natted, manner.clone(), phase2) {
                n += 1;
            }
            assert!(n > 4, "only {n} ISAKMP packets");
        }
    }
}

#[test]
fn each_single_packet_of_a_rekeying_of_phase_1_may_be_lost_and_no_echo_is() {
    for natted in [false, true] {
        for rekeys_on_500 in [false, true] {
            let manner = Manner { rekeys_on_500, ..Manner::default() };
            let mut n = 1;
            while rekeys_without(n, natted, manner.clone(), phase1) {
                n += 1;
            }
            assert!(n > 10, "only {n} ISAKMP packets");
        }
    }
}

#[test]
fn a_client_gives_up_and_nothing_is_left_when_the_network_dies_at_any_packet_of_a_connect() {
    let manner = Manner { phase1: vec![(7, Some(128), 2, 2)], ..Manner::default() };
    for n in 1..=packets_of_a_connect(true, &manner) {
        let (mut w, c) = world(1, true, manner.clone());
        let mut crossed = 0;
        w.filter = Some(Box::new(move |_, _| {
            crossed += 1;
            crossed >= n
        }));
        w.dial(c);
        w.run_for(Duration::from_secs(600));
        assert_eq!(w.quiet(), Ok(()), "the network died at packet {n}:\n{}", w.story(c));
    }
}

#[test]
fn a_client_to_whom_l2tp_was_not_answered_acknowledged_the_servers_hellos_and_was_kept_for_ever() {
    let mut w = World::new(config(4, &[]), 901);
    let c = w.add(Manner { hellos: Some(Duration::from_secs(5)), ..Manner::default() });
    w.connect(c);
    w.filter = Some(Box::new(|way, p| way != Way::ToServer && p.is_esp()));
    w.run_until(Duration::from_secs(60), |w| !w.peers[c].is_up());
    assert!(!w.peers[c].is_up() && !w.routes.is_empty(), "{}", w.story(c));
    w.filter = None;
    w.run_for(Duration::from_secs(200));
    assert!(w.routes.is_empty(), "{}", w.story(c));
}

#[test]
fn a_client_whose_acknowledgement_in_ipcp_was_lost_is_not_taken_down_again() {
    // Which packet carries the Ack differs by what stands before it: each one of the connect is tried.
    let mut mended = 0;
    for n in 1..=60 {
        let mut w = World::new(config(4, &[]), 900);
        let c = w.add(Manner::default());
        w.lose(n);
        w.dial(c);
        w.run_until(Duration::from_secs(60), |w| w.peers[c].is_up());
        let up = w.peers[c].is_up();
        let early = w.lines("PPP/IPCP up").is_empty();
        w.traffic(c, Duration::from_millis(100), Duration::from_secs(10));
        if up && early {
            mended += 1;
            assert_eq!(w.lines("PPP/IPCP up").len(), 1, "packet {n}\n{}", w.story(c));
            assert!(w.lost_echoes(c) <= 2, "packet {n}: {} lost\n{}", w.lost_echoes(c), w.story(c));
        }
    }
    assert!(mended > 0, "no such loss among them");
}

/// PPP frames of a client get lost, and nothing else: they name a session that is not there.
fn lose_frames(w: &mut World, c: usize) {
    w.peers[c].set_tamper(Some(Box::new(|layer, octets| {
        if layer == Layer::L2tp && octets.first().is_some_and(|flags| flags & 0x80 == 0) {
            let session = if octets[0] & 0x40 == 0 { 4 } else { 6 };
            octets[session] ^= 0xff;
        }
    })));
}

#[test]
fn a_client_whose_echoes_are_lost_hangs_up_and_leaves_no_session_behind() {
    let mut all = manners::all().into_iter().filter(|manner| manner.echoes.is_some()).collect::<Vec<_>>();
    assert!(!all.is_empty());
    for manner in all.drain(..) {
        let (mut w, c) = world(1, true, manner);
        w.connect(c);
        lose_frames(&mut w, c);
        w.run_for(Duration::from_secs(300));
        assert!(!w.peers[c].is_up() && w.routes.is_empty(), "{}", w.story(c));
        assert_eq!(w.engine.addresses_lent(), 0);
    }
}

#[test]
fn a_client_whose_ppp_is_dead_is_found_by_lcp_echoes_though_its_tunnel_answers_hellos() {
    let lines = "pp select anonymous\n pp keepalive use lcp-echo\n pp keepalive interval 10 retry-interval=3 count=4";
    let mut w = World::new(config(4, &[lines, "tunnel select 1\n l2tp keepalive use on 5 3"]), 1);
    let c = w.add(Manner::default());
    w.connect(c);
    w.run_for(Duration::from_secs(300));
    assert!(w.peers[c].is_up(), "a client that answers stays:\n{}", w.story(c));
    lose_frames(&mut w, c);
    w.run_for(Duration::from_secs(60));
    assert!(w.routes.is_empty() && w.told("Disconnected"), "{}", w.story(c));
}

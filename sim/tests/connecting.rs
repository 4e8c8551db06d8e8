//! Clients connect, exchange data and hang up.

use core::time::Duration;
use sim::peer::{Phase1Offer, Phase2Offer};
use sim::{Layer, Manner, Stage, Way, World, config};

#[test]
fn a_client_without_nat_connects_over_plain_esp() {
    let mut w = World::new(config(4, &[]), 1);
    let c = w.add(Manner::default());
    w.watch = true;
    w.connect(c);
    assert_eq!(w.peers[c].inside().map(|a| a.to_string()).as_deref(), Some("192.168.100.200"));
    assert_eq!(w.peers[c].dns(), [sim::world::HOST]);
    assert!(w.reaches(c), "{}", w.story(c));
    let over_udp = w.crossings.iter().any(|x| x.packet.carrier == sim::Carrier::Udp && x.packet.to.port() == 4500);
    assert!(!over_udp, "something went to port 4500");
    w.check_thoroughly();
}

#[test]
fn a_client_behind_a_nat_connects_over_udp() {
    let mut w = World::new(config(4, &[]), 2);
    let nat = w.add_nat();
    let c = w.add_behind(nat, Manner::default());
    w.watch = true;
    w.connect(c);
    assert!(w.reaches(c), "{}", w.story(c));
    assert!(w.crossings.iter().all(|x| x.packet.carrier == sim::Carrier::Udp), "plain ESP behind a NAT");
    w.check_thoroughly();
}

#[test]
fn a_client_that_pretends_a_nat_connects_over_udp() {
    let mut w = World::new(config(4, &[]), 3);
    let c = w.add(Manner { pretends_nat: true, ..Manner::default() });
    w.watch = true;
    w.connect(c);
    assert!(w.reaches(c), "{}", w.story(c));
    assert!(w.crossings.iter().all(|x| x.packet.carrier == sim::Carrier::Udp), "plain ESP");
}

#[test]
fn a_client_without_nat_traversal_connects_over_plain_esp() {
    let mut w = World::new(config(4, &[]), 4);
    let c = w.add(Manner { natt: false, ..Manner::default() });
    w.connect(c);
    assert!(w.reaches(c), "{}", w.story(c));
}

#[test]
fn two_clients_connect_in_the_same_moment_and_get_different_addresses() {
    let mut w = World::new(config(4, &[]), 5);
    let a = w.add(Manner::default());
    let b = w.add(Manner { user: "second".into(), password: "Second-2".into(), ..Manner::default() });
    w.dial(a);
    w.dial(b);
    assert!(w.run_until(Duration::from_secs(5), |w| w.peers.iter().all(sim::Peer::is_up)), "{}", w.story(a));
    assert_ne!(w.peers[a].inside(), w.peers[b].inside());
    assert!(w.reaches(a) && w.reaches(b));
    w.check_thoroughly();
}

#[test]
fn one_user_may_connect_twice_and_a_hundred_clients_fit() {
    let mut w = World::new(
        config(100, &["pp select anonymous\n ip pp remote address pool 192.168.100.100-192.168.100.250"]),
        6,
    );
    let manner = Manner { phase1: vec![(7, Some(128), 2, 2)], ..Manner::default() };
    let all: Vec<usize> = (0..100).map(|_| w.add(manner.clone())).collect();
    for c in &all {
        w.dial(*c);
    }
    assert!(w.run_until(Duration::from_secs(20), |w| w.peers.iter().all(sim::Peer::is_up)), "{}", w.log().join("\n"));
    for c in &all {
        w.echo(*c, 100);
    }
    w.run_for(Duration::from_secs(2));
    assert!(all.iter().all(|c| w.lost_echoes(*c) == 0));
    w.check_thoroughly();
}

#[test]
fn every_combination_of_ike_algorithms_connects() {
    let ciphers: [(u16, Option<u16>); 4] = [(7, Some(128)), (7, Some(192)), (7, Some(256)), (5, None)];
    let hashes = [1, 2, 4, 5, 6];
    let groups = [2, 5, 14, 15, 16];
    let mut seed = 100;
    for (cipher, bits) in ciphers {
        for hash in hashes {
            for group in groups {
                // The large groups are slow; what they are combined with makes no difference to them.
                if group >= 15 && (hash != 4 || bits != Some(256)) {
                    continue;
                }
                let offer: Phase1Offer = (cipher, bits, hash, group);
                seed += 1;
                let mut w = World::new(config(2, &[]), seed);
                let c = w.add(Manner { phase1: vec![offer], ..Manner::default() });
                w.connect(c);
                assert!(w.reaches(c), "{offer:?}:\n{}", w.story(c));
            }
        }
    }
}

#[test]
fn every_combination_of_esp_algorithms_connects_and_carries_packets_of_every_size() {
    let ciphers: [(u8, Option<u16>); 4] = [(12, Some(128)), (12, Some(192)), (12, Some(256)), (3, None)];
    let auths = [1, 2, 5, 6, 7];
    let mut seed = 200;
    for (cipher, bits) in ciphers {
        for auth in auths {
            for natted in [false, true] {
                let offer: Phase2Offer = (cipher, bits, auth);
                seed += 1;
                let mut w = World::new(config(2, &[]), seed);
                let manner = Manner { phase1: vec![(7, Some(128), 2, 2)], phase2: vec![offer], ..Manner::default() };
                let c = w.add_natted(natted, manner);
                w.connect(c);
                for size in [28, 100, 101, 102, 103, 104, 999, 1360] {
                    w.echo(c, size);
                }
                w.run_for(Duration::from_secs(1));
                assert_eq!(w.lost_echoes(c), 0, "{offer:?}:\n{}", w.story(c));
            }
        }
    }
}

#[test]
fn perfect_forward_secrecy_is_done_with_the_group_that_the_client_asks_for() {
    for (seed, group) in [(301, 2), (302, 5), (303, 14), (304, 15)] {
        let mut w = World::new(config(2, &[]), seed);
        let c = w.add(Manner { pfs: Some(group), ..Manner::default() });
        w.connect(c);
        assert!(w.reaches(c), "group {group}:\n{}", w.story(c));
        w.act(c, |p, now| p.rekey_esp(now));
        w.run_for(Duration::from_secs(2));
        assert!(w.reaches(c), "group {group} after a rekey:\n{}", w.story(c));
    }
}

#[test]
fn a_client_that_sends_isakmp_in_fragments_connects() {
    for natted in [false, true] {
        let mut w = World::new(config(2, &[]), 310);
        let manner = Manner { fragment: Some(100), ..Manner::default() };
        let c = w.add_natted(natted, manner);
        w.watch = true;
        w.connect(c);
        let longest = w
            .crossings
            .iter()
            .filter(|x| x.way == Way::ToServer && x.packet.to.port() == 500)
            .map(|x| x.packet.bytes.len())
            .max();
        assert!(longest <= Some(140), "{longest:?}");
        assert!(w.reaches(c), "{}", w.story(c));
    }
}

#[test]
fn each_way_of_authentication_connects_where_the_configuration_asks_for_it() {
    for (seed, word) in [(320, "pap"), (321, "chap"), (322, "mschap"), (323, "mschap-v2"), (324, "chap-pap")] {
        let line = format!("pp select anonymous\n pp auth request {word}");
        let mut w = World::new(config(2, &[&line]), seed);
        let c = w.add(Manner::default());
        w.connect(c);
        assert!(w.reaches(c), "{word}:\n{}", w.story(c));
        let bad = w.add(Manner { password: "guessed".into(), ..Manner::default() });
        w.dial(bad);
        w.run_for(Duration::from_secs(30));
        assert!(matches!(w.peers[bad].stage(), Stage::Ended(_)), "{word}:\n{}", w.story(bad));
        assert!(w.told("wrong password"), "{word}:\n{}", w.story(bad));
        assert!(w.reaches(c), "{word}: the other client was disturbed");
    }
}

#[test]
fn compressed_headers_wide_windows_and_short_headers_make_no_difference() {
    for (seed, manner) in [
        (330, Manner { length_bit: false, ..Manner::default() }),
        (331, Manner { window: 1, ..Manner::default() }),
        (332, Manner { mru: None, ..Manner::default() }),
        (333, Manner { l2tp_port: 54_321, ..Manner::default() }),
        (334, Manner { mru: Some(1270), host_name: "anonymous".into(), ..Manner::default() }),
        (335, Manner { initial_contact: true, ..Manner::default() }),
    ] {
        let mut w = World::new(config(2, &[]), seed);
        let c = w.add(manner.clone());
        w.connect(c);
        assert!(w.reaches(c), "{manner:?}:\n{}", w.story(c));
    }
}

#[test]
fn a_client_hangs_up_and_leaves_nothing_behind() {
    let mut w = World::new(config(4, &[]), 3);
    let c = w.add(Manner::default());
    w.connect(c);
    w.act(c, |p, now| p.hang_up(now));
    w.run_for(Duration::from_secs(120));
    assert!(matches!(w.peers[c].stage(), Stage::Ended(_)));
    assert!(w.told("IP Tunnel[1] Down"), "{}", w.story(c));
    assert_eq!(w.quiet(), Ok(()));
}

#[test]
fn a_client_that_hangs_up_its_call_dials_again_over_the_same_sas() {
    let mut w = World::new(config(4, &[]), 7);
    let c = w.add(Manner::default());
    w.connect(c);
    let address = w.peers[c].inside();
    for _ in 0..3 {
        w.act(c, |p, now| p.hang_up_call(now));
        w.run_for(Duration::from_secs(3));
        assert!(w.routes.is_empty(), "{}", w.story(c));
        w.act(c, |p, now| p.redial(now));
        assert!(w.run_until(Duration::from_secs(5), |w| w.peers[c].is_up()), "{}", w.story(c));
        assert_eq!(w.peers[c].inside(), address);
        assert!(w.reaches(c), "{}", w.story(c));
    }
    assert_eq!(w.lines("respond IPsec phase").len(), 1);
}

#[test]
fn a_client_that_asks_for_a_network_is_told_what_to_choose_instead() {
    let mut w = World::new(config(4, &[]), 8);
    let c = w.add(Manner::default());
    // The responder's identity becomes a network: 192.168.100.0/24, as plain IPsec clients ask for it.
    w.peers[c].set_tamper(Some(Box::new(|layer, octets| {
        if layer != Layer::Payloads {
            return;
        }
        let own = [1, 17, 0x06, 0xa5, 198, 51, 100, 1];
        if let Some(at) = octets.windows(8).rposition(|w| w == own) {
            octets[at] = 4;
        }
    })));
    w.dial(c);
    w.run_for(Duration::from_secs(5));
    assert!(w.told("choose L2TP/IPsec with a pre-shared key"), "{}", w.story(c));
}

#[test]
fn our_end_of_the_link_is_never_the_address_that_the_client_dialled() {
    let dialled = "ip lan1 address 198.51.100.1/24";
    let mut w = World::new(config(4, &[dialled]), 77);
    let c = w.add(Manner::default());
    w.connect(c);
    let up = w.lines("PPP/IPCP up");
    assert_eq!(up.len(), 1, "{}", w.story(c));
    assert!(up.iter().all(|l| l.contains("(Local: 192.168.100.199,")), "{up:?}");
}

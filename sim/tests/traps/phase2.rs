//! Traps of IKE's phase 2, of ESP and of what carries it.

use super::*;
use sim::{Layer, Stage, manners};
use wire::isakmp::NotifyType;

#[test]
fn message_ids_are_counted_from_1_and_begin_anew_with_each_phase_1() {
    let (mut w, c) = connected(true, manners::windows());
    for _ in 0..3 {
        w.act(c, |p, now| p.rekey_esp(now));
        assert_eq!(w.traffic(c, Duration::from_millis(50), seconds(2)), 0, "{}", w.story(c));
        w.act(c, |p, now| p.rekey_ike(now));
        assert_eq!(w.traffic(c, Duration::from_millis(50), seconds(2)), 0, "{}", w.story(c));
    }
    // Two at the start, and six renewals.
    assert_eq!(w.lines("respond IPsec phase").len(), 8, "{}", w.story(c));
}

#[test]
fn each_proposal_has_an_spi_of_its_own_and_that_of_the_chosen_one_counts() {
    for (policy, suite) in
        [("aes-cbc sha-hmac", "Aes128"), ("aes256-cbc sha-hmac", "Aes256"), ("3des-cbc sha-hmac", "TripleDes")]
    {
        let line = format!("tunnel select 1\n ipsec tunnel 1\n  ipsec sa policy 1 1 esp {policy}\n tunnel select none");
        let (mut w, c) = connected_in(World::new(config(1, &[&line]), 1), true, manners::windows());
        assert!(says(&w, c, &format!("({suite}")), "{policy}:\n{}", w.story(c));
        assert!(w.reaches(c), "{policy}:\n{}", w.story(c));
    }
}

#[test]
fn of_twelve_transforms_the_chosen_one_comes_back_with_its_number_and_content() {
    for manner in [manners::apple(), manners::android_4(), manners::android_11()] {
        let (mut w, c) = connected(true, manner);
        assert!(w.reaches(c), "{}", w.story(c));
        assert!(!says(&w, c, "not offered so"), "{}", w.story(c));
    }
}

#[test]
fn a_life_that_is_not_named_is_eight_hours() {
    let manner = Manner { renews: false, answers: false, ..manners::strongswan() };
    let (mut w, c) = connected(true, manner);
    assert_eq!(w.traffic(c, seconds(60), seconds(28_500)), 0, "{}", w.story(c));
    assert_eq!(w.engine.pairs().count(), 1);
    let _ = w.traffic(c, seconds(60), seconds(600));
    assert_eq!(w.engine.pairs().count(), 0, "{}", w.story(c));
}

#[test]
fn a_life_in_kilobytes_is_taken_and_renewed_by_the_client_while_nothing_is_lost() {
    let mut manner = Manner { renews_after_octets: Some(90_000), ..manners::windows() };
    for a in manner.offer2.iter_mut().flat_map(|o| &mut o.proposals).flat_map(|p| &mut p.transforms[0].attributes) {
        if *a == wire::isakmp::Attribute::long(2u16, 250_000) {
            *a = wire::isakmp::Attribute::long(2u16, 100);
        }
    }
    let (mut w, c) = connected(true, manner);
    let before = count(&w, c, "quick mode 2");
    for _ in 0..1000 {
        w.echo(c, 1000);
        w.run_for(Duration::from_millis(2));
    }
    w.run_for(seconds(1));
    assert_eq!(w.lost_echoes(c), 0, "{}", w.story(c));
    let renewed = count(&w, c, "quick mode 2") - before;
    assert!((15..40).contains(&renewed), "{renewed} renewals:\n{}", w.story(c));
    assert!(w.engine.pairs().count() <= 2);
}

#[test]
fn transport_mode_2_behind_a_nat_is_refused_and_4_needs_one_or_port_4500() {
    let (no_udp, no_nat) = ("which would not arrive", "behind no NAT and not on UDP port 4500");
    for (natted, mode, words) in [(true, 2, no_udp), (false, 4, no_nat)] {
        let mut w = World::new(config(2, &[]), 1);
        let c = w.add_natted(natted, Manner { mode: Some(mode), ..Manner::default() });
        w.dial(c);
        w.run_for(seconds(10));
        assert_eq!(w.peers[c].stage(), &Stage::Ended("quick mode was refused".to_owned()), "{}", w.story(c));
        assert!(w.told(words), "{}", w.log().join("\n"));
    }
    for (mode, in_udp) in [(Some(4), true), (None, false)] {
        let (mut w, c) = connected(false, Manner { mode, floats: true, ..Manner::default() });
        assert_eq!(says(&w, c, "in UDP"), in_udp, "{}", w.story(c));
        assert!(w.reaches(c), "{}", w.story(c));
        w.act(c, |p, now| p.rekey_esp(now));
        assert_eq!(w.traffic(c, Duration::from_millis(10), seconds(3)), 0, "{}", w.story(c));
    }
}

#[test]
fn the_clients_port_in_quick_mode_may_be_0_or_1701_or_any() {
    for (quick_port, l2tp_port) in
        [(Some(0), 1701), (Some(0), 49_000), (Some(1701), 1701), (None, 51_302), (Some(1701), 40_000)]
    {
        let (mut w, c) = connected(true, Manner { quick_port, l2tp_port, ..Manner::default() });
        assert!(w.reaches(c), "{quick_port:?} {l2tp_port}:\n{}", w.story(c));
    }
}

#[test]
fn the_servers_identity_may_be_an_address_that_is_not_ours() {
    for manner in manners::all() {
        let mut w = World::new(config(2, &[]), 1);
        // The public address of a box that forwards to us.
        let c = w.add_natted(true, Manner { strict_answers: false, ..manner });
        w.peers[c].set_tamper(Some(Box::new(|layer, octets| {
            let ours = sim::world::SERVER.octets();
            if layer == Layer::Payloads {
                for at in 0..octets.len().saturating_sub(3) {
                    if octets[at..at + 4] == ours {
                        octets[at..at + 4].copy_from_slice(&[203, 0, 113, 7]);
                    }
                }
            }
        })));
        w.dial(c);
        assert!(w.run_until(seconds(20), |w| w.peers[c].is_up()), "{}", w.story(c));
    }
}

#[test]
fn nat_oa_with_dirty_octets_or_alone_or_of_another_family_is_read_leniently() {
    for (dirty_nat_oa, one_nat_oa) in [(true, false), (false, true), (true, true)] {
        for manner in [manners::android_4(), manners::apple(), manners::windows(), manners::network_manager()] {
            let (mut w, c) = connected(true, Manner { dirty_nat_oa, one_nat_oa, ..manner });
            assert!(w.reaches(c), "{}", w.story(c));
        }
    }
    let mut w = World::new(config(2, &[]), 1);
    let c = w.add_natted(true, Manner::default());
    // The first NAT-OA's kind becomes IPv6, with an address that is much too short for it.
    w.peers[c].set_tamper(Some(Box::new(|layer, octets| {
        let oa = [1, 0, 0, 0, 192, 168, 1, 2];
        if let (Layer::Payloads, Some(at)) = (layer, octets.windows(8).position(|s| s == oa)) {
            octets[at] = 5;
        }
    })));
    w.dial(c);
    assert!(w.run_until(seconds(20), |w| w.peers[c].is_up()), "{}", w.story(c));
}

#[test]
fn a_quick_mode_with_a_key_exchange_gets_perfect_forward_secrecy_unasked_for_by_us() {
    for group in [2, 5, 14, 19, 20] {
        let mut manner = manners::routeros();
        for a in manner.offer2.iter_mut().flat_map(|o| &mut o.proposals[0].transforms).flat_map(|t| &mut t.attributes) {
            if a.kind == 3 {
                *a = wire::isakmp::Attribute::short(3u16, group);
            }
        }
        let (mut w, c) = connected(true, Manner { pfs: Some(group), ..manner });
        assert!(w.reaches(c) && says(&w, c, "quick mode 2: HASH SA NONCE KE"), "{group}:\n{}", w.story(c));
        w.act(c, |p, now| p.rekey_esp(now));
        assert_eq!(w.traffic(c, Duration::from_millis(20), seconds(2)), 0, "{group}:\n{}", w.story(c));
    }
}

#[test]
fn the_same_quick_mode_again_gets_the_same_answer_and_another_id_another_sa() {
    let mut w = World::new(config(2, &[]), 1);
    let c = w.add(Manner { deletes_old: false, ..Manner::default() });
    w.connect(c);
    w.watch = true;
    w.act(c, |p, now| p.rekey_esp(now));
    w.run_for(seconds(1));
    let mine = |x: &&sim::Crossing| x.packet.is_isakmp();
    let request =
        w.crossings.iter().filter(mine).find(|x| x.way == Way::ToServer).expect("a Quick Mode").packet.clone();
    let answer =
        w.crossings.iter().filter(mine).find(|x| x.way == Way::ToClient(c)).expect("its answer").packet.clone();
    let pairs = w.engine.pairs().count();
    w.crossings.clear();
    w.inject(request);
    w.run_for(Duration::from_millis(50));
    let again: Vec<_> = w.crossings.iter().filter(|x| x.way == Way::ToClient(c)).map(|x| x.packet.clone()).collect();
    assert_eq!(again, [answer]);
    assert_eq!(w.engine.pairs().count(), pairs);
    w.act(c, |p, now| p.rekey_esp(now));
    w.run_for(seconds(1));
    assert_eq!(w.engine.pairs().count(), pairs + 1);
}

#[test]
fn two_quick_modes_in_the_first_second_and_a_delete_of_the_first_leave_the_tunnel_alone() {
    for natted in [false, true] {
        let (mut w, c) = connected(natted, manners::windows());
        assert_eq!(count(&w, c, "<- quick mode 2"), 2, "{}", w.story(c));
        assert!(says(&w, c, "-> delete Esp"), "{}", w.story(c));
        assert!(w.reaches(c), "{}", w.story(c));
        assert_eq!(w.lines("TUNNEL[1] connected").len(), 1, "{}", w.story(c));
        assert_eq!(w.engine.pairs().count(), 1);
    }
}

#[test]
fn the_new_sa_is_taken_before_message_3_has_come() {
    for manner in manners::all() {
        let (mut w, c) = connected(true, manner.clone());
        w.act(c, |p, now| p.rekey_esp(now));
        // Message 3 is the second message of IKE that the client sends from here on; it never comes.
        let mut sent = 0;
        w.filter = Some(Box::new(move |way, p| {
            let is_message = way == Way::ToServer && p.is_isakmp();
            sent += u32::from(is_message);
            is_message && sent == 1
        }));
        let _ = w.run_until(Duration::from_millis(60), |w| count(w, c, "-> quick mode 3") > 1);
        assert_eq!(w.traffic(c, Duration::from_millis(20), seconds(3)), 0, "{}:\n{}", manner.name, w.story(c));
    }
}

#[test]
fn deletes_of_unknown_sas_and_of_several_at_once_are_taken() {
    let (mut w, c) = connected(true, Manner { deletes_old: false, ..Manner::default() });
    w.act(c, |p, now| p.rekey_esp(now));
    w.run_for(seconds(1));
    w.act(c, |p, now| p.rekey_esp(now));
    w.run_for(seconds(1));
    assert_eq!(w.engine.pairs().count(), 3);
    let mut spis = w.peers[c].inbound_spis();
    let newest = spis.pop();
    spis.insert(0, 0xdead_beef);
    spis.insert(2, 0x1234_5678);
    w.act(c, |p, now| p.delete_these(&spis, now));
    w.run_for(seconds(1));
    assert_eq!(w.engine.pairs().count(), 1, "{}", w.story(c));
    assert!(newest.is_some() && w.reaches(c), "{}", w.story(c));
}

#[test]
fn a_delete_under_another_isakmp_sa_of_the_same_client_counts() {
    let (mut w, c) = connected(true, Manner { deletes_old: false, phase1_alone: true, ..Manner::default() });
    w.act(c, |p, now| p.rekey_esp(now));
    w.run_for(seconds(1));
    w.act(c, |p, now| p.rekey_ike(now));
    w.run_for(seconds(1));
    let oldest = w.peers[c].inbound_spis()[0];
    w.act(c, |p, now| p.delete_these(&[oldest], now));
    w.run_for(seconds(1));
    assert_eq!(w.engine.pairs().count(), 1, "{}", w.story(c));
    assert!(w.reaches(c), "{}", w.story(c));
}

#[test]
fn a_responder_lifetime_of_the_client_is_noted_and_nothing_else() {
    let (mut w, c) = connected(true, Manner::default());
    let life = [0x80, 1, 0, 1, 0x80, 2, 0x0e, 0x10];
    w.act(c, |p, now| p.notify(NotifyType::from(24_576), &life, now));
    assert_eq!(w.traffic(c, Duration::from_millis(50), seconds(2)), 0, "{}", w.story(c));
}

#[test]
fn gcm_is_taken_where_it_is_offered_first_and_the_configured_suite_is_not() {
    let line = "tunnel select 1\n ipsec tunnel 1\n  ipsec sa policy 1 1 esp aes256-cbc sha-hmac\n tunnel select none";
    let (mut w, c) = connected_in(World::new(config(1, &[line]), 1), true, manners::chromeos());
    assert!(says(&w, c, "(AesGcm") || says(&w, c, "Gcm"), "{}", w.story(c));
    assert_eq!(w.traffic(c, Duration::from_millis(10), seconds(2)), 0, "{}", w.story(c));
}

#[test]
fn the_checksum_of_udp_inside_esp_is_of_the_private_address_and_is_not_looked_at() {
    // Every simulated client sends a wrong one, and takes none but zero.
    for manner in manners::all() {
        let (mut w, c) = connected(true, manner);
        assert!(w.reaches(c), "{}", w.story(c));
        assert!(!says(&w, c, "a datagram with a checksum inside ESP"), "{}", w.story(c));
    }
}

#[test]
fn a_keepalive_of_one_octet_is_dropped_without_an_answer() {
    let (mut w, c) = connected(true, Manner::default());
    w.watch = true;
    for bytes in [&[0xff][..], &[0], &[0xff, 0xff], &[0; 3], &[0, 0, 0, 1, 0, 0, 0, 1], &[0, 0, 0, 255, 0, 0, 0, 1]] {
        let to = core::net::SocketAddr::new(sim::world::SERVER.into(), 4500);
        for from in ["192.0.2.1:4500", "203.0.113.200:40002"] {
            let from = from.parse().expect("an address");
            w.inject(Outer { carrier: Carrier::Udp, from, to, bytes: bytes.to_vec() });
        }
    }
    w.run_for(seconds(1));
    assert!(w.crossings.is_empty(), "{:?}", w.crossings);
    assert!(!w.told("moved") && w.reaches(c));
}

#[test]
fn nat_keepalives_keep_no_client_that_is_gone() {
    let (mut w, c) = connected(true, Manner::default());
    w.watch = true;
    assert!(w.reaches(c));
    let from = w.crossings.iter().rfind(|x| x.way == Way::ToServer).expect("a packet of the client").packet.from;
    w.vanish(c);
    for _ in 0..12 {
        w.run_for(seconds(10));
        let to = core::net::SocketAddr::new(sim::world::SERVER.into(), 4500);
        w.inject(Outer { carrier: Carrier::Udp, from, to, bytes: vec![0xff] });
    }
    assert_eq!(w.lines("fell silent").len(), 1, "{}", w.log().join("\n"));
}

#[test]
fn answers_inside_esp_come_from_port_1701_to_the_port_that_asked() {
    for manner in manners::all() {
        let (mut w, c) = connected(true, Manner { l2tp_port: 45_678, ..manner });
        assert!(w.reaches(c), "{}", w.story(c));
        assert!(!says(&w, c, "wrong ports inside ESP"), "{}", w.story(c));
    }
}

//! What strangers and clients of bad will send: nothing panics, and nobody else is disturbed.

#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use core::net::SocketAddr;
use core::time::Duration;
use engine::path::Drop;
use sim::rng::Rng;
use sim::world::{HOST, SERVER};
use sim::{Carrier, Layer, Manner, Outer, Way, World, config, mutated, packet};

fn quick(psk: &str) -> Manner {
    Manner { phase1: vec![(7, Some(128), 2, 2)], psk: psk.as_bytes().to_vec(), ..Manner::default() }
}

/// A world with a client at work, who must not notice anything.
fn with_a_witness(seed: u64) -> (World, usize) {
    let mut w = World::new(config(8, &[]), seed);
    let witness = w.add(quick("sim-psk"));
    w.connect(witness);
    (w, witness)
}

fn undisturbed(w: &mut World, witness: usize, what: &str) {
    assert!(w.peers[witness].is_up() && w.reaches(witness), "{what}: the witness was disturbed\n{}", w.story(witness));
    w.check_thoroughly();
}

fn datagram(from: &str, port: u16, bytes: Vec<u8>) -> Outer {
    let from: SocketAddr = from.parse().expect("an address");
    Outer { carrier: Carrier::Udp, from, to: SocketAddr::new(SERVER.into(), port), bytes }
}

/// All that a client sends the server from dialling to hanging up, with both rekeyings.
fn conversation(natted: bool) -> Vec<Outer> {
    let mut w = World::new(config(4, &[]), 1);
    w.watch = true;
    let manner = Manner { pfs: Some(2), initial_contact: true, ..quick("sim-psk") };
    let c = w.add_natted(natted, manner);
    w.connect(c);
    w.act(c, |p, now| p.rekey_esp(now));
    w.run_for(Duration::from_secs(1));
    w.act(c, |p, now| p.rekey_ike(now));
    w.run_for(Duration::from_secs(1));
    w.act(c, |p, now| p.probe(1, now));
    w.act(c, |p, now| p.hang_up(now));
    w.run_for(Duration::from_secs(1));
    w.crossings.iter().filter(|x| x.way == Way::ToServer).map(|x| x.packet.clone()).collect()
}

#[test]
fn random_octets_on_every_port_do_nothing() {
    let (mut w, witness) = with_a_witness(1);
    let mut rng = Rng::new(1);
    for n in 0..20_000u64 {
        let length = rng.below(if n % 10 == 0 { 1500 } else { 120 }) as usize;
        let mut bytes = rng.bytes(length);
        if n % 2 == 0 && bytes.len() >= 28 {
            // A header that is believed: version, an exchange, the right length.
            bytes[17] = 0x10;
            bytes[18] = [2, 4, 5, 6, 32][rng.below(5) as usize];
            let length = bytes.len() as u32;
            bytes[24..28].copy_from_slice(&length.to_be_bytes());
            if n % 4 == 0 {
                bytes[8..16].fill(0);
            }
        }
        let (carrier, port) = [(Carrier::Udp, 500), (Carrier::Udp, 4500), (Carrier::Esp, 0)][rng.below(3) as usize];
        if port == 4500 && n % 2 == 0 {
            bytes.splice(0..0, [0; 4]);
        }
        w.inject(Outer { carrier, ..datagram("192.0.2.1:500", port, bytes) });
    }
    undisturbed(&mut w, witness, "random octets");
    w.run_for(Duration::from_secs(120));
    assert_eq!(w.engine.half_open(), 0);
}

#[test]
fn every_message_of_a_conversation_cut_at_every_octet_is_harmless() {
    for natted in [false, true] {
        for p in conversation(natted).into_iter().filter(Outer::is_isakmp) {
            let (mut w, witness) = with_a_witness(2);
            for cut in 0..p.bytes.len() {
                w.inject(Outer { bytes: p.bytes[..cut].to_vec(), ..p.clone() });
                let mut honest = p.bytes[..cut].to_vec();
                let header = if p.to.port() == 4500 { 4 } else { 0 };
                if let Some(length) = honest.get_mut(header + 24..header + 28) {
                    length.copy_from_slice(&((cut - header) as u32).to_be_bytes());
                }
                w.inject(Outer { bytes: honest, ..p.clone() });
            }
            undisturbed(&mut w, witness, "messages cut short");
        }
    }
}

#[test]
fn a_client_whose_messages_are_changed_on_the_way_disturbs_nobody() {
    for seed in 0..150 {
        let (mut w, witness) = with_a_witness(1000 + seed);
        let nat = w.add_nat();
        let c = if seed % 2 == 0 { w.add_behind(nat, quick("sim-psk")) } else { w.add(quick("sim-psk")) };
        let mut rng = Rng::new(seed);
        w.dial(c);
        for _ in 0..10 {
            let mut inner = Rng::new(rng.u64());
            let which = 1 + rng.below(6);
            w.change(which, Box::new(move |octets| mutated(&mut inner, octets)));
            w.run_for(Duration::from_millis(30));
        }
        w.run_for(Duration::from_secs(30));
        undisturbed(&mut w, witness, &format!("seed {seed}"));
    }
}

/// A client that knows the key sends nonsense at one layer, where the rest is in order.
fn malicious(layer: Layer, seeds: core::ops::Range<u64>, per_mille: u32) {
    for seed in seeds {
        let (mut w, witness) = with_a_witness(2000 + seed);
        let c = w.add(Manner { pfs: (seed % 3 == 0).then_some(2), ..quick("sim-psk") });
        let mut rng = Rng::new(seed ^ 0x5eed);
        w.peers[c].set_tamper(Some(Box::new(move |at, octets| {
            if at == layer && rng.happens(per_mille) {
                mutated(&mut rng, octets);
            }
        })));
        w.dial(c);
        for round in 0..8 {
            w.run_for(Duration::from_secs(4));
            match (seed + round) % 6 {
                0 => w.act(c, |p, now| p.rekey_esp(now)),
                1 => w.act(c, |p, now| p.rekey_ike(now)),
                2 => w.act(c, |p, now| p.probe(1, now)),
                3 => w.act(c, sim::Peer::echo),
                4 => w.act(c, |p, now| p.redial(now)),
                _ => {
                    w.echo(c, 200);
                }
            }
        }
        undisturbed(&mut w, witness, &format!("{layer:?}, seed {seed}"));
        w.peers[c].set_tamper(None);
        w.vanish(c);
        w.act(witness, |p, now| p.hang_up(now));
        w.run_for(Duration::from_secs(900));
        w.faults = sim::Faults::default();
        let settled = w.engine.client_ids().count() <= 1 && w.routes.is_empty();
        assert!(settled, "{layer:?}, seed {seed}: {:?}\n{}", w.quiet(), w.story(c));
    }
}

#[test]
fn nonsense_in_isakmp_messages() {
    malicious(Layer::Isakmp, 0..60, 300);
}

#[test]
fn nonsense_in_isakmp_payloads_under_a_good_hash() {
    malicious(Layer::Payloads, 100..220, 400);
}

#[test]
fn nonsense_in_datagrams_inside_esp() {
    malicious(Layer::Datagram, 300..360, 200);
}

#[test]
fn nonsense_in_l2tp_messages() {
    malicious(Layer::L2tp, 400..520, 200);
}

#[test]
fn nonsense_in_ppp_frames() {
    malicious(Layer::Frame, 600..720, 300);
}

#[test]
fn a_flood_of_first_messages_from_many_addresses_does_not_keep_a_client_out() {
    let first = conversation(false).remove(0);
    let (mut w, witness) = with_a_witness(3);
    let mut rng = Rng::new(3);
    w.watch = true;
    let flood = |w: &mut World, rng: &mut Rng, n: u32| {
        for _ in 0..n {
            let mut p = first.clone();
            p.bytes[..8].copy_from_slice(&rng.array::<8>());
            p.from =
                SocketAddr::new(core::net::Ipv4Addr::from(0xC000_0000 | rng.u64() as u32 & 0x00ff_ffff).into(), 500);
            w.inject(p);
        }
    };
    flood(&mut w, &mut rng, 6000);
    let most = w.engine.half_open();
    assert!(most <= 4096, "{most} half-open exchanges");
    let c = w.add(quick("sim-psk"));
    w.dial(c);
    for _ in 0..100 {
        flood(&mut w, &mut rng, 20);
        w.run_for(Duration::from_millis(20));
    }
    assert!(w.run_until(Duration::from_secs(5), |w| w.peers[c].is_up()), "{:?}", w.peers[c].stage());
    assert!(w.reaches(c));
    undisturbed(&mut w, witness, "a flood");
    assert!(w.log().len() < 20_000, "{} lines of log", w.log().len());
    w.run_for(Duration::from_secs(70));
    assert_eq!(w.engine.half_open(), 0);
}

#[test]
fn a_flood_from_one_address_does_not_keep_the_others_out() {
    let first = conversation(false).remove(0);
    let (mut w, witness) = with_a_witness(4);
    let mut rng = Rng::new(4);
    for _ in 0..5000 {
        let mut p = first.clone();
        p.bytes[..8].copy_from_slice(&rng.array::<8>());
        w.inject(Outer { from: "192.0.2.9:500".parse().expect("an address"), ..p });
    }
    assert!(w.engine.half_open() <= 64, "{}", w.engine.half_open());
    assert!(w.log().len() < 300, "{} lines of log", w.log().len());
    let c = w.add(quick("sim-psk"));
    w.connect(c);
    undisturbed(&mut w, witness, "a flood from one address");
}

#[test]
fn before_message_3_no_answer_is_larger_than_its_question_and_nothing_is_sent_unasked() {
    let offers: Vec<Manner> = vec![
        Manner::default(),
        Manner { natt: false, ..Manner::default() },
        Manner { phase1: vec![(1, None, 1, 1)], ..Manner::default() },
        Manner { phase1: vec![(5, None, 2, 2)], ..Manner::default() },
    ];
    for (seed, manner) in offers.into_iter().enumerate() {
        let mut first = World::new(config(2, &["ipsec ike refuse 3des-cbc"]), seed as u64);
        first.watch = true;
        let c = first.add(manner);
        first.dial(c);
        let message = first.crossings[0].packet.clone();
        let mut w = World::new(config(2, &["ipsec ike refuse 3des-cbc"]), 50);
        w.watch = true;
        let spoofed: SocketAddr = "192.0.2.77:500".parse().expect("an address");
        let mut rng = Rng::new(seed as u64);
        for n in 0..500 {
            let mut p = Outer { from: spoofed, ..message.clone() };
            if n % 2 == 1 {
                mutated(&mut rng, &mut p.bytes);
            }
            if n % 5 == 4 {
                p.bytes.iter_mut().take(8).for_each(|b| *b ^= n as u8);
            }
            let (asked, before) = (p.bytes.len(), w.crossings.len());
            w.inject(p);
            let answers: Vec<usize> = w.crossings[before..].iter().map(|x| x.packet.bytes.len()).collect();
            assert!(answers.iter().sum::<usize>() <= asked, "{asked} octets were answered by {answers:?}");
        }
        let after = w.crossings.len();
        w.run_for(Duration::from_secs(200));
        assert_eq!(w.crossings.len(), after, "something was sent by a timer");
        assert_eq!(w.quiet(), Ok(()));
    }
}

#[test]
fn a_frame_with_the_inner_address_of_another_client_is_dropped() {
    let (mut w, witness) = with_a_witness(5);
    let c = w.add(quick("sim-psk"));
    w.connect(c);
    let (ours, theirs) = (w.peers[c].inside().expect("up"), w.peers[witness].inside().expect("up"));
    for source in [theirs, HOST, "192.168.100.1".parse().expect("an address"), "8.8.8.8".parse().expect("an address")] {
        let before = w.totals();
        let ip = packet::udp((source, 9), (HOST, 7), b"not mine");
        w.act(c, |p, now| p.send_ip(&ip, now));
        w.run_for(Duration::from_secs(1));
        assert_eq!(w.totals().dropped(Drop::SpoofedSource), before.dropped(Drop::SpoofedSource) + 1, "{source}");
        assert_eq!(w.totals().ip.in_packets, before.ip.in_packets, "{source}");
    }
    let ip = packet::udp((ours, 9), (HOST, 7), b"mine");
    let before = w.totals();
    w.act(c, |p, now| p.send_ip(&ip, now));
    w.run_for(Duration::from_secs(1));
    assert_eq!(w.totals().ip.in_packets, before.ip.in_packets + 1);
    undisturbed(&mut w, witness, "a thief of addresses");
}

#[test]
fn ip_before_the_client_has_an_address_is_dropped() {
    let (mut w, witness) = with_a_witness(6);
    let c = w.add(Manner { password: "guessed".into(), ..quick("sim-psk") });
    w.dial(c);
    let ip = packet::udp(("192.168.100.201".parse().expect("an address"), 9), (HOST, 7), b"early");
    for _ in 0..100 {
        w.act(c, |p, now| p.send_ip(&ip, now));
        w.run_for(Duration::from_millis(20));
    }
    assert!(w.totals().dropped(Drop::NotUp) > 10, "{:?}", w.totals());
    assert_eq!(w.totals().ip.in_packets, 0);
    undisturbed(&mut w, witness, "an early bird");
}

#[test]
fn replayed_esp_is_dropped_and_an_old_hang_up_ends_no_new_session() {
    for natted in [false, true] {
        let (mut w, witness) = with_a_witness(7);
        let c = w.add_natted(natted, quick("sim-psk"));
        w.watch = true;
        w.connect(c);
        let _ = w.traffic(c, Duration::from_millis(10), Duration::from_secs(1));
        w.act(c, |p, now| p.hang_up_call(now));
        w.run_for(Duration::from_secs(1));
        w.act(c, |p, now| p.redial(now));
        assert!(w.run_until(Duration::from_secs(5), |w| w.peers[c].is_up()), "{}", w.story(c));
        let captured: Vec<Outer> = w
            .crossings
            .iter()
            .filter(|x| x.way == Way::ToServer && x.packet.is_esp())
            .map(|x| x.packet.clone())
            .collect();
        let before = w.totals();
        captured.iter().for_each(|p| w.inject(p.clone()));
        let replayed = w.totals().dropped(Drop::Replayed) - before.dropped(Drop::Replayed);
        assert_eq!(replayed, captured.len() as u64);
        assert_eq!(w.totals().control_in, before.control_in);
        assert!(w.peers[c].is_up() && w.reaches(c), "{}", w.story(c));
        undisturbed(&mut w, witness, "a replay");
    }
}

#[test]
fn esp_with_a_changed_octet_anywhere_is_dropped() {
    let (mut w, witness) = with_a_witness(8);
    let c = w.add(quick("sim-psk"));
    w.connect(c);
    w.watch = true;
    w.filter = Some(Box::new(|_, p| p.is_esp()));
    w.echo(c, 64);
    let p = w.crossings.iter().find(|x| x.packet.is_esp()).map(|x| x.packet.clone()).expect("an ESP packet");
    w.filter = None;
    let before = w.totals();
    for at in 0..p.bytes.len() {
        let mut bad = p.clone();
        bad.bytes[at] ^= 0x40;
        w.inject(bad);
    }
    assert_eq!(w.totals().ip.in_packets, before.ip.in_packets);
    w.inject(p);
    assert_eq!(w.totals().ip.in_packets, before.ip.in_packets + 1, "the packet itself");
    undisturbed(&mut w, witness, "changed octets");
}

#[test]
fn a_client_that_floods_with_control_messages_is_held_back() {
    let (mut w, witness) = with_a_witness(9);
    let c = w.add(quick("sim-psk"));
    w.connect(c);
    let echo = wire::ppp::encode_frame(
        wire::ppp::Protocol::Lcp,
        &wire::ppp::Packet::encode(wire::ppp::Code::EchoRequest, 1, &[0; 4]),
    );
    for _ in 0..100 {
        for _ in 0..100 {
            w.act(c, |p, now| p.send_frame(&echo, now));
        }
        w.run_for(Duration::from_millis(10));
    }
    assert!(w.totals().dropped(Drop::ControlFlood) > 5000, "{:?}", w.totals());
    undisturbed(&mut w, witness, "a flood of echoes");
}

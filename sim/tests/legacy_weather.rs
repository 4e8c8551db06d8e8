//! GRE that is lost, late, doubled, forged: numbers, MPPE and throughput stay in step.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use core::net::Ipv4Addr;
use core::time::Duration;
use sim::Faults;
use sim::legacy::{Exchange, config};
use sim::peer::legacy::{Manner, STATELESS};
use wire::legacy::ccp::{Bits, CCP};
use wire::legacy::gre::Header;
use wire::ppp::decode_frame;

fn exchange(seed: u64) -> Exchange {
    Exchange::new(config(4, &["ppp ccp no-encryption reject"], &[]), seed)
}

fn manner(mppe: u32) -> Manner {
    Manner { mppe, ..Manner::default() }
}

#[test]
fn a_call_comes_up_whichever_packet_of_it_is_lost() {
    for lost in 0..24 {
        let mut x = exchange(3);
        let who = x.add(Manner::default());
        let mut seen = 0;
        x.filter = Some(Box::new(move |_, _| {
            seen += 1;
            seen == lost + 1
        }));
        x.connect(who);
        // The client's last word may have been the lost one, which the server asks for again after a second.
        assert!((0..3).any(|_| x.reaches(who)), "packet {lost} was lost");
    }
}

#[test]
fn a_client_whose_acknowledgement_in_ccp_was_lost_is_not_taken_down_again() {
    let pp = ["ppp ccp no-encryption reject", "ppp ccp type mppe-128"];
    let mut x = Exchange::new(config(4, &pp, &[]), 3);
    let who = x.add(Manner::default());
    let is_ack = |packet: &[u8]| {
        let frame = Header::decode(packet).ok().and_then(|(_, frame)| decode_frame(frame).ok());
        frame.is_some_and(|(protocol, payload)| protocol == CCP && payload.first() == Some(&2))
    };
    let mut lost = false;
    x.filter = Some(Box::new(move |to_server, packet| {
        to_server && !lost && is_ack(packet) && {
            lost = true;
            true
        }
    }));
    x.connect(who);
    // What is sent at once tells the server that the client is open; the first of it cannot be read.
    x.echo(who);
    x.run_for(Duration::from_millis(200));
    assert!(x.reaches(who));
    let requests = x.crossed.iter().filter_map(|packet| Header::decode(packet).ok()).filter(|(header, frame)| {
        header.call_id == x.clients[who].manner.call_id
            && decode_frame(frame).is_ok_and(|(protocol, payload)| protocol == CCP && payload.first() == Some(&1))
    });
    assert_eq!(requests.count(), 1, "the request is not repeated");
    x.run_for(Duration::from_secs(10));
    assert!(x.reaches(who));
}

#[test]
fn loss_and_reordering_cost_no_more_than_they_take_and_keys_stay_in_step() {
    let mut x = exchange(5);
    let who = x.add(Manner::default());
    x.connect(who);
    x.faults = Faults { loss: 30, reorder: 50, ..Faults::default() };
    let back = x.count_echoes(who, 1000);
    // Each echo crosses twice; what comes too late counts as lost.
    assert!(back > 850, "{back} of 1000");
    x.faults = Faults::default();
    assert_eq!(x.count_echoes(who, 100), 100, "in step afterwards");
    assert_eq!(x.totals().undecrypted, 0);
}

#[test]
fn packets_that_change_places_arrive_all_the_same() {
    let mut x = exchange(6);
    let who = x.add(Manner::default());
    x.connect(who);
    // So little jitter that the reordering bound holds: nothing towards the server is lost.
    x.faults = Faults { jitter: Duration::from_millis(12), duplicate: 100, ..Faults::default() };
    let before = x.came_out;
    x.count_echoes(who, 400);
    assert_eq!(x.came_out - before, 400);
}

#[test]
fn with_state_the_stream_begins_anew_after_every_loss_in_both_directions() {
    for key in [Bits::BITS_40, Bits::BITS_128] {
        let mut x = exchange(7);
        let who = x.add(manner(key));
        x.connect(who);
        assert_eq!(x.clients[who].agreed(), Some(key));
        x.faults = Faults { loss: 20, ..Faults::default() };
        let back = x.count_echoes(who, 700);
        assert!(back > 250, "{back} of 700");
        x.faults = Faults::default();
        x.count_echoes(who, 30);
        assert_eq!(x.count_echoes(who, 100), 100, "in step afterwards");
    }
}

#[test]
fn long_silence_on_the_way_does_not_lose_the_keys() {
    let mut x = exchange(8);
    let who = x.add(Manner::default());
    x.connect(who);
    x.filter = Some(Box::new(|_, _| true));
    assert_eq!(x.count_echoes(who, 3000), 0);
    x.filter = None;
    assert_eq!(x.count_echoes(who, 100), 100);
}

#[test]
fn who_never_acknowledges_is_served_without_a_window() {
    let mut x = exchange(9);
    let who = x.add(Manner { acknowledges: false, ..Manner::default() });
    x.connect(who);
    assert_eq!(x.count_echoes(who, 600), 600);
}

#[test]
fn what_comes_from_elsewhere_or_was_seen_before_never_reaches_the_call() {
    let mut x = exchange(10);
    let who = x.add(Manner::default());
    x.connect(who);
    assert!(x.reaches(who));
    let call = x.clients[who].server_call().unwrap();
    let recorded: Vec<Vec<u8>> =
        x.crossed.iter().filter(|p| Header::decode(p).unwrap().0.call_id == call).cloned().collect();
    let before = x.came_out;
    for packet in &recorded {
        x.inject(Ipv4Addr::new(100, 65, 0, 10), packet);
    }
    assert_eq!(x.came_out, before, "a replay");
    let good = Header { call_id: call, sequence: Some(100), acknowledgment: None };
    x.inject(Ipv4Addr::new(192, 0, 2, 66), &good.encode(&[0xff, 3, 0xc0, 0x21, 5, 1, 0, 4]));
    let wrong = x.totals();
    assert_eq!((wrong.wrong_address, wrong.unknown_call), (1, 0));
    x.inject(Ipv4Addr::new(100, 65, 0, 10), &Header { call_id: call ^ 1, ..good }.encode(&[1]));
    x.inject(Ipv4Addr::new(100, 65, 0, 10), b"nothing of the kind");
    assert_eq!((x.totals().unknown_call, x.totals().malformed), (1, 1));
    assert!(x.reaches(who), "the call goes on");
}

#[test]
fn a_forged_encrypted_packet_does_not_carry_the_keys_away() {
    let mut x = exchange(11);
    let who = x.add(Manner::default());
    x.connect(who);
    assert!(x.reaches(who));
    let call = x.clients[who].server_call().unwrap();
    let next = x.crossed.iter().filter_map(|p| Header::decode(p).ok()).filter(|(h, _)| h.call_id == call);
    let next = next.filter_map(|(h, _)| h.sequence).max().unwrap() + 1;
    // Far ahead in MPPE's count, though no number is missing.
    let forged = [&[0xff, 3, 0x00, 0xfd, 0x90 | 0x0f, 0x00][..], &[0xaa; 60]].concat();
    let header = Header { call_id: call, sequence: Some(next), acknowledgment: None };
    x.inject(Ipv4Addr::new(100, 65, 0, 10), &header.encode(&forged));
    assert_eq!(x.totals().undecrypted, 1);
    assert!(x.count_echoes(who, 20) >= 19, "one number was taken by the forgery, the keys were not");
}

#[test]
fn what_random_octets_say_in_gre_and_in_the_stream_harms_nobody() {
    let mut x = exchange(12);
    let who = x.add(manner(STATELESS | Bits::BITS_128));
    x.connect(who);
    let call = x.clients[who].server_call().unwrap();
    let mut rng = sim::rng::Rng::new(12);
    for n in 0..3000_u32 {
        let mut frame = vec![0; rng.below(80) as usize];
        frame.iter_mut().for_each(|octet| *octet = rng.below(256) as u8);
        let header = Header { call_id: call, sequence: Some(rng.below(1 << 32) as u32), acknowledgment: Some(n) };
        x.inject(Ipv4Addr::new(100, 65, 0, 10), &header.encode(&frame));
        x.inject(Ipv4Addr::new(100, 65, 0, 10), &frame);
    }
    let other = x.add(Manner { user: "second".into(), password: "Second-2".into(), ..Manner::default() });
    x.connect(other);
    assert!(x.reaches(other));
}

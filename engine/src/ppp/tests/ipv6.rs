//! IPV6CP beside IPCP: wanted or not, begun by the client, and never the link's end.

use super::*;

fn with_ipv6() -> Settings {
    Settings { ipv6cp: true, ..settings(&[Method::Pap]) }
}

fn request(id: u8, identifier: u64) -> Vec<u8> {
    let options = encode_options(&[opt(1, &identifier.to_be_bytes())]);
    packet(Protocol::Ipv6cp, 1, id, &options)
}

fn identifier_in(data: &[u8]) -> u64 {
    let options = decode_options(data).unwrap();
    assert_eq!(options.len(), 1);
    u64::from_be_bytes(options[0].data.as_slice().try_into().unwrap())
}

/// A link whose IPV6CP is open, with our identifier.
fn open() -> (Bench, u64) {
    let mut bench = Bench::up(with_ipv6());
    let sent = bench.answer(&request(1, 9));
    let ours = sent.iter().find(|p| p.1 == 1).cloned().unwrap();
    let identifier = identifier_in(&ours.3);
    bench.give(&packet(ours.0, 2, ours.2, &ours.3));
    let outputs = bench.outputs();
    let expected = Ipv6Up { our_identifier: identifier, peer_identifier: Some(9), peer_mru: 1500 };
    assert!(outputs.iter().any(|o| matches!(o, Output::Ipv6Up(up) if *up == expected)), "{outputs:?}");
    assert!(bench.link.is_ipv6_up());
    (bench, identifier)
}

fn downs(outputs: &[Output]) -> usize {
    outputs.iter().filter(|o| matches!(o, Output::Ipv6Down)).count()
}

#[test]
fn the_client_begins_and_both_have_identifiers() {
    let mut bench = Bench::up(with_ipv6());
    assert!(bench.wait(seconds(30)).iter().all(|o| !matches!(o, Output::Send(_))), "it waits for the client");
    let sent = bench.answer(&request(1, 9));
    let codes: Vec<_> = sent.iter().map(|p| (p.0, p.1)).collect();
    assert_eq!(codes, [(Protocol::Ipv6cp, 1), (Protocol::Ipv6cp, 2)]);
    let ours = identifier_in(&sent[0].3);
    assert!(ours != 0 && ours != 9);
    assert!(!bench.link.is_ipv6_up());
    bench.acknowledge(&sent[0]);
    assert!(bench.link.is_ipv6_up() && bench.link.is_up());
}

#[test]
fn a_client_with_a_zero_identifier_or_with_ours_is_given_another() {
    let mut bench = Bench::up(with_ipv6());
    let sent = bench.answer(&request(1, 0));
    let ours = identifier_in(&sent.iter().find(|p| p.1 == 1).unwrap().3);
    let suggested = identifier_in(&sent.iter().find(|p| p.1 == 3).unwrap().3);
    assert!(suggested != 0 && suggested != ours);
    let again = bench.answer(&request(2, ours));
    assert_eq!(again.iter().map(|p| p.1).collect::<Vec<_>>(), [3]);
    let sent = bench.answer(&request(3, suggested));
    assert_eq!(sent.iter().map(|p| p.1).collect::<Vec<_>>(), [2]);
}

#[test]
fn without_ipv6_every_such_frame_is_rejected() {
    let mut bench = Bench::up(settings(&[Method::Pap]));
    for frame in [request(1, 9), encode_frame(Protocol::Ipv6, &[0x60; 40])] {
        let sent = bench.answer(&frame);
        assert_eq!((sent[0].0, sent[0].1, &sent[0].3[..]), (Protocol::Lcp, 8, &frame[2..]));
    }
    assert!(bench.link.is_up());
}

#[test]
fn ipv6_packets_before_ipv6cp_is_open_are_dropped_in_silence() {
    let mut bench = Bench::up(with_ipv6());
    assert_eq!(bench.answer(&encode_frame(Protocol::Ipv6, &[0x60; 40])), []);
    let mut early = Bench::new(with_ipv6());
    early.outputs();
    assert_eq!(early.answer(&request(1, 9)), [], "before authentication");
}

#[test]
fn a_client_that_ends_ipv6_keeps_ipv4_and_may_begin_again() {
    let (mut bench, ours) = open();
    bench.give(&packet(Protocol::Ipv6cp, 5, 7, &[]));
    let outputs = bench.outputs();
    assert_eq!(downs(&outputs), 1);
    assert!(bench.link.is_up() && !bench.link.is_ipv6_up());
    bench.wait(seconds(10));
    let sent = bench.answer(&request(8, 9));
    assert_eq!(identifier_in(&sent.iter().find(|p| p.1 == 1).unwrap().3), ours);
}

#[test]
fn a_client_that_rejects_ipv6cp_after_all_keeps_ipv4() {
    let (mut bench, _) = open();
    let rejected = [&[0x80, 0x57][..], &[1, 1, 0, 4]].concat();
    bench.give(&packet(Protocol::Lcp, 8, 9, &rejected));
    assert_eq!(downs(&bench.outputs()), 1);
    assert!(bench.link.is_up());
    assert_eq!(bench.answer(&request(8, 9))[0].1, 8);
}

#[test]
fn a_client_that_insists_on_nonsense_loses_ipv6_only() {
    let mut bench = Bench::up(with_ipv6());
    for id in 0..60 {
        bench.answer(&request(id, 0));
    }
    assert!(bench.link.is_up() && !bench.link.is_finished() && !bench.link.is_ipv6_up());
    let silent = bench.wait(seconds(120));
    assert!(cause_in(&silent).is_none());
}

#[test]
fn ipv6_ends_once_with_the_link_and_when_lcp_begins_anew() {
    let (mut bench, _) = open();
    bench.give(&packet(Protocol::Lcp, 1, 77, &[]));
    assert_eq!(downs(&bench.outputs()), 1);
    let (mut closing, _) = open();
    closing.link.close("over", closing.now);
    assert_eq!(downs(&closing.wait(seconds(30))), 1);
    assert!(closing.link.is_finished());
}

#[test]
fn the_line_has_the_routers_words() {
    let log = Log::Ipv6cpUp { local: 7, remote: Some(0x0200_0000_0000_0009) };
    assert_eq!(log.to_string(), "PPP/IPV6CP up  (Local: fe80::7, Remote: fe80::200:0:0:9)");
    assert_eq!(log.level(), Level::Info);
}

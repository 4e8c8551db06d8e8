//! Filters through the worker: what passes, what does not, what is remembered, what is told.

use super::*;

const OTHER: [u8; 4] = [192, 168, 100, 9];

fn masked(address: [u8; 4], bits: u32) -> Addresses {
    let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
    Addresses::Masked { value: u32::from_be_bytes(address), mask }
}

fn rule(number: u32, passes: bool, pattern: Pattern) -> Rule {
    Rule { number, passes, logs: !passes, pattern }
}

fn tcp_to(port: u16) -> Pattern {
    Pattern { kinds: vec![Kind::Protocol(6)], destination_ports: vec![(port, port)], ..Pattern::default() }
}

fn everything() -> Pattern {
    Pattern::default()
}

fn dynamic(number: u32, triggers: Vec<Pattern>) -> Dynamic {
    Dynamic { number, triggers, along: vec![], against: vec![], idle: None, brief: false }
}

/// A worker whose client's anonymous interface has these lists.
fn guarded(incoming: Option<List>, outgoing: Option<List>) -> (Worker, Mirror) {
    let mut worker = Worker::new([1; 32]);
    let mirror = Mirror::install(&mut worker, FIRST, AES_SHA1, 1, true);
    let mut filters = Filters { notices: true, ..Filters::default() };
    let mut put = |list: Option<List>| {
        list.map(|list| {
            filters.lists.push(list);
            filters.lists.len() - 1
        })
    };
    let lists = Lists { incoming: put(incoming), outgoing: put(outgoing) };
    filters.pps = vec![(0, lists)];
    worker.apply(Update::Filters(Box::new(filters)), NOW);
    worker.apply(peer(4500), NOW);
    worker.apply(Update::Guard { client: FIRST, pp: 0, tunnel: 1 }, NOW);
    worker.apply(Update::Session(session()), NOW);
    (worker, mirror)
}

fn list(rules: Vec<Rule>) -> Option<List> {
    Some(List { rules, dynamics: vec![] })
}

fn tcp(from: ([u8; 4], u16), to: ([u8; 4], u16), flags: u8) -> Vec<u8> {
    let mut segment = [from.1.to_be_bytes(), to.1.to_be_bytes()].concat();
    segment.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, flags, 0x20, 0, 0, 0, 0, 0]);
    ipv4(from.0, to.0, 6, &segment)
}

fn udp(from: ([u8; 4], u16), to: ([u8; 4], u16)) -> Vec<u8> {
    let segment = [from.1.to_be_bytes(), to.1.to_be_bytes(), [0, 9], [0, 0]].concat();
    ipv4(from.0, to.0, 17, &[&segment[..], &[7]].concat())
}

fn fragment(mut packet: Vec<u8>, offset: u16, more: bool) -> Vec<u8> {
    put(&mut packet, 6, (offset | u16::from(more) << 13).to_be_bytes());
    refresh(&mut packet);
    packet
}

fn goes_in(worker: &mut Worker, mirror: &mut Mirror, packet: &[u8]) -> bool {
    goes_in_at(worker, mirror, packet, NOW)
}

fn goes_in_at(worker: &mut Worker, mirror: &mut Mirror, packet: &[u8], now: Instant) -> bool {
    let mut packets = [mirror.send_ip(packet)];
    match arrive_from(worker, 4500, &mut packets, now).remove(0).0 {
        Verdict::Ip(_) => true,
        Verdict::Dropped(Drop::Filtered) => false,
        other => panic!("{other:?}"),
    }
}

fn goes_out(worker: &mut Worker, packet: &[u8]) -> bool {
    goes_out_at(worker, packet, NOW)
}

fn goes_out_at(worker: &mut Worker, packet: &[u8], now: Instant) -> bool {
    let mut buffer = buffer(packet);
    let mut batch = [Departure::new(&mut buffer, HEADROOM, packet.len())];
    worker.outbound(&mut batch, now);
    match &batch[0].result {
        Out::Sealed { .. } => true,
        Out::Dropped(Drop::Filtered) => false,
        other => panic!("{other:?}"),
    }
}

/// A packet's protocol and ends, with ports.
fn ends(sight: &Sight) -> String {
    let Sight { protocol, source, destination, ports } = sight;
    let (from, to) = ports.unwrap_or_default();
    format!("{protocol} {source}:{from} > {destination}:{to}")
}

#[test]
fn the_first_rule_that_fits_decides_and_what_none_fits_is_discarded() {
    let rules = vec![
        rule(1, false, Pattern { destinations: vec![masked(OTHER, 32)], ..everything() }),
        rule(2, true, tcp_to(443)),
        rule(3, false, tcp_to(443)),
    ];
    let (mut worker, mut mirror) = guarded(list(rules), None);
    assert!(goes_in(&mut worker, &mut mirror, &tcp((CLIENT, 9), (HOST, 443), 2)));
    assert!(!goes_in(&mut worker, &mut mirror, &tcp((CLIENT, 9), (OTHER, 443), 2)));
    assert!(!goes_in(&mut worker, &mut mirror, &tcp((CLIENT, 9), (HOST, 80), 2)));
    assert!(!goes_in(&mut worker, &mut mirror, &udp((CLIENT, 9), (HOST, 443))));
    // Nothing is said about packets to the client.
    assert!(goes_out(&mut worker, &udp((HOST, 53), (CLIENT, 99))));
    assert_eq!(worker.totals().dropped(Drop::Filtered), 3);
    let told: Vec<_> = notes(&mut worker)
        .into_iter()
        .filter_map(|note| match note {
            Note::Filtered { way, passed, number, sight, .. } => Some((way, passed, number, ends(&sight))),
            _ => None,
        })
        .collect();
    assert_eq!(
        told,
        [
            (Way::In, false, Some(1), "6 10.0.0.9:9 > 192.168.100.9:443".to_owned()),
            (Way::In, false, None, "6 10.0.0.9:9 > 192.168.100.5:80".to_owned()),
            (Way::In, false, None, "17 10.0.0.9:9 > 192.168.100.5:443".to_owned()),
        ]
    );
}

#[test]
fn an_interface_without_filters_lets_everything_pass_and_an_empty_list_nothing() {
    let (mut worker, mut mirror) = guarded(None, None);
    assert!(goes_in(&mut worker, &mut mirror, &udp((CLIENT, 9), (HOST, 1))));
    let (mut worker, mut mirror) = guarded(list(vec![]), list(vec![]));
    assert!(!goes_in(&mut worker, &mut mirror, &udp((CLIENT, 9), (HOST, 1))));
    assert!(!goes_out(&mut worker, &udp((HOST, 9), (CLIENT, 1))));
}

#[test]
fn pp_and_tunnel_must_both_let_a_packet_pass() {
    let (mut worker, mut mirror) = guarded(list(vec![rule(1, true, everything())]), None);
    let lists = vec![
        List { rules: vec![rule(1, true, everything())], dynamics: vec![] },
        List { rules: vec![rule(2, false, tcp_to(80)), rule(3, true, everything())], dynamics: vec![] },
    ];
    let of = |at| Lists { incoming: Some(at), outgoing: None };
    let filters = Filters { lists, pps: vec![(0, of(0))], tunnels: vec![(1, of(1))], ..Filters::default() };
    worker.apply(Update::Filters(Box::new(filters)), NOW);
    assert!(!goes_in(&mut worker, &mut mirror, &tcp((CLIENT, 9), (HOST, 80), 2)));
    assert!(goes_in(&mut worker, &mut mirror, &tcp((CLIENT, 9), (HOST, 81), 2)));
}

#[test]
fn addresses_kinds_and_ports_fit_as_they_say() {
    let sources = vec![Addresses::Range { first: 0x0a00_0005, last: 0x0a00_0009 }];
    let pattern = |pattern: Pattern| list(vec![rule(1, true, pattern)]);
    let cases: [(Pattern, Vec<u8>, bool); 12] = [
        (Pattern { sources, ..everything() }, udp((CLIENT, 1), (HOST, 2)), true),
        (Pattern { sources: vec![masked([10, 0, 1, 0], 24)], ..everything() }, udp((CLIENT, 1), (HOST, 2)), false),
        // 192.168.*.5
        (
            Pattern { destinations: vec![Addresses::Masked { value: 0xc0a8_0005, mask: 0xffff_00ff }], ..everything() },
            udp((CLIENT, 1), (HOST, 2)),
            true,
        ),
        (Pattern { kinds: vec![Kind::Established], ..everything() }, tcp((CLIENT, 1), (HOST, 2), 0x02), false),
        (Pattern { kinds: vec![Kind::Established], ..everything() }, tcp((CLIENT, 1), (HOST, 2), 0x12), true),
        (Pattern { kinds: vec![Kind::Established], ..everything() }, tcp((CLIENT, 1), (HOST, 2), 0x04), true),
        (
            Pattern { kinds: vec![Kind::Flags { value: 2, mask: 0x17, equal: true }], ..everything() },
            tcp((CLIENT, 1), (HOST, 2), 0x12),
            false,
        ),
        (
            Pattern { kinds: vec![Kind::Flags { value: 2, mask: 0x17, equal: false }], ..everything() },
            tcp((CLIENT, 1), (HOST, 2), 0x12),
            true,
        ),
        (Pattern { kinds: vec![Kind::IcmpError], ..everything() }, ipv4(CLIENT, HOST, 1, &[8, 0, 0, 0]), false),
        (Pattern { kinds: vec![Kind::IcmpInformation], ..everything() }, ipv4(CLIENT, HOST, 1, &[8, 0, 0, 0]), true),
        (Pattern { source_ports: vec![(1024, 65_535), (7, 7)], ..everything() }, udp((CLIENT, 7), (HOST, 2)), true),
        // GRE has no ports.
        (Pattern { source_ports: vec![(0, 65_535)], ..everything() }, ipv4(CLIENT, HOST, 47, &[0; 8]), false),
    ];
    for (found, packet, passes) in cases {
        let (mut worker, mut mirror) = guarded(pattern(found.clone()), None);
        assert_eq!(goes_in(&mut worker, &mut mirror, &packet), passes, "{found:?}");
    }
}

#[test]
fn fragments_pass_only_behind_a_first_one_that_has_passed() {
    let (mut worker, mut mirror) = guarded(list(vec![rule(1, true, tcp_to(443))]), None);
    let whole = tcp((CLIENT, 9), (HOST, 443), 2);
    let other = tcp((CLIENT, 9), (HOST, 80), 2);
    assert!(!goes_in(&mut worker, &mut mirror, &fragment(whole.clone(), 3, false)));
    assert!(!goes_in(&mut worker, &mut mirror, &fragment(other, 0, true)));
    assert!(!goes_in(&mut worker, &mut mirror, &fragment(whole.clone(), 3, false)));
    assert!(goes_in(&mut worker, &mut mirror, &fragment(whole.clone(), 0, true)));
    assert!(goes_in(&mut worker, &mut mirror, &fragment(whole.clone(), 3, false)));
    assert!(!goes_in_at(&mut worker, &mut mirror, &fragment(whole.clone(), 3, false), seconds(16)));
    // RFC 3128: the second fragment must not write over the flags.
    assert!(goes_in(&mut worker, &mut mirror, &fragment(whole.clone(), 0, true)));
    assert!(!goes_in(&mut worker, &mut mirror, &fragment(whole, 1, false)));
    // A first fragment that hides the flags is refused.
    assert!(!goes_in(
        &mut worker,
        &mut mirror,
        &fragment(ipv4(CLIENT, HOST, 6, &[0, 9, 1, 0xbb, 0, 0, 0, 0]), 0, true)
    ));
}

#[test]
fn what_a_dynamic_filter_lets_begin_passes_both_ways_until_it_is_over() {
    let any_tcp = Pattern { kinds: vec![Kind::Protocol(6)], ..everything() };
    let incoming = Some(List { rules: vec![], dynamics: vec![dynamic(10, vec![any_tcp])] });
    let (mut worker, mut mirror) = guarded(incoming, list(vec![]));
    let (there, back) = (((CLIENT, 9), (HOST, 443)), ((HOST, 443), (CLIENT, 9)));
    // Nothing but SYN begins, and nothing begins from outside.
    assert!(!goes_in(&mut worker, &mut mirror, &tcp(there.0, there.1, 0x10)));
    assert!(!goes_out(&mut worker, &tcp(back.0, back.1, 0x02)));
    assert!(goes_in(&mut worker, &mut mirror, &tcp(there.0, there.1, 0x02)));
    assert!(goes_out(&mut worker, &tcp(back.0, back.1, 0x12)));
    assert!(!goes_out(&mut worker, &tcp((HOST, 444), (CLIENT, 9), 0x12)), "another port");
    assert!(!goes_out(&mut worker, &tcp((OTHER, 443), (CLIENT, 9), 0x12)), "another host");
    assert!(goes_in_at(&mut worker, &mut mirror, &tcp(there.0, there.1, 0x10), seconds(3_000)));
    assert!(goes_out_at(&mut worker, &tcp(back.0, back.1, 0x11), seconds(3_001)));
    assert!(goes_in_at(&mut worker, &mut mirror, &tcp(there.0, there.1, 0x11), seconds(3_002)));
    assert!(!goes_out_at(&mut worker, &tcp(back.0, back.1, 0x10), seconds(3_010)), "it is over");
}

#[test]
fn an_unanswered_connection_and_a_silent_one_are_forgotten() {
    let kinds = |protocol| Pattern { kinds: vec![Kind::Protocol(protocol)], ..everything() };
    let dynamics = vec![dynamic(10, vec![kinds(6)]), dynamic(11, vec![kinds(17)])];
    let (mut worker, mut mirror) = guarded(Some(List { rules: vec![], dynamics }), list(vec![]));
    assert!(goes_in(&mut worker, &mut mirror, &tcp((CLIENT, 9), (HOST, 443), 2)));
    assert!(!goes_out_at(&mut worker, &tcp((HOST, 443), (CLIENT, 9), 0x12), seconds(31)));
    assert!(goes_in(&mut worker, &mut mirror, &udp((CLIENT, 9), (HOST, 53))));
    assert!(goes_out_at(&mut worker, &udp((HOST, 53), (CLIENT, 9)), seconds(29)));
    assert!(goes_out_at(&mut worker, &udp((HOST, 53), (CLIENT, 9)), seconds(58)));
    assert!(!goes_out_at(&mut worker, &udp((HOST, 53), (CLIENT, 9)), seconds(89)));
}

#[test]
fn a_ping_is_answered_and_nothing_else_comes_with_it() {
    let pings = Pattern { kinds: vec![Kind::Protocol(1)], ..everything() };
    let incoming = Some(List { rules: vec![], dynamics: vec![dynamic(10, vec![pings])] });
    let (mut worker, mut mirror) = guarded(incoming, list(vec![]));
    let icmp = |from, to, kind: u8| ipv4(from, to, 1, &[kind, 0, 0, 0, 0, 1, 0, 1]);
    assert!(!goes_out(&mut worker, &icmp(HOST, CLIENT, 0)));
    assert!(goes_in(&mut worker, &mut mirror, &icmp(CLIENT, HOST, 8)));
    assert!(goes_out(&mut worker, &icmp(HOST, CLIENT, 0)));
    assert!(!goes_out(&mut worker, &icmp(HOST, CLIENT, 8)));
    assert!(!goes_out(&mut worker, &icmp(HOST, CLIENT, 5)));
}

#[test]
fn beside_a_connection_its_named_filters_let_pass_between_the_two_hosts() {
    let udp_from = |port| Pattern { kinds: vec![Kind::Protocol(17)], source_ports: vec![(port, port)], ..everything() };
    let along =
        vec![Pattern { kinds: vec![Kind::Protocol(6)], destination_ports: vec![(1024, 65_535)], ..everything() }];
    let ftp = Dynamic { along, against: vec![udp_from(2000)], ..dynamic(10, vec![tcp_to(21)]) };
    let incoming = Some(List { rules: vec![], dynamics: vec![ftp] });
    let (mut worker, mut mirror) = guarded(incoming, list(vec![]));
    assert!(!goes_in(&mut worker, &mut mirror, &tcp((CLIENT, 10), (HOST, 5000), 2)));
    assert!(goes_in(&mut worker, &mut mirror, &tcp((CLIENT, 9), (HOST, 21), 2)));
    assert!(goes_in(&mut worker, &mut mirror, &tcp((CLIENT, 10), (HOST, 5000), 2)));
    assert!(!goes_in(&mut worker, &mut mirror, &tcp((CLIENT, 10), (OTHER, 5000), 2)));
    assert!(goes_out(&mut worker, &udp((HOST, 2000), (CLIENT, 77))));
    assert!(!goes_out(&mut worker, &udp((HOST, 2001), (CLIENT, 77))));
}

#[test]
fn a_flood_of_connections_takes_no_more_room_and_a_flood_of_rejects_tells_little() {
    let any = Pattern { kinds: vec![Kind::Protocol(17)], ..everything() };
    let incoming = Some(List { rules: vec![rule(5, false, tcp_to(80))], dynamics: vec![dynamic(10, vec![any])] });
    let (mut worker, mut mirror) = guarded(incoming, list(vec![]));
    for port in 1..5_000 {
        assert!(goes_in(&mut worker, &mut mirror, &udp((CLIENT, port), (HOST, 53))));
    }
    let remembered = (1..5_000).filter(|port| goes_out(&mut worker, &udp((HOST, 53), (CLIENT, *port)))).count();
    assert!((256..=512).contains(&remembered), "{remembered}");
    let _ = notes(&mut worker);
    for _ in 0..1_000 {
        assert!(!goes_in(&mut worker, &mut mirror, &tcp((CLIENT, 9), (HOST, 80), 2)));
    }
    let told = notes(&mut worker).iter().filter(|note| matches!(note, Note::Filtered { .. })).count();
    assert!(told <= 20, "{told}");
}

#[test]
fn without_notices_nothing_is_told() {
    let (mut worker, mut mirror) = guarded(list(vec![]), None);
    let list = List::default();
    let pps = vec![(0, Lists { incoming: Some(0), outgoing: None })];
    worker.apply(Update::Filters(Box::new(Filters { lists: vec![list], pps, ..Filters::default() })), NOW);
    assert!(!goes_in(&mut worker, &mut mirror, &udp((CLIENT, 9), (HOST, 1))));
    assert!(!notes(&mut worker).iter().any(|note| matches!(note, Note::Filtered { .. })));
}

#[test]
fn random_packets_never_upset_the_filters() {
    let mut rng = Rng::new([3; 32]);
    let incoming = Some(List {
        rules: vec![rule(1, false, tcp_to(80)), rule(2, true, everything())],
        dynamics: vec![dynamic(3, vec![everything()])],
    });
    let (mut worker, mut mirror) = guarded(incoming, list(vec![]));
    for _ in 0..20_000 {
        let mut segment = vec![0; rng.u32() as usize % 24];
        rng.fill(&mut segment);
        let protocol = [1, 6, 17, 47][rng.u32() as usize % 4];
        let packet = ipv4(CLIENT, HOST, protocol, &segment);
        let offset = if rng.u32().is_multiple_of(3) { rng.u32() as u16 & 0x1f } else { 0 };
        let packet = fragment(packet, offset, rng.u32().is_multiple_of(2));
        let _ = goes_in(&mut worker, &mut mirror, &packet);
    }
}

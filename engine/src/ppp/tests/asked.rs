//! What RFC 1661, RFC 1994 and RFC 2759 ask of every packet, one by one.

use super::*;

#[test]
fn before_lcp_is_open_nothing_else_is_answered() {
    let mut bench = Bench::new(settings(&[Method::Pap]));
    bench.sent();
    let pap = PapRequest { name: b"taro".to_vec(), password: vec![] }.encode();
    for frame in [
        packet(Protocol::Pap, 1, 1, &pap),
        packet(Protocol::Chap, 2, 1, &[0; 20]),
        packet(Protocol::Ipcp, 1, 1, &[]),
        packet(Protocol::Acscp, 1, 1, &[]),
        packet(Protocol::Lcp, 9, 1, &[0; 4]),
        encode_frame(Protocol::Ipv4, &[0x45; 20]),
    ] {
        bench.give(&frame);
        assert!(bench.outputs().is_empty(), "{frame:02x?}");
    }
}

#[test]
fn while_a_link_ends_nothing_but_lcp_is_answered() {
    let mut bench = Bench::up(settings(&[Method::Pap]));
    bench.link.close("over", bench.now);
    bench.outputs();
    let pap = PapRequest { name: b"taro".to_vec(), password: vec![] }.encode();
    for frame in [
        packet(Protocol::Pap, 1, 1, &pap),
        packet(Protocol::Ipcp, 1, 9, &[]),
        packet(Protocol::Acscp, 1, 1, &[]),
        packet(Protocol::Lcp, 9, 1, &[0; 4]),
    ] {
        bench.give(&frame);
        assert!(bench.outputs().is_empty(), "{frame:02x?}");
    }
    assert_eq!(bench.answer(&packet(Protocol::Lcp, 5, 3, &[])), [(Protocol::Lcp, 6, 3, vec![])]);
}

#[test]
fn the_identifier_of_a_request_changes_with_its_options_and_after_a_reply() {
    let mut bench = Bench::new(settings(&[Method::Pap]));
    let first = bench.sent().remove(0);
    let again = bench.wait(seconds(1));
    assert!(matches!(again.as_slice(), [Output::Send(frame)] if parts(frame) == first));
    let nak = packet(Protocol::Lcp, 3, first.2, &encode_options(&[opt(1, &1000u16.to_be_bytes())]));
    let second = bench.answer(&nak).remove(0);
    assert_ne!((second.2, &second.3), (first.2, &first.3));
    assert_ne!(second.2, first.2);
    // Acknowledged and then asked anew: the same options under another number.
    bench.answer(&packet(Protocol::Lcp, 1, 1, &[]));
    bench.acknowledge(&second);
    let third = bench.answer(&packet(Protocol::Lcp, 1, 2, &[])).remove(0);
    assert_eq!((third.1, &third.3), (1, &second.3));
    assert_ne!(third.2, second.2);
}

#[test]
fn a_nak_or_reject_with_another_identifier_changes_nothing() {
    let mut bench = Bench::new(settings(&[Method::Pap]));
    let request = bench.sent().remove(0);
    for code in [3, 4] {
        bench.give(&packet(Protocol::Lcp, code, request.2.wrapping_add(1), &encode_options(&[opt(1, &[4, 0])])));
        assert!(bench.outputs().is_empty());
    }
    let again = bench.wait(seconds(1));
    assert!(matches!(again.as_slice(), [Output::Send(frame)] if parts(frame) == request));
}

#[test]
fn a_small_mru_and_a_bad_magic_number_are_answered_with_better_ones() {
    let mut bench = Bench::new(settings(&[Method::Pap]));
    let ours = bench.sent().remove(0);
    let magic = |parts: &Parts| decode_options(&parts.3).unwrap().into_iter().find(|o| o.kind == 5).unwrap().data;
    let asked = [opt(2, &[0; 4]), opt(1, &64u16.to_be_bytes()), opt(5, &[0; 4])];
    let nak = bench.answer(&packet(Protocol::Lcp, 1, 1, &encode_options(&asked))).remove(0);
    assert_eq!((nak.1, kinds(&nak.3)), (3, vec![1, 5]), "what is acceptable is left out, the rest keeps its order");
    assert_eq!(decode_options(&nak.3).unwrap()[0].data, 576u16.to_be_bytes());
    assert_ne!(magic(&nak), [0; 4]);
    // Our own number is that of a loop.
    let looped = packet(Protocol::Lcp, 1, 2, &encode_options(&[opt(5, &magic(&ours))]));
    let nak = bench.answer(&looped).remove(0);
    assert_eq!((nak.1, kinds(&nak.3)), (3, vec![5]));
    assert_ne!(magic(&nak), magic(&ours));
    let next = bench.answer(&packet(Protocol::Lcp, 3, ours.2, &nak.3)).remove(0);
    assert_eq!(next.1, 1);
    assert!(magic(&next) != magic(&ours) && magic(&next) != magic(&nak) && magic(&next) != [0; 4]);
}

#[test]
fn echoes_bear_our_magic_number_or_zero_where_it_was_rejected() {
    for is_rejected in [false, true] {
        let keepalive = Keepalive { interval: seconds(5), retry_interval: seconds(1), count: 6, lcp: true };
        let mut bench = Bench::new(Settings { keepalive: Some(keepalive), ..settings(&[Method::ChapMd5]) });
        let mut request = bench.sent().remove(0);
        let magic = decode_options(&request.3).unwrap().remove(2);
        if is_rejected {
            request = bench
                .answer(&packet(Protocol::Lcp, 4, request.2, &encode_options(core::slice::from_ref(&magic))))
                .remove(0);
            assert!(!kinds(&request.3).contains(&5), "what was rejected is not asked for again");
        }
        bench.answer(&packet(Protocol::Lcp, 1, 1, &[]));
        bench.acknowledge(&request);
        let expected = if is_rejected { vec![0; 4] } else { magic.data };
        assert_eq!(bench.answer(&packet(Protocol::Lcp, 9, 7, &[0; 4])), [(Protocol::Lcp, 10, 7, expected.clone())]);
        let outputs = bench.wait(seconds(6));
        let sent = outputs.iter().filter_map(|o| if let Output::Send(frame) = o { Some(parts(frame)) } else { None });
        let echoes: Vec<Parts> = sent.filter(|p| p.0 == Protocol::Lcp && p.1 == 9).collect();
        assert!(!echoes.is_empty() && echoes.iter().all(|echo| echo.3 == expected), "{echoes:?}");
    }
}

#[test]
fn identifiers_of_what_is_not_a_request_change_each_time() {
    let keepalive = Keepalive { interval: seconds(30), retry_interval: seconds(1), count: 6, lcp: true };
    let mut bench = Bench::up(Settings { keepalive: Some(keepalive), ..settings(&[Method::Pap]) });
    let mut sent = vec![];
    for _ in 0..2 {
        sent.extend(bench.answer(&packet(Protocol::Lcp, 77, 5, &[])));
        sent.extend(bench.answer(&packet(Protocol::Acscp, 1, 5, &[])));
        let echo = bench.wait(seconds(30));
        sent.extend(echo.iter().filter_map(|o| if let Output::Send(frame) = o { Some(parts(frame)) } else { None }));
        let (.., id, _) = sent.last().unwrap();
        let id = *id;
        bench.give(&packet(Protocol::Lcp, 10, id, &[0; 4]));
    }
    bench.link.close("over", bench.now);
    sent.extend(bench.sent());
    assert_eq!(sent.iter().map(|p| p.1).collect::<Vec<_>>(), [7, 8, 9, 7, 8, 9, 5]);
    let mut ids: Vec<u8> = sent.iter().map(|p| p.2).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), sent.len());
}

#[test]
fn a_discard_request_is_dropped_in_silence() {
    let mut bench = Bench::up(settings(&[Method::Pap]));
    bench.give(&packet(Protocol::Lcp, 11, 1, &[0; 8]));
    assert!(bench.outputs().is_empty() && bench.link.is_up());
}

#[test]
fn our_wish_that_an_address_be_asked_for_names_the_address() {
    let mut bench = Bench::new(settings(&[Method::Pap]));
    bench.open_ipcp();
    let nak = bench.answer(&packet(Protocol::Ipcp, 1, 1, &[])).remove(0);
    assert_eq!((nak.1, nak.3.as_slice()), (3, encode_options(&[opt(3, &THEIRS.octets())]).as_slice()));
}

#[test]
fn lcp_negotiated_anew_brings_another_challenge() {
    let mut bench = Bench::new(settings(&[Method::ChapMd5]));
    let value = |parts: &Parts| ChapValue::decode(&parts.3).unwrap().value;
    let first = bench.open_lcp().remove(0);
    let request = bench.answer(&packet(Protocol::Lcp, 1, 2, &[])).remove(0);
    let second = bench.acknowledge(&request).remove(0);
    assert_eq!((first.0, first.1, second.0, second.1), (Protocol::Chap, 1, Protocol::Chap, 1));
    assert_ne!(value(&first), value(&second));
    assert_ne!(first.2, second.2);
}

#[test]
fn the_answer_to_a_response_bears_its_identifier() {
    for verdict in [
        Verdict::Accept { user: "taro".to_owned(), authenticator_response: None, address: None, shared: None },
        Verdict::Reject { why: Why::WrongPassword },
    ] {
        let mut bench = Bench::new(settings(&[Method::ChapMd5]));
        let (_, _, id, _) = bench.open_lcp().remove(0);
        bench.give(&packet(Protocol::Chap, 2, id, &ChapValue { value: vec![0; 16], name: b"taro".to_vec() }.encode()));
        bench.outputs();
        bench.link.authorise(verdict, &mut bench.rng, bench.now);
        assert_eq!(bench.sent()[0].2, id);
    }
}

#[test]
fn every_failure_of_mschapv2_has_a_challenge_of_32_digits() {
    let mut bench = Bench::new(settings(&[Method::MsChapV2]));
    let (mut id, first) = mistyped(&mut bench);
    let mut failures = vec![first];
    for _ in 0..2 {
        id = id.wrapping_add(1);
        let challenge = challenge_in(failures.last().unwrap());
        bench.give(&packet(Protocol::Chap, 2, id, &response(&challenge, "wrong")));
        bench.outputs();
        bench.link.authorise(Verdict::Reject { why: Why::WrongPassword }, &mut bench.rng, bench.now);
        failures.push(String::from_utf8(bench.sent().remove(0).3).unwrap());
    }
    let mut bench = Bench::new(settings(&[Method::MsChapV2]));
    bench.open_lcp();
    failures.push(String::from_utf8(bench.answer(&packet(Protocol::Chap, 7, 9, &[0; 582])).remove(0).3).unwrap());
    for failure in failures {
        let digits = failure.split(' ').find_map(|word| word.strip_prefix("C=")).unwrap();
        let is_upper_hex = |c: char| c.is_ascii_digit() || ('A'..='F').contains(&c);
        assert!(digits.len() == 32 && digits.chars().all(is_upper_hex), "{failure}");
    }
}

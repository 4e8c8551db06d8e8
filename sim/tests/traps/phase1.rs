//! Traps of IKE's phase 1.

use super::*;
use sim::Layer;
use sim::fixture::{fixture, offer};
use sim::manners;
use wire::isakmp::{
    Attribute, AttributeValue, Cookie, ExchangeType, Flags, NotifyType, SecurityAssociation, encode_chain, vendor,
};

/// The transform that a message 1 is answered with: its number, and cipher, key bits, hash and group.
fn chosen(answer: &[u8]) -> (u8, [Option<u64>; 4]) {
    let sa = offer(&payloads(answer));
    let t = &sa.proposals[0].transforms[0];
    (t.number, [1u16, 14, 2, 4].map(|kind| t.attribute(kind).and_then(Attribute::as_u64)))
}

/// A message 1 of these proposals and vendor IDs.
fn first(sa: &SecurityAssociation, ids: &[Vec<u8>]) -> Vec<u8> {
    let mut all = vec![(PayloadType::Sa, sa.encode())];
    all.extend(ids.iter().map(|id| (PayloadType::VendorId, id.clone())));
    let (mut header, _) = Header::decode(&fixture("windows/mm1")).expect("a header");
    header.initiator = Cookie([7; 8]);
    header.encode(&encode_chain(&all))
}

#[test]
fn windows_offers_sha_1_only_and_finds_a_proposal() {
    let mut w = World::new(config(2, &[]), 1);
    let answer = answers(&mut w, "192.0.2.1:500", &fixture("windows/mm1"));
    assert_eq!(chosen(&answer[0].bytes), (1, [Some(7), Some(256), Some(2), Some(20)]));
    // One that may not compute on curves gets the next best, and so on to the last.
    let mut offered = offer(&payloads(&fixture("windows/mm1")));
    for number in [3, 3, 4, 5] {
        let left = offered.proposals[0].transforms.len();
        offered.proposals[0].transforms.remove(0);
        let answer = answers(&mut w, &format!("192.0.2.{left}:500"), &first(&offered, &[]));
        assert_eq!(chosen(&answer[0].bytes).0, number);
    }
}

#[test]
fn android_knows_group_2_only_and_the_remedy_is_told_where_that_is_refused() {
    for manner in [manners::android_2(), manners::android_4(), manners::android_11()] {
        let (mut w, c) = connected(true, manner.clone());
        assert!(w.reaches(c), "{}:\n{}", manner.name, w.story(c));
        let mut w = World::new(config(2, &["ipsec ike refuse modp1024"]), 1);
        let c = w.add_natted(true, manner.clone());
        w.dial(c);
        w.run_for(seconds(20));
        assert!(says(&w, c, "no proposal chosen"), "{}:\n{}", manner.name, w.story(c));
        assert!(w.told("modp1024") && w.told("ipsec ike refuse"), "{}", w.log().join("\n"));
    }
}

#[test]
fn order_and_form_of_attributes_are_free_and_come_back_as_they_were() {
    for message in FIRST_MESSAGES {
        let mut w = World::new(config(2, &[]), 1);
        let answer = answers(&mut w, "192.0.2.1:500", &fixture(message));
        let (offered, answered) = (offer(&payloads(&fixture(message))), offer(&payloads(&answer[0].bytes)));
        let transform = &answered.proposals[0].transforms[0];
        assert!(offered.proposals[0].transforms.contains(transform), "{message}: {transform:?}");
    }
    // A life of two octets, of four, of none, of zero, or none at all.
    let lives = [
        Some(AttributeValue::Short(3600)),
        Some(AttributeValue::Long(vec![0, 1, 0x51, 0x80])),
        Some(AttributeValue::Long(vec![])),
        Some(AttributeValue::Short(0)),
        None,
    ];
    for life in lives {
        let mut manner = Manner::default();
        let mut sa = manner.first_offer();
        for t in sa.proposals.iter_mut().flat_map(|p| &mut p.transforms) {
            t.attributes.retain(|a| !matches!(a.kind, 11 | 12));
            if let Some(value) = &life {
                t.attributes.insert(0, Attribute::short(11u16, 1u16));
                t.attributes.insert(0, Attribute { kind: 12, value: value.clone() });
            }
        }
        manner.offer1 = Some(sa);
        let (mut w, c) = connected(false, manner);
        assert!(w.reaches(c), "{life:?}");
    }
}

#[test]
fn aes_without_a_key_length_is_passed_over_and_the_rest_is_taken() {
    let mut manner = manners::windows();
    let sa = manner.offer1.as_mut().expect("an offer");
    for t in sa.proposals.iter_mut().flat_map(|p| &mut p.transforms).take(2) {
        t.attributes.retain(|a| a.kind != 14);
    }
    let (mut w, c) = connected(false, manner);
    assert!(w.reaches(c) && says(&w, c, "Aes256 Sha1 Modp2048"), "{}", w.story(c));
}

#[test]
fn vendor_ids_of_any_length_are_ignored_and_a_dozen_is_not_too_many() {
    let mut manner = manners::apple();
    for length in [0, 1, 4, 8, 15, 17, 64, 256] {
        manner.vendor_ids.insert(0, vec![0xa5; length]);
    }
    for n in 0..12 {
        manner.vendor_ids.insert(0, vec![n; 16]);
    }
    let (mut w, c) = connected(true, manner);
    assert!(w.reaches(c), "{}", w.story(c));
}

#[test]
fn apple_ignores_a_message_2_that_holds_more_than_sa_and_vendor_ids() {
    for message in FIRST_MESSAGES {
        let mut w = World::new(config(2, &[]), 1);
        let answer = answers(&mut w, "192.0.2.1:500", &fixture(message));
        let all = payloads(&answer[0].bytes);
        assert_eq!(all[0].0, PayloadType::Sa, "{message}");
        assert!(all[1..].iter().all(|(kind, _)| *kind == PayloadType::VendorId), "{message}: {all:?}");
    }
}

#[test]
fn windows_fails_on_vendor_ids_that_it_did_not_send() {
    for message in FIRST_MESSAGES {
        let mut w = World::new(config(2, &[]), 1);
        let answer = answers(&mut w, "192.0.2.1:500", &fixture(message));
        let sent = sim::fixture::vendor_ids(&payloads(&fixture(message)));
        let answered = sim::fixture::vendor_ids(&payloads(&answer[0].bytes));
        let known = |id: &Vec<u8>| sent.iter().any(|s| s.get(..16) == id.get(..16));
        assert!(answered.iter().all(known), "{message}: {answered:02x?}");
        assert!(answered.len() <= 3, "{message}: {answered:02x?}");
        // Who takes part in dead peer detection is told that we do (RFC 3706 §5.1).
        let has_dpd = |ids: &[Vec<u8>]| ids.iter().any(|id| id.starts_with(&vendor::DPD));
        assert_eq!(has_dpd(&answered), has_dpd(&sent), "{message}");
        assert!(answer[0].bytes.len() <= fixture(message).len(), "{message}");
    }
}

#[test]
fn apple_behind_a_nat_is_told_of_rfc_3947_and_of_none_of_its_drafts() {
    for message in ["apple/mm1", "apple/mm1-2011"] {
        let mut w = World::new(config(2, &[]), 1);
        let answer = answers(&mut w, "192.0.2.1:500", &fixture(message));
        let ids = sim::fixture::vendor_ids(&payloads(&answer[0].bytes));
        assert!(ids.contains(&vendor::NAT_T_RFC3947.to_vec()));
        let drafts = sim::fixture::vendor_ids(&payloads(&fixture(message)))[1..10].to_vec();
        assert!(!ids.iter().any(|id| drafts.contains(id)), "{ids:02x?}");
    }
    // One that knows a draft only is served by its numbers.
    for id in [vendor::NAT_T_DRAFT_03, vendor::NAT_T_DRAFT_02, vendor::NAT_T_DRAFT_02_NEWLINE] {
        let (mut w, c) = connected(true, Manner { vendor_ids: vec![id.to_vec()], ..Manner::default() });
        assert!(w.reaches(c) && says(&w, c, "NatOaDraft"), "{}", w.story(c));
    }
}

#[test]
fn a_message_1_repeated_from_another_port_is_the_same_exchange() {
    let mut w = World::new(config(2, &[]), 1);
    let one = answers(&mut w, "192.0.2.1:500", &fixture("windows/mm1"));
    let two = answers(&mut w, "192.0.2.1:31337", &fixture("windows/mm1"));
    assert_eq!(one[0].bytes, two[0].bytes);
    assert_eq!(two[0].to.port(), 31337);
    assert_eq!(w.engine.half_open(), 1);
}

#[test]
fn two_messages_1_with_different_cookies_within_a_second_are_two_exchanges() {
    let mut w = World::new(config(2, &[]), 1);
    let c = w.add(manners::windows());
    w.dial(c);
    w.run_for(Duration::from_millis(30));
    // The second attempt: the first one's answer must not be lost by it.
    w.inject(datagram("100.64.0.10:500", &fixture("windows/mm1")));
    assert_eq!(w.engine.half_open(), 2);
    assert!(w.run_until(seconds(10), |w| w.peers[c].is_up()), "{}", w.story(c));
}

#[test]
fn nonces_of_8_to_256_octets_are_taken() {
    for length in [8, 16, 48, 256] {
        let (mut w, c) = connected(false, Manner { nonces: (length, length), ..Manner::default() });
        assert!(w.reaches(c), "{length}");
    }
}

#[test]
fn a_nonce_of_7_or_257_octets_is_refused_in_either_phase() {
    for nonces in [(7, 32), (257, 32), (32, 7), (32, 257)] {
        let mut w = World::new(config(2, &[]), 1);
        let c = w.add(Manner { nonces, ..Manner::default() });
        w.dial(c);
        w.run_for(seconds(30));
        assert!(!w.peers[c].is_up() && w.routes.is_empty(), "{nonces:?}:\n{}", w.story(c));
        assert!(w.told("the nonce is not 8 to 256 octets long"), "{nonces:?}:\n{}", w.log().join("\n"));
    }
}

#[test]
fn an_exchange_keeps_its_type() {
    let mut w = World::new(config(2, &[]), 1);
    let c = w.add(Manner::default());
    // Message 3, and all after it, as if they were of Aggressive Mode.
    w.peers[c].set_tamper(Some(Box::new(|layer, octets| {
        if layer == Layer::Isakmp && octets[8..16] != [0; 8] {
            octets[18] = 4;
        }
    })));
    w.dial(c);
    w.run_for(seconds(10));
    assert!(says(&w, c, "<- main mode 2") && !says(&w, c, "<- main mode 4"), "{}", w.story(c));
}

#[test]
fn each_exchange_has_a_cookie_and_a_nonce_of_its_own() {
    let mut w = World::new(config(4, &[]), 1);
    w.watch = true;
    let all = [w.add(Manner::default()), w.add(Manner::default())];
    all.iter().for_each(|c| w.dial(*c));
    assert!(w.run_until(seconds(20), |w| w.peers.iter().all(sim::Peer::is_up)), "{}", w.log().join("\n"));
    for c in all {
        w.act(c, |p, now| p.rekey_ike(now));
    }
    w.run_for(seconds(5));
    let (mut cookies, mut nonces) = (std::collections::BTreeSet::new(), vec![]);
    for crossing in w.crossings.iter().filter(|x| x.way != Way::ToServer && x.packet.is_isakmp()) {
        let bytes = crossing.packet.bytes.strip_prefix(&[0; 4]).unwrap_or(&crossing.packet.bytes);
        let (header, _) = Header::decode(bytes).expect("an ISAKMP message");
        if header.exchange != ExchangeType::MainMode || header.flags.has(Flags::ENCRYPTION) {
            continue;
        }
        assert_eq!((header.version, header.flags, header.message_id), (0x10, Flags(0), 0));
        cookies.insert(header.responder);
        nonces.extend(payloads(bytes).into_iter().filter(|(kind, _)| *kind == PayloadType::Nonce).map(|p| p.1));
    }
    assert_eq!((cookies.len(), nonces.len()), (4, 4));
    nonces.sort();
    nonces.dedup();
    assert_eq!(nonces.len(), 4);
}

#[test]
fn a_certificate_request_disturbs_nothing() {
    let mut w = World::new(config(2, &[]), 1);
    let c = w.add_natted(true, Manner { fragment: None, ..Manner::default() });
    // Behind the last payload of messages 1 and 3.
    w.peers[c].set_tamper(Some(Box::new(|layer, octets| {
        if layer != Layer::Isakmp || octets[19] & 1 != 0 {
            return;
        }
        let mut at = 28;
        while octets[at] != 0 {
            at += usize::from(u16::from_be_bytes([octets[at + 2], octets[at + 3]]));
        }
        octets[at] = 7;
        octets.extend([0, 0, 0, 5, 4]);
        let length = u32::try_from(octets.len()).expect("a short message").to_be_bytes();
        octets[24..28].copy_from_slice(&length);
    })));
    w.dial(c);
    assert!(w.run_until(seconds(20), |w| w.peers[c].is_up()), "{}", w.story(c));
    w.peers[c].set_tamper(None);
    assert!(w.reaches(c));
}

#[test]
fn a_first_message_of_another_version_exchange_or_length_is_not_answered() {
    let whole = fixture("windows/mm1");
    assert_eq!(answers(&mut World::new(config(2, &[]), 1), "192.0.2.1:500", &whole).len(), 1);
    // The octets of version, exchange and length in the header; Quick Mode and New Group Mode begin no phase 1.
    for (at, value) in [(17, 0x00), (17, 0x20), (18, 32), (18, 33), (18, 0), (27, whole[27].wrapping_add(1)), (27, 20)]
    {
        let mut w = World::new(config(2, &[]), 1);
        let mut bytes = whole.clone();
        bytes[at] = value;
        if (at, value) == (27, 20) {
            (bytes[24], bytes[25], bytes[26]) = (0, 0, 0);
        }
        assert_eq!(answers(&mut w, "192.0.2.1:500", &bytes), [], "octet {at} is {value}");
        assert_eq!(w.engine.half_open(), 0);
    }
}

#[test]
fn rubbish_in_message_5_is_told_as_a_wrong_key_and_ends_nothing() {
    for manner in manners::all() {
        let (mut w, c) = connected(true, manner.clone());
        // Somebody with a wrong key behind the same NAT.
        let other = w.add_behind(0, Manner { psk: b"sim-pks".to_vec(), ..manner.clone() });
        w.dial(other);
        assert_eq!(w.traffic(c, seconds(1), seconds(100)), 0, "{}:\n{}", manner.name, w.story(c));
        assert!(w.told("wrong pre-shared key from 203.0.113.200"), "{}:\n{}", manner.name, w.story(other));
        assert!(!w.told("Disconnected"), "{}:\n{}", manner.name, w.story(c));
    }
}

#[test]
fn random_octets_behind_the_last_payload_are_not_looked_at() {
    for manner in manners::all() {
        let manner = Manner { random_padding: true, ..manner };
        let (mut w, c) = connected(true, manner);
        w.act(c, |p, now| p.rekey_ike(now));
        w.run_for(seconds(5));
        w.act(c, |p, now| p.delete_these(&[1, 2], now));
        assert_eq!(w.traffic(c, Duration::from_millis(100), seconds(2)), 0, "{}", w.story(c));
    }
}

#[test]
fn initial_contact_comes_in_three_places_and_reaches_nobody_else_behind_the_nat() {
    for manner in [manners::apple(), manners::android_4(), manners::windows()] {
        let mut w = World::new(config(4, &[]), 1);
        let nat = w.add_nat();
        let one = w.add_behind(nat, manner.clone());
        let two = w.add_behind(nat, Manner { user: "second".into(), password: "Second-2".into(), ..manner.clone() });
        w.connect(one);
        w.connect(two);
        assert!(w.reaches(one) && w.reaches(two), "{}:\n{}", manner.name, w.story(one));
        // From the port of one that has vanished, it ends what was there.
        let again = w.replace_in_place(one, manner.clone());
        w.dial(again);
        assert!(w.run_until(seconds(20), |w| w.peers[again].is_up()), "{}:\n{}", manner.name, w.story(again));
        assert_eq!(w.lines("Disconnected").len(), 1, "{}", manner.name);
        assert!(w.reaches(again) && w.reaches(two), "{}:\n{}", manner.name, w.story(two));
    }
}

#[test]
fn identities_that_thousands_share_are_keys_to_nothing() {
    // All have the same inner address, user and password, each behind a NAT of its own and all behind one.
    let mut w = World::new(config(12, &[]), 1);
    let nat = w.add_nat();
    let all: Vec<usize> = (0..10)
        .map(|n| {
            let nat = if n % 2 == 0 { nat } else { w.add_nat() };
            w.add_behind(nat, manners::windows())
        })
        .collect();
    all.iter().for_each(|c| w.dial(*c));
    assert!(w.run_until(seconds(30), |w| w.peers.iter().all(sim::Peer::is_up)), "{}", w.log().join("\n"));
    assert_eq!(w.routes.len(), 10);
    assert!(all.iter().all(|c| w.reaches(*c)));
}

#[test]
fn an_identity_may_name_17_and_500_or_0_and_0_or_17_and_0() {
    for identity in [(17, 500), (0, 0), (17, 0)] {
        let (mut w, c) = connected(true, Manner { identity, ..Manner::default() });
        assert!(w.reaches(c), "{identity:?}");
    }
}

#[test]
fn message_6_names_the_address_that_was_dialled() {
    for manner in manners::all() {
        let (w, c) = connected(true, manner);
        assert!(says(&w, c, "main mode 6: ID is the address dialled"), "{}", w.story(c));
    }
}

#[test]
fn the_float_to_4500_comes_from_a_port_that_has_nothing_to_do_with_the_old_one() {
    for manner in manners::all() {
        let mut w = World::new(config(4, &[]), 1);
        let c = w.add_natted(true, manner);
        w.watch = true;
        w.connect(c);
        let mut ports: Vec<u16> =
            w.crossings.iter().filter(|x| x.way == Way::ToServer).map(|x| x.packet.from.port()).collect();
        ports.dedup();
        assert_eq!(ports.len(), 2, "{ports:?}");
        assert_eq!(w.engine.client_ids().count(), 1);
    }
}

#[test]
fn a_client_on_4500_that_is_behind_no_nat_is_believed_its_hash() {
    for manner in manners::all() {
        let (mut w, c) = connected(false, Manner { pretends_nat: true, ..manner });
        assert!(says(&w, c, "in UDP") && w.reaches(c), "{}", w.story(c));
    }
}

#[test]
fn repeats_are_answered_from_the_store_and_hit_no_limit() {
    let mut w = World::new(config(2, &[]), 1);
    let bytes = fixture("android/mm1-l2tp-4.0");
    let first = answers(&mut w, "192.0.2.1:500", &bytes);
    for _ in 0..10 {
        w.run_for(seconds(3));
        assert_eq!(answers(&mut w, "192.0.2.1:500", &bytes), first);
    }
    assert_eq!(w.engine.half_open(), 1);
    assert_eq!(w.lines("respond ISAKMP phase").len(), 1);
}

#[test]
fn windows_is_not_asked_by_r_u_there_since_it_does_not_answer() {
    let lines = ["tunnel select 1\n ipsec ike keepalive use 1 on dpd 10 3\n tunnel select none"];
    for manner in [manners::windows(), manners::windows_7()] {
        let (mut w, c) = connected_in(World::new(config(2, &lines), 1), true, manner);
        w.run_for(seconds(600));
        assert!(w.reaches(c), "{}", w.story(c));
        assert!(!says(&w, c, "RUThere"), "{}", w.story(c));
    }
    // One that has announced it is asked.
    let (mut w, c) = connected_in(World::new(config(2, &lines), 1), true, manners::apple());
    w.run_for(seconds(60));
    assert!(says(&w, c, "RUThere"), "{}", w.story(c));
}

#[test]
fn no_common_proposal_is_told_at_once_for_apples_next_try_with_another_group() {
    let mut w = World::new(config(2, &["ipsec ike refuse modp2048 modp1536 modp1024"]), 1);
    let c = w.add(manners::apple());
    w.dial(c);
    w.run_for(Duration::from_millis(30));
    assert!(says(&w, c, &format!("{:?}", NotifyType::NoProposalChosen)), "{}", w.story(c));
}

#[test]
fn an_initial_contact_that_a_quick_mode_has_overtaken_ends_nothing_of_its_own_phase_1() {
    for manner in [manners::android_2(), manners::android_4(), manners::android_11()] {
        let mut w = World::new(config(4, &[]), 1);
        let c = w.add_natted(true, manner.clone());
        w.dial(c);
        let held = std::rc::Rc::new(core::cell::RefCell::new(None));
        let keep = held.clone();
        assert!(w.run_until(seconds(5), |w| says(w, c, "-> main mode 5")), "{}", w.story(c));
        // The next message of the client is the INITIAL-CONTACT: message 5 has set out already.
        w.filter = Some(Box::new(move |way, p| {
            let first = way == Way::ToServer && p.is_isakmp() && keep.borrow().is_none();
            if first {
                *keep.borrow_mut() = Some(p.clone());
            }
            first
        }));
        assert!(w.run_until(seconds(5), |w| says(w, c, "-> Sccrq")), "{}", w.story(c));
        let late = held.borrow_mut().take().expect("the INITIAL-CONTACT");
        w.filter = None;
        w.inject(late);
        assert!(w.run_until(seconds(5), |w| w.peers[c].is_up()), "{}:\n{}", manner.name, w.story(c));
        assert!(w.reaches(c), "{}:\n{}", manner.name, w.story(c));
    }
}

//! Informational exchanges and dead peer detection, message by message.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use super::*;
use crate::ike::keys::Ingredients;
use crypto::{Group, Hash, IkeCipher, Secret};
use std::collections::BTreeSet;
use wire::isakmp::{
    Attribute, AttributeValue, Notification, NotifyType, Proposal, Protocol, SecurityAssociation, Transform, chain,
};

const COOKIES: Cookies = Cookies { initiator: [1; 8], responder: [2; 8] };
const NOW: Instant = Instant(0);

fn sa() -> Sa {
    let shared = Secret::new(vec![5; 32]);
    let keys = Keys::derive(
        b"psk",
        &Ingredients {
            hash: Hash::Sha256,
            cipher: IkeCipher::Aes128,
            cookies: COOKIES,
            nonces: (&[3; 16], &[4; 16]),
            publics: (&[6; 32], &[7; 32]),
            shared: &shared,
        },
    );
    let life = Duration::from_secs(28_800);
    let chosen = Phase1 { cipher: IkeCipher::Aes128, hash: Hash::Sha256, group: Group::Modp2048, life };
    let place = "192.0.2.1:4500".parse().unwrap();
    Sa::new(Birth {
        cookies: COOKIES,
        endpoint: Endpoint { local: place, peer: place },
        keys,
        last_block: vec![9; 16],
        chosen,
        offer: vec![],
        natt: None,
        found: Found::default(),
        dpd: true,
        fragments: false,
        truncates: false,
        identity: (1, vec![]),
        aggressive: false,
        last_request: vec![],
        last_reply: vec![],
        now: NOW,
    })
}

fn note(kind: NotifyType, sequence: u32) -> Vec<u8> {
    let spi = [COOKIES.initiator, COOKIES.responder].concat();
    let data = sequence.to_be_bytes().to_vec();
    Notification { doi: 1, protocol: Protocol::Isakmp, spi, kind, data }.encode()
}

/// Has the SA take a message; what it sends for it.
fn hand(sa: &mut Sa, bytes: &[u8]) -> Result<Vec<Vec<u8>>, Refusal> {
    hand_behind(sa, bytes, false)
}

fn hand_behind(sa: &mut Sa, bytes: &[u8], nat: bool) -> Result<Vec<Vec<u8>>, Refusal> {
    let none = BTreeSet::new();
    let wanted =
        proposal::Wanted { refused: &none, preferred: None, udp: nat, may_udp: false, udp_mode: 4, strict: None };
    let policy = Policy { wanted, served: Ok(()), longest: (None, None), spi: 1000, ticket: 1, tells: true };
    let (header, body) = Header::decode(bytes).unwrap();
    let message = Message { header: &header, body, datagram: bytes, endpoint: sa.endpoint };
    let mut out = vec![];
    sa.handle(message, &policy, &mut Rng::new([8; 32]), NOW, &mut out)?;
    Ok(out.into_iter().filter_map(|o| if let Output::Send(bytes) = o { Some(bytes) } else { None }).collect())
}

/// A message of ours opened: the notification in it. It is under the cipher, and its hash is right.
fn opened(sa: &Sa, bytes: &[u8]) -> Notification {
    let (header, body) = Header::decode(bytes).unwrap();
    assert_eq!((header.exchange, header.version, header.flags), (ExchangeType::Informational, 0x10, Flags::ENCRYPTION));
    assert_eq!((header.initiator.0, header.responder.0), (COOKIES.initiator, COOKIES.responder), "whoever begins");
    assert_ne!(header.message_id, 0);
    let iv = sa.keys.exchange_iv(&sa.last_block, header.message_id);
    assert!(informational::read(&sa.keys, &header, body, &iv).is_ok());
    let (plain, _) = sa.keys.decrypt(body, &iv).unwrap();
    let payloads = chain(header.next, &plain).unwrap();
    assert_eq!(payloads.iter().map(|p| p.kind).collect::<Vec<_>>(), [PayloadType::Hash, PayloadType::Notification]);
    Notification::decode(payloads[1].body).unwrap()
}

#[test]
fn an_r_u_there_is_answered_with_its_number_and_in_the_form_of_the_rfc() {
    let mut sa = sa();
    for sequence in [0, 7, 7, u32::MAX] {
        let asked =
            sa.informational(PayloadType::Notification, note(NotifyType::RUThere, sequence), &mut Rng::new([1; 32]));
        let sent = hand(&mut sa, &asked).unwrap();
        let ack = opened(&sa, &sent[0]);
        assert_eq!((sent.len(), ack.kind, ack.protocol, ack.doi), (1, NotifyType::RUThereAck, Protocol::Isakmp, 1));
        assert_eq!(ack.spi, [COOKIES.initiator, COOKIES.responder].concat());
        assert_eq!(ack.data, sequence.to_be_bytes());
    }
}

#[test]
fn dead_peer_detection_in_the_clear_is_refused() {
    let mut sa = sa();
    let _ = sa.probe(&mut Rng::new([1; 32]));
    let sequence = sa.probe_sequence;
    for kind in [NotifyType::RUThere, NotifyType::RUThereAck] {
        let rest = encode_chain(&[(PayloadType::Notification, note(kind, sequence))]);
        let hash = sa.keys.message_hash(&[&77u32.to_be_bytes(), &rest]);
        let body = encode_chain(&[(PayloadType::Hash, hash), (PayloadType::Notification, note(kind, sequence))]);
        let mut bytes = encrypted(&COOKIES, ExchangeType::Informational, 77, PayloadType::Hash, &body);
        bytes[19] = 0;
        assert!(hand(&mut sa, &bytes).is_err());
    }
    assert!(sa.probe.is_some(), "nothing was proved");
}

#[test]
fn nat_oa_goes_both_ways_with_udp_and_not_without() {
    for (nat, mode) in [(true, 4), (false, 2)] {
        let mut sa = sa();
        sa.natt = Some(Variant::Rfc3947);
        let short = |kind, value| Attribute { kind, value: AttributeValue::Short(value) };
        let transform = Transform { number: 1, id: 12, attributes: vec![short(4, mode), short(6, 128), short(5, 2)] };
        let proposal =
            Proposal { number: 1, protocol: Protocol::Esp, spi: vec![1, 2, 3, 4], transforms: vec![transform] };
        let offer = SecurityAssociation { doi: 1, situation: 1, proposals: vec![proposal] };
        let rest = [(PayloadType::Sa, offer.encode()), (PayloadType::Nonce, vec![5; 16])];
        let hash = sa.keys.message_hash(&[&77u32.to_be_bytes(), &encode_chain(&rest)]);
        let mut iv = sa.keys.exchange_iv(&sa.last_block, 77);
        let chained = encode_chain(&[&[(PayloadType::Hash, hash)], &rest[..]].concat());
        let sealed = sa.keys.encrypt(chained, &mut iv);
        let asked = encrypted(&COOKIES, ExchangeType::QuickMode, 77, PayloadType::Hash, &sealed);
        let sent = hand_behind(&mut sa, &asked, nat).unwrap();
        let (header, body) = Header::decode(&sent[0]).unwrap();
        let (plain, _) = sa.keys.decrypt(body, &iv).unwrap();
        let payloads = chain(header.next, &plain).unwrap();
        assert_eq!(payloads.iter().take(2).map(|p| p.kind).collect::<Vec<_>>(), [PayloadType::Hash, PayloadType::Sa]);
        let addresses: Vec<&[u8]> = payloads.iter().filter(|p| p.kind == PayloadType::NatOa).map(|p| p.body).collect();
        // The client's address and ours, each of kind 1 with reserved octets of 0.
        let expected = [&[1, 0, 0, 0, 192, 0, 2, 1][..]; 2];
        assert_eq!(addresses, expected[..if nat { 2 } else { 0 }]);
    }
}

#[test]
fn quick_mode_in_the_clear_is_refused() {
    let mut sa = sa();
    let mut bytes = encrypted(&COOKIES, ExchangeType::QuickMode, 5, PayloadType::Hash, &[0; 32]);
    bytes[19] = 0;
    assert_eq!(hand(&mut sa, &bytes), Err(Refusal::Unacceptable("Quick Mode in the clear")));
}

#[test]
fn our_probes_begin_at_a_random_number_below_half_and_count_on_with_each_answer() {
    let mut firsts = BTreeSet::new();
    for seed in 0..8 {
        let mut sa = sa();
        let mut rng = Rng::new([seed; 32]);
        let mut last = None;
        for _ in 0..3 {
            let bytes = sa.probe(&mut rng);
            let sent = opened(&sa, &bytes);
            assert_eq!((sent.kind, sent.protocol), (NotifyType::RUThere, Protocol::Isakmp));
            assert_eq!(sent.spi, [COOKIES.initiator, COOKIES.responder].concat());
            let number = u32::from_be_bytes(sent.data.try_into().unwrap());
            match last {
                None => assert!(firsts.insert(number) && number <= 1 << 31),
                Some(last) => assert_eq!(number, last + 1),
            }
            last = Some(number);
            // The answer to another number is none.
            for (answer, is_heard) in [(number.wrapping_add(1), false), (number, true)] {
                let ack = sa.informational(PayloadType::Notification, note(NotifyType::RUThereAck, answer), &mut rng);
                hand(&mut sa, &ack).unwrap();
                assert_eq!(sa.probe.is_none(), is_heard);
            }
        }
    }
}

#[test]
fn no_message_id_is_that_of_an_exchange_that_runs() {
    let mut sa = sa();
    let taken = Rng::new([3; 32]).u32();
    let first = sa.informational(PayloadType::Notification, vec![0; 8], &mut Rng::new([3; 32]));
    assert_eq!(Header::decode(&first).unwrap().0.message_id, taken);
    let terms = Terms {
        suite: crypto::esp::Suite { cipher: crypto::esp::EspCipher::Aes128, auth: crypto::esp::EspAuth::HmacSha1_96 },
        transform: (12, vec![]),
        pfs: None,
        life: Duration::from_secs(60),
        kilobytes: None,
        words: String::new(),
        udp: false,
        udp_mode: 4,
    };
    let retry = Retry { first: Duration::from_secs(1), factor: 2, cap: Duration::from_secs(8), tries: 3 };
    sa.start_quick((&terms, &[]), sa.endpoint, (1000, 1, retry), &mut Rng::new([3; 32]), NOW, &mut vec![]);
    assert!(sa.started.contains_key(&taken));
    let next = sa.informational(PayloadType::Notification, vec![0; 8], &mut Rng::new([3; 32]));
    assert_ne!(Header::decode(&next).unwrap().0.message_id, taken);
}

#[test]
fn main_mode_and_unknown_exchanges_do_nothing_within_an_sa() {
    let mut sa = sa();
    for (exchange, is_refused) in [
        (ExchangeType::MainMode, false),
        (ExchangeType::Aggressive, false),
        (ExchangeType::NewGroupMode, true),
        (ExchangeType::Transaction, true),
        (ExchangeType::Unknown(99), true),
    ] {
        let bytes = encrypted(&COOKIES, exchange, 5, PayloadType::Hash, &[0; 32]);
        match hand(&mut sa, &bytes) {
            Ok(sent) => assert!(sent.is_empty() && !is_refused, "{exchange:?}"),
            Err(refusal) => assert!(is_refused, "{exchange:?}: {refusal:?}"),
        }
    }
    let zero = encrypted(&COOKIES, ExchangeType::QuickMode, 0, PayloadType::Hash, &[0; 32]);
    assert!(hand(&mut sa, &zero).is_err(), "phase 2 has a message id");
}

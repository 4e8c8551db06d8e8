//! Whatever is written is read back as it was, and whatever can be read is written again to the same meaning.
#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use wire::isakmp::{
    self, Attribute, AttributeValue, Cookie, Flags, PayloadType, Proposal, SecurityAssociation, Transform,
};
use wire::{ip, l2tp, ppp};

fn octets(most: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..=most)
}

fn attribute() -> impl Strategy<Value = Attribute> {
    let value = prop_oneof![any::<u16>().prop_map(AttributeValue::Short), octets(12).prop_map(AttributeValue::Long)];
    (0..0x8000_u16, value).prop_map(|(kind, value)| Attribute { kind, value })
}

fn transform() -> impl Strategy<Value = Transform> {
    (any::<u8>(), any::<u8>(), vec(attribute(), 0..8)).prop_map(|(number, id, attributes)| Transform {
        number,
        id,
        attributes,
    })
}

fn proposal() -> impl Strategy<Value = Proposal> {
    (any::<u8>(), any::<u8>(), octets(16), vec(transform(), 0..6))
        .prop_map(|(number, protocol, spi, transforms)| Proposal { number, protocol: protocol.into(), spi, transforms })
}

fn avp() -> impl Strategy<Value = l2tp::Avp> {
    let vendor = prop_oneof![3 => Just(0_u16), 1 => any::<u16>()];
    (any::<bool>(), any::<bool>(), vendor, 0..60_u16, octets(40)).prop_map(
        |(mandatory, hidden, vendor, kind, value)| {
            let kind = if vendor == 0 { kind.into() } else { l2tp::AvpType::Unknown(kind) };
            l2tp::Avp { mandatory, hidden, vendor, kind, value }
        },
    )
}

proptest! {
    #[test]
    fn isakmp_messages(
        initiator: [u8; 8], responder: [u8; 8], exchange: u8, flags: u8, message_id: u32,
        payloads in vec((1..=u8::MAX, octets(60)), 0..=isakmp::MAX_PAYLOADS), padding in octets(20),
    ) {
        let payloads: Vec<_> = payloads.into_iter().map(|(kind, body)| (PayloadType::from(kind), body)).collect();
        let mut body = isakmp::encode_chain(&payloads);
        body.extend_from_slice(&padding);
        let header = isakmp::Header {
            initiator: Cookie(initiator), responder: Cookie(responder),
            next: payloads.first().map_or(PayloadType::None, |(kind, _)| *kind),
            version: isakmp::Header::VERSION, exchange: exchange.into(), flags: Flags(flags), message_id,
            length: u32::try_from(body.len() + 28).unwrap(),
        };
        let message = header.encode(&body);
        let (again, body_again) = isakmp::Header::decode(&message).unwrap();
        prop_assert_eq!(again, header);
        let chain = isakmp::chain(again.next, body_again).unwrap();
        let chain: Vec<_> = chain.iter().map(|raw| (raw.kind, raw.body.to_vec())).collect();
        prop_assert_eq!(chain, payloads);
    }

    #[test]
    fn security_associations(doi: u32, proposals in vec(proposal(), 1..5)) {
        let sa = SecurityAssociation { doi, situation: 1, proposals };
        prop_assert_eq!(SecurityAssociation::decode(&sa.encode()).unwrap(), sa);
    }

    #[test]
    fn identifications(kind: u8, protocol: u8, port: u16, data in octets(40)) {
        let value = isakmp::Identification { kind: kind.into(), protocol, port, data };
        prop_assert_eq!(isakmp::Identification::decode(&value.encode()).unwrap(), value);
    }

    #[test]
    fn notifications(doi: u32, protocol: u8, spi in octets(255), kind: u16, data in octets(40)) {
        let value = isakmp::Notification { doi, protocol: protocol.into(), spi, kind: kind.into(), data };
        prop_assert_eq!(isakmp::Notification::decode(&value.encode()).unwrap(), value);
    }

    #[test]
    fn deletes(doi: u32, protocol: u8, spis in (1..20_usize).prop_flat_map(|size| vec(vec(any::<u8>(), size), 0..20))) {
        let value = isakmp::Delete { doi, protocol: protocol.into(), spis };
        prop_assert_eq!(isakmp::Delete::decode(&value.encode()).unwrap(), value);
    }

    #[test]
    fn nat_original_addresses(kind: u8, data in octets(16)) {
        let value = isakmp::NatOa { kind: kind.into(), data };
        prop_assert_eq!(isakmp::NatOa::decode(&value.encode()).unwrap(), value);
    }

    #[test]
    fn isakmp_fragments(id: u16, number: u8, last: bool, data in octets(100)) {
        let value = isakmp::Fragment { id, number, last, data };
        prop_assert_eq!(isakmp::Fragment::decode(&value.encode()).unwrap(), value);
    }

    #[test]
    fn l2tp_control_messages(
        tunnel_id: u16, session_id: u16, ns: u16, nr: u16, avps in vec(avp(), 0..=l2tp::MAX_AVPS),
    ) {
        let payload = l2tp::encode_avps(&avps);
        let header = l2tp::Header {
            control: true, length: Some(u16::try_from(payload.len() + 12).unwrap()), tunnel_id, session_id,
            ns: Some(ns), nr: Some(nr), offset: None, priority: false,
        };
        let message = header.encode(&payload);
        prop_assert_eq!(&message[..2], &[0xc8, 0x02]);
        let (again, payload_again) = l2tp::Header::decode(&message).unwrap();
        prop_assert_eq!(again, header);
        prop_assert_eq!(l2tp::decode_avps(payload_again).unwrap(), avps);
    }

    #[test]
    fn l2tp_data_messages(
        tunnel_id: u16, session_id: u16, sequence: Option<(u16, u16)>, offset in option::of(0..30_u16),
        with_length: bool, priority: bool, payload in octets(100),
    ) {
        let mut header = l2tp::Header {
            control: false, length: with_length.then_some(0), tunnel_id, session_id,
            ns: sequence.map(|pair| pair.0), nr: sequence.map(|pair| pair.1), offset, priority,
        };
        let message = header.encode(&payload);
        header.length = header.length.map(|_| u16::try_from(message.len()).unwrap());
        let (again, payload_again) = l2tp::Header::decode(&message).unwrap();
        prop_assert_eq!(again, header);
        prop_assert_eq!(payload_again, payload);
    }

    #[test]
    fn l2tp_result_codes(result in 1..=255_u16, error: u16, message in "[a-zA-Z0-9 é]{0,40}") {
        let value = l2tp::ResultCode { result, error: Some(error), message };
        prop_assert_eq!(l2tp::ResultCode::decode(&value.encode()).unwrap(), value);
    }

    #[test]
    fn ppp_packets(protocol in 0..0x80_u16, code: u8, id: u8, options in vec((any::<u8>(), octets(20)), 0..=64)) {
        let protocol = ppp::Protocol::from(0x8001 | protocol << 1);
        let options: Vec<_> = options.into_iter().map(|(kind, data)| ppp::Opt { kind, data }).collect();
        let packet = ppp::Packet::encode(code.into(), id, &ppp::encode_options(&options));
        let frame = ppp::encode_frame(protocol, &packet);
        let (protocol_again, payload) = ppp::decode_frame(&frame).unwrap();
        prop_assert_eq!(protocol_again, protocol);
        let packet = ppp::Packet::decode(payload).unwrap();
        prop_assert_eq!((u8::from(packet.code), packet.id), (code, id));
        prop_assert_eq!(ppp::decode_options(packet.data).unwrap(), options);
    }

    #[test]
    fn pap_and_chap_values(name in octets(255), secret in octets(255)) {
        let pap = ppp::PapRequest { name: name.clone(), password: secret.clone() };
        prop_assert_eq!(ppp::PapRequest::decode(&pap.encode()).unwrap(), pap);
        let reply = ppp::PapReply { message: name.clone() };
        prop_assert_eq!(ppp::PapReply::decode(&reply.encode()).unwrap(), reply);
        let chap = ppp::ChapValue { value: secret, name };
        prop_assert_eq!(ppp::ChapValue::decode(&chap.encode()).unwrap(), chap);
    }

    #[test]
    fn checksums_agree_with_the_plain_sum_of_words(bytes in octets(2000)) {
        let total: u64 = bytes.chunks(2).map(|pair| {
            u64::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]))
        }).sum();
        let mut folded = total;
        while folded > 0xffff {
            folded = (folded & 0xffff) + (folded >> 16);
        }
        prop_assert_eq!(ip::checksum(&bytes), !u16::try_from(folded).unwrap());
    }

    #[test]
    fn fragments_put_together_are_the_packet(
        options in vec(any::<u8>(), 0..=10), payload in octets(3000), mtu in 68..1500_usize,
    ) {
        let header = ip::ipv4_header([10, 0, 0, 1].into(), [10, 0, 0, 2].into(), 17, payload.len()).unwrap();
        let mut packet = header.to_vec();
        let words = u8::try_from(options.len()).unwrap();
        packet[0] = 0x45 + words;
        packet.extend(options.iter().flat_map(|kind| [*kind, 4, 0, 0]));
        packet.extend_from_slice(&payload);
        let total_len = u16::try_from(packet.len()).unwrap();
        packet[2..4].copy_from_slice(&total_len.to_be_bytes());

        let mut together = Vec::new();
        let mut seen_last = false;
        ip::fragment_ipv4(&packet, mtu, &mut |header, data| {
            let fragment = [header, data].concat();
            assert!(fragment.len() <= mtu && !seen_last);
            let view = ip::Ipv4::new(&fragment).unwrap();
            assert_eq!(view.total_len(), fragment.len());
            assert_eq!(usize::from(view.fragment_offset()) * 8, together.len());
            // A packet that fits is lent as it came, with the checksum it came with.
            assert!(view.has_right_checksum() || packet.len() <= mtu);
            seen_last = !view.more_fragments();
            together.extend_from_slice(view.payload());
        });
        prop_assert!(seen_last);
        prop_assert_eq!(together, payload);
    }

    #[test]
    fn a_clamped_syn_keeps_a_right_checksum(
        before in 0..5_usize, old in 537..=u16::MAX, mss in 536..=u16::MAX, ports: u32, sequence: u32, data in octets(20),
    ) {
        let mut segment = ports.to_be_bytes().to_vec();
        segment.extend_from_slice(&sequence.to_be_bytes());
        segment.extend_from_slice(&[0, 0, 0, 0, 0x80, 0x02, 0xff, 0xff, 0, 0, 0, 0]);
        segment.extend(std::iter::repeat_n(1, before));
        segment.extend_from_slice(&[2, 4]);
        segment.extend_from_slice(&old.to_be_bytes());
        segment.resize(32, 0);
        segment.extend_from_slice(&data);
        let (source, destination) = ([192, 0, 2, 1].into(), [198, 51, 100, 7].into());
        let right = ip::transport_checksum_ipv4(source, destination, ip::TCP, &segment);
        segment[16..18].copy_from_slice(&right.to_be_bytes());
        let header = ip::ipv4_header(source, destination, ip::TCP, segment.len()).unwrap();
        let mut packet = [&header[..], &segment].concat();
        prop_assert_eq!(ip::clamp_mss(&mut packet, mss), old > mss);
        let place = 20 + 20 + before + 2;
        let clamped = u16::from_be_bytes([packet[place], packet[place + 1]]);
        prop_assert_eq!(clamped, old.min(mss));
        prop_assert_eq!(ip::transport_checksum_ipv4(source, destination, ip::TCP, &packet[20..]), 0);
        prop_assert!(!ip::clamp_mss(&mut packet, mss), "a second time there is nothing to do");
    }

    #[test]
    fn whatever_arrives_is_read_without_a_panic(bytes in octets(300), first: u8) {
        let _ = isakmp::Header::decode(&bytes).map(|(header, body)| isakmp::chain(header.next, body).map(|chain| chain.len()));
        let _ = isakmp::chain(first.into(), &bytes).map(|chain| chain.len());
        if let Ok(sa) = SecurityAssociation::decode(&bytes) {
            prop_assert_eq!(SecurityAssociation::decode(&sa.encode()).unwrap(), sa);
        }
        if let Ok(avps) = l2tp::decode_avps(&bytes) {
            prop_assert_eq!(l2tp::decode_avps(&l2tp::encode_avps(&avps)).unwrap().len(), avps.len());
        }
        if let Ok(options) = ppp::decode_options(&bytes) {
            prop_assert_eq!(ppp::encode_options(&options), bytes.clone());
        }
        ip::clamp_mss(&mut bytes.clone(), 500);
        ip::fragment_ipv4(&bytes, 28, &mut |_, _| {});
        let _ = ip::icmp_too_big(&bytes, 1400, [192, 0, 2, 1].into());
    }
}

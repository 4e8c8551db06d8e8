//! Every fixture is read, and written again as it was; cut short anywhere, it is refused without a panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;
use std::path::Path;

use wire::isakmp::{self, PayloadType};
use wire::{esp, ip, l2tp, ppp};

/// What a fixture is, told by its name.
#[derive(Copy, Clone, Debug)]
enum Kind {
    /// An ISAKMP message in the clear.
    Isakmp,
    /// An ISAKMP message of which only the header can be read.
    Encrypted,
    /// Payloads from this kind on, to the last one.
    Payloads(PayloadType),
    /// An SA payload whose next payload is not in the file.
    Sa,
    L2tp,
    Avps,
    Ppp,
}

/// The files of the four clients: name without endings, and octets.
fn fixtures() -> BTreeMap<String, Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    let mut all = BTreeMap::new();
    for client in ["windows", "apple", "android", "linux"] {
        for entry in std::fs::read_dir(root.join(client)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let name = name.strip_suffix(".hex").expect("a fixture's name ends in .hex");
            let name = name.strip_suffix(".constructed").unwrap_or(name);
            let text = std::fs::read_to_string(&path).unwrap();
            let told = text.lines().find_map(|line| line.strip_prefix("# octets: ")).expect("octets are told");
            let octets = unhex(&text);
            assert_eq!(told.parse(), Ok(octets.len()), "{name}");
            all.insert(format!("{client}/{name}"), octets);
        }
    }
    all
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: String = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(digits.is_ascii() && digits.len().is_multiple_of(2));
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

fn fixture(name: &str) -> Vec<u8> {
    fixtures().remove(name).unwrap_or_else(|| panic!("no fixture {name}"))
}

fn kind_of(name: &str) -> Kind {
    match name {
        "android/mm5" | "android/initial-contact" | "android/qm1" | "android/qm3" => Kind::Encrypted,
        "android/mm5-plain" | "linux/strongswan-qm1-ids" => Kind::Payloads(PayloadType::Identification),
        "android/initial-contact-plain" | "android/qm1-plain" | "android/qm3-plain" | "linux/strongswan-qm2-plain" => {
            Kind::Payloads(PayloadType::Hash)
        }
        "apple/mm5-notify" => Kind::Payloads(PayloadType::Notification),
        "linux/strongswan-mm1-sa" | "linux/strongswan-qm1-sa" | "linux/strongswan-qm2-sa" => Kind::Sa,
        "windows/avp-correlation-id" | "linux/xl2tpd-icrq-avps" => Kind::Avps,
        _ if name.contains("qm1-body") => Kind::Payloads(PayloadType::Sa),
        _ if ["/mm", "/aggr", "/strongswan-mm"].iter().any(|part| name.contains(part)) => Kind::Isakmp,
        _ if ["sccrq", "scccn", "icrq", "iccn", "cdn", "stopccn", "hello", "zlb", "data"]
            .iter()
            .any(|part| name.contains(part)) =>
        {
            Kind::L2tp
        }
        _ => Kind::Ppp,
    }
}

/// Reads everything that can be read in the octets; what is read must be written again as it was.
fn read(kind: Kind, bytes: &[u8]) -> Result<(), wire::Error> {
    match kind {
        Kind::Isakmp => {
            let (header, body) = isakmp::Header::decode(bytes)?;
            assert!(!header.flags.has(isakmp::Flags::ENCRYPTION));
            let end = payloads(header.next, body)?;
            assert_eq!(end, body.len(), "nothing stands behind the last payload");
            assert_eq!(header.encode(body), bytes);
        }
        Kind::Encrypted => {
            let (header, body) = isakmp::Header::decode(bytes)?;
            assert!(header.flags.has(isakmp::Flags::ENCRYPTION));
            assert_eq!(body.len() % 16, 0);
            assert_eq!(header.encode(body), bytes);
        }
        Kind::Payloads(first) => {
            payloads(first, bytes)?;
        }
        Kind::Sa => {
            let mut reader = wire::Reader::new("fixture", bytes);
            reader.u16("next payload")?;
            let length = usize::from(reader.u16("length")?);
            let body = reader.take(length - 4, "body")?;
            payload(PayloadType::Sa, body)?;
        }
        Kind::L2tp => {
            let (header, payload) = l2tp::Header::decode(bytes)?;
            assert_eq!(header.encode(payload), bytes);
            if header.control {
                avps(payload)?;
            } else {
                frame(payload)?;
            }
        }
        Kind::Avps => avps(bytes)?,
        Kind::Ppp => frame(bytes)?,
    }
    Ok(())
}

fn payloads(first: PayloadType, bytes: &[u8]) -> Result<usize, wire::Error> {
    let chain = isakmp::chain(first, bytes)?;
    for raw in &chain {
        payload(raw.kind, raw.body)?;
        assert_eq!(&bytes[raw.start + 4..raw.end], raw.body);
    }
    let end = chain.last().map_or(0, |raw| raw.end);
    let again: Vec<_> = chain.iter().map(|raw| (raw.kind, raw.body.to_vec())).collect();
    assert_eq!(isakmp::encode_chain(&again), bytes[..end]);
    Ok(end)
}

fn payload(kind: PayloadType, body: &[u8]) -> Result<(), wire::Error> {
    match kind {
        PayloadType::Sa => assert_eq!(isakmp::SecurityAssociation::decode(body)?.encode(), body),
        PayloadType::Identification => assert_eq!(isakmp::Identification::decode(body)?.encode(), body),
        PayloadType::Notification => assert_eq!(isakmp::Notification::decode(body)?.encode(), body),
        PayloadType::Delete => assert_eq!(isakmp::Delete::decode(body)?.encode(), body),
        PayloadType::NatOa | PayloadType::NatOaDraft => {
            // Only the reserved octets may differ.
            let again = isakmp::NatOa::decode(body)?.encode();
            assert_eq!((again[0], &again[4..]), (body[0], &body[4..]));
        }
        _ => {}
    }
    Ok(())
}

fn avps(bytes: &[u8]) -> Result<(), wire::Error> {
    let avps = l2tp::decode_avps(bytes)?;
    assert_eq!(l2tp::encode_avps(&avps), bytes);
    for avp in avps.iter().filter(|avp| avp.kind == l2tp::AvpType::ResultCode) {
        l2tp::ResultCode::decode(&avp.value)?;
    }
    Ok(())
}

fn frame(bytes: &[u8]) -> Result<(), wire::Error> {
    let (protocol, payload) = ppp::decode_frame(bytes)?;
    assert!(ppp::encode_frame(protocol, payload).ends_with(bytes));
    match protocol {
        ppp::Protocol::Ipv4 => {
            let packet = ip::Ipv4::new(payload);
            if let Some(packet) = packet {
                assert!(packet.has_right_checksum());
                ip::Udp::new(packet.payload()).expect("UDP");
            }
        }
        ppp::Protocol::Chap => {
            let packet = ppp::Packet::decode(payload)?;
            assert_eq!(ppp::Packet::encode(packet.code, packet.id, packet.data), payload);
            assert_eq!(ppp::ChapValue::decode(packet.data)?.encode(), packet.data);
        }
        _ => {
            let packet = ppp::Packet::decode(payload)?;
            assert_eq!(ppp::Packet::encode(packet.code, packet.id, packet.data), payload);
            if packet.code == ppp::Code::ConfigureRequest {
                assert_eq!(ppp::encode_options(&ppp::decode_options(packet.data)?), packet.data);
            }
        }
    }
    Ok(())
}

#[test]
fn every_fixture_is_read_and_written_again() {
    let fixtures = fixtures();
    assert!(fixtures.len() >= 71, "only {} fixtures", fixtures.len());
    for (name, bytes) in fixtures {
        if let Err(error) = read(kind_of(&name), &bytes) {
            panic!("{name} as {:?}: {error}", kind_of(&name));
        }
    }
}

/// Feeds the octets to every decoder there is, whatever they are.
fn read_as_everything(bytes: &[u8]) {
    esp::classify(bytes);
    if let Ok((header, body)) = isakmp::Header::decode(bytes) {
        let _ = isakmp::chain(header.next, body);
    }
    for kind in [PayloadType::Sa, PayloadType::Identification, PayloadType::Hash, PayloadType::Notification] {
        for raw in isakmp::chain(kind, bytes).unwrap_or_default() {
            let _ = isakmp::SecurityAssociation::decode(raw.body);
            let _ = isakmp::Identification::decode(raw.body);
            let _ = isakmp::Notification::decode(raw.body);
            let _ = isakmp::Delete::decode(raw.body);
            let _ = isakmp::NatOa::decode(raw.body);
            let _ = isakmp::Fragment::decode(raw.body);
        }
    }
    let _ = isakmp::SecurityAssociation::decode(bytes.get(4..).unwrap_or(&[]));
    let _ = isakmp::Attribute::decode_all(bytes);
    if let Ok((_, payload)) = l2tp::Header::decode(bytes) {
        let _ = l2tp::decode_avps(payload);
        let _ = ppp::decode_frame(payload);
    }
    let _ = l2tp::decode_avps(bytes);
    let _ = l2tp::ResultCode::decode(bytes);
    if let Ok((_, payload)) = ppp::decode_frame(bytes) {
        let _ = ppp::Packet::decode(payload).map(|packet| ppp::decode_options(packet.data));
        let _ = ppp::PapRequest::decode(payload);
        let _ = ppp::PapReply::decode(payload);
        let _ = ppp::ChapValue::decode(payload);
        ip::clamp_mss(&mut payload.to_vec(), 1000);
        ip::fragment_ipv4(payload, 68, &mut |_, _| {});
        let _ = ip::icmp_too_big(payload, 1400, core::net::Ipv4Addr::LOCALHOST);
    }
}

#[test]
fn no_fixture_cut_short_anywhere_makes_a_decoder_panic() {
    for bytes in fixtures().values() {
        for length in 0..=bytes.len() {
            read_as_everything(&bytes[..length]);
        }
    }
}

#[test]
fn no_fixture_with_one_octet_changed_makes_a_decoder_panic() {
    for bytes in fixtures().values() {
        for at in 0..bytes.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff, bytes[at].wrapping_add(1), bytes[at].wrapping_sub(1)] {
                let mut changed = bytes.clone();
                changed[at] = value;
                read_as_everything(&changed);
            }
        }
    }
}

#[test]
fn a_whole_message_cut_short_is_refused() {
    for (name, bytes) in fixtures() {
        let kind = kind_of(&name);
        let whole = match kind {
            Kind::Isakmp | Kind::Encrypted => true,
            Kind::L2tp => l2tp::Header::decode(&bytes).unwrap().0.length.is_some(),
            Kind::Payloads(_) | Kind::Sa | Kind::Avps | Kind::Ppp => false,
        };
        for length in 0..bytes.len() {
            assert!(!whole || read(kind, &bytes[..length]).is_err(), "{name} cut to {length}");
        }
    }
}

#[test]
fn windows_offers_its_transforms_and_vendor_ids_in_main_mode_1() {
    let bytes = fixture("windows/mm1");
    let (header, body) = isakmp::Header::decode(&bytes).unwrap();
    assert_eq!(header.exchange, isakmp::ExchangeType::MainMode);
    assert!(header.responder.is_zero() && !header.initiator.is_zero());
    let chain = isakmp::chain(header.next, body).unwrap();
    let sa = isakmp::SecurityAssociation::decode(chain[0].body).unwrap();
    assert_eq!((sa.doi, sa.situation, sa.proposals.len()), (1, 1, 1));
    let transforms = &sa.proposals[0].transforms;
    let groups: Vec<_> = transforms
        .iter()
        .map(|transform| transform.attribute(isakmp::IkeAttribute::GroupDescription).unwrap().as_u64().unwrap())
        .collect();
    assert_eq!(groups, [20, 19, 14, 14, 2]);
    let ids: Vec<_> = chain[1..].iter().filter_map(|raw| isakmp::vendor::name(raw.body)).collect();
    assert_eq!(ids.len(), chain.len() - 1, "all vendor ids are known: {ids:?}");
    assert!(ids.contains(&"RFC 3947") && ids.contains(&"MS NT5 ISAKMPOAKLEY"));
}

#[test]
fn racoon_pads_with_random_octets_behind_the_last_payload() {
    let bytes = fixture("android/qm1-plain");
    let chain = isakmp::chain(PayloadType::Hash, &bytes).unwrap();
    let kinds: Vec<_> = chain.iter().map(|raw| u8::from(raw.kind)).collect();
    assert_eq!(kinds, [8, 1, 10, 5, 5], "HASH, SA, NONCE, ID, ID");
    assert!(chain[4].end < bytes.len());
    let sa = isakmp::SecurityAssociation::decode(chain[1].body).unwrap();
    assert_eq!(sa.proposals[0].spi, [0x07, 0x08, 0x83, 0xc2]);
    assert_eq!(sa.proposals[0].transforms.len(), 12);
    let life = sa.proposals[0].transforms[0].attribute(isakmp::IpsecAttribute::LifeDuration).unwrap();
    assert_eq!(life.as_u64(), Some(28800));
}

#[test]
fn apples_result_code_is_read_though_it_is_malformed() {
    for (name, kind, result) in
        [("apple/cdn", l2tp::MessageType::Cdn, 3), ("apple/stopccn", l2tp::MessageType::StopCcn, 1)]
    {
        let bytes = fixture(name);
        let (_, payload) = l2tp::Header::decode(&bytes).unwrap();
        let avps = l2tp::decode_avps(payload).unwrap();
        assert_eq!(avps[0].as_u16().map(l2tp::MessageType::from), Some(kind));
        let code = l2tp::ResultCode::decode(&l2tp::find(&avps, l2tp::AvpType::ResultCode).unwrap().value).unwrap();
        assert_eq!(code, l2tp::ResultCode { result, error: Some(0), message: String::new() });
    }
}

#[test]
fn a_vendors_avp_is_not_taken_for_one_of_the_ietf() {
    let avps = l2tp::decode_avps(&fixture("windows/avp-correlation-id")).unwrap();
    assert_eq!((avps[0].vendor, avps[0].mandatory), (311, false));
    assert_eq!(avps[0].kind, l2tp::AvpType::Unknown(1), "1 would be Result Code");
}

#[test]
fn the_call_that_apple_starts_ipsec_with_has_no_tunnel() {
    let bytes = fixture("apple/hello-trigger");
    let (header, payload) = l2tp::Header::decode(&bytes).unwrap();
    assert_eq!((header.tunnel_id, header.session_id, header.ns, header.nr), (0, 0, Some(0), Some(0)));
    let avps = l2tp::decode_avps(payload).unwrap();
    assert_eq!(avps, [l2tp::Avp::u16(l2tp::AvpType::MessageType, l2tp::MessageType::Hello.into())]);
}

#[test]
fn a_zlb_has_no_avps() {
    let bytes = fixture("linux/xl2tpd-zlb");
    let (header, payload) = l2tp::Header::decode(&bytes).unwrap();
    assert!(header.control && payload.is_empty());
}

#[test]
fn an_android_data_message_has_neither_length_nor_sequence() {
    let bytes = fixture("android/data-lcp-confreq");
    let (header, payload) = l2tp::Header::decode(&bytes).unwrap();
    assert_eq!((header.control, header.length, header.ns, payload.len()), (false, None, None, 28));
    assert_eq!(ppp::decode_frame(payload).unwrap().0, ppp::Protocol::Lcp);
}

#[test]
fn windows_asks_for_its_callback_in_the_last_option() {
    let bytes = fixture("windows/lcp-confreq-1");
    let (protocol, payload) = ppp::decode_frame(&bytes).unwrap();
    assert_eq!(protocol, ppp::Protocol::Lcp);
    let packet = ppp::Packet::decode(payload).unwrap();
    assert_eq!((packet.code, packet.id), (ppp::Code::ConfigureRequest, 1));
    let options = ppp::decode_options(packet.data).unwrap();
    assert_eq!(options.iter().map(|option| option.kind).collect::<Vec<_>>(), [1, 5, 7, 8, 13]);
    assert_eq!(options[4], ppp::Opt { kind: 13, data: vec![6] });
}

#[test]
fn apples_dhcpinform_goes_to_everybody() {
    let bytes = fixture("apple/dhcpinform");
    let (_, payload) = ppp::decode_frame(&bytes).unwrap();
    assert_eq!(payload[0], 0x45);
    let packet = ip::Ipv4::new(payload).unwrap();
    assert!(packet.destination().is_broadcast());
    let udp = ip::Udp::new(packet.payload()).unwrap();
    assert_eq!((udp.source_port, udp.destination_port), (68, 67));
    assert_eq!(ip::icmp_too_big(payload, 1400, packet.source()), None, "a broadcast is not answered");
}

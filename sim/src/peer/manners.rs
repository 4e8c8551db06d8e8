//! The manners of the clients that people have, made of what `fixtures/` holds of them.
//!
//! Where nothing is recorded of a client, its manner follows what is published: for RouterOS, the routers and the
//! Windows clients of other makers that is little, and their attribute orders and vendor IDs are guesses.

use super::manner::{Alphabet, Manner};
use crate::fixture::{avps, bare_avps, bodies, fixture, frame, lone_offer, offer, options, payloads, vendor_ids};
use core::net::Ipv4Addr;
use core::time::Duration;
use std::sync::LazyLock;
use wire::inside::dhcp;
use wire::isakmp::{
    Attribute, AttributeValue, PayloadType, Proposal, Protocol as Security, SecurityAssociation, Transform, vendor,
};
use wire::l2tp::{Avp, AvpType, MessageType, ResultCode};
use wire::ppp::{Opt, Packet, Protocol};

const CHAP_V2: (u16, u8) = (0xc223, 0x81);
const CHAP_V1: (u16, u8) = (0xc223, 0x80);
const CHAP_MD5: (u16, u8) = (0xc223, 5);
const PAP: (u16, u8) = (0xc023, 0);

/// A transform of phase 1 by its numbers: cipher, key bits, hash, group.
type Suite1 = (u16, Option<u16>, u16, u16);
/// A transform of phase 2 by its numbers: cipher, key bits, authentication if the cipher has none of its own.
type Suite2 = (u8, Option<u16>, Option<u16>);

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn short(kind: u16, value: u16) -> Attribute {
    Attribute::short(kind, value)
}

fn long(kind: u16, value: u32) -> Attribute {
    Attribute::long(kind, value)
}

fn association(proposals: Vec<Proposal>) -> SecurityAssociation {
    SecurityAssociation { doi: 1, situation: 1, proposals }
}

/// Phase 1 as strongSwan and its kin write it: 1, 14, 2, 4, 3, 11, 12.
fn phase1(life: u16, suites: &[Suite1]) -> SecurityAssociation {
    let transforms = (1..).zip(suites).map(|(number, (cipher, bits, hash, group))| {
        let mut attributes = vec![short(1, *cipher)];
        attributes.extend(bits.map(|b| short(14, b)));
        attributes.extend([short(2, *hash), short(4, *group), short(3, 1), short(11, 1), short(12, life)]);
        Transform { number, id: 1, attributes }
    });
    let transforms = transforms.collect();
    association(vec![Proposal { number: 1, protocol: Security::Isakmp, spi: vec![], transforms }])
}

/// Phase 2 as strongSwan writes it: 6, 5, 4, and a life only if it is given.
fn phase2(life: Option<u16>, suites: &[Suite2]) -> SecurityAssociation {
    let transforms = (1..).zip(suites).map(|(number, (id, bits, auth))| {
        let mut attributes: Vec<Attribute> = bits.map(|b| short(6, b)).into_iter().collect();
        attributes.extend(auth.map(|a| short(5, a)));
        attributes.push(short(4, 2));
        attributes.extend(life.iter().flat_map(|l| [short(1, 1), short(2, *l)]));
        Transform { number, id: *id, attributes }
    });
    let transforms = transforms.collect();
    association(vec![Proposal { number: 1, protocol: Security::Esp, spi: vec![], transforms }])
}

/// Windows: a proposal for each suite, with seconds and kilobytes.
fn windows_phase2() -> SecurityAssociation {
    let suites: [(u8, Option<u16>); 5] = [(12, Some(256)), (12, Some(128)), (3, None), (2, None), (11, None)];
    let proposals = (1..).zip(suites).map(|(number, (id, bits))| {
        let mut attributes = vec![short(4, 2)];
        attributes.extend(bits.map(|b| short(6, b)));
        attributes.extend([short(5, 2), short(1, 1), long(2, 3600), short(1, 2), long(2, 250_000)]);
        let transforms = vec![Transform { number: 1, id, attributes }];
        Proposal { number, protocol: Security::Esp, spi: vec![], transforms }
    });
    association(proposals.collect())
}

/// A Result Code AVP of two octets.
fn bare_result(code: u16) -> Avp {
    Avp::u16(AvpType::ResultCode, code)
}

/// A Result Code AVP in the full form.
fn result(code: u16, words: &str) -> Avp {
    let code = ResultCode { result: code, error: Some(0), message: words.to_owned() };
    Avp::bytes(AvpType::ResultCode, &code.encode())
}

fn kind(of: MessageType) -> Avp {
    Avp::u16(AvpType::MessageType, of.into())
}

/// The options of a Configure-Request that another protocol begins with.
fn other(name: &str) -> (Protocol, Vec<Opt>) {
    let (protocol, _) = frame(name);
    (protocol, options(name))
}

fn lcp_of_data(name: &str) -> Vec<Opt> {
    let bytes = fixture(name);
    let (_, payload) = wire::l2tp::Header::decode(&bytes).expect("an L2TP message");
    let (_, packet) = wire::ppp::decode_frame(payload).expect("a PPP frame");
    wire::ppp::decode_options(Packet::decode(packet).expect("a packet").data).expect("options")
}

/// A DHCPINFORM of Windows: what its PPP clients ask for.
fn windows_inform() -> Vec<u8> {
    let option = |code: u8, data: &[u8]| dhcp::DhcpOption::new(dhcp::OptionCode::from(code), data);
    let message = dhcp::Message {
        op: dhcp::Op::from(1),
        htype: 8,
        hlen: 6,
        hops: 0,
        xid: 0x1234_5678,
        secs: 0,
        flags: 0,
        ciaddr: Ipv4Addr::UNSPECIFIED,
        yiaddr: Ipv4Addr::UNSPECIFIED,
        siaddr: Ipv4Addr::UNSPECIFIED,
        giaddr: Ipv4Addr::UNSPECIFIED,
        chaddr: [0, 0x53, 0x45, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        options: vec![
            option(53, &[8]),
            option(61, &[8, 0, 0x53, 0x45, 0, 0, 0]),
            option(60, b"MSFT 5.0"),
            option(55, &[6, 44, 43, 1, 249, 15, 121]),
        ],
    };
    crate::packet::udp((Ipv4Addr::UNSPECIFIED, 68), (Ipv4Addr::BROADCAST, 67), &message.encode())
}

/// A manner that begins with this message 1.
fn begun_with(message_1: &str, manner: Manner) -> Manner {
    let first = payloads(message_1);
    Manner { offer1: Some(offer(&first)), vendor_ids: vendor_ids(&first), ..manner }
}

/// Windows 8, 10 and 11.
pub fn windows() -> Manner {
    let icrq = [
        kind(MessageType::Icrq),
        Avp::u16(AvpType::AssignedSessionId, 0),
        Avp::u32(AvpType::CallSerialNumber, 0),
        Avp::u32(AvpType::BearerType, 2),
    ];
    let icrq = icrq.into_iter().chain(bare_avps("windows/avp-correlation-id")).collect();
    begun_with(
        "windows/mm1",
        Manner {
            name: "windows",
            offer2: Some(windows_phase2()),
            nonces: (48, 48),
            identity: (0, 0),
            counts_message_ids: true,
            ike_schedule: &[1, 2, 4, 8, 16, 32],
            quick_twice: true,
            keeps_alive: false,
            answers_probes: false,
            lives: (28_800, 3600),
            renews: true,
            renewal: (Some(seconds(28_000)), Some(seconds(3500))),
            renews_after_octets: Some(250_000_000),
            tunnel_id: Some(1),
            rising_ids: true,
            sccrq: Some(avps("windows/sccrq-win10")),
            icrq: Some(icrq),
            iccn: Some(vec![
                kind(MessageType::Iccn),
                Avp::u32(AvpType::TxConnectSpeed, 1_000_000_000),
                Avp::u32(AvpType::FramingType, 1),
            ]),
            cdn: Some(vec![kind(MessageType::Cdn), bare_result(3), Avp::u16(AvpType::AssignedSessionId, 0)]),
            stop_ccn: Some(vec![kind(MessageType::StopCcn), Avp::u16(AvpType::AssignedTunnelId, 0), bare_result(6)]),
            l2tp_schedule: &[1, 2, 4, 8, 10, 10],
            lcp: Some(options("windows/lcp-confreq-1")),
            lcp_delay: seconds(2),
            identifies: true,
            methods: vec![CHAP_V2],
            ipcp: options("windows/ipcp-confreq"),
            others: vec![other("windows/ipv6cp-confreq-win10"), other("windows/ccp-confreq")],
            one_counter: true,
            inform: Some(windows_inform()),
            goodbye: frame("windows/lcp-termreq-0").1[4..].to_vec(),
            ..Manner::default()
        },
    )
}

/// Windows 7: no version of IKE among its vendor IDs, three proposals in phase 2.
pub fn windows_7() -> Manner {
    let mut manner = Manner { name: "windows-7", ..windows() };
    manner.vendor_ids.retain(|id| !id.starts_with(&vendor::WINDOWS_IKE_VERSION));
    for id in manner.vendor_ids.iter_mut().filter(|id| id.starts_with(&vendor::WINDOWS)) {
        id[19] = 8;
    }
    if let Some(offer) = &mut manner.offer2 {
        offer.proposals.truncate(3);
    }
    manner.others = vec![other("windows/ipv6cp-confreq-win7"), other("windows/ccp-confreq")];
    manner
}

/// macOS and iOS of 2016 and later.
pub fn apple() -> Manner {
    let second = offer(&bodies("apple/qm1-body-nat", PayloadType::Sa));
    begun_with(
        "apple/mm1",
        Manner {
            name: "apple",
            offer2: Some(second),
            nonces: (16, 16),
            random_padding: true,
            strict_answers: true,
            initial_contact: true,
            ike_schedule: &[2, 2, 2, 8, 10],
            patience: (Some(seconds(10)), None),
            lives: (3600, 3600),
            renews: true,
            renewal: (Some(seconds(3240)), Some(seconds(2880))),
            keeps_old: (seconds(3), seconds(5)),
            rekeys_on_500: true,
            l2tp_port: 50_931,
            tunnel_id: Some(1),
            rising_ids: true,
            wakes_with_hello: true,
            icrq_at_once: true,
            sccrq: Some(avps("apple/sccrq")),
            icrq: Some(avps("apple/icrq")),
            iccn: Some(avps("apple/iccn")),
            cdn: Some(avps("apple/cdn")),
            stop_ccn: Some(avps("apple/stopccn")),
            l2tp_schedule: &[1, 2, 4, 4, 4, 4, 4, 4, 4, 4],
            lcp: Some(options("apple/lcp-confreq")),
            methods: vec![CHAP_V2, CHAP_V1, CHAP_MD5, PAP],
            alphabet: Alphabet::Latin1,
            ipcp: options("apple/ipcp-confreq"),
            others: vec![other("apple/acscp-confreq"), other("apple/ipv6cp-confreq")],
            echoes_once: true,
            inform: Some(frame("apple/dhcpinform").1),
            goodbye: b"User request".to_vec(),
            ..Manner::default()
        },
    )
}

/// Mac OS X 10.7 and iOS 5: group 2 only, no SHA-2.
pub fn apple_2011() -> Manner {
    let mut manner = begun_with("apple/mm1-2011", Manner { name: "apple-2011", ..apple() });
    if let Some(offer) = &mut manner.offer2 {
        for proposal in &mut offer.proposals {
            proposal.transforms.retain(|t| t.attribute(5u16).and_then(Attribute::as_u64) != Some(5));
        }
    }
    manner.others = vec![other("apple/acscp-confreq")];
    manner
}

fn android(name: &'static str, message_1: &str) -> Manner {
    let second = offer(&bodies("android/qm1-body-l2tp-nat", PayloadType::Sa));
    begun_with(
        message_1,
        Manner {
            name,
            offer2: Some(second),
            nonces: (16, 16),
            random_padding: true,
            initial_contact_alone: true,
            ike_schedule: &[3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3],
            patience: (None, Some(seconds(60))),
            lives: (28_800, 28_800),
            renews: true,
            renews_phase1: false,
            renewal: (None, Some(seconds(23_040))),
            deletes_old: false,
            deletes_at_end: false,
            l2tp_port: 49_321,
            quick_port: Some(0),
            sccrq: Some(avps("android/sccrq")),
            icrq: Some(avps("android/icrq")),
            iccn: Some(avps("android/iccn")),
            cdn: Some(vec![]),
            stop_ccn: Some(avps("android/stopccn")),
            one_at_a_time: true,
            l2tp_schedule: &[2; 30],
            length_bit: false,
            lcp: Some(lcp_of_data("android/data-lcp-confreq")),
            methods: vec![CHAP_MD5, CHAP_V1, CHAP_V2, PAP],
            alphabet: Alphabet::Widened,
            ipcp: options("android/ipcp-confreq"),
            others: vec![other("android/ccp-confreq")],
            goodbye: b"User request".to_vec(),
            ..Manner::default()
        },
    )
}

/// Android up to 3.
pub fn android_2() -> Manner {
    let suites: [Suite2; 6] = [
        (3, None, Some(2)),
        (3, None, Some(1)),
        (2, None, Some(2)),
        (2, None, Some(1)),
        (12, Some(128), Some(2)),
        (12, Some(128), Some(1)),
    ];
    let second = phase2(Some(28_800), &suites);
    Manner { offer2: Some(second), ..android("android-2", "android/mm1-l2tp-2.3") }
}

/// Android 4.0 to 5.0, with the reserved octets that 4.0 fills.
pub fn android_4() -> Manner {
    Manner { dirty_nat_oa: true, answers_hellos: false, others: vec![], ..android("android-4", "android/mm1-l2tp-4.0") }
}

/// Android 8 to 11: SHA-256 in full, a smaller MRU.
pub fn android_11() -> Manner {
    let mut manner = Manner { answers_hellos: false, others: vec![], ..android("android-11", "android/mm1-l2tp-5.1") };
    for o in manner.lcp.iter_mut().flatten().filter(|o| o.kind == 1) {
        o.data = 1270u16.to_be_bytes().to_vec();
    }
    // Twelve transforms: each cipher with SHA-256, SHA-1 and MD5.
    if let Some(proposal) = manner.offer2.as_mut().and_then(|o| o.proposals.first_mut()) {
        let mut all = vec![];
        for pair in proposal.transforms.chunks(2) {
            let mut first = pair[0].clone();
            for attribute in first.attributes.iter_mut().filter(|a| a.kind == 5) {
                attribute.value = AttributeValue::Short(5);
            }
            all.push(first);
            all.extend_from_slice(pair);
        }
        for (number, transform) in (1..).zip(&mut all) {
            transform.number = number;
        }
        proposal.transforms = all;
    }
    manner
}

/// strongSwan's vendor IDs: XAUTH, DPD, FRAGMENTATION with a capability, RFC 3947 and the draft before it.
fn strongswan_ids() -> Vec<Vec<u8>> {
    vec![
        vendor::XAUTH.to_vec(),
        vendor::DPD.to_vec(),
        [&vendor::FRAGMENTATION[..], &[0x80, 0, 0, 0]].concat(),
        vendor::NAT_T_RFC3947.to_vec(),
        vendor::NAT_T_DRAFT_02_NEWLINE.to_vec(),
    ]
}

/// What strongSwan, Libreswan, xl2tpd and pppd have in common.
fn daemons(name: &'static str) -> Manner {
    let icrq = bare_avps("linux/xl2tpd-icrq-avps");
    let speed = |kind| Avp::u32(kind, 100_000_000);
    Manner {
        name,
        offer1: Some(lone_offer("linux/strongswan-mm1-sa")),
        offer2: Some(lone_offer("linux/strongswan-qm1-sa")),
        vendor_ids: strongswan_ids(),
        nonces: (32, 32),
        identity: (0, 0),
        initial_contact: true,
        ike_schedule: &[4, 7, 13, 23, 42, 76],
        lives: (10_800, 3600),
        renews: true,
        renewal: (Some(seconds(9720)), Some(seconds(3060))),
        sccrq: Some(avps("linux/xl2tpd-sccrq")),
        icrq: Some(icrq),
        iccn: Some(vec![
            kind(MessageType::Iccn),
            speed(AvpType::TxConnectSpeed),
            Avp::u32(AvpType::FramingType, 1),
            speed(AvpType::RxConnectSpeed),
        ]),
        cdn: Some(vec![kind(MessageType::Cdn), result(3, "Goodbye!"), Avp::u16(AvpType::AssignedSessionId, 0)]),
        stop_ccn: Some(vec![kind(MessageType::StopCcn), Avp::u16(AvpType::AssignedTunnelId, 0), result(6, "Goodbye!")]),
        l2tp_schedule: &[1, 2, 4, 8, 8, 8],
        hellos: Some(seconds(60)),
        lcp: Some(pppd_lcp(1400)),
        methods: vec![CHAP_V2, CHAP_V1, CHAP_MD5, PAP],
        alphabet: Alphabet::Widened,
        ..Manner::default()
    }
}

/// What pppd asks for: MRU, ACCM 0, magic, PFC, ACFC.
fn pppd_lcp(mru: u16) -> Vec<Opt> {
    let option = |kind, data: &[u8]| Opt { kind, data: data.to_vec() };
    vec![option(1, &mru.to_be_bytes()), option(2, &[0; 4]), option(5, &[0; 4]), option(7, &[]), option(8, &[])]
}

/// ChromeOS: strongSwan with a GCM proposal first, 30 s of patience.
pub fn chromeos() -> Manner {
    let first = [(7, Some(128), 4, 15), (7, Some(128), 2, 14), (5, None, 2, 5), (5, None, 2, 2)];
    let second: [Suite2; 5] = [
        (20, Some(128), None),
        (12, Some(128), Some(5)),
        (12, Some(128), Some(2)),
        (3, None, Some(2)),
        (3, None, Some(1)),
    ];
    Manner {
        offer1: Some(phase1(10_800, &first)),
        offer2: Some(phase2(None, &second)),
        patience: (None, Some(seconds(30))),
        l2tp_port: 40_123,
        lcp: Some(pppd_lcp(1410)),
        echoes: Some((seconds(30), 4)),
        ..daemons("chromeos")
    }
}

/// NetworkManager-l2tp with strongSwan; without a life in phase 2, and one of zero in phase 1.
pub fn network_manager() -> Manner {
    let mut first: Vec<Suite1> = [4, 2].into_iter().flat_map(|h| [14, 5, 2].map(|g| (7, Some(256), h, g))).collect();
    first.extend([
        (7, Some(256), 2, 20),
        (7, Some(128), 2, 2),
        (7, Some(128), 2, 19),
        (5, None, 2, 14),
        (5, None, 2, 2),
    ]);
    let second: [Suite2; 3] = [(12, Some(256), Some(2)), (12, Some(128), Some(2)), (3, None, Some(2))];
    Manner {
        offer1: Some(phase1(0, &first)),
        offer2: Some(phase2(None, &second)),
        quick_port: Some(0),
        ..daemons("network-manager")
    }
}

/// strongSwan by itself, as it was recorded: AES-256 with SHA-256 and nothing else.
pub fn strongswan() -> Manner {
    daemons("strongswan")
}

/// Libreswan with xl2tpd.
pub fn libreswan() -> Manner {
    let first = [(7, Some(256), 4, 14), (7, Some(128), 4, 14), (7, Some(256), 6, 14), (7, Some(256), 2, 14)];
    let second: [Suite2; 4] =
        [(12, Some(256), Some(7)), (12, Some(128), Some(7)), (12, Some(256), Some(5)), (12, Some(128), Some(2))];
    Manner {
        offer1: Some(phase1(28_800, &first)),
        offer2: Some(phase2(Some(28_800), &second)),
        vendor_ids: vec![
            [&vendor::FRAGMENTATION[..], &[0x80, 0, 0, 0]].concat(),
            vendor::DPD.to_vec(),
            vendor::NAT_T_RFC3947.to_vec(),
            vendor::NAT_T_DRAFT_03.to_vec(),
            vendor::NAT_T_DRAFT_02_NEWLINE.to_vec(),
            vendor::NAT_T_DRAFT_02.to_vec(),
        ],
        lives: (28_800, 28_800),
        renewal: (Some(seconds(26_000)), Some(seconds(26_000))),
        phase1_alone: true,
        initial_contact: false,
        ..daemons("libreswan")
    }
}

/// RouterOS: PFS with group 2 unless told otherwise, AES-192, short lives, MPPE, results of two octets.
pub fn routeros() -> Manner {
    let first = [(7, Some(128), 2, 14), (7, Some(128), 2, 2), (5, None, 2, 14), (5, None, 2, 2)];
    let mut offer1 = phase1(0, &first);
    for attribute in offer1.proposals.iter_mut().flat_map(|p| &mut p.transforms).flat_map(|t| &mut t.attributes) {
        if attribute.kind == 12 {
            *attribute = long(12, 86_400);
        }
    }
    let second: [Suite2; 3] = [(12, Some(256), Some(2)), (12, Some(192), Some(2)), (12, Some(128), Some(2))];
    let mut offer2 = phase2(Some(1800), &second);
    for transform in offer2.proposals.iter_mut().flat_map(|p| &mut p.transforms) {
        transform.attributes.push(short(3, 2));
    }
    let option = |kind, data: &[u8]| Opt { kind, data: data.to_vec() };
    Manner {
        name: "routeros",
        offer1: Some(offer1),
        offer2: Some(offer2),
        pfs: Some(2),
        vendor_ids: vec![
            vendor::NAT_T_RFC3947.to_vec(),
            vendor::NAT_T_DRAFT_03.to_vec(),
            vendor::NAT_T_DRAFT_02.to_vec(),
            vendor::NAT_T_DRAFT_02_NEWLINE.to_vec(),
            vendor::DPD.to_vec(),
        ],
        nonces: (24, 24),
        initial_contact: true,
        ike_schedule: &[10, 10, 10, 10, 10, 10],
        lives: (u16::MAX, 1800),
        renews: true,
        renewal: (Some(seconds(77_760)), Some(seconds(1440))),
        cdn: Some(vec![kind(MessageType::Cdn), Avp::u16(AvpType::AssignedSessionId, 0), bare_result(1)]),
        stop_ccn: Some(vec![kind(MessageType::StopCcn), Avp::u16(AvpType::AssignedTunnelId, 0), bare_result(1)]),
        lcp: Some(vec![option(1, &1450u16.to_be_bytes()), option(5, &[0; 4])]),
        // MPPE, stateless, 128 bits; and MPLS.
        others: vec![(Protocol::from(0x80fd), vec![option(18, &[1, 0, 0, 0x40])]), (Protocol::from(0x8281), vec![])],
        host_name: "MikroTik".to_owned(),
        ..Manner::default()
    }
}

/// A router that knows 3DES with MD5 and group 2 only, and repeats its first message every ten seconds (TP-Link).
pub fn tp_link() -> Manner {
    Manner {
        name: "tp-link",
        offer1: Some(phase1(28_800, &[(5, None, 1, 2)])),
        offer2: Some(phase2(Some(3600), &[(3, None, Some(1)), (3, None, Some(2))])),
        vendor_ids: vec![vendor::DPD.to_vec(), vendor::NAT_T_RFC3947.to_vec()],
        ike_schedule: &[10, 10, 10, 10, 10, 10],
        lives: (28_800, 3600),
        renews: true,
        hellos: Some(seconds(60)),
        lcp: Some(pppd_lcp(1450)),
        host_name: "TL-R483G".to_owned(),
        ..Manner::default()
    }
}

/// Yamaha's Windows client YMS-VPN8. Nothing of it on the wire is published; it lives on a Windows machine and names
/// itself in phase 1.
pub fn yamaha() -> Manner {
    let first = [(7, Some(256), 2, 14), (7, Some(128), 2, 2), (5, None, 2, 2)];
    Manner {
        name: "yamaha",
        offer1: Some(phase1(28_800, &first)),
        offer2: Some(phase2(Some(28_800), &[(12, Some(256), Some(2)), (12, Some(128), Some(2)), (3, None, Some(2))])),
        lives: (28_800, 28_800),
        renews: true,
        methods: vec![CHAP_V2],
        host_name: "YMS-VPN8".to_owned(),
        ..Manner::default()
    }
}

/// The client of IIJ's SEIL: no option where it has nothing to ask, echoes of its own, three misses.
pub fn seil() -> Manner {
    let option = |kind, data: &[u8]| Opt { kind, data: data.to_vec() };
    Manner {
        name: "seil",
        offer1: Some(phase1(28_800, &[(7, Some(128), 2, 14), (7, Some(128), 2, 2), (5, None, 2, 2)])),
        offer2: Some(phase2(Some(28_800), &[(12, Some(128), Some(2)), (3, None, Some(2))])),
        lives: (28_800, 28_800),
        renews: true,
        lcp: Some(vec![option(5, &[0; 4])]),
        methods: vec![CHAP_V2],
        echoes: Some((seconds(20), 3)),
        host_name: "SEIL".to_owned(),
        ..Manner::default()
    }
}

/// All of them.
pub fn all() -> Vec<Manner> {
    static ALL: LazyLock<Vec<Manner>> = LazyLock::new(|| {
        vec![
            windows(),
            windows_7(),
            apple(),
            apple_2011(),
            android_2(),
            android_4(),
            android_11(),
            chromeos(),
            network_manager(),
            strongswan(),
            libreswan(),
            routeros(),
            tp_link(),
            yamaha(),
            seil(),
        ]
    });
    ALL.clone()
}

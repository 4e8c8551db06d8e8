//! Every message of a real client in `fixtures/` is answered by what that client accepts.

#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use core::time::Duration;
use sim::fixture::{bodies, fixture, frame, offer};
use sim::{Carrier, Manner, Outer, Way, World, config, manners};
use std::collections::BTreeSet;
use std::path::Path;
use wire::isakmp::{Attribute, Header, PayloadType, SecurityAssociation, chain};

/// Fixtures that a manner is made of: whose, and what its dialogue or the log must say.
const ASKED: [(&str, &str, &str); 36] = [
    ("windows/sccrq-win10", "windows", "<- Sccrp ProtocolVersion FramingCapabilities"),
    ("windows/avp-correlation-id", "windows", "<- Icrp AssignedSessionId"),
    ("windows/lcp-confreq-1", "windows", "<- Lcp ConfigureReject 1 13=06"),
    ("windows/lcp-confreq-2", "windows", "<- Lcp ConfigureAck 2 1=0578 5=magic 7= 8="),
    ("windows/lcp-ident-1", "windows", "RECV LCP Ident 'MSRASV5.20'"),
    ("windows/lcp-ident-2", "windows", "RECV LCP Ident 'MSRAS-0-HOSTNAME'"),
    ("windows/ipcp-confreq", "windows", "<- Ipcp ConfigureReject 5 130=00000000 131=00000000 132=00000000"),
    ("windows/ipv6cp-confreq-win10", "windows", "<- Ipv6cp ConfigureAck 3 1=30665a7e8623e95b"),
    ("windows/ipv6cp-confreq-win7", "windows-7", "<- Ipv6cp ConfigureAck 3 1=483c272cc66aebe1"),
    ("windows/ccp-confreq", "windows", "<- Unknown(33021) is rejected"),
    ("windows/lcp-termreq-0", "windows", "client hung up"),
    ("apple/sccrq", "apple", "<- Sccrp ProtocolVersion FramingCapabilities"),
    ("apple/scccn", "apple", "established"),
    ("apple/icrq", "apple", "<- Icrp AssignedSessionId"),
    ("apple/iccn", "apple", "<- Lcp ConfigureRequest"),
    ("apple/hello-trigger", "apple", "<- Sccrp"),
    ("apple/mm5-notify", "apple", "<- main mode 6"),
    ("apple/lcp-confreq", "apple", "<- Lcp ConfigureAck 1 2=00000000 5=magic 7= 8="),
    ("apple/ipcp-confreq", "apple", "<- Ipcp ConfigureReject 1 131=00000000"),
    ("apple/ipv6cp-confreq", "apple", "<- Ipv6cp ConfigureAck 1 1=f21898fffe7559b0"),
    ("apple/acscp-confreq", "apple", "<- Acscp is rejected"),
    ("apple/dhcpinform", "apple", "<- DHCP"),
    ("apple/cdn", "apple", "recv CDN"),
    ("apple/stopccn", "apple", "recv StopCCN"),
    ("android/sccrq", "android-4", "<- Sccrp ProtocolVersion FramingCapabilities"),
    ("android/scccn", "android-4", "established"),
    ("android/icrq", "android-4", "<- Icrp AssignedSessionId"),
    ("android/iccn", "android-4", "<- Lcp ConfigureRequest"),
    ("android/data-lcp-confreq", "android-4", "<- Lcp ConfigureAck 1 1=0578 2=00000000 5=magic 7= 8="),
    ("android/ipcp-confreq", "android-4", "<- Ipcp ConfigureReject 1 2=002d0f01"),
    ("android/ccp-confreq", "android-2", "<- Unknown(33021) is rejected"),
    ("android/stopccn", "android-4", "recv StopCCN"),
    ("linux/xl2tpd-sccrq", "strongswan", "<- Sccrp ProtocolVersion FramingCapabilities"),
    ("linux/xl2tpd-icrq-avps", "strongswan", "<- Icrp AssignedSessionId"),
    ("linux/strongswan-mm1-sa", "strongswan", "<- main mode 2: Aes256 Sha256 Modp2048"),
    ("linux/strongswan-qm1-sa", "strongswan", "(Aes256 HmacSha256_128 in UDP)"),
];

/// Messages 1 that are sent as they are, and the number of the transform that is taken.
const FIRST: [(&str, u8); 6] = [
    ("windows/mm1", 1),
    ("apple/mm1", 1),
    ("apple/mm1-2011", 1),
    ("android/mm1-l2tp-2.3", 5),
    ("android/mm1-l2tp-4.0", 1),
    ("android/mm1-l2tp-5.1", 1),
];

/// Quick Modes that are sent as they are, behind a NAT or not: whose they are, and the number that is taken, which is
/// that of AES-128 with SHA-1, the suite of the configuration.
const SECOND: [(&str, &str, bool, u8); 4] = [
    ("apple/qm1-body-nat", "apple", true, 5),
    ("apple/qm1-body-nonat", "apple", false, 5),
    ("android/qm1-body-l2tp-nat", "android-4", true, 3),
    ("android/qm1-body-l2tp-nonat", "android-4", false, 3),
];

/// Those that need a test of their own, which is below.
const APART: [&str; 6] = [
    "windows/sccrq-xp",
    "windows/ccp-termreq-732",
    "windows/ipcp-termreq-738",
    "android/sccrq-secret",
    "android/mm1-xauth",
    "android/aggr1-xauth",
];

/// What nobody asks us, and why.
const NOT_ASKED: [(&str, &str); 18] = [
    ("android/mm3", "of a conversation with another server, under its keys"),
    ("android/mm5", "of a conversation with another server, under its keys"),
    ("android/mm5-plain", "of a conversation with another server; the manner says the same under ours"),
    ("android/initial-contact", "of a conversation with another server, under its keys"),
    ("android/initial-contact-plain", "of a conversation with another server; the manner says the same under ours"),
    ("android/qm1", "of a conversation with another server, under its keys"),
    ("android/qm1-plain", "of a conversation with another server, and tunnel mode"),
    ("android/qm3", "of a conversation with another server, under its keys"),
    ("android/qm3-plain", "of a conversation with another server"),
    ("android/aggr3", "of a conversation with another server"),
    ("linux/strongswan-mm2", "a server's answer"),
    ("linux/strongswan-mm4", "a server's answer"),
    ("linux/strongswan-qm1-ids", "in the connect of the manner, with addresses of its own"),
    ("linux/strongswan-qm2-plain", "a server's answer"),
    ("linux/strongswan-qm2-sa", "a server's answer"),
    ("linux/xl2tpd-zlb", "an acknowledgement"),
    ("linux/xl2tpd-data-lcp", "a server's request"),
    ("linux/pppd-chap-md5-challenge", "a server's challenge"),
];

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn manner(name: &str) -> Manner {
    manners::all().into_iter().find(|m| m.name == name).unwrap_or_else(|| panic!("no manner {name}"))
}

/// A client of this manner in a world that agrees to header compression.
fn connected(manner: Manner, natted: bool) -> (World, usize) {
    let lines = ["pp select anonymous\n ppp lcp pfc on\n ppp lcp acfc on\npp select none"];
    let mut w = World::new(config(2, &lines), 1);
    let c = w.add_natted(natted, manner);
    w.connect(c);
    (w, c)
}

#[test]
fn every_fixture_is_asked_or_has_its_reason() {
    let named: BTreeSet<String> = ASKED
        .iter()
        .map(|x| x.0)
        .chain(FIRST.iter().map(|x| x.0))
        .chain(SECOND.iter().map(|x| x.0))
        .chain(APART)
        .chain(NOT_ASKED.iter().map(|x| x.0))
        .chain(["linux/xl2tpd-hello"])
        .map(str::to_owned)
        .collect();
    let mut there = BTreeSet::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    for folder in ["windows", "apple", "android", "linux"] {
        for entry in std::fs::read_dir(root.join(folder)).expect("fixtures") {
            let name = entry.expect("an entry").file_name().into_string().expect("a name");
            let name = name.trim_end_matches(".hex").trim_end_matches(".constructed");
            there.insert(format!("{folder}/{name}"));
        }
    }
    assert_eq!(named, there);
}

#[test]
fn what_a_manner_is_made_of_is_answered_as_it_accepts() {
    let names: BTreeSet<&str> = ASKED.iter().map(|x| x.1).collect();
    for name in names {
        let (mut w, c) = connected(manner(name), true);
        w.run_for(seconds(2));
        w.act(c, |p, now| p.hang_up(now));
        w.run_for(seconds(1));
        let story = w.story(c);
        for (fixture, _, words) in ASKED.iter().filter(|x| x.1 == name) {
            assert!(story.contains(words), "{fixture}: '{words}' is not in\n{story}");
        }
    }
}

/// What comes back for a datagram of nobody.
fn answer(w: &mut World, bytes: &[u8]) -> Vec<u8> {
    w.watch = true;
    let to = core::net::SocketAddr::new(sim::world::SERVER.into(), 500);
    let from = "192.0.2.1:500".parse().expect("an address");
    w.inject(Outer { carrier: Carrier::Udp, from, to, bytes: bytes.to_vec() });
    let sent = w.crossings.iter().find(|x| x.way == Way::ToNobody);
    sent.map(|x| x.packet.bytes.clone()).unwrap_or_default()
}

#[test]
fn messages_1_get_one_of_their_transforms_unchanged() {
    for (name, number) in FIRST {
        let asked = fixture(name);
        let bytes = answer(&mut World::new(config(2, &[]), 1), &asked);
        let (head, body) = Header::decode(&bytes).expect("an answer");
        assert_eq!(head.initiator.0[..], asked[..8], "{name}");
        let first = chain(head.next, body).expect("payloads")[0];
        let sa = SecurityAssociation::decode(first.body).expect("an SA");
        let taken = &sa.proposals[0].transforms[0];
        assert_eq!((sa.proposals.len(), sa.proposals[0].transforms.len(), taken.number), (1, 1, number), "{name}");
        let offered = offer(&sim::fixture::payloads(name));
        assert!(offered.proposals[0].transforms.contains(taken), "{name}: {taken:?}");
        assert_eq!(sa.proposals[0].number, offered.proposals[0].number);
    }
}

#[test]
fn quick_modes_get_one_of_their_transforms_unchanged_and_their_identities_back() {
    for (name, client, natted, number) in SECOND {
        let all = bodies(name, PayloadType::Sa);
        let sa = offer(&all);
        let (mut w, c) = connected(Manner { offer2: Some(sa.clone()), ..manner(client) }, natted);
        assert!(w.reaches(c), "{name}:\n{}", w.story(c));
        // The client takes nothing that it has not offered so; this is what was taken.
        let taken = &sa.proposals[0].transforms[usize::from(number) - 1];
        let bits = taken.attribute(6u16).and_then(Attribute::as_u64);
        assert_eq!((taken.number, taken.id, bits), (number, 12, Some(128)), "{name}");
        let words = if natted { "(Aes128 HmacSha1_96 in UDP)" } else { "(Aes128 HmacSha1_96)" };
        assert!(w.story(c).contains(words), "{name}:\n{}", w.story(c));
        let kinds: Vec<PayloadType> = all.iter().map(|p| p.0).collect();
        let oa = kinds.iter().filter(|k| **k == PayloadType::NatOa).count();
        assert_eq!(oa, if natted { 2 } else { 0 }, "{name}");
        let answered = if natted { "HASH SA NONCE ID ID NAT-OA NAT-OA" } else { "HASH SA NONCE ID ID (" };
        assert!(w.story(c).contains(&format!("<- quick mode 2: {answered}")), "{name}:\n{}", w.story(c));
    }
}

#[test]
fn windows_xp_is_let_in_by_its_sccrq() {
    let sccrq = Some(sim::fixture::avps("windows/sccrq-xp"));
    let (mut w, c) = connected(Manner { sccrq, ..manners::windows_7() }, true);
    assert!(w.reaches(c), "{}", w.story(c));
}

#[test]
fn an_android_with_a_secret_gets_a_proof_and_gives_one() {
    let line = "tunnel select 1\n l2tp tunnel auth on open-sesame\n tunnel select none";
    let mut w = World::new(config(1, &[line]), 1);
    let mut sccrq = sim::fixture::avps("android/sccrq-secret");
    let challenge = sccrq.pop().expect("a challenge");
    assert_eq!((u16::from(challenge.kind), challenge.value.len()), (11, 32));
    let secret = Some(b"open-sesame".to_vec());
    let c = w.add_natted(true, Manner { sccrq: Some(sccrq), l2tp_secret: secret, ..manners::android_4() });
    w.connect(c);
    assert!(w.reaches(c), "{}", w.story(c));
}

/// Sends a frame of a fixture and gives what comes back.
fn asked(w: &mut World, c: usize, name: &str) -> Vec<String> {
    let (protocol, packet) = frame(name);
    let before = w.peers[c].dialogue().len();
    w.act(c, |p, now| p.send_frame(&wire::ppp::encode_frame(protocol, &packet), now));
    w.run_for(Duration::from_millis(100));
    w.peers[c].dialogue()[before..].iter().map(|x| x.1.clone()).collect()
}

#[test]
fn windows_leaves_ccp_and_ipcp_by_a_terminate_request() {
    let (mut w, c) = connected(manners::windows(), true);
    w.run_for(seconds(3));
    let answer = asked(&mut w, c, "windows/ccp-termreq-732");
    assert_eq!(answer, ["<- Unknown(33021) is rejected"]);
    assert!(w.reaches(c));
    let answer = asked(&mut w, c, "windows/ipcp-termreq-738");
    assert!(answer.iter().any(|l| l.contains("Ipcp TerminateAck")), "{answer:?}");
    // The number is told when it hangs up, which it then does.
    w.act(c, |p, now| p.hang_up(now));
    w.run_for(seconds(1));
    assert!(w.lines("Disconnected")[0].contains("738"), "{}", w.log().join("\n"));
}

#[test]
fn a_hello_of_xl2tpd_is_acknowledged() {
    let manner = Manner { hellos: Some(seconds(5)), ..manners::strongswan() };
    let hello = sim::fixture::avps("linux/xl2tpd-hello");
    assert_eq!(hello.len(), 1);
    let (mut w, c) = connected(manner, true);
    // Were it not, the client would repeat it and end after half a minute.
    w.run_for(seconds(120));
    let sent = w.peers[c].dialogue().iter().filter(|(_, l)| l.starts_with("-> Hello")).count();
    assert!((23..=25).contains(&sent) && w.peers[c].is_up(), "{sent} Hellos:\n{}", w.story(c));
}

#[test]
fn a_telephone_that_wants_another_kind_of_vpn_is_refused_at_once() {
    for name in ["android/mm1-xauth", "android/aggr1-xauth"] {
        let mut w = World::new(config(2, &[]), 1);
        let bytes = answer(&mut w, &fixture(name));
        assert!(w.told("refused 192.0.2.1"), "{name}: {}", w.log().join("\n"));
        if let Ok((head, body)) = Header::decode(&bytes) {
            let first = chain(head.next, body).expect("payloads")[0].kind;
            assert_eq!(first, PayloadType::Notification, "{name}");
        }
        assert_eq!(w.engine.half_open(), 0, "{name}");
    }
}

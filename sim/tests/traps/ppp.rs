//! Traps of PPP and of what is asked inside the tunnel.

use super::*;
use sim::{Alphabet, manners};
use wire::ppp::{Code, Opt, Packet, Protocol, encode_frame};

/// A configuration that differs in the pp interface.
fn with(lines: &str) -> World {
    World::new(config(4, &[&format!("pp select anonymous\n {lines}\npp select none")]), 1)
}

#[test]
fn a_client_that_overlooks_the_first_request_gets_it_again_soon() {
    for manner in [manners::windows(), manners::windows_7()] {
        let mut w = World::new(config(2, &[]), 1);
        // So deaf that it hears nothing for the first six seconds.
        let c = w.add(Manner { lcp_delay: seconds(6), ..manner });
        w.connect(c);
        assert!(count(&w, c, "Lcp, overlooked") >= 2, "{}", w.story(c));
        let heard: Vec<_> =
            w.peers[c].dialogue().iter().filter(|(_, l)| l.contains("overlooked")).map(|x| x.0).collect();
        assert_eq!(heard[1].since(heard[0]), seconds(1), "{}", w.story(c));
        assert!(w.reaches(c), "{}", w.story(c));
    }
}

#[test]
fn callback_is_rejected_and_nothing_that_could_be_had_with_it() {
    for manner in [manners::windows(), manners::windows_7()] {
        let (w, c) = connected_in(with("ppp lcp pfc on\n ppp lcp acfc on"), true, manner);
        assert!(says(&w, c, "<- Lcp ConfigureReject 1 13=06"), "{}", w.story(c));
        let (w, c) = connected(true, manners::windows());
        assert!(!says(&w, c, "<- Lcp ConfigureReject 2"), "{}", w.story(c));
        assert!(!says(&w, c, "<- Lcp ConfigureNak"), "{}", w.story(c));
    }
}

#[test]
fn header_compression_is_agreed_on_and_every_form_is_read() {
    for manner in manners::all() {
        let (mut w, c) = connected_in(with("ppp lcp pfc on\n ppp lcp acfc on"), true, manner.clone());
        assert!(w.reaches(c), "{}:\n{}", manner.name, w.story(c));
        let inside = w.peers[c].inside().expect("it is up");
        for (number, head) in (0u64..).zip([&[0xff, 3, 0, 0x21][..], &[0xff, 3, 0x21], &[0, 0x21], &[0x21]]) {
            let payload = [&b"plain as day"[..], &(1000 + number).to_be_bytes(), &(c as u64).to_be_bytes()].concat();
            let ip = sim::packet::udp((inside, 9), (sim::world::HOST, 7), &payload);
            w.act(c, |p, now| p.send_frame(&[head, &ip].concat(), now));
            w.run_for(Duration::from_millis(100));
            assert!(w.echoes[c].back.contains(&(1000 + number)), "{head:02x?}: {}", w.story(c));
        }
    }
}

#[test]
fn any_mru_from_576_on_is_acknowledged() {
    for mru in [None, Some(128), Some(576), Some(1270), Some(1400), Some(1410), Some(1450), Some(1500), Some(4091)] {
        let (mut w, c) = connected(true, Manner { mru, ..Manner::default() });
        assert!(says(&w, c, "<- Lcp ConfigureAck 1"), "{mru:?}:\n{}", w.story(c));
        assert!(w.reaches(c), "{mru:?}");
    }
}

#[test]
fn an_empty_configure_request_is_acknowledged() {
    for manner in manners::all() {
        let (mut w, c) = connected(true, Manner { lcp: Some(vec![]), ..manner });
        assert!(w.reaches(c), "{}", w.story(c));
    }
    // Apple, whose options are all rejected, ends with an empty one.
    let odd = (0..4).map(|n| Opt { kind: 200 + n, data: vec![n; 2] }).collect();
    let (mut w, c) = connected(true, Manner { lcp: Some(odd), ..manners::apple() });
    assert!(says(&w, c, "<- Lcp ConfigureAck 2") && w.reaches(c), "{}", w.story(c));
}

#[test]
fn identifications_and_time_remaining_are_taken_in_silence_and_the_computers_name_is_kept() {
    let (mut w, c) = connected(true, manners::windows());
    assert!(w.told("MSRAS-0-HOSTNAME"), "{}", w.log().join("\n"));
    let remaining = Packet::encode(Code::TimeRemaining, 9, &[0, 0, 0, 0, 0, 0, 0, 60]);
    w.run_for(seconds(4));
    w.watch = true;
    w.act(c, |p, now| p.send_frame(&encode_frame(Protocol::Lcp, &remaining), now));
    w.run_for(Duration::from_millis(100));
    assert!(w.crossings.iter().all(|x| x.way == Way::ToServer), "{:?}", w.crossings);
    assert!(!says(&w, c, "CodeReject") && w.reaches(c), "{}", w.story(c));
}

#[test]
fn the_error_number_in_windows_terminate_request_is_the_cause_in_the_log() {
    let (mut w, c) = connected(true, manners::windows());
    let (_, mut packet) = sim::fixture::frame("windows/lcp-termreq-0");
    packet[12..16].copy_from_slice(&738u32.to_be_bytes());
    // It hangs up when it has its Terminate-Ack.
    w.act(c, |p, now| p.send_frame(&encode_frame(Protocol::Lcp, &packet), now));
    w.run_for(Duration::from_millis(100));
    assert!(says(&w, c, "<- Lcp TerminateAck"), "{}", w.story(c));
    w.act(c, |p, now| p.hang_up(now));
    w.run_for(seconds(1));
    assert!(w.lines("Disconnected")[0].contains("738"), "{}", w.log().join("\n"));
}

#[test]
fn eap_is_not_offered_first_and_ms_chapv2_is() {
    for manner in manners::all() {
        let (w, c) = connected(true, manner);
        let lines: Vec<&String> =
            w.peers[c].dialogue().iter().map(|x| &x.1).filter(|l| l.starts_with("<- Lcp ConfigureRequest")).collect();
        assert!(!lines.is_empty() && lines.iter().all(|l| l.contains("3=c22381")), "{lines:?}");
    }
}

#[test]
fn letters_beyond_ascii_are_read_as_each_client_writes_them() {
    let line = "pp select anonymous\n pp auth username umlaut \"p\u{e4}ssw\u{f6}rd\"\npp select none";
    for (word, method) in
        [("pap", (0xc023, 0)), ("chap", (0xc223, 5)), ("mschap", (0xc223, 0x80)), ("mschap-v2", (0xc223, 0x81))]
    {
        for alphabet in [Alphabet::Unicode, Alphabet::Latin1, Alphabet::Widened] {
            let extra = format!("pp select anonymous\n pp auth request {word}\npp select none");
            let manner = Manner {
                user: "umlaut".to_owned(),
                password: "p\u{e4}ssw\u{f6}rd".to_owned(),
                methods: vec![method],
                alphabet,
                ..Manner::default()
            };
            let (mut w, c) = connected_in(World::new(config(2, &[line, &extra]), 1), false, manner);
            assert!(w.reaches(c), "{word} {alphabet:?}:\n{}", w.story(c));
        }
    }
}

#[test]
fn the_challenge_has_a_name() {
    for word in ["chap", "mschap", "mschap-v2"] {
        let (w, c) = connected_in(with(&format!("pp auth request {word}")), true, Manner::default());
        assert!(!says(&w, c, "challenge of nobody"), "{}", w.story(c));
    }
}

#[test]
fn ccp_is_rejected_as_a_protocol_whatever_it_asks_for_and_delays_nothing() {
    for manner in [manners::windows(), manners::windows_7(), manners::android_2(), manners::routeros()] {
        let (mut w, c) = connected(true, manner.clone());
        assert!(says(&w, c, "<- Unknown(33021) is rejected"), "{}:\n{}", manner.name, w.story(c));
        assert!(w.reaches(c), "{}", w.story(c));
        let when = |words: &str| w.peers[c].dialogue().iter().find(|(_, l)| l.contains(words)).expect("the line").0;
        assert!(
            when("up:").since(when("-> Unknown(33021)")) < Duration::from_millis(200),
            "{}:\n{}",
            manner.name,
            w.story(c)
        );
    }
}

#[test]
fn unknown_network_protocols_are_rejected_and_never_met_with_silence() {
    for (manner, protocol) in
        [(manners::apple(), "Acscp"), (manners::apple_2011(), "Acscp"), (manners::routeros(), "Unknown(33409)")]
    {
        let (w, c) = connected(true, manner);
        assert_eq!(count(&w, c, &format!("<- {protocol} is rejected")), 1, "{}", w.story(c));
    }
    for manner in [manners::apple(), manners::windows()] {
        let (w, c) = connected_in(with("ppp ipv6cp use off"), true, manner);
        assert_eq!(count(&w, c, "<- Ipv6cp is rejected"), 1, "{}", w.story(c));
    }
}

#[test]
fn an_address_is_never_rejected_but_named_and_the_obsolete_option_is_left_out_alone() {
    let option = |kind, data: &[u8]| Opt { kind, data: data.to_vec() };
    for manner in manners::all() {
        // It wants one that is not its own, and both forms.
        let mut ipcp = manner.ipcp.clone();
        for o in ipcp.iter_mut().filter(|o| o.kind == 3) {
            o.data = vec![10, 9, 8, 7];
        }
        ipcp.insert(0, option(1, &[10, 9, 8, 7, 0, 0, 0, 0]));
        let (mut w, c) = connected(true, Manner { ipcp, ..manner });
        assert!(w.reaches(c), "{}", w.story(c));
        assert!(w.peers[c].inside().is_some_and(|a| a.octets()[..3] == [192, 168, 100]), "{}", w.story(c));
    }
}

#[test]
fn name_servers_without_a_value_are_rejected_one_by_one() {
    let (w, c) = connected(true, manners::windows());
    assert!(says(&w, c, "<- Ipcp ConfigureReject 5 130=00000000 131=00000000 132=00000000"), "{}", w.story(c));
    let (w, c) = connected(true, manners::apple());
    assert!(says(&w, c, "<- Ipcp ConfigureReject 1 131=00000000"), "{}", w.story(c));
}

#[test]
fn our_own_ipcp_request_asks_for_an_address_and_nothing_else() {
    for manner in manners::all() {
        let (w, c) = connected(true, manner);
        let lines: Vec<&String> =
            w.peers[c].dialogue().iter().map(|x| &x.1).filter(|l| l.starts_with("<- Ipcp ConfigureRequest")).collect();
        assert!(lines.iter().all(|l| l.split(' ').count() == 5 && l.contains(" 3=")), "{lines:?}");
    }
}

#[test]
fn header_compression_of_van_jacobson_is_rejected() {
    for manner in [manners::android_2(), manners::android_4(), manners::android_11()] {
        let (mut w, c) = connected(true, manner);
        assert!(says(&w, c, "<- Ipcp ConfigureReject 1 2=002d0f01"), "{}", w.story(c));
        assert!(w.reaches(c));
    }
}

#[test]
fn an_echo_request_without_a_magic_number_is_answered() {
    for manner in [manners::apple(), manners::seil(), manners::chromeos()] {
        let (mut w, c) = connected(true, Manner { echoes: Some((seconds(5), 2)), ..manner });
        w.run_for(seconds(120));
        assert!(w.peers[c].is_up() && w.reaches(c), "{}", w.story(c));
    }
}

#[test]
fn one_counter_for_the_packets_of_all_protocols_disturbs_nobody() {
    for manner in manners::all() {
        let (mut w, c) = connected(true, Manner { one_counter: true, ..manner });
        assert!(w.reaches(c), "{}", w.story(c));
    }
}

/// The options of a DHCP message in order.
fn options(message: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let m = wire::inside::dhcp::Message::decode(message).expect("a DHCP message");
    m.options.iter().map(|o| (o.code.into(), o.data.clone())).collect()
}

#[test]
fn a_dhcpinform_inside_the_link_is_answered_without_a_lease_or_a_default_route() {
    for (manner, routes) in [(manners::windows(), &[249, 121][..]), (manners::apple(), &[249])] {
        let (w, c) = connected(true, manner.clone());
        let mut w = w;
        w.run_for(seconds(5));
        assert_eq!(w.peers[c].informed().len(), 1, "{}:\n{}", manner.name, w.story(c));
        let told = options(&w.peers[c].informed()[0]);
        assert_eq!((told[0].0, &told[0].1[..]), (53, &[5][..]), "{told:?}");
        assert_eq!(told[1].0, 54, "{told:?}");
        assert!(told.iter().all(|(code, _)| *code != 51 && *code != 3), "{told:?}");
        for code in routes {
            let value = &told.iter().find(|(c, _)| c == code).unwrap_or_else(|| panic!("{code} in {told:?}")).1;
            assert_eq!(value[..4], [24, 192, 168, 100], "{value:?}");
            assert_ne!(value[0], 0, "a default route");
        }
    }
}

//! Traps of L2TP.

use super::*;
use sim::{Stage, manners};
use wire::l2tp::{Avp, AvpType, MessageType};

#[test]
fn a_hello_on_tunnel_0_only_wakes_ipsec_and_is_ignored() {
    for manner in [manners::apple(), manners::apple_2011()] {
        assert!(manner.wakes_with_hello);
        let (mut w, c) = connected(true, manner);
        assert!(w.reaches(c) && w.lines("TUNNEL[1] connected").len() == 1, "{}", w.story(c));
    }
}

#[test]
fn an_sccrq_that_comes_twice_opens_one_tunnel() {
    for manner in manners::all() {
        // The answers to the first are lost: the client repeats it, some every two seconds, some beside a Quick Mode.
        let mut w = World::new(config(4, &[]), 1);
        let c = w.add_natted(true, manner.clone());
        w.dial(c);
        assert!(w.run_until(seconds(20), |w| *w.peers[c].stage() == Stage::L2tp), "{}", w.story(c));
        let until = w.now().after(Duration::from_millis(2500));
        let lost = std::rc::Rc::new(core::cell::Cell::new(true));
        let still = lost.clone();
        w.filter = Some(Box::new(move |way, p| still.get() && way != Way::ToServer && p.is_esp()));
        w.run_for(until.since(w.now()));
        lost.set(false);
        assert!(w.run_until(seconds(20), |w| w.peers[c].is_up()), "{}:\n{}", manner.name, w.story(c));
        assert!(count(&w, c, "-> Sccrq") > 1, "{}:\n{}", manner.name, w.story(c));
        assert_eq!(w.lines("TUNNEL[1] connected").len(), 1, "{}:\n{}", manner.name, w.story(c));
        assert!(w.reaches(c), "{}:\n{}", manner.name, w.story(c));
    }
}

#[test]
fn an_sccrp_has_the_five_avps_that_apple_wants_and_none_that_it_would_choke_on() {
    for manner in manners::all() {
        let (w, c) = connected(true, manner);
        let line = w.peers[c].dialogue().iter().find(|(_, l)| l.starts_with("<- Sccrp")).expect("an SCCRP").1.clone();
        for needed in ["ProtocolVersion", "FramingCapabilities", "HostName=", "AssignedTunnelId"] {
            assert!(line.contains(needed), "{line}");
        }
        assert!(!line.contains("Challenge") && !line.contains("Unknown"), "{line}");
    }
}

#[test]
fn mtpd_takes_one_form_of_the_header_and_no_octets_behind_the_message() {
    for manner in [manners::android_2(), manners::android_4(), manners::android_11()] {
        assert!(manner.one_at_a_time);
        let (mut w, c) = connected(true, manner);
        w.run_for(seconds(120));
        assert!(w.reaches(c), "{}", w.story(c));
        assert!(!says(&w, c, "other flags or octets behind"), "{}", w.story(c));
        assert!(!says(&w, c, "ignored: not all of its own"), "{}", w.story(c));
    }
}

#[test]
fn host_names_are_anything_from_nothing_to_a_nul() {
    let names = [
        &b""[..],
        b"anonymous",
        b"iPhone\0",
        &[0],
        &[b'x'; 64],
        &[0xff; 300],
        b"\x1b[31mred\x1b[0m\r\n",
        "\u{5c71}\u{7530}".as_bytes(),
    ];
    for manner in manners::all() {
        for name in names {
            let mut manner = manner.clone();
            for avp in manner.sccrq.iter_mut().flatten().filter(|a| a.kind == AvpType::HostName) {
                avp.value = name.to_vec();
            }
            let (mut w, c) = connected(false, manner);
            assert!(w.reaches(c), "{name:?}:\n{}", w.story(c));
            assert!(w.log().iter().all(|l| !l.contains(['\0', '\x1b', '\r', '\n'])), "{}", w.log().join("\n"));
        }
    }
}

#[test]
fn optional_avps_and_those_of_a_vendor_are_looked_at_by_their_vendor_first() {
    let mut manner = manners::windows();
    for list in [&mut manner.sccrq, &mut manner.icrq, &mut manner.iccn] {
        // A vendor's attribute with the number of a Result Code, of a version, of an id; and an unknown one.
        for number in [1, 2, 9, 14, 200] {
            let avp =
                Avp { mandatory: false, hidden: false, vendor: 311, kind: AvpType::Unknown(number), value: vec![0; 6] };
            list.as_mut().expect("a message").push(avp);
        }
        let unknown =
            Avp { mandatory: false, hidden: false, vendor: 0, kind: AvpType::Unknown(999), value: vec![1, 2, 3] };
        list.as_mut().expect("a message").push(unknown);
    }
    let (mut w, c) = connected(true, manner);
    assert!(w.reaches(c), "{}", w.story(c));
}

#[test]
fn a_result_code_of_any_length_ends_what_it_names() {
    let broken =
        [manners::windows(), manners::apple(), manners::android_4(), manners::routeros(), manners::libreswan()];
    for manner in broken {
        // No SA is deleted and PPP says nothing: L2TP alone must do.
        let (mut w, c) = connected(true, Manner { deletes_at_end: false, ..manner.clone() });
        let ppp_is_lost = std::rc::Rc::new(core::cell::Cell::new(0u32));
        let seen = ppp_is_lost.clone();
        w.filter = Some(Box::new(move |way, p| {
            let first = way == Way::ToServer && p.is_esp() && seen.get() == 0;
            seen.set(seen.get() + u32::from(first));
            first
        }));
        w.act(c, |p, now| p.hang_up(now));
        w.run_for(seconds(1));
        assert_eq!(ppp_is_lost.get(), 1);
        assert!(w.routes.is_empty(), "{}:\n{}", manner.name, w.story(c));
        assert_eq!(w.lines("Disconnected").len(), 1, "{}:\n{}", manner.name, w.story(c));
    }
}

#[test]
fn a_stopccn_alone_or_a_cdn_alone_ends_the_call_and_neither_leaves_it_to_the_keepalive() {
    for (cdn, stop) in [(true, false), (false, true), (false, false)] {
        let none = |wanted: bool| (!wanted).then(Vec::new);
        let manner = Manner { cdn: none(cdn), stop_ccn: none(stop), deletes_at_end: false, ..Manner::default() };
        let (mut w, c) = connected(true, manner);
        w.filter = Some({
            let mut first = true;
            Box::new(move |way, p| way == Way::ToServer && p.is_esp() && core::mem::take(&mut first))
        });
        w.act(c, |p, now| p.hang_up(now));
        w.run_for(seconds(1));
        assert_eq!(w.routes.is_empty(), cdn || stop, "{}", w.story(c));
        w.vanish(c);
        w.run_for(seconds(120));
        assert!(w.routes.is_empty(), "{}", w.story(c));
    }
}

#[test]
fn a_window_of_1_never_has_two_messages_on_their_way() {
    for natted in [false, true] {
        let lines = ["tunnel select 1\n l2tp keepalive use on 1 5\n tunnel select none"];
        let (mut w, c) = connected_in(
            World::new(config(1, &lines), 1),
            natted,
            Manner { answers_hellos: true, ..manners::android_4() },
        );
        w.run_for(seconds(30));
        assert!(says(&w, c, "<- Hello"), "{}", w.story(c));
        assert!(!says(&w, c, "ignored: not all of its own"), "{}", w.story(c));
    }
}

#[test]
fn a_hello_waits_while_the_icrp_is_not_acknowledged() {
    let lines = ["tunnel select 1\n l2tp keepalive use on 1 50\n l2tp keepalive log on\n tunnel select none"];
    let narrow: Vec<Manner> = manners::all().into_iter().filter(|manner| manner.one_at_a_time).collect();
    assert!(!narrow.is_empty(), "no client with a window of 1");
    for manner in narrow {
        let mut w = World::new(config(1, &lines), 1);
        let c = w.add_natted(true, manner);
        w.dial(c);
        assert!(w.run_until(seconds(20), |w| w.told("send ICRP")), "{}", w.story(c));
        // Nothing comes from the client any more: its acknowledgement is under way or lost.
        w.filter = Some(Box::new(|way, p| way == Way::ToServer && p.is_esp()));
        w.run_for(seconds(8));
        assert!(w.lines("send ICRP").len() >= 3 && w.lines("HELLO send").is_empty(), "{}", w.story(c));
        w.filter = None;
        assert!(w.run_until(seconds(30), |w| w.peers[c].is_up() && w.told("HELLO send")), "{}", w.story(c));
    }
}

#[test]
fn an_icrq_right_behind_the_scccn_or_before_it_is_taken_in_order() {
    for manner in [manners::apple(), Manner { icrq_at_once: true, ..manners::windows() }] {
        let (mut w, c) = connected(true, manner.clone());
        assert!(w.reaches(c), "{}", w.story(c));
        // The SCCCN is lost, so that the ICRQ comes first.
        let mut w = World::new(config(4, &[]), 1);
        let c = w.add_natted(true, manner);
        w.dial(c);
        assert!(w.run_until(seconds(20), |w| says(w, c, "<- Sccrp") || says(w, c, "-> Sccrq")));
        assert!(w.run_until(seconds(20), |w| w.peers[c].dialogue().iter().any(|(_, l)| l.starts_with("-> Sccrq"))));
        let mut seen = 0;
        w.filter = Some(Box::new(move |way, p| {
            let data = way == Way::ToServer && p.is_esp();
            seen += u32::from(data);
            data && seen == 1
        }));
        assert!(w.run_until(seconds(30), |w| w.peers[c].is_up()), "{}", w.story(c));
        assert!(w.reaches(c) && w.lines("TUNNEL[1] connected").len() == 1, "{}", w.story(c));
    }
}

#[test]
fn the_scccn_is_acknowledged_at_once_for_android_which_waits_for_it() {
    for manner in manners::all().into_iter().filter(|m| !m.icrq_at_once) {
        let (w, c) = connected(true, manner.clone());
        let when = |words: &str| w.peers[c].dialogue().iter().find(|(_, l)| l.contains(words)).expect("the line").0;
        let waited = when("-> Icrq").since(when("-> Scccn"));
        assert!(waited <= Duration::from_millis(40), "{}: {waited:?}", manner.name);
    }
}

#[test]
fn a_hello_that_goes_unanswered_while_data_flows_ends_nothing() {
    for manner in [manners::android_4(), manners::android_11(), Manner { answers_hellos: false, ..manners::apple() }] {
        let (mut w, c) = connected(true, manner.clone());
        assert_eq!(w.traffic(c, seconds(4), seconds(1200)), 0, "{}:\n{}", manner.name, w.story(c));
        assert!(!w.told("Disconnected"), "{}:\n{}", manner.name, w.story(c));
        // The same with packets of the network behind only: nothing of the client but its keepalives of NAT.
        w.vanish(c);
        w.run_for(seconds(120));
        assert!(w.told("fell silent"), "{}:\n{}", manner.name, w.story(c));
    }
}

#[test]
fn call_serial_numbers_are_anything() {
    for serial in [0, 1, u32::MAX, 0x8000_0000] {
        let icrq = vec![
            Avp::u16(AvpType::MessageType, MessageType::Icrq.into()),
            Avp::u16(AvpType::AssignedSessionId, 0),
            Avp::u32(AvpType::CallSerialNumber, serial),
        ];
        let (mut w, c) = connected(true, Manner { icrq: Some(icrq), ..Manner::default() });
        assert!(w.reaches(c), "{serial}:\n{}", w.story(c));
    }
}

#[test]
fn speeds_and_framing_are_only_logged() {
    let kind = || Avp::u16(AvpType::MessageType, MessageType::Iccn.into());
    let (speed, framing) = (|v| Avp::u32(AvpType::TxConnectSpeed, v), |v| Avp::u32(AvpType::FramingType, v));
    for v in [0, 1, 2, 3, u32::MAX] {
        let (mut w, c) =
            connected(true, Manner { iccn: Some(vec![kind(), speed(v), framing(v)]), ..Manner::default() });
        assert!(w.reaches(c), "{v}:\n{}", w.story(c));
    }
}

//! The whole table state × message of tunnel and session, printed and compared with `states.txt`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use super::tests::{Lac, at, rng, settings};
use super::*;
use core::fmt::Write as _;
use wire::l2tp::{Avp, AvpType};

const STATES: [&str; 7] =
    ["wait_ctl_conn", "idle", "wait_connect", "established", "between calls", "closing", "closed"];

/// A tunnel in one of [`STATES`], with its client.
fn tunnel_in(state: &str) -> (Tunnel, Lac) {
    let mut lac = Lac::new(4);
    let mut tunnel = Tunnel::accept(&lac.sccrq(), 1000, 1701, settings(), &mut rng(), at(0)).unwrap();
    let steps = match state {
        "wait_ctl_conn" => 0,
        "idle" => 1,
        "wait_connect" => 2,
        _ => 3,
    };
    for step in 0..steps {
        lac.take(&mut tunnel);
        let message = match step {
            0 => lac.scccn(),
            1 => lac.icrq(),
            _ => lac.iccn(),
        };
        tunnel.handle_control(&message, &mut rng(), at(0));
    }
    lac.take(&mut tunnel);
    match state {
        "between calls" => tunnel.handle_control(&lac.cdn(), &mut rng(), at(0)),
        "closing" => tunnel.close(stop::SHUTDOWN, 0, "", at(0)),
        "closed" => tunnel.handle_control(&lac.stopccn(), &mut rng(), at(0)),
        _ => {}
    }
    while tunnel.poll_output().is_some() {}
    (tunnel, lac)
}

/// One message of every kind, as the client of [`tunnel_in`] would send it next.
fn messages(lac: &mut Lac) -> Vec<(&'static str, Vec<u8>)> {
    let known = |kind| vec![Avp::u16(AvpType::MessageType, kind)];
    let call = |kind, id| vec![Avp::u16(AvpType::MessageType, kind), Avp::u16(AvpType::AssignedSessionId, id)];
    let unknown = |kind: u16, mandatory| {
        let avp = Avp { mandatory, hidden: false, vendor: 0, kind: AvpType::Unknown(99), value: vec![0] };
        let mut avps = known(kind);
        avps.push(avp);
        avps
    };
    let session = lac.peer_session;
    let next = |session, avps: &[Avp]| lac.clone().message(session, avps);
    vec![
        ("SCCRQ", next(0, &known(1))),
        ("SCCRP", next(0, &known(2))),
        ("SCCCN", next(0, &known(3))),
        ("StopCCN", next(0, &known(4))),
        ("HELLO", next(0, &known(6))),
        ("OCRQ", next(0, &call(7, 99))),
        ("OCRP", next(0, &call(8, 99))),
        ("OCCN", next(session, &known(9))),
        ("ICRQ", next(0, &call(10, 77))),
        ("ICRQ, same call", next(0, &call(10, 6819))),
        ("ICRQ without 14", next(0, &known(10))),
        ("ICRP", next(session, &call(11, 6819))),
        ("ICCN", next(session, &known(12))),
        ("ICCN, other call", next(session.wrapping_add(1), &known(12))),
        ("CDN", next(session, &call(14, 6819))),
        ("CDN by 14 alone", next(0, &call(14, 6819))),
        ("CDN, other call", next(session.wrapping_add(1), &call(14, 77))),
        ("WEN", next(session, &known(15))),
        ("SLI", next(session, &known(16))),
        ("type 99, M", next(0, &known(99))),
        ("type 99", next(0, &[Avp::u16(AvpType::MessageType, 99).optional()])),
        ("HELLO, AVP 99 M", next(0, &unknown(6, true))),
        ("HELLO, AVP 99", next(0, &unknown(6, false))),
        ("ICCN, AVP 99 M", next(session, &unknown(12, true))),
        ("SLI, AVP 99 M", next(session, &unknown(16, true))),
        ("StopCCN, AVP 99 M", next(0, &unknown(4, true))),
        ("no message type", next(0, &[Avp::u16(AvpType::AssignedSessionId, 1)])),
        ("ZLB", next(0, &[])),
    ]
}

fn state_of(tunnel: &Tunnel) -> String {
    let tunnel_state = match &tunnel.state {
        tunnel::State::Established(sessions) => {
            let words: Vec<_> = sessions.ids().map(|(local, _)| sessions.word(local)).collect();
            return if words.is_empty() { "idle".into() } else { words.join(" + ") };
        }
        tunnel::State::WaitCtlConn { .. } => "wait_ctl_conn",
        tunnel::State::Closing => "closing",
        tunnel::State::Closed { .. } => "closed",
        tunnel::State::Finished => "finished",
    };
    tunnel_state.into()
}

fn table() -> String {
    let mut table =
        String::from("state          message              sent and told                        new state\n");
    for state in STATES {
        let (_, mut lac) = tunnel_in(state);
        table.push('\n');
        for (name, message) in messages(&mut lac) {
            let (mut tunnel, _) = tunnel_in(state);
            tunnel.handle_control(&message, &mut rng(), at(1));
            let mut told = vec![];
            while let Some(output) = tunnel.poll_output() {
                told.push(match output {
                    Output::Send(sent) => tests::describe(&sent),
                    Output::SessionUp { .. } => "session up".into(),
                    Output::SessionDown { .. } => "session down".into(),
                    Output::TunnelDown { .. } => "tunnel down".into(),
                    Output::Log(_) => continue,
                });
            }
            let told = if told.is_empty() { "-".into() } else { told.join(", ") };
            writeln!(table, "{state:<14} {name:<20} {told:<36} {}", state_of(&tunnel)).unwrap();
        }
    }
    table
}

#[test]
fn every_message_in_every_state_is_answered_as_the_table_says() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/l2tp/states.txt");
    let table = table();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &table).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    assert_eq!(table, expected, "run with UPDATE=1 and read every changed line");
}

//! The door of PPTP: octets on streams, GRE, and time between them, at an engine that one client is connected to.
//!
//! An input is a kind, an argument, a length of two octets and so many octets, as at the engine's other door.
#![no_main]

use core::net::Ipv4Addr;
use core::time::Duration;
use libfuzzer_sys::fuzz_target;
use sim::legacy::{Exchange, config};
use sim::peer::legacy::Manner;
use wire::legacy::pptp;

/// Inputs of one run.
const MOST: usize = 48;
/// The client, and two who have opened a stream and said nothing.
const WHO: usize = 3;

/// What operators say.
const LINES: [&str; 8] = [
    "show status pp anonymous",
    "disconnect all",
    "pptp service off",
    "pptp service on",
    "no pp enable anonymous",
    "pp enable anonymous",
    "ppp ccp type none",
    "pptp window size 4",
];

/// How long to wait, in milliseconds.
const PAUSES: [u64; 8] = [1, 30, 1000, 5000, 20_000, 60_000, 600_000, 3_600_000];

fn one(x: &mut Exchange, kind: u8, argument: u8, octets: &[u8]) {
    let who = usize::from(argument & 0x0f) % WHO;
    match kind % 8 {
        0 => x.act(who, |client, _| client.send_octets(octets)),
        1 => {
            // A message of this type, whatever stands in it.
            let length = u16::try_from(pptp::HEADER_LEN + octets.len()).unwrap_or(u16::MAX);
            let kind = u16::from(argument >> 4);
            let head = [&length.to_be_bytes()[..], &[0, 1, 0x1a, 0x2b, 0x3c, 0x4d], &kind.to_be_bytes(), &[0, 0]];
            x.act(who, |client, _| client.send_octets(&[&head.concat()[..], octets].concat()));
        }
        2 | 3 => x.act(0, |client, _| client.send_frame(octets)),
        4 => x.inject(Ipv4Addr::new(100, 65, 0, 10 + argument % 4), octets),
        5 => x.run_for(Duration::from_millis(PAUSES[usize::from(argument) % PAUSES.len()])),
        6 if argument & 0x80 == 0 => x.act(who, |client, _| client.cut()),
        6 => x.act(who, |client, _| client.hang_up()),
        _ => {
            // What is refused, as in another scope, changes nothing.
            let _ = x.world.try_command(LINES[usize::from(argument) % LINES.len()]);
        }
    }
    x.run_for(Duration::from_millis(20));
}

fuzz_target!(|data: &[u8]| {
    let mut x = Exchange::new(config(WHO as u32, &[], &[]), 1);
    for call_id in 7..7 + WHO as u16 {
        x.add(Manner { call_id, ..Manner::default() });
    }
    x.connect(0);
    (1..WHO).for_each(|who| x.open(who));
    let mut rest = data;
    for _ in 0..MOST {
        let Some(([kind, argument, high, low], behind)) = rest.split_first_chunk() else { break };
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(behind.len());
        let (octets, behind) = behind.split_at(length);
        one(&mut x, *kind, *argument, octets);
        rest = behind;
    }
    (0..WHO).for_each(|who| x.act(who, |client, _| client.cut()));
    x.run_for(Duration::from_secs(3600));
    assert_eq!(x.world.quiet(), Ok(()), "something is left");
    assert_eq!(x.calls(), 0, "a call is left with the worker");
});

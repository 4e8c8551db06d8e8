//! What clients do that breaks servers, each as a scene that fails when the answer to it is taken out. The list with all
//! of them is `docs/traps.md`.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod l2tp;
mod phase1;
mod phase2;
mod ppp;
mod sessions;

use core::time::Duration;
use sim::{Carrier, Manner, Outer, Way, World, config};
use wire::isakmp::{Header, PayloadType, chain};

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn connected_in(mut w: World, natted: bool, manner: Manner) -> (World, usize) {
    let c = w.add_natted(natted, manner);
    w.connect(c);
    (w, c)
}

fn connected(natted: bool, manner: Manner) -> (World, usize) {
    connected_in(World::new(config(4, &[]), 1), natted, manner)
}

/// Whether the client's dialogue has a line with these words.
fn says(w: &World, c: usize, words: &str) -> bool {
    w.peers[c].dialogue().iter().any(|(_, l)| l.contains(words))
}

/// How many lines of the client's dialogue have these words.
fn count(w: &World, c: usize, words: &str) -> usize {
    w.peers[c].dialogue().iter().filter(|(_, l)| l.contains(words)).count()
}

/// A datagram to port 500 of the server from somewhere.
fn datagram(from: &str, bytes: &[u8]) -> Outer {
    let to = core::net::SocketAddr::new(sim::world::SERVER.into(), 500);
    Outer { carrier: Carrier::Udp, from: from.parse().expect("an address"), to, bytes: bytes.to_vec() }
}

/// What the server answers to a datagram of nobody.
fn answers(w: &mut World, from: &str, bytes: &[u8]) -> Vec<Outer> {
    w.watch = true;
    let before = w.crossings.len();
    w.inject(datagram(from, bytes));
    w.run_for(Duration::from_millis(50));
    let after = w.crossings[before..].iter().filter(|x| x.way == Way::ToNobody);
    after.map(|x| x.packet.clone()).collect()
}

/// The payloads of an answer in the clear.
fn payloads(bytes: &[u8]) -> Vec<(PayloadType, Vec<u8>)> {
    let (header, body) = Header::decode(bytes).expect("an ISAKMP message");
    chain(header.next, body).expect("payloads").iter().map(|p| (p.kind, p.body.to_vec())).collect()
}

/// The messages 1 of real clients.
const FIRST_MESSAGES: [&str; 6] = [
    "windows/mm1",
    "apple/mm1",
    "apple/mm1-2011",
    "android/mm1-l2tp-2.3",
    "android/mm1-l2tp-4.0",
    "android/mm1-l2tp-5.1",
];

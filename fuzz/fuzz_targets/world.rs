//! A whole world: topology, manners, faults and what happens are chosen by the octets, and somebody is on the way.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sim::swarm::Swarm;

/// More than that many octets choose nothing that fewer could not.
const MOST: usize = 512;

fuzz_target!(|data: &[u8]| {
    sim::cheap_pairs();
    Swarm::of_octets(data.get(..MOST).unwrap_or(data)).run();
});

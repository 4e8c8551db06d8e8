//! The simulated world: a virtual clock, a lossy network with NAT boxes, and L2TP/IPsec clients. Development only.

// The world is a test's instrument: it fails loudly where production code must not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "development only; a broken scene must stop at once"
)]

mod check;
mod configuration;
pub mod fixture;
pub mod lan;
pub mod legacy;
mod mischief;
pub mod net;
pub mod packet;
mod pairs;
pub mod peer;
pub mod rng;
mod scene;
pub mod snapshot;
pub mod swarm;
pub mod world;

pub use configuration::config;
pub use mischief::mutated;
pub use net::{Faults, Nat};
pub use pairs::cheap_pairs;
pub use peer::{Alphabet, Carrier, Layer, Manner, Outer, Peer, Stage, manners};
pub use world::{Crossing, Way, World};

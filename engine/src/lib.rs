//! What the server does, as one value: no sockets, no threads, no clock, no unseeded chance.

pub mod aaa;
pub mod carrier;
mod census;
mod client;
pub mod engine;
pub mod event;
mod filters;
mod gateways;
pub mod guesses;
pub mod ike;
mod inside;
pub mod l2tp;
mod latest;
pub mod lease;
pub mod legacy;
pub mod outbox;
pub mod path;
pub mod pool;
pub mod ppp;
pub mod prefix;
mod queue;
pub mod record;
pub mod rng;
pub mod status;
pub mod time;

pub use engine::{Engine, Input, Reason};
pub use outbox::{HostChange, Outbox, Output};

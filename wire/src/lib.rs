//! Bytes to values and back, for everything a client sends: no state, no time, no I/O.
//!
//! Decoding never panics, allocates no more than a small multiple of what it was given, and bounds every list. Encoding
//! undoes decoding. Control messages become owned values, because they are rare; what the data path touches
//! ([`ip`], [`esp`], [`l2tp::Header`], [`ppp::decode_frame`]) stays in place.

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::cast_possible_truncation)
)]

pub mod error;
pub mod esp;
pub mod inside;
pub mod ip;
pub mod isakmp;
pub mod l2tp;
pub mod legacy;
mod number;
pub mod ppp;
pub mod reader;

pub use error::{Error, Why};
pub use reader::{Reader, Writer};

//! The responder's arithmetic of Main Mode, messages 1 to 4: a key pair and a shared secret, beside its bare half.

use crate::rounds::{Candidate, alternate};
use crypto::{Group, KeyPair};
use serde_json::{Value, json};
use std::time::Instant;

const GROUPS: [(Group, &str); 3] = [(Group::Modp1024, "2"), (Group::Modp1536, "5"), (Group::Modp2048, "14")];

/// Measures each group; prints a line each and gives the figures.
pub(crate) fn measure() -> Value {
    let mut figures = Vec::new();
    for (group, name) in GROUPS {
        let theirs = KeyPair::generate(group, &[7; 64]);
        let ours = KeyPair::generate(group, &[9; 64]);
        let (public, ours) = (theirs.public(), &ours);
        let mut candidates: Vec<Candidate<'_>> = vec![
            Box::new(|times| {
                let start = Instant::now();
                for turn in 0..times {
                    let pair = KeyPair::generate(group, &[turn as u8; 64]);
                    assert!(pair.shared(public).is_ok(), "the secret is made");
                }
                start.elapsed()
            }),
            Box::new(|times| {
                let start = Instant::now();
                for _ in 0..times {
                    assert!(ours.shared(public).is_ok(), "the secret is made");
                }
                start.elapsed()
            }),
        ];
        let medians = alternate(&mut candidates);
        let (&[whole, shared], name) = (&medians[..], name) else {
            continue;
        };
        println!("group {name}: {:.3} ms a handshake, {:.3} ms with the pair made ahead", whole / 1e6, shared / 1e6);
        figures.push(json!({ "group": name, "whole_ms": whole / 1e6, "made_ahead_ms": shared / 1e6 }));
    }
    Value::from(figures)
}

//! How long a template of 10,000 tunnels takes to be read, checked and shown, and what an unused tunnel weighs.
//!
//! `cargo run --release -p command --example ten_thousand`
#![allow(clippy::expect_used, reason = "a measurement")]

use std::fs;
use std::time::Instant;

fn main() {
    let text = include_str!("../tests/configurations/acceptance.conf")
        .replace("2-8", "2-10000")
        .replace("tunnel1-tunnel8", "tunnel1-tunnel10000")
        .replace("192.168.100.200-192.168.100.250", "10.0.0.0-10.0.255.255");
    let start = Instant::now();
    let (config, problems) = command::parse(&text);
    let read = start.elapsed();
    let errors = problems.iter().filter(|problem| problem.severity == command::Severity::Error).count();
    let start = Instant::now();
    let shown = config.show();
    let show = start.elapsed();
    let start = Instant::now();
    let again = command::parse(&shown).0 == config;
    let back = start.elapsed();
    println!("{} tunnels, {errors} errors", config.l2tp_tunnels().len());
    println!("read and checked in {read:?}; shown in {show:?}; read back in {back:?}, equal: {again}");
    // What reading has left in the allocator is used up by the first copies.
    let mut copies: Vec<command::Config> = (0..10).map(|_| config.clone()).collect();
    let before = resident();
    copies.extend((0..10).map(|_| config.clone()));
    let octets = resident().saturating_sub(before) / 10 / 10_000;
    println!("{octets} octets of configuration for each tunnel ({} copies)", copies.len());
}

/// Octets of this process that are in memory.
fn resident() -> usize {
    let text = fs::read_to_string("/proc/self/statm").expect("the kernel tells");
    let pages: usize = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a number");
    pages * 4096
}

//! Random worlds: `SIM_SEEDS=N` for more of them, `SIM_SEED=S` for one; seeds that once failed are in `seeds.txt`.

use sim::swarm::Swarm;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs all of them and names each that fails.
fn run(seeds: impl Iterator<Item = u64>) {
    let mut failed = vec![];
    for seed in seeds {
        if catch_unwind(AssertUnwindSafe(|| Swarm::new(seed).run())).is_err() {
            eprintln!("the swarm of seed {seed} failed");
            failed.push(seed);
        }
    }
    assert!(failed.is_empty(), "swarms failed: SIM_SEED={failed:?}; put what was mended into sim/seeds.txt");
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn random_worlds_hold_together_and_return_to_quiet() {
    match number("SIM_SEED") {
        Some(seed) => run(core::iter::once(seed)),
        None => run(0..number("SIM_SEEDS").unwrap_or(60)),
    }
}

#[test]
fn worlds_that_once_fell_apart_hold_together() {
    let seeds = include_str!("../seeds.txt");
    run(seeds.lines().filter_map(|l| l.split('#').next()?.trim().parse().ok()));
}

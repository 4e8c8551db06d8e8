//! Random worlds: `SIM_SEEDS=N` for more of them, `SIM_SEED=S` for one, `SIM_FIRST=1` to stop at the first that fails; seeds
//! that once failed are in `seeds.txt`.

use sim::rng::Rng;
use sim::swarm::Swarm;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs all of them and names each that fails.
fn run(seeds: impl Iterator<Item = u64>, swarm: fn(u64) -> Swarm) {
    let mut failed = vec![];
    for seed in seeds {
        if catch_unwind(AssertUnwindSafe(|| swarm(seed).run())).is_err() {
            eprintln!("the swarm of seed {seed} failed");
            failed.push(seed);
            if std::env::var_os("SIM_FIRST").is_some() {
                break;
            }
        }
    }
    assert!(failed.is_empty(), "swarms failed: SIM_SEED={failed:?}; put what was mended into sim/seeds.txt");
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// The seeds that are asked for, or so many.
fn seeds(many: u64) -> core::ops::Range<u64> {
    match number("SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SIM_SEEDS").unwrap_or(many),
    }
}

#[test]
fn random_worlds_hold_together_and_return_to_quiet() {
    run(seeds(60), Swarm::new);
}

#[test]
fn random_worlds_of_real_clients_hold_together_and_return_to_quiet() {
    run(seeds(60), Swarm::of_real_clients);
}

#[test]
fn random_worlds_whose_clients_never_renew_hold_together_and_return_to_quiet() {
    run(seeds(60), Swarm::of_lazy_clients);
}

#[test]
fn random_worlds_with_clients_of_bad_will_hold_together_and_return_to_quiet() {
    run(seeds(60), Swarm::of_hostile_clients);
}

#[test]
fn random_worlds_with_somebody_on_the_way_hold_together_and_return_to_quiet() {
    run(seeds(60), |seed| Swarm::of_octets(&Rng::new(seed).bytes(300)));
}

#[test]
fn worlds_that_once_fell_apart_hold_together() {
    let seeds = include_str!("../seeds.txt");
    run(seeds.lines().filter_map(|l| l.split('#').next()?.trim().parse().ok()), Swarm::new);
}

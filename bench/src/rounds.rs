//! Alternating rounds: every candidate takes a short turn after every other, so that what disturbs one disturbs all.

use std::time::{Duration, Instant};

/// How long one turn lasts, about.
const TURN: Duration = Duration::from_micros(700);
/// How many turns each candidate has; an odd number has a middle.
const ROUNDS: usize = 31;

/// Something to measure: does its work so many times, and tells how long the part that counts took.
pub(crate) type Candidate<'a> = Box<dyn FnMut(usize) -> Duration + 'a>;

/// The median time of one piece of work of each candidate, in nanoseconds.
pub(crate) fn alternate(candidates: &mut [Candidate<'_>]) -> Vec<f64> {
    let times: Vec<usize> = candidates.iter_mut().map(|candidate| times_in_a_turn(candidate)).collect();
    let mut samples = vec![Vec::with_capacity(ROUNDS); candidates.len()];
    for _ in 0..ROUNDS {
        for ((candidate, times), samples) in candidates.iter_mut().zip(&times).zip(&mut samples) {
            samples.push(candidate(*times).as_secs_f64() * 1e9 / *times as f64);
        }
    }
    samples.iter_mut().map(|samples| median(samples)).collect()
}

/// The middle one; of none, not a number.
pub(crate) fn median(samples: &mut [f64]) -> f64 {
    samples.sort_unstable_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or(f64::NAN)
}

fn times_in_a_turn(candidate: &mut Candidate<'_>) -> usize {
    let mut times = 1;
    loop {
        let start = Instant::now();
        candidate(times);
        let taken = start.elapsed();
        if taken >= TURN / 2 {
            let right = times as f64 * TURN.as_secs_f64() / taken.as_secs_f64();
            return (right as usize).max(1);
        }
        times *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one_whatever_the_order() {
        assert_eq!(median(&mut [9.0, 1.0, 5.0]), 5.0);
        assert!(median(&mut []).is_nan());
    }
}

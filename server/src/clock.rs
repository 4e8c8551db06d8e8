//! The one clock: time since the host started, its sleep included.

use engine::time::Instant;

/// The moment it is.
pub(crate) fn now() -> Instant {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let rest = u64::try_from(time.tv_nsec).unwrap_or(0);
    Instant(seconds.saturating_mul(1_000_000_000).saturating_add(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on() {
        let first = now();
        std::thread::sleep(core::time::Duration::from_millis(2));
        assert!(now().since(first) >= core::time::Duration::from_millis(2));
    }
}

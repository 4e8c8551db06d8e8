//! How one thread wakes another that waits in `poll`, and how a thread that falls is noticed.

use rustix::event::EventfdFlags;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, OnceLock};

/// An eventfd: many rings before the sleeper looks are one.
#[derive(Debug)]
pub(crate) struct Wake {
    fd: OwnedFd,
}

impl Wake {
    /// Makes a bell that has not been rung.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { fd: rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)? })
    }

    /// Wakes the thread that waits for this.
    pub(crate) fn ring(&self) {
        // It fails only when the count is at its end, and then the sleeper is being woken anyway.
        let _ = rustix::io::write(&self.fd, &1u64.to_ne_bytes());
    }

    /// Forgets the rings so far; to be called before looking for what they were about.
    pub(crate) fn hush(&self) {
        let _ = rustix::io::read(&self.fd, &mut [0; 8]);
    }
}

impl AsFd for Wake {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Which thread fell first, if any.
#[derive(Clone, Debug)]
pub(crate) struct Alarm {
    fallen: Arc<OnceLock<&'static str>>,
    wake: Arc<Wake>,
}

impl Alarm {
    /// An alarm that rings `wake`.
    pub(crate) fn new(wake: Arc<Wake>) -> Self {
        Self { fallen: Arc::default(), wake }
    }

    /// The name of the thread that fell.
    pub(crate) fn fallen(&self) -> Option<&'static str> {
        self.fallen.get().copied()
    }

    /// To be held by a thread for as long as it runs.
    #[must_use]
    pub(crate) fn watch(&self, thread: &'static str) -> Watch {
        Watch { alarm: self.clone(), thread }
    }
}

/// Raises the alarm when its thread panics.
#[derive(Debug)]
pub(crate) struct Watch {
    alarm: Alarm,
    thread: &'static str,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = self.alarm.fallen.set(self.thread);
            self.alarm.wake.ring();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    fn is_ringing(wake: &Wake) -> bool {
        let mut fds = [PollFd::new(wake, PollFlags::IN)];
        poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap() == 1
    }

    #[test]
    fn a_bell_rings_until_it_is_hushed() {
        let wake = Wake::new().unwrap();
        assert!(!is_ringing(&wake));
        wake.ring();
        wake.ring();
        assert!(is_ringing(&wake));
        wake.hush();
        assert!(!is_ringing(&wake));
    }

    #[test]
    fn a_thread_that_falls_raises_the_alarm_and_one_that_ends_does_not() {
        let wake = Arc::new(Wake::new().unwrap());
        let alarm = Alarm::new(wake.clone());
        let watch = alarm.watch("calm");
        std::thread::spawn(move || drop(watch)).join().unwrap();
        assert_eq!((alarm.fallen(), is_ringing(&wake)), (None, false));
        let watch = alarm.watch("unlucky");
        let fell = std::thread::spawn(move || {
            let _watch = watch;
            std::panic::resume_unwind(Box::new("as a test"));
        });
        assert!(fell.join().is_err());
        assert_eq!((alarm.fallen(), is_ringing(&wake)), (Some("unlucky"), true));
    }
}

//! Gives memory back to the system when many clients have gone, or exchanges that came to nothing, and after a change of
//! the configuration: the allocator by itself keeps whatever lies below the last piece in use.

#![allow(unsafe_code, reason = "malloc_trim and mallopt have no safe wrappers")]

use core::time::Duration;
use engine::time::Instant;

/// How long after the first of many has gone; the others go meanwhile, and the data thread lets go of them too.
const LATER: Duration = Duration::from_secs(5);
/// So many more or less are not worth the work.
const FEW: usize = 16;

/// Watches how many clients there are, with those that are on their way in.
#[derive(Default, Debug)]
pub(crate) struct Memory {
    /// The most there were since memory was given back last.
    most: usize,
    due: Option<Instant>,
}

impl Memory {
    /// There are so many clients now; true if memory is to be given back.
    fn watch(&mut self, clients: usize, now: Instant) -> bool {
        self.most = self.most.max(clients);
        match self.due {
            Some(due) if now.reached(due) => {
                (self.most, self.due) = (clients, None);
                true
            }
            None if clients + (self.most / 4).max(FEW) <= self.most => {
                self.due = Some(now.after(LATER));
                false
            }
            Some(_) | None => false,
        }
    }

    /// There are so many clients now.
    pub(crate) fn note(&mut self, clients: usize, now: Instant) {
        if self.watch(clients, now) {
            trim();
        }
    }

    /// The configuration is another one now, and what was computed for the one before is let go of.
    pub(crate) fn reconfigured(&mut self, now: Instant) {
        self.due.get_or_insert_with(|| now.after(LATER));
    }

    /// When to be asked again.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }
}

/// Lets all threads share one heap: what an operator's thread has let go of serves the next client. The data thread allocates
/// nothing, and the others little at a time. To be called before there are threads.
#[cfg(target_env = "gnu")]
pub(crate) fn share() {
    // SAFETY: it may be called at any time; 1 is a number of arenas that it knows.
    unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
}

#[cfg(not(target_env = "gnu"))]
pub(crate) fn share() {}

#[cfg(target_env = "gnu")]
fn trim() {
    // SAFETY: it may be called at any time, by any thread.
    unsafe { libc::malloc_trim(0) };
}

#[cfg(not(target_env = "gnu"))]
fn trim() {}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::default().after(Duration::from_secs(seconds))
    }

    #[test]
    fn memory_is_given_back_once_some_seconds_after_many_have_gone() {
        let mut memory = Memory::default();
        for (clients, second, wanted) in
            [(1000, 0, false), (800, 1, false), (740, 2, false), (0, 6, false), (0, 7, true)]
        {
            assert_eq!(memory.watch(clients, at(second)), wanted, "{clients} at {second}");
        }
        assert_eq!((memory.watch(0, at(60)), memory.due()), (false, None));
        assert!(!memory.watch(15, at(61)) && !memory.watch(0, at(62)), "a few are not worth it");
        assert_eq!(memory.due(), None);
    }

    #[test]
    fn memory_is_given_back_some_seconds_after_a_change_of_the_configuration() {
        let mut memory = Memory::default();
        memory.reconfigured(at(10));
        memory.reconfigured(at(14));
        assert_eq!(memory.due(), Some(at(15)), "changes one after another do not put it off");
        assert!(!memory.watch(0, at(14)) && memory.watch(0, at(15)));
        assert_eq!(memory.due(), None);
    }
}

//! Gives memory back to the system when many clients have gone, or exchanges that came to nothing, and after a change of
//! the configuration: the allocator by itself keeps whatever lies below the last piece in use. And takes at the start what the
//! server needs once.

#![allow(unsafe_code, reason = "malloc_trim, mallopt and madvise have no safe wrappers")]

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

/// Pieces from this size on lie by themselves, octets: what is let go of at once.
const LARGE: libc::c_int = 128 << 10;

/// Lets all threads share one heap: what an operator's thread has let go of serves the next client. The data thread allocates
/// nothing, and the others little at a time. Large pieces lie outside it, however many there were: the allocator by itself
/// begins to put them between the small ones. To be called before there are threads.
#[cfg(target_env = "gnu")]
pub(crate) fn share() {
    // SAFETY: it may be called at any time; 1 is a number of arenas that it knows, and the size is its own default.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
    }
}

#[cfg(not(target_env = "gnu"))]
pub(crate) fn share() {}

/// Has all of the program's own code in memory: the first clients do not wait for the disk, and what grows from there on is
/// what clients need. To be called before the files of `/proc` are out of reach.
pub(crate) fn code_at_hand() {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let own = std::fs::read_link("/proc/self/exe").unwrap_or_default();
    for (start, end) in code_of(&maps, &own.to_string_lossy()) {
        // SAFETY: nothing is changed by it; a range that is not mapped is refused.
        // A kernel before 5.14 does not know it, and reads each page when it is needed.
        unsafe { libc::madvise(std::ptr::without_provenance_mut(start), end - start, libc::MADV_POPULATE_READ) };
    }
}

/// Where the code of a program lies, out of `/proc/self/maps`.
fn code_of<'a>(maps: &'a str, program: &'a str) -> impl Iterator<Item = (usize, usize)> + 'a {
    maps.lines().filter_map(move |line| {
        let (range, rest) = line.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        let at = |text| usize::from_str_radix(text, 16).ok();
        let is_code = rest.starts_with("r-xp") && rest.ends_with(program) && !program.is_empty();
        at(start).zip(at(end)).filter(|(start, end)| is_code && start < end)
    })
}

#[cfg(target_env = "gnu")]
fn trim() {
    // SAFETY: it may be called at any time, by any thread.
    unsafe { libc::malloc_trim(0) };
}

#[cfg(not(target_env = "gnu"))]
fn trim() {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
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
    fn the_programs_own_code_is_found_and_nothing_else() {
        let maps = "1000-3000 r--p 00000000 fe:00 7    /usr/sbin/sekisho\n3000-9000 r-xp 00002000 fe:00 7    /usr/sbin/sekisho\n\
                    a000-b000 r-xp 00000000 fe:00 8    /usr/lib/libc.so.6\nc000-d000 rw-p 00000000 00:00 0 \nnonsense\n";
        assert_eq!(code_of(maps, "/usr/sbin/sekisho").collect::<Vec<_>>(), [(0x3000, 0x9000)]);
        assert_eq!(code_of(maps, "").count(), 0);
        let own = std::env::current_exe().unwrap();
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        assert_eq!(code_of(&maps, &own.to_string_lossy()).count(), 1);
        code_at_hand();
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

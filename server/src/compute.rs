//! The pool for Diffie-Hellman: heavy arithmetic beside the control thread, bounded so that no peer can stall it.

use crate::wake::Alarm;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Jobs of the small groups that may wait: what the engine lets be under way.
const LIGHT: usize = 4096;
/// Jobs of the large groups that may wait.
const HEAVY: usize = 16;

/// How long a job takes, roughly.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Weight {
    /// Less than a millisecond or two.
    Light,
    /// Many milliseconds: only one such job runs at a time, and every light one may pass it in the queue.
    Heavy,
}

#[derive(Debug)]
struct Queue<J> {
    light: VecDeque<J>,
    heavy: VecDeque<J>,
    heavy_runs: bool,
    /// After a heavy job the light ones get their turn, even where there is one thread only.
    light_turn: bool,
    stopped: bool,
}

impl<J> Queue<J> {
    fn take(&mut self) -> Option<(J, Weight)> {
        let may_heavy = !self.heavy_runs && !self.heavy.is_empty() && (!self.light_turn || self.light.is_empty());
        if may_heavy {
            self.heavy_runs = true;
            self.light_turn = true;
            return self.heavy.pop_front().map(|job| (job, Weight::Heavy));
        }
        let job = self.light.pop_front()?;
        // A few light jobs for each heavy one: about as much time for both.
        self.light_turn = !self.light.is_empty() && !self.light.len().is_multiple_of(16);
        Some((job, Weight::Light))
    }
}

#[derive(Debug)]
struct Shared<J> {
    queue: Mutex<Queue<J>>,
    more: Condvar,
}

impl<J> Shared<J> {
    fn lock(&self) -> MutexGuard<'_, Queue<J>> {
        // Nothing under this lock can be left half done.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Some threads that work off jobs.
#[derive(Debug)]
pub(crate) struct Pool<J> {
    shared: Arc<Shared<J>>,
    threads: Vec<JoinHandle<()>>,
}

impl<J: Send + 'static> Pool<J> {
    /// Starts `threads` threads that call `work` on each job; `work` hands the result on by itself.
    ///
    /// While there is no job they call `idle`, a short piece of work at a time, until it says that there is none.
    pub(crate) fn start(
        threads: usize,
        alarm: &Alarm,
        work: impl Fn(J) + Send + Sync + 'static,
        idle: impl Fn() -> bool + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let queue = Queue {
            light: VecDeque::new(),
            heavy: VecDeque::with_capacity(HEAVY),
            heavy_runs: false,
            light_turn: false,
            stopped: false,
        };
        let shared = Arc::new(Shared { queue: Mutex::new(queue), more: Condvar::new() });
        let (work, idle) = (Arc::new(work), Arc::new(idle));
        let mut pool = Self { shared, threads: Vec::new() };
        for at in 0..threads.max(1) {
            let (shared, work, idle) = (pool.shared.clone(), work.clone(), idle.clone());
            let watch = alarm.watch("Diffie-Hellman");
            let thread = std::thread::Builder::new().name(format!("dh{at}")).spawn(move || {
                let _watch = watch;
                run(&shared, &*work, &*idle);
            })?;
            pool.threads.push(thread);
        }
        Ok(pool)
    }

    /// Queues a job; gives it back when too many are waiting.
    pub(crate) fn offer(&self, job: J, weight: Weight) -> Result<(), J> {
        let mut queue = self.shared.lock();
        let (line, most) = match weight {
            Weight::Light => (&mut queue.light, LIGHT),
            Weight::Heavy => (&mut queue.heavy, HEAVY),
        };
        if line.len() >= most {
            return Err(job);
        }
        line.push_back(job);
        drop(queue);
        self.shared.more.notify_one();
        Ok(())
    }

    /// Drops what waits and waits for the jobs that run.
    pub(crate) fn stop(self) {
        let mut queue = self.shared.lock();
        queue.stopped = true;
        queue.light.clear();
        queue.heavy.clear();
        drop(queue);
        self.shared.more.notify_all();
        for thread in self.threads {
            // A thread that fell has raised the alarm already.
            let _ = thread.join();
        }
    }
}

fn run<J>(shared: &Shared<J>, work: &impl Fn(J), idle: &impl Fn() -> bool) {
    let mut queue = shared.lock();
    let mut is_idle = false;
    loop {
        if queue.stopped {
            return;
        }
        let Some((job, weight)) = queue.take() else {
            if is_idle {
                queue = shared.more.wait(queue).unwrap_or_else(PoisonError::into_inner);
                is_idle = false;
            } else {
                drop(queue);
                is_idle = !idle();
                queue = shared.lock();
            }
            continue;
        };
        is_idle = false;
        drop(queue);
        work(job);
        queue = shared.lock();
        if weight == Weight::Heavy {
            queue.heavy_runs = false;
            shared.more.notify_one();
        }
    }
}

/// How many threads serve this machine: all processors but the one that the data path keeps busy, four at most.
pub(crate) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get().saturating_sub(1).clamp(1, 4))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;
    use crate::wake::Wake;
    use std::sync::mpsc;

    fn alarm() -> Alarm {
        Alarm::new(Arc::new(Wake::new().unwrap()))
    }

    #[test]
    fn every_job_is_done() {
        let (done, results) = mpsc::channel();
        let pool = Pool::start(3, &alarm(), move |n: u32| done.send(n * 2).unwrap(), || false).unwrap();
        for n in 0..100 {
            pool.offer(n, if n % 10 == 0 { Weight::Heavy } else { Weight::Light }).unwrap();
        }
        let mut got: Vec<u32> = results.iter().take(100).collect();
        got.sort_unstable();
        assert_eq!(got, (0..100).map(|n| n * 2).collect::<Vec<_>>());
        pool.stop();
    }

    #[test]
    fn a_full_queue_gives_the_job_back_and_heavy_ones_do_not_fill_it_for_light_ones() {
        let (go, gate) = mpsc::channel::<()>();
        let gate = Mutex::new(gate);
        let wait = move |_: usize| assert!(gate.lock().unwrap().recv().is_err());
        let pool = Pool::start(1, &alarm(), wait, || false).unwrap();
        let taken = (0..100).filter(|n| pool.offer(*n, Weight::Heavy).is_ok()).count();
        assert!((HEAVY..=HEAVY + 1).contains(&taken), "{taken}");
        assert_eq!(pool.offer(7, Weight::Light), Ok(()));
        drop(go);
        pool.stop();
    }

    #[test]
    fn idle_time_is_used_until_there_is_nothing_to_do_and_no_job_waits_for_it() {
        let (done, results) = mpsc::channel();
        let (told, pieces) = mpsc::channel();
        let left = Mutex::new(5);
        let idle = move || {
            let mut left = left.lock().unwrap();
            *left = i32::max(*left - 1, -1);
            told.send(*left >= 0).unwrap();
            *left >= 0
        };
        let pool = Pool::start(1, &alarm(), move |n: u32| done.send(n).unwrap(), idle).unwrap();
        assert_eq!(pieces.iter().take(6).collect::<Vec<_>>(), [true, true, true, true, true, false]);
        pool.offer(7, Weight::Light).unwrap();
        assert_eq!(results.recv(), Ok(7));
        // A job may have left something to do.
        assert_eq!(pieces.recv(), Ok(false));
        pool.stop();
    }

    #[test]
    fn light_jobs_pass_heavy_ones() {
        let mut queue = Queue {
            light: (0..40).collect(),
            heavy: [100, 101].into(),
            heavy_runs: true,
            light_turn: true,
            stopped: false,
        };
        // While one heavy job runs the other waits.
        assert!((0..20).all(|_| matches!(queue.take(), Some((_, Weight::Light)))));
        queue.heavy_runs = false;
        let kinds: Vec<Weight> = std::iter::from_fn(|| queue.take().map(|(_, weight)| weight)).collect();
        let first_heavy = kinds.iter().position(|w| *w == Weight::Heavy).unwrap();
        assert!(first_heavy < 17, "{kinds:?}");
        assert!(kinds.iter().filter(|w| **w == Weight::Light).count() == 20);
    }
}

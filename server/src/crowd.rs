//! Overload: whoever sends more than a data thread can carry waits apart, and loses its own packets and nobody else's.
//!
//! What is too much is dropped by the kernel where a socket is full, before it costs this process anything, but there it
//! does not look whose it is: half of what a client says that is just connecting would go, too. So port 4500 has two
//! sockets for each data thread. While the first one fills, its packets are counted by SA, and the SAs that most of them
//! are of move to the second, by the kernel's own program. The first has its turn before the second.

use crate::steer::by_spi_in_udp;
use crate::udp::{BATCH, Received, Udp};
use engine::time::Instant;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// SAs of one thread that may be apart; the kernel's program names each.
const MOST: usize = 32;
/// So many full batches in a row, and it is looked how much waits behind them; what is merged counts as often as it
/// would fill one.
const FULL: u32 = 64;
/// Packets that are counted, and how many of them make an SA one of those that fill the socket.
const COUNTED: u32 = 1024;
const SHARE: u32 = COUNTED / 32;
/// All are together again when nobody has had to wait for so long.
const CALM: Duration = Duration::from_secs(10);

/// Which SAs are apart, for each data thread; what is in it is what the kernel's program does.
pub(crate) type Lists = Arc<Mutex<Vec<Vec<u32>>>>;

/// Nobody apart yet.
pub(crate) fn lists(workers: usize) -> Lists {
    Arc::new(Mutex::new(vec![Vec::new(); workers.max(1)]))
}

/// Which of the two sockets may be read. An SA that has moved must not overtake itself: the socket that it has left is
/// emptied first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// Nobody is apart.
    Together,
    /// The first socket holds packets of SAs that have just moved to the second.
    Leaving,
    /// Both are read.
    Apart,
    /// The second holds packets of SAs that have just moved back.
    Returning,
}

/// The two sockets of one data thread.
#[derive(Debug)]
pub(crate) struct Crowd {
    number: usize,
    /// For SAs that are apart.
    second: Udp,
    lists: Lists,
    stage: Stage,
    /// Full batches in a row, from either socket.
    full: [u32; 2],
    counts: Option<BTreeMap<u32, u32>>,
    counted: u32,
    /// Since when nobody has had to wait.
    calm_since: Instant,
}

impl Crowd {
    /// For the data thread of this number.
    pub(crate) fn new(number: usize, second: Udp, lists: Lists) -> Self {
        Self {
            number,
            second,
            lists,
            stage: Stage::Together,
            full: [0; 2],
            counts: None,
            counted: 0,
            calm_since: Instant(0),
        }
    }

    /// The socket for SAs that are apart.
    pub(crate) fn second(&self) -> &Udp {
        &self.second
    }

    /// Whether the first socket, and the second, may be read in this turn, where these hold something.
    pub(crate) fn turn(&mut self, first: &Udp, (has_first, has_second): (bool, bool), now: Instant) -> (bool, bool) {
        match self.stage {
            Stage::Leaving if !has_first => {
                self.stage = Stage::Apart;
                self.calm_since = now;
            }
            Stage::Apart if now.since(self.calm_since) >= CALM && self.move_to(first, Vec::new()).is_ok() => {
                self.stage = Stage::Returning;
            }
            Stage::Returning if !has_second => self.stage = Stage::Together,
            _ => {}
        }
        let first = has_first && self.stage != Stage::Returning;
        // Also where all are together: a packet may have been on its way there while the last SA moved.
        let second = has_second && self.stage != Stage::Leaving;
        (first, second)
    }

    /// So many packets came out of the second socket at once.
    pub(crate) fn second_had(&mut self, received: Received, now: Instant) {
        let full = self.count_full(1, received);
        if full >= FULL {
            self.calm_since = now;
        }
    }

    /// Packets of these SAs came out of the first socket at once. True where this is why some SAs are apart from here on.
    pub(crate) fn first_had(&mut self, first: &Udp, received: Received, spis: impl Iterator<Item = u32>) -> bool {
        let full = self.count_full(0, received);
        if full == 0 {
            self.counts = None;
            return false;
        }
        let Some(counts) = &mut self.counts else {
            let before = full - in_batches(received);
            if full / FULL > before / FULL && first.waiting().is_some_and(|waiting| waiting.is_much()) {
                (self.counts, self.counted) = (Some(BTreeMap::new()), 0);
            }
            return false;
        };
        for spi in spis {
            *counts.entry(spi).or_default() += 1;
            self.counted += 1;
        }
        if self.counted < COUNTED || matches!(self.stage, Stage::Leaving | Stage::Returning) {
            return false;
        }
        let counts = self.counts.take().unwrap_or_default();
        let mut apart = self.apart();
        let before = apart.len();
        apart.extend(counts.into_iter().filter(|(_, count)| *count >= SHARE).map(|(spi, _)| spi));
        apart.truncate(MOST);
        // Where nobody sends much more than others, each loses as much as the others.
        let has_moved = apart.len() > before && self.move_to(first, apart).is_ok();
        if has_moved {
            self.stage = Stage::Leaving;
        }
        has_moved
    }

    /// SAs that are apart.
    fn apart(&self) -> Vec<u32> {
        let lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        lists.get(self.number).cloned().unwrap_or_default()
    }

    /// From here on these SAs of this thread are apart, and no others.
    fn move_to(&self, first: &Udp, spis: Vec<u32>) -> io::Result<()> {
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        let mut wanted = lists.clone();
        let Some(own) = wanted.get_mut(self.number) else { return Err(io::ErrorKind::NotFound.into()) };
        *own = spis;
        first.tell_apart(&mut by_spi_in_udp(wanted.len(), &wanted.concat()))?;
        *lists = wanted;
        Ok(())
    }

    /// Full batches in a row, with this one.
    fn count_full(&mut self, which: usize, received: Received) -> u32 {
        let Some(full) = self.full.get_mut(which) else { return 0 };
        *full = if received.is_full { full.saturating_add(in_batches(received)) } else { 0 };
        *full
    }
}

/// How many batches so many packets would fill.
fn in_batches(received: Received) -> u32 {
    u32::try_from(received.packets / BATCH).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::udp::{DATAGRAM, Group, Inbox, MERGED};
    use rustix::event::{PollFd, PollFlags, Timespec};
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    const LOUD: u32 = 0x0102_0304;
    const QUIET: u32 = 0x0102_0305;

    fn one_by_one(packets: usize) -> Received {
        Received { datagrams: packets, packets, is_full: packets == BATCH }
    }

    /// One thread's sockets, a client and a way to receive.
    struct Scene {
        first: Udp,
        crowd: Crowd,
        /// Open as long as the others: the kernel counts.
        _control: Udp,
        client: UdpSocket,
        port: u16,
        inbox: Inbox,
    }

    impl Scene {
        fn new() -> Self {
            let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let Group { mut firsts, control: _control, mut seconds, outs: _ } = Udp::bind_group(port, 1).unwrap();
            let (first, second) = (firsts.remove(0), seconds.remove(0));
            let client = UdpSocket::bind("127.0.0.1:0").unwrap();
            let crowd = Crowd::new(0, second, lists(1));
            Self { first, crowd, _control, client, port, inbox: Inbox::new(BATCH, DATAGRAM) }
        }

        fn send(&self, spi: u32) {
            let mut packet = [9; 1400];
            packet[..4].copy_from_slice(&spi.to_be_bytes());
            let _ = self.client.send_to(&packet, ("127.0.0.1", self.port)).unwrap();
        }

        /// Sends no faster than the loopback device takes it, which drops what is too much, too.
        fn send_slowly(&self, spi: u32, count: usize) {
            for n in 0..count {
                if n % 32 == 0 {
                    std::thread::sleep(Duration::from_millis(if n == 0 { 100 } else { 1 }));
                }
                self.send(spi);
            }
        }

        /// The SPIs of one batch of a socket; what is still on its way gets a moment.
        fn receive(&mut self, second: bool, moment: Duration) -> Vec<u32> {
            let socket = if second { self.crowd.second() } else { &self.first };
            let moment = Timespec { tv_sec: 0, tv_nsec: moment.as_nanos() as i64 };
            rustix::event::poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&moment)).unwrap();
            self.inbox.receive(socket.as_fd()).unwrap();
            self.inbox.datagrams().map(|d| u32::from_be_bytes(*d.bytes.first_chunk().unwrap())).collect()
        }

        /// All that is at a socket, and on its way there.
        fn empty(&mut self, second: bool) -> Vec<u32> {
            let mut all = Vec::new();
            loop {
                let some = self.receive(second, Duration::from_millis(200));
                if some.is_empty() {
                    return all;
                }
                all.extend(some);
            }
        }

        /// Twice as much as is taken, from so many SAs, until some are apart, or for so many batches.
        fn overload(&mut self, sas: u32, batches: usize) -> bool {
            for n in 0..batches {
                for spi in 0..2 * BATCH as u32 {
                    self.send(LOUD + 256 * ((n as u32 * 31 + spi) % sas));
                }
                let spis = self.receive(false, Duration::ZERO);
                if self.crowd.first_had(&self.first, one_by_one(spis.len()), spis.into_iter()) {
                    return true;
                }
            }
            false
        }
    }

    #[test]
    fn who_fills_the_socket_waits_apart_and_others_lose_nothing() {
        let mut s = Scene::new();
        let now = Instant(1);
        assert!(s.overload(1, 500));
        // What had arrived before goes first.
        s.send_slowly(LOUD, BATCH);
        assert_eq!(s.crowd.turn(&s.first, (true, true), now), (true, false));
        s.empty(false);
        assert_eq!(s.crowd.turn(&s.first, (false, true), now), (false, true));
        assert_eq!(s.empty(true), [LOUD; BATCH]);
        // However much more comes, the others get through.
        s.send_slowly(LOUD, 20_000);
        s.send_slowly(QUIET, 1);
        assert!(s.crowd.second().waiting().unwrap().lost > 0);
        assert_eq!(s.empty(false), [QUIET]);
        // In the end all are together again, and nothing overtakes what waits.
        let later = Instant(CALM.as_nanos() as u64 + 1);
        assert_eq!(s.crowd.turn(&s.first, (true, true), later), (false, true));
        s.send_slowly(LOUD, 1);
        s.empty(true);
        assert_eq!(s.crowd.turn(&s.first, (true, false), later), (true, false));
        assert_eq!(s.empty(false), [LOUD]);
        // A straggler at the second is read: the thread would wake up for it for ever.
        assert_eq!(s.crowd.turn(&s.first, (false, true), later), (false, true));
    }

    #[test]
    fn as_long_as_the_second_socket_fills_nobody_returns() {
        let mut s = Scene::new();
        assert!(s.overload(2, 500));
        let at = |seconds: u64| Instant(Duration::from_secs(seconds).as_nanos() as u64);
        let _ = s.crowd.turn(&s.first, (false, true), at(1));
        for second in 1..30 {
            (0..FULL).for_each(|_| s.crowd.second_had(one_by_one(BATCH), at(second)));
            assert_eq!(s.crowd.turn(&s.first, (false, true), at(second)), (false, true));
            assert_eq!(s.crowd.stage, Stage::Apart);
        }
        let _ = s.crowd.turn(&s.first, (false, true), at(40));
        assert_eq!(s.crowd.stage, Stage::Returning);
    }

    #[test]
    fn where_all_send_alike_nobody_is_apart() {
        let mut s = Scene::new();
        assert!(!s.overload(1000, 300));
        assert!(s.crowd.apart().is_empty());
    }

    #[test]
    fn a_crowd_that_comes_merged_was_seen_five_times_too_late() {
        let mut s = Scene::new();
        s.send_slowly(LOUD, 4000);
        let packets = BATCH * 5;
        let received = Received { datagrams: MERGED, packets, is_full: true };
        let mut before = 0;
        while before < 10 * FULL && !s.crowd.first_had(&s.first, received, std::iter::repeat_n(LOUD, packets)) {
            before += 1;
        }
        assert_eq!(s.crowd.stage, Stage::Leaving);
        assert!(before <= FULL / 5 + 5, "{before} batches");
    }

    #[test]
    fn a_crowd_at_a_socket_that_merges_in_vain_was_never_seen() {
        let mut s = Scene::new();
        s.send_slowly(LOUD, 4000);
        let received = Received { datagrams: MERGED, packets: MERGED, is_full: true };
        let mut all = (0..10 * FULL).map(|_| s.crowd.first_had(&s.first, received, std::iter::repeat_n(LOUD, MERGED)));
        assert!(all.any(|moved| moved));
    }

    #[test]
    fn a_short_burst_sets_nobody_apart() {
        let mut s = Scene::new();
        for _ in 0..5 {
            assert!(!s.overload(1, FULL as usize - 1));
            s.empty(false);
            assert!(!s.crowd.first_had(&s.first, one_by_one(0), std::iter::empty()));
        }
    }
}

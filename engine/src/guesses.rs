//! Wrong passwords, counted: who goes on guessing has to wait, longer each time, and every wait ends by itself.
//!
//! Three things are counted: a user in one network, a network, and a user anywhere. A user who has come in from a network
//! before is not kept waiting there for what others do: neither for guesses from elsewhere nor for those of neighbours.

use crate::time::Instant;
use core::fmt;
use core::hash::{BuildHasher, BuildHasherDefault};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::hash::DefaultHasher;

/// Wrong passwords without a wait: of a user in one network, and of a network or of a user anywhere.
const FREE: u32 = 5;
const FREE_TOGETHER: u32 = 30;
/// The first wait; each further wrong password doubles it.
const FIRST: Duration = Duration::from_secs(10);
/// The longest wait, and that of a user anywhere, whom strangers could lock out otherwise.
const LONGEST: Duration = Duration::from_secs(900);
const LONGEST_ANYWHERE: Duration = Duration::from_secs(60);
/// So long after the last wrong password all of them are forgotten.
const FORGOTTEN: Duration = Duration::from_secs(3600);
/// What is remembered at most; then the one that was quiet for longest makes room.
const MOST: usize = 8192;
/// So many entries of the order that stand for nothing any more are not worth a walk.
const FEW_STALE: usize = 16;
/// Octets of a name that are looked at.
const NAME: usize = 256;

/// A network: the first 24 bits of an IPv4 address, or the first 56 of an IPv6 address, as a site has them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Network(IpAddr);

impl Network {
    pub(crate) fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits() & !0xff).into(),
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !(u128::MAX >> 56)).into(),
        })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.0, if self.0.is_ipv4() { 24 } else { 56 })
    }
}

/// Whose wrong passwords are counted together; without a user those of all, without a network those from everywhere.
type Key<'a> = (Option<&'a str>, Option<Network>);
/// A key as it is remembered: what all users are called would take more than what is counted of them.
type Digest = u64;

fn digest(key: Key<'_>) -> Digest {
    BuildHasherDefault::<DefaultHasher>::new().hash_one(key)
}

#[derive(Clone, Copy, Default)]
struct Count {
    wrong: u32,
    last: Instant,
    until: Instant,
    /// The user has come in from there.
    known: bool,
}

/// A wait that has begun.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wait {
    /// The user who waits; none for all users of the network.
    pub user: Option<String>,
    /// The network where, in CIDR form; none for everywhere.
    pub network: Option<String>,
    /// How many wrong passwords there were.
    pub wrong: u32,
    /// For how long, in seconds.
    pub seconds: u64,
}

/// All that is counted, in two pieces: users are remembered for longer than their sessions last, and what lay beside these
/// would keep the memory of all that has gone.
#[derive(Default)]
pub(crate) struct Guesses {
    /// Ascending.
    counts: Vec<(Digest, Count)>,
    /// The same by when something happened last, the longest ago first; it may have happened once more since.
    order: VecDeque<(Instant, Digest)>,
}

impl Guesses {
    /// For how long an attempt of this user from there is not looked at, if it is not.
    pub(crate) fn wait(&self, user: &[u8], network: Network, now: Instant) -> Option<Duration> {
        let name = name(user);
        let [own, place, anywhere] = keys(&name, network).map(|(key, ..)| self.of(digest(key)));
        let known = own.is_some_and(|count| count.known);
        let others = [place, anywhere].into_iter().flatten().filter(|_| !known);
        let until = own.into_iter().chain(others).map(|count| count.until).max()?;
        (!now.reached(until)).then(|| until.since(now))
    }

    /// A wrong password; gives the waits that begin.
    pub(crate) fn wrong(&mut self, user: &[u8], network: Network, now: Instant) -> Vec<Wait> {
        let mut begun = vec![];
        for (key, free, longest) in keys(&name(user), network) {
            let mut count = self.of(digest(key)).unwrap_or_default();
            if now.since(count.last) >= FORGOTTEN {
                count.wrong = 0;
            }
            count.wrong = count.wrong.saturating_add(1);
            if let Some(over) = count.wrong.checked_sub(free).filter(|over| *over > 0) {
                let wait = FIRST.saturating_mul(1 << (over - 1).min(10)).min(longest);
                count.until = now.after(wait);
                begun.push(Wait {
                    user: key.0.map(str::to_owned),
                    network: key.1.map(|network| network.to_string()),
                    wrong: count.wrong,
                    seconds: wait.as_secs(),
                });
            }
            self.put(digest(key), Count { last: now, ..count });
        }
        begun
    }

    /// The user has come in: what was counted of it there is forgotten, and it is known there from now on.
    pub(crate) fn right(&mut self, user: &[u8], network: Network, now: Instant) {
        let name = name(user);
        let [(key, ..), _, _] = keys(&name, network);
        self.put(digest(key), Count { last: now, known: true, ..Count::default() });
    }

    fn place(&self, key: Digest) -> Result<usize, usize> {
        self.counts.binary_search_by_key(&key, |(other, _)| *other)
    }

    fn of(&self, key: Digest) -> Option<Count> {
        self.counts.get(self.place(key).ok()?).map(|(_, count)| *count)
    }

    fn put(&mut self, key: Digest, count: Count) {
        if self.of(key).is_none() && self.counts.len() >= MOST {
            self.forget_oldest();
        }
        match self.place(key) {
            Ok(at) => {
                if let Some(place) = self.counts.get_mut(at) {
                    place.1 = count;
                }
            }
            Err(at) => self.counts.insert(at, (key, count)),
        }
        self.order.push_back((count.last, key));
        if self.order.len() > 2 * self.counts.len() + FEW_STALE {
            let mut order = core::mem::take(&mut self.order);
            order.retain(|entry| self.stands(*entry));
            self.order = order;
        }
    }

    /// Whether nothing has happened since.
    fn stands(&self, (last, key): (Instant, Digest)) -> bool {
        self.of(key).is_some_and(|count| count.last == last)
    }

    fn forget_oldest(&mut self) {
        while let Some(oldest) = self.order.pop_front() {
            if self.stands(oldest)
                && let Ok(at) = self.place(oldest.1)
            {
                self.counts.remove(at);
                return;
            }
        }
    }
}

/// The user's name, as far as it is looked at.
fn name(user: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(user.get(..NAME).unwrap_or(user))
}

/// What an attempt counts for: how many are free there, and how long the longest wait is.
fn keys(user: &str, network: Network) -> [(Key<'_>, u32, Duration); 3] {
    [
        ((Some(user), Some(network)), FREE, LONGEST),
        ((None, Some(network)), FREE_TOGETHER, LONGEST),
        ((Some(user), None), FREE_TOGETHER, LONGEST_ANYWHERE),
    ]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::default().after(Duration::from_secs(100_000 + seconds))
    }

    fn network(n: u8) -> Network {
        Network::of(IpAddr::from([198, 51, n, 7]))
    }

    /// So many wrong passwords in one second; the seconds of the last wait.
    fn wrong(guesses: &mut Guesses, times: usize, user: &str, network: Network, second: u64) -> Option<u64> {
        let begun = (0..times).map(|_| guesses.wrong(user.as_bytes(), network, at(second)));
        begun.last().unwrap().iter().map(|wait| wait.seconds).max()
    }

    #[test]
    fn the_sixth_wrong_password_of_a_user_begins_a_wait_that_doubles_and_ends_by_itself() {
        let mut guesses = Guesses::default();
        assert_eq!(wrong(&mut guesses, 5, "taro", network(1), 0), None);
        assert_eq!(guesses.wait(b"taro", network(1), at(0)), None);
        assert_eq!(wrong(&mut guesses, 1, "taro", network(1), 0), Some(10));
        assert_eq!(guesses.wait(b"taro", network(1), at(4)), Some(Duration::from_secs(6)));
        assert_eq!(guesses.wait(b"jiro", network(1), at(4)), None, "another user");
        assert_eq!(guesses.wait(b"taro", network(2), at(4)), None, "another network");
        assert_eq!(guesses.wait(b"taro", network(1), at(10)), None, "the wait is over");
        assert_eq!(wrong(&mut guesses, 1, "taro", network(1), 10), Some(20));
        assert_eq!(wrong(&mut guesses, 20, "taro", network(1), 30), Some(900));
        assert_eq!(wrong(&mut guesses, 1, "taro", network(1), 30 + 3600), None, "an hour later all is forgotten");
    }

    #[test]
    fn a_network_that_tries_many_users_waits_but_not_those_who_have_come_in_from_there() {
        let mut guesses = Guesses::default();
        guesses.right(b"jiro", network(1), at(0));
        for n in 0..31 {
            wrong(&mut guesses, 1, &format!("user{n}"), network(1), 1);
        }
        assert_eq!(guesses.wait(b"saburo", network(1), at(2)), Some(Duration::from_secs(9)));
        assert_eq!(guesses.wait(b"jiro", network(1), at(2)), None);
        assert_eq!(guesses.wait(b"saburo", network(2), at(2)), None);
    }

    #[test]
    fn a_user_who_is_guessed_at_from_everywhere_waits_but_not_where_it_has_come_in_before() {
        let mut guesses = Guesses::default();
        guesses.right(b"taro", network(200), at(0));
        for n in 0..40 {
            wrong(&mut guesses, 1, "taro", network(n), 1);
        }
        assert_eq!(guesses.wait(b"taro", network(99), at(2)), Some(Duration::from_secs(59)), "a minute at most");
        assert_eq!(guesses.wait(b"taro", network(200), at(2)), None);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut guesses = Guesses::default();
        for n in 0..20_000 {
            wrong(&mut guesses, 1, &format!("user{n}"), network((n % 200) as u8), n);
        }
        assert_eq!((guesses.counts.len(), guesses.order.len() <= 2 * MOST + FEW_STALE), (MOST, true));
    }

    #[test]
    fn a_network_is_what_a_site_has() {
        let shown = |address: &str| Network::of(address.parse().unwrap()).to_string();
        assert_eq!(shown("198.51.100.77"), "198.51.100.0/24");
        assert_eq!(shown("::ffff:198.51.100.77"), "198.51.100.0/24");
        assert_eq!(shown("2001:db8:1:2ff::7"), "2001:db8:1:200::/56");
    }
}

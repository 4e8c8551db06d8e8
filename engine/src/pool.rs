//! Addresses lent to clients and given back.

use core::hash::{BuildHasherDefault, Hash, Hasher};
use core::net::Ipv4Addr;
use serde::{Deserialize, Serialize};
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

/// How many addresses that are not lent are remembered with their last user.
const MAX_REMEMBERED: usize = 65_536;
/// So many entries of the order of return that stand for nothing any more are not worth a walk.
const FEW_STALE: usize = 16;

/// A user as it is remembered: a digest of the name. Two users of one digest would be offered one another's last address.
type Digest = u64;
/// Keys are addresses of our own and digests, and no chance decides where they lie.
type Lookup<K, V> = HashMap<K, V, BuildHasherDefault<DefaultHasher>>;

/// What a client should get.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wish {
    /// Any address of the pool; the user's last one if it is free.
    Any,
    /// The address that the configuration gives to this user, wherever it lies; any of the pool if it is lent already.
    Fixed(Ipv4Addr),
    /// This address of the pool if it is free, else any.
    Preferred(Ipv4Addr),
}

/// Ranges of addresses, and who has which.
///
/// An address is lent to one session at a time. A user gets the last address again where it is free; others get addresses
/// that nobody had, in ascending order, then those that have been free for longest, so that the memory of the others
/// stays true for as long as can be.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Pool {
    /// Ascending, apart from one another, both ends included.
    ranges: Vec<(u32, u32)>,
    /// Never lent: our own addresses.
    own: BTreeSet<Ipv4Addr>,
    /// Lent only as somebody's fixed address.
    reserved: BTreeSet<Ipv4Addr>,
    lent: BTreeMap<Ipv4Addr, String>,
    /// Free addresses of the pool that somebody had, with the number of their return and that user. It and the next two lie in
    /// one piece each: whatever lay beside its client would keep the memory of all that has gone.
    #[serde(skip)]
    returned: Lookup<Ipv4Addr, (u64, Digest)>,
    /// The same by the number of the return: longest free first. Some were lent again since; the first was not.
    #[serde(skip)]
    by_return: VecDeque<(u64, Ipv4Addr)>,
    /// The last address of a user; an entry stands for one in `returned`.
    #[serde(skip)]
    last_of: Lookup<Digest, Ipv4Addr>,
    returns: u64,
    /// Below this address, all of the pool has been lent once.
    #[serde(skip)]
    fresh_from: u32,
}

impl Pool {
    /// A pool of these ranges (both ends included, in any order), without our own addresses and those that are fixed for
    /// some user.
    pub fn new(ranges: &[(Ipv4Addr, Ipv4Addr)], own: &[Ipv4Addr], reserved: &[Ipv4Addr]) -> Self {
        Self {
            ranges: merged(ranges),
            own: own.iter().copied().collect(),
            reserved: reserved.iter().copied().collect(),
            ..Self::default()
        }
    }

    /// Changes what the pool consists of; what is lent stays lent until it is given back.
    pub fn reconfigure(&mut self, ranges: &[(Ipv4Addr, Ipv4Addr)], own: &[Ipv4Addr], reserved: &[Ipv4Addr]) {
        let fresh = Self::new(ranges, own, reserved);
        self.ranges = fresh.ranges;
        self.own = fresh.own;
        self.reserved = fresh.reserved;
        self.fresh_from = 0;
        let remembered = self.by_return.iter().map(|(_, address)| *address);
        let gone: Vec<Ipv4Addr> = remembered.filter(|a| !self.is_dynamic(*a)).collect();
        for address in gone {
            self.forget(address);
        }
    }

    /// Lends an address to a session of `user`; nothing if the pool is empty.
    pub fn lend(&mut self, user: &str, wish: Wish) -> Option<Ipv4Addr> {
        let wished = match wish {
            Wish::Any => None,
            Wish::Fixed(address) => (!self.own.contains(&address)).then_some(address),
            Wish::Preferred(address) => self.is_dynamic(address).then_some(address),
        };
        let free = |address: &Ipv4Addr| !self.lent.contains_key(address);
        let address = wished
            .filter(free)
            .or_else(|| self.last_of.get(&digest(user)).copied().filter(free))
            .or_else(|| self.next_fresh())
            .or_else(|| self.by_return.front().map(|(_, address)| *address))?;
        self.recall(address);
        self.lent.insert(address, user.to_owned());
        Some(address)
    }

    /// Takes an address as lent that a session brought along, as after a restart; false if somebody else has it.
    pub fn take(&mut self, user: &str, address: Ipv4Addr) -> bool {
        if self.own.contains(&address) || self.lent.contains_key(&address) {
            return false;
        }
        self.recall(address);
        self.lent.insert(address, user.to_owned());
        true
    }

    /// The session that had this address is over.
    pub fn give_back(&mut self, address: Ipv4Addr) {
        let Some(user) = self.lent.remove(&address) else { return };
        if !self.is_dynamic(address) {
            return;
        }
        if self.returned.len() >= MAX_REMEMBERED
            && let Some((_, oldest)) = self.by_return.front()
        {
            self.forget(*oldest);
        }
        // An earlier one stays in the order of return, but is nobody's last any more.
        let user = digest(&user);
        self.last_of.insert(user, address);
        self.returns += 1;
        self.by_return.push_back((self.returns, address));
        self.returned.insert(address, (self.returns, user));
    }

    /// Who has this address.
    pub fn holder(&self, address: Ipv4Addr) -> Option<&str> {
        self.lent.get(&address).map(String::as_str)
    }

    /// Whether this user has an address.
    pub fn has(&self, user: &str) -> bool {
        self.lent.values().any(|name| name == user)
    }

    /// How many addresses are lent.
    pub fn lent(&self) -> usize {
        self.lent.len()
    }

    /// How many addresses the ranges hold, ours and the fixed ones included.
    pub fn size(&self) -> u64 {
        self.ranges.iter().map(|(first, last)| u64::from(last.abs_diff(*first)) + 1).sum()
    }

    fn is_dynamic(&self, address: Ipv4Addr) -> bool {
        let number = u32::from(address);
        self.ranges.iter().any(|(first, last)| (*first..=*last).contains(&number))
            && !self.own.contains(&address)
            && !self.reserved.contains(&address)
    }

    /// The lowest address that nobody has and nobody is remembered with.
    fn next_fresh(&mut self) -> Option<Ipv4Addr> {
        for &(first, last) in &self.ranges {
            for number in first.max(self.fresh_from)..=last {
                let address = Ipv4Addr::from(number);
                let is_taken = self.lent.contains_key(&address) || self.returned.contains_key(&address);
                if !is_taken && !self.own.contains(&address) && !self.reserved.contains(&address) {
                    self.fresh_from = number;
                    return Some(address);
                }
            }
        }
        self.fresh_from = self.ranges.last().map_or(0, |(_, last)| last.saturating_add(1));
        None
    }

    /// Nobody is remembered with this address any more.
    fn recall(&mut self, address: Ipv4Addr) {
        let Some((_, user)) = self.returned.remove(&address) else {
            return;
        };
        if self.last_of.get(&user) == Some(&address) {
            self.last_of.remove(&user);
        }
        let stands = |(number, address): &(u64, Ipv4Addr)| self.returned.get(address).is_some_and(|(n, _)| n == number);
        if self.by_return.len() > 2 * self.returned.len() + FEW_STALE {
            self.by_return.retain(stands);
        }
        while self.by_return.front().is_some_and(|entry| !stands(entry)) {
            self.by_return.pop_front();
        }
    }

    /// This free address counts as one that nobody had.
    fn forget(&mut self, address: Ipv4Addr) {
        self.recall(address);
        self.fresh_from = self.fresh_from.min(u32::from(address));
    }
}

fn digest(user: &str) -> Digest {
    let mut hasher = DefaultHasher::new();
    user.hash(&mut hasher);
    hasher.finish()
}

fn merged(ranges: &[(Ipv4Addr, Ipv4Addr)]) -> Vec<(u32, u32)> {
    let mut sorted: Vec<(u32, u32)> =
        ranges.iter().map(|(a, b)| (u32::from(*a.min(b)), u32::from(*a.max(b)))).collect();
    sorted.sort_unstable();
    let mut out: Vec<(u32, u32)> = Vec::new();
    for (first, last) in sorted {
        match out.last_mut() {
            Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
            _ => out.push((first, last)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

    use super::*;
    use crate::rng::Rng;

    fn at(last: u8) -> Ipv4Addr {
        Ipv4Addr::new(192, 168, 100, last)
    }

    fn pool(first: u8, last: u8) -> Pool {
        Pool::new(&[(at(first), at(last))], &[at(1)], &[])
    }

    #[test]
    fn addresses_are_lent_in_ascending_order_until_none_is_left() {
        let mut pool = Pool::new(&[(at(7), at(8)), (at(0), at(2))], &[at(1)], &[]);
        let lent: Vec<Option<Ipv4Addr>> = (0..5).map(|n| pool.lend(&n.to_string(), Wish::Any)).collect();
        assert_eq!(lent, [Some(at(0)), Some(at(2)), Some(at(7)), Some(at(8)), None]);
        assert_eq!((pool.lent(), pool.size(), pool.holder(at(7))), (4, 5, Some("2")));
    }

    #[test]
    fn a_user_comes_back_to_the_last_address_and_others_leave_it_alone_while_they_can() {
        let mut pool = pool(10, 12);
        assert_eq!(pool.lend("taro", Wish::Any), Some(at(10)));
        pool.give_back(at(10));
        assert_eq!(pool.lend("jiro", Wish::Any), Some(at(11)));
        assert_eq!(pool.lend("hana", Wish::Any), Some(at(12)));
        assert_eq!(pool.lend("taro", Wish::Any), Some(at(10)));
        pool.give_back(at(12));
        pool.give_back(at(10));
        assert_eq!(pool.lend("new", Wish::Any), Some(at(12)), "the one that has been free for longest");
        assert_eq!(pool.lend("hana", Wish::Any), Some(at(10)));
        assert_eq!(pool.lend("taro", Wish::Any), None);
    }

    #[test]
    fn a_second_session_of_a_user_gets_another_address() {
        let mut pool = pool(10, 12);
        assert_eq!(pool.lend("taro", Wish::Any), Some(at(10)));
        assert_eq!(pool.lend("taro", Wish::Any), Some(at(11)));
        pool.give_back(at(11));
        pool.give_back(at(10));
        assert_eq!(pool.lend("taro", Wish::Any), Some(at(10)), "the one given back last");
        assert_eq!(pool.lend("taro", Wish::Any), Some(at(12)));
    }

    #[test]
    fn a_fixed_address_may_lie_anywhere_but_is_lent_once_and_never_to_others() {
        let mut pool = Pool::new(&[(at(10), at(12))], &[at(1)], &[at(10), at(200)]);
        assert_eq!(pool.lend("jiro", Wish::Any), Some(at(11)));
        assert_eq!(pool.lend("taro", Wish::Fixed(at(200))), Some(at(200)));
        assert_eq!(pool.lend("taro", Wish::Fixed(at(200))), Some(at(12)), "from the pool, rather than none");
        assert_eq!(pool.lend("hana", Wish::Fixed(at(10))), Some(at(10)));
        assert_eq!(pool.lend("evil", Wish::Fixed(at(1))), None, "ours is ours");
        pool.give_back(at(200));
        assert_eq!(pool.lend("taro", Wish::Fixed(at(200))), Some(at(200)));
        assert_eq!(pool.lend("jiro", Wish::Preferred(at(200))), None);
    }

    #[test]
    fn a_preferred_address_of_the_pool_is_given_where_it_is_free() {
        let mut pool = pool(10, 12);
        assert_eq!(pool.lend("taro", Wish::Preferred(at(12))), Some(at(12)));
        assert_eq!(pool.lend("jiro", Wish::Preferred(at(12))), Some(at(10)));
        assert!(!pool.take("hana", at(12)) && pool.take("hana", at(11)));
    }

    #[test]
    fn what_is_lent_survives_another_configuration() {
        let mut pool = pool(10, 12);
        pool.lend("taro", Wish::Any).unwrap();
        pool.lend("jiro", Wish::Any).unwrap();
        pool.give_back(at(11));
        pool.reconfigure(&[(at(20), at(20))], &[at(1)], &[]);
        assert_eq!(pool.holder(at(10)), Some("taro"));
        assert_eq!(pool.lend("jiro", Wish::Any), Some(at(20)));
        pool.give_back(at(10));
        assert_eq!(pool.lend("taro", Wish::Any), None);
    }

    /// What must hold after any sequence of requests.
    fn check(pool: &Pool) {
        assert!(!pool.lent.contains_key(&at(1)));
        let stands = |(n, a): &(u64, Ipv4Addr)| pool.returned.get(a).is_some_and(|(m, _)| m == n);
        assert_eq!(pool.by_return.iter().filter(|entry| stands(entry)).count(), pool.returned.len());
        assert!(pool.by_return.front().is_none_or(stands) && pool.by_return.iter().is_sorted());
        assert!(pool.by_return.len() <= 2 * pool.returned.len() + FEW_STALE + 1);
        assert!(pool.returned.keys().all(|a| !pool.lent.contains_key(a)));
        assert!(pool.last_of.iter().all(|(user, a)| pool.returned.get(a).is_some_and(|(_, name)| name == user)));
    }

    #[test]
    fn no_sequence_of_requests_lends_an_address_twice_or_loses_one() {
        for seed in 0..64 {
            let mut rng = Rng::new([seed; 32]);
            let mut pool = Pool::new(&[(at(0), at(9)), (at(5), at(14))], &[at(1)], &[at(3)]);
            let mut out: BTreeMap<Ipv4Addr, String> = BTreeMap::new();
            for _ in 0..500 {
                let user = format!("user{}", rng.u16() % 20);
                let any = at((rng.u16() % 20) as u8);
                let wish = match rng.u16() % 6 {
                    0 => Wish::Fixed(any),
                    1 => Wish::Preferred(any),
                    _ => Wish::Any,
                };
                if rng.u16().is_multiple_of(2) {
                    let free = (0..15).filter(|n| ![1, 3].contains(n) && !out.contains_key(&at(*n))).count();
                    match pool.lend(&user, wish) {
                        Some(address) => {
                            assert_ne!(address, at(1));
                            assert!(address != at(3) || wish == Wish::Fixed(at(3)));
                            assert!(out.insert(address, user).is_none(), "{address} was lent twice");
                        }
                        None => assert_eq!(free, 0, "an address is lost"),
                    }
                } else {
                    pool.give_back(any);
                    out.remove(&any);
                }
                check(&pool);
                assert!(pool.lent.iter().eq(out.iter()));
            }
            let copy: Pool = postcard::from_bytes(&postcard::to_allocvec(&pool).unwrap()).unwrap();
            assert_eq!(copy.lent, pool.lent);
        }
    }

    #[test]
    fn memory_of_returned_addresses_is_bounded_and_a_large_pool_is_quick() {
        let mut pool = Pool::new(&[(Ipv4Addr::new(10, 0, 0, 0), Ipv4Addr::new(10, 255, 255, 255))], &[], &[]);
        for n in 0..70_000 {
            let address = pool.lend(&format!("user{n}"), Wish::Any).unwrap();
            pool.give_back(address);
        }
        assert!(pool.returned.len() <= MAX_REMEMBERED && pool.last_of.len() <= MAX_REMEMBERED);
        check(&pool);
    }
}

//! IPv6 prefixes of 64 bits, lent to clients and given back.

use crate::pool::{Pool, Wish};
use core::net::{Ipv4Addr, Ipv6Addr};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One prefix out of which each client gets a /64, and who has which.
///
/// They are lent like addresses: a user gets the last one again where it is free, so that its addresses stay what they
/// were. The prefixes are numbered, and the numbers are lent by a [`Pool`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Prefixes {
    /// The first prefix, and how many there are, at most 2^32.
    base: u64,
    count: u64,
    numbers: Pool,
    /// Prefixes of users that lie elsewhere, and who has them.
    elsewhere: BTreeMap<u64, String>,
}

impl Prefixes {
    /// The /64s of a prefix, without those that hold our own addresses; those that are fixed for some user are lent to
    /// nobody else.
    pub fn new(pool: Option<(Ipv6Addr, u8)>, own: &[Ipv6Addr], reserved: &[Ipv6Addr]) -> Self {
        let Some((prefix, bits)) = pool.filter(|(_, bits)| *bits <= 64) else {
            return Self::default();
        };
        let count = 1_u64.checked_shl(64 - u32::from(bits)).unwrap_or(u64::MAX).min(1 << 32);
        let mut this = Self { base: upper_half(prefix), count, ..Self::default() };
        let within = |list: &[Ipv6Addr]| -> Vec<Ipv4Addr> { list.iter().filter_map(|a| this.number(*a)).collect() };
        let last = Ipv4Addr::from(u32::try_from(count - 1).unwrap_or(u32::MAX));
        this.numbers = Pool::new(&[(Ipv4Addr::UNSPECIFIED, last)], &within(own), &within(reserved));
        this
    }

    /// Lends a prefix to a session of `user`: the fixed one if nobody has it, else any; nothing if there is none.
    pub fn lend(&mut self, user: &str, fixed: Option<Ipv6Addr>) -> Option<Ipv6Addr> {
        let wish = match fixed.map(|prefix| (self.number(prefix), upper_half(prefix))) {
            None => Wish::Any,
            Some((Some(number), _)) => Wish::Fixed(number),
            Some((None, upper)) if self.elsewhere.contains_key(&upper) => Wish::Any,
            Some((None, upper)) => {
                self.elsewhere.insert(upper, user.to_owned());
                return Some(prefix(upper));
            }
        };
        let number = self.numbers.lend(user, wish)?;
        Some(prefix(self.base.saturating_add(u64::from(u32::from(number)))))
    }

    /// Whether nobody has this prefix.
    pub fn is_free(&self, prefix: Ipv6Addr) -> bool {
        match self.number(prefix) {
            Some(number) => self.numbers.holder(number).is_none(),
            None => !self.elsewhere.contains_key(&upper_half(prefix)),
        }
    }

    /// Takes a prefix as lent that a session brought along, as after a restart; false if somebody else has it.
    pub fn take(&mut self, user: &str, prefix: Ipv6Addr) -> bool {
        if let Some(number) = self.number(prefix) {
            return self.numbers.take(user, number);
        }
        let upper = upper_half(prefix);
        let is_free = !self.elsewhere.contains_key(&upper);
        if is_free {
            self.elsewhere.insert(upper, user.to_owned());
        }
        is_free
    }

    /// The session that had this prefix is over.
    pub fn give_back(&mut self, prefix: Ipv6Addr) {
        match self.number(prefix) {
            Some(number) => self.numbers.give_back(number),
            None => drop(self.elsewhere.remove(&upper_half(prefix))),
        }
    }

    /// Whether any prefix can be lent but those that are fixed for some user.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many prefixes are lent.
    pub fn lent(&self) -> usize {
        self.numbers.lent() + self.elsewhere.len()
    }

    fn number(&self, prefix: Ipv6Addr) -> Option<Ipv4Addr> {
        let number = upper_half(prefix).checked_sub(self.base).filter(|n| *n < self.count)?;
        u32::try_from(number).ok().map(Ipv4Addr::from)
    }
}

fn upper_half(address: Ipv6Addr) -> u64 {
    (address.to_bits() >> 64) as u64
}

fn prefix(upper: u64) -> Ipv6Addr {
    Ipv6Addr::from_bits(u128::from(upper) << 64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;

    fn ip(text: &str) -> Ipv6Addr {
        text.parse().unwrap()
    }

    #[test]
    fn each_session_has_a_prefix_of_its_own_until_there_are_no_more() {
        let mut prefixes = Prefixes::new(Some((ip("2001:db8:200::"), 62)), &[ip("2001:db8:200:2::1")], &[]);
        assert_eq!(prefixes.lend("a", None), Some(ip("2001:db8:200::")));
        assert_eq!(prefixes.lend("a", None), Some(ip("2001:db8:200:1::")));
        assert_eq!(prefixes.lend("b", None), Some(ip("2001:db8:200:3::")), "ours is left out");
        assert_eq!(prefixes.lend("c", None), None);
        prefixes.give_back(ip("2001:db8:200:1::"));
        assert_eq!(prefixes.lend("c", None), Some(ip("2001:db8:200:1::")));
        assert_eq!(prefixes.lent(), 3);
    }

    #[test]
    fn a_user_gets_its_prefix_again() {
        let mut prefixes = Prefixes::new(Some((ip("2001:db8:200::"), 56)), &[], &[]);
        let first = prefixes.lend("a", None).unwrap();
        let second = prefixes.lend("b", None).unwrap();
        prefixes.give_back(first);
        prefixes.give_back(second);
        assert_eq!(prefixes.lend("b", None), Some(second));
        assert_eq!(prefixes.lend("a", None), Some(first));
    }

    #[test]
    fn a_fixed_prefix_may_lie_anywhere_and_is_lent_once() {
        let (inside, outside) = (ip("2001:db8:200:7::"), ip("2001:db8:999::"));
        let mut prefixes = Prefixes::new(Some((ip("2001:db8:200::"), 56)), &[], &[inside, outside]);
        assert_eq!(prefixes.lend("a", Some(inside)), Some(inside));
        assert_eq!(prefixes.lend("b", Some(outside)), Some(outside));
        assert_eq!(prefixes.lend("a", Some(inside)), Some(ip("2001:db8:200::")));
        assert_eq!(prefixes.lend("b", Some(outside)), Some(ip("2001:db8:200:1::")));
        assert!(!prefixes.take("c", inside) && !prefixes.take("c", outside));
        prefixes.give_back(outside);
        assert!(prefixes.take("c", outside));
    }

    #[test]
    fn without_a_pool_only_fixed_prefixes_are_lent() {
        let mut prefixes = Prefixes::new(None, &[], &[]);
        assert!(prefixes.is_empty());
        assert_eq!(prefixes.lend("a", None), None);
        assert_eq!(prefixes.lend("a", Some(ip("2001:db8::"))), Some(ip("2001:db8::")));
        let mut wide = Prefixes::new(Some((ip("2000::"), 3)), &[], &[]);
        assert_eq!(wide.lend("a", None), Some(ip("2000::")));
    }
}

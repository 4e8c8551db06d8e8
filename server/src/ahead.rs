//! Key pairs made while there is nothing else to do, so that a client waits for one exponentiation instead of two.

use crypto::{Group, KeyPair, Secret};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many pairs of a group are kept; a burst beyond them waits for its own.
const KEPT: usize = 16;

/// The pairs of a group, each to be given out once.
#[derive(Debug)]
struct Shelf {
    group: Group,
    pairs: VecDeque<KeyPair>,
}

/// Pairs of the groups that clients use.
#[derive(Debug)]
pub(crate) struct Ahead(Mutex<Vec<Shelf>>);

impl Ahead {
    /// Empty shelves; of the groups that clients choose, the one that nearly all have comes first.
    pub(crate) fn new() -> Self {
        Self(Mutex::new(vec![Shelf { group: Group::Modp2048, pairs: VecDeque::with_capacity(KEPT) }]))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Shelf>> {
        // Nothing under this lock can be left half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A pair that nobody has had, if one is there; from here on pairs of this group are made.
    pub(crate) fn take(&self, group: Group) -> Option<KeyPair> {
        let mut shelves = self.lock();
        if let Some(shelf) = shelves.iter_mut().find(|shelf| shelf.group == group) {
            return shelf.pairs.pop_front();
        }
        // There are as many shelves at most as there are groups.
        shelves.push(Shelf { group, pairs: VecDeque::with_capacity(KEPT) });
        None
    }

    /// Makes one pair where one is wanting, outside the lock; whether there was anything to make.
    pub(crate) fn make(&self, entropy: impl FnOnce() -> Option<Secret<[u8; 64]>>) -> bool {
        let scarcest = |shelves: &[Shelf]| {
            let scarcest = shelves.iter().min_by_key(|shelf| shelf.pairs.len())?;
            (scarcest.pairs.len() < KEPT).then_some(scarcest.group)
        };
        let Some(group) = scarcest(&self.lock()) else {
            return false;
        };
        let Some(entropy) = entropy() else {
            return false;
        };
        let pair = KeyPair::generate(group, entropy.expose());
        let mut shelves = self.lock();
        // Another thread may have filled the shelf meanwhile.
        if let Some(shelf) = shelves.iter_mut().find(|shelf| shelf.group == group && shelf.pairs.len() < KEPT) {
            shelf.pairs.push_back(pair);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_made_up_to_a_bound_for_groups_in_use_and_none_is_given_out_twice() {
        let ahead = Ahead::new();
        let mut number = 0;
        let mut make = |ahead: &Ahead| {
            number += 1;
            ahead.make(|| Some(Secret::new([number; 64])))
        };
        assert!(ahead.take(Group::Curve25519).is_none());
        let made = (0..1000).take_while(|_| make(&ahead)).count();
        assert_eq!(made, 2 * KEPT);
        for group in [Group::Modp2048, Group::Curve25519] {
            let pairs: Vec<KeyPair> = std::iter::from_fn(|| ahead.take(group)).collect();
            assert_eq!(pairs.len(), KEPT);
            assert!(pairs.iter().all(|pair| pair.group() == group));
            let different: std::collections::BTreeSet<&[u8]> = pairs.iter().map(KeyPair::public).collect();
            assert_eq!(different.len(), KEPT);
        }
        assert!(make(&ahead));
    }

    #[test]
    fn without_chance_nothing_is_made() {
        let ahead = Ahead::new();
        assert!(!ahead.make(|| None));
        assert!(ahead.take(Group::Modp2048).is_none());
    }
}

//! Numbered settings of which there may be ten thousand: a copy of a configuration shares them with the original.

use std::collections::{BTreeMap, btree_map};
use std::ops::Deref;
use std::sync::Arc;

/// Settings by number, ascending. A clone costs nothing until it is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared<V>(Arc<BTreeMap<u32, Arc<V>>>);

impl<V> Default for Shared<V> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<V> Deref for Shared<V> {
    type Target = BTreeMap<u32, Arc<V>>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<'a, V> IntoIterator for &'a Shared<V> {
    type Item = (&'a u32, &'a Arc<V>);
    type IntoIter = btree_map::Iter<'a, u32, Arc<V>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<V: Clone> Shared<V> {
    /// Those of a number, to be changed; made if they are not there.
    pub(crate) fn entry(&mut self, number: u32, make: impl FnOnce() -> V) -> &mut V {
        Arc::make_mut(Arc::make_mut(&mut self.0).entry(number).or_insert_with(|| Arc::new(make())))
    }

    /// Sets those of a number.
    pub(crate) fn insert(&mut self, number: u32, value: V) {
        Arc::make_mut(&mut self.0).insert(number, Arc::new(value));
    }

    /// Changes all of them.
    pub(crate) fn change(&mut self, mut change: impl FnMut(u32, &mut V)) {
        for (number, value) in Arc::make_mut(&mut self.0) {
            change(*number, Arc::make_mut(value));
        }
    }
}

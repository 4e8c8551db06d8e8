//! What many clients have alike, held once for all that come one after another.

use std::sync::Arc;

/// What the latest client has: the next one nearly always has the same.
#[derive(Debug)]
pub(crate) struct Latest<T>(Option<Arc<T>>);

impl<T> Default for Latest<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: PartialEq> Latest<T> {
    /// This one, which is the latest's where that is the same.
    pub(crate) fn share(&mut self, one: T) -> Arc<T> {
        match &self.0 {
            Some(latest) if **latest == one => latest.clone(),
            _ => self.0.insert(Arc::new(one)).clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_same_is_held_once_and_what_differs_is_kept_apart() {
        let mut latest = Latest::default();
        let all = ["a", "a", "b", "b", "a"].map(|word| latest.share(word.to_owned()));
        let same = |n: usize, m: usize| all.get(n).zip(all.get(m)).is_some_and(|(one, other)| Arc::ptr_eq(one, other));
        assert!(same(0, 1) && same(2, 3) && !same(1, 2) && !same(0, 4));
        assert_eq!(all.map(|one| one.to_string()), ["a", "a", "b", "b", "a"]);
    }
}

//! Numbers by names that the policy gives: they outlive the policy, so that counters do not vanish
//! with an edit, but not without bound.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The most names that are remembered beyond those in force.
const REMEMBERED: usize = 4096;

/// Numbers by name. Only the worker that writes them and a scrape take the lock.
#[derive(Debug)]
pub(super) struct Remembered<K, V>(Mutex<BTreeMap<K, Arc<V>>>);

impl<K: Ord + Clone, V: Default> Remembered<K, V> {
    /// Those of the names in force, in their order.
    pub(super) fn cells(&self, names: impl Iterator<Item = K> + Clone) -> Vec<Arc<V>> {
        let mut known = self.lock();
        if known.len() > REMEMBERED {
            let current: BTreeSet<_> = names.clone().collect();
            known.retain(|name, _| current.contains(name));
        }
        names
            .map(|name| known.entry(name).or_default().clone())
            .collect()
    }

    /// Those of one name; with too many, names that nobody uses are forgotten.
    pub(super) fn cell(&self, name: K) -> Arc<V> {
        let mut known = self.lock();
        if known.len() > REMEMBERED {
            known.retain(|_, cells| Arc::strong_count(cells) > 1);
        }
        known.entry(name).or_default().clone()
    }

    /// Every name with its numbers.
    pub(super) fn each(&self, mut tell: impl FnMut(&K, &V)) {
        for (name, cells) in &*self.lock() {
            tell(name, cells);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<K, Arc<V>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K, V> Default for Remembered<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

#[cfg(test)]
mod tests {
    use super::super::cell::Cell;
    use super::*;

    #[test]
    fn numbers_outlive_an_edit_but_not_thousands_of_them() {
        let remembered: Remembered<usize, Cell> = Remembered::default();
        remembered.cell(1).add(7);
        remembered.cells([2, 3].into_iter());
        assert_eq!(remembered.cell(1).read(), 7);
        remembered.cells(10..10 + REMEMBERED);
        let in_force = remembered.cells([1, 2].into_iter());
        assert_eq!(in_force[0].read(), 7, "a name in force keeps its number");
        let mut names = 0;
        remembered.each(|_, _| names += 1);
        assert_eq!(names, 2);
    }
}

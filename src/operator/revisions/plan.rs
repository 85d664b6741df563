//! What is to be written and what to be deleted: a pure function of what is in force and what is there.

use std::sync::Arc;

use super::{Kept, RevisionFacts};

/// How many are kept of a service: the one in force, and the one before, for people.
pub(super) const KEEP: usize = 2;

/// What is to be done about the revisions of one service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Write this, under this number.
    pub create: Option<(u64, Arc<Kept>)>,
    /// Delete these.
    pub delete: Vec<RevisionFacts>,
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.create.is_none() && self.delete.is_empty()
    }
}

/// Plans. `in_force`: the source of the policy that sidecars are given; none where there is no policy, or
/// nobody who needs one. `present`: the revisions of the service, in any order.
pub fn plan<'r>(
    in_force: Option<&Arc<Kept>>,
    present: impl IntoIterator<Item = &'r RevisionFacts>,
    is_wanted: bool,
) -> Plan {
    let mut present: Vec<_> = present.into_iter().collect();
    present.sort_by_key(|revision| std::cmp::Reverse(revision.number));
    if !is_wanted {
        return Plan {
            create: None,
            delete: present.into_iter().cloned().collect(),
        };
    }
    let newest = present.first();
    let is_there = |kept: &&Arc<Kept>| {
        newest.is_some_and(|newest| newest.digest == kept.digest && newest.service_uid == kept.uid)
    };
    let number = newest.map_or(1, |newest| newest.number.saturating_add(1));
    let create = in_force
        .filter(|kept| kept.encoded().is_some() && !is_there(kept))
        .map(|kept| (number, kept.clone()));
    Plan {
        create,
        delete: present.into_iter().skip(KEEP).cloned().collect(),
    }
}

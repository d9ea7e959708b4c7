//! Identifiers that other writers may have attached to a subject meanwhile: see [`Ceiling`].

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use conduit_actors::ids::{ControllerId, SubjectId};
use conduit_actors::ports::{Ceiling, StoreError};

/// Returns the subjects that have ceilings, each once.
pub(super) fn subjects(ceilings: &[Ceiling]) -> BTreeMap<ControllerId, Vec<SubjectId>> {
    let mut subjects: BTreeMap<ControllerId, Vec<SubjectId>> = BTreeMap::new();
    for ceiling in ceilings {
        subjects.entry(ceiling.controller).or_default().push(ceiling.subject);
    }
    for asked in subjects.values_mut() {
        asked.sort_unstable();
        asked.dedup();
    }
    subjects
}

/// Returns a conflict if a subject holds more than its ceiling.
pub(super) fn hold(ceilings: &[Ceiling], held: &[(SubjectId, Arc<str>, u32)]) -> Result<(), StoreError> {
    let held: HashMap<(SubjectId, &str), u32> = held
        .iter()
        .map(|(subject, category, count)| ((*subject, &**category), *count))
        .collect();
    let is_broken = |ceiling: &Ceiling| {
        let held = held.get(&(ceiling.subject, &*ceiling.category));
        held.is_some_and(|held| *held > ceiling.max)
    };
    if ceilings.iter().any(is_broken) {
        return Err(StoreError::Conflict);
    }
    Ok(())
}

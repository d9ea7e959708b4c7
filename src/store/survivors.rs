//! Merges followed: which subject each one is read as. For every database.

use std::collections::HashMap;

use conduit_actors::event::LinkHash;
use conduit_actors::ids::{SubjectId, Timestamp};
use conduit_actors::ports::{KnownLink, StoreError};

use super::EventRow;
use super::rows::{self, Columns};

/// A link as it is stored: it leads to the subject that it was attached to.
pub(super) type StoredLink = (LinkHash, SubjectId);

/// Reads the columns `hash` and `subject`.
pub(super) fn stored_link(row: &impl Columns) -> Result<StoredLink, StoreError> {
    let subject = SubjectId::from_uuid(rows::uuid(row, "subject")?);
    Ok((LinkHash(rows::bytes(row, "hash")?), subject))
}

/// Subjects and those that they are read as, with the time when these were first seen.
#[derive(Default)]
pub(super) struct Survivors(HashMap<SubjectId, (SubjectId, Timestamp)>);

impl Survivors {
    /// Takes in a row with the columns `start`, `id` and `first_seen_at`.
    pub(super) fn add(&mut self, row: &impl Columns) -> Result<(), StoreError> {
        let start = SubjectId::from_uuid(rows::uuid(row, "start")?);
        let end = SubjectId::from_uuid(rows::uuid(row, "id")?);
        self.0.insert(start, (end, rows::time(row, "first_seen_at")?));
        Ok(())
    }

    /// Returns the subject as which this one is read: itself, unless it was merged.
    pub(super) fn of(&self, subject: SubjectId) -> SubjectId {
        self.0.get(&subject).map_or(subject, |(survivor, _)| *survivor)
    }

    /// Returns the subject to which a link leads. Returns `None` if the subject is deleted.
    pub(super) fn leads(&self, (hash, subject): StoredLink) -> Option<KnownLink> {
        let (subject, subject_first_seen_at) = *self.0.get(&subject)?;
        Some(KnownLink {
            hash,
            subject,
            subject_first_seen_at,
        })
    }

    /// Returns the subjects that events name.
    pub(super) fn asked(events: &[EventRow]) -> Vec<SubjectId> {
        let named = |event: &EventRow| event.subject.into_iter().chain(event.other_subjects.clone());
        events.iter().flat_map(named).collect()
    }

    /// Lets events name the subjects that theirs are read as.
    pub(super) fn rename(&self, events: &mut [EventRow]) {
        for event in events {
            for subject in event.subject.iter_mut().chain(&mut event.other_subjects) {
                *subject = self.of(*subject);
            }
            // Merged subjects are named once.
            let mut named: Vec<SubjectId> = event.subject.into_iter().collect();
            event.other_subjects.retain(|subject| {
                let is_new = !named.contains(subject);
                named.push(*subject);
                is_new
            });
        }
    }
}

//! Additions of a transaction to the late indexes.

use conduit_actors::ids::SubjectId;
use conduit_actors::random_keys::RandomKeySet;

use super::SqliteStore;
use super::late_index::Changes;
use super::late_kinds::{ActivitiesBySubject, LinksByHash, SubjectsByDid};

/// See the module's docs.
#[derive(Default)]
pub(super) struct Additions {
    pub(super) subjects: Option<Changes<SubjectsByDid>>,
    pub(super) links: Option<Changes<LinksByHash>>,
    pub(super) activities: Option<Changes<ActivitiesBySubject>>,
    /// Nobody of these had a link before.
    pub(super) new: RandomKeySet<SubjectId>,
}

impl SqliteStore {
    /// Notes that the transaction was committed.
    pub(super) fn committed(&self, added: Additions) {
        if let Some(changes) = added.subjects {
            self.subjects.committed(changes);
        }
        if let Some(changes) = added.links {
            self.links.committed(changes);
        }
        if let Some(changes) = added.activities {
            self.activities_by_subject.committed(changes);
        }
    }
}

//! How the subject that an event concerns differs under two mappings.

use crate::dry_run::Resolution;

/// How the subject that an event concerns differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SubjectChange {
    /// The same under both.
    Same,
    /// Another one that is known.
    Other,
    /// Somebody new, where the live mapping finds one that is known.
    New,
    /// Somebody, where the live mapping finds nobody.
    Gained,
    /// Nobody, where the live mapping finds somebody.
    Lost,
    /// Several, which would become one.
    WouldMerge,
    /// Nobody under both.
    Nobody,
}

impl SubjectChange {
    /// Compares the subjects of an event that fits neither mapping, or one, or both. Without a fitting mapping there is
    /// no subject.
    pub(super) fn between(live: Option<&Resolution>, draft: Option<&Resolution>) -> Self {
        use Resolution::{Known, Merged, New, Nobody};
        let live = live.unwrap_or(&Nobody);
        match (live, draft.unwrap_or(&Nobody)) {
            (Nobody, Nobody) => Self::Nobody,
            (_, Nobody) => Self::Lost,
            (live, draft) if live == draft => Self::Same,
            (_, Merged { .. }) => Self::WouldMerge,
            (Nobody, _) => Self::Gained,
            (_, New) => Self::New,
            (Merged { into, .. }, Known(found)) if into == found => Self::Same,
            (_, Known(_)) => Self::Other,
        }
    }
}

//! The subjects that an event's identifiers lead to.

use super::candidate::LinkCandidate;
use crate::ids::SubjectId;

/// A subject that identifiers of an event lead to.
#[derive(Debug)]
pub(super) struct Party<'a> {
    pub(super) subject: SubjectId,
    /// The identifiers of the event that lead to it.
    pub(super) own: Vec<&'a LinkCandidate>,
}

impl Party<'_> {
    pub(super) fn holds(&self, link: &LinkCandidate) -> bool {
        self.own.iter().any(|own| own.hash == link.hash)
    }
}

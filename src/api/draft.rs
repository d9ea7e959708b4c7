//! A draft of an integration in a request's body.

use conduit_actors::ports::Integration;

use super::integrations::read;
use crate::app::Services;
use crate::app::drafts::Draft;
use crate::http::problem::Problem;

/// Where a draft is in the body.
const PLACE: &str = "/integration";

/// The body of a draft.
pub(super) struct SentDraft {
    pub(super) draft: Draft,
    /// The version that the draft is meant to replace, if it says so.
    pub(super) version: Option<u64>,
}

impl SentDraft {
    /// Reads `integration`, the unchanged body of a `PUT`. Faults have pointers from the whole body.
    pub(super) fn read(services: &Services, saved: &Integration, sent: &[u8]) -> Result<Self, Problem> {
        let (spec, version) = read(sent).map_err(|problem| problem.below(PLACE))?;
        let draft = Draft::new(services, saved, spec).map_err(|error| Problem::from(error).below(PLACE))?;
        Ok(Self { draft, version })
    }

    /// Refuses a draft for another data processor, which could not be saved.
    pub(super) fn check_processor(&self, saved: &Integration) -> Result<(), Problem> {
        let checked = self.draft.check_processor(saved);
        checked.map_err(|error| Problem::from(error).below(PLACE))
    }
}

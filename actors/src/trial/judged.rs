//! One event under both mappings.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::subject_change::SubjectChange;
use crate::codes::EventCode;
use crate::dry_run::Resolution;
use crate::event::{JournaledEvent, Notice, Status};
use crate::extract::ExtractContext;
use crate::identity::LinkCandidate;
use crate::ids::EventType;
use crate::ports::{Claim, Integration};
use crate::stages::{Finding, PiiExtractor, shown_if_harmless};
use crate::supervisor::fence_call;

/// A mapped field that an event has a right value for: its path, and its category.
pub(super) type Field = (Arc<str>, Option<Arc<str>>);

#[derive(Debug)]
pub(super) struct TrialEvent {
    pub(super) journaled: JournaledEvent,
    pub(super) live: Side,
    pub(super) draft: Side,
}

impl TrialEvent {
    /// Returns the event's type, as far as it may be shown.
    pub(super) fn shown_event_type(&self) -> EventType {
        let event_type = &self.journaled.event.event_type;
        if self.live.knows_type || self.draft.knows_type {
            event_type.clone()
        } else {
            shown_if_harmless(event_type)
        }
    }

    pub(super) fn subject(&self) -> SubjectChange {
        SubjectChange::between(self.live.resolution.as_ref(), self.draft.resolution.as_ref())
    }
}

/// The result of an event under one mapping.
#[derive(Debug)]
pub(super) struct Side {
    /// Repeats are not told yet: those are still `processed`.
    pub(super) status: Status,
    /// Whether the mapping has the event's type.
    pub(super) knows_type: bool,
    pub(super) claim: Option<Claim>,
    pub(super) links: Vec<LinkCandidate>,
    /// Of the other people that it names.
    pub(super) others: Vec<Vec<LinkCandidate>>,
    pub(super) reasons: Vec<Notice>,
    pub(super) warnings: Vec<Notice>,
    /// Of an event that fits.
    pub(super) categories: Vec<Arc<str>>,
    /// Of an event that fits.
    pub(super) fields: BTreeSet<Field>,
    /// Of an event that fits.
    pub(super) resolution: Option<Resolution>,
    /// The other people that it names.
    pub(super) named: Vec<Resolution>,
}

impl Side {
    /// Runs an event under one mapping. A panic counts as a dead letter.
    pub(super) fn of(integration: &Arc<Integration>, journaled: &JournaledEvent) -> Self {
        let event_type = &journaled.event.event_type;
        let knows_type = integration.mapping.event(event_type).is_some();
        let run = || Self::run(integration, journaled, knows_type);
        fence_call(run).unwrap_or_else(|cause| {
            let message = format!("processing would fail: {cause}");
            Self {
                status: Status::Failed,
                knows_type,
                claim: None,
                links: Vec::new(),
                others: Vec::new(),
                reasons: vec![Notice::new("", EventCode::ProcessingFailed, message)],
                warnings: Vec::new(),
                categories: Vec::new(),
                fields: BTreeSet::new(),
                resolution: None,
                named: Vec::new(),
            }
        })
    }

    fn run(integration: &Arc<Integration>, journaled: &JournaledEvent, knows_type: bool) -> Self {
        let extracted = PiiExtractor::extract_under(Arc::clone(integration), journaled.clone());
        let mut side = Self {
            status: Status::Processed,
            knows_type,
            claim: None,
            links: Vec::new(),
            others: Vec::new(),
            reasons: Vec::new(),
            warnings: extracted.warnings,
            categories: Vec::new(),
            fields: BTreeSet::new(),
            resolution: None,
            named: Vec::new(),
        };
        match extracted.finding {
            Finding::Fits(fitting) => {
                side.claim = fitting.claim;
                side.links = fitting.links;
                side.others = fitting.others;
                side.categories = extracted.categories;
                side.fields = fields(integration, journaled);
            }
            Finding::Rejected(reasons) => (side.status, side.reasons) = (Status::Rejected, reasons),
            Finding::Failed(reasons) => (side.status, side.reasons) = (Status::Failed, reasons),
        }
        side
    }

    /// Returns the identifiers of all people that the event names.
    pub(super) fn all_links(&self) -> impl Iterator<Item = &LinkCandidate> {
        self.people().flatten()
    }

    /// Returns the identifiers of each person, the data subject first.
    pub(super) fn people(&self) -> impl Iterator<Item = &[LinkCandidate]> {
        std::iter::once(&self.links).chain(&self.others).map(Vec::as_slice)
    }

    pub(super) fn fits(&self) -> bool {
        self.status == Status::Processed
    }
}

/// Returns the fields with a valid value.
fn fields(integration: &Integration, journaled: &JournaledEvent) -> BTreeSet<Field> {
    let Some(mapping) = integration.mapping.event(&journaled.event.event_type) else {
        return BTreeSet::new();
    };
    let context = ExtractContext {
        processor: integration.processor.as_str(),
    };
    let traces = mapping.trace(journaled.event.body.expose(), &context).into_iter();
    traces
        .filter(|trace| !trace.extraction.mapped.expose().is_empty())
        .map(|trace| {
            (
                trace.path.into(),
                trace.category.map(|category| Arc::clone(&category.key)),
            )
        })
        .collect()
}

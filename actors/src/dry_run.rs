//! A dry run: what would become of an event now. Nothing is stored, claimed or kept.
//!
//! It takes the pipeline's own steps, so that it cannot say anything else than what would happen; only the dedup window is
//! looked at, where the pipeline claims.

use std::sync::Arc;

use serde::ser::{Serialize, SerializeStruct as _, Serializer};

use crate::event::{AcceptedEvent, JournaledEvent, Notice};
use crate::extract::{ExtractContext, FieldTrace};
use crate::identity::{IdentityGraph, LinkCandidate, Sighting, WEAK_FAN_OUT, respell};
use crate::ids::{EventId, Sequence, SubjectId};
use crate::mapping::Received;
use crate::ports::{Claim, Integration, PipelineStore, StoreError};
use crate::stages::{ExtractedEvent, Finding, Fitting, PiiExtractor};

/// Whom an event would concern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// It has no identifier that may link.
    Nobody,
    /// Somebody who is not known yet.
    New,
    /// A known subject.
    Known(SubjectId),
    /// Several known subjects, which would be merged into the first seen.
    Merged {
        /// Who would survive.
        into: SubjectId,
        /// The others.
        from: Vec<SubjectId>,
    },
}

/// As it is shown: `{"resolution", "did", "merged"}`.
impl Serialize for Resolution {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (resolution, subject, from) = match self {
            Self::Nobody => ("nobody", None, &[][..]),
            Self::New => ("new", None, &[][..]),
            Self::Known(known) => ("known", Some(known), &[][..]),
            Self::Merged { into, from } => ("merged", Some(into), from.as_slice()),
        };
        let merged: Vec<_> = from.iter().map(SubjectId::did).collect();
        let mut shown = serializer.serialize_struct("Resolution", 3)?;
        shown.serialize_field("resolution", resolution)?;
        shown.serialize_field("did", &subject.map(SubjectId::did))?;
        shown.serialize_field("merged", &merged)?;
        shown.end()
    }
}

/// What a dry run shows.
#[derive(Debug)]
pub struct DryRun {
    /// Each field of the event type's mapping; none, if the mapping does not know the type.
    pub fields: Vec<FieldTrace>,
    /// As the pipeline would extract it; its warnings are those of resolution as well.
    pub extracted: ExtractedEvent,
    /// The event that it would be a repeat of.
    pub duplicate_of: Option<EventId>,
    /// Whom it would concern, if it fits the mapping.
    pub resolution: Option<Resolution>,
    /// The names in it, beside those of the mapping.
    pub received: Received,
}

/// Runs `event` under `integration`. `first` looks up who holds a claim already.
///
/// # Errors
/// [`StoreError`], if links cannot be looked up.
pub async fn dry_run(
    integration: &Arc<Integration>,
    event: AcceptedEvent,
    first: impl FnOnce(&Claim) -> Option<EventId>,
    store: &dyn PipelineStore,
) -> Result<DryRun, StoreError> {
    let context = ExtractContext {
        processor: integration.processor.as_str(),
    };
    let mapping = integration.mapping.event(&event.event_type);
    let fields = mapping.map_or_else(Vec::new, |mapping| mapping.trace(event.body.expose(), &context));
    let received = integration.mapping.received(event.body.expose()).unwrap_or_default();
    let journaled = JournaledEvent {
        sequence: Sequence(0),
        journaled_at: event.id.received_at(),
        event,
    };
    let mut extracted = PiiExtractor::extract_under(Arc::clone(integration), journaled);
    let mut warnings = std::mem::take(&mut extracted.warnings);
    let (duplicate_of, resolution) = match &extracted.finding {
        Finding::Fits(fitting) => {
            let duplicate_of = fitting.claim.as_ref().and_then(first);
            let resolution = resolve(integration, &extracted, fitting, &mut warnings, store).await?;
            (duplicate_of, Some(resolution))
        }
        Finding::Rejected(_) | Finding::Failed(_) => (None, None),
    };
    extracted.warnings = warnings;
    Ok(DryRun {
        fields,
        extracted,
        duplicate_of,
        resolution,
        received,
    })
}

async fn resolve(
    integration: &Integration,
    extracted: &ExtractedEvent,
    fitting: &Fitting,
    warnings: &mut Vec<Notice>,
    store: &dyn PipelineStore,
) -> Result<Resolution, StoreError> {
    let controller = &integration.controller;
    let hashes: Vec<_> = fitting.links.iter().flat_map(LinkCandidate::hashes).collect();
    let mut known = if hashes.is_empty() {
        Vec::new()
    } else {
        store.links(controller.id, &hashes, WEAK_FAN_OUT + 1).await?
    };
    let event = &extracted.journaled.event;
    respell(&mut known, fitting.links.iter().map(|link| (link, event.triggered_at)));
    let mut graph = IdentityGraph::new(controller.id, controller.link_key.version(), &known);
    let sighting = Sighting {
        event: event.id,
        triggered_at: event.triggered_at,
        links: &fitting.links,
    };
    let growing = graph.growing(std::iter::once(sighting));
    if !growing.is_empty() {
        graph.set_counts(store.strong_link_counts(controller.id, &growing).await?);
    }
    Ok(resolution(&mut graph, sighting, warnings))
}

/// Whom one event concerns, in a graph of its own.
pub(crate) fn resolution(graph: &mut IdentityGraph, sighting: Sighting<'_>, warnings: &mut Vec<Notice>) -> Resolution {
    match graph.resolve(sighting, warnings) {
        None => Resolution::Nobody,
        Some(_) if !graph.new_subjects.is_empty() => Resolution::New,
        Some(subject) if graph.merges.is_empty() => Resolution::Known(subject),
        Some(into) => Resolution::Merged {
            into,
            from: graph.merges.iter().map(|merge| merge.from).collect(),
        },
    }
}

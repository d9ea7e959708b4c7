//! A dry run: the outcome that an event would have now, without storing, claiming or keeping anything.
//!
//! It runs the pipeline's own steps, so its result equals the real one. It only reads the dedup window, where the
//! pipeline claims.

use std::sync::Arc;

use serde::ser::{Serialize, SerializeStruct as _, Serializer};

use crate::event::{AcceptedEvent, JournaledEvent, Notice};
use crate::extract::{ExtractContext, FieldTrace};
use crate::identity::{IdentityGraph, LinkCandidate, Sighting, WEAK_FAN_OUT, respell};
use crate::ids::{EventId, Sequence, SubjectId};
use crate::mapping::Received;
use crate::ports::{Claim, Integration, PipelineStore, StoreError};
use crate::stages::{ExtractedEvent, Finding, Fitting, PiiExtractor, duplicate_differs};

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
        /// The subject that would survive.
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

/// The result of a dry run.
#[derive(Debug)]
pub struct DryRun {
    /// Each field of the event type's mapping; none, if the mapping does not know the type.
    pub fields: Vec<FieldTrace>,
    /// The result of the pipeline's extraction. Its warnings include those of resolution.
    pub extracted: ExtractedEvent,
    /// The event that it would be a repeat of.
    pub duplicate_of: Option<EventId>,
    /// Whom it would concern, if it fits the mapping.
    pub resolution: Option<Resolution>,
    /// The other people that it would name, if it fits the mapping.
    pub others: Vec<Resolution>,
    /// The field names in it, with those of the mapping.
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
    let (duplicate_of, resolution, others) = match &extracted.finding {
        Finding::Fits(fitting) => {
            let duplicate_of = fitting.claim.as_ref().and_then(first);
            if let (Some(of), Some(own)) = (duplicate_of, fitting.mapped_digest) {
                let firsts = store.mapped_digests(integration.controller.id, &[of]).await?;
                let differs = firsts.iter().any(|(_, digest)| *digest != own);
                warnings.extend(differs.then(duplicate_differs));
            }
            let (resolution, others) = resolve(integration, &extracted, fitting, &mut warnings, store).await?;
            (duplicate_of, Some(resolution), others)
        }
        Finding::Rejected(_) | Finding::Failed(_) => (None, None, Vec::new()),
    };
    extracted.warnings = warnings;
    Ok(DryRun {
        fields,
        extracted,
        duplicate_of,
        resolution,
        others,
        received,
    })
}

async fn resolve(
    integration: &Integration,
    extracted: &ExtractedEvent,
    fitting: &Fitting,
    warnings: &mut Vec<Notice>,
    store: &dyn PipelineStore,
) -> Result<(Resolution, Vec<Resolution>), StoreError> {
    let controller = &integration.controller;
    let hashes: Vec<_> = fitting.all_links().flat_map(LinkCandidate::hashes).collect();
    let mut known = if hashes.is_empty() {
        Vec::new()
    } else {
        store.links(controller.id, &hashes, WEAK_FAN_OUT + 1).await?
    };
    let event = &extracted.journaled.event;
    respell(&mut known, fitting.all_links().map(|link| (link, event.triggered_at)));
    let mut graph = IdentityGraph::new(controller.id, controller.link_key.version(), &known)
        .limited_by(integration.mapping.taxonomy());
    let growing = graph.growing(fitting.people().map(|links| sighting(event, links)));
    if !growing.is_empty() {
        graph.set_counts(store.strong_link_counts(controller.id, &growing).await?);
    }
    Ok(resolutions(
        &mut graph,
        event,
        &fitting.links,
        &fitting.others,
        warnings,
    ))
}

/// Returns one person, as an event names them.
pub(crate) const fn sighting<'a>(event: &AcceptedEvent, links: &'a [LinkCandidate]) -> Sighting<'a> {
    Sighting {
        event: event.id,
        triggered_at: event.triggered_at,
        links,
    }
}

/// Resolves the person whom one event concerns, and the other people that it names, in a separate graph.
pub(crate) fn resolutions(
    graph: &mut IdentityGraph,
    event: &AcceptedEvent,
    links: &[LinkCandidate],
    others: &[Vec<LinkCandidate>],
    warnings: &mut Vec<Notice>,
) -> (Resolution, Vec<Resolution>) {
    let subject = graph.resolve(sighting(event, links), warnings);
    let mut before = (0, 0);
    let found = told(graph, subject, &mut before);
    let mut people: Vec<SubjectId> = subject.into_iter().collect();
    let mut resolutions = Vec::new();
    for links in others {
        let other = graph.resolve_apart(sighting(event, links), &people, warnings);
        let resolution = told(graph, other, &mut before);
        if let Some(other) = other
            && !people.contains(&other)
        {
            people.push(other);
            resolutions.push(resolution);
        }
    }
    (found, resolutions)
}

/// Describes the resolution of one person. `before` is the former number of subjects and merges, and is updated.
fn told(graph: &IdentityGraph, subject: Option<SubjectId>, before: &mut (usize, usize)) -> Resolution {
    let (subjects, merges) = std::mem::replace(before, (graph.new_subjects.len(), graph.merges.len()));
    match subject {
        None => Resolution::Nobody,
        Some(_) if graph.new_subjects.len() > subjects => Resolution::New,
        Some(subject) if graph.merges.len() == merges => Resolution::Known(subject),
        Some(into) => Resolution::Merged {
            into,
            from: graph.merges[merges..].iter().map(|merge| merge.from).collect(),
        },
    }
}

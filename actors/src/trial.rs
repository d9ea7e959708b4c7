//! A trial: the changes that a draft of a mapping would make for accepted events, against the live mapping.
//!
//! Each event runs under both, by the pipeline's own steps, as if it arrived now. Its subject is the one to which it
//! would resolve with the store's present links, independent of other examined events. Repeats are found among the
//! examined events only, by their receive times. So an event at the beginning may be a repeat of one that was not
//! examined. A trial stores and claims nothing, and keeps no value.

mod comparison;
mod judged;
mod subject_change;
mod tally;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

pub use comparison::{
    CategoryRow, Changes, Comparison, EventRow, FieldRow, NoticeRow, Sample, SampleSide, Statuses, Subjects,
};
use judged::{Side, TrialEvent};
use tally::Tally;

use crate::dry_run::{resolutions, sighting};
use crate::event::JournaledEvent;
use crate::identity::{IdentityGraph, LinkCandidate, WEAK_FAN_OUT, respell};
use crate::ports::{Integration, KnownLink, PipelineStore, StoreError};

/// A trial under way.
#[derive(Debug)]
pub struct Trial {
    live: Arc<Integration>,
    draft: Arc<Integration>,
    tally: Tally,
}

impl Trial {
    /// Creates a trial of `draft` against `live`: the same integration under two mappings.
    #[must_use]
    pub fn new(live: Arc<Integration>, draft: Arc<Integration>) -> Self {
        Self {
            live,
            draft,
            tally: Tally::default(),
        }
    }

    /// Takes in some more events, newest first, each once.
    ///
    /// # Errors
    /// [`StoreError`], if links cannot be looked up: the trial is of no use then.
    pub async fn examine(&mut self, events: Vec<JournaledEvent>, store: &dyn PipelineStore) -> Result<(), StoreError> {
        crate::fail_point!("trial::examine");
        let judge = |journaled: JournaledEvent| TrialEvent {
            live: Side::of(&self.live, &journaled),
            draft: Side::of(&self.draft, &journaled),
            journaled,
        };
        let mut judged: Vec<TrialEvent> = events.into_iter().map(judge).collect();
        self.resolve(&mut judged, store).await?;
        judged.into_iter().for_each(|event| self.tally.take(event));
        Ok(())
    }

    /// Returns the result.
    #[must_use]
    pub fn finish(self) -> Comparison {
        self.tally.finish()
    }

    /// Finds each event's subject, with two questions to the store for all of them.
    async fn resolve(&self, events: &mut [TrialEvent], store: &dyn PipelineStore) -> Result<(), StoreError> {
        let controller = &self.live.controller;
        let hashes: HashSet<_> = events
            .iter()
            .flat_map(|event| event.live.all_links().chain(event.draft.all_links()))
            .flat_map(LinkCandidate::hashes)
            .collect();
        let hashes: Vec<_> = hashes.into_iter().collect();
        let mut known: HashMap<_, Vec<KnownLink>> = HashMap::new();
        if !hashes.is_empty() {
            for link in store.links(controller.id, &hashes, WEAK_FAN_OUT + 1).await? {
                known.entry(link.hash).or_default().push(link);
            }
        }
        let mut open = Vec::new();
        let mut asked = HashSet::new();
        for event in events {
            let accepted = &event.journaled.event;
            for side in [&mut event.live, &mut event.draft] {
                if !side.fits() {
                    continue;
                }
                let hashes = side.all_links().flat_map(LinkCandidate::hashes);
                let own = hashes.filter_map(|hash| known.get(&hash)).flatten();
                let mut own: Vec<_> = own.cloned().collect();
                respell(&mut own, side.all_links().map(|link| (link, accepted.triggered_at)));
                let graph = IdentityGraph::new(controller.id, controller.link_key.version(), &own)
                    .limited_by(self.live.mapping.taxonomy());
                let growing = graph.growing(side.people().map(|links| sighting(accepted, links)));
                asked.extend(growing.iter().copied());
                open.push((accepted, side, graph, growing));
            }
        }
        let mut counts: HashMap<_, Vec<_>> = HashMap::new();
        if !asked.is_empty() {
            let asked: Vec<_> = asked.into_iter().collect();
            for count in store.strong_link_counts(controller.id, &asked).await? {
                counts.entry(count.0).or_default().push(count);
            }
        }
        for (accepted, side, mut graph, growing) in open {
            let own = growing.iter().filter_map(|subject| counts.get(subject)).flatten();
            graph.set_counts(own.cloned().collect());
            let (links, others) = (std::mem::take(&mut side.links), std::mem::take(&mut side.others));
            let (resolved, named) = resolutions(&mut graph, accepted, &links, &others, &mut side.warnings);
            side.resolution = Some(resolved);
            side.named = named;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

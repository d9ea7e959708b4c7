//! The fourth actor: drops repeats and finds the data subject of everything else.
//!
//! The store can be asked for a batch's identifiers *ahead*, while the batch before is being committed. Identifiers
//! that this earlier batch attached are left out, since the store does not have them yet. A merge changes the subjects
//! of any identifier, so after a merge the actor asks nothing ahead.

mod cache;
mod repeats;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::SystemTime;

use futures_util::future::try_join_all;

use crate::codes::EventCode;
use crate::event::{AcceptedEvent, LinkHash, Notice, Outcome};
use crate::identity::{IdentityGraph, LinkCandidate, Respelling, Sighting, WEAK_FAN_OUT, respell, retired};
use crate::ids::{ControllerId, EventId, Sequence, Timestamp};
use crate::ports::{Checkpoint, DedupWindow, KnownLink, PipelineStore, ReplayStep, RetiredLink, Stretch, Verdict};
use crate::random_keys::{RandomKeyMap, RandomKeySet};
use crate::stages::{ExtractedEvent, Finding, Fitting, ResolvedBatch, ResolvedEvent, StageError};
use crate::supervisor::{Stage, Supervised};
use cache::LinkCache;

/// Resolves a batch: claims on the dedup window first, then subjects.
pub type SubjectResolverActor = Supervised<SubjectResolver>;

/// A job for the resolver.
#[derive(Debug)]
pub enum ResolverJob {
    /// Ask the store about these identifiers, which the next batch will need. Gives an empty batch.
    LookAhead(Vec<(ControllerId, Vec<LinkHash>)>),
    /// Resolve a batch.
    Resolve(ResolveJob),
}

/// A batch to resolve.
#[derive(Debug)]
pub struct ResolveJob {
    /// The events of each controller, in stream order, with its committed checkpoint.
    pub groups: Vec<(ControllerId, Sequence, Vec<ExtractedEvent>)>,
    /// Whether the former resolution was committed. If not, the cache may know links that do not exist.
    pub cache_is_valid: bool,
    /// Set in a batch of a replay, which has one group and moves no checkpoint.
    pub replayed: Option<Replayed>,
    /// Whether somebody wants to know when the dedup window was asked.
    pub traced: bool,
}

/// The data of a replay's batch beside its events.
#[derive(Debug)]
pub struct Replayed {
    /// How far it takes the replay.
    pub step: ReplayStep,
    /// Which of its events repeat one that was processed, as the store knows: event to processed one.
    pub repeats: HashMap<EventId, EventId>,
}

/// The actor's state: the ports, and a bounded cache of strong links.
pub struct SubjectResolver {
    dedup: Arc<dyn DedupWindow>,
    store: Arc<dyn PipelineStore>,
    cache: LinkCache,
    ahead: LookedUp,
    unsettled: Unsettled,
    /// Links that were retired lately: a placeholder comes again and again.
    retired: RandomKeySet<(ControllerId, LinkHash)>,
}

/// Retired links that are remembered.
const MAX_RETIRED: usize = 10_000;

/// The answer that the store gave ahead.
#[derive(Debug, Default)]
struct LookedUp {
    asked: RandomKeySet<(ControllerId, LinkHash)>,
    found: RandomKeyMap<(ControllerId, LinkHash), Vec<KnownLink>>,
}

/// The changes of the last batch, committed or not.
#[derive(Debug, Default)]
struct Unsettled {
    links: RandomKeySet<(ControllerId, LinkHash)>,
    merges: bool,
}

impl SubjectResolver {
    /// Keeps at most about `cached_links` links in memory.
    #[must_use]
    pub fn new(dedup: Arc<dyn DedupWindow>, store: Arc<dyn PipelineStore>, cached_links: usize) -> Self {
        Self {
            dedup,
            store,
            cache: LinkCache::new(cached_links),
            ahead: LookedUp::default(),
            unsettled: Unsettled::default(),
            retired: RandomKeySet::default(),
        }
    }

    async fn look_ahead(&mut self, mut wanted: Vec<(ControllerId, Vec<LinkHash>)>) -> Result<(), StageError> {
        if self.unsettled.merges {
            return Ok(());
        }
        for (controller, hashes) in &mut wanted {
            hashes.retain(|hash| !self.unsettled.links.contains(&(*controller, *hash)));
        }
        self.look_up(wanted).await
    }

    /// Asks the store about identifiers, those of all controllers together. Known ones are left out.
    async fn look_up(&mut self, mut wanted: Vec<(ControllerId, Vec<LinkHash>)>) -> Result<(), StageError> {
        for (controller, hashes) in &mut wanted {
            hashes.sort_unstable_by_key(|hash| hash.0);
            hashes.dedup();
            hashes.retain(|hash| {
                let key = (*controller, *hash);
                !self.cache.contains(&key) && !self.ahead.asked.contains(&key)
            });
        }
        wanted.retain(|(_, hashes)| !hashes.is_empty());
        if wanted.is_empty() {
            return Ok(());
        }
        let found = self.store.links_among(&wanted, WEAK_FAN_OUT + 1).await?;
        // Only now: a failed look-up must not count as a missing link.
        for (controller, hashes) in wanted {
            let asked = hashes.into_iter().map(|hash| (controller, hash));
            self.ahead.asked.extend(asked);
        }
        for (controller, link) in found {
            self.ahead.found.entry((controller, link.hash)).or_default().push(link);
        }
        Ok(())
    }

    async fn resolve(&mut self, job: ResolveJob) -> Result<ResolvedBatch, StageError> {
        if !job.cache_is_valid {
            self.cache.clear();
            self.ahead = LookedUp::default();
        }
        let mut batch = ResolvedBatch {
            replay: job.replayed.as_ref().map(|replayed| replayed.step),
            ..ResolvedBatch::default()
        };
        let repeats = job.replayed.map(|replayed| replayed.repeats);
        let began = job.traced.then(SystemTime::now);
        let claims = job
            .groups
            .iter()
            .map(|(controller, _, events)| self.claim(*controller, events, repeats.as_ref()));
        let verdicts = try_join_all(claims).await?;
        batch.claims.extend(began.map(Stretch::since));
        if job.groups.len() > 1 {
            let wanted = job.groups.iter().zip(&verdicts);
            let wanted = wanted.map(|((controller, _, events), verdicts)| (*controller, hashes(events, verdicts)));
            self.look_up(wanted.collect()).await?;
        }
        for (group, verdicts) in job.groups.into_iter().zip(verdicts) {
            self.resolve_group(group, verdicts, &mut batch).await?;
        }
        self.ahead = LookedUp::default();
        self.unsettled = Unsettled {
            links: batch.links.iter().map(|link| (link.controller, link.hash)).collect(),
            merges: !batch.merges.is_empty(),
        };
        Ok(batch)
    }

    async fn resolve_group(
        &mut self,
        (controller, checkpoint, events): (ControllerId, Sequence, Vec<ExtractedEvent>),
        verdicts: Vec<Verdict>,
        batch: &mut ResolvedBatch,
    ) -> Result<(), StageError> {
        let Some(last) = events.last().map(|event| event.journaled.sequence) else {
            return Ok(());
        };
        let firsts: Vec<(&ExtractedEvent, &Fitting)> = firsts(&events, &verdicts).collect();
        let (mut graph, respellings) = self.graph(controller, &firsts).await?;
        drop(firsts);
        let differing = self.differing(controller, &events, &verdicts).await?;

        batch.events.reserve(events.len());
        for (event, verdict) in events.into_iter().zip(verdicts) {
            let differs = differing.contains(&event.journaled.event.id);
            batch.events.push(resolve_event(event, verdict, differs, &mut graph));
        }
        graph.write_respelt(&respellings);
        self.cache.learn(&graph);
        batch.ceilings.append(&mut graph.ceilings());
        batch.subjects.append(&mut graph.new_subjects);
        batch.links.append(&mut graph.new_links);
        batch.merges.append(&mut graph.merges);
        if batch.replay.is_none() {
            batch.checkpoints.push(Checkpoint {
                controller,
                from: checkpoint,
                through: last,
            });
        }
        Ok(())
    }

    /// Returns the graph of these events' identifiers, from the cache and the store.
    async fn graph(
        &mut self,
        controller: ControllerId,
        events: &[(&ExtractedEvent, &Fitting)],
    ) -> Result<(IdentityGraph, Vec<Respelling>), StageError> {
        let (mut known, mut stored): (Vec<KnownLink>, Vec<KnownLink>) = (Vec::new(), Vec::new());
        // Each hash, and whether its first link is strong.
        let mut asked: RandomKeyMap<LinkHash, bool> = RandomKeyMap::default();
        let mut unknown: Vec<LinkHash> = Vec::new();
        let links = events.iter().flat_map(|(_, fitting)| fitting.all_links());
        for (is_strong, hash) in links.flat_map(|link| link.hashes().map(|hash| (link.strong, hash))) {
            let Entry::Vacant(new) = asked.entry(hash) else {
                continue;
            };
            new.insert(is_strong);
            if is_strong && let Some(cached) = self.cache.get(controller, hash) {
                known.push(cached);
                continue;
            }
            let key = (controller, hash);
            if self.ahead.asked.contains(&key) {
                stored.extend(self.ahead.found.remove(&key).unwrap_or_default());
            } else {
                unknown.push(hash);
            }
        }
        if !unknown.is_empty() {
            stored.extend(self.store.links(controller, &unknown, WEAK_FAN_OUT + 1).await?);
        }
        for link in stored.iter().filter(|link| asked.get(&link.hash) == Some(&true)) {
            self.cache.put(controller, link);
        }
        known.append(&mut stored);
        let candidates = events.iter().flat_map(|(event, fitting)| {
            let at = event.journaled.event.triggered_at;
            fitting.all_links().map(move |link| (link, at))
        });
        let respellings = respell(&mut known, candidates);
        let refused = events.iter().flat_map(|(_, fitting)| &fitting.refused);
        // Before the links are counted.
        self.retire(controller, retired(&respellings).chain(refused.cloned()))
            .await?;
        let mut integrations = events.iter().filter_map(|(event, _)| event.integration.as_ref());
        let key_version = integrations
            .clone()
            .next()
            .map_or(1, |integration| integration.controller.link_key.version());
        let taxonomy = integrations.find_map(|integration| integration.mapping.taxonomy());
        let mut graph = IdentityGraph::new(controller, key_version, &known).limited_by(taxonomy);
        let growing = graph.growing(events.iter().flat_map(|(event, fitting)| {
            let people = fitting.people();
            people.map(|links| sighting(&event.journaled.event, links))
        }));
        if !growing.is_empty() {
            graph.set_counts(self.store.strong_link_counts(controller, &growing).await?);
        }
        Ok((graph, respellings))
    }

    /// Retires links that were not retired lately.
    async fn retire(
        &mut self,
        controller: ControllerId,
        links: impl Iterator<Item = RetiredLink>,
    ) -> Result<(), StageError> {
        let new: Vec<RetiredLink> = links
            .filter(|link| !self.retired.contains(&(controller, link.hash)))
            .collect();
        if new.is_empty() {
            return Ok(());
        }
        self.store.retire_links(controller, &new).await?;
        if self.retired.len() + new.len() > MAX_RETIRED {
            self.retired.clear();
        }
        self.retired.extend(new.iter().map(|link| (controller, link.hash)));
        Ok(())
    }
}

/// Returns the events to resolve: those that fit and repeat none.
fn firsts<'a>(
    events: &'a [ExtractedEvent],
    verdicts: &'a [Verdict],
) -> impl Iterator<Item = (&'a ExtractedEvent, &'a Fitting)> {
    let firsts = events.iter().zip(verdicts);
    firsts
        .filter(|(_, verdict)| matches!(verdict, Verdict::First))
        .filter_map(|(event, _)| fitting(event).map(|fitting| (event, fitting)))
}

fn hashes(events: &[ExtractedEvent], verdicts: &[Verdict]) -> Vec<LinkHash> {
    let links = firsts(events, verdicts).flat_map(|(_, fitting)| fitting.all_links());
    links.flat_map(LinkCandidate::hashes).collect()
}

fn fitting(event: &ExtractedEvent) -> Option<&Fitting> {
    match &event.finding {
        Finding::Fits(fitting) => Some(fitting),
        Finding::Rejected(_) | Finding::Failed(_) => None,
    }
}

fn sighting<'a>(accepted: &AcceptedEvent, links: &'a [LinkCandidate]) -> Sighting<'a> {
    Sighting {
        event: accepted.id,
        triggered_at: accepted.triggered_at,
        links,
    }
}

/// Resolves an event. `differs`: it repeats an event with other mapped fields.
fn resolve_event(
    mut event: ExtractedEvent,
    verdict: Verdict,
    differs: bool,
    graph: &mut IdentityGraph,
) -> ResolvedEvent {
    crate::fail_point!(
        "SubjectResolverActor::event",
        event.journaled.event.event_type.as_str() == "poison",
        |_| panic!("injected")
    );
    let mut warnings = std::mem::take(&mut event.warnings);
    let mut other_subjects = Vec::new();
    let outcome = match (&event.finding, verdict) {
        (Finding::Rejected(reasons), _) => Outcome::Rejected {
            reasons: reasons.clone(),
        },
        (Finding::Failed(reasons), _) => Outcome::Failed {
            reasons: reasons.clone(),
        },
        (Finding::Fits(_), Verdict::DuplicateOf(of)) => {
            warnings.extend(differs.then(duplicate_differs));
            Outcome::Duplicate { of }
        }
        (Finding::Fits(fitting), Verdict::First) => {
            let sighting = |links| sighting(&event.journaled.event, links);
            let subject = graph.resolve(sighting(&fitting.links), &mut warnings);
            if !fitting.others.is_empty() {
                let others = fitting.others.iter().map(|links| sighting(links));
                other_subjects = graph.resolve_others(subject, others, &mut warnings);
            }
            Outcome::Processed { subject }
        }
    };
    event.warnings = warnings;
    let resolved_at = matches!(outcome, Outcome::Processed { .. }).then(Timestamp::now);
    ResolvedEvent {
        extracted: event,
        outcome,
        other_subjects,
        resolved_at,
    }
}

/// Returns the warning of a repeat that differs, also for dry runs.
pub(crate) fn duplicate_differs() -> Notice {
    let message = "it has the same personal data as the event that it repeats, but its other mapped fields differ: if it is \
                   an event of its own, let the mapping's dedup key be \"mapped\", and send it again";
    Notice::new("", EventCode::DuplicateDiffers, message)
}

impl Stage for SubjectResolver {
    type Job = ResolverJob;
    type Output = Result<ResolvedBatch, StageError>;
    const ACTOR: &'static str = "SubjectResolverActor";

    async fn handle(&mut self, job: ResolverJob) -> Result<ResolvedBatch, StageError> {
        match job {
            ResolverJob::LookAhead(wanted) => self.look_ahead(wanted).await.map(|()| ResolvedBatch::default()),
            ResolverJob::Resolve(job) => {
                crate::fail_point!("SubjectResolverActor");
                self.resolve(job).await
            }
        }
    }
}

#[cfg(test)]
mod tests;

//! Replays of rejected and failed events, as they are stored, and the outcomes that events had before.
//!
//! ## Invariants
//! - An event keeps the outcome that it has until the new one is committed: sums are true at every reading.
//! - A step of a replay commits with its effects, or not at all: the cursor, the events' new outcomes, the counts, the
//!   activities. It is a conflict unless the cursor stands where the step begins, the replay is running and this node's, and
//!   each event is still rejected or failed. So whatever is repeated, nothing happens twice.
//! - A payload goes with the outcome that makes it needless (processed, duplicate), in the same transaction.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use conduit_actors::envelope::Envelope;
use conduit_actors::event::{AcceptedEvent, DedupKey, JournaledEvent, Notice, Status};
use conduit_actors::ids::{ControllerId, EventId, EventType, IntegrationId, ReplayId, Sequence, Timestamp};
use conduit_actors::personal::Personal;
use conduit_actors::ports::{Claim, ReplayBatch, ReplayJob, ReplayStep, ReplayedEvent, StoreError};
use serde::{Deserialize, Serialize};

use super::rows::{self, Columns};
use super::{ChangeError, Page};

/// Replays of one controller that may run at a time.
pub const MAX_RUNNING: u32 = 100;

/// The statuses of events that may be replayed.
pub const REPLAYABLE: [Status; 2] = [Status::Rejected, Status::Failed];

/// Which of a controller's rejected and failed events are to be replayed; all, where it says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReplayFilter {
    /// One of [`REPLAYABLE`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integration: Option<IntegrationId>,
    /// The type that the event is shown with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// Received at or after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Received before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_ids: Option<Vec<EventId>>,
}

impl ReplayFilter {
    /// One event.
    #[must_use]
    pub fn only(event: EventId) -> Self {
        Self {
            event_ids: Some(vec![event]),
            ..Self::default()
        }
    }

    /// The statuses that it lets through.
    pub(super) fn statuses(&self) -> impl Iterator<Item = Status> {
        let wanted = self.status;
        REPLAYABLE
            .into_iter()
            .filter(move |status| wanted.is_none_or(|wanted| wanted == *status))
    }

    pub(super) fn json(&self) -> Result<String, StoreError> {
        serde_json::to_string(self).map_err(|error| StoreError::Failed(error.to_string()))
    }
}

/// What a filter finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReplayEstimate {
    pub matching: u64,
    /// Those whose payload is there.
    pub replayable: u64,
    pub oldest: Option<EventId>,
    pub newest: Option<EventId>,
}

/// How far a replay is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReplayStatus {
    Running,
    Done,
    Cancelled,
    /// It could not go on; the log says why.
    Failed,
}

impl ReplayStatus {
    /// The status as in JSON and SQL.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }
}

/// A replay to begin.
#[derive(Debug, Clone)]
pub struct NewReplay {
    pub id: ReplayId,
    pub controller: ControllerId,
    pub filter: ReplayFilter,
    /// What the filter finds now: what comes later is not replayed.
    pub estimate: ReplayEstimate,
    pub started_at: Timestamp,
    /// How long it is this node's without [`Replays::lease_replays`].
    pub lease: Duration,
}

/// A replay's row.
#[derive(Debug, Clone)]
pub struct ReplayRow {
    pub id: ReplayId,
    pub controller: ControllerId,
    pub filter: ReplayFilter,
    pub status: ReplayStatus,
    /// Events that the filter found at the start.
    pub matching: u64,
    pub processed: u64,
    pub duplicate: u64,
    pub rejected: u64,
    pub failed: u64,
    /// Events left as they are: their payload is gone, or another replay was first.
    pub skipped: u64,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
}

impl ReplayRow {
    /// Events that it is through with.
    #[must_use]
    pub const fn done(&self) -> u64 {
        self.processed + self.duplicate + self.rejected + self.failed + self.skipped
    }
}

/// An outcome that a replayed event had, or has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastOutcome {
    pub at: Timestamp,
    pub status: Status,
    pub reasons: Vec<Notice>,
    /// The version of the integration that decided; of replays only.
    pub mapping_version: Option<u64>,
    /// The replay that it comes from.
    pub replay: Option<ReplayId>,
}

/// What is next of a replay.
#[derive(Debug)]
pub enum NextBatch {
    Batch(ReplayBatch),
    /// Nothing is left of it.
    Exhausted,
    /// It has ended, or another node has it.
    NotOurs,
}

/// Replays, and what they leave.
#[async_trait]
pub trait Replays: Send + Sync {
    async fn estimate_replay(
        &self,
        controller: ControllerId,
        filter: &ReplayFilter,
    ) -> Result<ReplayEstimate, StoreError>;
    /// Begins a replay, as this node's; one that has nothing to do is done at once.
    async fn create_replay(&self, replay: &NewReplay) -> Result<ReplayRow, ChangeError>;
    /// Newest first, by id.
    async fn replays(
        &self,
        controller: Option<ControllerId>,
        page: Page<ReplayId>,
    ) -> Result<Vec<ReplayRow>, StoreError>;
    async fn replay(&self, id: ReplayId) -> Result<Option<ReplayRow>, StoreError>;
    /// Ends a running replay; whether it was running. One that is done has skipped what it did not meet.
    async fn end_replay(&self, id: ReplayId, ending: ReplayStatus, now: Timestamp) -> Result<bool, StoreError>;
    /// The running replays that are this node's from now on, for so long: its own, and those whose lease has ended.
    async fn lease_replays(&self, lease: Duration) -> Result<Vec<ReplayJob>, StoreError>;
    /// Lets other nodes take this node's replays at once.
    async fn release_replays(&self) -> Result<(), StoreError>;
    /// The next events of a replay, see `conduit_actors::ports::ReplaySource::next`.
    async fn replay_batch(&self, id: ReplayId, max_events: usize, max_bytes: usize) -> Result<NextBatch, StoreError>;
    /// Which claims repeat an event that was processed, see `conduit_actors::ports::ReplaySource::repeats`.
    async fn repeats(
        &self,
        controller: ControllerId,
        claims: &[Claim],
    ) -> Result<HashMap<EventId, EventId>, StoreError>;
    /// All outcomes of an event that was replayed, oldest first; of another one nothing.
    async fn past_outcomes(&self, event: EventId) -> Result<Vec<PastOutcome>, StoreError>;
}

/// Events that the next step may have, without their payloads, from rows with the columns of [`Candidate::read`].
pub(super) struct Candidate {
    id: EventId,
    integration: IntegrationId,
    shown_type: EventType,
    triggered_at: Timestamp,
    journaled_at: Timestamp,
    status: Status,
    /// Bytes of the sealed payload; none if it is gone.
    size: Option<u64>,
}

impl Candidate {
    /// Reads `id`, `integration`, `event_type`, `triggered_at`, `journaled_at`, `status`, `size`.
    pub(super) fn read(row: &impl Columns) -> Result<Self, StoreError> {
        Ok(Self {
            id: EventId::from_uuid(rows::uuid(row, "id")?),
            integration: IntegrationId::from_uuid(rows::uuid(row, "integration")?),
            shown_type: rows::parsed(row, "event_type")?,
            triggered_at: rows::time(row, "triggered_at")?,
            journaled_at: rows::time(row, "journaled_at")?,
            status: rows::status(row)?,
            size: rows::optional_count(row, "size")?,
        })
    }
}

/// Where a running replay stands, from rows with the columns of [`Standing::read`].
pub(super) struct Standing {
    pub(super) job: ReplayJob,
    pub(super) filter: ReplayFilter,
    pub(super) from: Option<EventId>,
    /// The last event that it is to replay; none if there is none.
    pub(super) last: Option<EventId>,
}

impl Standing {
    /// Reads `id`, `controller`, `filter`, `cursor`, `last`.
    pub(super) fn read(row: &impl Columns) -> Result<Self, StoreError> {
        let event = |column| Ok::<_, StoreError>(rows::optional_uuid(row, column)?.map(EventId::from_uuid));
        Ok(Self {
            job: job(row)?,
            filter: filter(row)?,
            from: event("cursor")?,
            last: event("last")?,
        })
    }

    /// The first of these candidates that fit into so many bytes, but one at least; and those whose payloads are wanted.
    pub(super) fn cut(candidates: &mut Vec<Candidate>, max_bytes: usize) -> Vec<EventId> {
        let (mut bytes, mut taken) = (0, 0);
        let fits = candidates.iter().take_while(|candidate| {
            bytes += candidate.size.unwrap_or(0);
            taken += usize::from(candidate.size.is_some());
            taken <= 1 || bytes <= max_bytes as u64
        });
        let fits = fits.count();
        candidates.truncate(fits);
        let wanted = candidates.iter().filter(|candidate| candidate.size.is_some());
        wanted.map(|candidate| candidate.id).collect()
    }

    /// The step that these candidates are, with the payloads that were found and opened.
    pub(super) fn batch(&self, candidates: Vec<Candidate>, mut payloads: HashMap<EventId, Bytes>) -> NextBatch {
        let Some(through) = candidates.last().map(|candidate| candidate.id) else {
            return NextBatch::Exhausted;
        };
        let all = candidates.len();
        let events: Vec<ReplayedEvent> = candidates
            .into_iter()
            .filter_map(|candidate| {
                let body = payloads.remove(&candidate.id)?;
                Some(replayed(self.job.controller, candidate, body))
            })
            .collect();
        let step = ReplayStep {
            job: self.job,
            from: self.from,
            through,
            skipped: (all - events.len()) as u64,
        };
        NextBatch::Batch(ReplayBatch { step, events })
    }
}

fn replayed(controller: ControllerId, candidate: Candidate, body: Bytes) -> ReplayedEvent {
    // What is stored is what may be shown; what the mapping asks for is what was sent.
    let sent = Envelope::parse(&body, Timestamp::now()).map(|envelope| envelope.event_type);
    let event = AcceptedEvent {
        id: candidate.id,
        controller,
        integration: candidate.integration,
        event_type: sent.unwrap_or(candidate.shown_type),
        triggered_at: candidate.triggered_at,
        body: Personal::new(body),
    };
    ReplayedEvent {
        journaled: JournaledEvent {
            sequence: Sequence(0),
            journaled_at: candidate.journaled_at,
            event,
        },
        status: candidate.status,
    }
}

fn filter(row: &impl Columns) -> Result<ReplayFilter, StoreError> {
    serde_json::from_str(rows::str(row, "filter")?).map_err(|_| rows::unreadable("filter"))
}

pub(super) fn job(row: &impl Columns) -> Result<ReplayJob, StoreError> {
    Ok(ReplayJob {
        replay: ReplayId::from_uuid(rows::uuid(row, "id")?),
        controller: ControllerId::from_uuid(rows::uuid(row, "controller")?),
    })
}

pub(super) fn estimate(row: &impl Columns) -> Result<ReplayEstimate, StoreError> {
    let event = |column| Ok::<_, StoreError>(rows::optional_uuid(row, column)?.map(EventId::from_uuid));
    Ok(ReplayEstimate {
        matching: rows::count(row, "matching")?,
        replayable: rows::count(row, "replayable")?,
        oldest: event("oldest")?,
        newest: event("newest")?,
    })
}

pub(super) fn replay_row(row: &impl Columns) -> Result<ReplayRow, StoreError> {
    let all = [
        ReplayStatus::Running,
        ReplayStatus::Done,
        ReplayStatus::Cancelled,
        ReplayStatus::Failed,
    ];
    let text = rows::str(row, "status")?;
    let status = all.into_iter().find(|status| status.as_str() == text);
    let ReplayJob { replay, controller } = job(row)?;
    Ok(ReplayRow {
        id: replay,
        controller,
        filter: filter(row)?,
        status: status.ok_or_else(|| rows::unreadable("status"))?,
        matching: rows::count(row, "matching")?,
        processed: rows::count(row, "processed")?,
        duplicate: rows::count(row, "duplicate")?,
        rejected: rows::count(row, "rejected")?,
        failed: rows::count(row, "failed")?,
        skipped: rows::count(row, "skipped")?,
        started_at: rows::time(row, "started_at")?,
        ended_at: rows::optional_time(row, "ended_at")?,
    })
}

pub(super) fn past_outcome(row: &impl Columns) -> Result<PastOutcome, StoreError> {
    Ok(PastOutcome {
        at: rows::time(row, "at")?,
        status: rows::status(row)?,
        reasons: rows::notices(row, "reasons")?,
        mapping_version: rows::optional_count(row, "mapping_version")?,
        replay: rows::optional_uuid(row, "replay")?.map(ReplayId::from_uuid),
    })
}

/// A stretch of ids in which there may be events that claims repeat.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    /// From here on.
    pub(super) from: EventId,
    /// Up to here, not included.
    pub(super) to: EventId,
    /// What is looked for, each once.
    pub(super) keys: Vec<DedupKey>,
}

/// The stretches that the windows of these claims span, on both sides of each: where they overlap, one.
pub(super) fn stretches(claims: &[Claim]) -> Vec<Stretch> {
    let mut spans: Vec<(i64, i64, DedupKey)> = claims
        .iter()
        .map(|claim| {
            let at = claim.event.received_at().as_millis();
            let window = i64::try_from(claim.window.as_millis()).unwrap_or(i64::MAX / 4);
            (at - window, at + window, claim.key)
        })
        .collect();
    spans.sort_unstable_by_key(|(from, _, _)| *from);
    let mut merged: Vec<(i64, i64, HashSet<DedupKey>)> = Vec::new();
    for (from, to, key) in spans {
        match merged.last_mut() {
            Some((_, end, keys)) if from <= *end => {
                *end = to.max(*end);
                keys.insert(key);
            }
            _ => merged.push((from, to, HashSet::from([key]))),
        }
    }
    let bound = |millis| EventId::first_at(Timestamp::from_millis(millis));
    let stretch = |(from, to, keys): (i64, i64, HashSet<DedupKey>)| Stretch {
        from: bound(from),
        to: bound(to),
        keys: keys.into_iter().collect(),
    };
    merged.into_iter().map(stretch).collect()
}

/// Which claims repeat which of the processed events `found`, each with its own claim: the first received, if several.
pub(super) fn repeated(claims: &[Claim], found: &[Claim]) -> HashMap<EventId, EventId> {
    let mut by_key: HashMap<DedupKey, Vec<&Claim>> = HashMap::new();
    for first in found {
        by_key.entry(first.key).or_default().push(first);
    }
    let first = |claim: &Claim| {
        let same = by_key.get(&claim.key)?.iter();
        let covering = same.filter(|first| first.event != claim.event && first.covers(claim.event));
        covering.map(|first| first.event).min()
    };
    claims
        .iter()
        .filter_map(|claim| Some((claim.event, first(claim)?)))
        .collect()
}

/// A processed event's claim, from a row with `id`, `dedup_key` and `dedup_window`.
pub(super) fn processed_claim(row: &impl Columns) -> Result<Claim, StoreError> {
    Ok(Claim {
        key: DedupKey(rows::bytes(row, "dedup_key")?),
        event: EventId::from_uuid(rows::uuid(row, "id")?),
        window: Duration::from_secs(rows::count(row, "dedup_window")?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(key: u8, seconds: i64) -> Claim {
        Claim {
            key: DedupKey([key; 16]),
            event: EventId::first_at(Timestamp::from_millis(seconds * 1000)),
            window: Duration::from_secs(60),
        }
    }

    #[test]
    fn stretches_that_overlap_are_one() {
        let found = stretches(&[claim(1, 1000), claim(2, 5000), claim(1, 1100), claim(1, 1300)]);
        let shape: Vec<_> = found
            .iter()
            .map(|stretch| {
                let seconds = |id: EventId| id.received_at().as_millis() / 1000;
                (seconds(stretch.from), seconds(stretch.to), stretch.keys.len())
            })
            .collect();
        assert_eq!(shape, [(940, 1160, 1), (1240, 1360, 1), (4940, 5060, 1)]);
        assert_eq!(stretches(&[]), []);
    }

    #[test]
    fn a_claim_repeats_what_was_processed_within_the_window_before_or_after_but_never_itself() {
        let asked = [claim(1, 100), claim(1, 300), claim(2, 100), claim(3, 100)];
        let processed = [
            claim(1, 41),
            claim(1, 159),
            claim(1, 240),
            claim(2, 159),
            claim(3, 100),
            claim(3, 160),
        ];
        let found = repeated(&asked, &processed);
        let expected = HashMap::from([
            (asked[0].event, processed[0].event),
            (asked[2].event, processed[3].event),
        ]);
        assert_eq!(found, expected);
    }

    #[test]
    fn one_event_is_always_taken_and_those_without_payload_cost_nothing() {
        let candidate = |size| Candidate {
            id: EventId::generate(),
            integration: IntegrationId::generate(),
            shown_type: "contact".parse().unwrap(),
            triggered_at: Timestamp::now(),
            journaled_at: Timestamp::now(),
            status: Status::Failed,
            size,
        };
        let cut = |sizes: &[Option<u64>], max_bytes| {
            let mut candidates: Vec<_> = sizes.iter().copied().map(candidate).collect();
            let wanted = Standing::cut(&mut candidates, max_bytes).len();
            (candidates.len(), wanted)
        };
        assert_eq!(cut(&[Some(500), Some(1)], 100), (1, 1));
        assert_eq!(cut(&[None, Some(500), None, Some(1)], 100), (3, 1));
        assert_eq!(cut(&[Some(50), Some(50), Some(1)], 100), (2, 2));
        assert_eq!(cut(&[None, None], 100), (2, 0));
        assert_eq!(cut(&[], 100), (0, 0));
    }
}

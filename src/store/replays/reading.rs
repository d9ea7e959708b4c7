//! From rows to replays, and from sealed payloads to events again. For every database.

use std::collections::HashMap;

use bytes::Bytes;
use conduit_actors::envelope::accepted_event_type;
use conduit_actors::event::{AcceptedEvent, JournaledEvent, Status};
use conduit_actors::ids::{ControllerId, EventId, EventType, IntegrationId, ReplayId, Sequence, Timestamp};
use conduit_actors::personal::Personal;
use conduit_actors::ports::{ReplayBatch, ReplayJob, ReplayStep, ReplayedEvent, StoreError};

use super::super::rows::{self, Columns};
use super::{NextBatch, PastOutcome, ReplayEstimate, ReplayFilter, ReplayRow, ReplayStatus};

/// Events that the next step may have, without their payloads, from rows with the columns of [`Candidate::read`].
pub(in crate::store) struct Candidate {
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
    pub(in crate::store) fn read(row: &impl Columns) -> Result<Self, StoreError> {
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
pub(in crate::store) struct Standing {
    pub(in crate::store) job: ReplayJob,
    pub(in crate::store) filter: ReplayFilter,
    pub(in crate::store) from: Option<EventId>,
    /// The last event that it is to replay. `None` without events.
    pub(in crate::store) last: Option<EventId>,
}

impl Standing {
    /// Reads `id`, `controller`, `filter`, `cursor`, `last`.
    pub(in crate::store) fn read(row: &impl Columns) -> Result<Self, StoreError> {
        let event = |column| Ok::<_, StoreError>(rows::optional_uuid(row, column)?.map(EventId::from_uuid));
        Ok(Self {
            job: job(row)?,
            filter: filter(row)?,
            from: event("cursor")?,
            last: event("last")?,
        })
    }

    /// Keeps the first candidates that fit into so many bytes, but at least one. Returns those whose payloads are
    /// needed.
    pub(in crate::store) fn cut(candidates: &mut Vec<Candidate>, max_bytes: usize) -> Vec<EventId> {
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

    /// Returns the step of these candidates, with the payloads that were found and opened.
    pub(in crate::store) fn batch(
        &self,
        candidates: Vec<Candidate>,
        mut payloads: HashMap<EventId, Bytes>,
    ) -> NextBatch {
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
    // The stored type is the one that may be shown; the mapping needs the sent one.
    let sent = accepted_event_type(&body);
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

pub(in crate::store) fn job(row: &impl Columns) -> Result<ReplayJob, StoreError> {
    Ok(ReplayJob {
        replay: ReplayId::from_uuid(rows::uuid(row, "id")?),
        controller: ControllerId::from_uuid(rows::uuid(row, "controller")?),
    })
}

pub(in crate::store) fn estimate(row: &impl Columns) -> Result<ReplayEstimate, StoreError> {
    let event = |column| Ok::<_, StoreError>(rows::optional_uuid(row, column)?.map(EventId::from_uuid));
    Ok(ReplayEstimate {
        matching: rows::count(row, "matching")?,
        replayable: rows::count(row, "replayable")?,
        oldest: event("oldest")?,
        newest: event("newest")?,
    })
}

pub(in crate::store) fn replay_row(row: &impl Columns) -> Result<ReplayRow, StoreError> {
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

pub(in crate::store) fn past_outcome(row: &impl Columns) -> Result<PastOutcome, StoreError> {
    Ok(PastOutcome {
        at: rows::time(row, "at")?,
        status: rows::status(row)?,
        reasons: rows::notices(row, "reasons")?,
        mapping_version: rows::optional_count(row, "mapping_version")?,
        replay: rows::optional_uuid(row, "replay")?.map(ReplayId::from_uuid),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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

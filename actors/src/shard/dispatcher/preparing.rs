//! The preparation of a replay's batch before its turn: its events, read and extracted, and their known repeats.
//!
//! It is a separate task on the shard's thread, so that live batches go on while the store reads.

use std::collections::HashMap;
use std::sync::Arc;

use actix_rt::task::JoinHandle;
use tokio::sync::oneshot;

use crate::event::JournaledEvent;
use crate::ids::EventId;
use crate::ports::{Claim, ReplayBatch, ReplayJob, ReplaySource, ReplayStep, StoreError};
use crate::shard::replays::PriorOutcome;
use crate::stages::{ExtractedEvent, Finding, PiiExtractor, Replayed};
use crate::supervisor::{ActorRef, Fault};

/// A batch on its way to its turn, or there.
pub(super) struct Preparing {
    job: ReplayJob,
    told: oneshot::Receiver<Prepared>,
    prepared: Option<Prepared>,
    task: JoinHandle<()>,
}

/// The results of the load.
pub(super) enum Prepared {
    /// To be resolved and committed.
    Batch {
        tried: Vec<PriorOutcome>,
        extracted: Vec<ExtractedEvent>,
        replayed: Replayed,
    },
    /// Its one event is to become a dead letter.
    Doomed {
        step: ReplayStep,
        tried: Vec<PriorOutcome>,
        event: JournaledEvent,
    },
    /// It brought the extractor down.
    Fallen {
        step: ReplayStep,
        tried: Vec<PriorOutcome>,
        fault: Fault,
    },
    /// The replay has no more, or is not this node's.
    Ended,
    /// The store did not do as asked.
    Unreadable(StoreError),
}

impl Preparing {
    /// Begins, with at most so many events and bytes. If the `doomed` event is all there is, no stage sees it again.
    pub(super) fn start(
        job: ReplayJob,
        source: Arc<dyn ReplaySource>,
        extractor: ActorRef<PiiExtractor>,
        max_events: usize,
        max_bytes: usize,
        doomed: Option<EventId>,
    ) -> Self {
        let (tell, told) = oneshot::channel();
        let task = actix_rt::spawn(async move {
            let prepared = match source.next(job.replay, max_events, max_bytes).await {
                Ok(Some(batch)) => prepare(batch, &*source, &extractor, doomed).await,
                Ok(None) => Prepared::Ended,
                Err(error) => Prepared::Unreadable(error),
            };
            // The dispatcher may have ended: then it is of no use to anyone.
            drop(tell.send(prepared));
        });
        Self {
            job,
            told,
            prepared: None,
            task,
        }
    }

    pub(super) fn is_ready(&mut self) -> bool {
        if self.prepared.is_none() {
            self.prepared = match self.told.try_recv() {
                Ok(prepared) => Some(prepared),
                Err(oneshot::error::TryRecvError::Closed) => Some(panicked()),
                Err(oneshot::error::TryRecvError::Empty) => None,
            };
        }
        self.prepared.is_some()
    }

    /// Takes the result if it is ready. Returns `None` otherwise.
    pub(super) fn take(mut self) -> Option<(ReplayJob, Prepared)> {
        self.is_ready();
        Some((self.job, self.prepared.take()?))
    }
}

impl Drop for Preparing {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Waits until what is being prepared is ready; for ever, if nothing is. May be dropped at any time.
pub(super) async fn until_ready(preparing: &mut Option<Preparing>) {
    match preparing {
        Some(preparing) if preparing.prepared.is_none() => {
            let told = (&mut preparing.told).await;
            preparing.prepared = Some(told.unwrap_or_else(|_| panicked()));
        }
        Some(_) => {}
        None => std::future::pending().await,
    }
}

/// Returns the result of a task that panicked. The panic's own log line has the place.
fn panicked() -> Prepared {
    Prepared::Unreadable(StoreError::Failed("reading it failed: a panic".to_owned()))
}

async fn prepare(
    batch: ReplayBatch,
    source: &dyn ReplaySource,
    extractor: &ActorRef<PiiExtractor>,
    doomed: Option<EventId>,
) -> Prepared {
    let ReplayBatch { step, events } = batch;
    let tried: Vec<PriorOutcome> = events
        .iter()
        .map(|event| (event.journaled.event.id, event.status))
        .collect();
    let mut events: Vec<JournaledEvent> = events.into_iter().map(|event| event.journaled).collect();
    if events.len() == 1
        && let Some(event) = events.pop_if(|event| doomed == Some(event.event.id))
    {
        return Prepared::Doomed { step, tried, event };
    }
    let extracted = match extractor.ask(events).await {
        Ok(extracted) => extracted,
        Err(fault) => return Prepared::Fallen { step, tried, fault },
    };
    // An event may repeat one that was processed before the rules of its values changed.
    let earlier = extracted.iter().filter_map(PiiExtractor::earlier_claim);
    let claims: Vec<Claim> = extracted.iter().filter_map(claim).chain(earlier).collect();
    let repeats = match claims[..] {
        [] => Ok(HashMap::new()),
        _ => source.repeats(step.job.controller, &claims).await,
    };
    match repeats {
        Ok(repeats) => Prepared::Batch {
            tried,
            extracted,
            replayed: Replayed { step, repeats },
        },
        Err(error) => Prepared::Unreadable(error),
    }
}

fn claim(event: &ExtractedEvent) -> Option<Claim> {
    match &event.finding {
        Finding::Fits(fitting) => fitting.claim,
        Finding::Rejected(_) | Finding::Failed(_) => None,
    }
}

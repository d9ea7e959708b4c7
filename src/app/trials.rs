//! The trial of a draft on accepted events: its changes against the live mapping.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use conduit_actors::ids::{ControllerId, Timestamp};
use conduit_actors::mapping::Mapping;
use conduit_actors::ports::Integration;
use conduit_actors::trial::{Comparison, Trial};
use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::oneshot;

use super::drafts::with_mapping;
use super::{Error, Principal, Services};
use crate::config::RetentionConfig;
use crate::journal::{PastFilter, Step};
use crate::priority;
use crate::store::IntegrationRow;

/// Events, and bytes of bodies, that a trial holds in memory at a time.
const PART: (usize, usize) = (64, 4 << 20);

/// Trials at a time, each of another controller: they take processor time from the pipeline.
const AT_ONCE: usize = 2;

/// Which trials are under way.
#[derive(Debug, Default)]
pub(crate) struct Trials(Mutex<HashSet<ControllerId>>);

/// The right to run one; given back when it is dropped.
struct Turn {
    trials: Arc<Trials>,
    controller: ControllerId,
}

impl Trials {
    fn begin(self: &Arc<Self>, controller: ControllerId) -> Result<Turn, Error> {
        let mut running = self.0.lock();
        if running.contains(&controller) {
            return Err(Error::TrialRunning);
        }
        if running.len() >= AT_ONCE {
            return Err(Error::TrialsBusy);
        }
        running.insert(controller);
        Ok(Turn {
            trials: Arc::clone(self),
            controller,
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.trials.0.lock().remove(&self.controller);
    }
}

/// The end of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "TrialEndedBy")]
pub(crate) enum EndedBy {
    /// As many events as asked for were examined.
    Limit,
    /// All that are still kept were.
    Retention,
    /// `retention.trial_bytes`
    Bytes,
    /// `retention.trial_seconds`
    Time,
    /// The next segment is damaged; the log says where.
    Unreadable,
}

/// The changes that a draft would make for accepted events.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Trial")]
pub(crate) struct TrialReport {
    /// The version of the live mapping: give it to `PUT`, and nobody's change in between is lost.
    compared_with_version: u64,
    /// `node`: a trial examines events that this node accepted.
    scope: &'static str,
    /// For how many days payloads are kept.
    retention_days: u64,
    /// Receive time of the oldest event examined; null: there was none.
    pub(crate) from: Option<Timestamp>,
    /// Receive time of the newest event examined.
    pub(crate) to: Option<Timestamp>,
    /// Whether all requested events that are still kept were examined.
    complete: bool,
    /// The reason for the end.
    pub(crate) ended_by: EndedBy,
    #[serde(flatten)]
    pub(crate) comparison: Comparison,
}

/// Tries a draft on the last events of the saved integration. Stores nothing.
///
/// # Errors
/// [`Error::TrialRunning`], [`Error::TrialsBusy`], [`Error::TrialNotStarted`], [`Error::NotFound`], [`Error::Store`].
pub(crate) async fn run(
    principal: &Principal,
    services: Arc<Services>,
    saved: &Integration,
    row: &IntegrationRow,
    draft: Arc<Integration>,
    limit: usize,
) -> Result<TrialReport, Error> {
    principal.check_filter(&services, Some(row.controller))?;
    let live = live(&services, saved, row)?;
    let turn = services.trials.begin(saved.controller.id)?;
    let work = Work {
        services,
        live,
        draft,
        version: row.version,
        limit,
    };
    work.start(turn)?.await.map_err(|_| Error::Internal)?
}

/// Returns the integration as saved at this version. The one in memory may be slightly older or newer.
fn live(services: &Services, saved: &Integration, row: &IntegrationRow) -> Result<Arc<Integration>, Error> {
    let mapping = Mapping::compile(
        &row.spec,
        services.directory.taxonomy(),
        services.directory.dedup_defaults(),
    );
    let mapping = mapping.map_err(|_| {
        tracing::error!(integration = %row.id, "the saved mapping no longer compiles");
        Error::Internal
    })?;
    Ok(with_mapping(saved, mapping))
}

/// One trial, off the threads that serve.
struct Work {
    services: Arc<Services>,
    live: Arc<Integration>,
    draft: Arc<Integration>,
    version: u64,
    limit: usize,
}

type Outcome = Result<TrialReport, Error>;

impl Work {
    /// Starts it on a thread of its own, of the pipeline's priority. It ends early if nobody waits for the answer any more.
    fn start(self, turn: Turn) -> Result<oneshot::Receiver<Outcome>, Error> {
        let (sender, receiver) = oneshot::channel();
        let run = move || {
            priority::lower();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let outcome = match runtime {
                Ok(runtime) => runtime.block_on(self.examine(&|| sender.is_closed())),
                Err(error) => Err(no_thread(&error)),
            };
            drop(turn);
            // The caller may have gone.
            let _ = sender.send(outcome);
        };
        let thread = std::thread::Builder::new().name("conduit-trial".to_owned());
        thread.spawn(run).map_err(|error| no_thread(&error))?;
        Ok(receiver)
    }

    async fn examine(self, is_cancelled: &dyn Fn() -> bool) -> Outcome {
        let config = self.services.config.get();
        let retention = &config.retention;
        let until = Instant::now() + Duration::from_secs(retention.trial_seconds);
        let filter = PastFilter {
            controller: self.live.controller.id,
            integration: Some(self.live.id),
            event: None,
        };
        let mut past = self.services.journal.past(filter, self.limit);
        let mut trial = Trial::new(self.live, self.draft);
        let mut seen = Progress::default();
        let ended_by = loop {
            if let Some(ended_by) = seen.reached(self.limit, retention) {
                break ended_by;
            }
            let events = PART.0.min(self.limit - seen.events);
            let bytes = PART.1.min(retention.trial_bytes - seen.bytes);
            match past.next(events, bytes, Some(until)) {
                Ok(Step::Events(events)) => {
                    for event in &events {
                        seen.note(event.event.id.received_at(), event.event.body.expose().len());
                    }
                    trial.examine(events, &*self.services.store).await?;
                }
                Ok(Step::End) => break EndedBy::Retention,
                Ok(Step::Late) => break EndedBy::Time,
                Err(_) => break EndedBy::Unreadable,
            }
            if is_cancelled() {
                break EndedBy::Time;
            }
        };
        Ok(TrialReport {
            compared_with_version: self.version,
            scope: "node",
            retention_days: retention.payload_days,
            from: seen.span.map(|(from, _)| from),
            to: seen.span.map(|(_, to)| to),
            complete: matches!(ended_by, EndedBy::Limit | EndedBy::Retention),
            ended_by,
            comparison: trial.finish(),
        })
    }
}

/// How much was examined.
#[derive(Default)]
struct Progress {
    events: usize,
    bytes: usize,
    span: Option<(Timestamp, Timestamp)>,
}

impl Progress {
    fn note(&mut self, received_at: Timestamp, bytes: usize) {
        self.events += 1;
        self.bytes += bytes;
        let (from, to) = self.span.unwrap_or((received_at, received_at));
        self.span = Some((from.min(received_at), to.max(received_at)));
    }

    fn reached(&self, limit: usize, retention: &RetentionConfig) -> Option<EndedBy> {
        if self.events >= limit {
            Some(EndedBy::Limit)
        } else if self.bytes >= retention.trial_bytes {
            Some(EndedBy::Bytes)
        } else {
            None
        }
    }
}

fn no_thread(error: &std::io::Error) -> Error {
    tracing::error!(%error, "a trial cannot be started");
    Error::TrialNotStarted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_for_each_controller_and_a_few_in_all() {
        let trials = Arc::new(Trials::default());
        let [one, other, third] = [(); 3].map(|()| ControllerId::generate());
        let code = |controller| trials.begin(controller).err().map(|error| error.to_string());
        let first = trials.begin(one).ok();
        assert_eq!(code(one), Some(Error::TrialRunning.to_string()));
        let second = trials.begin(other).ok();
        assert!(first.is_some() && second.is_some());
        assert_eq!(code(third), Some(Error::TrialsBusy.to_string()));
        drop(first);
        assert_eq!(code(third), None);
        assert_eq!(code(one), None);
        assert_eq!(code(other), Some(Error::TrialRunning.to_string()));
    }
}

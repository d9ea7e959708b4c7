//! The recipe of a commit: which rows a batch writes, and in which order. Each database supplies the steps.
//!
//! A batch of the pipeline and a step of a replay follow the same recipe, in one transaction:
//!
//! | | a batch | a step of a replay |
//! |---|---|---|
//! | 1 | locks its controllers | locks its controller |
//! | 2 | moves the checkpoints | moves the cursor, and reads the statuses that its events have |
//! | 3 | adds subjects, links and merges, and holds ceilings | the same |
//! | 4 | | keeps the first outcomes |
//! | 5 | adds events, while activities are chained | replaces events, while activities are chained |
//! | 6 | | adds the new outcomes |
//! | 7 | adds activities | the same |
//! | 8 | adds payloads | deletes payloads |
//! | 9 | moves the heads of chains, the counts and the history | the same |
//! | 10 | commits | commits |

use std::collections::BTreeMap;
use std::future::Future;

use conduit_actors::event::{Activity, OutcomeRecord, Status};
use conduit_actors::ids::{ControllerId, EventId, ReplayId, Timestamp};
use conduit_actors::per_outcome::PerOutcome;
use conduit_actors::ports::{BatchEffects, Ceiling, Checkpoint, Merge, NewLink, NewSubject, ReplayStep, StoreError};
use futures_util::future::join;

use super::chain_ends::Ends;
use super::chains;
use super::heads::HeadBook;
use super::history::{self, of_batch, of_replay};
use super::values::{self, Counts};
use crate::keys::Keyring;

/// The result of a step.
type Step<T> = Result<T, StoreError>;

/// The steps of one transaction. Rows of controllers that are not locked are left out: these are deleted.
pub(super) trait CommitSteps: Send {
    /// Locks the controllers that are there. Returns where their chains end: nobody moves these before the transaction ends.
    fn lock(&mut self, controllers: &[ControllerId]) -> impl Future<Output = Step<Ends>> + Send;

    /// Moves checkpoints. It is a conflict if one does not stand where the batch begins.
    fn move_checkpoints(&mut self, checkpoints: &[Checkpoint]) -> impl Future<Output = Step<()>> + Send;

    /// Moves a replay's cursor, and adds to its counts. It is a conflict unless the replay is running, is this node's, and
    /// stands where the step begins.
    fn move_cursor(&mut self, step: ReplayStep, counts: PerOutcome<i64>) -> impl Future<Output = Step<()>> + Send;

    /// Returns the statuses of events before a replay. It is a conflict unless each is rejected or failed.
    fn statuses(&mut self, outcomes: &[OutcomeRecord]) -> impl Future<Output = Step<Vec<(EventId, Status)>>> + Send;

    fn insert_subjects(&mut self, subjects: &[NewSubject]) -> impl Future<Output = Step<()>> + Send;

    /// Adds links. It is a conflict if a strong one leads to another subject.
    fn insert_links(&mut self, links: &[NewLink]) -> impl Future<Output = Step<()>> + Send;

    /// Merges in turn. It is a conflict if one of the two subjects is merged already.
    fn insert_merges(&mut self, merges: &[Merge]) -> impl Future<Output = Step<()>> + Send;

    /// Checks ceilings. It is a conflict if a subject holds more.
    fn hold_ceilings(&mut self, ceilings: &[Ceiling]) -> impl Future<Output = Step<()>> + Send;

    /// Keeps the outcomes of events that are replayed for the first time.
    fn keep_first_outcomes(&mut self, outcomes: &[OutcomeRecord]) -> impl Future<Output = Step<()>> + Send;

    fn insert_events(&mut self, outcomes: &[OutcomeRecord]) -> impl Future<Output = Step<()>> + Send;

    /// Gives events that are there the outcomes of a replay.
    fn replace_events(&mut self, outcomes: &[OutcomeRecord]) -> impl Future<Output = Step<()>> + Send;

    /// Adds the outcomes of a replay to the events' past ones.
    fn insert_outcomes(
        &mut self,
        replay: ReplayId,
        outcomes: &[OutcomeRecord],
    ) -> impl Future<Output = Step<()>> + Send;

    fn insert_activities(&mut self, activities: &[Activity]) -> impl Future<Output = Step<()>> + Send;

    /// Seals and adds the payloads of events that may be replayed.
    fn insert_payloads(&mut self, outcomes: &[OutcomeRecord]) -> impl Future<Output = Step<()>> + Send;

    /// Deletes the payloads of events that are not rejected or failed any more.
    fn delete_payloads(&mut self, outcomes: &[OutcomeRecord]) -> impl Future<Output = Step<()>> + Send;

    /// Moves the ends of chains, and adds to the sums of outcomes.
    fn move_heads(&mut self, ends: &Ends, counts: Counts) -> impl Future<Output = Step<()>> + Send;

    fn add_history(&mut self, added: &BTreeMap<history::Key, PerOutcome<i64>>)
    -> impl Future<Output = Step<()>> + Send;

    /// Takes everything back, once all that a commit would check is checked.
    fn roll_back(self) -> impl Future<Output = Step<()>> + Send;

    fn commit(self) -> impl Future<Output = Step<()>> + Send;
}

/// Commits a batch, or a step of a replay. Fills in the activities' places in their chains.
pub(super) async fn commit(
    mut steps: impl CommitSteps,
    effects: &mut BatchEffects,
    keyring: &Keyring,
    heads: &HeadBook,
) -> Result<(), StoreError> {
    let before = steps.lock(&controllers(effects)).await?;
    let replayed = match effects.replay {
        None => {
            steps.move_checkpoints(&effects.checkpoints).await?;
            None
        }
        Some(step) => Some((step, begin_replay(&mut steps, step, effects, &before).await?)),
    };
    steps.insert_subjects(&effects.subjects).await?;
    steps.insert_links(&effects.links).await?;
    steps.insert_merges(&effects.merges).await?;
    steps.hold_ceilings(&effects.ceilings).await?;
    let chained = chains::append(keyring, heads, &before, &mut effects.activities);
    let outcomes = &effects.outcomes;
    let (after, counts, history) = match &replayed {
        None => {
            let (inserted, after) = join(steps.insert_events(outcomes), chained).await;
            inserted?;
            (after, values::counts(outcomes), of_batch(outcomes))
        }
        Some((step, statuses)) => {
            steps.keep_first_outcomes(outcomes).await?;
            let (replaced, after) = join(steps.replace_events(outcomes), chained).await;
            replaced?;
            steps.insert_outcomes(step.job.replay, outcomes).await?;
            let counts = values::counts_replaced(step.job.controller, outcomes, statuses);
            (after, counts, of_replay(outcomes, statuses, Timestamp::now()))
        }
    };
    steps.insert_activities(&effects.activities).await?;
    match replayed {
        None => steps.insert_payloads(outcomes).await?,
        Some(_) => steps.delete_payloads(outcomes).await?,
    }
    steps.move_heads(&after, counts).await?;
    steps.add_history(&history).await?;
    if effects.is_rehearsal {
        return steps.roll_back().await;
    }
    steps.commit().await?;
    heads.note(&before, &after);
    Ok(())
}

/// Returns the controllers whose rows a batch writes.
fn controllers(effects: &BatchEffects) -> Vec<ControllerId> {
    match effects.replay {
        Some(step) => vec![step.job.controller],
        None => effects.checkpoints.iter().map(|moved| moved.controller).collect(),
    }
}

/// Moves a replay's cursor; returns the statuses that its events have.
async fn begin_replay(
    steps: &mut impl CommitSteps,
    step: ReplayStep,
    effects: &BatchEffects,
    locked: &Ends,
) -> Result<Vec<(EventId, Status)>, StoreError> {
    if locked.is_empty() {
        // Deleted: the next reading finds no replay either.
        return Err(StoreError::Conflict);
    }
    let mut counts = values::counts(&effects.outcomes);
    let counts = counts.remove(&step.job.controller).unwrap_or_default();
    steps.move_cursor(step, counts).await?;
    steps.statuses(&effects.outcomes).await
}

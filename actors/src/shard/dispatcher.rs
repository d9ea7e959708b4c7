//! The dispatcher of one shard: composes batches, takes them through the stages, and decides what a failure means.
//!
//! A batch is read from the journal again for each attempt, so a crash or a panic loses nothing. The meaning of a
//! failure:
//!
//! | failure | meaning | next |
//! |---|---|---|
//! | a panic | one of the events may be poison | [`Isolation`] |
//! | a store that calls the data faulty | one of the events may be poison, or the database ill | [`diagnosis`] |
//! | store or dedup window away | no fault of the batch | the same events again, after a backoff |
//! | conflict | another node, or a commit whose answer was lost | checkpoints are read again, then at once; many in a row: after a backoff |
//! | conflict, checkpoint before ours | the store lost commits | it waits: only a start reads the journal again |
//! | journal unreadable | one stream cannot go on | it waits; the others go on |
//! | a dead letter cannot be written | one stream cannot go on | it waits; the others go on |
//!
//! While a batch is being committed, the next one is read and extracted: *ahead*. It builds on checkpoints that are not
//! committed yet, and is dropped if the commit fails. Resolution waits for the commit, because it asks the store.

mod batch;
mod compose;
mod diagnosis;
mod failure;
mod preparing;
mod replaying;
mod settle;
mod work;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use failure::Cause;
use preparing::Preparing;
use work::Work;

use super::actors::Actors;
use super::backlog::{Backlogs, News};
use super::isolation::Isolation;
use super::options::{BatchOptions, PipelineOptions, Ports};
use super::progress::Progress;
use super::replays::Replays;
use super::stalls::Stalls;
use super::turns::Turns;
use crate::ids::{ControllerId, Sequence, Timestamp};
use crate::supervisor::{Monitor, RestartPolicy, fence};

/// How often an idle dispatcher looks up, to let dedup claims expire.
const IDLE_TICK: Duration = Duration::from_secs(10);
/// No request takes longer than this from its receive time to the journal.
const SETTLED_AFTER_MS: i64 = 120_000;

/// Runs a dispatcher until it is told to stop. A dispatcher that panics is created again after a backoff, like an
/// actor.
///
/// Only a port that it asks directly can make it panic. Its knowledge is lost: the new one begins with the content of
/// the journal.
pub(super) async fn run_supervised(
    make: impl Fn() -> Dispatcher,
    monitor: &Monitor,
    mut stopping: watch::Receiver<bool>,
) {
    let mut dispatcher = make();
    while let Err(cause) = fence(dispatcher.run(&mut stopping)).await {
        pause(monitor.failed(&cause.to_string()), &mut stopping).await;
        dispatcher = make();
        dispatcher.begin_anew();
        monitor.restarted();
    }
}

/// See the module's docs.
pub(super) struct Dispatcher {
    shard: usize,
    options: PipelineOptions,
    batches: BatchOptions,
    /// Has the batches that were wanted last.
    wanted_batches: watch::Receiver<BatchOptions>,
    ports: Ports,
    actors: Actors,
    backlogs: Arc<Backlogs>,
    progress: Arc<Progress>,
    turns: Turns,
    isolation: Isolation,
    replays: Replays,
    /// The next batch of a replay.
    preparing: Option<Preparing>,
    causes: HashMap<ControllerId, Cause>,
    stalls: Stalls,
    /// Controllers whose dedup claims may still have to expire.
    recent: BTreeSet<ControllerId>,
    /// How far the batch that is being committed takes each stream.
    committing: HashMap<ControllerId, Sequence>,
    suspects_turn: bool,
    cache_is_valid: bool,
    tries_in_vain: u32,
    conflicts_in_a_row: u32,
}

impl Dispatcher {
    pub(super) fn new(
        shard: usize,
        (options, mut wanted_batches): (PipelineOptions, watch::Receiver<BatchOptions>),
        ports: Ports,
        actors: Actors,
        backlogs: Arc<Backlogs>,
        progress: Arc<Progress>,
    ) -> Self {
        // They may have changed since the start of the pipeline.
        let batches = *wanted_batches.borrow_and_update();
        Self {
            shard,
            options,
            batches,
            wanted_batches,
            ports,
            actors,
            backlogs,
            progress,
            turns: Turns::default(),
            isolation: Isolation::new(options.max_attempts),
            replays: Replays::new(
                batches.replay_events,
                options.max_attempts,
                // By themselves they spend half of the restart budget at most.
                2 * options.restart.window / u32::try_from(options.restart.budget.max(1)).unwrap_or(u32::MAX),
            ),
            preparing: None,
            causes: HashMap::new(),
            stalls: Stalls::default(),
            recent: BTreeSet::new(),
            committing: HashMap::new(),
            suspects_turn: false,
            // What the resolver learnt under a dispatcher that panicked may not have been committed.
            cache_is_valid: false,
            tries_in_vain: 0,
            conflicts_in_a_row: 0,
        }
    }

    /// Takes up what the journal has, in the place of a dispatcher that panicked. Replays are told again by whoever leases
    /// them.
    fn begin_anew(&self) {
        self.progress.going_on();
        self.progress.stalled(0, None);
        for (controller, position) in self.ports.journal.backlog() {
            self.backlogs.note(controller, position.last);
        }
    }

    /// Works until told to stop; ends between two batches.
    pub(super) async fn run(mut self, stopping: &mut watch::Receiver<bool>) {
        let mut ahead = None;
        while !*stopping.borrow() {
            self.take_options();
            self.take_backlog();
            self.prepare_replay();
            if self.is_replay_ready() && self.replays.is_overdue() {
                self.replay(stopping).await;
                self.prepare_replay();
            }
            let work = ahead.take().map_or_else(|| self.compose(), Work::Ahead);
            let (began, is_live) = (Instant::now(), !matches!(work, Work::Nothing));
            match work {
                Work::Batch { groups, isolated } => {
                    let extracted = self.extract(groups, isolated).await;
                    ahead = self.process(extracted, stopping).await;
                }
                Work::Ahead(extracted) => ahead = self.process(extracted, stopping).await,
                Work::DeadLetter(group) => self.bury(group, stopping).await,
                Work::Nothing if self.is_replay_ready() => self.replay(stopping).await,
                Work::Nothing => self.idle(stopping).await,
            }
            if is_live {
                self.replays.lived(began.elapsed());
            }
            self.progress.backlog(
                self.turns.backlog(),
                self.isolation.suspects().count(),
                self.replays.len(),
            );
        }
        self.preparing = None;
        self.actors.stop();
    }

    /// Takes up changed options of batches.
    fn take_options(&mut self) {
        // An error means that nobody can change them any more.
        if self.wanted_batches.has_changed().unwrap_or(false) {
            self.batches = *self.wanted_batches.borrow_and_update();
            self.replays.set_most(self.batches.replay_events);
        }
    }

    fn take_backlog(&mut self) {
        let News { grown, replays } = self.backlogs.take(self.shard);
        self.take_replays(replays);
        for (controller, last) in grown {
            let journal = &self.ports.journal;
            self.turns
                .grown(controller, last, || journal.position(controller).released);
        }
    }

    async fn idle(&mut self, stopping: &mut watch::Receiver<bool>) {
        self.progress.idle();
        if self.turns.len() == 0 && self.replays.is_empty() {
            // What was tried in vain is done, by another hand or by a commit whose answer was lost.
            self.go_on();
        }
        let stalled = self.stalls.first_ends_in(Instant::now());
        let nap = stalled.map_or(IDLE_TICK, |ends| ends.min(IDLE_TICK));
        if self.nap(nap, stopping).await {
            self.expire_claims();
        }
    }

    /// Passes time to idle streams, so that their claims expire. Stalled streams are left out, because their events are
    /// still to claim.
    fn expire_claims(&mut self) {
        let settled = Timestamp::from_millis(Timestamp::now().as_millis() - SETTLED_AFTER_MS);
        for controller in self.recent.iter().filter(|recent| !self.turns.has(recent)) {
            self.ports.dedup.advance(*controller, settled);
        }
        self.recent
            .retain(|controller| self.ports.directory.controller(*controller).is_some());
    }

    /// Returns the backoff between tries during an outage. Its limit is shorter than that of an actor's restart.
    fn retry_policy(&self) -> RestartPolicy {
        RestartPolicy {
            backoff_initial: Duration::from_millis(50),
            backoff_max: self.batches.retry_max,
            ..self.options.restart
        }
    }

    fn forget(&mut self, controller: ControllerId) {
        self.turns.remove(controller);
        self.isolation.forget(controller);
        self.end_stall(controller);
        self.causes.remove(&controller);
        self.recent.remove(&controller);
        self.ports.dedup.forget(controller);
    }
}

/// Sleeps, unless told to stop.
async fn pause(length: Duration, stopping: &mut watch::Receiver<bool>) {
    tokio::select! {
        biased;
        () = tokio::time::sleep(length) => {}
        _ = stopping.wait_for(|stopping| *stopping) => {}
    }
}

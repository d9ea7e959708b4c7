//! The order, time and size of replays' batches. Replays should delay no live events, and still end.
//!
//! - Live events first. A batch of a replay has its turn if there are none, or after they had [`SHARE`] times as long
//!   as the last turn of a replay. So with endless live events, replays still have a fifth of the time.
//! - Batches are small: half as many events after a long one, twice as many after a short one. So live events wait
//!   briefly, even for a slow database.
//! - Controllers take turns. One controller's replays run one after the other, a batch at a time.
//! - A batch that crashes an actor is bisected, like one of live events. An event that failed before, and crashes the
//!   actor again alone, is given up at once. A crash is followed by a pause for its controller's replays only. So dead
//!   letters that are replayed before their cause is fixed cannot use up the restart budget.

use std::collections::{HashMap, HashSet, VecDeque};

use tokio::time::{Duration, Instant};

use crate::event::Status;
use crate::ids::{ControllerId, EventId, ReplayId};
use crate::ports::ReplayJob;

/// Live events get so many times as much time as replays, if they want it.
const SHARE: u32 = 4;
/// A batch that took longer is followed by a smaller one.
const LONG: Duration = Duration::from_millis(200);
/// A batch that took less is followed by a larger one.
const SHORT: Duration = Duration::from_millis(60);

/// An event of a batch, and its former outcome.
pub(super) type PriorOutcome = (EventId, Status);

/// A stretch of a replay with a poison event somewhere in it.
#[derive(Debug, Default)]
struct Suspicion {
    /// Events of the stretch that were not committed since.
    left: usize,
    /// The event that failed alone, and how often.
    alone: Option<(EventId, u32)>,
    /// It failed often enough. The next batch makes it a dead letter, without running it.
    is_doomed: bool,
    cause: String,
}

/// The replays of one shard.
#[derive(Debug)]
pub(super) struct Replays {
    jobs: HashMap<ControllerId, VecDeque<ReplayId>>,
    queue: VecDeque<ControllerId>,
    /// Replays that had a batch here.
    begun: HashSet<ReplayId>,
    suspicions: HashMap<ReplayId, Suspicion>,
    /// Until when controllers whose replays brought an actor down have to wait, whatever they begin meanwhile.
    pauses: HashMap<ControllerId, Instant>,
    /// Events in a batch: at most, and now.
    most: usize,
    size: usize,
    max_attempts: u32,
    pause: Duration,
    /// The duration of the last batch of a replay, and of live events since.
    last: Duration,
    live: Duration,
}

impl Replays {
    /// Creates the schedule. A batch has at most `most` events. A crash is followed by `pause`. An event may crash
    /// `max_attempts` times alone before it is given up.
    pub(super) fn new(most: usize, max_attempts: u32, pause: Duration) -> Self {
        Self {
            jobs: HashMap::new(),
            queue: VecDeque::new(),
            begun: HashSet::new(),
            suspicions: HashMap::new(),
            pauses: HashMap::new(),
            most: most.max(1),
            size: most.max(1),
            max_attempts: max_attempts.max(1),
            pause,
            last: Duration::ZERO,
            live: Duration::ZERO,
        }
    }

    /// Changes the size of a batch: at most `most` events, from the next one on.
    pub(super) fn set_most(&mut self, most: usize) {
        self.most = most.max(1);
        self.size = self.size.min(self.most);
    }

    /// Takes up a replay, unless it is here already.
    pub(super) fn add(&mut self, job: ReplayJob) {
        let own = self.jobs.entry(job.controller).or_default();
        if own.contains(&job.replay) {
            return;
        }
        if own.is_empty() {
            self.queue.push_back(job.controller);
        }
        own.push_back(job.replay);
    }

    /// Notes a batch of a replay. Returns whether it is its first one here.
    pub(super) fn begins(&mut self, replay: ReplayId) -> bool {
        self.begun.insert(replay)
    }

    /// Removes a replay that has ended, or belongs to another node.
    pub(super) fn end(&mut self, job: ReplayJob) {
        self.suspicions.remove(&job.replay);
        self.begun.remove(&job.replay);
        let Some(own) = self.jobs.get_mut(&job.controller) else {
            return;
        };
        own.retain(|replay| *replay != job.replay);
        if own.is_empty() {
            self.jobs.remove(&job.controller);
            self.queue.retain(|controller| *controller != job.controller);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.jobs.values().map(VecDeque::len).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Returns whether live events have had their share of the time, so that a replay goes first.
    pub(super) fn is_overdue(&self) -> bool {
        self.live >= self.last * SHARE
    }

    /// Returns how long until a replay may run. Returns `None` without replays.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        let waits = self.jobs.iter().flat_map(|(controller, own)| {
            own.iter().map(|replay| {
                let (replay, controller) = (*replay, *controller);
                self.rest(ReplayJob { replay, controller }, now)
            })
        });
        waits.min()
    }

    fn rest(&self, job: ReplayJob, now: Instant) -> Duration {
        if self.suspicions.get(&job.replay).is_some_and(|found| found.is_doomed) {
            return Duration::ZERO;
        }
        let until = self.pauses.get(&job.controller);
        until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    /// Returns the next replay that may run, and the number of its events. It goes to the end of its controller's
    /// replays, and the controller to the end of all.
    pub(super) fn next(&mut self, now: Instant) -> Option<(ReplayJob, usize)> {
        self.pauses.retain(|_, until| *until > now);
        for _ in 0..self.queue.len() {
            let controller = self.queue.pop_front()?;
            self.queue.push_back(controller);
            let own = self.jobs.get(&controller)?;
            let Some(index) = own.iter().position(|replay| {
                let replay = *replay;
                self.rest(ReplayJob { replay, controller }, now).is_zero()
            }) else {
                continue;
            };
            let own = self.jobs.get_mut(&controller)?;
            let replay = own.remove(index)?;
            own.push_back(replay);
            let limit = match self.suspicions.get(&replay) {
                Some(Suspicion { alone: Some(_), .. }) => 1,
                Some(suspicion) => suspicion.left.div_ceil(2).clamp(1, self.size),
                None => self.size,
            };
            return Some((ReplayJob { replay, controller }, limit));
        }
        None
    }

    /// Returns the poison event, which must come next. Returns `None` without one.
    pub(super) fn doomed(&self, replay: ReplayId) -> Option<EventId> {
        let suspicion = self.suspicions.get(&replay).filter(|found| found.is_doomed)?;
        suspicion.alone.map(|(event, _)| event)
    }

    /// Returns how often the last tried event failed alone, and the last cause.
    pub(super) fn falls(&self, replay: ReplayId) -> (u32, String) {
        let found = self.suspicions.get(&replay);
        let attempts = found.and_then(|found| found.alone).map_or(0, |(_, attempts)| attempts);
        (attempts, found.map(|found| found.cause.clone()).unwrap_or_default())
    }

    /// Lets a controller's replays rest for so long.
    pub(super) fn rest_for(&mut self, controller: ControllerId, length: Duration, now: Instant) {
        self.pauses.insert(controller, now + length);
    }

    /// Returns the former attempts by the former outcome: a dead letter failed often enough.
    const fn attempts(&self, before: Status) -> u32 {
        match before {
            Status::Failed => 1,
            _ => self.max_attempts,
        }
    }

    /// Notes that a batch of these events crashed an actor.
    pub(super) fn failed(&mut self, job: ReplayJob, events: &[PriorOutcome], cause: &str, now: Instant) {
        let enough = self.attempts(events.first().map_or(Status::Rejected, |(_, before)| *before));
        self.rest_for(job.controller, self.pause, now);
        let suspicion = self.suspicions.entry(job.replay).or_default();
        // Its dead letter could not be written. It is tried again after the pause, before it is given up once more.
        let was_doomed = suspicion.is_doomed;
        suspicion.left = events.len();
        cause.clone_into(&mut suspicion.cause);
        suspicion.alone = match (events, suspicion.alone) {
            ([(event, _)], Some((known, attempts))) if known == *event => Some((*event, attempts + 1)),
            ([(event, _)], _) => Some((*event, 1)),
            _ => None,
        };
        suspicion.is_doomed = !was_doomed && suspicion.alone.is_some_and(|(_, attempts)| attempts >= enough);
    }

    /// Notes a committed batch of so many events, and its duration.
    pub(super) fn committed(&mut self, replay: ReplayId, events: usize, took: Duration) {
        if took > LONG {
            self.size = (self.size / 2).max(1);
        } else if took < SHORT {
            self.size = (self.size * 2).min(self.most);
        }
        if let Some(suspicion) = self.suspicions.get_mut(&replay) {
            suspicion.alone = None;
            suspicion.is_doomed = false;
            suspicion.left = suspicion.left.saturating_sub(events);
            if suspicion.left == 0 {
                self.suspicions.remove(&replay);
            }
        }
    }

    /// Notes the duration of a replay's batch, with any result.
    pub(super) const fn ran(&mut self, took: Duration) {
        self.last = took;
        self.live = Duration::ZERO;
    }

    /// Notes the duration of live events.
    pub(super) const fn lived(&mut self, took: Duration) {
        self.live = self.live.saturating_add(took);
    }
}

#[cfg(test)]
mod tests;

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
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn job(controller: ControllerId) -> ReplayJob {
        ReplayJob {
            replay: ReplayId::generate(),
            controller,
        }
    }

    fn replays() -> Replays {
        Replays::new(64, 3, ms(1000))
    }

    #[test]
    fn live_events_go_first_and_replays_get_their_share() {
        let mut replays = replays();
        assert!(replays.is_empty());
        replays.add(job(ControllerId::generate()));
        assert!(!replays.is_empty());
        assert!(replays.is_overdue());
        replays.ran(ms(10));
        assert!(!replays.is_overdue());
        replays.lived(ms(39));
        assert!(!replays.is_overdue());
        replays.lived(ms(1));
        assert!(replays.is_overdue());
    }

    #[test]
    fn controllers_take_turns_and_each_takes_turns_among_its_own() {
        let (mut replays, now) = (replays(), Instant::now());
        let (many, one) = (ControllerId::generate(), ControllerId::generate());
        let jobs = [job(many), job(many), job(many), job(one)];
        for job in jobs {
            replays.add(job);
            replays.add(job);
        }
        let mut order = || replays.next(now).unwrap().0;
        let found: Vec<_> = (0..6).map(|_| order()).collect();
        assert_eq!(found, [jobs[0], jobs[3], jobs[1], jobs[3], jobs[2], jobs[3]]);
        replays.end(jobs[3]);
        assert_eq!((replays.len(), replays.next(now).unwrap().0), (3, jobs[0]));
        for job in jobs {
            replays.end(job);
        }
        assert_eq!((replays.len(), replays.next(now)), (0, None));
        assert!(replays.wait(now).is_none());
    }

    #[test]
    fn batches_become_smaller_while_they_take_long() {
        let (mut replays, now) = (replays(), Instant::now());
        let only = job(ControllerId::generate());
        replays.add(only);
        let size = |replays: &mut Replays| replays.next(now).unwrap().1;
        for expected in [64, 32, 16, 8, 4, 2, 1, 1] {
            assert_eq!(size(&mut replays), expected);
            replays.committed(only.replay, expected, ms(500));
        }
        replays.committed(only.replay, 1, ms(100));
        assert_eq!(size(&mut replays), 1);
        for expected in [2, 4, 8, 16, 32, 64, 64] {
            replays.committed(only.replay, 1, ms(1));
            assert_eq!(size(&mut replays), expected);
        }
    }

    /// Runs a replay of events, some of them poison; which were given up, and how many batches fell.
    fn run(length: usize, poison: &[usize], before: Status) -> (Vec<usize>, usize) {
        let (mut replays, mut now) = (replays(), Instant::now());
        let only = job(ControllerId::generate());
        replays.add(only);
        let events: Vec<EventId> = (0..length).map(|_| EventId::generate()).collect();
        let (mut at, mut dead, mut falls) = (0, Vec::new(), 0);
        while at < length {
            now += replays.wait(now).unwrap();
            let (_, limit) = replays.next(now).unwrap();
            let end = (at + limit).min(length);
            if replays.doomed(only.replay) == Some(events[at]) {
                dead.push(at);
                at += 1;
                replays.committed(only.replay, 1, ms(1));
            } else if poison.iter().any(|event| (at..end).contains(event)) {
                falls += 1;
                let batch: Vec<_> = events[at..end].iter().map(|event| (*event, before)).collect();
                replays.failed(only, &batch, "cause", now);
            } else {
                replays.committed(only.replay, end - at, ms(1));
                at = end;
            }
        }
        (dead, falls)
    }

    #[test]
    fn poison_is_found_by_bisection_and_its_neighbours_pass() {
        for poison in [0, 1, 40, 63, 64, 99] {
            let (dead, falls) = run(100, &[poison], Status::Rejected);
            assert_eq!(dead, [poison]);
            assert!(falls <= 1 + 6 + 3, "{poison}: {falls}");
            let (dead, again) = run(100, &[poison], Status::Failed);
            assert_eq!(
                (dead, again),
                (vec![poison], falls - 2),
                "a dead letter has one more try"
            );
        }
        assert_eq!(run(200, &[3, 4, 150, 199], Status::Rejected).0, [3, 4, 150, 199]);
        assert_eq!(run(5, &[0, 1, 2, 3, 4], Status::Failed).0, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_dead_letter_that_cannot_be_written_waits_as_well() {
        let (mut replays, now) = (replays(), Instant::now());
        let only = job(ControllerId::generate());
        replays.add(only);
        let event = (EventId::generate(), Status::Failed);
        for _ in 0..2 {
            replays.failed(only, &[event], "the event's", now);
            assert_eq!(
                (replays.doomed(only.replay), replays.wait(now)),
                (Some(event.0), Some(ms(0)))
            );
            replays.failed(only, &[event], "the dead letter's", now);
            assert_eq!((replays.doomed(only.replay), replays.wait(now)), (None, Some(ms(1000))));
        }
    }

    #[test]
    fn a_fall_is_followed_by_a_pause_that_others_do_not_share() {
        let (mut replays, now) = (replays(), Instant::now());
        let (falls, stands) = (job(ControllerId::generate()), job(ControllerId::generate()));
        replays.add(falls);
        let event = (EventId::generate(), Status::Rejected);
        replays.failed(falls, &[event], "cause", now);
        assert_eq!(replays.wait(now), Some(ms(1000)));
        assert_eq!(replays.next(now), None);
        replays.add(stands);
        assert_eq!(replays.next(now).map(|next| next.0), Some(stands));
        assert_eq!(replays.next(now).map(|next| next.0), Some(stands));
        replays.failed(falls, &[event], "cause", now);
        assert_eq!(replays.doomed(falls.replay), None);
        replays.failed(falls, &[event], "the last", now);
        assert_eq!(replays.doomed(falls.replay), Some(event.0));
        assert_eq!(replays.falls(falls.replay), (3, "the last".to_owned()));
        assert_eq!(
            replays.wait(now),
            Some(Duration::ZERO),
            "to bury it brings nothing down"
        );
    }
}

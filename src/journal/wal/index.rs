//! Where each stream's events are. In memory only, rebuilt at start: one entry per stream and commit batch.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use conduit_actors::admission::InFlight;
use conduit_actors::ids::{ControllerId, Sequence};
use conduit_actors::ports::StreamPosition;

use super::codec::Batch;
use super::error::OpenError;
use super::segments;

/// Streams that were released whole and are remembered.
const CAUGHT_UP: usize = 1 << 14;

/// Consecutive events of one stream in one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) segment: u64,
    pub(super) lsn: u64,
    pub(super) first: Sequence,
    pub(super) count: u32,
    pub(super) bytes: u64,
}

impl Run {
    pub(super) fn last(&self) -> Sequence {
        Sequence(self.first.0 + u64::from(self.count) - 1)
    }
}

#[derive(Debug, Default)]
struct Stream {
    released: Sequence,
    last: Sequence,
    runs: VecDeque<Run>,
    bytes: u64,
}

/// All streams.
#[derive(Debug, Default)]
pub(super) struct Index {
    streams: HashMap<ControllerId, Stream>,
    /// Runs in each segment that are not released.
    needed: BTreeMap<u64, u64>,
    bytes: u64,
    /// Events in flight.
    events: u64,
    /// Events that were ever in flight, those of the start included.
    appended: u64,
    /// Controllers with events in flight.
    behind: HashSet<ControllerId>,
    /// Which streams were released whole lately, with numbers that grow by one.
    caught_up: VecDeque<(u64, ControllerId)>,
    /// The last of these numbers.
    catches: u64,
    /// Controllers deleted in this run. An event may still be appended if its controller was deleted between
    /// authentication and the writer. Such events are gone with the controller, and must hold nothing back. Ids are
    /// never used again.
    forgotten: HashSet<ControllerId>,
}

impl Index {
    /// Creates streams at these checkpoints.
    pub(super) fn new(checkpoints: &[(ControllerId, Sequence)]) -> Self {
        let stream = |at: Sequence| Stream {
            released: at,
            last: at,
            ..Stream::default()
        };
        let streams = checkpoints
            .iter()
            .map(|(controller, at)| (*controller, stream(*at)))
            .collect();
        Self {
            streams,
            ..Self::default()
        }
    }

    /// Takes in a record that was read at start.
    pub(super) fn recover(
        &mut self,
        segment: u64,
        lsn: u64,
        batch: &Batch<'_>,
        is_known: &dyn Fn(ControllerId) -> bool,
    ) -> Result<(), OpenError> {
        let mut runs: HashMap<ControllerId, Run> = HashMap::new();
        for entry in batch.events() {
            let run = runs.entry(entry.controller).or_insert(Run {
                segment,
                lsn,
                first: entry.sequence,
                count: 0,
                bytes: 0,
            });
            run.count += 1;
            run.bytes += entry.size();
            if run.last() != entry.sequence {
                return Err(damaged(
                    segment,
                    lsn,
                    "a stream's sequences do not count up within a record",
                ));
            }
        }
        for (controller, run) in runs {
            let stream = self.streams.entry(controller).or_default();
            if run.last() <= stream.released || !is_known(controller) {
                continue;
            }
            if run.first > stream.last.next() {
                let missing = format!(
                    "events {} to {} of controller {controller} are missing; if the database is older than the journal, \
                     restore a newer one, or move the retained segments back; if node.id was replaced, put it back",
                    stream.last.next(),
                    run.first.0 - 1
                );
                return Err(damaged(segment, lsn, missing));
            }
            self.add(controller, run);
        }
        Ok(())
    }

    /// Returns the sequence of the stream's next event.
    pub(super) fn next_sequence(&self, controller: ControllerId) -> Sequence {
        self.streams
            .get(&controller)
            .map_or(Sequence(1), |stream| stream.last.next())
    }

    /// Takes in a run that is durable.
    pub(super) fn add(&mut self, controller: ControllerId, run: Run) {
        if self.forgotten.contains(&controller) {
            return;
        }
        let stream = self.streams.entry(controller).or_default();
        let before = stream.events();
        stream.last = run.last();
        stream.bytes += run.bytes;
        self.bytes += run.bytes;
        self.appended += u64::from(run.count);
        self.events += stream.events() - before;
        self.behind.insert(controller);
        stream.runs.push_back(run);
        *self.needed.entry(run.segment).or_default() += 1;
    }

    /// Releases a stream; whether a segment is no longer needed by anyone.
    pub(super) fn release(&mut self, controller: ControllerId, through: Sequence) -> bool {
        let Some(stream) = self.streams.get_mut(&controller) else {
            return false;
        };
        self.events -= stream.events();
        stream.released = stream.released.max(through);
        stream.last = stream.last.max(through);
        self.events += stream.events();
        if stream.events() == 0 && self.behind.remove(&controller) {
            self.catches += 1;
            self.caught_up.push_back((self.catches, controller));
            if self.caught_up.len() > CAUGHT_UP {
                self.caught_up.pop_front();
            }
        }
        let mut segment_done = false;
        while let Some(run) = stream.runs.front().copied()
            && run.last() <= stream.released
        {
            stream.runs.pop_front();
            stream.bytes -= run.bytes;
            self.bytes -= run.bytes;
            segment_done |= drop_need(&mut self.needed, run.segment);
        }
        segment_done
    }

    pub(super) fn forget(&mut self, controller: ControllerId) {
        self.forgotten.insert(controller);
        if let Some(stream) = self.streams.remove(&controller) {
            self.bytes -= stream.bytes;
            self.events -= stream.events();
            self.behind.remove(&controller);
            for run in stream.runs {
                drop_need(&mut self.needed, run.segment);
            }
        }
    }

    /// Returns the runs of the events after `after`, enough for `max_events`.
    pub(super) fn runs(&self, controller: ControllerId, after: Sequence, max_events: usize) -> Vec<Run> {
        let Some(stream) = self.streams.get(&controller) else {
            return Vec::new();
        };
        let from = stream.runs.partition_point(|run| run.last() <= after);
        let mut found = Vec::new();
        let mut events = 0;
        for run in stream.runs.range(from..) {
            found.push(*run);
            let skipped = (after.0 + 1).saturating_sub(run.first.0);
            events += usize::try_from(u64::from(run.count) - skipped).unwrap_or(usize::MAX);
            if events >= max_events {
                break;
            }
        }
        found
    }

    pub(super) fn position(&self, controller: ControllerId) -> StreamPosition {
        self.streams
            .get(&controller)
            .map_or_else(StreamPosition::default, Stream::position)
    }

    pub(super) fn backlog(&self) -> Vec<(ControllerId, StreamPosition)> {
        let behind = self.behind.iter();
        behind
            .map(|controller| (*controller, self.position(*controller)))
            .collect()
    }

    /// Returns a mark for [`Self::moved_since`].
    pub(super) const fn mark(&self) -> u64 {
        self.catches
    }

    /// Returns the streams that had events in flight at this mark or later. Returns `None` if so many caught up that some are
    /// not known any more.
    pub(super) fn moved_since(&self, mark: u64) -> Option<Vec<ControllerId>> {
        let caught_up = usize::try_from(self.catches.saturating_sub(mark)).ok()?;
        let known = self.caught_up.len().checked_sub(caught_up)?;
        let mut moved = self.behind.clone();
        moved.extend(self.caught_up.range(known..).map(|(_, controller)| *controller));
        Some(moved.into_iter().collect())
    }

    /// Returns the stream whose next event was written first, and how far it is released.
    pub(super) fn first_behind(&self) -> Option<(ControllerId, Sequence)> {
        let behind = self.behind.iter().filter_map(|controller| {
            let stream = self.streams.get(controller)?;
            let run = stream.runs.front()?;
            Some(((run.segment, run.lsn), *controller, stream.released))
        });
        let first = behind.min_by_key(|(place, ..)| *place);
        first.map(|(_, controller, released)| (controller, released))
    }

    pub(super) fn oldest_segment(&self) -> Option<u64> {
        self.needed.keys().next().copied()
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn bytes_of(&self, controller: ControllerId) -> u64 {
        self.streams.get(&controller).map_or(0, |stream| stream.bytes)
    }

    /// Returns the bytes in flight of the controller with the most.
    pub(super) fn most_bytes(&self) -> u64 {
        let behind = self.behind.iter();
        behind.map(|controller| self.bytes_of(*controller)).max().unwrap_or(0)
    }

    pub(super) const fn in_flight(&self) -> InFlight {
        InFlight {
            events: self.events,
            bytes: self.bytes,
            appended: self.appended,
        }
    }
}

impl Stream {
    /// Returns its events in flight.
    const fn events(&self) -> u64 {
        self.last.0 - self.released.0
    }

    const fn position(&self) -> StreamPosition {
        StreamPosition {
            released: self.released,
            last: self.last,
        }
    }
}

fn drop_need(needed: &mut BTreeMap<u64, u64>, segment: u64) -> bool {
    let Some(runs) = needed.get_mut(&segment) else {
        return false;
    };
    *runs -= 1;
    let done = *runs == 0;
    if done {
        needed.remove(&segment);
    }
    done
}

fn damaged(segment: u64, lsn: u64, what: impl Into<String>) -> OpenError {
    OpenError::Damaged {
        place: format!("{}, offset {lsn}", segments::file_name(segment)),
        what: what.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(lsn: u64, first: u64, count: u32) -> Run {
        Run {
            segment: 1,
            lsn,
            first: Sequence(first),
            count,
            bytes: 100,
        }
    }

    fn sorted(moved: Option<Vec<ControllerId>>) -> Option<Vec<ControllerId>> {
        moved.map(|mut moved| {
            moved.sort_unstable();
            moved
        })
    }

    #[test]
    fn a_stream_that_had_events_in_flight_since_a_mark_is_known_even_if_it_has_none_any_more() {
        let mut index = Index::default();
        let mut ids: Vec<ControllerId> = (0..4).map(|_| ControllerId::generate()).collect();
        ids.sort_unstable();
        let [still, before, meanwhile, behind] = [ids[0], ids[1], ids[2], ids[3]];
        index.add(before, run(10, 1, 2));
        index.release(before, Sequence(2));
        index.add(behind, run(20, 1, 2));
        let mark = index.mark();
        index.add(meanwhile, run(30, 1, 5));
        index.release(meanwhile, Sequence(4));
        index.release(meanwhile, Sequence(5));
        assert_eq!(sorted(index.moved_since(mark)), Some(vec![meanwhile, behind]));
        assert_eq!(sorted(index.moved_since(0)), Some(vec![before, meanwhile, behind]));
        index.release(behind, Sequence(2));
        assert_eq!(sorted(index.moved_since(mark)), Some(vec![meanwhile, behind]));
        assert_eq!(index.moved_since(index.mark()), Some(Vec::new()));
        assert_eq!(index.position(still).last, Sequence(0));
        // More than are remembered.
        let mark = index.mark();
        for step in 0..CAUGHT_UP as u64 + 1 {
            index.add(still, run(40 + step, step + 1, 1));
            index.release(still, Sequence(step + 1));
        }
        assert_eq!(index.moved_since(mark), None);
        assert_eq!(index.moved_since(mark + 1), Some(vec![still]));
    }

    #[test]
    fn the_first_event_in_flight_is_the_one_that_was_written_first() {
        let mut index = Index::default();
        let [one, two] = [(); 2].map(|()| ControllerId::generate());
        assert_eq!(index.first_behind(), None);
        index.add(one, run(10, 1, 3));
        index.add(two, run(20, 1, 1));
        index.add(one, run(30, 4, 1));
        index.release(one, Sequence(1));
        assert_eq!(index.first_behind(), Some((one, Sequence(1))));
        index.release(one, Sequence(3));
        assert_eq!(index.first_behind(), Some((two, Sequence(0))));
        index.release(two, Sequence(1));
        assert_eq!(index.first_behind(), Some((one, Sequence(3))));
    }
}

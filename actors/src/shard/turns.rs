//! Turns: deficit round robin over the controllers with a backlog.
//!
//! Each turn adds a quantum to a controller's credit, and its events are paid from the credit. So over time all
//! controllers get the same share, with events of any size (M. Shreedhar and G. Varghese, 1995). A controller without
//! backlog keeps no credit. A single controller takes as much as it needs, and owes nothing.
//!
//! A controller that had no backlog comes first, for one turn (as the new flows of RFC 8290, 4.1). So one with few events does
//! not wait for the turns of a thousand with many. Each fourth turn is an old controller's all the same.

use std::collections::{HashMap, VecDeque};

use crate::ids::{ControllerId, Sequence};

/// The cost of an event beside the bytes of its body.
pub(super) const EVENT_COST: i64 = 256;
/// The credit of a turn.
const QUANTUM: i64 = 32 * 1024;
/// Turns of newcomers in a row, while others wait.
const NEWCOMERS: u32 = 3;

/// One controller's stream, as the dispatcher sees it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Stream {
    /// Committed up to here.
    pub checkpoint: Sequence,
    /// Durable up to here.
    pub last: Sequence,
    credit: i64,
    /// Its entry in the queue.
    ticket: u64,
}

impl Stream {
    pub(super) const fn backlog(&self) -> u64 {
        self.last.0.saturating_sub(self.checkpoint.0)
    }
}

/// The streams of one shard with a backlog, in the order of their turns.
///
/// A stream that leaves does not search the queue for its entry. The entry is void, because its ticket is no longer the
/// stream's, and it is dropped when its turn comes. So each step costs the same for any number of controllers.
#[derive(Debug, Default)]
pub(super) struct Turns {
    streams: HashMap<ControllerId, Stream>,
    /// Controllers that have had no turn yet, with their tickets.
    newcomers: VecDeque<(ControllerId, u64)>,
    newcomers_in_a_row: u32,
    /// The others. At most half of all entries, and a few more, are void.
    queue: VecDeque<(ControllerId, u64)>,
    tickets: u64,
    /// The sum over all streams.
    backlog: u64,
}

/// Void entries that a queue may have, whatever its length.
const FEW_VOID: usize = 64;

impl Turns {
    /// Notes that a stream reaches `last`. Calls `checkpoint` for an unknown stream. A stream that is committed up to
    /// there already has no turn: its events were read before this note.
    pub(super) fn grown(&mut self, controller: ControllerId, last: Sequence, checkpoint: impl FnOnce() -> Sequence) {
        let (newcomers, tickets) = (&mut self.newcomers, &mut self.tickets);
        let stream = self.streams.entry(controller).or_insert_with(|| {
            *tickets += 1;
            newcomers.push_back((controller, *tickets));
            let checkpoint = checkpoint();
            Stream {
                checkpoint,
                last: checkpoint,
                credit: 0,
                ticket: *tickets,
            }
        });
        let before = stream.backlog();
        stream.last = stream.last.max(last);
        self.backlog += stream.backlog() - before;
        if stream.backlog() == 0 {
            self.remove(controller);
        }
    }

    fn is_void(&self, (controller, ticket): &(ControllerId, u64)) -> bool {
        self.streams
            .get(controller)
            .is_none_or(|stream| stream.ticket != *ticket)
    }

    /// Returns the next controller and its credit, among those that `allowed` accepts. It goes to the end of the queue.
    /// Returns `None` without one.
    ///
    /// Controllers that are passed over keep their places. Suspects and the others are asked for alternately, so moving
    /// one kind would give the same controller of the other kind its turn again and again.
    pub(super) fn next(&mut self, allowed: impl Fn(&ControllerId) -> bool) -> Option<(ControllerId, Stream, i64)> {
        while self.newcomers.front().is_some_and(|entry| self.is_void(entry)) {
            self.newcomers.pop_front();
        }
        while self.queue.front().is_some_and(|entry| self.is_void(entry)) {
            self.queue.pop_front();
        }
        let alone = self.streams.len() == 1;
        let is_next = |entry: &(ControllerId, u64)| allowed(&entry.0) && !self.is_void(entry);
        let newcomer = self.newcomers.iter().position(is_next);
        let old = match newcomer {
            Some(_) if self.newcomers_in_a_row < NEWCOMERS => None,
            _ => self.queue.iter().position(is_next),
        };
        let entry = match (newcomer, old) {
            (_, Some(place)) => {
                self.newcomers_in_a_row = 0;
                self.queue.remove(place)?
            }
            (Some(place), None) => {
                self.newcomers_in_a_row += 1;
                self.newcomers.remove(place)?
            }
            (None, None) => return None,
        };
        self.queue.push_back(entry);
        let stream = self.streams.get_mut(&entry.0)?;
        stream.credit = (stream.credit + QUANTUM).min(2 * QUANTUM);
        let credit = if alone { i64::MAX } else { stream.credit };
        Some((entry.0, *stream, credit))
    }

    /// Pays for what was read in a turn.
    pub(super) fn pay(&mut self, controller: ControllerId, cost: i64) {
        let alone = self.streams.len() == 1;
        if let Some(stream) = self.streams.get_mut(&controller) {
            stream.credit = if alone { 0 } else { stream.credit - cost };
        }
    }

    /// Notes a committed batch up to `through`. A stream without backlog leaves the queue.
    pub(super) fn committed(&mut self, controller: ControllerId, through: Sequence) {
        let Some(stream) = self.streams.get_mut(&controller) else {
            return;
        };
        let before = stream.backlog();
        stream.checkpoint = stream.checkpoint.max(through);
        self.backlog -= before - stream.backlog();
        if stream.backlog() == 0 {
            self.remove(controller);
        }
    }

    pub(super) fn remove(&mut self, controller: ControllerId) {
        if let Some(stream) = self.streams.remove(&controller) {
            self.backlog -= stream.backlog();
        }
        if self.newcomers.len() + self.queue.len() > 2 * self.streams.len() + FEW_VOID {
            let (mut newcomers, mut queue) = (std::mem::take(&mut self.newcomers), std::mem::take(&mut self.queue));
            newcomers.retain(|entry| !self.is_void(entry));
            queue.retain(|entry| !self.is_void(entry));
            (self.newcomers, self.queue) = (newcomers, queue);
        }
    }

    /// Returns the controllers with a backlog, newcomers first.
    pub(super) fn controllers(&self) -> impl Iterator<Item = ControllerId> + '_ {
        let entries = self.newcomers.iter().chain(&self.queue);
        let entries = entries.filter(|entry| !self.is_void(entry));
        entries.map(|(controller, _)| *controller)
    }

    /// Returns whether a controller has a backlog.
    pub(super) fn has(&self, controller: &ControllerId) -> bool {
        self.streams.contains_key(controller)
    }

    pub(super) fn len(&self) -> usize {
        self.streams.len()
    }

    pub(super) const fn backlog(&self) -> u64 {
        self.backlog
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_and_a_trickle_take_turns_by_cost() {
        let mut turns = Turns::default();
        let (flood, trickle) = (ControllerId::generate(), ControllerId::generate());
        turns.grown(flood, Sequence(100_000), || Sequence(0));
        turns.grown(trickle, Sequence(3), || Sequence(0));
        let mut paid = HashMap::new();
        for _ in 0..1000 {
            let (controller, _, credit) = turns.next(|_| true).unwrap();
            let cost = if credit > 0 { credit + 10_000 } else { 0 };
            turns.pay(controller, cost);
            *paid.entry(controller).or_insert(0) += cost;
        }
        let (a, b) = (paid[&flood], paid[&trickle]);
        assert!((a - b).abs() <= QUANTUM + 20_000, "{a} {b}");
    }

    #[test]
    fn turns_of_one_kind_do_not_starve_anybody_of_the_other() {
        let mut turns = Turns::default();
        let suspect = ControllerId::generate();
        let others: Vec<ControllerId> = (0..3).map(|_| ControllerId::generate()).collect();
        for controller in std::iter::once(&suspect).chain(&others) {
            turns.grown(*controller, Sequence(100), || Sequence(0));
        }
        for turn in 0..9 {
            assert_eq!(turns.next(|controller| *controller == suspect).unwrap().0, suspect);
            assert_eq!(
                turns.next(|controller| *controller != suspect).unwrap().0,
                others[turn % 3]
            );
        }
    }

    #[test]
    fn one_alone_takes_what_it_likes_and_owes_nothing_to_those_who_come() {
        let mut turns = Turns::default();
        let (first, second) = (ControllerId::generate(), ControllerId::generate());
        turns.grown(first, Sequence(100_000), || Sequence(0));
        let (_, _, credit) = turns.next(|_| true).unwrap();
        assert_eq!(credit, i64::MAX);
        turns.pay(first, 50 * QUANTUM);
        turns.grown(second, Sequence(100_000), || Sequence(0));
        let credits: HashMap<_, _> = (0..2)
            .map(|_| turns.next(|_| true).unwrap())
            .map(|t| (t.0, t.2))
            .collect();
        assert_eq!(credits, HashMap::from([(first, QUANTUM), (second, QUANTUM)]));
    }

    #[test]
    fn entries_of_streams_that_left_are_few_and_give_no_turn() {
        let mut turns = Turns::default();
        let stays = ControllerId::generate();
        turns.grown(stays, Sequence(100_000), || Sequence(0));
        for sequence in 1..1_000 {
            let comes = ControllerId::generate();
            turns.grown(comes, Sequence(sequence), || Sequence(sequence - 1));
            turns.committed(comes, Sequence(sequence));
            // It comes back at once, behind its void entry.
            turns.grown(comes, Sequence(sequence + 1), || Sequence(sequence));
            assert_eq!(turns.controllers().collect::<Vec<_>>(), [stays, comes]);
            assert_eq!((turns.len(), turns.backlog()), (2, 100_001));
            turns.remove(comes);
            let entries = turns.newcomers.len() + turns.queue.len();
            assert!(entries <= 2 + FEW_VOID, "{entries}");
        }
        assert_eq!(turns.next(|_| true).unwrap().0, stays);
        assert_eq!(turns.next(|_| true).unwrap().0, stays);
    }

    #[test]
    fn a_newcomer_does_not_wait_for_a_thousand_and_newcomers_do_not_stop_the_others() {
        let mut turns = Turns::default();
        let many: Vec<ControllerId> = (0..1_000).map(|_| ControllerId::generate()).collect();
        for controller in &many {
            turns.grown(*controller, Sequence(100_000), || Sequence(0));
        }
        while !turns.newcomers.is_empty() {
            assert!(turns.next(|_| true).is_some());
        }
        assert!(turns.next(|_| true).is_some());
        let mut order = Vec::new();
        for _ in 0..20 {
            // One comes with one event before each turn, and is done with it.
            let comes = ControllerId::generate();
            turns.grown(comes, Sequence(1), || Sequence(0));
            let (next, ..) = turns.next(|_| true).unwrap();
            order.push(many.contains(&next));
            if next == comes {
                turns.committed(comes, Sequence(1));
            }
        }
        assert!(!order[0], "the first newcomer waits");
        let old = order.iter().filter(|is_old| **is_old).count();
        assert!((4..=5).contains(&old), "{order:?}");
    }

    #[test]
    fn a_stream_without_backlog_leaves_and_comes_back() {
        let mut turns = Turns::default();
        let controller = ControllerId::generate();
        turns.grown(controller, Sequence(7), || Sequence(5));
        assert_eq!(turns.backlog(), 2);
        turns.committed(controller, Sequence(7));
        assert_eq!((turns.len(), turns.backlog()), (0, 0));
        turns.grown(controller, Sequence(8), || Sequence(7));
        assert_eq!((turns.len(), turns.backlog()), (1, 1));
        turns.committed(controller, Sequence(9));
        turns.grown(controller, Sequence(9), || Sequence(9));
        assert_eq!((turns.len(), turns.backlog()), (0, 0));
        assert!(turns.next(|_| false).is_none());
    }
}

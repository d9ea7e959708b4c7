//! Entries that wait for their place in an index.

use std::collections::BTreeSet;
use std::ops::{Bound, RangeInclusive};

/// An entry of an index, in its order.
pub(super) trait Entry: Copy + Ord {
    /// Returns the row that it leads to.
    fn row(&self) -> i64;
}

/// The entries of rows up to `seen` that are not known to be in the index.
pub(super) struct Pending<E> {
    entries: BTreeSet<E>,
    seen: i64,
    /// The last entry that was swept in this round.
    cursor: Option<E>,
    /// The value of `seen` when the round began.
    round: i64,
}

/// Entries that a transaction puts into the index.
#[derive(Debug, PartialEq)]
pub(super) struct Sweep<E> {
    /// In their order.
    pub(super) entries: Vec<E>,
    /// The round ends here: all rows up to this one are in the index.
    pub(super) through: Option<i64>,
}

impl<E: Entry> Pending<E> {
    /// Returns it without a waiting entry: all rows up to `through` are in the index.
    pub(super) const fn behind(through: i64) -> Self {
        Self {
            entries: BTreeSet::new(),
            seen: through,
            cursor: None,
            round: through,
        }
    }

    /// Returns the last row that is known.
    pub(super) const fn seen(&self) -> i64 {
        self.seen
    }

    /// Takes in rows, which are all up to `seen`. Does nothing for those that wait already.
    pub(super) fn add(&mut self, entries: impl IntoIterator<Item = E>, seen: i64) {
        self.entries.extend(entries);
        self.seen = self.seen.max(seen);
    }

    /// Returns the waiting entries in these ranges.
    pub(super) fn within(&self, ranges: impl Iterator<Item = RangeInclusive<E>>) -> Vec<E> {
        ranges.flat_map(|range| self.entries.range(range)).copied().collect()
    }

    /// Notes that entries are in the index.
    pub(super) fn remove(&mut self, entries: &[E]) {
        for entry in entries {
            self.entries.remove(entry);
        }
    }

    /// Forgets rows that are gone. No row behind `last` is left: its place is taken again.
    pub(super) fn forget(&mut self, gone: &[E], last: i64) {
        self.remove(gone);
        self.seen = self.seen.min(last);
        self.round = self.round.min(last);
    }

    /// Returns those of these entries that wait.
    pub(super) fn waiting(&self, entries: &[E]) -> Vec<E> {
        entries
            .iter()
            .filter(|entry| self.entries.contains(entry))
            .copied()
            .collect()
    }

    /// Returns the rows of the waiting entries in this range, in their order.
    pub(super) fn rows(&self, range: RangeInclusive<E>) -> impl Iterator<Item = i64> {
        self.entries.range(range).map(Entry::row)
    }

    /// Returns what a transaction should put into the index, so that about `room` entries wait: the next ones in their
    /// order, at most `limit`.
    pub(super) fn sweep(&self, room: usize, limit: usize) -> Sweep<E> {
        let wanted = self.entries.len().saturating_sub(room).min(limit);
        let rest = (self.cursor.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let entries: Vec<E> = self.entries.range(rest).take(wanted).copied().collect();
        let through = (entries.len() < wanted).then_some(self.round);
        Sweep { entries, through }
    }

    /// Notes that a sweep was committed.
    pub(super) fn finish(&mut self, sweep: &Sweep<E>) {
        self.remove(&sweep.entries);
        if sweep.through.is_some() {
            self.cursor = None;
            self.round = self.seen;
        } else if let Some(last) = sweep.entries.last() {
            self.cursor = Some(*last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Pair = (i64, i64);

    impl Entry for Pair {
        fn row(&self) -> i64 {
            self.1
        }
    }

    fn waiting(pending: &Pending<Pair>) -> Vec<Pair> {
        pending.entries.iter().copied().collect()
    }

    #[test]
    fn entries_are_swept_in_the_order_of_their_hashes_round_by_round() {
        let mut pending = Pending::behind(10);
        pending.add([(5, 11), (-3, 12), (7, 13), (5, 14)], 14);
        assert_eq!(
            (pending.sweep(4, 9).entries.len(), pending.sweep(4, 9).through),
            (0, None)
        );

        let first = pending.sweep(2, 9);
        assert_eq!((&first.entries[..], first.through), (&[(-3, 12), (5, 11)][..], None));
        pending.finish(&first);
        // It comes behind the cursor, so this round leaves it.
        pending.add([(1, 15)], 15);
        let last = pending.sweep(0, 9);
        // Up to here all are in the index; 15 came later.
        assert_eq!((&last.entries[..], last.through), (&[(5, 14), (7, 13)][..], Some(10)));
        pending.finish(&last);
        assert_eq!(waiting(&pending), [(1, 15)]);

        let whole = pending.sweep(0, 1);
        assert_eq!((&whole.entries[..], whole.through), (&[(1, 15)][..], None));
        pending.finish(&whole);
        pending.add([(0, 16)], 16);
        let end = pending.sweep(0, 9);
        assert_eq!((&end.entries[..], end.through), (&[][..], Some(15)));
        pending.finish(&end);
        assert_eq!(pending.sweep(0, 9).entries, [(0, 16)]);
    }

    #[test]
    fn a_sweep_that_failed_is_taken_again() {
        let mut pending = Pending::behind(0);
        pending.add([(1, 1), (2, 2), (3, 3)], 3);
        let failed = pending.sweep(1, 9);
        assert_eq!(pending.sweep(1, 9), failed);
        assert_eq!(pending.rows((2, 0)..=(2, 9)).collect::<Vec<_>>(), [2]);
        pending.finish(&failed);
        assert_eq!(pending.rows((2, 0)..=(2, 9)).count(), 0);
    }

    #[test]
    fn rows_that_are_gone_are_forgotten_and_their_places_free() {
        let mut pending = Pending::behind(2);
        pending.add([(1, 3), (1, 4)], 4);
        pending.forget(&[(1, 4)], 3);
        assert_eq!(pending.rows((1, 0)..=(1, 9)).collect::<Vec<_>>(), [3]);
        assert_eq!(pending.seen(), 3);
    }
}

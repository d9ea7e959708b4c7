//! Entries that wait for their place in an index.

use std::collections::BTreeSet;
use std::ops::Bound;

/// An entry: the first bytes of a hash, and the row that has it.
pub(in super::super) type Entry = (i64, i64);

/// An entry before all others.
const FIRST: Entry = (i64::MIN, i64::MIN);

/// The entries of rows up to `seen` that are not known to be in the index.
pub(super) struct Pending {
    entries: BTreeSet<Entry>,
    seen: i64,
    /// Where the next sweep goes on.
    cursor: Entry,
    /// What was seen when the current round of sweeps began.
    round: i64,
}

/// Entries that a transaction puts into the index.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Sweep {
    /// In their order.
    pub(super) entries: Vec<Entry>,
    /// The round ends here: all rows up to this one are in the index.
    pub(super) through: Option<i64>,
}

impl Pending {
    /// Nothing waits; all rows up to `through` are in the index.
    pub(super) const fn behind(through: i64) -> Self {
        Self {
            entries: BTreeSet::new(),
            seen: through,
            cursor: FIRST,
            round: through,
        }
    }

    /// Returns the last row that is known.
    pub(super) const fn seen(&self) -> i64 {
        self.seen
    }

    /// Takes in rows, which are all up to `seen`. Does nothing for those that wait already.
    pub(super) fn add(&mut self, entries: impl IntoIterator<Item = Entry>, seen: i64) {
        self.entries.extend(entries);
        self.seen = self.seen.max(seen);
    }

    /// Forgets rows that are gone, and that no row behind `last` was ever seen: its place is taken again.
    pub(super) fn forget(&mut self, gone: &[Entry], last: i64) {
        for entry in gone {
            self.entries.remove(entry);
        }
        self.seen = self.seen.min(last);
        self.round = self.round.min(last);
    }

    /// Returns the rows that wait and may have this hash, oldest first.
    pub(super) fn rows(&self, prefix: i64) -> impl Iterator<Item = i64> {
        let range = self.entries.range((prefix, i64::MIN)..=(prefix, i64::MAX));
        range.map(|(_, row)| *row)
    }

    /// Returns what a transaction should put into the index, so that about `room` entries wait: the next ones in the order
    /// of their hashes, at most `limit`.
    pub(super) fn sweep(&self, room: usize, limit: usize) -> Sweep {
        let wanted = self.entries.len().saturating_sub(room).min(limit);
        if wanted == 0 {
            return Sweep::default();
        }
        let rest = (Bound::Included(self.cursor), Bound::Unbounded);
        let entries: Vec<Entry> = self.entries.range(rest).take(wanted).copied().collect();
        let through = (entries.len() < wanted).then_some(self.round);
        Sweep { entries, through }
    }

    /// Notes that a sweep was committed.
    pub(super) fn finish(&mut self, sweep: &Sweep) {
        for entry in &sweep.entries {
            self.entries.remove(entry);
        }
        if sweep.through.is_some() {
            self.cursor = FIRST;
            self.round = self.seen;
        } else if let Some(last) = sweep.entries.last() {
            self.cursor = *last;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(pending: &Pending) -> Vec<Entry> {
        pending.entries.iter().copied().collect()
    }

    #[test]
    fn entries_are_swept_in_the_order_of_their_hashes_round_by_round() {
        let mut pending = Pending::behind(10);
        pending.add([(5, 11), (-3, 12), (7, 13), (5, 14)], 14);
        assert_eq!(pending.sweep(4, 9), Sweep::default(), "there is room for all");

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
        assert_eq!(pending.rows(2).collect::<Vec<_>>(), [2]);
        pending.finish(&failed);
        assert_eq!(pending.rows(2).count(), 0);
    }

    #[test]
    fn rows_that_are_gone_are_forgotten_and_their_places_free() {
        let mut pending = Pending::behind(2);
        pending.add([(1, 3), (1, 4)], 4);
        pending.forget(&[(1, 4)], 3);
        assert_eq!(pending.rows(1).collect::<Vec<_>>(), [3]);
        assert_eq!(pending.seen(), 3);
    }
}

//! Smaller batches while other nodes are at the same data.
//!
//! Of two nodes that find the same new identifiers at once, one has a conflict and resolves its batch again. The larger the
//! batch, the surer the conflict, and the later the next try: a node could lose again and again. So a conflict halves the
//! batches, and each commit doubles them again.

/// Events in a batch, at the least.
const LEAST: usize = 16;

/// How large a shard's batches may be.
#[derive(Debug)]
pub(super) struct Contention {
    events: usize,
    most: usize,
}

impl Contention {
    pub(super) const fn new(most: usize) -> Self {
        Self { events: most, most }
    }

    /// Events in the next batch, at most.
    pub(super) const fn batch_events(&self) -> usize {
        self.events
    }

    pub(super) fn conflict(&mut self) {
        self.events = (self.events / 2).max(LEAST).min(self.most);
    }

    pub(super) fn committed(&mut self) {
        self.events = (self.events * 2).min(self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_shrink_with_conflicts_to_a_least_size_and_grow_back() {
        let mut contention = Contention::new(1_000);
        let mut sizes = |conflict: bool, times| {
            let step = |_| {
                if conflict {
                    contention.conflict()
                } else {
                    contention.committed()
                }
                contention.batch_events()
            };
            (0..times).map(step).collect::<Vec<_>>()
        };
        assert_eq!(sizes(true, 8), [500, 250, 125, 62, 31, 16, 16, 16]);
        assert_eq!(sizes(false, 7), [32, 64, 128, 256, 512, 1_000, 1_000]);
        let mut small = Contention::new(4);
        small.conflict();
        assert_eq!(small.batch_events(), 4);
    }
}

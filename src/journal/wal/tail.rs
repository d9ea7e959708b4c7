//! The records that were written last, in memory.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// A record's segment and offset.
pub(super) type Place = (u64, u64);

/// Records that were written lately, so that the pipeline need not read them back from the disk.
#[derive(Default)]
pub(super) struct Tail {
    records: HashMap<Place, Arc<[u8]>>,
    order: VecDeque<Place>,
    bytes: usize,
}

impl Tail {
    /// Returns the record at this place, if it is still kept.
    pub(super) fn get(&self, place: Place) -> Option<Arc<[u8]>> {
        self.records.get(&place).map(Arc::clone)
    }

    /// Keeps a record, and drops the oldest ones beyond `limit` bytes.
    pub(super) fn keep(&mut self, place: Place, record: Arc<[u8]>, limit: usize) {
        self.bytes += record.len();
        self.records.insert(place, record);
        self.order.push_back(place);
        while self.bytes > limit {
            let Some(oldest) = self.order.pop_front() else { break };
            self.drop_record(oldest);
        }
    }

    /// Drops the records of all segments before this one.
    pub(super) fn forget_before(&mut self, segment: u64) {
        while let Some(oldest) = self.order.front().copied()
            && oldest.0 < segment
        {
            self.order.pop_front();
            self.drop_record(oldest);
        }
    }

    fn drop_record(&mut self, place: Place) {
        if let Some(record) = self.records.remove(&place) {
            self.bytes -= record.len();
        }
    }
}

//! Records in memory: those that were written last, and those that were read last.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, OnceLock};

use super::codec::IndexedRecord;

/// A record's segment and offset.
pub(super) type Place = (u64, u64);

/// A record, and its index once somebody has read it.
#[derive(Clone)]
pub(super) struct KeptRecord {
    bytes: Arc<[u8]>,
    index: Arc<OnceLock<Arc<IndexedRecord>>>,
}

impl KeptRecord {
    pub(super) fn new(bytes: Arc<[u8]>) -> Self {
        Self {
            bytes,
            index: Arc::default(),
        }
    }

    /// Returns the record with its index.
    ///
    /// # Errors
    /// The fault of its structure.
    pub(super) fn indexed(&self) -> Result<Arc<IndexedRecord>, &'static str> {
        if let Some(index) = self.index.get() {
            return Ok(Arc::clone(index));
        }
        let index = Arc::new(IndexedRecord::parse(&self.bytes)?);
        Ok(Arc::clone(self.index.get_or_init(|| index)))
    }
}

/// Records that need not be read from the disk again: the latest that came, up to a number of bytes.
#[derive(Default)]
pub(super) struct Tail {
    records: HashMap<Place, KeptRecord>,
    order: VecDeque<Place>,
    bytes: usize,
}

impl Tail {
    /// Returns the record at this place, if it is still kept.
    pub(super) fn get(&self, place: Place) -> Option<KeptRecord> {
        self.records.get(&place).cloned()
    }

    /// Keeps a record, and drops the oldest ones beyond `limit` bytes. The record itself is kept if it is the only one and
    /// `keeps_one`.
    pub(super) fn keep(&mut self, place: Place, record: KeptRecord, limit: usize, keeps_one: bool) {
        let bytes = record.bytes.len();
        if self.records.insert(place, record).is_none() {
            self.bytes += bytes;
            self.order.push_back(place);
        }
        while self.bytes > limit && !(keeps_one && self.order.len() == 1) {
            let Some(oldest) = self.order.pop_front() else { break };
            self.drop_record(oldest);
        }
    }

    /// Drops the records of all segments before this one.
    pub(super) fn forget_before(&mut self, segment: u64) {
        let (dropped, kept) = self.order.iter().partition(|place| place.0 < segment);
        self.order = kept;
        let dropped: VecDeque<Place> = dropped;
        for place in dropped {
            self.drop_record(place);
        }
    }

    fn drop_record(&mut self, place: Place) {
        if let Some(record) = self.records.remove(&place) {
            self.bytes -= record.bytes.len();
        }
    }
}

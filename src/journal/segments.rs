//! The segment files, and the records read from them.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use conduit_actors::ports::JournalError;
use parking_lot::Mutex;
use wal_db::{FileStore, Lsn, OpenPolicy, Wal, WalConfig, WalError, WalStore};

use super::OpenError;

/// Longer than any record that the writer makes.
const MAX_RECORD_BYTES: u32 = 256 * 1024 * 1024;

/// The file's name.
pub(super) fn file_name(segment: u64) -> String {
    format!("{segment:020}.wal")
}

fn number_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".wal").filter(|digits| digits.len() == 20)?;
    digits.parse().ok()
}

/// A segment's file. Only the newest may be changed: a torn tail in an older one is damage.
struct SegmentFile {
    file: FileStore,
    sealed: bool,
}

impl SegmentFile {
    fn changeable(&self) -> Result<(), WalError> {
        if self.sealed {
            let source = io::Error::other("the segment is not the last one");
            return Err(WalError::Io {
                context: "changing a sealed segment",
                source,
            });
        }
        Ok(())
    }
}

impl WalStore for SegmentFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> wal_db::Result<()> {
        self.changeable()?;
        self.file.write_at(offset, bytes)
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> wal_db::Result<usize> {
        self.file.read_at(offset, buf)
    }

    fn truncate(&self, len: u64) -> wal_db::Result<()> {
        self.changeable()?;
        self.file.truncate(len)
    }

    fn sync(&self) -> wal_db::Result<()> {
        self.file.sync()
    }

    fn len(&self) -> wal_db::Result<u64> {
        self.file.len()
    }
}

type Segment = Arc<Wal<SegmentFile>>;

/// A record's segment and offset.
type Place = (u64, u64);

/// Records that were written lately, so that the pipeline need not read them back from the disk.
#[derive(Default)]
struct Tail {
    records: HashMap<Place, Arc<[u8]>>,
    order: VecDeque<Place>,
    bytes: usize,
}

/// All segments of a journal.
pub(super) struct Segments {
    dir: PathBuf,
    open: Mutex<BTreeMap<u64, Segment>>,
    tail: Mutex<Tail>,
    /// The record that was read last: a large one is read in several turns.
    last_read: Mutex<Option<(Place, Arc<[u8]>)>>,
}

/// Where an append failed.
pub(super) enum AppendError {
    /// The write: nothing of it counts, and the segment must be repaired.
    Write(String),
    /// The sync: nobody knows what is on the disk.
    Sync(String),
}

impl Segments {
    /// Lists the segments; [`Segments::recover`] opens them.
    pub(super) fn open(dir: &Path) -> Result<Self, OpenError> {
        fs::create_dir_all(dir).map_err(|error| disk(dir, &error))?;
        Ok(Self {
            dir: dir.to_owned(),
            open: Mutex::new(BTreeMap::new()),
            tail: Mutex::new(Tail::default()),
            last_read: Mutex::new(None),
        })
    }

    pub(super) fn file_name(&self, segment: u64) -> String {
        self.dir.join(file_name(segment)).display().to_string()
    }

    fn path(&self, segment: u64) -> PathBuf {
        self.dir.join(file_name(segment))
    }

    /// Reads every record, oldest first; makes the first segment if there is none.
    pub(super) fn recover(
        &self,
        mut record: impl FnMut(u64, u64, &[u8]) -> Result<(), OpenError>,
    ) -> Result<(), OpenError> {
        let numbers = self.numbers()?;
        let last = numbers.last().copied();
        let mut expected = numbers.first().copied();
        for number in numbers {
            if expected != Some(number) {
                let missing = expected.unwrap_or_default();
                let what = "a segment is missing between those before and behind it".to_owned();
                return Err(OpenError::Damaged {
                    place: self.file_name(missing),
                    what,
                });
            }
            expected = Some(number + 1);
            let segment = self.open_segment(number, last != Some(number))?;
            let cut = segment.truncated_on_open();
            if cut > 0 {
                tracing::warn!(
                    segment = %self.file_name(number), bytes = cut,
                    "cut a torn record from the journal's end: it was never acknowledged"
                );
            }
            for entry in segment.iter().map_err(|error| self.damaged(number, &error))? {
                let entry = entry.map_err(|error| self.damaged(number, &error))?;
                record(number, entry.lsn().get(), entry.data())?;
            }
            self.open.lock().insert(number, segment);
        }
        if last.is_none() {
            self.begin(1).map_err(|error| disk(&self.dir, &error))?;
        }
        Ok(())
    }

    fn numbers(&self) -> Result<Vec<u64>, OpenError> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.dir).map_err(|error| disk(&self.dir, &error))? {
            let name = entry.map_err(|error| disk(&self.dir, &error))?.file_name();
            numbers.extend(name.to_str().and_then(number_of));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn open_segment(&self, number: u64, sealed: bool) -> Result<Segment, OpenError> {
        let open = || -> Result<Segment, WalError> {
            let file = FileStore::open(self.path(number))?;
            let config = WalConfig::new()
                .with_max_record_size(MAX_RECORD_BYTES)
                .with_open_policy(OpenPolicy::Strict);
            Ok(Arc::new(Wal::with_store_and_config(
                SegmentFile { file, sealed },
                config,
            )?))
        };
        open().map_err(|error| self.damaged(number, &error))
    }

    fn damaged(&self, number: u64, error: &WalError) -> OpenError {
        match error {
            WalError::Corruption { offset, reason } => OpenError::Damaged {
                place: format!("{}, offset {offset}", self.file_name(number)),
                what: (*reason).to_owned(),
            },
            WalError::Io {
                context: "changing a sealed segment",
                ..
            } => OpenError::Damaged {
                place: self.file_name(number),
                what: "the segment ends in a torn record, but is not the last one".to_owned(),
            },
            other => OpenError::Disk {
                dir: self.path(number),
                cause: other.to_string(),
            },
        }
    }

    /// Makes a new, empty segment, whose name is on stable storage before anything in it is acknowledged.
    fn begin(&self, number: u64) -> io::Result<()> {
        let file = FileStore::open(self.path(number)).map_err(io::Error::other)?;
        File::open(self.path(number))?.sync_all()?;
        File::open(&self.dir)?.sync_all()?;
        let config = WalConfig::new()
            .with_max_record_size(MAX_RECORD_BYTES)
            .with_open_policy(OpenPolicy::Strict);
        let wal = Wal::with_store_and_config(SegmentFile { file, sealed: false }, config).map_err(io::Error::other)?;
        self.open.lock().insert(number, Arc::new(wal));
        Ok(())
    }

    fn newest(&self) -> Option<(u64, Segment)> {
        self.open
            .lock()
            .last_key_value()
            .map(|(number, segment)| (*number, Arc::clone(segment)))
    }

    /// Begins a new segment if the newest is longer than `segment_bytes`.
    pub(super) fn rotate(&self, segment_bytes: u64) -> io::Result<()> {
        match self.newest() {
            Some((number, segment)) if segment.len() >= segment_bytes => self.begin(number + 1),
            _ => Ok(()),
        }
    }

    /// Writes a record to the newest segment and syncs it; where it is.
    pub(super) fn append(&self, record: Vec<u8>, tail_bytes: usize) -> Result<Place, AppendError> {
        let Some((number, segment)) = self.newest() else {
            return Err(AppendError::Write("there is no segment".to_owned()));
        };
        let lsn = segment
            .append(&record)
            .map_err(|error| AppendError::Write(error.to_string()))?
            .get();
        segment.sync().map_err(|error| AppendError::Sync(error.to_string()))?;
        self.tail.lock().keep((number, lsn), record.into(), tail_bytes);
        Ok((number, lsn))
    }

    /// After a failed write: brings the newest segment back to what was durable, `end` bytes.
    pub(super) fn repair(&self, end: u64) -> io::Result<()> {
        let Some((number, _)) = self.newest() else {
            return Ok(());
        };
        let file = OpenOptions::new().write(true).open(self.path(number))?;
        file.set_len(end)?;
        file.sync_all()?;
        let segment = self.open_segment(number, false).map_err(io::Error::other)?;
        self.open.lock().insert(number, segment);
        Ok(())
    }

    /// The length of the newest segment.
    pub(super) fn newest_len(&self) -> u64 {
        self.newest().map_or(0, |(_, segment)| segment.len())
    }

    /// One record.
    pub(super) fn read(&self, number: u64, lsn: u64) -> Result<Arc<[u8]>, JournalError> {
        if let Some(record) = self.tail.lock().records.get(&(number, lsn)) {
            return Ok(Arc::clone(record));
        }
        if let Some((place, record)) = self.last_read.lock().as_ref()
            && *place == (number, lsn)
        {
            return Ok(Arc::clone(record));
        }
        let segment = self.open.lock().get(&number).cloned();
        let segment = segment.ok_or_else(|| JournalError::Damaged(format!("{} is gone", file_name(number))))?;
        let failed = |error: WalError| match error {
            WalError::Io { .. } => JournalError::Disk(error.to_string()),
            other => JournalError::Damaged(format!("{}, offset {lsn}: {other}", file_name(number))),
        };
        let mut records = segment.iter_from(Lsn::new(lsn)).map_err(failed)?;
        let record = records
            .next()
            .ok_or_else(|| JournalError::Damaged(format!("{}, offset {lsn}: the record is gone", file_name(number))))?;
        let record: Arc<[u8]> = record.map_err(failed)?.into_data().into();
        *self.last_read.lock() = Some(((number, lsn), Arc::clone(&record)));
        Ok(record)
    }

    /// Deletes segments that nothing needs: all before `needed`, but never the newest.
    pub(super) fn delete_before(&self, needed: Option<u64>) {
        let mut open = self.open.lock();
        let Some(newest) = open.last_key_value().map(|(number, _)| *number) else {
            return;
        };
        let keep_from = needed.unwrap_or(newest).min(newest);
        let kept = open.split_off(&keep_from);
        let done = std::mem::replace(&mut *open, kept);
        drop(open);
        if done.is_empty() {
            return;
        }
        self.tail.lock().forget_before(keep_from);
        // Oldest first: a crash in between leaves no hole.
        for number in done.keys() {
            if let Err(error) = fs::remove_file(self.path(*number)) {
                tracing::warn!(segment = %self.file_name(*number), %error, "cannot delete a segment; the next start will");
                return;
            }
        }
        if let Err(error) = File::open(&self.dir).and_then(|dir| dir.sync_all()) {
            tracing::warn!(%error, "cannot sync the journal's directory after deleting segments");
        }
    }

    pub(super) fn count(&self) -> usize {
        self.open.lock().len()
    }

    pub(super) fn disk_bytes(&self) -> u64 {
        self.open.lock().values().map(|segment| segment.len()).sum()
    }
}

impl Tail {
    fn keep(&mut self, place: Place, record: Arc<[u8]>, limit: usize) {
        self.bytes += record.len();
        self.records.insert(place, record);
        self.order.push_back(place);
        while self.bytes > limit {
            let Some(oldest) = self.order.pop_front() else { break };
            self.drop_record(oldest);
        }
    }

    fn forget_before(&mut self, segment: u64) {
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

fn disk(dir: &Path, error: &io::Error) -> OpenError {
    OpenError::Disk {
        dir: dir.to_owned(),
        cause: error.to_string(),
    }
}

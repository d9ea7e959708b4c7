//! The segment files, and the records read from them.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use conduit_actors::ports::JournalError;
use parking_lot::Mutex;
use wal_db::{FileStore, Lsn, OpenPolicy, Wal, WalConfig, WalError, WalStore};

use super::codec::IndexedRecord;
use super::error::OpenError;
use super::record::DurableEnd;
use super::tail::{KeptRecord, Place, Tail};

/// Longer than any record that the writer makes.
const MAX_RECORD_BYTES: u32 = 256 * 1024 * 1024;

/// Bytes of the records that were read last.
const READ_BYTES: usize = 16 * 1024 * 1024;

/// The error of opening a sealed segment with a torn tail.
const CHANGING: &str = "changing a sealed segment";

/// The message about such a segment.
pub(super) const TORN: &str = "the segment ends in a torn record, but is not the last one";

/// Returns whether a segment that is not the last one ends in a torn record.
pub(super) fn is_torn(error: &WalError) -> bool {
    matches!(error, WalError::Io { context: CHANGING, .. })
}

/// Returns the file's name.
pub fn file_name(segment: u64) -> String {
    format!("{segment:020}.wal")
}

fn number_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".wal").filter(|digits| digits.len() == 20)?;
    digits.parse().ok()
}

/// A segment's file. Only the newest may be changed: a torn tail in an older one is damage.
pub(super) struct SegmentFile {
    file: FileStore,
    sealed: bool,
}

impl SegmentFile {
    fn changeable(&self) -> Result<(), WalError> {
        if self.sealed {
            let source = io::Error::other("the segment is not the last one");
            return Err(WalError::Io {
                context: CHANGING,
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

/// An open segment. It can be read as long as it is held, even if its file is moved or deleted.
pub(super) type Segment = Arc<Wal<SegmentFile>>;

/// Reads a segment's records, all of them, and takes it in if each is whole.
pub(super) fn open_file(file: FileStore, sealed: bool) -> Result<Segment, WalError> {
    let config = WalConfig::new()
        .with_max_record_size(MAX_RECORD_BYTES)
        .with_open_policy(OpenPolicy::Strict);
    Ok(Arc::new(Wal::with_store_and_config(
        SegmentFile { file, sealed },
        config,
    )?))
}

/// All segments of a journal.
pub(super) struct Segments {
    dir: PathBuf,
    open: Mutex<BTreeMap<u64, Segment>>,
    /// The records that were written last.
    tail: Mutex<Tail>,
    /// The records that were read last: the controllers of a backlog take turns, and share records.
    read: Mutex<Tail>,
}

/// Where an append failed.
pub(super) enum AppendError {
    /// The write: nothing of it counts, and the segment must be repaired. Whether it was for want of space.
    Write { cause: String, is_full: bool },
    /// The sync failed: the content of the disk is unknown.
    Sync(String),
}

impl AppendError {
    pub(super) fn write(error: &io::Error) -> Self {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        Self::Write {
            cause: error.to_string(),
            is_full: matches!(error.kind(), StorageFull | QuotaExceeded),
        }
    }
}

/// Returns the system's error, with its kind.
fn as_io(error: WalError) -> io::Error {
    match error {
        WalError::Io { context, source } => io::Error::new(source.kind(), format!("{context}: {source}")),
        other => io::Error::other(other),
    }
}

impl Segments {
    /// Lists the segments; [`Segments::recover`] opens them.
    pub(super) fn open(dir: &Path) -> Result<Self, OpenError> {
        fs::create_dir_all(dir).map_err(|error| disk(dir, &error))?;
        Ok(Self {
            dir: dir.to_owned(),
            open: Mutex::new(BTreeMap::new()),
            tail: Mutex::new(Tail::default()),
            read: Mutex::new(Tail::default()),
        })
    }

    fn file_name(&self, segment: u64) -> String {
        self.path(segment).display().to_string()
    }

    pub(super) fn path(&self, segment: u64) -> PathBuf {
        self.dir.join(file_name(segment))
    }

    /// Reads every record, oldest first.
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
                    "the journal's end was a record that is not whole, as a crash leaves it: it was cut off"
                );
            }
            for entry in segment.iter().map_err(|error| self.damaged(number, &error))? {
                let entry = entry.map_err(|error| self.damaged(number, &error))?;
                record(number, entry.lsn().get(), entry.data())?;
            }
            self.open.lock().insert(number, segment);
        }
        Ok(())
    }

    /// Creates the first segment if there is none.
    pub(super) fn begin_first(&self) -> Result<(), OpenError> {
        if self.newest_number().is_none() {
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
        FileStore::open(self.path(number))
            .and_then(|file| open_file(file, sealed))
            .map_err(|error| self.damaged(number, &error))
    }

    fn damaged(&self, number: u64, error: &WalError) -> OpenError {
        match error {
            WalError::Corruption { offset, reason } => OpenError::Damaged {
                place: format!("{}, offset {offset}", self.file_name(number)),
                what: (*reason).to_owned(),
            },
            torn if is_torn(torn) => OpenError::Damaged {
                place: self.file_name(number),
                what: TORN.to_owned(),
            },
            other => OpenError::Disk {
                dir: self.path(number),
                cause: other.to_string(),
            },
        }
    }

    /// Makes a new, empty segment, whose name is on stable storage before anything in it is acknowledged.
    fn begin(&self, number: u64) -> io::Result<()> {
        let file = FileStore::open(self.path(number)).map_err(as_io)?;
        File::open(self.path(number))?.sync_all()?;
        File::open(&self.dir)?.sync_all()?;
        let segment = open_file(file, false).map_err(as_io)?;
        self.open.lock().insert(number, segment);
        Ok(())
    }

    fn newest(&self) -> Option<(u64, Segment)> {
        self.open
            .lock()
            .last_key_value()
            .map(|(number, segment)| (*number, Arc::clone(segment)))
    }

    /// Returns the number of the segment that is written to. Returns `None` without one.
    pub(super) fn newest_number(&self) -> Option<u64> {
        self.newest().map(|(number, _)| number)
    }

    /// Returns the end of the newest segment. First syncs bytes that a killed process had written and not synced.
    pub(super) fn synced_end(&self) -> Result<Option<DurableEnd>, OpenError> {
        let Some(segment) = self.newest_number() else {
            return Ok(None);
        };
        let path = self.path(segment);
        let synced = fs::File::open(&path).and_then(|file| file.sync_data());
        synced.map_err(|error| disk(&path, &error))?;
        let bytes = self.newest_len();
        Ok(Some(DurableEnd { segment, bytes }))
    }

    /// Begins a new segment if the newest is longer than `segment_bytes`.
    pub(super) fn rotate(&self, segment_bytes: u64) -> io::Result<()> {
        match self.newest() {
            Some((number, segment)) if segment.len() >= segment_bytes => self.begin(number + 1),
            _ => Ok(()),
        }
    }

    /// Writes a record to the newest segment and syncs it; where it is.
    pub(super) fn append(&self, record: &Arc<[u8]>, tail_bytes: usize) -> Result<Place, AppendError> {
        let Some((number, segment)) = self.newest() else {
            return Err(AppendError::write(&io::Error::other("there is no segment")));
        };
        let lsn = segment
            .append(record)
            .map_err(|error| AppendError::write(&as_io(error)))?
            .get();
        segment.sync().map_err(|error| AppendError::Sync(error.to_string()))?;
        let kept = KeptRecord::new(Arc::clone(record));
        self.tail.lock().keep((number, lsn), kept, tail_bytes, false);
        Ok((number, lsn))
    }

    /// Cuts the newest segment back to its durable part, `end` bytes, after a failed write.
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

    /// Returns the length of the newest segment.
    pub(super) fn newest_len(&self) -> u64 {
        self.newest().map_or(0, |(_, segment)| segment.len())
    }

    /// Reads one record.
    pub(super) fn read(&self, number: u64, lsn: u64) -> Result<Arc<IndexedRecord>, JournalError> {
        let damaged = |what: &str| JournalError::Damaged(format!("{}, offset {lsn}: {what}", file_name(number)));
        let place = (number, lsn);
        let kept = self.tail.lock().get(place);
        if let Some(kept) = kept.or_else(|| self.read.lock().get(place)) {
            return kept.indexed().map_err(damaged);
        }
        let segment = self.open.lock().get(&number).cloned();
        let segment = segment.ok_or_else(|| JournalError::Damaged(format!("{} is gone", file_name(number))))?;
        let failed = |error: WalError| match error {
            WalError::Io { .. } => JournalError::Disk(error.to_string()),
            other => damaged(&other.to_string()),
        };
        let mut records = segment.iter_from(Lsn::new(lsn)).map_err(failed)?;
        let record = records.next().ok_or_else(|| damaged("the record is gone"))?;
        let record = KeptRecord::new(record.map_err(failed)?.into_data().into());
        let indexed = record.indexed().map_err(damaged)?;
        self.read.lock().keep(place, record, READ_BYTES, true);
        Ok(indexed)
    }

    /// Takes out the segments that nothing needs, oldest first: all before `needed`, but never the newest. Their files are
    /// the caller's to move or delete.
    pub(super) fn take_before(&self, needed: Option<u64>) -> Vec<u64> {
        let mut open = self.open.lock();
        let Some(newest) = open.last_key_value().map(|(number, _)| *number) else {
            return Vec::new();
        };
        let keep_from = needed.unwrap_or(newest).min(newest);
        let kept = open.split_off(&keep_from);
        let done = std::mem::replace(&mut *open, kept);
        drop(open);
        if !done.is_empty() {
            self.tail.lock().forget_before(keep_from);
            self.read.lock().forget_before(keep_from);
        }
        done.into_keys().collect()
    }

    /// Returns all segments, oldest first.
    pub(super) fn all(&self) -> Vec<(u64, Segment)> {
        let open = self.open.lock();
        open.iter()
            .map(|(number, segment)| (*number, Arc::clone(segment)))
            .collect()
    }

    pub(super) fn count(&self) -> usize {
        self.open.lock().len()
    }

    pub(super) fn disk_bytes(&self) -> u64 {
        self.open.lock().values().map(|segment| segment.len()).sum()
    }
}

fn disk(dir: &Path, error: &io::Error) -> OpenError {
    OpenError::Disk {
        dir: dir.to_owned(),
        cause: error.to_string(),
    }
}

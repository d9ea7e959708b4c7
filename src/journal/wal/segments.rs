//! The segment files, and the records read from them.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use conduit_actors::ports::JournalError;
use parking_lot::Mutex;
use wal_db::{FileStore, Lsn, WalError};

use super::codec::IndexedRecord;
use super::error::OpenError;
use super::record::DurableEnd;
use super::segment_file::{Cut, Segment, TORN, cut_behind, is_torn, open_file};
use super::tail::{KeptRecord, Place, Tail};

/// Bytes of the records that were read last.
const READ_BYTES: usize = 16 * 1024 * 1024;

/// Returns the file's name.
pub fn file_name(segment: u64) -> String {
    format!("{segment:020}.wal")
}

fn number_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".wal").filter(|digits| digits.len() == 20)?;
    digits.parse().ok()
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

    /// Reads every record, oldest first, and changes nothing.
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
            let cut = match last == Some(number) {
                true => Cut::Later,
                false => Cut::Never,
            };
            let segment = self.open_segment(number, cut)?;
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

    /// Cuts off a torn record at the end. Call it before the first append.
    pub(super) fn free_torn(&self) -> Result<(), OpenError> {
        let Some((number, segment)) = self.newest() else {
            return Ok(());
        };
        let cut = cut_behind(&self.path(number), segment.len()).map_err(|error| disk(&self.path(number), &error))?;
        if cut > 0 {
            tracing::warn!(
                segment = %self.file_name(number), bytes = cut,
                "the journal's end was a record that is not whole, as a crash leaves it: it was cut off"
            );
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

    fn open_segment(&self, number: u64, cut: Cut) -> Result<Segment, OpenError> {
        FileStore::open(self.path(number))
            .and_then(|file| open_file(file, cut))
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
        let segment = open_file(file, Cut::Now).map_err(as_io)?;
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
        let segment = self.open_segment(number, Cut::Now).map_err(io::Error::other)?;
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

//! The journal's record of itself, beside its directory: the newest segment, and whether any segment had events. It
//! distinguishes a journal with vanished segments from a new one.
//!
//! Two lines of text, `newest 12` and `events yes`. It is written before the first event of each segment, so it is
//! never behind the acknowledged events.
//!
//! In the journal's directory, the file `end` has the acknowledged end of the newest segment: `12 34567`, its number
//! and its bytes. It is written once a second and not synced: it may be behind, and is never ahead. It distinguishes a
//! cut segment from one that ends there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::secrets::write_durably;

/// The file with the [`DurableEnd`].
const END: &str = "end";

/// The content of the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RecordContent {
    /// The highest number of a segment.
    pub newest: u64,
    /// Whether any segment had events.
    pub has_events: bool,
}

/// How far a segment was acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DurableEnd {
    /// The segment's number.
    pub segment: u64,
    /// Its bytes.
    pub bytes: u64,
}

impl DurableEnd {
    /// Reads the record in a journal's directory. Returns `None` for an incomplete file.
    #[must_use]
    pub fn read(journal: &Path) -> Option<Self> {
        let text = fs::read_to_string(journal.join(END)).ok()?;
        let (segment, bytes) = text.strip_suffix('\n')?.split_once(' ')?;
        Some(Self {
            segment: segment.parse().ok()?,
            bytes: bytes.parse().ok()?,
        })
    }

    /// Notes it in a journal's directory.
    ///
    /// # Errors
    /// The disk's.
    pub fn write(self, journal: &Path) -> io::Result<()> {
        let beside = journal.join("end.new");
        fs::write(&beside, format!("{} {}\n", self.segment, self.bytes))?;
        fs::rename(beside, journal.join(END))
    }

    /// Takes back the record.
    ///
    /// # Errors
    /// The disk's.
    pub fn forget(journal: &Path) -> io::Result<()> {
        match fs::remove_file(journal.join(END)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// The record, and its content.
#[derive(Debug)]
pub struct JournalRecord {
    path: PathBuf,
    noted: RecordContent,
}

impl JournalRecord {
    /// Reads the file. Returns `None` if there is no file.
    ///
    /// # Errors
    /// The disk's, or the fault of the text.
    pub fn read(path: &Path) -> io::Result<Option<RecordContent>> {
        match fs::read_to_string(path) {
            Ok(text) => parse(&text)
                .map(Some)
                .ok_or_else(|| io::Error::other("this is not the record of a journal: restore it or delete it")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Begins with what the journal has.
    ///
    /// # Errors
    /// The disk's.
    pub fn begin(path: PathBuf, noted: RecordContent) -> io::Result<Self> {
        write(&path, noted)?;
        Ok(Self { path, noted })
    }

    /// Notes that a segment is about to have events. It writes once for each segment.
    pub(super) fn note_events_in(&mut self, segment: u64) -> io::Result<()> {
        let noted = RecordContent {
            newest: segment.max(self.noted.newest),
            has_events: true,
        };
        if noted != self.noted {
            write(&self.path, noted)?;
            self.noted = noted;
        }
        Ok(())
    }
}

fn write(path: &Path, noted: RecordContent) -> io::Result<()> {
    let events = if noted.has_events { "yes" } else { "no" };
    write_durably(path, &format!("newest {}\nevents {events}", noted.newest))
}

fn parse(text: &str) -> Option<RecordContent> {
    let mut lines = text.lines();
    let newest = lines.next()?.strip_prefix("newest ")?.parse().ok()?;
    let has_events = match lines.next()? {
        "events yes" => true,
        "events no" => false,
        _ => return None,
    };
    Some(RecordContent { newest, has_events })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.record");
        assert_eq!(JournalRecord::read(&path).unwrap(), None);
        let mut record = JournalRecord::begin(path.clone(), RecordContent::default()).unwrap();
        for segment in [1, 1, 3, 2] {
            record.note_events_in(segment).unwrap();
        }
        let noted = RecordContent {
            newest: 3,
            has_events: true,
        };
        assert_eq!(JournalRecord::read(&path).unwrap(), Some(noted));
        fs::write(&path, "newest x").unwrap();
        JournalRecord::read(&path).unwrap_err();
    }

    #[test]
    fn the_end_is_read_again_and_half_a_file_notes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(DurableEnd::read(dir.path()), None);
        DurableEnd::forget(dir.path()).unwrap();
        let end = DurableEnd {
            segment: 12,
            bytes: 345,
        };
        end.write(dir.path()).unwrap();
        assert_eq!(DurableEnd::read(dir.path()), Some(end));
        fs::write(dir.path().join(END), "12 3").unwrap();
        assert_eq!(DurableEnd::read(dir.path()), None);
        DurableEnd::forget(dir.path()).unwrap();
        assert_eq!(DurableEnd::read(dir.path()), None);
    }
}

//! One segment's file, and the time to cut off a torn record at its end.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::sync::Arc;

use wal_db::{FileStore, OpenPolicy, Wal, WalConfig, WalError, WalStore};

/// Longer than any record that the writer makes.
const MAX_RECORD_BYTES: u32 = 256 * 1024 * 1024;

/// The error of opening a sealed segment with a torn tail.
const CHANGING: &str = "changing a sealed segment";

/// The message about such a segment.
pub(super) const TORN: &str = "the segment ends in a torn record, but is not the last one";

/// Returns whether a segment that is not the last one ends in a torn record.
pub(super) fn is_torn(error: &WalError) -> bool {
    matches!(error, WalError::Io { context: CHANGING, .. })
}

/// When a torn record at the end of a segment is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// Never: only the newest segment may be changed, and a torn record in an older one is damage.
    Never,
    /// By `Segments::free_torn`, when the journal is put to use. Until then it may be refused, and stays as it is.
    Later,
    Now,
}

/// A segment's file.
pub(super) struct SegmentFile {
    file: FileStore,
    cut: Cut,
}

impl SegmentFile {
    fn changeable(&self) -> Result<(), WalError> {
        if self.cut == Cut::Never {
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
        match self.cut {
            Cut::Later => Ok(()),
            _ => self.file.truncate(len),
        }
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
pub(super) fn open_file(file: FileStore, cut: Cut) -> Result<Segment, WalError> {
    let config = WalConfig::new()
        .with_max_record_size(MAX_RECORD_BYTES)
        .with_open_policy(OpenPolicy::Strict);
    Ok(Arc::new(Wal::with_store_and_config(SegmentFile { file, cut }, config)?))
}

/// Cuts a file behind its first `end` bytes. Returns how many bytes there were.
pub(super) fn cut_behind(path: &Path, end: u64) -> io::Result<u64> {
    let file = OpenOptions::new().write(true).open(path)?;
    let cut = file.metadata()?.len().saturating_sub(end);
    if cut > 0 {
        file.set_len(end)?;
        file.sync_all()?;
    }
    Ok(cut)
}

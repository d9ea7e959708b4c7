//! Segments that no stream needs any more, kept for a time, so that recently accepted events can be read again.
//!
//! Such a segment is moved unchanged to `retained/` below the journal's directory. Its name there has the receive times
//! of its first and last event: `00000000000000000001-1775471400000-1775474999000.wal`. So nothing is written twice,
//! and a start lists only names here: recovery does not read this directory. Damage shows when a segment is read
//! (`past.rs`).
//!
//! The oldest segment is deleted when all its events are older than the retention, when there are more bytes than the cap, or
//! when the disk is short of space. The last case comes before the journal refuses an event.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use conduit_actors::ids::Timestamp;

use super::contents::{Contents, Controllers};
use super::error::OpenError;
use crate::journal::retention::Retention;

/// A segment that is kept.
#[derive(Debug, Clone)]
pub(super) struct RetainedSegment {
    pub(super) number: u64,
    /// Receive times of its first and last event.
    pub(super) span: (Timestamp, Timestamp),
    bytes: u64,
    /// Whose events it has; not known after a start until it is read.
    pub(super) controllers: Option<Controllers>,
}

impl RetainedSegment {
    fn file_name(&self) -> String {
        let (first, last) = self.span;
        format!("{:020}-{}-{}.wal", self.number, first.as_millis(), last.as_millis())
    }

    /// Parses its file's name and length. Returns `None` for another name.
    fn parse(name: &str, bytes: u64) -> Option<Self> {
        let mut parts = name.strip_suffix(".wal")?.split('-');
        let number = parts.next().filter(|digits| digits.len() == 20)?.parse().ok()?;
        let first = Timestamp::from_millis(parts.next()?.parse().ok()?);
        let last = Timestamp::from_millis(parts.next()?.parse().ok()?);
        parts.next().is_none().then_some(Self {
            number,
            span: (first, last),
            bytes,
            controllers: None,
        })
    }

    const fn is(&self, other: &Self) -> bool {
        self.number == other.number && self.span.1.as_millis() == other.span.1.as_millis()
    }
}

/// All segments that are kept.
pub(super) struct Retained {
    dir: PathBuf,
    options: Retention,
    /// Oldest first.
    segments: VecDeque<RetainedSegment>,
    bytes: u64,
    /// Segments that went before their time.
    given_up: u64,
}

impl Retained {
    /// Lists the segments that an earlier run kept.
    pub(super) fn open(journal: &Path, options: Retention) -> Result<Self, OpenError> {
        let dir = journal.join("retained");
        let mut segments = match list(&dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            listed => listed.map_err(|error| OpenError::Disk {
                dir: dir.clone(),
                cause: error.to_string(),
            })?,
        };
        segments.sort_by_key(|kept| (kept.span.1, kept.number));
        let mut retained = Self {
            dir,
            options,
            bytes: segments.iter().map(|kept| kept.bytes).sum(),
            segments: segments.into(),
            given_up: 0,
        };
        retained.enforce();
        Ok(retained)
    }

    /// Changes the retention. [`Retained::enforce`] comes after it.
    pub(super) const fn set_options(&mut self, options: Retention) {
        self.options = options;
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn path(&self, kept: &RetainedSegment) -> PathBuf {
        self.dir.join(kept.file_name())
    }

    /// Takes in a segment that no stream needs, or deletes it. [`Retained::enforce`] comes after the last of several.
    pub(super) fn take_in(&mut self, path: &Path, number: u64, contents: Contents) -> io::Result<()> {
        let Some(span) = contents.span.filter(|_| self.options.is_on()) else {
            return fs::remove_file(path);
        };
        let kept = RetainedSegment {
            number,
            span,
            bytes: fs::metadata(path)?.len(),
            controllers: Some(contents.controllers),
        };
        let moved = fs::create_dir_all(&self.dir).and_then(|()| fs::rename(path, self.path(&kept)));
        if let Err(error) = moved {
            tracing::warn!(segment = %path.display(), %error, "a segment cannot be kept, and is deleted");
            self.given_up += 1;
            return fs::remove_file(path);
        }
        self.bytes += kept.bytes;
        self.segments.push_back(kept);
        Ok(())
    }

    /// Deletes segments that are too old, too large in sum, or in the way.
    pub(super) fn enforce(&mut self) {
        let since = self.options.since();
        while let Some(oldest) = self.segments.front()
            && (oldest.span.1 < since || !self.options.is_on())
        {
            self.delete_oldest();
        }
        let excess = self.bytes.saturating_sub(self.options.max_bytes);
        self.give_up(excess, "there are more bytes than retention.payload_bytes");
        if !self.segments.is_empty() {
            let lacking = self.options.min_free_bytes.saturating_sub(self.free_bytes());
            self.give_up(lacking, "the disk has less free than retention.min_free_bytes");
        }
    }

    /// Deletes the oldest segments, before their time, until so many bytes are freed.
    fn give_up(&mut self, bytes: u64, why: &'static str) {
        let (before, mut segments) = (self.bytes, 0);
        while before - self.bytes < bytes && self.delete_oldest() {
            segments += 1;
        }
        if segments > 0 {
            self.given_up += segments;
            tracing::warn!(target: "conduit::supervision", segments, why, "retained segments were deleted before their time");
        }
    }

    /// Makes room on a disk that has just refused a write; whether there was anything to delete.
    pub(super) fn make_room(&mut self) -> bool {
        let had_any = !self.segments.is_empty();
        self.give_up(1, "the disk is full");
        had_any
    }

    /// Deletes the oldest segment. The file goes first, its entry in any case: the next start finds a file that could
    /// not be deleted. Returns whether there was one.
    fn delete_oldest(&mut self) -> bool {
        let Some(oldest) = self.segments.pop_front() else {
            return false;
        };
        self.bytes -= oldest.bytes;
        let path = self.path(&oldest);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(segment = %path.display(), %error, "cannot delete a segment; the next start will");
            }
            _ => {}
        }
        true
    }

    /// Returns the bytes that this user may still write, or no limit if that is unknown.
    fn free_bytes(&self) -> u64 {
        rustix::fs::statvfs(&self.dir).map_or(u64::MAX, |disk| disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// Returns the segments with events received since then, oldest first.
    pub(super) fn since(&self, since: Timestamp) -> impl Iterator<Item = &RetainedSegment> {
        self.segments.iter().filter(move |kept| kept.span.1 >= since)
    }

    /// Returns whether it is still here.
    pub(super) fn has(&self, kept: &RetainedSegment) -> bool {
        self.segments.iter().any(|other| other.is(kept))
    }

    /// Takes in whose events a segment was found to have.
    pub(super) fn learn(&mut self, kept: &RetainedSegment, controllers: Controllers) {
        if let Some(found) = self.segments.iter_mut().find(|other| other.is(kept)) {
            found.controllers = Some(controllers);
        }
    }

    pub(super) fn count(&self) -> usize {
        self.segments.len()
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) const fn given_up(&self) -> u64 {
        self.given_up
    }

    /// Returns when the oldest kept event was received. Returns `None` without one.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.segments.iter().map(|kept| kept.span.0).min()
    }
}

fn list(dir: &Path) -> io::Result<Vec<RetainedSegment>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        match name.to_str() {
            Some(text) => found.extend(RetainedSegment::parse(text, entry.metadata()?.len())),
            None => tracing::warn!(dir = %dir.display(), "there is a file that is no segment"),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_what_is_known_without_reading() {
        let span = (Timestamp::from_millis(7), Timestamp::from_millis(1_775_474_999_000));
        let kept = RetainedSegment {
            number: 12,
            span,
            bytes: 5,
            controllers: None,
        };
        let again = RetainedSegment::parse(&kept.file_name(), 5).unwrap();
        assert_eq!((again.number, again.span, again.bytes), (12, span, 5));
        for wrong in [
            "00000000000000000012.wal",
            "12-7-8.wal",
            "00000000000000000012-7-8-9.wal",
            "x",
        ] {
            assert!(RetainedSegment::parse(wrong, 5).is_none(), "{wrong}");
        }
    }
}

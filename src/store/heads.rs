//! The head book: the highest end of each audit chain that this data directory has committed.
//!
//! An attacker with a copy of an older end and its genuine seal can put both back into the database. The database
//! cannot reveal that; the data directory can. So each process notes the sealed ends that it commits, and writes them
//! into the file `chain-heads` of its data directory.
//!
//! ## Format
//! One line for each note: the controller's id, the sequence, the hash, separated by spaces, followed by `rewound` once
//! the database had another chain. The last line of a controller counts. The line `all-sealed` says that no chain waits for its
//! seal. An incomplete line is ignored: a crash may cut the last one. The file is rewritten when it has many more
//! lines than controllers.
//!
//! ## Invariants
//! - Only ends with a genuine seal are noted: a controller in the file was sealed once, and must be from then on.
//! - The file is behind the database by [`INTERVAL`] at most, and never ahead of it: a note follows its commit.
//! - A note that the database contradicts stays after further commits: only `conduit audit seal` replaces it.
//! - A missing file only means that less is noticed. A start does not need it.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use conduit_actors::event::AuditHash;
use conduit_actors::ids::{ControllerId, Sequence};
use conduit_actors::ports::ChainHead;
use parking_lot::Mutex;

use super::chain_ends::Ends;
use crate::keys::Seal;

/// How often notes are written.
pub const INTERVAL: Duration = Duration::from_secs(1);
/// The file's name in the data directory.
const FILE: &str = "chain-heads";
/// The line that says that no chain waits to be sealed.
const ALL_SEALED: &str = "all-sealed";
/// Lines beyond twice the number of controllers before the file is written anew.
const SLACK_LINES: usize = 10_000;

/// See the module's docs.
#[derive(Default)]
pub struct HeadBook(Mutex<Notes>);

#[derive(Default)]
struct Notes {
    heads: HashMap<ControllerId, Note>,
    unwritten: HashSet<ControllerId>,
    lines: usize,
    /// All older chains were looked at.
    none_waits: bool,
    is_mark_unwritten: bool,
}

struct Note {
    head: ChainHead,
    /// `None` if another process of this data directory noted it.
    seal: Option<Seal>,
    /// The database had an older or another chain since.
    is_rewound: bool,
}

impl Note {
    /// Returns whether a chain that ends so may go on from this note. Other nodes may have moved the end beyond it.
    fn leads_to(&self, end: ChainHead) -> bool {
        !self.is_rewound && (end == self.head || end.sequence > self.head.sequence)
    }
}

impl HeadBook {
    /// Reads what this data directory has committed. Without a file, nothing.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn load(&self, data_dir: &Path) -> io::Result<()> {
        let bytes = match fs::read(path(data_dir)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            read => read?,
        };
        // The complete lines of a damaged file count.
        let text = String::from_utf8_lossy(&bytes);
        let mut notes = self.0.lock();
        for line in text.lines() {
            notes.lines += 1;
            if line == ALL_SEALED {
                notes.none_waits = true;
            } else if let Some((controller, note)) = parse(line) {
                notes.heads.insert(controller, note);
            }
        }
        Ok(())
    }

    /// Returns the highest end of a chain that this data directory has committed. Returns `None` for an unknown chain.
    #[must_use]
    pub fn committed(&self, controller: ControllerId) -> Option<ChainHead> {
        self.0.lock().heads.get(&controller).map(|note| note.head)
    }

    /// Returns the chains of which this data directory has committed records.
    #[must_use]
    pub fn noted(&self) -> Vec<(ControllerId, ChainHead)> {
        let notes = self.0.lock();
        notes.heads.iter().map(|(id, note)| (*id, note.head)).collect()
    }

    /// Forgets a controller.
    pub fn forget(&self, controller: ControllerId) {
        let mut notes = self.0.lock();
        if notes.heads.remove(&controller).is_some() {
            // Its line is still there.
            notes.lines = usize::MAX;
        }
    }

    /// Returns whether this data directory knows that no chain waits for its seal.
    pub(super) fn none_waits(&self) -> bool {
        self.0.lock().none_waits
    }

    /// Notes that no chain waits to be sealed any more.
    pub(super) fn note_none_waits(&self) {
        let mut notes = self.0.lock();
        notes.is_mark_unwritten |= !notes.none_waits;
        notes.none_waits = true;
    }

    /// Returns whether this process made this seal for this end, as its last one of the chain.
    pub(super) fn has_sealed(&self, controller: ControllerId, head: ChainHead, seal: &Seal) -> bool {
        let notes = self.0.lock();
        let note = notes.heads.get(&controller);
        note.is_some_and(|note| note.head == head && note.seal.as_ref() == Some(seal))
    }

    /// Notes the ends that a transaction has committed.
    pub(super) fn note(&self, before: &Ends, ends: &Ends) {
        let mut notes = self.0.lock();
        for (controller, end) in ends {
            // An end that has moved and has another seal was sealed by this transaction.
            let Some(before) = before.get(controller).filter(|before| before.seal != end.seal) else {
                continue;
            };
            match notes
                .heads
                .get_mut(controller)
                .filter(|note| !note.leads_to(before.head))
            {
                Some(note) if note.is_rewound => {}
                Some(note) => {
                    note.is_rewound = true;
                    notes.unwritten.insert(*controller);
                }
                None => notes.note(*controller, end.head, end.seal),
            }
        }
    }

    /// Notes an end that was sealed outside of a batch, lower than before or not.
    pub(super) fn note_sealed(&self, controller: ControllerId, head: ChainHead, seal: Seal) {
        self.0.lock().note(controller, head, Some(seal));
    }

    /// Writes the notes that are not in the file yet.
    ///
    /// # Errors
    /// The file cannot be written; the next call tries again.
    pub fn write(&self, data_dir: &Path) -> io::Result<()> {
        let mut notes = self.0.lock();
        if notes.unwritten.is_empty() && !notes.is_mark_unwritten && notes.lines != usize::MAX {
            return Ok(());
        }
        let mark = |is_wanted: bool| {
            if is_wanted {
                format!("{ALL_SEALED}\n")
            } else {
                String::new()
            }
        };
        if notes.lines > 2 * notes.heads.len() + SLACK_LINES {
            let text = mark(notes.none_waits) + &lines(notes.heads.iter());
            let beside = path(data_dir).with_extension("new");
            fs::write(&beside, text)?;
            fs::rename(beside, path(data_dir))?;
            notes.lines = notes.heads.len() + usize::from(notes.none_waits);
        } else {
            let unwritten = notes.unwritten.iter().filter_map(|id| notes.heads.get_key_value(id));
            let text = mark(notes.is_mark_unwritten) + &lines(unwritten);
            let file = fs::OpenOptions::new().create(true).append(true).open(path(data_dir));
            if let Err(error) = file.and_then(|mut file| file.write_all(text.as_bytes())) {
                // Half a line may be there: the next try writes the file anew.
                notes.lines = usize::MAX;
                return Err(error);
            }
            notes.lines += notes.unwritten.len() + usize::from(notes.is_mark_unwritten);
        }
        notes.unwritten.clear();
        notes.is_mark_unwritten = false;
        Ok(())
    }
}

impl Notes {
    fn note(&mut self, controller: ControllerId, head: ChainHead, seal: Option<Seal>) {
        let note = Note {
            head,
            seal,
            is_rewound: false,
        };
        self.heads.insert(controller, note);
        self.unwritten.insert(controller);
    }
}

fn path(data_dir: &Path) -> PathBuf {
    data_dir.join(FILE)
}

fn lines<'a>(notes: impl Iterator<Item = (&'a ControllerId, &'a Note)>) -> String {
    notes.fold(String::new(), |mut text, (controller, note)| {
        let rewound = if note.is_rewound { " rewound" } else { "" };
        // Writing into a text does not fail.
        let _ = writeln!(text, "{controller} {} {}{rewound}", note.head.sequence, note.head.hash);
        text
    })
}

fn parse(line: &str) -> Option<(ControllerId, Note)> {
    let mut parts = line.split(' ');
    let controller = ControllerId::from_uuid(parts.next()?.parse().ok()?);
    let sequence = Sequence(parts.next()?.parse().ok()?);
    let hash = parts.next()?.parse::<AuditHash>().ok()?;
    let note = Note {
        head: ChainHead { sequence, hash },
        seal: None,
        is_rewound: parts.next() == Some("rewound"),
    };
    Some((controller, note))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(sequence: u64) -> ChainHead {
        ChainHead {
            sequence: Sequence(sequence),
            hash: AuditHash([7; 32]),
        }
    }

    #[test]
    fn the_last_note_of_a_controller_is_read_again_and_half_a_line_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = (ControllerId::generate(), ControllerId::generate());
        let book = HeadBook::default();
        book.load(dir.path()).unwrap();
        for sequence in 1..=3 {
            book.note_sealed(one, head(sequence), [1; 32]);
            book.write(dir.path()).unwrap();
        }
        let mut file = fs::OpenOptions::new().append(true).open(path(dir.path())).unwrap();
        write!(file, "{other} 4 07").unwrap();
        let again = HeadBook::default();
        again.load(dir.path()).unwrap();
        assert_eq!(again.committed(one), Some(head(3)));
        assert_eq!(again.committed(other), None);
        assert!(!again.has_sealed(one, head(3), &[1; 32]), "another process made it");
    }

    #[test]
    fn a_note_that_the_database_contradicts_stays_whatever_comes_behind() {
        let dir = tempfile::tempdir().unwrap();
        let one = ControllerId::generate();
        let end = |sequence, seal| {
            let head = head(sequence);
            Ends::from([(
                one,
                super::super::chain_ends::ChainEnd {
                    head,
                    seal: Some([seal; 32]),
                },
            )])
        };
        let book = HeadBook::default();
        book.note_sealed(one, head(5), [5; 32]);
        // The database was set back to 3, and continues from there.
        book.note(&end(3, 3), &end(4, 4));
        book.note(&end(4, 4), &end(9, 9));
        assert_eq!(book.committed(one), Some(head(5)));
        book.write(dir.path()).unwrap();
        let again = HeadBook::default();
        again.load(dir.path()).unwrap();
        again.note(&end(9, 9), &end(10, 10));
        assert_eq!(again.committed(one), Some(head(5)));
        again.note_sealed(one, head(10), [10; 32]);
        again.note(&end(10, 10), &end(11, 11));
        assert_eq!(again.committed(one), Some(head(11)));
    }

    #[test]
    fn the_file_stays_small_however_often_a_head_moves() {
        let dir = tempfile::tempdir().unwrap();
        let (book, one) = (HeadBook::default(), ControllerId::generate());
        book.0.lock().lines = 2 * SLACK_LINES;
        book.note_sealed(one, head(1), [1; 32]);
        book.write(dir.path()).unwrap();
        assert_eq!(fs::read_to_string(path(dir.path())).unwrap().lines().count(), 1);
    }
}

//! The files of a data directory that say whose it is.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use super::decide::{Refusal, cut};
use crate::config::{Config, Database};
use crate::journal::{DurableEnd, JournalRecord, RecordContent, segment_file};
use crate::secrets::{is_written, write_secret};
use crate::store::InstanceId;

/// The content of the files.
#[derive(Debug)]
pub(crate) struct Home {
    dir: PathBuf,
    /// The database that the directory belongs to.
    pub(crate) instance: Option<InstanceId>,
    node: String,
    /// The id that the journal's own directory has.
    signed: Option<String>,
    pub(super) noted: Option<RecordContent>,
    pub(super) end: Option<DurableEnd>,
    /// Whether there is a segment with anything in it that is to be kept.
    pub(super) has_segments: bool,
}

/// The same, not judged yet.
#[derive(Debug)]
pub(crate) struct DirectoryFiles {
    pub(crate) instance: Option<InstanceId>,
    pub(crate) node: Option<String>,
    pub(crate) signed: Option<String>,
    pub(crate) noted: Option<RecordContent>,
    end: Option<DurableEnd>,
    /// Whether there is a segment with anything in it.
    pub(crate) has_segments: bool,
}

impl DirectoryFiles {
    pub(crate) fn read(dir: &Path) -> Result<Self> {
        let instance = text(&dir.join("instance.id"))?;
        let instance = instance.map(|text| {
            text.parse()
                .with_context(|| format!("{}: this is no id", dir.join("instance.id").display()))
        });
        let record = dir.join("journal.record");
        Ok(Self {
            instance: instance.transpose()?,
            node: text(&dir.join("node.id"))?,
            signed: text(&signature(dir))?,
            end: DurableEnd::read(&dir.join("journal")),
            noted: JournalRecord::read(&record).with_context(|| format!("cannot read {}", record.display()))?,
            has_segments: has_segments(&dir.join("journal"))?,
        })
    }

    /// Returns whether the journal has or had events, as far as the files tell without reading it.
    pub(crate) fn has_journal(&self) -> bool {
        self.has_segments || self.noted.is_some_and(|noted| noted.has_events)
    }
}

impl Home {
    /// Reads the files, and refuses a node.id that is lost or not the journal's.
    ///
    /// # Errors
    /// The missing or wrong file, and the next step.
    pub(crate) fn open(config: &Config) -> Result<Self> {
        let dir = &config.storage.data_dir;
        let found = DirectoryFiles::read(dir)?;
        if let Database::Sqlite(file) = config.database() {
            let is_new = found.instance.is_none() && !found.has_journal();
            ensure!(
                is_new || is_written(&file),
                "there is no database at {}, but the data directory {} was used with one. Nothing was changed. Check \
                 storage.database_url, and whether the database's disk is mounted; or restore the database from a backup. To \
                 begin anew, name an empty data directory",
                file.display(),
                dir.display()
            );
        }
        let node = match (found.node.clone(), found.signed.clone()) {
            (Some(node), Some(signed)) if node != signed => {
                return Err(Refusal::ForeignNode {
                    dir: dir.clone(),
                    what: format!("it says {node}, and the journal was written by {signed}"),
                }
                .into());
            }
            (Some(node), _) => node,
            (None, signed) if found.has_journal() => {
                let by = signed.map_or(String::new(), |signed| format!(", {signed}"));
                return Err(Refusal::LostNode { dir: dir.clone(), by }.into());
            }
            (None, Some(signed)) => signed,
            (None, None) => new_node(),
        };
        Ok(Self {
            dir: dir.clone(),
            instance: found.instance,
            node,
            signed: found.signed,
            noted: found.noted,
            end: found.end,
            has_segments: found.has_segments,
        })
    }

    /// Reads the directory as if it belonged to no database, with this id for its journal. A `certain` id is not
    /// compared with the events of the database. If events may be given up, any database will do.
    ///
    /// # Errors
    /// The file that cannot be read.
    pub(crate) fn adopted(dir: &Path, node: String, certain: bool, gives_up: bool) -> Result<Self> {
        let found = DirectoryFiles::read(dir)?;
        Ok(Self {
            dir: dir.to_owned(),
            instance: None,
            signed: found
                .signed
                .filter(|signed| *signed == node)
                .or(certain.then(|| node.clone())),
            node,
            noted: found.noted,
            end: found.end,
            has_segments: found.has_segments && !gives_up,
        })
    }

    /// Refuses a newest segment that is shorter than its acknowledged part, before it is read.
    ///
    /// # Errors
    /// [`Refusal::Vanished`].
    pub(crate) fn refuse_a_cut(&self) -> Result<(), Refusal> {
        let dir = self.dir.join("journal");
        let Some(end) = self.end else {
            return Ok(());
        };
        match fs::metadata(dir.join(segment_file(end.segment))) {
            Ok(found) if found.len() < end.bytes => {
                let what = cut(end, found.len());
                Err(Refusal::Vanished { dir, what })
            }
            // The numbers reveal missing segments.
            _ => Ok(()),
        }
    }

    /// Takes back how far the newest segment was acknowledged: from now on the journal is as it is.
    ///
    /// # Errors
    /// The disk's.
    pub(super) fn forget_end(&self) -> Result<()> {
        let journal = self.dir.join("journal");
        DurableEnd::forget(&journal).with_context(|| format!("cannot write into {}", journal.display()))
    }

    /// Returns the id of the journal.
    pub(crate) fn node(&self) -> &str {
        &self.node
    }

    /// Returns whether the journal's directory lacks the id of its writer, as with an earlier version.
    pub(super) const fn is_unsigned(&self) -> bool {
        self.signed.is_none()
    }

    pub(super) fn record_path(&self) -> PathBuf {
        self.dir.join("journal.record")
    }

    pub(super) fn write_node(&self) -> Result<()> {
        for path in [signature(&self.dir), self.dir.join("node.id")] {
            write_if_other(&path, &self.node)?;
        }
        Ok(())
    }

    pub(super) fn write_instance(&self, instance: InstanceId) -> Result<()> {
        write_if_other(&self.dir.join("instance.id"), &instance.to_string())
    }
}

/// Makes an id for a journal.
pub(crate) fn new_node() -> String {
    uuid::Uuid::now_v7().to_string()
}

fn signature(dir: &Path) -> PathBuf {
    dir.join("journal").join("node.id")
}

fn write_if_other(path: &Path, wanted: &str) -> Result<()> {
    if text(path)?.as_deref() != Some(wanted) {
        write_secret(path, wanted)?;
    }
    Ok(())
}

/// Returns the file's text. Returns `None` without the file, or if it is empty.
fn text(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

fn has_segments(journal: &Path) -> Result<bool> {
    /// A segment without events is shorter.
    const HEAD_BYTES: u64 = 64;
    let entries = match fs::read_dir(journal) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", journal.display())),
    };
    for entry in entries {
        let entry = entry?;
        let is_segment = entry.path().extension().is_some_and(|extension| extension == "wal");
        if is_segment && entry.metadata()?.len() > HEAD_BYTES {
            return Ok(true);
        }
    }
    Ok(false)
}

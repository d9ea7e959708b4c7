//! Whether the database is still the file that its path names.
//!
//! SQLite goes on with a file that was removed or replaced: all that it writes is gone with the process. So the file that was
//! opened is compared with what the path names, before each transaction that writes and behind each commit of the pipeline.
//! The open file keeps its inode, so no other file has it.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use conduit_actors::ports::StoreError;

/// A file that was opened.
pub(super) struct Origin {
    path: PathBuf,
    log: PathBuf,
    identity: (u64, u64),
}

impl Origin {
    /// Notes which file a path names, made if it is not there.
    pub(super) fn find_or_make(path: &Path) -> Result<Self, StoreError> {
        let found = match identity(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Closing this ends no lock: no process has a file open that did not exist.
                let made = OpenOptions::new().write(true).create_new(true).open(path);
                made.and_then(|_| identity(path))
            }
            found => found,
        };
        let identity = found.map_err(|error| unavailable(path, &error.to_string()))?;
        let mut log = OsString::from(path);
        log.push("-wal");
        Ok(Self {
            path: path.to_owned(),
            log: log.into(),
            identity,
        })
    }

    /// Returns an error unless a connection that was opened just now is one to the same file.
    pub(super) fn check_connection(&self) -> Result<(), sqlx::Error> {
        self.check_file().map_err(|error| io::Error::other(error).into())
    }

    /// Returns an error unless the path names the same file as before, beside its write-ahead log. A transaction or a look at
    /// the database comes before, so there is one.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        self.check_file()?;
        match fs::symlink_metadata(&self.log) {
            Ok(_) => Ok(()),
            // Its contents are copied into the database when the last connection is closed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(unavailable(
                &self.log,
                "the write-ahead log was removed while Conduit ran. Stop Conduit by SIGTERM, then start it",
            )),
            Err(error) => Err(unavailable(&self.log, &error.to_string())),
        }
    }

    fn check_file(&self) -> Result<(), StoreError> {
        const ADVICE: &str = "while Conduit ran. Stop Conduit, put the database back, start Conduit";
        match identity(&self.path) {
            Ok(found) if found == self.identity => Ok(()),
            Ok(_) => Err(unavailable(&self.path, &format!("the file was replaced {ADVICE}"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(unavailable(&self.path, &format!("the file was removed {ADVICE}")))
            }
            Err(error) => Err(unavailable(&self.path, &error.to_string())),
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::metadata(path).map(|found| (found.dev(), found.ino()))
}

fn unavailable(path: &Path, what: &str) -> StoreError {
    StoreError::Unavailable(format!("{}: {what}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_removed_replaced_or_put_back_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let [path, log, aside] = ["conduit.db", "conduit.db-wal", "aside"].map(|name| dir.path().join(name));
        fs::write(&path, "").unwrap();
        fs::write(&log, "").unwrap();
        let origin = Origin::find_or_make(&path).unwrap();
        origin.check().unwrap();
        let cause = || origin.check().unwrap_err().to_string();

        fs::rename(&path, &aside).unwrap();
        assert!(cause().contains("the file was removed"), "{}", cause());
        fs::write(&path, "").unwrap();
        assert!(cause().contains("the file was replaced"), "{}", cause());
        fs::rename(&aside, &path).unwrap();
        origin.check().unwrap();
        fs::remove_file(&log).unwrap();
        assert!(cause().contains("write-ahead log"), "{}", cause());
    }
}

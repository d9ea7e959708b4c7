//! Locks that keep a second process from a data directory, and from an SQLite file that two directories name. The locks
//! are on the directory and the file themselves, so nobody can remove them while a process relies on them. The system
//! ends them with the process in every case.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use crate::secrets::SecretError;

/// The message for a directory that another process uses.
const TAKEN: &str = "another conduit process uses this data directory: stop it, or name another";

/// The locks of one process. Dropping them frees the locked files.
#[derive(Debug)]
pub(crate) struct Locks {
    _dir: File,
    /// The lock of earlier versions, which lock nothing else.
    _file: File,
}

/// The lock on an SQLite file.
///
/// The descriptor is open for as long as the database is: closing any descriptor of the file ends the locks that SQLite itself
/// has on it in this process.
#[derive(Debug)]
pub(crate) struct DatabaseLock {
    _file: File,
}

/// Makes the data directory, for its owner only, and locks it: one process at a time.
///
/// # Errors
/// [`SecretError`] if it cannot be made, or another process has it.
pub(crate) fn lock_data_dir(dir: &Path) -> Result<Locks, SecretError> {
    let failed = |error: io::Error| SecretError::new(dir, error);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(failed)?;
    let held = File::open(dir).map_err(failed)?;
    match held.try_lock() {
        Err(TryLockError::WouldBlock) => return Err(SecretError::new(dir, TAKEN)),
        // Some file systems of a network lock no directories. The file below is locked there.
        Err(TryLockError::Error(error)) => {
            tracing::warn!(dir = %dir.display(), %error, "the file system locks no directories: do not remove the file lock in it");
        }
        Ok(()) => {}
    }
    let path = dir.join("lock");
    let file = open(&path, true).map_err(|error| SecretError::new(&path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(Locks {
            _dir: held,
            _file: file,
        }),
        Err(TryLockError::WouldBlock) => Err(SecretError::new(dir, TAKEN)),
        Err(TryLockError::Error(error)) => Err(SecretError::new(&path, error)),
    }
}

/// Locks an SQLite file, made if it is not there: one process at a time serves on it.
///
/// # Errors
/// [`SecretError`] if it cannot be opened, or another process has it.
pub(crate) fn lock_database(path: &Path) -> Result<DatabaseLock, SecretError> {
    let file = open(path, true).map_err(|error| SecretError::new(path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(DatabaseLock { _file: file }),
        Err(TryLockError::WouldBlock) => Err(SecretError::new(
            path,
            "another conduit process serves on this database, with a data directory of its own: SQLite is for one process. \
             Stop it, or use PostgreSQL for several nodes",
        )),
        Err(TryLockError::Error(error)) => Err(SecretError::new(path, error)),
    }
}

fn open(path: &Path, create: bool) -> io::Result<File> {
    OpenOptions::new()
        .create(create)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(0o600)
        .open(path)
}

/// Names a run of this system and a file of it. A process that has the lock on that file under the same run knows that
/// all earlier holders are gone.
pub(super) fn place(file: &Path) -> String {
    let identity = fs::metadata(file).map_or((0, 0), |found| (found.dev(), found.ino()));
    format!("{}/{}:{}", system_run(), identity.0, identity.1)
}

/// Names a run of this system: another one after each boot.
pub(super) fn system_run() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id");
    boot.map_or_else(
        |_| {
            // Hidden from this process: the machine's name and the minute in which it was started.
            let uptime = rustix::system::sysinfo().uptime;
            let now = conduit_actors::ids::Timestamp::now().as_millis() / 1000;
            format!("{}@{}", host(), (now - uptime) / 60)
        },
        |boot| boot.trim().to_owned(),
    )
}

/// Returns this machine's name.
pub(super) fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_and_a_database_are_for_one_and_no_file_lifts_that() {
        let dir = tempfile::tempdir().unwrap();
        let first = lock_data_dir(dir.path()).unwrap();
        fs::remove_file(dir.path().join("lock")).unwrap();
        let refused = lock_data_dir(dir.path()).unwrap_err().to_string();
        assert!(refused.contains("another conduit process"), "{refused}");
        drop(first);
        let _again = lock_data_dir(dir.path()).unwrap();

        let path = dir.path().join("conduit.db");
        let first = lock_database(&path).unwrap();
        assert!(lock_database(&path).unwrap_err().to_string().contains("PostgreSQL"));
        drop(first);
        lock_database(&path).unwrap();
    }
}

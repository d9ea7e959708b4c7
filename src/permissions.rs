//! Keeps stored data from other users of the machine. New files are for their owner only. The start corrects files of
//! an earlier version or of a copy, even if the directory itself is open to others.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, chmod};

use crate::config::{Config, Database};

/// Rights of the group and of all others.
const OTHERS: u32 = 0o077;

/// Files of the data directory by their names; those that end in `.new` are half written.
const OWN_FILES: [&str; 8] = [
    "master.key",
    "admin.token",
    "receipt.key",
    "node.id",
    "instance.id",
    "journal.record",
    "chain-heads",
    "lock",
];

/// Takes all rights to new files from everybody but their owner, for the whole process.
pub(crate) fn restrict_new_files() {
    rustix::process::umask(Mode::from_raw_mode(OTHERS));
}

/// Removes all rights to the journal, the database and the keys, except the owner's. Warns of files that cannot be
/// changed.
pub(crate) fn mend(config: &Config) {
    let data_dir = &config.storage.data_dir;
    let mut paths: Vec<PathBuf> = OWN_FILES.iter().map(|name| data_dir.join(name)).collect();
    if let Database::Sqlite(file) = config.database() {
        // By their paths, never by descriptors: closing one would end SQLite's locks on the file.
        for suffix in ["", "-wal", "-shm"] {
            let mut path = file.clone().into_os_string();
            path.push(suffix);
            paths.push(path.into());
        }
    }
    let journal = data_dir.join("journal");
    for dir in [journal.join("retained"), journal] {
        paths.extend(files_in(&dir));
        paths.push(dir);
    }
    let mut mended = 0_u64;
    for path in paths {
        match restrict(&path) {
            Ok(true) => mended += 1,
            Ok(false) => {}
            Err(error) => tracing::warn!(
                path = %path.display(), %error,
                "others may read this file and its rights cannot be changed: change its owner or its rights"
            ),
        }
    }
    if mended > 0 {
        tracing::info!(
            files = mended,
            "files that others could read are now for their owner only"
        );
    }
}

fn files_in(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    let is_file = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_file());
    entries
        .filter_map(Result::ok)
        .filter(is_file)
        .map(|entry| entry.path())
        .collect()
}

/// Restricts a file or directory to its owner. Returns whether that changed anything.
fn restrict(path: &Path) -> io::Result<bool> {
    // A link's own rights mean nothing, and its target may be shared on purpose.
    let Some(found) = existing(path)?.filter(|found| !found.is_symlink()) else {
        return Ok(false);
    };
    let mode = found.mode() & 0o7777;
    if mode & OTHERS == 0 {
        return Ok(false);
    }
    chmod(path, Mode::from_raw_mode(mode & !OTHERS))?;
    Ok(true)
}

fn existing(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn others_lose_their_rights_and_owners_keep_theirs() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "x").unwrap();
        for (before, after, changed) in [(0o644, 0o600, true), (0o640, 0o600, true), (0o400, 0o400, false)] {
            fs::set_permissions(&file, fs::Permissions::from_mode(before)).unwrap();
            assert_eq!(restrict(&file).unwrap(), changed);
            assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, after);
        }
        assert!(!restrict(&dir.path().join("none")).unwrap());
        let target = dir.path().join("target");
        fs::write(&target, "x").unwrap();
        fs::set_permissions(&target, fs::Permissions::from_mode(0o644)).unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert!(!restrict(&link).unwrap());
        assert_eq!(fs::metadata(&target).unwrap().mode() & 0o777, 0o644);
    }
}

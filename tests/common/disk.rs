//! Real file systems of a few megabytes, to be filled to their last byte.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// The kind of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Memory.
    Tmpfs,
    /// A file, by a loop device.
    Ext4,
}

/// A mounted file system, which ends with the value.
pub struct SmallDisk {
    dir: TempDir,
}

fn is_done(command: &mut Command) -> bool {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

impl SmallDisk {
    /// Mounts one of so many MiB. Returns `None` where that is not allowed: it takes root, and for ext4 a loop device.
    pub fn mount(kind: Kind, mebibytes: u64) -> Option<Self> {
        let disk = Self {
            dir: tempfile::tempdir().expect("a temporary directory"),
        };
        fs::create_dir(disk.path()).expect("a directory");
        let mut mount = Command::new("mount");
        match kind {
            Kind::Tmpfs => {
                mount.args(["-t", "tmpfs", "-o", &format!("size={mebibytes}m"), "tmpfs"]);
            }
            Kind::Ext4 => {
                let image = disk.dir.path().join("image");
                let file = fs::File::create(&image).expect("a file");
                file.set_len(mebibytes << 20).expect("a sparse file");
                // Nothing is kept back for root.
                if !is_done(Command::new("mkfs.ext4").args(["-q", "-m", "0"]).arg(&image)) {
                    return None;
                }
                mount.args(["-o", "loop"]).arg(image);
            }
        }
        is_done(mount.arg(disk.path())).then_some(disk)
    }

    /// Returns the mount point.
    pub fn path(&self) -> PathBuf {
        self.dir.path().join("disk")
    }

    /// Fills the disk except for so many bytes.
    pub fn fill(&self, but_for: u64) {
        let filler = self.filler();
        let mut file = fs::File::create(&filler).expect("a file");
        let block = [b'x'; 4096];
        while file.write_all(&block).is_ok() {}
        // Unwritten data may not fit either.
        let _ = file.sync_all();
        let written = file.metadata().expect("a file").len();
        file.set_len(written.saturating_sub(but_for)).expect("a shorter file");
    }

    /// Gives the room back.
    pub fn clear(&self) {
        fs::remove_file(self.filler()).expect("the filler is there");
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Also with files that are still open.
        is_done(Command::new("umount").arg("--lazy").arg(self.path()));
    }
}

/// Returns the URL of an SQLite file.
pub fn sqlite_url(dir: &Path) -> String {
    format!("sqlite://{}", dir.join("conduit.db").display())
}

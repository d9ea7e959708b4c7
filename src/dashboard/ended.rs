//! Sessions that have signed out before their time, in memory and in a file that outlives a restart.
//!
//! Each is a line with its id and the time at which it would have ended anyway, in milliseconds. Lines whose time has come
//! go when the file is written anew: at a start, and when it has twice as many lines as sessions may be remembered. If
//! the file cannot be written, a sign-out holds until the next start, and a warning says so.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use conduit_actors::ids::Timestamp;

/// Sessions that are remembered, at most.
const MOST: usize = 100_000;

/// See the module's docs.
#[derive(Debug)]
pub(super) struct Ended {
    /// With the time at which each would have ended anyway.
    sessions: HashMap<u128, i64>,
    path: PathBuf,
    /// Lines of the file.
    lines: usize,
}

impl Ended {
    /// Reads the file, if there is one.
    pub(super) fn open(path: PathBuf, now: Timestamp) -> Self {
        let text = fs::read_to_string(&path).unwrap_or_default();
        let sessions = text.lines().filter_map(read_line);
        let mut ended = Self {
            sessions: sessions.filter(|(_, until)| *until > now.as_millis()).collect(),
            path,
            lines: text.lines().count(),
        };
        // An incomplete line must not become part of the next.
        let is_cut = !text.is_empty() && !text.ends_with('\n');
        if is_cut || ended.lines > ended.sessions.len() {
            ended.rewrite();
        }
        ended
    }

    pub(super) fn has(&self, session: u128) -> bool {
        self.sessions.contains_key(&session)
    }

    pub(super) fn add(&mut self, session: u128, until: i64, now: Timestamp) {
        if self.sessions.len() >= MOST {
            self.sessions.retain(|_, until| *until > now.as_millis());
        }
        if self.sessions.len() >= MOST
            && let Some(oldest) = self.sessions.iter().min_by_key(|(_, until)| **until).map(|(id, _)| *id)
        {
            self.sessions.remove(&oldest);
        }
        self.sessions.insert(session, until);
        if self.lines >= 2 * MOST {
            self.rewrite();
        } else {
            self.lines += 1;
            let line = format!("{session:032x} {until}\n");
            let appended = self.file(OpenOptions::new().append(true)).and_then(|mut file| {
                file.write_all(line.as_bytes())?;
                file.sync_data()
            });
            self.tell(appended);
        }
    }

    fn file(&self, options: &mut OpenOptions) -> io::Result<File> {
        options.create(true).mode(0o600).open(&self.path)
    }

    fn rewrite(&mut self) {
        let mut text = String::new();
        for (session, until) in &self.sessions {
            let _ = writeln!(text, "{session:032x} {until}");
        }
        self.lines = self.sessions.len();
        // Beside it and renamed: a crash leaves the one or the other.
        let beside = self.path.with_extension("new");
        let written = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&beside);
        let written = written.and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_data()
        });
        self.tell(written.and_then(|()| fs::rename(&beside, &self.path)));
    }

    fn tell(&self, written: io::Result<()>) {
        if let Err(error) = written {
            let path = self.path.display();
            tracing::warn!(%path, %error, "dashboard: sign-outs hold until the next start only: see to the disk");
        }
    }
}

fn read_line(line: &str) -> Option<(u128, i64)> {
    let (session, until) = line.split_once(' ')?;
    Some((u128::from_str_radix(session, 16).ok()?, until.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sign_outs_outlive_a_restart_and_end_in_their_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("signed-out");
        let at = Timestamp::from_millis;
        let mut ended = Ended::open(path.clone(), at(0));
        ended.add(7, 100, at(0));
        ended.add(8, 200, at(0));
        assert!(ended.has(7) && ended.has(8) && !ended.has(9));
        // An incomplete line does not affect the others.
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"00000").unwrap();
        let mut again = Ended::open(path.clone(), at(50));
        assert!(again.has(7) && again.has(8));
        again.add(9, 300, at(50));
        let later = Ended::open(path.clone(), at(150));
        assert!(!later.has(7) && later.has(8) && later.has(9));
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 2);
        assert!(!dir.path().join("signed-out.new").exists());
    }

    #[test]
    fn a_file_that_cannot_be_written_ends_sessions_all_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let mut ended = Ended::open(dir.path().join("nowhere/signed-out"), Timestamp::from_millis(0));
        ended.add(7, 100, Timestamp::from_millis(0));
        assert!(ended.has(7));
    }
}

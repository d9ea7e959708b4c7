//! Open files: how many the system allows, how many Conduit needs for itself, and so how many connections it may take.
//!
//! Descriptors for the journal, the database and the threads are set aside, so that no number of connections can take them.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::{Config, Database, or_cores};

/// Standard streams, locks, listeners, the database's change feed, and files that are opened for a moment.
const BASE: u64 = 48;

/// An event queue, a waker, and what a runtime has beside them.
const PER_THREAD: u64 = 4;

/// The threads with a runtime that are neither HTTP threads nor shards.
const OTHER_THREADS: u64 = 4;

/// Each connection has the database, its write-ahead log and, now and then, another file. Five connections.
const SQLITE: u64 = 5 * 4;

/// Connections to Redis, by commands and by streams, and connections of traces.
const CLIENTS: u64 = 24;

/// Segments that end before they are full, by age or after a restart, and retained ones that are read.
const MORE_SEGMENTS: u64 = 24;

/// Fewer connections to an HTTP thread serve nobody.
const FEWEST: u64 = 8;

/// Standard streams, a runtime or two, and connections of a command that serves nothing.
const COMMAND: u64 = 32;

/// The system allows too few open files.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // The messages say it.
pub enum TooFew {
    #[error(
        "the system allows {allowed} open files, but this configuration needs at least {needed}: {own} for the journal, the \
         database and the threads, and {connections} for connections. Raise the limit (`ulimit -n`, LimitNOFILE= with \
         systemd), or lower server.workers, pipeline.shards, or journal.max_bytes with segments of the same size"
    )]
    ToServe {
        allowed: u64,
        needed: u64,
        own: u64,
        connections: u64,
    },
    #[error(
        "the system allows {allowed} open files, but this command needs at least {COMMAND}. Raise the limit (`ulimit -n`, \
         LimitNOFILE= with systemd)"
    )]
    ToRun { allowed: u64 },
}

/// Checks whether the limit leaves what any command needs. A runtime cannot be made with less.
///
/// # Errors
/// [`TooFew`].
pub fn check_command() -> Result<(), TooFew> {
    match raise_limit() {
        Some(allowed) if allowed < COMMAND => Err(TooFew::ToRun { allowed }),
        _ => Ok(()),
    }
}

/// Raises the limit of open files as far as the system lets this user; the limit that is then in force. `None`: no limit.
#[must_use]
pub fn raise_limit() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        // A limit that cannot be raised is compared as it is.
        let _ = setrlimit(
            Resource::Nofile,
            Rlimit {
                current: maximum,
                maximum,
            },
        );
    }
    getrlimit(Resource::Nofile).current
}

/// Returns how many connections each HTTP thread may have: as many as are configured, or as the limit leaves.
///
/// # Errors
/// [`TooFew`] if the limit leaves next to nothing.
pub fn connections_per_thread(config: &Config, limit: Option<u64>) -> Result<usize, TooFew> {
    let configured = config.server.max_connections;
    let Some(allowed) = limit else {
        return Ok(configured);
    };
    let threads = http_threads(config);
    let own = own_files(config);
    let fewest = FEWEST.min(configured as u64) * threads;
    if allowed < own + fewest {
        return Err(TooFew::ToServe {
            allowed,
            needed: own + fewest,
            own,
            connections: fewest,
        });
    }
    let left = usize::try_from((allowed - own) / threads).unwrap_or(usize::MAX);
    Ok(left.min(configured))
}

fn http_threads(config: &Config) -> u64 {
    or_cores(config.server.workers) as u64
}

/// Returns the number of descriptors that everything but connections may need.
fn own_files(config: &Config) -> u64 {
    let threads = http_threads(config) + or_cores(config.pipeline.shards) as u64 + OTHER_THREADS;
    let segments = config.journal.max_bytes.div_ceil(config.journal.segment_bytes.max(1)) + MORE_SEGMENTS;
    let database = match config.database() {
        Database::Sqlite(_) => SQLITE,
        // Beside those for work: two for changes, one for the schema, one for retention.
        Database::Postgres(_) => u64::from(config.storage.max_connections) + 4,
    };
    // A connection that was accepted waits for its thread.
    let accepted = http_threads(config);
    BASE + PER_THREAD * threads + segments + database + CLIENTS + accepted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DEFAULTS;

    fn config() -> Config {
        let mut config: Config = toml::from_str(DEFAULTS).unwrap();
        config.server.workers = 2;
        config.pipeline.shards = 2;
        config
    }

    #[test]
    fn connections_are_what_the_limit_leaves() {
        let config = config();
        let own = own_files(&config);
        let of = |limit| connections_per_thread(&config, limit);
        assert_eq!(of(None).unwrap(), config.server.max_connections);
        assert_eq!(of(Some(1 << 20)).unwrap(), config.server.max_connections);
        let of_1024 = of(Some(1024)).unwrap();
        assert!(of_1024 > 200 && 2 * of_1024 as u64 + own <= 1024, "{of_1024}");
        for few in [24, 100, own] {
            let words = of(Some(few)).unwrap_err().to_string();
            assert!(
                words.contains(&format!("allows {few} ")) && words.contains("ulimit"),
                "{words}"
            );
        }
    }

    #[test]
    fn a_long_journal_of_short_segments_is_reserved_for() {
        let mut config = config();
        config.journal.max_bytes = 64 << 30;
        config.journal.segment_bytes = 1 << 20;
        connections_per_thread(&config, Some(65_536)).unwrap_err();
        connections_per_thread(&config, Some(1 << 20)).unwrap();
    }
}

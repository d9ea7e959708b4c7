//! The state of the database, without asking it.
//!
//! A probe has a second, and a page should not take longer. Neither may wait for a database that is away. So a task
//! asks the database again and again, and readers use its last answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use conduit_actors::ids::Timestamp;
use conduit_actors::log_limit::{LogLimit, MINUTE};
use parking_lot::Mutex;

use crate::app::Services;

/// How long the database may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often it is asked.
const INTERVAL: Duration = Duration::from_millis(500);
/// An answer that is older than this says nothing.
const OUTDATED: Duration = Duration::from_secs(10);

static CHANGES: LogLimit = LogLimit::new(20, MINUTE);

/// A database that does not do as asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Away {
    /// Why.
    pub(crate) cause: String,
    /// Since when.
    pub(crate) since: Timestamp,
}

#[derive(Debug)]
struct LastAnswer {
    asked_at: Instant,
    away: Option<Away>,
}

/// See the module's docs.
#[derive(Debug)]
pub(crate) struct DatabaseState(Mutex<LastAnswer>);

impl Default for DatabaseState {
    /// Assumes that the creator has just read the database.
    fn default() -> Self {
        Self(Mutex::new(LastAnswer {
            asked_at: Instant::now(),
            away: None,
        }))
    }
}

impl DatabaseState {
    /// Returns why the database is away, or `None` if it answers.
    pub(crate) fn away(&self) -> Option<Away> {
        self.away_at(Instant::now())
    }

    fn away_at(&self, now: Instant) -> Option<Away> {
        let known = self.0.lock();
        let age = now.saturating_duration_since(known.asked_at);
        known.away.clone().or_else(|| {
            let since = Timestamp::from_millis(
                Timestamp::now().as_millis() - i64::try_from(age.as_millis()).unwrap_or(i64::MAX / 2),
            );
            (age > OUTDATED).then(|| Away {
                cause: format!("it was not asked for {} s", age.as_secs()),
                since,
            })
        })
    }

    /// Notes what the database answered. Returns whether that is news.
    fn note(&self, result: Result<(), String>) -> bool {
        let mut known = self.0.lock();
        known.asked_at = Instant::now();
        match (result, &mut known.away) {
            (Ok(()), away) => away.take().is_some(),
            (Err(cause), Some(away)) => {
                away.cause = cause;
                false
            }
            (Err(cause), away @ None) => {
                let since = Timestamp::now();
                *away = Some(Away { cause, since });
                true
            }
        }
    }
}

/// Asks the database until the process stops.
pub(crate) async fn watch(services: Arc<Services>) {
    while !services.is_stopping() {
        let result = match tokio::time::timeout(PATIENCE, services.store.ping()).await {
            Ok(answer) => answer.map_err(|error| error.to_string()),
            Err(_) => Err("the database does not answer in time".to_owned()),
        };
        if services.is_stopping() {
            return;
        }
        let cause = result.as_ref().err().cloned();
        if services.database.note(result)
            && let Some(line) = CHANGES.admit()
        {
            let left_out = line.left_out();
            match cause {
                Some(cause) => tracing::warn!(target: "conduit::supervision", cause, left_out, "the database is away"),
                None => tracing::info!(target: "conduit::supervision", left_out, "the database answers again"),
            }
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_and_the_first_answer_are_news() {
        let state = DatabaseState::default();
        assert_eq!(state.away(), None);
        assert!(!state.note(Ok(())));
        assert!(state.note(Err("refused".to_owned())));
        let since = state.away().unwrap().since;
        assert!(!state.note(Err("hangs".to_owned())));
        let away = state.away().unwrap();
        assert_eq!((away.cause.as_str(), away.since), ("hangs", since));
        assert!(state.note(Ok(())));
        assert_eq!(state.away(), None);
    }

    #[test]
    fn an_old_answer_says_nothing() {
        let state = DatabaseState::default();
        let later = Instant::now() + OUTDATED;
        assert_eq!(state.away_at(later - Duration::from_secs(1)), None);
        assert!(state.away_at(later + Duration::from_secs(1)).is_some());
    }
}

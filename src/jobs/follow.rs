//! Keeps the directory what the database has, while other nodes change it.

use std::sync::Arc;

use conduit_actors::ids::ControllerId;
use conduit_actors::ports::Directory as _;

use crate::directory::LiveDirectory;
use crate::store::Store;

/// How the directory stands to the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// The same, as of the last look.
    Current,
    /// Not known, and relied on all the same.
    Unknown,
    /// Not known for too long.
    Unreliable,
}

/// Follows the changes that other nodes make, for as long as it is polled; returns at once if there can be none. `forget`
/// is called with each controller that is found to be deleted.
pub async fn follow(store: Arc<dyn Store>, directory: Arc<LiveDirectory>, forget: impl Fn(ControllerId)) {
    let Some(feed) = store.change_feed() else {
        return;
    };
    let mut standing = Standing::Current;
    loop {
        feed.time_to_look().await;
        let looked = directory.catch_up(&*store, feed).await;
        directory.take_gone().into_iter().for_each(&forget);
        let now = match &looked {
            Ok(()) => Standing::Current,
            Err(_) if directory.is_reliable() => Standing::Unknown,
            Err(_) => Standing::Unreliable,
        };
        if now != standing {
            let cause = looked.err().map(|error| error.to_string()).unwrap_or_default();
            report(now, &cause, directory.age().as_secs());
            standing = now;
        }
    }
}

/// Logs one line for each change of standing.
fn report(standing: Standing, cause: &str, age_seconds: u64) {
    match standing {
        Standing::Current => tracing::info!(target: "conduit::supervision", "the directory is current again"),
        Standing::Unknown => tracing::warn!(
            target: "conduit::supervision",
            cause, "the directory cannot be read: other nodes' changes are not seen until it can"
        ),
        Standing::Unreliable => tracing::error!(
            target: "conduit::supervision",
            cause, age_seconds, "the directory was not read for too long to rely on it: events are refused until it is"
        ),
    }
}

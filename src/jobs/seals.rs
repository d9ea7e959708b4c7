//! Seals older chains, once, and writes down this data directory's commits and acknowledgements.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::audit;
use crate::journal::NodeJournal;
use crate::store::{HEADS_INTERVAL, Store};

/// How long the sealing waits after the database was away.
const RETRY: Duration = Duration::from_secs(30);

/// Seals, then writes notes for as long as it runs.
pub(crate) async fn keep(store: Arc<dyn Store>, journal: Arc<dyn NodeJournal>, data_dir: PathBuf) {
    let sealing = async {
        let once = async || {
            audit::seal_pending(&*store).await?;
            audit::forget_deleted(&*store).await
        };
        while let Err(error) = once().await {
            tracing::warn!(target: "conduit::supervision", %error, "older audit chains cannot be sealed yet");
            tokio::time::sleep(RETRY).await;
        }
    };
    let noting = async {
        let mut is_failing = false;
        loop {
            tokio::time::sleep(HEADS_INTERVAL).await;
            is_failing = note(&*store, &*journal, &data_dir, is_failing);
        }
    };
    tokio::join!(sealing, noting);
}

/// Writes down the commits. Logs once that it fails. Returns whether it does.
pub(crate) fn note(store: &dyn Store, journal: &dyn NodeJournal, data_dir: &Path, is_failing: bool) -> bool {
    let written = store.heads().write(data_dir).and(journal.note_end());
    if let Err(error) = &written
        && !is_failing
    {
        tracing::warn!(target: "conduit::supervision", %error, "the ends of audit chains and journal cannot be noted in the data directory");
    }
    written.is_err()
}

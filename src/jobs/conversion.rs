//! Brings rows of former builds into today's form, beside the pipeline.

use std::sync::Arc;
use std::time::Duration;

use crate::store::Store;

/// How long the conversion waits after the database was away.
const RETRY: Duration = Duration::from_secs(30);
/// How long the pipeline has the database to itself between two steps.
const PAUSE: Duration = Duration::from_millis(20);

/// Converts until nothing is left. A start goes on where the last one was.
pub(crate) async fn run(store: Arc<dyn Store>) {
    let mut steps = 0_u64;
    loop {
        match store.convert().await {
            Ok(true) if steps == 0 => return,
            Ok(true) => {
                tracing::info!(target: "conduit::supervision", steps, "rows of a former build are converted");
                return;
            }
            Ok(false) => {
                if steps == 0 {
                    tracing::info!(target: "conduit::supervision", "rows of a former build are being converted");
                }
                steps += 1;
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => {
                tracing::warn!(target: "conduit::supervision", %error, "rows of a former build cannot be converted yet");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

//! Stores which credentials were used, and removes credentials whose grace period has ended.
//!
//! Every node does both, every `auth.usage_seconds`. A crash loses the use that is not stored yet; while the database
//! is away, it waits. A version whose grace period has ended serves nowhere from that moment. It is removed once all
//! nodes have had the time to store their observations. Then the statement whether its successor was used is true.

use std::sync::Arc;
use std::time::Duration;

use conduit_actors::ids::Timestamp;
use conduit_actors::ports::StoreError;
use conduit_actors::shard::Shards;
use conduit_actors::usage::{CredentialUse, UsageBooks};

use crate::store::{GraceEnded, Store};

/// Entries taken out of the books. They go back unless they were stored, even if the storing task is stopped.
struct UsageBatch<'a> {
    books: &'a UsageBooks,
    uses: Vec<CredentialUse>,
}

impl Drop for UsageBatch<'_> {
    fn drop(&mut self) {
        self.books.give_back(std::mem::take(&mut self.uses));
    }
}

/// Stores the observations since the last call.
///
/// # Errors
/// [`StoreError`]: they are stored the next time.
pub async fn store_uses(store: &dyn Store, books: &UsageBooks) -> Result<(), StoreError> {
    let mut taken = UsageBatch {
        uses: books.take(),
        books,
    };
    if !taken.uses.is_empty() {
        store.note_uses(&taken.uses).await?;
        taken.uses.clear();
    }
    Ok(())
}

/// Does both, again and again, for as long as it is polled.
pub async fn keep(store: Arc<dyn Store>, shards: Arc<Shards>, every: Duration) {
    let nodes_have_stored = i64::try_from(every.as_millis()).unwrap_or(i64::MAX).saturating_mul(2);
    loop {
        tokio::time::sleep(every).await;
        let before = Timestamp::from_millis(Timestamp::now().as_millis().saturating_sub(nodes_have_stored));
        let done = match store_uses(&*store, shards.usage()).await {
            Ok(()) => store.remove_ended(before).await,
            Err(error) => Err(error),
        };
        match done {
            Ok(ended) => ended.iter().for_each(report),
            // Other code, which waits for the database, reports its absence.
            Err(error) => tracing::debug!(%error, "the use of credentials cannot be stored yet"),
        }
    }
}

fn report(ended: &GraceEnded) {
    let GraceEnded {
        did,
        integration,
        at,
        successor_used,
    } = ended;
    let what = if integration.is_some() {
        "API key"
    } else {
        "webhook secret"
    };
    let integration = integration.map(|id| id.to_string()).unwrap_or_default();
    if *successor_used {
        tracing::info!(did = did.as_str(), integration, %at, "the grace of the previous {what} ended: it is removed");
    } else {
        tracing::warn!(
            did = did.as_str(),
            integration,
            %at,
            "the grace of the previous {what} ended, and the new one was never used: who still sends with the old one gets \
             401"
        );
    }
}

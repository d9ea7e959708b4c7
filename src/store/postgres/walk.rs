//! A month of activities on the way to being dropped: each record is verified before, a page at a time.

use std::time::Duration;

use conduit_actors::ids::{ControllerId, Timestamp};
use conduit_actors::ports::{ChainHead, StoreError};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::super::retention::{Prefix, keep_evidence};
use super::super::rows;
use super::PostgresStore;
use super::faults::OrStoreError as _;

/// How long a month may take to be counted.
pub(super) const PATIENCE: Duration = Duration::from_secs(900);

/// A chain whose beginning is in the month.
struct Stretch {
    controller: ControllerId,
    /// How far it is verified.
    verified: ChainHead,
    /// Records that are not yet.
    left: u64,
}

/// See the module's docs.
pub(super) struct Walk {
    pub(super) partition: String,
    stretches: Vec<Stretch>,
    verified: Vec<(ControllerId, ChainHead)>,
}

/// How far a walk has come.
pub(super) enum WalkStep {
    /// There is more to verify.
    On,
    /// All is verified: the month may go.
    Through,
    /// A chain does not verify: the month stays.
    Broken,
}

impl Walk {
    /// Begins one; none if the month has a record that must stay, or that an older one in another partition comes before.
    pub(super) async fn start(
        connection: &mut PgConnection,
        store: &PostgresStore,
        partition: String,
        before: Timestamp,
    ) -> Result<Option<Self>, StoreError> {
        let mut transaction = connection.begin().await.or_store_error()?;
        sqlx::query("SELECT set_config('statement_timeout', $1, true)")
            .bind(PATIENCE.as_millis().to_string())
            .execute(&mut *transaction)
            .await
            .or_store_error()?;
        // The name is made of a table's and of digits, see `partitions::before`.
        let counted = sqlx::query(AssertSqlSafe(format!(
            "SELECT a.controller, count(*) AS records, max(a.sequence) AS last, max(a.logged_at) AS logged_at \
             FROM {partition} a JOIN controllers c ON c.id = a.controller GROUP BY a.controller"
        )))
        .fetch_all(&mut *transaction)
        .await
        .or_store_error()?;
        transaction.commit().await.or_store_error()?;
        let mut stretches = Vec::with_capacity(counted.len());
        for row in &counted {
            let controller = ControllerId::from_uuid(rows::uuid(row, "controller")?);
            let (records, last): (u64, u64) = (rows::count(row, "records")?, rows::count(row, "last")?);
            let anchor = store.read_anchor(controller).await?;
            let is_beginning = anchor.head.sequence.0 + records == last;
            if !anchor.is_genuine || !is_beginning || rows::time(row, "logged_at")? >= before {
                return Ok(None);
            }
            stretches.push(Stretch {
                controller,
                verified: anchor.head,
                left: records,
            });
        }
        Ok(Some(Self {
            partition,
            stretches,
            verified: Vec::new(),
        }))
    }

    /// Verifies up to so many records.
    pub(super) async fn step(&mut self, store: &PostgresStore, limit: usize) -> Result<WalkStep, StoreError> {
        let Some(stretch) = self.stretches.last_mut() else {
            return Ok(WalkStep::Through);
        };
        let limit = usize::try_from(stretch.left).unwrap_or(limit).min(limit);
        let page = store
            .select_chain(stretch.controller, stretch.verified.sequence, limit)
            .await?;
        // All of them, whenever they were logged: the newest was looked at.
        let prefix = match Prefix::of(stretch.verified, &page, Timestamp::from_millis(i64::MAX)) {
            Ok(prefix) if !page.is_empty() => prefix,
            // The controller was deleted meanwhile.
            Ok(_) => return Ok(WalkStep::Broken),
            Err(fault) => {
                keep_evidence(stretch.controller, fault);
                return Ok(WalkStep::Broken);
            }
        };
        store.remember_first_seen(&prefix).await?;
        stretch.verified = prefix.anchor;
        stretch.left -= page.len() as u64;
        if stretch.left == 0 {
            self.verified.push((stretch.controller, stretch.verified));
            self.stretches.pop();
        }
        Ok(WalkStep::On)
    }

    /// Returns the chains' anchors after the month is dropped.
    pub(super) fn anchors(&self) -> &[(ControllerId, ChainHead)] {
        &self.verified
    }
}

//! Opens the journal and the dedup window: the state of unprocessed events.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use conduit_actors::ids::{EventId, Timestamp};
use conduit_actors::shard::Backlogs;

use super::end::end;
use super::live::journal_tuning;
use crate::config::Config;
use crate::dedup::{DedupWindows, LONGEST_WINDOW_MS, MemoryWindow, RedisWindow};
use crate::instance::{self, Home};
use crate::journal::{JournalOptions, JournalRecord, NodeJournal, Recovered};
use crate::keys::Keyring;
use crate::receipts::{Issue, Notary, receipt_key};
use crate::store::{ReceiptKeyRow, Store};

/// Starts the notary. Its public key is in the database before it signs anything.
pub(super) async fn start_notary(config: &Config, store: &dyn Store) -> Result<Option<Notary>> {
    if config.receipts.issue() == Issue::Never {
        return Ok(None);
    }
    let key = receipt_key(&config.receipts.key_file, &config.storage.data_dir)?;
    let row = ReceiptKeyRow {
        public_key: *key.public_key(),
        first_seen_at: Timestamp::now(),
    };
    store.add_receipt_key(&row).await?;
    let notary = Notary::start(key).context("cannot start the thread that signs receipts")?;
    Ok(Some(notary))
}

/// Reads the journal, and sees that it belongs to the database before anything in it is changed.
pub(super) async fn recover_journal(
    config: &Config,
    home: &Home,
    store: &dyn Store,
    keyring: &Arc<Keyring>,
) -> Result<(Recovered, JournalRecord)> {
    home.refuse_a_cut()?;
    let recovered = read_journal(config, store, keyring).await?;
    let record = instance::admit(home, config, store, keyring, recovered.findings()).await?;
    Ok((recovered, record))
}

/// Reads the journal against the store's checkpoints.
pub(crate) async fn read_journal(config: &Config, store: &dyn Store, keyring: &Arc<Keyring>) -> Result<Recovered> {
    let checkpoints = store.checkpoints().await?;
    let options = JournalOptions {
        dir: config.storage.data_dir.join("journal"),
        segment_bytes: config.journal.segment_bytes,
        max_bytes: config.journal.max_bytes,
        max_waiting: config.journal.max_waiting,
        notary: None,
        tuning: journal_tuning(config),
    };
    Ok(Recovered::read(options, Arc::clone(keyring), &checkpoints)?)
}

pub(super) fn start_journal(
    mut recovered: Recovered,
    record: JournalRecord,
    backlogs: &Arc<Backlogs>,
    notary: Option<Notary>,
) -> Result<Arc<dyn NodeJournal>> {
    recovered.attest_with(notary);
    let journal = recovered.start(Some(record), backlogs.clone(), Box::new(|what: &str| end(what)))?;
    let report = journal.report();
    tracing::info!(
        segments = report.segments,
        in_flight = report.in_flight_events,
        retained_segments = report.retained_segments,
        "journal opened"
    );
    Ok(Arc::new(journal))
}

/// Claims matter as far back as the longest window before the oldest event that is not processed yet.
pub(super) async fn warm_dedup(store: &dyn Store, dedup: &MemoryWindow, oldest: Option<Timestamp>) -> Result<()> {
    const PAGE: usize = 10_000;
    let now = Timestamp::now();
    let reaches = oldest.map_or(now, |oldest| oldest.min(now)).as_millis();
    let mut since = EventId::first_at(Timestamp::from_millis(reaches - LONGEST_WINDOW_MS));
    loop {
        let page = store.claims_since(since, PAGE).await?;
        for claim in &page {
            let ends = claim.event.received_at().as_millis() + i64::from(claim.window_seconds) * 1000;
            if ends > reaches {
                dedup.warm(claim.controller, claim.key, claim.event, claim.window_seconds);
            }
        }
        match page.last() {
            Some(last) if page.len() == PAGE => since = last.event,
            _ => break,
        }
    }
    tracing::info!(claims = dedup.report().claims, "dedup window warmed");
    Ok(())
}

/// Opens the warmed window alone, or behind Redis. A start works without an answering Redis.
pub(super) async fn open_dedup(config: &Config, memory: Arc<MemoryWindow>) -> Result<DedupWindows> {
    let Some(server) = config.dedup.redis_server().map_err(anyhow::Error::msg)? else {
        return Ok(DedupWindows::in_process(memory));
    };
    let timeout = Duration::from_millis(config.dedup.redis_timeout_ms);
    let max_backlog = Duration::from_secs(config.dedup.max_backlog_seconds);
    let redis = RedisWindow::new(server, timeout, max_backlog).context("cannot start the thread for Redis")?;
    Ok(DedupWindows::in_redis(redis, memory).await)
}

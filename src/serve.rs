//! The composition root: starts everything, in an order that matters, and stops it in reverse.
//!
//! 1. The data directory is locked, the keys are read: nothing works without them.
//! 2. The store opens and brings its schema up to date.
//! 3. The directory loads controllers and integrations, and with them the data keys.
//! 4. The journal opens against the store's checkpoints: it needs the data keys to know whose events it has.
//! 5. The dedup window is warmed with the claims that unprocessed events may still meet; Redis, if there is one, is told.
//! 6. The shards start and take up the journal's backlog.
//! 7. The directory follows what other nodes change, replays that were interrupted are taken up, and the use of
//!    credentials is stored from time to time.
//! 8. What is old enough is deleted from time to time.
//! 9. The server listens: from here on events are accepted.

mod stop;

use std::fs::File;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use anyhow::{Context as _, Result};
use conduit_actors::ids::{EventId, Timestamp};
use conduit_actors::mapping::DedupDefaults;
use conduit_actors::ports::StoreError;
use conduit_actors::shard::{Backlogs, PipelineOptions, Ports, Shards};
use conduit_actors::supervisor::{RestartPolicy, install_panic_hook};
use conduit_actors::taxonomy::Taxonomy;
use tokio::task::JoinHandle;

use crate::config::{Config, Database, or_cores};
use crate::credentials;
use crate::dedup::{DedupWindows, LONGEST_WINDOW_MS, MemoryWindow, RedisWindow};
use crate::directory::{LiveDirectory, follow};
use crate::http::{self, App};
use crate::journal::{JournalOptions, WalJournal};
use crate::keys::Keyring;
use crate::metrics::{Measured, Meters};
use crate::priority;
use crate::receipts::{Issue, Notary, receipt_key};
use crate::replays::{self, StoredReplays};
use crate::retention::RowRetention;
use crate::secrets;
use crate::store::{PostgresOptions, PostgresStore, ReceiptKeyRow, SqliteStore, Store, keep_pruned};
use crate::sweep::sweep;
use crate::telemetry::Tracer;
use crate::tls::ServerCertificate;
use stop::Signals;

/// A running Conduit.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// The operator's token.
    pub admin_token: conduit_actors::personal::Secret,
    app: Arc<App>,
    store: Arc<dyn Store>,
    server: ServerHandle,
    serving: JoinHandle<std::io::Result<()>>,
    following: JoinHandle<()>,
    replaying: JoinHandle<()>,
    noting: JoinHandle<()>,
    signals: Option<Signals>,
    retaining: JoinHandle<()>,
    pruning: JoinHandle<()>,
    sweeping: JoinHandle<()>,
    _lock: File,
}

/// Opens the store for a command that serves nothing.
///
/// # Errors
/// What is missing or wrong, and where.
pub async fn open_store(config: &Config) -> Result<(Arc<dyn Store>, Arc<Keyring>)> {
    let keyring = Arc::new(Keyring::new(secrets::master_key(&config.storage)?));
    let node = secrets::node_id(&config.storage.data_dir)?;
    let database = config.database();
    let keys = Arc::clone(&keyring);
    let store: Result<Arc<dyn Store>, StoreError> = match &database {
        Database::Sqlite(path) => SqliteStore::open(path, &node, keys)
            .await
            .map(|store| Arc::new(store) as _),
        Database::Postgres(url) => {
            let options = PostgresOptions {
                max_connections: config.storage.max_connections,
                ..PostgresOptions::default()
            };
            let opened = PostgresStore::open(url, &node, keys, options).await;
            opened.map(|store| Arc::new(store) as _)
        }
    };
    Ok((
        store.with_context(|| format!("cannot open the database {database}"))?,
        keyring,
    ))
}

/// Starts everything.
///
/// # Errors
/// What is missing or wrong, and where.
pub async fn start(config: Config) -> Result<Running> {
    install_panic_hook();
    let lock = secrets::lock_data_dir(&config.storage.data_dir)?;
    let admin_token = secrets::admin_token(&config.storage)?;
    let (store, keyring) = open_store(&config).await?;
    let directory = load_directory(&config, &*store, &keyring).await?;
    let memory = Arc::new(MemoryWindow::new(config.dedup.max_entries));

    let shards = or_cores(config.pipeline.shards);
    let backlogs = Arc::new(Backlogs::new(directory.clone(), shards));
    let notary = start_notary(&config, &*store).await?;
    let journal = open_journal(&config, &*store, &keyring, &backlogs, notary).await?;
    warm_dedup(&*store, &memory, journal.oldest_in_flight()).await?;
    let dedup = open_dedup(&config, memory).await?;
    let meters = Meters::default();
    let node = secrets::node_id(&config.storage.data_dir)?;
    let tracer = Tracer::start(&config.telemetry, &node).map_err(anyhow::Error::msg)?;
    let ports = Ports {
        directory: directory.clone(),
        journal: journal.clone(),
        dedup: dedup.port(),
        store: Arc::new(Measured::new(store.clone(), meters.clone())),
        replays: Arc::new(StoredReplays::new(store.clone())),
        traces: tracer.clone().map(|tracer| tracer as _),
    };
    let shards = Arc::new(Shards::start(pipeline_options(&config, shards), ports, Arc::clone(&backlogs)).await);

    let listen = config.server.listen;
    let listener = http::bind(listen).with_context(|| format!("cannot listen on {listen}"))?;
    let address = listener.local_addr()?;
    let public_url = match config.server.public_url.trim_end_matches('/') {
        "" => format!("{}://{address}", config.server.scheme()),
        url => url.to_owned(),
    };
    let retention = RowRetention::new(store.clone(), journal.clone(), config.retention.clone(), meters.clone());
    let app = Arc::new(App::new(http::Parts {
        public_url,
        admin: admin_token.hash(),
        store: store.clone(),
        directory,
        keyring,
        journal,
        dedup,
        shards,
        backlogs,
        meters,
        tracer,
        retention,
        config,
    }));
    let replaying = replays::keep(store.clone(), app.backlogs.clone(), app.config.replay.lease());
    let replaying = tokio::task::spawn_local(replaying);
    let following = tokio::task::spawn_local(follow(store.clone(), app.directory.clone(), {
        let app = Arc::clone(&app);
        move |controller| app.forget(controller)
    }));
    let noting = tokio::task::spawn_local(credentials::keep(
        store.clone(),
        app.shards.clone(),
        Duration::from_secs(app.config.auth.usage_seconds),
    ));
    let certificate = app.config.server.certificate().map(ServerCertificate::open);
    let certificate = certificate.transpose().map_err(anyhow::Error::msg)?;
    let server = http::run(Arc::clone(&app), listener, certificate.as_ref())?;
    let pruning = tokio::task::spawn_local(keep_pruned(store.clone()));
    let (directory, keyring) = (app.directory.clone(), app.keyring.clone());
    let sweeping = tokio::task::spawn_local(sweep(store.clone(), directory, keyring));
    let retaining = tokio::task::spawn_local({
        let app = Arc::clone(&app);
        async move { app.retention.keep().await }
    });
    let handle = server.handle();
    let serving = tokio::task::spawn_local(server);
    if let Some(certificate) = certificate {
        tokio::task::spawn_local(certificate.follow());
    }
    tracing::info!(%address, scheme = app.config.server.scheme(), "listening");
    Ok(Running {
        address,
        admin_token,
        app,
        store,
        server: handle,
        serving,
        following,
        replaying,
        noting,
        signals: None,
        retaining,
        pruning,
        sweeping,
        _lock: lock,
    })
}

async fn load_directory(config: &Config, store: &dyn Store, keyring: &Arc<Keyring>) -> Result<Arc<LiveDirectory>> {
    let file = &config.taxonomy.file;
    let taxonomy = if file.as_os_str().is_empty() {
        Taxonomy::bundled()
    } else {
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        Taxonomy::parse(&text).with_context(|| file.display().to_string())?
    };
    let defaults = DedupDefaults {
        window_seconds: config.dedup.window_seconds,
    };
    // Where nobody else changes anything, what is here is right.
    let valid_for = store.change_feed().and(match config.storage.credentials_valid_seconds {
        0 => None,
        seconds => Some(Duration::from_secs(seconds)),
    });
    let directory = LiveDirectory::new(Arc::clone(keyring), Arc::new(taxonomy), defaults, valid_for);
    let directory = Arc::new(directory.with_limits(config.limits));
    directory.load(store).await?;
    Ok(directory)
}

/// The public key is in the database before anything is signed with it.
async fn start_notary(config: &Config, store: &dyn Store) -> Result<Option<Notary>> {
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

async fn open_journal(
    config: &Config,
    store: &dyn Store,
    keyring: &Arc<Keyring>,
    backlogs: &Arc<Backlogs>,
    notary: Option<Notary>,
) -> Result<Arc<WalJournal>> {
    let checkpoints = store.checkpoints().await?;
    let options = JournalOptions {
        dir: config.storage.data_dir.join("journal"),
        segment_bytes: config.journal.segment_bytes,
        max_bytes: config.journal.max_bytes,
        max_bytes_per_controller: config.journal.max_bytes_per_controller,
        max_waiting: config.journal.max_waiting,
        batch_events: config.journal.batch_events,
        gather: Duration::from_micros(config.journal.gather_micros),
        tail_bytes: config.journal.tail_bytes,
        notary,
        retention: config.retention.of_payloads(),
    };
    let fatal = Box::new(|what: &str| {
        tracing::error!("{what}");
        // Nothing may run on that could acknowledge an event: not even destructors.
        #[allow(clippy::disallowed_methods)]
        std::process::exit(1);
    });
    let journal = WalJournal::open(options, Arc::clone(keyring), &checkpoints, backlogs.clone(), fatal)?;
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
async fn warm_dedup(store: &dyn Store, dedup: &MemoryWindow, oldest: Option<Timestamp>) -> Result<()> {
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

/// The warmed window alone, or behind Redis. A Redis that does not answer is no reason not to start.
async fn open_dedup(config: &Config, memory: Arc<MemoryWindow>) -> Result<DedupWindows> {
    let Some(server) = config.dedup.redis_server().map_err(anyhow::Error::msg)? else {
        return Ok(DedupWindows::in_process(memory));
    };
    let timeout = Duration::from_millis(config.dedup.redis_timeout_ms);
    let max_backlog = Duration::from_secs(config.dedup.max_backlog_seconds);
    let redis = RedisWindow::new(server, timeout, max_backlog).context("cannot start the thread for Redis")?;
    Ok(DedupWindows::in_redis(redis, memory).await)
}

fn pipeline_options(config: &Config, shards: usize) -> PipelineOptions {
    let pipeline = &config.pipeline;
    PipelineOptions {
        shards,
        batch_events: pipeline.batch_events,
        batch_bytes: pipeline.batch_bytes,
        replay_events: config.replay.batch_events,
        mailbox_capacity: pipeline.mailbox_capacity,
        cached_links: pipeline.cached_links,
        restart: RestartPolicy {
            backoff_initial: Duration::from_millis(pipeline.restart_backoff_initial_ms),
            backoff_max: Duration::from_millis(pipeline.restart_backoff_max_ms),
            budget: pipeline.restart_budget,
            window: Duration::from_secs(pipeline.restart_window_seconds),
        },
        max_attempts: pipeline.max_attempts,
        retry_max: Duration::from_millis(pipeline.retry_max_ms),
        on_thread_start: priority::lower,
        core_wait: priority::core_wait,
        senders_tolerated: pipeline.senders_tolerated,
    }
}

impl Running {
    /// Waits for SIGTERM or SIGINT, or for the server to end by itself.
    ///
    /// # Errors
    /// The server's.
    pub async fn until_signal(&mut self) -> Result<()> {
        // Kept for the stop, which a second one makes faster.
        let signals = self.signals.insert(Signals::listen()?);
        tokio::select! {
            name = signals.next() => tracing::info!("{name}: stopping"),
            ended = &mut self.serving => ended??,
        }
        Ok(())
    }
}

//! The composition root: starts everything, in an order that matters, and stops it in reverse.
//!
//! 1. The data directory and an SQLite file are locked, and the keys are read, because everything needs them. The
//!    address is taken.
//! 2. The store opens and brings its schema up to date, unless it is a stranger's. While PostgreSQL is away, the start
//!    waits. During a wait, and during a step that takes long, probes are answered.
//! 3. The directory loads controllers and integrations, and with them the data keys.
//! 4. The journal is read against the store's checkpoints. It needs the data keys to know the controllers of its
//!    events. If it belongs to the database (`instance.rs`), it opens.
//! 5. The dedup window is warmed with the claims that unprocessed events may still meet. Redis gets them too.
//! 6. The shards start with the journal's backlog.
//! 7. The directory follows other nodes' changes, interrupted replays continue, and the use of credentials is stored
//!    from time to time.
//! 8. Old rows are deleted from time to time.
//! 9. The server listens: from here on events are accepted.

mod end;
mod faces;
mod journal;
mod live;
mod reload;
pub(crate) mod settings;
mod signals;
mod stop;
mod store;
mod waiting;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::web::Data;
use anyhow::{Context as _, Result};
use conduit_actors::ids::Timestamp;
use conduit_actors::log_limit::MINUTE;
use conduit_actors::mapping::DedupDefaults;
use conduit_actors::shard::{Backlogs, PipelineOptions, Ports, Shards};
use conduit_actors::supervisor::{RestartPolicy, install_panic_hook};
use tokio::task::JoinHandle;

use crate::app::{ConfigurationState, DatabaseState, Services, Turns, readiness};
use crate::config::ConfigError;
use crate::config::{Config, LiveConfig, or_cores};
use crate::dashboard;
use crate::dedup::MemoryWindow;
use crate::directory::LiveDirectory;
use crate::http::{self, EdgeState};
use crate::instance::hold::{self, DatabaseLock, Locks};
use crate::instance::{self, Home, Presence};
use crate::jobs::replays::{self, StoredReplays};
use crate::jobs::retention::RowRetention;
use crate::jobs::{admission, conversion, credentials, follow, prune_history, seals, sweep};
use crate::keys::Keyring;
use crate::metrics::{Measured, Meters, Metrics, Reports};
use crate::priority;
use crate::receipts::PublicKeys;
use crate::secrets;
use crate::store::Store;
use crate::telemetry::Tracer;
use crate::tls::ServerCertificate;
use crate::{descriptors, logging, permissions};
use end::end;
use faces::Faces;
pub(crate) use journal::read_journal;
use journal::{open_dedup, recover_journal, start_journal, start_notary, warm_dedup};
use live::batch_options;
use reload::Reloading;
pub(crate) use reload::{Hangups, withstand_signals};
pub(crate) use signals::Signals;
pub use store::open_store;
pub(crate) use store::{lock_database, open_own_store, open_store_if};
use waiting::Wait;
pub use waiting::{Interrupted, Misconfigured};

/// A running Conduit.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// The operator's token.
    pub admin_token: conduit_actors::personal::Secret,
    services: Arc<Services>,
    tracer: Option<Arc<Tracer>>,
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
    sealing: JoinHandle<()>,
    converting: JoinHandle<()>,
    read: Config,
    certificate: Option<Arc<ServerCertificate>>,
    presence: Presence,
    _locks: Locks,
    /// Freed once the database is closed.
    _database_lock: Option<DatabaseLock>,
}

/// Starts everything.
///
/// # Errors
/// The missing or wrong part, and its place.
pub async fn start(mut config: Config) -> Result<Running> {
    install_panic_hook();
    let (read, read_at) = (config.clone(), Timestamp::now());
    limit_connections(&mut config)?;
    permissions::restrict_new_files();
    let locks = hold::lock_data_dir(&config.storage.data_dir)?;
    permissions::mend(&config);
    let home = Home::open(&config)?;
    let database_lock = lock_database(&config)?;
    let listen = config.server.listen;
    let listener = http::bind(listen).with_context(|| format!("cannot listen on {listen}"))?;
    let address = listener.local_addr()?;
    let certificate = config.server.certificate().map(ServerCertificate::open);
    let certificate = certificate.transpose().map_err(anyhow::Error::msg)?;
    let mut wait = Wait::new(&config, &listener, certificate.as_ref());
    let (store, keyring) = wait.open(async || open_own_store(&config, &home).await).await?;
    let compare = async || instance::compare_ids(&home, &config, &*store, &keyring).await;
    wait.answered("reading the database's id", compare).await?;
    let load = async || load_directory(&config, &*store, &keyring).await;
    let directory = wait.answered("reading controllers and integrations", load).await?;
    let memory = Arc::new(MemoryWindow::new(config.dedup.max_entries));

    let shards = or_cores(config.pipeline.shards);
    let backlogs = Arc::new(Backlogs::new(directory.clone(), shards));
    let recover = async || recover_journal(&config, &home, &*store, &keyring).await;
    let (recovered, record) = wait.answered("reading the journal", recover).await?;
    let begin = async || Presence::begin(&config, &home, store.clone()).await;
    let presence = wait.answered("taking hold of this node in the database", begin).await?;
    let admin_token = secrets::admin_token(&config.storage)?;
    let begin = async || start_notary(&config, &*store).await;
    let notary = wait.answered("storing the key of receipts", begin).await?;
    let journal = start_journal(recovered, record, &backlogs, notary)?;
    let oldest = journal.oldest_in_flight();
    let warm = async || warm_dedup(&*store, &memory, oldest).await;
    wait.answered("reading the dedup windows", warm).await?;
    let dedup = open_dedup(&config, memory).await?;
    let meters = Meters::default();
    let tracer = Tracer::start(&config.telemetry, home.node()).map_err(anyhow::Error::msg)?;
    let ports = Ports {
        directory: directory.clone(),
        journal: journal.clone(),
        dedup: dedup.port(),
        store: Arc::new(Measured::new(store.clone(), meters.clone())),
        replays: Arc::new(StoredReplays::new(store.clone())),
        traces: tracer.clone().map(|tracer| tracer as _),
    };
    let shards = Arc::new(Shards::start(pipeline_options(&config, shards), ports, Arc::clone(&backlogs)).await);

    let signals = wait.end().await;
    let edge = Arc::new(EdgeState::new(&config, meters.clone(), tracer.clone()));
    let dashboard = dashboard::State::new(&config, keyring.master());
    let live = LiveConfig::new(config.clone());
    let retention = RowRetention::new(store.clone(), journal.clone(), live.clone(), meters.clone());
    let services = Arc::new(Services {
        public_url: config.server.base_url(address),
        admin: admin_token.hash(),
        store: store.clone(),
        directory: directory.clone(),
        keyring: keyring.clone(),
        journal: journal.clone(),
        dedup: dedup.clone(),
        shards: shards.clone(),
        backlogs: backlogs.clone(),
        retention,
        config: live,
        configuration: ConfigurationState::new(read_at),
        receipt_keys: PublicKeys::default(),
        database: DatabaseState::default(),
        trials: Arc::default(),
        mapping_turns: Turns::default(),
        stopping: AtomicBool::new(false),
    });
    let reports = Reports {
        journal: journal.clone(),
        shards: shards.clone(),
        dedup,
        directory: directory.clone(),
        tracer: tracer.clone(),
        edge: edge.clone(),
    };
    let metrics = Metrics::new(&meters, journal.meters(), reports);
    let replaying = tokio::task::spawn_local(replays::keep(store.clone(), backlogs, config.replay.lease()));
    let following = tokio::task::spawn_local(follow(store.clone(), directory.clone(), {
        let services = Arc::clone(&services);
        move |controller| services.forget(controller)
    }));
    let noting = tokio::task::spawn_local(credentials::keep(
        store.clone(),
        shards.clone(),
        Duration::from_secs(config.auth.usage_seconds),
    ));
    let faces = Faces {
        services: Data::from(Arc::clone(&services)),
        metrics: Data::new(metrics),
        dashboard: config.dashboard.enabled.then(|| Data::new(dashboard)),
    };
    let server = http::run(Arc::clone(&edge), listener, certificate.as_ref(), move |routes| {
        faces.add_to(routes)
    })?;
    tokio::task::spawn_local(admission::keep(Arc::clone(&services.shards), journal.clone()));
    let pruning = tokio::task::spawn_local(prune_history(store.clone()));
    let sweeping = tokio::task::spawn_local(sweep(store.clone(), directory, keyring));
    let data_dir = config.storage.data_dir.clone();
    let sealing = tokio::task::spawn_local(seals::keep(store.clone(), journal, data_dir));
    let converting = tokio::task::spawn_local(conversion::run(store.clone()));
    let retaining = tokio::task::spawn_local({
        let services = Arc::clone(&services);
        async move { services.retention.keep().await }
    });
    tokio::task::spawn_local(readiness::watch(Arc::clone(&services)));
    tokio::task::spawn_local(sum_up_refusals(edge));
    let handle = server.handle();
    let serving = tokio::task::spawn_local(server);
    if let Some(certificate) = &certificate {
        tokio::task::spawn_local(Arc::clone(certificate).follow());
    }
    tokio::task::spawn_local(logging::report_losses());
    tokio::task::spawn_local(presence.clone().keep(end));
    tracing::info!(%address, scheme = config.server.scheme(), "listening");
    Ok(Running {
        address,
        admin_token,
        services,
        tracer,
        store,
        server: handle,
        serving,
        following,
        replaying,
        noting,
        signals,
        retaining,
        pruning,
        sweeping,
        sealing,
        converting,
        read,
        certificate,
        presence,
        _locks: locks,
        _database_lock: database_lock,
    })
}

/// Limits connections to the number that the system's limit of open files allows.
fn limit_connections(config: &mut Config) -> Result<(), descriptors::TooFew> {
    let limit = descriptors::raise_limit();
    let configured = config.server.max_connections;
    let most = descriptors::connections_per_thread(config, limit)?;
    if most < configured {
        tracing::info!(
            open_files = limit.unwrap_or_default(),
            connections_per_thread = most,
            configured,
            "fewer connections than server.max_connections: the system's limit of open files leaves no more"
        );
    }
    config.server.max_connections = most;
    Ok(())
}

pub(crate) async fn load_directory(
    config: &Config,
    store: &dyn Store,
    keyring: &Arc<Keyring>,
) -> Result<Arc<LiveDirectory>> {
    let taxonomy = config.taxonomy.read().map_err(anyhow::Error::msg)?;
    let defaults = DedupDefaults {
        window_seconds: config.dedup.window_seconds,
    };
    // Without other writers, the directory is current.
    let valid_for = store.change_feed().and(match config.storage.credentials_valid_seconds {
        0 => None,
        seconds => Some(Duration::from_secs(seconds)),
    });
    let directory = LiveDirectory::new(Arc::clone(keyring), Arc::new(taxonomy), defaults, valid_for);
    directory.set_limits(config.limits);
    let directory = Arc::new(directory);
    directory.load(store).await?;
    Ok(directory)
}

/// Sums up refusals in the log once a minute, for as long as it is polled.
async fn sum_up_refusals(edge: Arc<EdgeState>) {
    loop {
        tokio::time::sleep(MINUTE).await;
        edge.sum_up_refusals();
    }
}

fn pipeline_options(config: &Config, shards: usize) -> PipelineOptions {
    let pipeline = &config.pipeline;
    PipelineOptions {
        shards,
        batches: batch_options(config),
        mailbox_capacity: pipeline.mailbox_capacity,
        cached_links: pipeline.cached_links,
        restart: RestartPolicy {
            backoff_initial: Duration::from_millis(pipeline.restart_backoff_initial_ms),
            backoff_max: Duration::from_millis(pipeline.restart_backoff_max_ms),
            budget: pipeline.restart_budget,
            window: Duration::from_secs(pipeline.restart_window_seconds),
        },
        max_attempts: pipeline.max_attempts,
        on_thread_start: priority::lower,
        admission: config.admission.options(),
    }
}

impl Running {
    /// Reads the configuration again at each SIGHUP, by `load`, and applies the settings that can change while serving.
    pub(crate) fn reload_at(
        &self,
        hangups: Hangups,
        load: impl Fn() -> Result<Config, ConfigError> + Send + Sync + 'static,
    ) {
        let reloading = Reloading {
            load: Arc::new(load),
            start: self.read.clone(),
            certificate: self.certificate.clone(),
            services: Arc::clone(&self.services),
        };
        tokio::task::spawn_local(reloading.follow(hangups));
    }

    /// Waits for SIGTERM, SIGINT or SIGQUIT, or for the server to end by itself.
    ///
    /// # Errors
    /// The server's.
    pub async fn until_signal(&mut self) -> Result<()> {
        // Kept for the stop, which a second one makes faster.
        let signals = match &mut self.signals {
            Some(signals) => signals,
            none => none.insert(Signals::listen()?),
        };
        tokio::select! {
            name = signals.next() => tracing::info!("{name}: stopping"),
            ended = &mut self.serving => ended??,
        }
        Ok(())
    }
}

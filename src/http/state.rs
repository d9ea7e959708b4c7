//! What handlers share.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::HttpRequest;
use actix_web::http::header::HeaderValue;
use conduit_actors::ids::ControllerId;
use conduit_actors::personal::CredentialHash;
use conduit_actors::shard::{Backlogs, Shards};

use super::bodies::Bodies;
use super::client;
use super::connections::Connections;
use super::database::DatabaseState;
use super::failures::Failures;
use super::quota::Turns;
use super::refusals::Refusals;
use super::trial::Trials;
use crate::config::Config;
use crate::dashboard;
use crate::dedup::DedupWindows;
use crate::directory::LiveDirectory;
use crate::journal::NodeJournal;
use crate::keys::Keyring;
use crate::metrics::{Meters, Metrics, Reports};
use crate::receipts::PublicKeys;
use crate::retention::RowRetention;
use crate::store::Store;
use crate::telemetry::Tracer;

/// The parts of a running Conduit, as handlers need them.
pub struct App {
    /// What is in force.
    pub config: Config,
    /// Base of the webhook URLs that are handed out.
    pub public_url: String,
    /// The operator's token.
    pub admin: CredentialHash,
    /// The database.
    pub store: Arc<dyn Store>,
    /// Controllers and integrations in memory.
    pub directory: Arc<LiveDirectory>,
    /// Data keys.
    pub keyring: Arc<Keyring>,
    /// Where events are durable.
    pub journal: Arc<dyn NodeJournal>,
    /// The dedup windows.
    pub dedup: DedupWindows,
    /// The pipeline.
    pub shards: Arc<Shards>,
    /// Where the pipeline hears of replays.
    pub backlogs: Arc<Backlogs>,
    /// What is counted as it happens.
    pub meters: Meters,
    /// What deletes old rows.
    pub retention: RowRetention,
    /// What is shown at `/metrics`.
    pub metrics: Metrics,
    /// Makes spans; none while tracing is off.
    pub tracer: Option<Arc<Tracer>>,
    /// The public keys of receipts.
    pub receipt_keys: PublicKeys,
    /// Sessions of the dashboard.
    pub(crate) dashboard: dashboard::State,
    /// What is known of the database without asking it.
    pub(crate) database: DatabaseState,
    pub(crate) refusals: Refusals,
    /// What every answer over TLS says: come by TLS only (RFC 6797). None: nothing.
    pub(super) hsts: Option<HeaderValue>,
    pub(super) failures: Failures,
    /// Open connections.
    pub(crate) connections: Arc<Connections>,
    /// Bodies in memory.
    pub(crate) bodies: Arc<Bodies>,
    pub(super) trials: Arc<Trials>,
    pub(super) mapping_turns: Turns,
    stopping: AtomicBool,
}

/// Everything that [`App::new`] takes.
#[allow(missing_docs)] // As in `App`.
pub struct Parts {
    pub config: Config,
    pub public_url: String,
    pub admin: CredentialHash,
    pub store: Arc<dyn Store>,
    pub directory: Arc<LiveDirectory>,
    pub keyring: Arc<Keyring>,
    pub journal: Arc<dyn NodeJournal>,
    pub dedup: DedupWindows,
    pub shards: Arc<Shards>,
    pub backlogs: Arc<Backlogs>,
    pub meters: Meters,
    pub tracer: Option<Arc<Tracer>>,
    pub retention: RowRetention,
}

impl App {
    /// Puts the parts together.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let auth = &parts.config.auth;
        let window = std::time::Duration::from_secs(auth.failure_window_seconds);
        let failures = Failures::new(auth.max_failures, window, auth.max_tracked_addresses);
        let Parts {
            config,
            public_url,
            admin,
            store,
            directory,
            keyring,
            journal,
            dedup,
            shards,
            backlogs,
            meters,
            tracer,
            retention,
        } = parts;
        let connections = Arc::new(Connections::new(&config.server));
        let bodies = Arc::new(Bodies::new(
            config.server.max_in_flight_bytes,
            config.server.max_body_bytes,
        ));
        let reports = Reports {
            journal: Arc::clone(&journal),
            shards: Arc::clone(&shards),
            dedup: dedup.clone(),
            directory: Arc::clone(&directory),
            tracer: tracer.clone(),
            bodies: Arc::clone(&bodies),
            connections: Arc::clone(&connections),
        };
        let metrics = Metrics::new(&meters, journal.meters(), reports);
        let dashboard = dashboard::State::new(&config, keyring.master());
        let server = &config.server;
        let hsts = (server.certificate().is_some() && server.hsts_seconds > 0)
            .then(|| HeaderValue::from_str(&format!("max-age={}", server.hsts_seconds)).ok())
            .flatten();
        Self {
            config,
            public_url,
            admin,
            store,
            directory,
            keyring,
            journal,
            dedup,
            shards,
            backlogs,
            meters,
            retention,
            metrics,
            tracer,
            receipt_keys: PublicKeys::default(),
            dashboard,
            database: DatabaseState::default(),
            refusals: Refusals::default(),
            hsts,
            failures,
            bodies,
            connections,
            trials: Arc::default(),
            mapping_turns: Turns::default(),
            stopping: AtomicBool::new(false),
        }
    }

    /// Readiness says no from now on.
    pub fn begin_stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Drops what there is of controllers that are deleted, on this node or another.
    pub(crate) fn forget_gone(&self) {
        self.directory
            .take_gone()
            .into_iter()
            .for_each(|controller| self.forget(controller));
    }

    /// Drops a deleted controller's stream and claims.
    pub fn forget(&self, controller: ControllerId) {
        self.journal.forget(controller);
        self.dedup.port().forget(controller);
    }

    /// How many events are in flight here: of one controller, or of all.
    pub(crate) fn in_flight(&self, controller: Option<ControllerId>) -> u64 {
        let backlog = self.journal.backlog().into_iter();
        let own = backlog.filter(|(id, _)| controller.is_none_or(|wanted| wanted == *id));
        own.map(|(_, position)| position.last.0.saturating_sub(position.released.0))
            .sum()
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Whose address a request comes from: the peer's, or what trusted proxies say.
    pub(crate) fn client_address(&self, request: &HttpRequest) -> IpAddr {
        let server = &self.config.server;
        let peer = request.peer_addr().map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.ip());
        client::address(
            peer,
            request.headers(),
            &server.trusted_proxies,
            server.forwarded_header,
        )
    }
}

//! The sections, each with its settings. A section that has more to it than its settings has a file of its own.

use std::path::PathBuf;

use conduit_actors::limits::Limits;
use serde::{Deserialize, Serialize};

use super::admission::AdmissionConfig;
use super::dashboard::DashboardConfig;
use super::mappings::MappingsConfig;
use super::receipts::ReceiptsConfig;
use super::replay::ReplayConfig;
use super::retention::RetentionConfig;
use super::server::ServerConfig;
use super::taxonomy::TaxonomyConfig;
use super::telemetry::TelemetryConfig;

macro_rules! section {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $kind:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Deserialize, Serialize)]
        #[serde(deny_unknown_fields)]
        #[allow(missing_docs)] // Each is documented in config/default.toml.
        pub struct $name { $(pub $field: $kind),* }
    };
}

section! {
    /// All of it.
    Config {
        server: ServerConfig,
        auth: AuthConfig,
        storage: StorageConfig,
        journal: JournalConfig,
        admission: AdmissionConfig,
        retention: RetentionConfig,
        pipeline: PipelineConfig,
        replay: ReplayConfig,
        dedup: DedupConfig,
        limits: Limits,
        mappings: MappingsConfig,
        receipts: ReceiptsConfig,
        taxonomy: TaxonomyConfig,
        dashboard: DashboardConfig,
        logging: LoggingConfig,
        telemetry: TelemetryConfig,
    }
}
section! {
    /// `[auth]`
    AuthConfig {
        max_failures: u32,
        failure_window_seconds: u64,
        max_tracked_addresses: usize,
        usage_seconds: u64,
    }
}
section! {
    /// `[storage]`
    StorageConfig {
        data_dir: PathBuf,
        database_url: String,
        max_connections: u32,
        credentials_valid_seconds: u64,
        master_key_file: PathBuf,
        admin_token: String,
    }
}
section! {
    /// `[journal]`
    JournalConfig {
        segment_bytes: u64,
        max_bytes: u64,
        max_bytes_per_controller: u64,
        max_waiting: usize,
        batch_events: usize,
        gather_micros: u64,
        tail_bytes: usize,
    }
}
section! {
    /// `[pipeline]`
    PipelineConfig {
        shards: usize,
        batch_events: usize,
        batch_bytes: usize,
        mailbox_capacity: usize,
        cached_links: usize,
        restart_backoff_initial_ms: u64,
        restart_backoff_max_ms: u64,
        restart_budget: usize,
        restart_window_seconds: u64,
        max_attempts: u32,
        retry_max_ms: u64,
    }
}
section! {
    /// `[dedup]`
    DedupConfig {
        window_seconds: u32,
        max_entries: usize,
        redis_url: String,
        redis_ca_file: PathBuf,
        redis_timeout_ms: u64,
        max_backlog_seconds: u64,
    }
}
section! {
    /// `[logging]`
    LoggingConfig { filter: String, format: String }
}

//! The configuration: defaults, file, environment, in this order; checked as a whole.
//!
//! `config/default.toml` documents every key. Unknown keys are errors. Each value is read as the kind that its default is.
//! This module checks keys, kinds and ranges, and imports nothing of the crate. Other modules check what only they can
//! judge, such as certificates and keys. `serve::settings` puts both together.

mod admission;
mod categories;
mod check;
mod dashboard;
mod database;
mod difference;
pub(crate) mod environment;
mod error;
mod layers;
mod limits;
mod live;
mod load;
mod mappings;
mod network;
mod range;
mod receipts;
mod redis;
mod reference;
mod replay;
mod retention;
mod sections;
mod server;
mod suggest;
mod taxonomy;
mod telemetry;
pub mod text_file;
mod value;

pub use admission::AdmissionConfig;
pub use categories::categories;
pub use check::Check;
pub use dashboard::DashboardConfig;
pub use database::Database;
pub(crate) use database::{CERTIFICATES, KEYS, ROOTS, check as check_database_url, escape_fault, file_of, is_postgres};
pub use difference::{SettingChange, differences};
pub use error::ConfigError;
pub use live::LiveConfig;
pub use mappings::MappingsConfig;
pub use network::Network;
pub use range::or_cores;
pub use receipts::{Issue, ReceiptsConfig};
pub use redis::redacted;
pub use reference::reference;
pub use replay::ReplayConfig;
pub use retention::RetentionConfig;
pub use sections::{AuthConfig, Config, DedupConfig, JournalConfig, LoggingConfig, PipelineConfig, StorageConfig};
pub use server::{CertificateFiles, ForwardedHeader, ServerConfig};
pub use taxonomy::TaxonomyConfig;
pub use telemetry::TelemetryConfig;

/// The defaults, and the documentation of every key.
pub const DEFAULTS: &str = include_str!("../config/default.toml");

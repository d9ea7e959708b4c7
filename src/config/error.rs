//! Why a configuration cannot be used.

/// The faults of a configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A key or a value is invalid, or a file cannot be read.
    #[error("configuration: {0}")]
    Invalid(String),
    /// Values are out of their range.
    #[error("configuration: {}", .0.join("; "))]
    OutOfRange(Vec<String>),
}

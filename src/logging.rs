//! Logs: text for people, JSON for machines, on standard error.

pub(crate) mod supervision;

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::LoggingConfig;

/// Starts logging. Call once.
///
/// # Errors
/// What is wrong with the filter.
pub fn init(config: &LoggingConfig) -> Result<(), String> {
    let filter = EnvFilter::try_new(&config.filter).map_err(|error| format!("logging.filter: {error}"))?;
    let text = match config.format.as_str() {
        "text" => true,
        "json" => false,
        _ => std::io::stderr().is_terminal(),
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_span_events(FmtSpan::NONE)
        .with_ansi(text && std::io::stderr().is_terminal());
    if text {
        builder.finish().with(supervision::Keep).init();
    } else {
        let json = builder.json().with_current_span(true).with_span_list(false);
        json.finish().with(supervision::Keep).init();
    }
    Ok(())
}

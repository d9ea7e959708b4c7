//! Logs: text for people, JSON for machines, on standard error.

pub(crate) mod supervision;

use std::fmt;
use std::io::IsTerminal as _;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer};

use crate::config::LoggingConfig;

/// What reads requests from a connection, and writes answers to it, in the framework. It takes what strangers send for
/// errors of its own.
const CONNECTIONS: [&str; 2] = ["actix_http::h1::dispatcher", "actix_http::h1::decoder"];

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
        builder.finish().with(LowerStrangers).with(supervision::Keep).init();
    } else {
        let json = builder.json().with_current_span(true).with_span_list(false);
        json.finish().with(LowerStrangers).with(supervision::Keep).init();
    }
    Ok(())
}

/// Logs what is wrong with one connection at debug, so that no stranger can raise alarms. What we refuse ourselves has lines
/// of its own.
struct LowerStrangers;

impl<S: Subscriber> Layer<S> for LowerStrangers {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        if *metadata.level() > Level::INFO || !CONNECTIONS.contains(&metadata.target()) {
            return true;
        }
        let mut cause = Message::default();
        event.record(&mut cause);
        tracing::debug!(cause = cause.0, "an HTTP/1.1 connection broke off");
        false
    }
}

/// The message of an event.
#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

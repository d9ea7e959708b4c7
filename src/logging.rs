//! Logs: text for people, JSON for machines, on standard error.

pub(crate) mod supervision;
mod writer;

use std::io::IsTerminal as _;
use std::sync::OnceLock;

use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, reload};

use crate::config::{Config, LoggingConfig};
pub use writer::{lost_lines, report_losses};

/// Puts another filter in force.
type SetFilter = Box<dyn Fn(EnvFilter) -> Result<(), String> + Send + Sync>;

static SET_FILTER: OnceLock<SetFilter> = OnceLock::new();

/// Starts logging. Call once.
///
/// # Errors
/// The fault of the filter.
pub fn init(config: &LoggingConfig) -> Result<(), String> {
    let filter = filter(&config.filter)?;
    let text = match config.format.as_str() {
        "text" => true,
        "json" => false,
        _ => std::io::stderr().is_terminal(),
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer::StandardError)
        .log_internal_errors(false)
        .with_span_events(FmtSpan::NONE)
        .with_ansi(text && std::io::stderr().is_terminal());
    if text {
        let text = builder.with_filter_reloading();
        keep_handle(text.reload_handle());
        text.finish().with(supervision::Keep).init();
    } else {
        let json = builder.json().with_current_span(true).with_span_list(false);
        let json = json.with_filter_reloading();
        keep_handle(json.reload_handle());
        json.finish().with(supervision::Keep).init();
    }
    Ok(())
}

/// Reads a filter.
///
/// # Errors
/// The fault of the filter.
fn filter(text: &str) -> Result<EnvFilter, String> {
    const LEVELS: [&str; 8] = ["off", "error", "warn", "info", "debug", "trace", "warning", "none"];
    for part in text.split(',').map(str::trim) {
        let level = part
            .rsplit_once('=')
            .map_or(part, |(_, level)| level)
            .to_ascii_lowercase();
        let is_level = LEVELS[..6].contains(&level.as_str()) || matches!(level.as_bytes(), [b'0'..=b'5']);
        // A word that is no level is the name of a part of the program, of which there is none by such names.
        let near = LEVELS
            .iter()
            .find(|known| strsim::damerau_levenshtein(known, &level) <= 1 + known.len() / 5);
        if !is_level && let Some(near) = near {
            let meant = match *near {
                "warning" => "warn",
                "none" => "off",
                level => level,
            };
            return Err(format!("logging.filter: {part} has no level; did you mean {meant}?"));
        }
    }
    let filter = EnvFilter::try_new(text).map_err(|error| format!("logging.filter: {error}"))?;
    if text.contains("sqlx") {
        return Ok(filter);
    }
    // The pool of connections logs a line for each lost connection, some at the level ERROR. That is an outage, which
    // the waiting code reports once.
    let quiet = "sqlx_core::pool=off"
        .parse()
        .map_err(|error| format!("logging.filter: {error}"))?;
    Ok(filter.add_directive(quiet))
}

/// Notes the fault of the configuration's filter.
pub(crate) fn check(config: &Config, wrong: &mut Vec<String>) {
    wrong.extend(filter(&config.logging.filter).err());
}

/// Replaces the filter in force by the configuration's.
///
/// # Errors
/// The fault of the filter; the former one stays.
pub fn set_filter(config: &LoggingConfig) -> Result<(), String> {
    let filter = filter(&config.filter)?;
    SET_FILTER.get().map_or(Ok(()), |set| set(filter))
}

fn keep_handle<S: 'static>(handle: reload::Handle<EnvFilter, S>) {
    let set = move |filter| handle.reload(filter).map_err(|error| error.to_string());
    SET_FILTER.get_or_init(|| Box::new(set));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_would_show_nothing_is_refused() {
        for good in [
            "info",
            "warn,conduit::serve=info",
            "",
            "DEBUG",
            "conduit",
            "conduit[span]=trace",
            "3",
            "off",
        ] {
            assert!(filter(good).is_ok(), "{good}");
        }
        for (bad, meant) in [
            ("inof", "info"),
            ("warning", "warn"),
            ("debg,conduit=info", "debug"),
            ("conduit=inf", "info"),
            ("none", "off"),
        ] {
            let error = filter(bad).unwrap_err();
            assert!(error.contains(&format!("did you mean {meant}?")), "{error}");
        }
        assert!(filter("conduit=loud").is_err());
    }
}

//! Signals that end no server: SIGHUP reads the changeable settings again, the others are ignored.
//!
//! SIGPIPE is ignored as well by the standard library, and a write to a reader that has gone is an error.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use conduit_actors::shard::Shards;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::{Config, ConfigError};
use crate::logging;
use crate::tls::ServerCertificate;

/// Signals that end the process by default, and that mean nothing to Conduit: SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM,
/// SIGPROF, SIGIO, SIGPWR, SIGSTKFLT, and SIGXFSZ. Without SIGXFSZ, a write beyond the limit of a file's size is an
/// error as on a full disk.
#[cfg(target_os = "linux")]
const IGNORED: [i32; 9] = [10, 12, 14, 26, 27, 29, 30, 16, 25];
#[cfg(not(target_os = "linux"))]
const IGNORED: [i32; 3] = [14, 30, 31];

/// Real-time signals, which mean nothing to Conduit either.
#[cfg(target_os = "linux")]
const REAL_TIME: std::ops::RangeInclusive<i32> = 34..=64;
#[cfg(not(target_os = "linux"))]
const REAL_TIME: std::ops::RangeInclusive<i32> = 1..=0;

/// SIGHUP, as it comes.
pub(crate) struct Hangups(Signal);

impl Hangups {
    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            // None will come any more.
            std::future::pending().await
        }
    }
}

/// Keeps the process alive from now on when signals come that are not meant to end it. Call it before anything else.
///
/// # Errors
/// The system's.
pub(crate) fn withstand_signals() -> io::Result<Hangups> {
    for number in IGNORED.into_iter().chain(REAL_TIME) {
        // A handler stays for the rest of the process, with or without a listener. Some systems reserve one of these
        // signals: then no other process sends it.
        drop(signal(SignalKind::from_raw(number)));
    }
    Ok(Hangups(signal(SignalKind::hangup())?))
}

/// The parts that SIGHUP reads again.
pub(crate) struct Reloading {
    /// Reads the configuration.
    pub(crate) load: Arc<dyn Fn() -> Result<Config, ConfigError> + Send + Sync>,
    /// The configuration that was read at the start.
    pub(crate) before: Config,
    /// The certificate, if TLS is spoken.
    pub(crate) certificate: Option<Arc<ServerCertificate>>,
    /// The pipeline, whose admission follows the configuration.
    pub(crate) shards: Arc<Shards>,
}

/// Returns whether a setting takes effect while serving. Such settings are no credentials, and are shown.
fn is_live(name: &str) -> bool {
    name == "logging.filter" || name.starts_with("admission.")
}

impl Reloading {
    /// Reads again at each SIGHUP, for as long as it is polled.
    pub(crate) async fn follow(self, mut hangups: Hangups) {
        let mut in_force = self.before.clone();
        while hangups.0.recv().await.is_some() {
            if let Some(certificate) = &self.certificate {
                certificate.look_now();
            }
            let load = Arc::clone(&self.load);
            // A file system that hangs must not hang what runs on this thread.
            let Ok(loaded) = tokio::task::spawn_blocking(move || load()).await else {
                continue;
            };
            match loaded {
                Ok(config) => self.take_over(&mut in_force, config),
                Err(error) => tracing::warn!(
                    %error,
                    "SIGHUP: the configuration cannot be used, the one before stays in force"
                ),
            }
        }
    }

    fn take_over(&self, in_force: &mut Config, config: Config) {
        if let Err(error) = logging::set_filter(&config.logging) {
            tracing::warn!(%error, "SIGHUP: the log filter before stays in force");
            return;
        }
        self.shards.admission().set_options(config.admission.options());
        let restart: Vec<String> = differences(&self.before, &config)
            .into_iter()
            .filter(|(name, ..)| !is_live(name))
            .map(|(name, ..)| name)
            .collect();
        let changed: Vec<String> = differences(in_force, &config)
            .into_iter()
            .filter(|(name, ..)| is_live(name))
            .map(|(name, before, now)| format!("{name} {before} -> {now}"))
            .collect();
        tracing::info!(
            log_filter = config.logging.filter,
            changed = changed.join(", "),
            needs_restart = restart.join(", "),
            "SIGHUP: the configuration was read again; the log filter, admission and the TLS certificate follow it"
        );
        *in_force = config;
    }
}

/// Returns the settings that differ, with their former and their present values.
fn differences(before: &Config, now: &Config) -> Vec<(String, String, String)> {
    let (before, now) = (settings(before), settings(now));
    now.into_iter()
        .filter_map(|(name, now)| {
            let before = before.get(&name).cloned().unwrap_or_default();
            (before != now).then_some((name, before, now))
        })
        .collect()
}

/// Names and values, as TOML. None of them is shown: there are credentials among them.
fn settings(config: &Config) -> BTreeMap<String, String> {
    let Ok(toml::Value::Table(sections)) = toml::Value::try_from(config) else {
        return BTreeMap::new();
    };
    let mut found = BTreeMap::new();
    for (section, settings) in sections {
        for (name, value) in settings.as_table().into_iter().flatten() {
            found.insert(format!("{section}.{name}"), value.to_string());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DEFAULTS;

    #[test]
    fn settings_that_need_a_restart_are_named() {
        let before: Config = toml::from_str(DEFAULTS).unwrap();
        let mut now = before.clone();
        now.logging.filter = "debug".to_owned();
        now.admission.backlog_seconds = 60;
        let live = differences(&before, &now);
        assert_eq!(live.len(), 2);
        assert!(live.iter().all(|(name, ..)| is_live(name)), "{live:?}");
        assert_eq!((live[0].1.as_str(), live[0].2.as_str()), ("40", "60"));
        now.server.workers = 7;
        now.storage.admin_token = "0123456789abcdef".to_owned();
        let all = differences(&before, &now).into_iter().map(|(name, ..)| name);
        let restart: Vec<String> = all.filter(|name| !is_live(name)).collect();
        assert_eq!(restart, ["server.workers", "storage.admin_token"]);
    }
}

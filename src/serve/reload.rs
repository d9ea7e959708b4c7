//! Signals that end no server: SIGHUP reads the changeable settings again, the others are ignored.
//!
//! SIGPIPE is ignored as well by the standard library, and a write to a reader that has gone is an error.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

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
}

impl Reloading {
    /// Reads again at each SIGHUP, for as long as it is polled.
    pub(crate) async fn follow(self, mut hangups: Hangups) {
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
                Ok(config) => self.take_over(&config),
                Err(error) => tracing::warn!(
                    %error,
                    "SIGHUP: the configuration cannot be used, the one before stays in force"
                ),
            }
        }
    }

    fn take_over(&self, config: &Config) {
        if let Err(error) = logging::set_filter(&config.logging) {
            tracing::warn!(%error, "SIGHUP: the log filter before stays in force");
            return;
        }
        let restart = changed(&self.before, config).join(", ");
        tracing::info!(
            log_filter = config.logging.filter,
            needs_restart = restart,
            "SIGHUP: the configuration was read again; the log filter and the TLS certificate follow it"
        );
    }
}

/// Returns the settings that differ and take effect with the next start only.
fn changed(before: &Config, now: &Config) -> Vec<String> {
    let (before, now) = (settings(before), settings(now));
    let differs = |(name, value): &(&String, &String)| before.get(*name) != Some(*value);
    let names = now.iter().filter(differs).map(|(name, _)| name.clone());
    names.filter(|name| name != "logging.filter").collect()
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
        assert_eq!(changed(&before, &now), [""; 0]);
        now.server.workers = 7;
        now.storage.admin_token = "0123456789abcdef".to_owned();
        assert_eq!(changed(&before, &now), ["server.workers", "storage.admin_token"]);
    }
}

//! Signals that end no server: at SIGHUP, settings follow the configuration file; the others are ignored.
//!
//! SIGPIPE is ignored as well by the standard library, and a write to a reader that has gone is an error.

use std::io;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::live;
use crate::app::Services;
use crate::config::{Config, ConfigError, differences};
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

/// The parts that follow the configuration file at SIGHUP.
pub(crate) struct Reloading {
    /// Reads and checks the configuration.
    pub(crate) load: Arc<dyn Fn() -> Result<Config, ConfigError> + Send + Sync>,
    /// The configuration that was read at the start.
    pub(crate) start: Config,
    /// The certificate, if TLS is spoken.
    pub(crate) certificate: Option<Arc<ServerCertificate>>,
    /// The parts of the node.
    pub(crate) services: Arc<Services>,
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
            let taken = loaded
                .map_err(|error| error.to_string())
                .and_then(|read| self.take_over(&read));
            if let Err(error) = taken {
                tracing::warn!(
                    error,
                    "SIGHUP: the configuration cannot be used, the one before stays in force"
                );
                self.services.configuration.refused(error);
            }
        }
    }

    /// Applies the settings that follow the file, all of them or none.
    ///
    /// # Errors
    /// The log filter cannot be changed. Nothing has changed then.
    fn take_over(&self, read: &Config) -> Result<(), String> {
        let in_force = self.services.config.get();
        let next = in_force.with_live_settings(read);
        let changed = differences(&in_force, &next);
        logging::set_filter(&next.logging)?;
        live::apply(next, &self.services);
        let needs_restart = waiting(&self.start, read);
        let texts: Vec<String> = changed.iter().map(ToString::to_string).collect();
        tracing::info!(
            changed = texts.join(", "),
            needs_restart = needs_restart.join(", "),
            "SIGHUP: the configuration was read again"
        );
        self.services.configuration.applied(changed, needs_restart);
        Ok(())
    }
}

/// Returns the settings that differ from those of the start and do not follow the file. Values are left out: there are
/// credentials among them.
fn waiting(start: &Config, read: &Config) -> Vec<String> {
    let differing = differences(&start.with_live_settings(read), read);
    differing.into_iter().map(|change| change.key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DEFAULTS;

    #[test]
    fn settings_that_need_a_restart_are_named_until_they_are_as_before() {
        let start: Config = toml::from_str(DEFAULTS).unwrap();
        let mut read = start.clone();
        read.logging.filter = "debug".to_owned();
        read.admission.backlog_seconds = 60;
        assert!(waiting(&start, &read).is_empty());
        read.server.workers = 7;
        read.storage.admin_token = "0123456789abcdef".to_owned();
        assert_eq!(waiting(&start, &read), ["server.workers", "storage.admin_token"]);
        read.server.workers = start.server.workers;
        assert_eq!(waiting(&start, &read), ["storage.admin_token"]);
    }
}

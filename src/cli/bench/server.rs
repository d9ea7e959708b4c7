//! The server under load: one that is started for it, a running one with controllers made for it, or an integration of a
//! running one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};

use super::super::client::Webhook;
use super::own::{self, OwnServer};
use super::settings::Combination;
use super::tenants;
use super::watch::Watch;

/// Which server to load.
pub(super) enum Place<'a> {
    /// An integration of a running server, and a token that may read its controller's totals.
    Integration { webhook: Webhook, token: Option<&'a str> },
    /// A running server that is for nothing else, with the operator's token, and its process if it runs here.
    Target {
        base: &'a str,
        token: String,
        pid: Option<u32>,
    },
    /// A server of its own, in a directory below this one.
    Own {
        dir: &'a Path,
        program: Option<&'a Path>,
        reset: Option<&'a str>,
    },
}

/// A server that is ready for events.
pub(super) struct Server {
    /// A webhook for each controller.
    pub(super) webhooks: Arc<[Webhook]>,
    pub(super) watch: Option<Watch>,
    pub(super) pid: Option<u32>,
    /// The settings in force, if they are known.
    pub(super) settings: Option<toml::Table>,
    _own: Option<OwnServer>,
}

impl Server {
    /// Starts or finds the server, and creates its controllers.
    ///
    /// # Errors
    /// It does not start, or refuses the controllers.
    pub(super) fn prepare(
        place: &Place<'_>,
        combination: &Combination,
        controllers: usize,
        tell: bool,
    ) -> Result<Self> {
        match place {
            Place::Integration { webhook, token } => Ok(Self {
                webhooks: [webhook.clone()].into(),
                watch: token.map(|token| Watch::of(webhook.url(), token)).transpose()?,
                pid: None,
                settings: None,
                _own: None,
            }),
            Place::Target { base, token, pid } => Ok(Self {
                webhooks: tenants::create(base.trim_end_matches('/'), token, controllers, tell)?,
                watch: Some(Watch::of_server(base, token)?),
                pid: *pid,
                settings: None,
                _own: None,
            }),
            Place::Own { dir, program, reset } => {
                reset.map_or(Ok(()), run)?;
                let own = OwnServer::start(dir, *program, combination).context("its own server")?;
                let created = tenants::create(own.base(), own.token(), controllers, tell);
                Ok(Self {
                    webhooks: created.with_context(|| own.last_words())?,
                    watch: Some(Watch::of_server(own.base(), own.token())?),
                    pid: Some(own.pid()),
                    settings: own::effective(*program, combination),
                    _own: Some(own),
                })
            }
        }
    }
}

impl Server {
    /// Returns how long a burst is accepted at full speed. Returns `None` if it is unknown, or the build knows no bursts.
    pub(super) fn burst_seconds(&self) -> Option<f64> {
        let seconds = self.settings.as_ref()?.get("admission")?.get("burst_seconds")?;
        seconds
            .as_integer()
            .and_then(|seconds| u32::try_from(seconds).ok())
            .map(f64::from)
    }
}

/// Runs a command of the user, as to empty a database.
fn run(command: &str) -> Result<()> {
    let status = std::process::Command::new("sh")
        .args(["-c", command])
        .stdout(std::process::Stdio::null())
        .status();
    let status = status.context("cannot start sh for --reset")?;
    anyhow::ensure!(
        status.success(),
        "the command of --reset failed, with {status}: {command}"
    );
    Ok(())
}

/// Reads a token from a file.
///
/// # Errors
/// The file cannot be read.
pub(super) fn token(file: &PathBuf) -> Result<String> {
    let text = std::fs::read_to_string(file);
    let text = text.with_context(|| format!("--operator-token-file {}", file.display()))?;
    Ok(text.trim().to_owned())
}

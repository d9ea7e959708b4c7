//! A server of its own: this program in another process, in a directory that is removed afterwards.

use std::fs::{self, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use uuid::Uuid;

use super::super::output::complain;
use super::settings::{Combination, shown};

/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct OwnServer {
    child: Child,
    dir: PathBuf,
    base: String,
    token: String,
}

/// Returns a program, or this one, with these settings, and without the present environment's settings.
fn program(file: Option<&Path>, combination: &Combination) -> Result<Command> {
    let mut command = match file {
        Some(file) => Command::new(file),
        None => Command::new(std::env::current_exe().context("cannot find this program")?),
    };
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CONDUIT_")) {
        command.env_remove(name);
    }
    command.envs(combination.iter().map(|setting| (setting.variable(), setting.value())));
    Ok(command)
}

/// Checks whether the program accepts the settings.
///
/// # Errors
/// The fault, in the program's own words.
pub(super) fn check(file: Option<&Path>, combination: &Combination) -> Result<()> {
    let output = program(file, combination)?
        .args(["config", "check"])
        .output()
        .context("cannot start the program")?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr)
        .trim()
        .trim_start_matches("conduit: ")
        .to_owned();
    bail!("{}: {said}", shown(combination))
}

/// Returns the settings in force, as `conduit config print` prints them. Returns `None` if the program does not print any.
pub(super) fn effective(file: Option<&Path>, combination: &Combination) -> Option<toml::Table> {
    let output = program(file, combination)
        .ok()?
        .args(["config", "print"])
        .output()
        .ok()?;
    String::from_utf8(output.stdout).ok()?.parse().ok()
}

impl OwnServer {
    /// Starts a program, or this one, in a new directory in `parent`.
    ///
    /// # Errors
    /// It does not start, or fails; with its last log lines.
    pub(super) fn start(parent: &Path, file: Option<&Path>, combination: &Combination) -> Result<Self> {
        let dir = parent.join(format!("conduit-bench-{}", Uuid::now_v7()));
        let made = fs::DirBuilder::new().mode(0o700).create(&dir);
        made.with_context(|| format!("cannot make {}", dir.display()))?;
        let log = File::create(dir.join("log")).context("cannot make its log")?;
        let child = program(file, combination)?
            .arg("serve")
            .env("CONDUIT_DATA_DIR", dir.join("data"))
            .env("CONDUIT_LISTEN", "127.0.0.1:0")
            .env("CONDUIT_LOG", "warn,conduit::serve=info")
            .env("CONDUIT_LOG_FORMAT", "json")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        let child = child
            .inspect_err(|_| remove(&dir))
            .context("cannot start the program")?;
        let mut server = Self {
            child,
            dir,
            base: String::new(),
            token: String::new(),
        };
        let ready = server.listening().and_then(|base| {
            server.base = base;
            server.token = fs::read_to_string(server.dir.join("data/admin.token")).context("the operator's token")?;
            Ok(())
        });
        ready.with_context(|| server.last_words())?;
        Ok(server)
    }

    /// Returns the server's address.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// Returns the operator's token.
    pub(super) fn token(&self) -> &str {
        &self.token
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    pub(super) fn last_words(&self) -> String {
        let log = self.log();
        let last: Vec<&str> = log.lines().rev().take(5).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        format!("it logged last:\n{}", last.join("\n"))
    }

    /// Waits until it says where it listens.
    fn listening(&mut self) -> Result<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let log = self.log();
            let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let said = lines
                .map(|line| line["fields"].clone())
                .find(|fields| fields["message"] == "listening");
            if let Some(address) = said.as_ref().and_then(|fields| fields["address"].as_str()) {
                return Ok(format!("http://{address}"));
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended at once, with {status}");
            }
            ensure!(
                Instant::now() < deadline,
                "it does not listen after {} s",
                PATIENCE.as_secs()
            );
            #[allow(clippy::disallowed_methods)] // Nothing else runs on this thread.
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        // Its data is thrown away, so it need not stop in order.
        let _ = self.child.kill();
        let _ = self.child.wait();
        remove(&self.dir);
    }
}

fn remove(dir: &Path) {
    if let Err(error) = fs::remove_dir_all(dir) {
        complain!("conduit: cannot remove {}: {error}", dir.display());
    }
}

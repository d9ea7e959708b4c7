//! A server of its own: this program in another process, in a directory that is removed afterwards.

use std::fs::{self, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::client::{Webhook, call, member};
use super::super::output::complain;
use super::measure::Watch;
use super::settings::{Combination, shown};

/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct OwnServer {
    child: Child,
    dir: PathBuf,
    webhook: Webhook,
    token: String,
}

/// Returns this program with these settings, and without the present environment's settings.
fn program(combination: &Combination) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe().context("cannot find this program")?);
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
pub(super) fn check(combination: &Combination) -> Result<()> {
    let output = program(combination)?
        .args(["config", "check"])
        .output()
        .context("cannot start this program")?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr)
        .trim()
        .trim_start_matches("conduit: ")
        .to_owned();
    bail!("{}: {said}", shown(combination))
}

impl OwnServer {
    /// Starts it in a new directory in `parent`, and creates a controller with one integration.
    ///
    /// # Errors
    /// It does not start, or fails; with its last log lines.
    pub(super) fn start(parent: &Path, combination: &Combination) -> Result<Self> {
        let dir = parent.join(format!("conduit-bench-{}", Uuid::now_v7()));
        let made = fs::DirBuilder::new().mode(0o700).create(&dir);
        made.with_context(|| format!("cannot make {}", dir.display()))?;
        let log = File::create(dir.join("log")).context("cannot make its log")?;
        let child = program(combination)?
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
            .context("cannot start this program")?;
        let mut server = Self {
            child,
            dir,
            webhook: Webhook::new("", "", ""),
            token: String::new(),
        };
        let ready = server.listening().and_then(|base| server.prepare(&base));
        ready.with_context(|| server.last_words())?;
        Ok(server)
    }

    pub(super) fn webhook(&self) -> Webhook {
        self.webhook.clone()
    }

    pub(super) fn watch(&self) -> Result<Watch> {
        Watch::of(self.webhook.url(), &self.token)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    fn last_words(&self) -> String {
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

    fn prepare(&mut self, base: &str) -> Result<()> {
        let operator = fs::read_to_string(self.dir.join("data/admin.token")).context("the operator's token")?;
        let did = format!("did:web:bench-{}.example", Uuid::now_v7());
        let controller = json!({"name": "Bench", "did": did});
        let controller = call(base, &operator, "/api/v1/controllers", Some(&controller))?;
        self.token = member(&controller, "managementToken")?;
        let made = call(base, &self.token, "/api/v1/integrations/custom", Some(&mapping()))?;
        self.webhook = Webhook::new(
            &member(&made, "webhookUrl")?,
            &member(&made, "webhookAuth")?,
            &member(&controller, "webhookSecret")?,
        );
        Ok(())
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

/// Returns a mapping of two strong identifiers and a name. The order number is part of the dedup key, so that each
/// event claims a window.
fn mapping() -> Value {
    json!({"name": "Bench", "events": [{
        "name": "account_created", "purpose": "Load", "legalBasis": "contract", "dedup": {"key": "mapped"}, "fields": [
            {"path": "email", "required": true, "pii": "user.contact.email"},
            {"path": "phone", "pii": "user.contact.phone_number"},
            {"path": "customer.name", "pii": "user.name"},
            {"path": "order"}]}]})
}

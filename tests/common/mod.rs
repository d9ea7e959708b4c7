//! The harness: a real `conduit` process on a free port and a temporary directory, and a client.

#![allow(dead_code)] // Each test file uses its own part.

pub mod collector;
pub mod disk;
pub mod forwarder;
pub mod frames;
pub mod load;
pub mod pgbouncer;
pub mod ports;
pub mod postgres;
pub mod redis;
pub mod secure;
pub mod size;
pub mod tenant;
pub mod tls;
pub mod wire;

use std::collections::HashMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

pub use postgres::Postgres;
pub use tenant::Tenant;

/// Longer than anything here takes, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for a condition: polls it until it gives something, and fails the test after [`PATIENCE`].
#[track_caller]
pub fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited too long for: {what}");
        #[allow(clippy::disallowed_methods)] // The interval between two looks, not a synchronisation.
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }
}

/// Creates a client with its own connections.
pub fn client() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(PATIENCE))
        .max_idle_connections_per_host(16)
        .build()
        .into()
}

/// Sends one request; an error is one of the connection, not of the status.
pub fn request(
    client: &ureq::Agent,
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Answer, ureq::Error> {
    let mut builder = ureq::http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    let request = builder.body(body.to_vec()).expect("a well-formed request");
    let mut response = client
        .configure_request(request)
        .allow_non_standard_methods(true)
        .run_with(client)?;
    let headers = response
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    let mut text = String::new();
    response
        .body_mut()
        .as_reader()
        .read_to_string(&mut text)
        .map_err(ureq::Error::Io)?;
    Ok(Answer {
        status: response.status().as_u16(),
        headers,
        text,
    })
}

trait RunWith {
    fn run_with(self, client: &ureq::Agent) -> Result<ureq::http::Response<ureq::Body>, ureq::Error>;
}

impl<S: ureq::AsSendBody> RunWith for ureq::config::ConfigBuilder<ureq::typestate::HttpCrateScope<S>> {
    fn run_with(self, client: &ureq::Agent) -> Result<ureq::http::Response<ureq::Body>, ureq::Error> {
        client.run(self.build())
    }
}

/// A `conduit` process with its data directory and its log file.
pub struct Conduit {
    child: Option<Child>,
    dir: TempDir,
    settings: Vec<(String, String)>,
    pub url: String,
    pub client: ureq::Agent,
    starts: usize,
}

static STARTED: AtomicUsize = AtomicUsize::new(0);

impl Conduit {
    /// Starts one with defaults.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// Starts one with these environment variables.
    pub fn with(settings: &[(&str, &str)]) -> Self {
        let mut conduit = Self::unstarted(settings);
        conduit.launch();
        conduit
    }

    /// Starts one with these environment variables on a copy of this data directory.
    pub fn upon(settings: &[(&str, &str)], data: &Path) -> Self {
        let mut conduit = Self::unstarted(settings);
        let mut copy = Command::new("cp");
        let copied = copy.arg("-a").arg(data).arg(conduit.data_dir()).status();
        assert!(copied.expect("cp runs").success());
        conduit.launch();
        conduit
    }

    /// Starts a process that must end by itself. Returns its exit code and its output.
    pub fn refused(&mut self) -> (Option<i32>, String) {
        self.spawn();
        let code = self.wait();
        let text = fs::read_to_string(self.log_path(self.starts)).expect("a log");
        (code, text)
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.pid().to_string())
            .status();
        assert!(status.expect("kill runs").success());
    }

    /// Creates an instance with these environment variables, without starting it.
    pub fn unstarted(settings: &[(&str, &str)]) -> Self {
        STARTED.fetch_add(1, Ordering::Relaxed);
        let settings = settings
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let dir = tempfile::tempdir().expect("a temporary directory");
        Self {
            child: None,
            dir,
            settings,
            url: String::new(),
            client: client(),
            starts: 0,
        }
    }

    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn log_path(&self, start: usize) -> PathBuf {
        self.dir.path().join(format!("log.{start}"))
    }

    /// Returns the whole log, of all starts.
    pub fn logs(&self) -> String {
        (1..=self.starts)
            .map(|start| fs::read_to_string(self.log_path(start)).unwrap_or_default())
            .collect()
    }

    /// Returns the parsed log lines that contain `message`.
    pub fn log_lines(&self, message: &str) -> Vec<Value> {
        let logs = self.logs();
        let parsed = logs.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        parsed.filter(|line| line.to_string().contains(message)).collect()
    }

    /// Returns the program with this instance's environment, for its other commands.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_conduit"));
        for (key, _) in std::env::vars().filter(|(key, _)| key.starts_with("CONDUIT_")) {
            command.env_remove(key);
        }
        command
            .env_remove("FAILPOINTS")
            .env_remove("OTEL_EXPORTER_OTLP_ENDPOINT")
            .env_remove("OTEL_SERVICE_NAME")
            .env("CONDUIT_DATA_DIR", self.data_dir())
            .env("CONDUIT_LISTEN", "127.0.0.1:0")
            .env("CONDUIT_LOG_FORMAT", "json")
            .envs(self.settings.iter().map(|(key, value)| (key, value)));
        command
    }

    /// Changes or adds a variable for the next start.
    pub fn set(&mut self, key: &str, value: &str) {
        self.settings.retain(|(known, _)| known != key);
        self.settings.push((key.to_owned(), value.to_owned()));
    }

    /// Takes a variable away for the next start.
    pub fn unset(&mut self, key: &str) {
        self.settings.retain(|(known, _)| known != key);
    }

    /// Starts the process and waits until it listens.
    pub fn launch(&mut self) {
        self.spawn();
        let log = self.log_path(self.starts);
        self.url = wait_for("the process to listen", || {
            if let Some(status) = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten()) {
                panic!(
                    "conduit ended with {status}:\n{}",
                    fs::read_to_string(&log).unwrap_or_default()
                );
            }
            listening(&log)
        });
    }

    /// Waits until the process that was spawned listens.
    pub fn wait_until_it_listens(&mut self) {
        let log = self.log_path(self.starts);
        self.url = wait_for("the process to listen", || listening(&log));
    }

    /// Starts the process without waiting for it.
    pub fn spawn(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        self.starts += 1;
        let log = fs::File::create(self.log_path(self.starts)).expect("a log file");
        let child = self
            .command()
            .arg("serve")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log file"))
            .stderr(log)
            .spawn()
            .expect("the program starts");
        self.child = Some(child);
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// Kills the process by `kill -9`.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().expect("it can be killed");
        child.wait().expect("it can be waited for");
    }

    /// Waits for the process to end by itself; its exit code.
    pub fn wait(&mut self) -> Option<i32> {
        let mut child = self.child.take().expect("it runs");
        wait_for("the process to end", || child.try_wait().expect("it can be waited for")).code()
    }

    /// Sends SIGTERM, without waiting for the end.
    pub fn terminate(&self) {
        let status = Command::new("kill")
            .arg("-TERM")
            .arg(self.pid().to_string())
            .status()
            .expect("kill runs");
        assert!(status.success());
    }

    /// Sends SIGTERM, and returns the exit code.
    pub fn stop(&mut self) -> Option<i32> {
        self.terminate();
        self.wait()
    }

    pub fn admin_token(&self) -> String {
        if let Some((_, token)) = self.settings.iter().find(|(key, _)| key == "CONDUIT_ADMIN_TOKEN") {
            return token.clone();
        }
        fs::read_to_string(self.data_dir().join("admin.token"))
            .expect("the operator's token")
            .trim()
            .to_owned()
    }

    /// Sends a request with a token.
    pub fn call(&self, token: &str, method: &str, path: &str, body: Option<Value>) -> Answer {
        let authorization = format!("Bearer {token}");
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-type", "application/json"),
        ];
        request(
            &self.client,
            method,
            &format!("{}{path}", self.url),
            &headers,
            body.as_bytes(),
        )
        .expect("an answer")
    }

    /// Sends a request with the operator's token.
    pub fn admin(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.call(&self.admin_token(), method, path, body)
    }

    pub fn get(&self, path: &str) -> Answer {
        request(&self.client, "GET", &format!("{}{path}", self.url), &[], b"").expect("an answer")
    }

    /// Returns the readiness as a whole and of each part, with status and detail.
    pub fn readiness(&self) -> Readiness {
        let json = self.get("/readyz").json();
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let checks = json["checks"].as_array().expect("checks").iter();
        Readiness {
            status: text(&json["status"]),
            checks: checks
                .map(|check| (text(&check["name"]), (text(&check["status"]), text(&check["detail"]))))
                .collect(),
        }
    }

    /// Returns the operator's totals.
    pub fn stats(&self) -> Stats {
        let json = self.admin("GET", "/api/v1/stats", None).expect(200).json();
        serde_json::from_value(json).expect("stats")
    }

    /// Waits until nothing is in flight, and holds the sum true at each look.
    pub fn settled(&self) -> Stats {
        wait_for("the pipeline to settle", || {
            let stats = self.stats();
            stats.assert_sum();
            (stats.in_flight == 0).then_some(stats)
        })
    }

    /// Asserts that `conduit audit verify` passes. The process may run or not.
    pub fn assert_audit_verifies(&self) {
        let output = self
            .command()
            .args(["audit", "verify"])
            .output()
            .expect("the program starts");
        assert!(
            output.status.success(),
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

impl Drop for Conduit {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            let logs = self.logs();
            let tail: Vec<_> = logs.lines().rev().take(40).collect();
            eprintln!("the last lines of its log:");
            tail.iter().rev().for_each(|line| eprintln!("  {line}"));
        }
    }
}

/// Finds the URL in the log line of the listening address.
fn listening(log: &Path) -> Option<String> {
    let text = fs::read_to_string(log).ok()?;
    text.lines().find_map(|line| {
        let line: Value = serde_json::from_str(line).ok()?;
        let fields = line.get("fields").unwrap_or(&line);
        let text = |key: &str| fields[key].as_str().unwrap_or_default();
        (fields["message"] == "listening").then(|| format!("{}://{}", text("scheme"), text("address")))
    })
}

#[derive(Debug)]
pub struct Readiness {
    pub status: String,
    /// By the part's name.
    pub checks: HashMap<String, (String, String)>,
}

impl Readiness {
    /// Returns whether a part is degraded for a reason that contains `reason`.
    pub fn is_degraded(&self, part: &str, reason: &str) -> bool {
        let (status, detail) = &self.checks[part];
        self.status == "degraded" && status == "degraded" && detail.contains(reason)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    pub accepted: u64,
    pub processed: u64,
    pub duplicate: u64,
    pub rejected: u64,
    pub failed: u64,
    pub in_flight: u64,
}

impl Stats {
    pub fn assert_sum(&self) {
        assert_eq!(
            self.accepted,
            self.processed + self.duplicate + self.rejected + self.failed + self.in_flight,
            "{self:?}"
        );
    }
}

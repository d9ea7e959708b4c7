//! A real PostgreSQL server on a free port and a temporary directory.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};

use tempfile::TempDir;

use super::ports::free_port;
use super::tls::Certificate;
use super::wait_for;

/// The password of the one user, `conduit`.
pub const PASSWORD: &str = "tide-and-time";

/// A server, which ends with its last user.
pub struct Postgres {
    dir: TempDir,
    pub port: u16,
    child: Mutex<Option<Child>>,
    databases: AtomicUsize,
}

/// Returns the newest installed program of this name.
fn program(name: &str) -> PathBuf {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .expect("PostgreSQL is installed: scripts/test does that")
        .filter_map(|entry| {
            let entry = entry.ok()?;
            Some((entry.file_name().to_str()?.parse().ok()?, entry.path()))
        })
        .collect();
    versions.sort();
    versions.last().expect("a version").1.join("bin").join(name)
}

/// Returns a command without root, because PostgreSQL refuses to run as root.
fn unprivileged(name: &str) -> Command {
    let root = Command::new("id").arg("-u").output().expect("id runs").stdout == b"0\n";
    if !root {
        return Command::new(program(name));
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups"])
        .arg(program(name));
    command
}

fn run(command: &mut Command) -> Output {
    let output = command.output().expect("the program starts");
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

fn signal(signal: &str, pid: u32) {
    // A process that has just ended is none to worry about.
    let _ = Command::new("kill")
        .arg(format!("-{signal}"))
        .arg(pid.to_string())
        .stderr(Stdio::null())
        .status();
}

impl Postgres {
    /// Returns a server for all tests that do not stop it. It runs as long as one of them.
    pub fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let server = Arc::new(Self::start());
            *shared = Arc::downgrade(&server);
            server
        })
    }

    /// Creates a directory and a port, without a server.
    fn nowhere() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let port = free_port();
        if unprivileged("postgres").get_program() == "setpriv" {
            run(Command::new("chown").args(["-R", "postgres:postgres"]).arg(dir.path()));
        }
        Self {
            dir,
            port,
            child: Mutex::new(None),
            databases: AtomicUsize::new(0),
        }
    }

    pub fn start() -> Self {
        let server = Self::nowhere();
        let password = server.dir.path().join("password");
        fs::write(&password, PASSWORD).expect("a file");
        run(unprivileged("initdb")
            .args(["--username=conduit", "--auth-local=trust", "--auth-host=scram-sha-256"])
            .args(["--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "-D"])
            .arg(server.dir.path().join("data"))
            .arg("--pwfile")
            .arg(password)
            .current_dir("/"));
        server.launch();
        server
    }

    /// Starts a second server that follows this one. If it is `synchronous`, commits wait for it from now on.
    pub fn replica(&self, synchronous: bool) -> Self {
        let replica = Self::nowhere();
        run(unprivileged("pg_basebackup")
            .arg("-h")
            .arg(self.dir.path())
            .args(["-p", &self.port.to_string(), "-U", "conduit"])
            .args([
                "--checkpoint=fast",
                "--wal-method=stream",
                "--write-recovery-conf",
                "--no-sync",
                "-D",
            ])
            .arg(replica.dir.path().join("data"))
            .current_dir("/"));
        replica.launch();
        if synchronous {
            self.set("synchronous_standby_names", "*");
        }
        let state = if synchronous { "sync" } else { "async" };
        wait_for("the replica to follow", || {
            let states = self.sql("SELECT sync_state FROM pg_stat_replication WHERE state = 'streaming'");
            (states.trim() == state).then_some(())
        });
        replica
    }

    /// Makes a replica a server of its own.
    pub fn promote(&self) {
        assert_eq!(self.sql("SELECT pg_promote()").trim(), "t");
    }

    /// Changes a setting of the running server.
    pub fn set(&self, name: &str, value: &str) {
        self.sql(&format!("ALTER SYSTEM SET {name} = '{value}'"));
        self.sql("SELECT pg_reload_conf()");
    }

    /// Runs a statement as the superuser in the database `postgres`. Returns its output.
    pub fn sql(&self, statement: &str) -> String {
        let mut psql = self.client("psql");
        let output = run(psql.args(["-d", "postgres", "-Atqc", statement]));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Starts it again after [`Self::stop`], and waits until it answers.
    pub fn launch(&self) {
        let log = self.dir.path().join("log");
        let file = fs::File::options().create(true).append(true).open(&log).expect("a log");
        let child = unprivileged("postgres")
            .arg("-D")
            .arg(self.dir.path().join("data"))
            .args(["-p", &self.port.to_string(), "-c", "listen_addresses=127.0.0.1"])
            .args([
                "-c",
                "fsync=on",
                "-c",
                "max_connections=60",
                "-c",
                "shared_buffers=32MB",
                "-k",
            ])
            .arg(self.dir.path())
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .expect("PostgreSQL starts");
        let mut running = self.child.lock().unwrap();
        let child = running.insert(child);
        wait_for("PostgreSQL to answer", || {
            if let Some(status) = child.try_wait().expect("it can be waited for") {
                panic!("{status}:\n{}", fs::read_to_string(&log).unwrap_or_default());
            }
            let mut ready = self.client("pg_isready");
            ready.args(["-d", "postgres"]).stdout(Stdio::null());
            ready.status().expect("pg_isready runs").success().then_some(())
        });
    }

    fn client(&self, name: &str) -> Command {
        let mut command = Command::new(program(name));
        let port = self.port.to_string();
        command
            .arg("-h")
            .arg(self.dir.path())
            .args(["-p", &port, "-U", "conduit"]);
        command
    }

    /// Ends it: `INT` is a fast shutdown, `QUIT` an immediate one, as in a crash.
    pub fn stop(&self, signal: &str) {
        let taken = self
            .child
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take();
        if let Some(mut child) = taken {
            self::signal(signal, child.id());
            wait_for("PostgreSQL to end", || child.try_wait().ok().flatten());
        }
    }

    /// Stops all its processes where they are: it takes connections, and answers nothing.
    pub fn hang(&self) {
        // Itself first: from then on it makes no further ones.
        self.signal_all("STOP");
    }

    /// Lets them go on.
    pub fn go_on(&self) {
        self.signal_all("CONT");
    }

    fn signal_all(&self, name: &str) {
        let child = self.child.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let Some(server) = child.as_ref().map(Child::id) else {
            return;
        };
        signal(name, server);
        // An ended server has none.
        let children = fs::read_to_string(format!("/proc/{server}/task/{server}/children")).unwrap_or_default();
        for pid in children.split_whitespace() {
            signal(name, pid.parse().expect("a number"));
        }
    }

    /// Makes the server offer TLS with this certificate from its next [`Self::launch`] on.
    pub fn encrypt(&self, certificate: &Certificate) {
        let data = self.dir.path().join("data");
        fs::copy(&certificate.file, data.join("server.crt")).expect("a certificate");
        fs::copy(&certificate.key, data.join("server.key")).expect("its key");
        // PostgreSQL refuses a key that others can read. The owner of the directory must own its content.
        let mut chmod = Command::new("chmod");
        run(chmod.arg("0600").args(["server.key", "server.crt"]).current_dir(&data));
        let mut chown = Command::new("chown");
        run(chown
            .args(["--reference=.", "server.key", "server.crt"])
            .current_dir(&data));
        let settings = data.join("postgresql.auto.conf");
        fs::write(settings, "ssl = on\n").expect("a file");
    }

    /// Runs a query and returns its output.
    pub fn query(&self, sql: &str) -> String {
        let output = self.client("psql").args(["-d", "postgres", "-Atc", sql]).output();
        let output = output.expect("psql runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Fills the database at this URL from what `pg_dump` wrote.
    pub fn restore(&self, url: &str, dump: &std::path::Path) {
        let name = url.rsplit('/').next().expect("a database");
        let file = fs::File::open(dump).expect("a dump");
        let mut psql = self.client("psql");
        run(psql.args(["-d", name, "-q", "-v", "ON_ERROR_STOP=1"]).stdin(file));
    }

    /// Makes an empty database; its URL.
    pub fn database(&self) -> String {
        let name = format!("conduit{}", self.databases.fetch_add(1, Ordering::Relaxed));
        run(self.client("createdb").arg(&name));
        format!("postgresql://conduit:{PASSWORD}@127.0.0.1:{}/{name}", self.port)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // A hanging server cannot end.
        self.signal_all("CONT");
        self.stop("QUIT");
    }
}

//! A real PgBouncer in front of a PostgreSQL server.

use std::fs;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::ports::free_port;
use super::postgres::PASSWORD;
use super::{Postgres, wait_for};

/// One process, which ends with its user.
pub struct PgBouncer {
    dir: TempDir,
    child: Child,
    pub port: u16,
}

impl PgBouncer {
    /// Starts one in this mode, with further settings.
    pub fn start(server: &Postgres, mode: &str, more: &str) -> Self {
        let (dir, port) = (tempfile::tempdir().expect("a temporary directory"), free_port());
        let path = |name: &str| dir.path().join(name);
        fs::write(path("users"), format!("\"conduit\" \"{PASSWORD}\"\n")).expect("a file");
        let users = path("users");
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {}\npool_mode = {mode}\n{more}\n",
            server.port,
            users.display()
        );
        fs::write(path("pgbouncer.ini"), settings).expect("a file");
        let root = Command::new("id").arg("-u").output().expect("id runs").stdout == b"0\n";
        let mut command = if root {
            // It refuses to run as root.
            let mut chown = Command::new("chown");
            let owned = chown.args(["-R", "postgres:postgres"]).arg(dir.path()).status();
            assert!(owned.expect("chown runs").success());
            let mut command = Command::new("setpriv");
            command.args([
                "--reuid",
                "postgres",
                "--regid",
                "postgres",
                "--clear-groups",
                "pgbouncer",
            ]);
            command
        } else {
            Command::new("pgbouncer")
        };
        let log = fs::File::create(path("log")).expect("a log file");
        let child = command
            .arg(path("pgbouncer.ini"))
            .env(
                "PATH",
                format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default()),
            )
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("PgBouncer is installed: scripts/test does that");
        let mut pooler = Self { dir, child, port };
        wait_for("PgBouncer to listen", || {
            let ended = pooler.child.try_wait().expect("it can be waited for");
            assert!(ended.is_none(), "pgbouncer ended: {}", pooler.log());
            std::net::TcpStream::connect(("127.0.0.1", port)).ok()
        });
        pooler
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// Returns the URL of the same database through this pooler.
    pub fn in_front_of(&self, url: &str, server: &Postgres) -> String {
        url.replace(&format!(":{}/", server.port), &format!(":{}/", self.port))
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the log of PgBouncer:\n{}", self.log());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

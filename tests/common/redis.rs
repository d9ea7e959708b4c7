//! Real Redis servers on free ports of this machine: one, a cluster, or a pair with a sentinel. Nothing is kept on disk.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

use super::ports::free_port;
use super::wait_for;

/// One `redis-server` process.
pub struct Redis {
    child: Option<Child>,
    dir: TempDir,
    args: Vec<String>,
    pub port: u16,
}

impl Redis {
    /// Starts one and waits until it answers.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// Starts one with further settings, as on its command line.
    pub fn with(args: &[&str]) -> Self {
        let mut redis = Self {
            child: None,
            dir: tempfile::tempdir().expect("a temporary directory"),
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            port: free_port(),
        };
        redis.launch();
        redis
    }

    /// Starts a sentinel that watches over this server under the name `main`.
    pub fn sentinel(watched: &Self) -> Self {
        Self::sentinel_of(watched.port, "")
    }

    /// Starts one that watches over the server at this port, with further settings.
    pub fn sentinel_of(port: u16, settings: &str) -> Self {
        let mut redis = Self {
            child: None,
            dir: tempfile::tempdir().expect("a temporary directory"),
            args: vec!["--sentinel".to_owned()],
            port: free_port(),
        };
        let config = format!(
            "sentinel monitor main 127.0.0.1 {port} 1\nsentinel down-after-milliseconds main 500\n\
             sentinel failover-timeout main 5000\n{settings}"
        );
        fs::write(redis.config(), config).expect("a configuration file");
        redis.launch();
        redis
    }

    fn config(&self) -> PathBuf {
        self.dir.path().join("redis.conf")
    }

    /// Starts it (again) on its port, empty, and waits until it answers.
    pub fn launch(&mut self) {
        self.spawn(&[]);
        self.wait_until("PONG");
    }

    /// Starts it, with further settings, and waits for nothing.
    fn spawn(&mut self, args: &[&str]) {
        assert!(self.child.is_none(), "it runs already");
        let log = fs::File::create(self.dir.path().join("log")).expect("a log file");
        if !self.config().exists() {
            fs::write(self.config(), "").expect("a configuration file");
        }
        let child = Command::new("redis-server")
            .arg(self.config())
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .args(["--dir", self.dir.path().to_str().expect("a path of text")])
            .args(["--save", "", "--appendonly", "no"])
            .args(&self.args)
            .args(args)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log file"))
            .stderr(log)
            .spawn()
            .expect("redis-server starts");
        self.child = Some(child);
    }

    /// Waits until it answers a ping so.
    fn wait_until(&mut self, answer: &str) {
        wait_for("Redis to answer", || {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            assert!(ended.is_none(), "redis-server ended: {}", self.log());
            self.text(&["PING"]).trim().starts_with(answer).then_some(())
        });
    }

    /// Starts it again with its present data, so slowly that it is loading until [`Self::end_loading`].
    pub fn restart_loading(&mut self) {
        // Some of it is there for the delay alone.
        let ballast = "for i = 1, 1000 do redis.call('SET', 'ballast:' .. i, string.rep('x', 1000)) end return 'OK'";
        assert_eq!(self.text(&["EVAL", ballast, "0"]).trim(), "OK");
        assert_eq!(self.text(&["CONFIG", "SET", "rdbcompression", "no"]).trim(), "OK");
        assert_eq!(self.text(&["SAVE"]).trim(), "OK");
        self.kill();
        // Microseconds for each key, and how often it looks at its clients meanwhile.
        let slowly = [
            "--key-load-delay",
            "100000",
            "--loading-process-events-interval-bytes",
            "1024",
        ];
        self.spawn(&slowly);
        self.wait_until("LOADING");
    }

    /// Lets it load the rest at once.
    pub fn end_loading(&mut self) {
        assert_eq!(self.text(&["CONFIG", "SET", "key-load-delay", "0"]).trim(), "OK");
        self.wait_until("PONG");
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Runs `redis-cli` with these arguments.
    pub fn cli(&self, args: &[&str]) -> Output {
        let port = self.port.to_string();
        let mut command = Command::new("redis-cli");
        command.args(["-h", "127.0.0.1", "-p", &port]).args(args);
        command.output().expect("redis-cli runs")
    }

    /// Runs `redis-cli` and returns its output.
    pub fn text(&self, args: &[&str]) -> String {
        String::from_utf8_lossy(&self.cli(args).stdout).into_owned()
    }

    /// Returns the number of dedup keys with claims.
    pub fn keys(&self) -> usize {
        let script = "return #redis.call('KEYS', 'conduit:{*}:d:*')";
        self.text(&["EVAL", script, "0"]).trim().parse().expect("a number")
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.as_ref().expect("it runs").id().to_string();
        let status = Command::new("kill").args([signal, &pid]).status().expect("kill runs");
        assert!(status.success());
    }

    /// Stops answering. Connections are still accepted.
    pub fn hang(&self) {
        self.signal("-STOP");
    }

    /// Answers again.
    pub fn go_on(&self) {
        self.signal("-CONT");
    }

    /// Kills the process by `kill -9`.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().expect("it can be killed");
        child.wait().expect("it can be waited for");
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
    }
}

/// Starts a cluster of three primaries.
pub fn cluster() -> Vec<Redis> {
    let nodes: Vec<Redis> = (0..3)
        .map(|_| Redis::with(&["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"]))
        .collect();
    let addresses: Vec<String> = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
    let mut args = vec!["--cluster", "create"];
    args.extend(addresses.iter().map(String::as_str));
    args.push("--cluster-yes");
    let made = nodes[0].cli(&args);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
    for node in &nodes {
        wait_for("the cluster to be ready", || {
            node.text(&["CLUSTER", "INFO"])
                .contains("cluster_state:ok")
                .then_some(())
        });
    }
    nodes
}

pub fn cluster_url(nodes: &[Redis]) -> String {
    let hosts: Vec<String> = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
    format!("redis+cluster://{}", hosts.join(","))
}

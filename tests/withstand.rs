//! Disturbances by the system around the process: a blocked output, signals, few descriptors, files of other users.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::json;

use crate::common::ports::free_port;
use crate::common::secure::Secure;
use crate::common::{Answer, Conduit, Tenant, client, request, wait_for};

/// A server whose standard error is not a file.
struct Server {
    child: Child,
    url: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Starts it on this port, with the environment of `conduit`, which does not run.
    fn start(conduit: &Conduit, stderr: impl Into<Stdio>) -> Self {
        let port = free_port();
        let child = conduit
            .command()
            .arg("serve")
            .env("CONDUIT_LISTEN", format!("127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .unwrap();
        let url = format!("http://127.0.0.1:{port}");
        let server = Self { child, url };
        wait_for("the server to answer", || server.get("/livez").ok());
        server
    }

    fn get(&self, path: &str) -> Result<Answer, ureq::Error> {
        request(&client(), "GET", &format!("{}{path}", self.url), &[], b"")
    }

    /// Causes one log line.
    fn provoke_a_line(&self) {
        self.get("/nowhere").unwrap().expect(404);
    }

    /// Causes a log line that no limit counts, as often as needed.
    fn reload(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    }

    fn lost_lines(&self) -> u64 {
        let metrics = self.get("/metrics").unwrap().expect(200).text;
        let line = metrics
            .lines()
            .find(|line| line.starts_with("conduit_log_lines_lost_total "));
        line.unwrap().rsplit(' ').next().unwrap().parse().unwrap()
    }
}

#[test]
fn serving_goes_on_when_nobody_reads_the_log() {
    let conduit = Conduit::unstarted(&[]);
    let (reader, writer) = std::io::pipe().unwrap();
    let mut log = BufReader::new(reader);
    let server = Server::start(&conduit, writer);
    let mut line = String::new();
    while !line.contains("listening") {
        line.clear();
        assert!(log.read_line(&mut line).unwrap() > 0);
    }
    assert_eq!(server.lost_lines(), 0);
    drop(log);
    for lost in 1..4 {
        server.provoke_a_line();
        assert_eq!(server.lost_lines(), lost);
    }
}

#[test]
fn serving_goes_on_when_the_log_s_disk_is_full() {
    let conduit = Conduit::unstarted(&[]);
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let server = Server::start(&conduit, full);
    let before = server.lost_lines();
    server.provoke_a_line();
    assert_eq!(server.lost_lines(), before + 1);
    assert!(before > 0, "the lines of the start were lost as well");
}

#[test]
fn serving_goes_on_when_the_log_s_reader_stands_still() {
    let conduit = Conduit::unstarted(&[]);
    let (mut reader, mut writer) = std::io::pipe().unwrap();
    // A pipe holds 64 KiB: the server's lines fill the rest.
    writer.write_all(&[b'\n'; 60 * 1024]).unwrap();
    let server = Server::start(&conduit, writer);
    wait_for("the pipe to be full", || {
        server.reload();
        (server.lost_lines() > 0).then_some(())
    });
    // The reader goes on, and so does the log, which reports the gap.
    let text = Arc::new(Mutex::new(String::new()));
    let read = Arc::clone(&text);
    std::thread::spawn(move || {
        let mut bytes = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = reader.read(&mut bytes) {
            read.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
    });
    wait_for("the log to tell of the gap", || {
        server.reload();
        text.lock().unwrap().contains("log lines were lost").then_some(())
    });
}

#[test]
fn commands_end_quietly_when_nobody_reads_and_loudly_when_nothing_is_kept() {
    let conduit = Conduit::start();
    let run = |script: &str| {
        let mut shell = Command::new("bash");
        let program = conduit.command();
        for (key, value) in program.get_envs() {
            match value {
                Some(value) => shell.env(key, value),
                None => shell.env_remove(key),
            };
        }
        shell
            .args(["-c", &format!("set -o pipefail; {script}"), "bash"])
            .arg(program.get_program())
            .env("CONDUIT_API_URL", &conduit.url)
            .env("CONDUIT_API_TOKEN", conduit.admin_token())
            .output()
            .unwrap()
    };
    for command in ["openapi", "config reference", "config print", "export", "audit verify"] {
        let output = run(&format!("$1 {command} | true"));
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && text.is_empty(),
            "{command}: {:?} {text}",
            output.status
        );
        let output = run(&format!("$1 {command} >/dev/full"));
        let text = String::from_utf8_lossy(&output.stderr);
        let is_export_of_nothing = command == "export" && output.status.success();
        assert!(
            is_export_of_nothing || (output.status.code() == Some(1) && text.contains("cannot print")),
            "{command}: {:?} {text}",
            output.status
        );
    }
    // Nothing to complain to.
    let output = run("$1 health --url http://127.0.0.1:1 2>/dev/full");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn signals_end_no_server_unless_they_are_meant_to() {
    let conduit = Conduit::unstarted(&[]);
    let file = conduit.data_dir().with_file_name("conduit.toml");
    let filter = |filter: &str| fs::write(&file, format!("[logging]\nfilter = \"{filter}\"\n")).unwrap();
    filter("info");
    let mut conduit = conduit;
    conduit.set("CONDUIT_CONFIG", file.to_str().unwrap());
    conduit.launch();
    for name in [
        "USR1", "USR2", "ALRM", "VTALRM", "PROF", "IO", "PWR", "XFSZ", "PIPE", "HUP", "RTMIN",
    ] {
        conduit.signal(name);
    }
    wait_for("the configuration to be read again", || {
        (!conduit.log_lines("SIGHUP: the configuration was read again").is_empty()).then_some(())
    });
    conduit.get("/livez").expect(200);
    // The log's filter follows the file, and what does not is named.
    assert!(!conduit.logs().contains("\"DEBUG\""));
    fs::write(
        &file,
        "[logging]\nfilter = \"debug\"\n[admission]\nbacklog_seconds = 7\n[server]\nmax_body_bytes = 2048\n",
    )
    .unwrap();
    conduit.signal("HUP");
    let lines = wait_for("the configuration to be read again", || {
        let lines = conduit.log_lines("SIGHUP: the configuration was read again");
        (lines.len() == 2).then_some(lines)
    });
    assert_eq!(lines[1]["fields"]["needs_restart"], "server.max_body_bytes");
    let changed = lines[1]["fields"]["changed"].as_str().unwrap();
    assert!(changed.contains("admission.backlog_seconds 40 -> 7"), "{changed}");
    let report = conduit.admin("GET", "/api/v1/supervision", None).expect(200).json();
    assert_eq!(report["admission"]["maxBacklogSeconds"], 7);
    wait_for("a line at debug", || {
        // Faults of one connection are logged at debug.
        let mut stranger = TcpStream::connect(conduit.url.trim_start_matches("http://")).unwrap();
        stranger.write_all(b"GET / HTTP/1.1\r\nno header\r\n\r\n").unwrap();
        conduit.logs().contains("\"DEBUG\"").then_some(())
    });
    // A file that is wrong changes nothing.
    fs::write(&file, "[logging]\nfilter = 7x\n").unwrap();
    conduit.signal("HUP");
    wait_for("the configuration to be refused", || {
        (!conduit.log_lines("the configuration cannot be used").is_empty()).then_some(())
    });
    conduit.get("/livez").expect(200);
    filter("info");
    conduit.signal("QUIT");
    assert_eq!(conduit.wait(), Some(0), "{}", conduit.logs());
}

#[test]
fn sighup_reads_the_certificate_again() {
    let server = Secure::start(&[]);
    server.conduit.signal("HUP");
    wait_for("the certificate to be read", || {
        (!server.conduit.log_lines("TLS certificate read again").is_empty()).then_some(())
    });
}

/// Starts the server under `ulimit -n`.
fn limited(conduit: &Conduit, files: u32, port: u16, stderr: impl Into<Stdio>) -> Child {
    let program = conduit.command();
    let mut shell = Command::new("bash");
    for (key, value) in program.get_envs() {
        match value {
            Some(value) => shell.env(key, value),
            None => shell.env_remove(key),
        };
    }
    shell
        .args(["-c", &format!("ulimit -n {files}; exec \"$0\" serve")])
        .arg(program.get_program())
        .env("CONDUIT_LISTEN", format!("127.0.0.1:{port}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(stderr)
        .spawn()
        .unwrap()
}

#[test]
fn too_few_descriptors_are_named_at_the_start() {
    let conduit = Conduit::unstarted(&[]);
    for files in [6, 8, 12, 16, 24, 100] {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let mut child = limited(&conduit, files, free_port(), writer);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(2), "{files}: {text}");
        assert!(text.contains(&format!("allows {files} open files")), "{text}");
        assert!(!text.contains("panic"), "{text}");
    }
}

#[test]
fn too_few_descriptors_for_a_command_are_named() {
    let conduit = Conduit::unstarted(&[]);
    let program = conduit.command();
    for command in ["health", "audit verify", "export", "bench", "demo", "adopt"] {
        let output = Command::new("bash")
            .args(["-c", &format!("ulimit -n 8; exec \"$0\" {command}")])
            .arg(program.get_program())
            .env("CONDUIT_DATA_DIR", conduit.data_dir())
            .env("CONDUIT_API_URL", "http://127.0.0.1:1")
            .env("CONDUIT_API_TOKEN", "token")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{command}: {text}");
        assert!(
            text.contains("allows 8 open files") && !text.contains("panic"),
            "{command}: {text}"
        );
    }
}

#[test]
fn connections_leave_the_journal_its_descriptors() {
    let mut conduit = Conduit::unstarted(&[
        ("CONDUIT__SERVER__WORKERS", "1"),
        ("CONDUIT__PIPELINE__SHARDS", "1"),
        ("CONDUIT__JOURNAL__SEGMENT_BYTES", "1048576"),
        ("CONDUIT__JOURNAL__MAX_BYTES", "16777216"),
        ("CONDUIT__SERVER__REQUEST_TIMEOUT_SECONDS", "300"),
    ]);
    let log = conduit.data_dir().with_file_name("limited.log");
    let port = free_port();
    let child = limited(&conduit, 256, port, fs::File::create(&log).unwrap());
    conduit.url = format!("http://127.0.0.1:{port}");
    let server = Server {
        child,
        url: conduit.url.clone(),
    };
    wait_for("the server to answer", || server.get("/livez").ok());
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    // More connections than descriptors. The rest wait to be accepted.
    let strangers: Vec<TcpStream> = (0..400)
        .filter_map(|_| TcpStream::connect(("127.0.0.1", port)).ok())
        .collect();
    assert!(strangers.len() > 300);
    // A sender with a connection goes on, through many segments.
    let padding = "x".repeat(200_000);
    for number in 0..40 {
        shop.send(
            &conduit,
            "contact",
            json!({"customerId": format!("customer-{number}"), "padding": padding}),
        );
    }
    drop(strangers);
    assert_eq!(conduit.settled().accepted, 40);
    let text = fs::read_to_string(&log).unwrap();
    assert!(!text.contains("panic") && !text.contains("\"ERROR\""), "{text}");
    assert!(text.contains("limit of open files leaves no more"), "{text}");
}

/// Returns all files below a directory with rights for others.
fn open_to_others(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(open_to_others(&path));
        } else if fs::metadata(&path).unwrap().permissions().mode() & 0o077 != 0 {
            found.push(path);
        }
    }
    found
}

#[test]
fn what_is_stored_is_for_its_owner_only() {
    let mut conduit = Conduit::unstarted(&[("CONDUIT__JOURNAL__SEGMENT_BYTES", "1048576")]);
    // A directory that somebody else made.
    fs::create_dir(conduit.data_dir()).unwrap();
    fs::set_permissions(conduit.data_dir(), fs::Permissions::from_mode(0o755)).unwrap();
    conduit.launch();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let padding = "x".repeat(250_000);
    let fill = |conduit: &Conduit| {
        for number in 0..10 {
            shop.send(
                conduit,
                "heartbeat",
                json!({"host": format!("{number}"), "padding": padding}),
            );
        }
        conduit.settled();
    };
    fill(&conduit);
    assert_eq!(open_to_others(&conduit.data_dir()), [] as [PathBuf; 0]);
    conduit.kill();
    let opened = Command::new("chmod")
        .args(["-R", "a+rX"])
        .arg(conduit.data_dir())
        .status();
    assert!(opened.unwrap().success());
    assert!(open_to_others(&conduit.data_dir()).len() > 5);
    conduit.launch();
    fill(&conduit);
    assert_eq!(open_to_others(&conduit.data_dir()), [] as [PathBuf; 0]);
}

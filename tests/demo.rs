//! The README's first command.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::common::wait_for;

#[test]
fn the_demo_tells_its_story_and_ends_with_0() {
    let output = Command::new(env!("CARGO_BIN_EXE_conduit"))
        .args(["demo", "--exit"])
        .env("CONDUIT_LISTEN", "127.0.0.1:0")
        .env("CONDUIT_LOG_FORMAT", "json")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for word in [
        "processed",
        "duplicate",
        "rejected",
        "a repeat of",
        "required by the mapping",
        "merged on the evidence",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
}

/// Starts the demo with its data in this directory.
fn demo(dir: &Path) -> Child {
    // As in a terminal, also if the tests were started by nohup.
    Command::new("env")
        .args(["--default-signal=HUP", env!("CARGO_BIN_EXE_conduit"), "demo"])
        .env("CONDUIT_LISTEN", "127.0.0.1:0")
        .env("TMPDIR", dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill")
        .args([format!("-{name}"), child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
}

#[test]
fn a_demo_that_is_stopped_leaves_nothing_behind() {
    // A closed terminal is like Ctrl-C. Signals that mean nothing change nothing, so that the next one is answered.
    for (name, in_its_story) in [("HUP", true), ("HUP", false), ("INT", true), ("TERM", true)] {
        let dir = tempfile::tempdir().unwrap();
        let entries = || fs::read_dir(dir.path()).unwrap().count();
        let mut child = demo(dir.path());
        wait_for("its data", || (entries() == 1).then_some(()));
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        if !in_its_story {
            assert!(said.any(|line| line.contains("Ctrl-C ends the demo")));
        }
        signal(&child, "USR1");
        signal(&child, "USR2");
        signal(&child, name);
        let status = wait_for("the demo to end", || child.try_wait().unwrap());
        assert_eq!((status.code(), entries()), (Some(0), 0), "{name}");
    }
}

//! `conduit health`, and credentials that come from files.

use std::fs;
use std::process::Output;

use crate::common::Conduit;

fn health(conduit: &Conduit, args: &[&str]) -> Output {
    let address = conduit.url.trim_start_matches("http://");
    let mut command = conduit.command();
    command.arg("health").args(args).env("CONDUIT_LISTEN", address);
    command.output().unwrap()
}

#[test]
fn health_is_told_by_the_exit_code() {
    let mut conduit = Conduit::start();
    for (args, expected) in [(&[][..], "alive"), (&["--ready"][..], "ready")] {
        let output = health(&conduit, args);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains(expected), "{output:?}");
    }
    assert_eq!(conduit.stop(), Some(0));
    let output = health(&conduit, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("no answer"),
        "{output:?}"
    );
}

#[test]
fn the_operators_token_may_come_from_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    fs::write(&file, "a-token-of-the-operator\n").unwrap();
    let conduit = Conduit::with(&[("CONDUIT_ADMIN_TOKEN_FILE", file.to_str().unwrap())]);
    let answer = conduit.call("a-token-of-the-operator", "GET", "/api/v1/stats", None);
    answer.expect(200);
    assert!(!conduit.data_dir().join("admin.token").exists());
}

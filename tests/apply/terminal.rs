//! At a terminal, the command asks; and it carries out its plan only if the plan still holds.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use serde_json::json;

use super::{ended, run, write};
use crate::common::{Conduit, Tenant};

/// `apply` at its own terminal, whose output is read up to the question.
struct Dialogue {
    child: std::process::Child,
    shown: Vec<u8>,
}

impl Dialogue {
    fn start(conduit: &Conduit, file: &str) -> Self {
        let command = format!("'{}' apply '{file}'", env!("CARGO_BIN_EXE_conduit"));
        let mut child = Command::new("script")
            .args(["--quiet", "--return", "--command", &command, "/dev/null"])
            .env("CONDUIT_API_URL", &conduit.url)
            .env("CONDUIT_API_TOKEN", conduit.admin_token())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("script runs");
        let mut shown = Vec::new();
        let stdout = child.stdout.as_mut().unwrap();
        let mut byte = [0];
        while !shown.ends_with(b"[y/N] ") {
            assert_eq!(
                stdout.read(&mut byte).unwrap(),
                1,
                "{}",
                String::from_utf8_lossy(&shown)
            );
            shown.push(byte[0]);
        }
        Self { child, shown }
    }

    /// Answers; the exit code, and all that it showed.
    fn answer(mut self, answer: &str) -> (Option<i32>, String) {
        let mut stdin = self.child.stdin.take().unwrap();
        stdin.write_all(answer.as_bytes()).unwrap();
        self.child.stdout.take().unwrap().read_to_end(&mut self.shown).unwrap();
        let code = self.child.wait().unwrap().code();
        (code, String::from_utf8_lossy(&self.shown).into_owned())
    }
}

#[test]
fn who_is_asked_may_say_no_and_what_somebody_else_changed_meanwhile_stays() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let dir = tempfile::tempdir().unwrap();
    let exported = ended(&run(&conduit, &["export"]), 0);
    let file = write(
        dir.path(),
        "changed.toml",
        &exported.replace("name = \"Web shop\"", "name = \"By file\""),
    );

    let (code, shown) = Dialogue::start(&conduit, &file).answer("n\n");
    assert_eq!(code, Some(1));
    assert!(
        shown.contains("1 to change") && shown.contains("Nothing was changed."),
        "{shown}"
    );

    let asked = Dialogue::start(&conduit, &file);
    let path = format!("/api/v1/integrations/custom/{}", shop.integration);
    let mut by_hand = shop.call(&conduit, "GET", &path, None).expect(200).json();
    by_hand["name"] = json!("By hand");
    shop.call(&conduit, "PUT", &path, Some(by_hand)).expect(200);
    let (code, shown) = asked.answer("y\n");
    assert_eq!(code, Some(1), "{shown}");
    assert!(
        shown.contains("409 version_mismatch") && shown.contains("0 of 1 changes were made"),
        "{shown}"
    );
    let now = || shop.call(&conduit, "GET", &path, None).expect(200).json()["name"].clone();
    assert_eq!(now(), "By hand");

    let (code, shown) = Dialogue::start(&conduit, &file).answer("y\n");
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("name: \"By hand\" → \"By file\""), "{shown}");
    assert_eq!(now(), "By file");
    // Its credentials are as good as before.
    shop.send(&conduit, "contact", json!({"email": "ada@shop.example"}));
}

//! The README's first command.

use std::process::Command;

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

//! Settings are in force, or refused with an explanation, by `config check` and by a start alike.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::common::{Conduit, Tenant, tenant};

/// A program that runs nothing: exit code, standard output and standard error.
struct Program(Conduit);

impl Program {
    fn new() -> Self {
        let mut conduit = Conduit::start();
        assert_eq!(conduit.stop(), Some(0));
        Self(conduit)
    }

    fn run(&self, args: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
        let mut command = self.0.command();
        let output = command.args(args).envs(variables.iter().copied()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    /// Asserts that both refuse, with this explanation and exit code 2.
    #[track_caller]
    fn refuses(&self, variables: &[(&str, &str)], expected: &str) {
        for args in [&["config", "check"][..], &["serve"]] {
            let (code, out, error) = self.run(args, variables);
            assert_eq!(code, Some(2), "{variables:?} {args:?}: {out}{error}");
            assert!(error.contains(expected), "{variables:?} {args:?}: {error}");
        }
    }

    /// Asserts that the check passes with this warning.
    #[track_caller]
    fn warns(&self, variables: &[(&str, &str)], expected: &str) {
        let (code, out, error) = self.run(&["config", "check"], variables);
        assert_eq!(code, Some(0), "{error}");
        assert!(out.contains("is valid"), "{out}");
        assert!(error.starts_with("warning: ") && error.contains(expected), "{error}");
    }
}

fn written(dir: &Path, name: &str, contents: &[u8]) -> String {
    let file = dir.join(name);
    fs::write(&file, contents).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn variables_are_in_force_as_they_were_written_or_named() {
    let program = Program::new();
    let token = "00000000001234567890";
    let (code, out, _) = program.run(&["config", "print"], &[("CONDUIT__TELEMETRY__SERVICE_NAME", "1e10")]);
    assert!(code == Some(0) && out.contains("service_name = \"1e10\""), "{out}");
    let (_, out, _) = program.run(&["config", "print"], &[("CONDUIT__JOURNAL__MAX_BYTES", "3GiB")]);
    assert!(out.contains("max_bytes = 3221225472"), "{out}");

    program.refuses(
        &[("CONDUIT_LISTN", "x")],
        "CONDUIT_LISTN is no setting; did you mean CONDUIT_LISTEN?",
    );
    program.refuses(&[("CONDUIT_SERVER_LISTEN", "x")], "did you mean CONDUIT_LISTEN?");
    program.refuses(
        &[("CONDUIT__JOURNAL__MAX_BYTES", "4G")],
        "journal.max_bytes (CONDUIT__JOURNAL__MAX_BYTES) has an unclear unit",
    );
    program.refuses(
        &[("CONDUIT__DEDUP__WINDOW_SECONDS", "1m")],
        "of seconds, without a unit",
    );
    program.refuses(&[("CONDUIT_LOG", "inof")], "did you mean info?");
    program.refuses(
        &[("CONDUIT_DATABASE_URL", "postgresql://u:hunter2@db/x?sslmode=verify-ful")],
        "did you mean verify-full?",
    );
    program.refuses(
        &[("CONDUIT_PUBLIC_URL", "c.example")],
        "server.public_url must begin with",
    );
    program.refuses(
        &[("CONDUIT_MASTER_KEY_FILE", "/nowhere")],
        "storage.master_key_file: /nowhere",
    );
    program.refuses(
        &[("CONDUIT__TAXONOMY__FILE", "/nowhere")],
        "taxonomy.file: cannot read /nowhere",
    );
    program.warns(&[("CONDUIT_LISTEN", "0.0.0.0:0")], "CONDUIT_PUBLIC_URL");
    program.warns(&[("CONDUIT_PORT", "9000")], "did you mean CONDUIT_LISTEN?");
    let (_, _, error) = program.run(&["config", "check"], &[("CONDUIT_PORT", "tcp://10.0.0.1:8080")]);
    assert_eq!(error, "", "what Kubernetes sets");

    let mut conduit = Conduit::with(&[
        ("CONDUIT__STORAGE__ADMIN_TOKEN", token),
        ("CONDUIT_LISTEN", "0.0.0.0:0"),
        ("CONDUIT_PUBLIC_URL", "https://Events.example:443/in/"),
    ]);
    conduit.call(token, "GET", "/api/v1/stats", None).expect(200);
    let made = conduit.call(token, "POST", "/api/v1/controllers", Some(json!({"name": "shop"})));
    let made = made.expect(201).json();
    let path = format!("/api/v1/integrations/custom?did={}", made["did"].as_str().unwrap());
    let made = conduit
        .call(token, "POST", &path, Some(tenant::shop()))
        .expect(201)
        .json();
    let url = made["webhookUrl"].as_str().unwrap();
    assert!(url.starts_with("https://events.example/in/api/v1/"), "{url}");
    assert_eq!(conduit.log_lines("is not set: webhook URLs").len(), 0);
    assert_eq!(conduit.stop(), Some(0));
    conduit.unset("CONDUIT_PUBLIC_URL");
    conduit.launch();
    assert_eq!(conduit.log_lines("is not set: webhook URLs").len(), 1);
}

#[test]
fn a_file_is_read_as_editors_write_it_and_what_is_wrong_in_it_is_named() {
    let program = Program::new();
    let dir = tempfile::tempdir().unwrap();
    let check = |contents: &[u8]| {
        let file = written(dir.path(), "conduit.toml", contents);
        let (code, out, error) = program.run(&["--config", &file, "config", "print"], &[]);
        assert!(!error.contains("hunter2"), "{error}");
        (code, out, error)
    };
    let (code, out, _) = check("\u{FEFF}[journal]\r\nmax_bytes = \"2GiB\"\r\n".as_bytes());
    assert!(code == Some(0) && out.contains("max_bytes = 2147483648"), "{out}");
    for (contents, expected) in [
        (
            &b"[storage]\nadmin_token = 1234567890123456\n"[..],
            "storage.admin_token",
        ),
        (
            b"[storage]\nadmin_tokn = \"hunter2\"\n",
            "did you mean storage.admin_token?",
        ),
        (b"[storag]\nadmin_token = \"hunter2\"\n", "did you mean storage?"),
        (b"listen = \"127.0.0.1:1\"\n", "did you mean server.listen?"),
        (b"[server]\nworkers = 1\n[storage]\nadmin_token = hunter2\n", "line 4"),
        (b"[server]\nworkers = 1.5\n", "server.workers"),
        (b"[server]\nworkers = -1\n", "server.workers"),
        (b"[telemetry]\nsampling_ratio = \"half\"\n", "telemetry.sampling_ratio"),
        (b"\xFF\xFE[\0s\0", "UTF-16"),
    ] {
        let (code, out, error) = check(contents);
        assert_eq!(code, Some(2), "{out}");
        assert!(error.contains(expected), "{expected}: {error}");
    }
}

#[test]
fn files_that_settings_name_may_begin_with_a_byte_order_mark() {
    let dir = tempfile::tempdir().unwrap();
    let marked = |name: &str, contents: &[u8]| written(dir.path(), name, &[b"\xEF\xBB\xBF", contents].concat());
    let token = marked("token", b"a-token-of-the-operator\r\n");
    let key = marked("master.key", "0a".repeat(32).as_bytes());
    let categories = marked("taxonomy.toml", include_bytes!("../config/pii-taxonomy.toml"));
    let authority = crate::common::tls::Authority::new();
    let certificate = authority.issue(crate::common::secure::NAMES);
    let (cert, cert_key) = (
        marked("tls.crt", &fs::read(&certificate.file).unwrap()),
        marked("tls.key", &fs::read(&certificate.key).unwrap()),
    );
    let mut conduit = Conduit::with(&[
        ("CONDUIT_ADMIN_TOKEN_FILE", &token),
        ("CONDUIT_MASTER_KEY_FILE", &key),
        ("CONDUIT__TAXONOMY__FILE", &categories),
    ]);
    conduit
        .call("a-token-of-the-operator", "GET", "/api/v1/stats", None)
        .expect(200);
    assert_eq!(conduit.stop(), Some(0));
    // The content of the data directory as well: it may have been copied by hand.
    conduit.unset("CONDUIT_ADMIN_TOKEN_FILE");
    marked("admin.token", b"");
    fs::copy(&token, conduit.data_dir().join("admin.token")).unwrap();
    conduit.set("CONDUIT_TLS_CERT", &cert);
    conduit.set("CONDUIT_TLS_KEY", &cert_key);
    conduit.client = crate::common::secure::trusting(&authority);
    conduit.launch();
    conduit
        .call("a-token-of-the-operator", "GET", "/api/v1/stats", None)
        .expect(200);
}

#[test]
fn a_sent_array_arrives_as_it_was_written() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let dir = tempfile::tempdir().unwrap();
    let when = "\"triggeredAt\":\"2026-04-06T10:30:00Z\"";
    let number =
        format!("{{\"event\":\"contact\",{when},\"n\":12345678901234567890123,\"email\":\"ada@shop.example\"}}");
    let repeated =
        format!("{{\"event\":\"contact\",{when},\"email\":\"a@shop.example\",\"email\":\"b@shop.example\"}}");
    let file = written(
        dir.path(),
        "events.json",
        format!("\u{FEFF}[{number},\n{repeated}]").as_bytes(),
    );
    let mut command = conduit.command();
    command.args(["send", "--receipts", "--url", &shop.webhook_url(&conduit)]);
    command.args(["--api-key", &shop.webhook_auth, "--secret", &shop.webhook_secret, &file]);
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("1\t200") && text.contains("2\t400") && text.contains("1 of 2 accepted"),
        "{text}"
    );

    // The receipt attests the element's own bytes, and the printed output is enough to verify it.
    let printed = written(dir.path(), "sent.txt", text.as_bytes());
    let body = written(dir.path(), "body.json", number.as_bytes());
    let mut verify = conduit.command();
    let output = verify
        .args(["receipt", "verify", "--url", &conduit.url, "--body", &body, &printed])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains("that of the file"), "{text}");
}

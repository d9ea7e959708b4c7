//! TLS by Conduit itself: versions, HTTP/2, certificates that are replaced while it runs, and clients that are slow.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::common::secure::{NAMES, Secure, copy};
use crate::common::tls::Authority;
use crate::common::{Tenant, tenant, wait_for};

fn serial_of(file: &Path) -> String {
    let output = Command::new("openssl")
        .args(["x509", "-noout", "-serial", "-in"])
        .arg(file)
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn events_come_by_http_2_and_http_1_over_tls_and_nothing_older() {
    let secure = Secure::start(&[]);
    let conduit = &secure.conduit;
    let shop = Tenant::create(conduit, "did:web:shop.example");
    let id = shop.send(conduit, "contact", json!({"email": "ada@shop.example"}));
    assert_eq!(shop.outcome(conduit, &id)["status"], "processed");
    let found = shop.call(
        conduit,
        "GET",
        &format!("/api/v1/integrations/custom/{}", shop.integration),
        None,
    );
    let url = found.expect(200).json()["webhookUrl"].as_str().unwrap().to_owned();
    assert!(url.starts_with("https://127.0.0.1:"), "{url}");

    let (authorization, secret) = (
        format!("Authorization: {}", shop.webhook_auth),
        format!("x-webhook-secret: {}", shop.webhook_secret),
    );
    for (version, email) in [("--http2", "bob@shop.example"), ("--http1.1", "eve@shop.example")] {
        let body = tenant::body("contact", json!({"email": email}));
        let headers = [
            "-H",
            &authorization,
            "-H",
            &secret,
            "-d",
            &body,
            "-w",
            "\n%{http_version} %{http_code}",
        ];
        let output = secure.curl(&[&[version, url.as_str()][..], &headers].concat());
        let text = String::from_utf8(output.stdout).unwrap();
        let (answer, spoken) = text.rsplit_once('\n').unwrap();
        let expected = if version == "--http2" { "2 200" } else { "1.1 200" };
        assert_eq!(spoken, expected, "{text}");
        let answer: Value = serde_json::from_str(answer).unwrap();
        let id = answer["eventId"].as_str().unwrap();
        assert_eq!(shop.outcome(conduit, id)["status"], "processed");
    }

    // A long answer in many frames, a HEAD without a body, and refusals.
    let metrics = secure.curl(&["--http2", &format!("{}/metrics", conduit.url)]);
    let text = String::from_utf8(metrics.stdout).unwrap();
    assert!(text.len() > 10_000 && text.contains("conduit_build{"), "{}", text.len());
    let head = secure.curl(&["--http2", "-I", &format!("{}/livez", conduit.url)]);
    let head = String::from_utf8(head.stdout).unwrap();
    assert!(
        head.starts_with("HTTP/2 200") && head.contains("x-request-id"),
        "{head}"
    );
    let refused = secure.curl(&["--http2", "-d", "{}", "-o", "/dev/null", "-w", "%{http_code}", &url]);
    assert_eq!(refused.stdout, b"401");

    let old = secure.curl(&["--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0", &conduit.url]);
    assert!(!old.status.success() && old.stdout.is_empty(), "{old:?}");
    let newer = secure.curl(&["--tls-max", "1.2", &format!("{}/livez", conduit.url)]);
    assert!(newer.status.success(), "{newer:?}");
}

#[test]
fn a_head_beyond_the_limit_is_refused_and_many_streams_are_answered() {
    // Many connections at a time on a busy machine: none is to be cut off for being slow.
    let secure = Secure::start(&[
        ("CONDUIT__SERVER__TLS_HANDSHAKE_SECONDS", "60"),
        ("CONDUIT__SERVER__REQUEST_TIMEOUT_SECONDS", "300"),
    ]);
    let url = format!("{}/livez", secure.conduit.url);
    let long = format!("x-long: {}", "x".repeat(40 * 1024));
    let output = secure.curl(&["--http2", "-H", &long, "-o", "/dev/null", "-w", "%{http_code}", &url]);
    assert_eq!(output.stdout, b"431", "{output:?}");
    let urls: Vec<String> = (0..400).map(|_| url.clone()).collect();
    let mut args = vec![
        "--http2",
        "-Z",
        "--parallel-max",
        "300",
        "-w",
        "\n%{http_version} %{http_code}\n",
    ];
    args.extend(urls.iter().map(String::as_str));
    let output = secure.curl(&args);
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(text.matches("2 200\n").count(), 400, "{errors}");
}

#[test]
fn a_certificate_is_replaced_while_it_runs_by_a_rename_or_a_link() {
    let secure = Secure::start(&[]);
    let dir = secure.dir.path();
    let first = serial_of(&dir.join("tls.crt"));
    assert_eq!(secure.serial(), first);
    copy(&secure.authority.issue(NAMES), dir);
    let second = serial_of(&dir.join("tls.crt"));
    assert_ne!(first, second);
    wait_for("the new certificate", || (secure.serial() == second).then_some(()));

    // One of the two files is replaced: the former pair goes on, with one log line.
    let third = secure.authority.issue(NAMES);
    fs::copy(&third.file, dir.join("tls.crt")).unwrap();
    let complaints = || secure.conduit.log_lines("cannot serve: the one before goes on").len();
    wait_for("the warning", || (complaints() > 0).then_some(()));
    assert_eq!(secure.serial(), second);
    secure.conduit.get("/livez").expect(200);
    // Half of a file is another fault.
    let whole = fs::read(&third.file).unwrap();
    fs::write(dir.join("tls.crt"), &whole[..whole.len() / 2]).unwrap();
    wait_for("the second warning", || (complaints() > 1).then_some(()));
    assert_eq!((complaints(), secure.serial()), (2, second));
    copy(&third, dir);
    let third = serial_of(&third.file);
    wait_for("the third certificate", || (secure.serial() == third).then_some(()));

    // As Kubernetes does it: the files are links into a directory that is itself a link, which is turned.
    let mount = tempfile::tempdir().unwrap();
    let version = |name: &str| -> PathBuf {
        let path = mount.path().join(name);
        fs::create_dir(&path).unwrap();
        copy(&secure.authority.issue(NAMES), &path);
        path
    };
    let (old, new) = (version("old"), version("new"));
    let data = mount.path().join("data");
    symlink(&old, &data).unwrap();
    for name in ["tls.crt", "tls.key"] {
        fs::remove_file(dir.join(name)).unwrap();
        symlink(data.join(name), dir.join(name)).unwrap();
    }
    let (old, new) = (serial_of(&old.join("tls.crt")), (serial_of(&new.join("tls.crt")), new));
    wait_for("the certificate behind links", || {
        (secure.serial() == old).then_some(())
    });
    symlink(&new.1, mount.path().join("turned")).unwrap();
    fs::rename(mount.path().join("turned"), &data).unwrap();
    wait_for("the certificate behind the turned link", || {
        (secure.serial() == new.0).then_some(())
    });
}

#[test]
fn slow_handshakes_keep_nobody_waiting_and_are_cut_off() {
    let secure = Secure::start(&[
        ("CONDUIT__SERVER__WORKERS", "1"),
        ("CONDUIT__SERVER__TLS_HANDSHAKE_SECONDS", "1"),
    ]);
    // More than a worker's usual limit of handshakes, each with a byte of one.
    let mut slow: Vec<TcpStream> = (0..400)
        .map(|_| {
            let mut stream = TcpStream::connect(secure.address()).unwrap();
            stream.write_all(&[0x16]).unwrap();
            stream
        })
        .collect();
    secure.conduit.get("/livez").expect(200);
    for stream in &mut slow {
        stream.set_read_timeout(Some(crate::common::PATIENCE)).unwrap();
        // Ended by the server, with or without an alert: not by the time that this waits.
        let mut rest = Vec::new();
        if let Err(error) = stream.read_to_end(&mut rest) {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        }
    }
    secure.conduit.get("/livez").expect(200);
}

#[test]
fn the_commands_speak_tls() {
    let secure = Secure::start(&[]);
    let (conduit, authority) = (&secure.conduit, secure.authority.file());
    let stranger = Authority::new();
    let address = secure.address().to_string();
    let health = |args: &[&str]| {
        let mut command = conduit.command();
        command
            .arg("health")
            .args(args)
            .env("CONDUIT_LISTEN", &address)
            .output()
            .unwrap()
    };
    let trusted = authority.to_str().unwrap();
    let other = stranger.file();
    for args in [&[][..], &["--ready"][..], &["--ca-file", trusted][..]] {
        let output = health(args);
        assert!(output.status.success(), "{args:?} {output:?}");
    }
    let at = format!("https://localhost:{}", secure.address().port());
    assert!(health(&["--url", &at, "--ca-file", trusted]).status.success());
    for args in [&["--ca-file", other.to_str().unwrap()][..], &["--url", &at][..]] {
        let output = health(args);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("that authority's in --ca-file"), "{text}");
    }

    let shop = Tenant::create(conduit, "did:web:shop.example");
    let file = secure.dir.path().join("event.json");
    fs::write(&file, tenant::body("contact", json!({"email": "ada@shop.example"}))).unwrap();
    let send = |more: &[&str]| {
        let url = shop.webhook_url(conduit);
        let mut command = conduit.command();
        command.args([
            "send",
            "--url",
            &url,
            "--api-key",
            &shop.webhook_auth,
            "--secret",
            &shop.webhook_secret,
        ]);
        command.args(more).arg(&file).output().unwrap()
    };
    let output = send(&["--ca-file", trusted]);
    assert!(output.status.success(), "{output:?}");
    let output = send(&[]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!output.status.success() && text.contains("--ca-file"), "{text}");
}

#[test]
fn a_wrong_configuration_is_named() {
    let (authority, other) = (Authority::new(), Authority::new());
    let (one, another) = (authority.issue(NAMES), other.issue(NAMES));
    let dir = tempfile::tempdir().unwrap();
    let check = |cert: Option<&Path>, key: Option<&Path>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_conduit"));
        command.args(["config", "check"]).env("CONDUIT_DATA_DIR", dir.path());
        for (name, value) in [("CONDUIT_TLS_CERT", cert), ("CONDUIT_TLS_KEY", key)] {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(check(Some(&one.file), Some(&one.key)).0, Some(0));
    for (cert, key, expected) in [
        (Some(one.file.as_path()), None, "one is set without the other"),
        (None, Some(one.key.as_path()), "one is set without the other"),
        (
            Some(one.file.as_path()),
            Some(another.key.as_path()),
            "is not the key of",
        ),
        (Some(one.key.as_path()), Some(one.key.as_path()), "holds no certificate"),
        (
            Some(one.file.as_path()),
            Some(one.file.as_path()),
            "holds no private key",
        ),
        (
            Some(Path::new("/nowhere/tls.crt")),
            Some(one.key.as_path()),
            "cannot read /nowhere/tls.crt",
        ),
    ] {
        let (code, text) = check(cert, key);
        assert_eq!(code, Some(2), "{text}");
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn a_certificate_of_version_1_is_refused_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let make = "openssl ecparam -name prime256v1 -genkey -noout -out key.pem && \
        openssl req -new -key key.pem -subj /CN=localhost -out request.pem && \
        openssl x509 -req -in request.pem -signkey key.pem -days 2 -out v1.pem && \
        openssl x509 -in v1.pem -noout -text | grep -q 'Version: 1'";
    let made = Command::new("sh")
        .args(["-c", make])
        .current_dir(dir.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_conduit"));
    command.args(["config", "check"]).env("CONDUIT_DATA_DIR", dir.path());
    command.env("CONDUIT_TLS_CERT", dir.path().join("v1.pem"));
    command.env("CONDUIT_TLS_KEY", dir.path().join("key.pem"));
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("X.509 version 1") && !text.contains("Other("), "{text}");
}

#[test]
fn nothing_that_comes_over_tls_is_logged_in_clear() {
    let mut secure = Secure::start(&[("CONDUIT_LOG", "trace")]);
    let shop = Tenant::create(&secure.conduit, "did:web:shop.example");
    let (auth, secret) = (shop.webhook_auth.clone(), shop.webhook_secret.clone());
    let headers = [format!("Authorization: {auth}"), format!("x-webhook-secret: {secret}")];
    let (url, body) = (
        shop.webhook_url(&secure.conduit),
        tenant::body("contact", json!({"email": "canaryada@shop.example"})),
    );
    for version in ["--http2", "--http1.1"] {
        let args = [
            version,
            "-H",
            &headers[0],
            "-H",
            &headers[1],
            "-d",
            &body,
            "-w",
            " %{http_code}",
            &url,
        ];
        let output = secure.curl(&args);
        assert!(output.stdout.ends_with(b" 200"), "{output:?}");
    }
    secure.conduit.settled();
    assert_eq!(secure.conduit.stop(), Some(0));
    let logs = secure.conduit.logs();
    assert!(logs.contains("\"level\":\"TRACE\""));
    for canary in [auth.trim_start_matches("Bearer "), &secret, &shop.token, "canaryada"] {
        assert!(!logs.contains(canary), "{canary} is in the log");
    }
}

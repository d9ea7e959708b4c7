use super::*;
use crate::config::{Config, ConfigError, DEFAULTS};

fn load(variables: &[(&str, &str)]) -> Result<(Config, Vec<String>), String> {
    let all = variables.iter().map(|(name, value)| (name.into(), value.into()));
    let mut layers = Layers::over(DEFAULTS).unwrap();
    Variables::among(all).add_to(&mut layers);
    layers.finish().map_err(|error: ConfigError| error.to_string())
}

#[test]
fn a_credential_is_taken_from_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    std::fs::write(&file, "\u{FEFF}0123456789abcdef\r\n").unwrap();
    let file = file.to_str().unwrap();
    let (config, warnings) = load(&[
        ("CONDUIT_ADMIN_TOKEN_FILE", file),
        ("CONDUIT_LOG", "warn"),
        ("CONDUIT_LISTEN", ""),
    ])
    .unwrap();
    assert_eq!(config.storage.admin_token, "0123456789abcdef");
    assert_eq!(config.logging.filter, "warn");
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn a_file_that_cannot_serve_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("url");
    let file = file.to_str().unwrap();
    let named = ("CONDUIT_DATABASE_URL_FILE", file);
    for contents in [
        None,
        Some(&b" \n"[..]),
        Some(b"\xFF\xFEp\0"),
        Some(b"postgres://db\nhunter2\n"),
    ] {
        if let Some(text) = contents {
            std::fs::write(file, text).unwrap();
        }
        let error = load(&[named]).unwrap_err();
        assert!(
            error.contains("CONDUIT_DATABASE_URL_FILE") && error.contains(file) && !error.contains("hunter2"),
            "{error}"
        );
    }
    let error = load(&[named, ("CONDUIT_DATABASE_URL", "postgresql://hunter2@db")]).unwrap_err();
    assert!(error.contains("both") && !error.contains("hunter2"), "{error}");
}

#[test]
fn texts_are_in_force_as_they_were_written() {
    for token in [
        "12345678901234567890",
        "00000000000000000007",
        "1e10000000000000",
        "true",
    ] {
        for name in [
            "CONDUIT_ADMIN_TOKEN",
            "CONDUIT__STORAGE__ADMIN_TOKEN",
            "conduit__storage__admin_token",
        ] {
            assert_eq!(load(&[(name, token)]).unwrap().0.storage.admin_token, token, "{name}");
        }
    }
    let (config, _) = load(&[
        ("CONDUIT__JOURNAL__MAX_BYTES", "4GiB"),
        ("CONDUIT__SERVER__TRUSTED_PROXIES", "10.0.0.1,::1"),
        ("CONDUIT__RECEIPTS__ENABLED", "FALSE"),
        ("CONDUIT__TELEMETRY__SAMPLING_RATIO", "1"),
    ])
    .unwrap();
    assert_eq!(config.journal.max_bytes, 4 << 30);
    assert_eq!(config.server.trusted_proxies.len(), 2);
    assert!(!config.receipts.enabled);
}

#[test]
fn a_variable_that_resembles_a_setting_is_refused_with_the_name_that_was_meant() {
    for (name, meant) in [
        ("CONDUIT_LISTN", "CONDUIT_LISTEN"),
        ("CONDUIT_SERVER_LISTEN", "CONDUIT_LISTEN"),
        ("CONDUIT__SERVER_LISTEN", "CONDUIT_LISTEN"),
        ("conduit_listen", "CONDUIT_LISTEN"),
        ("CONDUIT__SERVER__LISTN", "CONDUIT__SERVER__LISTEN"),
        ("CONDUIT_MAX_BODY_BYTES", "CONDUIT__SERVER__MAX_BODY_BYTES"),
        ("CONDUIT_DEDUP_WINDOW_SECONDS", "CONDUIT__DEDUP__WINDOW_SECONDS"),
        ("CONDUIT_DATABASE_URI", "CONDUIT_DATABASE_URL"),
        ("CONDUIT_ADMINTOKEN", "CONDUIT_ADMIN_TOKEN"),
        ("CONDUIT__STORAGE__ADMIN_TOKEN_FILE", "CONDUIT_ADMIN_TOKEN_FILE"),
        ("CONDUIT_REDIS_URLFILE", "CONDUIT_REDIS_URL_FILE"),
    ] {
        let error = load(&[(name, "hunter2")]).unwrap_err();
        let expected = format!("{name} is no setting; did you mean {meant}?");
        assert!(
            error.contains(&expected) && !error.contains("hunter2"),
            "{name}: {error}"
        );
    }
    let error = load(&[("CONDUIT__PIPELINE__THREADS", "4")]).unwrap_err();
    assert!(error.contains("CONDUIT__PIPELINE__THREADS is no setting"), "{error}");
}

#[test]
fn other_names_are_warned_of() {
    for (name, value, meant) in [
        ("CONDUIT_PORT", "9000", "CONDUIT_LISTEN"),
        ("CONDUIT_LOG_LEVEL", "debug", "CONDUIT_LOG"),
        ("CONDUIT_IMAGE_VERSION", "7", ""),
        ("CONDUIT__SERVER__LISTN", "", "CONDUIT__SERVER__LISTEN"),
    ] {
        let (_, warnings) = load(&[(name, value)]).unwrap();
        assert!(
            warnings.len() == 1 && warnings[0].contains(name) && warnings[0].contains(meant),
            "{warnings:?}"
        );
    }
}

#[test]
fn what_kubernetes_sets_for_services_is_no_mistake() {
    let links = [
        ("CONDUIT_SERVICE_HOST", "10.0.0.11"),
        ("CONDUIT_SERVICE_PORT", "8080"),
        ("CONDUIT_SERVICE_PORT_HTTP", "8080"),
        ("CONDUIT_PORT", "tcp://10.0.0.11:8080"),
        ("CONDUIT_PORT_8080_TCP", "tcp://10.0.0.11:8080"),
        ("CONDUIT_PORT_8080_TCP_PROTO", "tcp"),
        ("CONDUIT_PORT_8080_TCP_PORT", "8080"),
        ("CONDUIT_PORT_8080_TCP_ADDR", "10.0.0.11"),
        ("CONDUIT_REDIS_PORT", "tcp://10.0.0.12:6379"),
        ("CONDUIT_REDIS_PORT_6379_TCP_ADDR", "10.0.0.12"),
        ("CONDUIT_METRICS_SERVICE_HOST", "10.0.0.13"),
    ];
    let (_, warnings) = load(&links).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn all_that_is_wrong_is_named_at_once() {
    let error = load(&[
        ("CONDUIT_LISTEN", "localhost"),
        ("CONDUIT__SERVER__WORKERS", "-1"),
        ("CONDUIT__DEDUP__WINDOW_SECONDS", "30s"),
        ("CONDUIT_LISTN", "x"),
    ])
    .unwrap_err();
    for expected in [
        "server.listen (CONDUIT_LISTEN): must be ADDRESS:PORT",
        "server.workers",
        "window_seconds",
        "CONDUIT_LISTN",
    ] {
        assert!(error.contains(expected), "{error}");
    }
}

//! The short names of settings, and files in place of credentials.
//!
//! A variable is seen by every child process and in many a diagnosis, a file only by who may read it. So what may hold a
//! credential may be given as the name of a file: `CONDUIT_ADMIN_TOKEN_FILE` for `CONDUIT_ADMIN_TOKEN`.

use std::path::Path;

use super::ConfigError;

/// The short names of the most used keys.
const SHORT: [(&str, &str); 13] = [
    ("CONDUIT_LISTEN", "server.listen"),
    ("CONDUIT_PUBLIC_URL", "server.public_url"),
    ("CONDUIT_TLS_CERT", "server.tls_cert"),
    ("CONDUIT_TLS_KEY", "server.tls_key"),
    ("CONDUIT_DATA_DIR", "storage.data_dir"),
    ("CONDUIT_DATABASE_URL", "storage.database_url"),
    ("CONDUIT_REDIS_URL", "dedup.redis_url"),
    ("CONDUIT_MASTER_KEY_FILE", "storage.master_key_file"),
    ("CONDUIT_ADMIN_TOKEN", "storage.admin_token"),
    ("CONDUIT_LOG", "logging.filter"),
    ("CONDUIT_LOG_FORMAT", "logging.format"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "telemetry.otlp_endpoint"),
    ("OTEL_SERVICE_NAME", "telemetry.service_name"),
];

/// Those that may be read from a file.
const CREDENTIALS: [&str; 3] = ["CONDUIT_DATABASE_URL", "CONDUIT_REDIS_URL", "CONDUIT_ADMIN_TOKEN"];

/// The short name of a key, if it has one.
pub(super) fn variable_for(key: &str) -> Option<&'static str> {
    SHORT.iter().find(|(_, named)| *named == key).map(|(name, _)| *name)
}

/// What the short names set: keys and values. `variable` looks one up.
pub(super) fn short(variable: impl Fn(&str) -> Option<String>) -> Result<Vec<(&'static str, String)>, ConfigError> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let mut found = Vec::new();
    for (name, key) in SHORT {
        let mut value = set(name);
        if CREDENTIALS.contains(&name) {
            let named = format!("{name}_FILE");
            if let Some(file) = set(&named) {
                if value.is_some() {
                    let text = format!("{name} and {named} are both set: keep one");
                    return Err(ConfigError::Invalid(text));
                }
                value = Some(read(&named, Path::new(&file))?);
            }
        }
        found.extend(value.map(|value| (key, value)));
    }
    Ok(found)
}

/// The file's text without the line's end. The text is in no message.
fn read(name: &str, file: &Path) -> Result<String, ConfigError> {
    let wrong = |what: &str| ConfigError::Invalid(format!("{name}: {}: {what}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| wrong(&error.to_string()))?;
    match text.trim() {
        "" => Err(wrong("is empty")),
        text => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(variables: &[(&str, &str)]) -> Result<Vec<(&'static str, String)>, String> {
        let find = |name: &str| variables.iter().find(|(known, _)| *known == name);
        short(|name| find(name).map(|(_, value)| (*value).to_owned())).map_err(|error| error.to_string())
    }

    #[test]
    fn a_credential_is_taken_from_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        std::fs::write(&file, "0123456789abcdef\n").unwrap();
        let file = file.to_str().unwrap();
        let found = load(&[
            ("CONDUIT_ADMIN_TOKEN_FILE", file),
            ("CONDUIT_LOG", "warn"),
            ("CONDUIT_LISTEN", ""),
        ]);
        let expected = [("storage.admin_token", "0123456789abcdef"), ("logging.filter", "warn")];
        assert_eq!(found.unwrap(), expected.map(|(key, value)| (key, value.to_owned())));
    }

    #[test]
    fn a_file_that_cannot_serve_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("url");
        let file = file.to_str().unwrap();
        let named = ("CONDUIT_DATABASE_URL_FILE", file);
        for contents in [None, Some(" \n")] {
            if let Some(text) = contents {
                std::fs::write(file, text).unwrap();
            }
            let error = load(&[named]).unwrap_err();
            assert!(
                error.contains("CONDUIT_DATABASE_URL_FILE") && error.contains(file),
                "{error}"
            );
        }
        let error = load(&[named, ("CONDUIT_DATABASE_URL", "postgresql://hunter2@db")]).unwrap_err();
        assert!(error.contains("both") && !error.contains("hunter2"), "{error}");
    }
}

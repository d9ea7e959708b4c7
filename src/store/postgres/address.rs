//! The address of the database: its URL as the driver takes it, and the files that the URL names.

use std::path::Path;
use std::str::FromStr as _;

use sqlx::postgres::PgConnectOptions;
use url::Url;

use crate::config::text_file::without_mark;
use crate::config::{CERTIFICATES, Config, KEYS, ROOTS, check_database_url, file_of, is_postgres};
use crate::tls::{authorities, private_key};

const KEY: &str = "storage.database_url";

/// Notes the faults of the files that the URL names, and the parameters that the driver refuses. No message contains
/// the URL, which may have a password in it.
pub(crate) fn check(config: &Config, wrong: &mut Vec<String>) {
    wrong.extend(faults(&config.storage.database_url).1);
}

/// Returns the faults of the URL's text, and those of its files and of the driver.
fn faults(url: &str) -> (Vec<String>, Vec<String>) {
    let (mut text, mut rest) = (Vec::new(), Vec::new());
    check_database_url(url, &mut text);
    let Some(parsed) = Url::parse(url).ok().filter(|_| is_postgres(url)) else {
        return (text, rest);
    };
    for (names, what) in [
        (ROOTS, Content::Certificate),
        (CERTIFICATES, Content::Certificate),
        (KEYS, Content::Key),
    ] {
        if let Some((name, file)) = file_of(&parsed, names)
            && let Err(error) = what.look(&file)
        {
            rest.push(format!("{name} in {KEY}: {error}"));
        }
    }
    if text.is_empty() && rest.is_empty() && PgConnectOptions::from_str(url).is_err() {
        rest.push(format!(
            "{KEY}: port, hostaddr or statement-cache-capacity is not what it must be"
        ));
    }
    (text, rest)
}

/// Returns the connection options of the URL.
///
/// # Errors
/// The fault, without the URL.
pub(super) fn connect_options(url: &str) -> Result<PgConnectOptions, String> {
    let (mut wrong, rest) = faults(url);
    wrong.extend(rest);
    if !wrong.is_empty() {
        return Err(wrong.join("; "));
    }
    // The driver's message may repeat a part of the URL.
    let parsed = PgConnectOptions::from_str(url).ok().zip(Url::parse(url).ok());
    let (mut options, parsed) = parsed.ok_or("the database URL is not one of PostgreSQL's")?;
    // The driver reads these files itself, and again for each connection, but finds nothing behind a byte order mark.
    let marked = |names: &[&'static str]| {
        let pem = std::fs::read(file_of(&parsed, names)?.1).ok()?;
        let text = without_mark(&pem);
        (text.len() < pem.len()).then(|| text.to_vec())
    };
    if let Some(pem) = marked(ROOTS) {
        options = options.ssl_root_cert_from_pem(pem);
    }
    if let Some(pem) = marked(CERTIFICATES) {
        options = options.ssl_client_cert_from_pem(pem);
    }
    if let Some(pem) = marked(KEYS) {
        options = options.ssl_client_key_from_pem(pem);
    }
    Ok(options)
}

/// The content that a file in PEM must have.
#[derive(Clone, Copy)]
enum Content {
    Certificate,
    Key,
}

impl Content {
    fn look(self, file: &Path) -> Result<(), String> {
        match self {
            Self::Certificate => authorities(file).map(drop),
            Self::Key => private_key(file),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "postgresql://conduit:hunter2@db.example/conduit";

    #[test]
    fn what_the_driver_would_refuse_is_named() {
        for (query, expected) in [
            (
                "sslrootcert=/missing.pem",
                "sslrootcert in storage.database_url: cannot read",
            ),
            ("sslkey=/missing.pem", "sslkey in storage.database_url: cannot read"),
            ("port=tide", "port"),
        ] {
            let (text, rest) = faults(&format!("{BASE}?{query}"));
            let error = rest.join("; ");
            assert!(text.is_empty() && error.contains(expected), "{query}: {text:?} {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        for good in [
            "postgresql://conduit:hunter2%25,%2f@db/x",
            "postgresql:///conduit?host=/run/postgresql",
            &format!("{BASE}?options=-c%20x%3Dy&options[z]=1"),
            BASE,
        ] {
            assert_eq!(faults(good), (Vec::new(), Vec::new()), "{good}");
        }
    }
}

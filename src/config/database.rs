//! Which database: told by its URL, whose password is never shown.

use std::fmt;
use std::path::PathBuf;

use url::Url;

/// A database, shown without its password.
#[derive(Clone, PartialEq, Eq)]
pub enum Database {
    /// A file.
    Sqlite(PathBuf),
    /// A URL, which may have a password in it.
    Postgres(String),
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => path.display().fmt(f),
            Self::Postgres(url) => without_password(url).fmt(f),
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

pub(super) fn is_postgres(url: &str) -> bool {
    ["postgres://", "postgresql://"]
        .iter()
        .any(|scheme| url.starts_with(scheme))
}

pub(super) fn is_well_formed(url: &str) -> bool {
    Url::parse(url).is_ok()
}

/// The file of authorities that the URL names.
pub(super) fn root_certificates(url: &str) -> Option<PathBuf> {
    let url = Url::parse(url).ok().filter(|url| is_postgres(url.as_str()))?;
    let found = url.query_pairs().find(|(key, _)| key == "sslrootcert");
    found.map(|(_, file)| PathBuf::from(file.into_owned()))
}

/// The URL, with a stand-in for its password, wherever PostgreSQL takes one.
pub(super) fn without_password(url: &str) -> String {
    if !is_postgres(url) {
        return url.to_owned();
    }
    let Ok(mut shown) = Url::parse(url) else {
        return super::REDACTED.to_owned();
    };
    if shown.password().is_some() && shown.set_password(Some("redacted")).is_err() {
        return super::REDACTED.to_owned();
    }
    if shown.query().is_some() {
        let pairs: Vec<_> = shown.query_pairs().into_owned().collect();
        shown
            .query_pairs_mut()
            .clear()
            .extend_pairs(pairs.iter().map(|(key, value)| {
                let secret = key.contains("password");
                (key, if secret { "redacted" } else { value.as_str() })
            }));
    }
    shown.into()
}

//! Which database: told by its URL, whose password is never shown.
//!
//! This module reads the URL alone. The store checks the files that it names, and asks the driver.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;

use url::Url;

use super::suggest::nearest;

/// The text that is shown in place of a credential.
pub(super) const REDACTED: &str = "(redacted)";

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

pub(crate) fn is_postgres(url: &str) -> bool {
    ["postgres://", "postgresql://"]
        .iter()
        .any(|scheme| url.starts_with(scheme))
}

/// Parameters of a URL of PostgreSQL that have an effect here.
const PARAMETERS: [&str; 18] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

/// Parameters that PostgreSQL's own clients know, and that have no effect here.
const OF_OTHER_CLIENTS: [&str; 27] = [
    "channel_binding",
    "client_encoding",
    "connect_timeout",
    "fallback_application_name",
    "gssdelegation",
    "gssencmode",
    "gsslib",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "krbsrvname",
    "load_balance_hosts",
    "passfile",
    "replication",
    "require_auth",
    "requirepeer",
    "requiressl",
    "service",
    "sslcompression",
    "sslcrl",
    "sslcrldir",
    "sslnegotiation",
    "sslpassword",
    "sslsni",
    "target_session_attrs",
    "tcp_user_timeout",
];

/// Names of the parameter whose file holds the authorities to trust.
pub(crate) const ROOTS: &[&str] = &["sslrootcert", "ssl-root-cert", "ssl-ca"];

/// Names of the parameter whose file holds the certificate to show.
pub(crate) const CERTIFICATES: &[&str] = &["sslcert", "ssl-cert"];

/// Names of the parameter whose file holds that certificate's key.
pub(crate) const KEYS: &[&str] = &["sslkey", "ssl-key"];

const MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

/// Notes the faults of the URL. No message contains the URL, which may have a password in it.
pub(crate) fn check(url: &str, wrong: &mut Vec<String>) {
    const KEY: &str = "storage.database_url";
    if !is_postgres(url) {
        let path = sqlite_path(url);
        if !url.is_empty() && !url.starts_with("sqlite:") {
            wrong.push(format!("{KEY} must begin with sqlite: or postgresql://"));
        } else if path == ":memory:" || path.starts_with("file:") {
            wrong.push(format!("{KEY} must be sqlite://PATH: events are kept in a file"));
        }
        return;
    }
    let authority = authority(url);
    let (credentials, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    if hosts.contains(',') {
        return wrong.push(several_hosts());
    }
    let Ok(parsed) = Url::parse(url) else {
        return wrong.push(format!("{KEY} is not a well-formed URL"));
    };
    if let Some(fault) = escape_fault(credentials) {
        wrong.push(format!("{KEY}: {fault}"));
    }
    let is_list = |(name, value): &(Cow<str>, Cow<str>)| matches!(&**name, "host" | "hostaddr") && value.contains(',');
    if parsed.query_pairs().any(|pair| is_list(&pair)) {
        wrong.push(several_hosts());
    }
    let mut seen = Vec::new();
    for (name, value) in parsed.query_pairs() {
        let is_known = PARAMETERS.contains(&&*name) || (name.starts_with("options[") && name.ends_with(']'));
        if seen.contains(&name) && name != "options" {
            wrong.push(format!("{KEY}: {name} is there twice"));
        } else if !is_known && !OF_OTHER_CLIENTS.contains(&&*name) {
            let meant = nearest(
                &name.to_ascii_lowercase().replace('_', ""),
                ["sslmode", "sslrootcert", "sslcert", "sslkey"],
            );
            let meant = meant.or_else(|| nearest(&name, PARAMETERS));
            let advice = meant
                .map(|meant| format!("; did you mean {meant}?"))
                .unwrap_or_default();
            wrong.push(format!(
                "{KEY}: {} is no parameter of PostgreSQL's{advice}",
                shown(&name)
            ));
        } else if matches!(&*name, "sslmode" | "ssl-mode") && !MODES.contains(&&*value.to_ascii_lowercase()) {
            let advice = nearest(&value.to_ascii_lowercase(), MODES).map(|meant| format!("; did you mean {meant}?"));
            wrong.push(format!(
                "{KEY}: sslmode must be one of {}{}",
                MODES.join(", "),
                advice.unwrap_or_default()
            ));
        }
        seen.push(name);
    }
}

fn several_hosts() -> String {
    "storage.database_url must name one host: for several servers, name an address that leads to the primary, as a proxy's"
        .to_owned()
}

/// Returns user, password, host and port in a URL.
fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

/// Returns the fault of the percent signs of user and password, without quoting them.
pub(crate) fn escape_fault(credentials: &str) -> Option<&'static str> {
    let is_escape = |rest: &str| {
        rest.get(..2)
            .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    let mut rests = credentials.split('%').skip(1);
    (!rests.all(is_escape)).then_some(
        "each % in the user or the password needs two hexadecimal digits behind it: write %25 for a percent sign",
    )
}

/// Notes parameters without effect, or with an unexpected one.
pub(super) fn warn(url: &str, warnings: &mut Vec<String>) {
    const KEY: &str = "storage.database_url";
    let parsed = Url::parse(url).ok().filter(|_| is_postgres(url));
    let Some(parsed) = parsed else {
        if sqlite_path(url).contains('?') {
            warnings.push(format!(
                "{KEY}: a path of SQLite takes no parameters: `?` is a part of the file's name"
            ));
        }
        return;
    };
    for (name, _) in parsed
        .query_pairs()
        .filter(|(name, _)| OF_OTHER_CLIENTS.contains(&&**name))
    {
        warnings.push(format!("{KEY}: {name} has no effect"));
    }
    let mode = parsed
        .query_pairs()
        .find(|(name, _)| matches!(&**name, "sslmode" | "ssl-mode"));
    let verifies = mode.is_some_and(|(_, mode)| mode.to_ascii_lowercase().starts_with("verify-"));
    if !verifies && file_of(&parsed, ROOTS).is_some() {
        warnings.push(format!(
            "{KEY}: sslrootcert has no effect without sslmode=verify-full or verify-ca: the server is not verified"
        ));
    }
}

/// Returns the last of these parameters, which is the one that counts, and the file that it names.
pub(crate) fn file_of(url: &Url, names: &[&'static str]) -> Option<(&'static str, PathBuf)> {
    let found = url.query_pairs().filter_map(|(key, file)| {
        let name = names.iter().find(|name| **name == key)?;
        Some((*name, PathBuf::from(file.into_owned())))
    });
    found.last()
}

/// Returns a parameter's name for messages: a password that was split by an `&` may look like a name.
fn shown(name: &str) -> &str {
    let is_name = name.len() <= 40
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'_' | b'-'));
    if is_name { name } else { "a name behind the ?" }
}

/// Returns the path in a URL of SQLite.
pub(super) fn sqlite_path(url: &str) -> &str {
    let path = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:"));
    path.unwrap_or_default()
}

/// Returns the URL with a stand-in for its password, in all places where PostgreSQL accepts one.
pub(super) fn without_password(url: &str) -> String {
    if !is_postgres(url) {
        return url.to_owned();
    }
    let Ok(mut shown) = Url::parse(url) else {
        return REDACTED.to_owned();
    };
    if shown.password().is_some() && shown.set_password(Some("redacted")).is_err() {
        return REDACTED.to_owned();
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

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "postgresql://conduit:hunter2@db.example/conduit";

    fn wrong(url: &str) -> String {
        let mut wrong = Vec::new();
        check(url, &mut wrong);
        let text = wrong.join("; ");
        assert!(!text.contains("hunter2"), "{text}");
        text
    }

    #[test]
    fn what_the_driver_would_ignore_is_named() {
        for (query, expected) in [
            ("sslmode=verify-ful", "did you mean verify-full?"),
            ("sslmode=", "sslmode must be one of"),
            ("sslmod=verify-full", "did you mean sslmode?"),
            ("ssl_mode=verify-full", "did you mean sslmode?"),
            ("sslRootCert=ca.pem", "did you mean sslrootcert?"),
            ("sslmode=disable&sslmode=verify-full", "twice"),
            ("hunter2!=x", "a name behind the ?"),
        ] {
            let error = wrong(&format!("{BASE}?{query}"));
            assert!(error.contains(expected), "{query}: {error}");
        }
        assert!(wrong("postgresql://conduit:hunter2@db:port/x").contains("well-formed"));
        assert!(wrong("sqlite::memory:").contains("in a file"));
        for several in ["h1,h2", "h1:5432,h2:5432"] {
            assert!(wrong(&format!("postgresql://conduit:hunter2@{several}/x")).contains("one host"));
        }
        assert!(wrong("postgresql:///conduit?host=h1,h2").contains("one host"));
        for broken in ["hunter2%zz", "hunter2%", "hunter2%2"] {
            assert!(wrong(&format!("postgresql://conduit:{broken}@db/x")).contains("write %25"));
        }
        assert_eq!(wrong("postgresql://conduit:hunter2%25,%2f@db/x"), "");
        for good in [
            "?sslmode=Verify-Full",
            "?options=-c%20x%3Dy&options[z]=1",
            "?connect_timeout=3",
            "",
        ] {
            assert_eq!(wrong(&format!("{BASE}{good}")), "", "{good}");
        }
        assert_eq!(wrong("postgresql:///conduit?host=/run/postgresql"), "");
    }

    #[test]
    fn what_has_no_effect_is_warned_of() {
        let warnings = |url: &str| {
            let mut warnings = Vec::new();
            warn(url, &mut warnings);
            warnings.join("; ")
        };
        assert!(warnings(&format!("{BASE}?channel_binding=require")).contains("channel_binding has no effect"));
        assert!(warnings(&format!("{BASE}?sslmode=require&sslrootcert=ca.pem")).contains("not verified"));
        assert!(warnings("sqlite:///var/c.db?mode=rwc").contains("no parameters"));
        assert_eq!(warnings(&format!("{BASE}?sslmode=verify-full&sslrootcert=ca.pem")), "");
    }
}

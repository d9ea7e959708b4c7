//! Settings in environment variables: long names, short names, and files in place of credentials.
//!
//! A variable is visible to every child process and in many a diagnosis, a file only to users who may read it. So a
//! setting with a credential may name a file: `CONDUIT_ADMIN_TOKEN_FILE` for `CONDUIT_ADMIN_TOKEN`.
//!
//! An unknown variable that begins with `CONDUIT_` is reported. It is an error if it resembles a setting, because its
//! author meant that setting. Otherwise it is a warning, because other tools may use such names.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use super::layers::Layers;
use super::{suggest, text_file, value};

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

/// The variables that may be read from a file.
const CREDENTIALS: [&str; 3] = ["CONDUIT_DATABASE_URL", "CONDUIT_REDIS_URL", "CONDUIT_ADMIN_TOKEN"];

/// Variables of the commands, and of the sample senders, that are no settings.
pub(crate) const OTHERS: [&str; 8] = [
    "CONDUIT_CONFIG",
    "CONDUIT_API_URL",
    "CONDUIT_API_TOKEN",
    "CONDUIT_API_KEY",
    "CONDUIT_WEBHOOK_SECRET",
    "CONDUIT_SEND_API_KEY",
    "CONDUIT_SEND_SECRET",
    "CONDUIT_BENCH_TOKEN",
];

/// Other products' names for settings, behind `CONDUIT_`.
const SYNONYMS: [(&str, &str); 16] = [
    ("ADDR", "CONDUIT_LISTEN"),
    ("ADDRESS", "CONDUIT_LISTEN"),
    ("BIND", "CONDUIT_LISTEN"),
    ("HOST", "CONDUIT_LISTEN"),
    ("PORT", "CONDUIT_LISTEN"),
    ("BASE_URL", "CONDUIT_PUBLIC_URL"),
    ("EXTERNAL_URL", "CONDUIT_PUBLIC_URL"),
    ("URL", "CONDUIT_PUBLIC_URL"),
    ("DATA", "CONDUIT_DATA_DIR"),
    ("DATABASE", "CONDUIT_DATABASE_URL"),
    ("DB_URL", "CONDUIT_DATABASE_URL"),
    ("POSTGRES_URL", "CONDUIT_DATABASE_URL"),
    ("REDIS", "CONDUIT_REDIS_URL"),
    ("LOG_LEVEL", "CONDUIT_LOG"),
    ("MASTER_KEY", "CONDUIT_MASTER_KEY_FILE"),
    ("TOKEN", "CONDUIT_ADMIN_TOKEN"),
];

const PREFIX: &str = "CONDUIT_";

/// The variables that may concern Conduit.
pub(super) struct Variables(BTreeMap<String, OsString>);

impl Variables {
    /// Returns the variables of this process.
    pub(super) fn of_process() -> Self {
        Self::among(std::env::vars_os())
    }

    fn among(all: impl Iterator<Item = (OsString, OsString)>) -> Self {
        let named = all.filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        let own = named.filter(|(name, _)| {
            let starts = name
                .get(..PREFIX.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(PREFIX));
            starts || SHORT.iter().any(|(short, _)| short == name)
        });
        Self(own.collect())
    }

    /// Returns what a variable is set to; `None` if it is not set, or empty.
    fn get(&self, name: &str) -> Option<Result<&str, String>> {
        let value = self.0.get(name).filter(|value| !value.is_empty())?;
        Some(value.to_str().ok_or_else(|| format!("{name} is no text in UTF-8")))
    }

    /// Returns the file that `CONDUIT_CONFIG` names.
    pub(super) fn config_file(&self) -> Option<&Path> {
        let file = self.0.get("CONDUIT_CONFIG").filter(|file| !file.is_empty());
        file.map(Path::new)
    }

    /// Adds what the variables say, the short names last, and names those that say nothing.
    pub(super) fn add_to(&self, layers: &mut Layers) {
        for name in self.0.keys() {
            self.add(layers, name);
        }
        for (name, key) in SHORT {
            if let Some(text) = self.short(layers, name) {
                set(layers, key, &text, name);
            }
        }
    }

    /// Adds a variable of a long name; names one that is nobody's.
    fn add(&self, layers: &mut Layers, name: &str) {
        let upper = name.to_ascii_uppercase();
        let Some(rest) = upper.strip_prefix(PREFIX) else {
            return;
        };
        let known = SHORT.iter().any(|(short, _)| *short == name)
            || CREDENTIALS
                .iter()
                .any(|short| name.strip_suffix("_FILE") == Some(short))
            || OTHERS.contains(&name);
        let value = self
            .0
            .get(name)
            .map(|value| value.to_string_lossy())
            .unwrap_or_default();
        if known || is_service_link(rest, &value) {
            return;
        }
        let path = rest.strip_prefix('_').map(str::to_ascii_lowercase);
        if let Some(path) = &path
            && layers.is_retired(&path.replace("__", "."), name)
        {
            return;
        }
        if let Some((section, key)) = path.as_deref().and_then(|path| path.split_once("__"))
            && layers.default_of(section, key).is_some()
        {
            match self.get(name) {
                None => {}
                Some(Ok(text)) => set(layers, &format!("{section}.{key}"), text, name),
                Some(Err(what)) => layers.wrong.push(what),
            }
            return;
        }
        let meant = meant(layers, &upper);
        let advice = meant
            .as_deref()
            .map(|meant| format!("; did you mean {meant}?"))
            .unwrap_or_default();
        let is_long = path.is_some();
        if value.is_empty() || !(is_long || meant.is_some()) {
            let synonym = SYNONYMS.iter().find(|(other, _)| *other == rest);
            let advice = synonym.map_or(advice, |(_, meant)| format!("; did you mean {meant}?"));
            layers
                .warnings
                .push(format!("{name} is no variable of Conduit and has no effect{advice}"));
        } else {
            layers.unknown(name, meant.as_deref());
        }
    }

    /// Returns what a short name says, itself or by a file.
    fn short(&self, layers: &mut Layers, name: &str) -> Option<String> {
        let mut noted = |what: Result<String, String>| what.map_err(|what| layers.wrong.push(what)).ok();
        let value = self.get(name);
        let named = format!("{name}_FILE");
        let file = self.get(&named).filter(|_| CREDENTIALS.contains(&name));
        match (value, file) {
            (Some(_), Some(_)) => noted(Err(format!("{name} and {named} are both set: keep one"))),
            (Some(value), None) => noted(value.map(str::to_owned)),
            (None, Some(file)) => noted(file.and_then(|file| read(&named, Path::new(file)))),
            (None, None) => None,
        }
    }
}

/// Sets a key to what a variable says.
fn set(layers: &mut Layers, key: &str, text: &str, name: &str) {
    let Some((section, key)) = key.split_once('.') else {
        return;
    };
    let value = layers
        .default_of(section, key)
        .map(|default| value::of_text(key, default, text));
    if let Some(value) = value {
        layers.set(section, key, value, name.to_owned());
    }
}

/// Returns the short name of a key. Returns `None` if it has none.
pub(super) fn variable_for(key: &str) -> Option<&'static str> {
    SHORT.iter().find(|(_, named)| *named == key).map(|(name, _)| *name)
}

/// Returns the variable that was meant by a name in capitals, if it resembles one.
fn meant(layers: &Layers, name: &str) -> Option<String> {
    let long = |key: &str| format!("CONDUIT__{}", key.to_ascii_uppercase().replace('.', "__"));
    let preferred = |key: &str| variable_for(key).map_or_else(|| long(key), str::to_owned);
    let words = |text: &str| text.to_ascii_lowercase().replace(['.', '_'], "");
    let rest = name.strip_prefix(PREFIX)?;
    let keys: Vec<String> = layers.keys().collect();
    // The right words with the wrong number of underscores, or without their section. Some are too common for that.
    const COMMON: [&str; 4] = ["enabled", "file", "filter", "format"];
    let wanted = words(rest);
    let same = |key: &&String| {
        let last = key.split_once('.').map_or("", |(_, last)| last);
        words(key) == wanted || (words(last) == wanted && !COMMON.contains(&last))
    };
    if let Some(key) = keys.iter().find(same) {
        return Some(preferred(key));
    }
    let files = CREDENTIALS.map(|name| format!("{name}_FILE"));
    if let Some(file) = rest.strip_suffix("_FILE").map(words)
        && let Some(key) = keys.iter().find(|key| words(key) == file)
    {
        return Some(preferred(key) + "_FILE").filter(|name| files.contains(name));
    }
    let long: Vec<String> = keys.iter().map(|key| long(key)).collect();
    let known = SHORT.iter().map(|(name, _)| *name).chain(OTHERS);
    let known = known
        .chain(files.iter().map(String::as_str))
        .chain(long.iter().map(String::as_str));
    let known = known.filter_map(|name| name.strip_prefix(PREFIX));
    suggest::nearest(rest, known).map(|meant| format!("{PREFIX}{meant}"))
}

/// Returns whether Kubernetes sets this variable for a service whose name begins with `conduit`. `name` is without
/// `CONDUIT_`.
fn is_service_link(name: &str, value: &str) -> bool {
    let ends_with = |ending: &str| name == ending || name.ends_with(&format!("_{ending}"));
    // A port that is a number is somebody's own idea of a setting.
    let is_address = ["tcp://", "udp://", "sctp://"]
        .iter()
        .any(|scheme| value.starts_with(scheme));
    let is_port = (ends_with("PORT") && is_address) || ends_with("SERVICE_PORT");
    let follows = |middle: &str| name.find(middle).map(|at| &name[at + middle.len()..]);
    let is_named_port = follows("SERVICE_PORT_").is_some_and(|port| !port.is_empty());
    let is_part = follows("PORT_").is_some_and(|rest| {
        let mut parts = rest.split('_');
        let is_number = parts.next().is_some_and(|port| port.parse::<u16>().is_ok());
        is_number
            && parts
                .next()
                .is_some_and(|protocol| ["TCP", "UDP", "SCTP"].contains(&protocol))
            && parts
                .next()
                .is_none_or(|part| ["PROTO", "PORT", "ADDR"].contains(&part))
    });
    ends_with("SERVICE_HOST") || is_port || is_named_port || is_part
}

/// Returns the file's text without the line's end. Errors do not quote the text.
fn read(name: &str, file: &Path) -> Result<String, String> {
    let wrong = |what: &str| format!("{name}: {}: {what}", file.display());
    let text = text_file::read_text(file).map_err(|error| wrong(&error.to_string()))?;
    match text.trim() {
        "" => Err(wrong("is empty")),
        text if text.contains(['\n', '\r']) => Err(wrong("holds more than one line")),
        text => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests;

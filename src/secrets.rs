//! Credentials: made, kept in files, recognised.
//!
//! All have 256 random bits and a prefix that secret scanners can be taught. They are stored as their SHA3-256 only.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use conduit_actors::hex::{self, Hex};
use conduit_actors::links::MasterKey;
use conduit_actors::personal::Secret;
use rand::Rng as _;
use zeroize::Zeroizing;

use crate::config::text_file::read_text;
use crate::config::{Config, StorageConfig};

/// The purpose of a credential, which is the prefix of its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// An integration's API key.
    ApiKey,
    /// A controller's webhook secret.
    WebhookSecret,
    /// A controller's management token.
    ManagementToken,
    /// The operator's token.
    AdminToken,
}

impl Purpose {
    const fn prefix(self) -> &'static str {
        match self {
            Self::ApiKey => "cdt_key_",
            Self::WebhookSecret => "cdt_whs_",
            Self::ManagementToken => "cdt_mgt_",
            Self::AdminToken => "cdt_adm_",
        }
    }
}

/// Returns what a credential is for, by its text alone: nothing is looked up.
#[must_use]
pub fn purpose_of(text: &str) -> Option<Purpose> {
    let all = [
        Purpose::ApiKey,
        Purpose::WebhookSecret,
        Purpose::ManagementToken,
        Purpose::AdminToken,
    ];
    all.into_iter().find(|purpose| text.starts_with(purpose.prefix()))
}

impl Purpose {
    /// Returns the name for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ApiKey => "an API key",
            Self::WebhookSecret => "a webhook secret",
            Self::ManagementToken => "a management token",
            Self::AdminToken => "the operator's token",
        }
    }
}

/// Makes a credential.
#[must_use]
pub fn generate(purpose: Purpose) -> Secret {
    let mut bytes = Zeroizing::new([0u8; 32]);
    rand::rng().fill_bytes(bytes.as_mut());
    Secret::new(format!("{}{}", purpose.prefix(), Hex(bytes.as_ref())))
}

/// A failure of the data directory or a key in it.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {what}")]
pub struct SecretError {
    path: PathBuf,
    what: String,
}

impl SecretError {
    pub(crate) fn new(path: &Path, what: impl ToString) -> Self {
        Self {
            path: path.to_owned(),
            what: what.to_string(),
        }
    }
}

/// The master key, and whether it is in its file yet.
pub(crate) struct MasterKeyFile {
    /// The key.
    pub(crate) key: MasterKey,
    /// A new key as text, and the file for it.
    made: Option<(PathBuf, Zeroizing<String>)>,
}

impl MasterKeyFile {
    /// Returns whether the key is new.
    pub(crate) const fn is_new(&self) -> bool {
        self.made.is_some()
    }

    /// Writes a key that was made just now to its file.
    ///
    /// # Errors
    /// [`SecretError`].
    pub(crate) fn keep(&self) -> Result<(), SecretError> {
        let Some((path, text)) = &self.made else {
            return Ok(());
        };
        write_secret(path, text)?;
        tracing::warn!(
            path = %path.display(),
            "generated a master key: copy it to a safe place; for production, keep it elsewhere and name it in \
             CONDUIT_MASTER_KEY_FILE"
        );
        Ok(())
    }

    /// Returns why a new key cannot serve: `what` was made with another one.
    pub(crate) fn lost(&self, what: &str) -> SecretError {
        let path = self.made.as_ref().map(|(path, _)| path.clone()).unwrap_or_default();
        lost(&path, what)
    }
}

/// Returns whether a file exists and is not empty. An interrupted start leaves an empty database.
pub(crate) fn is_written(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.len() > 0)
}

fn lost(path: &Path, what: &str) -> SecretError {
    let what = format!(
        "is missing, but there is {what} that was made with it: restore the key, or name its file in CONDUIT_MASTER_KEY_FILE"
    );
    SecretError::new(path, what)
}

/// Returns the master key from the named file, or from the data directory. The first time, a key is made.
/// [`MasterKeyFile::keep`] writes it once it is certain that no data was made with another one.
///
/// # Errors
/// [`SecretError`].
pub(crate) fn master_key(storage: &StorageConfig) -> Result<MasterKeyFile, SecretError> {
    let named = !storage.master_key_file.as_os_str().is_empty();
    let path = if named {
        storage.master_key_file.clone()
    } else {
        storage.data_dir.join("master.key")
    };
    let (text, is_new) = match read_text(&path) {
        Ok(text) => (Zeroizing::new(text), false),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !named => {
            // A key that is made anew beside a database would make all that is in it unreadable.
            if is_written(&storage.data_dir.join("conduit.db")) {
                return Err(lost(&path, "a database"));
            }
            let mut bytes = Zeroizing::new([0u8; 32]);
            rand::rng().fill_bytes(bytes.as_mut());
            (Zeroizing::new(Hex(bytes.as_ref()).to_string()), true)
        }
        Err(error) => return Err(SecretError::new(&path, error)),
    };
    let key = parse_key(text.trim()).map(MasterKey::new).ok_or_else(|| {
        SecretError::new(
            &path,
            "must hold 32 bytes, as 64 hexadecimal digits or in base64 (44 characters)",
        )
    })?;
    Ok(MasterKeyFile {
        key,
        made: is_new.then_some((path, text)),
    })
}

/// Returns the operator's token: configured, or from the data directory, where it is generated the first time.
///
/// # Errors
/// [`SecretError`].
pub fn admin_token(storage: &StorageConfig) -> Result<Secret, SecretError> {
    if !storage.admin_token.is_empty() {
        return Ok(Secret::new(storage.admin_token.clone()));
    }
    let path = storage.data_dir.join("admin.token");
    match read_text(&path) {
        Ok(text) if !text.trim().is_empty() => Ok(Secret::new(text.trim().to_owned())),
        Ok(_) => Err(SecretError::new(
            &path,
            "is empty: delete it, and the next start makes a new one",
        )),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let token = generate(Purpose::AdminToken);
            write_secret(&path, token.expose())?;
            tracing::warn!(path = %path.display(), "generated the operator's token");
            Ok(token)
        }
        Err(error) => Err(SecretError::new(&path, error)),
    }
}

/// Writes a file beside, syncs it, then renames it: a crash leaves the old file or the new one.
pub(crate) fn write_secret(path: &Path, text: &str) -> Result<(), SecretError> {
    write_durably(path, text).map_err(|error| SecretError::new(path, error))
}

/// Writes a file as [`write_secret`] does.
pub(crate) fn write_durably(path: &Path, text: &str) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&beside)?;
    writeln!(file, "{text}")?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    File::open(path.parent().unwrap_or_else(|| Path::new(".")))?.sync_all()
}

/// Notes the faults of the operator's token and of a named master key. Creates nothing.
pub(crate) fn check(config: &Config, wrong: &mut Vec<String>) {
    let storage = &config.storage;
    if let Some(fault) = token_fault(&storage.admin_token) {
        wrong.push(format!("storage.admin_token {fault}"));
    }
    if !storage.master_key_file.as_os_str().is_empty()
        && let Err(error) = master_key(storage)
    {
        wrong.push(format!("storage.master_key_file: {error}"));
    }
    let token = storage.data_dir.join("admin.token");
    if storage.admin_token.is_empty()
        && let Some(fault) = read_text(&token).ok().and_then(|text| token_fault(text.trim()))
    {
        wrong.push(format!("{}: the operator's token {fault}", token.display()));
    }
}

/// Notes a master key that works, and protects nothing.
pub(crate) fn warn(config: &Config, warnings: &mut Vec<String>) {
    if is_master_key_guessable(&config.storage) {
        warnings.push(
            "the master key is one byte 32 times: anybody can guess it. Use 32 random bytes, as from `openssl rand -hex 32`, \
             before the first start: it cannot be changed later"
                .to_owned(),
        );
    }
}

/// Returns why no header can carry this as a token, or `None` if one can.
fn token_fault(text: &str) -> Option<&'static str> {
    if text.chars().any(char::is_control) {
        Some("must have no line breaks or other control characters")
    } else if text.is_ascii() {
        None
    } else {
        Some("must have ASCII characters only: an HTTP header carries no others as they are")
    }
}

/// Returns whether the master key, if it is there already, is one byte again and again, as nobody draws it.
fn is_master_key_guessable(storage: &StorageConfig) -> bool {
    let named = &storage.master_key_file;
    let path = if named.as_os_str().is_empty() {
        storage.data_dir.join("master.key")
    } else {
        named.clone()
    };
    let text = read_text(&path).map(Zeroizing::new);
    let key = text.ok().and_then(|text| parse_key(text.trim())).map(Zeroizing::new);
    key.is_some_and(|key| key.iter().all(|byte| *byte == key[0]))
}

fn parse_key(text: &str) -> Option<[u8; 32]> {
    if text.len() == 64 {
        return hex::parse(text);
    }
    BASE64.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_in_both_notations() {
        assert_eq!(parse_key(&"0a".repeat(32)), Some([10; 32]));
        assert_eq!(
            parse_key("CgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgo="),
            Some([10; 32])
        );
        for bad in ["", "0a", &"zz".repeat(32), &"0a".repeat(31), "CgoK"] {
            assert_eq!(parse_key(bad), None);
        }
    }

    #[test]
    fn tokens_that_no_header_carries_are_refused() {
        assert_eq!(token_fault("a token of some length"), None);
        assert!(token_fault("ein-schlüssel-für-alles").is_some_and(|fault| fault.contains("ASCII")));
        assert!(token_fault("two\nlines").is_some_and(|fault| fault.contains("line breaks")));
    }

    #[test]
    fn credentials_say_what_they_are_for_and_differ() {
        let (one, other) = (generate(Purpose::ApiKey), generate(Purpose::ApiKey));
        assert!(one.expose().starts_with("cdt_key_") && one.expose().len() == 72);
        assert_ne!(one.expose(), other.expose());
        assert_eq!(purpose_of(one.expose()), Some(Purpose::ApiKey));
        assert_eq!(purpose_of("cdt_mgt_"), Some(Purpose::ManagementToken));
        assert_eq!(purpose_of("anything"), None);
    }
}

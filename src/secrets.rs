//! Credentials: made, kept in files, recognised.
//!
//! All have 256 random bits and a prefix that secret scanners can be taught. They are stored as their SHA3-256 only.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use conduit_actors::links::MasterKey;
use conduit_actors::personal::Secret;
use rand::RngCore as _;
use zeroize::Zeroizing;

use crate::config::StorageConfig;

/// What a credential is for; its text begins with this.
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
    /// What people call it.
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
    let text = bytes
        .iter()
        .fold(purpose.prefix().to_owned(), |text, byte| text + &format!("{byte:02x}"));
    Secret::new(text)
}

/// What went wrong with the data directory or a key in it.
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

/// Makes the data directory, for its owner only, and locks it: one process at a time.
///
/// # Errors
/// [`SecretError`] if it cannot be made, or another process has it.
pub fn lock_data_dir(dir: &Path) -> Result<File, SecretError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|error| SecretError::new(dir, error))?;
    let path = dir.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(|error| SecretError::new(&path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(SecretError::new(
            dir,
            "another conduit process uses this data directory: stop it, or name another",
        )),
        Err(fs::TryLockError::Error(error)) => Err(SecretError::new(&path, error)),
    }
}

/// The master key: from the file that is named, or from the data directory, generated there the first time.
///
/// # Errors
/// [`SecretError`].
pub fn master_key(storage: &StorageConfig) -> Result<MasterKey, SecretError> {
    let named = !storage.master_key_file.as_os_str().is_empty();
    let path = if named {
        storage.master_key_file.clone()
    } else {
        storage.data_dir.join("master.key")
    };
    let text = match fs::read_to_string(&path) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !named => {
            // A key that is made anew beside a database would make all that is in it unreadable.
            if storage.data_dir.join("conduit.db").exists() {
                let what = "is missing, but there is a database that was made with it: restore the key";
                return Err(SecretError::new(&path, what));
            }
            let mut bytes = Zeroizing::new([0u8; 32]);
            rand::rng().fill_bytes(bytes.as_mut());
            let text = Zeroizing::new(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
            write_secret(&path, &text)?;
            tracing::warn!(
                path = %path.display(),
                "generated a master key: copy it to a safe place; for production, keep it elsewhere and name it in \
                 CONDUIT_MASTER_KEY_FILE"
            );
            text
        }
        Err(error) => return Err(SecretError::new(&path, error)),
    };
    parse_key(text.trim()).map(MasterKey::new).ok_or_else(|| {
        SecretError::new(
            &path,
            "must hold 32 bytes, as 64 hexadecimal digits or in base64 (44 characters)",
        )
    })
}

/// The operator's token: configured, or from the data directory, generated there the first time.
///
/// # Errors
/// [`SecretError`].
pub fn admin_token(storage: &StorageConfig) -> Result<Secret, SecretError> {
    if !storage.admin_token.is_empty() {
        return Ok(Secret::new(storage.admin_token.clone()));
    }
    let path = storage.data_dir.join("admin.token");
    match fs::read_to_string(&path) {
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

/// A name for this process's journal, kept with it.
///
/// # Errors
/// [`SecretError`].
pub fn node_id(dir: &Path) -> Result<String, SecretError> {
    let path = dir.join("node.id");
    match fs::read_to_string(&path) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let id = uuid::Uuid::now_v7().to_string();
            write_secret(&path, &id)?;
            Ok(id)
        }
        Err(error) => Err(SecretError::new(&path, error)),
    }
}

/// Written beside, synced, then renamed: a crash leaves the old file or the new one.
pub(crate) fn write_secret(path: &Path, text: &str) -> Result<(), SecretError> {
    let write = || -> io::Result<()> {
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
    };
    write().map_err(|error| SecretError::new(path, error))
}

fn parse_key(text: &str) -> Option<[u8; 32]> {
    let bytes: Vec<u8> = if text.len() == 64 {
        (0..64)
            .step_by(2)
            .map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
            .collect::<Option<_>>()?
    } else {
        BASE64.decode(text).ok()?
    };
    bytes.try_into().ok()
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
    fn credentials_say_what_they_are_for_and_differ() {
        let (one, other) = (generate(Purpose::ApiKey), generate(Purpose::ApiKey));
        assert!(one.expose().starts_with("cdt_key_") && one.expose().len() == 72);
        assert_ne!(one.expose(), other.expose());
        assert_eq!(purpose_of(one.expose()), Some(Purpose::ApiKey));
        assert_eq!(purpose_of("cdt_mgt_"), Some(Purpose::ManagementToken));
        assert_eq!(purpose_of("anything"), None);
    }
}

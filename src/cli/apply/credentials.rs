//! Where new credentials go: the server shows each only once.

use std::fs::{File, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::super::output;
use super::super::usage::Usage;

/// A file that only its owner reads, or the terminal.
pub(super) enum Credentials {
    File(PathBuf, File),
    Printed,
}

impl Credentials {
    /// Opens the file before any change, if there will be `any` credentials: a credential without a file would be lost.
    pub(super) fn open(path: Option<&Path>, any: bool) -> Result<Self, Usage> {
        let Some(path) = path.filter(|_| any) else {
            return Ok(Self::Printed);
        };
        let open = || {
            let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
            // An existing file may be open to others.
            file.set_permissions(Permissions::from_mode(0o600))?;
            Ok::<_, std::io::Error>(file)
        };
        let file = open().map_err(|error| {
            Usage(format!(
                "--credentials-out {}: {error}; nothing was changed",
                path.display()
            ))
        })?;
        Ok(Self::File(path.to_owned(), file))
    }

    /// Keeps one. If the file does not take it, it is printed: it would be lost otherwise.
    pub(super) fn keep(&mut self, credential: &Value) -> Result<()> {
        let kept = match self {
            Self::File(path, file) => writeln!(file, "{credential}")
                .and_then(|()| file.sync_all())
                .with_context(|| format!("cannot write {}: the credentials are printed instead", path.display())),
            Self::Printed => return print(credential),
        };
        if kept.is_err() {
            print(credential)?;
        }
        kept
    }
}

/// Prints one. Output that takes nothing ends the work: the next credential would be lost as well.
fn print(credential: &Value) -> Result<()> {
    output::print(format_args!("{credential}\n")).with_context(|| {
        format!(
            "cannot print the new credentials of {}: they are lost, rotate them",
            credential["did"].as_str().unwrap_or("a controller")
        )
    })
}

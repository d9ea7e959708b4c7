//! Wrappers for values that must never be shown: personal data and credentials.
//!
//! Neither implements `Display` or `Serialize`, and their `Debug` shows the type's name alone. [`Personal::expose`] and
//! [`Secret::expose`] give access to the value, by words that a reviewer can search for.

use std::fmt;

use sha3::{Digest, Sha3_256};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Personal data of a data subject: a payload, a field's value, a normalised identifier.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Personal<T>(T);

impl<T> Personal<T> {
    /// Marks a value as personal data.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// Returns the value, for code that must work on it.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// Returns the value for changes.
    pub const fn expose_mut(&mut self) -> &mut T {
        &mut self.0
    }

    /// Returns the value itself.
    pub fn into_exposed(self) -> T {
        self.0
    }
}

impl<'de, T: serde::Deserialize<'de>> serde::Deserialize<'de> for Personal<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self)
    }
}

impl<T> fmt::Debug for Personal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Personal(…)")
    }
}

/// A credential as its owner presents it. Wiped from memory when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret(String);

impl Secret {
    /// Marks a text as a credential.
    #[must_use]
    pub const fn new(value: String) -> Self {
        Self(value)
    }

    /// Returns the credential, for the one answer that shows it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Returns the hash that is stored in its place.
    #[must_use]
    pub fn hash(&self) -> CredentialHash {
        CredentialHash(Sha3_256::digest(self.0.as_bytes()).into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// SHA3-256 of a credential. Credentials have 256 random bits, so a plain hash cannot be searched. Equality takes the
/// same time for all bytes.
#[derive(Clone, Copy)]
pub struct CredentialHash([u8; 32]);

impl CredentialHash {
    /// Creates a hash from the stored bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes for storage.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl ConstantTimeEq for CredentialHash {
    fn ct_eq(&self, other: &Self) -> subtle::Choice {
        self.0.ct_eq(&other.0)
    }
}

impl fmt::Debug for CredentialHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CredentialHash(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_shown() {
        let shown = format!(
            "{:?} {:?} {:?}",
            Personal::new("a@b.example"),
            Secret::new("s3cr3t".into()),
            Secret::new("s3cr3t".into()).hash()
        );
        assert_eq!(shown, "Personal(…) Secret(…) CredentialHash(…)");
    }
}

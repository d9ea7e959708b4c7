//! The certificate that Conduit presents, read again when its files change.
//!
//! A task compares the contents of the files every two seconds, not their times. So every way of replacing them works:
//! a rename, a switched link (as Kubernetes does for its secrets), or writing in place. A pair that does not fit
//! together, for example while only one file is replaced, is not used. The second look warns of it, once.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use rustls::CertificateError;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use tokio::sync::Notify;
use zeroize::Zeroizing;

use crate::config::CertificateFiles;

/// How often the files are looked at.
const INTERVAL: Duration = Duration::from_secs(2);

/// The contents of the files.
struct Contents {
    certificate: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
}

impl CertificateFiles {
    /// Reads both and sees that they fit together.
    ///
    /// # Errors
    /// Which file is not right, and how. Nothing of the key is shown.
    pub fn read(&self) -> Result<CertifiedKey, String> {
        self.parse(&self.contents()?)
    }

    fn contents(&self) -> Result<Contents, String> {
        let read = |file: &PathBuf| super::read_pem(file);
        Ok(Contents {
            certificate: read(&self.certificate)?,
            key: Zeroizing::new(read(&self.key)?),
        })
    }

    fn parse(&self, contents: &Contents) -> Result<CertifiedKey, String> {
        let (name, key_name) = (self.certificate.display(), self.key.display());
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&contents.certificate).collect();
        let chain = chain.map_err(|error| format!("{name} is no file of certificates in PEM: {error}"))?;
        if chain.is_empty() {
            return Err(format!("{name} holds no certificate in PEM"));
        }
        let key = PrivateKeyDer::from_pem_slice(&contents.key)
            .map_err(|_| format!("{key_name} holds no private key in PEM without a password"))?;
        CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                format!("{key_name} is not the key of the first certificate in {name}")
            }
            rustls::Error::InvalidCertificate(fault) => format!("{name} {}", in_words(&fault)),
            error => format!("{name} with {key_name} cannot serve: {error}"),
        })
    }
}

/// Describes the fault of a certificate, and how to fix it. The library's own words are names of its types.
fn in_words(fault: &CertificateError) -> String {
    let named = format!("{fault:?}");
    let text = if named.contains("UnsupportedCertVersion") {
        "has a certificate of X.509 version 1, which TLS does not take: make one of version 3, which has the names of the server \
         (subjectAltName); `openssl req -x509` and `openssl x509 -extfile` do"
    } else if matches!(fault, CertificateError::BadEncoding) {
        "has a certificate that is damaged: copy it again"
    } else if named.contains("UnsupportedCriticalExtension")
        || matches!(fault, CertificateError::UnhandledCriticalExtension)
    {
        "has a certificate with a critical extension that is not known here: make one without"
    } else {
        return format!("has a certificate that cannot serve ({named}): make another, of X.509 version 3");
    };
    text.to_owned()
}

/// See the module's docs.
pub struct ServerCertificate {
    files: CertificateFiles,
    current: RwLock<Arc<CertifiedKey>>,
    asked: Notify,
}

impl std::fmt::Debug for ServerCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ServerCertificate").field(&self.files).finish()
    }
}

impl ResolvesServerCert for ServerCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read()))
    }
}

/// The result of the last look at the files.
#[derive(PartialEq, Eq)]
enum Look {
    /// This, which is in force.
    Good(Vec<Vec<u8>>),
    /// This fault, for the so-many-th time.
    Bad(String, u32),
}

impl ServerCertificate {
    /// Reads the files.
    ///
    /// # Errors
    /// As [`CertificateFiles::read`].
    pub fn open(files: CertificateFiles) -> Result<Arc<Self>, String> {
        let current = RwLock::new(Arc::new(files.read()?));
        let asked = Notify::new();
        Ok(Arc::new(Self { files, current, asked }))
    }

    /// Returns the configuration for accepting connections: TLS 1.2 or 1.3, and HTTP/2 before HTTP/1.1.
    ///
    /// # Errors
    /// The errors of rustls.
    pub fn config(self: &Arc<Self>) -> Result<rustls::ServerConfig, rustls::Error> {
        let builder = rustls::ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let mut config = builder
            .with_protocol_versions(&[&TLS13, &TLS12])?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as _);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.ticketer = aws_lc_rs::Ticketer::new()?;
        Ok(config)
    }

    /// Makes [`Self::follow`] look at the files now, and report the result.
    pub fn look_now(&self) {
        self.asked.notify_one();
    }

    /// Looks at the files for as long as it is polled.
    pub async fn follow(self: Arc<Self>) {
        let chain = |key: &CertifiedKey| key.cert.iter().map(|part| part.to_vec()).collect();
        let mut seen = Look::Good(chain(&self.current.read()));
        loop {
            let asked = tokio::time::timeout(INTERVAL, self.asked.notified()).await.is_ok();
            // Two small files. A disk that hangs must not hang what runs on this thread.
            let files = self.files.clone();
            let Ok(read) = tokio::task::spawn_blocking(move || files.read()).await else {
                continue;
            };
            seen = match (read, seen) {
                (Ok(key), before) => {
                    let now = Look::Good(chain(&key));
                    let file = self.files.certificate.display();
                    if now != before {
                        *self.current.write() = Arc::new(key);
                        tracing::info!(%file, "TLS certificate read again");
                    } else if asked {
                        tracing::info!(%file, "TLS certificate read again: it is the same");
                    }
                    now
                }
                (Err(error), Look::Bad(before, times)) if error == before => {
                    if times == 1 || asked {
                        tracing::warn!(%error, "the TLS certificate was changed, but cannot serve: the one before goes on");
                    }
                    Look::Bad(before, times.saturating_add(1))
                }
                (Err(error), _) if asked => {
                    tracing::warn!(%error, "the TLS certificate was changed, but cannot serve: the one before goes on");
                    Look::Bad(error, 2)
                }
                (Err(error), _) => Look::Bad(error, 1),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_cannot_serve_is_named_and_no_key_is_shown() {
        let dir = tempfile::tempdir().unwrap();
        let files = CertificateFiles {
            certificate: dir.path().join("tls.crt"),
            key: dir.path().join("tls.key"),
        };
        let error = || files.read().unwrap_err();
        assert!(error().contains("cannot read") && error().contains("tls.crt"));
        fs::write(&files.certificate, "").unwrap();
        assert!(error().contains("tls.key"));
        fs::write(&files.key, "secret").unwrap();
        assert!(error().contains("no certificate"));
        fs::write(
            &files.certificate,
            "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
        )
        .unwrap();
        assert!(error().contains("no private key") && !error().contains("secret"));
    }
}

//! TLS: the certificate that Conduit shows; and, to the servers that it is a client of, authorities to trust, and what to
//! do about a refusal.

pub mod client;
mod server;

use std::path::Path;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use crate::config::{Config, text_file};

pub use crate::config::CertificateFiles;
pub use server::ServerCertificate;

/// Notes the faults of the certificate and its key.
pub(crate) fn check(config: &Config, wrong: &mut Vec<String>) {
    let server = &config.server;
    if server.tls_cert.as_os_str().is_empty() || server.tls_key.as_os_str().is_empty() {
        return;
    }
    if let Some(Err(error)) = server.certificate().map(|files| files.read()) {
        wrong.push(format!("server.tls_cert and server.tls_key: {error}"));
    }
}

/// Reads a file of certificates of authorities, as PEM.
///
/// # Errors
/// It cannot be read, or holds no certificate.
pub fn authorities(file: &Path) -> Result<Vec<u8>, String> {
    let name = file.display();
    let pem = read_pem(file)?;
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        certificate.map_err(|error| format!("{name} is no file of certificates in PEM: {error}"))?;
        count += 1;
    }
    if count == 0 {
        return Err(format!("{name} holds no certificate in PEM"));
    }
    Ok(pem)
}

/// Reads a file of PEM, behind its byte order mark.
fn read_pem(file: &Path) -> Result<Vec<u8>, String> {
    let name = file.display();
    let pem = std::fs::read(file).map_err(|error| format!("cannot read {name}: {error}"))?;
    if text_file::is_utf16(&pem) {
        return Err(format!("{name} is UTF-16: save it as UTF-8"));
    }
    Ok(text_file::without_mark(&pem).to_vec())
}

/// Sees that a file holds a private key, as PEM without a password.
///
/// # Errors
/// It does not. Nothing of the key is shown.
pub fn private_key(file: &Path) -> Result<(), String> {
    let pem = Zeroizing::new(read_pem(file)?);
    PrivateKeyDer::from_pem_slice(&pem)
        .map(drop)
        .map_err(|_| format!("{} holds no private key in PEM without a password", file.display()))
}

/// Returns an error's text. If a certificate is at fault, adds advice. `setting` names the trusted authorities. The
/// clients hide the error's type, so this function recognises rustls' words; `tests/tls.rs` notices when they change.
pub(crate) fn with_advice(text: &str, setting: &str) -> String {
    let Some((_, cause)) = text.split_once("invalid peer certificate: ") else {
        return text.to_owned();
    };
    // A bad signature means another authority of the same name, mostly one that was created again.
    let advice = if ["UnknownIssuer", "BadSignature"]
        .iter()
        .any(|what| cause.contains(what))
    {
        format!("the server's certificate is of an authority that is not trusted: name that authority's in {setting}")
    } else if cause.contains("not valid for") || cause.contains("NotValidForName") {
        "the server's certificate is for another name: use a name in the URL that it has, or have one made for this"
            .to_owned()
    } else if cause.contains("expired") || cause.contains("Expired") {
        "the server's certificate has expired: renew it, or correct this machine's clock".to_owned()
    } else {
        format!("the server's certificate is not accepted: see {setting}")
    };
    format!("{text}; {advice}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ca.pem");
        assert!(authorities(&file).unwrap_err().contains("cannot read"));
        for (text, expected) in [
            ("\u{FEFF}", "holds no certificate"),
            ("", "holds no certificate"),
            ("-----BEGIN CERTIFICATE-----\n!", "no file of certificates"),
        ] {
            std::fs::write(&file, text).unwrap();
            let error = authorities(&file).unwrap_err();
            assert!(error.contains(expected) && error.contains("ca.pem"), "{error}");
        }
    }

    #[test]
    fn what_to_do_is_said() {
        use rustls::CertificateError::{BadSignature, Expired, NotValidForName, UnknownIssuer};
        for (cause, expected) in [
            (BadSignature, "that authority's in the setting"),
            (UnknownIssuer, "that authority's in the setting"),
            (NotValidForName, "another name"),
            (Expired, "has expired: renew it"),
        ] {
            let text = with_advice(&rustls::Error::InvalidCertificate(cause).to_string(), "the setting");
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn other_errors_are_left_as_they_are() {
        assert_eq!(with_advice("connection refused", "x"), "connection refused");
    }
}

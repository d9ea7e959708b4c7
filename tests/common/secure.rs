//! A server that speaks TLS, with the files of its certificate.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tempfile::TempDir;

use super::Conduit;
use super::tls::{Authority, Certificate};

pub const NAMES: &str = "IP:127.0.0.1,DNS:localhost";

/// A server with its own files, whose names stay while their content is replaced.
pub struct Secure {
    pub conduit: Conduit,
    pub authority: Authority,
    pub dir: TempDir,
}

pub fn copy(certificate: &Certificate, dir: &Path) {
    for (from, to) in [(&certificate.file, "tls.crt"), (&certificate.key, "tls.key")] {
        // Written beside it and renamed, as tools that renew certificates do.
        let beside = dir.join("beside");
        fs::copy(from, &beside).unwrap();
        fs::rename(beside, dir.join(to)).unwrap();
    }
}

fn settings(dir: &Path) -> [(&'static str, String); 2] {
    let file = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    [
        ("CONDUIT_TLS_CERT", file("tls.crt")),
        ("CONDUIT_TLS_KEY", file("tls.key")),
    ]
}

impl Secure {
    pub fn start(more: &[(&str, &str)]) -> Self {
        let (authority, dir) = (Authority::new(), tempfile::tempdir().unwrap());
        copy(&authority.issue(NAMES), dir.path());
        let tls = settings(dir.path());
        let mut all: Vec<(&str, &str)> = tls.iter().map(|(key, value)| (*key, value.as_str())).collect();
        all.extend(more);
        let mut conduit = Conduit::with(&all);
        conduit.client = trusting(&authority);
        Self {
            conduit,
            authority,
            dir,
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.conduit.url.strip_prefix("https://").unwrap().parse().unwrap()
    }

    /// Opens a connection that offers these protocols (ALPN).
    pub async fn connect(&self, protocols: &[&[u8]]) -> tokio_rustls::client::TlsStream<tokio::net::TcpStream> {
        let pem = self.authority.pem();
        let mut roots = rustls::RootCertStore::empty();
        for root in CertificateDer::pem_slice_iter(&pem) {
            roots.add(root.unwrap()).unwrap();
        }
        let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let versions = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let mut config = versions.unwrap().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
        let stream = tokio::net::TcpStream::connect(self.address()).await.unwrap();
        connector
            .connect("127.0.0.1".try_into().unwrap(), stream)
            .await
            .unwrap()
    }

    pub fn curl(&self, args: &[&str]) -> Output {
        let ca = self.authority.file();
        let mut command = Command::new("curl");
        command
            .args(["-sS", "--max-time", "60", "--cacert", ca.to_str().unwrap()])
            .args(args);
        command.output().unwrap()
    }

    /// Returns the configuration of a client for HTTP/2.
    pub fn http2(&self) -> rustls::ClientConfig {
        let pem = self.authority.pem();
        let mut roots = rustls::RootCertStore::empty();
        for root in CertificateDer::pem_slice_iter(&pem) {
            roots.add(root.unwrap()).unwrap();
        }
        let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let versions = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let mut config = versions.unwrap().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        config
    }

    /// Returns the serial number of the presented certificate.
    pub fn serial(&self) -> String {
        let connect = format!(
            "openssl s_client -connect {} </dev/null 2>/dev/null | openssl x509 -noout -serial",
            self.address()
        );
        let output = Command::new("sh").args(["-c", &connect]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.starts_with("serial="), "{text}");
        text.trim().to_owned()
    }
}

pub fn trusting(authority: &Authority) -> ureq::Agent {
    let root = ureq::tls::Certificate::from_pem(&authority.pem()).unwrap();
    let tls = ureq::tls::TlsConfig::builder()
        .root_certs(ureq::tls::RootCerts::new_with_certs(&[root]))
        .unversioned_rustls_crypto_provider(std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(super::PATIENCE))
        .tls_config(tls.build())
        .build()
        .into()
}

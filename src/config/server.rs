//! `[server]`: where and how HTTP is served.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::network::Network;
use super::range;
use crate::tls::CertificateFiles;

/// `[server]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)] // Each is documented in config/default.toml.
pub struct ServerConfig {
    pub listen: SocketAddr,
    pub public_url: String,
    pub tls_cert: PathBuf,
    pub tls_key: PathBuf,
    pub tls_handshake_seconds: u64,
    pub workers: usize,
    pub max_body_bytes: usize,
    pub request_timeout_seconds: u64,
    pub max_in_flight_bytes: usize,
    pub max_connections: usize,
    pub max_connections_per_address: usize,
    pub keep_alive_seconds: u64,
    pub drain_seconds: u64,
    pub shutdown_seconds: u64,
    pub trusted_proxies: Vec<Network>,
    pub forwarded_header: ForwardedHeader,
}

/// Which header trusted proxies add a client's address to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`, or `Forwarded` if that is not there.
    #[serde(rename = "")]
    Either,
    /// `X-Forwarded-For`
    #[serde(rename = "x-forwarded-for")]
    XForwardedFor,
    /// `Forwarded` (RFC 7239)
    #[serde(rename = "forwarded")]
    Forwarded,
}

impl ServerConfig {
    /// The certificate and its key, if TLS is to be spoken.
    #[must_use]
    pub fn certificate(&self) -> Option<CertificateFiles> {
        (!self.tls_cert.as_os_str().is_empty()).then(|| CertificateFiles {
            certificate: self.tls_cert.clone(),
            key: self.tls_key.clone(),
        })
    }

    /// `https` or `http`.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        if self.certificate().is_some() { "https" } else { "http" }
    }

    pub(super) fn check(&self, wrong: &mut Vec<String>) {
        let mut check = |key: &str, value: u64, least, most| range(wrong, key, value, least, most);
        check("server.max_body_bytes", self.max_body_bytes as u64, 1_024, 16 << 20);
        check("server.request_timeout_seconds", self.request_timeout_seconds, 1, 300);
        check("server.tls_handshake_seconds", self.tls_handshake_seconds, 1, 60);
        let bodies = self.max_in_flight_bytes as u64;
        check(
            "server.max_in_flight_bytes",
            bodies,
            self.max_body_bytes as u64,
            u64::MAX,
        );
        check("server.max_connections", self.max_connections as u64, 1, 1_000_000);
        let per_address = self.max_connections_per_address as u64;
        check("server.max_connections_per_address", per_address, 0, 1_000_000);
        check("server.workers", self.workers as u64, 0, 512);
        check("server.drain_seconds", self.drain_seconds, 0, 300);
        check("server.shutdown_seconds", self.shutdown_seconds, 1, 300);
        let named = |file: &PathBuf| !file.as_os_str().is_empty();
        if named(&self.tls_cert) != named(&self.tls_key) {
            wrong.push("server.tls_cert and server.tls_key: one is set without the other; set both, or neither".into());
        } else if let Some(Err(error)) = self.certificate().map(|files| files.read()) {
            wrong.push(format!("server.tls_cert and server.tls_key: {error}"));
        }
    }
}

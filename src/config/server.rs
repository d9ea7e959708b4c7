//! `[server]`: where and how HTTP is served.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::network::Network;
use super::range::range;

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
    pub hsts_seconds: u64,
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

/// Two files in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, followed by intermediate certificates.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
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
    /// Returns the certificate and its key. Returns `None` without TLS.
    #[must_use]
    pub fn certificate(&self) -> Option<CertificateFiles> {
        (!self.tls_cert.as_os_str().is_empty()).then(|| CertificateFiles {
            certificate: self.tls_cert.clone(),
            key: self.tls_key.clone(),
        })
    }

    /// Returns `https` or `http`.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        if self.certificate().is_some() { "https" } else { "http" }
    }

    /// Returns the base of the addresses that are handed out: the one that is configured, or the one that is listened on.
    #[must_use]
    pub fn base_url(&self, listening: SocketAddr) -> String {
        match public(&self.public_url) {
            Ok(Some(url)) => url.as_str().trim_end_matches('/').to_owned(),
            // The check finds its faults.
            _ => format!("{}://{listening}", self.scheme()),
        }
    }

    /// Notes what works, but not for senders elsewhere.
    pub(super) fn warn(&self, warnings: &mut Vec<String>) {
        if self.public_url.is_empty() && self.listen.ip().to_canonical().is_unspecified() {
            let (scheme, listen) = (self.scheme(), self.listen);
            warnings.push(format!(
                "server.listen is every address of this machine, and server.public_url is not set: webhook URLs that are \
                 handed out begin with {scheme}://{listen}; set CONDUIT_PUBLIC_URL to the address that senders use"
            ));
        }
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
        check("server.hsts_seconds", self.hsts_seconds, 0, 63_072_000);
        check("server.max_connections", self.max_connections as u64, 1, 1_000_000);
        let per_address = self.max_connections_per_address as u64;
        check("server.max_connections_per_address", per_address, 0, 1_000_000);
        check("server.workers", self.workers as u64, 0, 512);
        check("server.drain_seconds", self.drain_seconds, 0, 300);
        check("server.shutdown_seconds", self.shutdown_seconds, 1, 300);
        wrong.extend(
            public(&self.public_url)
                .err()
                .map(|what| format!("server.public_url {what}")),
        );
        let named = |file: &PathBuf| !file.as_os_str().is_empty();
        if named(&self.tls_cert) != named(&self.tls_key) {
            wrong.push("server.tls_cert and server.tls_key: one is set without the other; set both, or neither".into());
        }
    }
}

/// Reads the public address. Returns `None` if there is none.
///
/// # Errors
/// A description of a valid address.
fn public(text: &str) -> Result<Option<Url>, &'static str> {
    if text.is_empty() {
        return Ok(None);
    }
    let has_scheme = ["http://", "https://"].iter().any(|scheme| {
        text.get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    });
    if !has_scheme {
        return Err("must begin with http:// or https://, such as https://events.example.com");
    }
    if text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\') {
        return Err("must have no spaces, line breaks or backslashes");
    }
    // The parser would take the first part of the path for the host.
    if text.split_once("://").is_some_and(|(_, rest)| rest.starts_with('/')) {
        return Err("must name a host that senders can reach");
    }
    let url = Url::parse(text).map_err(|_| "is not a well-formed URL")?;
    if !url.username().is_empty() || url.password().is_some() || text.contains('@') {
        return Err("must have no user name or password: it is handed out to senders");
    }
    if text.contains(['?', '#']) {
        return Err("must end before any ? or #: a path is added to it");
    }
    let reachable = match url.host() {
        None => false,
        Some(Host::Domain(name)) => is_host_name(name),
        Some(Host::Ipv4(ip)) => !ip.is_unspecified(),
        Some(Host::Ipv6(ip)) => !ip.is_unspecified() && !ip.to_ipv4_mapped().is_some_and(|ip| ip.is_unspecified()),
    };
    if !reachable || url.port() == Some(0) {
        return Err("must name a host that senders can reach");
    }
    Ok(Some(url))
}

/// Returns whether a name can be that of a host (RFC 1123, section 2.1). Underscores are taken, because networks of
/// containers have them.
fn is_host_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_handed_out_is_an_address_that_senders_can_use() {
        for wrong in [
            "c.example",
            "http:///x",
            "c.example:8080",
            "//c.example",
            "ftp://c.example",
            "https:c.example",
            "https:/c.example",
            "https://",
            "https://c.example?x=1",
            "https://c.example/?",
            "https://c.example/#top",
            "https://user@c.example",
            "https://user:hunter2@c.example",
            "https://@c.example",
            " https://c.example",
            "https://c.example\n",
            "https://c.ex ample",
            "https://c.example\\x",
            "https://0.0.0.0:8080",
            "http://[::]",
            "http://[::ffff:0.0.0.0]",
            "http://*:8080",
            "https://.",
            "https://-",
            "https://c..example",
            "https://-c.example",
            "https://c-.example",
            "https://c.example..",
            "https://c!d.example",
            "http://c.example:0",
            "http://c.example:99999",
        ] {
            let error = public(wrong).unwrap_err();
            assert!(!error.contains("hunter2"), "{wrong}");
        }
        let listening = "127.0.0.1:8080".parse().unwrap();
        let mut config: ServerConfig = toml::from_str::<toml::Table>(super::super::DEFAULTS).unwrap()["server"]
            .clone()
            .try_into()
            .unwrap();
        for (written, base) in [
            ("", "http://127.0.0.1:8080"),
            ("https://c.example", "https://c.example"),
            ("https://c.example/", "https://c.example"),
            ("https://conduit_1:8080", "https://conduit_1:8080"),
            ("https://c.example./", "https://c.example."),
            ("HTTPS://C.Example:443/", "https://c.example"),
            ("https://c.example/privacy/", "https://c.example/privacy"),
            ("http://[2001:db8::1]:8080", "http://[2001:db8::1]:8080"),
            ("https://bücher.example", "https://xn--bcher-kva.example"),
        ] {
            config.public_url = written.to_owned();
            assert_eq!(config.base_url(listening), base);
        }
    }

    #[test]
    fn every_address_without_one_to_hand_out_is_warned_of() {
        let warnings = |listen: &str, public_url: &str| {
            let mut config: ServerConfig = toml::from_str::<toml::Table>(super::super::DEFAULTS).unwrap()["server"]
                .clone()
                .try_into()
                .unwrap();
            config.listen = listen.parse().unwrap();
            config.public_url = public_url.to_owned();
            let mut warnings = Vec::new();
            config.warn(&mut warnings);
            warnings.len()
        };
        for (listen, public_url, expected) in [
            ("0.0.0.0:80", "", 1),
            ("[::]:80", "", 1),
            ("[::ffff:0.0.0.0]:80", "", 1),
            ("0.0.0.0:80", "https://c.example", 0),
            ("127.0.0.1:80", "", 0),
            ("192.0.2.1:80", "", 0),
        ] {
            assert_eq!(warnings(listen, public_url), expected, "{listen}");
        }
    }
}

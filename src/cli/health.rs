//! `conduit health`: asks the server that runs with this configuration how it is. For where there is no curl.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;

use super::output::say_line;
use crate::config::Config;

/// See the module's docs.
#[derive(Debug, Args)]
pub(super) struct Health {
    /// Ask whether it may be sent events (/readyz), not only whether it answers (/livez).
    #[arg(long)]
    ready: bool,
    /// Where to ask, in place of the address in the configuration: http://HOST:PORT or https://HOST:PORT.
    #[arg(long)]
    url: Option<String>,
    /// File with the authorities (PEM) that must have issued the server's certificate. Without it, and without --url,
    /// any certificate is accepted: its names are not this machine's own address, and the server gets no secret.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

impl Health {
    pub(super) async fn run(&self, config: &Config) -> Result<bool> {
        let own = || format!("{}://{}", config.server.scheme(), reachable(config.server.listen));
        let base = self.url.clone().unwrap_or_else(own);
        let probe = if self.ready { "readyz" } else { "livez" };
        let url = format!("{}/{probe}", base.trim_end_matches('/'));
        let client = if self.url.is_none() && self.ca_file.is_none() {
            super::client::trusting_any(PATIENCE)?
        } else {
            super::client::with(PATIENCE, self.ca_file.as_deref())?
        };
        let answer = client.get(&url).send().await;
        // The client's errors may not be sent between threads, which anyhow asks for.
        let answer = answer.map_err(|error| anyhow::anyhow!(super::client::explained(&error)));
        let mut answer = answer.with_context(|| format!("no answer from {url}"))?;
        let body = answer.body().await.unwrap_or_default();
        say_line!("{} {}", answer.status().as_u16(), String::from_utf8_lossy(&body));
        Ok(answer.status().is_success())
    }
}

/// Returns an address to ask. For a server that listens on every address, it is this machine's own.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let own = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(own, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_is_asked_at_this_machine_s_own() {
        for (listen, asked) in [
            ("0.0.0.0:80", "127.0.0.1:80"),
            ("[::]:80", "[::1]:80"),
            ("10.0.0.1:80", "10.0.0.1:80"),
        ] {
            assert_eq!(reachable(listen.parse().unwrap()), asked.parse().unwrap());
        }
    }
}

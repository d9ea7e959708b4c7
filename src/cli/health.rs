//! `conduit health`: asks the server that runs with this configuration how it is. For where there is no curl.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result};
use awc::Client;
use clap::Args;

use crate::config::Config;

/// See the module's docs.
#[derive(Debug, Args)]
pub(super) struct Health {
    /// Ask whether it may be sent events (/readyz), not only whether it answers (/livez).
    #[arg(long)]
    ready: bool,
}

impl Health {
    #[allow(clippy::print_stdout)]
    pub(super) async fn run(&self, config: &Config) -> Result<bool> {
        let address = reachable(config.server.listen);
        let url = format!("http://{address}/{}", if self.ready { "readyz" } else { "livez" });
        let client = Client::builder().timeout(Duration::from_secs(5)).finish();
        // The client's errors may not be sent between threads, which anyhow asks for.
        let answer = client
            .get(&url)
            .send()
            .await
            .map_err(|error| anyhow::anyhow!("{error}"));
        let mut answer = answer.with_context(|| format!("no answer from {url}"))?;
        let body = answer.body().await.unwrap_or_default();
        println!("{} {}", answer.status().as_u16(), String::from_utf8_lossy(&body));
        Ok(answer.status().is_success())
    }
}

/// Who listens on every address is asked at this machine's own.
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

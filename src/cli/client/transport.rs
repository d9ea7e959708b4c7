//! The connection to a server: whom to trust in it, and the words for a failure.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Error, Result};
use awc::error::SendRequestError;
use awc::{Client, Connector};

use crate::tls;

/// Creates a client that trusts the public authorities, or those in a file instead.
///
/// # Errors
/// The file cannot be used.
pub(in crate::cli) fn with(timeout: Duration, authorities: Option<&Path>) -> Result<Client> {
    let Some(file) = authorities else {
        return Ok(Client::builder().timeout(timeout).finish());
    };
    let trust = tls::client::trusting(file).map_err(|error| Error::msg(format!("--ca-file: {error}")))?;
    Ok(over(timeout, trust))
}

/// Creates a client that accepts any certificate.
///
/// # Errors
/// The errors of rustls.
pub(in crate::cli) fn trusting_any(timeout: Duration) -> Result<Client> {
    Ok(over(timeout, tls::client::trusting_any().map_err(Error::msg)?))
}

fn over(timeout: Duration, trust: Arc<rustls::ClientConfig>) -> Client {
    let connector = Connector::new().timeout(timeout).rustls_0_23(trust);
    Client::builder().connector(connector).timeout(timeout).finish()
}

/// Returns the error's text. If a certificate is at fault, adds advice.
pub(in crate::cli) fn explained(error: &SendRequestError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(found) = cause {
        let more = found.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = found.source();
    }
    tls::with_advice(&text, "--ca-file")
}

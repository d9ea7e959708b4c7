//! The figures that a server tells: its totals of events, and some of its metrics.

use anyhow::{Context as _, Result};
use awc::http::Method;
use serde::Deserialize;
use url::Url;

use super::super::client::{Api, call};
use super::tenants::MARKER;

/// Where the figures are, and by which right.
#[derive(Debug, Clone)]
pub(super) struct Watch {
    totals: Url,
    metrics: Url,
    token: String,
}

/// Totals: accepted = the sum of the others.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Totals {
    pub(super) accepted: u64,
    pub(super) processed: u64,
    pub(super) duplicate: u64,
    pub(super) rejected: u64,
    pub(super) failed: u64,
    pub(super) in_flight: u64,
}

impl Totals {
    /// Returns the number of events with an outcome.
    pub(super) const fn done(self) -> u64 {
        self.processed + self.duplicate + self.rejected + self.failed
    }
}

/// Metrics of a node; `None` for those that its build does not have.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Metrics {
    pub(super) oldest_seconds: Option<f64>,
    pub(super) in_flight_bytes: Option<f64>,
    pub(super) version: Option<String>,
}

impl Watch {
    /// Reads the totals of the controller in a webhook URL.
    ///
    /// # Errors
    /// The URL is no webhook URL.
    pub(super) fn of(webhook_url: &str, token: &str) -> Result<Self> {
        let url: Url = webhook_url.parse().context("--url is not a URL")?;
        let did = url
            .query_pairs()
            .find(|(name, _)| name == "did")
            .map(|(_, did)| did.into_owned());
        let did = did.context("--url names no controller: use the integration's webhookUrl as it is")?;
        let path = url.path().strip_suffix(MARKER);
        let path = path.with_context(|| format!("--url does not end in {MARKER}"))?;
        let mut base = url.clone();
        base.set_path(path);
        base.set_query(None);
        let mut watch = Self::of_server(base.as_str(), token)?;
        watch.totals.query_pairs_mut().append_pair("did", &did);
        Ok(watch)
    }

    /// Reads the totals of all controllers, with the operator's token.
    ///
    /// # Errors
    /// The address is not a URL.
    pub(super) fn of_server(base: &str, token: &str) -> Result<Self> {
        let base = base.trim_end_matches('/');
        let at = |path: &str| -> Result<Url> {
            format!("{base}{path}")
                .parse()
                .with_context(|| format!("{base} is not a URL"))
        };
        Ok(Self {
            totals: at("/api/v1/stats")?,
            metrics: at("/metrics")?,
            token: token.trim().to_owned(),
        })
    }

    /// Reads the totals, on a thread that runs nothing else.
    ///
    /// # Errors
    /// There is no answer, or no totals in it.
    pub(super) fn totals(&self) -> Result<Totals> {
        totals(call(self.totals.as_str(), &self.token, "", None)?)
    }

    /// Returns a reader with its own connections, which belongs to the thread's runtime.
    pub(super) fn reader(&self) -> Reader {
        Reader {
            totals: Api::new(self.totals.as_str(), &self.token),
            metrics: Api::new(self.metrics.as_str(), &self.token),
        }
    }

    /// Reads the version of the server, on a thread that runs nothing else.
    pub(super) fn version(&self) -> Option<String> {
        let read = actix_web::rt::System::new().block_on(async { self.reader().read().await });
        read.ok()?.1.version
    }
}

/// Connections to a server that is watched.
pub(super) struct Reader {
    totals: Api,
    metrics: Api,
}

impl Reader {
    /// Reads totals and metrics. A server may keep its metrics for itself.
    ///
    /// # Errors
    /// There is no answer, or no totals in it.
    pub(super) async fn read(&self) -> Result<(Totals, Metrics)> {
        let found = totals(self.totals.call(Method::GET, "", None).await?)?;
        let metrics = self.metrics.text().await;
        Ok((
            found,
            metrics.map_or_else(|_| Metrics::default(), |text| Metrics::of(&text)),
        ))
    }
}

fn totals(answer: serde_json::Value) -> Result<Totals> {
    serde_json::from_value(answer).context("the sums are not as they should be")
}

impl Metrics {
    fn of(text: &str) -> Self {
        let value = |name: &str| {
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
            line.split(' ').next()?.parse().ok()
        };
        let version = text.lines().find_map(|line| {
            let labels = line.strip_prefix("conduit_build{version=\"")?;
            Some(labels.split('"').next()?.to_owned())
        });
        Self {
            oldest_seconds: value("conduit_journal_oldest_in_flight_seconds"),
            in_flight_bytes: value("conduit_journal_in_flight_bytes"),
            version,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_totals_are_those_of_the_controller_that_the_url_names() {
        let url = "https://c.example/base/api/v1/integrations/custom/event?did=did:web:a%2B&dpid=p";
        let watch = Watch::of(url, " t ").unwrap();
        assert_eq!(
            watch.totals.as_str(),
            "https://c.example/base/api/v1/stats?did=did%3Aweb%3Aa%2B"
        );
        assert_eq!(watch.metrics.as_str(), "https://c.example/base/metrics");
        assert_eq!(watch.token, "t");
        for wrong in [
            "nowhere",
            "http://c.example/?did=did:web:a",
            "http://c.example/api/v1/integrations/custom/event",
        ] {
            assert!(Watch::of(wrong, "t").is_err(), "{wrong}");
        }
        let all = Watch::of_server("http://h:1/", "t").unwrap();
        assert_eq!(all.totals.as_str(), "http://h:1/api/v1/stats");
    }

    #[test]
    fn metrics_that_a_build_does_not_have_are_unknown() {
        let text = "# TYPE conduit_journal_in_flight_bytes gauge\nconduit_journal_in_flight_bytes 2e3\n\
                    conduit_build{version=\"1.2.3\"} 1.0\n";
        let expected = Metrics {
            oldest_seconds: None,
            in_flight_bytes: Some(2000.0),
            version: Some("1.2.3".to_owned()),
        };
        assert_eq!(Metrics::of(text), expected);
    }
}

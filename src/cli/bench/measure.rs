//! One run: load, then the backlog.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde::Deserialize;
use url::Url;

use super::super::client::{Webhook, call};
use super::interrupt;
use super::load::{self, Shape};
use super::report::{Pipeline, Run, per_second};
use super::settings::Combination;

/// The sums of one controller, to be asked for.
pub(super) struct Watch {
    url: Url,
    token: String,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sums {
    processed: u64,
    duplicate: u64,
    rejected: u64,
    failed: u64,
    in_flight: u64,
}

impl Sums {
    const fn done(self) -> u64 {
        self.processed + self.duplicate + self.rejected + self.failed
    }
}

impl Watch {
    /// Reads the totals of the controller in a webhook URL.
    ///
    /// # Errors
    /// The URL is no webhook URL.
    pub(super) fn of(webhook_url: &str, token: &str) -> Result<Self> {
        let mut url: Url = webhook_url.parse().context("--url is not a URL")?;
        let did = url
            .query_pairs()
            .find(|(name, _)| name == "did")
            .map(|(_, did)| did.into_owned());
        let did = did.context("--url names no controller: use the integration's webhookUrl as it is")?;
        let marker = "/api/v1/integrations/custom/event";
        let path = url
            .path()
            .strip_suffix(marker)
            .map(|before| format!("{before}/api/v1/stats"));
        url.set_path(&path.with_context(|| format!("--url does not end in {marker}"))?);
        url.query_pairs_mut().clear().append_pair("did", &did);
        Ok(Self {
            url,
            token: token.trim().to_owned(),
        })
    }

    fn sums(&self) -> Result<Sums> {
        let answer = call(self.url.as_str(), &self.token, "", None)?;
        serde_json::from_value(answer).context("the sums are not as they should be")
    }
}

/// Makes the load and, where the sums can be seen, waits until its events have their outcomes.
///
/// # Errors
/// The load cannot be made, or the sums cannot be read.
pub(super) fn measure(
    webhook: &Webhook,
    watch: Option<&Watch>,
    shape: &Shape,
    patience: Duration,
    settings: &Combination,
) -> Result<Run> {
    let before = watch.map(Watch::sums).transpose()?;
    let started = Instant::now();
    let sent = load::send(webhook, shape)?;
    let pipeline = match (watch, before) {
        (Some(watch), Some(before)) => Some(work_off(watch, before, started, patience)?),
        _ => None,
    };
    Ok(Run::new(settings, sent, pipeline))
}

fn work_off(watch: &Watch, before: Sums, started: Instant, patience: Duration) -> Result<Pipeline> {
    let load_ended = Instant::now();
    let mut now = watch.sums()?;
    let backlog = now.in_flight;
    while now.in_flight > 0 && load_ended.elapsed() < patience && !interrupt::came() {
        #[allow(clippy::disallowed_methods)] // Nothing else runs on this thread.
        std::thread::sleep(Duration::from_millis(50));
        now = watch.sums()?;
    }
    Ok(Pipeline {
        processed: now.processed - before.processed,
        duplicate: now.duplicate - before.duplicate,
        rejected: now.rejected - before.rejected,
        failed: now.failed - before.failed,
        in_flight: now.in_flight,
        backlog,
        backlog_seconds: load_ended.elapsed().as_secs_f64(),
        events_per_second: per_second(now.done() - before.done(), started.elapsed().as_secs_f64()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sums_are_those_of_the_controller_that_the_url_names() {
        let url = "https://c.example/base/api/v1/integrations/custom/event?did=did:web:a%2B&dpid=p";
        let watch = Watch::of(url, " t ").unwrap();
        assert_eq!(
            watch.url.as_str(),
            "https://c.example/base/api/v1/stats?did=did%3Aweb%3Aa%2B"
        );
        assert_eq!(watch.token, "t");
        for wrong in [
            "nowhere",
            "http://c.example/?did=did:web:a",
            "http://c.example/api/v1/integrations/custom/event",
        ] {
            assert!(Watch::of(wrong, "t").is_err(), "{wrong}");
        }
    }
}

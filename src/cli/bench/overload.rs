//! Overload: multiples of the capacity, and how much of them is accepted and processed.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use super::capacity::{self, Capacity, GIVE_UP};
use super::pace::{Order, due_in};
use super::population::{float, whole};
use super::sampler::Sample;
use super::session::{Offer, Session, percentiles};

/// From this multiple on, a low goodput is a collapse.
const OVERLOADED: f64 = 2.0;

/// Below this share of the capacity, goodput has collapsed.
const COLLAPSED: f64 = 0.5;

/// The name of a collapse in the findings.
const COLLAPSE: &str = "congestion collapse";

/// The multiples of the capacity to offer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Multiples(Vec<f64>);

impl FromStr for Multiples {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let multiples = text.split(',').map(|part| match part.trim().parse::<f64>() {
            Ok(multiple) if (0.01..=100.0).contains(&multiple) => Ok(multiple),
            _ => Err(format!("{part:?} must be a number from 0.01 to 100")),
        });
        Ok(Self(multiples.collect::<Result<_, _>>()?))
    }
}

/// The results.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Overload {
    pub(super) capacity: Capacity,
    /// Measured again at the end: the store has grown.
    pub(super) capacity_after: Capacity,
    pub(super) seconds: u64,
    pub(super) steps: Vec<Step>,
    /// Faults of the server, in words.
    pub(super) findings: Vec<String>,
}

/// A multiple of the capacity.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Step {
    pub(super) multiple: f64,
    pub(super) offered_per_second: f64,
    pub(super) accepted_per_second: f64,
    /// Accepted and processed in a second, while the load lasts.
    pub(super) goodput_per_second: f64,
    /// The same in the last third of the load, when it has settled.
    pub(super) settled_goodput_per_second: f64,
    /// To the capacity at the beginning.
    pub(super) goodput_to_capacity: f64,
    /// The better one of both goodputs to the capacity at that time, which is on the line from the capacity at the
    /// beginning to the capacity at the end.
    pub(super) best_to_present_capacity: f64,
    /// Refused events of those that were sent.
    pub(super) refused_share: f64,
    pub(super) refused: BTreeMap<String, u64>,
    /// Events that found no free connection in time, of those that were due.
    pub(super) unsent_share: f64,
    /// p50, p90, p99 and p99.9 of accepted events, in milliseconds.
    pub(super) latency_ms: [Option<f64>; 4],
    /// Age of the oldest event without outcome, when the load had settled.
    pub(super) backlog_seconds: Option<f64>,
    pub(super) backlog_events: f64,
    pub(super) memory_bytes: Option<f64>,
    pub(super) cpu_seconds_per_10000: Option<f64>,
    /// Cores that the sender of the load used.
    pub(super) sender_cores: Option<f64>,
    /// Until the backlog was processed; null: it was not.
    pub(super) settled_seconds: Option<f64>,
}

/// Finds the capacity, offers its multiples, and finds the capacity again.
///
/// # Errors
/// A load cannot be made, or the server does not answer.
pub(super) fn measure(
    session: &mut Session<'_>,
    multiples: &Multiples,
    duration: Duration,
    each: Duration,
    burst_seconds: Option<f64>,
) -> Result<Overload> {
    let capacity = capacity::find(session, None, each)?;
    session.tell(&format!("capacity: {:.0} events/s", capacity.per_second));
    let mut steps = Vec::with_capacity(multiples.0.len());
    for multiple in &multiples.0 {
        steps.push(step(session, *multiple, capacity.per_second, duration)?);
    }
    session.tell("looking for the capacity again, with the grown store");
    let capacity_after = capacity::find(session, Some(capacity.per_second), each)?;
    session.tell(&format!("capacity: {:.0} events/s", capacity_after.per_second));
    let (first, last) = (capacity.per_second, capacity_after.per_second);
    compare(&mut steps, first, last);
    let is_burst = burst_seconds.is_some_and(|burst| duration.as_secs_f64() <= burst);
    Ok(Overload {
        findings: findings(&steps, first, last, is_burst),
        capacity,
        capacity_after,
        seconds: duration.as_secs(),
        steps,
    })
}

fn step(session: &mut Session<'_>, multiple: f64, capacity: f64, duration: Duration) -> Result<Step> {
    let rate = u32::try_from(whole(multiple * capacity).max(1)).unwrap_or(u32::MAX);
    session.tell(&format!("{multiple}x: {rate} events/s for {} s", duration.as_secs()));
    let order = Order::Open {
        rate,
        give_up: Some(GIVE_UP),
    };
    let offer = session.offer(&format!("{multiple}x"), order, duration)?;
    let mut step = result(multiple, rate, duration, &offer);
    step.goodput_to_capacity = step.goodput_per_second / capacity.max(f64::MIN_POSITIVE);
    session.tell(&format!(
        "  {:.0}/s accepted, {:.0}/s processed: {:.2} of the capacity",
        step.accepted_per_second, step.goodput_per_second, step.goodput_to_capacity
    ));
    step.settled_seconds = session.settle()?;
    Ok(step)
}

fn result(multiple: f64, rate: u32, duration: Duration, offer: &Offer) -> Step {
    let window = offer.window(0.0);
    let sent = offer.sent.accepted + offer.sent.refused_count();
    let due = due_in(duration, rate);
    let share = |part: u64, of: u64| float(part) / float(of.max(1));
    let done = window.growth(|sample| float(sample.done));
    let per_10000 = |seconds: f64| seconds * 10_000.0 / done.max(1.0);
    Step {
        multiple,
        offered_per_second: f64::from(rate),
        accepted_per_second: window.accepted_per_second(),
        goodput_per_second: window.done_per_second(),
        goodput_to_capacity: 0.0,
        settled_goodput_per_second: window.last_third().done_per_second(),
        best_to_present_capacity: 0.0,
        refused_share: share(offer.sent.refused_count(), sent),
        refused: offer.sent.refused.clone(),
        unsent_share: share(due.saturating_sub(sent), due),
        latency_ms: percentiles(&offer.sent.latency),
        backlog_seconds: window.settled(|sample| sample.backlog_seconds),
        backlog_events: window.settled(|sample| Some(float(sample.in_flight))).unwrap_or(0.0),
        memory_bytes: window.highest(|sample| sample.memory_bytes.map(float)),
        cpu_seconds_per_10000: window.known_growth(|sample: &Sample| sample.cpu_seconds).map(per_10000),
        sender_cores: window
            .known_growth(|sample| sample.sender_cpu_seconds)
            .map(|seconds| seconds / window.seconds()),
        settled_seconds: None,
    }
}

/// Compares each step with the capacity at its time.
fn compare(steps: &mut [Step], first: f64, last: f64) {
    let count = float(steps.len() as u64) + 1.0;
    for (place, step) in steps.iter_mut().enumerate() {
        let at = (float(place as u64) + 1.0) / count;
        let present = first + (last - first) * at;
        let best = step.goodput_per_second.max(step.settled_goodput_per_second);
        step.best_to_present_capacity = best / present.max(f64::MIN_POSITIVE);
    }
}

/// Names the faults that the results show. A load that is no longer than a burst is accepted at full
/// speed, and processed afterwards.
fn findings(steps: &[Step], first: f64, last: f64, is_burst: bool) -> Vec<String> {
    let mut findings: Vec<String> = Vec::new();
    let collapsed = steps.iter().filter(|step| {
        step.multiple >= OVERLOADED && step.goodput_to_capacity.max(step.best_to_present_capacity) < COLLAPSED
    });
    findings.extend(collapsed.map(|step| {
        let (name, hint) = if is_burst {
            (
                "low goodput in a burst",
                ". The load was no longer than admission.burst_seconds, and such a burst is accepted at full speed. Repeat it \
                 with a longer --duration",
            )
        } else {
            (COLLAPSE, "")
        };
        format!(
            "{name}: at {}x the capacity, {:.0} events/s were processed while the load lasted, {:.0} % of the capacity \
             ({first:.0}/s){hint}",
            step.multiple,
            step.goodput_per_second,
            step.goodput_to_capacity * 100.0
        )
    }));
    let stuck = steps.iter().filter(|step| step.settled_seconds.is_none());
    findings.extend(stuck.map(|step| {
        format!(
            "no recovery: --patience was over before the backlog of the load of {}x was processed",
            step.multiple
        )
    }));
    if last < first * COLLAPSED {
        findings.push(format!(
            "lower capacity: it was {first:.0} events/s at the beginning and {last:.0} events/s at the end. The store has \
             grown, or the server has not recovered"
        ));
    }
    findings
}

impl Overload {
    /// Returns whether goodput collapsed.
    pub(super) fn has_collapsed(&self) -> bool {
        self.findings.iter().any(|finding| finding.starts_with(COLLAPSE))
    }
}

#[cfg(test)]
pub(super) fn sample_step(multiple: f64, goodput: f64) -> Step {
    Step {
        multiple,
        offered_per_second: multiple * 1000.0,
        accepted_per_second: goodput,
        goodput_per_second: goodput,
        goodput_to_capacity: goodput / 1000.0,
        settled_goodput_per_second: goodput,
        best_to_present_capacity: 0.0,
        refused_share: 0.25,
        refused: BTreeMap::from([("above_capacity".to_owned(), 7)]),
        unsent_share: 0.0,
        latency_ms: [Some(1.0), Some(2.0), Some(3.0), None],
        backlog_seconds: Some(12.5),
        backlog_events: 500.0,
        memory_bytes: Some(1e8),
        cpu_seconds_per_10000: Some(1.5),
        sender_cores: Some(0.5),
        settled_seconds: Some(1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(goodputs: &[(f64, f64)], last: f64) -> Vec<String> {
        let mut steps: Vec<Step> = goodputs
            .iter()
            .map(|(multiple, goodput)| sample_step(*multiple, *goodput))
            .collect();
        compare(&mut steps, 1000.0, last);
        findings(&steps, 1000.0, last, false)
    }

    #[test]
    fn a_collapse_is_named_with_its_multiple() {
        let findings = found(&[(0.5, 400.0), (2.0, 900.0), (5.0, 310.0)], 1000.0);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(findings[0].contains("congestion collapse: at 5x"), "{findings:?}");
        assert!(findings[0].contains("31 % of the capacity (1000/s)"), "{findings:?}");
    }

    #[test]
    fn a_low_load_and_a_grown_store_are_no_collapse() {
        assert_eq!(found(&[(0.4, 400.0), (2.0, 1000.0)], 1000.0), Vec::<String>::new());
        // Half of the way to a capacity of 600 events/s, 450 are more than half.
        assert_eq!(found(&[(2.0, 450.0)], 600.0), Vec::<String>::new());
        let findings = found(&[(2.0, 950.0)], 300.0);
        assert!(findings[0].starts_with("lower capacity"), "{findings:?}");
    }

    #[test]
    fn a_short_burst_is_no_collapse() {
        let findings = findings(&[sample_step(3.0, 300.0)], 1000.0, 1000.0, true);
        assert!(findings[0].starts_with("low goodput in a burst: at 3x"), "{findings:?}");
        let mut settled = sample_step(3.0, 400.0);
        settled.settled_goodput_per_second = 900.0;
        let mut steps = [settled];
        compare(&mut steps, 1000.0, 1000.0);
        assert_eq!(
            super::findings(&steps, 1000.0, 1000.0, false),
            Vec::<String>::new(),
            "it recovers meanwhile"
        );
    }

    #[test]
    fn multiples_are_numbers() {
        assert_eq!("0.5, 2".parse(), Ok(Multiples(vec![0.5, 2.0])));
        for wrong in ["", "0", "1,x", "1,,2", "NaN"] {
            assert!(wrong.parse::<Multiples>().is_err(), "{wrong}");
        }
    }
}

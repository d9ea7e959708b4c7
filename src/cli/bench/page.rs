//! The report as one HTML file that needs nothing else.

use anyhow::Result;
use askama::Template;

use super::axis::number;
use super::drawings;
use super::report::{Report, Run};
use super::text;

/// A table with its head.
struct Table {
    title: &'static str,
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

#[derive(Template)]
#[template(path = "bench.html")]
struct Page {
    summary: Vec<String>,
    findings: Vec<String>,
    tables: Vec<Table>,
    plots: Vec<String>,
    /// The advice, and the piece of a configuration file.
    advice: Option<String>,
    snippet: String,
    facts: Vec<(&'static str, String)>,
    notes: Vec<String>,
}

/// Returns the page.
///
/// # Errors
/// The template fails.
pub(super) fn html(report: &Report) -> Result<String> {
    let (advice, snippet) = advice(report);
    let page = Page {
        summary: summary(report),
        findings: report
            .overload
            .iter()
            .flat_map(|overload| overload.findings.clone())
            .collect(),
        tables: tables(report),
        plots: drawings::all(report).iter().map(super::plot::Plot::svg).collect(),
        advice,
        snippet,
        facts: facts(report),
        notes: notes(report),
    };
    Ok(page.render()?)
}

fn summary(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(overload) = &report.overload {
        lines.push(format!(
            "The capacity was {} events/s at the beginning and {} events/s at the end, with the grown store.",
            number(overload.capacity.per_second.round()),
            number(overload.capacity_after.per_second.round())
        ));
        if overload.findings.is_empty() {
            lines.push("No congestion collapse was found.".to_owned());
        }
    }
    if let Some(best) = report.best.and_then(|place| report.runs.get(place)) {
        let settings: Vec<String> = best
            .settings
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        lines.push(format!("The best run had {}.", settings.join(", ")));
    }
    lines
}

fn tables(report: &Report) -> Vec<Table> {
    let table = |title: &'static str, mut rows: Vec<Vec<String>>| {
        let head = rows.remove(0);
        Table { title, head, rows }
    };
    let mut tables = Vec::new();
    if let Some(curve) = &report.curve {
        tables.push(table("Curve", text::curve_rows(curve)));
    }
    if let Some(overload) = &report.overload {
        tables.push(table("Offered load", text::step_rows(&overload.steps)));
    }
    if let [run] = &report.runs[..] {
        tables.push(Table {
            title: "Result",
            head: vec!["Figure".to_owned(), "Value".to_owned()],
            rows: run_rows(run),
        });
    } else if !report.runs.is_empty() {
        tables.push(table("Runs", text::run_rows(report, &report.runs)));
    }
    tables
}

fn run_rows(run: &Run) -> Vec<Vec<String>> {
    let latency = &run.latency_ms;
    let mut rows = vec![
        ("Accepted events", number(super::population::float(run.accepted))),
        ("Accepted a second", number(run.accepted_per_second)),
        ("Refused events", run.refused.values().sum::<u64>().to_string()),
        ("Latency p50 (ms)", text::milliseconds(latency.p50)),
        ("Latency p90 (ms)", text::milliseconds(latency.p90)),
        ("Latency p99 (ms)", text::milliseconds(latency.p99)),
        ("Latency p99.9 (ms)", text::milliseconds(latency.p999)),
    ];
    if let Some(pipeline) = &run.pipeline {
        rows.push((
            "Processed a second, with the backlog",
            number(pipeline.events_per_second),
        ));
        rows.push(("Backlog at the end of the load", pipeline.backlog.to_string()));
        rows.push(("Seconds to process it", number(pipeline.backlog_seconds)));
    }
    let mut rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|(name, value)| vec![name.to_owned(), value])
        .collect();
    rows.extend(
        run.refused
            .iter()
            .map(|(code, count)| vec![format!("Refused: {code}"), count.to_string()]),
    );
    rows
}

fn advice(report: &Report) -> (Option<String>, String) {
    match &report.recommendation {
        None => (None, String::new()),
        Some(changes) if changes.is_empty() => {
            let keep = "Keep the settings. Nothing that was measured speaks against them.";
            (Some(keep.to_owned()), String::new())
        }
        Some(changes) => {
            let change = "Put these lines into the configuration file, then measure again.";
            (Some(change.to_owned()), super::advice::snippet(changes))
        }
    }
}

fn facts(report: &Report) -> Vec<(&'static str, String)> {
    let origin = &report.origin;
    let mut facts = vec![("Date", origin.measured_at.clone())];
    facts.push((
        "Conduit",
        origin.version.clone().unwrap_or_else(|| "unknown version".to_owned()),
    ));
    facts.push(("Store", origin.store.clone().unwrap_or_else(|| "unknown".to_owned())));
    if report.curve.is_none() {
        facts.push(("Controllers", number(super::population::float(report.controllers))));
        facts.push(("Data subjects", number(super::population::float(report.subjects))));
    }
    facts.push(("Skew (Zipf exponent)", report.zipf.to_string()));
    facts.push(("Bytes of an event", report.event_bytes.to_string()));
    facts.push(("Connections", report.connections.to_string()));
    facts.extend(report.origin.machine.rows());
    facts
}

fn notes(report: &Report) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(overload) = &report.overload {
        notes.push(
            "Goodput: events that were accepted and processed in a second, while the load lasted. Settled: the same in the \
             last third of the load. Not sent: events that \
             found no free connection in time, because the server slowed its senders down."
                .to_owned(),
        );
        notes.push("Grey in the plots: loads. Those without a name belong to the search for the capacity.".to_owned());
        if let Some(cores) = text::sender_cores(overload) {
            notes.push(format!(
                "The sender of the load used up to {cores:.1} cores of the machine. If the server runs there too, it had less."
            ));
        }
    }
    if report.origin.is_elsewhere {
        notes.push("The settings of the server are unknown. A recommendation assumes the defaults.".to_owned());
        notes.push("The server was running already. The machine above is the one that sent the load.".to_owned());
    }
    notes.push("Processor time and memory are those of Conduit's process, without a database or Redis.".to_owned());
    notes
}

//! The results as text.

use std::fmt::Write as _;

use super::advice;
use super::axis::number;
use super::curve::CurveResult;
use super::overload::{Overload, Step};
use super::report::{Report, Run};

/// The columns of runs behind their settings.
const RUNS: [&str; 7] = [
    "accepted/s",
    "p50 ms",
    "p99 ms",
    "max ms",
    "refused",
    "pipeline/s",
    "in flight",
];

/// The columns of an overload.
const STEPS: [&str; 15] = [
    "load",
    "offered/s",
    "accepted/s",
    "goodput/s",
    "of capacity",
    "settled/s",
    "refused",
    "not sent",
    "p50 ms",
    "p90 ms",
    "p99 ms",
    "p99.9 ms",
    "backlog s",
    "memory MiB",
    "cpu s/10,000",
];

/// Returns all results.
pub(super) fn of(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a text does not fail.
    let _ = write(report, &mut text);
    text
}

fn write(report: &Report, text: &mut String) -> std::fmt::Result {
    if let Some(overload) = &report.overload {
        write_overload(overload, text)?;
    }
    if let Some(curve) = &report.curve {
        text.push_str(&aligned(&curve_rows(curve)));
    }
    match &report.runs[..] {
        [] => {}
        [run] => write_run(run, text)?,
        runs => text.push_str(&aligned(&run_rows(report, runs))),
    }
    if report.overload.is_some() {
        write!(text, "\n{}", recommendation(report).unwrap_or_default())?;
    }
    Ok(())
}

/// Returns the recommendation in words, then as a piece of a configuration file. Returns `None` if none can follow.
pub(super) fn recommendation(report: &Report) -> Option<String> {
    let changes = report.recommendation.as_ref()?;
    if changes.is_empty() {
        return Some("Recommendation: keep the settings. Nothing that was measured speaks against them.\n".to_owned());
    }
    Some(format!("Recommendation:\n\n{}", advice::snippet(changes)))
}

fn write_overload(overload: &Overload, text: &mut String) -> std::fmt::Result {
    let (first, last) = (overload.capacity.per_second, overload.capacity_after.per_second);
    writeln!(
        text,
        "capacity   {first:.0} events/s at the beginning, {last:.0} events/s at the end"
    )?;
    text.push_str(&aligned(&step_rows(&overload.steps)));
    if let Some(cores) = sender_cores(overload) {
        writeln!(text, "sender     used up to {cores:.1} cores of this machine")?;
    }
    if overload.findings.is_empty() {
        writeln!(text, "no congestion collapse")?;
    }
    overload
        .findings
        .iter()
        .try_for_each(|finding| writeln!(text, "{finding}"))
}

/// Returns the most cores that the sender used.
pub(super) fn sender_cores(overload: &Overload) -> Option<f64> {
    overload
        .steps
        .iter()
        .filter_map(|step| step.sender_cores)
        .max_by(f64::total_cmp)
}

fn write_run(run: &Run, text: &mut String) -> std::fmt::Result {
    let refused: u64 = run.refused.values().sum();
    writeln!(text, "accepted   {} ({:.0}/s)", run.accepted, run.accepted_per_second)?;
    writeln!(text, "refused    {refused}")?;
    for (code, count) in &run.refused {
        writeln!(text, "             {count} {code}")?;
    }
    let latency = &run.latency_ms;
    write!(text, "latency    ")?;
    for (name, value) in [
        ("mean", latency.mean),
        ("p50", latency.p50),
        ("p90", latency.p90),
        ("p99", latency.p99),
        ("p99.9", latency.p999),
        ("max", latency.max),
    ] {
        write!(text, "{name} {}  ", milliseconds(value))?;
    }
    writeln!(text, "ms")?;
    let Some(pipeline) = &run.pipeline else {
        return writeln!(text, "pipeline   unknown: give --token to measure the backlog");
    };
    writeln!(
        text,
        "pipeline   {:.0} events/s; a backlog of {} processed in {:.1} s",
        pipeline.events_per_second, pipeline.backlog, pipeline.backlog_seconds
    )?;
    writeln!(
        text,
        "outcomes   {} processed, {} duplicate, {} rejected, {} failed",
        pipeline.processed, pipeline.duplicate, pipeline.rejected, pipeline.failed
    )?;
    if pipeline.in_flight > 0 {
        writeln!(
            text,
            "           {} still in flight: --patience is over",
            pipeline.in_flight
        )?;
    }
    Ok(())
}

/// Returns the table of a sweep, with its head. The first column marks the best.
pub(super) fn run_rows(report: &Report, runs: &[Run]) -> Vec<Vec<String>> {
    let keys: Vec<&String> = runs
        .first()
        .map(|run| run.settings.keys().collect())
        .unwrap_or_default();
    let mut rows: Vec<Vec<String>> = Vec::with_capacity(runs.len() + 1);
    let head = [String::new()].into_iter().chain(keys.iter().map(|key| (*key).clone()));
    rows.push(head.chain(RUNS.map(str::to_owned)).collect());
    for (place, run) in runs.iter().enumerate() {
        let mark = if report.best == Some(place) { "best" } else { "" };
        let mut row = vec![mark.to_owned()];
        row.extend(
            keys.iter()
                .map(|key| run.settings.get(*key).cloned().unwrap_or_default()),
        );
        row.push(format!("{:.0}", run.accepted_per_second));
        let latency = &run.latency_ms;
        row.extend([latency.p50, latency.p99, latency.max].map(milliseconds));
        row.push(run.refused.values().sum::<u64>().to_string());
        let pipeline = run.pipeline.as_ref();
        row.push(pipeline.map_or_else(String::new, |pipeline| format!("{:.0}", pipeline.events_per_second)));
        row.push(pipeline.map_or_else(String::new, |pipeline| pipeline.in_flight.to_string()));
        rows.push(row);
    }
    rows
}

/// Returns the table of an overload, with its head.
pub(super) fn step_rows(steps: &[Step]) -> Vec<Vec<String>> {
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    let row = |step: &Step| {
        let mut row = vec![format!("{}x", step.multiple)];
        let rates = [
            step.offered_per_second,
            step.accepted_per_second,
            step.goodput_per_second,
        ];
        row.extend(rates.map(|rate| format!("{rate:.0}")));
        row.push(format!("{:.2}", step.goodput_to_capacity));
        row.push(format!("{:.0}", step.settled_goodput_per_second));
        row.extend([percent(step.refused_share), percent(step.unsent_share)]);
        row.extend(step.latency_ms.map(milliseconds));
        row.push(known(step.backlog_seconds, 1));
        row.push(known(step.memory_bytes.map(|bytes| bytes / 1_048_576.0), 0));
        row.push(known(step.cpu_seconds_per_10000, 2));
        row
    };
    [STEPS.map(str::to_owned).to_vec()]
        .into_iter()
        .chain(steps.iter().map(row))
        .collect()
}

/// Returns the table of a curve, with its head.
pub(super) fn curve_rows(curve: &CurveResult) -> Vec<Vec<String>> {
    let head = [curve.dimension.label(), "capacity/s", "memory MiB"].map(str::to_owned);
    let rows = curve.points.iter().map(|point| {
        let memory = point.memory_bytes.map(|bytes| bytes / 1_048_576.0);
        vec![
            number(f64::from(point.value)),
            number(point.capacity.per_second.round()),
            known(memory, 0),
        ]
    });
    [head.to_vec()].into_iter().chain(rows).collect()
}

fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:>width$}"));
        cells.collect::<Vec<_>>().join("  ") + "\n"
    };
    rows.iter().map(line).collect()
}

fn known(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.decimals$}"))
}

pub(super) fn milliseconds(value: Option<f64>) -> String {
    known(value, 2)
}

#[cfg(test)]
mod tests {
    use super::super::overload::sample_step;
    use super::*;

    #[test]
    fn a_table_is_aligned_and_has_a_cell_for_each_column() {
        let rows = step_rows(&[sample_step(0.5, 500.0), sample_step(10.0, 90.0)]);
        assert!(rows.iter().all(|row| row.len() == STEPS.len()), "{rows:?}");
        let text = aligned(&rows);
        let lengths: Vec<usize> = text.lines().map(|line| line.chars().count()).collect();
        assert!(lengths.windows(2).all(|pair| pair[0] == pair[1]), "{text}");
        assert!(
            text.contains("0.5x") && text.contains("25.0 %") && text.contains("12.5"),
            "{text}"
        );
    }
}

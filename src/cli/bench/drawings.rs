//! The plots of a report.

use super::axis::Axis;
use super::curve::{CurveResult, Dimension};
use super::overload::{Overload, Step};
use super::plot::{Band, Plot, Series};
use super::population::float;
use super::report::Report;
use super::sampler::Sample;
use super::session::{Answers, Timeline};

const MIB: f64 = 1_048_576.0;

/// Returns all plots with something to see: the results first, then what happened by time.
pub(super) fn all(report: &Report) -> Vec<Plot> {
    let mut plots = Vec::new();
    plots.extend(report.curve.iter().flat_map(of_curve));
    plots.extend(report.overload.iter().flat_map(of_overload));
    plots.extend(
        report
            .timeline
            .iter()
            .flat_map(|timeline| of_timeline("", "", timeline)),
    );
    for (place, run) in report.runs.iter().enumerate() {
        let (prefix, title) = match report.runs.len() {
            1 => (String::new(), String::new()),
            _ => (format!("run-{}-", place + 1), format!(", run {}", place + 1)),
        };
        plots.extend(of_timeline(&prefix, &title, &run.timeline));
    }
    plots.retain(|plot| !plot.is_empty());
    plots
}

/// Returns a plot over the time of a timeline.
fn over_time(timeline: &Timeline, id: String, title: String, y: Axis, lines: Vec<Series>) -> Plot {
    let band = |phase: &super::session::Phase| Band {
        from: phase.from,
        to: phase.to,
        name: phase.name.clone(),
    };
    Plot {
        id,
        title,
        x: Axis::tight("Time (s)"),
        y,
        lines,
        bands: timeline.phases.iter().map(band).collect(),
        level: None,
        dots: false,
    }
}

fn of_timeline(prefix: &str, suffix: &str, timeline: &Timeline) -> Vec<Plot> {
    let plot = |id: &str, title: &str, y: Axis, lines: Vec<Series>| {
        over_time(timeline, format!("{prefix}{id}"), format!("{title}{suffix}"), y, lines)
    };
    let of_samples = |value: fn(&Sample) -> Option<f64>| {
        let points = timeline
            .server
            .iter()
            .map(|sample| (sample.at, value(sample).unwrap_or(f64::NAN)));
        points.collect::<Vec<_>>()
    };
    vec![
        plot(
            "throughput",
            "Throughput",
            Axis::linear("Events/s"),
            throughput(timeline),
        ),
        plot(
            "latency",
            "Latency of accepted events",
            Axis::logarithmic("Milliseconds"),
            latency(timeline),
        ),
        plot(
            "backlog",
            "Backlog age",
            Axis::linear("Age of the oldest event without outcome (s)"),
            vec![series("age", of_samples(|sample| sample.backlog_seconds))],
        ),
        plot(
            "cpu",
            "Processor",
            Axis::linear("Cores in use"),
            processor(&timeline.server),
        ),
        plot(
            "memory",
            "Memory",
            Axis::linear("Resident memory of the server (MiB)"),
            vec![series(
                "memory",
                of_samples(|sample| sample.memory_bytes.map(|bytes| float(bytes) / MIB)),
            )],
        ),
    ]
}

fn series(name: &str, points: Vec<(f64, f64)>) -> Series {
    Series {
        name: name.to_owned(),
        points,
    }
}

fn throughput(timeline: &Timeline) -> Vec<Series> {
    let mut lines = vec![
        series(
            "accepted",
            rates(&timeline.server, |sample| Some(float(sample.accepted))),
        ),
        series("processed", rates(&timeline.server, |sample| Some(float(sample.done)))),
    ];
    if lines[0].points.is_empty() {
        // The server's totals are unknown.
        let accepted = timeline
            .answers
            .iter()
            .map(|answers| (answers.at, answers.accepted_per_second));
        lines = vec![series("accepted", accepted.collect())];
    }
    if timeline.answers.iter().any(|answers| answers.refused_per_second > 0.0) {
        lines.push(series(
            "refused",
            answered(timeline, |answers| answers.refused_per_second),
        ));
    }
    lines
}

/// Returns a value of the answers by time, with a gap between two loads.
fn answered(timeline: &Timeline, value: impl Fn(&Answers) -> f64) -> Vec<(f64, f64)> {
    let mut points = Vec::with_capacity(timeline.answers.len() + timeline.phases.len());
    for phase in &timeline.phases {
        let within = timeline.answers.iter();
        let within = within.filter(|answers| (phase.from..phase.to).contains(&answers.at));
        points.extend(within.map(|answers| (answers.at, value(answers))));
        points.push((phase.to, f64::NAN));
    }
    points
}

/// Returns how fast a count grew, over two intervals of samples: one commit more or less then matters little.
fn rates(samples: &[Sample], count: fn(&Sample) -> Option<f64>) -> Vec<(f64, f64)> {
    let rate = |three: &[Sample]| {
        let seconds = three[2].at - three[0].at;
        let grown = count(&three[2])? - count(&three[0])?;
        Some((three[1].at, grown / seconds.max(f64::EPSILON)))
    };
    samples.windows(3).filter_map(rate).collect()
}

fn latency(timeline: &Timeline) -> Vec<Series> {
    let of = |value: fn(&Answers) -> Option<f64>| {
        let points = timeline
            .answers
            .iter()
            .map(|answers| (answers.at, value(answers).unwrap_or(f64::NAN)));
        points.collect::<Vec<_>>()
    };
    vec![
        series("p50", of(|answers| answers.p50)),
        series("p90", of(|answers| answers.p90)),
        series("p99", of(|answers| answers.p99)),
        series("p99.9", of(|answers| answers.p999)),
    ]
}

fn processor(samples: &[Sample]) -> Vec<Series> {
    let lines = [
        series("server", rates(samples, |sample| sample.cpu_seconds)),
        series("sender of the load", rates(samples, |sample| sample.sender_cpu_seconds)),
    ];
    lines.into_iter().filter(|line| !line.points.is_empty()).collect()
}

fn of_overload(overload: &Overload) -> Vec<Plot> {
    let of = |value: fn(&Step) -> Option<f64>| {
        let points = overload
            .steps
            .iter()
            .map(|step| (step.multiple, value(step).unwrap_or(f64::NAN)));
        points.collect::<Vec<_>>()
    };
    let plot = |id: &str, title: &str, y: Axis, lines: Vec<Series>| Plot {
        id: id.to_owned(),
        title: title.to_owned(),
        x: Axis::tight("Offered load (multiples of the capacity)"),
        y,
        lines,
        bands: Vec::new(),
        level: None,
        dots: true,
    };
    let mut goodput = plot(
        "load-goodput",
        "Goodput by offered load",
        Axis::linear("Events/s"),
        vec![
            series("accepted", of(|step| Some(step.accepted_per_second))),
            series("processed", of(|step| Some(step.goodput_per_second))),
        ],
    );
    goodput.level = Some((overload.capacity.per_second, "capacity at the beginning".to_owned()));
    vec![
        goodput,
        plot(
            "load-latency",
            "Latency by offered load",
            Axis::logarithmic("Milliseconds"),
            vec![
                series("p50", of(|step| step.latency_ms[0])),
                series("p90", of(|step| step.latency_ms[1])),
                series("p99", of(|step| step.latency_ms[2])),
                series("p99.9", of(|step| step.latency_ms[3])),
            ],
        ),
        plot(
            "load-memory",
            "Memory by offered load",
            Axis::linear("Peak of resident memory (MiB)"),
            vec![series("memory", of(|step| step.memory_bytes.map(|bytes| bytes / MIB)))],
        ),
    ]
}

fn of_curve(curve: &CurveResult) -> Vec<Plot> {
    let name = match curve.dimension {
        Dimension::Controllers => "controllers",
        Dimension::Subjects => "subjects",
    };
    let label = curve.dimension.label();
    let plot = |id: &str, title: &str, y: &str, points: Vec<(f64, f64)>| Plot {
        id: format!("{name}-{id}"),
        title: format!("{title} by {}", label.to_lowercase()),
        x: Axis::logarithmic(label),
        y: Axis::linear(y),
        lines: vec![series(id, points)],
        bands: Vec::new(),
        level: None,
        dots: true,
    };
    let rates = curve
        .points
        .iter()
        .map(|point| (f64::from(point.value), point.capacity.per_second));
    let memory = curve.points.iter().map(|point| {
        let bytes = point.memory_bytes.unwrap_or(f64::NAN);
        (f64::from(point.value), bytes / MIB)
    });
    vec![
        plot("rate", "Capacity", "Events/s", rates.collect()),
        plot("memory", "Memory", "Peak of resident memory (MiB)", memory.collect()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_those_between_samples() {
        let sample = |at: f64, done: u64| Sample {
            at,
            done,
            ..Sample::default()
        };
        let samples = [sample(0.0, 0), sample(0.5, 100), sample(1.0, 200), sample(2.0, 200)];
        let points = rates(&samples, |sample| Some(float(sample.done)));
        assert_eq!(points, [(0.5, 200.0), (1.0, 100.0 / 1.5)]);
        assert!(rates(&samples, |sample| sample.cpu_seconds).is_empty(), "not known");
        assert!(rates(&samples[..2], |_| Some(1.0)).is_empty());
    }
}

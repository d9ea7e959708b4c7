//! One run: load, then the backlog.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::interrupt;
use super::load;
use super::report::{Pipeline, Run, per_second};
use super::sampler::pause;
use super::server::Server;
use super::session::{Session, Timeline};
use super::settings::Combination;
use super::shape::Shape;
use super::watch::{Totals, Watch};

/// Makes the load and, where the totals can be seen, waits until its events have their outcomes.
///
/// # Errors
/// The load cannot be made, or the totals cannot be read.
pub(super) fn measure(
    server: &Server,
    shape: &Shape,
    patience: Duration,
    settings: &Combination,
    preload: bool,
    tell: bool,
) -> Result<Run> {
    let Some(watch) = &server.watch else {
        let sent = load::send(&server.webhooks, shape)?;
        let mut timeline = Timeline::default();
        timeline.add("load", 0.0, shape.duration.as_secs_f64(), &sent);
        return Ok(Run::new(settings, sent, None, timeline));
    };
    let mut session = Session::begin(server, shape, patience, tell)?;
    if preload {
        session.preload()?;
    }
    let before = watch.totals()?;
    let started = Instant::now();
    let sent = session.send("load", shape)?;
    let pipeline = work_off(watch, before, started, patience)?;
    let (timeline, _) = session.end();
    Ok(Run::new(settings, sent, Some(pipeline), timeline))
}

fn work_off(watch: &Watch, before: Totals, started: Instant, patience: Duration) -> Result<Pipeline> {
    let load_ended = Instant::now();
    let mut now = watch.totals()?;
    let backlog = now.in_flight;
    while now.in_flight > 0 && load_ended.elapsed() < patience && !interrupt::came() {
        pause(Duration::from_millis(50));
        now = watch.totals()?;
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

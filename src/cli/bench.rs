//! `conduit bench`: load on its own or a running server, the results, and sweeps over settings.
//!
//! Without `--url` or `--target` it starts its own server, this program in another process, with empty storage and only the
//! given settings. The settings of a server that runs here change no result, and that server is not touched.
//!
//! | file | has |
//! |---|---|
//! | `options` | the options |
//! | `server`, `own`, `tenants` | the server, and the controllers on it |
//! | `load`, `shape`, `pace`, `events`, `population`, `wire` | the senders: when, about whom, how |
//! | `sampler`, `watch`, `process`, `session` | the server under load, by time |
//! | `measure`, `capacity`, `overload`, `curve` | what is measured |
//! | `report`, `text`, `page`, `drawings`, `plot`, `axis`, `advice`, `machine` | the results |

mod advice;
mod axis;
mod capacity;
mod curve;
mod drawings;
mod events;
mod histogram;
mod interrupt;
mod load;
mod machine;
mod measure;
mod options;
mod overload;
mod own;
mod pace;
mod page;
mod plot;
mod population;
mod process;
mod report;
mod sampler;
mod server;
mod session;
mod settings;
mod shape;
mod tenants;
mod text;
mod watch;
mod wire;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::output::{self, complain, say};
use advice::Evidence;
use curve::{Curve, CurveResult, Dimension, Point};
pub(super) use options::Bench;
use overload::Multiples;
use report::{Origin, Report};
use sampler::Sample;
use server::{Place, Server};
use session::Session;
use settings::Combination;

impl Bench {
    /// Runs the command. Returns 0 when done; 1 if no event was accepted, the backlog was not processed or goodput
    /// collapsed; 2 if a setting is wrong.
    pub(super) fn run(&self) -> ExitCode {
        let combinations = settings::combinations(&self.set, &self.sweep);
        if self.has_own_server() {
            for combination in &combinations {
                if let Err(error) = own::check(self.program.as_deref(), combination) {
                    complain!("conduit: {error:#}");
                    return ExitCode::from(2);
                }
            }
        }
        let place = match self.place() {
            Ok(place) => place,
            Err(error) => {
                complain!("conduit: {error:#}");
                return ExitCode::from(2);
            }
        };
        interrupt::watch();
        match self
            .measured(&place, &combinations)
            .and_then(|report| self.show(&report))
        {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                complain!("conduit: {error:#}");
                ExitCode::FAILURE
            }
        }
    }

    /// Prints the report, and writes its files. Returns whether all is well.
    fn show(&self, report: &Report) -> Result<bool> {
        if let Some(file) = &self.report {
            let written = std::fs::write(file, page::html(report)?);
            written.with_context(|| format!("--report {}", file.display()))?;
        }
        if let Some(dir) = &self.svg {
            let named = || format!("--svg {}", dir.display());
            std::fs::create_dir_all(dir).with_context(named)?;
            for plot in drawings::all(report) {
                let file = dir.join(format!("{}.svg", plot.id));
                std::fs::write(file, plot.svg() + "\n").with_context(named)?;
            }
        }
        say!("{}", if self.json { report.json() } else { text::of(report) });
        output::close().map_err(anyhow::Error::msg)?;
        Ok(report.is_good())
    }

    fn measured(&self, place: &Place<'_>, combinations: &[Combination]) -> Result<Report> {
        let shape = self.shape();
        let mut report = Report::new(&shape, self.zipf, self.origin());
        if let Some(curve) = &self.curve {
            report.curve = Some(self.curve(curve, place, &combinations[0], &mut report.origin)?);
            return Ok(report);
        }
        if let Some(multiples) = &self.overload {
            self.overload(multiples, place, &combinations[0], &mut report)?;
            return Ok(report);
        }
        let (preload, patience) = (self.preloads(self.subjects), Duration::from_secs(self.patience));
        for (number, combination) in combinations.iter().enumerate() {
            self.tell(&self.announced(combination, number, combinations.len()));
            let server = self.server(place, combination, self.controllers, &mut report.origin)?;
            let run = measure::measure(&server, &shape, patience, combination, preload, self.tells())?;
            report.runs.push(run);
            anyhow::ensure!(!interrupt::came(), "interrupted");
        }
        let swept: Vec<String> = self.sweep.iter().map(|sweep| sweep.key().to_owned()).collect();
        report.choose(self.best_by, &swept);
        Ok(report)
    }

    /// Prepares a server, and notes what it says about itself.
    fn server(
        &self,
        place: &Place<'_>,
        combination: &Combination,
        controllers: u32,
        origin: &mut Origin,
    ) -> Result<Server> {
        let server = Server::prepare(place, combination, controllers as usize, self.tells())?;
        origin.note(&server);
        Ok(server)
    }

    fn overload(
        &self,
        multiples: &Multiples,
        place: &Place<'_>,
        combination: &Combination,
        report: &mut Report,
    ) -> Result<()> {
        let (shape, duration) = (self.shape(), self.duration());
        let server = self.server(place, combination, self.controllers, &mut report.origin)?;
        let mut session = Session::begin(&server, &shape, Duration::from_secs(self.patience), self.tells())?;
        if self.preloads(self.subjects) {
            session.preload()?;
        }
        let each = Duration::from_secs(self.probe_seconds);
        let overload = overload::measure(&mut session, multiples, duration, each, server.burst_seconds())?;
        let (timeline, samples) = session.end();
        // The memory of another machine is unknown.
        let is_here = self.has_own_server() || self.pid.is_some();
        let memory = report.origin.machine.memory_bytes.filter(|_| is_here);
        let evidence = Evidence {
            settings: server.settings.clone().unwrap_or_default(),
            controllers: u64::from(self.controllers),
            machine_bytes: memory.map(population::float),
            ..evidence(&overload, &samples)
        };
        report.recommendation = Some(advice::advise(&evidence));
        report.overload = Some(overload);
        report.timeline = Some(timeline);
        Ok(())
    }

    fn curve(
        &self,
        curve: &Curve,
        place: &Place<'_>,
        combination: &Combination,
        origin: &mut Origin,
    ) -> Result<CurveResult> {
        let mut points = Vec::with_capacity(curve.values.len());
        for value in &curve.values {
            let (controllers, subjects) = match curve.dimension {
                Dimension::Controllers => (*value, self.subjects.max(*value)),
                Dimension::Subjects => (self.controllers, *value),
            };
            self.tell(&format!("{}: {value}", curve.dimension.label()));
            let server = self.server(place, combination, controllers, origin)?;
            let mut shape = self.shape();
            shape.population = self.population(controllers, subjects);
            let mut session = Session::begin(&server, &shape, Duration::from_secs(self.patience), self.tells())?;
            if curve.dimension == Dimension::Subjects || self.preloads(subjects) {
                session.preload()?;
            }
            let capacity = capacity::find(&mut session, None, Duration::from_secs(self.probe_seconds))?;
            self.tell(&format!("capacity: {:.0} events/s", capacity.per_second));
            points.push(Point::new(*value, capacity, &session.end().1));
        }
        Ok(CurveResult {
            dimension: curve.dimension,
            points,
        })
    }

    fn origin(&self) -> Origin {
        // The disk of a server elsewhere is unknown.
        let dir = self.has_own_server().then_some(self.dir.as_path());
        Origin::new(
            machine::Machine::describe(dir),
            self.target.is_some() || self.url.is_some(),
        )
    }

    /// Returns whether the progress is printed. Long measurements always print it.
    const fn tells(&self) -> bool {
        !self.json || self.overload.is_some() || self.curve.is_some()
    }

    fn tell(&self, line: &str) {
        if self.tells() {
            complain!("{line}");
        }
    }

    fn announced(&self, combination: &Combination, number: usize, of: usize) -> String {
        if of == 1 {
            return self.pace();
        }
        format!(
            "{} of {of}: {}: {}",
            number + 1,
            settings::shown(combination),
            self.pace()
        )
    }
}

/// Returns what an overload says about the settings.
fn evidence(overload: &overload::Overload, samples: &[Sample]) -> Evidence {
    let mut refused = std::collections::BTreeMap::new();
    for (code, count) in overload.steps.iter().flat_map(|step| &step.refused) {
        *refused.entry(code.clone()).or_default() += count;
    }
    let highest = |value: fn(&Sample) -> Option<f64>| samples.iter().filter_map(value).max_by(f64::total_cmp);
    let most = samples.iter().max_by_key(|sample| sample.in_flight);
    Evidence {
        capacity: overload.capacity.per_second.min(overload.capacity_after.per_second),
        bytes_per_event: most.and_then(|sample| {
            let events = population::float(sample.in_flight);
            sample
                .in_flight_bytes
                .filter(|_| events > 0.0)
                .map(|bytes| bytes / events)
        }),
        memory_bytes: highest(|sample| sample.memory_bytes.map(population::float)),
        backlog_bytes: highest(|sample| sample.in_flight_bytes),
        refused,
        has_collapsed: overload.has_collapsed(),
        ..Evidence::default()
    }
}

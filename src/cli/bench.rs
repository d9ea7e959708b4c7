//! `conduit bench`: load on its own or a running server, the results, and sweeps over settings.
//!
//! Without `--url` it starts its own server, this program in another process, with empty storage and only the given
//! settings. The settings of a server that runs here change no result, and that server is not touched.

mod histogram;
mod interrupt;
mod load;
mod measure;
mod own;
mod report;
mod settings;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;

use super::client::Webhook;
use super::output::{self, complain, say};
use load::Shape;
use measure::{Watch, measure};
use own::OwnServer;
use report::{BestBy, Report, Run};
use settings::{Combination, Setting, Sweep};

/// See the module's docs.
#[derive(Debug, Args)]
pub(super) struct Bench {
    /// The webhookUrl of an integration on a running server; without it, a server of its own is started.
    #[arg(long, requires_all = ["api_key", "secret"], conflicts_with_all = ["set", "sweep"])]
    url: Option<String>,
    /// The API key; the Bearer of webhookAuth may stay in front.
    #[arg(long, env = "CONDUIT_SEND_API_KEY", hide_env_values = true)]
    api_key: Option<String>,
    /// The controller's webhook secret.
    #[arg(long, env = "CONDUIT_SEND_SECRET", hide_env_values = true)]
    secret: Option<String>,
    /// With --url: a token that may read the controller's sums, to see the backlog worked off.
    #[arg(long, env = "CONDUIT_BENCH_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// With --url: the type of the events. They have the fields email, phone, customer.name and order.
    #[arg(long, default_value = "account_created")]
    event: String,
    /// Seconds of load.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    duration: u64,
    /// Connections, each with one request under way at most.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    connections: u16,
    /// Threads that send; 0: as many as there are cores, but no more than connections.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=256))]
    threads: u16,
    /// Events a second, independent of the answers (open loop). Latencies then count from when an event was due.
    /// Without it, each connection sends the next event as soon as it has its answer.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    rate: Option<u32>,
    /// People that events are about, drawn at random.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    subjects: u32,
    /// Bytes of an event's body, about: 250 at least.
    #[arg(long, alias = "event-size", default_value_t = 500, value_parser = clap::value_parser!(u32).range(250..=1_000_000))]
    events_size: u32,
    /// Seconds to wait for the backlog to be worked off.
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    patience: u64,
    /// Where its own server keeps its data, in a directory that is removed afterwards. The run measures this disk.
    #[arg(long, default_value = ".", value_name = "DIRECTORY", conflicts_with = "url")]
    dir: PathBuf,
    /// A setting of its own server, as pipeline.shards=2. May be given more than once. A database or a Redis must be empty
    /// and for nothing else.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<Setting>,
    /// A setting with its values, as pipeline.batch_events=256,1024: one run for each. Given more than once: for each
    /// combination.
    #[arg(long, value_name = "KEY=VALUE,VALUE")]
    sweep: Vec<Sweep>,
    /// Which run of a sweep is the best.
    #[arg(long, value_enum, default_value_t = BestBy::Pipeline)]
    best_by: BestBy,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

impl Bench {
    /// Runs the command. Returns 0 when done; 1 if no event was accepted, or the backlog was not processed; 2 if a
    /// setting is wrong.
    pub(super) fn run(&self) -> ExitCode {
        let combinations = settings::combinations(&self.set, &self.sweep);
        if self.url.is_none() {
            for combination in &combinations {
                if let Err(error) = own::check(combination) {
                    complain!("conduit: {error:#}");
                    return ExitCode::from(2);
                }
            }
        }
        interrupt::watch();
        match self.report(&combinations) {
            Ok(report) => {
                say!("{}", if self.json { report.json() } else { report.text() });
                if let Err(error) = output::close() {
                    complain!("conduit: {error}");
                    return ExitCode::FAILURE;
                }
                if report.is_good() {
                    ExitCode::SUCCESS
                } else {
                    ExitCode::FAILURE
                }
            }
            Err(error) => {
                complain!("conduit: {error:#}");
                ExitCode::FAILURE
            }
        }
    }

    fn report(&self, combinations: &[Combination]) -> Result<Report> {
        let shape = self.shape();
        let mut runs = Vec::with_capacity(combinations.len());
        for (number, combination) in combinations.iter().enumerate() {
            if !self.json {
                complain!("{}", self.announced(combination, number, combinations.len()));
            }
            runs.push(self.run_one(combination, &shape)?);
            anyhow::ensure!(!interrupt::came(), "interrupted");
        }
        Ok(Report::new(runs, &shape, self.best_by))
    }

    fn run_one(&self, combination: &Combination, shape: &Shape) -> Result<Run> {
        let patience = Duration::from_secs(self.patience);
        let (webhook, watch, _own) = match (&self.url, &self.api_key, &self.secret) {
            (Some(url), Some(key), Some(secret)) => {
                let watch = self.token.as_deref().map(|token| Watch::of(url, token)).transpose()?;
                (Webhook::new(url, key, secret), watch, None)
            }
            _ => {
                let own = OwnServer::start(&self.dir, combination).context("its own server")?;
                (own.webhook(), Some(own.watch()?), Some(own))
            }
        };
        measure(&webhook, watch.as_ref(), shape, patience, combination)
    }

    fn shape(&self) -> Shape {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let threads = if self.threads == 0 {
            cores
        } else {
            usize::from(self.threads)
        };
        Shape {
            duration: Duration::from_secs(self.duration),
            connections: usize::from(self.connections),
            threads: threads.clamp(1, usize::from(self.connections)),
            rate: self.rate,
            subjects: self.subjects,
            event_bytes: self.events_size as usize,
            event: self.event.clone(),
        }
    }

    fn announced(&self, combination: &Combination, number: usize, of: usize) -> String {
        let pace = self.rate.map_or_else(
            || "as fast as the answers come".to_owned(),
            |rate| format!("{rate} events/s"),
        );
        let load = format!("{} s, {} connections, {pace}", self.duration, self.connections);
        if of == 1 {
            return load;
        }
        format!("{} of {of}: {}: {load}", number + 1, settings::shown(combination))
    }
}

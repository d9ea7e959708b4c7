//! The options of `conduit bench`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::super::client::Webhook;
use super::curve::Curve;
use super::overload::Multiples;
use super::pace::Order;
use super::population::{MOST_CONTROLLERS, MOST_SUBJECTS, Population};
use super::report::BestBy;
use super::server::{self, Place};
use super::settings::{Setting, Sweep};
use super::shape::Shape;

/// From this number on, data subjects are stored before the measuring.
const MANY_SUBJECTS: u32 = 100_001;

/// Connections for most loads, and for an overload.
const CONNECTIONS: (u16, u16) = (64, 1_000);

/// Seconds of most loads, and of an overload. An overload must be longer than a burst (`admission.burst_seconds`).
const SECONDS: (u64, u64) = (10, 60);

/// When data subjects are stored before the measuring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Preload {
    /// If there are more than 100,000 subjects.
    Auto,
    Always,
    Never,
}

/// Loads a server and shows the results.
#[derive(Debug, Args)]
pub(in crate::cli) struct Bench {
    /// The webhookUrl of an integration on a running server; without it, a server of its own is started.
    #[arg(long, requires_all = ["api_key", "secret"], conflicts_with_all = ["set", "sweep", "target", "controllers"])]
    pub(super) url: Option<String>,
    /// The API key; the Bearer of webhookAuth may stay in front.
    #[arg(long, env = "CONDUIT_SEND_API_KEY", hide_env_values = true)]
    pub(super) api_key: Option<String>,
    /// The controller's webhook secret.
    #[arg(long, env = "CONDUIT_SEND_SECRET", hide_env_values = true)]
    pub(super) secret: Option<String>,
    /// With --url: a token that may read the controller's sums, to see the backlog worked off.
    #[arg(long, env = "CONDUIT_BENCH_TOKEN", hide_env_values = true)]
    pub(super) token: Option<String>,
    /// With --url: the type of the events. They have the fields email, phone, customer.name and order.
    #[arg(long, default_value = "account_created")]
    pub(super) event: String,
    /// The address of a running Conduit that is for nothing else, also of another version. Controllers are created there,
    /// and stay there.
    #[arg(long, value_name = "URL", requires = "operator_token_file", conflicts_with_all = ["set", "sweep", "curve", "program"])]
    pub(super) target: Option<String>,
    /// With --target: a file with the operator's token.
    #[arg(long, value_name = "FILE", requires = "target")]
    pub(super) operator_token_file: Option<PathBuf>,
    /// With --target: the id of the server's process on this machine, to measure its processor time and memory.
    #[arg(long, requires = "target")]
    pub(super) pid: Option<u32>,
    /// The program of its own server, as an older build of Conduit. Without it, this program.
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    pub(super) program: Option<PathBuf>,
    /// Seconds of load. Default: 10; with --overload, 60 for each multiple.
    #[arg(long, visible_alias = "seconds", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(super) duration: Option<u64>,
    /// Connections, each with one request under way at most. Default: 64; with --overload or --curve, 1,000.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub(super) connections: Option<u16>,
    /// Threads that send; 0: as many as there are cores, but no more than connections.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=256))]
    pub(super) threads: u16,
    /// Events a second, independent of the answers (open loop). Latencies then count from when an event was due.
    /// Without it, each connection sends the next event as soon as it has its answer.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000_000), conflicts_with_all = ["overload", "curve"])]
    pub(super) rate: Option<u32>,
    /// Finds the capacity, then offers these multiples of it, as 0.5,1,2,5, each for --duration. Reports how much is
    /// accepted and processed meanwhile (goodput), and whether it collapses.
    #[arg(long, value_name = "MULTIPLES", conflicts_with_all = ["sweep", "curve"])]
    pub(super) overload: Option<Multiples>,
    /// Finds the capacity for each number of controllers or of stored data subjects, as controllers=10,100,1000 or
    /// subjects=10000,100000. Each has a server of its own.
    #[arg(long, value_name = "DIMENSION=NUMBERS", conflicts_with_all = ["url", "sweep"])]
    pub(super) curve: Option<Curve>,
    /// Seconds of each try in the search for the capacity.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(super) probe_seconds: u64,
    /// Controllers that events are for, each with one integration. They are created before the measuring.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_CONTROLLERS)))]
    pub(super) controllers: u32,
    /// People that events are about, of all controllers together, drawn at random.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_SUBJECTS)))]
    pub(super) subjects: u32,
    /// Exponent of the skew, 0 to 5: the k-th controller and the k-th person have events in proportion to 1/k^S. 0: all
    /// have the same.
    #[arg(long, value_name = "S", default_value_t = 0.0, value_parser = exponent)]
    pub(super) zipf: f64,
    /// Whether all people are stored before the measuring. Never with --url.
    #[arg(long, value_enum, default_value_t = Preload::Auto)]
    pub(super) preload: Preload,
    /// Bytes of an event's body, about: 250 at least.
    #[arg(long, alias = "event-size", default_value_t = 500, value_parser = clap::value_parser!(u32).range(250..=1_000_000))]
    pub(super) events_size: u32,
    /// Seconds to wait for the backlog to be worked off.
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(super) patience: u64,
    /// Where its own server keeps its data, in a directory that is removed afterwards. The run measures this disk.
    #[arg(long, default_value = ".", value_name = "DIRECTORY", conflicts_with = "url")]
    pub(super) dir: PathBuf,
    /// A setting of its own server, as pipeline.shards=2. May be given more than once. A database or a Redis must be empty
    /// and for nothing else.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(super) set: Vec<Setting>,
    /// A command for sh before each start of its own server, for example to empty a database.
    #[arg(long, value_name = "COMMAND", conflicts_with_all = ["url", "target"])]
    pub(super) reset: Option<String>,
    /// A setting with its values, as pipeline.batch_events=256,1024: one run for each. Given more than once: for each
    /// combination.
    #[arg(long, value_name = "KEY=VALUE,VALUE")]
    pub(super) sweep: Vec<Sweep>,
    /// Which run of a sweep is the best.
    #[arg(long, value_enum, default_value_t = BestBy::Pipeline)]
    pub(super) best_by: BestBy,
    /// Print the report as JSON.
    #[arg(long)]
    pub(super) json: bool,
    /// Write the report as one HTML file with plots.
    #[arg(long, value_name = "FILE")]
    pub(super) report: Option<PathBuf>,
    /// Write the plots as SVG files into this directory.
    #[arg(long, value_name = "DIRECTORY")]
    pub(super) svg: Option<PathBuf>,
}

fn exponent(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(exponent) if (0.0..=5.0).contains(&exponent) => Ok(exponent),
        _ => Err("it must be a number from 0 to 5".to_owned()),
    }
}

impl Bench {
    /// Returns whether the server is one of its own.
    pub(super) const fn has_own_server(&self) -> bool {
        self.url.is_none() && self.target.is_none()
    }

    /// Returns the server to load.
    ///
    /// # Errors
    /// The token's file cannot be read.
    pub(super) fn place(&self) -> anyhow::Result<Place<'_>> {
        if let (Some(base), Some(file)) = (&self.target, &self.operator_token_file) {
            let token = server::token(file)?;
            return Ok(Place::Target {
                base,
                token,
                pid: self.pid,
            });
        }
        Ok(match (&self.url, &self.api_key, &self.secret) {
            (Some(url), Some(key), Some(secret)) => Place::Integration {
                webhook: Webhook::new(url, key, secret),
                token: self.token.as_deref(),
            },
            _ => Place::Own {
                dir: &self.dir,
                program: self.program.as_deref(),
                reset: self.reset.as_deref(),
            },
        })
    }

    /// Returns the time of a load.
    pub(super) fn duration(&self) -> Duration {
        let (short, long) = SECONDS;
        let usual = if self.overload.is_some() { long } else { short };
        Duration::from_secs(self.duration.unwrap_or(usual))
    }

    pub(super) fn shape(&self) -> Shape {
        let is_heavy = self.overload.is_some() || self.curve.is_some();
        let connections = self
            .connections
            .unwrap_or(if is_heavy { CONNECTIONS.1 } else { CONNECTIONS.0 });
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let threads = if self.threads == 0 {
            cores
        } else {
            usize::from(self.threads)
        };
        Shape {
            duration: self.duration(),
            connections: usize::from(connections),
            threads: threads.clamp(1, usize::from(connections)),
            order: self
                .rate
                .map_or(Order::Closed, |rate| Order::Open { rate, give_up: None }),
            population: self.population(self.controllers, self.subjects),
            event_bytes: self.events_size as usize,
            event: self.event.clone(),
        }
    }

    pub(super) fn population(&self, controllers: u32, subjects: u32) -> Population {
        Population::new(controllers as usize, u64::from(subjects), self.zipf)
    }

    /// Returns whether so many people are stored before the measuring.
    pub(super) const fn preloads(&self, subjects: u32) -> bool {
        match self.preload {
            Preload::Auto => subjects >= MANY_SUBJECTS && self.url.is_none(),
            Preload::Always => self.url.is_none(),
            Preload::Never => false,
        }
    }

    /// Returns the line that announces a load.
    pub(super) fn pace(&self) -> String {
        let pace = self.rate.map_or_else(
            || "as fast as the answers come".to_owned(),
            |rate| format!("{rate} events/s"),
        );
        format!(
            "{} s, {} connections, {pace}",
            self.duration().as_secs(),
            self.shape().connections
        )
    }
}

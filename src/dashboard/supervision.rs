//! Supervision: the pipeline as it runs, and the dead letters.

pub(super) mod rates;

use std::time::Duration;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use conduit_actors::event::Status;
use conduit_actors::ids::{ControllerDid, Timestamp};
use conduit_actors::shard::ShardReport;
use conduit_actors::supervisor::{ActorReport, ActorState};
use tracing::Level;

use super::away;
use super::filters;
use super::guard::Session;
use super::page::{self, Section, Shell};
use super::state::State;
use super::words::{Badge, Icon, Number, Time, bytes, duration};
use crate::app::List as _;
use crate::app::Services;
use crate::app::admission::{Admission, OverShare, admission};
use crate::app::configuration::{self, Configuration, configuration};
use crate::app::events::Event as EventView;
use crate::app::events::Events;
use crate::app::readiness::{self, Readiness};
use crate::counts::counted;
use crate::http::problem::Problem;
use crate::logging::supervision::{self, LogLine};
use crate::store::EventFilter;

const DEAD_LETTERS: usize = 20;
/// How long the page waits for them. Everything else on it is in memory.
const PATIENCE: Duration = Duration::from_millis(300);
/// Lines of the supervision log that are shown.
const LINES: usize = 20;

struct Actor {
    report: ActorReport,
    class: &'static str,
    word: &'static str,
    handled: Number,
    rate: String,
    waiting: Number,
    restarts: String,
    failed_at: Option<Time>,
}

struct Shard {
    report: ShardReport,
    actors: Vec<Actor>,
    done: String,
    behind: Number,
    bisected: Number,
    waiting_since: Option<Time>,
}

struct Gauge {
    word: &'static str,
    value: String,
    note: String,
}

struct DeadLetter {
    event: EventView,
    received: Time,
    why: String,
}

/// An overload.
struct Holding {
    since: Time,
    /// Events in a second.
    processed: Number,
    over_share: Vec<Over>,
}

/// A controller over its share of the backlog.
struct Over {
    did: ControllerDid,
    in_flight: Number,
    since: Time,
}

/// A line of the supervision log.
struct LogItem {
    line: LogLine,
    class: &'static str,
    icon: Icon,
    at: Time,
}

/// The configuration of this node.
struct ConfigurationCard {
    read: Time,
    changed: Vec<configuration::Change>,
    needs_restart: Vec<String>,
    /// When the last one was refused, and why.
    refused: Option<(Time, String)>,
}

#[derive(Template)]
#[template(path = "supervision.html")]
struct Supervision {
    shell: Shell,
    readiness: Readiness,
    /// How many shards there are.
    many: String,
    shards: Vec<Shard>,
    gauges: Vec<Gauge>,
    log: Vec<LogItem>,
    /// None: the database is away, or cannot say.
    dead: Option<Vec<DeadLetter>>,
    /// The fate of events that are sent now. `None` if all is well.
    acceptance: Option<String>,
    /// Set while more events arrive than are processed.
    holding: Option<Holding>,
    configuration: ConfigurationCard,
    /// Which parts of the picture are not well: the edge, the journal, the actors, the dedup window, the database.
    bad: [bool; 5],
}

/// Answers `GET /supervision`.
pub(super) async fn get(
    session: Session,
    services: Data<Services>,
    state: Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    session.principal.operator()?;
    let reports = services.shards.report();
    let rates = state.rates.of(&reports);
    let readiness = readiness::readiness(&services);
    let filter = EventFilter {
        status: Some(Status::Failed),
        ..EventFilter::default()
    };
    // The page is for outages too: it waits for nothing that is away, also before this is known.
    let dead = match services.database.away() {
        Some(_) => None,
        None => {
            let events = Events::new(&session.principal, Data::clone(&services).into_inner(), filter)?;
            let page = tokio::time::timeout(PATIENCE, events.page(None, DEAD_LETTERS)).await;
            page.ok().and_then(Result::ok)
        }
    };
    let is_bad = |name: &str| {
        readiness
            .checks
            .iter()
            .any(|check| check.name == name && check.status != "ready")
    };
    let is_sick = |actor: &&ActorReport| actor.state != ActorState::Running || actor.over_budget;
    let is_edge = |actor: &&ActorReport| matches!(actor.actor, "AuthActor" | "ValidatorActor");
    let mut actors = reports.iter().flat_map(|shard| &shard.actors);
    let bad = [
        actors.clone().filter(is_edge).any(|actor| is_sick(&actor)),
        is_bad("journal"),
        actors.any(|actor| !is_edge(&actor) && is_sick(&actor)) || is_bad("shards"),
        is_bad("dedup"),
        is_bad("database"),
    ];
    page::render(&Supervision {
        shell: Shell::new(&request, &session, Section::Supervision, "Supervision").live("/live?of=supervision"),
        gauges: gauges(&services),
        many: match reports.len() {
            1 => "1 shard with one thread".to_owned(),
            many => format!("{many} shards with one thread each"),
        },
        shards: reports
            .into_iter()
            .zip(rates)
            .map(|(report, rates)| shard(report, &rates))
            .collect(),
        log: supervision::last(LINES).into_iter().map(logged).collect(),
        holding: holding(admission(&session.principal, &services)?),
        configuration: configuration_card(configuration(&session.principal, &services)?),
        acceptance: (readiness.status != "ready").then(|| away::acceptance(&readiness)),
        dead: dead.map(|dead| dead.into_iter().map(dead_letter).collect()),
        bad,
        readiness,
    })
}

fn holding(admission: Admission) -> Option<Holding> {
    let since = Time(admission.holding_since?);
    let over = |over: &OverShare| Over {
        did: over.did.clone(),
        in_flight: Number(over.in_flight),
        since: Time(over.since),
    };
    Some(Holding {
        since,
        processed: Number(admission.processed_per_second),
        over_share: admission.over_share.iter().map(over).collect(),
    })
}

fn configuration_card(configuration: Configuration) -> ConfigurationCard {
    let Configuration {
        read_at,
        changed,
        needs_restart,
        refused,
    } = configuration;
    ConfigurationCard {
        read: Time(read_at),
        changed,
        needs_restart,
        refused: refused.map(|refused| (Time(refused.at), refused.error)),
    }
}

fn shard(report: ShardReport, rates: &[Option<f64>]) -> Shard {
    let actors = report.actors.iter().zip(rates).map(|(actor, rate)| {
        let (class, word) = match actor.state {
            _ if actor.over_budget => ("stopped", "over its restart budget"),
            ActorState::Running => ("running", "running"),
            ActorState::Restarting => ("restarting", "restarting"),
            ActorState::Stopped => ("stopped", "stopped"),
        };
        Actor {
            class,
            word,
            handled: Number(actor.handled),
            rate: rate.map_or_else(String::new, |rate| format!("{rate:.0}/s")),
            waiting: Number(actor.mailbox_depth as u64),
            restarts: counted(actor.restarts, "restart", "restarts"),
            failed_at: actor.last_failure_at.map(Time),
            report: actor.clone(),
        }
    });
    Shard {
        actors: actors.collect(),
        done: counted(report.dispatcher.events, "event", "events"),
        behind: Number(report.dispatcher.backlog),
        bisected: Number(report.dispatcher.suspects),
        waiting_since: report.dispatcher.waiting.as_ref().map(|waiting| Time(waiting.since)),
        report,
    }
}

fn gauges(services: &Services) -> Vec<Gauge> {
    let (journal, dedup) = (services.journal.report(), services.dedup.report());
    let oldest = services.journal.oldest_in_flight().map(|received| {
        let age = Timestamp::now().as_millis() - received.as_millis();
        format!("oldest {}", duration(age))
    });
    vec![
        Gauge {
            word: "In flight",
            value: Number(journal.in_flight_events).to_string(),
            note: oldest.unwrap_or_else(|| "nothing waits".to_owned()),
        },
        Gauge {
            word: "Journal",
            value: bytes(journal.disk_bytes),
            note: format!(
                "{} in flight, in {}",
                bytes(journal.in_flight_bytes),
                counted(journal.segments as u64, "segment", "segments")
            ),
        },
        Gauge {
            word: "Last sync",
            value: format!("{:.1} ms", micros(journal.last_sync_micros)),
            note: counted(journal.batches, "batch", "batches"),
        },
        Gauge {
            word: "Dedup claims",
            value: Number(dedup.claims as u64).to_string(),
            note: services.dedup.description(),
        },
        Gauge {
            word: "Controllers",
            value: Number(services.directory.len() as u64).to_string(),
            note: "in the directory".to_owned(),
        },
    ]
}

#[allow(clippy::cast_precision_loss)] // A tenth of a millisecond.
fn micros(count: u64) -> f64 {
    count as f64 / 1000.0
}

fn logged(line: LogLine) -> LogItem {
    let (class, icon) = match line.level {
        Level::ERROR => ("failed", "alert"),
        Level::WARN => ("rejected", "alert"),
        _ => ("processed", "check"),
    };
    LogItem {
        class,
        icon: Icon(icon),
        at: Time(line.at),
        line,
    }
}

fn dead_letter(event: EventView) -> DeadLetter {
    let first = event.reasons.first();
    DeadLetter {
        received: Time(event.received_at),
        why: first.map(|reason| reason.message.clone()).unwrap_or_default(),
        event,
    }
}

//! What needs somebody, the most urgent first.

use std::collections::{BTreeMap, HashMap};

use conduit_actors::event::Status;
use conduit_actors::ids::{ControllerId, IntegrationId, Timestamp};
use url::form_urlencoded::Serializer;

use super::words::{Icon, Time, isolated, short};
use crate::http::App;
use crate::http::controllers::previous_until;
use crate::http::probes::Readiness;
use crate::http::problem::Problem;
use crate::store::{EventFilter, EventRow, IntegrationRow, Page};

/// Rejected and failed events that are looked at: the newest.
const LOOKED_AT: usize = 200;
/// How far back.
const RECENT_MILLIS: i64 = 7 * 86_400_000;
/// People who rest on a placeholder and are shown apart.
const MAX_PEOPLE: usize = 10;
/// Reasons that are shown apart.
const MAX_REASONS: usize = 5;

/// One thing to see to.
pub(super) struct Item {
    pub(super) class: &'static str,
    pub(super) icon: Icon,
    pub(super) title: String,
    pub(super) detail: String,
    pub(super) until: Option<Time>,
    pub(super) href: String,
    pub(super) action: &'static str,
}

impl Item {
    /// What it is about, however many there are of it: by this the page knows it again.
    pub(super) fn key(&self) -> String {
        let what = self.title.trim_start_matches(|digit: char| digit.is_ascii_digit());
        format!("{} {what}", self.href)
    }
}

/// All of them.
pub(super) async fn items(
    app: &App,
    controller: Option<ControllerId>,
    integrations: &[IntegrationRow],
    readiness: Option<&Readiness>,
) -> Result<Vec<Item>, Problem> {
    let mut found = Vec::new();
    found.extend(readiness.into_iter().flat_map(unready));
    for status in [Status::Failed, Status::Rejected] {
        let filter = EventFilter {
            controller,
            status: Some(status),
            from: Some(Timestamp::from_millis(Timestamp::now().as_millis() - RECENT_MILLIS)),
            ..EventFilter::default()
        };
        let page = Page {
            after: None,
            limit: LOOKED_AT,
        };
        let events = app.store.events(&filter, page).await?;
        found.extend(by_reason(status, &events, integrations));
    }
    found.extend(restarts(app, readiness.is_some()));
    found.extend(placeholders(app, controller).await?);
    found.extend(grace(app, controller, integrations).await?);
    Ok(found)
}

fn unready(readiness: &Readiness) -> impl Iterator<Item = Item> {
    readiness
        .checks
        .iter()
        .filter(|check| check.status != "ready")
        .map(|check| {
            let is_degraded = check.status == "degraded";
            Item {
                class: if is_degraded { "rejected" } else { "failed" },
                icon: Icon("alert"),
                title: format!("{} is {}", check.name, check.status),
                detail: check.detail.clone(),
                until: None,
                href: "/supervision".to_owned(),
                action: "Look",
            }
        })
}

/// Events of one kind that ended badly for one reason are one item. Those of an integration that is gone are left out: there is
/// no mapping to mend, and nothing to replay them under.
fn by_reason(status: Status, events: &[EventRow], integrations: &[IntegrationRow]) -> Vec<Item> {
    let mut groups: BTreeMap<(IntegrationId, &str, &str, &str), (usize, &str)> = BTreeMap::new();
    let name_of: HashMap<_, _> = integrations
        .iter()
        .map(|row| (row.id, row.spec.name.as_str()))
        .collect();
    for event in events.iter().filter(|event| name_of.contains_key(&event.integration)) {
        if let Some(reason) = event.reasons.first() {
            let key = (
                event.integration,
                event.event_type.as_str(),
                reason.field.as_str(),
                reason.code.as_str(),
            );
            groups.entry(key).or_insert((0, &reason.message)).0 += 1;
        }
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
    groups
        .into_iter()
        .take(MAX_REASONS)
        .map(|((integration, event_type, ..), (count, message))| {
            let name = name_of.get(&integration).copied().unwrap_or_default();
            let query = Serializer::new(String::new())
                .append_pair("status", status.as_str())
                .append_pair("integration", &integration.to_string())
                .append_pair("event", event_type)
                .finish();
            let many = if count == LOOKED_AT { "or more " } else { "" };
            Item {
                class: status.as_str(),
                icon: super::words::Badge(status).icon(),
                title: format!(
                    "{count} {many}{} {}: {event_type}",
                    status.as_str(),
                    if count == 1 { "event" } else { "events" }
                ),
                detail: format!("{message} ({})", isolated(name)),
                until: None,
                href: format!("/events?{query}"),
                action: "Look",
            }
        })
        .collect()
}

/// People whom an earlier build found by a value that identifies nobody: they may be several.
async fn placeholders(app: &App, controller: Option<ControllerId>) -> Result<Vec<Item>, Problem> {
    let (people, count) = app.store.placeholder_people(controller, MAX_PEOPLE).await?;
    let taxonomy = app.directory.taxonomy();
    let mut found: Vec<Item> = people
        .iter()
        .map(|person| {
            let label = taxonomy.get(&person.category).map_or(person.category.as_str(), |category| &category.label);
            let merges = match person.merges {
                0 => String::new(),
                1 => " One merge rests on it.".to_owned(),
                merges => format!(" {merges} merges rest on it."),
            };
            let did = person.subject.did();
            Item {
                class: "rejected",
                icon: Icon("alert"),
                title: format!("Data subject {} was found by a placeholder", short(&did.to_string())),
                detail: format!(
                    "{label}: the value identifies nobody, so its link is switched off.{merges} Check that the activities \
                     are one person's."
                ),
                until: None,
                href: format!("/subjects/{did}"),
                action: "Look",
            }
        })
        .collect();
    let rest = count.saturating_sub(people.len() as u64);
    if rest > 0 {
        found.push(Item {
            class: "rejected",
            icon: Icon("alert"),
            title: format!("{rest} more data subjects were found by placeholders"),
            detail: "Their links are switched off. Each shows here once those before it are gone.".to_owned(),
            until: None,
            href: "/subjects".to_owned(),
            action: "Look",
        });
    }
    Ok(found)
}

fn restarts(app: &App, is_operator: bool) -> Option<Item> {
    let report = is_operator.then(|| app.shards.report())?;
    let restarts: usize = report
        .iter()
        .flat_map(|shard| &shard.actors)
        .map(|actor| actor.restarts_in_window)
        .sum();
    (restarts > 0).then(|| Item {
        class: "rejected",
        icon: Icon("supervision"),
        title: format!(
            "{restarts} actor {} lately",
            if restarts == 1 { "restart" } else { "restarts" }
        ),
        detail: "Each cost a retry of one batch. Supervision names the last failure of each actor.".to_owned(),
        until: None,
        href: "/supervision".to_owned(),
        action: "Look",
    })
}

/// Credentials whose predecessors still serve: a reminder to move the senders.
async fn grace(
    app: &App,
    controller: Option<ControllerId>,
    integrations: &[IntegrationRow],
) -> Result<Vec<Item>, Problem> {
    let item = |title: String, until: Timestamp, href: String| Item {
        class: "received",
        icon: Icon("key"),
        title,
        detail: "Move the senders to the new one: the old one serves until".to_owned(),
        until: Some(Time(until)),
        href,
        action: "Open",
    };
    let keys = integrations.iter().filter_map(|row| {
        let until = previous_until(&row.api_key)?;
        Some(item(
            format!("An old API key of {} still serves", isolated(&row.spec.name)),
            until,
            format!("/integrations/{}", row.id),
        ))
    });
    let mut found: Vec<Item> = keys.collect();
    for row in app.store.controllers().await? {
        if controller.is_none_or(|wanted| wanted == row.id)
            && let Some(until) = previous_until(&row.webhook_secret)
        {
            let title = format!("An old webhook secret of {} still serves", isolated(&row.name));
            found.push(item(title, until, format!("/controllers/{}", row.did)));
        }
    }
    Ok(found)
}

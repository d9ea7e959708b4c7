//! Items that need attention, the most urgent first.

use std::collections::HashMap;
use std::sync::Arc;

use conduit_actors::event::Status;
use conduit_actors::ids::{ControllerId, Timestamp};
use url::form_urlencoded::Serializer;

use super::filters::Phrase;
use super::words::{Badge, Icon, Number, Time, short};
use crate::app::controllers::previous_until;
use crate::app::readiness::Readiness;
use crate::app::{self, Principal, Services, attention, controllers, events};
use crate::directory::Summary;
use crate::http::problem::Problem;
use crate::store::{EventFilter, Page, Unsettled};

/// How far back.
const RECENT_MILLIS: i64 = 7 * 86_400_000;
/// People who rest on a placeholder and are shown apart.
const MAX_PEOPLE: usize = 10;
/// Kinds of events that are shown apart, of each status.
const MAX_KINDS: usize = 5;
/// Credentials with a valid predecessor that have an item each.
const MAX_GRACE: usize = 20;
/// The newest events of a kind, whose reasons are shown.
const LOOKED_AT: usize = 20;

/// One thing to see to.
pub(super) struct Item {
    pub(super) class: &'static str,
    pub(super) icon: Icon,
    pub(super) title: Phrase,
    pub(super) detail: Phrase,
    pub(super) until: Option<Time>,
    pub(super) href: String,
    pub(super) action: &'static str,
}

impl Item {
    /// Returns the identity of an item, without its count, by which the page recognises it.
    pub(super) fn key(&self) -> String {
        let title = self.title.to_string();
        let what = title.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == ',');
        format!("{} {what}", self.href)
    }
}

/// Returns all items.
pub(super) async fn items(
    principal: &Principal,
    services: &Services,
    controller: Option<ControllerId>,
    readiness: Option<&Readiness>,
) -> Result<Vec<Item>, Problem> {
    let mut found = Vec::new();
    found.extend(readiness.into_iter().flat_map(unready));
    found.extend(unsettled(principal, services, controller).await?);
    found.extend(restarts(services, readiness.is_some()));
    found.extend(placeholders(principal, services, controller).await?);
    found.extend(grace(principal, services, controller).await?);
    Ok(found)
}

/// Returns items for rejected and failed events. Events of one type at one integration are one item. Items beyond the
/// limit are summed up in another. Events of a deleted integration are left out, because they have no mapping to fix or
/// to replay under.
async fn unsettled(
    principal: &Principal,
    services: &Services,
    controller: Option<ControllerId>,
) -> Result<Vec<Item>, Problem> {
    // To the minute: the link says the same, and is the same for a while.
    let since = (Timestamp::now().as_millis() - RECENT_MILLIS).div_euclid(60_000) * 60_000;
    let since = Timestamp::from_millis(since);
    let kinds = attention::unsettled(principal, services, controller, since, MAX_KINDS).await?;
    let mut found = Vec::new();
    for status in [Status::Failed, Status::Rejected] {
        let of_status: Vec<&Unsettled> = kinds.iter().filter(|kind| kind.status == status).collect();
        for kind in &of_status {
            let summary = services.directory.summary(kind.integration);
            let name = summary.as_ref().map_or("", |row| row.name.as_str());
            let owner = match controller {
                Some(_) => None,
                None => owner(principal, services, kind.controller).await?,
            };
            let detail = why(principal, services, kind, since).await?;
            found.push(item(kind, detail, name, owner.as_deref(), since));
        }
        found.extend(the_rest(status, &of_status, since));
    }
    Ok(found)
}

/// Returns the name of a controller. Returns `None` if it was deleted meanwhile.
async fn owner(
    principal: &Principal,
    services: &Services,
    controller: ControllerId,
) -> Result<Option<String>, Problem> {
    let Some(did) = services.directory.did(controller) else {
        return Ok(None);
    };
    match controllers::load(principal, services, did.as_str()).await {
        Ok(row) => Ok(Some(row.name)),
        Err(app::Error::NotFound(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn item(kind: &Unsettled, detail: Phrase, integration: &str, owner: Option<&str>, since: Timestamp) -> Item {
    let detail = detail.words(" (").name(integration);
    let detail = match owner {
        Some(owner) => detail.words(" of ").name(owner),
        None => detail,
    };
    let integration_id = kind.integration.to_string();
    let pairs = [("integration", integration_id.as_str()), ("event", &kind.event_type)];
    Item {
        class: kind.status.as_str(),
        icon: Badge(kind.status).icon(),
        title: counted(kind.count, kind.status).words(": ").name(&kind.event_type),
        detail: detail.words(")"),
        until: None,
        href: list(kind.status, &pairs, since),
        action: "View all",
    }
}

/// Returns an item for the kinds that are not listed. Returns `None` if there are none.
fn the_rest(status: Status, shown: &[&Unsettled], since: Timestamp) -> Option<Item> {
    let first = shown.first()?;
    let kinds = first.kinds_in_all - shown.len() as u64;
    let count = first.count_in_all - shown.iter().map(|kind| kind.count).sum::<u64>();
    let others = if kinds == 1 { "another kind" } else { "other kinds" };
    (kinds > 0).then(|| Item {
        class: status.as_str(),
        icon: Badge(status).icon(),
        title: counted(count, status).words(&format!(" of {others}")),
        detail: Phrase::new("The list shows all kinds, with the ones above."),
        until: None,
        href: list(status, &[], since),
        action: "View all",
    })
}

fn counted(count: u64, status: Status) -> Phrase {
    let events = if count == 1 { "event" } else { "events" };
    Phrase::new(&format!("{} {} {events}", Number(count), status.as_str()))
}

/// Returns the address of the list of these events.
fn list(status: Status, pairs: &[(&str, &str)], since: Timestamp) -> String {
    let since = since.to_string();
    let from = since.get(..16).unwrap_or_default();
    let query = Serializer::new(String::new())
        .append_pair("status", status.as_str())
        .extend_pairs(pairs)
        .append_pair("from", from)
        .finish();
    format!("/events?{query}")
}

/// Returns the most frequent reason of a kind's newest events, and the number of other reasons.
async fn why(
    principal: &Principal,
    services: &Services,
    kind: &Unsettled,
    since: Timestamp,
) -> Result<Phrase, Problem> {
    let filter = EventFilter {
        controller: Some(kind.controller),
        status: Some(kind.status),
        integration: Some(kind.integration),
        event_type: Some(kind.event_type.clone()),
        from: Some(since),
        ..EventFilter::default()
    };
    let page = Page {
        after: None,
        limit: LOOKED_AT,
    };
    let newest = events::with_outcome(principal, services, &filter, page).await?;
    let mut reasons: HashMap<(&str, &str), (usize, &str)> = HashMap::new();
    for reason in newest.iter().filter_map(|event| event.reasons.first()) {
        let place = (reason.field.as_str(), reason.code.as_str());
        reasons.entry(place).or_insert((0, &reason.message)).0 += 1;
    }
    let most = reasons.iter().max_by_key(|(place, (count, _))| (*count, **place));
    let message = most.map_or("", |(_, (_, message))| *message);
    let phrase = Phrase::default().name(message);
    Ok(match reasons.len().saturating_sub(1) {
        0 => phrase,
        1 => phrase.words(", and another reason"),
        others => phrase.words(&format!(", and {others} other reasons")),
    })
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
                title: Phrase::new(&format!("{} is {}", check.name, check.status)),
                detail: Phrase::default().name(&check.detail),
                until: None,
                href: "/supervision".to_owned(),
                action: "View",
            }
        })
}

/// Returns items for data subjects that an earlier build found by a placeholder. Each may be several people.
async fn placeholders(
    principal: &Principal,
    services: &Services,
    controller: Option<ControllerId>,
) -> Result<Vec<Item>, Problem> {
    let (people, count) = attention::placeholder_people(principal, services, controller, MAX_PEOPLE).await?;
    let taxonomy = services.directory.taxonomy();
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
                title: Phrase::new(&format!("Data subject {} was found by a placeholder", short(&did.to_string()))),
                detail: Phrase::default().name(label).words(&format!(
                    ": the value identifies nobody, so its link is switched off.{merges} Check that the activities are one \
                     person's."
                )),
                until: None,
                href: format!("/subjects/{did}"),
                action: "View",
            }
        })
        .collect();
    let rest = count.saturating_sub(people.len() as u64);
    if rest > 0 {
        found.push(Item {
            class: "rejected",
            icon: Icon("alert"),
            title: Phrase::new(&format!("{rest} more data subjects were found by placeholders")),
            detail: Phrase::new("The values identify nobody, so their links are switched off."),
            until: None,
            href: "/subjects".to_owned(),
            action: "View",
        });
    }
    Ok(found)
}

fn restarts(services: &Services, is_operator: bool) -> Option<Item> {
    let report = is_operator.then(|| services.shards.report())?;
    let restarts: usize = report
        .iter()
        .flat_map(|shard| &shard.actors)
        .map(|actor| actor.restarts_in_window)
        .sum();
    (restarts > 0).then(|| Item {
        class: "rejected",
        icon: Icon("supervision"),
        title: Phrase::new(&format!(
            "{restarts} actor {} lately",
            if restarts == 1 { "restart" } else { "restarts" }
        )),
        detail: Phrase::new("Each cost a retry of one batch. Supervision names the last failure of each actor."),
        until: None,
        href: "/supervision".to_owned(),
        action: "View",
    })
}

/// Returns items for credentials whose predecessors are still valid: a reminder to move the senders. There are at most
/// [`MAX_GRACE`] for keys, and as many for secrets.
async fn grace(
    principal: &Principal,
    services: &Services,
    controller: Option<ControllerId>,
) -> Result<Vec<Item>, Problem> {
    let item = |title: Phrase, until: Timestamp, href: String| Item {
        class: "received",
        icon: Icon("key"),
        title,
        detail: Phrase::new("Move the senders to the new one. The old one is valid until"),
        until: Some(Time(until)),
        href,
        action: "View",
    };
    let mut found = Vec::new();
    let in_grace = |row: &&Arc<Summary>| previous_until(&row.api_key).is_some();
    let rotated = services.directory.rotated(controller);
    for row in rotated.iter().filter(in_grace).take(MAX_GRACE) {
        let Some(until) = previous_until(&row.api_key) else {
            continue;
        };
        let title = Phrase::new("The old API key of ").name(&row.name);
        let owner = match controller {
            Some(_) => None,
            None => owner(principal, services, row.controller).await?,
        };
        let title = match owner {
            Some(owner) => title.words(" of ").name(&owner),
            None => title,
        };
        found.push(item(
            title.words(" is still valid"),
            until,
            format!("/integrations/{}", row.id),
        ));
    }
    for row in controllers::in_grace(principal, services, MAX_GRACE).await? {
        let is_meant = controller.is_none_or(|wanted| wanted == row.id);
        if let Some(until) = previous_until(&row.webhook_secret).filter(|_| is_meant) {
            let title = Phrase::new("The old webhook secret of ")
                .name(&row.name)
                .words(" is still valid");
            let href = format!("/controllers/{}", super::page::segment(row.did.as_str()));
            found.push(item(title, until, href));
        }
    }
    Ok(found)
}

//! Lists of events: those in flight, from the journal, and those with an outcome, from the store.

use actix_web::http::header::{ACCEPT, VARY};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use conduit_actors::event::{JournaledEvent, LinkHash, Status};
use conduit_actors::ids::{
    ControllerId, EventId, EventType, IntegrationId, Sequence, SubjectDid, SubjectId, Timestamp,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::accept::Format;
use super::body::Body;
use super::cursor::Cursors;
use super::events::{Shown, in_flight, stored};
use super::export::{self, Asked, List, Row};
use super::guard::Principal;
use super::identifier::Identifier;
use super::paging::{self, Items, Query};
use super::problem::Problem;
use super::state::App;
use crate::store::{EventFilter, Page};

/// Events in flight that are read at a time, with their bodies.
const IN_FLIGHT: usize = 200;

/// Subjects that an identifier may lead to before it says too little about anybody.
const MAX_SUBJECTS: usize = 50;

/// Events under a filter, newest first.
///
/// An event goes one way only, from the journal to the store, so the journal is read first: one that is committed in between
/// is in both, and shown once, with its outcome. New ones have greater ids than all before them. So whoever goes from page to
/// page sees each event that was there at the first, once.
pub(crate) struct Events {
    app: Data<App>,
    filter: EventFilter,
}

impl List for Events {
    type Item = Shown;
    type Place = EventId;

    async fn page(&self, after: Option<EventId>, limit: usize) -> Result<Vec<Shown>, Problem> {
        // Deleted in the middle of an export: what is left must not look like all there was.
        if let Some(controller) = self.filter.controller
            && self.app.directory.did(controller).is_none()
        {
            return Err(Problem::not_found("controller"));
        }
        let mut found = self.pending(after, limit).await?;
        found.extend(self.settled(after, limit).await?);
        // A stable sort by id: of an event that is in both, the stored one, which is later, is kept.
        found.sort_by(|a, b| {
            let is_received = |event: &Shown| event.status == Status::Received;
            b.event_id.cmp(&a.event_id).then(is_received(a).cmp(&is_received(b)))
        });
        found.dedup_by_key(|event| event.event_id);
        found.truncate(limit);
        Ok(found)
    }

    fn place(&self, item: &Shown) -> EventId {
        item.event_id
    }
}

impl Events {
    pub(crate) const fn new(app: Data<App>, filter: EventFilter) -> Self {
        Self { app, filter }
    }

    /// The newest that have an outcome.
    async fn settled(&self, after: Option<EventId>, limit: usize) -> Result<Vec<Shown>, Problem> {
        let mut found = Vec::new();
        if self.filter.status == Some(Status::Received) {
            return Ok(found);
        }
        let mut page = Page { after, limit };
        loop {
            let rows = self.app.store.events(&self.filter, page).await?;
            let is_last = rows.len() < limit;
            page.after = rows.last().map(|row| row.id);
            // Those of a controller that is being deleted are left out, however many pages they fill.
            found.extend(rows.into_iter().filter_map(|row| stored(&self.app, row)));
            if is_last || found.len() >= limit {
                return Ok(found);
            }
        }
    }

    /// The newest that are in flight. Whom they concern is not known yet.
    async fn pending(&self, after: Option<EventId>, limit: usize) -> Result<Vec<Shown>, Problem> {
        let is_asked_for = self.filter.status.is_none_or(|status| status == Status::Received);
        if !is_asked_for || self.filter.subjects.is_some() {
            return Ok(Vec::new());
        }
        let controllers: Vec<ControllerId> = match self.filter.controller {
            Some(controller) => vec![controller],
            None => {
                let backlog = self.app.journal.backlog().into_iter();
                backlog.map(|(controller, _)| controller).collect()
            }
        };
        let mut found = Vec::new();
        for controller in controllers {
            found.extend(self.pending_of(controller, after, limit).await?);
        }
        found.sort_by_key(|event| std::cmp::Reverse(event.event_id));
        found.truncate(limit);
        Ok(found)
    }

    /// Reads the stream backwards until there are enough that match.
    async fn pending_of(
        &self,
        controller: ControllerId,
        after: Option<EventId>,
        limit: usize,
    ) -> Result<Vec<Shown>, Problem> {
        let journal = &self.app.journal;
        let mut found = Vec::new();
        let mut events = journal.newest(controller, after, limit.min(IN_FLIGHT))?;
        while let Some(oldest) = events.last() {
            let (sequence, received_at) = (oldest.sequence, oldest.event.id.received_at());
            let matching = events.into_iter().filter(|event| self.matches(event));
            found.extend(matching.filter_map(|event| in_flight(&self.app, event)));
            if found.len() >= limit || self.filter.from.is_some_and(|from| received_at < from) {
                break;
            }
            // This thread has others to serve.
            tokio::task::yield_now().await;
            let before = sequence.0.saturating_sub(IN_FLIGHT as u64 + 1);
            let count = usize::try_from(sequence.0 - 1 - before).unwrap_or(IN_FLIGHT);
            events = journal.read(controller, Sequence(before), count, usize::MAX)?;
            // Those before were released meanwhile if later ones come, and are in the store.
            events.retain(|event| event.sequence < sequence);
            events.reverse();
        }
        Ok(found)
    }

    fn matches(&self, journaled: &JournaledEvent) -> bool {
        let (event, filter) = (&journaled.event, &self.filter);
        let received = event.id.received_at();
        filter.integration.is_none_or(|id| event.integration == id)
            && filter
                .event_type
                .as_ref()
                .is_none_or(|name| event.event_type.as_str() == name)
            && filter.from.is_none_or(|from| received >= from)
            && filter.to.is_none_or(|to| received < to)
    }
}

impl Row for Shown {
    const LIST: &'static str = "events";
    const COLUMNS: &'static [&'static str] = &[
        "eventId",
        "did",
        "integrationId",
        "dataProcessorId",
        "event",
        "triggeredAt",
        "receivedAt",
        "status",
        "reasons",
        "warnings",
        "duplicateOf",
        "subject",
        "categories",
        "journaledAt",
        "extractedAt",
        "resolvedAt",
        "loggedAt",
        "otherSubjects",
    ];

    fn cells(&self) -> Vec<String> {
        fn text(value: Option<&impl ToString>) -> String {
            value.map(ToString::to_string).unwrap_or_default()
        }
        let stages = &self.stages;
        vec![
            self.event_id.to_string(),
            self.did.to_string(),
            self.integration_id.to_string(),
            text(self.data_processor_id.as_ref()),
            self.event.clone(),
            self.triggered_at.to_string(),
            self.received_at.to_string(),
            self.status.as_str().to_owned(),
            json_cell(&self.reasons),
            json_cell(&self.warnings),
            text(self.duplicate_of.as_ref()),
            text(self.subject.as_ref()),
            self.categories.join(" "),
            stages.journaled_at.to_string(),
            text(stages.extracted_at.as_ref()),
            text(stages.resolved_at.as_ref()),
            text(stages.logged_at.as_ref()),
            self.other_subjects.join(" "),
        ]
    }
}

/// A list in one cell: JSON, or empty if there is nothing in it.
pub(crate) fn json_cell<T: Serialize>(list: &[T]) -> String {
    if list.is_empty() {
        return String::new();
    }
    serde_json::to_string(list).unwrap_or_default()
}

pub(crate) fn read_status(text: &str) -> Result<Status, Problem> {
    let all = [
        Status::Received,
        Status::Processed,
        Status::Duplicate,
        Status::Rejected,
        Status::Failed,
    ];
    all.into_iter().find(|status| status.as_str() == text).ok_or_else(|| {
        let detail = "status must be received, processed, duplicate, rejected or failed";
        Problem::bad_request("parameter_invalid", detail)
    })
}

/// A subject by its DID, as one that was merged is read: with its controller, which the caller must be allowed to see.
pub(crate) async fn find_subject(
    principal: &Principal,
    app: &App,
    did: &SubjectDid,
) -> Result<(SubjectId, ControllerId), Problem> {
    let found = app.store.subject(did).await?;
    let found = found.filter(|found| principal.sees(app, found.controller));
    let found = found.ok_or_else(|| Problem::not_found("subject"))?;
    Ok((found.id, found.controller))
}

/// `GET /api/v1/events`
pub(crate) async fn list(principal: Principal, app: Data<App>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let known = [
        "did",
        "status",
        "integration",
        "event",
        "subject",
        "from",
        "to",
        "limit",
        "cursor",
        "excel",
    ];
    let query = Query::read(&request, &known)?;
    let mut controller = principal.some(&app, query.get("did"))?.map(|(_, id)| id);
    let subjects = match query.parsed::<SubjectDid>("subject", "a subject's DID")? {
        None => None,
        Some(did) => {
            let (subject, owner) = find_subject(&principal, &app, &did).await?;
            controller = controller.or(Some(owner));
            Some(vec![subject])
        }
    };
    let filter = EventFilter {
        controller,
        status: query.get("status").map(read_status).transpose()?,
        integration: query.parsed("integration", "an integration's id")?,
        event_type: query.event_type()?,
        subjects,
        from: query.time("from")?,
        to: query.time("to")?,
    };
    let asked = Asked::read(Format::of(&request), Shown::LIST, &query)?;
    export::respond(Events { app, filter }, asked).await
}

/// What is searched for.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "EventSearch")]
pub(super) struct Search {
    /// Whose events.
    identifier: Identifier,
    /// Of this status.
    #[schemars(with = "Option<Status>")]
    status: Option<String>,
    /// That came by this integration.
    #[schemars(with = "Option<IntegrationId>")]
    integration: Option<String>,
    /// Of this type.
    #[schemars(with = "Option<EventType>")]
    event: Option<String>,
    /// Received at this time or later.
    #[schemars(with = "Option<Timestamp>")]
    from: Option<String>,
    /// Received before this time.
    #[schemars(with = "Option<Timestamp>")]
    to: Option<String>,
    /// How many at most: 50 in a page if it is left out, all in an export.
    #[schemars(range(min = 1, max = paging::MAX_LIMIT))]
    limit: Option<usize>,
    /// Where to go on: the `nextCursor` of the page before.
    cursor: Option<String>,
}

/// A page of what was found, and whom the identifier leads to.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "FoundEvents")]
pub(super) struct Found {
    #[serde(flatten)]
    page: Items<Shown>,
    /// The data subjects that have the identifier.
    subjects: Vec<SubjectDid>,
}

/// `POST /api/v1/events/search`: the events of whoever has an identifier. It is in the body, so that it is in no address and
/// in no log, and it is looked for by its hash.
pub(crate) async fn search(
    principal: Principal,
    app: Data<App>,
    request: HttpRequest,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let query = Query::read(&request, &["did", "excel"])?;
    let (_, controller) = principal.one(&app, query.get("did"))?;
    let search: Search = paging::json(&body)?;
    let hashes = search.identifier.hashes(&app, controller, "/identifier").await?;
    let mut asked = search.asked(Format::of(&request), controller, &hashes)?;
    asked.for_excel = query.flag("excel")?;
    let mut filter = search.filter(controller)?;
    let subjects = app.store.subjects_of(controller, &hashes, MAX_SUBJECTS + 1).await?;
    if subjects.len() > MAX_SUBJECTS {
        let detail = "more than 50 data subjects have it: search by an identifier that says more about a person";
        return Err(Problem::bad_request("identifier_too_common", detail).with_error("/identifier/value", detail));
    }
    let dids = subjects.iter().map(SubjectId::did).collect();
    filter.subjects = Some(subjects);
    let events = Events { app, filter };
    if asked.format != Format::Json {
        return export::export(events, &asked).await;
    }
    let page = export::page(&events, &asked).await?;
    let found = Found { page, subjects: dids };
    Ok(HttpResponse::Ok().insert_header((VARY, ACCEPT.as_str())).json(found))
}

impl Search {
    fn filter(&self, controller: ControllerId) -> Result<EventFilter, Problem> {
        let status = self.status.as_deref().map(read_status).transpose();
        let event = parsed::<EventType>(self.event.as_deref(), "/event", paging::AN_EVENT_TYPE)?;
        Ok(EventFilter {
            controller: Some(controller),
            status: status.map_err(|problem| problem.at("/status"))?,
            integration: parsed(self.integration.as_deref(), "/integration", "an integration's id")?,
            event_type: event.map(|name| name.to_string()),
            subjects: None,
            from: time(self.from.as_deref(), "/from")?,
            to: time(self.to.as_deref(), "/to")?,
        })
    }

    /// The cursor belongs to the identifier's hashes, not to its value: it tells nothing about it.
    fn asked(&self, format: Format, controller: ControllerId, hashes: &[LinkHash]) -> Result<Asked<EventId>, Problem> {
        let texts = [&self.status, &self.integration, &self.event, &self.from, &self.to];
        let texts = texts.map(|text| text.as_deref().map(str::as_bytes));
        // What is not there differs from what is empty.
        let texts = texts.iter().flat_map(|text| match text {
            Some(text) => [&b"+"[..], text],
            None => [&b"-"[..], &b""[..]],
        });
        let hashes = hashes.iter().map(|hash| &hash.0[..]);
        let filter = [&controller.as_bytes()[..]].into_iter().chain(texts).chain(hashes);
        let cursors = Cursors::of("events/search", filter);
        let after = self.cursor.as_deref().map(|cursor| cursors.read(cursor)).transpose();
        let limit = self.limit.map(paging::checked_limit).transpose();
        Ok(Asked {
            format,
            for_excel: false,
            after: after.map_err(|problem| problem.at("/cursor"))?,
            limit: limit.map_err(|problem| problem.at("/limit"))?,
            cursors,
        })
    }
}

fn parsed<T: std::str::FromStr>(text: Option<&str>, at: &str, expected: &str) -> Result<Option<T>, Problem> {
    let invalid = || Problem::bad_request("parameter_invalid", format!("{} must be {expected}", &at[1..])).at(at);
    text.map(|text| text.parse().map_err(|_| invalid())).transpose()
}

fn time(text: Option<&str>, at: &str) -> Result<Option<Timestamp>, Problem> {
    let invalid = || {
        let detail = format!("{} must be an RFC 3339 date and time", &at[1..]);
        Problem::bad_request("parameter_invalid", detail).at(at)
    };
    text.map(|text| Timestamp::parse_rfc3339(text).ok_or_else(invalid))
        .transpose()
}

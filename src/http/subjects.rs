//! Data subjects.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use conduit_actors::ids::{ControllerId, EventId, SubjectDid, SubjectId, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use super::accept::Format;
use super::body::Body;
use super::event_list::json_cell;
use super::export::{self, Asked, List, Row};
use super::guard::Principal;
use super::identifier::Identifier;
use super::paging::{self, Items, Query};
use super::problem::Problem;
use super::state::App;
use crate::store::{Page, SubjectRow};

const MAX_FOUND: usize = 50;

/// A data subject.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Subject")]
pub(crate) struct Shown {
    /// Its DID, pseudonymous.
    did: SubjectDid,
    /// `triggeredAt` of its earliest event.
    first_seen_at: Timestamp,
    /// `triggeredAt` of its latest event.
    last_seen_at: Timestamp,
    /// Activities that concern or name it, those of merged ones included.
    activity_count: u64,
    /// The identifiers that are linked to it, as keyed hashes; these are not shown.
    links: Vec<ShownLink>,
    /// What was merged into it, and why.
    merges: Vec<ShownMerge>,
    #[serde(skip)]
    id: SubjectId,
}

/// A keyed hash of one identifier of a data subject.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Link")]
struct ShownLink {
    /// The category of the identifier.
    category: String,
    /// The version of the key that it is hashed with.
    key_version: u32,
    /// When it was seen first.
    first_seen_at: Timestamp,
}

/// A data subject that turned out to be another one.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Merge")]
struct ShownMerge {
    /// The one that was merged.
    from: SubjectDid,
    /// When.
    at: Timestamp,
    /// The event that showed that they are one.
    event_id: EventId,
    /// The categories of the identifiers that they share.
    evidence: Vec<String>,
}

impl From<SubjectRow> for Shown {
    fn from(row: SubjectRow) -> Self {
        let links = row.links.into_iter().map(|link| ShownLink {
            category: link.category,
            key_version: link.key_version,
            first_seen_at: link.first_seen_at,
        });
        let merges = row.merges.into_iter().map(|merge| ShownMerge {
            from: merge.from.did(),
            at: merge.at,
            event_id: merge.event,
            evidence: merge.evidence,
        });
        Self {
            did: row.id.did(),
            first_seen_at: row.first_seen_at,
            last_seen_at: row.last_seen_at,
            activity_count: row.activity_count,
            links: links.collect(),
            merges: merges.collect(),
            id: row.id,
        }
    }
}

impl Row for Shown {
    const LIST: &'static str = "subjects";
    const COLUMNS: &'static [&'static str] = &["did", "firstSeenAt", "lastSeenAt", "activityCount", "links", "merges"];
    // Each may have a thousand links and merges.
    const PAGE: usize = 100;

    fn cells(&self) -> Vec<String> {
        vec![
            self.did.to_string(),
            self.first_seen_at.to_string(),
            self.last_seen_at.to_string(),
            self.activity_count.to_string(),
            json_cell(&self.links),
            json_cell(&self.merges),
        ]
    }
}

/// Subjects of a controller, or of all, newest first.
struct Subjects {
    app: Data<App>,
    controller: Option<ControllerId>,
}

impl List for Subjects {
    type Item = Shown;
    type Place = SubjectId;

    async fn page(&self, after: Option<SubjectId>, limit: usize) -> Result<Vec<Shown>, Problem> {
        // Deleted in the middle of an export: what is left must not look like all there was.
        if let Some(controller) = self.controller
            && self.app.directory.did(controller).is_none()
        {
            return Err(Problem::not_found("controller"));
        }
        let found = self.app.store.subjects(self.controller, Page { after, limit }).await?;
        Ok(found.into_iter().map(Shown::from).collect())
    }

    fn place(&self, item: &Shown) -> SubjectId {
        item.id
    }
}

/// `GET /api/v1/subjects`
pub(crate) async fn list(principal: Principal, app: Data<App>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let query = Query::read(&request, &["did", "limit", "cursor", "excel"])?;
    let controller = principal.some(&app, query.get("did"))?.map(|(_, id)| id);
    let asked = Asked::read(Format::of(&request), Shown::LIST, &query)?;
    export::respond(Subjects { app, controller }, asked).await
}

/// `GET /api/v1/subjects/{did}`: one that was merged answers as the subject that it was merged into.
pub(crate) async fn get(principal: Principal, app: Data<App>, did: Path<String>) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(Shown::from(find(&principal, &app, &did).await?)))
}

/// One subject, merges followed.
pub(crate) async fn find(principal: &Principal, app: &App, did: &str) -> Result<SubjectRow, Problem> {
    let missing = || Problem::not_found("subject");
    let did: SubjectDid = did.parse().map_err(|_| missing())?;
    app.store
        .subject(&did)
        .await?
        .filter(|row| principal.sees(app, row.controller))
        .ok_or_else(missing)
}

/// `POST /api/v1/subjects/lookup`: by hashing the value, which is neither stored nor logged.
pub(crate) async fn look_up(
    principal: Principal,
    app: Data<App>,
    request: HttpRequest,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let query = Query::read(&request, &["did"])?;
    let (_, controller) = principal.one(&app, query.get("did"))?;
    let identifier: Identifier = paging::json(&body)?;
    let rows = by_identifier(&app, controller, &identifier).await?;
    Ok(HttpResponse::Ok().json(Items::all(rows.into_iter().map(Shown::from).collect())))
}

/// The subjects that an identifier is linked to.
pub(crate) async fn by_identifier(
    app: &App,
    controller: ControllerId,
    identifier: &Identifier,
) -> Result<Vec<SubjectRow>, Problem> {
    let hashes = identifier.hashes(app, controller, "").await?;
    Ok(app.store.subjects_by_link(controller, &hashes, MAX_FOUND).await?)
}

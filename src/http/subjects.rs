//! Data subjects.

use actix_web::web::{Bytes, Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use conduit_actors::ids::{ControllerId, EventId, SubjectDid, SubjectId, Timestamp};
use conduit_actors::personal::Personal;
use conduit_actors::ports::Directory as _;
use conduit_actors::taxonomy::NormaliseContext;
use serde::{Deserialize, Serialize};

use super::guard::Principal;
use super::paging::{self, Items, Query};
use super::problem::Problem;
use super::state::App;
use crate::store::{Page, SubjectRow};

const MAX_FOUND: usize = 50;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    did: SubjectDid,
    first_seen_at: Timestamp,
    last_seen_at: Timestamp,
    activity_count: u64,
    links: Vec<ShownLink>,
    merges: Vec<ShownMerge>,
    #[serde(skip)]
    id: SubjectId,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownLink {
    category: String,
    key_version: u32,
    first_seen_at: Timestamp,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownMerge {
    from: SubjectDid,
    at: Timestamp,
    event_id: EventId,
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

/// `GET /api/v1/subjects`
pub(super) async fn list(principal: Principal, app: Data<App>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let query = Query::read(&request, &["did", "limit", "cursor"])?;
    let controller = principal.some(&app, query.get("did"))?.map(|(_, id)| id);
    let (limit, after) = (query.limit()?, query.cursor::<SubjectId>()?);
    let rows = app
        .store
        .subjects(
            controller,
            Page {
                after,
                limit: limit + 1,
            },
        )
        .await?;
    let shown = rows.into_iter().map(Shown::from).collect();
    Ok(HttpResponse::Ok().json(Items::page(shown, limit, |shown: &Shown| shown.id.to_string())))
}

/// `GET /api/v1/subjects/{did}`: one that was merged answers as the subject that it was merged into.
pub(super) async fn get(principal: Principal, app: Data<App>, did: Path<String>) -> Result<HttpResponse, Problem> {
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

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct LookUp {
    pub(crate) category: String,
    pub(crate) value: Personal<String>,
    /// For categories whose values count within a processor only.
    pub(crate) data_processor_id: Option<String>,
    pub(crate) default_region: Option<String>,
}

/// `POST /api/v1/subjects/lookup`: by hashing the value, which is neither stored nor logged.
pub(super) async fn look_up(
    principal: Principal,
    app: Data<App>,
    request: HttpRequest,
    body: Bytes,
) -> Result<HttpResponse, Problem> {
    let query = Query::read(&request, &["did"])?;
    let (_, controller) = principal.one(&app, query.get("did"))?;
    let rows = by_value(&app, controller, &paging::json(&body)?).await?;
    Ok(HttpResponse::Ok().json(Items::all(rows.into_iter().map(Shown::from).collect())))
}

/// The subjects that a value is linked to.
pub(crate) async fn by_value(
    app: &App,
    controller: ControllerId,
    look_up: &LookUp,
) -> Result<Vec<SubjectRow>, Problem> {
    let invalid = |pointer: &str, message: &str| {
        Problem::bad_request("lookup_invalid", message.to_owned()).with_error(pointer, message.to_owned())
    };
    let category = app
        .directory
        .taxonomy()
        .get(&look_up.category)
        .filter(|category| category.links())
        .ok_or_else(|| {
            invalid(
                "/category",
                "must be a category whose values are linked: see GET /api/v1/taxonomy",
            )
        })?;
    let context = NormaliseContext {
        processor: look_up.data_processor_id.as_deref().unwrap_or_default(),
        default_region: look_up.default_region.as_deref(),
    };
    let normalised = category
        .normalise
        .normalise(look_up.value.expose(), &context)
        .map_err(|error| invalid("/value", error.message))?;
    let owner = app
        .directory
        .controller(controller)
        .ok_or_else(|| Problem::not_found("controller"))?;
    let hashes: Vec<_> = normalised
        .value
        .iter()
        .map(|value| owner.link_key.link(&category.key, value.expose()))
        .collect();
    Ok(app.store.subjects_by_link(controller, &hashes, MAX_FOUND).await?)
}

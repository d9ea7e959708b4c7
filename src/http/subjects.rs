//! Data subjects.

use actix_web::web::{Bytes, Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use conduit_actors::ids::{EventId, SubjectDid, SubjectId, Timestamp};
use conduit_actors::personal::Personal;
use conduit_actors::ports::Directory as _;
use conduit_actors::taxonomy::NormaliseContext;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::guard::Principal;
use super::paging::{self, Items, Query};
use super::problem::Problem;
use super::state::App;
use crate::store::{Page, SubjectRow};

const MAX_FOUND: usize = 50;

/// A data subject.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Subject")]
pub(super) struct Shown {
    /// Its DID, pseudonymous.
    did: SubjectDid,
    /// `triggeredAt` of its earliest event.
    first_seen_at: Timestamp,
    /// `triggeredAt` of its latest event.
    last_seen_at: Timestamp,
    /// Activities that concern it, those of merged ones included.
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
    let missing = || Problem::not_found("subject");
    let did: SubjectDid = did.parse().map_err(|_| missing())?;
    let row = app
        .store
        .subject(&did)
        .await?
        .filter(|row| principal.sees(&app, row.controller))
        .ok_or_else(missing)?;
    Ok(HttpResponse::Ok().json(Shown::from(row)))
}

/// Whom to look up.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct LookUp {
    /// A category whose values are linked: see `GET /api/v1/taxonomy`.
    category: String,
    /// The identifier. It is hashed, and neither stored nor logged.
    #[schemars(with = "String")]
    value: Personal<String>,
    /// For categories whose values count within a processor only: which.
    data_processor_id: Option<String>,
    /// Region (ISO 3166-1 alpha-2) for a telephone number without a country code.
    default_region: Option<String>,
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
    let look_up: LookUp = paging::json(&body)?;
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
    let rows = app.store.subjects_by_link(controller, &hashes, MAX_FOUND).await?;
    Ok(HttpResponse::Ok().json(Items::all(rows.into_iter().map(Shown::from).collect())))
}

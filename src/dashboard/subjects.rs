//! Data subjects: found by an identifier, which is hashed and forgotten, and shown by their links.

use std::collections::BTreeMap;

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use conduit_actors::ids::{ControllerId, SubjectId, Timestamp};
use conduit_actors::personal::Personal;
use url::form_urlencoded::Serializer;

use super::activities::{self, ActivityItem};
use super::events::{Offer, controllers};
use super::fields::Fields;
use super::filters;
use super::forms::SessionForm;
use super::guard::Session;
use super::page::{self, Section, Shell, segment};
use super::words::{Icon, Number, Time, class_word, short};
use crate::app::identifier::Identifier;
use crate::app::subjects;
use crate::app::{self, Error, Services};
use crate::code::Code;
use crate::http::problem::Problem;
use crate::store::{ActivityFilter, Page, SubjectRow};

const PAGE: usize = 25;
/// Activities on a subject's own page; the log has the others.
const ACTIVITIES: usize = 20;

struct SubjectItem {
    did: String,
    short: String,
    categories: Vec<String>,
    activities: Number,
    merges: usize,
    last_seen: Time,
    controller: String,
    controller_segment: String,
}

fn line(services: &Services, row: &SubjectRow) -> SubjectItem {
    let did = row.id.did().to_string();
    let mut categories: Vec<String> = row.links.iter().map(|link| link.category.clone()).collect();
    categories.dedup();
    let controller = name_of(services, row.controller);
    SubjectItem {
        short: short(&did),
        did,
        categories,
        activities: Number(row.activity_count),
        merges: row.merges.len(),
        last_seen: Time(row.last_seen_at),
        controller_segment: segment(&controller),
        controller,
    }
}

#[derive(Template)]
#[template(path = "subjects.html")]
struct Subjects {
    shell: Shell,
    is_operator: bool,
    did: String,
    controllers: Vec<Offer>,
    categories: Vec<Offer>,
    processor: String,
    region: String,
    lines: Vec<SubjectItem>,
    /// Whether the rows are a search result.
    is_found: bool,
    fault: Option<String>,
    newest: String,
    older: Option<String>,
    is_first: bool,
}

fn categories(services: &Services, chosen: &str) -> Vec<Offer> {
    let linked = services
        .directory
        .taxonomy()
        .categories()
        .iter()
        .filter(|category| category.links());
    linked
        .map(|category| Offer {
            value: category.key.to_string(),
            word: format!("{} ({})", category.label, category.key),
            is_chosen: *category.key == *chosen,
        })
        .collect()
}

/// Returns the address of the list of one controller, or of all.
fn of(did: &str) -> String {
    if did.is_empty() {
        return "/subjects".to_owned();
    }
    format!("/subjects?did={}", segment(did))
}

/// Answers `GET /subjects`.
pub(super) async fn get(
    session: Session,
    services: Data<Services>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let fields = Fields::read(request.query_string().as_bytes());
    let did = fields.text("did").unwrap_or_default();
    let controller = session
        .principal
        .some(&services, (!did.is_empty()).then_some(did))?
        .map(|(_, id)| id);
    let after: Option<SubjectId> = fields.text("cursor").and_then(|text| text.parse().ok());
    let page = Page { after, limit: PAGE + 1 };
    let mut rows = subjects::list(&session.principal, &services, controller, page).await?;
    let has_more = rows.len() > PAGE;
    rows.truncate(PAGE);
    let older = rows.last().filter(|_| has_more).map(|last| {
        let query = Serializer::new(String::new())
            .append_pair("did", did)
            .append_pair("cursor", &last.id.to_string())
            .finish();
        format!("/subjects?{query}")
    });
    page::render(&Subjects {
        shell: Shell::new(&request, &session, Section::Subjects, "Data subjects"),
        is_operator: session.is_operator(),
        controllers: controllers(&services, &session, did).await?,
        categories: categories(&services, "user.contact.email"),
        processor: String::new(),
        region: String::new(),
        lines: rows.iter().map(|row| line(&services, row)).collect(),
        is_found: false,
        fault: None,
        newest: of(did),
        older,
        did: did.to_owned(),
        is_first: after.is_none(),
    })
}

fn is_did_missing(error: &Error) -> bool {
    matches!(error, Error::Invalid(refusal) if refusal.code == Code::DidMissing)
}

/// Answers `POST /subjects`: a form, so that the identifier is in no address and no log.
pub(super) async fn find(
    posted: SessionForm,
    services: Data<Services>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (session, fields) = (&posted.session, &posted.fields);
    let text = |name| fields.text(name).unwrap_or_default().to_owned();
    let (did, category, processor) = (text("did"), text("category"), text("processor"));
    let identifier = Identifier {
        category: category.clone(),
        value: Personal::new(text("value")),
        data_processor_id: Some(processor.clone()).filter(|text| !text.is_empty()),
        default_region: fields.text("region").map(str::to_uppercase),
    };
    let found = match session
        .principal
        .one(&services, (!did.is_empty()).then_some(did.as_str()))
    {
        Ok((_, controller)) => subjects::by_identifier(&session.principal, &services, controller, &identifier).await,
        Err(error) if is_did_missing(&error) => Err(error),
        Err(error) => return Err(error.into()),
    };
    let (rows, fault) = match found {
        Ok(rows) => (rows, None),
        Err(error) if is_did_missing(&error) => {
            let fault = "Choose the controller of the data subject.";
            (Vec::new(), Some(fault.to_owned()))
        }
        Err(error) => {
            let problem = Problem::from(error);
            if !problem.status().is_client_error() {
                return Err(problem);
            }
            (Vec::new(), Some(format!("The identifier {}.", problem.detail())))
        }
    };
    page::render(&Subjects {
        shell: Shell::new(&request, session, Section::Subjects, "Data subjects"),
        is_operator: session.is_operator(),
        controllers: controllers(&services, session, &did).await?,
        categories: categories(&services, &category),
        processor,
        region: text("region"),
        lines: rows.iter().map(|row| line(&services, row)).collect(),
        is_found: fault.is_none(),
        fault,
        newest: of(&did),
        older: None,
        did,
        is_first: true,
    })
}

struct Link {
    category: String,
    label: String,
    class: &'static str,
    count: usize,
    first_seen: Time,
}

struct Merge {
    from: String,
    at: Time,
    event: String,
    evidence: Vec<String>,
}

#[derive(Template)]
#[template(path = "subject.html")]
struct Subject {
    shell: Shell,
    did: String,
    /// The DID that was asked for, if it was merged into this one.
    asked: Option<String>,
    controller: String,
    links: Vec<Link>,
    merges: Vec<Merge>,
    activities: Vec<ActivityItem>,
    count: Number,
    has_more: bool,
    first_seen: Time,
    last_seen: Time,
}

/// Answers `GET /subjects/{did}`.
pub(super) async fn one(
    session: Session,
    services: Data<Services>,
    asked: Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let row = subjects::find(&session.principal, &services, &asked).await?;
    let filter = ActivityFilter {
        // Their controller is left out, which says nothing more: the database goes by the subject then.
        subject: Some(row.id),
        ..ActivityFilter::default()
    };
    let newest = Page {
        after: None,
        limit: ACTIVITIES,
    };
    let found = app::activities::list(&session.principal, &services, &filter, newest).await?;
    let did = row.id.did().to_string();
    let merges = row.merges.iter().map(|merge| Merge {
        from: merge.from.did().to_string(),
        at: Time(merge.at),
        event: merge.event.to_string(),
        evidence: merge.evidence.clone(),
    });
    page::render(&Subject {
        shell: Shell::new(&request, &session, Section::Subjects, "Data subject"),
        asked: Some(asked.into_inner()).filter(|asked| *asked != did),
        controller: name_of(&services, row.controller),
        links: links(&services, &row),
        merges: merges.collect(),
        count: Number(row.activity_count),
        has_more: row.activity_count > found.len() as u64,
        activities: activities::lines(&services, found),
        first_seen: Time(row.first_seen_at),
        last_seen: Time(row.last_seen_at),
        did,
    })
}

fn name_of(services: &Services, controller: ControllerId) -> String {
    services
        .directory
        .did(controller)
        .map(|did| did.to_string())
        .unwrap_or_default()
}

/// Returns for each category the number of links, and since when.
fn links(services: &Services, row: &SubjectRow) -> Vec<Link> {
    let mut by_category: BTreeMap<&str, (usize, Timestamp)> = BTreeMap::new();
    for link in &row.links {
        let (count, first) = by_category.entry(&link.category).or_insert((0, link.first_seen_at));
        *count += 1;
        *first = (*first).min(link.first_seen_at);
    }
    let taxonomy = services.directory.taxonomy();
    by_category
        .into_iter()
        .map(|(key, (count, first))| {
            let category = taxonomy.get(key);
            Link {
                category: key.to_owned(),
                label: category.map_or_else(String::new, |category| category.label.clone()),
                class: category.map_or("", |category| class_word(category.class)),
                count,
                first_seen: Time(first),
            }
        })
        .collect()
}

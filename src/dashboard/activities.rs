//! The activity log: all processing activities, and the verification of their chain.

mod verdict;
mod verify;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use conduit_actors::event::Activity;
use conduit_actors::ids::{EventId, Sequence, Timestamp};
use url::form_urlencoded::Serializer;

use super::events::{Offer, as_field, controllers, last_moment, moment, names, offers};
use super::fields::Fields;
use super::filters;
use super::guard::Session;
use super::page::{self, Section, Shell};
use super::words::{Icon, Number, Time, basis_word, short};
use crate::app::activities::{self, Activities as List};
use crate::app::events::dids;
use crate::app::subjects;
use crate::app::{Error, Noun, Services};
use crate::code::Code;
use crate::http::accept::Format;
use crate::http::export::{ExportOptions, export};
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::store::{ActivityCursor, ActivityFilter, ActivityOrder, Page};
use verdict::Verdict;
pub(super) use verify::verify;

const PAGE: usize = 50;

/// One activity.
pub(super) struct ActivityItem {
    pub(super) event: String,
    pub(super) event_type: String,
    /// Its name; none if it is gone.
    pub(super) integration: Option<String>,
    pub(super) integration_id: String,
    pub(super) subject: Option<(String, String)>,
    /// The other people that it names.
    pub(super) others: Vec<(String, String)>,
    pub(super) purpose: String,
    pub(super) basis: &'static str,
    pub(super) categories: Vec<String>,
    pub(super) triggered: Time,
    pub(super) sequence: Number,
    pub(super) hash: String,
}

/// Returns activities as rows of the page.
pub(super) fn lines(services: &Services, found: Vec<Activity>) -> Vec<ActivityItem> {
    let names = names(services, found.iter().map(|activity| activity.integration));
    let line = |activity: Activity| {
        let did = activity.subject.map(|subject| subject.did().to_string());
        ActivityItem {
            event: activity.event.to_string(),
            event_type: activity.event_type.to_string(),
            integration: names.get(&activity.integration).cloned(),
            integration_id: activity.integration.to_string(),
            subject: did.map(|did| (short(&did), did)),
            others: dids(&activity.other_subjects)
                .into_iter()
                .map(|did| (short(&did), did))
                .collect(),
            purpose: activity.purpose.as_deref().unwrap_or("no purpose").to_owned(),
            basis: activity.legal_basis.map_or("", basis_word),
            categories: activity.categories.iter().map(ToString::to_string).collect(),
            triggered: Time(activity.triggered_at),
            sequence: Number(activity.sequence.0),
            hash: activity.hash.to_string(),
        }
    };
    found.into_iter().map(line).collect()
}

/// The parameters of the address.
#[derive(Default)]
struct ActivityQuery {
    did: String,
    subject: String,
    integration: String,
    event: String,
    from: String,
    to: String,
}

impl ActivityQuery {
    fn read(fields: &Fields) -> Self {
        let text = |name| fields.text(name).unwrap_or_default().to_owned();
        Self {
            did: text("did"),
            subject: text("subject"),
            integration: text("integration"),
            event: text("event"),
            from: as_field(&text("from")),
            to: as_field(&text("to")),
        }
    }

    /// Returns all non-empty parameters except the controller.
    fn kept(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let pairs = [
            ("subject", self.subject.as_str()),
            ("integration", &self.integration),
            ("event", &self.event),
            ("from", &self.from),
            ("to", &self.to),
        ];
        pairs.into_iter().filter(|(_, value)| !value.is_empty())
    }

    fn query(&self, cursor: Option<&str>) -> String {
        let ends = [("did", self.did.as_str()), ("cursor", cursor.unwrap_or_default())];
        let ends = ends.into_iter().filter(|(_, value)| !value.is_empty());
        Serializer::new(String::new())
            .extend_pairs(self.kept())
            .extend_pairs(ends)
            .finish()
    }

    async fn filter(&self, services: &Services, session: &Session) -> Result<ActivityFilter, Problem> {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let mut controller = session
            .principal
            .some(services, given(&self.did).as_deref())?
            .map(|(_, id)| id);
        let subject = match given(&self.subject) {
            None => None,
            Some(did) => {
                let found = subjects::find(&session.principal, services, &did).await?;
                // It belongs to one controller, which may be seen: the database goes by the subject alone.
                if controller.is_some_and(|wanted| wanted != found.controller) {
                    return Err(Error::NotFound(Noun::Subject).into());
                }
                controller = None;
                Some(found.id)
            }
        };
        let wrong = |_| Problem::bad_request(Code::ParameterInvalid, "this is not the id of an integration");
        Ok(ActivityFilter {
            controller,
            subject,
            integration: given(&self.integration)
                .map(|text| text.parse().map_err(wrong))
                .transpose()?,
            event_type: given(&self.event),
            from: moment(&self.from)?,
            to: last_moment(&self.to)?,
            order: ActivityOrder::TriggeredAt,
        })
    }
}

/// Reads a cursor `triggeredAt.eventId.sequence`. Returns `None` for other text.
fn read_cursor(text: &str) -> Option<ActivityCursor> {
    let mut parts = text.splitn(3, '.');
    Some(ActivityCursor {
        triggered_at: Timestamp::from_millis(parts.next()?.parse().ok()?),
        event: parts.next()?.parse::<EventId>().ok()?,
        sequence: Sequence(parts.next()?.parse().ok()?),
    })
}

#[derive(Template)]
#[template(path = "activities.html")]
struct Activities {
    shell: Shell,
    is_operator: bool,
    asked: ActivityQuery,
    is_filtered: bool,
    controllers: Vec<Offer>,
    integrations: Vec<Offer>,
    lines: Vec<ActivityItem>,
    newest: String,
    older: Option<String>,
    is_first: bool,
    export: String,
    verdict: Option<Verdict>,
    must_choose: bool,
}

/// Answers `GET /activities`.
pub(super) async fn get(
    session: Session,
    services: Data<Services>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let fields = Fields::read(request.query_string().as_bytes());
    show(&session, &services, &request, &fields, None).await
}

async fn show(
    session: &Session,
    services: &Services,
    request: &HttpRequest,
    fields: &Fields,
    verdict: Option<Verdict>,
) -> Result<HttpResponse, Problem> {
    let asked = ActivityQuery::read(fields);
    let filter = asked.filter(services, session).await?;
    let after = fields.text("cursor").and_then(read_cursor);
    let page = Page { after, limit: PAGE + 1 };
    // Activities are in the order of their times within a controller only. For all controllers, the order would need a
    // reading of all.
    let must_choose = filter.controller.is_none() && filter.subject.is_none();
    let mut found = if must_choose {
        Vec::new()
    } else {
        activities::list(&session.principal, services, &filter, page).await?
    };
    let has_more = found.len() > PAGE;
    found.truncate(PAGE);
    let older = found.last().filter(|_| has_more).map(|last| {
        let cursor = format!("{}.{}.{}", last.triggered_at.as_millis(), last.event, last.sequence);
        format!("/activities?{}", asked.query(Some(&cursor)))
    });
    let own = match filter.controller {
        Some(controller) => services.directory.summaries(controller),
        None => Vec::new(),
    };
    page::render(&Activities {
        shell: Shell::new(request, session, Section::Activities, "Activity log"),
        is_operator: session.is_operator(),
        is_filtered: !asked.query(None).is_empty(),
        controllers: controllers(services, session, &asked.did).await?,
        integrations: offers(&own, &asked.integration),
        lines: lines(services, found),
        newest: format!("/activities?{}", asked.query(None)),
        older,
        is_first: after.is_none(),
        export: format!("/activities.csv?{}", asked.query(None)),
        verdict,
        must_choose,
        asked,
    })
}

/// Answers `GET /activities.csv`.
pub(super) async fn csv(
    session: Session,
    services: Data<Services>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let asked = ActivityQuery::read(&Fields::read(request.query_string().as_bytes()));
    let filter = asked.filter(&services, &session).await?;
    Query::read(&request, &["did", "subject", "integration", "event", "from", "to"])?;
    let list = List::new(&session.principal, services.into_inner(), filter).await?;
    let all = ExportOptions {
        format: Format::Csv,
        for_excel: true,
        after: None,
        limit: None,
    };
    export(list, all).await
}

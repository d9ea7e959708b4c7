//! The audit log.

use std::sync::Arc;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use conduit_actors::event::{Activity, LegalBasis};
use conduit_actors::ids::{
    ActivityId, EventId, EventType, IntegrationId, ProcessorId, Sequence, SubjectDid, SubjectId, Timestamp,
};
use schemars::JsonSchema;
use serde::Serialize;

use super::accept::Format;
use super::cursor::Cursors;
use super::event_list::find_subject;
use super::export::{self, Asked, List, Row};
use super::guard::Principal;
use super::paging::Query;
use super::problem::Problem;
use super::state::App;
use crate::store::{ActivityCursor, ActivityFilter, ActivityOrder, Page};

/// A processing activity: one record of the audit log, chained to the one before it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Activity")]
pub(crate) struct Shown {
    /// Its id.
    activity_id: ActivityId,
    /// Its place in the controller's chain.
    sequence: Sequence,
    /// The event that it records.
    event_id: EventId,
    /// The data subject that it concerns, pseudonymous; null if the event identified nobody.
    subject: Option<String>,
    /// The other data subjects that the event names, pseudonymous.
    other_subjects: Vec<String>,
    /// The integration that the event came by.
    integration_id: IntegrationId,
    /// The processor that the event came from.
    data_processor_id: ProcessorId,
    /// The event's type.
    event: EventType,
    /// What the data is processed for.
    purpose: Option<Arc<str>>,
    /// Why that is lawful.
    legal_basis: Option<LegalBasis>,
    /// The categories of personal data in the event, sorted, each once.
    categories: Vec<Arc<str>>,
    /// When it happened, as the event's sender says.
    triggered_at: Timestamp,
    /// When it was recorded.
    logged_at: Timestamp,
    /// SHA3-256 of the record and of `previousHash`, in hexadecimal.
    hash: String,
    /// The hash of the record before; zeros for the first.
    previous_hash: String,
}

impl From<Activity> for Shown {
    fn from(activity: Activity) -> Self {
        Self {
            activity_id: activity.id,
            sequence: activity.sequence,
            event_id: activity.event,
            subject: activity.subject.map(|subject| subject.did().to_string()),
            other_subjects: dids(&activity.other_subjects),
            integration_id: activity.integration,
            data_processor_id: activity.processor,
            event: activity.event_type,
            purpose: activity.purpose,
            legal_basis: activity.legal_basis,
            categories: activity.categories,
            triggered_at: activity.triggered_at,
            logged_at: activity.logged_at,
            hash: activity.hash.to_string(),
            previous_hash: activity.previous_hash.to_string(),
        }
    }
}

/// As they are shown.
pub(crate) fn dids(subjects: &[SubjectId]) -> Vec<String> {
    subjects.iter().map(|subject| subject.did().to_string()).collect()
}

impl Row for Shown {
    const LIST: &'static str = "activities";
    const COLUMNS: &'static [&'static str] = &[
        "activityId",
        "sequence",
        "eventId",
        "subject",
        "integrationId",
        "dataProcessorId",
        "event",
        "purpose",
        "legalBasis",
        "categories",
        "triggeredAt",
        "loggedAt",
        "hash",
        "previousHash",
        "otherSubjects",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.activity_id.to_string(),
            self.sequence.to_string(),
            self.event_id.to_string(),
            self.subject.clone().unwrap_or_default(),
            self.integration_id.to_string(),
            self.data_processor_id.to_string(),
            self.event.to_string(),
            self.purpose.as_deref().unwrap_or_default().to_owned(),
            self.legal_basis.map(LegalBasis::as_str).unwrap_or_default().to_owned(),
            self.categories.join(" "),
            self.triggered_at.to_string(),
            self.logged_at.to_string(),
            self.hash.clone(),
            self.previous_hash.clone(),
            self.other_subjects.join(" "),
        ]
    }
}

/// Activities under a filter, newest first.
struct Activities {
    app: Data<App>,
    filter: ActivityFilter,
}

impl List for Activities {
    type Item = Shown;
    type Place = ActivityCursor;

    async fn page(&self, after: Option<ActivityCursor>, limit: usize) -> Result<Vec<Shown>, Problem> {
        // Deleted in the middle of an export: what is left must not look like all there was.
        if let Some(controller) = self.filter.controller
            && self.app.directory.did(controller).is_none()
        {
            return Err(Problem::not_found("controller"));
        }
        let found = self.app.store.activities(&self.filter, Page { after, limit }).await?;
        Ok(found.into_iter().map(Shown::from).collect())
    }

    fn place(&self, item: &Shown) -> ActivityCursor {
        ActivityCursor {
            triggered_at: item.triggered_at,
            event: item.event_id,
            sequence: item.sequence,
        }
    }
}

/// `GET /api/v1/activities`
pub(crate) async fn list(principal: Principal, app: Data<App>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let known = [
        "did",
        "subject",
        "integration",
        "event",
        "from",
        "to",
        "order",
        "limit",
        "cursor",
        "excel",
    ];
    let query = Query::read(&request, &known)?;
    let filter = read_filter(&principal, &app, &query).await?;
    let asked = Asked::read(Format::of(&request), Shown::LIST, &query)?;
    export::respond(Activities { app, filter }, asked).await
}

/// Answers with all that a filter finds, as CSV for the program that opens such a file on most desks.
pub(crate) async fn csv(app: Data<App>, filter: ActivityFilter, query: &Query) -> Result<HttpResponse, Problem> {
    let asked = Asked {
        format: Format::Csv,
        for_excel: true,
        cursors: Cursors::of_query(Shown::LIST, query),
        after: None,
        limit: None,
    };
    export::respond(Activities { app, filter }, asked).await
}

async fn read_filter(principal: &Principal, app: &App, query: &Query) -> Result<ActivityFilter, Problem> {
    let order = match query.get("order") {
        None | Some("triggeredAt") => ActivityOrder::TriggeredAt,
        Some("sequence") => ActivityOrder::Sequence,
        Some(_) => {
            return Err(Problem::bad_request(
                "parameter_invalid",
                "order must be triggeredAt or sequence",
            ));
        }
    };
    let mut controller = principal.some(app, query.get("did"))?.map(|(_, id)| id);
    let subject = match query.parsed::<SubjectDid>("subject", "a subject's DID")? {
        None => None,
        Some(did) => {
            let (subject, owner) = find_subject(principal, app, &did).await?;
            controller = controller.or(Some(owner));
            Some(subject)
        }
    };
    if order == ActivityOrder::Sequence && controller.is_none() {
        return Err(Problem::bad_request(
            "did_missing",
            "sequences count within a controller: say which, ?did=…",
        ));
    }
    Ok(ActivityFilter {
        controller,
        subject,
        integration: query.parsed("integration", "an integration's id")?,
        event_type: query.event_type()?,
        from: query.time("from")?,
        to: query.time("to")?,
        order,
    })
}

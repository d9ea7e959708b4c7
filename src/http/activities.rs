//! The audit log.

use std::str::FromStr;

use actix_web::http::header::ACCEPT;
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use conduit_actors::event::{Activity, LegalBasis};
use conduit_actors::ids::{
    ActivityId, EventId, EventType, IntegrationId, ProcessorId, Sequence, SubjectDid, Timestamp,
};
use futures_util::stream;
use serde::Serialize;
use std::sync::Arc;

use super::guard::Principal;
use super::paging::{Items, Query};
use super::problem::Problem;
use super::state::App;
use crate::store::{ActivityCursor, ActivityFilter, ActivityOrder, Page};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    activity_id: ActivityId,
    sequence: Sequence,
    event_id: EventId,
    subject: Option<String>,
    integration_id: IntegrationId,
    data_processor_id: ProcessorId,
    event: EventType,
    purpose: Option<Arc<str>>,
    legal_basis: Option<LegalBasis>,
    categories: Vec<Arc<str>>,
    triggered_at: Timestamp,
    logged_at: Timestamp,
    hash: String,
    previous_hash: String,
}

impl From<Activity> for Shown {
    fn from(activity: Activity) -> Self {
        Self {
            activity_id: activity.id,
            sequence: activity.sequence,
            event_id: activity.event,
            subject: activity.subject.map(|subject| subject.did().to_string()),
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

/// `triggeredAt.eventId.sequence`: stays right while activities come in.
struct Cursor(ActivityCursor);

impl FromStr for Cursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.splitn(3, '.');
        let mut next = || parts.next().ok_or(());
        Ok(Self(ActivityCursor {
            triggered_at: Timestamp::from_millis(next()?.parse().map_err(drop)?),
            event: next()?.parse().map_err(drop)?,
            sequence: Sequence(next()?.parse().map_err(drop)?),
        }))
    }
}

fn cursor(shown: &Shown) -> String {
    format!(
        "{}.{}.{}",
        shown.triggered_at.as_millis(),
        shown.event_id,
        shown.sequence
    )
}

/// `GET /api/v1/activities`
pub(super) async fn list(principal: Principal, app: Data<App>, request: HttpRequest) -> Result<HttpResponse, Problem> {
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
    ];
    let query = Query::read(&request, &known)?;
    let filter = read_filter(&principal, &app, &query).await?;
    let accept = request
        .headers()
        .get(ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if accept.split(',').any(|kind| kind.trim().starts_with("text/csv")) {
        return Ok(csv(app, filter));
    }
    let (limit, after) = (query.limit()?, query.cursor::<Cursor>()?.map(|cursor| cursor.0));
    let found = app
        .store
        .activities(
            &filter,
            Page {
                after,
                limit: limit + 1,
            },
        )
        .await?;
    let shown = found.into_iter().map(Shown::from).collect();
    Ok(HttpResponse::Ok().json(Items::page(shown, limit, cursor)))
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
            let found = app
                .store
                .subject(&did)
                .await?
                .filter(|found| principal.sees(app, found.controller));
            let found = found.ok_or_else(|| Problem::not_found("subject"))?;
            controller = controller.or(Some(found.controller));
            Some(found.id)
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
        event_type: query.get("event").map(str::to_owned),
        from: query.time("from")?,
        to: query.time("to")?,
        order,
    })
}

const CSV_HEAD: &str = "activityId,sequence,eventId,subject,integrationId,dataProcessorId,event,purpose,legalBasis,\
     categories,triggeredAt,loggedAt,hash,previousHash\r\n";

/// The whole list, page by page, as RFC 4180.
pub(crate) fn csv(app: Data<App>, filter: ActivityFilter) -> HttpResponse {
    const PAGE: usize = 1_000;
    let pages = stream::unfold((app, filter, None, true), |(app, filter, after, more)| async move {
        if !more {
            return None;
        }
        let found = match app.store.activities(&filter, Page { after, limit: PAGE }).await {
            Ok(found) => found,
            Err(error) => {
                // The connection breaks off: a half export must not look like a whole one.
                let broken: Result<Bytes, std::io::Error> = Err(std::io::Error::other(error.to_string()));
                return Some((broken, (app, filter, None, false)));
            }
        };
        let more = found.len() == PAGE;
        let mut text = if after.is_none() {
            CSV_HEAD.to_owned()
        } else {
            String::new()
        };
        let mut last = after;
        for activity in found {
            let shown = Shown::from(activity);
            last = Some(ActivityCursor {
                triggered_at: shown.triggered_at,
                event: shown.event_id,
                sequence: shown.sequence,
            });
            csv_line(&mut text, &shown);
        }
        Some((Ok(Bytes::from(text)), (app, filter, last, more)))
    });
    HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8; header=present")
        .insert_header(("content-disposition", "attachment; filename=\"activities.csv\""))
        .streaming(Box::pin(pages))
}

fn csv_line(text: &mut String, shown: &Shown) {
    let fields = [
        shown.activity_id.to_string(),
        shown.sequence.to_string(),
        shown.event_id.to_string(),
        shown.subject.clone().unwrap_or_default(),
        shown.integration_id.to_string(),
        shown.data_processor_id.to_string(),
        shown.event.to_string(),
        shown.purpose.as_deref().unwrap_or_default().to_owned(),
        shown.legal_basis.map(LegalBasis::as_str).unwrap_or_default().to_owned(),
        shown.categories.join(" "),
        shown.triggered_at.to_string(),
        shown.logged_at.to_string(),
        shown.hash.clone(),
        shown.previous_hash.clone(),
    ];
    let line: Vec<String> = fields.iter().map(|field| csv_field(field)).collect();
    text.push_str(&line.join(","));
    text.push_str("\r\n");
}

/// Quoted where RFC 4180 asks for it; what a spreadsheet would run as a formula is kept from it by an apostrophe.
fn csv_field(field: &str) -> String {
    let harmless = if field.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{field}")
    } else {
        field.to_owned()
    };
    if harmless.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", harmless.replace('"', "\"\""))
    } else {
        harmless
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_fields_are_quoted_and_run_nothing() {
        assert_eq!(csv_field("plain"), "plain");
        assert_eq!(csv_field("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(csv_field("=1+1"), "'=1+1");
    }

    #[test]
    fn a_cursor_reads_back() {
        let event = EventId::generate();
        let Cursor(read) = format!("-5.{event}.7").parse().unwrap();
        assert_eq!(
            (read.triggered_at, read.event, read.sequence),
            (Timestamp::from_millis(-5), event, Sequence(7))
        );
        assert!("".parse::<Cursor>().is_err() && "1.2.3".parse::<Cursor>().is_err());
    }
}

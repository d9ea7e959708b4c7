//! A draft tried on recently accepted events, beside the live mapping.

use actix_web::web::Data;
use conduit_actors::event::Status;
use conduit_actors::mapping::IntegrationSpec;
use conduit_actors::ports::Directory as _;
use conduit_actors::trial::{NoticeRow, Statuses};

use super::trial::under;
use crate::app::trials::{self, EndedBy};
use crate::app::{Error, Noun, Principal, Services};
use crate::dashboard::words::{Badge, Number, Time};
use crate::http::problem::Problem;
use crate::store::IntegrationRow;

/// Events that are tried.
const EVENTS: usize = 1_000;
/// Reasons and events that are shown.
const SHOWN: usize = 12;

/// The changes that the draft would make.
pub(in crate::dashboard) struct Past {
    pub(in crate::dashboard) examined: Number,
    pub(in crate::dashboard) changed: Number,
    pub(in crate::dashboard) span: Option<(Time, Time)>,
    /// For each outcome: how many under the live mapping, and under the draft.
    pub(in crate::dashboard) outcomes: Vec<(Badge, Number, Number)>,
    pub(in crate::dashboard) reasons: Vec<NoticeRow>,
    pub(in crate::dashboard) samples: Vec<Changed>,
    pub(in crate::dashboard) note: Option<&'static str>,
}

/// An event that would end otherwise.
pub(in crate::dashboard) struct Changed {
    pub(in crate::dashboard) id: String,
    pub(in crate::dashboard) event: String,
    pub(in crate::dashboard) live: Badge,
    pub(in crate::dashboard) draft: Badge,
    pub(in crate::dashboard) why: String,
}

/// Tries it.
pub(super) async fn run(
    principal: &Principal,
    services: Data<Services>,
    row: &IntegrationRow,
    spec: &IntegrationSpec,
) -> Result<Past, Problem> {
    let saved = services
        .directory
        .by_id(row.id)
        .ok_or(Error::NotFound(Noun::Integration))?;
    let draft = under(&services, &saved, spec)?;
    let config = services.config.get();
    let limit = EVENTS.min(config.retention.trial_events);
    let keeps_nothing = config.retention.payload_days == 0;
    let answer = trials::run(principal, services.into_inner(), &saved, row, draft, limit).await?;
    let found = answer.comparison;
    let counts = |statuses: Statuses| {
        [
            statuses.processed,
            statuses.duplicate,
            statuses.rejected,
            statuses.failed,
        ]
    };
    let kinds = Status::OUTCOMES;
    let outcomes = kinds
        .into_iter()
        .zip(counts(found.live).into_iter().zip(counts(found.draft)));
    let samples = found.samples.into_iter().take(SHOWN).map(|sample| {
        let reason = sample.draft.reasons.first().or(sample.live.reasons.first());
        let gained = sample.fields_gained.iter().map(|path| format!("+{path}"));
        let lost = sample.fields_lost.iter().map(|path| format!("−{path}"));
        let fields: Vec<String> = gained.chain(lost).collect();
        Changed {
            id: sample.event_id.to_string(),
            event: sample.event.to_string(),
            live: Badge(sample.live.status),
            draft: Badge(sample.draft.status),
            why: reason.map_or_else(|| fields.join(", "), |reason| reason.message.clone()),
        }
    });
    Ok(Past {
        examined: Number(found.examined),
        changed: Number(found.examined - found.changes.unchanged),
        span: answer.from.zip(answer.to).map(|(from, to)| (Time(from), Time(to))),
        outcomes: outcomes
            .map(|(status, (live, draft))| (Badge(status), Number(live), Number(draft)))
            .collect(),
        reasons: found
            .reasons
            .into_iter()
            .filter(|row| row.live != row.draft)
            .take(SHOWN)
            .collect(),
        samples: samples.collect(),
        note: match answer.ended_by {
            EndedBy::Retention if keeps_nothing => Some(
                "No payload is kept for trials. retention.payload_days in the configuration sets how long payloads are kept.",
            ),
            EndedBy::Limit | EndedBy::Retention => None,
            EndedBy::Bytes | EndedBy::Time => {
                Some("Not all events were examined: the trial reached its limit of time or bytes.")
            }
            EndedBy::Unreadable => Some("The next events cannot be read. The log has the file and the offset."),
        },
    })
}

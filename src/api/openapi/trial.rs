//! The trial of a draft.

use conduit_actors::ids::ControllerDid;
use serde_json::{Value, json};

use super::super::trial::TrialBody;
use super::naming::{named, spec};
use super::operation::Operation;
use super::parameters::IfMatch;
use crate::api as handlers;
use crate::app::trials::TrialReport;
use crate::code::Code;

fn example() -> Value {
    let side = |status: &str| json!({"status": status, "reasons": [], "duplicateOf": null, "subject": null, "otherSubjects": []});
    let (live, draft) = (
        json!({"processed": 0, "duplicate": 0, "rejected": 2, "failed": 0}),
        json!({"processed": 2, "duplicate": 0, "rejected": 0, "failed": 0}),
    );
    json!({
        "comparedWithVersion": 1, "scope": "node", "retentionDays": 7,
        "from": "2026-04-05T10:30:00.123Z", "to": "2026-04-06T10:30:00.123Z",
        "complete": true, "endedBy": "retention", "examined": 2,
        "live": live, "draft": draft,
        "changes": {"nowProcessed": 2, "nowDuplicate": 0, "nowRejected": 0, "nowFailed": 0, "unchanged": 0},
        "events": [{"event": "account_created", "examined": 2, "liveKnows": true, "draftKnows": true,
                    "live": live, "draft": draft}],
        "reasons": [{"event": "account_created", "field": "/email", "code": "required_missing", "live": 2, "draft": 0}],
        "warnings": [],
        "fields": [{"event": "account_created", "path": "email", "category": "user.contact.email", "live": 0, "draft": 0}],
        "categories": [{"category": "user.contact.email", "live": 0, "draft": 0}],
        "subjects": {"same": 0, "other": 0, "new": 0, "gained": 0, "lost": 0, "wouldMerge": 0, "nobody": 2},
        "samples": [{"eventId": "019d6242-3a5b-7c30-9f4e-0c2b6a1d8e57", "event": "account_created",
                     "receivedAt": "2026-04-06T10:30:00.123Z", "fieldsGained": [], "fieldsLost": [],
                     "live": side("rejected"), "draft": side("processed")}],
        "truncated": false,
    })
}

pub(super) fn operation() -> Operation {
    named(Operation::post("/api/v1/integrations/custom/{id}/trial", "tryIntegration", "Trial of a draft on past events", handlers::trial::run))
    .about(
        "Runs a draft of the integration over the last events that this node accepted and still has, and compares with what \
         the live mapping makes of them: what would be processed, rejected or repeats, which fields, categories and data \
         subjects differ, and why. Stores nothing.",
    )
    .query::<ControllerDid>("did", "The integration's controller. It is optional, because the id implies it.", "did:web:shop.example")
    .header::<IfMatch>("If-Match", "The ETag of a GET: another version is refused.", "\"1\"")
    .takes::<TrialBody>("The draft, and the number of past events.", json!({"limit": 1000, "integration": spec()}))
    .gives::<TrialReport>(200, "The differences.", example())
    .problems(400, &[Code::DataProcessorIdFixed, Code::DidInvalid, Code::IfMatchInvalid, Code::IfNoneMatchInvalid, Code::LimitInvalid, Code::MappingInvalid])
    .problems(409, &[Code::TrialRunning, Code::VersionMismatch])
    .problems(503, &[Code::TrialsBusy])
}

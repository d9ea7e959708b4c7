//! Replays of rejected and failed events.

use conduit_actors::ids::{ControllerDid, EventId, ReplayId};
use serde_json::{Value, json};

use super::super::paging::Items;
use super::super::replays::{Replay, ReplayEstimate};
use super::operation::{Group, Operation};
use super::parameters::Flag;
use crate::api as handlers;
use crate::code::Code;
use crate::store::ReplayFilter;

const REPLAY: &str = "019d6243-0c11-7e02-a4b9-3f5d8e6c1a20";
const EVENT: &str = "019d6242-3a5b-7c30-9f4e-0c2b6a1d8e57";

fn example(status: &str) -> Value {
    let done = if status == "running" { 40 } else { 120 };
    let ended_at = (status != "running").then_some("2026-04-06T10:31:04.000Z");
    json!({"replayId": REPLAY, "did": "did:web:shop.example", "filter": {"status": "rejected", "event": "account_created"},
           "status": status, "matching": 120, "done": done, "processed": done - 2, "duplicate": 1, "rejected": 1, "failed": 0,
           "skipped": 0, "startedAt": "2026-04-06T10:31:00.000Z", "endedAt": ended_at})
}

fn begun(operation: Operation) -> Operation {
    let mut example = example("running");
    for count in ["done", "processed", "duplicate", "rejected"] {
        example[count] = json!(0);
    }
    let id = [("id", "$response.body#/replayId")];
    operation
        .gives::<Replay>(202, "The replay has started.", example)
        .with_header("Location")
        .leads_to("getReplay", &id)
        .leads_to("cancelReplay", &id)
        .problems(409, &[Code::TooManyReplays])
}

fn named(operation: Operation) -> Operation {
    operation.path::<ReplayId>("id", "The replay.", REPLAY)
}

pub(super) fn group() -> Group {
    let many = Operation::post("/api/v1/events/replay", "replayEvents", "Replay events", handlers::replays::create)
        .about(
            "Runs a controller's rejected and failed events again, under the mapping as it stands when each one's turn comes. \
             An event keeps its id and its receive time, and has its new outcome in place of the one before; what has \
             another outcome meanwhile is left alone. With `estimate=true` nothing is run.",
        )
        .of_one_controller()
        .query::<Flag>("estimate", "Whether to say what a replay would find, and begin none.", "false")
        .takes::<ReplayFilter>(
            "Which events; without a body, all that are rejected or failed.",
            json!({"status": "rejected", "event": "account_created", "from": "2026-04-01T00:00:00Z"}),
        )
        .or_takes("these", json!({"eventIds": [EVENT]}))
        .or_nothing()
        .gives::<ReplayEstimate>(
            200,
            "With `estimate=true`: what it would find.",
            json!({"matching": 120, "replayable": 118, "oldest": "2026-04-01T06:12:00.000Z",
                   "newest": "2026-04-06T10:30:00.123Z"}),
        )
        .problems(400, &[Code::FilterInvalid]);
    let one = Operation::post(
        "/api/v1/events/{id}/replay",
        "replayEvent",
        "Replay an event",
        handlers::replays::create_for_event,
    )
    .about("As `replayEvents`, for one that is rejected or failed and has its payload.")
    .path::<EventId>("id", "The event.", EVENT)
    .query::<ControllerDid>(
        "did",
        "The event's controller; the id says it already.",
        "did:web:shop.example",
    )
    .problems(400, &[Code::DidInvalid])
    .problems(409, &[Code::NotReplayable])
    .problems(500, &[Code::JournalUnavailable]);
    let first = [("id", "$response.body#/items/0/replayId")];
    let list = Operation::get(
        "/api/v1/replays",
        "listReplays",
        "List replays",
        handlers::replays::list,
    )
    .about("Newest first, those that have ended included.")
    .of_some_controller()
    .in_pages()
    .gives::<Items<Replay>>(
        200,
        "A page of replays.",
        json!({"items": [example("done")], "nextCursor": null}),
    )
    .leads_to("getReplay", &first);
    let get = named(Operation::get(
        "/api/v1/replays/{id}",
        "getReplay",
        "Get a replay",
        handlers::replays::get,
    ))
    .about("`done` of `matching` events are done with. It is `running`, `done`, `cancelled` or `failed`.")
    .gives::<Replay>(200, "The replay, and how far it has come.", example("running"));
    let cancel = named(Operation::post(
        "/api/v1/replays/{id}/cancel",
        "cancelReplay",
        "Cancel a replay",
        handlers::replays::cancel,
    ))
    .about("What is replayed stays replayed. One that has ended stays as it is.")
    .gives::<Replay>(200, "The replay, as it ended.", example("cancelled"));
    Group {
        name: "Replays",
        about: "Rejected and failed events, run again once their mapping, or the fault, is mended.",
        operations: vec![begun(many), begun(one), list, get, cancel],
    }
}

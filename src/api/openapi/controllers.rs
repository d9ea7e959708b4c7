//! Controllers: the tenants.

use conduit_actors::ids::ControllerDid;
use serde_json::{Value, json};

use super::super::controllers::{Controller, ControllerBody, CreatedController, RenameBody};
use super::super::limits;
use super::super::paging::Items;
use super::operation::{Group, Operation};
use super::parameters::{IfMatch, IfMatchTag};
use crate::api as handlers;
use crate::code::Code;

const PATH: &str = "/api/v1/controllers/{did}";
const LIMITS: &str = "/api/v1/controllers/{did}/limits";

fn example() -> Value {
    json!({"did": "did:web:shop.example", "name": "Shop", "createdAt": "2026-04-01T08:00:00.000Z",
           "webhookSecretPreviousUntil": null})
}

fn created() -> Value {
    let mut created = example();
    created["webhookSecret"] = json!("cdt_whs_…");
    created["managementToken"] = json!("cdt_mgt_…");
    created
}

pub(super) fn named(operation: Operation) -> Operation {
    operation
        .path::<ControllerDid>("did", "The controller.", "did:web:shop.example")
        .problems(400, &[Code::DidInvalid])
}

pub(super) fn group() -> Group {
    let list = Operation::get(
        "/api/v1/controllers",
        "listControllers",
        "List controllers",
        handlers::controllers::list,
    )
    .about("The operator's token returns all controllers, a controller's token itself.")
    .in_pages()
    .gives::<Items<Controller>>(
        200,
        "A page of controllers.",
        json!({"items": [example()], "nextCursor": null}),
    )
    .leads_to("getController", &[("did", "$response.body#/items/0/did")]);
    let create = Operation::post(
        "/api/v1/controllers",
        "createController",
        "Create a controller",
        handlers::controllers::create,
    )
    .about("Creates a tenant. Only this answer shows its webhook secret and its management token.")
    .operator_only()
    .takes::<ControllerBody>(
        "The name, and the DID if there is one.",
        json!({"name": "Shop", "did": "did:web:shop.example"}),
    )
    .gives::<CreatedController>(201, "The controller, with its credentials.", created())
    .with_header("Location")
    .with_header("ETag")
    .leads_to("getController", &[("did", "$response.body#/did")])
    .leads_to("deleteController", &[("did", "$response.body#/did")])
    .leads_to("renameController", &[("did", "$response.body#/did")])
    .leads_to("setLimits", &[("did", "$response.body#/did")])
    .leads_to("getWebhookSecret", &[("did", "$response.body#/did")])
    .leads_to("rotateWebhookSecret", &[("did", "$response.body#/did")])
    .leads_to("revokeWebhookSecret", &[("did", "$response.body#/did")])
    .problems(400, &[Code::NameInvalid])
    .problems(409, &[Code::AlreadyExists]);
    let get = named(Operation::get(
        PATH,
        "getController",
        "Get a controller",
        handlers::controllers::get,
    ))
    .gives::<Controller>(200, "The controller.", example())
    .or_unchanged();
    let delete = named(Operation::delete(
        PATH,
        "deleteController",
        "Delete a controller",
        handlers::controllers::delete,
    ))
    .about("Deletes the controller with all its data: integrations, events, subjects, activities, data key.")
    .operator_only()
    .header::<IfMatchTag>(
        "If-Match",
        "The ETag of a GET: a changed controller is not deleted.",
        "\"0f4a7c21d95e6b38\"",
    )
    .gives_nothing(204, "The controller is deleted. Its credentials end at once.")
    .problems(400, &[Code::IfMatchInvalid, Code::IfNoneMatchInvalid])
    .problems(409, &[Code::VersionMismatch])
    .problems(412, &[Code::PreconditionFailed]);
    let rename = named(Operation::put(
        PATH,
        "renameController",
        "Rename a controller",
        handlers::controllers::rename,
    ))
    .about("Only the name can be changed.")
    .operator_only()
    .header::<IfMatchTag>(
        "If-Match",
        "The ETag of a GET: a changed controller is not renamed.",
        "\"0f4a7c21d95e6b38\"",
    )
    .takes::<RenameBody>("The new name.", json!({"name": "Shop"}))
    .gives::<Controller>(200, "The controller after the change.", example())
    .with_header("ETag")
    .problems(
        400,
        &[Code::IfMatchInvalid, Code::IfNoneMatchInvalid, Code::NameInvalid],
    )
    .problems(409, &[Code::VersionMismatch])
    .problems(412, &[Code::PreconditionFailed]);
    let limits = json!({"eventsPerSecond": 200, "burst": 1000, "backlogEvents": 500_000,
                        "overrides": {"eventsPerSecond": 200, "burst": 1000}, "version": 1});
    let get_limits = named(Operation::get(
        LIMITS,
        "getLimits",
        "Get a controller's limits",
        handlers::limits::get,
    ))
    .about(
        "The limits in force, and the controller's own ones among them. The others are configured for all. 0 is off.",
    )
    .gives::<limits::LimitsView>(200, "The limits.", limits.clone())
    .or_unchanged();
    let set_limits = named(Operation::put(LIMITS, "setLimits", "Set a controller's limits", handlers::limits::put))
        .about(
            "They hold on all nodes within a second; each node counts for itself. Beyond them, senders get 500 with \
             `rate_limit_exceeded` or `backlog_limit_exceeded`. What is left out or null is as configured for all, 0 is off.",
        )
        .operator_only()
        .header::<IfMatch>("If-Match", "The ETag of a GET: another version is refused.", "\"1\"")
        .takes::<limits::LimitsBody>(
            "All limits of the controller.",
            json!({"eventsPerSecond": 200, "burst": 1000}),
        )
        .gives::<limits::LimitsView>(200, "The limits after the change.", limits)
        .with_header("ETag")
        .problems(400, &[Code::IfMatchInvalid, Code::IfNoneMatchInvalid, Code::LimitsInvalid])
        .problems(409, &[Code::VersionMismatch])
        .problems(412, &[Code::PreconditionFailed]);
    Group {
        name: "Controllers",
        about: "Data controllers: the tenants. Each has a webhook secret, for its senders, and a management token.",
        operations: vec![list, create, get, rename, delete, get_limits, set_limits],
    }
}

//! Controllers: the tenants.

use conduit_actors::ids::ControllerDid;
use serde_json::{Value, json};

use super::super::controllers::{Controller, CreatedController, NewController, NewSecret, Rotation};
use super::super::paging::Items;
use super::operation::{Group, Operation};

const PATH: &str = "/api/v1/controllers/{did}";

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

fn named(operation: Operation) -> Operation {
    operation
        .path::<ControllerDid>("did", "The controller.", "did:web:shop.example")
        .problems(400, &["did_invalid"])
}

pub(super) fn group() -> Group {
    let list = Operation::get("/api/v1/controllers", "listControllers", "List controllers")
        .about("With the operator's token: all. With a controller's: itself.")
        .in_pages::<ControllerDid>("did:web:shop.example")
        .gives::<Items<Controller>>(
            200,
            "A page of controllers.",
            json!({"items": [example()], "nextCursor": null}),
        )
        .leads_to("getController", &[("did", "$response.body#/items/0/did")]);
    let create = Operation::post("/api/v1/controllers", "createController", "Create a controller")
        .about("Makes a tenant. Its webhook secret and its management token are in this answer and never again.")
        .operator_only()
        .takes::<NewController>(
            "Its name, and its DID if it has one.",
            json!({"name": "Shop", "did": "did:web:shop.example"}),
        )
        .gives::<CreatedController>(201, "The controller, with its credentials.", created())
        .leads_to("getController", &[("did", "$response.body#/did")])
        .leads_to("deleteController", &[("did", "$response.body#/did")])
        .leads_to("rotateWebhookSecret", &[("did", "$response.body#/did")])
        .problems(400, &["name_invalid"])
        .problems(409, &["already_exists"]);
    let get = named(Operation::get(PATH, "getController", "Get a controller")).gives::<Controller>(
        200,
        "The controller.",
        example(),
    );
    let delete = named(Operation::delete(PATH, "deleteController", "Delete a controller"))
        .about(
            "Deletes the controller with all that it owns: integrations, events, subjects, activities, its data key.",
        )
        .operator_only()
        .gives_nothing(204, "It is gone. Its credentials end at once.");
    let rotate = named(Operation::post(
        "/api/v1/controllers/{did}/webhook-secret/rotate",
        "rotateWebhookSecret",
        "Rotate a controller's webhook secret",
    ))
    .about("Makes a new secret; the one before is taken as well until the grace period ends.")
    .takes::<Rotation>(
        "The grace period; without a body, a day.",
        json!({"gracePeriodSeconds": 3600}),
    )
    .or_nothing()
    .gives::<NewSecret>(
        200,
        "The new secret, shown this once.",
        json!({"webhookSecret": "cdt_whs_…", "previousValidUntil": "2026-04-06T11:30:00.000Z"}),
    )
    .problems(400, &["grace_period_invalid"]);
    Group {
        name: "Controllers",
        about: "Data controllers: the tenants. Each has a webhook secret, for its senders, and a management token.",
        operations: vec![list, create, get, delete, rotate],
    }
}

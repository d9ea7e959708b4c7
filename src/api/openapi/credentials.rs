//! The two credentials of senders: their versions, rotation and revocation.

use schemars::JsonSchema;
use serde_json::{Value, json};

use super::super::controllers::{NewSecret, Rotation};
use super::super::credentials::{NewToken, RevocationBody, Revoked};
use super::super::integrations::NewKey;
use super::operation::{Group, Operation};
use super::{controllers, naming};
use crate::api as handlers;
use crate::app::credentials::CredentialReport;
use crate::code::Code;

const VERSIONS: &str = "\
Of the current version and of the one before: when it was issued and used last, and from about how many addresses; of the one \
before, until when it serves, or when and why it ended. `warnings` says what is worth a look before a grace ends. What other \
nodes saw is as old as `auth.usage_seconds`.";

const ROTATE: &str = "\
Makes a new one; the one before is taken as well until the grace period ends. Only one before serves: a second rotation within \
the grace ends it.";

const REVOKE: &str = "\
Ends a version at once. `previous`: the one before, if it still serves. `current`: the current one and all before it; the \
answer has a new one.";

const TOKEN: &str = "\
For a token that was lost, or seen by somebody else. The one before ends at once, and with it the sessions of the dashboard that \
were begun by it. The operator's alone: otherwise, whoever found a token could lock its owner out.";

fn versions(is_revoked: bool) -> Value {
    let mut previous = json!({"issuedAt": "2026-04-01T08:00:00.000Z", "lastUsedAt": "2026-04-06T10:29:58.000Z", "addresses": 2,
                              "servesUntil": "2026-04-06T11:30:00.000Z", "retiredAt": null, "retiredBecause": null});
    let message = "the previous one was still used, at 2026-04-06T10:29:58.000Z: it ends at 2026-04-06T11:30:00.000Z, or as \
                   soon as it is revoked";
    let mut warnings = json!([{"code": "previous_in_use", "message": message}]);
    if is_revoked {
        previous["servesUntil"] = Value::Null;
        previous["retiredAt"] = json!("2026-04-06T10:40:00.000Z");
        previous["retiredBecause"] = json!("revoked");
        warnings = json!([]);
    }
    json!({"current": {"issuedAt": "2026-04-06T10:28:00.000Z", "lastUsedAt": "2026-04-06T10:29:59.000Z", "addresses": 1},
           "previous": previous, "warnings": warnings})
}

fn rotation<New: JsonSchema>(operation: Operation, new: Value) -> Operation {
    operation
        .about(ROTATE)
        .takes::<Rotation>(
            "The grace period; without a body, a day.",
            json!({"gracePeriodSeconds": 3600}),
        )
        .or_nothing()
        .gives::<New>(200, "The new one, shown this once.", new)
        .problems(400, &[Code::GracePeriodInvalid, Code::IfMatchInvalid])
        .problems(412, &[Code::PreconditionFailed])
        .problems(409, &[Code::RotatedMeanwhile])
}

fn revocation<New: JsonSchema>(operation: Operation) -> Operation {
    operation
        .about(REVOKE)
        .takes::<RevocationBody>("Which version.", json!({"which": "previous"}))
        .or_takes("current", json!({"which": "current"}))
        .gives::<Revoked<New>>(
            200,
            "How the versions stand now or, of the current one, the new one, shown this once.",
            versions(true),
        )
        .problems(400, &[Code::IfMatchInvalid])
        .problems(409, &[Code::NothingToRevoke])
        .problems(412, &[Code::PreconditionFailed])
}

pub(super) fn group() -> Group {
    let get_secret = controllers::named(Operation::get(
        "/api/v1/controllers/{did}/webhook-secret",
        "getWebhookSecret",
        "Versions of a webhook secret",
        handlers::credentials::secret,
    ))
    .about(VERSIONS)
    .gives::<CredentialReport>(200, "The versions.", versions(false))
    .problems(400, &[Code::ParameterUnknown]);
    let rotate_secret = rotation::<NewSecret>(
        controllers::named(Operation::post(
            "/api/v1/controllers/{did}/webhook-secret/rotate",
            "rotateWebhookSecret",
            "Rotate a controller's webhook secret",
            handlers::controllers::rotate_secret,
        )),
        json!({"webhookSecret": "cdt_whs_…", "previousValidUntil": "2026-04-06T11:30:00.000Z"}),
    );
    let revoke_secret = revocation::<NewSecret>(controllers::named(Operation::post(
        "/api/v1/controllers/{did}/webhook-secret/revoke",
        "revokeWebhookSecret",
        "Revoke a webhook secret",
        handlers::credentials::revoke_secret,
    )));
    let get_key = naming::with_did(naming::named(Operation::get(
        "/api/v1/integrations/custom/{id}/api-key",
        "getApiKey",
        "Versions of an API key",
        handlers::credentials::key,
    )))
    .about(VERSIONS)
    .gives::<CredentialReport>(200, "The versions.", versions(false));
    let rotate_key = rotation::<NewKey>(
        naming::named(Operation::post(
            "/api/v1/integrations/custom/{id}/api-key/rotate",
            "rotateApiKey",
            "Rotate an integration's API key",
            handlers::integrations::rotate_key,
        )),
        json!({"webhookAuth": "Bearer cdt_key_…", "previousValidUntil": "2026-04-06T11:30:00.000Z"}),
    );
    let revoke_key = revocation::<NewKey>(naming::named(Operation::post(
        "/api/v1/integrations/custom/{id}/api-key/revoke",
        "revokeApiKey",
        "Revoke an API key",
        handlers::credentials::revoke_key,
    )));
    let rotate_token = controllers::named(Operation::post(
        "/api/v1/controllers/{did}/management-token/rotate",
        "rotateManagementToken",
        "Replace a controller's management token",
        handlers::credentials::rotate_token,
    ))
    .about(TOKEN)
    .gives::<NewToken>(
        200,
        "The new one, shown this once.",
        json!({"managementToken": "cdt_mgt_…"}),
    )
    .problems(400, &[Code::IfMatchInvalid, Code::ParameterUnknown])
    .problems(412, &[Code::PreconditionFailed])
    .operator_only()
    .problems(409, &[Code::RotatedMeanwhile]);
    Group {
        name: "Credentials",
        about: "What senders show: a controller's webhook secret, and an API key for each integration, rotated without a gap. And the \
                controller's own token.",
        operations: vec![
            get_secret,
            rotate_secret,
            revoke_secret,
            get_key,
            rotate_key,
            revoke_key,
            rotate_token,
        ],
    }
}

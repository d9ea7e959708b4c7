//! Data subjects and the taxonomy.

use std::sync::Arc;

use conduit_actors::ids::SubjectDid;
use conduit_actors::taxonomy::Category;
use serde_json::{Value, json};

use super::super::paging::Items;
use super::operation::{Group, Operation, exported};
use crate::api as handlers;
use crate::app::identifier::Identifier;
use crate::app::subjects::Subject;
use crate::code::Code;

const SUBJECT: &str = "did:conduit:cd7563b1135bc9f1cd9acfb1908e959e680bf1a58b90aad553a598221e9562b0";

fn example() -> Value {
    json!({"did": SUBJECT, "firstSeenAt": "2026-04-06T10:30:00.000Z", "lastSeenAt": "2026-04-07T09:12:00.000Z",
           "activityCount": 3,
           "links": [{"category": "user.contact.email", "keyVersion": 1, "firstSeenAt": "2026-04-06T10:30:00.000Z"}],
           "merges": [{"from": "did:conduit:5f2e8a8c2f0b4b1d9c7e6a5f4d3c2b1a0f9e8d7c6b5a493827160f5e4d3c2b1a",
                       "at": "2026-04-07T09:12:00.000Z", "eventId": "019d6242-3a5b-7c30-9f4e-0c2b6a1d8e57",
                       "evidence": ["user.contact.email"]}]})
}

pub(super) fn group() -> Group {
    let first = [("did", "$response.body#/items/0/did")];
    let list = Operation::get(
        "/api/v1/subjects",
        "listSubjects",
        "List data subjects",
        handlers::subjects::list,
    )
    .about(exported!("Newest first."))
    .of_some_controller()
    .in_pages()
    .gives::<Items<Subject>>(
        200,
        "A page of data subjects.",
        json!({"items": [example()], "nextCursor": null}),
    )
    .or_exports("did,firstSeenAt,lastSeenAt,…\r\n", &example())
    .leads_to("getSubject", &first);
    let look_up = Operation::post(
        "/api/v1/subjects/lookup",
        "lookUpSubject",
        "Look up a data subject",
        handlers::subjects::look_up,
    )
    .about("Finds data subjects by an identifier. Conduit hashes it like the identifiers of events, and neither stores nor logs it.")
    .of_one_controller()
    .takes::<Identifier>(
        "Whom.",
        json!({"category": "user.contact.email", "value": "ada@shop.example"}),
    )
    .gives::<Items<Subject>>(
        200,
        "The data subjects: none, one, or several for a weak identifier.",
        json!({"items": [example()], "nextCursor": null}),
    )
    .leads_to("getSubject", &first)
    .problems(400, &[Code::LookupInvalid]);
    let get = Operation::get(
        "/api/v1/subjects/{did}",
        "getSubject",
        "Get a data subject",
        handlers::subjects::get,
    )
    .about("A merged subject answers as the subject that it was merged into.")
    .path::<SubjectDid>("did", "The data subject.", SUBJECT)
    .gives::<Subject>(200, "The data subject.", example());
    let taxonomy = Operation::get(
        "/api/v1/taxonomy",
        "listCategories",
        "List the categories of personal data",
        handlers::stats::taxonomy,
    )
    .about("The values of `pii` in a mapping. All in one page.")
    .gives::<Items<Arc<Category>>>(
        200,
        "The categories.",
        json!({"items": [{"category": "user.contact.email", "label": "E-mail address", "class": "strong",
                              "normalise": "email", "maxDistinct": 10, "special": null,
                              "fideslang": "user.contact.email", "dpvPd": "EmailAddress"}], "nextCursor": null}),
    );
    Group {
        name: "Data subjects",
        about: "Data subjects of events, by keyed hashes of their identifiers.",
        operations: vec![list, look_up, get, taxonomy],
    }
}

//! Names of controllers and integrations: no control characters in new ones.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::common::{Answer, Conduit, Tenant, tenant};

const WRONG: [&str; 5] = ["a\u{0}b", "a\nb", "\u{1b}[31mred", "a\u{7f}", "\u{85}a"];

#[track_caller]
fn assert_refused(answer: Answer, code: &str, pointer: &str) {
    let problem = answer.expect(400).json();
    assert_eq!(problem["code"], code, "{problem}");
    let part = &problem["errors"][0];
    assert_eq!(
        (&part["pointer"], &part["code"]),
        (&json!(pointer), &json!("name_invalid"))
    );
    assert!(
        part["message"].as_str().unwrap().contains("control characters"),
        "{part}"
    );
}

#[test]
fn new_names_have_no_control_characters() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let one = format!("/api/v1/integrations/custom/{}", shop.integration);
    for name in WRONG {
        let body = || Some(json!({"name": name}));
        assert_refused(
            conduit.admin("POST", "/api/v1/controllers", body()),
            "name_invalid",
            "/name",
        );
        let path = format!("/api/v1/controllers/{}", shop.did);
        assert_refused(conduit.admin("PUT", &path, body()), "name_invalid", "/name");

        let mut spec = tenant::shop();
        spec["name"] = json!(name);
        let made = shop.call(&conduit, "POST", "/api/v1/integrations/custom", Some(spec.clone()));
        assert_refused(made, "mapping_invalid", "/name");
        let replaced = shop.call(&conduit, "PUT", &one, Some(spec.clone()));
        assert_refused(replaced, "mapping_invalid", "/name");
        // A draft is checked by the rules of saving.
        let draft = json!({"integration": spec, "event": {"event": "contact", "triggeredAt": "2026-04-06T10:30:00Z"}});
        let tried = shop.call(&conduit, "POST", &format!("{one}/test?draft=true"), Some(draft));
        assert_refused(tried, "mapping_invalid", "/integration/name");
    }
    let named = |name: &str| {
        let made = conduit.admin("POST", "/api/v1/controllers", Some(json!({"name": name})));
        made.expect(201).json()["name"].clone()
    };
    assert_eq!(named(" Käufe & \u{1f6d2} "), "Käufe & \u{1f6d2}");
}

/// Runs a command by the operator's right. Returns its exit code and its output.
fn run(conduit: &Conduit, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = conduit.command();
    command
        .args(arguments)
        .env("CONDUIT_API_URL", &conduit.url)
        .env("CONDUIT_API_TOKEN", conduit.admin_token());
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code(), text)
}

#[test]
fn names_from_before_go_on_until_they_are_changed() {
    let mut conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    assert_eq!(conduit.stop(), Some(0));
    let url = format!("sqlite://{}", conduit.data_dir().join("conduit.db").display());
    actix_web::rt::System::new().block_on(async {
        let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
        for statement in [
            "UPDATE integrations SET spec = json_set(spec, '$.name', 'Web' || char(7) || 'shop')",
            "UPDATE controllers SET name = 'The' || char(7) || 'shop'",
        ] {
            let changed = sqlx::query(statement).execute(&pool).await.unwrap();
            assert_eq!(changed.rows_affected(), 1);
        }
        pool.close().await;
    });
    conduit.launch();
    let event = shop.send(&conduit, "contact", json!({"email": "ada@shop.example"}));
    assert_eq!(shop.outcome(&conduit, &event)["status"], "processed");
    let path = format!("/api/v1/integrations/custom/{}", shop.integration);
    let get = |path: &str| -> Value { shop.call(&conduit, "GET", path, None).expect(200).json() };
    let mut shown = get(&path);
    assert_eq!(shown["name"], "Web\u{7}shop");
    assert_eq!(get("/api/v1/controllers")["items"][0]["name"], "The\u{7}shop");

    // A file with such names has nothing to change. A file that would introduce such names is refused before any
    // change.
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("conduit.toml");
    let file = file.to_str().unwrap();
    assert_eq!(run(&conduit, &["export", "--output", file]).0, Some(0));
    let (code, text) = run(&conduit, &["apply", file, "--yes"]);
    assert_eq!(code, Some(0), "{text}");
    let written = std::fs::read_to_string(file).unwrap();
    assert!(written.contains("Web\\u0007shop"), "{written}");
    let other = written.replace("\\u0007shop", "\\u0008shop")
        + "\n[[controllers]]\ndid = \"did:web:new.example\"\nname = \"New\"\n";
    std::fs::write(file, other).unwrap();
    let (code, text) = run(&conduit, &["apply", file, "--yes"]);
    assert_eq!(code, Some(2), "{text}");
    for place in ["did:web:shop.example: name", "did:web:shop.example, integration"] {
        assert!(text.contains(place) && text.contains("control characters"), "{text}");
    }
    assert_eq!(
        conduit
            .admin("GET", "/api/v1/controllers/did:web:new.example", None)
            .status,
        404
    );

    assert_refused(
        shop.call(&conduit, "PUT", &path, Some(shown.clone())),
        "mapping_invalid",
        "/name",
    );
    shown["name"] = json!("Web shop");
    shop.call(&conduit, "PUT", &path, Some(shown)).expect(200);
}

//! Controllers and integrations as a file: planned, shown, done once.

mod terminal;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::{Value, json};

use crate::common::{Conduit, Tenant};

const FILE: &str = r#"
[[controllers]]
did = "did:web:shop.example"
name = "Shop"
limits = { eventsPerSecond = 1000, backlogEvents = 5000 }

[[controllers.integrations]]
name = "Web shop"
dataProcessorId = "web"
defaultRegion = "DE"

[[controllers.integrations.events]]
name = "account_created"
purpose = "Account registration"
legalBasis = "contract"
fields = [
    { path = "email", required = true, pii = "user.contact.email" },
    { path = "items[].sku", type = "string" },
]

[[controllers]]
did = "did:web:empty.example"
name = "Empty"
"#;

/// Runs a command against the server, by the operator's right.
fn run(conduit: &Conduit, arguments: &[&str]) -> Output {
    run_as(conduit, &conduit.admin_token(), arguments)
}

fn run_as(conduit: &Conduit, token: &str, arguments: &[&str]) -> Output {
    conduit
        .command()
        .args(arguments)
        .env("CONDUIT_API_URL", &conduit.url)
        .env("CONDUIT_API_TOKEN", token)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Returns the output, if the program ended with this code.
#[track_caller]
fn ended(output: &Output, code: i32) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{text}");
    text
}

fn write(dir: &Path, name: &str, text: &str) -> String {
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn integrations(conduit: &Conduit, did: &str) -> Vec<Value> {
    let path = format!("/api/v1/integrations/custom?did={did}");
    let list = conduit.admin("GET", &path, None).expect(200).json();
    list["items"].as_array().unwrap().clone()
}

fn controllers(conduit: &Conduit) -> usize {
    let list = conduit.admin("GET", "/api/v1/controllers", None).expect(200).json();
    list["items"].as_array().unwrap().len()
}

#[test]
fn a_file_is_made_so_once_and_its_credentials_are_kept() {
    let conduit = Conduit::start();
    let dir = tempfile::tempdir().unwrap();
    let file = write(dir.path(), "conduit.toml", FILE);
    let kept = dir.path().join("credentials");
    std::fs::write(&kept, "").unwrap();
    std::fs::set_permissions(&kept, std::fs::Permissions::from_mode(0o644)).unwrap();
    let credentials = kept.to_str().unwrap();

    let shown = ended(&run(&conduit, &["apply", &file, "--dry-run"]), 0);
    for line in [
        "+ controller did:web:shop.example \"Shop\"",
        "~ limits of did:web:shop.example",
        "eventsPerSecond: not set → 1000",
        "+ integration web \"Web shop\" of did:web:shop.example",
        "event \"account_created\", fields: 2",
        "3 to create, 1 to change, 0 to delete.",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    // There is no terminal to ask on.
    let unasked = ended(&run(&conduit, &["apply", &file]), 2);
    assert!(
        unasked.contains("3 to create") && unasked.contains("--yes"),
        "{unasked}"
    );
    assert_eq!(controllers(&conduit), 0);

    let done = ended(
        &run(&conduit, &["apply", &file, "--yes", "--credentials-out", credentials]),
        0,
    );
    assert!(
        done.contains("4 of 4 changes were made.") && !done.contains("cdt_"),
        "{done}"
    );
    let mode = std::fs::metadata(&kept).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = std::fs::read_to_string(&kept).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let part = |line: usize, name: &str| lines[line][name].as_str().unwrap().to_owned();
    let shop = Tenant {
        did: part(0, "did"),
        webhook_secret: part(0, "webhookSecret"),
        token: part(0, "managementToken"),
        integration: part(1, "id"),
        processor: part(1, "dataProcessorId"),
        webhook_auth: part(1, "webhookAuth"),
    };
    assert_eq!((lines.len(), shop.processor.as_str()), (3, "web"));
    let id = shop.send(&conduit, "account_created", json!({"email": "ada@shop.example"}));
    assert_eq!(shop.outcome(&conduit, &id)["status"], "processed");
    let limits = shop.call(&conduit, "GET", "/api/v1/controllers/did:web:shop.example/limits", None);
    assert_eq!(
        limits.expect(200).json()["overrides"],
        json!({"eventsPerSecond": 1000, "backlogEvents": 5000})
    );

    for arguments in [&["apply", &file][..], &["apply", &file, "--yes", "--prune"]] {
        let again = ended(&run(&conduit, arguments), 0);
        assert_eq!(again, "Nothing to change.\n");
    }
    assert_eq!(integrations(&conduit, "did:web:shop.example")[0]["version"], 1);
}

#[test]
fn what_differs_is_shown_field_by_field_and_what_is_not_in_the_file_goes_only_when_asked() {
    let conduit = Conduit::start();
    let dir = tempfile::tempdir().unwrap();
    let file = write(dir.path(), "conduit.toml", FILE);
    let printed = ended(&run(&conduit, &["apply", &file, "--yes"]), 0);
    assert!(
        printed.contains("cdt_whs_") && printed.contains("cdt_key_"),
        "without a file, they are printed"
    );

    let changed = FILE
        .replace("name = \"Shop\"", "name = \"Büdchen\"")
        .replace("eventsPerSecond = 1000", "eventsPerSecond = 0")
        .replace("required = true", "required = false")
        .replace(
            "{ path = \"items[].sku\", type = \"string\" }",
            "{ path = \"phone\", pii = \"user.contact.phone_number\" }",
        )
        .replace("[[controllers]]\ndid = \"did:web:empty.example\"\nname = \"Empty\"", "");
    let file = write(dir.path(), "changed.toml", &changed);
    let other = json!({"name": "By hand", "dataProcessorId": "hand", "events": [{"name": "a"}]});
    conduit
        .admin(
            "POST",
            "/api/v1/integrations/custom?did=did:web:shop.example",
            Some(other),
        )
        .expect(201);
    let shown = ended(&run(&conduit, &["apply", &file, "--dry-run"]), 0);
    for line in [
        "name: \"Shop\" → \"Büdchen\"",
        "eventsPerSecond: 1000 → 0",
        "~ integration web \"Web shop\" of did:web:shop.example",
        "    events account_created fields email required: true → false",
        "    - events account_created fields items[].sku",
        "    + events account_created fields phone: {",
        "integration hand \"By hand\" of did:web:shop.example: not in the file, stays",
        "controller did:web:empty.example \"Empty\": not in the file, stays",
        "0 to create, 3 to change, 0 to delete.",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    ended(&run(&conduit, &["apply", &file, "--yes"]), 0);
    let again = ended(&run(&conduit, &["apply", &file, "--yes"]), 0);
    assert!(again.ends_with("Nothing to change.\n"), "{again}");
    assert_eq!(
        (
            controllers(&conduit),
            integrations(&conduit, "did:web:shop.example").len()
        ),
        (2, 2)
    );

    let pruned = ended(&run(&conduit, &["apply", &file, "--yes", "--prune"]), 0);
    assert!(
        pruned.contains("- controller did:web:empty.example \"Empty\": with ALL that it owns"),
        "{pruned}"
    );
    assert!(pruned.contains("0 to create, 0 to change, 2 to delete."), "{pruned}");
    let left = integrations(&conduit, "did:web:shop.example");
    assert_eq!((controllers(&conduit), left.len()), (1, 1));
    assert_eq!(
        (left[0]["dataProcessorId"].as_str(), left[0]["version"].as_u64()),
        (Some("web"), Some(2))
    );
    let shop = conduit
        .admin("GET", "/api/v1/controllers/did:web:shop.example", None)
        .expect(200);
    assert_eq!(shop.json()["name"], "Büdchen");
}

#[test]
fn what_is_exported_is_what_there_is() {
    let conduit = Conduit::start();
    let dir = tempfile::tempdir().unwrap();
    let file = write(dir.path(), "conduit.toml", FILE);
    ended(&run(&conduit, &["apply", &file, "--yes"]), 0);
    let odd = json!({"name": "\"odd\" = [x] #", "events": [
        {"name": "it's \"odd\".[a]", "purpose": "two\nlines\u{7}", "dedup": {"key": "body", "windowSeconds": 5}, "fields": [{"path": "a\"'\\.b[][]"}]},
        {"name": "none"}]});
    let shop = Tenant::with(&conduit, "did:web:odd%22.example", odd);
    for (name, format) in [("all.toml", "toml"), ("all.json", "json")] {
        let path = dir.path().join(name);
        let path = path.to_str().unwrap();
        let printed = ended(&run(&conduit, &["export", "--format", format]), 0);
        ended(&run(&conduit, &["export", "--format", format, "--output", path]), 0);
        assert_eq!(std::fs::read_to_string(path).unwrap(), printed);
        assert!(
            !printed.contains("cdt_") && printed.contains("eventsPerSecond"),
            "{printed}"
        );
        assert_eq!(
            ended(&run(&conduit, &["apply", path, "--prune"]), 0),
            "Nothing to change.\n"
        );
    }
    let one = ended(&run(&conduit, &["export", "--did", &shop.did]), 0);
    assert!(
        one.contains(&shop.did) && !one.contains("shop.example\"\nname = \"Shop\""),
        "{one}"
    );
    let own = ended(&run_as(&conduit, &shop.token, &["export"]), 0);
    assert_eq!(own, one);
    let nobody = ended(&run(&conduit, &["export", "--did", "did:web:nobody.example"]), 1);
    assert!(
        nobody.contains("there is no controller did:web:nobody.example"),
        "{nobody}"
    );

    // On an empty server the file makes the same again.
    let fresh = Conduit::start();
    let path = dir.path().join("all.toml");
    ended(&run(&fresh, &["apply", path.to_str().unwrap(), "--yes"]), 0);
    assert_eq!(
        ended(&run(&fresh, &["export"]), 0),
        std::fs::read_to_string(path).unwrap()
    );
}

#[test]
fn a_controller_s_token_changes_what_is_its_own() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    Tenant::create(&conduit, "did:web:rival.example");
    let dir = tempfile::tempdir().unwrap();
    let exported = ended(&run_as(&conduit, &shop.token, &["export"]), 0);
    assert!(!exported.contains("rival"), "{exported}");
    let file = write(
        dir.path(),
        "own.toml",
        &exported.replace("name = \"Web shop\"", "name = \"Renamed\""),
    );
    let done = ended(&run_as(&conduit, &shop.token, &["apply", &file, "--yes", "--prune"]), 0);
    assert!(
        done.contains("name: \"Web shop\" → \"Renamed\"") && done.contains("1 of 1"),
        "{done}"
    );
    assert_eq!(controllers(&conduit), 2);
    let limited = exported.replace(
        "\n[[controllers.integrations]]",
        "limits = { burst = 5 }\n\n[[controllers.integrations]]",
    );
    let file = write(dir.path(), "limited.toml", &limited);
    let refused = ended(&run_as(&conduit, &shop.token, &["apply", &file, "--yes"]), 1);
    assert!(
        refused.contains("operator_only") && refused.contains("0 of 2 changes were made"),
        "{refused}"
    );
}

#[test]
fn what_is_wrong_is_named_with_its_place_and_nothing_is_done() {
    let conduit = Conduit::start();
    let dir = tempfile::tempdir().unwrap();
    for (name, text, code, parts) in [
        (
            "a.toml",
            FILE.replace("legalBasis", "legalBases"),
            2,
            &["a.toml", "line 15", "legalBases", "legalBasis"][..],
        ),
        (
            "b.toml",
            FILE.replace("name = \"Empty\"", "name = "),
            2,
            &["b.toml", "line 23"],
        ),
        (
            "c.json",
            "{\"controllers\": [{\"did\": \"x\"}]}".to_owned(),
            2,
            &["c.json", "line 1 column"],
        ),
        (
            "d.toml",
            FILE.replace("user.contact.email", "user.contact.emial"),
            2,
            &[
                "controllers[0] (did:web:shop.example).integrations[0]/events/0/fields/0/pii",
                "did you mean",
            ],
        ),
        (
            "e.toml",
            FILE.replace("dataProcessorId = \"web\"", ""),
            2,
            &["dataProcessorId is missing"],
        ),
        (
            "f.toml",
            FILE.replace("= 1000,", "= 10000000,"),
            2,
            &["limits.eventsPerSecond must be"],
        ),
    ] {
        let file = write(dir.path(), name, &text);
        let said = ended(&run(&conduit, &["apply", &file, "--yes"]), code);
        for part in parts {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
    let missing = ended(&run(&conduit, &["apply", "/nowhere/conduit.toml", "--yes"]), 2);
    assert!(missing.contains("cannot read /nowhere/conduit.toml"), "{missing}");
    let file = write(dir.path(), "good.toml", FILE);
    let unwritable = ["apply", &file, "--yes", "--credentials-out", "/nowhere/credentials"];
    let said = ended(&run(&conduit, &unwritable), 2);
    assert!(
        said.contains("/nowhere/credentials") && said.contains("nothing was changed"),
        "{said}"
    );
    let said = ended(&run(&conduit, &["apply", &file, "--yes", "--url", "shop.example"]), 2);
    assert!(said.contains("--url"), "{said}");
    let said = ended(&run_as(&conduit, "cdt_adm_wrong", &["apply", &file, "--yes"]), 1);
    assert!(said.contains("401 authentication_failed"), "{said}");
    let said = ended(
        &run(&conduit, &["apply", &file, "--yes", "--url", "http://127.0.0.1:1"]),
        1,
    );
    assert!(said.contains("no answer"), "{said}");
    assert_eq!(controllers(&conduit), 0);
}

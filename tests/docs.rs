//! The pages in `docs/` are true: codes, metrics, messages and settings are complete, and the guide works as written.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::common::{Conduit, Tenant, wait_for};

const INTEGRATION: &str = include_str!("../docs/integration.md");
const OPERATIONS: &str = include_str!("../docs/operations.md");

fn printed(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_conduit")).args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Returns the part of a page under a heading, up to the next heading of the same level.
fn section<'p>(page: &'p str, heading: &str) -> &'p str {
    let start = format!("\n{heading}\n");
    let level = heading.split(' ').next().unwrap();
    let (_, rest) = page.split_once(&start).unwrap_or_else(|| panic!("no {heading}"));
    rest.split(&format!("\n{level} ")).next().unwrap()
}

/// Returns the commands in a part of a page.
fn commands(part: &str) -> Vec<&str> {
    let blocks = part.split("```sh\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap()).collect()
}

/// Runs commands in a shell, with the address of this server and with this program as `conduit`.
fn run(conduit: &Conduit, script: &str) {
    let here = "URL=http://127.0.0.1:8080\n";
    assert!(script.contains(here));
    let script = script.replace(here, &format!("URL={}\n", conduit.url));
    let programs = Path::new(env!("CARGO_BIN_EXE_conduit")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &script])
        .env("PATH", path)
        .current_dir(conduit.data_dir().parent().unwrap())
        .output()
        .unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{out}\n{err}");
}

/// Returns the first cells of table rows, if they are code.
fn first_cells(text: &str) -> BTreeSet<&str> {
    let rows = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    rows.map(|(cell, _)| cell).collect()
}

/// Returns a file without its unit tests.
fn source(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.split("#[cfg(test)]").next().unwrap().to_owned()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(dir: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn the_configuration_reference_is_what_the_program_prints() {
    assert!(
        printed(&["config", "reference"]) == include_str!("../docs/configuration.md"),
        "stale: run `conduit config reference >docs/configuration.md`"
    );
}

#[test]
fn the_page_of_categories_is_what_the_program_prints() {
    assert!(
        printed(&["config", "categories"]) == include_str!("../docs/categories.md"),
        "stale: run `conduit config categories >docs/categories.md`"
    );
}

#[test]
fn the_guide_has_every_error_as_the_api_has_it() {
    let document: Value = serde_json::from_str(&printed(&["openapi"])).unwrap();
    let table = section(INTEGRATION, "## Errors");
    let written: Vec<&str> = table
        .lines()
        .filter(|line| line.starts_with("| 4") || line.starts_with("| 5"))
        .collect();
    let examples = document["components"]["examples"].as_object().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let expected: Vec<String> = examples
        .values()
        .map(|example| {
            let (status, code) = (&example["value"]["status"], text(&example["value"]["code"]));
            format!(
                "| {status} | `{code}` | {} | {} |",
                text(&example["summary"]),
                text(&example["description"])
            )
        })
        .collect();
    for row in &expected {
        assert!(
            written.contains(&row.as_str()),
            "missing in docs/integration.md, Errors:\n{row}"
        );
    }
    assert_eq!(written, expected, "rows that are no errors, or in another order");
}

#[test]
fn the_guide_has_every_field_of_an_integration() {
    let document: Value = serde_json::from_str(&printed(&["openapi"])).unwrap();
    let documented = first_cells(section(INTEGRATION, "## Mappings"));
    for schema in ["SentIntegration", "EventSpecInput", "FieldSpecInput", "DedupSpec"] {
        let properties = document["components"]["schemas"][schema]["properties"].as_object();
        for (name, property) in properties.unwrap_or_else(|| panic!("no {schema}")) {
            let shown_only = property["readOnly"] == true;
            assert!(shown_only || documented.contains(name.as_str()), "{schema}: {name}");
        }
    }
    for kind in ["FieldType", "Class"] {
        for choice in document["components"]["schemas"][kind]["oneOf"].as_array().unwrap() {
            assert!(
                documented.contains(choice["const"].as_str().unwrap()),
                "{kind}: {choice}"
            );
        }
    }
}

#[test]
fn every_metric_is_documented() {
    let conduit = Conduit::start();
    // Families have their series once there is a first of each.
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    shop.send(&conduit, "contact", json!({"email": "ada@shop.example"}));
    shop.try_send(&conduit, b"{}").unwrap().expect(400);
    // A commit is counted a moment after it is made.
    let metrics = wait_for("the outcome to be counted", || {
        let text = conduit.get("/metrics").expect(200).text;
        text.contains("conduit_outcomes_total{outcome=\"processed\"} 1")
            .then_some(text)
    });
    let there: BTreeSet<&str> = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .map(|(name, _)| name)
        .collect();
    let documented = first_cells(section(OPERATIONS, "## Metrics"));
    assert!(there.len() > 20, "{there:?}");
    assert_eq!(documented, there, "docs/operations.md, Metrics, and /metrics");
}

#[test]
fn the_guide_has_the_limits_of_json() {
    let event = section(INTEGRATION, "## The event");
    let depth = conduit_actors::envelope::MAX_DEPTH.to_string();
    for limit in [depth.as_str(), "RFC 7493", "surrogate", "byte order mark", "256 KiB"] {
        assert!(event.contains(limit), "docs/integration.md, The event: {limit}");
    }
}

/// Returns the messages under `conduit::supervision`: the start of each, with its level.
fn supervision_messages() -> BTreeMap<String, String> {
    let mut files = Vec::new();
    rust_files(&root().join("src"), &mut files);
    rust_files(&root().join("actors/src"), &mut files);
    let mut messages = BTreeMap::new();
    for file in files {
        let source = source(&file);
        let parts: Vec<&str> = source.split("target: \"conduit::supervision\"").collect();
        for pair in parts.windows(2) {
            let level = pair[0].rsplit("tracing::").next().unwrap().split('!').next().unwrap();
            let message = last_literal(pair[1]);
            let start = message.split([':', ';']).next().unwrap();
            messages.insert(start.to_owned(), level.to_owned());
        }
    }
    messages
}

/// Returns the last text in quotation marks before the call ends, which is its message.
fn last_literal(call: &str) -> &str {
    let (mut depth, mut last, mut rest) = (1, "", call);
    while depth > 0 {
        let at = rest.find(['"', '(', ')']).expect("a call that ends");
        let found = rest.as_bytes()[at];
        rest = &rest[at + 1..];
        match found {
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => {
                let end = rest.find('"').expect("a text that ends");
                last = &rest[..end];
                rest = &rest[end + 1..];
            }
        }
    }
    last
}

#[test]
fn every_supervision_message_is_documented() {
    let logged = supervision_messages();
    assert!(logged.len() > 14, "{logged:?}");
    let table = section(OPERATIONS, "## Probes and logs");
    let rows = table
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let documented: BTreeMap<String, String> = rows
        .filter(|(cell, _)| !cell.starts_with('/') && !cell.starts_with("conduit_"))
        .map(|(message, rest)| (message.to_owned(), rest.split(" |").next().unwrap().to_owned()))
        .collect();
    for (message, level) in &logged {
        assert_eq!(
            documented.get(message),
            Some(level),
            "docs/operations.md, Probes and logs: {message}"
        );
    }
    let gone: Vec<_> = documented
        .keys()
        .filter(|message| !logged.contains_key(*message))
        .collect();
    assert!(
        gone.is_empty(),
        "in docs/operations.md, but nothing logs them: {gone:?}"
    );
}

/// Runs the commands as a reader would type them.
#[test]
fn the_guide_leads_from_zero_to_a_verified_event() {
    let conduit = Conduit::start();
    let guide = commands(section(INTEGRATION, "## From zero to a verified event"));
    assert_eq!(guide.len(), 7, "one block for each step");
    run(&conduit, &guide.concat());
    assert_eq!(conduit.settled().processed, 1, "the dry run stored nothing");
}

/// Runs all commands of the page, one after the other, and checks their results.
#[test]
fn the_other_commands_of_the_guide_work_too() {
    let conduit = Conduit::start();
    let all = commands(INTEGRATION);
    assert!(all.len() >= 14, "{}", all.len());
    run(&conduit, &all.concat());
    let sums = conduit.settled();
    assert_eq!((sums.processed, sums.rejected), (3, 0), "the rejected one was replayed");
    let read = |name: &str| fs::read_to_string(conduit.data_dir().parent().unwrap().join(name)).unwrap();
    let json = |name: &str| serde_json::from_str::<Value>(&read(name)).unwrap();
    assert_eq!(json("snippets.json")["items"][0]["language"], "python");
    assert!(json("receipt.json")["receipt"].as_str().unwrap().starts_with("cr2."));
    let trial = json("trial.json");
    assert_eq!(trial["draft"]["processed"], 1, "{trial}");
    assert_eq!(json("estimate.json")["replayable"], 1);
    let event = json("event.json");
    assert_eq!(event["status"], "processed", "{event}");
    assert_eq!(event["history"].as_array().unwrap().len(), 2, "{event}");
    assert_eq!(json("events.json")["items"], json("found.json")["items"]);
    assert_eq!(json("activities.json")["items"].as_array().unwrap().len(), 1);
    assert_eq!(read("activities.csv").lines().count(), 1 + 3);
    assert_eq!(read("events.ndjson").lines().count(), 3);
    assert_eq!(json("api-key.json")["previous"]["retiredBecause"], "revoked");
}

//! Every page, light and dark, wide and narrow: accessible (axe-core, WCAG 2.2 AA), within the window, quiet. With
//! `CONDUIT_PICTURES` set to a directory, which `scripts/screenshots` does, each is kept there as a picture.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::browser::Browser;
use super::world::World;
use super::{assert_quiet, sign_in};

const AXE: &str = include_str!("vendor/axe.min.js");

/// How one comes to a page.
pub enum Way {
    Go(String),
    /// A form on that page leads to the state: an address, fields to fill in, and a click.
    Send(String, Vec<(&'static str, &'static str)>, &'static str),
}

/// Returns all pages, with a name for each.
pub fn pages(world: &World) -> Vec<(&'static str, Way)> {
    let go = |path: &str| Way::Go(path.to_owned());
    let integration = format!("/integrations/{}", world.shop.integration);
    vec![
        ("overview", go("/overview?range=hour")),
        ("overview-week", go("/overview?range=week")),
        ("events", go("/events")),
        ("events-filtered", go("/events?status=rejected&event=account_created")),
        ("events-none", go("/events?event=never")),
        ("event-processed", Way::Go(format!("/events/{}", world.processed))),
        ("event-rejected", Way::Go(format!("/events/{}", world.rejected))),
        ("event-duplicate", Way::Go(format!("/events/{}", world.duplicate))),
        ("event-failed", Way::Go(format!("/events/{}", world.failed))),
        ("integrations", go("/integrations")),
        ("integration", Way::Go(integration.clone())),
        ("onboard", go("/integrations/new")),
        (
            "onboard-suggested",
            Way::Send(
                "/integrations/new".to_owned(),
                vec![("#sample", SAMPLE)],
                "button[value='suggest']",
            ),
        ),
        (
            "editor-trial",
            Way::Send(
                format!("{integration}/edit"),
                vec![(
                    "#sample",
                    r#"{"event": "account_created", "email": "ada@shop.example", "phone": "12", "customer": {"name": "Ada"}}"#,
                )],
                "button[value='test']",
            ),
        ),
        (
            "editor-past",
            Way::Send(
                format!("{integration}/edit#event-0-field-0"),
                vec![("#e0f0-pii", "user.unique_id")],
                "button[value='past']",
            ),
        ),
        (
            "editor-faults",
            Way::Send(
                format!("{integration}/edit#event-0-field-0"),
                vec![
                    ("#name", ""),
                    ("#e0f0-pii", "user.contact.emial"),
                    ("#dedup_window", "soon"),
                ],
                "button.primary[value='save']",
            ),
        ),
        ("subjects", go("/subjects")),
        (
            "subjects-nobody",
            Way::Send(
                "/subjects".to_owned(),
                vec![("#value", "nobody@shop.example")],
                "form[action='/subjects'] button",
            ),
        ),
        ("subject", Way::Go(format!("/subjects/{}", world.subject))),
        ("activities", go("/activities")),
        (
            "activities-verified",
            Way::Send(
                "/activities".to_owned(),
                vec![],
                "form[action='/activities/verify'] button",
            ),
        ),
        ("controller", Way::Go(format!("/controllers/{}", world.shop.did))),
        ("supervision", go("/supervision")),
        ("controllers", go("/controllers")),
        ("not-found", go("/events/01990000-0000-7000-8000-000000000000")),
        (
            "credentials",
            Way::Send(integration, vec![], "form[action$='/rotate'] button"),
        ),
    ]
}

/// Pages that the operator alone has.
const OPERATORS: [&str; 2] = ["supervision", "controllers"];

pub const SAMPLE: &str = r#"{"event": "order_placed", "orderId": "A-17", "customer": {"id": "c-1", "name": "Ada Example", "email": "ada@shop.example"}, "shipTo": {"city": "Bremen", "country": "DE"}, "items": [{"sku": "X1", "price": 12.5}]}"#;

fn visit(browser: &Browser, url: &str, way: &Way) {
    match way {
        Way::Go(path) => browser.go(&format!("{url}{path}")),
        Way::Send(path, fields, button) => {
            browser.go(&format!("{url}{path}"));
            for (field, text) in fields {
                browser.fill(field, text);
            }
            browser.run("window.before = true", json!([]));
            browser.click(button);
            browser.wait_until("return window.before === undefined && document.readyState === 'complete'");
        }
    }
}

/// Returns the findings of axe-core, in a few words each.
pub fn violations(browser: &Browser) -> Vec<String> {
    browser.run(&format!("if (!window.axe) {{ {AXE} }}"), json!([]));
    let found = browser.run_async(
        "const done = arguments[arguments.length - 1];
         axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})
            .then((result) => done(result.violations), (error) => done([{id: String(error), nodes: []}]))",
    );
    let words = |violation: &Value| {
        let nodes = violation["nodes"].as_array().cloned().unwrap_or_default();
        let places: Vec<_> = nodes
            .iter()
            .take(3)
            .map(|node| format!("{} {}", node["html"], node["failureSummary"]))
            .collect();
        format!("{}: {}", violation["id"], places.join(" | "))
    };
    found.as_array().unwrap().iter().map(words).collect()
}

fn keep(browser: &Browser, name: &str) {
    let Some(directory) = std::env::var_os("CONDUIT_PICTURES") else {
        return;
    };
    std::fs::write(PathBuf::from(directory).join(format!("{name}.png")), browser.picture()).unwrap();
}

#[test]
fn every_page_is_accessible_fits_its_window_and_is_quiet() {
    let world = World::build();
    let browser = Browser::start();
    let mut wrong = Vec::new();
    let mut look = |name: &str, browser: &Browser| {
        for (scheme, width, height) in [
            ("light", 1280, 900),
            ("dark", 1280, 900),
            ("light", 380, 800),
            ("dark", 380, 800),
        ] {
            browser.scheme(scheme);
            browser.size(width, height);
            let size = if width > 400 { "wide" } else { "narrow" };
            // A narrow window's own elements look the same in either scheme.
            if (scheme, size) != ("dark", "narrow") {
                browser.run("scrollTo(0, 0)", json!([]));
                let found = violations(browser).into_iter();
                wrong.extend(found.map(|violation| format!("{name} {scheme} {size}: {violation}")));
            }
            let overflow = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
            let overflow = browser.run(overflow, json!([]));
            if overflow != 0 {
                wrong.push(format!("{name} {size}: {overflow} pixels too wide"));
            }
            browser.run(
                "if (location.hash) document.querySelector(location.hash)?.scrollIntoView()",
                json!([]),
            );
            keep(browser, &format!("{name}-{scheme}-{size}"));
        }
        browser.size(1280, 900);
        browser.scheme("light");
    };
    browser.go(&format!("{}/sign-in", world.conduit.url));
    look("sign-in", &browser);
    for (is_operator, token) in [(false, world.shop.token.clone()), (true, world.conduit.admin_token())] {
        sign_in(&browser, &world.conduit, &token);
        browser.log("browser");
        for (name, way) in pages(&world) {
            if OPERATORS.contains(&name) != is_operator {
                continue;
            }
            visit(&browser, &world.conduit.url, &way);
            look(name, &browser);
            if name == "not-found" {
                browser.log("browser");
            }
        }
        assert_quiet(&browser, &world.conduit);
        browser.click(".sidebar form[action='/sign-out'] button");
        browser.wait_for_text("Use the operator");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

//! The OpenAPI document as a page for people: made here, once, from the document itself.
//!
//! It needs no script and asks no other host, so its policy allows nothing but its own style.

mod html;
mod operations;
mod types;

use std::sync::LazyLock;

use actix_web::HttpResponse;
use serde_json::Value;

use super::openapi::document;
use html::{Html, inline, members, prose, text};

/// Its own style, and nothing else.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static PAGE: LazyLock<String> = LazyLock::new(|| page(document()));

/// `GET /api/docs`
pub(super) async fn get() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header(("content-security-policy", POLICY))
        .insert_header(("referrer-policy", "no-referrer"))
        .body(PAGE.as_str())
}

/// `GET /api/docs/style.css`
pub(super) async fn style() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/css; charset=utf-8")
        .body(include_str!("docs/style.css"))
}

fn page(document: &Value) -> String {
    let info = &document["info"];
    let title = format!("{} {}", text(&info["title"]), text(&info["version"]));
    let mut page = Html::default();
    page.raw("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    page.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    page.element("title", &format!("{title}: the API"));
    page.raw("<link rel=\"stylesheet\" href=\"/api/docs/style.css\">\n</head>\n<body>\n");
    page.raw("<a class=\"skip\" href=\"#main\">To the content</a>\n");
    navigation(&mut page, document);
    page.raw("<main id=\"main\">\n");
    page.element("h1", &title);
    prose(&mut page, text(&info["description"]));
    page.raw("<p>As a file, for programs: <a href=\"/api/v1/openapi.json\">openapi.json</a>, OpenAPI 3.1.</p>\n");
    credentials(&mut page, document);
    for tag in document["tags"].as_array().into_iter().flatten() {
        operations::group(&mut page, document, tag);
    }
    types::all(&mut page, document);
    codes(&mut page, document);
    page.raw("</main>\n</body>\n</html>\n");
    page.finish()
}

fn navigation(page: &mut Html, document: &Value) {
    page.raw("<nav aria-label=\"Contents\">\n");
    for tag in document["tags"].as_array().into_iter().flatten() {
        let name = text(&tag["name"]);
        page.raw("<h2>");
        page.link(&format!("#{}", operations::anchor(name)), name);
        page.raw("</h2>\n<ul>\n");
        let listed = operations::of(document, name)
            .into_iter()
            .filter(|(method, ..)| *method != "head");
        for (_, _, operation) in listed {
            page.raw("<li>");
            page.link(
                &format!("#{}", text(&operation["operationId"])),
                text(&operation["summary"]),
            );
            page.raw("</li>\n");
        }
        page.raw("</ul>\n");
    }
    page.raw("<h2><a href=\"#schemas\">Schemas</a></h2>\n<ul>\n");
    for (name, _) in members(&document["components"]["schemas"]) {
        page.raw("<li>");
        page.link(&format!("#schema-{name}"), name);
        page.raw("</li>\n");
    }
    page.raw("</ul>\n<h2><a href=\"#codes\">Error codes</a></h2>\n</nav>\n");
}

fn credentials(page: &mut Html, document: &Value) {
    page.raw("<h2 id=\"credentials\">Credentials</h2>\n<dl>\n");
    for (name, scheme) in members(&document["components"]["securitySchemes"]) {
        page.element("dt", operations::credential(name));
        let place = match text(&scheme["name"]) {
            "" => "Authorization: Bearer …",
            header => header,
        };
        page.raw("<dd><code>");
        page.text(place);
        page.raw("</code> ");
        inline(page, text(&scheme["description"]));
        page.raw("</dd>\n");
    }
    page.raw("</dl>\n");
}

fn codes(page: &mut Html, document: &Value) {
    page.raw("<h2 id=\"codes\">Error codes</h2>\n<table>\n");
    page.raw(
        "<thead><tr><th>Status</th><th>Code</th><th>What is wrong</th><th>What to do</th></tr></thead>\n<tbody>\n",
    );
    for (name, example) in members(&document["components"]["examples"]) {
        let problem = &example["value"];
        page.raw("<tr id=\"");
        page.text(&format!("code-{name}"));
        page.raw("\"><td>");
        page.text(&problem["status"].to_string());
        page.raw("</td><td><code>");
        page.text(text(&problem["code"]));
        page.raw("</code></td><td>");
        page.text(text(&example["summary"]));
        page.raw("</td><td>");
        page.text(text(&example["description"]));
        page.raw("</td></tr>\n");
    }
    page.raw("</tbody>\n</table>\n");
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_link_within_the_page_leads_somewhere_and_none_leads_out() {
        let attribute = |name: &str| -> Vec<&str> {
            let mark = format!(" {name}=\"");
            let marked = PAGE.split(mark.as_str()).skip(1);
            marked.map(|rest| rest.split('"').next().unwrap_or_default()).collect()
        };
        let ids = attribute("id");
        let targets: HashSet<&str> = ids.iter().copied().collect();
        assert_eq!(targets.len(), ids.len(), "an id is there twice");
        let links = attribute("href");
        assert!(links.len() > 200, "{}", links.len());
        for link in links {
            match link.strip_prefix('#') {
                Some(target) => assert!(targets.contains(target), "{link}"),
                None => assert!(link.starts_with("/api/"), "{link}"),
            }
        }
        for forbidden in ["<script", " style=", "javascript:", " src="] {
            assert!(!PAGE.contains(forbidden), "{forbidden}");
        }
    }

    #[test]
    fn everything_in_the_document_is_on_the_page() {
        let document = document();
        for (path, methods) in members(&document["paths"]) {
            assert!(PAGE.contains(&html::escaped(path)), "{path}");
            for (_, operation) in members(methods) {
                assert!(PAGE.contains(&format!("id=\"{}\"", text(&operation["operationId"]))));
            }
        }
        for (name, _) in members(&document["components"]["schemas"]) {
            assert!(PAGE.contains(&format!("id=\"schema-{name}\"")), "{name}");
        }
        for (name, _) in members(&document["components"]["examples"]) {
            assert!(PAGE.contains(&format!("id=\"code-{name}\"")), "{name}");
        }
    }
}

//! The OpenAPI document as a page for people: made from the document itself.
//!
//! It needs no script and asks no other host, so its policy allows nothing but its own style.

mod html;
mod operations;
mod types;

use serde_json::Value;

use html::{Html, inline, members, prose, text};

/// Returns the page of a document.
pub(super) fn page(document: &Value) -> String {
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

//! The frame around each page.

use actix_web::http::{Method, header};
use actix_web::{HttpRequest, HttpResponse, ResponseError as _};
use askama::Template;

use super::assets::{ICON, SCRIPT, STYLE};
use super::filters;
use super::guard::{self, Session};
use super::words::Icon;
use crate::app::Principal;
use crate::code::Code;
use crate::http::problem::Problem;

/// The parts of the dashboard, as the navigation has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Overview,
    Events,
    Integrations,
    Subjects,
    Activities,
    Supervision,
    Controllers,
    /// None of them.
    Other,
}

/// One line of the navigation.
pub(super) struct Link {
    pub(super) href: &'static str,
    pub(super) word: &'static str,
    pub(super) icon: Icon,
    pub(super) is_current: bool,
}

/// The content of the frame.
pub(super) struct Shell {
    pub(super) title: String,
    /// The name of the signed-in user. `None` for visitors.
    pub(super) who: Option<String>,
    pub(super) links: Vec<Link>,
    /// The token that forms carry.
    pub(super) csrf: String,
    /// Where the page gets its news from; empty if it has none.
    pub(super) live: String,
    /// `light`, `dark`, or `auto`: as the reader's system has it.
    pub(super) theme: &'static str,
    /// The page to return to when the theme changes. `None` if the content of the page would be lost.
    pub(super) here: Option<String>,
    pub(super) style: &'static str,
    pub(super) script: &'static str,
    pub(super) icon: &'static str,
}

impl Shell {
    pub(super) fn new(request: &HttpRequest, session: &Session, section: Section, title: impl Into<String>) -> Self {
        Self {
            who: Some(match &session.principal {
                Principal::Operator => "Operator".to_owned(),
                Principal::Controller(did) => did.to_string(),
            }),
            links: links(session.is_operator(), section),
            csrf: session.form_token.clone(),
            ..Self::bare(request, title)
        }
    }

    /// Creates the frame for a visitor without a session.
    pub(super) fn bare(request: &HttpRequest, title: impl Into<String>) -> Self {
        let here = request.uri().path_and_query().map_or("/", |found| found.as_str());
        Self {
            title: title.into(),
            who: None,
            links: Vec::new(),
            csrf: String::new(),
            live: String::new(),
            theme: theme(guard::cookie(request.headers(), "conduit_theme").unwrap_or_default()),
            here: (request.method() == Method::GET).then(|| here.to_owned()),
            style: &STYLE.address,
            script: &SCRIPT.address,
            icon: &ICON.address,
        }
    }

    /// Returns the address for signing in again and coming back.
    pub(super) fn sign_in(&self) -> String {
        guard::sign_in_address(self.here.as_deref().unwrap_or("/overview"))
    }

    /// Marks a page whose content is lost when its address is opened again.
    pub(super) fn unrepeatable(self) -> Self {
        Self { here: None, ..self }
    }

    /// Keeps the page up to date from this address.
    pub(super) fn live(self, address: impl Into<String>) -> Self {
        Self {
            live: address.into(),
            ..self
        }
    }
}

/// Returns a valid theme.
pub(super) fn theme(text: &str) -> &'static str {
    match text {
        "light" => "light",
        "dark" => "dark",
        _ => "auto",
    }
}

fn links(is_operator: bool, section: Section) -> Vec<Link> {
    let all = [
        ("/overview", "Overview", "overview", Section::Overview, false),
        ("/events", "Events", "events", Section::Events, false),
        (
            "/integrations",
            "Integrations",
            "integrations",
            Section::Integrations,
            false,
        ),
        ("/subjects", "Data subjects", "subjects", Section::Subjects, false),
        ("/activities", "Activity log", "activities", Section::Activities, false),
        ("/supervision", "Supervision", "supervision", Section::Supervision, true),
        (
            "/controllers",
            if is_operator { "Controllers" } else { "Controller" },
            "controllers",
            Section::Controllers,
            false,
        ),
    ];
    all.into_iter()
        .filter(|(.., operator_only)| is_operator || !operator_only)
        .map(|(href, word, icon, own, _)| Link {
            href,
            word,
            icon: Icon(icon),
            is_current: own == section,
        })
        .collect()
}

/// Returns a DID as a part of an address, with its own percent signs encoded.
pub(super) fn segment(did: &str) -> String {
    did.replace('%', "%25")
}

/// Renders a page.
pub(super) fn render(template: &impl Template) -> Result<HttpResponse, Problem> {
    render_as(HttpResponse::Ok(), template)
}

/// Renders a page with another status.
pub(super) fn render_as(
    mut response: actix_web::HttpResponseBuilder,
    template: &impl Template,
) -> Result<HttpResponse, Problem> {
    match template.render() {
        Ok(text) => Ok(response.content_type("text/html; charset=utf-8").body(text)),
        Err(error) => {
            tracing::error!(%error, "a page cannot be rendered");
            Err(Problem::try_again(Code::InternalError, "the page cannot be rendered"))
        }
    }
}

/// Redirects to another page, which the browser requests with GET.
pub(super) fn redirect(place: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, place))
        .content_type("text/html; charset=utf-8")
        .body("<!doctype html><html lang=\"en\"><title>Conduit</title><p>Go on to the next page.</p></html>")
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage<'a> {
    shell: Shell,
    status: u16,
    problem: &'a Problem,
}

/// Renders an error as a page.
pub(super) fn problem(request: &HttpRequest, problem: &Problem) -> HttpResponse {
    let shell = match guard::session(request) {
        Some(session) => Shell::new(request, &session, Section::Other, problem.title()),
        None => Shell::bare(request, problem.title()),
    };
    let status = problem.status_code();
    let page = ProblemPage {
        shell,
        status: status.as_u16(),
        problem,
    };
    let mut response = HttpResponse::build(status);
    // The problem's headers: when to try again, which methods are allowed.
    for (name, value) in problem.error_response().headers() {
        if name != header::CONTENT_TYPE && name != header::WWW_AUTHENTICATE {
            response.insert_header((name.clone(), value.clone()));
        }
    }
    render_as(response, &page).unwrap_or_else(|_| HttpResponse::InternalServerError().finish())
}

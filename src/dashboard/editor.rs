//! The mapping editor: adding an integration, and changing one.
//!
//! Every button sends the whole form, and the page comes back with the result. So the editor works without a script,
//! and only the server validates.

mod buttons;
mod conflict;
pub(super) mod draft;
mod faults;
mod past;
mod trial;

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use conduit_actors::event::LegalBasis;
use conduit_actors::ids::{ControllerDid, ControllerId};
use conduit_actors::mapping::{IntegrationSpec, Mapping};

use super::credentials;
use super::events::{Offer, controllers};
use super::fields::Fields;
use super::filters;
use super::forms::FilledForm;
use super::guard::Session;
use super::page::{self, Section, Shell};
use super::sign_in_page;
use super::words::{Icon, basis_word, class_word, special_word};
use crate::app::Principal;
use crate::app::integrations;
use crate::app::{Error, Services};
use crate::code::Code;
use crate::http::problem::Problem;
use crate::store::ChangeError;
use crate::store::IntegrationRow;
use conflict::Conflict;
use draft::{Draft, DraftEvent, KINDS};
use faults::Faults;
use past::Past;
use trial::Trial;

/// A category as the picker offers it.
struct Choice {
    key: String,
    hint: String,
}

struct Basis {
    value: &'static str,
    word: &'static str,
}

/// The message after the last button.
#[derive(Default)]
struct Message {
    good: Option<String>,
    bad: Option<String>,
}

#[derive(Template)]
#[template(path = "editor.html")]
struct Editor {
    shell: Shell,
    /// The integration that is changed; none: a new one.
    saved: Option<IntegrationRow>,
    /// The version that the change is meant for.
    version: u64,
    action: String,
    did: String,
    controllers: Vec<Offer>,
    draft: Draft,
    sample: String,
    faults: Faults,
    said: Message,
    trial: Option<Trial>,
    past: Option<Past>,
    conflict: Option<Conflict>,
    categories: Vec<Choice>,
    bases: Vec<Basis>,
    kinds: [&'static str; 5],
    open: Option<usize>,
}

impl Editor {
    fn hint(&self, key: &str) -> &str {
        self.categories
            .iter()
            .find(|choice| choice.key == key)
            .map_or("", |choice| choice.hint.as_str())
    }

    fn is_open(&self, event: &usize) -> bool {
        self.draft.events.len() <= 3 || self.open == Some(*event) || self.faults.in_event(event)
    }
}

fn choices(services: &Services) -> Vec<Choice> {
    let choice = |category: &std::sync::Arc<conduit_actors::taxonomy::Category>| {
        let special = special_word(category.special);
        let special = if special.is_empty() {
            String::new()
        } else {
            format!(" · {special}")
        };
        Choice {
            key: category.key.to_string(),
            hint: format!(
                "{} · {}{special} · for example {}",
                category.label,
                class_word(category.class),
                category.normalise.example()
            ),
        }
    };
    services.directory.taxonomy().categories().iter().map(choice).collect()
}

/// The subject of the page.
struct Place<'a> {
    session: &'a Session,
    request: &'a HttpRequest,
    saved: Option<IntegrationRow>,
    did: String,
}

impl<'a> Place<'a> {
    /// Creates the page of a new integration.
    fn new(session: &'a Session, request: &'a HttpRequest, did: &str) -> Self {
        Self {
            session,
            request,
            saved: None,
            did: did.to_owned(),
        }
    }

    /// Creates the page of an existing integration.
    fn of(session: &'a Session, request: &'a HttpRequest, did: &str, row: IntegrationRow) -> Self {
        Self {
            saved: Some(row),
            ..Self::new(session, request, did)
        }
    }

    /// Returns the page with the typed values.
    async fn filled(self, services: &Services, fields: &Fields) -> Result<Editor, Problem> {
        let mut draft = Draft::read(fields);
        if let Some(row) = &self.saved {
            draft.processor = row.processor.to_string();
        }
        let mut editor = self.editor(services, draft).await?;
        fields.get("sample").unwrap_or_default().clone_into(&mut editor.sample);
        if let Some(version) = fields.text("version").and_then(|text| text.parse().ok())
            && editor.saved.is_some()
        {
            editor.version = version;
        }
        Ok(editor)
    }

    async fn editor(self, services: &Services, draft: Draft) -> Result<Editor, Problem> {
        let title = match &self.saved {
            Some(row) => row.spec.name.clone(),
            None => "Add an integration".to_owned(),
        };
        let bases = LegalBasis::ALL.map(|basis| Basis {
            value: basis.as_str(),
            word: basis_word(basis),
        });
        Ok(Editor {
            shell: Shell::new(self.request, self.session, Section::Integrations, title).unrepeatable(),
            version: self.saved.as_ref().map_or(0, |row| row.version),
            action: match &self.saved {
                Some(row) => format!("/integrations/{}/edit", row.id),
                None => "/integrations/new".to_owned(),
            },
            controllers: match self.saved {
                Some(_) => Vec::new(),
                None => controllers(services, self.session, &self.did).await?,
            },
            saved: self.saved,
            did: self.did,
            draft,
            sample: String::new(),
            faults: Faults::default(),
            said: Message::default(),
            trial: None,
            past: None,
            conflict: None,
            categories: choices(services),
            bases: bases.into(),
            kinds: KINDS,
            open: None,
        })
    }
}

/// Answers `GET /integrations/new`.
pub(super) async fn new(
    session: Session,
    services: Data<Services>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let fields = Fields::read(request.query_string().as_bytes());
    let place = Place::new(&session, &request, fields.text("did").unwrap_or_default());
    page::render(&place.editor(&services, Draft::blank()).await?)
}

/// Answers `GET /integrations/{id}/edit`.
pub(super) async fn edit(
    session: Session,
    services: Data<Services>,
    id: Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (did, row) = integrations::load(&session.principal, &services, &id).await?;
    let draft = Draft::of(&row.spec);
    let place = Place::of(&session, &request, did.as_str(), row);
    page::render(&place.editor(&services, draft).await?)
}

/// Answers `POST /integrations/new`.
pub(super) async fn post_new(
    filled: FilledForm,
    services: Data<Services>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (Some(session), Some(fields)) = (&filled.session, &filled.fields) else {
        return sign_in_page::interrupted(&request, filled.fields.as_ref());
    };
    let did = fields.text("did").unwrap_or_default().to_owned();
    let mut editor = Place::new(session, &request, &did).filled(&services, fields).await?;
    if !filled.is_meant {
        return editor.unsaved();
    }
    let chosen = chosen(&session.principal, &services, &did);
    if fields.get("do") != Some("save") {
        let controller = chosen.ok().map(|(_, id)| id);
        editor.act(&session.principal, &services, fields, controller).await;
        return page::render(&editor);
    }
    let Some(spec) = editor.checked(&services) else {
        return page::render(&editor);
    };
    let made = match chosen {
        Ok((did, controller)) => {
            let created = integrations::create(&session.principal, &services, (&did, controller), spec).await;
            created.map(|created| (did, created)).map_err(Problem::from)
        }
        Err(problem) => Err(problem),
    };
    match made {
        Ok((did, (row, key))) => credentials::onboarded(&services, &request, session, &did, &row, &key),
        Err(problem) => {
            editor.refused(&problem);
            page::render(&editor)
        }
    }
}

fn chosen(principal: &Principal, services: &Services, did: &str) -> Result<(ControllerDid, ControllerId), Problem> {
    match (principal, did) {
        (Principal::Operator, "") => Err(Problem::bad_request(
            Code::DidMissing,
            "Choose the controller of the integration.",
        )),
        (_, did) => Ok(principal.one(services, (!did.is_empty()).then_some(did))?),
    }
}

/// Answers `POST /integrations/{id}/edit`.
pub(super) async fn post_edit(
    filled: FilledForm,
    services: Data<Services>,
    id: Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (Some(session), Some(fields)) = (&filled.session, &filled.fields) else {
        return sign_in_page::interrupted(&request, filled.fields.as_ref());
    };
    let (did, row) = integrations::load(&session.principal, &services, &id).await?;
    let place = Place::of(session, &request, did.as_str(), row.clone());
    let mut editor = place.filled(&services, fields).await?;
    if !filled.is_meant {
        return editor.unsaved();
    }
    if fields.get("do") != Some("save") {
        editor
            .act(&session.principal, &services, fields, Some(row.controller))
            .await;
        return page::render(&editor);
    }
    let Some(spec) = editor.checked(&services) else {
        return page::render(&editor);
    };
    let principal = &session.principal;
    match integrations::replace(principal, &services, (&did, &row), spec.clone(), Some(editor.version)).await {
        Ok(row) => Ok(page::redirect(&format!("/integrations/{}?said=saved", row.id))),
        Err(Error::Change(ChangeError::VersionMismatch { .. } | ChangeError::Changed)) => {
            let (_, live) = integrations::load(&session.principal, &services, &id).await?;
            editor.overtaken(live, &spec);
            page::render(&editor)
        }
        Err(error) => {
            editor.refused(&error.into());
            page::render(&editor)
        }
    }
}

/// Shows a form again that was sent to one of the addresses here when there was no session. Nothing is saved.
pub(super) async fn resume(
    services: &Services,
    request: &HttpRequest,
    session: &Session,
    address: &str,
    fields: &Fields,
) -> Result<HttpResponse, Problem> {
    let place = if address == "/integrations/new" {
        Place::new(session, request, fields.text("did").unwrap_or_default())
    } else {
        let id = address
            .strip_prefix("/integrations/")
            .and_then(|rest| rest.strip_suffix("/edit"));
        let id = id.ok_or_else(Problem::no_such_address)?;
        let (did, row) = integrations::load(&session.principal, services, id).await?;
        Place::of(session, request, did.as_str(), row)
    };
    place.filled(services, fields).await?.unsaved()
}

impl Editor {
    /// Returns the mapping if it is valid. Otherwise shows each fault at its field, and returns `None`.
    fn checked(&mut self, services: &Services) -> Option<IntegrationSpec> {
        self.draft.without_blanks();
        let (spec, mut faults) = self.draft.spec();
        if let Err(more) = Mapping::compile_new(
            &spec,
            services.directory.taxonomy(),
            services.directory.dedup_defaults(),
        ) {
            faults.extend(more);
        }
        if faults.is_empty() {
            return Some(spec);
        }
        let found = faults
            .iter()
            .map(|fault| (fault.pointer.as_str(), fault.message.as_str()));
        self.faults = Faults::new(found);
        let things = if self.faults.count() == 1 {
            "One field is"
        } else {
            "Some fields are"
        };
        self.said.bad = Some(format!("{things} not valid yet. Each fault is shown at its field."));
        if self.draft.events.is_empty() {
            self.draft.events.push(DraftEvent::default());
        }
        None
    }

    /// Shows a form that was sent after the end of its session.
    fn unsaved(mut self) -> Result<HttpResponse, Problem> {
        let said = "Not saved: your session had ended. Your input is still here. Press the button again.";
        self.said.bad = Some(said.to_owned());
        page::render(&self)
    }

    fn refused(&mut self, problem: &Problem) {
        let found = problem
            .errors()
            .iter()
            .map(|error| (error.field.as_str(), error.message.as_str()));
        self.faults = Faults::new(found);
        self.said.bad = Some(match problem.code() {
            Code::AlreadyExists => {
                "There is an integration of this data processor already. If you have just sent this form, it \
                 is made: look at the integrations, and rotate its key if you have not seen it."
                    .to_owned()
            }
            _ => problem.detail().to_owned(),
        });
    }
}

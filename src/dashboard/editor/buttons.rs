//! The editor's buttons that change nothing but the form.

use actix_web::web::Data;
use conduit_actors::ids::ControllerId;
use conduit_actors::mapping::suggest::{Suggestion, suggest};
use conduit_actors::mapping::{IntegrationSpec, doubts};

use super::conflict::Conflict;
use super::draft::{ASK, DraftEvent, DraftField};
use super::faults::Faults;
use super::{Editor, past, trial};
use crate::app::{Principal, Services};
use crate::dashboard::fields::Fields;
use crate::store::IntegrationRow;

impl Editor {
    /// Shows the draft beside the version that somebody else has saved. The next attempt replaces that version.
    pub(super) fn overtaken(&mut self, live: IntegrationRow, typed: &IntegrationSpec) {
        let conflict = Conflict::between(&live.spec, typed);
        self.version = live.version;
        let version = live.version;
        self.said.bad = Some(if conflict.lines.is_empty() {
            format!("Somebody saved version {version} meanwhile. It equals your draft, so there is nothing to save.")
        } else {
            format!(
                "Somebody saved version {version} meanwhile, so your draft is not saved. It is not lost: look at the \
                 differences, then change your draft, or save it in place of theirs."
            )
        });
        self.conflict = Some(conflict);
        self.saved = Some(live);
    }

    /// Does what a button says that changes nothing but the form.
    pub(super) async fn act(
        &mut self,
        principal: &Principal,
        services: &Data<Services>,
        fields: &Fields,
        controller: Option<ControllerId>,
    ) {
        let asked = fields.get("do").unwrap_or_default();
        let mut parts = asked.split(':');
        let name = parts.next().unwrap_or_default();
        let mut number = || {
            parts
                .next()
                .and_then(|part| part.parse::<usize>().ok())
                .unwrap_or(usize::MAX)
        };
        match name {
            "add-event" => {
                self.open = Some(self.draft.events.len());
                self.draft.events.push(DraftEvent {
                    fields: vec![DraftField::default()],
                    ..DraftEvent::default()
                });
            }
            "remove-event" => {
                let event = number();
                if event < self.draft.events.len() {
                    self.draft.events.remove(event);
                }
            }
            "add-field" => {
                let event = number();
                if let Some(found) = self.draft.events.get_mut(event) {
                    self.open = Some(event);
                    found.fields.push(DraftField::default());
                }
            }
            "remove-field" => {
                let (event, field) = (number(), number());
                self.open = Some(event);
                if let Some(found) = self.draft.events.get_mut(event)
                    && field < found.fields.len()
                {
                    found.fields.remove(field);
                }
            }
            "suggest" => self.suggest(services),
            "test" => self.test(principal, services, controller).await,
            "past" => self.try_on_the_past(principal, services).await,
            _ => {
                if let Some(spec) = self.checked(services) {
                    self.said.good = Some("The mapping is valid. It is not saved yet.".to_owned());
                    let doubts = doubts(&spec, services.directory.taxonomy());
                    if !doubts.is_empty() {
                        let messages: Vec<_> = doubts.into_iter().map(|doubt| doubt.message).collect();
                        self.said.bad = Some(messages.join(". "));
                    }
                }
            }
        }
    }

    fn suggest(&mut self, services: &Services) {
        let region = (!self.draft.region.is_empty()).then_some(self.draft.region.as_str());
        let suggestion = match suggest(services.directory.taxonomy(), &self.sample, region) {
            Ok(found) if found.fields.is_empty() && found.event.is_none() => {
                Err("has no field to map: paste an event with its data".to_owned())
            }
            found => found,
        };
        match suggestion {
            Err(error) => {
                self.faults = Faults::new([("/sample", error.as_str())]);
                self.said.bad = Some("No suggestion is possible yet.".to_owned());
            }
            Ok(suggestion) => {
                let (event, added) = self.draft.add_suggestion(&suggestion, services.directory.taxonomy());
                self.open = Some(event);
                self.said.good = Some(found(&suggestion, added));
                if self.draft.events[event].fields.iter().any(|field| field.role == ASK) {
                    let ask = "The event may name several people. Choose the person at each such field.";
                    self.said.bad = Some(ask.to_owned());
                }
            }
        }
    }

    async fn try_on_the_past(&mut self, principal: &Principal, services: &Data<Services>) {
        let (Some(spec), Some(row)) = (self.checked(services), self.saved.clone()) else {
            return;
        };
        match past::run(principal, Data::clone(services), &row, &spec).await {
            Ok(past) => self.past = Some(past),
            Err(problem) => self.said.bad = Some(format!("The draft was not tried: {}.", problem.detail())),
        }
    }

    async fn test(&mut self, principal: &Principal, services: &Services, controller: Option<ControllerId>) {
        let Some(spec) = self.checked(services) else {
            return;
        };
        let Some(controller) = controller else {
            self.said.bad = Some("Choose the controller first.".to_owned());
            return;
        };
        match trial::run(
            principal,
            services,
            controller,
            self.saved.as_ref(),
            &spec,
            &self.sample,
        )
        .await
        {
            Ok(trial) => self.trial = Some(trial),
            Err(problem) => self.said.bad = Some(format!("The sample was not tried: {}.", problem.detail())),
        }
    }
}

/// Describes the fields found in a sample.
fn found(suggestion: &Suggestion, added: usize) -> String {
    let personal = suggestion
        .fields
        .iter()
        .filter(|field| field.category.is_some())
        .count();
    let fields = match (suggestion.fields.len(), added) {
        (0, _) => {
            return "The event is added. The sample has no other field than its name and time.".to_owned();
        }
        (1, 1) => "1 field found, a new one".to_owned(),
        (1, _) => "1 field found, already in the mapping".to_owned(),
        (all, 0) => format!("{all} fields found, none of them new"),
        (all, new) if all == new => format!("{all} fields found, all of them new"),
        (all, new) => format!("{all} fields found, {new} of them new"),
    };
    let personal = match personal {
        0 => "none looks like personal data".to_owned(),
        1 => "1 looks like personal data".to_owned(),
        many => format!("{many} look like personal data"),
    };
    let more = if suggestion.has_more {
        " The sample has more fields than fit."
    } else {
        ""
    };
    format!("{fields}; {personal}. Check each category, then enter the purpose of the processing.{more}")
}

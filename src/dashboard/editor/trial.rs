//! A draft tried on the sample, beside the live mapping.

use std::sync::Arc;

use actix_web::web::Bytes;
use conduit_actors::dry_run::{DryRun, Resolution};
use conduit_actors::envelope;
use conduit_actors::event::{Notice, Status};
use conduit_actors::extract::FieldTrace;
use conduit_actors::ids::{ControllerId, IntegrationId, SubjectId, Timestamp};
use conduit_actors::ingest::Refusal;
use conduit_actors::mapping::{IntegrationSpec, Mapping, ReceivedField};
use conduit_actors::personal::CredentialHash;
use conduit_actors::ports::{Credential, Directory as _, Integration};

use crate::app::drafts::with_mapping;
use crate::app::dry_runs::{self, masked};
use crate::app::{Error, Noun, Principal, Services};
use crate::code::Code;
use crate::dashboard::words::{Badge, short};
use crate::http::problem::Problem;
use crate::store::IntegrationRow;

/// Fields that the draft does not name and that are shown, at most.
const MAX_UNMAPPED: usize = 30;

/// The outcome that the sample would have.
pub(in crate::dashboard) struct Trial {
    pub(in crate::dashboard) draft: Verdict,
    /// Under the mapping that is in force; none for a new integration.
    pub(in crate::dashboard) live: Option<Verdict>,
    pub(in crate::dashboard) lines: Vec<FieldResult>,
    /// Fields of the sample that the draft does not map.
    pub(in crate::dashboard) unmapped: Vec<ReceivedField>,
}

pub(in crate::dashboard) struct Verdict {
    pub(in crate::dashboard) badge: Badge,
    pub(in crate::dashboard) reasons: Vec<Notice>,
    pub(in crate::dashboard) subject: String,
    pub(in crate::dashboard) categories: Vec<String>,
}

pub(in crate::dashboard) struct FieldResult {
    pub(in crate::dashboard) path: String,
    pub(in crate::dashboard) word: &'static str,
    pub(in crate::dashboard) class: &'static str,
    pub(in crate::dashboard) values: Vec<String>,
    pub(in crate::dashboard) category: String,
    pub(in crate::dashboard) said: Vec<String>,
}

/// Runs the sample under a draft, and under the saved mapping.
pub(super) async fn run(
    principal: &Principal,
    services: &Services,
    controller: ControllerId,
    saved: Option<&IntegrationRow>,
    spec: &IntegrationSpec,
    sample: &str,
) -> Result<Trial, Problem> {
    let body = whole(sample, spec)?;
    let in_force = saved.and_then(|row| services.directory.by_id(row.id));
    let integration = match &in_force {
        Some(saved) => under(services, saved, spec)?,
        None => Arc::new(unsaved(services, controller, spec)?),
    };
    let run = dry_runs::run(principal, services, &integration, body.clone()).await?;
    let live = match &in_force {
        Some(saved) => Some(verdict(&dry_runs::run(principal, services, saved, body).await?)),
        None => None,
    };
    Ok(Trial {
        draft: verdict(&run),
        live,
        unmapped: run
            .received
            .fields
            .into_iter()
            .filter(|field| !field.mapped)
            .take(MAX_UNMAPPED)
            .collect(),
        lines: run.fields.into_iter().map(line).collect(),
    })
}

/// Completes a sample. Many samples have no envelope, so missing parts are added. The rest stays as it was written,
/// because the endpoint would see it so.
fn whole(sample: &str, spec: &IntegrationSpec) -> Result<Bytes, Problem> {
    let first = spec.events.first().map(|event| event.name.as_str());
    let whole = envelope::completed(sample.as_bytes(), first, Timestamp::now());
    Ok(whole.map_err(Refusal::Envelope)?.into())
}

/// Returns the integration as it would be with this spec.
pub(super) fn under(
    services: &Services,
    saved: &Integration,
    spec: &IntegrationSpec,
) -> Result<Arc<Integration>, Problem> {
    let mapping = Mapping::compile(spec, services.directory.taxonomy(), services.directory.dedup_defaults())?;
    Ok(with_mapping(saved, mapping))
}

/// Returns the integration that would be created. It has no key, and no caller needs one.
fn unsaved(services: &Services, controller: ControllerId, spec: &IntegrationSpec) -> Result<Integration, Problem> {
    let mapping = Mapping::compile(spec, services.directory.taxonomy(), services.directory.dedup_defaults())?;
    let processor = spec.data_processor_id.as_deref().unwrap_or("new");
    Ok(Integration {
        id: IntegrationId::generate(),
        controller: services
            .directory
            .controller(controller)
            .ok_or(Error::NotFound(Noun::Controller))?,
        processor: processor
            .parse()
            .map_err(|_| Problem::bad_request(Code::DataProcessorIdInvalid, "the data processor id is not valid"))?,
        api_key: Credential {
            current: CredentialHash::from_bytes([0; 32]),
            previous: None,
        },
        mapping: Arc::new(mapping),
        version: 1,
    })
}

fn verdict(run: &DryRun) -> Verdict {
    let (status, reasons) = dry_runs::verdict(run);
    let did = |subject: &SubjectId| short(&subject.did().to_string());
    let word = |resolution: &Resolution| match resolution {
        Resolution::Nobody => "nobody: no linking identifier".to_owned(),
        Resolution::New => "a new data subject".to_owned(),
        Resolution::Known(known) => format!("known: {}", did(known)),
        Resolution::Merged { into, from } => format!("{} known ones, merged into {}", from.len() + 1, did(into)),
    };
    let subject = match &run.resolution {
        _ if matches!(status, Status::Rejected | Status::Failed) => "none: processing would end before".to_owned(),
        found => word(found.as_ref().unwrap_or(&Resolution::Nobody)),
    };
    let others = run.others.iter().map(|other| format!("; beside, {}", word(other)));
    Verdict {
        badge: Badge(status),
        reasons: reasons.to_vec(),
        subject: std::iter::once(subject).chain(others).collect(),
        categories: run.extracted.categories.iter().map(ToString::to_string).collect(),
    }
}

fn line(trace: FieldTrace) -> FieldResult {
    let found = &trace.extraction;
    let is_whole = trace.places > 0 && found.mapped.expose().len() == trace.places;
    let (word, class) = match (trace.places, is_whole, found.reasons.is_empty()) {
        (0, _, false) => ("missing", "rejected"),
        (0, ..) => ("not sent", "duplicate"),
        (_, true, _) => ("right", "processed"),
        (_, false, false) => ("wrong", "rejected"),
        (_, false, true) => ("left out", "rejected"),
    };
    FieldResult {
        word,
        class,
        values: found.values.iter().map(|value| masked(value.value.expose())).collect(),
        category: trace
            .category
            .map_or_else(String::new, |category| category.key.to_string()),
        said: found
            .reasons
            .iter()
            .chain(&found.warnings)
            .map(|notice| notice.message.clone())
            .collect(),
        path: trace.path,
    }
}

//! Custom integrations: one processor's events and field mappings at one controller.

use conduit_actors::ids::{ControllerDid, ControllerId, IntegrationId, ProcessorId, Timestamp};
use conduit_actors::mapping::{IntegrationSpec, Mapping};
use conduit_actors::personal::Secret;
use conduit_actors::ports::Credential;
use url::form_urlencoded::byte_serialize;
use uuid::Uuid;

use super::controllers::GracePeriod;
use super::{Error, Noun, Principal, Services, quota};
use crate::code::Code;
use crate::secrets::{Purpose, generate};
use crate::store::{IntegrationRow, IntegrationSize, Page};

/// Bytes of mappings in a page of a list, at most, unless one mapping alone has more.
const PAGE_BYTES: u64 = 4 << 20;

/// A page of integrations.
pub(crate) struct IntegrationPage {
    /// Newest first.
    pub(crate) rows: Vec<IntegrationRow>,
    /// The last integration of the page, if there are more behind it.
    pub(crate) more_after: Option<IntegrationId>,
}

fn check(services: &Services, spec: &IntegrationSpec) -> Result<(), Error> {
    let directory = &services.directory;
    Mapping::compile_new(spec, directory.taxonomy(), directory.dedup_defaults())?;
    Ok(())
}

/// Returns the address that an integration's events are sent to.
pub(crate) fn webhook_url(services: &Services, did: &ControllerDid, row: &IntegrationRow) -> String {
    let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    format!(
        "{}/api/v1/integrations/custom/event?did={}&dpid={}",
        services.public_url,
        // Colons need no escape in a query, and DIDs read better with them.
        encode(did.as_str()).replace("%3A", ":"),
        encode(row.processor.as_str()).replace("%3A", ":")
    )
}

/// Creates an integration. Returns its row and its API key, which nobody but the caller ever sees.
///
/// # Errors
/// The mapping has faults; the controller is over a limit; the processor id is taken or invalid; [`Error::NotFound`];
/// [`Error::Store`].
pub(crate) async fn create(
    principal: &Principal,
    services: &Services,
    (did, controller): (&ControllerDid, ControllerId),
    mut spec: IntegrationSpec,
) -> Result<(IntegrationRow, Secret), Error> {
    if !principal.sees(services, controller) {
        return Err(Error::NotFound(Noun::Controller));
    }
    check(services, &spec)?;
    let processor = spec
        .data_processor_id
        .get_or_insert_with(|| Uuid::now_v7().to_string())
        .clone();
    let processor: ProcessorId = processor
        .parse()
        .map_err(|_| Error::invalid(Code::DataProcessorIdInvalid, "dataProcessorId is not valid"))?;
    let key = generate(Purpose::ApiKey);
    let now = Timestamp::now();
    let row = IntegrationRow {
        id: IntegrationId::generate(),
        controller,
        processor,
        spec,
        version: 1,
        api_key: Credential {
            current: key.hash(),
            previous: None,
        },
        created_at: now,
        updated_at: now,
    };
    let turn = quota::admit(services, controller, None, &row.spec).await?;
    services.store.create_integration(&row).await?;
    drop(turn);
    services.directory.refresh(&*services.store, did).await?;
    tracing::info!(did = did.as_str(), integration = %row.id, "integration created");
    Ok((row, key))
}

/// Returns a page of the integrations of one controller, or of all that the principal may see.
///
/// # Errors
/// [`Error::NotFound`] if the filter reaches further than the principal may see; [`Error::Store`].
pub(crate) async fn list(
    principal: &Principal,
    services: &Services,
    controller: Option<ControllerId>,
    after: Option<IntegrationId>,
    limit: usize,
) -> Result<IntegrationPage, Error> {
    principal.check_filter(services, controller)?;
    let page = Page {
        after,
        // One more tells whether there are more.
        limit: limit.saturating_add(1),
    };
    let sizes = services.store.integration_sizes(controller, page).await?;
    let count = page_length(&sizes, limit);
    let more_after = (count < sizes.len()).then(|| sizes[count - 1].id);
    let ids: Vec<IntegrationId> = sizes[..count].iter().map(|size| size.id).collect();
    let mut rows = services.store.integrations_among(&ids).await?;
    rows.sort_unstable_by_key(|row| std::cmp::Reverse(row.id));
    Ok(IntegrationPage { rows, more_after })
}

/// Returns how many of these make a page.
fn page_length(sizes: &[IntegrationSize], limit: usize) -> usize {
    let mut bytes = 0_u64;
    let fitting = sizes.iter().take(limit).take_while(|size| {
        let is_first = bytes == 0;
        bytes = bytes.saturating_add(size.bytes);
        is_first || bytes <= PAGE_BYTES
    });
    fitting.count()
}

/// Returns an integration with its controller's DID.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Store`].
pub(crate) async fn load(
    principal: &Principal,
    services: &Services,
    id: &str,
) -> Result<(ControllerDid, IntegrationRow), Error> {
    let missing = || Error::NotFound(Noun::Integration);
    let id: IntegrationId = id.parse().map_err(|_| missing())?;
    let row = services
        .store
        .integration(id)
        .await?
        .filter(|row| principal.sees(services, row.controller))
        .ok_or_else(missing)?;
    Ok((services.directory.did(row.controller).ok_or_else(missing)?, row))
}

/// Returns the integration that an event came by. Returns `None` if it is gone.
///
/// # Errors
/// [`Error::Store`]
pub(crate) async fn find(
    principal: &Principal,
    services: &Services,
    id: IntegrationId,
) -> Result<Option<IntegrationRow>, Error> {
    let row = services.store.integration(id).await?;
    Ok(row.filter(|row| principal.sees(services, row.controller)))
}

/// Returns an integration as [`load`] does. If `did` is given, it must name the integration's controller.
///
/// # Errors
/// As [`load`]; `did` is invalid.
pub(crate) async fn load_named(
    principal: &Principal,
    services: &Services,
    id: &str,
    did: Option<&str>,
) -> Result<(ControllerDid, IntegrationRow), Error> {
    let named = principal.some(services, did)?;
    let (did, row) = load(principal, services, id).await?;
    if named.is_some_and(|(_, controller)| controller != row.controller) {
        return Err(Error::NotFound(Noun::Integration));
    }
    Ok((did, row))
}

/// Replaces an integration's spec. If `expected` is a version, the integration must still be at it. Returns the new row.
///
/// # Errors
/// The mapping has faults; the data processor is another; the controller is over a limit; the version is another;
/// [`Error::NotFound`]; [`Error::Store`].
pub(crate) async fn replace(
    principal: &Principal,
    services: &Services,
    (did, row): (&ControllerDid, &IntegrationRow),
    mut spec: IntegrationSpec,
    expected: Option<u64>,
) -> Result<IntegrationRow, Error> {
    owned(principal, services, row)?;
    check(services, &spec)?;
    if spec.data_processor_id.get_or_insert_with(|| row.processor.to_string()) != row.processor.as_str() {
        return Err(Error::ProcessorFixed);
    }
    let turn = quota::admit(services, row.controller, Some(row.id), &spec).await?;
    let row = services
        .store
        .replace_integration(row.id, expected, &spec, Timestamp::now())
        .await?;
    drop(turn);
    services.directory.refresh(&*services.store, did).await?;
    tracing::info!(did = did.as_str(), integration = %row.id, version = row.version, "integration replaced");
    Ok(row)
}

/// Deletes an integration: its URL answers 401 at once. If `expected` is a version, the integration must still be at it.
///
/// # Errors
/// The version is another; [`Error::NotFound`]; [`Error::Store`].
pub(crate) async fn delete(
    principal: &Principal,
    services: &Services,
    (did, row): (&ControllerDid, &IntegrationRow),
    expected: Option<u64>,
) -> Result<(), Error> {
    owned(principal, services, row)?;
    services.store.delete_integration(row.id, expected).await?;
    services.directory.refresh(&*services.store, did).await?;
    tracing::info!(did = did.as_str(), integration = %row.id, "integration deleted");
    Ok(())
}

/// Gives an integration a new API key. Returns the key, and when the previous one ends.
///
/// # Errors
/// The key was rotated meanwhile; [`Error::NotFound`]; [`Error::Store`].
pub(crate) async fn rotate_key(
    principal: &Principal,
    services: &Services,
    (did, row): (&ControllerDid, &IntegrationRow),
    grace: GracePeriod,
) -> Result<(Secret, Timestamp), Error> {
    owned(principal, services, row)?;
    let key = generate(Purpose::ApiKey);
    let (credential, until) = grace.rotate(&row.api_key, key.hash());
    services
        .store
        .set_api_key(row.id, row.api_key.current, &credential)
        .await?;
    services.directory.refresh(&*services.store, did).await?;
    tracing::info!(did = did.as_str(), integration = %row.id, previous_until = %until, "API key rotated");
    Ok((key, until))
}

/// Refuses an integration that the principal may not see.
pub(super) fn owned(principal: &Principal, services: &Services, row: &IntegrationRow) -> Result<(), Error> {
    if principal.sees(services, row.controller) {
        Ok(())
    } else {
        Err(Error::NotFound(Noun::Integration))
    }
}

//! Replays of rejected and failed events under the mapping as it stands now.

use conduit_actors::event::{Notice, Status};
use conduit_actors::ids::{ControllerId, EventId, EventType, ReplayId, Timestamp};
use conduit_actors::ports::ReplayJob;

use super::{Error, Noun, Principal, Refusal, Services, events};
use crate::code::Code;
use crate::jobs::replays;
use crate::store::{NewReplay, Page, REPLAYABLE, ReplayEstimate, ReplayFilter, ReplayRow, ReplayStatus};

/// Events that a filter may name, at most.
const MAX_EVENT_IDS: usize = 1_000;

/// Checks a filter.
///
/// # Errors
/// [`Error::Invalid`] with all its faults.
pub(crate) fn check(filter: &ReplayFilter) -> Result<(), Error> {
    let mut faults = Vec::new();
    let mut fault = |pointer, message: String| {
        faults.push(Notice::of_request(pointer, Code::FilterInvalid, message));
    };
    if filter.status.is_some_and(|status| !REPLAYABLE.contains(&status)) {
        fault(
            "/status",
            "must be rejected or failed: other events are not replayed".to_owned(),
        );
    }
    if let Some(Err(error)) = filter.event.as_ref().map(|event| event.parse::<EventType>()) {
        fault("/event", error.to_string());
    }
    if filter.event_ids.as_ref().is_some_and(|ids| ids.len() > MAX_EVENT_IDS) {
        let message = format!("must name no more than {MAX_EVENT_IDS} events: replay the others by another call");
        fault("/eventIds", message);
    }
    if matches!((filter.from, filter.to), (Some(from), Some(to)) if from >= to) {
        fault("/to", "must be later than from".to_owned());
    }
    match faults.first() {
        None => Ok(()),
        Some(first) => Err(Error::Invalid(Refusal {
            code: Code::FilterInvalid,
            detail: format!("{}: {}", first.field, first.message),
            faults,
        })),
    }
}

/// Returns what a replay would find.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Store`].
pub(crate) async fn estimate(
    principal: &Principal,
    services: &Services,
    controller: ControllerId,
    filter: &ReplayFilter,
) -> Result<ReplayEstimate, Error> {
    principal.check_filter(services, Some(controller))?;
    Ok(services.store.estimate_replay(controller, filter).await?)
}

/// Begins a replay of the events that a filter finds.
///
/// # Errors
/// The filter has faults; too many replays are running; [`Error::NotFound`]; [`Error::Store`].
pub(crate) async fn create(
    principal: &Principal,
    services: &Services,
    controller: ControllerId,
    filter: ReplayFilter,
) -> Result<ReplayRow, Error> {
    check(&filter)?;
    let estimate = estimate(principal, services, controller, &filter).await?;
    begin(services, controller, filter, estimate).await
}

async fn begin(
    services: &Services,
    controller: ControllerId,
    filter: ReplayFilter,
    estimate: ReplayEstimate,
) -> Result<ReplayRow, Error> {
    let replay = NewReplay {
        id: ReplayId::generate(),
        controller,
        filter,
        estimate,
        started_at: Timestamp::now(),
        lease: services.config.get().replay.lease(),
    };
    let row = services.store.create_replay(&replay).await?;
    if row.status == ReplayStatus::Running {
        let replay = row.id;
        services.backlogs.note_replay(ReplayJob { replay, controller });
    }
    Ok(row)
}

/// Begins a replay of one event. If `named` is a controller, the event must be its own.
///
/// # Errors
/// [`Error::NotReplayable`]; too many replays are running; [`Error::NotFound`]; [`Error::Store`].
pub(crate) async fn create_for_event(
    principal: &Principal,
    services: &Services,
    named: Option<ControllerId>,
    id: &str,
) -> Result<ReplayRow, Error> {
    let missing = || Error::NotFound(Noun::Event);
    let id: EventId = id.parse().map_err(|_| missing())?;
    let pending = events::is_pending(principal, services, id)?;
    let Some(row) = services.store.event(id).await? else {
        return Err(if pending { in_flight() } else { missing() });
    };
    if named.is_some_and(|controller| controller != row.controller) || !principal.sees(services, row.controller) {
        return Err(missing());
    }
    if !REPLAYABLE.contains(&row.status) {
        return Err(has_outcome(row.status));
    }
    let filter = ReplayFilter::only(id);
    let estimate = services.store.estimate_replay(row.controller, &filter).await?;
    if estimate.replayable == 0 {
        let now = services.store.event(id).await?.ok_or_else(missing)?;
        return Err(if REPLAYABLE.contains(&now.status) {
            payload_gone()
        } else {
            has_outcome(now.status)
        });
    }
    begin(services, row.controller, filter, estimate).await
}

fn in_flight() -> Error {
    Error::NotReplayable("the event is received and has no outcome yet: wait for it".to_owned())
}

fn has_outcome(status: Status) -> Error {
    let status = status.as_str();
    Error::NotReplayable(format!(
        "the event is {status}: only rejected and failed events are replayed"
    ))
}

fn payload_gone() -> Error {
    Error::NotReplayable("the event's payload is gone: send the event again".to_owned())
}

/// Returns the replays of one controller, or of all, newest first.
///
/// # Errors
/// [`Error::NotFound`] if the list reaches further than the principal may see; [`Error::Store`].
pub(crate) async fn list(
    principal: &Principal,
    services: &Services,
    controller: Option<ControllerId>,
    page: Page<ReplayId>,
) -> Result<Vec<ReplayRow>, Error> {
    principal.check_filter(services, controller)?;
    Ok(services.store.replays(controller, page).await?)
}

/// Returns a replay.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Store`].
pub(crate) async fn load(principal: &Principal, services: &Services, id: &str) -> Result<ReplayRow, Error> {
    let missing = || Error::NotFound(Noun::Replay);
    let id: ReplayId = id.parse().map_err(|_| missing())?;
    let row = services.store.replay(id).await?.ok_or_else(missing)?;
    if principal.sees(services, row.controller) {
        Ok(row)
    } else {
        Err(missing())
    }
}

/// Cancels a replay; the events that it replayed stay replayed. A replay that has ended stays as it is.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Store`].
pub(crate) async fn cancel(principal: &Principal, services: &Services, id: &str) -> Result<(), Error> {
    let row = load(principal, services, id).await?;
    replays::end(&*services.store, row.id, ReplayStatus::Cancelled).await?;
    Ok(())
}

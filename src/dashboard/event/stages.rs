//! The stages that an event has passed, as its page shows them.

use conduit_actors::event::Status;
use conduit_actors::ids::Timestamp;

use crate::app::events::Event as EventView;
use crate::dashboard::words::{Badge, Icon, Time, duration};

/// One line of an event's way.
pub(super) struct Stage {
    pub(super) word: &'static str,
    pub(super) meaning: String,
    pub(super) class: &'static str,
    pub(super) icon: Icon,
    pub(super) at: Option<Time>,
    /// How long it took; empty where nothing was at work.
    pub(super) took: String,
}

/// The replay that an event has its outcome from.
pub(super) struct Replayed {
    /// The time of its beginning. `None` if it is no longer known.
    pub(super) at: Option<Timestamp>,
    pub(super) mapping_version: Option<u64>,
}

/// Returns its stages, in order. An event in flight has its past stages, and waits. The later stages of a replayed
/// event are those of the replay, and count from it.
pub(super) fn stages(event: &EventView, replayed: Option<&Replayed>) -> Vec<Stage> {
    let times = &event.stages;
    let mut stages = vec![
        stage(
            "Received",
            "Both credentials and the envelope were valid.",
            "inbox",
            Some(event.received_at),
            None,
        ),
        stage(
            "Durable",
            "Sealed and synced in the journal, then answered with 200.",
            "shield",
            Some(times.journaled_at),
            Some(event.received_at),
        ),
    ];
    let mut before = Some(times.journaled_at);
    if let Some(replayed) = replayed {
        stages.push(replay(replayed));
        before = replayed.at;
    }
    let extracted = match event.status {
        Status::Rejected => "The event does not fit the mapping.",
        _ => "The mapping found the personal data.",
    };
    let resolved = "The data subject was found by keyed hashes.";
    for (word, meaning, icon, at) in [
        ("Extracted", extracted, "spark", times.extracted_at),
        ("Resolved", resolved, "subjects", times.resolved_at),
    ] {
        // An event that ended early has not passed the stages in between. An event in flight has not passed them yet.
        if at.is_some() {
            stages.push(stage(word, meaning, icon, at, before));
            before = at;
        }
    }
    stages.push(last(event, before));
    stages
}

fn stage(
    word: &'static str,
    meaning: impl Into<String>,
    icon: &'static str,
    at: Option<Timestamp>,
    before: Option<Timestamp>,
) -> Stage {
    let took = at
        .zip(before)
        .map(|(at, before)| duration(at.as_millis() - before.as_millis()));
    Stage {
        word,
        meaning: meaning.into(),
        class: if at.is_some() { "done" } else { "" },
        icon: Icon(icon),
        at: at.map(Time),
        took: took.map_or_else(String::new, |took| format!("+{took}")),
    }
}

/// Returns the stage of a replay. The time before it is the user's, not the pipeline's.
fn replay(replayed: &Replayed) -> Stage {
    let under = match replayed.mapping_version {
        Some(version) => format!("under version {version} of the mapping"),
        None => "under the mapping of that time".to_owned(),
    };
    let mut stage = stage(
        "Replayed",
        format!("Processed again from the kept payload, {under}."),
        "replay",
        replayed.at,
        None,
    );
    stage.class = "done";
    stage
}

/// Returns the stage of its outcome, or of its waiting while it is in flight.
fn last(event: &EventView, before: Option<Timestamp>) -> Stage {
    let meaning = match event.status {
        Status::Received => "Waits for the pipeline, which extracts personal data and resolves the data subject.",
        Status::Processed => "Its activity is in the log.",
        Status::Duplicate => "A repeat within the dedup window: dropped.",
        Status::Rejected => "The event does not fit the mapping. Its payload is kept sealed.",
        Status::Failed => "The event crashed the processing again and again. Its payload is kept sealed.",
    };
    let mut last = stage(
        Badge(event.status).word(),
        meaning,
        "check",
        event.stages.logged_at,
        before,
    );
    last.icon = Badge(event.status).icon();
    match event.status {
        Status::Rejected => last.class = "is-rejected",
        Status::Failed => last.class = "is-failed",
        _ => {}
    }
    last
}

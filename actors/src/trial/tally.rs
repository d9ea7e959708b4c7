//! The counts of a trial.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::comparison::{
    CategoryRow, Changes, Comparison, EventRow, FieldRow, NoticeRow, Sample, SampleSide, Statuses, Subjects,
};
use super::judged::{Side, TrialEvent};
use super::subject_change::SubjectChange;
use crate::event::{DedupKey, Status};
use crate::ids::{EventId, EventType};
use crate::ports::Claim;

/// Samples shown, at most.
const SAMPLES: usize = 50;

/// Rows of one kind shown, at most: those that differ most come first.
const ROWS: usize = 500;

/// How many events have something under either mapping.
#[derive(Debug, Default, Clone, Copy)]
struct Pair {
    live: u64,
    draft: u64,
}

type Counts<K> = BTreeMap<K, Pair>;
type NoticeKey = (EventType, String, String);
type FieldKey = (EventType, Arc<str>, Option<Arc<str>>);

/// The counts while events are examined.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// One run for each event, because repeats are found at the end.
    runs: Vec<Run>,
    events: BTreeMap<EventType, EventRow>,
    reasons: Counts<NoticeKey>,
    warnings: Counts<NoticeKey>,
    fields: Counts<FieldKey>,
    categories: Counts<Arc<str>>,
    subjects: Subjects,
    /// Samples with another status, and others, so far.
    samples: [usize; 2],
}

/// The part of an event that is kept until the end.
#[derive(Debug)]
struct Run {
    event: EventId,
    event_type: EventType,
    live: Outcome,
    draft: Outcome,
    sample: Option<Box<Sample>>,
}

#[derive(Debug, Clone, Copy)]
struct Outcome {
    status: Status,
    claim: Option<Claim>,
    duplicate_of: Option<EventId>,
}

impl Tally {
    pub(super) fn take(&mut self, judged: TrialEvent) {
        let event_type = judged.shown_event_type();
        let row = self.events.entry(event_type.clone()).or_insert_with(|| EventRow {
            event: event_type.clone(),
            examined: 0,
            live_knows: judged.live.knows_type,
            draft_knows: judged.draft.knows_type,
            live: Statuses::default(),
            draft: Statuses::default(),
        });
        row.examined += 1;
        self.side(&event_type, &judged.live, |pair| &mut pair.live);
        self.side(&event_type, &judged.draft, |pair| &mut pair.draft);
        let subject = judged.subject();
        *self.subjects.of(subject) += 1;
        let outcome = |side: &Side| Outcome {
            status: side.status,
            claim: side.claim,
            duplicate_of: None,
        };
        let event = judged.journaled.event.id;
        let (live, draft) = (outcome(&judged.live), outcome(&judged.draft));
        let sample = self.sample(&event_type, judged, subject);
        self.runs.push(Run {
            event,
            event_type,
            live,
            draft,
            sample,
        });
    }

    fn side(&mut self, event_type: &EventType, side: &Side, of: impl Fn(&mut Pair) -> &mut u64) {
        for (counts, notices) in [(&mut self.reasons, &side.reasons), (&mut self.warnings, &side.warnings)] {
            let each: BTreeSet<_> = notices
                .iter()
                .map(|notice| (any_element(&notice.field), &notice.code))
                .collect();
            for (field, code) in each {
                let pair = counts.entry((event_type.clone(), field, code.clone())).or_default();
                *of(pair) += 1;
            }
        }
        for (path, category) in &side.fields {
            let key = (event_type.clone(), Arc::clone(path), category.clone());
            *of(self.fields.entry(key).or_default()) += 1;
        }
        for category in &side.categories {
            *of(self.categories.entry(Arc::clone(category)).or_default()) += 1;
        }
    }

    /// Returns a sample, if there is a difference and there are not enough samples yet. Returns `None` otherwise.
    /// Statuses are filled in at the end.
    fn sample(&mut self, event_type: &EventType, judged: TrialEvent, subject: SubjectChange) -> Option<Box<Sample>> {
        let TrialEvent { journaled, live, draft } = judged;
        let is_alike = live.fields == draft.fields
            && live.claim == draft.claim
            && live.named == draft.named
            && matches!(subject, SubjectChange::Same | SubjectChange::Nobody);
        let kind = if live.status != draft.status {
            0
        } else if !is_alike {
            1
        } else {
            return None;
        };
        if self.samples[kind] == SAMPLES {
            return None;
        }
        self.samples[kind] += 1;
        let paths = |these: &Side, those: &Side| {
            let paths = these.fields.difference(&those.fields).map(|(path, _)| Arc::clone(path));
            paths.collect::<Vec<_>>()
        };
        let (fields_gained, fields_lost) = (paths(&draft, &live), paths(&live, &draft));
        let side = |side: Side| SampleSide {
            status: side.status,
            reasons: side.reasons,
            duplicate_of: None,
            subject: side.resolution,
            other_subjects: side.named,
        };
        let event = journaled.event.id;
        Some(Box::new(Sample {
            event_id: event,
            event: event_type.clone(),
            received_at: event.received_at(),
            fields_gained,
            fields_lost,
            live: side(live),
            draft: side(draft),
        }))
    }

    pub(super) fn finish(mut self) -> Comparison {
        self.runs.sort_unstable_by_key(|run| run.event);
        find_repeats(&mut self.runs, |run| &mut run.live);
        find_repeats(&mut self.runs, |run| &mut run.draft);
        let (mut live, mut draft, mut changes) = (Statuses::default(), Statuses::default(), Changes::default());
        for run in &self.runs {
            live.count(run.live.status);
            draft.count(run.draft.status);
            changes.count(run.live.status, run.draft.status);
            if let Some(row) = self.events.get_mut(&run.event_type) {
                row.live.count(run.live.status);
                row.draft.count(run.draft.status);
            }
        }
        let mut truncated = false;
        let notice = |((event, field, code), pair): (NoticeKey, Pair)| NoticeRow {
            event,
            field,
            code,
            live: pair.live,
            draft: pair.draft,
        };
        let field = |((event, path, category), pair): (FieldKey, Pair)| FieldRow {
            event,
            path,
            category,
            live: pair.live,
            draft: pair.draft,
        };
        let category = |(category, pair): (Arc<str>, Pair)| CategoryRow {
            category,
            live: pair.live,
            draft: pair.draft,
        };
        let mut events: Vec<_> = self.events.into_values().collect();
        events.sort_by_key(|row| std::cmp::Reverse(row.examined));
        truncated |= events.len() > ROWS;
        events.truncate(ROWS);
        Comparison {
            examined: self.runs.len() as u64,
            live,
            draft,
            changes,
            events,
            reasons: rows(self.reasons, &mut truncated, notice),
            warnings: rows(self.warnings, &mut truncated, notice),
            fields: rows(self.fields, &mut truncated, field),
            categories: rows(self.categories, &mut truncated, category),
            subjects: self.subjects,
            samples: samples(self.runs),
            truncated,
        }
    }
}

impl Statuses {
    const fn count(&mut self, status: Status) {
        match status {
            Status::Processed | Status::Received => self.processed += 1,
            Status::Duplicate => self.duplicate += 1,
            Status::Rejected => self.rejected += 1,
            Status::Failed => self.failed += 1,
        }
    }
}

impl Changes {
    fn count(&mut self, live: Status, draft: Status) {
        let changed = match draft {
            _ if live == draft => &mut self.unchanged,
            Status::Processed | Status::Received => &mut self.now_processed,
            Status::Duplicate => &mut self.now_duplicate,
            Status::Rejected => &mut self.now_rejected,
            Status::Failed => &mut self.now_failed,
        };
        *changed += 1;
    }
}

impl Subjects {
    const fn of(&mut self, change: SubjectChange) -> &mut u64 {
        match change {
            SubjectChange::Same => &mut self.same,
            SubjectChange::Other => &mut self.other,
            SubjectChange::New => &mut self.new,
            SubjectChange::Gained => &mut self.gained,
            SubjectChange::Lost => &mut self.lost,
            SubjectChange::WouldMerge => &mut self.would_merge,
            SubjectChange::Nobody => &mut self.nobody,
        }
    }
}

/// Tells repeats, oldest event first: the first with a key holds it for its window, between receive times.
fn find_repeats(runs: &mut [Run], of: impl Fn(&mut Run) -> &mut Outcome) {
    let mut held: HashMap<DedupKey, Claim> = HashMap::new();
    for run in runs {
        let outcome = of(run);
        let Some(claim) = outcome.claim else { continue };
        match held.get(&claim.key).filter(|first| covers(first, claim.event)) {
            Some(first) => (outcome.status, outcome.duplicate_of) = (Status::Duplicate, Some(first.event)),
            None => drop(held.insert(claim.key, claim)),
        }
    }
}

fn covers(first: &Claim, event: EventId) -> bool {
    let millis = |event: EventId| event.received_at().as_millis();
    u128::from(millis(first.event).abs_diff(millis(event))) < first.window.as_millis()
}

/// Returns rows with the largest difference first.
fn rows<K: Ord, R>(counts: Counts<K>, truncated: &mut bool, row: impl Fn((K, Pair)) -> R) -> Vec<R> {
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, pair)| std::cmp::Reverse(pair.live.abs_diff(pair.draft)));
    *truncated |= counts.len() > ROWS;
    counts.truncate(ROWS);
    counts.into_iter().map(row).collect()
}

/// Returns events with another status, newest first, followed by events with other differences.
fn samples(runs: Vec<Run>) -> Vec<Sample> {
    let (changed, alike): (Vec<Run>, Vec<Run>) = runs
        .into_iter()
        .rev()
        .partition(|run| run.live.status != run.draft.status);
    let others = alike.into_iter().filter(|run| run.sample.is_some());
    changed
        .into_iter()
        .chain(others)
        .take(SAMPLES)
        .map(Run::into_sample)
        .collect()
}

impl Run {
    /// Makes a sample of a run without one. Only its repeats, or its first event, can have changed its status.
    fn into_sample(self) -> Sample {
        let side = |outcome: Outcome| SampleSide {
            status: outcome.status,
            reasons: Vec::new(),
            duplicate_of: outcome.duplicate_of,
            subject: None,
            other_subjects: Vec::new(),
        };
        let (live, draft) = (side(self.live), side(self.draft));
        match self.sample {
            Some(mut sample) => {
                for (shown, outcome) in [(&mut sample.live, self.live), (&mut sample.draft, self.draft)] {
                    (shown.status, shown.duplicate_of) = (outcome.status, outcome.duplicate_of);
                }
                *sample
            }
            None => Sample {
                event_id: self.event,
                event: self.event_type,
                received_at: self.event.received_at(),
                fields_gained: Vec::new(),
                fields_lost: Vec::new(),
                live,
                draft,
            },
        }
    }
}

/// Returns a pointer with `*` for each number in it, so that the elements of an array count together.
fn any_element(pointer: &str) -> String {
    let is_number = |step: &str| !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_digit());
    let steps: Vec<_> = pointer
        .split('/')
        .map(|step| if is_number(step) { "*" } else { step })
        .collect();
    steps.join("/")
}

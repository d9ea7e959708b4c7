//! The fence around a stage: a panic becomes a value, and says where, but not what.

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::panic::{self, AssertUnwindSafe};

use futures_util::FutureExt as _;

use crate::log_limit::{LogLimit, MINUTE};

thread_local! {
    /// Where this thread's last panic happened: the hook knows it, the payload does not.
    static LAST_PANIC: Cell<Option<String>> = const { Cell::new(None) };
}

/// Why a stage panicked, fit for a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PanicCause(String);

impl fmt::Display for PanicCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

static PANICS: LogLimit = LogLimit::new(60, MINUTE);

/// Replaces the process's panic hook by one that prints where a panic happened and its text only if that
/// is a literal. The standard hook prints any text, and a text made by `unwrap` shows the value, which may be
/// personal data. Call once, at start.
pub fn install_panic_hook() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(|at| format!("{}:{}", short(at.file()), at.line()));
        if let Some(line) = PANICS.admit() {
            let cause = describe(place.clone(), info.payload());
            tracing::error!(target: "conduit::panic", %cause, left_out = line.left_out(), "panic");
        }
        LAST_PANIC.set(place);
    }));
}

/// Returns the last parts of a source file's path: the place of the build is private.
fn short(file: &str) -> &str {
    file.rmatch_indices('/').nth(3).map_or(file, |(at, _)| &file[at + 1..])
}

fn describe(place: Option<String>, payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&'static str>()
        .copied()
        .unwrap_or("(text withheld)");
    match place {
        Some(place) => format!("{text} at {place}"),
        None => text.to_owned(),
    }
}

/// Runs a future to its end or to its panic.
///
/// # Errors
/// The panic's cause. Borrowed values may be half changed: drop them.
pub(crate) async fn fence<T>(work: impl Future<Output = T>) -> Result<T, PanicCause> {
    AssertUnwindSafe(work)
        .catch_unwind()
        .await
        .map_err(|payload| PanicCause(describe(LAST_PANIC.take(), payload.as_ref())))
}

/// Runs a function as [`fence`] runs a future.
pub(crate) fn fence_call<T>(work: impl FnOnce() -> T) -> Result<T, PanicCause> {
    panic::catch_unwind(AssertUnwindSafe(work))
        .map_err(|payload| PanicCause(describe(LAST_PANIC.take(), payload.as_ref())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_formatted_text_is_withheld_and_a_literal_is_shown() {
        let value = "a@b.example";
        let cause = fence_call(|| panic!("cannot handle {value}")).unwrap_err().to_string();
        assert!(!cause.contains(value), "{cause}");
        let cause = fence_call(|| panic!("a literal")).unwrap_err().to_string();
        assert!(cause.contains("a literal"), "{cause}");
    }
}

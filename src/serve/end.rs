//! The end of the process where it is.

/// Logs what happened and ends the process where it is.
pub(super) fn end(what: &str) {
    tracing::error!("{what}");
    // Nothing may run on that could acknowledge an event: not even destructors.
    #[allow(clippy::disallowed_methods)]
    std::process::exit(1);
}

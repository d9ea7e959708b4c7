//! The signals that end a command with a server of its own: Ctrl-C, SIGTERM, SIGQUIT, and SIGHUP from a terminal that is
//! closed. The command then ends its server and removes its data. Other signals end nothing.

use std::fs;
use std::io;

use crate::serve::{self, Hangups, Signals};

/// See the module's docs.
pub(super) struct Stop {
    signals: Signals,
    hangups: Hangups,
    /// Started by nohup: the command goes on without a terminal.
    outlives_terminal: bool,
}

impl Stop {
    /// Listens from now on. Call it in a runtime, before anything is made that must be removed.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn listen() -> io::Result<Self> {
        // Before the handlers are in place.
        let outlives_terminal = is_hangup_ignored();
        Ok(Self {
            hangups: serve::withstand_signals()?,
            signals: Signals::listen()?,
            outlives_terminal,
        })
    }

    /// Waits for one of them.
    pub(super) async fn came(&mut self) {
        tokio::select! {
            _ = self.signals.next() => {}
            () = self.hangups.next(), if !self.outlives_terminal => {}
        }
    }
}

fn is_hangup_ignored() -> bool {
    fs::read_to_string("/proc/self/status").is_ok_and(|status| is_hangup_in(&status))
}

/// Returns whether SIGHUP, the first signal, is among the ignored ones of a process.
fn is_hangup_in(status: &str) -> bool {
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nohup_is_noticed() {
        assert!(is_hangup_in("Name:\tconduit\nSigIgn:\t0000000000001001\n"));
        assert!(!is_hangup_in("Name:\tconduit\nSigIgn:\t0000000000001000\n"));
        assert!(!is_hangup_in(""));
    }
}

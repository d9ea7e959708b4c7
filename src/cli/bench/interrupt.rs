//! Ctrl-C and SIGTERM: the run ends early, so that its own server is ended and removed.

use std::sync::atomic::{AtomicBool, Ordering};

static CAME: AtomicBool = AtomicBool::new(false);

/// Returns whether an interrupt came.
pub(super) fn came() -> bool {
    CAME.load(Ordering::Relaxed)
}

/// Notes them from now on. Where that cannot be done they end the program, as they do otherwise.
pub(super) fn watch() {
    let work = || {
        actix_web::rt::System::new().block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            let (Ok(mut interrupt), Ok(mut terminate)) =
                (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
            else {
                return;
            };
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            CAME.store(true, Ordering::Relaxed);
        });
    };
    // It ends with the program.
    drop(std::thread::Builder::new().name("bench-signals".to_owned()).spawn(work));
}

//! Ctrl-C and SIGTERM: the run ends early, so that its own server is ended and removed.

use std::sync::atomic::{AtomicBool, Ordering};

static CAME: AtomicBool = AtomicBool::new(false);

/// Returns whether an interrupt came.
pub(super) fn came() -> bool {
    CAME.load(Ordering::Relaxed)
}

/// Notes interrupts from now on. Where that cannot be done, an interrupt ends the program, as it does otherwise.
pub(super) fn watch() {
    let (note, noting) = std::sync::mpsc::channel();
    let work = move || {
        actix_web::rt::System::new().block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            let (Ok(mut interrupt), Ok(mut terminate)) =
                (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
            else {
                return;
            };
            // The channel is open as long as `watch` waits.
            let _ = note.send(());
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            CAME.store(true, Ordering::Relaxed);
        });
    };
    // The thread ends with the program.
    let thread = std::thread::Builder::new().name("bench-signals".to_owned()).spawn(work);
    if thread.is_ok() {
        // An interrupt that came before the thread listens would end the program, and leave its server's data behind.
        let _ = noting.recv();
    }
}

//! Ctrl-C and other signals that end the run early, so that its own server is ended and removed.

use std::sync::atomic::{AtomicBool, Ordering};

use super::super::stop::Stop;

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
            let Ok(mut stop) = Stop::listen() else {
                return;
            };
            // The channel is open as long as `watch` waits.
            let _ = note.send(());
            stop.came().await;
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

//! Which threads give way when there are fewer cores than work.
//!
//! Senders wait for their answer; nobody waits for the pipeline. Its threads, and the one that writes the database,
//! run at a lower priority, so that a burst is accepted first and worked off behind it. With cores to spare, or no more
//! arriving than the pipeline can take, it makes no difference.

/// As `nice` counts: 0 is normal, 19 the least.
const BACK_NICENESS: i32 = 10;

/// Lowers the calling thread's priority, and that of the threads that it will start. Linux keeps it per thread.
pub fn lower() {
    if cfg!(target_os = "linux")
        && let Err(error) = rustix::process::setpriority_process(None, BACK_NICENESS)
    {
        tracing::debug!(%error, "a thread's priority cannot be lowered");
    }
}

/// Lowers the priority of this process's threads that have this name. For threads that a library starts: its callers have
/// other priorities.
pub fn lower_named(name: &str) {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else {
        return;
    };
    for task in tasks.flatten() {
        let found = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        let id = task.file_name().to_str().and_then(|id| id.parse().ok());
        if found.trim_end() == name
            && let Some(thread) = id.and_then(rustix::process::Pid::from_raw)
            && let Err(error) = rustix::process::setpriority_process(Some(thread), BACK_NICENESS)
        {
            tracing::debug!(%error, name, "a thread's priority cannot be lowered");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_thread_is_found_by_its_name_and_others_keep_their_priority() {
        let (tell, told) = std::sync::mpsc::channel::<()>();
        let (tell_started, started) = std::sync::mpsc::channel::<()>();
        let named = std::thread::Builder::new().name("to-be-lowered".to_owned());
        let thread = named.spawn(move || {
            // A thread has its name from here on.
            drop(tell_started);
            let _ = told.recv();
            rustix::process::getpriority_process(None)
        });
        let _ = started.recv();
        lower_named("to-be-lowered");
        drop(tell);
        let niceness = thread.unwrap().join().unwrap().unwrap();
        assert!(niceness >= BACK_NICENESS, "{niceness}");
    }
}

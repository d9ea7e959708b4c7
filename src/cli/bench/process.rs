//! The processor time and the memory of a process, as Linux tells them in `/proc`.

use std::fs;

use super::population::float;

/// Ticks in a second of processor time. The kernel's interface has always had this number.
const TICKS: f64 = 100.0;

/// The use of a process so far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Usage {
    pub(super) cpu_seconds: f64,
    /// Resident memory.
    pub(super) memory_bytes: u64,
}

/// Returns the use of a process. Returns `None` if there is none with this id, or the system has no `/proc`.
pub(super) fn usage(pid: u32) -> Option<Usage> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    parsed(&stat, &status)
}

fn parsed(stat: &str, status: &str) -> Option<Usage> {
    // The name in parentheses may contain spaces and parentheses.
    let (_, fields) = stat.rsplit_once(") ")?;
    let ticks = |field: usize| fields.split(' ').nth(field)?.parse::<u64>().ok();
    // Fields 14 and 15: in user mode and in the kernel.
    let cpu_seconds = float(ticks(11)? + ticks(12)?) / TICKS;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(Usage {
        cpu_seconds,
        memory_bytes: kibibytes * 1024,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_memory_are_read_behind_any_name() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194304 9 0 0 0 150 50 0 0 20 0 8 0 12 13 14\n";
        let status = "Name:\ta\nVmHWM:\t  300 kB\nVmRSS:\t   200 kB\n";
        let usage = parsed(stat, status).unwrap();
        assert_eq!((usage.cpu_seconds, usage.memory_bytes), (2.0, 200 * 1024));
        assert_eq!(parsed("42 (a)", status), None);
        assert_eq!(parsed(stat, "Name:\ta\n"), None);
    }

    #[test]
    fn a_process_that_is_not_there_has_no_usage() {
        assert_eq!(usage(u32::MAX), None);
    }
}

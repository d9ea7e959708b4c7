//! Numbers and their ranges.

/// Notes a value that is out of its range.
pub(super) fn range(wrong: &mut Vec<String>, key: &str, value: u64, least: u64, most: u64) {
    if !(least..=most).contains(&value) {
        wrong.push(format!("{key} is {value}, but must be {least} to {most}"));
    }
}

/// Returns `count`, or the number of cores if it is 0.
#[must_use]
pub fn or_cores(count: usize) -> usize {
    if count > 0 {
        count
    } else {
        std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
    }
}

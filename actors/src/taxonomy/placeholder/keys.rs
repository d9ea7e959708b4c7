//! Keys that stand side by side, as people type them who give no value.

/// The rows, in both directions, of the keyboards QWERTY, QWERTZ and AZERTY, the digits, and the alphabet.
const ROWS: [&str; 16] = [
    "qwertyuiop",
    "qwertzuiop",
    "azertyuiop",
    "asdfghjkl",
    "qsdfghjklm",
    "zxcvbnm",
    "yxcvbnm",
    "1234567890",
    "0123456789",
    "abcdefghijklmnopqrstuvwxyz",
    "йцукенгшщзхъ",
    "poiuytrewq",
    "lkjhgfdsa",
    "mnbvcxz",
    "0987654321",
    "987654321",
];
/// The least keys of a run.
const RUN: usize = 3;

/// Returns whether it is the beginning of a row, once or twice: `qwe`, `asdasd`, `1234`.
pub(super) fn is_run(text: &str) -> bool {
    let is_start = |text: &str| text.chars().count() >= RUN && ROWS.iter().any(|row| row.starts_with(text));
    if is_start(text) {
        return true;
    }
    let (first, second) = text.split_at_checked(text.len() / 2).unwrap_or_default();
    first == second && is_start(first)
}

//! The name that was meant: for settings and variables that do not exist.

/// Returns the known name that is nearest to `name`, if one is near enough to be the one that was meant.
pub(super) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = match name.len() {
        0..4 => 0,
        4..6 => 1,
        6..20 => 2,
        _ => 3,
    };
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_hand_is_near_and_another_word_is_not() {
        let known = ["listen", "public_url", "workers"];
        for (name, expected) in [
            ("listn", Some("listen")),
            ("lsiten", Some("listen")),
            ("publik_url", Some("public_url")),
            ("worker", Some("workers")),
            ("port", None),
            ("threads", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, known), expected, "{name}");
        }
    }
}

//! URLs of Redis, as they may be shown.

/// Returns a URL without its passwords, for printing.
#[must_use]
pub fn redacted(url: &str) -> String {
    const SENTINELS: &str = "sentinel_password=";
    let (scheme, rest) = url.split_once("://").map_or(("", url), |(scheme, rest)| (scheme, rest));
    let shown = match rest.rsplit_once('@') {
        // An @ that should have been written as %40 hides where the password ends.
        Some((credentials, _)) if credentials.contains(SENTINELS) => return format!("{scheme}://(redacted)"),
        Some((credentials, rest)) => {
            let user = credentials.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}:(redacted)@{rest}")
        }
        None => url.to_owned(),
    };
    match shown.split_once(SENTINELS) {
        Some((before, after)) => {
            let rest = after.find('&').map_or("", |end| &after[end..]);
            format!("{before}{SENTINELS}(redacted){rest}")
        }
        None => shown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        assert_eq!(redacted("redis://ada:sec@ret@host/1"), "redis://ada:(redacted)@host/1");
        assert_eq!(
            redacted("rediss+cluster://:secret@a,b"),
            "rediss+cluster://:(redacted)@a,b"
        );
        assert_eq!(redacted("redis://host"), "redis://host");
        let sentinel = "redis+sentinel://ada:secret@a/main?sentinel_password=secret&sentinel_username=w";
        let shown = "redis+sentinel://ada:(redacted)@a/main?sentinel_password=(redacted)&sentinel_username=w";
        assert_eq!(redacted(sentinel), shown);
        assert!(!redacted("redis+sentinel://a/main?sentinel_password=sec@ret").contains("sec"));
    }
}

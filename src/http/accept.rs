//! The format that a client accepts for a list: a page in JSON, or an export of all of it (RFC 9110, section 12.5.1).

use actix_web::HttpRequest;
use actix_web::http::header::ACCEPT;

/// How a list is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// A page.
    Json,
    /// All of it, an item a line.
    Ndjson,
    /// All of it, an item a line, as RFC 4180.
    Csv,
}

/// In the order of our preference, each with the types that it goes by.
const OFFERED: [(Format, &[&str]); 3] = [
    (Format::Json, &["application/json"]),
    (Format::Ndjson, &["application/x-ndjson", "application/ndjson"]),
    (Format::Csv, &["text/csv"]),
];

/// One media range of an Accept header.
struct Range<'a> {
    kind: &'a str,
    subtype: &'a str,
    /// Thousandths, 0 to 1,000.
    quality: u32,
}

impl<'a> Range<'a> {
    /// Parses a range. Returns `None` for malformed text, which is then ignored.
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let (kind, subtype) = parts.next()?.split_once('/')?;
        let mut quality = 1_000;
        for parameter in parts {
            if let Some((name, value)) = parameter.split_once('=')
                && name.trim().eq_ignore_ascii_case("q")
            {
                quality = thousandths(value.trim())?;
            }
        }
        Some(Self { kind, subtype, quality })
    }

    /// Returns how exactly this range means the type. Returns `None` if it does not match.
    fn specificity(&self, offered: &str) -> Option<u8> {
        let (kind, subtype) = offered.split_once('/')?;
        match (self.kind, self.subtype) {
            ("*", "*") => Some(0),
            (asked, "*") if asked.eq_ignore_ascii_case(kind) => Some(1),
            (asked, of) if asked.eq_ignore_ascii_case(kind) && of.eq_ignore_ascii_case(subtype) => Some(2),
            _ => None,
        }
    }
}

/// Parses a qvalue, 0 to 1 with at most three decimals, as thousandths. Returns `None` for other text.
fn thousandths(text: &str) -> Option<u32> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if !matches!(whole, "0" | "1") || decimals.len() > 3 || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value = format!("{whole}{decimals:0<3}").parse().ok()?;
    (value <= 1_000).then_some(value)
}

impl Format {
    /// Returns the accepted format. It is JSON if the request names no format or no available one, because all other
    /// calls also answer JSON in every case.
    pub(crate) fn of(request: &HttpRequest) -> Self {
        let headers = request.headers().get_all(ACCEPT);
        let texts: Vec<&str> = headers.filter_map(|value| value.to_str().ok()).collect();
        Self::among(&texts.join(","))
    }

    fn among(accept: &str) -> Self {
        let ranges: Vec<Range<'_>> = accept.split(',').filter_map(Range::parse).collect();
        let wish = |names: &[&str]| {
            // The most specific range that means it has the say.
            let meant = ranges.iter().flat_map(|range| {
                let meant = names.iter().filter_map(|name| range.specificity(name));
                meant.map(|specificity| (specificity, range.quality))
            });
            let (specificity, quality) = meant.max()?;
            (quality > 0).then_some((quality, specificity))
        };
        // The first of equal ones.
        let mut best = (None, Self::Json);
        for (format, names) in OFFERED {
            let wish = wish(names);
            if wish > best.0 {
                best = (wish, format);
            }
        }
        best.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_the_one_that_is_wanted_most() {
        for (accept, format) in [
            ("", Format::Json),
            ("*/*", Format::Json),
            ("text/csv", Format::Csv),
            ("Text/CSV; charset=utf-8", Format::Csv),
            ("text/*", Format::Csv),
            ("application/x-ndjson", Format::Ndjson),
            ("application/ndjson", Format::Ndjson),
            ("application/*", Format::Json),
            ("application/json, text/plain, */*", Format::Json),
            // A named type is preferred to one that is only accepted.
            ("text/csv, */*", Format::Csv),
            ("text/csv;q=0.5, */*;q=0.1", Format::Csv),
            ("text/csv;q=0.1, */*;q=0.5", Format::Json),
            (
                "application/x-ndjson;q=0.9, text/csv;q=0.95, application/json;q=0.1",
                Format::Csv,
            ),
            ("text/csv;q=0, */*", Format::Json),
            ("application/json;q=0, */*;q=0.2", Format::Ndjson),
            ("text/csv; q=1.001, application/x-ndjson;Q=0.001", Format::Ndjson),
            ("text/csv;q=high", Format::Json),
            ("text/html, application/xml", Format::Json),
            ("nonsense, ;;, /", Format::Json),
        ] {
            assert_eq!(Format::among(accept), format, "{accept}");
        }
    }

    #[test]
    fn a_quality_is_0_to_1_with_three_decimals() {
        for (text, value) in [
            ("0", 0),
            ("1", 1_000),
            ("1.", 1_000),
            ("0.5", 500),
            ("0.025", 25),
            ("1.000", 1_000),
        ] {
            assert_eq!(thousandths(text), Some(value), "{text}");
        }
        for bad in ["", "2", "1.1", "0.1234", "-0", ".5", "0.x", "00"] {
            assert_eq!(thousandths(bad), None, "{bad}");
        }
    }
}

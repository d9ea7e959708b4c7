//! Words and pictures that pages share: statuses, icons, times, numbers. Implementations of [`HtmlSafe`] escape their
//! content.

use std::fmt;

use askama::filters::HtmlSafe;
use conduit_actors::event::{LegalBasis, Status};
use conduit_actors::ids::Timestamp;
use conduit_actors::taxonomy::{Class, Special};

use crate::counts::thousands;

/// A drawing of 16 by 16, in the colour of the text around it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Icon(pub(super) &'static str);

impl Icon {
    fn path(self) -> &'static str {
        match self.0 {
            "overview" => "M2.5 13.5V9m3.7 4.5V3m3.7 10.5V6.5m3.6 7V10",
            "events" => "M1.5 8h3l2-5 3 10 2-5h3",
            "integrations" => "M6 2.5v3m4-3v3M4 5.5h8V8a4 4 0 0 1-8 0zM8 12v2.5",
            "subjects" => "M8 8a2.75 2.75 0 1 0 0-5.5A2.75 2.75 0 0 0 8 8zm-5.2 6c.5-2.6 2.4-4 5.2-4s4.7 1.4 5.2 4",
            "activities" => "M3 1.5h7l3 3v10H3zM5.5 7.5h5m-5 3h5",
            "supervision" => "M2 2.5h4.5V7H2zm7.5 6.5H14v4.5H9.500zM6.5 4.750h5.250V9M4.250 7v4.250H9.500",
            "controllers" => {
                "M3 14V2.500h6V14m0-7.500h4V14M1.500 14h13M5.250 5.500h1.500m-1.500 2.750h1.500m-1.500 2.750h1.500"
            }
            "check" => "M3 8.500l3.500 3.500L13 4.500",
            "copy" => "M5.500 5.500h8v8h-8zM10.500 5.500v-3h-8v8h3",
            "reject" => "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2zM3.800 3.800l8.400 8.400",
            "alert" => "M8 2.200l6.300 11.300H1.700zM8 6.500v3.200M8 11.400v.300",
            "clock" => "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2zm0 2.800v3.400l2.200 1.300",
            "inbox" => "M2.500 9h3l1 2h3l1-2h3M4 3h8l1.500 6v4.500h-11V9z",
            "menu" => "M2.500 4.500h11m-11 3.500h11m-11 3.500h11",
            "key" => "M10.200 9.300a3.600 3.600 0 1 0-3.500-3.500L2 10.500V14h3.200v-2h2V10zM11 5v.100",
            "trash" => "M2.500 4.500h11M6 4.500v-2h4v2m-6 0l.600 9h6.800l.600-9M6.700 7v4m2.600-4v4",
            "plus" => "M8 3v10M3 8h10",
            "pause" => "M5.500 3.500v9m5-9v9",
            "play" => "M5 3l7.500 5L5 13z",
            "arrow" => "M3 8h10M9 4l4 4-4 4",
            "shield" => {
                "M8 1.800l5 1.900v4c0 3.100-2 5.300-5 6.500-3-1.200-5-3.400-5-6.500v-4zM5.700 8l1.700 1.700 3-3.300"
            }
            "out" => "M6.500 2.500H3v11h3.500M7 8h7m-3-3l3 3-3 3",
            "sun" => {
                "M8 5.200a2.800 2.800 0 1 0 0 5.600 2.800 2.800 0 0 0 0-5.600zM8 1.500v1.300m0 10.400v1.300M1.500 8h1.300m10.400 0h1.300M3.400 3.400l.9.9m7.400 7.400l.9.9m0-9.200l-.9.9m-7.400 7.400l-.9.9"
            }
            "moon" => "M13.300 9.700A5.800 5.800 0 0 1 6.300 2.700a5.800 5.800 0 1 0 7 7z",
            "screen" => "M1.800 3h12.400v8H1.800zM5.500 13.500h5M8 11v2.500",
            "spark" => "M8 1.800l1.500 4.700L14.200 8l-4.700 1.500L8 14.200 6.500 9.500 1.800 8l4.700-1.500z",
            "link" => {
                "M6.700 9.300a2.600 2.600 0 0 0 3.700 0l2.300-2.300a2.600 2.600 0 0 0-3.700-3.700l-.8.8m1.100 2.600a2.600 2.600 0 0 0-3.700 0L3.300 9a2.600 2.600 0 0 0 3.700 3.700l.8-.8"
            }
            "download" => "M8 2v8m-3.300-3.200L8 10l3.300-3.200M2.500 13.500h11",
            "replay" => "M13 8a5 5 0 1 1-1.600-3.700M13 2v3h-3",
            _ => "",
        }
    }
}

impl fmt::Display for Icon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "<svg class=\"icon\" viewBox=\"0 0 16 16\" aria-hidden=\"true\" focusable=\"false\"><path d=\"{}\"/></svg>",
            self.path()
        )
    }
}

impl HtmlSafe for Icon {}

/// An outcome: an icon, a word, and a colour for those who see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Badge(pub(super) Status);

impl Badge {
    pub(super) const fn word(self) -> &'static str {
        match self.0 {
            Status::Received => "In flight",
            Status::Processed => "Processed",
            Status::Duplicate => "Duplicate",
            Status::Rejected => "Rejected",
            Status::Failed => "Failed",
        }
    }

    pub(super) const fn icon(self) -> Icon {
        Icon(match self.0 {
            Status::Received => "clock",
            Status::Processed => "check",
            Status::Duplicate => "copy",
            Status::Rejected => "reject",
            Status::Failed => "alert",
        })
    }
}

impl fmt::Display for Badge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (class, icon, word) = (self.0.as_str(), self.icon(), self.word());
        write!(f, "<span class=\"badge is-{class}\">{icon}{word}</span>")
    }
}

impl HtmlSafe for Badge {}

/// A moment, in UTC: the zone in which lists are filtered. The script adds the reader's local time as a hint.
#[derive(Debug, Clone, Copy)]
pub(super) struct Time(pub(super) Timestamp);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        let (date, time) = text.split_once('T').unwrap_or((&text, ""));
        let seconds = time.get(..8).unwrap_or(time);
        write!(
            f,
            "<time datetime=\"{text}\" title=\"{date} {seconds} UTC\">{date} {seconds} UTC</time>"
        )
    }
}

impl HtmlSafe for Time {}

/// A moment without the year and the seconds, which a chart does not need.
#[derive(Debug, Clone, Copy)]
pub(super) struct Brief(pub(super) Timestamp);

impl fmt::Display for Brief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        let (day, time) = (
            text.get(5..10).unwrap_or_default(),
            text.get(11..16).unwrap_or_default(),
        );
        write!(f, "<time datetime=\"{text}\">{day} {time} UTC</time>")
    }
}

impl HtmlSafe for Brief {}

/// A number with separated thousands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Number(pub(super) u64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&thousands(self.0))
    }
}

impl HtmlSafe for Number {}

/// Returns a duration, in one or two units.
pub(super) fn duration(millis: i64) -> String {
    let millis = millis.max(0);
    let seconds = millis / 1000;
    match seconds {
        0 => format!("{millis} ms"),
        1..10 => format!("{}.{} s", seconds, millis % 1000 / 100),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// Returns bytes in a suitable unit.
#[allow(clippy::cast_precision_loss)] // For people.
pub(super) fn bytes(count: u64) -> String {
    match count {
        0..1024 => format!("{count} B"),
        1024..1_048_576 => format!("{:.1} KiB", count as f64 / 1024.0),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", count as f64 / 1_048_576.0),
        _ => format!("{:.1} GiB", count as f64 / 1_073_741_824.0),
    }
}

/// Returns a name within a sentence, isolated. So a name with another direction does not turn its surroundings (UAX #9,
/// 2.3).
pub(super) fn isolated(name: &str) -> String {
    format!("\u{2068}{name}\u{2069}")
}

/// Returns the first and the last digits of a data subject's DID, which suffice to distinguish those of one page.
pub(super) fn short(did: &str) -> String {
    let digits = did.strip_prefix("did:conduit:").unwrap_or(did);
    let count = digits.chars().count();
    if count <= 16 {
        return digits.to_owned();
    }
    let head: String = digits.chars().take(8).collect();
    let tail: String = digits.chars().skip(count - 4).collect();
    format!("{head}…{tail}")
}

pub(super) const fn class_word(class: Class) -> &'static str {
    match class {
        Class::Strong => "identifies",
        Class::Weak => "points to a person",
        Class::Attribute => "describes",
        Class::NeverStore => "never stored",
    }
}

pub(super) const fn special_word(special: Option<Special>) -> &'static str {
    match special {
        Some(Special::Art9) => "GDPR art. 9",
        Some(Special::Art10) => "GDPR art. 10",
        None => "",
    }
}

pub(super) const fn basis_word(basis: LegalBasis) -> &'static str {
    match basis {
        LegalBasis::Consent => "Consent",
        LegalBasis::Contract => "Contract",
        LegalBasis::LegalObligation => "Legal obligation",
        LegalBasis::VitalInterests => "Vital interests",
        LegalBasis::PublicTask => "Public task",
        LegalBasis::LegitimateInterests => "Legitimate interests",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_read_well() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(Number(number).to_string(), text);
        }
        for (millis, text) in [
            (-5, "0 ms"),
            (12, "12 ms"),
            (1_250, "1.2 s"),
            (61_000, "1 min 1 s"),
            (90_000_000, "1 d 1 h"),
        ] {
            assert_eq!(duration(millis), text);
        }
        assert_eq!(short("did:conduit:0123456789abcdef0123"), "01234567…0123");
        assert_eq!(short("did:conduit:0123"), "0123");
        assert!(
            Time(Timestamp::from_millis(0))
                .to_string()
                .contains("1970-01-01 00:00:00 UTC")
        );
    }
}

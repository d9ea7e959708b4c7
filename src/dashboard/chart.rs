//! Charts: bars over time, drawn on the server.
//!
//! A bar stacks the outcomes, each with its own pattern and colour, so that the chart reads without colours. A table
//! beside it has the same numbers. The drawing is stretched to its place, so all words are outside of it.
//!
//! The drawing is our own code. A chart library writes words, fonts and colours into the drawing. Here the style sheet
//! has the colours, so a chart follows the theme, and the page needs no inline style.

use std::fmt::{self, Write as _};

use askama::filters::HtmlSafe;
use conduit_actors::ids::Timestamp;
use conduit_actors::per_outcome::PerOutcome;

use super::words::{Brief, Number};
use crate::store::{HistoryRow, Resolution};

const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 100.0;

/// How far back a chart goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Span {
    Hour,
    Day,
    Week,
}

impl Span {
    pub(super) const ALL: [Self; 3] = [Self::Hour, Self::Day, Self::Week];

    /// Returns the name in addresses.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
        }
    }

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Hour => "Last hour",
            Self::Day => "24 hours",
            Self::Week => "7 days",
        }
    }

    pub(super) fn read(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|span| span.name() == text)
    }

    pub(super) const fn resolution(self) -> Resolution {
        match self {
            Self::Hour => Resolution::Minute,
            Self::Day | Self::Week => Resolution::Hour,
        }
    }

    /// Returns the number of bars, and the minutes or hours in each.
    const fn bars(self) -> (usize, i64) {
        match self {
            Self::Hour => (60, 1),
            Self::Day => (24, 1),
            Self::Week => (56, 3),
        }
    }

    /// Returns the length of a bar in words.
    pub(super) const fn bar_word(self) -> &'static str {
        match self {
            Self::Hour => "minute",
            Self::Day => "hour",
            Self::Week => "three hours",
        }
    }

    /// Returns the start of the first bar, if the last one contains `now`.
    pub(super) fn from(self, now: Timestamp) -> Timestamp {
        let (count, each) = self.bars();
        let length = self.resolution().millis() * each;
        let last = now.as_millis().div_euclid(length) * length;
        Timestamp::from_millis(last - length * (i64::try_from(count).unwrap_or(1) - 1))
    }
}

/// One bar.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bar {
    pub(super) start: Brief,
    pub(super) counts: PerOutcome<u64>,
}

impl Bar {
    pub(super) fn cells(&self) -> [Number; 4] {
        self.counts.into_array().map(Number)
    }

    pub(super) fn total(&self) -> u64 {
        self.counts.into_array().iter().sum()
    }
}

/// A chart, ready to be shown.
pub(super) struct Chart {
    pub(super) span: Span,
    pub(super) bars: Vec<Bar>,
    /// The value of the full height.
    pub(super) top: Number,
    top_value: u64,
}

impl Chart {
    pub(super) fn new(span: Span, now: Timestamp, rows: &[HistoryRow]) -> Self {
        let (count, each) = span.bars();
        let (from, length) = (span.from(now).as_millis(), span.resolution().millis() * each);
        let starts = (0..count).map(|index| from + length * i64::try_from(index).unwrap_or(0));
        let mut bars: Vec<Bar> = starts
            .map(|start| Bar {
                start: Brief(Timestamp::from_millis(start)),
                counts: PerOutcome::default(),
            })
            .collect();
        for row in rows {
            let index = (row.starts_at.as_millis() - from).div_euclid(length);
            if let Some(bar) = usize::try_from(index).ok().and_then(|index| bars.get_mut(index)) {
                bar.counts += row.counts;
            }
        }
        let top_value = round_up(bars.iter().map(Bar::total).max().unwrap_or(0));
        Self {
            span,
            bars,
            top: Number(top_value),
            top_value,
        }
    }

    /// Returns the totals over all bars.
    pub(super) fn sums(&self) -> PerOutcome<u64> {
        let mut sums = PerOutcome::default();
        for bar in &self.bars {
            sums += bar.counts;
        }
        sums
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bars.iter().all(|bar| bar.total() == 0)
    }

    /// Returns the non-empty bars, the newest first, for the table.
    pub(super) fn filled(&self) -> Vec<Bar> {
        self.bars.iter().rev().filter(|bar| bar.total() > 0).copied().collect()
    }

    pub(super) fn first(&self) -> Option<Brief> {
        self.bars.first().map(|bar| bar.start)
    }
}

/// Returns the next of 1, 2, 5, 10, 20, 50, … that is not less.
fn round_up(value: u64) -> u64 {
    let mut unit = 1u64;
    loop {
        for step in [1, 2, 5] {
            let candidate = unit.saturating_mul(step);
            if candidate >= value {
                return candidate;
            }
        }
        unit = unit.saturating_mul(10);
    }
}

#[allow(clippy::cast_precision_loss)] // A fraction of a pixel.
impl fmt::Display for Chart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" preserveAspectRatio=\"none\" role=\"img\" \
             aria-labelledby=\"chart-title\"><title id=\"chart-title\">Events by outcome, one bar for each {}</title>{PATTERNS}",
            self.span.bar_word()
        )?;
        for line in [0.0, 50.0, 100.0] {
            write!(f, "<path class=\"grid\" d=\"M0 {line}H{WIDTH}\"/>")?;
        }
        let each = WIDTH / self.bars.len().max(1) as f64;
        for (index, bar) in self.bars.iter().enumerate() {
            let left = index as f64 * each;
            let mut words = String::new();
            for (status, count) in bar.counts.into_pairs() {
                let class = status.as_str();
                if count > 0 {
                    write!(words, ", {} {class}", Number(count))?;
                }
            }
            let start = bar.start.0.to_string();
            let moment = start.get(..16).unwrap_or_default().replace('T', " ");
            write!(
                f,
                "<g class=\"bar\"><title>{moment} UTC: {} events{words}</title>",
                Number(bar.total())
            )?;
            write!(
                f,
                "<path class=\"hit\" d=\"M{left:.2} 0h{each:.2}v{HEIGHT}h-{each:.2}z\"/>"
            )?;
            let mut bottom = HEIGHT;
            for (status, count) in bar.counts.into_pairs() {
                let class = status.as_str();
                // Every count is visible, even a small one.
                let height = match count {
                    0 => continue,
                    _ => (count as f64 / self.top_value as f64 * HEIGHT).max(1.5),
                };
                bottom = (bottom - height).max(0.0);
                let (x, width) = (left + each * 0.12, each * 0.76);
                write!(
                    f,
                    "<rect class=\"fill-{class}\" x=\"{x:.2}\" y=\"{bottom:.2}\" width=\"{width:.2}\" height=\"{height:.2}\"/>"
                )?;
                if class != "processed" {
                    write!(
                        f,
                        "<rect fill=\"url(#pattern-{class})\" x=\"{x:.2}\" y=\"{bottom:.2}\" width=\"{width:.2}\" \
                         height=\"{height:.2}\"/>"
                    )?;
                }
            }
            f.write_str("</g>")?;
        }
        f.write_str("</svg>")
    }
}

impl HtmlSafe for Chart {}

/// Dots, stripes and a grid.
const PATTERNS: &str = "<defs>\
    <pattern id=\"pattern-duplicate\" width=\"3\" height=\"3\" patternUnits=\"userSpaceOnUse\">\
    <rect class=\"ink\" width=\"1.2\" height=\"1.2\"/></pattern>\
    <pattern id=\"pattern-rejected\" width=\"4\" height=\"4\" patternUnits=\"userSpaceOnUse\">\
    <path class=\"ink-line\" d=\"M-1 1l2-2M0 4l4-4M3 5l2-2\"/></pattern>\
    <pattern id=\"pattern-failed\" width=\"3\" height=\"3\" patternUnits=\"userSpaceOnUse\">\
    <path class=\"ink-line\" d=\"M0 0h3M0 0v3\"/></pattern></defs>";

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn row(hour: i64, [processed, duplicate, rejected, failed]: [u64; 4]) -> HistoryRow {
        HistoryRow {
            starts_at: Timestamp::from_millis(hour * HOUR),
            counts: PerOutcome {
                processed,
                duplicate,
                rejected,
                failed,
            },
        }
    }

    #[test]
    fn rows_fall_into_their_bars_and_others_into_none() {
        let now = Timestamp::from_millis(1_000 * HOUR + 5);
        let rows = [
            row(100, [9, 9, 9, 9]),
            row(999, [1, 2, 0, 0]),
            row(1_000, [5, 0, 1, 0]),
            row(1_001, [7, 0, 0, 0]),
        ];
        let day = Chart::new(Span::Day, now, &rows);
        assert_eq!(day.bars.len(), 24);
        assert_eq!(day.bars[22].counts.into_array(), [1, 2, 0, 0]);
        assert_eq!(day.bars[23].counts.into_array(), [5, 0, 1, 0]);
        assert_eq!((day.sums().into_array(), day.top.0), ([6, 2, 1, 0], 10));
        let week = Chart::new(Span::Week, now, &rows);
        assert_eq!(week.bars.len(), 56);
        // Bars of three hours begin at hours that three divides: 999 to 1,001 are one.
        assert_eq!(week.bars[55].counts.into_array(), [13, 2, 1, 0]);
        assert_eq!(week.filled().len(), 1);
    }

    #[test]
    fn the_drawing_stays_in_its_frame_and_an_empty_one_is_drawn_as_well() {
        let empty = Chart::new(Span::Hour, Timestamp::from_millis(0), &[]);
        assert!(empty.is_empty() && empty.to_string().ends_with("</svg>"));
        for (value, top) in [(0, 1), (1, 1), (3, 5), (10, 10), (11, 20), (51, 100)] {
            assert_eq!(round_up(value), top);
        }
        let text = Chart::new(Span::Day, Timestamp::from_millis(HOUR), &[row(1, [1_000, 1, 1, 1])]).to_string();
        for (number, after) in [(" y=\"", "\""), (" height=\"", "\"")] {
            for part in text.split(number).skip(1) {
                let value: f64 = part.split(after).next().unwrap().parse().unwrap();
                assert!((0.0..=100.0).contains(&value), "{value}");
            }
        }
    }
}

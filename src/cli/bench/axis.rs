//! Axes: where a value stands, and which values have a label.

use super::population::{float, whole};

/// About so many labels on a linear axis.
const TICKS: f64 = 5.0;

/// An axis with the name and the unit of its values.
pub(super) struct Axis {
    pub(super) label: String,
    /// Whether each power of ten takes the same space.
    is_logarithmic: bool,
    /// Whether the axis ends with its last value, not with a round one.
    is_tight: bool,
}

impl Axis {
    /// Creates an axis that begins at 0 and ends with a round value.
    pub(super) fn linear(label: &str) -> Self {
        Self {
            label: label.to_owned(),
            is_logarithmic: false,
            is_tight: false,
        }
    }

    /// Creates an axis that begins at 0 and ends with its last value.
    pub(super) fn tight(label: &str) -> Self {
        Self {
            is_tight: true,
            ..Self::linear(label)
        }
    }

    /// Creates an axis of powers of ten. It shows values above 0 only.
    pub(super) fn logarithmic(label: &str) -> Self {
        Self {
            is_logarithmic: true,
            ..Self::linear(label)
        }
    }

    pub(super) fn shows(&self, value: f64) -> bool {
        value.is_finite() && (value > 0.0 || !self.is_logarithmic)
    }
}

/// An axis with its bounds: from a value at a coordinate to a value at another one.
pub(super) struct Scale {
    from: (f64, f64),
    to: (f64, f64),
    /// Of a linear axis.
    step: f64,
    is_logarithmic: bool,
}

impl Scale {
    pub(super) fn new(axis: &Axis, values: impl Iterator<Item = f64>, begins: f64, ends: f64) -> Self {
        let values: Vec<f64> = values.filter(|value| axis.shows(*value)).collect();
        let highest = values.iter().copied().max_by(f64::total_cmp).unwrap_or(1.0);
        if axis.is_logarithmic {
            let lowest = values.iter().copied().min_by(f64::total_cmp).unwrap_or(1.0);
            let (low, high) = (lowest.log10().floor(), highest.log10().ceil());
            return Self {
                from: (low, begins),
                to: (high.max(low + 1.0), ends),
                step: 1.0,
                is_logarithmic: true,
            };
        }
        let step = step(highest);
        let round = (highest / step).ceil().max(1.0) * step;
        let last = if axis.is_tight && highest > 0.0 { highest } else { round };
        Self {
            from: (0.0, begins),
            to: (last, ends),
            step,
            is_logarithmic: false,
        }
    }

    /// Returns the coordinate of a value.
    pub(super) fn place(&self, value: f64) -> f64 {
        let value = if self.is_logarithmic { value.log10() } else { value };
        let share = (value - self.from.0) / (self.to.0 - self.from.0);
        self.from.1 + share * (self.to.1 - self.from.1)
    }

    /// Returns the values with a label.
    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        let count = whole(((self.to.0 - self.from.0) / self.step + 1e-6).floor());
        let at = |place: u64| self.from.0 + float(place) * self.step;
        let value = |place: u64| {
            if self.is_logarithmic {
                10f64.powf(at(place))
            } else {
                at(place)
            }
        };
        (0..=count).map(value).map(|value| (value, number(value))).collect()
    }
}

/// Returns the distance of labels: 1, 2 or 5 times a power of ten.
fn step(highest: f64) -> f64 {
    let raw = (highest / TICKS).max(1e-6);
    let power = 10f64.powf(raw.log10().floor());
    let factor = [1.0, 2.0, 5.0]
        .into_iter()
        .find(|factor| raw <= factor * power * 1.000_001);
    power * factor.unwrap_or(10.0)
}

/// Returns a number for people: with separators from a thousand on, and with few digits below.
pub(super) fn number(value: f64) -> String {
    if value.abs() < 1000.0 {
        let decimals = match value.abs() {
            size if size >= 100.0 => 0,
            size if size >= 10.0 => 1,
            size if size >= 0.095 => 2,
            _ => 4,
        };
        let text = format!("{value:.decimals$}");
        let text = if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.')
        } else {
            &text
        };
        return text.to_owned();
    }
    let digits = whole(value.abs()).to_string();
    let mut text = if value < 0.0 { "-".to_owned() } else { String::new() };
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis, values: &[f64]) -> Vec<String> {
        let scale = Scale::new(axis, values.iter().copied(), 0.0, 100.0);
        scale.ticks().into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn labels_are_round_numbers() {
        let linear = Axis::linear("x");
        assert_eq!(labels(&linear, &[3.0, 9.7]), ["0", "2", "4", "6", "8", "10"]);
        assert_eq!(labels(&linear, &[13_708.0]), ["0", "5,000", "10,000", "15,000"]);
        assert_eq!(labels(&linear, &[0.12]), ["0", "0.05", "0.1", "0.15"]);
        assert_eq!(labels(&Axis::tight("x"), &[68.0]), ["0", "20", "40", "60"]);
        assert_eq!(labels(&Axis::tight("x"), &[5.0]), ["0", "1", "2", "3", "4", "5"]);
        let powers = Axis::logarithmic("x");
        assert_eq!(labels(&powers, &[0.5, 120.0]), ["0.1", "1", "10", "100", "1,000"]);
        assert_eq!(labels(&powers, &[10.0]), ["10", "100"]);
        assert_eq!(labels(&linear, &[]).first().map(String::as_str), Some("0"));
    }

    #[test]
    fn values_stand_in_proportion() {
        let powers = Scale::new(&Axis::logarithmic("x"), [10.0, 100_000.0].into_iter(), 0.0, 100.0);
        assert!((powers.place(1_000.0) - 50.0).abs() < 1e-9);
        let linear = Scale::new(&Axis::linear("y"), [10.0].into_iter(), 200.0, 100.0);
        assert!((linear.place(2.5) - 175.0).abs() < 1e-9, "upwards");
        assert!(!Axis::logarithmic("x").shows(0.0) && Axis::linear("x").shows(0.0));
    }

    #[test]
    fn numbers_are_easy_to_read() {
        let pairs = [
            (0.0, "0"),
            (0.0123, "0.0123"),
            (0.5, "0.5"),
            (12.34, "12.3"),
            (100.0, "100"),
            (999.4, "999"),
            (1_234_567.0, "1,234,567"),
            (-1500.0, "-1,500"),
        ];
        for (value, text) in pairs {
            assert_eq!(number(value), text);
        }
    }
}

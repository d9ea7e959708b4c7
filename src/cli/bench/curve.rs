//! Curves: the capacity and the memory over the number of controllers, or of stored data subjects.

use std::str::FromStr;

use serde::Serialize;

use super::capacity::Capacity;
use super::population::float;
use super::sampler::Sample;

/// The number that grows from one measurement to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Dimension {
    /// Controllers with one integration each.
    Controllers,
    /// Data subjects that are stored before the measuring.
    Subjects,
}

impl Dimension {
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Controllers => "Controllers",
            Self::Subjects => "Stored data subjects",
        }
    }
}

/// A dimension and its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Curve {
    pub(super) dimension: Dimension,
    pub(super) values: Vec<u32>,
}

impl FromStr for Curve {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, values) = text
            .split_once('=')
            .ok_or("write it as controllers=10,100 or subjects=10000,100000")?;
        let (dimension, most) = match name {
            "controllers" => (Dimension::Controllers, super::population::MOST_CONTROLLERS),
            "subjects" => (Dimension::Subjects, super::population::MOST_SUBJECTS),
            _ => return Err(format!("{name:?} must be controllers or subjects")),
        };
        let values = values.split(',').map(|part| match part.trim().parse::<u32>() {
            Ok(value) if (1..=most).contains(&value) => Ok(value),
            _ => Err(format!("{part:?} must be a number from 1 to {most}")),
        });
        let values = values.collect::<Result<_, _>>()?;
        Ok(Self { dimension, values })
    }
}

/// The results of a curve.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CurveResult {
    pub(super) dimension: Dimension,
    pub(super) points: Vec<Point>,
}

/// The measurement at one value.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Point {
    pub(super) value: u32,
    pub(super) capacity: Capacity,
    /// Peak of the server's memory.
    pub(super) memory_bytes: Option<f64>,
}

impl Point {
    pub(super) fn new(value: u32, capacity: Capacity, samples: &[Sample]) -> Self {
        let memory = samples.iter().filter_map(|sample| sample.memory_bytes).max();
        Self {
            value,
            capacity,
            memory_bytes: memory.map(float),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_has_a_dimension_and_numbers() {
        let curve: Curve = "controllers=10,100".parse().unwrap();
        assert_eq!((curve.dimension, curve.values), (Dimension::Controllers, vec![10, 100]));
        for wrong in [
            "controllers",
            "people=1",
            "subjects=",
            "subjects=0",
            "controllers=1,x",
            "controllers=1000000000",
        ] {
            assert!(wrong.parse::<Curve>().is_err(), "{wrong}");
        }
    }
}

//! Paths to fields: names divided by dots, `[]` behind a name for each element of an array.

use std::fmt;

/// Longest path, in bytes.
pub const MAX_BYTES: usize = 256;
/// Most steps.
pub const MAX_STEPS: usize = 16;

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PathStep {
    /// The member of this name.
    Name(Box<str>),
    /// Each element.
    Each,
}

/// A path to a field.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Path(Box<[PathStep]>);

impl Path {
    /// Reads a path.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() || text.len() > MAX_BYTES {
            return Err("must have 1 to 256 bytes");
        }
        let mut steps = Vec::new();
        for part in text.split('.') {
            let name = part.trim_end_matches("[]");
            if name.is_empty() {
                return Err("has an empty name: names are divided by single dots, and [] stands behind a name");
            }
            if name.contains(['[', ']']) {
                return Err("has a bracket that is not [] behind a name: single elements cannot be named");
            }
            if name.chars().any(char::is_control) {
                return Err("has a control character");
            }
            steps.push(PathStep::Name(name.into()));
            let arrays = (part.len() - name.len()) / 2;
            steps.extend(std::iter::repeat_n(PathStep::Each, arrays));
        }
        if steps.len() > MAX_STEPS {
            return Err("has more than 16 steps");
        }
        Ok(Self(steps.into()))
    }

    /// The steps, outermost first.
    #[must_use]
    pub fn steps(&self) -> &[PathStep] {
        &self.0
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.iter().enumerate() {
            match step {
                PathStep::Name(name) if index == 0 => f.write_str(name)?,
                PathStep::Name(name) => write!(f, ".{name}")?,
                PathStep::Each => f.write_str("[]")?,
            }
        }
        Ok(())
    }
}

//! Placeholders: values that stand in an identifier's place and identify nobody.
//!
//! Programs write them where they have no value: the text of a null, a template that nobody filled in, a row of zeros. Words
//! are in the taxonomy file, where the operator extends them; forms are here. What is a placeholder depends on what the
//! value is meant to be: `Null` and `Test` are surnames, and 123456 is somebody's customer number.

mod compound;
mod digits;
mod email;
mod kinds;
mod list;
mod numbers;
mod syntax;
mod words;

pub(super) use email::untagged;
pub(super) use list::lower;
pub(super) use numbers::behind_tag;
pub(super) use words::Words;

#[cfg(test)]
pub(super) mod tests;

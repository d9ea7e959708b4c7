//! Placeholders: values in an identifier's place that identify nobody.
//!
//! Programs write them when they have no value: the text of a null, an unfilled template, a row of zeros. Words are in
//! the taxonomy file, where the operator extends them; forms are here. The list depends on the meaning of the value:
//! `Null` and `Test` are surnames, and 123456 may be a customer number.

mod compound;
mod dates;
mod digits;
mod email;
mod keys;
mod kinds;
mod list;
mod mailboxes;
mod numbers;
mod phones;
mod printed;
mod syntax;
mod words;

pub(super) use email::untagged;
pub(super) use list::lower;
pub(super) use numbers::behind_tag;
pub(super) use phones::is_placeholder as is_placeholder_phone;
pub(super) use words::Words;

#[cfg(test)]
pub(super) mod tests;

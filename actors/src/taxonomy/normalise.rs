//! Normalisers: each checks a value and returns the one form that all its spellings share.
//!
//! All are idempotent, except for the scope that some put before a value. None ever shows the value in an error.
//!
//! # Generations
//! Links are hashes of these spellings, so a change of the rules is a new generation: links of an earlier build are found
//! by the spelling of its time. This is generation 2; `generation1` is frozen. If both spell the same
//! value differently, [`Normalised::earlier`] has the former spelling: it is looked up too, and never written. If
//! generation 1 gave several values one spelling (extensions, queries), its spelling may mean another person, and is not looked up.

mod clock;
pub(crate) mod contact;
mod extension;
mod financial;
mod government;
mod normalised;
mod normaliser;
mod phone;
mod place;
mod spelling;
mod technical;
mod text;
mod tracking;
mod unicode;

pub(super) use government::is_document_sign;
pub use normalised::{Invalid, NormaliseContext, Normalised};
pub use normaliser::Normaliser;
pub(super) use spelling::{lookalikes, name_of};

#[cfg(test)]
mod tests;

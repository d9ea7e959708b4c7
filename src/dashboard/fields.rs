//! The fields of a form, or of an address.

use url::form_urlencoded;

/// Fields at most: the longest mapping has 200 events with 500 fields, but no form that a person fills in comes near it.
const MAX_FIELDS: usize = 50_000;

/// In the order in which they were sent. May hold personal data and credentials: has no `Debug`.
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    pub(super) fn read(body: &[u8]) -> Self {
        let pairs = form_urlencoded::parse(body).take(MAX_FIELDS);
        Self(
            pairs
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect(),
        )
    }

    /// Returns the first value of this name. Returns `None` without one.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.iter().find_map(|(found, value)| (found == name).then_some(value))
    }

    /// Returns the first value of this name without surrounding spaces. Returns `None` if nothing is left.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.get(name).map(str::trim).filter(|text| !text.is_empty())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

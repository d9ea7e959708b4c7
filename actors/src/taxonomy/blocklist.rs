//! Values that stand for nobody, or for many.

use std::collections::{HashMap, HashSet};

#[derive(Debug, Default)]
struct Patterns {
    exact: HashSet<String>,
    starts: Vec<String>,
    ends: Vec<String>,
}

impl Patterns {
    fn new(entries: Vec<String>) -> Self {
        let mut patterns = Self::default();
        for entry in entries {
            let entry = entry.to_lowercase();
            match (entry.strip_prefix('*'), entry.strip_suffix('*')) {
                (Some(end), _) => patterns.ends.push(end.to_owned()),
                (None, Some(start)) => patterns.starts.push(start.to_owned()),
                (None, None) => drop(patterns.exact.insert(entry)),
            }
        }
        patterns
    }

    fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.starts.is_empty() && self.ends.is_empty()
    }

    fn contains(&self, value: &str) -> bool {
        self.exact.contains(value)
            || self.starts.iter().any(|start| value.starts_with(start.as_str()))
            || self.ends.iter().any(|end| value.ends_with(end.as_str()))
    }
}

/// See the head of the taxonomy file.
#[derive(Debug, Default)]
pub(super) struct Blocklist {
    any: Patterns,
    by_category: HashMap<String, Patterns>,
}

impl Blocklist {
    pub(super) fn new(mut lists: HashMap<String, Vec<String>>) -> Self {
        let any = Patterns::new(lists.remove("any").unwrap_or_default());
        Self {
            any,
            by_category: lists
                .into_iter()
                .map(|(key, entries)| (key, Patterns::new(entries)))
                .filter(|(_, patterns)| !patterns.is_empty())
                .collect(),
        }
    }

    pub(super) fn contains(&self, category: &str, value: &str) -> bool {
        let by_category = self.by_category.get(category);
        if self.any.is_empty() && by_category.is_none() {
            return false;
        }
        let value = value.to_lowercase();
        self.any.contains(&value) || by_category.is_some_and(|patterns| patterns.contains(&value))
    }

    /// The values that a category's lists name whole.
    pub(super) fn literals(&self, category: &str) -> impl Iterator<Item = &str> {
        let own = self.by_category.get(category).map(|patterns| &patterns.exact);
        self.any
            .exact
            .iter()
            .chain(own.into_iter().flatten())
            .map(String::as_str)
    }
}

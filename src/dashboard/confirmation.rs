//! A deletion that the user confirms by typing the name of the object.

use super::fields::Fields;

/// The state of the confirmation form.
pub(super) struct Confirmation {
    /// The name to type.
    pub(super) name: String,
    pub(super) typed: String,
    pub(super) is_refused: bool,
}

impl Confirmation {
    /// Creates a form that waits for its confirmation.
    pub(super) fn of(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            typed: String::new(),
            is_refused: false,
        }
    }

    /// Checks that a form has the name. Otherwise returns the form to show instead.
    pub(super) fn read(name: &str, fields: &Fields) -> Result<(), Self> {
        let typed = fields.get("name").unwrap_or_default();
        if words(typed).eq(words(name)) {
            return Ok(());
        }
        Err(Self {
            name: name.to_owned(),
            typed: typed.to_owned(),
            is_refused: true,
        })
    }
}

/// Returns a name as users see it: a page shows several spaces as one.
fn words(name: &str) -> impl Iterator<Item = &str> {
    name.split_whitespace()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_confirmed_as_it_is_seen() {
        let read = |name: &str, body: &str| Confirmation::read(name, &Fields::read(body.as_bytes()));
        for (name, body) in [
            ("Web shop", "name=Web+shop"),
            ("Web  shop ", "name=Web+shop"),
            ("a\u{a0}b", "name=+a+b"),
        ] {
            assert!(read(name, body).is_ok(), "{name:?}");
        }
        for (name, body) in [
            ("Web shop", "name=Webshop"),
            ("Web shop", "name=web+shop"),
            ("Web", ""),
            ("Web", "name="),
        ] {
            let shown = read(name, body).unwrap_err();
            assert!(shown.is_refused && shown.name == name, "{name:?}");
        }
    }
}

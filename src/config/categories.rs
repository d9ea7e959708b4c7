//! `docs/categories.md`, made from the taxonomy that is built in.

use std::fmt::Write as _;

use conduit_actors::taxonomy::{Class, Special, Taxonomy};

/// Returns the page, as Markdown.
#[must_use]
pub fn categories() -> String {
    let mut text = String::from(
        "# Categories of personal data\n\n<!-- Made from config/pii-taxonomy.toml by `conduit config categories`: change that \
         file, then run `conduit config categories >docs/categories.md`. -->\n\n\
         A field's `pii` in a mapping names one of these. A server whose operator has a taxonomy of their own \
         (`taxonomy.file`) lists its categories with `GET /api/v1/taxonomy`.\n\n\
         `strong` identifies one person, `weak` points to one, `attribute` says something about one, `never_store` must not \
         be kept. The guide says [what is kept of each](integration.md#categories).\n\n\
         | category | is | class | an example | GDPR |\n|---|---|---|---|---|\n",
    );
    for category in Taxonomy::bundled().categories() {
        let class = match category.class {
            Class::Strong => "strong",
            Class::Weak => "weak",
            Class::Attribute => "attribute",
            Class::NeverStore => "never_store",
        };
        let special = match category.special {
            Some(Special::Art9) => "article 9",
            Some(Special::Art10) => "article 10",
            None => "",
        };
        // Writing to a text does not fail.
        let _ = writeln!(
            text,
            "| `{}` | {} | {class} | {} | {special} |",
            category.key,
            category.label,
            category.normalise.example()
        );
    }
    text
}

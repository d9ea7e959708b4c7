//! `docs/configuration.md`, made from the defaults and their comments.

use std::fmt::Write as _;

use super::DEFAULTS;
use super::environment::variable_for;

/// One setting as the file of defaults has it.
struct Setting<'a> {
    section: &'a str,
    key: &'a str,
    default: &'a str,
    /// The comment's lines, without their marks; none if the setting shares the one before.
    comment: Vec<&'a str>,
}

/// Returns the reference, as Markdown.
#[must_use]
pub fn reference() -> String {
    let (head, settings) = read(DEFAULTS);
    let mut text = String::from(
        "# Configuration\n\n<!-- Made from config/default.toml by `conduit config reference`: change that file, then run \
         `conduit config reference >docs/configuration.md`. -->\n\n",
    );
    // Writing to a text does not fail.
    let _ = write(&mut text, &head, &settings);
    text
}

fn write(text: &mut String, head: &[&str], settings: &[Setting<'_>]) -> std::fmt::Result {
    paragraphs(text, head)?;
    let mut section = "";
    for setting in settings {
        if setting.section != section {
            section = setting.section;
            writeln!(text, "\n## `[{section}]`")?;
        }
        let key = format!("{section}.{}", setting.key);
        let long = format!("CONDUIT__{}__{}", section.to_uppercase(), setting.key.to_uppercase());
        writeln!(text, "\n### `{key}`\n")?;
        write!(text, "Default: `{}`. Environment: ", setting.default)?;
        if let Some(short) = variable_for(&key) {
            write!(text, "`{short}` or ")?;
        }
        writeln!(text, "`{long}`.\n")?;
        if setting.comment.is_empty() {
            writeln!(text, "See the setting above.")?;
        } else {
            paragraphs(text, &setting.comment)?;
        }
    }
    Ok(())
}

/// Writes lines unchanged; indented lines become a block.
fn paragraphs(text: &mut String, lines: &[&str]) -> std::fmt::Result {
    let mut in_block = false;
    for line in lines {
        let is_block = line.starts_with("  ");
        if is_block != in_block {
            in_block = is_block;
            writeln!(text, "{}", if is_block { "\n```text" } else { "```\n" })?;
        }
        writeln!(text, "{}", line.trim_start())?;
    }
    if in_block { writeln!(text, "```") } else { Ok(()) }
}

/// Returns the comment at the head of the file, and the settings in their order.
fn read(file: &str) -> (Vec<&str>, Vec<Setting<'_>>) {
    let (mut head, mut settings) = (Vec::new(), Vec::new());
    let (mut section, mut comment) = ("", Vec::new());
    for line in file.lines() {
        if let Some(said) = line.strip_prefix('#') {
            comment.push(without_variable(said.strip_prefix(' ').unwrap_or(said)));
        } else if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            if section.is_empty() {
                head = std::mem::take(&mut comment);
            }
            section = name;
        } else if let Some((key, default)) = line.split_once(" = ") {
            settings.push(Setting {
                section,
                key,
                default,
                comment: std::mem::take(&mut comment),
            });
        }
    }
    while head.last().is_some_and(|line| line.is_empty()) {
        head.pop();
    }
    (head, settings)
}

/// Removes the short name of the variable at the end of a comment, which has its own place.
fn without_variable(line: &str) -> &str {
    match line.rsplit_once(' ') {
        Some((before, last))
            if last.starts_with("CONDUIT_") && last.bytes().all(|b| b.is_ascii_uppercase() || b == b'_') =>
        {
            before
        }
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_there_with_its_default_and_what_it_means() {
        let (head, settings) = read(DEFAULTS);
        assert!(head.len() > 3 && head[0].starts_with("Conduit's configuration"));
        let parsed: toml::Table = toml::from_str(DEFAULTS).unwrap();
        let keys = parsed.iter().flat_map(|(section, table)| {
            let keys = table.as_table().unwrap().keys();
            keys.map(move |key| format!("{section}.{key}"))
        });
        let read: std::collections::BTreeSet<_> = settings
            .iter()
            .map(|setting| format!("{}.{}", setting.section, setting.key))
            .collect();
        assert_eq!(read, keys.collect());
        let text = reference();
        for setting in &settings {
            assert!(
                text.contains(&format!("Default: `{}`.", setting.default)),
                "{}",
                setting.key
            );
        }
        // Settings with a shared comment share a section.
        for (at, setting) in settings
            .iter()
            .enumerate()
            .filter(|(_, setting)| setting.comment.is_empty())
        {
            let before = at.checked_sub(1).map(|at| settings[at].section);
            assert_eq!(before, Some(setting.section), "{} is not described", setting.key);
        }
    }

    #[test]
    fn short_names_and_blocks_are_written_as_such() {
        let text = reference();
        assert!(
            text.contains("Environment: `CONDUIT_REDIS_URL` or `CONDUIT__DEDUP__REDIS_URL`."),
            "{text}"
        );
        assert!(text.contains("\n```text\nredis://"), "{text}");
        assert_eq!(text.matches("```").count() % 2, 0);
        assert!(!text.contains(" CONDUIT_LISTEN\n"));
    }
}

//! Lines of CSV (RFC 4180) that are safe in a spreadsheet: no cell is run as a formula.
//!
//! A spreadsheet finds a formula behind white space and invisible characters too. In some languages it reads full-width
//! signs as narrow ones. It splits at the separator of its own language, in spite of quotes. So each part of a cell
//! that could become a cell and be run gets an apostrophe in front.
//!
//! The lines are written by our own code. The csv crate would quote the cells, but it does not guard them, and the guard
//! has to look at every separator first.

/// The first character of a file that Excel reads as UTF-8.
pub(super) const BYTE_ORDER_MARK: char = '\u{FEFF}';

/// Separators of other languages and dialects. The comma is missing, because a cell with a comma is quoted.
const SEPARATORS: [char; 5] = [';', '\t', '|', '\n', '\r'];

/// Writes a line.
pub(super) fn line<S: AsRef<str>>(text: &mut String, cells: impl IntoIterator<Item = S>) {
    for (index, cell) in cells.into_iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        push_cell(text, cell.as_ref());
    }
    text.push_str("\r\n");
}

/// Appends a cell. Quotes it if RFC 4180 requires that, or another separator is in it.
fn push_cell(text: &mut String, cell: &str) {
    let is_quoted = cell.contains(['"', ',']) || cell.contains(SEPARATORS);
    if is_quoted {
        text.push('"');
    }
    // A cell that begins with one of these is treated by itself: some programs drop them and run the rest.
    if cell.starts_with(['\t', '\r', '\n']) {
        text.push('\'');
    }
    for part in cell.split_inclusive(SEPARATORS) {
        if is_formula(part) {
            text.push('\'');
        }
        if is_quoted {
            text.push_str(&part.replace('"', "\"\""));
        } else {
            text.push_str(part);
        }
    }
    if is_quoted {
        text.push('"');
    }
}

/// Returns whether a spreadsheet may run this part of a cell.
fn is_formula(part: &str) -> bool {
    let is_skipped = |c: &char| c.is_whitespace() || c.is_control() || *c == '"' || is_invisible(*c);
    part.chars().find(|c| !is_skipped(c)).is_some_and(is_sign)
}

/// Returns whether a character begins a formula: a sign in its ordinary, full-width or small form.
const fn is_sign(c: char) -> bool {
    matches!(
        c,
        '=' | '+'
            | '-'
            | '@'
            | '\u{FF1D}'
            | '\u{FF0B}'
            | '\u{FF0D}'
            | '\u{FF20}'
            | '\u{FE66}'
            | '\u{FE62}'
            | '\u{FE63}'
            | '\u{FE6B}'
    )
}

/// Returns whether a character takes no room: soft hyphen, joiners, marks of direction, the byte order mark, fillers,
/// selectors.
const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}'
            | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{2800}' | '\u{3164}'
            | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_written(cell: &str, written: &str) {
        let mut text = String::new();
        line(&mut text, [cell, "z"]);
        assert_eq!(text, format!("{written},z\r\n"), "{cell:?}");
    }

    #[test]
    fn cells_are_quoted_and_run_nothing() {
        for (cell, written) in [
            ("plain", "plain"),
            ("", ""),
            ("a,\"b\"", "\"a,\"\"b\"\"\""),
            ("two\r\nlines", "\"two\r\nlines\""),
            ("=1+1", "'=1+1"),
            ("+49", "'+49"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\tx", "\"'\tx\""),
            ("\r=1", "\"'\r'=1\""),
            ("=HYPERLINK(\"x\",\"y\")", "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\""),
            ("a=1", "a=1"),
            ("Smith, -5", "\"Smith, -5\""),
            ("did:web:shop.example", "did:web:shop.example"),
        ] {
            assert_written(cell, written);
        }
    }

    #[test]
    fn a_formula_is_found_behind_what_is_not_seen_and_in_other_widths() {
        for sign in ['=', '+', '-', '@', '＝', '＋', '－', '＠', '﹦', '﹢', '﹣', '﹫'] {
            assert_written(&format!("{sign}1"), &format!("'{sign}1"));
            for before in [
                " ", "\u{A0}", "\u{3000}", "\u{2003}", "\u{200B}", "\u{FEFF}", "\u{AD}", "\u{1}", "\u{202E}",
                " \u{A0} ",
            ] {
                assert_written(&format!("{before}{sign}1"), &format!("'{before}{sign}1"));
            }
        }
    }

    #[test]
    fn what_another_separator_would_make_a_cell_runs_nothing() {
        for (cell, written) in [
            ("a;=1", "\"a;'=1\""),
            ("a;b", "\"a;b\""),
            ("a; \u{A0}=1;b;@x", "\"a;' \u{A0}=1;b;'@x\""),
            ("a;\"=1\"", "\"a;'\"\"=1\"\"\""),
            ("\"=1\"", "\"'\"\"=1\"\"\""),
            ("a\t=1", "\"a\t'=1\""),
            ("a|+1", "\"a|'+1\""),
            ("a\n-1", "\"a\n'-1\""),
            ("a;＝1", "\"a;'＝1\""),
            (";=1", "\";'=1\""),
        ] {
            assert_written(cell, written);
        }
    }
}

//! Objects printed as texts, in place of one of their fields.

/// Returns whether it is an object printed in place of one of its fields, or an error of a spreadsheet.
pub(super) fn is_printed(value: &str) -> bool {
    const STARTS: [&str; 27] = [
        "array(",
        "array (",
        "async function",
        "bool(",
        "code(0x",
        "enum(",
        "float(",
        "function ",
        "function(",
        "hash(0x",
        "int(",
        "object(",
        "object (",
        "object id #",
        "promise {",
        "resource(",
        "resource id #",
        "scalar(0x",
        "stdclass object",
        "string(",
        "symbol(",
        "table: 0x",
        "userdata: 0x",
        "weakmap {",
        "weakset {",
        "#object[",
        "__php_incomplete_class",
    ];
    const WHOLE: [&str; 13] = [
        "#n/a",
        "#ref!",
        "#value!",
        "#name?",
        "#null!",
        "#div/0!",
        "#num!",
        "#error!",
        "#spill!",
        "#calc!",
        "optional(nil)",
        "character(0)",
        "ref(0x0)",
    ];
    /// The beginnings of objects of Python that are no values.
    const IN_ANGLES: [&str; 8] = [
        "<class ",
        "<function ",
        "<bound method ",
        "<built-in ",
        "<module ",
        "<method ",
        "<type ",
        "<enum ",
    ];
    let starts = |start: &&str| {
        value
            .get(..start.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(start))
    };
    if WHOLE.iter().any(|whole| value.eq_ignore_ascii_case(whole)) || STARTS.iter().any(starts) || is_name(value) {
        return true;
    }
    let is_collection = || ["map(", "set("].iter().any(starts) && value.contains('{');
    match value.as_bytes().first() {
        Some(b'[') => starts(&"[object "),
        Some(b'<') => {
            value.ends_with('>')
                && (value.contains(" at 0x") || value.contains(" object") || IN_ANGLES.iter().any(starts))
        }
        Some(b'#' | b'%') => ["#<", "%!"].iter().any(starts),
        _ => value.contains("[object ") || value.contains("[Object ") || value.contains(" => ") || is_collection(),
    }
}

/// Returns whether it is a printed error: `ReferenceError: id is not defined`.
fn is_error(value: &str) -> bool {
    value
        .split_once(": ")
        .is_some_and(|(kind, _)| kind.len() > "Error".len() && (kind.ends_with("Error") || kind.ends_with("Exception")))
}

/// Returns whether it is a class or an array of Java with its address, or a type of C#: `com.shop.User@1b6d3586`,
/// `[B@1b6d3586`, `System.Object`.
pub(super) fn is_name(value: &str) -> bool {
    if matches!(
        value,
        "System.Object"
            | "System.String"
            | "System.Guid"
            | "System.Int32"
            | "System.DBNull"
            | "java.lang.Object"
            | "stdClass Object"
            | "stdclass object"
    ) {
        return true;
    }
    if is_error(value) {
        return true;
    }
    let Some((class, address)) = value.rsplit_once('@') else {
        return false;
    };
    let is_address =
        (1..=8).contains(&address.len()) && address.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    is_address && (is_array(class) || is_class(class) || (is_lone_class(class) && is_long_address(address)))
}

/// Returns whether it is the class of an array: `[B`, `[[I`, `[Lcom.shop.User;`.
fn is_array(class: &str) -> bool {
    let element = class.trim_start_matches('[');
    element.len() < class.len()
        && (matches!(element, "B" | "C" | "D" | "F" | "I" | "J" | "S" | "Z")
            || (element.starts_with('L') && element.ends_with(';')))
}

/// Returns whether it is a class in a package: `com.shop.User`.
fn is_class(class: &str) -> bool {
    class.rsplit_once('.').is_some_and(|(package, name)| {
        name.starts_with(|c: char| c.is_ascii_uppercase()) && package.starts_with(|c: char| c.is_ascii_lowercase())
    })
}

/// Returns whether it may be a class without a package: `User`, `User$Id`.
fn is_lone_class(class: &str) -> bool {
    class.starts_with(|c: char| c.is_ascii_uppercase())
        && class
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$'))
}

/// Returns whether an address is one beyond doubt: people write a year or a word behind a name (`Max@1985`).
fn is_long_address(address: &str) -> bool {
    address.len() >= 6
        && address.bytes().any(|b| b.is_ascii_digit())
        && address.bytes().any(|b| b.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;

    #[test]
    fn printed_objects_and_quoted_words() {
        let nobody = [
            "[B@1b6d3586",
            "[[I@6d06d69c",
            "[Lcom.shop.User;@7852e922",
            "[Ljava.lang.String;@15db9742",
            "User@1b6d3586",
            "User$Id@6d06d69c",
            "com.shop.User$Id@1b6d",
            "Some(None)",
            "array(0) {}",
            "array(2) { [0]=> int(1) }",
            "bool(false)",
            "bool(true)",
            "string(4) \"null\"",
            "int(0)",
            "stdClass Object",
            "stdClass Object ( [id] => 5 )",
            "Array ( )",
            "Resource id #5",
            "<class 'str'>",
            "<class '__main__.User'>",
            "<function id at 0x7f2a>",
            "<bound method User.id of 5>",
            "Symbol(id)",
            "Map(0) {}",
            "Promise { 5 }",
            "Invalid Date",
            "ReferenceError: id is not defined",
            "java.lang.NullPointerException: user",
            "\u{201c}null\u{201d}",
            "\u{300c}null\u{300d}",
            "\\\"null\\\"",
            "\u{201a}null\u{2018}",
            "\u{201c}undefined\u{201d}",
            "\u{201e}unknown\u{201c}",
            "『不明』",
            "【未登録】",
            "《未知》",
            "«null»",
            "|null|",
            "„n/a“",
            "<?= $id ?>",
            "<?php echo $id; ?>",
            "&lt;user_id&gt;",
            "&#60;id&#62;",
            "&quot;null&quot;",
            "&lt;%= id %&gt;",
            "&amp;lt;id&amp;gt;",
            "unassigned",
            "not assigned",
            "-1.0",
            "-1.00",
            "0e0",
            "0E-10",
            "0.0e+00",
            "n / a",
            "N / A",
            "k. A.",
            "ΑΓΝΩΣΤΟ",
            "NON RENSEIGNE",
        ];
        let somebody = [
            "Ada@1985",
            "Max@19851210",
            "Bea@facade",
            "ada@1b6d3586",
            "0e4",
            "0e12345",
            "-4711.0",
            "1.0",
            "Bos",
            "a&b;c",
            "R&D;7",
            "ada&co",
            "[4711]",
            "Interesse",
            "objective",
            "stringer",
            "Array7-x",
        ];
        check("user.unique_id", &somebody, &nobody);
        check(
            "user.name",
            &["Ada O’Hara", "Bos", "D’Angelo", "Ada & Bob"],
            &["“unknown”", "『不明』", "&lt;name&gt;", "N / A"],
        );
    }
}

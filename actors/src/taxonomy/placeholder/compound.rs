//! Placeholder words beside others: `Unknown User`, `guest_checkout`, `user:null`, `{"id":null}`, `guest123`.

use std::borrow::Cow;

use super::list::{LONGEST, List, lower, parts};

/// So many roles may stand around a word, as in `guest checkout customer`.
const MOST_ROLES: usize = 3;
/// So many letters has a word that may stand beside a role without anything between them.
const GLUED: usize = 3;
/// Of so short a role the word beside it needs more letters: `testid`, not `david`.
const SHORT_ROLE: usize = 2;
/// Names of types that printers write around a value: `Some(None)`, `bool(false)`.
const WRAPPERS: [&str; 13] = [
    "bool", "boolean", "err", "just", "maybe", "nilclass", "nullable", "ok", "option", "some", "str", "text", "varchar",
];
/// Words that tell people to fill something in: `YOUR_USER_ID`, `replace_me`.
const TO_FILL_IN: [&str; 9] = [
    "enter", "fill", "insert", "paste", "provide", "put", "replace", "specify", "your",
];
/// Words that stand behind them, beside roles.
const FILLED: [&str; 15] = [
    "a", "an", "by", "guid", "here", "in", "it", "me", "my", "own", "the", "this", "uuid", "with", "your",
];
/// Words that people write a short number behind: `guest123`, `test1`. A longer number is somebody's: `guest-4711`.
const NUMBERED: [&str; 26] = [
    "anon",
    "anonymous",
    "asdf",
    "default",
    "demo",
    "dummy",
    "example",
    "fake",
    "foo",
    "foobar",
    "gast",
    "guest",
    "invitado",
    "nobody",
    "none",
    "null",
    "placeholder",
    "qwerty",
    "sample",
    "temp",
    "test",
    "tester",
    "testing",
    "unbekannt",
    "undefined",
    "unknown",
];

/// The roles beside a placeholder word: `user`, `checkout`.
#[derive(Debug, Default)]
pub(super) struct Roles(Vec<String>);

impl Roles {
    pub(super) fn new(roles: &[String]) -> Self {
        let mut all: Vec<String> = roles.iter().map(|role| role.to_lowercase()).collect();
        all.sort_unstable();
        Self(all)
    }

    fn has(&self, word: &str) -> bool {
        self.0.binary_search_by(|role| role.as_str().cmp(word)).is_ok()
    }
}

/// Returns whether it consists of placeholder words and roles, with at most a short number behind.
pub(super) fn is_identifier(words: &List, roles: &Roles, value: &str) -> bool {
    // Most identifiers have a digit before their end, and are told by it.
    let before = value.trim_end_matches(|c: char| c.is_ascii_digit() || !c.is_alphanumeric());
    if before.bytes().any(|b| b.is_ascii_digit()) {
        return false;
    }
    let Some(lower) = candidate(value) else {
        return false;
    };
    let text = lower.trim_end_matches(|c: char| !c.is_alphanumeric());
    let stem = text.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = &text[stem.len()..];
    if !(number.is_empty() || is_short(number)) || stem.bytes().any(|b| b.is_ascii_digit()) {
        return false;
    }
    let mut stems = parts(stem);
    let (Some(first), second) = (stems.next(), stems.next()) else {
        return false;
    };
    if second.is_none() {
        let is_numbered = !number.is_empty() && NUMBERED.contains(&first) && words.has(first);
        return is_numbered || is_glued(words, roles, first) || is_to_fill_in_glued(roles, first);
    }
    is_all_known(words, roles, stem)
        || is_to_fill_in(roles, stem)
        || is_glued(words, roles, &parts(stem).collect::<String>())
}

/// Returns whether it tells people to fill in a value, in words with signs between them: `YOUR_USER_ID`.
fn is_to_fill_in(roles: &Roles, text: &str) -> bool {
    let mut parts = parts(text);
    parts
        .next()
        .is_some_and(|first| TO_FILL_IN.contains(&first) || first == "my")
        && parts.all(|part| roles.has(part) || FILLED.contains(&part) || TO_FILL_IN.contains(&part))
}

/// Returns whether it says the same in one word: `yourUserId`, `replaceme`.
fn is_to_fill_in_glued(roles: &Roles, text: &str) -> bool {
    let Some(mut rest) = TO_FILL_IN.iter().find_map(|verb| text.strip_prefix(verb)) else {
        return false;
    };
    for _ in 0..=MOST_ROLES {
        // The shortest of them end other words: putin.
        let filled = FILLED
            .into_iter()
            .filter(|word| word.len() > SHORT_ROLE || *word == "me");
        let known = roles.0.iter().map(String::as_str).chain(filled);
        let longest = known.filter(|word| rest.starts_with(word)).map(str::len).max();
        let Some(length) = longest else {
            return false;
        };
        rest = &rest[length..];
        if rest.is_empty() {
            return true;
        }
    }
    false
}

/// Returns whether it consists of words that are no name, beside roles: `Unknown Customer`.
pub(super) fn is_name(words: &List, roles: &Roles, value: &str) -> bool {
    let is_lone = |value: &str| !value.contains(|c: char| !c.is_alphanumeric());
    candidate(value).is_some_and(|lower| !is_lone(&lower) && is_all_known(words, roles, &lower))
}

/// Returns the value in lower case, if it may consist of words. Returns `None` for others, such as addresses.
fn candidate(value: &str) -> Option<Cow<'_, str>> {
    (value.len() <= LONGEST && !value.contains('@')).then(|| lower(value))
}

/// Returns whether every part is a word or a role, and one of them is a word.
fn is_all_known(words: &List, roles: &Roles, text: &str) -> bool {
    let mut has_word = false;
    let is_known = parts(text).all(|part| {
        let is_word = words.has(part);
        let is_role = roles.has(part) || (!is_word && WRAPPERS.contains(&part));
        has_word |= is_word && !is_role && (part.len() >= GLUED || matches!(part, "no" | "na" | "nn"));
        is_word || is_role
    });
    is_known && has_word
}

/// Returns whether it is a word with roles directly before and behind it.
fn is_glued(words: &List, roles: &Roles, text: &str) -> bool {
    let mut rest = text;
    for _ in 0..MOST_ROLES {
        let mut shortest = rest;
        for role in &roles.0 {
            let ends = rest.strip_suffix(role.as_str());
            let Some(inner) = ends.or_else(|| rest.strip_prefix(role.as_str())) else {
                continue;
            };
            let enough = if role.len() <= SHORT_ROLE { GLUED + 1 } else { GLUED };
            if inner.len() >= enough && words.has(inner) {
                return true;
            }
            if inner.len() < shortest.len() {
                shortest = inner;
            }
        }
        if shortest.len() == rest.len() {
            return false;
        }
        rest = shortest;
    }
    false
}

/// Returns whether it is a number that people add without thought: `1`, `01`, `123`.
fn is_short(number: &str) -> bool {
    let is_row = || "123456789".starts_with(number);
    number.len() == 1 || is_row() || (number.len() <= 3 && number.starts_with('0'))
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;

    #[test]
    fn words_beside_others() {
        let nobody = [
            "Unknown User",
            "unknown_user",
            "UnknownUser",
            "user unknown",
            "guest checkout",
            "GUEST CUSTOMER",
            "guest-checkout-customer",
            "default_customer",
            "guest123",
            "test1",
            "unknown user 1",
            "null,null",
            "None:None",
            "null/null",
            "null|null",
            "user:null",
            "customer_id=undefined",
            "nullnull",
            "undefinedundefined",
            "null-undefined",
            "{\"id\":null}",
            "{\"customer_id\": null}",
            "{'id': None}",
            "<User: None>",
            "User(id=None)",
            "Optional[null]",
            "%7B%7Buser.id%7D%7D",
            "%257B%257Buser.id%257D%257D",
            "%28not%20set%29",
            "%5Bobject%20Object%5D",
            "{userId2}",
            "%USER_ID_1%",
            "$address2",
            "NN",
            "N.N.",
            "Laufkunde",
            "unbekannter Kunde",
            "consumidor final",
            "Cliente genérico",
            "no user",
            "NULL/NULL",
            "unknown-unknown",
            "undefined:undefined:undefined",
            "order:undefined",
            "guest order",
            "Visitor (anonymous)",
            "cliente desconocido",
            "client inconnu",
            "klant onbekend",
            "None, None",
            "[null]",
            "test_user_2",
            "null null null",
            "%7B%7B%20customer_id%20%7D%7D",
            "[USER_ID_2]",
            "<customer1>",
            "Guest Account",
            "Kunde unbekannt",
            "user=undefined",
            "Some(None)",
            "bool(false)",
            "Err(None)",
            "NULL::text",
            "nil:NilClass",
            "kein Kunde",
            "Just Nothing",
            "YOUR_USER_ID",
            "<YOUR-USER-ID>",
            "your id",
            "yourUserId",
            "INSERT_USER_ID",
            "insert your id here",
            "REPLACE_ME",
            "replaceme",
            "replace_with_customer_id",
            "enter-customer-number",
            "MY_USER_ID",
            "PUT_YOUR_ID_HERE",
        ];
        let somebody = [
            "guest-4711",
            "guest42",
            "user_1",
            "null-4711",
            "test-4711",
            "david",
            "{c4711}",
            "{CF9619FF-8B86-D011-B42D-00C04FC964FF}",
            "%41da",
            "50%25",
            "ada-user",
            "maxuser",
            "customer-ada",
            "superuser-ada",
            "nadia",
            "barbara",
            "x-user",
            "c:4711",
            "user:4711",
            "{\"id\":4711}",
            "ada.lovelace",
            "test-ada",
            "5f7c8ec7c33c6c004bbafe82",
            "usr_guestbook",
            "customer.lovelace",
            "guestbook",
            "clientele",
            "nonedonelist",
            "anna-member",
            "u-guest-7",
            "youri",
            "putin",
            "your",
            "put-4711",
            "yourshop-ada",
            "myra",
            "enterprise",
            "insertion",
            "some-ada",
            "provider",
        ];
        check("user.unique_id", &somebody, &nobody);
        check(
            "user.account.username",
            &["guest42", "ada_l", "x_user"],
            &["unknown_user", "guest123", "nullnull"],
        );
    }

    #[test]
    fn words_of_no_name() {
        let somebody = [
            "Jane Null",
            "Null",
            "Guest",
            "Test",
            "Street",
            "Nat Buyer",
            "Ada Kunde",
            "Guest Client",
            "Anna Anna",
            "Person",
            "Host",
            "Barbara",
        ];
        let nobody = [
            "Unknown User",
            "Unknown Customer",
            "Unbekannter Kunde",
            "Guest Checkout",
            "GUEST CUSTOMER",
            "Default Customer",
            "Laufkunde",
            "Consumidor Final",
            "NN",
            "N.N.",
            "null,null",
            "None:None",
            "nullnull",
            "{firstName2}",
            "%7B%7Bname%7D%7D",
        ];
        for category in ["user.name", "user.name.last"] {
            check(category, &somebody, &nobody);
        }
    }
}

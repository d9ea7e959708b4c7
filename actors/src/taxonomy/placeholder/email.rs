//! E-mail addresses that belong to nobody.

use std::borrow::Cow;

use super::mailboxes::{ANYWHERE, HOSTS, LOCALS, LOCALS_LIKE_HOST, OF_MANY, SPECIAL, UNREAD};
use super::words::Words;
use super::{keys, syntax};

/// Returns whether a domain is for trials.
fn is_example(domain: &str) -> bool {
    let is = |name: &str| domain == name || domain.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'));
    ["example", "example.com", "example.net", "example.org"]
        .iter()
        .any(|name| is(name))
}

pub(super) fn is_placeholder(words: &Words, address: &str) -> bool {
    let Some((local, domain)) = address.rsplit_once('@') else {
        return false;
    };
    let (host, top_level) = domain.rsplit_once('.').unwrap_or((domain, ""));
    if SPECIAL.contains(&top_level) || syntax::is_placeholder(local) || local.contains("***") {
        return true;
    }
    let local = without_tag(local);
    let parts = joined(local);
    if is_unread(&parts) {
        return true;
    }
    if is_example(domain) {
        return false;
    }
    let host = decoded(host.split('.').next_back().unwrap_or_default());
    let host = &*host;
    let is_of_organisation = top_level == "org";
    if is_of_organisation && local == host && LOCALS_LIKE_HOST.contains(&local) {
        return false;
    }
    // Hosts of one letter in .com do not exist, and those of countries are nobody's mail.
    if !is_of_organisation && is_one_character(local) && is_one_character(host) {
        return true;
    }
    if ANYWHERE.contains(&local)
        || OF_MANY.contains(&&*parts)
        || is_said_in_two_words(words, local, host)
        || is_one_run(local, host)
    {
        return true;
    }
    // Most addresses are told without looking at their words: Your.Email@, test_2@test.
    let is_near = local.starts_with("your") || local.chars().next() == host.chars().next();
    let is_known = HOSTS.contains(&host) || is_dull(host) || keys::is_run(host);
    if !(is_near || is_known) {
        return false;
    }
    let is_alike = local == host || *parts == *host;
    let is_yours = parts.starts_with("your") && LOCALS.contains(&&*parts);
    if !(is_known || is_alike || is_yours) {
        return false;
    }
    is_nobody(words, local)
        || (*parts != *local && is_nobody(words, &parts))
        || (local == host && LOCALS_LIKE_HOST.contains(&local))
}

fn is_nobody(words: &Words, local: &str) -> bool {
    let is_word = || !local.bytes().any(|b| b.is_ascii_digit()) && words.is_identifier_word(local);
    LOCALS.contains(&local) || is_dull(local) || keys::is_run(local) || is_word()
}

/// Returns whether local part and host say together that there is no address: not@provided.com, no@email.com.
fn is_said_in_two_words(words: &Words, local: &str, host: &str) -> bool {
    let begins = matches!(
        local,
        "not" | "no" | "none" | "non" | "nicht" | "sin" | "sem" | "senza" | "sans" | "ohne" | "kein" | "keine"
    );
    begins && local != host && words.is_identifier_word(&format!("{local} {host}"))
}

/// Returns whether local part and host are one run of keys: abc@def.com.
fn is_one_run(local: &str, host: &str) -> bool {
    local.len() > 1 && host.len() > 1 && keys::is_run(&format!("{local}{host}"))
}

fn is_one_character(text: &str) -> bool {
    text.chars().count() == 1
}

/// Returns a host in the letters that people see: `нет` for `xn--e1axn`.
fn decoded(host: &str) -> Cow<'_, str> {
    if host.starts_with("xn--") {
        Cow::Owned(idna::domain_to_unicode(host).0)
    } else {
        Cow::Borrowed(host)
    }
}

/// Returns whether nobody reads what is sent there: a local part that begins or ends with a word for that.
fn is_unread(parts: &str) -> bool {
    UNREAD
        .iter()
        .any(|word| parts.starts_with(word) || parts.ends_with(word))
}

/// Returns whether it is one letter again and again, as in xxx@xxx.com.
fn is_dull(text: &str) -> bool {
    text.len() >= 3 && text.bytes().all(|b| Some(&b) == text.as_bytes().first())
}

/// Returns the local part without its `+tag`: `test+1@test.com` becomes `test@test.com`.
fn without_tag(local: &str) -> &str {
    match local.split_once('+') {
        Some((before, _)) if !before.is_empty() => before,
        _ => local,
    }
}

/// Returns the address without its `+tag`. Returns `None` if it has none.
pub(in crate::taxonomy) fn untagged(address: &str) -> Option<String> {
    let (local, domain) = address.rsplit_once('@')?;
    let before = without_tag(local);
    (before.len() < local.len()).then(|| format!("{before}@{domain}"))
}

/// Returns the local part without signs between its parts, and without a number of up to three digits behind it:
/// `your.email`, `test_2`.
fn joined(local: &str) -> Cow<'_, str> {
    let stem = local.trim_end_matches(|c: char| c.is_ascii_digit());
    let stem = if local.len() - stem.len() <= 3 { stem } else { local };
    if stem.contains(['.', '_', '-']) {
        Cow::Owned(stem.replace(['.', '_', '-'], ""))
    } else {
        Cow::Borrowed(stem)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;

    #[test]
    fn tags_and_numbers_and_signs() {
        let nobody = [
            "test+1@test.com",
            "test2@test.com",
            "your@email.com",
            "your_email@gmail.com",
            "foo@bar.com",
            "foo+x@bar.com",
            "me@email.com",
            "name@company.com",
            "no-reply+1@x.com",
            "noreply+ada@shop.com",
            "first-user@test.test",
            "unknown-user@test.com",
            "qwe@qwe.com",
            "asd@asd.com",
            "zxc@zxc.de",
            "asd@qwe.com",
            "qweqwe@qweqwe.com",
            "a@b.com",
            "x@y.com",
            "1@1.com",
            "a@b.de",
            "123@123.com",
            "1234@1234.de",
            "111@111.com",
            "abc@xyz.com",
            "no_responder@x.es",
            "nicht-antworten@x.de",
            "nao-responda@x.br",
            "noreply-orders@shop.com",
            "orders.no-reply@shop.com",
            "not@provided.com",
            "no@email.com",
            "anonymized@anonymized.com",
            "notiene@hotmail.com",
            "нет@нет.рф",
            "guest@shop.com",
            "guest1@shop.com",
            "guest-checkout@shop.com",
            "deleted-user@shop.com",
            "deleted+123@shop.com",
            "redacted@shop.com",
            "abc@def.com",
            "ab@cd.com",
            "poiuy@poiuy.com",
            "na@na.com",
        ];
        let somebody = [
            "ada+test@shop.com",
            "ada@email.com",
            "ada@bar.com",
            "test2@gmail.com",
            "n.a@gmail.com",
            "na1@shop.com",
            "bob1@bob.com",
            "mail2@mail.com",
            "+ada@shop.com",
            "youri@gmail.com",
            "na@shop.com",
            "nil@nilsson.se",
            "aa@aa.org",
            "x@x.org",
            "no@shop.com",
            "not@shop.com",
            "a@shop.com",
            "ada@x.com",
            "qwe@gmail.com",
            "asd@school.com",
            "123@qq.com",
            "guesthouse@shop.com",
            "a@bc.com",
            "info@info.com",
            "ada@ada.com",
            "gast@shop.com",
            "guest.ada@shop.com",
            "bob@bob.com",
            "hp@hp.com",
            "иван@иван.рф",
            "reply@shop.com",
            "norah@shop.com",
        ];
        check("user.contact.email", &somebody, &nobody);
    }

    #[test]
    fn names_inside_a_network() {
        let nobody = [
            "a@x.intranet",
            "a@x.private",
            "a@x.workgroup",
            "a@x.domain",
            "a@x.router",
            "a@x.belkin",
            "a@x.home",
            "a@x.lan",
            "a@x.internal",
            "a@x.corp",
            "a@nas.dlink",
            "a@x.localnet",
            "a@x.null",
            "a@x.server",
            "a@x.home.arpa",
        ];
        let somebody = [
            "ada@intranet.com",
            "ada@private.de",
            "ada@router.shop.com",
            "ada@x.network",
            "ada@x.host",
            "ada@x.email",
            "ada@fritz.box",
            "ada@x.example",
        ];
        check("user.contact.email", &somebody, &nobody);
    }
}

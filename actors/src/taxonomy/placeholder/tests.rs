use super::super::{NormaliseContext, Taxonomy};

const CONTEXT: NormaliseContext<'_> = NormaliseContext {
    processor: "shop",
    default_region: Some("DE"),
};

/// Returns whether a value links. Returns `None` if it is no value of the category.
pub(in crate::taxonomy) fn links(taxonomy: &Taxonomy, category: &str, raw: &str) -> Option<bool> {
    let category = taxonomy.get(category).unwrap();
    let normalised = category.normalise.normalise(raw, &CONTEXT).ok()?;
    Some(!taxonomy.is_blocked(category, normalised.value?.expose()))
}

pub(super) fn check(category: &str, somebody: &[&str], nobody: &[&str]) {
    let taxonomy = Taxonomy::bundled();
    for raw in somebody {
        assert_eq!(
            links(&taxonomy, category, raw),
            Some(true),
            "{category}: {raw:?} is somebody"
        );
    }
    for raw in nobody {
        assert_ne!(
            links(&taxonomy, category, raw),
            Some(true),
            "{category}: {raw:?} is nobody"
        );
    }
}

#[test]
fn ids() {
    let nobody = [
        "[object Object]",
        "[object Undefined]",
        "00000000-0000-0000-0000-000000000000",
        "{00000000-0000-0000-0000-000000000000}",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
        "(null)",
        "true",
        "False",
        "{{user.id}}",
        "{{ customer.id }}",
        "${id}",
        "#{id}",
        "<%= id %>",
        "{% id %}",
        "%s",
        "%USER_ID%",
        "$user_id",
        "$1",
        ":id",
        "{0}",
        "{id}",
        "<id>",
        "[ID]",
        "*|UID|*",
        "%%uid%%",
        "%(id)s",
        "{!Contact.Id}",
        "NULL",
        "'NULL'",
        "\"null\"",
        "`null`",
        "<null>",
        "<nil>",
        "%!s(<nil>)",
        "None",
        "NaN",
        "undefined",
        "N/A",
        "n.a.",
        "#N/A",
        "\\N",
        "-",
        "--",
        "?",
        "...",
        "0",
        "00",
        "0.0",
        "000000",
        "0000-00-00",
        "0x0000000000000000000000000000000000000000",
        "-1",
        "9999999",
        "11111111",
        "1234567890",
        "0123456789",
        "987654321",
        "123456789",
        "2147483647",
        "18446744073709551615",
        "xxx",
        "XXXX-XXXX",
        "aaaa",
        "****1234",
        "XXXXX1234",
        "not provided",
        "Not_Provided",
        "NOT-AVAILABLE",
        "(not set)",
        "unknown",
        "pending",
        "TBD",
        "tba",
        "guest",
        "anonymous",
        "undefined undefined",
        "null-null",
        "test",
        "test_user",
        "keine Angabe",
        "k.A.",
        "unbekannt",
        "inconnu",
        "desconocido",
        "não informado",
        "sconosciuto",
        "onbekend",
        "okänd",
        "nieznany",
        "неизвестно",
        "غير معروف",
        "未知",
        "なし",
        "없음",
        "無",
        "11111111-2222-3333-4444-555555555555",
        "12345678-1234-1234-1234-123456789012",
        "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx",
        "123e4567-e89b-12d3-a456-426614174000",
        "urn:uuid:00000000-0000-0000-0000-000000000000",
        "00000000-0000-4000-8000-000000000000",
        "com.shop.User@1b6d3586",
        "System.Object",
        "#<User:0x00007f8>",
        "HASH(0x55d0c8)",
        "<object object at 0x7f2a>",
        "function () { return id }",
        "[Function: id]",
        "Array",
        "Object id #7",
        "#REF!",
        "d41d8cd98f00b204e9800998ecf8427e",
        "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855",
        "test@test.com",
        "noemail@shop.com",
        "\u{200b}",
        "ＮＵＬＬ",
        "n\u{200b}ull",
        "[email protected]",
        "[REDACTED]",
        "💥",
        "{}",
        "[]",
    ];
    let somebody = [
        "1",
        "2",
        "42",
        "999",
        "1111",
        "99999",
        "111111",
        "12345",
        "123456",
        "c-4711",
        "C-1",
        "abc-123",
        "null-4711",
        "x1",
        "aa",
        "6f9619ff-8b86-d011-b42d-00c04fc964ff",
        "{6F9619FF-8B86-D011-B42D-00C04FC964FF}",
        "auth0|5f7c8ec7c33c6c004bbafe82",
        "ada@shop.example",
        "test@example.com",
        "google-oauth2|108",
        "Nullmeier",
        "testarossa",
        "guest-4711",
        "10000000",
        "1000000",
        "user_1",
        "user-4711",
        "12345678-1234-4321-8234-1234567890ab",
        "0000001",
        "00042",
        "max",
        "Maxxx1",
        "truelove",
        "a+b/c==",
        "7f83b1657ff1fc53b92dc18148a1d65dfc2d4b1fa3d677284addd200126d9069",
        "x²",
        "Noa",
        "Nonette",
        "1,2,3",
        "+1",
        "$5-off-9",
        "SGVsbG8=",
        "a:b",
        "[4711]",
        "<4711@shop.example>",
    ];
    check("user.unique_id", &somebody, &nobody);
    check(
        "user.device.cookie_id",
        &["GA1.2.1234567890.1600000000"],
        &["undefined", "{{cookie}}", "(not set)"],
    );
    check(
        "user.account.username",
        &["ada_l", "nullpointer", "guest42"],
        &["guest", "Admin", "null", "[object Object]", "{{user}}"],
    );
}

#[test]
fn numbers_of_authorities() {
    let category = "user.government_id.national_identification_number";
    let nobody = [
        "000-00-0000",
        "US:123-45-6789",
        "123-45-6789",
        "PL:00000000000",
        "US:078-05-1120",
        "078-05-1120",
        "us:219-09-9999",
        "US:111-22-3333",
        "987-65-4321",
        "111-11-1111",
        "999999999",
        "999-99-9999",
        "XXX-XX-1234",
        "***-**-1234",
        "not provided",
        "NOT PROVIDED",
        "N/A",
        "unknown",
        "pending",
        "none",
        "null",
        "undefined",
        "test",
        "xxxxxxxxx",
        "00000",
        "QQ123456C",
        "GB:QQ 12 34 56 C",
        "IN:000000000000",
        "DE:00000000000",
        "BR:111.111.111-11",
        "12345678901",
        "1234567890",
        "TBD",
    ];
    check(
        category,
        &[
            "AB123456C",
            "US:536-90-4399",
            "PL:44051401359",
            "l01x00t47",
            "12 435 678 912",
        ],
        &nobody,
    );
    check(
        "user.government_id.passport_number",
        &["C01X00T47", "de: l01x-00t4"],
        &["000000000", "XXXXXXXXX", "unknown", "DE:n/a", "FR:pending"],
    );
    check(
        "user.health_and_medical.record_id",
        &["MRN-0042", "1234", "123456", "1", "7", "12", "P1"],
        &["0", "00", "x", "00000", "unknown", "n/a", "TEST", "XXXXX123"],
    );
}

#[test]
fn addresses() {
    let nobody = [
        "test@test.com",
        "noreply@shop.com",
        "no-reply@shop.example",
        "none@none.com",
        "na@na.com",
        "null@null.com",
        "asdf@asdf.com",
        "asdf@gmail.com",
        "a@a.com",
        "xxx@xxx.com",
        "x@x.com",
        "test@gmail.com",
        "abc@abc.com",
        "foo@bar.com.invalid",
        "ada@shop.invalid",
        "ada@app.localhost",
        "ada@a.b.arpa",
        "ada@shop.test",
        "ada@printer.local",
        "root@localhost.localdomain",
        "ada@corp.internal",
        "undefined@shop.com",
        "user@test.com",
        "example@test.com",
        "a***@shop.com",
        "j****e@shop.com",
        "{{email}}@shop.com",
        "email@email.com",
        "your.email@gmail.com",
        "noemail@noemail.com",
        "donotreply@shop.com",
        "TEST@TEST.COM",
        "ada@1.2.3.4",
        "ada@shop.123",
        "unknown@unknown.de",
        "ｔｅｓｔ@test.com",
    ];
    let somebody = [
        "ada@shop.example",
        "ada@example.com",
        "test@example.com",
        "test@shop.example",
        "info@shop.com",
        "mail@ada.com",
        "bob@bob.com",
        "no@shop.com",
        "a@shop.com",
        "testa@gmail.com",
        "test.user@shop.com",
        "nullmeier@gmail.com",
        "ada@xn--bcher-kva.example",
        "ada@test.shop.com",
        "ada@local.shop.com",
        "guest.house@gmail.com",
    ];
    check("user.contact.email", &somebody, &nobody);
    check(
        "user.contact.phone_number",
        &["+49 30 901820", "+1 212 555 0123", "+49 30 901820 ext. 0000000"],
        &[
            "+44 7777 777777",
            "+1 234 567 8900",
            "+49 1234567890",
            "0000000",
            "+380 66 666 6666",
            "+1 999 999 9999",
        ],
    );
    check(
        "user.contact.url",
        &[
            "https://social.example/ada",
            "https://social.example/profile.php?id=1001",
            "https://social.example/nullmeier",
            "https://social.example/$ada",
            "https://social.example/@ada",
            "https://social.example/ada:lovelace",
            "https://social.example/caf%C3%A9",
            "https://social.example/?q[]=1",
            "https://social.example/c++",
            "https://social.example/~ada",
        ],
        &[
            "https://social.example/undefined",
            "https://social.example/profile.php?id=null",
            "https://social.example/{{user}}",
            "https://social.example/[object Object]",
            "https://social.example/users/{id}",
            "https://social.example/users/:id",
            "https://social.example/users/:user_id/profile",
            "https://social.example/profile?id=%24%7Bid%7D",
            "https://social.example/profile?id=%7Bid%7D",
            "https://social.example/profile?id=<id>",
            "https://social.example/%USER_ID%",
            "https://social.example/[id]",
            "https://social.example/#/users/{{id}}",
        ],
    );
    check(
        "user.device.ip_address",
        &["203.0.113.7", "2001:db8::1", "8.8.8.8"],
        &[
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.1.1",
            "100.64.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "::1",
            "fe80::1",
            "fd00::1",
            "::ffff:10.0.0.1",
        ],
    );
    check(
        "user.device.mac_address",
        &["00:1b:63:84:45:e6"],
        &["00:00:00:00:00:00", "FF-FF-FF-FF-FF-FF", "11:11:11:11:11:11"],
    );
    check(
        "user.device.device_id",
        &["6F9619FF-8B86-D011-B42D-00C04FC964FF"],
        &[
            "00000000-0000-0000-0000-000000000000",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
        ],
    );
}

#[test]
fn a_surname_is_a_name() {
    let somebody = [
        "Null",
        "Guest",
        "Test",
        "None",
        "Nil",
        "Nan",
        "Na",
        "X",
        "Li",
        "O",
        "True",
        "Pending",
        "User",
        "Void",
        "No",
        "Jane Null",
        "Ada Test",
        "Guest Null",
        "Empty",
        "Default",
        "Yok",
        "Ada",
        "Abc",
        "Ng",
        "Ó",
        "Anon",
        "Strasse",
        "Straße",
    ];
    let nobody = [
        "undefined",
        "[object Object]",
        "null null",
        "undefined undefined",
        "None None",
        "N/A",
        "-",
        "??",
        "{{name}}",
        "${name}",
        "{{ first }} {{ last }}",
        "(null)",
        "Unknown",
        "not provided",
        "First Name",
        "firstname lastname",
        "xxx",
        "...",
        "%s",
        "*|FNAME|*",
        "Test User",
        "***",
        "12",
        "0",
    ];
    check("user.name.last", &somebody, &nobody[..nobody.len() - 2]);
    check("user.name", &somebody, &nobody[..nobody.len() - 2]);
    check(
        "user.contact.address.street",
        &["12 Main St", "Hauptstr. 7", "Null Straße 3"],
        &[
            "n/a",
            "-",
            "unknown",
            "[object Object]",
            "xxx",
            "{{street}}",
            "Straße",
            "STRASSE",
            "Street Address",
        ],
    );
    check(
        "user.contact.address.postal_code",
        &["28195", "12345", "55555"],
        &["00000", "XXXXX", "---"],
    );
    check(
        "user.demographic.date_of_birth",
        &["1985-12-10", "1950-01-03"],
        &["1900-01-01", "1970-01-01", "0001-01-01", "0000-00-00"],
    );
    check("user.location.precise", &["53.07583,8.80717"], &["0,0"]);
    check(
        "user.financial.bank_account",
        &["DE89 3704 0044 0532 0130 00", "021000021/123456"],
        &["021000021/000000"],
    );
}

#[test]
fn an_operator_adds_values_and_allows_others() {
    let extended = super::super::BUNDLED
        .replace(
            "\n[allowed]\n",
            "\n[allowed]\n\"user.unique_id\" = [\"guest\", \"9999999\"]\n",
        )
        .replace(
            "\n[blocklist]\n",
            "\n[blocklist]\n\"user.unique_id\" = [\"walkin-*\", \"4711\"]\n",
        );
    let taxonomy = Taxonomy::parse(&extended).unwrap();
    for (raw, expected) in [
        ("guest", true),
        ("9999999", true),
        ("4711", false),
        ("Walkin-7", false),
        ("none", false),
        ("c-1", true),
    ] {
        assert_eq!(links(&taxonomy, "user.unique_id", raw), Some(expected), "{raw}");
    }
}

#[test]
fn a_copy_of_the_former_file_has_the_words_that_are_built_in() {
    let (head, _) = super::super::BUNDLED.split_once("[placeholders]").unwrap();
    let former = super::super::catalogue::FORMER_ANY
        .map(|value| format!("{value:?}"))
        .join(", ");
    let copy = format!("{head}\n[blocklist]\nany = [{former}, \"12345678\", \"123456789\", \"ours\"]\n");
    let taxonomy = Taxonomy::parse(&copy).unwrap();
    for (category, raw, expected) in [
        ("user.unique_id", "not provided", false),
        ("user.unique_id", "ours", false),
        ("user.unique_id", "1", true),
        ("user.name.last", "Null", true),
        ("user.name.last", "ours", false),
    ] {
        assert_eq!(links(&taxonomy, category, raw), Some(expected), "{category} {raw}");
    }
    // A list that somebody made is taken at its word.
    let own = Taxonomy::parse(&format!("{head}\n[blocklist]\nany = [\"null\", \"1\"]\n")).unwrap();
    assert_eq!(links(&own, "user.unique_id", "1"), Some(false));
}

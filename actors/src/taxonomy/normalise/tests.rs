use proptest::prelude::*;

use super::*;
use crate::codes::EventCode;
use crate::personal::Personal;

const CONTEXT: NormaliseContext<'_> = NormaliseContext {
    processor: "shop",
    default_region: Some("DE"),
};

/// All normalisers except those that are scoped to a processor: their scope is not part of the sent value.
const ALL: [Normaliser; 21] = [
    Normaliser::Email,
    Normaliser::Phone,
    Normaliser::Url,
    Normaliser::Opaque,
    Normaliser::NationalId,
    Normaliser::Document,
    Normaliser::BankAccount,
    Normaliser::PaymentCard,
    Normaliser::DeviceId,
    Normaliser::IpAddress,
    Normaliser::MacAddress,
    Normaliser::Text,
    Normaliser::Name,
    Normaliser::BirthDate,
    Normaliser::Label,
    Normaliser::Region,
    Normaliser::PostalCode,
    Normaliser::Country,
    Normaliser::LocationPrecise,
    Normaliser::LocationImprecise,
    Normaliser::Language,
];

fn normalise(normaliser: Normaliser, raw: &str) -> Result<String, &'static str> {
    let normalised = normaliser
        .normalise(raw, &CONTEXT)
        .map_err(|invalid| invalid.code.as_str())?;
    Ok(normalised.value.map(Personal::into_exposed).unwrap_or_default())
}

fn check(normaliser: Normaliser, good: &[(&str, &str)], bad: &[&str]) {
    for (raw, expected) in good {
        assert_eq!(normalise(normaliser, raw).as_deref(), Ok(*expected), "{raw}");
        assert_eq!(normalise(normaliser, expected).as_deref(), Ok(*expected), "{raw} again");
    }
    for raw in bad {
        assert!(normalise(normaliser, raw).is_err(), "{raw}");
    }
}

#[test]
fn contacts() {
    check(
        Normaliser::Email,
        &[
            (" Ada.Lovelace+x@Shop.Example ", "ada.lovelace+x@shop.example"),
            ("ada@Bücher.example", "ada@xn--bcher-kva.example"),
        ],
        &[
            "",
            "ada",
            "ada@",
            "@shop.example",
            "ada@localhost",
            "a b@shop.example",
            "ada@shop..example",
            "ada@[127.0.0.1]",
        ],
    );
    check(
        Normaliser::Phone,
        &[
            ("030 901820", "+4930901820"),
            ("+49 (0)30 / 901820", "+4930901820"),
            ("0044 20 7946 0958", "+442079460958"),
        ],
        &["", "12", "+49 1", "phone", "+999 123456789"],
    );
    check(
        Normaliser::Url,
        &[(
            "HTTPS://Bücher.example/Ada?utm=1#top",
            "https://xn--bcher-kva.example/Ada",
        )],
        &["shop.example", "ftp://shop.example", "javascript:alert(1)"],
    );
    assert_eq!(
        Normaliser::Phone
            .normalise("030 901820", &NormaliseContext::default())
            .unwrap_err()
            .code,
        EventCode::InvalidPhoneNumber
    );
}

#[test]
fn money() {
    check(
        Normaliser::BankAccount,
        &[
            ("de89 3704 0044 0532 0130 00", "DE89370400440532013000"),
            ("021000021/123456", "021000021/123456"),
        ],
        &[
            "DE89370400440532013001",
            "DE8937040044053201300",
            "XX00",
            "021000022/1",
            "021000021/",
            "ä",
        ],
    );
    check(
        Normaliser::PaymentCard,
        &[("4111 1111-1111 1111", "4111111111111111")],
        &["4111111111111112", "0000000000000000", "411111111111111a", "42"],
    );
}

#[test]
fn authorities() {
    check(
        Normaliser::NationalId,
        &[
            ("us: 078-05-1120", "US:078051120"),
            ("PL:44051401359", "PL:44051401359"),
            ("gb:943 476 5919", "GB:9434765919"),
            ("IN:2341 2341 2346", "IN:234123412346"),
            ("l01x00t47", "L01X00T47"),
        ],
        &[
            "US:000051120",
            "US:666051120",
            "PL:44051401358",
            "GB:9434765918",
            "IN:234123412347",
            "a",
            "ÄÖÜÄÖÜ",
        ],
    );
    check(
        Normaliser::Document,
        &[("de: l01x-00t4", "DE:L01X00T4"), ("b-ab 1234", "BAB1234")],
        &["", "1", "!!!"],
    );
    assert_eq!(
        normalise(Normaliser::IssuedNumber, "mr-1234").as_deref(),
        Ok("4:shop:MR1234")
    );
    // A processor's first numbers are short.
    for (raw, expected) in [
        ("1", "4:shop:1"),
        ("7", "4:shop:7"),
        ("12", "4:shop:12"),
        ("P-1", "4:shop:P1"),
    ] {
        assert_eq!(
            normalise(Normaliser::IssuedNumber, raw).as_deref(),
            Ok(expected),
            "{raw}"
        );
    }
    assert_eq!(normalise(Normaliser::IssuedNumber, "-"), Err("invalid_document_number"));
}

#[test]
fn devices() {
    check(
        Normaliser::DeviceId,
        &[(
            "6F9619FF-8B86-D011-B42D-00C04FC964FF",
            "6f9619ff-8b86-d011-b42d-00c04fc964ff",
        )],
        &["00000000-0000-0000-0000-000000000000", "device"],
    );
    check(
        Normaliser::IpAddress,
        &[
            ("::FFFF:192.0.2.1", "192.0.2.1"),
            ("2001:DB8:0::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
        ],
        &["192.0.2", "256.0.0.1", "localhost"],
    );
    check(
        Normaliser::MacAddress,
        &[("00-1B-63-84-45-E6", "00:1b:63:84:45:e6")],
        &["00:1b:63:84:45", "zz"],
    );
    let local = Normaliser::MacAddress.normalise("02:1b:63:84:45:e6", &CONTEXT).unwrap();
    assert_eq!(local.warning.unwrap().0, EventCode::MacAddressLocal);
}

#[test]
fn words_dates_and_places() {
    check(
        Normaliser::Name,
        &[
            ("  ＡＤＡ   Lovelace", "ada lovelace"),
            ("Strauß", "strauss"),
            ("İpek", "i̇pek"),
        ],
        &[" "],
    );
    for (raw, expected) in [
        ("Ada", "4:shop:ada"),
        ("X²a", "4:shop:x²a"),
        ("Ⅳ", "4:shop:ⅳ"),
        ("①", "4:shop:①"),
        ("ＡＤＡ  L", "4:shop:ada l"),
        ("Strauß", "4:shop:strauss"),
        ("JOSE\u{301}", "4:shop:josé"),
    ] {
        assert_eq!(normalise(Normaliser::Username, raw).as_deref(), Ok(expected), "{raw}");
    }
    // The former spelling of this one is the spelling of another.
    let full_width = Normaliser::Username.normalise("ｘ²", &CONTEXT).unwrap();
    assert_eq!(full_width.earlier, None);
    check(Normaliser::Name, &[("Ⅳ", "iv"), ("x²", "x2")], &[]);
    check(
        Normaliser::BirthDate,
        &[
            ("1985-12-10", "1985-12-10"),
            ("19851210", "1985-12-10"),
            ("1985-12-10T00:00:00Z", "1985-12-10"),
        ],
        &["1815-12-10", "2999-01-01", "1985-02-30", "10.12.1985"],
    );
    check(Normaliser::Country, &[("de", "DE")], &["Germany", "ZZ"]);
    check(
        Normaliser::Region,
        &[("de-be", "DE-BE"), (" New  York", "New York")],
        &[],
    );
    check(
        Normaliser::PostalCode,
        &[("sw1a 1aa", "SW1A1AA"), ("10 117", "10117")],
        &["1", "???"],
    );
    check(
        Normaliser::LocationPrecise,
        &[
            ("52.520008, 13.404954", "52.52001,13.40495"),
            ("-0.000001,0", "0.00000,0.00000"),
        ],
        &["91,0", "0,181", "52.5", "a,b", "NaN,0"],
    );
    check(
        Normaliser::LocationImprecise,
        &[("52.520008,13.404954", "52.52,13.40"), ("Berlin", "Berlin")],
        &[],
    );
    check(
        Normaliser::Language,
        &[("PT_br", "pt-BR"), ("zh-hant-tw", "zh-Hant-TW")],
        &["d", "12", "de-"],
    );
}

#[test]
fn passwords_and_presence_leave_no_value() {
    let password = Normaliser::Password.normalise("hunter2", &CONTEXT).unwrap();
    assert_eq!(
        (password.value, password.warning.unwrap().0),
        (None, EventCode::PasswordReceived)
    );
    assert_eq!(Normaliser::Presence.normalise("x", &CONTEXT).unwrap().value, None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_normaliser_is_idempotent_and_none_panics(raw in "\\PC{0,40}|[0-9+ ()/.:-]{0,20}|[a-zA-Z0-9.:_-]{0,24}") {
        for normaliser in ALL {
            if let Ok(once) = normalise(normaliser, &raw) {
                prop_assert_eq!(normalise(normaliser, &once), Ok(once.clone()), "{:?}", normaliser);
            }
        }
    }
}

#[test]
fn an_extension_belongs_to_its_number() {
    let number = "+4930901820";
    let with_extension = [
        "+49 30 901820 ext. 101",
        "+49 30 901820 x101",
        "+49 30 901820 #101",
        "+49 30 901820;ext=101",
        "+49 30 901820,101",
        "tel:+49-30-901820;ext=101",
        "+49 30 901820 Durchwahl 101",
        "+49 30 901820 DW 101",
        "+49 30 901820 доб. 101",
        "+49 30 901820 poste 101",
        "+49 30 901820 anexo: 101",
        "+49 30 901820 (ext 101)",
    ]
    .map(|raw| (raw, "+4930901820;ext=101"));
    check(
        Normaliser::Phone,
        &with_extension,
        &["+49 30 901820 home 7", "+49 1 ext. 101"],
    );
    let without = [
        "+49 30 901820 ext.",
        "+49 30 901820 (home)",
        "+49 30\n901820",
        "\u{202a}+49 30 901820\u{202c}",
    ];
    check(Normaliser::Phone, &without.map(|raw| (raw, number)), &[]);
    check(
        Normaliser::Phone,
        &[
            ("+1 800 FLOWERS", "+18003569377"),
            ("+49 30 901820-101", "+4930901820101"),
        ],
        &[],
    );
}

#[test]
fn parameters_of_a_number_come_in_any_order() {
    check(
        Normaliser::Phone,
        &[
            ("tel:+12127361237;isub=1;ext=101", "+12127361237;ext=101"),
            ("tel:+12127361237;ext=102;isub=1", "+12127361237;ext=102"),
            ("tel:+12127361237;isub=1", "+12127361237"),
            ("tel:2127361234;phone-context=+1;ext=101", "+12127361234;ext=101"),
            ("tel:2127361234;EXT=1-02;phone-context=+1", "+12127361234;ext=102"),
            ("tel:901820;phone-context=+49-30", "+4930901820"),
            ("tel:030901820;ext=7;phone-context=shop.example", "+4930901820;ext=7"),
            ("+49 30 901820; ext=101", "+4930901820;ext=101"),
            ("+49 30 901820;ext=", "+4930901820"),
            ("tel:+52-1-55-1234-5678;isub=1;ext=3", "+525512345678;ext=3"),
        ],
        &["tel:+12127361237;ext=a", "tel:+12127361237;ext=123456789012345678901"],
    );
}

#[test]
fn numbers_in_a_form_that_is_given_up_are_those_of_today() {
    let mexico = [
        "+52 1 55 1234 5678",
        "+5215512345678",
        "005215512345678",
        "+52 55 1234 5678",
        "+52 044 55 1234 5678",
        "whatsapp:+5215512345678",
        "tel:+5215512345678",
        "+52 1 55 1234 5678 (casa)",
        "Tel.: (+52) 1 55 1234 5678",
    ];
    check(
        Normaliser::Phone,
        &mexico.map(|raw| (raw, "+525512345678")),
        &["+52 1 55 1234 567"],
    );
    check(
        Normaliser::Phone,
        &[("+55 11 8765 4321", "+5511987654321")],
        &["+55 11 8765 432"],
    );
    let at_home = NormaliseContext {
        processor: "shop",
        default_region: Some("MX"),
    };
    for raw in ["044 55 1234 5678", "1 55 1234 5678", "521 55 1234 5678", "5512345678"] {
        let normalised = Normaliser::Phone.normalise(raw, &at_home).unwrap();
        assert_eq!(normalised.value.unwrap().expose(), "+525512345678", "{raw}");
    }
}

#[test]
fn a_page_is_named_by_its_query_and_not_by_where_its_visitor_came_from() {
    check(
        Normaliser::Url,
        &[
            (
                "https://s.example/profile.php?id=1001",
                "https://s.example/profile.php?id=1001",
            ),
            (
                "https://s.example/p?utm_source=x&id=2&fbclid=y",
                "https://s.example/p?id=2",
            ),
            ("https://s.example/p?GCLID=y", "https://s.example/p"),
            ("https://s.example/#!/ada", "https://s.example/#!/ada"),
            ("https://s.example/ada#about", "https://s.example/ada"),
            ("https://s.example/#users/1", "https://s.example/#users/1"),
            ("https://s.example/#@bob", "https://s.example/#@bob"),
            ("https://s.example/#id=7&utm_source=x", "https://s.example/#id=7"),
            ("https://s.example/#/ada?utm_source=x", "https://s.example/#/ada"),
            ("https://s.example/ada#:~:text=a", "https://s.example/ada"),
            ("https://s.example/#!/", "https://s.example/"),
            ("https://s.example/?pk_user=1&pk_kwd=x", "https://s.example/?pk_user=1"),
            (
                "https://s.example/?mtm_user=2&mtm_source=x",
                "https://s.example/?mtm_user=2",
            ),
            ("https://s.example/?utm%5Fsource=x&id=1", "https://s.example/?id=1"),
            (
                "https://s.example/ada?__cft__[0]=AZX&__tn__=-R&__hstc=1.2&__s=x&s_cid=1&oly_enc_id=2&id=1",
                "https://s.example/ada?id=1",
            ),
            (
                "https://s.example/?rb_clickid=1&ml_subscriber=2&wickedid=3&hsa_cam=4&hsa_grp=5&gad=1&gad_source=5",
                "https://s.example/",
            ),
            (
                "https://s.example/?matomo_campaign=a&at_campaign=b&at_medium=c&__cft__%5B0%5D=d&u=1",
                "https://s.example/?u=1",
            ),
            ("https://s.example/?xyzclid=1&wbraid=2", "https://s.example/"),
            (
                "https://s.example/?clid=7&at_user=2&s=3",
                "https://s.example/?clid=7&at_user=2&s=3",
            ),
        ],
        &[],
    );
}

#[test]
fn ibans_have_check_digits_from_02_to_98() {
    let good = [
        "DE98370400440532013032",
        "MA64011519000001205000534921",
        "SN08SN0100152000048500003035",
    ];
    let warning = |raw: &str| {
        let normalised = Normaliser::BankAccount.normalise(raw, &CONTEXT).unwrap();
        normalised.warning.map(|(code, _)| code)
    };
    assert_eq!(
        good.map(warning),
        [
            None,
            Some(EventCode::IbanUnregistered),
            Some(EventCode::IbanUnregistered)
        ]
    );
    let bad = [
        "DE01370400440532013032",
        "DE00370400440532013050",
        "DE99370400440532013014",
        "MA65011519000001205000534921",
    ];
    check(Normaliser::BankAccount, &[], &bad);
}

#[test]
fn alike_is_what_looks_alike() {
    check(
        Normaliser::Email,
        &[
            ("JOSE\u{301}@shop.example", "jos\u{e9}@shop.example"),
            ("\u{feff}a\u{200b}d\u{ad}a@shop.example", "ada@shop.example"),
            ("ａｄａ＠ｓｈｏｐ．ｅｘａｍｐｌｅ", "ada@shop.example"),
        ],
        &["a@1.2.3.4", "a@shop.123", "a@shop.c", "\u{200b}"],
    );
    check(
        Normaliser::Opaque,
        &[
            ("ｃ－４７１１", "c-4711"),
            ("c\u{2060}-4711", "c-4711"),
            ("x²", "x²"),
            ("e\u{301}", "é"),
        ],
        &["\u{200b}\u{feff}", "a\nb"],
    );
    check(
        Normaliser::Name,
        &[("12 Main St\r\nApt 4", "12 main st apt 4"), ("Ada\tL", "ada l")],
        &["a\u{0}b"],
    );
    check(Normaliser::Label, &[("Bad\nHomburg", "Bad Homburg")], &[]);
    check(
        Normaliser::Document,
        &[("de: l01x\u{2010}00\u{2212}t4", "DE:L01X00T4")],
        &[],
    );
    check(
        Normaliser::NationalId,
        &[("US:078\u{2013}05\u{2014}1120", "US:078051120")],
        &[],
    );
    check(
        Normaliser::BankAccount,
        &[(
            "DE89\u{2011}3704\u{2011}0044\u{2011}0532\u{2011}0130\u{2011}00",
            "DE89370400440532013000",
        )],
        &[],
    );
    check(
        Normaliser::Phone,
        &[("+49\u{2012}30\u{2015}901820 ext\u{2013}7", "+4930901820;ext=7")],
        &[],
    );
    check(Normaliser::Opaque, &[("c\u{2013}1", "c\u{2013}1")], &[]);
}

#[test]
fn quotes_that_are_not_needed_are_dropped() {
    check(
        Normaliser::Email,
        &[
            ("\"Ada\"@x.example", "ada@x.example"),
            ("\"a\\da.l\"@x.example", "ada.l@x.example"),
            ("\"ada \\l\"@x.example", "\"ada l\"@x.example"),
        ],
        &["\"ada@x.example"],
    );
    let quoted = Normaliser::Email.normalise("\"ada\"@x.example", &CONTEXT).unwrap();
    assert_eq!(quoted.earlier.unwrap().expose(), "\"ada\"@x.example");
}

#[test]
fn control_characters_alone_are_empty() {
    for normaliser in [
        Normaliser::Presence,
        Normaliser::Password,
        Normaliser::Opaque,
        Normaliser::Text,
    ] {
        for raw in ["\0", "\u{1}\u{7f}", " \0\u{200b}\u{85}"] {
            assert_eq!(
                normaliser.normalise(raw, &CONTEXT).unwrap_err(),
                Invalid::EMPTY,
                "{raw:?}"
            );
        }
    }
}

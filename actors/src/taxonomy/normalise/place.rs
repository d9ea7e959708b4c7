//! Places.

use super::normalised::Invalid;
use super::text;
use crate::codes::EventCode;

const COUNTRY: Invalid = Invalid::new(EventCode::InvalidCountry, "must be an ISO 3166-1 alpha-2 code, as DE");
const POSTAL_CODE: Invalid = Invalid::new(EventCode::InvalidPostalCode, "must have 2 to 12 letters and digits");
const LOCATION: Invalid = Invalid::new(
    EventCode::InvalidLocation,
    "must be latitude and longitude in degrees, as 52.52,13.405",
);

/// ISO 3166-1 alpha-2, and XK, which is in use for Kosovo.
const COUNTRIES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR \
     BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET \
     FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ \
     IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML \
     MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS \
     PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL \
     TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW XK";

pub(super) fn country(raw: &str) -> Result<String, Invalid> {
    let code = raw.to_uppercase();
    if code.len() == 2 && COUNTRIES.split_whitespace().any(|known| known == code) {
        Ok(code)
    } else {
        Err(COUNTRY)
    }
}

/// Normalises a region: `de-be` becomes `DE-BE` (ISO 3166-2), other text a label.
pub(super) fn region(raw: &str) -> String {
    let upper = raw.to_uppercase();
    let is_code = upper.split_once('-').is_some_and(|(country_code, part)| {
        country(country_code).is_ok()
            && (1..=3).contains(&part.len())
            && part.bytes().all(|b| b.is_ascii_alphanumeric())
    });
    if is_code { upper } else { text::label(raw) }
}

pub(super) fn postal_code(raw: &str) -> Result<String, Invalid> {
    let code: String = raw
        .chars()
        .filter(|c| !c.is_whitespace())
        .collect::<String>()
        .to_uppercase();
    let ok = (2..=12).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if ok { Ok(code) } else { Err(POSTAL_CODE) }
}

pub(super) fn location(raw: &str, decimals: usize) -> Result<String, Invalid> {
    let (latitude, longitude) = raw.split_once([',', ';', ' ']).ok_or(LOCATION)?;
    let degrees = |text: &str, limit: f64| {
        let value: f64 = text.trim().parse().map_err(|_| LOCATION)?;
        if value.abs() <= limit {
            // Adding zero turns −0 into 0.
            let scale = 10f64.powi(i32::try_from(decimals).unwrap_or(0));
            Ok((value * scale).round() / scale + 0.0)
        } else {
            Err(LOCATION)
        }
    };
    let (latitude, longitude) = (degrees(latitude, 90.0)?, degrees(longitude, 180.0)?);
    Ok(format!("{latitude:.decimals$},{longitude:.decimals$}"))
}

//! Devices and networks.

use std::net::IpAddr;

use uuid::Uuid;

use super::normalised::{Invalid, Normalised};
use crate::codes::EventCode;

const DEVICE: Invalid = Invalid::new(EventCode::InvalidDeviceId, "must be a UUID that is not all zeros");
const IP: Invalid = Invalid::new(EventCode::InvalidIpAddress, "must be an IPv4 or IPv6 address");
const MAC: Invalid = Invalid::new(
    EventCode::InvalidMacAddress,
    "must have 12 hexadecimal digits, as 00:1b:63:84:45:e6",
);

pub(super) fn device_id(raw: &str) -> Result<String, Invalid> {
    let uuid = Uuid::parse_str(raw).map_err(|_| DEVICE)?;
    if uuid.is_nil() {
        Err(DEVICE)
    } else {
        Ok(uuid.hyphenated().to_string())
    }
}

pub(super) fn ip_address(raw: &str) -> Result<String, Invalid> {
    let address: IpAddr = raw
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse()
        .map_err(|_| IP)?;
    Ok(address.to_canonical().to_string())
}

pub(super) fn mac_address(raw: &str) -> Result<Normalised, Invalid> {
    let hex: String = raw
        .chars()
        .filter(|c| !matches!(c, ':' | '-' | '.'))
        .collect::<String>()
        .to_lowercase();
    if hex.len() != 12 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(MAC);
    }
    let bytes: Vec<&str> = (0..6).map(|byte| &hex[2 * byte..2 * byte + 2]).collect();
    let local = u8::from_str_radix(bytes[0], 16).is_ok_and(|first| first & 0b10 != 0);
    let warning = local.then_some((
        EventCode::MacAddressLocal,
        "locally administered: such addresses change, and name no device",
    ));
    Ok(Normalised {
        warning,
        ..Normalised::value(bytes.join(":"))
    })
}

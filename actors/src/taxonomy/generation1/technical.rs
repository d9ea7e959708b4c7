//! Devices and networks, as generation 1 spelt them.

use std::net::IpAddr;

use uuid::Uuid;

pub(super) fn device_id(raw: &str) -> Option<String> {
    let uuid = Uuid::parse_str(raw).ok()?;
    if uuid.is_nil() {
        None
    } else {
        Some(uuid.hyphenated().to_string())
    }
}

pub(super) fn ip_address(raw: &str) -> Option<String> {
    let address: IpAddr = raw.trim_start_matches('[').trim_end_matches(']').parse().ok()?;
    Some(address.to_canonical().to_string())
}

pub(super) fn mac_address(raw: &str) -> Option<String> {
    let hex: String = raw
        .chars()
        .filter(|c| !matches!(c, ':' | '-' | '.'))
        .collect::<String>()
        .to_lowercase();
    if hex.len() != 12 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let bytes: Vec<&str> = (0..6).map(|byte| &hex[2 * byte..2 * byte + 2]).collect();
    Some(bytes.join(":"))
}

//! The dashboard, in a real browser.

mod access;
mod bidi;
pub mod browser;
mod editor;
mod hostile;
mod lists;
mod live;
mod pages;
mod places;
pub mod sessions;
mod story;
mod world;

use browser::Browser;
use serde_json::Value;

use crate::common::Conduit;

/// Signs in by the form.
#[track_caller]
pub fn sign_in(browser: &Browser, conduit: &Conduit, token: &str) {
    browser.go(&format!("{}/", conduit.url));
    browser.fill("#token", token);
    browser.click("form[action='/sign-in'] button");
    browser.wait_for_text("Overview");
}

/// Takes the complaints of the page since the last call.
pub fn complaints(browser: &Browser) -> Vec<Value> {
    let found = browser.log("browser").into_iter();
    found
        .filter(|entry| entry["level"] == "SEVERE" || entry["level"] == "WARNING")
        .collect()
}

/// Fails if the page complained about anything, or asked another host for anything.
#[track_caller]
pub fn assert_quiet(browser: &Browser, conduit: &Conduit) {
    let complaints = complaints(browser);
    assert!(complaints.is_empty(), "{complaints:?}");
    for url in browser.requested() {
        assert!(url.starts_with(&conduit.url), "another host was asked: {url}");
    }
}

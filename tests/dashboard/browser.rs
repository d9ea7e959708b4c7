//! A headless Chromium, driven by WebDriver (W3C) and, where that says nothing, the Chrome DevTools Protocol.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use serde_json::{Value, json};

use crate::common::{client, request, wait_for};

/// The key under which WebDriver names elements.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// One browser with one page.
pub struct Browser {
    driver: Child,
    client: ureq::Agent,
    session: String,
}

impl Browser {
    pub fn start() -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is installed: scripts/test does it");
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port: u16 = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| {
                line.split_once("started successfully on port ")?
                    .1
                    .trim_end_matches('.')
                    .parse()
                    .ok()
            })
            .expect("chromedriver says its port");
        // Its later output must be read, or it blocks.
        std::thread::spawn(move || lines.for_each(drop));
        let mut browser = Self {
            driver,
            client: client(),
            session: format!("http://127.0.0.1:{port}/session"),
        };
        let options = json!({"args": [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1280,900",
            "--disable-background-networking", "--disable-component-update", "--no-first-run", "--lang=en-GB",
            "--force-color-profile=srgb", "--hide-scrollbars"]});
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}}});
        let session = browser.call("POST", "", Some(wanted));
        browser.session = format!("{}/{}", browser.session, session["sessionId"].as_str().unwrap());
        browser
    }

    fn try_call(&self, method: &str, path: &str, body: Option<Value>) -> Result<Value, Value> {
        let url = format!("{}{path}", self.session);
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let headers = [("content-type", "application/json")];
        let answer = request(&self.client, method, &url, &headers, body.as_bytes()).expect("chromedriver answers");
        let value = answer.json()["value"].clone();
        if answer.status == 200 { Ok(value) } else { Err(value) }
    }

    #[track_caller]
    fn call(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        self.try_call(method, path, body)
            .unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    #[track_caller]
    pub fn go(&self, url: &str) {
        self.call("POST", "/url", Some(json!({"url": url})));
    }

    pub fn address(&self) -> String {
        self.call("GET", "/url", None).as_str().unwrap().to_owned()
    }

    /// Waits for the first element that a selector finds.
    #[track_caller]
    fn element(&self, selector: &str) -> String {
        wait_for(&format!("{selector} at {}", self.address()), || {
            let body = json!({"using": "css selector", "value": selector});
            let found = self.try_call("POST", "/element", Some(body)).ok()?;
            Some(found[ELEMENT].as_str()?.to_owned())
        })
    }

    /// Clicks an element once that is possible, and waits for a page that is being replaced.
    #[track_caller]
    pub fn click(&self, selector: &str) {
        let refused = std::cell::RefCell::new(Value::Null);
        wait_for(&format!("a click on {selector}"), || {
            let element = self.element(selector);
            let clicked = self.try_call("POST", &format!("/element/{element}/click"), Some(json!({})));
            clicked
                .map_err(|error| {
                    if *refused.borrow() != error["message"] {
                        eprintln!("{selector}: {}", error["message"]);
                        refused.replace(error["message"].clone());
                    }
                })
                .ok()
        });
    }

    /// Replaces the text of a field.
    #[track_caller]
    pub fn fill(&self, selector: &str, text: &str) {
        let element = self.element(selector);
        self.call("POST", &format!("/element/{element}/clear"), Some(json!({})));
        self.call(
            "POST",
            &format!("/element/{element}/value"),
            Some(json!({"text": text})),
        );
    }

    /// Presses keys where the focus is.
    pub fn press(&self, keys: &str) {
        let each = keys.chars().flat_map(|key| {
            let key = key.to_string();
            [
                json!({"type": "keyDown", "value": key}),
                json!({"type": "keyUp", "value": key}),
            ]
        });
        let actions: Vec<_> = each.collect();
        let body = json!({"actions": [{"type": "key", "id": "keys", "actions": actions}]});
        self.call("POST", "/actions", Some(body));
    }

    #[track_caller]
    pub fn run(&self, script: &str, arguments: Value) -> Value {
        self.call(
            "POST",
            "/execute/sync",
            Some(json!({"script": script, "args": arguments})),
        )
    }

    #[track_caller]
    pub fn run_async(&self, script: &str) -> Value {
        self.call("POST", "/execute/async", Some(json!({"script": script, "args": []})))
    }

    /// Returns the text of the first element that a selector finds, or of the whole page.
    #[track_caller]
    pub fn text(&self, selector: &str) -> String {
        self.element(selector);
        let script = "return document.querySelector(arguments[0])?.innerText ?? ''";
        self.run(script, json!([selector])).as_str().unwrap().to_owned()
    }

    /// Waits until a script says yes.
    #[track_caller]
    pub fn wait_until(&self, script: &str) {
        wait_for(script, || {
            let found = self.try_call("POST", "/execute/sync", Some(json!({"script": script, "args": []})));
            found.is_ok_and(|found| found == true).then_some(())
        });
    }

    /// Waits until the page has a text in it.
    #[track_caller]
    pub fn wait_for_text(&self, text: &str) {
        wait_for(
            &format!("the text {text:?} at {}: {}", self.address(), self.text("body")),
            || {
                let script = "return document.body?.innerText.includes(arguments[0]) ?? false";
                let found = self.try_call("POST", "/execute/sync", Some(json!({"script": script, "args": [text]})));
                found.is_ok_and(|found| found == true).then_some(())
            },
        );
    }

    /// Takes the log lines of the page and its requests since the last call.
    pub fn log(&self, kind: &str) -> Vec<Value> {
        let found = self.call("POST", "/se/log", Some(json!({"type": kind})));
        found.as_array().cloned().unwrap_or_default()
    }

    /// Takes the requested addresses since the last call.
    pub fn requested(&self) -> Vec<String> {
        let entries = self.log("performance").into_iter();
        let messages = entries.filter_map(|entry| serde_json::from_str::<Value>(entry["message"].as_str()?).ok());
        messages
            .filter(|message| message["message"]["method"] == "Network.requestWillBeSent")
            .filter_map(|message| Some(message["message"]["params"]["request"]["url"].as_str()?.to_owned()))
            .filter(|url| !url.starts_with("data:") && !url.starts_with("chrome"))
            .collect()
    }

    pub fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.call(
            "POST",
            "/goog/cdp/execute",
            Some(json!({"cmd": command, "params": parameters})),
        )
    }

    pub fn scheme(&self, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}, {"name": "prefers-reduced-motion", "value": "reduce"}]);
        self.devtools("Emulation.setEmulatedMedia", json!({"features": features}));
    }

    pub fn size(&self, width: u32, height: u32) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", metrics);
    }

    /// Takes a picture of the window, as PNG.
    pub fn picture(&self) -> Vec<u8> {
        let shot = self.devtools("Page.captureScreenshot", json!({"format": "png"}));
        base64::engine::general_purpose::STANDARD
            .decode(shot["data"].as_str().unwrap())
            .unwrap()
    }

    pub fn without_scripts(&self, disabled: bool) {
        self.devtools("Emulation.setScriptExecutionDisabled", json!({"value": disabled}));
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let address = self.try_call("GET", "/url", None);
            let body = json!({"script": "return document.body.innerText", "args": []});
            let text = self.try_call("POST", "/execute/sync", Some(body)).unwrap_or_default();
            eprintln!(
                "the browser was at {address:?}, which says:\n{}",
                text.as_str().unwrap_or_default()
            );
        }
        let _ = self.try_call("DELETE", "", None);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

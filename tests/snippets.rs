//! The sample senders, run as their users run them: against a real server, and against one that refuses.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use conduit::snippets::{Language, snippet};
use serde_json::{Value, json};

use crate::common::{Conduit, Tenant};

/// A name that would do something anywhere but in a literal.
const HOSTILE: &str =
    "it's \"odd\" $(touch broken) `touch broken` ${HOME} %s </script> \\ ''' \"\"\" \"# #{x} {URL} {EVENT} é😀\u{202e}";

/// A program, written to a directory, and for Rust compiled.
struct Program {
    dir: tempfile::TempDir,
    command: Vec<PathBuf>,
}

/// Compiles a program. The tests' own build directory has the crate that the program in Rust needs.
fn compile(source: &Path) -> PathBuf {
    let program = source.with_extension("");
    let tests = std::env::current_exe().unwrap();
    let dependencies = tests.parent().unwrap();
    let is_ureq = |path: &PathBuf| {
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        name.starts_with("libureq-") && name.ends_with(".rlib")
    };
    let entries = std::fs::read_dir(dependencies).unwrap();
    let found: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).filter(is_ureq).collect();
    assert!(!found.is_empty(), "no ureq in {}", dependencies.display());
    let mut errors = String::new();
    // Builds with other features, or by an earlier compiler, may lie beside the right one.
    for library in found {
        let output = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
            .args(["--edition=2021", "-D", "warnings", "--extern"])
            .arg(format!("ureq={}", library.display()))
            .arg("-L")
            .arg(format!("dependency={}", dependencies.display()))
            .arg("-o")
            .args([&program, source])
            .output()
            .expect("rustc runs");
        if output.status.success() {
            return program;
        }
        errors += &String::from_utf8_lossy(&output.stderr);
    }
    panic!("{errors}");
}

impl Program {
    fn new(language: Language, code: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (interpreter, name) = match language {
            Language::Curl => (Some("sh"), "send.sh"),
            Language::Python => (Some("python3"), "send.py"),
            Language::Node => (Some("node"), "send.mjs"),
            Language::Rust => (None, "send.rs"),
        };
        let source = dir.path().join(name);
        std::fs::write(&source, code).unwrap();
        let command = match interpreter {
            Some(interpreter) => vec![interpreter.into(), source],
            None => vec![compile(&source)],
        };
        Self { dir, command }
    }

    fn run(&self, key: &str, secret: &str) -> Output {
        Command::new(&self.command[0])
            .args(&self.command[1..])
            .current_dir(self.dir.path())
            .env("CONDUIT_API_KEY", key)
            .env("CONDUIT_WEBHOOK_SECRET", secret)
            .output()
            .unwrap_or_else(|error| panic!("{}: {error}: scripts/test installs it", self.command[0].display()))
    }
}

fn both(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn hostile_shop() -> Value {
    let path = HOSTILE.replace('.', "");
    json!({"name": HOSTILE, "defaultRegion": "DE", "events": [
        {"name": "plain", "fields": [{"path": "email", "required": true, "pii": "user.contact.email"}]},
        {"name": HOSTILE, "dedup": {"windowSeconds": 0}, "fields": [
            {"path": format!("{path}.email"), "required": true, "pii": "user.contact.email"},
            {"path": "__proto__.phone", "required": true, "pii": "user.contact.phone_number"},
            {"path": "items[].count", "type": "integer", "required": true},
            {"path": "items[].sold", "type": "boolean", "required": true},
            {"path": "at", "type": "timestamp", "required": true},
            {"path": "name", "required": true, "pii": "user.name"}]}]})
}

fn each_event_is_accepted_and_processed(language: Language) {
    let conduit = Conduit::start();
    let shop = Tenant::with(&conduit, "did:web:shop.example", hostile_shop());
    let event: String = url::form_urlencoded::byte_serialize(HOSTILE.as_bytes()).collect();
    let path = format!(
        "/api/v1/integrations/custom/{}/snippets?language={}&event={event}",
        shop.integration,
        language.as_str()
    );
    let answer = shop.call(&conduit, "GET", &path, None).expect(200).json();
    let items = answer["items"].as_array().unwrap();
    assert_eq!(
        (items.len(), items[0]["language"].as_str()),
        (1, Some(language.as_str()))
    );
    let code = items[0]["code"].as_str().unwrap();
    assert!(!code.contains("cdt_") && !code.contains("</script>"));
    let program = Program::new(language, code);
    for key in [
        shop.webhook_auth.as_str(),
        shop.webhook_auth.trim_start_matches("Bearer "),
    ] {
        let output = program.run(key, &shop.webhook_secret);
        assert!(output.status.success(), "{}", both(&output));
        let receipt: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(receipt["status"], "accepted");
        let found = shop.outcome(&conduit, receipt["eventId"].as_str().unwrap());
        assert_eq!(
            (found["status"].as_str(), found["event"].as_str(), &found["warnings"]),
            (Some("processed"), Some(HOSTILE), &json!([]))
        );
        let categories = json!(["user.contact.email", "user.contact.phone_number", "user.name"]);
        assert_eq!(found["categories"], categories);
    }
    let output = program.run(&shop.webhook_auth, "cdt_whs_wrong");
    assert!(
        !output.status.success() && both(&output).contains("authentication_failed"),
        "{}",
        both(&output)
    );
    assert!(!program.dir.path().join("broken").exists());
}

/// A server that answers each request with the next of these, and tells when they came.
struct Stub {
    url: String,
    seen: Arc<Mutex<Vec<Instant>>>,
}

impl Stub {
    fn start(answers: &'static [&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/event", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let times = Arc::clone(&seen);
        std::thread::spawn(move || {
            for answer in answers {
                let (stream, _) = listener.accept().unwrap();
                times.lock().unwrap().push(Instant::now());
                serve(stream, answer);
            }
        });
        Self { url, seen }
    }

    fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

fn serve(mut stream: TcpStream, head: &str) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["event"], "contact");
    write!(
        stream,
        "HTTP/1.1 {head}\r\nContent-Type: application/json\r\nContent-Length: 15\r\nConnection: close\r\n\r\n{{\"code\":\"told\"}}"
    )
    .unwrap();
}

fn waits_and_tries_again_only_where_that_helps(language: Language) {
    const ANSWERS: [&str; 4] = ["500 Try again\r\nRetry-After: 2", "200 OK", "401 No", "400 No"];
    let stub = Stub::start(&ANSWERS);
    let event = json!({"event": "contact", "triggeredAt": "2026-04-06T10:30:00Z"});
    let program = Program::new(language, &snippet(language, &stub.url, &event).code);
    for (key, secret, missing) in [("", "s", "CONDUIT_API_KEY"), ("k", "", "CONDUIT_WEBHOOK_SECRET")] {
        let output = program.run(key, secret);
        assert!(
            !output.status.success() && both(&output).contains(missing),
            "{}",
            both(&output)
        );
    }
    assert_eq!(stub.count(), 0);
    let output = program.run("k", "s");
    assert!(
        output.status.success() && both(&output).contains("told"),
        "{}",
        both(&output)
    );
    let seen = stub.seen.lock().unwrap().clone();
    assert_eq!(seen.len(), 2);
    // Without the header it would have been one second.
    assert!(
        seen[1] - seen[0] >= Duration::from_millis(1_900),
        "Retry-After is honoured"
    );
    for (before, status) in [(2, "401"), (3, "400")] {
        let output = program.run("k", "s");
        assert!(!output.status.success(), "{}", both(&output));
        let said = both(&output);
        assert!(said.contains("told") && said.contains(status), "{said}");
        assert_eq!(stub.count(), before + 1, "no second try");
    }
}

macro_rules! languages {
    ($($name:ident: $language:ident),* $(,)?) => {
        $(mod $name {
            #[test]
            fn each_event_is_accepted_and_processed() {
                super::each_event_is_accepted_and_processed(super::Language::$language);
            }

            #[test]
            fn waits_and_tries_again_only_where_that_helps() {
                super::waits_and_tries_again_only_where_that_helps(super::Language::$language);
            }
        })*
    };
}

languages! { curl: Curl, python: Python, node: Node, rust: Rust }

#[test]
fn all_languages_are_shown_for_the_first_event_and_what_is_unknown_is_refused() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let path = format!("/api/v1/integrations/custom/{}/snippets", shop.integration);
    let all = shop.call(&conduit, "GET", &path, None).expect(200).json();
    let items = all["items"].as_array().unwrap();
    let languages: Vec<_> = items.iter().map(|item| item["language"].as_str().unwrap()).collect();
    assert_eq!(languages, ["curl", "python", "node", "rust"]);
    let url = shop.webhook_url(&conduit);
    for item in items {
        let code = item["code"].as_str().unwrap();
        for part in [&url, "account_created", "customer@shop.example", "CONDUIT_API_KEY"] {
            assert!(code.contains(part), "{part}: {code}");
        }
    }
    assert_eq!(items[3]["install"], "cargo add ureq@3");
    for (query, code) in [
        ("?language=perl", "parameter_invalid"),
        ("?event=nothing", "event_unknown"),
        ("?event=", "event_unknown"),
        ("?lang=curl", "parameter_unknown"),
        ("?did=null", "did_invalid"),
    ] {
        let problem = shop.call(&conduit, "GET", &format!("{path}{query}"), None).expect(400);
        assert_eq!(problem.json()["code"], code);
    }
    let rival = Tenant::create(&conduit, "did:web:rival.example");
    conduit
        .admin("GET", &format!("{path}?did={}", shop.did), None)
        .expect(200);
    conduit
        .admin("GET", &format!("{path}?did={}", rival.did), None)
        .expect(404);
}

//! The layout of the source: which module may import which. The rules are in ARCHITECTURE.md.
//!
//! These tests read `use` lines and paths, not product facts. A `mod` line or a `pub use` in a parent module lists its
//! children and is no import.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The modules of a crate: the path of each, and the modules that it imports.
struct Layout {
    files: BTreeMap<String, PathBuf>,
    imports: BTreeMap<String, BTreeSet<String>>,
}

impl Layout {
    /// Reads a folder of sources.
    fn read(source: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(source);
        let mut files = BTreeMap::new();
        find_files(&root, &root, &mut files);
        assert!(files.len() > 50, "{source}: {} files", files.len());
        let imports = files
            .iter()
            .map(|(module, path)| {
                let text = fs::read_to_string(path).unwrap();
                (module.clone(), imports_of(module, &text, &files))
            })
            .collect();
        Self { files, imports }
    }

    /// Returns every import of a top-level module by a file of another, as the two files' modules.
    fn between(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self
            .imports
            .iter()
            .flat_map(|(from, to)| to.iter().map(move |to| (from.as_str(), to.as_str())));
        pairs.filter(|(from, to)| top(from) != top(to))
    }

    /// Returns the imports that a rule forbids.
    fn broken(&self, is_forbidden: impl Fn(&str, &str) -> bool) -> Vec<(&str, &str)> {
        self.between().filter(|(from, to)| is_forbidden(from, to)).collect()
    }

    /// Returns the circles: modules that import each other, directly or through others.
    fn circles(&self, imports: &BTreeMap<String, BTreeSet<String>>) -> Vec<Vec<String>> {
        let reach: BTreeMap<&String, BTreeSet<&String>> =
            imports.keys().map(|from| (from, reached(from, imports))).collect();
        let mut circles = BTreeSet::new();
        for (module, reached) in &reach {
            if reached.contains(*module) {
                let leads_back = |other: &&&String| reach.get(**other).is_some_and(|found| found.contains(*module));
                let circle = reached.iter().filter(leads_back);
                circles.insert(circle.map(|name| (*name).clone()).collect::<Vec<_>>());
            }
        }
        circles.into_iter().collect()
    }
}

fn top(module: &str) -> &str {
    module.split("::").next().unwrap_or(module)
}

fn reached<'a>(from: &str, imports: &'a BTreeMap<String, BTreeSet<String>>) -> BTreeSet<&'a String> {
    let mut found = BTreeSet::new();
    let mut waiting: Vec<&String> = imports.get(from).into_iter().flatten().collect();
    while let Some(next) = waiting.pop() {
        if found.insert(next) {
            waiting.extend(imports.get(next).into_iter().flatten());
        }
    }
    found
}

fn find_files(root: &Path, folder: &Path, files: &mut BTreeMap<String, PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find_files(root, &path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let module = path.strip_prefix(root).unwrap().with_extension("");
            let names: Vec<_> = module.iter().map(|name| name.to_str().unwrap()).collect();
            // A module's tests look at everything around it.
            if !names.contains(&"tests") {
                files.insert(names.join("::"), path);
            }
        }
    }
}

/// Returns the modules that a module's text imports. Comments, its unit tests and what it gives on are left out.
fn imports_of(module: &str, text: &str, files: &BTreeMap<String, PathBuf>) -> BTreeSet<String> {
    let text: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .fold(String::new(), |text, line| text + line + "\n");
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let mut found = BTreeSet::new();
    for statement in text.split_inclusive(';') {
        let (before, is_given_on) = match statement.find("pub use ").or(statement.find(") use ")) {
            Some(at) => (&statement[..at], true),
            None => (statement, false),
        };
        let read = if is_given_on { before } else { statement };
        for path in paths(read) {
            found.extend(resolved(module, &path, files));
        }
    }
    found.remove(module);
    found
}

/// Returns the paths in a piece of code, with those in the braces of a `use` written out.
fn paths(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    if let Some((_, tree)) = code.rsplit_once("use ") {
        expand("", tree.trim_end_matches(';'), &mut found);
    }
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    found.extend(
        code.split(|c| !is_part(c))
            .filter(|word| word.contains("::") && !word.ends_with("::"))
            .map(str::to_owned),
    );
    found
}

fn expand(prefix: &str, tree: &str, found: &mut Vec<String>) {
    let Some((before, rest)) = tree.split_once('{') else {
        let name = tree.split(" as ").next().unwrap_or_default();
        found.push(format!("{prefix}{}", name.trim()));
        return;
    };
    let prefix = format!("{prefix}{}", before.trim());
    let (mut depth, mut part) = (0, String::new());
    for c in rest.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                expand(&prefix, &std::mem::take(&mut part), found);
                continue;
            }
            _ => {}
        }
        part.push(c);
    }
    if !part.trim().is_empty() {
        expand(&prefix, &part, found);
    }
}

/// Returns the file of this crate that a path leads to, seen from a module.
fn resolved(module: &str, path: &str, files: &BTreeMap<String, PathBuf>) -> Option<String> {
    let path: String = path.split_whitespace().collect();
    let mut steps: Vec<&str> = path.split("::").filter(|step| !step.is_empty()).collect();
    let mut at: Vec<&str> = if matches!(module, "lib" | "main") {
        Vec::new()
    } else {
        module.split("::").collect()
    };
    match *steps.first()? {
        "crate" => {
            at.clear();
            steps.remove(0);
        }
        "self" => drop(steps.remove(0)),
        "super" => {
            while steps.first() == Some(&"super") {
                at.pop();
                steps.remove(0);
            }
        }
        child => {
            // A child of the module itself; everything else is another crate's, or imported above.
            let named = at.iter().copied().chain([child]).collect::<Vec<_>>().join("::");
            files.get(&named)?;
        }
    }
    at.extend(steps);
    (1..=at.len())
        .rev()
        .map(|length| at[..length].join("::"))
        .find(|name| files.contains_key(name))
}

#[test]
fn no_modules_import_each_other_in_a_circle() {
    for source in ["src", "actors/src"] {
        let layout = Layout::read(source);
        let mut tops: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (from, to) in layout.between() {
            tops.entry(top(from).to_owned()).or_default().insert(top(to).to_owned());
        }
        for both in [&tops, &layout.imports] {
            let circles = layout.circles(both);
            assert!(circles.is_empty(), "{source}: these import each other: {circles:#?}");
        }
    }
}

#[test]
fn use_cases_know_no_face_and_no_wire() {
    let layout = Layout::read("src");
    let broken = layout.broken(|from, to| top(from) == "app" && ["api", "dashboard", "http"].contains(&top(to)));
    assert!(broken.is_empty(), "app imports {broken:?}");
    for (module, path) in &layout.files {
        if top(module) == "app" {
            let text = fs::read_to_string(path).unwrap();
            assert!(!text.contains("actix_web"), "{module} names actix_web");
        }
    }
}

#[test]
fn the_faces_do_not_import_each_other_and_the_wire_imports_neither() {
    let layout = Layout::read("src");
    let broken = layout.broken(|from, to| match top(from) {
        "api" => top(to) == "dashboard",
        "dashboard" => top(to) == "api",
        "http" => ["api", "dashboard"].contains(&top(to)),
        _ => false,
    });
    assert!(broken.is_empty(), "{broken:?}");
}

/// Faces ask use cases, which check the principal: a face that reads the store itself could forget to.
#[test]
fn no_face_reads_the_store() {
    let layout = Layout::read("src");
    for (module, path) in &layout.files {
        if ["api", "dashboard"].contains(&top(module)) {
            let text = fs::read_to_string(path).unwrap();
            let is_for_keys = module == "api::receipts";
            assert!(is_for_keys || !text.contains(".store"), "{module} names the store");
        }
    }
}

#[test]
fn the_configuration_imports_nothing_of_the_crate() {
    let layout = Layout::read("src");
    let broken = layout.broken(|from, _| top(from) == "config");
    assert!(broken.is_empty(), "{broken:?}");
}

/// A second journal or store is added in its own module and in the composition root, and nowhere else.
#[test]
fn implementations_are_named_where_they_are_chosen() {
    let layout = Layout::read("src");
    for (names, homes) in [
        (&["WalJournal", "MemoryJournal"][..], ["journal", "serve"]),
        (&["SqliteStore", "PostgresStore"], ["store", "serve"]),
    ] {
        for (module, path) in &layout.files {
            let text = fs::read_to_string(path).unwrap();
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            let named = code.flat_map(|line| names.iter().filter(move |name| line.contains(**name)));
            let named: BTreeSet<_> = named.collect();
            assert!(
                named.is_empty() || homes.contains(&top(module)),
                "{module} names {named:?}"
            );
        }
    }
}

/// The pipeline knows no HTTP, SQL, Redis, Kafka or disk, and nothing of the crate around it.
#[test]
fn the_actors_know_no_wire_and_no_disk() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("actors/Cargo.toml")).unwrap();
    let dependencies = manifest.split("[dependencies]").nth(1).unwrap();
    let dependencies = dependencies.split("\n[").next().unwrap();
    for forbidden in [
        "actix-web",
        "actix-http",
        "sqlx",
        "redis",
        "kafka",
        "rustix",
        "conduit ",
    ] {
        assert!(!dependencies.contains(forbidden), "actors depends on {forbidden}");
    }
    for (module, path) in &Layout::read("actors/src").files {
        let text = fs::read_to_string(path).unwrap();
        let text = text.split("#[cfg(test)]").next().unwrap();
        for forbidden in ["std::fs", "std::net::Tcp", "std::net::Udp", "tokio::fs", "tokio::net"] {
            assert!(!text.contains(forbidden), "{module} names {forbidden}");
        }
    }
}

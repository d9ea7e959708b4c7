//! Who imports whom: the rules of the layout, read from the sources.
//!
//! A module that only lists its children with `mod` and `pub use` imports nobody. Any other path to another file counts.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Modules whose files import each other in no circle.
const WITHOUT_CIRCLES: [&str; 2] = ["journal", "store"];

/// Each module's tokens, by its path.
struct Sources(BTreeMap<String, Vec<String>>);

impl Sources {
    fn of_the_crate() -> Self {
        let mut sources = Self(BTreeMap::new());
        sources.add(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "");
        sources
    }

    fn add(&mut self, dir: &Path, parent: &str) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap();
            let module = if parent.is_empty() {
                name.to_owned()
            } else {
                format!("{parent}::{name}")
            };
            if path.is_dir() {
                self.add(&path, &module);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                self.0.insert(module, tokens(&fs::read_to_string(&path).unwrap()));
            }
        }
    }

    /// The modules that a module imports.
    fn imports(&self, module: &str) -> BTreeSet<&str> {
        let paths = paths(&self.0[module]);
        let resolved = paths.iter().filter_map(|path| self.resolve(module, path));
        resolved.filter(|found| *found != module).collect()
    }

    /// The file that a path leads to, if it is one of the crate.
    fn resolve(&self, module: &str, path: &[String]) -> Option<&str> {
        let mut at: Vec<&str> = if module == "lib" {
            Vec::new()
        } else {
            module.split("::").collect()
        };
        let mut rest = path.iter().map(String::as_str).peekable();
        match *rest.peek()? {
            "crate" => at.clear(),
            "self" | "super" => {}
            child => {
                let own: Vec<&str> = at.iter().copied().chain([child]).collect();
                self.0.get_key_value(&own.join("::"))?;
            }
        }
        for segment in rest {
            match segment {
                "crate" | "self" => {}
                "super" => drop(at.pop()),
                segment => at.push(segment),
            }
        }
        let longest_first = (1..=at.len()).rev().map(|length| at[..length].join("::"));
        longest_first
            .into_iter()
            .find_map(|name| Some(self.0.get_key_value(&name)?.0.as_str()))
    }

    /// All that a module imports by way of others, within these modules.
    fn reachable<'a>(&'a self, module: &str, within: &str) -> BTreeSet<&'a str> {
        let mut found = BTreeSet::new();
        let mut left: Vec<&str> = self.imports(module).into_iter().collect();
        while let Some(next) = left.pop() {
            if is_in(next, within) && found.insert(next) {
                left.extend(self.imports(next));
            }
        }
        found
    }

    /// The modules that import themselves by way of others.
    fn in_circles(&self, within: &str) -> Vec<&str> {
        let modules = self.0.keys().map(String::as_str).filter(|module| is_in(module, within));
        modules
            .filter(|module| self.reachable(module, within).contains(module))
            .collect()
    }

    /// The modules outside of these that name one of the types.
    fn that_name(&self, types: &[&str], outside_of: &[&str]) -> Vec<&str> {
        let others = self
            .0
            .iter()
            .filter(|(module, _)| !outside_of.iter().any(|inside| is_in(module, inside)));
        let naming = others.filter(|(_, tokens)| tokens.iter().any(|token| types.contains(&token.as_str())));
        naming.map(|(module, _)| module.as_str()).collect()
    }
}

fn is_in(module: &str, parent: &str) -> bool {
    module
        .strip_prefix(parent)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// A file's names and signs, without comments, texts and its module of tests.
fn tokens(source: &str) -> Vec<String> {
    let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let (mut tokens, mut rest) = (Vec::new(), source);
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => text_length(rest),
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            _ if first.is_alphanumeric() || first == '_' => rest
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(rest.len()),
            ':' if rest.starts_with("::") => 2,
            // A quote as a character begins no text.
            '\'' if rest.starts_with("'\"'") => 3,
            _ => first.len_utf8(),
        };
        let (token, behind) = rest.split_at(length);
        let is_code = !token.trim().is_empty() && first != '"' && !token.starts_with("//");
        if is_code {
            tokens.push(token.to_owned());
        }
        rest = behind;
    }
    tokens
}

fn text_length(code: &str) -> usize {
    let mut is_escaped = true;
    for (at, c) in code.char_indices() {
        if c == '"' && !is_escaped {
            return at + 1;
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    code.len()
}

/// The paths in a file: of `use` declarations that are not public, and in its code.
fn paths(tokens: &[String]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        match tokens[at].as_str() {
            "use" => {
                let end = at + tokens[at..].iter().position(|token| token == ";").unwrap();
                let is_public = at > 0 && ["pub", ")"].contains(&tokens[at - 1].as_str());
                if !is_public {
                    expand(&tokens[at + 1..end], &[], &mut found);
                }
                at = end;
            }
            _ => {
                let end = path_end(tokens, at);
                if end > at + 1 {
                    found.push(names(&tokens[at..end]));
                    at = end - 1;
                }
            }
        }
        at += 1;
    }
    found
}

/// Where the path ends that begins here; a name alone is none.
fn path_end(tokens: &[String], mut at: usize) -> usize {
    let is_name = |at: usize| {
        tokens
            .get(at)
            .is_some_and(|token| token.starts_with(|c: char| c.is_alphabetic() || c == '_'))
    };
    if !is_name(at) {
        return at;
    }
    at += 1;
    while tokens.get(at).is_some_and(|token| token == "::") && is_name(at + 1) {
        at += 2;
    }
    at
}

fn names(tokens: &[String]) -> Vec<String> {
    tokens.iter().filter(|token| *token != "::").cloned().collect()
}

/// The paths of a `use` tree behind a prefix.
fn expand(tree: &[String], prefix: &[String], found: &mut Vec<Vec<String>>) {
    let Some(brace) = tree.iter().position(|token| token == "{") else {
        let path = tree.split(|token| token == "as").next().unwrap();
        found.push(prefix.iter().cloned().chain(names(path)).collect());
        return;
    };
    let prefix: Vec<String> = prefix.iter().cloned().chain(names(&tree[..brace])).collect();
    let (mut depth, mut from) = (0, brace + 1);
    for at in brace + 1..tree.len() {
        match tree[at].as_str() {
            "{" => depth += 1,
            "}" if depth > 0 => depth -= 1,
            "," | "}" if depth == 0 => {
                if from < at {
                    expand(&tree[from..at], &prefix, found);
                }
                from = at + 1;
            }
            _ => {}
        }
    }
}

#[test]
fn files_of_a_module_import_each_other_in_no_circle() {
    let sources = Sources::of_the_crate();
    for module in WITHOUT_CIRCLES {
        assert!(sources.0.keys().any(|name| is_in(name, module)), "{module}");
        assert_eq!(sources.in_circles(module), [] as [&str; 0]);
    }
}

#[test]
fn only_serve_names_an_implementation_of_a_port() {
    let sources = Sources::of_the_crate();
    let journals = sources.that_name(&["WalJournal", "MemoryJournal"], &["serve", "journal"]);
    assert_eq!(journals, [] as [&str; 0]);
    let stores = sources.that_name(&["SqliteStore", "PostgresStore"], &["serve", "store"]);
    assert_eq!(stores, [] as [&str; 0]);
}

#[test]
fn a_circle_is_found_however_it_is_written() {
    let in_circles = |files: &[(&str, &str)]| {
        let files = files.iter().map(|(name, source)| ((*name).to_owned(), tokens(source)));
        let sources = Sources(files.collect());
        sources
            .in_circles("m")
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let none = ("m", "mod a;\nmod b;\npub use a::A;\npub(crate) use b::B;\n");
    assert!(in_circles(&[none, ("m::a", "use super::b::B;"), ("m::b", "use crate::other::X;")]).is_empty());
    for back in [
        "use super::a::A;",
        "use crate::{x, m::{y, a::{A, Z as _}}};",
        "fn f() -> u8 { '\"'; super::a::f(\"//\") }",
    ] {
        assert_eq!(
            in_circles(&[none, ("m::a", "use super::b::B;"), ("m::b", back)]),
            ["m::a", "m::b"],
            "{back}"
        );
    }
    let parent = ("m", "mod a;\nfn f() { a::g() }");
    assert_eq!(in_circles(&[parent, ("m::a", "use super::f;")]), ["m", "m::a"]);
    let comments = "// super::a::A\nfn f() { \"super::a::A\" }\n#[cfg(test)]\nmod tests {\nuse super::super::a::A;\n}";
    assert!(in_circles(&[none, ("m::a", "use super::b::B;"), ("m::b", comments)]).is_empty());
}

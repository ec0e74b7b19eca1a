//! The rules of the house, each held by one test. A rule that must bend names the exception here, with its reason.

use std::collections::BTreeMap;

use crate::sources::{Source, below, product, root};

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 100;

/// Files that may be longer, and how long: declarative tables. A number here may only shrink.
const LONG_FILES: &[(&str, usize)] = &[];

/// Functions that may be longer, and how long. A number here may only shrink.
const LONG_FUNCTIONS: &[(&str, usize)] = &[];

/// Which crates of the workspace a crate may depend on.
const MAY_DEPEND_ON: &[(&str, &[&str])] = &[
    ("storage", &[]),
    ("proxy", &[]),
    ("protocols", &["storage"]),
    ("appliance", &["storage", "protocols", "proxy"]),
    ("bench", &[]),
    ("tests", &["storage", "protocols"]),
];

/// What an engine must not speak.
const HTTP_CRATES: &[&str] = &["http", "http-body", "http-body-util", "hyper", "hyper-util", "form_urlencoded"];

const PROVIDERS: &[&str] = &["aws", "azure", "gcp", "digitalocean", "supabase", "cloudflare", "neon"];

/// Names under which anything could hide.
const VAGUE_NAMES: &[&str] = &["utils", "util", "common", "helpers", "helper", "manager", "misc"];

#[track_caller]
fn none(rule: &str, offences: &[String]) {
    assert!(offences.is_empty(), "{rule}:\n  {}", offences.join("\n  "));
}

fn at(source: &Source, line: usize, what: &str) -> String {
    format!("{}:{line}: {}", source.path, what.trim())
}

/// The names under `[dependencies]`, `[dev-dependencies]` and the like of a crate.
fn dependencies(folder: &str) -> Vec<String> {
    let manifest = std::fs::read_to_string(root().join(folder).join("Cargo.toml")).expect("a crate has a manifest");
    let mut names = Vec::new();
    let mut inside = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.trim_end_matches(']').ends_with("dependencies");
        } else if inside && let Some((name, _)) = line.split_once(['.', '=', ' ']) {
            names.push(name.trim().to_owned());
        }
    }
    names
}

#[test]
fn dependencies_point_down() {
    let ours: Vec<&str> = MAY_DEPEND_ON.iter().map(|(name, _)| *name).collect();
    let mut offences = Vec::new();
    for (folder, allowed) in MAY_DEPEND_ON {
        let names = dependencies(folder);
        let upward = names.iter().filter(|name| ours.contains(&name.as_str()) && !allowed.contains(&name.as_str()));
        offences.extend(upward.map(|name| format!("{folder} depends on {name}")));
        if *folder == "storage" {
            let http = names.iter().filter(|name| HTTP_CRATES.contains(&name.as_str()));
            offences.extend(http.map(|name| format!("an engine knows {name}")));
        }
    }
    none("storage ← protocols ← appliance → proxy, and no engine speaks HTTP", &offences);
}

/// A word as code or prose has it: not part of a longer name.
fn has_word(text: &str, word: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let mut from = 0;
    while let Some(found) = lower[from..].find(word) {
        let (start, end) = (from + found, from + found + word.len());
        let before = lower[..start].chars().next_back().is_some_and(|c| c.is_ascii_alphanumeric());
        let after = lower[end..].chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
        if !before && !after {
            return true;
        }
        from = end;
    }
    false
}

#[test]
fn the_edge_names_no_provider() {
    let mut offences = Vec::new();
    for source in below("proxy", &[".rs", "Cargo.toml"]) {
        for (number, line) in source.lines() {
            let line = line.replace("aws_lc", "").replace("aws-lc", "");
            if PROVIDERS.iter().any(|provider| has_word(&line, provider)) {
                offences.push(at(&source, number, &line));
            }
        }
    }
    none("proxy knows no provider", &offences);
}

#[test]
fn providers_do_not_know_each_other() {
    let mut offences = Vec::new();
    for provider in PROVIDERS {
        for source in below(&format!("protocols/{provider}"), &[".rs"]) {
            for (number, line) in source.code() {
                let foreign = PROVIDERS.iter().filter(|other| *other != provider);
                if foreign.into_iter().any(|other| line.contains(&format!("crate::{other}::"))) {
                    offences.push(at(&source, number, line));
                }
            }
        }
    }
    none("providers import dialects, wire and auth, never each other", &offences);
}

#[test]
fn only_the_table_lists_services() {
    let mut offences = Vec::new();
    for source in below("protocols", &[".rs"]).into_iter().chain(below("appliance", &[".rs"])) {
        if source.path == "protocols/services.rs" || source.is_test() {
            continue;
        }
        for (number, line) in source.code() {
            if names_a_service(line) {
                offences.push(at(&source, number, line));
            }
        }
    }
    none("a service is a folder and one line in protocols/services.rs", &offences);
}

/// `crate::aws::s3::SERVICE`, and not `SERVICES` or `StatusCode::SERVICE_UNAVAILABLE`.
fn names_a_service(line: &str) -> bool {
    let parts = line.split("::SERVICE").skip(1);
    parts.into_iter().any(|after| !after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_'))
}

/// An allow-list holds exactly what is over the limit, with exactly its size.
#[track_caller]
fn within(rule: &str, limit: usize, sizes: &BTreeMap<String, usize>, allowed: &[(&str, usize)]) {
    let mut offences = Vec::new();
    for (name, size) in sizes {
        match allowed.iter().find(|(listed, _)| listed == name) {
            None if *size > limit => offences.push(format!("{name} has {size} lines")),
            Some((_, most)) if size > most => offences.push(format!("{name} grew from {most} to {size} lines")),
            Some((_, most)) if size < most => offences.push(format!("{name} shrank to {size} lines: lower its entry")),
            _ => {}
        }
    }
    let gone = allowed.iter().filter(|(name, _)| !sizes.contains_key(*name));
    offences.extend(gone.map(|(name, _)| format!("{name} is listed and does not exist")));
    none(rule, &offences);
}

#[test]
fn files_have_one_subject() {
    let sizes = below("", &[".rs", ".py", ".mjs", ".sh"]).into_iter();
    let sizes: BTreeMap<String, usize> = sizes.map(|source| (source.path.clone(), source.lines().count())).collect();
    within("a file has at most 600 lines", FILE_LINES_MAX, &sizes, LONG_FILES);
}

#[test]
fn functions_are_short() {
    let mut sizes = BTreeMap::new();
    for source in below("", &[".rs"]) {
        for (name, lines) in functions(&source) {
            let size: &mut usize = sizes.entry(format!("{} fn {name}", source.path)).or_default();
            *size = lines.max(*size);
        }
    }
    within("a function has at most 100 lines", FUNCTION_LINES_MAX, &sizes, LONG_FUNCTIONS);
}

/// Functions with their lengths. Formatted code closes a function at the indentation of its `fn`.
fn functions(source: &Source) -> Vec<(String, usize)> {
    let lines: Vec<&str> = source.text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let text = line.trim_start();
        let Some(name) = function_name(text) else { continue };
        if text.ends_with(['}', ';']) {
            continue;
        }
        let indent = &line[..line.len() - text.len()];
        let end = lines[start..].iter().position(|line| line.strip_prefix(indent) == Some("}"));
        if let Some(end) = end {
            found.push((name.to_owned(), end + 1));
        }
    }
    found
}

fn function_name(text: &str) -> Option<&str> {
    const WORDS: &[&str] = &["pub", "pub(crate)", "pub(super)", "const", "async", "unsafe"];
    let mut rest = text;
    while let Some((word, after)) = rest.split_once(' ') {
        if word == "fn" {
            return after.split(['(', '<']).next();
        }
        if !WORDS.contains(&word) {
            return None;
        }
        rest = after;
    }
    None
}

#[test]
fn modules_say_what_they_are_for() {
    let sources = below("", &[".rs"]).into_iter().filter(|source| !source.text.starts_with("//!"));
    let offences: Vec<String> =
        sources.filter(|source| !source.text.starts_with("#!")).map(|source| source.path).collect();
    none("a module begins with what it is for", &offences);
}

#[test]
fn names_are_the_fields_own() {
    let mut offences = Vec::new();
    for source in below("", &[".rs", ".py", ".mjs", ".sh"]) {
        let parts = source.path.split('/').map(|part| part.split('.').next().unwrap_or_default());
        if parts.into_iter().any(|part| VAGUE_NAMES.contains(&part)) {
            offences.push(source.path);
        }
    }
    none("no module is named after nothing in particular", &offences);
}

#[test]
fn no_word_is_left_over() {
    // Written in pieces, so that this file does not offend.
    let banned = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
        concat!("todo", "!("),
        concat!("unimplemented", "!("),
        concat!("dbg", "!("),
        concat!("/ro", "ot/"),
        concat!("/wo", "rk/"),
    ];
    let mut offences = Vec::new();
    for source in below("", &[".rs", ".py", ".mjs", ".sh", ".md", ".toml", ".ini"]) {
        for (number, line) in source.lines() {
            if banned.iter().any(|word| line.contains(word)) {
                offences.push(at(&source, number, line));
            }
        }
    }
    none("no unfinished work and no machine's paths", &offences);
}

#[test]
fn the_product_does_not_panic_on_input() {
    let mut offences = Vec::new();
    for source in product().iter().filter(|source| !source.is_test()) {
        for (number, line) in source.code() {
            if line.contains(".unwrap()") || line.contains("panic!(") {
                offences.push(at(source, number, line));
            }
        }
    }
    none("no unwrap and no panic outside tests: `expect` states an invariant", &offences);
}

#[test]
fn engines_read_their_environments_clock() {
    /// Where system time enters: the clock itself, and files that measure durations or stamp the registry.
    const CLOCKS: &[&str] = &["storage/clock.rs"];
    let mut offences = Vec::new();
    for source in below("storage", &[".rs"]) {
        if CLOCKS.contains(&source.path.as_str()) || source.is_test() {
            continue;
        }
        for (number, line) in source.code() {
            if line.contains("SystemTime::now") {
                offences.push(at(&source, number, line));
            }
        }
    }
    none("time is an input", &offences);
}

#[test]
fn the_rules_see_what_they_should() {
    let source = Source {
        path: "x.rs".to_owned(),
        text: "//! x\npub async fn long() {\n    a\n}\n#[cfg(test)]\nmod tests {\n    x.unwrap()\n}\n".to_owned(),
    };
    assert_eq!(functions(&source), [("long".to_owned(), 3)]);
    assert!(source.code().iter().all(|(_, line)| !line.contains("unwrap")));
    assert!(names_a_service("&crate::aws::s3::SERVICE, x") && !names_a_service("StatusCode::SERVICE_UNAVAILABLE"));
    assert!(has_word("for AWS only", "aws") && !has_word("laws", "aws"));
    assert!(dependencies("protocols").contains(&"storage".to_owned()));
    assert!(product().len() > 50 && !below("", &[".py"]).is_empty());
}

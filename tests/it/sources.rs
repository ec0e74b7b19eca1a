//! The repository's files, as the tidy tests read them.

use std::path::{Path, PathBuf};

/// One source file: its path from the repository's root, and its text.
pub struct Source {
    pub path: String,
    pub text: String,
}

/// Folders that hold no sources of ours.
const SKIPPED: &[&str] = &[".git", ".bin", "target", "data", "node_modules", "__pycache__", "corpus", "artifacts"];

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace").to_owned()
}

/// Every file below `folder` (from the root; `""` for all) whose name ends with one of `endings`, in path order.
pub fn below(folder: &str, endings: &[&str]) -> Vec<Source> {
    let mut paths = Vec::new();
    walk(&root().join(folder), &mut paths);
    paths.sort();
    paths
        .into_iter()
        .filter(|path| endings.iter().any(|ending| path.to_string_lossy().ends_with(ending)))
        .map(|path| Source {
            text: std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())),
            path: path.strip_prefix(root()).expect("walked from the root").to_string_lossy().into_owned(),
        })
        .collect()
}

/// Rust sources of the product's crates.
pub fn product() -> Vec<Source> {
    ["storage", "protocols", "proxy", "appliance"].iter().flat_map(|folder| below(folder, &[".rs"])).collect()
}

fn walk(folder: &Path, paths: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if SKIPPED.iter().any(|skipped| name == *skipped) {
            continue;
        }
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => walk(&path, paths),
            Ok(kind) if kind.is_file() => paths.push(path),
            _ => {}
        }
    }
}

impl Source {
    /// Its lines with their numbers, from 1.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    pub fn is_test(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        self.path.contains("/tests/") || name == "tests.rs" || name.ends_with("_tests.rs")
    }

    /// Lines that are code of the product: no comments, and nothing from the first `#[cfg(test)] mod` on.
    pub fn code(&self) -> Vec<(usize, &str)> {
        let mut code = Vec::new();
        let mut test_attribute = false;
        for (number, line) in self.lines() {
            let text = line.trim_start();
            if test_attribute && text.starts_with("mod ") && !text.ends_with(';') {
                break;
            }
            test_attribute = text == "#[cfg(test)]" || (test_attribute && text.starts_with("#["));
            if !text.starts_with("//") {
                code.push((number, line));
            }
        }
        code
    }
}

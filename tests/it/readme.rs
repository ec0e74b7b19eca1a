//! The README's coverage table is written from the table of services: `UPDATE=1` rewrites it.

use std::fmt::Write as _;

use protocols::service::{Level, Service};
use protocols::services::SERVICES;

use crate::sources::root;

const BEGIN: &str = "<!-- coverage:begin -->\n";
const END: &str = "<!-- coverage:end -->";

/// Operations named in full in one cell before the rest is only counted.
const NAMED_MAX: usize = 12;

fn table() -> String {
    let mut text =
        String::from("| service | id | full | partial | answered as not implemented |\n|---|---|---|---|---|\n");
    for service in SERVICES {
        let (full, partial, absent) = (full(service), partial(service), absent(service));
        let title = format!("{} {}", service.provider.title(), service.title);
        let _ = writeln!(text, "| {title} | `{}` | {full} operations | {partial} | {absent} |", service.id);
    }
    text
}

fn full(service: &Service) -> usize {
    service.operations.iter().filter(|operation| operation.level == Level::Full).count()
}

fn partial(service: &Service) -> String {
    let named = service.operations.iter().filter_map(|operation| match operation.level {
        Level::Partial(why) => Some(format!("{} ({why})", operation.name)),
        _ => None,
    });
    listed(named.collect(), usize::MAX)
}

fn absent(service: &Service) -> String {
    let named = service.operations.iter().filter(|operation| operation.level == Level::Absent);
    listed(named.map(|operation| operation.name.to_owned()).collect(), NAMED_MAX)
}

fn listed(mut names: Vec<String>, most: usize) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    let more = names.len().saturating_sub(most);
    names.truncate(most);
    let rest = if more == 0 { String::new() } else { format!(" and {more} more") };
    names.join(", ") + &rest
}

#[test]
fn coverage_table_is_current() {
    let path = root().join("README.md");
    let readme = std::fs::read_to_string(&path).expect("there is a README");
    let (before, rest) = readme.split_once(BEGIN).expect("the README has a place for the table");
    let (_, after) = rest.split_once(END).expect("the table ends");
    let current = format!("{before}{BEGIN}{}{END}{after}", table());
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &current).expect("the README is writable");
    }
    assert!(readme == current || std::env::var_os("UPDATE").is_some(), "README.md is stale: run with UPDATE=1");
}

#[test]
fn every_service_stands_in_the_table() {
    let table = table();
    for service in SERVICES {
        assert!(table.contains(&format!("`{}`", service.id)), "{}", service.id);
    }
}

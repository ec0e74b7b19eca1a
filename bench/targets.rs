//! What the figures have to reach, and whether they did.

use std::fmt::Write as _;

use crate::cases::Case;
use crate::load::Round;
use crate::peers::{FLOOR, RCLONE, SEAWEEDFS};
use crate::report::{Results, number};

#[derive(Clone, Copy, Debug)]
enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

struct Target {
    title: &'static str,
    bound: Bound,
    unit: &'static str,
    measured: fn(&Results) -> Option<f64>,
}

use Bound::{AtLeast, AtMost};

const TARGETS: &[Target] = &[
    Target { title: "GET 4 KiB, CPU", bound: AtMost(45.0), unit: "µs", measured: |r| ours(r, Case::GetSmall) },
    Target { title: "PUT 4 KiB, CPU", bound: AtMost(90.0), unit: "µs", measured: |r| ours(r, Case::PutSmall) },
    Target {
        title: "list of 1,000 keys, with delimiter by without, CPU",
        bound: AtMost(2.0),
        unit: "×",
        measured: |r| r.cpu_ratio_of_cases(Case::ListDelimited, Case::ListKeys),
    },
    Target {
        title: "list of 1,000 common prefixes by 1,000 keys, CPU",
        bound: AtMost(2.0),
        unit: "×",
        measured: |r| r.cpu_ratio_of_cases(Case::ListPrefixes, Case::ListKeys),
    },
    Target {
        title: "GET 64 MiB by the floor's, throughput",
        bound: AtLeast(0.8),
        unit: "×",
        measured: |r| r.ratio(Case::GetLarge, FLOOR, Round::per_second),
    },
    Target {
        title: "PUT 64 MiB by MD5 alone, throughput",
        bound: AtLeast(0.8),
        unit: "×",
        measured: Results::upload_by_md5,
    },
    Target {
        title: "GET 4 KiB by SeaweedFS, req/s",
        bound: AtLeast(5.0),
        unit: "×",
        measured: |r| speed(r, Case::GetSmall, SEAWEEDFS),
    },
    Target {
        title: "PUT 4 KiB by SeaweedFS, req/s",
        bound: AtLeast(5.0),
        unit: "×",
        measured: |r| speed(r, Case::PutSmall, SEAWEEDFS),
    },
    Target {
        title: "GET 4 KiB by rclone, req/s",
        bound: AtLeast(4.0),
        unit: "×",
        measured: |r| speed(r, Case::GetSmall, RCLONE),
    },
    Target {
        title: "PUT 4 KiB by rclone, req/s",
        bound: AtLeast(4.0),
        unit: "×",
        measured: |r| speed(r, Case::PutSmall, RCLONE),
    },
    Target { title: "start to ready", bound: AtMost(300.0), unit: "ms", measured: |r| r.figure("start") },
    Target { title: "idle memory", bound: AtMost(40.0), unit: "MiB", measured: |r| r.figure("idle-rss") },
    Target {
        title: "touched environments, idle",
        bound: AtMost(300.0),
        unit: "MiB",
        measured: |r| r.figure("touched-idle"),
    },
    Target {
        title: "create an environment, median",
        bound: AtMost(20.0),
        unit: "ms",
        measured: |r| r.figure("create"),
    },
    Target {
        title: "branch of the large environment by the small one",
        bound: AtMost(2.0),
        unit: "×",
        measured: |r| Some(r.figure("branch-large")? / r.figure("branch-small")?),
    },
];

fn ours(results: &Results, case: Case) -> Option<f64> {
    results.cpu_us(case, crate::appliance::NAME)
}

fn speed(results: &Results, case: Case, peer: &str) -> Option<f64> {
    results.ratio(case, peer, Round::per_second)
}

/// The targets of what was measured, as a table; empty where nothing was.
pub fn markdown(results: &Results) -> String {
    let mut out = String::new();
    for target in TARGETS {
        let Some(measured) = (target.measured)(results) else { continue };
        if out.is_empty() {
            out.push_str("\n| Target | | measured | |\n|---|---:|---:|---|\n");
        }
        let (sign, limit, met) = match target.bound {
            AtMost(limit) => ("≤", limit, measured <= limit),
            AtLeast(limit) => ("≥", limit, measured >= limit),
        };
        let verdict = if met { "met" } else { "**missed**" };
        let unit = target.unit;
        let _ = writeln!(out, "| {} | {sign} {limit} {unit} | {} {unit} | {verdict} |", target.title, number(measured));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Figure;

    #[test]
    fn says_what_is_met_and_what_is_missed() {
        let figure = |id, value| Figure::new(id, id, value, "");
        let results = Results { figures: vec![figure("start", 299.0), figure("idle-rss", 41.0)], ..Results::default() };
        let table = markdown(&results);
        assert!(table.contains("| start to ready | ≤ 300 ms | 299 ms | met |"), "{table}");
        assert!(table.contains("| idle memory | ≤ 40 MiB | 41.0 MiB | **missed** |"), "{table}");
        assert_eq!(table.lines().count(), 5, "only what was measured is shown:\n{table}");
    }
}

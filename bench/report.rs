//! The results of a run, and the Markdown tables made of them.

use std::fmt::Write as _;

use crate::appliance;
use crate::cases::{Case, LARGE_BYTES};
use crate::load::Round;
use crate::peers::FLOOR;

/// One number that is not of a load: a time, a size, a speed.
#[derive(Clone, Debug)]
pub struct Figure {
    pub id: &'static str,
    pub title: String,
    pub value: f64,
    pub unit: &'static str,
}

impl Figure {
    pub fn new(id: &'static str, title: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { id, title: title.into(), value, unit }
    }
}

/// One server's rounds of one case.
#[derive(Clone, Debug)]
pub struct Series {
    pub case: Case,
    pub server: &'static str,
    pub rounds: Vec<Round>,
}

impl Series {
    fn median_of(&self, value: impl Fn(&Round) -> f64) -> f64 {
        median(&mut self.rounds.iter().map(value).collect::<Vec<_>>())
    }
}

/// Everything a run found.
#[derive(Debug, Default)]
pub struct Results {
    /// In the order of the tables' columns.
    pub servers: Vec<&'static str>,
    pub series: Vec<Series>,
    pub figures: Vec<Figure>,
    /// MD5 alone, MB/s, one value for each round of the uploads.
    pub md5: Vec<f64>,
    /// Servers and whether they refused a wrong signature.
    pub verifies: Vec<(&'static str, bool)>,
    /// What could not be measured, and why.
    pub gaps: Vec<String>,
}

impl Results {
    pub fn figure(&self, id: &str) -> Option<f64> {
        self.figures.iter().find(|figure| figure.id == id).map(|figure| figure.value)
    }

    fn series(&self, case: Case, server: &str) -> Option<&Series> {
        self.series.iter().find(|series| series.case == case && series.server == server)
    }

    pub fn cpu_us(&self, case: Case, server: &str) -> Option<f64> {
        Some(self.series(case, server)?.median_of(|round| round.cpu_us))
    }

    /// Median over the rounds of the appliance's value by the other's in the same round.
    pub fn ratio(&self, case: Case, other: &str, value: impl Fn(&Round) -> f64) -> Option<f64> {
        let ours = self.series(case, appliance::NAME)?;
        let theirs = self.series(case, other)?;
        Some(median_ratio(ours.rounds.iter().map(&value), theirs.rounds.iter().map(&value)))
    }

    /// The appliance's CPU time for `case` by that for `base`, round by round.
    pub fn cpu_ratio_of_cases(&self, case: Case, base: Case) -> Option<f64> {
        let cpu = |case| Some(self.series(case, appliance::NAME)?.rounds.iter().map(|round| round.cpu_us));
        Some(median_ratio(cpu(case)?, cpu(base)?))
    }

    /// Upload speed of the appliance by that of MD5 alone, round by round.
    pub fn upload_by_md5(&self) -> Option<f64> {
        let uploads = self.series(Case::PutLarge, appliance::NAME)?;
        Some(median_ratio(uploads.rounds.iter().map(megabytes), self.md5.iter().copied()))
    }

    pub fn markdown(&self) -> String {
        let mut out = String::new();
        if !self.series.is_empty() {
            self.table(&mut out, "Server CPU per request, µs", |series| series.median_of(|round| round.cpu_us));
            self.table(&mut out, "Requests per second (small replies) and MB/s (64 MiB)", |series| {
                if series.case.large() { series.median_of(megabytes) } else { series.median_of(Round::per_second) }
            });
            self.table(&mut out, "Latency, median, ms", |series| series.median_of(|round| round.percentile(0.5) / 1e3));
            self.table(&mut out, "Latency, 99th percentile, ms", |series| {
                series.median_of(|round| round.percentile(0.99) / 1e3)
            });
            self.ratios(&mut out);
        }
        self.other_figures(&mut out);
        out
    }

    fn table(&self, out: &mut String, title: &str, value: impl Fn(&Series) -> f64) {
        let _ = writeln!(out, "\n| {title} | {} |", self.servers.join(" | "));
        let _ = writeln!(out, "|---|{}", "---:|".repeat(self.servers.len()));
        for case in Case::ALL {
            let row: Vec<_> = self.servers.iter().map(|server| self.series(case, server)).collect();
            if row.iter().any(Option::is_some) {
                let cells: Vec<_> = row.iter().map(|series| series.map_or("–".into(), |s| number(value(s)))).collect();
                let _ = writeln!(out, "| {} | {} |", case.title(), cells.join(" | "));
            }
        }
    }

    fn ratios(&self, out: &mut String) {
        let others: Vec<_> = self.servers.iter().filter(|server| **server != appliance::NAME).collect();
        if others.is_empty() || !self.servers.contains(&appliance::NAME) {
            return;
        }
        let names: Vec<_> = others.iter().map(|name| format!("{name}: speed | {name}: CPU")).collect();
        let _ = writeln!(out, "\n| {} against | {} |", appliance::NAME, names.join(" | "));
        let _ = writeln!(out, "|---|{}", "---:|".repeat(others.len() * 2));
        for case in Case::ALL {
            let cell = |ratio: Option<f64>| ratio.map_or("–".into(), |ratio| format!("{}×", number(ratio)));
            let cells: Vec<String> = others
                .iter()
                .flat_map(|other| {
                    [self.ratio(case, other, Round::per_second), self.ratio(case, other, |round| round.cpu_us)]
                })
                .map(cell)
                .collect();
            if cells.iter().any(|cell| cell != "–") {
                let _ = writeln!(out, "| {} | {} |", case.title(), cells.join(" | "));
            }
        }
    }

    fn other_figures(&self, out: &mut String) {
        if !self.figures.is_empty() || !self.md5.is_empty() {
            let _ = writeln!(out, "\n| The rest | |\n|---|---:|");
        }
        if !self.md5.is_empty() {
            let _ = writeln!(out, "| MD5 alone on one core | {} MB/s |", number(median(&mut self.md5.clone())));
        }
        for figure in &self.figures {
            let _ = writeln!(out, "| {} | {} {} |", figure.title, number(figure.value), figure.unit);
        }
        let names = |verifies: bool| {
            let names: Vec<_> =
                self.verifies.iter().filter(|(_, answer)| *answer == verifies).map(|(name, _)| *name).collect();
            if names.is_empty() { "none".to_owned() } else { names.join(", ") }
        };
        if !self.verifies.is_empty() {
            let _ = writeln!(
                out,
                "\nA wrong signature is refused by: {}; accepted by: {}. {FLOOR} stores and verifies nothing.",
                names(true),
                names(false)
            );
        }
        for series in &self.series {
            let failures: usize = series.rounds.iter().map(|round| round.failures).sum();
            if failures > 0 {
                let sent: usize = series.rounds.iter().map(|round| round.requests).sum::<usize>() + failures;
                let _ = writeln!(
                    out,
                    "\n{}: {failures} of {sent} requests of `{}` failed.",
                    series.server,
                    series.case.id()
                );
            }
        }
        for gap in &self.gaps {
            let _ = writeln!(out, "\nNot measured: {gap}");
        }
    }

    /// Requests to the appliance that failed.
    pub fn failures(&self) -> usize {
        let ours = self.series.iter().filter(|series| series.server == appliance::NAME);
        ours.flat_map(|series| &series.rounds).map(|round| round.failures).sum()
    }

    /// All results as JSON, for comparisons over time.
    pub fn json(&self) -> serde_json::Value {
        let series: Vec<_> = self
            .series
            .iter()
            .map(|series| {
                serde_json::json!({
                    "case": series.case.id(),
                    "server": series.server,
                    "cpu_us": series.rounds.iter().map(|round| round.cpu_us).collect::<Vec<_>>(),
                    "per_second": series.rounds.iter().map(Round::per_second).collect::<Vec<_>>(),
                    "p50_us": series.median_of(|round| round.percentile(0.5)),
                    "p99_us": series.median_of(|round| round.percentile(0.99)),
                })
            })
            .collect();
        let figures: serde_json::Map<_, _> =
            self.figures.iter().map(|figure| (figure.id.to_owned(), figure.value.into())).collect();
        serde_json::json!({"series": series, "figures": figures, "md5_mb_s": self.md5, "gaps": self.gaps})
    }
}

/// 10^6 bytes per second of a round of 64 MiB requests.
#[allow(clippy::cast_precision_loss)]
fn megabytes(round: &Round) -> f64 {
    round.per_second() * LARGE_BYTES as f64 / 1e6
}

pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

fn median_ratio(ours: impl Iterator<Item = f64>, theirs: impl Iterator<Item = f64>) -> f64 {
    median(&mut ours.zip(theirs).map(|(ours, theirs)| ours / theirs).collect::<Vec<_>>())
}

/// Three figures are as many as the measurement holds.
pub fn number(value: f64) -> String {
    match value.abs() {
        size if size.is_nan() => "–".into(),
        size if size >= 99.95 => {
            let digits = format!("{value:.0}");
            let mut out = String::with_capacity(digits.len() + 4);
            for (index, digit) in digits.chars().enumerate() {
                if index > 0 && (digits.len() - index).is_multiple_of(3) && !out.ends_with('-') {
                    out.push(',');
                }
                out.push(digit);
            }
            out
        }
        size if size >= 9.995 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        let check = |values: &mut [f64], expected: f64| assert!((median(values) - expected).abs() < 1e-9);
        check(&mut [3.0, 1.0, 2.0], 2.0);
        check(&mut [4.0, 1.0], 2.5);
        assert!(median(&mut []).is_nan());
        assert!((median_ratio([2.0, 9.0].into_iter(), [1.0, 3.0].into_iter()) - 2.5).abs() < 1e-9);
    }

    #[test]
    fn numbers_have_three_figures() {
        let check = |value, expected| assert_eq!(number(value), expected);
        check(0.123, "0.12");
        check(14.96, "15.0");
        check(104.4, "104");
        check(12_345.6, "12,346");
        check(1_234_567.0, "1,234,567");
    }
}

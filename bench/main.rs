//! `bench`: measures the appliance against the floor and its peers in one run and prints the tables.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bench::cases::Case;
use bench::peers::{PEERS, Place};
use bench::run::{FULL, PARTS, Plan, QUICK};
use bench::{machine, run, targets};
use clap::Parser;

/// Measures mockfactory against a bare HTTP server and other S3 servers; all load stays on 127.0.0.1.
#[derive(Parser)]
#[command(name = "bench")]
struct Arguments {
    /// A smoke test of a minute: one short round, few keys, no peers, no branches.
    #[arg(long)]
    quick: bool,
    /// Only this case or part (may be given more than once).
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Print the names of the cases and parts, and end.
    #[arg(long)]
    names: bool,
    /// Peers to measure, separated by commas; `none` for none.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    peers: Option<Vec<String>>,
    /// Directory of the peers' programs (`./bench/run` installs them).
    #[arg(long, value_name = "DIR")]
    peers_dir: Option<PathBuf>,
    /// Directory of `mockfactory` and `floor`; this program's own where not given.
    #[arg(long, value_name = "DIR")]
    binaries: Option<PathBuf>,
    /// Measure only the floor and the peers.
    #[arg(long)]
    without_appliance: bool,
    /// Where the servers keep their data during the run.
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// First of the hundred loopback ports in use.
    #[arg(long, default_value_t = 21_700)]
    port: u16,
    #[arg(long)]
    rounds: Option<usize>,
    /// Length of a round, in seconds.
    #[arg(long)]
    seconds: Option<f64>,
    /// Environments made, touched and left idle.
    #[arg(long)]
    environments: Option<usize>,
    /// GiB of the large environment that is branched.
    #[arg(long, default_value_t = 2)]
    branch_gib: usize,
    /// Write all results as JSON too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if arguments.names {
        let names = Case::ALL.iter().map(|case| case.id()).chain(PARTS);
        println!("{}", names.collect::<Vec<_>>().join("\n"));
        return Ok(());
    }
    let scratch = tempfile::Builder::new()
        .prefix("mockfactory-bench-")
        .tempdir_in(arguments.scratch.clone().unwrap_or_else(std::env::temp_dir))?;
    let plan = plan(&arguments, scratch.path().to_owned())?;
    let (before, started) = (machine::load(), jiff::Timestamp::now());
    let results = match run::run(&plan) {
        Ok(results) => results,
        Err(error) => {
            // The servers' logs say why.
            eprintln!("bench: logs are kept in {}", scratch.keep().display());
            return Err(error);
        }
    };
    let listing = plan.scale.listing;
    println!(
        "{}; {}; {} rounds of {:?}, interleaved; {} keys in the listed bucket, {} directories; load average {before} at the start, {} at the end.",
        machine::describe(),
        started.strftime("%Y-%m-%d %H:%M UTC"),
        plan.scale.rounds,
        plan.scale.round,
        listing.count(),
        listing.directories,
        machine::load()
    );
    println!("{}{}", results.markdown(), targets::markdown(&results));
    if let Some(path) = arguments.json {
        std::fs::write(&path, format!("{:#}\n", results.json())).with_context(|| path.display().to_string())?;
    }
    if arguments.quick && !results.gaps.is_empty() {
        bail!("a part did not run: {}", results.gaps.join("; "));
    }
    ensure!(results.failures() == 0, "the appliance failed {} requests", results.failures());
    Ok(())
}

fn plan(arguments: &Arguments, scratch: PathBuf) -> Result<Plan> {
    let mut scale = if arguments.quick { QUICK } else { FULL };
    scale.rounds = arguments.rounds.unwrap_or(scale.rounds).max(1);
    if let Some(seconds) = arguments.seconds {
        scale.round = Duration::try_from_secs_f64(seconds).context("--seconds")?;
    }
    let mut parts = PARTS.to_vec();
    if arguments.quick {
        parts.retain(|part| *part != "branch");
    }
    let mut cases = Case::ALL.to_vec();
    if !arguments.only.is_empty() {
        for name in &arguments.only {
            if !Case::ALL.iter().any(|case| case.id() == name) && !PARTS.contains(&name.as_str()) {
                bail!("--only {name}: no such case or part; `--names` prints them");
            }
        }
        cases.retain(|case| arguments.only.iter().any(|name| name == case.id()));
        parts = PARTS.to_vec();
        parts.retain(|part| arguments.only.iter().any(|name| name == part));
    }
    let binaries = match &arguments.binaries {
        Some(dir) => dir.clone(),
        None => std::env::current_exe()?.parent().context("a program lies in a directory")?.to_owned(),
    };
    Ok(Plan {
        place: Place {
            binaries,
            peers: arguments.peers_dir.clone().unwrap_or_default(),
            scratch,
            port: arguments.port,
        },
        cases,
        parts,
        peers: peers(arguments)?,
        without_appliance: arguments.without_appliance,
        scale,
        environments: arguments.environments.unwrap_or(if arguments.quick { 20 } else { 1_000 }),
        branch_gib: arguments.branch_gib,
    })
}

fn peers(arguments: &Arguments) -> Result<Vec<&'static str>> {
    let Some(names) = &arguments.peers else {
        return Ok(if arguments.quick { Vec::new() } else { PEERS.to_vec() });
    };
    let wanted = names.iter().filter(|name| *name != "none");
    wanted
        .map(|name| {
            PEERS.into_iter().find(|peer| peer == name).with_context(|| format!("--peers {name}: not one of {PEERS:?}"))
        })
        .collect()
}

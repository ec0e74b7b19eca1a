//! One run: starts the servers, takes the rounds in turns, collects the results.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::appliance::{self, Appliance};
use crate::cases::{self, BUCKET, Bodies, Case, Listing, Scale};
use crate::load;
use crate::peers::{self, FLOOR, Place};
use crate::report::{Results, Series};
use crate::server::Server;
use crate::{md5, tenancy};

/// Load before a case's first round of a server, unmeasured.
const WARM_UP: Duration = Duration::from_millis(300);

/// Parts of a run that are no S3 case, as given to `--only`.
pub const PARTS: [&str; 4] = ["md5", "start", "environments", "branch"];

#[derive(Debug)]
pub struct Plan {
    pub place: Place,
    pub cases: Vec<Case>,
    pub parts: Vec<&'static str>,
    pub peers: Vec<&'static str>,
    /// Leave the appliance out: only the peers and the floor.
    pub without_appliance: bool,
    pub scale: Scale,
    pub environments: usize,
    /// GiB of the large environment that is branched.
    pub branch_gib: usize,
}

pub fn run(plan: &Plan) -> Result<Results> {
    let mut results = Results::default();
    if !plan.cases.is_empty() {
        objects(plan, &mut results)?;
    } else if plan.parts.contains(&"md5") {
        results.md5 = (0..plan.scale.rounds).map(|_| md5::megabytes_per_second()).collect();
    }
    if !plan.without_appliance {
        part(plan, &mut results, "start", |plan| tenancy::starts(&plan.place));
        part(plan, &mut results, "environments", |plan| tenancy::environments(&plan.place, plan.environments));
        part(plan, &mut results, "branch", |plan| tenancy::branches(&plan.place, plan.branch_gib));
    }
    Ok(results)
}

/// A part that fails is a gap in the results, not the end of the run.
fn part(
    plan: &Plan,
    results: &mut Results,
    name: &'static str,
    measure: impl Fn(&Plan) -> Result<Vec<crate::report::Figure>>,
) {
    if !plan.parts.contains(&name) {
        return;
    }
    note(name);
    match measure(plan) {
        Ok(figures) => results.figures.extend(figures),
        Err(error) => results.gaps.push(format!("{name}: {error:#}")),
    }
}

fn objects(plan: &Plan, results: &mut Results) -> Result<()> {
    let bodies = Bodies::new();
    let mut servers = start_all(plan, results, &bodies)?;
    results.servers = servers.iter().map(|server| server.name).collect();
    for &case in &plan.cases {
        note(case.id());
        let mut series: Vec<Series> =
            servers.iter().map(|server| Series { case, server: server.name, rounds: Vec::new() }).collect();
        for round in 0..plan.scale.rounds {
            if case == Case::PutLarge {
                results.md5.push(md5::megabytes_per_second());
            }
            for (server, series) in servers.iter().zip(&mut series) {
                if round == 0 {
                    warm_up(case, server, plan.scale, &bodies)?;
                }
                let Some(work) = cases::work(case, server, round, plan.scale, &bodies) else { continue };
                let measured = load::measure(&server.process, server.address, work)
                    .with_context(|| format!("{}, {}", case.id(), server.name))?;
                series.rounds.push(measured);
            }
        }
        results.series.extend(series.into_iter().filter(|series| !series.rounds.is_empty()));
    }
    for server in &mut servers {
        // Peers may take as long as they like to end; their data is thrown away.
        if server.name != appliance::NAME {
            server.process.kill()?;
        } else if let Err(error) = server.process.stop() {
            results.gaps.push(format!("end of the appliance: {error}"));
        }
    }
    Ok(())
}

fn start_all(plan: &Plan, results: &mut Results, bodies: &Bodies) -> Result<Vec<Server>> {
    let listing = plan.cases.iter().any(|case| case.lists()).then_some(plan.scale.listing);
    let mut servers = vec![start(plan, FLOOR, listing)?];
    if !plan.without_appliance {
        servers.push(start(plan, appliance::NAME, listing)?);
    }
    for &peer in &plan.peers {
        servers.push(start(plan, peer, listing)?);
    }
    for server in &mut servers {
        note(&format!("{}: storing what is read", server.name));
        cases::prepare(server, &plan.cases, plan.scale, bodies)?;
        if server.stores {
            results.verifies.push((server.name, server.verifies_signatures(&format!("/{BUCKET}"))?));
        }
    }
    Ok(servers)
}

fn start(plan: &Plan, name: &'static str, listing: Option<Listing>) -> Result<Server> {
    note(&format!("{name}: starting"));
    if name == appliance::NAME {
        let (data, log) = plan.place.directory(name)?;
        Appliance::start(&plan.place, &data, &log, &[])?.into_server()
    } else {
        peers::start(name, &plan.place, listing)
    }
}

fn warm_up(case: Case, server: &Server, scale: Scale, bodies: &Bodies) -> Result<()> {
    /// A round number that no measured round has: its new keys are its own.
    const ROUND: usize = 9_999;
    let scale = Scale { round: WARM_UP, ..scale };
    if let Some(work) = cases::work(case, server, ROUND, scale, bodies) {
        load::send(server.address, work).with_context(|| format!("warm up {}, {}", case.id(), server.name))?;
    }
    Ok(())
}

fn note(text: &str) {
    eprintln!("bench: {text}");
}

pub const FULL: Scale = Scale {
    rounds: 5,
    round: Duration::from_secs(3),
    new_keys: 40_000,
    listing: Listing { directories: 1_000, keys_per_directory: 99 },
};

pub const QUICK: Scale = Scale {
    rounds: 1,
    round: Duration::from_secs(1),
    new_keys: 5_000,
    listing: Listing { directories: 100, keys_per_directory: 20 },
};

//! Transcripts: `protocols/<provider>/<service>/cases/*.http`, requests and the replies they must get.
//!
//! Each file runs in a fresh environment, through `protocols::serve` and without a socket, signed with the environment's
//! own keys. `UPDATE=1` rewrites the replies; `CASE=<text>` picks files; `TARGET=<url>` sends the same file to the real
//! provider instead (credentials from `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, region from `AWS_REGION`).
//! The format is described in [`case`].

mod case;
mod signer;
mod target;

use std::path::{Path, PathBuf};

use case::{Case, Names};
use target::Target;

#[test]
fn transcripts() {
    let update = std::env::var_os("UPDATE").is_some();
    let only = std::env::var("CASE").unwrap_or_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut failures = Vec::new();
    let mut ran = 0;
    for (service, path) in files() {
        if !path.to_string_lossy().contains(&only) {
            continue;
        }
        ran += 1;
        if let Err(why) = runtime.block_on(run(&service, &path, update)) {
            failures.push(format!("{}\n{why}", path.display()));
        }
    }
    assert!(ran > 0, "no case matches {only:?}");
    assert!(failures.is_empty(), "{} of {ran} cases failed\n\n{}", failures.len(), failures.join("\n\n"));
}

async fn run(service: &str, path: &Path, update: bool) -> Result<(), String> {
    let text = std::fs::read_to_string(path).map_err(|e| e.to_string())?;
    let mut case = Case::parse(&text)?;
    let target = Target::new(service).await?;
    let mut names = Names::new();
    if let Target::Here(here) = &target {
        names.insert("environment", &here.environment);
    }
    let mut failures = Vec::new();
    for exchange in &mut case.exchanges {
        let request = exchange.request.filled(&names)?;
        let reply = target.send(&request).await?;
        if update {
            exchange.rewrite(&reply, &names);
        } else if let Err(why) = exchange.check(&reply, &mut names) {
            failures.push(why);
        }
        exchange.capture(&reply, &mut names);
    }
    if update {
        std::fs::write(path, case.to_string()).map_err(|e| e.to_string())?;
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n")) }
}

/// `(service id, file)` of every case of every service in the table.
fn files() -> Vec<(String, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocols");
    let mut found = Vec::new();
    for service in protocols::services::SERVICES {
        let folder = service.id.split_once('_').map_or(service.id, |(_, name)| name);
        let cases = root.join(service.provider.id()).join(folder).join("cases");
        for entry in std::fs::read_dir(cases).into_iter().flatten().flatten() {
            if entry.path().extension().is_some_and(|extension| extension == "http") {
                found.push((service.id.to_owned(), entry.path()));
            }
        }
    }
    found.sort();
    found
}

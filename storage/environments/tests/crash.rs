//! `kill -9` in the middle of creating, branching, resetting and deleting: afterwards each is there whole or not at
//! all, and nothing is left on the disk that nobody names.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use super::*;
use crate::clock::system_now;

/// The child works in the directory that this variable names.
const CHILD_DIR: &str = "MOCKFACTORY_TEST_CRASH_DIR";
const PREFIX: &str = "crash-test ";
const TASKS: usize = 4;
const SIZE: usize = 40_000;

fn say(what: &str, id: &str) {
    // One write, so that lines of several tasks do not mix.
    let _ = std::io::stdout().write_all(format!("\n{PREFIX}{what} {id}\n").as_bytes());
}

/// What the parent kills: says what it is about to do and what has been acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Some(dir) = std::env::var_os(CHILD_DIR) else { return };
    let environments = open(Path::new(&dir));
    environments.tick(system_now()).await;
    let turn = environments.list().len();
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let environments = Arc::clone(&environments);
            tokio::spawn(async move {
                for n in 0.. {
                    let name = format!("{turn}-{task}-{n}-{}", std::process::id());
                    work(&environments, &name).await.expect("work");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("task");
    }
}

async fn work(environments: &Arc<Environments>, name: &str) -> Result<(), Fault> {
    let (parent, branch) = (format!("env-{name}"), format!("env-{name}-b"));
    let environment = environments.create(new(name)).await?;
    say("created", &parent);
    put(&environment, "x", body(&parent, SIZE)).await?;
    say("written", &parent);
    let branched = environments.branch(&parent, new(&format!("{name}-b"))).await?;
    say("branched", &branch);
    say("deleting", &parent);
    environments.delete(&parent).await?;
    say("deleted", &parent);
    put(&branched, "y", body(&branch, SIZE)).await?;
    say("resetting", &branch);
    environments.reset(&branch).await?;
    say("reset", &branch);
    if name.len().is_multiple_of(2) {
        say("deleting", &branch);
        environments.delete(&branch).await?;
        say("deleted", &branch);
    }
    Ok(())
}

/// Runs the child, kills it once it has said so many lines, and tells the last word about each environment.
fn killed_after(dir: &Path, lines: usize) -> HashMap<String, String> {
    let mut child = Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", "environments::tests::crash::child", "--nocapture"])
        .env(CHILD_DIR, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("child");
    let said = BufReader::new(child.stdout.take().expect("output")).lines();
    let mut last = HashMap::new();
    let mut heard = 0;
    for line in said {
        let line = line.expect("line");
        let Some((what, id)) = line.strip_prefix(PREFIX).and_then(|said| said.split_once(' ')) else { continue };
        last.insert(id.to_owned(), what.to_owned());
        heard += 1;
        if heard == lines {
            child.kill().expect("kill");
        }
    }
    child.wait().expect("child");
    assert!(heard >= lines, "the child ended by itself");
    last
}

async fn check(dir: &Path, last: HashMap<String, String>) {
    let environments = open(dir);
    environments.tick(system_now()).await;
    environments.settle().await;
    let (volumes, marks) = volumes_and_marks(dir);
    assert_eq!(volumes, recorded(&environments));
    assert!(marks.iter().all(|mark| mark.rsplit('.').next() == Some("base")), "recovered in the background: {marks:?}");
    for (id, what) in last {
        let found = environments.get(&id);
        match what.as_str() {
            "deleted" => assert!(found.is_none(), "{id} was deleted"),
            "deleting" => {}
            "created" => assert!(found.is_some(), "{id} was created"),
            _ => {
                let environment = found.unwrap_or_else(|| panic!("{id} was {what}"));
                let parent = id.strip_suffix("-b").unwrap_or(&id);
                assert_eq!(get(&environment, "x").await.expect("get"), body(parent, SIZE), "{id} was {what}");
                assert!(what != "reset" || is_missing(&get(&environment, "y").await), "{id} was reset");
            }
        }
    }
    for environment in environments.list() {
        let found = keys(&environment).await.expect("usable");
        let bodies = files(&environment.engine.enter().await.path(&environments)).len();
        assert!(bodies <= found.len(), "{}: {bodies} files for {found:?}", environment.id());
    }
    environments.shutdown().await;
}

impl crate::environments::engine::Slot {
    /// The large bodies of the volume.
    fn path(&self, environments: &Environments) -> std::path::PathBuf {
        environments.host.volumes.path(&self.volume).join("bodies")
    }
}

#[test]
fn each_change_is_whole_or_not_at_all() {
    on_each_disk(async |data| {
        let mut heard = HashMap::new();
        for lines in [3, 40, 71, 113] {
            heard.extend(killed_after(data, lines));
            // Later children know nothing of earlier ones: what was said before still holds.
            check(data, heard.clone()).await;
        }
    });
}

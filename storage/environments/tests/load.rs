//! Operations on environments that are in use.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::*;

const WRITERS: usize = 4;

/// Closing as often as possible must be invisible to those who use it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_races_with_requests() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let environments = open(dir.path());
    let environment = environments.create(new("a")).await.expect("create");
    let users: Vec<_> = (0..WRITERS)
        .map(|user| {
            let environment = Arc::clone(&environment);
            tokio::spawn(async move {
                for n in 0..60 {
                    let key = format!("{user}-{n}");
                    put(&environment, &key, body(&key, if n % 2 == 0 { 40_000 } else { 10 })).await?;
                    let found = get(&environment, &key).await?;
                    assert_eq!(found, body(&key, found.len()));
                }
                Ok::<_, Fault>(())
            })
        })
        .collect();
    let mut closed = 0;
    while !users.iter().all(tokio::task::JoinHandle::is_finished) {
        let mut slot = environment.engine.enter().await;
        let open = environment.engine.is_open();
        let close = environment.engine.close(&mut slot, Duration::from_millis(5)).await.expect("close");
        closed += usize::from(open && close);
        drop(slot);
        tokio::task::yield_now().await;
    }
    for user in users {
        user.await.expect("task").expect("requests");
    }
    assert!(closed > 0, "nothing was tried");
    assert_eq!(keys(&environment).await.expect("keys").len(), WRITERS * 60);
}

fn name(writer: usize, n: usize) -> String {
    format!("w{writer}-{n:06}")
}

fn written(writer: usize, n: usize) -> Vec<u8> {
    body(&name(writer, n), [100, 20_000, 200_000][n % 3])
}

/// Each writer's objects in a branch are its first so many, all of them whole, and none acknowledged before the
/// branch was asked for is missing.
async fn check_branch(branch: &Environment, acknowledged: &[usize]) {
    let found = keys(branch).await.expect("keys");
    for (writer, acknowledged) in acknowledged.iter().enumerate() {
        let own: Vec<_> = found.iter().filter(|key| key.starts_with(&format!("w{writer}-"))).collect();
        assert!(own.len() >= *acknowledged, "writer {writer}: {} of {acknowledged}", own.len());
        for (n, key) in own.into_iter().enumerate() {
            assert_eq!(*key, name(writer, n));
            assert_eq!(get(branch, key).await.expect("get"), written(writer, n), "{key}");
        }
    }
}

#[test]
fn branches_under_writes_are_of_one_moment() {
    on_each_disk(async |data| {
        let environments = open(data);
        let parent = environments.create(new("parent")).await.expect("create");
        put(&parent, "first", Vec::new()).await.expect("put");
        let counts: Arc<[AtomicUsize; WRITERS]> = Arc::default();
        let enough = Arc::new(AtomicBool::new(false));
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (parent, counts, enough) = (Arc::clone(&parent), Arc::clone(&counts), Arc::clone(&enough));
                tokio::spawn(async move {
                    let mut n = 0;
                    while !enough.load(Ordering::SeqCst) {
                        put(&parent, &name(writer, n), written(writer, n)).await.expect("put");
                        n += 1;
                        counts[writer].store(n, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        let mut branches = Vec::new();
        for turn in 0..4 {
            let target = counts[0].load(Ordering::SeqCst) + 20;
            while counts[0].load(Ordering::SeqCst) < target {
                tokio::task::yield_now().await;
            }
            let before: Vec<_> = counts.iter().map(|count| count.load(Ordering::SeqCst)).collect();
            let branch = environments.branch("env-parent", new(&format!("b{turn}"))).await.expect("branch");
            branches.push((branch, before));
        }
        enough.store(true, Ordering::SeqCst);
        for writer in writers {
            writer.await.expect("writer");
        }
        for (branch, before) in &branches {
            check_branch(branch, before).await;
            environments.reset(branch.id().as_str()).await.expect("reset");
            check_branch(branch, before).await;
        }
        drop((branches, parent));
        environments.shutdown().await;
    });
}

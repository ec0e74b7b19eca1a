//! What each operation does to the environment, to its siblings and to the disk.

use super::*;
use crate::Kind;
use crate::environments::{AuthMode, EnvironmentPatch, State};

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_is_found_by_its_id_and_its_keys() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let environments = open(dir.path());
    environments.create(new("a")).await.expect("create");
    environments.create(NewEnvironment { id: None, ..new("random") }).await.expect("create");
    let found = |environments: &Environments, key: &str| {
        environments.by_access_key(key).map(|(e, k)| (e.id().as_str().to_owned(), k.secret.clone()))
    };
    let a = Some(("env-a".to_owned(), "secret of a".to_owned()));
    assert_eq!(found(&environments, "a"), a);
    assert_eq!(found(&environments, "b"), None);
    assert!(environments.get("env-b").is_none());

    let patch = EnvironmentPatch {
        name: Some("renamed".to_owned()),
        keys: Some(vec![key("new")]),
        add_keys: vec![key("second")],
        auth: Some(AuthMode::Relaxed),
        expires_ms: Some(Some(u64::MAX)),
        ..EnvironmentPatch::default()
    };
    environments.update("env-a", patch).await.expect("update");
    environments.advance_clock("env-a", 5000).await.expect("clock");
    let check = |environments: &Environments| {
        let record = environments.get("env-a").expect("env-a").record();
        assert_eq!((record.name.as_str(), record.auth), ("renamed", AuthMode::Relaxed));
        assert_eq!((record.expires_ms, record.clock_offset_ms), (Some(u64::MAX), 5000));
        assert_eq!(environments.get("env-a").expect("env-a").clock().offset_ms(), 5000);
        assert_eq!(found(environments, "a"), None);
        assert_eq!(found(environments, "new"), Some(("env-a".to_owned(), "secret of new".to_owned())));
        assert!(environments.get("env-a").expect("env-a").key("second").is_some());
        assert!(found(environments, "random").is_some());
    };
    check(&environments);
    environments.shutdown().await;
    drop(environments);
    let environments = open(dir.path());
    check(&environments);
    environments.delete("env-a").await.expect("delete");
    assert!(environments.get("env-a").is_none());
    assert_eq!(found(&environments, "new"), None);
    assert!(is_missing(&environments.delete("env-a").await));
    environments.create(new("a")).await.expect("the name is free again");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_keys_belong_to_one_environment() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let environments = open(dir.path());
    environments.create(new("a")).await.expect("create");
    let check = |result: Result<Arc<Environment>, Fault>, kind: Kind| {
        assert!(matches!(result, Err(Fault::Exists { kind: found, .. }) if found == kind));
    };
    check(environments.create(new("a")).await, Kind::Environment);
    check(environments.create(NewEnvironment { keys: vec![key("a")], ..new("b") }).await, Kind::AccessKey);
    check(environments.branch("env-a", NewEnvironment { keys: vec![key("a")], ..new("b") }).await, Kind::AccessKey);
    let steal = EnvironmentPatch { add_keys: vec![key("a")], ..EnvironmentPatch::default() };
    environments.create(new("b")).await.expect("what failed holds no name");
    check(environments.update("env-b", steal).await, Kind::AccessKey);
    // The same id for two providers is one environment's own affair.
    let twice = vec![key("test"), AccessKey { provider: "cloudflare".to_owned(), ..key("test") }];
    environments.create(NewEnvironment { keys: twice, ..new("c") }).await.expect("create");
    assert_eq!(environments.by_access_key("test").expect("found").1.provider, "aws");
    let (volumes, _) = volumes_and_marks(dir.path());
    assert_eq!(volumes, recorded(&environments));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_create_the_same_one_succeeds() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let environments = open(dir.path());
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let environments = Arc::clone(&environments);
            tokio::spawn(async move { environments.create(new("a")).await.is_ok() })
        })
        .collect();
    let mut made = 0;
    for task in tasks {
        made += usize::from(task.await.expect("task"));
    }
    assert_eq!(made, 1);
    assert_eq!(volumes_and_marks(dir.path()).0.len(), 1);
}

#[test]
fn a_branch_is_apart_from_its_parent() {
    on_each_disk(async |data| {
        let environments = open(data);
        let parent = environments.create(new("parent")).await.expect("create");
        for (name, size) in [("small", 100), ("large", 300_000)] {
            put(&parent, name, body(name, size)).await.expect("put");
        }
        environments.advance_clock("env-parent", 1000).await.expect("clock");
        // Once with the parent open, once closed, and once as a branch of a branch.
        let open_parent = environments.branch("env-parent", new("b1")).await.expect("branch");
        environments.tick(at(u64::MAX / 4)).await;
        environments.tick(at(u64::MAX / 2)).await;
        assert!(!parent.engine.is_open());
        let closed_parent = environments.branch("env-parent", new("b2")).await.expect("branch");
        let grandchild = environments.branch("env-b1", new("b3")).await.expect("branch");
        put(&parent, "later", body("later", 100)).await.expect("put");
        put(&parent, "small", body("changed", 50)).await.expect("put");
        remove(&parent, "large").await.expect("remove");
        for branch in [open_parent, closed_parent, grandchild] {
            assert_eq!(keys(&branch).await.expect("keys"), ["large", "small"], "{}", branch.id());
            assert_eq!(get(&branch, "small").await.expect("get"), body("small", 100));
            assert_eq!(get(&branch, "large").await.expect("get"), body("large", 300_000));
            assert_eq!(branch.clock().offset_ms(), 1000);
            put(&branch, "own", body("own", 70_000)).await.expect("put");
        }
        assert_eq!(keys(&parent).await.expect("keys"), ["later", "small"]);
        assert_eq!(environments.get("env-b3").expect("b3").record().parent.as_deref(), Some("env-b1"));

        environments.delete("env-parent").await.expect("delete");
        environments.delete("env-b1").await.expect("delete");
        environments.settle().await;
        let branch = environments.get("env-b3").expect("b3");
        assert_eq!(get(&branch, "large").await.expect("get"), body("large", 300_000));

        // Back to what it was branched as, as often as one likes.
        for _ in 0..2 {
            environments.reset("env-b3").await.expect("reset");
            assert_eq!(keys(&branch).await.expect("keys"), ["large", "small"]);
            put(&branch, "again", body("again", 70_000)).await.expect("put");
            remove(&branch, "large").await.expect("remove");
        }
        environments.settle().await;
        assert_eq!(volumes_and_marks(data).0, recorded(&environments));
        environments.shutdown().await;
        drop((environments, parent, branch));

        let environments = open(data);
        let branch = environments.get("env-b3").expect("b3");
        assert_eq!(keys(&branch).await.expect("keys"), ["again", "small"]);
        assert_eq!(get(&branch, "again").await.expect("get"), body("again", 70_000));
        environments.shutdown().await;
    });
}

#[test]
fn a_reset_leaves_it_empty_and_a_deletion_leaves_nothing() {
    on_each_disk(async |data| {
        let environments = open(data);
        let environment = environments.create(new("a")).await.expect("create");
        for n in 0..20 {
            put(&environment, &n.to_string(), body("x", 1 << 20)).await.expect("put");
        }
        environments.reset("env-a").await.expect("reset");
        assert!(keys(&environment).await.expect("keys").is_empty());
        assert!(environments.by_access_key("a").is_some(), "keys stay");
        put(&environment, "after", body("after", 100_000)).await.expect("put");
        environments.settle().await;
        assert_eq!(volumes_and_marks(data).0, recorded(&environments));
        assert_eq!(
            files(&data.join("environments")).iter().filter(|p| p.to_string_lossy().contains("bodies")).count(),
            1
        );

        environments.delete("env-a").await.expect("delete");
        assert!(is_missing(&environment.objects().await.map(drop)), "who still has it cannot use it");
        environments.settle().await;
        assert_eq!(volumes_and_marks(data), (Vec::new(), Vec::new()));
        environments.shutdown().await;
    });
}

#[test]
fn deletion_returns_all_disk() {
    for kind in ["btrfs", "xfs"] {
        let Some(disk) = LoopDisk::new(kind, DISK_BYTES) else { continue };
        let runtime = tokio::runtime::Runtime::new().expect("runtime");
        runtime.block_on(async {
            let environments = open(&disk.path());
            let free = disk.free();
            let environment = environments.create(new("a")).await.expect("create");
            for n in 0..64 {
                put(&environment, &n.to_string(), body("x", 1 << 20)).await.expect("put");
            }
            environments.branch("env-a", new("b")).await.expect("branch");
            assert!(disk.free() + (60 << 20) < free);
            environments.delete("env-a").await.expect("delete");
            environments.delete("env-b").await.expect("delete");
            // btrfs queues a subvolume for its cleaner once the last of its inodes has left memory.
            let mut missing = u64::MAX;
            for _ in 0..50 {
                environments.settle().await;
                missing = free.saturating_sub(disk.free());
                if missing < 4 << 20 {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
            assert!(missing < 4 << 20, "{kind}: {missing} bytes are not back");
            environments.shutdown().await;
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_in_flight_outlive_a_reset_and_a_deletion() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let config =
        EnvironmentsConfig { drain: std::time::Duration::from_millis(20), ..EnvironmentsConfig::new(dir.path()) };
    let environments = Environments::open(config).expect("open");
    let environment = environments.create(new("a")).await.expect("create");
    put(&environment, "x", body("x", 300_000)).await.expect("put");
    let held = environment.objects().await.expect("objects");
    let bucket = held.bucket(NAMESPACE, BUCKET).expect("bucket");
    let object = held.head(&bucket, &Key::parse("x").expect("key")).expect("head");
    let mut reader = held.read(&object, 0..object.size).expect("read");
    environments.reset("env-a").await.expect("reset");
    assert!(keys(&environment).await.expect("keys").is_empty(), "who comes later sees the reset");
    put(&environment, "y", body("y", 300_000)).await.expect("put");
    environments.delete("env-a").await.expect("delete");
    let mut bytes = Vec::new();
    while let Some(chunk) = reader.next().await {
        bytes.extend_from_slice(&chunk.expect("chunk"));
    }
    assert_eq!(bytes, body("x", 300_000));
    drop((reader, held));
    environments.settle().await;
    assert_eq!(volumes_and_marks(dir.path()), (Vec::new(), Vec::new()));
    environments.create(new("a")).await.expect("the name is free again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_environment_refuses_until_it_is_started() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let environments = open(dir.path());
    let environment = environments.create(new("a")).await.expect("create");
    put(&environment, "x", body("x", 10)).await.expect("put");
    environments.stop("env-a").await.expect("stop");
    assert_eq!(environment.record().state, State::Stopped);
    assert!(matches!(environment.objects().await.map(drop), Err(Fault::Unavailable { .. })));
    environments.branch("env-a", new("b")).await.expect("its data can be branched");
    drop((environment, environments));
    let environments = open(dir.path());
    let environment = environments.get("env-a").expect("env-a");
    assert!(matches!(environment.objects().await.map(drop), Err(Fault::Unavailable { .. })));
    environments.start("env-a").await.expect("start");
    assert_eq!(get(&environment, "x").await.expect("get"), body("x", 10));
    let branch = environments.get("env-b").expect("env-b");
    assert_eq!(get(&branch, "x").await.expect("get"), body("x", 10));
}

//! What happens by itself: closing, stopping, expiry, and what outlives a restart.

use super::*;
use crate::clock::system_now;
use crate::environments::lifecycle::EXPIRED_GRACE_MS;
use crate::environments::{EnvironmentPatch, RequestRecord, State, StopReason};

const HOUR_MS: u64 = 3_600_000;

fn request(service: &'static str, status: u16) -> RequestRecord {
    RequestRecord {
        at_ms: 0,
        request_id: "r".to_owned(),
        service,
        operation: "GetObject",
        method: "GET".to_owned(),
        path: "/".to_owned(),
        status,
        bytes_in: 1,
        bytes_out: 10,
        duration_us: 5,
        error: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_environment_closes_and_opens_again() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let environments = open(dir.path());
    let environment = environments.create(new("a")).await.expect("create");
    environments.tick(system_now()).await;
    assert!(!environment.engine.is_open(), "nothing opens before its first use");
    put(&environment, "x", body("x", 100_000)).await.expect("put");
    let now = system_now();
    environments.tick(now).await;
    assert!(environment.engine.is_open());
    assert_eq!(volumes_and_marks(dir.path()).1, recorded(&environments));
    let held = environment.objects().await.expect("objects");
    environments.tick(now.plus_millis(HOUR_MS)).await;
    environments.tick(now.plus_millis(2 * HOUR_MS)).await;
    assert!(environment.engine.is_open(), "somebody holds it");
    drop(held);
    environments.tick(now.plus_millis(2 * HOUR_MS + 1000)).await;
    assert!(environment.engine.is_open(), "it was held a second ago");
    environments.tick(now.plus_millis(3 * HOUR_MS)).await;
    assert!(!environment.engine.is_open());
    assert!(volumes_and_marks(dir.path()).1.is_empty());
    assert_eq!(environment.usage(now).await.objects, 1, "told without opening");
    assert!(!environment.engine.is_open());
    assert_eq!(get(&environment, "x").await.expect("get"), body("x", 100_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_stops_when_idle_and_expires_by_its_own_clock() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let environments = open(dir.path());
    let now = system_now();
    let idle = NewEnvironment { idle_stop_s: Some(60), ..new("idle") };
    let idle = environments.create(idle).await.expect("create");
    let brief = NewEnvironment { expires_ms: Some(now.0 + HOUR_MS), ..new("brief") };
    let brief = environments.create(brief).await.expect("create");
    put(&brief, "x", body("x", 10)).await.expect("put");
    let later = now.plus_millis(120_000);
    environments.tick(later).await;
    let stopped = |e: &Environment| e.record().stopped.map(|(reason, _)| reason);
    assert_eq!((stopped(&idle), stopped(&brief)), (Some(StopReason::Idle), None));
    environments.start("env-idle").await.expect("start");
    environments.tick(system_now().plus_millis(1000)).await;
    assert_eq!(stopped(&idle), None, "a start counts as use");

    environments.advance_clock("env-brief", 2 * HOUR_MS).await.expect("clock");
    assert_eq!(stopped(&brief), Some(StopReason::Expired), "at once");
    assert!(matches!(environments.start("env-brief").await, Err(Fault::Invalid { .. })), "expired");
    let patch = EnvironmentPatch {
        expires_ms: Some(Some(now.0 + 4 * HOUR_MS)),
        state: Some(State::Ready),
        ..EnvironmentPatch::default()
    };
    environments.update("env-brief", patch).await.expect("a later expiry starts it again");
    assert_eq!(get(&brief, "x").await.expect("get"), body("x", 10));

    environments.advance_clock("env-brief", 2 * HOUR_MS).await.expect("clock");
    let expired = system_now();
    environments.tick(expired).await;
    environments.tick(expired.plus_millis(EXPIRED_GRACE_MS - 60_000)).await;
    assert!(environments.get("env-brief").is_some(), "in its grace");
    environments.tick(expired.plus_millis(EXPIRED_GRACE_MS)).await;
    environments.settle().await;
    assert!(environments.get("env-brief").is_none());
    let (volumes, marks) = volumes_and_marks(dir.path());
    assert_eq!((volumes, marks), (recorded(&environments), Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_and_cursors_outlive_a_restart() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let environments = open(dir.path());
    let environment = environments.create(new("a")).await.expect("create");
    put(&environment, "x", body("x", 100_000)).await.expect("put");
    put(&environment, "y", body("y", 50)).await.expect("put");
    environment.observe(request("aws_s3", 200));
    environment.observe(request("aws_s3", 404));
    let cursor = environment.requests(0, 10).next;
    assert_eq!(environment.requests(0, 10).requests.len(), 2);
    let created = environment.record().created_ms;
    let check = async |environment: &Environment| {
        let usage = environment.usage(at(created + 2 * HOUR_MS)).await;
        assert_eq!((usage.objects, usage.stored_bytes), (2, 100_050));
        let service = usage.services["aws_s3"];
        assert_eq!((service.requests, service.errors, service.bytes_in, service.bytes_out), (2, 1, 2, 20));
        assert!((usage.hours - 2.0).abs() < 1e-9 && (usage.cost_cents - 20.0).abs() < 1e-9, "{usage:?}");
    };
    check(&environment).await;
    environments.shutdown().await;
    assert!(volumes_and_marks(dir.path()).1.is_empty());
    assert!(matches!(environment.objects().await.map(drop), Err(Fault::Unavailable { .. })), "it has ended");
    drop((environment, environments));

    let environments = open(dir.path());
    let environment = environments.get("env-a").expect("env-a");
    check(&environment).await;
    assert!(environment.requests(cursor, 10).requests.is_empty());
    environment.observe(request("aws_s3", 200));
    assert_eq!(environment.requests(cursor, 10).requests.len(), 1, "an old cursor goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_removes_what_the_registry_does_not_name() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let environments = open(dir.path());
    environments.create(new("a")).await.expect("create");
    environments.shutdown().await;
    drop(environments);
    for name in ["env-a.stray", "env-b.stray", ".mockfactory-probe-1", "not-ours"] {
        std::fs::create_dir(dir.path().join("environments").join(name)).expect("directory");
    }
    std::fs::write(dir.path().join("registry/open/env-b.stray"), "").expect("mark");
    let environments = open(dir.path());
    environments.tick(system_now()).await;
    environments.settle().await;
    let mut expected = recorded(&environments);
    expected.push("not-ours".to_owned());
    assert_eq!(volumes_and_marks(dir.path()), (expected, Vec::new()));
    environments.shutdown().await;
    drop(environments);

    // Without a registry nothing tells a stray from a treasure.
    std::fs::remove_file(dir.path().join("registry/environments.log")).expect("registry");
    let environments = open(dir.path());
    environments.tick(system_now()).await;
    environments.settle().await;
    assert_eq!(volumes_and_marks(dir.path()).0.len(), 2);
}

//! Random operations against a model of what environments hold, with the appliance reopened in between.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;
use crate::clock::system_now;

/// Environments and keys in play: few, so that operations meet.
const NAMES: u8 = 4;
const KEYS: u8 = 4;
const HOUR_MS: u64 = 3_600_000;

#[derive(Clone, Debug)]
enum Operation {
    Create(u8),
    Put { at: u8, key: u8, version: u8, large: bool },
    Remove { at: u8, key: u8 },
    Branch { from: u8, to: u8 },
    Reset(u8),
    Delete(u8),
    CloseIdle,
    Reopen { cleanly: bool },
}

fn operation() -> impl Strategy<Value = Operation> {
    let name = || 0..NAMES;
    prop_oneof![
        2 => name().prop_map(Operation::Create),
        6 => (name(), 0..KEYS, any::<u8>(), any::<bool>())
            .prop_map(|(at, key, version, large)| Operation::Put { at, key, version, large }),
        2 => (name(), 0..KEYS).prop_map(|(at, key)| Operation::Remove { at, key }),
        3 => (name(), name()).prop_map(|(from, to)| Operation::Branch { from, to }),
        1 => name().prop_map(Operation::Reset),
        1 => name().prop_map(Operation::Delete),
        1 => Just(Operation::CloseIdle),
        1 => any::<bool>().prop_map(|cleanly| Operation::Reopen { cleanly }),
    ]
}

type Objects = BTreeMap<String, Vec<u8>>;

#[derive(Clone, Default)]
struct Modelled {
    objects: Objects,
    /// What a reset goes back to.
    base: Objects,
}

struct World<'d> {
    data: &'d Path,
    environments: Arc<Environments>,
    model: BTreeMap<u8, Modelled>,
}

fn env(at: u8) -> String {
    format!("env-{at}")
}

impl World<'_> {
    async fn apply(&mut self, operation: Operation) {
        match operation {
            Operation::Create(at) => {
                let made = self.environments.create(new(&at.to_string())).await;
                assert_eq!(made.is_err(), self.model.contains_key(&at));
                self.model.entry(at).or_default();
            }
            Operation::Put { at, key, version, large } => {
                let Some(environment) = self.environments.get(&env(at)) else { return };
                let body = vec![version; if large { 50_000 } else { 30 }];
                put(&environment, &key.to_string(), body.clone()).await.expect("put");
                self.model.get_mut(&at).expect("modelled").objects.insert(key.to_string(), body);
            }
            Operation::Remove { at, key } => {
                let Some(environment) = self.environments.get(&env(at)) else { return };
                let removed = remove(&environment, &key.to_string()).await;
                let had = self.model.get_mut(&at).expect("modelled").objects.remove(&key.to_string()).is_some();
                assert_eq!(removed.unwrap_or(false), had);
            }
            Operation::Branch { from, to } => {
                let made = self.environments.branch(&env(from), new(&to.to_string())).await;
                let parent = self.model.get(&from).filter(|_| !self.model.contains_key(&to));
                assert_eq!(made.is_ok(), parent.is_some());
                if let Some(parent) = parent {
                    let objects = parent.objects.clone();
                    self.model.insert(to, Modelled { base: objects.clone(), objects });
                }
            }
            Operation::Reset(at) => {
                assert_eq!(self.environments.reset(&env(at)).await.is_ok(), self.model.contains_key(&at));
                if let Some(modelled) = self.model.get_mut(&at) {
                    modelled.objects = modelled.base.clone();
                }
            }
            Operation::Delete(at) => {
                assert_eq!(self.environments.delete(&env(at)).await.is_ok(), self.model.remove(&at).is_some());
            }
            Operation::CloseIdle => {
                for hours in 1..3 {
                    self.environments.tick(system_now().plus_millis(hours * HOUR_MS)).await;
                }
                for environment in self.environments.list() {
                    assert!(!environment.engine.is_open());
                }
            }
            Operation::Reopen { cleanly } => self.reopen(cleanly).await,
        }
    }

    /// Uncleanly: marks stay as after a crash, though RocksDB has to be closed for this process to open it again.
    async fn reopen(&mut self, cleanly: bool) {
        let (_, marks) = volumes_and_marks(self.data);
        self.environments.shutdown().await;
        if !cleanly {
            for mark in marks {
                let path = self.data.join("registry/open").join(mark);
                if !path.exists() {
                    std::fs::write(path, "").expect("mark");
                }
            }
        }
        self.environments = open(self.data);
        self.environments.tick(system_now()).await;
    }

    async fn check(&self) {
        for (at, modelled) in &self.model {
            let environment = self.environments.get(&env(*at)).expect("there");
            let found = keys(&environment).await.expect("keys");
            assert_eq!(found, modelled.objects.keys().cloned().collect::<Vec<_>>());
            for (key, body) in &modelled.objects {
                assert_eq!(&get(&environment, key).await.expect("get"), body);
            }
            let usage = environment.usage(system_now()).await;
            assert_eq!(usage.objects, modelled.objects.len() as u64);
            assert_eq!(usage.stored_bytes, modelled.objects.values().map(|b| b.len() as u64).sum::<u64>());
        }
        assert_eq!(self.environments.list().len(), self.model.len());
        self.environments.settle().await;
        assert_eq!(volumes_and_marks(self.data).0, recorded(&self.environments));
    }
}

async fn run(data: &Path, operations: Vec<Operation>) {
    let mut world = World { data, environments: open(data), model: BTreeMap::new() };
    for operation in operations {
        world.apply(operation).await;
    }
    world.check().await;
    world.reopen(true).await;
    world.check().await;
    world.environments.shutdown().await;
}

fn check(disk: &Path, cases: u32) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("runtime");
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let operations = proptest::collection::vec(operation(), 1..40);
    let result = runner.run(&operations, |operations| {
        let dir = tempfile::tempdir_in(disk).expect("temporary directory");
        runtime.block_on(run(dir.path(), operations));
        // On btrfs the directory holds subvolumes: closing it removes them like directories.
        dir.close().expect("removed");
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn operations_agree_with_the_model() {
    check(&std::env::temp_dir(), 24);
}

#[test]
fn operations_agree_with_the_model_on_other_disks() {
    for kind in ["btrfs", "xfs"] {
        if let Some(disk) = LoopDisk::new(kind, DISK_BYTES) {
            check(&disk.path(), 8);
        }
    }
}

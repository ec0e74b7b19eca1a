//! Volumes on each kind of file system that this machine can mount.

use std::fs;
use std::path::Path;

use super::loop_disk::LoopDisk;
use super::{Backing, Volumes};

const DISK_BYTES: u64 = 512 << 20;

fn no_links(_: &Path) -> bool {
    false
}

/// What every backing does: a clone is apart from its original, and a removed volume takes no disk.
fn check(data: &Path, backing: Backing) {
    let volumes = Volumes::open(data, true).expect("open");
    assert_eq!(volumes.backing(), backing, "{}", volumes.describe().text);
    volumes.create("env-a.1").expect("create");
    assert!(volumes.create("env-a.1").is_err(), "a name is used once");
    let body = vec![7; 1 << 20];
    fs::create_dir(volumes.path("env-a.1").join("bodies")).expect("directory");
    fs::write(volumes.path("env-a.1").join("bodies/1"), &body).expect("file");
    volumes.clone("env-a.1", "env-b.1", &[], no_links).expect("clone");
    volumes.persist().expect("persist");
    fs::write(volumes.path("env-a.1").join("bodies/1"), "changed").expect("file");
    fs::write(volumes.path("env-b.1").join("bodies/2"), "new").expect("file");
    assert_eq!(fs::read(volumes.path("env-b.1").join("bodies/1")).expect("file"), body);
    assert!(!volumes.path("env-a.1").join("bodies/2").exists());
    let mut names = volumes.names().expect("names");
    names.sort();
    assert_eq!(names, ["env-a.1", "env-b.1"]);
    for name in ["env-a.1", "env-b.1", "env-b.1"] {
        volumes.remove(name).expect("remove");
    }
    volumes.wait_for_cleaner().expect("cleaner");
    assert!(volumes.names().expect("names").is_empty());
}

#[test]
fn directories() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let offered = Volumes::probe(dir.path()).expect("probe").backing;
    assert!(fs::read_dir(dir.path()).expect("directory").next().is_none(), "a probe leaves nothing behind");
    check(dir.path(), offered);
}

#[test]
fn btrfs() {
    let Some(disk) = LoopDisk::new("btrfs", DISK_BYTES) else { return };
    check(&disk.path(), Backing::Btrfs);
}

#[test]
fn xfs() {
    let Some(disk) = LoopDisk::new("xfs", DISK_BYTES) else { return };
    check(&disk.path(), Backing::Reflink);
}

/// A data directory that was copied onto btrfs holds plain directories: they work as volumes all the same.
#[test]
fn plain_directories_on_btrfs() {
    let Some(disk) = LoopDisk::new("btrfs", DISK_BYTES) else { return };
    let volumes = Volumes::open(&disk.path(), false).expect("open");
    fs::create_dir(volumes.path("env-a.1")).expect("directory");
    fs::write(volumes.path("env-a.1").join("file"), "body").expect("file");
    assert!(!volumes.snapshots("env-a.1"));
    volumes.clone("env-a.1", "env-b.1", &[], no_links).expect("clone");
    assert!(volumes.snapshots("env-b.1"));
    assert_eq!(fs::read_to_string(volumes.path("env-b.1").join("file")).expect("file"), "body");
    volumes.remove("env-a.1").expect("remove");
    volumes.remove("env-b.1").expect("remove");
    assert!(volumes.names().expect("names").is_empty());
}

#[test]
fn an_image_is_made_once_and_mounted_again() {
    if Volumes::image_obstacle(Path::new("/nonexistent")).is_some() {
        eprintln!("skipped: {:?}", Volumes::image_obstacle(Path::new("/nonexistent")));
        return;
    }
    let dir = tempfile::tempdir().expect("temporary directory");
    assert!(Volumes::create_image(dir.path(), 1 << 20).is_err(), "too small");
    Volumes::create_image(dir.path(), DISK_BYTES).expect("image");
    Volumes::create_image(dir.path(), DISK_BYTES).expect("image again");
    let volumes = Volumes::open(dir.path(), false).expect("open");
    assert!(volumes.describe().image);
    volumes.create("env-a.1").expect("create");
    volumes.unmount().expect("unmount");
    assert!(!dir.path().join("environments/env-a.1").exists());
    let volumes = Volumes::open(dir.path(), false).expect("open again");
    assert_eq!((volumes.backing(), volumes.names().expect("names")), (Backing::Btrfs, vec!["env-a.1".to_owned()]));
    volumes.unmount().expect("unmount");
    // Environments that lie outside of an image would be hidden by one.
    let dir = tempfile::tempdir().expect("temporary directory");
    Volumes::open(dir.path(), false).expect("open").create("env-a.1").expect("create");
    assert!(Volumes::create_image(dir.path(), DISK_BYTES).is_err());
}

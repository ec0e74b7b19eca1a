//! A btrfs image on a loop device, for machines whose data directory lies on another file system.
//!
//! The image is one sparse file `DIR/environments.btrfs`, mounted over `DIR/environments`. Where the file exists
//! the volumes lie in it and nowhere else: a start that cannot mount it fails instead of going on without them.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, anyhow};
use rustix::mount::UnmountFlags;

use crate::Fault;

const IMAGE: &str = "environments.btrfs";
/// Below this btrfs has no room for its own structures and some data.
const SIZE_MIN: u64 = 256 << 20;
/// Discards hand freed blocks back to the file system below; access times would write on every read.
const MOUNT_OPTIONS: &str = "loop,noatime,discard=async,user_subvol_rm_allowed";

fn image_path(data: &Path) -> PathBuf {
    data.join(IMAGE)
}

pub fn exists(data: &Path) -> bool {
    image_path(data).is_file()
}

/// Whether `dir` is the mounted image of `data`.
pub fn is_mounted(data: &Path, dir: &Path) -> bool {
    let device = |path: &Path| path.metadata().map(|m| m.dev()).ok();
    exists(data) && dir.is_dir() && device(data) != device(dir)
}

pub fn obstacle(data: &Path, dir: &Path) -> Option<String> {
    if is_mounted(data, dir) {
        return None;
    }
    if !rustix::process::geteuid().is_root() {
        return Some("mounting an image needs root".to_owned());
    }
    if !Path::new("/dev/loop-control").exists() {
        return Some("this machine has no loop devices (/dev/loop-control)".to_owned());
    }
    if !exists(data) {
        if find_program("mkfs.btrfs").is_none() {
            return Some("mkfs.btrfs is missing (apt install btrfs-progs)".to_owned());
        }
        if fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
            return Some(format!("{} already holds environments outside of an image", dir.display()));
        }
    }
    None
}

pub fn create(data: &Path, dir: &Path, size: u64) -> Result<(), Fault> {
    if is_mounted(data, dir) {
        return Ok(());
    }
    if size < SIZE_MIN {
        return Err(Fault::TooSmall { what: "volume image", limit: SIZE_MIN, actual: size });
    }
    if let Some(why) = obstacle(data, dir) {
        return Err(Fault::Unsupported { what: format!("a volume image: {why}") });
    }
    super::make_dir(dir)?;
    if !exists(data) {
        make(data, size)?;
    }
    mount(data, dir)
}

/// Formats beside the image's place and renames, so that an image that exists is whole.
fn make(data: &Path, size: u64) -> Result<(), Fault> {
    let draft = data.join(format!("{IMAGE}.new"));
    let file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.set_len(size)?;
    // One copy of metadata: the file system below already guards its blocks as well as it does ours.
    run(program("mkfs.btrfs")?
        .args(["--quiet", "--force", "--metadata", "single", "--label", "mockfactory"])
        .arg(&draft))?;
    file.sync_all()?;
    fs::rename(&draft, image_path(data))?;
    Ok(File::open(data)?.sync_all()?)
}

/// Mounts the image at start, where there is one.
pub fn mount_existing(data: &Path, dir: &Path) -> Result<(), Fault> {
    if !exists(data) || is_mounted(data, dir) {
        return Ok(());
    }
    if let Some(why) = obstacle(data, dir) {
        return Err(Fault::Unavailable { why: format!("environments lie in {}: {why}", image_path(data).display()) });
    }
    mount(data, dir)
}

fn mount(data: &Path, dir: &Path) -> Result<(), Fault> {
    // mount(8) finds a free loop device and lets it go with the mount.
    run(program("mount")?.args(["-t", "btrfs", "-o", MOUNT_OPTIONS]).arg(image_path(data)).arg(dir))?;
    Ok(())
}

pub fn unmount(dir: &Path) -> Result<(), Fault> {
    rustix::mount::unmount(dir, UnmountFlags::empty())
        .map_err(std::io::Error::from)
        .with_context(|| format!("unmount {}", dir.display()))?;
    Ok(())
}

fn find_program(name: &str) -> Option<PathBuf> {
    // A user's PATH often lacks the sbin directories.
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from))
        .map(|dir| dir.join(name))
        .find(|p| p.is_file())
}

fn program(name: &str) -> Result<Command, Fault> {
    let path = find_program(name).ok_or_else(|| Fault::Unsupported { what: format!("{name} is missing") })?;
    Ok(Command::new(path))
}

fn run(command: &mut Command) -> Result<(), Fault> {
    let output = command.output().with_context(|| format!("run {}", command.get_program().display()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(anyhow!("{}: {}: {}", command.get_program().display(), output.status, said.trim()).into())
}

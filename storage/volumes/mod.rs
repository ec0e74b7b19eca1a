//! Where environments lie on disk, and how one becomes two: btrfs snapshot, reflink, or hard links and copies.
//!
//! - A volume is one directory under `DIR/environments`: a subvolume on btrfs, else a plain directory.
//! - A volume's name is used once. Nothing here is atomic across a crash but a btrfs snapshot; whoever names
//!   volumes records the finished ones, and removes those without a record.
//! - Only a btrfs snapshot takes a volume in one moment; for the others the caller holds its writers still.

mod btrfs;
mod image;
#[cfg(test)]
pub(crate) mod loop_disk;
#[cfg(test)]
mod tests;
mod tree;

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use rustix::io::Errno;

use crate::Fault;

pub use tree::Immutable;

/// The directory of the volumes inside the data directory.
const VOLUMES_DIR: &str = "environments";
/// Volumes hold tenants' data: nobody but the appliance's user reads them.
const DIR_MODE: u32 = 0o700;

/// How a volume is cloned on the file system it lies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Backing {
    /// One atomic snapshot of a subvolume, whatever its size.
    Btrfs,
    /// Each file shares its blocks with the original until one of them is written.
    Reflink,
    /// Immutable files (bodies, sorted tables) are hard-linked, the rest is copied.
    HardLink,
    /// Every byte is copied.
    Copy,
}

impl Backing {
    const fn meaning(self) -> &'static str {
        match self {
            Self::Btrfs => "Branches are atomic snapshots: instant at any size, and they cost only what changes.",
            Self::Reflink => {
                "Branches share blocks file by file (reflink): quick, in time by the number of files; commits pause meanwhile."
            }
            Self::HardLink => {
                "Branches hard-link immutable files and copy the rest: in time by the number of files; commits pause meanwhile."
            }
            Self::Copy => "Branches copy every byte: in time and disk by their size; commits pause meanwhile.",
        }
    }
}

/// What a directory offers to volumes.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Description {
    pub backing: Backing,
    /// The directory that holds the volumes.
    pub dir: PathBuf,
    /// Its file system: `btrfs`, `xfs`, `ext4` …
    pub file_system: String,
    /// It is a btrfs image on a loop device, made by [`Volumes::create_image`].
    pub image: bool,
    /// What that means for branches, in one or two sentences.
    pub text: String,
}

/// The volumes of one data directory.
pub struct Volumes {
    dir: PathBuf,
    description: Description,
    /// [`Volumes::persist`] means it.
    durable: bool,
}

impl Volumes {
    /// Opens (and makes, where needed) the volumes under `data`, mounting their image where there is one.
    pub fn open(data: &Path, durable: bool) -> Result<Self, Fault> {
        let dir = data.join(VOLUMES_DIR);
        make_dir(&dir)?;
        image::mount_existing(data, &dir)?;
        let description = describe(data, &dir)?;
        Ok(Self { dir, description, durable })
    }

    /// Finds out what `data` (the data directory, or where it would be made) offers, leaving nothing behind.
    pub fn probe(data: &Path) -> Result<Description, Fault> {
        let dir = data.join(VOLUMES_DIR);
        let mut description = describe(data, &dir)?;
        if image::exists(data) && !description.image {
            "There is a btrfs image, mounted at the next start.".clone_into(&mut description.text);
        }
        Ok(description)
    }

    /// As root: a sparse btrfs image of at most `size` bytes, mounted at `dir/environments`. Does nothing where it is
    /// there already. [`Volumes::open`] mounts it again at the next start.
    pub fn create_image(data: &Path, size: u64) -> Result<(), Fault> {
        image::create(data, &data.join(VOLUMES_DIR), size)
    }

    /// Whether `create_image` can work here, and if not, why.
    pub fn image_obstacle(data: &Path) -> Option<String> {
        image::obstacle(data, &data.join(VOLUMES_DIR))
    }

    pub fn describe(&self) -> &Description {
        &self.description
    }

    pub fn backing(&self) -> Backing {
        self.description.backing
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Every volume there is, finished or not.
    pub fn names(&self) -> Result<Vec<String>, Fault> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            // What has no UTF-8 name is not ours.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    /// Makes the empty volume `name`.
    pub fn create(&self, name: &str) -> Result<(), Fault> {
        if self.backing() == Backing::Btrfs {
            btrfs::create(&self.handle()?, name).map_err(std::io::Error::from)?;
            return Ok(());
        }
        DirBuilder::new().mode(DIR_MODE).create(self.path(name))?;
        Ok(())
    }

    /// Makes `to` a copy of `from`. Where that is no snapshot (see [`Volumes::snapshots`]), entries at the top called
    /// `skip` are left out, and nothing but files still being written may change meanwhile.
    pub fn clone(&self, from: &str, to: &str, skip: &[&str], immutable: Immutable) -> Result<(), Fault> {
        if self.snapshots(from) {
            let source = File::open(self.path(from))?;
            return btrfs::snapshot(&source, &self.handle()?, to).map_err(|e| std::io::Error::from(e).into());
        }
        self.create(to)?;
        Ok(tree::clone(&self.path(from), &self.path(to), self.backing(), skip, immutable)?)
    }

    /// Where volumes must survive power loss: what has been made so far is on disk when this returns.
    pub fn persist(&self) -> Result<(), Fault> {
        if self.durable {
            rustix::fs::syncfs(self.handle()?).map_err(std::io::Error::from)?;
        }
        Ok(())
    }

    /// Whether cloning writes back first what is still only in memory, so that it takes as long as that does.
    pub fn writes_back_to_clone(&self) -> bool {
        matches!(self.backing(), Backing::Btrfs | Backing::Reflink)
    }

    /// Writes back what is only in memory, so that a clone has little left to write.
    pub fn write_back(&self) -> Result<(), Fault> {
        if self.writes_back_to_clone() {
            rustix::fs::syncfs(self.handle()?).map_err(std::io::Error::from)?;
        }
        Ok(())
    }

    /// Whether cloning this volume is one atomic snapshot.
    pub fn snapshots(&self, name: &str) -> bool {
        self.backing() == Backing::Btrfs && btrfs::is_subvolume(&self.path(name))
    }

    /// Removes a volume and all it holds. One that does not exist is removed already.
    pub fn remove(&self, name: &str) -> Result<(), Fault> {
        let path = self.path(name);
        if self.snapshots(name) {
            match btrfs::destroy(&self.handle()?, name) {
                Ok(()) | Err(Errno::NOENT) => return Ok(()),
                // Without privileges a subvolume goes like a directory: emptied first.
                Err(Errno::PERM | Errno::ACCESS) => {}
                Err(error) => return Err(std::io::Error::from(error).into()),
            }
        }
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            other => Ok(other.with_context(|| format!("remove {}", path.display()))?),
        }
    }

    /// Waits until removed volumes have given back their disk (btrfs frees it in the background).
    pub fn wait_for_cleaner(&self) -> Result<(), Fault> {
        if self.backing() == Backing::Btrfs {
            btrfs::wait_for_cleaner(&self.handle()?).map_err(std::io::Error::from)?;
        }
        Ok(())
    }

    /// Lets removed volumes give back their disk soon; whether they all have, as far as can be told.
    pub fn wake_cleaner(&self) -> Result<bool, Fault> {
        if self.backing() == Backing::Btrfs {
            return Ok(btrfs::wake_cleaner(&self.handle()?).map_err(std::io::Error::from)?);
        }
        Ok(true)
    }

    /// Unmounts the image, where the volumes lie in one. No volume may be in use.
    pub fn unmount(&self) -> Result<(), Fault> {
        if self.description.image { image::unmount(&self.dir) } else { Ok(()) }
    }

    /// Opened for each call, so that nothing of ours keeps an image mounted.
    fn handle(&self) -> Result<File, Fault> {
        Ok(File::open(&self.dir).with_context(|| format!("open {}", self.dir.display()))?)
    }
}

fn make_dir(dir: &Path) -> Result<(), Fault> {
    Ok(DirBuilder::new()
        .recursive(true)
        .mode(DIR_MODE)
        .create(dir)
        .with_context(|| format!("make {}", dir.display()))?)
}

/// Tries in the nearest directory that exists what `dir` will offer.
fn describe(data: &Path, dir: &Path) -> Result<Description, Fault> {
    let absolute = std::path::absolute(dir)?;
    let existing = absolute.ancestors().find(|p| p.is_dir()).unwrap_or(Path::new("/"));
    let file_system = file_system(existing)?;
    let backing = try_out(existing, &file_system)?;
    let image = image::is_mounted(data, dir);
    let place = if image { format!("{file_system} in an image on a loop device") } else { file_system.clone() };
    let text = format!("{} ({place}). {}", dir.display(), backing.meaning());
    Ok(Description { backing, dir: dir.to_owned(), file_system, image, text })
}

fn try_out(dir: &Path, file_system: &str) -> Result<Backing, Fault> {
    let scratch = Scratch::new(dir)?;
    if file_system == "btrfs" {
        let handle = File::open(&scratch.0)?;
        if btrfs::create(&handle, "a").is_ok() {
            // Where the kernel refuses, dropping the scratch directory removes it like any other.
            let _ = btrfs::destroy(&handle, "a");
            return Ok(Backing::Btrfs);
        }
    }
    let (a, b) = (scratch.0.join("file"), scratch.0.join("copy"));
    fs::write(&a, [0; 4096])?;
    let shares = File::create_new(&b).and_then(|to| Ok(rustix::fs::ioctl_ficlone(&to, File::open(&a)?)?));
    if shares.is_ok() {
        return Ok(Backing::Reflink);
    }
    let linked = fs::hard_link(&a, scratch.0.join("link"));
    Ok(if linked.is_ok() { Backing::HardLink } else { Backing::Copy })
}

/// A directory for trying things, gone when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(dir: &Path) -> Result<Self, Fault> {
        let mut random = [0; 8];
        aws_lc_rs::rand::fill(&mut random).map_err(|_| anyhow::anyhow!("the system's random source fails"))?;
        let name = format!(".mockfactory-probe-{:016x}", u64::from_le_bytes(random));
        let path = dir.join(name);
        DirBuilder::new().mode(DIR_MODE).create(&path).with_context(|| format!("write into {}", dir.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "a scratch directory stays behind");
        }
    }
}

/// The file system's usual name, by its magic number (`statfs(2)`).
fn file_system(path: &Path) -> Result<String, Fault> {
    let magic = rustix::fs::statfs(path).map_err(std::io::Error::from)?.f_type;
    #[allow(clippy::cast_sign_loss, reason = "a magic number has no sign")]
    let magic = magic as u64 & 0xffff_ffff;
    Ok(match magic {
        0x9123_683e => "btrfs".to_owned(),
        0x5846_5342 => "xfs".to_owned(),
        0xef53 => "ext4".to_owned(),
        0x0102_1994 => "tmpfs".to_owned(),
        0x794c_7630 => "overlayfs".to_owned(),
        0x2fc1_2fc1 => "zfs".to_owned(),
        0xf2f5_2010 => "f2fs".to_owned(),
        0xca45_1a4e => "bcachefs".to_owned(),
        0x6969 => "nfs".to_owned(),
        other => format!("file system {other:#x}"),
    })
}

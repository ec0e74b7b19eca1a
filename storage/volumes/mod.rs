//! Where environments lie on disk, and how one becomes two: btrfs snapshot, reflink, or hard links and copies.

use std::path::{Path, PathBuf};

use crate::Fault;

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

pub struct Volumes {
    _private: (),
}

#[allow(clippy::todo, unused_variables)]
impl Volumes {
    /// Finds out what `dir` (the data directory, or where it would be made) offers, leaving nothing behind.
    pub fn probe(dir: &Path) -> Result<Description, Fault> { todo!() }
    /// As root: a sparse btrfs image of at most `size` bytes, mounted at `dir/environments`. Does nothing where it is
    /// there already. [`crate::environments::Environments::open`] mounts it again at the next start.
    pub fn create_image(dir: &Path, size: u64) -> Result<(), Fault> { todo!() }
    /// Whether `create_image` can work here, and if not, why.
    pub fn image_obstacle(dir: &Path) -> Option<String> { todo!() }
}

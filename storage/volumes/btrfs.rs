//! The three btrfs calls a volume needs (make, snapshot and destroy a subvolume), and waiting for its cleaner.
//!
//! Spec: the kernel's `include/uapi/linux/btrfs.h`. Paths come as (open parent directory, entry name), so that
//! nothing can be swapped for a symbolic link between check and use.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::ioctl;

const MAGIC: u8 = 0x94;
const NAME_BYTES: usize = 4040;
/// The root directory of every subvolume has this inode number.
const SUBVOLUME_INODE: u64 = 256;

/// `struct btrfs_ioctl_vol_args_v2`.
#[repr(C)]
struct SubvolumeArguments {
    fd: i64,
    transaction: u64,
    flags: u64,
    unused: [u64; 4],
    name: [u8; NAME_BYTES],
}

/// `struct btrfs_ioctl_subvol_wait`.
#[repr(C)]
struct CleanerArguments {
    subvolume: u64,
    mode: u32,
    count: u32,
}

const SNAPSHOT: ioctl::Opcode = ioctl::opcode::write::<SubvolumeArguments>(MAGIC, 23);
const CREATE: ioctl::Opcode = ioctl::opcode::write::<SubvolumeArguments>(MAGIC, 24);
const DESTROY: ioctl::Opcode = ioctl::opcode::write::<SubvolumeArguments>(MAGIC, 63);
const SYNC: ioctl::Opcode = ioctl::opcode::none(MAGIC, 8);
const CLEANER: ioctl::Opcode = ioctl::opcode::write::<CleanerArguments>(MAGIC, 65);
/// Tells how many subvolumes are queued for cleaning.
const CLEANER_COUNT: u32 = 2;
/// How long to wait for the cleaner, and how often to look.
const CLEANER_AWAITED: Duration = Duration::from_mins(1);
const CLEANER_LOOK: Duration = Duration::from_millis(20);

fn arguments(fd: i64, name: &str) -> Result<SubvolumeArguments, Errno> {
    // The kernel wants a terminating zero.
    if name.is_empty() || name.len() >= NAME_BYTES || name.contains(['/', '\0']) {
        return Err(Errno::INVAL);
    }
    let mut arguments = SubvolumeArguments { fd, transaction: 0, flags: 0, unused: [0; 4], name: [0; NAME_BYTES] };
    arguments.name[..name.len()].copy_from_slice(name.as_bytes());
    Ok(arguments)
}

fn call<const OPCODE: ioctl::Opcode>(parent: &File, arguments: SubvolumeArguments) -> Result<(), Errno> {
    // SAFETY: the opcode's kernel structure is `btrfs_ioctl_vol_args_v2`, which `SubvolumeArguments` mirrors
    // field by field (4096 bytes, held by a test); the kernel reads it only.
    unsafe { ioctl::ioctl(parent, ioctl::Setter::<OPCODE, _>::new(arguments)) }
}

/// Makes the empty subvolume `parent/name`.
pub fn create(parent: &File, name: &str) -> Result<(), Errno> {
    call::<CREATE>(parent, arguments(0, name)?)
}

/// Makes `parent/name` a writable snapshot of the subvolume whose root is `source`.
pub fn snapshot(source: &File, parent: &File, name: &str) -> Result<(), Errno> {
    call::<SNAPSHOT>(parent, arguments(i64::from(source.as_raw_fd()), name)?)
}

/// Removes the subvolume `parent/name` with all it holds; its blocks are freed by the kernel's cleaner.
pub fn destroy(parent: &File, name: &str) -> Result<(), Errno> {
    call::<DESTROY>(parent, arguments(0, name)?)
}

/// Wakes the cleaner, which left alone wakes every 30 seconds. Whether nothing destroyed is left to free (Linux 6.13;
/// before, that is not told: true).
pub fn wake_cleaner(dir: &File) -> Result<bool, Errno> {
    // SAFETY: this call takes no argument.
    unsafe { ioctl::ioctl(dir, ioctl::NoArg::<SYNC>::new()) }?;
    if queued_for_cleaning(dir)? > 0 {
        return Ok(false);
    }
    // What was freed is free for others after a commit.
    rustix::fs::syncfs(dir).map(|()| true)
}

/// Waits until the subvolumes destroyed so far have given back their blocks.
pub fn wait_for_cleaner(dir: &File) -> Result<(), Errno> {
    let end = Instant::now() + CLEANER_AWAITED;
    loop {
        if wake_cleaner(dir)? {
            return Ok(());
        }
        if Instant::now() > end {
            return rustix::fs::syncfs(dir);
        }
        // The kernel tells of no end to wait for.
        #[allow(clippy::disallowed_methods)]
        std::thread::sleep(CLEANER_LOOK);
    }
}

fn queued_for_cleaning(dir: &File) -> Result<u32, Errno> {
    let mut arguments = CleanerArguments { subvolume: 0, mode: CLEANER_COUNT, count: 0 };
    // SAFETY: the opcode's kernel structure is `btrfs_ioctl_subvol_wait`, mirrored by `CleanerArguments`; this mode
    // writes its `count`.
    match unsafe { ioctl::ioctl(dir, ioctl::Updater::<CLEANER, _>::new(&mut arguments)) } {
        Ok(()) => Ok(arguments.count),
        // No such call, or not for this user.
        Err(Errno::NOTTY | Errno::OPNOTSUPP | Errno::PERM) => Ok(0),
        Err(error) => Err(error),
    }
}

/// Whether `path`, which lies on btrfs, is the root of a subvolume.
pub fn is_subvolume(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|m| m.is_dir() && m.ino() == SUBVOLUME_INODE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_have_the_kernels_layout() {
        assert_eq!(size_of::<SubvolumeArguments>(), 4096);
        assert_eq!(std::mem::offset_of!(SubvolumeArguments, flags), 16);
        assert_eq!(std::mem::offset_of!(SubvolumeArguments, name), 56);
        assert_eq!(size_of::<CleanerArguments>(), 16);
        assert_eq!((CREATE, SNAPSHOT, DESTROY), (0x5000_9418, 0x5000_9417, 0x5000_943f));
    }

    #[test]
    fn names_with_a_path_in_them_are_refused() {
        let check = |name: &str, good: bool| assert_eq!(arguments(0, name).is_ok(), good, "{name:?}");
        check("env-a.1", true);
        check("", false);
        check("a/b", false);
        check("a\0b", false);
        check(&"a".repeat(NAME_BYTES - 1), true);
        check(&"a".repeat(NAME_BYTES), false);
    }
}

//! Clones a directory tree file by file, where the file system has no snapshots.
//!
//! The caller sees to it that nothing in the tree changes meanwhile, but for files that the caller calls
//! immutable: their bytes never change once they are complete.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::Backing;

/// Whether a file (by its path inside the tree) may be one inode in both trees.
pub type Immutable = fn(&Path) -> bool;

/// Copies the contents of `from` into the existing directory `to`, leaving out entries of its top called `skip`.
pub fn clone(from: &Path, to: &Path, backing: Backing, skip: &[&str], immutable: Immutable) -> io::Result<()> {
    let mut waiting = vec![PathBuf::new()];
    while let Some(inside) = waiting.pop() {
        for entry in fs::read_dir(from.join(&inside))? {
            let entry = entry?;
            let name = entry.file_name();
            if inside.as_os_str().is_empty() && skip.iter().any(|s| *s == name) {
                continue;
            }
            let relative = inside.join(&name);
            let target = to.join(&relative);
            let kind = entry.file_type()?;
            if kind.is_dir() {
                fs::create_dir(&target)?;
                fs::set_permissions(&target, entry.metadata()?.permissions())?;
                waiting.push(relative);
            } else if kind.is_symlink() {
                symlink(fs::read_link(entry.path())?, &target)?;
            } else if kind.is_file() {
                clone_file(&entry.path(), &target, backing, immutable(&relative))?;
            }
            // Sockets and pipes belong to a running process: they are nothing to copy.
        }
    }
    Ok(())
}

fn clone_file(from: &Path, to: &Path, backing: Backing, immutable: bool) -> io::Result<()> {
    match backing {
        Backing::Btrfs | Backing::Reflink => reflink(from, to),
        Backing::HardLink if immutable => match fs::hard_link(from, to) {
            // The file has as many names as the file system allows (65,000 on ext4).
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::MLINK.raw_os_error()) => copy(from, to),
            other => other,
        },
        Backing::HardLink | Backing::Copy => copy(from, to),
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::copy(from, to).map(|_| ())
}

/// Makes `to` share the blocks of `from`.
pub fn reflink(from: &Path, to: &Path) -> io::Result<()> {
    let source = File::open(from)?;
    let mode = source.metadata()?.permissions().mode() & 0o7777;
    let target = OpenOptions::new().write(true).create_new(true).mode(mode).open(to)?;
    match rustix::fs::ioctl_ficlone(&target, &source) {
        Ok(()) => Ok(()),
        // btrfs refuses to share between files with and without checksums.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::OPNOTSUPP) => copy(from, to),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn immutable(path: &Path) -> bool {
        path.starts_with("bodies")
    }

    /// Clones a small tree and says whether (the immutable file, the other one) became one inode in both.
    fn shared(backing: Backing) -> (bool, bool) {
        let dir = tempfile::tempdir().expect("temporary directory");
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::create_dir_all(from.join("bodies/aa")).expect("directories");
        fs::create_dir_all(from.join("skipped")).expect("directories");
        fs::create_dir(&to).expect("directory");
        fs::write(from.join("bodies/aa/1"), "body").expect("file");
        fs::write(from.join("log"), "log").expect("file");
        fs::write(from.join("skipped/x"), "x").expect("file");
        symlink("log", from.join("link")).expect("link");
        fs::set_permissions(from.join("log"), fs::Permissions::from_mode(0o600)).expect("mode");
        clone(&from, &to, backing, &["skipped"], immutable).expect("clone");
        assert!(!to.join("skipped").exists());
        assert_eq!(fs::read_to_string(to.join("bodies/aa/1")).expect("body"), "body");
        assert_eq!(fs::read_link(to.join("link")).expect("link"), Path::new("log"));
        assert_eq!(to.join("log").metadata().expect("log").mode() & 0o777, 0o600);
        let inode = |path: PathBuf| path.metadata().expect("metadata").ino();
        let same = |name: &str| inode(from.join(name)) == inode(to.join(name));
        (same("bodies/aa/1"), same("log"))
    }

    #[test]
    fn only_immutable_files_are_linked() {
        assert_eq!(shared(Backing::HardLink), (true, false));
        assert_eq!(shared(Backing::Copy), (false, false));
    }
}

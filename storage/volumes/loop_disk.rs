//! For tests: a file system of a chosen kind on a loop device, where root and loop devices are there.

use std::path::Path;
use std::process::Command;

use rustix::mount::UnmountFlags;
use tempfile::TempDir;

/// A mounted file system, gone when dropped.
pub(crate) struct LoopDisk {
    dir: TempDir,
}

impl LoopDisk {
    /// `None`, with the reason printed, where this machine cannot.
    pub fn new(kind: &str, size: u64) -> Option<Self> {
        if !rustix::process::geteuid().is_root() || !Path::new("/dev/loop-control").exists() {
            eprintln!("skipped on {kind}: it needs root and loop devices");
            return None;
        }
        let dir = tempfile::tempdir().expect("temporary directory");
        let image = dir.path().join("image");
        std::fs::File::create(&image).and_then(|file| file.set_len(size)).expect("image");
        std::fs::create_dir(dir.path().join("mount")).expect("mount point");
        let mkfs = format!("/usr/sbin/mkfs.{kind}");
        let steps = [
            vec![mkfs.as_str(), "-q", image.to_str().expect("path")],
            vec!["mount", "-o", "loop", image.to_str().expect("path"), "mount"],
        ];
        for step in steps {
            let ran = Command::new(step[0]).args(&step[1..]).current_dir(dir.path()).output();
            match ran {
                Ok(output) if output.status.success() => {}
                Ok(output) => {
                    eprintln!("skipped on {kind}: {step:?}: {}", String::from_utf8_lossy(&output.stderr));
                    return None;
                }
                Err(error) => {
                    eprintln!("skipped on {kind}: {step:?}: {error}");
                    return None;
                }
            }
        }
        Some(Self { dir })
    }

    pub fn path(&self) -> std::path::PathBuf {
        self.dir.path().join("mount")
    }

    /// Bytes free on it.
    pub fn free(&self) -> u64 {
        let handle = std::fs::File::open(self.path()).expect("mount point");
        rustix::fs::syncfs(&handle).expect("sync");
        let all = rustix::fs::fstatvfs(&handle).expect("statvfs");
        all.f_bfree * all.f_frsize
    }
}

impl Drop for LoopDisk {
    fn drop(&mut self) {
        if let Err(error) = rustix::mount::unmount(self.path(), UnmountFlags::DETACH) {
            eprintln!("{} stays mounted: {error}", self.path().display());
        }
    }
}

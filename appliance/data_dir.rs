//! The data directory: held by one appliance at a time, and what clients find in it.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

/// Secrets lie in it.
const DIR_MODE: u32 = 0o700;
const LOCK_FILE: &str = "lock";
const RUNNING_FILE: &str = "running.json";
pub const CA_DIR: &str = "ca";
pub const LOGS_DIR: &str = "logs";

/// Where a running appliance is reached, for clients on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    pub pid: u32,
    pub http: Option<String>,
    pub https: Option<String>,
}

/// The directory, locked until this is dropped or the process ends, however it ends.
pub struct DataDir {
    pub path: PathBuf,
    _lock: File,
}

impl DataDir {
    pub fn hold(path: &Path) -> Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(DIR_MODE).create(path).with_context(|| at(path))?;
        let lock = path.join(LOCK_FILE);
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&lock)
            .with_context(|| at(&lock))?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            bail!(
                "{} is in use by another appliance ({}); give this one a directory of its own with --data",
                at(path),
                holder(&mut file)
            );
        }
        file.set_len(0)?;
        file.rewind()?;
        write!(file, "{}", std::process::id())?;
        Ok(Self { path: path.to_owned(), _lock: file })
    }

    pub fn announce(&self, running: &Running) -> Result<()> {
        let fresh = self.path.join("running.json.new");
        fs::write(&fresh, serde_json::to_vec(running)?)?;
        fs::rename(&fresh, self.path.join(RUNNING_FILE)).context(RUNNING_FILE)
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        // Left behind, it only names a port where nobody answers.
        let _ = fs::remove_file(self.path.join(RUNNING_FILE));
    }
}

/// Where the appliance that holds `dir` is reached, if one does.
pub fn running(dir: &Path) -> Option<Running> {
    serde_json::from_slice(&fs::read(dir.join(RUNNING_FILE)).ok()?).ok()
}

/// The process that holds `dir`, if one does.
pub fn held_by(dir: &Path) -> Option<String> {
    let mut file = File::open(dir.join(LOCK_FILE)).ok()?;
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => None,
        Err(_) => Some(holder(&mut file)),
    }
}

fn holder(file: &mut File) -> String {
    let mut pid = String::new();
    match file.read_to_string(&mut pid) {
        Ok(length) if length > 0 => format!("process {pid}"),
        _ => "its process is not known".to_owned(),
    }
}

fn at(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_appliance_at_a_time() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("data");
        let held = DataDir::hold(&path).expect("held");
        let error = DataDir::hold(&path).err().expect("refused").to_string();
        let process = format!("process {}", std::process::id());
        assert!(error.contains("in use") && error.contains(&process), "{error}");
        assert_eq!(held_by(&path), Some(process));
        held.announce(&Running { pid: 1, http: Some("http://localhost:1".to_owned()), https: None })
            .expect("announced");
        assert_eq!(running(&path).and_then(|running| running.http).as_deref(), Some("http://localhost:1"));
        drop(held);
        assert_eq!(running(&path), None);
        assert_eq!(held_by(&path), None);
        DataDir::hold(&path).expect("free again");
    }
}

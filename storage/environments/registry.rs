//! The registry: which environments exist, in one append-only file of checksummed JSON lines.
//!
//! - A line is `<crc32c of the JSON, 8 hex digits> <JSON>\n`; the last line about an environment holds. A thousand
//!   environments are read in milliseconds, and a change costs one small write.
//! - A torn last line (the process or the machine died while writing it) was never acknowledged and is cut off.
//!   A bad line with good ones after it is damage: the registry refuses to open, since what it does not name is
//!   removed from the disk.
//! - When most of the file is history, it is written anew beside itself and renamed into place.
//! - It holds secrets: mode 0600.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::record::EnvironmentRecord;
use super::usage::{Meter, StoredUsage};
use crate::Fault;

const FILE: &str = "environments.log";
/// The file is not rewritten below this size, in bytes.
const COMPACT_MIN: u64 = 1 << 20;
/// It is rewritten when it has grown to this many times what a rewrite would leave.
const COMPACT_FACTOR: u64 = 3;

/// An environment as the registry keeps it.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Kept {
    #[serde(with = "shared_record")]
    pub record: Arc<EnvironmentRecord>,
    /// Name of its volume; a reset gives it another.
    pub volume: String,
    /// A branch's volume as it was when it was branched, for its reset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    #[serde(default)]
    pub meter: Meter,
}

/// The record is shared in memory and plain in the file.
mod shared_record {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::EnvironmentRecord;

    pub fn serialize<S: Serializer>(record: &Arc<EnvironmentRecord>, to: S) -> Result<S::Ok, S::Error> {
        record.as_ref().serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<EnvironmentRecord>, D::Error> {
        EnvironmentRecord::deserialize(from).map(Arc::new)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line<'a> {
    Put(Box<Kept>),
    Usage { id: std::borrow::Cow<'a, str>, usage: StoredUsage },
    Delete { id: std::borrow::Cow<'a, str> },
}

/// The same as [`Line::Put`], borrowed for writing.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum PutLine<'a> {
    Put(&'a Kept),
}

struct Entry {
    kept: Arc<Kept>,
    usage: StoredUsage,
}

pub(super) struct Registry {
    path: PathBuf,
    file: File,
    /// Bytes of whole lines in the file.
    length: u64,
    /// What a rewrite left, or is guessed to leave.
    compacted: u64,
    durable: bool,
    entries: BTreeMap<String, Entry>,
    /// Ids and key ids of environments being made.
    reserved: HashSet<String>,
    /// The file was not there: volumes without a record may have lost theirs, and are not ours to remove.
    pub fresh: bool,
}

impl Registry {
    pub fn open(dir: &Path, durable: bool) -> Result<Self, Fault> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir).with_context(|| format!("make {}", dir.display()))?;
        let path = dir.join(FILE);
        let fresh = !path.exists();
        let file = open_file(&path, false)?;
        if fresh && durable {
            File::open(dir)?.sync_all()?;
        }
        let bytes = fs::read(&path)?;
        let (entries, length) = replay(&bytes, &path)?;
        if length < bytes.len() as u64 {
            tracing::warn!(path = %path.display(), cut = bytes.len() as u64 - length, "the registry ended in a torn line");
            file.set_len(length)?;
        }
        let compacted = length / COMPACT_FACTOR;
        Ok(Self { path, file, length, compacted, durable, entries, reserved: HashSet::new(), fresh })
    }

    /// All environments, with what they have used.
    pub fn all(&self) -> impl Iterator<Item = (&Arc<Kept>, &StoredUsage)> {
        self.entries.values().map(|e| (&e.kept, &e.usage))
    }

    pub fn get(&self, id: &str) -> Option<&Arc<Kept>> {
        self.entries.get(id).map(|e| &e.kept)
    }

    /// Takes a name (an id or a key's id, which never look alike: ids begin with `env-`) for an environment being made.
    pub fn reserve(&mut self, name: &str) -> bool {
        !self.entries.contains_key(name) && self.reserved.insert(name.to_owned())
    }

    pub fn release(&mut self, name: &str) {
        self.reserved.remove(name);
    }

    pub fn is_reserved(&self, name: &str) -> bool {
        self.reserved.contains(name)
    }

    /// Creates or replaces an environment.
    pub fn put(&mut self, kept: Arc<Kept>) -> Result<(), Fault> {
        self.append(&PutLine::Put(&kept))?;
        let id = kept.record.id.clone();
        match self.entries.get_mut(&id) {
            Some(entry) => entry.kept = kept,
            None => drop(self.entries.insert(id, Entry { kept, usage: StoredUsage::default() })),
        }
        self.compact_if_due();
        Ok(())
    }

    /// Forgets an environment.
    pub fn delete(&mut self, id: &str) -> Result<(), Fault> {
        self.append(&Line::Delete { id: id.into() })?;
        self.entries.remove(id);
        self.compact_if_due();
        Ok(())
    }

    /// Keeps what an environment has used, where that changed.
    pub fn put_usage(&mut self, id: &str, usage: StoredUsage) -> Result<(), Fault> {
        if self.entries.get(id).is_none_or(|e| e.usage == usage) {
            return Ok(());
        }
        self.append(&Line::Usage { id: id.into(), usage: usage.clone() })?;
        if let Some(entry) = self.entries.get_mut(id) {
            entry.usage = usage;
        }
        self.compact_if_due();
        Ok(())
    }

    fn append(&mut self, line: &impl Serialize) -> Result<(), Fault> {
        let mut bytes = Vec::new();
        encode(line, &mut bytes)?;
        let written = self.file.write_all_at(&bytes, self.length);
        let written = if self.durable { written.and_then(|()| self.file.sync_data()) } else { written };
        if let Err(error) = written {
            // Half a line must not stand before the next whole one.
            let _ = self.file.set_len(self.length);
            return Err(error.into());
        }
        self.length += bytes.len() as u64;
        Ok(())
    }

    fn compact_if_due(&mut self) {
        if self.length < COMPACT_MIN || self.length < self.compacted.saturating_mul(COMPACT_FACTOR) {
            return;
        }
        if let Err(error) = self.compact() {
            // The change itself is written: the file is only longer than it need be.
            tracing::warn!(path = %self.path.display(), %error, "the registry was not shortened");
            self.compacted = self.length;
        }
    }

    fn compact(&mut self) -> Result<(), Fault> {
        let mut bytes = Vec::new();
        for (id, entry) in &self.entries {
            encode(&PutLine::Put(&entry.kept), &mut bytes)?;
            if entry.usage != StoredUsage::default() {
                encode(&Line::Usage { id: id.into(), usage: entry.usage.clone() }, &mut bytes)?;
            }
        }
        let draft = self.path.with_extension("log.new");
        let file = open_file(&draft, true)?;
        file.write_all_at(&bytes, 0)?;
        // Always synced: a rename that outlives the bytes would lose every environment.
        file.sync_all()?;
        fs::rename(&draft, &self.path)?;
        if let Some(dir) = self.path.parent() {
            File::open(dir)?.sync_all()?;
        }
        self.file = file;
        self.length = bytes.len() as u64;
        self.compacted = self.length;
        Ok(())
    }
}

fn open_file(path: &Path, truncate: bool) -> Result<File, Fault> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(truncate).mode(0o600);
    Ok(options.open(path).with_context(|| format!("open {}", path.display()))?)
}

fn crc(json: &[u8]) -> u64 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, json)
}

fn encode(line: &impl Serialize, into: &mut Vec<u8>) -> Result<(), Fault> {
    let json = serde_json::to_vec(line).context("encode a registry line")?;
    into.extend_from_slice(format!("{:08x} ", crc(&json)).as_bytes());
    into.extend_from_slice(&json);
    into.push(b'\n');
    Ok(())
}

fn decode(line: &[u8]) -> Option<Line<'_>> {
    let (sum, json) = line.split_at_checked(9)?;
    let sum = std::str::from_utf8(sum.strip_suffix(b" ")?).ok()?;
    (u64::from_str_radix(sum, 16).ok()? == crc(json)).then_some(())?;
    serde_json::from_slice(json).ok()
}

/// What the lines say, and how many bytes of them are whole.
fn replay(bytes: &[u8], path: &Path) -> Result<(BTreeMap<String, Entry>, u64), Fault> {
    let mut entries = BTreeMap::new();
    let (mut good, mut at, mut bad) = (0, 0, false);
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        at += line.len();
        match line.strip_suffix(b"\n").and_then(decode) {
            Some(_) if bad => {
                return Err(Fault::Corrupt { what: format!("{} is damaged after byte {good}", path.display()) });
            }
            Some(line) => {
                apply(&mut entries, line);
                good = at;
            }
            None => bad = true,
        }
    }
    Ok((entries, good as u64))
}

fn apply(entries: &mut BTreeMap<String, Entry>, line: Line<'_>) {
    match line {
        Line::Put(kept) => {
            let usage = entries.remove(&kept.record.id).map(|e| e.usage).unwrap_or_default();
            entries.insert(kept.record.id.clone(), Entry { kept: Arc::from(kept), usage });
        }
        Line::Usage { id, usage } => {
            if let Some(entry) = entries.get_mut(id.as_ref()) {
                entry.usage = usage;
            }
        }
        Line::Delete { id } => drop(entries.remove(id.as_ref())),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::record::{AuthMode, State};
    use super::*;

    fn kept(id: &str, name: &str) -> Arc<Kept> {
        let record = EnvironmentRecord {
            id: id.to_owned(),
            name: name.to_owned(),
            provider: "aws".to_owned(),
            services: vec!["aws_s3".to_owned()],
            state: State::Ready,
            stopped: None,
            auth: AuthMode::Strict,
            created_ms: 1,
            expires_ms: None,
            idle_stop_s: None,
            clock_offset_ms: 0,
            keys: Vec::new(),
            credentials: BTreeMap::new(),
            parent: None,
            hourly_rate_cents: 10,
        };
        Arc::new(Kept { record: Arc::new(record), volume: format!("{id}.a"), base: None, meter: Meter::default() })
    }

    fn names(registry: &Registry) -> Vec<(String, String)> {
        registry.all().map(|(k, _)| (k.record.id.clone(), k.record.name.clone())).collect()
    }

    fn pair(id: &str, name: &str) -> (String, String) {
        (id.to_owned(), name.to_owned())
    }

    #[test]
    fn what_was_put_last_is_found_again() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let mut registry = Registry::open(dir.path(), true).expect("open");
        assert!(registry.fresh);
        for (id, name) in [("env-a", "one"), ("env-b", "two"), ("env-a", "three"), ("env-c", "four")] {
            registry.put(kept(id, name)).expect("put");
        }
        registry.delete("env-c").expect("delete");
        registry.put_usage("env-a", StoredUsage { objects: 7, ..StoredUsage::default() }).expect("usage");
        drop(registry);
        let registry = Registry::open(dir.path(), true).expect("open");
        assert!(!registry.fresh);
        assert_eq!(names(&registry), [pair("env-a", "three"), pair("env-b", "two")]);
        assert_eq!(registry.all().next().expect("env-a").1.objects, 7);
        let mode = dir.path().join(FILE).metadata().expect("file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "it holds secrets");
    }

    #[test]
    fn a_torn_end_is_cut_off_wherever_it_tore() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let mut registry = Registry::open(dir.path(), false).expect("open");
        registry.put(kept("env-a", "one")).expect("put");
        let whole = registry.length;
        registry.put(kept("env-b", "two")).expect("put");
        let bytes = fs::read(dir.path().join(FILE)).expect("file");
        for end in usize::try_from(whole).expect("small")..bytes.len() {
            fs::write(dir.path().join(FILE), &bytes[..end]).expect("file");
            let mut registry = Registry::open(dir.path(), false).expect("open");
            assert_eq!(names(&registry), [pair("env-a", "one")], "cut at {end}");
            registry.put(kept("env-c", "three")).expect("put");
            let registry = Registry::open(dir.path(), false).expect("open");
            assert_eq!(names(&registry), [pair("env-a", "one"), pair("env-c", "three")], "cut at {end}");
        }
    }

    #[test]
    fn damage_in_the_middle_is_refused() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let mut registry = Registry::open(dir.path(), false).expect("open");
        registry.put(kept("env-a", "one")).expect("put");
        registry.put(kept("env-b", "two")).expect("put");
        let mut bytes = fs::read(dir.path().join(FILE)).expect("file");
        bytes[20] ^= 1;
        fs::write(dir.path().join(FILE), &bytes).expect("file");
        assert!(matches!(Registry::open(dir.path(), false), Err(Fault::Corrupt { .. })));
    }

    #[test]
    fn history_is_dropped_and_nothing_else() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let mut registry = Registry::open(dir.path(), false).expect("open");
        registry.put(kept("env-b", "stays")).expect("put");
        registry.put_usage("env-b", StoredUsage { objects: 3, ..StoredUsage::default() }).expect("usage");
        let mut largest = 0;
        for turn in 0..8000 {
            registry.put(kept("env-a", &turn.to_string())).expect("put");
            largest = largest.max(registry.length);
        }
        assert!(largest < 2 * COMPACT_MIN, "{largest}");
        let registry = Registry::open(dir.path(), false).expect("open");
        assert_eq!(names(&registry), [pair("env-a", "7999"), pair("env-b", "stays")]);
        assert_eq!(registry.all().nth(1).expect("env-b").1.objects, 3);
    }

    #[test]
    fn a_reserved_name_is_taken_until_it_is_released() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let mut registry = Registry::open(dir.path(), false).expect("open");
        assert!(registry.reserve("env-a"));
        assert!(!registry.reserve("env-a"));
        registry.release("env-a");
        registry.put(kept("env-a", "one")).expect("put");
        assert!(!registry.reserve("env-a"));
    }
}

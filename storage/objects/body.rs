//! Bodies and where they lie: in the keyspace, or in a file named by the body's id.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use minicbor::{Decode, Encode};
use rustix::fs::{Mode, OFlags, ResolveFlags};

use crate::Fault;

/// A run of bytes written once and never changed. The lowest bit says where it lies; the rest is unique in the
/// environment's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode)]
#[cbor(transparent)]
pub(crate) struct BodyId(#[n(0)] u64);

impl BodyId {
    pub fn inline(number: u64) -> Self {
        Self(number << 1)
    }

    pub fn file(number: u64) -> Self {
        Self(number << 1 | 1)
    }

    pub fn in_file(self) -> bool {
        self.0 & 1 == 1
    }

    pub fn number(self) -> u64 {
        self.0 >> 1
    }

    /// Key of its rows.
    pub fn row(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    pub fn from_row(row: &[u8]) -> Option<Self> {
        Some(Self(u64::from_be_bytes(row.try_into().ok()?)))
    }
}

/// A part of a body.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Extent {
    #[n(0)]
    pub body: BodyId,
    #[n(1)]
    pub offset: u64,
    #[n(2)]
    pub len: u64,
}

impl Extent {
    /// What of it lies in `range`, counted from its own start.
    pub fn slice(&self, range: std::ops::Range<u64>) -> Self {
        Self { body: self.body, offset: self.offset + range.start, len: range.end - range.start }
    }
}

/// Where an object's bytes are.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Layout {
    #[n(0)]
    Empty,
    #[n(1)]
    Body(#[n(0)] Extent),
    /// Rows of `Layouts` under this number: one for each part, so that the record stays small.
    #[n(2)]
    Table(#[n(0)] u64),
}

/// The directory of body files: `<last two hex digits>/<16 hex digits>`, spread so that no directory grows huge.
pub(crate) struct BodyFiles {
    dir: PathBuf,
}

impl BodyFiles {
    pub fn open(dir: &Path) -> Result<Self, Fault> {
        std::fs::create_dir_all(dir)?;
        Ok(Self { dir: dir.to_owned() })
    }

    fn path(&self, body: BodyId) -> PathBuf {
        let name = format!("{:016x}", body.number());
        self.dir.join(&name[14..]).join(name)
    }

    /// A file of this name from before a crash is overwritten: its number was never acknowledged.
    pub fn create(&self, body: BodyId) -> io::Result<File> {
        let path = self.path(body);
        let mut options = File::options();
        options.write(true).create(true).truncate(true).mode(0o600);
        match options.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.make_parent(&path)?;
                options.open(&path)
            }
            other => other,
        }
    }

    fn make_parent(&self, path: &Path) -> io::Result<()> {
        let parent = path.parent().unwrap_or(&self.dir);
        match std::fs::create_dir(parent) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    }

    /// Makes a written file and its name survive power loss.
    pub fn sync(&self, body: BodyId, file: &File) -> io::Result<()> {
        file.sync_data()?;
        let path = self.path(body);
        File::open(path.parent().unwrap_or(&self.dir))?.sync_all()?;
        File::open(&self.dir)?.sync_all()
    }

    /// May block on a cold directory.
    pub fn read(&self, body: BodyId) -> io::Result<File> {
        File::open(self.path(body))
    }

    /// [`BodyFiles::read`] from the kernel's caches alone; `None` where that does not do.
    pub fn read_cached(&self, body: BodyId) -> Option<File> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let opened =
            rustix::fs::openat2(rustix::fs::CWD, self.path(body).as_path(), flags, Mode::empty(), ResolveFlags::CACHED);
        opened.ok().map(File::from)
    }

    /// Gone already is fine.
    pub fn remove(&self, body: BodyId) -> io::Result<()> {
        match std::fs::remove_file(self.path(body)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// Every body that has a file.
    pub fn all(&self) -> io::Result<Vec<BodyId>> {
        let mut bodies = Vec::new();
        for shard in std::fs::read_dir(&self.dir)? {
            let shard = shard?;
            if !shard.file_type()?.is_dir() {
                continue;
            }
            for entry in std::fs::read_dir(shard.path())? {
                let name = entry?.file_name();
                let number = name.to_str().and_then(|name| u64::from_str_radix(name, 16).ok());
                bodies.extend(number.map(BodyId::file));
            }
        }
        Ok(bodies)
    }
}

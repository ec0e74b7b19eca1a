//! Bodies on their way in. Up to [`INLINE_MAX`] bytes are kept in memory and go into the commit's batch; more are
//! written to a file in pieces, while MD5 runs on another thread and the next piece is being received.
//!
//! A body file is announced (a row of `Intents`) before it exists and taken off the list by the commit that names it,
//! so that after a crash the leftovers are known without looking through the directory.

use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::INLINE_MAX;
use super::body::{BodyId, Extent, Layout};
use super::digests::{self, FastDigests, SlowDigests};
use super::lane::{Lane, Piece, Work};
use super::model::{Digests, WantedDigests};
use super::store::Inner;
use crate::Fault;
use crate::keyspace::{Batch, Durability, Family, blocking};

/// Bytes written and hashed at a time: large enough that handing them over costs little beside hashing them.
const PIECE_BYTES: usize = 512 * 1024;
/// Chunks below this are copied together, so that a client that sends byte by byte does not cost memory.
const CHUNK_BYTES_KEPT: usize = 4 * 1024;
/// Slices handed to one write call, below the kernel's limit of 1024.
const SLICES_MAX: usize = 512;

/// Takes a body in, hashing as it goes. Dropped unsealed, it leaves nothing.
pub struct BodyWriter {
    store: Arc<Inner>,
    wanted: WantedDigests,
    gathered: Gathered,
    written: u64,
    /// Once the body has outgrown one piece.
    stream: Option<Stream>,
}

struct Stream {
    hashing: Lane<Hashing>,
    writing: Lane<Writing>,
}

impl BodyWriter {
    pub(super) fn new(store: Arc<Inner>, wanted: WantedDigests) -> Self {
        Self { store, wanted, gathered: Gathered::default(), written: 0, stream: None }
    }

    pub async fn write(&mut self, bytes: Bytes) -> Result<(), Fault> {
        self.written += bytes.len() as u64;
        self.gathered.add(bytes);
        if self.gathered.len >= PIECE_BYTES { self.send().await } else { Ok(()) }
    }

    pub fn written(&self) -> u64 {
        self.written
    }

    async fn send(&mut self) -> Result<(), Fault> {
        let piece: Piece = Arc::new(self.gathered.take());
        if self.stream.is_none() {
            let writing = Writing::new(&self.store, self.wanted)?;
            let hashing = Hashing(SlowDigests::new(self.wanted));
            self.stream = Some(Stream { hashing: Lane::new(hashing), writing: Lane::new(writing) });
        }
        if let Some(stream) = &self.stream {
            // Hashing is the slower one: it gets the piece first.
            stream.hashing.push(Arc::clone(&piece)).await?;
            stream.writing.push(piece).await?;
        }
        Ok(())
    }

    pub async fn seal(mut self) -> Result<StoredBody, Fault> {
        if self.stream.is_some() && self.gathered.len > 0 {
            self.send().await?;
        }
        if let Some(Stream { hashing, writing }) = self.stream.take() {
            let Hashing(slow) = hashing.finish().await?;
            let writing = writing.finish().await?;
            let digests = digests::finish(slow, &writing.digests);
            return if self.store.keyspace.durability() == Durability::Power {
                blocking(move || writing.seal(digests)).await
            } else {
                writing.seal(digests)
            };
        }
        let pieces = self.gathered.take();
        let wanted = self.wanted;
        if self.written <= INLINE_MAX {
            let digests = digests::of(&pieces, wanted);
            let bytes = if let [bytes] = pieces.as_slice() { bytes.clone() } else { Bytes::from(pieces.concat()) };
            return Ok(StoredBody { digests, size: self.written, place: Place::Memory(bytes) });
        }
        let mut writing = Writing::new(&self.store, wanted)?;
        blocking(move || {
            let mut slow = SlowDigests::new(wanted);
            for bytes in &pieces {
                slow.update(bytes);
            }
            writing.take(&pieces)?;
            let digests = digests::finish(slow, &writing.digests);
            writing.seal(digests)
        })
        .await
    }
}

/// Chunks until they make a piece.
#[derive(Default)]
struct Gathered {
    chunks: Vec<Bytes>,
    tail: BytesMut,
    len: usize,
}

impl Gathered {
    fn add(&mut self, bytes: Bytes) {
        self.len += bytes.len();
        if bytes.len() < CHUNK_BYTES_KEPT && !(self.chunks.is_empty() && self.tail.is_empty()) {
            self.tail.extend_from_slice(&bytes);
            return;
        }
        self.close_tail();
        if !bytes.is_empty() {
            self.chunks.push(bytes);
        }
    }

    fn close_tail(&mut self) {
        if !self.tail.is_empty() {
            self.chunks.push(self.tail.split().freeze());
        }
    }

    fn take(&mut self) -> Vec<Bytes> {
        self.close_tail();
        self.len = 0;
        std::mem::take(&mut self.chunks)
    }
}

struct Hashing(SlowDigests);

impl Work for Hashing {
    fn take(&mut self, piece: &[Bytes]) -> Result<(), Fault> {
        for bytes in piece {
            self.0.update(bytes);
        }
        Ok(())
    }
}

/// Digests of bytes that go nowhere, computed beside the task that reads them.
pub(super) struct Hasher(Lane<HashingAll>);

struct HashingAll(SlowDigests, FastDigests);

impl Work for HashingAll {
    fn take(&mut self, piece: &[Bytes]) -> Result<(), Fault> {
        for bytes in piece {
            self.0.update(bytes);
            self.1.update(bytes);
        }
        Ok(())
    }
}

impl Hasher {
    pub fn new(wanted: WantedDigests) -> Self {
        Self(Lane::new(HashingAll(SlowDigests::new(wanted), FastDigests::new(wanted))))
    }

    pub async fn write(&mut self, bytes: Bytes) -> Result<(), Fault> {
        self.0.push(Arc::new(vec![bytes])).await
    }

    pub async fn finish(self) -> Result<Digests, Fault> {
        let HashingAll(slow, fast) = self.0.finish().await?;
        Ok(digests::finish(slow, &fast))
    }
}

struct Writing {
    digests: FastDigests,
    size: u64,
    file: Option<File>,
    unnamed: Unnamed,
}

impl Writing {
    fn new(store: &Arc<Inner>, wanted: WantedDigests) -> Result<Self, Fault> {
        let body = BodyId::file(store.next_number()?);
        let unnamed = Unnamed { store: Arc::clone(store), body, announced: false };
        Ok(Self { digests: FastDigests::new(wanted), size: 0, file: None, unnamed })
    }

    fn seal(self, digests: Digests) -> Result<StoredBody, Fault> {
        let store = &self.unnamed.store;
        if let Some(file) = &self.file
            && store.keyspace.durability() == Durability::Power
        {
            store.files.sync(self.unnamed.body, file)?;
        }
        Ok(StoredBody { digests, size: self.size, place: Place::File(self.unnamed) })
    }
}

impl Work for Writing {
    fn take(&mut self, piece: &[Bytes]) -> Result<(), Fault> {
        if self.file.is_none() {
            self.unnamed.announce()?;
            self.file = Some(self.unnamed.store.files.create(self.unnamed.body)?);
        }
        for bytes in piece {
            self.digests.update(bytes);
            self.size += bytes.len() as u64;
        }
        if let Some(file) = &mut self.file {
            for chunks in piece.chunks(SLICES_MAX) {
                write_all(file, chunks)?;
            }
        }
        Ok(())
    }
}

fn write_all(file: &mut File, chunks: &[Bytes]) -> io::Result<()> {
    let mut slices: Vec<IoSlice<'_>> = chunks.iter().map(|bytes| IoSlice::new(bytes)).collect();
    let mut slices = slices.as_mut_slice();
    while !slices.is_empty() {
        match file.write_vectored(slices) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut slices, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A body file without a name; dropped, the file goes.
pub(super) struct Unnamed {
    store: Arc<Inner>,
    body: BodyId,
    announced: bool,
}

impl Unnamed {
    fn announce(&mut self) -> Result<(), Fault> {
        let mut batch = Batch::new();
        batch.put(Family::Intents, &self.body.row(), &[]);
        // Under the lock that freezing takes: a frozen store makes no commits.
        let _commits = self.store.commits.blocking_read();
        self.store.keyspace.commit_blocking(batch)?;
        self.announced = true;
        Ok(())
    }
}

impl Drop for Unnamed {
    fn drop(&mut self) {
        if self.announced {
            self.store.reclaim.abandon(self.body);
        }
    }
}

/// A body with its digests that has no name yet.
pub struct StoredBody {
    digests: Digests,
    size: u64,
    place: Place,
}

enum Place {
    Memory(Bytes),
    File(Unnamed),
}

impl StoredBody {
    pub fn size(&self) -> u64 {
        self.size
    }

    pub fn digests(&self) -> &Digests {
        &self.digests
    }

    /// Puts into `batch` what makes the body part of the store once the batch is committed, and says where its bytes
    /// will be. Call [`StoredBody::named`] after the commit.
    pub(super) fn stage(&self, store: &Inner, batch: &mut Batch) -> Result<Layout, Fault> {
        let body = match &self.place {
            Place::Memory(bytes) if bytes.is_empty() => return Ok(Layout::Empty),
            Place::Memory(bytes) => {
                let body = BodyId::inline(store.next_number()?);
                batch.put(Family::Bodies, &body.row(), bytes);
                body
            }
            Place::File(unnamed) => {
                batch.delete(Family::Intents, &unnamed.body.row());
                unnamed.body
            }
        };
        Ok(Layout::Body(Extent { body, offset: 0, len: self.size }))
    }

    /// The commit was made, or may have been made: the body is no longer this value's to remove.
    pub(super) fn named(self) {
        if let Place::File(mut unnamed) = self.place {
            unnamed.announced = false;
        }
    }
}

//! Bodies on their way out. A small body comes whole from the keyspace. A file is read in chunks into pooled buffers:
//! what is in the page cache on the caller's own thread, the rest on a blocking one, so that a disk never holds up the
//! runtime. Files are not mapped: a fault would.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use rustix::io::ReadWriteFlags;

use super::body::{Extent, Layout};
use super::keys;
use super::model::ObjectInfo;
use super::reclaim::Pin;
use super::records::{TableRow, decode};
use super::store::{Inner, ObjectStore};
use crate::Fault;
use crate::keyspace::{Family, blocking};

/// Bytes read at a time: small enough to stay in a core's cache on the way to the socket.
const CHUNK_BYTES: usize = 256 * 1024;
/// Buffers kept for the next reader, over all stores (4 MiB).
const BUFFERS_KEPT: usize = 16;
/// Rows of a table read at a time.
const TABLE_ROWS_AT_ONCE: usize = 64;

/// Reads an object's bytes in chunks. Holds what it reads in place, though the object may be gone meanwhile.
pub struct BodyReader {
    store: Arc<Inner>,
    remaining: u64,
    whole: Option<Bytes>,
    open: Option<OpenExtent>,
    ahead: VecDeque<Extent>,
    table: Option<TableCursor>,
    _pin: Pin,
}

struct OpenExtent {
    file: Arc<File>,
    offset: u64,
    left: u64,
}

/// What of a table is still to be read.
struct TableCursor {
    table: u64,
    range: Range<u64>,
}

impl ObjectStore {
    /// The whole body or a range of it, clamped by the caller to the object's size. Damage that shows at the start
    /// (a missing or truncated file) is found here, before anything is answered.
    pub fn read(&self, object: &ObjectInfo, range: Range<u64>) -> Result<BodyReader, Fault> {
        if range.start > range.end || range.end > object.size {
            return Err(Fault::RangeNotSatisfiable { size: object.size });
        }
        let mut reader = BodyReader::new(&self.inner, range.end - range.start, object.pin.clone());
        if range.is_empty() {
            reader.whole = Some(Bytes::new());
            return Ok(reader);
        }
        match &object.layout {
            Layout::Empty => return Err(corrupt("a body's extent")),
            Layout::Body(extent) => {
                let extent = extent.slice(range);
                if extent.body.in_file() {
                    reader.ahead.push_back(extent);
                } else {
                    reader.whole = Some(self.inner.inline(&extent)?);
                }
            }
            Layout::Table(table) => {
                reader.table = Some(TableCursor { table: *table, range });
                reader.look_ahead()?;
            }
        }
        if let Some(first) = reader.ahead.front()
            && first.body.in_file()
        {
            let file = self.inner.files.read(first.body);
            reader.open = Some(OpenExtent::new(file, first)?);
            reader.ahead.pop_front();
        }
        Ok(reader)
    }
}

impl ObjectStore {
    /// Bytes that are not an object's yet: a part's.
    pub(super) fn read_extents(&self, extents: Vec<Extent>, pin: Pin) -> BodyReader {
        let len = extents.iter().map(|extent| extent.len).sum();
        let mut reader = BodyReader::new(&self.inner, len, pin);
        reader.ahead = extents.into();
        reader
    }
}

impl Inner {
    fn inline(&self, extent: &Extent) -> Result<Bytes, Fault> {
        let body = self.keyspace.get(Family::Bodies, &extent.body.row())?;
        let range = usize::try_from(extent.offset).ok().zip(usize::try_from(extent.offset + extent.len).ok());
        let slice = match (&body, range) {
            (Some(body), Some((from, to))) => body.get(from..to),
            _ => None,
        };
        slice.map(Bytes::copy_from_slice).ok_or_else(|| corrupt("a small body"))
    }
}

impl BodyReader {
    fn new(store: &Arc<Inner>, len: u64, pin: Pin) -> Self {
        Self {
            store: Arc::clone(store),
            remaining: len,
            whole: None,
            open: None,
            ahead: VecDeque::new(),
            table: None,
            _pin: pin,
        }
    }

    /// Bytes left to read.
    pub fn remaining(&self) -> u64 {
        self.remaining
    }

    /// Small bodies come whole, without waiting: try this before [`BodyReader::next`].
    pub fn whole(&mut self) -> Option<Bytes> {
        let whole = self.whole.take();
        if whole.is_some() {
            self.remaining = 0;
        }
        whole
    }

    /// `None` at the end; after an error there is nothing more.
    pub async fn next(&mut self) -> Option<Result<Bytes, Fault>> {
        if self.remaining == 0 {
            return None;
        }
        let chunk = self.chunk().await;
        self.remaining = match &chunk {
            Ok(bytes) => self.remaining.saturating_sub(bytes.len() as u64),
            Err(_) => 0,
        };
        Some(chunk)
    }

    async fn chunk(&mut self) -> Result<Bytes, Fault> {
        if let Some(whole) = self.whole.take() {
            return Ok(whole);
        }
        loop {
            if let Some(open) = &mut self.open {
                if open.left > 0 {
                    return open.read().await;
                }
                self.open = None;
            }
            if self.ahead.is_empty() {
                self.look_ahead()?;
            }
            let extent = self.ahead.pop_front().ok_or_else(|| corrupt("an object's layout"))?;
            if !extent.body.in_file() {
                return self.store.inline(&extent);
            }
            let file = if let Some(file) = self.store.files.read_cached(extent.body) {
                Ok(file)
            } else {
                let (store, body) = (Arc::clone(&self.store), extent.body);
                blocking(move || Ok(store.files.read(body))).await?
            };
            self.open = Some(OpenExtent::new(file, &extent)?);
        }
    }

    /// Fetches the extents of the next rows of the table.
    fn look_ahead(&mut self) -> Result<(), Fault> {
        let Some(cursor) = &mut self.table else {
            return Ok(());
        };
        let first = keys::table_row(cursor.table, 0, 0);
        let end = keys::table_row(cursor.table, cursor.range.end, 0);
        let mut rows = self.store.keyspace.scan(Family::Layouts, &first, Some(&end));
        rows.seek_back(&keys::table_row(cursor.table, cursor.range.start, u32::MAX));
        for _ in 0..TABLE_ROWS_AT_ONCE {
            let Some((row, value)) = rows.row() else {
                break;
            };
            let mut at = keys::parse_table_row(row).ok_or_else(|| corrupt("an object's layout"))?;
            let part: TableRow = decode("part of an object", value)?;
            for extent in &part.extents {
                let from = cursor.range.start.max(at);
                let to = cursor.range.end.min(at + extent.len);
                if from < to {
                    self.ahead.push_back(extent.slice(from - at..to - at));
                    cursor.range.start = to;
                }
                at += extent.len;
            }
            rows.advance();
        }
        rows.status()
    }
}

impl OpenExtent {
    fn new(file: io::Result<File>, extent: &Extent) -> Result<Self, Fault> {
        let file = match file {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(corrupt("a missing body file")),
            Err(error) => return Err(error.into()),
        };
        if file.metadata()?.size() < extent.offset + extent.len {
            return Err(corrupt("a truncated body file"));
        }
        Ok(Self { file: Arc::new(file), offset: extent.offset, left: extent.len })
    }

    async fn read(&mut self) -> Result<Bytes, Fault> {
        let want = usize::try_from(self.left).unwrap_or(usize::MAX).min(CHUNK_BYTES);
        let mut buffer = Buffer::take();
        let cached = {
            let mut slices = [IoSliceMut::new(&mut buffer.bytes[..want])];
            rustix::io::preadv2(&self.file, &mut slices, self.offset, ReadWriteFlags::NOWAIT)
        };
        match cached {
            Ok(read) if read > 0 => buffer.len = read,
            // Not in the page cache (or a file system without the flag): where waiting is allowed.
            _ => {
                let (file, offset) = (Arc::clone(&self.file), self.offset);
                buffer = blocking(move || {
                    file.read_exact_at(&mut buffer.bytes[..want], offset).map_err(|error| match error.kind() {
                        io::ErrorKind::UnexpectedEof => corrupt("a truncated body file"),
                        _ => Fault::from(error),
                    })?;
                    buffer.len = want;
                    Ok(buffer)
                })
                .await?;
            }
        }
        self.offset += buffer.len as u64;
        self.left -= buffer.len as u64;
        Ok(Bytes::from_owner(buffer))
    }
}

fn corrupt(what: &str) -> Fault {
    Fault::Corrupt { what: what.to_owned() }
}

static BUFFERS: Mutex<Vec<Box<[u8]>>> = Mutex::new(Vec::new());

/// A buffer that goes back to the pool when the last of its bytes is sent.
struct Buffer {
    bytes: Box<[u8]>,
    len: usize,
}

impl Buffer {
    fn take() -> Self {
        let kept = BUFFERS.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Self { bytes: kept.unwrap_or_else(|| vec![0; CHUNK_BYTES].into_boxed_slice()), len: 0 }
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut kept = BUFFERS.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < BUFFERS_KEPT {
            kept.push(std::mem::take(&mut self.bytes));
        }
    }
}

//! Listing: keys in the order of their bytes, and what lies under a delimiter rolled up into common prefixes.
//!
//! A skip scan: past a common prefix it seeks, so that a page costs what it shows and not what it hides.

use super::keys;
use super::model::{BucketInfo, ListEntry, ListPage, ListQuery, ObjectInfo};
use super::reclaim::Pin;
use super::records::listed;
use super::store::{Inner, ObjectStore};
use crate::Fault;
use crate::keyspace::{Family, Scan, blocking};

/// Pages up to this many entries are made on the caller's thread.
const ENTRIES_AT_ONCE: usize = 16;

/// Something ordered by keys.
pub(super) trait Walk {
    type Item;
    /// To the first entry whose key is not below `key`.
    fn seek(&mut self, key: &[u8]);
    fn advance(&mut self);
    /// Key of the entry it stands on.
    fn key(&self) -> Option<&[u8]>;
    fn item(&self) -> Result<Self::Item, Fault>;
    fn status(&self) -> Result<(), Fault>;
}

/// Makes a page. `positioned`: the walk stands where the page begins.
pub(super) fn page<W: Walk>(walk: &mut W, query: &ListQuery, positioned: bool) -> Result<ListPage<W::Item>, Fault> {
    let mut page = ListPage { entries: Vec::with_capacity(query.limit.min(1024)), next: None };
    if query.limit == 0 {
        return Ok(page);
    }
    let prefix = query.prefix.as_bytes();
    let delimiter = query.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty()).map(str::as_bytes);
    if !positioned {
        match start(prefix, delimiter, query.after.as_deref()) {
            Some(start) => walk.seek(&start),
            None => return Ok(page),
        }
    }
    let mut last: Option<Vec<u8>> = None;
    while let Some(key) = walk.key().filter(|key| key.starts_with(prefix)) {
        if page.entries.len() == query.limit {
            page.next = last.map(text);
            break;
        }
        if let Some(common) = common_prefix(key, prefix, delimiter) {
            let common = common.to_vec();
            page.entries.push(ListEntry::Prefix(text(common.clone())));
            match keys::successor(&common) {
                Some(next) => walk.seek(&next),
                None => break,
            }
            last = Some(common);
        } else {
            if page.entries.len() + 1 == query.limit {
                last = Some(key.to_vec());
            }
            page.entries.push(ListEntry::Item(walk.item()?));
            walk.advance();
        }
    }
    walk.status()?;
    Ok(page)
}

/// Where a page begins; `None` where nothing can follow.
fn start(prefix: &[u8], delimiter: Option<&[u8]>, after: Option<&str>) -> Option<Vec<u8>> {
    let Some(after) = after.map(str::as_bytes) else {
        return Some(prefix.to_vec());
    };
    if after < prefix {
        return Some(prefix.to_vec());
    }
    let is_prefix = after.starts_with(prefix) && common_prefix(after, prefix, delimiter) == Some(after);
    if is_prefix {
        return keys::successor(after);
    }
    let mut next = after.to_vec();
    next.push(0);
    Some(next)
}

/// The prefix that `key` is rolled up into.
fn common_prefix<'k>(key: &'k [u8], prefix: &[u8], delimiter: Option<&[u8]>) -> Option<&'k [u8]> {
    let delimiter = delimiter?;
    let rest = &key[prefix.len()..];
    let at = match delimiter {
        [byte] => rest.iter().position(|b| b == byte)?,
        _ => rest.windows(delimiter.len()).position(|window| window == delimiter)?,
    };
    Some(&key[..prefix.len() + at + delimiter.len()])
}

/// Keys are UTF-8, and so are their prefixes: a delimiter ends where a character does.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

struct Objects<'k> {
    rows: Scan<'k>,
    bucket: u64,
    pin: Pin,
}

impl Walk for Objects<'_> {
    type Item = ObjectInfo;

    fn seek(&mut self, key: &[u8]) {
        self.rows.seek(&keys::object(self.bucket, key));
    }

    fn advance(&mut self) {
        self.rows.advance();
    }

    fn key(&self) -> Option<&[u8]> {
        self.rows.row().map(|(row, _)| &row[keys::BUCKET_BYTES..])
    }

    fn item(&self) -> Result<ObjectInfo, Fault> {
        match self.rows.row() {
            Some((row, value)) => listed(&row[keys::BUCKET_BYTES..], value, &self.pin),
            None => Err(Fault::Corrupt { what: "an object's row".into() }),
        }
    }

    fn status(&self) -> Result<(), Fault> {
        self.rows.status()
    }
}

impl Inner {
    fn list(&self, bucket: u64, query: &ListQuery) -> Result<ListPage<ObjectInfo>, Fault> {
        let pin = self.reclaim.pin();
        let lower = keys::object(bucket, query.prefix.as_bytes());
        let upper = keys::successor(&lower);
        let rows = self.keyspace.scan(Family::Objects, &lower, upper.as_deref());
        page(&mut Objects { rows, bucket, pin }, query, false)
    }
}

impl ObjectStore {
    /// Entries carry no metadata and no tags.
    pub async fn list(&self, bucket: &BucketInfo, query: ListQuery) -> Result<ListPage<ObjectInfo>, Fault> {
        let bucket = bucket.id;
        if query.limit <= ENTRIES_AT_ONCE {
            return self.inner.list(bucket, &query);
        }
        let inner = std::sync::Arc::clone(&self.inner);
        blocking(move || inner.list(bucket, &query)).await
    }
}

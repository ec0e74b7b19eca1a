//! Buckets: their records, a cache in front of them, and the end of one.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::commit::Ledger;
use super::keys;
use super::model::{BucketInfo, ListEntry, ListPage, Namespace, NewBucket};
use super::records::{BucketRecord, PartRecord, decode, encode};
use super::store::{Inner, ObjectStore};
use crate::Fault;
use crate::fault::Kind;
use crate::keyspace::{Batch, Family, Keyspace, blocking};

/// Buckets kept decoded: each takes a few hundred bytes.
const CACHED_MAX: usize = 4096;
/// Longest bucket name that the cache's look-up puts together on the stack, with its namespace.
const STACK_NAME_BYTES: usize = 96;

#[derive(Default)]
pub(crate) struct BucketCache {
    /// By row.
    known: RwLock<HashMap<Box<[u8]>, Arc<BucketInfo>>>,
    /// Buckets deleted since the store was opened, for changes that looked theirs up before.
    gone: RwLock<HashSet<u64>>,
    any_gone: AtomicBool,
}

impl BucketCache {
    pub fn is_gone(&self, bucket: u64) -> bool {
        self.any_gone.load(Ordering::Acquire)
            && self.gone.read().unwrap_or_else(PoisonError::into_inner).contains(&bucket)
    }

    fn get(&self, row: &[u8]) -> Option<Arc<BucketInfo>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(row).cloned()
    }

    /// Reads a bucket with the cache locked, so that what is read cannot be older than what a change put in.
    fn load(&self, keyspace: &Keyspace, row: &[u8]) -> Result<Option<Arc<BucketInfo>>, Fault> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = known.get(row) {
            return Ok(Some(Arc::clone(bucket)));
        }
        let Some(value) = keyspace.get(Family::Buckets, row)? else {
            return Ok(None);
        };
        let bucket = info(row, &value)?;
        if known.len() >= CACHED_MAX {
            known.clear();
        }
        known.insert(row.into(), Arc::clone(&bucket));
        Ok(Some(bucket))
    }

    fn forget(&self, row: &[u8]) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).remove(row);
    }

    fn bury(&self, bucket: u64) {
        self.gone.write().unwrap_or_else(PoisonError::into_inner).insert(bucket);
        self.any_gone.store(true, Ordering::Release);
    }
}

fn info(row: &[u8], value: &[u8]) -> Result<Arc<BucketInfo>, Fault> {
    let record: BucketRecord = decode("bucket", value)?;
    let name = std::str::from_utf8(row).map_err(|_| Fault::Corrupt { what: "a bucket's name".into() })?;
    let (namespace, name) = name.split_once('\0').unwrap_or(("", name));
    Ok(Arc::new(BucketInfo {
        id: record.id,
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        created: record.created,
        owner: record.owner,
        region: record.region,
        configurations: record.configurations.into_iter().map(|(name, value)| (name, value.into())).collect(),
    }))
}

fn record(bucket: &BucketInfo) -> BucketRecord {
    BucketRecord {
        id: bucket.id,
        created: bucket.created,
        owner: bucket.owner.clone(),
        region: bucket.region.clone(),
        configurations: bucket
            .configurations
            .iter()
            .map(|(name, value)| (name.clone(), value.clone().into()))
            .collect(),
    }
}

impl ObjectStore {
    pub async fn create_bucket(&self, ns: Namespace, name: &str, new: NewBucket) -> Result<Arc<BucketInfo>, Fault> {
        let row = keys::bucket(ns.0, name);
        let commits = Arc::clone(&self.inner.commits).write_owned().await;
        if let Some(bucket) = self.inner.buckets.load(&self.inner.keyspace, &row)? {
            let owned = bucket.owner == new.owner;
            return Err(Fault::Exists { kind: Kind::Bucket, name: name.to_owned(), owned });
        }
        let bucket = BucketInfo {
            id: self.inner.next_number()?,
            namespace: ns.0.to_owned(),
            name: name.to_owned(),
            created: self.inner.clock.now(),
            owner: new.owner,
            region: new.region,
            configurations: new.configurations,
        };
        let mut batch = Batch::new();
        batch.put(Family::Buckets, &row, &encode(&record(&bucket)));
        self.inner.change_buckets(commits, batch, row, None).await?;
        Ok(Arc::new(bucket))
    }

    /// Cached; cheap on the hot path.
    pub fn bucket(&self, ns: Namespace, name: &str) -> Result<Arc<BucketInfo>, Fault> {
        let mut stack = [0; STACK_NAME_BYTES];
        let len = ns.0.len() + 1 + name.len();
        let cached = if len <= STACK_NAME_BYTES {
            stack[..ns.0.len()].copy_from_slice(ns.0.as_bytes());
            stack[ns.0.len() + 1..len].copy_from_slice(name.as_bytes());
            self.inner.buckets.get(&stack[..len])
        } else {
            None
        };
        if let Some(bucket) = cached {
            return Ok(bucket);
        }
        let bucket = self.inner.buckets.load(&self.inner.keyspace, &keys::bucket(ns.0, name))?;
        bucket.ok_or_else(|| Fault::not_found(Kind::Bucket, name))
    }

    /// In order of name, those after `after`, of any owner.
    pub fn buckets(
        &self,
        ns: Namespace,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<ListPage<Arc<BucketInfo>>, Fault> {
        let lower = keys::bucket(ns.0, prefix);
        let upper = keys::successor(&lower);
        let mut rows = self.inner.keyspace.scan(Family::Buckets, &lower, upper.as_deref());
        match after {
            Some(after) if after >= prefix => {
                let mut from = keys::bucket(ns.0, after);
                from.push(0);
                rows.seek(&from);
            }
            _ => rows.seek_first(),
        }
        let mut page = ListPage { entries: Vec::new(), next: None };
        let mut last = None;
        while let Some((row, value)) = rows.row() {
            if page.entries.len() >= limit {
                page.next = last;
                break;
            }
            let bucket = info(row, value)?;
            last = Some(bucket.name.clone());
            page.entries.push(ListEntry::Item(bucket));
            rows.advance();
        }
        rows.status()?;
        Ok(page)
    }

    /// `Fault::NotEmpty` while it holds objects (uploads in progress are discarded with it).
    pub async fn delete_bucket(&self, ns: Namespace, name: &str) -> Result<(), Fault> {
        let row = keys::bucket(ns.0, name);
        // Nothing is committed meanwhile: an object put now is either seen here or refused.
        let commits = Arc::clone(&self.inner.commits).write_owned().await;
        let bucket = self.inner.buckets.load(&self.inner.keyspace, &row)?;
        let bucket = bucket.ok_or_else(|| Fault::not_found(Kind::Bucket, name))?;
        let id = bucket.id.to_be_bytes();
        let end = keys::successor(&id);
        let empty = {
            let mut objects = self.inner.keyspace.scan(Family::Objects, &id, end.as_deref());
            objects.seek_first();
            let empty = objects.row().is_none();
            objects.status()?;
            empty
        };
        if !empty {
            return Err(Fault::NotEmpty { kind: Kind::Bucket, name: name.to_owned() });
        }
        let mut batch = Batch::new();
        let mut ledger = Ledger::default();
        self.inner.discard_uploads(bucket.id, &mut batch, &mut ledger)?;
        let _units = self.inner.locks.units(ledger.units()).await;
        let condemned = self.inner.settle(&ledger, &mut batch)?;
        batch.delete(Family::Buckets, &row);
        self.inner.change_buckets(commits, batch, row, Some(bucket.id)).await?;
        self.inner.reclaim.condemn(condemned);
        Ok(())
    }

    /// `None` removes. Read it in [`BucketInfo::configurations`].
    pub async fn configure_bucket(
        &self,
        ns: Namespace,
        name: &str,
        configuration: &str,
        value: Option<Vec<u8>>,
    ) -> Result<(), Fault> {
        let row = keys::bucket(ns.0, name);
        let commits = Arc::clone(&self.inner.commits).write_owned().await;
        let bucket = self.inner.buckets.load(&self.inner.keyspace, &row)?;
        let mut bucket = BucketInfo::clone(&*bucket.ok_or_else(|| Fault::not_found(Kind::Bucket, name))?);
        match value {
            Some(value) => bucket.configurations.insert(configuration.to_owned(), value),
            None => bucket.configurations.remove(configuration),
        };
        let mut batch = Batch::new();
        batch.put(Family::Buckets, &row, &encode(&record(&bucket)));
        self.inner.change_buckets(commits, batch, row, None).await
    }
}

impl Inner {
    /// Commits a change of a bucket's row and lets the cache know. `gone`: the bucket that it deletes. Runs to its end
    /// even if its caller goes away.
    async fn change_buckets(
        self: &Arc<Self>,
        commits: tokio::sync::OwnedRwLockWriteGuard<()>,
        batch: Batch,
        row: Vec<u8>,
        gone: Option<u64>,
    ) -> Result<(), Fault> {
        let inner = Arc::clone(self);
        blocking(move || {
            let _commits = commits;
            inner.keyspace.commit_blocking(batch)?;
            if let Some(bucket) = gone {
                inner.buckets.bury(bucket);
            }
            inner.buckets.forget(&row);
            Ok(())
        })
        .await
    }

    /// Puts the end of every upload in the bucket into `batch`.
    fn discard_uploads(&self, bucket: u64, batch: &mut Batch, ledger: &mut Ledger) -> Result<(), Fault> {
        let id = bucket.to_be_bytes();
        let end = keys::successor(&id);
        let mut uploads = self.keyspace.scan(Family::Uploads, &id, end.as_deref());
        uploads.seek_first();
        while let Some((row, _)) = uploads.row() {
            let (_, upload) = keys::parse_upload(&row[keys::BUCKET_BYTES..])
                .ok_or_else(|| Fault::Corrupt { what: "an upload's row".into() })?;
            batch.delete(Family::Uploads, row);
            self.each_part(upload, |row, _, part: PartRecord| {
                batch.delete(Family::Parts, row);
                ledger.disown_extents(&part.extents);
                Ok(())
            })?;
            uploads.advance();
        }
        uploads.status()?;
        let mut completed = self.keyspace.scan(Family::Completed, &id, end.as_deref());
        completed.seek_first();
        while let Some((row, _)) = completed.row() {
            batch.delete(Family::Completed, row);
            completed.advance();
        }
        completed.status()
    }

    pub(super) fn count_buckets(&self) -> Result<u64, Fault> {
        let mut buckets = 0;
        let mut rows = self.keyspace.scan(Family::Buckets, &[], None);
        rows.seek_first();
        while rows.row().is_some() {
            buckets += 1;
            rows.advance();
        }
        rows.status()?;
        Ok(buckets)
    }
}

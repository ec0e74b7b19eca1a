//! Single objects: look at, put, delete, change in place.

use super::body::Layout;
use super::commit::Change;
use super::digests::Known;
use super::keys;
use super::locks::Guard;
use super::model::{BucketInfo, Conditions, Key, ObjectInfo, ObjectPart, PutSpec, Tags};
use super::reclaim::Pin;
use super::records::{Mutation, ObjectRecord, ReplacedRecord, TableRow, decode, encode};
use super::store::{Inner, ObjectStore};
use super::writer::StoredBody;
use crate::Fault;
use crate::fault::Kind;
use crate::keyspace::{Family, blocking};

impl Inner {
    pub(super) fn record(&self, row: &[u8]) -> Result<Option<ObjectRecord>, Fault> {
        self.keyspace.get(Family::Objects, row)?.map(|value| decode("object", &value)).transpose()
    }

    pub(super) fn replaced(&self, row: &[u8]) -> Result<Option<ReplacedRecord>, Fault> {
        self.keyspace.get(Family::Objects, row)?.map(|value| decode("object", &value)).transpose()
    }

    /// Evaluates conditions against what the key holds. Decodes the whole record only where there are some.
    pub(super) fn check_write(&self, conditions: &Conditions, row: &[u8], key: &Key) -> Result<(), Fault> {
        if conditions.is_empty() {
            return Ok(());
        }
        let current = self.record(row)?.map(|record| record.into_info(key.clone(), Pin::default()));
        conditions.check_write(key.as_str(), current.as_ref())
    }
}

impl Change {
    /// Puts `record` in place of what the key holds.
    pub(super) fn put_object(
        &mut self,
        store: &Inner,
        bucket: &BucketInfo,
        key: &Key,
        row: &[u8],
        record: &ObjectRecord,
    ) -> Result<(), Fault> {
        if let Some(replaced) = store.replaced(row)? {
            self.ledger.disown(&replaced.layout);
            self.delta.remove(replaced.size);
        }
        self.delta.add(record.size);
        self.batch.put(Family::Objects, row, &encode(record));
        self.journal(Mutation::Put, bucket, key, record.generation, Some(&record.layout));
        Ok(())
    }
}

impl ObjectStore {
    pub fn head(&self, bucket: &BucketInfo, key: &Key) -> Result<ObjectInfo, Fault> {
        let pin = self.inner.reclaim.pin();
        let record = self.inner.record(&Inner::object_row(bucket, key))?;
        let record = record.ok_or_else(|| Fault::not_found(Kind::Object, key.as_str()))?;
        Ok(record.into_info(key.clone(), pin))
    }

    pub async fn put(
        &self,
        bucket: &BucketInfo,
        key: &Key,
        body: StoredBody,
        spec: PutSpec,
    ) -> Result<ObjectInfo, Fault> {
        let row = Inner::object_row(bucket, key);
        let guard = self.inner.locks.key(&row).await;
        let mut change = Change::begin(&self.inner, bucket, vec![guard]).await?;
        self.inner.check_write(&spec.conditions, &row, key)?;
        let (generation, modified) = change.stamp()?;
        let mut record = ObjectRecord {
            generation,
            size: body.size(),
            digest: body.digests().md5,
            part_count: 0,
            modified,
            owner: spec.owner,
            layout: Layout::Empty,
            checksum: spec.checksum,
            known: Known::from(body.digests()),
            attributes: spec.attributes,
            tags: spec.tags,
            metageneration: 0,
        };
        record.layout = change.add_body(body)?;
        change.put_object(&self.inner, bucket, key, &row, &record)?;
        change.count_owners().await?;
        let pin = self.inner.reclaim.pin();
        change.commit().await?;
        Ok(record.into_info(key.clone(), pin))
    }

    /// `Ok(false)` where there was nothing.
    pub async fn delete(&self, bucket: &BucketInfo, key: &Key, conditions: &Conditions) -> Result<bool, Fault> {
        let row = Inner::object_row(bucket, key);
        let guard = self.inner.locks.key(&row).await;
        let mut change = Change::begin(&self.inner, bucket, vec![guard]).await?;
        self.inner.check_write(conditions, &row, key)?;
        let Some(replaced) = self.inner.replaced(&row)? else {
            return Ok(false);
        };
        change.batch.delete(Family::Objects, &row);
        change.ledger.disown(&replaced.layout);
        change.delta.remove(replaced.size);
        change.journal(Mutation::Delete, bucket, key, replaced.generation, None);
        change.count_owners().await?;
        change.commit().await?;
        Ok(true)
    }

    /// Bumps nothing but the tags: ETag and modification time stay.
    pub async fn set_tags(&self, bucket: &BucketInfo, key: &Key, tags: Tags) -> Result<ObjectInfo, Fault> {
        self.update(bucket, key, |record| record.tags = tags).await
    }

    /// Changes attributes in place (`extra` such as an ACL); ETag and modification time stay.
    pub async fn set_extra(
        &self,
        bucket: &BucketInfo,
        key: &Key,
        name: &str,
        value: Option<String>,
    ) -> Result<ObjectInfo, Fault> {
        self.update(bucket, key, |record| {
            match value {
                Some(value) => record.attributes.extra.insert(name.to_owned(), value),
                None => record.attributes.extra.remove(name),
            };
        })
        .await
    }

    async fn update(
        &self,
        bucket: &BucketInfo,
        key: &Key,
        update: impl FnOnce(&mut ObjectRecord),
    ) -> Result<ObjectInfo, Fault> {
        let row = Inner::object_row(bucket, key);
        let guard: Guard = self.inner.locks.key(&row).await;
        let mut change = Change::begin(&self.inner, bucket, vec![guard]).await?;
        let pin = self.inner.reclaim.pin();
        let record = self.inner.record(&row)?;
        let mut record = record.ok_or_else(|| Fault::not_found(Kind::Object, key.as_str()))?;
        update(&mut record);
        record.metageneration += 1;
        change.batch.put(Family::Objects, &row, &encode(&record));
        change.journal(Mutation::Update, bucket, key, record.generation, None);
        change.commit().await?;
        Ok(record.into_info(key.clone(), pin))
    }

    /// The parts a multipart object was made of, in order; empty for other objects.
    pub async fn object_parts(&self, object: &ObjectInfo) -> Result<Vec<ObjectPart>, Fault> {
        let Layout::Table(table) = object.layout else {
            return Ok(Vec::new());
        };
        let inner = std::sync::Arc::clone(&self.inner);
        let pin = object.pin.clone();
        blocking(move || {
            let _pin = pin;
            let mut parts = Vec::new();
            inner.each_table_row(table, |_, row| {
                parts.push(ObjectPart { number: row.number, size: row.size, checksum: row.checksum });
                Ok(())
            })?;
            Ok(parts)
        })
        .await
    }
}

impl Inner {
    /// The rows of a table in order, with their offsets in the object.
    pub(super) fn each_table_row(
        &self,
        table: u64,
        mut each: impl FnMut(u64, TableRow) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let end = keys::table_row(table, u64::MAX, 0);
        let mut rows = self.keyspace.scan(Family::Layouts, &keys::table_row(table, 0, 0), Some(&end));
        rows.seek_first();
        while let Some((row, value)) = rows.row() {
            let offset = keys::parse_table_row(row).unwrap_or_default();
            each(offset, decode("part of an object", value)?)?;
            rows.advance();
        }
        rows.status()
    }
}

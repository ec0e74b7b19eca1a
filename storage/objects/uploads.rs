//! Uploads in parts: begun, listed, filled, abandoned. Their completion is in `complete`.

use std::ops::Range;
use std::sync::Arc;

use super::PARTS_MAX;
use super::body::{Extent, Layout};
use super::commit::Change;
use super::keys::{self, UploadId};
use super::listing::{self, Walk};
use super::model::{
    BucketInfo, Checksum, Coverage, Digests, Key, ListPage, ListQuery, ObjectInfo, PartInfo, UploadInfo, UploadSpec,
    WantedDigests,
};
use super::records::{PartRecord, UploadRecord, decode, encode, etag};
use super::store::{Inner, ObjectStore};
use super::writer::StoredBody;
use crate::Fault;
use crate::fault::Kind;
use crate::keyspace::{Family, Scan, blocking};

impl Inner {
    pub(super) fn each_part(
        &self,
        upload: UploadId,
        mut each: impl FnMut(&[u8], u32, PartRecord) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let upper = keys::successor(&upload.0);
        let mut rows = self.keyspace.scan(Family::Parts, &upload.0, upper.as_deref());
        rows.seek_first();
        while let Some((row, value)) = rows.row() {
            let number = keys::parse_part(row).ok_or_else(|| Fault::Corrupt { what: "a part's row".into() })?;
            each(row, number, decode("part", value)?)?;
            rows.advance();
        }
        rows.status()
    }

    pub(super) fn upload_record(&self, row: &[u8], id: &str) -> Result<UploadRecord, Fault> {
        let value = self.keyspace.get(Family::Uploads, row)?;
        let value = value.ok_or_else(|| Fault::not_found(Kind::Upload, id))?;
        decode("upload", &value)
    }
}

pub(super) fn parse_id(id: &str) -> Result<UploadId, Fault> {
    UploadId::parse(id).ok_or_else(|| Fault::not_found(Kind::Upload, id))
}

fn check_number(number: u32) -> Result<(), Fault> {
    if (1..=PARTS_MAX).contains(&number) {
        Ok(())
    } else {
        Err(Fault::invalid("part number", format!("{number} is not between 1 and {PARTS_MAX}")))
    }
}

impl PartRecord {
    pub(super) fn into_info(self, number: u32) -> PartInfo {
        PartInfo {
            number,
            size: self.size,
            etag: etag(&self.digests.md5, 0),
            modified: self.modified,
            checksum: self.checksum,
        }
    }
}

impl ObjectStore {
    pub async fn create_upload(&self, bucket: &BucketInfo, key: &Key, spec: UploadSpec) -> Result<UploadInfo, Fault> {
        let mut change = Change::begin(&self.inner, bucket, Vec::new()).await?;
        let (generation, initiated) = change.stamp()?;
        let mut random = [0; 8];
        aws_lc_rs::rand::fill(&mut random).map_err(|_| Fault::Unavailable { why: "no random bytes".into() })?;
        let id = UploadId::new(generation, u64::from_be_bytes(random));
        let record = UploadRecord::new(&spec, initiated);
        change.batch.put(Family::Uploads, &keys::upload(bucket.id, key.bytes(), id), &encode(&record));
        change.commit().await?;
        Ok(UploadInfo { id: id.text(), key: key.clone(), initiated, spec })
    }

    pub fn upload(&self, bucket: &BucketInfo, key: &Key, id: &str) -> Result<UploadInfo, Fault> {
        let row = keys::upload(bucket.id, key.bytes(), parse_id(id)?);
        Ok(self.inner.upload_record(&row, id)?.into_info(key.clone(), id.to_owned()))
    }

    pub async fn put_part(
        &self,
        bucket: &BucketInfo,
        upload: &UploadInfo,
        number: u32,
        body: StoredBody,
        checksum: Option<Checksum>,
    ) -> Result<PartInfo, Fault> {
        check_number(number)?;
        let mut change = self.begin_part(bucket, upload).await?;
        let (size, digests) = (body.size(), body.digests().clone());
        let extents = match change.add_body(body)? {
            Layout::Body(extent) => vec![extent],
            _ => Vec::new(),
        };
        let (_, modified) = change.stamp()?;
        let record = PartRecord { size, modified, digests, checksum, extents };
        self.stage_part(&mut change, upload, number, &record)?;
        change.count_owners().await?;
        change.commit().await?;
        Ok(record.into_info(number))
    }

    /// A part that shares the source's bytes (UploadPartCopy): nothing is read but for its digests.
    pub async fn copy_part(
        &self,
        bucket: &BucketInfo,
        upload: &UploadInfo,
        number: u32,
        source: &ObjectInfo,
        range: Range<u64>,
    ) -> Result<PartInfo, Fault> {
        check_number(number)?;
        let wanted = upload
            .spec
            .checksum
            .map_or(WantedDigests::default(), |(algorithm, _)| WantedDigests::for_algorithm(algorithm));
        let digests = self.source_digests(source, &range, wanted).await?;
        let checksum = upload.spec.checksum.and_then(|(algorithm, _)| {
            Some(Checksum { algorithm, value: digests.value(algorithm)?, coverage: Coverage::FullObject })
        });
        let extents = self.source_extents(source, &range).await?;
        {
            let mut change = self.begin_part(bucket, upload).await?;
            let (_, modified) = change.stamp()?;
            change.ledger.own_extents(&extents);
            let size = range.end - range.start;
            let (digests, checksum) = (digests, checksum.clone());
            let record = PartRecord { size, modified, digests, checksum, extents };
            self.stage_part(&mut change, upload, number, &record)?;
            if change.count_owners().await? {
                change.commit().await?;
                return Ok(record.into_info(number));
            }
        }
        // The source is gone and its bytes are about to go; its pin keeps them until they are written anew.
        let body = self.rewrite(source, range, wanted).await?;
        self.put_part(bucket, upload, number, body, checksum).await
    }

    async fn source_digests(
        &self,
        source: &ObjectInfo,
        range: &Range<u64>,
        wanted: WantedDigests,
    ) -> Result<Digests, Fault> {
        let known = &source.known;
        if let (Some(md5), Some(crc32c), Some(crc64nvme)) = (source.md5, known.crc32c, known.crc64nvme)
            && *range == (0..source.size)
            && (!wanted.crc32 || known.crc32.is_some())
            && (!wanted.sha1 || known.sha1.is_some())
            && (!wanted.sha256 || known.sha256.is_some())
        {
            let (crc32, sha1, sha256) = (known.crc32, known.sha1, known.sha256);
            return Ok(Digests { md5, crc32c, crc64nvme, crc32, sha1, sha256 });
        }
        self.digest(source, range.clone(), wanted).await
    }

    async fn source_extents(&self, source: &ObjectInfo, range: &Range<u64>) -> Result<Vec<Extent>, Fault> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        match &source.layout {
            Layout::Empty => Ok(Vec::new()),
            Layout::Body(extent) => Ok(vec![extent.slice(range.clone())]),
            Layout::Table(table) => {
                let (inner, table, range) = (Arc::clone(&self.inner), *table, range.clone());
                let pin = source.pin.clone();
                blocking(move || {
                    let _pin = pin;
                    inner.table_extents(table, &range)
                })
                .await
            }
        }
    }

    async fn begin_part(&self, bucket: &BucketInfo, upload: &UploadInfo) -> Result<Change, Fault> {
        let row = keys::upload(bucket.id, upload.key.bytes(), parse_id(&upload.id)?);
        let guard = self.inner.locks.key(&row).await;
        let change = Change::begin(&self.inner, bucket, vec![guard]).await?;
        // Completed or aborted meanwhile: what is added now would never go away.
        if self.inner.keyspace.get(Family::Uploads, &row)?.is_none() {
            return Err(Fault::not_found(Kind::Upload, &upload.id));
        }
        Ok(change)
    }

    fn stage_part(
        &self,
        change: &mut Change,
        upload: &UploadInfo,
        number: u32,
        record: &PartRecord,
    ) -> Result<(), Fault> {
        let row = keys::part(parse_id(&upload.id)?, number);
        if let Some(value) = self.inner.keyspace.get(Family::Parts, &row)? {
            let replaced: PartRecord = decode("part", &value)?;
            change.ledger.disown_extents(&replaced.extents);
        }
        change.batch.put(Family::Parts, &row, &encode(record));
        Ok(())
    }

    /// Parts with numbers above `after`; the flag says whether more follow.
    #[allow(clippy::unused_async)] // callers await it: reading many parts may move to another thread
    pub async fn parts(
        &self,
        bucket: &BucketInfo,
        upload: &UploadInfo,
        after: u32,
        limit: usize,
    ) -> Result<(Vec<PartInfo>, bool), Fault> {
        let id = parse_id(&upload.id)?;
        let row = keys::upload(bucket.id, upload.key.bytes(), id);
        self.inner.upload_record(&row, &upload.id)?;
        let mut rows = self.inner.keyspace.scan(Family::Parts, &id.0, keys::successor(&id.0).as_deref());
        rows.seek(&keys::part(id, after.saturating_add(1)));
        let mut parts = Vec::new();
        while let Some((row, value)) = rows.row() {
            if parts.len() >= limit {
                return Ok((parts, true));
            }
            let number = keys::parse_part(row).ok_or_else(|| Fault::Corrupt { what: "a part's row".into() })?;
            parts.push(decode::<PartRecord>("part", value)?.into_info(number));
            rows.advance();
        }
        rows.status()?;
        Ok((parts, false))
    }

    /// Ordered by key, then by time of initiation. `after_id` continues inside the key `after`.
    pub async fn uploads(
        &self,
        bucket: &BucketInfo,
        query: ListQuery,
        after_id: Option<&str>,
    ) -> Result<ListPage<UploadInfo>, Fault> {
        let after_id = match after_id {
            Some(id) => {
                Some(UploadId::parse(id).ok_or_else(|| Fault::invalid("upload id marker", "not an upload's id"))?)
            }
            None => None,
        };
        let inner = Arc::clone(&self.inner);
        let bucket = bucket.id;
        blocking(move || inner.list_uploads(bucket, &query, after_id)).await
    }

    pub async fn abort_upload(&self, bucket: &BucketInfo, upload: &UploadInfo) -> Result<(), Fault> {
        let mut change = self.begin_part(bucket, upload).await?;
        let id = parse_id(&upload.id)?;
        change.batch.delete(Family::Uploads, &keys::upload(bucket.id, upload.key.bytes(), id));
        let Change { batch, ledger, .. } = &mut change;
        self.inner.each_part(id, |row, _, part| {
            batch.delete(Family::Parts, row);
            ledger.disown_extents(&part.extents);
            Ok(())
        })?;
        change.count_owners().await?;
        change.commit().await
    }
}

impl Inner {
    fn table_extents(&self, table: u64, range: &Range<u64>) -> Result<Vec<Extent>, Fault> {
        let mut extents: Vec<Extent> = Vec::new();
        self.each_table_row(table, |offset, row| {
            let mut at = offset;
            for extent in &row.extents {
                let from = range.start.max(at);
                let to = range.end.min(at + extent.len);
                if from < to {
                    extents.push(extent.slice(from - at..to - at));
                }
                at += extent.len;
            }
            Ok(())
        })?;
        Ok(extents)
    }

    fn list_uploads(
        &self,
        bucket: u64,
        query: &ListQuery,
        after_id: Option<UploadId>,
    ) -> Result<ListPage<UploadInfo>, Fault> {
        let lower = bucket.to_be_bytes();
        let rows = self.keyspace.scan(Family::Uploads, &lower, keys::successor(&lower).as_deref());
        let mut walk = Uploads { rows, bucket, key: None };
        let inside = query.after.as_deref().zip(after_id).filter(|(after, _)| after.starts_with(&query.prefix));
        if let Some((after, id)) = inside {
            let mut from = keys::upload(bucket, after.as_bytes(), id);
            from.push(0);
            walk.rows.seek(&from);
            walk.load();
        }
        listing::page(&mut walk, query, inside.is_some())
    }
}

struct Uploads<'k> {
    rows: Scan<'k>,
    bucket: u64,
    /// Of the row it stands on: key and upload.
    key: Option<(Vec<u8>, UploadId)>,
}

impl Uploads<'_> {
    fn load(&mut self) {
        self.key = self.rows.row().and_then(|(row, _)| keys::parse_upload(&row[keys::BUCKET_BYTES..]));
    }
}

impl Walk for Uploads<'_> {
    type Item = UploadInfo;

    fn seek(&mut self, key: &[u8]) {
        let mut row = self.bucket.to_be_bytes().to_vec();
        keys::escape(key, &mut row);
        self.rows.seek(&row);
        self.load();
    }

    fn advance(&mut self) {
        self.rows.advance();
        self.load();
    }

    fn key(&self) -> Option<&[u8]> {
        self.key.as_ref().map(|(key, _)| key.as_slice())
    }

    fn item(&self) -> Result<UploadInfo, Fault> {
        match (&self.key, self.rows.row()) {
            (Some((key, id)), Some((_, value))) => {
                Ok(decode::<UploadRecord>("upload", value)?.into_info(Key::stored(key)?, id.text()))
            }
            _ => Err(Fault::Corrupt { what: "an upload's row".into() }),
        }
    }

    fn status(&self) -> Result<(), Fault> {
        self.rows.status()
    }
}

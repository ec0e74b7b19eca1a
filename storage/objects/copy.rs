//! Copies: a new record over the same bytes. Bytes are read only for a digest that nobody has computed yet (the MD5 of
//! an object made of parts among them), or where the source was deleted while it was being copied.

use super::commit::Change;
use super::digests::Known;
use super::model::{BucketInfo, Checksum, CopySpec, Digests, Key, ObjectInfo, WantedDigests};
use super::reader::BodyReader;
use super::records::{ObjectRecord, parse_etag};
use super::store::{Inner, ObjectStore};
use super::writer::{BodyWriter, Hasher, StoredBody};
use crate::Fault;
use crate::fault::Algorithm;

impl ObjectStore {
    pub async fn copy(
        &self,
        source: &ObjectInfo,
        bucket: &BucketInfo,
        key: &Key,
        spec: CopySpec,
    ) -> Result<ObjectInfo, Fault> {
        let mut record = if spec.as_one && source.part_count > 0 {
            self.record_as_one(source, &spec).await?
        } else {
            let checksum = self.copied_checksum(source, spec.checksum).await?;
            copied_record(source, &spec, checksum)?
        };
        let row = Inner::object_row(bucket, key);
        let mut bytes: Option<StoredBody> = None;
        loop {
            let guard = self.inner.locks.key(&row).await;
            let mut change = Change::begin(&self.inner, bucket, vec![guard]).await?;
            self.inner.check_write(&spec.conditions, &row, key)?;
            (record.generation, record.modified) = change.stamp()?;
            match bytes.take() {
                Some(body) => record.layout = change.add_body(body)?,
                None => change.ledger.own(&record.layout),
            }
            change.put_object(&self.inner, bucket, key, &row, &record)?;
            if change.count_owners().await? {
                let pin = self.inner.reclaim.pin();
                change.commit().await?;
                return Ok(record.into_info(key.clone(), pin));
            }
            // The source is gone and its bytes are about to go; its pin keeps them until they are written anew.
            drop(change);
            let body = self.rewrite(source, 0..source.size, WantedDigests::default()).await?;
            record.digest = body.digests().md5;
            record.part_count = 0;
            bytes = Some(body);
        }
    }

    async fn record_as_one(&self, source: &ObjectInfo, spec: &CopySpec) -> Result<ObjectRecord, Fault> {
        let algorithm = spec.checksum.or_else(|| source.checksum.as_ref().map(|checksum| checksum.algorithm));
        let wanted = algorithm.map_or(WantedDigests::default(), WantedDigests::for_algorithm);
        let digests = self.digest(source, 0..source.size, wanted).await?;
        let known = Known::from(&digests);
        let checksum = algorithm.and_then(|algorithm| known.checksum(algorithm));
        Ok(ObjectRecord { digest: digests.md5, part_count: 0, known, ..copied_record(source, spec, checksum)? })
    }

    /// The checksum of the copy: the source's own, or the one asked for.
    async fn copied_checksum(&self, source: &ObjectInfo, asked: Option<Algorithm>) -> Result<Option<Checksum>, Fault> {
        let Some(algorithm) = asked else {
            return Ok(source.checksum.clone());
        };
        if let Some(checksum) = &source.checksum
            && checksum.algorithm == algorithm
        {
            return Ok(Some(checksum.clone()));
        }
        if let Some(checksum) = source.known.checksum(algorithm) {
            return Ok(Some(checksum));
        }
        let digests = self.digest(source, 0..source.size, WantedDigests::for_algorithm(algorithm)).await?;
        Ok(Known::from(&digests).checksum(algorithm))
    }

    /// Digests of bytes that are stored already.
    pub(super) async fn digest(
        &self,
        source: &ObjectInfo,
        range: std::ops::Range<u64>,
        wanted: WantedDigests,
    ) -> Result<Digests, Fault> {
        digest(self.read(source, range)?, wanted).await
    }

    /// Writes stored bytes anew, as a body of their own.
    pub(super) async fn rewrite(
        &self,
        source: &ObjectInfo,
        range: std::ops::Range<u64>,
        wanted: WantedDigests,
    ) -> Result<StoredBody, Fault> {
        let mut writer = BodyWriter::new(std::sync::Arc::clone(&self.inner), wanted);
        let mut reader = self.read(source, range)?;
        while let Some(chunk) = reader.next().await {
            writer.write(chunk?).await?;
        }
        writer.seal().await
    }
}

pub(super) async fn digest(mut reader: BodyReader, wanted: WantedDigests) -> Result<Digests, Fault> {
    let mut hasher = Hasher::new(wanted);
    while let Some(chunk) = reader.next().await {
        hasher.write(chunk?).await?;
    }
    hasher.finish().await
}

fn copied_record(source: &ObjectInfo, spec: &CopySpec, checksum: Option<Checksum>) -> Result<ObjectRecord, Fault> {
    let (digest, part_count) = parse_etag(&source.etag)
        .ok_or_else(|| Fault::Internal(anyhow::anyhow!("ETag {:?} is not the engine's own", source.etag)))?;
    Ok(ObjectRecord {
        generation: 0,
        size: source.size,
        digest,
        part_count,
        modified: source.modified,
        owner: spec.owner.clone(),
        layout: source.layout.clone(),
        checksum,
        known: source.known,
        attributes: spec.attributes.clone().unwrap_or_else(|| source.attributes.clone()),
        tags: spec.tags.clone().unwrap_or_else(|| source.tags.clone()),
        metageneration: 0,
    })
}

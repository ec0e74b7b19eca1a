//! Completion of an upload: the parts named by the client become one object, without moving a byte.

use std::collections::HashMap;

use super::body::Layout;
use super::commit::Change;
use super::keys::{self, UploadId};
use super::model::{
    BucketInfo, Checksum, CompleteSpec, CompletedPart, Coverage, Digests, Key, ObjectInfo, UploadInfo, UploadSpec,
    WantedDigests,
};
use super::records::{CompletedRecord, ObjectRecord, PartRecord, TableRow, decode, encode, parse_etag};
use super::store::{Inner, ObjectStore};
use super::uploads::parse_id;
use super::{PARTS_MAX, copy, digests};
use crate::fault::Algorithm;
use crate::keyspace::Family;
use crate::{Fault, Timestamp};

/// How long the answer of a completion can be asked for again, in milliseconds.
const COMPLETED_KEPT_MS: u64 = 60 * 60 * 1000;
/// Expired answers removed by each completion.
const EXPIRED_PER_COMPLETION: usize = 4;

/// Parts' digests that had to be computed from their bytes, by number.
type Reread = HashMap<u32, Digests>;

struct Part {
    number: u32,
    record: PartRecord,
}

impl Part {
    fn digests<'a>(&'a self, reread: &'a Reread) -> Result<&'a Digests, Fault> {
        match reread.get(&self.number) {
            None => Ok(&self.record.digests),
            Some(digests) if digests.md5 == self.record.digests.md5 => Ok(digests),
            Some(_) => Err(Fault::Conflict { why: format!("part {} was replaced meanwhile", self.number) }),
        }
    }
}

impl ObjectStore {
    pub async fn complete_upload(
        &self,
        bucket: &BucketInfo,
        upload: &UploadInfo,
        parts: Vec<CompletedPart>,
        spec: CompleteSpec,
    ) -> Result<ObjectInfo, Fault> {
        let id = parse_id(&upload.id)?;
        let upload_row = keys::upload(bucket.id, upload.key.bytes(), id);
        let row = Inner::object_row(bucket, &upload.key);
        self.inner.upload_record(&upload_row, &upload.id)?;
        let reread = self.reread(upload, id, &parts, &spec).await?;
        let guards = self.inner.locks.keys(&row, &upload_row).await;
        let mut change = Change::begin(&self.inner, bucket, guards).await?;
        self.inner.upload_record(&upload_row, &upload.id)?;
        let chosen = self.inner.choose_parts(id, &parts, &spec)?;
        let checksum = whole_checksum(upload, &chosen, &spec, &reread)?;
        self.inner.check_write(&spec.conditions, &row, &upload.key)?;
        let (generation, modified) = change.stamp()?;
        let mut record = whole(&upload.spec, &chosen, checksum);
        (record.generation, record.modified) = (generation, modified);
        record.layout = Layout::Table(self.inner.next_number()?);
        self.stage_parts(&mut change, id, &record, chosen)?;
        change.batch.delete(Family::Uploads, &upload_row);
        change.put_object(&self.inner, bucket, &upload.key, &row, &record)?;
        self.inner.keep_answer(&mut change, bucket, id, upload.key.as_str(), &parts, &record)?;
        change.count_owners().await?;
        let pin = self.inner.reclaim.pin();
        change.commit().await?;
        Ok(record.into_info(upload.key.clone(), pin))
    }

    /// What completing the upload answered, where it was completed with the same parts not long ago: S3 lets a
    /// client repeat a completion. Ask when [`ObjectStore::upload`] says that there is no such upload.
    pub fn completed_upload(
        &self,
        bucket: &BucketInfo,
        key: &Key,
        id: &str,
        parts: &[CompletedPart],
    ) -> Result<Option<ObjectInfo>, Fault> {
        let Some(upload) = UploadId::parse(id) else {
            return Ok(None);
        };
        let pin = self.inner.reclaim.pin();
        let Some(value) = self.inner.keyspace.get(Family::Completed, &keys::completed(bucket.id, upload))? else {
            return Ok(None);
        };
        let record: CompletedRecord = decode("completed upload", &value)?;
        let same = record.key == key.as_str() && record.parts == parts_digest(parts);
        let expired = expired(record.at, self.inner.clock.now());
        Ok((same && !expired).then(|| record.object.into_info(key.clone(), pin)))
    }

    /// Digests that completing needs and that were not computed on the way in. Read before anything is locked: it
    /// may take long.
    async fn reread(
        &self,
        upload: &UploadInfo,
        id: UploadId,
        parts: &[CompletedPart],
        spec: &CompleteSpec,
    ) -> Result<Reread, Fault> {
        let mut reread = Reread::new();
        let algorithms = [upload.spec.checksum.map(|asked| asked.0), spec.declared.as_ref().map(|declared| declared.0)];
        let algorithms: Vec<_> = algorithms.into_iter().flatten().collect();
        let wanted = WantedDigests {
            crc32: algorithms.contains(&Algorithm::Crc32),
            sha1: algorithms.contains(&Algorithm::Sha1),
            sha256: algorithms.contains(&Algorithm::Sha256),
        };
        if wanted == WantedDigests::default() {
            return Ok(reread);
        }
        let pin = self.inner.reclaim.pin();
        for Part { number, record } in self.inner.choose_parts(id, parts, spec)? {
            if algorithms.iter().any(|algorithm| record.digests.value(*algorithm).is_none()) {
                let reader = self.read_extents(record.extents, pin.clone());
                reread.insert(number, copy::digest(reader, wanted).await?);
            }
        }
        Ok(reread)
    }

    /// The parts named go into the object's table; the others go.
    fn stage_parts(
        &self,
        change: &mut Change,
        id: UploadId,
        record: &ObjectRecord,
        chosen: Vec<Part>,
    ) -> Result<(), Fault> {
        let Layout::Table(table) = record.layout else {
            return Ok(());
        };
        let Change { batch, ledger, .. } = change;
        self.inner.each_part(id, |row, number, part| {
            if chosen.binary_search_by_key(&number, |part| part.number).is_err() {
                ledger.disown_extents(&part.extents);
            }
            batch.delete(Family::Parts, row);
            Ok(())
        })?;
        let mut offset = 0;
        for Part { number, record } in chosen {
            let size = record.size;
            let row = TableRow { number, size, checksum: record.checksum, extents: record.extents };
            batch.put(Family::Layouts, &keys::table_row(table, offset, number), &encode(&row));
            offset += size;
        }
        Ok(())
    }
}

impl Inner {
    /// The parts as stored, checked against what the client named.
    fn choose_parts(&self, id: UploadId, named: &[CompletedPart], spec: &CompleteSpec) -> Result<Vec<Part>, Fault> {
        if named.is_empty() {
            return Err(Fault::invalid("parts", "none named"));
        }
        if named.len() > PARTS_MAX as usize {
            let actual = named.len() as u64;
            return Err(Fault::TooLarge { what: "parts", limit: u64::from(PARTS_MAX), actual });
        }
        if named.windows(2).any(|pair| pair[0].number >= pair[1].number) {
            return Err(Fault::PartOrder);
        }
        let mut chosen = Vec::with_capacity(named.len());
        let mut wanted = named.iter().peekable();
        self.each_part(id, |_, number, record| {
            if wanted.peek().is_some_and(|part| part.number < number) {
                return Ok(());
            }
            if let Some(part) = wanted.next_if(|part| part.number == number) {
                check_part(part, &record)?;
                chosen.push(Part { number, record });
            }
            Ok(())
        })?;
        if let Some(missing) = wanted.next() {
            return Err(Fault::InvalidPart { number: missing.number, why: "not uploaded" });
        }
        check_sizes(&chosen, spec)?;
        Ok(chosen)
    }

    /// Keeps the answer for a client that asks again, and lets go of answers that have been kept long enough.
    fn keep_answer(
        &self,
        change: &mut Change,
        bucket: &BucketInfo,
        id: UploadId,
        key: &str,
        parts: &[CompletedPart],
        object: &ObjectRecord,
    ) -> Result<(), Fault> {
        let record = CompletedRecord {
            parts: parts_digest(parts),
            at: object.modified,
            object: object.clone(),
            key: key.to_owned(),
        };
        change.batch.put(Family::Completed, &keys::completed(bucket.id, id), &encode(&record));
        let lower = bucket.id.to_be_bytes();
        let mut rows = self.keyspace.scan(Family::Completed, &lower, keys::successor(&lower).as_deref());
        rows.seek_first();
        for _ in 0..EXPIRED_PER_COMPLETION {
            let Some((row, value)) = rows.row() else { break };
            if !expired(decode::<CompletedRecord>("completed upload", value)?.at, object.modified) {
                break;
            }
            change.batch.delete(Family::Completed, row);
            rows.advance();
        }
        rows.status()
    }
}

/// The checksum of the object: full-object or composite, as the upload was begun; the client's own is verified.
fn whole_checksum(
    upload: &UploadInfo,
    parts: &[Part],
    spec: &CompleteSpec,
    reread: &Reread,
) -> Result<Option<Checksum>, Fault> {
    let digests = parts.iter().map(|part| part.digests(reread)).collect::<Result<Vec<_>, _>>()?;
    let sizes = parts.iter().map(|part| part.record.size);
    let known = digests::concatenation(digests.iter().copied().zip(sizes));
    // A checksum over all bytes that does not combine (SHA) is known for a single part only.
    let checksum = match upload.spec.checksum {
        None => None,
        Some((algorithm, true)) => known.checksum(algorithm),
        Some((algorithm, false)) => {
            let values: Vec<_> = digests.iter().filter_map(|digests| digests.value(algorithm)).collect();
            let parts = u32::try_from(parts.len()).unwrap_or(PARTS_MAX);
            let value = digests::composite(algorithm, &values);
            Some(Checksum { algorithm, value, coverage: Coverage::Composite { parts } })
        }
    };
    if let Some((algorithm, declared)) = &spec.declared {
        let own = checksum.as_ref().filter(|checksum| checksum.algorithm == *algorithm);
        let actual = own.map(|own| own.value.clone()).or_else(|| known.value(*algorithm)).unwrap_or_default();
        if actual != *declared {
            let base64 = |value: &[u8]| data_encoding::BASE64.encode(value);
            let (declared, actual) = (base64(declared), base64(&actual));
            return Err(Fault::DigestMismatch { algorithm: *algorithm, declared, actual });
        }
    }
    Ok(checksum)
}

fn expired(at: Timestamp, now: Timestamp) -> bool {
    now > at.plus_millis(COMPLETED_KEPT_MS)
}

fn check_part(named: &CompletedPart, stored: &PartRecord) -> Result<(), Fault> {
    let number = named.number;
    if parse_etag(&named.etag) != Some((stored.digests.md5, 0)) {
        return Err(Fault::InvalidPart { number, why: "its ETag differs" });
    }
    let Some((algorithm, value)) = &named.checksum else {
        return Ok(());
    };
    let own = match &stored.checksum {
        Some(checksum) if checksum.algorithm == *algorithm => Some(checksum.value.clone()),
        _ => stored.digests.value(*algorithm),
    };
    if own.as_ref() == Some(value) { Ok(()) } else { Err(Fault::InvalidPart { number, why: "its checksum differs" }) }
}

fn check_sizes(parts: &[Part], spec: &CompleteSpec) -> Result<(), Fault> {
    let Some((_, but_last)) = parts.split_last() else {
        return Ok(());
    };
    for part in but_last {
        let size = part.record.size;
        if size < spec.part_size_min {
            return Err(Fault::TooSmall { what: "part", limit: spec.part_size_min, actual: size });
        }
        if spec.equal_parts && Some(size) != but_last.first().map(|first| first.record.size) {
            return Err(Fault::InvalidPart { number: part.number, why: "its size differs from the others'" });
        }
    }
    let size: u64 = parts.iter().map(|part| part.record.size).sum();
    match spec.declared_size {
        Some(declared) if declared != size => {
            Err(Fault::invalid("object size", format!("{declared} declared, the parts have {size}")))
        }
        _ => Ok(()),
    }
}

/// The object that the parts make, but for its place in time and on disk.
fn whole(spec: &UploadSpec, parts: &[Part], checksum: Option<Checksum>) -> ObjectRecord {
    let md5s: Vec<u8> = parts.iter().flat_map(|part| part.record.digests.md5).collect();
    ObjectRecord {
        generation: 0,
        size: parts.iter().map(|part| part.record.size).sum(),
        digest: digests::md5(&md5s),
        part_count: u32::try_from(parts.len()).unwrap_or(PARTS_MAX),
        modified: Timestamp::default(),
        owner: spec.owner.clone(),
        layout: Layout::Empty,
        checksum,
        known: digests::concatenation(parts.iter().map(|part| (&part.record.digests, part.record.size))),
        attributes: spec.attributes.clone(),
        tags: spec.tags.clone(),
        metageneration: 0,
    }
}

/// Tells one list of parts from another.
fn parts_digest(parts: &[CompletedPart]) -> [u8; 16] {
    let mut text = String::new();
    for part in parts {
        text.push_str(&part.number.to_string());
        text.push(' ');
        text.push_str(&part.etag.to_ascii_lowercase());
        text.push('\n');
    }
    digests::md5(text.as_bytes())
}

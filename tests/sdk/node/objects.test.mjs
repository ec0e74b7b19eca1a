// @aws-sdk/client-s3 through every door: buckets, objects, streams, listings, conditions, checksums, errors.
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import {
  AbortMultipartUploadCommand, CompleteMultipartUploadCommand, CopyObjectCommand, CreateBucketCommand,
  CreateMultipartUploadCommand, DeleteBucketCommand, DeleteObjectCommand, DeleteObjectsCommand, GetBucketCorsCommand,
  GetBucketLocationCommand, GetObjectAttributesCommand, GetObjectCommand, GetObjectTaggingCommand, HeadBucketCommand,
  HeadObjectCommand, ListBucketsCommand, ListMultipartUploadsCommand, ListObjectsCommand, ListObjectsV2Command,
  ListPartsCommand, PutBucketCorsCommand, PutObjectCommand, PutObjectTaggingCommand, UploadPartCommand,
  UploadPartCopyCommand, paginateListObjectsV2, waitUntilObjectExists,
} from '@aws-sdk/client-s3';
import { DOORS, bucketName, bytes, client, md5, noise, throughDoors } from './harness.mjs';

const AWS = DOORS.filter((door) => door.service === 'aws_s3');
const PART = 5 * 1024 * 1024;
const KEYS = ['plain', 'with space', 'plus+', 'per%cent', 'a//b', '日本/🎉', 'q?m&x=y', "quote'", '(paren)!*', 'dir/'];

function cases(title, doors, each) {
  for (const [name, run] of throughDoors(doors, each)) test(`${title} [${name}]`, run);
}

const refused = (code, status) => (error) => {
  assert.equal(error.name, code);
  if (status) assert.equal(error.$metadata.httpStatusCode, status);
  return true;
};

cases('life of a bucket', DOORS, async ({ s3 }) => {
  const Bucket = bucketName();
  await s3.send(new CreateBucketCommand({ Bucket }));
  await s3.send(new HeadBucketCommand({ Bucket }));
  const { Buckets } = await s3.send(new ListBucketsCommand({}));
  assert.ok(Buckets.some((one) => one.Name === Bucket));
  await s3.send(new GetBucketLocationCommand({ Bucket }));
  await s3.send(new DeleteBucketCommand({ Bucket }));
  await assert.rejects(s3.send(new HeadBucketCommand({ Bucket })), refused('NotFound', 404));
});

cases('objects up and down', DOORS, async ({ s3, Bucket }) => {
  for (const size of [0, 1, 40_000, 3_000_000]) {
    const Body = noise(size);
    const put = await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body, Metadata: { a: '1' }, ContentType: 'text/plain' }));
    assert.equal(put.ETag, `"${md5(Body)}"`);
    const got = await s3.send(new GetObjectCommand({ Bucket, Key: 'k' }));
    assert.deepEqual(await bytes(got), Body);
    assert.deepEqual([got.Metadata, got.ContentType, got.ContentLength], [{ a: '1' }, 'text/plain', size]);
  }
  await waitUntilObjectExists({ client: s3, minDelay: 1, maxWaitTime: 5 }, { Bucket, Key: 'k' });
  await s3.send(new DeleteObjectCommand({ Bucket, Key: 'k' }));
  await assert.rejects(s3.send(new GetObjectCommand({ Bucket, Key: 'k' })), refused('NoSuchKey', 404));
});

cases('keys of every kind', DOORS, async ({ s3, Bucket }) => {
  for (const Key of KEYS) await s3.send(new PutObjectCommand({ Bucket, Key, Body: Key }));
  for (const Key of KEYS) {
    assert.equal((await bytes(await s3.send(new GetObjectCommand({ Bucket, Key })))).toString(), Key);
  }
  const { Contents } = await s3.send(new ListObjectsV2Command({ Bucket }));
  assert.deepEqual(Contents.map((one) => one.Key).sort(), [...KEYS].sort());
  const { Deleted } = await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: KEYS.map((Key) => ({ Key })) } }));
  assert.equal(Deleted.length, KEYS.length);
});

cases('a stream whose length is told', DOORS, async ({ s3, Bucket }) => {
  const data = noise(700_001);
  const Body = Readable.from([data.subarray(0, 8192), data.subarray(8192, 300_000), data.subarray(300_000)]);
  await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body, ContentLength: data.length }));
  const got = await s3.send(new GetObjectCommand({ Bucket, Key: 'k' }));
  assert.deepEqual(await bytes(got), data);
  assert.equal(got.ContentEncoding, undefined);
});

cases('a stream of small pieces', DOORS, async ({ door, Bucket }) => {
  // S3 refuses chunks below 8 KiB but the last; the SDK gathers them when told to.
  const data = noise(50_000);
  const put = (s3) => {
    const pieces = [data.subarray(0, 100), data.subarray(100, 9000), data.subarray(9000)];
    return s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: Readable.from(pieces), ContentLength: data.length }));
  };
  await assert.rejects(put(client(door)), refused('InvalidChunkSizeError', 403));
  const s3 = client(door, { requestStreamBufferSize: 64 * 1024 });
  await put(s3);
  assert.deepEqual(await bytes(await s3.send(new GetObjectCommand({ Bucket, Key: 'k' }))), data);
});

cases('ranges and conditions', DOORS, async ({ s3, Bucket }) => {
  const { ETag } = await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: '0123456789' }));
  const part = await s3.send(new GetObjectCommand({ Bucket, Key: 'k', Range: 'bytes=2-4' }));
  assert.deepEqual([(await bytes(part)).toString(), part.ContentRange], ['234', 'bytes 2-4/10']);
  await assert.rejects(s3.send(new GetObjectCommand({ Bucket, Key: 'k', Range: 'bytes=50-' })), refused('InvalidRange', 416));
  await assert.rejects(s3.send(new HeadObjectCommand({ Bucket, Key: 'k', IfNoneMatch: ETag })), (error) => error.$metadata.httpStatusCode === 304);
  const again = { Bucket, Key: 'k', Body: 'x', IfNoneMatch: '*' };
  await assert.rejects(s3.send(new PutObjectCommand(again)), refused('PreconditionFailed', 412));
  await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'y', IfMatch: ETag }));
});

cases('listings, page by page', DOORS, async ({ s3, Bucket }) => {
  const keys = ['a', 'b/1', 'b/2', 'c d', 'é/1', 'z'];
  for (const Key of keys) await s3.send(new PutObjectCommand({ Bucket, Key, Body: '' }));
  const found = [];
  for await (const page of paginateListObjectsV2({ client: s3, pageSize: 2 }, { Bucket })) {
    found.push(...page.Contents.map((one) => one.Key));
  }
  assert.deepEqual(found, keys.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
  const grouped = await s3.send(new ListObjectsCommand({ Bucket, Delimiter: '/' }));
  assert.deepEqual(grouped.CommonPrefixes.map((one) => one.Prefix), ['b/', 'é/']);
});

cases('copies', DOORS, async ({ s3, Bucket }) => {
  await s3.send(new PutObjectCommand({ Bucket, Key: 'from here', Body: 'data', Metadata: { a: '1' } }));
  await s3.send(new CopyObjectCommand({ Bucket, Key: 'to', CopySource: `${Bucket}/${encodeURIComponent('from here')}` }));
  const got = await s3.send(new GetObjectCommand({ Bucket, Key: 'to' }));
  assert.deepEqual([(await bytes(got)).toString(), got.Metadata], ['data', { a: '1' }]);
});

cases('an upload in parts', DOORS, async ({ s3, Bucket }) => {
  const pieces = [noise(PART), noise(PART), noise(99)];
  const upload = { Bucket, Key: 'k' };
  upload.UploadId = (await s3.send(new CreateMultipartUploadCommand(upload))).UploadId;
  const Parts = [];
  for (const [index, Body] of pieces.entries()) {
    const { ETag } = await s3.send(new UploadPartCommand({ ...upload, PartNumber: index + 1, Body }));
    Parts.push({ PartNumber: index + 1, ETag });
  }
  const listed = await s3.send(new ListPartsCommand(upload));
  assert.deepEqual(listed.Parts.map((part) => part.ETag), Parts.map((part) => part.ETag));
  await s3.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } }));
  assert.deepEqual(await bytes(await s3.send(new GetObjectCommand({ Bucket, Key: 'k' }))), Buffer.concat(pieces));

  const second = { Bucket, Key: 'copy' };
  second.UploadId = (await s3.send(new CreateMultipartUploadCommand(second))).UploadId;
  const copied = await s3.send(new UploadPartCopyCommand({ ...second, PartNumber: 1, CopySource: `${Bucket}/k`, CopySourceRange: 'bytes=0-9' }));
  assert.equal(copied.CopyPartResult.ETag, `"${md5(pieces[0].subarray(0, 10))}"`);
  assert.equal((await s3.send(new ListMultipartUploadsCommand({ Bucket }))).Uploads.length, 1);
  await s3.send(new AbortMultipartUploadCommand(second));
  await assert.rejects(s3.send(new ListPartsCommand(second)), refused('NoSuchUpload', 404));
});

for (const ChecksumAlgorithm of ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256']) {
  cases(`checksum ${ChecksumAlgorithm}`, AWS, async ({ s3, Bucket }) => {
    const data = noise(50_000);
    const member = `Checksum${ChecksumAlgorithm}`;
    const plain = await s3.send(new PutObjectCommand({ Bucket, Key: 'plain', Body: data, ChecksumAlgorithm }));
    const stream = { Bucket, Key: 'stream', Body: Readable.from([data]), ContentLength: data.length, ChecksumAlgorithm };
    const streamed = await s3.send(new PutObjectCommand(stream));
    assert.ok(plain[member]);
    assert.equal(streamed[member], plain[member]);
    for (const Key of ['plain', 'stream']) {
      const got = await s3.send(new GetObjectCommand({ Bucket, Key, ChecksumMode: 'ENABLED' }));
      assert.equal(got[member], plain[member]);
      assert.deepEqual(await bytes(got), data);
    }
    const wrong = { Bucket, Key: 'wrong', Body: 'other', [member]: plain[member] };
    await assert.rejects(s3.send(new PutObjectCommand(wrong)), refused('BadDigest', 400));
  });
}

cases('tags, attributes and CORS', AWS, async ({ s3, Bucket }) => {
  await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'data' }));
  const TagSet = [{ Key: 'a', Value: '1 &' }];
  await assert.rejects(s3.send(new PutObjectTaggingCommand({ Bucket, Key: 'k', Tagging: { TagSet } })), refused('InvalidTag', 400));
  TagSet[0].Value = '1 +';
  await s3.send(new PutObjectTaggingCommand({ Bucket, Key: 'k', Tagging: { TagSet } }));
  assert.deepEqual((await s3.send(new GetObjectTaggingCommand({ Bucket, Key: 'k' }))).TagSet, TagSet);
  const told = await s3.send(new GetObjectAttributesCommand({ Bucket, Key: 'k', ObjectAttributes: ['ETag', 'ObjectSize'] }));
  assert.deepEqual([told.ETag, told.ObjectSize], [md5('data'), 4]);
  const CORSRules = [{ AllowedMethods: ['GET'], AllowedOrigins: ['https://site.example'], AllowedHeaders: ['*'] }];
  await s3.send(new PutBucketCorsCommand({ Bucket, CORSConfiguration: { CORSRules } }));
  assert.deepEqual((await s3.send(new GetBucketCorsCommand({ Bucket }))).CORSRules, CORSRules);
});

test('keys of nobody', async () => {
  const s3 = client(DOORS[2], { credentials: { accessKeyId: 'AKIANOBODYNOBODY0000', secretAccessKey: 'x' } });
  await assert.rejects(s3.send(new ListBucketsCommand({})), refused('InvalidAccessKeyId', 403));
});

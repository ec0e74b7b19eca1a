// @aws-sdk/lib-storage, s3-request-presigner and s3-presigned-post.
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import {
  DeleteObjectCommand, GetObjectCommand, HeadObjectCommand, ListMultipartUploadsCommand, PutObjectCommand, UploadPartCommand,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { createPresignedPost } from '@aws-sdk/s3-presigned-post';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { DOORS, bytes, noise, throughDoors } from './harness.mjs';

// R2 has no POST form uploads.
const FORMS = DOORS.filter((door) => door.service !== 'cloudflare_r2');
const MIB = 1024 * 1024;

function cases(title, doors, each) {
  for (const [name, run] of throughDoors(doors, each)) test(`${title} [${name}]`, run);
}

async function* pieces(data, size) {
  for (let start = 0; start < data.length; start += size) yield data.subarray(start, start + size);
}

for (const size of [0, 1000, 17 * MIB + 5]) {
  cases(`a stream of unknown length, ${size} bytes`, DOORS, async ({ s3, Bucket }) => {
    const data = noise(size);
    const Body = Readable.from(pieces(data, 100_000));
    const progress = [];
    const upload = new Upload({ client: s3, params: { Bucket, Key: 'k', Body, Metadata: { a: '1' } } });
    upload.on('httpUploadProgress', (event) => progress.push(event.loaded));
    await upload.done();
    const got = await s3.send(new GetObjectCommand({ Bucket, Key: 'k' }));
    assert.equal(Buffer.compare(await bytes(got), data), 0);
    assert.deepEqual(got.Metadata, { a: '1' });
  });
}

cases('an upload given up', DOORS, async ({ s3, Bucket }) => {
  const body = async function* body() {
    yield noise(6 * MIB);
    throw new Error('the source broke');
  };
  const upload = new Upload({ client: s3, params: { Bucket, Key: 'k', Body: Readable.from(body()) } });
  await assert.rejects(upload.done());
  const { Uploads } = await s3.send(new ListMultipartUploadsCommand({ Bucket }));
  assert.equal(Uploads, undefined);
});

cases('presigned URLs', DOORS, async ({ s3, Bucket }) => {
  const Key = 'dir/a b+c 🎉.txt';
  const put = await getSignedUrl(s3, new PutObjectCommand({ Bucket, Key }), { expiresIn: 60 });
  const sent = await fetch(put, { method: 'PUT', body: 'by url' });
  assert.equal(sent.status, 200, await sent.text());
  const got = await fetch(await getSignedUrl(s3, new GetObjectCommand({ Bucket, Key, ResponseContentType: 'text/css' })));
  assert.deepEqual([got.status, await got.text(), got.headers.get('content-type')], [200, 'by url', 'text/css']);
  const head = await fetch(await getSignedUrl(s3, new HeadObjectCommand({ Bucket, Key })), { method: 'HEAD' });
  assert.equal(head.headers.get('content-length'), '6');
  const gone = await fetch(await getSignedUrl(s3, new DeleteObjectCommand({ Bucket, Key })), { method: 'DELETE' });
  assert.equal(gone.status, 204);
  const tampered = await fetch(put.replace('X-Amz-Signature=', 'X-Amz-Signature=0'), { method: 'PUT', body: 'x' });
  assert.equal(tampered.status, 403);
  assert.match(await tampered.text(), /SignatureDoesNotMatch/);
});

cases('presigned part with signed headers', DOORS, async ({ s3, Bucket }) => {
  const command = new PutObjectCommand({ Bucket, Key: 'k', ContentType: 'text/plain' });
  const url = await getSignedUrl(s3, command, { signableHeaders: new Set(['content-type']) });
  assert.equal((await fetch(url, { method: 'PUT', body: 'x', headers: { 'content-type': 'text/plain' } })).status, 200);
  assert.equal((await fetch(url, { method: 'PUT', body: 'x', headers: { 'content-type': 'text/html' } })).status, 403);
  const none = await getSignedUrl(s3, new UploadPartCommand({ Bucket, Key: 'k', UploadId: 'none', PartNumber: 1 }));
  assert.equal((await fetch(none, { method: 'PUT', body: 'x' })).status, 404);
});

cases('presigned POST', FORMS, async ({ s3, Bucket }) => {
  const { url, fields } = await createPresignedPost(s3, {
    Bucket,
    Key: 'in/${filename}',
    Conditions: [['content-length-range', 1, 100], ['starts-with', '$Content-Type', 'text/']],
    Fields: { 'x-amz-meta-a': '1' },
    Expires: 60,
  });
  const send = (text, type) => {
    const form = new FormData();
    for (const [name, value] of Object.entries(fields)) form.append(name, value);
    form.append('Content-Type', type);
    form.append('file', new Blob([text]), 'näme.txt');
    return fetch(url, { method: 'POST', body: form });
  };
  const sent = await send('by form', 'text/plain');
  assert.equal(sent.status, 204, await sent.text());
  const got = await s3.send(new GetObjectCommand({ Bucket, Key: 'in/näme.txt' }));
  assert.deepEqual([(await bytes(got)).toString(), got.ContentType, got.Metadata], ['by form', 'text/plain', { a: '1' }]);
  for (const [text, type, status, code] of [
    ['x'.repeat(101), 'text/plain', 400, 'EntityTooLarge'],
    ['x', 'image/png', 403, 'AccessDenied'],
  ]) {
    const bad = await send(text, type);
    assert.equal(bad.status, status);
    assert.match(await bad.text(), new RegExp(code));
  }
});

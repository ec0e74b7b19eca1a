// What the JavaScript cases stand on: an environment, clients through its doors, and bytes to store.
// The appliance is the one `harness/serve.py` started; its addresses stand in MOCKFACTORY_* variables.
import { createHash, randomBytes } from 'node:crypto';
import { after } from 'node:test';
import { S3Client } from '@aws-sdk/client-s3';

const base = process.env.MOCKFACTORY_URL;
const ports = { http: new URL(base).port, https: new URL(process.env.MOCKFACTORY_HTTPS_URL).port };
const domain = 'mockfactory.localhost';
const labels = { aws_s3: 's3', cloudflare_r2: 'r2', do_spaces: 'spaces' };
const mounts = { cloudflare_r2: ['cloudflare', '/r2'], do_spaces: ['digitalocean', '/v2/spaces'] };

export async function control(method, path, body) {
  const answer = await fetch(`${base}/api/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${process.env.MOCKFACTORY_TOKEN}`, 'content-type': 'application/json' },
    body: body && JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return text ? JSON.parse(text) : undefined;
}

function keysOf(environment, service) {
  const { aws, cloudflare, digitalocean } = environment.credentials;
  return {
    aws_s3: { accessKeyId: aws.access_key_id, secretAccessKey: aws.secret_access_key },
    cloudflare_r2: { accessKeyId: cloudflare.r2_access_key_id, secretAccessKey: cloudflare.r2_secret_access_key },
    do_spaces: { accessKeyId: digitalocean.spaces_access_key_id, secretAccessKey: digitalocean.spaces_secret_access_key },
  }[service];
}

const regions = { aws_s3: 'us-east-1', cloudflare_r2: 'auto', do_spaces: 'nyc3' };

/** One environment per test file. */
export const environment = await control('POST', '/environments', {
  name: 'sdk-node',
  services: Object.keys(labels),
});
const clients = [];
after(async () => {
  for (const client of clients) client.destroy();
  await control('DELETE', `/environments/${environment.id}`);
});

function endpoint({ service, scheme, addressing }) {
  const origin = (host) => `${scheme}://${host}:${ports[scheme]}`;
  const label = labels[service];
  switch (addressing) {
    case 'bare':
      return origin('localhost');
    case 'prefix':
      return `${origin('localhost')}/env/${environment.id}/${label}`;
    case 'mount': {
      const [provider, path] = mounts[service];
      return origin(`${provider}.${environment.id}.${domain}`) + path;
    }
    default:
      return origin(`${label}.${environment.id}.${domain}`);
  }
}

/** A client that fails on the first error instead of trying again. */
export function client(door, options = {}) {
  const made = new S3Client({
    endpoint: endpoint(door),
    region: regions[door.service],
    credentials: keysOf(environment, door.service),
    forcePathStyle: door.addressing !== 'virtual',
    maxAttempts: 1,
    ...options,
  });
  clients.push(made);
  return made;
}

const door = (service, scheme, addressing) => ({
  service, scheme, addressing, name: `${labels[service]}-${scheme}-${addressing}`,
});

export const DOORS = [
  door('aws_s3', 'http', 'bare'),
  door('aws_s3', 'http', 'prefix'),
  door('aws_s3', 'https', 'virtual'),
  door('aws_s3', 'https', 'host'),
  door('cloudflare_r2', 'http', 'mount'),
  door('cloudflare_r2', 'https', 'virtual'),
  door('do_spaces', 'http', 'prefix'),
  door('do_spaces', 'https', 'mount'),
];

let number = 0;
export const bucketName = () => `node-${process.pid}-${(number += 1)}`;
export const noise = (size) => randomBytes(size);
export const md5 = (bytes) => createHash('md5').update(bytes).digest('hex');

export async function bytes(answer) {
  return Buffer.from(await answer.Body.transformToByteArray());
}

/** Runs `case` once per door, each time with a client and a bucket of its own. */
export function throughDoors(doors, each) {
  return doors.map((one) => [one.name, async (t) => each(await prepared(one), t)]);
}

async function prepared(one) {
  const { CreateBucketCommand } = await import('@aws-sdk/client-s3');
  const s3 = client(one);
  const Bucket = bucketName();
  await s3.send(new CreateBucketCommand({ Bucket }));
  return { s3, Bucket, door: one };
}

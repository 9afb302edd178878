// Google's Node client for Cloud Storage against the emulator, as its users write it.
// EMULATOR_URL: where the emulator listens. BY_ENVIRONMENT=1: the client finds it by STORAGE_EMULATOR_HOST.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import {Readable} from 'node:stream';
import {pipeline} from 'node:stream/promises';
import test from 'node:test';
import {setTimeout} from 'node:timers/promises';

import {Storage} from '@google-cloud/storage';

const options = {projectId: 'mediarun-local'};
if (!process.env.STORAGE_EMULATOR_HOST) options.apiEndpoint = process.env.EMULATOR_URL;
const storage = new Storage(options);
const bucket = storage.bucket(`node-${process.env.BY_ENVIRONMENT ? 'env' : 'option'}-${Date.now()}`);

const big = crypto.randomBytes(3 * 1024 * 1024 + 17);

async function code(promise) {
  try {
    await promise;
  } catch (error) {
    return error.code;
  }
  return 'no error';
}

test('bucket: create, exists, again', async () => {
  await storage.createBucket(bucket.name);
  assert.deepEqual(await bucket.exists(), [true]);
  assert.equal(await code(storage.createBucket(bucket.name)), 409);
  assert.equal(await code(storage.bucket('there-is-none').getMetadata()), 404);
  const [buckets] = await storage.getBuckets();
  assert.ok(buckets.some((b) => b.name === bucket.name));
});

test('simple upload and download', async () => {
  const file = bucket.file('simple/ünï cødé ✓.txt');
  await file.save('hello', {resumable: false, contentType: 'text/plain', metadata: {metadata: {a: '1'}}});
  assert.equal((await file.download())[0].toString(), 'hello');
  const [metadata] = await file.getMetadata();
  assert.equal(metadata.contentType, 'text/plain');
  assert.equal(metadata.metadata.a, '1');
  assert.equal(Number(metadata.size), 5);
});

test('resumable upload in one request', async () => {
  const file = bucket.file('resumable');
  await file.save(big, {resumable: true, validation: 'crc32c'});
  assert.ok((await file.download({validation: 'crc32c'}))[0].equals(big));
});

test('resumable upload in chunks of unknown total', async () => {
  const file = bucket.file('chunks');
  await pipeline(
    Readable.from((function* () {
      for (let at = 0; at < big.length; at += 100000) yield big.subarray(at, at + 100000);
    })()),
    file.createWriteStream({resumable: true, chunkSize: 512 * 1024, validation: 'md5'}));
  assert.ok((await file.download({validation: 'md5'}))[0].equals(big));
});

test('an upload with a wrong checksum leaves nothing', async () => {
  const file = bucket.file('corrupt');
  assert.notEqual(await code(file.save('data', {resumable: false, metadata: {crc32c: 'AAAAAA=='}})), 'no error');
  assert.deepEqual(await file.exists(), [false]);
});

test('ranged download', async () => {
  const file = bucket.file('resumable');
  assert.ok((await file.download({start: 1000, end: 1999}))[0].equals(big.subarray(1000, 2000)));
  assert.ok((await file.download({start: big.length - 7}))[0].equals(big.subarray(-7)));
});

test('metadata', async () => {
  const file = bucket.file('resumable');
  await file.setMetadata({contentType: 'audio/mpeg', metadata: {kind: 'result'}});
  const [metadata] = await file.getMetadata();
  assert.equal(metadata.contentType, 'audio/mpeg');
  assert.equal(metadata.metadata.kind, 'result');
  assert.equal(String(metadata.metageneration), '2');
});

test('list with prefix, delimiter and pages', async () => {
  for (const name of ['list/a', 'list/b', 'list/sub/c']) await bucket.file(name).save('x', {resumable: false});
  const names = async (query) => (await bucket.getFiles(query))[0].map((file) => file.name);
  assert.deepEqual(await names({prefix: 'list/'}), ['list/a', 'list/b', 'list/sub/c']);
  const pages = [];
  for (let query = {prefix: 'list/', maxResults: 2, autoPaginate: false}; query;) {
    const [page, next] = await bucket.getFiles(query);
    pages.push(page.map((file) => file.name));
    query = next;
  }
  assert.deepEqual(pages, [['list/a', 'list/b'], ['list/sub/c']]);
  const [files, , answer] = await bucket.getFiles({prefix: 'list/', delimiter: '/', autoPaginate: false});
  assert.equal(files.length, 2);
  assert.deepEqual(answer.prefixes, ['list/sub/']);
  assert.deepEqual(await names({prefix: 'none/'}), []);
});

test('compose', async () => {
  const [file] = await bucket.combine(['list/a', 'simple/ünï cødé ✓.txt'], 'combined');
  assert.equal((await file.download())[0].toString(), 'xhello');
  const [metadata] = await bucket.file('combined').getMetadata();
  assert.equal(metadata.componentCount, 2);
  assert.equal(metadata.md5Hash, undefined);
});

test('copy and move', async () => {
  await bucket.file('list/a').copy(bucket.file('copies/a'));
  await bucket.file('copies/a').move('copies/b');
  assert.deepEqual(await bucket.file('copies/a').exists(), [false]);
  assert.equal((await bucket.file('copies/b').download())[0].toString(), 'x');
});

test('preconditions', async () => {
  const file = bucket.file('once');
  const once = {preconditionOpts: {ifGenerationMatch: 0}};
  await file.save('1', {...once, resumable: false});
  assert.equal(await code(file.save('2', {...once, resumable: false})), 412);
  assert.equal(await code(file.save('2', {...once, resumable: true})), 412);
  assert.equal(await code(file.delete({ifGenerationMatch: 1})), 412);
  assert.equal((await file.download())[0].toString(), '1');
});

test('delete', async () => {
  const file = bucket.file('once');
  await file.delete();
  assert.equal(await code(file.getMetadata()), 404);
  assert.equal(await code(file.delete()), 404);
  assert.equal(await code(bucket.delete()), 409);
  await bucket.deleteFiles({force: true});
  await bucket.delete();
  assert.deepEqual(await bucket.exists(), [false]);
});

test('V4 signed URLs', async () => {
  const signing = new Storage({
    ...options,
    apiEndpoint: process.env.EMULATOR_URL,
    credentials: {client_email: 'signer@p.iam.gserviceaccount.com', private_key: process.env.SIGNING_KEY},
  });
  await storage.createBucket(bucket.name);
  const file = signing.bucket(bucket.name).file('signed/ü x.txt');
  const sign = (more) => file.getSignedUrl({version: 'v4', expires: Date.now() + 60000, ...more}).then(([url]) => url);

  const type = 'text/plain';
  const put = await sign({action: 'write', contentType: type, extensionHeaders: {'x-goog-meta-a': 'b  c'}});
  const headers = {'Content-Type': type, 'x-goog-meta-a': 'b  c'};
  assert.equal((await fetch(put, {method: 'PUT', body: 'hello', headers})).status, 200);
  assert.equal((await fetch(put, {method: 'PUT', body: 'hello', headers: {...headers, 'Content-Type': 'a/b'}})).status, 403);
  assert.equal((await fetch(put, {method: 'PUT', body: 'hello'})).status, 400);
  assert.equal((await fetch(put)).status, 400);

  const get = await sign({action: 'read', promptSaveAs: 'ö.txt', responseType: 'audio/mpeg'});
  const answer = await fetch(get);
  assert.equal(answer.status, 200);
  assert.equal(await answer.text(), 'hello');
  assert.equal(answer.headers.get('content-type'), 'audio/mpeg');
  assert.match(answer.headers.get('content-disposition'), /^attachment/);
  assert.equal((await fetch(get.replace('audio', 'video'))).status, 403);
  assert.equal((await fetch(get.replace(/X-Goog-Expires=\d+/, 'X-Goog-Expires=999999'))).status, 400);

  const brief = await sign({action: 'read', expires: Date.now() + 1500});
  assert.equal((await fetch(brief)).status, 200);
  for (const deadline = Date.now() + 10000; (await fetch(brief)).status === 200; await setTimeout(100))
    assert.ok(Date.now() < deadline, 'the URL does not expire');
  assert.equal((await fetch(brief)).status, 400);

  const begin = await sign({action: 'resumable', contentType: type});
  const session = await fetch(begin, {method: 'POST', headers: {'x-goog-resumable': 'start', 'Content-Type': type}});
  assert.equal(session.status, 201);
  assert.equal((await fetch(session.headers.get('location'), {method: 'PUT', body: 'resumed'})).status, 200);
  assert.equal(await (await fetch(await sign({action: 'read'}))).text(), 'resumed');

  await bucket.deleteFiles({force: true});
  await bucket.delete();
});

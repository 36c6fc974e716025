import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer as createPlainServer } from 'node:http';
import type { IncomingMessage, RequestListener } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import forge from 'node-forge';
import { ManualClock, systemClock } from '../../lib/clock.ts';
import type { HttpsOptions, HttpsTransport } from './https.ts';
import { httpsTransport } from './https.ts';

async function withServer(
  listener: RequestListener,
  work: (open: (options?: Partial<HttpsOptions>) => HttpsTransport) => Promise<void>,
): Promise<void> {
  await withListening(createPlainServer(listener), 'http', work);
}

async function withListening(
  server: Server,
  scheme: string,
  work: (open: (options?: Partial<HttpsOptions>) => HttpsTransport) => Promise<void>,
): Promise<void> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const opened: HttpsTransport[] = [];
  const url = `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    await work((options = {}) => {
      const each = httpsTransport({ server: url, clock: systemClock(), ...options });
      opened.push(each);
      return each;
    });
  } finally {
    await Promise.all(opened.map((each) => each.close()));
    await new Promise((resolve) => server.close(resolve));
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text;
}

test('a call carries method, path, body and credentials, and reads JSON', async () => {
  const listener: RequestListener = async (request, response) => {
    const seen = {
      method: request.method,
      url: request.url,
      type: request.headers['content-type'],
      auth: request.headers.authorization,
      body: await bodyOf(request),
    };
    response.writeHead(201, { 'content-type': 'application/json' }).end(JSON.stringify(seen));
  };
  await withServer(listener, async (open) => {
    const { transport } = open({ token: 'abc' });
    const answer = await transport({ method: 'POST', path: '/api/v1/pods?dryRun=All', body: { kind: 'Pod' } });
    assert.equal(answer.status, 201);
    assert.deepEqual(answer.body, {
      method: 'POST',
      url: '/api/v1/pods?dryRun=All',
      type: 'application/json',
      auth: 'Bearer abc',
      body: '{"kind":"Pod"}',
    });
    const patched = await transport({ method: 'PATCH', path: '/x', body: {}, headers: { 'content-type': 'application/merge-patch+json' } });
    assert.equal((patched.body as { type: string }).type, 'application/merge-patch+json');
  });
});

test('a failure is an answer, a text is a text', async () => {
  const listener: RequestListener = (request, response) => {
    if (request.url === '/text') response.writeHead(200, { 'content-type': 'text/plain' }).end('log line');
    else response.writeHead(404, { 'content-type': 'application/json' }).end('{"kind":"Status","code":404}');
  };
  await withServer(listener, async (open) => {
    const { transport } = open();
    const failure = await transport({ method: 'GET', path: '/none' });
    assert.deepEqual([failure.status, failure.body], [404, { kind: 'Status', code: 404 }]);
    assert.equal((await transport({ method: 'GET', path: '/text' })).text, 'log line');
  });
});

test('a watch brings events as they come and ends by its signal', async () => {
  const gone = Promise.withResolvers<void>();
  const listener: RequestListener = (_request, response) => {
    response.on('close', () => gone.resolve());
    response.writeHead(200, { 'content-type': 'application/json' });
    response.write('{"type":"ADDED","object":{"metadata":{"name":"a"}}}\n{"type":"ADD');
    setImmediate(() => response.write('ED","object":{"metadata":{"name":"b"}}}\n'));
  };
  await withServer(listener, async (open) => {
    const abort = new AbortController();
    const { transport } = open();
    const answer = await transport({ method: 'GET', path: '/api/v1/pods?watch=true', signal: abort.signal });
    const names: string[] = [];
    for await (const batch of answer.events!) {
      for (const { object } of batch) names.push(object.metadata.name!);
      if (names.length === 2) abort.abort();
    }
    assert.deepEqual(names, ['a', 'b']);
    await gone.promise;
  });
});

test('calls go on while more watches are open than there are connections for calls', async () => {
  const listener: RequestListener = (request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    if (request.url!.includes('watch')) response.flushHeaders();
    else response.end('{}');
  };
  await withServer(listener, async (open) => {
    const { transport } = open();
    const abort = new AbortController();
    await Promise.all(Array.from({ length: 40 }, () => transport({ method: 'GET', path: '/pods?watch=1', signal: abort.signal })));
    const answers = await Promise.all(Array.from({ length: 40 }, () => transport({ method: 'GET', path: '/pods' })));
    assert.ok(answers.every(({ status }) => status === 200));
    abort.abort();
  });
});

test('a token file is read again after a minute', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'transport-'));
  const tokenFile = join(folder, 'token');
  const listener: RequestListener = (request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(request.headers.authorization));
  };
  try {
    await withServer(listener, async (open) => {
      const clock = new ManualClock();
      const { transport } = open({ tokenFile, clock });
      const ask = async (): Promise<unknown> => (await transport({ method: 'GET', path: '/' })).body;
      await writeFile(tokenFile, 'one\n');
      assert.equal(await ask(), 'Bearer one');
      await writeFile(tokenFile, 'two\n');
      await clock.advance(59_000);
      assert.equal(await ask(), 'Bearer one');
      await clock.advance(2000);
      assert.equal(await ask(), 'Bearer two');
    });
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('TLS: the server is checked against the CA, and knows the client by its certificate', async () => {
  const { cert, key } = selfSigned('admin');
  const listener: RequestListener = (request, response) => {
    const { subject } = (request.socket as TLSSocket).getPeerCertificate();
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(subject?.CN ?? null));
  };
  const server = createServer({ cert, key, ca: cert, requestCert: true, rejectUnauthorized: false }, listener);
  await withListening(server, 'https', async (open) => {
    const known = await open({ ca: cert, cert, key }).transport({ method: 'GET', path: '/' });
    assert.equal(known.body, 'admin');
    await assert.rejects(open().transport({ method: 'GET', path: '/' }), /self-signed/);
    const trusting = await open({ insecureSkipTlsVerify: true }).transport({ method: 'GET', path: '/' });
    assert.equal(trusting.status, 200);
  });
});

function selfSigned(commonName: string): { cert: string; key: string } {
  const keys = forge.pki.rsa.generateKeyPair(2048);
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = keys.publicKey;
  certificate.serialNumber = '01';
  certificate.validity.notBefore = new Date(Date.now() - 60_000);
  certificate.validity.notAfter = new Date(Date.now() + 3_600_000);
  const name = [{ name: 'commonName', value: commonName }];
  certificate.setSubject(name);
  certificate.setIssuer(name);
  certificate.setExtensions([
    { name: 'basicConstraints', cA: true },
    { name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] },
  ]);
  certificate.sign(keys.privateKey, forge.md.sha256.create());
  return { cert: forge.pki.certificateToPem(certificate), key: forge.pki.privateKeyToPem(keys.privateKey) };
}

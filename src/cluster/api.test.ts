import assert from 'node:assert/strict';
import { createServer } from 'node:https';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { after, test } from 'node:test';
import { SERVICES } from '../client/resources.ts';
import { systemClock } from '../lib/clock.ts';
import { systemRng } from '../lib/random.ts';
import { withApi } from './api.ts';
import type { ClusterContext } from './context.ts';
import { profilePaths } from './paths.ts';
import { ensurePki } from './pki/pki.ts';
import { freePort } from './ports.ts';
import type { Profile } from './profile.ts';
import { failure } from './reasons.ts';

const home = await mkdtemp(`${tmpdir()}/rockpool-api-`);
after(() => rm(home, { recursive: true }));
const clock = systemClock();
const context = { home, clock, rng: systemRng() } as ClusterContext;
const subjects = { nodeName: 'lesson', nodeAddresses: [], extraNames: [], serviceCidr: '10.96.0.0/12', clusterDomain: 'cluster.local' };
const { files } = await ensurePki(profilePaths(home, 'lesson').pki, subjects, clock);
const profileAt = (apiPort: number): Profile => ({ name: 'lesson', listenAddress: '127.0.0.1', apiPort }) as Profile;

test('the administrator is known by the profile, and a refusal is told in our terms', async () => {
  const server = createServer(
    {
      cert: files.get('apiserver.crt')!,
      key: files.get('apiserver.key')!,
      ca: files.get('ca.crt')!,
      requestCert: true,
      rejectUnauthorized: true,
    },
    (_, response) => {
      response.writeHead(403, { 'content-type': 'application/json' });
      response.end(
        JSON.stringify({
          kind: 'Status',
          apiVersion: 'v1',
          status: 'Failure',
          message: 'services is forbidden',
          reason: 'Forbidden',
          code: 403,
        }),
      );
    },
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const profile = profileAt((server.address() as { port: number }).port);
  const list = withApi(profile, context, (client) => client.resource(SERVICES).list());
  await assert.rejects(list, { code: 'APISERVER_ERROR', exitCode: 100, message: 'the API server refused: services is forbidden' });
  await new Promise((resolve) => server.close(resolve));
});

test('an API server that does not answer', async () => {
  const list = withApi(profileAt(await freePort('127.0.0.1')), context, (client) => client.resource(SERVICES).list());
  await assert.rejects(list, { code: 'APISERVER_UNREACHABLE', exitCode: 103 });
});

test("the work's own failures pass", async () => {
  const fails = withApi(profileAt(1), context, () => Promise.reject(failure('SERVICE_NOT_FOUND', 'x')));
  await assert.rejects(fails, { code: 'SERVICE_NOT_FOUND' });
});

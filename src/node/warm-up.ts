/**
 * `node.mjs --warm-up`: lives through a small cluster's first moments without a network, so that V8 compiles what a start needs. Run when the node
 * image is made: the compile cache that is baked in then holds the functions, not only the modules.
 */
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { UserInfo } from '../api/transport.ts';
import { createApiServer } from '../apiserver/server.ts';
import { createClient } from '../client/new-client.ts';
import { createRecorder } from '../client/recorder.ts';
import type { ComponentContext } from '../client/reconcile.ts';
import { DEPLOYMENTS, PODS, SERVICE_ACCOUNTS } from '../client/resources.ts';
import { waitFor } from '../client/wait-for.ts';
import { serviceAccountUser } from '../client/transports/service-account.ts';
import { createControllers } from '../controllers/registry.ts';
import { createScheduler } from '../scheduler/scheduler.ts';
import { openEmbeddedStorage } from '../storage/embedded/store.ts';
import { IDENTITIES } from './identities.ts';
import { Parts } from './parts.ts';
import type { NodeTools } from './run.ts';

const DEADLINE_MS = 10_000;

/** The certificate of an authority whose key was never kept: nobody is signed by it, it only has to be read. */
const AUTHORITY = `-----BEGIN CERTIFICATE-----
MIIBezCCASGgAwIBAgIUSyrxGZTO8PPrGSWWWM3LepubxlkwCgYIKoZIzj0EAwIw
EjEQMA4GA1UEAwwHd2FybS11cDAgFw0yNjExMjAxMTIyMTFaGA8yMTI2MTAyNzEx
MjIxMVowEjEQMA4GA1UEAwwHd2FybS11cDBZMBMGByqGSM49AgEGCCqGSM49AwEH
A0IABD3/UQSx1WKDmh8YJowjdGiY2cnrEpBbQgB19KEmmzv8EoCoZD56kC7U63Kx
F2lp8q0Yf9eZBCbGN73YfMw8b9+jUzBRMB0GA1UdDgQWBBR9sQ68BTUQGZ2XcCRW
sub0vHcTmTAfBgNVHSMEGDAWgBR9sQ68BTUQGZ2XcCRWsub0vHcTmTAPBgNVHRMB
Af8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIQCUxpAmKhyB+2iOBiH6yTNLx5Yo
Dpw8ibZ11+15qqbgegIgJMnBoe+9s/DH1tvkW7flBOdRKxAkxWUStvfoPUtza2k=
-----END CERTIFICATE-----
`;

/** Resolves when the pod of a small Deployment was looked at by the scheduler; nothing of it is left. Rejects after ten seconds. */
export async function warmUp({ clock, rng, log }: NodeTools): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'rockpool-warm-up-'));
  const parts = new Parts(log);
  try {
    await Promise.all([
      import('../kubelet/kubelet.ts'),
      import('./boot-containerd.ts'),
      import('../proxy/proxy.ts'),
      import('../dns/server.ts'),
      import('../storage/etcd/store.ts'),
    ]);
    const storage = await openEmbeddedStorage({ path: join(folder, 'store'), clock, log });
    parts.onStop('store', () => storage.close());
    const { privateKey } = generateKeyPairSync('ec', {
      namedCurve: 'P-256',
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    });
    const server = createApiServer({
      storage,
      clock,
      rng,
      log,
      tls: { cert: AUTHORITY, key: privateKey, clientCa: AUTHORITY },
      serviceAccountKey: privateKey,
      serviceCidr: '10.96.0.0/12',
      advertiseAddress: '127.0.0.1',
      advertisePort: 6443,
      externalUrl: 'https://127.0.0.1:6443',
    });
    const signal = AbortSignal.timeout(DEADLINE_MS);
    await parts.start([server], signal);
    const contextFor = (user: UserInfo, component: string): ComponentContext => {
      const client = parts.client(createClient({ transport: server.loopback(user), clock, log, rng }));
      return { client, clock, rng, log, events: createRecorder({ client, clock, log, component }) };
    };
    const controllers = createControllers(contextFor(IDENTITIES.controllers, 'controllers'), {
      caCert: AUTHORITY,
      transportOf: (name) => server.loopback(serviceAccountUser(name)),
    });
    await parts.start([...controllers, createScheduler(contextFor(IDENTITIES.scheduler, 'default-scheduler'))], signal);
    await deploySomething(contextFor(IDENTITIES.admin, 'warm-up'), signal);
  } finally {
    await parts.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A Deployment whose pod finds no node: the way from the client through every controller to the scheduler and back. */
async function deploySomething({ client, clock }: ComponentContext, signal: AbortSignal): Promise<void> {
  const options = { clock, timeoutMs: DEADLINE_MS, signal };
  const accounts = client.informer(SERVICE_ACCOUNTS, { namespace: 'default' });
  await accounts.start();
  await waitFor(accounts, () => accounts.get('default/default'), { ...options, what: 'the default service account' });
  const labels = { app: 'warm-up' };
  await client.resource(DEPLOYMENTS, 'default').apply(
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'warm-up', namespace: 'default' },
      spec: {
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'warm-up' }] } },
      },
    },
    { fieldManager: 'warm-up' },
  );
  const pods = client.informer(PODS, { namespace: 'default' });
  await pods.start();
  await waitFor(pods, () => pods.list().find((pod) => pod.status?.conditions?.some(({ reason }) => reason === 'Unschedulable')), {
    ...options,
    what: 'a pod that found no node',
  });
}

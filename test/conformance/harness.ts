/**
 * What each conformance test stands on: a cluster of its file's own, seen through public clients only, and a namespace of the behaviour's
 * own. An area that needs pods is tried on simulated ones and, where an engine answers, on real ones.
 *
 *     conformance('apps', 'Job', { pods: true }, (behaviour) => {
 *       behaviour('should delete a job', async (world) => { … });
 *     });
 *
 * The names of areas and behaviours are upstream's (behaviours.csv); the house test sees that none is missing. ROCKPOOL_TEST_DRIVER
 * (sim or docker) narrows a run to one driver.
 */
import https from 'node:https';
import { after, before, describe, it, type TestContext } from 'node:test';
import { CoreV1Api, KubeConfig, type V1Namespace } from '@kubernetes/client-node';
import { type Cluster, startCluster } from '../fixtures/cluster.ts';
import { hasEngine, kubectls } from '../fixtures/machine.ts';
import { tutorialImages } from '../fixtures/tutorial-images.ts';

type Driver = Cluster['driver'];

export interface RawRequest {
  method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  path: string;
  /** An object is sent as JSON; text as it is. */
  body?: unknown;
  headers?: Record<string, string>;
}

export interface RawAnswer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
  /** The body parsed as JSON. */
  json<T>(): T;
}

/** One behaviour's world. */
export interface World {
  driver: Driver;
  cluster: Cluster;
  config: KubeConfig;
  /** A namespace of this behaviour's own; deleted without waiting when the behaviour is done. */
  namespace: string;
  test: TestContext;
  /** A typed client: `world.api(AppsV1Api)`. */
  api: KubeConfig['makeApiClient'];
  /** One more namespace, also deleted at the end. */
  createNamespace(labels?: Record<string, string>): Promise<string>;
  /** A request over https as the cluster's administrator, for what typed clients cannot say. */
  request(request: RawRequest): Promise<RawAnswer>;
  /** kubectl in this behaviour's namespace. */
  kubectl(args: readonly string[], options?: Parameters<Cluster['kubectl']>[1]): ReturnType<Cluster['kubectl']>;
}

export interface AreaOptions {
  /** Pods must run: real ones are tried as well. */
  pods?: boolean;
  /** Behaviours run one after the other, since they change what all share (nodes, cluster-wide kinds). */
  serial?: boolean;
  /** How many behaviours run side by side; 3 unless given. */
  parallel?: number;
  startArgs?: readonly string[];
}

/** Images that both drivers have: a web server on port 80, and a shell; and one that cannot be pulled. */
export const IMAGES = { web: 'nginx:latest', shell: 'busybox:latest', missing: 'nginx:no-such-tag' } as const;

type Behaviour = (name: string, check: (world: World) => Promise<void>) => void;

let worlds = 0;

/** Declares the behaviours of one area, on every driver that it concerns. */
export function conformance(sig: string, area: string, options: AreaOptions, define: (behaviour: Behaviour) => void): void {
  const only = process.env['ROCKPOOL_TEST_DRIVER'];
  const drivers: Driver[] = options.pods ? ['sim', 'docker'] : ['sim'];
  for (const driver of drivers.filter((each) => only === undefined || only === '' || only === each))
    onDriver(driver, sig, area, options, define);
}

function onDriver(driver: Driver, sig: string, area: string, options: AreaOptions, define: (behaviour: Behaviour) => void): void {
  describe(`${sig}: ${area} (${driver})`, { concurrency: options.serial ? 1 : (options.parallel ?? 3) }, () => {
    let cluster: Cluster | undefined;
    let missing: string | undefined;
    before(async () => {
      const [kubectl] = await kubectls();
      if (!kubectl) missing = 'this machine has no kubectl';
      else if (driver === 'docker' && !(await hasEngine())) missing = 'this machine has no container engine that answers';
      if (missing !== undefined && process.env['CI'] === 'true') throw new Error(`CI must have what this needs: ${missing}`);
      if (missing === undefined) cluster = await start(driver, `${sig}-${area}`, kubectl!.path, options);
    });
    after(() => cluster?.delete());
    define((name, check) =>
      it(name, async (test) => {
        if (missing !== undefined) return test.skip(missing);
        await inWorld(cluster!, test, check);
      }));
  });
}

async function start(driver: Driver, name: string, kubectl: string, { startArgs = [] }: AreaOptions): Promise<Cluster> {
  const profile =
    name
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, '-')
      .slice(0, 34)
      .replace(/-$/, '') + `-${process.pid % 10_000}`;
  const cluster = await startCluster({ driver, profile, kubectl, startArgs });
  if (driver === 'docker') for (const archive of await tutorialImages()) await cluster.rockpool(['image', 'load', archive]);
  return cluster;
}

async function inWorld(cluster: Cluster, test: TestContext, check: (world: World) => Promise<void>): Promise<void> {
  const config = new KubeConfig();
  config.loadFromFile(cluster.kubeconfig);
  const core = config.makeApiClient(CoreV1Api);
  const namespaces: string[] = [];
  const createNamespace = async (labels: Record<string, string> = {}): Promise<string> => {
    const body: V1Namespace = { metadata: { name: `conformance-${process.pid}-${++worlds}`, labels } };
    const created = await core.createNamespace({ body });
    namespaces.push(created.metadata!.name!);
    await defaultServiceAccount(core, created.metadata!.name!);
    return created.metadata!.name!;
  };
  const namespace = await createNamespace();
  const world: World = {
    driver: cluster.driver,
    cluster,
    config,
    namespace,
    test,
    api: config.makeApiClient.bind(config),
    createNamespace,
    request: (request) => rawRequest(config, request),
    kubectl: (args, options) => cluster.kubectl(['-n', namespace, ...args], options),
  };
  try {
    await check(world);
  } finally {
    for (const each of namespaces) await core.deleteNamespace({ name: each }).catch(alreadyGone);
  }
}

/** Pods need it; the controller makes it a moment after the namespace. */
async function defaultServiceAccount(core: CoreV1Api, namespace: string): Promise<void> {
  await until(() => core.readNamespacedServiceAccount({ name: 'default', namespace }).then(() => true, notYet), 'default service account');
}

function alreadyGone(error: unknown): void {
  if (!isStatus(error, 404, 409)) throw error;
}

function notYet(error: unknown): false {
  if (!isStatus(error, 404)) throw error;
  return false;
}

/** Whether a client's error is the API's answer with one of these codes. */
export function isStatus(error: unknown, ...codes: number[]): boolean {
  return codes.includes((error as { code?: number }).code ?? 0);
}

/** Asks again until the answer is truthy, and gives it; fails with what was waited for when the deadline (ms) comes first. */
export async function until<T>(
  ask: () => Promise<T | false | undefined> | T | false | undefined,
  what: string,
  within = 60_000,
): Promise<T> {
  const deadline = performance.now() + within;
  let wait = 20;
  for (;;) {
    const answer = await ask();
    if (answer !== false && answer !== undefined) return answer;
    if (performance.now() > deadline) throw new Error(`not within ${within} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, wait));
    wait = Math.min(wait * 1.5, 250);
  }
}

async function rawRequest(config: KubeConfig, { method = 'GET', path, body, headers = {} }: RawRequest): Promise<RawAnswer> {
  const server = config.getCurrentCluster()!.server;
  const options: https.RequestOptions = { method, headers: { accept: 'application/json', ...headers } };
  await config.applyToHTTPSOptions(options);
  const payload = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
  const sent = options.headers as Record<string, string>;
  if (payload !== undefined) {
    sent['content-type'] ??= 'application/json';
    // Node would send the body of a DELETE without saying that there is one.
    sent['content-length'] = String(Buffer.byteLength(payload));
  }
  return new Promise((resolve, reject) => {
    const request = https.request(new URL(path, server), options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        resolve({ status: response.statusCode!, headers: response.headers, text, json: () => JSON.parse(text) });
      });
    });
    request.on('error', reject);
    request.setTimeout(60_000, () => request.destroy(new Error(`no answer to ${method} ${path} within 60 s`)));
    request.end(payload);
  });
}

/** Webhook configurations for behaviours: in force for the behaviour's own namespace, gone when it is done. */
import { startWebhookServer, type Reviewer, type WebhookServer } from '../../fixtures/webhook-server.ts';
import { until, type World } from '../harness.ts';
import { rest } from '../rest.ts';

export type Type = 'mutating' | 'validating';

export const collection = (type: Type): string => `/apis/admissionregistration.k8s.io/v1/${type}webhookconfigurations`;
export const configMaps = ({ namespace }: Pick<World, 'namespace'>): string => `/api/v1/namespaces/${namespace}/configmaps`;

/** What a ConfigMap with this key and value is: unwanted. */
export const UNWANTED = { 'webhook-e2e-test': 'webhook-disallow' };
export const UNWANTED_MESSAGE = 'the configmap contains unwanted key and value';

const add = (path: string, value: unknown): object => ({ op: 'add', path, value });

/** What the reviewers of this area do, by path. */
export const REVIEWERS: Readonly<Record<string, Reviewer>> = {
  '/always-deny': () => ({ allowed: false, message: 'this webhook denies all requests' }),
  '/pods': ({ object }) => {
    const { containers } = object!.spec as { containers: { name: string }[] };
    return containers.some(({ name }) => name.includes('webhook-disallow'))
      ? { allowed: false, message: 'the pod contains unwanted container name' }
      : {};
  },
  '/configmaps': ({ object }) =>
    object!.data?.['webhook-e2e-test'] === 'webhook-disallow' ? { allowed: false, message: UNWANTED_MESSAGE } : {},
  '/attach': ({ name }) => ({ allowed: false, message: `attaching to pod '${name}' is not allowed` }),
  '/custom-resource': ({ operation, object, oldObject }) => {
    const unwanted = (operation === 'DELETE' ? oldObject : object)!.data?.['webhook-e2e-test'] === 'webhook-disallow';
    if (operation === 'DELETE' && unwanted)
      return { allowed: false, message: 'the custom resource cannot be deleted because it contains unwanted key and value' };
    return unwanted ? { allowed: false, message: 'the custom resource contains unwanted data' } : {};
  },
  '/crd': () => ({ allowed: false, message: 'the crd contains unwanted label' }),
  '/mutate/1': ({ object }) => (object!.data?.['mutation-start'] === 'yes' ? { patch: [add('/data/mutation-stage-1', 'yes')] } : {}),
  '/mutate/2': ({ object }) => (object!.data?.['mutation-stage-1'] === 'yes' ? { patch: [add('/data/mutation-stage-2', 'yes')] } : {}),
  '/add-label': ({ object }) => ({
    patch: [object!.metadata.labels ? add('/metadata/labels/added-label', 'yes') : add('/metadata/labels', { 'added-label': 'yes' })],
  }),
  '/init-container': ({ object }) =>
    object!.spec!['initContainers']
      ? {}
      : { patch: [add('/spec/initContainers', [{ name: 'webhook-added-init-container', image: 'webhook-added-image', resources: {} }])] },
  '/slow': async () => {
    await new Promise((resolve) => setTimeout(resolve, SLOW_MS));
    return {};
  },
};

export const SLOW_MS = 2000;

export function startReviewers(names: readonly string[] = []): Promise<WebhookServer> {
  return startWebhookServer(REVIEWERS, names);
}

export interface Hook {
  name?: string;
  clientConfig: object;
  rules?: object[];
  [field: string]: unknown;
}

export const RULE = { operations: ['CREATE', 'UPDATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'] };

let count = 0;

/** One webhook as it would be configured: asked of this behaviour's namespace, and failing closed. */
export function hook({ namespace }: World, { name = `hook-${++count}.k8s.io`, rules = [RULE], ...fields }: Hook): object {
  return {
    name,
    rules,
    namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
    sideEffects: 'None',
    admissionReviewVersions: ['v1', 'v1beta1'],
    ...fields,
  };
}

export interface ConfigureOptions {
  labels?: Record<string, string>;
  /** The server whose denial of a marked object tells that the configuration is in force. */
  server: WebhookServer;
}

/** Creates a configuration, waits until the API server acts on it, and removes it after the behaviour. Returns its path. */
export async function configure(
  world: World,
  type: Type,
  hooks: readonly Hook[],
  { labels = {}, server }: ConfigureOptions,
): Promise<string> {
  const name = `conformance-${process.pid}-${++count}`;
  const mark = { 'webhook-marker': name };
  const marker = hook(world, {
    name: `marker-${count}.k8s.io`,
    clientConfig: server.at('/always-deny'),
    objectSelector: { matchLabels: mark },
  });
  const path = `${collection(type)}/${name}`;
  const webhooks = [marker, ...hooks.map((each) => hook(world, each))];
  await rest(world).create(collection(type), { metadata: { name, labels }, webhooks });
  world.test.after(async () => void (await world.request({ method: 'DELETE', path })));
  await until(async () => {
    const body = { metadata: { name: 'marker', labels: mark } };
    const { status } = await world.request({ method: 'POST', path: `${configMaps(world)}?dryRun=All`, body });
    return status === 400;
  }, `${name} is in force`);
  return path;
}

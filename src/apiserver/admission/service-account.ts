import type { Container, Pod, PodSpec, ServiceAccount, Volume } from '../../api/types.gen.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Rng } from '../../lib/random.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../contract.ts';
import type { Stored, StoredObjects } from '../stored.ts';
import { stored } from '../stored.ts';
import { isFor, refuse } from './refuse.ts';

const MOUNT_PATH = '/var/run/secrets/kubernetes.io/serviceaccount';
const VOLUME_PREFIX = 'kube-api-access-';
const MIRROR_ANNOTATION = 'kubernetes.io/config.mirror';
/** The odd seven seconds tell such a token from one that asks for an hour: the server makes it live longer (see TokenRequest). */
const TOKEN_SECONDS = 3607;
/** A new namespace gets its default account from a controller a moment later; a pod that is created at once waits for it. */
const DEFAULT_ACCOUNT_WAIT_MS = 1000;

/** Gives every pod its service account, and its containers the account's token, the cluster's CA and the name of the namespace. */
export function serviceAccountAdmission(objects: StoredObjects & { clock: Clock; rng: Rng }): AdmissionPlugin {
  const accounts = stored<ServiceAccount>(objects, '', 'v1', 'serviceaccounts');
  return {
    name: 'ServiceAccount',
    async mutate(request) {
      if (request.operation !== 'CREATE' || !isFor(request, '', 'pods')) return undefined;
      const pod = request.object as unknown as Pod;
      if (pod.metadata.annotations?.[MIRROR_ANNOTATION] !== undefined) {
        checkMirrorPod(request, pod);
        return undefined;
      }
      const name = pod.spec?.serviceAccountName || 'default';
      const account =
        (await accounts.find(request.namespace, name)) ??
        (name === 'default' ? await appearing(accounts, request.namespace, name, objects.clock) : undefined);
      if (!account) {
        throw refuse(request, `error looking up service account ${request.namespace}/${name}: serviceaccount "${name}" not found`);
      }
      return { ...request.object!, spec: withAccount(pod.spec ?? NO_SPEC, name, account, objects.rng) };
    },
  };
}

/** Static pods have no identity of their own: the kubelet made them, the API only mirrors them. */
function checkMirrorPod(request: AdmissionRequest, { spec }: Pod): void {
  if (spec?.serviceAccountName) throw refuse(request, 'a mirror pod may not reference service accounts');
  for (const { projected, secret } of spec?.volumes ?? []) {
    if (secret) throw refuse(request, 'a mirror pod may not reference secrets');
    if (projected?.sources?.some((source) => source.serviceAccountToken))
      throw refuse(request, 'a mirror pod may not use ServiceAccountToken volume projections');
  }
}

function appearing(accounts: Stored<ServiceAccount>, namespace: string, name: string, clock: Clock): Promise<ServiceAccount | undefined> {
  return new Promise((resolve) => {
    const finish = (account: ServiceAccount | undefined): void => {
      stop();
      cancel();
      resolve(account);
    };
    const cancel = clock.timer(DEFAULT_ACCOUNT_WAIT_MS, () => finish(undefined));
    const stop = accounts.subscribe((account, _previous, deleted) => {
      if (!deleted && account.metadata.name === name && account.metadata.namespace === namespace) finish(account);
    });
    const meanwhile = accounts.get(namespace, name);
    if (meanwhile) finish(meanwhile);
  });
}

const NO_SPEC: PodSpec = { containers: [] };

function withAccount(spec: PodSpec, name: string, account: ServiceAccount, rng: Rng): PodSpec {
  const named: PodSpec = { ...spec, serviceAccountName: name, serviceAccount: name };
  if (!named.imagePullSecrets?.length && account.imagePullSecrets?.length) named.imagePullSecrets = account.imagePullSecrets;
  const automount = spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true;
  return automount ? withToken(named, rng) : named;
}

function withToken(spec: PodSpec, rng: Rng): PodSpec {
  const lacks = ({ volumeMounts = [] }: Container): boolean => !volumeMounts.some(({ mountPath }) => mountPath === MOUNT_PATH);
  // Validation, which comes later, will not have a pod without containers.
  const given = spec as Partial<PodSpec>;
  const initContainers = given.initContainers ?? [];
  const containers = given.containers ?? [];
  if (![...initContainers, ...containers].some(lacks)) return spec;
  const existing = spec.volumes?.find(({ name }) => name.startsWith(VOLUME_PREFIX));
  const volume = existing ?? tokenVolume(VOLUME_PREFIX + rng.suffix(5));
  const mounted = (container: Container): Container =>
    lacks(container)
      ? { ...container, volumeMounts: [...(container.volumeMounts ?? []), { name: volume.name, readOnly: true, mountPath: MOUNT_PATH }] }
      : container;
  return {
    ...spec,
    ...(spec.initContainers ? { initContainers: initContainers.map(mounted) } : {}),
    containers: containers.map(mounted),
    volumes: existing ? spec.volumes : [...(spec.volumes ?? []), volume],
  };
}

function tokenVolume(name: string): Volume {
  return {
    name,
    projected: {
      sources: [
        { serviceAccountToken: { expirationSeconds: TOKEN_SECONDS, path: 'token' } },
        { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
        { downwardAPI: { items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }] } },
      ],
      defaultMode: 420,
    },
  };
}

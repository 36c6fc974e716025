import { createHmac } from 'node:crypto';
import type { ConfigMap, Secret } from '../../api/types.gen.ts';
import { runReconciler } from '../../client/loop.ts';
import type { ComponentContext, Reconciler } from '../../client/reconcile.ts';
import { CONFIG_MAPS, SECRETS } from '../../client/resources.ts';
import type { Component } from '../../lib/component.ts';
import { expiryOf, fieldOf, TOKEN_SECRETS } from './bootstrap-token.ts';

const NAMESPACE = 'kube-public';
const NAME = 'cluster-info';
const SIGNATURE = 'jws-kubeconfig-';

/**
 * Signs the kubeconfig in kube-public/cluster-info with every bootstrap token that may sign, so that whoever joins with the token can trust
 * what it reads without credentials: a JWS (RFC 7515) with detached payload, under the token's id.
 */
export function createBootstrapSigner(context: ComponentContext): Component[] {
  const { client, clock } = context;
  const secrets = client.informer(SECRETS, TOKEN_SECRETS);
  const infos = client.informer(CONFIG_MAPS, { namespace: NAMESPACE, fieldSelector: `metadata.name=${NAME}` });
  const reconciler: Reconciler = {
    name: 'bootstrapsigner',
    setup(queue) {
      const note = (): void => queue.add(NAME);
      secrets.subscribe({ added: note, updated: note, deleted: note });
      infos.subscribe({ added: note, updated: note });
    },
    async reconcile() {
      const info = infos.get(`${NAMESPACE}/${NAME}`);
      if (info?.data?.['kubeconfig'] === undefined) return;
      const signing = secrets.list().filter((secret) => maySign(secret, clock.now()));
      const wanted = signed(info, signing);
      if (wanted) await client.resource(CONFIG_MAPS, NAMESPACE).update(wanted);
      const expiries = signing.map(expiryOf).filter((expiry) => expiry !== undefined);
      return expiries.length > 0 ? { afterMs: Math.min(...expiries) - clock.now() } : undefined;
    },
  };
  return [runReconciler(context, reconciler)];
}

function maySign(secret: Secret, now: number): boolean {
  const id = fieldOf(secret, 'token-id');
  const named = id !== '' && secret.metadata.name === `bootstrap-token-${id}` && fieldOf(secret, 'token-secret') !== '';
  return named && fieldOf(secret, 'usage-bootstrap-signing') === 'true' && (expiryOf(secret) ?? Infinity) > now;
}

/** undefined when every signature is there and right. */
function signed(info: ConfigMap, secrets: readonly Secret[]): ConfigMap | undefined {
  const { data = {} } = info;
  const signatures = secrets.map((secret) => {
    const id = fieldOf(secret, 'token-id');
    return [`${SIGNATURE}${id}`, detachedSignature(data['kubeconfig']!, id, fieldOf(secret, 'token-secret'))] as const;
  });
  const stale = Object.keys(data).filter((key) => key.startsWith(SIGNATURE) && !signatures.some(([wanted]) => wanted === key));
  if (stale.length === 0 && signatures.every(([key, signature]) => data[key] === signature)) return undefined;
  const rest = Object.entries(data).filter(([key]) => !key.startsWith(SIGNATURE));
  return { ...info, data: Object.fromEntries([...rest, ...signatures]) };
}

function detachedSignature(content: string, id: string, secret: string): string {
  const header = Buffer.from(JSON.stringify({ alg: 'HS256', kid: id })).toString('base64url');
  const payload = Buffer.from(content).toString('base64url');
  return `${header}..${createHmac('sha256', secret).update(`${header}.${payload}`).digest('base64url')}`;
}

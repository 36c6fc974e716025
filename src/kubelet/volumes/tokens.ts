import type { AuthenticationV1TokenRequest, Pod, ServiceAccountTokenProjection } from '../../api/types.gen.ts';
import type { Client } from '../../client/client.ts';
import { SERVICE_ACCOUNTS } from '../../client/resources.ts';
import type { Clock } from '../../lib/clock.ts';

export interface Tokens {
  /** A valid token bound to the pod; the same one until it must be renewed. Throws StatusError. */
  get(pod: Pod, projection: ServiceAccountTokenProjection): Promise<string>;
  /** When the first token of the pod is due for renewal (ms since the epoch), if it has any. */
  renewAt(podUid: string): number | undefined;
  forget(podUid: string): void;
}

interface Entry {
  token: string;
  renewAt: number;
}

const DEFAULT_SECONDS = 3600;
/** Renewal at 80 % of the life, and once a day however long it lives (upstream's token manager). */
const RENEW_SHARE = 0.8;
const MAX_AGE_MS = 24 * 3600_000;

export function createTokens(client: Client, clock: Clock): Tokens {
  const pods = new Map<string, Map<string, Entry>>();
  return {
    async get(pod, { audience, expirationSeconds = DEFAULT_SECONDS }) {
      const { uid = '', name = '', namespace = '' } = pod.metadata;
      const entries = pods.get(uid) ?? new Map<string, Entry>();
      const key = `${audience ?? ''}/${expirationSeconds}`;
      const known = entries.get(key);
      if (known && clock.now() < known.renewAt) return known.token;
      const boundObjectRef = { apiVersion: 'v1', kind: 'Pod', name, uid };
      const body = {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        metadata: {},
        spec: { audiences: audience ? [audience] : [], expirationSeconds, boundObjectRef },
      };
      const account = pod.spec?.serviceAccountName || 'default';
      const answer = await client
        .resource(SERVICE_ACCOUNTS, namespace)
        .subresource<AuthenticationV1TokenRequest>(account, 'token', 'POST', body);
      const { token, expirationTimestamp } = answer.status ?? {};
      if (!token || !expirationTimestamp) throw new Error(`the API server gave no token for service account ${namespace}/${account}`);
      const life = Date.parse(expirationTimestamp) - clock.now();
      entries.set(key, { token, renewAt: clock.now() + Math.min(life * RENEW_SHARE, MAX_AGE_MS) });
      pods.set(uid, entries);
      return token;
    },
    renewAt(podUid) {
      const times = [...(pods.get(podUid)?.values() ?? [])].map((entry) => entry.renewAt);
      return times.length > 0 ? Math.min(...times) : undefined;
    },
    forget: (podUid) => void pods.delete(podUid),
  };
}

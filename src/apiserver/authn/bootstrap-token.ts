import { timingSafeEqual } from 'node:crypto';
import type { Secret } from '../../api/types.gen.ts';
import type { UserInfo } from '../../api/transport.ts';
import type { Clock } from '../../lib/clock.ts';
import type { StoredObjects } from '../stored.ts';
import { stored } from '../stored.ts';

const TOKEN = /^([a-z0-9]{6})\.([a-z0-9]{16})$/;
const GROUP = /^system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]$/;

/** Tokens with which a node joins: `abcdef.0123456789abcdef`, kept in a Secret of kube-system. undefined when this is none, or a wrong one. */
export function createBootstrapTokens(options: StoredObjects & { clock: Clock }): (token: string) => UserInfo | undefined {
  const secrets = stored<Secret>(options, '', 'v1', 'secrets');
  return (token) => {
    const match = TOKEN.exec(token);
    if (!match) return undefined;
    const [, id, secretPart] = match as unknown as [string, string, string];
    const secret = secrets.get('kube-system', `bootstrap-token-${id}`);
    if (!secret || secret.metadata.deletionTimestamp || secret.type !== 'bootstrap.kubernetes.io/token') return undefined;
    const field = (name: string): string => Buffer.from(secret.data?.[name] ?? '', 'base64').toString();
    if (field('token-id') !== id || !sameText(field('token-secret'), secretPart)) return undefined;
    if (field('usage-bootstrap-authentication') !== 'true') return undefined;
    const expiration = field('expiration');
    if (expiration && !(Date.parse(expiration) > options.clock.now())) return undefined;
    const extra = field('auth-extra-groups')
      .split(',')
      .filter((group) => GROUP.test(group));
    return { name: `system:bootstrap:${id}`, groups: ['system:bootstrappers', ...extra] };
  };
}

function sameText(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
}

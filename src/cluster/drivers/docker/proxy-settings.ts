import { CLUSTER_DOMAIN } from '../../node-config.ts';
import type { Profile } from '../../profile.ts';

/** The machine's proxies for the node, which pulls images through them, in both spellings; what is in the cluster is asked directly. */
export function proxySettings(env: Readonly<Record<string, string | undefined>>, { podCidr, serviceCidr, subnet }: Profile): string[] {
  const value = (name: string): string | undefined => env[name] || env[name.toUpperCase()];
  const proxies = ['http_proxy', 'https_proxy'].flatMap((name) => both(name, value(name)));
  if (proxies.length === 0) return [];
  const direct = ['localhost', '127.0.0.1', podCidr, serviceCidr, subnet, '.svc', `.${CLUSTER_DOMAIN}`];
  return [...proxies, ...both('no_proxy', [value('no_proxy'), ...direct].filter(Boolean).join(','))];
}

function both(name: string, value: string | undefined): string[] {
  return value ? [`${name}=${value}`, `${name.toUpperCase()}=${value}`] : [];
}

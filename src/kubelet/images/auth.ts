import type { Secret } from '../../api/types.gen.ts';
import type { RegistryAuth } from '../runtime/runtime.ts';

interface DockerConfigEntry {
  username?: string;
  password?: string;
  auth?: string;
  identitytoken?: string;
}

/**
 * Credentials for an image out of the pod's pull secrets, best match first. Secrets that cannot be read as what they claim to be are
 * skipped, as upstream does: the pull then tells.
 */
export function registryAuths(secrets: readonly Secret[], image: string): RegistryAuth[] {
  const found: { match: string; auth: RegistryAuth }[] = [];
  for (const secret of secrets) {
    for (const [registry, entry] of Object.entries(entriesOf(secret))) {
      const match = normalizeRegistry(registry);
      if (matches(match, image)) found.push({ match, auth: authOf(entry) });
    }
  }
  return found.toSorted((a, b) => b.match.length - a.match.length).map(({ auth }) => auth);
}

function entriesOf({ type, data = {} }: Secret): Record<string, DockerConfigEntry> {
  const key = type === 'kubernetes.io/dockercfg' ? '.dockercfg' : '.dockerconfigjson';
  const text = data[key];
  if (text === undefined) return {};
  const parsed = parse(Buffer.from(text, 'base64').toString('utf8'));
  return (key === '.dockercfg' ? parsed : (parsed.auths as Record<string, DockerConfigEntry> | undefined)) ?? {};
}

function parse(text: string): Record<string, DockerConfigEntry> & { auths?: unknown } {
  try {
    return JSON.parse(text) as Record<string, DockerConfigEntry>;
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}

/** `https://index.docker.io/v1/` is `docker.io`; a path prefix stays. */
function normalizeRegistry(registry: string): string {
  const bare = registry
    .replace(/^https?:\/\//, '')
    .replace(/\/v[12]\/?$/, '')
    .replace(/\/$/, '');
  return bare === 'index.docker.io' || bare === 'registry-1.docker.io' ? 'docker.io' : bare;
}

/** `image` is fully qualified. `*.example.com` matches one label. */
function matches(registry: string, image: string): boolean {
  const [host = '', ...rest] = registry.split('/');
  const [imageHost = '', ...imagePath] = image.split('/');
  const pattern = new RegExp(`^${host.split('*').map(escape).join('[^.]*')}$`);
  return pattern.test(imageHost) && imagePath.join('/').startsWith(rest.join('/'));
}

const escape = (text: string): string => text.replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`);

function authOf({ username, password, auth, identitytoken }: DockerConfigEntry): RegistryAuth {
  if (username || password || !auth) return { username, password, identityToken: identitytoken };
  const decoded = Buffer.from(auth, 'base64').toString('utf8');
  const colon = decoded.indexOf(':');
  return { username: decoded.slice(0, colon), password: decoded.slice(colon + 1), identityToken: identitytoken };
}

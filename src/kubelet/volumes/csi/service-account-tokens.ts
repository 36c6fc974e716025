import type { CSIDriver, Pod } from '../../../api/types.gen.ts';
import type { Tokens } from '../tokens.ts';

const KEY = 'csi.storage.k8s.io/serviceAccount.tokens';

/** The tokens of the pod's service account that a driver asks for by `tokenRequests` (KEP-1855). */
export async function serviceAccountTokens(pod: Pod, driver: CSIDriver | undefined, tokens: Tokens): Promise<Record<string, string>> {
  const requests = driver?.spec.tokenRequests ?? [];
  if (requests.length === 0) return {};
  const given = await Promise.all(
    requests.map(async ({ audience, expirationSeconds }) => {
      const token = await tokens.get(pod, { audience, path: '', ...(expirationSeconds === undefined ? {} : { expirationSeconds }) });
      return [audience, { token, expirationTimestamp: expiryOf(token) }] as const;
    }),
  );
  return { [KEY]: JSON.stringify(Object.fromEntries(given)) };
}

/** `exp` of a JWT (RFC 7519). */
function expiryOf(token: string): string {
  const { exp } = JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as { exp: number };
  return new Date(exp * 1000).toISOString().replace(/\.\d+Z$/, 'Z');
}

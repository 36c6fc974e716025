import type { ServiceAccountTokens } from '../authn/service-account-tokens.ts';
import type { Handler } from '../contract.ts';

const CONFIGURATION = '/.well-known/openid-configuration';
const KEYS = '/openid/v1/jwks';

/** OpenID discovery of the service account issuer (KEP-1393): others verify our tokens with it. `externalUrl` is without a slash at its end. */
export function oidcHandler(tokens: ServiceAccountTokens, externalUrl: string): Handler {
  const headers = { 'cache-control': 'public, max-age=3600' };
  return {
    name: 'oidc-discovery',
    match: ({ info, method }) => (method === 'GET' || method === 'HEAD') && [CONFIGURATION, KEYS].includes(info.path.replace(/\/$/, '')),
    handle: async ({ info }) =>
      info.path.startsWith(KEYS)
        ? { status: 200, bytes: Buffer.from(JSON.stringify({ keys: jwks(tokens) })), contentType: 'application/jwk-set+json', headers }
        : { status: 200, bytes: Buffer.from(JSON.stringify(configuration(tokens, externalUrl))), contentType: 'application/json', headers },
  };
}

function configuration({ issuer, keys }: ServiceAccountTokens, externalUrl: string): object {
  return {
    issuer,
    jwks_uri: `${externalUrl}${KEYS}`,
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: [...new Set(keys.map(({ algorithm }) => algorithm))],
  };
}

function jwks({ keys }: ServiceAccountTokens): object[] {
  return keys.map(({ publicKey, algorithm, keyId }) => ({
    use: 'sig',
    kid: keyId,
    alg: algorithm,
    ...publicKey.export({ format: 'jwk' }),
  }));
}

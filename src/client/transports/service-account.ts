import { StatusError } from '../../api/status.ts';
import type { ApiRequest, ApiResponse, Transport, UserInfo } from '../../api/transport.ts';
import type { AuthenticationV1TokenRequest } from '../../api/types.gen.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Client } from '../client.ts';
import { SERVICE_ACCOUNTS } from '../resources.ts';

export interface ServiceAccountTransportOptions {
  /** May create service accounts and their tokens: the controller manager's own identity. */
  client: Client;
  /** Reaches the server without credentials: `httpsTransport({ server, ca, clock })`. */
  base: Transport;
  clock: Clock;
  namespace?: string;
}

/** Upstream's figures: tokens of an hour, renewed when a fifth of it is left. */
const LIFETIME_SECONDS = 3600;
const RENEW_SHARE = 0.8;

/**
 * Transports that act as service accounts, each with a token of its own (TokenRequest) that is renewed in time; the account is created when
 * it is missing. This is kube-controller-manager's --use-service-account-credentials; on loopback identities need no tokens.
 */
export function serviceAccountTransports(options: ServiceAccountTransportOptions): (name: string) => Transport {
  const { base, clock } = options;
  return (name) => {
    let held: { token: Promise<string>; renewAt: number } | undefined;
    const token = (): Promise<string> => {
      if (held && clock.monotonic() < held.renewAt) return held.token;
      const minting = { token: mint(options, name), renewAt: clock.monotonic() + LIFETIME_SECONDS * 1000 * RENEW_SHARE };
      held = minting;
      // A failure is told to those who wait for this token; the next call tries anew.
      minting.token.catch(() => {
        if (held === minting) held = undefined;
      });
      return minting.token;
    };
    const send = async (request: ApiRequest): Promise<ApiResponse> =>
      base({ ...request, headers: { ...request.headers, authorization: `Bearer ${await token()}` } });
    return async (request) => {
      const answer = await send(request);
      if (answer.status !== 401) return answer;
      // The account was deleted and made again, or the server's keys are new.
      held = undefined;
      return send(request);
    };
  };
}

/** Who a service account is to the API server: what a loopback transport is asked for. */
export function serviceAccountUser(name: string, namespace = 'kube-system'): UserInfo {
  const groups = ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'];
  return { name: `system:serviceaccount:${namespace}:${name}`, groups };
}

async function mint({ client, namespace = 'kube-system' }: ServiceAccountTransportOptions, name: string): Promise<string> {
  const accounts = client.resource(SERVICE_ACCOUNTS, namespace);
  const body: AuthenticationV1TokenRequest = {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    metadata: {},
    spec: { expirationSeconds: LIFETIME_SECONDS },
  };
  const ask = async (): Promise<string> =>
    (await accounts.subresource<AuthenticationV1TokenRequest>(name, 'token', 'POST', body)).status!.token!;
  try {
    return await ask();
  } catch (error) {
    if (!StatusError.is(error, 'NotFound')) throw error;
  }
  try {
    await accounts.create({ metadata: { name, namespace } });
  } catch (error) {
    if (!StatusError.is(error, 'AlreadyExists')) throw error;
  }
  return ask();
}

/**
 * Fills Secrets of type kubernetes.io/service-account-token with a token for the account that they name, as upstream's tokens controller
 * does; those of an account that is gone are deleted. It lives here because here is the key that signs.
 */
import type { KubeObject } from '../../api/meta.ts';
import { StatusError } from '../../api/status.ts';
import type { Secret, ServiceAccount } from '../../api/types.gen.ts';
import type { Logger } from '../../lib/log.ts';
import type { StoredObjects } from '../stored.ts';
import { stored } from '../stored.ts';
import type { ServiceAccountTokens } from './service-account-tokens.ts';

const TYPE = 'kubernetes.io/service-account-token';
const NAME = 'kubernetes.io/service-account.name';
const UID = 'kubernetes.io/service-account.uid';

export interface TokenSecretsOptions extends StoredObjects {
  tokens: ServiceAccountTokens;
  /** PEM: what a holder of the token trusts us by. */
  rootCa: string;
  log: Logger;
}

/** Begins to fill; the returned function ends it. */
export function fillTokenSecrets({ tokens, rootCa, log, ...objects }: TokenSecretsOptions): () => void {
  const secrets = stored<Secret>(objects, '', 'v1', 'secrets');
  const accounts = stored<ServiceAccount>(objects, '', 'v1', 'serviceaccounts');

  const settle = async (secret: Secret): Promise<void> => {
    const { namespace = '', name = '', annotations = {} } = secret.metadata;
    const account = accounts.get(namespace, annotations[NAME] ?? '');
    if (!account || (annotations[UID] && annotations[UID] !== account.metadata.uid))
      return objects.source.delete(secrets.resource, namespace, name);
    const filled = filledSecret(secret, account, tokens, rootCa);
    if (filled) await objects.source.update(secrets.resource, filled as unknown as KubeObject);
  };
  const look = (secret: Secret): void => {
    if (secret.type !== TYPE || secret.metadata.deletionTimestamp) return;
    settle(secret).catch((error: unknown) => {
      // Somebody else changed or deleted it meanwhile: the next event brings us back.
      if (!StatusError.is(error, 'Conflict') && !StatusError.is(error, 'NotFound'))
        log.warn('a token secret could not be filled', { secret: secret.metadata.name, error });
    });
  };
  const ofAccount = ({ metadata }: ServiceAccount): void => {
    for (const secret of secrets.list(metadata.namespace)) if (secret.metadata.annotations?.[NAME] === metadata.name) look(secret);
  };

  const stops = [
    secrets.subscribe((secret, _previous, deleted) => {
      if (!deleted) look(secret);
    }),
    accounts.subscribe((account, _previous, deleted) => {
      if (deleted) ofAccount(account);
    }),
  ];
  for (const secret of secrets.list()) look(secret);
  return () => {
    for (const stop of stops) stop();
  };
}

/** undefined when nothing is missing. */
function filledSecret(secret: Secret, account: ServiceAccount, tokens: ServiceAccountTokens, rootCa: string): Secret | undefined {
  const { metadata, data = {} } = secret;
  const { uid = '', name = '', namespace = '' } = account.metadata;
  if (data['token'] && data['namespace'] && data['ca.crt'] && metadata.annotations?.[UID] === uid) return undefined;
  const encode = (text: string): string => Buffer.from(text).toString('base64');
  return {
    ...secret,
    metadata: { ...metadata, annotations: { ...metadata.annotations, [UID]: uid } },
    data: {
      ...data,
      'ca.crt': data['ca.crt'] || encode(rootCa),
      namespace: data['namespace'] || encode(namespace),
      token: data['token'] || encode(tokens.issueLegacy(namespace, { name, uid }, metadata.name!)),
    },
  };
}

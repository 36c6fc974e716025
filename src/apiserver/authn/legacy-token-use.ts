import { StatusError } from '../../api/status.ts';
import type { Secret } from '../../api/types.gen.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import { stored, type StoredObjects } from '../stored.ts';

const LAST_USED = 'kubernetes.io/legacy-token-last-used';
const INVALID_SINCE = 'kubernetes.io/legacy-token-invalid-since';

/**
 * Notes on which day a token kept in a Secret was used last, for the controller that cleans up unused ones (KEP-2799): one write a day and
 * token, which the request does not wait for. Throws for a token that was marked as invalid.
 */
export function legacyTokenUse(options: StoredObjects & { clock: Clock; log: Logger }): (secret: Secret) => void {
  const { source, clock, log } = options;
  const secrets = stored<Secret>(options, '', 'v1', 'secrets');
  const writing = new Set<string>();
  const note = async (secret: Secret, today: string): Promise<void> => {
    const { metadata } = secret;
    try {
      const labels = { ...metadata.labels, [LAST_USED]: today };
      await source.update(secrets.resource, { ...secret, metadata: { ...metadata, labels } });
    } catch (error) {
      // Somebody else changed or deleted it: its next use is soon enough.
      if (!StatusError.is(error, 'Conflict') && !StatusError.is(error, 'NotFound'))
        log.warn('the use of a token could not be noted', { secret: `${metadata.namespace}/${metadata.name}`, error });
    } finally {
      writing.delete(metadata.uid!);
    }
  };
  return (secret) => {
    const { namespace, name, uid, labels = {} } = secret.metadata;
    if (labels[INVALID_SINCE] !== undefined)
      throw new Error(
        `the token in secret ${namespace}/${name} has been marked invalid. Use tokens from the TokenRequest API or manually created ` +
          `secret-based tokens, or remove the '${INVALID_SINCE}' label from the secret to temporarily allow use of this token`,
      );
    const today = new Date(clock.now()).toISOString().slice(0, 10);
    if (labels[LAST_USED] === today || writing.has(uid!)) return;
    writing.add(uid!);
    void note(secret, today);
  };
}

import type { Secret } from '../../api/types.gen.ts';

/** The Secrets that hold bootstrap tokens (`abcdef.0123456789abcdef`), in kube-system. */
export const TOKEN_SECRETS = { namespace: 'kube-system', fieldSelector: 'type=bootstrap.kubernetes.io/token' } as const;

export function fieldOf({ data }: Secret, name: string): string {
  return Buffer.from(data?.[name] ?? '', 'base64').toString();
}

/** Milliseconds since the epoch; undefined when the token does not expire. What cannot be read has expired. */
export function expiryOf(secret: Secret): number | undefined {
  const text = fieldOf(secret, 'expiration');
  if (text === '') return undefined;
  const expiry = Date.parse(text);
  return Number.isNaN(expiry) ? 0 : expiry;
}

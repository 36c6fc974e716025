import type { IncomingHttpHeaders } from 'node:http';

/**
 * The values of a header that may come several times. Node joins repeated unknown headers with ', '; names of users and groups that hold
 * a comma and a space cannot be told apart from two headers, so they are not supported.
 */
export function headerValues(headers: Readonly<IncomingHttpHeaders>, name: string): string[] {
  const value = headers[name];
  if (value === undefined) return [];
  return Array.isArray(value) ? value : value.split(', ');
}

/** `x-remote-extra-scopes: a` as `{ scopes: ['a'] }`. Keys are percent-decoded (they may hold a slash). */
export function extraFromHeaders(headers: Readonly<IncomingHttpHeaders>, prefix: string): Record<string, string[]> | undefined {
  let extra: Record<string, string[]> | undefined;
  for (const name in headers) {
    if (!name.startsWith(prefix)) continue;
    extra ??= {};
    extra[unescape(name.slice(prefix.length))] = headerValues(headers, name);
  }
  return extra;
}

/** Percent-decoding that keeps what is not a valid escape. */
function unescape(text: string): string {
  return /^(?:[^%]|%[0-9a-fA-F]{2})*$/.test(text) ? decodeURIComponent(text) : text;
}

import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { errorCode } from '../lib/errors.ts';

/** The name servers of a resolv.conf, in its order; none where there is no such file. */
export function readResolvConf(path: string): string[] {
  try {
    const rows = readFileSync(path, 'utf8').split('\n');
    return rows.flatMap((row) => {
      const [, address = ''] = /^\s*nameserver\s+([^\s%]+)/.exec(row) ?? [];
      return isIP(address) === 0 ? [] : [address];
    });
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

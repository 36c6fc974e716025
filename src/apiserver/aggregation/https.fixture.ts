/** Requests over TLS as the administrator. */
import type { IncomingHttpHeaders } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { TestApiServer } from '../../../test/fixtures/apiserver.ts';

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
}

export interface Sent {
  body?: string;
  accept?: string;
}

export function overHttps({ pki, url }: TestApiServer, method: string, path: string, { body, accept }: Sent = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = httpsRequest(
      new URL(path, url),
      {
        method,
        ca: pki.get('ca.crt'),
        cert: pki.get('components/admin.crt'),
        key: pki.get('components/admin.key'),
        headers: { accept: accept ?? 'application/json', ...(body ? { 'content-type': 'application/json' } : {}) },
        agent: false,
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.once('end', () => resolve({ status: response.statusCode!, headers: response.headers, text })).once('error', reject);
      },
    );
    sent.once('error', reject);
    sent.end(body);
  });
}

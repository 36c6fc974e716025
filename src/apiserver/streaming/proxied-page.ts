/** An answer of a proxied target as its client is to see it: redirects and links of pages stay behind the proxy. */
import type { IncomingHttpHeaders } from 'node:http';
import { type Duplex, Transform, type TransformCallback } from 'node:stream';
import { createGunzip, createGzip } from 'node:zlib';
import { rewriteLinks } from './html-links.ts';
import type { Target } from './target.ts';

export interface ProxiedFrom {
  target: Pick<Target, 'scheme' | 'authority'>;
  /** The host that the client asked. */
  host: string;
  /** `/api/v1/namespaces/ns/pods/web/proxy` */
  prefix: string;
}

/** What is allowed to other origins is the API server's to say. */
const CORS = [
  'access-control-allow-credentials',
  'access-control-allow-headers',
  'access-control-allow-methods',
  'access-control-allow-origin',
] as const;

export function proxiedHeaders(headers: IncomingHttpHeaders, from: ProxiedFrom): IncomingHttpHeaders {
  const kept = { ...headers };
  for (const name of CORS) delete kept[name];
  if (kept.location) kept.location = behindProxy(kept.location, from);
  else if (isPage(kept)) delete kept['content-length'];
  return kept;
}

/** What the body goes through: nothing but for pages in an encoding that is ours to read. */
export function proxiedBody(headers: IncomingHttpHeaders, from: ProxiedFrom): Duplex[] {
  if (headers.location || !isPage(headers)) return [];
  const links = new PageLinks((link) => behindProxy(link, from));
  return headers['content-encoding'] === 'gzip' ? [createGunzip(), links, createGzip()] : [links];
}

function isPage(headers: IncomingHttpHeaders): boolean {
  const type = headers['content-type']?.split(';', 1)[0]!.trim().toLowerCase();
  return type === 'text/html' && ['', 'identity', 'gzip'].includes(headers['content-encoding'] ?? '');
}

/** Links to other hosts and relative ones are good as they are, and so is what points behind the proxy already. */
function behindProxy(link: string, { target: { scheme, authority }, host, prefix }: ProxiedFrom): string {
  const base = `${scheme}://${authority}`;
  if (!/^(?:\/|https?:\/)/i.test(link) || !URL.canParse(link, base)) return link;
  if (/^\/(?!\/)/.test(link)) return isBehind(link, prefix) ? link : prefix + link;
  const url = new URL(link, base);
  if (url.host !== new URL(base).host && url.host !== host) return link;
  const path = `${url.pathname}${url.search}${url.hash}`;
  return isBehind(path, prefix) ? path : prefix + path;
}

const isBehind = (path: string, prefix: string): boolean => path === prefix || path.startsWith(`${prefix}/`);

/** Holds the page back until it is whole. */
class PageLinks extends Transform {
  readonly #chunks: Buffer[] = [];
  readonly #rewrite: (link: string) => string;

  constructor(rewrite: (link: string) => string) {
    super();
    this.#rewrite = rewrite;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#chunks.push(chunk);
    done();
  }

  /** Byte for byte whatever the page's charset is: links are ASCII in all of them. */
  override _flush(done: TransformCallback): void {
    const html = Buffer.concat(this.#chunks).toString('latin1');
    done(null, Buffer.from(rewriteLinks(html, this.#rewrite), 'latin1'));
  }
}

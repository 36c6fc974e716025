import { createHash } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { extname, join } from 'node:path';
import { PAGE_HEADERS } from './headers.ts';

export interface Assets {
  /** Answers with the file that the URL names, or 404. */
  serve(request: IncomingMessage, response: ServerResponse): void;
}

interface Asset {
  bytes: Buffer;
  type: string;
  etag: string;
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** Holds the page's few files in memory. Throws when the page was not built. */
export async function loadAssets(dir: string): Promise<Assets> {
  const names = (await readdir(dir)).filter((name) => TYPES[extname(name)] !== undefined);
  const files = new Map<string, Asset>(await Promise.all(names.map(async (name) => [`/${name}`, await load(dir, name)] as const)));
  const page = files.get('/index.html');
  if (!page) throw new Error(`${join(dir, 'index.html')} is missing: the page was not built`);
  files.set('/', page);
  return {
    serve: ({ url = '/', method, headers }, response) => {
      const asset = files.get(url.split('?')[0]!);
      if (!asset) {
        response.writeHead(404, { ...PAGE_HEADERS, 'content-type': 'text/plain; charset=utf-8' }).end('404 page not found\n');
        return;
      }
      const { bytes, type, etag } = asset;
      if (headers['if-none-match'] === etag) {
        response.writeHead(304, { ...PAGE_HEADERS, etag }).end();
        return;
      }
      response.writeHead(200, { ...PAGE_HEADERS, etag, 'content-type': type, 'content-length': bytes.length });
      response.end(method === 'HEAD' ? undefined : bytes);
    },
  };
}

async function load(dir: string, name: string): Promise<Asset> {
  const bytes = await readFile(join(dir, name));
  const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`;
  return { bytes, type: TYPES[extname(name)]!, etag };
}

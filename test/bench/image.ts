/** Building the node image's file system: packages fetched into an empty cache, unpacked, with the Node.js binary; and how small it packs. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import { aptSource } from '../../src/cluster/image/apt.ts';
import { readBundle } from '../../src/cluster/image/bundle.ts';
import { nodeBinary } from '../../src/cluster/image/node-binary.ts';
import { NODE_PACKAGES } from '../../src/cluster/image/packages.ts';
import { rootfsTar } from '../../src/cluster/image/rootfs.ts';
import { file } from '../../src/cluster/image/tar-writer.ts';
import { systemClock } from '../../src/lib/clock.ts';
import type { Figure } from './measure.ts';

const ROOT = join(import.meta.dirname, '..', '..');

export async function benchImage(runs: number): Promise<Figure[]> {
  const seconds: number[] = [];
  const megabytes: number[] = [];
  const arch = process.arch === 'arm64' ? 'arm64' : 'amd64';
  for (let run = 0; run < runs; run++) {
    const cacheDir = mkdtempSync(join(tmpdir(), 'rockpool-bench-image-'));
    const signal = AbortSignal.timeout(300_000);
    try {
      const began = performance.now();
      const source = await aptSource({ cacheDir, clock: systemClock(), env: process.env });
      if (!source) throw new Error('the image bench needs apt');
      const [packages, program] = await Promise.all([
        source.fetch(NODE_PACKAGES, arch, signal),
        nodeBinary(arch, { packageRoot: ROOT, cacheDir, env: process.env, signal }),
      ]);
      const pieces: Buffer[] = [];
      for await (const piece of rootfsTar({ packages, extra: [file('usr/bin/node', program, 0o755)], signal })) pieces.push(piece);
      const bundle = await readBundle(ROOT, arch);
      seconds.push((performance.now() - began) / 1000);
      let packed = 0;
      for await (const chunk of Readable.from([...pieces, bundle]).pipe(createGzip({ level: 6 }))) packed += (chunk as Buffer).length;
      megabytes.push(packed / 1e6);
    } finally {
      rmSync(cacheDir, { recursive: true, force: true });
    }
  }
  return [
    { name: 'node image: fetched and built', values: seconds, unit: 's', reference: 'kind and minikube download 0.9–1.5 GB', aim: '10' },
    {
      name: 'node image: gzip',
      values: megabytes,
      unit: 'MB',
      reference: 'kindest/node 931 MB, k3s binary 64.5 MB without images',
      aim: '110',
    },
  ];
}

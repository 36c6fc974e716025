/** Container images as `docker save` writes them: layers, a configuration and a manifest in one tar. */
import { createHash } from 'node:crypto';
import { directory, file, tarOf } from './tar-writer.ts';
import type { TarEntry } from './deb.ts';
import type { DebianArch } from './packages.ts';

export interface ImageConfig {
  entrypoint?: readonly string[];
  cmd?: readonly string[];
  env?: readonly string[];
  user?: string;
  workingDir?: string;
  exposedPorts?: readonly string[];
  stopSignal?: string;
  labels?: Readonly<Record<string, string>>;
}

export interface ImageArchive {
  /** `docker.io/library/nginx:latest` or shorter, as `docker load` reads them. */
  names: readonly string[];
  arch: DebianArch;
  config: ImageConfig;
}

/** An image of one layer. The same input gives the same bytes, and so the same digest. */
export function imageArchive({ names, arch, config }: ImageArchive, layer: Buffer): Buffer {
  const diffId = sha256(layer);
  const body = JSON.stringify({
    architecture: arch,
    os: 'linux',
    created: '2026-01-01T00:00:00Z',
    config: {
      ...(config.entrypoint ? { Entrypoint: config.entrypoint } : {}),
      ...(config.cmd ? { Cmd: config.cmd } : {}),
      Env: config.env ?? ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
      ...(config.user ? { User: config.user } : {}),
      WorkingDir: config.workingDir ?? '/',
      ...(config.exposedPorts ? { ExposedPorts: Object.fromEntries(config.exposedPorts.map((port) => [port, {}])) } : {}),
      ...(config.stopSignal ? { StopSignal: config.stopSignal } : {}),
      ...(config.labels ? { Labels: config.labels } : {}),
    },
    rootfs: { type: 'layers', diff_ids: [`sha256:${diffId}`] },
    history: [{ created: '2026-01-01T00:00:00Z', created_by: 'rockpool' }],
  });
  const configName = `${sha256(body)}.json`;
  const entries: TarEntry[] = [
    directory(diffId),
    file(`${diffId}/layer.tar`, layer),
    file(configName, body),
    file('manifest.json', JSON.stringify([{ Config: configName, RepoTags: names, Layers: [`${diffId}/layer.tar`] }])),
  ];
  return tarOf(entries);
}

function sha256(data: string | Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}

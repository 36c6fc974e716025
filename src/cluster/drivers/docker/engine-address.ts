/** Where the container engine answers, found as the docker command line finds it: DOCKER_HOST, the chosen context, then the usual sockets. */
import { createHash } from 'node:crypto';
import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DockerOptions } from 'dockerode';
import { readIfExists } from '../../files.ts';

export interface EngineAddress {
  options: DockerOptions;
  /** As DOCKER_HOST would name it. */
  url: string;
}

type Env = Readonly<Record<string, string | undefined>>;

/** The engine's address, or undefined where nothing hints at an engine. Whether it answers is another question. */
export async function engineAddress(env: Env, userHome: string): Promise<EngineAddress | undefined> {
  if (env['DOCKER_HOST']) return parseAddress(env['DOCKER_HOST'], env);
  const context = await contextHost(env, userHome);
  if (context) return parseAddress(context, env);
  if (process.platform === 'win32') return parseAddress('npipe:////./pipe/docker_engine', env);
  const sockets = ['/var/run/docker.sock', join(userHome, '.docker/run/docker.sock'), join(userHome, '.colima/default/docker.sock')];
  if (env['XDG_RUNTIME_DIR']) sockets.push(join(env['XDG_RUNTIME_DIR'], 'docker.sock'), join(env['XDG_RUNTIME_DIR'], 'podman/podman.sock'));
  sockets.push('/run/podman/podman.sock');
  for (const socket of sockets) if (await exists(socket)) return parseAddress(`unix://${socket}`, env);
  return undefined;
}

/** `unix:///path`, `npipe:////./pipe/x`, `tcp://host:port` (TLS by DOCKER_TLS_VERIFY), `ssh://user@host`. */
export async function parseAddress(url: string, env: Env): Promise<EngineAddress> {
  if (url.startsWith('unix://')) return { url, options: { socketPath: url.slice('unix://'.length) } };
  if (url.startsWith('npipe://')) return { url, options: { socketPath: url.slice('npipe://'.length) } };
  const { protocol, hostname, port, username } = new URL(url);
  if (protocol === 'ssh:') return { url, options: { protocol: 'ssh', host: hostname, port: Number(port || 22), username } };
  const tls = Boolean(env['DOCKER_TLS_VERIFY']) || protocol === 'https:';
  const address: EngineAddress = {
    url,
    options: { host: hostname, port: Number(port || (tls ? 2376 : 2375)), protocol: tls ? 'https' : 'http' },
  };
  if (tls && env['DOCKER_CERT_PATH']) {
    const [ca, cert, key] = await Promise.all(
      ['ca.pem', 'cert.pem', 'key.pem'].map((name) => readFile(join(env['DOCKER_CERT_PATH']!, name), 'utf8')),
    );
    Object.assign(address.options, { ca, cert, key });
  }
  return address;
}

/** Whether the engine publishes ports on this machine: a socket, or TCP to a loopback address. */
export function isLocal({ options }: EngineAddress): boolean {
  if (options.protocol === 'ssh') return false;
  return options.host === undefined || /^(localhost|127\.\d+\.\d+\.\d+|::1|\[::1\])$/.test(options.host);
}

/** Contexts stand in ~/.docker/contexts/meta/SHA256(name)/meta.json. */
async function contextHost(env: Env, userHome: string): Promise<string | undefined> {
  const dir = env['DOCKER_CONFIG'] || join(userHome, '.docker');
  const name = env['DOCKER_CONTEXT'] || (await jsonField(join(dir, 'config.json'), ['currentContext']));
  if (!name || name === 'default') return undefined;
  const id = createHash('sha256').update(name).digest('hex');
  return jsonField(join(dir, 'contexts', 'meta', id, 'meta.json'), ['Endpoints', 'docker', 'Host']);
}

async function jsonField(path: string, fields: readonly string[]): Promise<string | undefined> {
  const text = await readIfExists(path);
  if (!text) return undefined;
  try {
    const value = fields.reduce<unknown>(
      (at, field) => (typeof at === 'object' && at !== null ? (at as Record<string, unknown>)[field] : undefined),
      JSON.parse(text),
    );
    return typeof value === 'string' ? value : undefined;
  } catch (error) {
    // The docker command ignores a broken file as well, with a warning of its own.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

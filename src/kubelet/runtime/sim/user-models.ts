/**
 * Images that users model themselves: a folder of yaml files.
 *
 *     image: my/app                # or a list; without a tag every tag exists
 *     ports: [8080]                # where it listens; 8080 unless given, when http is
 *     log: [started, ready]        # lines that it prints first
 *     http:
 *       - { path: /healthz, status: 200, body: ok }
 *     exec:
 *       - { command: [my-app, version], stdout: "1.0\n", exitCode: 0 }
 *     files: { /etc/my-app.conf: "debug = true\n" }
 *     exit: { after: 30s, code: 1 }   # otherwise it runs until it is stopped
 */
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { errorCode, errorMessage } from '../../../lib/errors.ts';
import { normalizeImageName } from '../../images/names.ts';
import { BUSYBOX_PROGRAMS, ALPINE_RELEASE, programTable, systemFiles } from './catalogue/base.ts';
import { type CatalogueEntry, type ImageModel, type Program, server } from './model.ts';
import { durationMs } from './programs/arguments.ts';
import { clientOf, sendText, serveHttp } from './programs/web-server.ts';

/** A file of the folder cannot be used; the message names it and the field. */
export class UserModelError extends Error {
  override name = 'UserModelError';
}

export interface UserModel {
  images: readonly string[];
  ports: readonly number[];
  log: readonly string[];
  http: readonly Route[];
  exec: readonly ExecAnswer[];
  files: Readonly<Record<string, string>>;
  exit?: { afterMs: number; code: number };
}

interface Route {
  path: string;
  method?: string;
  status: number;
  headers: Readonly<Record<string, string>>;
  body: string;
}

interface ExecAnswer {
  command: readonly string[];
  stdout: string;
  stderr: string;
  exitCode: number;
}

const DEFAULT_PORT = 8080;

/** The models of a folder, read anew each time: a change counts for the next pull. `broken` is told of files that cannot be used. */
export async function readUserModels(folder: string, broken: (error: UserModelError) => void): Promise<CatalogueEntry[]> {
  const entries: CatalogueEntry[] = [];
  for (const name of await yamlFiles(folder)) {
    try {
      const { parse } = await import('yaml');
      const model = checkUserModel(parse(await readFile(path.join(folder, name), 'utf8')), name);
      entries.push({ repositories: model.images.map(repositoryOf), load: () => Promise.resolve(imageOf(model)) });
    } catch (error) {
      broken(error instanceof UserModelError ? error : new UserModelError(`${name}: ${errorMessage(error)}`, { cause: error }));
    }
  }
  return entries;
}

async function yamlFiles(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).filter((name) => /\.ya?ml$/.test(name)).toSorted();
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

function repositoryOf(image: string): string {
  return normalizeImageName(image).replace(/:[\w.-]+$/, '');
}

const FIELDS = new Set(['image', 'ports', 'log', 'http', 'exec', 'files', 'exit']);

/** Throws UserModelError naming the field. */
export function checkUserModel(value: unknown, file: string): UserModel {
  const check = new Checker(file);
  const model = check.object(value, '');
  for (const field of Object.keys(model)) if (!FIELDS.has(field)) check.fail(field, `unknown field; known are ${[...FIELDS].join(', ')}`);
  const http = check.list(model['http'], 'http').map((item, at) => route(check, item, `http[${at}]`));
  const ports = check.list(model['ports'], 'ports').map((port, at) => check.port(port, `ports[${at}]`));
  const images = [model['image']].flat().map((image, at) => check.text(image, Array.isArray(model['image']) ? `image[${at}]` : 'image'));
  const exit = model['exit'] === undefined ? undefined : exitOf(check, model['exit']);
  return {
    images,
    ports: ports.length > 0 ? ports : http.length > 0 ? [DEFAULT_PORT] : [],
    log: [model['log'] ?? []].flat().map((line, at) => check.text(line, `log[${at}]`)),
    http,
    exec: check.list(model['exec'], 'exec').map((item, at) => execAnswer(check, item, `exec[${at}]`)),
    files: check.texts(model['files'], 'files'),
    ...(exit ? { exit } : {}),
  };
}

function route(check: Checker, value: unknown, field: string): Route {
  const item = check.object(value, field);
  return {
    path: check.text(item['path'], `${field}.path`),
    ...(item['method'] === undefined ? {} : { method: check.text(item['method'], `${field}.method`).toUpperCase() }),
    status: item['status'] === undefined ? 200 : check.number(item['status'], `${field}.status`, [100, 599]),
    headers: check.texts(item['headers'], `${field}.headers`),
    body: item['body'] === undefined ? '' : check.text(item['body'], `${field}.body`),
  };
}

function execAnswer(check: Checker, value: unknown, field: string): ExecAnswer {
  const item = check.object(value, field);
  const optional = (name: string): string => (item[name] === undefined ? '' : check.text(item[name], `${field}.${name}`));
  const command = Array.isArray(item['command'])
    ? item['command'].map((word, at) => check.text(word, `${field}.command[${at}]`))
    : check.text(item['command'], `${field}.command`).split(/\s+/);
  return {
    command,
    stdout: optional('stdout'),
    stderr: optional('stderr'),
    exitCode: item['exitCode'] === undefined ? 0 : check.number(item['exitCode'], `${field}.exitCode`, [0, 255]),
  };
}

function exitOf(check: Checker, value: unknown): { afterMs: number; code: number } {
  const item = check.object(value, 'exit');
  const after = item['after'] === undefined ? 0 : durationMs(String(item['after']));
  if (after === undefined) check.fail('exit.after', 'must be a duration such as 30s or 5m');
  return { afterMs: after, code: item['code'] === undefined ? 0 : check.number(item['code'], 'exit.code', [0, 255]) };
}

class Checker {
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  fail(field: string, message: string): never {
    throw new UserModelError(`${this.#file}: ${field === '' ? '' : `${field}: `}${message}`);
  }

  object(value: unknown, field: string): Readonly<Record<string, unknown>> {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) this.fail(field, 'must be a map of fields');
    return value as Readonly<Record<string, unknown>>;
  }

  list(value: unknown, field: string): readonly unknown[] {
    if (value === undefined) return [];
    return Array.isArray(value) ? value : this.fail(field, 'must be a list');
  }

  text(value: unknown, field: string): string {
    if (typeof value === 'number' || typeof value === 'boolean') return String(value);
    return typeof value === 'string' && value !== '' ? value : this.fail(field, 'must be a text');
  }

  texts(value: unknown, field: string): Record<string, string> {
    return Object.fromEntries(
      Object.entries(value === undefined ? {} : this.object(value, field)).map(([name, text]) => [
        name,
        this.text(text, `${field}.${name}`),
      ]),
    );
  }

  number(value: unknown, field: string, [least, most]: readonly [number, number]): number {
    if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
    return this.fail(field, `must be a whole number from ${least} to ${most}`);
  }

  port(value: unknown, field: string): number {
    return this.number(value, field, [1, 65_535]);
  }
}

function imageOf(model: UserModel): ImageModel {
  return {
    hasTag: () => true,
    sizeBytes: 10_000_000,
    memoryBytes: 5_000_000,
    files: () => ({ ...systemFiles(ALPINE_RELEASE), ...model.files }),
    programs: programTable(BUSYBOX_PROGRAMS, execPrograms(model.exec)),
    fallback: mainProgram(model),
  };
}

function mainProgram({ ports, log, http, exit }: UserModel): Program {
  return server(async (process) => {
    for (const port of ports) {
      await serveHttp(process, port, async (request, response) => {
        const pathname = (request.url ?? '/').split('?')[0]!;
        const found = http.find(
          ({ path: wanted, method }) =>
            (wanted === pathname || (wanted.endsWith('*') && pathname.startsWith(wanted.slice(0, -1)))) &&
            (!method || method === request.method),
        );
        for (const [name, value] of Object.entries(found?.headers ?? {})) response.setHeader(name, value);
        sendText(response, found?.body ?? '404 page not found\n', { status: found?.status ?? 404 });
        await process.stdout.write(`${clientOf(request)} "${request.method} ${request.url}" ${found?.status ?? 404}\n`);
      });
    }
    process.ready();
    for (const line of log) await process.stdout.write(`${line}\n`);
    if (!exit) return process.serve(['TERM', 'INT']);
    const ended = process.sleep(exit.afterMs).then(() => exit.code);
    return Promise.race([ended, process.serve(['TERM', 'INT'])]);
  });
}

/** A command answers as modelled; the same program with other arguments is busybox's, if it has one. */
function execPrograms(answers: readonly ExecAnswer[]): [string, Program][] {
  const shell = programTable(BUSYBOX_PROGRAMS);
  return [...new Set(answers.map(({ command }) => command[0]!))].map((name) => [
    name,
    async (process) => {
      const answer = answers.find(({ command }) => command.join('\0') === process.argv.join('\0'));
      if (answer) {
        await process.stdout.write(answer.stdout);
        await process.stderr.write(answer.stderr);
        return answer.exitCode;
      }
      const other = shell.get(name);
      if (other) return other(process);
      await process.stderr.write(`rockpool: the model of this image has no answer for: ${process.argv.join(' ')}\n`);
      return 127;
    },
  ]);
}

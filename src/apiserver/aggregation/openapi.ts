/** The OpenAPI documents of API servers behind Services, and one from all. */
import type { Node } from '../../api/openapi/nodes.ts';
import type { Fetched } from './backend.ts';
import type { Backend } from './backends.ts';

/** One server's OpenAPI v2 as far as its group version is concerned. */
export interface RemoteV2 {
  /** Changes when the document does. */
  key: string;
  paths: Node;
  definitions: Node;
}

/** Entries of GET /openapi/v3 for what is served elsewhere. A server that does not answer is left out. */
export async function remoteIndex(backends: readonly Backend[]): Promise<Node> {
  const entries = await Promise.all(
    available(backends).map(async (backend): Promise<[string, unknown][]> => {
      const path = `apis/${backend.group}/${backend.version}`;
      const answer = await answered(backend, '/openapi/v3');
      const entry = answer && (parsed(answer)?.['paths'] as Node | undefined)?.[path];
      return entry === undefined ? [] : [[path, entry]];
    }),
  );
  return Object.fromEntries(entries.flat());
}

/** Asks each server for its OpenAPI v2, and remembers what it was told as long as that is still so. */
export function remoteV2Reader(): (backends: readonly Backend[]) => Promise<RemoteV2[]> {
  const known = new Map<string, { etag: string; document: RemoteV2 }>();
  const read = async (backend: Backend): Promise<RemoteV2[]> => {
    const version = `${backend.group}/${backend.version}`;
    const kept = known.get(version);
    const answer = await answered(backend, '/openapi/v2', kept?.etag ? { 'if-none-match': kept.etag } : {});
    if (kept && answer?.status === 304) return [kept.document];
    const whole = answer && parsed(answer);
    if (!whole) return [];
    const document = { key: `${version} ${answer.etag}`, ...partFor(whole, version) };
    if (answer.etag) known.set(version, { etag: answer.etag, document });
    return [document];
  };
  return async (backends) => (await Promise.all(available(backends).map(read))).flat();
}

/** Our own document with those of others. A definition that both have is ours. */
export function mergedV2(own: Node, others: readonly RemoteV2[]): Node {
  if (others.length === 0) return own;
  const definitions = Object.assign({}, ...others.map((other) => other.definitions), own['definitions']) as Node;
  const paths = Object.assign({}, ...others.map((other) => other.paths), own['paths']) as Node;
  return { ...own, paths, definitions };
}

const available = (backends: readonly Backend[]): Backend[] => backends.filter((backend) => backend.available);

/** undefined: there was no (good) answer; what others serve is to be had all the same. */
async function answered(backend: Backend, path: string, headers: Readonly<Record<string, string>> = {}): Promise<Fetched | undefined> {
  const answer = await backend.fetch(path, { accept: 'application/json', ...headers }).catch(() => undefined);
  return answer && (answer.status === 200 || answer.status === 304) ? answer : undefined;
}

function parsed({ bytes, status }: Fetched): Node | undefined {
  if (status !== 200) return undefined;
  try {
    return JSON.parse(bytes.toString()) as Node;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** The paths below a group version, with the definitions that they lead to. */
function partFor(document: Node, version: string): Pick<RemoteV2, 'paths' | 'definitions'> {
  const root = `/apis/${version}/`;
  const own = Object.entries((document['paths'] ?? {}) as Node).filter(([path]) => `${path}/`.startsWith(root));
  const paths = Object.fromEntries(own);
  const all = (document['definitions'] ?? {}) as Node;
  const definitions: Record<string, unknown> = {};
  const pending: unknown[] = [paths];
  while (pending.length > 0) {
    for (const name of referencesIn(pending.pop())) {
      if (definitions[name] !== undefined || all[name] === undefined) continue;
      definitions[name] = all[name];
      pending.push(all[name]);
    }
  }
  return { paths, definitions };
}

const REFERENCE = '#/definitions/';

function referencesIn(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(referencesIn);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) =>
    key === '$ref' && typeof item === 'string' && item.startsWith(REFERENCE) ? [item.slice(REFERENCE.length)] : referencesIn(item),
  );
}

import { tooLarge } from '../errors.ts';
import { notFound, statusError } from '../../api/status.ts';
import type { RequestContext } from '../contract.ts';
import { viewOf } from './convert.ts';
import { namespaceOf, type Call, type Registry, type Result } from './registry.ts';

/** GET of one object. With a resourceVersion the answer is not older than it, and may come without asking the store. */
export async function get(registry: Registry, call: Call): Promise<Result> {
  const { context, served } = call;
  const { info, query } = context;
  await notOlderThan(registry, query.size === 0 ? '' : (query.get('resourceVersion') ?? ''), context);
  const entry = served.cache.get(namespaceOf(call), info.name);
  if (!entry) throw notFound(info.resource, info.group, info.name);
  if (served.info.custom?.prepare) await served.info.custom.prepare([entry.object]);
  return { kind: 'object', status: 200, info: served.info, view: viewOf(served, entry) };
}

/** How long a read waits for a revision that the client saw elsewhere, ms (the watch cache's blockTimeout). */
const BLOCK_MS = 3000;

/** Waits until the cache is as new as `resourceVersion` asks: empty for every acknowledged write, "0" for anything. Throws StatusError. */
export async function notOlderThan(registry: Registry, resourceVersion: string, context: Pick<RequestContext, 'signal'>): Promise<void> {
  if (resourceVersion === '') return registry.cache.fresh(context);
  if (resourceVersion === '0') return;
  const asked = parseRevision(resourceVersion);
  if (registry.cache.revision >= asked) return;
  const late = new AbortController();
  const cancel = registry.clock.timer(BLOCK_MS, () => late.abort());
  try {
    await registry.cache.reached(asked, AbortSignal.any([late.signal, context.signal]));
  } catch (error) {
    if (late.signal.aborted) throw tooLarge(asked, registry.cache.revision);
    throw error;
  } finally {
    cancel();
  }
}

/** Throws StatusError 400 for what is no revision. */
export function parseRevision(text: string): number {
  const revision = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(revision)) return revision;
  throw statusError(
    'BadRequest',
    `invalid resource version: resourceVersion: Invalid value: ${JSON.stringify(text)}: strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`,
  );
}

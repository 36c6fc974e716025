import { statusError, StatusError } from '../../api/status.ts';
import { StorageError } from '../../storage/storage.ts';
import { tooLarge, tooOld } from '../errors.ts';
import type { ServedResource } from '../resources.ts';
import type { Entry } from '../watch/entry.ts';
import { compareKeys } from '../watch/resource-cache.ts';
import { decodeContinue, encodeContinue, type ContinueToken } from './continue.ts';
import { viewOf } from './convert.ts';
import { notOlderThan, parseRevision } from './get.ts';
import { checkListOptions, listOptions, matcher, type ListOptions } from './list-options.ts';
import { namespaceOf, type Call, type Registry, type Result } from './registry.ts';

/** GET of a collection. */
export async function list(registry: Registry, call: Call): Promise<Result> {
  const { context, served } = call;
  const options = listOptions(served, context.query);
  checkListOptions(options);
  const page = await select(registry, call, options);
  if (served.info.custom?.prepare) await served.info.custom.prepare(page.entries.map((entry) => entry.object));
  const items = isAsStored(served) ? page.entries : page.entries.map((entry) => viewOf(served, entry));
  return {
    kind: 'list',
    info: served.info,
    items,
    revision: page.revision,
    ...(page.token ? { continue: encodeContinue(page.token) } : {}),
    ...(page.remaining === undefined ? {} : { remaining: page.remaining }),
  };
}

function isAsStored({ info, stored }: ServedResource): boolean {
  return info === stored && !info.custom;
}

interface Page {
  entries: readonly Entry[];
  /** What the list shows. */
  revision: number;
  token?: ContinueToken;
  remaining?: number;
}

/** One page of what the selectors let through, all of it as of one revision. */
export async function select(registry: Registry, call: Call, options: ListOptions): Promise<Page> {
  const { context, served } = call;
  const namespace = namespaceOf(call);
  const token = options.continue === '' ? undefined : decodeContinue(options.continue);
  const asked = await revisionFor(registry, options, token, context);
  const { cache } = served;
  const fromCache = asked === undefined || (asked <= registry.cache.revision && cache.changedAt <= asked);
  const revision = asked ?? registry.cache.revision;
  const all = fromCache ? candidates(served, namespace, options) : await past(registry, served, namespace, revision, token);
  return cut(all, revision, options, token);
}

/** The exact revision to show, or undefined for what the cache shows now. */
async function revisionFor(
  registry: Registry,
  options: ListOptions,
  token: ContinueToken | undefined,
  context: Call['context'],
): Promise<number | undefined> {
  if (token) {
    if (options.resourceVersion !== '' && options.resourceVersion !== '0')
      throw statusError('BadRequest', 'specifying resource version is not allowed when using continue');
    if (token.revision > 0) await registry.cache.fresh(context);
    return token.revision > 0 ? token.revision : undefined;
  }
  // Upstream reads a limited list at a given revision exactly, unless told otherwise.
  const exact =
    options.resourceVersionMatch === 'Exact' ||
    (options.resourceVersionMatch === '' && options.limit > 0 && options.resourceVersion !== '' && options.resourceVersion !== '0');
  if (!exact) {
    await notOlderThan(registry, options.resourceVersion, context);
    return undefined;
  }
  const revision = parseRevision(options.resourceVersion);
  await registry.cache.fresh(context);
  if (revision > registry.cache.revision) throw tooLarge(revision, registry.cache.revision);
  return revision;
}

function candidates(served: ServedResource, namespace: string, options: ListOptions): readonly Entry[] {
  const { cache, fanout } = served;
  if (options.name !== undefined && (namespace || !served.info.namespaced)) {
    const one = cache.get(namespace, options.name);
    return one ? [one] : [];
  }
  const pinned = fanout.pinned(options.fields);
  if (pinned === undefined || pinned === '') return cache.list(namespace);
  const indexed = [...cache.indexed('trigger', fanout.trigger!, pinned)].filter((entry) => !namespace || entry.namespace === namespace);
  return indexed.sort((a, b) => compareKeys(a.key, b.key));
}

/** The collection as it was; from the store, which remembers until it is compacted. */
async function past(
  registry: Registry,
  { cache }: ServedResource,
  namespace: string,
  revision: number,
  token: ContinueToken | undefined,
): Promise<readonly Entry[]> {
  const prefix = namespace ? `${cache.prefix}/${namespace}/` : `${cache.prefix}/`;
  try {
    const { items } = await registry.storage.range(prefix, { revision });
    return items.map((item) => registry.cache.entryOf(item, cache.prefix));
  } catch (error) {
    if (error instanceof StorageError && error.code === 'Compacted')
      throw token ? expiredContinue(token) : tooOld(revision, error.compactRevision ?? registry.cache.revision);
    throw error;
  }
}

function cut(all: readonly Entry[], revision: number, options: ListOptions, token: ContinueToken | undefined): Page {
  const match = matcher(options);
  const { limit } = options;
  const start = token ? firstAfter(all, token.after) : 0;
  if (!match && start === 0 && (limit === 0 || all.length <= limit)) return { entries: all, revision };
  const entries: Entry[] = [];
  for (let index = start; index < all.length; index++) {
    const entry = all[index]!;
    if (match && !match(entry.object)) continue;
    if (limit > 0 && entries.length === limit) {
      // How many more match is not known without looking at them all, so upstream counts only unselected lists.
      const remaining = match ? {} : { remaining: all.length - index };
      return { entries, revision, token: { revision, after: entries.at(-1)!.key }, ...remaining };
    }
    entries.push(entry);
  }
  return { entries, revision };
}

function firstAfter(all: readonly Entry[], after: string): number {
  let low = 0;
  let high = all.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareKeys(all[middle]!.key, after) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** What a page says whose revision is compacted: the way to go on with what is there now (upstream's handleCompactedErrorForPaging). */
function expiredContinue(token: ContinueToken): StatusError {
  const expired = statusError('Expired', CONTINUE_EXPIRED);
  return new StatusError({ ...expired.status, metadata: { continue: encodeContinue({ revision: -1, after: token.after }) } });
}

const CONTINUE_EXPIRED =
  'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. ' +
  'Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.';

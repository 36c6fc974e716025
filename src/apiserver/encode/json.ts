import { groupVersion, type WatchEventType } from '../../api/meta.ts';
import type { ResourceInfo } from '../../api/schema/schema.ts';
import type { ObjectView } from '../watch/entry.ts';

/** JSON of answers, put together from bytes that are already there: nothing here parses or prints an object. */

const COMMA = 0x2c;
const BRACE = 0x7b;

export interface ListParts {
  info: ResourceInfo;
  items: readonly ObjectView[];
  revision: number;
  continue?: string;
  remaining?: number;
}

/** Lists shorter than this are put together faster than they are looked up and kept, in items. */
const KEPT_FROM = 50;

/**
 * The last encoding of whole lists, for as long as nothing changes in them and the garbage collector leaves it: who lists what another one
 * has just listed gets the same bytes, compressed ones too.
 */
const lists = new WeakMap<readonly ObjectView[], { info: ResourceInfo; revision: number; bytes: WeakRef<Buffer> }>();

/** `{"kind":"PodList",…,"items":[…]}`; items carry neither kind nor apiVersion, as upstream's typed lists. */
export function listJson(list: ListParts): Buffer {
  const { info, items, revision } = list;
  if (items.length < KEPT_FROM || list.continue !== undefined || list.remaining !== undefined) return joined(list);
  const kept = lists.get(items);
  const known = kept?.info === info && kept.revision === revision ? kept.bytes.deref() : undefined;
  if (known) return known;
  const bytes = joined(list);
  lists.set(items, { info, revision, bytes: new WeakRef(bytes) });
  return bytes;
}

function joined(list: ListParts): Buffer {
  const head = Buffer.from(
    `{"kind":"${list.info.kind}List","apiVersion":"${groupVersion(list.info)}","metadata":${listMeta(list)},"items":[`,
  );
  const { items } = list;
  let size = head.length + 3 + Math.max(items.length - 1, 0);
  for (const item of items) size += item.json().length - skipOf(item);
  const out = Buffer.allocUnsafe(size);
  let at = head.copy(out, 0);
  for (const [index, item] of items.entries()) {
    if (index > 0) out[at++] = COMMA;
    const skip = skipOf(item);
    const start = at;
    at += item.json().copy(out, at, skip);
    if (skip > 0) out[start] = BRACE;
  }
  out.write(']}\n', at, 'latin1');
  return out;
}

export function listMeta({ revision, remaining, ...list }: Pick<ListParts, 'revision' | 'continue' | 'remaining'>): string {
  const token = list.continue === undefined ? '' : `,"continue":"${list.continue}"`;
  return `{"resourceVersion":"${revision}"${token}${remaining === undefined ? '' : `,"remainingItemCount":${remaining}`}}`;
}

/** The brace takes the place of what stands before `"metadata"`. */
function skipOf(item: ObjectView): number {
  return Math.max(item.typeMeta() - 1, 0);
}

const PREFIX: Readonly<Record<WatchEventType, Buffer>> = {
  ADDED: eventPrefix('ADDED'),
  MODIFIED: eventPrefix('MODIFIED'),
  DELETED: eventPrefix('DELETED'),
  BOOKMARK: eventPrefix('BOOKMARK'),
  ERROR: eventPrefix('ERROR'),
};
const SUFFIX = Buffer.from('}\n');

function eventPrefix(type: WatchEventType): Buffer {
  return Buffer.from(`{"type":"${type}","object":`);
}

/** The parts of one line of a watch; the caller concatenates those of a whole batch at once. */
export function eventLine(type: WatchEventType, json: Buffer): [Buffer, Buffer, Buffer] {
  return [PREFIX[type], json, SUFFIX];
}

export function bookmarkJson(apiVersion: string, kind: string, revision: number, initialEnd: boolean): Buffer {
  const annotations = initialEnd ? ',"annotations":{"k8s.io/initial-events-end":"true"}' : '';
  return Buffer.from(`{"kind":"${kind}","apiVersion":"${apiVersion}","metadata":{"resourceVersion":"${revision}"${annotations}}}`);
}

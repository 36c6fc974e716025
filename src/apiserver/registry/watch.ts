import { invalid, type FieldError } from '../../api/status.ts';
import { isTrue } from '../request-info.ts';
import { notOlderThan, parseRevision } from './get.ts';
import { listOptions, matcher, type ListOptions } from './list-options.ts';
import { namespaceOf, type Call, type Registry, type Result } from './registry.ts';

/** How long a watch lasts that names no timeout: between this and twice this, ms, so that clients do not all come back at once. */
const MIN_TIMEOUT_MS = 30 * 60_000;

/** GET of a collection with watch=true: what the client asked for, checked; nothing is opened yet. */
export async function watch(registry: Registry, call: Call): Promise<Result> {
  const { context, served } = call;
  const { query } = context;
  const options = listOptions(served, query);
  checkWatchOptions(options);
  const { resourceVersion, sendInitialEvents = false, timeoutSeconds } = options;
  const stateFirst = resourceVersion === '' || resourceVersion === '0';
  const match = matcher(options);
  const pinned = served.fanout.pinned(options.fields);
  // Without a revision the state that comes first must be current, as a list's would be; with one, nothing before it may be sent.
  await notOlderThan(registry, resourceVersion, context);
  if (served.info.custom?.prepare) await served.info.custom.prepare(served.cache.list(namespaceOf(call)).map(({ object }) => object));
  // The name of the old path /watch/…/pods/NAME, or what the field selector pins.
  const name = context.info.name || options.name;
  return {
    kind: 'watch',
    served,
    watch: {
      namespace: namespaceOf(call),
      ...(name ? { name } : {}),
      ...(match ? { match } : {}),
      selectorText: options.selectorText,
      ...(pinned === undefined ? {} : { pinned }),
      ...(sendInitialEvents || (stateFirst && options.sendInitialEvents === undefined)
        ? {}
        : { since: stateFirst ? registry.cache.revision : parseRevision(resourceVersion) }),
      sendInitialEvents,
      bookmarks: isTrue(query.get('allowWatchBookmarks')),
      timeoutMs: timeoutSeconds > 0 ? timeoutSeconds * 1000 : MIN_TIMEOUT_MS * (1 + registry.rng.next()),
    },
  };
}

/** The combinations that upstream refuses (validateWatchOptions). */
function checkWatchOptions({ sendInitialEvents, resourceVersionMatch: match, continue: token }: ListOptions): void {
  const initial = sendInitialEvents !== undefined;
  const errors: FieldError[] = [];
  const forbidden = (field: string, detail: string): void =>
    void errors.push({ field, type: 'FieldValueForbidden', message: `Forbidden: ${detail}` });
  if (initial && match !== 'NotOlderThan')
    forbidden('resourceVersionMatch', 'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan');
  if (!initial && match !== '')
    forbidden('resourceVersionMatch', 'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided');
  if (match !== '' && match !== 'NotOlderThan') {
    const message = `Unsupported value: "${match}": supported values: "NotOlderThan"`;
    errors.push({ field: 'resourceVersionMatch', type: 'FieldValueNotSupported', message });
  }
  if (match !== '' && token !== '') forbidden('resourceVersionMatch', 'resourceVersionMatch is forbidden when continue is provided');
  if (errors.length > 0) throw invalid('ListOptions', 'meta.k8s.io', '', errors);
}

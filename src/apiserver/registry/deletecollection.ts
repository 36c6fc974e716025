import { StatusError } from '../../api/status.ts';
import { withInfo } from '../context.ts';
import { removeObject } from './delete.ts';
import { select } from './list.ts';
import { checkListOptions, listOptions } from './list-options.ts';
import { deleteOptionsBody } from './decode.ts';
import { deleteOptions } from './options.ts';
import type { Call, Registry, Result } from './registry.ts';

/** How many objects are deleted side by side. */
const WORKERS = 16;

/** DELETE of a collection: everything that the selectors let through. Answers the list of what was there. */
export async function deleteCollection(registry: Registry, call: Call): Promise<Result> {
  const { context, served } = call;
  const list = listOptions(served, context.query);
  checkListOptions(list);
  const options = deleteOptions(context.query, await deleteOptionsBody(call.body));
  const { entries, revision } = await select(registry, call, list);
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < entries.length) {
      const { name, namespace } = entries[next++]!;
      const one: Call = { ...call, context: withInfo(context, { ...context.info, namespace, name }) };
      try {
        await removeObject(registry, one, options, name);
      } catch (error) {
        // Somebody else was faster.
        if (!StatusError.is(error, 'NotFound')) throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(WORKERS, entries.length) }, work));
  return { kind: 'list', info: served.info, items: entries, revision };
}

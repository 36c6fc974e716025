/** Lays an applied configuration over the live object. */
import { isRecord, setOwn } from '../patch/json.ts';
import type { JsonRecord } from '../patch/json.ts';
import type { Schema } from '../schema/schema.ts';
import { itemElement, memberSchema, viewOf } from './typed.ts';

/** A new object: everything of `live` that `applied` does not speak of, and all of `applied`. Untouched parts are shared. */
export function mergeApplied(live: JsonRecord, applied: JsonRecord, schema: Schema | undefined): JsonRecord {
  const result: JsonRecord = { ...live };
  for (const [name, value] of Object.entries(applied)) {
    if (value === undefined) continue;
    setOwn(result, name, mergeValue(live[name], value, memberSchema(schema, name)));
  }
  return result;
}

function mergeValue(live: unknown, applied: unknown, schema: Schema | undefined): unknown {
  const view = viewOf(applied, schema);
  if (view === 'fields' && isRecord(live)) return mergeApplied(live, applied as JsonRecord, schema);
  if (view === 'items' && Array.isArray(live)) return mergeItems(live, applied as unknown[], schema!);
  return applied;
}

/** The applied items in their order; items that only the server knows stay before the shared item that they stood before. */
function mergeItems(live: readonly unknown[], applied: readonly unknown[], schema: Schema): unknown[] {
  const wanted = new Set(applied.map((item) => itemElement(item, schema)));
  const known = new Map(live.map((item) => [itemElement(item, schema), item]));
  const result: unknown[] = [];
  const emitted = new Set<string>();
  let next = 0;
  const passServerOnly = (): void => {
    for (; next < live.length; next++) {
      const element = itemElement(live[next], schema);
      if (!wanted.has(element)) result.push(live[next]);
      else if (!emitted.has(element)) return;
    }
  };
  for (const item of applied) {
    passServerOnly();
    const element = itemElement(item, schema);
    emitted.add(element);
    result.push(known.has(element) ? mergeValue(known.get(element), item, schema.items) : item);
  }
  passServerOnly();
  return result;
}

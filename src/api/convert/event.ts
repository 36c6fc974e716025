/** events.k8s.io/v1 Events are core/v1 Events under newer names; both are one stored object. */
import type { KubeObject } from '../meta.ts';

/** events.k8s.io/v1 name to core/v1 name; the others are the same in both. */
const NAMES: Readonly<Record<string, string>> = {
  regarding: 'involvedObject',
  note: 'message',
  reportingController: 'reportingComponent',
  deprecatedSource: 'source',
  deprecatedFirstTimestamp: 'firstTimestamp',
  deprecatedLastTimestamp: 'lastTimestamp',
  deprecatedCount: 'count',
};
const CORE_NAMES = Object.fromEntries(Object.entries(NAMES).map(([newer, core]) => [core, newer]));
/** What core/v1 writes even when it is empty. */
const CORE_ALWAYS = {
  involvedObject: {},
  source: {},
  firstTimestamp: null,
  lastTimestamp: null,
  eventTime: null,
  reportingComponent: '',
  reportingInstance: '',
};

export function eventToCore(object: KubeObject): KubeObject {
  return { ...rename(object, NAMES), ...absent(object, CORE_ALWAYS, CORE_NAMES) };
}

export function eventFromCore(object: KubeObject): KubeObject {
  const renamed = rename(object, CORE_NAMES);
  // Optional there, always written here.
  if (renamed['reportingController'] === '') delete renamed['reportingController'];
  if (renamed['reportingInstance'] === '') delete renamed['reportingInstance'];
  return renamed;
}

function rename(object: KubeObject, names: Readonly<Record<string, string>>): KubeObject {
  const result: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(object)) result[names[key] ?? key] = value;
  return result as KubeObject;
}

function absent(
  object: KubeObject,
  always: Readonly<Record<string, unknown>>,
  newer: Readonly<Record<string, string>>,
): Record<string, unknown> {
  return Object.fromEntries(Object.entries(always).filter(([key]) => !((newer[key] ?? key) in object)));
}

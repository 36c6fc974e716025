/** The rules of one LimitRangeItem against pods and claims; texts are upstream's. */
import { addQuantities, compareQuantities, parseQuantity, quantityToNumber } from '../../api/codec/quantity.ts';
import type { LimitRangeItem, PersistentVolumeClaim, Pod } from '../../api/types.gen.ts';

type Resources = Record<string, string>;

interface Usage {
  requests: Resources;
  limits: Resources;
}

export function podProblems({ spec }: Pod, limit: LimitRangeItem): string[] {
  const all = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])].map(({ resources }) => usage(resources));
  if (limit.type === 'Container') return all.flatMap((container) => problems(limit, container));
  if (limit.type !== 'Pod') return [];
  return problems(limit, podUsage(spec!));
}

export function claimProblems({ spec }: PersistentVolumeClaim, limit: LimitRangeItem): string[] {
  if (limit.type !== 'PersistentVolumeClaim') return [];
  const storage = spec?.resources?.requests?.['storage'];
  if (!storage) return [];
  const text = (bound: 'minimum' | 'maximum', value: string): string =>
    `${bound} storage usage per PersistentVolumeClaim is ${value}, but request is ${storage}`;
  const [least, most] = [limit.min?.['storage'], limit.max?.['storage']];
  return [
    ...(least && compareQuantities(storage, least) < 0 ? [text('minimum', least)] : []),
    ...(most && compareQuantities(storage, most) > 0 ? [text('maximum', most)] : []),
  ];
}

function usage(resources: { requests?: Resources; limits?: Resources } | undefined): Usage {
  return { requests: resources?.requests ?? {}, limits: resources?.limits ?? {} };
}

/** The sum of the containers, or the largest init container where that is more: what the pod needs at its worst moment. */
function podUsage({ containers, initContainers = [] }: NonNullable<Pod['spec']>): Usage {
  const sidecars = initContainers.filter(({ restartPolicy }) => restartPolicy === 'Always');
  const once = initContainers.filter(({ restartPolicy }) => restartPolicy !== 'Always');
  const totals: Usage = { requests: {}, limits: {} };
  for (const { resources } of [...containers, ...sidecars]) combine(totals, usage(resources), (a, b) => addQuantities(a, b));
  for (const { resources } of once) combine(totals, usage(resources), (a, b) => (compareQuantities(a, b) < 0 ? b : a));
  return totals;
}

function combine(totals: Usage, added: Usage, join: (a: string, b: string) => string): void {
  for (const side of ['requests', 'limits'] as const) {
    for (const [name, amount] of Object.entries(added[side])) {
      const before = totals[side][name];
      totals[side][name] = before === undefined ? amount : join(before, amount);
    }
  }
}

function problems(limit: LimitRangeItem, { requests, limits }: Usage): string[] {
  const { type } = limit;
  const found: string[] = [];
  for (const [name, least] of Object.entries(limit.min ?? {})) {
    const text = `minimum ${name} usage per ${type} is ${least}`;
    const [request, bound] = [requests[name], limits[name]];
    if (request === undefined) found.push(`${text}.  No request is specified`);
    else if (compareQuantities(request, least) < 0) found.push(`${text}, but request is ${request}`);
    else if (bound !== undefined && compareQuantities(bound, least) < 0) found.push(`${text}, but limit is ${bound}`);
  }
  for (const [name, most] of Object.entries(limit.max ?? {})) {
    const text = `maximum ${name} usage per ${type} is ${most}`;
    const [request, bound] = [requests[name], limits[name]];
    if (bound === undefined) found.push(`${text}.  No limit is specified`);
    else if (compareQuantities(bound, most) > 0) found.push(`${text}, but limit is ${bound}`);
    else if (request !== undefined && compareQuantities(request, most) > 0) found.push(`${text}, but request is ${request}`);
  }
  for (const [name, ratio] of Object.entries(limit.maxLimitRequestRatio ?? {}))
    found.push(...ratioProblems(type, name, ratio, requests[name], limits[name]));
  return found;
}

function ratioProblems(type: string, name: string, ratio: string, request: string | undefined, limit: string | undefined): string[] {
  const text = `${name} max limit to request ratio per ${type} is ${ratio}`;
  if (request === undefined || parseQuantity(request).nanos === 0n) return [`${text}, but no request is specified or request is 0`];
  if (limit === undefined || parseQuantity(limit).nanos === 0n) return [`${text}, but no limit is specified or limit is 0`];
  const observed = quantityToNumber(limit) / quantityToNumber(request);
  return observed > quantityToNumber(ratio) ? [`${text}, but provided ratio is ${observed.toFixed(6)}`] : [];
}

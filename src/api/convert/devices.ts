/** resource.k8s.io/v1beta1 nests less in requests and more in devices than v1: `exactly` came, `basic` went. */
import type { KubeObject } from '../meta.ts';

type Part = Readonly<Record<string, unknown>>;

const EXACT = ['deviceClassName', 'selectors', 'allocationMode', 'count', 'adminAccess', 'tolerations', 'capacity'];

export function claimToV1(claim: KubeObject): KubeObject {
  return { ...claim, ...at(claim, 'spec', (spec) => requests(spec, toExactly)) };
}

export function claimFromV1(claim: KubeObject): KubeObject {
  return { ...claim, ...at(claim, 'spec', (spec) => requests(spec, fromExactly)) };
}

export function claimTemplateToV1(template: KubeObject): KubeObject {
  return { ...template, ...at(template, 'spec', (spec) => ({ ...spec, ...at(spec, 'spec', (inner) => requests(inner, toExactly)) })) };
}

export function claimTemplateFromV1(template: KubeObject): KubeObject {
  return { ...template, ...at(template, 'spec', (spec) => ({ ...spec, ...at(spec, 'spec', (inner) => requests(inner, fromExactly)) })) };
}

export function sliceToV1(slice: KubeObject): KubeObject {
  return {
    ...slice,
    ...at(slice, 'spec', (spec) => ({
      ...spec,
      ...each(spec, 'devices', ({ basic, ...device }) => ({ ...device, ...(basic as Part | undefined) })),
    })),
  };
}

export function sliceFromV1(slice: KubeObject): KubeObject {
  return { ...slice, ...at(slice, 'spec', (spec) => ({ ...spec, ...each(spec, 'devices', ({ name, ...basic }) => ({ name, basic })) })) };
}

function requests(spec: Part, convert: (request: Part) => Part): Part {
  return { ...spec, ...at(spec, 'devices', (devices) => ({ ...devices, ...each(devices, 'requests', convert) })) };
}

function toExactly(request: Part): Part {
  const exactly = Object.fromEntries(Object.entries(request).filter(([key]) => EXACT.includes(key)));
  const rest = Object.fromEntries(Object.entries(request).filter(([key]) => !EXACT.includes(key)));
  // v1beta1 writes an empty class name beside firstAvailable.
  return exactly['deviceClassName'] || Object.keys(exactly).length > 1 ? { ...rest, exactly } : rest;
}

function fromExactly({ exactly, ...request }: Part): Part {
  return { deviceClassName: '', ...request, ...(exactly as Part | undefined) };
}

function at(parent: Part, key: string, change: (part: Part) => Part): Part {
  const part = parent[key] as Part | undefined;
  return part ? { [key]: change(part) } : {};
}

function each(parent: Part, key: string, change: (part: Part) => Part): Part {
  const parts = parent[key] as readonly Part[] | undefined;
  return parts ? { [key]: parts.map(change) } : {};
}

/** Amounts of resources: what is asked for and what is allowed. */
import { compareQuantities } from '../codec/quantity.ts';
import type { ResourceRequirements } from '../types.gen.ts';
import { qualifiedNameProblems } from './names.ts';
import { NON_NEGATIVE } from './problems.ts';
import type { Problems } from './problems.ts';

const CONTAINER_RESOURCES = new Set(['cpu', 'memory', 'ephemeral-storage']);

/** Requests and limits of a container or pod. */
export function checkResources(problems: Problems, path: string, { limits = {}, requests = {} }: ResourceRequirements): void {
  for (const [name, quantity] of Object.entries(limits)) checkContainerResource(problems, `${path}.limits`, name, quantity);
  for (const [name, quantity] of Object.entries(requests)) {
    checkContainerResource(problems, `${path}.requests`, name, quantity);
    const limit = limits[name];
    if (limit !== undefined) {
      const order = compareQuantities(quantity, limit);
      if (mayOvercommit(name)) {
        if (order > 0) problems.invalid(`${path}.requests`, quantity, `must be less than or equal to ${name} limit of ${limit}`);
      } else if (order !== 0) {
        problems.invalid(`${path}.requests`, quantity, `must be equal to ${name} limit of ${limit}`);
      }
    } else if (!mayOvercommit(name)) {
      problems.required(`${path}.limits`, 'Limit must be set for non overcommitable resources');
    }
  }
}

/** Only what the node can share out in time or take back may be promised twice. */
function mayOvercommit(name: string): boolean {
  return CONTAINER_RESOURCES.has(name);
}

function checkContainerResource(problems: Problems, path: string, name: string, quantity: string): void {
  const at = `${path}[${name}]`;
  problems.invalidEach(at, name, qualifiedNameProblems(name));
  if (!name.includes('/') && !CONTAINER_RESOURCES.has(name) && !name.startsWith('hugepages-'))
    problems.invalid(at, name, 'must be a standard resource for containers');
  checkQuantity(problems, at, quantity);
  if (name.includes('/') && compareQuantities(quantity, `${Math.trunc(Number.parseFloat(quantity))}`) !== 0 && /[.m]/.test(quantity))
    problems.invalid(at, quantity, 'must be an integer');
}

/** An amount that is not negative. */
export function checkQuantity(problems: Problems, path: string, quantity: string): void {
  if (compareQuantities(quantity, '0') < 0) problems.invalid(path, quantity, NON_NEGATIVE);
}

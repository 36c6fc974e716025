import { StatusError } from '../../api/status.ts';
import { groupVersion } from '../../api/meta.ts';
import type { Client } from '../../client/client.ts';
import type { DiscoveredResource } from '../../client/discovery.ts';
import { discoverResources } from '../../client/discovery.ts';
import { errorMessage } from '../../lib/errors.ts';

/** What a pass over a namespace's content found. */
export interface ContentReport {
  /** Nothing is left, as far as every group could be asked. */
  done: boolean;
  /** Groups whose resources could not be found out. */
  undiscovered: readonly string[];
  /** What refused to be deleted or listed. */
  errors: readonly string[];
  /** What is still there. */
  remaining: readonly { resource: string; group: string; count: number }[];
  /** What holds it, by finalizer. */
  finalizers: ReadonlyMap<string, number>;
  /** The reason to come back with backoff; absent when what remains is only on its way out. */
  failure?: Error;
}

interface Found {
  count: number;
  finalizers: readonly string[];
  error?: string;
}

/**
 * Deletes everything in a namespace, pods first (KEP-5080: what pods rely on, such as network policies, must outlive them), and reports
 * what is left. Deletion only begins here: call again until `done`.
 */
export async function deleteContent(client: Client, namespace: string): Promise<ContentReport> {
  const { resources, failed } = await discoverResources(client);
  const deletable = resources.filter(({ namespaced, verbs }) => namespaced && verbs.includes('delete') && verbs.includes('list'));
  const isPods = ({ group, resource }: DiscoveredResource): boolean => group === '' && resource === 'pods';
  const found = await deleteAll(client, namespace, deletable.filter(isPods));
  const podsLeft = found.some(([, { count, error }]) => count > 0 || error);
  if (!podsLeft)
    found.push(
      ...(await deleteAll(
        client,
        namespace,
        deletable.filter((resource) => !isPods(resource)),
      )),
    );
  return report(found, failed);
}

async function deleteAll(client: Client, namespace: string, types: readonly DiscoveredResource[]): Promise<[DiscoveredResource, Found][]> {
  return Promise.all(types.map(async (type): Promise<[DiscoveredResource, Found]> => [type, await deleteKind(client, namespace, type)]));
}

async function deleteKind(client: Client, namespace: string, type: DiscoveredResource): Promise<Found> {
  const resource = client.resource(type, namespace);
  try {
    // Most kinds have nothing here; asking is cheaper than deleting nothing.
    let { items } = await resource.list();
    if (items.length === 0) return { count: 0, finalizers: [] };
    if (type.verbs.includes('deletecollection')) {
      await resource.deleteCollection({ propagationPolicy: 'Background' });
    } else {
      for (const { metadata } of items) await deleteIfThere(() => resource.delete(metadata.name!, { propagationPolicy: 'Background' }));
    }
    ({ items } = await resource.list());
    return { count: items.length, finalizers: items.flatMap(({ metadata }) => metadata.finalizers ?? []) };
  } catch (error) {
    // The kind went away (its CRD was deleted), and its objects with it.
    if (StatusError.is(error, 'NotFound') || StatusError.is(error, 'MethodNotAllowed')) return { count: 0, finalizers: [] };
    return { count: 0, finalizers: [], error: `${type.resource}.${groupVersion(type)}: ${errorMessage(error)}` };
  }
}

async function deleteIfThere(remove: () => Promise<void>): Promise<void> {
  try {
    await remove();
  } catch (error) {
    if (!StatusError.is(error, 'NotFound')) throw error;
  }
}

function report(found: readonly [DiscoveredResource, Found][], undiscovered: readonly string[]): ContentReport {
  const errors = found.flatMap(([, { error }]) => (error ? [error] : []));
  const remaining = found.filter(([, { count }]) => count > 0).map(([{ resource, group }, { count }]) => ({ resource, group, count }));
  const finalizers = new Map<string, number>();
  for (const [, each] of found) for (const finalizer of each.finalizers) finalizers.set(finalizer, (finalizers.get(finalizer) ?? 0) + 1);
  const problems = [...undiscovered.map((group) => `${group}: unable to retrieve its resources`), ...errors];
  const failure = problems.length > 0 ? { failure: new Error(problems.join('; ')) } : {};
  return { done: problems.length === 0 && remaining.length === 0, undiscovered, errors, remaining, finalizers, ...failure };
}

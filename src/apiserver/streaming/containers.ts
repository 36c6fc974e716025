import { statusError } from '../../api/status.ts';
import type { Pod } from '../../api/types.gen.ts';

/** The container that a request means: the one named, or the only one. Throws StatusError 400 in upstream's words. */
export function chooseContainer({ metadata, spec }: Pod, asked: string): string {
  const main = (spec?.containers ?? []).map(({ name }) => name);
  const all = [
    ...(spec?.initContainers ?? []).map(({ name }) => name),
    ...main,
    ...(spec?.ephemeralContainers ?? []).map(({ name }) => name),
  ];
  if (asked) {
    if (all.includes(asked)) return asked;
    throw statusError('BadRequest', `container ${asked} is not valid for pod ${metadata.name}`);
  }
  if (main.length === 1) return main[0]!;
  const choice = main.length === 0 ? '' : `, choose one of: [${all.join(' ')}]`;
  throw statusError('BadRequest', `a container name must be specified for pod ${metadata.name}${choice}`);
}

/** The node that runs the pod. Throws StatusError 400 when there is none yet. */
export function nodeOfPod({ metadata, spec }: Pod): string {
  if (!spec?.nodeName) throw statusError('BadRequest', `pod ${metadata.name} does not have a host assigned`);
  return spec.nodeName;
}

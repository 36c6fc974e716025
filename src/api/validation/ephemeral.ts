/** Ephemeral containers are for looking, not for serving: what they may not have, and whom they look at. */
import type { Container, EphemeralContainer, PodSpec } from '../types.gen.ts';
import type { Problems } from './problems.ts';

const NOT_ALLOWED = [
  'ports',
  'resources',
  'resizePolicy',
  'restartPolicy',
  'restartPolicyRules',
  'livenessProbe',
  'readinessProbe',
  'startupProbe',
  'lifecycle',
] as const;
const CANNOT = 'cannot be set for an Ephemeral Container';

/** `container` is one of the spec's ephemeral ones. */
export function forbidForEphemeral(
  problems: Problems,
  path: string,
  container: Container & Partial<EphemeralContainer>,
  spec: PodSpec,
): void {
  const target = container.targetContainerName;
  const known = [...(spec.containers ?? []), ...(spec.initContainers ?? [])].some(({ name }) => name === target);
  if (target && !known) problems.notFound(`${path}.targetContainerName`, target);
  for (const field of NOT_ALLOWED) if (isGiven(container[field])) problems.forbidden(`${path}.${field}`, CANNOT);
  // Sub paths are bind mounts that nobody takes away before the pod ends.
  for (const [index, mount] of (container.volumeMounts ?? []).entries()) {
    for (const field of ['subPath', 'subPathExpr'] as const)
      if (mount[field]) problems.forbidden(`${path}.volumeMounts[${index}].${field}`, CANNOT);
  }
}

function isGiven(value: unknown): boolean {
  return typeof value === 'object' && value !== null ? Object.keys(value).length > 0 : value !== undefined && value !== '';
}

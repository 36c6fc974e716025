/** Which Ingresses are ours. */
import type { Ingress, IngressClass } from '../api/types.gen.ts';

export interface ClassOptions {
  /** The class that old-style annotations name. */
  ingressClass: string;
  /** What an IngressClass has in `spec.controller` to be ours. */
  controllerName: string;
}

const ANNOTATION = 'kubernetes.io/ingress.class';
const DEFAULT_CLASS = 'ingressclass.kubernetes.io/is-default-class';

/** By `spec.ingressClassName`, by the old annotation, or by naming none where a class of ours is the default one. */
export function isClaimed(
  { metadata, spec }: Ingress,
  classes: readonly IngressClass[],
  { ingressClass, controllerName }: ClassOptions,
): boolean {
  const ours = classes.filter((each) => each.spec?.controller === controllerName);
  if (spec?.ingressClassName !== undefined) return ours.some((each) => each.metadata.name === spec.ingressClassName);
  const annotated = metadata.annotations?.[ANNOTATION];
  if (annotated !== undefined) return annotated === ingressClass;
  return ours.some((each) => each.metadata.annotations?.[DEFAULT_CLASS] === 'true');
}

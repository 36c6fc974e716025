/** What makes a pod the n-th of its StatefulSet: name, host name, labels and volumes that outlive it. */
import type { ControllerRevision, PersistentVolumeClaim, Pod, StatefulSet, Volume } from '../../api/types.gen.ts';
import { STATEFUL_SETS } from '../../client/resources.ts';
import { controllerReference } from '../pods/ownership.ts';
import { podFromTemplate } from '../pods/pod-control.ts';
import { REVISION_HASH, templateOf } from '../rollout/controller-revisions.ts';

const POD_NAME = 'statefulset.kubernetes.io/pod-name';
const POD_INDEX = 'apps.kubernetes.io/pod-index';

/** undefined where the name is not of this set's form. */
export function ordinalOf({ metadata }: Pod, set: StatefulSet): number | undefined {
  const match = /^(.*)-(0|[1-9]\d*)$/.exec(metadata.name ?? '');
  return match && match[1] === set.metadata.name ? Number(match[2]) : undefined;
}

export function revisionNameOf({ metadata }: Pod): string | undefined {
  return metadata.labels?.[REVISION_HASH];
}

/** The labels by which a single pod of a set can be selected. */
export function identityLabels(podName: string, ordinal: number): Record<string, string> {
  return { [POD_NAME]: podName, [POD_INDEX]: String(ordinal) };
}

export function newPod(set: StatefulSet, revision: ControllerRevision, ordinal: number): Pod {
  const name = `${set.metadata.name}-${ordinal}`;
  const { metadata, spec } = podFromTemplate(templateOf(revision), controllerReference(set, STATEFUL_SETS), name);
  const { generateName: _generateName, ...rest } = metadata;
  const labels = { ...metadata.labels, [REVISION_HASH]: revision.metadata.name!, ...identityLabels(name, ordinal) };
  const { serviceName } = set.spec!;
  const pod: Pod = {
    metadata: { ...rest, name, namespace: set.metadata.namespace!, labels },
    spec: { ...spec!, hostname: name, ...(serviceName ? { subdomain: serviceName } : {}) },
  };
  const volumes = volumesOf(set, pod, ordinal);
  if (volumes.length > 0) pod.spec!.volumes = volumes;
  return pod;
}

/** The claims of one ordinal; they stay when its pod goes. */
export function claimsFor(set: StatefulSet, ordinal: number): PersistentVolumeClaim[] {
  return (set.spec?.volumeClaimTemplates ?? []).map((template) => ({
    metadata: {
      ...(template.metadata.annotations ? { annotations: template.metadata.annotations } : {}),
      name: claimName(template, set, ordinal),
      namespace: set.metadata.namespace!,
      labels: { ...template.metadata.labels, ...set.spec!.selector.matchLabels },
    },
    ...(template.spec ? { spec: template.spec } : {}),
  }));
}

/** Told by its name: a claim says nothing else about the set that it was made for. */
export function isClaimOf({ metadata, spec }: StatefulSet, claim: PersistentVolumeClaim): boolean {
  const templates = spec?.volumeClaimTemplates ?? [];
  return templates.some((template) => claim.metadata.name!.startsWith(`${template.metadata.name}-${metadata.name}-`));
}

function claimName({ metadata }: PersistentVolumeClaim, set: StatefulSet, ordinal: number): string {
  return `${metadata.name}-${set.metadata.name}-${ordinal}`;
}

/** A claim takes the place of a volume of its name. */
function volumesOf(set: StatefulSet, { spec }: Pod, ordinal: number): Volume[] {
  const templates = set.spec?.volumeClaimTemplates ?? [];
  const claimed = templates.map((template) => ({
    name: template.metadata.name!,
    persistentVolumeClaim: { claimName: claimName(template, set, ordinal) },
  }));
  const names = new Set(claimed.map(({ name }) => name));
  return [...claimed, ...(spec?.volumes ?? []).filter(({ name }) => !names.has(name))];
}

/** Role bindings of rbac.authorization.k8s.io/v1alpha1, whose subjects name an apiVersion where later ones name a group. */
import { parseGroupVersion } from '../meta.ts';
import type { KubeObject } from '../meta.ts';
import type { LegacyRules } from '../schema/schema.ts';
import type { RbacV1Subject } from '../types.gen.ts';

type OldSubject = Omit<RbacV1Subject, 'apiGroup'> & { apiVersion?: string };

const GROUP = 'rbac.authorization.k8s.io';

export const ALPHA_BINDING: Omit<LegacyRules, 'warning'> = {
  toStorage: (object) => withSubjects<OldSubject, RbacV1Subject>(object, toSubject),
  fromStorage: (object) => withSubjects<RbacV1Subject, OldSubject>(object, fromSubject),
};

function withSubjects<From, To>(object: KubeObject, change: (subject: From) => To): KubeObject {
  const subjects = object['subjects'] as From[] | undefined;
  return subjects ? { ...object, subjects: subjects.map(change) } : { ...object };
}

/** The user `*` was everybody who could say who they are. */
function toSubject({ apiVersion, ...subject }: OldSubject): RbacV1Subject {
  if (subject.kind === 'User' && subject.name === '*') return { kind: 'Group', apiGroup: GROUP, name: 'system:authenticated' };
  const apiGroup = apiVersion ? parseGroupVersion(apiVersion).group : subject.kind === 'ServiceAccount' ? '' : GROUP;
  return apiGroup ? { ...subject, apiGroup } : subject;
}

function fromSubject({ apiGroup: _group, ...subject }: RbacV1Subject): OldSubject {
  return { ...subject, apiVersion: subject.kind === 'ServiceAccount' ? 'v1' : `${GROUP}/v1alpha1` };
}

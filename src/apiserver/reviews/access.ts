/** SubjectAccessReview and its kin: may somebody do something? */
import { invalid, statusError } from '../../api/status.ts';
import type { FieldError } from '../../api/status.ts';
import type { SelfSubjectAccessReviewSpec, SelfSubjectRulesReviewSpec, SubjectAccessReviewSpec } from '../../api/types.gen.ts';
import type { UserInfo } from '../../api/transport.ts';
import type { Authorizer, Handler, RequestInfo } from '../contract.ts';
import { nonResourceInfo } from '../request-info.ts';
import { reviewHandler } from './review.ts';

const GROUP = 'authorization.k8s.io';

export function accessReviewHandlers(authorizer: Authorizer): Handler[] {
  const decide = (user: UserInfo, spec: SelfSubjectAccessReviewSpec): object => {
    const attributes = { user, info: attributesOf(spec) };
    const { allowed, reason: denied } = authorizer.authorize(attributes);
    const reason = allowed ? authorizer.explain?.(attributes) : denied;
    return { allowed, ...(reason ? { reason } : {}) };
  };
  return [
    reviewHandler<SubjectAccessReviewSpec>(GROUP, 'subjectaccessreviews', 'SubjectAccessReview', (spec) => {
      check('SubjectAccessReview', [...attributeErrors(spec), ...subjectErrors(spec)]);
      return decide(subjectOf(spec), spec);
    }),
    reviewHandler<SubjectAccessReviewSpec>(GROUP, 'localsubjectaccessreviews', 'LocalSubjectAccessReview', (spec, { info }) => {
      check('LocalSubjectAccessReview', [...attributeErrors(spec), ...subjectErrors(spec), ...localErrors(spec, info.namespace)]);
      return decide(subjectOf(spec), spec);
    }),
    reviewHandler<SelfSubjectAccessReviewSpec>(GROUP, 'selfsubjectaccessreviews', 'SelfSubjectAccessReview', (spec, { user }) => {
      check('SelfSubjectAccessReview', attributeErrors(spec));
      return decide(user, spec);
    }),
    reviewHandler<SelfSubjectRulesReviewSpec>(GROUP, 'selfsubjectrulesreviews', 'SelfSubjectRulesReview', (spec, { user }) => {
      if (!spec.namespace) throw statusError('BadRequest', 'no namespace on request');
      return authorizer.rulesFor(user, spec.namespace);
    }),
  ];
}

function attributesOf({ resourceAttributes, nonResourceAttributes }: SelfSubjectAccessReviewSpec): RequestInfo {
  const { verb = '', group = '', version = '', resource = '', subresource = '', namespace = '', name = '' } = resourceAttributes ?? {};
  if (nonResourceAttributes) return { ...nonResourceInfo('', nonResourceAttributes.path ?? ''), verb: nonResourceAttributes.verb ?? '' };
  return { path: '', parts: [], isResourceRequest: true, verb, group, version, resource, subresource, namespace, name };
}

function subjectOf({ user = '', uid, groups = [], extra }: SubjectAccessReviewSpec): UserInfo {
  return { name: user, ...(uid ? { uid } : {}), groups, ...(extra ? { extra } : {}) };
}

function attributeErrors({ resourceAttributes, nonResourceAttributes }: SelfSubjectAccessReviewSpec): FieldError[] {
  if (resourceAttributes && nonResourceAttributes) {
    return [
      {
        field: 'spec.nonResourceAttributes',
        type: 'FieldValueInvalid',
        message: 'Invalid value: cannot be specified in combination with resourceAttributes',
      },
    ];
  }
  if (resourceAttributes || nonResourceAttributes) return [];
  return [
    {
      field: 'spec.resourceAttributes',
      type: 'FieldValueInvalid',
      message: 'Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified',
    },
  ];
}

function subjectErrors({ user, groups }: SubjectAccessReviewSpec): FieldError[] {
  if (user || groups?.length) return [];
  return [{ field: 'spec.user', type: 'FieldValueInvalid', message: 'Invalid value: "": at least one of user or group must be specified' }];
}

function localErrors({ resourceAttributes, nonResourceAttributes }: SubjectAccessReviewSpec, namespace: string): FieldError[] {
  if (nonResourceAttributes) {
    return [
      { field: 'spec.nonResourceAttributes', type: 'FieldValueInvalid', message: 'Invalid value: disallowed on this kind of request' },
    ];
  }
  if ((resourceAttributes?.namespace ?? '') === namespace) return [];
  return [
    {
      field: 'spec.resourceAttributes.namespace',
      type: 'FieldValueInvalid',
      message: `Invalid value: ${JSON.stringify(resourceAttributes?.namespace ?? '')}: must match metadata.namespace`,
    },
  ];
}

function check(kind: string, errors: readonly FieldError[]): void {
  if (errors.length > 0) throw invalid(kind, GROUP, '', errors);
}

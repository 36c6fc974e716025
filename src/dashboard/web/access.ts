import type { GroupVersionResource } from '../../api/meta.ts';
import type { Api } from './api.ts';

export interface Question {
  verb: string;
  type: GroupVersionResource;
  subresource?: string;
  namespace?: string;
  name?: string;
}

export interface Access {
  /** Whether the cluster's authorizer lets who is signed in do this; asked once. */
  allowed(question: Question): Promise<boolean>;
}

export function createAccess(api: Api): Access {
  const answers = new Map<string, Promise<boolean>>();
  return {
    allowed: (question) => {
      const { verb, type, subresource, namespace, name } = question;
      const key = [verb, type.group, type.resource, subresource, namespace, name].join(' ');
      let answer = answers.get(key);
      if (!answer) {
        answers.set(key, (answer = review(api, question)));
        // What could not be asked is asked again.
        answer.catch(() => answers.delete(key));
      }
      return answer;
    },
  };
}

async function review(api: Api, { verb, type, subresource, namespace, name }: Question): Promise<boolean> {
  const { body } = await api.request({
    method: 'POST',
    path: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
    body: {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectAccessReview',
      spec: { resourceAttributes: { verb, group: type.group, resource: type.resource, subresource, namespace, name } },
    },
  });
  return (body as { status?: { allowed?: boolean } }).status?.allowed === true;
}

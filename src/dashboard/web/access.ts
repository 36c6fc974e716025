import { useEffect, useState } from 'preact/hooks';
import type { ResourceType } from '../../client/client.ts';
import type { Api } from './api.ts';
import { useSession } from './session.ts';

export interface Question {
  verb: string;
  type: ResourceType;
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

/** Undefined until it is known. */
export function useAllowed({ verb, type, subresource, namespace, name }: Question): boolean | undefined {
  const { access } = useSession();
  const [allowed, setAllowed] = useState<boolean>();
  useEffect(() => {
    let current = true;
    const tell = (value: boolean): void => {
      if (current) setAllowed(value);
    };
    access.allowed({ verb, type, subresource, namespace, name }).then(tell, () => tell(false));
    return () => void (current = false);
  }, [access, verb, type, subresource, namespace, name]);
  return allowed;
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

import { useEffect, useState } from 'preact/hooks';
import type { Question } from './access.ts';
import { untilAnswered } from './retry.ts';
import { useSession } from './session.ts';

/** Undefined until it is known. */
export function useAllowed({ verb, type, subresource, namespace, name }: Question): boolean | undefined {
  const { access } = useSession();
  const [allowed, setAllowed] = useState<boolean>();
  useEffect(
    () =>
      untilAnswered(
        () => access.allowed({ verb, type, subresource, namespace, name }),
        setAllowed,
        () => setAllowed(false),
      ),
    [access, verb, type, subresource, namespace, name],
  );
  return allowed;
}

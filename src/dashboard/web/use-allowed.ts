import { useEffect, useState } from 'preact/hooks';
import type { Question } from './access.ts';
import { useSession } from './session.ts';

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

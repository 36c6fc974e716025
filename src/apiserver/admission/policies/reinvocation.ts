import type { KubeObject } from '../../../api/meta.ts';
import { semanticEqual } from '../../../api/patch/json.ts';
import type { MutationRounds } from '../../contract.ts';

/** Which policies of one request run again in the second round: those with reinvocationPolicy IfNeeded that ran before something changed the object. */
export class Reinvocations {
  readonly #rounds: MutationRounds | undefined;
  #invoked = new Set<string>();
  readonly #due = new Set<string>();
  #left: KubeObject | undefined;

  constructor(rounds: MutationRounds | undefined) {
    this.#rounds = rounds;
  }

  /** `object` is what this round's policies are given. */
  begin(object: KubeObject): void {
    if (this.#rounds?.again && !semanticEqual(this.#left, object)) this.#everyoneIsDue();
  }

  mayInvoke(key: string): boolean {
    return !this.#rounds?.again || this.#due.has(key);
  }

  invoked(key: string, { hasChanged, isReinvocable }: { hasChanged: boolean; isReinvocable: boolean }): void {
    if (hasChanged) {
      this.#everyoneIsDue();
      this.#rounds?.askForAnother();
    }
    if (isReinvocable) this.#invoked.add(key);
  }

  /** `object` is what they leave. */
  end(object: KubeObject): void {
    this.#left = object;
  }

  #everyoneIsDue(): void {
    for (const key of this.#invoked) this.#due.add(key);
    this.#invoked = new Set();
  }
}

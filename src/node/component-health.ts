import type { ComponentCheck } from '../apiserver/registry/component-statuses.ts';

/** What `kubectl get componentstatuses` is told of the parts beside the API server: which of them have started, and whether they still run. */
export class ComponentHealth {
  /** By upstream's names. */
  readonly checks: ReadonlyMap<string, ComponentCheck>;
  readonly #running = new Map<string, () => boolean>();

  constructor(names: readonly string[]) {
    this.checks = new Map(names.map((name) => [name, () => this.#check(name)]));
  }

  /** It has started; `runs` is asked whenever somebody looks. */
  started(name: string, runs: () => boolean = () => true): void {
    this.#running.set(name, runs);
  }

  #check(name: string): Promise<void> {
    return this.#running.get(name)?.() === true ? Promise.resolve() : Promise.reject(new Error(`${name} is not running`));
  }
}

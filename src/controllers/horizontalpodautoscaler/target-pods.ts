import { keyOf } from '../../api/meta.ts';
import { type LabelSelector, parseLabelSelector } from '../../api/selectors.ts';
import type { Pod, Scale, V2HorizontalPodAutoscaler as Autoscaler } from '../../api/types.gen.ts';
import type { Informer } from '../../client/informer.ts';
import { wordsOf } from './words.ts';

/** Why it cannot be told which pods a target has: `event` is the event's reason, `condition` that of ScalingActive. */
export class TargetPodsError extends Error {
  override name = 'TargetPodsError';
  readonly event: string;
  readonly condition: { reason: string; message: string };

  constructor(event: string, message: string, condition: { reason: string; message: string } = { reason: event, message }) {
    super(message);
    this.event = event;
    this.condition = condition;
  }
}

/** The pods of targets; and which autoscalers scale the same ones: two that do would work against each other. */
export class TargetPods {
  readonly #pods: Informer<Pod>;
  /** Of the targets that were seen, by autoscaler. */
  readonly #selectors = new Map<string, { name: string; namespace: string; selector: LabelSelector }>();

  constructor(pods: Informer<Pod>) {
    this.#pods = pods;
  }

  /** Throws TargetPodsError. */
  select({ metadata }: Autoscaler, { status }: Scale): { selector: LabelSelector; pods: Pod[] } {
    const namespace = metadata.namespace!;
    const text = status?.selector ?? '';
    const selector = parsed(text);
    this.#selectors.set(keyOf({ metadata }), { name: metadata.name!, namespace, selector });
    const pods = this.#pods.listNamespace(namespace).filter((pod) => selector.matches(pod));
    const autoscalers = this.#autoscalersOf(namespace, pods);
    if (autoscalers.length > 1) {
      const names = autoscalers.map((name) => `{${name} ${namespace}}`).join(' ');
      throw new TargetPodsError('AmbiguousSelector', `pods by selector ${text} are controlled by multiple HPAs: [${names}]`);
    }
    return { selector, pods };
  }

  forget(autoscaler: Autoscaler): void {
    this.#selectors.delete(keyOf(autoscaler));
  }

  #autoscalersOf(namespace: string, pods: readonly Pod[]): string[] {
    return [...this.#selectors.values()]
      .filter((each) => each.namespace === namespace && pods.some((pod) => each.selector.matches(pod)))
      .map(({ name }) => name)
      .toSorted();
  }
}

function parsed(text: string): LabelSelector {
  if (text === '') {
    const condition = { reason: 'InvalidSelector', message: "the HPA target's scale is missing a selector" };
    throw new TargetPodsError('SelectorRequired', 'selector is required', condition);
  }
  try {
    return parseLabelSelector(text);
  } catch (error) {
    throw new TargetPodsError(
      'InvalidSelector',
      `couldn't convert selector into a corresponding internal selector object: ${wordsOf(error)}`,
    );
  }
}

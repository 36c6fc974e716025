import type { Container, Pod, Secret } from '../../api/types.gen.ts';
import { SECRETS } from '../../client/resources.ts';
import type { EventRecorder } from '../../client/events.ts';
import { abortable } from '../../lib/abortable.ts';
import type { Clock } from '../../lib/clock.ts';
import { errorMessage } from '../../lib/errors.ts';
import { Backoff } from '../containers/backoff.ts';
import { containerEvent, type EventType } from '../containers/events.ts';
import { StartError } from '../containers/start-error.ts';
import type { ContainerRuntime, ImageInfo, RegistryAuth } from '../runtime/runtime.ts';
import type { WatchedObjects } from '../volumes/objects.ts';
import { registryAuths } from './auth.ts';
import { defaultPullPolicy, isValidImageName, normalizeImageName } from './names.ts';

export interface ImagePuller {
  /** Sees to it that the container's image is on the node, by its pull policy. Throws StartError in upstream's words. */
  ensure(pod: Pod, container: Container, signal: AbortSignal): Promise<ImageInfo>;
  /** Forgets the back-off of a pod that is gone. */
  forget(podUid: string): void;
}

export interface ImagePullerOptions {
  runtime: ContainerRuntime;
  objects: WatchedObjects;
  events: EventRecorder;
  clock: Clock;
  /** A pull has added an image to the node. */
  pulled(): void;
}

/** After this the container shows ImagePullBackOff instead of ErrImagePull; the next pull waits for the back-off all the same. */
const SHOW_BACKOFF_MS = 2000;

export function createImagePuller(options: ImagePullerOptions): ImagePuller {
  return new Puller(options);
}

class Puller implements ImagePuller {
  readonly #options: ImagePullerOptions;
  readonly #backoff: Backoff;
  /** The last failure by back-off key: its words go on into the next waiting message. */
  readonly #lastError = new Map<string, string>();
  /** Pulls under way by image, so that ten pods of one image pull it once. */
  readonly #underway = new Map<string, Promise<ImageInfo>>();

  constructor(options: ImagePullerOptions) {
    this.#options = options;
    this.#backoff = new Backoff(options.clock);
  }

  async ensure(pod: Pod, container: Container, signal: AbortSignal): Promise<ImageInfo> {
    const written = container.image ?? '';
    const tell = (type: EventType, reason: string, message: string): void =>
      containerEvent(this.#options.events, pod, container.name, { type, reason, message });
    if (!isValidImageName(written)) {
      const message = `Failed to apply default image tag "${written}": couldn't parse image name "${written}": invalid reference format`;
      tell('Warning', 'InspectFailed', message);
      throw new StartError('InvalidImageName', message);
    }
    const image = normalizeImageName(written);
    const present = await this.#options.runtime.imageStatus(image);
    const policy = container.imagePullPolicy ?? defaultPullPolicy(written);
    // An image that was put on the node by hand (`rockpool image load`: pinned, and without a registry's digest) has the node as its source; a
    // registry that is asked for it could only be offline or have another one.
    const loaded = present !== undefined && (present.pinned || present.digests.length === 0);
    if (present && (policy !== 'Always' || loaded)) {
      tell('Normal', 'Pulled', `Container image "${written}" already present on machine and can be accessed by the pod`);
      return present;
    }
    if (!present && policy === 'Never') {
      const message = `Container image "${written}" is not present with pull policy of Never`;
      tell('Warning', 'ErrImageNeverPull', message);
      throw new StartError('ErrImageNeverPull', message);
    }
    return this.#pullWithBackoff(pod, { written, image, signal, tell });
  }

  forget(podUid: string): void {
    this.#backoff.forget(`${podUid}_`);
    for (const key of this.#lastError.keys()) if (key.startsWith(`${podUid}_`)) this.#lastError.delete(key);
  }

  async #pullWithBackoff(
    pod: Pod,
    {
      written,
      image,
      signal,
      tell,
    }: { written: string; image: string; signal: AbortSignal; tell: (type: EventType, reason: string, message: string) => void },
  ): Promise<ImageInfo> {
    const key = `${pod.metadata.uid}_${image}`;
    const wait = this.#backoff.remainingSinceUpdate(key);
    if (wait > 0) {
      const message = `Back-off pulling image "${written}"`;
      tell('Normal', 'BackOff', message);
      throw new StartError('ImagePullBackOff', `${message}: ErrImagePull: ${this.#lastError.get(key) ?? ''}`, { retryAfterMs: wait });
    }
    tell('Normal', 'Pulling', `Pulling image "${written}"`);
    const began = this.#options.clock.monotonic();
    try {
      const info = await this.#pull(pod, image, signal);
      const took = duration(this.#options.clock.monotonic() - began);
      tell(
        'Normal',
        'Pulled',
        `Successfully pulled image "${written}" in ${took} (${took} including waiting). Image size: ${info.sizeBytes} bytes.`,
      );
      this.#backoff.forget(key);
      this.#options.pulled();
      return info;
    } catch (error) {
      if (signal.aborted) throw error;
      const cause = errorMessage(error instanceof Error ? new Error(error.message) : error);
      tell('Warning', 'Failed', `Failed to pull image "${written}": ${cause}`);
      this.#lastError.set(key, cause);
      this.#backoff.next(key);
      throw new StartError('ErrImagePull', cause, { retryAfterMs: SHOW_BACKOFF_MS, cause: error });
    }
  }

  async #pull(pod: Pod, image: string, signal: AbortSignal): Promise<ImageInfo> {
    const auths = registryAuths(await this.#pullSecrets(pod), image);
    if (auths.length > 0) return this.#pullWith(image, auths, signal);
    return abortable(this.#underway.get(image) ?? this.#share(image), signal);
  }

  /** Goes on when the pod that asked first ends: others may wait for the same image. */
  #share(image: string): Promise<ImageInfo> {
    const pull = this.#pullWith(image, []).finally(() => this.#underway.delete(image));
    this.#underway.set(image, pull);
    return pull;
  }

  async #pullWith(image: string, auths: readonly RegistryAuth[], signal?: AbortSignal): Promise<ImageInfo> {
    const { runtime } = this.#options;
    let failure: unknown;
    for (const auth of auths.length > 0 ? auths : [undefined]) {
      try {
        const { imageRef } = await runtime.pullImage(image, { auth, signal });
        const info = (await runtime.imageStatus(imageRef)) ?? (await runtime.imageStatus(image));
        if (!info) throw new Error(`image ${image} is gone after its pull`);
        return info;
      } catch (error) {
        failure = error;
        if (signal?.aborted) break;
      }
    }
    throw failure;
  }

  /** Those that exist; a missing pull secret only means that the pull goes without it. */
  async #pullSecrets(pod: Pod): Promise<Secret[]> {
    const namespace = pod.metadata.namespace!;
    const names = (pod.spec?.imagePullSecrets ?? []).flatMap(({ name }) => (name ? [name] : []));
    const secrets = await Promise.all(names.map((name) => this.#options.objects.fresh({ type: SECRETS, namespace, name })));
    return secrets.filter((secret) => secret !== undefined);
  }
}

/** Go's way of printing a duration, rounded to milliseconds: `312ms`, `1.204s`, `1m2.5s`. */
export function duration(ms: number): string {
  const rounded = Math.round(ms);
  if (rounded < 1000) return `${rounded}ms`;
  const minutes = Math.floor(rounded / 60_000);
  const seconds = String((rounded % 60_000) / 1000);
  return minutes > 0 ? `${minutes}m${seconds}s` : `${seconds}s`;
}

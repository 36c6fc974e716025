/** Why a container could not be started: shown as its waiting state until the next try. */
export class StartError extends Error {
  /** `ErrImagePull`, `ImagePullBackOff`, `CrashLoopBackOff`, `CreateContainerConfigError`, `RunContainerError` … */
  readonly reason: string;
  /** When it makes sense to try again, ms from now; undefined for the worker's own pace. */
  readonly retryAfterMs: number | undefined;

  constructor(reason: string, message: string, options: { retryAfterMs?: number; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = 'StartError';
    this.reason = reason;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** The steps that a start can go through, in the order in which they may come; `-o json` numbers them by this list. */
export const STEPS = ['driver', 'image', 'create', 'boot', 'ready', 'addons', 'stop', 'delete', 'done'] as const;
export type Step = (typeof STEPS)[number];

/** How work tells a person what it does. The next `step` ends the one before. */
export interface Progress {
  step(step: Step, message: string): void;
  /** What the running step is at: `23 of 31 packages`. */
  detail(message: string): void;
  info(message: string): void;
  warn(message: string): void;
}

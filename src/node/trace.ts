/** The time line of a start: milliseconds from the process's beginning to the end of each phase. */
export interface StartupTrace {
  /** Notes that a phase has ended now. */
  mark(phase: string): void;
  /** Runs `work` and marks the phase when it resolves. */
  during<T>(phase: string, work: Promise<T>): Promise<T>;
  readonly phases: Readonly<Record<string, number>>;
}

export function startupTrace(elapsed: () => number): StartupTrace {
  const phases: Record<string, number> = {};
  const mark = (phase: string): void => {
    phases[phase] = Math.round(elapsed() * 10) / 10;
  };
  return {
    mark,
    phases,
    during: async (phase, work) => {
      const result = await work;
      mark(phase);
      return result;
    },
  };
}

/**
 * The one door to the terminal. Data goes to stdout, what happens to stderr; with `-o json` steps and failures are events on stdout,
 * one CloudEvents 1.0 object a line.
 */
import type { Ora } from 'ora';
import { STEPS } from '../cluster/progress.ts';
import type { Progress, Step } from '../cluster/progress.ts';
import { errorMessage } from '../lib/errors.ts';
import type { RockpoolError } from '../lib/errors.ts';
import type { Rng } from '../lib/random.ts';

export interface OutputOptions {
  stdout: { write(text: string): unknown };
  stderr: { write(text: string): unknown; isTTY?: boolean };
  /** Events instead of lines. */
  events: boolean;
  /** A spinner, where the terminal can show one. */
  animated: boolean;
  rng: Rng;
}

const SOURCE = 'https://rockpool.dev/';

export class Output implements Progress {
  readonly #options: OutputOptions;
  #events: boolean;
  #spinner: Ora | undefined;
  #running: { step: Step; message: string } | undefined;

  constructor(options: OutputOptions) {
    this.#options = options;
    this.#events = options.events;
  }

  /** Loads the spinner; without it steps are plain lines. */
  async animate(): Promise<void> {
    if (!this.#options.animated || this.#events) return;
    const { default: ora } = await import('ora');
    this.#spinner = ora({ discardStdin: false });
  }

  useEvents(): void {
    this.#events = true;
  }

  step(step: Step, message: string): void {
    this.#finishStep();
    if (this.#events)
      return this.#event('step', { name: step, currentstep: String(STEPS.indexOf(step) + 1), totalsteps: String(STEPS.length), message });
    if (step === 'driver' || step === 'done') return this.#line(`✓ ${message}`);
    this.#running = { step, message };
    if (this.#spinner) this.#spinner.start(message);
    else this.#line(`• ${message}`);
  }

  detail(message: string): void {
    if (this.#events) return this.#event('progress', { name: this.#running?.step ?? '', message });
    if (this.#spinner && this.#running) this.#spinner.text = `${this.#running.message}: ${message}`;
  }

  info(message: string): void {
    if (this.#events) return this.#event('info', { message });
    this.#pause(() => this.#line(`  ${message}`));
  }

  warn(message: string): void {
    if (this.#events) return this.#event('warning', { message });
    this.#pause(() => this.#line(`! ${message}`));
  }

  /** Ends the last step well. */
  close(): void {
    this.#finishStep();
  }

  /** Data for people or programs, on stdout. */
  text(text: string): void {
    this.#finishStep();
    this.#options.stdout.write(`${text}\n`);
  }

  /** One JSON document; among events it is the event `result`. */
  document(value: unknown): void {
    this.#finishStep();
    if (this.#events) this.#event('result', value as object);
    else this.#options.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
  }

  error(error: RockpoolError, { verbose }: { verbose: boolean }): void {
    this.#spinner?.stop();
    const failed = this.#running;
    this.#running = undefined;
    const cause = error.cause === undefined ? undefined : errorMessage(error.cause);
    if (this.#events) {
      return this.#event('error', {
        name: error.code,
        exitcode: String(error.exitCode),
        message: error.message,
        ...(cause ? { cause } : {}),
        advice: error.advice.join('\n'),
      });
    }
    if (failed) this.#line(`✗ ${failed.message}`);
    for (const line of errorBlock(error, cause)) this.#line(line);
    if (verbose && error.stack) this.#line(error.stack);
  }

  #finishStep(): void {
    if (this.#running && this.#spinner) this.#spinner.succeed(this.#running.message);
    this.#running = undefined;
  }

  #pause(print: () => void): void {
    const { text, isSpinning } = this.#spinner ?? { text: '', isSpinning: false };
    if (isSpinning) this.#spinner!.stop();
    print();
    if (isSpinning) this.#spinner!.start(text);
  }

  #line(text: string): void {
    this.#options.stderr.write(`${text}\n`);
  }

  #event(type: string, data: object): void {
    const event = {
      specversion: '1.0',
      id: this.#options.rng.uuid(),
      source: SOURCE,
      type: `dev.rockpool.${type}`,
      datacontenttype: 'application/json',
      data,
    };
    this.#options.stdout.write(`${JSON.stringify(event)}\n`);
  }
}

function errorBlock(error: RockpoolError, cause: string | undefined): string[] {
  const lines = ['', `${error.code}: ${error.message}`];
  const because = cause?.split('\n')[0]!.replace(/:$/, '');
  if (because && !error.message.includes(because)) lines.push(`  because: ${because}`);
  if (error.advice.length > 0) lines.push('', 'What to do:', ...error.advice.map((text, i) => `  ${i + 1}. ${text}`));
  return lines;
}

import type { ArgumentsCamelCase, Argv } from 'yargs';
import type { ClusterContext } from '../cluster/context.ts';
import type { Output } from './output.ts';

/** What a command is given. */
export interface Cli {
  context: ClusterContext;
  output: Output;
}

export interface CommonArgs {
  profile: string;
  output: 'text' | 'json';
}

/** One command. `run` resolves with the exit code; heavy modules are imported in there, so that `rockpool version` does not pay for them. */
export interface Command<T extends object> {
  /** yargs' form: `load <image..>`. */
  usage: string;
  description: string;
  /** How `-o json` speaks: one document of data, or an event a line. */
  json: 'document' | 'events' | 'none';
  options(yargs: Argv<CommonArgs>): Argv<T & CommonArgs>;
  run(args: ArgumentsCamelCase<T & CommonArgs>, cli: Cli): Promise<number>;
}

/** Keeps a command's argument type while it stands in a list with others. */
export function command<T extends object>(definition: Command<T>): Command<T> {
  return definition;
}

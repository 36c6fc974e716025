import yargs from 'yargs';
import type { ArgumentsCamelCase, Argv } from 'yargs';
import { DEFAULT_PROFILE } from '../cluster/profile.ts';
import { failure } from '../cluster/reasons.ts';
import type { Command, CommonArgs } from './command.ts';
import { COMMANDS } from './commands.ts';
import { nearest } from './suggest.ts';

export type Parsed =
  | { kind: 'command'; command: Command<object>; args: ArgumentsCamelCase<CommonArgs> }
  | { kind: 'kubectl'; profile: string; args: string[] }
  | { kind: 'printed' };

/** Makes a call out of the command line. Throws USAGE, with the nearest known word, before anything is done. */
export async function parseCommandLine(argv: readonly string[], env: Readonly<Record<string, string | undefined>>): Promise<Parsed> {
  const profile = env['ROCKPOOL_PROFILE'] || DEFAULT_PROFILE;
  const kubectl = splitKubectl(argv, profile);
  if (kubectl) return kubectl;
  let chosen: Parsed = { kind: 'printed' };
  let parser: Argv<CommonArgs> = yargs()
    .scriptName('rockpool')
    .usage('$0 <command>\n\nA local Kubernetes for workshop laptops.')
    .option('profile', { alias: 'p', type: 'string', default: profile, describe: 'the cluster that the command is about' })
    .option('output', { alias: 'o', choices: ['text', 'json'] as const, default: 'text' as const, describe: 'how to print' });
  for (const command of COMMANDS) {
    parser = parser.command(
      command.usage,
      command.description,
      (builder) => command.options(builder),
      (args) => {
        chosen = { kind: 'command', command, args: args };
      },
    );
  }
  parser
    .command('kubectl', 'Run kubectl against the cluster: `rockpool kubectl -- get pods`')
    .demandCommand(1, 'name a command')
    .strict()
    .version(false)
    .help()
    .alias('help', 'h')
    .wrap(Math.min(100, process.stdout.columns ?? 100))
    .exitProcess(false)
    .fail((message, error) => {
      throw error ?? usageFailure(message);
    });
  await parser.parseAsync([...argv]);
  return chosen;
}

/** `rockpool [-p NAME] kubectl [--] ARGS`: what follows is kubectl's own. */
function splitKubectl(argv: readonly string[], profile: string): Parsed | undefined {
  const at = argv.indexOf('kubectl');
  if (at < 0) return undefined;
  const before = argv.slice(0, at);
  const named =
    /^(?:-p|--profile)$/.test(before[0] ?? '') && before.length === 2 ? before[1] : /^--profile=(.+)$/.exec(before[0] ?? '')?.[1];
  if (before.length > 0 && (named === undefined || before.length > 2)) return undefined;
  const rest = argv.slice(at + 1);
  return { kind: 'kubectl', profile: named ?? profile, args: rest[0] === '--' ? rest.slice(1) : rest };
}

function usageFailure(message: string): Error {
  const unknown = /^Unknown (argument|command)s?: ([^,]+)/.exec(message)?.[2]?.trim();
  const words = COMMANDS.map(({ usage }) => usage.split(' ')[0]!);
  const known = [...words, 'kubectl', ...COMMANDS.flatMap((command) => optionNames(command))];
  const near = unknown === undefined ? undefined : nearest(unknown, known);
  const advice = near === undefined ? [] : [`Did you mean \`${words.includes(near) || near === 'kubectl' ? near : `--${near}`}\`?`];
  return failure('USAGE', message.replaceAll('\n', ' '), { advice });
}

function optionNames(command: Command<object>): string[] {
  const instance = command.options(yargs() as Argv<CommonArgs>) as unknown as { getOptions(): { key: Record<string, unknown> } };
  return Object.keys(instance.getOptions().key);
}

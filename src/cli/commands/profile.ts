import { command } from '../command.ts';
import { table } from '../table.ts';

export const profile = command({
  usage: 'profile <action>',
  description: 'Show the clusters of this machine (`list`), or which one commands are about (`current`)',
  json: 'document',
  options: (yargs) => yargs.positional('action', { choices: ['list', 'current'] as const, demandOption: true }),
  run: async ({ action, profile: current, output: format }, { context, output }) => {
    if (action === 'current') {
      if (format === 'json') output.document({ name: current });
      else output.text(current);
      return 0;
    }
    const [{ listProfileNames }, { profileSummary }] = await Promise.all([
      import('../../cluster/profile.ts'),
      import('../../cluster/summary.ts'),
    ]);
    const names = await listProfileNames(context.home);
    const found = await Promise.all(names.map((name) => profileSummary(name, context)));
    if (format === 'json') output.document(found);
    else if (found.length === 0) output.text('There is no cluster yet. `rockpool start` makes one.');
    else
      output.text(
        table(
          ['NAME', 'DRIVER', 'STATE', 'SERVER', 'ADDONS'],
          found.map((entry) => [entry.name, entry.driver, entry.state, entry.server, entry.addons.join(',')]),
        ),
      );
    return 0;
  },
});

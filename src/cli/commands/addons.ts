import { command } from '../command.ts';
import { parseDuration } from '../quantities.ts';
import { table } from '../table.ts';

export const addons = command({
  usage: 'addons <action> [names..]',
  description: 'Show addons (`list`), or switch some on or off (`enable`, `disable`)',
  json: 'document',
  options: (yargs) =>
    yargs
      .positional('action', { choices: ['list', 'enable', 'disable'] as const, demandOption: true })
      .positional('names', { type: 'string', array: true, default: [] as string[] })
      .option('wait-timeout', { type: 'string', default: '2m', describe: 'how long to wait until an addon is ready' }),
  run: async ({ action, names, profile: name, output: format, waitTimeout }, { context, output }) => {
    const [{ changeAddons, listAddons }, { failure }] = await Promise.all([
      import('../../cluster/switch-addons.ts'),
      import('../../cluster/reasons.ts'),
    ]);
    if (action === 'list') {
      const found = await listAddons(name, context);
      if (format === 'json') output.document(found);
      else
        output.text(
          table(
            ['ADDON', 'STATE', 'DESCRIPTION'],
            found.map((addon) => [addon.name, addon.enabled ? 'enabled' : 'disabled', addon.description]),
          ),
        );
      return 0;
    }
    if (names.length === 0) throw failure('USAGE', `name an addon to ${action}`);
    await output.animate();
    const notes = await changeAddons(name, { names, enable: action === 'enable', timeoutMs: parseDuration(waitTimeout) }, context);
    if (format === 'json') output.document({ profile: name, [`${action}d`]: names });
    else output.text([`${names.join(', ')} ${names.length === 1 ? 'is' : 'are'} ${action}d.`, ...notes].join('\n'));
    return 0;
  },
});

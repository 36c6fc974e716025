import { command } from '../command.ts';

export const ip = command({
  usage: 'ip',
  description: 'Print the address of the node, at which NodePorts answer',
  json: 'document',
  options: (yargs) => yargs,
  run: async ({ profile: name, output: format }, { context, output }) => {
    const [{ openDriver }, { requireRunning }] = await Promise.all([
      import('../../cluster/drivers/choose.ts'),
      import('../../cluster/running.ts'),
    ]);
    const profile = await requireRunning(name, context);
    const address = (await openDriver(profile.driver, context)).nodeAddress(profile);
    if (format === 'json') output.document({ name, ip: address });
    else output.text(address);
    return 0;
  },
});

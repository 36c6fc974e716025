import { command } from '../command.ts';

/** Lines of the node's log that tell of something wrong, whatever program wrote them. */
const PROBLEM =
  /\b(WARN|ERROR|FATAL|panic|level=(?:warn(?:ing)?|error|fatal))\b|no space left|permission denied|address already in use|out of memory|OOMKilled/i;

export const logs = command({
  usage: 'logs',
  description: 'Print the log of the node',
  json: 'none',
  options: (yargs) =>
    yargs
      .option('follow', { alias: 'f', type: 'boolean', default: false, describe: 'go on with what comes' })
      .option('lines', { alias: 'n', type: 'number', describe: 'only the last lines' })
      .option('problems', { type: 'boolean', default: false, describe: 'only lines that tell of something wrong' }),
  run: async ({ profile: name, follow, lines, problems }, { context, output }) => {
    const [{ openDriver }, { requireProfile }] = await Promise.all([
      import('../../cluster/drivers/choose.ts'),
      import('../../cluster/profile.ts'),
    ]);
    const profile = await requireProfile(context.home, name);
    const driver = await openDriver(profile.driver, context);
    for await (const line of driver.logs(profile, { follow, tail: lines, signal: context.signal })) {
      if (!problems || PROBLEM.test(line)) output.text(line);
    }
    return 0;
  },
});

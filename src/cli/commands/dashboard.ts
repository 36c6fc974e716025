import { openInBrowser } from '../browser.ts';
import { command } from '../command.ts';

export const dashboard = command({
  usage: 'dashboard',
  description: 'Open the dashboard, enabling it first if need be',
  json: 'document',
  options: (yargs) =>
    yargs.option('url', { type: 'boolean', default: false, describe: 'print the URL, which signs in once, and open nothing' }),
  run: async ({ profile: name, url: onlyUrl, output: format }, { context, output }) => {
    const [{ dashboardAddress }, { requireRunning }] = await Promise.all([
      import('../../cluster/dashboard.ts'),
      import('../../cluster/running.ts'),
    ]);
    const profile = await requireRunning(name, context);
    await output.animate();
    const { url, signInUrl } = await dashboardAddress(profile, context);
    if (format === 'json') output.document({ url, signInUrl });
    else output.text(onlyUrl ? signInUrl : url);
    if (!onlyUrl && format === 'text') await openInBrowser(signInUrl, output);
    return 0;
  },
});

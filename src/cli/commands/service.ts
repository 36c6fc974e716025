import { command } from '../command.ts';
import { openInBrowser } from '../browser.ts';
import { table } from '../table.ts';

export const service = command({
  usage: 'service [names..]',
  description: 'Open a service in the browser, or print its URL; `service list` shows all',
  json: 'document',
  options: (yargs) =>
    yargs
      .positional('names', { type: 'string', array: true, default: [] as string[], describe: 'services, or `list`' })
      .option('url', { type: 'boolean', default: false, describe: 'print the URL, open nothing' })
      .option('https', { type: 'boolean', default: false, describe: 'https:// instead of http://' })
      .option('namespace', { alias: 'n', type: 'string', describe: 'namespace of the services; `default` unless given, for `list` all' }),
  run: async ({ profile: name, names, url, https, namespace, output: format }, { context, output }) => {
    const [{ serviceUrls, listServices }, { withApi }, { openDriver }, { requireRunning }, { failure }] = await Promise.all([
      import('../../cluster/services.ts'),
      import('../../cluster/api.ts'),
      import('../../cluster/drivers/choose.ts'),
      import('../../cluster/running.ts'),
      import('../../cluster/reasons.ts'),
    ]);
    if (names.length === 0) throw failure('USAGE', 'name a service, or `list`');
    const profile = await requireRunning(name, context);
    const driver = await openDriver(profile.driver, context);
    const options = { reach: (port: number) => driver.reach(profile, port), https };
    if (names[0] === 'list' && names.length === 1) {
      const services = await withApi(profile, context, (client) => listServices(client, namespace, options));
      if (format === 'json') output.document(services);
      else
        output.text(
          table(
            ['NAMESPACE', 'NAME', 'PORTS', 'URL'],
            services.map((entry) => [entry.namespace, entry.name, entry.ports.join(','), entry.urls.join(' ')]),
          ),
        );
      return 0;
    }
    const found = await withApi(profile, context, async (client) =>
      (
        await Promise.all(names.map((service) => serviceUrls(client, { namespace: namespace ?? 'default', name: service }, options)))
      ).flat(),
    );
    if (format === 'json') output.document(found);
    else if (url) output.text(found.map((entry) => entry.url).join('\n'));
    else
      output.text(
        table(
          ['NAMESPACE', 'NAME', 'TARGET PORT', 'URL'],
          found.map((entry) => [entry.namespace, entry.name, entry.targetPort, entry.url]),
        ),
      );
    if (!url && format === 'text') for (const { url: address } of found) await openInBrowser(address, output);
    return 0;
  },
});

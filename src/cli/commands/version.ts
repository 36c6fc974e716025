import { KUBERNETES_VERSION } from '../../cluster/version.ts';
import { command } from '../command.ts';

export const version = command({
  usage: 'version',
  description: 'Print the version of Rockpool and of the Kubernetes that it serves',
  json: 'document',
  options: (yargs) => yargs,
  run: async ({ output: format }, { context, output }) => {
    const found = { rockpool: context.version, kubernetes: KUBERNETES_VERSION, node: process.versions.node };
    if (format === 'json') output.document(found);
    else output.text(`rockpool ${found.rockpool} (Kubernetes ${found.kubernetes}, Node.js ${found.node})`);
    return 0;
  },
});

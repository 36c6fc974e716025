import { command } from '../command.ts';

export const stop = command({
  usage: 'stop',
  description: 'Stop the cluster and keep all that is in it',
  json: 'events',
  options: (yargs) => yargs,
  run: async ({ profile }, { context, output }) => {
    const [{ stopCluster }] = await Promise.all([import('../../cluster/stop.ts'), output.animate()]);
    const ran = await stopCluster(profile, context);
    output.step('done', ran ? `"${profile}" is stopped; \`rockpool start\` brings it back` : `"${profile}" was not running`);
    return 0;
  },
});

import { command } from '../command.ts';

export const remove = command({
  usage: 'delete',
  description: 'Delete the cluster with everything in it; succeeds when there is none',
  json: 'events',
  options: (yargs) =>
    yargs.option('all', { type: 'boolean', default: false, describe: 'delete every cluster' }).option('purge', {
      type: 'boolean',
      default: false,
      describe: 'with --all, caches too; for one cluster, even when its profile is corrupt',
    }),
  run: async ({ profile, all, purge }, { context, output }) => {
    const [{ deleteAll, deleteCluster }] = await Promise.all([import('../../cluster/stop.ts'), output.animate()]);
    if (all) {
      const names = await deleteAll(context, { purge });
      output.step('done', names.length > 0 ? `Deleted ${names.join(', ')}` : 'There was no cluster');
    } else {
      const was = await deleteCluster(profile, context, { purge });
      output.step('done', was ? `"${profile}" is gone` : `There is no "${profile}"; nothing to do`);
    }
    return 0;
  },
});

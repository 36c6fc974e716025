import { command } from '../command.ts';

export const status = command({
  usage: 'status',
  description: 'Tell what runs; the exit code is 0 when all is well, else 1 (node) + 2 (Kubernetes) + 4 (kubeconfig)',
  json: 'document',
  options: (yargs) => yargs,
  run: async ({ profile, output: format }, { context, output }) => {
    const { clusterStatus, statusExitCode } = await import('../../cluster/status.ts');
    const { isReason } = await import('../../cluster/reasons.ts');
    try {
      const found = await clusterStatus(profile, context);
      if (format === 'json') output.document(found);
      else
        output.text(
          Object.entries(found)
            .map(([field, value]) => (field === 'name' ? value : `${field}: ${value}`))
            .join('\n'),
        );
      return statusExitCode(found);
    } catch (error) {
      if (!isReason(error, 'PROFILE_NOT_FOUND')) throw error;
      if (format === 'json')
        output.document({ name: profile, host: 'Absent', kubelet: 'Stopped', apiserver: 'Stopped', kubeconfig: 'Misconfigured' });
      else output.text(`There is no profile "${profile}". \`rockpool start\` makes it.`);
      return 7;
    }
  },
});

import type { StartResult } from '../../cluster/start.ts';
import { command } from '../command.ts';
import { parseDuration, parseMemory } from '../quantities.ts';

export const start = command({
  usage: 'start',
  description: 'Start a cluster, making it first if need be, and point kubectl at it',
  json: 'events',
  options: (yargs) =>
    yargs
      .option('driver', {
        type: 'string',
        describe: 'docker (real containers) or sim (simulated pods, needs nothing); the first that can serve unless given',
      })
      .option('kubernetes-version', { type: 'string', describe: 'the version to serve; this release has one' })
      .option('storage', { choices: ['etcd', 'embedded'] as const, describe: 'where the cluster keeps its state' })
      .option('sim-nodes', { type: 'number', describe: 'sim: how many simulated nodes besides the first' })
      .option('cpus', { type: 'number', describe: 'docker: cores that the node may use' })
      .option('memory', { type: 'string', describe: 'docker: memory that the node may use, such as 2g or 1500m' })
      .option('addons', { type: 'string', array: true, describe: 'addons to enable besides the usual ones' })
      .option('ports', {
        type: 'string',
        array: true,
        describe: 'docker: ports of the node on this machine, [ADDRESS:]HOST:NODE[/udp], ranges too',
      })
      .option('listen-address', { type: 'string', describe: 'address on which the API answers; 127.0.0.1 unless given' })
      .option('api-port', { type: 'number', describe: 'port of the API on this machine; 0 takes a free one' })
      .option('audit-policy', {
        type: 'string',
        describe: 'write an audit log as this policy file (audit.k8s.io/v1) says; kept for later starts, empty turns it off',
      })
      .option('wait-timeout', { type: 'string', default: '60s', describe: 'how long to wait until the node is Ready' })
      .option('keep-context', { type: 'boolean', default: false, describe: "leave kubectl's current context as it is" })
      .option('split-processes', {
        type: 'boolean',
        default: false,
        hidden: true,
        describe: 'run scheduler, controllers and kubelet as processes of their own',
      })
      .option('scheduler-config', { type: 'string', describe: 'a KubeSchedulerConfiguration file; an empty text returns to the defaults' })
      .option('etcd-compaction-interval', { type: 'string', describe: 'how long the past of the store stays readable; 5m unless given' })
      .option('trace-startup', { type: 'boolean', default: false, describe: 'print what took how long' })
      .option('dry-run', { type: 'boolean', default: false, describe: 'check everything, print what would be done, and do nothing' }),
  run: async (args, { context, output }) => {
    const [{ startCluster }] = await Promise.all([import('../../cluster/start.ts'), output.animate()]);
    const result = await startCluster(
      {
        name: args.profile,
        driver: args.driver ?? context.env['ROCKPOOL_DRIVER'],
        kubernetesVersion: args.kubernetesVersion,
        storage: args.storage,
        listenAddress: args.listenAddress,
        apiPort: args.apiPort,
        simNodes: args.simNodes,
        cpus: args.cpus,
        ...(args.memory === undefined ? {} : { memoryMiB: parseMemory(args.memory) }),
        ports: args.ports?.flatMap((text) => text.split(',')),
        addons: args.addons?.flatMap((text) => text.split(',')),
        ...(args.auditPolicy === undefined ? {} : { auditPolicy: args.auditPolicy }),
        ...(args.schedulerConfig === undefined ? {} : { schedulerConfig: args.schedulerConfig }),
        waitTimeoutMs: parseDuration(args.waitTimeout),
        keepContext: args.keepContext,
        traceStartup: args.traceStartup,
        splitProcesses: args.splitProcesses,
        ...(args.etcdCompactionInterval === undefined ? {} : { compactionIntervalMs: parseDuration(args.etcdCompactionInterval) }),
        dryRun: args.dryRun,
      },
      context,
    );
    if (args.output === 'json')
      output.document({
        profile: result.profile,
        server: result.server,
        kubeconfig: result.kubeconfig,
        elapsedMs: Math.round(result.elapsedMs),
      });
    else output.text(args.dryRun ? dryRunText(result) : nextSteps(result, args.keepContext));
    if (args.traceStartup) for (const line of result.timeline.lines()) output.info(line);
    return 0;
  },
});

function nextSteps({ profile, wasRunning, kubeconfig }: StartResult, keepContext: boolean): string {
  const flag = profile.name === 'rockpool' ? '' : ` -p ${profile.name}`;
  const context = keepContext ? ` --context ${profile.name}` : '';
  return [
    wasRunning ? `The cluster "${profile.name}" was running already.` : `kubectl is pointed at "${profile.name}" (${kubeconfig ?? ''}).`,
    '',
    'Try next:',
    `    kubectl${context} create deployment web --image=nginx`,
    `    kubectl${context} expose deployment web --port=80 --type=NodePort`,
    `    rockpool${flag} service web`,
  ].join('\n');
}

function dryRunText({ profile, server }: StartResult): string {
  return [
    `Would start "${profile.name}":`,
    ...Object.entries({ ...profile, server }).map(
      ([field, value]) => `    ${field}: ${Array.isArray(value) ? value.join(', ') : String(value)}`,
    ),
    'Nothing was changed.',
  ].join('\n');
}

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../lib/clock.ts';
import type { Component } from '../lib/component.ts';
import type { Logger } from '../lib/log.ts';
import { canConnect } from './etcd.ts';
import { supervise } from './supervise.ts';

export interface ContainerdOptions {
  dataDir: string;
  runDir: string;
  /** This node's share of the pod network: `10.244.0.0/24`. */
  podCidr: string;
  clock: Clock;
  log: Logger;
  binary?: string;
  /** `crun` starts a pod in two thirds of runc's time. */
  ociRuntime?: string;
  cniBinDir?: string;
}

export const PAUSE_IMAGE = 'rockpool.dev/pause:1';
export const containerdSocket = (runDir: string): string => join(runDir, 'containerd', 'containerd.sock');

/** containerd with CRI on and everything off that a node does not use, and the node's pod network: ptp, which needs no bridge netfilter. */
export function containerdProcess(options: ContainerdOptions): Component {
  const socket = containerdSocket(options.runDir);
  const configFile = join(options.runDir, 'containerd', 'config.toml');
  const process = supervise({
    name: 'containerd',
    command: options.binary ?? '/usr/bin/containerd',
    args: ['--config', configFile],
    env: { GOGC: '50' },
    pidFile: join(options.runDir, 'containerd.pid'),
    probe: (signal) => canConnect(socket, signal),
    readyMs: 20_000,
    stopMs: 5_000,
    clock: options.clock,
    log: options.log,
  });
  return {
    ...process,
    start: async (signal) => {
      const cniDir = join(options.runDir, 'cni');
      mkdirSync(join(options.runDir, 'containerd'), { recursive: true });
      mkdirSync(cniDir, { recursive: true });
      writeFileSync(join(cniDir, '10-rockpool.conflist'), JSON.stringify(podNetwork(options)));
      writeFileSync(configFile, containerdConfig(options, cniDir));
      await process.start(signal);
    },
  };
}

/** CNI network configuration for pods. Addresses are leased below runDir: they must not outlive the sandboxes that hold them. */
export function podNetwork({ podCidr, runDir }: Pick<ContainerdOptions, 'podCidr' | 'runDir'>): object {
  const ipam = { type: 'host-local', ranges: [[{ subnet: podCidr }]], routes: [{ dst: '0.0.0.0/0' }], dataDir: join(runDir, 'cni-ipam') };
  return {
    cniVersion: '0.4.0',
    name: 'rockpool',
    plugins: [
      { type: 'ptp', ipMasq: false, mtu: 1500, ipam },
      { type: 'portmap', capabilities: { portMappings: true } },
    ],
  };
}

/** containerd's configuration (version 2, read by 1.6 and 1.7). */
export function containerdConfig(
  { dataDir, runDir, ociRuntime, cniBinDir = '/usr/lib/cni' }: Pick<ContainerdOptions, 'dataDir' | 'runDir' | 'ociRuntime' | 'cniBinDir'>,
  cniDir: string,
): string {
  const cri = 'plugins."io.containerd.grpc.v1.cri"';
  const unused = [
    'snapshotter.v1.btrfs',
    'snapshotter.v1.zfs',
    'snapshotter.v1.devmapper',
    'snapshotter.v1.aufs',
    'snapshotter.v1.blockfile',
    'internal.v1.opt',
    'internal.v1.tracing',
  ];
  return `version = 2
oom_score = 0
root = "${join(dataDir, 'containerd')}"
state = "${join(runDir, 'containerd', 'state')}"
disabled_plugins = [${unused.map((plugin) => `"io.containerd.${plugin}"`).join(', ')}, "io.containerd.tracing.processor.v1.otlp"]
[grpc]
  address = "${containerdSocket(runDir)}"
[${cri}]
  sandbox_image = "${PAUSE_IMAGE}"
  disable_tcp_service = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  restrict_oom_score_adj = true
  disable_apparmor = true
  enable_unprivileged_ports = true
  enable_unprivileged_icmp = true
  drain_exec_sync_io_timeout = "10s"
  enable_cdi = true
  cdi_spec_dirs = ["/etc/cdi", "/var/run/cdi"]
  [${cri}.containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [${cri}.containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [${cri}.containerd.runtimes.runc.options]
        SystemdCgroup = false
${ociRuntime ? `        BinaryName = "${ociRuntime}"\n` : ''}  [${cri}.cni]
    bin_dir = "${cniBinDir}"
    conf_dir = "${cniDir}"
  [${cri}.registry]
    config_path = "/etc/containerd/certs.d"
`;
}

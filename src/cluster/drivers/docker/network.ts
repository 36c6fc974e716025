/** One network a profile, with a fixed address for the node: certificates and kubeconfigs stay right over restarts. */
import { networkInterfaces } from 'node:os';
import type Dockerode from 'dockerode';
import { addressAt, overlaps } from '../../ip-range.ts';
import type { Profile } from '../../profile.ts';
import { failure, isReason } from '../../reasons.ts';
import { PROFILE_LABEL } from './container-spec.ts';
import { engineCall, engineFailure, isMissing } from './engine.ts';

const MTU_OPTION = 'com.docker.network.driver.mtu';
const CANDIDATES = Array.from({ length: 22 }, (_, i) => `192.168.${49 + i * 9}.0/24`);

export interface NodeNetwork {
  subnet: string;
  nodeIp: string;
}

/**
 * The profile's network, made if need be in a range that no network of the engine and no interface of this machine uses. A range that
 * another start took in the meantime is passed over. Throws ENGINE_CONFLICT for a stranger's network of that name, NETWORK_FULL.
 */
export async function ensureNetwork(docker: Dockerode, profile: Profile): Promise<NodeNetwork & { made: boolean }> {
  const { name } = profile;
  const networks = await engineCall('cannot list networks', () => docker.listNetworks());
  const mine = networks.find((network) => network.Name === name);
  if (mine) {
    if (mine.Labels?.[PROFILE_LABEL] !== name)
      throw failure('ENGINE_CONFLICT', `the engine has a network "${name}" that is not Rockpool's`);
    const subnet = mine.IPAM?.Config?.[0]?.Subnet;
    if (subnet) return { ...nodeNetwork(subnet), made: false };
  }
  const used = usedRanges(networks);
  // A profile whose network was removed gets its own range again if it can: certificates and etcd know the address.
  const wanted = profile.subnet ? [profile.subnet, ...CANDIDATES] : CANDIDATES;
  const mtu = await bridgeMtu(docker);
  for (const subnet of wanted.filter((candidate) => !used.some((cidr) => overlaps(candidate, cidr)))) {
    try {
      await createNetwork(docker, { name, subnet, mtu });
      return { ...nodeNetwork(subnet), made: true };
    } catch (error) {
      const told = engineFailure(error, `cannot make network ${name}`);
      if (!isReason(told, 'NETWORK_FULL')) throw told;
    }
  }
  throw failure('NETWORK_FULL', 'no range of addresses is free for the node');
}

function nodeNetwork(subnet: string): NodeNetwork {
  return { subnet, nodeIp: addressAt(subnet, 2) };
}

function usedRanges(networks: readonly Dockerode.NetworkInspectInfo[]): string[] {
  return [
    ...networks.flatMap((network) => (network.IPAM?.Config ?? []).map((config) => config.Subnet ?? '')),
    ...Object.values(networkInterfaces()).flatMap((addresses) =>
      (addresses ?? []).flatMap(({ cidr, family }) => (cidr && family === 'IPv4' ? [cidr] : [])),
    ),
  ].filter((cidr) => /^\d+\.\d+\.\d+\.\d+\/\d+$/.test(cidr));
}

async function createNetwork(
  docker: Dockerode,
  { name, subnet, mtu }: { name: string; subnet: string; mtu: string | undefined },
): Promise<void> {
  await docker.createNetwork({
    Name: name,
    Driver: 'bridge',
    CheckDuplicate: true,
    IPAM: { Driver: 'default', Config: [{ Subnet: subnet, Gateway: addressAt(subnet, 1) }] },
    Labels: { [PROFILE_LABEL]: name },
    ...(mtu ? { Options: { [MTU_OPTION]: mtu } } : {}),
  });
}

/** Behind a VPN engines are set to smaller packets on their default bridge, and networks that are made do not inherit it. */
async function bridgeMtu(docker: Dockerode): Promise<string | undefined> {
  try {
    const bridge = (await docker.getNetwork('bridge').inspect()) as { Options?: Record<string, string> };
    return bridge.Options?.[MTU_OPTION];
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

export async function removeNetwork(docker: Dockerode, name: string): Promise<void> {
  try {
    await docker.getNetwork(name).remove();
  } catch (error) {
    if (!isMissing(error)) throw engineFailure(error, `cannot remove network ${name}`);
  }
}

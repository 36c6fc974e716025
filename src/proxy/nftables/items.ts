/**
 * A Service's frontends as things in the nftables table. Pure maps: a connection is looked up by its address, protocol and port, which says
 * how many endpoints there are; a number below that, at random, and the same key give the endpoint. A Service's change touches its own
 * elements only, and one chain serves all Services with as many endpoints. (Those chains are written together with the maps: nft, to 1.1.3,
 * refuses a rule that looks up a concatenation in a map which is there already, "conflicting protocols specified: tcp vs. th".)
 *
 *     map services { 10.96.0.50 . tcp . 80 : goto service-off-cluster-3 }
 *     map service-endpoints { 10.96.0.50 . tcp . 80 . 0 : 10.244.0.5 . 8080, … . 1 : …, … . 2 : … }
 *
 * Session affinity needs memory per client: those few Services get chains and sets of their own.
 */
import { createHash } from 'node:crypto';
import type { Family, Frontend, Target } from '../frontends.ts';
import type { Item } from './rule-table.ts';

export interface ItemOptions {
  /** The cluster's pod range of this family; without it nobody counts as off-cluster. */
  podCidr?: string;
}

/** The maps that a frontend is in: `verdicts` by key, `endpoints` by key and index. `table.ts` declares them. */
interface View {
  name: string;
  verdicts: string;
  endpoints: string;
  key: string;
}

const VIEWS = {
  service: {
    name: 'service',
    verdicts: 'services',
    endpoints: 'service-endpoints',
    isNodePort: false,
    masquerades: ['off-cluster', 'always', 'never'],
  },
  nodePort: {
    name: 'nodeport',
    verdicts: 'nodeports',
    endpoints: 'nodeport-endpoints',
    isNodePort: true,
    masquerades: ['always', 'never'],
  },
  inClusterService: {
    name: 'in-cluster-service',
    verdicts: 'in-cluster-services',
    endpoints: 'in-cluster-service-endpoints',
    isNodePort: false,
    masquerades: ['off-cluster'],
  },
  inClusterNodePort: {
    name: 'in-cluster-nodeport',
    verdicts: 'in-cluster-nodeports',
    endpoints: 'in-cluster-nodeport-endpoints',
    isNodePort: true,
    masquerades: ['off-cluster'],
  },
} as const;

/** What one Service's frontends ask of the table. Pure. */
export function itemsOf(frontends: readonly Frontend[], options: ItemOptions): Item[] {
  return frontends.flatMap((frontend) => [...frontendItems(frontend, options)]);
}

function* frontendItems(frontend: Frontend, options: ItemOptions): Iterable<Item> {
  const { ip, port, protocol, targets, inCluster, refusal } = frontend;
  const isNodePort = ip === undefined;
  const key = isNodePort ? `${protocol} . ${port}` : `${ip} . ${protocol} . ${port}`;
  if (frontend.clusterIp) yield { at: 'cluster-ips', key: ip!, value: '' };
  if (targets.length > 0) yield* viewItems(frontend, targets, { ...VIEWS[isNodePort ? 'nodePort' : 'service'], key }, options);
  else yield { at: isNodePort ? 'no-endpoint-nodeports' : 'no-endpoint-services', key, value: refusal === 'drop' ? 'drop' : 'goto refuse' };
  if (inCluster && inCluster.length > 0) {
    const view = { ...VIEWS[isNodePort ? 'inClusterNodePort' : 'inClusterService'], key };
    yield* viewItems({ ...frontend, masquerade: 'off-cluster' }, inCluster, view, options);
  }
  if (frontend.sourceRanges) {
    yield { at: 'firewalled', key, value: '' };
    for (const range of frontend.sourceRanges) yield { at: 'allowed-sources', key: `${key} . ${range}`, value: '' };
  }
}

/** The expression whose value is a key of the view's maps. */
export function matchOf(family: Family, isNodePort: boolean): string {
  return isNodePort ? 'meta l4proto . th dport' : `${family} daddr . meta l4proto . th dport`;
}

function* viewItems(frontend: Frontend, targets: readonly Target[], view: View, options: ItemOptions): Iterable<Item> {
  for (const { ip } of targets) yield { at: 'hairpin', key: `${ip} . ${ip}`, value: '' };
  if (frontend.affinitySeconds !== undefined) return yield* affineItems(frontend, targets, view, options);
  yield { at: view.verdicts, key: view.key, value: `goto ${spreadChain(view, frontend.masquerade, targets.length)}` };
  for (const [index, target] of targets.entries()) {
    yield { at: view.endpoints, key: `${view.key} . ${index}`, value: `${target.ip} . ${target.port}` };
  }
}

/** Every chain that spreads connections over 1 to `limit` endpoints, as nftables text. They are few, so they are all there from the start. */
export function spreadChains(family: Family, limit: number, options: ItemOptions): string {
  const chains = Object.values(VIEWS).flatMap((view) =>
    view.masquerades.flatMap((masquerade) =>
      Array.from({ length: limit }, (_, index) => {
        const count = index + 1;
        const dnat = `meta l4proto { tcp, udp, sctp } dnat ${family} to ${matchOf(family, view.isNodePort)} . numgen random mod ${count} map @${view.endpoints}`;
        const rules = [...masqueradeRules({ masquerade, family }, options), dnat].map((rule) => `    ${rule}\n`);
        return `  chain ${spreadChain(view, masquerade, count)} {\n${rules.join('')}  }\n`;
      }),
    ),
  );
  return chains.join('');
}

/** The most endpoints that one frontend spreads over. */
export function largestSpread(frontends: readonly Frontend[]): number {
  const counts = frontends
    .filter(({ affinitySeconds }) => affinitySeconds === undefined)
    .map(({ targets, inCluster }) => Math.max(targets.length, inCluster?.length ?? 0));
  return Math.max(0, ...counts);
}

const spreadChain = (view: { name: string }, masquerade: Frontend['masquerade'], count: number): string =>
  `${view.name}-${masquerade}-${count}`;

function* affineItems(frontend: Frontend, targets: readonly Target[], view: View, options: ItemOptions): Iterable<Item> {
  const { family, protocol, servicePort, affinitySeconds } = frontend;
  const places = targets.map(({ ip, port }) => {
    const place = hash(servicePort, protocol, ip, `${port}`, `${affinitySeconds}`);
    return { ip, port, set: `affinity-${place}`, chain: `endpoint-${place}` };
  });
  for (const { ip, port, set, chain } of places) {
    yield {
      at: 'set:',
      key: set,
      value: `type ${family === 'ip' ? 'ipv4_addr' : 'ipv6_addr'}; size 65535; flags dynamic,timeout; timeout ${affinitySeconds}s;`,
    };
    const dnat = `meta l4proto ${protocol} dnat ${family} to ${family === 'ip' ? ip : `[${ip}]`}:${port}`;
    yield { at: 'chain:', key: chain, value: `update @${set} { ${family} saddr }\n${dnat}` };
  }
  const chain = `affine-${hash(view.name, view.key)}`;
  yield { at: view.verdicts, key: view.key, value: `goto ${chain}` };
  const rules = [
    ...masqueradeRules(frontend, options),
    ...places.map((place) => `${family} saddr @${place.set} goto ${place.chain}`),
    `numgen random mod ${places.length} vmap { ${places.map((place, index) => `${index} : goto ${place.chain}`).join(', ')} }`,
  ];
  yield { at: 'chain:', key: chain, value: rules.join('\n') };
}

function masqueradeRules({ masquerade, family }: Pick<Frontend, 'masquerade' | 'family'>, { podCidr }: ItemOptions): string[] {
  if (masquerade === 'always') return ['jump mark-for-masquerade'];
  return masquerade === 'off-cluster' && podCidr ? [`${family} saddr != ${podCidr} jump mark-for-masquerade`] : [];
}

/** nftables names have at most 127 characters; sixteen of a hash keep them short and apart. */
const hash = (...parts: readonly string[]): string => createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 16);

/** nftables scripts: the whole table, and a transaction that brings it from one state to the next. Pure; golden files in testdata/. */
import type { Family } from '../frontends.ts';
import { matchOf, spreadChains } from './items.ts';
import type { Change } from './rule-table.ts';

/** The name of kube-proxy's own table, so that a kube-proxy can take our place and finds nothing to collide with. */
export const TABLE = 'kube-proxy';
/** kube-proxy's masquerade bit. */
const MASQUERADE_MARK = '0x4000';

export interface TableOptions {
  family: Family;
  podCidr?: string;
  /** Chains for so many endpoints of one Service are made; a Service with more needs the table written again with a higher limit. */
  spreadLimit: number;
}

/** Drops the table and makes it anew with `items` in it: one transaction, so that no packet sees it missing. */
export function renderTable(options: TableOptions, items: readonly Change[]): string {
  const { family } = options;
  return `table ${family} ${TABLE} {}\ndelete table ${family} ${TABLE}\n${baseTable(options)}${renderChanges(family, items)}`;
}

/** Removes the table, whether or not it is there. */
export function renderCleanup(family: Family): string {
  return `table ${family} ${TABLE} {}\ndelete table ${family} ${TABLE}\n`;
}

/**
 * The changes as one script, in the one order that the kernel takes: an element may not name a chain that is missing, a chain cannot go
 * while an element or a rule names it, nor a set while a rule does. A value that changes is taken out and put in again.
 */
export function renderChanges(family: Family, changes: readonly Change[]): string {
  const place = `${family} ${TABLE}`;
  const isElement = ({ at }: Change): boolean => !at.endsWith(':');
  const elements = changes.filter(isElement);
  const sets = changes.filter(({ at }) => at === 'set:');
  const chains = changes.filter(({ at }) => at === 'chain:');
  const gone = chains.filter(({ after }) => after === undefined);
  const lines = [
    ...elementLines(
      'delete',
      family,
      elements.filter(({ before }) => before !== undefined),
      () => '',
    ),
    ...sets.filter(({ after }) => after !== undefined).map(({ key, after }) => `add set ${place} ${key} { ${after} }`),
    ...chains.filter(({ before }) => before === undefined).map(({ key }) => `add chain ${place} ${key}`),
    ...chains.filter(({ before }) => before !== undefined).map(({ key }) => `flush chain ${place} ${key}`),
    ...chains.flatMap(({ key, after }) => (after === undefined ? [] : after.split('\n').map((rule) => `add rule ${place} ${key} ${rule}`))),
    ...elementLines(
      'add',
      family,
      elements.filter(({ after }) => after !== undefined),
      ({ after }) => (after ? ` : ${after}` : ''),
    ),
    ...gone.map(({ key }) => `delete chain ${place} ${key}`),
    ...sets.filter(({ after }) => after === undefined).map(({ key }) => `delete set ${place} ${key}`),
  ];
  return lines.length > 0 ? `${lines.join('\n')}\n` : '';
}

function elementLines(verb: 'add' | 'delete', family: Family, elements: readonly Change[], valueOf: (change: Change) => string): string[] {
  const byMap = Map.groupBy(elements, ({ at }) => at);
  return [...byMap].map(([at, changes]) => {
    const listed = changes.map((change) => `  ${change.key}${valueOf(change)}`).join(',\n');
    return `${verb} element ${family} ${TABLE} ${at} {\n${listed}\n}`;
  });
}

function baseTable({ family, podCidr, spreadLimit }: TableOptions): string {
  const byAddress = matchOf(family, false);
  const byPort = matchOf(family, true);
  return `table ${family} ${TABLE} {
${maps(family)}
  # Connections to Services, where they begin: from outside and pods, and from this node.
  chain nat-prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    jump services
  }
  chain nat-output {
    type nat hook output priority -100; policy accept;
    jump services
  }
  chain services {
    ${byAddress} @firewalled jump firewall
    fib saddr type local jump in-cluster-clients
${podCidr ? `    ${family} saddr ${podCidr} jump in-cluster-clients\n` : ''}    ${byAddress} vmap @services
    fib daddr type local ${byPort} vmap @nodeports
  }
  # externalTrafficPolicy: Local is for clients from outside; the cluster's own see every endpoint.
  chain in-cluster-clients {
    ${byAddress} vmap @in-cluster-services
    fib daddr type local ${byPort} vmap @in-cluster-nodeports
  }
  chain firewall {
    ${byAddress} . ${family} saddr @allowed-sources return
    drop
  }
  chain mark-for-masquerade {
    meta mark set meta mark or ${MASQUERADE_MARK}
  }

  chain nat-postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    meta mark and ${MASQUERADE_MARK} != 0 meta mark set meta mark xor ${MASQUERADE_MARK} masquerade fully-random
    # A pod that reached itself through a Service must see another address than its own.
    ct status dnat ${family} saddr . ${family} daddr @hairpin masquerade fully-random
${podCidr ? `    # Nobody outside knows the way back to a pod.\n    ${family} saddr ${podCidr} ${family} daddr != ${podCidr} ${family} daddr != ${family === 'ip' ? '224.0.0.0/4' : 'ff00::/8'} masquerade fully-random\n` : ''}  }

  # What was not led to an endpoint above is answered at once, so that clients need not wait for a timeout.
  chain filter-input {
    type filter hook input priority filter; policy accept;
    ct state new jump no-endpoints
  }
  chain filter-forward {
    type filter hook forward priority filter; policy accept;
    ct state new jump no-endpoints
  }
  chain filter-output {
    type filter hook output priority filter; policy accept;
    ct state new jump no-endpoints
  }
  chain no-endpoints {
    ct status dnat return
    ${byAddress} vmap @no-endpoint-services
    fib daddr type local ${byPort} vmap @no-endpoint-nodeports
    ${family} daddr @cluster-ips goto refuse
  }
  chain refuse {
    meta l4proto tcp reject with tcp reset
    reject
  }
${family === 'ip' ? LOCALNET_GUARD : ''}
${spreadChains(family, spreadLimit, podCidr === undefined ? {} : { podCidr })}}
`;
}

/** Node ports answer on 127.0.0.1 by the kernel's route_localnet, which would also let neighbours on the wire address our loopback (CVE-2020-8558). */
const LOCALNET_GUARD = `
  chain raw-prerouting {
    type filter hook prerouting priority raw; policy accept;
    iif != lo ip daddr 127.0.0.0/8 drop
  }
`;

function maps(family: Family): string {
  const address = family === 'ip' ? 'ipv4_addr' : 'ipv6_addr';
  const triple = `${address} . inet_proto . inet_service`;
  const endpoints = (name: string, isNodePort: boolean): string =>
    `  map ${name} { typeof ${matchOf(family, isNodePort)} . numgen random mod 2 : ${family} daddr . th dport; }\n`;
  const verdicts = (name: string, key: string): string => `  map ${name} { type ${key} : verdict; }\n`;
  return [
    verdicts('services', triple),
    endpoints('service-endpoints', false),
    verdicts('nodeports', 'inet_proto . inet_service'),
    endpoints('nodeport-endpoints', true),
    verdicts('in-cluster-services', triple),
    endpoints('in-cluster-service-endpoints', false),
    verdicts('in-cluster-nodeports', 'inet_proto . inet_service'),
    endpoints('in-cluster-nodeport-endpoints', true),
    verdicts('no-endpoint-services', triple),
    verdicts('no-endpoint-nodeports', 'inet_proto . inet_service'),
    `  set cluster-ips { type ${address}; }\n`,
    `  set hairpin { type ${address} . ${address}; }\n`,
    `  set firewalled { type ${triple}; }\n`,
    `  set allowed-sources { type ${triple} . ${address}; flags interval; }\n`,
  ].join('');
}

import { readFileSync } from 'node:fs';
import { isIP, isIPv6 } from 'node:net';
import type { Answer } from 'dns-packet';
import { addressOfReverse, canonicalIp, canonicalName, isInZone, type Query, RCODES, respond, type Response } from '../message.ts';
import { fail, fallthroughOf, numberArg, type PluginFactory, zonesArg } from '../plugin.ts';

/** `hosts [FILE [ZONES…]] { ADDRESS NAMES…; ttl SECONDS; no_reverse; fallthrough [ZONES…] }`: names as /etc/hosts has them. */
export const hosts: PluginFactory = (setup) => {
  const { directive } = setup;
  const properties = ['ttl', 'no_reverse', 'reload', 'fallthrough'];
  const inline = directive.block.filter(({ name }) => !properties.includes(name));
  const property = (name: string) => directive.block.find((each) => each.name === name);
  const wrong = inline.find(({ name }) => isIP(name) === 0);
  if (wrong) fail(wrong, 'neither an address nor a property of hosts');
  const zones = zonesArg(setup, directive.args.slice(1));
  const passesOn = fallthroughOf(property('fallthrough'));
  const ttlOf = property('ttl');
  const ttl = ttlOf ? numberArg(ttlOf, 0, 1) : 3600;
  const reverse = property('no_reverse') === undefined;
  let table = new HostTable([]);
  return {
    start() {
      const file = directive.args[0];
      const rows =
        file === undefined
          ? []
          : readFileSync(file, 'utf8')
              .split('\n')
              .map((row) => row.replace(/#.*/, '').trim().split(/\s+/));
      table = new HostTable([...rows.filter(([address = '']) => isIP(address)), ...inline.map(({ name, args }) => [name, ...args])]);
      return Promise.resolve();
    },
    handler: (next) => (query) => {
      if (!zones.some((zone) => isInZone(query.name, zone))) return next(query);
      const found = table.answer(query, { ttl, reverse });
      if (found) return found;
      return passesOn(query.name) || query.type === 'PTR' ? next(query) : respond(RCODES.NXDOMAIN, { authoritative: true });
    },
  };
};

class HostTable {
  readonly #addresses = new Map<string, string[]>();
  readonly #names = new Map<string, string[]>();

  constructor(rows: readonly (readonly string[])[]) {
    for (const [address, ...names] of rows) {
      for (const name of names) {
        push(this.#addresses, canonicalName(name), address!);
        push(this.#names, canonicalIp(address!), canonicalName(name));
      }
    }
  }

  /** The records asked for, none where the name has only others, undefined where it is unknown. */
  answer({ name, type }: Query, { ttl, reverse }: { ttl: number; reverse: boolean }): Response | undefined {
    if (type === 'PTR') {
      const address = reverse ? addressOfReverse(name) : undefined;
      const names = address === undefined ? undefined : this.#names.get(address);
      return (
        names &&
        respond(RCODES.NOERROR, {
          authoritative: true,
          live: true,
          answers: names.map((data): Answer => ({ name, type: 'PTR', ttl, data })),
        })
      );
    }
    const addresses = this.#addresses.get(name);
    if (!addresses) return undefined;
    const wanted = addresses.filter((address) => type === (isIPv6(address) ? 'AAAA' : 'A'));
    return respond(RCODES.NOERROR, {
      authoritative: true,
      live: true,
      answers: wanted.map((data): Answer => ({ name, type: type as 'A', ttl, data })),
    });
  }
}

function push(map: Map<string, string[]>, key: string, value: string): void {
  const found = map.get(key);
  if (found) found.push(value);
  else map.set(key, [value]);
}

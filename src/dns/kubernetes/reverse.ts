import type { Answer } from 'dns-packet';
import { addressOfReverse, type Query, RCODES, respond, type Response } from '../message.ts';
import type { ClusterNames } from './cluster-names.ts';

export interface ReverseOptions {
  names: ClusterNames;
  /** The zone that the names are in. */
  zone: string;
  ttl: number;
}

/** The Service with this cluster IP, or the endpoints with this address; undefined where there is none. */
export function answerReverse({ name, type }: Query, { names, zone, ttl }: ReverseOptions): Response | undefined {
  const ip = type === 'PTR' ? addressOfReverse(name) : undefined;
  if (ip === undefined) return undefined;
  const service = names.serviceByIp(ip);
  const targets = service
    ? [`${service.metadata.name}.${service.metadata.namespace}.svc.${zone}`]
    : names.endpointsByIp(ip).map((endpoint) => `${endpoint.hostname}.${endpoint.service}.${endpoint.namespace}.svc.${zone}`);
  if (targets.length === 0) return undefined;
  const answers = targets.map((data): Answer => ({ name, type: 'PTR', class: 'IN', ttl, data }));
  return respond(RCODES.NOERROR, { authoritative: true, live: true, answers });
}

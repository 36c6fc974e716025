import type { SoaAnswer } from 'dns-packet';
import type { Clock } from '../../lib/clock.ts';
import type { Response } from '../message.ts';

/** The zone's SOA as CoreDNS writes it; its minimum is how long others may remember that a name is not there (RFC 2308). */
export function soaRecord(zone: string, ttl: number, clock: Pick<Clock, 'now'>): SoaAnswer {
  const data = {
    mname: `ns.dns.${zone}`,
    rname: `hostmaster.${zone}`,
    serial: Math.floor(clock.now() / 1000),
    refresh: 7200,
    retry: 1800,
    expire: 86_400,
    minimum: ttl,
  };
  return { name: zone, type: 'SOA', class: 'IN', ttl, data };
}

/** The parts of an answer that says no: NXDOMAIN, or a name that has no records of this type. */
export const denial = (soa: SoaAnswer): Partial<Response> => ({ authoritative: true, live: true, authorities: [soa] });

import type { Profile } from './profile.ts';

/** A profile of the docker driver as `start` writes it, for tests; with what the test wants to be different. */
export function exampleProfile(changes: Partial<Profile> = {}): Profile {
  return {
    schema: 1,
    name: 'rockpool',
    driver: 'docker',
    storage: 'etcd',
    created: '2026-06-01T10:00:00.000Z',
    listenAddress: '127.0.0.1',
    apiPort: 41000,
    podCidr: '10.244.0.0/16',
    serviceCidr: '10.96.0.0/12',
    nodePortRange: '30000-32767',
    addons: [],
    ports: [],
    simNodes: 0,
    nodeImage: 'rockpool/node:abc',
    subnet: '192.168.49.0/24',
    nodeIp: '192.168.49.2',
    state: 'created',
    ...changes,
  };
}

/** Manifests that several behaviours of kubectl begin with. */
import { IMAGES } from '../harness.ts';

export function replicationController(name: string, replicas = 1): object {
  const labels = { app: name };
  return {
    apiVersion: 'v1',
    kind: 'ReplicationController',
    metadata: { name, labels },
    spec: {
      replicas,
      selector: labels,
      template: {
        metadata: { labels },
        spec: { containers: [{ name: 'web', image: IMAGES.web, imagePullPolicy: 'IfNotPresent', ports: [{ containerPort: 80 }] }] },
      },
    },
  };
}

export function service(name: string): object {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, labels: { app: name } },
    spec: { selector: { app: name }, ports: [{ port: 80 }] },
  };
}

export const list = (...items: object[]): string => JSON.stringify({ apiVersion: 'v1', kind: 'List', items });

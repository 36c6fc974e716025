/** Ingresses as extensions/v1beta1 and networking.k8s.io/v1beta1 had them: a backend is a Service's name and port, side by side. */
import type { KubeObject } from '../meta.ts';
import type { LegacyRules } from '../schema/schema.ts';
import type { IngressBackend, IngressRule, IngressSpec } from '../types.gen.ts';

interface OldBackend {
  serviceName?: string;
  servicePort?: number | string;
  resource?: IngressBackend['resource'];
}

interface OldPath {
  path?: string;
  pathType?: string;
  backend?: OldBackend;
}

type OldRule = Omit<IngressRule, 'http'> & { http?: { paths?: OldPath[] | null } };
type OldSpec = Omit<IngressSpec, 'defaultBackend' | 'rules'> & { backend?: OldBackend; rules?: OldRule[] };

export const INGRESS: Omit<LegacyRules, 'warning'> = {
  applyDefaults: (object) => {
    const { rules = [] } = (object['spec'] ?? {}) as OldSpec;
    for (const { http } of rules) for (const path of http?.paths ?? []) path.pathType ??= 'ImplementationSpecific';
  },
  toStorage: (object) => {
    if (!object['spec']) return { ...object };
    const { backend, rules, ...spec } = object['spec'] as OldSpec;
    return {
      ...object,
      spec: {
        ...spec,
        ...(backend ? { defaultBackend: toBackend(backend) } : {}),
        ...(rules ? { rules: rules.map((rule) => withPaths(rule, toBackend)) } : {}),
      },
    };
  },
  fromStorage: (object: KubeObject) => {
    if (!object['spec']) return { ...object };
    const { defaultBackend, rules, ...spec } = object['spec'] as IngressSpec;
    return {
      ...object,
      spec: {
        ...spec,
        ...(defaultBackend ? { backend: fromBackend(defaultBackend) } : {}),
        ...(rules ? { rules: rules.map((rule) => withPaths(rule as OldRule, fromBackend)) } : {}),
      },
    };
  },
};

function withPaths<From, To>(rule: Omit<OldRule, 'http'> & { http?: { paths?: unknown } }, change: (backend: From) => To): object {
  const paths = rule.http?.paths as { backend?: From }[] | null | undefined;
  if (!paths) return rule;
  const changed = paths.map((path) => (path.backend === undefined ? path : { ...path, backend: change(path.backend) }));
  return { ...rule, http: { ...rule.http, paths: changed } };
}

function toBackend({ serviceName, servicePort, resource }: OldBackend): IngressBackend {
  if (!serviceName && (servicePort === undefined || servicePort === 0)) return resource ? { resource } : {};
  const port = typeof servicePort === 'string' ? { name: servicePort } : servicePort === undefined ? {} : { number: servicePort };
  return { service: { name: serviceName ?? '', port }, ...(resource ? { resource } : {}) };
}

function fromBackend({ service, resource }: IngressBackend): OldBackend {
  const { name, number } = service?.port ?? {};
  const servicePort = name ? name : (number ?? 0);
  return { ...(service ? { serviceName: service.name, servicePort } : { servicePort: 0 }), ...(resource ? { resource } : {}) };
}

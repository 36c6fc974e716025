/**
 * Ingresses as a table to look requests up in. Pure. The most specific host answers for a request: the exact one, then a wildcard, then the
 * rules without host; within it the exact path, then the longest prefix. Where two Ingresses ask for the same, the older one has it.
 */
import type { HTTPIngressPath, Ingress, IngressBackend } from '../api/types.gen.ts';

export interface Backend {
  namespace: string;
  service: string;
  port: { name?: string; number?: number };
}

export interface Route {
  /** The Ingress, `namespace/name`. */
  ingress: string;
  backend: Backend;
  /** Milliseconds that a backend may be silent. */
  readTimeoutMs: number;
  /** The path that the backend sees instead; `$1` … are the groups of the route's regular expression. */
  rewriteTarget?: string;
  pattern?: RegExp;
}

export interface Host {
  /** Requests by plain HTTP are sent to HTTPS. */
  redirectsToHttps: boolean;
  /** Where `/` itself is redirected to. */
  appRoot?: string;
  exact: Map<string, Route>;
  /** The longest first. */
  prefixes: { path: string; route: Route }[];
  fallback?: Route;
}

export interface RouteTable {
  /** By exact name, `*.domain`, and '' for rules without host. */
  hosts: Map<string, Host>;
  /** Secrets (`namespace/name`) by host or `*.domain`. */
  certificates: Map<string, string>;
  fallback?: Route;
}

export interface Match {
  host: Host | undefined;
  route: Route | undefined;
}

const PREFIX = 'nginx.ingress.kubernetes.io/';
const READ_TIMEOUT_SECONDS = 60;

/** Of all Ingresses that are to be served, in any order. */
export function buildRoutes(ingresses: readonly Ingress[]): RouteTable {
  const table: RouteTable = { hosts: new Map(), certificates: new Map() };
  for (const ingress of ingresses.toSorted(byAge)) addIngress(table, ingress);
  for (const host of table.hosts.values()) host.prefixes.sort((a, b) => b.path.length - a.path.length);
  return table;
}

/** The host's entry and the route for a request; `host` as in its Host header, `path` without the query. */
export function matchRoute(table: RouteTable, host: string, path: string): Match {
  const entry = hostFor(table.hosts, host);
  const route = entry && (entry.exact.get(path) ?? entry.prefixes.find((prefix) => matchesPrefix(prefix, path))?.route ?? entry.fallback);
  return { host: entry, route: route ?? table.fallback };
}

/** The Secret for a name that a TLS client asks for. */
export function certificateFor(table: RouteTable, name: string): string | undefined {
  return hostFor(table.certificates, name);
}

/** The path that the backend sees. */
export function rewritePath({ rewriteTarget, pattern }: Route, path: string): string {
  if (rewriteTarget === undefined) return path;
  const groups = pattern?.exec(path) ?? [];
  return rewriteTarget.replaceAll(/\$(\d)/g, (_, index: string) => groups[Number(index)] ?? '') || '/';
}

/** Without port, lower-case; a wildcard stands for exactly one label (the Ingress API's rule). */
function hostFor<T>(hosts: ReadonlyMap<string, T>, header: string): T | undefined {
  const name = header.toLowerCase().replace(/:\d+$/, '').replace(/\.$/, '');
  const dot = name.indexOf('.');
  return hosts.get(name) ?? (dot > 0 ? hosts.get(`*${name.slice(dot)}`) : undefined) ?? hosts.get('');
}

/** Whole elements: `/foo` matches `/foo` and `/foo/bar`, not `/foobar`. */
function matchesPrefix({ path, route }: { path: string; route: Route }, asked: string): boolean {
  if (route.pattern) return route.pattern.test(asked);
  const prefix = path.endsWith('/') ? path.slice(0, -1) : path;
  return asked === prefix || asked.startsWith(`${prefix}/`);
}

function byAge(a: Ingress, b: Ingress): number {
  const [first, second] = [a, b].map(({ metadata }) => `${metadata.creationTimestamp} ${metadata.namespace}/${metadata.name}`) as [
    string,
    string,
  ];
  return first < second ? -1 : 1;
}

function addIngress(table: RouteTable, ingress: Ingress): void {
  const { spec = {} } = ingress;
  const tlsHosts = new Set<string>();
  for (const { hosts = [], secretName } of spec.tls ?? []) {
    const names = hosts.length > 0 ? hosts : (spec.rules ?? []).map(({ host }) => host ?? '');
    for (const name of names) {
      tlsHosts.add(name);
      if (secretName && !table.certificates.has(name)) table.certificates.set(name, `${ingress.metadata.namespace}/${secretName}`);
    }
  }
  const fallback = spec.defaultBackend && routeTo(ingress, spec.defaultBackend);
  if (fallback && !spec.rules?.length) table.fallback ??= fallback;
  for (const { host: name = '', http } of spec.rules ?? []) {
    const host = hostEntry(table, name);
    applyHostOptions(host, ingress, tlsHosts.has(name));
    if (fallback) host.fallback ??= fallback;
    for (const path of http?.paths ?? []) addPath(host, ingress, path);
  }
}

function hostEntry(table: RouteTable, name: string): Host {
  let host = table.hosts.get(name.toLowerCase());
  if (!host) table.hosts.set(name.toLowerCase(), (host = { redirectsToHttps: false, exact: new Map(), prefixes: [] }));
  return host;
}

function applyHostOptions(host: Host, ingress: Ingress, hasTls: boolean): void {
  const redirects = annotation(ingress, 'force-ssl-redirect') === 'true' || (hasTls && annotation(ingress, 'ssl-redirect') !== 'false');
  host.redirectsToHttps ||= redirects;
  const appRoot = annotation(ingress, 'app-root');
  if (appRoot?.startsWith('/')) host.appRoot ??= appRoot;
}

function addPath(host: Host, ingress: Ingress, { path = '/', pathType, backend }: HTTPIngressPath): void {
  const route = routeTo(ingress, backend, path);
  if (!route) return;
  if (pathType === 'Exact' && !route.pattern) {
    if (!host.exact.has(path)) host.exact.set(path, route);
  } else if (!host.prefixes.some((prefix) => prefix.path === path)) host.prefixes.push({ path, route });
}

/** Undefined for a backend that is no Service: no controller here knows other resources. */
function routeTo(ingress: Ingress, { service }: IngressBackend, path = '/'): Route | undefined {
  if (!service) return undefined;
  const rewriteTarget = annotation(ingress, 'rewrite-target');
  const isPattern = (rewriteTarget !== undefined || annotation(ingress, 'use-regex') === 'true') && /[()[\]*+?|^$\\]/.test(path);
  const pattern = isPattern ? patternOf(path) : undefined;
  const seconds = Number(annotation(ingress, 'proxy-read-timeout') ?? READ_TIMEOUT_SECONDS);
  return {
    ingress: `${ingress.metadata.namespace}/${ingress.metadata.name}`,
    backend: { namespace: ingress.metadata.namespace!, service: service.name, port: service.port ?? {} },
    readTimeoutMs: (Number.isFinite(seconds) && seconds > 0 ? seconds : READ_TIMEOUT_SECONDS) * 1000,
    ...(rewriteTarget === undefined ? {} : { rewriteTarget }),
    ...(pattern ? { pattern } : {}),
  };
}

/** As ingress-nginx matches: from the start, whatever the case. A path that is no pattern matches as it is written. */
function patternOf(path: string): RegExp | undefined {
  try {
    return new RegExp(`^${path}`, 'i');
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

const annotation = ({ metadata }: Ingress, name: string): string | undefined => metadata.annotations?.[`${PREFIX}${name}`];

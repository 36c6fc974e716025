/** exec, attach and port-forward: the kubelet of the pod's node takes the connection over, whatever protocol it is upgraded to. */
import type { StatusError } from '../../api/status.ts';
import { notFound, statusError } from '../../api/status.ts';
import type { Pod } from '../../api/types.gen.ts';
import { forbiddenRequest } from '../authz/forbidden.ts';
import type { Authorizer, RequestContext, StreamingHandler } from '../contract.ts';
import { isTrue } from '../request-info.ts';
import type { AdmitConnection } from '../registry/connect.ts';
import type { StoredObjects } from '../stored.ts';
import { stored } from '../stored.ts';
import { chooseContainer, nodeOfPod } from './containers.ts';
import { forwardedHeaders, relay } from './relay.ts';
import type { Target } from './target.ts';
import { isTunnel, tunnel } from './port-forward-tunnel.ts';
import type { Wanted } from './websocket-translator.ts';
import { canCloseStreams, translate } from './websocket-translator.ts';

export interface PodStreamsOptions extends StoredObjects {
  kubelet: (nodeName: string) => Target;
  authorizer: Pick<Authorizer, 'authorize'>;
  admit: AdmitConnection;
}

export function podStreamsHandler(options: PodStreamsOptions): StreamingHandler {
  const pods = stored<Pod>(options, '', 'v1', 'pods');
  return {
    match: ({ info }) => info.resource === 'pods' && info.group === '' && Object.hasOwn(PATHS, info.subresource),
    async handle(context, request, reply) {
      const { info, headers, signal } = context;
      if (reply.kind !== 'upgrade') throw statusError('BadRequest', 'Upgrade request required');
      requireCreate(context, options.authorizer);
      const query = await options.admit(context);
      const pod = pods.get(info.namespace, info.name);
      if (!pod) throw notFound('pods', '', info.name);
      const path = PATHS[info.subresource as keyof typeof PATHS](query, pod);
      const target = options.kubelet(nodeOfPod(pod));
      const sent = forwardedHeaders(headers, target.authority, true);
      const passed = { method: request.method!, path, headers: sent, signal, unreachable: dialFailed };
      if (info.subresource === 'portforward' && isTunnel(headers)) await tunnel(target, passed, request, reply);
      else if (info.subresource !== 'portforward' && canCloseStreams(headers))
        await translate(target, { ...passed, wanted: wantedBy(path) }, request, reply);
      else await relay(target, passed, reply);
    },
  };
}

/** A WebSocket begins with GET, but what it does is no reading: since 1.35 it needs the verb `create`, as a POST does. */
function requireCreate({ user, info }: RequestContext, authorizer: Pick<Authorizer, 'authorize'>): void {
  if (info.verb === 'create') return;
  const attributes = { user, info: { ...info, verb: 'create' } };
  const { allowed, reason } = authorizer.authorize(attributes);
  if (!allowed) throw forbiddenRequest(attributes, reason);
}

function dialFailed(why: string, cause: unknown): StatusError {
  return statusError('InternalError', `Internal error occurred: error dialing backend: ${why}`, undefined, cause);
}

/** The kubelet's own URLs; its parameters are named as they were before the API's. */
const PATHS = {
  exec: (query: URLSearchParams, pod: Pod) => containerPath('exec', query, pod),
  attach: (query: URLSearchParams, pod: Pod) => containerPath('attach', query, pod),
  portforward: (query: URLSearchParams, { metadata }: Pod) => {
    const ports = new URLSearchParams();
    for (const port of query.getAll('ports').flatMap((value) => value.split(','))) ports.append('port', port);
    return `/portForward/${metadata.namespace}/${metadata.name}${ports.size > 0 ? `?${ports.toString()}` : ''}`;
  },
} as const;

const STREAMS = { stdin: 'input', stdout: 'output', stderr: 'error', tty: 'tty' } as const;

/** The streams that a kubelet's URL asks for. */
function wantedBy(path: string): Wanted {
  const parameters = new URLSearchParams(path.slice(path.indexOf('?')));
  return { stdin: parameters.has('input'), stdout: parameters.has('output'), stderr: parameters.has('error'), tty: parameters.has('tty') };
}

function containerPath(action: string, query: URLSearchParams, pod: Pod): string {
  const container = chooseContainer(pod, query.get('container') ?? '');
  const parameters = new URLSearchParams();
  for (const [asked, name] of Object.entries(STREAMS)) {
    // Attach's output is wanted unless refused, as the API's defaults say.
    const wanted = query.has(asked) ? isTrue(query.get(asked)) : action === 'attach' && (asked === 'stdout' || asked === 'stderr');
    if (wanted) parameters.set(name, '1');
  }
  for (const word of query.getAll('command')) parameters.append('command', word);
  return `/${action}/${pod.metadata.namespace}/${pod.metadata.name}/${container}?${parameters.toString()}`;
}

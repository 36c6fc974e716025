/** `…/pods/NAME/log`: what the kubelet has of a container's output, as it comes. */
import type { IncomingMessage } from 'node:http';
import type { FieldError, StatusError } from '../../api/status.ts';
import { invalid, notFound, statusError } from '../../api/status.ts';
import type { Pod } from '../../api/types.gen.ts';
import { errorMessage } from '../../lib/errors.ts';
import type { Handler, RequestContext } from '../contract.ts';
import { isTrue } from '../request-info.ts';
import type { StoredObjects } from '../stored.ts';
import { stored } from '../stored.ts';
import { chooseContainer } from './containers.ts';
import type { Target } from './target.ts';

export function podLogHandler(options: StoredObjects & { kubelet: (nodeName: string) => Target }): Handler {
  const pods = stored<Pod>(options, '', 'v1', 'pods');
  return {
    name: 'pods/log',
    match: ({ info }) => info.resource === 'pods' && info.subresource === 'log' && info.group === '' && info.verb === 'get',
    async handle(context) {
      const { info, query, signal } = context;
      const pod = pods.get(info.namespace, info.name);
      if (!pod) throw notFound('pods', '', info.name);
      const parameters = logParameters(context);
      const container = chooseContainer(pod, query.get('container') ?? '');
      // Not scheduled yet: there is nothing to read, which is no error.
      if (!pod.spec?.nodeName) return { status: 200, bytes: Buffer.alloc(0), contentType: 'text/plain' };
      const path = `/containerLogs/${info.namespace}/${info.name}/${container}?${parameters.toString()}`;
      const answer = await get(options.kubelet(pod.spec.nodeName), path, signal);
      if (answer.statusCode !== 200) throw await failure(answer);
      return { status: 200, stream: chunks(answer, signal), contentType: 'text/plain', headers: { 'x-accel-buffering': 'no' } };
    },
  };
}

const NUMBERS = { sinceSeconds: 1, tailLines: 0, limitBytes: 1 } as const;

function logParameters({ query, info }: RequestContext): URLSearchParams {
  const parameters = new URLSearchParams();
  const errors: FieldError[] = [];
  for (const flag of ['follow', 'previous', 'timestamps']) if (isTrue(query.get(flag))) parameters.set(flag, 'true');
  for (const [name, least] of Object.entries(NUMBERS)) {
    const text = query.get(name);
    if (text === null || text === '') continue;
    if (!/^-?\d+$/.test(text))
      throw statusError(
        'BadRequest',
        `unable to parse query parameter ${name}: strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`,
      );
    if (Number(text) < least) errors.push(tooSmall(name, text, least));
    parameters.set(name, text);
  }
  const sinceTime = query.get('sinceTime');
  if (sinceTime) {
    if (Number.isNaN(Date.parse(sinceTime)))
      throw statusError(
        'BadRequest',
        `parsing time ${JSON.stringify(sinceTime)} as "2006-01-02T15:04:05Z07:00": cannot parse ${JSON.stringify(sinceTime)}`,
      );
    if (parameters.has('sinceSeconds'))
      errors.push({
        field: '',
        type: 'FieldValueForbidden',
        message: 'Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified',
      });
    parameters.set('sinceTime', sinceTime);
  }
  const stream = query.get('stream');
  if (stream && stream !== 'All') {
    if (stream !== 'Stdout' && stream !== 'Stderr') {
      errors.push({
        field: 'stream',
        type: 'FieldValueNotSupported',
        message: `Unsupported value: ${JSON.stringify(stream)}: supported values: "All", "Stderr", "Stdout"`,
      });
    }
    parameters.set('stream', stream);
  }
  if (errors.length > 0) throw invalid('PodLogOptions', '', info.name, errors);
  return parameters;
}

function tooSmall(field: string, value: string, least: number): FieldError {
  const bound = least === 0 ? 'must be greater than or equal to 0' : 'must be greater than 0';
  return { field, type: 'FieldValueInvalid', message: `Invalid value: ${value}: ${bound}` };
}

async function get(target: Target, path: string, signal: AbortSignal): Promise<IncomingMessage> {
  try {
    const socket = await target.connect(signal);
    const { request } = await import('node:http');
    return await new Promise<IncomingMessage>((resolve, reject) => {
      const outgoing = request({
        createConnection: () => socket,
        path,
        headers: { host: target.authority, connection: 'close' },
        setHost: false,
        signal,
      });
      outgoing.once('error', reject).once('response', resolve).end();
    });
  } catch (error) {
    signal.throwIfAborted();
    throw statusError(
      'InternalError',
      `Internal error occurred: Get "${target.scheme}://${target.authority}${path}": ${errorMessage(error)}`,
      undefined,
      error,
    );
  }
}

/** The kubelet's own words with the kubelet's own code; it answers in plain text. */
async function failure(answer: IncomingMessage): Promise<StatusError> {
  const parts: Buffer[] = [];
  for await (const chunk of answer) parts.push(chunk as Buffer);
  const text = Buffer.concat(parts).toString().trimEnd();
  const code = answer.statusCode ?? 500;
  if (code === 400) return statusError('BadRequest', text);
  if (code === 404) return statusError('NotFound', `the server could not find the requested resource (${text})`);
  return statusError('InternalError', `Internal error occurred: ${text}`);
}

async function* chunks(answer: IncomingMessage, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of answer) yield chunk as Buffer;
  } catch (error) {
    // The client left: that is how a followed log ends.
    if (!signal.aborted) throw error;
  } finally {
    answer.destroy();
  }
}

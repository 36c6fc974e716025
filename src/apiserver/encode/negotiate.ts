import type { IncomingHttpHeaders } from 'node:http';
import { statusError } from '../../api/status.ts';

export type MediaFormat = 'json' | 'yaml' | 'protobuf';

/** How an answer is to be written. */
export interface OutputFormat {
  format: MediaFormat;
  /** Another kind in place of the object: a Table of rows, or its metadata alone. */
  as: '' | 'Table' | 'PartialObjectMetadata' | 'PartialObjectMetadataList';
  /** The version of meta.k8s.io that `as` is in. */
  asVersion: string;
  pretty: boolean;
}

const JSON_TYPE = 'application/json';
const TYPES: Readonly<Record<string, MediaFormat>> = {
  '*/*': 'json',
  'application/*': 'json',
  [JSON_TYPE]: 'json',
  'application/yaml': 'yaml',
  'application/vnd.kubernetes.protobuf': 'protobuf',
};

export const CONTENT_TYPES: Readonly<Record<MediaFormat, string>> = {
  json: JSON_TYPE,
  yaml: 'application/yaml',
  protobuf: 'application/vnd.kubernetes.protobuf',
};

const PLAIN: OutputFormat = { format: 'json', as: '', asVersion: '', pretty: false };
const known = new Map<string, OutputFormat>([
  ['', PLAIN],
  [JSON_TYPE, PLAIN],
  ['*/*', PLAIN],
]);
const KNOWN_LIMIT = 200;

/** The first media type of an Accept header that we can write. Throws StatusError 406. Answers are remembered: clients repeat themselves. */
export function negotiate(headers: Readonly<IncomingHttpHeaders>, query: URLSearchParams): OutputFormat {
  const text = headers.accept ?? '';
  let found = known.get(text);
  if (!found) {
    found = choose(text, isKnownForm);
    if (known.size < KNOWN_LIMIT) known.set(text, found);
  }
  return withPretty(found, headers, query);
}

/** As `negotiate`, for a watch: YAML cannot be told apart event by event. */
export function negotiateStream(headers: Readonly<IncomingHttpHeaders>, query: URLSearchParams): OutputFormat {
  const found = negotiate(headers, query);
  if (found.format !== 'yaml') return found;
  throw notAcceptable([CONTENT_TYPES.json, CONTENT_TYPES.protobuf].map((type) => `${type};stream=watch`));
}

/** As `negotiate`, for what has no other form than its own: answers to reviews have neither rows nor metadata. */
export function negotiatePlain(headers: Readonly<IncomingHttpHeaders>, query: URLSearchParams): OutputFormat {
  const text = headers.accept ?? '';
  const found = known.get(text);
  return withPretty(found?.as === '' ? found : choose(text, neverForm), headers, query);
}

function withPretty(found: OutputFormat, headers: Readonly<IncomingHttpHeaders>, query: URLSearchParams): OutputFormat {
  return wantsPretty(headers, query) && found.format === 'json' ? { ...found, pretty: true } : found;
}

/** People read what these show, so they get line breaks without asking, as upstream gives them. */
const READ_BY_PEOPLE = /^(?:curl|Wget|Mozilla\/5\.0)/;

function wantsPretty(headers: Readonly<IncomingHttpHeaders>, query: URLSearchParams): boolean {
  const asked = query.size === 0 ? null : query.get('pretty');
  if (asked !== null) return asked !== 'false' && asked !== '0';
  return READ_BY_PEOPLE.test(headers['user-agent'] ?? '');
}

type Form = Exclude<OutputFormat['as'], ''>;

function choose(accept: string, isAllowed: (as: string) => as is Form): OutputFormat {
  for (const { type, given } of byPreference(accept)) {
    const format = TYPES[type];
    if (!format) continue;
    const as = given.get('as') ?? '';
    if (as === '') return { format, as: '', asVersion: '', pretty: given.get('pretty') === '1' };
    const version = given.get('v') ?? '';
    if (given.get('g') === 'meta.k8s.io' && isAllowed(as) && (version === 'v1' || version === 'v1beta1'))
      return { format, as, asVersion: version, pretty: false };
  }
  throw notAcceptable();
}

interface Clause {
  type: string;
  given: ReadonlyMap<string, string>;
}

/** What the client likes best comes first (q, RFC 9110 12.4.2); equals stay in their order, what it refuses is left out. */
function byPreference(accept: string): Clause[] {
  const clauses = accept.split(',').map((clause) => {
    const [type = '', ...parameters] = clause.split(';').map((part) => part.trim());
    const given = new Map(parameters.map((parameter) => pair(parameter)));
    const q = Number(given.get('q') ?? 1);
    return { type: type.toLowerCase(), given, weight: Number.isNaN(q) ? 1 : q };
  });
  return clauses.filter(({ weight }) => weight > 0).toSorted((a, b) => b.weight - a.weight);
}

function pair(parameter: string): [string, string] {
  const at = parameter.indexOf('=');
  return at < 0 ? [parameter, ''] : [parameter.slice(0, at).toLowerCase(), parameter.slice(at + 1)];
}

function neverForm(_as: string): _as is Form {
  return false;
}

function isKnownForm(as: string): as is Form {
  return as === 'Table' || as === 'PartialObjectMetadata' || as === 'PartialObjectMetadataList';
}

function notAcceptable(types: readonly string[] = Object.values(CONTENT_TYPES)): Error {
  return statusError('NotAcceptable', `only the following media types are accepted: ${types.join(', ')}`, {});
}

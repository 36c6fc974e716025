/** The operations of a resource: what clients look up in the documents (kubectl: which parameters a patch takes, which type a path has). */
import { groupVersion } from '../meta.ts';
import type { ResourceInfo, Schema, SubresourceInfo } from '../schema/schema.ts';
import type { Definitions, Node } from './nodes.ts';

interface Parameter {
  name: string;
  in: 'query' | 'path';
  type: 'string' | 'integer' | 'boolean';
  description: string;
}

/** What differs between the two dialects. */
export interface Dialect {
  parameter(parameter: Parameter): Node;
  /** `required` is false for DeleteOptions. */
  operation(
    parameters: readonly Node[],
    body: { schema: Node; types: readonly string[]; required: boolean } | undefined,
    answer: Node,
    codes: readonly number[],
  ): Node;
}

export interface PathContext {
  dialect: Dialect;
  definitions: Definitions;
  /** The schema and definition name of a kind, subresource kinds included. */
  kind(group: string, version: string, kind: string): { schema: Schema; name: string } | undefined;
}

const query = (name: string, type: Parameter['type'], description: string): Parameter => ({ name, in: 'query', type, description });

const PRETTY = query('pretty', 'string', "If 'true', then the output is pretty printed.");
const DRY_RUN = query('dryRun', 'string', 'All: process every stage of the request, but store nothing.');
const FIELD_MANAGER = query('fieldManager', 'string', 'The name of the actor that makes the changes.');
const FIELD_VALIDATION = query('fieldValidation', 'string', 'What happens to unknown and duplicate fields: Ignore, Warn or Strict.');
const FORCE = query('force', 'boolean', 'Take conflicting fields over from other managers. Apply patches only.');
const WRITE = [DRY_RUN, FIELD_MANAGER, FIELD_VALIDATION];
const DELETE = [
  DRY_RUN,
  query('gracePeriodSeconds', 'integer', 'Seconds until the object is deleted; 0 deletes at once.'),
  query('ignoreStoreReadErrorWithClusterBreakingPotential', 'boolean', 'Delete an object that can no longer be read from the store.'),
  query('orphanDependents', 'boolean', 'Deprecated: use propagationPolicy.'),
  query('propagationPolicy', 'string', 'Orphan, Background or Foreground.'),
];
const LIST = [
  query('allowWatchBookmarks', 'boolean', 'Send events of type BOOKMARK.'),
  query('continue', 'string', 'Where the previous part of the list ended.'),
  query('fieldSelector', 'string', 'Selects objects by their fields.'),
  query('labelSelector', 'string', 'Selects objects by their labels.'),
  query('limit', 'integer', 'The most items in one answer.'),
  query('resourceVersion', 'string', 'How fresh the answer must be.'),
  query('resourceVersionMatch', 'string', 'How resourceVersion is applied to a list: Exact or NotOlderThan.'),
  query('sendInitialEvents', 'boolean', 'Begin a watch with what exists.'),
  query('timeoutSeconds', 'integer', 'How long a list or watch may take.'),
  query('watch', 'boolean', 'Answer with a stream of changes.'),
];
const PATCH_TYPES = [
  'application/apply-patch+yaml',
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
];
/** kubectl reads here that custom resources take no strategic merge patch. */
const CUSTOM_PATCH_TYPES = PATCH_TYPES.filter((type) => !type.includes('strategic'));
const ANY_TYPE = ['*/*'];

/** The paths of one resource and its subresources. */
export function resourcePaths(info: ResourceInfo, context: PathContext): Record<string, Node> {
  const root = info.group ? `/apis/${info.group}/${info.version}` : `/api/${info.version}`;
  const collection = `${root}${info.namespaced ? '/namespaces/{namespace}' : ''}/${info.resource}`;
  const own = context.kind(info.group, info.version, info.kind);
  if (!own) return {};
  const paths: Record<string, Node> = {};
  const maker = new Operations(info, context);
  paths[collection] = maker.collection(own);
  if (info.verbs.includes('get')) paths[`${collection}/{name}`] = maker.item(own);
  if (info.namespaced && info.verbs.includes('list')) paths[`${root}/${info.resource}`] = maker.everywhere();
  for (const subresource of info.subresources) paths[`${collection}/{name}/${subresource.name}`] = maker.subresource(subresource);
  return paths;
}

type Kind = { schema: Schema; name: string };

class Operations {
  readonly #info: ResourceInfo;
  readonly #context: PathContext;

  constructor(info: ResourceInfo, context: PathContext) {
    this.#info = info;
    this.#context = context;
  }

  collection(own: Kind): Node {
    const path: Node = { parameters: this.#pathParameters(false) };
    const list = this.#list();
    if (list && this.#info.verbs.includes('list')) path['get'] = this.#operation('list', LIST, undefined, list);
    if (this.#info.verbs.includes('create')) path['post'] = this.#operation('post', WRITE, own, own);
    if (this.#info.verbs.includes('deletecollection'))
      path['delete'] = this.#operation('deletecollection', [...LIST, ...DELETE], this.#options(), this.#status());
    return path;
  }

  item(own: Kind): Node {
    const path: Node = { parameters: this.#pathParameters(true), get: this.#operation('get', [], undefined, own) };
    if (this.#info.verbs.includes('update')) path['put'] = this.#operation('put', WRITE, own, own);
    if (this.#info.verbs.includes('patch')) path['patch'] = this.#operation('patch', [...WRITE, FORCE], this.#patch(), own);
    if (this.#info.verbs.includes('delete')) path['delete'] = this.#operation('delete', DELETE, this.#options(), this.#status());
    return path;
  }

  everywhere(): Node {
    const list = this.#list();
    return list ? { parameters: [this.#parameter(PRETTY)], get: this.#operation('list', LIST, undefined, list, 'ForAllNamespaces') } : {};
  }

  subresource({ name, group, version, kind, verbs }: SubresourceInfo): Node {
    const path: Node = { parameters: this.#pathParameters(true) };
    const own = this.#context.kind(group, version, kind);
    if (!own) return path;
    const gvk = { group, version, kind };
    const suffix = name.charAt(0).toUpperCase() + name.slice(1);
    if (kind.endsWith('Options')) {
      const methods = verbs.map((verb) => METHODS[verb]!).filter(Boolean);
      for (const method of methods) path[method] = this.#operation('connect', [], undefined, undefined, `${method}${suffix}`, gvk);
      return path;
    }
    if (verbs.includes('get')) path['get'] = this.#operation('get', [], undefined, name === 'log' ? undefined : own, suffix, gvk);
    if (verbs.includes('create')) path['post'] = this.#operation('post', WRITE, own, own, suffix, gvk);
    if (verbs.includes('update')) path['put'] = this.#operation('put', WRITE, own, own, suffix, gvk);
    if (verbs.includes('patch')) path['patch'] = this.#operation('patch', [...WRITE, FORCE], this.#patch(), own, suffix, gvk);
    return path;
  }

  #operation(
    action: string,
    parameters: readonly Parameter[],
    body: Kind | undefined,
    answer: Kind | undefined,
    suffix = '',
    gvk: Node = this.#gvk(),
  ): Node {
    const { dialect, definitions } = this.#context;
    const { group, version, kind, namespaced } = this.#info;
    const names = [...(group || 'core').replace('.k8s.io', '').split('.'), version]
      .map((part) => part.charAt(0).toUpperCase() + part.slice(1))
      .join('');
    const types = action !== 'patch' ? ANY_TYPE : this.#info.custom ? CUSTOM_PATCH_TYPES : PATCH_TYPES;
    const node = dialect.operation(
      parameters.map((parameter) => dialect.parameter(parameter)),
      body && {
        schema: definitions.reference(body.schema, body.name),
        types,
        required: action !== 'delete' && action !== 'deletecollection',
      },
      answer ? definitions.reference(answer.schema, answer.name) : { type: 'string' },
      action === 'post' ? [200, 201, 202] : action === 'put' || action === 'patch' ? [200, 201] : [200],
    );
    const scope = suffix === 'ForAllNamespaces' || !namespaced ? '' : 'Namespaced';
    const id = `${VERB_NAMES[action] ?? action}${names}${scope}${kind}${suffix}`;
    return {
      ...node,
      operationId: id,
      tags: [groupVersion({ group: (group || 'core').replace('.k8s.io', ''), version }).replace('/', '_')],
      'x-kubernetes-action': action,
      'x-kubernetes-group-version-kind': gvk,
    };
  }

  #gvk(): Node {
    return { group: this.#info.group, version: this.#info.version, kind: this.#info.kind };
  }

  #list(): Kind | undefined {
    return this.#context.kind(this.#info.group, this.#info.version, `${this.#info.kind}List`);
  }

  #status = (): Kind => this.#context.kind('', 'v1', 'Status')!;
  #options = (): Kind => this.#context.kind('', 'v1', 'DeleteOptions')!;
  #patch = (): Kind => this.#context.kind('', 'v1', 'Patch')!;

  #pathParameters(named: boolean): Node[] {
    const parameters = [PRETTY];
    if (this.#info.namespaced)
      parameters.unshift({ name: 'namespace', in: 'path', type: 'string', description: 'The namespace of the objects.' });
    if (named) parameters.unshift({ name: 'name', in: 'path', type: 'string', description: `The name of the ${this.#info.kind}.` });
    return parameters.map((parameter) => this.#parameter(parameter));
  }

  #parameter(parameter: Parameter): Node {
    return this.#context.dialect.parameter(parameter);
  }
}

const METHODS: Readonly<Record<string, string>> = { get: 'get', create: 'post', update: 'put', patch: 'patch', delete: 'delete' };
const VERB_NAMES: Readonly<Record<string, string>> = { get: 'read', post: 'create', put: 'replace', deletecollection: 'deleteCollection' };

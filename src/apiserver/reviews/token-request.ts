/** `POST …/serviceaccounts/NAME/token`: issues a token that lives and dies with what it is bound to (KEP-1205). */
import { conflict, invalid, notFound, statusError } from '../../api/status.ts';
import type { FieldError } from '../../api/status.ts';
import { timestamp } from '../../api/time.ts';
import type { ObjectWithMeta } from '../../api/meta.ts';
import type { BoundObjectReference, Node, Pod, Secret, ServiceAccount, TokenRequestSpec } from '../../api/types.gen.ts';
import type { Clock } from '../../lib/clock.ts';
import type { BoundObject, IssueRequest, ServiceAccountTokens } from '../authn/service-account-tokens.ts';
import { forbidden } from '../authz/forbidden.ts';
import { nodeIdentity } from '../authz/node.ts';
import type { Handler, RequestContext } from '../contract.ts';
import type { Stored, StoredObjects } from '../stored.ts';
import { stored } from '../stored.ts';
import { created, readReview } from './review.ts';

const GROUP = 'authentication.k8s.io';
const DEFAULT_SECONDS = 3600;
const LEAST_SECONDS = 600;
const MOST_SECONDS = 2 ** 32;
/** What the automatic volume of pods asks for. Clients that never read the file again would lose access after an hour: such a token lives a year and warns. */
const AUTOMATIC_SECONDS = 3607;
const EXTENDED_SECONDS = 365 * 24 * 3600;

export interface TokenRequestOptions extends StoredObjects {
  tokens: ServiceAccountTokens;
  clock: Clock;
}

export function tokenRequestHandler(options: TokenRequestOptions): Handler {
  const accounts = stored<ServiceAccount>(options, '', 'v1', 'serviceaccounts');
  const pods = stored<Pod>(options, '', 'v1', 'pods');
  const bound = boundObjects(options);
  return {
    name: 'serviceaccounts/token',
    match: ({ info }) => info.resource === 'serviceaccounts' && info.subresource === 'token' && info.group === '' && info.verb === 'create',
    handle: async (context, body) => {
      const { namespace, name } = context.info;
      const review = await readReview<TokenRequestSpec>(body, 'TokenRequest');
      const spec = review.spec ?? {};
      const account = await accounts.find(namespace, name);
      if (!account) throw notFound('serviceaccounts', '', name);
      checkNames(review.metadata, context);
      checkSpec(spec);
      const { expirationSeconds = DEFAULT_SECONDS } = spec;
      const audiences = spec.audiences?.length ? spec.audiences : [...options.tokens.apiAudiences];
      const nodeName = nodeIdentity(context.user);
      if (nodeName !== undefined) checkNode(nodeName, spec, namespace, name, pods);
      const objects = spec.boundObjectRef ? bound(spec.boundObjectRef, account) : {};
      const token = options.tokens.issue({
        namespace,
        serviceAccount: { name, uid: account.metadata.uid! },
        audiences,
        ...lifetime(options.tokens, audiences, expirationSeconds, objects),
        ...objects,
      });
      const now = options.clock.now();
      const status = { token, expirationTimestamp: timestamp(now + expirationSeconds * 1000) };
      const metadata = { name, namespace, creationTimestamp: timestamp(now) };
      return created(context, 'TokenRequest', { metadata, spec: { ...spec, audiences, expirationSeconds }, status }, GROUP, 'v1');
    },
  };
}

function lifetime(
  tokens: ServiceAccountTokens,
  audiences: readonly string[],
  seconds: number,
  { pod }: Pick<IssueRequest, 'pod'>,
): Pick<IssueRequest, 'expirationSeconds' | 'warnAfterSeconds'> {
  const forTheApi = audiences.every((audience) => tokens.apiAudiences.includes(audience));
  if (!pod || seconds !== AUTOMATIC_SECONDS || !forTheApi) return { expirationSeconds: seconds };
  return { expirationSeconds: EXTENDED_SECONDS, warnAfterSeconds: seconds };
}

function checkNames(metadata: Record<string, unknown> | undefined, { info }: RequestContext): void {
  const { name, namespace } = metadata ?? {};
  if (name && name !== info.name)
    throw statusError('BadRequest', `name in URL does not match name in TokenRequest object: "${String(name)}" "${info.name}"`);
  if (namespace && namespace !== info.namespace) {
    throw statusError(
      'BadRequest',
      `namespace in URL does not match namespace in TokenRequest object: "${String(namespace)}" "${info.namespace}"`,
    );
  }
}

function checkSpec({ expirationSeconds }: TokenRequestSpec): void {
  if (expirationSeconds === undefined) return;
  const wrong =
    expirationSeconds < LEAST_SECONDS
      ? 'may not specify a duration less than 10 minutes'
      : expirationSeconds > MOST_SECONDS
        ? 'may not specify a duration larger than 2^32 seconds'
        : '';
  if (!wrong) return;
  const error: FieldError = {
    field: 'spec.expirationSeconds',
    type: 'FieldValueInvalid',
    message: `Invalid value: ${expirationSeconds}: ${wrong}`,
  };
  throw invalid('TokenRequest', GROUP, '', [error]);
}

/** A kubelet gets tokens for the pods that run on its node and for nothing else (upstream's NodeRestriction). */
function checkNode(
  nodeName: string,
  { boundObjectRef: ref }: TokenRequestSpec,
  namespace: string,
  account: string,
  pods: Stored<Pod>,
): void {
  const refuse = (why: string): Error => forbidden('serviceaccounts', '', account, why);
  if (ref?.kind !== 'Pod' || !ref.name) throw refuse('node requested token not bound to a pod');
  if (!ref.uid) throw refuse('node requested token with a pod binding without a uid');
  const pod = pods.get(namespace, ref.name);
  if (!pod) throw notFound('pods', '', ref.name);
  if (pod.spec?.nodeName !== nodeName) throw refuse('node requested token bound to a pod scheduled on a different node');
}

type Bound = Pick<IssueRequest, 'pod' | 'secret' | 'node'>;

function boundObjects(objects: StoredObjects): (ref: BoundObjectReference, account: ServiceAccount) => Bound {
  const pods = stored<Pod>(objects, '', 'v1', 'pods');
  const secrets = stored<Secret>(objects, '', 'v1', 'secrets');
  const nodes = stored<Node>(objects, '', 'v1', 'nodes');

  const nodeOf = (pod: Pod): Pick<Bound, 'node'> => {
    const name = pod.spec?.nodeName;
    const uid = name && nodes.get('', name)?.metadata.uid;
    return name ? { node: { name, uid: uid ?? '' } } : {};
  };

  return (ref, account) => {
    const namespace = account.metadata.namespace!;
    switch (`${ref.apiVersion ?? 'v1'} ${ref.kind}`) {
      case 'v1 Pod': {
        const pod = pods.get(namespace, ref.name ?? '');
        if (pod && pod.spec?.serviceAccountName !== account.metadata.name) {
          throw statusError(
            'BadRequest',
            `cannot bind token for serviceaccount "${account.metadata.name}" to pod running with different serviceaccount name.`,
          );
        }
        return { pod: sameObject('pods', ref, pod), ...nodeOf(pod!) };
      }
      case 'v1 Secret':
        return { secret: sameObject('secrets', ref, secrets.get(namespace, ref.name ?? '')) };
      case 'v1 Node':
        return { node: sameObject('nodes', ref, nodes.get('', ref.name ?? '')) };
      default:
        throw statusError('BadRequest', `cannot bind token to object of type ${ref.apiVersion ?? 'v1'}, Kind=${ref.kind}`);
    }
  };
}

function sameObject(resource: string, { name = '', uid }: BoundObjectReference, found: ObjectWithMeta | undefined): BoundObject {
  if (!found) throw notFound(resource, '', name);
  if (uid && uid !== found.metadata.uid) {
    throw conflict(
      resource,
      '',
      name,
      `the UID in the bound object reference (${uid}) does not match the UID in record. The object might have been deleted and then recreated`,
    );
  }
  return { name, uid: found.metadata.uid! };
}

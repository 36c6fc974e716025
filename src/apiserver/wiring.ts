import { admissionChain } from './admission/chain.ts';
import { createAuthenticator } from './authn/authenticate.ts';
import { createBootstrapTokens } from './authn/bootstrap-token.ts';
import { impersonate } from './authn/impersonation.ts';
import { signingKey, verificationKey } from './authn/jwt.ts';
import { createServiceAccountTokens } from './authn/service-account-tokens.ts';
import { fillTokenSecrets } from './authn/token-secrets.ts';
import { createAuthorizer } from './authz/authorizer.ts';
import { forbiddenRequest } from './authz/forbidden.ts';
import { createBootstrap, type Bootstrap } from './bootstrap/bootstrap.ts';
import { createDefinitions } from './crds/definitions.ts';
import type { AdmissionPlugin, Authorizer, Handler, ObjectSource, RequestContext, StreamingHandler } from './contract.ts';
import { ApiMetrics } from './health/metrics.ts';
import { ownHandlers } from './handlers.ts';
import type { Pipeline } from './pipeline.ts';
import { objectSource } from './registry/object-source.ts';
import type { Registry } from './registry/registry.ts';
import type { ApiServerOptions, WiringState } from './options.ts';
import { createStreaming } from './streaming/streaming.ts';
import type { StoredObjects } from './stored.ts';

/** The parts behind the pipeline, each made by the folder that owns it. */
export interface Wiring {
  source: ObjectSource;
  pipeline: Pipeline;
  bootstrap: Bootstrap;
  metrics: ApiMetrics;
  streaming: readonly StreamingHandler[];
  /** Serves the custom resources that are defined. Call it when the cache is loaded, before anything is answered. */
  load(): Promise<void>;
  /** Begins what goes on as long as the server: system objects are kept, token secrets filled. Call it once the default objects are there. */
  keep(): void;
  stop(): void;
}

/** `registry` comes without its admission plugins, which need what is made here. */
export function wire(options: ApiServerOptions, registry: Omit<Registry, 'admission' | 'requireCreate'>, state: WiringState): Wiring {
  const { clock, rng, log } = state;
  const admission: AdmissionPlugin[] = [];
  const complete: Registry = { ...registry, admission, requireCreate: (context) => requireCreate(authorizer, context) };
  const objects: StoredObjects = { source: objectSource(complete), resources: registry.resources.lookup };
  const tokens = createServiceAccountTokens({
    ...objects,
    signingKey: signingKey(options.serviceAccountKey),
    ...(options.serviceAccountPublicKeys ? { verificationKeys: options.serviceAccountPublicKeys.map(verificationKey) } : {}),
    issuers: [options.issuer ?? DEFAULT_ISSUER],
    clock,
    rng,
  });
  const bootstrapTokens = createBootstrapTokens({ ...objects, clock });
  const authorizer = createAuthorizer(objects);
  admission.push(...admissionChain({ ...objects, authorizer, clock, rng }));
  const metrics = new ApiMetrics();
  const { kubelet } = options;
  const streaming =
    kubelet &&
    createStreaming({
      ...objects,
      authorizer,
      kubeletTls: kubelet.tls,
      ...(kubelet.dial ? { dial: kubelet.dial } : {}),
      ...(kubelet.allowLoopback ? { allowLoopback: true } : {}),
      ...(kubelet.resolve ? { resolve: kubelet.resolve } : {}),
      rng,
    });
  const handlers: Handler[] = [
    ...(streaming?.handlers ?? []),
    ...ownHandlers({ options, objects, tokens, bootstrapTokens, authorizer, metrics, state }),
  ];
  const pipeline: Pipeline = {
    registry: complete,
    authenticate: createAuthenticator({ tokens, bootstrapTokens, log }),
    impersonate: ({ headers, user }) => impersonate(headers, user, authorizer),
    authorizer,
    forbid: forbiddenRequest,
    handlers,
  };
  const bootstrap = createBootstrap({
    ...objects,
    master: { serviceIp: state.kubernetesServiceIp, advertiseAddress: options.advertiseAddress, port: options.advertisePort },
    serviceCidrs: options.serviceCidr.split(','),
    clientCa: options.tls.clientCa,
    ...(options.tls.frontProxyCa ? { frontProxyCa: options.tls.frontProxyCa } : {}),
    log,
  });
  const stops: (() => void)[] = [() => authorizer.stop(), () => definitions.stop()];
  const definitions = createDefinitions({ registry: complete, source: objects.source });
  admission.push(definitions.admission);
  const lasting = {
    load: () => definitions.load(),
    keep: () => void stops.push(bootstrap.keep(), fillTokenSecrets({ ...objects, tokens, rootCa: options.tls.clientCa, log })),
    stop: () => stops.splice(0).forEach((stop) => stop()),
  };
  return { source: objects.source, pipeline, bootstrap, metrics, streaming: streaming?.takeovers ?? [], ...lasting };
}

function requireCreate(authorizer: Authorizer, { user, info }: RequestContext): void {
  const attributes = { user, info: { ...info, verb: 'create', name: '' } };
  const { allowed, reason } = authorizer.authorize(attributes);
  if (!allowed) throw forbiddenRequest(attributes, reason);
}

const DEFAULT_ISSUER = 'https://kubernetes.default.svc.cluster.local';

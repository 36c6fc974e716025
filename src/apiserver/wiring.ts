import { admissionChain } from './admission/chain.ts';
import { keepPolicyStatus } from './admission/policies/keep-status.ts';
import { followServiceCidrs, keepIpAddresses } from './allocators/address-objects.ts';
import type { AddressRanges } from './allocators/address-ranges.ts';
import { createAggregation } from './aggregation/aggregation.ts';
import type { LocalApis } from './aggregation/contract.ts';
import { Auditor } from './audit/audit.ts';
import { createAuthenticator } from './authn/authenticate.ts';
import { createBootstrapTokens } from './authn/bootstrap-token.ts';
import { impersonate } from './authn/impersonation.ts';
import { signingKey, verificationKey } from './authn/jwt.ts';
import { createServiceAccountTokens } from './authn/service-account-tokens.ts';
import { fillTokenSecrets } from './authn/token-secrets.ts';
import { createAuthorizer } from './authz/authorizer.ts';
import { forbiddenRequest } from './authz/forbidden.ts';
import { createBootstrap, type Bootstrap } from './bootstrap/bootstrap.ts';
import { keepFlowSchemaStatus } from './bootstrap/flow-schema-status.ts';
import { createDefinitions } from './crds/definitions.ts';
import type { AdmissionPlugin, Authorizer, Handler, ObjectSource, RequestContext, StreamingHandler } from './contract.ts';
import { ApiMetrics } from './health/metrics.ts';
import { ownHandlers } from './handlers.ts';
import type { Pipeline } from './pipeline.ts';
import { connectionAdmission } from './registry/connect.ts';
import { objectSource } from './registry/object-source.ts';
import type { Registry } from './registry/registry.ts';
import { reviewAdmission } from './registry/review.ts';
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
  localApis: LocalApis;
  /** Serves the custom resources that are defined. Call it when the cache is loaded, before anything is answered. */
  load(): Promise<void>;
  /** Shows the addresses of Services as objects, and takes over the ranges that objects add. Call it when the cache is loaded. */
  followAddresses(ranges: AddressRanges): void;
  /** Begins what goes on as long as the server: system objects are kept, token secrets filled. Call it once the default objects are there. */
  keep(): void;
  /** Resolves when every group version that is served has its APIService; these are kept from then on. Nobody needs to wait for it. */
  keepApiServices(): Promise<void>;
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
    log,
  });
  const bootstrapTokens = createBootstrapTokens({ ...objects, clock });
  const authorizer = createAuthorizer(objects);
  const metrics = new ApiMetrics(({ group, version, resource, subresource }) => {
    const info = objects.resources.find(group, version, resource);
    return info !== undefined && (subresource === '' || info.subresources.some(({ name }) => name === subresource));
  });
  admission.push(...admissionChain({ ...objects, authorizer, clock, rng, exposeMetrics: (lines) => metrics.expose(lines) }));
  const { kubelet, frontProxyClient } = options;
  const aggregation = createAggregation({
    registry: complete,
    objects,
    ...(frontProxyClient ? { frontProxy: frontProxyClient } : {}),
    ...(kubelet?.resolve ? { resolve: kubelet.resolve } : {}),
  });
  metrics.gauge(
    'aggregator_unavailable_apiservice',
    '[ALPHA] Gauge of APIServices which are marked as unavailable broken down by APIService name.',
    () => new Map(aggregation.served.backends().map(({ group, version, available }) => [`name="${version}.${group}"`, available ? 0 : 1])),
  );
  const streaming =
    kubelet &&
    createStreaming({
      ...objects,
      authorizer,
      admit: connectionAdmission(complete),
      kubeletTls: kubelet.tls,
      ...(kubelet.dial ? { dial: kubelet.dial } : {}),
      ...(kubelet.allowLoopback ? { allowLoopback: true } : {}),
      ...(kubelet.resolve ? { resolve: kubelet.resolve } : {}),
      rng,
    });
  const handlers: Handler[] = [
    ...(streaming?.handlers ?? []),
    ...ownHandlers({
      options,
      objects,
      aggregation,
      admitReview: reviewAdmission(complete),
      tokens,
      bootstrapTokens,
      authorizer,
      metrics,
      state,
    }),
  ];
  const pipeline: Pipeline = {
    registry: complete,
    authenticate: createAuthenticator({ tokens, bootstrapTokens, log }),
    impersonate: ({ headers, user }) => impersonate(headers, user, authorizer),
    authorizer,
    forbid: forbiddenRequest,
    ...(options.audit ? { audit: new Auditor({ ...options.audit, clock, log }) } : {}),
    handlers,
    answerLocally: (context) => aggregation.local.answer(context),
    remote: aggregation.remote,
  };
  const bootstrap = createBootstrap({
    ...objects,
    master: { serviceIp: state.kubernetesServiceIp, advertiseAddress: options.advertiseAddress, port: options.advertisePort },
    serviceCidrs: options.serviceCidr.split(','),
    clientCa: options.tls.clientCa,
    ...(options.tls.frontProxyCa ? { frontProxyCa: options.tls.frontProxyCa } : {}),
    clock,
    log,
  });
  const stops: (() => void)[] = [
    () => authorizer.stop(),
    () => definitions.stop(),
    () => aggregation.stop(),
    () => admission.forEach((plugin) => plugin.stop?.()),
  ];
  const definitions = createDefinitions({ registry: complete, source: objects.source });
  admission.push(definitions.admission);
  const lasting = {
    load: async () => {
      await definitions.load();
      aggregation.load();
    },
    followAddresses: (ranges: AddressRanges) => {
      const networking = objects.resources.find('networking.k8s.io', 'v1', 'ipaddresses');
      if (networking) stops.push(followServiceCidrs({ ...objects, ranges }), keepIpAddresses({ ...objects, ranges, log }));
    },
    keepApiServices: () => aggregation.keep(),
    keep: () =>
      void stops.push(
        bootstrap.keep(),
        fillTokenSecrets({ ...objects, tokens, rootCa: options.tls.clientCa, log }),
        keepFlowSchemaStatus({ ...objects, clock, log }),
        keepPolicyStatus({ ...objects, log }),
      ),
    stop: () => stops.splice(0).forEach((stop) => stop()),
  };
  return {
    source: objects.source,
    pipeline,
    bootstrap,
    metrics,
    streaming: [...(streaming?.takeovers ?? []), aggregation.takeover],
    localApis: aggregation.local,
    ...lasting,
  };
}

function requireCreate(authorizer: Authorizer, { user, info }: RequestContext): void {
  const attributes = { user, info: { ...info, verb: 'create', name: '' } };
  const { allowed, reason } = authorizer.authorize(attributes);
  if (!allowed) throw forbiddenRequest(attributes, reason);
}

const DEFAULT_ISSUER = 'https://kubernetes.default.svc.cluster.local';

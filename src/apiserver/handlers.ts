import type { UserInfo } from '../api/transport.ts';
import type { Aggregation } from './aggregation/aggregation.ts';
import type { ServiceAccountTokens } from './authn/service-account-tokens.ts';
import type { RbacAuthorizer } from './authz/rbac.ts';
import type { Handler } from './contract.ts';
import { discoveryHandler } from './discovery/handler.ts';
import { rootPathsHandler } from './discovery/root-paths.ts';
import { platformName, versionHandler } from './discovery/version.ts';
import { healthChecks } from './health/checks.ts';
import { healthHandler } from './health/health.ts';
import { metricsHandler } from './health/metrics-handler.ts';
import type { ApiMetrics } from './health/metrics.ts';
import { openApiHandler } from './openapi/handler.ts';
import type { AdmitReview } from './registry/review.ts';
import { accessReviewHandlers } from './reviews/access.ts';
import { admitted } from './reviews/admitted.ts';
import { identityReviewHandlers } from './reviews/identity.ts';
import { oidcHandler } from './reviews/oidc.ts';
import { tokenRequestHandler } from './reviews/token-request.ts';
import type { StoredObjects } from './stored.ts';
import type { ApiServerOptions, WiringState } from './options.ts';

/** The version of Kubernetes whose API this is. */
const KUBERNETES_VERSION = 'v1.36.0';
const OTHER_PATHS = [
  '/healthz',
  '/livez',
  '/readyz',
  '/metrics',
  '/openapi/v2',
  '/openapi/v3',
  '/version',
  '/.well-known/openid-configuration',
  '/openid/v1/jwks',
];

export interface HandlerParts {
  options: ApiServerOptions;
  objects: StoredObjects;
  aggregation: Aggregation;
  admitReview: AdmitReview;
  tokens: ServiceAccountTokens;
  bootstrapTokens: (token: string) => UserInfo | undefined;
  authorizer: RbacAuthorizer;
  metrics: ApiMetrics;
  state: WiringState;
}

/** What is served besides stored resources. The first that matches answers. */
export function ownHandlers({
  options,
  objects,
  aggregation,
  admitReview,
  tokens,
  bootstrapTokens,
  authorizer,
  metrics,
  state,
}: HandlerParts): Handler[] {
  const { storage, externalUrl } = options;
  const storageAnswers = async (): Promise<void> => void (await storage.currentRevision());
  return [
    // Asked for all the time, so looked at first.
    healthHandler(healthChecks({ storageAnswers, checkReady: () => state.checkReady() }), state.log),
    metricsHandler(metrics, state.clock),
    versionHandler({ gitVersion: KUBERNETES_VERSION, platform: platformName() }),
    discoveryHandler({ resources: aggregation.resources, served: aggregation.served, serverAddress: new URL(externalUrl).host }),
    openApiHandler({
      resources: aggregation.resources,
      backends: () => aggregation.served.backends(),
      version: KUBERNETES_VERSION,
      clock: state.clock,
    }),
    oidcHandler(tokens, externalUrl),
    ...admitted(
      [
        ...accessReviewHandlers(authorizer),
        ...identityReviewHandlers({ tokens, bootstrapTokens }),
        tokenRequestHandler({ ...objects, tokens, clock: state.clock }),
      ],
      admitReview,
    ),
    // The index of everything: last, it matches what nobody else knows.
    rootPathsHandler(aggregation.resources, OTHER_PATHS),
  ];
}

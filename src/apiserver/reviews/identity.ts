/** TokenReview (whose token is this?) and SelfSubjectReview (who am I?). */
import { statusError } from '../../api/status.ts';
import type { TokenReviewSpec } from '../../api/types.gen.ts';
import type { UserInfo } from '../../api/transport.ts';
import { errorMessage } from '../../lib/errors.ts';
import type { ServiceAccountTokens, VerifiedToken } from '../authn/service-account-tokens.ts';
import type { Handler } from '../contract.ts';
import { reviewHandler } from './review.ts';

const GROUP = 'authentication.k8s.io';

export interface IdentityOptions {
  tokens: ServiceAccountTokens;
  bootstrapTokens: (token: string) => UserInfo | undefined;
}

export function identityReviewHandlers(options: IdentityOptions): Handler[] {
  return [
    reviewHandler<TokenReviewSpec>(GROUP, 'tokenreviews', 'TokenReview', (spec) => {
      if (!spec.token) throw statusError('BadRequest', 'token is required for TokenReview in authentication');
      return tokenStatus(options, spec);
    }),
    reviewHandler<object>(GROUP, 'selfsubjectreviews', 'SelfSubjectReview', (_spec, { user }) => ({ userInfo: userFields(user) })),
  ];
}

function tokenStatus(options: IdentityOptions, { token, audiences }: TokenReviewSpec): object {
  try {
    const found = verify(options, token, audiences?.length ? audiences : undefined);
    if (!found) return { authenticated: false, user: {}, error: 'the token is not one of this cluster' };
    const groups = [...found.user.groups, 'system:authenticated'];
    return { authenticated: true, user: userFields({ ...found.user, groups }), audiences: found.audiences };
  } catch (error) {
    // A token that is not good is an answer here, not a failure.
    return { authenticated: false, user: {}, error: errorMessage(error) };
  }
}

function verify(
  { tokens, bootstrapTokens }: IdentityOptions,
  token: string,
  audiences: readonly string[] | undefined,
): VerifiedToken | undefined {
  const account = tokens.verify(token, audiences);
  if (account) return account;
  const user = bootstrapTokens(token);
  if (!user) return undefined;
  // Bootstrap tokens know no audiences: they are good for the API server and nothing else.
  const common = audiences ? tokens.apiAudiences.filter((audience) => audiences.includes(audience)) : [...tokens.apiAudiences];
  return common.length > 0 ? { user, audiences: common } : undefined;
}

function userFields({ name, uid, groups, extra }: UserInfo): object {
  return { username: name, ...(uid ? { uid } : {}), ...(groups.length > 0 ? { groups } : {}), ...(extra ? { extra } : {}) };
}

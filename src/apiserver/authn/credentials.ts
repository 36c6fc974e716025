import type { UserInfo } from '../../api/transport.ts';
import type { RequestContext } from '../contract.ts';

export type Credentials = Pick<RequestContext, 'headers' | 'peer'>;

/** An Authenticator that answers from memory, so that a request costs no turn of the event loop. */
export type MemoryAuthenticator = (request: Credentials) => UserInfo | undefined;

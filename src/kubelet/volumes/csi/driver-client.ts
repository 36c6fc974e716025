/** The calls to one CSI driver of this node, with its errors in the words that Kubernetes shows. */
import { status } from '@grpc/grpc-js';
import { connectUnix, type Method } from '../../runtime/cri/connection.ts';
import { RuntimeError } from '../../runtime/runtime.ts';
import type { Decoded, Encodable, Message, MessageFields } from '../../runtime/cri/wire.ts';
import { VolumeError } from '../payload.ts';
import { NODE_GET_CAPABILITIES, NODE_GET_INFO } from './messages.ts';

/** How long a driver may take (upstream's csiTimeout). */
const DEADLINE_MS = 120_000;

export interface DriverClient {
  /** Throws VolumeError: `rpc error: code = Internal desc = …`. */
  call<Q extends MessageFields, S extends MessageFields>(
    method: Method<Q, S>,
    request: Encodable<Message<Q>>,
  ): Promise<Decoded<Message<S>>>;
  /** The numbers of NODE_CAPABILITY. */
  readonly capabilities: ReadonlySet<number>;
  readonly info: Decoded<(typeof NODE_GET_INFO)['response']>;
  close(): void;
}

/** Connects and learns what the driver can and who it takes this node for. */
export async function connectDriver(endpoint: string): Promise<DriverClient> {
  const connection = connectUnix(endpoint);
  const call: DriverClient['call'] = async (method, request) => {
    try {
      return await connection.call(method, request, { deadlineMs: DEADLINE_MS });
    } catch (error) {
      // its text is all that the cause has to say
      throw new VolumeError(rpcErrorText(error));
    }
  };
  try {
    const [info, { capabilities }] = await Promise.all([call(NODE_GET_INFO, {}), call(NODE_GET_CAPABILITIES, {})]);
    return {
      call,
      info,
      capabilities: new Set(capabilities.flatMap(({ rpc }) => rpc?.type ?? [])),
      close: () => connection.close(),
    };
  } catch (error) {
    connection.close();
    throw error;
  }
}

/** As grpc-go prints an error. */
function rpcErrorText(error: unknown): string {
  if (!(error instanceof RuntimeError)) return String(error);
  const code = (error.cause as { code?: number } | undefined)?.code ?? status.UNKNOWN;
  const words = (status[code] ?? 'UNKNOWN').toLowerCase().split('_');
  const name = words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
  return `rpc error: code = ${name === 'Cancelled' ? 'Canceled' : name} desc = ${error.message}`;
}

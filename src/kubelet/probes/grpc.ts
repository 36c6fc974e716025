/** The gRPC health check (grpc.health.v1.Health/Check). Loaded only when a pod has such a probe. */
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { deadlineIn } from '../runtime/cri/connection.ts';
import { decode, encode, int, message, string } from '../runtime/cri/wire.ts';
import type { ProbeResult } from './prober.ts';

const Request = message({ service: string(1) });
const Response = message({ status: int(1) });
const STATUS = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];
const SERVING = 1;

/** Never rejects: a connection that fails is a probe that failed, in upstream's words. */
export function grpcProbe(address: string, service: string, timeoutMs: number): Promise<ProbeResult> {
  const client = new Client(address, credentials.createInsecure(), {
    'grpc.enable_http_proxy': 0,
    'grpc.primary_user_agent': 'kube-probe/1.36',
  });
  const deadline = deadlineIn(timeoutMs);
  return new Promise((resolve) => {
    client.makeUnaryRequest(
      '/grpc.health.v1.Health/Check',
      (request: { service: string }) => encode(Request, request),
      (answer) => decode(Response, answer),
      { service },
      new Metadata(),
      { deadline },
      (error, answer) => {
        client.close();
        if (error) resolve({ success: false, output: `error: health rpc probe failed: ${error.details}` });
        else if (answer?.status === SERVING) resolve({ success: true, output: 'service healthy' });
        else resolve({ success: false, output: `service unhealthy (responded with "${STATUS[answer?.status ?? 0] ?? 'UNKNOWN'}")` });
      },
    );
  });
}

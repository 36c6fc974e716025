import type { CertificateSigningRequest, CertificateSigningRequestCondition } from '../../api/types.gen.ts';

/** The condition of this type, if it is true. */
export function trueCondition({ status }: CertificateSigningRequest, type: string): CertificateSigningRequestCondition | undefined {
  return status?.conditions?.find((condition) => condition.type === type && condition.status === 'True');
}

/** The request with one more condition. The server fills in the times. */
export function withCondition(
  request: CertificateSigningRequest,
  condition: { type: string; reason: string; message: string },
): CertificateSigningRequest {
  const conditions = [...(request.status?.conditions ?? []), { ...condition, status: 'True' }];
  return { ...request, status: { ...request.status, conditions } };
}

/** The messages of the kubelet's DRA plugin API (k8s.io/kubelet pkg/apis/dra/v1 and v1beta1, which differ in the service's name only). */
import { list, message, string, sub } from '../runtime/cri/wire.ts';

const Claim = message({ namespace: string(1), uid: string(2), name: string(3) });
const Device = message({ requestNames: list(string(1)), poolName: string(2), deviceName: string(3), cdiDeviceIds: list(string(4)) });

const PrepareRequest = message({ claims: list(sub(1, Claim)) });
const PrepareResponse = message({
  claims: list(sub(1, message({ key: string(1), value: sub(2, message({ devices: list(sub(1, Device)), error: string(2) })) }))),
});
const UnprepareRequest = message({ claims: list(sub(1, Claim)) });
const UnprepareResponse = message({ claims: list(sub(1, message({ key: string(1), value: sub(2, message({ error: string(1) })) }))) });

/** Versions of the service, the one to prefer first, as plugins name them at their registration. */
export const VERSIONS = ['v1', 'v1beta1'] as const;
export type DraVersion = (typeof VERSIONS)[number];

const service = (version: DraVersion): string => `/k8s.io.kubelet.pkg.apis.dra.${version}.DRAPlugin`;

export const nodePrepareResources = (version: DraVersion) => ({
  path: `${service(version)}/NodePrepareResources`,
  request: PrepareRequest,
  response: PrepareResponse,
});

export const nodeUnprepareResources = (version: DraVersion) => ({
  path: `${service(version)}/NodeUnprepareResources`,
  request: UnprepareRequest,
  response: UnprepareResponse,
});

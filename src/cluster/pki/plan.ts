/** Who gets a certificate in a cluster, as kubeadm names the files; the one list that creation and renewal go by. */
import { firstAddress } from '../ip-range.ts';
import type { CertificateRequest } from './certificate.ts';

/** What the names in certificates depend on. */
export interface PkiSubjects {
  nodeName: string;
  /** Addresses by which the laptop and other machines reach the node, besides the loopback ones. */
  nodeAddresses: readonly string[];
  /** More DNS names for the API server. */
  extraNames: readonly string[];
  serviceCidr: string;
  clusterDomain: string;
}

export type AuthorityName = 'ca' | 'front-proxy-ca';

export interface PlannedLeaf extends Pick<CertificateRequest, 'commonName' | 'organizations' | 'dnsNames' | 'ipAddresses' | 'usage'> {
  /** Without .crt and .key, relative to the pki folder. */
  file: string;
  authority: AuthorityName;
}

export const AUTHORITIES: readonly { file: AuthorityName; commonName: string }[] = [
  { file: 'ca', commonName: 'kubernetes' },
  { file: 'front-proxy-ca', commonName: 'front-proxy-ca' },
];

/** Every certificate but the authorities' own. */
export function plannedLeaves(subjects: PkiSubjects): PlannedLeaf[] {
  const { nodeName, nodeAddresses, extraNames, serviceCidr, clusterDomain } = subjects;
  const loopback = ['127.0.0.1', '::1'];
  return [
    {
      file: 'apiserver',
      authority: 'ca',
      commonName: 'kube-apiserver',
      usage: 'server',
      dnsNames: unique([
        'localhost',
        nodeName,
        'kubernetes',
        'kubernetes.default',
        'kubernetes.default.svc',
        `kubernetes.default.svc.${clusterDomain}`,
        ...extraNames,
      ]),
      ipAddresses: unique([...loopback, firstAddress(serviceCidr), ...nodeAddresses]),
    },
    {
      file: 'apiserver-kubelet-client',
      authority: 'ca',
      commonName: 'kube-apiserver-kubelet-client',
      organizations: ['system:masters'],
      usage: 'client',
    },
    { file: 'front-proxy-client', authority: 'front-proxy-ca', commonName: 'front-proxy-client', usage: 'client' },
    {
      file: 'kubelet-server',
      authority: 'ca',
      commonName: `system:node:${nodeName}`,
      organizations: ['system:nodes'],
      usage: 'server',
      dnsNames: unique([nodeName, 'localhost']),
      ipAddresses: unique([...loopback, ...nodeAddresses]),
    },
    { file: 'kubelet-client', authority: 'ca', commonName: `system:node:${nodeName}`, organizations: ['system:nodes'], usage: 'client' },
    { file: 'components/admin', authority: 'ca', commonName: 'kubernetes-admin', organizations: ['system:masters'], usage: 'client' },
    { file: 'components/scheduler', authority: 'ca', commonName: 'system:kube-scheduler', usage: 'client' },
    { file: 'components/controller-manager', authority: 'ca', commonName: 'system:kube-controller-manager', usage: 'client' },
    { file: 'components/kube-proxy', authority: 'ca', commonName: 'system:kube-proxy', usage: 'client' },
  ];
}

function unique(values: readonly string[]): string[] {
  return [...new Set(values)];
}

import { X509Certificate, createPrivateKey, createPublicKey } from 'node:crypto';
import { join } from 'node:path';
import type { Clock } from '../../lib/clock.ts';
import type { PkiPaths } from '../../lib/node-config.ts';
import { readIfExists, writeFileAtomic } from '../files.ts';
import { generateEcKey, issue, pemOf } from './certificate.ts';
import { ENCRYPTION_FILE, newEncryptionConfiguration } from './encryption.ts';
import type { Issuer } from './certificate.ts';
import { AUTHORITIES, plannedLeaves } from './plan.ts';
import type { AuthorityName, PkiSubjects, PlannedLeaf } from './plan.ts';

/** File names relative to the pki folder, and their text. */
export type PkiFiles = ReadonlyMap<string, string>;

export interface Pki {
  files: PkiFiles;
  /** Leaves that were made by this call: all of them for a new cluster, few or none later. */
  renewed: string[];
}

const DAY_MS = 86_400_000;
const AUTHORITY_DAYS = 3650;
const LEAF_DAYS = 365;
const RENEW_BELOW_DAYS = 30;
/** Certificates begin a little in the past: clocks of a virtual machine and its host differ. */
const SKEW_MS = 300_000;

/**
 * Makes what is missing in `dir` and renews leaves that end within 30 days, begin in the future (the clock was set back), do not name what
 * `subjects` asks for, or were signed by another authority. Authorities, the service-account key and the key that Secrets are encrypted
 * with are made once and stay.
 */
export async function ensurePki(dir: string, subjects: PkiSubjects, clock: Clock): Promise<Pki> {
  const now = clock.now();
  const written = new Map<string, string>();
  const files = new Map<string, string>();
  const [frontProxy, cluster, account, encryption] = await Promise.all([
    ensureAuthority(dir, 'front-proxy-ca', now, written),
    ensureAuthority(dir, 'ca', now, written),
    ensureServiceAccountKey(dir, written),
    ensureEncryption(dir, written),
  ]);
  const authorities: Record<AuthorityName, Issuer> = { ca: cluster, 'front-proxy-ca': frontProxy };
  for (const { file } of AUTHORITIES) {
    files.set(`${file}.crt`, authorities[file].certPem);
    files.set(`${file}.key`, authorities[file].keyPem);
  }
  files.set('sa.key', account.key);
  files.set('sa.pub', account.pub);
  files.set(ENCRYPTION_FILE, encryption);
  const renewed: string[] = [];
  await Promise.all(
    plannedLeaves(subjects).map(async (leaf) => {
      const kept = await keptLeaf(dir, leaf, authorities[leaf.authority], now);
      const pair =
        kept ?? (await issue({ ...leaf, notBefore: now - SKEW_MS, notAfter: now + LEAF_DAYS * DAY_MS }, authorities[leaf.authority]));
      files.set(`${leaf.file}.crt`, pair.certPem);
      files.set(`${leaf.file}.key`, pair.keyPem);
      if (kept) return;
      renewed.push(leaf.file);
      written.set(`${leaf.file}.crt`, pair.certPem);
      written.set(`${leaf.file}.key`, pair.keyPem);
    }),
  );
  await Promise.all(
    [...written].map(([name, text]) =>
      writeFileAtomic(join(dir, name), text, { mode: name.endsWith('.crt') || name.endsWith('.pub') ? 0o644 : 0o600 }),
    ),
  );
  return { files, renewed: renewed.toSorted() };
}

/** The node's names for the files when the folder stands at `dir` there. */
export function pkiPaths(dir: string): PkiPaths {
  const at = (name: string): string => `${dir}/${name}`;
  return {
    caCert: at('ca.crt'),
    caKey: at('ca.key'),
    apiserverCert: at('apiserver.crt'),
    apiserverKey: at('apiserver.key'),
    apiserverKubeletClientCert: at('apiserver-kubelet-client.crt'),
    apiserverKubeletClientKey: at('apiserver-kubelet-client.key'),
    frontProxyCaCert: at('front-proxy-ca.crt'),
    frontProxyClientCert: at('front-proxy-client.crt'),
    frontProxyClientKey: at('front-proxy-client.key'),
    serviceAccountKey: at('sa.key'),
    serviceAccountPub: at('sa.pub'),
    kubeletServerCert: at('kubelet-server.crt'),
    kubeletServerKey: at('kubelet-server.key'),
    kubeletClientCert: at('kubelet-client.crt'),
    kubeletClientKey: at('kubelet-client.key'),
    componentsDir: at('components'),
    encryptionConfig: at(ENCRYPTION_FILE),
  };
}

async function ensureAuthority(dir: string, name: AuthorityName, now: number, written: Map<string, string>): Promise<Issuer> {
  const { commonName } = AUTHORITIES.find(({ file }) => file === name)!;
  const [certPem, keyPem] = await Promise.all([readIfExists(join(dir, `${name}.crt`)), readIfExists(join(dir, `${name}.key`))]);
  if (certPem && keyPem && belongTogether(certPem, keyPem)) return { certPem, keyPem, commonName };
  const made = await issue({ commonName, usage: 'ca', notBefore: now - SKEW_MS, notAfter: now + AUTHORITY_DAYS * DAY_MS });
  written.set(`${name}.crt`, made.certPem);
  written.set(`${name}.key`, made.keyPem);
  return { ...made, commonName };
}

async function ensureServiceAccountKey(dir: string, written: Map<string, string>): Promise<{ key: string; pub: string }> {
  const key = await readIfExists(join(dir, 'sa.key'));
  if (key) {
    const pub = pemOf(createPublicKey(createPrivateKey(key)));
    if ((await readIfExists(join(dir, 'sa.pub'))) !== pub) written.set('sa.pub', pub);
    return { key, pub };
  }
  const pair = await generateEcKey();
  const made = { key: pemOf(pair.privateKey), pub: pemOf(pair.publicKey) };
  written.set('sa.key', made.key);
  written.set('sa.pub', made.pub);
  return made;
}

/** Whatever stands there is the user's: keys are added and turned by editing it, as upstream's pages tell. */
async function ensureEncryption(dir: string, written: Map<string, string>): Promise<string> {
  const existing = await readIfExists(join(dir, ENCRYPTION_FILE));
  if (existing !== undefined) return existing;
  const made = newEncryptionConfiguration();
  written.set(ENCRYPTION_FILE, made);
  return made;
}

async function keptLeaf(
  dir: string,
  leaf: PlannedLeaf,
  issuer: Issuer,
  now: number,
): Promise<{ certPem: string; keyPem: string } | undefined> {
  const [certPem, keyPem] = await Promise.all([readIfExists(join(dir, `${leaf.file}.crt`)), readIfExists(join(dir, `${leaf.file}.key`))]);
  if (!certPem || !keyPem || !belongTogether(certPem, keyPem)) return undefined;
  const certificate = new X509Certificate(certPem);
  const ends = Date.parse(certificate.validTo);
  const begins = Date.parse(certificate.validFrom);
  if (ends - now < RENEW_BELOW_DAYS * DAY_MS || begins > now) return undefined;
  if (!certificate.verify(createPublicKey(issuer.certPem))) return undefined;
  return namesEverything(certificate, leaf) ? { certPem, keyPem } : undefined;
}

function namesEverything(certificate: X509Certificate, leaf: PlannedLeaf): boolean {
  const subject = certificate.subject.split('\n');
  return (
    subject.includes(`CN=${leaf.commonName}`) &&
    (leaf.organizations ?? []).every((name) => subject.includes(`O=${name}`)) &&
    (leaf.dnsNames ?? []).every((name) => certificate.checkHost(name) !== undefined) &&
    (leaf.ipAddresses ?? []).every((address) => certificate.checkIP(address) !== undefined)
  );
}

/** A half-written pair, or one whose PEM does not parse, is made anew rather than kept. */
function belongTogether(certPem: string, keyPem: string): boolean {
  try {
    return new X509Certificate(certPem).checkPrivateKey(createPrivateKey(keyPem));
  } catch (error) {
    if (error instanceof Error && 'code' in error) return false;
    throw error;
  }
}

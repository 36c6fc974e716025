/** CertificateSigningRequests: what is asked, of whom, and for what. Who may ask is admission's business. */
import type { CertificateSigningRequest, CertificateSigningRequestCondition } from '../types.gen.ts';
import { semanticEqual } from '../patch/json.ts';
import { dns1123SubdomainProblems } from './names.ts';
import type { Problems } from './problems.ts';

const SIGNER = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
/** Seconds; a certificate for less is refused. */
const LEAST_SECONDS = 600;

export function checkCertificateSigningRequest(problems: Problems, { spec }: CertificateSigningRequest): void {
  if (!spec) return problems.required('spec');
  const text = Buffer.from(spec.request ?? '', 'base64').toString('latin1');
  if (!/^-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----$/m.test(text))
    problems.invalid('spec.request', spec.request, 'PEM block type must be CERTIFICATE REQUEST');
  if (!spec.usages?.length) problems.required('spec.usages');
  for (const [index, usage] of (spec.usages ?? []).entries())
    if (spec.usages!.indexOf(usage) < index) problems.duplicate(`spec.usages[${index}]`, usage);
  checkSigner(problems, spec.signerName);
  const seconds = spec.expirationSeconds;
  if (seconds !== undefined && seconds < LEAST_SECONDS)
    problems.invalid('spec.expirationSeconds', seconds, `may not specify a duration less than ${LEAST_SECONDS} seconds (10 minutes)`);
}

/** `example.com/signer-name`: a domain with a dot in it, and a path. */
function checkSigner(problems: Problems, name: string | undefined): void {
  if (!name) return problems.required('spec.signerName');
  const [domain = '', ...path] = name.split('/');
  if (path.length === 0 || path.join('/') === '') return problems.invalid('spec.signerName', name, SIGNER);
  problems.invalidEach('spec.signerName', domain, dns1123SubdomainProblems(domain));
  if (!domain.includes('.')) problems.invalid('spec.signerName', domain, 'should be a domain with at least two segments separated by dots');
}

/** Through `status` comes the certificate, once. */
export function checkSigningRequestStatus(problems: Problems, request: CertificateSigningRequest, old: CertificateSigningRequest): void {
  checkConditions(problems, request, old);
  for (const type of ANSWERS) keepsAnswer(problems, conditionsOf(request, type), conditionsOf(old, type), type);
  const [certificate, before] = [request.status?.certificate, old.status?.certificate];
  if (certificate === before) return;
  if (before) problems.forbidden('status.certificate', 'updates may not modify existing certificate content');
  else if (!/-----BEGIN CERTIFICATE-----[\s\S]+-----END CERTIFICATE-----/.test(Buffer.from(certificate ?? '', 'base64').toString('latin1')))
    problems.invalid('status.certificate', '<certificate data>', 'must contain a PEM-encoded certificate');
}

/** Through `approval` come the conditions Approved and Denied, and never go again. */
export function checkSigningRequestApproval(problems: Problems, request: CertificateSigningRequest, old: CertificateSigningRequest): void {
  checkConditions(problems, request, old);
}

const ANSWERS = ['Approved', 'Denied'];
const FINAL = [...ANSWERS, 'Failed'];
const STATUSES = ['False', 'True', 'Unknown'];
const CONDITIONS = 'status.conditions';

const conditionsOf = ({ status }: CertificateSigningRequest, type: string): CertificateSigningRequestCondition[] =>
  (status?.conditions ?? []).filter((condition) => condition.type === type);

function checkConditions(problems: Problems, request: CertificateSigningRequest, old: CertificateSigningRequest): void {
  const seen = new Set<string>();
  for (const [index, { type, status }] of (request.status?.conditions ?? []).entries()) {
    const at = `${CONDITIONS}[${index}]`;
    if (!type) problems.required(`${at}.type`);
    else if (seen.has(type)) problems.duplicate(`${at}.type`, type);
    else if (ANSWERS.includes(type) && ANSWERS.some((other) => other !== type && seen.has(other)))
      problems.invalid(`${at}.type`, type, 'Approved and Denied conditions are mutually exclusive');
    seen.add(type);
    problems.oneOf(`${at}.status`, status, FINAL.includes(type) ? ['True'] : STATUSES);
  }
  for (const type of FINAL)
    if (conditionsOf(request, type).length < conditionsOf(old, type).length)
      problems.forbidden(CONDITIONS, `updates may not remove a condition of type ${JSON.stringify(type)}`);
}

function keepsAnswer(
  problems: Problems,
  now: readonly CertificateSigningRequestCondition[],
  before: readonly CertificateSigningRequestCondition[],
  type: string,
): void {
  if (now.length > before.length) problems.forbidden(CONDITIONS, `updates may not add a condition of type ${JSON.stringify(type)}`);
  else if (now.length === before.length && !semanticEqual(now, before))
    problems.forbidden(CONDITIONS, `updates may not modify a condition of type ${JSON.stringify(type)}`);
}

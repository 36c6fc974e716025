/** CertificateSigningRequests: what is asked, of whom, and for what. Who may ask is admission's business. */
import type { CertificateSigningRequest } from '../types.gen.ts';
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

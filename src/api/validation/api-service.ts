/** APIServices: the group version that they are for, and who serves it. */
import type { APIService, APIServiceSpec } from '../types.gen.ts';
import { dns1035LabelProblems, dns1123SubdomainProblems } from './names.ts';
import type { Problems } from './problems.ts';

const MAX_GROUP_PRIORITY = 20_000;
const MAX_VERSION_PRIORITY = 1000;
const MAX_PORT = 65_535;

export function checkApiService(problems: Problems, { metadata, spec }: APIService): void {
  if (!spec) return problems.required('spec');
  const { group = '', version = '', groupPriorityMinimum, versionPriority } = spec;
  const wanted = `${version}.${group}`;
  if (metadata.name !== wanted)
    problems.invalid('metadata.name', metadata.name, `must be \`spec.version+"."+spec.group\`: ${JSON.stringify(wanted)}`);
  if (group !== '') problems.invalidEach('spec.group', group, dns1123SubdomainProblems(group));
  else if (version !== 'v1') problems.required('spec.group', 'only v1 may have an empty group and it better be legacy kube');
  problems.invalidEach('spec.version', version, dns1035LabelProblems(version));
  if (!(groupPriorityMinimum > 0 && groupPriorityMinimum <= MAX_GROUP_PRIORITY))
    problems.invalid('spec.groupPriorityMinimum', groupPriorityMinimum ?? 0, 'must be positive and less than 20000');
  if (!(versionPriority > 0 && versionPriority <= MAX_VERSION_PRIORITY))
    problems.invalid('spec.versionPriority', versionPriority ?? 0, 'must be positive and less than 1000');
  if (spec.service) checkService(problems, spec, spec.service);
  else checkLocal(problems, spec);
}

function checkLocal(problems: Problems, { caBundle, insecureSkipTLSVerify }: APIServiceSpec): void {
  if (caBundle)
    problems.invalid('spec.caBundle', `${Buffer.from(caBundle, 'base64').length} bytes`, 'local APIServices may not have a caBundle');
  if (insecureSkipTLSVerify) problems.invalid('spec.insecureSkipTLSVerify', true, 'local APIServices may not have insecureSkipTLSVerify');
}

function checkService(
  problems: Problems,
  { caBundle, insecureSkipTLSVerify }: APIServiceSpec,
  { namespace, name, port = 443 }: NonNullable<APIServiceSpec['service']>,
): void {
  if (!namespace) problems.required('spec.service.namespace');
  if (!name) problems.required('spec.service.name');
  if (port < 1 || port > MAX_PORT) problems.invalid('spec.service.port', port, 'port is not valid: must be between 1 and 65535, inclusive');
  if (insecureSkipTLSVerify && caBundle) problems.invalid('spec.insecureSkipTLSVerify', true, 'may not be true if caBundle is present');
}

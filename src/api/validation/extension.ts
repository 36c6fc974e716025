/** CustomResourceDefinitions: names, versions, the shape of their schemas. */
import type { CustomResourceDefinition, CustomResourceDefinitionSpec } from '../types.gen.ts';
import { dns1035LabelProblems, dns1123SubdomainProblems } from './names.ts';
import type { Problems } from './problems.ts';

export function checkCustomResourceDefinition(problems: Problems, { metadata, spec }: CustomResourceDefinition): void {
  if (!spec) return problems.required('spec');
  const wanted = `${spec.names?.plural ?? ''}.${spec.group}`;
  if (metadata.name !== wanted) problems.invalid('metadata.name', metadata.name, 'must be spec.names.plural+"."+spec.group');
  checkGroup(problems, spec.group);
  problems.oneOf('spec.scope', spec.scope, ['Cluster', 'Namespaced']);
  checkNames(problems, spec);
  checkVersions(problems, spec);
}

function checkGroup(problems: Problems, group: string): void {
  if (!group) return problems.required('spec.group');
  const wrong = dns1123SubdomainProblems(group);
  problems.invalidEach('spec.group', group, wrong);
  if (wrong.length === 0 && !group.includes('.')) problems.invalid('spec.group', group, 'should be a domain with at least one dot');
}

function checkNames(problems: Problems, { names }: CustomResourceDefinitionSpec): void {
  for (const field of ['plural', 'singular', 'kind', 'listKind'] as const) {
    const value = names?.[field];
    if (!value) {
      problems.required(`spec.names.${field}`);
      continue;
    }
    const wrong = dns1035LabelProblems(value.toLowerCase());
    const isKind = field === 'kind' || field === 'listKind';
    problems.invalidEach(
      `spec.names.${field}`,
      value,
      wrong.length === 0 || !isKind ? wrong : [`may have mixed case, but should otherwise match: ${wrong.join(',')}`],
    );
  }
  for (const [index, name] of (names?.shortNames ?? []).entries())
    problems.invalidEach(`spec.names.shortNames[${index}]`, name, dns1035LabelProblems(name));
  if (names?.kind && names.kind === names.listKind)
    problems.invalid('spec.names.listKind', names.listKind, 'kind and listKind may not be the same');
}

function checkVersions(problems: Problems, { versions }: CustomResourceDefinitionSpec): void {
  const seen = new Set<string>();
  let stored = 0;
  for (const [index, version] of (versions ?? []).entries()) {
    const path = `spec.versions[${index}]`;
    if (version.storage) stored++;
    const wrong = dns1035LabelProblems(version.name);
    if (wrong.length > 0) problems.invalid(`${path}.name`, version.name, wrong.join(','));
    if (seen.has(version.name)) problems.invalid('spec.versions', versions, 'must contain unique version names');
    seen.add(version.name);
    if (!version.schema?.openAPIV3Schema) problems.required(`${path}.schema.openAPIV3Schema`, 'schemas are required');
    else if (version.schema.openAPIV3Schema.type !== 'object')
      problems.invalid(`${path}.schema.openAPIV3Schema.type`, version.schema.openAPIV3Schema.type ?? '', 'must be object at the root');
  }
  if (stored !== 1) problems.invalid('spec.versions', versions ?? null, 'must have exactly one version marked as storage version');
}

export function checkDefinitionUpdate(problems: Problems, { spec, status }: CustomResourceDefinition, old: CustomResourceDefinition): void {
  problems.immutable('spec.group', spec?.group === old.spec?.group, spec?.group);
  problems.immutable('spec.names.plural', spec?.names?.plural === old.spec?.names?.plural, spec?.names?.plural);
  const established = old.status?.conditions?.some(({ type, status: value }) => type === 'Established' && value === 'True');
  if (established) {
    problems.immutable('spec.scope', spec?.scope === old.spec?.scope, spec?.scope);
    problems.immutable('spec.names.kind', spec?.names?.kind === old.spec?.names?.kind, spec?.names?.kind);
  }
  for (const [index, version] of (status?.storedVersions ?? []).entries()) {
    if (spec?.versions?.some(({ name }) => name === version)) continue;
    const why = `${version} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in ${version} and removes ${version} from status.storedVersions`;
    problems.invalid(`status.storedVersions[${index}]`, version, `missing from spec.versions; ${why}`);
  }
}

/** Whether a CustomResourceDefinition can be served: what goes beyond its names and versions (those are in api/validation). */
import { isRecord, semanticEqual } from '../patch/json.ts';
import type { FieldError } from '../status.ts';
import type { CustomResourceDefinition, CustomResourceDefinitionVersion, JSONSchemaProps } from '../types.gen.ts';
import { compileRules } from './cel/rules.ts';
import { duplicate, invalidValue, required, tooMany, unsupported } from './findings.ts';
import { jsonPath, simplePath } from './json-path.ts';
import { APPROVAL_ANNOTATION, isProtectedGroup } from './protected-groups.ts';
import { structuralFindings } from './structural.ts';

/** What is wrong with a definition; an update that leaves the spec alone is not judged anew. */
export function definitionFindings(definition: CustomResourceDefinition, old?: CustomResourceDefinition): FieldError[] {
  const { spec, metadata } = definition;
  if (old && semanticEqual(spec, old.spec) && semanticEqual(metadata.annotations, old.metadata.annotations)) return [];
  const findings: FieldError[] = [];
  if (spec.preserveUnknownFields)
    findings.push(
      invalidValue(
        'spec.preserveUnknownFields',
        true,
        'cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead',
      ),
    );
  checkApproval(definition, old, findings);
  checkConversion(definition, findings);
  checkSchemas(spec.versions, findings);
  for (const [index, version] of spec.versions.entries()) checkVersion(version, `spec.versions[${index}]`, findings);
  return findings;
}

/** Upstream hoists a schema that all versions share, and names it so. */
function checkSchemas(versions: readonly CustomResourceDefinitionVersion[], findings: FieldError[]): void {
  const schemas = versions.map(({ schema }) => schema?.openAPIV3Schema);
  const [first] = schemas;
  if (first && schemas.every((schema) => semanticEqual(schema, first))) {
    checkSchema(first, 'spec.validation.openAPIV3Schema', findings);
    return;
  }
  for (const [index, schema] of schemas.entries())
    if (schema) checkSchema(schema, `spec.versions[${index}].schema.openAPIV3Schema`, findings);
}

function checkSchema(root: JSONSchemaProps, path: string, findings: FieldError[]): void {
  const found = structuralFindings(root, path);
  findings.push(...found);
  // Types of rules come from the structure: without it there is nothing to check them against.
  if (found.length > 0) return;
  const places = new Map<JSONSchemaProps, { path: string; correlates: boolean }>();
  locate(root, { path, correlates: true }, places);
  for (const [node, place] of places) checkRules(node, place, findings);
  for (const { node, index, field, text, message } of compileRules(root).problems) {
    const at = `${places.get(node)!.path}.x-kubernetes-validations[${index}].${field}`;
    findings.push(invalidValue(at, field === 'rule' ? node['x-kubernetes-validations']![index] : text, message));
  }
}

function locate(node: JSONSchemaProps, place: { path: string; correlates: boolean }, places: Map<JSONSchemaProps, typeof place>): void {
  places.set(node, place);
  const { path, correlates } = place;
  for (const [name, property] of Object.entries(node.properties ?? {}))
    locate(property, { path: `${path}.properties[${name}]`, correlates }, places);
  if (isRecord(node.additionalProperties)) locate(node.additionalProperties, { path: `${path}.additionalProperties`, correlates }, places);
  // Items of a plain list have no identity, so what they were before cannot be told.
  if (isRecord(node.items))
    locate(node.items, { path: `${path}.items`, correlates: correlates && node['x-kubernetes-list-type'] === 'map' }, places);
}

function checkRules(node: JSONSchemaProps, { path, correlates }: { path: string; correlates: boolean }, findings: FieldError[]): void {
  for (const [index, rule] of (node['x-kubernetes-validations'] ?? []).entries()) {
    const at = `${path}.x-kubernetes-validations[${index}]`;
    if (rule.rule.trim() === '') findings.push(required(`${at}.rule`, 'rule is not specified'));
    if (rule.message !== undefined && rule.message.trim() === '')
      findings.push(invalidValue(`${at}.message`, rule.message, 'message must be non-empty if specified'));
    else if (rule.message?.includes('\n'))
      findings.push(invalidValue(`${at}.message`, rule.message, 'message must not contain line breaks'));
    else if (rule.rule.trim().includes('\n') && rule.message === undefined)
      findings.push(required(`${at}.message`, 'message must be specified if rule contains line breaks'));
    if (rule.reason !== undefined && !REASONS.includes(rule.reason)) findings.push(unsupported(`${at}.reason`, rule.reason, REASONS));
    if (!correlates && /\boldSelf\b/.test(rule.rule))
      findings.push(
        invalidValue(`${at}.rule`, rule.rule, `oldSelf cannot be used on the uncorrelatable portion of the schema within ${path}`),
      );
  }
}

const REASONS = ['FieldValueDuplicate', 'FieldValueForbidden', 'FieldValueInvalid', 'FieldValueRequired'];

function checkApproval(
  { metadata, spec }: CustomResourceDefinition,
  old: CustomResourceDefinition | undefined,
  findings: FieldError[],
): void {
  if (!isProtectedGroup(spec.group)) return;
  const key = APPROVAL_ANNOTATION;
  const given = metadata.annotations?.[key];
  const seen = 'see https://github.com/kubernetes/enhancements/pull/1111';
  if (!given) {
    // What was let in before the rule stays.
    if (!old || old.metadata.annotations?.[key])
      findings.push(required(`metadata.annotations[${key}]`, `protected groups must have approval annotation "${key}", ${seen}`));
  } else if (!given.startsWith('unapproved') && !URL.canParse(given)) {
    const why = `protected groups must have approval annotation "${key}" with either a URL or a reason starting with "unapproved", ${seen}`;
    findings.push(invalidValue(`metadata.annotations[${key}]`, given, why));
  }
}

function checkConversion({ spec: { conversion } }: CustomResourceDefinition, findings: FieldError[]): void {
  if (!conversion) return;
  const { strategy, webhook } = conversion;
  if (strategy !== 'None' && strategy !== 'Webhook') findings.push(unsupported('spec.conversion.strategy', strategy, ['None', 'Webhook']));
  if (strategy === 'None' && webhook) {
    if (webhook.clientConfig)
      findings.push({
        field: 'spec.conversion.webhookClientConfig',
        type: 'FieldValueForbidden',
        message: 'Forbidden: should not be set when strategy is not set to Webhook',
      });
  }
  if (strategy !== 'Webhook') return;
  const { service, url } = webhook?.clientConfig ?? {};
  if (!webhook?.clientConfig) findings.push(required('spec.conversion.webhookClientConfig', 'required when strategy is set to Webhook'));
  else if ((service === undefined) === (url === undefined))
    findings.push(required('spec.conversion.webhookClientConfig', 'exactly one of url or service is required'));
  else if (url !== undefined && !(URL.canParse(url) && url.startsWith('https://')))
    findings.push(invalidValue('spec.conversion.webhookClientConfig.url', url, "'https' is the only allowed URL scheme"));
  if (!webhook?.conversionReviewVersions?.length) findings.push(required('spec.conversion.conversionReviewVersions'));
  else if (!webhook.conversionReviewVersions.some((version) => version === 'v1'))
    findings.push(
      invalidValue('spec.conversion.conversionReviewVersions', webhook.conversionReviewVersions, 'must include at least one of v1'),
    );
}

const COLUMN_TYPES = ['boolean', 'date', 'integer', 'number', 'string'];
const COLUMN_FORMATS = ['binary', 'byte', 'date', 'date-time', 'double', 'float', 'int32', 'int64', 'password'];

function checkVersion(version: CustomResourceDefinitionVersion, path: string, findings: FieldError[]): void {
  for (const [index, { name, type, format, jsonPath: text }] of (version.additionalPrinterColumns ?? []).entries()) {
    const at = `${path}.additionalPrinterColumns[${index}]`;
    if (!name) findings.push(required(`${at}.name`));
    if (!type) findings.push(required(`${at}.type`, `must be one of ${COLUMN_TYPES.join(',')}`));
    else if (!COLUMN_TYPES.includes(type)) findings.push(invalidValue(`${at}.type`, type, `must be one of ${COLUMN_TYPES.join(',')}`));
    if (format && !COLUMN_FORMATS.includes(format))
      findings.push(invalidValue(`${at}.format`, format, `must be one of ${COLUMN_FORMATS.join(',')}`));
    checkPath(text, `${at}.JSONPath`, findings);
  }
  checkScale(version, path, findings);
  checkSelectable(version, path, findings);
}

function checkPath(text: string, field: string, findings: FieldError[]): void {
  if (!text) {
    findings.push(required(field));
    return;
  }
  try {
    jsonPath(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    findings.push(invalidValue(field, text, `is an invalid json path: ${error.message}`));
  }
}

function checkScale({ subresources }: CustomResourceDefinitionVersion, path: string, findings: FieldError[]): void {
  const scale = subresources?.scale;
  if (!scale) return;
  const at = `${path}.subresources.scale`;
  const check = (field: 'specReplicasPath' | 'statusReplicasPath' | 'labelSelectorPath', roots: readonly string[], where: string): void => {
    const text = scale[field];
    if (!text) {
      if (field !== 'labelSelectorPath') findings.push(required(`${at}.${field}`));
    } else if (!simplePath(text)) {
      findings.push(invalidValue(`${at}.${field}`, text, 'is an invalid path: must be a simple json path without array notation'));
    } else if (!roots.some((root) => text.startsWith(`${root}.`))) {
      findings.push(invalidValue(`${at}.${field}`, text, `should be a json path under ${where}`));
    }
  };
  check('specReplicasPath', ['.spec'], '.spec');
  check('statusReplicasPath', ['.status'], '.status');
  check('labelSelectorPath', ['.spec', '.status'], 'either .spec or .status');
}

const MAX_SELECTABLE = 8;

function checkSelectable({ selectableFields = [], schema }: CustomResourceDefinitionVersion, path: string, findings: FieldError[]): void {
  if (selectableFields.length > MAX_SELECTABLE) findings.push(tooMany(`${path}.selectableFields`, selectableFields.length, MAX_SELECTABLE));
  const seen = new Set<string>();
  for (const [index, { jsonPath: text }] of selectableFields.entries()) {
    const at = `${path}.selectableFields[${index}].jsonPath`;
    const names = text ? simplePath(text) : [];
    if (!text) findings.push(required(at));
    else if (!names) findings.push(invalidValue(at, text, 'must be a simple json path'));
    else if (names[0] === 'metadata') findings.push(invalidValue(at, text, 'must not point to fields in metadata'));
    else checkTarget(names, schema?.openAPIV3Schema, { at, text }, findings);
    if (seen.has(text)) findings.push(duplicate(at, text));
    seen.add(text);
  }
}

function checkTarget(
  names: readonly string[],
  schema: JSONSchemaProps | undefined,
  { at, text }: { at: string; text: string },
  findings: FieldError[],
): void {
  const node = names.reduce<JSONSchemaProps | undefined>((inner, name) => inner?.properties?.[name], schema);
  if (!node) findings.push(invalidValue(at, text, 'does not refer to a valid field'));
  else if (node.type !== 'string' && node.type !== 'integer' && node.type !== 'boolean')
    findings.push(
      invalidValue(
        at,
        text,
        'must point to a field of type boolean, integer, or string. Enum string fields and strings with formats are allowed.',
      ),
    );
}

import { decodeObject } from '../../api/decode.ts';
import { schemaOf } from '../../api/scheme.ts';
import { invalid, statusError, type FieldError } from '../../api/status.ts';
import type { UserInfo } from '../../api/transport.ts';
import type { RequestContext } from '../contract.ts';
import { isTrue } from '../request-info.ts';

export type FieldValidation = 'Ignore' | 'Warn' | 'Strict';

/** The query of a write: CreateOptions, UpdateOptions and PatchOptions have the same fields. */
export interface WriteOptions {
  dryRun: boolean;
  /** Who owns what this write sets: `fieldManager`, else the client's name from its User-Agent. */
  fieldManager: string;
  fieldValidation: FieldValidation;
  force: boolean;
  /** The object comes from an apply, which knows its managers already. */
  applied?: boolean;
}

const VALIDATIONS: readonly string[] = ['Ignore', 'Warn', 'Strict'];
const MANAGER_LENGTH = 128;

/** `kind` names the options in an error: CreateOptions, PatchOptions … */
export function writeOptions({ query, headers, user }: Pick<RequestContext, 'query' | 'headers' | 'user'>, kind: string): WriteOptions {
  if (query.size === 0)
    return { dryRun: false, fieldManager: managerOf(headers['user-agent'], user), fieldValidation: 'Warn', force: false };
  const fieldValidation = query.get('fieldValidation') || 'Warn';
  const given = query.get('fieldManager') ?? '';
  const errors: FieldError[] = [];
  if (!VALIDATIONS.includes(fieldValidation)) {
    errors.push({
      field: 'fieldValidation',
      type: 'FieldValueNotSupported',
      message: `Unsupported value: "${fieldValidation}": supported values: "", "Ignore", "Strict", "Warn"`,
    });
  }
  if (given.length > MANAGER_LENGTH)
    errors.push({ field: 'fieldManager', type: 'FieldValueTooLong', message: `Too long: may not be more than ${MANAGER_LENGTH} bytes` });
  else if (!/^\P{C}*$/u.test(given)) {
    const message = `Invalid value: ${JSON.stringify(given)}: should only contain printable characters`;
    errors.push({ field: 'fieldManager', type: 'FieldValueInvalid', message });
  }
  errors.push(...dryRunErrors(query.getAll('dryRun')));
  if (errors.length > 0) throw invalid(kind, 'meta.k8s.io', '', errors);
  return {
    dryRun: isDryRun(query.getAll('dryRun')),
    fieldManager: given || managerOf(headers['user-agent'], user),
    fieldValidation: fieldValidation as FieldValidation,
    force: isTrue(query.get('force')),
  };
}

function dryRunErrors(values: readonly string[]): FieldError[] {
  return values
    .filter((value) => value !== '' && value !== 'All')
    .map((value) => ({
      field: 'dryRun',
      type: 'FieldValueNotSupported',
      message: `Unsupported value: "${value}": supported values: "All"`,
    }));
}

function isDryRun(values: readonly string[]): boolean {
  return values.includes('All');
}

/**
 * As upstream's prefixFromUserAgent: what stands before the first slash, printable, bounded. A component of this process need not name
 * itself: its user does (`system:kube-scheduler`).
 */
function managerOf(userAgent: string | undefined, user: UserInfo): string {
  const name = (userAgent ?? user.name.slice(user.name.lastIndexOf(':') + 1))
    .split('/', 1)[0]!
    .replaceAll(/[^\x20-\x7e]/g, '')
    .slice(0, MANAGER_LENGTH);
  return name || 'unknown';
}

export interface DeleteOptions {
  dryRun: boolean;
  gracePeriodSeconds?: number;
  propagationPolicy?: 'Orphan' | 'Background' | 'Foreground';
  preconditions?: { uid?: string; resourceVersion?: string };
  /** The client wants to know (202) that the object is still there. */
  waitsForDependents: boolean;
}

/** From the body (a DeleteOptions, if any) or else the query. Throws StatusError 400 and 422. */
export function deleteOptions(query: URLSearchParams, body: unknown): DeleteOptions {
  const given = isObject(body) ? decodedOptions(body) : optionsOfQuery(query);
  const dryRun = Array.isArray(given['dryRun']) ? (given['dryRun'] as string[]) : query.getAll('dryRun');
  const errors = dryRunErrors(dryRun);
  const policy = propagationPolicy(given, errors);
  if (errors.length > 0) throw invalid('DeleteOptions', 'meta.k8s.io', '', errors);
  const grace = given['gracePeriodSeconds'];
  const preconditions = given['preconditions'];
  return {
    dryRun: isDryRun(dryRun),
    waitsForDependents: policy === 'Foreground' || given['orphanDependents'] === false,
    ...(typeof grace === 'number' ? { gracePeriodSeconds: grace } : {}),
    ...(policy ? { propagationPolicy: policy } : {}),
    ...(isObject(preconditions) ? { preconditions: preconditions } : {}),
  };
}

/** Throws StatusError 400 for what is no DeleteOptions. */
function decodedOptions(body: Record<string, unknown>): Record<string, unknown> {
  const { kind = 'DeleteOptions' } = body;
  if (kind !== 'DeleteOptions')
    throw statusError('BadRequest', `decoded object cannot be converted to DeleteOptions: it is a ${JSON.stringify(kind)}`);
  const value = { ...body, kind, apiVersion: body['apiVersion'] ?? 'v1' };
  return decodeObject(value, schemaOf('', 'v1', 'DeleteOptions')!, { fieldValidation: 'Ignore' }).object;
}

function optionsOfQuery(query: URLSearchParams): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  const grace = query.get('gracePeriodSeconds');
  if (grace !== null) options['gracePeriodSeconds'] = integerParameter(grace);
  if (query.has('propagationPolicy')) options['propagationPolicy'] = query.get('propagationPolicy');
  if (query.has('orphanDependents')) options['orphanDependents'] = isTrue(query.get('orphanDependents'));
  return options;
}

/** A whole number of a query; '' is 0, as Go's decoder of parameters has it. Throws StatusError 400. */
export function integerParameter(text: string | null): number {
  if (text === null || text === '') return 0;
  if (!/^[-+]?\d+$/.test(text)) throw statusError('BadRequest', `strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  return Number(text);
}

function propagationPolicy(given: Record<string, unknown>, errors: FieldError[]): DeleteOptions['propagationPolicy'] {
  const policy = given['propagationPolicy'];
  const orphan = given['orphanDependents'];
  if (policy !== undefined && policy !== null && orphan !== undefined && orphan !== null) {
    errors.push({
      field: 'propagationPolicy',
      type: 'FieldValueInvalid',
      message: `Invalid value: ${JSON.stringify(policy)}: orphanDependents and deletionPropagation cannot be both set`,
    });
  }
  if (policy === 'Orphan' || policy === 'Background' || policy === 'Foreground') return policy;
  if (typeof policy === 'string' && policy !== '') {
    errors.push({
      field: 'propagationPolicy',
      type: 'FieldValueNotSupported',
      message: `Unsupported value: "${policy}": supported values: "Background", "Foreground", "Orphan"`,
    });
  }
  if (orphan === true) return 'Orphan';
  return orphan === false ? 'Background' : undefined;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** MutatingWebhookConfiguration and ValidatingWebhookConfiguration. */
import type {
  AdmissionregistrationV1ServiceReference,
  AdmissionregistrationV1WebhookClientConfig,
  MutatingWebhook,
  MutatingWebhookConfiguration,
} from '../types.gen.ts';
import { checkMatchConditions, checkRule } from './admission-rules.ts';
import { dns1035LabelProblems, dns1123SubdomainProblems, portNumberProblems } from './names.ts';
import type { Problems } from './problems.ts';
import { checkSelector } from './scheduling.ts';

const REVIEW_VERSIONS: readonly string[] = ['v1', 'v1beta1'];
const FAILURE_POLICIES = ['Fail', 'Ignore'];
const MATCH_POLICIES = ['Equivalent', 'Exact'];
const REINVOCATION_POLICIES = ['IfNeeded', 'Never'];
const SIDE_EFFECTS = ['None', 'NoneOnDryRun'];
const MAX_TIMEOUT_SECONDS = 30;

/** Both kinds: a validating webhook is a mutating one without a reinvocation policy. */
export function checkWebhookConfiguration(problems: Problems, { webhooks = [] }: MutatingWebhookConfiguration): void {
  const seen = new Set<string>();
  for (const [index, webhook] of webhooks.entries()) {
    const path = `webhooks[${index}]`;
    checkWebhook(problems, path, webhook);
    checkReviewVersions(problems, `${path}.admissionReviewVersions`, webhook.admissionReviewVersions ?? []);
    if (webhook.name && seen.has(webhook.name)) problems.duplicate(`${path}.name`, webhook.name);
    seen.add(webhook.name);
  }
}

function checkWebhook(problems: Problems, path: string, webhook: MutatingWebhook): void {
  const { name, rules = [], sideEffects, timeoutSeconds, clientConfig } = webhook;
  checkName(problems, `${path}.name`, name);
  for (const [index, rule] of rules.entries()) checkRule(problems, `${path}.rules[${index}]`, rule);
  checkEnum(problems, `${path}.failurePolicy`, webhook.failurePolicy, FAILURE_POLICIES);
  checkEnum(problems, `${path}.matchPolicy`, webhook.matchPolicy, MATCH_POLICIES);
  if (!sideEffects) problems.required(`${path}.sideEffects`, `must specify one of ${SIDE_EFFECTS.join(', ')}`);
  checkEnum(problems, `${path}.sideEffects`, sideEffects || undefined, SIDE_EFFECTS);
  if (timeoutSeconds !== undefined && (timeoutSeconds < 1 || timeoutSeconds > MAX_TIMEOUT_SECONDS))
    problems.invalid(`${path}.timeoutSeconds`, timeoutSeconds, 'the timeout value must be between 1 and 30 seconds');
  checkSelector(problems, `${path}.namespaceSelector`, webhook.namespaceSelector);
  checkSelector(problems, `${path}.objectSelector`, webhook.objectSelector);
  checkEnum(problems, `${path}.reinvocationPolicy`, webhook.reinvocationPolicy, REINVOCATION_POLICIES);
  checkClientConfig(problems, `${path}.clientConfig`, clientConfig);
  checkMatchConditions(problems, `${path}.matchConditions`, webhook.matchConditions);
}

/** Fully qualified: at least `hook.example.com`. */
function checkName(problems: Problems, path: string, name: string | undefined): void {
  if (!name) return problems.required(path);
  const wrong = dns1123SubdomainProblems(name);
  if (wrong.length > 0) problems.invalid(path, name, wrong.join(','));
  else if (name.split('.').length < 3) problems.invalid(path, name, 'should be a domain with at least three segments separated by dots');
}

function checkEnum(problems: Problems, path: string, value: string | undefined, supported: readonly string[]): void {
  if (value !== undefined && !supported.includes(value)) problems.unsupported(path, value, supported);
}

function checkReviewVersions(problems: Problems, path: string, versions: readonly string[]): void {
  if (versions.length === 0) return problems.required(path, `must specify one of ${REVIEW_VERSIONS.join(', ')}`);
  const seen = new Set<string>();
  for (const [index, version] of versions.entries()) {
    if (seen.has(version)) problems.invalid(`${path}[${index}]`, version, 'duplicate version');
    seen.add(version);
    problems.invalidEach(`${path}[${index}]`, version, dns1035LabelProblems(version));
  }
  if (!versions.some((version) => REVIEW_VERSIONS.includes(version)))
    problems.invalid(path, versions, `must include at least one of ${REVIEW_VERSIONS.join(', ')}`);
}

function checkClientConfig(problems: Problems, path: string, config: AdmissionregistrationV1WebhookClientConfig | undefined): void {
  const { url, service } = config ?? {};
  if ((url === undefined) === (service === undefined)) problems.required(path, 'exactly one of url or service is required');
  else if (url !== undefined) checkUrl(problems, `${path}.url`, url);
  else checkService(problems, `${path}.service`, service!);
}

const FORM = '; desired format: https://host[/path]';

function checkUrl(problems: Problems, path: string, text: string): void {
  const scheme = /^([a-z][-+.a-z0-9]*):/i.exec(text)?.[1] ?? '';
  if (scheme !== 'https') problems.invalid(path, scheme, `'https' is the only allowed URL scheme${FORM}`);
  // A browser's parser would read `https:///x` as a host `x`; it is a path.
  const authority = /^[^:/?#]*:?\/\/([^/?#]*)/.exec(text)?.[1] ?? '';
  if (authority === '') return problems.invalid(path, '', `host must be specified${FORM}`);
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url) return problems.required(path, `url must be a valid URL: parse ${JSON.stringify(text)}: invalid URL${FORM}`);
  const user = [url.username, url.password].filter(Boolean).join(':');
  if (user) problems.invalid(path, user, 'user information is not permitted in the URL');
  if (url.hash) problems.invalid(path, url.hash.slice(1), 'fragments are not permitted in the URL');
  if (url.search) problems.invalid(path, url.search.slice(1), 'query parameters are not permitted in the URL');
}

function checkService(problems: Problems, path: string, service: AdmissionregistrationV1ServiceReference): void {
  const { name, namespace, port, path: urlPath = '' } = service;
  if (!name) problems.required(`${path}.name`, 'service name is required');
  if (!namespace) problems.required(`${path}.namespace`, 'service namespace is required');
  const wrong = port === undefined ? [] : portNumberProblems(port);
  if (wrong.length > 0) problems.invalid(`${path}.port`, port, `port is not valid: ${wrong.join(',')}`);
  if (urlPath !== '' && urlPath !== '/') checkPath(problems, `${path}.path`, urlPath);
}

function checkPath(problems: Problems, path: string, urlPath: string): void {
  if (urlPath === '//') return problems.invalid(path, urlPath, 'segment[0] may not be empty');
  if (!urlPath.startsWith('/')) problems.invalid(path, urlPath, "must start with a '/'");
  const steps = urlPath.slice(1).replace(/\/$/, '').split('/');
  for (const [index, step] of steps.entries()) {
    const wrong = step === '' ? ['may not be empty'] : dns1123SubdomainProblems(step).map((why) => `: ${why}`);
    for (const why of wrong) problems.invalid(path, urlPath, `segment[${index}]${why.startsWith(':') ? why : ` ${why}`}`);
  }
}

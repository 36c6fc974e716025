/** The rules of upstream's validation for a scheduler's configuration, with its field paths and words. */
import type { Problems } from '../../api/validation/problems.ts';
import { PLUGIN_POINTS } from '../plugin-points.ts';
import type { ExtensionPoint } from '../framework.ts';
import type { ExtenderConfiguration, PluginsConfiguration, ProfileConfiguration, SchedulerConfiguration } from './configuration.ts';
import { enabledPlugins } from './enabled.ts';
import { durationMs } from './shape.ts';

const EXTENDED_RESOURCE = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?\/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;

export function validateConfiguration(configuration: SchedulerConfiguration, problems: Problems): void {
  const { parallelism, podInitialBackoffSeconds, podMaxBackoffSeconds } = configuration;
  if (parallelism <= 0) problems.invalid('parallelism', parallelism, 'should be an integer value greater than zero');
  checkPercentage('percentageOfNodesToScore', configuration.percentageOfNodesToScore, problems);
  if (podInitialBackoffSeconds <= 0) problems.invalid('podInitialBackoffSeconds', podInitialBackoffSeconds, 'must be greater than 0');
  if (podMaxBackoffSeconds < podInitialBackoffSeconds)
    problems.invalid('podMaxBackoffSeconds', podMaxBackoffSeconds, 'must be greater than or equal to PodInitialBackoffSeconds');
  checkLeaderElection(configuration, problems);
  checkProfiles(configuration.profiles, problems);
  checkExtenders(configuration.extenders, problems);
}

function checkPercentage(path: string, value: number | undefined, problems: Problems): void {
  if (value !== undefined && (value < 0 || value > 100)) problems.invalid(path, value, 'not in valid range [0-100]');
}

function checkLeaderElection({ leaderElection }: SchedulerConfiguration, problems: Problems): void {
  const { leaderElect, leaseDuration, renewDeadline, retryPeriod, resourceLock, resourceName, resourceNamespace } = leaderElection;
  if (!leaderElect) return;
  const at = 'leaderElection';
  for (const [field, value] of Object.entries({ leaseDuration, renewDeadline, retryPeriod }))
    if (!durationMs(value)) problems.invalid(`${at}.${field}`, value, 'must be greater than zero');
  if (durationMs(leaseDuration)! <= durationMs(renewDeadline)!)
    problems.invalid(`${at}.leaseDuration`, renewDeadline, 'LeaseDuration must be greater than RenewDeadline');
  if (durationMs(renewDeadline)! <= durationMs(retryPeriod)!)
    problems.invalid(`${at}.renewDeadline`, retryPeriod, 'RenewDeadline must be greater than RetryPeriod');
  if (resourceLock !== 'leases') problems.invalid(`${at}.resourceLock`, resourceLock, 'resourceLock value must be "leases"');
  if (!resourceNamespace) problems.required(`${at}.resourceNamespace`, 'resourceNamespace is required');
  if (!resourceName) problems.required(`${at}.resourceName`, 'resourceName is required');
}

function checkProfiles(profiles: readonly ProfileConfiguration[], problems: Problems): void {
  const names = new Map<string, number>();
  for (const [index, { schedulerName, percentageOfNodesToScore, plugins = {}, pluginConfig = [] }] of profiles.entries()) {
    const at = `profiles[${index}]`;
    if (!schedulerName) problems.required(`${at}.schedulerName`);
    else if (names.has(schedulerName)) problems.duplicate(`${at}.schedulerName`, schedulerName);
    names.set(schedulerName, index);
    checkPercentage(`${at}.percentageOfNodesToScore`, percentageOfNodesToScore, problems);
    checkPlugins(`${at}.plugins`, plugins, problems);
    const enabled = enabledPlugins(plugins).flatMap(({ points }) => [...points]);
    if (!enabled.includes('queueSort')) problems.required(`${at}.plugins.queueSort`, 'no queue sort plugin is enabled');
    if (!enabled.includes('bind')) problems.required(`${at}.plugins.bind`, 'at least one bind plugin is needed');
    const configured = new Set<string>();
    for (const [position, { name }] of pluginConfig.entries()) {
      if (configured.has(name)) problems.duplicate(`${at}.pluginConfig[${position}]`, name);
      configured.add(name);
      if (!PLUGIN_POINTS.has(name)) problems.invalid(`${at}.pluginConfig[${position}].name`, name, 'no such plugin');
    }
  }
  if (profiles.some(({ plugins }) => JSON.stringify(plugins?.queueSort) !== JSON.stringify(profiles[0]!.plugins?.queueSort)))
    problems.invalid('profiles[1].plugins.queueSort', profiles[1]?.plugins?.queueSort, 'must be the same for all profiles');
}

function checkPlugins(path: string, plugins: PluginsConfiguration, problems: Problems): void {
  for (const [point, { enabled = [], disabled = [] }] of Object.entries(plugins)) {
    const seen = new Set<string>();
    for (const [index, { name, weight }] of enabled.entries()) {
      const at = `${path}.${point}.enabled[${index}]`;
      if (!name) problems.required(`${at}.name`);
      else if (!PLUGIN_POINTS.has(name)) problems.invalid(`${at}.name`, name, 'no such plugin');
      else if (point !== 'multiPoint' && !PLUGIN_POINTS.get(name)!.has(point as ExtensionPoint))
        problems.invalid(`${at}.name`, name, `plugin "${name}" does not extend ${point} plugin`);
      if (seen.has(name)) problems.duplicate(`${at}.name`, name);
      seen.add(name);
      if (weight !== undefined && weight < 0) problems.invalid(`${at}.weight`, weight, 'must be greater than or equal to 0');
    }
    for (const [index, { name }] of disabled.entries()) if (!name) problems.required(`${path}.${point}.disabled[${index}].name`);
  }
}

function checkExtenders(extenders: readonly ExtenderConfiguration[], problems: Problems): void {
  const binders: string[] = [];
  const managed = new Set<string>();
  for (const [index, { urlPrefix, prioritizeVerb, weight = 0, bindVerb, managedResources = [] }] of extenders.entries()) {
    const at = `extenders[${index}]`;
    if (!urlPrefix || !URL.canParse(urlPrefix)) problems.invalid(`${at}.urlPrefix`, urlPrefix ?? '', 'must be a URL');
    if (prioritizeVerb && weight <= 0) problems.invalid(`${at}.weight`, weight, 'must have a positive weight applied to it');
    if (bindVerb) binders.push(at);
    for (const [position, { name }] of managedResources.entries()) {
      const path = `${at}.managedResources[${position}].name`;
      if (!EXTENDED_RESOURCE.test(name) || name.split('/', 1)[0]!.endsWith('kubernetes.io'))
        problems.invalid(path, name, 'is an invalid extended resource name');
      if (managed.has(name)) problems.invalid(path, name, 'duplicate extender managed resource name');
      managed.add(name);
    }
  }
  if (binders.length > 1)
    problems.invalid('extenders', `found ${binders.length} extenders implementing bind`, 'only one extender can implement bind');
}

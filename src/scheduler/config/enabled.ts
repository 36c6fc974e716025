/** Which plugins a profile runs where: the default ones with what the configuration adds and takes away. */
import { EXTENSION_POINTS, type ExtensionPoint } from '../framework.ts';
import { DEFAULT_PLUGINS, PLUGIN_POINTS } from '../plugin-points.ts';
import type { PluginsConfiguration } from './configuration.ts';

export interface EnabledPlugin {
  name: string;
  points: ReadonlySet<ExtensionPoint>;
  /** Of its score; 0 when it gives none. */
  weight: number;
}

/**
 * Plugins in the order in which they are asked. `multiPoint` stands for every extension point of a plugin; what a single point says goes
 * before it (the reference page "Scheduler Configuration", multiple points).
 */
export function enabledPlugins(plugins: PluginsConfiguration = {}): EnabledPlugin[] {
  const weights = everywhere(plugins);
  const names = new Set(weights.keys());
  for (const point of EXTENSION_POINTS) for (const { name } of plugins[point]?.enabled ?? []) names.add(name);
  return [...names].flatMap((name) => {
    const points = new Set([...(PLUGIN_POINTS.get(name) ?? [])].filter((point) => isEnabled(name, point, plugins, weights.has(name))));
    if (points.size === 0) return [];
    const own = plugins.score?.enabled?.find((each) => each.name === name);
    const weight = own ? own.weight || 1 : (weights.get(name) ?? 0);
    return [{ name, points, weight: points.has('score') ? weight : 0 }];
  });
}

/** Names and weights of what is enabled at every point that it has. */
function everywhere({ multiPoint: { enabled = [], disabled = [] } = {} }: PluginsConfiguration): Map<string, number> {
  const off = new Set(disabled.map(({ name }) => name));
  const own = new Map(enabled.map(({ name, weight }) => [name, weight || 1]));
  const result = new Map<string, number>();
  for (const { name, weight } of DEFAULT_PLUGINS) {
    // Enabled again by name, a default plugin keeps its place and takes the weight that is given.
    if (own.has(name) && !off.has('*')) result.set(name, own.get(name)!);
    else if (!off.has('*') && !off.has(name)) result.set(name, weight);
  }
  for (const [name, weight] of own) if (!result.has(name)) result.set(name, weight);
  return result;
}

function isEnabled(name: string, point: ExtensionPoint, plugins: PluginsConfiguration, isEverywhere: boolean): boolean {
  const { enabled = [], disabled = [] } = plugins[point] ?? {};
  if (enabled.some((each) => each.name === name)) return true;
  return isEverywhere && !disabled.some((each) => each.name === name || each.name === '*');
}

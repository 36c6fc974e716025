/** The parts of the node that addons switch on, by the names in their addon.yaml. Each is loaded when it is first wanted. */
import type { NodeConfig } from '../lib/node-config.ts';
import type { ComponentFactories } from './components.ts';
import type { ContextFor, NodeTools } from './run.ts';

export function componentFactories(_config: NodeConfig, _tools: NodeTools, _contextFor: ContextFor): ComponentFactories {
  return {};
}

/**
 * The library's environment with what Kubernetes adds to CEL (the reference page "Common Expression Language in Kubernetes"). This folder is
 * the one door to `@marcbachmann/cel-js`.
 */
import { Environment } from '@marcbachmann/cel-js';
import { registerCollections } from './collections.ts';
import { registerComprehensions } from './comprehensions.ts';
import { registerNetwork } from './network.ts';
import { registerQuantity } from './quantity.ts';
import { registerText } from './text.ts';

let base: Environment | undefined;

/** A fresh environment to declare variables and types in. */
export function kubernetesEnvironment(): Environment {
  return shared().clone();
}

function shared(): Environment {
  if (base) return base;
  const made = new Environment({
    enableOptionalTypes: true,
    homogeneousAggregateLiterals: false,
    limits: { maxAstNodes: 20_000, maxDepth: 100, maxListElements: 1000, maxMapEntries: 1000, maxCallArguments: 64 },
  });
  registerText(made);
  registerCollections(made);
  registerComprehensions(made);
  registerQuantity(made);
  registerNetwork(made);
  // A parent that was cloned takes no more declarations, and so cannot be spoilt.
  return (base = made);
}

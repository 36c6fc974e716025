import type { CustomResourceDefinition } from '../../api/types.gen.ts';
import { invalid } from '../../api/status.ts';
import type { AdmissionPlugin } from '../contract.ts';
import { isDefinition } from '../registry/kinds.ts';

/**
 * Refuses definitions whose schemas could not be served: not structural, rules that do not compile. Upstream does this in validation; here
 * it comes just behind, since what it needs is loaded only where there are custom resources.
 */
export const checkDefinition: AdmissionPlugin = {
  name: 'CustomResourceDefinitionSchema',
  validate: async ({ operation, resource, subresource, object, oldObject }) => {
    if (!isDefinition(resource) || subresource !== '' || !object || (operation !== 'CREATE' && operation !== 'UPDATE')) return;
    const { definitionFindings } = await import('../../api/crd/definition.ts');
    const definition = object as unknown as CustomResourceDefinition;
    const findings = definitionFindings(definition, oldObject as unknown as CustomResourceDefinition | undefined);
    if (findings.length > 0) throw invalid(resource.kind, resource.group, definition.metadata.name ?? '', findings);
  },
};

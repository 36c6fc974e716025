import type { FieldError } from '../../../api/status.ts';
import { invalid } from '../../../api/status.ts';
import type { MatchCondition, ValidatingWebhookConfiguration } from '../../../api/types.gen.ts';
import type { AdmissionPlugin } from '../../contract.ts';

const KINDS: readonly string[] = ['MutatingWebhookConfiguration', 'ValidatingWebhookConfiguration'];

/**
 * Refuses webhook configurations whose match conditions do not compile. Upstream does this in validation; here it comes just behind, since
 * the CEL library is loaded only where there are expressions.
 */
export function checkMatchConditions(): AdmissionPlugin {
  return {
    name: 'WebhookMatchConditions',
    validate({ operation, resource, object, oldObject }) {
      if ((operation !== 'CREATE' && operation !== 'UPDATE') || !object || !KINDS.includes(resource.kind)) return undefined;
      const configuration = object as unknown as ValidatingWebhookConfiguration;
      if (!configuration.webhooks?.some(({ matchConditions }) => matchConditions?.length)) return undefined;
      return check(configuration, oldObject as unknown as ValidatingWebhookConfiguration | undefined).then((found) => {
        if (found.length > 0) throw invalid(resource.kind, resource.group, object.metadata.name ?? '', found);
      });
    },
  };
}

async function check(
  { webhooks = [] }: ValidatingWebhookConfiguration,
  old: ValidatingWebhookConfiguration | undefined,
): Promise<FieldError[]> {
  const { conditionProblems } = await import('../matching/conditions.ts');
  // What was accepted once stays acceptable.
  const known = new Set((old?.webhooks ?? []).flatMap(({ matchConditions = [] }) => matchConditions.map(({ expression }) => expression)));
  return webhooks.flatMap(({ matchConditions = [] }, index) =>
    conditionProblems(
      `webhooks[${index}].matchConditions`,
      matchConditions,
      ({ expression }: MatchCondition) => expression === '' || known.has(expression),
    ),
  );
}

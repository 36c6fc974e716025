import { StatusError } from '../../api/status.ts';
import { timestamp } from '../../api/time.ts';
import type { FlowSchema, FlowSchemaCondition, PriorityLevelConfiguration } from '../../api/types.gen.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import { stored, type StoredObjects } from '../stored.ts';

const GROUP = 'flowcontrol.apiserver.k8s.io';
const DANGLING = 'Dangling';

/** Says in the status of each FlowSchema whether the priority level that it names exists. The returned function ends it. */
export function keepFlowSchemaStatus({ clock, log, ...objects }: StoredObjects & { clock: Clock; log: Logger }): () => void {
  const schemas = stored<FlowSchema>(objects, GROUP, 'v1', 'flowschemas');
  const levels = stored<PriorityLevelConfiguration>(objects, GROUP, 'v1', 'prioritylevelconfigurations');

  const settle = async (schema: FlowSchema): Promise<void> => {
    const wanted = danglingCondition(schema, (name) => levels.get('', name) !== undefined);
    const conditions = schema.status?.conditions ?? [];
    const live = conditions.find(({ type }) => type === DANGLING);
    if (live?.status === wanted.status && live?.message === wanted.message) return;
    const lastTransitionTime = live?.status === wanted.status ? live?.lastTransitionTime : timestamp(clock.now());
    const others = conditions.filter(({ type }) => type !== DANGLING);
    const status = { ...schema.status, conditions: [...others, { ...wanted, lastTransitionTime }] };
    await objects.source.updateStatus(schemas.resource, { ...schema, status });
  };
  const look = (schema: FlowSchema): void => {
    settle(schema).catch((error: unknown) => {
      // Somebody else changed or deleted it meanwhile: that event brings us back.
      if (!StatusError.is(error, 'Conflict') && !StatusError.is(error, 'NotFound'))
        log.warn('the status of a flow schema could not be written', { name: schema.metadata.name, error });
    });
  };
  const stops = [
    schemas.subscribe((schema, _previous, deleted) => {
      if (!deleted) look(schema);
    }),
    levels.subscribe((level, previous, deleted) => {
      if (previous && !deleted) return;
      for (const schema of schemas.list()) if (schema.spec?.priorityLevelConfiguration.name === level.metadata.name) look(schema);
    }),
  ];
  for (const schema of schemas.list()) look(schema);
  return () => {
    for (const stop of stops) stop();
  };
}

function danglingCondition({ spec }: FlowSchema, exists: (level: string) => boolean): FlowSchemaCondition {
  const name = spec?.priorityLevelConfiguration.name ?? '';
  const references = `This FlowSchema references the PriorityLevelConfiguration object named ${JSON.stringify(name)}`;
  return exists(name)
    ? { type: DANGLING, status: 'False', reason: 'Found', message: `${references} and it exists` }
    : { type: DANGLING, status: 'True', reason: 'NotFound', message: `${references} but there is no such object` };
}

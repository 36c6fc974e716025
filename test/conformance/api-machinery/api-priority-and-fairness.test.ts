import assert from 'node:assert/strict';
import type { V1FlowSchema, V1PriorityLevelConfiguration } from '@kubernetes/client-node';
import { apiOperations } from '../api-operations.ts';
import { conformance } from '../harness.ts';
import { rest } from '../rest.ts';

const group = 'flowcontrol.apiserver.k8s.io';

conformance('api-machinery', 'API priority and fairness', {}, (behaviour) => {
  behaviour('should support FlowSchema API operations', async (world) => {
    const api = rest(world);
    const subjects = [{ kind: 'User', user: { name: 'example-e2e-non-existent-user' } }];
    const nonResourceRules = [{ verbs: ['*'], nonResourceURLs: ['*'] }];
    await apiOperations(world, {
      group,
      resource: 'flowschemas',
      make: (name) => ({
        metadata: { name },
        spec: {
          matchingPrecedence: 10_000,
          priorityLevelConfiguration: { name: 'global-default' },
          rules: [{ subjects, nonResourceRules }],
        },
      }),
      subresources: async (path) => {
        const changed = await api.patch<V1FlowSchema>(path, { spec: { matchingPrecedence: 9999 } });
        assert.equal(changed.spec!.matchingPrecedence, 9999);
        const read = await api.get<V1FlowSchema>(`${path}/status`);
        assert.equal(read.metadata!.name, changed.metadata!.name);
        const condition = {
          type: 'PatchedByUs',
          status: 'Unknown',
          reason: 'Test',
          message: 'patched',
          lastTransitionTime: new Date().toISOString(),
        };
        const patched = await api.patch<V1FlowSchema>(`${path}/status`, { status: { conditions: [condition] } });
        assert.ok(patched.status!.conditions!.some(({ type }) => type === 'PatchedByUs'));
        const updated = await api.update<V1FlowSchema>(`${path}/status`, (object) => {
          object.status!.conditions!.push({ ...patched.status!.conditions![0]!, type: 'UpdatedByUs', message: 'updated' });
        });
        assert.ok(updated.status!.conditions!.some(({ type }) => type === 'UpdatedByUs'));
      },
    });
  });

  behaviour('should support PriorityLevelConfiguration API operations', async (world) => {
    const api = rest(world);
    await apiOperations(world, {
      group,
      resource: 'prioritylevelconfigurations',
      make: (name) => ({
        metadata: { name },
        spec: { type: 'Limited', limited: { nominalConcurrencyShares: 2, limitResponse: { type: 'Reject' } } },
      }),
      subresources: async (path) => {
        const changed = await api.patch<V1PriorityLevelConfiguration>(path, { spec: { limited: { nominalConcurrencyShares: 4 } } });
        assert.equal(changed.spec!.limited!.nominalConcurrencyShares, 4);
        const read = await api.get<V1PriorityLevelConfiguration>(`${path}/status`);
        assert.equal(read.metadata!.name, changed.metadata!.name);
        const condition = {
          type: 'PatchedByUs',
          status: 'Unknown',
          reason: 'Test',
          message: 'patched',
          lastTransitionTime: new Date().toISOString(),
        };
        const patched = await api.patch<V1PriorityLevelConfiguration>(`${path}/status`, { status: { conditions: [condition] } });
        assert.ok(patched.status!.conditions!.some(({ type }) => type === 'PatchedByUs'));
        const updated = await api.update<V1PriorityLevelConfiguration>(`${path}/status`, (object) => {
          object.status!.conditions!.push({ ...patched.status!.conditions![0]!, type: 'UpdatedByUs', message: 'updated' });
        });
        assert.ok(updated.status!.conditions!.some(({ type }) => type === 'UpdatedByUs'));
      },
    });
  });
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withControllers } from '../../../test/fixtures/controller-world.ts';
import { IP_ADDRESSES, SERVICE_CIDRS } from '../../client/resources.ts';
import { createServiceCidrController } from './service-cidr-controller.ts';

const FINALIZER = 'networking.k8s.io/service-cidr-finalizer';

test('a range becomes ready, and stays as long as an address needs it', () =>
  withControllers(async ({ api, context, start, pass, logged }) => {
    const cidrs = context.client.resource(SERVICE_CIDRS);
    const addresses = context.client.resource(IP_ADDRESSES);
    const parentRef = { resource: 'services', namespace: 'default', name: 'web' };
    await cidrs.create({ metadata: { name: 'kubernetes' }, spec: { cidrs: ['10.96.0.0/16'] } });
    await start(createServiceCidrController(context));
    await cidrs.create({ metadata: { name: 'more' }, spec: { cidrs: ['10.112.0.0/24', 'fd00::/112'] } });
    await pass(10);
    const ready = async (name: string): Promise<unknown[]> => {
      const { metadata, status } = await cidrs.get(name);
      const [condition] = status!.conditions!;
      return [metadata.finalizers, condition!.type, condition!.status, condition!.reason, condition!.message];
    };
    assert.deepEqual(await ready('kubernetes'), [[FINALIZER], 'Ready', 'True', '', 'Kubernetes default Service CIDR is ready']);
    assert.deepEqual(await ready('more'), [[FINALIZER], 'Ready', 'True', '', 'Kubernetes Service CIDR is ready']);

    await addresses.create({ metadata: { name: 'fd00::7' }, spec: { parentRef } });
    await addresses.create({ metadata: { name: '10.96.0.7' }, spec: { parentRef } });
    await cidrs.delete('more');
    await pass(20_000);
    const [, , status, reason, message] = await ready('more');
    assert.deepEqual([status, reason], ['False', 'Terminating']);
    assert.match(String(message), /^There are still IPAddresses referencing the ServiceCIDR/);

    await addresses.delete('fd00::7');
    await pass(10);
    assert.deepEqual(
      api.all(SERVICE_CIDRS).map(({ metadata }) => metadata.name),
      ['kubernetes'],
    );
    assert.deepEqual(logged, []);
  }));

test('a range goes when another one holds its addresses, but not before every server knows', () =>
  withControllers(async ({ api, context, start, pass }) => {
    const cidrs = context.client.resource(SERVICE_CIDRS);
    await start(createServiceCidrController(context));
    await cidrs.create({ metadata: { name: 'old' }, spec: { cidrs: ['10.112.0.0/24'] } });
    await context.client
      .resource(IP_ADDRESSES)
      .create({ metadata: { name: '10.112.0.9' }, spec: { parentRef: { resource: 'services', name: 'x' } } });
    await pass(10);
    await cidrs.delete('old');
    await pass(10);
    await cidrs.create({ metadata: { name: 'wide' }, spec: { cidrs: ['10.112.0.0/16'] } });
    const names = (): string[] => api.all(SERVICE_CIDRS).map(({ metadata }) => metadata.name!);
    await pass(5000);
    assert.deepEqual(names(), ['old', 'wide']);
    await pass(10_000);
    assert.deepEqual(names(), ['wide']);
  }));

/** A kind of one's own, as kubectl sees it: rules in CEL, two versions, a webhook that converts between them. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Cluster, startCluster } from '../fixtures/cluster.ts';
import { type Converted, startConversionServer } from '../fixtures/conversion-server.ts';
import { eventually } from '../fixtures/eventually.ts';
import { kubectls } from '../fixtures/machine.ts';

const found = await kubectls();
const GROUP = 'stable.example.com';

/** v1 says `size: "3x4"`, v2 `width: 3` and `height: 4`. */
function convert(object: Converted, apiVersion: string): Converted {
  const { size, width, height, ...spec } = object['spec'] as { size?: string; width?: number; height?: number };
  const [w, h] = size === undefined ? [width, height] : size.split('x').map(Number);
  return { ...object, apiVersion, spec: { ...spec, ...(apiVersion.endsWith('/v2') ? { width: w, height: h } : { size: `${w}x${h}` }) } };
}

const schema = (properties: object, rules: object[]): object => ({
  openAPIV3Schema: {
    type: 'object',
    properties: {
      spec: {
        type: 'object',
        properties: { color: { type: 'string', default: 'green', description: 'What it is painted in.' }, ...properties },
        'x-kubernetes-validations': rules,
      },
      status: { type: 'object', properties: { painted: { type: 'boolean' } } },
    },
  },
});

const definition = (clientConfig: object): object => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `boards.${GROUP}` },
  spec: {
    group: GROUP,
    scope: 'Namespaced',
    names: { plural: 'boards', kind: 'Board', shortNames: ['bd'] },
    conversion: { strategy: 'Webhook', webhook: { clientConfig, conversionReviewVersions: ['v1'] } },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: schema({ size: { type: 'string' } }, [
          { rule: "self.size.matches('^[0-9]+x[0-9]+$')", message: 'size is WIDTHxHEIGHT' },
          { rule: 'self.color == oldSelf.color', messageExpression: "'the color stays ' + oldSelf.color" },
        ]),
        additionalPrinterColumns: [{ name: 'Size', type: 'string', jsonPath: '.spec.size' }],
      },
      {
        name: 'v2',
        served: true,
        storage: false,
        subresources: { status: {} },
        schema: schema({ width: { type: 'integer' }, height: { type: 'integer' } }, [
          { rule: 'self.width < 10', message: 'too wide', fieldPath: '.width' },
        ]),
        additionalPrinterColumns: [{ name: 'Width', type: 'integer', jsonPath: '.spec.width' }],
      },
    ],
  },
});

for (const kubectl of found) {
  describe(`custom resources with kubectl ${kubectl.version}`, () => {
    let cluster: Cluster;
    let converter: Awaited<ReturnType<typeof startConversionServer>>;
    before(async () => {
      cluster = await startCluster({ driver: 'sim', profile: `e2e-crd-${kubectl.version.replace('.', '-')}`, kubectl: kubectl.path });
      converter = await startConversionServer(convert);
    });
    after(async () => {
      await converter?.close();
      await cluster?.delete();
    });

    const out = async (...args: string[]): Promise<string> => (await cluster.kubectl(args)).stdout;
    const apply = (object: object) => cluster.kubectl(['apply', '-f', '-'], { input: JSON.stringify(object), reject: false });
    const board = (version: string, name: string, spec: object): object => ({
      apiVersion: `${GROUP}/${version}`,
      kind: 'Board',
      metadata: { name },
      spec,
    });

    it('defines the kind', async () => {
      assert.equal(
        (await apply(definition(converter.clientConfig))).stdout,
        `customresourcedefinition.apiextensions.k8s.io/boards.${GROUP} created`,
      );
      await out('wait', '--for=condition=Established', `crd/boards.${GROUP}`, '--timeout=20s');
      await eventually(
        async () =>
          assert.match(await out('api-resources', `--api-group=${GROUP}`), /^boards +bd +stable\.example\.com\/v2 +true +Board$/m),
        { within: 5000 },
      );
    });

    it('refuses what its rules refuse, in their words', async () => {
      const wrong = await apply(board('v1', 'wrong', { size: 'large' }));
      assert.match(wrong.stderr, /The Board "wrong" is invalid: spec: Invalid value: .*size is WIDTHxHEIGHT/);
      const wide = await apply(board('v2', 'wide', { width: 12, height: 1 }));
      assert.match(wide.stderr, /spec\.width: Invalid value: .*too wide/);
      assert.equal(await out('get', 'boards', '-o', 'name'), '');
    });

    it('defaults, and keeps what a transition rule keeps', async () => {
      assert.equal((await apply(board('v1', 'mine', { size: '3x4' }))).exitCode, 0);
      assert.equal(await out('get', 'board', 'mine', '-o', 'jsonpath={.spec.color}'), 'green');
      const { stderr } = await cluster.kubectl(['patch', `boards.v1.${GROUP}`, 'mine', '--type=merge', '-p', '{"spec":{"color":"red"}}'], {
        reject: false,
      });
      assert.match(stderr, /the color stays green/);
    });

    it('shows each object in each version', async () => {
      assert.equal((await apply(board('v2', 'yours', { width: 5, height: 6 }))).exitCode, 0);
      assert.match(await out('get', `boards.v1.${GROUP}`), /^NAME +SIZE\nmine +3x4\nyours +5x6$/);
      assert.match(await out('get', `boards.v2.${GROUP}`), /^NAME +WIDTH\nmine +3\nyours +5$/);
      assert.equal(await out('get', `boards.v2.${GROUP}`, 'mine', '-o', 'jsonpath={.spec.width} {.spec.height}'), '3 4');
      assert.match(await out('explain', 'boards.spec.color', `--api-version=${GROUP}/v1`), /What it is painted in\./);
    });

    it('is gone with its objects when its definition is', async () => {
      await out('delete', 'crd', `boards.${GROUP}`);
      // kubectl may remember the kind for a while; the server does not.
      const { stderr } = await cluster.kubectl(['get', 'boards'], { reject: false });
      assert.match(stderr, /could not find the requested resource|doesn't have a resource type "boards"/);
    });
  });
}

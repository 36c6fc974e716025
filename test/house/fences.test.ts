import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { execa } from 'execa';

// Plants a forbidden import in a copy of the tree and expects the fence to say so: a checker that sees nothing would pass everything.
describe('import fences', () => {
  const root = join(import.meta.dirname, '..', '..');
  let copy = '';

  before(() => {
    copy = mkdtempSync(join(tmpdir(), 'rockpool-fences-'));
    cpSync(join(root, 'src'), join(copy, 'src'), { recursive: true });
    for (const file of ['.dependency-cruiser.cjs', 'tsconfig.json', 'package.json']) cpSync(join(root, file), join(copy, file));
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  });
  after(() => rmSync(copy, { recursive: true, force: true }));

  const cruise = () =>
    execa('depcruise', ['--config', '.dependency-cruiser.cjs', 'src'], { cwd: copy, preferLocal: true, localDir: root, reject: false, all: true });

  it('passes the tree as it is', async () => {
    const result = await cruise();
    assert.equal(result.exitCode, 0, result.all);
  });

  const breaches = [
    { name: 'a component imports the store', file: 'src/scheduler/breach.ts', source: "import type { Storage } from '../storage/storage.ts';\nexport type A = Storage;\n", rule: 'fence-scheduler' },
    { name: 'the laptop side imports the node', file: 'src/cluster/breach.ts', source: "export type { NodeConfig } from '../node/main.ts';\n", rule: 'fence-cluster' },
    { name: 'the API facts import the client', file: 'src/api/breach.ts', source: "import type { Client } from '../client/client.ts';\nexport type A = Client;\n", rule: 'fence-api' },
    { name: 'the API server imports a component', file: 'src/apiserver/breach.ts', source: "export type { ContainerRuntime } from '../kubelet/runtime/runtime.ts';\n", rule: 'fence-apiserver' },
  ];
  for (const { name, file, source, rule } of breaches) {
    it(`stops: ${name}`, async () => {
      writeFileSync(join(copy, file), source);
      try {
        const result = await cruise();
        assert.notEqual(result.exitCode, 0);
        assert.match(result.all, new RegExp(`${rule}: ${file}`));
      } finally {
        rmSync(join(copy, file));
      }
    });
  }
});

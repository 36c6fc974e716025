import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { build } from 'esbuild';
import { execa } from 'execa';

// Plants a forbidden import in a copy of the tree and expects the fence to say so: a checker that sees nothing would pass everything.
describe('import fences', () => {
  const root = join(import.meta.dirname, '..', '..');
  let copy = '';

  before(() => {
    copy = mkdtempSync(join(tmpdir(), 'rockpool-fences-'));
    cpSync(join(root, 'src'), join(copy, 'src'), { recursive: true });
    for (const file of ['.dependency-cruiser.cjs', '.oxlintrc.json', 'tsconfig.json', 'package.json'])
      cpSync(join(root, file), join(copy, file));
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  });
  after(() => rmSync(copy, { recursive: true, force: true }));

  const cruise = () =>
    execa('depcruise', ['--config', '.dependency-cruiser.cjs', 'src'], {
      cwd: copy,
      preferLocal: true,
      localDir: root,
      reject: false,
      all: true,
    });

  it('passes the tree as it is', async () => {
    const result = await cruise();
    assert.equal(result.exitCode, 0, result.all);
  });

  const breaches = [
    {
      name: 'a component imports the store',
      file: 'src/scheduler/breach.ts',
      source: "import type { Storage } from '../storage/storage.ts';\nexport type A = Storage;\n",
      rule: 'fence-scheduler',
    },
    {
      name: 'the laptop side imports the node',
      file: 'src/cluster/breach.ts',
      source: "export type { NodeConfig } from '../node/main.ts';\n",
      rule: 'fence-cluster',
    },
    {
      name: 'the API facts import the client',
      file: 'src/api/breach.ts',
      source: "import type { Client } from '../client/client.ts';\nexport type A = Client;\n",
      rule: 'fence-api',
    },
    {
      name: 'the API server imports a component',
      file: 'src/apiserver/breach.ts',
      source: "export type { ContainerRuntime } from '../kubelet/runtime/runtime.ts';\n",
      rule: 'fence-apiserver',
    },
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

  it('stops: two files that import each other', async () => {
    const files = ['first', 'second'].map((name) => join(copy, 'src/scheduler', `${name}.ts`));
    writeFileSync(files[0]!, "import { b } from './second.ts';\nexport const a = (): number => b();\n");
    writeFileSync(files[1]!, "import { a } from './first.ts';\nexport const b = (): number => a();\n");
    try {
      const result = await execa('oxlint', ['src/scheduler'], { cwd: copy, preferLocal: true, localDir: root, reject: false, all: true });
      assert.notEqual(result.exitCode, 0);
      assert.match(result.all, /no-cycle/);
    } finally {
      for (const file of files) rmSync(file);
    }
  });

  it('the page of the dashboard, which the cruiser does not read, keeps to its fence', async () => {
    const { metafile } = await build({
      entryPoints: [join(root, 'src/dashboard/web/main.tsx')],
      bundle: true,
      write: false,
      metafile: true,
      outdir: copy,
      jsx: 'automatic',
      jsxImportSource: 'preact',
      platform: 'browser',
      format: 'esm',
      absWorkingDir: root,
    });
    const ours = Object.keys(metafile.inputs).filter((path) => path.startsWith('src/'));
    assert.ok(ours.length > 5);
    assert.deepEqual(
      ours.filter((path) => !/^src\/(dashboard|client|api|lib)\//.test(path)),
      [],
    );
  });
});
